"""Smooth shapes in millimetres, from which simulated anatomy is built: superellipses, tubes, outlines, smooth noise.

A shape is a map of depth: about how many millimetres a pixel lies inside it, negative outside. So layers (skin, fat,
a bone's cortex) are comparisons, unions are maxima, and noise added to a depth makes an edge irregular.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage as ndi
from scipy.interpolate import CubicSpline

Floats = NDArray[np.float64]

REACH_MM = 260.0  # noise is defined on a square of twice this width, whatever the grid that samples it


class Canvas:
    """A grid of pixels with millimetres for coordinates: y down, x to the right, both 0 in the middle.

    Parameters
    ----------
    height, width
        Size in pixels.
    spacing_mm
        Width of a pixel.
    """

    def __init__(self, height: int, width: int, spacing_mm: float) -> None:
        self.shape = (height, width)
        self.spacing_mm = spacing_mm
        self.bend_mm = 0.0  # the farthest that a pixel's coordinates are from where it lies
        self.y: Floats = ((np.arange(height) - (height - 1) / 2) * spacing_mm)[:, None] * np.ones((1, width))
        self.x: Floats = ((np.arange(width) - (width - 1) / 2) * spacing_mm)[None, :] * np.ones((height, 1))

    def bent(self, rng: np.random.Generator, *, by_mm: float, scale_mm: float) -> "Canvas":
        """Return the same grid with coordinates displaced by smooth noise: what is drawn on it comes out bent."""
        other = Canvas(*self.shape, self.spacing_mm)
        down, right = by_mm * self.noise(rng, scale_mm), by_mm * self.noise(rng, scale_mm)
        other.y, other.x = self.y + down, self.x + right
        other.bend_mm = self.bend_mm + float(max(np.abs(down).max(), np.abs(right).max()))
        return other

    def noise(self, rng: np.random.Generator, scale_mm: float) -> Floats:
        """Return smooth noise of mean 0 and variance about 1 whose bumps are about `scale_mm` wide."""
        n = int(2 * REACH_MM / scale_mm) + 4
        lattice = rng.normal(size=(n, n))
        lattice *= 1.6  # cubic interpolation between nodes loses variance
        places = [(axis + REACH_MM) / scale_mm + 1 for axis in (self.y, self.x)]
        return np.asarray(ndi.map_coordinates(lattice, places, order=3, mode="reflect"))

    def ellipse(self, y: float, x: float, ry: float, rx: float, *, turn_deg: float = 0.0, power: float = 2.0) -> Floats:
        """Return the depth in an ellipse around (y, x) with these half axes; `power` above 2 makes it boxier.

        `turn_deg` turns it as the hand of a clock does.
        """
        turn = np.deg2rad(turn_deg)
        dy, dx = self.y - y, self.x - x
        u = dx * np.cos(turn) + dy * np.sin(turn)
        v = dy * np.cos(turn) - dx * np.sin(turn)
        scale = (np.abs(u / rx) ** power + np.abs(v / ry) ** power) ** (1 / power)
        radius = np.hypot(u, v)
        # Along the ray from the centre, the edge is where the scale is 1.
        return np.asarray(np.where(scale < 1e-6, min(ry, rx), radius / np.maximum(scale, 1e-6) - radius))

    def tube(self, points: ArrayLike, radii: ArrayLike) -> Floats:
        """Return the depth in a tube along (n, 2) points (y, x) with a radius at each; -1000 far from it."""
        depth = np.full(self.shape, -1000.0)
        for window, distance, radius, _ in self._segments(points, radii, margin_mm=3.0):
            np.maximum(depth[window], radius - distance, out=depth[window])
        return depth

    def chord(self, points: ArrayLike, radii: ArrayLike, weights: ArrayLike = 1.0) -> Floats:
        """Return the length in millimetres of a ray, perpendicular to the picture, inside of a tube.

        `weights` (one a point) multiply it: above 1 where the tube runs towards the viewer, below 1 if it is flat.
        """
        length = np.zeros(self.shape)
        for window, distance, radius, weight in self._segments(points, radii, weights):
            half = np.sqrt(np.maximum(radius**2 - distance**2, 0))
            np.maximum(length[window], 2 * weight * half, out=length[window])
        return length

    def outline(self, points: ArrayLike) -> Floats:
        """Return the depth in a smooth closed curve through (n, 2) points (y, x)."""
        from skimage import draw  # noqa: PLC0415  (slow to import)

        polygon2mask: Any = draw.polygon2mask  # scikit-image has types for some functions only

        ring = curve(points, 240, closed=True)
        rows = (ring[:, 0] - self.y[0, 0]) / self.spacing_mm
        columns = (ring[:, 1] - self.x[0, 0]) / self.spacing_mm
        inside = polygon2mask(self.shape, np.stack([rows, columns], axis=1))
        return self.depth_of(inside)

    def depth_of(self, mask: NDArray[np.bool_]) -> Floats:
        """Return the distance to the edge of a mask, positive inside."""
        inner = ndi.distance_transform_edt(mask) if mask.any() else np.zeros(self.shape)
        outer = ndi.distance_transform_edt(~mask) if not mask.all() else np.zeros(self.shape)
        return np.asarray((inner - outer) * self.spacing_mm)

    def _segments(
        self, points: ArrayLike, radii: ArrayLike, weights: ArrayLike = 1.0, margin_mm: float = 0.0
    ) -> Iterator[tuple[tuple[slice, slice], Floats, Floats, Floats]]:
        """Yield, for each piece of a polyline: a window, and in it distance to the piece, radius and weight."""
        places = np.asarray(points, float)
        radius = np.broadcast_to(np.asarray(radii, float), len(places))
        weight = np.broadcast_to(np.asarray(weights, float), len(places))
        top, left = -(self.shape[0] - 1) / 2 * self.spacing_mm, -(self.shape[1] - 1) / 2 * self.spacing_mm
        for i in range(len(places) - 1):
            reach = max(radius[i], radius[i + 1]) + margin_mm + self.spacing_mm + self.bend_mm
            low = np.minimum(places[i], places[i + 1]) - reach
            high = np.maximum(places[i], places[i + 1]) + reach
            rows = np.clip((np.array([low[0], high[0]]) - top) / self.spacing_mm + [0, 1], 0, self.shape[0]).astype(int)
            columns = np.clip((np.array([low[1], high[1]]) - left) / self.spacing_mm + [0, 1], 0, self.shape[1])
            columns = columns.astype(int)
            window = (slice(rows[0], rows[1]), slice(columns[0], columns[1]))
            y, x = self.y[window] - places[i, 0], self.x[window] - places[i, 1]
            if y.size == 0:
                continue
            along_y, along_x = places[i + 1] - places[i]
            squared = max(along_y**2 + along_x**2, 1e-12)
            t = np.clip((y * along_y + x * along_x) / squared, 0, 1)
            distance = np.hypot(y - t * along_y, x - t * along_x)
            yield (
                window,
                distance,
                radius[i] + t * (radius[i + 1] - radius[i]),
                weight[i] + t * (weight[i + 1] - weight[i]),
            )


def curve(points: ArrayLike, n: int, *, closed: bool = False) -> Floats:
    """Return n points, evenly spaced in the curve's parameter, of a smooth curve through (k, d) points.

    Examples
    --------
    >>> curve([(0, 0), (0, 1), (0, 2)], 3).round(6).tolist()
    [[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]
    """
    knots = np.asarray(points, float)
    if closed:
        knots = np.concatenate([knots, knots[:1]])
    steps = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(steps)])
    spline = CubicSpline(at, knots, bc_type="periodic" if closed else "natural")
    return np.asarray(spline(np.linspace(0, at[-1], n)))


def grow_tree(
    rng: np.random.Generator,
    start: Sequence[float],
    direction: Sequence[float],
    *,
    radius_mm: float,
    length_mm: float,
    thinnest_mm: float = 0.5,
    spread: float = 0.5,
) -> list[tuple[Floats, Floats]]:
    """Grow the branches of a vessel in the plane or in space.

    A branch divides in two whose radii obey Murray's law, r^3 = r1^3 + r2^3, and whose lengths shrink alike.

    Parameters
    ----------
    start, direction
        Where the trunk starts and where it goes to, 2 or 3 numbers.
    radius_mm, length_mm
        Of the trunk.
    thinnest_mm
        Branches below this radius are not drawn.
    spread
        How far children turn away from their parent, as a share of it.

    Returns
    -------
    A list of (points (n, d), radii (n,)), one for each branch.
    """
    branches: list[tuple[Floats, Floats]] = []
    todo = [(np.asarray(start, float), np.asarray(direction, float), radius_mm, length_mm)]
    while todo:
        place, heading, radius, length = todo.pop()
        heading = heading / np.linalg.norm(heading)
        bend = rng.normal(0, 0.12, heading.shape)
        steps = np.linspace(0, 1, 5)[:, None]
        points = place + length * (steps * heading + steps**2 * bend)
        share = rng.uniform(0.3, 0.7)
        children = radius * np.array([share, 1 - share]) ** (1 / 3)
        branches.append((points, np.linspace(radius, children.max(), 5)))
        side = rng.normal(size=heading.shape)
        side -= side @ heading * heading
        side /= np.linalg.norm(side)
        for sign, child in zip((1, -1), children, strict=True):
            if child >= thinnest_mm:
                # The thinner child turns away more.
                turn = spread * sign * (radius / child) ** 1.5
                todo.append((points[-1], heading + bend + turn * side, child, length * rng.uniform(0.75, 0.95)))
    return branches
