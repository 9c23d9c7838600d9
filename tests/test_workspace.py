import json
import os
from pathlib import Path

import nbformat
import pytest

from medcourse.errors import CourseError
from medcourse.workspace import RECORD, default_workspace, fill

LESSON = "# %% [markdown]\n# # A lesson\n\n# %%\n1 + 1\n"


@pytest.fixture
def root(tmp_path):
    """A course of one unit."""
    folder = tmp_path / "course_root"
    (folder / "course").mkdir(parents=True)
    (folder / "course" / "10_unet.py").write_text(LESSON)
    (folder / "course" / "conf.py").write_text("project = 'settings of the site, no lesson'\n")
    lab = folder / "assignments" / "10_unet" / "10_unet.ipynb"
    lab.parent.mkdir(parents=True)
    lab.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1", id="x")])))
    return folder


def change_lesson(root):
    (root / "course" / "10_unet.py").write_text(LESSON + "\n# %%\n2 + 2\n")


def test_fill_lays_lesson_and_lab(root, tmp_path):
    filled = fill(tmp_path / "mine", root)
    assert filled.laid == filled.notebooks == ["lessons/10_unet.ipynb", "labs/10_unet.ipynb"]
    lesson = nbformat.read(tmp_path / "mine" / "lessons" / "10_unet.ipynb", as_version=4)
    assert [(cell.cell_type, cell.source) for cell in lesson.cells] == [("markdown", "# A lesson"), ("code", "1 + 1")]
    lab = tmp_path / "mine" / "labs" / "10_unet.ipynb"
    assert lab.read_bytes() == (root / "assignments" / "10_unet" / "10_unet.ipynb").read_bytes()
    assert not list((tmp_path / "mine").rglob("*.part"))


def test_fill_again_changes_nothing(root, tmp_path):
    fill(tmp_path / "mine", root)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "mine").rglob("*.ipynb")}
    filled = fill(tmp_path / "mine", root)
    assert (filled.laid, filled.refreshed, filled.kept) == ([], [], [])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "mine").rglob("*.ipynb")} == before


def test_untouched_notebook_follows_the_course(root, tmp_path):
    fill(tmp_path / "mine", root)
    change_lesson(root)
    assert fill(tmp_path / "mine", root).refreshed == ["lessons/10_unet.ipynb"]
    assert "2 + 2" in (tmp_path / "mine" / "lessons" / "10_unet.ipynb").read_text()


def test_opening_a_notebook_is_not_work(root, tmp_path):
    """JupyterLab notes the kernel when it opens a notebook, and saves it with another indent and by itself."""
    fill(tmp_path / "mine", root)
    path = tmp_path / "mine" / "lessons" / "10_unet.ipynb"
    notebook = json.loads(path.read_text())
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.11.2"}
    notebook["cells"] = [cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]
    path.write_text(json.dumps(notebook, indent=4))
    assert fill(tmp_path / "mine", root).kept == []
    change_lesson(root)
    assert fill(tmp_path / "mine", root).refreshed == ["lessons/10_unet.ipynb"]


@pytest.mark.parametrize("where", ["source", "outputs"])
def test_an_answer_or_an_output_is_work(root, tmp_path, where):
    fill(tmp_path / "mine", root)
    path = tmp_path / "mine" / "labs" / "10_unet.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0][where] = {"source": "x = 2", "outputs": [{"output_type": "stream", "text": "1"}]}[where]
    path.write_text(json.dumps(notebook))
    assert fill(tmp_path / "mine", root).kept == ["labs/10_unet.ipynb"]


@pytest.mark.parametrize(
    "content", ["[1]", '{"cells": 1}', '{"cells": [1]}', '{"cells": [{"cell_type": 1, "source": 1}]}', ""]
)
def test_what_is_no_notebook_is_kept_too(root, tmp_path, content):
    fill(tmp_path / "mine", root)
    path = tmp_path / "mine" / "labs" / "10_unet.ipynb"
    path.write_text(content)
    assert fill(tmp_path / "mine", root).kept == ["labs/10_unet.ipynb"]
    assert path.read_text() == content


