"""Late submissions: what a day costs, who has longer, and penalties that follow when points or dates change.

nbgrader computes a penalty when it grades, in its own preprocessor, by the plug-in that `nbgrader_config.py` names.
Ours is `LatePolicy`; `GrantExtension` comes before it. Formgrader, feedback and every exporter read what is then in the
gradebook. Points given by hand come later, so `renewals` finds the penalties that are no longer right.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment, Gradebook, SubmittedAssignment, SubmittedNotebook
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor
from traitlets import Float

from medcourse.errors import CourseError
from medcourse.grading.extensions import read_extensions

DAY_SECONDS = 86_400.0


class LatePolicy(LateSubmissionPlugin):  # type: ignore[misc]  # nbgrader has no types
    """Take a share of what was earned for each day that was begun after the due date, down to a floor.

    `c.LateSubmissionPlugin.penalty_method = "zero"`, nbgrader's own method, still takes everything.
    """

    grace_minutes = Float(
        0.0, min=0.0, help="How late costs nothing; the days count from the due date all the same"
    ).tag(config=True)
    percent_a_day = Float(0.0, min=0.0, max=100.0, help="Of what was earned, for each day begun").tag(config=True)
    floor_percent = Float(0.0, min=0.0, max=100.0, help="Of what was earned, that is left however late").tag(
        config=True
    )

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        """Return the points to take off, None for none.

        Parameters
        ----------
        student_id
            Whose they are; the policy is the same for all.
        score
            Points earned, from 0.
        total_seconds_late
            Seconds after the due date, extensions counted.
        """
        by_nbgrader: float | None = super().late_submission_penalty(student_id, score, total_seconds_late)
        if by_nbgrader is not None:
            return by_nbgrader
        if not self.percent_a_day or total_seconds_late <= max(60.0 * self.grace_minutes, 0.0):
            return None
        days = math.ceil(total_seconds_late / DAY_SECONDS)
        return score * min(days * self.percent_a_day, 100.0 - self.floor_percent) / 100.0


class GrantExtension(NbGraderPreprocessor):  # type: ignore[misc]
    """Put an extension of `medcourse extend` into the gradebook, for nbgrader to find it; comes before the penalty."""

    def preprocess(self, nb: Any, resources: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Leave the notebook as it is."""
        about = resources["nbgrader"]
        until = read_extensions(Path(self.parent.parent.coursedir.root)).get((about["assignment"], about["student"]))
        if until is not None:
            with Gradebook(about["db_url"]) as gradebook:
                submission = gradebook.find_submission(about["assignment"], about["student"])
                submission.extension = longer(submission.assignment.duedate, until)
                gradebook.db.commit()
        return nb, resources


def longer(due: datetime | None, until: datetime) -> timedelta | None:
    """Return how much longer than the due date an extension is, None where it is not; both in UTC, without a zone."""
    return until - due if due is not None and until > due else None


@dataclass(frozen=True)
class Renewal:
    """What the gradebook should say of a late submission, and does not."""

    student: str
    notebook: Any
    extension: timedelta | None
    before: float
    after: float | None


def renewals(db: Any, slug: str, config: Any, extensions: Mapping[tuple[str, str], datetime]) -> Iterator[Renewal]:
    """Find the submissions of a lab whose extension or penalty is not what it would be if they were graded now.

    Parameters
    ----------
    db
        The session of a gradebook.
    slug
        The lab.
    config
        nbgrader's configuration, with the policy.
    extensions
        Of `read_extensions`; who is not in it keeps what the gradebook has.
    """
    penaliser = penaliser_of(config)
    query = db.query(SubmittedNotebook, SubmittedAssignment, Assignment.duedate)
    query = query.join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
    query = query.join(Assignment, Assignment.id == SubmittedAssignment.assignment_id).filter(Assignment.name == slug)
    for notebook, submission, due in query.all():
        student, before = submission.student_id, notebook.late_submission_penalty
        until = extensions.get((slug, student))
        extension = submission.extension if until is None else longer(due, until)
        late, after = 0.0, None
        if submission.timestamp is not None and due is not None:
            late = (submission.timestamp - due - (extension or timedelta())).total_seconds()
        if late > 0:
            after = penaliser.plugin_inst.late_submission_penalty(student, notebook.score, late)
            after = None if after is None else penaliser._check_late_penalty(notebook, after)
        same = math.isclose(before or 0.0, after or 0.0, abs_tol=1e-9)
        if not same or extension != submission.extension:
            yield Renewal(student, notebook, extension, before or 0.0, after)


def penaliser_of(config: Any) -> Any:
    """Return nbgrader's preprocessor of late penalties with its plug-in made.

    Raises
    ------
    CourseError
        The configuration names no such plug-in, or one of its numbers is out of range.
    """
    try:
        penaliser = AssignLatePenalties(config=config)
        penaliser.init_plugin()
    except Exception as error:  # of traitlets, or of whatever plug-in is named
        said = " ".join(str(error).split())[:300]
        raise CourseError(f"the late policy of nbgrader_config.py cannot be used: {said}") from None
    return penaliser
