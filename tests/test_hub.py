"""A hub that is up: who gets in, what opens, what is refused, and what survives when the hub is killed.

First as a demonstration, with a certificate; then a real one, where everybody has an account of the operating system.
"""

import json
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

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
    assert "/services/course/\n" in demo.output()


def test_what_is_printed_stays_in_view(demo, ann):
    assert "[I " not in demo.output()
    assert "[I " in demo.log()


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


REAL = pytest.mark.skipif(os.geteuid() != 0, reason="accounts need root")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("real"), CLASS, real=True, labs=[MINI]) as hub:
        yield hub


@pytest.fixture(scope="module")
def restarted(real):
    """What was before the hub was killed in the middle of a class, whose file another one took the place of."""
    with real.session("ann") as ann, real.session("ben") as ben, real.session("ivy") as ivy:
        real.start_server(ann, "ann")
        assert status(real, ivy, "services/course/lab") == 200
        servers, course = real.processes("medcourse.hub.person"), real.processes("medcourse.hub.course")
        before = SimpleNamespace(
            ann=ann, ben=ben, ivy=ivy, servers=servers, course=course,
            owners=[each.uids().real for each in servers + course],
            token=real.token("ben"), password=real.password("ann"),
            kernel=real.post(ann, "user/ann/api/kernels").json()["id"],
        )  # fmt: skip
        real.change_class({"ivy": "student", "zoe": "instructor", "ann": "student"})
        real.kill()
        real.start()
        yield before


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
def test_a_server_runs_as_its_person_and_survives_the_hub(real, restarted):
    assert restarted.owners == [real.home("ann").stat().st_uid, real.home(GRADER).stat().st_uid]
    assert real.processes("medcourse.hub.person") == restarted.servers
    kernels = restarted.ann.get(f"{real.url}/user/ann/api/kernels", timeout=60).json()
    assert [each["id"] for each in kernels] == [restarted.kernel]
    # The course's own server is a new one, and the old is gone.
    psutil.wait_procs(restarted.course, timeout=30)
    (fresh,) = real.processes("medcourse.hub.course")
    assert fresh not in restarted.course
    assert real.password("ann") == restarted.password


@REAL
def test_who_left_the_class_is_out_with_all_sessions_and_tokens(real, restarted):
    assert status(real, restarted.ben, "hub/api/user") == 403
    with requests.Session() as session:
        session.trust_env, session.headers = False, {"Authorization": f"token {restarted.token}"}
        assert status(real, session, "hub/api/user") == 403


@REAL
def test_who_is_an_instructor_no_more_loses_the_course_and_who_is_one_now_has_it(real, restarted):
    assert status(real, restarted.ivy, "hub/home") == 200
    for page in ("services/course/lab", "hub/admin"):
        assert status(real, restarted.ivy, page) == 403
    with real.session("zoe") as zoe:
        assert status(real, zoe, "services/course/lab") == 200


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
        ("chmod 644 CHECKOUT/../key.pem", "chmod 600 CHECKOUT/../key.pem", "/key.pem: run `chmod go= "),
        ("chmod 755 /home/ann", "chmod 700 /home/ann", "can read /home/ann: run `chmod go= /home/ann`"),
        ("usermod -aG sudo ann", "gpasswd -d ann sudo", "ann is in the group sudo"),
        ("chmod 700 /srv", "chmod 755 /srv", "expected everybody's server to read /srv, but /srv is closed"),
    ],
    ids=["solutions", "key", "home", "group", "closed"],
)
def test_a_real_hub_does_not_start_while_a_secret_is_open_or_the_course_closed(real, open_, close, said):
    """In the same room, with another folder: it says what is wrong, and nothing was made."""
    checkout = real.layout.folder.parent / "checkout"
    cert, key = make_certificate(checkout.parent / "cert.pem", checkout.parent / "key.pem")
    class_file = str(checkout.parent / "class.csv")
    command = [sys.executable, "-m", "medcourse.cli", "hub", class_file, "--folder", "/srv/second", "--check"]
    command += ["--cert", str(cert), "--key", str(key)]
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
