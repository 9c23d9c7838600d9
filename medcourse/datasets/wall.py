"""A slice of a simulated chest CT without its small parts: skin, fat, muscle, bones, lungs, heart and abdomen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.lesions import LUNG_HU
from medcourse.datasets.scanning import CODE, Sampler, Scan, Slice
from medcourse.datasets.torso import RIB_PITCH_MM, VERTEBRA_MM

FAT_HU, MUSCLE_HU, SKIN_HU, CORTEX_HU, MARROW_HU, DISC_HU, CARTILAGE_HU = -100.0, 55.0, 20.0, 650.0, 190.0, 90.0, 110.0
_NAMES = (
    *("skin", "muscle", "cage", "middle", "diaphragm", "plaque", "heart", "blood", "oblique", "minor"),
    *("planes", "texture"),
)
_Fields = dict[str, Slice]


def paint_slice(scan: Scan, sampler: Sampler, k: int, blood_hu: dict[str, float]) -> None:
    """Paint slice k of a scan, and its labels."""
    f = dict(zip(_NAMES, sampler.slice(k, _NAMES), strict=True))
    z, y, x = (axis / s for axis, s in zip(scan.axes, scan.torso.scale, strict=True))
    place = _Place(float(z[k]), y[:, None].astype(np.float32), x[None, :].astype(np.float32), scan.torso.habits)
    brush = _Brush(scan.hu[k], scan.labels[k], scan.voxel_mm)

    table = place.y - place.habits["table"] + 0.0009 * place.x**2
    brush.put(4.0 - np.abs(table - 4), -900.0, "outside")  # foam in a shell of carbon fibre
    brush.put(0.7 - np.minimum(np.abs(table), np.abs(table - 8)), -250.0, "outside")
    brush.put(f["skin"], SKIN_HU, "wall")
    brush.put(f["skin"] - 1.8, FAT_HU + 8 * f["texture"], "wall")
    _wall(brush, f, place)
    brush.put(f["cage"], FAT_HU + 8 * f["texture"], "mediastinum")
    brush.put(np.minimum(0.6 - np.abs(f["heart"] + 3.5), f["middle"] - 1), 25.0, "mediastinum")  # the pericardium
    brush.put(np.minimum(f["cage"], f["plaque"]), 40.0, "wall")
    lung = np.minimum(np.minimum(f["cage"], -f["middle"]), np.minimum(-f["diaphragm"], -f["plaque"]))
    brush.put(lung, _lung(f, place), "lung")
    _abdomen(brush, f, place, blood_hu["abdomen"])
    brush.put(np.minimum(f["heart"], f["cage"]), blood_hu["muscle"] + 4 * f["texture"], "heart")
    brush.put(np.minimum(f["blood"], f["cage"]), blood_hu["heart"], "heart")
    _sternum(brush, f["cage"], place)
    _spine(brush, -lung, place)


@dataclass(frozen=True)
class _Place:
    """Where a slice lies, on the torso's grid of millimetres: z a number, y (Y, 1), x (1, X); and whose it is."""

    z: float
    y: Slice
    x: Slice
    habits: dict[str, float]


class _Brush:
    """Paints depths into a slice: where a depth is positive the tissue is, and between within half a voxel."""

    def __init__(self, hu: Slice, labels: NDArray[np.uint8], width: float) -> None:
        self.hu, self.labels, self.width = hu, labels, np.float32(width)

    def put(self, depth: Slice, hu: Slice | float, name: str, where: tuple[slice, slice] | None = None) -> None:
        part = where or (slice(None), slice(None))
        share = np.clip(depth / self.width + np.float32(0.5), 0, 1).astype(np.float32)
        here = self.hu[part]
        here += share * (np.asarray(hu, np.float32) - here)
        self.labels[part][depth > 0] = CODE[name]

    def put_at(self, index: NDArray[np.int64], depth: Slice, hu: Slice | float, name: str) -> None:
        share = np.clip(depth / self.width + np.float32(0.5), 0, 1).astype(np.float32)
        flat = self.hu.reshape(-1)
        flat[index] += share * (np.asarray(hu, np.float32) - flat[index])
        self.labels.reshape(-1)[index[depth > 0]] = CODE[name]

    def bone(self, index: NDArray[np.int64], depth: Slice, shell_mm: float, marrow_hu: float = MARROW_HU) -> None:
        self.put_at(index, depth, CORTEX_HU, "bone")
        self.put_at(index, depth - np.float32(shell_mm), marrow_hu, "bone")


def _lung(f: _Fields, place: _Place) -> Slice:
    """Return aerated lung, denser towards the back where a lying patient's blood collects; fissures as faint lines."""
    hu = LUNG_HU + 0.5 * place.y + 13 * f["texture"]
    hu = hu + 160 * place.habits["dependent"] * np.exp(-np.maximum(f["cage"], 0) / 3) * np.clip(place.y / 70, 0, 1)
    hu = hu - 70 * place.habits["emphysema"] * np.clip(f["planes"] - 0.3, 0, 1)
    line = np.clip(1.0 - np.abs(f["oblique"]) / 0.8, 0, 1)
    minor = np.clip(1.0 - np.abs(f["minor"]) / 0.8, 0, 1) * ((f["oblique"] < 0) & (place.x < -20))
    return np.asarray(hu + 230 * np.maximum(line, minor), np.float32)


