"""A course of one small lab and a class that hands in, for the tests of grading."""

import copy
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from medcourse.grading import cells, release, workforce
from medcourse.grading.notebooks import lab_notebook, read_notebook, to_text
from medcourse.grading.submission import grade_submission

ROOT = Path(__file__).resolve().parents[1]
LAB = "00_mini"
MAX = 6.0
WRONG = {
    "dice": "def dice(a, b):\n    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)",
    "window": "def window(image, low, high):\n    return (np.asarray(image) - low) / (high - low)",
    "steps": "raise NotImplementedError()",
}


def environment(root, **more):
    """Return the environment of a command in a course."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDCOURSE_", "PYTEST"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader looks for alembic there
    return kept | {"MEDCOURSE_ROOT": str(root), "PATH": path, "OMP_NUM_THREADS": "1"} | more


def make_course(root, edit=lambda text: text):
    """Make a course whose gradebook knows the lab, whose text `edit` may change."""
    for name in ("course", "solutions"):
        (root / name).mkdir(parents=True)
    text = (ROOT / "tests" / "data" / "mini_lab.py").read_text(encoding="utf-8")
    (root / "solutions" / f"{LAB}.py").write_text(edit(text), encoding="utf-8")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release.build(root)
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", LAB, "--force"]
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root


def solution(root):
    """Return the reference answers by grade_id."""
    notebook = lab_notebook(root / "solutions" / f"{LAB}.py")
    return {cells.grade_id(cell): cell.source for cell in notebook.cells if cells.is_answer(cell)}


def notebook_with(root, answers):
    """Return the released notebook with these answers in it."""
    notebook = copy.deepcopy(read_notebook(release.release_path(root, LAB)))
    for cell in notebook.cells:
        cell.source = answers.get(cells.grade_id(cell), cell.source)
    return notebook


def submission(root, **answers):
    """Return the file of a submission: the reference answers, and these in their place."""
    return to_text(notebook_with(root, solution(root) | answers)).encode()


def hand_in(root, student, content, name=None, lab=LAB):
    """Put a submission where nbgrader collects them."""
    path = root / "submitted" / student / lab / (name or f"{lab}.ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def gradebook(root, lab=LAB):
    """Return all that the gradebook knows of a lab's students: scores, flags and comments by cell, penalty, time."""
    # Read by hand, so that what nbgrader's classes make of it cannot hide anything.
    with sqlite3.connect(f"file:{root / 'gradebook.db'}?mode=ro", uri=True) as database:
        students = {}
        for student, penalty, time, notebook in database.execute(
            "select a.student_id, n.late_submission_penalty, a.timestamp, n.id"
            " from submitted_assignment a join submitted_notebook n on n.assignment_id = a.id"
            " join assignment l on l.id = a.assignment_id where l.name = ? order by 1",
            (lab,),
        ).fetchall():
            assert student not in students
            grades = database.execute(
                "select c.name, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade"
                " from grade g join base_cell c on c.id = g.cell_id where g.notebook_id = ? order by 1",
                (notebook,),
            ).fetchall()
            comments = database.execute(
                "select c.name, k.auto_comment, k.manual_comment"
                " from comment k join base_cell c on c.id = k.cell_id where k.notebook_id = ? order by 1",
                (notebook,),
            ).fetchall()
            students[student] = {"penalty": penalty, "time": time, "grades": grades, "comments": comments}
    database.close()
    return students


def auto_scores(root, student):
    """Return the automatic scores of one student by cell."""
    return {grade[0]: grade[1] for grade in gradebook(root)[student]["grades"]}


def journal(root):
    """Return the entries of the journal."""
    return [json.loads(line) for line in (root / "grading" / f"{LAB}.jsonl").read_text().splitlines()]


class Now:
    """A future that is done."""

    def __init__(self, make):
        self.status, self._value = "finished", None
        try:
            self._value = make()
        except Exception as error:
            self.status, self._value = "error", error

    def result(self):
        if self.status == "error":
            raise self._value
        return self._value

    def exception(self):
        return self._value

    def add_done_callback(self, call):
        call(self)


class Here:
    """A workforce of this process, so that most tests need not wait for another."""

    asked: ClassVar[list[bytes]] = []  # what was run

    def __init__(self, workers, address=None):
        self.size, self.address = workers, address
        Here.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def warm_up(self, lab, settings):
        pass

    def calibrate(self, lab, settings):
        return Now(lambda: workforce._calibrate_here(lab, settings))

    def grade(self, lab, submission, settings):
        self.asked.append(submission)
        return Now(lambda: self.work(lab, submission, settings))

    def work(self, lab, submission, settings):
        return grade_submission(lab, submission, settings)

    def is_lost(self):
        return False
