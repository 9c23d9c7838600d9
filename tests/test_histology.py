import numpy as np
import pytest
from skimage import color

from medcourse.datasets.histology import STAINS, absorb, make_histology, separate_stains, stain_vectors
from medcourse.errors import CourseError

QUIET = {"photons": np.inf, "blur_um": 0.0, "size": 128}


def test_shapes_types_and_description():
    section = make_histology(size=96, seed=2)
    assert section.image.shape == (96, 96, 3)
    assert section.image.dtype == np.uint8
    assert section.amounts.shape == (96, 96, 2)
    assert section.nuclei.shape == section.glands.shape == (96, 96)
    assert section.amounts.min() >= 0
    np.testing.assert_array_equal(np.unique(section.nuclei), np.arange(section.nuclei.max() + 1))
    assert len(section.positive) == section.nuclei.max() + 1
    assert not section.positive.any()
    assert "SIMULATED" in section.description


def test_seeds_repeat_and_light_and_stain_do_not_change_the_tissue():
    section = make_histology(size=96, seed=4)
    np.testing.assert_array_equal(section.image, make_histology(size=96, seed=4).image)
    for knobs in ({"photons": 50}, {"blur_um": 2}, {"stain": "h_dab"}, {"counterstain": 0.2}):
        np.testing.assert_array_equal(section.nuclei, make_histology(size=96, seed=4, **knobs).nuclei)
    assert not np.array_equal(section.nuclei, make_histology(size=96, seed=5).nuclei)


def test_no_stain_is_clear_glass():
    section = make_histology(haematoxylin=0, counterstain=0, **QUIET)
    assert (section.image == 255).all()


def test_beer_and_lambert_by_hand():
    # Optical density 1 of a stain that takes only red lets a tenth of red through; twice as much, a hundredth.
    np.testing.assert_allclose(absorb(np.array([[1.0], [2.0]]), np.array([[1.0, 0, 0]])), [[0.1, 1, 1], [0.01, 1, 1]])


def test_twice_the_stain_is_the_square_of_the_light():
    stains = stain_vectors(["haematoxylin", "eosin"])
    amounts = np.random.default_rng(0).random((5, 2))
    np.testing.assert_allclose(absorb(2 * amounts, stains), absorb(amounts, stains) ** 2)


@pytest.mark.parametrize("stain", ["he", "h_dab"])
def test_deconvolution_gives_back_the_amounts_of_stain(stain):
    section = make_histology(stain=stain, **QUIET)
    light = absorb(section.amounts, section.stains)
    visible = light.min(axis=-1) > 1 / 256  # what is darker than the scale's last step is lost
    np.testing.assert_allclose(separate_stains(light, section.stains)[visible], section.amounts[visible], atol=1e-9)
    from_bytes = separate_stains(section.image, section.stains)
    bright = light.min(axis=-1) > 0.1
    # A tenth of the light is 25 of 255 steps, and half a step is 2 % of it: 0.009 in optical density.
    density = np.abs((from_bytes - section.amounts) @ section.stains)
    assert density[bright].max() < 0.01


def test_three_stains_agree_with_scikit_image():
    image = np.maximum(make_histology(size=96, seed=1).image, 1)  # both guard against black in their own way
    vectors = np.array(color.rgb_from_hed)
    np.testing.assert_array_equal(vectors, [STAINS[name] for name in ("haematoxylin", "eosin", "DAB")])
    # scikit-image counts in units of 6 decades, cuts off what is negative, and so do we for the comparison.
    ours = np.maximum(separate_stains(image, vectors), 0)
    np.testing.assert_allclose(ours, 6 * color.rgb2hed(image), atol=1e-6)
    np.testing.assert_allclose(ours, 6 * color.separate_stains(image, color.hed_from_rgb), atol=1e-6)


def test_nuclei_hold_haematoxylin_and_lumina_nothing():
    section = make_histology(size=256, seed=3)
    inside, outside = section.nuclei > 0, section.nuclei == 0
    h, e = section.amounts[..., 0], section.amounts[..., 1]
    assert h[inside].mean() > 4 * h[outside].mean()
    assert np.percentile(h[outside], 99) < np.percentile(h[inside], 5)
    assert (h + e).min() < 0.05
    assert e[outside].mean() > e[inside].mean()


def test_nuclei_have_the_size_of_nuclei():
    section = make_histology(size=512, spacing_um=0.4, seed=1)
    areas = np.bincount(section.nuclei.ravel())[1:] * 0.4**2
    assert 5 < np.median(np.sqrt(4 * areas / np.pi)) < 8  # micrometres


def test_dysplasia_enlarges_nuclei():
    small, large = (make_histology(size=256, nucleus_scale=scale, seed=1) for scale in (1.0, 1.4))
    assert (large.nuclei > 0).mean() > 1.3 * (small.nuclei > 0).mean()


def test_share_of_brown_nuclei_follows_the_knob():
    shares = [make_histology(size=512, stain="h_dab", positive=p).positive[1:].mean() for p in (0.0, 0.3, 1.0)]
    assert shares[0] == 0
    assert shares[1] == pytest.approx(0.3, abs=0.06)
    assert shares[2] == 1


def test_brown_nuclei_hold_more_dab_than_blue_ones():
    section = make_histology(size=256, stain="h_dab", positive=0.5)
    dab = section.amounts[..., 1]
    brown = section.positive[section.nuclei]
    blue = (section.nuclei > 0) & ~brown
    assert dab[brown].mean() > 20 * dab[blue].mean()


def test_glands_are_about_as_wide_as_asked():
    section = make_histology(size=768, spacing_um=1.0, gland_diameter_um=100, seed=2)
    edge = {0, *section.glands[0], *section.glands[-1], *section.glands[:, 0], *section.glands[:, -1]}
    areas = np.bincount(section.glands.ravel())
    whole = [np.sqrt(4 * area / np.pi) for number, area in enumerate(areas) if area > 500 and number not in edge]
    assert len(whole) > 10
    assert np.median(whole) == pytest.approx(96, abs=10)


def test_photon_noise_of_clear_glass_is_that_of_counts():
    section = make_histology(size=128, haematoxylin=0, counterstain=0, photons=400, blur_um=0)
    # Clipped at clear glass, so the lower half of the distribution tells.
    below = 255 - section.image[section.image < 255].astype(float)
    assert np.sqrt((below**2).mean()) == pytest.approx(255 / np.sqrt(400), rel=0.1)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"size": 8}, "size"),
        ({"stain": "giemsa"}, "stain must be"),
        ({"positive": 1.5}, "positive"),
        ({"photons": 0}, "photons"),
        ({"spacing_um": 0}, "spacing_um"),
        ({"gland_diameter_um": 5}, "gland_diameter_um"),
    ],
)
def test_wrong_knobs_are_refused(knobs, said):
    with pytest.raises(CourseError, match=said):
        make_histology(**knobs)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: separate_stains(np.ones((4, 4)), np.eye(3)), "red, green, blue"),
        (lambda: separate_stains(np.ones((4, 3)), np.ones((2, 2))), r"\(K, 3\)"),
        (lambda: separate_stains(np.ones((4, 3)), np.ones((2, 3))), "differ in colour"),
        (lambda: stain_vectors(["ink"]), "got ink"),
    ],
)
def test_wrong_stains_are_refused(call, said):
    with pytest.raises(CourseError, match=said):
        call()
