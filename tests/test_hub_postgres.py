"""A hub whose own database and gradebook are in PostgreSQL: they are there, and a student gets at neither."""

import contextlib
import os
import sys
from pathlib import Path

import psutil
import pytest

from medcourse.hub.roster import GRADER
from tests.hubs import MINI, running_hub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make accounts"),
]

CONNECT = "import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=5); print('in')"


@pytest.fixture(scope="module")
def hub(postgres, tmp_path_factory):
    people = {"ivy": "instructor", "ann": "student"}
    urls = {"gradebook": postgres.create("class"), "database": postgres.create("hub")}
    with running_hub(tmp_path_factory.mktemp("hub"), people, real=True, labs=[MINI], **urls) as hub:
        yield hub


@pytest.fixture(scope="module")
def ann(hub):
    """A student whose server runs."""
    with hub.session("ann") as session:
        hub.start_server(session, "ann")
        yield session


def test_both_databases_are_in_postgresql(hub, ann, postgres):
    assert {name for (name,) in postgres.execute("select name from users", "hub")} >= {"ann", "ivy"}
    assert postgres.execute("select count(*) from spawners where server_id is not null", "hub") == [(1,)]
    done = hub.as_user(GRADER, [sys.executable, "-m", "nbgrader", "generate_assignment", MINI, "--force"])
    assert done.returncode == 0, done.stderr
    assert postgres.execute("select name from assignment", "class") == [(MINI,)]
    databases = {path.name for path in hub.folder.rglob("*") if path.suffix in {".db", ".sqlite"}}
    assert databases <= {"nbsignatures.db", "history.sqlite"}  # of notebooks


def test_no_password_stands_where_everybody_reads(hub, ann, postgres):
    commands = []
    for process in psutil.process_iter():
        try:
            commands.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    assert any("jupyterhub" in command for command in commands)
    assert [command for command in commands if postgres.password in command] == []
    assert postgres.password not in hub.output() + hub.log()


def test_a_students_server_is_not_told(hub, ann, postgres):
    uid, told = hub.home("ann").stat().st_uid, []
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] and process.info["uids"].real == uid:
            with contextlib.suppress(OSError):  # it has ended
                told.append(Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace"))
    assert any("MEDCOURSE_EXCHANGE" in each for each in told)
    assert [each for each in told if postgres.password in each] == []


def test_a_student_reads_no_file_or_process_that_says_it(hub, ann, postgres):
    """Asked as the student, who looks at all that there is."""
    said = "for f in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f; done 2>/dev/null; cat /proc/[0-9]*/cmdline"
    look = hub.as_user(
        "ann", ["/bin/sh", "-c", f"{said}; grep -rIh postgresql {hub.layout.folder} /home /etc 2>/dev/null"]
    )
    assert "MEDCOURSE_EXCHANGE" in look.stdout  # she sees her own
    assert postgres.password not in look.stdout
    assert f"127.0.0.1:{postgres.port}" not in look.stdout


def test_a_student_does_not_get_in_by_the_port_or_the_socket(hub, ann, postgres):
    here = f"host=127.0.0.1 port={postgres.port} dbname=class user=medcourse"
    for address, said in (
        (here, "no password supplied"),
        (f"{here} password=medcourse", "password authentication failed"),
        (f"host={postgres.folder} port={postgres.port} dbname=class user=medcourse", "Permission denied|No such file"),
    ):
        done = hub.as_user("ann", [sys.executable, "-c", CONNECT, address])
        assert done.returncode == 1
        assert any(each in done.stderr for each in said.split("|")), done.stderr
    through = f"{here} password={postgres.password}"
    assert hub.as_user(GRADER, [sys.executable, "-c", CONNECT, through]).stdout == "in\n"  # so the question was right
