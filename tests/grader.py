"""Steps of nbgrader, taken by the account that owns a hub's course."""

import sys

from medcourse.hub.roster import GRADER

STEPS = """
import sys
from pathlib import Path
from nbgrader.apps import NbGraderAPI
from medcourse.grading.gradebook import Course
api = NbGraderAPI(config=Course(Path.cwd()).config)
for step in sys.argv[2:]:
    done = getattr(api, step)(sys.argv[1])
    print(done.get("log", ""))
    if not done["success"]:
        sys.exit(done.get("error", "no success"))
"""


def as_grader(hub, lab, *steps, check=True):
    """Take steps such as `collect`, and return what nbgrader says of them; where one fails, that, too, unless `check`."""
    done = hub.as_user(GRADER, [sys.executable, "-c", STEPS, lab, *steps], timeout=300)
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done.stdout
