"""Late submissions: a day costs what the policy says, by the exchange's clock, and whoever has longer pays less."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from nbgrader.apps import NbGraderAPI
from traitlets import TraitError
from traitlets.config import Config

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.grading import gradebook as gradebook_module
from medcourse.grading import workforce
from medcourse.grading.classroom import grade_class
from medcourse.grading.collect import CLAIMED, hold_to
from medcourse.grading.extend import extend, extensions_of
from medcourse.grading.gradebook import Course
from medcourse.grading.late import DAY_SECONDS, LatePolicy
from tests.small_class import LAB, MAX, Here, gradebook, hand_in, submission

pytestmark = pytest.mark.usefixtures("one_engine")

DUE = datetime(2026, 3, 5, 12)


def policy(**knobs):
    return LatePolicy(config=Config({"LatePolicy": knobs}))


@pytest.mark.parametrize(
    ("knobs", "days", "expected"),
    [
        ({}, 3, None),
        ({"percent_a_day": 10}, 0, None),
        ({"percent_a_day": 10}, 1 / DAY_SECONDS, 0.8),  # a second is a day begun
        ({"percent_a_day": 10}, 1, 0.8),
        ({"percent_a_day": 10}, 1.01, 1.6),
        ({"percent_a_day": 10}, 30, 8.0),  # never more than there is
        ({"percent_a_day": 10, "floor_percent": 50}, 30, 4.0),
        ({"percent_a_day": 10, "floor_percent": 100}, 30, 0.0),
        ({"percent_a_day": 10, "grace_minutes": 30}, 30 / 1440, None),
        ({"percent_a_day": 10, "grace_minutes": 30}, 31 / 1440, 0.8),
        ({"percent_a_day": 10, "grace_minutes": 30}, 1.001, 1.6),  # the grace does not push the days back
    ],
)
def test_what_a_day_costs_of_eight_points(knobs, days, expected):
    assert policy(**knobs).late_submission_penalty("ann", 8.0, days * DAY_SECONDS) == pytest.approx(expected)


def test_nbgraders_own_method_still_takes_everything():
    strict = LatePolicy(config=Config({"LateSubmissionPlugin": {"penalty_method": "zero"}}))
    assert strict.late_submission_penalty("ann", 8.0, 1.0) == 8.0


@pytest.mark.parametrize(
    "knobs", [{"percent_a_day": -1}, {"percent_a_day": 101}, {"floor_percent": 101}, {"grace_minutes": -1}]
)
def test_impossible_policies_are_refused(knobs):
    with pytest.raises(TraitError, match=next(iter(knobs))):
        policy(**knobs)


# In the gradebook.


@pytest.fixture
def root(small_course, tmp_path, monkeypatch):
    """A course that takes ten per cent a day; its workers are this process."""
    folder = shutil.copytree(small_course, tmp_path / "course")
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    monkeypatch.setattr(workforce, "Workforce", Here)
    configure(folder, "c.LatePolicy.percent_a_day = 10")
    set_due(folder, DUE)
    return folder


def configure(root, *lines):
    with (root / "nbgrader_config.py").open("a") as file:
        file.write("\n".join(["", *lines, ""]))


def run(root, statement, *values):
    with closing(sqlite3.connect(root / "gradebook.db")) as database, database:
        database.execute(statement, values)


def set_due(root, due):
    run(root, "update assignment set duedate = ?", due.strftime("%Y-%m-%d %H:%M:%S.%f"))


def hand_in_late(root, student, days):
    path = hand_in(root, student, submission(root, why="Small structures."))
    (path.parent / "timestamp.txt").write_text(f"{DUE + timedelta(days=days)} UTC")


def penalties(root):
    return {student: each["penalty"] for student, each in gradebook(root).items()}


def give_by_hand(root, points):
    run(root, "update grade set manual_score = ?, needs_manual_grade = 0 where cell_id in"
        " (select id from base_cell where name = 'why')", points)  # fmt: skip


def test_the_gradebook_has_the_penalty_and_it_follows_points_given_by_hand(root):
    hand_in_late(root, "early", -1)
    hand_in_late(root, "late", 1.5)
    grade_class(root, LAB)
    assert penalties(root) == {"early": None, "late": pytest.approx(0.2 * MAX)}  # of the points of tests
    give_by_hand(root, 2)
    grade_class(root, LAB)  # runs nothing
    assert penalties(root) == {"early": None, "late": pytest.approx(0.2 * (MAX + 2))}


def test_an_extension_takes_the_penalty_back_at_once_and_stays_when_graded_again(root):
    hand_in_late(root, "ann", 1.5)
    hand_in_late(root, "ben", 1.5)
    grade_class(root, LAB)
    given = extend(root, LAB, "ann", str(DUE + timedelta(days=1)))
    assert (given.before, given.after) == (pytest.approx(0.2 * MAX), pytest.approx(0.1 * MAX))
    assert penalties(root) == {"ann": pytest.approx(0.1 * MAX), "ben": pytest.approx(0.2 * MAX)}
    assert extend(root, LAB, "ann", str(DUE + timedelta(days=2))).after == 0
    grade_class(root, LAB, again=True)
    assert penalties(root) == {"ann": None, "ben": pytest.approx(0.2 * MAX)}
    assert extend(root, LAB, "ann", None).after == pytest.approx(0.2 * MAX)
    assert extensions_of(root, LAB) == []


def test_who_has_not_handed_in_yet_may_have_longer(root):
    assert not extend(root, LAB, "Zoë", str(DUE + timedelta(days=2))).is_known
    hand_in_late(root, "Zoë", 1.5)
    grade_class(root, LAB)
    assert penalties(root) == {"Zoë": None}
    with closing(sqlite3.connect(root / "gradebook.db")) as database:  # where nbgrader keeps it
        (kept,) = database.execute("select extension from submitted_assignment").fetchone()
    assert kept.startswith("1970-01-03 00:00")
    set_due(root, DUE - timedelta(days=1))  # the extension is a time and not a number of days
    grade_class(root, LAB)
    assert penalties(root) == {"Zoë": None}


def test_nbgraders_own_autograde_knows_of_it(root, monkeypatch):
    """What is renewed after a run of `medcourse grade` is right before it: formgrader's button ends there."""
    monkeypatch.setattr(gradebook_module.Recorder, "renew_penalties", lambda _: None)
    extend(root, LAB, "ann", str(DUE + timedelta(days=1)))
    hand_in_late(root, "ann", 1.5)
    grade_class(root, LAB)
    assert penalties(root) == {"ann": pytest.approx(0.1 * MAX)}


