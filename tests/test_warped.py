"""Pairs of brains: maps that are flows, that fold nowhere and carry image and labels together."""

import numpy as np
import pytest
from scipy import ndimage as ndi
from scipy.integrate import solve_ivp

from medcourse.datasets.warped import follow, make_brain_pairs, make_velocity, warp_brains
from medcourse.errors import CourseError


@pytest.fixture(scope="module")
def pairs():
    return make_brain_pairs(2, size=64, noise=0.0, seed=5)


def test_the_fixed_image_is_the_moving_one_read_at_the_known_places(pairs):
    for moving, fixed, displacement in zip(pairs.moving, pairs.fixed, pairs.displacement_px, strict=True):
        places = np.indices(moving.shape) + displacement
        read = ndi.map_coordinates(moving, places, order=3, mode="nearest")
        inside = fixed > 0
        np.testing.assert_allclose(fixed[inside], np.clip(read, 0, 1)[inside], atol=1e-5)


def test_the_map_back_leads_from_the_bent_brain_to_the_other(pairs):
    for moving, fixed, inverse in zip(pairs.moving, pairs.fixed, pairs.inverse_px, strict=True):
        back = ndi.map_coordinates(fixed, np.indices(fixed.shape) + inverse, order=3, mode="nearest")
        assert np.mean((back - moving) ** 2) < 0.05 * np.mean((fixed - moving) ** 2)


def test_labels_move_with_the_image_and_stay_whole_numbers_of_the_same_brain(pairs):
    for moving, fixed, displacement in zip(pairs.moving_labels, pairs.fixed_labels, pairs.displacement_px, strict=True):
        assert set(np.unique(fixed)) <= set(np.unique(moving))
        rows, columns = np.rint(np.indices(moving.shape) + displacement).astype(int).clip(0, 63)
        # A place half way between two pixels may be rounded either way.
        assert np.mean(fixed == moving[rows, columns]) > 0.999


def test_a_displacement_is_where_a_particle_is_after_one_unit_of_time():
    velocity = make_velocity((40, 48), warp_mm=3, smooth_mm=7, seed=1)

    def speed(_, place):
        return [
            float(ndi.map_coordinates(part, np.reshape(place, (2, 1)), order=3, mode="nearest")[0]) for part in velocity
        ]

    displacement = follow(velocity)
    for start in [(20, 24), (12, 30), (30, 10)]:
        end = solve_ivp(speed, (0, 1), start, rtol=1e-6, atol=1e-6).y[:, -1]
        np.testing.assert_allclose(displacement[:, start[0], start[1]], end - start, atol=0.02)


@pytest.mark.parametrize(("shape", "smooth_mm"), [((48, 56), 5.0), ((28, 32, 36), 7.0)])
def test_no_flow_folds_though_its_velocity_taken_for_a_displacement_does(shape, smooth_mm):
    def smallest(field):
        gradients = np.stack([np.stack(np.gradient(part)) for part in field])  # (d, d, *S)
        matrix = np.moveaxis(gradients, (0, 1), (-2, -1)) + np.eye(len(shape))
        return np.linalg.det(matrix).min()

    velocity = make_velocity(shape, warp_mm=6, smooth_mm=smooth_mm, seed=2)
    assert smallest(velocity) < 0
    assert smallest(follow(velocity)) > 0


def test_going_back_undoes_going_there():
    velocity = make_velocity((48, 48), warp_mm=4, smooth_mm=10, seed=3)
    there, back = follow(velocity), follow(-velocity)
    places = np.indices((48, 48)) + back
    again = back + np.stack([ndi.map_coordinates(part, places, order=3, mode="nearest") for part in there])
    assert np.sqrt((again**2).mean()) < 0.01 * np.sqrt((there**2).mean())


def test_a_velocity_has_the_asked_strength_in_millimetres_and_is_still_at_the_frame():
    fields = [make_velocity((80, 80), spacing_mm=2.0, warp_mm=5.0, smooth_mm=8.0, seed=s) for s in range(30)]
    middle = np.stack(fields)[:, :, 20:60, 20:60]
    assert 2.0 * np.sqrt((middle**2).mean()) == pytest.approx(5.0, rel=0.1)
    for field in fields:
        assert not field[:, [0, -1]].any()
        assert not field[:, :, [0, -1]].any()


