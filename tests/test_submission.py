"""Grading one submission: a pure function that makes a grade or one line of everything."""

import json
import pickle

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcourse.errors import CourseError
from medcourse.grading import cells, release
from medcourse.grading.notebooks import node, parse_notebook, to_text
from medcourse.grading.plan import Exercise, Limits, Run
from medcourse.grading.sandbox.engine import Engine
from medcourse.grading.submission import (
    Graded,
    Settings,
    calibrate,
    grade_submission,
    key,
    load_lab,
    preload,
    without_pictures,
)
from tests.small_class import LAB, MAX, ROOT, WRONG, notebook_with, solution, submission

SETTINGS = Settings(seed=7, minimum_tier="plain")


def course(root):
    (root / "solutions").mkdir(parents=True)
    (root / "solutions" / f"{LAB}.py").write_text((ROOT / "tests" / "data" / "mini_lab.py").read_text())
    release.build(root)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def lab(root):
    return load_lab(root, LAB)


@pytest.fixture(scope="module")
def engine(lab):
    with Engine(minimum_tier="plain", preload=preload(lab)) as engine:
        yield engine


class NoEngine:
    """Counts what it is asked to run, and gives no points."""

    asked = 0

    def run(self, todo, *, limits, seed):
        self.asked += 1
        return Run([Exercise(cell.id, cell.points, 0.0, "wrong") for cell in todo if cell.points is not None])


def test_a_right_submission_earns_every_point_each_time(lab, root, engine):
    first = grade_submission(lab, submission(root), SETTINGS, engine)
    assert (first.run.score, first.run.max, first.findings, first.problem) == (MAX, MAX, [], "")
    again = grade_submission(*pickle.loads(pickle.dumps((lab, submission(root), SETTINGS))), engine)
    assert pickle.loads(pickle.dumps(again)).run.exercises == first.run.exercises


def test_a_wrong_submission_loses_what_it_should(lab, root, engine):
    graded = grade_submission(lab, submission(root, **WRONG), SETTINGS, engine)
    scores = {each.id: each.score for each in graded.run.exercises}
    assert scores == {"dice_overlap": 2.0, "dice_empty": 0.0, "window_range": 1.0, "steps_count": 0.0}


NO_NOTEBOOKS = {
    "nothing": (b"", "not JSON"),
    "a letter": ("Dear teacher, my laptop…".encode(), "not JSON"),
    "a PDF": (b"%PDF-1.7\n\xff\xfe\x00", "not JSON"),
    "half a notebook": (b'{"nbformat": 4, "cells": [', "not JSON"),
    "deep": (b"[" * 200_000, "not JSON"),
    "a list": (b"[]", "JSON that is none"),
    "an object": (b'{"cells": []}', "JSON that is none"),
    "cells that are none": (
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
        "expected a notebook",
    ),
    "from the future": (b'{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}', "cannot be read"),
}


@pytest.mark.parametrize("kind", NO_NOTEBOOKS)
def test_what_is_no_notebook_is_said_in_one_line(lab, kind):
    content, said = NO_NOTEBOOKS[kind]
    engine = NoEngine()
    graded = grade_submission(lab, content, SETTINGS, engine)
    assert graded.run is None
    assert said in graded.problem
    assert "\n" not in graded.problem
    assert not engine.asked


