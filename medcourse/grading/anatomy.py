"""Hold a lab to its form while it is built, so that an author's slip is one line and not a class's lost points."""

import re
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.cells import HIDDEN_TESTS, MARK_SCHEME, MARKERS, SOLUTION
from medcourse.grading.lint import lint_lab

_GRADE_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")


def validate_lab(notebook: Any, name: str) -> None:
    """Raise unless the source notebook of a lab has the form that graders and students rely on.

    Parameters
    ----------
    notebook
        As `notebooks.lab_notebook` makes it.
    name
        What the message calls it.

    Raises
    ------
    CourseError
        The first slip found: the cell, what was expected, what was got.
    """
    ids: list[str] = []
    answers: list[str] = []
    tested: set[str] = set()
    for number, cell in enumerate(notebook.cells, start=1):
        where = f"{name}, cell `{cells.grade_id(cell) or number}`"
        try:
            _check_metadata(cell, first_code=not ids)
            _check_markers(cell)
            if (grade_id := cells.grade_id(cell)) is None:
                continue
            if grade_id in ids:
                raise ValueError("expected each grade_id once, got it twice")
            ids.append(grade_id)
            if cells.is_answer(cell):
                answers.append(grade_id)
            elif cells.is_test(cell):
                answer = cells.answer_of(grade_id, answers)
                if answer is None:
                    raise ValueError(f"expected a test named <answer>_<property> after its answer, one of {answers}")
                tested.add(answer)
        except ValueError as error:
            raise CourseError(f"{where}: {error}") from None
    if cells.SETUP not in ids:
        raise CourseError(f"{name}: expected a locked cell with grade_id `{cells.SETUP}`, found none")
    for answer in answers:
        if answer not in tested:
            raise CourseError(
                f"{name}, cell `{answer}`: expected at least one test cell `{answer}_<property>`, found none"
            )
    for finding in lint_lab(notebook):
        raise CourseError(f"{name}, {finding}")


def _check_metadata(cell: Any, *, first_code: bool) -> None:
    meta = cells.metadata(cell)
    if not meta:
        if cells.is_run(cell):
            tags = " or ".join(sorted(cells.NOT_RUN))
            raise ValueError(f"expected nbgrader metadata or a tag {tags} on a code cell, got neither: is it graded?")
        return
    if not _GRADE_ID.fullmatch(str(meta.get("grade_id", ""))):
        raise ValueError(f"expected a grade_id of a-z, 0-9 and _, got {meta.get('grade_id')!r}")
    if cell.cell_type == "code" and not cells.is_run(cell):
        raise ValueError(f"expected no nbgrader metadata on a cell that is not run, tagged {cell.metadata.tags}")
    if first_code and meta["grade_id"] != cells.SETUP:
        raise ValueError(f"expected the first graded or locked cell to be `{cells.SETUP}`")
    if meta.get("grade") and not cells.points(cell) > 0:
        raise ValueError(f"expected points on a graded cell, got {meta.get('points')!r}")
    if cells.is_written(cell) != (cell.cell_type == "markdown"):
        raise ValueError("expected a written question in markdown and everything else with nbgrader metadata in code")
    if bool(meta.get("locked")) == (cells.is_answer(cell) or cells.is_written(cell)):
        raise ValueError("expected answers unlocked and everything else locked")


def _check_markers(cell: Any) -> None:
    allowed = {
        SOLUTION: cells.is_answer(cell) or cells.is_written(cell),
        HIDDEN_TESTS: cells.is_test(cell),
        MARK_SCHEME: cells.is_written(cell),
    }
    for marker in MARKERS:
        found = cells.regions(cell.source, marker)
        if not allowed[marker]:
            if found:
                raise ValueError(f"{marker.begin} does not belong in a cell of this kind")
        elif len(found) == 0:
            raise ValueError(f"expected {marker.begin} and {marker.end}, found none")
        elif not any(line.strip() for region in found for line in region):
            raise ValueError(f"expected something between {marker.begin} and {marker.end}, found nothing")
    if cells.is_written(cell):
        # The scheme is cut off for students and put back for the person who grades: both need it at the end.
        last = cell.source.rstrip().split("\n")[-1]
        if MARK_SCHEME.end not in last:
            raise ValueError(f"expected the marking scheme at the end of the cell, got {last!r} there")
