"""The shape of an abdomen in three dimensions, drawn with smooth surfaces and tubes; no person was scanned for it.

Millimetres, (z, y, x): z from the feet to the head, 0 where the portal vein enters the liver; y from the front to the
back, x from the patient's right to the left, both 0 in the middle. A shape is a map of depth, as in
`medcourse.datasets.shapes`: about how many millimetres a voxel lies inside it, negative outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from medcourse.datasets.lungtree import draw_tubes, grow_into, pieces
from medcourse.datasets.tubes import Floats

Field = NDArray[np.float32]
Place = tuple[float, float, float]
ORGANS = (
    *("outside", "wall", "bone", "fat", "lung", "liver", "liver vessel", "gallbladder", "stomach", "spleen", "kidney"),
    *("cyst", "bowel", "pancreas", "vessel", "lesion"),
)
CODE = {name: number for number, name in enumerate(ORGANS)}

# Hounsfield units about 70 seconds after the injection of a contrast agent, the portal venous phase: typical values.
FAT_HU, MUSCLE_HU, SKIN_HU, LUNG_HU, GAS_HU, CORTEX_HU, MARROW_HU = -105.0, 62.0, 15.0, -850.0, -980.0, 480.0, 190.0
BILE_HU, CYST_HU, WALL_HU, PANCREAS_HU, SPLEEN_HU, KIDNEY_HU, SINUS_HU = 8.0, 6.0, 85.0, 95.0, 122.0, 185.0, -60.0
_LATTICE_MM = 220.0  # noise is defined on a cube of twice this width, whatever the grid that samples it


@dataclass
class Belly:
    """A person's abdomen on a grid of voxels, in the making.

    Attributes
    ----------
    axes
        Positions of the voxels' centres along z, y and x, in millimetres.
    z, y, x
        The same places as the person's shapes see them: bent, and scaled to an adult of middle size.
    hu, organs
        (Z, Y, X) Hounsfield units, and numbers into `ORGANS`.
    liver
        (Z, Y, X) depth in the liver.
    """

    axes: list[Floats]
    z: Field
    y: Field
    x: Field
    hu: Field
    organs: NDArray[np.uint8]
    liver: Field = field(init=False)

    def put(self, depth: Field, hu: Field | float, name: str) -> None:
        """Paint a tissue where a depth is positive, and between within half a voxel."""
        near = np.flatnonzero(depth > -self.width)
        share = np.clip(depth.reshape(-1)[near] / np.float32(self.width) + 0.5, 0, 1).astype(np.float32)
        flat = self.hu.reshape(-1)
        values = hu.reshape(-1)[near] if isinstance(hu, np.ndarray) else np.float32(hu)
        flat[near] += share * (values - flat[near])
        self.organs.reshape(-1)[near[share > 0.5]] = CODE[name]

    @property
    def width(self) -> float:
        """How far a soft edge reaches: the width of a voxel in the slice."""
        return float(self.axes[2][1] - self.axes[2][0])

    def ellipsoid(self, middle: Place, half: Place, *, turn_deg: float = 0.0, power: float = 2.0) -> Field:
        """Return the depth in an ellipsoid; `turn_deg` turns it in the slice as a clock's hand goes."""
        turn = np.deg2rad(turn_deg)
        dz, dy, dx = self.z - middle[0], self.y - middle[1], self.x - middle[2]
        u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        parts = ((dz, half[0]), (v, half[1]), (u, half[2]))
        scale = sum(np.abs(d / np.float32(h)) ** power for d, h in parts) ** np.float32(1 / power)
        # Distance to the surface to first order: (1 - scale) over the length of the scale's gradient.
        steep = np.sqrt(sum((d / np.float32(h**2)) ** 2 for d, h in parts)) / np.maximum(scale, 0.05)
        return np.asarray((1 - scale) / np.maximum(steep, 1 / max(half)), np.float32)

    def tube(self, points: Sequence[tuple[float, float, float, float]]) -> Field:
        """Return the depth in a tube along (z, y, x, radius)."""
        depth = np.full(self.hu.shape, -100, np.float32)
        for a, b in pairwise(points):
            step = np.subtract(b[:3], a[:3])
            offset = [p - np.float32(start) for p, start in zip((self.z, self.y, self.x), a, strict=False)]
            t = np.clip(sum(o * np.float32(s) for o, s in zip(offset, step, strict=True)) / (step @ step), 0, 1)
            away = np.sqrt(sum((o - t * np.float32(s)) ** 2 for o, s in zip(offset, step, strict=True)))
            np.maximum(depth, a[3] + t * np.float32(b[3] - a[3]) - away, out=depth)
        return depth


