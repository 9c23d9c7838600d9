"""What becomes of a submission, whatever was done to it."""

import copy
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcourse.grading import cells, release
from medcourse.grading.notebooks import node, read_notebook
from medcourse.grading.splice import splice

MINI = Path(__file__).parent / "data" / "mini_lab.py"
ANSWERS = ["dice", "window", "steps"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "solutions").mkdir()
    (root / "solutions" / "mini.py").write_text(MINI.read_text())
    release.build(root)
    return read_notebook(release.release_path(root, "mini"))


def position(notebook, name):
    return next(i for i, cell in enumerate(notebook.cells) if cells.grade_id(cell) == name)


def cell_of(notebook, name):
    return notebook.cells[position(notebook, name)]


def code(source, **fields):
    return node(**{"cell_type": "code", "id": "x", "metadata": {}, "source": source, "outputs": [], **fields})


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_an_untouched_submission_is_the_release(lab):
    clean, findings = splice(lab, copy.deepcopy(lab))
    assert clean == lab
    assert findings == []


def test_answers_come_over_and_nothing_else_does(lab):
    handed_in = copy.deepcopy(lab)
    cell_of(handed_in, "dice").update(
        source="dice = 1", metadata={"nbgrader": {"grade_id": "dice", "points": 99}, "tags": ["skip-execution"]}
    )
    cell_of(handed_in, "dice").outputs = [node(output_type="stream", name="stdout", text="all passed")]
    cell_of(handed_in, "dice_overlap").metadata.nbgrader.points = 99
    cell_of(handed_in, "dice_overlap").metadata.tags = ["skip-execution", "experiment"]
    handed_in.metadata.kernelspec.name = "bash"
    clean, findings = splice(lab, handed_in)
    assert cell_of(clean, "dice").source == "dice = 1"
    expected = copy.deepcopy(lab)
    cell_of(expected, "dice").source = "dice = 1"
    assert clean == expected
    assert findings == []


def test_a_deleted_test_is_put_back_and_an_edited_locked_cell_is_restored(lab):
    handed_in = copy.deepcopy(lab)
    cell_of(handed_in, "setup").source = "np = None"
    cell_of(handed_in, "window_range").source = "assert True"
    del handed_in.cells[position(handed_in, "dice_empty")]
    clean, findings = splice(lab, handed_in)
    assert clean == lab
    assert findings == [
        "The locked cell `setup` was changed: the lab's own was used.",
        "The test cell `dice_empty` is missing: it was put back.",
        "The test cell `window_range` was changed: the lab's own was used.",
    ]


def test_a_missing_answer_leaves_no_stub_behind_what_the_student_wrote_instead(lab):
    handed_in = copy.deepcopy(lab)
    handed_in.cells[position(handed_in, "steps")] = code("number_of_steps = 7")
    clean, findings = splice(lab, handed_in)
    assert findings == ["The answer cell `steps` is missing: nothing stands in its place."]
    assert "raise NotImplementedError()" not in sources(clean)[position(clean, "steps") - 1 :]
    assert sources(clean).index("number_of_steps = 7") < position(clean, "steps_count")


def test_copies_of_an_answer_run_in_their_order(lab):
    handed_in = copy.deepcopy(lab)
    at = position(handed_in, "steps")
    first, second = (copy.deepcopy(handed_in.cells[at]) for _ in range(2))
    first.source, second.source = "number_of_steps = 6", "number_of_steps = 7"
    handed_in.cells[at : at + 1] = [first, second]
    clean, findings = splice(lab, handed_in)
    at = position(clean, "steps")
    assert sources(clean)[at : at + 2] == ["number_of_steps = 6", "number_of_steps = 7"]
    assert cells.grade_id(clean.cells[at + 1]) is None
    assert findings == [
        "The answer cell `steps` is there 2 times: what was written in them counts, from top to bottom."
    ]


@pytest.mark.parametrize("stub_first", [True, False])
def test_an_untouched_copy_does_not_undo_the_answer(lab, stub_first):
    handed_in = copy.deepcopy(lab)
    at = position(handed_in, "steps")
    stub, answer = handed_in.cells[at], copy.deepcopy(handed_in.cells[at])
    answer.source = "number_of_steps = 7"
    handed_in.cells[at : at + 1] = [stub, answer] if stub_first else [answer, stub]
    clean, _ = splice(lab, handed_in)
    assert cell_of(clean, "steps").source == "number_of_steps = 7"
    assert len(clean.cells) == len(lab.cells)