def test_what_an_instructor_granted_in_nbgrader_stays(root):
    hand_in_late(root, "ann", 1.5)
    grade_class(root, LAB)
    run(root, "update submitted_assignment set extension = '1970-01-03 00:00:00.000000'")
    grade_class(root, LAB)
    assert penalties(root) == {"ann": None}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LAB, "ann"], "expected STUDENT and --until TIME or --remove"),
        ([LAB, "--until", "2026-03-09"], "expected STUDENT and --until TIME or --remove"),
        ([LAB, "ann", "--until", "tomorrow"], "expected a time as in 2026-12-05T12:00+01:00, got 'tomorrow'"),
        (
            [LAB, "ann", "--until", "2026-03-05T12:00"],
            "expected a time after 00_mini is due, which is 2026-03-05T12:00:00Z",
        ),
        ([LAB, "ann", "--remove"], "expected an extension of ann for 00_mini, found none"),
        ([LAB, "../ann", "--until", "2026-03-09"], "expected the name of a student"),
        (["99_none", "ann", "--until", "2026-03-09"], "unknown lab '99_none'"),
    ],
)
def test_extensions_that_make_no_sense_are_refused_in_a_line(root, capsys, arguments, said):
    assert cli.main(["extend", *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (root / "grading" / "extensions.csv").exists()


def test_the_command_line_gives_and_lists(root, capsys):
    assert cli.main(["extend", LAB, "ann", "--until", "2026-03-09T13:00+01:00"]) == 0
    out, err = capsys.readouterr()
    assert out == "ann has until 2026-03-09T12:00:00Z for 00_mini\n"
    assert err == "medcourse: ann has handed in nothing yet: is the name right?\n"
    assert cli.main(["extend", LAB, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["extensions"][0]["until"] == "2026-03-09T12:00:00Z"
    assert cli.main(["extend", LAB, "ann", "--remove"]) == 0
    assert capsys.readouterr().err == "", "a name that was found is right"


def test_a_lab_without_a_due_date_needs_no_extension(root):
    run(root, "update assignment set duedate = null")
    with pytest.raises(CourseError, match="00_mini has no due date, so nobody needs longer: set one in formgrader"):
        extend(root, LAB, "ann", "2026-03-09")


def test_a_table_that_was_spoilt_is_named_with_its_line(root):
    extend(root, LAB, "ann", "2026-03-09")
    with (root / "grading" / "extensions.csv").open("a") as table:
        table.write("00_mini,ben,soon\n")
    before = (root / "grading" / "extensions.csv").read_text()
    with pytest.raises(CourseError, match=r"line 3 of .*extensions.csv: expected a time as in"):
        extend(root, LAB, "cem", "2026-03-09")
    assert (root / "grading" / "extensions.csv").read_text() == before


def test_a_policy_that_cannot_be_is_said_before_anything_is_graded(root):
    hand_in_late(root, "ann", 1.5)
    configure(root, "c.LatePolicy.percent_a_day = 150")
    with pytest.raises(CourseError, match=r"the late policy of nbgrader_config.py cannot be used: .*percent_a_day"):
        grade_class(root, LAB)
    assert gradebook(root) == {}


# By the exchange's clock.


def inbound(root, student, claim):
    """Hand a notebook in through the exchange, with what the submission says of its time."""
    folder = root.parent / "exchange" / "medcourse" / "inbound" / f"{student}+{LAB}+{claim}"
    folder.mkdir(parents=True)
    (folder / f"{LAB}.ipynb").write_bytes(submission(root))
    (folder / "timestamp.txt").write_text(claim)
    (folder / "submission_secret.txt").write_text("5ec2e7" * 20)
    return folder


def test_collect_believes_the_exchange_and_not_the_student(root, monkeypatch):
    monkeypatch.setenv("MEDCOURSE_EXCHANGE", str(root.parent / "exchange"))
    now = datetime.now(UTC).replace(tzinfo=None)
    honest = f"{now - timedelta(seconds=5)} UTC"
    inbound(root, "honest", honest)
    forged = inbound(root, "forger", f"{now - timedelta(days=9)} UTC")
    for path in (forged, *forged.iterdir()):
        os.utime(path, (0, 0))
    inbound(root, "future", f"{now + timedelta(days=9)} UTC")
    collected = NbGraderAPI(config=Course(root).config).collect(LAB)
    assert collected["success"], collected
    folders = {each.parent.name: each for each in (root / "submitted").glob(f"*/{LAB}")}
    assert (folders["honest"] / "timestamp.txt").read_text() == honest
    assert not (folders["honest"] / CLAIMED).exists()
    for name in ("forger", "future"):
        said = datetime.strptime((folders[name] / "timestamp.txt").read_text(), "%Y-%m-%d %H:%M:%S.%f UTC")
        assert abs(said - now) < timedelta(minutes=1)
        assert (folders[name] / CLAIMED).read_text() != ""
    set_due(root, now - timedelta(days=5))
    grade_class(root, LAB, students=["forger"])
    assert penalties(root) == {"forger": pytest.approx(0.6 * MAX)}  # five days and a moment


@pytest.mark.parametrize("kind", ["missing", "nonsense", "folder"])
def test_what_is_no_time_becomes_the_exchanges(tmp_path, kind):
    path = tmp_path / "timestamp.txt"
    if kind == "nonsense":
        path.write_bytes(b"\xff yesterday, I think")
    elif kind == "folder":
        path.mkdir()
    hold_to(tmp_path, DUE, 120.0)
    assert path.read_text() == "2026-03-05 12:00:00.000000 UTC"
