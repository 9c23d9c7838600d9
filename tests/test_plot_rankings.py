import numpy as np
import pytest

from medcourse import plots
from medcourse.errors import CourseError


def test_dots_are_as_large_as_the_share_of_draws_and_teams_are_sorted():
    ranks = np.array([[3, 1, 2], [3, 1, 2], [2, 1, 3], [3, 2, 1]])
    figure = plots.show_ranks(ranks, ["Low", "High", "Mid"], title="Bootstrap")
    ax = figure.axes[0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["High", "Mid", "Low"]
    high = ax.collections[0]
    places, areas = high.get_offsets(), high.get_sizes()
    assert places.tolist() == [[0, 1], [0, 2]]
    assert areas[0] == pytest.approx(3 * areas[1])
    assert ax.yaxis_inverted()
    assert "High: median rank 1" in figure.get_label()


def test_ranks_without_a_draw_or_a_name_are_refused():
    with pytest.raises(CourseError, match=r"\(draws, 2 teams\)"):
        plots.show_ranks(np.ones((3, 3)), ["a", "b"])
    with pytest.raises(CourseError, match="at least one draw"):
        plots.show_ranks(np.ones((0, 2)), ["a", "b"])
