"""Vessels as tubes in three dimensions: a tree that branches, and how much of each voxel it fills."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Murray's law: at a branching the cubes of the radii are kept, the cheapest tree for blood that has to be pumped and
# made. Murray. The physiological principle of minimum work. PNAS 12(3):207-214, 1926. doi:10.1073/pnas.12.3.207
MURRAY = 3.0


@dataclass(frozen=True)
class Segment:
    """A straight piece of tube with round ends that may taper.

    Attributes
    ----------
    start, end
        (3,) positions (z, y, x) in millimetres.
    start_radius_mm, end_radius_mm
        Radii of the lumen, > 0.
    """

    start: Floats
    end: Floats
    start_radius_mm: float
    end_radius_mm: float


def unit(vector: Floats) -> Floats:
    """Return a vector of the same direction and length 1."""
    return np.asarray(vector / np.linalg.norm(vector))


def random_direction(rng: np.random.Generator) -> Floats:
    """Return a direction, all equally likely, as (3,) of length 1."""
    return unit(rng.normal(size=3))


def perpendicular(rng: np.random.Generator, direction: Floats) -> Floats:
    """Return a random direction at right angles to another one."""
    sideways = rng.normal(size=3)
    return unit(sideways - direction * (sideways @ direction))


def bent_tube(
    rng: np.random.Generator,
    start: Floats,
    direction: Floats,
    *,
    length_mm: float,
    start_radius_mm: float,
    end_radius_mm: float,
    bend: float = 0.08,
    n_pieces: int = 3,
) -> tuple[list[Segment], Floats]:
    """Return a gently bent tube as segments, and the direction in which it ends.

    Parameters
    ----------
    rng
        Source of the bends.
    start, direction
        (3,) each; millimetres, and of length 1.
    length_mm, start_radius_mm, end_radius_mm
        Of the whole tube.
    bend
        Standard deviation of the turn from piece to piece, about radians; 0 is straight.
    n_pieces
        Segments it is made of, >= 1.
    """
    radii = np.linspace(start_radius_mm, end_radius_mm, n_pieces + 1)
    pieces = []
    for before, after in pairwise(radii.tolist()):
        end = start + direction * length_mm / n_pieces
        pieces.append(Segment(start, end, before, after))
        start, direction = end, unit(direction + bend * rng.normal(size=3))
    return pieces, direction


def vessel_tree(
    rng: np.random.Generator,
    start: Floats,
    direction: Floats,
    *,
    radius_mm: float,
    smallest_mm: float = 0.35,
    reach_mm: float = 60.0,
) -> list[Segment]:
    """Grow a tree of vessels that halves its flow, unevenly, at each branching.

    The daughters' radii obey Murray's law, r^3 = r1^3 + r2^3, and the thicker one turns less. Between branchings a
    vessel is about ten radii long.

    Parameters
    ----------
    rng
        Source of the shape.
    start, direction
        (3,) each: where the trunk begins, in millimetres, and where it goes, of length 1.
    radius_mm
        Of the trunk, > 0.
    smallest_mm
        Vessels thinner than this radius are left out.
    reach_mm
        Nothing grows farther from the origin than this.
    """
    tree: list[Segment] = []
    tips = [(start, direction, radius_mm)]
    while tips:
        place, heading, radius = tips.pop()
        length = radius * rng.uniform(6, 14) + 2
        pieces, heading = bent_tube(
            rng, place, heading, length_mm=length, start_radius_mm=radius, end_radius_mm=0.95 * radius
        )
        tree += pieces
        tip = pieces[-1].end
        if np.linalg.norm(tip) > reach_mm:
            continue
        share = rng.uniform(0.55, 0.9)  # of the flow, to the thicker daughter
        sideways = perpendicular(rng, heading)
        for flow, sign in ((share, 1), (1 - share, -1)):
            daughter = 0.95 * radius * flow ** (1 / MURRAY)
            turn = np.deg2rad(rng.uniform(15, 30) + 45 * (1 - flow)) * sign
            if daughter >= smallest_mm:
                tips.append((tip, unit(np.cos(turn) * heading + np.sin(turn) * sideways), daughter))
    return tree


def filled(segments: Iterable[Segment], axes_mm: Sequence[Floats]) -> Floats:
    """Return how much of each voxel is inside any of the segments.

    Parameters
    ----------
    segments
        In millimetres.
    axes_mm
        Positions of the voxels' centres along z, y and x, evenly spaced; at least two along each.

    Returns
    -------
    (Z, Y, X) array in [0, 1]: 1 inside, 0 outside, and between within half a voxel of the wall.
    """
    share = np.zeros([len(axis) for axis in axes_mm])
    width = voxel_mm(axes_mm)
    for segment in segments:
        box = _box(segment, width, axes_mm)
        if box is not None:
            outside = _distance(segment, [axis[part] for axis, part in zip(axes_mm, box, strict=True)])
            np.maximum(share[box], (0.5 - outside / width).clip(0, 1), out=share[box])
    return share


def voxel_mm(axes_mm: Sequence[Floats]) -> float:
    """Return the side of a cube with the volume of a voxel."""
    return float(np.prod([axis[1] - axis[0] for axis in axes_mm]) ** (1 / 3))


def _box(segment: Segment, margin_mm: float, axes_mm: Sequence[Floats]) -> tuple[slice, slice, slice] | None:
    """Return the part of the grid that a segment may fill, None if there is none."""
    reach = max(segment.start_radius_mm, segment.end_radius_mm) + margin_mm
    parts = []
    for axis, a, b in zip(axes_mm, segment.start.tolist(), segment.end.tolist(), strict=True):  # floats: no numpy here
        first, step = float(axis[0]), float(axis[1] - axis[0])
        low = max(ceil((min(a, b) - reach - first) / step), 0)
        high = min(floor((max(a, b) + reach - first) / step) + 1, len(axis))
        if low >= high:
            return None
        parts.append(slice(low, high))
    return parts[0], parts[1], parts[2]


def _distance(segment: Segment, axes_mm: Sequence[Floats]) -> Floats:
    """Return the distance in millimetres from the wall of a segment, negative inside, on a grid."""
    along = segment.end - segment.start
    offset = [
        axis.reshape([-1 if i == place else 1 for i in range(3)]) - segment.start[place]
        for place, axis in enumerate(axes_mm)
    ]
    position = np.clip(sum(o * a for o, a in zip(offset, along, strict=True)) / (along @ along), 0, 1)  # (Z, Y, X)
    squared = sum((o - position * a) ** 2 for o, a in zip(offset, along, strict=True))
    radius = segment.start_radius_mm + position * (segment.end_radius_mm - segment.start_radius_mm)
    return np.asarray(np.sqrt(squared) - radius)
