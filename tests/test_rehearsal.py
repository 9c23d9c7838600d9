"""A rehearsal of deploy/kubernetes on several hosts: submissions travel to them by TLS, and each part of it dies.

Hosts are network namespaces, pods are confined as a container runtime does it, and what runs in them are the command
lines of the manifests. What a cluster does by itself, starting again what ended, `Kubelet` does here.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from medcourse.grading import workforce
from medcourse.grading.classroom import grade_class
from medcourse.grading.engines import close_engine
from tests import pods
from tests.hosts import Network
from tests.processes import family
from tests.small_class import LAB, ROOT, WRONG, Here, environment, gradebook, hand_in, journal, submission

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not pods.may_confine(), reason="makes namespaces, which only root may"),
]

MANIFESTS = ROOT / "deploy" / "kubernetes"
STUDENTS = 12
SILENCE = "11s"  # the least that Dask can wait for a host that says nothing; the manifests have 15


def container(role):
    """Return a container of the grading cluster as its manifest has it."""
    for document in yaml.safe_load_all((MANIFESTS / "grading.yaml").read_text()):
        if document["kind"] == "Deployment" and document["metadata"]["name"] == f"dask-{role}":
            (found,) = document["spec"]["template"]["spec"]["containers"]
            return found
    raise AssertionError(role)


@dataclasses.dataclass
class Kubelet:
    """Keeps a pod alive on a host: what ends is started again."""

    host: object
    role: str
    scheduler: str
    certificates: Path
    package: Path | None = None
    process: object = None
    starts: int = 0
    stopped: bool = False
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def close(self):
        """Let it end for good."""
        self.stop()
        self.host.close()

    def stop(self):
        """Start it no more."""
        with self.lock:
            self.stopped = True

    def tend(self):
        """Start it again if it ended."""
        with self.lock:
            if not self.stopped and self.process.poll() is not None:
                self.start()

    def kill(self):
        """Kill what runs in the pod, and with it the pod."""
        _guard, first, *_ = family(self.process.pid)
        os.kill(first, signal.SIGKILL)

    def start(self):
        self.starts += 1
        made = container(self.role)
        argv = [
            sys.executable,
            *made["command"][1:],
            *(arg.replace("dask-scheduler", self.scheduler) for arg in made["args"]),
        ]
        settings = {each["name"]: each["value"] for each in made["env"]} | {
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": SILENCE
        }
        tls = next(each["mountPath"] for each in made["volumeMounts"] if each["name"] == "tls")
        scratch = next(each["mountPath"] for each in made["volumeMounts"] if each["name"] == "scratch")
        self.process = self.host.start(
            pods.command(argv, package=self.package, files={tls: str(self.certificates / self.role)}, scratch=scratch),
            env=settings | {"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self


class Cluster:
    """A scheduler and workers as pods, a host each, and the host of an instructor."""

    def __init__(self, network, certificates, workers):
        self.network, self.certificates = network, certificates
        scheduler, self.instructor = network.host(), network.host()
        self.address = f"tls://{scheduler.address}:8786"
        self.scheduler = Kubelet(scheduler, "scheduler", scheduler.address, certificates)
        self.workers = [self.worker() for _ in range(workers)]
        for each in (self.scheduler, *self.workers):
            each.start()
        self._is_over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def worker(self, package=None):
        return Kubelet(self.network.host(), "worker", self.scheduler.host.address, self.certificates, package)

    def close(self):
        self._is_over.set()
        self._watcher.join()

    def _watch(self):
        while not self._is_over.wait(0.2):
            for each in (self.scheduler, *self.workers):
                each.tend()

    def connected(self):
        """Return the addresses that the scheduler's port is connected to."""
        lines = Path(f"/proc/{self.scheduler.host.holder}/net/tcp").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        remote = [
            there.partition(":")[0] for _, here, there, state, *_ in fields if here.endswith(":2252") and state == "01"
        ]
        return {".".join(str(part) for part in reversed(bytes.fromhex(each))) for each in remote}

    def wait(self, seconds=60):
        """Wait until all workers are there."""
        deadline = time.monotonic() + seconds
        while not self.connected() >= {each.host.address for each in self.workers}:
            assert time.monotonic() < deadline, (self.connected(), [each.host.address for each in self.workers])
            time.sleep(0.1)

    def settings(self, certificates):
        """Return what Dask's configuration says on the instructor's host."""
        return {
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": f"{certificates}/ca.pem",
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": f"{certificates}/cert.pem",
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": f"{certificates}/key.pem",
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": SILENCE,
        }

    def grade(self, root):
        """Start `medcourse grade` on the instructor's host."""
        settings = self.settings(self.certificates / "client")
        return self.instructor.start(
            [sys.executable, "-W", "error", "-m", "medcourse.cli", "grade", LAB, "--cluster", self.address],
            env=environment(root, MEDCOURSE_SECRET_SEED="1", **settings),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def said(process):
    """Return a command's exit code, and what it printed on standard output and error."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def make_certificates(folder):
    """Make certificates as an administrator does, and lay them out as the secrets of the manifests."""
    subprocess.run([ROOT / "deploy" / "certificates.sh", folder / "made"], check=True, capture_output=True)
    for role in ("scheduler", "worker", "client"):
        (folder / role).mkdir()
        for source, name in (("ca.pem", "ca.pem"), (f"{role}.pem", "cert.pem"), (f"{role}-key.pem", "key.pem")):
            shutil.copy(folder / "made" / source, folder / role / name)
            os.chown(folder / role / name, pods.USER, pods.USER)
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = make_certificates(tmp_path_factory.mktemp("certificates"))
    with Network() as network:
        made = Cluster(network, folder, workers=3)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def folder(small_course, tmp_path_factory):
    """A class: right, wrong, and one that ends its process; each takes more than half a second."""
    root = shutil.copytree(small_course, tmp_path_factory.mktemp("rehearsal") / "course")
    slow = "import time\ntime.sleep(0.6)\nnumber_of_steps = 7"
    for number in range(STUDENTS):
        edits = [{}, WRONG, {"window": "def window(*_):\n    import os\n    os._exit(0)"}][number % 3]
        hand_in(root, f"s{number:02}", submission(root, **edits | {"steps": slow}))
    return root


@pytest.fixture(scope="module")
def expected(cluster, folder, tmp_path_factory):
    """What the gradebook has when this machine alone grades the class; meanwhile the cluster starts."""
    root = shutil.copytree(folder, tmp_path_factory.mktemp("alone") / "course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workforce, "Workforce", Here)
        patch.setenv("MEDCOURSE_SECRET_SEED", "1")
        assert grade_class(root, LAB).is_complete
    close_engine()
    return gradebook(root)


@pytest.fixture
def root(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "course")


def wait_for(root, number, run):
    """Wait until so many grades are recorded."""
    path = root / "grading" / f"{LAB}.jsonl"
    deadline = time.monotonic() + 90
    while not path.exists() or path.read_text().count('"recorded"') < number:
        assert run.poll() is None, said(run)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_each_once(root):
    """Nobody is graded or recorded twice, and nobody is left out."""
    events = Counter((entry["event"], entry["student"]) for entry in journal(root) if "student" in entry)
    assert set(events.values()) == {1}
    assert len(events) == 2 * STUDENTS
    assert {entry["tier"] for entry in journal(root) if entry["event"] == "result"} == {"landlock"}


@pytest.fixture(scope="module")
def foreign(cluster, tmp_path_factory):
    """A worker with another version of the course, on a host that is not yet connected."""
    package = tmp_path_factory.mktemp("other") / "medcourse"
    shutil.copytree(pods.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "_version.py").write_text('__version__ = "0.0.1"\n')
    made = cluster.worker(package)
    made.host.cut()
    made.start()
    yield made
    made.close()


def test_deaths_of_workers_cost_no_grade_and_another_version_gets_no_work(cluster, root, expected, foreign):
    cluster.wait()
    run = cluster.grade(root)
    wait_for(root, 1, run)
    dying, cut_off, _ = cluster.workers
    dying.kill()
    foreign.host.mend()
    wait_for(root, 3, run)
    cut_off.host.cut()
    cut_at = time.monotonic()
    while foreign.host.address not in cluster.connected():
        assert run.poll() is None, "the run was over before the other version came"
        time.sleep(0.05)
    code, out, err = said(run)
    took = time.monotonic() - cut_at
    print(f"{took:.1f} s from the cut to the end")
    cut_off.host.mend()
    assert (code, err) == (0, "")
    assert f"{STUDENTS} of {STUDENTS} in the gradebook, {STUDENTS} run now" in out
    assert gradebook(root) == expected
    assert_each_once(root)
    assert dying.starts == 2
    assert took > 5, "nothing was under way on the host that was cut off"


def test_no_run_starts_with_a_worker_of_another_version(cluster, root, foreign):
    code, out, err = said(cluster.grade(root))
    assert (code, out) == (2, "")
    assert err.startswith(f"medcourse: expected this version of medcourse at {cluster.address}, another is on 1 of ")
    assert err.endswith(f" workers (tls://{foreign.host.address}:8788): install this one\n")
    foreign.close()


def test_a_scheduler_that_dies_is_one_line_and_the_same_command_goes_on(cluster, root, expected):
    run = cluster.grade(root)
    wait_for(root, 3, run)
    cluster.scheduler.stop()
    cluster.scheduler.kill()
    code, out, err = said(run)
    line = f"medcourse: the cluster at {cluster.address} went away: what was graded is kept, run again for the rest\n"
    assert (code, out, err) == (2, "", line)
    known = sum(entry["event"] == "result" for entry in journal(root))
    assert 3 <= known < STUDENTS
    cluster.workers.pop().close()  # two of them will do from here on
    cluster.scheduler.start()
    cluster.scheduler.stopped = False
    cluster.wait()
    code, out, err = said(cluster.grade(root))
    assert (code, err) == (0, "")
    assert f"{STUDENTS} of {STUDENTS} in the gradebook, {STUDENTS - known} run now" in out
    assert gradebook(root) == expected
    assert_each_once(root)


STRANGER = """
import sys
from medcourse.errors import CourseError
from medcourse.grading.workforce import Workforce

with Workforce(1, sys.argv[1]) as force:
    try:
        force.client
    except CourseError as error:
        print(error)
"""


def test_a_stranger_reaches_no_scheduler(cluster, tmp_path):
    strangers = make_certificates(tmp_path / "strangers") / "client"
    code, out, err = cluster.instructor.run(
        [sys.executable, "-c", STRANGER, cluster.address], env=environment(tmp_path, **cluster.settings(strangers))
    )
    assert (code, err) == (0, "")
    assert out.startswith(f"expected a Dask scheduler at {cluster.address}, reached none in 10 s: TLS certificate")
    assert out.count("\n") == 1
