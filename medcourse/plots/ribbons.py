"""Sequences of labels as ribbons: who did what when, the truth above what a network says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start
from medcourse.segments import segments

# Paul Tol's "muted" scheme, ten colours told apart with every common form of colour blindness; the names stand in the
# segments, too.
COLOURS = (
    "#332288",
    "#88CCEE",
    "#117733",
    "#CC6677",
    "#BBBBBB",
    "#DDCC77",
    "#44AA99",
    "#882255",
    "#999933",
    "#AA4499",
)
_LETTER_SHARE = 0.0125  # of the width, that a letter of a name needs


def show_ribbons(
    ribbons: Mapping[str, Any],
    names: Sequence[str],
    *,
    rate_hz: float,
    title: str = "",
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Draw sequences of labels below each other, a colour a label.

    Parameters
    ----------
    ribbons : mapping of name to (T,) whole numbers
        Rows from top to bottom, such as {"truth": ..., "LSTM": ...}, all of one trial. Indices into `names`.
    names : sequence of str
        Of the labels, at most ten, such as "G1".
    rate_hz : float
        Frames a second.
    title : str
    ax : Axes, optional
    alt : str, optional
        Description; the number of segments of each row, and how far it agrees with the first, if not given.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There is no row, rows differ in length, a label has no name, or there are more than ten names.

    Examples
    --------
    >>> show_ribbons({"truth": [0, 0, 1], "net": [0, 1, 1]}, ["G1", "G2"], rate_hz=5).get_label()
    'Ribbons of labels over time. truth: 2 segments. net: 2 segments, 67 % of frames as in truth.'
    """
    rows = {name: np.asarray(labels) for name, labels in ribbons.items()}
    _check(rows, names)
    first, truth = next(iter(rows.items()))
    ax = start(ax, width_inches=9.0, proportion=(0.42 * len(rows) + 1.0) / 9.0)
    said, seen = [], set()
    for row, (name, labels) in enumerate(rows.items()):
        runs = segments(labels)
        seen |= {run.label for run in runs}
        for run in runs:
            left, width = run.start / rate_hz, (run.end - run.start) / rate_hz
            ax.broken_barh([(left, width)], (row - 0.4, 0.8), facecolor=COLOURS[run.label])
            if run.end - run.start >= _LETTER_SHARE * len(names[run.label]) * len(labels):
                ax.text(
                    left + width / 2,
                    row,
                    names[run.label],
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=_ink(COLOURS[run.label]),
                )
        agreed = "" if row == 0 else f", {100 * np.mean(labels == truth):.0f} % of frames as in {first}"
        said.append(f"{name}: {len(runs)} segments{agreed}.")
    ax.set(xlabel="time (s)", xlim=(0, len(truth) / rate_hz), ylim=(len(rows) - 0.5, -0.5))
    ax.set_yticks(range(len(rows)), labels=list(rows))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_title(title, loc="left")
    handles = [Patch(facecolor=COLOURS[i], label=names[i]) for i in sorted(seen)]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=2, handlelength=1.0, fontsize=8)
    return finish(ax, alt or f"{title or 'Ribbons of labels over time'}. {' '.join(said)}")


def _check(rows: Mapping[str, np.ndarray], names: Sequence[str]) -> None:
    if not rows:
        raise CourseError("ribbons must hold at least one named sequence of labels, got none")
    if len(names) > len(COLOURS):
        raise CourseError(f"names must be at most {len(COLOURS)}, as many as there are colours, got {len(names)}")
    lengths = {name: labels.shape for name, labels in rows.items()}
    if len(set(lengths.values())) > 1:
        raise CourseError(f"ribbons must all have as many frames as the first, got {lengths}")
    for name, labels in rows.items():
        if labels.min() < 0 or labels.max() >= len(names):
            raise CourseError(f"labels of {name!r} must lie in 0 to {len(names) - 1}, got up to {labels.max()}")


def _ink(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour."""
    red, green, blue = to_rgb(colour)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
