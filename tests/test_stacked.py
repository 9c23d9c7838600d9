"""The stacked denoising auto-encoder, its greedy training, and the mixture beside it."""

import numpy as np
import pytest
import torch

from medcourse.errors import CourseError
from medcourse.models.blasts import BlastMixture
from medcourse.models.stacked import DenoisingLayer, StackedClassifier, corrupt
from medcourse.training import fit_greedily

CPU = torch.device("cpu")


def line(n, seed=0):
    """Ten features that are all one number: each tells all others."""
    return torch.randn(n, 1, generator=torch.Generator().manual_seed(seed)).expand(n, 10)


def test_corruption_zeroes_the_share_asked_for_and_nothing_else():
    x = torch.full((4000, 10), 3.0)
    spoiled = corrupt(x, 0.3, torch.Generator().manual_seed(0))
    assert (spoiled == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert set(spoiled.unique().tolist()) == {0.0, 3.0}
    assert (x == 3).all()
    assert torch.equal(corrupt(x, 0.0), x)
    with pytest.raises(CourseError, match="share"):
        corrupt(x, 1.0)


def test_a_layer_spoils_its_input_in_training_only():
    layer = DenoisingLayer(10, 4, corruption=0.5)
    x = line(64)
    torch.manual_seed(0)
    layer.train()
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    assert torch.equal(layer.decoder(layer.encode(x)), layer(x))


def test_sizes_are_those_asked_for():
    net = StackedClassifier()
    assert (
        sum(p.numel() for p in net.layers.parameters()) == 2 * (10 * 20 + 20 * 10 + 10 * 5) + 20 + 10 + 10 + 20 + 5 + 10
    )
    assert net.encode(torch.zeros(3, 10)).shape == (3, 5)
    assert net(torch.zeros(3, 10)).shape == (3,)
    with pytest.raises(CourseError, match="widths"):
        StackedClassifier((10,))


def test_decoders_play_no_part_in_the_classifier():
    net = StackedClassifier()
    net(torch.randn(4, 10)).sum().backward()
    for layer in net.layers:
        assert layer.decoder.weight.grad is None
        assert layer.encoder.weight.grad.abs().sum() > 0


def test_greedy_training_learns_to_fill_in_what_was_lost():
    torch.manual_seed(0)
    layers = [DenoisingLayer(10, 6, corruption=0.3), DenoisingLayer(6, 3, corruption=0.0)]
    x = line(2000)
    before = ((layers[0].eval()(corrupt(x, 0.3)) - x) ** 2).mean().item()
    histories = fit_greedily(layers, lambda step: line(128, seed=step), steps=150, lr=2e-2, device=CPU)
    after = ((layers[0](corrupt(x, 0.3)) - x) ** 2).mean().item()
    assert [len(history.loss) for history in histories] == [150, 150]
    assert after < 0.1
    assert before > 0.5
    # The second layer works on codes of the first, which have no more than one dimension here.
    assert histories[1].loss[-1] < 0.1 * histories[1].loss[0]


def test_greedy_training_leaves_earlier_layers_alone():
    torch.manual_seed(0)
    layers = [DenoisingLayer(10, 6), DenoisingLayer(6, 3)]
    fit_greedily(layers[:1], lambda step: line(32, seed=step), steps=5, device=CPU)
    kept = {name: value.clone() for name, value in layers[0].state_dict().items()}
    # The first layer is now "below": training what is above must not move it.
    torch.manual_seed(1)
    fit_greedily(
        [layers[0].requires_grad_(False), layers[1]][1:],
        lambda step: layers[0].encode(line(32, step)),
        steps=5,
        device=CPU,
    )
    for name, value in layers[0].state_dict().items():
        assert torch.equal(value, kept[name])


def test_each_layer_sees_clean_codes_of_those_below():
    class Spy(DenoisingLayer):
        def forward(self, x):
            self.seen = x.detach().clone()
            return super().forward(x)

    torch.manual_seed(0)
    layers = [DenoisingLayer(10, 6, corruption=0.5), Spy(6, 3, corruption=0.5)]
    fit_greedily(layers, lambda step: line(32, seed=step), steps=4, device=CPU)
    torch.testing.assert_close(layers[1].seen, layers[0].encode(line(32, seed=3)).detach())


def test_the_mixture_finds_a_small_clone_between_large_crowds():
    rng = np.random.default_rng(0)
    crowd = np.concatenate([rng.normal(m, 0.5, (3000, 4)) for m in (-2, 2)])
    clone = rng.normal((0, 2.5, -2.5, 0), 0.3, (200, 4))
    mixture = BlastMixture(n_components=4, seed=0).fit_marrow(crowd).fit_blasts(clone[:40])
    assert np.mean(mixture.log_ratio(clone[40:]) > np.log(100)) > 0.95
    assert np.mean(mixture.log_ratio(crowd) > 0) < 0.001


def test_the_mixture_chooses_how_many_clones_there_are():
    rng = np.random.default_rng(1)
    marrow = rng.normal(0, 1, (800, 2))
    apart = np.concatenate([rng.normal(m, 0.2, (40, 2)) for m in (-4, 4)])
    mixture = BlastMixture(n_components=2).fit_marrow(marrow).fit_blasts(apart)
    # Between two clones there is nothing: one wide component would say otherwise.
    assert mixture.log_ratio(np.array([[0.0, 0.0]])).item() < -10 < mixture.log_ratio(np.array([[4.0, 4.0]])).item()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.log_ratio(np.zeros((2, 2))), "expected fit_blasts before"),
        (lambda m: m.log_marrow(np.zeros((2, 2))), "expected fit_marrow before"),
        (lambda m: m.fit_marrow(np.zeros((3, 2))), "at least 8 events"),
        (lambda m: m.fit_blasts(np.zeros((1, 2))), "at least 2"),
    ],
)
def test_what_is_missing_is_said(call, said):
    with pytest.raises(CourseError, match=said):
        call(BlastMixture(n_components=4))
