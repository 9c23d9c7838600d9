"""Slices with fluid, the network that marks it, and weights as text."""

import numpy as np
import pytest
import torch
from torch import nn

from medcourse import datasets, models
from medcourse.datasets.fluid import ILLNESSES
from medcourse.errors import CourseError


@pytest.fixture(scope="module")
def eyes():
    return datasets.make_fluid_bscans(12, width_px=128, n_averages=(4, 1), seed=3)


def test_only_eyes_with_fluid_have_fluid_and_it_is_dark(eyes):
    wet = np.array(["fluid" in illness for illness in eyes.illness])
    assert wet.tolist() == [any("fluid" in kind for kind in ILLNESSES[i % 6]) for i in range(12)]
    assert eyes.fluid.any((1, 2)).tolist() == wet.tolist()
    rows = np.arange(64)[:, None]
    retina = (rows > 30) & (rows < eyes.membrane_row) & ~eyes.fluid
    assert eyes.images[eyes.fluid].mean() < 0.5 * eyes.images[retina].mean()
    assert not eyes.fluid[:, eyes.membrane_row :].any()  # nothing below Bruch's membrane


def test_a_device_that_averages_fewer_frames_leaves_more_speckle(eyes):
    assert eyes.device.tolist() == [0] * 6 + [1] * 6
    # Healthy eyes, first of each device: fluctuations from column to column within a layer.
    rough = [np.abs(np.diff(eyes.images[i][40:50], axis=1)).mean() for i in (0, 6)]
    assert rough[1] > 1.3 * rough[0]
    # The device changes the picture and not the eye.
    same = datasets.make_fluid_bscans(12, width_px=128, n_averages=(4, 4), seed=3)
    assert np.array_equal(same.fluid, eyes.fluid)
    assert np.array_equal(same.images[:6], eyes.images[:6])
    assert not np.array_equal(same.images[6:], eyes.images[6:])


def test_an_eye_depends_on_the_seed_and_on_its_number_alone(eyes):
    fewer = datasets.make_fluid_bscans(2, width_px=128, n_averages=(4, 1), seed=3)
    assert np.array_equal(fewer.images, eyes.images[:2])
    other = datasets.make_fluid_bscans(2, width_px=128, n_averages=(4, 1), seed=4)
    assert not np.array_equal(other.fluid[1], eyes.fluid[1])
    assert "SIMULATED" in eyes.description
    with pytest.raises(CourseError, match="number of devices"):
        datasets.make_fluid_bscans(1, n_averages=())
    with pytest.raises(CourseError, match="width_px"):
        datasets.make_fluid_bscans(1, width_px=32)


def test_the_network_sees_as_far_as_it_says_and_knows_the_depth():
    torch.manual_seed(0)
    net = models.FluidNet().eval()
    image = torch.rand(1, 1, 64, 80).requires_grad_()
    net(image)[0, 0, 32, 40].backward()
    seen = torch.nonzero(image.grad[0, 0])
    assert (seen - torch.tensor([32, 40])).abs().max() == 16
    flat = net(torch.full((1, 1, 64, 80), 0.5))[0, 0, :, 40]
    assert flat[16:48].std() > 0  # an image without anything to see still has depths


def test_weights_come_back_from_text():
    torch.manual_seed(0)
    net = models.FluidNet(channels=4)
    net(torch.rand(4, 1, 16, 16))  # running statistics of batch normalisation
    text = models.weights_to_text(net)
    assert max(map(len, text.splitlines())) <= 100
    other = models.weights_from_text(models.FluidNet(channels=4), "\n   ".join(text.splitlines()))
    assert not other.training
    x = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(other(x), net.eval()(x), rtol=0.02, atol=0.02)
    again = models.weights_to_text(other)
    assert again == text  # rounded once


def test_text_that_was_damaged_or_is_of_another_network_is_refused():
    text = models.weights_to_text(nn.Linear(30, 3))
    for damaged in ("", text[:-8], text[:20] + "AAAA" + text[24:], "é" + text):
        with pytest.raises(CourseError, match="damaged"):
            models.weights_from_text(nn.Linear(30, 3), damaged)
    with pytest.raises(CourseError, match="expected the 94 numbers of this network, got 93"):
        models.weights_from_text(nn.Linear(93, 1), text)
    with pytest.raises(CourseError, match="at most 50000"):
        models.weights_to_text(nn.Linear(300, 300))
    huge = nn.Linear(2, 1)
    nn.init.constant_(huge.weight, 1e6)
    with pytest.raises(CourseError, match="65504"):
        models.weights_to_text(huge)
