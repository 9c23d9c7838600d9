import numpy as np
import pytest
from scipy import stats

from medcourse.datasets import fetus
from medcourse.datasets.ultrasound import (
    beam_width_mm,
    envelope,
    gestational_age_days,
    log_compress,
    make_ultrasound,
    pulse_echo,
    scatter,
    two_way_loss_db,
)
from medcourse.errors import CourseError

SMALL = {"depth_mm": 60, "n_beams": 64, "spacing_mm": 0.5}
PLAIN = {**SMALL, "phantom": "uniform", "noise_db": -np.inf}


@pytest.fixture(scope="module")
def picture():
    return make_ultrasound(seed=1)


def test_shapes_types_and_description(picture):
    assert picture.image.shape == picture.fan.shape == picture.tissue.shape
    assert picture.image.dtype == np.float32
    assert 0 <= picture.image.min() <= picture.image.max() <= 1
    assert (picture.image[~picture.fan] == 0).all()
    assert picture.rf.shape == picture.envelope.shape == (len(picture.depths_mm), len(picture.angles_rad))
    assert "SIMULATED" in picture.description


def test_seeds_repeat_and_the_scanner_does_not_change_the_body():
    first = make_ultrasound(seed=3, **SMALL)
    np.testing.assert_array_equal(first.image, make_ultrasound(seed=3, **SMALL).image)
    other = make_ultrasound(seed=3, dynamic_range_db=30, noise_db=-40, tgc_db_cm_mhz=0, **SMALL)
    np.testing.assert_array_equal(first.tissue, other.tissue)
    assert not np.array_equal(first.image, make_ultrasound(seed=4, **SMALL).image)


@pytest.mark.parametrize("crl_mm", [45.0, 56.0, 68.0])
def test_crown_rump_length_is_the_distance_of_its_ends_in_millimetres(crl_mm):
    picture = make_ultrasound(crl_mm=crl_mm, tilt_deg=-12, n_beams=64)
    measured = np.hypot(*(picture.crown_px - picture.rump_px)) * picture.spacing_mm
    assert measured == pytest.approx(crl_mm, abs=1e-6)
    # The ends lie on the body's edge: fetus on one side, fluid on the other.
    for end, other in ((picture.crown_px, picture.rump_px), (picture.rump_px, picture.crown_px)):
        outward = (end - other) / np.linalg.norm(end - other)
        inner, outer = (end + s * 2.0 / picture.spacing_mm * outward for s in (-1, 1))
        assert picture.tissues[picture.tissue[tuple(np.rint(inner).astype(int))]] in fetus.FETAL
        assert picture.tissues[picture.tissue[tuple(np.rint(outer).astype(int))]] in ("fluid", "wall")


def test_crown_to_rump_is_the_longest_line_through_the_body():
    spread = np.linalg.norm(fetus.OUTLINE[:, None] - fetus.OUTLINE[None], axis=-1)
    assert np.hypot(*(fetus.CROWN - fetus.RUMP)) > 0.98 * spread.max()


def test_fluid_is_dark_and_tissue_is_bright(picture):
    mean = {name: picture.image[picture.tissue == i].mean() for i, name in enumerate(picture.tissues)}
    assert mean["fluid"] < 0.25
    assert mean["brain"] < mean["soft tissue"] < mean["bone"]


def test_speckle_of_many_scatterers_is_rayleigh_distributed():
    uniform = make_ultrasound(**PLAIN, attenuation_db_cm_mhz=0, tgc_db_cm_mhz=0, scatterers_per_mm2=2000, seed=2)
    # Every so many samples, so that they hardly depend on each other; the fan's edges mirror.
    samples = uniform.envelope[100:-100:25, 6:-6:6].ravel()
    assert samples.mean() / samples.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.05)  # 1.91
    scale = np.sqrt((samples**2).mean() / 2)
    assert stats.kstest(samples, stats.rayleigh(scale=scale).cdf).pvalue > 0.01


def test_few_scatterers_a_cell_are_not_rayleigh():
    sparse = make_ultrasound(**PLAIN, attenuation_db_cm_mhz=0, tgc_db_cm_mhz=0, scatterers_per_mm2=0.5, seed=2)
    samples = sparse.envelope[100:-100:25, 6:-6:6].ravel()
    assert samples.mean() / samples.std() < 1.5