def smooth(rng: np.random.Generator, axes: Sequence[Floats], scale_mm: float) -> Field:
    """Return smooth noise of mean 0 and variance about 1 with bumps about `scale_mm` wide, the same on any grid."""
    n = int(2 * _LATTICE_MM / scale_mm) + 5
    noise = rng.standard_normal((n, n, n), dtype=np.float32)
    for axis in axes:
        place = (axis[:, None] + _LATTICE_MM) / scale_mm + 2 - np.arange(n)[None, :]
        weight = np.exp(-0.5 * (place / 0.6) ** 2)
        weight /= np.sqrt((weight**2).sum(1, keepdims=True))
        noise = np.moveaxis(np.tensordot(weight.astype(np.float32), noise, (1, 0)), 0, -1)
    return np.ascontiguousarray(noise)


def soft_max(a: Field, b: Field, blend_mm: float) -> Field:
    """Return the union of two depths with a rounded crease, `blend_mm` wide."""
    t = np.clip(0.5 + 0.5 * (a - b) / blend_mm, 0, 1)
    return np.asarray(b + t * (a - b) + blend_mm * t * (1 - t), np.float32)


def draw_belly(rng: np.random.Generator, axes: list[Floats]) -> tuple[Belly, dict[str, float]]:
    """Draw a person's abdomen on a grid; returns it with the numbers that make the person."""
    habits = {
        "fat": rng.uniform(7, 26),
        "liver": float(np.clip(rng.normal(108, 11), 80, 130)),
        "blood": rng.uniform(140, 180),
        "meal": rng.uniform(15, 60),
        "rib phase": rng.uniform(-12, 12),
        "left lobe": rng.uniform(0.75, 1.15),
        "gallbladder": rng.uniform(0.75, 1.25),
    }
    scale = np.clip(rng.normal(1, 0.035, 3), 0.92, 1.08)
    grid = np.meshgrid(*(a.astype(np.float32) for a in axes), indexing="ij")
    bend = [np.float32(by) * smooth(rng, axes, 70) for by in (4, 4, 5)]  # one bend for all: organs keep their borders
    z, y, x = ((g / np.float32(s)) + b for g, s, b in zip(grid, scale, bend, strict=True))
    shape = tuple(len(a) for a in axes)
    belly = Belly(axes, z, y, x, np.full(shape, -1000, np.float32), np.zeros(shape, np.uint8))
    texture = smooth(rng, axes, 7)
    cavity = _wall(belly, habits, texture)
    _retroperitoneum(rng, belly, habits, cavity)
    _stomach_and_bowel(rng, belly, habits, cavity)
    _liver(rng, belly, habits, cavity, texture)
    _lungs(belly, cavity)
    return belly, habits


def _wall(belly: Belly, habits: dict[str, float], texture: Field) -> Field:
    """Paint skin, fat, muscle, ribs and spine; return the depth in the space inside of the ribs."""
    z, y, x = belly.z, belly.y, belly.x
    cavity = belly.ellipsoid((0, -6, 0), (1e4, 93, 132), power=2.35)
    furrow = 7 * np.exp(-((x / 16) ** 2)) * (y > 0)
    muscle = cavity + 15 + 10 * np.exp(-(((np.abs(x) - 34) / 24) ** 2)) * (y > 40) - furrow
    fat = habits["fat"] * (0.75 + 0.15 * (np.abs(x) / 140) ** 2 + 0.3 * np.clip(-y / 60, 0, 1))
    belly.put((muscle + fat).astype(np.float32), SKIN_HU, "wall")
    belly.put((muscle + fat - 2).astype(np.float32), FAT_HU + 7 * texture, "wall")
    layers = MUSCLE_HU + 5 * texture - 70 * (np.abs(cavity + 9) < 0.8)  # fat between the sheets
    belly.put(muscle.astype(np.float32), layers.astype(np.float32), "wall")
    # Muscle of the abdominal wall is thin in front, and parted in the middle line.
    front = np.minimum(cavity + 15, -y - 70 + 0 * x)
    belly.put(np.minimum(front - 8, 1.2 - np.abs(x)).astype(np.float32), FAT_HU, "wall")
    belly.put(cavity, (FAT_HU + 7 * texture).astype(np.float32), "fat")
    turn = np.arctan2(np.abs(x) / 132, (y + 6) / 93)  # 0 at the back, pi at the front
    number = (z + 95 * (turn / np.pi) ** 0.9 - habits["rib phase"]) / 24
    off = (number - np.round(number)) * 23
    rib = 4.2 * (1 - np.sqrt((np.abs(cavity + 6.5) / 4.0) ** 2.2 + (np.abs(off) / 6.5) ** 2.2))
    rib = np.where((turn < 0.25) | (turn > 2.2), -9, rib).astype(np.float32)
    belly.put(rib, CORTEX_HU, "bone")
    belly.put((rib - 1.4).astype(np.float32), MARROW_HU, "bone")
    _spine(belly, habits)
    return cavity


