"""Run the cells of a lab and report a verdict for each test: `python -m medcourse.grading.runner JOB REPORT`.

This is the child process of `plain`; it knows nothing of notebooks. JOB is a JSON file, REPORT a file that gets a line
of JSON for each thing that happened, at once, so that what was found before a crash or a kill still counts.

A verdict is positive only: a test that ran to its end earns its points, or what `award` says, and everything else
earns nothing. What is printed and warned costs nothing.
"""

import ast
import contextlib
import json
import linecache
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from medcourse.grading.cells import NO_NUMBER, NOT_ANSWERED

_MESSAGE_LIMIT = 1000  # characters: numpy can print a page where a line says it


class CellTimeoutError(BaseException):
    """A cell took too long. Not an Exception, so that student code which catches those does not catch this."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds, where the system has timers (not on Windows: there `plain` kills)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise CellTimeoutError

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


class _Shell(InteractiveShell):
    """IPython in a process of ours, which is neither a terminal nor a kernel and has no event loop to tie in."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: `%matplotlib inline` asks for it."""


class Runner:
    """A namespace in which the cells of one notebook run, as in a kernel, magics included."""

    def __init__(self, report: TextIO, seconds: float) -> None:
        config = Config()
        config.HistoryManager.enabled = False  # its thread would be in the way of a fork
        self.shell = _Shell.instance(config=config)
        self.report = report
        self.seconds = seconds
        self.failed: dict[str, BaseException] = {}  # code cells that did not run to their end, and why
        self.variant: int | None = None

    def tell(self, **event: Any) -> None:
        """Write one line of the report."""
        self.report.write(json.dumps({"variant": self.variant, **event}) + "\n")
        self.report.flush()

    def run(self, cell: dict[str, Any], source: str | None = None) -> None:
        """Run one cell, a test or not, and report what came of it."""
        self.tell(event="start", id=cell["id"])
        if cell["points"] is not None:
            self._judge(cell)
            return
        try:
            with time_limit(self.seconds):
                code = self.shell.transform_cell(cell["source"] if source is None else source)  # type: ignore[no-untyped-call]
                self._execute(code, cell["id"])
        except BaseException as error:  # student code may raise anything, SystemExit and KeyboardInterrupt included
            self.failed[cell["id"]] = error
            self.tell(event="failed", id=cell["id"], message=self._explain(error))

    def run_variants(self, cells: list[dict[str, Any]], variants: list[dict[str, Any]]) -> None:
        """Run the cells, and beside each answer its variants with the tests that concern them, each in a fork."""
        for position, cell in enumerate(cells):
            for number, variant in enumerate(variants):
                if variant["answer"] == cell["id"]:
                    self._fork(number, cells[position:], variant)
            if cell["points"] is None:
                self.run(cell)

    def _fork(self, number: int, cells: list[dict[str, Any]], variant: dict[str, Any]) -> None:
        child = os.fork()
        if child == 0:
            try:
                self.variant = number
                self.run(cells[0], variant["source"])
                pending = sum(cell["answer"] == variant["answer"] for cell in cells)
                for cell in cells[1:]:
                    if not pending:
                        break
                    if cell["points"] is None or cell["answer"] == variant["answer"]:
                        self.run(cell)
                        pending -= cell["points"] is not None
            finally:
                os._exit(0)  # not by the way of the parent's own exit
        try:
            # Student code can hold a timer off in C: the parent does not wait longer than the cells may take together.
            with time_limit(self.seconds * len(cells)):
                os.waitpid(child, 0)
        except CellTimeoutError:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def _judge(self, cell: dict[str, Any]) -> None:
        """Run a test cell and report its verdict."""
        score, message, error_name = 0.0, "", ""
        try:
            with time_limit(self.seconds):
                value = self._execute(cell["source"], cell["id"])
        except BaseException as error:
            if isinstance(error, NameError):  # most likely of the answer that failed as it was defined: say why it did
                error = self.failed.get(cell["answer"], error)
            message, error_name = self._explain(error), type(error).__name__
        else:
            earned = cell["points"] if value is None else value  # a value is partial credit
            if isinstance(earned, int | float) and math.isfinite(earned):
                score = min(max(float(earned), 0.0), float(cell["points"]))
                message = "" if score == cell["points"] else f"{score:g} of {cell['points']:g} points"
            else:
                message, error_name = NO_NUMBER, "ValueError"
        self.tell(event="verdict", id=cell["id"], score=score, message=message, error=error_name)

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
    """Do one job: `{cells, variants, folder, seconds}`, see `plain.Cell` and `plain.run_cells`."""
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
        if job["variants"]:
            runner.run_variants(job["cells"], job["variants"])
        else:
            for cell in job["cells"]:
                runner.run(cell)
        runner.tell(event="end", seconds=time.perf_counter() - started, peak_mib=_peak_mib())


if __name__ == "__main__":
    main(*sys.argv[1:])
