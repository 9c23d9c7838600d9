"""Simulated frontal chest films: what fluid and a large heart do, and that persons stay the same."""

import numpy as np
import pytest

from medcourse.datasets import make_frontal_chests
from medcourse.datasets.frontal import FIELD_MM
from medcourse.datasets.shapes import Canvas
from medcourse.datasets.strokes import draw_strokes, grow_bushes
from medcourse.errors import CourseError

STILL = {"size": 64, "tilt_sd_deg": 0.0, "shift_sd_mm": 0.0}


@pytest.fixture(scope="module")
def films():
    return make_frontal_chests(24, seed=5, **STILL)


def test_shapes_range_and_labels(films):
    assert films.images.shape == (24, 64, 64)
    assert films.images.dtype == np.float32
    assert 0 <= films.images.min() < 0.1
    assert 0.9 < films.images.max() <= 1
    assert films.spacing_mm == FIELD_MM / 64
    np.testing.assert_array_equal(films.enlarged, films.ratios > 0.5)
    np.testing.assert_array_equal(films.effusion, films.fluid_mm > 0)
    np.testing.assert_array_equal(films.healthy, ~films.effusion & ~films.enlarged)
    assert "SIMULATED" in films.description


def test_seeds_repeat_and_a_film_does_not_depend_on_how_many_there_are(films):
    few = make_frontal_chests(3, seed=5, **STILL)
    np.testing.assert_array_equal(few.images, films.images[:3])
    other = make_frontal_chests(3, seed=6, **STILL)
    assert np.abs(other.images - few.images).mean() > 0.01


def test_the_person_does_not_depend_on_the_pixels():
    fine = make_frontal_chests(2, size=128, seed=1, grain_mm=0)
    coarse = make_frontal_chests(2, size=64, seed=1, grain_mm=0)
    np.testing.assert_array_equal(fine.ratios, coarse.ratios)
    shrunk = fine.images.reshape(2, 64, 2, 64, 2).mean(axis=(2, 4))
    for a, b in zip(shrunk, coarse.images, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(("fraction", "label"), [("effusion_fraction", "effusion"), ("enlarged_fraction", "enlarged")])
def test_how_many_are_ill_is_what_was_asked(fraction, label):
    for share in (0.0, 1.0):
        made = make_frontal_chests(3, size=32, **{fraction: share})
        assert made[label].mean() == share


def test_fluid_whitens_the_lower_right_lung_and_nothing_else():
    dry = make_frontal_chests(6, seed=2, effusion_fraction=0, grain_mm=0, **STILL)
    wet = make_frontal_chests(6, seed=2, effusion_fraction=1, grain_mm=0, fluid_height_mm=(80, 90), **STILL)
    np.testing.assert_array_equal(wet.ratios, dry.ratios)  # the same persons
    assert not dry.fluid.any()
    rows, columns = np.nonzero(wet.fluid.any(axis=0))
    assert columns.max() < 34  # the patient's right is at the left of the picture
    assert rows.min() > 30
    for before, after, where in zip(dry.images, wet.images, wet.fluid, strict=True):
        change = after - before
        assert change[where].mean() > 0.05
        assert np.abs(change[:24]).max() < 0.08  # exposure follows a little
        assert np.abs(change[:, 36:]).max() < 0.08


def test_more_fluid_stands_higher():
    tops, areas = [], []
    for height in (20, 50, 90):
        wet = make_frontal_chests(4, seed=3, effusion_fraction=1, fluid_height_mm=(height, height), **STILL)
        tops.append(np.argmax(wet.fluid.any(axis=2), axis=1))
        areas.append(wet.fluid.sum(axis=(1, 2)))
    assert (np.diff(areas, axis=0) > 0).all()
    assert (np.diff(tops, axis=0) < 0).all()


def test_the_meniscus_is_highest_at_the_side():
    wet = make_frontal_chests(4, size=128, seed=3, effusion_fraction=1, fluid_height_mm=(90, 90), tilt_sd_deg=0)
    for mask in wet.fluid:
        columns = np.flatnonzero(mask.any(axis=0))
        top = mask.argmax(axis=0)[columns]
        third = len(top) // 3
        assert top[:third].min() < top[third : 2 * third].min() - 2


def test_the_heart_is_as_wide_as_its_ratio_says(films):
    columns = films.heart.any(axis=1)
    width_mm = columns.sum(axis=1) * films.spacing_mm
    thorax_mm = width_mm / films.ratios
    assert np.corrcoef(width_mm, films.ratios)[0, 1] > 0.85
    assert thorax_mm.mean() == pytest.approx(2 * 132, rel=0.06)
    assert np.std(thorax_mm) / thorax_mm.mean() < 0.1  # persons differ in size, no more


def test_rays_through_the_heart_are_stopped_and_those_through_lung_pass(films):
    for image, heart in zip(films.images, films.heart, strict=True):
        assert image[heart].mean() > image[25:35, 14:22].mean() + 0.2
        assert image[:8, :8].mean() < 0.1  # beside the neck there is air


@pytest.mark.parametrize(
    "wrong", [{"size": 16}, {"effusion_fraction": 1.2}, {"fluid_height_mm": (50, 20)}, {"n_images": 0}]
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(CourseError, match="must lie in"):
        make_frontal_chests(**{"n_images": 1, **wrong})


def test_a_ball_is_as_thick_as_its_weight_and_tubes_of_two_groups_add_up():
    canvas = Canvas(21, 21, 1.0)
    points, radii = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]]), np.array([5.0, 5.0, 5.0])
    alone = draw_strokes(canvas, points, radii, 2 * radii)
    assert alone[10, 10] == pytest.approx(10)
    assert alone[10, 14] == pytest.approx(2 * np.sqrt(25 - 16))
    assert alone[10, 16] == 0
    both = draw_strokes(canvas, points, radii, 2 * radii, np.array([0, 1, 1]))
    assert both[10, 10] == pytest.approx(20)
    assert both[13, 10] == pytest.approx(10 + 8)


def test_a_stroke_outside_of_the_grid_draws_nothing_elsewhere():
    canvas = Canvas(11, 11, 1.0)
    drawn = draw_strokes(canvas, np.array([[0.0, -7.0]]), np.array([3.0]), np.array([6.0]))
    assert drawn[5, 0] > 0
    assert drawn[:, 3:].max() == 0


def test_branches_obey_murrays_law():
    rng = np.random.default_rng(0)
    points, radii = grow_bushes(
        rng, np.zeros((1, 3)), np.array([[0.0, 1.0, 0.0]]), np.array([4.0]), length_mm=30, thinnest_mm=2.0
    )
    assert points.shape == (len(radii), 2)
    steps = 2 + int(30 / 4)
    trunk, rest = radii[:steps], radii[steps:]
    assert trunk[0] == 4.0
    second = rest[0], rest[1]  # the first balls of the two children
    assert sum(r**3 for r in second) == pytest.approx(64)
    assert trunk[-1] == pytest.approx(max(second))
    assert radii.min() >= 2.0 * 0.5 ** (1 / 3) * 0.8
