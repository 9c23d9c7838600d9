"""The shape of a chest in three dimensions, drawn with smooth surfaces and tubes; no person was scanned for it.

Millimetres, (z, y, x): z from the feet to the head, 0 where the trachea divides; y from the front to the back, x from
the patient's right to the left, both 0 in the middle. Surfaces are maps of depth (`medcourse.datasets.shapes`) on a
coarse grid: millimetres inside, negative outside.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from medcourse.datasets.lumens import LOBES, draw_lumens
from medcourse.datasets.lungtree import Tree, beside, grow_into
from medcourse.datasets.tubes import Floats, Segment

Field = NDArray[np.float32]
COARSE_MM = 3.0
GRID = tuple(np.arange(low, high + 1, COARSE_MM) for low, high in ((-195.0, 126.0), (-126.0, 126.0), (-174.0, 174.0)))
RIB_PITCH_MM, VERTEBRA_MM = 24.0, 22.0

# Half axes (front to back, right to left) and middle (y) of the space inside of the ribs, by height: an adult's.
_CAGE = np.array(
    [
        *[(-195, 88, 126, 4), (-100, 85, 130, 4), (-40, 82, 127, 3), (0, 77, 118, 5), (40, 64, 102, 12)],
        *[(70, 48, 78, 19), (95, 26, 45, 25), (108, 6, 12, 26), (130, 2, 4, 26)],
    ]
)

# Chambers and walls of the heart: middle, half axes, direction of the first half axis, thickness of the muscle.
_CHAMBERS = (
    ((-74, -22, 42), (42, 25, 25), (-0.5, -0.5, 0.7), 9.0),  # left ventricle
    ((-72, -44, 4), (34, 24, 36), (1.0, 0.25, 0.0), 3.0),  # right ventricle
    ((-62, -14, -34), (32, 24, 24), (1.0, 0.0, 0.0), 2.0),  # right atrium
    ((-48, 15, 3), (19, 16, 33), (1.0, 0.2, 0.0), 2.0),  # left atrium
)


@dataclass(frozen=True)
class Torso:
    """A person's chest: depths on `GRID`, and tubes.

    Attributes
    ----------
    fields
        Name to (Z, Y, X) float32.
    scale
        (3,) millimetres of this person for one of the grid.
    habits
        Other numbers that make the person.
    vessels
        Tubes of "arteries", "veins" and "lungs", in the grid's millimetres.
    airways, oesophagus
        Tubes.
    arteries, veins, bronchi
        A tree a lobe.
    """

    fields: dict[str, Field]
    scale: Floats
    habits: dict[str, float]
    vessels: dict[str, list[Segment]]
    airways: list[Segment]
    oesophagus: list[Segment]
    bronchi: list[Tree]
    arteries: list[Tree]
    veins: list[Tree]


def draw_torso(
    rng: np.random.Generator, place_nodes: Callable[[dict[str, Field], Floats], None], *, n_points: int = 3000
) -> Torso:
    """Draw a chest.

    Parameters
    ----------
    rng
        Source of the person.
    place_nodes
        Called with fields and scale before the lungs fill what is left; may raise `middle`, the mediastinum.
    n_points
        How many ends of vessels an adult's lung of 2.4 litres has.
    """
    scale = np.clip(rng.normal(1, 0.04, 3) + rng.normal(0, 0.02), 0.9, 1.08)
    z, y, x = np.meshgrid(*(axis.astype(np.float32) for axis in GRID), indexing="ij", sparse=True)
    fields: dict[str, Field] = {}
    habits = _habits(rng)
    _wall(rng, (z, y, x), habits, fields)
    cage = fields["cage"]
    fields["plaque"] = _plaques(rng, cage, fields["texture"])

    vessels, airways, gullet = draw_lumens(rng)
    heart, blood = _heart(rng, z, y, x)
    fields["heart"], fields["blood"] = heart, blood
    fields["diaphragm"] = _diaphragm(z, y, x) + 2 * smooth(rng, 40)
    around = [*vessels["arteries"], *vessels["veins"], *vessels["lungs"], *airways, *gullet]
    fields["middle"] = _middle(z, y, x, heart, around)
    fields["organs"] = _organs(z, y, x, fields, around)
    place_nodes(fields, scale)
    undulation = 3 * smooth(rng, 40)
    tilt = 0.10 * (np.abs(x) - 70) + habits["left fissure"] * (x > 0)
    fields["oblique"] = (y - 70) * 0.757 - (z - 40) * 0.655 + tilt + undulation  # positive in the lower lobe
    fields["minor"] = z + 28 + 0.002 * (x + 80) ** 2 + undulation  # positive above: right upper lobe
    for name, field in fields.items():
        fields[name] = np.asarray(field, np.float32)
    lung = np.minimum(np.minimum(cage, -fields["middle"]), np.minimum(-fields["diaphragm"], -fields["plaque"]))
    fields["lung"] = lung
    bronchi, arteries, veins = _trees(rng, fields, n_points)
    return Torso(fields, scale, habits, vessels, airways, gullet, bronchi, arteries, veins)


def _wall(
    rng: np.random.Generator, at: tuple[Field, Field, Field], habits: dict[str, float], fields: dict[str, Field]
) -> None:
    """Add the depths inside of the ribs, under the surface of the muscles and under the skin, and noise for texture."""
    z, y, x = at
    fat_mm = rng.uniform(5, 17)
    half_y, half_x, middle = (np.interp(z, _CAGE[:, 0], _CAGE[:, i]).astype(np.float32) for i in (1, 2, 3))
    cage = _ellipse(y - middle, x, half_y, half_x, 2.3) + 1.2 * smooth(rng, 45)
    behind = 5 * np.exp(-((x / 14) ** 2)) * (y > 0)  # the furrow over the spine
    front, back = middle - half_y - 17, 97 - 0.06 * np.clip(z, 0, None)  # the wall follows the ribs in front
    broad = 147 - 6 * np.clip((z - 20) / 60, -0.5, 1)
    muscle = (
        _ellipse(y - (front + back) / 2, x, (back - front) / 2, np.asarray(broad, np.float32), 2.5)
        - behind
        + 1.5 * smooth(rng, 50)
    )
    thick = fat_mm * np.clip(1 + 0.25 * smooth(rng, 60) + 0.6 * np.abs(x / 150) ** 3 - 0.4 * (y > 70), 0.35, 2.2)
    thick += habits["breast"] * _breasts(z, y, x)
    fields["cage"], fields["muscle"], fields["skin"] = cage, muscle, muscle + thick
    lowest = np.flatnonzero((fields["skin"] > 0).any((0, 2)))[-1]
    habits["table"] = float(GRID[1][lowest]) + COARSE_MM  # where the patient lies
    fields["planes"], fields["texture"] = smooth(rng, 22), smooth(rng, 7)


def _habits(rng: np.random.Generator) -> dict[str, float]:
    """Return what makes a person: places and sizes that numbers describe."""
    return {
        "breast": float(rng.choice([0.0, rng.uniform(8, 24)])),
        "left fissure": rng.normal(0, 7),
        "rib drop": rng.uniform(94, 122),
        "rib phase": rng.uniform(-12, 12),
        "rib lean": rng.normal(0, 3.5),
        "vertebra phase": rng.uniform(0, VERTEBRA_MM),
        "shoulder": rng.normal(0, 0.08),
        "emphysema": float(max(0, rng.normal(-0.3, 0.6))),
        "dependent": rng.uniform(0, 0.6),
        "muscle": rng.uniform(0.7, 1.3),
    }


def _breasts(z: Field, y: Field, x: Field) -> Field:
    """Return how far breasts stand out, 0 to 1."""
    bump = np.exp(-(((np.abs(x) - 72) / 38) ** 2) - ((z + 42) / 42) ** 2)
    return np.asarray(bump * np.clip(-y / 60, 0, 1), np.float32)


def _plaques(rng: np.random.Generator, cage: Field, texture: Field) -> Field:
    """Return the depth in a few flat thickenings of the pleura, which are no nodules."""
    depth = np.full(cage.shape, -50, np.float32)
    rows = np.argwhere(np.abs(cage) < 0.5 * COARSE_MM)
    for row in rows[rng.integers(0, len(rows), rng.poisson(5))]:
        size, height = rng.uniform(4, 11), rng.uniform(1.5, 4)
        low = np.maximum(row - 8, 0)
        part = tuple(slice(a, b + 9) for a, b in zip(low, row, strict=True))
        offset = [axis[one] - axis[r] for axis, one, r in zip(GRID, part, row, strict=True)]
        far = sum(o**2 for o in np.meshgrid(*offset, indexing="ij", sparse=True))
        bump = height * np.exp(-far / size**2) + 0.3 * texture[part] - cage[part]
        depth[part] = np.maximum(depth[part], np.where(far < (2 * size) ** 2, bump - 0.4, -50))
    return depth


def smooth(rng: np.random.Generator, scale_mm: float) -> Field:
    """Return smooth noise on `GRID`, of mean 0 and variance about 1, whose bumps are about `scale_mm` wide."""
    noise: Field | None = None
    counts = [int((axis[-1] - axis[0]) / scale_mm) + 5 for axis in GRID]
    noise = rng.standard_normal(counts, dtype=np.float32)
    for axis, n in zip(GRID, counts, strict=True):
        place = (axis[:, None] - axis[0]) / scale_mm + 2 - np.arange(n)[None, :]
        weight = np.exp(-0.5 * (place / 0.6) ** 2)
        weight /= np.sqrt((weight**2).sum(1, keepdims=True))
        noise = np.moveaxis(np.tensordot(weight.astype(np.float32), noise, (1, 0)), 0, -1)
    return np.ascontiguousarray(noise)


def _ellipse(y: Field, x: Field, half_y: Any, half_x: Any, power: float) -> Field:
    """Return the depth in a superellipse around 0, along the ray from its middle."""
    scale = (np.abs(y / half_y) ** power + np.abs(x / half_x) ** power) ** (1 / power)
    scale = np.maximum(scale, 1e-3)
    radius = np.sqrt(y**2 + x**2)
    return np.asarray(np.minimum(radius / scale - radius, 300), np.float32)


def _ellipsoid(
    at: tuple[Field, Field, Field], middle: Sequence[float], half: Sequence[float], axis: Sequence[float]
) -> Field:
    """Return the depth in an ellipsoid whose first half axis lies along a direction."""
    first = np.asarray(axis, float) / np.linalg.norm(axis)
    third = np.array([0.0, 0.0, 1.0]) - first[2] * first
    third /= np.linalg.norm(third)
    offset = [a - m for a, m in zip(at, middle, strict=True)]
    total: Field = np.zeros((1, 1, 1), np.float32)
    for direction, length in zip((first, np.cross(third, first), third), half, strict=True):
        along = sum(o * np.float32(d) for o, d in zip(offset, direction, strict=True))
        total = total + (along / np.float32(length)) ** 2
    scale = np.sqrt(total) + 1e-3
    radius = np.sqrt(sum(o**2 for o in offset))
    return np.asarray(radius / scale - radius, np.float32)


def _heart(rng: np.random.Generator, z: Field, y: Field, x: Field) -> tuple[Field, Field]:
    """Return depths in the heart with its muscle, and in the blood of its chambers."""
    size = np.clip(rng.normal(1, 0.05), 0.9, 1.12)
    heart = blood = np.full([len(axis) for axis in GRID], -200, np.float32)
    left: Field | None = None
    for middle, half, axis, wall in _CHAMBERS:
        chamber = _ellipsoid((z, y, x), middle, [size * h for h in half], axis)
        if left is None:
            left = chamber
        else:  # the muscle of the left ventricle, the thickest, stands between it and the others
            chamber = np.minimum(chamber, -left - _CHAMBERS[0][3])
        heart, blood = np.maximum(heart, chamber + np.float32(wall)), np.maximum(blood, chamber)
    heart = ndi.gaussian_filter(heart, 1.3)  # fills the furrows between the chambers
    return heart, np.asarray(blood + 1.0 * smooth(rng, 9), np.float32)


def _diaphragm(z: Field, y: Field, x: Field) -> Field:
    """Return the depth below the domes of the diaphragm."""
    right = -98 - 0.0075 * (y + 5) ** 2 - 0.0065 * (x + 62) ** 2
    left = -108 - 0.0075 * (y + 5) ** 2 - 0.0065 * (x - 68) ** 2
    return np.asarray(np.maximum(right, left) - z, np.float32)


def _middle(z: Field, y: Field, x: Field, heart: Field, tubes: list[Segment]) -> Field:
    """Return the depth in the mediastinum and beside the spine: all that lies between the lungs, and fat around it."""
    bend = 12 * (z / 100) ** 2  # the spine is bent, its middle farthest back
    y_spine = y + np.minimum(bend, 14)
    spine = np.maximum(_ellipse(y_spine - 66, x, 38, 24, 2.6), _ellipse(y_spine - 86, x, 19, 47, 2.0))
    half = np.interp(y, [-84, -66, -52, -20], [19, 5, 3.5, 14])  # between sternum and heart the lungs all but touch
    front = np.where(y < 0, half - np.abs(x - 5 + 0.06 * z - 0.1 * (y + 60)), -100).astype(np.float32)
    middle = np.maximum(np.maximum(heart + 3, spine), front)
    core = _ellipse(y - 8, x, 34, 22, 2.4) + np.minimum(0, (95 - z) * 0.5)
    middle = np.maximum(middle, core)
    raise_tubes(middle, [s for s in tubes if max(abs(s.start[2]), abs(s.end[2])) < 44], margin_mm=2.5)
    return np.asarray(ndi.gaussian_filter(middle, 1.0, mode="nearest"), np.float32)


def _organs(z: Field, y: Field, x: Field, fields: dict[str, Field], tubes: list[Segment]) -> Field:
    """Return the depth in whatever a lymph node cannot grow into: tubes, heart, spine, chest wall."""
    spine = _ellipse(y - 54 + np.minimum(12 * (z / 100) ** 2, 14), x, 18, 20, 2.2)
    organs = np.maximum(np.maximum(fields["heart"], spine), 3 - fields["cage"])
    raise_tubes(organs, tubes, margin_mm=1.0)
    return np.asarray(organs, np.float32)


def raise_tubes(depth: Field, tubes: list[Segment], *, margin_mm: float) -> None:
    """Raise a depth on `GRID` to that in tubes, thickened by a margin, in place."""
    for tube in tubes:
        reach = max(tube.start_radius_mm, tube.end_radius_mm) + margin_mm + 9
        box = []
        for axis, a, b in zip(GRID, tube.start, tube.end, strict=True):
            box.append(slice(*np.searchsorted(axis, [min(a, b) - reach, max(a, b) + reach]).tolist()))
        z, y, x = (axis[part] for axis, part in zip(GRID, box, strict=True))
        if not (len(z) and len(y) and len(x)):
            continue
        along = tube.end - tube.start
        offset = (
            (z - tube.start[0])[:, None, None],
            (y - tube.start[1])[None, :, None],
            (x - tube.start[2])[None, None, :],
        )
        t = np.clip(sum(o * a for o, a in zip(offset, along, strict=True)) / max(along @ along, 1e-9), 0, 1)
        distance = np.sqrt(sum((o - t * a) ** 2 for o, a in zip(offset, along, strict=True)))
        radius = tube.start_radius_mm + t * (tube.end_radius_mm - tube.start_radius_mm)
        part = tuple(box)
        depth[part] = np.maximum(depth[part], radius + margin_mm - distance)


def _trees(
    rng: np.random.Generator, fields: dict[str, Field], n_points: int
) -> tuple[list[Tree], list[Tree], list[Tree]]:
    """Return, a lobe each, the airways, the arteries beside them and the veins between them."""
    bronchi, arteries, veins = [], [], []
    for name, (root, radius, towards) in LOBES.items():
        side, place = name.split()
        where = fields["lung"] > 3.0
        where &= (GRID[2] < 0) == (side == "right")
        lower = fields["oblique"] > 0
        if place == "lower":
            where &= lower
        elif side == "left":
            where &= ~lower
        else:
            where &= ~lower & ((fields["minor"] > 0) == (place == "upper"))
        voxels = np.argwhere(where)
        n = max(20, int(n_points * len(voxels) * COARSE_MM**3 / 2.4e6))  # an adult's lung holds about 2.4 litres
        points = _random_points(rng, voxels, n)
        airway = grow_into(rng, np.array(root, float), points, radius_mm=radius)
        bronchi.append(airway)
        artery = Tree(airway.start, airway.end, airway.radius_mm * 1.12, airway.parent)
        arteries.append(beside(artery, 1.15 * (airway.radius_mm + artery.radius_mm) + 0.3, towards))
        above = place != "lower"
        source = {(0, 1): (-26, -4, -54), (0, 0): (-66, 30, -54), (1, 1): (-18, -6, 56), (1, 0): (-66, 32, 56)}
        start = np.array(source[side == "left", above], float)
        veins.append(grow_into(rng, start, _random_points(rng, voxels, n), radius_mm=radius * 1.1))
    return bronchi, arteries, veins


def _random_points(rng: np.random.Generator, voxels: NDArray[np.int64], n: int) -> Floats:
    """Return n points in voxels of `GRID`, in millimetres."""
    chosen = voxels[rng.integers(0, len(voxels), n)] + rng.uniform(-0.5, 0.5, (n, 3))
    return np.asarray(chosen * COARSE_MM + [axis[0] for axis in GRID])
