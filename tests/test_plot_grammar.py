"""The steps that are drawn are the steps that were counted."""

import pytest

from medcourse.datasets import make_suturing
from medcourse.errors import CourseError
from medcourse.plots.grammar import count_steps, draw_grammar
from medcourse.segments import segments


def test_shares_of_a_state_add_up_to_one_and_follow_the_order_of_the_task():
    trials = make_suturing("DE", n_trials=3, slips=0.0, seed=1)
    said = [[trials.gestures[run.label] for run in segments(labels)] for labels in trials.labels]
    steps = count_steps(said)
    for follow in steps.values():
        assert sum(follow.values()) == pytest.approx(1)
    assert steps["G2"] == {"G3": 1.0}, "without slips a needle that stands is pushed"
    assert "G11" not in steps, "nothing follows the end"


def test_rare_steps_are_left_out_and_every_other_gets_an_arrow():
    steps = {"G1": {"G2": 0.97, "G1": 0.03}, "G2": {"G1": 0.5, "G2": 0.5}}
    figure = draw_grammar(steps, ["G1", "G2"], title="Steps")
    assert figure.get_label() == "Steps. G1: G2 97 %. G2: G1 50 %, G2 50 %."
    assert len(figure.axes[0].patches) == 3


def test_a_state_without_a_name_is_refused():
    with pytest.raises(CourseError, match="got none of G9"):
        draw_grammar({"G1": {"G9": 1.0}}, ["G1"])
    with pytest.raises(CourseError, match="at most 10"):
        draw_grammar({}, [str(i) for i in range(11)])
