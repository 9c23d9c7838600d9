"""What holds for every test: no network, no home; and how tests are dealt out to processes that run side by side."""

import ipaddress
import json
import os
import re
import socket
from pathlib import Path

import pytest

# Processes side by side share the cores. Before torch is imported, which reads it once.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

COSTS = Path(__file__).resolve().parents[1] / "bench" / "results" / "cost.json"
SHARES = {"test_labs": ("solutions/", 3), "test_three_ways": ("solutions/", 2), "test_lessons": ("course/", 1)}
"""Files whose tests belong to units, and about how often they take a lab's or a lesson's own time."""

# Labs and proofs are data to tests; with --doctest-modules pytest would run them as modules.
collect_ignore_glob = ["data/*", "labs/*"]


def _is_here(host):
    if host in {None, "", b"", "localhost", b"localhost", socket.gethostname()}:
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _no_network():
    """Fail a test that reaches beyond this machine; loopback and Unix sockets are free.

    `pytest.fail` raises a BaseException, so that no `except Exception` of a library can swallow it.
    """

    def guard(name, host_of):
        original = getattr(socket, name) if hasattr(socket, name) else getattr(socket.socket, name)

        def guarded(*args, **kwargs):
            host = host_of(*args)
            if not _is_here(host):
                pytest.fail(f"a test reached for the network: {name} {host!r}")
            return original(*args, **kwargs)

        return guarded

    def host_of_address(sock, *args):
        # Unix sockets have a path for an address, and sendto has it last.
        return args[-1][0] if sock.family in {socket.AF_INET, socket.AF_INET6} else None

    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, method, guard(method, host_of_address))
        patch.setattr(socket, "getaddrinfo", guard("getaddrinfo", lambda host, *_: host))
        yield


@pytest.fixture(autouse=True)
def _no_home(monkeypatch, tmp_path_factory):
    """Keep data where it is thrown away."""
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path_factory.mktemp("data")))


def group_of(nodeid):
    """What stays together on one process: of labs and lessons the tests of one unit, of all else those of a file."""
    file, _, test = nodeid.partition("::")
    unit = re.search(r"\[(\d\d_\w+)\]", test)
    return f"{Path(file).stem} {unit[1]}" if unit and Path(file).stem in SHARES else file


def pytest_collection_modifyitems(config, items):
    """Begin with what takes longest, so that all processes end at about the same time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        costs = json.loads(COSTS.read_text())
        weight = {
            f"{file} {unit.partition('/')[2]}": share * cost["seconds"]
            for file, (kind, share) in SHARES.items()
            for unit, cost in costs.items()
            if unit.startswith(kind)
        }
        items.sort(key=lambda item: -weight.get(group_of(item.nodeid), 0.0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Deal out groups; pytest-xdist 3.8's own `loadgroup` finds no group with pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return ByGroup(config, log)


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    """A course of one small lab that the gradebook knows: to be copied, for making one takes seconds."""
    from tests.small_class import make_course  # noqa: PLC0415

    return make_course(tmp_path_factory.mktemp("small") / "course")


@pytest.fixture(scope="session")
def postgres():
    """A server of PostgreSQL of the tests' own."""
    from tests.postgres import running_postgres  # noqa: PLC0415

    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_course(small_course, postgres, tmp_path_factory):
    """The small course with its gradebook in PostgreSQL: to be copied, too."""
    from tests.kept_course import keep_course  # noqa: PLC0415

    root = tmp_path_factory.mktemp("postgres") / "course"
    return keep_course(small_course, root, postgres.create("template"), postgres)


@pytest.fixture(scope="session")
def site():
    """The course's site, built unless it stands there; what `test_lessons` ran is not run again."""
    from medcourse.site.build import build_site  # noqa: PLC0415

    return build_site(COSTS.parents[2]).folder


@pytest.fixture(scope="module")
def one_engine():
    """End the engine that tests of a file share in this process."""
    from medcourse.grading.engines import close_engine  # noqa: PLC0415

    yield
    close_engine()


@pytest.fixture
def here(monkeypatch):
    """Let this process be all of a class's workers."""
    from medcourse.grading import workforce  # noqa: PLC0415
    from tests.small_class import Here  # noqa: PLC0415

    monkeypatch.setattr(workforce, "Workforce", Here)
    return Here
