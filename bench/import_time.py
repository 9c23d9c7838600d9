"""How long `import medcourse` takes, beside `import torch`, which it may exceed by 0.3 s and does not.

Run it as `python bench/import_time.py`. Each import is timed in fresh processes; the fastest of five counts, since
whatever else the machine does can only add to it.
"""

import subprocess
import sys

PROGRAM = "import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"


def seconds(module: str, *, repeats: int = 5) -> float:
    """Return the time in seconds that a fresh process takes to import a module, the fastest of `repeats`."""
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(repeats)]
    return min(float(run.stdout) for run in runs)


if __name__ == "__main__":
    for module in ("medcourse", "medcourse.cli", "torch"):
        print(f"import {module:14} {seconds(module):6.3f} s")
