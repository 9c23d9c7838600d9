"""What `medcourse publish` writes: everything that students need, nothing that they must not have, all of it or nothing."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from medcourse import cli, publish, workspace
from medcourse.errors import CourseError
from medcourse.grading import release

ROOT = Path(__file__).resolve().parents[1]
MINI = ROOT / "tests" / "data" / "mini_lab.py"
SECRET = "return 2 * (a & b).sum() / total"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course of one small unit, with all that lies about in an instructor's folder."""
    root = tmp_path_factory.mktemp("built") / "course"
    files = {
        "README.md": "Read me.\n",
        "course/00_mini.py": "# %% [markdown]\n# # A lesson\n",
        "course/index.md": "# A page\n",
        "course/notes.odt": "an instructor's own",
        "course/__pycache__/conf.pyc": "",
        "course/.notes.md": "an instructor's own",
        "bench/results/effects.json": "{}",
        "bench/grading.py": "",
        "tests/labs/00_mini.py": f"# {SECRET}",
        "gradebook.db": "",
        "grading/secret_seed": "17",
        ".git/config": "",
        "nbgrader_config.py": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "solutions").mkdir()
    shutil.copy(MINI, root / "solutions" / "00_mini.py")
    release.build(root)
    return root


@pytest.fixture
def root(built, tmp_path):
    return shutil.copytree(built, tmp_path / "course")


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def beside(folder):
    """What lies in the folder of a folder: a run that ends, in whatever way, leaves nothing there."""
    return sorted(path.name for path in folder.parent.iterdir())


def test_only_what_is_listed_is_published(root, tmp_path):
    done = publish.publish(root, tmp_path / "public")
    assert list(done.files) == [
        "README.md",
        "assignments/00_mini/00_mini.ipynb",
        "bench/results/effects.json",
        "binder/requirements.txt",
        "binder/runtime.txt",
        "course/00_mini.py",
        "course/index.md",
        "lessons/00_mini.ipynb",
    ]
    assert done.changed == done.files
    assert set(files(tmp_path / "public")) == {*done.files, publish.RECORD}
    assert beside(tmp_path / "public") == ["course", "public"]


def test_everybody_may_read_it_whatever_the_umask(root, tmp_path):
    (root / "README.md").chmod(0o600)
    before = os.umask(0o077)
    try:
        publish.publish(root, tmp_path / "public")
    finally:
        os.umask(before)
    for path in [tmp_path / "public", *(tmp_path / "public").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_the_same_course_makes_the_same_tree_and_is_left_alone(root, tmp_path):
    publish.publish(root, tmp_path / "public")
    inode = (tmp_path / "public").stat().st_ino
    again = publish.publish(root, tmp_path / "public")
    assert again.changed == ()
    assert (tmp_path / "public").stat().st_ino == inode
    publish.publish(root, tmp_path / "other")
    assert files(tmp_path / "public") == files(tmp_path / "other")


def test_a_changed_course_replaces_its_tree_and_keeps_its_history(root, tmp_path):
    publish.publish(root, tmp_path / "public")
    (tmp_path / "public" / ".git").mkdir()
    (tmp_path / "public" / ".git" / "HEAD").write_text("history")
    (root / "course" / "index.md").write_text("# Another\n")
    (root / "bench" / "results" / "effects.json").unlink()
    done = publish.publish(root, tmp_path / "public")
    assert done.changed == ("bench/results/effects.json", "course/index.md")
    assert (tmp_path / "public" / "course" / "index.md").read_text() == "# Another\n"
    assert not (tmp_path / "public" / "bench").exists()
    assert (tmp_path / "public" / ".git" / "HEAD").read_text() == "history"
    assert beside(tmp_path / "public") == ["course", "public"]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("README.md", f"As in `{SECRET}`"),
        ("course/index.md", "3 points: names small structures and says by what mechanism."),
        ("course/00_mini.py", "# %%\ngot = dice(nothing, nothing)\n"),
        ("assignments/00_mini/00_mini.ipynb", json.dumps({"cells": [{"source": ["number_of_steps = 7"]}]})),
    ],
)
def test_a_secret_stops_it_and_leaves_what_was_there(root, tmp_path, place, text):
    publish.publish(root, tmp_path / "public")
    before = files(tmp_path / "public")
    (root / place).write_text(text)
    with pytest.raises(CourseError, match=re.escape(place) + ".*nothing was published"):
        publish.publish(root, tmp_path / "public")
    assert files(tmp_path / "public") == before
    assert beside(tmp_path / "public") == ["course", "public"]


def test_what_others_wrote_is_not_replaced(root, tmp_path):
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(CourseError, match=r"got changes of yours: thesis\.tex: move them away"):
        publish.publish(root, folder)
    assert files(folder) == {"thesis.tex": b"mine"}
    (folder / "thesis.tex").unlink()
    publish.publish(root, folder)  # an empty folder will do
    (folder / "README.md").write_text("mine")
    (root / "README.md").write_text("theirs")
    with pytest.raises(CourseError, match=r"got changes of yours: README\.md"):
        publish.publish(root, folder)
    assert (folder / "README.md").read_text() == "mine"
    (folder / publish.RECORD).write_text("{")
    with pytest.raises(CourseError, match=r"got changes of yours: README\.md, assignments/.* \.\.\."):
        publish.publish(root, folder)


