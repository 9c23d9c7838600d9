"""Two instruments of a surgical robot in space and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from medcourse.errors import CourseError
from medcourse.plots.demos import demo
from medcourse.plots.figures import Live, describe
from medcourse.plots.ribbons import COLOURS
from medcourse.segments import segments

HANDS = {"left": (0, "s"), "right": (7, "o")}  # first of its seven signals, and its mark
N_SIGNALS, GRIP = 14, 6


def show_hands(
    sequence: Any,
    labels: Any,
    names: Sequence[str],
    *,
    rate_hz: float,
    at_s: float,
    trail_s: float = 6.0,
    open_rad: float = 0.4,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Show where both instruments are at one moment, and the way that they came.

    Parameters
    ----------
    sequence : (T, 14) array
        Of `make_suturing` or `read_jigsaws`, in metres and radians: not standardised.
    labels : (T,) whole numbers
        Gesture of each frame, an index into `names`; the way is drawn in its colour.
    names : sequence of str
    rate_hz : float
        Frames a second.
    at_s : float
        The moment, in seconds from the first frame; beyond the end it is the end.
    trail_s : float
        How much of the way before is drawn in colour. The way of the whole trial is drawn in grey.
    open_rad : float
        From which angle on a gripper is drawn as open, by a hollow mark.
    title : str
    alt : str, optional

    Returns
    -------
    Figure
        One panel in three dimensions, axes in millimetres.

    Raises
    ------
    CourseError
        The sequence has other signals, labels do not match it, or the moment lies before the start.

    Examples
    --------
    >>> show_hands(np.zeros((5, 14)), [0] * 5, ["G1"], rate_hz=5, at_s=0.4).get_label()
    'Paths of both instruments at 0.4 s, during G1: left gripper closed, right gripper closed.'
    """
    signals, gestures = np.asarray(sequence, float), np.asarray(labels)
    if signals.ndim != 2 or signals.shape[1] != N_SIGNALS or gestures.shape != signals.shape[:1]:
        raise CourseError(
            f"sequence must be (T, {N_SIGNALS}) with (T,) labels, got {signals.shape} and {gestures.shape}"
        )
    if at_s < 0:
        raise CourseError(f"at_s must be at least 0, got {at_s}")
    now = min(round(at_s * rate_hz), len(signals) - 1)
    first = max(0, now - round(trail_s * rate_hz))
    figure = Figure(figsize=(4.9, 3.9))
    figure.set_layout_engine("none")  # a solver of layouts gives axes in space too little room
    ax: Any = figure.add_axes((0.02, 0.03, 0.88, 0.84), projection="3d")
    said = []
    for hand, (column, mark) in HANDS.items():
        path = 1000 * signals[:, column : column + 3]  # (T, 3) in mm
        ax.plot(*path.T, color="0.85", linewidth=0.6, zorder=1)
        for run in segments(gestures[first : now + 1]):
            part = path[first + run.start : min(first + run.end + 1, now + 1)]
            ax.plot(*part.T, color=COLOURS[run.label], linewidth=2.5, zorder=3)
        is_open = signals[now, column + GRIP] >= open_rad
        face = "white" if is_open else "black"
        ax.plot(*path[now][:, None], mark, color="black", markerfacecolor=face, markersize=9, zorder=4)
        said.append(f"{hand} gripper {'open' if is_open else 'closed'}")
    _frame(ax, 1000 * np.concatenate([signals[:, :3], signals[:, 7:10]]))
    name = names[int(gestures[now])]
    figure.suptitle(
        f"{title + ', ' if title else ''}{now / rate_hz:.1f} s: {name}", x=0.02, y=0.98, ha="left", fontsize=10
    )
    key = _key(gestures[first : now + 1], names)
    figure.legend(handles=key, loc="upper left", bbox_to_anchor=(0.0, 0.93), ncols=3, fontsize=8)
    return describe(
        figure,
        alt or f"Paths of both instruments at {now / rate_hz:.1f} s, during {name}: {', '.join(said)}.",
    )


def view_hands(
    sequence: Any, labels: Any, names: Sequence[str], *, rate_hz: float, title: str = "", trail_s: float = 6.0
) -> Live:
    """Follow both instruments through a trial with a slider; four moments for readers without a kernel.

    Parameters
    ----------
    sequence, labels, names, rate_hz, title, trail_s
        As in `show_hands`.

    Returns
    -------
    Live
    """
    end = round((len(np.asarray(labels)) - 1) / rate_hz, 1)

    def draw(at_s: float) -> Figure:
        return show_hands(sequence, labels, names, rate_hz=rate_hz, at_s=at_s, title=title, trail_s=trail_s)

    moments = [round(share * end, 1) for share in (0.05, 0.2, 0.4, 1.0)]
    return demo(draw, static=[{"at_s": moment} for moment in moments], at_s=(0.0, end, moments[1]))


def _frame(ax: Any, points: np.ndarray) -> None:
    """Show all points in their true proportions."""
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.05 * max(float((high - low).max()), 1.0)
    low, high = low - margin, high + margin
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    ax.set_box_aspect(high - low, zoom=1.0)
    ax.set(xlabel="x (mm)", ylabel="y (mm)", zlabel="z (mm)")
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_locator(_ticks())
    ax.view_init(elev=28, azim=-70)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    return MaxNLocator(4)


def _key(gestures: np.ndarray, names: Sequence[str]) -> list[Line2D]:
    """Return the legend: hands, grippers, and the gestures of the coloured way."""
    look: dict[str, Any] = {"color": "black", "linestyle": "none", "markersize": 7}
    handles = [
        Line2D([], [], marker=mark, markerfacecolor="black", label=hand, **look) for hand, (_, mark) in HANDS.items()
    ]
    handles.append(Line2D([], [], marker="o", markerfacecolor="white", label="hollow: gripper open", **look))
    order = dict.fromkeys(int(label) for label in gestures)
    return handles + [Line2D([], [], color=COLOURS[label], linewidth=3, label=names[label]) for label in order]
