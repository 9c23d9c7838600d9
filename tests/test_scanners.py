"""X-ray, CT, MR and PET: each scanner against its physics, and against another implementation where there is one."""

import warnings

import numpy as np
import pytest
from skimage.transform import iradon, radon

from medcourse.datasets import ct, make_mammogram, make_pet_ct, make_radiograph, mr, pet, phantoms, xray
from medcourse.errors import CourseError


@pytest.fixture(scope="module")
def thorax():
    return phantoms.thorax(size=(128, 128), spacing_mm=2.8, seed=0)


@pytest.fixture(scope="module")
def mu(thorax):
    return ct.attenuation_of(thorax)


def test_phantoms_repeat_by_seed_and_hold_what_a_radiologist_looks_for(thorax):
    again = phantoms.thorax(size=(128, 128), spacing_mm=2.8, seed=0)
    np.testing.assert_array_equal(thorax.tissue, again.tissue)
    assert not np.array_equal(thorax.tissue, phantoms.thorax(size=(128, 128), spacing_mm=2.8, seed=1).tissue)
    area_cm2 = {name: (thorax.tissue == code).sum() * 0.14**2 for name, code in phantoms.CODE.items()}
    assert 100 < area_cm2["lung"] < 350
    assert 60 < area_cm2["blood"] < 160
    assert area_cm2["cortical_bone"] > 8
    head = phantoms.head(seed=0)
    inside = {name: (head.tissue == phantoms.CODE[name]).sum() for name in ("grey_matter", "white_matter", "csf")}
    assert 0.5 < inside["grey_matter"] / inside["white_matter"] < 1.5
    assert head.tissue[[0, -1]].max() == 0


def test_coarse_pixels_keep_the_mean():
    image = np.random.default_rng(0).normal(size=(8, 12))
    assert phantoms.coarsen(image, 2).mean() == pytest.approx(image.mean())
    with pytest.raises(CourseError, match="expected names of tissues"):
        phantoms.lookup({"steel": 1.0}, np.zeros((2, 2), np.uint8))


# X-ray


@pytest.mark.parametrize(
    ("material", "energy", "per_cm"),
    [("water", 60, 0.2059), ("cortical_bone", 60, 1.92 * 0.3148), ("fat", 20, 0.95 * 0.5677), ("water", 511, 0.0960)],
)
def test_attenuation_is_that_of_the_tables(material, energy, per_cm):
    assert xray.attenuation_per_mm(material, energy) == pytest.approx(per_cm / 10, rel=0.005)


def test_beer_lambert_multiplies_along_the_ray():
    one = xray.transmit({"water": np.array(30.0)}, energy_kev=60)
    two = xray.transmit({"muscle": np.array(20.0)}, energy_kev=60)
    both = xray.transmit({"water": np.array(30.0), "muscle": np.array(20.0)}, energy_kev=60)
    assert both == pytest.approx(one * two)
    assert xray.transmit({"gold": np.array(0.0)}, energy_kev=30) == 1


def test_counts_are_poisson_and_scatter_is_its_share():
    rng = np.random.default_rng(0)
    flat = np.full((200, 200), 0.5)
    counts = xray.count_photons(flat, photons=800, scatter_fraction=0, rng=rng, spacing_mm=1)
    assert counts.mean() == pytest.approx(400, rel=0.002)
    assert counts.var() == pytest.approx(400, rel=0.03)
    veiled = xray.count_photons(flat, photons=np.inf, scatter_fraction=0.3, rng=rng, spacing_mm=1)
    assert (veiled - flat).mean() / veiled.mean() == pytest.approx(0.3)


def test_film_blackens_with_exposure_between_fog_and_black():
    density = xray.film(np.logspace(-4, 4, 50))
    assert (np.diff(density) > 0).all()
    assert density[0] == pytest.approx(0.2, abs=0.01)
    assert density[-1] == pytest.approx(3.2, abs=0.01)
    slope = np.diff(xray.film(np.array([10**-0.01, 10**0.01]), contrast=2.5))[0] / 0.02
    assert slope == pytest.approx(2.5, rel=0.01)