def _spine(belly: Belly, habits: dict[str, float]) -> None:
    z = belly.z
    for side in (-1, 1):
        belly.put(belly.ellipsoid((0, 88, 32 * side), (1e4, 16, 26)), MUSCLE_HU, "wall")
        belly.put(belly.ellipsoid((-90, 62, 30 * side), (85, 17, 13)), MUSCLE_HU, "wall")  # psoas
        crus = belly.tube([(60, 40, 12 * side, 4), (-40, 46, 17 * side, 4), (-90, 52, 17 * side, 3)])
        belly.put(crus, MUSCLE_HU, "wall")
    to_disc = np.abs(((z + habits["rib phase"]) / 30 + 0.5) % 1 - 0.5) * 30 - 4
    body = belly.ellipsoid((0, 62, 0), (1e4, 17, 22), power=2.5)
    belly.put(body, np.where(to_disc < 0, 95, CORTEX_HU).astype(np.float32), "bone")
    inner = np.minimum(body - 1.6, to_disc)
    belly.put(inner, MARROW_HU, "bone")
    arch = belly.ellipsoid((0, 88, 0), (1e4, 16, 16))
    process = np.maximum(
        belly.ellipsoid((0, 112, 0), (1e4, 13, 4)),
        np.minimum(belly.ellipsoid((0, 88, 0), (1e4, 5, 38)), 7 - np.abs(to_disc - 8)),
    )
    bone = np.maximum(arch, process)
    belly.put(bone, CORTEX_HU, "bone")
    belly.put(bone - 2, MARROW_HU, "bone")
    belly.put(belly.ellipsoid((0, 86, 0), (1e4, 8, 10)), 10.0, "wall")
    belly.put(belly.ellipsoid((0, 86, 0), (1e4, 5, 6)), 40.0, "wall")


def _retroperitoneum(rng: np.random.Generator, belly: Belly, habits: dict[str, float], cavity: Field) -> None:
    """Paint kidneys with their cysts, spleen, pancreas, aorta and cava."""
    blood = habits["blood"]
    for side, low in ((-1, -58.0), (1, -42.0)):
        middle = (low, 46.0, 64.0 * side)
        kidney = np.minimum(belly.ellipsoid(middle, (52, 24, 27), turn_deg=-28 * side), cavity - 6)
        belly.put(kidney, KIDNEY_HU, "kidney")
        inner = belly.ellipsoid((low, 46, 62 * side), (38, 15, 17), turn_deg=-28 * side)
        rays = np.cos(7 * np.arctan2(belly.y - 46, belly.x - 62 * side) + 0.12 * belly.z)
        belly.put(np.minimum(inner, 6 * rays + 2).astype(np.float32), KIDNEY_HU - 35, "kidney")
        hilum = belly.ellipsoid((low, 42, 51 * side), (22, 9, 17), turn_deg=-20 * side)
        belly.put(hilum, SINUS_HU, "kidney")
        belly.put(belly.tube([(low, 42, 56 * side, 3.5), (low + 6, 32, 16 * side, 4)]), blood - 8, "vessel")
        for _ in range(rng.poisson(1.1)):
            angle, size = rng.uniform(-0.9, 0.9), rng.uniform(5, 15)
            where = (low + rng.uniform(-25, 35), 46 + 20 * np.sin(angle), side * (64 + 24 * np.cos(angle)))
            belly.put(np.minimum(belly.ellipsoid(where, (size, size, size)), cavity - 3), CYST_HU, "cyst")
    spleen = belly.ellipsoid((12, 34, 108), (52, 50, 34), turn_deg=-14)
    spleen = np.minimum(np.minimum(spleen, -belly.ellipsoid((0, 12, 70), (80, 42, 36)) - 1), cavity - 4)
    belly.put(spleen, SPLEEN_HU, "spleen")
    pancreas = [(-34, 2, -28, 12), (-22, -8, -8, 9), (-10, -4, 18, 9), (-2, 14, 48, 9), (6, 26, 78, 7)]
    lobules = 2.2 * smooth(rng, belly.axes, 9)
    belly.put(belly.tube(pancreas) + lobules, PANCREAS_HU, "pancreas")
    belly.put(belly.tube([(8, 24, 82, 4), (0, 14, 40, 4.2), (-14, 2, -8, 5)]), blood + 8, "vessel")  # splenic vein
    belly.put(belly.tube([(90, 32, 10, 11), (0, 31, 9, 10), (-90, 35, 4, 9)]), blood - 5, "vessel")
    belly.put(belly.tube([(90, 12, -24, 12), (20, 19, -26, 12), (-90, 32, -22, 11)]), blood - 12, "vessel")


