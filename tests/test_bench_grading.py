"""The class that the benchmark of grading makes: its mix, that it is the same again, and what is in it."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medcourse.grading import cells
from medcourse.grading.notebooks import read_notebook
from medcourse.grading.release import release_path

ROOT = Path(__file__).resolve().parents[1]
PROOF = """
MISTAKES = {
    "dice": {"empty case crashes": [("if total == 0:", "if total < 0:")]},
    "window": {"not clipped": [("scaled.clip(0, 1)", "scaled")]},
    "steps": {"working days": "number_of_steps = 5"},
}
ALTERNATIVES = {"steps": {"counted": "number_of_steps = len('abcdefg')"}}
"""


@pytest.fixture(scope="module")
def bench():
    """The benchmark's modules, as `python bench/grading.py` finds them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        import classes  # noqa: PLC0415
        import grading  # noqa: PLC0415

        yield {"classes": classes, "grading": grading}
        for name in ("classes", "grading"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def classes(bench):
    return bench["classes"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    (source / "solutions").mkdir()
    shutil.copy(ROOT / "tests" / "data" / "mini_lab.py", source / "solutions" / "mini.py")
    (source / "proof.py").write_text(PROOF)
    return source


@pytest.fixture(scope="module")
def made(classes, source, tmp_path_factory):
    root = tmp_path_factory.mktemp("course") / "class"
    return root, classes.make_class(root, "mini", 60, seed=1, source=source, proof=source / "proof.py")


def notebook_of(root, submission):
    return read_notebook(root / "submitted" / submission.student / "mini" / "mini.ipynb")


def test_the_mix_is_as_said_and_spread_over_the_class(classes):
    assert sum(classes.MIX.values()) == 60
    kinds = classes.kinds(600)
    assert {kind: kinds[:60].count(kind) for kind in classes.MIX} == classes.MIX
    assert {kind: kinds.count(kind) for kind in classes.MIX} == {kind: 10 * n for kind, n in classes.MIX.items()}
    assert 10 <= kinds[:30].count("right") <= 16


def test_every_submission_is_a_notebook_of_its_kind(made, classes):
    root, submissions = made
    clean = read_notebook(release_path(root, "mini"))
    stubs = {cells.grade_id(cell): cell.source for cell in clean.cells if cells.is_answer(cell)}
    assert len(submissions) == len(list(root.glob("submitted/*/mini/mini.ipynb"))) == 60
    for submission in submissions:
        notebook = notebook_of(root, submission)
        answers = {cells.grade_id(cell): cell.source for cell in notebook.cells if cells.is_answer(cell)}
        unanswered = [name for name, source in answers.items() if source == stubs[name]]
        assert unanswered == (list(stubs) if submission.kind == "empty" else [])
        assert (len(notebook.cells) < len(clean.cells)) == (submission.kind == "deleted")
        broken = any(not parses(source) for source in answers.values())
        assert broken == (submission.kind == "syntax")
        assert ("time.sleep" in "".join(answers.values())) == (submission.kind == "sleeps")
        assert ("while True" in "".join(answers.values())) == (submission.kind == "endless")


def test_wrong_ones_hold_a_named_mistake_and_right_ones_none(made):
    _, submissions = made
    mistakes = {"empty case crashes", "not clipped", "working days"}
    for submission in submissions:
        n_mistakes = len(mistakes & set(submission.edits.values()))
        assert (1 <= n_mistakes <= 3) == (submission.kind == "wrong")


def test_the_same_seed_makes_the_same_class(made, classes, source, tmp_path):
    root, submissions = made
    shutil.copytree(root, tmp_path / "b", ignore=shutil.ignore_patterns("submitted"))
    assert classes.hand_in(tmp_path / "b", "mini", 60, seed=1, proof=source / "proof.py") == submissions
    for submission in submissions:
        path = Path("submitted", submission.student, "mini", "mini.ipynb")
        assert (tmp_path / "b" / path).read_bytes() == (root / path).read_bytes()


def test_the_gradebook_knows_the_lab(made):
    root, _ = made
    database = sqlite3.connect(root / "gradebook.db")
    try:
        names = {name for (name,) in database.execute("select name from base_cell")}
    finally:
        database.close()
    assert {"dice_overlap", "steps_count", "why"} <= names


def test_overhead_is_what_workers_did_beyond_the_cells(bench, tmp_path, monkeypatch):
    """Two workers, ten submissions of 1 s each, 1.2 s between grades, after 3 s of start-up."""
    began = 1_000_000.0
    moments = [began + 3 + 1 + 1.2 * (i // 2) for i in range(10)]
    journal = tmp_path / "grading" / "mini.jsonl"
    journal.parent.mkdir()
    lines = [{"event": "calibrated", "time": iso(began + 3)}]
    for moment in moments:
        lines += [
            {"event": "result", "time": iso(moment), "run": {"seconds": 1.0}},
            {"event": "recorded", "time": iso(moment + 0.1)},
        ]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    grading = bench["grading"]
    clock = iter([100.0, 109.0])
    monkeypatch.setattr(grading, "_run", lambda *_, **__: subprocess.CompletedProcess([], 0, "", ""))
    monkeypatch.setattr(grading.time, "time", lambda: began)
    monkeypatch.setattr(grading.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(grading, "_progress", no_progress)
    assert grading.grade_ours(tmp_path, "mini", 10, 2, 5) == {
        "seconds": 9.0,
        "start_up_seconds": 3.0,
        "first_grade_seconds": 4.1,
        "cell_seconds": 1.0,
        "overhead_seconds": 0.2,
    }


def test_differences_are_reported_for_honest_submissions_only(bench, classes):
    everyone = [
        classes.Submission("a", "right", {}),
        classes.Submission("b", "exits", {}),
        classes.Submission("c", "wrong", {}),
    ]
    stock = {"a": {"t": 0.0, "u": 1.0}, "b": {"t": 1.0, "u": 1.0}}
    ours = {"a": {"t": 1.0, "u": 1.0}, "b": {"t": 0.0, "u": 0.0}, "c": {"t": 0.0, "u": 0.0}}
    found = bench["grading"].compare_scores(everyone, stock, ours)
    assert found["differences"] == [{"student": "a", "kind": "right", "test": "t", "stock": 0.0, "ours": 1.0}]
    assert found["ungraded_by_stock"] == ["c"]
    assert found["ungraded_by_ours"] == []
    assert found["honest_compared"] == 1


def parses(source):
    try:
        compile(source, "answer", "exec")
    except SyntaxError:
        return False
    return True


def iso(moment):
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def no_progress(*_):
    return contextlib.nullcontext()
