"""Grading a class: bad input costs its own grade, trouble costs nothing, and nbgrader has what it would have had."""

import csv
import errno
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager

import nbformat
import pytest

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.grading import gradebook as gradebook_module
from medcourse.grading import workforce
from medcourse.grading.classroom import grade_class
from medcourse.grading.notebooks import node, read_notebook, to_text
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.submission import Graded, grade_submission
from medcourse.grading.trouble import UnavailableError
from tests.small_class import (
    LAB,
    MAX,
    WRONG,
    Here,
    auto_scores,
    environment,
    gradebook,
    hand_in,
    journal,
    make_course,
    notebook_with,
    solution,
    submission,
)

pytestmark = pytest.mark.usefixtures("one_engine")


@pytest.fixture(scope="module")
def template(small_course):
    return small_course


@pytest.fixture
def root(template, tmp_path, monkeypatch):
    """A course without a class, which the command line takes for its own."""
    folder = shutil.copytree(template, tmp_path / "course")
    for name in list(os.environ):
        if name.startswith("MEDCOURSE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    return folder


def by_name(grades):
    return {each.student: each for each in grades.students}


def grade(root, *arguments, code=0, **environ):
    """Run `medcourse grade` as a person does; return what it printed on standard output and error."""
    command = [sys.executable, "-W", "error", "-m", "medcourse.cli", "grade", LAB, *arguments]
    done = subprocess.run(
        command, env=environment(root, **environ), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


# A class of all kinds, by real workers.

NAMES = ["Zoë Ångström", "李 小龙", "a b", "o'neil [2]", "=cmd"]


@pytest.fixture(scope="module")
def motley(template, tmp_path_factory):
    """A class that hands in everything that can go wrong, graded once."""
    root = shutil.copytree(template, tmp_path_factory.mktemp("motley") / "course")
    for name in NAMES:
        hand_in(root, name, submission(root))
    hand_in(root, "wrong", submission(root, **WRONG))
    hand_in(root, "stub", to_text(notebook_with(root, {})).encode())
    hand_in(root, "letter", b"Dear teacher")
    hand_in(root, "folder", b"", name="notes.txt")
    hand_in(root, "renamed", submission(root), name="00_mini (1).ipynb")
    hand_in(root, "other", to_text(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])).encode())
    statistics = notebook_with(root, solution(root))
    statistics.metadata = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}
    hand_in(root, "statistician", to_text(statistics).encode())
    old = nbformat.convert(notebook_with(root, solution(root)), 3)
    hand_in(root, "old", nbformat.writes(old, version=3).encode())
    loud = notebook_with(root, solution(root))
    loud.cells[1].outputs = [node(output_type="stream", name="stdout", text="loss 0.1\n" * 5_600_000)]
    hand_in(root, "loud", to_text(loud).encode())
    hand_in(root, "printer", submission(root, steps="print('seven', '<script>')\nnumber_of_steps = 7\n1/0"))
    out, err = grade(root, "--workers", "2", "--json", code=1)
    assert err == ""
    return root, json.loads(out)


GOOD = {*NAMES, "wrong", "stub", "old", "loud", "printer"}
PROBLEMS = {
    "letter": "expected a notebook, got a file that is not JSON",
    "folder": "expected 00_mini.ipynb, found no notebook",
    "renamed": "expected 00_mini.ipynb, found 00_mini (1).ipynb",
    "other": f"expected answers to {LAB}, found none of its answer cells: is it the notebook of another lab?",
    "statistician": "expected a notebook in Python, got one in R",
}


def test_each_submission_that_can_be_graded_is_and_each_other_has_its_line(motley):
    _, printed = motley
    assert printed["lab"] == LAB
    assert printed["trouble"] == ""
    assert {each["student"]: each["problem"] for each in printed["students"] if each["problem"]} == PROBLEMS
    assert {each["student"] for each in printed["students"] if each["recorded"]} == GOOD
    scores = {each["student"]: each["score"] for each in printed["students"] if each["recorded"]}
    assert scores == dict.fromkeys(GOOD, MAX) | {"wrong": 3.0, "stub": 0.0}
    assert {each["tier"] for each in printed["students"] if each["recorded"]} <= {"namespaces", "landlock"}


