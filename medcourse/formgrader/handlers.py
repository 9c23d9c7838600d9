"""What our pages in formgrader answer: the labs, a lab's state, the click on its button."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

from nbgrader.server_extensions.formgrader import handlers as stock
from nbgrader.server_extensions.formgrader.base import BaseApiHandler, check_notebook_dir, check_xsrf
from tornado import web

from medcourse.errors import CourseError
from medcourse.formgrader.runs import Runs
from medcourse.grading.gradebook import Course
from medcourse.grading.journal import FOLDER
from medcourse.grading.release import check_slug, known_labs
from medcourse.grading.report import ClassReport, report

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])

HERE = Path(__file__).parent
RUNS = "medcourse_runs"
"""Under which name the server keeps the runs."""


@dataclass(frozen=True)
class LabState:
    """A lab in the list: how many handed in, and when it was last graded, UTC; None where it was not."""

    slug: str
    submissions: int
    graded: datetime | None


def _answered(method: Method) -> Method:
    """Let a method answer as nbgrader's do: to who is logged in, with a cookie against requests of other sites."""
    return cast("Method", web.authenticated(check_xsrf(check_notebook_dir(method))))


class _Handler(BaseApiHandler):  # type: ignore[misc]  # nbgrader has no types
    """What all of them know."""

    @property
    def root(self) -> Path:
        """The course's folder."""
        return Path(self.coursedir.root)

    @property
    def runs(self) -> Runs:
        """The runs of this server."""
        runs: Runs = self.settings[RUNS]
        return runs

    def checked(self, lab: str) -> str:
        """Return the lab if the course has it; the answer is 404 else."""
        try:
            check_slug(self.root, lab)
        except CourseError as error:
            raise web.HTTPError(404, str(error)) from None
        return lab

    def write_page(self, template: str, **values: Any) -> None:
        """Answer with a page."""
        self.write(self.render(template, base_url=self.base_url, **values))

    def forget_gradebook(self) -> None:
        """Let formgrader read anew what another process has written."""
        gradebook, self.settings["nbgrader_gradebook"] = self.settings["nbgrader_gradebook"], None
        if gradebook is not None:
            gradebook.close()


class ClassHandler(_Handler):
    """The labs of the course."""

    @_answered
    async def get(self) -> None:
        """Show them."""
        labs, problem = await asyncio.to_thread(_or_problem, lambda: lab_states(self.root))
        self.write_page("class_list.html.j2", labs=labs or [], problem=problem, runs=self.runs, root=self.root)


class LabHandler(_Handler):
    """A lab's page."""

    @_answered
    async def get(self, lab: str) -> None:
        """Show it, with the state that it has now."""
        self.write_page("class_lab.html.j2", lab=self.checked(lab), **await state(self.root, lab, self.runs))


class StateHandler(_Handler):
    """The part of a lab's page that changes."""

    @_answered
    async def get(self, lab: str) -> None:
        """Show it."""
        self.write_page("class_state.html.j2", lab=self.checked(lab), **await state(self.root, lab, self.runs))


class GradeHandler(_Handler):
    """The button."""

    @_answered
    def post(self, lab: str) -> None:
        """Grade the class, unless a run of this lab goes on: then that one is shown."""
        _, is_new = self.runs.start(self.root, self.checked(lab), self.forget_gradebook)
        self.set_status(202 if is_new else 200)
        self.write({"started": is_new})


class StopHandler(_Handler):
    """The other button."""

    @_answered
    def post(self, lab: str) -> None:
        """End the run that goes on, if one does."""
        self.runs.stop(self.root, self.checked(lab))
        self.write({})


class TableHandler(_Handler):
    """The report as a table."""

    @_answered
    async def get(self, lab: str) -> None:
        """Send a row for each student."""
        try:
            table = await asyncio.to_thread(_table, self.root, self.checked(lab))
        except CourseError as error:
            raise web.HTTPError(404, str(error)) from None
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{lab}.csv"')
        self.finish(table)


class StyleHandler(_Handler):
    """A style sheet of formgrader's: nbgrader's, and what makes its pages fit into JupyterLab's frame."""

    @_answered
    def get(self, name: str) -> None:
        """Send both."""
        sheets = (Path(stock.static_path, "css", name), HERE / "static" / name)
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.finish("\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets))


def handlers(base_url: str) -> list[tuple[Any, ...]]:
    """Return the addresses, below the server's own."""
    lab = r"(\d\d_\w+)"
    routes = [
        (r"class/?", ClassHandler),
        (rf"class/{lab}/?", LabHandler),
        (rf"class/{lab}/state", StateHandler),
        (rf"class/{lab}/report\.csv", TableHandler),
        (rf"api/class/{lab}/grade", GradeHandler),
        (rf"api/class/{lab}/stop", StopHandler),
        (r"static/css/(nbgrader\.css|formgrade\.css)", StyleHandler),
        (r"class/static/(.*)", web.StaticFileHandler, {"path": HERE / "static"}),
    ]
    return [(f"{base_url.rstrip('/')}/formgrader/{address}", *rest) for address, *rest in routes]


async def state(root: Path, lab: str, runs: Runs) -> dict[str, Any]:
    """Return what a lab's page shows: how many handed in, the run, and what is known of the class once it has ended."""
    run = runs.last(root, lab)
    handed_in, problem = await asyncio.to_thread(_or_problem, lambda: len(Course(root).submissions(lab)))
    found: ClassReport | None = None
    if _last_graded(root, lab) and not (run and run.is_on):
        found, problem = await asyncio.to_thread(_or_problem, lambda: report(root, lab))
    return {"run": run, "submissions": handed_in or 0, "report": found, "problem": problem}


def lab_states(root: Path) -> list[LabState]:
    """Return the labs of a course, in its order."""
    course = Course(root)
    return [LabState(lab, len(course.submissions(lab)), _last_graded(root, lab)) for lab in known_labs(root)]


def _last_graded(root: Path, lab: str) -> datetime | None:
    try:
        journal = (root / FOLDER / f"{lab}.jsonl").stat()
    except OSError:
        return None
    # A run that could not begin leaves an empty one.
    return datetime.fromtimestamp(journal.st_mtime, UTC) if journal.st_size else None


def _or_problem(get: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return get(), ""
    except CourseError as error:
        return None, str(error)


def _table(root: Path, lab: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.csv")
        report(root, lab).write_csv(path)
        return path.read_text(encoding="utf-8")
