"""OCTMNIST and Kermany's folder as patches to judge, on files that the tests write."""

import numpy as np
import pytest
from PIL import Image

from medcourse.datasets import make_oct, read_oct_patches
from medcourse.datasets.kermany import CLASSES
from medcourse.errors import CourseError


def write_mnist(folder, **changed):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 40), ("val", 8), ("test", 16)):
        labels = np.arange(n, dtype=np.uint8)[:, None] % 4
        arrays[f"{split}_images"] = (50 * labels[:, :, None] + rng.integers(0, 9, (n, 28, 28))).astype(np.uint8)
        arrays[f"{split}_labels"] = labels
    np.savez(folder / "octmnist.npz", **{**arrays, **changed})


def test_octmnist_learns_from_normal_images_only(tmp_path):
    write_mnist(tmp_path)
    data = read_oct_patches(tmp_path, most_per_class=3)
    assert data.train.shape == (10, 64, 64)
    assert data.train.min() >= 150 / 255, "only label 3 is normal"
    assert [(data.kind == kind).sum() for kind in ("CNV", "DME", "drusen", "")] == [3, 3, 3, 3]
    level = {"CNV": 0, "DME": 50, "drusen": 100, "": 150}
    for image, kind in zip(data.images, data.kind, strict=True):
        assert level[kind] <= 255 * image.mean() < level[kind] + 9


def test_other_sets_of_medmnist_are_refused(tmp_path):
    write_mnist(tmp_path, train_labels=np.full((40, 1), 7, np.uint8))
    with pytest.raises(CourseError, match="expected OCTMNIST"):
        read_oct_patches(tmp_path)
    write_mnist(tmp_path, train_labels=np.zeros((40, 1), np.uint8))
    with pytest.raises(CourseError, match="expected normal scans"):
        read_oct_patches(tmp_path)


def test_scans_become_flat_patches_of_patients(tmp_path):
    scan = (255 * make_oct(height=248, width=256, seed=3).image).astype(np.uint8)
    for i, kind in enumerate(CLASSES):
        for split, patient in (("train", 1 + i), ("test", 50 + i)):
            folder = tmp_path / split / kind
            folder.mkdir(parents=True)
            Image.fromarray(scan).save(folder / f"{kind}-{patient}-1.png")
    data = read_oct_patches(tmp_path)
    assert data.train.shape == (5, 64, 64)
    assert data.images.shape == (20, 64, 64)
    assert sorted(set(data.kind)) == ["", "CNV", "DME", "DRUSEN"]
    np.testing.assert_array_equal(data.units[data.kind == ""], ["53"] * 5)
    np.testing.assert_array_equal(data.images[:5], data.train)  # all are the same scan
