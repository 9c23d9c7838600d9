"""Kappa against scikit-learn, STAPLE against SimpleITK, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from medcourse.agreement import bootstrap_by_patient, kappa, staple
from medcourse.datasets.raters import make_raters, make_votes
from medcourse.errors import CourseError
from medcourse.metrics import dice

DISC = np.hypot(*(np.indices((64, 64)) - 32)) < 14


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_kappa_is_scikit_learns(pairs):
    first, second = np.array(pairs).T
    if len({*first, *second}) > 1:
        assert kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))
    else:
        assert kappa(first, second) == 1


def test_kappa_of_coin_flips_is_nothing():
    rng = np.random.default_rng(0)
    assert kappa(rng.random(100_000) < 0.9, rng.random(100_000) < 0.9) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "votes",
    [
        make_votes(DISC, [0.9, 0.7, 0.95, 0.6, 0.8], [0.95, 0.99, 0.8, 0.9, 0.7], seed=1),
        make_raters(DISC, n_raters=7, careless_share=0.3, seed=2).outlines,
    ],
    ids=["pixel by pixel", "outlines"],
)
@pytest.mark.parametrize("n_rounds", [1, 3, 10])
def test_staple_is_simpleitks(votes, n_rounds):
    itk = SimpleITK.STAPLEImageFilter()
    itk.SetForegroundValue(1.0)
    itk.SetMaximumIterations(n_rounds)
    theirs = itk.Execute([SimpleITK.GetImageFromArray(vote.astype(np.uint8)) for vote in votes])
    ours = staple(votes, n_rounds=n_rounds, tolerance=0)
    assert itk.GetElapsedIterations() == n_rounds
    np.testing.assert_allclose(ours.probability, SimpleITK.GetArrayFromImage(theirs), atol=1e-8)
    np.testing.assert_allclose(ours.sensitivity, itk.GetSensitivity(), atol=1e-8)
    np.testing.assert_allclose(ours.specificity, itk.GetSpecificity(), atol=1e-8)


def test_staple_finds_the_reliabilities_and_beats_the_majority_where_errors_are_independent():
    p, q = np.array([0.55, 0.6, 0.6, 0.65, 0.95, 0.9, 0.95]), np.array([0.7, 0.6, 0.75, 0.7, 0.95, 0.97, 0.9])
    votes = make_votes(DISC, p, q, seed=3)
    found = staple(votes)
    np.testing.assert_allclose(found.sensitivity, p, atol=0.06)
    np.testing.assert_allclose(found.specificity, q, atol=0.03)
    assert dice(DISC, found.mask) > dice(DISC, votes.mean(0) > 0.5) + 0.03


def test_staple_of_raters_who_agree_is_what_they_say():
    np.testing.assert_array_equal(staple([DISC] * 3).mask, DISC)
    assert not staple(np.zeros((3, 8), bool)).mask.any()
    assert staple(np.ones((3, 8), bool)).mask.all()


def test_the_interval_by_patient_holds_the_truth_and_that_by_image_does_not():
    covered = np.zeros(2)
    patients = np.repeat(np.arange(40), 20)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        values = np.repeat(rng.normal(0, 1, 40), 20) + rng.normal(0, 1, 800)
        for i, groups in enumerate((patients, np.arange(800))):
            low, high = bootstrap_by_patient(values, groups, n_resamples=200, seed=seed)
            covered[i] += low <= 0 <= high
    assert covered[0] / 120 > 0.88
    assert covered[1] / 120 < 0.6


def test_patients_weigh_by_their_images():
    # Of a with one image and b with three, a resample is aa, ab, ba or bb: 1, 1/4, 1/4 or 0.
    low, high = bootstrap_by_patient([1, 0, 0, 0], ["a", "b", "b", "b"], n_resamples=4000, level=0.2, seed=1)
    assert (low, high) == (0.25, 0.25)
    assert bootstrap_by_patient([0.7] * 5, [1, 1, 2, 3, 3]) == (pytest.approx(0.7), pytest.approx(0.7))


def test_says_what_is_wrong():
    with pytest.raises(CourseError, match="same items"):
        kappa([1, 0], [1])
    with pytest.raises(CourseError, match="shape"):
        staple([1, 0, 1])
    with pytest.raises(CourseError, match="0 and 1"):
        staple([[2, 0], [1, 0]])
    with pytest.raises(CourseError, match="one value and one patient"):
        bootstrap_by_patient([1, 0], [1])
