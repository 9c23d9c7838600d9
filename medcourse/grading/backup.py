"""What a course knows of its class in one file, and the way back: gradebook, journals, extensions and the class's seed.

The gradebook is copied by SQLite while others may use it, and before the journals: so a journal may know more than the
gradebook beside it, which the next `medcourse grade` puts right, but never less. Submissions and graded notebooks are
not in the file: the first are the students', the second are made again from the journal.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medcourse import __version__
from medcourse.errors import CourseError
from medcourse.grading.database import gradebook_file
from medcourse.grading.gradebook import Course
from medcourse.grading.journal import FOLDER, Journal, grading_folder

GRADEBOOK, MANIFEST = "gradebook.db", "manifest.json"

LOCKED_SECONDS = 30.0
"""How long another program may hold the gradebook."""

_NAME = re.compile(rf"{GRADEBOOK}|{FOLDER}/[\w.-]+")


@dataclass(frozen=True)
class Backup:
    """What is in a back-up.

    Attributes
    ----------
    file
        Where it lies.
    made
        When, in ISO 8601.
    labs
        Those with a journal.
    students
        How many the gradebook knows.
    replaced
        Where a restored course keeps what stood there before, empty where there was nothing.
    """

    file: str
    made: str
    labs: list[str]
    students: int
    replaced: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.file}: {self.students} students, journals of {', '.join(self.labs) or 'no lab'}, {self.made}"


def back_up(root: Path, file: Path, *, force: bool = False) -> Backup:
    """Write gradebook and journals into one file.

    Parameters
    ----------
    root
        The course's folder.
    file
        Where to; only its owner may read it, for grades and the seed of hidden tests are in it.
    force
        Whether it may take the place of a file that is there.

    Raises
    ------
    CourseError
        The gradebook is no SQLite file, is held or damaged, or the file cannot be written.
    """
    gradebook = gradebook_file(Course(root).directory)
    if file.exists() and not force:
        raise CourseError(f"{file} is there: give another name, or --force to replace it")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    half = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, GRADEBOOK)
            _copy_gradebook(gradebook, copy)
            students = _sound_students(copy)
            os.close(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            sums = {}
            with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
                sums[GRADEBOOK] = _put(archive, GRADEBOOK, copy)
                for path in _kept_beside(root):
                    sums[f"{FOLDER}/{path.name}"] = _put(archive, f"{FOLDER}/{path.name}", path)
                about = {"made": made, "version": __version__, "students": students, "sha256": sums}
                archive.writestr(MANIFEST, json.dumps(about, indent=1))
            with half.open("rb") as whole:
                os.fsync(whole.fileno())
            half.replace(file)
    except OSError as error:
        raise CourseError(f"cannot write {file}: {error.strerror}") from None
    finally:
        half.unlink(missing_ok=True)
    return Backup(str(file), made, _labs(sums), students)


def restore(root: Path, file: Path, *, force: bool = False) -> Backup:
    """Put gradebook and journals back as they were when `file` was made.

    Nothing is changed before all of the file was found sound. What stands there is kept in a folder beside the
    journals.

    Parameters
    ----------
    root
        The course's folder, which may have neither gradebook nor journals.
    file
        As `back_up` wrote it.
    force
        Whether what is there may be replaced.

    Raises
    ------
    CourseError
        It is no back-up or a damaged one, something is there and `force` was not given, a lab is being graded, another
        program holds the gradebook, or the disk does not take it.
    """
    gradebook = gradebook_file(Course(root).directory, is_there=False)
    present = [path for path in (gradebook, *_kept_beside(root)) if path.is_file()]
    if present and not force:
        raise CourseError(f"{present[0]} is there: --force replaces it, and keeps it aside")
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix=".restore-") as folder, ExitStack() as stack:
            staged = Path(folder)
            about = _unpack(file, staged)
            grading = grading_folder(root)
            _hold(stack, gradebook, grading)
            kept = _keep_aside(grading, present) if present else None
            names = [Path(name).name for name in about["sha256"] if name != GRADEBOOK]
            for name in names:  # the journals first: they may know more than the gradebook, never less
                (staged / FOLDER / name).replace(grading / name)
            for path in _kept_beside(root):
                if path.name not in names:
                    path.unlink()
            _place(staged / GRADEBOOK, gradebook)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise CourseError(f"cannot restore {file}: {error.strerror}{where}") from None
    return Backup(str(file), about["made"], _labs(about["sha256"]), about["students"], str(kept) if kept else "")


def _kept_beside(root: Path) -> list[Path]:
    """Return the files of `grading/`: journals, the seed, extensions."""
    return sorted(
        path for path in (root / FOLDER).glob("*") if path.is_file() and _NAME.fullmatch(f"{FOLDER}/{path.name}")
    )


def _labs(names: dict[str, str]) -> list[str]:
    return [Path(name).stem for name in names if name.endswith(".jsonl")]


def _copy_gradebook(source: Path, copy: Path) -> None:
    """Copy a database that others may be using, as it stands at one moment."""
    deadline = time.monotonic() + LOCKED_SECONDS

    def wait(*_: int) -> None:  # Python tries again for ever where the database is locked
        if time.monotonic() > deadline:
            raise CourseError(f"{source} is held by another program: close it and run again")

    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as old,
            closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new, progress=wait, sleep=0.05)
    except sqlite3.Error as error:
        raise CourseError(f"{source} cannot be copied: {error}") from None


def _sound_students(gradebook: Path) -> int:
    """Return how many students a gradebook knows; raise where it is not one, or is damaged."""
    try:
        with closing(sqlite3.connect(f"{gradebook.resolve().as_uri()}?mode=ro", uri=True)) as database:
            said = database.execute("pragma integrity_check").fetchone()[0]
            if said != "ok":
                raise CourseError(f"the gradebook is damaged: {' '.join(said.split())[:200]}")
            database.execute("select id from submitted_assignment limit 1")
            return int(database.execute("select count(*) from student").fetchone()[0])
    except sqlite3.Error as error:
        raise CourseError(f"the gradebook is damaged, or is none of nbgrader's: {error}") from None


def _put(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    """Write a file into the archive, a journal up to its last whole line, and return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
        for line in file:
            if path.suffix == ".jsonl" and not line.endswith(b"\n"):
                break  # a run is writing it
            digest.update(line)
            entry.write(line)
    return digest.hexdigest()


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Unpack a back-up into an empty folder, hold it to its sums and to sense, and return its manifest."""
    if not file.is_file():
        raise CourseError(f"expected a back-up at {file}, found none")
    try:
        with zipfile.ZipFile(file) as archive:
            about: dict[str, Any] = json.loads(archive.read(MANIFEST))
            sums = about["sha256"]
            if {*sums, MANIFEST} != set(archive.namelist()) or not all(map(_NAME.fullmatch, sums)):
                raise ValueError("other files in it than it lists")
            (folder / FOLDER).mkdir(mode=0o700)
            for name, expected in sums.items():
                if _take(archive, name, folder / name) != expected:
                    raise ValueError(f"{name} is not as it was written")
            about["made"], about["students"] = str(about["made"]), _sound_students(folder / GRADEBOOK)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        NotImplementedError,
        zlib.error,
    ) as error:
        said = " ".join(str(error).split())[:200]
        raise CourseError(f"{file} is no whole back-up, so nothing was changed: {said}") from None
    for slug in _labs(sums):
        Journal(folder, slug, writes=False).close()  # reads every line
    return about


def _take(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as entry, os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        while block := entry.read(1 << 20):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _hold(stack: ExitStack, gradebook: Path, grading: Path) -> None:
    """Keep other runs from journals and gradebook until the stack ends."""
    for path in sorted(grading.glob("*.jsonl")):
        journal = stack.enter_context(path.open("rb"))
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"{path.stem} is being graded: wait for its end, or end it") from None
    if gradebook.is_file():
        stack.enter_context(_held(gradebook))


@contextmanager
def _held(gradebook: Path) -> Iterator[None]:
    with closing(sqlite3.connect(gradebook, timeout=LOCKED_SECONDS, isolation_level=None)) as database:
        try:
            database.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            raise CourseError(f"{gradebook} is held by another program: {error}") from None
        except sqlite3.DatabaseError:
            pass  # not a database: the reason to restore, perhaps
        yield


def _keep_aside(grading: Path, present: list[Path]) -> Path:
    """Copy what is about to be replaced into a folder of its own."""
    folder = grading / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    folder.mkdir(mode=0o700)
    for path in present:
        shutil.copy2(path, folder)
    return folder


def _place(staged: Path, gradebook: Path) -> None:
    """Move the gradebook to its place, which may be on another disk, with the rights that it had there."""
    half = gradebook.with_name(f".{gradebook.name}.{os.getpid()}")
    try:
        shutil.copyfile(staged, half)
        half.chmod(gradebook.stat().st_mode & 0o7777 if gradebook.is_file() else 0o600)
        with half.open("rb") as file:
            os.fsync(file.fileno())
        half.replace(gradebook)
    finally:
        half.unlink(missing_ok=True)
    for ending in ("-journal", "-wal", "-shm"):  # of the one that was replaced: they would be taken for this one's
        gradebook.with_name(gradebook.name + ending).unlink(missing_ok=True)
