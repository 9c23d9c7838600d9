"""The plain network: what it costs by formula is what it has and does; what it sees by formula is what it sees."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from medcourse.errors import CourseError
from medcourse.models import AutoEncoder, PlainCNN
from medcourse.models.cost import layer_costs, receptive_field, total_cost, training_bytes
from medcourse.models.plain import as_input, network_for, plain_layers


@pytest.mark.parametrize(("dims", "channels", "side"), [(2, 1, 28), (2, 3, 17), (3, 1, 16), (3, 2, 13)])
def test_counts_agree_with_torch(dims, channels, side):
    net = PlainCNN(dims, channels, 3, width=4, depth=3)
    cost = total_cost(net.layers, in_channels=channels, side=side, dims=dims)
    assert cost.parameters == sum(p.numel() for p in net.parameters())
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, channels, *[side] * dims))
    assert cost.flops == counter.get_total_flops()


def test_values_are_what_the_layers_give():
    net, seen = PlainCNN(2, width=2, depth=2), []
    for module in net.features:
        if not isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(lambda *a: seen.append(a[2][0].numel()))
    net(torch.zeros(1, 1, 12, 12))
    costs = layer_costs(net.layers, in_channels=1, side=12, dims=2)
    assert [cost.values for cost in costs] == [*seen, 4, 2]
    assert total_cost(net.layers, in_channels=1, side=12, dims=2).values == 144 + sum(seen) + 6


def test_a_batch_doubles_the_values_and_not_the_weights():
    cost = total_cost(plain_layers(), in_channels=1, side=16, dims=3)
    assert training_bytes(cost, batch=2) - training_bytes(cost, batch=1) == 4 * cost.values
    assert training_bytes(cost, batch=0) == 16 * cost.parameters


@pytest.mark.parametrize(("depth", "kernel"), [(1, 3), (2, 3), (3, 3), (2, 5)])
def test_the_receptive_field_is_where_the_gradient_is(depth, kernel):
    net = PlainCNN(2, width=1, depth=depth, kernel=kernel)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    layers = torch.nn.Sequential(
        *(torch.nn.AvgPool2d(2) if isinstance(m, torch.nn.MaxPool2d) else m for m in net.features)
    )
    image = torch.ones(1, 1, 64, 64, requires_grad=True)
    maps = layers(image)
    middle = maps.shape[-1] // 2
    maps[0, 0, middle, middle].backward()
    rows = torch.nonzero(image.grad[0, 0].sum(1)).ravel()
    assert len(rows) == receptive_field(net.layers)[0]
    assert receptive_field(net.layers)[1] == 2**depth


def test_inputs_are_the_middle_slices():
    cube = np.random.default_rng(0).random((2, 8, 8, 8))
    three = as_input(cube, "2.5D")
    np.testing.assert_allclose(three[:, 0], cube[:, 4], rtol=1e-6)
    np.testing.assert_allclose(three[:, 1], cube[:, :, 4], rtol=1e-6)
    np.testing.assert_allclose(three[:, 2], cube[:, :, :, 4], rtol=1e-6)
    np.testing.assert_array_equal(as_input(cube, "2D")[:, 0], three[:, 0])
    assert as_input(cube[:, :6], "3D").shape == (2, 1, 6, 8, 8)


def test_a_slice_does_not_keep_its_volume_in_memory():
    slices = torch.as_tensor(as_input(np.zeros((2, 8, 8, 8), dtype=np.float32), "2D"))
    assert slices.untyped_storage().nbytes() == 2 * 8 * 8 * 4


@pytest.mark.parametrize("kind", ["2D", "2.5D", "3D"])
def test_the_network_takes_its_input(kind):
    net = network_for(kind, batch_norm=True, dropout=0.5)
    assert net(torch.as_tensor(as_input(np.zeros((4, 8, 8, 8)), kind))).shape == (4, 2)


def test_dropout_and_batch_norm_are_quiet_in_evaluation():
    net = PlainCNN(2, batch_norm=True, dropout=0.5).eval()
    x = torch.randn(3, 1, 16, 16)
    assert torch.equal(net(x), net(x))
    assert torch.allclose(net(x)[:1], net(x[:1]), atol=1e-6), "one image does not depend on its neighbours in the batch"


def test_the_auto_encoder_gives_images_back_through_its_code():
    auto = AutoEncoder(3, 16, code=5)
    x = torch.randn(2, 3, 16, 16)
    assert auto.encode(x).shape == (2, 5)
    assert torch.equal(auto(x), auto.decode(auto.encode(x)))
    assert auto(x).shape == x.shape


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: PlainCNN(4), "dims must be 2 or 3"),
        (lambda: plain_layers(kernel=4), "odd kernel"),
        (lambda: AutoEncoder(1, 18, code=4), "multiple of 4"),
        (lambda: as_input(np.zeros((1, 4, 8, 8)), "2.5D"), "2.5D needs cubes"),
        (lambda: as_input(np.zeros((1, 8, 8, 8)), "4D"), "kind must be one of 2D, 2.5D, 3D"),
        (lambda: as_input(np.zeros((8, 8, 8)), "3D"), r"shape \(N, Z, Y, X\)"),
        (lambda: network_for("1D"), "kind must be one of"),
        (lambda: total_cost(plain_layers(depth=4), in_channels=1, side=8, dims=2), "nothing is left for layer 8"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(CourseError, match=said):
        wrong()
