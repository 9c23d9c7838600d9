"""The page that a student gets back: for each property its name, points and message, the own code and its output.

The page is made by nbgrader's GenerateFeedback from three preprocessors and an exporter of ours, named in
`nbgrader_config.py`. What is on it is chosen piece by piece: `Summarise` collects it, made safe by `harmless`, and
the template shows that and nothing else of the notebook. So a hidden test, a marking scheme, or HTML that a cell put
out is not taken away but never put there. And the page may run and load nothing: it says so itself, by a content
security policy.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from nbconvert.exporters.templateexporter import TemplateExporter
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from traitlets import default

from medcourse.grading import cells, harmless
from medcourse.grading.cells import HIDDEN_TESTS

Converted = tuple[Any, dict[str, Any]]

MESSAGE_LIMIT = 1000
"""Characters of one message."""

PICTURES_LIMIT = 20
"""Pictures of one cell."""

UNTOUCHED = "No response."
"""What nbgrader puts where a comment would be, for an answer that is as it was released."""


@dataclass(frozen=True)
class Output:
    """Something that a cell put out: text of a kind (`text`, `error`, `note`), or a `picture` with its description."""

    kind: str
    text: str
    address: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a test or a written answer earned.

    Attributes
    ----------
    about
        What the lab says of it in the first lines of the test.
    state
        `earned`, `partly`, `lost`, or `waiting` for a person who reads it.
    """

    points: float
    score: float
    state: str
    message: str = ""
    about: str = ""


@dataclass(frozen=True)
class Item:
    """A cell on the page.

    Attributes
    ----------
    kind
        `answer`, `test`, `written`, or `added` for a cell of the student's own.
    name
        Its grade_id; empty for an added one.
    title
        Its name in words.
    shown
        Its code or text: of a test the visible part.
    """

    kind: str
    name: str
    title: str
    shown: Markup
    is_code: bool = True
    outputs: list[Output] = field(default_factory=list)
    verdict: Verdict | None = None
    comment: Markup | None = None
    is_partly_hidden: bool = False


@dataclass
class Part:
    """What stands under one heading of the lab."""

    title: str
    task: list[Markup] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    @property
    def graded(self) -> list[Item]:
        """Tests and written answers."""
        return [item for item in self.items if item.verdict]

    @property
    def points(self) -> float:
        """Points that there are."""
        return sum(item.verdict.points for item in self.items if item.verdict)

    @property
    def score(self) -> float:
        """Points earned so far."""
        return sum(item.verdict.score for item in self.items if item.verdict)


@dataclass
class Page:
    """Everything that the template shows."""

    title: str
    student: str
    tier: str = ""
    mended: Markup | None = None
    parts: list[Part] = field(default_factory=list)
    score: float = 0.0
    points: float = 0.0
    late_penalty: float = 0.0

    @property
    def waiting(self) -> float:
        """Points that a person has yet to give."""
        graded = [item.verdict for part in self.parts for item in part.items if item.verdict]
        return sum(verdict.points for verdict in graded if verdict.state == "waiting")


class HideSecrets(NbGraderPreprocessor):  # type: ignore[misc]  # nbgrader has no types
    """Take hidden tests and marking schemes out of the feedback."""

    def preprocess_cell(self, cell: Any, resources: dict[str, Any], cell_index: int) -> Converted:
        """Clean one cell."""
        if cells.is_test(cell):
            shown = cells.without_regions(cell.source, HIDDEN_TESTS)
            cell.metadata["is_partly_hidden"] = shown != cell.source
            cell.source = shown
        elif cells.is_written(cell):
            cell.source = cells.split_mark_scheme(cell.source)[0]
        return cell, resources


class Summarise(GetGrades):  # type: ignore[misc]
    """Get the grades as nbgrader does, and collect what the page shows; comes after `HideSecrets`."""

    def preprocess(self, nb: Any, resources: dict[str, Any]) -> Converted:
        """Put the page into the resources, for the template."""
        nb, resources = super().preprocess(nb, resources)
        about = resources["nbgrader"]
        page = summary(nb, student=str(about["student"]))
        page.score, page.points = float(about["score"]), float(about["max_score"])
        page.late_penalty = float(about["late_penalty"])
        resources["medcourse"] = page
        return nb, resources

    def _get_score(self, cell: Any, resources: dict[str, Any]) -> None:
        """Note, beside the score, whether a person has still to look."""
        super()._get_score(cell, resources)
        grade = self.gradebook.find_grade(cells.grade_id(cell), self.notebook_id, self.assignment_id, self.student_id)
        cell.metadata.nbgrader["waiting"] = bool(grade.needs_manual_grade) and grade.manual_score is None


class FeedbackExporter(TemplateExporter):
    """Write the page that `Summarise` collected as one file of HTML that needs no other."""

    output_mimetype = "text/html"

    @default("file_extension")
    def _file_extension(self) -> str:
        return ".html"

    @default("template_name")
    def _template_name(self) -> str:
        return "medcourse_feedback"

    @default("extra_template_basedirs")
    def _extra_template_basedirs(self) -> list[str]:
        return [str(Path(__file__).parent / "templates")]

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()  # type: ignore[no-untyped-call]
        environment.autoescape = True  # what is no Markup is text
        environment.filters["points"] = _points
        return environment


