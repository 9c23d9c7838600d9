"""What a report says of a class: figures that can be checked by hand, and nobody accused."""

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from medcourse import cli
from medcourse.grading import items
from medcourse.grading.alike import alike, shape_of
from medcourse.grading.collect import CLAIMED
from medcourse.grading.extensions import write_extension
from medcourse.grading.journal import Journal
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.report import report
from medcourse.grading.submission import Graded
from tests.small_class import LAB, WRONG, hand_in, submission

ANSWERS = ["dice", "window", "steps"]


def run(error="", failed_cells=(), message="a part is wrong", **scores):
    """Return the verdicts of one point each; `error` ended those that earned nothing."""
    verdicts = [
        Exercise(name, 1.0, score, "" if score == 1 else message, error if score < 1 else "")
        for name, score in scores.items()
    ]
    return Run(verdicts, dict(failed_cells), tier="landlock")


# Items.


def test_difficulty_is_the_mean_share_and_the_commonest_failure_is_named():
    runs = [run(dice_overlap=1.0, dice_empty=0.0, window_range=0.5)] * 3 + [
        run(dice_overlap=0.0, dice_empty=0.0, window_range=1.0)
    ]
    found = {each.id: each for each in items.properties(runs, ANSWERS)}
    assert {name: each.share for name, each in found.items()} == {
        "dice_overlap": 0.75,
        "dice_empty": 0.0,
        "window_range": 0.625,
    }
    assert (found["window_range"].told, found["window_range"].message, found["window_range"].lost) == (
        3,
        "a part is wrong",
        3,
    )
    dice, window = items.exercises(list(found.values()))
    assert (dice.id, dice.share, dice.failing, dice.lost) == ("dice", 0.375, "dice_empty", 4)
    assert (window.id, window.failing) == ("window", "window_range")


def test_an_exercise_that_nobody_failed_has_no_failing_property():
    (dice,) = items.exercises(items.properties([run(dice_overlap=1.0)], ANSWERS))
    assert (dice.share, dice.failing, dice.lost) == (1.0, "", 0)