def test_radiograph_without_noise_is_the_sum_of_lengths_times_attenuation():
    hand = make_radiograph("hand", photons=np.inf, spacing_mm=1)
    total = sum(xray.attenuation_per_mm(name, 30) * length for name, length in hand.lengths_mm.items())
    np.testing.assert_allclose(hand.image, np.minimum(total, -np.log(1e-12)), atol=1e-9)
    ring = hand.lengths_mm["gold"] > 1
    assert hand.image[ring].min() > 10  # nothing passes gold
    assert "SIMULATED" in hand.description


def test_nodule_shows_in_a_chest_where_it_is():
    with_, without = (make_radiograph("chest", photons=np.inf, spacing_mm=2, nodule_mm=mm, seed=1) for mm in (20, 0))
    assert with_.nodule.any()
    assert not without.nodule.any()
    assert with_.image.shape == (200, 200)


def test_low_energies_tell_gland_from_fat():
    gap = [make_mammogram(spacing_mm=1, photons=np.inf, scatter_fraction=0, energy_kev=kev, seed=0) for kev in (20, 60)]
    rough = [picture.image[90:130, 30:70].std() for picture in gap]
    assert rough[0] > 3 * rough[1]


@pytest.mark.parametrize("knobs", [{"photons": 0}, {"scatter_fraction": 1}, {"energy_kev": 5}, {"view": "foot"}])
def test_radiograph_says_what_it_expects(knobs):
    with pytest.raises(CourseError, match="must"):
        make_radiograph(**knobs)


# CT


def test_hounsfield_scale_is_fixed_by_water_and_air():
    water, air = (xray.attenuation_per_mm(name, 70) for name in ("water", "air"))
    np.testing.assert_allclose(ct.to_hu(np.array([water, air])), [0, -1000])
    np.testing.assert_allclose(ct.to_hu(ct.to_mu(np.array([-1000.0, 40.0, 900.0]))), [-1000, 40, 900])
    fat, bone = (ct.to_hu(np.array(xray.attenuation_per_mm(name, 70))) for name in ("fat", "cortical_bone"))
    assert -110 < fat < -60
    assert bone > 1000


def test_projection_of_a_disc_is_its_chords():
    n, radius = 201, 60
    y, x = np.indices((n, n)) - n // 2
    disc = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1) * 0.02
    sinogram = ct.project(disc, ct.view_angles(12), spacing_mm=0.5)
    t = (np.arange(n) - n // 2) * 0.5
    expected = 0.02 * 2 * np.sqrt(np.maximum(30**2 - t**2, 0))
    middle = np.abs(t) < 27  # at the edge a pixel is as wide as the chord changes
    np.testing.assert_allclose(sinogram[:, middle], np.tile(expected[middle], (12, 1)), atol=0.005 * expected.max())


def test_projection_agrees_with_scikit_image(mu):
    angles = ct.view_angles(45)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = radon(mu, angles, circle=True).T
    ours = ct.project(mu, angles)
    assert np.abs(ours - theirs).max() < 1e-3 * theirs.max()


@pytest.mark.parametrize("window", ct.WINDOWS)
def test_reconstruction_agrees_with_scikit_image(mu, window):
    angles = ct.view_angles(60)
    sinogram = ct.project(mu, angles)
    theirs = iradon(sinogram.T, angles, filter_name=window, circle=True)
    ours = ct.reconstruct(sinogram, angles, window=window)
    y, x = np.indices(mu.shape) - 64
    seen = np.hypot(y, x) < 62  # beyond the last detector theirs pads with one more line of zeros
    # Theirs pads further and samples windows a little otherwise; the ramp itself is the same numbers.
    tolerance = 1e-12 if window == "ramp" else 1e-3
    assert np.abs(ours - theirs)[seen].max() < tolerance * theirs.max()


def test_the_chain_gives_back_what_was_scanned(mu):
    angles = ct.view_angles(360)
    back = ct.to_hu(ct.reconstruct(ct.project(mu, angles, spacing_mm=2.8), angles, spacing_mm=2.8))
    heart = np.s_[55:60, 68:73]
    assert back[heart].mean() == pytest.approx(ct.to_hu(mu)[heart].mean(), abs=15)


def test_noise_falls_with_the_root_of_the_dose(mu):
    angles = ct.view_angles(60)
    true = ct.project(mu, angles, spacing_mm=2.8)
    clean = ct.reconstruct(true, angles, spacing_mm=2.8)
    sd = []
    for dose in (1e4, 4e4, 16e4):
        rng = np.random.default_rng(0)
        noisy = ct.reconstruct(ct.count(true, dose_photons=dose, rng=rng), angles, spacing_mm=2.8)
        sd.append((noisy - clean)[40:90, 40:90].std())
    np.testing.assert_allclose([sd[0] / sd[1], sd[1] / sd[2]], 2, rtol=0.1)
    np.testing.assert_array_equal(ct.count(true, dose_photons=np.inf, rng=np.random.default_rng(0)), true)


def test_starved_rays_stay_finite():
    measured = ct.count(np.full(100, 50.0), dose_photons=10, electronic_noise=3, rng=np.random.default_rng(0))
    assert np.isfinite(measured).all()


def test_make_ct_slice_repeats_and_says_what_it_is():
    one, two = (ct.make_ct_slice(size=64, spacing_mm=5.6, n_views=45, nodule_mm=20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.nodule.any()
    assert "SIMULATED" in one.description
    with pytest.raises(CourseError, match="at least 340 mm"):
        ct.make_ct_slice(size=64, spacing_mm=1)


# MR


def test_kspace_is_numpys_fourier_transform_with_the_same_energy():
    image = np.random.default_rng(0).normal(size=(32, 24))
    ours = mr.to_kspace(image)
    theirs = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image))) / np.sqrt(image.size)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    np.testing.assert_allclose(mr.from_kspace(ours), image, atol=1e-12)
    assert np.sum(np.abs(ours) ** 2) == pytest.approx(np.sum(image**2))


