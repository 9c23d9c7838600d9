"""What holds for every test: no network, no home; and how tests are dealt out to processes that run side by side."""

import ipaddress
import json
import os
import socket
from pathlib import Path

import pytest

# Processes side by side share the cores. Before torch is imported, which reads it once.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

COSTS = Path(__file__).resolve().parents[1] / "bench" / "results" / "cost.json"

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


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in this hook, too
def pytest_collection_modifyitems(config, items):
    """Keep together what shares costly fixtures, and begin with what takes longest, so that all end together.

    The tests of one lab share its audit, those of one lesson its notebook; of other tests those of a file.
    """
    costs = json.loads(COSTS.read_text())

    def group_of(item):
        path = getattr(item, "callspec", None) and item.callspec.params.get("path")
        return f"{path.parent.name}/{path.stem}" if isinstance(path, Path) else item.path.name

    groups = {item: group_of(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    if getattr(config.option, "dist", "no") != "no" or "PYTEST_XDIST_WORKER" in os.environ:
        # An audit takes about as long as the lab's own experiment.
        weight = {unit: cost["seconds"] * (2 if unit.startswith("solutions/") else 1) for unit, cost in costs.items()}
        items.sort(key=lambda item: -weight.get(groups[item], 0.0))


@pytest.fixture(scope="session")
def small_course(tmp_path_factory):
    """A course of one small lab that the gradebook knows: to be copied, for making one takes seconds."""
    from tests.small_class import make_course  # noqa: PLC0415

    return make_course(tmp_path_factory.mktemp("small") / "course")
