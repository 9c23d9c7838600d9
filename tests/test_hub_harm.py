"""What a student's own account can do to others on a hub: mallory tries, as herself, and gets nowhere or is told of.

Every attack on files is first tried by root, who must get through: so that a path that is not there proves nothing.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from medcourse.grading.aside import read_aside
from medcourse.hub.roster import GRADER
from tests.grader import as_grader
from tests.hubs import MINI, running_hub
from tests.mallory import CHANGE, HAND_IN, KNOCK, LISTEN, PROCESSES, PROXY, READ, SPEAK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="expected root: each person is an account of a room of its own"),
]

CLASS = {"ivy": "instructor", "ann": "student", "mallory": "student"}
PATIENCE = 120
REFUSED = {403, 404, 405}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A real hub on which the lab is released; ann and mallory have servers, and ann has handed in."""
    with running_hub(tmp_path_factory.mktemp("harm"), CLASS, real=True, labs=[MINI]) as hub:
        as_grader(hub, MINI, "generate_assignment", "release_assignment")
        hub.tokens = {name: hub.token(name) for name in ("ann", "mallory")}
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: hub.start_server(hub.session(name), name), ("ann", "mallory")))
        for action in ("fetch", "submit"):
            answer = ask(hub, "ann", "POST", f"user/ann/assignments/{action}", data=LAB_OF_COURSE)
            assert answer.json()["success"], answer.text
        yield hub


SUBMITTED = "assignments?course_id=medcourse"
LAB_OF_COURSE = {"assignment_id": MINI, "course_id": "medcourse"}


def ask(hub, name, method, path, **more):
    """Ask hub or server with somebody's token."""
    headers = {"Authorization": f"token {hub.tokens[name]}"} if name else {}
    return requests.request(
        method, f"{hub.url}/{path}", headers=headers, timeout=PATIENCE, allow_redirects=False, **more
    )


def run(hub, name, script, *arguments):
    """Run Python as somebody, and return what it prints, an object."""
    done = hub.as_user(name, [sys.executable, "-I", "-c", script, *map(str, arguments)])
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def inside(hub, path):
    """Return a path as the room has it."""
    return Path("/") / path.relative_to(hub._room.see(Path("/")))


def only_root_reads(hub, *paths):
    paths = [str(path) for path in paths]
    assert run(hub, "root", READ, *paths) == dict.fromkeys(paths, "read"), "the paths are there"
    assert run(hub, "mallory", READ, *paths) == dict.fromkeys(paths, "PermissionError")


def inbound(hub, name="ann"):
    return next(path for path in (hub.exchange / "medcourse" / "inbound").iterdir() if path.name.startswith(f"{name}+"))


# Files.


def test_anothers_home(hub):
    home = Path("/home/ann")
    only_root_reads(hub, home, home / MINI / f"{MINI}.ipynb", home / ".medcourse-server.log")


def test_the_course_its_solutions_journal_and_gradebook(hub):
    course = inside(hub, hub.course)
    # As careless as can be: the course's folder is closed.
    done = hub.as_user(GRADER, ["sh", "-c", "umask 022; mkdir -p grading; echo 1 > grading/secret_seed"])
    assert done.returncode == 0, done.stderr
    source = course / "build" / "source" / MINI / f"{MINI}.ipynb"
    only_root_reads(
        hub,
        course,
        course / "solutions" / f"{MINI}.py",
        source,
        course / "gradebook.db",
        course / "grading" / "secret_seed",
    )


def test_the_hubs_own_folder_with_database_secrets_and_passwords(hub):
    private = inside(hub, hub.private)
    names = ["hub.sqlite", "cookie_secret", "passwords.csv", "hub.json", "hub.log", "jupyterhub_config.py"]
    only_root_reads(hub, private, *(private / name for name in names))


def test_what_others_handed_in_is_neither_listed_nor_read_by_who_knows_its_name(hub):
    place = inside(hub, inbound(hub))
    only_root_reads(hub, place.parent, place, place / f"{MINI}.ipynb", place / "submission_secret.txt")
    guess = place.with_name(place.name.rsplit("+", 1)[0])
    assert run(hub, "mallory", READ, guess) == {str(guess): "FileNotFoundError"}, "the time alone is not the name"


