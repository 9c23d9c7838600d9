"""What a class found hard, and who needs a look: from the journal of its grading."""

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading import cells, items
from medcourse.grading.alike import Alike, alike
from medcourse.grading.aside import read_aside
from medcourse.grading.classroom import read_submission
from medcourse.grading.files import write_whole
from medcourse.grading.grades import as_text, printable
from medcourse.grading.items import ExerciseShare, Property
from medcourse.grading.journal import Journal
from medcourse.grading.notebooks import parse_notebook, read_notebook
from medcourse.grading.plan import Run
from medcourse.grading.release import check_slug, release_path
from medcourse.grading.splice import splice
from medcourse.grading.submission import Graded
from medcourse.grading.times import Times, handed_in, times_of

WEAK_TIER = "plain"
"""The tier that keeps nothing from the rest of the machine."""

CUT_OFF = {"ChannelError", "DidNotRun", "CellTimeoutError"}
"""Errors of a submission that died, was ended, or said what is no answer: a slip, or an attempt at more than that."""

REFUSED = "PermissionError"
"""What student code gets where the sandbox says no."""

_LIMITS = ("took too long", "took longer than", "took more memory")


@dataclass(frozen=True)
class Look:
    """Somebody whom a person should look at, and why.

    Attributes
    ----------
    reasons
        In words.
    flags
        In a word each: `unread`, `mended`, `changed`, `limit`, `ended`, `refused`, `tier`, `clock`,
        `aside`: something they put into the exchange was not collected.
    """

    student: str
    reasons: list[str]
    flags: list[str]


@dataclass(frozen=True)
class Row:
    """One student's points by test, None where there are none, and when they handed in, where that is known."""

    student: str
    scores: dict[str, float] | None
    tier: str
    submitted: str


@dataclass(frozen=True)
class ClassReport:
    """What `report` found.

    Attributes
    ----------
    alike
        Students with answers that are the same up to blanks, comments and names, which proves nothing.
    """

    lab: str
    properties: list[Property]
    exercises: list[ExerciseShare]
    times: Times
    looks: list[Look]
    alike: list[Alike]
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return what `medcourse report --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a person reads it, the hardest first."""
        graded = [row for row in self.rows if row.scores is not None]
        lines = [f"{self.lab}: {len(graded)} of {len(self.rows)} graded", *self.times.lines()]
        for exercise in self.exercises:
            said = f"  most lose {exercise.failing} ({exercise.lost})" if exercise.failing else ""
            lines.append(f"{exercise.share:4.0%}  exercise {exercise.id}{said}")
        few = len(graded) < items.MIN_STUDENTS
        lines.append(f"by property{f'; too few (< {items.MIN_STUDENTS}) to say how well each discriminates' * few}:")
        for each in sorted(self.properties, key=lambda found: found.share):
            r = "" if few else "  r  -  " if each.discrimination is None else f"  r {each.discrimination:+.2f}"
            said = f"  {each.told} x {each.message}" if each.message else ""
            lines.append(f"{each.share:4.0%}{r}  {each.id}{said}")
        for look in self.looks:
            lines.append(f"look at {look.student}: {'; '.join(look.reasons)}")
        for group in self.alike:
            lines.append(f"alike in {', '.join(group.exercises)}: {', '.join(group.students)}")
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
        writer.writerow(["student", "score", "max", *names, "tier", "submitted", "hours_late", "flags", "look"])
        late = {each.student: round(each.hours, 2) for each in self.times.late}
        flags = {look.student: " ".join(look.flags) for look in self.looks}
        worth = sum(each.points for each in self.properties)
        for row in self.rows:
            scores = row.scores
            points = [""] * (len(names) + 1) if scores is None else [sum(scores.values()), *map(scores.get, names)]
            about = [row.tier, row.submitted, late.get(row.student, ""), flags.get(row.student, "")]
            why = as_text(reasons.get(row.student, ""))
            writer.writerow([as_text(row.student), points[0], worth, *points[1:], *about, why])
        write_whole(path, table.getvalue())


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
    with Journal(root, slug, writes=False) as journal:
        found = dict(journal.results())
    from medcourse.grading.gradebook import Course  # noqa: PLC0415  (nbgrader takes a second and a half)

    course = Course(root)
    paths = course.submissions(slug)
    reasons: dict[str, list[tuple[str, str]]] = {}
    for each in read_aside(root, slug):
        reasons.setdefault(each.whose, []).append(("aside", str(each)))
    rows = []
    for student, graded in found.items():
        folder = paths[student].parent if student in paths else None
        came = None if folder is None else handed_in(folder)
        submitted = "" if came is None else f"{came.isoformat(timespec='seconds')}Z"
        run = graded.run
        rows.append(Row(student, None if run is None else _scores(run), run.tier if run else "", submitted))
        reasons[student] = [*_reasons(graded), *_clock(folder, submitted), *reasons.get(student, [])]
    looks = [
        Look(student, [why for _, why in said], sorted({flag for flag, _ in said}))
        for student, said in sorted(reasons.items())
        if said
    ]
    release = read_notebook(release_path(root, slug))
    answers = [str(cells.grade_id(cell)) for cell in release.cells if cells.is_answer(cell)]
    of_lab = items.properties([each.run for each in found.values() if each.run], answers)
    times = times_of(course, slug, [(student, path.parent) for student, path in paths.items()])
    same = alike({student: _written(release, paths[student]) for student in found if student in paths})
    return ClassReport(slug, of_lab, items.exercises(of_lab), times, looks, same, rows)


def _scores(run: Run) -> dict[str, float]:
    return {each.id: each.score for each in run.exercises}


def _written(release: Any, path: Path) -> dict[str, str]:
    """Return what a student wrote to each exercise, without what still stands as it was released."""
    stubs = {cells.grade_id(cell): cell.source for cell in release.cells if cells.is_answer(cell)}
    try:
        clean, _ = splice(release, parse_notebook(read_submission(path), outputs=False))
    except CourseError:
        return {}
    answers = {str(cells.grade_id(cell)): cell.source for cell in clean.cells if cells.is_answer(cell)}
    return {name: code for name, code in answers.items() if code != stubs[name]}


def _clock(folder: Path | None, submitted: str) -> list[tuple[str, str]]:
    """Return whether a submission said of its time what the exchange's clock contradicts; see `collect`."""
    from medcourse.grading.collect import CLAIMED  # noqa: PLC0415

    if folder is None or not (folder / CLAIMED).is_file():
        return []
    with (folder / CLAIMED).open("rb") as file:
        claim = file.read(100).decode(errors="replace").strip()
    return [("clock", f"said that it was handed in at {claim}, the exchange had it at {submitted}")]


def _reasons(graded: Graded) -> list[tuple[str, str]]:
    """Return why a person should look at a submission: a flag, and words."""
    run = graded.run
    reasons = [("unread", graded.problem)] if graded.problem else []
    reasons += [("changed" if " was changed" in each else "mended", each) for each in graded.findings]
    if run is None:
        return reasons
    for each in run.exercises:
        if each.error in CUT_OFF:
            flag = "limit" if any(words in each.message for words in _LIMITS) else "ended"
            reasons.append((flag, f"`{each.id}`: {each.message}"))
    reasons += [("refused", f"`{name}`: {why}") for name, why in run.failed.items() if why.startswith(REFUSED)]
    if run.tier == WEAK_TIER:
        reasons.append(("tier", f"ran in the tier {run.tier}, which keeps nothing from the rest of the machine"))
    return reasons
