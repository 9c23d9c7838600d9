"""What holds for every test: no network, no home."""

import ipaddress
import socket

import pytest

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
