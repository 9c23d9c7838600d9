"""Rankings of a challenge: how often each team comes in at each rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start
from medcourse.plots.style import PALETTE

_LARGEST = 420  # points^2 of the dot of a team that is always at one rank


def show_ranks(
    ranks: Any,
    teams: Sequence[str],
    *,
    title: str = "",
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Draw a dot for each team and rank, its area the share of draws in which the team came in there.

    The figure is called a blob plot in challengeR (Wiesenfarth et al. 2021, https://doi.org/10.1038/s41598-021-82017-6).
    A cross marks the median, a line the middle 95 % of draws. Teams are sorted by their mean rank.

    Parameters
    ----------
    ranks : array
        (B, T) ranks of B draws of cases, 1 is best, such as `challenge.bootstrap_ranks` returns.
    teams : sequence of str
        Names, one for each column.
    title : str
    ax : Axes, optional
    alt : str, optional
        Description; each team's median rank and interval if not given.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There is no draw, or there are other names than columns.

    Examples
    --------
    >>> show_ranks([[1, 2], [2, 1], [1, 2]], ["A", "B"]).get_label()
    'Ranks. A: median rank 1, 95 % of draws in 1 to 2. B: median rank 2, 95 % of draws in 1 to 2.'
    """
    table = np.asarray(ranks)
    if table.ndim != 2 or not table.size or table.shape[1] != len(teams):
        raise CourseError(f"ranks must be (draws, {len(teams)} teams) with at least one draw, got {table.shape}")
    ax = start(ax, width_inches=1.5 + 0.75 * len(teams), proportion=0.75)
    said = []
    order = np.argsort(table.mean(0), kind="stable")
    for place, team in enumerate(order):
        values, counts = np.unique(table[:, team], return_counts=True)
        ax.scatter(
            np.full(len(values), place), values, s=_LARGEST * counts / len(table), color=PALETTE[0], alpha=0.6, lw=0
        )
        low, middle, high = np.quantile(table[:, team], [0.025, 0.5, 0.975], method="inverted_cdf")
        ax.plot([place, place], [low, high], color="0.15", linewidth=1)
        ax.plot(place, middle, "x", color="0.15", markersize=7)
        said.append(f"{teams[team]}: median rank {middle:g}, 95 % of draws in {low:g} to {high:g}.")
    ax.set_xticks(range(len(teams)), [teams[i] for i in order])
    ax.set(ylabel="rank (1 is best)", xlim=(-0.6, len(teams) - 0.4), ylim=(table.shape[1] + 0.6, 0.4))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(title, loc="left")
    return finish(ax, alt or f"{title or 'Ranks'}. {' '.join(said)}")
