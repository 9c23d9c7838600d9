"""Folders of FCS by patient: written here from simulated marrow, whole ones and such as people send."""

import flowio
import numpy as np
import pytest
from sklearn.utils import Bunch

from medcourse.datasets.cytometry import arcsinh, compensate
from medcourse.datasets.marrow import make_marrow
from medcourse.datasets.marrow_folder import name_markers, read_tubes, tube_features
from medcourse.errors import CourseError


def write(folder, patient, name, tube, *, marks=None, markers=None, spill=True, drop=()):
    place = folder / patient
    place.mkdir(exist_ok=True, parents=True)
    keep = [i for i, marker in enumerate(tube.markers) if marker not in drop]
    fluorescent = [i for i in keep if tube.channels[i] in tube.spill_channels]
    rows = [tube.spill_channels.index(tube.channels[i]) for i in fluorescent]
    matrix = tube.spill[np.ix_(rows, rows)]
    said = [str(len(rows)), *(tube.channels[i] for i in fluorescent), *map(str, matrix.ravel())]
    names = tube.markers if markers is None else markers
    with (place / f"{name}.fcs").open("wb") as file:
        flowio.create_fcs(
            file,
            tube.events[:, keep].ravel().tolist(),
            [tube.channels[i] for i in keep],
            [names[i] for i in keep],
            {"spill": ",".join(said)} if spill else {},
        )
    marks = tube.is_blast.astype(int) if marks is None else marks
    (place / f"{name}.csv").write_text("\n".join(["blast", *map(str, marks)]) + "\n")


@pytest.fixture
def folder(tmp_path):
    for patient, day in (("B", 15), ("A", 33), ("A", 0)):
        tube = make_marrow(60, patient=ord(patient), day=day, blast_fraction=0.3)
        write(tmp_path, patient, f"tube_day{day}", tube)
    return tmp_path


def test_tubes_come_by_patient_with_days_and_blasts(folder):
    read = read_tubes(folder)
    assert [(tube.patient, tube.day) for tube in read.tubes] == [("A", 0), ("A", 33), ("B", 15)]
    tube = make_marrow(60, patient=ord("B"), day=15, blast_fraction=0.3)
    np.testing.assert_array_equal(read.tubes[2].is_blast, tube.is_blast)
    np.testing.assert_allclose(read.tubes[2].events, tube.events, rtol=1e-6)
    np.testing.assert_allclose(read.tubes[2].spill, tube.spill)
    assert set(read.markers) == set(tube.markers)
    assert read.markers[:2] == ["FSC", "SSC"]
    assert "3 tubes of 2 patients" in read.DESCR


def test_what_was_read_gives_the_features_of_what_was_simulated(folder):
    read = read_tubes(folder)
    tube = make_marrow(60, patient=ord("B"), day=15, blast_fraction=0.3)
    got = tube_features(read.tubes[2], tube.markers)
    np.testing.assert_allclose(got, tube_features(tube, tube.markers), atol=2e-3)


def test_markers_are_those_that_all_tubes_share(folder):
    write(folder, "C", "d15", make_marrow(50, day=15, blast_fraction=0.2), drop=("CD123",))
    assert "CD123" not in read_tubes(folder).markers
    with pytest.raises(CourseError, match=r"C/d15\.fcs: expected one channel of CD123, got none; there are FSC"):
        read_tubes(folder, markers=("CD123",))


