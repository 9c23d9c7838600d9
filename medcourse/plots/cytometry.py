"""Cells of a cytometer as points, two features at a time, with the gate that a person draws around them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start
from medcourse.plots.images import as_array
from medcourse.plots.style import PALETTE

Range = tuple[float, float]

BLAST_COLOUR = PALETTE[3]
_MOST_POINTS = 3000


def show_events(
    features: Any,
    names: tuple[str, str],
    title: str = "",
    *,
    is_blast: Any = None,
    gate: tuple[Range, Range] | None = None,
    limits: tuple[Range, Range] | None = None,
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Show how many cells lie where in the plane of two features.

    Most cells are drawn as a density, in greys by the logarithm of their number, as cytometrists do: single dots would
    hide a million under each other. Blasts are few and drawn as orange dots on top.

    Parameters
    ----------
    features : array or tensor, shape (N, 2)
        For example arcsinh of light.
    names : (str, str)
        What is shown across and up, with unit or scale: "CD10 (arcsinh)".
    title : str
    is_blast : array of bool, shape (N,), optional
        Which cells are blasts; at most 3000 of them are drawn, at even steps through them.
    gate : ((low, high), (low, high)), optional
        A rectangle across and up, drawn as a line.
    limits : ((low, high), (low, high)), optional
        Of the axes; what holds all but the outermost thousandth of cells if not given.
    ax, alt
        As in `show_image`.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        The shapes do not fit, or there is no cell.

    Examples
    --------
    >>> cells = np.random.default_rng(0).normal(size=(500, 2))
    >>> show_events(cells, ("CD19 (arcsinh)", "CD10 (arcsinh)"), "Cells").get_label()
    'Cells: 500 cells by CD19 (arcsinh) and CD10 (arcsinh).'
    """
    cells = as_array(features)
    if cells.ndim != 2 or cells.shape[1] != 2 or len(cells) == 0:
        raise CourseError(f"features must have shape (N, 2) with N at least 1, got {cells.shape}: choose two columns")
    blast = np.zeros(len(cells), bool) if is_blast is None else as_array(is_blast).astype(bool)
    if blast.shape != (len(cells),):
        raise CourseError(f"is_blast must have shape ({len(cells)},), got {blast.shape}")
    ax = start(ax, width_inches=4.2, proportion=0.9)
    across, up = limits or _limits(cells)
    xs, ys = np.clip(cells[~blast], (across[0], up[0]), (across[1], up[1])).T
    ax.hist2d(
        xs,
        ys,
        bins=110,
        range=(across, up),
        cmap="Greys",
        norm=LogNorm(vmin=0.3),  # a single cell is a light grey rather than white
    )
    said = f"{title or 'Events'}: {len(cells)} cells by {names[0]} and {names[1]}"
    if is_blast is not None:
        dots = cells[blast][:: max(1, -(-int(blast.sum()) // _MOST_POINTS))]
        ax.plot(*dots.T, ".", color=BLAST_COLOUR, markersize=3, label=f"{blast.sum()} blasts")
        ax.legend(loc="upper left", markerscale=3, handletextpad=0.2, borderaxespad=0.2)
        said += f", {blast.sum()} of them blasts"
    if gate is not None:
        (left, right), (low, high) = gate
        ax.add_patch(Rectangle((left, low), right - left, high - low, fill=False, color=PALETTE[0], linewidth=1.8))
        inside = ((cells >= (left, low)) & (cells < (right, high))).all(axis=1)
        said += f", {inside.sum()} in the gate"
    ax.set(xlabel=names[0], ylabel=names[1], xlim=across, ylim=up)
    ax.set_title(title, loc="left")
    return finish(ax, alt or f"{said}.")


def _limits(cells: np.ndarray) -> tuple[Range, Range]:
    ends = np.quantile(cells, (0.001, 0.999), axis=0)  # (2 ends, 2 features)
    room = np.maximum(0.08 * (ends[1] - ends[0]), 1e-6)
    (a, b), (c, d) = (ends + np.stack([-room, room])).T.tolist()
    return (a, b), (c, d)
