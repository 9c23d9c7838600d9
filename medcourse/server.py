"""JupyterLab in a workspace: opened for a person, or started, asked and stopped to see that it works."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medcourse.errors import CourseError

# What JupyterLab leaves out here: its announcements, and nbgrader's windows for instructors.
SETTINGS = Path(__file__).with_name("jupyter")
STARTUP_SECONDS = 60
# Whatever proxy the environment names, the server asked here is on this machine.
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def open_lab(workspace: Path, *, port: int | None = None, browser: bool = True) -> None:
    """Run JupyterLab in a workspace until it is shut down.

    Parameters
    ----------
    workspace : Path
        Folder that JupyterLab shows.
    port : int, optional
        Port to listen on; the first free one from 8888 on if not given.
    browser : bool
        Open the page in the browser.

    Raises
    ------
    CourseError
        Another program listens on that port, or the number is none.
    """
    if port is not None:
        _claim(port)
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]  # noqa: PLC0415

    os.environ["JUPYTER_CONFIG_PATH"] = _settings_path()
    LabApp.launch_instance(argv=_arguments(workspace, port, browser=browser))


def check_lab(workspace: Path, notebooks: list[str]) -> list[str]:
    """Start JupyterLab on a free port, ask it for notebooks as a browser would, stop it, and say what was seen.

    Parameters
    ----------
    workspace : Path
        Folder that JupyterLab shows.
    notebooks : list of str
        Notebooks to ask for, relative to it.

    Returns
    -------
    list of str
        One line for the server and one for each notebook.

    Raises
    ------
    CourseError
        The server does not start, lacks a notebook or its page, or does not stop.
    """
    started = time.perf_counter()
    with _server(workspace) as ask:
        lines = [f"JupyterLab answers after {time.perf_counter() - started:.1f} s"]
        for name in notebooks:
            path = urllib.parse.quote(name)
            model = json.loads(ask(f"api/contents/{path}"))
            if model["type"] != "notebook":
                raise CourseError(f"expected JupyterLab to read {name} as a notebook, got a {model['type']}")
            if b"jupyter-config-data" not in ask(f"lab/tree/{path}"):
                raise CourseError(f"expected the page of JupyterLab at lab/tree/{path}, got another page")
            lines.append(f"{name}: {len(model['content']['cells'])} cells, opens")
    return [*lines, "JupyterLab stopped"]


def _arguments(workspace: Path, port: int | None, *, browser: bool) -> list[str]:
    arguments = [f"--ServerApp.root_dir={workspace}", f"--ServerApp.open_browser={browser}"]
    if port is not None:
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # The usual user inside a container; Jupyter would refuse to start.
        arguments.append("--allow-root")
    return arguments


def _settings_path() -> str:
    """Return `JUPYTER_CONFIG_PATH` with the course's settings last, so that a person's own win."""
    return os.pathsep.join(filter(None, [os.environ.get("JUPYTER_CONFIG_PATH"), str(SETTINGS)]))


def _claim(port: int) -> int:
    """Return the port that a server may listen on, a free one for 0."""
    with socket.socket() as listener:
        try:
            # As Jupyter does: a port whose last server has just stopped counts as free.
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
        except OverflowError:
            raise CourseError(f"expected a port between 1 and 65535, got {port}") from None
        except OSError as error:
            raise CourseError(
                f"expected a free port, got {port} ({error.strerror}): leave --port out to get the next free one"
            ) from error
        return int(listener.getsockname()[1])


@contextmanager
def _server(workspace: Path) -> Iterator["_Ask"]:
    """Run JupyterLab in a process of its own for as long as the block lasts."""
    ask = _Ask(port=_claim(0), token=secrets.token_hex(16))
    environment = os.environ | {"JUPYTER_CONFIG_PATH": _settings_path(), "JUPYTER_TOKEN": ask.token}
    command = [sys.executable, "-m", "jupyterlab", *_arguments(workspace, ask.port, browser=False)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            deadline = time.monotonic() + STARTUP_SECONDS
            while not ask.is_answered():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    said = [line.strip() for line in log if line.strip()] or ["nothing"]
                    raise CourseError(f"expected JupyterLab to start, and it did not; its last words: {said[-1]}")
                time.sleep(0.1)
            yield ask
            ask("api/shutdown", method="POST")
            process.wait(timeout=STARTUP_SECONDS)
        except subprocess.TimeoutExpired:
            raise CourseError(f"expected JupyterLab to stop within {STARTUP_SECONDS} s, and it did not") from None
        finally:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class _Ask:
    """What a server on this machine answers."""

    port: int
    token: str

    def __call__(self, path: str, *, method: str = "GET") -> bytes:
        """Return the body of an answer; a refusal is a CourseError."""
        url = f"http://127.0.0.1:{self.port}/{path}"
        request = urllib.request.Request(url, method=method, headers={"Authorization": f"token {self.token}"})
        try:
            with _DIRECTLY.open(request, timeout=STARTUP_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode(errors="replace")[:200]
            raise CourseError(
                f"expected JupyterLab to answer {path}, got {error.code} {error.reason}: {reason}"
            ) from None

    def is_answered(self) -> bool:
        try:
            self("api/status")
        except OSError:
            return False
        return True
