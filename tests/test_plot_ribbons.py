"""Ribbons of gestures, and hands in space."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from medcourse import plots
from medcourse.datasets import make_suturing
from medcourse.errors import CourseError
from medcourse.plots.ribbons import COLOURS

NAMES = ["G1", "G2", "G3"]


def test_each_segment_is_a_bar_of_its_time_and_colour():
    figure = plots.show_ribbons({"truth": [0, 0, 2, 2, 2], "net": [0, 2, 2, 2, 1]}, NAMES, rate_hz=5, title="Simulated")
    (ax,) = figure.axes
    bars = [(c.get_paths()[0].get_extents(), tuple(c.get_facecolor()[0][:3])) for c in ax.collections]
    assert [(round(b.x0, 2), round(b.x1, 2)) for b, _ in bars] == [
        (0, 0.4),
        (0.4, 1.0),
        (0, 0.2),
        (0.2, 0.8),
        (0.8, 1.0),
    ]
    assert [colour for _, colour in bars] == [pytest.approx(to_rgb(COLOURS[i])) for i in (0, 2, 0, 2, 1)]
    assert [text.get_text() for text in ax.texts] == ["G1", "G3", "G1", "G3", "G2"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["truth", "net"]
    assert ax.get_xlabel() == "time (s)"
    assert ax.yaxis_inverted()
    assert "truth: 2 segments. net: 3 segments, 60 % of frames as in truth." in figure.get_label()


def test_short_segments_are_not_written_on():
    labels = np.zeros(1000, int)
    labels[500] = 1
    figure = plots.show_ribbons({"net": labels}, NAMES, rate_hz=5)
    assert [text.get_text() for text in figure.axes[0].texts] == ["G1", "G1"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["G1", "G2"]


@pytest.mark.parametrize(
    ("ribbons", "names", "says"),
    [
        ({}, NAMES, "at least one"),
        ({"a": [0, 1], "b": [0]}, NAMES, "as many frames"),
        ({"a": [0, 3]}, NAMES, "must lie in 0 to 2"),
        ({"a": [0]}, [f"G{i}" for i in range(11)], "at most 10"),
    ],
)
def test_bad_ribbons_cost_one_clear_line(ribbons, names, says):
    with pytest.raises(CourseError, match=says):
        plots.show_ribbons(ribbons, names, rate_hz=5)


@pytest.fixture(scope="module")
def trial():
    made = make_suturing("D", n_trials=1, n_stitches=1, seed=0)
    return made.sequences[0], made.labels[0], made.gestures


def test_hands_are_where_the_signals_say_in_millimetres(trial):
    sequence, labels, names = trial
    with mpl.rc_context():
        plots.use_style()
        figure = plots.show_hands(sequence, labels, names, rate_hz=5, at_s=4.0)
        figure.savefig(io.BytesIO())
    (ax,) = figure.axes
    marks = {line.get_marker(): np.array(line.get_data_3d()).ravel() for line in ax.lines if line.get_marker() in "so"}
    np.testing.assert_allclose(marks["s"], 1000 * sequence[20, :3], rtol=1e-5)
    np.testing.assert_allclose(marks["o"], 1000 * sequence[20, 7:10], rtol=1e-5)
    assert ax.get_zlabel() == "z (mm)"
    assert f"at 4.0 s, during {names[labels[20]]}" in figure.get_label()


def test_an_open_gripper_is_hollow(trial):
    sequence, labels, names = trial
    sequence = sequence.copy()
    sequence[:, 6], sequence[:, 13] = 0.9, 0.0
    figure = plots.show_hands(sequence, labels, names, rate_hz=5, at_s=1.0)
    faces = {
        line.get_marker(): line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() in "so"
    }
    assert faces == {"s": "white", "o": "black"}
    assert "left gripper open, right gripper closed" in figure.get_label()


def test_the_moment_ends_with_the_trial(trial):
    sequence, labels, names = trial
    figure = plots.show_hands(sequence, labels, names, rate_hz=5, at_s=1e6)
    assert f"at {(len(labels) - 1) / 5:.1f} s, during G11" in figure.get_label()


def test_the_slider_goes_through_the_whole_trial_and_has_a_still(trial):
    sequence, labels, names = trial
    live = plots.view_hands(sequence, labels, names, rate_hz=5)
    slider = live.widget.children[0]
    assert (slider.min, slider.max) == (0.0, pytest.approx((len(labels) - 1) / 5))
    assert slider.description == "at (s)"
    assert "Demo in 4 stills" in live.still.get_label()


def test_bad_hands_cost_one_clear_line(trial):
    sequence, labels, names = trial
    with pytest.raises(CourseError, match=r"\(T, 14\)"):
        plots.show_hands(sequence[:, :7], labels, names, rate_hz=5, at_s=0)
    with pytest.raises(CourseError, match="at least 0"):
        plots.show_hands(sequence, labels, names, rate_hz=5, at_s=-1)
