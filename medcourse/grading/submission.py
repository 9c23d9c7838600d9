"""Grade one submission: a pure function of (lab, submission, settings), so it may run anywhere, in any order, again.

What goes in and comes out is plain data that can be pickled. An exception is never the student's doing: what a student
handed in ends in points or in one line that says why there are none.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

from medcourse import __version__
from medcourse.errors import CourseError
from medcourse.grading import cells as kinds
from medcourse.grading.check import put_in_hidden_tests
from medcourse.grading.engines import engine_of_this_process
from medcourse.grading.notebooks import drop_outputs, lab_notebook, parse_notebook, read_notebook, to_text
from medcourse.grading.plan import Cell, Exercise, Limits, Run, graded_cells
from medcourse.grading.release import check_slug, lab_path, release_path
from medcourse.grading.sandbox.engine import imports_of
from medcourse.grading.splice import splice

MAX_MB = 20
"""How large a submission may be, outputs not counted."""


class LabError(CourseError):
    """The lab's own tests fail on its own solution."""


class Runs(Protocol):
    """What runs cells: `sandbox.engine.Engine`, or one that `engines.engine_of_this_process` keeps."""

    def run(self, cells: Sequence[Cell], *, limits: Limits, seed: int) -> Run:
        """Run the cells of one submission in order and judge its tests."""
        ...


@dataclass(frozen=True)
class Lab:
    """The instructor's side of a lab.

    Attributes
    ----------
    slug
        Its name.
    release
        The notebook that students were given, as text; without attachments, which nobody grades.
    tests
        nbgrader's source notebook, as text: hidden tests and the reference solution.
    """

    slug: str
    release: str
    tests: str


@dataclass(frozen=True)
class Settings:
    """How a class is graded.

    Attributes
    ----------
    limits
        What the code of one submission may use.
    seed
        The class's secret, from which hidden tests draw their inputs.
    minimum_tier
        The weakest sandbox that will do, see `sandbox.walls.TIERS`.
    """

    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    minimum_tier: str = "landlock"


@dataclass(frozen=True)
class Graded:
    """What came of one submission.

    Attributes
    ----------
    run
        The verdicts; None where nothing could be graded.
    findings
        What had to be mended, a sentence each.
    problem
        Why there is no grade, in one line; empty where there is one.
    """

    run: Run | None
    findings: list[str]
    problem: str = ""


def load_lab(root: Path, slug: str) -> Lab:
    """Read a lab as an instructor has it.

    Raises
    ------
    CourseError
        Unknown, not built, or `assignments/` and `solutions/` do not belong together.
    """
    check_slug(root, slug)
    for path, advice in (
        (release_path(root, slug), "run `medcourse build`"),
        (lab_path(root, slug), "a class is graded where the solutions are"),
    ):
        if not path.is_file():
            raise CourseError(f"expected {path}, found none: {advice}")
    release, tests = read_notebook(release_path(root, slug)), lab_notebook(lab_path(root, slug))
    for cell in [*release.cells, *tests.cells]:
        cell.pop("attachments", None)
    lab = Lab(slug, to_text(release), to_text(tests))
    put_in_hidden_tests(release, tests)
    return lab


def grade_submission(lab: Lab, submission: bytes, settings: Settings, engine: Runs | None = None) -> Graded:
    """Grade what a student handed in.

    Parameters
    ----------
    lab, settings
        As `load_lab` and the caller have them.
    submission
        The notebook's file, whatever is in it.
    engine
        What runs the cells; by default the one that this process keeps.

    Raises
    ------
    CourseError
        This machine cannot run submissions as `settings` ask for: not the student's fault.
    """
    try:
        clean, findings, is_answered = _clean(lab, submission)
        todo = graded_cells(clean)
    except CourseError as error:
        return Graded(None, [], str(error))
    except Exception as error:  # ours to mend; until then a person looks at it, and nobody else waits
        return Graded(None, [], f"the grader cannot read it: {type(error).__name__}: {_line(error)}")
    run = (engine or _own_engine(lab, settings)).run(todo, limits=settings.limits, seed=settings.seed)
    if not is_answered and not run.score:
        problem = f"expected answers to {lab.slug}, found none of its answer cells: is it the notebook of another lab?"
        return Graded(None, findings, problem)
    return Graded(run, findings)


