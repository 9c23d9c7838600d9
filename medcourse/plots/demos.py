"""Demos: a figure with sliders, and its twin for readers who have no kernel."""

from __future__ import annotations

import html
import itertools
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.figures import Live, bundle, close, describe, rgba
from medcourse.plots.steps import FRAMES, Steps, caption, choose_steps, value_in_words, words_and_unit
from medcourse.plots.twins import Frame, Kind, Knob, draw_twin, wanted

_SHEET_WIDTH_PX = 1000  # as wide as a notebook's column; more stills than fit go below
_TITLE_PX = 24


def demo(
    draw: Callable[..., Figure],
    *,
    static: Sequence[Mapping[str, Any]] | None = None,
    frames: int = FRAMES,
    **controls: Sequence[Any] | bool,
) -> Live:
    """Let the reader play with a function that draws.

    Parameters
    ----------
    draw : callable
        `draw(**values)` returns a Figure with alt text (the functions of this package give one, `describe` does).
        It is called once for each still now, and once whenever a control is moved: keep it below half a second.
    static : sequence of dicts, optional
        The settings shown to a reader without a kernel, one still each; a control that is not named stands at its
        start. If not given, each control in turn is shown lowest, at its start and highest.
    frames : int
        How many pictures at most are drawn ahead where the site is made (`medcourse.plots.twins`), of all settings
        combined; where these are more, each control moves by itself there. Fewer where `draw` is slow.
    **controls
        One for each argument of `draw`. `(low, high, start)` is a slider, of whole numbers if all three are whole;
        a list is a choice, starting with the first; True or False is a box to tick.

    Returns
    -------
    Live
        Leave it as the last line of a cell. `.widget` holds the controls and the picture, `.still` the twin.

    Raises
    ------
    CourseError
        A control is none of these, `static` names an unknown one, or `draw` returns no figure with alt text.

    Examples
    --------
    >>> from medcourse.plots import plot_curve
    >>> def line(slope, log):
    ...     return plot_curve({"line": [1, 1 + slope]}, log=log)
    >>> live = demo(line, slope=(0, 10, 2), log=False)
    >>> live.widget.children[0].value
    2
    >>> live.still.get_label()[:42]
    'Demo in 4 stills. slope = 0, log = False: '
    """
    starts = {name: _start(name, control) for name, control in controls.items()}
    if not controls:
        raise CourseError("demo needs at least one control, such as sigma_px=(1, 20, 5) for (low, high, start)")
    settings = _default_stills(starts, controls) if static is None else [{**starts, **chosen} for chosen in static]
    for setting in settings:
        if unknown := set(setting) - set(controls):
            raise CourseError(f"static must name controls of {sorted(controls)}, got {sorted(unknown)}")
    if not settings:
        raise CourseError("static must hold at least one setting, got none")
    widget = play(draw, **controls)
    if not wanted():
        return Live(widget, _stills([_draw(draw, setting) for setting in settings]))
    steps = choose_steps(controls, starts, settings, frames)
    drawn = {at: _draw(draw, steps.setting(at)) for at in steps.at}
    places = [steps.place(setting) for setting in settings]
    return Live(widget, _stills([drawn[at] for at in places]), _twin(steps, drawn, places, controls))


def _start(name: str, control: Any) -> Any:
    if isinstance(control, bool):
        return control
    if isinstance(control, list) and control:
        return control[0]
    if isinstance(control, tuple) and len(control) == 3 and all(isinstance(number, Real) for number in control):
        low, high, start = control
        if low < high and low <= start <= high:
            return start
    raise CourseError(f"{name} must be (low, high, start) with low <= start <= high, a list or a bool, got {control!r}")


def _default_stills(starts: dict[str, Any], controls: Mapping[str, Any]) -> list[dict[str, Any]]:
    stills: list[dict[str, Any]] = []
    for name, control in controls.items():
        if isinstance(control, tuple):
            low, high, start = control
            values = [low, start, high]
        else:
            values = [control, not control] if isinstance(control, bool) else list(control)
        # The setting where all stand at their start belongs to every control, and is shown once.
        stills += [still for value in values if (still := {**starts, name: value}) not in stills]
    return stills


