import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.nn import functional

from medcourse.errors import CourseError
from medcourse.sampling import elastic_deform, elastic_grid, mirror, predict_tiled, random_crop


def test_no_displacement_is_the_identity():
    image, labels = np.random.default_rng(0).random((9, 13)), np.arange(117).reshape(9, 13)
    bent, bent_labels = elastic_deform(image, labels, np.zeros((2, 3, 3)))
    assert bent == pytest.approx(image)
    assert np.array_equal(bent_labels, labels)


def test_an_even_displacement_reads_further_down_and_to_the_right():
    image = np.arange(56.0).reshape(7, 8)
    even = np.stack([np.full((3, 3), 2.0), np.full((3, 3), 1.0)])
    bent, labels = elastic_deform(image, image.astype(int), even)
    assert bent[:5, :7] == pytest.approx(image[2:, 1:])
    assert np.array_equal(labels[:5, :7], image[2:, 1:])


def test_the_field_meets_the_grid_at_corners_and_centre_of_any_rectangle():
    coarse = np.zeros((2, 3, 3))
    coarse[1] = [[3, 0, 0], [0, -2, 0], [0, 0, 0]]
    columns = np.tile(np.arange(31.0), (21, 1))
    moved = elastic_deform(columns, np.zeros((21, 31), int), coarse)[0] - columns
    assert [moved[0, 0], moved[10, 15], moved[20, 30]] == pytest.approx([3, -2, 0], abs=1e-6)


def test_labels_stay_labels():
    labels = np.zeros((32, 32), int)
    labels[4:14, 4:28], labels[16:28, 4:28] = 2, 9
    _, bent = elastic_deform(labels.astype(float), labels, elastic_grid(np.random.default_rng(1), sigma_px=4))
    assert set(np.unique(bent)) <= {0, 2, 9}


def test_the_grid_is_as_wide_as_asked():
    draws = np.stack([elastic_grid(np.random.default_rng(i), sigma_px=7) for i in range(400)])
    assert draws.std() == pytest.approx(7, rel=0.05)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(CourseError, match=r"\(4, 4\), got \(4, 5\)"):
        elastic_deform(np.zeros((4, 4)), np.zeros((4, 5), int), np.zeros((2, 3, 3)))


def test_a_crop_holds_the_same_window_of_each_array_and_its_mirrored_context():
    image = np.random.default_rng(0).random((20, 24))
    labels = (image * 1000).astype(int)
    for seed in range(10):
        context, window = random_crop(np.random.default_rng(seed), image, labels, side=8, margin=5)
        assert context.shape == (18, 18)
        assert np.array_equal((context[5:-5, 5:-5] * 1000).astype(int), window)
    assert np.array_equal(mirror(image, 5)[5:-5, 5:-5], image)
    assert np.array_equal(mirror(image, 2)[0], mirror(image, 2)[4])  # the border row, number 2, is not repeated


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(CourseError, match="at most the image's shorter side 20, got 21"):
        random_crop(np.random.default_rng(0), np.zeros((20, 24)), side=21)


@settings(max_examples=40, deadline=None)
@given(height=st.integers(3, 17), width=st.integers(3, 17), side=st.integers(1, 7), seed=st.integers(0, 99))
def test_tiles_of_any_size_fit_images_of_any_size(height, width, side, seed):
    image = np.random.default_rng(seed).random((height, width))

    def mean_of_nine(tile):
        assert tile.shape == (1, 1, side + 2, side + 2)
        return functional.avg_pool2d(tile, 3, stride=1)

    tiled = predict_tiled(mean_of_nine, image, side=side, margin=1)
    assert tiled.shape == (1, height, width)
    assert tiled[0] == pytest.approx(ndimage.uniform_filter(image, 3, mode="mirror"), abs=1e-5)


def test_tiles_keep_no_graph():
    weight = torch.ones(1, requires_grad=True)
    assert predict_tiled(lambda tile: tile * weight, np.ones((4, 4)), side=2, margin=0).shape == (1, 4, 4)
