"""A class of four through a whole term by nbgrader's own commands, with the course's settings.

Ann answers everything; Ben answers half of it; Cem hands in what he was given; Dee's notebook was damaged: a test
deleted, a locked cell edited, an answer doubled.
"""

import copy
import csv
import html
import os
import re
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from medcourse.grading import cells, release
from medcourse.grading.leaks import find_leaks
from medcourse.grading.notebooks import lab_notebook, read_notebook, to_text

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow

LAB = ROOT / "solutions" / "01_modalities.py"
STUDENTS = ["ann", "ben", "cem", "dee"]


@dataclass
class Term:
    """A course folder, an exchange and four homes; what the commands said."""

    folder: Path
    slug: str
    log: dict[str, str] = field(default_factory=dict)

    @property
    def course(self):
        return self.folder / "course"

    @property
    def lab(self):
        return self.course / "solutions" / f"{self.slug}.py"

    def nbgrader(self, command, *arguments, user="teacher"):
        """Run one command as one person, each with a home of their own."""
        home = self.folder / "homes" / user
        home.mkdir(parents=True, exist_ok=True)
        folder = self.course if user == "teacher" else home
        if not (folder / "nbgrader_config.py").exists():
            shutil.copy(ROOT / "nbgrader_config.py", folder)
        # All four are one user of this machine, so they say who they are; with accounts of their own they need not.
        who = [] if user == "teacher" else [f"--student={user}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTEST"))}
        environment |= {
            "HOME": str(home),
            "MEDCOURSE_EXCHANGE": str(self.folder / "exchange"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", command, *arguments, *who],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.log[f"{user} {command}"] = done.stderr
        assert done.returncode == 0, f"{user}: nbgrader {command}\n{done.stdout}{done.stderr}"

    def feedback(self, student):
        (page,) = (self.folder / "homes" / student / self.slug / "feedback").rglob("*.html")
        return page.read_text(encoding="utf-8")


def answer(notebook, answers):
    """Write answers into a notebook by grade_id."""
    for cell in notebook.cells:
        cell.source = answers.get(cells.grade_id(cell), cell.source)


def damage(notebook, test, doubled):
    """Delete a test, edit the locked setup, and put a wrong copy of an answer above the right one."""
    position = {cells.grade_id(cell): i for i, cell in enumerate(notebook.cells)}
    notebook.cells[position["setup"]].source = "import math\nnp = None"
    wrong = copy.deepcopy(notebook.cells[position[doubled]])
    wrong.id, wrong.source = "a-copy", "raise RuntimeError('this copy is wrong')"
    deleted = notebook.cells[position[test]]
    notebook.cells.insert(position[doubled], wrong)
    notebook.cells = [cell for cell in notebook.cells if cell is not deleted]


@pytest.fixture(scope="module")
def term(tmp_path_factory):
    term = Term(tmp_path_factory.mktemp("term"), LAB.stem)
    shutil.copytree(LAB.parent, term.lab.parent)
    shutil.copytree(ROOT / "bench" / "results", term.course / "bench" / "results")  # numbers that the text quotes
    (term.folder / "exchange").mkdir()
    (term.folder / "exchange").chmod(0o777)
    release.build(term.course, [term.slug])
    built = release.release_path(term.course, term.slug).read_bytes()

    term.nbgrader("generate_assignment", term.slug, "--force")
    assert release.release_path(term.course, term.slug).read_bytes() == built, "nbgrader and we build the same"
    term.nbgrader("release_assignment", term.slug)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda student: hand_in(term, student), STUDENTS))
    term.nbgrader("collect", term.slug)
    term.nbgrader("autograde", term.slug)
    term.nbgrader("generate_feedback", term.slug)
    term.nbgrader("release_feedback", term.slug)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda student: term.nbgrader("fetch_feedback", term.slug, user=student), STUDENTS))
    term.nbgrader("export")
    return term


def hand_in(term, student):
    term.nbgrader("fetch_assignment", term.slug, user=student)
    path = term.folder / "homes" / student / term.slug / f"{term.slug}.ipynb"
    notebook = read_notebook(path)
    answer(notebook, answers_of(term)[student])
    if student == "dee":
        tests = [cells.grade_id(cell) for cell in notebook.cells if cells.is_test(cell)]
        damage(notebook, test=tests[1], doubled=cells.answer_of(tests[-1], reference(term)))
    path.write_text(to_text(notebook), encoding="utf-8")
    term.nbgrader("submit", term.slug, user=student)


