"""Random views in millimetres, DropConnect, and the network that reads them."""

import numpy as np
import pytest
import SimpleITK
import torch
from scipy.spatial.transform import Rotation

from medcourse.errors import CourseError
from medcourse.models.random_views import (
    DropConnect,
    RandomViewNet,
    Views,
    draw_views,
    fixed_view,
    rotate_about,
    sample_views,
    view_probabilities,
)


def ball(radius_mm, spacing, shape, centre_mm):
    grids = np.meshgrid(
        *(np.arange(n) * mm - c for n, mm, c in zip(shape, spacing, centre_mm, strict=True)), indexing="ij"
    )
    return (np.sqrt(sum(g**2 for g in grids)) < radius_mm).astype(np.float32)


def test_a_hundred_views_are_every_scale_with_every_shift_and_every_rotation():
    views = draw_views(np.random.default_rng(1))
    assert len(views) == 100
    shifts, rotations = (np.unique(a.reshape(100, -1).round(9), axis=0) for a in (views.shifts_mm, views.rotations))
    assert (len(shifts), len(rotations)) == (5, 5)
    combinations = {
        (side, tuple(shift), tuple(turn))
        for side, shift, turn in zip(
            views.sides_mm.tolist(),
            views.shifts_mm.round(9).tolist(),
            views.rotations.reshape(100, 9).round(9).tolist(),
            strict=True,
        )
    }
    assert len(combinations) == 100
    assert [np.sum(views.sides_mm == side) for side in (30, 35, 40, 45)] == [25] * 4


def test_shifts_are_at_most_as_long_as_said_and_in_any_direction():
    views = draw_views(np.random.default_rng(2), scales_mm=[30], n_shifts=4000, n_rotations=1)
    lengths = np.linalg.norm(views.shifts_mm, axis=1)
    assert lengths.max() <= 3
    assert lengths.mean() == pytest.approx(1.5, abs=0.05)
    np.testing.assert_allclose(views.shifts_mm.mean(0), 0, atol=0.1)


def test_rotations_are_those_of_scipy_and_turn_by_their_angle():
    rng = np.random.default_rng(3)
    axes, angles = rng.normal(size=(20, 3)), rng.uniform(0, 360, 20)
    unit = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    expected = Rotation.from_rotvec(np.deg2rad(angles)[:, None] * unit).as_matrix()
    np.testing.assert_allclose(rotate_about(axes, angles), expected, atol=1e-12)
    np.testing.assert_allclose(rotate_about(axes, np.zeros(20)), np.broadcast_to(np.eye(3), (20, 3, 3)), atol=1e-12)


def test_the_fixed_view_is_the_three_planes_of_the_volume():
    volume = np.random.default_rng(4).normal(size=(9, 9, 9)).astype(np.float32)
    view = sample_views(volume, (2.0, 2.0, 2.0), [[8, 8, 8]], fixed_view(18.0), n_px=9)[0, 0]
    np.testing.assert_allclose(view[0], volume[4], atol=1e-5)
    np.testing.assert_allclose(view[1], volume[::-1, 4], atol=1e-5)  # the head is up
    np.testing.assert_allclose(view[2], volume[::-1, :, 4], atol=1e-5)


def test_a_ball_is_a_disc_of_its_size_in_every_view_whatever_the_spacing():
    for spacing, shape in (((1.0, 1.0, 1.0), (64, 64, 64)), ((2.5, 0.8, 1.1), (26, 80, 58))):
        centre = (32.0, 31.0, 30.0)
        volume = ball(8.0, spacing, shape, centre)
        views = draw_views(np.random.default_rng(5), n_shifts=1, n_rotations=6, largest_shift_mm=0)
        seen = sample_views(volume, spacing, [centre], views, n_px=32)[0]  # (V, 3, 32, 32)
        mm2 = seen.sum((2, 3)) * (views.sides_mm[:, None] / 32) ** 2
        np.testing.assert_allclose(mm2, np.pi * 8**2, rtol=0.08)


def test_a_shift_moves_what_is_seen_the_other_way():
    volume = np.zeros((21, 21, 21), np.float32)
    volume[10, 10, 10] = 1
    shifted = Views(np.array([21.0]), np.array([[0.0, 3.0, -2.0]]), np.eye(3)[None])
    axial = sample_views(volume, (1, 1, 1), [[10, 10, 10]], shifted, n_px=21)[0, 0, 0]
    assert np.unravel_index(axial.argmax(), axial.shape) == (10 - 3, 10 + 2)


