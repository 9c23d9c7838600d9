"""MedMNIST's own layout, on files that the tests write."""

import numpy as np
import pytest

from medcourse.datasets import read_medmnist
from medcourse.errors import CourseError


def arrays(shape=(28, 28), k=1, dtype=np.uint8):
    rng = np.random.default_rng(0)
    found = {}
    for split, n in (("train", 6), ("val", 3), ("test", 4)):
        found[f"{split}_images"] = rng.integers(0, 256, (n, *shape)).astype(dtype)
        found[f"{split}_labels"] = rng.integers(0, 2, (n, k)).astype(np.uint8)
    return found


def write(path, **found):
    np.savez_compressed(path, **found)
    return path


@pytest.mark.parametrize(
    ("shape", "dims", "channels"),
    [((28, 28), 2, 1), ((28, 28, 3), 2, 3), ((28, 28, 28), 3, 1), ((64, 64, 64), 3, 1)],
)
def test_images_and_volumes_keep_their_values_and_split(tmp_path, shape, dims, channels):
    found = arrays(shape)
    mnist = read_medmnist(write(tmp_path / "nodulemnist3d.npz", **found))
    assert (mnist.dims, mnist.n_channels, mnist.name) == (dims, channels, "nodulemnist3d")
    assert [len(mnist[split].images) for split in ("train", "val", "test")] == [6, 3, 4]
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(mnist[split].images, found[f"{split}_images"])
        np.testing.assert_array_equal(mnist[split].labels, found[f"{split}_labels"])
        assert mnist[split].labels.dtype == np.int64


def test_several_findings_an_image(tmp_path):
    assert read_medmnist(write(tmp_path / "chestmnist.npz", **arrays(k=14))).train.labels.shape == (6, 14)


def test_a_folder_with_one_file(tmp_path):
    write(tmp_path / "a.npz", **arrays())
    assert read_medmnist(tmp_path).name == "a"
    write(tmp_path / "b.npz", **arrays())
    with pytest.raises(CourseError, match=r"expected one .npz file.*a.npz, b.npz"):
        read_medmnist(tmp_path)


def test_what_is_something_else_is_named(tmp_path):
    with pytest.raises(CourseError, match="found none"):
        read_medmnist(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("no arrays")
    with pytest.raises(CourseError, match="could not read it"):
        read_medmnist(tmp_path / "text.npz")
    partial = arrays()
    del partial["val_labels"]
    with pytest.raises(CourseError, match="missing: val_labels"):
        read_medmnist(write(tmp_path / "partial.npz", **partial))
    with pytest.raises(CourseError, match=r"train_images.*uint8.*float64"):
        read_medmnist(write(tmp_path / "float.npz", **arrays(dtype=float)))
    flat = {**arrays(), "test_labels": np.zeros(4, np.uint8)}
    with pytest.raises(CourseError, match=r"test_labels.*\(4, K\)"):
        read_medmnist(write(tmp_path / "flat.npz", **flat))
    mixed = {**arrays(), "test_images": np.zeros((4, 32, 32), np.uint8)}
    with pytest.raises(CourseError, match="one shape"):
        read_medmnist(write(tmp_path / "mixed.npz", **mixed))


def test_pickles_are_not_opened(tmp_path):
    found = {**arrays(), "train_images": np.array([{"harm": 1}] * 6, dtype=object)}
    with pytest.raises(CourseError, match="could not read it"):
        read_medmnist(write(tmp_path / "pickle.npz", **found))
