"""What a crowd says: the majority with its ties, Dawid and Skene against STAPLE and by hand, and the ease of items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medcourse.agreement import staple
from medcourse.crowds import (
    collect_answers,
    confusion_of_two,
    count_votes,
    dawid_skene,
    estimate_confusion,
    majority_vote,
    vote_shares,
    weigh_answers,
)
from medcourse.datasets import make_crowd, make_votes
from medcourse.difficulty import glad
from medcourse.errors import CourseError


def table_of(votes):
    """All workers on all items: (R, I) answers as a list."""
    worker, item = np.indices(votes.shape)
    return collect_answers(worker.ravel(), item.ravel(), votes.ravel().astype(int))


def crowd_of(truth, **knobs):
    made = make_crowd(truth, **knobs)
    sizes = {"n_workers": len(made.kind), "n_items": len(made.truth), "n_classes": made.n_classes}
    return made, collect_answers(made.worker, made.item, made.label, **sizes)


def test_the_majority_of_a_tie_is_a_tie():
    answers = collect_answers([0, 1, 2, 0, 1, 0, 1], [0, 0, 0, 1, 1, 3, 3], [2, 2, 0, 0, 1, 1, 1], n_classes=3)
    np.testing.assert_array_equal(count_votes(answers), [[1, 0, 2], [1, 1, 0], [0, 0, 0], [0, 2, 0]])
    np.testing.assert_allclose(majority_vote(answers), [[0, 0, 1], [0.5, 0.5, 0], [1 / 3] * 3, [0, 1, 0]])
    np.testing.assert_allclose(vote_shares(answers), [[1 / 3, 0, 2 / 3], [0.5, 0.5, 0], [1 / 3] * 3, [0, 1, 0]])


@pytest.mark.parametrize("n_rounds", [1, 4, 20])
def test_with_two_classes_and_everybody_on_everything_dawid_and_skene_is_staple(n_rounds):
    truth = np.random.default_rng(0).random(300) < 0.3
    votes = make_votes(truth, [0.9, 0.6, 0.7, 0.3, 0.85], [0.95, 0.7, 0.8, 0.4, 0.9], seed=1)
    expected = staple(votes, n_rounds=n_rounds, tolerance=0)
    found = dawid_skene(
        table_of(votes), prior=[1 - votes.mean(), votes.mean()], smoothing=0, n_rounds=n_rounds, tolerance=0
    )
    np.testing.assert_allclose(found.probability[:, 1], expected.probability, atol=1e-9)
    np.testing.assert_allclose(found.sensitivity, expected.sensitivity, atol=1e-9)
    np.testing.assert_allclose(found.specificity, expected.specificity, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4]), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_log_likelihood_never_falls(seed, n_classes, smoothing):
    rng = np.random.default_rng(seed)
    answers = collect_answers(
        rng.integers(6, size=80), rng.integers(20, size=80), rng.integers(n_classes, size=80), n_classes=n_classes
    )
    for prior in (None, np.full(n_classes, 1 / n_classes)):
        found = dawid_skene(answers, prior=prior, smoothing=smoothing, n_rounds=30, tolerance=0)
        assert len(found.log_likelihood) == 30
        assert np.diff(found.log_likelihood).min() > -1e-6
        np.testing.assert_allclose(found.probability.sum(1), 1)
        np.testing.assert_allclose(found.confusion.sum(2), 1)


def test_the_log_likelihood_is_the_evidence_by_hand():
    # One item, two workers, one round: every item's start is the share of votes, one half each.
    answers = collect_answers([0, 1], [0, 0], [0, 1])
    found = dawid_skene(answers, smoothing=0, n_rounds=1)
    # Worker 0 then says 0 whatever is true, worker 1 says 1: the evidence is 1.
    assert found.log_likelihood == [pytest.approx(0)]
    assert not dawid_skene(answers, smoothing=1, n_rounds=1, tolerance=0).converged


def test_the_e_step_by_hand():
    confusion = confusion_of_two([0.9, 0.6, 0.2], [0.8, 0.7, 0.1])
    answers = collect_answers([0, 1, 2, 2], [0, 0, 0, 2], [1, 0, 1, 0])
    yes, no = 0.3 * 0.9 * 0.4 * 0.2, 0.7 * 0.2 * 0.7 * 0.9
    alone = 0.3 * 0.8 / (0.3 * 0.8 + 0.7 * 0.1)
    found = weigh_answers(answers, confusion, [0.7, 0.3])[:, 1]
    np.testing.assert_allclose(found, [yes / (yes + no), 0.3, alone])  # nobody saw item 1: the prior stays
    own = weigh_answers(answers, confusion, [[0.7, 0.3], [0.9, 0.1], [1.0, 0.0]])[:, 1]
    np.testing.assert_allclose(own, [yes / (yes + no), 0.1, 0], atol=1e-9)


def test_the_m_step_counts_beliefs_and_imaginary_answers():
    answers = collect_answers([0, 0, 1], [0, 1, 1], [1, 0, 1], n_workers=3)
    found = estimate_confusion(answers, [[0.25, 0.75], [1.0, 0.0]], smoothing=1)
    np.testing.assert_allclose(found[0], [[2 / 3.25, 1.25 / 3.25], [1 / 2.75, 1.75 / 2.75]])
    np.testing.assert_allclose(found[2], 0.5)
    np.testing.assert_allclose(estimate_confusion(answers, [[0.25, 0.75], [1.0, 0.0]])[2], 0.5)


def test_it_finds_truth_and_workers_in_a_bad_crowd():
    rng = np.random.default_rng(3)
    kinds = {"honest": 0.4, "adversary": 0.2, "constant spammer": 0.2, "random spammer": 0.2}
    made, answers = crowd_of((rng.random(400) < 0.4).astype(int), n_workers=20, kinds=kinds, seed=3)
    found = dawid_skene(answers)
    assert found.converged
    assert roc_auc_score(made.truth, found.probability[:, 1]) > 0.99
    assert roc_auc_score(made.truth, vote_shares(answers)[:, 1]) < 0.95
    np.testing.assert_allclose(found.sensitivity, made.skill[:, 1], atol=0.12)
    np.testing.assert_allclose(found.specificity, made.skill[:, 0], atol=0.12)


def test_a_crowd_that_is_mostly_wrong_is_believed():
    made, answers = crowd_of(np.arange(200) % 2, n_workers=9, kinds={"adversary": 7 / 9, "expert": 2 / 9}, seed=0)
    assert np.mean(dawid_skene(answers).label == made.truth) < 0.1


def test_four_classes_and_who_confuses_what():
    truth = np.arange(400) % 4
    rng = np.random.default_rng(0)
    table = np.full((4, 4), 0.05) + 0.8 * np.eye(4)
    table[2] = [0.05, 0.05, 0.3, 0.6]  # everybody takes most of class 2 for class 3, some more than others
    worker, item = (axis.ravel() for axis in np.indices((7, 400)))
    label = np.array([rng.choice(4, p=table[k]) for k in truth[item]])
    found = dawid_skene(collect_answers(worker, item, label))
    assert np.mean(found.label == truth) > np.mean(
        majority_vote(collect_answers(worker, item, label)).argmax(1) == truth
    )
    np.testing.assert_allclose(found.confusion.mean(0)[2], table[2], atol=0.15)


def test_a_prior_for_each_item_decides_where_workers_do_not():
    answers = collect_answers([0, 1, 0, 1], [0, 0, 1, 1], [0, 1, 1, 0])  # they contradict each other
    found = dawid_skene(answers, prior=[[0.9, 0.1], [0.2, 0.8]])
    assert found.label.tolist() == [0, 1]


def test_ease_and_ability_are_found():
    rng = np.random.default_rng(1)
    ease = np.exp(rng.normal(0, 1, 300))
    made, answers = crowd_of(np.arange(300) % 2, n_workers=25, ease=ease, seed=1)
    found = glad(answers)
    assert np.corrcoef(np.log(found.ease), np.log(ease))[0, 1] > 0.6
    adversary, honest = (np.array(made.kind) == kind for kind in ("adversary", "honest"))
    assert found.ability[adversary].max() < 0 < found.ability[honest].min()
    assert roc_auc_score(made.truth, found.probability[:, 1]) > roc_auc_score(made.truth, vote_shares(answers)[:, 1])


def test_some_answers_keep_the_numbers_of_all():
    answers = collect_answers([0, 1, 2], [0, 1, 5], [1, 0, 3])
    some = answers.where(answers.worker < 2)
    assert (some.n_workers, some.n_items, some.n_classes, len(some)) == (3, 6, 4, 2)
    none = answers.where(np.zeros(3, bool))
    np.testing.assert_allclose(vote_shares(none), 0.25)


def test_says_what_is_wrong():
    with pytest.raises(CourseError, match="one row an answer"):
        collect_answers([0, 1], [0, 1], [1])
    with pytest.raises(CourseError, match="whole numbers from 0"):
        collect_answers([0], [0], [-1])
    with pytest.raises(CourseError, match="whole numbers from 0"):
        collect_answers([0.5], [0], [1])
    with pytest.raises(CourseError, match="stay below 2"):
        collect_answers([0], [0], [2], n_classes=2)
    with pytest.raises(CourseError, match="at least one"):
        collect_answers([], [], [])
    answers = collect_answers([0, 1], [0, 1], [1, 0])
    with pytest.raises(CourseError, match="add up to 1"):
        dawid_skene(answers, prior=[0.5, 0.6])
    with pytest.raises(CourseError, match="must have shape"):
        dawid_skene(answers, prior=[[0.5, 0.5]] * 3)
    with pytest.raises(CourseError, match="smoothing"):
        dawid_skene(answers, smoothing=-1)
    with pytest.raises(CourseError, match="workers, classes, classes"):
        weigh_answers(answers, np.ones((1, 2, 2)), [0.5, 0.5])
    with pytest.raises(CourseError, match="items, classes"):
        estimate_confusion(answers, [0.5, 0.5])
    with pytest.raises(CourseError, match="2 classes"):
        _ = dawid_skene(collect_answers([0], [0], [2])).sensitivity
    with pytest.raises(CourseError, match="one bool an answer"):
        answers.where([0, 1])
    with pytest.raises(CourseError, match="one number a worker"):
        confusion_of_two([0.5], [0.5, 0.5])
