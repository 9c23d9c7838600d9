"""nbgrader's database, opened once for a class, with one transaction for all that concerns a submission."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from nbgrader import api
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import URL, create_engine, event, inspect
from sqlalchemy.orm import Session, joinedload, scoped_session, sessionmaker

from medcourse.errors import CourseError
from medcourse.grading.address import gradebook_file, gradebook_url, is_server
from medcourse.grading.locks import bounded, hold_lab, lock_tables, server_engine


class _Session(Session):
    """A session whose commits are nbgrader's steps on the way to one transaction."""

    def commit(self) -> None:
        pass

    def really_commit(self) -> None:
        super().commit()


class OpenGradebook(api.Gradebook):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's gradebook, kept open.

    Parameters
    ----------
    url
        Where it is.
    course_id
        The course in it.
    slug
        A lab that no other run may write meanwhile, see `locks`; None for none.
    """

    begin_statement = "BEGIN"
    db: Any
    engine: Any

    def __init__(self, url: URL, course_id: str, slug: str | None = None) -> None:
        self._is_server = is_server(url)
        super().__init__(bounded(url) if self._is_server else url, course_id)
        self.db.remove()
        self.engine.dispose()
        if self._is_server:
            self.engine = server_engine(url)
            if slug is not None:
                hold_lab(self.engine, course_id, slug)
        else:
            # Python's driver begins a transaction late; ours asks for the lock before nbgrader does anything.
            event.listen(self.engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
            event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql(self.begin_statement))
        self.db = scoped_session(sessionmaker(class_=_Session, autoflush=True, bind=self.engine))
        self._sources: dict[tuple[str, ...], Any] = {}
        self._of_student: dict[tuple[str, ...], dict[str, Any]] = {}  # until the next close

    def close(self) -> None:
        """Forget what was loaded, so that whoever opens it next sees what was written; and stay open."""
        self.db.flush()
        self.db.expunge_all()
        self._of_student.clear()

    def begin(self) -> None:
        """Begin a transaction that is to write: no other process may write grades until it ends."""
        self.begin_statement = "BEGIN IMMEDIATE"
        connection = self.db.connection()
        if self._is_server:
            lock_tables(connection)

    def commit(self) -> None:
        """Make what was written since `begin` last."""
        self.db().really_commit()
        self.roll_back()

    def roll_back(self) -> None:
        """Forget what was not committed, and let others write."""
        self.begin_statement = "BEGIN"
        self.db.remove()

    def end(self) -> None:
        """Close it for good, which `close` does not."""
        self.db.remove()
        self.engine.dispose()

    def find_source_cell(self, *name: str) -> Any:
        """Return what the lab says of a cell; asked for in each submission, and the same in each."""
        return self._once(
            "source", super().find_source_cell, name, ("name", "cell_type", "locked", "source", "checksum")
        )

    def find_graded_cell(self, *name: str) -> Any:
        """Return what a graded cell is worth."""
        return self._once("graded", super().find_graded_cell, name, ("name", "cell_type", "max_score"))

    def find_grade(self, cell: str, *name: str) -> Any:
        """Return one grade; all of the student's notebook are loaded at once."""
        found = self._loaded(api.Grade, name).get(cell)
        return found if found is not None else super().find_grade(cell, *name)

    def find_comment(self, cell: str, *name: str) -> Any:
        """Return one comment; all of the student's notebook are loaded at once."""
        found = self._loaded(api.Comment, name).get(cell)
        return found if found is not None else super().find_comment(cell, *name)

    def _loaded(self, kind: Any, name: tuple[str, ...]) -> dict[str, Any]:
        if (kind.__name__, *name) not in self._of_student:
            notebook = self.find_submission_notebook(*name)
            query = self.db.query(kind).filter(kind.notebook_id == notebook.id)
            rows = query.options(joinedload(kind.cell)).all()
            self._of_student[kind.__name__, *name] = {row.cell.name: row for row in rows}
        return self._of_student[kind.__name__, *name]

    def _once(self, kind: str, find: Callable[..., Any], name: tuple[str, ...], fields: tuple[str, ...]) -> Any:
        if (kind, *name) not in self._sources:
            found = find(*name)
            self._sources[kind, *name] = SimpleNamespace(**{field: getattr(found, field) for field in fields})
        return self._sources[kind, *name]


def open_gradebook(directory: CourseDirectory, slug: str, *, alone: bool = False) -> OpenGradebook:
    """Open a gradebook that there is: nbgrader would make one.

    Parameters
    ----------
    directory
        Of the course.
    slug
        A lab that it should know.
    alone
        Whether to keep other machines from grading this lab for as long as it is open.

    Raises
    ------
    CourseError
        There is none that knows the lab; with `alone`, another run has the lab.
    """
    url = gradebook_url(directory)
    path = gradebook_file(url)
    is_there = path is None or path.is_file()
    if is_there:
        engine = server_engine(url) if is_server(url) else create_engine(url)
        try:
            is_there = inspect(engine).has_table("submitted_assignment")
        finally:
            engine.dispose()
    if not is_there:
        raise CourseError(f"expected a gradebook that knows {slug}: run `nbgrader generate_assignment {slug} --force`")
    return OpenGradebook(url, directory.course_id, slug if alone else None)