def test_a_copy_below_the_test_counts_as_little_as_in_the_students_own_run(lab):
    handed_in = copy.deepcopy(lab)
    late = copy.deepcopy(cell_of(handed_in, "steps"))
    cell_of(handed_in, "steps").source = "number_of_steps = 7"
    late.source = "number_of_steps = 0"
    handed_in.cells.append(late)
    clean, _ = splice(lab, handed_in)
    assert cell_of(clean, "steps").source == "number_of_steps = 7"
    assert clean.cells[-1].source == "number_of_steps = 0"
    assert not cells.is_run(clean.cells[-1])


def test_cells_of_the_students_own_stay_where_they_are(lab):
    handed_in = copy.deepcopy(lab)
    handed_in.cells.insert(0, code("before = 'setup'"))
    handed_in.cells.insert(position(handed_in, "dice"), code("def helper(): ..."))
    handed_in.cells.insert(position(handed_in, "dice") + 1, code("dice = helper"))
    handed_in.cells.insert(position(handed_in, "window"), code("scratch", metadata={"tags": ["experiment"]}))
    clean, findings = splice(lab, handed_in)
    assert findings == []
    assert sources(clean)[0] == "before = 'setup'"
    at = position(clean, "dice")
    assert sources(clean)[at - 1] == "def helper(): ..."
    assert sources(clean)[at + 1] == "dice = helper"
    assert cells.is_run(clean.cells[at + 1])
    assert not cells.is_run(clean.cells[position(clean, "window") - 1])


def test_cells_are_known_without_metadata_and_without_ids(lab):
    handed_in = copy.deepcopy(lab)
    for cell in handed_in.cells:
        cell.metadata = node()
    cell_of_id = {cell.id: cell for cell in handed_in.cells}
    cell_of_id["steps"].source = "number_of_steps = 7"
    clean, findings = splice(lab, handed_in)
    assert cell_of(clean, "steps").source == "number_of_steps = 7"
    assert findings == []
    for number, cell in enumerate(handed_in.cells):
        cell.id = f"new{number}"
    clean, findings = splice(lab, handed_in)
    assert findings == [
        f"The answer cell `{name}` is missing: nothing stands in its place." for name in [*ANSWERS, "why"]
    ]
    assert sources(clean).index("number_of_steps = 7") < position(clean, "steps_count")


def test_an_answer_turned_into_text_is_turned_back(lab):
    handed_in = copy.deepcopy(lab)
    handed_in.cells[position(handed_in, "steps")] = node(
        cell_type="markdown", id="y", metadata={"nbgrader": {"grade_id": "steps"}}, source="number_of_steps = 7"
    )
    clean, findings = splice(lab, handed_in)
    assert (cell_of(clean, "steps").cell_type, cell_of(clean, "steps").source) == ("code", "number_of_steps = 7")
    assert findings == ["The answer cell `steps` was turned from code into markdown: it was turned back."]


def test_moved_cells_are_put_back_in_order(lab):
    handed_in = copy.deepcopy(lab)
    handed_in.cells.append(handed_in.cells.pop(position(handed_in, "dice")))
    clean, findings = splice(lab, handed_in)
    assert clean == lab
    assert findings == ["Cells stand in another order than in the lab: they were put back in order."]


def test_written_answers_are_joined_and_keep_their_pictures_but_no_scripts(lab):
    handed_in = copy.deepcopy(lab)
    first = cell_of(handed_in, "why")
    second = copy.deepcopy(first)
    first.source, second.source = "Small structures.", "![](attachment:a.png)"
    second.attachments = {"a.png": {"image/png": "AAAA"}, "b.svg": {"image/svg+xml": "<svg onload='x'/>"}}
    handed_in.cells.append(second)
    clean, _ = splice(lab, handed_in)
    assert cell_of(clean, "why").source == "Small structures.\n\n![](attachment:a.png)"
    assert cell_of(clean, "why").attachments == {"a.png": {"image/png": "AAAA"}}


