"""The command line of the instructor's day: grade, report, and what goes around them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
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

    extend = commands.add_parser("extend", help="let a student hand in later, or list who may")
    extend.add_argument("lab", metavar="LAB", help="the unit, as in 10_unet")
    extend.add_argument("student", nargs="?", metavar="STUDENT", help="default: list all of the lab")
    when = extend.add_mutually_exclusive_group()
    when.add_argument("--until", metavar="TIME", help="as in 2026-12-05T12:00+01:00; UTC without a zone")
    when.add_argument("--remove", action="store_true", help="take the extension back")
    extend.add_argument("--json", action="store_true", help="print one JSON object")
    extend.set_defaults(command=_extend)

    export = commands.add_parser("export", help="grades as a table for a learning system")
    export.add_argument("lab", nargs="?", metavar="LAB", help="the unit, as in 10_unet")
    export.add_argument("--all", action="store_true", help="every lab that the gradebook knows")
    export.add_argument("--to", type=Path, required=True, metavar="FILE", help="where to; it is replaced")
    export.add_argument("--format", default="plain", metavar="NAME", help="plain (default), moodle or canvas")
    export.add_argument("--ids", type=Path, metavar="FILE", help="who is who there: id,email,name,number,login,section")
    export.add_argument("--json", action="store_true", help="print one JSON object")
    export.set_defaults(command=_export)

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
    grade.add_argument("--again", action="store_true", help="run also what was graded before, list what changes")
    grade.add_argument("--exercise", metavar="ID", help="with --again: change the grades of this one only")
    grade.add_argument("--dry-run", action="store_true", help="with --again: say what would change, write nothing")
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
        exercise=options.exercise,
        is_dry=options.dry_run,
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


def _extend(options: argparse.Namespace) -> int:
    from medcourse.grading.extend import extend, extensions_of  # noqa: PLC0415

    if bool(options.student) != bool(options.until or options.remove):
        raise CourseError("expected STUDENT and --until TIME or --remove, or none of them for a list")
    if options.student:
        found = [extend(course_root(), options.lab, options.student, options.until)]
    else:
        found = extensions_of(course_root(), options.lab)
    if options.json:
        print_json({"extensions": [each.as_json() for each in found]})
        return OK
    print("\n".join(map(str, found)) or f"nobody has longer for {options.lab}")
    for each in found:
        if not each.is_known and not options.remove:
            print(f"medcourse: {each.student} has handed in nothing yet: is the name right?", file=sys.stderr)
    return OK


def _export(options: argparse.Namespace) -> int:
    from medcourse.grading.export import export_grades  # noqa: PLC0415

    if bool(options.lab) == options.all:
        raise CourseError("expected the name of a lab or --all, got both or neither: say what to export")
    written = export_grades(course_root(), options.lab, options.to, to=options.format, ids=options.ids)
    if options.json:
        print_json(written.as_json())
    else:
        print(written)
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
