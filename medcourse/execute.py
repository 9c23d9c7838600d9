"""Run a notebook as a reader would, from top to bottom in a fresh kernel, and say what it cost."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError

# Memory is in kilobytes on Linux, where costs are measured, by what it says of this program: `ru_maxrss`, which the
# others have (macOS in bytes), begins with the peak of the process that started it.
_MEASURE = """
import json, resource, sys
from pathlib import Path
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
known = [line.split()[1] for line in lines if line.startswith("VmHWM")]
peak = int(known[0] if known else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
files = [getattr(module, "__file__", None) for name, module in sys.modules.items() if name.split(".")[0] == "medcourse"]
print(json.dumps({"kilobytes": peak, "modules": sorted(filter(None, files))}))
"""


@dataclass(frozen=True)
class Execution:
    """An executed notebook (nbformat, with its outputs), its wall time and its kernel's peak memory.

    `modules` are the files of this package's modules that the kernel had loaded in the end.
    """

    notebook: Any
    seconds: float
    peak_gb: float
    modules: tuple[str, ...] = ()


def execute(
    notebook: Any, *, folder: Path, timeout_seconds: float = 300.0, settings: Mapping[str, str] | None = None
) -> Execution:
    """Run all cells of a notebook in place.

    Parameters
    ----------
    notebook
        An nbformat notebook.
    folder
        The kernel's working folder.
    timeout_seconds
        For each cell.
    settings
        Variables for the kernel's environment, beside those of this process.

    Raises
    ------
    CourseError
        A cell failed; quotes the cell's first line and the error.
    """
    from nbclient import NotebookClient  # noqa: PLC0415
    from nbclient.exceptions import CellExecutionError  # noqa: PLC0415
    from nbformat.v4 import new_code_cell  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    notebook.cells.append(new_code_cell(_MEASURE))  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook,
        timeout=timeout_seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        # So that no other user of the machine can listen in, of which ipykernel warns.
        config=Config(KernelManager={"transport_encryption": "auto"}),
    )
    started = time.perf_counter()
    try:
        client.execute(env={**os.environ, **(settings or {})})
    except CellExecutionError as error:
        failed = next(c for c in notebook.cells if any(o.output_type == "error" for o in c.get("outputs", [])))
        first = failed.source.strip().splitlines()[0]
        raise CourseError(f"the cell {first!r} ended in {error.ename}: {error.evalue}") from error
    seconds = time.perf_counter() - started
    measured = notebook.cells.pop()
    said = json.loads(next(output.text for output in measured.outputs if output.output_type == "stream"))
    return Execution(notebook, seconds, said["kilobytes"] / 1e6, tuple(said["modules"]))
