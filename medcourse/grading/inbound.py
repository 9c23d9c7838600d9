"""What stands in the exchange's inbound folder, looked at and copied without trusting a byte of it.

Whoever hands in owns what they hand in: it may hold links to what only the grader can read, named pipes that never end,
a million files, and it may change while it is looked at. So every file is opened by descriptor beneath the folder that
was checked, never through a link, and what was copied counts only if nothing changed meanwhile.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from medcourse.errors import CourseError

TIME, SECRET = "timestamp.txt", "submission_secret.txt"
"""What `nbgrader submit` writes last: a folder without them was not handed in to the end."""

SECRET_LENGTH = 1000
CLAIM_LENGTH = 100
CHUNK = 1 << 20

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a pipe must not be waited for

Mark = tuple[int, ...]
"""What differs where a file is another one than before, or has another content."""


class NotTakenError(CourseError):
    """A submission that is not collected: why, in words that follow its name."""


@dataclass(frozen=True)
class Limits:
    """How much one submission may be: bytes of all files, files and folders, folders in folders."""

    size: int
    files: int
    depth: int


@dataclass
class Contents:
    """What a submission's folder holds.

    Attributes
    ----------
    uid
        The account that owns the folder and everything in it.
    marks
        Each file and folder by its path.
    size
        Bytes of all files.
    arrived
        When anything in it last changed in any way, by the exchange's clock: nanoseconds since 1970.
    claim
        What it says of its time.
    """

    uid: int = -1
    marks: dict[str, Mark] = field(default_factory=dict)
    size: int = 0
    arrived: int = 0
    claim: str = ""

    @property
    def arrival(self) -> datetime:
        """When it came: UTC, without a zone."""
        return datetime.fromtimestamp(self.arrived / 1e9, UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Name:
    """What the name of a submission's folder says: whose it is, of which lab, from when."""

    student: str
    lab: str
    time: str


def parse_name(folder: str, lab: str) -> Name:
    """Take the name of a folder apart, as `nbgrader submit` puts it together.

    Raises
    ------
    NotTakenError
        It is another lab's, or no name of a student.
    """
    parts = folder.rsplit("+", 3)
    if len(parts) < 3 or parts[1] != lab:
        raise NotTakenError("has a name that `nbgrader submit` does not give")
    if parts[0].startswith(".") or not parts[0].isprintable() or not parts[0] or "/" in parts[0]:
        raise NotTakenError("names a student who cannot be")
    return Name(*parts[:3])


def examine(inbound: Path, folder: str, limits: Limits, is_ignored: Callable[[str], bool]) -> Contents:
    """Look at a submission without opening anything but folders and the two small files that end it.

    Parameters
    ----------
    inbound
        The exchange's folder of submissions.
    folder
        The name of one in it.
    limits
        Beyond which it is not looked at any further.
    is_ignored
        Which names are not collected at all.

    Raises
    ------
    NotTakenError
        It is too much, not handed in to the end, or holds what no submission holds.
    """
    walk = _Walk(limits, is_ignored)
    with _folder_in(inbound, folder) as descriptor:
        walk.folder(descriptor, "")
        walk.found.claim = _end_of(descriptor)
    return walk.found


def take(inbound: Path, folder: str, destination: Path, limits: Limits, is_ignored: Callable[[str], bool]) -> Contents:
    """Copy a submission, which must not change meanwhile, and return what was copied.

    Files are made with mode 0644 and folders with 0755, whatever they were.

    Raises
    ------
    NotTakenError
        As `examine`, or it changed.
    OSError
        It cannot be written.
    """
    before = examine(inbound, folder, limits, is_ignored)
    walk = _Walk(limits, is_ignored, destination)
    with _folder_in(inbound, folder) as descriptor:
        walk.folder(descriptor, "")
    after = examine(inbound, folder, limits, is_ignored)
    if not before.marks == walk.found.marks == after.marks or before.uid != walk.found.uid:
        raise NotTakenError("changed while it was copied")
    return after


