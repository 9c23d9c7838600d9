"""The DCGAN of unit 13, the search in its latent space, and the weights that ship."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.datasets import make_oct_patches
from medcourse.errors import CourseError
from medcourse.models import anogan

TINY = (8, 8, 4, 4)


def tiny(seed=0):
    torch.manual_seed(seed)
    generator = anogan.Generator(latent=6, widths=TINY)
    for parameter in generator.parameters():  # first weights are so small that all pictures are grey
        nn.init.normal_(parameter, std=0.3)
    return generator.eval(), anogan.Discriminator(widths=TINY).eval()


def count(net):
    return sum(parameter.numel() for parameter in net.parameters())


def test_sizes_by_hand():
    w0, w1, w2, w3 = 16, 8, 4, 2
    generator = anogan.Generator(latent=10, widths=(w0, w1, w2, w3))
    norms = 2 * (w0 + w1 + w2 + w3)
    assert count(generator) == 10 * w0 * 16 + 25 * (w0 * w1 + w1 * w2 + w2 * w3 + w3) + 1 + norms
    discriminator = anogan.Discriminator(widths=(w0, w1, w2, w3))
    kernels = 25 * (w3 + w3 * w2 + w2 * w1 + w1 * w0) + (w3 + w2 + w1 + w0)
    assert count(discriminator) == kernels + 2 * (w2 + w1 + w0) + 16 * w0 + 1


def test_pictures_lie_between_black_and_white_and_the_logit_is_linear_in_the_features():
    generator, discriminator = tiny()
    images = generator(generator.draw(5, seed=1))
    assert images.shape == (5, 1, 64, 64)
    assert images.abs().max() <= 1
    features = discriminator.features(images)
    assert features.shape == (5, TINY[0] * 16)
    torch.testing.assert_close(discriminator(images), discriminator.to_logit(features)[:, 0])


def test_codes_are_uniform_and_repeat():
    generator, _ = tiny()
    z = generator.draw(4000, seed=3)
    assert z.min() >= -1
    assert z.max() <= 1
    assert float(z.var()) == pytest.approx(1 / 3, rel=0.03)
    torch.testing.assert_close(z, generator.draw(4000, seed=3))


def test_the_auto_encoder_is_made_of_the_same_layers():
    net = anogan.PatchAutoEncoder(latent=6, widths=TINY).eval()
    x = torch.rand(2, 1, 64, 64)
    assert net(x).shape == x.shape
    generator, discriminator = anogan.Generator(latent=6, widths=TINY), anogan.Discriminator(widths=TINY)
    assert count(net) == count(generator) + count(discriminator) + (6 - 1) * (TINY[0] * 16 + 1)


def test_the_search_finds_a_picture_that_the_generator_can_make():
    generator, discriminator = tiny()
    with torch.no_grad():
        images = generator(generator.draw(4, seed=9))
    start = anogan.search_latent(generator, discriminator.features, images, steps=0, weight=0.0)
    end = anogan.search_latent(generator, discriminator.features, images, steps=150, weight=0.0)
    assert (end.residual < 0.35 * start.residual).all()
    torch.testing.assert_close(end.residual, (images - end.nearest).abs().sum((1, 2, 3)))


def test_the_score_is_the_weighted_sum_that_the_paper_gives():
    generator, discriminator = tiny()
    images = torch.rand(3, 1, 64, 64)
    found = anogan.search_latent(generator, discriminator.features, images, steps=3, weight=0.25, keep=(0, 3))
    torch.testing.assert_close(found.score, 0.75 * found.residual + 0.25 * found.discrimination)
    torch.testing.assert_close(found.scores[3], found.score)
    with torch.no_grad():
        distance = (discriminator.features(images) - discriminator.features(found.nearest)).abs().sum(1)
    torch.testing.assert_close(found.discrimination, distance)
    assert sorted(found.scores) == [0, 3]


def test_each_image_is_searched_as_if_alone():
    generator, discriminator = tiny()
    images = torch.rand(3, 1, 64, 64)
    together = anogan.search_latent(generator, discriminator.features, images, steps=5)
    first = anogan.search_latent(generator, discriminator.features, images[:1], steps=5)
    torch.testing.assert_close(together.z[:1], first.z, rtol=1e-3, atol=1e-4)


def test_the_search_leaves_the_networks_as_they_were():
    generator, discriminator = tiny()
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    anogan.search_latent(generator, discriminator.features, torch.rand(2, 1, 64, 64), steps=2)
    for key, value in generator.state_dict().items():
        torch.testing.assert_close(value, before[key])
    assert all(parameter.requires_grad and parameter.grad is None for parameter in generator.parameters())


def test_wrong_use_is_refused():
    generator, discriminator = tiny()
    images = torch.rand(1, 1, 64, 64)
    with pytest.raises(CourseError, match="evaluation mode"):
        anogan.search_latent(generator.train(), discriminator.features, images)
    generator.eval()
    with pytest.raises(CourseError, match="weight in"):
        anogan.search_latent(generator, discriminator.features, images, weight=2)
    with pytest.raises(CourseError, match="keep in 0 to steps"):
        anogan.search_latent(generator, discriminator.features, images, steps=5, keep=(6,))
    with pytest.raises(CourseError, match="4 numbers"):
        anogan.Generator(widths=(8, 8))


# The weights that ship


def test_shipped_weights_are_recorded_and_small():
    folder = Path(anogan.__file__).parent / "weights"
    record = json.loads((folder / "anogan_oct.json").read_text())
    assert sorted(record) == [str(seed) for seed in range(anogan.N_SHIPPED)]
    assert sum(path.stat().st_size for path in folder.glob("anogan_oct_*.npz")) < 5e6
    for seed, entry in record.items():
        assert entry["command"] == f"python bench/anogan.py {seed}"
    with pytest.raises(CourseError, match=r"expected a seed of 0.*got 7"):
        anogan.load_oct_networks(7)


@pytest.mark.parametrize("seed", range(anogan.N_SHIPPED))
def test_a_shipped_generator_makes_a_retina_and_different_ones(seed):
    nets = anogan.load_oct_networks(seed)
    real = 2 * make_oct_patches(12, patches_per_eye=4, seed=77).images - 1
    with torch.no_grad():
        made = nets.generator(nets.generator.draw(48, seed=0))[:, 0].numpy()
    profiles = real.mean(axis=2), made.mean(axis=2)
    assert np.corrcoef(profiles[0].mean(0), profiles[1].mean(0))[0, 1] > 0.95, "layers lie where they belong"
    # Not one picture again and again: the height of the retina varies about as much as among eyes.
    spreads = [profile[:, 8:24].mean(1).std() for profile in profiles]
    assert 0.4 < spreads[1] / spreads[0] < 2.0


def test_the_shipped_auto_encoder_rebuilds_healthy_patches_better_than_their_mean():
    nets = anogan.load_oct_networks(0)
    x = 2 * torch.as_tensor(make_oct_patches(12, patches_per_eye=4, seed=78).images)[:, None] - 1
    with torch.no_grad():
        error = ((nets.auto_encoder(x) - x) ** 2).mean()
    assert error < 0.5 * ((x - x.mean(0)) ** 2).mean()
