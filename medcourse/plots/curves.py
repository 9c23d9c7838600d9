"""Training curves, free-response curves, and effects with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start
from medcourse.plots.style import PALETTE

_DASHES = ("-", "--", "-.", ":")


def plot_curve(
    curves: Mapping[str, Sequence[float]],
    *,
    x: Sequence[float] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss",
    log: bool = False,
    title: str = "",
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot one or more curves, such as training and validation loss.

    Parameters
    ----------
    curves : mapping of name to sequence of float
        Curves of different lengths are allowed, unless `x` is given.
    x : sequence of float, optional
        Where the values stand; 1, 2, 3 ... if not given.
    xlabel, ylabel : str
        What the axes show, with unit.
    log : bool
        Logarithmic y axis.
    title : str
    ax : Axes, optional
    alt : str, optional
        Description; first and last value of each curve if not given.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There is no curve, one is empty, or `x` has another length.

    Examples
    --------
    >>> plot_curve({"training": [0.7, 0.4, 0.2]}).get_label()
    'loss over step. training: from 0.7 to 0.2 in 3 values.'
    """
    if not curves:
        raise CourseError("curves must hold at least one named sequence of numbers, got none")
    ax = start(ax, width_inches=5.5, proportion=0.6)
    said = []
    for i, (name, values) in enumerate(curves.items()):
        places = np.arange(1, len(values) + 1) if x is None else np.asarray(x)
        if len(values) == 0 or len(places) != len(values):
            raise CourseError(
                f"curve {name!r} must have a value for each of {len(places) or 'its'} x, got {len(values)}"
            )
        # Told apart by dashes too, for those who print in grey.
        ax.plot(
            places,
            values,
            label=name,
            color=PALETTE[i % len(PALETTE)],
            linestyle=_DASHES[i % len(_DASHES)],
            marker="o" if len(values) == 1 else None,
        )
        said.append(f"{name}: from {values[0]:.3g} to {values[-1]:.3g} in {len(values)} values.")
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    ax.set_title(title, loc="left")
    if len(curves) > 1:
        ax.legend()
    return finish(ax, alt or f"{title or f'{ylabel} over {xlabel}'}. {' '.join(said)}")


def plot_intervals(
    effects: Mapping[str, tuple[float, float, float]],
    *,
    null: float = 0.0,
    xlabel: str,
    title: str = "",
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot effects as dots with intervals, one row each, beside the value that would mean no effect.

    Parameters
    ----------
    effects : mapping of name to (mean, low, high)
        `low` and `high` are the ends of the interval, as a rule the 95 % interval over seeds. A full dot stands for an
        interval that leaves out `null`, a hollow one for an interval that holds it.
    null : float
        The value of no effect: 0 for differences, 1 for ratios.
    xlabel : str
        What was measured, with unit.
    title : str
    ax : Axes, optional
    alt : str, optional
        Description; the numbers in words if not given.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There is no effect, or a mean lies outside its interval.

    Examples
    --------
    >>> plot_intervals({"weight map": (0.3, 0.1, 0.5)}, xlabel="fewer merged cells").get_label()
    'fewer merged cells, mean with interval; no effect is 0. weight map: 0.3 (0.1 to 0.5).'
    """
    if not effects:
        raise CourseError("effects must hold at least one named (mean, low, high), got none")
    ax = start(ax, width_inches=6.0, proportion=0.15 + 0.07 * len(effects))
    said = []
    for row, (name, (mean, low, high)) in enumerate(effects.items()):
        if not low <= mean <= high:
            raise CourseError(f"effect {name!r} must have low <= mean <= high, got mean {mean}, low {low}, high {high}")
        clear = not low <= null <= high
        ax.plot([low, high], [row, row], color=PALETTE[0], linewidth=2)
        ax.plot(mean, row, "o", markersize=8, color=PALETTE[0], markerfacecolor=PALETTE[0] if clear else "white")
        said.append(f"{name}: {mean:.3g} ({low:.3g} to {high:.3g}).")
    ax.axvline(null, color="0.4", linestyle="--", linewidth=1, zorder=0)
    ax.set(xlabel=xlabel, ylim=(len(effects) - 0.5, -0.5))
    ax.set_yticks(range(len(effects)), labels=list(effects))
    ax.tick_params(axis="y", length=0)
    ax.set_title(title, loc="left")
    return finish(ax, alt or f"{title or xlabel}, mean with interval; no effect is {null:g}. {' '.join(said)}")


def plot_froc(
    curves: Mapping[str, Any],
    *,
    unit: str = "scan",
    title: str = "",
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Plot free-response curves: sensitivity over false positives a scan, each doubling as wide as the next.

    Parameters
    ----------
    curves : mapping of name to Bunch
        What `froc.froc` or `froc.bootstrap_froc` gave: `false_positives` and `sensitivity`, and `low` and `high` for a
        band. Dots stand where the competition performance metric reads the curve, from 1/8 to 8.
    unit : str
        What false positives are counted in: a scan, a patient, an image.
    title : str
    ax : Axes, optional
    alt : str, optional
        Description; the sensitivities at 1/8, 1 and 8 if not given.

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        There is no curve.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> plot_froc({"net": Bunch(false_positives=[0.0, 1.0], sensitivity=[0.5, 0.9])}).get_label()
    'Sensitivity over false positives a scan. net: 0.55 at 1/8, 0.90 at 1, 0.90 at 8.'
    """
    if not curves:
        raise CourseError("curves must hold at least one named curve, got none")
    ax = start(ax, width_inches=5.5, proportion=0.75)
    rates = 2.0 ** np.arange(-3, 4)
    places, said = 2.0 ** np.linspace(-3, 3, 385), []
    for i, (name, curve) in enumerate(curves.items()):
        look: Any = {"color": PALETTE[i % len(PALETTE)]}
        at = np.interp(rates, curve.false_positives, curve.sensitivity)
        line = np.interp(places, curve.false_positives, curve.sensitivity)
        ax.plot(places, line, label=name, linestyle=_DASHES[i % len(_DASHES)], **look)
        ax.plot(rates, at, "o", markersize=4, **look)
        if "low" in curve:
            ax.fill_between(curve.false_positives, curve.low, curve.high, alpha=0.15, linewidth=0, **look)
        said.append(f"{name}: {at[0]:.2f} at 1/8, {at[3]:.2f} at 1, {at[6]:.2f} at 8.")
    ax.set_xscale("log", base=2)
    ax.set_xticks(rates, labels=["1/8", "1/4", "1/2", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.set(xlabel=f"false positives a {unit}", ylabel="sensitivity", xlim=(1 / 8.5, 8.5), ylim=(0, 1.02))
    ax.set_title(title, loc="left")
    ax.legend(loc="lower right")
    return finish(ax, alt or f"{title or f'Sensitivity over false positives a {unit}'}. {' '.join(said)}")