def test_the_gradebook_has_those_and_nobody_else_gets_a_zero(motley):
    root, _ = motley
    assert set(gradebook(root)) == GOOD
    assert auto_scores(root, "wrong") == {
        "dice_overlap": 2.0, "dice_empty": 0.0, "window_range": 1.0, "steps_count": 0.0, "why": 0.0,
    }  # fmt: skip
    for name in NAMES:
        assert sum(auto_scores(root, name).values()) == MAX


def test_the_graded_notebook_shows_verdicts_the_tier_and_the_students_own_output(motley):
    root, _ = motley
    notebook = read_notebook(root / "autograded" / "printer" / LAB / f"{LAB}.ipynb")
    about = notebook.metadata["medcourse"]
    entry = next(each for each in journal(root) if each["event"] == "result" and each["student"] == "printer")
    assert about == {"tier": entry["tier"], "key": entry["key"]}
    cells_by_id = {cell.id: cell for cell in notebook.cells}
    shown = cells_by_id["steps"].outputs
    assert [output.output_type for output in shown] == ["stream", "error"]
    assert shown[0].text == "seven <script>\n"
    assert cells_by_id["steps_count"].outputs[0].data == {"text/plain": "1.0"}
    wrong = read_notebook(root / "autograded" / "wrong" / LAB / f"{LAB}.ipynb")
    (output,) = next(cell for cell in wrong.cells if cell.id == "dice_empty").outputs
    assert output.evalue.startswith("dice of two empty masks should be 1")


def test_a_second_run_runs_nothing_and_says_the_same(motley):
    root, printed = motley
    before, entries = gradebook(root), journal(root)
    out, err = grade(root, "--workers", "1", "--json", code=1)
    again = json.loads(out)
    assert err == ""
    assert again["graded_now"] == 0
    assert again["students"] == printed["students"]
    assert gradebook(root) == before
    assert journal(root) == entries


