"""Chest films of unit 16, simulated and in MedMNIST's layout, on files that the tests write."""

import numpy as np
import pytest

from medcourse.datasets import make_chest_films, read_chest_films
from medcourse.errors import CourseError


def write(path, make_labels):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("val", 12), ("test", 24)):
        labels = make_labels(np.arange(n))
        arrays[f"{split}_labels"] = labels.astype(np.uint8)
        # The picture's grey tells its labels, so that a test can see which belong together.
        level = 10 * labels[:, min(1, labels.shape[1] - 1)] + 20 * labels[:, min(2, labels.shape[1] - 1)]
        arrays[f"{split}_images"] = (level[:, None, None] + rng.integers(0, 5, (n, 28, 28))).astype(np.uint8)
    np.savez(path, **arrays)
    return path


def fourteen(i):
    labels = np.zeros((len(i), 14), int)
    labels[:, 2] = i % 4 == 0  # effusion
    labels[:, 1] = (i % 4 == 1) | (i % 8 == 0)  # cardiomegaly, now and then with effusion
    labels[:, 5] = i % 4 == 2  # a nodule: abnormal, and asked by no task
    return labels


def test_simulated_films_answer_three_questions():
    films = make_chest_films(12, size=32, seed=1)
    assert films.images.shape == (12, 32, 32)
    np.testing.assert_array_equal(films.tasks["abnormal"], films.tasks["effusion"] | films.tasks["enlarged heart"])
    assert len(set(films.patients)) == 12
    np.testing.assert_array_equal(films.fluid.any(axis=(1, 2)), films.tasks["effusion"])


def test_chestmnist_a_third_of_each(tmp_path):
    films = read_chest_films(write(tmp_path / "chestmnist.npz", fourteen), 30, seed=2)
    assert films.images.shape == (30, 28, 28)
    assert films.tasks["effusion"].sum() == 10
    assert (films.tasks["enlarged heart"] & ~films.tasks["effusion"]).sum() == 10
    assert (~films.tasks["abnormal"]).sum() == 10
    expected = 10 * films.tasks["enlarged heart"] + 20 * films.tasks["effusion"]
    np.testing.assert_allclose(255 * films.images.mean(axis=(1, 2)), expected + 2, atol=0.5)
    assert len(set(films.patients)) == 30


def test_the_draw_depends_on_the_seed(tmp_path):
    path = write(tmp_path / "chestmnist.npz", fourteen)
    one, again, other = (read_chest_films(tmp_path, 30, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.patients, again.patients)
    assert set(one.patients) != set(other.patients)
    assert path.is_file()


def test_pneumoniamnist_has_one_question(tmp_path):
    films = read_chest_films(write(tmp_path / "pneumoniamnist.npz", lambda i: (i % 3 == 0)[:, None].astype(int)), 20)
    assert list(films.tasks) == ["abnormal"]
    assert films.tasks["abnormal"].sum() == 10
    assert (films.fluid, films.ratios) == (None, None)


def test_other_sets_are_refused(tmp_path):
    with pytest.raises(CourseError, match=r"expected grey images with 14 labels \(ChestMNIST\) or one"):
        read_chest_films(write(tmp_path / "a.npz", lambda i: np.ones((len(i), 3), int)))
    with pytest.raises(CourseError, match="expected films of each class"):
        read_chest_films(write(tmp_path / "b.npz", lambda i: np.ones((len(i), 1), int)))
