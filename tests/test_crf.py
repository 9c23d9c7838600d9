"""The dense CRF: by hand on two and three voxels, the grid against all pairs, and what it must not change."""

import numpy as np
import pytest
import torch

from medcourse.errors import CourseError
from medcourse.models.crf import CRF, mean_field_step


def by_hand(probability, image, crf):
    """Mean field in plain loops over pairs, as the formula says."""
    n_labels, n = probability.shape[0], image.size
    places = np.argwhere(np.ones(image.shape)) * np.array(crf.spacing)
    p, grey = probability.reshape(n_labels, n), image.reshape(n)
    q = p.copy()
    for _ in range(crf.iterations):
        new = np.zeros_like(q)
        for i in range(n):
            for label in range(n_labels):
                energy = -np.log(p[label, i])
                for j in range(n):
                    if j != i:
                        d2 = ((places[i] - places[j]) ** 2).sum()
                        near = crf.smooth_weight * np.exp(-d2 / 2 / crf.smooth_sigma**2)
                        alike = crf.appearance_weight * np.exp(
                            -d2 / 2 / crf.appearance_sigma**2 - (grey[i] - grey[j]) ** 2 / 2 / crf.grey_sigma**2
                        )
                        energy += (near + alike) * (1 - q[label, j])
                new[label, i] = np.exp(-energy)
        q = new / new.sum(0)
    return q.reshape(probability.shape)


def test_two_voxels_by_pen():
    # One pair of weight w: with beliefs 0.6 and 0.9 for label 1, the first voxel hears w * 0.1 against label 1 and
    # w * 0.9 against label 0. With w = 1: q1 = 0.6 e^-0.1 / (0.6 e^-0.1 + 0.4 e^-0.9).
    q = torch.tensor([[0.4, 0.1], [0.6, 0.9]]).reshape(2, 1, 1, 2)
    swapped = mean_field_step(q, q.log(), [(1.0, lambda x: x.flip(-1))])
    expected = 0.6 * np.exp(-0.1) / (0.6 * np.exp(-0.1) + 0.4 * np.exp(-0.9))
    assert float(swapped[1, 0, 0, 0]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("iterations", [1, 3])
def test_three_voxels_by_loops_over_pairs(iterations):
    image = np.array([[[50.0]], [[65.0]], [[110.0]]])
    probability = np.array([[0.3, 0.6, 0.2], [0.5, 0.3, 0.2], [0.2, 0.1, 0.6]]).reshape(3, 3, 1, 1)
    crf = CRF(
        smooth_weight=0.5,
        smooth_sigma=4,
        appearance_weight=0.8,
        appearance_sigma=9,
        grey_sigma=20,
        spacing=(5, 1, 1),
        iterations=iterations,
        method="exact",
        normalise=False,
    )
    got = crf(torch.as_tensor(probability), torch.as_tensor(image))
    np.testing.assert_allclose(got, by_hand(probability, image, crf), atol=1e-5)


def test_no_weight_and_no_iteration_change_nothing():
    probability = torch.rand(2, 2, 5, 5, generator=torch.Generator().manual_seed(0)) + 0.1
    probability /= probability.sum(0)
    image = torch.rand(2, 5, 5) * 100
    for crf in (CRF(iterations=0), CRF(smooth_weight=0, appearance_weight=0)):
        torch.testing.assert_close(crf(probability, image), probability, atol=1e-5, rtol=0)


def scene(shape=(5, 14, 14), noise=8.0, seed=0):
    """A dark ball in a bright ground with noise, and a speckled map of it."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    truth = (2.5 * (z - shape[0] // 2)) ** 2 + (y - shape[1] / 2) ** 2 + (x - shape[2] / 2) ** 2 < (shape[1] / 3.5) ** 2
    image = np.where(truth, 60.0, 110.0) + noise * rng.normal(size=shape)
    p = np.where(truth ^ (rng.random(shape) < 0.12), 0.75, 0.25)
    return truth, torch.as_tensor(image, dtype=torch.float32), torch.as_tensor(np.stack([1 - p, p]))


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(("sigma", "grey"), [(6.0, 20.0), (60.0, 20.0), (3.0, 40.0)])
def test_the_grid_agrees_with_all_pairs(sigma, grey, normalise):
    _, image, probability = scene()
    weights = {"smooth_weight": 3.0, "appearance_weight": 10.0}
    if not normalise:  # else all voxels agree at once, and nothing is compared
        weights = {"smooth_weight": 0.02, "appearance_weight": 0.005}
    settings = {"appearance_sigma": sigma, "grey_sigma": grey, "spacing": (2.5, 1, 1), "normalise": normalise}
    exact, grid = (
        CRF(method=method, iterations=3, **weights, **settings)(probability, image) for method in ("exact", "grid")
    )
    assert float((exact - probability).abs().max()) > 0.2, "the CRF changes something here"
    assert float((exact - grid).abs().max()) < 0.02
    assert float((exact - grid).abs().mean()) < 0.003


def test_speckle_goes_and_the_object_stays():
    truth, image, probability = scene(shape=(5, 20, 20))
    before = (probability[1] > 0.5).numpy() ^ truth
    after = (CRF(spacing=(2.5, 1, 1))(probability, image)[1] > 0.5).numpy() ^ truth
    assert before.mean() > 0.08
    assert after.mean() < 0.25 * before.mean()


def test_slices_far_apart_talk_less():
    """With a voxel as thick as many are wide, the neighbour above counts less than the neighbour beside."""
    probability = torch.full((2, 3, 1, 1), 0.5)
    probability[:, 0] = torch.tensor([0.01, 0.99])[:, None, None]
    image = torch.full((3, 1, 1), 100.0)
    heard = [
        float(
            CRF(smooth_weight=1, appearance_weight=0, spacing=(z, 1, 1), iterations=1, method=method, normalise=False)(
                probability, image
            )[1, 1, 0, 0]
        )
        for z in (1.0, 5.0)
        for method in ("exact", "grid")
    ]
    assert heard[0] == pytest.approx(heard[1], abs=1e-3)
    assert heard[2] == pytest.approx(heard[3], abs=1e-3)
    assert heard[0] > heard[2] + 0.1


def test_what_does_not_fit_is_refused():
    with pytest.raises(CourseError, match=r"probability must be \(K, 2, 3, 3\)"):
        CRF()(torch.zeros(2, 2, 3, 4), torch.zeros(2, 3, 3))
    with pytest.raises(CourseError, match="method must be"):
        CRF(method="fast")(torch.ones(2, 1, 1, 1), torch.zeros(1, 1, 1))
    with pytest.raises(CourseError, match="clip the grey values"):
        CRF(grey_sigma=1e-4)(torch.ones(2, 1, 2, 2), torch.rand(1, 2, 2) * 1e4)
