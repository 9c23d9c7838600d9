"""Grading one notebook: a person's own, on their own machine."""

import copy
import re
import time
from pathlib import Path

import pytest

from medcourse.errors import CourseError
from medcourse.grading import cells, release
from medcourse.grading.check import check
from medcourse.grading.notebooks import node, read_notebook, to_text
from medcourse.grading.plan import Limits

MINI = Path(__file__).parent / "data" / "mini_lab.py"
SOLUTION = {
    "dice": "def dice(a, b):\n    total = a.sum() + b.sum()\n    return 2 * (a & b).sum() / total if total else 1.0",
    "window": "def window(image, low, high):\n    return ((np.asarray(image) - low) / (high - low)).clip(0, 1)",
    "steps": "number_of_steps = 7",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "solutions").mkdir()
    (root / "solutions" / "mini.py").write_text(MINI.read_text())
    release.build(root)
    return root


@pytest.fixture
def grade(course, tmp_path):
    """Grade the lab with these answers, the solution's for the others, and cells appended behind the setup."""

    def grade(answers, *, first=(), root=course, **options):
        notebook = copy.deepcopy(read_notebook(release.release_path(course, "mini")))
        for cell in notebook.cells:
            cell.source = (SOLUTION | answers).get(cells.grade_id(cell), cell.source)
        at = next(i for i, cell in enumerate(notebook.cells) if cells.grade_id(cell) == "setup") + 1
        extra = [
            node(cell_type="code", id=f"own-{i}", metadata={}, source=s, outputs=[], execution_count=None)
            for i, s in enumerate(first)
        ]
        notebook.cells[at:at] = extra
        path = tmp_path / "mine.ipynb"
        path.write_text(to_text(notebook))
        return check("mini", path, root=root, **options)

    return grade


def verdicts(result):
    return {exercise.id: (exercise.score, exercise.message) for exercise in result.exercises}


def test_a_right_notebook_gets_all_points_in_the_promised_shape(grade):
    result = grade({})
    assert result.as_json() == {
        "lab": "mini",
        "score": 6.0,
        "max": 6.0,
        "exercises": [
            {"id": "dice_overlap", "points": 2.0, "score": 2.0, "message": ""},
            {"id": "dice_empty", "points": 1.0, "score": 1.0, "message": ""},
            {"id": "window_range", "points": 2.0, "score": 2.0, "message": ""},
            {"id": "steps_count", "points": 1.0, "score": 1.0, "message": ""},
        ],
    }
    assert result.hidden
    assert result.notes == []


def test_the_release_gets_nothing_and_is_told_so(course):
    result = check("mini", release.release_path(course, "mini"), root=course)
    assert set(verdicts(result).values()) == {(0.0, "not answered yet")}
    assert {exercise.error for exercise in result.exercises} == {"NotImplementedError"}
    assert result.notes == []


def test_each_property_is_graded_by_itself_and_partial_credit_counts(grade):
    result = grade(
        {
            "dice": "def dice(a, b):\n    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)",
            "window": "def window(image, low, high):\n    return (np.asarray(image) - low) / (high - low)",
        }
    )
    assert verdicts(result) == {
        "dice_overlap": (2.0, ""),
        "dice_empty": (0.0, "dice of two empty masks should be 1, got 0.0: is the zero denominator guarded?"),
        "window_range": (1.0, "1 of 2 points"),
        "steps_count": (1.0, ""),
    }


def test_without_solutions_only_what_the_student_can_read_is_run(course, grade, tmp_path):
    students = tmp_path / "student"
    students.mkdir()
    (students / "assignments").symlink_to(course / "assignments")
    result = grade({"dice": "def dice(a, b):\n    return 2 / 3"}, root=students)
    assert not result.hidden
    assert verdicts(result)["dice_overlap"] == (2.0, "")
    assert verdicts(grade({"dice": "def dice(a, b):\n    return 2 / 3"}))["dice_overlap"][0] == 0


