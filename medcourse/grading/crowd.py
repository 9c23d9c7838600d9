"""Gather what a class answered in a labelling game, without names: a class is a crowd, too.

The answers stand in a cell of the lab as `my_answers = {image: class, ...}`. That text is read as data; nothing of a
submission is run here. The truth beside it is the expert's: the same cell of the lab's own solution, which only the
instructor has.
"""

import ast
import csv
import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.grades import printable
from medcourse.grading.notebooks import lab_notebook, parse_notebook
from medcourse.grading.release import check_slug, lab_path

GAME = "labels_of_the_game"
"""The grade_id of the cell that holds the answers."""

VARIABLE = "my_answers"
MAX_CHARACTERS = 200_000
"""A longer cell is nobody's answers."""

_ASSIGNMENT = re.compile(rf"^{VARIABLE}\s*=\s*(\{{[^{{}}]*\}})[ \t]*(?:#.*)?$", re.MULTILINE)
# Whole numbers, words in quotes, and what parts them: nothing that a parser could choke on or a program is made of.
# Possessive, so that a long row of digits is not tried in all its parts. No word begins as a formula of a spreadsheet.
_PLAIN = re.compile(r"""\{(?:[\s,:]|\d++|"\w[^"\\\n]{0,99}"|'\w[^'\\\n]{0,99}')*+\}""")

Name = int | str


@dataclass(frozen=True)
class Gathered:
    """The answers of a class.

    Attributes
    ----------
    lab
        Its slug.
    rows
        Worker, item, label. Workers are w1, w2 ... in an order drawn anew each time; nothing tells who is who.
    expert
        The class of each item in the lab's own solution; empty where that has none.
    n_submissions
        How many were handed in.
    dropped
        A line for each submission that is left out: whose it is, and why.
    """

    lab: str
    rows: list[tuple[str, Name, Name]]
    expert: dict[Name, Name]
    n_submissions: int
    dropped: list[str]

    def as_csv(self) -> str:
        """Return the table that `medcourse.datasets.read_crowd_table` reads, sorted, with the truth if there is any."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["worker", "item", "label", *(["truth"] if self.expert else [])])
        for worker, item, label in self.rows:
            writer.writerow([worker, item, label, *([self.expert.get(item, "")] if self.expert else [])])
        return table.getvalue()


def gather(root: Path, slug: str) -> Gathered:
    """Gather the answers that a class has handed in.

    Parameters
    ----------
    root
        The course's folder, with nbgrader_config.py, solutions and submissions.
    slug
        A lab with a labelling game.

    Raises
    ------
    CourseError
        No such lab, no game in it, nothing handed in.
    """
    check_slug(root, slug)
    expert = expert_answers(lab_path(root, slug))
    from medcourse.grading.gradebook import Course  # noqa: PLC0415  (nbgrader takes a second and a half)

    course = Course(root)
    submissions = course.submissions(slug)
    if not submissions:
        place = course.directory.format_path(course.directory.submitted_directory, "STUDENT", slug)
        raise CourseError(f"expected submissions in {place}, found none: run `nbgrader collect {slug}`")
    found: list[dict[Name, Name]] = []
    dropped = []
    for student, path in submissions.items():
        try:
            found.append(_answers_in(path, expert))
        except CourseError as error:
            dropped.append(printable(f"{student}: {error}"))
    # Drawn anew each time and kept nowhere, so that two tables cannot be laid side by side to follow somebody.
    secrets.SystemRandom().shuffle(found)
    width = len(str(len(found)))
    rows = [(f"w{n:0{width}d}", item, said[item]) for n, said in enumerate(found, start=1) for item in _sorted(said)]
    return Gathered(slug, rows, expert, len(submissions), dropped)


def expert_answers(path: Path) -> dict[Name, Name]:
    """Return the answers in a lab's own solution; empty where it gives none.

    Raises
    ------
    CourseError
        The lab has no labelling game.
    """
    games = [cell for cell in lab_notebook(path).cells if cells.grade_id(cell) == GAME]
    if not games:
        raise CourseError(f"expected an answer cell `{GAME}` in {path.name}, found none: it has no labelling game")
    return read_answers("\n".join("\n".join(region) for region in cells.regions(games[0].source, cells.SOLUTION)))


def read_answers(source: str) -> dict[Name, Name]:
    r"""Read `my_answers = {image: class, ...}` in the text of a cell, without running it; the last one counts.

    Raises
    ------
    CourseError
        Answers that are no plain numbers and words, or too many of them.

    Examples
    --------
    >>> read_answers("# mine\nmy_answers = {0: 1, 1: 0}  # 2 of 2 answered")
    {0: 1, 1: 0}
    >>> read_answers("raise NotImplementedError()")
    {}
    """
    if len(source) > MAX_CHARACTERS:
        raise CourseError(f"expected at most {MAX_CHARACTERS} characters of answers, got {len(source)}")
    written = _ASSIGNMENT.findall(source)
    if not written:
        if VARIABLE in source:
            raise CourseError(f"expected `{VARIABLE} = {{image: class, ...}}` as the game writes it, got other code")
        return {}
    if not _PLAIN.fullmatch(written[-1]):
        raise CourseError("expected whole numbers and words as images and classes, got something else")
    try:
        said = ast.literal_eval(written[-1])
    except (SyntaxError, ValueError):
        said = None
    if not isinstance(said, dict):
        raise CourseError(f"expected `{VARIABLE} = {{image: class, ...}}`, got what is no such mapping")
    return said


def _answers_in(path: Path, expert: Mapping[Name, Name]) -> dict[Name, Name]:
    """Return the answers in one submission, which can be about the lab's images only."""
    from medcourse.grading.classroom import read_submission  # noqa: PLC0415

    notebook = parse_notebook(read_submission(path), outputs=False)
    # Of copies of the cell the last one that says something counts, as it would when they are run.
    said: dict[Name, Name] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and GAME in (cells.grade_id(cell), cell.get("id")):
            said = read_answers(cell.source) or said
    if not said:
        raise CourseError("has not played: no answers in it")
    if expert:
        classes = set(expert.values())
        strange = [item for item, label in said.items() if item not in expert or label not in classes]
        if strange:
            raise CourseError(
                f"expected images of the lab and classes {', '.join(map(str, _sorted(classes)))}, "
                f"got {strange[0]!r}: {said[strange[0]]!r} and {len(strange) - 1} more such answers"
            )
    return said


def _sorted(names: Any) -> list[Name]:
    return sorted(names, key=lambda name: (isinstance(name, str), name))
