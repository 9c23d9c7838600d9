"""How the site is built: once, the same each time, all of it or nothing."""

import io
import json
import re
import shutil
import tarfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from nbformat import from_dict
from PIL import Image

from medcourse.errors import CourseError
from medcourse.segments import Segment
from medcourse.site import assets, build
from medcourse.site.api import api_pages
from medcourse.site.docstrings import as_markup, skip_alias
from medcourse.site.figures import Shelf
from medcourse.site.guide import guide_pages
from medcourse.site.notebooks import lab_page, lesson_page
from medcourse.site.units import Notes
from medcourse.units import UNITS

ROOT = Path(__file__).resolve().parents[1]

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# A page\n\n$x^2$ and [the start](index.md)."},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "execution_count": 1,
            "source": "print(1)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "1\n"}],
        },
    ],
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A course root whose site has two pages and the real settings; `small.files` may be changed between builds."""
    files = {
        "conf.py": (ROOT / "course/site/conf.py").read_bytes(),
        "_static/site.css": b"",
        "_static/logo.svg": (ROOT / "course/site/_static/logo.svg").read_bytes(),
        "index.md": b"# Start\n\n```{toctree}\npage\n```\n",
        "page.ipynb": json.dumps(NOTEBOOK).encode(),
    }
    monkeypatch.setattr(build, "source_files", lambda *_, **__: dict(files))
    monkeypatch.setenv("MEDCOURSE_CACHE", str(tmp_path / "cache"))

    def make(cache="cache"):
        monkeypatch.setenv("MEDCOURSE_CACHE", str(tmp_path / cache))
        return build.build_site(tmp_path, tmp_path / f"{cache}-site")

    make.files = files
    return make


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_course_makes_the_same_bytes_wherever_it_is_built(small):
    first, second = small("one"), small("two")
    assert (first.is_new, first.pages) == (True, second.pages)
    ours, theirs = contents(first.folder), contents(second.folder)
    assert sorted(ours) == sorted(theirs)
    assert [name for name, content in ours.items() if theirs[name] != content] == []
    assert "index.html" in ours
    assert b"<span class=" in ours["page.html"]


def test_a_warning_is_an_error_and_leaves_the_site_that_stood_there(small):
    before_folder = small().folder
    before = contents(before_folder)
    small.files["index.md"] += b"\n[nowhere](nowhere.md)\n"
    with pytest.raises(CourseError, match=r"without warnings, got:\nindex.md:7: WARNING.*nowhere"):
        small()
    assert contents(before_folder) == before
    small.files["index.md"] = small.files["index.md"].replace(b"\n[nowhere](nowhere.md)\n", b"")
    again = small()
    assert not again.is_new
    assert contents(again.folder) == before


def test_nothing_is_built_over_what_is_no_site(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(CourseError, match=r"expected an empty folder or a site at .*notes, got something else"):
        build.build_site(ROOT, tmp_path / "notes")
    with pytest.raises(CourseError, match="got a file"):
        build.build_site(ROOT, tmp_path / "notes" / "mine.txt")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"


def archive(folder, name="tex-chtml.js"):
    path = folder / "mathjax-3.2.2.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for member in (f"package/es5/{name}", "package/es5/../../outside.js", "package/README.md"):
            content = b"code"
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_mathjax_is_used_only_as_it_was_when_this_was_written(tmp_path, monkeypatch):
    made = archive(tmp_path)
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\ncp {made} .\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    with pytest.raises(CourseError, match=r"expected mathjax@3.2.2 with sha512 Bt.*: it is not used"):
        assets.mathjax(tmp_path / "cache")
    digest = assets.hashlib.sha512(made.read_bytes()).digest()
    monkeypatch.setattr(assets, "_SHA512", b64encode(digest).decode())
    folder = assets.mathjax(tmp_path / "cache")
    assert sorted(contents(folder)) == ["tex-chtml.js"]
    made.unlink()
    assert assets.mathjax(tmp_path / "cache") == folder, "fetched once"


def test_mathjax_needs_npm_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match="expected npm on PATH"):
        assets.mathjax(tmp_path / "cache")
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network' >&2\nexit 1\n")
    npm.chmod(0o755)
    with pytest.raises(CourseError, match="from npm's registry, got: npm error network"):
        assets.mathjax(tmp_path / "cache")
    assert set(contents(tmp_path / "cache")) <= {"npm/mathjax-3.2.2.lock"}


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def test_a_picture_becomes_a_file_without_losing_a_pixel(tmp_path):
    array = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    files = {}
    shelf = Shelf(files, tmp_path)
    data = b64encode(png(array)).decode()
    text = f'<p>a</p><img alt="a &lt;b&gt; &quot;c&quot;" style="max-width:100%" src="data:image/png;base64,{data}">'
    shown = shelf.without_data(text)
    assert "base64" not in shown
    assert 'alt="a &lt;b&gt; &quot;c&quot;"' in shown
    assert 'width="30" height="20" loading="lazy"' in shown
    (name,) = files
    assert f'src="../{name}"' in shown
    assert np.array_equal(np.array(Image.open(io.BytesIO(files[name]))), array)
    # Another site takes what was converted before.
    kept = {}
    shutil.copytree(tmp_path, tmp_path / "other")
    assert Shelf(kept, tmp_path / "other").without_data(text) == shown
    assert kept == files


def test_links_of_outputs_lead_to_pages(tmp_path):
    lesson = from_dict(NOTEBOOK)
    data = {"text/html": '<a href="10_unet.ipynb">ten</a> and <a href="https://a.org/b.ipynb">there</a>'}
    lesson.cells[1].outputs = [from_dict({"output_type": "display_data", "metadata": {}, "data": data})]
    notes = Notes(UNITS[9], "A page", 50, 17.0, 0.7)
    shown = lesson_page(lesson, notes, notes, Shelf({}, tmp_path))
    linked = '<a href="10_unet.html">ten</a> and <a href="https://a.org/b.ipynb">there</a>'
    assert shown.cells[1].outputs[0].data["text/html"] == linked


def test_progress_bars_are_not_shown_and_demos_are(tmp_path):
    lesson = from_dict(NOTEBOOK)
    bar = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "0%|    | 0/30"}
    demo = {**bar, "text/html": "<div>a twin</div>"}
    lesson.cells[1].outputs = [
        from_dict({"output_type": "display_data", "metadata": {}, "data": data}) for data in (bar, demo)
    ]
    notes = Notes(UNITS[9], "A page", 50, 17.0, 0.7)
    shown = lesson_page(lesson, notes, notes, Shelf({}, tmp_path))
    assert [output.data for output in shown.cells[1].outputs] == [{"text/html": "<div>a twin</div>"}]


def test_pictures_of_a_twin_become_files(tmp_path):
    webp = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(webp, "WEBP")
    uri = f"data:image/webp;base64,{b64encode(webp.getvalue()).decode()}"
    text = f'<img src="{uri}" alt="Black"><script type="application/json">{{"src":"{uri}"}}</script>'
    files = {}
    shown = Shelf(files, tmp_path).without_data(text)
    (name,) = files
    assert files[name] == webp.getvalue()
    assert shown == f'<img src="../{name}" alt="Black"><script type="application/json">{{"src":"../{name}"}}</script>'


def test_a_labs_attachments_become_files(tmp_path):
    data = b64encode(png(np.zeros((4, 4, 3), np.uint8))).decode()
    lab = from_dict(NOTEBOOK)
    lab.cells[0].source += "\n\n![Three words here](attachment:cells.png)"
    lab.cells[0].attachments = {"cells.png": {"image/png": data}}
    files = {}
    shown = lab_page(lab, Notes(UNITS[9], "A page", 120, 46.0, 0.6, 26.0), Shelf(files, tmp_path))
    (name,) = files
    assert f"![Three words here](../{name})" in shown.cells[0].source
    assert "attachments" not in shown.cells[0]
    assert (
        "Lab 10 · 120 minutes · 26 points · runs in 46 s · [Lesson 10](../lessons/10_unet.ipynb)"
        in shown.cells[0].source
    )
    assert shown.cells[1].outputs == []


DOCSTRING = """Return 2 |A and B| of `a*b`, as in [1]_.

