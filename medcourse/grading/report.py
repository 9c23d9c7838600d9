"""What a class found hard, and who needs a look: from the journal of its grading."""

import csv
import io
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.grades import as_text, printable
from medcourse.grading.journal import Journal
from medcourse.grading.plan import Run
from medcourse.grading.release import check_slug
from medcourse.grading.submission import Graded

WEAK_TIER = "plain"
"""The tier that keeps nothing from the rest of the machine."""

CUT_OFF = {"ChannelError", "DidNotRun"}
"""Errors of a submission that died, was ended, or said what is no answer: a slip, or an attempt at more than that."""


@dataclass(frozen=True)
class Property:
    """One test over a class.

    Attributes
    ----------
    id
        Its grade_id.
    points
        What it is worth.
    students
        How many were graded.
    share
        Mean share of the points, 0 to 1.
    message
        What those who lost points were told most often, empty where nobody lost any.
    told
        How many were told that.
    """

    id: str
    points: float
    students: int
    share: float
    message: str
    told: int


@dataclass(frozen=True)
class Look:
    """Somebody whom a person should look at, and why."""

    student: str
    reasons: list[str]


@dataclass(frozen=True)
class Row:
    """One student's points by test, None where there are none."""

    student: str
    scores: dict[str, float] | None
    tier: str


@dataclass(frozen=True)
class ClassReport:
    """What `report` found."""

    lab: str
    properties: list[Property]
    looks: list[Look]
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return what `medcourse report --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a person reads it, the hardest first."""
        graded = [row for row in self.rows if row.scores is not None]
        lines = [f"{self.lab}: {len(graded)} of {len(self.rows)} graded"]
        for each in sorted(self.properties, key=lambda found: found.share):
            said = f"  {each.told} x {each.message}" if each.message else ""
            lines.append(f"{each.share:4.0%}  {each.id}{said}")
        for look in self.looks:
            lines.append(f"look at {look.student}: {'; '.join(look.reasons)}")
        return "\n".join(printable(line) for line in lines)

    def write_csv(self, path: Path) -> None:
        """Write a row for each student.

        Raises
        ------
        CourseError
            The file cannot be written.
        """
        names = [each.id for each in self.properties]
        reasons = {look.student: "; ".join(look.reasons) for look in self.looks}
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["student", "score", "max", *names, "tier", "look"])
        worth = sum(each.points for each in self.properties)
        for row in self.rows:
            scores = row.scores
            points = [""] * (len(names) + 1) if scores is None else [sum(scores.values()), *map(scores.get, names)]
            writer.writerow(
                [as_text(row.student), points[0], worth, *points[1:], row.tier, as_text(reasons.get(row.student, ""))]
            )
        try:
            path.write_text(table.getvalue(), encoding="utf-8", newline="")
        except OSError as error:
            raise CourseError(f"cannot write {path}: {error.strerror}") from None


def report(root: Path, slug: str) -> ClassReport:
    """Say what a class found hard and who needs a look.

    Parameters
    ----------
    root
        The course's folder.
    slug
        The lab.

    Raises
    ------
    CourseError
        Unknown lab, or one that was not graded yet.
    """
    check_slug(root, slug)
    shares: dict[str, list[float]] = {}
    points: dict[str, float] = {}
    messages: dict[str, Counter[str]] = {}
    looks, rows = [], []
    with Journal(root, slug, writes=False) as journal:
        for student, graded in journal.results():
            run = graded.run
            rows.append(Row(student, None if run is None else _scores(run), run.tier if run else ""))
            if reasons := _reasons(graded):
                looks.append(Look(student, reasons))
            for each in run.exercises if run else []:
                points[each.id] = each.points
                shares.setdefault(each.id, []).append(each.score / each.points if each.points else 1.0)
                if each.score < each.points:
                    messages.setdefault(each.id, Counter())[each.message] += 1
    properties = []
    for name, of_class in shares.items():
        ((message, told),) = messages[name].most_common(1) if name in messages else [("", 0)]
        properties.append(Property(name, points[name], len(of_class), sum(of_class) / len(of_class), message, told))
    return ClassReport(slug, properties, looks, rows)


def _scores(run: Run) -> dict[str, float]:
    return {each.id: each.score for each in run.exercises}


def _reasons(graded: Graded) -> list[str]:
    """Return why a person should look at a submission."""
    run = graded.run
    reasons = [graded.problem] if graded.problem else []
    reasons += graded.findings
    if run is not None:
        reasons += [f"`{each.id}`: {each.message}" for each in run.exercises if each.error in CUT_OFF]
        if run.tier == WEAK_TIER:
            reasons.append(f"ran in the tier {run.tier}, which keeps nothing from the rest of the machine")
    return reasons
