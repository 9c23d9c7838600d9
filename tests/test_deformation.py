"""Warps, compositions and determinants, against scipy and against what can be done by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi

from medcourse.datasets.warped import follow, make_velocity
from medcourse.errors import CourseError
from medcourse.models import deformation
from medcourse.models.deformation import (
    compose,
    fold_share,
    identity,
    integrate,
    inverse_error,
    jacobian_determinant,
    resize_field,
    to_displacement,
    warp,
)

SHAPES = [(13, 20), (7, 9, 12)]


def velocity(shape, seed=0, strength=2.5, smooth=4.0):
    made = make_velocity(shape, warp_mm=strength, smooth_mm=smooth, seed=seed)
    return torch.as_tensor(made, dtype=torch.float64)[None]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mode", "order"), [("bilinear", 1), ("nearest", 0)])
def test_a_warp_reads_where_scipy_reads(shape, mode, order):
    rng = np.random.default_rng(1)
    image, displacement = rng.normal(size=shape), rng.normal(0, 3, (len(shape), *shape))
    expected = ndi.map_coordinates(image, np.indices(shape) + displacement, order=order, mode="nearest")
    got = warp(torch.as_tensor(image)[None, None], torch.as_tensor(displacement)[None], mode=mode)
    np.testing.assert_allclose(got[0, 0], expected, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_displacement_changes_nothing_and_each_of_a_batch_has_its_own(shape):
    image = torch.randn(2, 3, *shape, dtype=torch.float64)
    displacement = torch.zeros(2, len(shape), *shape, dtype=torch.float64)
    displacement[1, 0] = 1.0
    got = warp(image, displacement)
    torch.testing.assert_close(got[0], image[0])
    torch.testing.assert_close(got[1, :, :-1], image[1, :, 1:])


def test_composition_is_one_map_after_the_other():
    first, second = (integrate(velocity((24, 24), seed, strength=1.0)) for seed in (1, 2))
    points = identity((24, 24), like=first)  # linear interpolation is exact on coordinates
    torch.testing.assert_close(points + compose(first, second), warp(points + first, second), atol=1e-9, rtol=0)
    assert (compose(first, second) - compose(second, first)).abs().max() > 0.1


@pytest.mark.parametrize("shape", [(32, 40), (16, 18, 20)])
def test_the_flow_is_the_simulators_whose_code_is_another(shape):
    field = make_velocity(shape, warp_mm=2.0, smooth_mm=6.0, seed=4)
    expected = follow(field)
    missed = integrate(torch.as_tensor(field)[None], squarings=8)[0].numpy() - expected
    # Linear interpolation, once a squaring, blurs the field a little; the simulator's is cubic in two dimensions.
    assert np.sqrt((missed**2).mean()) < 0.04 * np.sqrt((expected**2).mean())


def test_a_constant_velocity_is_its_own_displacement_and_a_rotation_turns():
    constant = torch.full((1, 2, 9, 9), 0.7)
    torch.testing.assert_close(integrate(constant), constant)
    place = identity((65, 65)) - 32
    turning = torch.stack([-place[:, 1], place[:, 0]], dim=1) * 0.5  # 0.5 radians per unit of time
    end = place + integrate(turning, squarings=9)
    angle = torch.atan2(end[0, 0, 32, 42], end[0, 1, 32, 42])
    assert float(angle) == pytest.approx(-0.5, abs=0.01)


def test_without_squaring_the_velocity_is_taken_for_the_displacement():
    field = velocity((12, 12))
    torch.testing.assert_close(integrate(field, squarings=0), field)


def test_there_and_back_again_misses_less_with_each_of_the_first_steps():
    field = velocity((64, 64), strength=4, smooth=12)
    errors = [float(inverse_error(field, squarings=n).mean()) for n in (0, 1, 2, 3, 7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_determinant_of_a_linear_map_is_that_of_its_matrix(shape):
    rng = np.random.default_rng(2)
    matrix = rng.normal(0, 0.4, (len(shape), len(shape)))
    displacement = torch.as_tensor(np.einsum("ij,j...->i...", matrix, np.indices(shape)))[None]
    expected = np.linalg.det(np.eye(len(shape)) + matrix)
    np.testing.assert_allclose(jacobian_determinant(displacement), np.full((1, *shape), expected), atol=1e-9)


def test_a_mirror_folds_everywhere_and_a_flow_nowhere():
    mirror = torch.zeros(1, 2, 10, 10)
    mirror[:, 1] = 9 - 2 * torch.arange(10.0)
    assert fold_share(mirror) == 1.0
    strong = velocity((48, 48), strength=6, smooth=5)
    assert fold_share(strong) > 0.05
    assert fold_share(integrate(strong, squarings=8)) < 0.01 * fold_share(strong)


def test_folds_are_counted_within_the_mask():
    field = torch.zeros(1, 2, 8, 8)
    field[:, 1, :, :4] = -2 * torch.arange(4.0)  # the left half is turned inside out
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, :, 5:] = True
    assert fold_share(field, mask) == 0.0
    assert fold_share(field, ~mask) > 0.4


@pytest.mark.parametrize("shape", SHAPES)
def test_a_linear_map_stays_the_same_map_on_another_grid(shape):
    rng = np.random.default_rng(3)
    matrix = rng.normal(0, 0.2, (len(shape), len(shape)))
    share = [np.linspace(0, 1, n) for n in shape]  # of the picture's sides
    other = tuple(2 * n + 1 for n in shape)
    finer = [np.linspace(0, 1, n) for n in other]

    def on(grid, sides):
        moved = np.einsum("ij,j...->i...", matrix, np.stack(np.meshgrid(*grid, indexing="ij")))
        return torch.as_tensor(moved * (np.array(sides) - 1).reshape(-1, *[1] * len(sides)))[None]

    np.testing.assert_allclose(resize_field(on(share, shape), other), on(finer, other), atol=1e-9)


def test_half_a_grid_has_half_the_pixels_of_a_displacement():
    half = torch.full((1, 2, 8, 8), 1.0)
    whole = to_displacement(half, (15, 15))
    torch.testing.assert_close(whole, torch.full((1, 2, 15, 15), 2.0))


def test_what_is_no_field_is_refused():
    with pytest.raises(CourseError, match=r"a field must be"):
        warp(torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 4, 4))
    with pytest.raises(CourseError, match="the field's grid"):
        warp(torch.zeros(1, 1, 4, 5), torch.zeros(1, 2, 4, 4))
    with pytest.raises(CourseError, match="squarings must be at least 0"):
        integrate(torch.zeros(1, 2, 4, 4), squarings=-1)
    assert deformation.SQUARINGS == 7
