"""What a hub on this machine bears: a class logs in, fetches a lab, answers it, validates and hands in, over HTTP.

python bench/hub_load.py [--size 50] [--at-once 8] [--lab 10_unet] [--json]

The hub is the real one: an account and a server for each student, in a room of its own that needs root and leaves the
machine as it is. Students are threads that ask what a browser asks, through the proxy, with cookies of the login form.
Everybody acts once; at most `--at-once` of them ask at the same time, and no more servers start at once than the hub's
own limit allows.

login to Lab    from the first request of the login form until the page of one's own JupyterLab is there
fetch, validate, submit    what the buttons of nbgrader's assignment list ask for; validating runs the notebook
submissions a minute       the class size over the time from the first fetch to the last submission
peak memory     of all processes of the hub together (PSS, which counts once what they share), each second

A submission is whole if the exchange, and after collecting the course, has the very bytes of the student's home.

What is found is kept in bench/results/hub_load.json.
"""

import argparse
import hashlib
import json
import os
import platform
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from types import ModuleType

import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "hub_load.json"
COURSE = "medcourse"
TIMEOUT = 300
CLICKS = 3


@dataclass
class Load:
    """What a class did to a hub.

    Attributes
    ----------
    seconds
        Of each student by step: `login`, `fetch`, `validate`, `submit`.
    whole, collected
        How many submissions arrived in the exchange, and in the course, as they were in the home.
    span
        Seconds from the first fetch to the last submission.
    failed
        What was said where validating had to be tried again.
    peak_mb
        Memory of all of the hub's processes at its peak; 0 where it was not looked at.
    """

    size: int
    at_once: int
    lab: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    whole: int = 0
    collected: int = 0
    span: float = 0.0
    peak_mb: float = 0.0
    failed: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return median and ninth decile of each step, and the rate."""
        found = {"submissions_a_minute": 60 * self.size / self.span}
        for step, seconds in self.seconds.items():
            found |= {f"{step}_median_s": median(seconds), f"{step}_p90_s": quantiles(seconds, n=10)[-1]}
        return {name: round(value, 1) for name, value in found.items()}


class Student:
    """Somebody with a browser's cookies."""

    def __init__(self, hub, name):
        self.hub, self.name, self.session = hub, name, None
        self.took, self.failed = {}, []

    def log_in(self):
        """Log in and wait for Lab."""
        started = time.perf_counter()
        self.session = self.hub.session(self.name)
        self.hub.start_server(self.session, self.name)
        self.took["login"] = time.perf_counter() - started

    def work(self, lab, answers):
        """Fetch the lab, answer it, validate and hand in."""
        path = f"{lab}/{lab}.ipynb"
        self._timed("fetch", "assignments/fetch", {"course_id": COURSE, "assignment_id": lab})
        notebook = self._ask("GET", f"api/contents/{path}").json()["content"]
        for cell in notebook["cells"]:
            cell["source"] = answers.get(cell["metadata"].get("nbgrader", {}).get("grade_id"), cell["source"])
        notebook["metadata"]["by"] = self.name  # so that no two are alike
        self._ask("PUT", f"api/contents/{path}", json={"type": "notebook", "format": "json", "content": notebook})
        self._validate(path)
        self._timed("submit", "assignments/submit", {"course_id": COURSE, "assignment_id": lab})

    def _validate(self, path):
        """Click, and click again where the notebook's kernel did not start."""
        started = time.perf_counter()
        for _ in range(CLICKS):
            found = self._ask("POST", "assignments/validate", data={"path": path}).json()
            if found["success"]:
                break
            log = self.hub.server_log(self.name)[-1500:]
            self.failed.append(f"{self.name}: {found['value'].strip().splitlines()[-1]}\n{log}")
        self.took["validate"] = time.perf_counter() - started
        assert found["success"], self.failed

    def _timed(self, step, path, data):
        started = time.perf_counter()
        found = self._ask("POST", path, data=data).json()
        self.took[step] = time.perf_counter() - started
        assert found["success"], found

    def _ask(self, method, path, **more):
        base = f"/user/{self.name}/"
        token = next(each.value for each in self.session.cookies if each.name == "_xsrf" and each.path == base)
        url, headers = f"{self.hub.url}{base}{path}", {"X-XSRFToken": token}
        answer = self.session.request(method, url, headers=headers, timeout=TIMEOUT, **more)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer


