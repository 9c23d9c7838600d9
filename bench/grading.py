"""How long a class takes to grade: stock nbgrader beside ours, on the same labs, submissions and machine.

python bench/grading.py [--size 60] [--workers 2] [--skip-stock] [--json]
python bench/grading.py --linear

The class is that of `bench/classes.py`: of 60, 26 right, 18 wrong, 12 broken, 4 slow. Both sides get the same limit
for a cell and the same seed for hidden inputs, and are timed as commands, from their start to their end:

stock   `nbgrader autograde LAB` as nbgrader comes, with experiments and pictures marked as cells to skip, since it
        would train for a minute in each submission; one submission after another
ours    `medcourse grade LAB --workers N`, sandbox on, for N = 1, 2, 4

What is measured of ours, from the command's clock and the journal's:

first grade     from the start until the first grade is in the gradebook
start-up        from the start until the first submission begins to run: the earliest, over all submissions, of the
                moment it was graded less its cells' own seconds
cell seconds    what the cells of a submission themselves took, mean: no grader can save these
overhead        (seconds - start-up) * workers / class size - cell seconds; a worker that waits for the last
                submission of another counts as overhead, too

`--linear` grades 150, 300 and 600 submissions with ours, fits a line to the seconds, and samples the memory of all its
processes together (PSS, which counts what they share once).

What is found is kept in bench/results/grading.json.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from classes import MIX, Submission, environment, make_class
from tqdm import tqdm

from medcourse.grading.notebooks import read_notebook, to_text

RESULTS = Path(__file__).parent / "results" / "grading.json"
SIZES = (150, 300, 600)
HONEST = {"right", "wrong", "empty", "sleeps"}
SEED = "10"  # of hidden inputs, the same on both sides
STOCK = """
from pathlib import Path
c = get_config()
c.CourseDirectory.course_id = "medcourse"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.source_directory = "build/source"
c.CourseDirectory.release_directory = "assignments"
c.Execute.timeout = {seconds}
"""

Scores = dict[str, dict[str, float | None]]


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        record = compare(Path(folder), options) if options.linear is None else linear(Path(folder), options)
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    RESULTS.write_text(json.dumps(kept | record, indent=1) + "\n")
    if options.json:
        asked = "class_size", "workers", "stock_seconds", "ours_seconds", "ratio", "overhead_seconds_per_submission"
        print(json.dumps({name: record[name] for name in asked} if options.linear is None else record))
    elif options.linear is None:
        _print_class(record)
    else:
        _print_linear(record["linear"])


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Grade one class on both sides."""
    lab, size, on = options.lab, options.size, _machine()
    made = folder / "class"
    submissions = make_class(made, lab, size, options.seed)
    record: dict[str, Any] = {"lab": lab, "class_size": size, "cell_limit_s": options.cell_seconds, "on": on}
    record["mix"] = {kind: sum(each.kind == kind for each in submissions) for kind in MIX}
    stock: dict[str, Any] = {}
    if not options.skip_stock:
        stock = grade_stock(_copy(made, folder / "stock"), lab, size, options.cell_seconds)
    runs = {}
    for workers in sorted({1, 2, 4, options.workers}):
        root = _copy(made, folder / f"ours-{workers}")
        runs[workers] = grade_ours(root, lab, size, workers, options.cell_seconds)
    ours = runs[options.workers]
    record |= {
        "workers": options.workers,
        "stock_seconds": stock.get("seconds"),
        "ours_seconds": ours["seconds"],
        "ratio": round(stock["seconds"] / ours["seconds"], 2) if stock else None,
        "overhead_seconds_per_submission": ours["overhead_seconds"],
        "first_grade_seconds": ours["first_grade_seconds"],
        "by_workers": {str(workers): run for workers, run in runs.items()},
        "scores": compare_scores(
            submissions, read_scores(folder / "stock", lab) if stock else {},
            read_scores(folder / f"ours-{options.workers}", lab),
        ),
    }  # fmt: skip
    return record


def grade_stock(root: Path, lab: str, size: int, cell_seconds: int) -> dict[str, Any]:
    """Grade a class with nbgrader as it comes; return `seconds`."""
    (root / "nbgrader_config.py").write_text(STOCK.format(seconds=cell_seconds))
    for path in root.glob("submitted/*/*/*.ipynb"):
        notebook = read_notebook(path)
        for cell in notebook.cells:
            if {"experiment", "picture"} & set(cell.metadata.get("tags", [])):
                cell.metadata["tags"] = ["skip-execution"]
        path.write_text(to_text(notebook))
    command = [sys.executable, "-m", "nbgrader", "autograde", lab]
    # It ends in an error if any submission does, and that is a finding and no failure of this measurement.
    with _progress(root, lab, size, "stock"):
        started = time.perf_counter()
        _run(command, root, MEDCOURSE_SECRET_SEED=SEED)
        return {"seconds": round(time.perf_counter() - started, 2)}


