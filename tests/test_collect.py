"""Collecting from students who own what they hand in: forged names, links, pipes, floods and changes while it is copied.

The students are accounts that every system has, so that nothing is added to this one; only root can hand in as another.
"""

import json
import os
import pwd
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nbgrader.apps import NbGraderAPI

from medcourse.errors import CourseError
from medcourse.grading import inbound as inbound_module
from medcourse.grading import workforce
from medcourse.grading.aside import MOST, Aside, keep_aside, read_aside
from medcourse.grading.classroom import grade_class
from medcourse.grading.collect import CLAIMED
from medcourse.grading.gradebook import Course
from medcourse.grading.inbound import Limits, NotTakenError, examine, parse_name, take
from medcourse.grading.report import report
from tests.small_class import LAB, Here, gradebook, submission

pytestmark = [
    pytest.mark.usefixtures("one_engine"),
    pytest.mark.skipif(os.geteuid() != 0, reason="expected root: only root can hand in as somebody else"),
]

ANN, BEN, CEM = (each for each in pwd.getpwall() if each.pw_uid and each.pw_name in ("daemon", "bin", "mail"))
LIMITS = Limits(10**6, 50, 3)
SECRET = "5ec2e7" * 20


@pytest.fixture
def root(small_course, tmp_path, monkeypatch):
    folder = shutil.copytree(small_course, tmp_path / "course")
    place = tmp_path / "exchange" / "medcourse" / "inbound"
    place.mkdir(parents=True)
    place.chmod(0o1733)
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.setenv("MEDCOURSE_EXCHANGE", str(tmp_path / "exchange"))
    monkeypatch.delenv("MEDCOURSE_GRADEBOOK", raising=False)
    monkeypatch.setattr(workforce, "Workforce", Here)
    return folder


@pytest.fixture
def inbound(root):
    return root.parent / "exchange" / "medcourse" / "inbound"


def hand_in(inbound, who, content=b"{}", *, named=None, minutes_ago=0.0, salt="x"):
    """Hand in as `who`, under the name of `named`."""
    time = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    claim = time.strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    folder = inbound / f"{(named or who).pw_name}+{LAB}+{claim}+{salt}"
    folder.mkdir()
    (folder / f"{LAB}.ipynb").write_bytes(content)
    (folder / "timestamp.txt").write_text(claim)
    (folder / "submission_secret.txt").write_text(SECRET)
    return give(folder, who)


def give(path, who):
    """Make all of it somebody's."""
    for each in (path, *path.rglob("*")):
        os.chown(each, who.pw_uid, who.pw_gid, follow_symlinks=False)
    return path


def collect(root, **knobs):
    config = Course(root).config
    for name, value in knobs.items():
        config.Collect[name] = value
    done = NbGraderAPI(config=config).collect(LAB)
    done["log"] = done.get("log", "")
    return done


def collected(root, who):
    return (root / "submitted" / who.pw_name / LAB / f"{LAB}.ipynb").read_bytes()


def aside(root):
    """Return who is told of, and why."""
    return {(each.whose, each.reason) for each in read_aside(root, LAB)}


# Names.


def test_a_forged_name_replaces_nothing_and_the_instructor_is_told_everywhere(root, inbound):
    """Ben hands in under ann's name, later than she did."""
    hers = submission(root)
    hand_in(inbound, ANN, hers, minutes_ago=1)
    forged = hand_in(inbound, BEN, b"nothing", named=ANN)
    done = collect(root)
    assert done["success"], done
    assert collected(root, ANN) == hers
    why = f"says that it is {ANN.pw_name}'s, but is {BEN.pw_name}'s"
    assert f"SET ASIDE: {forged.name} {why}" in done["log"]
    assert aside(root) == {(BEN.pw_name, why)}
    assert f"set aside: {forged.name} {why}: not collected" in str(grade_class(root, LAB))
    (look,) = report(root, LAB).looks
    assert (look.student, look.flags) == (BEN.pw_name, ["aside"])
    assert set(gradebook(root)) == {ANN.pw_name}
    assert forged.is_dir(), "what proves it stays"


def test_a_forged_name_of_somebody_who_handed_in_nothing_collects_nothing(root, inbound):
    hand_in(inbound, BEN, named=ANN)
    assert collect(root)["success"]
    assert not (root / "submitted").exists()


