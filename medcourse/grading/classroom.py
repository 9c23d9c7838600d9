"""Grade a class: find what was handed in, let workers grade it, keep what they find, write it into the gradebook.

Workers compute, this process writes. Each result is in the journal before anything else is done with it, so that a run
which ends at any moment costs what was under way and no more; `journal` and `gradebook` say how the two agree.
"""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from medcourse.errors import CourseError
from medcourse.grading.aside import Aside, read_aside
from medcourse.grading.crew import Crew, Job
from medcourse.grading.grades import ClassGrades, StudentGrade
from medcourse.grading.journal import FOLDER, Journal
from medcourse.grading.release import check_slug

if TYPE_CHECKING:
    from medcourse.grading.gradebook import Course, Recorder
    from medcourse.grading.plan import Run
    from medcourse.grading.regrade import Regrade
    from medcourse.grading.submission import Graded, Lab, Settings
    from medcourse.grading.workforce import Workforce

MAX_FILE_MB = 200
"""A file beyond that is not read."""


def grade_class(
    root: Path,
    slug: str,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    students: Iterable[str] | None = None,
    again: bool = False,
    exercise: str | None = None,
    is_dry: bool = False,
    tier: str | None = None,
    progress: bool | Callable[[int, int], None] = False,
) -> ClassGrades:
    """Grade what a class has handed in of a lab.

    Parameters
    ----------
    root
        The course's folder, with nbgrader_config.py, solutions and a gradebook that knows the lab.
    slug
        The lab.
    workers
        How many processes to start on this machine; as many as it has cores unless given.
    cluster
        Address of a Dask scheduler whose workers to use instead.
    students
        Whom to grade; all unless given.
    again
        Run submissions again whose result is known, and say which grades that changes.
    exercise
        With `again`: the answer, or the test, whose grades may change; the others stay as they are.
    is_dry
        With `again`: say what would change and write nothing.
    tier
        The weakest sandbox that will do, if not the configured one.
    progress
        Whether to draw a bar on standard error; or what to call with how many submissions were run, of how many.

    Raises
    ------
    CourseError
        Nothing can be graded: what is wrong and what to do. What was graded before that is kept.
    """
    started = time.perf_counter()
    check_slug(root, slug)
    if workers is not None and workers < 1:
        raise CourseError(f"expected at least one worker, got {workers}")
    if (exercise or is_dry) and not again:
        raise CourseError("--exercise and --dry-run are for what was graded before: give --again, too")
    with ExitStack() as stack:
        team = _Team(stack, workers or len(os.sched_getaffinity(0)), cluster)
        journal_path = root / FOLDER / f"{slug}.jsonl"
        if not journal_path.exists() or not journal_path.stat().st_size:
            team.start()  # as something is to do for certain; it starts while the rest is imported
        from medcourse.grading.gradebook import Course  # noqa: PLC0415  (nbgrader takes a second and a half)
        from medcourse.grading.preprocessors import settings_of  # noqa: PLC0415
        from medcourse.grading.regrade import Regrade, tests_of  # noqa: PLC0415
        from medcourse.grading.submission import load_lab  # noqa: PLC0415

        course = Course(root)
        lab = load_lab(root, slug)
        journal = stack.enter_context(Journal(root, slug))
        run = _ClassRun(course, lab, settings_of(course.config, root, tier=tier), journal, started)
        run.is_dry, run.aside = is_dry, read_aside(root, slug)
        if again:
            run.regrade = Regrade(tests_of(lab, exercise) if exercise else None)
        stack.callback(run.close)
        todo = run.prepare(students, again=again)
        run.grade(todo, team, progress=progress)
        run.renew_penalties()
        return run.summary()


class _Team:
    """The workforce, started when it is certain that it is needed."""

    def __init__(self, stack: ExitStack, workers: int, cluster: str | None) -> None:
        self._stack, self._workers, self._cluster = stack, workers, cluster
        self._force: Workforce | None = None

    def start(self) -> "Workforce":
        from medcourse.grading.workforce import Workforce  # noqa: PLC0415

        if self._force is None:
            self._force = self._stack.enter_context(Workforce(self._workers, self._cluster))
        return self._force