def test_feedback_of_others_is_not_listed(hub):
    feedback = inside(hub, hub.exchange) / "medcourse" / "feedback"
    done = hub.as_user(GRADER, ["mkdir", "-m", "0711", str(feedback)])  # as nbgrader makes it
    assert done.returncode == 0, done.stderr
    only_root_reads(hub, feedback)


def test_the_exchange_is_not_changed_for_others(hub):
    course = inside(hub, hub.exchange) / "medcourse"
    hers = inside(hub, inbound(hub))
    said = run(hub, "mallory", CHANGE, hers.parent, hers, course / "outbound", course)
    assert set(said.values()) == {"PermissionError"}, said


# Servers, hub and proxy.


def test_anothers_server(hub):
    for path in ("api/contents", "api/kernels", "api/terminals", f"files/{MINI}/{MINI}.ipynb", "lab", SUBMITTED):
        assert ask(hub, "ann", "GET", f"user/ann/{path}").status_code == 200, path
        assert ask(hub, "mallory", "GET", f"user/ann/{path}").status_code == 403, path
        answer = ask(hub, None, "GET", f"user/ann/{path}")
        assert answer.status_code == 403 or "/hub/" in answer.headers["Location"], path
    assert ask(hub, "mallory", "POST", "user/ann/api/terminals").status_code == 403


@pytest.mark.parametrize("name", ["mallory", "mallory's server"])
def test_the_hubs_api_with_ones_own_token_and_with_that_of_ones_server(hub, name):
    if name not in hub.tokens:
        hub.tokens[name] = environment_of(hub, "mallory")["JUPYTERHUB_API_TOKEN"]
    assert ask(hub, "mallory", "GET", "hub/api/users/mallory").json()["name"] == "mallory"
    for method, path in (
        ("GET", "users"), ("GET", "users/ann"), ("GET", "users/ann/tokens"), ("POST", "users/ann/tokens"),
        ("POST", "users/ann/server"), ("DELETE", "users/ann/server"), ("POST", "users/eve"), ("DELETE", "users/ann"),
        ("PATCH", "users/mallory"), ("GET", "services"), ("GET", "groups"), ("GET", "proxy"), ("POST", "proxy"),
        ("PATCH", "proxy"), ("POST", "shutdown"), ("POST", "users/ann/activity"),
    ):  # fmt: skip
        answer = ask(hub, name, method, f"hub/api/{path}", json={"admin": True})
        assert answer.status_code in REFUSED, f"{method} {path}: {answer.status_code} {answer.text}"
    assert ask(hub, "ann", "GET", "user/ann/api/kernels").status_code == 200, "ann's server still runs"


def environment_of(hub, name):
    """Return the environment of somebody's server, which only they and root can read."""
    script = (
        "import json, os, sys, pwd\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    if os.stat(f'/proc/{pid}').st_uid == pwd.getpwnam(sys.argv[1]).pw_uid:\n"
        "        found = open(f'/proc/{pid}/environ').read()\n"
        "        if 'JUPYTERHUB_API_TOKEN' in found:\n"
        "            print(json.dumps(dict(each.split('=', 1) for each in found.split(chr(0)) if each)))\n"
        "            break\n"
    )
    return run(hub, "root", script, name)


def test_the_proxys_api_asks_for_a_token_that_nobody_has(hub):
    state = json.loads((hub.private / "hub.json").read_text())
    said = run(hub, "mallory", PROXY, state["proxy_port"])
    assert set(said.values()) == {403}, said
    headers = {"Authorization": f"token {state['proxy_token']}"}
    routes = requests.get(
        f"http://127.0.0.1:{state['proxy_port']}/api/routes", headers=headers, timeout=PATIENCE
    ).json()
    assert "/user/ann" in {route.rstrip("/") for route in routes}, "with it, it answers, and ann's route is as it was"


def test_processes_of_others_show_no_secret(hub):
    lines, environments, open_files = run(hub, "mallory", PROCESSES)
    assert any("configurable-http-proxy" in line for line in lines), "others' command lines are to be seen"
    assert (environments, open_files) == (0, 0)
    state = json.loads((hub.private / "hub.json").read_text())
    secrets = {
        state["proxy_token"], *(hub.password(name) for name in CLASS), *hub.tokens.values(),
        environment_of(hub, "ann")["JUPYTERHUB_API_TOKEN"], (hub.private / "cookie_secret").read_text().strip(),
    }  # fmt: skip
    assert all(len(secret) > 10 for secret in secrets)
    shown = "\n".join(lines)
    assert not [secret for secret in secrets if secret in shown]


