"""What nbgrader calls when it grades: our splice, a verdict that is positive only, and feedback without secrets.

They are named in `nbgrader_config.py` and take part in nbgrader's own commands; its database, formgrader and exchange
stay as they are.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Float, Unicode

from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.engines import engine_of_this_process
from medcourse.grading.journal import secret_seed
from medcourse.grading.notebooks import node, read_notebook
from medcourse.grading.plan import Exercise, Limits, Run, graded_cells
from medcourse.grading.sandbox.engine import imports_of
from medcourse.grading.splice import splice
from medcourse.grading.submission import Settings

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
        released = folder / f"{about['notebook']}.ipynb"
        clean, findings = splice(_read(released, released.stat().st_mtime_ns if released.exists() else 0), nb)
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


class Judge(NbGraderPreprocessor):  # type: ignore[misc]
    """Write down what running the notebook came to, in the words that nbgrader reads.

    nbgrader gives full points to a test that was skipped and none to one that warned. So what stands under a test is
    its verdict and nothing else: a number for points, an error for none. That also keeps tracebacks through hidden
    tests, and what student code printed there, out of the feedback.

    `medcourse grade` has run the notebook and hands the outcome over as `outcome` of its converter. Under nbgrader's
    own `autograde` it is run here, in the same sandbox.
    """

    minimum_tier = Unicode("landlock", help="The weakest sandbox that will do, see `medcourse doctor`").tag(config=True)
    cell_seconds = Float(60.0, help="How long one cell of a submission may take").tag(config=True)

    def preprocess(self, nb: Any, resources: dict[str, Any]) -> Converted:
        """Put verdicts under the tests and the student's own output under the student's cells."""
        outcome = getattr(self.parent.parent, "outcome", None)  # an exporter's converter
        about, run = ({}, self._run(nb)) if outcome is None else outcome
        verdicts = {exercise.id: exercise for exercise in run.exercises}
        for cell in nb.cells:
            if cell.cell_type != "code":
                continue
            name = cells.grade_id(cell) or cell.id
            if cells.is_test(cell):
                cell.outputs = [_verdict(verdicts.get(name))]
            else:
                cell.outputs = outputs_of(run, name)
        nb.metadata["medcourse"] = {"tier": run.tier, **about}
        return nb, resources

    def _run(self, nb: Any) -> Run:
        settings = settings_of(self.config, Path(self.parent.parent.coursedir.root))
        todo = graded_cells(nb)
        engine = engine_of_this_process(settings.minimum_tier, imports_of(todo))
        return engine.run(todo, limits=settings.limits, seed=settings.seed)


def _with_mark_scheme(answer: str, entry: str) -> str:
    """Return a written answer with the marking scheme under it, for the person who grades it.

    What was not answered becomes the gradebook's entry to the letter: so nbgrader knows it, and gives it 0 by itself.
    """
    question, scheme = cells.split_mark_scheme(entry)
    return entry if answer.strip() == question.strip() else f"{answer.rstrip()}\n\n{scheme}"


@lru_cache(maxsize=4)
def _read(path: Path, _: int) -> Any:
    """Read the release of a lab once for a class, and again when it changes."""
    return read_notebook(path)


def settings_of(config: Any, root: Path, *, tier: str | None = None) -> Settings:
    """Return how to grade, as nbgrader's configuration says it.

    Parameters
    ----------
    config
        Of traitlets: `Judge.cell_seconds` is how long a cell may take, `Judge.minimum_tier` the weakest sandbox.
    root
        The course's folder, which keeps the class's seed.
    tier
        Another sandbox than the configured one.
    """
    judge = Judge(config=config)
    if judge.cell_seconds <= 0:
        raise CourseError(f"expected c.Judge.cell_seconds above 0, got {judge.cell_seconds:g}")
    limits = Limits(cell_seconds=judge.cell_seconds)
    return Settings(limits, secret_seed(root), tier or judge.minimum_tier)


def outputs_of(run: Run, name: str) -> list[Any]:
    """Return what a cell of the student's put out, less what is not text or a picture, and how it failed.

    Student code chose these bytes, and a page of the instructor's will show them: no HTML, no SVG, no script.
    """
    shown = [node for output in run.outputs.get(name, []) if (node := _harmless(output)) is not None]
    if name in run.failed and all(output.output_type != "error" for output in shown):
        message = _text(run.failed[name])
        shown.append(_error(message.split(":")[0] if ":" in message else "Error", message))
    return shown


def _harmless(output: dict[str, Any]) -> Any:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return node(output_type="stream", name=name, text=_text(output.get("text")))
    if kind == "error":
        lines = output.get("traceback")
        trace = [_text(line) for line in lines] if isinstance(lines, list) else []
        return node(
            output_type="error", ename=_text(output.get("ename")), evalue=_text(output.get("evalue")), traceback=trace
        )
    data = output.get("data")
    if kind not in {"display_data", "execute_result"} or not isinstance(data, dict):
        return None
    shown = {"text/plain": _text(data["text/plain"])} if "text/plain" in data else {}
    picture = _text(data.get("image/png")).replace("\n", "")
    if picture and _BASE64.fullmatch(picture):  # nbconvert writes it into the page as it stands
        shown["image/png"] = picture
    return node(output_type="display_data", data=shown, metadata={}) if shown else None


_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def _text(value: Any) -> str:
    """Return text that a file can hold; JSON admits half characters."""
    parts = value if isinstance(value, list) else [value]
    return "".join(part for part in parts if isinstance(part, str)).encode("utf-8", "replace").decode()


def _verdict(exercise: Exercise | None) -> Any:
    """Return the one output of a test cell: a number for points, an error for none."""
    if exercise is None:
        return _error("DidNotRun", "this test did not run to its end")
    if exercise.error:
        return _error(exercise.error, exercise.message)
    score = repr(min(max(float(exercise.score), 0.0), float(exercise.points)))
    return node(output_type="execute_result", data={"text/plain": score}, metadata={}, execution_count=None)


def _error(name: str, message: str) -> Any:
    return node(output_type="error", ename=name, evalue=message, traceback=[message])
