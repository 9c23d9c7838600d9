import numpy as np
import pytest

from medcourse.datasets import make_fractals
from medcourse.datasets.formulas import SHAPES, TEXTURES
from medcourse.datasets.fractals import FILLED, colour, draw_systems, play_chaos_game
from medcourse.errors import CourseError


def test_points_of_the_chaos_game_lie_on_the_fractal():
    # Three maps that halve the distance to a corner each: Sierpinski's triangle, whose points, written in binary,
    # never have a 1 at the same place of both coordinates.
    corners = [(0, 0), (0.5, 0), (0, 0.5)]
    maps = np.array([[[0.5, 0, a], [0, 0.5, b]] for a, b in corners], np.float32)
    points = play_chaos_game(np.random.default_rng(0), maps[None], np.full(3, 1 / 3, np.float32))[0]
    assert points.min() >= 0
    assert points.max() <= 1
    cell = (points * 128).astype(int)
    assert not (cell[:, 0] & cell[:, 1]).any()
    # A quarter of a quarter: each of the three small copies gets about a third of the points.
    assert np.mean((points[:, 0] < 0.5) & (points[:, 1] < 0.5)) == pytest.approx(1 / 3, abs=0.03)


def test_categories_contract_and_fill_their_frame():
    systems = draw_systems(np.random.default_rng(3), 6)
    assert len(systems) == 6
    for maps, chances in systems:
        assert np.linalg.svd(maps[:, :, :2], compute_uv=False).max() < 1
        assert chances.sum() == pytest.approx(1)
        assert 2 <= len(maps) <= 4
    assert FILLED[0] >= 0.2


def test_pictures_repeat_with_the_seed_and_categories_with_theirs():
    first, again, other = (make_fractals(2, n_fractals=2, side_px=32, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.images, again.images)
    assert (first.images != other.images).mean() > 0.5
    assert first.images.shape == (44, 3, 32, 32)
    assert first.images.dtype == np.uint8
    assert first.names == ["fractal 0", "fractal 1", *TEXTURES, *SHAPES]
    assert first.labels.tolist() == [i // 2 for i in range(44)]
    few, many = (make_fractals(2, n_fractals=n, with_textures=False, with_shapes=False, seed=1) for n in (1, 3))
    np.testing.assert_array_equal(few.images, many.images[:2])  # a category stays when others are added


def test_pictures_of_a_category_are_more_alike_than_those_of_two():
    # The share of a frame that is hit is a number of the system: it varies less within a category than between them.
    drawn = [draw_systems(np.random.default_rng(seed), 1)[0] for seed in range(8)]
    rng = np.random.default_rng(0)
    shares = []
    for maps, chances in drawn:
        near = maps * rng.uniform(0.95, 1.05, (6, *maps.shape)).astype(np.float32)
        points = play_chaos_game(rng, near, chances)
        shares.append(np.std(points, axis=(1, 2)))
    assert np.std(shares, axis=1).mean() < np.std(np.mean(shares, axis=1))


@pytest.mark.parametrize("name", [*TEXTURES, *SHAPES])
def test_every_formula_draws_ink_that_varies(name):
    ink = {**TEXTURES, **SHAPES}[name](np.random.default_rng(0), 20, 48)
    assert ink.shape == (20, 48, 48)
    assert ink.dtype == np.float32
    assert ink.min() >= 0
    assert ink.max() <= 1
    assert (ink.std(axis=(1, 2)) > 0.03).mean() > 0.9  # hardly a picture is empty
    assert ink.std(axis=0).mean() > 0.05  # and no two are the same


def test_known_areas_of_shapes():
    rng = np.random.default_rng(0)
    area = {name: draw(rng, 200, 64).mean() for name, draw in SHAPES.items()}
    # A disc's radius is uniform in 0.25 to 0.6 half sides: pi E[r^2] / 4 of the frame.
    assert area["disc"] == pytest.approx(np.pi * ((0.6**3 - 0.25**3) / 3 / 0.35) / 4, abs=0.03)
    assert area["ring"] < area["disc"]


def test_fine_gratings_have_shorter_waves_than_coarse_ones():
    def frequency(name: str) -> float:
        ink = TEXTURES[name](np.random.default_rng(0), 50, 64)
        power = np.abs(np.fft.fft2(ink - ink.mean(axis=(1, 2), keepdims=True))) ** 2
        radius = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
        return float((power * radius).sum() / power.sum())

    assert frequency("fine grating") > 2 * frequency("coarse grating")
    assert frequency("fine noise") > 2 * frequency("coarse noise")


def test_ink_stands_out_of_its_ground():
    ink = np.zeros((60, 32, 32), np.float32)
    ink[:, 8:24, 8:24] = 1
    image = colour(np.random.default_rng(0), ink).astype(float)
    inside, outside = image[:, :, 12:20, 12:20].mean((2, 3)), image[:, :, :6].mean((2, 3))
    assert np.abs(inside - outside).max(1).min() > 20
    brighter = (inside - outside).mean(1) > 0
    assert 0.2 < brighter.mean() < 0.8  # the ink is as often the darker one


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_per_class": 0}, "n_per_class=0"),
        ({"side_px": 8}, "side_px=8"),
        ({"n_fractals": -1}, "n_fractals=-1"),
        ({"n_fractals": 0, "with_textures": False, "with_shapes": False}, "no category"),
    ],
)
def test_wrong_knobs_are_named(knobs, message):
    with pytest.raises(CourseError, match=message):
        make_fractals(**knobs)
