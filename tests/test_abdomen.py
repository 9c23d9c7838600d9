"""The simulated abdomen: organs where they belong, lesions as they are said to be, noise of the right strength."""

import numpy as np
import pytest
from scipy import ndimage

from medcourse.datasets.abdomen import make_abdomens
from medcourse.datasets.organs import CODE, soft_max
from medcourse.errors import CourseError

COARSE = {"spacing_mm": (7.0, 4.0, 4.0)}


@pytest.fixture(scope="module")
def quiet():
    return make_abdomens(4, dose_photons=np.inf, seed=3, **COARSE)


def mean_place(mask):
    return np.argwhere(mask).mean(0)


def test_organs_lie_where_a_radiologist_looks_for_them(quiet):
    for scan in quiet.scans:
        _, height, width = scan.volume.shape
        place = {name: mean_place(scan.organs == CODE[name]) for name in ("liver", "spleen", "stomach", "bone")}
        assert place["liver"][2] < width / 2 < place["stomach"][2] < place["spleen"][2], "liver right, spleen left"
        assert place["stomach"][1] < place["spleen"][1], "the spleen lies at the back"
        assert place["bone"][1] > height / 2
        kidneys = np.argwhere(scan.organs == CODE["kidney"])
        assert (kidneys[:, 1] > height / 2).mean() > 0.9
        assert {int(side) for side in np.sign(kidneys[:, 2] - width / 2)} >= {-1, 1}


def test_the_liver_has_the_size_of_an_adults_and_is_one_piece(quiet):
    for scan in quiet.scans:
        litres = (scan.labels > 0).sum() * np.prod(scan.spacing_mm) / 1e6
        assert 0.7 < litres < 2.2, "an adult's has about 1.5 litres, of which 70 mm are seen"
        assert ndimage.label(scan.labels == 1)[1] <= 8


def test_tissues_have_the_greys_of_the_portal_venous_phase(quiet):
    for scan in quiet.scans:
        grey = {
            name: np.median(scan.volume[scan.organs == CODE[name]])
            for name in ("fat", "liver", "spleen", "kidney", "wall")
        }
        assert grey["fat"] < -60
        assert 75 < grey["liver"] < 135
        assert grey["liver"] < grey["kidney"]
    vessel, liver = (
        np.concatenate([s.volume[s.organs == CODE[name]] for s in quiet.scans]).mean()
        for name in ("liver vessel", "liver")
    )
    assert vessel > liver + 10, "veins shine in this phase"


def test_lesions_differ_by_what_was_asked_for():
    knobs = {"diameter_mm": (25, 40), "hyperdense_fraction": 0.0, "lesions_per_scan": 4, "dose_photons": np.inf}
    dark = make_abdomens(3, seed=1, contrast_hu=(40, 40), **knobs, **COARSE)
    none = make_abdomens(3, seed=1, contrast_hu=(0, 0), **knobs, **COARSE)
    for seen, hidden in zip(dark.scans, none.scans, strict=True):
        np.testing.assert_array_equal(seen.labels, hidden.labels)
        lesion = seen.labels == 2
        assert lesion.any()
        assert -75 < (seen.volume - hidden.volume)[lesion].mean() < -15
        far = seen.organs == CODE["spleen"]
        np.testing.assert_allclose(seen.volume[far], hidden.volume[far], atol=1e-3)
    bright = make_abdomens(3, seed=1, contrast_hu=(40, 40), **{**knobs, "hyperdense_fraction": 1.0}, **COARSE)
    assert all(scan.lesions.hyperdense.all() for scan in bright.scans)
    assert (bright.scans[0].volume - none.scans[0].volume)[bright.scans[0].labels == 2].mean() > 15


def test_lesions_have_the_diameter_they_are_listed_with():
    scan = make_abdomens(
        1, spacing_mm=(3, 2, 2), lesions_per_scan=1.5, diameter_mm=(30, 30), near_border_fraction=0, seed=6
    ).scans[0]
    n = len(scan.lesions.diameters_mm)
    assert n > 0
    volume = (scan.labels == 2).sum() * np.prod(scan.spacing_mm) / n
    assert (6 * volume / np.pi) ** (1 / 3) == pytest.approx(30, rel=0.12)
    for centre in scan.lesions.centres_mm:
        z, y, x = np.rint(centre / scan.spacing_mm).astype(int)
        assert scan.labels[z, y, x] == 2


def test_no_lesions_and_no_noise_are_that(quiet):
    assert max(s.labels.max() for s in make_abdomens(2, lesions_per_scan=0, **COARSE).scans) == 1
    again = make_abdomens(2, dose_photons=np.inf, seed=3, **COARSE)
    np.testing.assert_array_equal(again.scans[1].volume, quiet.scans[1].volume)


def test_noise_falls_with_the_root_of_the_dose(quiet):
    noise = []
    for dose in (2e7, 8e7):
        scans = make_abdomens(2, dose_photons=dose, seed=3, **COARSE).scans
        inside = [scan.organs == CODE["liver"] for scan in scans]
        noise.append(
            np.std(
                np.concatenate([(s.volume - q.volume)[m] for s, q, m in zip(scans, quiet.scans, inside, strict=False)])
            )
        )
    assert noise[0] / noise[1] == pytest.approx(2, rel=0.1)


def test_other_organs_look_like_lesions(quiet):
    """Outside of the liver more voxels are as grey as its dark lesions than there are voxels of lesions."""
    dark, alike = 0, 0
    for scan in quiet.scans:
        liver = np.median(scan.volume[scan.organs == CODE["liver"]])
        low, high = liver - 62, liver - 28
        dark += (scan.labels == 2).sum()
        alike += ((scan.labels == 0) & (scan.volume > low) & (scan.volume < high)).sum()
    assert alike > 5 * dark


def test_the_union_of_depths_is_rounded_only_near_its_crease():
    a, b = np.array([5.0, 1.0, -30.0], np.float32), np.array([-30.0, 1.0, 5.0], np.float32)
    np.testing.assert_allclose(soft_max(a, b, 8.0), [5.0, 3.0, 5.0], atol=1e-6)


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("n_scans", 0),
        ("spacing_mm", (5, 3, 0.1)),
        ("field_mm", (10, 380)),
        ("diameter_mm", (20, 10)),
        ("contrast_hu", (60, 30)),
        ("dose_photons", 0),
        ("hyperdense_fraction", 1.5),
    ],
)
def test_a_knob_out_of_range_is_named(knob, value):
    with pytest.raises(CourseError, match=knob):
        make_abdomens(**{"n_scans": 1, knob: value})
