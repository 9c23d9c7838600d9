"""The registration network, its losses by hand, and that it learns to register."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medcourse.datasets.warped import make_velocity
from medcourse.errors import CourseError
from medcourse.models import RegistrationNet
from medcourse.models.deformation import fold_share, to_displacement, warp
from medcourse.models.voxelmorph import (
    displacement_loss,
    kl_divergence,
    lattice_degree,
    optimise_pair,
    probabilistic_loss,
    random_pairs,
    roughness,
)
from medcourse.training import fit

SMALL = {"encoder": (8, 16, 16), "decoder": (16, 16, 16, 8)}


def test_the_papers_network_has_its_maps_and_half_the_resolution():
    net = RegistrationNet()
    assert [layer.out_channels for layer in net.down] == [16, 32, 32, 32]
    assert [layer.out_channels for layer in [*net.up, *net.last]] == [32, 32, 32, 32, 32, 16, 16]
    assert net(torch.zeros(1, 2, 32, 48)).shape == (1, 4, 16, 24)
    whole = RegistrationNet(diffeomorphic=False)
    assert [layer.out_channels for layer in [*whole.up, *whole.last]] == [32, 32, 32, 32, 32, 16, 16]
    assert whole(torch.zeros(1, 2, 32, 48)).shape == (1, 2, 32, 48)


@pytest.mark.parametrize("diffeomorphic", [True, False])
def test_volumes_go_through_the_same_code(diffeomorphic):
    net = RegistrationNet(dims=3, diffeomorphic=diffeomorphic, encoder=(4, 4), decoder=(4, 4, 4))
    assert net(torch.zeros(1, 2, 8, 12, 16)).shape == ((1, 6, 4, 6, 8) if diffeomorphic else (1, 3, 8, 12, 16))
    assert net.displacement(torch.zeros(1, 2, 7, 9, 10)).shape == (1, 3, 7, 9, 10)


@pytest.mark.parametrize("diffeomorphic", [True, False])
def test_before_training_nothing_moves_by_more_than_half_a_pixel(diffeomorphic):
    torch.manual_seed(0)
    net = RegistrationNet(diffeomorphic=diffeomorphic, **SMALL)
    assert net.displacement(torch.rand(2, 2, 21, 26)).abs().max() < 0.5


def test_padding_does_not_change_what_needs_none():
    torch.manual_seed(0)
    net = RegistrationNet(**SMALL)
    pair = torch.rand(1, 2, 24, 32)
    with torch.no_grad():
        expected = to_displacement(net(pair)[:, :2], (24, 32))
    torch.testing.assert_close(net.displacement(pair), expected)


def test_neighbours_are_counted():
    degree = lattice_degree((3, 4, 5))
    assert degree[1, 1, 1] == 6
    assert degree[0, 0, 0] == 3
    assert degree[0, 1, 1] == 5
    # Each edge has two ends.
    assert degree.sum() == 2 * (2 * 4 * 5 + 3 * 3 * 5 + 3 * 4 * 4)


def test_roughness_is_the_laplacians_quadratic_form():
    field = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    number = torch.arange(12).reshape(3, 4)
    edges = [(number[:-1].flatten(), number[1:].flatten()), (number[:, :-1].flatten(), number[:, 1:].flatten())]
    laplacian = torch.diag(lattice_degree((3, 4)).double().flatten())
    for a, b in edges:
        laplacian[a, b] -= 1
        laplacian[b, a] -= 1
    flat = field.reshape(4, 12)
    expected = torch.einsum("ni,ij,nj->", flat, laplacian, flat) / 48
    torch.testing.assert_close(roughness(field), expected)


def test_the_divergence_of_two_points_by_hand():
    # Two points side by side, in each of two components; each has one neighbour.
    mean = torch.tensor([[[[0.0, 3.0]], [[1.0, 1.0]]]])
    log_variance = torch.tensor([[[[0.0, 0.0]], [[float(np.log(2)), 0.0]]]])
    # lambda D exp(l): 5, 5, 10, 5; minus l: log 2 once; lambda times squared differences, each edge once: 5 * 9.
    expected = 0.5 * 2 * ((5 + 5 + 10 + 5 - np.log(2)) / 4 + 5 * 9 / 4)
    assert float(kl_divergence(mean, log_variance, prior_lambda=5.0)) == pytest.approx(expected)


def test_doubt_is_best_at_the_inverse_of_the_precision():
    log_variance = torch.zeros(1, 2, 6, 6, requires_grad=True)
    optimiser = torch.optim.Adam([log_variance], lr=0.2)
    for _ in range(150):
        optimiser.zero_grad()
        kl_divergence(torch.zeros(1, 2, 6, 6), log_variance, prior_lambda=3.0).backward()
        optimiser.step()
    torch.testing.assert_close(log_variance.exp()[0, 0], 1 / (3.0 * lattice_degree((6, 6))), rtol=1e-2, atol=1e-4)


def test_the_loss_of_a_sure_network_is_error_and_divergence():
    pair = torch.rand(2, 2, 16, 16)
    mean, sure = torch.zeros(2, 2, 8, 8), torch.full((2, 2, 8, 8), -60.0)
    loss = probabilistic_loss(torch.cat([mean, sure], 1), pair, image_sigma=0.1, prior_lambda=2.0)
    error = ((pair[:, 0] - pair[:, 1]) ** 2).mean() / 0.01
    torch.testing.assert_close(loss, error + 60.0)  # 0.5 * 2 * 60 of the logarithm


def test_the_loss_draws_its_velocity_from_the_doubt():
    pair = torch.rand(1, 2, 16, 16)
    output = torch.cat([torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)], 1)
    torch.manual_seed(0)
    one, two = (float(probabilistic_loss(output, pair)) for _ in range(2))
    assert one != pytest.approx(two, rel=1e-6)


def test_the_loss_of_a_displacement_by_hand():
    pair = torch.zeros(1, 2, 4, 4)
    pair[:, 1] = 0.5
    ramp = torch.zeros(1, 2, 4, 4)
    ramp[:, 0] = torch.arange(4.0)[:, None]  # 12 edges with a difference of 1, among 32 values
    assert float(displacement_loss(ramp, pair, smoothness=0.1)) == pytest.approx(0.25 + 0.1 * 2 * 12 / 32)


def test_pairs_are_of_two_people_and_repeat():
    images = torch.arange(5.0)[:, None, None].expand(5, 4, 4)
    draw = random_pairs(images, batch=50, seed=1)
    pairs, same = draw(3)
    assert pairs is same
    first, second = pairs[:, 0, 0, 0], pairs[:, 1, 0, 0]
    assert (first != second).all()
    assert set(first.tolist()) == set(second.tolist()) == set(range(5))
    torch.testing.assert_close(random_pairs(images, batch=50, seed=1)(3)[0], pairs)
    assert not torch.equal(draw(4)[0], pairs)
    with pytest.raises(CourseError, match="at least two people"):
        random_pairs(images[:1], batch=2, seed=0)


def test_an_atlas_is_the_fixed_image_of_every_pair():
    images, atlas = torch.arange(3.0)[:, None, None].expand(3, 4, 4), torch.full((4, 4), 9.0)
    pairs, _ = random_pairs(images, batch=30, seed=1, atlas=atlas)(0)
    assert (pairs[:, 1] == 9).all()
    assert set(pairs[:, 0].flatten().tolist()) == {0.0, 1.0, 2.0}
    assert random_pairs(images[:1], batch=2, seed=0, atlas=atlas)(0)[0].shape == (2, 2, 4, 4)


def blobs(n, size=32, seed=0):
    """A soft disc each, at places that differ by a few pixels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((size, size))
    discs = []
    for _ in range(n):
        y, x = size / 2 + rng.uniform(-3, 3, 2)
        discs.append(1 / (1 + np.exp(np.hypot(rows - y, columns - x) - rng.uniform(6, 9))))
    return torch.as_tensor(np.stack(discs), dtype=torch.float32)


