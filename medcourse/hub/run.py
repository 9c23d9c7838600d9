"""Bring a hub up: look, lay out, then be JupyterHub; or start it, ask it and stop it."""

import fcntl
import ipaddress
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from medcourse.errors import CourseError
from medcourse.hub import accounts, guard
from medcourse.hub.config import FILE, SERVICE, START_SECONDS, TEXT
from medcourse.hub.environment import DATABASE, GRADEBOOK, command_path
from medcourse.hub.layout import Layout, lay_out, make_folder
from medcourse.hub.proxy import PROXY, find_proxy
from medcourse.hub.roster import EXAMPLE, Person, read_class
from medcourse.hub.state import DEMO, REAL, State, fresh_state, load_state, save_state
from medcourse.server import claim_port

PORT = 8000


@dataclass(frozen=True)
class Wanted:
    """What was asked for: see `medcourse hub --help`. Without a class file a demonstration has a class of three."""

    class_file: Path | None
    folder: Path
    is_demo: bool = False
    host: str = "127.0.0.1"
    port: int = PORT
    gradebook: str = ""
    database: str = ""
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Ready:
    """A hub that has only to be started.

    Attributes
    ----------
    layout, state
        Where and what it is.
    environment
        Variables for JupyterHub, addresses of databases among them.
    made
        Names of the accounts that were made.
    """

    layout: Layout
    state: State
    environment: dict[str, str]
    made: list[str]

    @property
    def command(self) -> list[str]:
        """What is run, in the hub's private folder."""
        return [sys.executable, "-m", "jupyterhub", "--config", str(self.layout.private / FILE)]

    def __str__(self) -> str:
        """Say who may log in, where and how."""
        people = self.state.people
        n_instructors = len(self.state.instructors)
        who = f"{_count(len(people) - n_instructors, 'student')}, {_count(n_instructors, 'instructor')}"
        lines = [f"{self.state.url}: {who}; instructors open {self.state.url}/services/{SERVICE}/"]
        if self.state.is_demo:
            lines += [
                f"names: {', '.join(map(_named, people))}; password of all: {self.state.password}",
                "a demonstration: everybody shares your account, and can read and change everything of it",
            ]
        elif self.made:
            lines.append(f"new accounts: {len(self.made)}; first passwords: {self.layout.private / accounts.PASSWORDS}")
        return "\n".join([*lines, f"course, exchange, logs: {self.layout.folder}"])


def prepare(wanted: Wanted, root: Path, tell: Callable[[str], None] = lambda _: None) -> Ready:
    """Look at everything that a hub needs, then make what is missing.

    Parameters
    ----------
    wanted
        What was asked for.
    root
        An instructor's folder of the course.
    tell
        Is told what takes long, once all was looked at.

    Raises
    ------
    CourseError
        Something is wrong or missing; found before anything is made, as far as it can be.
    """
    people = _people(wanted)
    layout = Layout(wanted.folder.absolute())
    _check_wanted(wanted)
    _check_installed()
    readers = [] if wanted.is_demo else _check_machine(wanted, people, layout, root)
    _hold(layout)
    _end_proxy(layout)
    state = fresh_state(
        DEMO if wanted.is_demo else REAL,
        people,
        host=wanted.host,
        port=wanted.port,
        cert=wanted.cert,
        key=wanted.key,
        before=load_state(layout),
    )
    for port in (state.port, state.hub_port, state.proxy_port):
        claim_port(port)
    made = [] if wanted.is_demo else accounts.make_accounts(layout, people)
    tell(f"laying out the course in {layout.folder}, which takes longest the first time")
    lay_out(layout, root, None if wanted.is_demo else accounts.grader_ids())
    guard.check_secrets([layout.course, layout.private], readers)
    save_state(layout, state)
    settings = layout.private / FILE
    if not settings.exists():
        settings.write_text(TEXT, encoding="utf-8")
    return Ready(layout, state, _environment(wanted), made)


def start(ready: Ready) -> None:
    """Become JupyterHub; does not return."""
    os.chdir(ready.layout.private)
    os.execve(ready.command[0], ready.command, ready.environment)  # noqa: S606


