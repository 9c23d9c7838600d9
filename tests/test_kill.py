"""Kill a grading run at any moment, start it again: it ends with the gradebook of a run that nobody disturbed.

Fifty times `kill -9`, at random moments, of a worker, of the template that submissions are forked from, of the process
that schedules and writes, and of all of them at once, as where the power fails.
"""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from medcourse.grading.notebooks import to_text
from tests.processes import family, processes
from tests.small_class import (
    LAB,
    WRONG,
    environment,
    gradebook,
    hand_in,
    journal,
    make_course,
    notebook_with,
    submission,
)

pytestmark = pytest.mark.slow

SEED = 20260311
KILLS = {"worker": 15, "template": 15, "main": 10, "power": 10}
STUDENTS = 40
AS_IT_STARTS = 0.3  # the share of kills that fall into the start; the others come while results do
START_SECONDS = 4.0


def victims(run, kind):
    """Return what there is of a kind now."""
    members = family(run.pid)
    if kind == "main":
        return [run.pid]
    if kind == "power":
        return list(members)  # the writer first: what dies before it must not be taken for a student's fault
    word = {"worker": "multiprocessing.forkserver", "template": "medcourse.grading.sandbox.template"}[kind]
    of_kind = {pid: parent for pid, (parent, command) in members.items() if word in command}
    eldest = {pid for pid, parent in of_kind.items() if parent not in of_kind}
    # Workers are forked from the process that was asked to; what is forked from a template may be a student's.
    return [pid for pid in of_kind if (pid in eldest) == (kind == "template")]


def start(root):
    command = [sys.executable, "-m", "medcourse.cli", "grade", LAB, "--workers", "2"]
    return subprocess.Popen(
        command, env=environment(root, MEDCOURSE_SECRET_SEED="1"), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A course with its class: right, wrong, empty, written, loud, slow, and one that ends its process."""
    root = make_course(tmp_path_factory.mktemp("kill") / "course")
    kinds = itertools.cycle([
        submission(root),
        submission(root, **WRONG),
        to_text(notebook_with(root, {})).encode(),
        submission(root, why="Small structures."),
        submission(root, dice="import time\ntime.sleep(0.2)\ndef dice(a, b):\n    return 0.4"),
        submission(root, window="def window(*_):\n    import os\n    os._exit(0)"),
        submission(root, steps="print('seven')\nnumber_of_steps = 7"),
    ])  # fmt: skip
    for number, content in zip(range(STUDENTS), kinds, strict=False):
        hand_in(root, f"student {number:02}", content)
    return root


def graded(root):
    """Return all that a run leaves behind for nbgrader: gradebook and notebooks."""
    notebooks = {path.parts[-3]: path.read_text() for path in (root / "autograded").glob(f"*/{LAB}/*.ipynb")}
    return gradebook(root), notebooks


def test_fifty_kills_leave_the_gradebook_of_none(folder, tmp_path):
    undisturbed = shutil.copytree(folder, tmp_path / "undisturbed")
    out, err = start(undisturbed).communicate(timeout=120)
    assert f"{STUDENTS} of {STUDENTS} in the gradebook" in out, err
    expected = graded(undisturbed)
    assert len(expected[0]) == len(expected[1]) == STUDENTS

    print(f"seed {SEED}")
    chance = random.Random(SEED)
    plan = [kind for kind, number in KILLS.items() for _ in range(number)]
    chance.shuffle(plan)
    died: Counter[str] = Counter()
    seen: set[int] = set()
    rounds = starts = 0
    while plan:
        rounds += 1
        root = shutil.copytree(folder, tmp_path / f"round {rounds}")
        while True:
            starts += 1
            code, said = disturb(root, plan, chance, died, seen)
            if code == 0:
                break
            assert code == -signal.SIGKILL, said
        assert graded(root) == expected
        of_student = Counter((entry["event"], entry["student"]) for entry in journal(root) if "student" in entry)
        assert set(of_student.values()) == {1}
        assert len(of_student) == 2 * STUDENTS
        assert not list((root / "autograded").glob(".recording*"))
    print(f"{dict(died)} in {starts} starts of {rounds} runs over the class")
    assert died == KILLS
    deadline = time.monotonic() + 20
    while left := {pid: command for pid, (_, command) in processes().items() if pid in seen and "medcourse" in command}:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def disturb(root, plan, chance, died, seen):
    """Start a run, kill as planned until it ends; return its exit code and what it said."""
    run = start(root)
    began, size_before = time.monotonic(), size(root)
    while plan and run.poll() is None:
        kind = plan[-1]
        if kind in {"main", "power"} and chance.random() < AS_IT_STARTS:
            wait(run, began + chance.uniform(0, START_SECONDS))
        else:
            if kind in {"main", "power"}:
                wait(run, began + 60, until=lambda: size(root) > size_before)
            wait(run, time.monotonic() + chance.random())
        while run.poll() is None and not (targets := victims(run, kind)):
            time.sleep(0.02)
        if run.poll() is not None:
            break
        seen.update(family(run.pid))
        for pid in targets if kind == "power" else [chance.choice(targets)]:
            with_luck(pid)
        died[plan.pop()] += 1
        if kind in {"main", "power"}:
            break
    out, err = run.communicate(timeout=120)
    return run.returncode, out + err


def wait(run, moment, until=lambda: False):
    """Wait for a moment, or for something to happen, or for the end of a run."""
    while time.monotonic() < moment and run.poll() is None and not until():
        time.sleep(0.005)


def size(root):
    """Return how much the journal holds."""
    path = root / "grading" / f"{LAB}.jsonl"
    return path.stat().st_size if path.exists() else 0


def with_luck(pid):
    """Kill what may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
