"""Each measure by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcourse.errors import CourseError
from medcourse.segments import Segment, accuracy, edit_count, edit_distance, score_sequences, segmental_f1, segments

#        one segment lost, one invented, one renamed
TRUTH = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 0, 0]
FLICKER = [0, 1, 0, 0, 1, 1, 1, 1, 2, 2, 0, 0]  # 0 1 0 1 2 0 against 0 1 2 0
RENAMED = [0, 0, 0, 0, 3, 3, 3, 3, 2, 2, 0, 0]
MERGED = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]


def test_segments_by_hand():
    assert segments(TRUTH) == [Segment(0, 0, 4), Segment(1, 4, 8), Segment(2, 8, 10), Segment(0, 10, 12)]
    assert segments([7]) == [Segment(7, 0, 1)]


@pytest.mark.parametrize(
    ("predicted", "right", "edits", "longer"),
    [(TRUTH, 12, 0, 4), (FLICKER, 11, 2, 6), (RENAMED, 8, 1, 4), (MERGED, 8, 2, 4)],
)
def test_accuracy_and_edits_by_hand(predicted, right, edits, longer):
    assert accuracy(TRUTH, predicted) == pytest.approx(100 * right / 12)
    assert edit_count(TRUTH, predicted) == edits
    assert edit_distance(TRUTH, predicted) == pytest.approx(100 * edits / longer)
    # Insertions and deletions change roles, the count stays.
    assert edit_count(predicted, TRUTH) == edits
    assert edit_distance(predicted, TRUTH) == pytest.approx(100 * edits / longer)


def test_the_example_of_the_authors_code_has_one_edit():
    assert edit_count([1, 2, 2, 2, 3], [1, 3, 2, 2, 3]) == 1
    assert edit_distance([1, 2, 2, 2, 3], [1, 3, 2, 2, 3]) == 25.0


def test_edits_do_not_ask_when_but_f1_does():
    late = [0] * 11 + [1]
    early = [0] + [1] * 11
    assert edit_distance(late, early) == 0
    assert segmental_f1(late, early, 0.10) == 0


def test_f1_by_hand():
    # FLICKER's segments: 0 at 0-1 (IoU 1/4 with 0-4), 1 at 1-2 (0 with 4-8), 0 at 2-4 (1/2), and three exact ones.
    # At 10: the first 0 takes the true one, so the second 0 is false: 4 hits of 6 predicted, 4 true.
    assert segmental_f1(TRUTH, FLICKER, 0.10) == pytest.approx(100 * 2 * 4 / 10)
    assert segmental_f1(TRUTH, FLICKER, 0.25) == pytest.approx(100 * 2 * 4 / 10)
    # At 50 the first 0 misses, the second hits with exactly one half.
    assert segmental_f1(TRUTH, FLICKER, 0.50) == pytest.approx(100 * 2 * 4 / 10)
    assert segmental_f1(TRUTH, FLICKER, 0.51) == pytest.approx(100 * 2 * 3 / 10)
    # RENAMED: three of four on either side. MERGED: 0 exact, 1 with 4 of 8 frames.
    assert segmental_f1(TRUTH, RENAMED, 0.50) == pytest.approx(75)
    assert segmental_f1(TRUTH, MERGED, 0.50) == pytest.approx(100 * 2 * 2 / 6)
    assert segmental_f1(TRUTH, MERGED, 0.55) == pytest.approx(100 * 2 * 1 / 6)
    assert segmental_f1([0, 0], [1, 1]) == 0


def test_a_true_segment_is_hit_once():
    # Both halves of 0 have an IoU of 4/9 with it: the first is the hit, the second is false.
    truth, split = [0] * 9, [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert segmental_f1(truth, split, 0.25) == pytest.approx(100 * 2 * 1 / 4)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.data())
def test_bounds_and_triangle(truth, data):
    other, third = (data.draw(st.lists(st.integers(0, 3), min_size=len(truth), max_size=len(truth))) for _ in range(2))
    assert 0 <= edit_distance(truth, other) <= 100
    assert 0 <= segmental_f1(truth, other) <= 100
    assert edit_count(truth, third) <= edit_count(truth, other) + edit_count(other, third)
    assert edit_count(truth, other) >= abs(len(segments(truth)) - len(segments(other)))
    assert segmental_f1(truth, truth) == 100


def test_scores_of_sequences_are_means_over_sequences_not_frames():
    scores = score_sequences([TRUTH, [0, 1]], [FLICKER, [0, 1]])
    assert scores["accuracy"] == pytest.approx((100 * 11 / 12 + 100) / 2)
    assert scores["edit"] == pytest.approx(100 * (2 / 6) / 2)
    assert scores["edit count"] == 1.0
    assert list(scores) == ["accuracy", "edit", "edit count", "F1@10", "F1@25", "F1@50"]


def test_bad_input_costs_one_clear_line():
    with pytest.raises(CourseError, match="a label for each of 2 frames, got 3"):
        accuracy([0, 1], [0, 1, 1])
    with pytest.raises(CourseError, match="at least one, got shape"):
        segments([])
    with pytest.raises(CourseError, match="whole numbers"):
        segments(np.array([0.5, 1.0]))
    with pytest.raises(CourseError, match=r"\(0, 1\]"):
        segmental_f1([0], [0], 0.0)
    with pytest.raises(CourseError, match="a prediction for each of 1 sequences"):
        score_sequences([[0]], [])
