import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from medcourse import server
from medcourse.errors import CourseError

NOTEBOOK = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x", id="x")]))


@pytest.fixture
def busy_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_running_server_is_asked_and_stopped(tmp_path):
    (tmp_path / "a lesson.ipynb").write_text(NOTEBOOK)
    (tmp_path / "broken.ipynb").write_text("{")
    (tmp_path / "plain.txt").write_text("text")
    with server.serve(tmp_path) as running:
        assert server.ask(running, "a lesson.ipynb") == "a lesson.ipynb: 1 cells, opens"
        with pytest.raises(CourseError, match=r"expected JupyterLab to answer api/contents/broken\.ipynb, got 400"):
            server.ask(running, "broken.ipynb")
        with pytest.raises(CourseError, match="got 404"):
            server.ask(running, "missing.ipynb")
        with pytest.raises(CourseError, match=r"expected JupyterLab to read plain\.txt as a notebook, got a file"):
            server.ask(running, "plain.txt")
        page = running.get("lab").decode()
        # The course's settings reached the page: no news from the internet, no windows for instructors.
        assert "@jupyterlab/apputils-extension:announcements" in page
        assert "@jupyter/nbgrader:formgrader" in page
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{running.url}/api/contents")
        assert refused.value.code == 403, "without the token nobody reads the workspace"
        refused.value.close()
    with pytest.raises(OSError, match="refused"):
        running.get("api/status")


def test_a_server_that_does_not_start_says_why(tmp_path):
    why = r"expected JupyterLab to start, and it did not; its last words: .*nowhere"
    with pytest.raises(CourseError, match=why), server.serve(tmp_path / "nowhere"):
        pytest.fail("a folder that is not there was served")


def test_a_port_in_use_is_named(tmp_path, busy_port):
    with pytest.raises(CourseError, match=f"expected a free port, got {busy_port} .*name another with --port"):
        server.open_lab(tmp_path, port=busy_port)


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_a_number_that_is_no_port(tmp_path, port):
    with pytest.raises(CourseError, match=f"expected a port between 1 and 65535, got {port}"):
        server.open_lab(tmp_path, port=port)


def test_a_person_gets_their_port_and_browser(tmp_path, monkeypatch):
    got = []
    monkeypatch.setattr(
        "jupyterlab.labapp.LabApp.launch_instance", lambda argv: got.append((argv, os.environ["JUPYTER_CONFIG_PATH"]))
    )
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    port = server.free_port()
    server.open_lab(tmp_path, port=port, browser=False)
    ((arguments, settings),) = got
    assert {f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--ServerApp.open_browser=False"} <= set(
        arguments
    )
    assert settings == f"mine{os.pathsep}{server.SETTINGS}"


def test_a_free_port_is_one_that_nobody_has_and_the_system_does_not_hand_out(monkeypatch):
    with socket.socket() as other:
        taken = server.free_port()
        other.bind(("127.0.0.1", taken))
        other.listen()
        monkeypatch.setattr(server, "QUIET_PORTS", range(taken, taken + 2))
        assert server.free_port() == taken + 1
    ranges = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if ranges.exists():
        assert taken < int(ranges.read_text().split()[0])
