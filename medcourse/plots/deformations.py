"""Deformations: as a bent grid, as arrows, as the change of area, and as images that fade into each other.

A displacement is (2, H, W) in pixels, rows first: what lies at x in the fixed image lies at x + u(x) in the moving one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.figures import figure_of, finish, start
from medcourse.plots.images import as_array, as_image, draw_scale_bar, show_image
from medcourse.plots.style import PALETTE

_FOLD = PALETTE[6]  # yellow: in neither half of the map of blue and red
_MOST = 2.0  # log2 of the change of area where the colours end


def show_deformed_grid(
    displacement: Any,
    image: Any = None,
    title: str = "",
    *,
    step_px: int = 5,
    spacing_mm: float | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show the fixed image's square grid where the moving image is read for it.

    Parameters
    ----------
    displacement : array or tensor, shape (2, H, W)
        In pixels, rows first.
    image : array or tensor, shape (H, W), optional
        The moving image, drawn below the grid.
    title : str
    step_px : int
        Distance of the grid's lines in the fixed image.
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
        The displacement is not (2, H, W), or the image has another size.

    Examples
    --------
    >>> show_deformed_grid(np.zeros((2, 20, 20)), title="No motion").get_label()
    'No motion: grid with lines every 5 pixels, moved by 0 pixels on average, 0 at most.'
    """
    field = _field(displacement)
    pixels = np.zeros(field.shape[1:]) if image is None else _same_size(image, field)
    ax = start(ax, proportion=pixels.shape[0] / pixels.shape[1])
    _background(ax, pixels, title, spacing_mm, dark=image is None)
    rows, columns = np.indices(pixels.shape) + field
    for along in range(0, pixels.shape[0], step_px):
        ax.plot(columns[along], rows[along], color=PALETTE[1], linewidth=0.8)
    for along in range(0, pixels.shape[1], step_px):
        ax.plot(columns[:, along], rows[:, along], color=PALETTE[1], linewidth=0.8)
    _keep_frame(ax, pixels)
    return finish(ax, alt or f"{title or 'Deformation'}: grid with lines every {step_px} pixels, {_amount(field)}.")