def test_a_link_to_the_victims_own_folder_is_not_the_victims(root, inbound):
    """Whoever asks for the owner of what the link leads to finds ann."""
    hers = hand_in(inbound, ANN, b"old", minutes_ago=1)
    link = inbound / f"{ANN.pw_name}+{LAB}+2999-01-01 00:00:00.0 UTC+x"
    link.symlink_to(hers)
    os.chown(link, BEN.pw_uid, BEN.pw_gid, follow_symlinks=False)
    done = collect(root)
    assert collected(root, ANN) == b"old"
    assert f"{link.name} says that it is {ANN.pw_name}'s, but is {BEN.pw_name}'s" in done["log"]


def test_a_file_of_another_in_ones_folder(root, inbound):
    folder = hand_in(inbound, ANN)
    (folder / "more.txt").write_text("x")
    os.chown(folder / "more.txt", BEN.pw_uid, BEN.pw_gid)
    collect(root)
    assert aside(root) == {
        (ANN.pw_name, f"is {ANN.pw_name}'s, but holds 'more.txt', which is {BEN.pw_name}'s")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        (f"ann+{LAB}", "has a name that"),
        (f"ann+{LAB}+b+19_other+2026-01-01 UTC+x", "has a name that"),
        (f"..+{LAB}+2026-01-01 UTC+x", "names a student who cannot be"),
        (f"+{LAB}+2026-01-01 UTC+x", "names a student who cannot be"),
        (f"a\nb+{LAB}+2026-01-01 UTC+x", "names a student who cannot be"),
        (f"a\udcffb+{LAB}+2026-01-01 UTC+x", "names a student who cannot be"),
    ],
)
def test_names_that_cannot_be(folder, why):
    with pytest.raises(NotTakenError, match=why):
        parse_name(folder, LAB)


def test_names_that_can_be():
    assert parse_name(f"ann+{LAB}+2026-01-01 UTC+x", LAB).student == "ann"
    assert parse_name(f"ann+{LAB}+2026-01-01 UTC", LAB).time == "2026-01-01 UTC"


def test_one_bad_name_does_not_keep_a_class_from_being_collected(root, inbound):
    """nbgrader ends at the first name that it cannot read."""
    hand_in(inbound, ANN, b"hers")
    for name in (f"x+{LAB}+not a time+x", f"\udcff\x1b[31m+{LAB}+x+x", f"a+{LAB}+b+{LAB}+x"):
        give_folder = inbound / name
        give_folder.mkdir()
        give(give_folder, BEN)
    done = collect(root)
    assert done["success"], done
    assert collected(root, ANN) == b"hers"
    assert "\x1b" not in done["log"]
    assert {each.owner for each in read_aside(root, LAB)} == {BEN.pw_name}


def test_where_all_are_one_account_it_is_said_that_nothing_was_checked(root, inbound):
    me = pwd.getpwuid(os.geteuid())
    hand_in(inbound, me, b"one", named=ANN)
    done = collect(root)
    assert collected(root, ANN) == b"one"
    assert "'00_mini': 1 from an account that is not the student's" in done["log"]


def test_one_account_for_all_students_must_be_switched_on(root, inbound):
    hand_in(inbound, CEM, b"one", named=ANN)
    collect(root)
    assert len(aside(root)) == 1
    done = collect(root, check_owner=False)
    assert collected(root, ANN) == b"one"
    assert "was not checked" in done["log"]
    assert aside(root) == set(), "what is taken after all is off the list"


# What lies in the folder.


def put_link(folder):
    (folder / "notes.txt").symlink_to("/etc/shadow")


def put_notebook_link(folder):
    (folder / f"{LAB}.ipynb").unlink()
    (folder / f"{LAB}.ipynb").symlink_to("/dev/zero")


def put_folder_link(folder):
    (folder / "all").symlink_to("/etc")


def put_hard_link(folder):
    mine = folder.parents[2] / "mine.txt"
    mine.write_text("x")
    os.link(mine, folder / "also.txt")


def put_pipe(folder):
    os.mkfifo(folder / "pipe")


def put_notebook_pipe(folder):
    (folder / f"{LAB}.ipynb").unlink()
    os.mkfifo(folder / f"{LAB}.ipynb")


def put_device(folder):
    os.mknod(folder / "zero", 0o666 | 0o020000, os.makedev(1, 5))


def put_socket(folder):
    before = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    os.chdir(before)


def put_much(folder):
    with (folder / "much").open("wb") as file:
        file.truncate(500 * 10**6)


def put_many(folder):
    for number in range(1001):
        (folder / f"{number}").touch()


