"""Grades for the usual learning systems, by nbgrader's exporter plug-ins.

`medcourse export` calls them; so does `nbgrader export --exporter=medcourse.grading.export.MoodleExport`. Who has no
grade has an empty field and not a zero: an import leaves such a field as it is.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.plugins import ExportPlugin
from traitlets import Unicode

from medcourse.errors import CourseError
from medcourse.grading.files import write_whole
from medcourse.grading.gradebook import Course, opened, renew_penalties
from medcourse.grading.grades import as_text
from medcourse.grading.release import check_slug

ID_COLUMNS = ("id", "email", "name", "number", "login", "section")


@dataclass(frozen=True)
class Person:
    """Who a student of the gradebook is in a learning system.

    Attributes
    ----------
    id
        In the gradebook.
    number
        Moodle's ID number, Canvas' SIS User ID.
    login
        Canvas' SIS Login ID.
    """

    id: str
    email: str = ""
    name: str = ""
    number: str = ""
    login: str = ""
    section: str = ""


@dataclass(frozen=True)
class LabGrade:
    """What a student earned in a lab.

    Attributes
    ----------
    score, penalty, final, max
        Points earned, points that lateness costs, what is left, and what there is.
    waiting
        How many answers a person has yet to grade.
    submitted
        ISO 8601, UTC; empty where it is not known.
    """

    score: float
    penalty: float
    max: float
    waiting: int
    submitted: str

    @property
    def final(self) -> float:
        """Points that count."""
        return max(0.0, self.score - self.penalty)


@dataclass(frozen=True)
class ClassTable:
    """All that is exported: by lab what it is worth, by student who they are and by lab what they earned."""

    worth: dict[str, float]
    people: list[Person]
    grades: dict[tuple[str, str], LabGrade] = field(default_factory=dict)

    def final(self, student: str, lab: str) -> str:
        """Return the points that count as text, empty where there is no grade."""
        grade = self.grades.get((student, lab))
        return "" if grade is None else _points(grade.final)


class _Export(ExportPlugin):  # type: ignore[misc]  # nbgrader has no types
    """What the three have in common; `--to`, `--assignment` and `--student` are nbgrader's."""

    ids = Unicode("", help="A table with the columns id, email, name, number, login, section, or some of them").tag(
        config=True
    )

    def export(self, gradebook: Any) -> None:
        """Write the file."""
        table = class_table(gradebook, self.assignment, self.student, Path(self.ids) if self.ids else None)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([as_text(value) for value in row] for row in self.rows(table))
        write_whole(Path(self.to or "grades.csv"), text.getvalue(), mode=0o600)

    def rows(self, table: ClassTable) -> Iterable[list[str]]:
        """Return the lines of the file."""
        raise NotImplementedError


class PlainExport(_Export):
    """A row for each student and lab, with all that is known."""

    def rows(self, table: ClassTable) -> Iterable[list[str]]:
        """Return the lines of the file."""
        columns = ["score", "penalty", "final", "max", "waiting", "submitted"]
        yield ["lab", *ID_COLUMNS, *columns]
        for lab in table.worth:
            for person in table.people:
                grade = table.grades.get((person.id, lab))
                earned = ["", "", "", _points(table.worth[lab]), "", ""]
                if grade is not None:
                    points = [grade.score, grade.penalty, grade.final, grade.max]
                    earned = [*map(_points, points), str(grade.waiting), grade.submitted]
                yield [lab, *asdict(person).values(), *earned]


class MoodleExport(_Export):
    """For Moodle's *Grades, Import, CSV file*: map one of the first two columns to the user, each lab to its item."""

    def rows(self, table: ClassTable) -> Iterable[list[str]]:
        """Return the lines of the file."""
        yield ["ID number", "Email address", *table.worth]
        for person in table.people:
            earned = [table.final(person.id, lab) for lab in table.worth]
            yield [person.number or person.id, person.email, *earned]


class CanvasExport(_Export):
    """For Canvas' *Gradebook, Import*: it finds students by SIS User ID or SIS Login ID, and labs by name."""

    def rows(self, table: ClassTable) -> Iterable[list[str]]:
        """Return the lines of the file."""
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *table.worth]
        yield ["    Points Possible", "", "", "", "", *map(_points, table.worth.values())]
        for person in table.people:
            earned = [table.final(person.id, lab) for lab in table.worth]
            login = person.login or person.id
            yield [person.name or person.id, "", person.number, login, person.section, *earned]


