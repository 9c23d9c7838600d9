"""How hard each test of a lab was and how well it tells students apart, as in classical test theory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import StatisticsError, correlation, fmean

from medcourse.grading.cells import answer_of
from medcourse.grading.plan import Run

MIN_STUDENTS = 10
"""With fewer, a correlation says nothing."""


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
        Item difficulty: mean share of the points, 0 to 1.
    message
        What those who lost points were told most often, empty where nobody lost any.
    told
        How many were told that.
    exercise
        The grade_id of the answer that it concerns, its own where it concerns none.
    lost
        How many lost points.
    discrimination
        Corrected item-total correlation, see `discrimination`; None where it cannot be told.
    """

    id: str
    points: float
    students: int
    share: float
    message: str
    told: int
    exercise: str
    lost: int
    discrimination: float | None


@dataclass(frozen=True)
class ExerciseShare:
    """One exercise over a class.

    Attributes
    ----------
    id
        The grade_id of the answer.
    share
        Mean share of the points of its tests, 0 to 1.
    failing
        The test in which most lost points, empty where nobody did.
    lost
        How many that were.
    """

    id: str
    share: float
    failing: str
    lost: int


def properties(runs: Sequence[Run], answers: list[str]) -> list[Property]:
    """Return each test over a class, in the lab's order.

    Parameters
    ----------
    runs
        The latest of each student who was graded.
    answers
        The grade_ids of the lab's answers.
    """
    names = list(dict.fromkeys(each.id for run in runs for each in run.exercises))
    found = []
    for name in names:
        verdicts = [each for run in runs for each in run.exercises if each.id == name]
        shares = [each.score / each.points if each.points else 1.0 for each in verdicts]
        messages = Counter(each.message for each in verdicts if each.score < each.points)
        ((message, told),) = messages.most_common(1) or [("", 0)]
        exercise = answer_of(name, answers) or name
        found.append(
            Property(
                name,
                verdicts[-1].points,
                len(verdicts),
                fmean(shares),
                message,
                told,
                exercise,
                messages.total(),
                discrimination(runs, name),
            )
        )
    return found


def exercises(of_lab: Sequence[Property]) -> list[ExerciseShare]:
    """Return each exercise over a class, with the property in which most lost points."""
    found = []
    for name in dict.fromkeys(each.exercise for each in of_lab):
        mine = [each for each in of_lab if each.exercise == name]
        points = sum(each.points for each in mine)
        share = sum(each.points * each.share for each in mine) / points if points else 1.0
        worst = max(mine, key=lambda each: each.lost)
        found.append(ExerciseShare(name, share, worst.id if worst.lost else "", worst.lost))
    return found


def discrimination(runs: Sequence[Run], name: str) -> float | None:
    r"""Return how well a test tells students apart: the corrected item-total correlation.

    $r = \mathrm{corr}(x_i, \sum_{j \ne i} x_j)$, Pearson's, with $x_i$ the points of test $i$ and the sum over the
    lab's other tests; without the correction a test would correlate with itself. From about 0.2 a test tells those who
    know from those who do not; near 0 or below it, look at the test.

    Returns
    -------
    float or None
        None below `MIN_STUDENTS`, and where all earned the same.
    """
    own, rest = [], []
    for run in runs:
        scores = {each.id: each.score for each in run.exercises}
        if name in scores:
            own.append(scores[name])
            rest.append(sum(scores.values()) - scores[name])
    if len(own) < MIN_STUDENTS:
        return None
    try:
        return correlation(own, rest)
    except StatisticsError:  # one of the two is constant
        return None
