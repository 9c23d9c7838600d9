"""Grades for learning systems: every point where it belongs, nobody's zero invented, no formula smuggled in."""

import csv
import json
import shutil
import subprocess
import sys
import warnings
from datetime import datetime

import pytest
from nbgrader.api import Gradebook

from medcourse import cli
from medcourse.grading.export import export_grades
from tests.small_class import LAB, environment

WORTH = 9.0  # the small lab's tests and its written answer
EARNED = {"dice_overlap": 2.0, "dice_empty": 0.5}


@pytest.fixture(scope="module")
def template(small_course, tmp_path_factory):
    """A course of three: ann is graded, =ben waits for a person and was late, cem handed in nothing."""
    root = shutil.copytree(small_course, tmp_path_factory.mktemp("template") / "course")
    with warnings.catch_warnings(), Gradebook(f"sqlite:///{root}/gradebook.db", "medcourse") as book:
        warnings.simplefilter("ignore")  # SQLAlchemy's, about nbgrader's models
        book.add_student("ann", first_name="Ann", last_name="Àé, Jr.", email="ann@example.org")
        for name in ("=ben", "cem"):
            book.add_student(name)
        for name in ("ann", "=ben"):
            submission = book.update_or_create_submission(LAB, name, timestamp=datetime(2026, 3, 1, 12))
            for grade in submission.notebooks[0].grades:
                grade.auto_score = EARNED.get(grade.name, 0.0)
                grade.needs_manual_grade = name == "=ben" and grade.name == "why"
        submission.notebooks[0].late_submission_penalty = 1.0
        submission.assignment.duedate = datetime(2026, 2, 28)
        book.db.commit()
    with (root / "nbgrader_config.py").open("a") as file:
        file.write("\nc.LatePolicy.percent_a_day = 20\n")
    return root


@pytest.fixture
def root(template, tmp_path, monkeypatch):
    folder = shutil.copytree(template, tmp_path / "course")
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    return folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_plain_table_says_all_that_is_known(root, tmp_path):
    written = export_grades(root, LAB, tmp_path / "grades.csv")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    assert set(found) == {"ann", "'=ben", "cem"}
    assert found["ann"]["name"] == "Ann Àé, Jr."
    # Two days begun at a fifth each, of two points and a half: renewed, for the gradebook said otherwise.
    assert [found["ann"][name] for name in ("score", "penalty", "final", "max", "waiting")] == [
        "2.5",
        "1",
        "1.5",
        "9",
        "0",
    ]
    assert found["'=ben"]["waiting"] == "1"
    assert [found["cem"][name] for name in ("score", "penalty", "final", "max")] == ["", "", "", "9"]
    assert found["ann"]["submitted"] == "2026-03-01T12:00:00Z"
    assert (written.students, written.without_grade, written.waiting) == (3, 1, 1)
    assert (tmp_path / "grades.csv").stat().st_mode & 0o077 == 0


def test_moodle_gets_a_column_for_each_lab_and_nothing_for_who_has_no_grade(root, tmp_path):
    ids = table(
        tmp_path / "ids.csv", "\ufeffid,email,number\nann,,101\n=ben,ben@example.org,102\ncem,cem@example.org,103\n"
    )
    export_grades(root, None, tmp_path / "grades.csv", to="moodle", ids=ids)
    assert rows(tmp_path / "grades.csv") == [
        ["ID number", "Email address", LAB],
        ["102", "ben@example.org", "1.5"],
        ["101", "ann@example.org", "1.5"],  # the address of the gradebook
        ["103", "cem@example.org", ""],
    ]


def test_canvas_gets_its_five_columns_and_the_points_possible(root, tmp_path):
    ids = table(tmp_path / "ids.csv", "id,login,section,name\nann,a1,S1,Ann\n=ben,,S2,@sum\ncem,c1,S1,Cem\n")
    export_grades(root, LAB, tmp_path / "grades.csv", to="canvas", ids=ids)
    assert rows(tmp_path / "grades.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LAB],
        ["    Points Possible", "", "", "", "", f"{WORTH:g}"],
        ["'@sum", "", "", "'=ben", "S2", "1.5"],
        ["Ann", "", "", "a1", "S1", "1.5"],
        ["Cem", "", "", "c1", "S1", ""],
    ]


def test_nbgraders_own_command_runs_the_plug_in(root, tmp_path):
    command = [
        sys.executable, "-m", "nbgrader", "export", "--exporter=medcourse.grading.export.CanvasExport",
        f"--to={tmp_path / 'theirs.csv'}",
    ]  # fmt: skip
    export_grades(root, LAB, tmp_path / "ours.csv", to="canvas")
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "theirs.csv").read_bytes() == (tmp_path / "ours.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,email\nann,a@x\n", "expected all who have a grade in ids.csv, found no =ben: add them"),
        (
            "email\na@x\n",
            "expected a header of id and some of email, name, number, login, section in ids.csv, got ['email']",
        ),
        ("id,phone\nann,1\n", "got ['id', 'phone']"),
        ("id,email\nann,a@x\nann,b@x\n", "line 3 of ids.csv has no id, or one that is there before: 'ann'"),
        ("id,email\nann\n", "expected 2 values in line 2 of ids.csv, got 1"),
        ("", "got []"),
    ],
)
def test_tables_of_ids_that_are_none(root, monkeypatch, capsys, text, said):
    monkeypatch.chdir(root)
    table(root / "ids.csv", text)
    table(root / "grades.csv", "old")
    assert cli.main(["export", LAB, "--to", "grades.csv", "--ids", "ids.csv"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert (root / "grades.csv").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LAB, "--to", "x", "--format", "excel"], "unknown format 'excel', expected one of: plain, moodle, canvas"),
        (["--to", "x"], "expected the name of a lab or --all, got both or neither"),
        ([LAB, "--all", "--to", "x"], "expected the name of a lab or --all, got both or neither"),
        ([LAB], "the following arguments are required: --to"),
        (["99_none", "--to", "x"], "unknown lab '99_none'"),
        ([LAB, "--to", "none/x"], "cannot write none/x: No such file or directory"),
        ([LAB, "--to", "x", "--ids", "none.csv"], "cannot read none.csv: No such file or directory"),
    ],
)
def test_bad_input_is_one_line(root, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(root)
    assert cli.main(["export", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_command_line_says_what_is_missing(root, tmp_path, capsys):
    assert cli.main(["export", "--all", "--to", str(tmp_path / "x.csv"), "--format", "moodle"]) == 0
    out = capsys.readouterr().out
    assert "without a grade, so left empty: 1" in out
    assert "wait for a person to grade what was written: 1; export again after that" in out
    assert cli.main(["export", LAB, "--to", str(tmp_path / "x.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labs"] == [LAB]
