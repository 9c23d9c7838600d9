"""The leaderboard of a lab that ends in a challenge: from what hidden tests recorded in the journal of its grading.

A hidden test that ends in `award(..., case_scores=...)` leaves a score for each hidden case. Submissions are ranked by
the mean of the first measure, a higher one is better. The interval of a mean, and of the difference of two, is the
percentile bootstrap over cases, the same draws for all: cases differ, and what is hard for one is hard for all.

Ties. The best has rank 1. Whoever follows shares the rank of the group's first as long as the 95 % interval of the
difference to that first, case by case, contains 0; the next one begins a group, and its rank is its place in the list.
So a rank that is shared says that these cases do not tell its holders from the first of them.
"""

import csv
import hashlib
import hmac
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcourse.errors import CourseError
from medcourse.grading.grades import as_text, printable
from medcourse.grading.journal import Journal, secret_seed
from medcourse.grading.plan import Exercise
from medcourse.grading.release import check_slug
from medcourse.grading.submission import Graded

N_DRAWS = 4000
CONFIDENCE = 0.95
RULE = (
    "a rank is shared with the first of its group unless the 95 % interval of the paired difference to that first "
    "(bootstrap over cases) excludes 0"
)
FIRST = (
    "amber azure bold brave bright brisk calm clever copper coral crisp daring eager fair fleet gentle golden ivory "
)
FIRST += "jade keen kind lively lucid mellow merry noble olive patient plucky quick quiet ruby"
SECOND = "badger beaver bison crane curlew dipper dove egret falcon ferret finch heron ibex jackdaw kestrel lark lynx "
SECOND += "marten merlin newt osprey otter plover puffin raven robin seal stoat swift tern vole wren"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """One place of the list.

    Attributes
    ----------
    rank
        1 for the best, shared by those that the cases do not tell apart.
    name
        The pseudonym.
    student
        Who it is; None unless names were asked for.
    score, low, high
        Mean over cases of the measure that is ranked by, and its 95 % interval.
    others
        Means of the other measures.
    """

    rank: int
    name: str
    student: str | None
    score: float
    low: float
    high: float
    others: dict[str, float]


@dataclass(frozen=True)
class Unranked:
    """A submission without a score, and why."""

    name: str
    student: str | None
    reason: str


