"""A class whose gradebook is in PostgreSQL comes out as on SQLite; what PostgreSQL refuses costs one line and no work."""

import json
import re
import shutil

import psycopg
import pytest

from medcourse import cli
from medcourse.grading import locks, release, workforce
from medcourse.grading.classroom import grade_class
from medcourse.grading.notebooks import to_text
from medcourse.grading.submission import grade_submission
from tests.kept_course import copied, keep_course, own_course
from tests.small_class import LAB, MAX, WRONG, Here, hand_in, journal, notebook_with, submission

pytestmark = pytest.mark.usefixtures("one_engine")

STUDENTS = ["ann", "ben", "cem", "dee"]


@pytest.fixture
def course(postgres_course, tmp_path, monkeypatch):
    """A course that the command line takes for its own."""
    monkeypatch.setattr(locks, "HELD_SECONDS", 0.3)
    with own_course(postgres_course, tmp_path, monkeypatch) as course:
        yield course


# A class of four through a term, on both.


def carry_through(course, folder):
    """Carry a class of four through a term; return all that came of it, as it can be compared."""
    root, said = course.root, {}
    api = course.nbgrader()
    (root.parent / f"exchange of {root.name}").mkdir()
    assert api.release_assignment(LAB)["success"]
    answers = {"ann": {"why": "Small structures."}, "ben": WRONG, "cem": {}, "dee": {"steps": "number_of_steps = 8"}}
    for name in STUDENTS:
        home = folder / name
        home.mkdir(parents=True)
        student = course.student(name, home)
        student["fetch"](LAB)
        text = to_text(notebook_with(root, {})).encode() if name == "cem" else submission(root, **answers[name])
        (home / LAB / f"{LAB}.ipynb").write_bytes(text)
        student["submit"](LAB)
    assert api.collect(LAB)["success"]
    with (root / "nbgrader_config.py").open("a") as file:
        file.write("\nc.LatePolicy.percent_a_day = 10\n")
    course.execute("update assignment set duedate = '2026-01-05 00:00:00.000000'")
    for name in STUDENTS:
        (root / "submitted" / name / LAB / "timestamp.txt").write_text("2026-01-06 12:00:00.0 UTC")
    said["grade"] = cli_says("grade", LAB)
    said["graded"] = course.gradebook()
    said["extend"] = cli_says("extend", LAB, "ben", "--until", "2026-01-09")
    course.execute(
        "update grade set manual_score = 2, needs_manual_grade = '0' where cell_id in (select id from base_cell where name = 'why')"
    )
    said["export"] = cli_says("export", "--all", "--to", str(folder / "grades.csv"))
    said["csv"] = (folder / "grades.csv").read_text()
    said["report"] = cli_says("report", LAB)
    solutions = root / "solutions" / f"{LAB}.py"
    solutions.write_text(
        solutions.read_text().replace("assert abs(number_of_steps - 7) < 1e-6", "assert number_of_steps > 6")
    )
    release.build(root)
    assert api.generate_assignment(LAB)["success"]
    said["regrade"] = cli_says("grade", LAB, "--again", "--exercise", "steps")
    said["regraded"] = course.gradebook()
    assert api.generate_feedback(LAB)["success"]
    assert api.release_feedback(LAB)["success"]
    for name in STUDENTS:
        course.student(name, folder / name)["fetch_feedback"](LAB)
        (page,) = (folder / name / LAB / "feedback").rglob("*.html")
        said[f"feedback {name}"] = page.read_text()
    said["formgrader"] = {
        "assignments": api.get_assignments(),
        "submissions": api.get_submissions(LAB),
        "students": api.get_students(),
        "notebooks": sorted(api.get_notebook_submissions(LAB, LAB), key=lambda each: each["student"]),
        "of ann": api.get_student_notebook_submissions("ann", LAB),
    }
    return comparable(said)


def cli_says(*arguments):
    """Run a command in this process; return what it says for programs."""
    import contextlib  # noqa: PLC0415
    import io  # noqa: PLC0415

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = cli.main([*arguments, "--json"])
    assert code == 0, (arguments, out.getvalue())
    return json.loads(out.getvalue())


def comparable(value):
    """Leave out what differs from run to run: how long it took, where it was, nbgrader's own random names."""
    if isinstance(value, dict):
        passing = {"seconds", "first_grade_seconds", "file", "id", "index", "released", "hours_since_release"}
        return {name: comparable(each) for name, each in value.items() if name not in passing}
    if isinstance(value, list | tuple):
        return [comparable(each) for each in value]
    return value


