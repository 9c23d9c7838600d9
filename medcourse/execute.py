"""Run a notebook as a reader would, from top to bottom in a fresh kernel, and say what it cost."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError

# In kilobytes on Linux, where costs are measured, by what it says of this program: `ru_maxrss`, which the others have
# (macOS in bytes), begins with the peak of the process that started it.
_PEAK = """
import resource
from pathlib import Path
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
known = [line.split()[1] for line in lines if line.startswith("VmHWM")]
print(known[0] if known else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True)
class Execution:
    """An executed notebook (nbformat, with its outputs), its wall time and its kernel's peak memory."""

    notebook: Any
    seconds: float
    peak_gb: float


def execute(notebook: Any, *, folder: Path, timeout_seconds: float = 300.0) -> Execution:
    """Run all cells of a notebook in place.

    Parameters
    ----------
    notebook
        An nbformat notebook.
    folder
        The kernel's working folder.
    timeout_seconds
        For each cell.

    Raises
    ------
    CourseError
        A cell failed; quotes the cell's first line and the error.
    """
    from nbclient import NotebookClient  # noqa: PLC0415
    from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    from nbformat.v4 import new_code_cell  # noqa: PLC0415

    notebook.cells.append(new_code_cell(_PEAK))  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook, timeout=timeout_seconds, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    started = time.perf_counter()
    try:
        client.execute()
    except CellExecutionError as error:
        failed = next(c for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", [])))
        first = failed.source.strip().splitlines()[0]
        raise CourseError(f"the cell {first!r} ended in {error.ename}: {error.evalue}") from error
    seconds = time.perf_counter() - started
    peak = notebook.cells.pop()
    kilobytes = int(next(output.text for output in peak.outputs if output.output_type == "stream"))
    return Execution(notebook, seconds, kilobytes / 1e6)
