"""Detections in a volume: balls in millimetres, told apart by their shape as well as by their colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Ellipse, Patch, Polygon, Rectangle
from matplotlib.patheffects import withStroke

from medcourse.errors import CourseError
from medcourse.plots.images import as_array
from medcourse.plots.style import PALETTE

Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """How a kind of detection is drawn, and in which words it is described."""

    shape: str
    colour: str
    line: str = "-"


# Of the colour-blind-safe palette; shape and dashes alone suffice for those who print in grey.
LOOKS = {
    "hit": Look("circle", PALETTE[5]),
    "missed": Look("circle", PALETTE[1], "--"),
    "false positive": Look("square", PALETTE[3]),
    "candidate": Look("diamond", PALETTE[6]),
}
Detections = dict[str, np.ndarray]


def as_detections(detections: Mapping[str, Any] | None) -> Detections:
    """Check detections and return them as a mapping of kind to (N, 4) float64: z, y, x, radius in millimetres."""
    checked: Detections = {}
    for kind, given in (detections or {}).items():
        if kind not in LOOKS:
            raise CourseError(f"detections must be of the kinds {', '.join(LOOKS)}, got {kind!r}")
        balls = as_array(given)
        if balls.size == 0:
            continue
        if balls.ndim != 2 or balls.shape[1] != 4 or balls.dtype.kind not in "uif":
            raise CourseError(f"detections of kind {kind!r} must be rows (z, y, x, radius) in mm, got {balls.shape}")
        balls = balls.astype(np.float64)
        if not (np.isfinite(balls).all() and (balls[:, 3] > 0).all()):
            raise CourseError(f"detections of kind {kind!r} must be finite with a radius above 0 mm")
        checked[kind] = balls
    return checked


def through(detections: Mapping[str, Any] | None, axis: int) -> list[float] | None:
    """Return the places of at most four detections, to show them where there is no viewer; None if there are none."""
    balls = [ball for rows in as_detections(detections).values() for ball in rows]
    return sorted({float(ball[axis]) for ball in balls[:: max(1, -(-len(balls) // 4))]}) or None


def draw_section(
    ax: Axes, detections: Detections, *, axis: int, place_mm: float, step_mm: float, pixel_mm: tuple[float, float]
) -> None:
    """Draw where a slice cuts the balls; one that lies between two slices is drawn in the nearer of them.

    Parameters
    ----------
    axis
        Across which the slice lies.
    place_mm, step_mm
        Of the slice, and from slice to slice.
    pixel_mm
        Height and width of a pixel: what is drawn is round in millimetres, not in pixels.
    """
    width_mm = abs(float(np.diff(ax.get_xlim())[0])) * pixel_mm[1]
    for kind, *centre_mm, radius_mm in cut_balls(
        detections, axis=axis, place_mm=place_mm, step_mm=step_mm, width_mm=width_mm
    ):
        row, column = (centre / mm for centre, mm in zip(centre_mm, pixel_mm, strict=True))
        high, wide = (radius_mm / mm for mm in pixel_mm)
        patch = _patch(LOOKS[kind], row, column, high, wide)
        patch.set_path_effects([withStroke(linewidth=2.8, foreground="black")])
        patch.set_gid(kind)
        ax.add_patch(patch)


def cut_balls(
    detections: Detections, *, axis: int, place_mm: float, step_mm: float, width_mm: float
) -> Iterator[tuple[str, float, float, float]]:
    """Go through the marks of a slice: kind, down and right of the first pixel's middle, and radius, in millimetres.

    `width_mm` is that of the picture: no mark is too small to be seen in it.
    """
    rest = [a for a in range(3) if a != axis]
    for kind, balls in detections.items():
        for ball in balls:
            away = abs(ball[axis] - place_mm)
            if away <= max(ball[3], step_mm / 2):
                cut = np.sqrt(max(ball[3] ** 2 - away**2, 0.0))
                # The mark stands around the finding, not on it.
                radius_mm = max(cut + 0.006 * width_mm, 0.015 * width_mm)
                yield kind, float(ball[rest[0]]), float(ball[rest[1]]), float(radius_mm)


def _patch(look: Look, row: float, column: float, high: float, wide: float) -> Patch:
    style: dict[str, Any] = {"fill": False, "edgecolor": look.colour, "linestyle": look.line, "linewidth": 1.6}
    if look.shape == "circle":
        return Ellipse((column, row), 2 * wide, 2 * high, **style)
    if look.shape == "square":
        return Rectangle((column - wide, row - high), 2 * wide, 2 * high, **style)
    corners = [(column, row - high), (column + wide, row), (column, row + high), (column - wide, row)]
    return Polygon(corners, closed=True, **style)


def in_words(detections: Detections) -> str:
    """Return what was marked, with what: "3 hits (circles), 1 missed (dashed circle)"."""
    said = []
    for kind, balls in detections.items():
        n, look = len(balls), LOOKS[kind]
        name = kind if kind == "missed" or n == 1 else f"{kind}s"
        said.append(f"{n} {name} ({'dashed ' if look.line == '--' else ''}{look.shape}{'' if n == 1 else 's'})")
    return ", ".join(said)


def as_shells(detections: Detections, shape: tuple[int, ...], spacing_mm: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Return detections as hollow shapes in voxels, for viewers that know no other marks, and their colours.

    Returns
    -------
    marks : ndarray of uint8, shape (Z, Y, X)
        0 is clear, k the k-th of `LOOKS`. Circles become spheres, squares boxes, diamonds octahedra; "missed" has gaps.
    colours : ndarray, shape (1 + len(LOOKS), 3)
    """
    marks = np.zeros(shape, np.uint8)
    spacing = np.asarray(spacing_mm)
    for number, (kind, look) in enumerate(LOOKS.items(), start=1):
        for ball in detections.get(kind, []):
            # As wide as a voxel along each axis, or flat voxels would leave holes.
            reach = (ball[3] + spacing) / spacing
            low = np.clip(np.floor(ball[:3] / spacing - reach), 0, shape).astype(int)
            high = np.clip(np.ceil(ball[:3] / spacing + reach) + 1, 0, shape).astype(int)
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            places = [np.arange(a, b) * mm - c for a, b, mm, c in zip(low, high, spacing, ball[:3], strict=True)]
            offset = np.stack(np.meshgrid(*places, indexing="ij"))
            inside = _size(offset, look.shape) <= ball[3]
            around = _size(np.maximum(np.abs(offset) - spacing[:, None, None, None], 0), look.shape) <= ball[3]
            shell = around & ~inside
            if look.line == "--":
                shell &= np.indices(shell.shape).sum(0) % 3 > 0
            marks[box][shell] = number
    return marks, np.array([(0.0, 0.0, 0.0), *(to_rgb(look.colour) for look in LOOKS.values())])


def _size(offset: np.ndarray, shape: str) -> np.ndarray:
    """Return the radius of the shape around 0 on whose surface each offset (3, ...) lies."""
    if shape == "circle":
        return np.asarray(np.linalg.norm(offset, axis=0))
    return np.asarray(np.abs(offset).max(0) if shape == "square" else np.abs(offset).sum(0))
