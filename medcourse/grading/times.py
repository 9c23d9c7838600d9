"""When a class handed in: after how long, and who was late. By the times that stand in `submitted/`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.extensions import read_extensions

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Late:
    """Who handed in after the due date, extensions counted, and by how many hours."""

    student: str
    hours: float


@dataclass(frozen=True)
class Times:
    """When a class handed in.

    Attributes
    ----------
    released, due
        ISO 8601, UTC; empty where it is not known. The release is the exchange's last.
    submissions
        How many have a time.
    hours_since_release
        Lower quartile, median, upper quartile; None where the release is not known or fewer than two have a time.
    late
        The latest first.
    problem
        Why the due date could not be read, empty where it could.
    """

    released: str
    due: str
    submissions: int
    hours_since_release: tuple[float, float, float] | None
    late: list[Late] = field(default_factory=list)
    problem: str = ""

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        if self.hours_since_release:
            low, middle, high = self.hours_since_release
            when = f"{middle:.0f} h after the release (quartiles {low:.0f} and {high:.0f} h)"
        else:
            when = "no release in the exchange" if not self.released else "too few to say how long after the release"
        due = f"due {self.due}, {len(self.late)} late" if self.due else self.problem or "no due date"
        lines = [f"handed in: {self.submissions} with a time, {when}; {due}"]
        return lines + [f"late: {each.student}  {each.hours:.1f} h" for each in self.late]


def times_of(course: Any, slug: str, folders: Iterable[tuple[str, Path]]) -> Times:
    """Collect when a class handed in.

    Parameters
    ----------
    course
        A `gradebook.Course`.
    slug
        The lab.
    folders
        Each student with the folder of the submission.
    """
    from medcourse.grading.gradebook import opened  # noqa: PLC0415  (nbgrader takes a second and a half)

    due, extensions, problem = None, {}, ""
    try:
        with opened(course, slug) as book:
            assignment = book.find_assignment(slug)
            due = assignment.duedate
            extensions = {each.student_id: each.extension for each in assignment.submissions if each.extension}
            book.roll_back()
    except CourseError as error:
        problem = str(error)
    until = read_extensions(Path(course.directory.root))
    came = {student: when for student, folder in folders if (when := handed_in(folder)) is not None}
    late = []
    for student, when in came.items():
        last = None if due is None else until.get((slug, student), due + extensions.get(student, timedelta()))
        if last is not None and when > last:
            late.append(Late(student, (when - last) / HOUR))
    released = _released(course, slug)
    hours = [(when - released) / HOUR for when in came.values()] if released else []
    return Times(
        _iso(released),
        _iso(due),
        len(came),
        tuple(quantiles(hours, n=4, method="inclusive")) if len(hours) > 1 else None,  # type: ignore[arg-type]
        sorted(late, key=lambda each: -each.hours),
        problem,
    )


def handed_in(folder: Path) -> datetime | None:
    """Return when a submission came: UTC, without a zone; None where nothing that can be read says so."""
    from nbgrader.utils import parse_utc  # noqa: PLC0415

    try:
        with (folder / "timestamp.txt").open("rb") as file:
            found: datetime = parse_utc(file.read(100).decode().strip())
    except (OSError, ValueError, OverflowError, TypeError):
        return None
    return found


def _released(course: Any, slug: str) -> datetime | None:
    """Return when the exchange got the lab last, by its own clock."""
    from nbgrader.exchange.default import Exchange  # noqa: PLC0415

    try:
        root = Exchange(coursedir=course.directory, config=course.config).root
        seconds = Path(root, course.directory.course_id, "outbound", slug).stat().st_ctime
    except OSError:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.isoformat(timespec='seconds')}Z"
