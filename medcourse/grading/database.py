"""nbgrader's database, opened once for a class, with one transaction for all that concerns a submission."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nbgrader import api
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import URL, create_engine, event, inspect, make_url
from sqlalchemy.orm import Session, joinedload, scoped_session, sessionmaker

from medcourse.errors import CourseError


class _Session(Session):
    """A session whose commits are nbgrader's steps on the way to one transaction."""

    def commit(self) -> None:
        pass

    def really_commit(self) -> None:
        super().commit()


class OpenGradebook(api.Gradebook):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's gradebook, kept open."""

    begin_statement = "BEGIN"
    db: Any

    def __init__(self, url: str, course_id: str) -> None:
        super().__init__(url, course_id)
        self.db.remove()
        self.engine.dispose()
        self.db = scoped_session(sessionmaker(class_=_Session, autoflush=True, bind=self.engine))
        self._sources: dict[tuple[str, ...], Any] = {}
        self._of_student: dict[tuple[str, ...], dict[str, Any]] = {}  # until the next close
        if self.engine.dialect.name == "sqlite":
            # Python's driver begins a transaction late; ours asks for the lock before nbgrader does anything.
            event.listen(self.engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
            event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql(self.begin_statement))

    def close(self) -> None:
        """Forget what was loaded, so that whoever opens it next sees what was written; and stay open."""
        self.db.flush()
        self.db.expunge_all()
        self._of_student.clear()

    def begin(self) -> None:
        """Begin a transaction that is to write: no other process may until it ends."""
        self.begin_statement = "BEGIN IMMEDIATE"
        self.db.connection()

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


def gradebook_file(directory: CourseDirectory, *, is_there: bool = True) -> Path:
    """Return the file that a gradebook is.

    Parameters
    ----------
    directory
        Of the course.
    is_there
        Whether it has to be there.

    Raises
    ------
    CourseError
        It is kept by a server, or is not there.
    """
    url = make_url(directory.db_url)
    path = _file(url)
    if path is None:
        kind = url.get_backend_name()
        advice = "its own tools, as pg_dump, back it up" if kind != "sqlite" else "name its file"
        raise CourseError(f"expected a gradebook in a file of SQLite, got one at {kind}: {advice}")
    if is_there and not path.is_file():
        raise CourseError(f"expected a gradebook at {path}, found none: run `nbgrader generate_assignment`")
    return path


def open_gradebook(directory: CourseDirectory, slug: str) -> OpenGradebook:
    """Open a gradebook that there is: nbgrader would make one."""
    url = make_url(directory.db_url)
    path = _file(url)
    is_there = path is None or path.is_file()
    if is_there:
        engine = create_engine(url)
        try:
            is_there = inspect(engine).has_table("submitted_assignment")
        finally:
            engine.dispose()
    if not is_there:
        raise CourseError(f"expected a gradebook that knows {slug}: run `nbgrader generate_assignment {slug} --force`")
    return OpenGradebook(directory.db_url, directory.course_id)


def _file(url: URL) -> Path | None:
    """Return the file of a gradebook; None for one of a server, in memory, or under an address of SQLite's."""
    named = str(url.database or "")
    return (
        Path(named) if url.get_backend_name() == "sqlite" and named and not named.startswith((":", "file:")) else None
    )
