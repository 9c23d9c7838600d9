"""From the text of a lab to what students get."""

import json
import re
from pathlib import Path

import pytest

from medcourse.errors import CourseError
from medcourse.grading import release
from medcourse.grading.notebooks import lab_notebook, lesson_notebook, read_notebook, to_text

MINI = Path(__file__).parent / "data" / "mini_lab.py"


@pytest.fixture
def course(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "mini.py").write_text(MINI.read_text())
    return tmp_path


def released(course, slug="mini"):
    return read_notebook(release.release_path(course, slug))


def test_the_release_holds_stubs_and_visible_tests_and_no_more(course):
    assert release.build(course) == [Path("assignments/mini/mini.ipynb")]
    cells = {cell.id: cell for cell in released(course).cells}
    assert cells["dice"].source.endswith('shape."""\n    # YOUR CODE HERE\n    raise NotImplementedError()')
    assert "0.667" in cells["dice_overlap"].source
    assert "0.4" not in cells["dice_overlap"].source
    assert cells["why"].source.strip() == "When does Dice mislead?\n\nYOUR ANSWER HERE"
    assert cells["setup"].metadata.editable is False
    assert cells["dice"].metadata.deletable is False
    assert list((course / "assignments").rglob("*.*")) == [release.release_path(course, "mini")]


def test_points_are_stated_once_and_appear_in_the_heading_of_their_exercise(course):
    release.build(course)
    headings = [h for cell in released(course).cells for h in re.findall(r"^## .*", cell.source, re.MULTILINE)]
    assert headings == [
        "## Exercise 1: Dice (3 points)",
        "## Exercise 2: Window (2 points)",
        "## Exercise 3: Steps (1 point)",
        "## A question to write about (3 points)",
    ]


def test_cell_ids_come_from_grade_ids_else_from_text_so_an_insertion_changes_no_other(course):
    before = [cell.id for cell in lab_notebook(MINI).cells]
    assert {"setup", "dice", "dice_overlap", "why"} < set(before)
    longer = course / "longer.py"
    longer.write_text("# %% [markdown]\n# A new cell at the top\n\n" + MINI.read_text())
    assert [cell.id for cell in lab_notebook(longer).cells][1:] == before


def test_a_written_question_that_marks_no_solution_is_one_but_for_its_marking_scheme(course):
    lab = course / "solutions" / "mini.py"
    unmarked = re.sub(r"# When does.*?# ### BEGIN SOLUTION\n", "", lab.read_text(), flags=re.DOTALL)
    lab.write_text(unmarked.replace("# ### END SOLUTION\n", ""))
    why = next(cell for cell in lab_notebook(lab).cells if cell.id == "why")
    assert why.source.startswith("### BEGIN SOLUTION\nFor small structures")
    assert "### END SOLUTION\n\n=== BEGIN MARK SCHEME ===\n3 points" in why.source
    release.build(course)
    assert next(cell for cell in released(course).cells if cell.id == "why").source.strip() == "YOUR ANSWER HERE"


def test_two_cells_of_the_same_text_get_two_ids(tmp_path):
    path = tmp_path / "twice.py"
    path.write_text("# %%\nx = 1\n\n# %%\nx = 1\n")
    first, second = (cell.id for cell in lesson_notebook(path).cells)
    assert second == f"{first}-2"


def test_the_same_text_makes_the_same_bytes(course):
    release.build(course)
    first = release.release_path(course, "mini").read_bytes()
    assert release.build(course) == []
    assert release.release_path(course, "mini").read_bytes() == first
    assert to_text(lesson_notebook(MINI)) == to_text(lesson_notebook(MINI))


def test_a_lesson_has_no_outputs_and_a_kernel(tmp_path):
    path = tmp_path / "lesson.py"
    path.write_text("# %% [markdown]\n# # Title\n\n# %%\nprint(1)\n")
    notebook = lesson_notebook(path)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"]
    assert notebook.cells[1].outputs == []
    assert notebook.metadata.kernelspec.name == "python3"


def test_check_lists_what_is_missing_stale_and_superfluous_in_one_line(course):
    with pytest.raises(CourseError, match=r"missing: assignments/mini/mini\.ipynb: run `medcourse build`$"):
        release.check(course)
    release.build(course)
    release.check(course)
    release.release_path(course, "mini").write_text("{}")
    extra = course / "assignments" / "gone" / "gone.ipynb"
    extra.parent.mkdir()
    extra.write_text("{}")
    with pytest.raises(CourseError, match=r"stale: .*mini\.ipynb; superfluous: assignments/gone/gone\.ipynb") as error:
        release.check(course)
    assert "\n" not in str(error.value)
    assert release.build(course) == [Path("assignments/mini/mini.ipynb"), Path("assignments/gone/gone.ipynb")]
    assert not extra.parent.exists()
    release.check(course)


def test_build_of_one_lab_leaves_the_others_alone(course):
    (course / "solutions" / "other.py").write_text(MINI.read_text())
    assert release.build(course, ["other"]) == [Path("assignments/other/other.ipynb")]
    assert release.known_labs(course) == ["mini", "other"]


def test_unknown_labs_and_folders_without_solutions_are_named(course, tmp_path_factory):
    with pytest.raises(CourseError, match="unknown lab '99_nothing', expected one of: mini"):
        release.build(course, ["99_nothing"])
    with pytest.raises(CourseError, match=r"expected solutions/<lab>\.py in .*, found none"):
        release.check(tmp_path_factory.mktemp("student"))


