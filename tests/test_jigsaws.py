"""JIGSAWS' layout, written from simulated trials and read again."""

import warnings

import numpy as np
import pytest

from medcourse.datasets import make_suturing, read_jigsaws
from medcourse.datasets.jigsaws import COLUMNS
from medcourse.errors import CourseError
from medcourse.segments import segments

LEAD, TAIL = 40, 25  # frames without a label before and after, as in the real trials


def write_jigsaws(folder, made, *, gap=0):
    """Write trials at 30 Hz in the layout of JIGSAWS below `folder`/Suturing; `gap` frames of each segment lack a label."""
    kinematics, transcriptions = folder / "Suturing/kinematics/AllGestures", folder / "Suturing/transcriptions"
    kinematics.mkdir(parents=True)
    transcriptions.mkdir()
    rows = []
    for name, skill, signals, labels in zip(made.trials, made.skills, made.sequences, made.labels, strict=True):
        padded = np.pad(signals, ((LEAD, TAIL), (0, 0)), mode="edge")
        table = np.full((len(padded), 76), 9.0)
        table[:, np.array(COLUMNS) - 1] = padded
        np.savetxt(kinematics / f"Suturing_{name}.txt", table, fmt="%.7f")
        lines = [
            f"{LEAD + run.start + 1} {LEAD + run.end - gap} {made.gestures[run.label]} " for run in segments(labels)
        ]
        (transcriptions / f"Suturing_{name}.txt").write_text("\n".join(lines) + "\n\n")
        rows.append(f"Suturing_{name}\t{skill[0].upper()}\t15\t2\t3\n")
    (folder / "Suturing/meta_file_Suturing.txt").write_text("".join(rows))
    return folder


@pytest.fixture(scope="module")
def made():
    return make_suturing("BD", n_trials=2, n_stitches=1, rate_hz=30.0, seed=0)


@pytest.fixture
def folder(tmp_path, made):
    return write_jigsaws(tmp_path, made)


@pytest.mark.parametrize("below", ["", "Suturing"])
def test_what_was_written_is_read_at_five_hertz(folder, made, below):
    data = read_jigsaws(folder / below)
    assert data.trials == made.trials
    assert data.surgeons == ["B", "B", "D", "D"]
    assert data.skills == ["novice", "novice", "expert", "expert"]
    assert data.rate_hz == 5.0
    assert data.gestures == made.gestures
    for got, labels, signals, truth in zip(data.sequences, data.labels, made.sequences, made.labels, strict=True):
        np.testing.assert_allclose(got, signals[::6], atol=1e-6)
        np.testing.assert_array_equal(labels, truth[::6])
    assert "4 trials of 2 surgeons" in data.description


def test_columns_are_those_of_the_readme(tmp_path, made):
    write_jigsaws(tmp_path, made)
    path = tmp_path / "Suturing/kinematics/AllGestures/Suturing_B001.txt"
    table = np.loadtxt(path)
    table[:] = np.arange(1, 77)  # each column holds its own number
    np.savetxt(path, table, fmt="%.1f")
    (first, *_) = read_jigsaws(tmp_path).sequences
    assert first[0].tolist() == [39, 40, 41, 51, 52, 53, 57, 58, 59, 60, 70, 71, 72, 76]


def test_frames_without_a_label_are_left_out_before_every_sixth_is_kept(tmp_path, made):
    data = read_jigsaws(write_jigsaws(tmp_path, made, gap=4))
    for labels, truth, signals, got in zip(data.labels, made.labels, made.sequences, data.sequences, strict=True):
        known = np.concatenate([np.arange(run.start, run.end - 4) for run in segments(truth)])
        np.testing.assert_array_equal(labels, truth[known][::6])
        np.testing.assert_allclose(got, signals[known][::6], atol=1e-6)


def test_trials_with_one_file_are_left_out_and_told_once(folder):
    (folder / "Suturing/transcriptions/Suturing_B002.txt").unlink()
    (folder / "Suturing/kinematics/AllGestures/Suturing_D001.txt").unlink()
    with pytest.warns(
        UserWarning, match=r"Suturing_B002 \(no transcription\); Suturing_D001 \(no kinematics\)"
    ) as told:
        data = read_jigsaws(folder)
    assert len(told) == 1
    assert data.trials == ["B001", "D002"]


def test_other_files_a_missing_meta_file_and_other_line_ends_do_not_matter(folder):
    (folder / "Suturing/transcriptions/._Suturing_B001.txt").write_bytes(b"\xff\x00")
    (folder / "Suturing/kinematics/AllGestures/readme.txt").write_text("read me")
    (folder / "Suturing/meta_file_Suturing.txt").unlink()
    path = folder / "Suturing/transcriptions/Suturing_B001.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = read_jigsaws(folder)
    assert data.skills == [None] * 4


def test_a_segment_beyond_the_end_is_cut_and_of_two_the_later_counts(folder, made):
    path = folder / "Suturing/transcriptions/Suturing_B001.txt"
    path.write_text("1 60 G1\n31 99999 G2\n")
    (labels, *_) = read_jigsaws(folder, rate_hz=30.0).labels
    assert len(labels) == len(made.labels[0]) + LEAD + TAIL
    assert [tuple(run)[:2] for run in segments(labels)] == [(0, 0), (1, 30)]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("12 G1\n", 'line 1: expected "start end G1"'),
        ("1 9 G1\n10 20 G7\n", "line 2: expected a gesture of G1, .* got G7"),
        ("30 20 G1\n", "1 <= start <= end, got 30 and 20"),
        ("0 20 G1\n", "1 <= start <= end, got 0 and 20"),
        ("", "found none"),
        ("90000 90001 G1\n", "found none"),
    ],
)
def test_a_bad_transcription_costs_one_clear_line(folder, spoil, says):
    (folder / "Suturing/transcriptions/Suturing_D002.txt").write_text(spoil)
    with pytest.raises(CourseError, match=says) as caught:
        read_jigsaws(folder)
    assert "Suturing_D002" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 2 3\n", "expected 76 columns, got a table of 1 x 3"),
        ("1 two\n", "could not read it"),
        (" ".join(["nan"] * 76) + "\n", "expected finite numbers"),
    ],
)
def test_bad_kinematics_cost_one_clear_line(folder, text, says):
    (folder / "Suturing/kinematics/AllGestures/Suturing_B002.txt").write_text(text)
    with pytest.raises(CourseError, match=says) as caught:
        read_jigsaws(folder)
    assert "Suturing_B002" in str(caught.value)


def test_a_folder_that_is_not_jigsaws_is_refused(tmp_path):
    with pytest.raises(CourseError, match="is it unpacked"):
        read_jigsaws(tmp_path)
    with pytest.raises(CourseError, match="found none at"):
        read_jigsaws(tmp_path / "nowhere")
    (tmp_path / "kinematics/AllGestures").mkdir(parents=True)
    with pytest.raises(CourseError, match="expected a folder transcriptions"):
        read_jigsaws(tmp_path)
    (tmp_path / "transcriptions").mkdir()
    with pytest.raises(CourseError, match="found no pair"):
        read_jigsaws(tmp_path)
    with pytest.raises(CourseError, match="must divide"):
        read_jigsaws(tmp_path, rate_hz=4.0)
