"""Give a student longer for a lab, or see who has it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.extensions import parse_time, read_extensions, write_extension
from medcourse.grading.gradebook import Course, opened, renew_penalties
from medcourse.grading.grades import printable
from medcourse.grading.release import check_slug


@dataclass(frozen=True)
class Extension:
    """Who has until when for a lab, and what that did to their penalty.

    Attributes
    ----------
    until
        ISO 8601, UTC; empty where an extension was taken back.
    before, after
        Points that lateness costs, None where nothing changed.
    is_known
        Whether the gradebook or `submitted/` knows the student.
    """

    lab: str
    student: str
    until: str
    before: float | None = None
    after: float | None = None
    is_known: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it in one line."""
        has = f"has until {self.until}" if self.until else "has no extension"
        changed = "" if self.before is None else f"; late penalty {self.before:g} -> {self.after:g}"
        return printable(f"{self.student} {has} for {self.lab}{changed}")


def extensions_of(root: Path, slug: str) -> list[Extension]:
    """Return who has an extension for a lab, by name."""
    check_slug(root, slug)
    found = sorted(read_extensions(root).items())
    return [Extension(slug, student, _shown(until)) for (lab, student), until in found if lab == slug]


def extend(root: Path, slug: str, student: str, until: str | None) -> Extension:
    """Let a student hand in until then, and the penalty follow at once where there is one.

    Parameters
    ----------
    root, slug
        The course's folder and the lab, which must have a due date.
    student
        As in `submitted/`; may not have handed in yet.
    until
        As `extensions.parse_time` reads it; None takes an extension back.

    Raises
    ------
    CourseError
        No such lab, due date, extension or time. The table is written before the gradebook: should that be locked, the
        extension counts from the next `medcourse grade`.
    """
    check_slug(root, slug)
    if not student or "/" in student or student != student.strip():
        raise CourseError(f"expected the name of a student as in submitted/, got {student[:40]!r}")
    course = Course(root)
    moment = None if until is None else parse_time(until)
    with opened(course, slug) as book:
        due = book.find_assignment(slug).duedate
        known = student in course.submissions(slug) or any(each.id == student for each in book.students)
        book.roll_back()
        _check(root, slug, student, due, moment)
        write_extension(root, slug, student, moment)
        if moment is None:
            _take_back(book, slug, student)
        mine = [each for each in renew_penalties(book, course, slug) if each.student == student]
    before, after = (mine[0].before, mine[0].after or 0.0) if mine else (None, None)
    return Extension(slug, student, _shown(moment), before, after, known)


def _check(root: Path, slug: str, student: str, due: datetime | None, until: datetime | None) -> None:
    if until is None:
        if (slug, student) not in read_extensions(root):
            raise CourseError(f"expected an extension of {student} for {slug}, found none")
    elif due is None:
        raise CourseError(f"{slug} has no due date, so nobody needs longer: set one in formgrader")
    elif until <= due:
        raise CourseError(f"expected a time after {slug} is due, which is {_shown(due)}, got {_shown(until)}")


def _take_back(book: Any, slug: str, student: str) -> None:
    """Take an extension out of the gradebook, where somebody has handed in."""
    book.begin()
    for each in book.find_assignment(slug).submissions:
        if each.student_id == student:
            each.extension = None
    book.commit()


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.isoformat(timespec='seconds')}Z"
