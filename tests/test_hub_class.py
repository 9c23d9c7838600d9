"""A class in the browser: an instructor releases, students fetch, answer and hand in, are graded, and read why.

The steps stand in the order in which they happen; each needs those before it.
"""

import time
from types import SimpleNamespace

import pytest
from playwright.sync_api import sync_playwright

from medcourse.grading import cells
from medcourse.grading.leaks import find_leaks
from medcourse.grading.notebooks import lab_notebook
from tests.browser import FLAGS, IMJOY, find_chromium
from tests.class_pages import Formgrader, Student
from tests.hubs import running_hub
from tests.small_class import ROOT

pytestmark = pytest.mark.browser

LAB, OTHER = "10_unet", "19_public_datasets"
CLASS = {"ivy": "instructor", "ann": "student", "bob": "student"}
COMMENT = "Counting touching cells as one: well seen."
WRITTEN, WRITTEN_POINTS = "question_count", 2.5


def reference(lab):
    """Return the reference answers to a lab, written ones too, by grade_id; and what its tests are worth by answer."""
    notebook = lab_notebook(ROOT / "solutions" / f"{lab}.py")
    answers = {cells.grade_id(cell): written(cell) for cell in notebook.cells if may_be_written(cell)}
    code = [cells.grade_id(cell) for cell in notebook.cells if cells.is_answer(cell) and not cells.is_written(cell)]
    worth = dict.fromkeys(code, 0.0)
    for cell in notebook.cells:
        if cells.is_test(cell):
            worth[cells.answer_of(cells.grade_id(cell), code)] += cells.points(cell)
    return SimpleNamespace(answers=answers, worth=worth)


def may_be_written(cell):
    """Say whether students write into a cell."""
    return cells.is_answer(cell) or cells.is_written(cell)


def written(cell):
    """Return what an instructor wrote into a cell, without what is for the build or for who grades."""
    lines = cells.split_mark_scheme(cell.source)[0].splitlines()
    return "\n".join(line for line in lines if not any(marker in line for marker in cells.SOLUTION))


@pytest.fixture(scope="module")
def took():
    """Seconds that each step took, said at the end."""
    took = {}
    yield took
    print("\n" + "\n".join(f"{seconds:6.1f} s  {step}" for step, seconds in took.items()))


@pytest.fixture(scope="module")
def timed(took):
    """Call a step and keep how long it took."""

    def call(step, do, *arguments, **named):
        started = time.perf_counter()
        value = do(*arguments, **named)
        took[step] = time.perf_counter() - started
        return value

    return call


@pytest.fixture(scope="module")
def hub(tmp_path_factory, took):
    started = time.perf_counter()
    with running_hub(tmp_path_factory.mktemp("hub"), CLASS, real=True, labs=[LAB, OTHER]) as hub:
        took["the hub starts"] = time.perf_counter() - started
        yield hub


@pytest.fixture(scope="module")
def browser():
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS]) as browser,
    ):
        yield browser


@pytest.fixture(scope="module")
def ivy(hub, browser, timed):
    return timed("ivy logs in and opens formgrader", Formgrader, hub, browser, "ivy")


@pytest.fixture(scope="module")
def ann(hub, browser, timed):
    return timed("ann logs in and is in JupyterLab", Student, hub, browser, "ann")


@pytest.fixture(scope="module")
def bob(hub, browser, timed):
    return timed("bob logs in and is in JupyterLab", Student, hub, browser, "bob")


@pytest.fixture(scope="module")
def released(ivy, timed):
    """What formgrader said to each icon."""
    steps = [(action, lab) for lab in (LAB, OTHER) for action in ("assign", "release")]
    return {step: timed(f"ivy presses {' of '.join(step)}", ivy.act, *step) for step in steps}


@pytest.fixture(scope="module")
def fetched(released, ann, bob, timed):
    for student in (ann, bob):
        student.open_list()
        for lab in (LAB, OTHER):
            timed(f"a student fetches {lab}", student.fetch, lab)