def test_millimetres_do_not_depend_on_the_size_of_pixels():
    fine, coarse = (
        np.stack([make_velocity((n, n), spacing_mm=mm, warp_mm=5.0, smooth_mm=8.0, seed=s) for s in range(20)])
        for n, mm in [(80, 1.0), (40, 2.0)]
    )
    assert fine.std() * 1.0 == pytest.approx(coarse.std() * 2.0, rel=0.1)
    # Change of velocity over two millimetres: two fine pixels, one coarse.
    over_two = np.std(fine[:, :, 2:] - fine[:, :, :-2])
    assert over_two * 1.0 == pytest.approx(np.std(np.diff(coarse, axis=2)) * 2.0, rel=0.15)


def test_zero_strength_is_identity():
    pairs = make_brain_pairs(1, size=48, warp_mm=0, noise=0, seed=1)
    assert not pairs.displacement_px.any()
    np.testing.assert_allclose(pairs.fixed, pairs.moving, atol=1e-5)
    np.testing.assert_array_equal(pairs.fixed_labels, pairs.moving_labels)


def test_noise_is_drawn_anew_for_either_image_and_stays_within_the_brain():
    brain = np.full((1, 64, 64), 0.5)
    marks = np.ones((1, 64, 64), int)
    marks[:, :8] = 0
    pairs = warp_brains(brain, marks, spacing_mm=2.0, warp_mm=0.0, noise=0.05, seed=4)
    inside = pairs.moving_labels > 0
    for image in (pairs.moving, pairs.fixed):
        assert image[inside].std() == pytest.approx(0.05, rel=0.1)
        assert not image[~inside].any()
    assert abs(np.corrcoef(pairs.moving[inside], pairs.fixed[inside])[0, 1]) < 0.1


def test_two_people_share_their_labels_but_have_no_known_map():
    pairs = make_brain_pairs(2, kind="people", size=48, seed=2)
    assert pairs.displacement_px is None
    assert pairs.moving.shape == pairs.fixed.shape == (2, 48, 48)
    for moving, fixed in zip(pairs.moving_labels, pairs.fixed_labels, strict=True):
        assert set(range(8)) == set(np.unique(moving)) == set(np.unique(fixed))
        assert 0.5 < np.mean(moving == fixed) < 0.99
    assert "SIMULATED" in pairs.description


@pytest.mark.slow
def test_volumes_are_bent_in_all_three_directions():
    pairs = make_brain_pairs(1, dims=3, size=32, seed=0)
    assert pairs.displacement_px.shape == (1, 3, *pairs.moving.shape[1:])
    assert (pairs.displacement_px.std(axis=(0, 2, 3, 4)) > 0.1).all()
    assert set(np.unique(pairs.fixed_labels)) <= set(range(8))


def test_seeds_repeat():
    one, two = (make_brain_pairs(1, size=40, seed=9) for _ in range(2))
    np.testing.assert_array_equal(one.fixed, two.fixed)
    assert not np.array_equal(one.displacement_px, make_brain_pairs(1, size=40, seed=8).displacement_px)


def test_what_cannot_be_is_refused():
    with pytest.raises(CourseError, match="kind must be warped or people"):
        make_brain_pairs(1, kind="sheep")  # type: ignore[arg-type]
    with pytest.raises(CourseError, match="dims must be 2 or 3"):
        make_brain_pairs(1, dims=4)  # type: ignore[arg-type]
    with pytest.raises(CourseError, match="labels must match images"):
        warp_brains(np.zeros((1, 4, 4)), np.zeros((1, 4, 5), int), spacing_mm=1.0)
    with pytest.raises(CourseError, match="smooth_mm must lie in"):
        make_velocity((8, 8), smooth_mm=0)
    with pytest.raises(CourseError, match="shape must be"):
        make_velocity((8,))