def test_a_network_learns_to_register_discs_it_has_not_seen_and_folds_none():
    torch.manual_seed(0)
    net = RegistrationNet(**SMALL)
    fit(
        net,
        random_pairs(blobs(12), batch=8, seed=0),
        lambda o, p: probabilistic_loss(o, p, image_sigma=0.05, prior_lambda=3.0),
        steps=120,
        lr=4e-3,
    )
    pair, _ = random_pairs(blobs(8, seed=1), batch=16, seed=1)(0)
    displacement = net.displacement(pair)
    before = float(((pair[:, 0] - pair[:, 1]) ** 2).mean())
    after = float(((warp(pair[:, :1], displacement) - pair[:, 1:]) ** 2).mean())
    assert after < 0.3 * before
    assert fold_share(displacement) == 0.0


def test_descent_on_one_pair_finds_a_known_warp():
    # Texture everywhere, so that motion shows.
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(32, 32)), 2.0)
    image = torch.as_tensor(texture / texture.std(), dtype=torch.float32)[None, None]
    velocity = torch.as_tensor(make_velocity((16, 16), warp_mm=0.4, smooth_mm=4.0, seed=2))[None]
    truth = to_displacement(velocity, (32, 32))
    pair = torch.cat([image, warp(image, truth)], dim=1)
    found = to_displacement(optimise_pair(pair, steps=100, image_sigma=0.1, prior_lambda=1.0), (32, 32))
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    missed = (found - truth)[inside].norm(dim=1).mean()
    assert float(missed) < 0.3 * float(truth[inside].norm(dim=1).mean())


def test_descent_goes_on_where_a_network_left_off():
    pair = torch.rand(1, 2, 16, 16)
    start = torch.randn(1, 2, 8, 8)
    torch.testing.assert_close(optimise_pair(pair, start=start, steps=0), start)


def test_what_does_not_fit_is_refused():
    with pytest.raises(CourseError, match="sides divisible by 8"):
        RegistrationNet(**SMALL)(torch.zeros(1, 2, 20, 24))
    with pytest.raises(CourseError, match="only a diffeomorphic network"):
        RegistrationNet(diffeomorphic=False, **SMALL).velocity(torch.zeros(1, 2, 16, 16))
    with pytest.raises(CourseError, match="more than the 3 maps"):
        RegistrationNet(encoder=(4, 4, 4), decoder=(4, 4, 4))
    with pytest.raises(CourseError, match="log_variance must match"):
        kl_divergence(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 5), prior_lambda=1.0)
