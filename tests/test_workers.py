"""Simulated workers: each kind answers as it is said to, items can be easy or misleading, and pay adds up."""

import numpy as np
import pytest

from medcourse.datasets import make_crowd
from medcourse.datasets.workers import KINDS
from medcourse.errors import CourseError

TRUTH = (np.random.default_rng(0).random(2000) < 0.4).astype(int)


def hits(crowd, of_class):
    """How often each worker was right about items of a class."""
    about = crowd.truth[crowd.item] == of_class
    right = crowd.label == crowd.truth[crowd.item]
    n = len(crowd.kind)
    return np.bincount(crowd.worker[about], right[about], n) / np.bincount(crowd.worker[about], minlength=n)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_each_worker_is_as_often_right_as_his_skill_says(n_classes):
    truth = np.random.default_rng(1).integers(n_classes, size=6000)
    shares = {kind: 1 / len(KINDS) for kind in KINDS}
    crowd = make_crowd(truth, n_workers=12, kinds=shares, n_classes=n_classes, seed=2)
    assert sorted(crowd.kind) == sorted(KINDS * 2)
    for k in range(n_classes):
        np.testing.assert_allclose(hits(crowd, k), crowd.skill[:, k], atol=0.05)
    good, bad = (crowd.skill[[k == kind for k in crowd.kind]].mean() for kind in ("expert", "adversary"))
    assert bad < 1 / 3 < good


def test_spammers_do_not_look():
    crowd = make_crowd(TRUTH, n_workers=4, kinds={"constant spammer": 0.5, "random spammer": 0.5}, ease=-5, seed=1)
    for w, kind in enumerate(crowd.kind):
        said = crowd.label[crowd.worker == w]
        if kind == "constant spammer":
            assert len(np.unique(said)) == 1
        else:
            assert abs(said.mean() - 0.5) < 0.05


def test_ease_runs_from_misleading_over_a_guess_to_certain():
    rates = [
        np.mean(crowd.label == TRUTH[crowd.item])
        for ease in (-1.0, 0.0, 1.0, 3.0)
        for crowd in [make_crowd(TRUTH, n_workers=5, kinds={"honest": 1.0}, ease=ease, seed=3)]
    ]
    np.testing.assert_allclose(rates, [0.2, 0.5, 0.8, 0.98], atol=0.06)
    assert rates[0] == pytest.approx(1 - rates[2], abs=0.03)


def test_every_item_is_seen_by_as_many_different_workers():
    crowd = make_crowd(TRUTH, n_workers=30, answers_per_item=5, seed=4)
    assert (np.bincount(crowd.item) == 5).all()
    assert len({(w, i) for w, i in zip(crowd.worker, crowd.item, strict=True)}) == 5 * len(TRUTH)
    per_worker = np.bincount(crowd.worker, minlength=30)
    assert per_worker.min() > 200  # all are asked, about as often


def test_shares_become_whole_workers():
    crowd = make_crowd([0, 1], n_workers=7, kinds={"honest": 0.5, "sloppy": 0.3, "expert": 0.2})
    assert {kind: crowd.kind.count(kind) for kind in set(crowd.kind)} == {"honest": 4, "sloppy": 2, "expert": 1}


def test_pay_and_time():
    crowd = make_crowd(TRUTH, n_workers=10, kinds={"expert": 0.1, "honest": 0.4, "random spammer": 0.5}, pay_cents=3)
    kind = np.array(crowd.kind)[crowd.worker]
    assert set(crowd.cents[kind == "expert"]) == {100.0}
    assert set(crowd.cents[kind != "expert"]) == {3.0}
    assert np.median(crowd.seconds[kind == "random spammer"]) < np.median(crowd.seconds[kind == "honest"]) / 4


def test_the_seed_decides_and_nothing_else():
    first, again, other = (make_crowd(TRUTH, seed=s) for s in (1, 1, 2))
    for key in ("worker", "label", "seconds"):
        np.testing.assert_array_equal(first[key], again[key])
    assert (first.label != other.label).any()
    assert "SIMULATED" in first.description
    # Answers to few and to all are of the same people.
    np.testing.assert_array_equal(make_crowd(TRUTH, answers_per_item=3, seed=1).skill, first.skill)


def test_says_what_is_wrong():
    with pytest.raises(CourseError, match="kinds are expert"):
        make_crowd([0, 1], kinds={"robot": 1.0})
    with pytest.raises(CourseError, match="add up to 1"):
        make_crowd([0, 1], kinds={"expert": 0.5})
    with pytest.raises(CourseError, match="answers_per_item"):
        make_crowd([0, 1], n_workers=3, answers_per_item=4)
    with pytest.raises(CourseError, match="is n_classes given"):
        make_crowd([0, 2])
    with pytest.raises(CourseError, match="whole number an item"):
        make_crowd([0.5])
    with pytest.raises(CourseError, match="finite number an item"):
        make_crowd([0, 1], ease=[1.0])
