"""A back-up of a gradebook in PostgreSQL holds a class whole; a restore is all of that day, or nothing was changed."""

import json
import subprocess
import zipfile

import psycopg
import pytest

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.grading import dumps, locks
from medcourse.grading.backup import back_up, restore
from medcourse.grading.journal import Journal, secret_seed
from medcourse.grading.plan import Exercise, Run
from medcourse.grading.submission import Graded
from tests.kept_course import own_course
from tests.small_class import LAB

RUN = Run([Exercise("dice_empty", 1.0, 0.5, "half")])


@pytest.fixture
def course(postgres_course, tmp_path, monkeypatch):
    """A course whose gradebook knows a student, and whose journal what she earned."""
    monkeypatch.setattr(locks, "HELD_SECONDS", 0.2)
    with own_course(postgres_course, tmp_path, monkeypatch) as course:
        with Journal(course.root, LAB) as journal:
            journal.add_result("ann", "k", Graded(RUN, []))
        (course.root / "grading" / "secret_seed").write_text("42")
        course.execute("insert into student (id, first_name) values ('ann', E'tab\\t, line\\n\\\\. and \u674e')")
        yield course


def state(course, database=None):
    """Return all that a restore may change: every row of every table, and the files beside."""
    database = database or course.database
    rows = course.server.execute(
        "select table_name, query_to_xml(format('select * from %I order by 1', table_name), true, false, '')::text"
        " from information_schema.tables where table_schema = 'public' order by 1",
        database,
    )
    files = {path.name: path.read_bytes() for path in (course.root / "grading").iterdir() if path.is_file()}
    return dict(rows), files


def test_a_course_comes_back_as_it_was(course, tmp_path):
    file = tmp_path / "class.backup"
    before = state(course)
    made = back_up(course.root, file)
    assert (made.labs, made.students) == ([LAB], 1)
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(zipfile.ZipFile(file).namelist()) == {
        "gradebook.dump", "manifest.json", f"grading/{LAB}.jsonl", "grading/secret_seed",
    }  # fmt: skip
    course.execute("delete from student")
    course.execute("insert into student (id) values ('ben')")
    course.execute("update assignment set duedate = now()")
    with Journal(course.root, LAB) as journal:
        journal.add_look("ben", "k", "later")
    later = state(course)
    put_back = restore(course.root, file, force=True)
    assert state(course) == before
    assert put_back.students == 1
    (aside,) = (course.root / "grading").glob("replaced-*")
    assert put_back.replaced == str(aside)
    course.server.create("aside")
    aside_database = course.server.url("aside").replace("+psycopg", "")
    load = [course.server.programs / "pg_restore", "--no-owner", "--schema", "public", "--dbname", aside_database]
    subprocess.run([*load, aside / "gradebook.dump"], check=True)
    assert state(course, "aside")[0] == later[0]
    assert {path.name: path.read_bytes() for path in aside.iterdir() if path.suffix != ".dump"} == later[1]


def test_an_empty_database_becomes_the_gradebook_of_that_day(course, tmp_path, monkeypatch):
    back_up(course.root, tmp_path / "class.backup")
    before = state(course)
    fresh = f"{course.database}_2"[-50:]
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", course.server.create(fresh))
    for path in (course.root / "grading").iterdir():
        path.unlink()
    assert restore(course.root, tmp_path / "class.backup").replaced == ""
    assert state(course, fresh) == before
    assert secret_seed(course.root) == 42


def test_it_is_made_while_others_write(course, tmp_path):
    """What they have not committed is not in it, and nobody waits for anybody."""
    with psycopg.connect(course.url.replace("+psycopg", "")) as connection:
        connection.execute("insert into student (id) values ('under way')")
        assert back_up(course.root, tmp_path / "class.backup").students == 1
        connection.execute("insert into student (id) values ('still')")


def test_the_password_is_in_no_argument_that_others_may_read(course, tmp_path, monkeypatch):
    run, seen = subprocess.run, []

    def look(command, **how):
        seen.append((" ".join(map(str, command)), how.get("env", {}).get("PGPASSWORD")))
        return run(command, **how)

    monkeypatch.setattr(dumps.subprocess, "run", look)
    back_up(course.root, tmp_path / "class.backup")
    restore(course.root, tmp_path / "class.backup", force=True)
    assert [line for line, _ in seen if course.server.password in line] == []
    assert {password for line, password in seen if "--dbname" in line} == {course.server.password}


