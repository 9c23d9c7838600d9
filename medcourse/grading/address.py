"""Where nbgrader's gradebook is kept, a file of SQLite or a database of PostgreSQL; in words, what is wrong with it.

An address holds a password, so nothing of an address that cannot be read is ever shown.
"""

from pathlib import Path
from typing import Any

from nbgrader.coursedir import CourseDirectory
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from medcourse.errors import CourseError

FORM = "postgresql+psycopg://NAME:PASSWORD@HOST/DATABASE"
"""What an address of PostgreSQL looks like."""

_SIGNS = "with each @, : and / of the password as %40, %3A and %2F"


def gradebook_url(directory: CourseDirectory) -> URL:
    """Return where a course keeps its gradebook.

    Raises
    ------
    CourseError
        The address is none, is of another kind of database, names no database, or its driver is not installed. The
        message shows no part of it that may be a password.
    """
    try:
        url = make_url(directory.db_url)
    except (ArgumentError, ValueError):  # whose own message may quote the password
        raise CourseError(f"the address of the gradebook cannot be read: expected {FORM}, {_SIGNS}") from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        return url
    if kind != "postgresql":
        raise CourseError(f"expected a gradebook at sqlite:///FILE or {FORM}, got one at {kind}")
    if "@" in (url.host or ""):
        raise CourseError(f"the address of the gradebook has two @: expected {FORM}, {_SIGNS}")
    if not url.database and "service" not in url.query:
        raise CourseError(f"the address of the gradebook names no database: expected {FORM}")
    _check_driver(url)
    return url


def gradebook_file(url: URL) -> Path | None:
    """Return the file that a gradebook is; None for one of a server, in memory, or under an address of SQLite's."""
    named = str(url.database or "")
    return (
        Path(named) if url.get_backend_name() == "sqlite" and named and not named.startswith((":", "file:")) else None
    )


def is_server(url: URL) -> bool:
    """Say whether a server keeps the gradebook, so that several machines may write it."""
    return url.get_backend_name() == "postgresql"


def _check_driver(url: URL) -> None:
    driver: Any = url.get_driver_name()
    if driver != "psycopg":
        raise CourseError(f"expected a gradebook at {FORM}, got one at postgresql+{driver}")
    try:
        import psycopg  # noqa: F401, PLC0415
    except ImportError:  # none, or one without libpq
        advice = "run `pip install -c constraints.txt -e '.[postgresql]'`"
        raise CourseError(f"a gradebook in PostgreSQL needs psycopg: {advice}") from None
