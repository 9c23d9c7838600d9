"""Figures that carry their own description.

A figure's alt text is kept as its matplotlib label, and `describe` teaches the figure to show itself with it. What a
notebook then holds is one output with two forms of the picture:

- `image/png` with the text as `metadata["image/png"]["alt"]`, Jupyter's own place for it, which nbconvert's classic
  template and the tests of the lessons read, and which is left where HTML is not wanted (LaTeX, feedback);
- `text/html`, an `<img alt=...>` with the same picture, because JupyterLab, nbconvert's lab template and myst-nb take
  the text from nowhere else. All three prefer it to the PNG.

Figures are made without pyplot, so that none stays open and none is shown twice.
"""

from __future__ import annotations

import html
import io
import sys
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from medcourse.errors import CourseError


def panels(
    rows: int = 1, columns: int = 1, *, width_inches: float = 3.0, height_inches: float = 3.0
) -> tuple[Figure, np.ndarray]:
    """Make an empty figure of panels.

    Parameters
    ----------
    rows, columns : int
        Number of panels, each at least 1.
    width_inches, height_inches : float
        Size of one panel.

    Returns
    -------
    figure : Figure
        Not known to pyplot. Give it a description with `describe` when it is drawn, unless every panel was drawn by
        a function of this package: these add theirs.
    axes : ndarray of Axes, shape (rows, columns)

    Examples
    --------
    >>> figure, axes = panels(1, 2)
    >>> axes.shape
    (1, 2)
    """
    figure = Figure(figsize=(columns * width_inches, rows * height_inches), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def describe(figure: Figure, alt: str) -> Figure:
    """Give a figure its alt text: what a reader who cannot see it needs to follow the lesson.

    Parameters
    ----------
    figure : Figure
        Made by this package, by matplotlib or by pyplot.
    alt : str
        One to three sentences: what is shown, and what is to be seen in it. It replaces what was there before.

    Returns
    -------
    Figure
        The same figure, which a notebook now shows with this text.

    Raises
    ------
    CourseError
        The text is empty.

    Examples
    --------
    >>> figure, axes = panels()
    >>> describe(figure, "A blank square.").get_label()
    'A blank square.'
    """
    if not alt.strip():
        raise CourseError("alt must say in words what the figure shows, got an empty text")
    figure.set_label(alt.strip())
    # IPython asks the object itself before it asks the formatter that the inline backend registers for figures, which
    # knows nothing of alt texts.
    setattr(figure, "_ipython_display_", partial(_display, figure))  # noqa: B010  (mypy knows no such attribute)
    return figure


def start(ax: Axes | None, *, width_inches: float = 4.0, proportion: float = 1.0) -> Axes:
    """Return `ax`, or the only panel of a new figure whose height is `proportion` times its width, within reason."""
    if ax is not None:
        return ax
    height_inches = width_inches * min(max(proportion, 0.2), 2.0)
    first: Axes = panels(width_inches=width_inches, height_inches=height_inches)[1][0, 0]
    return first


def figure_of(ax: Axes) -> Figure:
    """Return the figure that a panel belongs to."""
    figure = ax.get_figure(root=True)
    assert figure is not None, "a panel that was removed from its figure"
    return figure


def finish(ax: Axes, alt: str) -> Figure:
    """Add a panel's description to those that its figure has already, and return the figure."""
    figure = figure_of(ax)
    return describe(figure, f"{figure.get_label()} {alt}")


def rgba(figure: Figure) -> np.ndarray:
    """Draw a figure into (H, W, 4) uint8."""
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib leaves its methods untyped
    canvas.draw()
    return np.array(canvas.buffer_rgba())


def close(figure: Figure) -> None:
    """Let pyplot forget a figure that came from it: it would be shown again at the end of the cell, and stay open."""
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)


def bundle(figure: Figure) -> tuple[dict[str, str], dict[str, Any]]:
    """Draw a figure once, as the data and metadata of a notebook's output, and close it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi)
    close(figure)
    png = b64encode(file.getvalue()).decode()
    alt = str(figure.get_label())
    img = f'<img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{png}">'
    return {"text/plain": alt, "text/html": img, "image/png": png}, {"image/png": {"alt": alt}}


def _display(figure: Figure) -> None:
    from IPython.display import display  # noqa: PLC0415  (only a notebook comes here)

    data, metadata = bundle(figure)
    display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class Live:
    """A widget for readers with a kernel and its still for readers without, in one output of a notebook.

    JupyterLab shows the widget. Where there is no kernel to answer it, the still (with its alt text) is in the same
    output: JupyterLab takes it for a notebook that is not trusted, and a site when it is told to prefer HTML to widgets
    (myst-nb: `nb_mime_priority_overrides = [("*", "text/html", 0)]`).

    Attributes
    ----------
    widget : ipywidgets.DOMWidget or None
        None where nothing can be moved.
    still : Figure
        What to see without a kernel, with alt text.
    twin : str, optional
        The same as HTML to play with, where twins are drawn (`medcourse.plots.twins`); the still if not given.
    """

    widget: Any
    still: Figure
    twin: str | None = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = bundle(self.still)
        if self.twin is not None:
            data["text/html"] = self.twin
        if self.widget is None:
            return dict(data), metadata
        return {**data, **self.widget._repr_mimebundle_(), "text/plain": data["text/plain"]}, metadata