@pytest.mark.parametrize(
    "about",
    [{"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}, {"language_info": {"name": "R"}}],
)
def test_another_language_is_said(lab, root, about):
    notebook = notebook_with(root, {})
    notebook.metadata = about
    assert grade_submission(lab, to_text(notebook).encode(), SETTINGS, NoEngine()).problem == (
        "expected a notebook in Python, got one in R"
    )


@pytest.mark.parametrize("about", [None, [], {"kernelspec": "python"}, {"kernelspec": {"language": 3}}])
def test_spoilt_metadata_costs_nothing(lab, root, engine, about):
    raw = json.loads(submission(root))
    raw["metadata"] = about
    assert grade_submission(lab, json.dumps(raw).encode(), SETTINGS, engine).run.score == MAX


def test_an_old_notebook_is_graded(lab, root, engine):
    old = nbformat.convert(notebook_with(root, solution(root)), 3)
    raw = nbformat.writes(old, version=3)
    assert json.loads(raw)["nbformat"] == 3
    assert grade_submission(lab, raw.encode(), SETTINGS, engine).run.score == MAX


def test_a_byte_order_mark_costs_nothing(lab, root, engine):
    assert grade_submission(lab, b"\xef\xbb\xbf" + submission(root), SETTINGS, engine).run.score == MAX


def test_fifty_megabytes_of_output_cost_nothing(lab, root, engine):
    notebook = notebook_with(root, solution(root))
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [node(output_type="stream", name="stdout", text="loss 0.1\n" * 5_600_000)]
    raw = to_text(notebook).encode()
    assert len(raw) > 50e6
    assert len(without_pictures(raw)) < 1e5
    assert grade_submission(lab, raw, SETTINGS, engine).run.score == MAX
    assert grade_submission(lab, without_pictures(raw), SETTINGS, engine).run.score == MAX


def test_what_is_too_large_without_outputs_is_said(lab, root):
    graded = grade_submission(lab, submission(root, dice="# " + "x" * 21_000_000), SETTINGS, NoEngine())
    assert graded.problem == "expected at most 20 MB without outputs, got 21 MB"


def test_outputs_are_left_out_of_notebooks_only():
    assert without_pictures(b"no notebook") == b"no notebook"


def test_no_answer_cells_are_said_and_earn_no_zero(lab, root):
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('another lab')")])
    graded = grade_submission(lab, to_text(other).encode(), SETTINGS, NoEngine())
    assert graded.run is None
    assert "found none of its answer cells: is it the notebook of another lab?" in graded.problem


def test_answers_in_cells_of_their_own_are_graded(lab, root, engine):
    notebook = notebook_with(root, solution(root))
    for number, cell in enumerate(notebook.cells):  # as an editor does that keeps neither metadata nor ids
        cell.metadata, cell.id = {}, f"new-{number}"
    graded = grade_submission(lab, to_text(notebook).encode(), SETTINGS, engine)
    assert graded.run.score == MAX
    assert "The answer cell `dice` is missing: nothing stands in its place." in graded.findings


def test_a_damaged_notebook_is_graded_and_said(lab, root, engine):
    notebook = notebook_with(root, solution(root))
    notebook.cells = [cell for cell in notebook.cells if cells.grade_id(cell) != "dice_empty"]
    graded = grade_submission(lab, to_text(notebook).encode(), SETTINGS, engine)
    assert graded.run.score == MAX
    assert graded.findings == ["The test cell `dice_empty` is missing: it was put back."]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["dice", "dice_empty", "setup", "why", ""])
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JSON,
        "source": st.text(max_size=8) | st.lists(st.text(max_size=8), max_size=3) | JSON,
        "metadata": st.fixed_dictionaries({"nbgrader": st.fixed_dictionaries({"grade_id": NAMES | JSON}) | JSON})
        | JSON,
        "outputs": JSON,
        "attachments": JSON,
        "id": NAMES | JSON,
        "input": JSON,
    },
)
NOTEBOOK = st.fixed_dictionaries(
    {"nbformat": st.sampled_from([1, 2, 3, 4, 4, 4, 4, 5]) | JSON, "cells": st.lists(CELL | JSON, max_size=5) | JSON},
    optional={"nbformat_minor": st.integers(0, 9) | JSON, "metadata": JSON, "worksheets": JSON},
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NOTEBOOK | JSON)
def test_nothing_that_is_handed_in_ends_in_an_exception(lab, notebook):
    graded = grade_submission(lab, json.dumps(notebook).encode(), SETTINGS, NoEngine())
    assert isinstance(graded, Graded)
    assert (graded.run is None) == bool(graded.problem)
    assert "\n" not in graded.problem
    assert "the grader cannot read it" not in graded.problem


def test_what_is_not_the_students_fault_is_raised(lab, root):
    class Broken:
        def run(self, todo, *, limits, seed):
            raise CourseError("expected a sandbox")

    with pytest.raises(CourseError, match="expected a sandbox"):
        grade_submission(lab, submission(root), SETTINGS, Broken())


def test_the_key_names_all_that_the_result_depends_on(lab, root, tmp_path):
    mine = submission(root)
    assert key(lab, mine, SETTINGS) == key(load_lab(root, LAB), bytes(mine), Settings(seed=7, minimum_tier="plain"))
    (tmp_path / "solutions").mkdir()
    text = (root / "solutions" / f"{LAB}.py").read_text()
    (tmp_path / "solutions" / f"{LAB}.py").write_text(text.replace("steps - 7)", "steps - 7.0)"))
    release.build(tmp_path)
    others = [
        key(load_lab(tmp_path, LAB), mine, SETTINGS),
        key(lab, mine + b"\n", SETTINGS),
        key(lab, mine, Settings(seed=8, minimum_tier="plain")),
        key(lab, mine, Settings(seed=7)),
        key(lab, mine, Settings(Limits(cell_seconds=1), seed=7, minimum_tier="plain")),
    ]
    assert len({key(lab, mine, SETTINGS), *others}) == 1 + len(others)


def test_the_reference_solution_is_graded_first(lab, engine):
    assert calibrate(lab, SETTINGS, engine).score == MAX


def test_tests_that_fail_on_the_solution_are_the_instructors(tmp_path, engine):
    course(tmp_path)
    path = tmp_path / "solutions" / f"{LAB}.py"
    text = path.read_text().replace("steps - 7)", "steps - 8)")
    path.write_text(text.replace("award(earned)", "award(earned / 2)"))
    with pytest.raises(CourseError) as error:
        calibrate(load_lab(tmp_path, LAB), SETTINGS, engine)
    line = str(error.value)
    assert line.startswith(f"the tests of {LAB} fail on its own solution, so nobody was graded: `window_range`: ")
    assert "`steps_count`: a week should have seven, got 7" in line
    assert "\n" not in line


def test_a_lab_is_release_and_tests_that_belong_together(lab, root, tmp_path):
    assert "secret_masks" in lab.tests
    assert "secret_masks" not in lab.release
    assert cells.HIDDEN_TESTS.begin in parse_notebook(lab.tests).cells[4].source
    with pytest.raises(CourseError, match="unknown lab 'x'"):
        load_lab(root, "x")
    course(tmp_path)
    path = tmp_path / "solutions" / f"{LAB}.py"
    text = path.read_text()
    path.write_text(text.replace('"points": 2', '"points": 3'))
    with pytest.raises(CourseError, match="not what solutions/ would build: run `medcourse build`"):
        load_lab(tmp_path, LAB)
    path.unlink()
    with pytest.raises(CourseError, match="a class is graded where the solutions are"):
        load_lab(tmp_path, LAB)
    path.write_text(text)
    release.release_path(tmp_path, LAB).unlink()
    with pytest.raises(CourseError, match="run `medcourse build`"):
        load_lab(tmp_path, LAB)
