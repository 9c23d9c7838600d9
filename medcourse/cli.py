"""The command line: parse, call, print. What a subcommand needs is imported where it runs, so that help is instant."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from medcourse import __version__
from medcourse.cli_check import add_check_command
from medcourse.cli_class import OK, PROBLEM, add_class_commands, print_json
from medcourse.cli_hub import add_hub_command
from medcourse.cli_site import add_site_command
from medcourse.errors import CourseError
from medcourse.paths import course_root

BAD_INPUT, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a problem found, 2 for bad input, 130 when interrupted."""
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except CourseError as error:
        print(f"medcourse: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("medcourse: interrupted", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Report misuse as any other bad input, in one line, and take options wherever they stand."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let an optional argument follow an option, as NOTEBOOK in `check LAB --json NOTEBOOK`.

        By itself argparse gives up on it at the option.
        """
        if self._subparsers is not None or self._within:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False

    def error(self, message: str) -> NoReturn:
        raise CourseError(f"{message} (see `{self.prog} --help`)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="medcourse", description="Deep Learning in Medical Imaging, a course that you can run.")
    parser.add_argument("--version", action="version", version=f"medcourse {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    lab = commands.add_parser("lab", help="open JupyterLab on the lessons and labs")
    lab.add_argument(
        "workspace", nargs="?", type=Path, help="your folder (default: MEDCOURSE_WORKSPACE or ./workspace)"
    )
    lab.add_argument("--port", type=int, help="port to listen on (default: the next free one)")
    lab.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    lab.add_argument("--check", action="store_true", help="start, ask for every notebook, stop")
    lab.set_defaults(command=_lab)

    build = commands.add_parser("build", help="make assignments/ from solutions/")
    build.add_argument("slugs", nargs="*", metavar="SLUG", help="units to build (default: all)")
    build.add_argument("--check", action="store_true", help="write nothing, fail if anything is stale")
    build.set_defaults(command=_build)

    publish = commands.add_parser("publish", help="write the tree that students and the public get (needs solutions/)")
    publish.add_argument("folder", type=Path, metavar="FOLDER", help="new, empty, or as this command left it")
    publish.add_argument("--json", action="store_true", help="print one JSON object")
    publish.set_defaults(command=_publish)

    _add_grading(commands)
    add_hub_command(commands)

    effects = commands.add_parser("effects", help="measure the papers' claims again (needs solutions/)")
    effects.add_argument("lab", nargs="?", metavar="LAB", help="one unit (default: all)")
    effects.add_argument(
        "--data", type=Path, metavar="FOLDER", help="real data in their own layout, not simulated ones"
    )
    effects.add_argument("--seeds", type=int, metavar="N", help="repetitions (default: 5)")
    effects.add_argument("--quick", action="store_true", help="train as shortly as in the notebook, keep no table")
    effects.add_argument("--json", action="store_true", help="print one JSON object")
    effects.set_defaults(command=_effects)

    data = commands.add_parser("data", help="list or download public data sets")
    actions = data.add_subparsers(required=True, metavar="list|get", title="actions")
    data_list = actions.add_parser("list", help="what can be downloaded, its size and licence")
    data_list.add_argument("--all", action="store_true", help="the whole catalogue, also what others keep")
    for name, example in (("modality", "CT"), ("task", "segmentation"), ("access", "open"), ("text", "lymph")):
        data_list.add_argument(f"--{name}", metavar="WORD", help=f"of the catalogue, as in {example}; implies --all")
    data_list.add_argument("--json", action="store_true", help="print one JSON object")
    data_list.set_defaults(command=_data_list)
    data_get = actions.add_parser("get", help="download one, or say where it is")
    data_get.add_argument("name", metavar="NAME", help="as `medcourse data list` calls it")
    data_get.add_argument("--json", action="store_true", help="print one JSON object")
    data_get.set_defaults(command=_data_get)

    add_site_command(commands)

    doctor = commands.add_parser("doctor", help="look at what this machine offers the course")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_grading(commands: Any) -> None:
    add_check_command(commands)
    add_class_commands(commands)

    leaderboard = commands.add_parser("leaderboard", help="rank a class in a challenge, from what was graded")
    leaderboard.add_argument("lab", metavar="LAB", help="the unit, as in 20_summary")
    leaderboard.add_argument("--names", action="store_true", help="say who is who (default: pseudonyms)")
    leaderboard.add_argument("--csv", type=Path, metavar="FILE", help="write a row for each submission")
    leaderboard.add_argument("--json", action="store_true", help="print one JSON object")
    leaderboard.set_defaults(command=_leaderboard)

    crowd = commands.add_parser("crowd", help="what a class says together in a labelling game, without names")
    crowd.add_argument("lab", metavar="LAB", help="the unit, as in 18_crowdsourcing")
    crowd.add_argument("--out", type=Path, metavar="FILE", help="write the table of answers: worker, item, label")
    crowd.add_argument("--json", action="store_true", help="print one JSON object")
    crowd.set_defaults(command=_crowd)

    audit = commands.add_parser("audit", help="whether a lab's tests tell right from wrong (needs solutions/)")
    audit.add_argument("lab", nargs="?", metavar="LAB", help="the unit, as in 10_unet")
    audit.add_argument("--all", action="store_true", help="every lab")
    audit.add_argument("--workers", type=int, metavar="N", help="how many at a time (default: one for each core)")
    audit.add_argument("--json", action="store_true", help="print one JSON object")
    audit.set_defaults(command=_audit)


def _lab(options: argparse.Namespace) -> int:
    from medcourse import server, workspace  # noqa: PLC0415

    filled = workspace.fill(options.workspace or workspace.default_workspace())
    print(filled)
    if options.check:
        for line in server.check_lab(filled.folder, filled.notebooks):
            print(line)
    else:
        server.open_lab(filled.folder, port=options.port, browser=not options.no_browser)
    return OK


def _build(options: argparse.Namespace) -> int:
    from medcourse.grading import release  # noqa: PLC0415

    if options.check and options.slugs:
        raise CourseError(f"--check looks at all units, got {' '.join(options.slugs)}: leave the names out")
    if options.check:
        release.check(course_root())
        print("assignments/ is as built from solutions/")
        return OK
    changed = release.build(course_root(), options.slugs or None)
    print("\n".join(f"built {path}" for path in changed) or "assignments/ is as built already")
    return OK


def _publish(options: argparse.Namespace) -> int:
    from medcourse.grading import release  # noqa: PLC0415
    from medcourse.publish import publish  # noqa: PLC0415

    root = course_root()
    release.check(root)
    done = publish(root, options.folder)
    if options.json:
        print_json({"folder": str(done.folder), "files": len(done.files), "changed": len(done.changed)})
    else:
        print(done)
    return OK


def _crowd(options: argparse.Namespace) -> int:
    from medcourse.class_votes import judge_class  # noqa: PLC0415
    from medcourse.grading.crowd import gather  # noqa: PLC0415

    found = gather(course_root(), options.lab)
    votes = judge_class(found.lab, found.rows, found.expert, n_submissions=found.n_submissions, dropped=found.dropped)
    if options.out:
        try:
            options.out.write_text(found.as_csv(), encoding="utf-8", newline="")
        except OSError as error:
            raise CourseError(f"cannot write {options.out}: {error.strerror}") from None
    if options.json:
        print_json(votes.as_json())
    else:
        print(votes)
    return OK


def _leaderboard(options: argparse.Namespace) -> int:
    from medcourse.grading.leaderboard import leaderboard  # noqa: PLC0415

    found = leaderboard(course_root(), options.lab, names=options.names)
    if options.csv:
        found.write_csv(options.csv)
    if options.json:
        print_json(found.as_json())
    else:
        print(found)
    return OK


def _audit(options: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415

    from medcourse.grading.audit import audit  # noqa: PLC0415

    if bool(options.lab) == options.all:
        raise CourseError("expected the name of a lab or --all, got both or neither: say which labs to audit")
    root = course_root()
    audits = []
    for lab in sorted(each.stem for each in (root / "solutions").glob("[0-9]*.py")) if options.all else [options.lab]:

        def progress(runs: Any, total: int, lab: str = lab) -> Any:
            return tqdm(runs, lab, total, disable=None)  # only where standard error is a terminal

        audits.append(audit(root, lab, workers=options.workers, progress=progress))
        if not options.json:
            print(audits[-1])
    if options.json:
        print_json({"labs": [each.as_json() for each in audits]} if options.all else audits[0].as_json())
    return OK if all(each.passes for each in audits) else PROBLEM


def _effects(options: argparse.Namespace) -> int:
    from medcourse import effects  # noqa: PLC0415

    if options.data and not options.lab:
        raise CourseError("expected the lab whose experiment is to run on the folder, got --data alone: name it")
    root = course_root()
    labs = [options.lab] if options.lab else sorted(each.stem for each in (root / "solutions").glob("[0-9]*.py"))
    n_seeds = effects.N_SEEDS if options.seeds is None else options.seeds
    with contextlib.redirect_stdout(sys.stderr):  # what the experiments print is no part of the answer
        runs = [effects.run(lab, data=options.data, n_seeds=n_seeds, quick=options.quick) for lab in labs]
    rows = [row for run in runs for row in run]
    if not options.quick:
        effects.save(rows, root / "bench" / "results" / "effects.json")
    if options.json:
        print_json({"rows": [asdict(row) for row in rows]})
    else:
        print(effects.as_table(rows).to_string(index=False))
    return OK


def _data_list(options: argparse.Namespace) -> int:
    asked = {name: getattr(options, name) for name in ("modality", "task", "access", "text")}
    if options.all or any(asked.values()):
        return _data_search(asked, as_json=options.json)
    from medcourse.datasets.catalogue import CATALOGUE  # noqa: PLC0415

    if options.json:
        print_json({"data": [asdict(entry) for entry in CATALOGUE.values()]})
        return OK
    for entry in CATALOGUE.values():
        print(f"{entry.name}  {entry.size_mb} MB  {entry.title}")
        print(f"    {entry.modality}, {entry.task}, for {', '.join(entry.units)}")
        print(f"    licence: {entry.licence}")
        print(f"    cite: {entry.citation}, https://doi.org/{entry.doi}")
    return OK


def _data_search(asked: dict[str, Any], *, as_json: bool) -> int:
    from medcourse.datasets.catalogue import find_datasets  # noqa: PLC0415

    found = find_datasets(**asked)
    if as_json:
        print_json({"data": json.loads(found.to_json(orient="records"))})
        return OK
    for row in found.itertuples():
        size = "size unknown" if row.size_gb != row.size_gb else f"about {row.size_gb:g} GB"  # NaN is not itself
        print(f"{row.name}  {size}  {row.title}")
        print(f"    {row.modality}, {row.task}: {row.target}; about {row.cases} {row.case}")
        print(f"    {row.access}, licence: {row.licence}; {row.url}")
        print(f"    cite: {row.citation}{f', https://doi.org/{row.doi}' if row.doi else ''}")
        print(f"    checked {row.checked}: {row.evidence}{f'; read by {row.loader}' if row.loader else ''}")
    print(f"{len(found)} data sets")
    return OK


def _data_get(options: argparse.Namespace) -> int:
    from medcourse.datasets.download import fetch  # noqa: PLC0415

    folder = fetch(options.name)
    if options.json:
        print_json({"name": options.name, "folder": str(folder)})
    else:
        print(folder)
    return OK


def _doctor(options: argparse.Namespace) -> int:
    from medcourse import doctor, workspace  # noqa: PLC0415

    findings = doctor.examine(workspace.default_workspace())
    sound = all(each.state != "problem" for each in findings)
    if options.json:
        print_json({"ok": sound, "findings": [asdict(each) for each in findings]})
    else:
        print(*findings, sep="\n")
    return OK if sound else PROBLEM


if __name__ == "__main__":
    sys.exit(main())