@pytest.fixture(scope="module")
def terms(small_course, postgres_course, tmp_path_factory):
    """What came of the same class on SQLite and on PostgreSQL."""
    folder = tmp_path_factory.mktemp("terms")
    courses = {
        "sqlite": keep_course(small_course, folder / "sqlite"),
        "postgres": copied(postgres_course, folder / "postgres", "term"),
    }
    came = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workforce, "Workforce", Here)
        patch.setenv("MEDCOURSE_SECRET_SEED", "1")
        for kind, course in courses.items():
            with course.in_force():
                came[kind] = carry_through(course, folder / f"homes on {kind}")
    assert not (courses["postgres"].root / "gradebook.db").exists()
    return came


def test_a_term_comes_out_as_on_sqlite(terms):
    assert set(terms["postgres"]) == set(terms["sqlite"])
    for what, came in terms["postgres"].items():
        assert came == terms["sqlite"][what], what


def test_the_term_was_one_in_which_something_happened(terms):
    """So that the comparison says something."""
    came = terms["postgres"]
    scores = {each["student"]: each["score"] for each in came["grade"]["students"]}
    assert scores == {"ann": MAX, "ben": 3.0, "cem": 0.0, "dee": MAX - 1}
    assert came["graded"]["ann"]["penalty"] == pytest.approx(0.2 * MAX)
    assert (came["extend"]["extensions"][0]["before"], came["extend"]["extensions"][0]["after"]) == (0.6, 0.0)
    assert [(each["student"], each["exercise"], each["after"]) for each in came["regrade"]["changes"]] == [
        ("dee", "steps_count", 1.0)
    ]
    assert ["why", None, 2.0, None, 0] in came["regraded"]["ann"]["grades"]
    assert re.search(r"^00_mini,ann,.*,8,1.6,6.4,9,0,", came["csv"], re.M)
    assert "dice of two empty masks should be 1" in came["feedback ben"]
    assert [each["num_submissions"] for each in came["formgrader"]["assignments"]] == [4]


# A server that goes away.


def one_line(text):
    return text.count("\n") == 0 and len(text) < 400


def class_of(course, *names):
    for name in names:
        hand_in(course.root, name, submission(course.root))


def test_a_server_that_stops_while_a_class_is_graded_costs_no_work(course, postgres, here, monkeypatch):
    class_of(course, "ann", "ben", "cem", "dee")

    def work(self, lab, content, settings):
        if len(self.asked) == 3:
            postgres.stop()
        return grade_submission(lab, content, settings)

    monkeypatch.setattr(Here, "work", work)
    monkeypatch.setattr(workforce, "IN_FLIGHT", 1)
    try:
        grades = grade_class(course.root, LAB, workers=1)
    finally:
        postgres.stop()
        postgres.start()
    assert (grades.graded_now, grades.is_complete) == (4, False)
    assert re.match(
        r"the gradebook cannot be used: .*(closed the connection|Connection refused).*: mend that", grades.trouble
    )
    assert one_line(grades.trouble)
    recorded = {each["student"] for each in journal(course.root) if each["event"] == "recorded"}
    assert 0 < len(recorded) < 4
    assert set(course.gradebook()) == recorded
    grades = grade_class(course.root, LAB)
    assert (grades.graded_now, grades.is_complete) == (0, True)
    assert {name: sum(g[1] or 0 for g in of["grades"]) for name, of in course.gradebook().items()} == dict.fromkeys(
        STUDENTS, MAX
    )


def test_a_server_that_comes_back_is_written_and_the_lab_held_again(course, postgres, here, monkeypatch):
    class_of(course, "ann", "ben", "cem", "dee")
    others = []

    def work(self, lab, content, settings):
        if len(self.asked) == 2:
            postgres.stop()
            postgres.start()
        if len(self.asked) == 4:
            others.append(held_elsewhere(course))
        return grade_submission(lab, content, settings)

    monkeypatch.setattr(Here, "work", work)
    monkeypatch.setattr(workforce, "IN_FLIGHT", 1)
    grades = grade_class(course.root, LAB, workers=1)
    assert (grades.trouble, grades.is_complete) == ("", True)
    assert set(course.gradebook()) == set(STUDENTS)
    assert others == [True]


