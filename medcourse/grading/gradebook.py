"""The one writer of nbgrader's gradebook.

Verdicts take nbgrader's own way into its database and its `autograded/` folder, by its converter and the preprocessors
of nbgrader_config.py; so late penalties, grades given by hand, time stamps and checksums are its own doing. Two things
differ, for speed and for safety: the gradebook is opened once, and all that concerns a submission is one transaction.

The order is: write the notebook aside, commit the database, move the notebook to its place. So a notebook that stands
in its place, with the result's key in it, says that the gradebook has that result, whenever the power failed.
"""

import contextlib
import errno
import glob
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fastjsonschema
import jsonschema  # type: ignore[import-untyped]
import nbgrader.converters.autograde
import nbgrader.preprocessors.latesubmissions
import nbgrader.preprocessors.overwritecells
import nbgrader.preprocessors.saveautogrades
from nbconvert.exporters import NotebookExporter
from nbconvert.writers.files import FilesWriter
from nbgrader import api, utils
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import common
from sqlalchemy import exc
from traitlets.config.loader import Config, PyFileConfigLoader

from medcourse.errors import CourseError
from medcourse.grading import cells, preprocessors
from medcourse.grading.database import OpenGradebook, open_gradebook
from medcourse.grading.notebooks import parse_notebook, to_text
from medcourse.grading.plan import Run
from medcourse.grading.submission import Lab

CONFIGURATION = "nbgrader_config.py"

_LOG = logging.getLogger("medcourse.nbgrader")  # nbgrader tells what it mends, which our findings say better
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

_OPENS = [  # the modules that open the gradebook by this name, again and again for each submission
    nbgrader.converters.autograde,
    nbgrader.preprocessors.latesubmissions,
    nbgrader.preprocessors.overwritecells,
    nbgrader.preprocessors.saveautogrades,
    preprocessors,
]


class UnavailableError(CourseError):
    """The gradebook cannot be written now: what was found stays in the journal."""


class Course:
    """Where a course keeps what, by its nbgrader_config.py.

    Parameters
    ----------
    root
        The course's folder.

    Raises
    ------
    CourseError
        No configuration there, one that does not load, or one that would run submissions outside of the sandbox.
    """

    def __init__(self, root: Path) -> None:
        path = root / CONFIGURATION
        if not path.is_file():
            raise CourseError(f"expected {path}, found none: copy the course's own")
        try:
            self.config: Config = PyFileConfigLoader(CONFIGURATION, path=str(root)).load_config()
        except Exception as error:  # it is a program, and may fail as one
            raise CourseError(f"{path} does not load: {type(error).__name__}: {error}") from None
        self.directory = CourseDirectory(config=self.config, log=_LOG)
        named = [str(each) for each in self.config.Autograde.get("autograde_preprocessors", [])]
        if not any(each.endswith(".Judge") for each in named) or any(each.endswith("Execute") for each in named):
            raise CourseError(
                f"expected medcourse's Judge and no Execute in c.Autograde.autograde_preprocessors of {path}, "
                f"got {', '.join(named) or 'none'}: take it over from the course's own"
            )

    def submissions(self, slug: str) -> dict[str, Path]:
        """Return the place of the notebook that each student handed in, by name; there may be none in the folder."""
        directory = self.directory
        excluded = directory.student_id_exclude.split(",")
        before, after = directory.format_path(directory.submitted_directory, "\0", slug).split("\0")
        folders = glob.glob(f"{glob.escape(before)}*{glob.escape(after)}")  # noqa: PTH207  (a student is no path)
        students = {folder[len(before) : len(folder) - len(after)]: folder for folder in sorted(folders)}
        return {
            student: Path(folder, f"{slug}.ipynb") for student, folder in students.items() if student not in excluded
        }

    def autograded(self, slug: str, student: str) -> Path:
        """Return the folder of a student's graded notebook."""
        return Path(self.directory.format_path(self.directory.autograded_directory, student, slug))


