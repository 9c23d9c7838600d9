"""A hub with a class on it, for as long as a test lasts: a demonstration, or a real one in a room of its own."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import requests

import medcourse
from medcourse.hub.environment import course_environment, person_environment
from medcourse.hub.layout import Layout
from medcourse.hub.person import LOG
from medcourse.hub.roster import GRADER
from medcourse.hub.state import load_state
from medcourse.server import free_port
from tests.rooms import Room, children

ROOT = Path(__file__).resolve().parents[1]
MINI = "00_mini"
PATIENCE_SECONDS = 180


@contextmanager
def running_hub(
    folder: Path,
    people: Mapping[str, str],
    *,
    real: bool = False,
    labs: Sequence[str] = ("10_unet",),
    gradebook: str | None = None,
    database: str | None = None,
    size_mb: int | None = None,
    arguments: Iterable[str] = (),
) -> Iterator["TestHub"]:
    """Run a hub for as long as the block lasts.

    Parameters
    ----------
    folder
        Empty; the hub lies in `hub` below it, the course that it was made from in `checkout`.
    people
        Roles by name.
    real
        With an account for each person, in a room; needs root.
    labs
        Which labs the course has; `00_mini` is the small one of the tests.
    gradebook, database
        Addresses of databases.
    size_mb
        How much the hub's folder holds; the disk's where it is not given.
    arguments
        For `medcourse hub`, besides.
    """
    folder = folder.resolve()
    folder.chmod(0o755)
    make_checkout(folder / "checkout", labs)
    write_class(folder / "class.csv", people)
    sized = {folder / "hub": size_mb} if size_mb else None
    room = Room(_needed(folder), [ROOT], sized) if real else None
    urls = {"MEDCOURSE_GRADEBOOK": gradebook, "MEDCOURSE_DATABASE": database}
    hub = TestHub(folder, room, {name: url for name, url in urls.items() if url}, list(arguments))
    try:
        hub.start()
        yield hub
    finally:
        hub.close()


def write_class(path: Path, people: Mapping[str, str]):
    """Write a class file: roles by name."""
    path.write_text("name,role\n" + "".join(f"{name},{role}\n" for name, role in people.items()))


def make_checkout(root: Path, labs: Sequence[str]):
    """Make an instructor's folder of the course with a few of its labs, as closed as it has to be."""
    root.mkdir(mode=0o700)
    for name in ("course", "solutions", "assignments"):
        (root / name).mkdir()
    for lab in labs:
        if lab == MINI:
            shutil.copy(ROOT / "tests" / "data" / "mini_lab.py", root / "solutions" / f"{MINI}.py")
            continue
        shutil.copy(ROOT / "solutions" / f"{lab}.py", root / "solutions")
        if (ROOT / "solutions" / "pictures" / lab).is_dir():
            shutil.copytree(ROOT / "solutions" / "pictures" / lab, root / "solutions" / "pictures" / lab)
        shutil.copytree(ROOT / "assignments" / lab, root / "assignments" / lab)
    for lesson in set(labs) - {MINI} or {"10_unet"}:
        shutil.copy(ROOT / "course" / f"{lesson}.py", root / "course")
    shutil.copytree(ROOT / "bench" / "results", root / "bench" / "results")
    for name in ("nbgrader_config.py", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, root)
    if MINI in labs:
        from medcourse.grading import release  # noqa: PLC0415

        release.build(root)


def _needed(folder: Path) -> list[Path]:
    """Return what a room has to show: the hub's folder, Python, node, and the package without the checkout."""
    node = shutil.which("node")
    return [
        folder,
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(medcourse.__file__).parent,
        *([Path(node).resolve().parents[1]] if node else []),
    ]


