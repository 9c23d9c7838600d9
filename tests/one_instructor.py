"""A process of an instructor's who grades: one line of JSON in for each run over a lab, one line out for what came of it.

What workers do is done here, for it is journal and gradebook that two runs share.
"""

import json
import os
import sys
import warnings
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading import workforce
from medcourse.grading.classroom import grade_class


def run(order):
    """Grade as often as ordered; return how often, and why not more often."""
    os.environ.pop("MEDCOURSE_GRADEBOOK", None)
    os.environ.update(order["environ"])
    done, refused, trouble = 0, 0, []
    while done < order["rounds"]:
        try:
            grades = grade_class(
                Path(order["environ"]["MEDCOURSE_ROOT"]), order["lab"], again=order["again"], workers=1
            )
        except CourseError as error:
            if "is being graded by another run" not in str(error):
                raise
            refused += 1
            continue
        done += 1
        trouble += [grades.trouble] * bool(grades.trouble) + [each.problem for each in grades.students if each.problem]
    return {"done": done, "refused": refused, "trouble": trouble}


if __name__ == "__main__":
    from small_class import Here  # beside this file, which is no module of a package where it is run

    warnings.simplefilter("error")
    workforce.Workforce = Here
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
