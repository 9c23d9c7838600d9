"""What may follow what: states on a circle, arrows as wide as the step is frequent."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start
from medcourse.plots.ribbons import COLOURS

_RADIUS, _NODE = 1.0, 0.13


def count_steps(sequences: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return how often each state is followed by each other one, as shares of all that follow it.

    Examples
    --------
    >>> count_steps([["G1", "G2", "G3"], ["G1", "G3"]])
    {'G1': {'G2': 0.5, 'G3': 0.5}, 'G2': {'G3': 1.0}}
    """
    counts: dict[str, dict[str, float]] = {}
    for sequence in sequences:
        for state, coming in itertools.pairwise(sequence):
            follow = counts.setdefault(state, {})
            follow[coming] = follow.get(coming, 0) + 1
    return {s: {c: n / sum(follow.values()) for c, n in follow.items()} for s, follow in counts.items()}


def draw_grammar(
    steps: Mapping[str, Mapping[str, float]],
    names: Sequence[str],
    *,
    at_least: float = 0.05,
    title: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draw states on a circle and an arrow from each to those that follow it.

    Parameters
    ----------
    steps : mapping of state to mapping of the next state to its share
        As from `count_steps`. Shares of a state add up to 1.
    names : sequence of str
        All states, at most ten, clockwise from the top, in the colours of `show_ribbons`.
    at_least : float
        Rarer steps are left out, in [0, 1].
    title : str
    ax : Axes, optional

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        A state has no name, or there are more than ten names.

    Examples
    --------
    >>> draw_grammar({"G1": {"G2": 1.0}}, ["G1", "G2"]).get_label()
    'States and what follows them. G1: G2 100 %.'
    """
    if len(names) > len(COLOURS):
        raise CourseError(f"names must be at most {len(COLOURS)}, as many as there are colours, got {len(names)}")
    if unknown := (set(steps) | {n for follow in steps.values() for n in follow}) - set(names):
        raise CourseError(f"names must hold every state, got none of {', '.join(sorted(unknown))}")
    ax = start(ax, width_inches=5.6, proportion=1.0)
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / len(names)
    places = {name: _RADIUS * np.array([np.cos(a), np.sin(a)]) for name, a in zip(names, angles, strict=True)}
    said = []
    for state in (name for name in names if name in steps):
        shown = {n: share for n, share in steps[state].items() if share >= at_least}
        for coming, share in shown.items():
            _step(ax, places[state], places[coming], share, COLOURS[list(names).index(state)])
        listed = sorted(shown.items(), key=lambda item: -item[1])
        said.append(f"{state}: {', '.join(f'{n} {100 * share:.0f} %' for n, share in listed)}.")
    for name, place in places.items():
        ax.text(
            float(place[0]),
            float(place[1]),
            name,
            ha="center",
            va="center",
            fontsize=10,
            bbox={
                "boxstyle": "circle",
                "facecolor": "white",
                "edgecolor": COLOURS[list(names).index(name)],
                "linewidth": 2,
            },
        )
    ax.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal")
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    return finish(ax, f"{title or 'States and what follows them'}. {' '.join(said)}")


def _step(ax: Axes, tail: np.ndarray, head: np.ndarray, share: float, colour: str) -> None:
    """Draw one arrow; bent, so that the way back does not lie on it."""
    look: dict[str, Any] = {
        "color": colour,
        "linewidth": 0.5 + 3.5 * share,
        "arrowstyle": "-|>",
        "mutation_scale": 9 + 5 * share,
    }
    if np.allclose(tail, head):  # the state again: a loop outside of the circle
        out = tail / np.linalg.norm(tail)
        side = np.array([-out[1], out[0]])
        tail, head, bend = tail + _NODE * (out + 0.7 * side), head + _NODE * (out - 0.7 * side), -1.6
    else:
        along = (head - tail) / np.linalg.norm(head - tail)
        tail, head, bend = tail + _NODE * along, head - _NODE * along, 0.15
    ends = [(float(x), float(y)) for x, y in (tail, head)]
    ax.add_patch(FancyArrowPatch(ends[0], ends[1], connectionstyle=f"arc3,rad={bend}", **look))
