"""What pages say of a unit: titles, minutes, cost, neighbours."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.cells import points
from medcourse.grading.records import COST
from medcourse.units import UNITS, Unit

_MINUTES = re.compile(r"\*\*Time:\*\* about (\d+) minutes")


@dataclass(frozen=True)
class Notes:
    """A lesson or a lab in figures.

    Attributes
    ----------
    unit : Unit
    title : str
        Of the notebook.
    minutes : int
        How long it takes to read or to solve, as its authors guess.
    seconds, peak_gb : float
        What running it took when that was last measured.
    points : float
        Of a lab; 0 for a lesson.
    """

    unit: Unit
    title: str
    minutes: int
    seconds: float
    peak_gb: float
    points: float = 0.0


def notes_of(notebook: Any, unit: Unit, *, key: str, costs: dict[str, dict[str, Any]]) -> Notes:
    """Read a notebook's first cell, and the record of costs under `key`.

    Raises
    ------
    CourseError
        The first cell has no title or no time, or the cost is not recorded.
    """
    first = notebook.cells[0].source
    title = re.match(r"# (.+)", first)
    minutes = _MINUTES.search(first)
    if title is None or minutes is None:
        raise CourseError(f"expected a title and `**Time:** about N minutes` in the first cell of {key}, found neither")
    if key not in costs:
        raise CourseError(f"expected the cost of {key} in {COST}, found none: run `python bench/cost.py`")
    cost = costs[key]
    worth = sum(points(cell) for cell in notebook.cells)
    return Notes(unit, title[1].strip(), int(minutes[1]), cost["seconds"], cost["peak_gb"], worth)


def read_costs(root: Path) -> dict[str, dict[str, Any]]:
    """Return the record of what notebooks cost, by `course/<slug>` and `solutions/<slug>`."""
    record: dict[str, dict[str, Any]] = json.loads((root / COST).read_text())
    return record


def units_there(root: Path) -> list[Unit]:
    """List the units whose lesson is in the course, in the agenda's order.

    Raises
    ------
    CourseError
        There is none.
    """
    there = [unit for unit in UNITS if (root / "course" / f"{unit.slug}.py").is_file()]
    if not there:
        raise CourseError(f"expected lessons in {root / 'course'}, found none")
    return there
