"""Who has longer for a lab: `grading/extensions.csv`, with the columns lab, student, until (ISO 8601, in UTC).

It holds extensions of students who have not handed in yet, whom nbgrader's gradebook cannot hold. `late` puts them into
the gradebook when there is something to put them to.
"""

import csv
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading.files import write_whole
from medcourse.grading.journal import FOLDER, grading_folder

TABLE = "extensions.csv"
COLUMNS = ["lab", "student", "until"]

Extensions = dict[tuple[str, str], datetime]
"""By lab and student until when, in UTC and without a zone, as nbgrader keeps times."""


def read_extensions(root: Path) -> Extensions:
    """Return all extensions; none where there is no table.

    Raises
    ------
    CourseError
        The table cannot be read, or says something twice or wrongly; names the line.
    """
    path = root / FOLDER / TABLE
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CourseError(f"cannot read {path}: {error}") from None
    found: Extensions = {}
    lines = csv.reader(io.StringIO(text))
    if next(lines, None) != COLUMNS:
        raise CourseError(f"expected the columns {','.join(COLUMNS)} in {path}: mend it, or remove it")
    for line in lines:
        if not line:
            continue
        if len(line) != len(COLUMNS) or tuple(line[:2]) in found:
            raise CourseError(f"line {lines.line_num} of {path} is doubled or has not three values: mend it")
        try:
            found[line[0], line[1]] = parse_time(line[2])
        except CourseError as error:
            raise CourseError(f"line {lines.line_num} of {path}: {error}") from None
    return found


def write_extension(root: Path, slug: str, student: str, until: datetime | None) -> None:
    """Keep until when a student has; None takes the extension back."""
    with _alone(root):
        extensions = read_extensions(root)
        extensions.pop((slug, student), None)
        if until is not None:
            extensions[slug, student] = until
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        for (lab, each), when in sorted(extensions.items()):
            writer.writerow([lab, each, when.replace(tzinfo=UTC).isoformat()])
        write_whole(root / FOLDER / TABLE, table.getvalue(), mode=0o600)


def parse_time(text: str) -> datetime:
    """Return a moment in UTC, without a zone: without a zone it is taken for UTC, a day alone for its end.

    Raises
    ------
    CourseError
        It is none.

    Examples
    --------
    >>> parse_time("2026-12-05T12:00+01:00"), parse_time("2026-12-05")
    (datetime.datetime(2026, 12, 5, 11, 0), datetime.datetime(2026, 12, 5, 23, 59, 59))
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        if len(text.strip()) == len("2026-12-05"):
            moment = datetime.combine(moment, time(23, 59, 59))
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise CourseError(f"expected a time as in 2026-12-05T12:00+01:00, got {text.strip()[:40]!r}") from None


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep two who write at once from losing what the other wrote."""
    folder = os.open(grading_folder(root), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
