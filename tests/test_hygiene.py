import numpy as np
import pytest

from medcourse.datasets import (
    check_identity,
    check_series,
    make_dicom_export,
    read_dicom_series,
    read_headers,
    slice_positions,
    write_dicom_export,
)
from medcourse.errors import CourseError


@pytest.fixture(scope="module")
def export():
    return make_dicom_export(n_slices=8, n_missing=1, n_duplicates=1, seed=3)


def test_an_export_is_found_out(export, tmp_path):
    headers = read_headers(write_dicom_export(export, tmp_path / "export"))
    assert [name for name, _ in headers] == [name for name, _ in export.files]
    table = check_series(headers).set_index("series_uid")
    assert len(table) == 2
    ct = table.loc[export.series_uid]
    assert (ct.n_files, ct.n_places, ct.orientations, ct.sizes) == (8, 7, 1, 1)
    assert ct.step_mm == pytest.approx(5)
    assert [name for name in ct.files if name not in export.duplicates] == export.order
    assert ct.duplicates == [tuple(sorted([export.duplicates[0], *set(ct.duplicates[0]) - set(export.duplicates)]))]
    below, above = ct.gaps[0]
    assert len(ct.gaps) == 1
    i = export.order.index(above if above in export.order else below)
    assert i in (export.missing[0], export.missing[0] - 1)
    assert ct.number_order == "other"  # a number that is there twice runs nowhere
    assert not ct.names_in_order


def test_a_clean_export_is_read_as_the_volume_that_it_holds(tmp_path):
    export = make_dicom_export(n_slices=6, n_missing=0, n_duplicates=0, scout=False, seed=1)
    folder = write_dicom_export(export, tmp_path)
    series = read_dicom_series(folder)
    np.testing.assert_array_equal(series.volume, export.volume)
    assert series.files == export.order
    assert series.spacing_mm == export.spacing_mm
    row = check_series(read_headers(folder)).iloc[0]
    assert (row.duplicates, row.gaps, row.number_order) == ([], [], "against")
    with pytest.raises(CourseError, match="is there already"):
        write_dicom_export(export, folder)


def test_the_person_is_found_wherever_named(export):
    table = check_identity(export.files).set_index("path")
    private = table[table.kind == "private"]
    assert len(private) == 1
    assert "4711-0815" in private.example.iloc[0]
    assert export.identifying == set(private.index) | set(table.index[table.kind == "profile"])
    assert table.loc["RequestAttributesSequence[0].AccessionNumber", "n_files"] == len(export.files)
    assert table.loc["PatientIdentityRemoved", "kind"] == "not declared"
    assert set(table.index[table.kind == "uid"]) >= {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"}
    assert "BurnedInAnnotation" not in table.index


def test_a_nameless_export_leaves_only_what_cannot_be_seen():
    export = make_dicom_export(n_slices=4, identified=False)
    for _, header in export.files:
        header.PatientIdentityRemoved = "YES"
        header.PatientName, header.PatientID = "", "Anonymous"
    assert set(check_identity(export.files).kind) == {"uid"}
    assert export.identifying == set()
    export.files[0][1].BurnedInAnnotation = "YES"
    export.files[0][1].DateOfLastCalibration = "20250101"
    found = check_identity(export.files)
    assert dict(found.loc[found.kind != "uid", ["path", "kind"]].to_numpy()) == {
        "BurnedInAnnotation": "burned in",
        "DateOfLastCalibration": "date",
    }


def test_positions_run_along_the_normal_of_tilted_slices():
    tilt = np.deg2rad(20)
    orientation = [1, 0, 0, 0, np.cos(tilt), np.sin(tilt)]
    normal = np.cross(orientation[:3], orientation[3:])
    places = np.outer([3.0, 0.0, 7.0], normal) + np.array([5, 6, 7])
    heights = slice_positions(places, [orientation] * 3)
    np.testing.assert_allclose(heights - heights[1], [3, 0, 7])
    # A gantry shifts slices within their planes, too; that changes no order.
    shifted = places + np.outer([40.0, -60.0, 10.0], orientation[3:])
    np.testing.assert_allclose(slice_positions(shifted, [orientation] * 3), heights)


def test_bad_input_is_said(tmp_path):
    with pytest.raises(CourseError, match="different orientations"):
        slice_positions(np.zeros((2, 3)), [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]])
    with pytest.raises(CourseError, match=r"got \(2, 2\)"):
        slice_positions(np.zeros((2, 2)), np.zeros((2, 6)))
    with pytest.raises(CourseError, match="expected DICOM files"):
        read_headers(tmp_path)
    with pytest.raises(CourseError, match="found none at"):
        read_headers(tmp_path / "none")
    with pytest.raises(CourseError, match="cannot spare 3"):
        make_dicom_export(n_slices=4, n_missing=3)
    with pytest.raises(CourseError, match="at least three slices"):
        make_dicom_export(np.zeros((2, 4, 4)))


def test_slices_without_a_place_or_in_all_directions_are_counted():
    export = make_dicom_export(n_slices=4, n_missing=0, n_duplicates=0, scout=False)
    del export.files[0][1].InstanceNumber
    assert check_series(export.files).number_order.iloc[0] == "other"
    for _, header in export.files[:2]:
        header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    row = check_series(export.files).iloc[0]
    assert (row.orientations, row.n_places) == (2, 0)
