"""Every lab has the parts that DESIGN promises; its tests tell right from wrong; its solution runs."""

import functools
import io
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from skimage import io as image_io
from skimage.transform import resize

from medcourse.execute import execute
from medcourse.grading import cells, proofs
from medcourse.grading.audit import MUTANTS_KILLED, audit
from medcourse.grading.notebooks import lab_notebook
from tests import anatomy

ROOT = Path(__file__).resolve().parents[1]
LABS = sorted((ROOT / "solutions").glob("[0-9]*.py"))
COSTS = json.loads((ROOT / "bench" / "results" / "cost.json").read_text())
each_lab = pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)


def proof_of(path):
    return proofs.load_proof(ROOT / "tests" / "labs" / path.name)


@each_lab
def test_it_opens_with_what_one_learns_how_long_it_takes_and_what_it_costs(path):
    first = lab_notebook(path).cells[0].source
    assert re.match(r"# Lab \d+: \S", first)
    assert "You will be able to" in first
    assert len(re.findall(r"^- ", first, re.MULTILINE)) >= 3
    assert re.search(r"\*\*Time:\*\* about \d+ minutes", first)
    cost = COSTS[f"solutions/{path.stem}"]
    assert f"{cost['seconds']:.0f} s and {cost['peak_gb']:.1f} GB" in first
    assert cost["seconds"] <= 120
    assert cost["peak_gb"] <= 2


@each_lab
def test_it_has_four_to_six_exercises_each_with_task_formula_hint_and_points(path):
    text = anatomy.prose(lab_notebook(path))
    exercises = [part for part in re.split(r"(?m)^## ", text) if part.startswith("Exercise ")]
    assert 4 <= len(exercises) <= 6
    for exercise in exercises:
        assert re.search(r"\(\d+ points?\)$", exercise.splitlines()[0]), "points are appended by the build"
        assert "<summary>Hint</summary>" in exercise
    assert sum("$" in exercise for exercise in exercises) >= len(exercises) // 2
    assert text.count("**Predict first:**") >= 2
    assert "<summary>Expected picture</summary>" in text
    assert "https://doi.org/10." in text
    assert "simulated" in text


@each_lab
def test_every_answer_is_documented_and_every_question_has_a_scheme(path):
    notebook = lab_notebook(path)
    for cell in notebook.cells:
        if cells.is_answer(cell):
            assert '"""' in cell.source.split("BEGIN SOLUTION")[0], "a docstring says what is to be written"
        if cells.is_written(cell):
            assert "BEGIN MARK SCHEME" in cell.source
    assert any(cells.is_written(cell) for cell in notebook.cells)
    assert any(cells.EXPERIMENT in cell.metadata.get("tags", []) for cell in notebook.cells)


@each_lab
def test_it_is_made_of_short_pieces(path):
    notebook = lab_notebook(path)
    assert anatomy.long_paragraphs(notebook) == []
    assert anatomy.images_without_alt(notebook) == []


@functools.cache
def audited(path):
    """The audit of a lab, which the tests below share; `medcourse audit` tries all mutants."""
    found = audit(ROOT, path.stem, every_mutant=anatomy.EVERY)
    print(f"{path.stem}: graded path {found.solution.seconds:.2f} s, {found.solution.peak_mib} MiB\n{found}")
    return found


@each_lab
def test_the_solution_earns_every_point(path):
    run = audited(path).solution
    assert [exercise for exercise in run.exercises if exercise.score != exercise.points] == []
    assert run.peak_mib is None or run.peak_mib <= 2048


@each_lab
def test_the_stub_earns_nothing_and_raises_nothing_but_not_implemented(path):
    assert audited(path).stub.score == 0
    assert audited(path).only_not_implemented


@each_lab
def test_every_answer_has_three_mistakes_that_cost_points(path):
    proof, answers = proof_of(path), proofs.reference_answers(path)
    assert {a: len(proof.mistakes.get(a, {})) for a in answers if len(proof.mistakes.get(a, {})) < 3} == {}
    assert [f"{v.answer}: {v.name}" for v, rejected in audited(path).mistakes if not rejected] == []


@each_lab
def test_every_answer_has_two_others_that_cost_none(path):
    proof, answers = proof_of(path), proofs.reference_answers(path)
    assert [answer for answer in answers if len(proof.alternatives.get(answer, {})) < 2] == []
    assert [f"{v.answer}: {v.name}" for v, accepted in audited(path).alternatives if not accepted] == []


@each_lab
def test_mutants_of_the_solution_lose_points(path):
    found = audited(path)
    assert found.n_mutants * anatomy.EVERY >= 10 * len(proofs.reference_answers(path))
    assert found.n_killed >= MUTANTS_KILLED * (found.n_mutants - len(found.equivalent)), str(found)


@each_lab
def test_expected_pictures_are_what_the_solution_draws(path):
    pictures = runpy.run_path(str(ROOT / "bench" / "pictures.py"))["pictures"](path)
    assert pictures
    for name, figure in pictures.items():
        fresh = io.BytesIO()
        figure.savefig(fresh, dpi=80)
        fresh.seek(0)
        drawn = image_io.imread(fresh)[..., :3] / 255
        kept = image_io.imread(ROOT / "solutions" / "pictures" / path.stem / f"{name}.png")[..., :3] / 255
        # Fonts differ from machine to machine; pictures that say something else differ more.
        assert np.abs(resize(drawn, kept.shape, anti_aliasing=True) - kept).mean() < 0.03, name


@each_lab
def test_the_whole_notebook_runs(path, tmp_path, record_property, monkeypatch):
    # Two seeds go through every line; `bench/cost.py` measures the five of a student.
    monkeypatch.setenv("MEDCOURSE_SEEDS", "2")
    done = execute(lab_notebook(path), folder=tmp_path)
    record_property("seconds", done.seconds)
    record_property("peak_gb", done.peak_gb)
    print(f"{path.stem}: {done.seconds:.1f} s, {done.peak_gb:.2f} GB")
    assert anatomy.complaints(done.notebook) == []
    assert anatomy.figures_without_alt(done.notebook) == []
    assert done.peak_gb <= 2
    assert list(tmp_path.iterdir()) == []