class Recorder:
    """The gradebook, open for one run.

    Raises
    ------
    UnavailableError
        It is locked or cannot be reached.
    CourseError
        It does not know the lab, or knows another version of it.
    """

    def __init__(self, course: Course, lab: Lab) -> None:
        self.course, self.lab = course, lab
        with _explained(), _quiet():
            self._book = open_gradebook(course.directory, lab.slug)
            try:
                self._check()
                self._converter = _Converter(course, self._book)
                self._converter.clear()
            except BaseException:
                self._book.end()
                raise

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the gradebook."""
        with contextlib.suppress(OSError), _quiet():
            self._converter.clear()
        self._book.end()

    def record(self, student: str, submission: bytes, run: Run, key: str) -> None:
        """Write what was found of a submission into the gradebook and `autograded/`, in place of what was there.

        Raises
        ------
        UnavailableError
            The gradebook is locked or read-only, the disk is full.
        CourseError
            nbgrader cannot take this one.
        """
        with _explained(self.course.autograded(self.lab.slug, student), student), _quiet(), _kept_ready(self._book):
            try:
                self._book.begin()
                self._converter.convert(self.lab.slug, student, submission, ({"key": key}, run))
                self._book.commit()
            except BaseException:
                self._book.roll_back()
                raise
            self._converter.place(self.lab.slug, student)

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Return the automatic score of each cell by its name, for each student that the gradebook has a grade of."""
        found: dict[str, dict[str, float | None]] = {}
        assignment, submission, notebook = api.Assignment, api.SubmittedAssignment, api.SubmittedNotebook
        with _explained(), _quiet():
            query = self._book.db.query(submission.student_id, api.BaseCell.name, api.Grade.auto_score)
            query = query.join(assignment, assignment.id == submission.assignment_id)
            query = query.join(notebook, notebook.assignment_id == submission.id)
            query = query.join(api.Grade, api.Grade.notebook_id == notebook.id)
            query = query.join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
            for student, cell, score in query.filter(assignment.name == self.lab.slug):
                found.setdefault(student, {})[cell] = score
            self._book.roll_back()
        return found

    def placed_key(self, student: str) -> str:
        """Return the key of the result that stands in `autograded/`, empty where there is none."""
        try:
            path = self.course.autograded(self.lab.slug, student) / f"{self.lab.slug}.ipynb"
            return str(json.loads(path.read_bytes())["metadata"]["medcourse"]["key"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _check(self) -> None:
        """Hold the gradebook to the lab that is graded."""
        regenerate = f"run `nbgrader generate_assignment {self.lab.slug} --force`"
        try:
            notebook = self._book.find_notebook(self.lab.slug, self.lab.slug)
        except api.MissingEntry:
            raise CourseError(f"expected {self.lab.slug} in the gradebook, found none: {regenerate}") from None
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        locked = {cell.name: cell.source for cell in notebook.source_cells if cell.locked}
        self._book.roll_back()
        ours = [cell for cell in parse_notebook(self.lab.tests).cells if cells.metadata(cell)]
        same_points = points == {cells.grade_id(c): cells.points(c) for c in ours if cells.metadata(c).get("grade")}
        if not same_points or locked != {cells.grade_id(c): c.source for c in ours if cells.metadata(c).get("locked")}:
            raise CourseError(f"the gradebook has another version of {self.lab.slug} than solutions/: {regenerate}")


class _Converter(Autograde):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's autograde for submissions that have been run, one after another with the same objects.

    Attributes
    ----------
    outcome
        What `preprocessors.Judge` writes down: what else to note in the notebook, and the run.
    """

    outcome: tuple[dict[str, str], Run] | None = None

    def __init__(self, course: Course, book: OpenGradebook) -> None:
        super().__init__(coursedir=course.directory, config=course.config, log=_LOG)
        self.course = course
        self.writer = FilesWriter(parent=self, config=self.config)  # type: ignore[no-untyped-call]
        exporter: Any = NotebookExporter
        self.exporter = exporter(parent=self, config=self.config)
        for each in [*self.sanitize_preprocessors, *self.autograde_preprocessors]:
            self.exporter.register_preprocessor(each)

    @property
    def _output_directory(self) -> str:
        """A folder on the same disk as `autograded/`, out of sight of nbgrader's globs."""
        return os.path.join(self.coursedir.autograded_directory, ".recording")  # noqa: PTH118  (as nbgrader has it)

    def clear(self) -> None:
        """Remove what a run that was killed left behind."""
        folder = Path(self.coursedir.root, self._output_directory)
        if folder.is_dir():
            utils.rmtree(str(folder))

    def convert(self, slug: str, student: str, submission: bytes, outcome: tuple[dict[str, str], Run]) -> None:
        """Write the graded notebook aside and its grades into the open transaction."""
        self.clear()
        self.outcome = outcome
        self.notebooks = [str(Path(self._format_source(slug, student), f"{slug}.ipynb"))]
        self.init_assignment(slug, student)
        about = {"student": student, "assignment": slug, "notebook": slug, "db_url": self.coursedir.db_url}
        resources: Any = {"unique_key": slug, "output_files_dir": f"{slug}_files", "nbgrader": about}
        resources = self.exporter._init_resources(resources)
        notebook = parse_notebook(submission, outputs=False)
        for each in self.exporter._preprocessors:  # as the exporter does, but for its copies of the whole notebook
            notebook, resources = each(notebook, resources)
        self.write_single_notebook(to_text(notebook), resources)
        self.set_permissions(slug, student)
        _to_disk(Path(self._format_dest(slug, student), f"{slug}.ipynb"))

    def place(self, slug: str, student: str) -> None:
        """Move the graded notebook to where nbgrader looks for it."""
        new, place = Path(self._format_dest(slug, student)), self.course.autograded(slug, student)
        place.parent.mkdir(parents=True, exist_ok=True)
        if self.coursedir.groupshared:
            with contextlib.suppress(PermissionError):
                place.parent.chmod(place.parent.stat().st_mode & 0o2777 | 0o2770)
        if place.exists():
            place.rename(new.with_name(f".{slug}.old"))
        new.rename(place)
        self.clear()


@contextlib.contextmanager
def _kept_ready(book: OpenGradebook) -> Iterator[None]:
    """Let nbgrader have the open gradebook wherever it would open one, and not check its own schema at each cell."""
    before = [module.Gradebook for module in _OPENS]
    for module in _OPENS:
        module.Gradebook = lambda *_, **__: book
    common.jsonschema = SimpleNamespace(validate=_validate)
    try:
        yield
    finally:
        for module, original in zip(_OPENS, before, strict=True):
            module.Gradebook = original
        common.jsonschema = jsonschema


def _validate(instance: Any, schema: Any) -> None:
    _compiled(json.dumps(schema))(instance)


@cache
def _compiled(schema: str) -> Callable[[Any], Any]:
    check: Callable[[Any], Any] = fastjsonschema.compile(json.loads(schema))
    return check


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep SQLAlchemy's warnings about nbgrader's models, and nbgrader's log, from the person who grades."""
    import traitlets.log  # noqa: PLC0415

    logger: Any = traitlets.log.get_logger()
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _explained(place: Path | None = None, student: str = "") -> Iterator[None]:
    """Say in one line why the gradebook does not take what it should."""
    try:
        yield
    except CourseError:
        raise
    except Exception as error:  # nbgrader raises its own, SQLAlchemy's, nbconvert's and the system's
        reason = _unavailable(error, place)
        if reason or not student:
            advice = "what was graded is kept: mend that and run again"
            raise UnavailableError(f"the gradebook cannot be used: {reason or _line(error)}: {advice}") from None
        raise CourseError(f"nbgrader cannot record it: {type(error).__name__}: {_line(error)}") from None


def _unavailable(error: BaseException | None, place: Path | None) -> str:
    """Return what is wrong with the database or the disk, empty where the trouble is of one submission."""
    while error is not None:
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or type(error) is exc.DatabaseError:
            return _line(error.orig or error)
        if isinstance(error, OSError):
            everywhere = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
            ours = place is not None and str(error.filename or "").startswith(str(place.parents[1]))
            if everywhere or ours:
                return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
        error = error.__cause__ or error.__context__
    return ""


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
