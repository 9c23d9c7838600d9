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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from medcourse.errors import CourseError

# What JupyterLab leaves out here: its announcements, and nbgrader's windows for instructors.
SETTINGS = Path(__file__).with_name("jupyter")
PATIENCE_SECONDS = 60
QUIET_PORTS = range(20_000, 32_000)
"""Below what Linux, macOS and Windows hand out by themselves, and above most of what has a name."""
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
        if not 1 <= port <= 65535:
            raise CourseError(f"expected a port between 1 and 65535, got {port}")
        claim_port(port)
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
    with serve(workspace) as server:
        lines = [f"JupyterLab answers after {time.perf_counter() - started:.1f} s"]
        lines += [ask(server, name) for name in notebooks]
    return [*lines, "JupyterLab stopped"]


def ask(server: "Server", notebook: str) -> str:
    """Ask a running server for one notebook and for the page that shows it; return what was seen, in a line."""
    path = urllib.parse.quote(notebook)
    model = json.loads(server.get(f"api/contents/{path}"))
    if model["type"] != "notebook":
        raise CourseError(f"expected JupyterLab to read {notebook} as a notebook, got a {model['type']}")
    if b"jupyter-config-data" not in server.get(f"lab/tree/{path}"):
        raise CourseError(f"expected JupyterLab's page at lab/tree/{path}, got another one")
    return f"{notebook}: {len(model['content']['cells'])} cells, opens"


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: where it is, and what it answers."""

    url: str
    token: str

    def get(self, path: str) -> bytes:
        """Return the body of an answer; a refusal is a CourseError, silence an OSError."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/{path}", headers=headers)  # noqa: S310  (http, from serve)
        try:
            with _DIRECTLY.open(request, timeout=PATIENCE_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode(errors="replace")[:200]
            raise CourseError(f"expected JupyterLab to answer {path}, got {error.code}: {reason}") from None


@contextmanager
def serve(
    folder: Path, *, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run JupyterLab in a process of its own for as long as the block lasts, on a free port and without a browser.

    Parameters
    ----------
    folder : Path
        Folder that JupyterLab shows.
    arguments : sequence of str
        Options for `jupyter lab` besides the course's own.
    environment : mapping, optional
        Environment variables besides those of this process.

    Raises
    ------
    CourseError
        The server does not start, or does not stop.
    """
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}", secrets.token_hex(16))
    command = [sys.executable, "-m", "jupyterlab", *_arguments(folder, port, browser=False), *arguments]
    variables = {"JUPYTER_CONFIG_PATH": _settings_path(), "JUPYTER_TOKEN": server.token, **(environment or {})}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log)  # noqa: S603
        try:
            end = time.monotonic() + PATIENCE_SECONDS
            while not _answers(server):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    said = [line.strip() for line in log if line.strip()] or ["nothing"]
                    raise CourseError(f"expected JupyterLab to start, and it did not; its last words: {said[-1]}")
                time.sleep(0.1)
            yield server
        finally:
            # Asked to stop rather than killed, it ends its kernels too.
            process.terminate()
            try:
                process.wait(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise CourseError(f"expected JupyterLab to stop within {PATIENCE_SECONDS} s, and it did not") from None


def _answers(server: Server) -> bool:
    try:
        server.get("api/status")
    except OSError:
        return False
    return True


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


def free_port() -> int:
    """Return a port of the loopback device on which nothing listens, for a server that starts later.

    Whoever asks the operating system for any port, as kernels and connections do, gets a higher one: in the seconds
    until the server listens nobody comes upon this one by chance.
    """
    while True:
        port = QUIET_PORTS.start + secrets.randbelow(len(QUIET_PORTS))
        with suppress(CourseError):
            return claim_port(port)


def claim_port(port: int) -> int:
    """Return the port of the loopback device if a server may listen on it.

    Raises
    ------
    CourseError
        Another program listens on it.
    """
    with socket.socket() as listener:
        try:
            # As Jupyter does: a port whose last server has just stopped counts as free.
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise CourseError(
                f"expected a free port, got {port} ({error.strerror}): name another with --port"
            ) from error
    return port