def test_the_report_says_what_was_hard_and_who_needs_a_look(motley, tmp_path, monkeypatch, capsys):
    root, _ = motley
    monkeypatch.setenv("MEDCOURSE_ROOT", str(root))
    assert cli.main(["report", LAB, "--json", "--csv", str(tmp_path / "class.csv")]) == 0
    found = json.loads(capsys.readouterr().out)
    hard = {each["id"]: each for each in found["properties"]}
    assert hard["dice_empty"]["share"] == pytest.approx(8 / 10)
    assert hard["steps_count"]["message"] == "not answered yet"
    assert hard["steps_count"]["told"] == 2
    assert {each["student"] for each in found["looks"]} == set(PROBLEMS)
    with (tmp_path / "class.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert set(rows) == {*(GOOD - {"=cmd"}), *PROBLEMS, "'=cmd"}
    assert (rows["wrong"]["score"], rows["wrong"]["max"], rows["wrong"]["dice_empty"]) == ("3.0", "6.0", "0.0")
    assert rows["letter"]["score"] == ""
    assert cli.main(["report", LAB]) == 0
    said = capsys.readouterr().out
    assert "look at renamed: expected 00_mini.ipynb, found 00_mini (1).ipynb" in said
    assert cli.main(["report", LAB, "--csv", str(tmp_path / "no" / "class.csv")]) == 2


# nbgrader's own doings.


def stock(root, student):
    """Let nbgrader's own autograde grade a student, with the course's settings."""
    command = [sys.executable, "-m", "nbgrader", "autograde", LAB, f"--student={student}", "--force"]
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nbgraders_own_autograde_writes_the_same(root, here, tmp_path):
    hand_in(root, "ann", submission(root, why="Small structures."))
    hand_in(root, "ben", submission(root, **WRONG))
    for name, day in (("ann", 1), ("ben", 9)):
        (root / "submitted" / name / LAB / "timestamp.txt").write_text(f"2026-03-0{day} 12:00:00.0 UTC")
    penalise(root, "2026-03-05")
    other = shutil.copytree(root, tmp_path / "other")
    assert grade_class(root, LAB).is_complete
    stock(other, "ann")
    stock(other, "ben")
    assert gradebook(root) == gradebook(other)
    assert gradebook(root)["ben"]["penalty"] == 3.0
    assert gradebook(root)["ann"]["penalty"] is None
    for name in ("ann", "ben"):
        ours, theirs = (read_notebook(each / "autograded" / name / LAB / f"{LAB}.ipynb") for each in (root, other))
        del ours.metadata["medcourse"], theirs.metadata["medcourse"]
        assert ours == theirs
        assert (root / "autograded" / name / LAB / "timestamp.txt").is_file()
        modes = [(each / "autograded" / name / LAB / f"{LAB}.ipynb").stat().st_mode for each in (root, other)]
        assert modes[0] == modes[1]
    assert not list((root / "autograded").glob(".recording*"))


def penalise(root, due):
    with (root / "nbgrader_config.py").open("a") as file:
        file.write('\nc.LateSubmissionPlugin.penalty_method = "zero"\n')
    with sqlite3.connect(root / "gradebook.db") as database:
        database.execute("update assignment set duedate = ?", (f"{due} 00:00:00.000000",))
    database.close()


def test_grades_given_by_hand_survive(root, here):
    hand_in(root, "ann", submission(root, why="Small structures."))
    assert grade_class(root, LAB).is_complete
    with sqlite3.connect(root / "gradebook.db") as database:  # as formgrader does when a person has graded
        database.execute(
            "update grade set manual_score = 2, needs_manual_grade = 0 where cell_id in (select id from base_cell where name = 'why')"
        )
    database.close()
    graded = gradebook(root)["ann"]["grades"]
    assert ("why", None, 2.0, None, 0) in graded
    grade_class(root, LAB)  # changes nothing
    assert gradebook(root)["ann"]["grades"] == graded
    grade_class(root, LAB, again=True)  # of the same answer, so nobody is asked for another look
    assert gradebook(root)["ann"]["grades"] == graded
    hand_in(root, "ann", submission(root, why="Large structures."))
    grade_class(root, LAB)  # as nbgrader: keeps the score and asks for another look
    assert ("why", None, 2.0, None, 1) in gradebook(root)["ann"]["grades"]


def test_a_new_submission_replaces_the_old(root, here):
    hand_in(root, "ann", submission(root, **WRONG))
    grade_class(root, LAB)
    hand_in(root, "ann", submission(root))
    grades = grade_class(root, LAB)
    assert (grades.graded_now, by_name(grades)["ann"].score) == (1, MAX)
    assert sum(auto_scores(root, "ann").values()) == MAX
    hand_in(root, "ann", submission(root, **WRONG))  # back to the first, whose result is known
    grades = grade_class(root, LAB)
    assert (grades.graded_now, by_name(grades)["ann"].recorded) == (0, True)
    assert sum(auto_scores(root, "ann").values()) == 3.0


def test_one_student_at_a_time(root, here):
    for name in ("ann", "ben", "cem"):
        hand_in(root, name, submission(root))
    grades = grade_class(root, LAB, students=["cem", "ann"])
    assert list(by_name(grades)) == ["cem", "ann"]
    assert set(gradebook(root)) == {"ann", "cem"}
    with pytest.raises(CourseError, match=r"expected a submission in .*submitted/dee/00_mini, found none"):
        grade_class(root, LAB, students=["ann", "dee"])


# What is no fault of a student.


def test_tests_that_fail_on_the_solution_give_nobody_a_zero(tmp_path):
    root = make_course(tmp_path / "course", lambda text: text.replace("steps - 7)", "steps - 8)"))
    for name in ("ann", "ben"):
        hand_in(root, name, submission(root))
    _, err = grade(root, code=2)
    assert err == (
        f"medcourse: the tests of {LAB} fail on its own solution, so nobody was graded: "
        "`steps_count`: a week should have seven, got 7\n"
    )
    assert gradebook(root) == {}
    assert journal(root) == []


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_a_cluster_that_cannot_be_reached(root):
    hand_in(root, "ann", submission(root))
    address = f"tcp://127.0.0.1:{unused_port()}"
    started = time.monotonic()
    _, err = grade(root, "--cluster", address, code=2)
    assert time.monotonic() - started < 30
    assert err.startswith(f"medcourse: expected a Dask scheduler at {address}, reached none in 10 s: ")
    assert err.count("\n") == 1
    assert gradebook(root) == {}


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:8786", "tcp://127.0.0.1", "tcp://a b:1"])
def test_an_address_that_is_none(root, address):
    hand_in(root, "ann", submission(root))
    with pytest.raises(CourseError, match="expected the address of a Dask scheduler as in tcp://host:8786, got"):
        grade_class(root, LAB, cluster=address)
    assert gradebook(root) == {}


@contextmanager
def locked(root):
    """Hold the gradebook as another program does that writes."""
    database = sqlite3.connect(root / "gradebook.db", isolation_level=None)
    database.execute("begin exclusive")
    try:
        yield
    finally:
        database.execute("rollback")
        database.close()


def test_a_locked_gradebook_costs_no_work(root, here, monkeypatch):
    for name in ("ann", "ben"):
        hand_in(root, name, submission(root))
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", f"sqlite:///{root}/gradebook.db?timeout=0.1")
    with locked(root):
        grades = grade_class(root, LAB)
    assert grades.graded_now == 2
    assert grades.trouble == (
        "the gradebook cannot be used: database is locked: what was graded is kept: mend that and run again"
    )
    assert not grades.is_complete
    assert gradebook(root) == {}
    grades = grade_class(root, LAB)
    assert (grades.graded_now, grades.is_complete) == (0, True)
    assert set(gradebook(root)) == {"ann", "ben"}


def test_a_gradebook_that_is_locked_for_a_while_is_written_in_the_end(root, here, monkeypatch):
    for name in ("ann", "ben", "cem"):
        hand_in(root, name, submission(root))
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", f"sqlite:///{root}/gradebook.db?timeout=0.1")
    holder = None

    def work(self, lab, submission, settings):
        nonlocal holder
        if len(self.asked) == 1:
            holder = locked(root)
            holder.__enter__()
        elif len(self.asked) == 3:
            holder.__exit__(None, None, None)
        return grade_submission(lab, submission, settings)

    monkeypatch.setattr(Here, "work", work)
    monkeypatch.setattr(workforce, "IN_FLIGHT", 1)
    grades = grade_class(root, LAB, workers=1)
    assert (grades.trouble, grades.is_complete) == ("", True)
    assert set(gradebook(root)) == {"ann", "ben", "cem"}


def test_a_read_only_gradebook_costs_no_work(root, monkeypatch):
    hand_in(root, "ann", submission(root))
    read_only = f"sqlite:///file:{root}/gradebook.db?mode=ro&uri=true"
    out, err = grade(root, code=1, MEDCOURSE_GRADEBOOK=read_only)
    assert "0 of 1 in the gradebook, 1 run now" in out
    assert err == (
        "medcourse: the gradebook cannot be used: attempt to write a readonly database: "
        "what was graded is kept: mend that and run again\n"
    )
    out, _ = grade(root)
    assert "1 of 1 in the gradebook, none run now" in out


def test_a_gradebook_that_is_none(root, here):
    hand_in(root, "ann", submission(root))
    (root / "gradebook.db").write_bytes(b"not a database, but long enough to look at" * 100)
    grades = grade_class(root, LAB)
    assert "the gradebook cannot be used: file is not a database" in grades.trouble
    (root / "gradebook.db").unlink()
    with pytest.raises(
        CourseError, match=r"expected a gradebook that knows 00_mini: run `nbgrader generate_assignment"
    ):
        grade_class(root, LAB)
    assert not (root / "gradebook.db").exists()


def test_a_gradebook_of_another_version_of_the_lab(root, here, template):
    hand_in(root, "ann", submission(root))
    path = root / "solutions" / f"{LAB}.py"
    path.write_text(path.read_text().replace("a week should have seven", "seven"))
    with pytest.raises(CourseError, match="the gradebook has another version of 00_mini than solutions/"):
        grade_class(root, LAB)


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "notebook")


