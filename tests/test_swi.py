"""Simulated susceptibility-weighted imaging: the field of iron, its phase, its blooming, and what looks like a bleed."""

import numpy as np
import pytest

from medcourse.datasets import make_swi_brains
from medcourse.datasets.brain3d import NUCLEI
from medcourse.datasets.susceptibility import (
    GYROMAGNETIC_HZ_PER_T,
    TISSUE_PPM,
    dipole_field_hz,
    minimum_projection,
    phase_mask,
)
from medcourse.datasets.swi import LABELS
from medcourse.errors import CourseError

SMALL = {"size": (20, 96, 76), "spacing_mm": (2.5, 1.8, 1.8)}
NOTHING = {"microbleeds_per_scan": 0, "veins_per_scan": 0, "medullary_veins": 0, "calcifications_per_scan": 0}


def grid(n, mm):
    return np.meshgrid(*[(np.arange(n) - n // 2) * mm] * 3, indexing="ij")


def test_the_field_of_a_ball_is_that_of_a_dipole():
    z, y, x = grid(65, 0.5)
    r = np.sqrt(z**2 + y**2 + x**2) + 1e-9
    field = dipole_field_hz((r <= 3) * 1.0, (0.5, 0.5, 0.5), field_t=3.0)
    inner = GYROMAGNETIC_HZ_PER_T * 3.0 * 1e-6 / 3  # of 1 ppm, in hertz
    radius = (3 * (r <= 3).sum() * 0.125 / (4 * np.pi)) ** (1 / 3)
    expected = inner * (radius / r) ** 3 * (3 * (z / r) ** 2 - 1)
    out = (r > 5) & (r < 11)
    np.testing.assert_allclose(field[out], expected[out], atol=0.03 * inner)
    assert field[32, 32, 32] == pytest.approx(0, abs=0.05 * inner), "inside of a ball the field is that outside"
    assert field[32 + 10, 32, 32] > 0 > field[32, 32 + 10, 32], "stronger at the poles, weaker around the equator"


def test_the_field_of_a_vein_depends_on_its_direction():
    z, y, x = grid(64, 0.5)
    along, across = ((a**2 + b**2 <= 2.25) * 1.0 for a, b in ((y, x), (z, y)))
    unit = GYROMAGNETIC_HZ_PER_T * 3.0 * 1e-6
    fields = [dipole_field_hz(chi, (0.5, 0.5, 0.5), field_t=3.0)[32, 32, 32] for chi in (along, across)]
    # An infinite cylinder has 1/3 along the field, and -1/6 across it; ours ends after 32 mm.
    assert fields[0] == pytest.approx(unit / 3, rel=0.05)
    assert fields[1] == pytest.approx(-unit / 6, rel=0.05)


def test_fields_add_up_and_grow_with_the_magnet():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 10, 12, 14))
    field = [dipole_field_hz(chi, (2, 1, 1)) for chi in (a, b, a + b)]
    np.testing.assert_allclose(field[0] + field[1], field[2], atol=1e-9)
    np.testing.assert_allclose(dipole_field_hz(a, (2, 1, 1), field_t=1.5), field[0] / 2)


def test_the_mask_darkens_negative_phase_only():
    assert phase_mask(np.array([-np.pi, -np.pi / 4, 0, np.pi])).tolist() == [0, 0.75, 1, 1]


def test_projection_takes_the_darkest_of_neighbouring_slices():
    volume = np.ones((7, 1, 1))
    volume[3] = 0.2
    assert minimum_projection(volume, 3).ravel().tolist() == [1, 1, 0.2, 0.2, 0.2, 1, 1]


def test_seeds_repeat_and_a_scan_does_not_depend_on_how_many_there_are():
    one, two = make_swi_brains(1, seed=4, **SMALL), make_swi_brains(2, seed=4, **SMALL)
    np.testing.assert_array_equal(one.scans[0].volume, two.scans[0].volume)
    assert not np.array_equal(two.scans[0].volume, two.scans[1].volume)
    assert "SIMULATED" in one.description


def test_noise_leaves_the_anatomy_and_has_its_size():
    clean, noisy = (make_swi_brains(1, noise=n, seed=1, **SMALL).scans[0] for n in (0.0, 0.05))
    np.testing.assert_array_equal(clean.labels, noisy.labels)
    np.testing.assert_array_equal(clean.microbleeds.centres_mm, noisy.microbleeds.centres_mm)
    bright = clean.magnitude > 0.5  # where the magnitude of complex noise is nearly normal
    assert (noisy.magnitude - clean.magnitude)[bright].std() == pytest.approx(0.05, rel=0.05)


def test_iron_is_dark_and_outside_of_the_brain_is_nothing():
    scan = make_swi_brains(1, noise=0.0, seed=0, **SMALL).scans[0]
    assert (scan.volume[~scan.brain] == 0).all()
    white = np.median(scan.volume[scan.brain])
    for name in ("microbleed", "vein"):
        assert np.median(scan.volume[scan.labels == LABELS.index(name)]) < 0.75 * white


def test_nothing_is_dark_but_what_was_put_there():
    scan = make_swi_brains(1, noise=0.0, seed=0, **NOTHING, **SMALL).scans[0]
    assert set(np.unique(scan.labels)) <= {0, LABELS.index("vein")}
    assert len(scan.microbleeds.diameters_mm) == len(scan.mimics.kinds) == 0


def test_bleeds_look_larger_than_they_are_and_the_more_so_the_later_the_echo():
    settings = {"n_scans": 3, "microbleeds_per_scan": 6, "deposit_mm": (2.0, 3.0), "noise": 0, "seed": 3}
    fine = {"size": (28, 150, 120), "spacing_mm": (2.0, 1.1, 1.1)}
    early, late = (
        [s.microbleeds for s in make_swi_brains(**settings, **fine, echo_time_ms=te).scans] for te in (6.0, 24.0)
    )
    seen = [np.concatenate([b.diameters_mm for b in each]) for each in (early, late)]
    iron = np.concatenate([b.deposits_mm for b in late])
    np.testing.assert_array_equal(iron, np.concatenate([b.deposits_mm for b in early]))
    assert (seen[1] >= seen[0]).all()
    assert 1.5 < np.median(seen[1] / iron) < 3
    assert np.median(seen[1]) > 1.15 * np.median(seen[0])


def test_a_bleed_ends_and_a_vein_goes_on():
    scans = make_swi_brains(4, noise=0, seed=2, vein_tilt_deg=10.0, **SMALL).scans
    heights = {1: [], 2: []}
    for scan in scans:
        found = [(1, scan.microbleeds.centres_mm)]
        found.append((2, scan.mimics.centres_mm[np.array(scan.mimics.kinds) == "vein"]))
        for label, centres in found:
            for place in centres:
                _, y, x = np.rint(place / np.array(scan.spacing_mm)).astype(int)
                column = (scan.labels[:, max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] == label).any((1, 2))
                heights[label].append(column.sum() * 2.5)
    assert np.median(heights[1]) <= 12.5
    assert np.median(heights[2]) > 1.5 * np.median(heights[1])


def test_calcium_turns_the_phase_the_other_way():
    # Slices as thin as the spots, for thick ones add up both signs of the dipole.
    fine = {"size": (48, 150, 120), "spacing_mm": (1.0, 1.1, 1.1), "noise": 0.0, "n_scans": 2, "echo_time_ms": 5.0}
    bare = {**NOTHING, **fine}
    poles = {"microbleed": [], "calcification": []}
    for kind, knob in (("microbleed", "microbleeds_per_scan"), ("calcification", "calcifications_per_scan")):
        for scan, empty in zip(make_swi_brains(**{**bare, knob: 6}).scans, make_swi_brains(**bare).scans, strict=True):
            spots = scan.microbleeds if kind == "microbleed" else scan.mimics
            sizes = spots.deposits_mm if kind == "microbleed" else spots.diameters_mm
            for place, size in zip(spots.centres_mm, sizes, strict=True):
                z, y, x = np.rint((place + np.array([size / 2 + 1.5, 0, 0])) / np.array(scan.spacing_mm)).astype(int)
                if z < 48:
                    poles[kind].append(float(scan.phase[z, y, x] - empty.phase[z, y, x]))
    assert len(poles["calcification"]) > 3
    assert np.median(poles["microbleed"]) < -0.1
    assert np.median(poles["calcification"]) > 0.05


def test_without_mask_power_the_picture_is_the_magnitude():
    scan = make_swi_brains(1, mask_power=0, seed=5, **SMALL).scans[0]
    np.testing.assert_allclose(scan.volume, scan.magnitude, atol=1e-6)


def test_iron_darkens_the_nuclei_in_its_order():
    assert set(NUCLEI) < set(TISSUE_PPM)
    assert TISSUE_PPM["pallidum"] > TISSUE_PPM["putamen"] > TISSUE_PPM["thalamus"] > TISSUE_PPM["white_matter"]


def test_places_are_inside_and_apart():
    for scan in make_swi_brains(3, microbleeds_per_scan=12, seed=9, **SMALL).scans:
        places = scan.microbleeds.centres_mm
        voxels = np.rint(places / np.array(scan.spacing_mm)).astype(int)
        assert scan.brain[tuple(voxels.T)].all()
        distances = np.linalg.norm(places[:, None] - places[None], axis=-1) + 99 * np.eye(len(places))
        assert distances.min() >= 9


@pytest.mark.parametrize(
    ("knob", "message"),
    [
        ({"n_scans": 0}, "n_scans must be at least 1"),
        ({"size": (4, 96, 76)}, "at least 8 voxels"),
        ({"spacing_mm": (0, 1, 1)}, "three positive numbers"),
        ({"deposit_mm": (3, 1)}, r"\(smallest, largest\)"),
        ({"field_t": 7.0}, r"one of \[1.5, 3.0\]"),
        ({"echo_time_ms": 30.0}, "echo_time_ms must lie in"),
        ({"noise": -1.0}, r"noise must lie in \[0, 1\]"),
    ],
)
def test_bad_knobs_are_answered_in_one_line(knob, message):
    with pytest.raises(CourseError, match=message) as caught:
        make_swi_brains(**{"n_scans": 1, **SMALL, **knob})
    assert "\n" not in str(caught.value)
