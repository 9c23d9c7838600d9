"""Run a clean notebook in a plain child process, where there is no sandbox: for a person's own work only.

Student and tests share it, so it protects nobody from anything; a submission of somebody else is never run so.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.plan import Cell, Exercise, Limits, Run


def run_cells(cells: Sequence[Cell], *, folder: Path, limits: Limits, seed: int) -> Run:
    """Run the cells of a clean notebook with its tests.

    Parameters
    ----------
    cells
        As `plan.graded_cells` gives them.
    folder
        The working folder of the code.
    limits
        Only those on time are kept here.
    seed
        The class's secret, for the inputs of hidden tests.
    """
    return _collect([cell for cell in cells if cell.points is not None], _run(cells, folder, limits, seed))


def _run(todo: Sequence[Cell], folder: Path, limits: Limits, seed: int) -> list[dict[str, Any]]:
    """Let the child process do its work and return the lines of its report."""
    job = {"cells": [asdict(cell) for cell in todo], "folder": str(folder), "seconds": limits.cell_seconds}
    environment = os.environ | {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MEDCOURSE_SECRET_SEED": str(seed),
    }
    with tempfile.TemporaryDirectory() as scratch:
        job_path, report_path = Path(scratch, "job.json"), Path(scratch, "report.jsonl")
        errors_path = Path(scratch, "errors.txt")
        job_path.write_text(json.dumps(job), encoding="utf-8")
        with errors_path.open("wb") as errors:
            child = subprocess.Popen(  # noqa: S603  (our own module)
                # -P: a file random.py beside the notebook must not stand in for the standard library's in our own code
                [sys.executable, "-P", "-m", "medcourse.grading.runner", str(job_path), str(report_path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment,
                start_new_session=True,
            )
            try:
                child.wait(limits.total_seconds)
            except subprocess.TimeoutExpired:
                pass
            finally:
                _end(child)
        report = report_path.read_text(encoding="utf-8").splitlines() if report_path.exists() else []
        if not report:
            said = errors_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise CourseError(
                f"the process that runs the cells did not start: {said[-1] if said else 'it said nothing'}"
            )
    events = []
    for line in report:
        with contextlib.suppress(ValueError):  # the last line of a process that was killed while it wrote
            events.append(json.loads(line))
    return events


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and what it started, if it is still there."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
        child.wait()


def _collect(tests: Sequence[Cell], events: Sequence[dict[str, Any]]) -> Run:
    """Make a run of its report: a test without a verdict earns nothing."""
    verdicts = {event["id"]: event for event in events if event["event"] == "verdict"}
    end: dict[str, Any] = next((event for event in events if event["event"] == "end"), {})
    started = [event["id"] for event in events if event["event"] == "start"]
    exercises = []
    for test in tests:
        if (verdict := verdicts.get(test.id)) is not None:
            said = verdict["score"], verdict["message"], verdict["error"]
            exercises.append(Exercise(test.id, test.points or 0.0, *said, **verdict["cases"]))
        else:
            message = f"did not run: Python ended or hung in the cell `{started[-1] if started else '?'}`"
            exercises.append(Exercise(test.id, test.points or 0.0, 0.0, message, "DidNotRun"))
    failed = {event["id"]: event["message"] for event in events if event["event"] == "failed"}
    return Run(exercises, failed, seconds=end.get("seconds", 0.0), peak_mib=end.get("peak_mib"))
