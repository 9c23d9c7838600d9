"""A small class works on a real hub all at once, and goes on after its disk was full."""

import json
import os
import runpy
import sys
from pathlib import Path

import pytest

from medcourse.hub.roster import GRADER
from tests.grader import as_grader
from tests.hubs import MINI, running_hub

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="expected root: each person is an account of a room of its own"),
]

ROOT = Path(__file__).resolve().parents[1]
bench = runpy.run_path(str(ROOT / "bench" / "hub_load.py"))
NAMES = ["ann", "bob", "cem", "dee", "eve"]

FILL = """
import os, sys
left = int(sys.argv[2])
with open(sys.argv[1], "wb") as file:
    while True:
        room = os.statvfs(sys.argv[1])
        size = room.f_bavail * room.f_frsize - left
        if size <= 0:
            break
        file.write(bytes(min(size, 1 << 20)))
        file.flush()
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    people = {"ivy": "instructor"} | dict.fromkeys(NAMES, "student")
    with running_hub(tmp_path_factory.mktemp("load"), people, real=True, labs=[MINI], size_mb=64) as hub:
        as_grader(hub, MINI, "generate_assignment", "release_assignment")
        yield hub


def test_a_class_hands_in_at_once_and_everything_arrives_whole(hub):
    answers = bench["answers_of"](hub.course, MINI)
    load = bench["bear"](hub, NAMES, MINI, answers, at_once=5, as_grader=as_grader)
    assert (load.whole, load.collected) == (5, 5)
    assert {step: len(seconds) for step, seconds in load.seconds.items()} == dict.fromkeys(
        ["login", "fetch", "validate", "submit"], 5
    )
    assert load.peak_mb > 500, "five servers, the hub and the course's server"
    assert load.summary()["submissions_a_minute"] > 0


def test_the_record_has_fifty_who_handed_in_within_a_minute():
    record = json.loads((ROOT / "bench" / "results" / "hub_load.json").read_text())
    assert record["size"] == record["whole"] == record["collected"] >= 50
    assert record["span"] <= 60


def folders(hub):
    return {path.name for path in (hub.exchange / "medcourse" / "inbound").iterdir()}


def test_a_full_disk_tells_student_and_instructor_and_loses_nothing(hub):
    """The hub's folder is full, with exchange, course and the hub's own database."""
    student = bench["Student"](hub, "ann")
    student.log_in()
    before = folders(hub)
    held = (hub.course / "submitted" / "ann" / MINI / f"{MINI}.ipynb").read_bytes()
    path = f"{MINI}/{MINI}.ipynb"
    notebook = student._ask("GET", f"api/contents/{path}").json()["content"]
    notebook["metadata"]["more"] = "x" * 500_000
    student._ask("PUT", f"api/contents/{path}", json={"type": "notebook", "format": "json", "content": notebook})
    filler = "/".join(["", *hub.exchange.relative_to(hub._room.see(Path("/"))).parts, "filler"])
    done = hub.as_user("root", [sys.executable, "-c", FILL, filler, "100000"])
    assert done.returncode == 0, done.stderr

    data = {"course_id": "medcourse", "assignment_id": MINI}
    said = student._ask("POST", "assignments/submit", data=data).json()
    assert not said["success"]
    assert "No space left on device): nothing was handed in, and what you handed in before stays" in said["value"]
    assert folders(hub) == before, "no half of it"

    done = hub.as_user("root", ["rm", filler])
    assert done.returncode == 0
    assert student._ask("POST", "assignments/submit", data=data).json()["success"]
    assert bench["arrived"](hub, NAMES, MINI) == NAMES

    hub.as_user("root", [sys.executable, "-c", FILL, filler, "100000"])
    log = as_grader(hub, MINI, "collect", check=False)
    assert "could not copy what these handed in: ann (No space left on device)" in log
    assert (hub.course / "submitted" / "ann" / MINI / f"{MINI}.ipynb").read_bytes() == held
    hub.as_user("root", ["rm", filler])
    assert "Updating submission: ann" in as_grader(hub, MINI, "collect")
    now = (hub.course / "submitted" / "ann" / MINI / f"{MINI}.ipynb").read_bytes()
    assert now == (hub.home("ann") / MINI / f"{MINI}.ipynb").read_bytes() != held
    assert hub.is_up()
    assert hub.as_user(GRADER, ["true"]).returncode == 0
