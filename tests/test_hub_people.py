"""A server is known again by more than its number, which after a restart of the machine is another's."""

import os
import subprocess
import sys

import pytest

from medcourse.hub.people import AccountSpawner, DemoSpawner, identity


@pytest.mark.parametrize("spawner", [AccountSpawner, DemoSpawner])
def test_a_server_that_runs_is_taken_up_and_another_process_of_its_number_is_not(spawner):
    before = spawner()
    before.pid = os.getpid()
    state = before.get_state()
    after = spawner()
    after.load_state(state)
    assert after.pid == os.getpid()
    after.load_state(state | {"identity": "another boot 17"})
    assert after.pid == 0
    assert "identity" not in spawner().get_state()


def test_no_two_processes_have_one_identity():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert identity(other.pid) == identity(other.pid) != identity(os.getpid())
        other.stdin.close()
    assert identity(other.pid) == ""
