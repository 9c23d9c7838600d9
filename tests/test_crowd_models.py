"""AggNet's layer against Dawid and Skene's E- and M-step, and the network that learns its posteriors."""

import numpy as np
import pytest
import torch

from medcourse.crowds import collect_answers, confusion_of_two, estimate_confusion, vote_shares, weigh_answers
from medcourse.datasets import make_crowd, make_mitoses
from medcourse.errors import CourseError
from medcourse.models.crowd import (
    AggNet,
    AggregationLayer,
    SoftBatches,
    as_input,
    posterior_of_votes,
    soft_loss,
    votes_matrix,
)
from medcourse.models.plain import PlainCNN
from medcourse.training import fit

TRUTH = np.arange(40) % 2
CROWD = make_crowd(TRUTH, n_workers=12, answers_per_item=5, seed=1)
ANSWERS = collect_answers(CROWD.worker, CROWD.item, CROWD.label, n_workers=12, n_items=40)
VOTES = votes_matrix(ANSWERS)


def test_votes_are_the_answers():
    assert (VOTES >= 0).sum() == len(ANSWERS)
    assert VOTES[ANSWERS.item, ANSWERS.worker].tolist() == ANSWERS.label.tolist()


def test_the_e_step_is_dawid_and_skenes_with_a_prior_for_each_item():
    rng = np.random.default_rng(0)
    alpha, beta, pi = rng.uniform(0.05, 0.95, 12), rng.uniform(0.05, 0.95, 12), rng.uniform(0.01, 0.99, 40)
    expected = weigh_answers(ANSWERS, confusion_of_two(alpha, beta), np.stack([1 - pi, pi], 1))[:, 1]
    got = posterior_of_votes(VOTES, *(torch.as_tensor(x) for x in (alpha, beta, pi)))
    np.testing.assert_allclose(got, expected)


def test_products_of_many_answers_do_not_vanish():
    votes = torch.ones(1, 5000, dtype=torch.long)
    half = torch.full((5000,), 0.5)
    assert posterior_of_votes(votes, half, half, torch.tensor([0.3])).item() == pytest.approx(0.3)
    weak = torch.full((5000,), 0.501)
    assert posterior_of_votes(votes, weak, weak, torch.tensor([0.5])).item() > 0.99999


def test_the_m_step_is_dawid_and_skenes():
    mu = torch.rand(40, generator=torch.Generator().manual_seed(0))
    layer = AggregationLayer(12, smoothing=0.5)
    layer.update(mu, VOTES)
    table = estimate_confusion(ANSWERS, np.stack([1 - mu, mu], 1), smoothing=0.5)
    np.testing.assert_allclose(layer.sensitivity, table[:, 1, 1], rtol=1e-5)
    np.testing.assert_allclose(layer.specificity, table[:, 0, 0], rtol=1e-5)


def test_training_and_aggregating_in_turns_finds_truth_and_workers():
    cells = make_mitoses(160, seed=3)
    bright = 60 * cells.truth[:, None, None, None]  # easy to see, so that few steps do
    x = as_input(np.clip(cells.images.astype(int) // 2 + bright, 0, 255).astype(np.uint8))
    made = make_crowd(cells.truth, n_workers=30, answers_per_item=3, seed=4)
    answers = collect_answers(made.worker, made.item, made.label, n_workers=30, n_items=160)
    votes, mu = votes_matrix(answers), torch.as_tensor(vote_shares(answers)[:, 1]).float()
    torch.manual_seed(0)
    model = AggNet(PlainCNN(2, 3, 1, width=4, batch_norm=True), 30)
    by_share = np.mean((mu.numpy() > 0.5) == cells.truth)
    for turn in range(3):
        fit(model, SoftBatches(x, mu, size=32, seed=turn), soft_loss, steps=25, lr=1e-2)
        mu = model.aggregate(x, votes, mu)
    assert np.mean((mu.numpy() > 0.5) == cells.truth) > by_share + 0.1
    assert np.corrcoef(model.layer.sensitivity, made.skill[:, 1])[0, 1] > 0.7


def test_batches_are_pictures_of_the_set_turned_and_mirrored_as_the_seed_says():
    images = torch.arange(9.0).reshape(1, 1, 3, 3)
    batches = SoftBatches(images, torch.tensor([0.7]), size=2, seed=1)
    seen = {tuple(batches(step)[0][0].flatten().tolist()) for step in range(60)}
    assert len(seen) == 8
    again = SoftBatches(images, torch.tensor([0.7]), size=2, seed=1)
    torch.testing.assert_close(again(0), SoftBatches(images, torch.tensor([0.7]), size=2, seed=1)(0))


def test_says_what_is_wrong():
    with pytest.raises(CourseError, match="2 classes"):
        votes_matrix(collect_answers([0], [0], [2]))
    with pytest.raises(CourseError, match="some twice"):
        votes_matrix(collect_answers([0, 0], [0, 0], [1, 0]))
    with pytest.raises(CourseError, match="a target for each"):
        SoftBatches(torch.zeros(3, 1, 4, 4), torch.zeros(2))
