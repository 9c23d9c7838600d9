"""The command line of the instructor's day: grade, report, and what goes around them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from medcourse.paths import course_root

OK, PROBLEM = 0, 1


def add_class_commands(commands: Any) -> None:
    """Add the commands that need a class to the parser's."""
    _add_grade(commands)

    report = commands.add_parser("report", help="what a class found hard, and who needs a look")
    report.add_argument("lab", metavar="LAB", help="the unit, as in 10_unet")
    report.add_argument("--csv", type=Path, metavar="FILE", help="write a row for each student")
    report.add_argument("--json", action="store_true", help="print one JSON object")
    report.set_defaults(command=_report)

    for name, call, said in (
        ("backup", _backup, "write gradebook and journals into one file"),
        ("restore", _restore, "put gradebook and journals back as a back-up has them"),
    ):
        command = commands.add_parser(name, help=said)
        command.add_argument("file", type=Path, metavar="FILE", help="the back-up")
        command.add_argument("--force", action="store_true", help="replace what is there")
        command.add_argument("--json", action="store_true", help="print one JSON object")
        command.set_defaults(command=call)


def print_json(value: dict[str, Any]) -> None:
    """Print one object, for programs."""
    print(json.dumps(value, indent=1))


def _add_grade(commands: Any) -> None:
    grade = commands.add_parser("grade", help="grade a class, in a sandbox and in parallel (needs solutions/)")
    grade.add_argument("lab", metavar="LAB", help="the unit, as in 10_unet")
    force = grade.add_mutually_exclusive_group()
    force.add_argument(
        "--workers", type=int, metavar="N", help="processes on this machine (default: one for each core)"
    )
    force.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler, as in tcp://host:8786")
    grade.add_argument("--student", action="append", metavar="ID", help="only this one; may be repeated")
    grade.add_argument("--again", action="store_true", help="run also what was graded before")
    grade.add_argument("--tier", metavar="TIER", help="the weakest sandbox that will do (default: as configured)")
    grade.add_argument("--json", action="store_true", help="print one JSON object")
    grade.set_defaults(command=_grade)


def _grade(options: argparse.Namespace) -> int:
    from medcourse.grading.classroom import grade_class  # noqa: PLC0415

    grades = grade_class(
        course_root(),
        options.lab,
        workers=options.workers,
        cluster=options.cluster,
        students=options.student,
        again=options.again,
        tier=options.tier,
        progress=sys.stderr.isatty(),
    )
    if options.json:
        print_json(grades.as_json())
    else:
        print(grades)
    if grades.trouble:
        print(f"medcourse: {grades.trouble}", file=sys.stderr)
    return OK if grades.is_complete else PROBLEM


def _report(options: argparse.Namespace) -> int:
    from medcourse.grading.report import report  # noqa: PLC0415

    found = report(course_root(), options.lab)
    if options.csv:
        found.write_csv(options.csv)
    if options.json:
        print_json(found.as_json())
    else:
        print(found)
    return OK


def _backup(options: argparse.Namespace) -> int:
    from medcourse.grading.backup import back_up  # noqa: PLC0415

    made = back_up(course_root(), options.file, force=options.force)
    if options.json:
        print_json(made.as_json())
    else:
        print(made)
    return OK


def _restore(options: argparse.Namespace) -> int:
    from medcourse.grading.backup import restore  # noqa: PLC0415

    put_back = restore(course_root(), options.file, force=options.force)
    if options.json:
        print_json(put_back.as_json())
        return OK
    print(put_back)
    if put_back.replaced:
        print(f"what was there is in {put_back.replaced}")
    print("run `medcourse grade` for each lab: it makes graded notebooks again and runs nobody's code twice")
    return OK
