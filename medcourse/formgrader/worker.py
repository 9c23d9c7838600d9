"""Grade a class for a page: `python -m medcourse.formgrader.worker ROOT LAB`.

It says on standard output how far it is, `{"done": 3, "of": 20}`, and last `{"grades": ...}` or `{"problem": ...}`, a
line each. It ends when its standard input does, so that no run outlives the server that could show it.

`MEDCOURSE_CLUSTER` names the Dask scheduler whose workers it uses; without, it starts one for each core.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading.classroom import grade_class

OK, PROBLEM = 0, 1
CLUSTER = "MEDCOURSE_CLUSTER"


def main(arguments: Sequence[str]) -> int:
    """Grade, and return the exit code: 0, or 1 where no class was graded."""
    root, lab = arguments
    # What libraries print must not stand between our lines: it goes where errors go.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(**said: Any) -> None:
        os.write(answers, f"{json.dumps(said)}\n".encode())  # at once, so that no interrupt leaves half a line

    threading.Thread(target=_end_with_input, daemon=True).start()
    return grade(Path(root), lab, say)


def grade(root: Path, lab: str, say: Callable[..., None]) -> int:
    """Grade, say how far it is and what came of it, and return the exit code."""
    try:
        cluster = os.environ.get(CLUSTER) or None
        grades = grade_class(root, lab, cluster=cluster, progress=lambda done, of: say(done=done, of=of))
        say(grades=grades.as_json())
    except CourseError as error:
        say(problem=str(error))
        return PROBLEM
    except KeyboardInterrupt:
        say(problem="stopped; what was graded is kept, and the next run goes on from there")
        return PROBLEM
    return OK


def _end_with_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