class _ClassRun:
    """One run over a class: the state that journal, gradebook and workers share."""

    def __init__(self, course: "Course", lab: "Lab", settings: "Settings", journal: Journal, started: float) -> None:
        self.course, self.lab, self.settings, self.journal = course, lab, settings, journal
        self.started = started
        self.trouble = ""  # why the gradebook is not written
        self.are_penalties_due = False
        self.regrade: Regrade | None = None
        self.is_dry = False  # nothing is written
        self.aside: list[Aside] = []
        self.recorder: Recorder | None = None
        self.grades: dict[str, StudentGrade] = {}
        self.paths: dict[str, Path] = {}
        self.graded_now = 0
        self.first_grade: float | None = None
        self.unrecorded: dict[str, str] = {}  # student and key of what the gradebook has yet to get

    def close(self) -> None:
        if self.recorder is not None:
            self.recorder.close()

    # Before workers are needed.

    def prepare(self, students: Iterable[str] | None, *, again: bool) -> list[str]:
        """Find what was handed in, make gradebook and journal agree, and return whom to grade."""
        from medcourse.grading.submission import key  # noqa: PLC0415

        self.paths = self._chosen(students)
        self._open_gradebook()
        todo = []
        for student, path in self.paths.items():
            self.grades[student] = StudentGrade(student)
            try:
                name = key(self.lab, read_submission(path), self.settings)
            except CourseError as error:
                self._look(student, "", str(error))
                continue
            if again or not self.journal.has_result(student, name):
                todo.append(student)
            else:
                graded = self.journal.result(student, name)
                self._know(student, graded)
                if graded.run is not None:
                    self.unrecorded[student] = name
        self._compare()
        self._record_rest()
        return todo

    def _chosen(self, students: Iterable[str] | None) -> dict[str, Path]:
        there = self.course.submissions(self.lab.slug)
        wanted = list(there if students is None else students)
        unknown = [student for student in wanted if student not in there]
        if unknown or not wanted:
            place = self.course.directory.format_path(
                self.course.directory.submitted_directory, unknown[0] if unknown else "STUDENT", self.lab.slug
            )
            raise CourseError(f"expected a submission in {place}, found none: run `nbgrader collect {self.lab.slug}`")
        return {student: there[student] for student in wanted}

    def _open_gradebook(self) -> None:
        from medcourse.grading.gradebook import Recorder  # noqa: PLC0415
        from medcourse.grading.trouble import HeldError, UnavailableError  # noqa: PLC0415

        if self.is_dry:
            return
        try:
            self.recorder = Recorder(self.course, self.lab)
        except HeldError:  # the other run grades the same submissions
            raise
        except UnavailableError as error:  # the class is graded all the same
            self.trouble = str(error)

    def _compare(self) -> None:
        """Take what the gradebook has from what it has yet to get, whatever the journal says of it."""
        from medcourse.grading.trouble import UnavailableError  # noqa: PLC0415

        if self.recorder is None or not self.unrecorded:
            return
        try:
            scores = self.recorder.scores()
        except UnavailableError as error:
            self.trouble = str(error)
            return
        for student, key in list(self.unrecorded.items()):
            run = self.journal.result(student, key).run
            if run and _agree(run, scores.get(student)) and self.recorder.placed_key(student) == key:
                if not self.journal.is_recorded(student, key):
                    self.journal.add_recorded(student, key)
                self.grades[student].recorded = True
                del self.unrecorded[student]

    def _record_rest(self) -> None:
        """Record what is known and not yet in the gradebook."""
        for job in self._jobs(list(self.unrecorded)):
            if self.trouble:
                return
            if job.key == self.unrecorded[job.student]:
                self._record(job)
            else:
                self._look(job.student, job.key, "the submission changed while it was graded: run again")
                del self.unrecorded[job.student]

    # While workers work.

    def grade(self, students: list[str], team: _Team, *, progress: bool | Callable[[int, int], None]) -> None:
        """Grade these students and keep the results as they come."""
        from medcourse.grading.submission import key_of_solution  # noqa: PLC0415

        if students:
            reference = key_of_solution(self.lab, self.settings)
            force = team.start()
            force.warm_up(self.lab, self.settings)
            crew = Crew(force, self.lab, self.settings, calibrates=reference not in self.journal.calibrated)
            with _progress(progress, len(students)) as advance:
                for job, outcome in crew.results(self._jobs(students)):
                    if job is None:
                        if not self.is_dry:
                            self.journal.add_calibrated(reference)
                        continue
                    self._take(job, outcome)
                    advance()
        if self.trouble and self.unrecorded:
            self._try_again()

    def _jobs(self, students: list[str]) -> Iterator[Job]:
        from medcourse.grading.submission import key  # noqa: PLC0415

        for student in students:
            try:
                submission = read_submission(self.paths[student])
            except CourseError as error:  # it was there a moment ago
                self._look(student, "", str(error))
                continue
            yield Job(student, key(self.lab, submission, self.settings), submission)

    def _take(self, job: Job, outcome: "Graded | str") -> None:
        """Keep what came of a submission: a result, or why there is none this time."""
        if isinstance(outcome, str):
            self._look(job.student, job.key, outcome)
            return
        if self.regrade is not None:
            is_same = self.journal.is_of(job.student, job.submission)
            outcome = self.regrade.take(job.student, self.journal.last_result(job.student), outcome, is_same=is_same)
        if not self.is_dry:
            self.journal.add_result(job.student, job.key, outcome, job.submission)
        self.graded_now += 1
        self._know(job.student, outcome)
        if outcome.run is not None and not self.is_dry:
            self.unrecorded[job.student] = job.key
            if not self.trouble:
                self._record(job, outcome.run)
            if self.first_grade is None:
                self.first_grade = time.perf_counter() - self.started

    def _record(self, job: Job, run: "Run | None" = None) -> None:
        from medcourse.grading.trouble import UnavailableError  # noqa: PLC0415

        run = run or self.journal.result(job.student, job.key).run
        if run is None or self.recorder is None:
            return
        try:
            self.recorder.record(job.student, job.submission, run, job.key)
        except UnavailableError as error:
            self.trouble = str(error)
        except CourseError as error:
            self.grades[job.student].problem = str(error)
            del self.unrecorded[job.student]
        else:
            self.journal.add_recorded(job.student, job.key)
            self.grades[job.student].recorded = True
            del self.unrecorded[job.student]

    def _try_again(self) -> None:
        """Give a gradebook that was locked a second chance, now that the class is through."""
        self.trouble = ""
        if self.recorder is None:
            self._open_gradebook()
        self._record_rest()

    def renew_penalties(self) -> None:
        """Let late penalties follow what was given by hand since."""
        from medcourse.grading.trouble import UnavailableError  # noqa: PLC0415

        if self.recorder is None or self.trouble:
            return
        try:
            self.recorder.renew_penalties()
        except UnavailableError as error:
            self.trouble, self.are_penalties_due = str(error), True

    def _know(self, student: str, graded: "Graded") -> None:
        run = graded.run
        grade = self.grades[student] = StudentGrade(student, problem=graded.problem, findings=graded.findings)
        if run is not None:
            grade.score, grade.max, grade.tier = run.score, run.max, run.tier

    def _look(self, student: str, key: str, problem: str) -> None:
        self.grades[student] = StudentGrade(student, problem=problem)
        latest = self.journal.latest.get(student)
        if self.is_dry:
            return
        if latest is None or (latest.key, latest.problem) != (key, problem):
            self.journal.add_look(student, key, problem)

    def summary(self) -> ClassGrades:
        """Return what came of it."""
        return ClassGrades(
            self.lab.slug,
            list(self.grades.values()),
            self.trouble if self.unrecorded or self.are_penalties_due else "",
            self.graded_now,
            time.perf_counter() - self.started,
            self.first_grade,
            self.regrade.changes if self.regrade else [],
            self.regrade.kept if self.regrade else {},
            self.is_dry,
            self.aside,
        )


