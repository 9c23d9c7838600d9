"""A slice of a simulated chest CT without its small parts: skin, fat, muscle, bones, lungs, heart and abdomen."""

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.lesions import LUNG_HU
from medcourse.datasets.scanning import CODE, Sampler, Scan, Slice
from medcourse.datasets.torso import RIB_PITCH_MM, VERTEBRA_MM

FAT_HU, MUSCLE_HU, SKIN_HU, CORTEX_HU, MARROW_HU, DISC_HU, CARTILAGE_HU = -100.0, 55.0, 20.0, 650.0, 190.0, 90.0, 110.0
_NAMES = ("skin", "muscle", "cage", "middle", "diaphragm", "heart", "blood", "oblique", "minor", "planes", "texture")


def paint_slice(scan: Scan, sampler: Sampler, k: int, blood_hu: dict[str, float]) -> None:
    """Paint slice k of a scan, and its labels."""
    f = dict(zip(_NAMES, sampler.slice(k, _NAMES), strict=True))
    z, y, x = (axis / s for axis, s in zip(scan.axes, scan.torso.scale, strict=True))
    z_k, y, x = float(z[k]), y[:, None].astype(np.float32), x[None, :].astype(np.float32)
    brush = _Brush(scan.hu[k], scan.labels[k], scan.voxel_mm)
    wall = f["cage"] < 2

    brush.put(f["skin"], SKIN_HU, "wall")
    brush.put(f["skin"] - 1.8, FAT_HU + 8 * f["texture"], "wall")
    muscle = MUSCLE_HU + 5 * f["texture"] + np.where(np.abs(f["planes"]) < 0.09, -75, 0).astype(np.float32)
    brush.put(f["muscle"], muscle, "wall")
    brush.put(0.5 - np.abs(f["cage"] + 0.9), FAT_HU, "wall")  # fat outside of the pleura
    brush.put(f["cage"], FAT_HU + 8 * f["texture"], "mediastinum")

    lung = np.minimum(np.minimum(f["cage"], -f["middle"]), -f["diaphragm"])
    brush.put(lung, _lung(f, y, x), "lung")
    brush.put(np.minimum(f["cage"], f["diaphragm"]), blood_hu["abdomen"] + 6 * f["texture"], "abdomen")
    brush.put(np.minimum(f["heart"], f["cage"]), blood_hu["muscle"] + 4 * f["texture"], "heart")
    brush.put(np.minimum(f["blood"], f["cage"]), blood_hu["heart"], "heart")
    _ribs(brush, f["cage"], wall, z_k, y, x)
    _sternum(brush, f["cage"], z_k, y, x)
    _spine(brush, -lung, z_k, y, x)


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


def _lung(f: dict[str, Slice], y: Slice, x: Slice) -> Slice:
    """Return aerated lung, denser towards the back where a lying patient's blood collects; fissures as faint lines."""
    hu = LUNG_HU + 0.55 * y + 14 * f["texture"]
    line = np.clip(1.0 - np.abs(f["oblique"]) / 0.9, 0, 1)
    minor = np.clip(1.0 - np.abs(f["minor"]) / 0.9, 0, 1) * ((f["oblique"] < 0) & (x < -20))
    return np.asarray(hu + 260 * np.maximum(line, minor), np.float32)


