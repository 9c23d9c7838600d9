import numpy as np
import pytest

from medcourse.errors import CourseError
from medcourse.plots import show_events

CELLS = np.random.default_rng(0).normal(size=(2000, 2))
NAMES = ("CD19 (arcsinh)", "CD10 (arcsinh)")


def test_axes_carry_their_names_and_the_text_counts():
    blast = np.arange(2000) < 50
    figure = show_events(CELLS, NAMES, "Simulated marrow", is_blast=blast, gate=((-1, 1), (-1, 1)))
    (ax,) = figure.axes
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title("left")) == (*NAMES, "Simulated marrow")
    inside = int((np.abs(CELLS) < 1).all(axis=1).sum())
    assert (
        f"2000 cells by CD19 (arcsinh) and CD10 (arcsinh), 50 of them blasts, {inside} in the gate"
        in figure.get_label()
    )
    dots = [line for line in ax.lines if len(line.get_xdata())]
    assert [len(line.get_xdata()) for line in dots] == [50]


def test_a_million_blasts_are_thinned_and_counted_in_full():
    cells = np.zeros((10_000, 2))
    figure = show_events(cells, NAMES, is_blast=np.ones(10_000), limits=((-1, 1), (-1, 1)))
    assert len(figure.axes[0].lines[0].get_xdata()) <= 3000
    assert "10000 of them blasts" in figure.get_label()


@pytest.mark.parametrize(
    ("cells", "blast", "said"),
    [
        (np.zeros((5, 3)), None, "choose two columns"),
        (np.zeros((0, 2)), None, "at least 1"),
        (np.zeros((5, 2)), [True], "is_blast"),
    ],
)
def test_wrong_shapes_are_refused(cells, blast, said):
    with pytest.raises(CourseError, match=said):
        show_events(cells, NAMES, is_blast=blast)
