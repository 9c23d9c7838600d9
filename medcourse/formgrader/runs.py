"""Runs of the grader that were started from a page, each in a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_LINE_LIMIT = 2**26
"""Bytes of what a run says at its end; a class of a thousand takes about one million."""


@dataclass
class Run:
    """A run over the class, and what is known of it so far.

    Attributes
    ----------
    lab
        Its slug.
    done, of
        Submissions that were run, and how many there are to run; `of` is None until that is known.
    grades
        What `medcourse grade --json` prints, None until the end.
    problem
        Why there are no grades, in one line.
    started
        When, UTC.
    """

    lab: str
    done: int = 0
    of: int | None = None
    grades: dict[str, Any] | None = None
    problem: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    is_on: bool = True
    _process: asyncio.subprocess.Process | None = None

    async def follow(self, root: Path, at_end: Callable[[], None]) -> None:
        """Run the grader to its end."""
        try:
            # The server's own right to speak to a hub is no business of the grader's.
            kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB_")}
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "medcourse.formgrader.worker", str(root), self.lab),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=kept,
                limit=_LINE_LIMIT,
            )
            assert process.stdout is not None
            async for line in process.stdout:
                self._hear(json.loads(line))
            code = await process.wait()
            if self.grades is None and not self.problem:
                self.problem = f"the grader ended with code {code}: the server's log says why; what it graded is kept"
        except (OSError, ValueError) as error:
            self.problem = f"the grader could not be run: {error}"
            self.stop()
        finally:
            self.is_on = False
            at_end()

    def stop(self) -> None:
        """Ask the run to end; what it has graded is kept."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _hear(self, said: dict[str, Any]) -> None:
        self.done, self.of = said.get("done", self.done), said.get("of", self.of)
        self.grades, self.problem = said.get("grades", self.grades), said.get("problem", self.problem)


class Runs:
    """The last run of each lab; one at a time, as a lab's journal has one writer."""

    def __init__(self) -> None:
        self._runs: dict[tuple[Path, str], Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # which asyncio by itself would forget

    def last(self, root: Path, lab: str) -> Run | None:
        """Return a lab's run that goes on or was the last, None where there was none since the server started."""
        return self._runs.get((root, lab))

    def start(self, root: Path, lab: str, at_end: Callable[[], None]) -> tuple[Run, bool]:
        """Start a run, or return the one that goes on; and whether it was started now."""
        run = self.last(root, lab)
        if run is not None and run.is_on:
            return run, False
        run = self._runs[root, lab] = Run(lab)
        task = asyncio.ensure_future(run.follow(root, at_end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run, True

    def stop(self, root: Path, lab: str) -> None:
        """End a lab's run, if one goes on."""
        run = self.last(root, lab)
        if run is not None and run.is_on:
            with suppress(OSError):
                run.stop()