def play(draw: Callable[..., Figure], **controls: Sequence[Any] | bool) -> Any:
    """Return the live half of `demo`: an ipywidgets.VBox of the controls above the picture.

    The picture is HTML, so that its alt text moves along with it.
    """
    import ipywidgets  # noqa: PLC0415  (only demos need it)

    knobs = {name: _knob(name, control) for name, control in controls.items()}
    picture = ipywidgets.HTML()

    def redraw(_: Any = None) -> None:
        try:
            picture.value = bundle(_figure(draw, {name: knob.value for name, knob in knobs.items()}))[0]["text/html"]
        except Exception:
            # Jupyter hides what a callback raises in a log; a reader who broke `draw` should see how.
            picture.value = f"<pre>{html.escape(traceback.format_exc(limit=-2))}</pre>"

    for knob in knobs.values():
        knob.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*knobs.values(), picture])


def _knob(name: str, control: Any) -> Any:
    import ipywidgets  # noqa: PLC0415

    look = {
        "description": caption(name),
        "value": _start(name, control),
        "style": {"description_width": "initial"},
    }
    if isinstance(control, bool):
        return ipywidgets.Checkbox(**look)
    if isinstance(control, list):
        return ipywidgets.Dropdown(options=control, **look)
    # One drawing a move, when the handle is let go: drawings that queue up lag behind the hand.
    look |= {"min": control[0], "max": control[1], "continuous_update": False}
    look["layout"] = {"width": "min(480px, 95%)"}
    if all(isinstance(number, Integral) for number in control):
        return ipywidgets.IntSlider(**look)
    return ipywidgets.FloatSlider(step=(control[1] - control[0]) / 100, readout_format=".3g", **look)


def _figure(draw: Callable[..., Figure], values: Mapping[str, Any]) -> Figure:
    figure = draw(**values)
    if not isinstance(figure, Figure) or not figure.get_label():
        raise CourseError(
            f"draw must return a Figure with alt text, got {type(figure).__name__}: "
            "end it with `return plots.describe(figure, '...')`"
        )
    return figure


@dataclass(frozen=True)
class _Drawn:
    """A figure drawn with a setting."""

    title: str
    alt: str
    pixels: np.ndarray  # (H, W, 4) uint8
    dpi: float


def _draw(draw: Callable[..., Figure], setting: Mapping[str, Any]) -> _Drawn:
    figure = _figure(draw, setting)
    title = ", ".join(f"{caption(name)} = {value}" for name, value in setting.items())
    drawn = _Drawn(title, str(figure.get_label()), rgba(figure), figure.dpi)
    close(figure)
    return drawn


def _stills(drawn: Sequence[_Drawn]) -> Figure:
    """Put stills, pixel by pixel, into one figure."""
    dpi = drawn[-1].dpi
    width = max(still.pixels.shape[1] for still in drawn)
    height = max(still.pixels.shape[0] for still in drawn) + _TITLE_PX
    columns = max(1, min(len(drawn), _SHEET_WIDTH_PX // width))
    rows = -(-len(drawn) // columns)
    sheet = Figure(figsize=(columns * width / dpi, rows * height / dpi), dpi=dpi)
    for (row, column), still in zip(itertools.product(range(rows), range(columns)), drawn, strict=False):
        top = (rows - row) * height
        # Counted from the top left, while figimage counts from the bottom left.
        sheet.figimage(still.pixels, xo=column * width, yo=top - _TITLE_PX - still.pixels.shape[0], origin="upper")
        place = (column * width + 6) / (columns * width), (top - _TITLE_PX / 2) / (rows * height)
        sheet.text(*place, still.title, va="center")
    said = " ".join(f"{still.title}: {still.alt}" for still in drawn)
    return describe(sheet, f"Demo in {len(drawn)} stills. {said}")


def _twin(
    steps: Steps,
    drawn: Mapping[tuple[int, ...], _Drawn],
    stills: Sequence[tuple[int, ...]],
    controls: Mapping[str, Any],
) -> str:
    """Return the demo as HTML that needs no kernel."""
    kinds: dict[type, Kind] = {bool: "checkbox", list: "select", tuple: "range"}
    knobs = [
        Knob(
            words_and_unit(name)[0],
            kinds[type(controls[name])],
            [value_in_words(name, value) for value in values],
            start,
        )
        for (name, values), start in zip(steps.values.items(), steps.start, strict=True)
    ]
    frames = [
        Frame(
            at,
            picture.pixels,
            picture.alt,
            ", ".join(f"{knob.label}: {knob.values[place]}" for knob, place in zip(knobs, at, strict=True)),
            still=at in stills,
        )
        for at, picture in drawn.items()
    ]
    return draw_twin(knobs, frames, alone=steps.alone)