def test_uniform_scatterers_have_mean_square_one():
    echoes = scatter(np.random.default_rng(0), np.zeros((500, 400)), np.full((500, 400), 3.0))
    assert (echoes**2).mean() == pytest.approx(1, rel=0.03)
    rf = pulse_echo(
        echoes, step_mm=0.03, pitch_mm=np.full((500, 400), 0.2), width_mm=np.full(500, 0.9), wavelength_mm=0.3, cycles=2
    )
    assert (rf[50:-50] ** 2).mean() == pytest.approx(1, rel=0.06)


def test_a_point_is_as_wide_as_the_beam_and_as_long_as_the_pulse():
    echoes = np.zeros((601, 201))
    echoes[300, 100] = 1
    rf = pulse_echo(
        echoes,
        step_mm=0.02,
        pitch_mm=np.full((601, 201), 0.05),
        width_mm=np.full(601, 1.0),
        wavelength_mm=0.3,
        cycles=4,
    )
    shape = envelope(rf)
    across, along = shape[300], shape[:, 100]
    assert (across > across.max() / 2).sum() * 0.05 == pytest.approx(1.0, abs=0.06)
    assert (along > along.max() / 2).sum() * 0.02 == pytest.approx(4 * 0.3 / 2, abs=0.04)


def test_the_beam_is_narrowest_at_its_focus():
    width = beam_width_mm(np.arange(10.0, 90.0), wavelength_mm=0.3, f_number=2.5, focus_mm=40)
    assert width.argmin() == 30
    assert width[30] == pytest.approx(2.5 * 0.3 / np.sqrt(2))
    assert width.max() < 2.5 * 0.3


def test_attenuation_by_hand():
    # 0.5 dB/cm/MHz at 5 MHz over 4 cm, there and back: 20 dB.
    loss = two_way_loss_db(np.full((401, 1), 0.5), step_mm=0.1, frequency_mhz=5)
    assert loss[400, 0] == pytest.approx(20)
    assert loss[0, 0] == 0


def test_gain_that_matches_the_loss_makes_uniform_tissue_even():
    kept = make_ultrasound(**PLAIN, seed=1, attenuation_db_cm_mhz=0.5, tgc_db_cm_mhz=0.5)
    lost = make_ultrasound(**PLAIN, seed=1, attenuation_db_cm_mhz=0.5, tgc_db_cm_mhz=0.0)
    third = len(kept.rf) // 3

    def fall_db(rf):
        return 10 * np.log10((rf[:third] ** 2).mean() / (rf[-third:] ** 2).mean())

    assert abs(fall_db(kept.rf)) < 1
    assert fall_db(lost.rf) > 15


def test_log_compression_by_hand():
    grey = log_compress(np.array([1.0, 10**-1.5, 1e-3, 1e-4, 0.0]), dynamic_range_db=60, top_percentile=100)
    np.testing.assert_allclose(grey, [1, 0.5, 0, 0, 0], atol=1e-9)
    assert (log_compress(np.zeros(3), dynamic_range_db=60) == 0).all()


def test_a_larger_dynamic_range_shows_more_of_the_dark():
    narrow, wide = (make_ultrasound(seed=1, dynamic_range_db=db, **SMALL) for db in (30, 80))
    assert (narrow.image[narrow.fan] == 0).mean() > (wide.image[wide.fan] == 0).mean()


def test_behind_fluid_it_is_brighter_than_beside():
    picture = make_ultrasound(seed=0, noise_db=-np.inf)
    middle = np.abs(picture.angles_rad) < 0.15
    deep = picture.depths_mm > 80
    behind, beside = picture.envelope[deep][:, middle], picture.envelope[deep][:, np.abs(picture.angles_rad) > 0.52]
    assert np.sqrt((behind**2).mean()) > 1.3 * np.sqrt((beside**2).mean())


def test_gestational_age_grows_with_length():
    assert gestational_age_days(54.0) == pytest.approx(84, abs=0.5)  # 12 weeks
    assert gestational_age_days(68) > gestational_age_days(56)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"phantom": "cat"}, "phantom must be"),
        ({"crl_mm": 200}, "crl_mm"),
        ({"n_beams": 2}, "n_beams"),
        ({"dynamic_range_db": 0}, "dynamic_range_db"),
        ({"scatterers_per_mm2": 0}, "scatterers_per_mm2"),
    ],
)
def test_wrong_knobs_are_refused(knobs, said):
    with pytest.raises(CourseError, match=said):
        make_ultrasound(**knobs)


def test_a_length_below_zero_has_no_age():
    with pytest.raises(CourseError, match="crl_mm"):
        gestational_age_days(0)
