"""Images, label overlays and maps of values, with scale bars."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from medcourse.errors import CourseError
from medcourse.plots.figures import describe, figure_of, finish, panels, start
from medcourse.plots.style import PALETTE

Limits = tuple[float, float]

# Of the palette, in an order in which the first five look least alike side by side.
_LABEL_COLOURS = np.array([to_rgb(PALETTE[i]) for i in (0, 1, 2, 4, 6, 5, 3)])
_DISTINCT = 5


def show_image(
    image: Any,
    title: str = "",
    *,
    spacing_um: float | None = None,
    spacing_mm: float | None = None,
    limits: Limits | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show one image.

    Parameters
    ----------
    image : array or tensor, shape (H, W) or (H, W, 3)
        Grey values of any range; colours in [0, 1] or uint8.
    title : str
    spacing_um, spacing_mm : float, optional
        Width of a pixel in micrometres or in millimetres; give one and a scale bar is drawn.
    limits : (float, float), optional
        Grey values shown black and white, such as a Hounsfield window. The image's own range if not given.
    ax : Axes, optional
        Panel to draw into; a new figure if not given.
    alt : str, optional
        Description; one is written from title, size and range if not given.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        The shape is another, both spacings were given, or one is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> show_image(np.eye(4), "Diagonal", spacing_um=5).get_label()
    'Diagonal: image of 4 by 4 pixels, values 0 to 1.'
    """
    pixels = as_image(image, colour=True)
    ax = start(ax, proportion=pixels.shape[0] / pixels.shape[1])
    _draw(ax, pixels, title, limits)
    _scale_bar(ax, spacing_um, spacing_mm)
    return finish(ax, alt or f"{title or 'Image'}: image of {_size(pixels)}, values {_range(pixels)}.")


def show_images(
    images: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    spacing_um: float | None = None,
    spacing_mm: float | None = None,
    limits: Limits | None = None,
    panel_inches: float = 3.0,
    alt: str | None = None,
) -> Figure:
    """Show images side by side, with one scale bar in the first.

    Parameters
    ----------
    images : sequence of arrays or tensors, each (H, W) or (H, W, 3)
    titles : sequence of str, optional
        As many as images.
    spacing_um, spacing_mm, limits, alt
        As in `show_image`; limits hold for all images, which else have each their own.
    panel_inches : float
        Width of one image.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There is no image, the number of titles is another, or an image has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> len(show_images([np.eye(4), np.zeros((4, 4))], ["eye", "nothing"]).axes)
    2
    """
    pixels = [as_image(image, colour=True) for image in images]
    if not pixels:
        raise CourseError("images must hold at least one image, got none")
    titles = [""] * len(pixels) if titles is None else titles
    if len(titles) != len(pixels):
        raise CourseError(f"titles must be as many as images, {len(pixels)}, got {len(titles)}")
    height_inches = panel_inches * max(image.shape[0] / image.shape[1] for image in pixels) + 0.25
    figure, axes = panels(1, len(pixels), width_inches=panel_inches, height_inches=height_inches)
    for i, (ax, image, title) in enumerate(zip(axes[0], pixels, titles, strict=True)):
        um, mm = (spacing_um, spacing_mm) if i == 0 else (None, None)
        show_image(image, title, spacing_um=um, spacing_mm=mm, limits=limits, ax=ax)
    return describe(figure, alt) if alt else figure


