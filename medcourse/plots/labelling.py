"""A labelling game: pictures one after the other, a button for each class, and a line to keep the answers by.

A widget's state is not part of a notebook's file, so it would not reach who gathers a class's answers. What does is
text in a cell: the game ends in a line of Python, `my_answers = {...}`, to be pasted into one.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.figures import Live, bundle, describe, panels, rgba
from medcourse.plots.images import as_image, show_image
from medcourse.plots.twins import Frame, draw_game, wanted

_SHEET_COLUMNS = 8
_PICTURE_INCHES = 2.6
VARIABLE = "my_answers"
"""What the line assigns to."""


class LabelGame:
    """Answers as they come; what `label_images` returns. Leave it as the last line of a cell.

    Attributes
    ----------
    answers
        Number of the class by number of the picture, both from 0, in the order in which they were given.
    seconds
        How long each answer took, by number of the picture; those that came with the game have none.
    current
        The picture that is asked for; None when all have an answer.
    """

    def __init__(
        self, n_images: int, names: Sequence[str], answers: Mapping[int, int], clock: Callable[[], float]
    ) -> None:
        self.names = list(names)
        self.answers: dict[int, int] = dict(answers)
        self.seconds: dict[int, float] = {}
        self._n_images, self._clock = n_images, clock
        self._since = clock()
        self.live: Live | None = None

    @property
    def current(self) -> int | None:
        """The first picture without an answer."""
        return next((i for i in range(self._n_images) if i not in self.answers), None)

    def choose(self, label: int) -> None:
        """Answer the current picture; nothing happens when there is none left."""
        if self.current is not None:
            now = self._clock()
            self.seconds[self.current] = now - self._since
            self.answers[self.current] = label
            self._since = now

    def undo(self) -> None:
        """Take the latest answer back; its picture is asked for again."""
        if self.answers:
            picture, _ = self.answers.popitem()
            self.seconds.pop(picture, None)
            self._since = self._clock()

    @property
    def line(self) -> str:
        """The answers as a line of Python, with the median time in a comment."""
        told = ", ".join(f"{picture}: {label}" for picture, label in sorted(self.answers.items()))
        took = f", {np.median(list(self.seconds.values())):.1f} s each (median)" if self.seconds else ""
        return f"{VARIABLE} = {{{told}}}  # {len(self.answers)} of {self._n_images} answered{took}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        assert self.live is not None
        return self.live._repr_mimebundle_(**options)


def label_images(
    images: Sequence[Any],
    names: Sequence[str],
    *,
    question: str = "What is this?",
    spacing_um: float | None = None,
    spacing_mm: float | None = None,
    limits: tuple[float, float] | None = None,
    answers: Mapping[int, int] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> LabelGame:
    """Let a person label images, one at a time.

    Parameters
    ----------
    images : sequence of arrays or tensors, each (H, W) or (H, W, 3)
    names : sequence of str
        Of the classes, at least two; a button each.
    question : str
        Asked above every image.
    spacing_um, spacing_mm, limits
        As in `show_image`.
    answers : mapping of int to int, optional
        Answers that were given before: the game goes on with the first image that has none.
    clock : callable
        Gives the time in seconds.

    Returns
    -------
    LabelGame
        With a widget for readers with a kernel and, for those without, a sheet of all images with their numbers, from
        which the same answers can be written by hand.

    Raises
    ------
    CourseError
        There is no image, there are fewer than two classes, or an answer given before has no image or no class.

    Examples
    --------
    >>> import numpy as np
    >>> game = label_images([np.eye(4), np.zeros((4, 4))], ["empty", "line"], clock=lambda: 0.0)
    >>> game.choose(1)
    >>> game.line
    'my_answers = {0: 1}  # 1 of 2 answered, 0.0 s each (median)'
    """
    pixels = [as_image(image, colour=True) for image in images]
    if not pixels:
        raise CourseError("images must hold at least one image, got none")
    if len(names) < 2:
        raise CourseError(f"names must hold at least two classes, got {list(names)}")
    given = dict(answers or {})
    for picture, label in given.items():
        if picture not in range(len(pixels)) or label not in range(len(names)):
            raise CourseError(
                f"answers must be image: class with images 0 to {len(pixels) - 1} and classes 0 to {len(names) - 1}, "
                f"got {picture!r}: {label!r}"
            )
    game = LabelGame(len(pixels), names, given, clock)
    look = {"spacing_um": spacing_um, "spacing_mm": spacing_mm, "limits": limits}
    twin = _twin(pixels, game.names, question, look) if wanted() else None
    game.live = Live(_widget(game, pixels, question, look), _sheet(pixels, game.names, question, look), twin)
    return game


def _widget(game: LabelGame, pixels: Sequence[np.ndarray], question: str, look: Mapping[str, Any]) -> Any:
    """Return an ipywidgets.VBox: progress, question and picture, buttons, the line to copy."""
    import ipywidgets  # noqa: PLC0415  (only games and demos need it)

    progress = ipywidgets.IntProgress(max=len(pixels), layout={"width": "260px"})
    count, picture = ipywidgets.Label(), ipywidgets.HTML()
    line = ipywidgets.Textarea(rows=3, layout={"width": "min(640px, 95%)"})
    buttons = [ipywidgets.Button(description=name, tooltip=f"class {k}") for k, name in enumerate(game.names)]
    undo = ipywidgets.Button(description="undo", icon="undo", layout={"width": "90px"})

    def redraw() -> None:
        current = game.current
        progress.value = len(game.answers)
        count.value = f"{len(game.answers)} of {len(pixels)} answered"
        undo.disabled = not game.answers
        for button in buttons:
            button.disabled = current is None
        if current is None:
            picture.value = f"<p>All answered. Copy the line below into the cell of <code>{VARIABLE}</code>.</p>"
        else:
            shown = bundle(_picture(pixels[current], current, look))[0]["text/html"]
            picture.value = f"<p>{html.escape(question)}</p>{shown}"
        line.value = game.line

    def chose(label: int) -> Callable[[Any], None]:
        def answer(_: Any) -> None:
            game.choose(label)
            redraw()

        return answer

    def take_back(_: Any) -> None:
        game.undo()
        redraw()

    for label, button in enumerate(buttons):
        button.on_click(chose(label))
    undo.on_click(take_back)
    redraw()
    return ipywidgets.VBox(
        [ipywidgets.HBox([progress, count]), picture, ipywidgets.HBox([*buttons, undo]), line],
    )


def _picture(pixels: np.ndarray, number: int, look: Mapping[str, Any]) -> Figure:
    axes = panels(width_inches=_PICTURE_INCHES, height_inches=_PICTURE_INCHES + 0.2)[1]
    # The description must not give the answer away: it is what one is asked for.
    return show_image(pixels, f"image {number}", ax=axes[0, 0], alt=f"Image {number}, to be labelled.", **look)


def _twin(pixels: Sequence[np.ndarray], names: Sequence[str], question: str, look: Mapping[str, Any]) -> str:
    """Return the game as HTML that needs no kernel; it begins with the first image."""
    figures = [_picture(image, number, look) for number, image in enumerate(pixels)]
    frames = [Frame((i,), rgba(figure), str(figure.get_label()), str(i)) for i, figure in enumerate(figures)]
    return draw_game(frames, names, question=question, variable=VARIABLE)


def _sheet(pixels: Sequence[np.ndarray], names: Sequence[str], question: str, look: Mapping[str, Any]) -> Figure:
    """Draw all images with their numbers."""
    columns = min(_SHEET_COLUMNS, len(pixels))
    rows = -(-len(pixels) // columns)
    figure, axes = panels(rows, columns, width_inches=1.2, height_inches=1.4)
    for number, ax in enumerate(axes.ravel()):
        if number < len(pixels):
            unit = look if number == 0 else {"limits": look["limits"]}
            show_image(pixels[number], str(number), ax=ax, **unit)
        else:
            ax.set_axis_off()
    classes = ", ".join(f"{k} {name}" for k, name in enumerate(names))
    figure.suptitle(f"{question} Classes: {classes}", fontsize=9, x=0.01, ha="left")
    return describe(figure, f"{len(pixels)} images to label, numbered from 0. {question} Classes: {classes}.")
