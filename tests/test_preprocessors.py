"""What nbgrader's autograde makes of single submissions, with the settings of nbgrader_config.py, in this process."""

import copy
import os
import shutil
import warnings
from pathlib import Path

import pytest
from traitlets.config import PyFileConfigLoader

from medcourse.grading import cells, release
from medcourse.grading.notebooks import node, read_notebook, to_text

ROOT = Path(__file__).resolve().parents[1]
MINI = Path(__file__).parent / "data" / "mini_lab.py"
SOLUTION = {
    "dice": "def dice(a, b):\n    total = a.sum() + b.sum()\n    return 2 * (a & b).sum() / total if total else 1.0",
    "window": "def window(image, low, high):\n    return ((np.asarray(image) - low) / (high - low)).clip(0, 1)",
    "steps": "number_of_steps = 7",
}
TESTS = {"dice_overlap": 2.0, "dice_empty": 1.0, "window_range": 2.0, "steps_count": 1.0}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "solutions").mkdir()
    shutil.copy(MINI, root / "solutions" / "mini.py")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release.build(root)
    convert("GenerateAssignment", root)
    return root


def convert(converter, root, student="."):
    """Run one of nbgrader's converters as its command does."""
    from nbgrader import converters  # noqa: PLC0415
    from nbgrader.coursedir import CourseDirectory  # noqa: PLC0415

    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    course = CourseDirectory(config=config, assignment_id="mini", student_id=student)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy's, about nbgrader's models
        getattr(converters, converter)(coursedir=course, config=config, force=True).start()


def graded(course, student, answers, *, extra=(), edit=None):
    """Grade a submission and return its notebook and its scores."""
    notebook = copy.deepcopy(read_notebook(release.release_path(course, "mini")))
    for cell in notebook.cells:
        cell.source = (SOLUTION | answers).get(cells.grade_id(cell), cell.source)
    for number, source in enumerate(extra):
        cell = node(cell_type="code", id=f"own-{number}", metadata={}, source=source, outputs=[], execution_count=None)
        notebook.cells.insert(2, cell)
    if edit:
        edit(notebook)
    path = course / "submitted" / student / "mini" / "mini.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(to_text(notebook), encoding="utf-8")
    convert("Autograde", course, student)
    return read_notebook(course / "autograded" / student / "mini" / "mini.ipynb"), scores(course, student)


def scores(course, student):
    from nbgrader.api import Gradebook  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            grades = gradebook.find_submission("mini", student).notebooks[0].grades
            return {grade.name: grade.auto_score for grade in grades}


def output_of(notebook, name):
    (output,) = next(cell.outputs for cell in notebook.cells if cells.grade_id(cell) == name)
    return output


def test_right_answers_that_print_and_warn_get_everything(course):
    noisy = "import warnings\nwarnings.warn('setup')\nprint('hello')\n"
    inner = "def dice(a, b):\n    warnings.warn('inside'); print('dice', file=sys.stderr)\n"
    answers = {"dice": noisy + SOLUTION["dice"].replace("def dice(a, b):\n", inner), "why": "Small structures."}
    notebook, found = graded(course, "noisy", answers)
    assert found == TESTS | {"why": None}
    assert output_of(notebook, "dice_overlap").data == {"text/plain": "2.0"}
    assert notebook.cells[0].id != "mended"


def test_wrong_answers_lose_what_they_should_and_partial_credit_counts(course):
    answers = {
        "dice": "def dice(a, b):\n    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)",
        "window": "def window(image, low, high):\n    return (np.asarray(image) - low) / (high - low)",
    }
    notebook, found = graded(course, "partly", answers)
    assert found == {"dice_overlap": 2.0, "dice_empty": 0.0, "window_range": 1.0, "steps_count": 1.0, "why": 0.0}
    output = output_of(notebook, "dice_empty")
    assert output.traceback == ["dice of two empty masks should be 1, got 0.0: is the zero denominator guarded?"]


def test_the_stub_gets_nothing(course):
    notebook, found = graded(course, "empty", dict.fromkeys(SOLUTION, "raise NotImplementedError()"))
    assert set(found.values()) == {0.0}
    assert {output_of(notebook, name).evalue for name in TESTS} == {"not answered yet"}


def test_an_answer_that_ends_its_process_costs_its_own_points(course):
    notebook, found = graded(course, "dying", {"window": "def window(*_):\n    import os\n    os._exit(0)"})
    assert found == {"dice_overlap": 2.0, "dice_empty": 1.0, "window_range": 0.0, "steps_count": 1.0, "why": 0.0}
    assert output_of(notebook, "window_range").evalue == "your code ended Python (exit code 0)"


def test_a_cell_that_hangs_costs_its_own_points(course, monkeypatch):
    monkeypatch.setenv("MEDCOURSE_CELL_SECONDS", "3")
    _, found = graded(course, "slow", {"window": "def window(*_):\n    while True: pass"})
    assert found == {"dice_overlap": 2.0, "dice_empty": 1.0, "window_range": 0.0, "steps_count": 1.0, "why": 0.0}


def test_forged_metadata_skips_no_test_and_forged_outputs_earn_nothing(course):
    def forge(notebook):
        for cell in notebook.cells:
            cell.metadata["tags"] = ["experiment", "picture", "skip-execution", ""]
            if cells.is_test(cell):
                cell.metadata.nbgrader["points"] = 100
                cell.outputs = [
                    node(output_type="execute_result", data={"text/plain": "100"}, metadata={}, execution_count=1)
                ]

    display = "def window(*_):\n    get_ipython().displayhook(2.0)\n    return [9, 9]"
    _, found = graded(course, "forger", {"dice": "dice = None", "window": display}, edit=forge)
    assert found == {"dice_overlap": 0.0, "dice_empty": 0.0, "window_range": 0.0, "steps_count": 1.0, "why": 0.0}


def test_settings_come_from_the_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("MEDCOURSE_"):
            monkeypatch.delenv(name)
    load = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config
    plain = load()
    assert plain.CourseDirectory.root == str(ROOT)
    assert plain.Judge.cell_seconds == 60
    assert plain.Judge.minimum_tier == "landlock"
    assert "Exchange" not in plain
    monkeypatch.setenv("MEDCOURSE_EXCHANGE", "/srv/exchange")
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", "postgresql+psycopg://host/grades")
    monkeypatch.setenv("MEDCOURSE_CELL_SECONDS", "5")
    changed = load()
    assert changed.Exchange.root == "/srv/exchange"
    assert changed.CourseDirectory.db_url == "postgresql+psycopg://host/grades"
    assert changed.Judge.cell_seconds == 5
