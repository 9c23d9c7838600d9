"""A back-up holds a class whole while others work; a restored course is the one of that day, or nothing was changed."""

import fcntl
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing

import pytest

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.grading import backup as module
from medcourse.grading import stores
from medcourse.grading.backup import back_up, restore
from medcourse.grading.journal import Journal, secret_seed
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.submission import Graded
from tests.small_class import LAB

RUN = Run([Exercise("dice_empty", 1.0, 0.5, "half")])


@pytest.fixture(scope="module")
def template(small_course, tmp_path_factory):
    """A course whose gradebook knows a student, and whose journal what she earned."""
    root = shutil.copytree(small_course, tmp_path_factory.mktemp("template") / "course")
    with Journal(root, LAB) as journal:
        journal.add_result("ann", "k", Graded(RUN, []))
    (root / "grading" / "secret_seed").write_text("42")
    write(root, "insert into student (id) values ('ann')")
    return root


@pytest.fixture
def root(template, tmp_path, monkeypatch):
    folder = shutil.copytree(template, tmp_path / "course")
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    monkeypatch.delenv("MEDCOURSE_SECRET_SEED", raising=False)
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    return folder


def write(root, statement):
    with closing(sqlite3.connect(root / "gradebook.db")) as database, database:
        database.execute(statement)


def students(root):
    with closing(sqlite3.connect(root / "gradebook.db")) as database:
        return [each for (each,) in database.execute("select id from student order by id")]


def state(root):
    """Return all that a restore may change, by name."""
    books = [path for path in root.rglob("gradebook.db") if path.is_file()]
    others = [path for path in (root / "grading").rglob("*") if path.is_file() and path not in books]
    found = {str(path.relative_to(root)): path.read_bytes() for path in others}
    for book in books:
        with closing(sqlite3.connect(book)) as database:
            found[str(book.relative_to(root))] = list(database.iterdump())
    return found


def test_a_course_comes_back_as_it_was(root, tmp_path):
    file = tmp_path / "class.backup"
    before = state(root)
    made = back_up(root, file)
    assert (made.labs, made.students) == ([LAB], 1)
    assert file.stat().st_mode & 0o777 == 0o600
    write(root, "delete from student")
    with Journal(root, LAB) as journal:
        journal.add_look("ben", "k", "later")
    (root / "grading" / "10_later.jsonl").write_text("")
    later = state(root)
    put_back = restore(root, file, force=True)
    now = state(root)
    aside = {name for name in now if "replaced-" in name}
    assert {name: now[name] for name in now if name not in aside} == before
    kept = {name.rsplit("/", 1)[1]: now[name] for name in aside}
    assert kept == {name.rsplit("/", 1)[-1]: content for name, content in later.items()}
    assert put_back.replaced.startswith(str(root / "grading" / "replaced-"))


def test_an_empty_folder_becomes_the_course_of_that_day(root, tmp_path):
    back_up(root, tmp_path / "class.backup")
    before = state(root)
    (root / "gradebook.db").unlink()
    shutil.rmtree(root / "grading")
    assert restore(root, tmp_path / "class.backup").replaced == ""
    assert state(root) == before
    assert secret_seed(root) == 42
    assert (root / "gradebook.db").stat().st_mode & 0o777 == 0o600


def test_it_is_made_while_others_write(root, tmp_path):
    """What they have not committed, or not ended a line of, is not in it."""
    with closing(sqlite3.connect(root / "gradebook.db")) as database:
        database.execute("insert into student (id) values ('under way')")
        with (root / "grading" / f"{LAB}.jsonl").open("a") as journal:
            journal.write('{"event": "resu')
            journal.flush()
            back_up(root, tmp_path / "class.backup")
    shutil.rmtree(root / "grading")
    restore(root, tmp_path / "class.backup", force=True)
    assert students(root) == ["ann"]
    with Journal(root, LAB) as journal:
        assert dict(journal.results()) == {"ann": Graded(RUN, [])}


