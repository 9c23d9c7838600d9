"""Reading layers, folds by patient, linear probes: what must hold whatever the network."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.errors import CourseError
from medcourse.models.probes import (
    ProbedNet,
    cross_validated_auc,
    fit_head,
    outputs_of,
    patient_folds,
    read_layers,
    scale_block,
)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            first=nn.Conv2d(1, 3, 3), relu=nn.ReLU(), flat=nn.Flatten(), drop=nn.Dropout(0.5), last=nn.Linear(3 * 36, 4)
        )
    )


def n_hooks(net):
    return sum(len(module._forward_hooks) for module in net.modules())


def test_layers_give_what_the_network_computes(net):
    x = torch.randn(5, 1, 8, 8)
    found = read_layers(net, ["last", "first"], x, batch=2)
    assert list(found) == ["last", "first"]
    assert found["first"].shape == (5, 3 * 36)
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(found["first"], net.first(x).flatten(1), rtol=1e-5)
        np.testing.assert_allclose(found["last"], net(x), rtol=1e-4, atol=1e-6)


def test_no_hook_stays_and_the_mode_comes_back_whatever_happens(net):
    net.train()
    read_layers(net, ["first"], torch.zeros(2, 1, 8, 8))
    assert n_hooks(net) == 0
    assert net.training
    with pytest.raises(RuntimeError, match="channels"):
        outputs_of(net, ["first"], torch.zeros(2, 2, 8, 8))
    with pytest.raises(CourseError, match="no layer 'third'; it has first, relu"):
        outputs_of(net, ["first", "third"], torch.zeros(2, 1, 8, 8))
    assert n_hooks(net) == 0
    assert net.training


def test_nobody_is_in_training_and_test():
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 30, 90)
    labels = patients % 3 == 0
    folds = patient_folds(labels, patients, n_folds=4, seed=1)
    assert len(folds) == 4
    for train, test in folds:
        assert not set(patients[train]) & set(patients[test])
        assert 0 < labels[test].mean() < 1
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(90))


def test_a_block_is_scaled_by_its_training_films():
    train, test = np.array([[1.0, 5, 2], [3.0, 5, 6]]), np.array([[2.0, 7, 4]])
    known, asked = scale_block(train, test)
    np.testing.assert_allclose(known, np.array([[-1, 0, -1], [1, 0, 1]]) / np.sqrt(3))
    np.testing.assert_allclose(asked, [[0, 0, 0]])


def test_noise_gives_an_auc_of_one_half_and_a_cue_one():
    rng = np.random.default_rng(1)
    labels = np.tile([True, False], 100)
    folds = patient_folds(labels, np.arange(200))
    noise = rng.normal(size=(200, 300))
    assert abs(cross_validated_auc([noise], labels, folds) - 0.5) < 0.12
    cue = labels[:, None] + 0.3 * rng.normal(size=(200, 2))
    assert cross_validated_auc([cue], labels, folds) > 0.95
    # A large block of noise beside two good columns does not drown them.
    assert cross_validated_auc([cue, noise], labels, folds) > 0.9


def test_a_head_scores_as_the_svm_does_and_the_probe_as_both(net):
    x = torch.randn(30, 1, 8, 8)
    labels = (x.mean(dim=(1, 2, 3)) > 0).numpy()
    features = read_layers(net, ["first"], x)["first"]
    features[:, 0] = 2.0  # a column that does not vary
    weight, bias = fit_head(features, labels)
    assert weight[0] == 0
    scores = features @ weight + bias
    assert ((scores > 0) == labels).mean() > 0.9
    probe = ProbedNet(net, "first", {"bright": (weight, bias), "dark": (-weight, -bias)})
    with torch.no_grad():
        got = probe(x).numpy()
    np.testing.assert_allclose(got, np.stack([scores, -scores], axis=1), rtol=1e-3, atol=1e-4)
    x.requires_grad_()
    probe(x)[:, 0].sum().backward()
    assert x.grad.abs().sum() > 0