class TestHub:
    """A running hub.

    Attributes
    ----------
    url
        Its address, without a slash at the end.
    layout
        Its folders, as the room has them.
    """

    __test__ = False

    def __init__(self, folder, room, urls, arguments):
        self.port = free_port()
        self.url = f"{'https' if '--cert' in arguments else 'http'}://127.0.0.1:{self.port}"
        self._folder, self._room, self._urls = folder, room, urls
        self.layout = Layout(folder / "hub")
        mode = [] if room else ["--demo"]
        port = ["--port", str(self.port)]
        self._arguments = [str(folder / "class.csv"), *mode, "--folder", str(self.layout.folder), *port, *arguments]
        self._process = None
        self._seen: list[psutil.Process] = []

    @property
    def is_real(self) -> bool:
        """Whether everybody has an account."""
        return self._room is not None

    @property
    def folder(self) -> Path:
        """The hub's folder, as it is seen from outside."""
        return self._room.see(self.layout.folder) if self._room else self.layout.folder

    @property
    def course(self) -> Path:
        """Where solutions and grades lie."""
        return self.folder / "course"

    @property
    def exchange(self) -> Path:
        """Where submissions go."""
        return self.folder / "exchange"

    @property
    def public(self) -> Path:
        """What everybody may read."""
        return self.folder / "public"

    @property
    def private(self) -> Path:
        """The hub's own."""
        return self.folder / "private"

    def home(self, name: str) -> Path:
        """Return somebody's home, as it is seen from outside."""
        return self._room.see(Path("/home", name)) if self._room else self.layout.homes / name

    def log(self) -> str:
        """Return what the hub has said so far."""
        file = self.private / "hub.log"
        return file.read_text() if file.is_file() else ""

    def server_log(self, name: str) -> str:
        """Return what somebody's own server, or the grader's, has said."""
        return (self.home(name) / LOG).read_text()

    def password(self, name: str) -> str:
        """Return somebody's first password."""
        if not self._room:
            return load_state(self.layout).password
        with (self.private / "passwords.csv").open() as file:
            return {row["name"]: row["password"] for row in csv.DictReader(file)}[name]

    def start(self):
        """Start the hub and wait until it and the course's pages answer."""
        command = [sys.executable, "-m", "medcourse.cli", "hub", *self._arguments]
        told = {"MEDCOURSE_ROOT": str(self._folder / "checkout"), "HOME": "/root" if self._room else str(self._folder)}
        environment = _plain_environment() | told | self._urls
        with (self._folder / "hub.out").open("a") as out:
            self._process = subprocess.Popen(
                self._room.enter(command) if self._room else command,
                cwd=self._folder, env=environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.is_up():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"expected the hub to start; its last words:\n{self.output()[-3000:]}")
            time.sleep(0.25)

    def is_up(self) -> bool:
        """Whether hub, proxy and the course's server answer."""
        try:
            with requests.Session() as session:
                session.trust_env, session.verify = False, self._verify
                health = session.get(f"{self.url}/hub/health", timeout=10)
                course = session.get(f"{self.url}/services/course/", timeout=10, allow_redirects=False)
        except requests.RequestException:
            return False
        return health.status_code == 200 and course.status_code < 404

    def output(self) -> str:
        """Return what `medcourse hub` has printed so far."""
        return (self._folder / "hub.out").read_text()

    def kill(self):
        """End the hub at once, as a power cut would: nothing else is told."""
        self._remember()
        os.kill(self._hub_pid(), signal.SIGKILL)
        self._process.wait()

    def stop(self):
        """End the hub as Ctrl-C does, and wait for it."""
        self._remember()
        os.kill(self._hub_pid(), signal.SIGINT)
        self._process.wait(timeout=PATIENCE_SECONDS)

    def close(self):
        """End everything."""
        if self._room:
            self._room.close()
            if self._process:
                self._process.wait()
            return
        self._remember()
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for process in self._seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(self._seen, timeout=30)

    def _remember(self):
        """Note what the hub has started, which outlives it where it is killed."""
        if self._process and not self._room:
            with suppress(psutil.NoSuchProcess):
                self._seen += psutil.Process(self._process.pid).children(recursive=True)

    def _hub_pid(self) -> int:
        # Into a room one goes through a process that stays outside.
        return children(self._process.pid)[0] if self._room else self._process.pid

    @property
    def _verify(self):
        return self._arguments[self._arguments.index("--cert") + 1] if "--cert" in self._arguments else True

    def change_class(self, people: Mapping[str, str]):
        """Write another class file, which counts from the next start."""
        write_class(self._folder / "class.csv", people)

    def processes(self, module: str) -> list[psutil.Process]:
        """Return the processes of this hub that run a module of ours."""
        if self._room:
            room = _room_of(self._room.pid)
            found = [each for each in psutil.process_iter() if _room_of(each.pid) == room]
        else:
            found = psutil.Process().children(recursive=True) + self._seen
        return [each for each in found if module in _arguments_of(each)]

    def see(self, path) -> Path:
        """Return where a path of the hub's machine is found from outside."""
        return self._room.see(Path(path)) if self._room else Path(path)

    def as_user(self, name: str, argv: list[str], *, cwd=None, env=None, stdin=None, timeout=120, check=False):
        """Run a command as somebody (`medcourse-grader` is the course's owner, `root` the machine's), and return it.

        It has the environment that the hub gives to the person's own server, or to the course's, and `env`; it runs in
        the home, or in the course, or in `cwd` as the room has it.
        """
        layout, is_grader = self.layout, name == GRADER
        told = course_environment(layout, self._urls) if is_grader else person_environment(layout)
        home = Path("/root") if name == "root" else Path("/home", name) if self._room else layout.homes / name
        told |= {"HOME": str(home), "USER": name, "LOGNAME": name, "SHELL": "/bin/bash", "LANG": "C.UTF-8"}
        if not self._room:
            home.mkdir(parents=True, exist_ok=True)
            told |= {} if is_grader else {"MEDCOURSE_STUDENT": name}
        told |= {"OMP_NUM_THREADS": "1"} | dict(env or {})
        folder = cwd or (layout.course if is_grader else home)
        command = ["env", "-i", f"--chdir={folder}", *(f"{key}={value}" for key, value in told.items()), *argv]
        if self._room:
            who = ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups"] if name != "root" else []
            command = self._room.enter([*who, *command])
        is_text = not isinstance(stdin, bytes)
        return subprocess.run(command, input=stdin, capture_output=True, text=is_text, timeout=timeout, check=check)

    def session(self, name: str) -> requests.Session:
        """Return a session of somebody who has logged in by the form."""
        session = requests.Session()
        session.trust_env, session.verify = False, self._verify
        form = session.get(f"{self.url}/hub/login", timeout=60)
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', form.text)[1]
        data = {"username": name, "password": self.password(name), "_xsrf": xsrf}
        # The page after it would start the person's server.
        answer = session.post(f"{self.url}/hub/login?next=/hub/home", data=data, timeout=60)
        assert answer.url.endswith("/hub/home"), f"{name} could not log in: {answer.status_code} {answer.url}"
        return session

    def start_server(self, session: requests.Session, name: str) -> float:
        """Ask for somebody's own server, wait until its Lab opens, and return after how many seconds."""
        began = time.monotonic()
        while True:
            answer = session.get(f"{self.url}/hub/spawn/{name}", timeout=PATIENCE_SECONDS)
            lab = session.get(f"{self.url}/user/{name}/lab", timeout=PATIENCE_SECONDS)
            if lab.status_code == 200 and urlsplit(lab.url).path.startswith(f"/user/{name}/lab"):
                return time.monotonic() - began
            assert time.monotonic() - began < PATIENCE_SECONDS, (
                f"{answer.status_code} {answer.url}\n{self.log()[-2000:]}"
            )
            time.sleep(0.2)

    def post(self, session: requests.Session, page: str, **content) -> requests.Response:
        """Post to a page below `hub/` or a server, with the token that its forms carry."""
        headers = {"X-XSRFToken": _xsrf(session, urlsplit(f"{self.url}/{page}").path), "Referer": f"{self.url}/hub/"}
        return session.post(f"{self.url}/{page}", headers=headers, timeout=PATIENCE_SECONDS, **content)

    def token(self, name: str) -> str:
        """Return a token with which somebody may ask the hub's API what a person may ask."""
        with self.session(name) as session:
            answer = self.post(session, f"hub/api/users/{name}/tokens", json={"note": "tests"})
            assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
            return answer.json()["token"]

    def page(self, browser, name: str, *, width: int = 1280, height: int = 900):
        """Return a page of a browser of its own in which somebody has logged in by the form and sees Lab."""
        context = browser.new_context(viewport={"width": width, "height": height}, ignore_https_errors=True)
        page = context.new_page()
        page.goto(f"{self.url}/hub/login")
        page.fill("#username_input", name)
        page.fill("#password_input", self.password(name))
        page.click("#login_submit")
        page.wait_for_url(f"{self.url}/user/{name}/lab**", timeout=1000 * PATIENCE_SECONDS)
        return page


def _room_of(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return None


def _arguments_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _xsrf(session: requests.Session, path: str) -> str:
    """Return the token of the hub or of the server that a path belongs to."""
    found = [each for each in session.cookies if each.name == "_xsrf" and path.startswith(each.path)]
    return max(found, key=lambda each: len(each.path)).value


def _plain_environment() -> dict[str, str]:
    """Return this environment without what the course, Jupyter and pytest keep there."""
    odd = ("MEDCOURSE_", "JUPYTER", "PYTEST", "COV_")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {name: value for name, value in os.environ.items() if not name.startswith(odd)} | {"PATH": path}