def test_discrimination_leaves_the_item_out_of_the_total():
    """Two items that are independent: with themselves in the total both would correlate at 0.71."""
    runs = [run(a=float(number % 2), b=float(number // 2 % 2)) for number in range(12)]
    assert items.discrimination(runs, "a") == pytest.approx(0.0, abs=1e-9)
    twins = [run(a=float(number % 2), b=float(number % 2)) for number in range(12)]
    assert items.discrimination(twins, "a") == pytest.approx(1.0)
    against = [run(a=float(number % 2), b=1.0 - number % 2) for number in range(12)]
    assert items.discrimination(against, "a") == pytest.approx(-1.0)


def test_discrimination_is_not_told_of_few_or_where_all_earned_the_same():
    runs = [run(a=float(number % 2), b=1.0) for number in range(12)]
    assert items.discrimination(runs[:9], "a") is None
    assert items.discrimination(runs, "a") is None
    assert items.discrimination(runs, "b") is None


# Alike.

LOOP = "def dice(a, b):\n    both = 0\n    for p, q in zip(a, b):\n        both += 2 * (p and q)\n    return both / max(sum(a) + sum(b), 1)\n"
RENAMED = '''
def dice(left, right):
    """My own."""
    overlap = 0  # both
    for x, y in zip( left, right ):
        overlap += 2 * (x and y)

    return overlap / max(sum(left) + sum(right), 1)
'''


def test_names_blanks_and_comments_make_no_difference_and_all_else_does():
    assert shape_of(LOOP) == shape_of(RENAMED) != ""
    assert shape_of(LOOP) != shape_of(LOOP.replace("2 *", "3 *"))
    assert shape_of(LOOP) != shape_of(LOOP.replace("sum(b)", "sum(a)"))
    assert shape_of(LOOP) != shape_of(LOOP.replace("for p, q", "for q, p"))


@pytest.mark.parametrize("code", ["", "raise NotImplementedError()", "number_of_steps = 7", "def f(:", "\0"])
def test_what_is_short_or_no_code_is_alike_to_nothing(code):
    assert shape_of(code) == ""


def test_groups_name_all_exercises_that_they_share():
    other = LOOP.replace("2 *", "3 *")
    found = alike({
        "ann": {"dice": LOOP, "window": other},
        "ben": {"dice": RENAMED, "window": other},
        "cem": {"dice": other, "window": LOOP},
    })  # fmt: skip
    assert [(each.students, each.exercises) for each in found] == [(["ann", "ben"], ["dice", "window"])]


# A class.

RELEASED_BEFORE = timedelta(hours=100)
DUE = datetime(2026, 3, 5, 12)


@pytest.fixture(scope="module")
def root(small_course, tmp_path_factory):
    """Twelve students, one an hour, until an hour after the due date."""
    root = shutil.copytree(small_course, tmp_path_factory.mktemp("report") / "course")
    with closing(sqlite3.connect(root / "gradebook.db")) as database, database:
        database.execute("update assignment set duedate = ?", (f"{DUE}.000000",))
    with Journal(root, LAB) as journal:
        for number in range(12):
            name = f"s{number:02}"
            good = float(number % 2)
            own = submission(
                root, dice=LOOP.replace("2 *", f"{number + 20} *"), window=WRONG["window"] + f"\n\nX = {number}"
            )
            folder = hand_in(root, name, own).parent
            (folder / "timestamp.txt").write_text(f"{DUE - timedelta(hours=10 - number)} UTC")
            journal.add_result(name, "k", Graded(run(dice_overlap=good, dice_empty=good, window_range=1.0), []))
        changed = [
            "The test cell `dice_empty` was changed: the lab's own was used.",
            "The answer cell `steps` is missing: x.",
        ]
        journal.add_result("s01", "k", Graded(run(dice_overlap=1.0, dice_empty=1.0, window_range=1.0), changed))
        slow = {"error": "CellTimeoutError", "message": "took too long: is there a loop?"}
        loop = run(dice_overlap=0.0, dice_empty=0.0, window_range=1.0, **slow)
        journal.add_result("s02", "k", Graded(loop, []))
        refused = [("steps", "PermissionError: no network")]
        refused = run(dice_overlap=1.0, dice_empty=1.0, window_range=1.0, failed_cells=refused)
        journal.add_result("s03", "k", Graded(refused, []))
        journal.add_look("s04", "k", "its workers died")
    (root / "submitted" / "s05" / LAB / CLAIMED).write_text("2020-01-01 00:00:00 UTC\x1b[31m")
    for name in ("s06", "s07"):
        stamp = root / "submitted" / name / LAB / "timestamp.txt"
        kept = stamp.read_text()
        hand_in(root, name, submission(root, dice=LOOP if name == "s06" else RENAMED, window="X = 1"))
        stamp.write_text(kept)
    return root


@pytest.fixture(autouse=True)
def _here(root, monkeypatch):
    monkeypatch.setenv("MEDCOURSE_ROOT", str(root))
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    monkeypatch.delenv("MEDCOURSE_EXCHANGE", raising=False)


def test_who_needs_a_look_and_why(root):
    found = report(root, LAB)
    assert {look.student: look.flags for look in found.looks} == {
        "s01": ["changed", "mended"],
        "s02": ["limit"],
        "s03": ["refused"],
        "s04": ["unread"],
        "s05": ["clock"],
    }
    assert "`steps`: PermissionError: no network" in found.looks[2].reasons
    assert [(each.students, each.exercises) for each in found.alike if len(each.students) == 2] == [
        (["s06", "s07"], ["dice"])
    ]
    assert not {"s06", "s07"} & {look.student for look in found.looks}  # alike is no reason by itself


def test_when_they_handed_in_by_the_exchange_and_with_extensions(root, tmp_path, monkeypatch):
    found = report(root, LAB).times
    assert (found.submissions, found.released, found.hours_since_release) == (12, "", None)
    assert [(each.student, each.hours) for each in found.late] == [("s11", 1.0)]
    monkeypatch.setenv("MEDCOURSE_EXCHANGE", str(tmp_path))
    (tmp_path / "medcourse" / "outbound" / LAB).mkdir(parents=True)
    now = report(root, LAB).times  # released now: a long time after they handed in, so by how much is negative
    released = datetime.fromisoformat(now.released.removesuffix("Z"))
    first = (DUE - timedelta(hours=10) - released) / timedelta(hours=1)
    assert now.hours_since_release == pytest.approx([first + 2.75, first + 5.5, first + 8.25], abs=1e-3)
    write_extension(root, LAB, "s11", DUE + timedelta(hours=2))
    assert report(root, LAB).times.late == []
    write_extension(root, LAB, "s11", None)


def test_the_command_line_says_it_in_words_and_tables(root, tmp_path, capsys):
    assert cli.main(["report", LAB]) == 0
    out = capsys.readouterr().out
    assert f"{LAB}: 11 of 12 graded\n" in out
    assert "handed in: 12 with a time, no release in the exchange; due 2026-03-05T12:00:00Z, 1 late\n" in out
    assert " 55%  exercise dice  most lose dice_overlap (5)\n" in out
    assert " 55%  r +1.00  dice_empty  4 x a part is wrong\n" in out
    assert "100%  r  -    window_range\n" in out
    assert "alike in dice: s06, s07\n" in out
    assert "\x1b" not in out
    assert cli.main(["report", LAB, "--json", "--csv", str(tmp_path / "class.csv")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["id"]: each["discrimination"] for each in found["properties"]}["window_range"] is None
    with (tmp_path / "class.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert (rows["s11"]["submitted"], rows["s11"]["hours_late"]) == ("2026-03-05T13:00:00Z", "1.0")
    assert (rows["s01"]["flags"], rows["s04"]["score"]) == ("changed mended", "")