def spoil(file):
    """Turn one byte of the dump round, and make the sums say that it was so."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    dump = bytearray(content["gradebook.dump"])
    dump[-900] ^= 0xFF  # in the rows, which are compressed, or in what says where they end
    write_with(file, content | {"gradebook.dump": bytes(dump)})


def cut_off(file):
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    write_with(file, content | {"gradebook.dump": content["gradebook.dump"][:-1500]})


def of_another_program(file):
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    write_with(file, content | {"gradebook.dump": b"Dear teacher"})


def write_with(file, content):
    import hashlib  # noqa: PLC0415

    about = json.loads(content["manifest.json"])
    about["sha256"]["gradebook.dump"] = hashlib.sha256(content["gradebook.dump"]).hexdigest()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (content | {"manifest.json": json.dumps(about).encode()}).items():
            archive.writestr(name, data)


@pytest.mark.parametrize("damage", [spoil, cut_off, of_another_program])
def test_a_damaged_dump_changes_nothing_even_where_its_sum_is_right(course, tmp_path, capsys, damage):
    file = tmp_path / "class.backup"
    back_up(course.root, file)
    damage(file)
    course.execute("insert into student (id) values ('ben')")
    before = state(course)
    assert cli.main(["restore", str(file), "--force"]) == 2
    err = capsys.readouterr().err
    assert "pg_restore says: " in err
    assert err.count("\n") == 1
    assert state(course) == before
    assert not list(course.root.glob(".restore-*"))


def test_what_fails_half_way_changes_nothing(course, tmp_path):
    """A table that another program hung on to the gradebook's stops the exchange of the two in its middle."""
    back_up(course.root, tmp_path / "class.backup")
    course.execute("create view of_mine as select id from grade")
    course.execute("insert into student (id) values ('ben')")
    before = state(course)
    with pytest.raises(CourseError, match=r"psql says: cannot drop .* because other objects depend on it"):
        restore(course.root, tmp_path / "class.backup", force=True)
    assert state(course) == before


def test_a_database_that_others_use_too_is_refused(course, tmp_path):
    back_up(course.root, tmp_path / "class.backup")
    course.execute("create table users (id int)")
    for call in (back_up, restore):
        with pytest.raises(CourseError, match="expected nothing but the gradebook in its database, found users, too"):
            call(course.root, tmp_path / "class.backup", force=True)


def test_a_back_up_of_the_other_kind_is_refused(course, small_course, tmp_path, monkeypatch):
    back_up(course.root, tmp_path / "postgres.backup")
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK")
    back_up(small_course, tmp_path / "sqlite.backup")
    with pytest.raises(CourseError, match="expected the back-up of a gradebook in SQLite, got one in PostgreSQL"):
        restore(small_course, tmp_path / "postgres.backup", force=True)
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", course.url)
    with pytest.raises(CourseError, match="expected the back-up of a gradebook in PostgreSQL, got one in SQLite"):
        restore(course.root, tmp_path / "sqlite.backup", force=True)


def test_a_lab_that_is_graded_on_another_machine_is_left_alone(course, tmp_path):
    back_up(course.root, tmp_path / "class.backup")
    before = state(course)
    with (
        locks.labs_held(course.sqlalchemy(), "medcourse", [LAB]),
        pytest.raises(CourseError, match=f"{LAB} is being graded by another run"),
    ):
        restore(course.root, tmp_path / "class.backup", force=True)
    assert state(course) == before


def test_a_program_that_has_it_open_is_not_waited_for_for_ever(course, tmp_path, monkeypatch):
    back_up(course.root, tmp_path / "class.backup")
    monkeypatch.setattr(dumps, "WAIT_SECONDS", 1)
    with psycopg.connect(course.url.replace("+psycopg", "")) as connection:
        connection.execute("select * from student")  # and its transaction stays open
        with pytest.raises(CourseError, match="the gradebook is held by another program: close formgrader"):
            restore(course.root, tmp_path / "class.backup", force=True)


@pytest.mark.parametrize("version", [None, 9])
def test_without_a_pg_dump_as_new_as_the_server_there_is_one_line(course, tmp_path, monkeypatch, capsys, version):
    old = tmp_path / "bin" / "pg_dump"
    old.parent.mkdir()
    if version:
        old.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}.6.24'\n")
        old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr(dumps, "PROGRAMS", tmp_path / "none")
    assert cli.main(["backup", str(tmp_path / "class.backup")]) == 2
    err = capsys.readouterr().err
    server = course.server.programs.parent.name
    said = (
        "found none: install postgresql-client"
        if version is None
        else f"version {server}, as the server, or newer, found 9 at "
    )
    assert f"expected PostgreSQL's pg_dump, {said}" in err or f"expected pg_dump of {said}" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "class.backup").exists()