LOOP = "your code took too long: is there a loop that does not end"
MISFORTUNES = {
    "exit": ("def dice(a, b):\n    raise SystemExit(0)", "SystemExit: 0 .line 2 of cell `dice`"),
    "error": ("def dice(a, b):\n    x = 1\n    return a.nothing", "AttributeError: .*'nothing' .line 3 of cell `dice`"),
    "syntax": ("def dice(a, b)\n    return 1", "SyntaxError: expected ':' .line 1"),
    "not defined": ("", "`dice` is not defined: is it spelt as in the task?"),
    "interrupt": ("def dice(a, b):\n    raise KeyboardInterrupt", "KeyboardInterrupt .line 2"),
    "hard exit": ("import os\ndef dice(a, b):\n    os._exit(0)", "your code ended Python .exit code 0"),
    "crash": ("import ctypes\ndef dice(a, b):\n    ctypes.string_at(0)", "your code crashed Python .SIGSEGV"),
    "loop": ("def dice(a, b):\n    while True: pass", LOOP),
    "loop that catches": (
        "def dice(a, b):\n    while True:\n        try:\n            a = a\n        except BaseException: pass",
        LOOP,
    ),
    "input": ("def dice(a, b):\n    return input()", "input was called|EOFError"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFORTUNES)
def test_one_bad_answer_costs_its_own_points(grade, kind):
    source, message = MISFORTUNES[kind]
    result = grade({"dice": source}, limits=Limits(cell_seconds=1))
    found = verdicts(result)
    assert found["dice_overlap"][0] == 0
    assert re.search(message, found["dice_overlap"][1])
    assert found["window_range"] == (2.0, "")
    assert found["steps_count"] == (1.0, "")


def test_prints_warnings_plots_threads_and_magics_cost_nothing(grade):
    noisy = (
        "import sys, warnings, threading, tempfile\n"
        "def dice(a, b):\n"
        "    print('hello'); print('oh', file=sys.stderr); warnings.warn('careful')\n"
        "    import matplotlib.pyplot as plt\n"
        "    plt.plot([1, 2]); plt.show()\n"
        "    thread = threading.Thread(target=print); thread.start(); thread.join()\n"
        "    tempfile.TemporaryFile().write(b'x')\n"
        "    total = a.sum() + b.sum()\n"
        "    return 2 * (a & b).sum() / total if total else 1.0"
    )
    result = grade({"dice": noisy}, first=["%matplotlib inline\n%load_ext autoreload", "!echo hello"])
    assert (result.score, result.max) == (6.0, 6.0)
    assert result.notes == []


def test_a_students_code_can_be_inspected_and_pickled(grade):
    first = [
        "import inspect, pickle\nfrom dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\ndef f(): ...",
        "assert inspect.getsource(f) == 'def f(): ...\\n'\nassert pickle.loads(pickle.dumps(Point(1))) == Point(1)",
    ]
    assert grade({}, first=first).notes == []


def test_only_the_notebook_counts_and_no_module_beside_it(grade, tmp_path):
    (tmp_path / "helper.py").write_text("STEPS = 7")
    result = grade({"steps": "import helper\nnumber_of_steps = helper.STEPS"})
    assert verdicts(result)["steps_count"] == (
        0.0,
        "ModuleNotFoundError: No module named 'helper' (line 1 of cell `steps`)",
    )


def test_what_was_mended_and_what_failed_is_said(grade):
    result = grade({"setup": "np = None"}, first=["1 / 0"])
    assert result.notes == [
        "The locked cell `setup` was changed: the lab's own was used.",
        "The cell `added-1` failed: ZeroDivisionError: division by zero (line 1 of cell `added-1`).",
    ]
    assert result.score == 6


def test_the_text_of_hidden_tests_is_in_no_message(grade):
    for source in ("def dice(a, b): return None", "def dice(a, b): return a.nope", "def dice(a, b): return 0.1"):
        assert all("secret_masks" not in message for _, message in verdicts(grade({"dice": source})).values())


def test_bad_input_is_one_clear_line(course, tmp_path):
    with pytest.raises(CourseError, match="unknown lab '11_none', expected one of: mini"):
        check("11_none", tmp_path / "x.ipynb", root=course)
    with pytest.raises(CourseError, match="expected a notebook, found no file"):
        check("mini", tmp_path / "x.ipynb", root=course)
    with pytest.raises(CourseError, match=r"unknown lab '../x'"):
        check("../x", tmp_path / "x.ipynb", root=course)


def test_a_course_that_is_not_built_or_does_not_run_is_not_the_students_fault(tmp_path):
    (tmp_path / "solutions").mkdir()
    lab = tmp_path / "solutions" / "mini.py"
    lab.write_text(MINI.read_text().replace("import numpy as np", "import no_such_module as np"))
    with pytest.raises(CourseError, match="run `medcourse build`"):
        check("mini", tmp_path / "mine.ipynb", root=tmp_path)
    release.build(tmp_path)
    with pytest.raises(CourseError, match=r"the cell `setup` fails: ModuleNotFoundError: .*`medcourse doctor`"):
        check("mini", release.release_path(tmp_path, "mini"), root=tmp_path)
    lab.write_text(lab.read_text().replace('"points": 1', '"points": 4', 1))
    with pytest.raises(CourseError, match="assignments/ is not what solutions/ would build"):
        check("mini", release.release_path(tmp_path, "mini"), root=tmp_path)


def test_what_hangs_for_good_is_killed_with_all_that_it_started(grade):
    hangs = "def dice(a, b):\n    import subprocess\n    subprocess.Popen(['sleep', '61.7'])\n    while True: pass"
    started = time.monotonic()
    result = grade({"dice": hangs}, limits=Limits(cell_seconds=1))
    assert time.monotonic() - started < 20
    assert verdicts(result)["dice_overlap"] == (0.0, f"{LOOP}?")
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(b"61.7" in command for command in running)
