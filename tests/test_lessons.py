"""Every lesson has the parts that DESIGN promises, and runs from top to bottom."""

import json
import re
from pathlib import Path

import pytest

from medcourse.executed import executed
from medcourse.grading.notebooks import lesson_notebook
from tests import anatomy

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted((ROOT / "course").glob("[0-9]*.py"))
COSTS = json.loads((ROOT / "bench" / "results" / "cost.json").read_text())
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@each_lesson
def test_it_opens_with_what_one_learns_how_long_it_takes_and_what_it_costs(path):
    first = lesson_notebook(path).cells[0].source
    assert re.match(r"# \S", first)
    assert len(re.findall(r"^- ", first, re.MULTILINE)) >= 3, "three objectives or more"
    assert "you can" in first
    assert re.search(r"\*\*Time:\*\* about \d+ minutes", first)
    assert re.search(r"\*\*Before this:\*\* \S", first)
    cost = COSTS[f"course/{path.stem}"]
    assert f"{cost['seconds']:.0f} s and {cost['peak_gb']:.1f} GB" in first, "the cost is the one that was measured"
    assert cost["seconds"] <= 90


@each_lesson
def test_it_has_its_sections(path):
    found = anatomy.headings(anatomy.prose(lesson_notebook(path)))
    wanted = ["problem", "idea", "paper found", "In practice", "Where it fails", "Take-aways", "References"]
    assert [word for word in wanted if not any(word in heading for heading in found)] == []


@each_lesson
def test_it_asks_for_predictions_and_answers_every_option_of_its_questions(path):
    text = anatomy.prose(lesson_notebook(path))
    assert len(re.findall(r"\*\*(Predict|Before you)", text)) >= 2
    asked = list(anatomy.questions(text))
    assert len(asked) >= 3
    for options in asked:
        assert len(options) >= 3
        assert all(len(feedback.split()) >= 8 for _, feedback in options), "each option says why"
        assert sum(bool(re.search(r"\bYes\b", feedback)) for _, feedback in options) == 1, "one option is right"


@each_lesson
def test_it_names_its_sources(path):
    text = anatomy.prose(lesson_notebook(path))
    references = text.split("## References")[1]
    entries = re.findall(r"^- .+?(?=^- |\Z)", references, re.MULTILINE | re.DOTALL)
    assert entries
    assert [entry for entry in entries if "https://doi.org/10." not in entry] == []
    assert "simulated" in text.lower()


@each_lesson
def test_it_is_made_of_short_pieces(path):
    notebook = lesson_notebook(path)
    assert anatomy.long_paragraphs(notebook) == []
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert [source.splitlines()[0] for source in code if len(source.splitlines()) > anatomy.MAX_CODE_LINES] == []
    assert anatomy.images_without_alt(notebook) == []


@each_lesson
def test_it_runs_and_shows_demos_with_twins_and_figures_with_descriptions(path, record_property):
    found = executed(path)
    done = found.execution
    record_property("seconds", done.seconds)
    record_property("peak_gb", done.peak_gb)
    print(f"{path.stem}: {done.seconds:.1f} s, {done.peak_gb:.2f} GB{', as kept' if found.is_cached else ''}")
    assert anatomy.complaints(done.notebook) == []
    assert anatomy.figures_without_alt(done.notebook) == []
    assert anatomy.demos(done.notebook)
    assert done.peak_gb <= 2
    assert found.files == (), "a lesson leaves no files behind"
    assert found.unforeseen == (), "a change of these modules would not run the lesson again"