@pytest.fixture(scope="module")
def submitted(fetched, ann, bob, timed):
    """Ann answers everything in both labs; bob half of one, then one answer more."""
    said = SimpleNamespace()
    solved = reference(LAB)
    ann.open_notebook(LAB)
    ann.answer(solved.answers)
    said.ann = timed("ann validates", ann.validate)
    said.ann_times = timed("ann submits", ann.submit, LAB)
    ann.open_notebook(OTHER)
    ann.answer(reference(OTHER).answers)
    timed(f"ann submits {OTHER}", ann.submit, OTHER)
    half = dict(list(solved.answers.items())[: len(solved.worth) // 2])
    bob.open_notebook(LAB)
    bob.answer(half)
    said.bob = timed("bob validates", bob.validate)
    timed("bob submits", bob.submit, LAB)
    more = next(name for name in solved.worth if name not in half)
    bob.open_notebook(LAB)
    bob.answer(
        {
            more: solved.answers[more],
            WRITTEN: "Because **touching** cells merge. <script>top.stolen = globalThis.stolen = true</script>",
        }
    )
    said.bob_times = timed("bob submits again", bob.submit, LAB, before=1)
    said.bob_points = sum(solved.worth[name] for name in [*half, more])
    said.points = sum(solved.worth.values())
    return said


@pytest.fixture(scope="module")
def collected(submitted, ivy, timed):
    return [timed(f"ivy collects {lab}", ivy.act, "collect", lab) for lab in (LAB, OTHER)]


@pytest.fixture(scope="module")
def graded(collected, ivy, timed):
    return timed("our button grades", ivy.grade, LAB)


@pytest.fixture(scope="module")
def marked(graded, ivy, timed):
    timed("ivy opens ann's submission", ivy.open_submission, LAB, "ann")
    timed("ivy grades by hand", ivy.mark, WRITTEN, WRITTEN_POINTS, COMMENT)


@pytest.fixture(scope="module")
def returned(marked, ivy, timed):
    return [timed(f"ivy presses {each}", ivy.act, each, LAB) for each in ("generate-feedback", "release-feedback")]


def test_instructor_releases_from_formgrader(released):
    assert set(released.values()) == {"Success"}, released


def test_students_see_released_labs_only_and_fetch_them(fetched, ann, hub):
    ann.open_list()
    assert ann.page.locator("#released_assignments_list > .list_item").count() == 0
    assert ann.page.locator("#fetched_assignments_list > .list_item").count() == 2


def test_validate_says_what_passes_and_what_does_not(submitted):
    assert "Success! Your notebook passes all the tests." in submitted.ann
    assert "The following cell failed" in submitted.bob


def test_submissions_are_counted_in_the_list(submitted):
    assert (submitted.ann_times, submitted.bob_times) == (1, 2)


def test_instructor_collects_from_formgrader(collected, ivy):
    assert collected == ["Success", "Success"]


def test_button_grades_the_last_submission_of_everybody(graded, submitted):
    summary, points = graded
    assert "2 of 2 in the gradebook" in summary
    assert points == {
        "ann": f"{submitted.points:g} / {submitted.points:g}",
        "bob": f"{submitted.bob_points:g} / {submitted.points:g}",
    }
    assert 0 < submitted.bob_points < submitted.points


def test_written_answer_of_a_student_runs_nothing_where_it_is_graded(marked, ivy):
    ivy.open_submission(LAB, "bob")
    assert ivy.frame.get_by_text("cells merge").count() == 1
    assert ivy.frame.evaluate("() => [globalThis.stolen, top.stolen]") == [None, None]


def test_report_is_saved_from_within_jupyterlab(marked, ivy, submitted):
    rows = [line.split(",")[:2] for line in ivy.download_report(LAB).splitlines()]
    assert ["bob", f"{submitted.bob_points}"] in rows


def test_points_by_hand_count_in_formgrader(marked, ivy, submitted):
    ivy.go("Manage Assignments")
    with ivy.frame.expect_navigation():
        ivy.lab_row(LAB).locator(".num-submissions a").click()
    row = ivy.frame.locator("#main-table tr", has_text="ann")
    assert row.locator(".score").inner_text().startswith(f"{submitted.points + WRITTEN_POINTS:g} /")


def test_feedback_is_made_and_released_from_formgrader(returned):
    assert returned == ["Success", "Success"]


@pytest.fixture(scope="module")
def feedback(returned, ann, bob, timed):
    """What each student reads in the end, in JupyterLab."""
    return {
        name: timed(f"{name} reads the feedback", student.read_feedback, LAB)
        for name, student in (("ann", ann), ("bob", bob))
    }


def test_students_read_points_and_comment(feedback, submitted):
    assert COMMENT in feedback["ann"]
    assert COMMENT not in feedback["bob"]
    assert f"{submitted.points + WRITTEN_POINTS:g}" in feedback["ann"]


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_feedback_has_no_hidden_test_and_no_solution(feedback, name):
    own = reference(LAB).answers.values()  # ann wrote the reference answers herself
    leaks = find_leaks(ROOT / "solutions" / f"{LAB}.py", {name: feedback[name]}, public=own)
    assert not leaks, [str(leak) for leak in leaks]


def test_students_menus_lead_to_the_list_only(ann):
    assert ann.menu("Nbgrader") == ["Assignment List"]
    ann.page.keyboard.press("Escape")
    assert not [
        each
        for each in ann.commands()
        if "formgrader" in each or "course-list" in each or ("create" in each and "nbgrader" in each)
    ]


def test_instructors_menus_lead_to_formgrader(ivy):
    assert "nbgrader:open-formgrader" in ivy.commands(), "else the test of the students' proves nothing"


COURSE = {
    "the course's server": ("GET", "/services/course/lab"),
    "the course's formgrader": ("GET", "/services/course/formgrader/manage_assignments"),
    "formgrader's gradebook": ("GET", "/services/course/formgrader/gradebook"),
    "formgrader's list of grades": ("GET", f"/services/course/formgrader/api/submissions/{LAB}"),
    "the grade button's page": ("GET", f"/services/course/formgrader/class/{LAB}"),
    "the report": ("GET", f"/services/course/formgrader/class/{LAB}/report.csv"),
    "the course's files": ("GET", "/services/course/api/contents/solutions"),
    "the gradebook as a file": ("GET", "/services/course/files/gradebook.db"),
    "the course's terminals": ("GET", "/services/course/api/terminals"),
    "the hub's administration": ("GET", "/hub/admin"),
}
STUDENTS_OWN = {
    "a formgrader of their own": ("GET", "/user/ann/formgrader"),
    "formgrader's pages on their own server": ("GET", "/user/ann/formgrader/manage_assignments"),
    "formgrader's API on their own server": ("GET", "/user/ann/formgrader/api/assignments"),
    "the grade button on their own server": ("GET", f"/user/ann/formgrader/class/{LAB}"),
    "pressing it on their own server": ("POST", f"/user/ann/formgrader/api/class/{LAB}/grade"),
    "the list of courses to grade": ("GET", "/user/ann/formgraders"),
}
OTHERS = {
    "pressing the course's grade button": ("POST", f"/services/course/formgrader/api/class/{LAB}/grade"),
    "releasing a lab": ("POST", f"/services/course/formgrader/api/assignment/{OTHER}/release"),
    "another student's server": ("GET", "/user/bob/lab"),
    "another student's files": ("GET", f"/user/bob/api/contents/{LAB}"),
    "another student's terminals": ("POST", "/user/bob/api/terminals"),
    "the instructor's server": ("GET", "/user/ivy/lab"),
    "stopping another's server": ("DELETE", "/hub/api/users/bob/server"),
    "the list of everybody": ("GET", "/hub/api/users"),
    "the proxy's routes": ("GET", "/hub/api/proxy"),
}


@pytest.mark.parametrize("what", [*COURSE, *STUDENTS_OWN, *OTHERS])
def test_student_is_refused(ann, bob, ivy, what):
    method, path = (COURSE | STUDENTS_OWN | OTHERS)[what]
    assert ann.ask(path, method) in {403, 404}


@pytest.mark.parametrize("what", [each for each in COURSE if "course's terminals" not in each])
def test_instructor_is_not(graded, ivy, what):
    assert ivy.ask(COURSE[what][1]) == 200, "else that students are refused proves nothing"


def test_no_page_asks_another_host(feedback, ann, bob, ivy):
    asked = [url for person in (ann, bob, ivy) for url in person.external if not url.startswith(IMJOY)]
    assert not asked
