import numpy as np
import pytest
from scipy import stats

from medcourse.datasets import oct as device
from medcourse.datasets.oct import LAYERS, NAMES, Eye, axial_resolution_um, make_oct, scan
from medcourse.errors import CourseError

QUIET = {"noise_db": -np.inf, "rolloff_db_per_mm": 0.0}


def flat(height=256, width=128, db=0.0, loss=0.0):
    grid = np.zeros((height, width))
    return Eye(np.zeros((1, width)), grid.astype(int), grid + db, grid + loss, grid.astype(int))


def frame(eye, **knobs):
    defaults = {"axial_um": 5.0, "spot_um": 14.0, "rolloff_db_per_mm": 0.0, "noise_db": -np.inf, "n_averages": 1}
    return scan(np.random.default_rng(0), eye, spacing_um=np.array([4.0, 12.0]), **{**defaults, **knobs})


def test_shapes_types_and_description():
    eye = make_oct(height=128, width=96)
    assert eye.image.shape == eye.layers.shape == eye.power.shape == eye.lesions.shape == (128, 96)
    assert eye.image.dtype == np.float32
    assert 0 <= eye.image.min() <= eye.image.max() <= 1
    assert eye.boundaries_um.shape == (len(LAYERS) - 1, 96)
    assert eye.vessels.shape[1] == 3
    assert not eye.lesions.any()
    assert "SIMULATED" in eye.description


def test_seeds_repeat_and_the_device_does_not_change_the_eye():
    first = make_oct(height=128, width=96, seed=2)
    np.testing.assert_array_equal(first.image, make_oct(height=128, width=96, seed=2).image)
    other = make_oct(height=128, width=96, seed=2, n_averages=1, bandwidth_nm=100, noise_db=-20)
    np.testing.assert_array_equal(first.layers, other.layers)
    assert not np.array_equal(first.layers, make_oct(height=128, width=96, seed=3).layers)


def test_layers_lie_in_order_and_agree_with_their_boundaries():
    eye = make_oct(seed=1)
    assert (np.diff(eye.boundaries_um, axis=0) > 0).all()
    assert (np.diff(eye.layers, axis=0) >= 0).all()
    depth = (np.arange(496) + 0.5) * eye.spacing_um[0]
    for column in (0, 255, 511):
        np.testing.assert_array_equal(eye.layers[:, column], np.searchsorted(eye.boundaries_um[:, column], depth))


def test_thickness_of_the_retina_is_that_of_healthy_eyes():
    # From the inner limiting membrane to the lower edge of the pigment epithelium, in the centre and 1.5 mm away.
    rpe = NAMES.index("retinal pigment epithelium")
    centre, away = [], []
    for seed in range(6):
        eye = make_oct(height=64, seed=seed)
        thickness = eye.boundaries_um[rpe] - eye.boundaries_um[0]
        fovea, step = round(eye.fovea_column), round(1500 / eye.spacing_um[1])
        centre.append(thickness[fovea])
        away.append((thickness[fovea - step] + thickness[fovea + step]) / 2)
    assert 220 < np.mean(centre) < 275
    assert 300 < np.mean(away) < 350


def test_the_fovea_is_a_pit_without_vessels():
    eye = make_oct(seed=4, fovea_offset_mm=0.5, n_vessels=40)
    rpe = NAMES.index("retinal pigment epithelium")
    thickness = eye.boundaries_um[rpe] - eye.boundaries_um[0]
    assert abs(thickness.argmin() - eye.fovea_column) < 20
    assert (np.abs((eye.vessels[:, 0] - eye.fovea_column) * eye.spacing_um[1]) > 690).all()


def test_a_thinner_nerve_fibre_layer_thins_that_layer_only():
    base = make_oct(height=64, seed=5)
    thin = make_oct(height=64, seed=5, thickness_factors={"retinal nerve fibre layer": 0.5})
    before, after = (np.diff(eye.boundaries_um, axis=0) for eye in (base, thin))
    np.testing.assert_allclose(after[0], np.maximum(before[0] / 2, 0.5), rtol=1e-6)
    np.testing.assert_allclose(after[1:], before[1:], rtol=1e-6)


def test_axial_resolution_is_the_coherence_length():
    assert axial_resolution_um(840, 50) * device.REFRACTIVE_INDEX == pytest.approx(6.23, abs=0.01)
    assert axial_resolution_um(840, 100) == pytest.approx(axial_resolution_um(840, 50) / 2)


def test_a_thin_mirror_is_as_wide_as_the_coherence_length():
    eye = flat(400, 200, db=-300.0)
    eye.reflectivity_db[200] = 0.0
    power = scan(
        np.random.default_rng(0),
        eye,
        spacing_um=np.array([1.0, 12.0]),
        axial_um=10.0,
        spot_um=14.0,
        rolloff_db_per_mm=0,
        noise_db=-np.inf,
        n_averages=20,
    ).mean(axis=1)
    assert (power > power.max() / 2).sum() == pytest.approx(10, abs=1)


def test_speckle_of_one_frame_is_exponential_in_power_and_averages_out():
    one, many = frame(flat()), frame(flat(), n_averages=25)
    samples = one[::6, ::6].ravel()
    assert one.mean() == pytest.approx(1, abs=0.05)
    assert stats.kstest(samples, stats.expon(scale=samples.mean()).cdf).pvalue > 0.01
    assert samples.std() / samples.mean() == pytest.approx(1, abs=0.1)
    assert many.std() / many.mean() == pytest.approx(1 / 5, abs=0.03)


def test_rolloff_and_absorption_by_hand():
    db = 10 * np.log10(frame(flat(), rolloff_db_per_mm=6.0, n_averages=60).mean(axis=1))
    slope = np.polyfit(np.arange(256) * 4.0 / 1000, db, 1)[0]
    assert slope == pytest.approx(-6, abs=0.4)
    db = 10 * np.log10(frame(flat(loss=0.02), n_averages=60).mean(axis=1))  # 0.02 dB/um is 20 dB/mm
    assert np.polyfit(np.arange(256) * 4.0 / 1000, db, 1)[0] == pytest.approx(-20, abs=0.5)


def test_noise_has_the_power_asked_for():
    assert frame(flat(db=-300.0), noise_db=-30).mean() == pytest.approx(1e-3, rel=0.03)


def test_vessels_throw_shadows():
    eye = make_oct(seed=0, n_averages=20, n_vessels=12, **QUIET)
    epithelium = np.array(
        [eye.power[eye.layers[:, c] == NAMES.index("retinal pigment epithelium"), c].mean() for c in range(512)]
    )
    shadowed = np.rint(eye.vessels[:, 0]).astype(int)
    assert len(shadowed) >= 5
    assert np.median(epithelium[shadowed]) < 0.4 * np.median(epithelium)


def test_bright_layers_are_bright():
    eye = make_oct(seed=1, n_averages=8)
    mean = {name: eye.power[eye.layers == i].mean() for i, name in enumerate(NAMES)}
    for bright in ("retinal nerve fibre layer", "ellipsoid zone", "retinal pigment epithelium"):
        for dark in ("inner nuclear layer", "outer nuclear layer", "vitreous"):
            assert mean[bright] > 3 * mean[dark]


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"height": 8}, "height"),
        ({"n_averages": 0}, "n_averages"),
        ({"bandwidth_nm": 0}, "bandwidth_nm"),
        ({"thickness_factors": {"cornea": 2}}, "got cornea"),
    ],
)
def test_wrong_knobs_are_refused(knobs, said):
    with pytest.raises(CourseError, match=said):
        make_oct(**knobs)