def grade_ours(root: Path, lab: str, size: int, workers: int, cell_seconds: int) -> dict[str, Any]:
    """Grade a class with ours; return its times in seconds, as the docstring of this module defines them."""
    command = [sys.executable, "-m", "medcourse.cli", "grade", lab, "--workers", str(workers), "--json"]
    with _progress(root, lab, size, f"ours, workers={workers}"):
        began, started = time.time(), time.perf_counter()
        settings = {"MEDCOURSE_ROOT": str(root), "MEDCOURSE_CELL_SECONDS": str(cell_seconds)}
        done = _run(command, root, MEDCOURSE_SECRET_SEED=SEED, **settings)
        seconds = time.perf_counter() - started
    journal = root / "grading" / f"{lab}.jsonl"
    results, first_recorded = read_journal(journal) if journal.is_file() else ([], 0.0)
    if len(results) != size:
        raise SystemExit(
            f"expected {size} results of `medcourse grade`, got {len(results)}; it ended in {done.returncode} "
            f"and said: {done.stdout}{done.stderr}"
        )
    own = [cells for _, cells in results]
    start_up = min(moment - cells for moment, cells in results) - began
    return {
        "seconds": round(seconds, 2),
        "start_up_seconds": round(start_up, 2),
        "first_grade_seconds": round(first_recorded - began, 2),
        "cell_seconds": round(float(np.mean(own)), 3),
        "overhead_seconds": round((seconds - start_up) * workers / size - float(np.mean(own)), 3),
    }