def overlay(
    image: Any,
    labels: Any,
    title: str = "",
    *,
    fill: float = 0.25,
    spacing_um: float | None = None,
    spacing_mm: float | None = None,
    limits: Limits | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show the outlines of labelled objects over a grey image; neighbours get different colours.

    Parameters
    ----------
    image : array or tensor, shape (H, W)
    labels : array or tensor of whole numbers, shape (H, W)
        0 is background, every other number one object. Each object is outlined inside its own border, so that two
        that touch show two lines.
    title : str
    fill : float
        Opacity of the colour inside the outline, 0 (outline only) to 1.
    spacing_um, spacing_mm, limits, ax, alt
        As in `show_image`.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        Labels and image differ in shape, or labels are not whole numbers from 0.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[0, 1, 1], [0, 2, 2], [0, 2, 2]])
    >>> overlay(np.zeros((3, 3)), labels, "Two cells").get_label()
    'Two cells: image of 3 by 3 pixels with 2 outlined objects.'
    """
    pixels = as_image(image)
    marks = as_labels(labels, pixels.shape)
    if not 0 <= fill <= 1:
        raise CourseError(f"fill must lie between 0 and 1, got {fill}")
    ax = start(ax, proportion=pixels.shape[0] / pixels.shape[1])
    _draw(ax, pixels, title, limits)
    ax.imshow(paint(marks, label_colours(marks), fill), interpolation="nearest")
    _scale_bar(ax, spacing_um, spacing_mm)
    n_objects = np.count_nonzero(np.unique(marks))
    return finish(ax, alt or f"{title or 'Overlay'}: image of {_size(pixels)} with {n_objects} outlined objects.")


def show_map(
    values: Any,
    title: str = "",
    *,
    unit: str = "",
    limits: Limits | None = None,
    diverging: bool = False,
    spacing_um: float | None = None,
    spacing_mm: float | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show a value at every pixel (a weight, a probability, an error) in colours, with a colour bar.

    Parameters
    ----------
    values : array or tensor, shape (H, W)
    title : str
    unit : str
        Name and unit of the values, written at the colour bar: "weight", "displacement (px)".
    limits : (float, float), optional
        Values at the two ends of the colour bar; the range of the values if not given.
    diverging : bool
        Show both signs, zero in white and limits symmetric, instead of dark to bright.
    spacing_um, spacing_mm, ax, alt
        As in `show_image`.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        The values are not (H, W).

    Examples
    --------
    >>> import numpy as np
    >>> show_map(np.arange(4).reshape(2, 2), "Weights", unit="weight").get_label()
    'Weights: map of 2 by 2 pixels, weight 0 to 3.'
    """
    numbers = as_image(values)
    ax = start(ax, width_inches=4.6, proportion=0.85 * numbers.shape[0] / numbers.shape[1])
    if diverging and limits is None:
        bound = float(np.nanmax(np.abs(numbers))) or 1.0
        limits = (-bound, bound)
    drawn = _draw(ax, numbers, title, limits, cmap="RdBu_r" if diverging else "viridis")
    figure_of(ax).colorbar(drawn, ax=ax, label=unit, shrink=0.85)
    _scale_bar(ax, spacing_um, spacing_mm)
    return finish(ax, alt or f"{title or 'Map'}: map of {_size(numbers)}, {unit or 'values'} {_range(numbers)}.")


def label_colours(labels: np.ndarray, *, reach: int = 3) -> np.ndarray:
    """Choose a colour a label such that two labels at most `reach` pixels apart differ.

    Parameters
    ----------
    labels : ndarray of int, any number of axes
        Numbered 0 (background), 1, 2 ... as `as_labels` returns them.
    reach : int
        Along every axis.

    Returns
    -------
    ndarray, shape (labels.max() + 1, 3)
        Red, green, blue in [0, 1]; the first row, of the background, is black.
    """
    neighbours: dict[int, set[int]] = {}
    for offset in itertools.product(range(-reach, reach + 1), repeat=labels.ndim):
        # The other half of the offsets gives the same pairs.
        if offset <= (0,) * labels.ndim or any(abs(o) >= n for o, n in zip(offset, labels.shape, strict=True)):
            continue
        here = labels[tuple(slice(max(0, -o), n - max(0, o)) for o, n in zip(offset, labels.shape, strict=True))]
        there = labels[tuple(slice(max(0, o), n + min(0, o)) for o, n in zip(offset, labels.shape, strict=True))]
        touch = (here != there) & (here > 0) & (there > 0)
        for a, b in set(zip(here[touch].tolist(), there[touch].tolist(), strict=True)):
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
    chosen = [-1]
    for label in range(1, int(labels.max()) + 1):
        taken = {chosen[other] for other in neighbours.get(label, ()) if other < label}
        # The walk starts elsewhere for every label, so that all colours are used; the reserve comes last.
        order = [*((label - 1 + i) % _DISTINCT for i in range(_DISTINCT)), *range(_DISTINCT, len(_LABEL_COLOURS))]
        chosen.append(next((colour for colour in order if colour not in taken), order[0]))
    return np.vstack([np.zeros(3), _LABEL_COLOURS[chosen[1:]]])


