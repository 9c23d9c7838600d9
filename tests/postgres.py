"""A PostgreSQL server of a test's own: Debian's programs, an unprivileged account, loopback, a password of its own."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

ROLE = "medcourse"


def find_programs():
    """Return the folder of the newest PostgreSQL's programs, None where there is none."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


class Postgres:
    """A running server.

    Attributes
    ----------
    port, password
        At 127.0.0.1, of the role `medcourse`, which may make databases; drawn at random.
    """

    def __init__(self, programs, folder, account):
        self.programs, self.folder, self.account = programs, folder, account
        self.password, self.port = secrets.token_urlsafe(18), 0
        self._server = None

    def make(self):
        """Make the cluster's files: only the role's password lets anybody in, by socket as well as by network."""
        (self.folder / "password").write_text(self.password)
        self._hand_over(self.folder / "password")
        settings = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", f"--username={ROLE}"]
        place = [f"--pwfile={self.folder / 'password'}", "-D", self.folder / "data"]
        self._run([self.programs / "initdb", *settings, *place])
        (self.folder / "password").unlink()

    def start(self):
        """Start it, and wait until it answers; from the second time on at the same port."""
        for _ in range(5):
            port = self.port or unused_port()
            options = {
                "listen_addresses": "127.0.0.1",
                "port": port,
                "unix_socket_directories": self.folder,
                "fsync": "off",
                "shared_buffers": "16MB",
                "max_connections": 40,
                "timezone": "UTC",
            }
            arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
            with (self.folder / "log").open("ab") as log:
                # Its life ends with this process's, however that ends.
                command = ["setpriv", "--pdeathsig", "QUIT", self.programs / "postgres", "-D", self.folder / "data"]
                self._server = subprocess.Popen(
                    [*command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.account
                )
            if self._is_ready(port):
                self.port = port
                return
            self.stop()
        pytest.fail(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def stop(self):
        """Stop it at once, whoever is connected."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            try:
                self._server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def url(self, database, *, user=ROLE, password=None):
        """Return the address of a database as SQLAlchemy takes it."""
        return f"postgresql+psycopg://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, database, template="template0"):
        """Make a database, a copy of another one that nobody is connected to; return its address."""
        self.execute(f'create database "{database}" template "{template}"')
        return self.url(database)

    def execute(self, statement, database="postgres"):
        """Run one statement outside of a transaction and return its rows."""
        import psycopg  # noqa: PLC0415

        address = self.url(database).replace("+psycopg", "")
        with contextlib.closing(psycopg.connect(address, autocommit=True)) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def log(self):
        """Return what the server has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def _is_ready(self, port):
        ask = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._server.poll() is None:
            if subprocess.run(ask, check=False).returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def _run(self, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, **self.account)
        assert done.returncode == 0, done.stdout + done.stderr

    def _hand_over(self, path):
        if self.account:
            os.chown(path, self.account["user"], self.account["group"])


@contextlib.contextmanager
def running_postgres():
    """Run a server until the end of the block.

    Skips the test where there is no PostgreSQL; fails in CI, where there has to be one.
    """
    programs = find_programs()
    if programs is None or shutil.which("setpriv") is None:
        reason = "expected /usr/lib/postgresql/*/bin and setpriv, found none: install PostgreSQL"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    # A folder of pytest's would be closed to the account that PostgreSQL runs as, and too long a path for its socket.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = Postgres(programs, Path(folder), _account())
        server._hand_over(server.folder)
        try:
            server.make()
            server.start()
            yield server
        finally:
            server.stop()


def read_gradebook(server, database, lab):
    """Return what `small_class.gradebook` returns of SQLite: all that is known of a lab's students."""
    students = {}
    submissions = server.execute(
        "select a.student_id, n.late_submission_penalty, a.timestamp, n.id"
        " from submitted_assignment a join submitted_notebook n on n.assignment_id = a.id"
        f" join assignment l on l.id = a.assignment_id where l.name = '{lab}' order by 1",
        database,
    )
    for student, penalty, moment, notebook in submissions:
        assert student not in students
        assert re.fullmatch(r"\w+", notebook)
        grades = server.execute(
            "select c.name, g.auto_score, g.manual_score, g.extra_credit, g.needs_manual_grade::int"
            f" from grade g join base_cell c on c.id = g.cell_id where g.notebook_id = '{notebook}' order by 1",
            database,
        )
        comments = server.execute(
            "select c.name, k.auto_comment, k.manual_comment"
            f" from comment k join base_cell c on c.id = k.cell_id where k.notebook_id = '{notebook}' order by 1",
            database,
        )
        when = None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S.%f")  # as SQLite keeps it
        students[student] = {"penalty": penalty, "time": when, "grades": grades, "comments": comments}
    return students


def _account():
    """Return whom to run it as: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("found no account that PostgreSQL may run as")


def unused_port():
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
