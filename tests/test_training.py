import pytest
import torch
from torch import nn

from medcourse.device import autocast, pick_device
from medcourse.training import fit

CPU = torch.device("cpu")


def line_batch(_step):
    x = torch.linspace(-1, 1, 16)[:, None]
    return x, 3 * x + 1


def squared(output, target):
    return (output - target).square().mean()


def test_it_finds_a_line_and_says_how_the_loss_fell():
    net = nn.Linear(1, 1)
    history = fit(net, line_batch, squared, steps=300, lr=0.1, device=CPU)
    assert net.weight.item() == pytest.approx(3, abs=0.05)
    assert net.bias.item() == pytest.approx(1, abs=0.05)
    assert len(history.loss) == 300
    assert history.loss[-1] < 1e-2 * history.loss[0]
    assert history.seconds > 0
    assert not net.training


def test_the_same_seed_trains_the_same_network():
    losses = []
    for _ in range(2):
        torch.manual_seed(4)
        losses.append(fit(nn.Linear(1, 1), line_batch, squared, steps=5, device=CPU).loss)
    assert losses[0] == losses[1]


def test_every_target_goes_to_the_loss_and_steps_are_numbered():
    seen = []

    def batch(step):
        seen.append(step)
        return torch.ones(2, 1), torch.ones(2, 1), torch.full((2, 1), 5.0)

    fit(
        nn.Linear(1, 1),
        batch,
        lambda output, target, weight: (weight * (output - target) ** 2).mean(),
        steps=3,
        device=CPU,
    )
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(("max_norm", "left"), [(None, 64.0), (2.0, 2.0), (100.0, 64.0)])
def test_a_gradient_that_is_too_long_is_shortened(max_norm, left):
    net = nn.Linear(1, 1, bias=False)
    fit(net, lambda _: (torch.full((1, 1), 64.0),), torch.sum, steps=1, max_norm=max_norm, device=CPU)
    assert net.weight.grad.norm().item() == pytest.approx(left, rel=1e-5)


def test_an_input_of_several_tensors_is_handed_over_as_several_arguments():
    net = nn.Bilinear(1, 1, 1)
    history = fit(net, lambda _: ((torch.ones(2, 1), torch.ones(2, 1)), torch.ones(2, 1)), squared, steps=2, device=CPU)
    assert len(history.loss) == 2


@pytest.mark.parametrize("conv", [nn.Conv1d, nn.Conv2d, nn.Conv3d])
def test_networks_of_any_dimension_train(conv):
    shape = (2, 1) + (4,) * {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}[conv]
    history = fit(
        conv(1, 1, 3, padding=1), lambda _: (torch.ones(shape), torch.zeros(shape)), squared, steps=2, device=CPU
    )
    assert history.loss[1] < history.loss[0]


def test_outside_of_a_notebook_a_live_curve_does_no_harm():
    assert len(fit(nn.Linear(1, 1), line_batch, squared, steps=2, device=CPU, live=True).loss) == 2


def test_a_device_that_is_there_is_picked_and_one_can_be_named():
    assert pick_device("cpu") == CPU
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    assert pick_device().type == next(name for name, is_there in there.items() if is_there)
    with autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
