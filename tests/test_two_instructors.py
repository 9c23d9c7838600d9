"""Two instructors grade at once, a third gives points by hand: nothing is lost, nothing doubled, nobody waits for ever.

On SQLite and on PostgreSQL. Each instructor is a process of its own; formgrader is a Jupyter server.
"""

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.kept_course import OTHER, add_other, copied, keep_course
from tests.postgres import unused_port
from tests.small_class import LAB, MAX, WRONG, environment, hand_in, submission

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("MEDCOURSE_ROUNDS", "2"))
"""How often each goes over the class; more by MEDCOURSE_ROUNDS."""

STUDENTS = {"ann": {}, "ben": WRONG, "cem": {}}


class Instructor:
    """A process that grades on demand."""

    def __init__(self):
        here = Path(__file__).parent
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", here / "one_instructor.py"],
            env=environment(here, MEDCOURSE_SECRET_SEED="1"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._is_ready = False

    def order(self, course, lab, *, rounds=ROUNDS, again=True):
        """Let it begin to grade."""
        self._wait_ready()
        order = {"environ": course.environ, "lab": lab, "rounds": rounds, "again": again}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self):
        """Return what came of it."""
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()[-3000:]
        return json.loads(line)

    def has_answered(self):
        """Say whether an answer is there to be read."""
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def kill(self):
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def _wait_ready(self):
        if not self._is_ready:
            self._is_ready = self._process.stdout.readline() == "ready\n"
            assert self._is_ready, self._process.stderr.read()[-3000:]


@pytest.fixture(scope="module")
def instructors():
    both = [Instructor(), Instructor()]
    yield both
    for each in both:
        each.kill()


@pytest.fixture(scope="module")
def templates(small_course, postgres_course, tmp_path_factory):
    """The two labs on both kinds of gradebook, with a class that handed in."""
    folder = tmp_path_factory.mktemp("two")
    courses = {
        "sqlite": keep_course(small_course, folder / "sqlite"),
        "postgres": copied(postgres_course, folder / "postgres", "two_labs"),
    }
    for course in courses.values():
        add_other(course)
        for name, answers in STUDENTS.items():
            for lab in (LAB, OTHER):
                hand_in(course.root, name, submission(course.root, why="Small structures.", **answers), lab=lab)
    return courses


@pytest.fixture(params=["sqlite", "postgres"])
def course(request, templates, tmp_path):
    template = templates[request.param]
    root = tmp_path / "course"
    if template.url is None:
        yield type(template)(shutil.copytree(template.root, root))
        return
    database = f"two_{secrets.token_hex(4)}"
    yield copied(template, root, database)
    template.server.execute(f'drop database "{database}" with (force)')


def scores(course, lab):
    """Return the sum of the automatic points of each student."""
    return {name: sum(each[1] or 0 for each in of["grades"]) for name, of in course.gradebook(lab).items()}


RIGHT = {name: 3.0 if answers else MAX for name, answers in STUDENTS.items()}
ROWS = {"student": 3, "submitted_assignment": 6, "submitted_notebook": 6, "grade": 30, "comment": 24}
"""What the gradebook has of three students and two labs, each with five graded cells and four answers."""


def assert_whole(course, *labs):
    """Nobody is lost and nothing is doubled, in gradebook, journal and folders."""
    for lab in labs:
        assert scores(course, lab) == RIGHT
        found, recorded = entries(course, lab, "result"), entries(course, lab, "recorded")
        assert {each["student"]: each["key"] for each in found} == {each["student"]: each["key"] for each in recorded}
        for name, key in {each["student"]: each["key"] for each in found}.items():
            notebook = json.loads((course.root / "autograded" / name / lab / f"{lab}.ipynb").read_text())
            assert notebook["metadata"]["medcourse"]["key"] == key
    if len(labs) == 2:
        assert {table: course.ask(f"select count(*) from {table}")[0][0] for table in ROWS} == ROWS
    assert not list((course.root / "autograded").glob(".recording*"))


def entries(course, lab, event):
    """Return what the journal has of one kind."""
    lines = (course.root / "grading" / f"{lab}.jsonl").read_text().splitlines()
    return [each for each in map(json.loads, lines) if each["event"] == event]


def test_two_labs_at_once(course, instructors):
    """The first round finds a gradebook that knows nobody, and both make the same students."""
    for instructor, lab in zip(instructors, (LAB, OTHER), strict=True):
        instructor.order(course, lab)
    assert [each.answer() for each in instructors] == [{"done": ROUNDS, "refused": 0, "trouble": []}] * 2
    assert_whole(course, LAB, OTHER)