def _stomach_and_bowel(rng: np.random.Generator, belly: Belly, habits: dict[str, float], cavity: Field) -> None:
    """Paint stomach and bowel: a wall, contents as grey as lesions or as water, gas that rises to the front."""
    stomach = soft_max(belly.ellipsoid((18, -12, 68), (48, 42, 36)), belly.ellipsoid((-22, -50, 28), (26, 24, 46)), 12)
    stomach = np.minimum(stomach + 2 * smooth(rng, belly.axes, 18), cavity - 4)
    _hollow(belly, stomach, "stomach", wall_mm=4.0, hu=habits["meal"], gas_from=-32 + rng.uniform(-12, 12))
    colon = [(-95, 12, -98, 20), (-62, -8, -96, 22), (-66, -52, -62, 18), (-78, -72, 0, 18), (-58, -58, 62, 18)]
    colon += [(-14, -12, 112, 15), (-60, 22, 108, 16)]
    bumps = 3.5 * smooth(rng, belly.axes, 15)
    _hollow(belly, np.minimum(belly.tube(colon) + bumps, cavity - 3), "bowel", wall_mm=2.5, hu=35.0, gas_from=-30.0)
    for _ in range(7):
        y, x, z = rng.uniform(-66, 12), rng.uniform(-6, 88), rng.uniform(-88, -30)
        size = rng.uniform(10, 15)
        end = (z + rng.normal(0, 8), y + rng.normal(0, 18), x + rng.normal(0, 22))
        loop = belly.tube([(z, y, x, size), (*end, size)])
        free = np.minimum(loop, np.minimum(cavity - 3, np.where(belly.organs == CODE["fat"], 50, -50)))
        _hollow(belly, free.astype(np.float32), "bowel", wall_mm=2.5, hu=rng.uniform(25, 75), gas_from=-200)


def _hollow(belly: Belly, depth: Field, name: str, *, wall_mm: float, hu: float, gas_from: float) -> None:
    belly.put(depth, WALL_HU, name)
    belly.put((depth - wall_mm).astype(np.float32), hu, name)
    gas = np.minimum(depth - wall_mm, gas_from - belly.y)  # the patient lies on the back
    belly.put(gas.astype(np.float32), GAS_HU, name)


