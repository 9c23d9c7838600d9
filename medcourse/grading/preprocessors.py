"""What nbgrader calls when it grades: our splice, a verdict that is positive only, and feedback without secrets.

They are named in `nbgrader_config.py` and take part in nbgrader's own commands; its database, formgrader and exchange
stay as they are.
"""

import math
from pathlib import Path
from typing import Any

from nbclient.exceptions import DeadKernelError
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute, NbGraderPreprocessor

from medcourse.grading import cells
from medcourse.grading.cells import HIDDEN_TESTS, NO_NUMBER, NOT_ANSWERED
from medcourse.grading.notebooks import node, read_notebook
from medcourse.grading.splice import splice

Converted = tuple[Any, dict[str, Any]]


class Splice(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader has no types
    """Put the answers of a submission into the released notebook, and say at its top what had to be mended.

    nbgrader's OverwriteCells comes next and puts the hidden tests in, from the gradebook.
    """

    def preprocess(self, nb: Any, resources: dict[str, Any]) -> Converted:
        """Replace the submission by the clean notebook."""
        about = resources["nbgrader"]
        course = self.parent.parent.coursedir  # a preprocessor belongs to an exporter, and that to a converter
        folder = Path(course.format_path(course.release_directory, ".", about["assignment"]))
        clean, findings = splice(read_notebook(folder / f"{about['notebook']}.ipynb"), nb)
        if findings:
            text = "**This submission had to be mended before it was graded:**\n\n" + "\n".join(
                f"- {f}" for f in findings
            )
            clean.cells.insert(0, node(id="mended", cell_type="markdown", metadata={}, source=text))
        with Gradebook(about["db_url"]) as gradebook:
            for cell in clean.cells:
                if cells.is_written(cell):
                    entry = gradebook.find_source_cell(cells.grade_id(cell), about["notebook"], about["assignment"])
                    cell.source = _with_mark_scheme(cell.source, entry.source)
        return clean, resources


class Judge(Execute):  # type: ignore[misc]
    """Run the notebook in a kernel as nbgrader does, and let only a test that ran to its end earn points.

    nbgrader gives full points to a test that was skipped and none to one that warned. So what a test put out is
    replaced by its verdict, in the words that nbgrader reads: a number for points, an error for none. That also keeps
    tracebacks through hidden tests, and what student code printed there, out of the feedback.
    """

    def preprocess(self, nb: Any, resources: Any = None, km: Any = None) -> Converted:
        """Run every cell but experiments; a kernel that dies takes the later cells' points and no others."""
        self._passed: set[str | None] = set()
        try:
            nb, resources = super().preprocess(nb, resources, km)
        except DeadKernelError:
            self.log.warning("The kernel died: the cells after that count as not run.")
        errors: dict[str, Any] = {}  # what each answer cell itself ended in, None where that was well
        for cell in nb.cells:
            name = str(cells.grade_id(cell))
            if cells.is_answer(cell):
                errors[name] = _error_in(cell)
            elif cells.is_test(cell):
                cause = errors.get(cells.answer_of(name, list(errors)) or "")
                cell.outputs = [_score(cell) if name in self._passed else _no_score(cell, cause)]
        return nb, resources

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> Converted:
        """Run one cell; nbgrader itself can skip one tag, and its tests are safe: their tags come from the release."""
        return super().preprocess_cell(cell, resources, index) if cells.is_run(cell) else (cell, resources)

    def on_cell_executed(self, **kwargs: Any) -> None:
        """Note which cells the kernel says it ran to the end."""
        super().on_cell_executed(**kwargs)
        if kwargs["execute_reply"]["content"]["status"] == "ok":
            self._passed.add(cells.grade_id(kwargs["cell"]))


class HideSecrets(NbGraderPreprocessor):  # type: ignore[misc]
    """Take hidden tests and marking schemes out of the feedback."""

    def preprocess_cell(self, cell: Any, resources: dict[str, Any], cell_index: int) -> Converted:
        """Clean one cell."""
        if cells.is_test(cell):
            cell.source = cells.without_regions(cell.source, HIDDEN_TESTS)
        elif cells.is_written(cell):
            cell.source = cells.split_mark_scheme(cell.source)[0]
        return cell, resources


def _with_mark_scheme(answer: str, entry: str) -> str:
    """Return a written answer with the marking scheme under it, for the person who grades it.

    What was not answered becomes the gradebook's entry to the letter: so nbgrader knows it, and gives it 0 by itself.
    """
    question, scheme = cells.split_mark_scheme(entry)
    return entry if answer.strip() == question.strip() else f"{answer.rstrip()}\n\n{scheme}"


def _error_in(cell: Any) -> Any:
    return next((output for output in cell.outputs if output.output_type == "error"), None)


def _no_score(cell: Any, cause: Any) -> Any:
    """Return the output of a test that failed, or that failed because its answer could not even be defined."""
    error = _error_in(cell)
    if error is None:
        return _error("DidNotRun", "this test did not run to its end")
    if error.ename == "NameError" and cause is not None:
        error = cause
    if error.ename == "NotImplementedError":
        return _error(error.ename, NOT_ANSWERED)
    return _error(error.ename, error.evalue if error.ename == "AssertionError" else f"{error.ename}: {error.evalue}")


def _score(cell: Any) -> Any:
    """Return the output of a test that ran to its end: all its points, or what its last line says."""
    points = cells.points(cell)
    values = [output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "execute_result"]
    try:
        score = float(values[-1]) if values else points
    except ValueError:
        score = math.nan
    if math.isnan(score):
        return _error("ValueError", NO_NUMBER)
    shown = {"text/plain": repr(min(max(score, 0.0), points))}
    return node(output_type="execute_result", data=shown, metadata={}, execution_count=cell.execution_count)


def _error(name: str, message: str) -> Any:
    return node(output_type="error", ename=name, evalue=message, traceback=[message])
