"""3D-IRCADb and LiTS: masks land on their slices whatever files are called and however axes run."""

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from sklearn.utils import Bunch

from medcourse.datasets.ircad import read_ircad, read_lits, read_liver_scans, resample_scan
from medcourse.errors import CourseError


def write_series(folder, stack, names, *, z0=0.0, modality="CT", heights=None):
    folder.mkdir(parents=True)
    series = generate_uid()
    for k, plane in enumerate(stack):
        data = pydicom.Dataset()
        data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = CTImageStorage, generate_uid(), series
        data.Modality, data.Rows, data.Columns = modality, *plane.shape
        data.PixelSpacing, data.ImageOrientationPatient = [0.8, 0.7], [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [-10, -20, z0 + 2.5 * (k if heights is None else heights[k])]
        data.SliceThickness, data.RescaleSlope, data.RescaleIntercept = 2.5, 1, -1000 if modality == "CT" else 0
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.PixelData = plane.astype("<u2").tobytes()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = CTImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(folder / names[k], enforce_file_format=True)


@pytest.fixture
def truth():
    labels = np.zeros((5, 8, 10), np.uint8)
    labels[1:4, 2:6, 1:7] = 1
    labels[1, 3, 2] = labels[3, 5, 6] = 2
    return labels


@pytest.fixture
def patient(tmp_path, truth):
    """A patient whose files are named against the order of their slices, differently for scan and masks."""
    folder = tmp_path / "3Dircadb1.7"
    hu = np.where(truth == 2, 1060, np.where(truth == 1, 1110, 900)).astype(int)
    write_series(folder / "PATIENT_DICOM", hu, [f"image_{(3 * k) % 5}" for k in range(5)])
    masks = folder / "MASKS_DICOM"
    names = [f"image_{4 - k}" for k in range(5)]
    write_series(masks / "liver", 255 * (truth > 0), names)
    for name, z in (("livertumor01", 1), ("livertumor02", 3)):
        one = np.zeros_like(truth)
        one[z] = truth[z] == 2
        write_series(masks / name, 255 * one.astype(int), names)
    write_series(masks / "bone", np.ones(truth.shape, int), names)
    return folder


def test_ircad_is_ordered_by_place_and_tumours_are_merged(patient, truth):
    scan = read_ircad(patient)
    np.testing.assert_array_equal(scan.labels, truth)
    assert set(scan.volume[truth == 2]) == {60.0}
    assert set(scan.volume[truth == 1]) == {110.0}
    assert scan.spacing_mm == pytest.approx((2.5, 0.8, 0.7))


def test_ircad_without_tumours_is_a_liver(patient, truth):
    for name in ("livertumor01", "livertumor02"):
        folder = patient / "MASKS_DICOM" / name
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    np.testing.assert_array_equal(read_ircad(patient).labels, truth > 0)


def test_a_mask_of_some_slices_lands_at_its_height(patient, truth):
    folder = patient / "MASKS_DICOM" / "livertumor03"
    write_series(folder, np.ones((1, 8, 10), int), ["image_0"], z0=2 * 2.5)
    assert set(read_ircad(patient).labels[2].ravel()) == {2}
    assert (read_ircad(patient).labels[1] == truth[1]).all()


def test_ircad_says_what_is_missing(patient, tmp_path):
    liver = patient / "MASKS_DICOM" / "liver"
    liver.rename(patient / "MASKS_DICOM" / "Leber")
    with pytest.raises(CourseError, match=r"expected MASKS_DICOM/liver .*leber"):
        read_ircad(patient)
    (patient / "MASKS_DICOM" / "Leber").rename(liver)
    (patient / "MASKS_DICOM").rename(tmp_path / "elsewhere")
    (patient / "MASKS_DICOM.zip").write_bytes(b"")
    with pytest.raises(CourseError, match=r"unpack MASKS_DICOM\.zip"):
        read_ircad(patient)


def test_a_mask_of_another_patient_is_refused(patient):
    write_series(patient / "MASKS_DICOM" / "livertumor9", np.ones((2, 8, 10), int), ["a", "b"], z0=50)
    with pytest.raises(CourseError, match="slices where its scan has none"):
        read_ircad(patient)


def test_a_mask_with_a_hole_is_refused(patient):
    write_series(patient / "MASKS_DICOM" / "livertumor9", np.ones((2, 8, 10), int), ["a", "b"], heights=[0, 2])
    with pytest.raises(CourseError, match=r"must be 2\.5 mm apart, got 5"):
        read_ircad(patient)


def save_lits(folder, truth, flips, case=0, seg_shift=0.0):
    """Write a scan whose axes run as `flips` (x, y, z) say: +1 to right, front, head (RAS)."""
    folder.mkdir(exist_ok=True)
    hu = np.where(truth == 2, 60, np.where(truth == 1, 110, -3024)).astype(np.int16)
    ras = {"volume": hu.T[::-1, ::-1], "segmentation": truth.T[::-1, ::-1]}
    for name, array in ras.items():
        affine = np.diag([0.7, 0.8, 2.5, 1.0])
        affine[:3, 3] = [-5, 8, 100 + (seg_shift if name == "segmentation" else 0)]
        stored = array
        for axis, flip in enumerate(flips):
            if flip < 0:
                stored = np.flip(stored, axis)
                affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
                affine[:3, axis] *= -1
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(stored), affine), folder / f"{name}-{case}.nii.gz")


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_lits_is_turned_by_its_header(tmp_path, truth, flips):
    save_lits(tmp_path, truth, flips)
    scan = read_lits(tmp_path / "volume-0.nii.gz")
    np.testing.assert_array_equal(scan.labels, truth)
    assert set(scan.volume[truth == 2]) == {60.0}
    assert set(scan.volume[truth == 0]) == {-1000.0}, "padding is air"
    assert scan.spacing_mm == pytest.approx((2.5, 0.8, 0.7))


