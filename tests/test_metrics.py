import numpy as np
import pytest

from medcourse.errors import CourseError
from medcourse.metrics import dice, iou, label_objects, match_objects


def test_overlap_of_a_case_done_by_hand():
    truth = np.array([[1, 1], [0, 0]], bool)
    predicted = np.array([[1, 0], [1, 0]], bool)
    assert dice(truth, predicted) == 0.5  # 2 * 1 / (2 + 2)
    assert iou(truth, predicted) == pytest.approx(1 / 3)


@pytest.mark.parametrize("measure", [dice, iou])
def test_overlap_of_empty_equal_and_disjoint_masks(measure):
    nothing, left = np.zeros((2, 2), bool), np.array([[1, 0], [1, 0]], bool)
    assert measure(nothing, nothing) == 1.0
    assert measure(left, nothing) == measure(nothing, left) == 0.0
    assert measure(left, left) == 1.0
    assert measure(left, ~left) == 0.0


@pytest.mark.parametrize("measure", [dice, iou, match_objects])
def test_shapes_must_agree(measure):
    with pytest.raises(CourseError, match=r"\(2, 2\), got \(2, 3\)"):
        measure(np.zeros((2, 2), int), np.zeros((2, 3), int))


def test_two_cells_drawn_as_one_are_a_merge_and_not_found():
    truth = np.array([[1, 1, 0, 2, 2]])
    match = match_objects(truth, np.array([[7, 7, 7, 7, 7]]))
    assert (match.n_true, match.n_predicted, match.found, match.merges) == (2, 1, 0, 1)
    assert match.f1 == 0.0


def test_a_small_bite_of_the_neighbour_is_no_merge():
    truth = np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
    match = match_objects(truth, np.array([[5, 5, 5, 5, 5, 0, 0, 0]]))
    assert (match.found, match.merges) == (1, 0)
    assert match.f1 == pytest.approx(2 / 3)


def test_numbers_of_labels_do_not_matter():
    rng = np.random.default_rng(0)
    truth, drawn = rng.integers(0, 5, (12, 12)), rng.integers(0, 4, (12, 12))
    renumbered = np.array([0, 40, 7, 23, 9])[truth]
    assert match_objects(renumbered, drawn) == match_objects(truth, drawn)


def test_images_without_background_or_without_cells():
    full, empty = np.ones((2, 3), int), np.zeros((2, 3), int)
    assert match_objects(full, full).found == 1
    assert match_objects(empty, empty).f1 == 1.0
    assert match_objects(full, empty).f1 == 0.0


def test_a_low_threshold_is_refused_because_a_match_would_not_be_unique():
    with pytest.raises(CourseError, match="must be at least"):
        match_objects(np.ones((1, 1), int), np.ones((1, 1), int), min_iou=0.3)


def test_a_diagonal_does_not_join_and_small_parts_go():
    mask = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert label_objects(mask).max() == 2
    kept = label_objects(mask, min_size_px=2)
    assert kept.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