def calibrate(lab: Lab, settings: Settings, engine: Runs | None = None) -> Run:
    """Grade the reference solution, so that nobody gets 0 for a test that is wrong.

    Raises
    ------
    LabError
        It does not earn all points; names the tests and what they say.
    CourseError
        This machine cannot run it.
    """
    run = (engine or _own_engine(lab, settings)).run(
        graded_cells(parse_notebook(lab.tests)), limits=settings.limits, seed=settings.seed
    )
    failed = [each for each in run.exercises if each.score < each.points]
    if failed:
        said = "; ".join(f"`{each.id}`: {_said(each)}" for each in failed)
        raise LabError(f"the tests of {lab.slug} fail on its own solution, so nobody was graded: {said}")
    return run


def key(lab: Lab, submission: bytes, settings: Settings) -> str:
    """Return a name for all that the result depends on: the same name, the same result."""
    mine = _key_of_class(lab, settings).copy()
    mine.update(submission)
    return str(mine.hexdigest())


def key_of_solution(lab: Lab, settings: Settings) -> str:
    """Return the `key` of grading the reference solution."""
    return str(_key_of_class(lab, settings).hexdigest())


def without_pictures(submission: bytes) -> bytes:
    """Return a notebook's file without outputs and pictures, to the same grade; what is no notebook as it is."""
    try:
        found = json.loads(submission)
        drop_outputs(found, pictures=True)
        return json.dumps(found).encode()
    except (ValueError, RecursionError):
        return submission


def preload(lab: Lab) -> tuple[str, ...]:
    """Return the modules that the lab's own cells import, for a template to have them ready."""
    return tuple(imports_of(graded_cells(_parsed(lab)[1])))


@cache
def grader_version() -> str:
    """Return a digest of the code that a verdict depends on, the same on every machine that has the same code."""
    here = Path(__file__).parent
    names = ["cells.py", "check.py", "notebooks.py", "plan.py", "splice.py", "submission.py"]
    paths = [here / name for name in names] + sorted((here / "sandbox").glob("*.py"))
    digest = hashlib.sha256(__version__.encode())
    for path in [*paths, here.parent / "testing.py", here.parent / "remote.py"]:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _clean(lab: Lab, submission: bytes) -> tuple[Any, list[str], bool]:
    """Return the clean notebook with hidden tests, what was mended, and whether any answer cell was handed in."""
    release, tests = _parsed(lab)
    handed_in = parse_notebook(submission, outputs=False)
    size = len(submission) if len(submission) <= MAX_MB * 10**6 else len(to_text(handed_in).encode())
    if size > MAX_MB * 10**6:
        raise CourseError(f"expected at most {MAX_MB} MB without outputs, got {size / 1e6:.0f} MB")
    clean, findings = splice(release, handed_in)
    put_in_hidden_tests(clean, tests)
    editable = {kinds.grade_id(cell) for cell in release.cells if kinds.is_answer(cell) or kinds.is_written(cell)}
    found = {label for cell in handed_in.cells for label in (kinds.grade_id(cell), cell.get("id")) if label}
    return clean, findings, not editable.isdisjoint(found)


@lru_cache(maxsize=4)
def _parsed(lab: Lab) -> tuple[Any, Any]:
    """Return release and tests as notebooks; both are only read."""
    return parse_notebook(lab.release), parse_notebook(lab.tests)


@lru_cache(maxsize=4)
def _key_of_class(lab: Lab, settings: Settings) -> Any:
    parts = [grader_version(), asdict(lab), asdict(settings)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode() + b"\n")


def _own_engine(lab: Lab, settings: Settings) -> Runs:
    return engine_of_this_process(settings.minimum_tier, preload(lab))


def _said(exercise: Exercise) -> str:
    return exercise.message or f"{exercise.score:g} of {exercise.points:g} points"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