def test_lits_refuses_what_does_not_belong_together(tmp_path, truth):
    save_lits(tmp_path, truth, (1, 1, 1), seg_shift=7.5)
    with pytest.raises(CourseError, match="must lie on the voxels"):
        read_lits(tmp_path / "volume-0.nii.gz")
    save_lits(tmp_path, truth + 2, (1, 1, 1))
    with pytest.raises(CourseError, match="must hold 0, 1 and 2"):
        read_lits(tmp_path / "volume-0.nii.gz")
    (tmp_path / "segmentation-0.nii.gz").unlink()
    with pytest.raises(CourseError, match=r"expected segmentation-0\.nii"):
        read_lits(tmp_path / "volume-0.nii.gz")
    save_lits(tmp_path / "segmentations", truth, (1, 1, 1))
    volumes = tmp_path / "volumes"
    volumes.mkdir()
    (tmp_path / "volume-0.nii.gz").rename(volumes / "volume-0.nii.gz")
    save_lits(tmp_path, truth, (1, 1, 1))
    np.testing.assert_array_equal(read_lits(volumes / "volume-0.nii.gz").labels, truth)
    (tmp_path / "volume-0.nii.gz").write_bytes(b"no image")
    with pytest.raises(CourseError, match="cannot be read as NIfTI"):
        read_lits(tmp_path / "volume-0.nii.gz")


def test_a_folder_is_read_by_its_layout_in_the_order_of_numbers(tmp_path, patient, truth):
    for case in (10, 9):
        save_lits(tmp_path / "lits", truth, (1, 1, 1), case=case)
    assert [scan.name for scan in read_liver_scans(tmp_path / "lits")] == ["LiTS 9", "LiTS 10"]
    assert [scan.name for scan in read_liver_scans(patient.parent)] == ["3Dircadb1.7"]
    assert [scan.name for scan in read_liver_scans(patient)] == ["3Dircadb1.7"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="found none"):
        read_liver_scans(tmp_path / "empty")
    (tmp_path / "empty" / "3Dircadb1.1.zip").write_bytes(b"")
    with pytest.raises(CourseError, match="unpack the zip files"):
        read_liver_scans(tmp_path / "empty")
    with pytest.raises(CourseError, match="found none at"):
        read_liver_scans(tmp_path / "nowhere")


def test_resampling_keeps_places_and_labels():
    labels = np.zeros((4, 30, 40), np.uint8)
    labels[:, 10:20, 12:28] = 1
    scan = Bunch(volume=np.where(labels, 100.0, -50.0), labels=labels, spacing_mm=(2.5, 1.0, 1.0), name="x")
    small = resample_scan(scan, spacing_mm=(5, 2, 2), shape_px=(20, 16))
    assert small.volume.shape == (2, 20, 16)
    expected = np.zeros((20, 16), bool)
    expected[2 + 5 + 0 : 2 + 10, 4:12] = True  # 15 rows fill 20 from row 2 on; columns lose 2 of 20 at each side
    np.testing.assert_array_equal(small.labels[0] > 0, expected)
    assert small.volume[0, 9, 8] == pytest.approx(100)
    assert small.volume[0, 0, 0] == -1000, "beyond the scan is air"
    same = resample_scan(scan, spacing_mm=(2.5, 1, 1), shape_px=(30, 40))
    np.testing.assert_allclose(same.volume, scan.volume)
