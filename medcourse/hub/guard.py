"""Who could read what: the hub does not open while a student could read a secret, or could not read the course.

Everything is judged by owners, groups and permissions of a file and of all folders above it, before anything is made.
"""

import os
import shlex
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import medcourse
from medcourse.errors import CourseError
from medcourse.hub.layout import Layout

SECRETS = (
    "solutions",
    "tests/labs",
    "build/source",
    ".git",
    "gradebook.db",
    "grading",
    "submitted",
    "autograded",
    "feedback",
)
"""What students must not read in an instructor's folder of the course."""

ALMIGHTY = frozenset({"root", "sudo", "wheel", "admin", "adm", "docker", "lxd", "disk", "shadow"})
"""Groups whose members can read whatever they like."""

_SHOWN = 3
_READ, _ENTER = 4, 1
_ACL = "system.posix_acl_access"


@dataclass(frozen=True)
class Reader:
    """Somebody who might read: the numbers of the account, or of nobody's where there is none yet."""

    name: str
    uid: int = -1
    groups: frozenset[int] = frozenset()


def can_read(path: Path, reader: Reader) -> bool:
    """Whether somebody gets something out of a file, or out of a folder: entering one is enough, names are guessed."""
    found = path.resolve()
    # Path.exists raises where this process may not look.
    if not os.path.exists(found) or not all(_may(each, reader, _ENTER) for each in found.parents):  # noqa: PTH110
        return False
    return _may(found, reader, _READ) or (found.is_dir() and _may(found, reader, _ENTER))


def check_secrets(paths: Iterable[Path], readers: Iterable[Reader]) -> None:
    """Raise if somebody can read one of these; what is not there is no secret.

    Raises
    ------
    CourseError
        Names what can be read, by whom, and the command that closes it.
    """
    readers = list(readers)
    found = [(path, who) for path in paths if path.exists() if (who := [r.name for r in readers if can_read(path, r)])]
    if found:
        open_ = [str(path) for path, _ in found]
        raise CourseError(
            f"expected secrets that no student can read, but {found[0][1][0]} can read {_some(open_)}: "
            f"run `chmod go= {shlex.join(open_)}`"
        )


def check_open(paths: Iterable[Path], readers: Iterable[Reader]) -> None:
    """Raise if somebody cannot read one of these files, or cannot look into one of these folders.

    Raises
    ------
    CourseError
        Names the first that is closed, and the command that opens it.
    """
    readers = list(readers)
    for path in paths:
        for reader in readers:
            if closed := _closed(path, reader):
                wanted = "o+rX" if closed == path.resolve() else "o+x"
                raise CourseError(
                    f"expected everybody's server to read {path}, but {closed} is closed to {reader.name}: install "
                    f"Python and the course elsewhere, as in /opt, or run `chmod {wanted} {shlex.quote(str(closed))}`"
                )


def check_homes(homes: dict[str, Path], readers: Iterable[Reader]) -> None:
    """Raise if a home is open to others of the class."""
    for name, home in homes.items():
        others = [each for each in readers if each.name != name]
        check_secrets([home], others)


def check_groups(groups: dict[str, set[str]]) -> None:
    """Raise if a student, by name, is in a group whose members can read whatever they like."""
    for name, own in groups.items():
        if almighty := sorted(own & ALMIGHTY):
            raise CourseError(
                f"expected students who cannot read the course, but {name} is in the group {almighty[0]}: "
                f"run `gpasswd --delete {name} {almighty[0]}`"
            )


def secrets_of(root: Path, layout: Layout) -> list[Path]:
    """Return what no student may read: in the course that is copied, and in the hub's own folders."""
    return [*(root / name for name in SECRETS), layout.course, layout.private]


def needs(layout: Layout) -> Iterator[Path]:
    """Yield what everybody's server reads: Python, its packages, this one, and what the hub has published."""
    yield Path(sys.executable)
    for name in ("stdlib", "platstdlib", "purelib", "platlib"):
        yield Path(sysconfig.get_path(name))
    package = Path(medcourse.__file__).parent
    yield package
    yield from (path for path in sorted(package.rglob("*.py")) if "__pycache__" not in path.parts)
    yield next(each for each in (layout.folder, *layout.folder.parents) if each.is_dir())


def _closed(path: Path, reader: Reader) -> Path | None:
    """Return the file or folder at which somebody who wants to read is held up, if any."""
    found = path.resolve()
    for folder in reversed(found.parents):
        if not _may(folder, reader, _ENTER, _plain):
            return folder
    wanted = _READ | _ENTER if found.is_dir() else _READ
    return None if _may(found, reader, wanted, _plain) else found


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _plain(path: Path, reader: Reader) -> int:
    """Return what the permissions of a file let somebody do: 4 read, 2 write, 1 enter or run."""
    status = path.stat()
    if reader.uid == 0:
        return 7
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == reader.uid:
        return mode >> 6 & 7
    return mode >> 3 & 7 if status.st_gid in reader.groups else mode & 7


def _at_most(path: Path, reader: Reader) -> int:
    """Return no less than what somebody may do: owners open what is closed, lists go as far as the group."""
    if path.stat().st_uid == reader.uid:
        return 7
    try:
        has_list = hasattr(os, "listxattr") and _ACL in os.listxattr(path)
    except OSError:
        has_list = False
    return _plain(path, reader) | (path.stat().st_mode >> 3 & 7 if has_list else 0)


def _may(path: Path, reader: Reader, wanted: int, allowed: Callable[[Path, Reader], int] = _at_most) -> bool:
    return allowed(path, reader) & wanted == wanted
