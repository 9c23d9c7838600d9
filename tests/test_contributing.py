"""What README.md and CONTRIBUTING.md name is there."""

import re
from pathlib import Path

import pytest

from medcourse import cli
from medcourse.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
GUIDE = ["course/site/guide/study.md", "course/site/guide/index.md"]


def quoted(document):
    """Return what stands in backticks on a line or behind a link, and blocks of code."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^ *```\n.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return re.findall(r"`([^`\n]+)`", rest) + re.findall(r"\]\((?!http)([^)]+)\)", rest) + lines


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_exist(document):
    top = {path.name for path in ROOT.iterdir()}
    names = [text for text in quoted(document) if text.split("/")[0] in top and " " not in text and "<" not in text]
    assert len(names) > 3
    assert [name for name in names if not (ROOT / name).exists() and not any(ROOT.glob(name))] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, *GUIDE])
def test_commands_are_understood(document):
    commands = [text.split() for text in quoted(document) if text.startswith("medcourse ")]
    assert commands
    for command in commands:
        words = [re.sub(r"[\[\]]", "", word) for word in command[1:]]
        if len(words) == 1:
            words.append("--help")
        try:
            cli._parser().parse_args(words)
        except CourseError as error:
            pytest.fail(f"{document}: `{' '.join(command)}`: {error}")
        except SystemExit:
            assert words[-1] == "--help"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {text.split()[1] for text in quoted(document) if text.startswith("make ")}
    assert named
    assert named <= set(targets)


def test_the_table_of_units_says_which_are_there():
    rows = re.findall(r"^\|[^|]*\| `(\d\d_\w+)` \|[^|]*\| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    there = {slug for slug, state in rows if state == "**here**"}
    assert len(rows) == 20
    assert there == {path.stem for path in (ROOT / "course").glob("[0-9]*.py")}
    assert there == {path.stem for path in (ROOT / "assignments").glob("*/*.ipynb")}