def _liver(rng: np.random.Generator, belly: Belly, habits: dict[str, float], cavity: Field, texture: Field) -> None:
    """Paint the liver with its fissures and vessels, and the gallbladder beneath it."""
    z, y, x = belly.z, belly.y, belly.x
    reach = habits["left lobe"]
    right = belly.ellipsoid((6, -2, -74), (96, 88, 72), power=2.2)
    left = belly.ellipsoid((22, -52, 4), (58, 36, 88 * reach), turn_deg=7)
    caudate = belly.ellipsoid((14, 2, -16), (26, 15, 15))
    liver = soft_max(soft_max(right, left, 16), caudate, 6)
    # The visceral surface: hollowed by the spine with its vessels, the kidney, the stomach and the hilum.
    for middle, half, turn in (
        ((0, 46, 14), (400, 44, 50), -8),
        ((-62, 50, -58), (64, 34, 38), 20),
        ((14, 2, 66), (62, 34, 48), 0),
        ((-42, -6, -4), (38, 30, 34), 0),
        ((-90, -40, -20), (56, 60, 62), 0),
    ):
        liver = -soft_max(-liver, belly.ellipsoid(middle, half, turn_deg=turn), 8)
    teres = np.minimum(np.minimum(1.9 - np.abs(x - 6 - 0.16 * (y + 60)), -y - 36), 12 - z)
    venosum = np.minimum(np.minimum(1.6 - np.abs(y + 16 - 0.35 * (x + 10)), x + 26), 24 - x)
    hilum = belly.ellipsoid((-8, -10, -20), (16, 9, 20), turn_deg=20)
    fissures = np.maximum(np.maximum(teres, venosum), hilum)
    liver = np.minimum(liver, cavity - 3.5)
    whole = liver + 1.2 * smooth(rng, belly.axes, 16)
    size = habits["gallbladder"]
    bile = belly.ellipsoid((-34, -36, -44), (30 * size, 24 * size, 14 * size), turn_deg=35)
    whole = np.minimum(whole, -bile - 1.5)
    belly.liver = np.minimum(whole, -fissures).astype(np.float32)
    belly.put(np.minimum(whole, fissures + 1).astype(np.float32), FAT_HU + 15, "fat")
    belly.put(belly.liver, (habits["liver"] + 3 * texture).astype(np.float32), "liver")
    bile = np.minimum(bile, cavity - 4)
    belly.put(bile, 60.0, "gallbladder")  # its wall
    belly.put(bile - 1.8, BILE_HU, "gallbladder")
    blood = habits["blood"]
    belly.put(belly.tube([(-26, 0, -12, 6.5), (-8, -4, -26, 6.5)]), blood + 12, "vessel")  # portal vein
    belly.put(belly.tube([(90, 12, -24, 12), (20, 19, -26, 12), (-90, 32, -22, 11)]), blood - 12, "vessel")
    _liver_vessels(rng, belly, blood)


def _liver_vessels(rng: np.random.Generator, belly: Belly, blood: float) -> None:
    """Paint the portal tree, from the hilum, and the hepatic veins, which gather to the cava below the diaphragm."""
    inside = np.argwhere(belly.liver > 3)
    if not len(inside):
        return
    first, step = np.array([a[0] for a in belly.axes]), np.array([a[1] - a[0] for a in belly.axes])
    for root, radius, brighter in (((-8.0, -6.0, -28.0), 5.5, 8.0), ((46.0, 8.0, -24.0), 5.5, -2.0)):
        # Anywhere within a voxel: two branches cannot end at one point.
        points = (inside[rng.integers(len(inside), size=150)] + rng.uniform(-0.5, 0.5, (150, 3))) * step + first
        start, end, radii = pieces(grow_into(rng, np.array(root), points, radius_mm=radius))
        share = np.zeros(belly.hu.shape, np.float32)
        draw_tubes(share, belly.axes, start, end, radii)
        share *= belly.liver > 0
        belly.hu += share * (np.float32(blood + brighter) - belly.hu)
        belly.organs[share > 0.5] = CODE["liver vessel"]


def _lungs(belly: Belly, cavity: Field) -> None:
    """Paint what the lungs' bases fill above the domes of the diaphragm."""
    z, y, x = belly.z, belly.y, belly.x
    right = 86 - 0.0098 * ((x + 66) ** 2 + 1.1 * (y + 12) ** 2)
    left = 74 - 0.0098 * ((x - 66) ** 2 + 1.1 * (y + 12) ** 2)
    above = np.minimum(0.55 * (z - np.maximum(right, left)), cavity - 1).astype(np.float32)
    above = np.minimum(above, np.abs(x) - 34 + 0 * z).astype(np.float32)
    belly.put(above + 3, MUSCLE_HU, "wall")  # the diaphragm
    belly.put(above, LUNG_HU, "lung")
    belly.liver = np.minimum(belly.liver, -above - 3)


def liver_mask(belly: Belly) -> NDArray[np.bool_]:
    """Return the voxels of the liver, its vessels and lesions, without holes of single voxels."""
    of_liver = np.isin(belly.organs, [CODE["liver"], CODE["liver vessel"], CODE["lesion"]])
    parts, n = ndi.label(of_liver)
    if n == 0:
        return np.asarray(of_liver, bool)
    return np.asarray(parts == 1 + np.bincount(parts.ravel())[1:].argmax(), bool)
