"""A hub that is up: who gets in, what opens, what is refused, and what survives when the hub is killed.

First as a demonstration, with a certificate; then a real one, where everybody has an account of the operating system.
"""

import json
import os
import stat
import sys
from pathlib import Path

import psutil
import pytest
import requests

from medcourse.hub.roster import GRADER
from tests.certificates import make_certificate
from tests.hubs import MINI, running_hub

CLASS = {"ivy": "instructor", "ann": "student", "ben": "student"}
LAB_SECONDS = 90
"""Within which Lab opens after the login, on a machine that does other things besides; on an idle one it takes 4 s."""

FORBIDDEN = (
    "services/course/",
    "services/course/lab",
    "services/course/formgrader",
    "services/course/api/contents/solutions",
    "user/ivy/",
    "user/ivy/lab",
    "user/ivy/api/contents",
    "hub/admin",
    "hub/api/users",
    "hub/api/users/ivy",
    "hub/api/proxy",
    "hub/api/info",
    "hub/api/services",
    "hub/spawn/ivy",
    "hub/metrics",
)
ABSENT = (
    "user/ann/formgrader",
    "user/ann/formgrader/api/assignments",
    "user/ann/formgrader/class",
    "user/ann/formgraders",
)
pytestmark = pytest.mark.slow


def status(hub, session, page):
    return session.get(f"{hub.url}/{page}", timeout=60).status_code


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    cert, key = make_certificate(folder / "cert.pem", folder / "key.pem")
    with running_hub(folder, CLASS, labs=[MINI], arguments=["--cert", str(cert), "--key", str(key)]) as hub:
        yield hub


@pytest.fixture(scope="module")
def ann(demo):
    """A student of the demonstration whose server runs."""
    with demo.session("ann") as session:
        seconds = demo.start_server(session, "ann")
        print(f"from login to Lab: {seconds:.1f} s")
        assert seconds < LAB_SECONDS
        yield session


def test_who_is_not_in_the_class_or_has_no_password_stays_out(demo):
    for name, password in (("ann", "password"), ("eve", demo.password("ann")), ("root", demo.password("ann"))):
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(demo.private.parents[1] / "cert.pem")
            session.get(f"{demo.url}/hub/login", timeout=60)
            xsrf = session.cookies["_xsrf"]
            data = {"username": name, "password": password, "_xsrf": xsrf}
            answer = session.post(f"{demo.url}/hub/login?next=/hub/home", data=data, timeout=60)
            assert answer.status_code == 403
            assert status(demo, session, "hub/api/user") == 403


def test_the_password_is_drawn_and_printed_with_a_warning(demo):
    assert len(demo.password("ann")) >= 12
    assert f"password of all: {demo.password('ann')}" in demo.output()
    assert "everybody shares your account" in demo.output()


@pytest.mark.parametrize("page", FORBIDDEN)
def test_a_student_is_refused(demo, ann, page):
    assert status(demo, ann, page) in {403, 404}


@pytest.mark.parametrize("page", ABSENT)
def test_a_students_own_server_has_no_such_page(demo, ann, page):
    assert status(demo, ann, page) == 404


def test_a_student_has_lessons_and_the_list_of_labs(demo, ann):
    assert status(demo, ann, "user/ann/assignments?course_id=medcourse") == 200
    found = ann.get(f"{demo.url}/user/ann/api/contents", timeout=60).json()["content"]
    assert "lessons" in {each["name"] for each in found}
    page = ann.get(f"{demo.url}/user/ann/lab", timeout=60).text
    off = json.loads(page.partition('id="jupyter-config-data" type="application/json">')[2].partition("</script>")[0])
    assert {"@jupyter/nbgrader:formgrader", "@jupyter/nbgrader:course-list"} <= set(off["disabledExtensions"])


def test_an_instructor_opens_the_course_and_no_ones_server(demo, ann):
    with demo.session("ivy") as ivy:
        for page in ("services/course/lab", "services/course/formgrader", "services/course/api/contents/solutions"):
            assert status(demo, ivy, page) == 200
        assert status(demo, ivy, "user/ann/api/contents") == 403
        assert status(demo, ivy, "hub/admin") == 200
        for page in ("hub/api/shutdown", "hub/api/users/eve", "hub/api/users/ann/tokens"):
            assert demo.post(ivy, page, json={}).status_code in {403, 404}


def test_a_token_may_do_what_its_owner_may(demo):
    headers = {"Authorization": f"token {demo.token('ann')}"}
    with requests.Session() as session:
        session.trust_env, session.verify, session.headers = False, str(demo.private.parents[1] / "cert.pem"), headers
        assert session.get(f"{demo.url}/hub/api/user", timeout=60).json()["name"] == "ann"
        assert status(demo, session, "hub/api/users/ben") in {403, 404}
        assert status(demo, session, "hub/api/users") == 403


def test_nbgrader_knows_who_is_who_where_all_share_an_account(demo, ann):
    released = demo.as_user(GRADER, ["nbgrader", "release_assignment", MINI])
    assert released.returncode == 0, released.stderr
    data = {"course_id": "medcourse", "assignment_id": MINI}
    for action in ("fetch", "submit"):
        done = demo.post(ann, f"user/ann/assignments/{action}", data=data)
        assert done.json()["success"], done.text
    (handed_in,) = (demo.exchange / "medcourse" / "inbound").iterdir()
    assert handed_in.name.startswith(f"ann+{MINI}+")