def reference(term):
    """Return the lab's answers by grade_id."""
    return {cells.grade_id(cell): cell.source for cell in lab_notebook(term.lab).cells if cells.is_answer(cell)}


def answers_of(term):
    """Return what each student writes, by grade_id."""
    right = reference(term)
    half = list(right)[: len(right) // 2]
    written = {cells.grade_id(cell): "I think so." for cell in lab_notebook(term.lab).cells if cells.is_written(cell)}
    return {
        "ann": right | written,
        "ben": {name: right[name] for name in half},
        "cem": {},
        "dee": right | written,
    }


def expected(term):
    """Return for each student the points of each cell; None where a person has to read."""
    answers = answers_of(term)
    scores = {student: {} for student in STUDENTS}
    known = []
    for cell in lab_notebook(term.lab).cells:
        name = cells.grade_id(cell)
        if cells.is_answer(cell):
            known.append(name)
        for student in STUDENTS:
            if cells.is_test(cell):
                is_right = cells.answer_of(name, known) in answers[student]
                scores[student][name] = cells.points(cell) if is_right else 0.0
            elif cells.is_written(cell):
                scores[student][name] = None if name in answers[student] else 0.0
    return scores


def test_every_cell_of_every_student_has_the_points_it_should(term):
    from nbgrader.api import Gradebook  # noqa: PLC0415

    found = {student: {} for student in STUDENTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy's, about nbgrader's models
        with Gradebook(f"sqlite:///{term.course}/gradebook.db") as gradebook:
            for student in STUDENTS:
                submission = gradebook.find_submission(term.slug, student)
                for grade in submission.notebooks[0].grades:
                    found[student][grade.name] = grade.auto_score
                    assert grade.needs_manual_grade == (grade.auto_score is None)
    assert found == expected(term)


def test_the_exported_table_has_their_sums(term):
    table = (term.course / "grades.csv").read_text(encoding="utf-8").splitlines()
    rows = {row["student_id"]: row for row in csv.DictReader(table)}
    worth = sum(cells.points(cell) for cell in lab_notebook(term.lab).cells)
    sums = {student: sum(score or 0 for score in of.values()) for student, of in expected(term).items()}
    assert {name: float(row["score"]) for name, row in rows.items()} == sums
    assert {float(row["max_score"]) for row in rows.values()} == {worth}
    assert sums["ann"] == sums["dee"] > sums["ben"] > sums["cem"] == 0


def test_feedback_names_each_property_with_its_points_and_what_was_mended(term):
    for student, scores in expected(term).items():
        page = html.unescape(re.sub(r"<[^>]*>", "", term.feedback(student)))
        for name, score in scores.items():
            if score is not None and f"Grade cell: {name}" in page:
                after = page.split(f"Grade cell: {name}")[1]
                assert re.search(r"Score: ([\d.]+) /", after).group(1) == str(score)
        tests = [cells.grade_id(cell) for cell in lab_notebook(term.lab).cells if cells.is_test(cell)]
        assert [name for name in tests if f"Grade cell: {name}" not in page] == []
        assert ("had to be mended" in page) == (student == "dee")
    page = html.unescape(re.sub(r"<[^>]*>", "", term.feedback("dee")))
    assert "The locked cell setup was changed: the lab's own was used." in page
    assert f"The test cell {tests[1]} is missing: it was put back." in page
    assert "is there 2 times: what was written in them counts, from top to bottom." in page
    assert "not answered yet" in html.unescape(term.feedback("cem"))


def test_feedback_and_release_hold_no_hidden_test_and_no_marking_scheme(term):
    pages = {student: term.feedback(student) for student in STUDENTS}
    exchange = {str(path): path.read_text() for path in (term.folder / "exchange").rglob("outbound/**/*.ipynb")}
    assert exchange
    leaks = find_leaks(term.lab, pages | exchange)
    # Ann, Ben and Dee wrote the reference answers: these are theirs to read.
    assert [leak for leak in leaks if leak.kind != "solution" or leak.place in {"cem", *exchange}] == []


def test_the_person_who_grades_finds_the_marking_scheme_under_the_answer(term):
    for path in (term.course / "autograded").glob("*/*/*.ipynb"):
        for cell in read_notebook(path).cells:
            if cells.is_written(cell):
                assert cells.split_mark_scheme(cell.source)[1].endswith("=== END MARK SCHEME ===")


def test_the_exchange_holds_only_notebooks(term):
    outbound = term.folder / "exchange" / "medcourse" / "outbound" / term.slug
    assert [path.name for path in outbound.rglob("*") if path.is_file()] == [f"{term.slug}.ipynb"]
