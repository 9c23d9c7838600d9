"""Which settings of a demo are drawn ahead for readers without a kernel, and how a setting is said in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from numbers import Integral, Real
from typing import Any

STEPS = 11
"""The most places of one slider."""
FRAMES = 16
"""About how many pictures of a demo are drawn ahead."""

_UNITS = {
    "px": "px",
    "mm": "mm",
    "um": "µm",
    "nm": "nm",
    "s": "s",
    "ms": "ms",
    "hu": "HU",
    "deg": "°",
    "kev": "keV",
    "mhz": "MHz",
    "db": "dB",
    "t": "T",
    "gb": "GB",
    "percent": "%",
}


def words_and_unit(name: str) -> tuple[str, str]:
    """Split an argument's name: sigma_px is ("sigma", "px").

    Examples
    --------
    >>> words_and_unit("echo_time_ms"), words_and_unit("depth")
    (('echo time', 'ms'), ('depth', ''))
    """
    *words, last = name.split("_")
    return (" ".join(words), _UNITS[last]) if words and last in _UNITS else (name.replace("_", " "), "")


def caption(name: str) -> str:
    """Write an argument's name for readers: sigma_px becomes sigma (px)."""
    words, unit = words_and_unit(name)
    return f"{words} ({unit})" if unit else words


def value_in_words(name: str, value: Any) -> str:
    """Write a value with its unit.

    Examples
    --------
    >>> value_in_words("width_hu", 1500), value_in_words("angle_deg", 12.5), value_in_words("paper", True)
    ('1,500 HU', '12.5°', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    unit = words_and_unit(name)[1]
    if isinstance(value, Real):
        number = f"{value:,.0f}" if value == round(value) else f"{value:.3g}"
        return number + (unit if unit in {"", "°", "%"} else f" {unit}")
    return str(value)


@dataclass(frozen=True)
class Steps:
    """The settings that are drawn ahead.

    Attributes
    ----------
    values
        Of each control, in the order in which a reader steps through them.
    at
        Which settings are drawn, as a place in the values of each control.
    start
        The place where all controls stand at first.
    alone
        Whether one control moves at a time, the others standing at their start, because all combined would be too many.
    """

    values: dict[str, list[Any]]
    at: list[tuple[int, ...]]
    start: tuple[int, ...]
    alone: bool

    def setting(self, at: tuple[int, ...]) -> dict[str, Any]:
        """Return the arguments at a place."""
        return {name: values[i] for (name, values), i in zip(self.values.items(), at, strict=True)}

    def place(self, setting: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the place of a setting, which names all controls."""
        return tuple(values.index(setting[name]) for name, values in self.values.items())


def choose_steps(
    controls: Mapping[str, Any],
    starts: Mapping[str, Any],
    stills: Sequence[Mapping[str, Any]],
    frames: int = FRAMES,
) -> Steps:
    """Choose the settings to draw ahead: all combined if at most `frames`, else each control by itself from the start.

    There are at least as many as choices and stills ask for. All of `stills`, settings that name every control, are
    among them.

    Examples
    --------
    >>> starts = {"sigma_px": 5, "log": False}
    >>> steps = choose_steps({"sigma_px": (1, 20, 5), "log": False}, starts, [starts, {"sigma_px": 2, "log": True}], 8)
    >>> steps.values, len(steps.at), steps.start
    ({'sigma_px': [2, 5, 12, 20], 'log': [False, True]}, 8, (1, 0))
    """
    values = {name: _wanted(control, [starts, *stills], name) for name, control in controls.items()}
    sliders = {name: control for name, control in controls.items() if isinstance(control, tuple)}
    combined = _grow(values, sliders, lambda values: math.prod(map(len, values.values())) <= frames)
    alone = math.prod(map(len, combined.values())) > frames or any(len(combined[name]) < 2 for name in sliders)
    if alone and len(controls) > 1:
        values = _grow(values, sliders, lambda values: sum(map(len, values.values())) <= frames)
    else:
        values, alone = combined, False
    start = tuple(places.index(starts[name]) for name, places in values.items())
    steps = Steps(values, list(product(*(range(len(places)) for places in values.values()))), start, alone)
    if not alone:
        return steps
    one_moved = [
        (*start[:k], i, *start[k + 1 :]) for k, places in enumerate(values.values()) for i in range(len(places))
    ]
    # In the order of the controls, each once: the start belongs to all of them.
    return replace(steps, at=list(dict.fromkeys([*one_moved, *map(steps.place, stills)])))


def _wanted(control: Any, settings: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    if isinstance(control, bool):
        return [False, True]
    return sorted({setting[name] for setting in settings}) if isinstance(control, tuple) else list(control)


def _grow(
    values: Mapping[str, list[Any]],
    sliders: Mapping[str, tuple[Any, Any, Any]],
    fits: Callable[[dict[str, list[Any]]], bool],
) -> dict[str, list[Any]]:
    """Return values with more places for sliders, those with the fewest first, while they fit."""
    grown, growing = dict(values), set(sliders)
    while growing:
        # By name where two have as many: a set has no order that would be the same tomorrow.
        name = min(growing, key=lambda name: (len(grown[name]), name))
        step = _next(grown[name], sliders[name])
        more = grown if step is None else {**grown, name: sorted([*grown[name], step])}
        if step is None or len(more[name]) > STEPS or not fits(more):
            growing.discard(name)
        else:
            grown = more
    return grown


def _next(places: Sequence[Any], control: tuple[Any, Any, Any]) -> Any:
    """Return what to add to the places of a slider, an end or the middle of the widest gap; None if it is full."""
    low, high, _ = control
    whole = all(isinstance(number, Integral) for number in control)
    digits = 0 if whole else 2 - math.ceil(math.log10(high - low))
    found = [(places[0] - low, low), (high - places[-1], high)]
    for left, right in pairwise(places):
        middle = round((left + right) / 2, digits)
        if left < middle < right:
            found.append(((right - left) / 2, int(middle) if whole else middle))
    gain, step = max(found, key=lambda option: option[0])
    return step if gain > 0 else None
