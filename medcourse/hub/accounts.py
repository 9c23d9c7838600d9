"""An operating-system account for each person: found or made, with a password that nobody chose."""

import csv
import io
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading.files import write_whole
from medcourse.hub.guard import Reader
from medcourse.hub.layout import Layout
from medcourse.hub.roster import GRADER, Person

PASSWORDS = "passwords.csv"
_SYSTEM = 1000  # accounts below are the machine's own
_SBIN = "/usr/sbin:/sbin"


def check_people(people: Iterable[Person]) -> None:
    """Raise if a name of the class is an account of the machine's own, such as `mail`."""
    import pwd  # noqa: PLC0415  (there is none on Windows)

    for person in people:
        try:
            uid = pwd.getpwnam(person.name).pw_uid
        except KeyError:
            continue
        if uid < _SYSTEM:
            raise CourseError(
                f"expected a person's name, got {person.name}, an account of this machine: choose another"
            )


def readers_of(people: Iterable[Person]) -> list[Reader]:
    """Return the students as those who might read, and somebody without an account yet."""
    import pwd  # noqa: PLC0415

    found = [Reader("a student")]
    for person in people:
        if not person.is_instructor and (own := _account(person.name)):
            entry = pwd.getpwnam(person.name)
            found.append(Reader(person.name, own[0], frozenset(os.getgrouplist(person.name, entry.pw_gid))))
    return found


def groups_of(people: Iterable[Person]) -> dict[str, set[str]]:
    """Return the names of the groups of each student who has an account."""
    import grp  # noqa: PLC0415
    import pwd  # noqa: PLC0415

    found = {}
    for person in people:
        if not person.is_instructor and _account(person.name):
            gids = os.getgrouplist(person.name, pwd.getpwnam(person.name).pw_gid)
            found[person.name] = {grp.getgrgid(gid).gr_name for gid in gids if _is_group(gid)}
    return found


def homes_of(people: Iterable[Person]) -> dict[str, Path]:
    """Return the homes, as far as they are there, of those of the class and of the grader who have accounts."""
    import pwd  # noqa: PLC0415

    names = [*(person.name for person in people), GRADER]
    homes = {name: Path(pwd.getpwnam(name).pw_dir) for name in names if _account(name)}
    return {name: home for name, home in homes.items() if home.is_dir()}


def make_accounts(layout: Layout, people: Iterable[Person]) -> list[str]:
    """Make the accounts that are missing, the grader's among them, and leave alone those that are there.

    A password is kept in `private/passwords.csv` before it is set, so that a run that was cut off is made good.

    Returns
    -------
    list of str
        Names of the accounts that were made for people.

    Raises
    ------
    CourseError
        This machine does not make accounts.
    """
    people = list(people)
    known = _passwords(layout)
    made = [person.name for person in people if not _account(person.name)]
    drawn = {name: known.get(name) or secrets.token_urlsafe(12) for name in made}
    if drawn.keys() - known.keys():
        _keep(layout, known | drawn)
    for name in [*made, *([] if _account(GRADER) else [GRADER])]:
        _run(["useradd", "--create-home", "-K", "HOME_MODE=0700", "--user-group", "--shell", _shell(), name])
    unset = [person.name for person in people if person.name in known | drawn and _is_locked(person.name)]
    if unset:
        _run(["chpasswd"], "".join(f"{name}:{(known | drawn)[name]}\n" for name in unset))
    return made


def grader_ids() -> tuple[int, int]:
    """Return user and group of the grader's account."""
    found = _account(GRADER)
    if found is None:
        raise CourseError(f"expected the account {GRADER}, found none: start the hub again")
    return found


def _account(name: str) -> tuple[int, int] | None:
    import pwd  # noqa: PLC0415

    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid


def _is_group(gid: int) -> bool:
    import grp  # noqa: PLC0415

    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def _is_locked(name: str) -> bool:
    """Whether an account has no password to log in with."""
    return _run(["passwd", "--status", name]).split()[1] != "P"


def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"


def _passwords(layout: Layout) -> dict[str, str]:
    """Return the first passwords, by name, of the accounts that a hub made."""
    path = layout.private / PASSWORDS
    if not path.is_file():
        return {}
    return {row["name"]: row["password"] for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))}


def _keep(layout: Layout, passwords: dict[str, str]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([("name", "password"), *passwords.items()])
    write_whole(layout.private / PASSWORDS, table.getvalue(), mode=0o600)


def _run(command: list[str], given: str = "") -> str:
    """Run a command of the operating system, and return what it prints."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    program = shutil.which(command[0], path=path)
    if program is None:
        raise CourseError(f"expected {command[0]}, which makes accounts on Linux, found none: use --demo here")
    done = subprocess.run(  # noqa: S603
        [program, *command[1:]], input=given, capture_output=True, text=True, check=False, env={"PATH": path}
    )
    if done.returncode:
        said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise CourseError(f"expected {command[0]} to do its work for {command[-1]}, got: {said}")
    return done.stdout
