"""A gradebook in PostgreSQL as a back-up sees it, by PostgreSQL's own pg_dump and pg_restore in their custom format.

A dump is put back in one transaction: all of it, or nothing was changed. The database must be the gradebook's own.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbgrader.api import Base
from sqlalchemy import URL, Connection, inspect, text

from medcourse.errors import CourseError
from medcourse.grading.locks import WAIT_SECONDS, bounded, labs_held, server_engine
from medcourse.grading.trouble import explained

OURS = {*Base.metadata.tables, "alembic_version"}
"""The tables of a gradebook."""

ENTRIES = ("TABLE DATA", "TABLE", "TYPE", "FK CONSTRAINT", "CONSTRAINT", "INDEX")
"""What nbgrader's tables need; anything else of a dump stays in it."""

PROGRAMS = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each version."""

SECRETS = ("password", "sslpassword")
"""Parts of an address that nobody else may see."""


class ServerStore:
    """A gradebook in a database of PostgreSQL; see `stores.Store`.

    Parameters
    ----------
    url
        Of the database.
    course_id
        The course in it.
    """

    name, kind = "gradebook.dump", "PostgreSQL"

    def __init__(self, url: URL, course_id: str) -> None:
        self.url, self.course_id = bounded(url), course_id
        self.place = f"the gradebook in the database {url.database or url.query.get('service')}"

    def is_there(self) -> bool:
        """Say whether there is one."""
        with self._connected() as connection:
            return bool(_tables(connection))

    def copy(self, copy: Path) -> int:
        """Write it into a file as it stands at one moment, while others may use it; return how many students it has."""
        with self._connected() as connection:
            if "student" not in _tables(connection):
                raise CourseError(f"expected {self.place}, found none: run `nbgrader generate_assignment LAB --force`")
            snapshot = connection.execute(text("select pg_export_snapshot()")).scalar_one()
            schema = connection.execute(text("select current_schema()")).scalar_one()
            students = int(connection.execute(text("select count(*) from student")).scalar_one())
            what = ["--format", "custom", "--schema", f'"{schema}"', "--no-privileges", "--no-comments"]
            self._run(connection, "pg_dump", *what, "--snapshot", snapshot, "--file", copy, "--dbname", self._address)
        return students

    def check(self, copy: Path) -> int:
        """Return how many students a copy has; raise a `CourseError` where it is none, or is damaged."""
        self._entries(copy)
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder, "script")
            self._run(None, "pg_restore", "--file", script, copy)  # reads all of it
            return _rows_of_students(script)

    @contextmanager
    def held(self, slugs: list[str]) -> Iterator[None]:
        """Keep others from grading these labs until the end of the block."""
        with explained(), labs_held(self.url, self.course_id, slugs):
            yield

    def keep(self, folder: Path) -> None:
        """Put what is there into a folder."""
        self.copy(folder / self.name)

    def put_back(self, copy: Path) -> None:
        """Replace it by a copy, all at once."""
        with tempfile.TemporaryDirectory() as folder, self._connected() as connection:
            listed, script = Path(folder, "list"), Path(folder, "script")
            listed.write_text("\n".join(self._entries(copy)), encoding="utf-8")
            what = ["--clean", "--if-exists", "--no-owner", "--no-privileges"]
            self._run(None, "pg_restore", *what, "--use-list", listed, "--file", script, copy)
            _bound_waits(script)
            how = ["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--single-transaction"]
            self._run(connection, "psql", *how, "--file", script, "--dbname", self._address)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with explained():
            engine = server_engine(self.url)
            try:
                with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
                    yield connection
            finally:
                engine.dispose()

    @property
    def _address(self) -> str:
        """The address as PostgreSQL's programs take it, without the password: everybody may read their arguments."""
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415

        parts = self.url.get_dialect()().create_connect_args(self.url)[1]
        shown = {name: value for name, value in parts.items() if isinstance(value, str | int) and name not in SECRETS}
        return make_conninfo("", **shown)

    def _entries(self, copy: Path) -> list[str]:
        """Return the lines of a dump's table of contents that are a gradebook's."""
        lines = self._run(None, "pg_restore", "--list", copy).splitlines()
        entries = [line for line in lines if _kind(line)]
        tables = {line.split("TABLE ")[1].split()[1] for line in entries if _kind(line) == "TABLE"}
        if tables != OURS:
            raise CourseError("the gradebook is damaged, or is none of nbgrader's")
        return entries

    def _run(self, connection: Connection | None, program: str, *arguments: str | Path) -> str:
        """Run one of PostgreSQL's programs, at a server where a connection to it is given; return what it printed."""
        path, version = find_program(program)
        if connection is not None:
            wanted = int(connection.execute(text("show server_version_num")).scalar_one()) // 10_000
            if version < wanted:
                raise CourseError(
                    f"expected {program} of version {wanted}, as the server, or newer, found {version} at {path}: "
                    f"install postgresql-client-{wanted}"
                )
        secrets = {f"PG{name.upper()}": str(value) for name, value in self._secrets().items()}
        done = subprocess.run(  # noqa: S603  (a program of PostgreSQL's)
            [path, *arguments],
            env=os.environ | secrets | {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise CourseError(_reason(program, done.stderr))
        return done.stdout

    def _secrets(self) -> dict[str, str]:
        password = self.url.password or self.url.query.get("password")
        return {"password": str(password)} if password else {}


def find_program(name: str) -> tuple[str, int]:
    """Return the path and the version of the newest of PostgreSQL's programs.

    Raises
    ------
    CourseError
        There is none.
    """
    found = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: float(path.parent.parent.name))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise CourseError(f"expected PostgreSQL's {name}, found none: install postgresql-client")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = re.search(r"(\d+)", said)
    return path, int(version[1]) if version else 0


def _tables(connection: Connection) -> set[str]:
    """Return the tables of a gradebook that are there; raise where there are others."""
    found = set(inspect(connection).get_table_names())
    if others := sorted(found - OURS):
        raise CourseError(
            f"expected nothing but the gradebook in its database, found {', '.join(others)[:100]}, too: "
            "give the gradebook a database of its own"
        )
    return found


def _kind(entry: str) -> str:
    """Return what an entry of a table of contents is of, empty where it is of no concern."""
    kinds = (each for each in ENTRIES if re.match(rf"\d+; \d+ \d+ {each} ", entry))
    return next(kinds, "")


def _rows_of_students(script: Path) -> int:
    """Count the rows of one table in a script of SQL."""
    rows: int | None = None
    with script.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if rows is not None and line == "\\.\n":
                return rows
            if rows is not None:
                rows += 1
            elif re.match(r"COPY \S+\.student \(", line):
                rows = 0
    raise CourseError("the gradebook is damaged, or is none of nbgrader's")


def _bound_waits(script: Path) -> None:
    """Let a script of pg_restore's wait for other programs as long as we do, and not for ever, as it would."""
    whole = script.with_suffix(".whole")
    script.rename(whole)
    with whole.open("rb") as lines, script.open("wb") as bounded_script:
        for line in lines:
            if line == b"SET lock_timeout = 0;\n":
                bounded_script.write(f"SET lock_timeout = '{WAIT_SECONDS}s';\n".encode())
                break
            bounded_script.write(line)
        shutil.copyfileobj(lines, bounded_script)


def _reason(program: str, said: str) -> str:
    """Say in one line why one of PostgreSQL's programs gave up."""
    if "lock timeout" in said:
        return "the gradebook is held by another program: close formgrader and what else has it open, and run again"
    errors = re.findall(r"(?i)error:\s+(.*)", said)
    return f"{program} says: {' '.join((errors or [said])[0].split())[:300]}"
