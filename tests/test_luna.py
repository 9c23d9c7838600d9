"""LUNA16's layout, on files that the tests write with SimpleITK."""

import numpy as np
import pytest
import SimpleITK

from medcourse.datasets import read_luna
from medcourse.errors import CourseError

UIDS = [f"1.3.6.1.4.1.14519.5.2.1.6279.6001.{n}" for n in (111, 222, 333)]
SPACING = (2.5, 0.7, 0.8)  # z, y, x
ORIGIN = (-120.5, -80.0, -300.25)  # x, y, z
SHAPE = (12, 30, 28)
BALL = np.array([5, 12, 9])  # a bright voxel of the volume as the course sees it


def truth(value=900.0):
    volume = np.full(SHAPE, -850, np.int16)
    volume[tuple(BALL)] = value
    volume[:, :2] = -3024  # outside of the scanner's circle
    return volume


def write(folder, uid, flip=(False, False, False)):
    """Write the same patient, stored along flipped axes x, y, z."""
    signs = np.where(flip, -1.0, 1.0)
    volume = np.flip(truth(), [axis for axis in range(3) if flip[::-1][axis]])
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume))
    image.SetSpacing(SPACING[::-1])
    far = (np.array(SHAPE[::-1]) - 1) * SPACING[::-1]
    image.SetOrigin(np.where(flip, ORIGIN + far, ORIGIN).tolist())
    image.SetDirection(np.diag(signs).ravel().tolist())
    folder.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(folder / f"{uid}.mhd"))


def world(voxel):
    return np.array(ORIGIN) + np.array(voxel)[::-1] * SPACING[::-1]


def row(uid, voxel, last):
    return ",".join([uid, *map(str, world(voxel)), str(last)])


@pytest.fixture
def luna(tmp_path):
    write(tmp_path / "subset0", UIDS[0])
    write(tmp_path / "subset1", UIDS[1], flip=(True, True, False))
    write(tmp_path / "seg-lungs-LUNA16", UIDS[0])
    head = "seriesuid,coordX,coordY,coordZ,"
    (tmp_path / "annotations.csv").write_text(
        "\n".join([head + "diameter_mm", *(row(uid, BALL, 6.5) for uid in UIDS), row(UIDS[1], (2, 20, 20), 4.25), ""])
    )
    (tmp_path / "candidates_V2.csv").write_text(
        "\n".join([head + "class", row(UIDS[0], BALL, 1), row(UIDS[0], (1, 3, 4), 0), row(UIDS[1], (0, 0, 0), 0), ""])
    )
    (tmp_path / "evaluationScript").mkdir()
    (tmp_path / "evaluationScript" / "annotations_excluded.csv").write_text(
        "\n".join([head + "diameter_mm", row(UIDS[0], (8, 8, 8), -1), row(UIDS[0], (9, 9, 9), 3.5), ""])
    )
    return tmp_path


@pytest.mark.parametrize("number", [0, 1])
def test_world_coordinates_lead_to_the_voxel_whatever_the_direction(luna, number):
    scan = read_luna(luna)[number]
    assert scan.spacing_mm == pytest.approx(SPACING)
    voxel = (scan.nodules.centres_mm[0] / scan.spacing_mm).round(6)
    assert scan.volume[tuple(voxel.astype(int))] == 900
    # Both are turned as a radiologist expects, so both hold the same array at the same place.
    assert voxel.tolist() == BALL.tolist()
    assert np.array_equal(scan.volume[:, 2:], truth()[:, 2:])
    assert scan.geometry.to_world(BALL) == pytest.approx(world(BALL))


def test_what_was_outside_of_the_circle_is_air(luna):
    assert read_luna(luna)[0].volume.min() == -1000