def test_gradient_echo_is_brightest_at_ernsts_angle():
    e1 = np.exp(-20 / 1000)
    ernst = np.rad2deg(np.arccos(e1))
    knobs = {"repetition_ms": 20, "echo_ms": 5}
    best, less, more = (mr.gradient_echo(1, 1000, 50, flip_deg=ernst + d, **knobs) for d in (0, -3, 3))
    assert best > max(less, more)
    assert best == pytest.approx(np.sqrt((1 - e1) / (1 + e1)) * np.exp(-0.1))


def test_inversion_recovery_nulls_fluid():
    t1 = 4300
    null = t1 * np.log(2 / (1 + np.exp(-9000 / t1)))
    signals = mr.tissue_signals("inversion_recovery", repetition_ms=9000, echo_ms=100, inversion_ms=null)
    assert abs(signals["csf"]) < 1e-12
    assert signals["grey_matter"] > 0.1


def test_magnitude_of_noise_alone_is_rayleigh():
    head = mr.make_mr_slice(coil_noise=0.02, uneven_coil=0, seed=0)
    corner = head.image[:24, :24]
    assert corner.mean() == pytest.approx(0.02 * np.sqrt(np.pi / 2), rel=0.05)


def test_a_full_quiet_scan_is_the_truth():
    head = mr.make_mr_slice(coil_noise=0, uneven_coil=0)
    np.testing.assert_allclose(head.image, head.truth, atol=1e-6)


def test_skipping_every_second_line_folds_the_head_by_half_a_field():
    head = mr.make_mr_slice(coil_noise=0, uneven_coil=0, acceleration=2)
    folded = (head.truth + np.roll(head.truth, 128, axis=0)) / 2
    np.testing.assert_allclose(head.image, folded, atol=1e-6)


@pytest.mark.parametrize("pattern", ["regular", "random", "centre"])
@pytest.mark.parametrize("acceleration", [1, 2, 4])
def test_masks_measure_the_share_they_promise(pattern, acceleration):
    mask = mr.kspace_mask(256, acceleration=acceleration, pattern=pattern)
    assert mask.sum() == 256 / acceleration
    assert mask[128]  # the mean of the picture is always measured


def test_mr_says_what_it_expects():
    with pytest.raises(CourseError, match="field_t must be one of"):
        mr.make_mr_slice(field_t=7)
    with pytest.raises(CourseError, match="longer than echo_ms"):
        mr.make_mr_slice(repetition_ms=10, echo_ms=20)


# PET


