"""What holds for the project as a whole."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "torch",
    "monai",
    "matplotlib",
    "sklearn",
    "skimage",
    "scipy",
    "pandas",
    "numpy",
    "nbgrader",
    "jupyterlab",
    "pooch",
}


def git(*arguments):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    run = subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True)
    return [line for line in run.stdout.splitlines() if line]


@pytest.mark.parametrize("statement", ["import medcourse", "import medcourse.cli; medcourse.cli._parser()"])
def test_start_imports_nothing_heavy(statement):
    program = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = set(run.stdout.split())
    assert "medcourse" in loaded
    assert loaded & HEAVY == set()


def test_every_public_submodule_can_be_reached_by_attribute():
    program = "import medcourse\nfor name in medcourse.__all__: getattr(medcourse, name)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_no_file_names_a_folder_of_this_machine():
    folders = [str(ROOT), *([sys.prefix] if sys.prefix != sys.base_prefix else [])]
    hits = []
    for name in git("ls-files"):
        text = (ROOT / name).read_bytes().decode(errors="replace") if (ROOT / name).is_file() else ""
        hits += [(name, folder) for folder in folders if folder in text]
    assert hits == []


def test_nothing_that_git_ignores_is_committed():
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []


def test_tests_that_share_a_fixture_stay_on_one_process():
    from tests.conftest import group_of  # noqa: PLC0415

    labs = [group_of(f"tests/test_labs.py::{test}[10_unet]") for test in ("test_a", "test_b")]
    assert labs[0] == labs[1] != group_of("tests/test_labs.py::test_a[11_cascade_crf]")
    assert labs[0] != group_of("tests/test_lessons.py::test_a[10_unet]")
    assert group_of("tests/test_leaks.py::test_a[10_unet]") == group_of("tests/test_leaks.py::test_b")