def show_arrows(
    displacement: Any,
    image: Any = None,
    title: str = "",
    *,
    step_px: int = 5,
    mask: Any = None,
    spacing_mm: float | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show a displacement as arrows in their true length, from a point of the fixed image to where its partner lies.

    Parameters
    ----------
    displacement, title, step_px, spacing_mm, ax, alt
        As in `show_deformed_grid`.
    image : array or tensor, shape (H, W), optional
        The fixed image, drawn below the arrows.
    mask : array of bool, shape (H, W), optional
        Arrows start only here.

    Returns
    -------
    Figure

    Examples
    --------
    >>> show_arrows(np.ones((2, 20, 20)), title="Shift").get_label()
    'Shift: arrows every 5 pixels, moved by 1.41 pixels on average, 1.41 at most.'
    """
    field = _field(displacement)
    pixels = np.zeros(field.shape[1:]) if image is None else _same_size(image, field)
    ax = start(ax, proportion=pixels.shape[0] / pixels.shape[1])
    _background(ax, pixels, title, spacing_mm, dark=image is None)
    rows, columns = np.indices(pixels.shape)[:, ::step_px, ::step_px]
    down, right = field[:, ::step_px, ::step_px]
    seen = np.ones(rows.shape, bool) if mask is None else _same_size(mask, field)[::step_px, ::step_px] > 0
    ax.quiver(
        columns[seen],
        rows[seen],
        right[seen],
        down[seen],
        angles="xy",
        scale_units="xy",
        scale=1,
        color=PALETTE[1],
        width=0.008,
        headwidth=3.5,
        headlength=4,
        headaxislength=3.5,
        minlength=0.3,
    )
    _keep_frame(ax, pixels)
    return finish(ax, alt or f"{title or 'Displacement'}: arrows every {step_px} pixels, {_amount(field)}.")


def show_determinant(
    determinant: Any,
    title: str = "",
    *,
    spacing_mm: float | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show the Jacobian determinant: white keeps area, red grows, blue shrinks, yellow folds.

    Red is where the moving image is read over a larger area than the fixed one has: there it gets compressed. The
    colours' scale is logarithmic and ends at a factor of four.

    Parameters
    ----------
    determinant : array or tensor, shape (H, W)
    title, spacing_mm, ax, alt
        As in `show_deformed_grid`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> show_determinant(np.array([[1.0, 2.0], [0.5, -1.0]]), "Map").get_label()
    'Map: Jacobian determinant, -1 to 2; 25 % of pixels fold.'
    """
    values = as_image(determinant)
    folded = values <= 0
    ax = start(ax, width_inches=4.6, proportion=0.85 * values.shape[0] / values.shape[1])
    logarithm = np.log2(np.where(folded, 1.0, np.maximum(values, 2.0**-_MOST)))
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    drawn = ax.imshow(logarithm, cmap="RdBu_r", vmin=-_MOST, vmax=_MOST, interpolation="nearest")
    yellow = np.zeros((*values.shape, 4))
    yellow[folded] = [*(int(_FOLD[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0]
    ax.imshow(yellow, interpolation="nearest")
    bar = figure_of(ax).colorbar(drawn, ax=ax, label="area read, times (yellow: folded)", shrink=0.85)
    bar.set_ticks([-2, -1, 0, 1, 2], labels=["1/4", "1/2", "1", "2", "4"])
    if spacing_mm is not None:
        draw_scale_bar(ax, spacing_mm, "mm")
    said = f"{values.min():.3g} to {values.max():.3g}; {100 * folded.mean():.2g} % of pixels fold"
    return finish(ax, alt or f"{title or 'Map'}: Jacobian determinant, {said}.")


def show_blend(
    first: Any,
    second: Any,
    title: str = "",
    *,
    share: float = 0.5,
    spacing_mm: float | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show two images faded into each other: move the share, and what is not aligned jumps.

    Parameters
    ----------
    first, second : arrays or tensors, shape (H, W)
        In the same unit of grey.
    title : str
    share : float
        Of the second image, in [0, 1].
    spacing_mm, ax, alt
        As in `show_deformed_grid`.

    Returns
    -------
    Figure

    Examples
    --------
    >>> show_blend(np.zeros((4, 4)), np.ones((4, 4)), "Both", share=0.25).get_label()
    'Both: 75 % of the first image and 25 % of the second.'
    """
    one, other = as_image(first), as_image(second)
    if one.shape != other.shape:
        raise CourseError(f"second must match the first image's shape {one.shape}, got {other.shape}")
    if not 0 <= share <= 1:
        raise CourseError(f"share must lie between 0 and 1, got {share}")
    limits = (float(min(one.min(), other.min())), float(max(one.max(), other.max())))
    said = f"{title or 'Blend'}: {100 * (1 - share):.0f} % of the first image and {100 * share:.0f} % of the second."
    mixed = (1 - share) * one + share * other
    return show_image(mixed, title, spacing_mm=spacing_mm, limits=limits, ax=ax, alt=alt or said)


def _field(displacement: Any) -> np.ndarray:
    field = as_array(displacement)
    if field.ndim != 3 or field.shape[0] != 2:
        raise CourseError(
            f"displacement must be (2, H, W) in pixels, got {field.shape}: index a batch or a volume first"
        )
    return field


def _same_size(image: Any, field: np.ndarray) -> np.ndarray:
    pixels = as_image(image)
    if pixels.shape != field.shape[1:]:
        raise CourseError(f"image must match the displacement's size {field.shape[1:]}, got {pixels.shape}")
    return pixels


def _background(ax: Axes, pixels: np.ndarray, title: str, spacing_mm: float | None, *, dark: bool) -> None:
    figure = figure_of(ax)
    said = figure.get_label()
    show_image(pixels, title, limits=(0, 1) if dark else None, spacing_mm=spacing_mm, ax=ax)
    figure.set_label(said)  # the deformation's own description comes with `finish`


def _keep_frame(ax: Axes, pixels: np.ndarray) -> None:
    ax.set_xlim(-0.5, pixels.shape[1] - 0.5)
    ax.set_ylim(pixels.shape[0] - 0.5, -0.5)


def _amount(field: np.ndarray) -> str:
    length = np.sqrt((field**2).sum(0))
    return f"moved by {length.mean():.3g} pixels on average, {length.max():.3g} at most"
