"""Inside a pod, without capabilities and with the runtime's filter of calls, the sandbox has its tier `landlock`: it grades,
and what a submission tries there gets nowhere."""

import json
import os
import re
import sys
import textwrap

import pytest

from tests import pods

pytestmark = pytest.mark.skipif(not pods.may_confine(), reason="makes namespaces, which only root may")

# Runs in the pod, as a Dask worker's process would. What a submission tried comes back as text that a test cell was given.
GRADES = """
    import json, os, socket, sys
    from medcourse.grading.plan import Cell, Limits
    from medcourse.grading.sandbox.engine import Engine

    listening = socket.create_server(("127.0.0.1", 0))
    os.environ["DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY"] = "/tls/key.pem"
    answers = json.load(open("/given/answers.json"))
    setup = Cell("setup", "import os\\nfrom medcourse.testing import close", trusted=True)
    cells = [setup]
    for name, source in answers.items():
        source = source.replace("PORT", str(listening.getsockname()[1])).replace("PARENT", str(os.getpid()))
        cells.append(Cell(name, source))
        cells.append(Cell(f"{name}_works", f"close({name}(), 'nothing')", 1.0, name, trusted=True))
    with Engine(minimum_tier="landlock") as engine:
        run = engine.run(cells, limits=Limits(), seed=1)
        print(json.dumps([engine.reasons, {each.id: [each.score, each.message] for each in run.exercises}, run.tier]))
"""
TRIES = {
    "honest": "return 'nothing'",
    "key": "return open('/tls/key.pem').read()",
    "environ": "return str(dict(os.environ)) if 'DASK' in str(dict(os.environ)) else 'nothing'",
    "worker": "return open('/proc/PARENT/environ').read()",
    "connect": "import socket\n    return str(socket.create_connection(('127.0.0.1', PORT), 2))",
    "namespace": "import ctypes\n    return 'nothing' if ctypes.CDLL(None).unshare(0x10000000) else 'a namespace'",
    "program": "import subprocess\n    return subprocess.run(['id'], capture_output=True, text=True).stdout",
    "kill": "import os\n    os.kill(PARENT, 0)\n    return 'alive'",
    "write": "open('/scratch/left', 'w').write('x')\n    return 'written'",
    "folder": "return str(os.listdir('/tls'))",
}
HARMLESS = {"honest", "environ", "namespace"}  # these say 'nothing' where they got nothing; the others raise


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pod")
    given, tls = folder / "given", folder / "tls"
    given.mkdir()
    tls.mkdir()
    answers = {name: f"def {name}():\n    import os\n    {source}" for name, source in TRIES.items()}
    (given / "answers.json").write_text(json.dumps(answers))
    (tls / "key.pem").write_text("a key")
    os.chown(tls / "key.pem", pods.USER, pods.USER)
    done = pods.run(
        [sys.executable, "-c", textwrap.dedent(GRADES)],
        files={"/given": str(given), "/tls": str(tls)},
        scratch="/scratch",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_tier_is_landlock_for_the_reason_that_a_pod_has(graded):
    reasons, _, tier = graded
    assert tier == "landlock"
    assert reasons["landlock"] == ""
    assert "unshare: Operation not permitted" in reasons["namespaces"]


@pytest.mark.parametrize("name", TRIES)
def test_a_submission_is_graded_and_gets_nowhere(graded, name):
    score, message = graded[1][f"{name}_works"]
    assert (score == 1.0) is (name in HARMLESS), message
    assert name in HARMLESS or re.match(r"PermissionError|OSError: \[Errno 38\]", message)
    assert "a key" not in message
    assert "DASK" not in message


def test_the_pod_alone_would_let_it_have_the_key(tmp_path):
    """What is refused above, the sandbox refuses: the worker's own process, in the same pod, can do it."""
    tls = tmp_path / "tls"
    tls.mkdir()
    (tls / "key.pem").write_text("a key\n")
    os.chown(tls / "key.pem", pods.USER, pods.USER)
    asked = "cat /tls/key.pem; id -u; ls /proc/1/environ; touch /tmp/here && echo written"
    done = pods.run(["sh", "-c", asked], files={"/tls": str(tls)})
    assert done.stdout.splitlines() == ["a key", str(pods.USER), "/proc/1/environ", "written"]


def test_a_pod_is_confined_as_its_manifest_says():
    asked = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; touch /no; unshare --user true; mount -t proc proc /proc"
    done = pods.run(["sh", "-c", asked])
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        "CapEff:": "0" * 16, "CapBnd:": "0" * 16, "NoNewPrivs:": "1", "Seccomp:": "2",
    }  # fmt: skip
    refused = done.stderr.splitlines()
    assert len(refused) >= 3
    assert "Read-only file system" in refused[0]
    assert "Operation not permitted" in refused[1]