The sum is::

    sum |a| * b

Of |a|.

Parameters
----------
**controls
    Any.

Returns
-------
Bunch
    images : (N, H, W) float32,
    of which the first matters. masks : (N, H, W) bool.
    train, test : Bunch of
        names : list of str.
    DESCR : str.

Examples
--------
>>> 2 * 3
6

References
----------
.. [1] Somebody. A paper.
   In a journal."""


def test_docstrings_are_shown_as_they_are_read():
    lines = DOCSTRING.splitlines()
    as_markup(None, "function", "medcourse.x", None, None, lines)
    text = "\n".join(lines)
    assert text.startswith(r"Return 2 \|A and B\| of `a*b`, as in [1].")
    assert "The sum is::\n\n    sum |a| * b\n\nOf \\|a\\|." in text
    assert "\n**controls\n" in text
    assert ">>> 2 * 3\n6" in text
    assert "1. Somebody. A paper.\n   In a journal." in text
    fields = text[text.index("Bunch\n") : text.index("Examples")]
    assert (
        "    - `images` : (N, H, W) float32,\n      of which the first matters.\n\n    - `masks` : (N, H, W) bool."
        in fields
    )
    assert "    - `train, test` : Bunch of\n\n        - `names` : list of str.\n\n    - `DESCR` : str." in fields


def test_attributes_that_share_a_text_are_shown_one_by_one():
    lines = [
        "A class.",
        "",
        "Attributes",
        "----------",
        "low, high : float",
        "    Ends.",
        "",
        "    Both in.",
        "mean",
        "    M.",
    ]
    as_markup(None, "class", "medcourse.X", None, None, lines)
    ends = ["    Ends.", "", "    Both in."]
    assert lines[4:] == ["low : float", *ends, "high : float", *ends, "mean", "    M."]


def test_fields_of_a_named_tuple_are_told_by_its_own_words():
    told = [skip_alias(None, "class", name, getattr(Segment, name), False, None) for name in ("start", "count")]
    assert told == [True, None]


def test_the_reference_has_public_names_and_no_others(tmp_path):
    for name, text in {
        "__init__.py": "",
        "data/__init__.py": '"""Data."""\nimport lazy_loader\n'
        "_, _, _ = lazy_loader.attach(__name__, submodules=['nets'], submod_attrs={'cells': ['make_cells', 'SIZE']})\n",
        "data/cells.py": '"""Cells."""\nSIZE = 3\ndef make_cells(): ...\ndef helper(): ...\n',
        "data/inner.py": '"""Inner."""\ndef inner(): ...\n',
        "data/nets.py": '"""Nets."""\nclass Net: ...\nclass _Hidden: ...\nLIMIT = 3\n',
        "training.py": '"""Training."""\nRATE = 1\ndef fit(): ...\nclass TrainingError(Exception): ...\n',
        "inner.py": '"""For the course itself."""\ndef main(): ...\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    used = "from medcourse import training\nfrom medcourse.data import make_cells"
    pages = {page.name: page.text for page in api_pages([used], tmp_path)}
    entries = {name: re.findall(r"^\.\. (auto\w+):: (\S+)", text, re.MULTILINE) for name, text in pages.items()}
    assert entries == {
        "data": [
            ("autodata", "medcourse.data.cells.SIZE"),
            ("autofunction", "medcourse.data.make_cells"),
            ("autoclass", "medcourse.data.nets.Net"),
        ],
        "training": [("autofunction", "medcourse.training.fit"), ("autoexception", "medcourse.training.TrainingError")],
    }


README = """# Course

## How it is graded

By tests, see [the config](nbgrader_config.py) and [nbgrader](https://nbgrader.readthedocs.io).

### An instructor's day

Long.

## A class on JupyterHub

```
# no heading
medcourse hub CLASS.csv
```

### Accounts

Each has one.

### A lab, in the browser

Press.

## Licence

Free.
"""


def test_the_guide_shows_sections_of_the_readme(tmp_path):
    (tmp_path / "README.md").write_text(README)
    pages = guide_pages(tmp_path)
    assert pages["guide/grading.md"] == (
        "# How it is graded\n\nBy tests, see the config (`nbgrader_config.py`) and "
        "[nbgrader](https://nbgrader.readthedocs.io).\n"
    )
    assert pages["guide/day.md"] == "# An instructor's day\n\nLong.\n"
    assert pages["guide/hub.md"].endswith("CLASS.csv\n```\n\n## Accounts\n\nEach has one.\n")
    assert pages["guide/browser.md"] == "# A lab, in the browser\n\nPress.\n"
    (tmp_path / "README.md").write_text(README.replace("A class on", "Classes on"))
    with pytest.raises(CourseError, match="expected a section 'A class on JupyterHub'"):
        guide_pages(tmp_path)
