"""Folders of brains with label maps: turned as the header says, numbers mapped, what does not fit refused."""

import nibabel
import numpy as np
import pytest

from medcourse.datasets import coronal_slices, load_mni152_tissues, map_labels, read_labelled_brains
from medcourse.errors import CourseError


def block(shape=(12, 16, 10)):
    """A brain in (right, front, up): one labelled voxel region for each direction."""
    labels = np.zeros(shape, np.int16)
    labels[2:10, 2:14, 2:8] = 2
    labels[9, 13, 7] = 16  # right, front, top
    image = labels * 10.0 + np.arange(shape[0])[:, None, None]
    return image.astype(np.float32), labels


def save(path, voxels, spacing=(1.0, 1.0, 1.0), flips=()):
    affine = np.diag([*spacing, 1.0])
    for axis in flips:
        affine[axis, axis] *= -1
        affine[axis, 3] = spacing[axis] * (voxels.shape[axis] - 1)
        voxels = np.flip(voxels, axis)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(voxels), affine), path)


def test_flipped_and_anisotropic_files_come_out_turned_and_mapped(tmp_path):
    image, labels = block()
    save(tmp_path / "anna_T1w.nii.gz", image, (1.0, 2.0, 3.0), flips=(0, 2))
    save(tmp_path / "anna_seg.nii.gz", labels, (1.0, 2.0, 3.0), flips=(0, 2))
    save(tmp_path / "images" / "ben.nii", image)
    save(tmp_path / "labels" / "ben.nii", labels)
    brains = read_labelled_brains(tmp_path)
    assert brains.subjects == ["anna", "ben"]
    assert brains.spacing_mm == [(1.0, 2.0, 3.0), (1.0, 1.0, 1.0)]
    for got, parts in zip(brains.images, brains.labels, strict=True):
        np.testing.assert_allclose(got, image)
        assert parts[9, 13, 7] == 6
        assert parts[2, 2, 2] == 2


def test_a_bare_array_lies_as_its_image(tmp_path):
    image, labels = block()
    save(tmp_path / "test_vol.nii.gz", image, flips=(1,))
    np.savez(tmp_path / "test_seg.npz", vol_data=np.flip(labels, 1).astype(float))
    np.savez(tmp_path / "labels.npz", labels=np.array([2, 16]))
    brains = read_labelled_brains(tmp_path)
    assert brains.subjects == ["test"]
    assert brains.labels[0][9, 13, 7] == 6
    np.testing.assert_allclose(brains.images[0], image)


def test_axes_in_another_order_are_put_right(tmp_path):
    image, labels = block()
    affine = np.eye(4)[[1, 2, 0, 3]]  # the file's first axis runs to the front, its second up, its third to the right
    for name, voxels in (("a", image), ("a_labels", labels)):
        moved = np.ascontiguousarray(np.moveaxis(voxels, 0, 2))
        nibabel.save(nibabel.Nifti1Image(moved, np.linalg.inv(affine)), tmp_path / f"{name}.nii.gz")
    brains = read_labelled_brains(tmp_path)
    np.testing.assert_allclose(brains.images[0], image)
    assert brains.labels[0][9, 13, 7] == 6


def test_slices_have_the_top_up_the_right_to_the_right_and_square_pixels(tmp_path):
    image, labels = block()
    save(tmp_path / "a.nii.gz", image, (1.0, 1.0, 2.0))
    save(tmp_path / "a_seg.nii.gz", labels, (1.0, 1.0, 2.0))
    images, parts, subject = coronal_slices(read_labelled_brains(tmp_path), [0.0, 1.0], size=21, spacing_mm=1.0)
    assert images.shape == parts.shape == (2, 21, 21)
    assert subject.tolist() == [0, 0]
    assert 6 not in parts[0]
    rows, columns = np.nonzero(parts[1] == 6)
    # The brain reaches 3.5 mm to the right and 5 mm up from its middle, which is pixel 10; a voxel is 2 mm high.
    assert set(rows) <= {4, 5, 6}
    assert set(columns) <= {13, 14}
    # 6 voxels of 2 mm, 8 of 1 mm.
    box = np.argwhere(parts[0] > 0)
    assert (box.max(0) - box.min(0) + 1).tolist() == [12, 8]


def test_numbers_of_ours_and_of_freesurfer_are_understood_and_others_refused():
    assert map_labels(np.array([0, 8, 4])).tolist() == [0, 8, 4]
    assert map_labels(np.array([2, 3, 4, 24, 49, 8])).tolist() == [2, 1, 3, 4, 5, 7]
    assert map_labels(np.array([[1000.0]]), {1000: 7}).tolist() == [[7]]
    with pytest.raises(CourseError, match="no meaning"):
        map_labels(np.array([1000]))
    with pytest.raises(CourseError, match="whole numbers"):
        map_labels(np.array([0.5]))
    with pytest.raises(CourseError, match="must lead to"):
        map_labels(np.array([1]), {1: 12})


def test_what_does_not_fit_is_refused(tmp_path):
    image, labels = block()
    with pytest.raises(CourseError, match="found none"):
        read_labelled_brains(tmp_path / "nowhere")
    with pytest.raises(CourseError, match="pairs such as"):
        read_labelled_brains(tmp_path)
    save(tmp_path / "a.nii.gz", image)
    save(tmp_path / "a_seg.nii.gz", labels[:-1])
    with pytest.raises(CourseError, match="shape"):
        read_labelled_brains(tmp_path)
    save(tmp_path / "a_seg.nii.gz", labels, flips=(0,))
    with pytest.raises(CourseError, match="different places"):
        read_labelled_brains(tmp_path)
    (tmp_path / "a_seg.nii.gz").write_bytes(b"no image")
    with pytest.raises(CourseError, match="cannot be read"):
        read_labelled_brains(tmp_path)
    save(tmp_path / "a_seg.nii.gz", labels)
    save(tmp_path / "a_labels.nii.gz", labels)
    with pytest.raises(CourseError, match="expected one label map"):
        read_labelled_brains(tmp_path)


def test_tissues_of_the_template_agree_with_nilearns_masks():
    from nilearn import datasets as of_nilearn  # noqa: PLC0415  (slow to import)

    brain = load_mni152_tissues(resolution_mm=4)
    for number, load in ((1, of_nilearn.load_mni152_gm_mask), (2, of_nilearn.load_mni152_wm_mask)):
        theirs = np.asarray(load(4).get_fdata()) > 0
        ours = brain.labels == number
        # nilearn's masks cut at a threshold of 0.2 and close holes; ours take the likeliest, so they are smaller.
        assert (ours & theirs).sum() > 0.9 * ours.sum()
    assert np.median(brain.image[brain.labels == 2]) > np.median(brain.image[brain.labels == 1])