@pytest.mark.parametrize("course_changes", [False, True])
@pytest.mark.parametrize("record", ["as written", "lost", "broken", "of another kind"])
def test_work_of_the_student_is_kept(root, tmp_path, course_changes, record):
    fill(tmp_path / "mine", root)
    lesson = tmp_path / "mine" / "lessons" / "10_unet.ipynb"
    lesson.write_text("my work, saved in the middle of")
    if course_changes:
        change_lesson(root)
    path = tmp_path / "mine" / RECORD
    {
        "as written": lambda: None,
        "lost": path.unlink,
        "broken": lambda: path.write_bytes(b"\xff{"),
        "of another kind": lambda: path.write_text("[1]"),
    }[record]()
    for _ in range(2):
        filled = fill(tmp_path / "mine", root)
        assert filled.kept == ["lessons/10_unet.ipynb"]
        assert lesson.read_text() == "my work, saved in the middle of"
    assert "kept as you changed it: lessons/10_unet.ipynb" in str(filled)
    assert "rename yours" in str(filled)


def test_a_lost_record_counts_nothing_as_untouched(root, tmp_path):
    fill(tmp_path / "mine", root)
    (tmp_path / "mine" / RECORD).unlink()
    change_lesson(root)
    assert fill(tmp_path / "mine", root).kept == ["lessons/10_unet.ipynb"]


def test_renamed_work_makes_room_for_a_fresh_copy(root, tmp_path):
    fill(tmp_path / "mine", root)
    lab = tmp_path / "mine" / "labs" / "10_unet.ipynb"
    lab.write_text("mine")
    lab.rename(lab.with_name("10_unet_mine.ipynb"))
    assert fill(tmp_path / "mine", root).laid == ["labs/10_unet.ipynb"]
    assert lab.with_name("10_unet_mine.ipynb").read_text() == "mine"


def test_workspace_that_is_a_file_is_left_alone(root, tmp_path):
    (tmp_path / "mine").write_text("a letter")
    with pytest.raises(CourseError, match=r"expected a workspace that can be written, got .*mine"):
        fill(tmp_path / "mine", root)
    assert (tmp_path / "mine").read_text() == "a letter"


def test_no_permission(root, tmp_path):
    folder = tmp_path / "mine"
    if os.geteuid() == 0:
        # Nothing stops root in an ordinary folder.
        folder = Path("/sys/medcourse")
    else:
        folder.mkdir(mode=0o500)
    with pytest.raises(CourseError, match=r"expected a workspace that can be written.*MEDCOURSE_WORKSPACE"):
        fill(folder, root)


def test_a_full_disk_leaves_the_old_notebook_whole(root, tmp_path, monkeypatch):
    fill(tmp_path / "mine", root)
    lesson = tmp_path / "mine" / "lessons" / "10_unet.ipynb"
    before = lesson.read_bytes()
    change_lesson(root)

    def no_space(path, content):
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", no_space)
        with pytest.raises(CourseError, match="No space left on device"):
            fill(tmp_path / "mine", root)
    assert lesson.read_bytes() == before
    assert fill(tmp_path / "mine", root).refreshed == ["lessons/10_unet.ipynb"]


def test_course_without_units(tmp_path):
    with pytest.raises(CourseError, match="found none"):
        fill(tmp_path / "mine", tmp_path)
    assert not (tmp_path / "mine").exists()


def test_lab_that_is_not_built(root, tmp_path):
    (root / "solutions").mkdir()
    (root / "solutions" / "11_new.py").write_text(LESSON)
    with pytest.raises(CourseError, match="run `medcourse build 11_new`"):
        fill(tmp_path / "mine", root)


def test_default_workspace(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDCOURSE_WORKSPACE", raising=False)
    assert default_workspace() == tmp_path / "workspace"
    monkeypatch.setenv("MEDCOURSE_WORKSPACE", "elsewhere")
    assert default_workspace() == tmp_path / "elsewhere"


def test_record_holds_one_digest_a_notebook(root, tmp_path):
    fill(tmp_path / "mine", root)
    record = json.loads((tmp_path / "mine" / RECORD).read_text())
    assert sorted(record) == ["labs/10_unet.ipynb", "lessons/10_unet.ipynb"]
    assert all(len(digest) == 64 for digest in record.values())
