"""The leaderboard: who is ranked where, by what rule, and that it says no more than it may."""

import csv
import json

import numpy as np
import pytest

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.grading import release
from medcourse.grading.engines import close_engine
from medcourse.grading.journal import Journal
from medcourse.grading.leaderboard import leaderboard, pseudonyms, ranked
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.submission import Graded, Settings, grade_submission, load_lab
from tests.small_class import LAB, ROOT, submission

# The third test of the small lab becomes a challenge: the nearer to the hidden numbers, the better.
SCORED = """
from medcourse import testing

numbers = np.array([[0.1, 0.4], [0.3, 0.2], [0.5, 0.9], [0.7, 0.6], [0.8, 0.3], [0.2, 0.1]])
### BEGIN HIDDEN TESTS
secret_numbers = numbers * 100
got = window(secret_numbers, 0, 100)
testing.close(list(np.shape(got)), [6, 2], "the shape of the results")
assert np.mean(np.isnan(np.asarray(got))) <= 0, "expected finite numbers, got NaN"
error = np.abs(np.asarray(got) - numbers).mean(1)
testing.award(2.0 * float(np.mean(error) < 0.1), case_scores={"nearness": 1 - error, "error": error}, hidden_set="six")
### END HIDDEN TESTS
"""
GOOD = "def window(image, low, high):\n    return np.clip((np.asarray(image, float) - low) / (high - low), 0, 1)"
CLASS = {
    "ada": GOOD,
    "bob": "def window(image, low, high):\n    return np.full(np.shape(image), 0.5)",
    "cy": "def window(image, low, high):\n    return np.full(np.shape(image), np.nan)",
    "dan": "def window(image, low, high):\n    return np.zeros((2, 2))",
    "eve": "def window(image, low, high):\n    raise ValueError(f'what is {image}')",
    "fay": GOOD.replace("0, 1)", "0.0, 1.0)"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A course with a challenge, a class that handed in, and the journal of its grading."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("course", "solutions"):
        (folder / name).mkdir()
    text = (ROOT / "tests" / "data" / "mini_lab.py").read_text()
    begin = text.index("shown = window([0.0, 50.0]")
    end = text.index("award(earned)\n") + len("award(earned)\n")
    (folder / "solutions" / f"{LAB}.py").write_text(text[:begin] + SCORED + text[end:])
    release.build(folder)
    lab, settings = load_lab(folder, LAB), Settings(minimum_tier="plain")
    with Journal(folder, LAB) as journal:
        for student, answer in CLASS.items():
            handed_in = submission(folder, window=answer)
            journal.add_result(student, student, grade_submission(lab, handed_in, settings))
        journal.add_look("gus", "", "expected a notebook, got a picture")
    close_engine()
    return folder


def test_a_class_is_ranked_and_what_cannot_be_ranked_stands_below_with_the_reason(root):
    board = leaderboard(root, LAB, names=True)
    assert (board.measure, board.n_cases) == ("nearness", 6)
    assert [(entry.student, entry.rank) for entry in board.entries] == [("ada", 1), ("fay", 1), ("bob", 3)]
    best, _, worst = board.entries
    assert (best.score, best.low, best.high) == pytest.approx((1, 1, 1))
    distance = [0.25, 0.25, 0.2, 0.15, 0.25, 0.35]  # of the numbers from one half
    assert worst.score == pytest.approx(1 - np.mean(distance))
    assert 1 - max(distance) < worst.low < worst.score < worst.high < 1 - min(distance)
    assert worst.others == pytest.approx({"error": np.mean(distance)})
    reasons = {each.student: each.reason for each in board.invalid}
    assert reasons == {
        "cy": "expected finite numbers, got NaN",
        "dan": "the shape of the results[0] should be 6, got 2",
        "eve": "ValueError (line 2 of cell `window`)",  # without its words: it has seen the hidden inputs
        "gus": "expected a notebook, got a picture",
    }


def test_without_names_nothing_says_who_is_who(root, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("MEDCOURSE_ROOT", str(root))
    file = tmp_path / "board.csv"
    assert cli.main(["leaderboard", LAB, "--json", "--csv", str(file)]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert cli.main(["leaderboard", LAB]) == 0
    told = capsys.readouterr().out
    for text in (printed, file.read_text(), told):
        assert not [student for student in [*CLASS, "gus"] if f'"{student}"' in text or f"({student})" in text]
    assert [each["rank"] for each in found["entries"]] == [1, 1, 3]
    assert "Ties: a rank is shared" in told
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["rank"] for row in rows] == ["1", "1", "3", "", "", "", ""]
    assert [row["name"] for row in rows[:3]] == [each["name"] for each in found["entries"]]
    assert {row["student"] for row in rows} == {""}
    assert cli.main(["leaderboard", LAB, "--names"]) == 0
    assert "(ada)" in capsys.readouterr().out


def test_a_student_reads_points_and_no_score_of_a_case(root):
    with Journal(root, LAB, writes=False) as journal:
        graded = dict(journal.results())
    (scored,) = [each for each in graded["bob"].run.exercises if each.case_scores]
    assert (scored.score, scored.message) == (0.0, "0 of 2 points")
    assert "case_scores" not in str(graded["bob"].run.outputs)


def test_who_was_scored_on_other_cases_is_not_compared(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / f"{LAB}.py").write_text((ROOT / "tests" / "data" / "mini_lab.py").read_text())
    with Journal(tmp_path, LAB) as journal:
        for student, cases in {"ada": "new", "bob": "new", "cy": "old"}.items():
            test = Exercise("t", 2.0, 2.0, "", case_scores={"Dice": [0.5, 0.75]}, hidden_set=cases)
            journal.add_result(student, student, Graded(Run([test]), []))
    board = leaderboard(tmp_path, LAB, names=True)
    assert [entry.student for entry in board.entries] == ["ada", "bob"]
    assert [each.reason for each in board.invalid] == [
        f"scored on other hidden cases: run `medcourse grade {LAB} --again`"
    ]


def test_a_lab_without_a_challenge_has_no_leaderboard(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / f"{LAB}.py").write_text((ROOT / "tests" / "data" / "mini_lab.py").read_text())
    with Journal(tmp_path, LAB) as journal:
        journal.add_result("ada", "ada", Graded(Run([Exercise("t", 2.0, 2.0, "")]), []))
    with pytest.raises(CourseError, match="expected scores of hidden cases"):
        leaderboard(tmp_path, LAB)


def test_ranks_are_shared_where_the_cases_do_not_tell_two_apart():
    rng = np.random.default_rng(1)
    hard = rng.uniform(0.3, 0.9, 30)  # the same cases are hard for all
    scores = {
        "best": hard + 0.05,
        "as good": hard + 0.05 + rng.normal(0, 0.02, 30),
        "a little worse, in each case": hard + 0.03,
        "worst": hard - 0.2,
    }
    found = {name: rank for name, rank, *_ in ranked({name: list(cases) for name, cases in scores.items()})}
    assert found == {"best": 1, "as good": 1, "a little worse, in each case": 3, "worst": 4}
    # Unpaired intervals overlap widely: it is the pairing that tells the third from the first.
    ends = {name: (low, high) for name, _, _, low, high in ranked({n: list(s) for n, s in scores.items()})}
    assert ends["a little worse, in each case"][1] > ends["best"][0] + 0.05


def test_the_interval_covers_the_mean_of_all_cases_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    inside = [low < 0.5 < high for _, _, _, low, high in (ranked({"a": list(rng.random(40))})[0] for _ in range(200))]
    assert 0.89 < np.mean(inside) < 0.99


def test_pseudonyms_are_one_each_and_keep_the_secret():
    students = [f"student{i}" for i in range(300)]
    names = pseudonyms(students, 1)
    assert len(set(names.values())) == 300
    assert pseudonyms(students, 1) == names
    others = pseudonyms(students, 2)
    assert np.mean([names[student] == others[student] for student in students]) < 0.05