def held_elsewhere(course):
    """Say whether another machine would find the lab held."""
    key = locks._key("medcourse", LAB)
    with psycopg.connect(course.url.replace("+psycopg", ""), autocommit=True) as connection:
        return not connection.execute("select pg_try_advisory_lock(%s)", [key]).fetchone()[0]


def test_a_lab_is_graded_by_one_run_at_a_time_whatever_the_machine(course, here, tmp_path):
    """Another machine has a folder of its own, and so no part in the journal's lock."""
    class_of(course, "ann")
    there = shutil.copytree(course.root, tmp_path / "another machine")
    with locks.labs_held(course.sqlalchemy(), "medcourse", [LAB]):
        with pytest.raises(Exception, match=f"^{LAB} is being graded by another run on this gradebook: wait") as caught:
            grade_class(there, LAB)
        assert one_line(str(caught.value))
        assert here.asked == []
        assert course.gradebook() == {}
    assert grade_class(there, LAB).is_complete
    assert not held_elsewhere(course)


def test_a_student_whom_the_database_cannot_hold_is_that_students_problem(course, here):
    """PostgreSQL holds names to nbgrader's 128 letters, SQLite to none."""
    long = "a" * 130
    class_of(course, "ann", long)
    grades = {each.student: each for each in grade_class(course.root, LAB).students}
    assert grades["ann"].recorded
    assert grades[long].problem.startswith("nbgrader cannot record it: ")
    assert set(course.gradebook()) == {"ann"}


# Addresses that are wrong.

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql+psycopg://medcourse:{secret}@127.0.0.1:{port}/template", "password authentication failed"),
        ("postgresql+psycopg://medcourse:{password}@127.0.0.1:{port}/none", 'database "none" does not exist'),
        ("postgresql+psycopg://medcourse:{secret}@127.0.0.1:1/none", "Connection refused"),
        ("postgresql+psycopg://medcourse:{secret}@127.0.0.1:{port}", "names no database"),
        ("postgresql+psycopg://medcourse:{secret}@{secret}@127.0.0.1/none", "has two @"),
        ("postgresql+psycopg://medcourse:{secret}:{secret}@127.0.0.1:{secret}/none", "cannot be read"),
        ("postgresql+psycopg:/medcourse:{secret}@127.0.0.1/none", "cannot be read"),
        ("postgres://medcourse:{secret}@127.0.0.1/none", "got one at postgres"),
        ("postgresql+psycopg2://medcourse:{secret}@127.0.0.1/none", "got one at postgresql+psycopg2"),
    ],
)
@pytest.mark.usefixtures("here")
def test_an_address_that_is_wrong_is_one_line_without_the_password(course, monkeypatch, capsys, address, said):
    server, folder = course.server, course.root.parent
    class_of(course, "ann")
    url = address.format(secret=SECRET, password=server.password, port=server.port)
    monkeypatch.setenv("MEDCOURSE_GRADEBOOK", url)
    export, backup = ["export", LAB, "--to", str(folder / "grades.csv")], ["backup", str(folder / "class.backup")]
    for command in (["grade", LAB], export, backup):
        assert cli.main(command) != 0
        out, err = capsys.readouterr()
        assert err.count("\n") == 1, err
        assert said in err
        assert SECRET not in out + err
        assert server.password not in out + err
    assert not [*folder.glob("*.csv"), *folder.glob("*.backup")]


def test_a_gradebook_of_another_version_of_nbgrader_is_one_line(course, here, capsys):
    class_of(course, "ann")
    course.execute("alter table submitted_notebook drop column late_submission_penalty")
    assert cli.main(["grade", LAB]) == 1
    err = capsys.readouterr().err
    assert "another version of nbgrader made it: run `nbgrader db upgrade`" in err
    assert err.count("\n") == 1


def test_a_program_that_holds_the_gradebook_is_not_waited_for_for_ever(course, here, monkeypatch):
    class_of(course, "ann")
    monkeypatch.setitem(locks.SETTINGS, "lock_timeout", "200ms")
    with psycopg.connect(course.url.replace("+psycopg", "")) as connection:
        connection.execute("insert into student (id) values ('zoe')")
        grades = grade_class(course.root, LAB)
        connection.rollback()
    assert "canceling statement due to lock timeout: what was graded is kept" in grades.trouble
    assert grade_class(course.root, LAB).is_complete