class _Walk:
    """One way through a submission, which copies it where there is a destination."""

    def __init__(self, limits: Limits, is_ignored: Callable[[str], bool], destination: Path | None = None) -> None:
        self.limits, self.is_ignored, self.destination = limits, is_ignored, destination
        self.found = Contents()

    def folder(self, descriptor: int, path: str, depth: int = 0) -> None:
        """Go through one folder that is open."""
        if depth > self.limits.depth:
            raise NotTakenError(f"has folders in folders, more than {self.limits.depth} deep")
        self._note(path or ".", os.fstat(descriptor))
        if self.destination is not None:
            (self.destination / path).mkdir(mode=0o755)
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if not self.is_ignored(entry.name):
                    self._entry(descriptor, entry, os.path.join(path, entry.name), depth)  # noqa: PTH118

    def _entry(self, descriptor: int, entry: os.DirEntry[str], path: str, depth: int) -> None:
        try:
            about = entry.stat(follow_symlinks=False)
        except OSError:
            raise NotTakenError("changed while it was looked at") from None
        if stat.S_ISDIR(about.st_mode):
            with _opened(descriptor, entry.name, _FOLDER) as inner:
                self.folder(inner, path, depth + 1)
            return
        if not stat.S_ISREG(about.st_mode):
            raise NotTakenError(f"holds {_kind(about.st_mode)}, {_short(path)}, which no submission holds")
        if about.st_nlink != 1:
            raise NotTakenError(f"holds {_short(path)}, a file that also stands elsewhere (a hard link)")
        if self.destination is None:
            self._note(path, about)
            return
        with _opened(descriptor, entry.name, _FILE) as source:
            about = os.fstat(source)
            if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
                raise NotTakenError("changed while it was copied")
            self._note(path, about)
            _copy(source, self.destination / path, about.st_size)

    def _note(self, path: str, about: os.stat_result) -> None:
        """Keep what there is, and hold it to the limits and to one owner."""
        found = self.found
        found.uid = about.st_uid if found.uid < 0 else found.uid
        if about.st_uid != found.uid:
            whose = f"is {account(found.uid)}'s, but holds {_short(path)}"
            raise NotTakenError(f"{whose}, which is {account(about.st_uid)}'s")
        size = about.st_size if stat.S_ISREG(about.st_mode) else 0
        found.marks[path] = about.st_dev, about.st_ino, about.st_mode, size, about.st_mtime_ns, about.st_ctime_ns
        found.size += size
        found.arrived = max(found.arrived, about.st_ctime_ns)
        if found.size > self.limits.size:
            raise NotTakenError(f"has more than {self.limits.size / 1e6:g} MB")
        if len(found.marks) > self.limits.files:
            raise NotTakenError(f"has more than {self.limits.files} files and folders")


def account(uid: int) -> str:
    """Return the name of an account, or its number where it has none."""
    import pwd  # noqa: PLC0415  (not on Windows)

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@contextmanager
def _folder_in(inbound: Path, folder: str) -> Iterator[int]:
    # A student may pass through it, and not list it.
    parent = os.open(inbound, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _opened(parent, folder, _FOLDER) as descriptor:
            yield descriptor
    finally:
        os.close(parent)


@contextmanager
def _opened(parent: int, name: str, flags: int) -> Iterator[int]:
    """Open what stands in a folder that is open; what cannot be opened is the submission's trouble, not ours."""
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except OSError as error:
        raise NotTakenError(f"cannot be opened at {_short(name)}: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _end_of(descriptor: int) -> str:
    """Return what a submission says of its time, after a look at whether it has come to its end."""
    claim = _small(descriptor, TIME, CLAIM_LENGTH)
    secret = _small(descriptor, SECRET, SECRET_LENGTH)
    if not claim or not secret:
        raise NotTakenError(f"has no {SECRET if claim else TIME}: it was not handed in to the end")
    if not (secret.isascii() and secret.isalnum()):  # which the release of feedback would stumble over
        raise NotTakenError(f"has a {SECRET} that `nbgrader submit` does not write")
    return claim.decode(errors="replace").strip()


def _small(folder: int, name: str, most: int) -> bytes:
    """Return the beginning of a small file, empty where there is none."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return b""
    with _opened(folder, name, _FILE) as descriptor:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, most + 1) if is_file else b""


def _copy(source: int, destination: Path, size: int) -> None:
    """Copy a file that is open, as much as it had when it was looked at."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(destination, flags, 0o644), "wb") as file:
        while size > 0:
            chunk = os.read(source, min(size, CHUNK))
            if not chunk:
                break
            file.write(chunk)
            size -= len(chunk)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _short(path: str) -> str:
    """Return a path that a student chose, fit for one line."""
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in path)
    return repr(shown if len(shown) <= 60 else f"{shown[:57]}...")
