"""Brains of three ages: contrast follows relaxation times, ageing widens the fluid, every part lies where it belongs."""

import numpy as np
import pytest

from medcourse.datasets import make_age_volume, make_ages, prepare_brain
from medcourse.datasets.ages import _TIMES, PARTS
from medcourse.datasets.wholebrain import Shape, Space, draw_brain
from medcourse.errors import CourseError

GREY, WHITE, VENTRICLE, OUTER, DEEP, STEM, CEREBELLUM, LESION = range(1, 9)


@pytest.fixture(scope="module")
def brains():
    return {age: make_ages(3, age=age, subject_sd=0, noise=0, seed=4) for age in ("newborn", "young", "ageing")}


def median(cohort, part):
    return float(np.median(cohort.images[cohort.labels == part]))


def share(cohort, part):
    return float((cohort.labels == part).sum() / (cohort.labels > 0).sum())


def test_white_matter_is_brighter_than_cortex_in_adults_and_darker_in_newborns(brains):
    assert median(brains["young"], WHITE) > median(brains["young"], GREY) > median(brains["young"], OUTER)
    assert median(brains["newborn"], GREY) > median(brains["newborn"], WHITE) > median(brains["newborn"], OUTER)


def test_white_matter_has_the_signal_of_the_formula(brains):
    for age, cohort in brains.items():
        t1, t2, density = _TIMES[age]["white_matter"]
        expected = density * (1 - np.exp(-600 / t1)) * np.exp(-10 / t2)
        assert median(cohort, WHITE) == pytest.approx(expected, rel=0.02), age


def test_ventricles_and_furrows_are_wide_in_age_and_lesions_are_there_only_then(brains):
    assert share(brains["ageing"], VENTRICLE) > 1.5 * share(brains["young"], VENTRICLE)
    assert share(brains["ageing"], OUTER) > 1.1 * share(brains["young"], OUTER)
    assert share(brains["ageing"], GREY) < share(brains["young"], GREY)
    assert 0 < share(brains["ageing"], LESION) < 0.03
    assert share(brains["young"], LESION) == share(brains["newborn"], LESION) == 0


def test_fluid_inside_and_outside_has_one_grey_value_so_only_its_place_tells_them_apart(brains):
    old = brains["ageing"]
    # Wide ventricles are pure inside; of the thin outer fluid a tenth of the pixels is.
    inside, outside = (np.percentile(old.images[old.labels == k], 10) for k in (VENTRICLE, OUTER))
    assert inside == pytest.approx(outside, rel=0.02)


def test_parts_lie_where_they_belong(brains):
    for cohort in brains.values():
        for labels in cohort.labels:
            where = {part: np.argwhere(labels == part).mean(0) for part in range(1, 8)}
            middle = labels.shape[1] / 2
            assert where[GREY][0] < where[DEEP][0] < where[STEM][0] < where[CEREBELLUM][0]
            assert where[VENTRICLE][0] < where[STEM][0]
            assert abs(where[STEM][1] - middle) < 5
            assert abs(where[DEEP][1] - middle) < 5


def test_every_part_but_lesions_is_in_every_brain(brains):
    for cohort in brains.values():
        assert all(set(range(8)) <= set(np.unique(labels)) for labels in cohort.labels)


def test_seeds_repeat_and_the_first_people_are_the_same_in_a_larger_cohort():
    two, three = make_ages(2, size=48, seed=7), make_ages(3, size=48, seed=7)
    np.testing.assert_array_equal(two.images, three.images[:2])
    assert not np.array_equal(two.labels[0], two.labels[1])


def test_without_noise_and_differences_the_same_person_gives_the_same_picture_in_every_scan():
    quiet, loud = (make_ages(1, size=48, subject_sd=0, noise=noise, seed=2) for noise in (0.0, 0.05))
    np.testing.assert_array_equal(quiet.labels, loud.labels)
    # Far outside of the head the magnitude of complex noise has the mean sigma * sqrt(pi / 2).
    assert quiet.images[0, :3, :3].max() == 0
    corner = make_ages(6, size=96, noise=0.05, seed=2).images[:, :8, :8]
    assert corner.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.08)


def test_a_newborn_is_smaller_but_fills_the_picture(brains):
    assert brains["newborn"].spacing_mm == pytest.approx(0.66 * brains["young"].spacing_mm)
    assert (brains["newborn"].labels > 0).mean() == pytest.approx((brains["young"].labels > 0).mean(), rel=0.05)


def test_a_volume_holds_an_adults_brain():
    volume = make_age_volume(size=48, seed=3)
    assert volume.image.shape == volume.labels.shape
    brain = volume.labels > 0
    litres = brain.sum() * volume.spacing_mm**3 / 1e6
    assert 1.2 < litres < 2.1, "skull's inside of an adult: about 1.5 litres"
    # The cerebellum is behind (low y) and below (high z); the slices run from back to front.
    back, down, _ = np.argwhere(volume.labels == CEREBELLUM).mean(0)
    stem_back, *_ = np.argwhere(volume.labels == STEM).mean(0)
    assert back < stem_back
    assert down > np.argwhere(volume.labels == DEEP).mean(0)[1]


def test_a_slab_and_a_larger_grid_draw_the_same_person():
    axis = np.arange(-60.0, 60.0, 3.0)
    few, many = np.arange(-30.0, -18.0, 3.0), np.arange(-36.0, -12.0, 3.0)
    drawn = [
        draw_brain(Space(axis, places, -axis), np.random.default_rng(0), Shape(), (3.0, 3.0, 3.0))[1]
        for places in (few, many)
    ]
    # Distances to furrows and surfaces see the slab's ends, so the middle is compared.
    assert np.mean(drawn[0][1:3] == drawn[1][3:5]) > 0.97


def test_preparing_blackens_the_rest_and_scales_the_brain():
    image = np.array([[100.0, 2.0], [4.0, 3.0]])
    mask = np.array([[False, True], [True, True]])
    prepared = prepare_brain(image, mask)
    assert prepared[0, 0] == 0
    np.testing.assert_allclose(prepared[mask], [0, 1, 0.5], atol=1e-6)
    np.testing.assert_allclose(prepare_brain(7 * image + 2, mask), prepared, atol=1e-6)
    with pytest.raises(CourseError, match="mask"):
        prepare_brain(image, np.zeros((2, 2), bool))


@pytest.mark.parametrize(
    ("knobs", "word"),
    [
        ({"age": "old"}, "newborn, young, ageing"),
        ({"n_subjects": 0}, "n_subjects"),
        ({"size": 8}, "size"),
        ({"noise": -0.1}, "noise"),
        ({"place_mm": (0.0, 100.0)}, "place_mm"),
    ],
)
def test_parameters_out_of_range_are_refused(knobs, word):
    with pytest.raises(CourseError, match=word):
        make_ages(**{"n_subjects": 1, **knobs})


def test_there_is_a_name_for_every_part():
    assert len(PARTS) == len(set(PARTS)) == 9
