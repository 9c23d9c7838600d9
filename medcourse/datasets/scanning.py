"""A scan in the making: a grid of voxels, what is in each of them, and the person's coarse shape sampled on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.torso import COARSE_MM, GRID, Field, Torso
from medcourse.datasets.tubes import Floats, voxel_mm

CLASSES = (
    "outside",
    "wall",
    "bone",
    "mediastinum",
    "abdomen",
    "lung",
    "heart",
    "vessel",
    "oesophagus",
    "airway",
    "node",
    "nodule",
)
CODE = {name: number for number, name in enumerate(CLASSES)}
Slice = NDArray[np.float32]


@dataclass
class Scan:
    """Voxels of a scan.

    Attributes
    ----------
    torso
        The person.
    axes
        Positions of the voxels' centres along z, y and x, in the person's millimetres.
    hu
        (Z, Y, X) float32.
    labels
        (Z, Y, X) uint8 into `CLASSES`.
    """

    torso: Torso
    axes: list[Floats]
    hu: NDArray[np.float32]
    labels: NDArray[np.uint8]

    @classmethod
    def empty(
        cls,
        torso: Torso,
        spacing_mm: tuple[float, float, float],
        height_mm: float,
        field_mm: tuple[float, float],
        bottom_mm: float,
    ) -> "Scan":
        """Return a scan full of air, its slices from `bottom_mm` on, its middle in the middle of the person."""
        extent = (height_mm, *field_mm)
        shape = [max(2, round(e / mm)) for e, mm in zip(extent, spacing_mm, strict=True)]
        middle = (bottom_mm + height_mm / 2, 0.0, 0.0)
        axes: list[Floats] = [
            (np.arange(n, dtype=np.float64) - (n - 1) / 2) * mm + m
            for n, mm, m in zip(shape, spacing_mm, middle, strict=True)
        ]
        hu = np.full(shape, -1000, np.float32)
        return cls(torso, axes, hu, np.zeros(shape, np.uint8))

    @property
    def voxel_mm(self) -> float:
        """The side of a cube with the volume of a voxel."""
        return voxel_mm(self.axes)

    def to_mm(self, points: Floats) -> Floats:
        """Map places on the torso's grid to the person's millimetres."""
        return np.asarray(points * self.torso.scale)

    def box(self, centre_mm: Floats, reach_mm: float) -> tuple[slice, slice, slice]:
        """Return the part of the grid within a distance of a place along each axis."""
        parts = [
            slice(*np.searchsorted(axis, [c - reach_mm, c + reach_mm]).tolist())
            for axis, c in zip(self.axes, centre_mm, strict=True)
        ]
        return parts[0], parts[1], parts[2]

    def put(self, part: tuple[slice, slice, slice], share: NDArray[np.floating], hu: Slice | float, name: str) -> None:
        """Fill a share of the voxels in a part of the grid with a tissue."""
        here = self.hu[part]
        here += (share * (hu - here)).astype(np.float32)
        self.labels[part][share > 0.5] = CODE[name]

    def sampler(self) -> "Sampler":
        """Return what samples the torso's fields on slices."""
        return Sampler(self)


class Sampler:
    """Samples the torso's fields on the slices of a scan, between their nodes in straight lines."""

    def __init__(self, scan: Scan) -> None:
        places = [
            np.clip((axis / s - grid[0]) / COARSE_MM, 0, len(grid) - 1.001)
            for axis, s, grid in zip(scan.axes, scan.torso.scale, GRID, strict=True)
        ]
        self.fields: dict[str, Field] = scan.torso.fields
        self.low = places[0].astype(int)
        self.part = (places[0] - self.low).astype(np.float32)
        self.rows, self.columns = (_weights(p, len(grid)) for p, grid in zip(places[1:], GRID[1:], strict=True))

    def slice(self, k: int, names: Sequence[str]) -> list[Slice]:
        """Return these fields on slice k, each (Y, X)."""
        found = []
        for name in names:
            field, low = self.fields[name], self.low[k]
            layer = field[low] + self.part[k] * (field[low + 1] - field[low])
            found.append(self.rows @ layer @ self.columns.T)
        return found


def _weights(place: Floats, n: int) -> Field:
    """Return the (places, n) matrix that interpolates between nodes."""
    return np.asarray(np.clip(1 - np.abs(place[:, None] - np.arange(n)[None, :]), 0, 1), np.float32)
