"""Who is in the class: a table of names and roles, as a spreadsheet saves one."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medcourse.errors import CourseError

GRADER = "medcourse-grader"
"""The account that owns the course; nobody's name."""

STUDENT, INSTRUCTOR = ROLES = ("student", "instructor")
COLUMNS = ("name", "role")
RESERVED = frozenset({"root", "nobody", GRADER})
# What useradd takes everywhere; JupyterHub does not tell capitals apart, and `+` parts the name of a submission.
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}[a-z0-9_]?")


@dataclass(frozen=True)
class Person:
    """Somebody of the class: the name of an account, and a role of `ROLES`."""

    name: str
    role: str

    @property
    def is_instructor(self) -> bool:
        """Whether the course's own pages are open to this person."""
        return self.role == INSTRUCTOR


EXAMPLE = (Person("ivy", INSTRUCTOR), Person("ann", STUDENT), Person("ben", STUDENT))
"""A class for a demonstration."""


def read_class(path: Path) -> tuple[Person, ...]:
    """Read a class file: a header `name,role`, then a row for each person.

    Commas, semicolons and tabs part the columns, so that what a spreadsheet saves can be read; empty rows are skipped.

    Parameters
    ----------
    path
        The file, in UTF-8.

    Raises
    ------
    CourseError
        It cannot be read, or a row is wrong; names the row as a spreadsheet counts it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise CourseError(f"expected {path} in UTF-8, got something else: save it as CSV (UTF-8)") from None
    except OSError as error:
        raise CourseError(f"cannot read the class file {path}: {error.strerror}") from None
    rows = _rows(text, path)
    columns = [each.strip().lower() for each in next(rows, (0, []))[1]]
    if sorted(columns) != sorted(COLUMNS):
        raise CourseError(f"expected the columns name,role in row 1 of {path}, got {','.join(columns) or 'nothing'}")
    people: dict[str, tuple[int, Person]] = {}
    for number, row in rows:
        person = _person(dict(zip(columns, (each.strip() for each in row), strict=False)), len(row), number)
        if person.name in people:
            raise CourseError(
                f"row {number}: {person.name} is in row {people[person.name][0]} already: name them apart"
            )
        people[person.name] = number, person
    found = tuple(person for _, person in people.values())
    if not found:
        raise CourseError(f"expected people in {path}, got none: a row for each, as in ann,student")
    if not any(each.is_instructor for each in found):
        raise CourseError(f"expected an instructor in {path}, got students only: nobody could release or grade")
    return found


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty with its number."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            if any(each.strip() for each in row):
                yield number, row
    except csv.Error as error:
        raise CourseError(f"expected a table of name,role in {path}, got what is none: {error}") from None


def _person(cells: dict[str, str], n_cells: int, number: int) -> Person:
    if n_cells != len(COLUMNS):
        raise CourseError(f"row {number}: expected a name and a role, got {n_cells} columns")
    name, role = cells["name"], cells["role"].lower()
    if not _NAME.fullmatch(name):
        raise CourseError(
            f"row {number}: expected the name of an account (a small letter, then small letters, digits, - and _, "
            f"32 at most), got {name!r}"
        )
    if name in RESERVED:
        raise CourseError(f"row {number}: {name} is reserved: choose another name")
    if role not in ROLES:
        raise CourseError(f"row {number}: expected the role {' or '.join(ROLES)} for {name}, got {role!r}")
    return Person(name, role)
