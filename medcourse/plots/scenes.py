"""What viewers of volumes look at: a volume with its labels, spacing, window and detections, checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.detections import Detections, as_detections, draw_section, through
from medcourse.plots.figures import panels
from medcourse.plots.images import Limits, as_array, as_labels, draw_scale_bar, label_colours, paint, show_image

PLANES = {"axial": 0, "coronal": 1, "sagittal": 2}
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """A volume and all that is drawn of it."""

    voxels: np.ndarray  # (Z, Y, X)
    marks: np.ndarray | None  # (Z, Y, X), 0 ... n
    colours: np.ndarray | None  # (n + 1, 3), so that an object keeps its colour from slice to slice
    spacing_mm: Spacing
    limits: Limits
    plane: str | None  # None: all of them, where the viewer can
    detections: Detections

    @property
    def axis(self) -> int:
        """The axis that slices lie across."""
        return PLANES[self.plane or "axial"]

    @property
    def depth(self) -> int:
        """Number of slices."""
        return int(self.voxels.shape[self.axis])

    @property
    def step_mm(self) -> float:
        """Distance between slices."""
        return self.spacing_mm[self.axis]

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel in a slice."""
        height, width = (step for axis, step in enumerate(self.spacing_mm) if axis != self.axis)
        return height, width

    def places(self, n: int, at_mm: Sequence[float] | None) -> np.ndarray:
        """Return the numbers of n slices, evenly spaced, or of those nearest to places in millimetres."""
        if at_mm is None:
            if n < 1:
                raise CourseError(f"n must be at least 1 slice, got {n}")
            n = min(n, self.depth)
            return ((np.arange(n) + 0.5) * self.depth / n).astype(int)  # the first and the last slice are mostly empty
        wanted = np.rint(np.asarray(at_mm, float) / self.step_mm)
        if wanted.ndim != 1 or not len(wanted) or not ((wanted >= 0) & (wanted < self.depth)).all():
            reach = (self.depth - 1) * self.step_mm
            raise CourseError(f"at_mm must hold places from 0 to {reach:g} mm, got {list(at_mm)}")
        return wanted.astype(int)

    @property
    def opening(self) -> int:
        """The slice that a viewer opens on: through a detection, else where objects cover most, else in the middle."""
        places = np.arange(self.depth)
        if at_mm := through(self.detections, self.axis):
            places = np.clip(np.rint(np.array(at_mm) / self.step_mm), 0, self.depth - 1)
        elif self.marks is not None:
            areas = (self.marks > 0).sum(tuple(axis for axis in range(3) if axis != self.axis))
            places = np.flatnonzero(areas == areas.max())
        return int(min(places, key=lambda place: abs(place - self.depth // 2)))

    def where(self, place: int) -> str:
        """Say where a slice lies, in millimetres from the first."""
        return f"{'zyx'[self.axis]} = {place * self.step_mm:g} mm"

    def panels(self, rows: int, columns: int, width_inches: float) -> tuple[Figure, np.ndarray]:
        """Make panels with the proportions of a slice, and room for its title."""
        height, width = (size for axis, size in enumerate(self.voxels.shape) if axis != self.axis)
        proportion = height * self.pixel_mm[0] / (width * self.pixel_mm[1])
        return panels(rows, columns, width_inches=width_inches, height_inches=width_inches * proportion + 0.25)

    def draw(self, ax: Axes, place: int, *, scale_bar: bool = True) -> Figure:
        """Draw one slice."""
        image = self.voxels.take(place, self.axis)
        figure = show_image(image, self.where(place), limits=self.limits, ax=ax)
        if self.marks is not None and self.colours is not None:
            ax.imshow(paint(self.marks.take(place, self.axis), self.colours, fill=0.25), interpolation="nearest")
        ax.set_aspect(self.pixel_mm[0] / self.pixel_mm[1])
        if self.axis != PLANES["axial"]:
            ax.invert_yaxis()  # z grows towards the head, which is up
        place_mm = place * self.step_mm
        draw_section(
            ax, self.detections, axis=self.axis, place_mm=place_mm, step_mm=self.step_mm, pixel_mm=self.pixel_mm
        )
        if scale_bar:
            draw_scale_bar(ax, self.pixel_mm[1], "mm")
        return figure


def as_scene(
    volume: Any,
    labels: Any,
    spacing_mm: Spacing,
    limits: Limits | None,
    plane: str | None,
    *,
    detections: Mapping[str, Any] | None = None,
) -> Scene:
    """Check what a viewer was given, as `view_volume` describes it; raises its errors."""
    voxels = as_array(volume)
    if voxels.ndim != 3 or not voxels.size:
        raise CourseError(f"volume must have shape (Z, Y, X), got {voxels.shape}: index or squeeze it")
    if voxels.dtype.kind not in "buif":
        raise CourseError(f"volume must hold real numbers, got {voxels.dtype}")
    if np.shape(spacing_mm) != (3,) or not all(0 < step < np.inf for step in spacing_mm):
        raise CourseError(f"spacing_mm must be three positive numbers (z, y, x), got {spacing_mm}")
    if plane is not None and plane not in PLANES:
        raise CourseError(f"plane must be one of {', '.join(PLANES)}, got {plane!r}")
    if limits is None:
        low, high = float(np.nanmin(voxels)), float(np.nanmax(voxels))
        limits = low, high if high > low else low + 1  # a volume of one value has no range
    marks = None if labels is None else as_labels(labels, voxels.shape)
    colours = None if marks is None else label_colours(marks, reach=1)
    return Scene(voxels, marks, colours, spacing_mm, limits, plane, as_detections(detections))
