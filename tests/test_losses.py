import numpy as np
import pytest
import torch
from torch.nn import functional

from medcourse.losses import border_weights, soft_dice_loss, weighted_cross_entropy


def test_ridge_between_two_cells_by_hand():
    labels = np.array([[1, 0, 0, 0, 2]])
    ridge = border_weights(labels, w0=10, sigma_px=2) - border_weights(labels, w0=0)
    # d1 + d2 is 4 everywhere between cells one pixel wide: 10 exp(-16 / 8).
    assert ridge == pytest.approx(np.full((1, 5), 10 * np.exp(-2)), rel=1e-5)


def test_class_weights_balance_and_average_to_one():
    labels = np.array([[3, 0, 0, 0], [0, 0, 0, 5]])
    weights = border_weights(labels, w0=0)
    assert weights[labels > 0].sum() == pytest.approx(weights[labels == 0].sum())
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("labels", [np.zeros((4, 5), int), np.ones((4, 5), int), np.eye(4, dtype=int)])
def test_fewer_than_two_cells_have_no_ridge(labels):
    assert np.array_equal(border_weights(labels, w0=10), border_weights(labels, w0=0))
    assert np.isfinite(border_weights(labels)).all()


def test_only_the_two_nearest_cells_count():
    near = np.array([[1, 0, 2, 0, 0, 0, 0, 0, 0, 0]])
    with_third = near.copy()
    with_third[0, 9] = 3
    ridge = [border_weights(labels) - border_weights(labels, w0=0) for labels in (near, with_third)]
    assert ridge[0][0, :4] == pytest.approx(ridge[1][0, :4], rel=1e-5)


def test_weighted_cross_entropy_with_equal_weights_is_torchs():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    ours = weighted_cross_entropy(logits, target, torch.ones(2, 4, 5))
    assert ours == pytest.approx(functional.cross_entropy(logits, target).item(), rel=1e-6)
    assert weighted_cross_entropy(logits, target, torch.full((2, 4, 5), 3.0)) == pytest.approx(3 * ours.item())


def test_soft_dice_of_a_case_done_by_hand():
    # Probability 0.5 everywhere, one pixel of two is foreground: (2 * 0.5 + 1) / (1 + 1 + 1) = 2/3.
    target = torch.tensor([[[0, 1]]])
    assert soft_dice_loss(torch.zeros(1, 2, 1, 2), target).item() == pytest.approx(1 / 3)


def test_soft_dice_of_nothing_is_no_loss_and_of_the_opposite_is_large():
    sure = 50.0 * torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert soft_dice_loss(sure, torch.zeros(1, 4, 4, dtype=torch.long)).item() == pytest.approx(0, abs=1e-6)
    assert soft_dice_loss(sure, torch.ones(1, 4, 4, dtype=torch.long)).item() > 0.9