def test_who_leaves_the_class_is_out_and_who_is_demoted_loses_the_course(demo, ann):
    """Sessions, tokens and servers of before count for nothing; those of others go on."""
    with demo.session("ivy") as ivy, demo.session("ben") as ben:
        token = {"Authorization": f"token {demo.token('ben')}"}
        assert status(demo, ivy, "services/course/lab") == 200
        demo.change_class({"ivy": "student", "zoe": "instructor", "ann": "student"})
        demo.kill()
        demo.start()
        assert status(demo, ivy, "services/course/lab") == 403
        assert status(demo, ivy, "hub/admin") == 403
        assert ben.get(f"{demo.url}/hub/api/user", timeout=60).status_code == 403
        assert requests.get(f"{demo.url}/hub/api/user", headers=token, verify=ben.verify, timeout=60).status_code == 403
        assert status(demo, ann, "user/ann/api/status") == 200
    with demo.session("zoe") as zoe:
        assert status(demo, zoe, "services/course/lab") == 200


REAL = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("real"), CLASS, real=True, labs=[MINI]) as hub:
        yield hub


def owner(process):
    return process.uids().real


@REAL
def test_everybody_has_an_account_and_a_password_of_their_own(real):
    passwords = {name: real.password(name) for name in CLASS}
    assert len(set(passwords.values())) == len(CLASS)
    assert stat.S_IMODE((real.private / "passwords.csv").stat().st_mode) == 0o600
    homes = {name: real.home(name).stat() for name in [*CLASS, GRADER]}
    assert len({home.st_uid for home in homes.values()}) == len(homes)
    assert {stat.S_IMODE(home.st_mode) for home in homes.values()} == {0o700}
    assert not {each.partition(":")[0] for each in Path("/etc/passwd").read_text().splitlines()} & {*CLASS, GRADER}


@REAL
def test_a_server_runs_as_its_person_and_survives_the_hub(real):
    with real.session("ann") as ann:
        real.start_server(ann, "ann")
        before = real.processes("medcourse.hub.person")
        assert [owner(each) for each in before] == [real.home("ann").stat().st_uid]
        course = real.processes("medcourse.hub.course")
        assert [owner(each) for each in course] == [real.home(GRADER).stat().st_uid]
        kernel = real.post(ann, "user/ann/api/kernels")
        assert kernel.status_code == 201, kernel.text
        password = real.password("ann")

        real.kill()
        real.start()

        assert real.processes("medcourse.hub.person") == before
        assert [each["id"] for each in ann.get(f"{real.url}/user/ann/api/kernels", timeout=60).json()] == [
            kernel.json()["id"]
        ]
        # The course's own server is a new one, and the old is gone.
        psutil.wait_procs(course, timeout=30)
        (fresh,) = real.processes("medcourse.hub.course")
        assert fresh not in course
        assert real.password("ann") == password
        assert status(real, ann, "services/course/lab") == 403


@REAL
@pytest.mark.parametrize("name", ["course", "course/solutions", "private", "private/passwords.csv", "checkout"])
def test_a_student_reads_no_secret_and_the_grader_none_of_the_hubs(real, name):
    path = str((real.layout.folder.parent if name == "checkout" else real.layout.folder) / name)
    reading = ["sh", "-c", 'cat "$1" 2>/dev/null || ls "$1"', "sh", path]
    assert real.as_user("ann", reading).returncode != 0
    assert real.as_user("ivy", reading).returncode != 0
    assert real.as_user("root", reading).returncode == 0
    assert (real.as_user(GRADER, reading).returncode == 0) == name.startswith("course")


@REAL
def test_lists_of_processes_show_no_secret(real):
    shown = real.as_user("ann", ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).stdout
    state = json.loads((real.private / "hub.json").read_text())
    assert "medcourse.hub.course" in shown
    for secret in (state["proxy_token"], state["password"], *(real.password(name) for name in CLASS)):
        assert secret not in shown


@REAL
@pytest.mark.parametrize(
    ("open_", "close", "said"),
    [
        ("chmod 755 CHECKOUT", "chmod 700 CHECKOUT", "can read CHECKOUT/solutions"),
        ("chmod 755 /home/ben", "chmod 700 /home/ben", "can read /home/ben: run `chmod go= /home/ben`"),
        ("usermod -aG sudo ann", "gpasswd -d ann sudo", "ann is in the group sudo"),
        ("chmod 700 /srv", "chmod 755 /srv", "expected everybody's server to read /srv, but /srv is closed"),
    ],
    ids=["solutions", "home", "group", "closed"],
)
def test_a_real_hub_does_not_start_while_a_secret_is_open_or_the_course_closed(real, open_, close, said):
    """In the same room, with another folder: it says what is wrong, and nothing was made."""
    checkout = real.layout.folder.parent / "checkout"
    class_file = str(checkout.parent / "class.csv")
    command = [sys.executable, "-m", "medcourse.cli", "hub", class_file, "--folder", "/srv/second", "--check"]
    shell = ["sh", "-c"]
    real.as_user("root", [*shell, open_.replace("CHECKOUT", str(checkout))], check=True)
    try:
        done = real.as_user("root", command, env={"MEDCOURSE_ROOT": str(checkout)}, cwd="/")
    finally:
        real.as_user("root", [*shell, close.replace("CHECKOUT", str(checkout))], check=True)
    assert done.returncode == 2
    assert said.replace("CHECKOUT", str(checkout)) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not real.see("/srv/second").exists()