def test_a_full_disk_under_autograded_costs_no_work(root, here, monkeypatch):
    for name in ("ann", "ben"):
        hand_in(root, name, submission(root))
    with monkeypatch.context() as patch:
        patch.setattr("nbconvert.writers.files.FilesWriter.write", no_space)
        grades = grade_class(root, LAB)
    assert grades.graded_now == 2
    assert "the gradebook cannot be used: No space left on device: notebook" in grades.trouble
    assert gradebook(root) == {}
    grades = grade_class(root, LAB)
    assert (grades.graded_now, grades.is_complete) == (0, True)


def test_a_full_disk_under_the_journal_ends_the_run_and_loses_nothing(root, here, monkeypatch):
    for name in ("ann", "ben", "cem"):
        hand_in(root, name, submission(root))
    write, left = os.write, [400 + 1500]

    def full(descriptor, data):
        left[0] -= len(data)
        return write(descriptor, data) if left[0] > 0 else no_space()

    with monkeypatch.context() as patch:
        patch.setattr("medcourse.grading.journal.os.write", full)
        with pytest.raises(CourseError, match=r"cannot write .*00_mini.jsonl: No space left on device"):
            grade_class(root, LAB)
    known = {each["student"] for each in journal(root) if each["event"] == "result"}
    assert known == set(gradebook(root))
    assert 0 < len(known) < 3
    grades = grade_class(root, LAB)
    assert grades.is_complete
    assert grades.graded_now == 3 - len(known)


