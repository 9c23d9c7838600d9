"""The command line of a person who grades their own work."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medcourse.cli_class import OK, PROBLEM, print_json
from medcourse.errors import CourseError
from medcourse.paths import course_root


def add_check_command(commands: Any) -> None:
    """Add `medcourse check` to the parser's commands."""
    check = commands.add_parser("check", help="grade your own work")
    check.add_argument("lab", nargs="?", metavar="LAB", help="the unit, as in 10_unet")
    check.add_argument("notebook", nargs="?", type=Path, metavar="NOTEBOOK", help="default: the one in your workspace")
    check.add_argument("--all", action="store_true", help="every lab of your workspace, on a map of the course")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> int:
    if bool(options.lab) == options.all:
        raise CourseError("expected the name of a lab or --all, got both or neither: say which labs to check")
    return _check_all(options) if options.all else _check_one(options)


def _check_one(options: argparse.Namespace) -> int:
    from medcourse import progress, workspace  # noqa: PLC0415
    from medcourse.grading.check import check  # noqa: PLC0415
    from medcourse.terminal import busy  # noqa: PLC0415

    root, own = course_root(), workspace.default_workspace()
    notebook = options.notebook or progress.notebook_of(own, options.lab)
    with busy(f"grading {options.lab}"):
        result = check(options.lab, notebook, root=root)
    is_own = notebook.resolve() == progress.notebook_of(own, options.lab).resolve()
    if is_own:
        progress.keep(root, own, result)
    if options.json:
        print_json(result.as_json())
        return OK
    print(_shown(result))
    if is_own:
        print(f"so far: {progress.so_far(progress.standings(root, own))} (`medcourse check --all` shows the map)")
    return OK


def _shown(result: Any) -> str:
    """Return the verdicts for a person: each property with its points and message, and hints where they help."""
    from medcourse.grading.cells import NOT_ANSWERED, answer_of  # noqa: PLC0415
    from medcourse.terminal import Ink, shade, wrapped  # noqa: PLC0415

    ink = Ink()
    lines: list[str] = []
    for exercise, following in zip(result.exercises, [*result.exercises[1:], None], strict=True):
        points = ink(f"{exercise.score:g}/{exercise.points:g}", shade(exercise.score, exercise.points))
        said = "" if exercise.message != NOT_ANSWERED else f"  {ink(NOT_ANSWERED, 'dim')}"
        lines.append(f"{ink.tick(exercise.score, exercise.points)} {points}  {ink(exercise.id, 'bold')}{said}")
        if exercise.message and not said:
            lines.append(wrapped(exercise.message, "       "))
        answer = answer_of(exercise.id, list(result.hints))
        if answer and (following is None or answer_of(following.id, list(result.hints)) != answer):
            own = [each for each in result.exercises if answer_of(each.id, list(result.hints)) == answer]
            # A hint is for those who tried: who has not begun finds it, folded, in the notebook.
            if any(each.score < each.points and each.message != NOT_ANSWERED for each in own):
                lines.append(ink(wrapped(f"hint: {result.hints[answer]}", "       "), "dim"))
    lines += [ink(f"note: {note}", "yellow") for note in result.notes]
    tests = "hidden tests included" if result.hidden else "by the tests that you can read"
    lines.append(
        f"{ink.bar(result.score, result.max)}  {result.lab}: {result.score:g} of {result.max:g} points, {tests}"
    )
    return "\n".join(lines)


def _check_all(options: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415

    from medcourse import progress, workspace  # noqa: PLC0415
    from medcourse.terminal import Ink  # noqa: PLC0415

    def show(labs: list[str]) -> Iterable[str]:
        bar = tqdm(labs, "grading", file=sys.stderr, disable=None, leave=False)  # only where it is a terminal
        for lab in bar:
            bar.set_postfix_str(lab)
            yield lab

    found = progress.check_changed(course_root(), workspace.default_workspace(), show)
    if options.json:
        print_json({"labs": [each.as_json() for each in found]})
    else:
        print(progress.as_map(found, Ink()))
    return PROBLEM if any(each.state == progress.UNREADABLE for each in found) else OK
