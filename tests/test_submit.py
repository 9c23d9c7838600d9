"""Handing in: whole or not at all, and a student reads why not."""

import os
import shutil
import subprocess
import sys

import pytest
from nbgrader.apps import NbGraderAPI
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeError, ExchangeFactory
from traitlets.config import Config

from medcourse.grading.gradebook import Course
from medcourse.grading.submit import Submit
from tests.small_class import LAB, environment, submission

BEFORE = "what you handed in before stays"


@pytest.fixture
def root(small_course, tmp_path, monkeypatch):
    """A course that has released its lab, and a student's home beside it in which the lab was fetched."""
    folder = shutil.copytree(small_course, tmp_path / "course")
    outbound = tmp_path / "exchange" / "medcourse" / "outbound"
    shutil.copytree(folder / "assignments" / LAB, outbound / LAB)
    inbound = tmp_path / "exchange" / "medcourse" / "inbound"
    inbound.mkdir()
    inbound.chmod(0o3733)
    home = tmp_path / "home"
    (home / LAB).mkdir(parents=True)
    (home / LAB / f"{LAB}.ipynb").write_bytes(submission(folder))
    monkeypatch.setenv("MEDCOURSE_EXCHANGE", str(tmp_path / "exchange"))
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    return folder


def submit(root):
    """Hand in what is in the home, as nbgrader does with the course's configuration."""
    home = root.parent / "home"
    config = Config(Course(root).config)
    config.ExchangeSubmit.assignment_dir = str(home)
    config.ExchangeSubmit.cache = str(root.parent / "cache")
    course = CourseDirectory(config=config)
    course.assignment_id = LAB
    course.student_id = "ann"
    factory = ExchangeFactory(config=config)
    done = factory.Submit(coursedir=course, authenticator=Authenticator(config=config), config=config)
    assert isinstance(done, Submit), "the course's configuration names it"
    done.start()


def there(root, where="exchange/medcourse/inbound"):
    return sorted(path.name for path in (root.parent / where).iterdir())


def test_what_is_handed_in_stands_there_whole_and_closed_to_others(root):
    submit(root)
    (name,) = there(root)
    assert name.startswith(f"ann+{LAB}+")
    assert [name.rsplit("+", 1)[0]] == there(root, "cache/medcourse")
    folder = root.parent / "exchange" / "medcourse" / "inbound" / name
    assert (folder / f"{LAB}.ipynb").read_bytes() == submission(root)
    assert {path.name for path in folder.iterdir()} >= {"timestamp.txt", "submission_secret.txt"}
    assert folder.stat().st_mode & 0o777 == 0o770
    done = NbGraderAPI(config=Course(root).config).collect(LAB)
    assert done["success"]
    assert (root / "submitted" / "ann" / LAB / f"{LAB}.ipynb").read_bytes() == submission(root)


def test_an_exchange_without_a_group_of_its_own_is_as_nbgrader_has_it(root):
    (root.parent / "exchange" / "medcourse" / "inbound").chmod(0o733)
    submit(root)
    folder = root.parent / "exchange" / "medcourse" / "inbound" / there(root)[0]
    assert folder.stat().st_mode & 0o777 == 0o777


def much(home):
    with (home / LAB / "video.mp4").open("wb") as file:
        file.truncate(500 * 10**6)


def many(home):
    for number in range(1001):
        (home / LAB / str(number)).touch()


@pytest.mark.parametrize(("put", "why"), [(much, "Directory size is too big"), (many, "more than 1000 files")])
def test_what_would_not_be_collected_is_refused_at_once(root, put, why):
    submit(root)
    before = there(root), there(root, "cache/medcourse")
    put(root.parent / "home")
    with pytest.raises(ExchangeError, match=f"{why}.*{BEFORE}"):
        submit(root)
    assert (there(root), there(root, "cache/medcourse")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="expected root: the full disk is one that the test mounts for itself")
def test_a_students_full_disk_leaves_no_half_and_says_so(root):
    """The exchange has its copy when the student's own has no room: what counts is there, or both are told of."""
    full = "cache/medcourse"
    home, cache = root.parent / "home", root.parent / "cache"
    (cache / "medcourse").mkdir(parents=True)
    (home / LAB / "data.bin").write_bytes(b"x" * 2_000_000)
    shutil.copy(root / "nbgrader_config.py", home)
    script = (
        f'mount -t tmpfs -o size=1M room "{root.parent / full}" && cd "{home}" && "$@";'
        f' echo $? $(ls -A "{root.parent / full}")'
    )
    handing_in = [sys.executable, "-m", "nbgrader", "submit", LAB, "--student=ann", f"--Exchange.cache={cache}"]
    more = {"MEDCOURSE_EXCHANGE": str(root.parent / "exchange")}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *handing_in],
        env=environment(root, **more), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert f"{LAB} could not be copied (" in done.stderr
    assert f"No space left on device): nothing was handed in, and {BEFORE}" in done.stderr
    assert done.stdout == "1\n", "it fails, and nothing is left there"
    assert there(root) == there(root, "cache/medcourse") == []
