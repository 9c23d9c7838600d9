"""Maps of importance on networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.errors import CourseError
from medcourse.models.explain import (
    grad_cam,
    gradient_map,
    gradient_times_input,
    occlusion_map,
    randomised,
    similarity,
)


def weigh(weights):
    """A network whose second score is the sum of pixels times these weights."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(weights.numel(), 2))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[1] = weights.flatten()
    return net


def test_the_gradient_of_a_weighted_sum_is_its_weights():
    weights = torch.randn(2, 6, 5)
    image = torch.rand(2, 6, 5)
    np.testing.assert_allclose(gradient_map(weigh(weights), image, 1), weights.abs().amax(0), rtol=1e-6)
    np.testing.assert_allclose(
        gradient_times_input(weigh(weights), image, 1), (weights * image).sum(0), rtol=1e-5, atol=1e-7
    )
    assert not gradient_map(weigh(weights), image, 0).any()


def test_hiding_what_counts_lowers_the_score_by_it():
    weights = torch.zeros(1, 8, 8)
    weights[0, 2:4, 2:4] = 1
    image = torch.ones(1, 8, 8)
    found = occlusion_map(weigh(weights), image, 1, side=2, stride=2, fill=0.0)
    expected = np.zeros((8, 8))
    expected[2:4, 2:4] = 4
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not occlusion_map(weigh(weights), image, 1, side=2, stride=2, fill=1.0).any()


def test_squares_reach_the_border_and_overlaps_are_averaged():
    image = torch.rand(1, 7, 9)
    found = occlusion_map(weigh(torch.ones(1, 7, 9)), image, 1, side=4, stride=3, fill=0.0)
    assert (found > 0).all()
    corner = image[0, 3:, 5:].sum()  # the last square, the only one that covers the last pixel
    assert found[-1, -1] == pytest.approx(float(corner), rel=1e-5)


@pytest.mark.parametrize("wrong", [{"side": 9}, {"side": 0}, {"stride": 0}])
def test_squares_that_do_not_fit_are_refused(wrong):
    with pytest.raises(CourseError, match="side must be"):
        occlusion_map(weigh(torch.ones(1, 8, 8)), torch.ones(1, 8, 8), 1, **wrong)


def test_grad_cam_lights_up_where_the_map_that_counts_is_active():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0])[:, None, None, None])
        net[4].weight.copy_(torch.tensor([[1.0, 0.0]]))
    image = -torch.ones(1, 8, 8)
    image[0, :4] = 1
    cam = grad_cam(net, image, 0, layer="0")
    assert cam[:3].min() > 0
    assert cam[5:].max() == 0
    assert not net[0]._forward_hooks


def test_a_randomised_layer_has_the_same_spread_and_the_others_are_untouched():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 40), nn.Linear(40, 3))
    before = net[0].weight.detach().clone()
    other = randomised(net, ["0"], seed=3)
    torch.testing.assert_close(net[0].weight, before)
    torch.testing.assert_close(other[1].weight, net[1].weight)
    assert other[0].weight.std().item() == pytest.approx(before.std().item(), rel=0.05)
    assert abs(np.corrcoef(other[0].weight.detach().flatten(), before.flatten())[0, 1]) < 0.1
    torch.testing.assert_close(randomised(net, ["0"], seed=3)[0].weight, other[0].weight)


def test_similarity_is_of_ranks_and_ignores_the_sign():
    one = np.arange(12.0).reshape(3, 4)
    assert similarity(one, -(one**3)) == pytest.approx(1)
    assert similarity(one, one[::-1, ::-1]) == pytest.approx(-1)
