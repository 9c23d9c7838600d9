"""Run a clean notebook in a plain child process: enough for a person's own work, no protection against malice."""

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
from medcourse.grading.plan import Cell, Exercise, Limits, Run, Variant, graded_cells

CELL_SECONDS = 60.0
"""How long one cell may take before it is interrupted."""

WALL_SECONDS = 600.0
"""How long all cells together may take before the process is killed."""


def run_notebook(
    notebook: Any, *, folder: Path, cell_seconds: float = CELL_SECONDS, wall_seconds: float = WALL_SECONDS
) -> Run:
    """Run a clean notebook with its tests.

    Parameters
    ----------
    notebook
        As `splice` returns it, with the hidden tests put in where they are to be run.
    folder
        The working folder of the code.
    cell_seconds, wall_seconds
        Limits for one cell and for all of them.
    """
    todo = graded_cells(notebook)
    events = _run(todo, (), folder, cell_seconds, wall_seconds)
    return _collect([cell for cell in todo if cell.points is not None], events, cell_seconds)


def run_cells(cells: Sequence[Cell], *, folder: Path, limits: Limits, seed: int) -> Run:
    """Run the cells of a notebook; of the limits only those on time are kept here."""
    events = _run(cells, (), folder, limits.cell_seconds, limits.total_seconds, seed=seed)
    return _collect([cell for cell in cells if cell.points is not None], events, limits.cell_seconds)


def run_variants(
    notebook: Any,
    variants: Sequence[Variant],
    *,
    folder: Path,
    cell_seconds: float = CELL_SECONDS,
    wall_seconds: float = WALL_SECONDS,
) -> list[Run]:
    """Run many variants of answers, each with the tests that concern it, in one process that forks for each.

    Parameters
    ----------
    notebook
        The lab with its reference answers and hidden tests. What stands above an answer runs once for all its variants.
    variants
        Their `answer` is a grade_id of the notebook.
    folder, cell_seconds, wall_seconds
        As for `run_notebook`.
    """
    todo = graded_cells(notebook)
    events = _run(todo, variants, folder, cell_seconds, wall_seconds)
    runs = []
    for number, variant in enumerate(variants):
        tests = [cell for cell in todo if cell.answer == variant.answer]
        runs.append(_collect(tests, [e for e in events if e["variant"] == number], cell_seconds))
    return runs


def _run(
    todo: Sequence[Cell],
    variants: Sequence[Variant],
    folder: Path,
    cell_seconds: float,
    wall_seconds: float,
    *,
    seed: int | None = None,
) -> list[dict[str, Any]]:
    """Let the child process do its work and return the lines of its report."""
    job = {
        "cells": [asdict(cell) for cell in todo],
        "variants": [asdict(variant) for variant in variants],
        "folder": str(folder),
        "seconds": cell_seconds,
    }
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    if seed is not None:
        environment["MEDCOURSE_SECRET_SEED"] = str(seed)
    if variants:
        # A fork copies one thread: had OpenMP and BLAS more of them, the child would wait for those for ever.
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
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
                child.wait(wall_seconds)
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


def _collect(tests: Sequence[Cell], events: Sequence[dict[str, Any]], cell_seconds: float) -> Run:
    """Make a run of its report: a test without a verdict earns nothing."""
    verdicts = {event["id"]: event for event in events if event["event"] == "verdict"}
    end: dict[str, Any] = next((event for event in events if event["event"] == "end"), {})
    started = [event["id"] for event in events if event["event"] == "start"]
    exercises = []
    for test in tests:
        if (verdict := verdicts.get(test.id)) is not None:
            exercises.append(
                Exercise(test.id, test.points or 0.0, verdict["score"], verdict["message"], verdict["error"])
            )
        else:
            message = f"did not run: Python ended or hung in the cell `{started[-1] if started else '?'}`"
            exercises.append(Exercise(test.id, test.points or 0.0, 0.0, message, "DidNotRun"))
    failed = {event["id"]: event["message"] for event in events if event["event"] == "failed"}
    return Run(exercises, failed, seconds=end.get("seconds", 0.0), peak_mib=end.get("peak_mib"))