def test_places_that_will_not_do(root, tmp_path):
    (tmp_path / "letter").write_text("")
    for folder in (root, tmp_path, root / "course" / "public", root / "solutions", tmp_path / "letter"):
        before = files(tmp_path)
        with pytest.raises(CourseError, match=r"^expected a folder "):
            publish.publish(root, folder)
        assert files(tmp_path) == before


def test_a_link_is_not_followed(root, tmp_path):
    (root / "course" / "more.md").symlink_to(root / "tests" / "labs" / "00_mini.py")
    with pytest.raises(CourseError, match=r"got a link at .*more\.md"):
        publish.publish(root, tmp_path / "public")
    assert not (tmp_path / "public").exists()


def test_a_tree_without_solutions_cannot_be_checked(root, tmp_path):
    publish.publish(root, tmp_path / "public")
    with pytest.raises(CourseError, match="expected solutions/ in"):
        publish.publish(tmp_path / "public", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_lab_that_is_not_built_is_missed(root, tmp_path):
    (root / "assignments" / "00_mini" / "00_mini.ipynb").unlink()
    with pytest.raises(CourseError, match="got none of 00_mini: build them"):
        publish.publish(root, tmp_path / "public")


def test_a_full_disk_costs_one_line_and_nothing_else(root, tmp_path, monkeypatch):
    publish.publish(root, tmp_path / "public")
    before = files(tmp_path / "public")
    (root / "README.md").write_text("new")

    def full(path, content, write=Path.write_bytes):
        if path.name == "index.md":
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CourseError, match=r"cannot publish to .*No space left on device"):
        publish.publish(root, tmp_path / "public")
    assert files(tmp_path / "public") == before
    assert beside(tmp_path / "public") == ["course", "public"]


@pytest.mark.parametrize("moment", ["before the new one came", "before the old one went"])
def test_a_run_that_was_cut_off_is_mended(root, tmp_path, moment):
    folder, aside = tmp_path / "public", tmp_path / ".public.before"
    publish.publish(root, folder)
    (folder / ".git").mkdir()
    folder.rename(aside)
    if moment == "before the old one went":
        publish.publish(root, tmp_path / "new")
        (tmp_path / "new").rename(folder)
    assert publish.publish(root, folder).changed == ()
    assert (folder / ".git").is_dir()
    assert beside(folder) == ["course", "public"]


def test_command_line(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDCOURSE_ROOT", str(root))
    folder = tmp_path / "public"
    assert cli.main(["publish", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["folder"] == str(folder)
    assert said["files"] == said["changed"] == 8
    assert cli.main(["publish", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}: 8 files, 0 changed\n"
    (root / "solutions" / "00_mini.py").write_text(MINI.read_text().replace("Exercise 1: Dice", "Exercise 1: The Dice"))
    assert cli.main(["publish", str(tmp_path / "other")]) == 2
    assert "run `medcourse build`" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """This course, published."""
    return publish.publish(ROOT, tmp_path_factory.mktemp("whole") / "public")


def test_the_course_is_published_whole(course):
    names = set(course.files)
    slugs = {path.stem for path in (ROOT / "course").glob("[0-9]*.py")}
    assert len(slugs) == 20
    assert names >= {f"lessons/{slug}.ipynb" for slug in slugs} | {f"assignments/{slug}/{slug}.ipynb" for slug in slugs}
    assert names >= {"Makefile", "README.md", "LICENSE", "LICENSE-TEXT", "pyproject.toml", "constraints.txt"}
    if (ROOT / ".git").exists():
        run = subprocess.run(["git", "-C", ROOT, "ls-files", "medcourse", "course"], check=True, capture_output=True)
        assert {name for name in run.stdout.decode().splitlines() if (ROOT / name).is_file()} <= names


def test_nothing_of_an_instructor_is_in_it(course):
    parts = {part for name in course.files for part in Path(name).parts}
    assert parts & {"solutions", "tests", "source", "build", ".git", "gradebook.db", "grading.py"} == set()


def test_it_is_a_course_to_work_in(course, tmp_path):
    filled = workspace.fill(tmp_path / "workspace", root=course.folder)
    assert len(filled.laid) == 40
    for name in filled.laid:
        if name.startswith("lessons/"):
            assert (tmp_path / "workspace" / name).read_bytes() == (course.folder / name).read_bytes()


def test_its_documents_link_to_what_is_there(course):
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", (course.folder / name).read_text())
        assert [link for link in links if not (course.folder / link).exists()] == [], name


def test_make_says_what_it_lacks(course):
    run = subprocess.run(["make", "-C", course.folder, "test"], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "expected solutions/" in run.stderr
    assert not (course.folder / ".venv").exists()
