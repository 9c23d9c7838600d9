import numpy as np
import pytest
import torch
from torch.nn import functional

from medcourse.models.vessels import Together, VesselNet, each_mean_loss, vessel_probability


def test_the_papers_network_has_its_sizes():
    net = VesselNet()
    counts = [parameter.numel() for parameter in net.parameters()]
    conv1, conv2 = 3 * 16 * 64 + 64, 64 * 16 * 64 + 64
    # 31 - 3 = 28; pooled 14 and 7.
    assert sum(counts) == conv1 + 2 * conv2 + (64 * 7 * 7 + 1) * 256 + (256 + 1) * 2
    assert net(torch.zeros(2, 3, 31, 31)).shape == (2, 2)
    assert net.grid == 7


def test_same_padding_is_pytorchs_own():
    net = VesselNet(maps=2, hidden=3).eval()
    x = torch.randn(2, 2, 9, 11)
    with pytest.warns(UserWarning, match="padding='same'"):
        expected = functional.conv2d(x, net.conv2.weight, net.conv2.bias, padding="same").relu()
    torch.testing.assert_close(net._convolve(net.conv2, x), expected)


def test_logits_of_known_weights():
    # All weights of a layer equal: each neuron sees the mean of what it is given, so ones stay ones without padding.
    net = VesselNet(side_px=16, maps=2, hidden=3, padding="valid").eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim > 1 else 0.0)
        torch.testing.assert_close(net(torch.ones(1, 3, 16, 16)), torch.ones(1, 2))
        torch.testing.assert_close(net(-torch.ones(1, 3, 16, 16)), torch.zeros(1, 2))


@pytest.mark.parametrize("side_px", [16, 21, 24, 31])
def test_a_whole_picture_gives_what_its_patches_give(side_px):
    torch.manual_seed(0)
    net = VesselNet(side_px=side_px, maps=3, hidden=5, padding="valid").eval()
    image = torch.randn(1, 3, side_px + 6, side_px + 9)
    with torch.no_grad():
        dense = net.dense(image)
        patches = image.unfold(2, side_px, 1).unfold(3, side_px, 1)  # (1, 3, H, W, side, side)
        one_by_one = net(patches[0].permute(1, 2, 0, 3, 4).flatten(0, 1)).T.reshape(1, 2, 7, 10)
    torch.testing.assert_close(dense, one_by_one, atol=1e-5, rtol=1e-5)


def test_a_network_that_pads_refuses_a_whole_picture_and_patches_can_be_too_small():
    with pytest.raises(ValueError, match="padding='valid'"):
        VesselNet(maps=2).dense(torch.zeros(1, 3, 40, 40))
    with pytest.raises(ValueError, match="two poolings"):
        VesselNet(side_px=9, padding="valid")


def test_probability_of_a_pixel_is_that_of_the_patch_around_it():
    torch.manual_seed(1)
    nets = [VesselNet(side_px=17, maps=3, hidden=4, padding="valid").eval() for _ in range(2)]
    image = torch.randn(3, 40, 33)
    got = vessel_probability(nets, image, strip_px=17)
    assert got.shape == (2, 40, 33)
    with torch.no_grad():
        patch = image[None, :, 20 - 8 : 20 + 9, 11 - 8 : 11 + 9]
        expected = torch.stack([net(patch).softmax(1)[0, 1] for net in nets])
    torch.testing.assert_close(got[:, 20, 11], expected)
    torch.testing.assert_close(vessel_probability(nets, image), got)


def small(seed, dropout=0.0):
    torch.manual_seed(seed)
    return VesselNet(side_px=15, maps=2, hidden=4, dropout=dropout)


def test_together_they_say_what_each_says():
    nets = [small(seed).eval() for seed in range(3)]
    x = torch.randn(3, 5, 3, 15, 15)
    expected = torch.stack([net(batch) for net, batch in zip(nets, x, strict=True)])
    torch.testing.assert_close(Together(nets).eval()(x), expected)


def test_together_they_learn_what_each_learns_alone():
    nets, together = [small(seed) for seed in range(3)], Together([small(seed) for seed in range(3)])
    x, target = torch.randn(3, 8, 3, 15, 15), torch.randint(0, 2, (3, 8))
    optimiser = torch.optim.Adam(together.parameters(), lr=0.01)
    alone = [torch.optim.Adam(net.parameters(), lr=0.01) for net in nets]
    for _ in range(3):
        optimiser.zero_grad()
        each_mean_loss(together(x), target).backward()
        optimiser.step()
        for net, own, batch, truth in zip(nets, alone, x, target, strict=True):
            own.zero_grad()
            functional.cross_entropy(net(batch), truth).backward()
            own.step()
    for net, other in zip(nets, together.unstack(), strict=True):
        for mine, its in zip(net.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(mine, its, atol=2e-4, rtol=1e-3)


def test_dropout_differs_between_members_in_training_and_is_off_after():
    together = Together([small(0, dropout=0.5)] * 2)
    x = torch.randn(1, 4, 3, 15, 15).expand(2, -1, -1, -1, -1)
    torch.manual_seed(0)
    a, b = together.train()(x)
    assert (a - b).abs().max() > 1e-3
    a, b = together.eval()(x)
    torch.testing.assert_close(a, b)


def test_copies_do_not_learn_with_the_originals():
    net = small(0)
    before = [parameter.clone() for parameter in net.parameters()]
    together = Together([net])
    with torch.no_grad():
        for parameter in together.parameters():
            parameter.add_(1)
    for parameter, old in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.detach(), old.detach())


def test_no_networks_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        Together([])