def put_deep(folder):
    (folder / "/".join("d" * 20)).mkdir(parents=True)


def put_half(folder):
    (folder / "timestamp.txt").unlink()


def put_empty_time(folder):
    (folder / "timestamp.txt").write_text("")


def put_no_secret(folder):
    (folder / "submission_secret.txt").unlink()


def put_secret_of_noise(folder):
    (folder / "submission_secret.txt").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_link, "holds a link, 'notes.txt'"),
        (put_notebook_link, "holds a link, '00_mini.ipynb'"),
        (put_folder_link, "holds a link, 'all'"),
        (put_hard_link, "holds 'also.txt', a file that also stands elsewhere"),
        (put_pipe, "holds a named pipe, 'pipe'"),
        (put_notebook_pipe, "holds a named pipe, '00_mini.ipynb'"),
        (put_device, "holds a device, 'zero'"),
        (put_socket, "holds a socket, 'socket'"),
        (put_much, "has more than 100 MB"),
        (put_many, "has more than 1000 files and folders"),
        (put_deep, "has folders in folders, more than 8 deep"),
        (put_half, "has no timestamp.txt: it was not handed in to the end"),
        (put_empty_time, "has no timestamp.txt: it was not handed in to the end"),
        (put_no_secret, "has no submission_secret.txt: it was not handed in to the end"),
        (put_secret_of_noise, "has a submission_secret.txt that"),
    ],
)
def test_what_no_submission_holds_is_set_aside_and_all_else_collected(root, inbound, put, why):
    hand_in(inbound, ANN, b"first", minutes_ago=1, salt="a")
    hand_in(inbound, CEM, b"cem's")
    bad = hand_in(inbound, ANN, b"second")
    put(bad)
    give(bad, ANN)
    done = collect(root)
    assert done["success"], done
    assert collected(root, ANN) == b"first", "the one before it counts"
    assert collected(root, CEM) == b"cem's"
    ((who, said),) = aside(root)
    assert who == ANN.pw_name
    assert said.startswith(why)
    assert f"SET ASIDE: {bad.name} {why}" in done["log"]


def test_a_plain_submission_comes_whole_and_with_plain_permissions(root, inbound):
    folder = hand_in(inbound, ANN, b"hers")
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "data" / "deep" / "a.bin").write_bytes(bytes(range(256)) * 9000)  # more than one piece
    (folder / "data" / "deep" / "a.bin").chmod(0o4711)
    (folder / ".ipynb_checkpoints").mkdir()
    give(folder, ANN)
    done = collect(root)
    assert "SET ASIDE" not in done["log"]
    assert "not checked" not in done["log"]
    place = root / "submitted" / ANN.pw_name / LAB
    assert (place / "data" / "deep" / "a.bin").read_bytes() == bytes(range(256)) * 9000
    assert (place / "data" / "deep" / "a.bin").stat().st_mode & 0o7777 == 0o644
    assert not (place / ".ipynb_checkpoints").exists()
    assert [each.name for each in place.parent.iterdir()] == [LAB]


# Changes while it is copied, and clocks.


@pytest.mark.parametrize("change", ["content", "more", "link", "swap"])
def test_what_changes_while_it_is_copied_is_not_taken(inbound, tmp_path, monkeypatch, change):
    folder = hand_in(inbound, ANN, b"one")
    notebook = folder / f"{LAB}.ipynb"
    opened = inbound_module._opened
    seen = []

    def changes(parent, name, flags):
        if name == notebook.name and not seen:
            seen.append(name)
            if change == "content":
                notebook.write_bytes(b"two")
            elif change == "more":
                (folder / "more.txt").touch()
            else:
                notebook.unlink()
                if change == "link":
                    notebook.symlink_to("/etc/shadow")
                else:
                    notebook.write_bytes(b"one")
            give(folder, ANN)
        return opened(parent, name, flags)

    monkeypatch.setattr(inbound_module, "_opened", changes)
    with pytest.raises(NotTakenError, match=r"changed while it was copied|cannot be opened at '00_mini.ipynb'"):
        take(inbound, folder.name, tmp_path / "copy", LIMITS, lambda _: False)
    assert seen
    assert not any(path.read_bytes().startswith(b"root:") for path in (tmp_path / "copy").rglob("*.ipynb"))


