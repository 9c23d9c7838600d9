"""Nothing that students must not get is in anything that they get."""

import hashlib
import html
import json
from pathlib import Path

import pytest

from medcourse.grading import release
from medcourse.grading.leaks import find_leaks, find_leaks_of_course, secret_lines, secrets_of_course
from medcourse.grading.notebooks import lesson_notebook, to_text

ROOT = Path(__file__).resolve().parents[1]
MINI = Path(__file__).parent / "data" / "mini_lab.py"
LABS = sorted((ROOT / "solutions").glob("*.py"))


@pytest.fixture(scope="module")
def secrets():
    return secrets_of_course(ROOT)


def test_what_students_get_holds_no_secret_of_any_lab(secrets):
    # What is built now, as well as what is committed: they may differ while an author works.
    places = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "assignments").rglob("*.ipynb")}
    lessons = {path.name: to_text(lesson_notebook(path)) for path in sorted((ROOT / "course").glob("[0-9]*.py"))}
    assert len(places) == len(lessons) == 20
    assert find_leaks_of_course(ROOT, places | lessons, secrets) == []


def test_every_lab_has_secrets_of_each_kind_and_a_planted_one_is_found(secrets):
    for lab in LABS:
        own = {line: kind for line, kind in secret_lines(lab).items() if line in secrets}
        assert set(own.values()) == {"solution", "hidden test", "marking scheme"}, lab.stem
        planted = {kind: line for line, kind in own.items()}
        found = find_leaks_of_course(
            ROOT, {kind: f"<p>{html.escape(line)}</p>" for kind, line in planted.items()}, secrets
        )
        assert {(leak.place, leak.line) for leak in found} >= set(planted.items()), lab.stem


def test_secrets_are_the_lines_that_say_something_and_stand_nowhere_else():
    secrets = secret_lines(MINI)
    assert secrets["number_of_steps = 7"] == "solution"
    assert secrets["return 2 * (a & b).sum() / total"] == "solution"
    assert secrets["got = dice(nothing, nothing)"] == "hidden test"
    assert secrets["3 points: names small structures and says by what mechanism."] == "marking scheme"
    assert "import numpy as np" not in secrets
    assert "else:" not in secrets
    assert "testing.award(" not in secret_lines(ROOT / "solutions" / "20_summary.py")
    assert "got = dice(nothing, nothing)" not in secret_lines(MINI, public=["x\n  got = dice(nothing,  nothing)"])


def test_a_release_holds_none(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "mini.py").write_text(MINI.read_text())
    release.build(tmp_path)
    assert find_leaks(MINI, {"release": release.release_path(tmp_path, "mini").read_text()}) == []
    source = (tmp_path / release.SOURCE / "mini" / "mini.ipynb").read_text()
    assert {leak.line for leak in find_leaks(MINI, {"source": source})} == set(secret_lines(MINI))


LINE = "scaled = (np.asarray(image, float) - low) / (high - low)"
PLANTED = {
    "as it is": f"x\n    {LINE}\ny",
    "commented out": f"# {LINE}",
    "with other blanks": LINE.replace(" ", "   "),
    "in a notebook": json.dumps({"cells": [{"source": ["def f():\n", f"    {LINE}\n"]}]}),
    "in an output": json.dumps({"outputs": [{"data": {"text/plain": LINE}}]}),
    "in a highlighted page": "<span class='n'>" + LINE.replace(" ", "</span> <span>") + "</span>",
    "in an attribute of a page": '<script>var s = "first\\n' + LINE + '\\nlast"</script>',
    "as a hash": hashlib.sha256(LINE.encode()).hexdigest(),
}


@pytest.mark.parametrize("how", PLANTED)
def test_a_planted_line_is_found(how):
    (leak,) = find_leaks(MINI, {"place": PLANTED[how]})
    assert leak.line == LINE
    assert str(leak).startswith("place: hash of solution" if how == "as a hash" else "place: solution")


def test_a_line_in_a_page_with_escapes_is_found():
    (leak,) = find_leaks(MINI, {"page": "<code>return 2 * (a &amp; b).sum() / total</code>"})
    assert leak.line == "return 2 * (a & b).sum() / total"