FORMATS: dict[str, type[_Export]] = {"plain": PlainExport, "moodle": MoodleExport, "canvas": CanvasExport}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    without_grade
        Pairs of student and lab that have none.
    waiting
        Pairs whose points lack answers that a person has yet to grade.
    """

    file: str
    labs: list[str]
    students: int
    without_grade: int
    waiting: int

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        lines = [f"{self.file}: {', '.join(self.labs)} of {self.students} students"]
        if self.without_grade:
            lines.append(f"without a grade, so left empty: {self.without_grade}")
        if self.waiting:
            lines.append(f"wait for a person to grade what was written: {self.waiting}; export again after that")
        return "\n".join(lines)


def export_grades(root: Path, slug: str | None, file: Path, *, to: str = "plain", ids: Path | None = None) -> Exported:
    """Write the grades of a lab, or of all in the gradebook, for a learning system.

    Parameters
    ----------
    root
        The course's folder.
    slug
        The lab; None for all.
    file
        Where to; whole, or not at all.
    to
        A name in `FORMATS`.
    ids
        Who the students are in the learning system, see `read_people`.

    Raises
    ------
    CourseError
        No such lab, format or gradebook; a table of ids that lacks somebody; a file that cannot be written.
    """
    if slug is not None:
        check_slug(root, slug)
    if to not in FORMATS:
        raise CourseError(f"unknown format {to!r}, expected one of: {', '.join(FORMATS)}")
    course = Course(root)
    with opened(course, slug or "the labs") as book:
        known = [each.name for each in book.assignments]
        book.roll_back()
        if slug is not None and slug not in known:
            raise CourseError(
                f"expected {slug} in the gradebook, found none: run `nbgrader generate_assignment {slug} --force`"
            )
        labs = known if slug is None else [slug]
        for lab in labs:
            renew_penalties(book, course, lab)
        plugin = FORMATS[to](config=course.config, to=str(file), assignment=labs, ids=str(ids or ""))
        plugin.export(book)
        table = class_table(book, labs, [], ids)
        book.roll_back()
    waiting = sum(bool(each.waiting) for each in table.grades.values())
    missing = len(table.people) * len(labs) - len(table.grades)
    return Exported(str(file), labs, len(table.people), missing, waiting)


def class_table(gradebook: Any, labs: list[str], students: list[str], ids: Path | None) -> ClassTable:
    """Collect what is to be exported from a gradebook; all labs and students unless some are named.

    Raises
    ------
    CourseError
        The table of ids cannot be used, or lacks a student who has a grade.
    """
    people = {each.id: _person(each) for each in gradebook.students}
    worth, grades = {}, {}
    for assignment in gradebook.assignments:
        if labs and assignment.name not in labs:
            continue
        worth[assignment.name] = float(assignment.max_score)
        for each in assignment.submissions:
            grades[each.student_id, assignment.name] = _grade(each)
    if ids is not None:
        listed = read_people(ids)
        lost = sorted({student for student, _ in grades} - set(listed))
        if lost:
            raise CourseError(f"expected all who have a grade in {ids}, found no {', '.join(lost)[:200]}: add them")
        people = {student: _filled(person, people.get(student)) for student, person in listed.items()}
    chosen = [people[student] for student in sorted(people) if not students or student in students]
    names = {person.id for person in chosen}
    return ClassTable(worth, chosen, {key: grade for key, grade in grades.items() if key[0] in names})


def read_people(path: Path) -> dict[str, Person]:
    """Read who the students are: a table with a header, `id` as in the gradebook and some of `ID_COLUMNS`.

    Raises
    ------
    CourseError
        It cannot be read, has other columns, or an id that is empty or there twice; names the line.
    """
    try:
        rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise CourseError(f"cannot read {path}: {reason}") from None
    header = [name.strip().lower() for name in next(rows, [])]
    if "id" not in header or len(set(header)) < len(header) or not set(header) <= set(ID_COLUMNS):
        raise CourseError(f"expected a header of id and some of {', '.join(ID_COLUMNS[1:])} in {path}, got {header}")
    people: dict[str, Person] = {}
    for row in rows:
        if not any(map(str.strip, row)):
            continue
        if len(row) != len(header):
            raise CourseError(f"expected {len(header)} values in line {rows.line_num} of {path}, got {len(row)}")
        person = Person(**dict(zip(header, map(str.strip, row), strict=True)))
        if not person.id or person.id in people:
            raise CourseError(f"line {rows.line_num} of {path} has no id, or one that is there before: {person.id!r}")
        people[person.id] = person
    return people


def _person(student: Any) -> Person:
    name = f"{student.first_name or ''} {student.last_name or ''}".strip()
    return Person(student.id, student.email or "", name, login=student.lms_user_id or "")


def _filled(person: Person, of_gradebook: Person | None) -> Person:
    """Return a person of the table, with what only the gradebook knows."""
    known = asdict(of_gradebook) if of_gradebook else {}
    return Person(**{name: value or known.get(name, "") for name, value in asdict(person).items()})


def _grade(submission: Any) -> LabGrade:
    waiting = sum(bool(g.needs_manual_grade) for notebook in submission.notebooks for g in notebook.grades)
    when = "" if submission.timestamp is None else f"{submission.timestamp.isoformat(timespec='seconds')}Z"
    penalty = float(submission.late_submission_penalty or 0.0)
    return LabGrade(float(submission.score), penalty, float(submission.max_score), waiting, when)


def _points(value: float) -> str:
    """Write points without the noise of sums.

    Examples
    --------
    >>> _points(0.1 + 0.2), _points(6.0)
    ('0.3', '6')
    """
    return f"{round(value, 6):g}"