def test_what_changes_after_it_was_copied_and_before_the_end_is_not_taken(inbound, tmp_path, monkeypatch):
    """Half of one version and half of the next is nobody's submission."""
    folder = hand_in(inbound, ANN, b"one")
    copy = inbound_module._copy

    def changes(source, destination, size):
        copy(source, destination, size)
        if destination.name == f"{LAB}.ipynb":
            (folder / f"{LAB}.ipynb").write_bytes(b"two")

    monkeypatch.setattr(inbound_module, "_copy", changes)
    with pytest.raises(NotTakenError, match="changed while it was copied"):
        take(inbound, folder.name, tmp_path / "copy", LIMITS, lambda _: False)


def test_a_folder_is_opened_beneath_the_one_that_was_looked_at(inbound, tmp_path, monkeypatch):
    """A folder in a submission becomes a link to another's between the look and the copy."""
    folder = hand_in(inbound, ANN)
    (folder / "data").mkdir()
    give(folder, ANN)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").touch()
    opened = inbound_module._opened

    def swaps(parent, name, flags):
        if name == "data" and not (folder / "data").is_symlink() and (tmp_path / "copy").exists():
            (folder / "data").rmdir()
            (folder / "data").symlink_to(tmp_path / "elsewhere")
        return opened(parent, name, flags)

    monkeypatch.setattr(inbound_module, "_opened", swaps)
    with pytest.raises(NotTakenError, match="cannot be opened at 'data'"):
        take(inbound, folder.name, tmp_path / "copy", LIMITS, lambda _: False)
    assert (folder / "data").is_symlink()
    assert not list((tmp_path / "copy").rglob("secret"))


def test_changed_meanwhile_leaves_what_was_collected_before(root, inbound, monkeypatch):
    hand_in(inbound, ANN, b"old", minutes_ago=1, salt="a")
    collect(root)
    hand_in(inbound, ANN, b"new")

    def fails(*_):
        raise NotTakenError("changed while it was copied")

    monkeypatch.setattr(inbound_module, "take", fails)
    assert collect(root)["success"]
    assert collected(root, ANN) == b"old"
    assert aside(root) == {(ANN.pw_name, "changed while it was copied")}
    monkeypatch.undo()
    monkeypatch.setenv("MEDCOURSE_EXCHANGE", str(inbound.parents[1]))
    collect(root)
    assert collected(root, ANN) == b"new"
    assert aside(root) == set()


def test_the_last_by_the_exchanges_clock_counts_whatever_their_names_say(root, inbound):
    hand_in(inbound, ANN, b"old", minutes_ago=-999, salt="a")  # from the future
    hand_in(inbound, ANN, b"new", minutes_ago=999, salt="b")  # from the past
    assert collect(root)["success"]
    assert collected(root, ANN) == b"new"
    assert (root / "submitted" / ANN.pw_name / LAB / CLAIMED).is_file()
    again = collect(root)
    assert "No newer submission to collect" in again["log"]
    assert collect(root, clock="student")["success"]
    assert collected(root, ANN) == b"old"


def test_noise_after_the_time_does_not_reach_the_release_of_feedback(root, inbound):
    """nbgrader reads it as text there, and would end for the whole class."""
    folder = hand_in(inbound, ANN)
    with (folder / "timestamp.txt").open("ab") as file:
        file.write(b" " * 200 + b"\xff")
    collect(root)
    (root / "submitted" / ANN.pw_name / LAB / "timestamp.txt").read_text(encoding="utf-8")


# The list, and bounds.


def test_the_list_of_what_was_set_aside_is_bounded_and_can_be_spoilt(tmp_path):
    forged = [Aside(f"a{number}", "ann", "ben", "why") for number in range(MOST + 5)]
    keep_aside(tmp_path, LAB, forged, [])
    assert len(read_aside(tmp_path, LAB)) == MOST
    keep_aside(tmp_path, LAB, [], ["a0"])
    assert read_aside(tmp_path, LAB)[0].folder == "a1"
    path = tmp_path / "grading" / "aside" / f"{LAB}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(json.dumps([{"folder": 1}]))
    with pytest.raises(CourseError, match=r"cannot read .*00_mini.json: .*: mend it, or remove it"):
        read_aside(tmp_path, LAB)


def test_a_look_is_bounded(inbound):
    """A hundred thousand files are not counted to their end, nor is 1 TB read."""
    folder = hand_in(inbound, ANN)
    for number in range(60):
        (folder / str(number)).touch()
    with (folder / "sparse").open("wb") as file:
        file.truncate(10**12)
    give(folder, ANN)
    with pytest.raises(NotTakenError, match="has more than"):
        examine(inbound, folder.name, LIMITS, lambda _: False)
