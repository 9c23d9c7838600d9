"""CT Lymph Nodes in TCIA's layout, written here with pydicom and nibabel: the mask lands on the right voxels."""

import sys
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medcourse.datasets import fetch_lymph_nodes, find_lymph_cases, read_lymph_nodes
from medcourse.datasets.lymph import find_nodes, short_axis_mm
from medcourse.errors import CourseError

SHAPE, SPACING, ORIGIN = (7, 20, 24), (2.5, 0.9, 0.7), (-30.0, -180.0, 55.0)
SOFT, NODE = 40, 140


def true_marks():
    """Return (Z, Y, X): two nodes that touch, and a third of its own; none is symmetric in the volume."""
    marks = np.zeros(SHAPE, np.uint8)
    marks[1:4, 2:9, 3:12] = 1
    marks[3:5, 9:14, 3:9] = 2
    marks[5:6, 15:19, 17:22] = 3
    return marks


def write_scan(folder, case, *, marks, series="1.2.3", patient=None, skip=(), uid_of_slice=None):
    place = folder / "CT Lymph Nodes" / case / "09-14-2014-study" / "mediastinallymphnodes-1"
    place.mkdir(parents=True)
    volume = np.where(marks > 0, NODE, SOFT)
    for k in range(SHAPE[0]):
        if k in skip:
            continue
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.Modality, data.PatientID = "CT", case if patient is None else patient
        data.SeriesInstanceUID = (uid_of_slice or {}).get(k, series)
        data.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + SPACING[0] * k]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = list(SPACING[1:]), 1.0
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.Rows, data.Columns = SHAPE[1:]
        data.PixelData = (volume[k] + 1024).astype(np.int16).tobytes()
        # Names in an order that is not that of the places.
        data.save_as(place / f"{(k * 5) % 7:06d}.dcm", enforce_file_format=True)


def write_mask(folder, case, marks, *, flips=(), permute=(0, 1, 2), shift_mm=(0.0, 0.0, 0.0), scale=1.0):
    """Write (Z, Y, X) marks as NIfTI whose own axes are flipped or exchanged, and whose affine says so."""
    place = folder / "MED_ABD_LYMPH_MASKS" / case
    place.mkdir(parents=True)
    array = marks.T  # (X, Y, Z)
    lps = np.eye(4)
    lps[:3, :3] = np.diag(SPACING[::-1]) * scale
    lps[:3, 3] = np.array(ORIGIN) + shift_mm
    for axis in flips:
        array = np.flip(array, axis)
        lps[:3, 3] += lps[:3, axis] * (array.shape[axis] - 1)
        lps[:3, axis] *= -1
    array, lps[:3, :3] = np.transpose(array, permute), lps[:3, list(permute)]
    nibabel.save(
        nibabel.Nifti1Image(np.ascontiguousarray(array), np.diag([-1, -1, 1, 1]) @ lps),
        place / f"{case}_mask.nii.gz",
    )


def read_one(folder, **options):
    (scan,) = read_lymph_nodes(folder, **options)
    return scan


