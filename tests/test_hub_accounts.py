"""Accounts of the operating system, made in a room of this machine that has its own."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import medcourse
from tests.rooms import Room

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")
PRELUDE = """
import json, pwd, subprocess, sys
from pathlib import Path
import pamela
from medcourse.errors import CourseError
from medcourse.hub import accounts
from medcourse.hub.layout import Layout
from medcourse.hub.roster import GRADER, Person
layout = Layout(Path("/tmp/hub"))
layout.private.mkdir(parents=True, exist_ok=True)
people = [Person("ivy", "instructor"), Person("ann", "student")]
def shadow():
    return {line.split(":")[0]: line.split(":")[1] for line in Path("/etc/shadow").read_text().splitlines()}
def logs_in(name, password):
    try:
        pamela.authenticate(name, password)
    except pamela.PAMError:
        return False
    return True
"""


@pytest.fixture
def in_room():
    """Run a script in a room of its own, as root, and return what it prints as JSON."""
    room = Room([Path(sys.prefix), Path(sys.base_prefix), Path(medcourse.__file__).parent], [Path(__file__).parents[1]])

    def run(script):
        command = room.enter([sys.executable, "-c", PRELUDE + textwrap.dedent(script)])
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    yield run
    room.close()


def test_who_has_no_account_gets_one_with_a_home_and_a_password_that_opens_it(in_room):
    found = in_room("""
        made = accounts.make_accounts(layout, people)
        passwords = accounts._passwords(layout)
        homes = {name: Path(pwd.getpwnam(name).pw_dir) for name in ["ivy", "ann", GRADER]}
        print(json.dumps({
            "made": made, "known": list(passwords), "again": accounts.make_accounts(layout, people),
            "same": accounts._passwords(layout) == passwords,
            "modes": [oct(home.stat().st_mode & 0o7777) for home in homes.values()],
            "owned": all(home.stat().st_uid == pwd.getpwnam(name).pw_uid for name, home in homes.items()),
            "in": logs_in("ann", passwords["ann"]), "as ivy": logs_in("ivy", passwords["ann"]),
            "grader": shadow()[GRADER][0], "kept": oct((layout.private / "passwords.csv").stat().st_mode & 0o777),
        }))
    """)
    assert found == {
        "made": ["ivy", "ann"], "known": ["ivy", "ann"], "again": [], "same": True, "modes": ["0o700"] * 3,
        "owned": True, "in": True, "as ivy": False, "grader": "!", "kept": "0o600",
    }  # fmt: skip


def test_an_account_that_is_there_is_left_alone(in_room):
    found = in_room("""
        subprocess.run(["useradd", "--create-home", "-K", "HOME_MODE=0750", "ann"], check=True)
        subprocess.run(["chpasswd"], input="ann:of her own", text=True, check=True)
        before = shadow()["ann"]
        made = accounts.make_accounts(layout, people)
        print(json.dumps({
            "made": made, "known": list(accounts._passwords(layout)), "same": shadow()["ann"] == before,
            "mode": oct(Path("/home/ann").stat().st_mode & 0o777), "in": logs_in("ann", "of her own"),
        }))
    """)
    assert found == {"made": ["ivy"], "known": ["ivy"], "same": True, "mode": "0o750", "in": True}


def test_a_run_that_was_cut_off_before_the_password_was_set_is_made_good(in_room):
    found = in_room("""
        real = accounts._run
        def cut(command, given=""):
            if command[0] == "chpasswd":
                raise KeyboardInterrupt
            return real(command, given)
        accounts._run = cut
        try:
            accounts.make_accounts(layout, people)
        except KeyboardInterrupt:
            pass
        locked = shadow()["ann"][0]
        accounts._run = real
        made = accounts.make_accounts(layout, people)
        print(json.dumps({"locked": locked, "made": made, "in": logs_in("ann", accounts._passwords(layout)["ann"])}))
    """)
    assert found == {"locked": "!", "made": [], "in": True}


def test_what_the_system_refuses_is_quoted_in_one_line(in_room):
    found = in_room("""
        subprocess.run(["groupadd", "ann"], check=True)
        try:
            accounts.make_accounts(layout, people)
        except CourseError as error:
            print(json.dumps({"said": str(error)}))
    """)
    assert found["said"].startswith("expected useradd to do its work for ann, got: useradd: group ann exists")
    assert "\n" not in found["said"]


def test_accounts_of_a_room_are_none_of_this_machine(in_room):
    in_room("""
        accounts.make_accounts(layout, [Person("roomonly", "instructor")])
        print(json.dumps(sorted(shadow())))
    """)
    assert "roomonly" not in Path("/etc/passwd").read_text()
    assert not Path("/home/roomonly").exists()
    assert not Path("/tmp/hub").exists()