def test_a_view_is_what_simpleitk_resamples():
    rng = np.random.default_rng(6)
    spacing, volume = (2.0, 0.7, 0.9), np.cumsum(rng.normal(size=(30, 60, 50)), axis=2).astype(np.float32)
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(spacing[::-1])
    views, centre = draw_views(rng, n_shifts=1, n_rotations=1, scales_mm=[20]), np.array([29.0, 20.0, 22.0])
    ours = sample_views(volume, spacing, [centre], views, n_px=16)[0, 0, 0]
    step = 20 / 16
    rows, columns = (views.rotations[0] @ axis for axis in np.eye(3)[1:])
    first = centre + views.shifts_mm[0] - 7.5 * step * (rows + columns)
    grid = SimpleITK.Image(16, 16, 1, SimpleITK.sitkFloat32)
    grid.SetSpacing([step] * 3)
    grid.SetOrigin(first[::-1].tolist())
    x, y = columns[::-1], rows[::-1]
    grid.SetDirection(np.stack([x, y, np.cross(x, y)], axis=1).ravel().tolist())
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.Resample(image, grid, SimpleITK.Transform(), SimpleITK.sitkLinear))[
        0
    ]
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_candidates_may_have_views_of_their_own():
    rng = np.random.default_rng(7)
    volume, centres = rng.normal(size=(20, 20, 20)).astype(np.float32), [[9, 9, 9], [12, 8, 10]]
    own = [draw_views(rng, n_shifts=1, n_rotations=2) for _ in centres]
    together = sample_views(volume, (1, 1, 1), centres, own, n_px=8)
    assert together.shape == (2, 8, 3, 8, 8)
    for i, views in enumerate(own):
        np.testing.assert_allclose(
            together[i], sample_views(volume, (1, 1, 1), [centres[i]], views, n_px=8)[0], atol=1e-5
        )
    assert sample_views(volume, (1, 1, 1), np.empty((0, 3)), fixed_view(), n_px=8).shape == (0, 1, 3, 8, 8)


def test_dropconnect_drops_weights_in_training_only_and_keeps_their_mean():
    torch.manual_seed(0)
    layer, x = DropConnect(6, 4, keep=0.25), torch.ones(3, 6)
    layer.eval()
    torch.testing.assert_close(layer(x), layer.linear(x))
    layer.train()
    drawn = torch.stack([layer(x) for _ in range(4000)])
    torch.testing.assert_close(drawn.mean(0), layer.linear(x), atol=0.05, rtol=0)
    # One draw serves the batch: alike rows stay alike; a whole row of weights is hardly ever lost, as with dropout.
    torch.testing.assert_close(drawn[:, 0], drawn[:, 2])
    torch.testing.assert_close(DropConnect(6, 4, keep=1.0).train().linear(x).shape, torch.Size([3, 4]))


def test_the_network_has_five_convolutions_and_two_dense_layers_with_dropconnect():
    net = RandomViewNet()
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.modules()) == 5
    assert sum(isinstance(m, DropConnect) for m in net.modules()) == 2
    small = RandomViewNet(16, maps=(4, 4, 4, 4, 4), hidden=8)
    assert small(torch.zeros(5, 3, 16, 16)).shape == (5, 2)


def test_probabilities_are_those_of_each_view_by_itself():
    torch.manual_seed(1)
    net = RandomViewNet(8, maps=(4, 4, 4, 4, 4), hidden=8)
    views = np.random.default_rng(8).normal(size=(3, 5, 3, 8, 8)).astype(np.float32)
    p = view_probabilities(net, views, batch=4)
    assert p.shape == (3, 5)
    with torch.no_grad():
        one = net.eval()(torch.as_tensor(views[2, 3:4])).softmax(1)[0, 1].item()
    assert p[2, 3] == pytest.approx(one, abs=1e-6)
    assert view_probabilities(net, views[:0]).shape == (0, 5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: draw_views(np.random.default_rng(0), scales_mm=[0]), "scales above 0 mm"),
        (lambda: draw_views(np.random.default_rng(0), n_shifts=0), "at least one shift"),
        (lambda: rotate_about([[0, 0, 0]], [3]), "none of them zero"),
        (lambda: sample_views(np.zeros((4, 4, 4)), (1, 1, 1), [1, 2, 3], fixed_view()), r"centres_mm must be \(C, 3\)"),
        (lambda: sample_views(np.zeros((4, 4, 4)), (1, 1, 1), [[1, 2, 3]], [fixed_view()] * 2), "as many sets"),
        (lambda: DropConnect(2, 2, keep=0), "keep must lie"),
        (lambda: RandomViewNet(30), "multiple of 8"),
    ],
)
def test_bad_input_is_said(call, said):
    with pytest.raises(CourseError, match=said):
        call()