def check(ready: Ready) -> list[str]:
    """Start the hub, ask it for its health and its pages, stop it, and say what was seen, in lines.

    Raises
    ------
    CourseError
        It does not start, or a page is not there.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(  # noqa: S603
            ready.command, cwd=ready.layout.private, env=ready.environment, stdout=log, stderr=log
        )
        try:
            while not is_up(ready.state):
                if process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                    log.seek(0)
                    said = [line.strip() for line in log if line.strip()] or ["nothing"]
                    raise CourseError(f"expected the hub to start, and it did not; its last words: {said[-1]}")
                time.sleep(0.2)
            seconds = time.perf_counter() - began
            pages = [f"{page}: {ask(ready.state, page)}" for page in ("hub/login", "services/course/")]
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)
    return [f"the hub answers after {seconds:.1f} s", *pages, "the hub stopped"]


def _named(person: Person) -> str:
    return f"{person.name} (instructor)" if person.is_instructor else person.name


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _people(wanted: Wanted) -> tuple[Person, ...]:
    if wanted.class_file:
        return read_class(wanted.class_file)
    if not wanted.is_demo:
        raise CourseError("expected a class file, got none: name it, or try --demo with a class of three")
    return EXAMPLE


def _check_wanted(wanted: Wanted) -> None:
    if not 1 <= wanted.port <= 65535:
        raise CourseError(f"expected a port between 1 and 65535, got {wanted.port}")
    is_here = _is_loopback(wanted.host)
    if wanted.is_demo and not is_here:
        raise CourseError(f"expected a demonstration on this machine only, got --host {wanted.host}: leave it out")
    if bool(wanted.cert) != bool(wanted.key):
        raise CourseError("expected a certificate and its key, got one of them: give --cert FILE and --key FILE")
    if not is_here and not wanted.cert:
        raise CourseError(
            f"expected a certificate where others can listen, got --host {wanted.host} alone: give --cert and --key, "
            "or keep to 127.0.0.1 behind a server that has one"
        )
    if wanted.cert and wanted.key:
        _check_certificate(wanted.cert, wanted.key)
    for option, address in (("--gradebook", wanted.gradebook), ("--database", wanted.database)):
        _check_address(option, address, is_demo=wanted.is_demo)


def _check_address(option: str, address: str, *, is_demo: bool) -> None:
    try:
        has_password = bool(urlsplit(address).password)
    except ValueError:
        raise CourseError(f"expected an address such as postgresql+psycopg://user@host/name after {option}") from None
    if has_password and not is_demo:
        name = GRADEBOOK if option == "--gradebook" else DATABASE
        raise CourseError(
            f"expected no password on the command line, which every user can list, got one after {option}: "
            f"put the address into the environment as {name}"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_certificate(cert: Path, key: Path) -> None:
    for path in (cert, key):
        if not path.is_file():
            raise CourseError(f"expected a file at {path}, found none: give a certificate and its key in PEM")
    try:
        # Without the empty password, a key that has one would be asked for on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise CourseError(f"expected a certificate and its key, got {cert} and {key}: {error}") from None


def _check_installed() -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("jupyterhub") is None:
        raise CourseError(
            'expected JupyterHub, found none: run `make hub`, or `pip install -c constraints.txt -e ".[hub]"`'
        )
    find_proxy()


def _check_machine(wanted: Wanted, people: tuple[Person, ...], layout: Layout, root: Path) -> list[guard.Reader]:
    """Look at accounts and permissions, make nothing, and return those who must not read."""
    if os.geteuid() != 0:
        raise CourseError(
            f"expected root, who starts servers as their people, got user {os.geteuid()}: sudo, or --demo"
        )
    accounts.check_people(people)
    guard.check_groups(accounts.groups_of(people))
    readers = accounts.readers_of(people)
    guard.check_open(guard.needs(layout), readers)
    guard.check_secrets([*guard.secrets_of(root, layout), *filter(None, [wanted.key])], readers)
    guard.check_homes(accounts.homes_of(people), readers)
    return readers


def _hold(layout: Layout) -> None:
    """Hold the folder for as long as this process lives, JupyterHub included, which it becomes."""
    try:
        make_folder(layout.folder, 0o755)
        make_folder(layout.private, 0o700)
        lock = os.open(layout.private / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CourseError(f"cannot write to {layout.folder}: {error.strerror}: give another --folder") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CourseError(f"expected no hub running in {layout.folder}, found one: stop it first") from None
    os.set_inheritable(lock, True)


def _end_proxy(layout: Layout) -> None:
    """Stop the proxy of a hub that was killed: it would hold the port; the hub starts its own."""
    import psutil  # noqa: PLC0415

    try:
        proxy = psutil.Process(int((layout.private / "proxy.pid").read_text()))
        if any(PROXY in each for each in proxy.cmdline()):
            proxy.terminate()
            proxy.wait(timeout=10)
    except (OSError, ValueError, psutil.Error):
        return


def _environment(wanted: Wanted) -> dict[str, str]:
    """Return JupyterHub's environment: this process's own without the course's settings, and what was asked for."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MEDCOURSE_", "JUPYTER"))}
    asked: Mapping[str, str] = {
        GRADEBOOK: wanted.gradebook or os.environ.get(GRADEBOOK, ""),
        DATABASE: wanted.database or os.environ.get(DATABASE, ""),
    }
    return own | {"PATH": command_path()} | {name: each for name, each in asked.items() if each}


def is_up(state: State) -> bool:
    """Whether the hub answers, and its proxy knows where the course is."""
    try:
        return ask(state, "hub/health") == 200
    except OSError:
        return False


def ask(state: State, page: str) -> int:
    """Return the status that a page answers with, as it is: no redirection is followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # of this machine's own hub
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), Stay())
    try:
        with urllib.request.build_opener(*handlers).open(f"{state.url}/{page}", timeout=30) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
