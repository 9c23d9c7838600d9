"""Brains in a spin echo: the contrast follows relaxation times, and turns round in newborns."""

import numpy as np
import pytest

from medcourse.datasets.brains import RELAXATION, make_brains, tissue_features
from medcourse.errors import CourseError


def medians(brains):
    return [float(np.median(brains.images[brains.tissue == k])) for k in (1, 2, 3)]


def test_t1_contrast_is_reversed_in_newborns_and_fluid_is_darkest():
    adult = medians(make_brains(2, age="adult", subject_sd=0, noise=0, seed=1))
    newborn = medians(make_brains(2, age="newborn", subject_sd=0, noise=0, seed=1))
    assert adult[0] < adult[1] < adult[2]
    assert newborn[0] < newborn[2] < newborn[1]


def test_with_t2_weighting_fluid_is_brightest_and_adult_white_matter_darkest():
    fluid, grey, white = medians(make_brains(1, repetition_ms=4000, echo_ms=100, subject_sd=0, noise=0))
    assert white < grey < fluid


def test_pure_pixels_have_the_signal_of_the_formula():
    brains = make_brains(1, age="adult", subject_sd=0, noise=0)
    t1, t2, density = RELAXATION["adult"]["white_matter"]
    expected = density * (1 - np.exp(-600 / t1)) * np.exp(-10 / t2)
    assert medians(brains)[2] == pytest.approx(expected, rel=0.02)


def test_ratios_of_newborns_are_those_measured():
    (white_t1, white_t2, _), (grey_t1, grey_t2, _) = (
        RELAXATION["newborn"][f"{name}_matter"] for name in ("white", "grey")
    )
    assert (1 / grey_t1 - 1 / white_t1) / (1 / white_t1) == pytest.approx(0.3)
    assert (1 / grey_t2 - 1 / white_t2) / (1 / white_t2) == pytest.approx(0.8)


def test_people_differ_and_seeds_repeat():
    brains = make_brains(2, seed=3)
    assert (brains.tissue[0] != brains.tissue[1]).mean() > 0.05
    np.testing.assert_array_equal(brains.images, make_brains(2, seed=3).images)
    assert make_brains(1, age="newborn").spacing_mm < brains.spacing_mm


def test_the_tissues_of_a_brain_have_their_places():
    tissue = make_brains(1, seed=4).tissue[0]
    shares = np.bincount(tissue[tissue > 0], minlength=4)[1:] / np.count_nonzero(tissue)
    assert shares.min() > 0.1
    assert tissue[0].max() == 0  # air round the head


def test_features_do_not_depend_on_the_receiver():
    brains = make_brains(1, seed=5)
    features = tissue_features(brains.images[0], brains.tissue[0])
    assert features.shape == (np.count_nonzero(brains.tissue[0]), 6)
    np.testing.assert_allclose(tissue_features(3 * brains.images[0], brains.tissue[0]), features, rtol=1e-5, atol=1e-6)


def test_refuses_what_is_out_of_range():
    with pytest.raises(CourseError, match="age must be one of adult, newborn"):
        make_brains(age="fetus")
    with pytest.raises(CourseError, match="noise must be at least 0"):
        make_brains(noise=-1)
