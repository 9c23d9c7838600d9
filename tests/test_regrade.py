"""Grading again after a test was corrected: every grade that changes is listed, and nothing else changes."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from nbgrader.apps import NbGraderAPI

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.grading import release, workforce
from medcourse.grading.classroom import grade_class
from medcourse.grading.gradebook import Course
from medcourse.grading.grades import Change
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.regrade import Regrade
from medcourse.grading.submission import Graded
from tests.small_class import LAB, WRONG, Here, gradebook, hand_in, journal, submission

pytestmark = pytest.mark.usefixtures("one_engine")


def graded(**scores):
    return Graded(Run([Exercise(name, 2.0, score, "") for name, score in scores.items()]), [])


def test_only_the_exercise_counts_anew():
    regrade = Regrade({"dice_empty"})
    result = regrade.take("ann", graded(dice_empty=0.0, steps_count=2.0), graded(dice_empty=2.0, steps_count=0.0))
    assert {each.id: each.score for each in result.run.exercises} == {"dice_empty": 2.0, "steps_count": 2.0}
    assert regrade.changes == [Change("ann", "dice_empty", 0.0, 2.0)]
    assert regrade.kept == {"ann": ["steps_count"]}


def test_who_has_no_result_yet_gets_all_of_it():
    regrade = Regrade({"dice_empty"})
    result = regrade.take("ann", None, graded(dice_empty=2.0, steps_count=1.0))
    assert result == graded(dice_empty=2.0, steps_count=1.0)
    assert [each.before for each in regrade.changes] == [None, None]


def test_a_test_that_is_worth_something_else_now_counts_anew():
    before = Graded(Run([Exercise("steps_count", 3.0, 3.0, "")]), [])
    assert Regrade({"dice_empty"}).take("ann", before, graded(steps_count=1.0)) == graded(steps_count=1.0)


def test_another_submission_counts_anew_in_all_of_it():
    regrade = Regrade({"dice_empty"})
    after = graded(dice_empty=2.0, steps_count=0.0)
    assert regrade.take("ann", graded(dice_empty=0.0, steps_count=2.0), after, is_same=False) == after
    assert [each.exercise for each in regrade.changes] == ["dice_empty", "steps_count"]


# In a class.


@pytest.fixture(scope="module")
def template(small_course, tmp_path_factory):
    """A class of two, graded, whose written answers a person has graded, too; then a test is made milder."""
    root = shutil.copytree(small_course, tmp_path_factory.mktemp("template") / "course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workforce, "Workforce", Here)
        patch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
        hand_in(root, "ann", submission(root, why="Small structures."))
        hand_in(root, "ben", submission(root, **WRONG, why="Never."))
        grade_class(root, LAB)
        with closing(sqlite3.connect(root / "gradebook.db")) as database, database:  # as formgrader does
            database.execute("update grade set manual_score = 2, needs_manual_grade = 0 where cell_id in"
                             " (select id from base_cell where name = 'why')")  # fmt: skip
            database.execute("update comment set manual_comment = 'by what mechanism?'")
        path = root / "solutions" / f"{LAB}.py"
        path.write_text(path.read_text().replace("got = dice(nothing, nothing)\nassert abs(got - 1) < 1e-6",
                                                 "got = dice(nothing, nothing)\nassert got <= 1"))  # fmt: skip
        release.build(root)
        made = NbGraderAPI(config=Course(root).config).generate_assignment(LAB, force=True)
        assert made["success"], made
    return root


@pytest.fixture
def root(template, tmp_path, monkeypatch):
    folder = shutil.copytree(template, tmp_path / "course")
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    monkeypatch.setattr(workforce, "Workforce", Here)
    return folder


def test_a_dry_run_says_what_would_change_and_writes_nothing(root, capsys):
    before, entries = gradebook(root), journal(root)
    assert cli.main(["grade", LAB, "--again", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "changes: ben  dice_empty  0 -> 1\n" in out
    assert "00_mini: 1 grade would change, nothing was written" in out
    assert gradebook(root) == before
    assert journal(root) == entries


def test_that_grade_changes_and_nothing_else(root, capsys):
    before = gradebook(root)
    assert cli.main(["grade", LAB, "--again", "--exercise", "dice", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["changes"] == [{"student": "ben", "exercise": "dice_empty", "before": 0.0, "after": 1.0}]
    after = gradebook(root)
    grades = [each for each in before["ben"]["grades"] if each[0] != "dice_empty"]
    assert [each for each in after["ben"]["grades"] if each[0] != "dice_empty"] == grades
    assert ("dice_empty", 1.0, None, 0.0, 0) in [
        (*each[:3], each[3] or 0.0, each[4]) for each in after["ben"]["grades"]
    ]
    assert after["ben"]["comments"] == before["ben"]["comments"]
    assert after["ann"] == before["ann"]
    again = grade_class(root, LAB)  # the journal says the same
    assert (again.graded_now, again.is_complete, again.changes) == (0, True, [])
    assert gradebook(root) == after


def test_who_handed_in_again_meanwhile_is_graded_on_that(root):
    hand_in(root, "ben", submission(root, why="Never."))
    found = grade_class(root, LAB, again=True, exercise="dice", students=["ben"])
    assert {each.exercise: each.after for each in found.changes} == {
        "dice_empty": 1.0,
        "window_range": 2.0,
        "steps_count": 1.0,
    }
    assert found.is_complete


def test_a_gradebook_of_the_old_lab_is_refused_but_for_a_dry_run(root):
    path = root / "solutions" / f"{LAB}.py"
    path.write_text(path.read_text().replace("a week should have seven", "seven"))
    before = gradebook(root), journal(root)
    with pytest.raises(CourseError, match="the gradebook has another version of 00_mini"):
        grade_class(root, LAB, again=True)
    assert grade_class(root, LAB, again=True, is_dry=True, students=["ann"]).is_complete
    assert (gradebook(root), journal(root)) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--exercise", "dice"], "--exercise and --dry-run are for what was graded before: give --again, too"),
        (["--dry-run"], "--exercise and --dry-run are for what was graded before: give --again, too"),
        (["--again", "--exercise", "why"], "unknown exercise 'why' of 00_mini, expected one of: dice, window, steps"),
    ],
)
def test_bad_input_is_one_line(root, capsys, arguments, said):
    assert cli.main(["grade", LAB, *arguments]) == 2
    assert capsys.readouterr().err == f"medcourse: {said}\n"
