"""Films of lungs and breasts: what is seen is what was put there."""

import itertools

import numpy as np
import pytest
from scipy import fft
from skimage import io

from medcourse.datasets import make_chest_radiographs, make_mass_rois, make_microcalcifications, read_rois
from medcourse.datasets.breast import breast_tissue, transmit_breast
from medcourse.datasets.film import expose, power_law
from medcourse.errors import CourseError

QUIET = {"quanta_per_mm2": np.inf, "grain_mm": 0.0, "blur_mm": 0.0}


def slope_of_power(fields, spacing_mm, low, high):
    """Exponent of the radial power spectrum between two frequencies (1/mm), windowed, over several fields."""
    window = np.hanning(fields[0].shape[0])[:, None] * np.hanning(fields[0].shape[1])
    power = np.mean([np.abs(fft.fft2((f - f.mean()) * window)) ** 2 for f in fields], axis=0)
    frequency = np.hypot(*np.meshgrid(*(fft.fftfreq(n, spacing_mm) for n in power.shape), indexing="ij"))
    edges = np.geomspace(low, high, 9)
    means = [power[(frequency >= a) & (frequency < b)].mean() for a, b in itertools.pairwise(edges)]
    return -np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(means), 1)[0]


@pytest.mark.parametrize("exponent", [2.0, 3.0, 4.0])
def test_noise_follows_its_power_law_in_millimetres_at_any_spacing(exponent):
    for spacing_mm in (0.1, 0.2):
        rngs = map(np.random.default_rng, range(12))
        fields = [power_law(rng, (192, 192), spacing_mm=spacing_mm, exponent=exponent) for rng in rngs]
        assert slope_of_power(fields, spacing_mm, 0.25, 1.5) == pytest.approx(exponent, abs=0.25)


def test_breast_tissue_has_the_power_law_of_mammograms_and_the_density_asked_for():
    shares = [breast_tissue(np.random.default_rng(k), (256, 256), spacing_mm=0.1) for k in range(10)]
    assert 2.5 < slope_of_power(shares, 0.1, 0.15, 1.0) < 3.5
    assert np.mean(shares) == pytest.approx(0.4, abs=0.12)
    assert min(s.min() for s in shares) >= 0
    assert max(s.max() for s in shares) <= 1
    sparse, dense = (
        np.mean([breast_tissue(np.random.default_rng(k), (64, 64), spacing_mm=0.4, density=d) for k in range(6)])
        for d in (0.2, 0.6)
    )
    assert sparse < dense - 0.2


def test_film_shows_attenuation_by_its_curve_and_nothing_else_without_noise():
    rng = np.random.default_rng(0)
    steps = np.repeat(10.0 ** np.array([-0.2, 0.0, 0.0, 0.2]), 8)[None].repeat(8, 0)
    film = expose(steps, rng, spacing_mm=0.1, gamma=3.0, **QUIET)
    assert film[0, 10] == pytest.approx(0.5, abs=1e-6)
    # A decade near the middle is gamma of 3.3 optical densities.
    slope = (film[0, 0] - film[0, -1]) / 0.4
    assert slope == pytest.approx(3.0 / 3.3, rel=0.05)
    assert film[0, 0] > film[0, -1]


def test_grain_falls_with_the_square_root_of_the_area():
    flat = np.ones((200, 200))
    fine, coarse = (
        expose(flat, np.random.default_rng(1), spacing_mm=s, quanta_per_mm2=np.inf, blur_mm=0, grain_mm=0.002)
        for s in (0.1, 0.2)
    )
    assert fine.std() / coarse.std() == pytest.approx(2, rel=0.05)
    assert fine.std() * 3.3 == pytest.approx(0.02, rel=0.05)


def test_beer_and_lambert_in_the_breast():
    fat, gland = transmit_breast(np.zeros((1, 1))), transmit_breast(np.ones((1, 1)))
    assert np.log(fat / gland).item() == pytest.approx((0.0802 - 0.0456) * 45)


@pytest.mark.parametrize(
    "make",
    [
        lambda n, **k: make_mass_rois(n, size=64, spacing_mm=0.4, **k),
        lambda n, **k: make_microcalcifications(n, size=96, **k),
        lambda n, **k: make_chest_radiographs(n, size=64, **k),
    ],
)
def test_seeds_repeat_and_pictures_do_not_depend_on_how_many_there_are(make):
    few, many = make(2, seed=5), make(3, seed=5)
    np.testing.assert_array_equal(few.images, many.images[:2])
    assert not np.array_equal(few.images, make(2, seed=6).images)
    assert few.images.dtype == np.float32
    assert few.images.min() >= 0
    assert few.images.max() <= 1
    assert "SIMULATED" in few.description


