import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops

from medcourse.datasets import texture
from medcourse.errors import CourseError

# skimage measures angles from the right towards the lower rows, in steps of 45 degrees.
ANGLES = [((0, 1), 0.0), ((1, 1), np.pi / 4), ((1, 0), np.pi / 2), ((1, -1), 3 * np.pi / 4)]


@pytest.mark.parametrize(("direction", "angle"), ANGLES)
def test_sgld_and_its_features_are_skimages(direction, angle):
    region = np.random.default_rng(1).integers(0, 16, (24, 31))
    theirs = graycomatrix(region.astype(np.uint8), [1], [angle], levels=16, symmetric=True, normed=True)
    matrix = texture.sgld(region, direction, levels=16)
    np.testing.assert_allclose(matrix, theirs[:, :, 0, 0], atol=1e-15)
    ours = texture.sgld_features(matrix)
    for name in ("correlation", "contrast", "homogeneity"):
        assert ours[name] == pytest.approx(graycoprops(theirs, name)[0, 0], rel=1e-10)
    assert ours["energy"] == pytest.approx(graycoprops(theirs, "ASM")[0, 0])
    assert ours["entropy"] == pytest.approx(graycoprops(theirs, "entropy")[0, 0])


def test_a_region_of_one_grey_level_has_no_differences_and_correlation_one():
    flat = np.full((8, 8), 3)
    assert texture.glds_features(texture.glds(flat, (0, 2)))["mean"] == 0
    features = texture.sgld_features(texture.sgld(flat, (0, 2)))
    assert features["correlation"] == 1
    assert features["entropy"] == 0


def test_glds_contrast_is_sgld_contrast():
    region = np.random.default_rng(2).integers(0, 8, (20, 20))
    difference = texture.glds_features(texture.glds(region, (2, -3), levels=8))["contrast"]
    assert difference == pytest.approx(texture.sgld_features(texture.sgld(region, (2, -3), levels=8))["contrast"])


def test_texture_images_by_box_filters_equal_those_by_histograms():
    grey = np.random.default_rng(3).integers(0, 32, (48, 64))
    grey[16:, :40] = grey[16:, :40] // 8
    means, correlations = texture.texture_images(grey.astype(float), glds_px=2, sgld_px=5, window=16, step=8)
    padded = np.pad(grey, 4, mode="reflect")
    for row in range(6):
        for column in range(8):
            part = padded[8 * row : 8 * row + 16, 8 * column : 8 * column + 16]
            steps = [np.array(direction) for direction in texture.DIRECTIONS]
            mean = np.mean([texture.glds_features(texture.glds(part, tuple(2 * s)))["mean"] for s in steps])
            rho = np.mean([texture.sgld_features(texture.sgld(part, tuple(5 * s)))["correlation"] for s in steps])
            assert means[row, column] == pytest.approx(mean, rel=1e-5)
            assert correlations[row, column] == pytest.approx(rho, abs=1e-5)


def test_texture_images_do_not_see_brightness_and_correlation_does_not_see_contrast():
    image = np.random.default_rng(4).random((32, 32))
    mean, rho = texture.texture_images(image, glds_px=1, sgld_px=3, window=8, step=4)
    other_mean, other_rho = texture.texture_images(3 * image + 100, glds_px=1, sgld_px=3, window=8, step=4)
    np.testing.assert_allclose(other_mean, 3 * mean, rtol=1e-4)
    np.testing.assert_allclose(other_rho, rho, atol=1e-4)


def test_background_that_is_even_or_a_ramp_is_removed():
    np.testing.assert_allclose(texture.remove_background(np.full((32, 32), 0.7)), 0, atol=1e-6)
    bump = np.full((32, 32), 0.3)
    bump[14:18, 14:18] = 1
    flat = texture.remove_background(bump)
    assert flat[15, 15] == pytest.approx(0.7)
    assert flat[0, 0] == pytest.approx(0, abs=1e-6)


def test_averages_are_the_means_of_blocks():
    np.testing.assert_allclose(texture.average(np.arange(16.0).reshape(4, 4), 2), [[2.5, 4.5], [10.5, 12.5]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: texture.pairs(np.zeros((3, 3)), (0, 3)),
        lambda: texture.quantise(np.zeros(3), 1),
        lambda: texture.average(np.zeros((30, 30)), 16),
        lambda: texture.texture_images(np.zeros((32, 32)), sgld_px=40),
    ],
)
def test_what_cannot_be_computed_is_refused(call):
    with pytest.raises(CourseError, match="got"):
        call()
