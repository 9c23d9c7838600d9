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


class UnavailableError(CourseError):
    """The gradebook cannot be written now: what was found stays in the journal."""


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
        if isinstance(error, exc.OperationalError | exc.InterfaceError) or type(error) is exc.DatabaseError:
            return _line(error.orig or error)
        if isinstance(error, OSError):
            everywhere = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
            ours = place is not None and str(error.filename or "").startswith(str(place.parents[1]))
            if everywhere or ours:
                return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
        error = error.__cause__ or error.__context__
    return ""


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
