"""Hand submissions to workers, a few at a time, and make out what became of each."""

import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medcourse.errors import CourseError

if TYPE_CHECKING:
    from medcourse.grading.submission import Graded, Lab, Settings
    from medcourse.grading.workforce import Workforce

LOST_SECONDS = 60
"""How long a cluster may be without workers that are ready: on a busy machine one takes long to start."""


@dataclass(frozen=True)
class Job:
    """A submission to grade, and the key that its result will have."""

    student: str
    key: str
    submission: bytes


class Crew:
    """Hands submissions to workers, a few at a time, and gives back what they find."""

    def __init__(self, force: "Workforce", lab: "Lab", settings: "Settings", *, calibrates: bool) -> None:
        self.force, self.lab, self.settings = force, lab, settings
        self.calibrates = calibrates
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._under_way: dict[Any, Job | None] = {}

    def results(self, jobs: Iterator[Job]) -> Iterator[tuple[Job | None, Any]]:
        """Yield (None, None) once the reference solution has earned its points, then each job with its outcome.

        An outcome is what was found, or in words why nothing was. Submissions whose workers died are run once more
        with no other beside them, for Dask counts a death against all that a worker had.
        """
        from medcourse.grading.workforce import IN_FLIGHT  # noqa: PLC0415

        suspects: list[Job] = []
        early: list[tuple[Job, Any]] = []
        is_calibrated = not self.calibrates
        if self.calibrates:
            self._watch(self.force.calibrate(self.lab, self.settings), None)
        self._fill(jobs, IN_FLIGHT * self.force.size)
        while self._under_way:
            job, future = self._next()
            if job is None:
                self._hold_to_the_solution(future)
                yield None, None
                is_calibrated = True
                yield from early
                early.clear()
            elif _was_killed(future):
                suspects.append(job)
            elif is_calibrated:
                yield job, _outcome(future)
            else:
                early.append((job, _outcome(future)))
            self._fill(jobs, IN_FLIGHT * self.force.size - len(early))
        for suspect in suspects:
            self._fill(iter([suspect]), 1)
            _, future = self._next()
            yield suspect, _outcome(future)

    def _fill(self, jobs: Iterator[Job], size: int) -> None:
        from medcourse.grading.submission import without_pictures  # noqa: PLC0415

        while len(self._under_way) < size and (job := next(jobs, None)) is not None:
            # Nobody grades pictures, and Dask keeps for long what it has sent.
            submission = without_pictures(job.submission)
            self._watch(self.force.grade(self.lab, submission, self.settings), job)

    def _watch(self, future: Any, job: Job | None) -> None:
        self._under_way[future] = job
        future.add_done_callback(self._done.put)

    def _next(self) -> tuple[Job | None, Any]:
        """Wait for the next that is done."""
        from medcourse.grading.workforce import ClusterError  # noqa: PLC0415

        lost_since: float | None = None
        while True:
            try:
                future = self._done.get(timeout=1.0)
            except queue.Empty:
                now = time.monotonic()
                lost_since = (lost_since or now) if self.force.is_lost() else None
                if lost_since is None or now - lost_since < LOST_SECONDS:
                    continue
                future = None
            if future is None or future.status in {"cancelled", "lost"}:
                where = f"cluster at {self.force.address}" if self.force.address else "workers"
                raise ClusterError(f"the {where} went away: what was graded is kept, run again for the rest")
            if future in self._under_way:
                return self._under_way.pop(future), future

    def _hold_to_the_solution(self, future: Any) -> None:
        if _was_killed(future):
            raise CourseError(f"the solution of {self.lab.slug} took its workers down: nobody was graded")
        if wrong := future.result():
            raise CourseError(wrong)


def _was_killed(future: Any) -> bool:
    from distributed import KilledWorker  # noqa: PLC0415

    return future.status == "error" and isinstance(future.exception(), KilledWorker)


def _outcome(future: Any) -> "Graded | str":
    """Return what a worker found, or in words why it found nothing."""
    if _was_killed(future):
        return "the workers that graded it died, one after the other: look at it before anybody runs it"
    if future.status == "error":
        error = future.exception()
        reason = " ".join(str(error).split())[:300]
        return (
            reason if isinstance(error, CourseError) else f"the grader failed on it: {type(error).__name__}: {reason}"
        )
    graded: Graded = future.result()
    return graded
