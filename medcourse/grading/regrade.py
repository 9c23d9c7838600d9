"""Grade again what was graded before: which tests may change a grade, and every grade that does."""

from dataclasses import dataclass, field, replace

from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.grades import Change
from medcourse.grading.notebooks import parse_notebook
from medcourse.grading.submission import Graded, Lab


@dataclass
class Regrade:
    """One run over submissions that have a result.

    Attributes
    ----------
    tests
        The grade_ids of the tests whose verdicts are taken anew; None for all.
    changes
        Every grade that is another one than before, as they were found.
    kept
        By student, tests of other exercises that came out otherwise, too, and whose old verdict was kept.
    """

    tests: set[str] | None = None
    changes: list[Change] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)

    def take(self, student: str, before: Graded | None, after: Graded, *, is_same: bool = True) -> Graded:
        """Note what changes, and return the result that counts: the old one but for `tests`.

        Where the two are not of the same submission, all of the new one counts.
        """
        if after.run is None:
            return after
        old = {} if before is None or before.run is None else {each.id: each for each in before.run.exercises}
        counting = []
        for new in after.run.exercises:
            known = old.get(new.id)
            if not is_same or self.tests is None or new.id in self.tests or known is None or known.points != new.points:
                counting.append(new)
                was = None if known is None else known.score
                if was != new.score:
                    self.changes.append(Change(student, new.id, was, new.score))
            else:
                counting.append(known)
                if known.score != new.score:
                    self.kept.setdefault(student, []).append(new.id)
        return replace(after, run=replace(after.run, exercises=counting))


def tests_of(lab: Lab, exercise: str) -> set[str]:
    """Return the grade_ids of an exercise's tests: of an answer, or one test by its own name.

    Raises
    ------
    CourseError
        The lab has no such exercise; names those that it has.
    """
    notebook = parse_notebook(lab.release)
    answers = [str(cells.grade_id(cell)) for cell in notebook.cells if cells.is_answer(cell)]
    tests = [str(cells.grade_id(cell)) for cell in notebook.cells if cells.is_test(cell)]
    found = {test for test in tests if exercise in {test, cells.answer_of(test, answers)}}
    if not found:
        raise CourseError(f"unknown exercise {exercise!r} of {lab.slug}, expected one of: {', '.join(answers)}")
    return found