def test_fewer_events_keep_their_marks(folder):
    few = read_tubes(folder, most_events=25, seed=1).tubes[0]
    whole = read_tubes(folder).tubes[0]
    assert len(few.events) == len(few.is_blast) == 25
    for event, blast in zip(few.events, few.is_blast, strict=True):
        (where,) = np.flatnonzero((whole.events == event).all(axis=1))
        assert whole.is_blast[where] == blast


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: (f / "A" / "tube_day0.csv").unlink(), "expected its blasts in tube_day0.csv beside it"),
        (lambda f: (f / "A" / "tube_day0.csv").write_text(""), "could not read it"),
        (lambda f: (f / "A" / "tube_day0.csv").write_text("gate\n1\n"), "column 'blast' in its header, got gate"),
        (
            lambda f: (f / "A" / "tube_day0.csv").write_text("blast\n1\n0\n"),
            "each of the 60 events of tube_day0.fcs, got 2",
        ),
        (
            lambda f: (f / "A" / "tube_day0.csv").write_text("blast\n" + "yes\n" * 60),
            "0 or 1 in column 'blast', got 'yes'",
        ),
        (lambda f: (f / "A" / "tube_day0.fcs").write_bytes((f / "A" / "tube_day0.fcs").read_bytes()[:900]), "whole"),
        (lambda f: (f / "A" / "tube_day0.fcs").write_bytes(b""), "FCS"),
    ],
)
def test_damage_is_said_in_one_line_with_the_file(folder, harm, said):
    harm(folder)
    with pytest.raises(CourseError, match=said) as caught:
        read_tubes(folder)
    assert "\n" not in str(caught.value)
    assert "tube_day0" in str(caught.value)


def test_folders_without_tubes_are_said(tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_tubes(tmp_path / "nowhere")
    with pytest.raises(CourseError, match="found no FCS file one folder down"):
        read_tubes(tmp_path)
    (tmp_path / "loose.fcs").write_bytes(b"")
    with pytest.raises(CourseError, match="belong to no patient"):
        read_tubes(tmp_path)


def test_tubes_that_share_one_antigen_are_not_enough(tmp_path):
    tube = make_marrow(20, blast_fraction=0.5)
    write(tmp_path, "A", "x", tube, drop=set(tube.markers) - {"FSC", "SSC", "CD10"})
    with pytest.raises(CourseError, match="two antigens or more"):
        read_tubes(tmp_path)


def test_laboratories_write_markers_in_their_own_way():
    channels = ["Time", "SSC-H", "SSC-A", "FSC-H", "B1-A", "B2-A", "B3-A", "B4-A"]
    markers = ["Time", "SSC-H", "SSC-A", "FSC-H", "CD10 PE-Cy7", "anti-cd-19", "CD 45RA", "CD66c+CD123"]
    assert name_markers(channels, markers) == ["Time", "SSC-H", "SSC", "FSC", "CD10", "CD19", "CD45ra", "CD66c+CD123"]


def test_names_tell_the_day(tmp_path):
    tube = make_marrow(20, blast_fraction=0.5)
    days = {"day15": 15, "MRD d33 tube 1": 33, "Day_0": 0, "x-d8": 8, "cd10_tube2": None}
    for name in days:
        write(tmp_path, "A", name, tube)
    assert {t.name.removeprefix("A/").removesuffix(".fcs"): t.day for t in read_tubes(tmp_path).tubes} == days


def test_features_are_compensated_before_they_are_compressed():
    tube = make_marrow(300, blast_fraction=0.2, seed=2)
    features = tube_features(tube, ["CD10", "SSC"])
    by_hand = arcsinh(compensate(tube.events[:, 2:], tube.spill)[:, tube.markers.index("CD10") - 2])
    np.testing.assert_allclose(features[:, 0], by_hand, rtol=1e-5)
    np.testing.assert_allclose(features[:, 1], tube.events[:, 1] / 2**18, rtol=1e-6)
    assert features.dtype == np.float32


def test_the_matrix_may_have_an_order_of_its_own():
    tube = make_marrow(300, blast_fraction=0.2)
    turned = np.arange(8)[::-1]
    other = Bunch(**{**tube, "spill": tube.spill[np.ix_(turned, turned)], "spill_channels": tube.spill_channels[::-1]})
    np.testing.assert_allclose(tube_features(other, tube.markers), tube_features(tube, tube.markers), atol=1e-4)


def test_a_marker_that_is_there_twice_is_refused():
    tube = make_marrow(20)
    with pytest.raises(CourseError, match="one channel of CD10, got 2"):
        tube_features(Bunch(**{**tube, "markers": [*tube.markers[:9], "CD10"]}), ["CD10"])