SLIPS = {
    "doubled grade_id": ('"grade_id": "window"', '"grade_id": "dice"', "cell `dice`: expected each grade_id once"),
    "no grade_id": ('"grade_id": "dice_empty", ', "", "expected a grade_id of a-z, 0-9 and _, got None"),
    "odd grade_id": ('"grade_id": "dice"', '"grade_id": "Dice one"', "expected a grade_id of .* got 'Dice one'"),
    "test without points": ('"points": 1, ', "", "cell `dice_empty`: expected points on a graded cell, got None"),
    "test worth nothing": ('"points": 1, ', '"points": 0, ', "cell `dice_empty`: expected points .* got 0"),
    "answer without markers": (
        "### BEGIN SOLUTION\nnumber_of_steps = 7\n### END SOLUTION",
        "number_of_steps = 7",
        "cell `steps`: expected BEGIN SOLUTION and END SOLUTION, found none",
    ),
    "empty solution": ("number_of_steps = 7\n", "\n", "cell `steps`: expected something between"),
    "unclosed solution": (
        "    return scaled.clip(0, 1)\n    ### END SOLUTION",
        "",
        "BEGIN SOLUTION has no END SOLUTION",
    ),
    "stray end": ("import numpy as np", "### END SOLUTION", "END SOLUTION stands without BEGIN SOLUTION"),
    "nested": ("number_of_steps = 7\n", "### BEGIN SOLUTION\n", "BEGIN SOLUTION stands twice"),
    "solution in the setup": (
        "import numpy as np",
        "### BEGIN SOLUTION\nimport numpy as np\n### END SOLUTION",
        "cell `setup`: BEGIN SOLUTION does not belong",
    ),
    "nothing hidden": (
        "### BEGIN HIDDEN TESTS\nassert abs(number",
        "assert abs(number",
        "cell `steps_count`: END HIDDEN TESTS stands without BEGIN HIDDEN TESTS",
    ),
    "assert without message": (
        ', f"a week should have seven, got {number_of_steps}"',
        "",
        "cell `steps_count`, line 3: expected a message with the assert, got none",
    ),
    "bare value": (
        "award(earned)",
        "earned",
        "cell `window_range`, line 8: expected a test to end in a statement or in award.* the bare value `earned`",
    ),
    "test of nothing": ('"grade_id": "steps_count"', '"grade_id": "walk_count"', "expected a test named <answer>_"),
    "untested answer": (
        '"grade_id": "window_range"',
        '"grade_id": "dice_range"',
        "cell `window`: expected at least one",
    ),
    "syntax error": (
        "nothing = np.zeros(3, bool)",
        "nothing = (",
        "cell `dice_empty`, line 1: expected Python, got a syntax",
    ),
    "experiment untagged": (
        '# %% tags=["experiment"]',
        "# %%",
        "expected nbgrader metadata or a tag experiment or picture",
    ),
    "scheme not at the end": (
        "# === END MARK SCHEME ===",
        "# === END MARK SCHEME ===\n# More.",
        "cell `why`: expected the marking scheme at the end of the cell, got 'More.'",
    ),
    "no setup": (
        '"grade_id": "setup"',
        '"grade_id": "start"',
        "expected the first graded or locked cell to be `setup`",
    ),
    "unlocked test": (
        '"grade_id": "steps_count", "locked": true',
        '"grade_id": "steps_count", "locked": false',
        "locked",
    ),
    "header cut off": ('"task": false}\nimport sys', "\nimport sys", "expected a cell header as nbgrader"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_an_authors_slip_is_one_clear_line(course, slip):
    old, new, message = SLIPS[slip]
    text = MINI.read_text().replace("# ruff: noqa: E501\n", "")
    assert old in text
    (course / "solutions" / "mini.py").write_text(text.replace(old, new, 1))
    with pytest.raises(CourseError, match=message) as error:
        release.build(course)
    assert "mini.py" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (course / "assignments").exists()


NO_NOTEBOOKS = {
    "not json": (b"import numpy", "not JSON"),
    "binary": (b"\x89PNG\xff\x00", "not JSON"),
    "empty": (b"", "not JSON"),
    "other json": (b"[1, 2]", "JSON that is none"),
    "no format": (b'{"cells": []}', "JSON that is none"),
    "bad cells": (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"source": ""}]}', "cannot be read"),
    "cells of numbers": (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}', "cannot be read"),
    "future": (b'{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}', "cannot be read"),
    "deep": (b"[" * 100_000, "not JSON"),
    "R": (
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "ir", "language": "R", '
        b'"display_name": "R"}}, "cells": []}',
        "notebook in Python, got one in R",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_NOTEBOOKS)
def test_what_is_no_notebook_is_refused_in_one_line(tmp_path, kind):
    content, message = NO_NOTEBOOKS[kind]
    path = tmp_path / "handed in.ipynb"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=message) as error:
        read_notebook(path)
    assert "\n" not in str(error.value)


def test_missing_notebooks_and_folders_are_refused(tmp_path):
    with pytest.raises(CourseError, match="found no file"):
        read_notebook(tmp_path / "none.ipynb")
    with pytest.raises(CourseError, match="got the folder"):
        read_notebook(tmp_path)
    with pytest.raises(CourseError, match="expected a py:percent file, found none"):
        lesson_notebook(tmp_path / "none.py")


def test_an_old_notebook_without_cell_ids_is_read(tmp_path):
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [
            {"cells": [{"cell_type": "code", "input": "x = 1", "outputs": [], "language": "python", "metadata": {}}]}
        ],
    }
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    assert read_notebook(path).cells[0].source == "x = 1"
