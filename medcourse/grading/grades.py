"""What a run over a class says of each student and of the class."""

from dataclasses import asdict, dataclass, field
from typing import Any

from medcourse.grading.aside import Aside


@dataclass
class StudentGrade:
    """What a run says of one student.

    Attributes
    ----------
    student
        Their name in `submitted/`.
    score, max
        Points of the tests, None where there are none; written questions are graded by people.
    tier
        The sandbox that the submission ran in.
    problem
        Why there is no grade, or why it is not in the gradebook.
    findings
        What had to be mended.
    recorded
        Whether the gradebook has it.
    """

    student: str
    score: float | None = None
    max: float | None = None
    tier: str | None = None
    problem: str = ""
    findings: list[str] = field(default_factory=list)
    recorded: bool = False

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        points = "no grade" if self.score is None else f"{self.score:g}/{self.max:g}"
        said = [f"{points}  {self.student}  {self.problem}".rstrip(), *(f"    {each}" for each in self.findings)]
        return [printable(line) for line in said]


@dataclass(frozen=True)
class Change:
    """A grade that is another one than before.

    Attributes
    ----------
    exercise
        The test cell's grade_id.
    before, after
        Points; None before where there were none.
    """

    student: str
    exercise: str
    before: float | None
    after: float

    def __str__(self) -> str:
        """Return it in one line."""
        before = "none" if self.before is None else f"{self.before:g}"
        return printable(f"{self.student}  {self.exercise}  {before} -> {self.after:g}")


@dataclass
class ClassGrades:
    """What a run says of a class.

    Attributes
    ----------
    lab
        Its slug.
    students
        By name.
    trouble
        Why grades are not in the gradebook, in one line; empty where they are.
    graded_now
        How many submissions were run; the others were known.
    seconds, first_grade_seconds
        From the start to the end, and to the first grade of this run; None where it graded nothing.
    changes
        What grading again changes, empty where nothing was graded again.
    kept
        By student, tests of other exercises that came out otherwise and were left as they were.
    is_dry
        Whether nothing was written.
    aside
        What `collect` set aside of this lab.
    """

    lab: str
    students: list[StudentGrade]
    trouble: str = ""
    graded_now: int = 0
    seconds: float = 0.0
    first_grade_seconds: float | None = None
    changes: list[Change] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)
    is_dry: bool = False
    aside: list[Aside] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everybody has a grade and the gradebook has them all, or would have."""
        if self.is_dry:
            return not any(each.problem for each in self.students)
        return not self.trouble and all(each.recorded for each in self.students)

    def as_json(self) -> dict[str, Any]:
        """Return what `medcourse grade --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return a line for each student and one for the class."""
        lines = [line for each in self.students for line in each.lines()]
        lines += [f"changes: {each}" for each in sorted(self.changes, key=lambda each: (each.student, each.exercise))]
        lines += [
            printable(f"kept: {student}  {', '.join(tests)} came out otherwise, too")
            for student, tests in self.kept.items()
        ]
        lines += [printable(f"set aside: {each}") for each in self.aside]
        recorded = sum(each.recorded for each in self.students)
        ran = f"{self.graded_now} run now" if self.graded_now else "none run now"
        end = f"{self.lab}: {recorded} of {len(self.students)} in the gradebook, {ran}, {self.seconds:.1f} s"
        if self.is_dry:
            n = len(self.changes)
            end = f"{self.lab}: {n} grade{'s' * (n != 1)} would change, nothing was written, {self.seconds:.1f} s"
        return "\n".join([*lines, end])


def printable(text: str) -> str:
    """Return one line of text without what a terminal would obey; students choose names and messages."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def as_text(text: str) -> str:
    """Return text that a spreadsheet takes for text and not for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
