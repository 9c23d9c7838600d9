"""Simulated raters: no habit and no wobble is the truth; habits have a size, votes have their rates."""

import numpy as np
import pytest

from medcourse.datasets.raters import make_raters, make_votes, signed_distance
from medcourse.errors import CourseError
from medcourse.metrics import dice

DISC = np.hypot(*(np.indices((96, 96)) - 48)) < 25


def test_a_steady_hand_without_habit_draws_the_truth():
    raters = make_raters(np.stack([DISC, ~DISC]), n_raters=3, habit_px=0, hand_px=0)
    assert raters.outlines.shape == (2, 3, 96, 96)
    assert (raters.outlines[0] == DISC).all()
    assert (raters.outlines[1] == ~DISC).all()


def test_a_habit_is_so_many_pixels_of_radius():
    raters = make_raters(DISC, n_raters=6, habit_px=3, hand_px=0, seed=1)
    radius = np.sqrt(raters.outlines.sum((1, 2)) / np.pi)
    np.testing.assert_allclose(radius - np.sqrt(DISC.sum() / np.pi), raters.habits_px, atol=0.6)


def test_a_wobble_has_the_size_asked_for_and_no_bias():
    raters = make_raters(DISC, n_raters=80, habit_px=0, hand_px=1.5, seed=2)
    radius = np.sqrt(raters.outlines.sum((1, 2)) / np.pi)
    assert radius.mean() == pytest.approx(25, abs=0.3)
    # On the ray to the right the border moves by the wobble there.
    edge = raters.outlines[:, 48, 48:].sum(1)
    assert 1.1 < edge.std() < 1.9


def test_careless_raters_are_as_many_as_asked_and_worse():
    raters = make_raters(DISC, n_raters=10, careless_share=0.3, seed=3)
    score = np.array([dice(DISC, outline) for outline in raters.outlines])
    assert raters.careless.sum() == 3
    assert score[raters.careless].mean() < score[~raters.careless].mean() - 0.03


def test_an_empty_image_stays_empty_and_seeds_repeat():
    assert not make_raters(np.zeros((32, 32), bool), habit_px=3).outlines.any()
    np.testing.assert_array_equal(make_raters(DISC, seed=4).outlines, make_raters(DISC, seed=4).outlines)


def test_the_border_runs_between_two_pixels():
    line = np.array([[False, True, True, True, False, False]])
    np.testing.assert_array_equal(signed_distance(line), [[-0.5, 0.5, 1.5, 0.5, -0.5, -1.5]])


def test_votes_have_their_rates():
    truth = np.arange(200_000) % 4 == 0
    votes = make_votes(truth, [0.9, 0.5], [0.7, 1.0], seed=1)
    np.testing.assert_allclose(votes[:, truth].mean(1), [0.9, 0.5], atol=0.01)
    np.testing.assert_allclose(votes[:, ~truth].mean(1), [0.3, 0.0], atol=0.01)
    assert abs(np.corrcoef(votes[0, truth], votes[1, truth])[0, 1]) < 0.02


def test_says_what_is_wrong():
    with pytest.raises(CourseError, match="truth must be a mask"):
        make_raters(DISC.astype(int))
    with pytest.raises(CourseError, match="careless_share must lie in"):
        make_raters(DISC, careless_share=2)
    with pytest.raises(CourseError, match=r"must lie in \[0, 1\]"):
        make_votes(DISC, [1.2], [0.5])
    with pytest.raises(CourseError, match="one number a rater"):
        make_votes(DISC, [0.5, 0.5], [0.5])
