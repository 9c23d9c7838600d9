"""neurite-OASIS's folders, and a brain in a mirror."""

import nibabel
import numpy as np
import pytest

from medcourse.datasets import mirror_brain, read_neurite_oasis, read_numbered_brains
from medcourse.errors import CourseError


def save(path, voxels):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in (2, 1):
        person = tmp_path / f"OASIS_OAS1_000{i}_MR1"
        save(person / "slice_norm.nii.gz", np.full((16, 19, 1), i / 10, np.float32))
        save(person / "slice_seg24.nii.gz", rng.integers(0, 25, (16, 19, 1)).astype(np.int16))
        save(person / "aligned_norm.nii.gz", np.full((8, 9, 10), i / 10, np.float32))
        save(person / "aligned_seg35.nii.gz", np.full((8, 9, 10), 35, np.int16))
    return tmp_path


def test_slices_come_sorted_without_their_third_axis(folder):
    brains = read_neurite_oasis(folder)
    assert brains.images.shape == brains.numbers.shape == (2, 16, 19)
    assert brains.subjects == ["OASIS_OAS1_0001_MR1", "OASIS_OAS1_0002_MR1"]
    np.testing.assert_allclose(brains.images[:, 3, 4], [0.1, 0.2])
    assert brains.numbers.max() <= 24
    assert read_neurite_oasis(folder, most=1).subjects == ["OASIS_OAS1_0001_MR1"]


def test_volumes_are_read_with_the_labels_that_there_are(folder):
    brains = read_neurite_oasis(folder, dims=3)
    assert brains.images.shape == (2, 8, 9, 10)
    assert (brains.numbers == 35).all()


def test_what_is_missing_is_named(folder, tmp_path):
    (folder / "OASIS_OAS1_0002_MR1" / "slice_seg24.nii.gz").unlink()
    with pytest.raises(CourseError, match="OASIS_OAS1_0002_MR1: expected slice_seg24"):
        read_neurite_oasis(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="got none"):
        read_neurite_oasis(tmp_path / "empty")


def test_shapes_that_differ_and_files_that_are_broken_are_refused(folder):
    person = folder / "OASIS_OAS1_0002_MR1"
    save(person / "slice_seg24.nii.gz", np.zeros((16, 18, 1), np.int16))
    with pytest.raises(CourseError, match="expected image and labels"):
        read_neurite_oasis(folder)
    (person / "slice_norm.nii.gz").write_bytes(b"no image")
    with pytest.raises(CourseError, match="cannot be read"):
        read_neurite_oasis(folder)


def test_numbers_of_structures_are_kept(tmp_path):
    numbers = np.zeros((4, 5, 6), np.int16)
    numbers[1:3, 1:3, 1:3] = 17
    numbers[1, 1, 1] = 4242
    save(tmp_path / "a_T1w.nii.gz", numbers.astype(np.float32))
    save(tmp_path / "a_seg.nii.gz", numbers)
    brains = read_numbered_brains(tmp_path)
    np.testing.assert_array_equal(brains.numbers[0], numbers)
    assert brains.subjects == ["a"]
    save(tmp_path / "a_seg.nii.gz", numbers + np.float32(0.5))
    with pytest.raises(CourseError, match="whole numbers"):
        read_numbered_brains(tmp_path)


def test_left_is_left_again_in_the_mirror_and_twice_is_once():
    rng = np.random.default_rng(1)
    numbers = rng.choice([0, 2, 41, 3, 42, 17, 53, 16, 14], (6, 5, 4))
    image = rng.normal(size=(6, 5, 4))
    seen, named = mirror_brain(image, numbers)
    np.testing.assert_array_equal(seen, image[::-1])
    assert ((numbers[::-1] == 2) == (named == 41)).all()
    assert ((numbers[::-1] == 53) == (named == 17)).all()
    assert ((numbers[::-1] == 16) == (named == 16)).all()
    back = mirror_brain(seen, named)
    np.testing.assert_array_equal(back[0], image)
    np.testing.assert_array_equal(back[1], numbers)


def test_a_symmetric_brain_is_its_own_mirror_image():
    numbers = np.array([[2, 3, 16, 42, 41]]).T
    _, named = mirror_brain(np.zeros((5, 1)), numbers)
    np.testing.assert_array_equal(named, numbers)


def test_labels_must_fit_the_image():
    with pytest.raises(CourseError, match="numbers must match"):
        mirror_brain(np.zeros((3, 3)), np.zeros((3, 4), int))