def _abdomen(brush: _Brush, f: _Fields, place: _Place, organ_hu: float) -> None:
    """Paint what is below the diaphragm: its muscle, fat, liver, spleen and the stomach with air in it."""
    below = np.minimum(f["cage"], f["diaphragm"])
    if not (below > 0).any():
        return
    z, y, x = place.z, place.y, place.x

    def ellipsoid(middle: tuple[float, float, float], half: tuple[float, float, float]) -> Slice:
        offset = ((z - middle[0]) / half[0], (y - middle[1]) / half[1], (x - middle[2]) / half[2])
        scale = np.sqrt(sum(o**2 for o in offset))
        return np.asarray((1 - scale) * min(half), np.float32)

    brush.put(below, MUSCLE_HU, "abdomen")
    brush.put(below - 3, FAT_HU + 8 * f["texture"], "abdomen")
    liver = np.maximum(ellipsoid((-150, 0, -62), (75, 84, 84)), ellipsoid((-150, -40, -5), (55, 40, 70)))
    liver = np.minimum(liver, y * 0 + 40 - x - 0.4 * y)
    brush.put(np.minimum(liver, below - 3), organ_hu + 5 * f["texture"], "abdomen")
    brush.put(np.minimum(ellipsoid((-158, 42, 84), (48, 40, 30)), below - 3), organ_hu + 8, "abdomen")  # spleen
    stomach = np.minimum(ellipsoid((-152, -8, 62), (42, 48, 36)), below - 4)
    brush.put(stomach, 35.0, "abdomen")
    brush.put(np.minimum(stomach - 4, -y - 18), -1000.0, "abdomen")  # the patient lies on the back: air in front


def _wall(brush: _Brush, f: _Fields, place: _Place) -> None:
    """Paint muscles, ribs and shoulder blades, which lie at some depth behind the pleura, into the fat between."""
    shape, flat = (
        f["cage"].shape,
        {name: f[name].reshape(-1) for name in ("cage", "skin", "muscle", "planes", "texture")},
    )
    index = np.flatnonzero((flat["cage"] < 2) & (flat["skin"] > 0))
    cage, muscle, planes, texture = (flat[name][index] for name in ("cage", "muscle", "planes", "texture"))
    y, x = (np.broadcast_to(a, shape).reshape(-1)[index] for a in (place.y, place.x))
    turn = np.arctan2(np.abs(x) / 120, (y - 4) / 82)  # 0 at the back, pi at the front

    strong = place.habits["muscle"]
    sheet = np.interp(turn, [0, 0.5, 1.2, 1.7, 1.95, 2.5, 2.95, 3.05], [6, 10, 9, 5, 12, 14, 8, 1.5])
    sheet *= strong * (1 + 0.5 * np.clip((place.z + 20) / 60, -0.6, 0.6))
    shoulder = place.habits["shoulder"]
    blade = strong * 10 - np.abs(cage + 20) - 22 * np.maximum(np.abs(turn - 1.0 - shoulder) - 0.5, 0)
    depth = np.maximum(np.minimum(muscle, sheet - muscle), np.maximum(cage + 13, blade if place.z > -75 else -9.0))
    depth = np.minimum(depth, muscle).astype(np.float32)
    hu = MUSCLE_HU + 5 * texture + np.where(np.abs(planes) < 0.07, -60, 0)
    brush.put_at(index, depth, hu.astype(np.float32), "wall")
    if place.habits["breast"] > 0:
        front = np.flatnonzero((y < 0) & (muscle < -3))
        thick = flat["skin"][index[front]] - muscle[front]
        gland = np.minimum(3 * (planes[front] + 0.7 * texture[front] - 0.2), np.minimum(thick - 22, -muscle[front] - 5))
        brush.put_at(index[front], np.minimum(gland, -0.3 * y[front] - 9), 20.0, "wall")
    brush.put_at(index, 0.5 - np.abs(cage + 0.9), FAT_HU, "wall")  # fat outside of the pleura
    _ribs(brush, index, (cage, turn, x), place)


