"""The reader of VALDO's layout, on files that nibabel writes as scanners and programs do."""

import nibabel
import numpy as np
import pytest

from medcourse.datasets import read_valdo
from medcourse.errors import CourseError

SPACING = (3.0, 0.8, 0.5)  # z, y, x


def phantom():
    """A brain (Z, Y, X) in our own orientation with a bleed of 2 x 3 x 4 voxels and one of a single voxel."""
    volume = np.zeros((10, 30, 40))
    volume[1:9, 4:26, 5:35] = 200.0
    volume[4, 10, 12] = 999  # a landmark that no turn may lose
    mask = np.zeros(volume.shape, np.uint8)
    mask[2:4, 10:13, 20:24] = 1
    mask[7, 20, 30] = 1
    return volume, mask


def write(path, volume, codes=("L", "P", "S"), spacing=SPACING, dtype=np.float32):
    """Write a volume (Z, Y, X) growing to head, back, left so that the file's axes run to `codes`."""
    affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    image = nibabel.Nifti1Image(volume.T.astype(dtype), affine)
    there = nibabel.orientations.axcodes2ornt(codes)
    turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(affine), there)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image.as_reoriented(turn), path)


def write_case(folder, name, codes=("L", "P", "S"), image="_space-T2S_desc-masked_T2S", mask="_space-T2S_CMB"):
    volume, marks = phantom()
    write(folder / name / f"{name}{image}.nii.gz", volume, codes)
    if mask:
        write(folder / name / f"{name}{mask}.nii.gz", marks, codes, dtype=np.uint8)


@pytest.mark.parametrize("codes", [("L", "P", "S"), ("R", "A", "S"), ("L", "A", "I"), ("A", "S", "R"), ("S", "L", "P")])
def test_whatever_the_axes_of_the_file_voxels_come_back_where_they_lie(tmp_path, codes):
    write_case(tmp_path, "sub-101", codes)
    (scan,) = read_valdo(tmp_path).scans
    volume, mask = phantom()
    np.testing.assert_allclose(scan.volume, volume / 200, rtol=1e-6)
    np.testing.assert_array_equal(scan.labels, mask)
    assert scan.spacing_mm == pytest.approx(SPACING)


def test_pieces_of_the_mask_are_bleeds_in_millimetres(tmp_path):
    write_case(tmp_path, "sub-101", ("R", "A", "S"))
    bleeds = read_valdo(tmp_path).scans[0].microbleeds
    np.testing.assert_allclose(bleeds.centres_mm, [(2.5 * 3, 11 * 0.8, 21.5 * 0.5), (7 * 3, 20 * 0.8, 30 * 0.5)])
    np.testing.assert_allclose(4 / 3 * np.pi * (bleeds.diameters_mm / 2) ** 3, [24 * 1.2, 1.2])


def test_a_case_without_bleeds_is_a_case(tmp_path):
    volume, mask = phantom()
    write(tmp_path / "sub-1" / "sub-1_space-T2S_desc-masked_T2S.nii.gz", volume)
    write(tmp_path / "sub-1" / "sub-1_space-T2S_CMB.nii.gz", 0 * mask)
    scan = read_valdo(tmp_path).scans[0]
    assert scan.microbleeds.centres_mm.shape == (0, 3)
    assert scan.brain.sum() == 8 * 22 * 30
    assert scan.mimics.kinds == []


def test_no_number_outside_of_the_brain_is_outside(tmp_path):
    volume, mask = phantom()
    volume[volume == 0] = np.nan
    write(tmp_path / "sub-1" / "sub-1_space-T2S_desc-masked_T2S.nii.gz", volume)
    write(tmp_path / "sub-1" / "sub-1_space-T2S_CMB.nii.gz", mask)
    scan = read_valdo(tmp_path).scans[0]
    assert scan.brain.sum() == 8 * 22 * 30
    assert np.isfinite(scan.volume).all()


def test_cases_come_in_order_also_below_task2_and_t1_is_left_alone(tmp_path):
    for name in ("sub-202", "sub-101", "sub-102"):
        write_case(tmp_path / "Task2", name)
        write(tmp_path / "Task2" / name / f"{name}_space-T2S_desc-masked_T1.nii.gz", phantom()[0])
    assert [scan.name for scan in read_valdo(tmp_path).scans] == ["sub-101", "sub-102", "sub-202"]
    assert [scan.name for scan in read_valdo(tmp_path / "Task2", max_cases=1).scans] == ["sub-101"]


def test_own_data_may_have_shorter_names(tmp_path):
    write_case(tmp_path, "ann", image="_SWI", mask="_mask")
    assert len(read_valdo(tmp_path).scans[0].microbleeds.diameters_mm) == 2


def test_missing_mask_is_said_and_not_taken_for_a_healthy_brain(tmp_path):
    write_case(tmp_path, "sub-101", mask=None)
    with pytest.raises(CourseError, match=r"expected a mask sub-101_space-T2S_CMB\.nii\.gz"):
        read_valdo(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda image, mask: write(mask, phantom()[1][1:]), r"must match the shape \(10, 30, 40\)"),
        (lambda image, mask: write(mask, phantom()[1], spacing=(3, 0.8, 0.8)), "its affine differs"),
        (lambda image, mask: mask.write_bytes(b"no nifti"), "could not read it"),
        (lambda image, mask: write(image, phantom()[0] + 1), "outside of the brain is 0"),
    ],
)
def test_damage_is_answered_in_one_line(tmp_path, spoil, message):
    write_case(tmp_path, "sub-101")
    spoil(*(tmp_path / "sub-101" / f"sub-101{e}.nii.gz" for e in ("_space-T2S_desc-masked_T2S", "_space-T2S_CMB")))
    with pytest.raises(CourseError, match=message) as caught:
        read_valdo(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_and_none_at_all(tmp_path):
    with pytest.raises(CourseError, match="expected folders such as sub-101"):
        read_valdo(tmp_path)
    with pytest.raises(CourseError, match="found none at"):
        read_valdo(tmp_path / "nowhere")
