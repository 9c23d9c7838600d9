"""The folders of a hub: what lies where, whose it is, and how it comes to be there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading import release
from medcourse.grading.files import write_whole
from medcourse.publish import publish

COURSE_ID = "medcourse"
CONFIG = "nbgrader_config.py"
PARTS = ("course", "solutions", "assignments", "bench/results", "constraints.txt", CONFIG)
"""What the instructors' course is made of."""


@dataclass(frozen=True)
class Layout:
    """The folder of a hub.

    Attributes
    ----------
    folder
        All of it; everybody may pass through.
    """

    folder: Path

    @property
    def course(self) -> Path:
        """The course as nbgrader has it, with solutions and grades: the grader's alone."""
        return self.folder / "course"

    @property
    def exchange(self) -> Path:
        """Where labs, submissions and feedback change hands: everybody may write, nobody may move what is another's."""
        return self.folder / "exchange"

    @property
    def public(self) -> Path:
        """What `medcourse publish` writes: everybody may read."""
        return self.folder / "public"

    @property
    def settings(self) -> Path:
        """Settings of nbgrader for everybody's own server: everybody may read."""
        return self.folder / "settings"

    @property
    def private(self) -> Path:
        """The hub's own: database, secrets, first passwords, log."""
        return self.folder / "private"

    @property
    def log(self) -> str:
        """Where the hub says what it does."""
        return str(self.private / "hub.log")

    @property
    def homes(self) -> Path:
        """In a demonstration everybody's home; else these are the accounts' own."""
        return self.folder / "homes"


def lay_out(layout: Layout, root: Path, grader: tuple[int, int] | None) -> None:
    """Make the folders of a hub, as far as they are not there, and publish what everybody may read.

    The course is copied once; from then on it is its instructors'.

    Parameters
    ----------
    layout
        Where.
    root
        An instructor's folder of the course, with `solutions/`.
    grader
        The user and group that own the course, or none where there are no accounts.

    Raises
    ------
    CourseError
        No such course, or a folder cannot be written. What was not there before is not there then either.
    """
    try:
        if not layout.course.is_dir():
            with _at_once(layout.course) as half:
                _copy_course(root, half)
                _give(half, grader)
        if not layout.exchange.is_dir():
            with _at_once(layout.exchange) as half:
                # A course of this name that a student made first would be that student's.
                make_folder(half / COURSE_ID, 0o755)
                # As nbgrader makes it, but that nobody may move or remove what is another's, even who knows its name.
                make_folder(half / COURSE_ID / "inbound", 0o3733)
                _give(half, grader)
                half.chmod(0o1777)
        publish(root, layout.public)
        make_folder(layout.settings, 0o755)
        # From the administrator's folder: what lies in the grader's may be a link to what only root reads.
        config = (root / CONFIG).read_bytes()
        if not (layout.settings / CONFIG).is_file() or (layout.settings / CONFIG).read_bytes() != config:
            write_whole(layout.settings / CONFIG, config)
            (layout.settings / CONFIG).chmod(0o644)
    except OSError as error:
        raise CourseError(f"cannot lay out the hub in {layout.folder}: {error.strerror} ({error.filename})") from error


def make_folder(folder: Path, mode: int) -> None:
    """Make a folder, whatever the umask; one that is there stays as it is."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(mode)


@contextmanager
def _at_once(folder: Path) -> Iterator[Path]:
    """Let a folder be filled under another name, so that half of one is never taken for the whole."""
    half = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    try:
        half.mkdir(mode=0o700)
        yield half
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _copy_course(root: Path, target: Path) -> None:
    if not list((root / "solutions").glob("*.py")):
        raise CourseError(
            f"expected solutions/ in {root}, found none: run this in an instructor's folder of the course"
        )
    for part in PARTS:
        source = root / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        elif source.is_file():
            shutil.copyfile(source, target / part)
    if not (target / CONFIG).is_file():
        raise CourseError(f"expected {CONFIG} in {root}, found none: run this in a checkout of the course")
    release.build(target)


def _give(folder: Path, owner: tuple[int, int] | None) -> None:
    """Hand over a folder that was just made."""
    if owner:
        for path in [folder, *folder.rglob("*")]:
            shutil.chown(path, *owner)
