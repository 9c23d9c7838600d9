import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medcourse.datasets import read_dicom_series
from medcourse.errors import CourseError


def write_slice(
    folder, name, z, value, *, series="1.2.3", orientation=(1, 0, 0, 0, 1, 0), pixels=None, padding=None, number=1
):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID, data.InstanceNumber = "CT", series, number
    data.ImagePositionPatient = [-10.0, -20.0, float(z)]
    data.ImageOrientationPatient = list(orientation)
    data.PixelSpacing = [0.8, 0.5]  # rows lie 0.8 mm apart, columns 0.5
    data.SliceThickness = 5.0
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    data.WindowCenter, data.WindowWidth = [40, -600], [400, 1500]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    array = np.full((4, 6), value + 1024, np.int16) if pixels is None else pixels
    data.Rows, data.Columns = array.shape
    data.PixelData = array.astype(np.int16).tobytes()
    if padding is not None:
        data.PixelPaddingValue = padding
    data.save_as(folder / name, enforce_file_format=True)


def test_slices_are_ordered_by_position_and_not_by_name_or_number(tmp_path):
    for i, (name, z) in enumerate([("a.dcm", 3.0), ("b", -1.0), ("z_10.dcm", 1.0), ("z_9.dcm", 5.0)]):
        write_slice(tmp_path, name, z, int(z * 10), number=i)
    (tmp_path / "notes.txt").write_text("not an image")
    series = read_dicom_series(tmp_path)
    np.testing.assert_array_equal(series.volume[:, 0, 0], [-10, 10, 30, 50])
    assert series.files == ["b", "z_10.dcm", "a.dcm", "z_9.dcm"]
    assert series.spacing_mm == (2.0, 0.8, 0.5)  # by position; SliceThickness says 5
    np.testing.assert_array_equal(series.origin_mm, [-10, -20, -1])
    assert series.volume.shape == (4, 4, 6)
    assert series.window == (40, 400)


def test_sagittal_slices_are_ordered_along_their_own_normal(tmp_path):
    for i in range(3):
        write_slice(tmp_path, f"{i}.dcm", 0, i, orientation=(0, 1, 0, 0, 0, -1))
        data = dcmread(tmp_path / f"{i}.dcm")
        data.ImagePositionPatient = [4.0 * i, 0, 0]
        data.save_as(tmp_path / f"{i}.dcm")
    series = read_dicom_series(tmp_path)
    np.testing.assert_array_equal(series.directions[2], [-1, 0, 0])
    np.testing.assert_array_equal(series.volume[:, 0, 0], [2, 1, 0])
    assert series.spacing_mm[0] == 4


def test_padding_becomes_air(tmp_path):
    pixels = np.array([[-2000, 1024], [1064, -24]])  # -3024, 0, 40 and -1048 HU
    write_slice(tmp_path, "one.dcm", 0, 0, pixels=pixels)
    series = read_dicom_series(tmp_path)
    np.testing.assert_array_equal(series.volume[0], [[-1000, 0], [40, -1000]])
    assert series.n_padded == 2
    raw = read_dicom_series(tmp_path, air_padding=False).volume[0]
    assert raw[0, 0] == -3024


def test_padding_value_of_the_header_counts(tmp_path):
    write_slice(tmp_path, "one.dcm", 0, 0, pixels=np.array([[63, 1024]]), padding=63)
    assert read_dicom_series(tmp_path).volume[0, 0, 0] == -1000


def test_a_missing_slice_is_named(tmp_path):
    for z in (0, 1, 2, 4, 5):
        write_slice(tmp_path, f"s{z}.dcm", z, z)
    with pytest.raises(CourseError, match=r"s2\.dcm and s4\.dcm are 2\.00 mm apart"):
        read_dicom_series(tmp_path)


def test_a_slice_twice_is_named(tmp_path):
    for name, z in [("a.dcm", 0), ("b.dcm", 1), ("c.dcm", 1)]:
        write_slice(tmp_path, name, z, z)
    with pytest.raises(CourseError, match="same place"):
        read_dicom_series(tmp_path)


def test_mixed_series_must_be_chosen_from(tmp_path):
    for z in range(2):
        write_slice(tmp_path, f"a{z}.dcm", z, 1, series="1.2.3")
        write_slice(tmp_path, f"b{z}.dcm", z, 2, series="1.2.4")
    with pytest.raises(CourseError, match=r"2 series.*1\.2\.3 \(2 of CT\)"):
        read_dicom_series(tmp_path)
    assert read_dicom_series(tmp_path, series_uid="1.2.4").volume.max() == 2
    with pytest.raises(CourseError, match=r"expected series 9"):
        read_dicom_series(tmp_path, series_uid="9")


def test_slices_of_another_size_are_refused(tmp_path):
    write_slice(tmp_path, "a.dcm", 0, 0)
    write_slice(tmp_path, "b.dcm", 1, 0, pixels=np.zeros((5, 6)))
    with pytest.raises(CourseError, match="differ in Rows"):
        read_dicom_series(tmp_path)


def test_empty_and_absent_folders_are_said(tmp_path):
    with pytest.raises(CourseError, match="expected DICOM images"):
        read_dicom_series(tmp_path)
    with pytest.raises(CourseError, match="expected a folder"):
        read_dicom_series(tmp_path / "none")
