"""Who could read what, before a hub opens: secrets that are open, and what everybody needs that is closed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from medcourse import cli
from medcourse.errors import CourseError
from medcourse.hub import guard
from medcourse.hub.guard import Reader
from medcourse.hub.layout import Layout

STRANGER = Reader("a student")
ANN = Reader("ann", 60001, frozenset({60001, 60100}))
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to others, which root alone may")


@pytest.fixture
def course(tmp_path):
    """A course in which nothing is open: below a folder that everybody enters, as /srv is."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(folder.stat().st_mode | 0o011)
    root = tmp_path / "course"
    for name in ("solutions", "tests/labs", "build/source", ".git", "grading"):
        (root / name).mkdir(parents=True)
        (root / name).chmod(0o700)
    (root / "gradebook.db").touch(0o600)
    for folder in (root, root / "tests", root / "build"):
        folder.chmod(0o755)
    return root


def check(course, *readers):
    guard.check_secrets(guard.secrets_of(course, Layout(course.parent / "hub")), readers or [STRANGER])


def test_a_course_whose_secrets_are_closed_may_be_served(course):
    check(course)


FOLDERS = ["solutions", "tests/labs", "build/source", ".git", "grading"]


@pytest.mark.parametrize(
    ("name", "mode"), [("gradebook.db", 0o644), *((name, mode) for name in FOLDERS for mode in (0o744, 0o711))]
)
def test_each_secret_that_is_open_is_named_with_the_command_that_closes_it(course, name, mode):
    (course / name).chmod(mode)
    with pytest.raises(CourseError, match=rf"a student can read {course / name}: run `chmod go= {course / name}`"):
        check(course)
    (course / name).chmod((course / name).stat().st_mode & 0o700)  # as `chmod go=` does
    check(course)


def test_a_closed_folder_above_closes_all_below_it(course):
    (course / "solutions").chmod(0o755)
    (course / "gradebook.db").chmod(0o644)
    course.chmod(0o700)
    check(course)
    course.chmod(0o711)
    with pytest.raises(CourseError, match=rf"solutions, {course}/gradebook.db: run `chmod go= \S+ \S+`"):
        check(course)


def test_a_link_leads_to_what_it_names(course, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o755)
    (tmp_path / "elsewhere").chmod(0o755)
    (course / "solutions").rmdir()
    (course / "solutions").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CourseError, match="solutions"):
        check(course)
    (tmp_path / "elsewhere").chmod(0o700)
    check(course)


def test_the_folders_of_the_hub_are_secret_too(course):
    private = course.parent / "hub" / "private"
    private.mkdir(parents=True)
    private.parent.chmod(0o755)
    private.chmod(0o750)
    check(course)
    private.chmod(0o751)
    with pytest.raises(CourseError, match=str(private)):
        check(course)


@AS_ROOT
def test_a_group_that_a_student_is_in_counts_and_others_do_not(course):
    os.chown(course / "solutions", 0, 60100)
    (course / "solutions").chmod(0o750)
    check(course, STRANGER, Reader("ben", 60002, frozenset({60002})))
    with pytest.raises(CourseError, match="ann can read"):
        check(course, STRANGER, ANN)


@AS_ROOT
def test_what_a_student_owns_is_open_to_this_student_however_it_is_closed(course):
    os.chown(course / "solutions", ANN.uid, 0)
    (course / "solutions").chmod(0)
    check(course, STRANGER)
    with pytest.raises(CourseError, match="ann can read"):
        check(course, ANN)


@AS_ROOT
def test_what_is_judged_is_what_the_system_does(course):
    """Every file and folder, in a few modes and owners, as a process of that account finds it."""
    script = (
        "import os, sys; os.setgroups([60001, 60100]); os.setgid(60001); os.setuid(60001)\n"
        "for name in sys.argv[1:]: print(int(os.access(name, os.R_OK) or os.path.isdir(name) and os.access(name, os.X_OK)))"
    )
    paths = []
    for folder_mode in (0o700, 0o710, 0o701):
        for group in (0, 60100):
            folder = course / f"{folder_mode:o}-{group}"
            folder.mkdir()
            os.chown(folder, 0, group)
            folder.chmod(folder_mode)
            for mode in (0o600, 0o640, 0o604):
                file = folder / f"{mode:o}"
                file.touch()
                os.chown(file, 0, group)
                file.chmod(mode)
                paths.append(file)
            paths.append(folder)
    done = subprocess.run([sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, check=True)
    real = [line == "1" for line in done.stdout.split()]
    assert [guard.can_read(path, ANN) for path in paths] == real
    assert True in real
    assert False in real


def test_what_everybody_needs_and_cannot_read_is_named_with_the_folder_that_is_closed(course):
    shared = course / "shared"
    shared.mkdir()
    (shared / "module.py").touch(0o644)
    for path, mode in ((shared, 0o755), (shared / "module.py", 0o644)):
        path.chmod(mode)
    guard.check_open([shared, shared / "module.py"], [STRANGER])
    shared.chmod(0o711)
    guard.check_open([shared / "module.py"], [STRANGER])
    with pytest.raises(CourseError, match=rf"to read {shared}, but {shared} is closed .* run `chmod o\+rX {shared}`"):
        guard.check_open([shared], [STRANGER])
    shared.chmod(0o700)
    with pytest.raises(CourseError, match=rf"module.py, but {shared} is closed .* run `chmod o\+x {shared}`"):
        guard.check_open([shared / "module.py"], [STRANGER])


def test_the_needs_of_a_server_are_python_its_packages_and_this_one(tmp_path):
    needed = list(guard.needs(Layout(tmp_path / "hub")))
    assert Path(sys.executable) in needed
    assert Path(cli.__file__) in needed
    assert tmp_path in needed
    assert all(path.exists() for path in needed)


def test_a_home_is_open_to_nobody_of_the_class_but_its_owner(course):
    home = course.parent / "ann"
    home.mkdir()
    home.chmod(0o700)
    guard.check_homes({"ann": home}, [STRANGER, ANN])
    home.chmod(0o755)
    with pytest.raises(CourseError, match=rf"can read {home}"):
        guard.check_homes({"ann": home}, [STRANGER, ANN])
    guard.check_homes({"ann": home}, [ANN])


def test_a_student_in_a_group_that_may_read_everything_is_refused():
    guard.check_groups({"ann": {"ann", "users"}})
    with pytest.raises(CourseError, match="ann is in the group docker: run `gpasswd --delete ann docker`"):
        guard.check_groups({"ann": {"ann", "docker"}})
