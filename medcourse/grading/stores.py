"""Where a gradebook is kept, as a back-up sees it: what can be copied, checked, held, kept aside and put back."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from nbgrader.coursedir import CourseDirectory

from medcourse.errors import CourseError
from medcourse.grading.address import gradebook_file, gradebook_url, is_server

LOCKED_SECONDS = 30.0
"""How long another program may hold the gradebook."""


class Store(Protocol):
    """A gradebook that can be backed up.

    Attributes
    ----------
    name
        What its copy is called in a back-up.
    kind
        Its database.
    place
        Where it is, without a password.
    """

    name: str
    kind: str
    place: str

    def is_there(self) -> bool:
        """Say whether there is one."""

    def copy(self, copy: Path) -> int:
        """Write it into a file as it stands at one moment, while others may use it; return how many students it has."""

    def check(self, copy: Path) -> int:
        """Return how many students a copy has; raise a `CourseError` where it is none, or is damaged."""

    def held(self, slugs: list[str]) -> AbstractContextManager[None]:
        """Keep others from writing it, and from grading these labs, until the end of the block."""

    def keep(self, folder: Path) -> None:
        """Put what is there into a folder, sound or not."""

    def put_back(self, copy: Path) -> None:
        """Replace it by a copy, all at once."""


def store_of(directory: CourseDirectory) -> Store:
    """Return where a course keeps its gradebook.

    Raises
    ------
    CourseError
        Neither in a file of SQLite nor at a server of PostgreSQL.
    """
    url = gradebook_url(directory)
    if is_server(url):
        from medcourse.grading.dumps import ServerStore  # noqa: PLC0415

        return ServerStore(url, directory.course_id)
    path = gradebook_file(url)
    if path is None:
        raise CourseError("expected a gradebook in a file of SQLite, got another address of SQLite: name its file")
    return FileStore(path)


class FileStore:
    """A gradebook in a file of SQLite."""

    name, kind = "gradebook.db", "SQLite"

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, str(path)

    def is_there(self) -> bool:
        """Say whether there is one."""
        return self.path.is_file()

    def copy(self, copy: Path) -> int:
        """Write it into a file as it stands at one moment; see `Store`."""
        if not self.path.is_file():
            make = "run `nbgrader generate_assignment LAB --force`"
            raise CourseError(f"expected a gradebook at {self.path}, found none: {make}")
        deadline = time.monotonic() + LOCKED_SECONDS

        def wait(*_: int) -> None:  # Python tries again for ever where the database is locked
            if time.monotonic() > deadline:
                raise CourseError(f"{self.path} is held by another program: close it and run again")

        try:
            with (
                closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as old,
                closing(sqlite3.connect(copy)) as new,
            ):
                old.backup(new, progress=wait, sleep=0.05)
        except sqlite3.Error as error:
            raise CourseError(f"{self.path} cannot be copied: {error}") from None
        return self.check(copy)

    def check(self, copy: Path) -> int:
        """Return how many students a copy has; see `Store`."""
        try:
            with closing(sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro", uri=True)) as database:
                said = database.execute("pragma integrity_check").fetchone()[0]
                if said != "ok":
                    raise CourseError(f"the gradebook is damaged: {' '.join(said.split())[:200]}")
                database.execute("select id from submitted_assignment limit 1")
                return int(database.execute("select count(*) from student").fetchone()[0])
        except sqlite3.Error as error:
            raise CourseError(f"the gradebook is damaged, or is none of nbgrader's: {error}") from None

    @contextmanager
    def held(self, slugs: list[str]) -> Iterator[None]:
        """Keep others from writing it; see `Store`."""
        if not self.path.is_file():
            yield
            return
        with closing(sqlite3.connect(self.path, timeout=LOCKED_SECONDS, isolation_level=None)) as database:
            try:
                database.execute("begin exclusive")
            except sqlite3.OperationalError as error:
                raise CourseError(f"{self.path} is held by another program: {error}") from None
            except sqlite3.DatabaseError:
                pass  # not a database: the reason to restore, perhaps
            yield

    def keep(self, folder: Path) -> None:
        """Put what is there into a folder, sound or not."""
        shutil.copy2(self.path, folder)

    def put_back(self, copy: Path) -> None:
        """Move a copy to its place, which may be on another disk, with the rights that the gradebook had there."""
        half = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            shutil.copyfile(copy, half)
            half.chmod(self.path.stat().st_mode & 0o7777 if self.path.is_file() else 0o600)
            with half.open("rb") as file:
                os.fsync(file.fileno())
            half.replace(self.path)
        finally:
            half.unlink(missing_ok=True)
        for ending in ("-journal", "-wal", "-shm"):  # of the one that was replaced: they would be taken for this one's
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
