import pytest
from nbformat.v4 import new_code_cell, new_notebook

from medcourse.errors import CourseError
from medcourse.execute import execute


def test_a_notebook_is_run_in_its_folder_and_its_memory_measured(tmp_path):
    source = "from pathlib import Path\nblock = bytearray(200_000_000)\nblock[::4096] = b'x' * len(block[::4096])\nprint(Path.cwd().name)"
    notebook = new_notebook(cells=[new_code_cell(source)])
    done = execute(notebook, folder=tmp_path)
    assert done.notebook.cells[0].outputs[0].text == f"{tmp_path.name}\n"
    assert len(done.notebook.cells) == 1, "the cell that measures is taken out again"
    assert 0.2 < done.peak_gb < 1
    assert done.seconds > 0


def test_a_cell_that_fails_is_quoted(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("x = 1"), new_code_cell("y = x / 0\nprint(y)")])
    with pytest.raises(CourseError, match="the cell 'y = x / 0' ended in ZeroDivisionError"):
        execute(notebook, folder=tmp_path)
