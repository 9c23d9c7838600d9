"""Many thin tubes drawn at once on a coarse grid: vessels and ribs of a radiograph.

`medcourse.datasets.shapes.Canvas.chord` draws one tube exactly; a thousand of them take it a second. Here tubes are
rows of balls, dense enough to look like tubes, and all balls are drawn in one operation.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.datasets.shapes import Canvas, Floats

Balls = tuple[Floats, Floats, Floats]
"""Middles (M, 2), radii (M,) and longest paths (M,), in millimetres."""


def tube(points: ArrayLike, radii: ArrayLike, flat: float = 1.0) -> Balls:
    """Return the balls of a tube along a polyline, half of its least radius apart.

    Parameters
    ----------
    points
        (n, 2) y and x in millimetres.
    radii
        At the points, or one for all.
    flat
        The path through its middle for one diameter: below 1 where the tube is flattened, above 1 where it is deep.

    Examples
    --------
    >>> middles, radii, paths = tube([(0, 0), (0, 4)], 2.0)
    >>> middles[:, 1].tolist(), paths.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0], [4.0, 4.0, 4.0, 4.0, 4.0])
    """
    corners = np.asarray(points, float)
    at_corners = np.broadcast_to(np.asarray(radii, float), len(corners))
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, way[-1], 1 + int(np.ceil(way[-1] / (0.5 * at_corners.min()))))
    middles = np.stack([np.interp(at, way, corners[:, i]) for i in range(2)], axis=1)
    radius = np.interp(at, way, at_corners)
    return middles, radius, 2 * flat * radius


def draw_tubes(canvas: Canvas, tubes: Sequence[Balls], *, add: bool) -> Floats:
    """Return the path through tubes: the sum where they cross if `add`, else the longest; see `draw_strokes`."""
    points, radii, weights = (np.concatenate([balls[i] for balls in tubes]) for i in range(3))
    groups = np.repeat(np.arange(len(tubes)), [len(balls[1]) for balls in tubes]) if add else None
    return draw_strokes(canvas, points, radii, weights, groups)


def draw_strokes(
    canvas: Canvas, points: Floats, radii: Floats, weights: Floats, groups: NDArray[np.int64] | None = None
) -> Floats:
    """Return the sum over groups of the longest path through a group's balls, along the ray, times their weight.

    Parameters
    ----------
    canvas
        A regular grid; millimetres.
    points
        (M, 2) middles of balls, y and x in millimetres, at most about a radius apart along a tube.
    radii
        (M,) millimetres.
    weights
        (M,) the path through the middle of a ball, in millimetres: 2 radii for a round tube, less for a flat one.
    groups
        (M,) number of the tube that a ball belongs to, from 0; all one if not given. Where tubes of different groups
        cross, their paths add up; within a group the longest counts.

    Returns
    -------
    (H, W) float64.
    """
    groups = np.zeros(len(points), np.int64) if groups is None else groups
    height, width = canvas.shape
    reach = int(np.ceil(radii.max() / canvas.spacing_mm))
    step = np.arange(-reach, reach + 1)
    row = np.rint((points[:, 0] - canvas.y[0, 0]) / canvas.spacing_mm).astype(int)[:, None] + step  # (M, K)
    column = np.rint((points[:, 1] - canvas.x[0, 0]) / canvas.spacing_mm).astype(int)[:, None] + step
    dy = row * canvas.spacing_mm + canvas.y[0, 0] - points[:, :1]
    dx = column * canvas.spacing_mm + canvas.x[0, 0] - points[:, 1:]
    inside = 1 - (dy[:, :, None] ** 2 + dx[:, None, :] ** 2) / radii[:, None, None] ** 2  # (M, K, K)
    seen = inside > 0
    seen &= ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[:, None, :]
    ball, down, right = np.nonzero(seen)
    path = weights[ball] * np.sqrt(inside[ball, down, right])
    place = (groups[ball] * height + row[ball, down]) * width + column[ball, right]
    longest = np.zeros((int(groups.max()) + 1) * height * width)
    np.maximum.at(longest, place, path)
    return np.asarray(longest.reshape(-1, height, width).sum(axis=0))


def grow_bushes(
    rng: np.random.Generator, starts: Floats, headings: Floats, radii: Floats, *, length_mm: float, thinnest_mm: float
) -> tuple[Floats, Floats]:
    """Grow vessels in space, all branches of a generation at once, as balls for `draw_strokes`.

    A branch divides in two whose radii obey Murray's law, r^3 = r1^3 + r2^3; the thinner one turns away more.

    Parameters
    ----------
    starts, headings
        (T, 3) of the trunks; the third coordinate lies along the ray and is not drawn.
    radii
        (T,) of the trunks, millimetres.
    length_mm
        Of the trunks; children are shorter.
    thinnest_mm
        Branches below this radius are left out.

    Returns
    -------
    points (M, 2) and radii (M,), in millimetres.
    """
    place, heading = np.asarray(starts, float), np.asarray(headings, float)
    radius, length = np.asarray(radii, float), np.full(len(starts), float(length_mm))
    points, sizes = [], []
    while len(place):
        heading = heading / np.linalg.norm(heading, axis=1, keepdims=True)
        bend = rng.normal(0, 0.12, heading.shape)
        steps = np.linspace(0, 1, 2 + int(length.max() / radius.min()))[:, None, None]
        way = place + length[:, None] * (steps * heading + steps**2 * bend)  # (S, B, 3)
        share = rng.uniform(0.3, 0.7, len(place))
        children = radius * np.stack([share, 1 - share]) ** (1 / 3)  # (2, B)
        points.append(way[..., :2].reshape(-1, 2))
        sizes.append((radius + steps[..., 0] * (children.max(axis=0) - radius)).ravel())
        side = rng.normal(size=heading.shape)
        side -= (side * heading).sum(1, keepdims=True) * heading
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        turn = 0.4 * np.array([1, -1])[:, None] * (radius / children) ** 1.5
        kept = (children >= thinnest_mm).ravel()
        heading = (heading + bend + turn[..., None] * side).reshape(-1, 3)[kept]
        place = np.concatenate([way[-1], way[-1]])[kept]
        length = (np.tile(length, 2) * rng.uniform(0.75, 0.95, 2 * len(length)))[kept]
        radius = children.ravel()[kept]
    return np.concatenate(points), np.concatenate(sizes)
