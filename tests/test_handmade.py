"""Hand-made features: what they see, and what they are blind to."""

import numpy as np
import pytest

from medcourse.errors import CourseError
from medcourse.models.handmade import gist, local_patterns

Y, X = np.indices((64, 64))


def test_gist_answers_at_the_scale_and_orientation_that_is_there():
    for wavelength, scale in ((4, 0), (8, 1), (16, 2)):
        for angle, orientation in ((0.0, 0), (np.pi / 4, 2), (np.pi / 2, 4)):
            wave = np.sin(2 * np.pi * (X * np.cos(angle) + Y * np.sin(angle)) / wavelength)
            energy = gist(wave[None]).reshape(3, 8, 16).mean(axis=2)
            assert np.unravel_index(energy.argmax(), energy.shape) == (scale, orientation)


def test_gist_says_where():
    half = np.where(X < 32, np.sin(2 * np.pi * X / 4), 0.0)
    cells = gist(half[None])[0].reshape(3, 8, 4, 4)[0, 0]
    assert cells[:, 0].min() > 10 * cells[:, 3].max()


def test_gist_knows_no_brightness_and_no_contrast():
    image = np.random.default_rng(0).random((1, 64, 64))
    np.testing.assert_allclose(gist(3 * image + 7), gist(image), rtol=1e-6)


def test_local_patterns_are_shares_and_know_no_contrast():
    images = np.random.default_rng(1).random((3, 40, 44))
    found = local_patterns(images)
    np.testing.assert_allclose(found.reshape(3, 2, 16, 10).sum(axis=3), 1)
    np.testing.assert_allclose(local_patterns(5 * images - 2), found)


def test_flat_and_rough_parts_have_other_patterns():
    image = np.zeros((1, 32, 32))
    image[:, :, 16:] = np.random.default_rng(2).random((32, 16))
    cells = local_patterns(image, radii_px=(1,)).reshape(4, 4, 10)
    assert cells[1, 0, 8] == 1  # all eight neighbours are as bright
    assert cells[1, 3, 9] > 0.2  # patterns that are not uniform


@pytest.mark.parametrize("describe", [gist, local_patterns])
@pytest.mark.parametrize("shape", [(64, 64), (0, 64, 64), (2, 4, 4)])
def test_what_is_no_stack_of_pictures_is_refused(describe, shape):
    with pytest.raises(CourseError, match="images must be"):
        describe(np.zeros(shape))
