"""Label maps whose colours mean the same in every picture: a colour a class, and a legend that names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start
from medcourse.plots.images import as_array, show_image
from medcourse.plots.style import PALETTE

_BLUE, _ORANGE, _GREEN, _RED, _PINK, _SKY, _YELLOW = PALETTE
# Background in black, then the palette of the course with a light grey for an eighth class.
CLASS_COLOURS = np.array(
    [to_rgb(c) for c in ("black", _BLUE, "0.85", _ORANGE, _SKY, _GREEN, _RED, _PINK, _YELLOW)], dtype=float
)


def show_labels(
    labels: Any,
    names: Sequence[str],
    title: str = "",
    *,
    legend: bool = False,
    spacing_mm: float | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show a map of classes, each in its own colour whatever else is in the picture.

    `overlay` is for objects: it picks colours so that neighbours differ. This is for classes that one compares from
    picture to picture.

    Parameters
    ----------
    labels : array or tensor of whole numbers, shape (H, W)
        0, in black, to len(names) - 1.
    names : sequence of str
        Of the classes, the background's first; 9 at most.
    title : str
    legend : bool
        Name the colours of all classes but the background, to the right.
    spacing_mm : float, optional
        Width of a pixel; draws a scale bar.
    ax : Axes, optional
    alt : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There are too many classes, or a label has no name.

    Examples
    --------
    >>> import numpy as np
    >>> show_labels(np.array([[0, 1], [2, 2]]), ["air", "grey", "white"], "Brain").get_label()
    'Brain: map of 2 by 2 pixels with grey, white.'
    """
    marks = as_array(labels)
    if not 1 <= len(names) <= len(CLASS_COLOURS):
        raise CourseError(f"names must be 1 to {len(CLASS_COLOURS)}, got {len(names)}")
    if marks.ndim != 2 or not marks.size or not np.isin(marks, range(len(names))).all():
        raise CourseError(
            f"labels must be (H, W) whole numbers from 0 to {len(names) - 1}, got {marks.shape} with "
            f"{np.unique(marks)[:12].tolist()}"
        )
    numbers = marks.astype(int)
    ax = start(ax, proportion=numbers.shape[0] / numbers.shape[1])
    before = ax.figure.get_label()
    figure = show_image(CLASS_COLOURS[numbers], title, spacing_mm=spacing_mm, ax=ax)
    figure.set_label(before)  # show_image speaks of grey values; this one of classes
    if legend:
        patches = [Patch(facecolor=CLASS_COLOURS[k], edgecolor="0.3", label=names[k]) for k in range(1, len(names))]
        ax.legend(handles=patches, loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=9)
    there = ", ".join(names[k] for k in np.unique(numbers) if k) or "background only"
    size = f"{numbers.shape[0]} by {numbers.shape[1]} pixels"
    return finish(ax, alt or f"{title or 'Classes'}: map of {size} with {there}.")