def test_what_is_there_is_not_replaced_unasked(root, tmp_path):
    file = tmp_path / "class.backup"
    file.write_text("mine")
    with pytest.raises(CourseError, match=r"class.backup is there: give another name, or --force"):
        back_up(root, file)
    assert file.read_text() == "mine"
    back_up(root, file, force=True)
    before = state(root)
    with pytest.raises(CourseError, match=r"gradebook.db is there: --force replaces it, and keeps it aside"):
        restore(root, file)
    with pytest.raises(CourseError, match=r"expected a back-up at .*/none, found none: give its name"):
        restore(root, tmp_path / "none")
    assert state(root) == before


def spoil_a_byte(file):
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(content)


def cut_off(file):
    file.write_bytes(file.read_bytes()[:-100])


def rewrite(file, **changes):
    with zipfile.ZipFile(file) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (found | changes).items():
            archive.writestr(name, content)


def other_journal(file):
    rewrite(file, **{f"grading/{LAB}.jsonl": b'{"event": "result"}\n'})


def outside(file):
    rewrite(file, **{"../escaped": b"x"})


def broken_list(file):
    rewrite(file, **{"manifest.json": b"[]"})


@pytest.mark.parametrize("spoil", [spoil_a_byte, cut_off, other_journal, outside, broken_list])
def test_a_damaged_file_changes_nothing(root, tmp_path, capsys, spoil):
    file = tmp_path / "class.backup"
    back_up(root, file)
    spoil(file)
    before = state(root)
    assert cli.main(["restore", str(file), "--force"]) == 2
    err = capsys.readouterr().err
    assert "class.backup is no whole back-up, so nothing was changed: " in err
    assert err.count("\n") == 1
    assert state(root) == before
    assert not (tmp_path / "escaped").exists()
    assert not list(root.glob(".restore-*"))


def test_a_gradebook_that_is_damaged_is_not_backed_up_but_may_be_replaced(root, tmp_path):
    file = tmp_path / "class.backup"
    back_up(root, file)
    (root / "gradebook.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(CourseError, match="file is not a database"):
        back_up(root, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    restore(root, file, force=True)
    assert students(root) == ["ann"]


def test_it_waits_for_nobody_for_ever(root, tmp_path, monkeypatch):
    back_up(root, tmp_path / "class.backup")
    monkeypatch.setattr(stores, "LOCKED_SECONDS", 0.2)
    with closing(sqlite3.connect(root / "gradebook.db", isolation_level=None)) as database:
        database.execute("begin exclusive")
        with pytest.raises(CourseError, match=r"gradebook.db is held by another program"):
            back_up(root, tmp_path / "other")
        with pytest.raises(CourseError, match=r"gradebook.db is held by another program: database is locked"):
            restore(root, tmp_path / "class.backup", force=True)
    assert not (tmp_path / "other").exists()


def test_a_lab_that_is_being_graded_is_left_alone(root, tmp_path):
    back_up(root, tmp_path / "class.backup")
    with (root / "grading" / f"{LAB}.jsonl").open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        with pytest.raises(CourseError, match=f"{LAB} is being graded: wait for its end, or end it"):
            restore(root, tmp_path / "class.backup", force=True)


def test_a_disk_that_is_full_leaves_the_old_file(root, tmp_path, monkeypatch, capsys):
    file = tmp_path / "class.backup"
    file.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    assert cli.main(["backup", str(file), "--force"]) == 2
    assert capsys.readouterr().err == f"medcourse: cannot write {file}: No space left on device\n"
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["class.backup"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://db.example/class", "expected a gradebook at sqlite:///FILE or postgresql+psycopg://"),
        ("sqlite:///file:gradebook.db?uri=true", "got another address of SQLite: name its file"),
        ("sqlite:////nowhere/gradebook.db", "expected a gradebook at /nowhere/gradebook.db, found none"),
    ],
)
def test_gradebooks_that_are_no_file_here_are_refused_in_a_line(root, monkeypatch, capsys, url, said):
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", url)
    assert cli.main(["backup", str(root / "class.backup")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(root.glob("*backup*")) == []


def test_the_command_line_prints_one_object(root, tmp_path, capsys):
    file = tmp_path / "class.backup"
    assert cli.main(["backup", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["students"] == 1
    assert cli.main(["restore", str(file), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labs"] == [LAB]
    assert cli.main(["restore", str(file), "--force"]) == 0
    assert "what was there is in " in capsys.readouterr().out
    assert cli.main(["restore", str(tmp_path / "none")]) == 2
