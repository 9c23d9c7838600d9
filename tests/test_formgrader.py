"""Formgrader's page that grades a class: who may, what it shows, and that nothing of a student's runs in it."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests

from medcourse.errors import CourseError
from medcourse.formgrader import STOCK, worker
from medcourse.formgrader.extension import load
from medcourse.formgrader.handlers import lab_states, state
from medcourse.formgrader.runs import Runs
from medcourse.grading.journal import Journal
from medcourse.server import serve
from tests.small_class import LAB, MAX, WRONG, auto_scores, environment, hand_in, journal, submission

SCRIPT = "<script>steal()</script>"
MARKED = "<i>eve"
PAGES = ["class", f"class/{LAB}", f"class/{LAB}/state", f"class/{LAB}/report.csv"]
PATIENCE_S = 60


class Visitor:
    """Somebody with a browser's cookies who asks formgrader."""

    def __init__(self, server, token=None):
        self.url, self.session = f"{server.url}/formgrader", requests.Session()
        self.session.trust_env = False  # no proxy of this machine
        if token:  # once, as JupyterLab's first page does it; afterwards there are cookies
            self.get("manage_assignments", token=token)

    def get(self, page, **parameters):
        return self.session.get(f"{self.url}/{page}", params=parameters, timeout=PATIENCE_S, allow_redirects=False)

    def post(self, page, *, xsrf=True):
        sent = {"X-CSRFToken": self.session.cookies.get("_xsrf", "")} if xsrf else {}
        return self.session.post(f"{self.url}/api/{page}", headers=sent, timeout=PATIENCE_S)

    def wait_for(self, told, until=lambda page: "data-running=no" in page):
        """Return the state once it is as wanted; `told` says what for."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            page = self.get(f"class/{LAB}/state").text.replace('"', "")
            if until(page):
                return page
            time.sleep(0.05)
        return pytest.fail(f"the page did not come to show {told} in {PATIENCE_S} s; it has {page}")


@pytest.fixture(scope="module")
def course(small_course, tmp_path_factory):
    """A course where four have handed in: all right, one test wrong, a script for an answer, and no notebook."""
    root = shutil.copytree(small_course, tmp_path_factory.mktemp("formgrader") / "course")
    hand_in(root, "ann", submission(root))
    hand_in(root, "bob", submission(root, dice=WRONG["dice"]))
    hand_in(root, "mal", submission(root, why=f"Because {SCRIPT} of it."))
    hand_in(root, MARKED, b"no notebook")
    return root


@pytest.fixture(scope="module")
def server(course, tmp_path_factory):
    """A Jupyter server with our formgrader, and none of nbgrader's."""
    configuration = tmp_path_factory.mktemp("configuration")
    extensions = {"medcourse.formgrader": True, STOCK: False}
    text = json.dumps({"ServerApp": {"jpserver_extensions": extensions}})
    (configuration / "jupyter_server_config.json").write_text(text)
    places = {"JUPYTER_CONFIG_PATH": str(configuration), "JUPYTER_CONFIG_DIR": str(configuration / "none")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(course)  # from where nbgrader reads its configuration
        with serve(course, environment=environment(course) | places) as server:
            yield server


@pytest.fixture(scope="module")
def teacher(server):
    return Visitor(server, server.token)


@pytest.fixture(scope="module")
def graded(teacher, course):
    """Answers of two clicks on the button, what the page showed meanwhile, and what it shows in the end."""
    clicks = [teacher.post(f"class/{LAB}/grade") for _ in range(2)]
    meanwhile = teacher.wait_for("how far it is", lambda page: "of 4 run" in page)
    listed = teacher.get("class").text
    return SimpleNamespace(clicks=clicks, meanwhile=meanwhile, listed=listed, page=teacher.wait_for("the end"))


@pytest.mark.parametrize("page", PAGES)
def test_page_is_not_for_strangers(server, page):
    answer = Visitor(server).get(page)
    assert answer.status_code in {302, 403}
    assert "login" in answer.headers.get("Location", "login")
    assert LAB not in answer.text


@pytest.mark.parametrize("action", ["grade", "stop"])
def test_button_is_not_for_strangers_or_other_sites(server, teacher, action):
    assert Visitor(server).post(f"class/{LAB}/{action}").status_code == 403
    assert teacher.post(f"class/{LAB}/{action}", xsrf=False).status_code == 403, "other sites send no such header"
    assert "data-running=no" in teacher.get(f"class/{LAB}/state").text.replace('"', ""), "nothing was started"


@pytest.mark.parametrize("page", ["manage_assignments", "gradebook", "manage_students", f"manage_submissions/{LAB}"])
def test_formgraders_own_pages_lead_to_it(teacher, page):
    assert 'href="/formgrader/class"' in teacher.get(page).text


def test_submissions_lead_to_their_own_lab(teacher):
    assert f'href="/formgrader/class/{LAB}"' in teacher.get(f"manage_submissions/{LAB}").text


@pytest.mark.parametrize(
    ("sheet", "theirs", "ours"),
    [("nbgrader.css", ".form-table", "#class-progress"), ("formgrade.css", ".nbgrader_cell", "display: flex")],
)
def test_style_sheets_are_nbgraders_and_ours(teacher, sheet, theirs, ours):
    style = teacher.get(f"static/css/{sheet}")
    assert style.headers["Content-Type"].startswith("text/css")
    assert theirs in style.text
    assert ours in style.text


def test_unknown_lab_is_not_found(teacher):
    assert teacher.get("class/99_none").status_code == 404
    assert teacher.post("class/99_none/grade").status_code == 404
    assert teacher.get(f"class/{quote('../solutions', safe='')}").status_code == 404


def test_link_that_brings_a_script_along_runs_none(teacher):
    brought = '";alert(1);"'
    page = teacher.get(f"manage_submissions/{quote(brought)}").text
    assert "alert(1)" in page, "the page shows the name"
    assert brought not in page


def test_class_is_graded_into_the_gradebook(graded, course):
    assert sum(auto_scores(course, "ann").values()) == MAX
    assert sum(auto_scores(course, "bob").values()) == MAX - 1
    assert "3 of 4 in the gradebook" in graded.page
    assert "4 run now" in graded.page


def test_second_click_shows_the_run_that_goes_on(graded, course):
    assert [(click.status_code, click.json()["started"]) for click in graded.clicks] == [(202, True), (200, False)]
    results = [entry["student"] for entry in journal(course) if entry["event"] == "result"]
    assert len(results) == len(set(results)) == 4, f"each submission is run once, got {results}"


def test_page_says_how_far_it_is_and_offers_to_stop(graded):
    assert "class-stop" in graded.meanwhile
    assert re.search(r"<progress [^>]*max=4[^>]* value=\d", graded.meanwhile)
    assert "By test" not in graded.meanwhile, "the report is for the end"
    assert "running" in graded.listed


def test_page_shows_who_needs_a_look_and_what_was_hard(graded):
    looks = graded.page.partition("class-looks")[2].partition("</table>")[0]
    assert "unread" in looks
    assert "&lt;i&gt;eve" in looks
    assert re.search(r"<td>dice_empty</td>\s*<td>67 %</td>", graded.page)
    assert "is the zero denominator guarded?" in graded.page


def test_name_with_markup_stays_a_name(graded):
    assert MARKED not in graded.page


def test_report_comes_as_a_table(graded, teacher):
    answer = teacher.get(f"class/{LAB}/report.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{LAB}.csv"'
    rows = [line.split(",")[:2] for line in answer.text.splitlines()]
    assert ["bob", "5.0"] in rows


def test_script_in_a_written_answer_does_not_reach_who_grades_it(graded, teacher):
    submissions = json.loads(teacher.get(f"api/submitted_notebooks/{LAB}/{LAB}").text)
    (number,) = [each["id"] for each in submissions if each["student"] == "mal"]
    page = teacher.get(f"submissions/{number}/").text
    assert "of it." in page, "the answer is shown"
    assert SCRIPT not in page
    assert "//cdn" not in page, "nothing is loaded from elsewhere"


def test_formgrader_shows_what_the_other_process_recorded(graded, teacher):
    found = json.loads(teacher.get(f"api/submission/{LAB}/bob").text)
    assert found["autograded"]
    assert found["code_score"] == MAX - 1


def test_configuration_with_the_gradebooks_address_is_on_no_page(teacher):
    assert "CourseDirectory" not in teacher.get("manage_assignments").text


def test_stopped_run_keeps_what_it_has_and_lets_another_go_on(graded, teacher, course):
    hand_in(course, "zoe", submission(course, steps="import time\ntime.sleep(30)\nnumber_of_steps = 7"))
    hand_in(course, "ann", submission(course, window=WRONG["window"]))
    assert teacher.post(f"class/{LAB}/grade").json()["started"]
    teacher.wait_for("that ann was run again", lambda page: "1 of 2 run" in page)
    teacher.post(f"class/{LAB}/stop")
    assert "stopped; what was graded is kept" in teacher.wait_for("the end")
    assert sum(auto_scores(course, "ann").values()) == MAX - 1
    Journal(course, LAB).close()  # which fails while another run has it


def test_worker_says_what_is_wrong_in_a_line(course):
    command = [sys.executable, "-m", "medcourse.formgrader.worker", str(course), "99_none"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(course), **pipes) as worker:
        assert json.loads(worker.stdout.read())["problem"].startswith("unknown lab '99_none'")
        assert worker.wait(PATIENCE_S) == 1


@pytest.mark.parametrize("address", [None, "tls://dask-scheduler:8786"])
def test_worker_uses_the_cluster_that_the_environment_names(monkeypatch, tmp_path, address):
    def grade(root, lab, *, cluster, progress):
        progress(1, 2)
        raise CourseError(f"{lab} by {cluster}")

    said = []
    monkeypatch.setattr(worker, "grade_class", grade)
    monkeypatch.delenv(worker.CLUSTER, raising=False)
    if address:
        monkeypatch.setenv(worker.CLUSTER, address)
    assert worker.grade(tmp_path, LAB, lambda **line: said.append(line)) == 1
    assert said == [{"done": 1, "of": 2}, {"problem": f"{LAB} by {address}"}]


def test_run_that_could_not_begin_has_graded_nothing(small_course, tmp_path):
    root = shutil.copytree(small_course, tmp_path / "course")
    (root / "grading").mkdir(exist_ok=True)
    (root / "grading" / f"{LAB}.jsonl").write_text("")
    assert [(each.slug, each.graded) for each in lab_states(root)] == [(LAB, None)]
    assert asyncio.run(state(root, LAB, Runs()))["report"] is None


def test_both_formgraders_at_once_are_refused():
    other = SimpleNamespace(extensions={STOCK: SimpleNamespace(enabled=True)})
    with pytest.raises(CourseError, match="to be off where"):
        load(SimpleNamespace(extension_manager=other))
