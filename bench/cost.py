"""Measure what each lesson and lab costs to run, for the line that each of them shows.

python bench/cost.py [SLUG ...]
"""

import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from medcourse.execute import execute
from medcourse.grading.notebooks import lesson_notebook
from medcourse.grading.records import COST

ROOT = Path(__file__).resolve().parents[1]


def main(slugs: list[str]) -> None:
    record = ROOT / COST
    costs = json.loads(record.read_text()) if record.is_file() else {}
    for path in sorted([*ROOT.glob("course/[0-9]*.py"), *ROOT.glob("solutions/[0-9]*.py")]):
        if slugs and path.stem not in slugs:
            continue
        key = f"{path.parent.name}/{path.stem}"
        # The first time there is no record yet, and the text asks for one.
        costs.setdefault(key, {"seconds": 0.0, "peak_gb": 0.0, "on": ""})
        _write(record, costs)
        with tempfile.TemporaryDirectory() as folder:
            done = execute(lesson_notebook(path), folder=Path(folder))
        on = f"{len(os.sched_getaffinity(0))} cores of an {platform.machine()} processor"
        costs[key] = {"seconds": round(done.seconds, 1), "peak_gb": round(done.peak_gb, 2), "on": on}
        _write(record, costs)
        print(f"{key}: {done.seconds:.1f} s, {done.peak_gb:.2f} GB")


def _write(path: Path, costs: dict) -> None:
    path.write_text(json.dumps(dict(sorted(costs.items())), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
