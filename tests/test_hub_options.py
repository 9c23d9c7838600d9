"""What `medcourse hub` refuses before anything is made: each in one line, and nothing is there afterwards."""

import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from medcourse import cli
from medcourse.hub import accounts, proxy, run
from medcourse.hub.layout import Layout
from medcourse.hub.roster import Person
from medcourse.hub.state import DEMO, fresh_state, load_state, save_state
from medcourse.server import free_port

IVY = (Person("ivy", "instructor"),)


@pytest.fixture
def class_file(tmp_path):
    (tmp_path / "class.csv").write_text("name,role\nivy,instructor\n")
    return tmp_path / "class.csv"


@pytest.fixture
def certificate(tmp_path):
    from tests.certificates import make_certificate  # noqa: PLC0415

    return make_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")


def hub(class_file, capsys, *arguments):
    """Run the command, and return what it complains about and whether it made a folder."""
    folder = class_file.parent / "hub"
    code = cli.main(["hub", str(class_file), "--folder", str(folder), *map(str, arguments)])
    said = capsys.readouterr()
    assert code == 2
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    assert not folder.exists()
    return said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--demo", "--port", "0"], "expected a port between 1 and 65535, got 0"),
        (["--demo", "--host", "0.0.0.0"], "expected a demonstration on this machine only, got --host 0.0.0.0"),
        (["--host", "0.0.0.0"], "expected a certificate where others can listen"),
        (["--host", "hub.example.org"], "expected a certificate where others can listen"),
        (["--demo", "--cert", "cert.pem"], "expected a certificate and its key, got one of them"),
        (["--demo", "--cert", "none.pem", "--key", "none.key"], "expected a file at none.pem"),
        (["--demo", "--gradebook", "postgresql://[half/x"], "expected an address such as"),
    ],
)
def test_an_option_that_cannot_be(class_file, capsys, arguments, said):
    assert said in hub(class_file, capsys, *arguments)


