"""Great vessels, airways and oesophagus of a simulated chest, as tubes; where the lobes' airways begin.

Millimetres as in `medcourse.datasets.torso`: z is 0 where the trachea divides, x grows to the patient's left.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from medcourse.datasets.shapes import curve
from medcourse.datasets.tubes import Segment

# Tubes along points (z, y, x) with a radius at each, in which blood or air flows.
VESSELS: dict[str, Sequence[tuple[float, float, float, float]]] = {
    "aorta": [
        (-52, -2, 2, 13),
        (-25, -13, -14, 15),
        (0, -17, -18, 15),
        (18, -14, -13, 14),
        (29, 0, 6, 13),
        (29, 16, 20, 12.5),
        (20, 31, 27, 12),
        (0, 41, 29, 12),
        (-50, 45, 26, 11.5),
        (-110, 42, 17, 11),
        (-200, 40, 8, 10),
    ],
    "brachiocephalic artery": [(38, -4, 2, 6.5), (55, -2, -8, 6), (80, 4, -18, 5), (120, 4, -22, 4)],
    "left carotid": [(39, 6, 13, 4), (60, 8, 15, 3.6), (120, 8, 22, 3.2)],
    "left subclavian": [(38, 19, 22, 5), (60, 22, 26, 4.6), (82, 16, 34, 4.4), (96, 4, 60, 4)],
    "superior vena cava": [(42, -14, -27, 8), (15, -6, -35, 9), (-15, -2, -37, 9.5), (-42, -4, -36, 11)],
    "right innominate vein": [(42, -14, -27, 8), (70, -12, -30, 7), (110, -8, -36, 6)],
    "left innominate vein": [
        (40, -16, -26, 7),
        (46, -30, -4, 6.5),
        (56, -24, 22, 6),
        (80, -14, 34, 6),
        (110, -10, 40, 5),
    ],
    "azygos": [(-195, 42, -6, 3), (0, 41, -9, 3.6), (9, 36, -16, 4), (12, 20, -28, 4), (10, 2, -34, 4.2)],
    "inferior vena cava": [(-75, 4, -30, 11), (-105, 14, -28, 12), (-200, 20, -24, 11)],
    "pulmonary trunk": [
        (-64, -48, 2, 14),
        (-48, -44, 8, 14),
        (-30, -37, 14, 14),
        (-14, -24, 19, 13.5),
        (-8, -12, 24, 12),
    ],
    "right pulmonary artery": [(-13, -18, 20, 10), (-18, -1, 2, 10.5), (-18, 6, -20, 10), (-18, 8, -38, 9)],
    "left pulmonary artery": [(-9, -12, 24, 11.5), (-2, 4, 34, 10.5), (-6, 19, 43, 9), (-22, 28, 48, 7.5)],
    "right upper pulmonary vein": [(-44, 6, -22, 8), (-36, -2, -42, 6.5), (-26, -4, -54, 5)],
    "right lower pulmonary vein": [(-52, 16, -22, 8), (-58, 24, -42, 6.5), (-66, 30, -54, 5)],
    "left upper pulmonary vein": [(-42, 6, 32, 7.5), (-32, 0, 46, 6.5), (-18, -6, 56, 5)],
    "left lower pulmonary vein": [(-50, 18, 30, 7.5), (-58, 28, 46, 6.5), (-66, 32, 56, 5)],
}
AIRWAYS: dict[str, Sequence[tuple[float, float, float, float]]] = {
    "trachea": [(125, 2, 0, 8), (70, 10, -1, 8.5), (30, 17, -3, 8.5), (4, 21, -2, 9)],
    "right main bronchus": [(4, 21, -5, 7), (-12, 22, -22, 6.5), (-16, 22, -30, 6.2)],
    "right upper bronchus": [(-13, 22, -26, 4.8), (-10, 21, -44, 4.4)],
    "bronchus intermedius": [(-16, 22, -30, 5.5), (-40, 25, -37, 5)],
    "left main bronchus": [(4, 21, 0, 6.5), (-12, 24, 20, 6), (-25, 27, 40, 5.6)],
    "left upper bronchus": [(-25, 27, 40, 4.6), (-25, 20, 53, 4.2)],
    "left lower bronchus": [(-25, 27, 40, 4.8), (-42, 34, 46, 4.4)],
}
# Whose blood brightens at which time after the injection of a contrast agent.
CIRCULATION = {
    "arteries": ("aorta", "brachiocephalic artery", "left carotid", "left subclavian"),
    "veins": (
        "superior vena cava",
        "right innominate vein",
        "left innominate vein",
        "azygos",
        "inferior vena cava",
    ),
}
OESOPHAGUS = [(125, 16, 3, 6), (60, 24, 4, 6), (20, 33, 6, 6.5), (0, 36, 7, 6.5), (-50, 35, 8, 7), (-110, 26, 12, 7)]
# Where lobes' airways begin, with their radius; their arteries run on this side of them.
LOBES: dict[str, tuple[tuple[float, float, float], float, tuple[float, float, float]]] = {
    "right upper": ((-10, 21, -44), 4.2, (0, -1, 0.3)),
    "right middle": ((-40, 24, -37), 3.2, (0.2, 0, -1)),
    "right lower": ((-41, 26, -38), 4.4, (0, 0, -1)),
    "left upper": ((-25, 20, 53), 4.2, (0.8, 0.5, 0)),
    "left lower": ((-42, 34, 46), 4.3, (0.2, 0, 1)),
}


def draw_lumens(rng: np.random.Generator) -> tuple[dict[str, list[Segment]], list[Segment], list[Segment]]:
    """Return great vessels, airways and oesophagus, each person's a little elsewhere."""
    shift = rng.normal(0, 1.5, 3)
    size = np.clip(rng.normal(1, 0.07), 0.85, 1.2)

    def tube(points: Sequence[Sequence[float]], size: float) -> list[Segment]:
        table = np.asarray(points, float)
        way = curve(table, 6 * len(table))
        way[:, :3] += shift
        return [Segment(a[:3], b[:3], size * a[3], size * b[3]) for a, b in pairwise(way)]

    vessels: dict[str, list[Segment]] = {"arteries": [], "veins": [], "lungs": []}
    for name, points in VESSELS.items():
        where = next((group for group, names in CIRCULATION.items() if name in names), "lungs")
        vessels[where] += tube(points, size)
    airways = [segment for points in AIRWAYS.values() for segment in tube(points, 1.0)]
    return vessels, airways, tube(OESOPHAGUS, np.clip(rng.normal(1, 0.1), 0.8, 1.3))
