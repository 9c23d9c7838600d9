"""The detector without a network: it finds a dark ball where it is, and its shape tells a ball from a tube."""

import numpy as np

from medcourse.models.blobs import SIGMAS_MM, find_dark_blobs

SPACING = (2.0, 1.0, 1.0)


def scene(kind, radius=2.5):
    z, y, x = np.meshgrid(np.arange(20) * 2.0 - 20, np.arange(40) - 20.0, np.arange(36) - 16.0, indexing="ij")
    across = y**2 + x**2
    inside = across + z**2 if kind == "ball" else across
    return 1.0 - 0.8 * np.clip(0.5 + radius - np.sqrt(inside), 0, 1)


def found(volume, **options):
    return find_dark_blobs(volume, SPACING, np.ones(volume.shape, bool), **options)


def test_a_ball_is_found_in_its_middle_and_first():
    blobs = found(scene("ball"))
    assert blobs.centres_mm[0].tolist() == [20, 20, 16]
    assert (np.diff(blobs.scores) <= 0).all()


def test_the_best_scale_fits_the_radius():
    # A ball answers most at sigma = radius / sqrt(3).
    for radius in (2.0, 5.0):
        best = found(scene("ball", radius)).features[0, : len(SIGMAS_MM)].argmax()
        nearest = np.abs(np.array(SIGMAS_MM) - radius / np.sqrt(3)).argmin()
        assert abs(best - nearest) <= 1


def test_a_ball_has_three_large_eigenvalues_and_a_tube_two():
    ball, tube = found(scene("ball")).features[0, 5:8], found(scene("tube")).features[0, 5:8]
    assert ball[0] > 0.3 * ball[2]
    assert abs(tube[0]) < 0.05 * tube[2]


def test_bright_blobs_and_places_outside_are_left_alone():
    assert (
        len(found(2 - scene("ball")).scores) == 0
        or found(2 - scene("ball")).scores[0] < found(scene("ball")).scores[0] / 2
    )
    volume = scene("ball")
    assert len(find_dark_blobs(volume, SPACING, np.zeros(volume.shape, bool)).scores) == 0


def test_at_most_so_many():
    noise = np.random.default_rng(0).normal(size=(12, 30, 30))
    assert len(found(noise, n_most=7).scores) == 7