def _ribs(brush: _Brush, cage: Slice, wall: NDArray[np.bool_], z: float, y: Slice, x: Slice) -> None:
    """Paint ribs, their cartilage and the shoulder blades: all lie at a depth behind the pleura."""
    index = np.flatnonzero(wall & (cage > -26))
    depth = cage.reshape(-1)[index]
    shape = cage.shape
    yy, xx = np.broadcast_to(y, shape).reshape(-1)[index], np.broadcast_to(x, shape).reshape(-1)[index]
    turn = np.arctan2(np.abs(xx) / 120, (yy - 4) / 82)  # 0 at the back, pi at the front
    drop = 72 * np.sin(turn / 2) ** 2  # a rib runs downwards from the spine to the front
    number = (z + drop - 6) / RIB_PITCH_MM
    off = (number - np.round(number)) * RIB_PITCH_MM * 0.93
    rib = 4.4 * (1 - np.sqrt((np.abs(depth + 6.5) / 4.0) ** 2.2 + (np.abs(off) / 6.8) ** 2.2))
    rib = np.where((turn < 0.12) | (turn > 2.95), -9, rib).astype(np.float32)
    bony = turn < 2.62
    brush.bone(index[bony], rib[bony], 1.2)
    brush.put_at(index[~bony], rib[~bony], CARTILAGE_HU, "bone")
    if z > -62:
        reach = 1.28 - 0.0035 * (40 - z)  # the blade narrows towards its tip
        blade = 2.6 - np.abs(depth + 19) - 14 * np.maximum(np.abs(turn - 0.98) - 0.42 * reach, 0)
        blade += 2.0 * np.maximum(0, 1 - np.abs(turn - 0.98 - 0.42 * reach) / 0.07)  # thicker at its outer border
        brush.bone(index, np.asarray(blade, np.float32), 1.3)


def _window(y: Slice, x: Slice, low: tuple[float, float], high: tuple[float, float]) -> tuple[slice, slice]:
    rows = slice(*np.searchsorted(y[:, 0], [low[0], high[0]]).tolist())
    return rows, slice(*np.searchsorted(x[0], [low[1], high[1]]).tolist())


def _sternum(brush: _Brush, cage: Slice, z: float, y: Slice, x: Slice) -> None:
    """Paint the breastbone, broader above."""
    if not -100 < z < 52:
        return
    part = _window(y, x, (-110, -32), (-30, 32))
    half = 17 + 9 * np.clip((z - 18) / 25, 0, 1)
    depth = 5.5 * (1 - ((np.abs(cage[part] + 6.5) / 5.5) ** 2.6 + np.abs(x[:, part[1]] / half) ** 2.6) ** (1 / 2.6))
    depth = np.where(y[part[0]] < 0, depth, -9).astype(np.float32)
    brush.put(depth, CORTEX_HU, "bone", part)
    brush.put(depth - 1.1, MARROW_HU, "bone", part)


def _spine(brush: _Brush, outside: Slice, z: float, y: Slice, x: Slice) -> None:
    """Paint a vertebra or a disc, the arch around the cord, and processes."""
    part = _window(y, x, (20, -52), (120, 52))
    y = y[part[0]] + min(12 * (z / 100) ** 2, 14)
    x = x[:, part[1]]
    phase = (z / VERTEBRA_MM) % 1  # 0 in the middle of a disc
    to_disc = min(phase, 1 - phase) * VERTEBRA_MM - 2.5

    def ellipse(cy: float, ry: float, rx: float, cx: float = 0.0, power: float = 2.0) -> Slice:
        scale = (np.abs((y - cy) / ry) ** power + np.abs((np.abs(x) - cx) / rx) ** power) ** (1 / power)
        return np.asarray((1 - scale) * min(ry, rx), np.float32)

    brush.put(np.minimum(ellipse(80, 15, 44), outside[part]), MUSCLE_HU, "wall", part)  # beside the spine
    waist = 1.2 * min(max(to_disc, 0), 6) / 6
    body = ellipse(52, 15 - waist, 18 - waist, power=2.4)
    if to_disc < 0:
        brush.put(body, DISC_HU, "bone", part)
    else:
        brush.put(body, CORTEX_HU, "bone", part)
        brush.put(np.minimum(body - 1.3, np.float32(to_disc - 0.8)), MARROW_HU, "bone", part)
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
        process = ellipse(77, 4.2, 17, cx=28)
        brush.put(process, CORTEX_HU, "bone", part)
        brush.put(process - 1.3, MARROW_HU, "bone", part)
    spinous = ellipse(90, 12, 3.6)
    brush.put(spinous, CORTEX_HU, "bone", part)
    brush.put(spinous - 1.3, MARROW_HU, "bone", part)
    brush.put(ellipse(74, 8.6, 9.6), FAT_HU, "wall", part)
    brush.put(ellipse(74, 7.4, 8), 15.0, "wall", part)
    brush.put(ellipse(74, 3.8, 5), 40.0, "wall", part)
