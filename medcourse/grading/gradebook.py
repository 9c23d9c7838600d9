"""The one writer of nbgrader's gradebook.

Verdicts take nbgrader's own way into its database and its `autograded/` folder, by its converter and the preprocessors
of nbgrader_config.py; so late penalties, grades given by hand, time stamps and checksums are its own doing. Two things
differ, for speed and for safety: the gradebook is opened once, and all that concerns a submission is one transaction.

The order is: write the notebook aside, commit the database, move the notebook to its place. So a notebook that stands
in its place, with the result's key in it, says that the gradebook has that result, whenever the power failed.
"""

import contextlib
import glob
import json
import logging
import os
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
from traitlets.config.loader import Config, PyFileConfigLoader

from medcourse.errors import CourseError
from medcourse.grading import cells, late, preprocessors
from medcourse.grading.database import OpenGradebook, open_gradebook
from medcourse.grading.extensions import read_extensions
from medcourse.grading.notebooks import parse_notebook, to_text
from medcourse.grading.plan import Run
from medcourse.grading.submission import Lab
from medcourse.grading.trouble import explained, quiet

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
    late,
]


class Course:
    """Where a course keeps what, by its nbgrader_config.py.

    Parameters
    ----------
    root
        The course's folder.

    Raises
    ------
    CourseError
        No configuration there, one that does not load, one that would run submissions outside of the sandbox, or a
        late policy that is none.
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
        late.penaliser_of(self.config)

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
    """The gradebook, open for one run, which has the lab for itself.

    Raises
    ------
    HeldError
        A run on another machine has the lab.
    UnavailableError
        It is locked or cannot be reached.
    CourseError
        It does not know the lab, or knows another version of it.
    """

    def __init__(self, course: Course, lab: Lab) -> None:
        self.course, self.lab = course, lab
        with explained(), quiet():
            self._book = open_gradebook(course.directory, lab.slug, alone=True)
            try:
                self._check()
                self._converter = _Converter(course, lab.slug)
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
        with contextlib.suppress(OSError), quiet():
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
        with explained(self.course.autograded(self.lab.slug, student), student), quiet(), _kept_ready(self._book):
            try:
                self._book.begin()
                reviewed = self._reviewed(student)
                self._converter.convert(self.lab.slug, student, submission, ({"key": key}, run))
                self._keep_reviewed(student, reviewed)
                self._book.commit()
            except BaseException:
                self._book.roll_back()
                raise
            self._converter.place(self.lab.slug, student)

    def _reviewed(self, student: str) -> dict[str, float | None]:
        """Return the automatic score of each cell that a person has given points for and is done with."""
        try:
            notebook = self._book.find_submission_notebook(self.lab.slug, self.lab.slug, student)
        except api.MissingEntry:
            return {}
        done = (each for each in notebook.grades if each.manual_score is not None and not each.needs_manual_grade)
        return {each.name: each.auto_score for each in done}

    def _keep_reviewed(self, student: str, reviewed: dict[str, float | None]) -> None:
        """Ask nobody to look again where the same answer earned the same; nbgrader asks after each run."""
        if not reviewed:
            return
        name = f"{self.lab.slug}.ipynb"
        old, new = (
            self.course.autograded(self.lab.slug, student) / name,
            self._converter.written(self.lab.slug, student),
        )
        if not old.is_file() or _answers(old) != _answers(new):
            return
        notebook = self._book.find_submission_notebook(self.lab.slug, self.lab.slug, student)
        for grade in notebook.grades:
            if grade.name in reviewed and grade.auto_score == reviewed[grade.name]:
                grade.needs_manual_grade = False
        self._book.db.flush()

    def scores(self) -> dict[str, dict[str, float | None]]:
        """Return the automatic score of each cell by its name, for each student that the gradebook has a grade of."""
        found: dict[str, dict[str, float | None]] = {}
        assignment, submission, notebook = api.Assignment, api.SubmittedAssignment, api.SubmittedNotebook
        with explained(), quiet():
            query = self._book.db.query(submission.student_id, api.BaseCell.name, api.Grade.auto_score)
            query = query.join(assignment, assignment.id == submission.assignment_id)
            query = query.join(notebook, notebook.assignment_id == submission.id)
            query = query.join(api.Grade, api.Grade.notebook_id == notebook.id)
            query = query.join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
            for student, cell, score in query.filter(assignment.name == self.lab.slug):
                found.setdefault(student, {})[cell] = score
            self._book.roll_back()
        return found

    def renew_penalties(self) -> None:
        """Bring late penalties up to date; see there."""
        with explained(), quiet():
            renew_penalties(self._book, self.course, self.lab.slug)

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


@contextlib.contextmanager
def opened(course: Course, slug: str) -> Iterator[OpenGradebook]:
    """Open the gradebook for a look, or for a change that is one transaction.

    Raises
    ------
    CourseError
        There is none that knows the lab, or it cannot be used.
    """
    with explained(), quiet():
        book = open_gradebook(course.directory, slug)
        try:
            yield book
        finally:
            book.end()


def renew_penalties(book: OpenGradebook, course: Course, slug: str) -> list[late.Renewal]:
    """Bring extensions and late penalties up to date, for points were given by hand or a student has longer.

    Returns
    -------
    list of Renewal
        What was changed; their notebooks are no longer of a session.
    """
    extensions = read_extensions(Path(course.directory.root))

    def renewals() -> list[late.Renewal]:
        return list(late.renewals(book.db, slug, course.config, extensions))

    found = renewals()
    book.roll_back()
    if not found:  # which is to be known without keeping others from writing
        return []
    try:
        book.begin()
        found = renewals()
        for each in found:
            each.notebook.late_submission_penalty = each.after
            each.notebook.assignment.extension = each.extension
        book.commit()
    except BaseException:
        book.roll_back()
        raise
    return found


class _Converter(Autograde):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's autograde for submissions that have been run, one after another with the same objects.

    Attributes
    ----------
    outcome
        What `preprocessors.Judge` writes down: what else to note in the notebook, and the run.
    """

    outcome: tuple[dict[str, str], Run] | None = None

    def __init__(self, course: Course, slug: str) -> None:
        super().__init__(coursedir=course.directory, config=course.config, log=_LOG)
        self.course, self.slug = course, slug
        self.writer = FilesWriter(parent=self, config=self.config)  # type: ignore[no-untyped-call]
        exporter: Any = NotebookExporter
        self.exporter = exporter(parent=self, config=self.config)
        for each in [*self.sanitize_preprocessors, *self.autograde_preprocessors]:
            self.exporter.register_preprocessor(each)

    @property
    def _output_directory(self) -> str:
        """A folder of this lab alone on the same disk as `autograded/`, out of sight of nbgrader's globs."""
        # Another lab may be graded meanwhile. A path of nbgrader's is text.
        return os.path.join(self.coursedir.autograded_directory, f".recording-{self.slug}")  # noqa: PTH118

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
        _to_disk(self.written(slug, student))

    def written(self, slug: str, student: str) -> Path:
        """Return where `convert` writes a notebook aside."""
        return Path(self._format_dest(slug, student), f"{slug}.ipynb")

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


def _answers(path: Path) -> dict[str, str]:
    """Return what a student wrote in a graded notebook by grade_id, without marking schemes."""
    found = parse_notebook(path.read_bytes(), outputs=False).cells
    answers = [cell for cell in found if cells.is_answer(cell) or cells.is_written(cell)]
    return {str(cells.grade_id(cell)): cells.split_mark_scheme(cell.source)[0].strip() for cell in answers}


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
