"""Grade one notebook: a person's own work, on their own machine."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medcourse import __version__
from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.engines import engine_of_this_process
from medcourse.grading.hints import hints_of
from medcourse.grading.notebooks import lab_notebook, read_notebook
from medcourse.grading.plan import Exercise, Limits, graded_cells
from medcourse.grading.release import check_slug, lab_path, release_path
from medcourse.grading.sandbox.engine import imports_of
from medcourse.grading.sandbox.walls import PLAIN
from medcourse.grading.splice import splice


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    Attributes
    ----------
    lab
        The lab's slug.
    exercises
        One verdict for each test cell; written questions are graded by people and are not among them.
    hidden
        Whether the hidden tests were run too, or only what the student can read.
    notes
        What a person should know besides: cells that were mended, cells that failed.
    hints
        The lab's hint for each answer that has one, by the answer's grade_id.
    key
        A digest of what the verdicts follow from, see `OwnWork`.
    """

    lab: str
    exercises: list[Exercise]
    hidden: bool
    notes: list[str] = field(default_factory=list)
    hints: dict[str, str] = field(default_factory=dict)
    key: str = ""

    @property
    def score(self) -> float:
        """Points earned."""
        return sum(exercise.score for exercise in self.exercises)

    @property
    def max(self) -> float:
        """Points that there are."""
        return sum(exercise.points for exercise in self.exercises)

    def as_json(self) -> dict[str, Any]:
        """Return the shape that `medcourse check --json` promises."""
        shown = [{"id": e.id, "points": e.points, "score": e.score, "message": e.message} for e in self.exercises]
        return {"lab": self.lab, "score": self.score, "max": self.max, "exercises": shown}


def check(lab: str, notebook: Path, *, root: Path, limits: Limits | None = None) -> CheckResult:
    """Grade a notebook of a lab, in the best sandbox that this machine has.

    Parameters
    ----------
    lab
        The lab's slug.
    notebook
        What to grade.
    root
        The course's folder. With `solutions/` in it the hidden tests are run, else what the student can read.
    limits
        What the notebook's code may use.

    Raises
    ------
    CourseError
        Unknown lab; no notebook there, or something that is none; a course that is not built or does not run.
    """
    work = own_work(lab, notebook, root=root)
    clean, notes = work.clean, list(work.notes)
    if work.hidden:
        put_in_hidden_tests(clean, lab_notebook(lab_path(root, lab)))
    todo = graded_cells(clean)
    engine = engine_of_this_process(PLAIN, imports_of(todo))
    run = engine.run(todo, limits=limits or Limits(), seed=own_seed())
    answers = {cells.grade_id(cell) for cell in clean.cells if cells.is_answer(cell)}
    notes += [
        f"The cell `{name}` failed: {message}."
        for name, message in run.failed.items()
        if not (name in answers and message == cells.NOT_ANSWERED)
    ]
    return CheckResult(lab, run.exercises, work.hidden, notes, work.hints, work.key)


@dataclass(frozen=True)
class OwnWork:
    """A notebook of a lab, ready to be run.

    Attributes
    ----------
    clean
        The released notebook with the person's answers in it.
    notes
        What had to be mended.
    hidden
        Whether this course has the hidden tests.
    key
        A digest of everything that the verdicts follow from: the same key, the same verdicts.
    begun
        Whether it differs from what was released.
    """

    clean: Any
    notes: list[str]
    hidden: bool
    key: str
    begun: bool

    @property
    def hints(self) -> dict[str, str]:
        """The hint for each answer that has one."""
        return hints_of(self.clean)

    @property
    def max(self) -> float:
        """Points that tests give; written questions are graded by people."""
        return sum(cell.points or 0 for cell in graded_cells(self.clean))


def own_work(lab: str, notebook: Path, *, root: Path) -> OwnWork:
    """Read a notebook of a lab, running nothing; parameters and errors as for `check`."""
    check_slug(root, lab)
    released = release_path(root, lab)
    if not released.is_file():
        raise CourseError(f"expected {released}, found none: run `medcourse build`")
    clean, notes = splice(read_notebook(released), read_notebook(notebook))
    source = lab_path(root, lab)
    hidden = source.is_file()
    truth = hashlib.sha256(source.read_bytes() if hidden else b"").hexdigest()
    key = _key(clean, truth)
    return OwnWork(clean, notes, hidden, key, begun=key != _key(read_notebook(released), truth))


def _key(clean: Any, truth: str) -> str:
    todo = [asdict(cell) for cell in graded_cells(clean)]
    return hashlib.sha256(json.dumps([__version__, truth, own_seed(), todo]).encode()).hexdigest()


def own_seed() -> int:
    """Return the class's secret seed as this machine's environment has it; 0 where it has none."""
    return int(os.environ.get("MEDCOURSE_SECRET_SEED", "0"))


def put_in_hidden_tests(clean: Any, source: Any) -> None:
    """Replace the locked cells of a clean notebook by the instructor's, hidden tests included, by grade_id.

    Raises
    ------
    CourseError
        The two do not belong together.
    """
    trusted = {cells.grade_id(cell): cell for cell in source.cells if cells.metadata(cell)}
    in_clean = {cells.grade_id(cell): cell for cell in clean.cells if cells.metadata(cell)}
    same_points = {name: cells.points(cell) for name, cell in trusted.items()} == {
        name: cells.points(cell) for name, cell in in_clean.items()
    }
    if not same_points:
        raise CourseError("assignments/ is not what solutions/ would build: run `medcourse build`")
    for name, cell in in_clean.items():
        if cells.metadata(cell).get("locked"):
            cell.source = trusted[name].source
