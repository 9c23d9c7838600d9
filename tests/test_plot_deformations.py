"""Pictures of deformations show what they say."""

import numpy as np
import pytest

from medcourse import plots
from medcourse.errors import CourseError


def test_a_grid_is_drawn_where_it_is_read():
    shift = np.zeros((2, 20, 30))
    shift[0], shift[1] = 1.5, -2.0
    figure = plots.show_deformed_grid(shift, np.zeros((20, 30)), "Shift", step_px=10, spacing_mm=2.0)
    first = figure.axes[0].lines[0]
    np.testing.assert_allclose(first.get_ydata(), 1.5)
    np.testing.assert_allclose(first.get_xdata(), np.arange(30) - 2.0)
    assert len(figure.axes[0].lines) == 2 + 3
    assert figure.get_label() == "Shift: grid with lines every 10 pixels, moved by 2.5 pixels on average, 2.5 at most."


def test_arrows_have_their_true_length_and_start_in_the_mask():
    field = np.zeros((2, 12, 12))
    field[0] = 3.0
    mask = np.zeros((12, 12), bool)
    mask[4:9, 4:9] = True
    figure = plots.show_arrows(field, title="Down", step_px=4, mask=mask)
    arrows = figure.axes[0].collections[0]
    assert arrows.N == 4
    np.testing.assert_allclose(arrows.V, 3.0)
    np.testing.assert_allclose(arrows.U, 0.0)
    assert arrows.scale == 1
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1]  # rows run down, and so do arrows


def test_folds_are_marked_and_counted():
    determinant = np.ones((10, 10))
    determinant[0, :5] = -0.5
    determinant[1, 0] = 8.0
    figure = plots.show_determinant(determinant, "Map")
    marks = figure.axes[0].images[1].get_array()
    assert (marks[..., 3] > 0).sum() == 5
    assert "5 % of pixels fold" in figure.get_label()
    values = figure.axes[0].images[0].get_array()
    assert values[1, 0] == 3  # log2 of 8, beyond the colours' end
    assert values[5, 5] == 0


def test_a_blend_goes_from_the_first_to_the_second():
    first, second = np.zeros((4, 5)), np.ones((4, 5))
    for share in (0.0, 0.25, 1.0):
        figure = plots.show_blend(first, second, share=share)
        np.testing.assert_allclose(figure.axes[0].images[0].get_array(), share)
    assert plots.show_blend(first, second).axes[0].images[0].get_clim() == (0, 1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(CourseError, match=r"displacement must be \(2, H, W\)"):
        plots.show_arrows(np.zeros((3, 4, 4)))
    with pytest.raises(CourseError, match="image must match"):
        plots.show_deformed_grid(np.zeros((2, 4, 4)), np.zeros((4, 5)))
    with pytest.raises(CourseError, match="second must match"):
        plots.show_blend(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(CourseError, match="share must lie"):
        plots.show_blend(np.zeros((4, 4)), np.zeros((4, 4)), share=2)