def linear(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Grade classes of growing size with ours; return seconds, the line through them, and memory."""
    rows, on = [], _machine()
    for size in options.linear or SIZES:
        root = folder / str(size)
        make_class(root, options.lab, size, options.seed)
        with peak_memory() as memory:
            run = grade_ours(root, options.lab, size, options.workers, options.cell_seconds)
        rows.append({"class_size": size, **run, **memory})
        shutil.rmtree(root)
    x, y = np.array([[row["class_size"], row["seconds"]] for row in rows]).T
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - (slope * x + intercept)
    r_squared = 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum()
    line = {
        "seconds_per_submission": round(slope, 4),
        "seconds_at_0": round(intercept, 2),
        "r_squared": round(r_squared, 5),
    }
    return {"linear": {"lab": options.lab, "workers": options.workers, "on": on, "rows": rows, **line}}


def read_journal(path: Path) -> tuple[list[tuple[float, float]], float]:
    """Return for each graded submission when it was graded and what its cells took; and when the first was recorded."""
    results: list[tuple[float, float]] = []
    recorded: list[float] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        moment = datetime.fromisoformat(entry["time"]).timestamp()
        if entry["event"] == "result":
            results.append((moment, entry["run"]["seconds"] if entry["run"] else 0.0))
        elif entry["event"] == "recorded":
            recorded.append(moment)
    return results, min(recorded, default=math.nan)


def read_scores(root: Path, lab: str) -> Scores:
    """Return what the gradebook says of each test of each student; no entry for who was not graded."""
    from nbgrader.api import Gradebook  # noqa: PLC0415  (a second)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy's, about nbgrader's models
        with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
            graded = [each for each in gradebook.assignment_submissions(lab) if _is_graded(root, lab, each.student.id)]
            return {
                each.student.id: {
                    grade.name: grade.auto_score for grade in each.notebooks[0].grades if grade.cell.cell_type == "code"
                }
                for each in graded
            }


def compare_scores(submissions: list[Submission], stock: Scores, ours: Scores) -> dict[str, Any]:
    """Return who was left ungraded, and where the scores of honest submissions differ."""
    differences = [
        {"student": each.student, "kind": each.kind, "test": test, "stock": score, "ours": ours[each.student][test]}
        for each in submissions
        if each.kind in HONEST and each.student in stock and each.student in ours
        for test, score in stock[each.student].items()
        if score != ours[each.student][test]
    ]
    everyone = {each.student for each in submissions}
    return {
        "honest_compared": sum(each.kind in HONEST and each.student in stock for each in submissions),
        "differences": differences,
        "ungraded_by_stock": sorted(everyone - stock.keys()) if stock else None,
        "ungraded_by_ours": sorted(everyone - ours.keys()),
    }


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Measure the most memory that the children of this process held together, in MB; filled in at the end."""
    found: dict[str, float] = {}
    peak, is_over = [0.0], threading.Event()

    def sample() -> None:
        while not is_over.wait(0.5):
            held = sum(_pss_bytes(child) for child in psutil.Process().children(recursive=True))
            peak[0] = max(peak[0], held / 1e6)

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield found
    finally:
        is_over.set()
        sampler.join()
        found["peak_mb"] = round(peak[0])


def _pss_bytes(process: psutil.Process) -> float:
    """Return a process's share of memory; what is shared is divided among those who share it."""
    try:
        return process.memory_full_info().pss
    except (psutil.AccessDenied, AttributeError):  # another user's, or no Linux: more than its share
        try:
            return process.memory_info().rss
        except psutil.Error:
            return 0.0
    except psutil.Error:  # it has ended
        return 0.0


@contextmanager
def _progress(root: Path, lab: str, size: int, label: str) -> Iterator[None]:
    """Show how many submissions have been graded."""
    is_over = threading.Event()

    def watch(bar: "tqdm[None]") -> None:
        while not is_over.wait(1):
            bar.n = sum(1 for _ in root.glob(f"autograded/*/{lab}/{lab}.ipynb"))
            bar.refresh()

    with tqdm(total=size, desc=label, file=sys.stderr) as bar:
        watcher = threading.Thread(target=watch, args=(bar,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()


def _run(command: list[str], root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, env=environment(**variables), capture_output=True, text=True, check=False)


def _is_graded(root: Path, lab: str, student: str) -> bool:
    """Say whether the grader came to an end with a submission; nbgrader removes the notebook where it did not."""
    return (root / "autograded" / student / lab / f"{lab}.ipynb").is_file()


def _copy(made: Path, root: Path) -> Path:
    shutil.copytree(made, root)
    return root


def _machine() -> dict[str, Any]:
    """Say what this runs on, and how busy that was before: two runs of PyTorch slow each other down many times over."""
    load = round(os.getloadavg()[0], 1)
    if load > 0.5:
        print(f"This machine is busy (load {load}): these figures will not be its own.", file=sys.stderr)
    return {"cores": len(os.sched_getaffinity(0)), "processor": platform.machine(), "load_before": load}


def _print_class(record: dict[str, Any]) -> None:
    size, stock = record["class_size"], record["stock_seconds"]
    print(f"{size} submissions of {record['lab']} on {record['on']}, {record['mix']}")
    columns = (
        f"{'seconds':>9}{'each':>8}{'x stock':>9}{'x 1 worker':>12}{'first grade':>13}{'cells':>8}{'overhead':>10}"
    )
    print(f"{'':16}{columns}")
    if stock:
        print(f"{'stock':16}{stock:9.1f}{stock / size:8.2f}{1:9.1f}")
    alone = record["by_workers"]["1"]["seconds"]
    for workers, run in record["by_workers"].items():
        ratio = f"{stock / run['seconds']:9.1f}" if stock else f"{'':9}"
        print(
            f"{'ours, workers=' + workers:16}{run['seconds']:9.1f}{run['seconds'] / size:8.2f}{ratio}"
            f"{alone / run['seconds']:12.2f}{run['first_grade_seconds']:13.1f}{run['cell_seconds']:8.2f}"
            f"{run['overhead_seconds']:10.2f}"
        )
    scores = record["scores"]
    print(f"{len(scores['differences'])} differences in the scores of {scores['honest_compared']} honest submissions")
    for each in scores["differences"]:
        print(f"  {each['student']} ({each['kind']}) {each['test']}: stock {each['stock']}, ours {each['ours']}")
    print(f"left ungraded by stock: {scores['ungraded_by_stock']}, by ours: {scores['ungraded_by_ours']}")


def _print_linear(record: dict[str, Any]) -> None:
    print(f"{'size':>6}{'seconds':>9}{'peak MB':>9}")
    for row in record["rows"]:
        print(f"{row['class_size']:6}{row['seconds']:9.1f}{row['peak_mb']:9.0f}")
    print(
        f"seconds = {record['seconds_at_0']} + {record['seconds_per_submission']} * size, "
        f"R^2 = {record['r_squared']}, {record['workers']} workers"
    )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--lab", default="10_unet")
    parser.add_argument("--size", type=int, default=60, help="students (default: 60)")
    parser.add_argument("--workers", type=int, default=2, help="processes of ours in the comparison (default: 2)")
    parser.add_argument("--cell-seconds", type=int, default=5, help="limit for a cell, on both sides (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="draws who makes which mistake (default: 0)")
    parser.add_argument("--skip-stock", action="store_true", help="do not grade with stock nbgrader")
    parser.add_argument(
        "--linear",
        type=int,
        nargs="*",
        metavar="SIZE",
        help=f"grade classes of these sizes with ours (default: {SIZES})",
    )
    parser.add_argument("--json", action="store_true", help="print one object of JSON and nothing else")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
