"""A lesson is run once, and again when what it is made of changed: its code or a module that it depends on."""

import multiprocessing
import shutil

import pytest

from medcourse import sources
from medcourse.errors import CourseError
from medcourse.executed import executed, latest

LESSON = """# %% [markdown]
# # A lesson

# %%
from medcourse import units

with open({marks!r}, "a") as file:
    file.write("ran\\n")
print(len(units.UNITS))
{more}
"""


@pytest.fixture
def lesson(tmp_path):
    """A course of one lesson that leaves a mark outside of its folder each time it runs, and a package to depend on."""
    marks, path = tmp_path / "marks", tmp_path / "course" / "01_small.py"
    path.parent.mkdir()

    def write(more=""):
        path.write_text(LESSON.format(marks=str(marks), more=more))
        return path

    write.runs = lambda: marks.read_text().count("ran") if marks.exists() else 0
    write.cache = tmp_path / "cache"
    write.package = tmp_path / "medcourse"
    ignore = shutil.ignore_patterns("__pycache__", "weights", "bundled", "grading")
    shutil.copytree(sources.PACKAGE, write.package, ignore=ignore)
    (write.package / "grading").mkdir()
    (write.package / "grading" / "__init__.py").write_text("")
    write.run = lambda: executed(path, cache=write.cache, package=write.package)
    return write


def test_what_did_not_change_is_read_and_not_run(lesson):
    lesson()
    first, second = lesson.run(), lesson.run()
    assert lesson.runs() == 1
    assert (first.is_cached, second.is_cached) == (False, True)
    assert second.execution.notebook == first.execution.notebook
    assert second.execution.notebook.cells[1].outputs[0].text == "20\n"
    assert second.execution.seconds == first.execution.seconds > 0
    assert second.execution.peak_gb == first.execution.peak_gb > 0
    # Text between the cells is not run, and still the page has it as it is now.
    path = lesson()
    path.write_text(path.read_text().replace("# # A lesson", "# # A better title"))
    assert lesson.run().execution.notebook.cells[0].source == "# A better title"
    # What a lesson does not depend on.
    (lesson.package / "grading" / "__init__.py").write_text("# changed\n")
    (lesson.package / "froc.py").write_text("# changed\n")
    assert lesson.run().is_cached
    assert lesson.runs() == 1
    # A draft takes what there is, although it is stale by now.
    assert latest(lesson("# a comment"), cache=lesson.cache).cells[1].outputs[0].text == "20\n"
    assert lesson.runs() == 1


def test_a_comment_in_a_cell_or_in_a_module_that_it_uses_makes_it_run(lesson):
    lesson()
    lesson.run()
    lesson("# a comment")
    assert not lesson.run().is_cached
    module = lesson.package / "units.py"
    module.write_text(module.read_text() + "# a comment\n")
    assert not lesson.run().is_cached
    (lesson.package / "glossary.csv").write_text("changed\n")
    assert not lesson.run().is_cached
    assert lesson.runs() == 4
    assert len(list(lesson.cache.glob("*.json"))) == 1, "of a lesson only the latest run is kept"


def test_a_lesson_that_fails_is_not_kept_and_what_it_leaves_behind_is_said(lesson):
    lesson("1 / 0")
    for _ in range(2):
        with pytest.raises(CourseError, match="ZeroDivisionError"):
            lesson.run()
    assert lesson.runs() == 2
    lesson("_ = open('left.txt', 'w').close()")
    assert [lesson.run().files, lesson.run().files] == [("left.txt",)] * 2


def test_two_that_want_the_same_lesson_run_it_once(lesson):
    path = lesson("import time; time.sleep(1)")
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=executed, args=(path,), kwargs={"cache": lesson.cache}) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join(60)
        assert each.exitcode == 0
    assert lesson.runs() == 1


def names(program, package):
    return [path.relative_to(package).as_posix() for path in sources.files_used(program, package=package)]


@pytest.fixture
def package(tmp_path):
    """A package with a lazy subpackage, as `medcourse` has them."""
    files = {
        "__init__.py": "import lazy_loader\n__getattr__, _, _ = lazy_loader.attach(__name__, submodules=['data'])\n",
        "data/__init__.py": "import lazy_loader\n"
        "__getattr__, _, _ = lazy_loader.attach(__name__, submod_attrs={'cells': ['make_cells'], 'ct': ['make_ct']})\n",
        "data/cells.py": "from medcourse.shapes import disc\n",
        "data/ct.py": "def make_ct():\n    from . import table\n",
        "data/table.py": "",
        "data/table.csv": "1\n",
        "shapes.py": "",
        "named.py": "",
    }
    for name, text in files.items():
        place = tmp_path / "medcourse" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path / "medcourse"


LAZY = ["__init__.py", "data/__init__.py", "data/table.csv"]


@pytest.mark.parametrize(
    ("program", "modules"),
    [
        ("import numpy", None),
        ("import medcourse.shapes as s", ["shapes.py"]),
        ("from medcourse import data\ndata.make_cells()", [*LAZY, "data/cells.py", "shapes.py"]),
        ("from medcourse.data import make_ct", [*LAZY, "data/ct.py", "data/table.py"]),
        ("from medcourse.data import cells as c", [*LAZY, "data/cells.py", "shapes.py"]),
        ("import medcourse\nmedcourse.data.cells.disc", [*LAZY, "data/cells.py", "shapes.py"]),
        # All of a package that is handed on.
        (
            "from medcourse import data\nprint(dir(data))",
            [*LAZY, "data/cells.py", "data/ct.py", "data/table.py", "shapes.py"],
        ),
        ("import importlib\nimportlib.import_module('medcourse.named')", ["named.py"]),
    ],
)
def test_modules_that_a_program_depends_on_are_read_off_its_text(program, modules, package):
    expected = set() if modules is None else {"__init__.py", *modules}
    found = set(names(program, package))
    if program.startswith("import importlib"):
        found.add("__init__.py")
    assert found == expected
