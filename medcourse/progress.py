"""How far a person has come through the labs, from what `medcourse check` found in their workspace.

Each result is kept with the key of what it follows from: the answers, the lab and its tests. Where the key of the
notebook is another one, the result is no longer true, and is said to be old.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.check import CheckResult, check, own_work
from medcourse.grading.files import write_whole
from medcourse.grading.release import known_labs, release_path
from medcourse.terminal import Ink
from medcourse.units import UNITS

RECORD = ".medcourse-progress.json"
"""In the workspace: for each lab the key and what was found."""

NOT_BEGUN, CHECKED, CHANGED, UNREADABLE = "not begun", "checked", "changed", "unreadable"


@dataclass(frozen=True)
class Standing:
    """How far one lab is.

    Attributes
    ----------
    lab
        Its slug.
    state
        `checked`; `changed` since it was checked, or never checked; `not begun`; `unreadable`.
    score, max
        Points by tests: for `changed` those of the latest check, if there was one.
    exercises
        As `medcourse check --json` has them; empty unless checked.
    message
        Why it cannot be read.
    """

    lab: str
    state: str
    score: float
    max: float
    exercises: list[dict[str, Any]]
    message: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the shape of `medcourse check --json`, and the state."""
        return {
            "lab": self.lab, "score": self.score, "max": self.max, "exercises": self.exercises, "state": self.state,
        }  # fmt: skip


def notebook_of(workspace: Path, lab: str) -> Path:
    """Return where a person's notebook of a lab lies in their workspace."""
    return workspace / "labs" / f"{lab}.ipynb"


def keep(root: Path, workspace: Path, result: CheckResult) -> None:
    """Keep what was found in a lab's notebook of the workspace.

    Raises
    ------
    CourseError
        The workspace cannot be written.
    """
    kept = {lab: entry for lab, entry in _read(workspace).items() if lab in known_labs(root)}
    kept[result.lab] = {"key": result.key, "result": result.as_json()}
    write_whole(workspace / RECORD, json.dumps(kept, indent=1, sort_keys=True) + "\n")


def standings(root: Path, workspace: Path, labs: Iterable[str] | None = None) -> list[Standing]:
    """Return how far each lab is, by what was kept; nothing is run.

    Parameters
    ----------
    root
        The course's folder.
    workspace
        The person's.
    labs
        Which; all of the course unless given.
    """
    kept = _read(workspace)
    return [_standing(root, workspace, lab, kept.get(lab)) for lab in (known_labs(root) if labs is None else labs)]


def check_changed(
    root: Path, workspace: Path, show: Callable[[list[str]], Iterable[str]] = lambda labs: labs
) -> list[Standing]:
    """Grade every notebook of the workspace that was changed since it was checked, and return how far each lab is.

    Parameters
    ----------
    root, workspace
        As for `standings`.
    show
        Gets the labs that are to be graded and yields them one after another: a progress bar.
    """
    found = {each.lab: each for each in standings(root, workspace)}
    for lab in show([each.lab for each in found.values() if each.state == CHANGED]):
        try:
            keep(root, workspace, check(lab, notebook_of(workspace, lab), root=root))
            (found[lab],) = standings(root, workspace, [lab])
        except CourseError as error:
            found[lab] = Standing(lab, UNREADABLE, 0.0, found[lab].max, [], str(error))
    return list(found.values())


def _standing(root: Path, workspace: Path, lab: str, kept: Any) -> Standing:
    notebook = notebook_of(workspace, lab)
    try:
        work = own_work(lab, notebook if notebook.exists() else release_path(root, lab), root=root)
    except CourseError as error:
        return Standing(lab, UNREADABLE, 0.0, 0.0, [], str(error))
    if not work.begun:
        return Standing(lab, NOT_BEGUN, 0.0, work.max, [])
    try:
        result = kept["result"]
        old = Standing(lab, CHANGED, float(result["score"]), float(result["max"]), list(result["exercises"]))
    except (TypeError, KeyError, ValueError):  # never checked, or a record that broke
        return Standing(lab, CHANGED, 0.0, work.max, [])
    if kept.get("key") != work.key:
        return Standing(lab, CHANGED, old.score, old.max, [])
    return Standing(lab, CHECKED, old.score, old.max, old.exercises)


def _read(workspace: Path) -> dict[str, Any]:
    try:
        kept = json.loads((workspace / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def so_far(found: list[Standing]) -> str:
    """Say in one line how far all labs are together; what was not checked as it stands counts for nothing."""
    checked = [each for each in found if each.state == CHECKED]
    old = sum(each.state == CHANGED for each in found)
    line = (
        f"{len(checked)} of {len(found)} labs checked, "
        f"{sum(each.score for each in checked):g} of {sum(each.max for each in found):g} points"
    )
    return line + (f"; {old} not checked as they are now" if old else "")


def as_map(found: list[Standing], ink: Ink) -> str:
    """Draw the units along the slides' agenda, each with its points."""
    units = {unit.slug: unit for unit in UNITS}
    lines: list[str] = []
    part = None
    for each in found:
        unit = units.get(each.lab)
        if unit and unit.part != part:
            part = unit.part
            lines += [*([""] if lines else []), ink(part, "bold")]
        number, title = (f"{unit.number:2}", unit.title) if unit else ("  ", each.lab)
        points = f"{each.score:g}/{each.max:g}"
        said = {CHECKED: "", CHANGED: "not checked as it is now", NOT_BEGUN: "not begun"}.get(each.state)
        said = f"cannot be graded: {each.message}" if said is None else said
        lines.append(f"{number}  {title:<24} {ink.bar(each.score, each.max, 10)} {points:>7}  {said}".rstrip())
    return "\n".join([*lines, "", so_far(found)])