def test_ports_of_anothers_server_and_kernel(hub):
    ask(hub, "ann", "POST", "user/ann/api/kernels", json={"name": "python3"})
    run(hub, "ann", SPEAK, "1")  # it listens
    said = run(hub, "mallory", KNOCK, hub.tokens["mallory"])
    assert not [path for path, status in said.items() if status == 200], said
    refused = {path.split("/", 1)[1] for path, status in said.items() if status == 403}
    assert refused >= {"user/ann/api/contents", "user/ann/api/kernels", "services/course/api/contents"}, said
    assert 0 in said.values(), "her kernel listens, too, and says nothing"


def test_a_kernel_is_not_overheard(hub):
    """Messages of a kernel are signed, so nobody can forge them, but go out to whoever subscribes, unless encrypted."""
    ask(hub, "ann", "POST", "user/ann/api/kernels", json={"name": "python3"})
    files = [f"/tmp/{name}" for name in ("up", "listens", "spoke")]
    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(run, hub, "mallory", LISTEN, *files)
        assert run(hub, "ann", SPEAK, "print('quok' + 'ka')", *files) == ["quokka\n", "plover\n"]
        heard = listening.result()
    assert "plover" in heard, "an open kernel would be"
    assert "quok" not in heard


# What is handed in.


def test_forged_names_links_pipes_floods_and_a_changed_clock_in_the_exchange(hub):
    hers = inbound(hub)
    claim = (datetime.now(UTC) + timedelta(seconds=60)).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    command = [sys.executable, "-I", "-c", HAND_IN]
    arguments = [inside(hub, hers.parent), claim, inside(hub, hub.course), inside(hub, hers)]
    done = hub.as_user("mallory", [*command, *map(str, arguments)])
    assert done.returncode == 0, done.stderr
    log = as_grader(hub, MINI, "collect")

    submitted = hub.course / "submitted"
    assert sorted(path.name for path in submitted.iterdir()) == ["ann", "mallory"]
    assert (submitted / "ann" / MINI / f"{MINI}.ipynb").read_bytes() == (hers / f"{MINI}.ipynb").read_bytes()
    assert (submitted / "mallory" / MINI / f"{MINI}.ipynb").read_text() == "{}", "the one that is no attack"
    came = datetime.strptime((submitted / "mallory" / MINI / "timestamp.txt").read_text(), "%Y-%m-%d %H:%M:%S.%f UTC")
    assert abs(came - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5), "not in 2020"
    assert log.count("SET ASIDE") == 7
    told = {(each.whose, each.reason.split(",")[0]) for each in read_aside(hub.course, MINI)}
    assert told == {
        ("mallory", "says that it is ann's"),
        ("mallory", "says that it is x's"),
        ("mallory", "holds a link"),
        ("mallory", "holds a named pipe"),
        ("mallory", "has folders in folders"),
        ("mallory", "has more than 100 MB"),
    }
    assert "not checked" not in log


# The hub is killed in the middle of a class.


def test_a_killed_hub_comes_back_and_kernels_have_lost_nothing(hub):
    ask(hub, "ann", "POST", "user/ann/api/kernels", json={"name": "python3"})
    run(hub, "ann", SPEAK, "answer = 6 * 7")
    kernels = {each["id"] for each in ask(hub, "ann", "GET", "user/ann/api/kernels").json()}
    hub.kill()
    hub.start()
    found = ask(hub, "ann", "GET", "user/ann/api/kernels")
    assert found.status_code == 200, "her token and her server are as they were"
    assert {each["id"] for each in found.json()} == kernels
    assert run(hub, "ann", SPEAK, "print(answer)") == "42\n"
    answer = ask(hub, "ann", "POST", "user/ann/assignments/submit", data=LAB_OF_COURSE)
    assert "value" in answer.json()
    assert answer.json()["success"], answer.text
    assert ask(hub, "mallory", "GET", "user/ann/api/kernels").status_code == 403
