"""Reading of FCS: files are written here, whole ones and those that machines write wrongly."""

import struct
import warnings

import flowio
import numpy as np
import pytest

from medcourse.datasets import fcs
from medcourse.datasets.fcs import read_fcs
from medcourse.errors import CourseError

EVENTS = np.arange(15, dtype=np.float32).reshape(5, 3)
CHANNELS = ["FSC-A", "FITC-A", "PE-A"]
SPILL = "2,FITC-A,PE-A,1,0.2,0.05,1"


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "tube.fcs", EVENTS)


def write(path, events, channels=CHANNELS, markers=None, **keywords):
    with path.open("wb") as file:
        flowio.create_fcs(file, events.ravel().tolist(), channels, markers, {"spill": SPILL, **keywords})
    return path


def patch(path, where, text):
    """Put `text` at the bytes `where` of the header, right-aligned in its 8 columns."""
    data = bytearray(path.read_bytes())
    data[where : where + 8] = f"{text:>8}".encode()
    path.write_bytes(bytes(data))
    return path


def fcs2(path, data, keywords, *, stop=None):
    """Write FCS 2.0 by hand, which flowio cannot."""
    text = "/" + "".join(f"{key}/{value}/" for key, value in keywords.items())
    start = 58 + len(text)
    numbers = [58, start - 1, start, start + len(data) - 1 if stop is None else start + stop, 0, 0]
    path.write_bytes(("FCS2.0    " + "".join(f"{n:>8}" for n in numbers) + text).encode() + data)
    return path


def test_a_whole_file_gives_back_what_was_written(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tube = read_fcs(path)
    np.testing.assert_array_equal(tube.events, EVENTS)
    assert (tube.channels, tube.version, tube.notes) == (CHANNELS, "3.1", [])
    np.testing.assert_array_equal(tube.spill, [[1, 0.2], [0.05, 1]])
    assert tube.spill_channels == ["FITC-A", "PE-A"]
    assert "5 events with 3 channels" in tube.description


def test_markers_stand_beside_their_detectors_and_fall_back_on_them(tmp_path):
    tube = read_fcs(write(tmp_path / "a.fcs", EVENTS, markers=["", "CD10", "CD19"]))
    assert tube.markers == ["FSC-A", "CD10", "CD19"]


def test_a_file_without_spill_over_says_so(tmp_path):
    path = tmp_path / "plain.fcs"
    with path.open("wb") as file:
        flowio.create_fcs(file, EVENTS.ravel().tolist(), CHANNELS)
    tube = read_fcs(path)
    assert tube.spill is None
    assert tube.spill_channels == []


def test_version_2_with_logarithms_and_gain_comes_out_linear(tmp_path):
    keywords = {"$MODE": "L", "$DATATYPE": "I", "$BYTEORD": "4,3,2,1", "$PAR": 2, "$TOT": 2, "$NEXTDATA": 0}
    for i, (name, decades, gain) in enumerate([("FL1-H", "4,1", "1"), ("SSC-H", "0,0", "8")], start=1):
        keywords |= {f"$P{i}N": name, f"$P{i}B": 16, f"$P{i}R": 1024, f"$P{i}E": decades, f"$P{i}G": gain}
    tube = read_fcs(fcs2(tmp_path / "old.fcs", struct.pack(">4H", 256, 800, 512, 16), keywords))
    # 4 decades over 1024 channels: channel 256 is 10, channel 512 is 100; a gain of 8 is divided out.
    np.testing.assert_allclose(tube.events, [[10, 100], [100, 2]])
    assert tube.version == "2.0"


@pytest.mark.parametrize(("first", "last"), [(0, 1), (-3, -3), (7, 7), (0, -12)])
def test_where_header_and_text_disagree_the_one_that_holds_the_events_wins(path, first, last):
    head = flowio.FlowData(path).header
    patch(patch(path, 26, head["data_start"] + first), 34, head["data_stop"] + last)
    with pytest.raises(flowio.exceptions.DataOffsetDiscrepancyError):
        flowio.FlowData(path)
    with pytest.warns(UserWarning, match="header and TEXT disagree"):
        tube = read_fcs(path)
    np.testing.assert_array_equal(tube.events, EVENTS)
    assert len(tube.notes) == 1


def test_the_header_is_taken_where_it_alone_is_right(path):
    data = path.read_bytes()
    stop = f"$ENDDATA/{flowio.FlowData(path).header['data_stop']}/".encode()
    assert data.count(stop) == 1
    wrong = f"$ENDDATA/{int(stop[9:-1]) - 20}/".encode()
    assert len(wrong) == len(stop)
    path.write_bytes(data.replace(stop, wrong))
    with pytest.warns(UserWarning, match="took those of the header"):
        tube = read_fcs(path)
    np.testing.assert_array_equal(tube.events, EVENTS)


def test_a_last_byte_counted_exclusively_is_put_right(tmp_path):
    keywords = {"$MODE": "L", "$DATATYPE": "F", "$BYTEORD": "1,2,3,4", "$PAR": 1, "$TOT": 3, "$NEXTDATA": 0}
    keywords |= {"$P1N": "FL1-A", "$P1B": 32, "$P1R": 1024, "$P1E": "0,0"}
    data = np.array([1, 2, 3], "<f4").tobytes()
    path = fcs2(tmp_path / "off.fcs", data + b" ", keywords, stop=len(data))
    with pytest.warns(UserWarning, match="1 byte earlier"):
        tube = read_fcs(path)
    np.testing.assert_array_equal(tube.events[:, 0], [1, 2, 3])


@pytest.mark.parametrize(
    ("said", "damage"),
    [
        ("begins with FCS2.0", lambda whole: b"PK\x03\x04 not a cytometer"),
        ("begins with FCS2.0", lambda whole: b""),
        ("is the file whole", lambda whole: b"FCS3.1 and then nothing"),
        ("is the file whole", lambda whole: whole[:-8]),
        ("is the file whole", lambda whole: whole[:300]),
        ("is the file whole", lambda whole: whole.replace(b"$PAR/3/", b"$PAR/x/")),
        ("is the file whole", lambda whole: whole.replace(b"$DATATYPE/F/", b"$DATATYPE/Q/")),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(path, said, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CourseError, match=said) as caught:
        read_fcs(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_fcs(tmp_path / "none.fcs")


def test_fewer_events_than_promised_are_refused(path):
    path.write_bytes(path.read_bytes().replace(b"$TOT/5/", b"$TOT/9/"))
    with pytest.raises(CourseError, match=r"expected 108 bytes of data \(9 events of 3 channels\)"):
        read_fcs(path)


def test_several_data_sets_in_one_file_are_refused(path):
    path.write_bytes(path.read_bytes().replace(b"$NEXTDATA/0/", b"$NEXTDATA/9/"))
    with pytest.raises(CourseError, match="one data set"):
        read_fcs(path)


@pytest.mark.parametrize(
    ("spill", "said"),
    [("2,FITC-A,PE-A,1,0.2,0.05", "n \\* n numbers"), ("x,y", "n \\* n numbers"), ("1,CD99,1", "got \\['CD99'\\]")],
)
def test_a_broken_spill_over_matrix_is_said(tmp_path, spill, said):
    with pytest.raises(CourseError, match=said):
        read_fcs(write(tmp_path / "a.fcs", EVENTS, spill=spill))


def test_keywords_of_the_matrix_are_those_of_all_versions():
    assert "spillover" in fcs.SPILL_KEYWORDS
    assert "spill" in fcs.SPILL_KEYWORDS
