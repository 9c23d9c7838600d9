"""The labelling game, played without a browser: what is asked, what is kept, and that the line is the answers."""

import ast

import numpy as np
import pytest

from medcourse import plots
from medcourse.errors import CourseError

IMAGES = [np.full((8, 8), k / 4) for k in range(4)]
NAMES = ["cell", "mitosis"]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def game(clock):
    return plots.label_images(IMAGES, NAMES, question="Does it divide?", spacing_um=0.5, clock=clock)


def parts(game):
    """Progress, picture, buttons of the classes, undo and the line of the widget."""
    (top, picture, buttons, line) = game.live.widget.children
    return top.children[0], picture, buttons.children[:-1], buttons.children[-1], line


def test_a_game_is_played_by_its_buttons(game, clock):
    progress, picture, buttons, undo, line = parts(game)
    assert [button.description for button in buttons] == NAMES
    assert "Does it divide?" in picture.value
    assert "Image 0, to be labelled." in picture.value
    assert undo.disabled
    for label, seconds in ((1, 2.0), (0, 3.0), (0, 9.0)):
        clock.now += seconds
        buttons[label].click()
    assert progress.value == 3
    assert "Image 3" in picture.value
    undo.click()
    assert "Image 2" in picture.value
    clock.now += 4
    buttons[1].click()
    clock.now += 1
    buttons[0].click()
    assert game.answers == {0: 1, 1: 0, 2: 1, 3: 0}
    assert game.seconds == {0: 2.0, 1: 3.0, 2: 4.0, 3: 1.0}
    assert "All answered" in picture.value
    assert all(button.disabled for button in buttons)
    assert line.value == "my_answers = {0: 1, 1: 0, 2: 1, 3: 0}  # 4 of 4 answered, 2.5 s each (median)"


def test_the_line_is_python_that_gives_the_answers_back(game):
    for label in (1, 1, 0):
        game.choose(label)
    (assignment,) = ast.parse(game.line).body
    assert assignment.targets[0].id == "my_answers"
    assert ast.literal_eval(assignment.value) == game.answers


def test_answers_beyond_the_last_image_count_for_nothing(game):
    for _ in range(9):
        game.choose(1)
    assert game.answers == dict.fromkeys(range(4), 1)


def test_a_game_goes_on_where_the_answers_end(clock):
    game = plots.label_images(IMAGES, NAMES, answers={0: 1, 2: 0}, clock=clock)
    assert game.current == 1
    clock.now = 5.0
    game.choose(1)
    assert game.current == 3
    assert game.seconds == {1: 5.0}
    game.undo()
    assert game.answers == {0: 1, 2: 0}


def test_no_answer_is_given_away_and_the_sheet_serves_those_without_a_kernel(game):
    data, metadata = game._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    alt = metadata["image/png"]["alt"]
    assert alt == "4 images to label, numbered from 0. Does it divide? Classes: 0 cell, 1 mitosis."
    titles = [ax.get_title(loc="left") for ax in game.live.still.axes]
    assert titles[:4] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([], NAMES), "at least one image, got none"),
        ((IMAGES, ["cell"]), "at least two classes"),
        (([np.zeros(3)], NAMES), "must have shape"),
    ],
)
def test_a_game_without_images_or_choice(arguments, said):
    with pytest.raises(CourseError, match=said):
        plots.label_images(*arguments)


@pytest.mark.parametrize("answers", [{4: 0}, {0: 2}, {"0": 1}])
def test_answers_to_other_images(answers):
    with pytest.raises(CourseError, match="images 0 to 3 and classes 0 to 1"):
        plots.label_images(IMAGES, NAMES, answers=answers)