@pytest.mark.parametrize("option", ["--gradebook", "--database"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(class_file, capsys, option):
    said = hub(class_file, capsys, option, "postgresql+psycopg://ivy:s3cret@localhost/grades")
    assert f"expected no password on the command line, which every user can list, got one after {option}" in said
    assert "s3cret" not in said


def test_a_certificate_and_a_key_that_do_not_belong_together(class_file, certificate, tmp_path, capsys):
    from tests.certificates import make_certificate  # noqa: PLC0415

    _, other = make_certificate(tmp_path / "other.pem", tmp_path / "other.key")
    said = hub(class_file, capsys, "--demo", "--cert", certificate[0], "--key", other)
    assert "expected a certificate and its key" in said


def test_without_root_only_a_demonstration(class_file, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "expected root, who starts servers as their people, got user 1000: sudo, or --demo" in hub(
        class_file, capsys
    )


def test_without_jupyterhub_or_its_proxy_it_says_how_to_get_them(class_file, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(proxy.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="v18.19.0\n"))
        assert "expected node 20 or newer on PATH, got v18.19.0" in hub(class_file, capsys, "--demo")
    monkeypatch.setattr(proxy.shutil, "which", lambda *_, **__: None)
    assert "expected configurable-http-proxy, found none: run `make hub`" in hub(class_file, capsys, "--demo")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "expected JupyterHub, found none: run `make hub`" in hub(class_file, capsys, "--demo")


def test_a_real_hub_needs_a_class_file(tmp_path, capsys):
    assert cli.main(["hub", "--folder", str(tmp_path / "hub")]) == 2
    assert "expected a class file, got none" in capsys.readouterr().err
    assert not (tmp_path / "hub").exists()


def test_names_of_the_machines_own_accounts_are_nobodys():
    accounts.check_people(IVY)
    with pytest.raises(run.CourseError, match="got daemon, an account of this machine"):
        accounts.check_people([*IVY, Person("daemon", "student")])


def state(mode=DEMO, before=None, **more):
    return fresh_state(mode, IVY, host="127.0.0.1", port=8000, cert=None, key=None, before=before, **more)


def test_a_second_start_is_the_same_hub(tmp_path):
    layout = Layout(tmp_path / "hub")
    layout.private.mkdir(parents=True)
    first = state()
    save_state(layout, first)
    assert (layout.private / "hub.json").stat().st_mode & 0o777 == 0o600
    again = state(before=load_state(layout))
    assert again == first
    assert state().proxy_token != first.proxy_token
    assert state().password != first.password


@pytest.mark.parametrize(
    ("host", "cert", "url"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8000"),
        ("hub.example.org", "cert.pem", "https://hub.example.org:8000"),
        ("::1", "", "http://[::1]:8000"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(host, cert, url):
    assert replace(state(), host=host, cert=cert).url == url


def test_a_folder_keeps_its_mode(tmp_path):
    with pytest.raises(run.CourseError, match="expected the mode in which the folder was made, demo, got real"):
        state("real", before=state())


def test_a_record_that_broke_is_named(tmp_path):
    layout = Layout(tmp_path / "hub")
    layout.private.mkdir(parents=True)
    (layout.private / "hub.json").write_text('{"mode": "demo"}')
    with pytest.raises(run.CourseError, match=r"expected the hub's own record in .*hub.json"):
        load_state(layout)


def test_a_folder_has_one_hub_at_a_time(class_file, tmp_path):
    folder = tmp_path / "hub"
    (folder / "private").mkdir(parents=True)
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(folder / "private" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with pytest.raises(run.CourseError, match=f"expected no hub running in {folder}, found one"):
            run.prepare(run.Wanted(class_file, folder, is_demo=True), tmp_path)
        other.stdin.close()
    assert not (folder / "course").exists()


def test_a_port_in_use_is_named_before_anything_is_laid_out(class_file, tmp_path):
    import socket  # noqa: PLC0415

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(run.CourseError, match=f"expected a free port, got {port} .*--port"):
            run.prepare(run.Wanted(class_file, tmp_path / "hub", is_demo=True, port=port), tmp_path)
    assert not (tmp_path / "hub" / "course").exists()


def test_a_folder_without_solutions_is_no_course_and_leaves_no_half_of_one(class_file, tmp_path):
    wanted = run.Wanted(class_file, tmp_path / "hub", is_demo=True, port=free_port())
    with pytest.raises(run.CourseError, match="expected solutions/ in"):
        run.prepare(wanted, tmp_path / "nothing")
    assert sorted(path.name for path in (tmp_path / "hub").iterdir()) == ["private"]


def ready_with(tmp_path, script):
    """A hub that is ready, but in whose place another program is started."""

    class Other(run.Ready):
        @property
        def command(self):
            return [sys.executable, "-c", script, str(self.state.port)]

    layout = Layout(tmp_path)
    layout.private.mkdir()
    return Other(layout, replace(state(), port=free_port()), dict(os.environ), [])


def test_a_check_says_what_answers_and_stops_it(tmp_path):
    """A hub that really starts is in tests/test_hub.py."""
    script = """
import sys
from dataclasses import replace
from types import SimpleNamespace
from http.server import BaseHTTPRequestHandler, HTTPServer
class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({"/hub/health": 200, "/hub/login": 200}.get(self.path, 302))
        self.send_header("Location", "/nowhere")
        self.end_headers()
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(sys.argv[1])), Pages).serve_forever()
"""
    ready = ready_with(tmp_path, script)
    lines = run.check(ready)
    assert lines[0].startswith("the hub answers after ")
    assert lines[1:] == ["hub/login: 200", "services/course/: 302", "the hub stopped"]
    assert not run.is_up(ready.state)


def test_a_check_of_a_hub_that_does_not_start_quotes_its_last_words(tmp_path):
    with pytest.raises(
        run.CourseError, match="expected the hub to start, and it did not; its last words: no such thing"
    ):
        run.check(ready_with(tmp_path, "raise SystemExit('no such thing')"))