def test_a_small_disk_that_fills_up(template, tmp_path):
    """A real one, where one may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        root = shutil.copytree(template, disk / "course")
        for number in range(8):
            hand_in(root, f"s{number}", submission(root))
        filler = root / "filler"
        free = shutil.disk_usage(disk).free
        filler.write_bytes(b"\0" * max(free - 60_000, 0))
        err = graded_without_space(root)
        assert err.count("\n") == 1
        assert "No space left on device" in err or "disk is full" in err
        filler.unlink()
        out, _ = grade(root, "--workers", "1")
        assert "8 of 8 in the gradebook" in out
        assert [sum(auto_scores(root, f"s{number}").values()) for number in range(8)] == [MAX] * 8
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def graded_without_space(root):
    command = [sys.executable, "-m", "medcourse.cli", "grade", LAB, "--workers", "1"]
    done = subprocess.run(command, env=environment(root), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {1, 2}  # depends on what finds no space first, the gradebook or the journal
    return done.stderr


def test_what_nbgrader_cannot_take_is_that_students_problem(root, here):
    hand_in(root, "ann", submission(root))
    hand_in(root, "ben", submission(root))
    (root / "submitted" / "ann" / LAB / "timestamp.txt").write_text("yesterday, I think")
    grades = by_name(grade_class(root, LAB))
    assert grades["ann"].problem.startswith("nbgrader cannot record it: ")
    assert not grades["ann"].recorded
    assert grades["ben"].recorded
    assert set(gradebook(root)) == {"ben"}
    (root / "submitted" / "ann" / LAB / "timestamp.txt").unlink()
    again = grade_class(root, LAB)
    assert (again.graded_now, again.is_complete) == (0, True)


# The journal and the gradebook agree.


def test_what_the_gradebook_lost_is_recorded_again(root, here):
    for name in ("ann", "ben", "cem"):
        hand_in(root, name, submission(root))
    grade_class(root, LAB)
    whole = gradebook(root)
    with sqlite3.connect(root / "gradebook.db") as database:  # as from a back-up
        database.execute("update grade set auto_score = 0 where notebook_id in (select n.id from submitted_notebook n"
                         " join submitted_assignment a on n.assignment_id = a.id where a.student_id = 'ann')")  # fmt: skip
    database.close()
    shutil.rmtree(root / "autograded" / "ben")
    grades = grade_class(root, LAB)
    assert (grades.graded_now, grades.is_complete) == (0, True)
    assert gradebook(root) == whole
    assert (root / "autograded" / "ben" / LAB / f"{LAB}.ipynb").is_file()
    recorded = [each["student"] for each in journal(root) if each["event"] == "recorded"]
    assert sorted(recorded) == ["ann", "ann", "ben", "ben", "cem"]


def test_what_the_gradebook_has_is_not_written_twice(root, here, monkeypatch):
    """As where the power failed between the gradebook and the journal."""
    hand_in(root, "ann", submission(root))
    grade_class(root, LAB)
    path = root / "grading" / f"{LAB}.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "recorded"
    path.write_text("".join(lines[:-1]))
    monkeypatch.setattr("medcourse.grading.gradebook.Recorder.record", no_space)
    assert grade_class(root, LAB).is_complete
    assert [each["event"] for each in journal(root)] == ["calibrated", "result", "recorded"]


def test_a_submission_that_changes_before_it_is_recorded_is_graded_anew(root, here, monkeypatch):
    hand_in(root, "ann", submission(root, **WRONG))

    def busy(self, *_):
        hand_in(root, "ann", submission(root))
        raise UnavailableError("locked")

    with monkeypatch.context() as patch:
        patch.setattr(gradebook_module.Recorder, "record", busy)
        grades = grade_class(root, LAB)
    assert by_name(grades)["ann"].problem == "the submission changed while it was graded: run again"
    assert not grades.is_complete
    grades = grade_class(root, LAB)
    assert (grades.graded_now, grades.is_complete) == (1, True)
    assert sum(auto_scores(root, "ann").values()) == MAX


def test_a_broken_recording_leaves_the_gradebook_as_it_was(root, here, monkeypatch):
    hand_in(root, "ann", submission(root, **WRONG))
    grade_class(root, LAB)
    before = gradebook(root)
    hand_in(root, "ann", submission(root))
    with monkeypatch.context() as patch:
        patch.setattr("nbgrader.preprocessors.AssignLatePenalties.preprocess", no_space)
        assert grade_class(root, LAB).trouble
    assert gradebook(root) == before
    graded = read_notebook(root / "autograded" / "ann" / LAB / f"{LAB}.ipynb")
    assert "max(a.sum()" in to_text(graded)
    assert grade_class(root, LAB).is_complete
    assert sum(auto_scores(root, "ann").values()) == MAX


# Workers.


def test_a_submission_that_kills_workers_gets_no_grade_and_is_tried_again(root, here, monkeypatch):
    from distributed import KilledWorker  # noqa: PLC0415

    for name in ("ann", "ben", "cem"):
        hand_in(root, name, submission(root))
    hand_in(root, "ben", submission(root, steps="number_of_steps = 7  # harmful"))

    def work(self, lab, submission, settings):
        if b"harmful" in submission:
            raise KilledWorker("grade", None, 3)
        return grade_submission(lab, submission, settings)

    with monkeypatch.context() as patch:
        patch.setattr(Here, "work", work)
        grades = grade_class(root, LAB)
    assert by_name(grades)["ben"].problem.startswith("the workers that graded it died")
    assert by_name(grades)["ben"].score is None
    assert not grades.is_complete
    assert sum(b"harmful" in each for each in here.asked) == 2
    assert set(gradebook(root)) == {"ann", "cem"}
    assert grade_class(root, LAB).is_complete


def test_what_fails_in_the_grader_is_said_and_the_others_are_graded(root, here, monkeypatch):
    for name in ("ann", "ben"):
        hand_in(root, name, submission(root))

    def work(self, lab, submission, settings):
        if len(self.asked) == 1:
            raise ZeroDivisionError("by\nzero")
        return Graded(Run([Exercise("dice_overlap", 2.0, 2.0, "")]), [])

    monkeypatch.setattr(Here, "work", work)
    grades = by_name(grade_class(root, LAB))
    assert grades["ann"].problem == "the grader failed on it: ZeroDivisionError: by zero"
    assert grades["ben"].score == 2.0


def test_few_submissions_are_under_way_at_a_time(root, here, monkeypatch):
    for number in range(12):
        hand_in(root, f"s{number:02}", submission(root))
    under_way = []
    record = workforce.IN_FLIGHT
    real = gradebook_module.Recorder.record

    def count(self, student, *rest):
        under_way.append(len(here.asked) - len(under_way))
        return real(self, student, *rest)

    monkeypatch.setattr(gradebook_module.Recorder, "record", count)
    grade_class(root, LAB, workers=1)
    assert len(under_way) == 12
    assert max(under_way) <= record


@pytest.fixture
def cluster(root):
    """A scheduler and a worker of their own, as on a cluster."""
    port = unused_port()
    address = f"tcp://127.0.0.1:{port}"
    environ = environment(root, DASK_TEMPORARY_DIRECTORY=str(root.parent))
    commands = [
        ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
        ["dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--death-timeout", "20"],
    ]  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{name}", *arguments],
            env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=root.parent,
        )
        for name, *arguments in commands
    ]  # fmt: skip
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield address, processes
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_cluster_that_is_there_grades_and_its_end_is_survived(root, cluster):
    address, processes = cluster
    for number in range(6):
        hand_in(root, f"s{number}", submission(root))
    out, err = grade(root, "--cluster", address, "--student", "s0", "--student", "s1")
    assert "2 of 2 in the gradebook, 2 run now" in out
    assert err == ""
    slow = submission(root, steps="import time\ntime.sleep(30)\nnumber_of_steps = 7")
    hand_in(root, "slow", slow)
    command = [sys.executable, "-m", "medcourse.cli", "grade", LAB, "--cluster", address]
    run = subprocess.Popen(command, env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while sum(each["event"] == "recorded" for each in journal(root)) < 6 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(processes[0].pid, signal.SIGKILL)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert err == f"medcourse: the cluster at {address} went away: what was graded is kept, run again for the rest\n"
    hand_in(root, "slow", submission(root))
    out, _ = grade(root)
    assert "7 of 7 in the gradebook, 1 run now" in out


@pytest.mark.slow
def test_an_interrupted_run_stops_at_once_and_goes_on(root):
    for number in range(6):
        hand_in(root, f"s{number}", submission(root, steps="import time\ntime.sleep(0.6)\nnumber_of_steps = 7"))
    command = [sys.executable, "-m", "medcourse.cli", "grade", LAB, "--workers", "1"]
    run = subprocess.Popen(
        command, env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    path = root / "grading" / f"{LAB}.jsonl"
    deadline = time.monotonic() + 60
    while not (path.exists() and '"recorded"' in path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130
    assert err == "medcourse: interrupted\n"
    known = sum(each["event"] == "result" for each in journal(root))
    assert 0 < known < 6
    out, _ = grade(root)
    assert f"6 of 6 in the gradebook, {6 - known} run now" in out


# The command line.


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["grade", "99_none"], "unknown lab '99_none', expected one of: 00_mini"),
        (
            ["grade", LAB],
            f"expected a submission in {{root}}/submitted/STUDENT/{LAB}, found none: run `nbgrader collect",
        ),
        (["grade", LAB, "--workers", "0"], "expected at least one worker, got 0"),
        (["grade", LAB, "--workers", "2", "--cluster", "tcp://x"], "not allowed with argument --workers"),
        (["report", "99_none"], "unknown lab '99_none'"),
        (["report", LAB], f"nothing of {LAB} was graded yet: run `medcourse grade`"),
    ],
)
def test_bad_input_is_one_line(root, here, capsys, arguments, line):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert line.format(root=root) in err


def test_an_unknown_tier_is_one_line(root, here, capsys):
    hand_in(root, "ann", submission(root))
    assert cli.main(["grade", LAB, "--tier", "fortress"]) == 2
    assert "unknown tier 'fortress', expected one of: plain, landlock, namespaces" in capsys.readouterr().err
    assert gradebook(root) == {}


def test_configurations_that_would_leave_the_sandbox_are_refused(root, here):
    hand_in(root, "ann", submission(root))
    config = root / "nbgrader_config.py"
    text = config.read_text()
    config.write_text(text.replace("medcourse.grading.preprocessors.Judge", "nbgrader.preprocessors.Execute"))
    with pytest.raises(CourseError, match="expected medcourse's Judge and no Execute"):
        grade_class(root, LAB)
    config.write_text("1/0")
    with pytest.raises(CourseError, match="does not load: ZeroDivisionError: division by zero"):
        grade_class(root, LAB)
    config.unlink()
    with pytest.raises(CourseError, match=r"expected .*nbgrader_config.py, found none: copy the course's own"):
        grade_class(root, LAB)


def test_what_students_name_themselves_does_not_reach_the_terminal(root, here, capsys):
    hand_in(root, "red \x1b[31m", b"no notebook")
    assert cli.main(["grade", LAB]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "red \N{REPLACEMENT CHARACTER}[31m" in out


def test_warnings_stay_errors_elsewhere():
    with pytest.raises(UserWarning, match="still raised"):
        warnings.warn("still raised", UserWarning, stacklevel=1)
