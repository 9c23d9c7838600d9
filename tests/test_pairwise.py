"""SimpleITK's registration, in the course's axes and units."""

from functools import partial

import numpy as np
import pytest
import torch

from medcourse.datasets.warped import warp_brains
from medcourse.errors import CourseError
from medcourse.models.deformation import warp
from medcourse.models.pairwise import register_affine, register_bspline, register_demons


def blobs(shape):
    rng = np.random.default_rng(0)
    grid = np.indices(shape)
    image = np.zeros(shape)
    for _ in range(12):
        place = rng.uniform(0.25, 0.75, len(shape)) * shape
        distance = sum((axis - p) ** 2 for axis, p in zip(grid, place, strict=True))
        image += rng.uniform(0.3, 1.0) * np.exp(-distance / 18)
    return image / image.max()


def read(image, displacement):
    return warp(torch.as_tensor(image, dtype=torch.float32)[None, None], torch.as_tensor(displacement)[None])[
        0, 0
    ].numpy()


@pytest.mark.parametrize(
    "register", [register_affine, partial(register_bspline, knots=3, sampled=0.3), register_demons]
)
@pytest.mark.parametrize("shape", [(40, 52), (20, 24, 28)])
def test_a_shift_along_one_axis_is_found_along_that_axis(register, shape):
    moving = blobs(shape)
    fixed = np.roll(moving, -2, axis=0)  # what lies at x in the fixed image lies at x + 2 in the moving one
    displacement = register(moving, fixed, iterations=15)
    assert displacement.shape == (len(shape), *shape)
    bright = fixed > 0.3
    assert displacement[0][bright].mean() == pytest.approx(2, abs=0.4)
    for other in displacement[1:]:
        assert abs(other[bright].mean()) < 0.4
    assert np.mean((read(moving, displacement) - fixed) ** 2) < 0.1 * np.mean((moving - fixed) ** 2)


@pytest.mark.parametrize("register", [register_bspline, register_demons])
def test_a_bent_image_comes_nearer(register):
    image = blobs((48, 48))[None]
    pairs = warp_brains(image, np.ones(image.shape, int), spacing_mm=2.0, warp_mm=4.0, smooth_mm=16.0, seed=1)
    displacement = register(pairs.moving[0], pairs.fixed[0])
    before = np.mean((pairs.moving[0] - pairs.fixed[0]) ** 2)
    assert np.mean((read(pairs.moving[0], displacement) - pairs.fixed[0]) ** 2) < 0.1 * before


def test_images_on_two_grids_are_refused():
    with pytest.raises(CourseError, match="moving must be"):
        register_demons(np.zeros((8, 8)), np.zeros((8, 9)))