def test_nodules_candidates_and_irrelevant_findings(luna):
    scans = read_luna(luna)
    first, second = scans
    assert first.nodules.diameters_mm.tolist() == [6.5]
    assert second.nodules.diameters_mm.tolist() == [6.5, 4.25]
    assert second.nodules.centres_mm[1] / SPACING == pytest.approx([2, 20, 20])
    assert first.candidates.labels.tolist() == [1, 0]
    assert first.candidates.centres_mm[1] / SPACING == pytest.approx([1, 3, 4])
    assert first.irrelevant.diameters_mm.tolist() == [10, 3.5]  # one was never measured
    assert second.irrelevant.centres_mm.shape == (0, 3)


def test_scans_are_read_when_they_are_asked_for(luna, monkeypatch):
    scans = read_luna(luna)
    assert (len(scans), scans.uids, scans.absent) == (2, UIDS[:2], [UIDS[2]])
    assert scans.subsets == {UIDS[0]: "subset0", UIDS[1]: "subset1"}
    asked = []
    monkeypatch.setattr("medcourse.datasets.luna._read_volume", lambda path: asked.append(path) or 1 / 0)
    assert asked == []
    with pytest.raises(ZeroDivisionError):
        scans[1]
    assert [path.stem for path in asked] == [UIDS[1]]
    with pytest.raises(IndexError):
        scans[2]


def test_without_the_optional_tables(luna):
    (luna / "candidates_V2.csv").unlink()
    (luna / "evaluationScript" / "annotations_excluded.csv").unlink()
    scan = read_luna(luna)[0]
    assert (scan.candidates, scan.irrelevant) == (None, None)


def test_wrong_uids_are_named(luna):
    scans = read_luna(luna)
    with pytest.raises(CourseError, match=r"no scan 1\.2\.3: 2 others"):
        scans.scan("1.2.3")
    with pytest.raises(CourseError, match="is its subset still to be unpacked"):
        scans.scan(UIDS[2])


def test_tables_of_other_scans_are_refused(luna):
    for path in luna.glob("subset*/*"):
        path.unlink()
    write(luna / "subset0", "9.9.9")
    with pytest.raises(CourseError, match="do they belong together"):
        read_luna(luna)


def test_a_nodule_outside_of_its_scan_is_refused(luna):
    with (luna / "annotations.csv").open("a") as file:
        file.write(row(UIDS[0], (40, 5, 5), 5.0))
    with pytest.raises(CourseError, match=r"voxel \(40.0, 5.0, 5.0\), outside of its volume \(12, 30, 28\)"):
        read_luna(luna)[0]


def test_a_missing_raw_file_is_named(luna):
    (luna / "subset0" / f"{UIDS[0]}.raw").unlink()
    with pytest.raises(CourseError, match=r"111\.mhd keeps its voxels in .*111\.raw, which is not beside it"):
        read_luna(luna)[0]
    assert len(read_luna(luna)[1].volume) == 12  # the other scan is still there


def test_a_broken_file_is_named(luna):
    raw = luna / "subset0" / f"{UIDS[0]}.raw"
    raw.write_bytes(raw.read_bytes()[:100])
    with pytest.raises(CourseError, match=r"could not read .*111\.mhd"):
        read_luna(luna)[0]
    (luna / "subset0" / f"{UIDS[0]}.mhd").write_text("no header")
    with pytest.raises(CourseError, match="ElementDataFile"):
        read_luna(luna)[0]


def test_what_is_no_luna16_is_refused(luna, tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_luna(luna / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match=r"subset0/<uid>\.mhd"):
        read_luna(tmp_path / "empty")
    table = (luna / "annotations.csv").read_text()
    (luna / "annotations.csv").write_text(table.replace("coordY", "y"))
    with pytest.raises(CourseError, match=r"missing: \['coordY'\]"):
        read_luna(luna)
    (luna / "annotations.csv").write_text(table.replace("4.25", "small"))
    with pytest.raises(CourseError, match="line 5: expected numbers"):
        read_luna(luna)
    (luna / "annotations.csv").unlink()
    with pytest.raises(CourseError, match=r"expected annotations\.csv"):
        read_luna(luna)


def test_one_uid_twice_is_refused(luna):
    write(luna / "subset1", UIDS[0])
    with pytest.raises(CourseError, match="two files have the UID"):
        read_luna(luna)