def test_resampling_goes_by_millimetres():
    coarse = np.zeros((8, 8))
    coarse[2, 5] = 1  # at y = 10 + 2 * 4, x = -6 + 5 * 4
    fine = pet.resample(
        coarse,
        spacing_mm=(4, 4),
        origin_mm=(10, -6),
        onto_shape=(20, 30),
        onto_spacing_mm=(2, 1),
        onto_origin_mm=(0, 0),
    )
    assert np.unravel_index(fine.argmax(), fine.shape) == (9, 14)


def test_every_decay_is_seen_once_a_view():
    matrix = pet.system_matrix(32, 16)
    seen = np.asarray(matrix.sum(axis=0)).reshape(32, 32)
    np.testing.assert_allclose(seen[10:22, 10:22], 1)


def test_likelihood_never_falls_with_one_subset():
    rng = np.random.default_rng(0)
    matrix = pet.system_matrix(24, 12)
    y, x = np.indices((24, 24)) - 11.5
    truth = np.where(np.hypot(y, x) < 8, 50.0, 0).ravel()
    counts = rng.poisson(matrix @ truth).astype(float)

    def likelihood(image):
        expected = np.maximum(matrix @ image, 1e-9)
        return np.sum(counts * np.log(expected) - expected)

    found = [
        likelihood(pet.maximum_likelihood(counts, matrix, np.ones(len(counts)), 0, iterations=k, subsets=1, n_views=12))
        for k in (1, 2, 4, 8)
    ]
    assert np.all(np.diff(found) > 0)


def test_pet_and_ct_agree_in_millimetres_wherever_the_pet_lies_and_in_nothing_else():
    def seen(**grid):
        """Where the hottest place is and where the lesion is, in mm, and where the first lies if scaled to the CT."""
        scan = make_pet_ct(counts=np.inf, lesion_mm=24, **grid)
        hottest = np.array(np.unravel_index(scan.pet.argmax(), scan.pet.shape))
        lesion = np.argwhere(scan.lesion).mean(axis=0) * scan.ct_spacing_mm + scan.ct_origin_mm
        scaled = hottest * len(scan.ct) / len(scan.pet) * scan.ct_spacing_mm + scan.ct_origin_mm
        return hottest * scan.pet_spacing_mm + scan.pet_origin_mm, lesion, scaled

    for grid in ({}, {"pet_field_mm": 600.0, "pet_middle_mm": (30.0, -12.0)}, {"pet_spacing_mm": 3.0}):
        place, lesion, scaled = seen(**grid)
        assert np.hypot(*(place - lesion)) < 8
        assert np.hypot(*(scaled - lesion)) > 20
    # Only where both fields are the same does scaling get away with it.
    place, lesion, scaled = seen(pet_field_mm=384.0, pet_middle_mm=(0.0, 0.0))
    assert np.hypot(*(scaled - lesion)) < 8
    with pytest.raises(CourseError, match="pet_field_mm must lie in"):
        make_pet_ct(pet_field_mm=300.0)
    with pytest.raises(CourseError, match="pet_middle_mm"):
        make_pet_ct(pet_middle_mm=(0.0, 50.0))


def test_pet_gives_back_the_uptake_and_needs_the_ct_for_it():
    quiet = make_pet_ct(counts=np.inf, lesion_mm=30, iterations=6)
    onto = {"onto_shape": quiet.ct.shape, "onto_spacing_mm": quiet.ct_spacing_mm, "onto_origin_mm": quiet.ct_origin_mm}
    on_ct = pet.resample(quiet.pet, spacing_mm=quiet.pet_spacing_mm, origin_mm=quiet.pet_origin_mm, **onto)
    assert on_ct.sum() == pytest.approx(quiet.truth.sum(), rel=0.03)
    assert on_ct[quiet.lesion].max() == pytest.approx(9, rel=0.2)
    blind = make_pet_ct(counts=np.inf, lesion_mm=30, iterations=6, correct_attenuation=False)
    row, column = (round(-origin / 4) for origin in quiet.pet_origin_mm)  # where the body's middle is, 0 mm
    middle = np.s_[row - 3 : row + 3, column - 3 : column + 3]
    assert blind.pet[middle].mean() < 0.6 * quiet.pet[middle].mean()
    assert pet.standardised_uptake(np.array(5.0), injected_mbq=350, weight_kg=70) == 1