def _ribs(brush: _Brush, index: NDArray[np.int64], at: tuple[Slice, Slice, Slice], place: _Place) -> None:
    """Paint ribs with their cartilage, and shoulder blades."""
    cage, turn, x = at
    habits = place.habits
    drop = habits["rib drop"] * (turn / np.pi) ** 0.9  # a rib runs downwards from the spine to the front
    number = (place.z + drop - habits["rib phase"] + habits["rib lean"] * np.sign(x)) / RIB_PITCH_MM
    off = (number - np.round(number)) * RIB_PITCH_MM * 0.93
    thick = 4.0 - 0.5 * np.clip((turn - 0.5) / 2, 0, 1)
    rib = 4.4 * (1 - np.sqrt((np.abs(cage + 6.5) / thick) ** 2.2 + (np.abs(off) / 6.0) ** 2.2))
    rib = np.where((turn < 0.12) | (turn > 2.95), -9, rib).astype(np.float32)
    bony = turn < 2.55
    brush.bone(index[bony], rib[bony], 1.2)
    brush.put_at(index[~bony], rib[~bony], CARTILAGE_HU, "bone")
    if place.z > -62:
        reach = 0.37 * (1.25 - 0.0040 * (40 - place.z))  # the blade narrows towards its tip
        along = turn - 1.0 - habits["shoulder"]
        blade = 2.2 - np.abs(cage + 20 + 5 * along) - 14 * np.maximum(np.abs(along) - reach, 0)
        blade = blade + 2.4 * np.maximum(0, 1 - np.abs(along - reach) / 0.07)  # thicker at its outer border
        brush.bone(index, np.asarray(blade, np.float32), 1.2)


def _window(y: Slice, x: Slice, low: tuple[float, float], high: tuple[float, float]) -> tuple[slice, slice]:
    rows = slice(*np.searchsorted(y[:, 0], [low[0], high[0]]).tolist())
    return rows, slice(*np.searchsorted(x[0], [low[1], high[1]]).tolist())


def _sternum(brush: _Brush, cage: Slice, place: _Place) -> None:
    """Paint the breastbone, broader above."""
    z, y, x = place.z, place.y, place.x
    if not -100 < z < 52:
        return
    part = _window(y, x, (-110, -32), (-30, 32))
    half = 17 + 9 * min(max((z - 18) / 25, 0.0), 1.0)
    depth = 5.5 * (1 - ((np.abs(cage[part] + 6.5) / 5.5) ** 2.6 + np.abs(x[:, part[1]] / half) ** 2.6) ** (1 / 2.6))
    depth = np.asarray(np.where(y[part[0]] < 0, depth, -9), np.float32)
    brush.put(depth, CORTEX_HU, "bone", part)
    brush.put(np.asarray(depth - 1.1, np.float32), MARROW_HU, "bone", part)


def _spine(brush: _Brush, outside: Slice, place: _Place) -> None:
    """Paint a vertebra or a disc, the arch around the cord, and processes."""
    z, y, x = place.z, place.y, place.x
    part = _window(y, x, (20, -52), (120, 52))
    y = y[part[0]] + min(12 * (z / 100) ** 2, 14)
    x = x[:, part[1]]
    phase = ((z + place.habits["vertebra phase"]) / VERTEBRA_MM) % 1  # 0 in the middle of a disc
    to_disc = min(phase, 1 - phase) * VERTEBRA_MM - 2.5

    def ellipse(cy: float, ry: float, rx: float, cx: float = 0.0, power: float = 2.0) -> Slice:
        scale = (np.abs((y - cy) / ry) ** power + np.abs((np.abs(x) - cx) / rx) ** power) ** (1 / power)
        return np.asarray((1 - scale) * min(ry, rx), np.float32)

    brush.put(np.minimum(ellipse(84, 17, 46), outside[part]), MUSCLE_HU, "wall", part)  # beside the spine
    waist = 1.2 * min(max(to_disc, 0), 6) / 6
    body = ellipse(52, 15 - waist, 18 - waist, power=2.4)
    if to_disc < 0:
        brush.put(body, DISC_HU, "bone", part)
    else:
        brush.put(body, CORTEX_HU, "bone", part)
        near_disc = np.clip((to_disc - 0.3) / 1.2, 0, 1)  # the endplates are dense
        brush.put(body - 1.3, MARROW_HU + 240 * (1 - near_disc), "bone", part)
    arch = ellipse(74, 13, 14)
    has_pedicle = 0.35 < phase < 0.8
    if not has_pedicle:  # the foramen: no bone between body and arch
        arch = np.minimum(arch, y - 74).astype(np.float32)
    brush.put(arch, CORTEX_HU, "bone", part)
    brush.put(arch - 1.6, MARROW_HU, "bone", part)
    if has_pedicle:
        root = ellipse(63, 9, 5.5, cx=12.5)
        brush.put(root, CORTEX_HU, "bone", part)
        brush.put(root - 1.3, MARROW_HU, "bone", part)
        process = np.asarray(np.minimum(ellipse(78, 4.2, 17, cx=28), outside[part]), np.float32)
        brush.put(process, CORTEX_HU, "bone", part)
        brush.put(process - 1.3, MARROW_HU, "bone", part)
    length = 12 - 9 * abs(((phase + 0.25) % 1) - 0.5)  # processes of the vertebrae overlap like tiles
    spinous = ellipse(90, length, 3.6)
    brush.put(spinous, CORTEX_HU, "bone", part)
    brush.put(spinous - 1.3, MARROW_HU, "bone", part)
    brush.put(ellipse(74, 8.6, 9.6), FAT_HU, "wall", part)
    brush.put(ellipse(74, 7.4, 8), 15.0, "wall", part)
    brush.put(ellipse(74, 3.8, 5), 40.0, "wall", part)