def summary(nb: Any, student: str) -> Page:
    """Collect what the page shows of an autograded notebook, but for the sums that the gradebook knows.

    Parameters
    ----------
    nb
        After `HideSecrets`, with `score`, `points`, `comment` and `waiting` in nbgrader's metadata.
    student
        Whose it is.
    """
    tier = nb.metadata.get("medcourse", {}).get("tier", "")
    page = Page(_title(nb), student, tier=harmless.text(str(tier), 100))
    page.parts.append(Part("Before the first exercise"))
    answers: list[str] = []
    for cell in nb.cells:
        if cell.get("id") == "mended":
            page.mended = harmless.markdown(cell.source)
            continue
        item = _item(cell, answers)
        if item:
            page.parts[-1].items.append(item)
        elif cell.cell_type == "markdown":
            heading, text = _HEADING.search(cell.source), cell.source
            if heading:
                page.parts.append(Part(_POINTS.sub("", heading[1])))
                text = text.replace(heading[0], "", 1)
            page.parts[-1].task.append(harmless.markdown(text, cell.get("attachments")))
    page.parts = [part for part in page.parts if part.items]
    return page


_HEADING = re.compile(r"^## (.*\S)", re.MULTILINE)
_POINTS = re.compile(r" \([\d.]+ points?\)$")  # the table says them


def _title(nb: Any) -> str:
    """Return the lab's title: the first heading of its first text."""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.get("id") != "mended" and cell.source.startswith("# "):
            return str(cell.source.split("\n")[0].removeprefix("# "))
    return "Lab"


def _item(cell: Any, answers: list[str]) -> Item | None:
    """Return what the page shows of a cell; None for what is the lab's own, experiments and pictures."""
    name = cells.grade_id(cell) or ""
    comment = cells.metadata(cell).get("comment")
    if comment == UNTOUCHED:
        comment = None  # no person wrote it
    comment = harmless.markdown(comment) if comment else None
    if cells.is_test(cell):
        answer = cells.answer_of(name, answers)
        words = name if answer is None else f"{answer}: {name[len(answer) + 1 :].replace('_', ' ')}"
        shown = harmless.python(cell.source.strip())
        hidden = bool(cell.metadata.get("is_partly_hidden"))
        return Item("test", name, words, shown, verdict=_verdict(cell), comment=comment, is_partly_hidden=hidden)
    if cells.is_written(cell):
        shown = _shown(cell)
        return Item(
            "written", name, name.replace("_", " "), shown, cell.cell_type == "code", [], _verdict(cell), comment
        )
    if cells.is_answer(cell):
        answers.append(name)
        return Item("answer", name, name, _shown(cell), True, list(_outputs(cell)), comment=comment)
    if str(cell.get("id", "")).startswith("added-") and (cell.cell_type != "code" or cells.is_run(cell)):
        is_code = cell.cell_type == "code"
        return Item("added", "", "a cell of your own", _shown(cell), is_code, list(_outputs(cell)))
    return None


def _shown(cell: Any) -> Markup:
    """Return the code or text of a student's cell as HTML."""
    if cell.cell_type == "markdown":
        return harmless.markdown(cell.source, cell.get("attachments"))
    return harmless.python(cell.source.strip("\n"))


def _verdict(cell: Any) -> Verdict:
    about = cells.metadata(cell)
    points, score = float(about.get("points") or 0), float(about.get("score") or 0)
    if cells.is_written(cell):
        state = "waiting" if about.get("waiting") else _state(score, points)
        return Verdict(points, score, state, cells.NOT_ANSWERED if about.get("comment") == UNTOUCHED else "")
    state = _state(score, points)
    message = "" if state == "earned" else _message(cell, state)
    comment = re.match(r"(#(?!#).*\n?)+", cell.source)
    words = " ".join(line.removeprefix("#").strip() for line in comment[0].splitlines()) if comment else ""
    return Verdict(points, score, state, message, words)


def _state(score: float, points: float) -> str:
    return "earned" if score >= points else "partly" if score > 0 else "lost"


def _message(cell: Any, state: str) -> str:
    """Return why a test gave less than its points."""
    for output in cell.outputs:
        if output.output_type == "error":
            return harmless.text(output.evalue, MESSAGE_LIMIT) or harmless.text(output.ename, MESSAGE_LIMIT)
    return "a part of what it looks at is right" if state == "partly" else "no verdict was recorded for this test"


def _outputs(cell: Any) -> Iterator[Output]:
    """Yield what a student's cell put out: text and pictures, and for anything else a word that it is left out."""
    n_pictures = 0
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield Output("text", harmless.text(_joined(output.text)))
        elif output.output_type == "error":
            trace = "\n".join(map(str, output.traceback)) or f"{output.ename}: {output.evalue}"
            yield Output("error", harmless.text(trace))
        else:
            data = output.get("data", {})
            address = harmless.picture(data)
            if address and n_pictures < PICTURES_LIMIT:
                n_pictures += 1
                yield Output("picture", _alt(output), address)
            elif "text/plain" in data:
                yield Output("text", harmless.text(_joined(data["text/plain"])))
            else:
                kinds = ", ".join(sorted(map(str, data))) or "nothing"
                yield Output("note", harmless.text(f"An output that is not shown here: {kinds}.", 200))


def _alt(output: Any) -> str:
    """Return the description of a picture where `medcourse.plots` and Jupyter keep it."""
    metadata = output.get("metadata", {})
    for place in (*(metadata.get(kind, {}) for kind in harmless.PICTURES), metadata):
        if isinstance(place, dict) and isinstance(place.get("alt"), str):
            return harmless.text(place["alt"], MESSAGE_LIMIT)
    return "A picture that this cell drew, without a description"


def _joined(value: Any) -> str:
    """Return text that a notebook may hold as a list of lines."""
    return value if isinstance(value, str) else "".join(map(str, value))


def _points(value: float) -> str:
    """Write points as short as they are: 2, 0.5.

    Examples
    --------
    >>> _points(2.0), _points(0.333333)
    ('2', '0.33')
    """
    return f"{round(value, 2):g}"