def test_one_lab_at_once(course, instructors):
    """One of them is told that the other is at it, and has its turn after that."""
    for instructor in instructors:
        instructor.order(course, LAB)
    came = [each.answer() for each in instructors]
    assert [(each["done"], each["trouble"]) for each in came] == [(ROUNDS, [])] * 2
    assert_whole(course, LAB)
    # One whole class after the other: where two runs overlap, students of both stand between each other.
    assert [each["student"] for each in entries(course, LAB, "result")] == [*STUDENTS] * 2 * ROUNDS


@pytest.mark.parametrize("course", ["postgres"], indirect=True)  # `test_kill` is for SQLite
def test_one_of_two_is_killed(course, instructors):
    """The other goes on, and the lab that was under way is taken up again where it was."""
    instructors[0].order(course, LAB, rounds=1000)
    instructors[1].order(course, OTHER, rounds=2)
    journal = course.root / "grading" / f"{LAB}.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and b'"recorded"' in journal.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.01)
    instructors[0].kill()
    instructors[0] = Instructor()
    assert instructors[1].answer() == {"done": 2, "refused": 0, "trouble": []}
    instructors[0].order(course, LAB, rounds=1, again=False)
    assert instructors[0].answer() == {"done": 1, "refused": 0, "trouble": []}
    assert_whole(course, LAB, OTHER)


# Points given by hand, beside a running grade.


class Formgrader:
    """A Jupyter server with formgrader, asked as its pages ask."""

    def __init__(self, url, token):
        self._url, self._session = url, requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"token {token}"

    def get(self, place):
        return self._asked("get", place)

    def put(self, place, **content):
        return self._asked("put", place, data=json.dumps(content))

    def _asked(self, how, place, **more):
        answer = self._session.request(how, f"{self._url}/formgrader/api/{place}", timeout=60, **more)
        assert answer.status_code == 200, (place, answer.status_code, answer.text[-500:])
        return answer.json()


@contextlib.contextmanager
def running_formgrader(course, folder):
    """Serve formgrader for a course, as an instructor's own server does."""
    token, port = secrets.token_hex(16), unused_port()
    command = [
        sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--port={port}", "--ip=127.0.0.1",
        f"--ServerApp.root_dir={course.root}", f"--IdentityProvider.token={token}", "--ServerApp.port_retries=0",
        "--ServerApp.jpserver_extensions={'medcourse.formgrader': True, 'nbgrader.server_extensions.formgrader': False}",
    ]  # fmt: skip
    places = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=course.root, env=environment(course.root, **places | course.environ), stdout=log, stderr=log
        )
    try:
        formgrader = Formgrader(f"http://127.0.0.1:{port}", token)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                formgrader.get("status")
                break
            assert server.poll() is None, (folder / "log").read_text()[-3000:]
            time.sleep(0.1)
        yield formgrader
    finally:
        server.kill()
        server.wait()


def test_points_given_by_hand_beside_a_running_grade(course, instructors, tmp_path):
    instructors[0].order(course, LAB, rounds=1)
    with running_formgrader(course, tmp_path) as formgrader:
        assert instructors[0].answer()["done"] == 1
        hands = by_hand(course)
        assert len(hands) == len(STUDENTS)
        instructors[0].order(course, LAB, rounds=ROUNDS)
        instructors[1].order(course, OTHER, rounds=ROUNDS)
        given = 0
        while given < 12 or not instructors[0].has_answered():
            given += 1
            for name, (grade, comment) in hands.items():
                formgrader.put(f"grade/{grade}", manual_score=given % 4, extra_credit=given)
                formgrader.put(f"comment/{comment}", manual_comment=f"{name} {given}")
        assert [each.answer() for each in instructors] == [{"done": ROUNDS, "refused": 0, "trouble": []}] * 2
        for name, of in course.gradebook(LAB).items():
            why = next(each for each in of["grades"] if each[0] == "why")
            assert tuple(why) == ("why", None, given % 4, given, 0)
            assert ("why", None, f"{name} {given}") in [tuple(each) for each in of["comments"]]
        if course.server:
            course.server.stop()
            course.server.start()
            survives(formgrader, hands)
    assert_whole(course, LAB, OTHER)


def by_hand(course):
    """Return the ids of the grade and the comment of each student's written answer."""
    return {
        name: (grade, comment)
        for name, grade, comment in course.ask(
            "select a.student_id, g.id, k.id from grade g join base_cell c on c.id = g.cell_id"
            " join submitted_notebook n on n.id = g.notebook_id join submitted_assignment a on a.id = n.assignment_id"
            " join comment k on k.notebook_id = n.id join base_cell d on d.id = k.cell_id and d.name = c.name"
            f" join assignment l on l.id = a.assignment_id where c.name = 'why' and l.name = '{LAB}'"
        )
    }


def survives(formgrader, hands):
    """A database server that was away for a while costs formgrader nothing, now that it is back."""
    grade, _ = hands["ann"]
    assert formgrader.put(f"grade/{grade}", manual_score=1)["manual_score"] == 1
    assert formgrader.get(f"grade/{grade}")["manual_score"] == 1
