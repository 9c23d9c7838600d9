"""Maps of classes: a class has one colour in every picture, and a name."""

import numpy as np
import pytest

from medcourse import plots
from medcourse.errors import CourseError

NAMES = ("not brain", "cortical grey matter", "white matter", "ventricles")


def test_a_class_has_the_same_colour_whatever_else_is_in_the_picture():
    one = plots.show_labels([[0, 3]], NAMES).axes[0].images[0].get_array()
    other = plots.show_labels([[1, 3], [2, 0]], NAMES).axes[0].images[0].get_array()
    np.testing.assert_array_equal(one[0, 1], other[0, 1])
    np.testing.assert_array_equal(one[0, 0], [0, 0, 0])
    assert len({tuple(colour) for colour in other.reshape(-1, 3)}) == 4


def test_the_legend_names_all_classes_but_the_background():
    ax = plots.show_labels([[0, 3]], NAMES, legend=True).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(NAMES[1:])
    assert plots.show_labels([[0, 3]], NAMES).axes[0].get_legend() is None


def test_panels_are_described_one_after_the_other():
    figure, axes = plots.panels(1, 2)
    plots.show_image(np.eye(2), "Image", ax=axes[0, 0])
    plots.show_labels([[0, 3]], NAMES, "Truth", ax=axes[0, 1])
    assert figure.get_label().strip().endswith("values 0 to 1. Truth: map of 1 by 2 pixels with ventricles.")
    assert plots.show_labels([[0]], NAMES, alt="Nothing at all.").get_label() == "Nothing at all."


@pytest.mark.parametrize("labels", [[[0, 4]], [[-1, 0]], [[0.5, 1]], [0, 1]])
def test_what_has_no_name_is_refused(labels):
    with pytest.raises(CourseError, match="from 0 to 3"):
        plots.show_labels(labels, NAMES)


def test_more_classes_than_colours_are_refused():
    with pytest.raises(CourseError, match="1 to 9, got 10"):
        plots.show_labels([[0]], [str(k) for k in range(10)])