def test_half_characters_do_not_keep_a_notebook_from_being_written(lab):
    handed_in = copy.deepcopy(lab)
    cell_of(handed_in, "steps").source = "name = '\ud800'"
    clean, _ = splice(lab, handed_in)
    nbformat.writes(clean).encode("utf-8")


def test_cells_that_no_editor_would_write_are_cells_of_the_students(lab):
    handed_in = {"cells": [{"cell_type": "code", "source": ["x = ", "1"], "id": [1], "metadata": None}, *lab.cells]}
    clean, _ = splice(lab, handed_in)
    assert sources(clean) == ["x = 1", *sources(lab)]


# --- Whatever students and their editors do ---

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from([*ANSWERS, "setup", "dice_overlap", "steps_count", "why", "unknown"])
metadata = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"nbgrader": anything}),
    st.fixed_dictionaries({"nbgrader": st.fixed_dictionaries({"grade_id": names | anything, "solution": anything})}),
    st.fixed_dictionaries({"tags": anything}),
)
loose_cells = st.builds(
    lambda kind, source, meta: node(cell_type=kind, id="z", source=source, metadata=meta),
    st.sampled_from(["code", "markdown", "raw"]),
    st.text(max_size=20),
    metadata,
)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("delete"), st.integers(0, 30)),
        st.tuples(st.just("copy"), st.integers(0, 30), st.integers(0, 30)),
        st.tuples(st.just("move"), st.integers(0, 30), st.integers(0, 30)),
        st.tuples(st.just("write"), st.integers(0, 30), st.text(max_size=20)),
        st.tuples(st.just("label"), st.integers(0, 30), metadata),
        st.tuples(st.just("insert"), st.integers(0, 30), loose_cells),
    ),
    max_size=12,
)


def edited(lab, steps):
    notebook = copy.deepcopy(lab)
    for verb, where, *rest in steps:
        at = where % (len(notebook.cells) or 1)
        if verb == "insert":
            notebook.cells.insert(at, copy.deepcopy(rest[0]))
        elif not notebook.cells:
            continue
        elif verb == "delete":
            del notebook.cells[at]
        elif verb == "copy":
            notebook.cells.insert(rest[0] % (len(notebook.cells) + 1), copy.deepcopy(notebook.cells[at]))
        elif verb == "move":
            notebook.cells.insert(rest[0] % len(notebook.cells), notebook.cells.pop(at))
        elif verb == "write":
            notebook.cells[at].source = rest[0]
        else:
            notebook.cells[at].metadata = node(**rest[0])
    return notebook


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=edits)
def test_whatever_was_done_the_tests_are_whole_and_in_order(lab, steps):
    handed_in = edited(lab, steps)
    before = copy.deepcopy(handed_in)
    clean, findings = splice(lab, handed_in)
    assert handed_in == before, "the submission is left alone"
    graded = [cell for cell in clean.cells if cells.metadata(cell)]
    assert [cells.grade_id(c) for c in graded] == [cells.grade_id(c) for c in lab.cells if cells.metadata(c)]
    for mine, theirs in zip(graded, (c for c in lab.cells if cells.metadata(c)), strict=True):
        assert mine.metadata == theirs.metadata
        assert mine.cell_type == theirs.cell_type
        if theirs.metadata.nbgrader.locked:
            assert mine == theirs
    nbformat.validate(clean)
    assert len({cell.id for cell in clean.cells}) == len(clean.cells)
    again, _ = splice(lab, clean)
    assert [c.source for c in again.cells if c.cell_type == "code"] == [
        c.source for c in clean.cells if c.cell_type == "code"
    ], "a clean notebook is clean"
    assert all(isinstance(f, str) and "\n" not in f for f in findings)


@settings(max_examples=100, deadline=None)
@given(answer=st.text(min_size=1).filter(str.strip), steps=edits)
def test_what_a_student_wrote_is_never_lost(lab, answer, steps):
    handed_in = edited(lab, steps)
    handed_in.cells.append(code(answer, metadata={"nbgrader": {"grade_id": "steps"}}))
    clean, _ = splice(lab, handed_in)
    kept = answer.encode("utf-8", "replace").decode()
    stub = cell_of(lab, "steps").source.strip()
    assert kept.strip() == stub or any(kept == cell.source for cell in clean.cells)
