"""Run the cells of one submission after another: the student's in a sandbox, the tests beside it."""

import ast
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from medcourse.errors import CourseError
from medcourse.grading import plain
from medcourse.grading.plan import Cell, Limits, Run, run_of
from medcourse.grading.sandbox.channel import Channel, ChannelClosedError
from medcourse.grading.sandbox.scratch import remove
from medcourse.grading.sandbox.walls import LANDLOCK, NAMESPACES, PLAIN, TIERS

_FRAME = 1 << 30
_START_SECONDS = 120.0
_GRACE_SECONDS = 30.0  # for a judge, beyond what the cells of a submission may take
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Engine:
    """A warm template of Python with the lab's imports, of which each submission gets copies of its own.

    Parameters
    ----------
    minimum_tier
        Below it nothing is run, see `walls.TIERS`.
    preload
        Modules to import before the first submission, see `imports_of`.
    tier
        Take this one and no better one; for tests.

    Notes
    -----
    Keep one for a whole class. It starts with the first `run`, or in the background by `start`; several threads may
    use it, one after another. Close it, or use it in a `with`.
    """

    def __init__(self, *, minimum_tier: str = LANDLOCK, preload: Sequence[str] = (), tier: str | None = None) -> None:
        if minimum_tier not in TIERS:
            raise CourseError(f"unknown tier {minimum_tier!r}, expected one of: {', '.join(TIERS)}")
        self.minimum_tier, self.preload, self._wanted = minimum_tier, tuple(preload), tier
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._limits: Limits | None = None
        self.tier = ""
        self.reasons: dict[str, str] = {}
        self._has_learnt = False

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, cells: Sequence[Cell], *, limits: Limits, seed: int) -> Run:
        """Run the cells of one submission in order and judge its tests.

        Parameters
        ----------
        cells
            As `plan.graded_cells` gives them.
        limits
            For the student's code.
        seed
            The class's secret, for the inputs of hidden tests.

        Raises
        ------
        CourseError
            It could not be graded, and the student is not at fault: the machine has no such tier, the lab's own cells
            fail, or the grader does.
        """
        with self._lock:
            for last_try in (False, True):
                self._ensure(limits)
                self._wait_until_ready()
                if self.tier == PLAIN:
                    return self._run_plainly(cells, limits, seed)
                try:
                    return self._run(cells, limits, seed)
                except (ChannelClosedError, TimeoutError) as error:
                    said = self._stop() or str(error) or "it took too long"
                    if last_try:
                        raise CourseError(f"the grader's own process ended: {said}") from None
        raise AssertionError  # the loop returns or raises

    def start(self, limits: Limits | None = None) -> None:
        """Begin to start the template; the first `run` waits for it."""
        with self._lock:
            self._ensure(limits or Limits())

    def probe(self) -> dict[str, str]:
        """Return for each tier why this machine cannot have it, "" where it can.

        Raises
        ------
        CourseError
            The template does not start, or gets no tier that is good enough.
        """
        with self._lock:
            self._ensure(self._limits or Limits())
            self._wait_until_ready()
            return self.reasons

    def close(self) -> None:
        """End the template and everything that came of it."""
        with self._lock:
            self._stop()

    def _run(self, cells: Sequence[Cell], limits: Limits, seed: int) -> Run:
        self._engine.sendall(b"j")
        self._engine.settimeout(_GRACE_SECONDS)
        _, numbers, _, _ = socket.recv_fds(self._engine, 1, 1)
        if not numbers:
            raise ChannelClosedError("the template ended")
        channel = Channel(socket.socket(fileno=numbers[0]), _FRAME)
        try:
            deadline = time.monotonic() + 2 * limits.total_seconds + _GRACE_SECONDS
            channel.send(["job", [asdict(cell) for cell in cells], seed], deadline)
            answer = channel.receive(deadline)
        finally:
            channel.close()
        if answer[0] == "setup":
            raise CourseError(f"{answer[1]}: run `medcourse doctor`")
        if answer[0] == "broken":
            raise CourseError(f"the grader itself failed: {answer[1]}")
        if not self._has_learnt:  # what the first one's tests imported on their way the others need not
            self._engine.sendall(b"l")
            Channel(self._engine, _FRAME).send(["modules", answer[2]])
            self._has_learnt = True
        return run_of(answer[1])

    def _run_plainly(self, cells: Sequence[Cell], limits: Limits, seed: int) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            return plain.run_cells(cells, folder=Path(folder), limits=limits, seed=seed)

    def _ensure(self, limits: Limits) -> None:
        """Have a template with these limits."""
        if self._process is not None and self._process.poll() is None and limits == self._limits:
            return
        self._stop()
        if sys.platform != "linux":
            self._accept(PLAIN, {NAMESPACES: "this is no Linux", LANDLOCK: "this is no Linux", PLAIN: ""})
            return
        self._folder = tempfile.mkdtemp(prefix="medcourse-")
        self._engine, theirs = socket.socketpair()
        settings = {
            "tier": self._wanted, "folder": self._folder, "preload": self.preload,
            "limits": asdict(limits), "fonts": str(_font_cache()),
        }  # fmt: skip
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _stop)
        self._process = subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-P", "-m", f"{__package__}.template", str(theirs.fileno()), json.dumps(settings)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors,
            env=_environment(self._folder), pass_fds=[theirs.fileno()], start_new_session=True, cwd="/",
        )  # fmt: skip
        theirs.close()
        self._limits, self.tier, self._has_learnt = limits, "", False

    def _wait_until_ready(self) -> None:
        if self.tier:
            return
        try:
            answer = Channel(self._engine, _FRAME).receive(time.monotonic() + _START_SECONDS)
        except (ChannelClosedError, TimeoutError):
            raise CourseError(f"the grader's sandbox did not start: {self._stop() or 'it said nothing'}") from None
        if answer[0] != "ready":
            self._stop()
            raise CourseError(f"the grader's sandbox did not start: {answer[1]}")
        self._accept(answer[1], answer[2])

    def _accept(self, tier: str, reasons: dict[str, str]) -> None:
        self.tier, self.reasons = tier, reasons
        if TIERS.index(tier) < TIERS.index(self.minimum_tier):
            self._stop()
            better = TIERS[TIERS.index(self.minimum_tier) :]
            why = "; ".join(f"{each}: {reasons[each]}" for each in better if reasons[each])
            raise CourseError(
                f"expected a sandbox of tier {self.minimum_tier} or better, this machine has {tier} ({why}): "
                "see `medcourse doctor`"
            )

    def _stop(self) -> str:
        """End the template; return the last line that it complained in."""
        process, self._process = self._process, None
        if process is None:
            return ""
        self._engine.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self._errors.close()
        remove(self._folder)
        return said[-1] if said else ""


def _environment(folder: str) -> dict[str, str]:
    """Return all that a submission may know of the grader's environment."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}  # which kernels it uses
    return kept | dict.fromkeys(_ONE_THREAD, "1") | {
        "PATH": os.defpath, "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "JOBLIB_MULTIPROCESSING": "0",
    }  # fmt: skip


def _font_cache() -> Path:
    """Return where matplotlib keeps the list of fonts, which takes it seconds to make."""
    if "MPLCONFIGDIR" in os.environ:
        return Path(os.environ["MPLCONFIGDIR"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "matplotlib")


def imports_of(cells: Iterable[Cell]) -> list[str]:
    r"""Return the modules that the cells of a lab itself import, in order: what a template should have loaded.

    Examples
    --------
    >>> imports_of([Cell("setup", "import numpy as np\nfrom torch import nn", trusted=True)])
    ['numpy', 'torch', 'torch.nn']
    """
    found: list[str] = []
    for cell in cells:
        for statement in ast.parse(cell.source).body if cell.trusted else ():
            if isinstance(statement, ast.Import):
                found += [alias.name for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                found += [statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)]
    return list(dict.fromkeys(found))
