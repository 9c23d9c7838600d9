"""No attack of the catalogue gains a point, reads or leaves with what it must not, hurts the grader, or stays."""

import contextlib
import copy
import json
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from medcourse.grading import cells as kinds
from medcourse.grading.check import put_in_hidden_tests
from medcourse.grading.notebooks import lab_notebook, node, parse_notebook
from medcourse.grading.plan import Limits, graded_cells
from medcourse.grading.sandbox.engine import Engine
from medcourse.grading.sandbox.walls import LANDLOCK, NAMESPACES
from medcourse.grading.splice import splice
from tests.attacks import ANSWERS, ATTACKS, POINTS, SOLUTION, table

LAB = Path(__file__).parent / "data" / "attack_lab.py"
ROOT = Path(__file__).parents[1]
SEED = 8_154_711_223
LIMITS = Limits(
    cell_seconds=1.5, total_seconds=15, memory_mib=400, processes=24, scratch_mib=48, output_kib=64, reply_mib=32
)
FULL = sum(POINTS.values())
_RNG = np.random.default_rng([SEED, *b"area"])
WORD = str(_RNG.integers(10**9, 10**10))
SECRETS = {
    "what a hidden test handed over": WORD,
    "what stands in a hidden test": "test-canary",
    "what stands in a solution": "solution-canary",
    "the secret seed": str(SEED),
    "what another file or process of the grader holds": "grader-canary",
    "a sign of success": "GOT IN",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The lab with its hidden tests, and as students get it."""
    from medcourse.grading import release  # noqa: PLC0415

    root = tmp_path_factory.mktemp("course")
    (root / "solutions").mkdir()
    (root / "solutions" / "attacked.py").write_text(LAB.read_text())
    release.build(root)
    text = release.release_path(root, "attacked").read_text()
    return lab_notebook(LAB), parse_notebook(text.encode())


class World:
    """What of the grader's own a submission could reach for: processes, files, sockets."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "submitted" / "bob").mkdir(parents=True)
        for name in ("gradebook.db", "submitted/bob/lab.ipynb"):
            (folder / name).write_text("grader-canary of a file")
        self.signals = []
        self.listeners = [
            self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "stream")),
            self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "datagrams")),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0medcourse-attack-{os.getpid()}"),
            self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, f"\0medcourse-attack-d-{os.getpid()}"),
        ]

    def _listen(self, family, kind, address):
        listener = socket.socket(family, kind)
        listener.bind(address)
        listener.setblocking(False)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        return listener

    def fill_in(self, source, template):
        """Put numbers and folders into an attack."""
        places = {
            "WORKER": os.getpid(), "TEMPLATE": template, "FOLDER": self.folder, "ROOT": ROOT,
            "TCP": self.listeners[0].getsockname()[1], "UDP": self.listeners[1].getsockname()[1],
        }  # fmt: skip
        for name, value in places.items():
            source = source.replace(f"@{name}@", str(value))
        return source

    def harm(self):
        """Return what is not as it was."""
        found = []
        for listener in self.listeners:
            with contextlib.suppress(BlockingIOError):
                found.append(f"somebody called: {listener.recv(10) if listener.type == 2 else listener.accept()}")
        gradebook = self.folder / "gradebook.db"
        status = gradebook.stat()
        if gradebook.read_text() != "grader-canary of a file" or status.st_mtime < 10**9 or not status.st_mode & 0o600:
            found.append("the gradebook was changed")
        found += [f"left behind: {path}" for path in _left_behind(self.folder)]
        found += [f"got a signal: {number}" for number in self.signals]
        return found

    def close(self):
        for listener in self.listeners:
            listener.close()


def _left_behind(folder):
    site = Path(np.__file__).parents[1]
    for place in (Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path("/run"), Path.home(), ROOT, site, folder):
        with contextlib.suppress(OSError):
            yield from place.glob("medcourse-attack*")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("grader"))
    previous = signal.signal(signal.SIGURG, lambda number, _: made.signals.append(number))
    yield made
    signal.signal(signal.SIGURG, previous)
    made.close()


@pytest.fixture(scope="module", params=[NAMESPACES, LANDLOCK])
def engine(request):
    """One engine for all attacks of a tier, in an environment that holds a secret."""
    os.environ["MEDCOURSE_OF_THE_GRADER"] = "grader-canary of the environment"
    made = Engine(tier=request.param, minimum_tier=LANDLOCK)
    made.start(LIMITS)
    if reason := made.probe()[request.param]:
        made.close()
        pytest.skip(f"this machine has no {request.param}: {reason}")
    yield made
    made.close()
    del os.environ["MEDCOURSE_OF_THE_GRADER"]


def hand_in(released, attack, fill_in):
    """Return the notebook that a student hands in."""
    notebook = copy.deepcopy(released)
    answers = {**SOLUTION, **attack.answers} if attack else SOLUTION
    for cell in notebook.cells:
        if kinds.is_answer(cell):
            cell.source = fill_in(answers[kinds.grade_id(cell)])
    if attack:
        for name, source in (("setup", attack.before), ("area_pixels", attack.between)):
            if source:
                place = next(i for i, cell in enumerate(notebook.cells) if kinds.grade_id(cell) == name)
                added = node(id=f"mine-{name}", cell_type="code", metadata={}, source=fill_in(source), outputs=[])
                notebook.cells.insert(place + 1, added)
        if attack.edit:
            attack.edit(notebook)
    return notebook


def grade(engine, lab, notebook):
    tests, released = lab
    clean, _ = splice(released, notebook)
    put_in_hidden_tests(clean, tests)
    return engine.run(graded_cells(clean), limits=LIMITS, seed=SEED)


def processes_of(engine):
    """Return what came of an engine's template: its children, and all that have its environment or command."""
    template, mark = engine._process.pid, engine._folder.encode()
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == template or mark in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                found.add(int(path.name))
    return found - {template}


def wait_until_alone(engine):
    end = time.monotonic() + 3
    while (left := processes_of(engine)) and time.monotonic() < end:
        time.sleep(0.02)
    return left


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack(attack, engine, lab, world):
    template = engine._process.pid
    files = sorted(Path(engine._folder).rglob("*"))
    started = time.monotonic()
    run = grade(engine, lab, hand_in(lab[1], attack, lambda source: world.fill_in(source, template)))
    seconds = time.monotonic() - started

    told = json.dumps(run.as_json())
    assert [what for what, secret in SECRETS.items() if secret in told] == [], told
    assert run.score <= attack.points, told
    assert run.max == FULL
    if attack.exact:
        assert run.score == attack.points, told
    assert seconds < LIMITS.total_seconds
    assert len(told) < 40 << 20

    assert engine._process.pid == template, "the template had to be started anew"
    assert wait_until_alone(engine) == set()
    assert sorted(Path(engine._folder).rglob("*")) == files
    assert world.harm() == []
    honest = grade(engine, lab, hand_in(lab[1], None, str))
    assert honest.score == FULL, honest


def test_the_catalogue_covers_what_it_promises():
    assert len(ATTACKS) >= 30
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert {attack.harm for attack in ATTACKS} == {"forge", "read", "harm", "stay", "leave"}
    assert all(set(attack.answers) <= set(ANSWERS) for attack in ATTACKS)


def test_the_table_names_each_attack_and_what_came_of_it():
    rows = table({"namespaces": {ATTACKS[0].name: "stopped"}, "landlock": {}})
    assert len(rows) == len(ATTACKS) + 2
    assert rows[2].endswith("| stopped | not run |")