def answers_of(root, lab):
    """Return the reference answers by grade_id."""
    from medcourse.grading import cells  # noqa: PLC0415
    from medcourse.grading.notebooks import lab_notebook  # noqa: PLC0415

    found = lab_notebook(root / "solutions" / f"{lab}.py").cells
    return {cells.grade_id(cell): cell.source for cell in found if cells.is_answer(cell)}


def bear(hub, names, lab, answers, *, at_once, as_grader):
    """Let a class work on a hub that has released the lab, and the grader's account collect; see `tests/grader.py`."""
    load = Load(len(names), at_once, lab)
    students = [Student(hub, name) for name in names]
    with Memory(hub) as memory, ThreadPoolExecutor(at_once) as pool:
        list(pool.map(Student.log_in, students))
        started = time.perf_counter()
        list(pool.map(lambda student: student.work(lab, answers), students))
        load.span = round(time.perf_counter() - started, 1)
    load.peak_mb = round(memory.peak_mb)
    load.seconds = {step: [student.took[step] for student in students] for step in students[0].took}
    load.failed = [said for student in students for said in student.failed]
    load.whole = len(arrived(hub, names, lab))
    as_grader(hub, lab, "collect")
    load.collected = sum(
        digest(hub.course / "submitted" / name / lab / f"{lab}.ipynb") == digest(hub.home(name) / lab / f"{lab}.ipynb")
        for name in names
    )
    return load


def arrived(hub, names, lab):
    """Return those whose last submission in the exchange is, byte by byte, what they have at home."""
    inbound = hub.exchange / COURSE / "inbound"
    folders = sorted(inbound.iterdir(), key=lambda path: path.name)
    last = {path.name.split("+")[0]: path for path in folders if f"+{lab}+" in path.name}
    return [
        name
        for name in names
        if name in last and digest(last[name] / f"{lab}.ipynb") == digest(hub.home(name) / lab / f"{lab}.ipynb")
    ]


def digest(path):
    """Return the SHA-256 of a file, None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


class Memory:
    """Watches what the hub's processes take together, for as long as the block lasts."""

    def __init__(self, hub, every_seconds=1.0):
        self.peak_mb, self._every = 0.0, every_seconds
        self._space = Path(f"/proc/{hub._room.pid}/ns/pid").readlink() if hub.is_real else None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while self._space and not self._end.wait(self._every):
            self.peak_mb = max(self.peak_mb, sum(map(self._pss_mb, psutil.pids())))

    def _pss_mb(self, pid):
        try:
            if Path(f"/proc/{pid}/ns/pid").readlink() != self._space:
                return 0.0
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has ended
            return 0.0
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main():
    """Let a class work on a hub of this machine, and say what that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=50, help="students (default: 50)")
    parser.add_argument("--at-once", type=int, default=8, help="how many ask at the same time (default: 8)")
    parser.add_argument("--lab", default="10_unet", help="the lab (default: 10_unet)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    sys.modules["tests"] = ModuleType("tests")  # packages bring folders of that name
    sys.modules["tests"].__path__ = [str(ROOT / "tests")]
    from tests.grader import as_grader  # noqa: PLC0415
    from tests.hubs import running_hub  # noqa: PLC0415

    names = [f"student{number:02}" for number in range(options.size)]
    people = {"ivy": "instructor"} | dict.fromkeys(names, "student")
    load_before = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        running_hub(Path(folder), people, real=True, labs=[options.lab]) as hub,
    ):
        as_grader(hub, options.lab, "generate_assignment", "release_assignment")
        answers = answers_of(Path(folder) / "checkout", options.lab)
        load = bear(hub, names, options.lab, answers, at_once=options.at_once, as_grader=as_grader)
    found = asdict(load) | load.summary()
    found |= {"cores": os.cpu_count(), "machine": platform.machine(), "load_average_before": round(load_before, 1)}
    found |= {"validated_again": len(found.pop("failed"))}
    found.pop("seconds")
    if load.failed:
        print("\n".join(load.failed), file=sys.stderr)
    RESULT.write_text(json.dumps(found, indent=1) + "\n")
    print(
        json.dumps(found, indent=1) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items())
    )
    return 0 if load.whole == load.collected == load.size else 1


if __name__ == "__main__":
    sys.exit(main())