def test_a_lesion_of_no_contrast_is_not_there_and_one_of_full_contrast_is_bright():
    for contrast, low, high in ((0.0, -0.0001, 0.0001), (1.0, 0.01, 1.0)):
        seen = make_mass_rois(12, size=64, spacing_mm=0.4, contrast=contrast, mass_share=1.0, seed=1)
        bare = make_mass_rois(12, size=64, spacing_mm=0.4, contrast=0.0, mass_share=1.0, seed=1)
        gain = np.mean([(a - b)[mask].mean() for a, b, mask in zip(seen.images, bare.images, seen.masks, strict=True)])
        assert low < gain < high
    chest, bare = (make_chest_radiographs(8, size=128, nodules=2.0, contrast=c, seed=2) for c in (1.0, 0.0))
    for seen, none, nodules in zip(chest.images, bare.images, chest.nodules, strict=True):
        for row, column, _ in nodules:
            assert seen[int(row), int(column)] > none[int(row), int(column)] + 0.02


def test_specks_lie_where_they_are_said_to_be():
    seen, bare = (
        make_microcalcifications(6, size=160, contrast=c, dust_per_cm2=0, quanta_per_mm2=np.inf, grain_mm=0, seed=3)
        for c in (1.0, 0.0)
    )
    for a, b, specks in zip(seen.images, bare.images, seen.specks, strict=True):
        for row, column in specks:
            box = np.s_[round(row) - 1 : round(row) + 2, round(column) - 1 : round(column) + 2]
            assert (a - b)[box].max() > 0.005
        far = np.ones(a.shape, bool)
        for row, column in specks:
            far &= np.hypot(*(np.indices(a.shape) - np.array([row, column])[:, None, None])) > 8
        assert np.abs(a - b)[far].max() < 0.01


def test_labels_say_whether_there_is_a_mass_and_masks_have_its_size():
    rois = make_mass_rois(20, size=128, spacing_mm=0.2, diameter_mm=(10, 10), seed=4)
    np.testing.assert_array_equal(rois.labels == 1, rois.masks.any(axis=(1, 2)))
    assert 0 < rois.labels.sum() < 20
    areas = rois.masks[rois.labels == 1].sum(axis=(1, 2)) * 0.04
    assert np.median(np.sqrt(4 * areas / np.pi)) == pytest.approx(9.5, abs=1.5)  # flattened up to a quarter


def test_nodules_lie_in_the_lung_and_their_number_follows_the_knob():
    films = make_chest_radiographs(10, size=96, nodules=1.0, seed=5)
    for lung, nodules in zip(films.lung, films.nodules, strict=True):
        assert all(lung[int(row), int(column)] for row, column, _ in nodules)
    assert sum(map(len, make_chest_radiographs(3, size=64, nodules=0, seed=1).nodules)) == 0
    assert [len(n) for n in make_chest_radiographs(3, size=64, nodules=2.0, seed=1).nodules] == [2, 2, 2]
    # Lung is darker than what surrounds it.
    inside = np.mean([image[lung].mean() for image, lung in zip(films.images, films.lung, strict=True)])
    outside = np.mean([image[~lung].mean() for image, lung in zip(films.images, films.lung, strict=True)])
    assert inside < outside - 0.2


@pytest.mark.parametrize(
    "call",
    [
        lambda: make_mass_rois(0),
        lambda: make_mass_rois(1, mass_share=2),
        lambda: make_microcalcifications(1, clusters=3),
        lambda: make_microcalcifications(1, quanta_per_mm2=0),
        lambda: make_chest_radiographs(1, size=8),
        lambda: make_chest_radiographs(1, diameter_mm=(9, 4)),
    ],
)
def test_knobs_out_of_range_are_refused_in_words(call):
    with pytest.raises(CourseError, match="must lie in"):
        call()


def test_regions_are_read_from_a_folder_a_class(tmp_path):
    rng = np.random.default_rng(0)
    for name, patients in (("mass", ("P1", "P2")), ("normal", ("P1", "P3", "P4"))):
        (tmp_path / name).mkdir()
        for patient in patients:
            pixels = rng.integers(0, 65535, (40, 40)).astype(np.uint16)
            io.imsave(tmp_path / name / f"{patient}_1.png", pixels, check_contrast=False)
    rois = read_rois(tmp_path)
    assert rois.images.shape == (5, 40, 40)
    assert rois.classes == ("normal", "mass")
    assert rois.labels.tolist() == [0, 0, 0, 1, 1]
    assert rois.patients == ["P1", "P3", "P4", "P1", "P2"]
    assert read_rois(tmp_path, size=16).images.shape == (5, 16, 16)
    assert rois.images.min() == 0
    assert rois.images.max() == 1


def test_folders_that_are_not_regions_are_refused_in_words(tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_rois(tmp_path / "nowhere")
    with pytest.raises(CourseError, match="two folders"):
        read_rois(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(CourseError, match="expected images"):
        read_rois(tmp_path)
    for name, side in (("a", 8), ("b", 9)):
        io.imsave(tmp_path / name / "x.png", np.zeros((side, side), np.uint8), check_contrast=False)
    with pytest.raises(CourseError, match="one size"):
        read_rois(tmp_path)
    (tmp_path / "a" / "x.png").write_bytes(b"no picture")
    with pytest.raises(CourseError, match="damaged"):
        read_rois(tmp_path)
