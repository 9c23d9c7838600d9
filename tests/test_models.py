import pytest
import torch

from medcourse.models import UNet
from medcourse.models.unet import crop_to
from medcourse.plots.networks import unet_sides


def test_the_papers_network_has_its_sizes():
    with torch.device("meta"):
        net = UNet()
    layers = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]
    assert len(layers) == 23
    assert net.margin == (572 - 388) // 2
    assert sum(parameter.numel() for parameter in net.parameters()) == 31_030_658


@pytest.mark.parametrize(("depth", "side"), [(0, 9), (1, 20), (2, 44), (3, 92)])
def test_margin_says_what_is_lost(depth, side):
    net = UNet(base=2, depth=depth)
    out = net(torch.zeros(1, 1, side, side))
    assert out.shape[-1] == side - 2 * net.margin
    down, up = unet_sides(side, depth)
    assert (up or down)[-1][-1] == out.shape[-1]


def test_rectangles_channels_classes_and_volumes():
    assert UNet(3, 5, base=2, depth=1)(torch.zeros(2, 3, 20, 24)).shape == (2, 5, 4, 8)
    assert UNet(1, 4, base=2, depth=1, dims=3)(torch.zeros(1, 1, 20, 20, 22)).shape == (1, 4, 4, 4, 6)
    same = UNet(1, 2, base=2, depth=2, padding="same")
    assert same.margin == 0
    assert same(torch.zeros(1, 1, 16, 24)).shape == (1, 2, 16, 24)


def test_unpadded_output_moves_with_the_input():
    torch.manual_seed(0)
    net, image = UNet(base=2, depth=2), torch.randn(1, 1, 60, 60)
    with torch.no_grad():
        # Two poolings: the network is equivariant to shifts by 4 pixels, exactly, since nothing is padded.
        assert net(image)[..., 4:, 8:].allclose(net(image[..., 4:, 8:]), atol=1e-6)


def test_padded_and_unpadded_weights_are_interchangeable_away_from_the_border():
    torch.manual_seed(0)
    net, padded = UNet(base=2, depth=1), UNet(base=2, depth=1, padding="same")
    padded.load_state_dict(net.state_dict())
    image = torch.randn(1, 1, 40, 40)
    with torch.no_grad():
        m = net.margin
        assert padded(image)[..., m:-m, m:-m].allclose(net(image), atol=1e-6)


def test_every_weight_learns():
    net = UNet(base=2, depth=2)
    net(torch.randn(2, 1, 44, 44)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_initial_weights_keep_the_variance():
    torch.manual_seed(0)
    weight = UNet(base=64, depth=1).contract[0][2].weight
    assert weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_the_centre_is_kept():
    skip = torch.arange(48.0).reshape(1, 1, 6, 8)
    assert crop_to(skip, torch.zeros(1, 1, 2, 4)).tolist() == [[[[18, 19, 20, 21], [26, 27, 28, 29]]]]
