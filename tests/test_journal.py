"""The journal of a grading run: nothing that it said is lost, and half a line costs that line."""

import errno
import json
import os
import stat
import subprocess
import sys

import pytest

from medcourse.errors import CourseError
from medcourse.grading import journal as module
from medcourse.grading.journal import Journal, secret_seed
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.submission import Graded

RUN = Run([Exercise("dice_empty", 1.0, 0.5, "half", "")], {"dice": "why"}, {"dice": []}, 0.5, 90.0, "landlock")
GRADED = Graded(RUN, ["The test cell `dice_empty` is missing: it was put back."])
NAMES = ["Zoë Ångström", "李 小龙", 'o"neil', "a b"]


def test_what_was_written_is_read_again(tmp_path):
    with Journal(tmp_path, "lab") as journal:
        journal.add_calibrated("k0")
        for name in NAMES:
            journal.add_result(name, "k1", GRADED)
        journal.add_recorded(NAMES[0], "k1")
        journal.add_result(NAMES[1], "k2", Graded(None, [], "no notebook"))
        journal.add_look(NAMES[2], "k3", "its workers died")
    with Journal(tmp_path, "lab") as journal:
        assert journal.calibrated == {"k0"}
        assert journal.result(NAMES[0], "k1") == GRADED
        assert [journal.is_recorded(name, "k1") for name in NAMES] == [True, False, False, False]
        assert journal.has_result(NAMES[1], "k1")
        assert not journal.has_result(NAMES[0], "k2")
        assert not journal.has_result(NAMES[2], "k3")
        latest = dict(journal.results())
    assert latest[NAMES[0]] == latest[NAMES[3]] == GRADED
    assert latest[NAMES[1]].problem == "no notebook"
    assert latest[NAMES[2]] == Graded(None, [], "its workers died")


def test_each_line_says_what_when_and_of_whom(tmp_path):
    with Journal(tmp_path, "lab") as journal:
        journal.add_result("ann", "k", GRADED)
        journal.add_recorded("ann", "k")
    result, recorded = map(json.loads, journal.path.read_text().splitlines())
    assert set(result) == {"event", "student", "key", "submission", "time", "tier", "run", "problem", "findings"}
    assert (result["tier"], result["run"]["exercises"][0]["score"]) == ("landlock", 0.5)
    assert set(recorded) == {"event", "student", "key", "time"}
    assert result["time"].endswith("+00:00")


def test_a_new_result_is_not_recorded_yet(tmp_path):
    with Journal(tmp_path, "lab") as journal:
        journal.add_result("ann", "k", GRADED)
        journal.add_recorded("ann", "k")
        journal.add_result("ann", "k", GRADED)
        assert not journal.is_recorded("ann", "k")


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_line_that_was_cut_off_is_dropped_and_no_other(tmp_path, cut):
    with Journal(tmp_path, "lab") as journal:
        journal.add_result("ann", "k", GRADED)
        journal.add_recorded("ann", "k")
    path = journal.path
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(tmp_path, "lab") as journal:
        assert journal.has_result("ann", "k")
        assert not journal.is_recorded("ann", "k")
        journal.add_recorded("ann", "k")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["result", "recorded"]


def test_a_last_line_of_zeros_is_dropped(tmp_path):
    """As a disk may leave it that lost its power."""
    with Journal(tmp_path, "lab") as journal:
        journal.add_calibrated("k")
    journal.path.write_bytes(journal.path.read_bytes() + b"\0" * 40 + b"\n")
    with Journal(tmp_path, "lab") as journal:
        assert journal.calibrated == {"k"}
    assert journal.path.read_bytes().count(b"\n") == 1


def test_a_damaged_line_in_the_middle_is_said(tmp_path):
    with Journal(tmp_path, "lab") as journal:
        journal.add_calibrated("k")
    before = journal.path.read_bytes()
    journal.path.write_bytes(b"{}\n" + before)
    with pytest.raises(CourseError, match=r"line 1 of .*lab.jsonl is damaged"):
        Journal(tmp_path, "lab")
    assert journal.path.read_bytes() == b"{}\n" + before


def test_one_run_at_a_time(tmp_path):
    with Journal(tmp_path, "lab"):
        with pytest.raises(CourseError, match="lab is being graded by another run: wait for its end, or end it"):
            Journal(tmp_path, "lab")
        with Journal(tmp_path, "other"):
            pass
        with Journal(tmp_path, "lab", writes=False) as reader:
            assert reader.latest == {}
    with Journal(tmp_path, "lab"):
        pass


def test_a_run_that_was_killed_holds_nothing(tmp_path):
    program = (
        "import pathlib, sys, time\nfrom medcourse.grading.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]), 'lab')\nprint(flush=True)\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
    with child:
        child.stdout.readline()
        with pytest.raises(CourseError, match="another run"):
            Journal(tmp_path, "lab")
        child.kill()
    with Journal(tmp_path, "lab"):
        pass


def test_nobody_else_reads_it(tmp_path):
    with Journal(tmp_path, "lab") as journal:
        journal.add_calibrated("k")
    secret_seed(tmp_path)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "grading", *journal.path.parent.iterdir()]
    }
    assert modes == {"grading": 0o700, "lab.jsonl": 0o600, "secret_seed": 0o600}


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    write = os.write

    def full(descriptor, data):
        if len(data) > 100:  # takes the beginning, as a disk does
            return write(descriptor, data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(tmp_path, "lab") as journal:
        journal.add_calibrated("k")
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "write", full)
            with pytest.raises(CourseError, match=r"cannot write .*lab.jsonl: No space left on device"):
                journal.add_result("ann", "k", GRADED)
        assert not journal.has_result("ann", "k")
        journal.add_result("ben", "k", GRADED)
        assert journal.result("ben", "k") == GRADED
    with Journal(tmp_path, "lab") as journal:
        assert list(journal.latest) == ["ben"]


def test_no_journal_and_no_folder_are_said(tmp_path):
    with pytest.raises(CourseError, match="nothing of lab was graded yet: run `medcourse grade`"):
        Journal(tmp_path, "lab", writes=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "grading").write_text("")
    with pytest.raises(CourseError, match=r"expected a folder .*grading that can be written"):
        Journal(tmp_path, "lab")


def test_the_seed_is_made_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("MEDCOURSE_SECRET_SEED", raising=False)
    seed = secret_seed(tmp_path)
    assert seed == secret_seed(tmp_path)
    (tmp_path / "other").mkdir()
    assert seed != secret_seed(tmp_path / "other")
    monkeypatch.setenv("MEDCOURSE_SECRET_SEED", "12")
    assert secret_seed(tmp_path) == 12
    monkeypatch.delenv("MEDCOURSE_SECRET_SEED")
    assert secret_seed(tmp_path) == seed


@pytest.mark.parametrize("text", ["", "seven", "-1", "1.5"])
def test_a_seed_that_is_none_is_said(tmp_path, monkeypatch, text):
    monkeypatch.setenv("MEDCOURSE_SECRET_SEED", text)
    with pytest.raises(CourseError, match="expected a whole number from 0 in MEDCOURSE_SECRET_SEED"):
        secret_seed(tmp_path)
    monkeypatch.delenv("MEDCOURSE_SECRET_SEED")
    (tmp_path / "grading" / "secret_seed").write_text(text)
    with pytest.raises(CourseError, match=r"expected a whole number from 0 in .*secret_seed"):
        secret_seed(tmp_path)
