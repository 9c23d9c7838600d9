"""What a cell of a lab is, and the marked regions in it.

A lab is a notebook whose cells carry nbgrader's metadata. Everything else in `grading` asks here and nowhere else.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

EXPERIMENT = "experiment"
"""Tag of cells that train and draw with what the student built."""

NOT_RUN = {EXPERIMENT, "picture"}
"""Tags of cells that the grader does not run."""

SETUP = "setup"
"""The grade_id of the cell that every lab begins with."""

NOT_ANSWERED = "not answered yet"
"""What a student reads where the stub still stands."""

NO_NUMBER = "this test ends in no number of points: please tell your instructor"
"""What a student reads where a test's last line is not their fault."""


class Marker(NamedTuple):
    """The two lines around a region; nbgrader looks for these words anywhere in a line."""

    begin: str
    end: str


SOLUTION = Marker("BEGIN SOLUTION", "END SOLUTION")
HIDDEN_TESTS = Marker("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
MARK_SCHEME = Marker("BEGIN MARK SCHEME", "END MARK SCHEME")
MARKERS = (SOLUTION, HIDDEN_TESTS, MARK_SCHEME)


def metadata(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell's nbgrader metadata; empty where there is none or where it is not a mapping."""
    of_cell = cell.get("metadata")
    found = of_cell.get("nbgrader") if isinstance(of_cell, dict) else None
    return found if isinstance(found, dict) else {}


def grade_id(cell: Mapping[str, Any]) -> str | None:
    """Return the name that nbgrader knows the cell by."""
    name = metadata(cell).get("grade_id")
    return name if isinstance(name, str) else None


def is_answer(cell: Mapping[str, Any]) -> bool:
    """Say whether the student writes code here that test cells grade."""
    meta = metadata(cell)
    return bool(meta.get("solution")) and not meta.get("grade")


def is_test(cell: Mapping[str, Any]) -> bool:
    """Say whether this cell grades by being run."""
    meta = metadata(cell)
    return bool(meta.get("grade")) and not meta.get("solution")


def is_written(cell: Mapping[str, Any]) -> bool:
    """Say whether the student writes something here that a person grades."""
    meta = metadata(cell)
    return bool(meta.get("grade")) and bool(meta.get("solution"))


def is_run(cell: Mapping[str, Any]) -> bool:
    """Say whether the grader runs this cell of a clean notebook."""
    return cell["cell_type"] == "code" and NOT_RUN.isdisjoint(cell["metadata"].get("tags", []))


def points(cell: Mapping[str, Any]) -> float:
    """Return what the cell is worth; 0 for cells that are not graded."""
    return float(metadata(cell).get("points", 0)) if metadata(cell).get("grade") else 0.0


def regions(source: str, marker: Marker) -> list[list[str]]:
    r"""Return the lines inside each marked region.

    Raises
    ------
    ValueError
        A region is not closed, closed before it began, or begun twice.

    Examples
    --------
    >>> regions("a\n### BEGIN SOLUTION\nb\n### END SOLUTION", SOLUTION)
    [['b']]
    """
    found: list[list[str]] = []
    is_open = False
    for line in source.split("\n"):
        if marker.begin in line:
            if is_open:
                raise ValueError(f"{marker.begin} stands twice without {marker.end} between")
            is_open = True
            found.append([])
        elif marker.end in line:
            if not is_open:
                raise ValueError(f"{marker.end} stands without {marker.begin} before it")
            is_open = False
        elif is_open:
            found[-1].append(line)
    if is_open:
        raise ValueError(f"{marker.begin} has no {marker.end}")
    return found


def without_regions(source: str, marker: Marker) -> str:
    r"""Return the source less its marked regions, markers included.

    Examples
    --------
    >>> without_regions("a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS\nc", HIDDEN_TESTS)
    'a\nc'
    """
    kept = []
    is_open = False
    for line in source.split("\n"):
        if marker.begin in line:
            is_open = True
        elif marker.end in line:
            is_open = False
        elif not is_open:
            kept.append(line)
    return "\n".join(kept)


def answer_of(test_id: str, answer_ids: list[str]) -> str | None:
    """Return the answer that a test named `<answer>_<property>` concerns: the longest that fits.

    Examples
    --------
    >>> answer_of("weight_map_borders", ["weight", "weight_map"])
    'weight_map'
    """
    named = [answer for answer in answer_ids if test_id.startswith(f"{answer}_")]
    return max(named, key=len, default=None)


def split_mark_scheme(source: str) -> tuple[str, str]:
    r"""Split a written question or answer from the marking scheme at its end; "" where there is none.

    Examples
    --------
    >>> split_mark_scheme("Why?\n=== BEGIN MARK SCHEME ===\n1 point\n=== END MARK SCHEME ===")
    ('Why?', '=== BEGIN MARK SCHEME ===\n1 point\n=== END MARK SCHEME ===')
    """
    lines = source.split("\n")
    # The last one, should a student write these words too.
    start = max((i for i, line in enumerate(lines) if MARK_SCHEME.begin in line), default=len(lines))
    return "\n".join(lines[:start]), "\n".join(lines[start:])
