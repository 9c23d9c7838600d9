"""Run the cells of a lab and report a verdict for each test: `python -m medcourse.grading.runner JOB REPORT`.

This is the child process of `plain`; it knows nothing of notebooks. JOB is a JSON file, REPORT a file that gets a line
of JSON for each thing that happened, at once, so that what was found before a crash or a kill still counts.

A verdict is positive only: a test that ran to its end earns its points, or what `award` says, and everything else
earns nothing. What is printed and warned costs nothing.
"""

import ast
import json
import linecache
import math
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from medcourse.grading.cells import NO_NUMBER, NOT_ANSWERED
from medcourse.grading.shell import CellTimeoutError, new_shell, time_limit

_MESSAGE_LIMIT = 1000  # characters: numpy can print a page where a line says it


def earned(value: Any, points: float) -> tuple[float, str, str]:
    """Return what a test that ran to its end is worth: score, message, name of an error.

    Parameters
    ----------
    value
        Of the test's last line; only what `medcourse.testing.award` gives counts.
    points
        What the test is worth.
    """
    if type(value).__name__ != "Award":
        return points, "", ""
    if not math.isfinite(value):
        return 0.0, NO_NUMBER, "ValueError"
    score = min(max(float(value), 0.0), points)
    return score, "" if score == points else f"{score:g} of {points:g} points", ""


def recorded(value: Any) -> dict[str, Any]:
    """Return what a test that ran to its end has to say of single cases, by the names of `plan.Exercise`."""
    if type(value).__name__ != "Award":
        return {}
    return {name: getattr(value, name) for name in ("case_scores", "hidden_set") if hasattr(value, name)}


class Runner:
    """A namespace in which the cells of one notebook run, as in a kernel, magics included."""

    def __init__(self, report: TextIO, seconds: float) -> None:
        self.shell = new_shell()
        self.report = report
        self.seconds = seconds
        self.failed: dict[str, BaseException] = {}  # code cells that did not run to their end, and why

    def tell(self, **event: Any) -> None:
        """Write one line of the report."""
        self.report.write(json.dumps(event) + "\n")
        self.report.flush()

    def run(self, cell: dict[str, Any]) -> None:
        """Run one cell, a test or not, and report what came of it."""
        self.tell(event="start", id=cell["id"])
        if cell["points"] is not None:
            self._judge(cell)
            return
        try:
            with time_limit(self.seconds):
                code = self.shell.transform_cell(cell["source"])
                self._execute(code, cell["id"])
        except BaseException as error:  # student code may raise anything, SystemExit and KeyboardInterrupt included
            self.failed[cell["id"]] = error
            self.tell(event="failed", id=cell["id"], message=self._explain(error))

    def _judge(self, cell: dict[str, Any]) -> None:
        """Run a test cell and report its verdict."""
        score, message, error_name = 0.0, "", ""
        cases: dict[str, Any] = {}
        try:
            with time_limit(self.seconds):
                value = self._execute(cell["source"], cell["id"])
        except BaseException as error:
            if isinstance(error, NameError):  # most likely of the answer that failed as it was defined: say why it did
                error = self.failed.get(cell["answer"], error)
            message, error_name = self._explain(error), type(error).__name__
        else:
            score, message, error_name = earned(value, cell["points"])
            cases = recorded(value)
        self.tell(event="verdict", id=cell["id"], score=score, message=message, error=error_name, cases=cases)

    def _execute(self, source: str, cell_id: str) -> Any:
        """Execute code in the student's namespace; return the value of its last line, None if that is no expression."""
        name = _file_name(cell_id)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for inspect.getsource
        *body, last = ast.parse(source, name).body or [ast.Pass()]
        if not isinstance(last, ast.Expr):
            body, last = [*body, last], ast.Expr(ast.Constant(None))
        namespace = self.shell.user_ns
        exec(compile(ast.fix_missing_locations(ast.Module(body, [])), name, "exec"), namespace)  # noqa: S102
        return eval(compile(ast.fix_missing_locations(ast.Expression(last.value)), name, "eval"), namespace)  # noqa: S307

    def _explain(self, error: BaseException) -> str:
        """Say what happened and in which line of the student's: never in which line of a test."""
        if isinstance(error, NotImplementedError):
            return NOT_ANSWERED
        if isinstance(error, CellTimeoutError):
            return f"took longer than {self.seconds:g} s: is there a loop that does not end?"
        text = " ".join(str(error).split())[:_MESSAGE_LIMIT]
        if isinstance(error, AssertionError):
            return text or "a check failed"
        if isinstance(error, SyntaxError):
            return f"{type(error).__name__}: {error.msg} (line {error.lineno})"
        where = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in self.open_files]
        place = f" (line {where[-1].lineno} of {where[-1].filename[1:-1]})" if where else ""
        return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"

    open_files: frozenset[str] = frozenset()  # code that the student may see, by the names it is compiled under


def _file_name(cell_id: str) -> str:
    return f"<cell `{cell_id}`>"


def _peak_mib() -> float | None:
    """Return the most memory that this process and its children held, in MiB."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # Windows
        return None
    kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return kib / 1024 / (1024 if sys.platform == "darwin" else 1)  # macOS counts bytes


def main(job_path: str, report_path: str) -> None:
    """Do one job: `{cells, folder, seconds}`, see `plain.run_cells`."""
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    with Path(report_path).open("a", encoding="utf-8") as report:
        runner = Runner(report, job["seconds"])
        runner.open_files = frozenset(_file_name(c["id"]) for c in job["cells"] if c["points"] is None)
        # As a kernel has it: the notebook's folder is the working folder, and modules beside the notebook are found.
        os.chdir(job["folder"])
        sys.path.insert(0, "")
        devnull = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(devnull, stream)
        started = time.perf_counter()
        for cell in job["cells"]:
            runner.run(cell)
        runner.tell(event="end", seconds=time.perf_counter() - started, peak_mib=_peak_mib())


if __name__ == "__main__":
    main(*sys.argv[1:])
