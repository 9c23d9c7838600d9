"""The course's terms in plain words, each with the unit that teaches it."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Attributes
    ----------
    term
        Its name in full.
    short
        Its abbreviation or short name, or an empty text.
    unit
        Slug of the unit that teaches it.
    meaning
        One or two sentences.
    """

    term: str
    short: str
    unit: str
    meaning: str

    def __str__(self) -> str:
        """Say it in one line."""
        short = f" ({self.short})" if self.short else ""
        return f"{self.term}{short}: {self.meaning} [unit {int(self.unit[:2])}]"


@cache
def terms() -> tuple[Term, ...]:
    """Return all terms, sorted by name without regard to case.

    Examples
    --------
    >>> len(terms()) >= 60
    True
    """
    lines = (files("medcourse") / "glossary.csv").read_text(encoding="utf-8").splitlines()
    return tuple(Term(**row) for row in csv.DictReader(lines))


def find(text: str) -> list[Term]:
    """Return the terms that are called so, or else those in whose name or meaning the text stands.

    Parameters
    ----------
    text
        A term, its abbreviation, or a part of either; upper and lower case are one.

    Examples
    --------
    >>> [each.term for each in find("HU")]
    ['Hounsfield unit']
    >>> [each.term for each in find("covered")]
    ['occlusion map']
    """
    wanted = text.casefold().strip()
    called = [each for each in terms() if wanted in (each.term.casefold(), each.short.casefold())]
    return called or [each for each in terms() if wanted in f"{each.term} {each.meaning}".casefold()]


def table(unit: str | None = None) -> str:
    """Return terms as a Markdown table that links to the lessons, which lie beside the one that shows it.

    Parameters
    ----------
    unit
        Slug of a unit, for its terms alone.

    Examples
    --------
    >>> print(table("19_public_datasets").splitlines()[2])
    | challenge | A task, data and a measure that many teams are compared on. | [19](19_public_datasets.ipynb) |
    """
    lines = ["| term | in plain words | unit |", "|---|---|---|"]
    for each in terms():
        if unit in (None, each.unit):
            name = f"{each.term} ({each.short})" if each.short else each.term
            lines.append(f"| {name} | {each.meaning} | [{int(each.unit[:2])}]({each.unit}.ipynb) |")
    return "\n".join(lines)
