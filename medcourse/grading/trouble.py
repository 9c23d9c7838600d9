"""Say in one line why nbgrader's gradebook does not take what it should, and keep its own noise away."""

import contextlib
import errno
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import exc

from medcourse.errors import CourseError

_OF_DATABASE = (exc.OperationalError, exc.InterfaceError, exc.ProgrammingError, exc.InternalError)
"""What the database says of itself; DataError and IntegrityError are of what it was given."""

_OTHER_VERSION = "another version of nbgrader made it: run `nbgrader db upgrade`"


class UnavailableError(CourseError):
    """The gradebook cannot be written now: what was found stays in the journal."""


class HeldError(UnavailableError):
    """Another run, perhaps on another machine, grades the lab."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
def explained(place: Path | None = None, student: str = "") -> Iterator[None]:
    """Say in one line why the gradebook does not take what it should, where a student is given of this one."""
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
        if isinstance(error, _OF_DATABASE) or type(error) is exc.DatabaseError:
            return _OTHER_VERSION if _is_other_version(error.orig) else _line(error.orig or error)
        if isinstance(error, OSError):
            everywhere = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
            ours = place is not None and str(error.filename or "").startswith(str(place.parents[1]))
            if everywhere or ours:
                return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
        error = error.__cause__ or error.__context__
    return ""


def _is_other_version(error: BaseException | None) -> bool:
    """Say whether a table or a column is not there."""
    said = str(error).startswith(("no such column", "no such table"))
    return said or getattr(error, "sqlstate", None) in {"42P01", "42703"}


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