@pytest.mark.parametrize("flips", [(), (0,), (1,), (2,), (0, 1), (0, 1, 2)])
@pytest.mark.parametrize("permute", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_the_mask_lands_on_the_voxels_that_it_was_drawn_on_whatever_its_axes(tmp_path, flips, permute):
    marks = true_marks()
    write_scan(tmp_path, "MED_LYMPH_001", marks=marks)
    write_mask(tmp_path, "MED_LYMPH_001", marks, flips=flips, permute=permute)
    scan = read_one(tmp_path)
    assert scan.name == "MED_LYMPH_001"
    assert scan.volume.shape == scan.labels.shape == SHAPE
    np.testing.assert_array_equal(scan.labels > 0, marks > 0)
    # By the densities: what is marked is node, what is not is none.
    assert set(np.unique(scan.volume[scan.labels > 0])) == {NODE}
    assert set(np.unique(scan.volume[scan.labels == 0])) == {SOFT}


def test_nodes_have_their_place_and_size_in_millimetres(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks())
    write_mask(tmp_path, "MED_LYMPH_001", true_marks())
    scan = read_one(tmp_path)
    assert scan.spacing_mm == pytest.approx(SPACING)
    # Slices 1 to 3, rows 2 to 8, columns 3 to 11.
    np.testing.assert_allclose(scan.nodes.centres_mm[0], [2 * 2.5, 5 * 0.9, 7 * 0.7], atol=1e-9)
    # 7 rows of 0.9 mm by 9 columns of 0.7 mm, both 6.3; 5 rows by 6 columns, 4.5 by 4.2; 4 by 5, 3.6 by 3.5.
    np.testing.assert_allclose(scan.nodes.diameters_mm, [6.3, 4.2, 3.5])
    # The patient's own coordinates lead back to the same place.
    world = scan.geometry.from_local(scan.nodes.centres_mm[0])
    np.testing.assert_allclose(world, [ORIGIN[0] + 7 * 0.7, ORIGIN[1] + 5 * 0.9, ORIGIN[2] + 2 * 2.5])


def test_two_nodes_that_touch_stay_two_by_their_numbers_and_are_one_in_a_binary_mask():
    marks = true_marks()
    assert len(find_nodes(marks, SPACING)[1].diameters_mm) == 3
    assert len(find_nodes((marks > 0).astype(int), SPACING)[1].diameters_mm) == 2
    apart = np.zeros((1, 3, 9), int)
    apart[0, 1, [1, 2, 6, 7]] = 4  # one number in two places
    labels, nodes = find_nodes(apart, (1, 1, 1))
    assert labels[0, 1].tolist() == [0, 1, 1, 0, 0, 0, 2, 2, 0]
    assert len(nodes.diameters_mm) == 2
    empty = find_nodes(np.zeros((2, 3, 4), int), (1, 1, 1))[1]
    assert empty.centres_mm.shape == (0, 3)


def test_the_short_axis_of_an_ellipsoid_is_its_short_one_however_it_lies():
    spacing = (1.0, 0.25, 0.25)
    z, y, x = (np.arange(n) * mm - (n - 1) * mm / 2 for n, mm in zip((30, 120, 120), spacing, strict=True))
    for degrees in (0, 30, 45, 77):
        c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        long, short = c * x + s * y[:, None], -s * x + c * y[:, None]
        inside = (long / 10) ** 2 + (short / 5) ** 2 + (z[:, None, None] / 12) ** 2 <= 1
        assert short_axis_mm(inside, spacing) == pytest.approx(10, abs=0.4)


def test_cases_are_matched_by_name_and_chosen_by_region(tmp_path):
    for case in ("MED_LYMPH_002", "ABD_LYMPH_001", "MED_LYMPH_010"):
        write_scan(tmp_path, case, marks=true_marks())
        write_mask(tmp_path, case, true_marks())
    assert [c.name for c in find_lymph_cases(tmp_path)] == ["ABD_LYMPH_001", "MED_LYMPH_002", "MED_LYMPH_010"]
    assert [c.name for c in find_lymph_cases(tmp_path, region="abdominal")] == ["ABD_LYMPH_001"]
    scans = read_lymph_nodes(tmp_path, region="mediastinal")
    assert next(scans).name == "MED_LYMPH_002"
    assert next(scans).name == "MED_LYMPH_010"


def test_scans_and_masks_without_the_other_are_named_before_anything_is_read(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks())
    with pytest.raises(CourseError, match=r"expected MED_LYMPH_001_mask\.nii\.gz"):
        read_lymph_nodes(tmp_path)
    write_mask(tmp_path, "MED_LYMPH_001", true_marks())
    write_mask(tmp_path, "MED_LYMPH_002", true_marks())
    with pytest.raises(CourseError, match=r"MED_LYMPH_002_mask\.nii\.gz has no scan"):
        read_lymph_nodes(tmp_path)


def test_a_mask_of_another_shape_is_refused(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks())
    write_mask(tmp_path, "MED_LYMPH_001", true_marks()[:-1])
    with pytest.raises(CourseError, match=r"must have the shape \(7, 20, 24\).*got \(6, 20, 24\)"):
        read_one(tmp_path)


def test_a_mask_that_lies_elsewhere_is_refused_unless_its_origin_is_to_be_ignored(tmp_path):
    marks = true_marks()
    write_scan(tmp_path, "MED_LYMPH_001", marks=marks)
    write_mask(tmp_path, "MED_LYMPH_001", marks, shift_mm=(0, 0, 12.5))
    with pytest.raises(CourseError, match=r"12\.5 mm away"):
        read_one(tmp_path)
    np.testing.assert_array_equal(read_one(tmp_path, ignore_origin=True).labels > 0, marks > 0)


def test_a_mask_on_another_grid_is_refused(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks())
    write_mask(tmp_path, "MED_LYMPH_001", true_marks(), scale=2.0)
    with pytest.raises(CourseError, match="another grid"):
        read_one(tmp_path)


def test_a_missing_slice_is_named(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks(), skip=(3,))
    write_mask(tmp_path, "MED_LYMPH_001", true_marks())
    with pytest.raises(CourseError, match="is a slice missing"):
        read_one(tmp_path)


def test_a_slice_of_another_series_and_a_scan_of_another_patient_are_named(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks(), uid_of_slice={4: "9.9.9"})
    write_mask(tmp_path, "MED_LYMPH_001", true_marks())
    with pytest.raises(CourseError, match=r"2 series.*9\.9\.9 \(1 of CT\)"):
        read_one(tmp_path)
    other = tmp_path / "other"
    write_scan(other, "MED_LYMPH_001", marks=true_marks(), patient="MED_LYMPH_007")
    write_mask(other, "MED_LYMPH_001", true_marks())
    with pytest.raises(CourseError, match="a scan of MED_LYMPH_007"):
        read_one(other)


def test_a_broken_mask_and_an_empty_folder_are_said(tmp_path):
    write_scan(tmp_path, "MED_LYMPH_001", marks=true_marks())
    place = tmp_path / "MED_ABD_LYMPH_MASKS" / "MED_LYMPH_001"
    place.mkdir(parents=True)
    (place / "MED_LYMPH_001_mask.nii.gz").write_bytes(b"no such thing")
    with pytest.raises(CourseError, match="cannot be read as NIfTI"):
        read_one(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="found no case"):
        find_lymph_cases(tmp_path / "empty")
    with pytest.raises(CourseError, match="expected a folder"):
        find_lymph_cases(tmp_path / "none")
    with pytest.raises(CourseError, match="region must be one of mediastinal, abdominal"):
        find_lymph_cases(tmp_path, region="thoracic")


def test_a_download_asks_for_the_cases_and_shows_the_licence(tmp_path, monkeypatch, capsys):
    asked = []
    client = SimpleNamespace(download_from_selection=lambda **options: asked.append(options))
    package = SimpleNamespace(index=SimpleNamespace(IDCClient=lambda: client))
    monkeypatch.setitem(sys.modules, "idc_index", package)
    assert fetch_lymph_nodes(tmp_path / "new", cases=["med_lymph_003"]) == tmp_path / "new"
    assert asked == [
        {"collection_id": "ct_lymph_nodes", "patientId": ["MED_LYMPH_003"], "downloadDir": str(tmp_path / "new")}
    ]
    assert "CC BY 3.0" in capsys.readouterr().err


def test_a_download_without_the_package_or_of_an_unknown_case_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "idc_index", None)
    with pytest.raises(CourseError, match="pip install idc-index"):
        fetch_lymph_nodes(tmp_path)
    with pytest.raises(CourseError, match="got 'LIDC-1'"):
        fetch_lymph_nodes(tmp_path, cases=["LIDC-1"])