@dataclass(frozen=True)
class Leaderboard:
    """What `leaderboard` found."""

    lab: str
    measure: str
    n_cases: int
    entries: list[Entry]
    invalid: list[Unranked]
    rule: str = RULE

    def as_json(self) -> dict[str, Any]:
        """Return what `medcourse leaderboard --json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        others = list(self.entries[0].others) if self.entries else []
        lines = [f"{self.lab}: {self.measure}, mean of {self.n_cases} hidden cases, higher is better"]
        for entry in self.entries:
            more = "".join(f"  {name} {entry.others[name]:.3g}" for name in others)
            interval = f"{entry.low:.3f} to {entry.high:.3f}"
            lines.append(f"{entry.rank:4}  {entry.score:.3f}  ({interval})  {_called(entry)}{more}")
        lines += [f"   -  {_called(each)}: {each.reason}" for each in self.invalid]
        return "\n".join(printable(line) for line in [*lines, f"Ties: {self.rule}."])

    def write_csv(self, path: Path) -> None:
        """Write a row for each submission.

        Raises
        ------
        CourseError
            The file cannot be written.
        """
        others = list(self.entries[0].others) if self.entries else []
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["rank", "name", "student", self.measure, "low", "high", *others, "reason"])
        for entry in self.entries:
            measured = [entry.score, entry.low, entry.high, *entry.others.values()]
            writer.writerow([entry.rank, entry.name, as_text(entry.student or ""), *measured, ""])
        for each in self.invalid:
            blanks = [""] * (3 + len(others))
            writer.writerow(["", each.name, as_text(each.student or ""), *blanks, as_text(each.reason)])
        try:
            path.write_text(table.getvalue(), encoding="utf-8", newline="")
        except OSError as error:
            raise CourseError(f"cannot write {path}: {error.strerror}") from None


def leaderboard(root: Path, slug: str, *, names: bool = False) -> Leaderboard:
    """Rank what a class has handed in of a challenge, as far as it was graded.

    Parameters
    ----------
    root
        The course's folder.
    slug
        The lab.
    names
        Whether to say who is who; else there are pseudonyms only, which the class's secret makes of the names.

    Raises
    ------
    CourseError
        Unknown lab, one that was not graded yet, or one of which no test scores cases.
    """
    check_slug(root, slug)
    with Journal(root, slug, writes=False) as journal:
        graded = dict(journal.results())
    test, hidden_set = _what_is_ranked(slug, graded)
    aliases = pseudonyms(list(graded), secret_seed(root))
    scored: dict[str, dict[str, list[float]]] = {}
    invalid = []
    for student, each in graded.items():
        found = _verdict(each, test)
        if found is not None and found.case_scores and found.hidden_set == hidden_set:
            scored[student] = found.case_scores
        else:
            invalid.append(Unranked(aliases[student], student if names else None, _reason(slug, each, found)))
    measure, *others = next(iter(scored.values()))
    entries = [
        Entry(rank, aliases[student], student if names else None, score, low, high, _means(scored[student], others))
        for student, rank, score, low, high in ranked({who: cases[measure] for who, cases in scored.items()})
    ]
    n_cases = len(next(iter(scored.values()))[measure])
    return Leaderboard(slug, measure, n_cases, entries, sorted(invalid, key=lambda each: each.name))


def ranked(scores: Mapping[str, list[float]]) -> list[tuple[str, int, float, float, float]]:
    """Return name, rank, mean and the ends of its 95 % interval, the best first; names in order among equals.

    Parameters
    ----------
    scores
        Of the same cases in the same order, higher is better.

    Examples
    --------
    >>> [(name, rank) for name, rank, *_ in ranked({"a": [0.5] * 9, "b": [0.9] * 9, "c": [0.9] * 9})]
    [('b', 1), ('c', 1), ('a', 3)]
    """
    n = len(next(iter(scores.values())))
    draws = np.random.default_rng(0).integers(n, size=(N_DRAWS, n))
    in_order = sorted(scores, key=lambda name: (-round(float(np.mean(scores[name])), 10), name))
    found: list[tuple[str, int, float, float, float]] = []
    rank, of_first = 0, np.zeros(N_DRAWS)
    for place, name in enumerate(in_order, start=1):
        cases = np.asarray(scores[name])
        means: Floats = cases[draws].mean(axis=1)
        low_difference, _ = _ends(of_first - means)
        # Rounding leaves 1e-17 between equal entries.
        if place == 1 or low_difference > 1e-9:
            rank, of_first = place, means
        found.append((name, rank, float(cases.mean()), *_ends(means)))
    return found


def pseudonyms(students: list[str], secret: int) -> dict[str, str]:
    """Return a pseudonym for each: the same in each run, and not to be guessed without the class's secret.

    Examples
    --------
    >>> pseudonyms(["ada", "bob"], 7) == pseudonyms(["bob", "ada"], 7)
    True
    """
    first, second = FIRST.split(), SECOND.split()
    found: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for student in sorted(students):
        digest = hmac.digest(str(secret).encode(), student.encode(), hashlib.sha256)
        name = f"{first[digest[0] % len(first)]} {second[digest[1] % len(second)]}"
        taken[name] += 1
        found[student] = name if taken[name] == 1 else f"{name} {taken[name]}"
    return found


def _what_is_ranked(slug: str, graded: Mapping[str, Graded]) -> tuple[str, str]:
    """Return the test that scores cases, and the hidden set that most were scored on."""
    found = [
        (each.id, each.hidden_set)
        for one in graded.values()
        for each in (one.run.exercises if one.run else [])
        if each.case_scores
    ]
    if not found:
        raise CourseError(
            f"expected scores of hidden cases in what was graded of {slug}, found none: "
            "either nobody's predictions are valid, or this lab has no challenge"
        )
    return Counter(found).most_common(1)[0][0]


def _verdict(graded: Graded, test: str) -> Exercise | None:
    return next((each for each in graded.run.exercises if each.id == test), None) if graded.run else None


def _reason(slug: str, graded: Graded, found: Exercise | None) -> str:
    """Return why a submission has no rank."""
    if graded.problem:
        return graded.problem
    if found is None:
        return "this test was not run"
    if found.case_scores:
        return f"scored on other hidden cases: run `medcourse grade {slug} --again`"
    return found.message or "no score was recorded"


def _means(cases: Mapping[str, list[float]], measures: list[str]) -> dict[str, float]:
    return {name: float(np.mean(cases[name])) for name in measures}


def _ends(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _called(each: Entry | Unranked) -> str:
    return each.name if each.student is None else f"{each.name} ({each.student})"