@contextmanager
def _progress(wanted: bool | Callable[[int, int], None], total: int) -> Iterator[Callable[[], object]]:
    """Yield what is to be called after each submission."""
    if callable(wanted):
        done = itertools.count(1)
        wanted(0, total)
        yield lambda: wanted(next(done), total)
    else:
        with tqdm(total=total, file=sys.stderr, disable=not wanted, unit="submission", leave=False) as bar:
            yield bar.update


def _agree(run: "Run", scores: dict[str, float | None] | None) -> bool:
    """Say whether the gradebook has the points of a run."""
    if scores is None:
        return False
    return all(scores.get(each.id) is not None and scores[each.id] == each.score for each in run.exercises)


def read_submission(path: Path) -> bytes:
    """Read a submission.

    Raises
    ------
    CourseError
        There is none, or it is too large to be one.
    """
    if not path.is_file():
        others = sorted(other.name for other in path.parent.glob("*.ipynb"))
        found = f"found {', '.join(others)[:200]}" if others else "found no notebook"
        raise CourseError(f"expected {path.name}, {found}")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_MB * 10**6:
            raise CourseError(f"expected a notebook, got a file of {size / 1e6:.0f} MB")
        return path.read_bytes()
    except OSError as error:
        raise CourseError(f"cannot read the notebook: {error.strerror}") from None