def paint(labels: np.ndarray, colours: np.ndarray, fill: float) -> np.ndarray:
    """Colour labels (H, W) as (H, W, 4) in [0, 1]: outlines opaque, insides at the opacity `fill`, background clear."""
    inside = np.pad(labels, 1, mode="edge")
    border = np.zeros(labels.shape, dtype=bool)
    for neighbour in (inside[:-2, 1:-1], inside[2:, 1:-1], inside[1:-1, :-2], inside[1:-1, 2:]):
        border |= neighbour != labels
    painted = np.zeros((*labels.shape, 4))
    painted[..., :3] = colours[labels]
    painted[..., 3] = np.where(border, 1.0, fill) * (labels > 0)
    return painted


def as_array(values: Any) -> np.ndarray:
    """Return a numpy array of an array, a list or a tensor of any device."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def as_image(image: Any, *, colour: bool = False) -> np.ndarray:
    """Check that an image is (H, W), or (H, W, 3) where `colour` is allowed, and return it as an array of numbers."""
    pixels = as_array(image)
    if not (pixels.ndim == 2 or (colour and pixels.ndim == 3 and pixels.shape[2] == 3)) or not pixels.size:
        expected = "(H, W) or (H, W, 3)" if colour else "(H, W)"
        raise CourseError(f"image must have shape {expected}, got {pixels.shape}: index or squeeze it")
    if pixels.dtype.kind not in "bui" and pixels.dtype.kind != "f":
        raise CourseError(f"image must hold real numbers, got {pixels.dtype}")
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def as_labels(labels: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Check that labels have this shape and are whole numbers from 0, and number them 0, 1, 2 ... without gaps."""
    marks = as_array(labels)
    if marks.shape != shape:
        raise CourseError(f"labels must match image shape {shape}, got {marks.shape}")
    if marks.dtype.kind not in "buif" or not np.array_equal(marks, np.rint(marks)) or marks.min() < 0:
        raise CourseError("labels must be whole numbers from 0 (background), got others: is this a probability map?")
    # With a leading 0, background keeps the number 0 even where there is none.
    numbers = np.unique(np.append(marks, 0), return_inverse=True)[1][:-1]
    return numbers.reshape(marks.shape)


def _draw(ax: Axes, pixels: np.ndarray, title: str, limits: Limits | None, cmap: str = "gray") -> Any:
    low, high = limits or (None, None)
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    return ax.imshow(pixels, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")


def _scale_bar(ax: Axes, spacing_um: float | None, spacing_mm: float | None) -> None:
    if spacing_um is None and spacing_mm is None:
        return
    if spacing_um is not None and spacing_mm is not None:
        raise CourseError(f"give spacing_um or spacing_mm, got both ({spacing_um} and {spacing_mm})")
    spacing, unit = (spacing_um, "µm") if spacing_um is not None else (spacing_mm, "mm")
    if not spacing or not 0 < spacing < np.inf:
        raise CourseError(f"spacing must be the positive width of a pixel in {unit}, got {spacing}")
    draw_scale_bar(ax, spacing, unit)


def draw_scale_bar(ax: Axes, spacing: float, unit: str) -> None:
    """Draw a bar of a round length, a quarter of the picture at most, into the lower right corner of an image.

    The bar is measured along x, whose unit is one pixel of the width `spacing`.
    """
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    length = round_length((right - left) * spacing)
    width = length / spacing
    # The y axis of an image points down, that of a coronal slice up: (top - bottom) carries the sign.
    x, y = right - 0.04 * (right - left) - width, bottom + 0.04 * (top - bottom)
    bar = Rectangle((x, y), width, 0.018 * (top - bottom), facecolor="white", edgecolor="black", linewidth=0.6)
    bar.set_gid("scale bar")
    ax.add_patch(bar)
    ax.text(
        x + width / 2,
        y + 0.03 * (top - bottom),
        f"{length:g} {unit}",
        color="white",
        fontsize=8,
        ha="center",
        va="bottom",
        path_effects=[withStroke(linewidth=1.5, foreground="black")],
    )


def round_length(width: float) -> float:
    """Return the length of a scale bar: 1, 2 or 5 times a power of ten, a quarter of a picture's width at most."""
    longest = width / 4
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)))


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[0]} by {pixels.shape[1]} pixels"


def _range(pixels: np.ndarray) -> str:
    return f"{np.nanmin(pixels):.3g} to {np.nanmax(pixels):.3g}"
