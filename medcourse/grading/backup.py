"""What a course knows of its class in one file, and the way back: gradebook, journals, extensions and the class's seed.

The gradebook is copied by SQLite or PostgreSQL while others may use it, and before the journals; it is put back before
them, too. So a journal may know more than the gradebook beside it, which the next `medcourse grade` puts right, but
never less, whenever a run ends. Submissions and graded notebooks are not in the file: the first are the students', the
second are made again from the journal.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medcourse import __version__
from medcourse.errors import CourseError
from medcourse.grading.gradebook import Course
from medcourse.grading.journal import FOLDER, Journal, grading_folder
from medcourse.grading.stores import Store, store_of

MANIFEST = "manifest.json"
GRADEBOOKS = {"gradebook.db": "SQLite", "gradebook.dump": "PostgreSQL"}
"""What the gradebook of each kind is called in a back-up."""

_NAME = re.compile(rf"{'|'.join(map(re.escape, GRADEBOOKS))}|{FOLDER}/[\w.-]+")


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
        The gradebook is not there, is held or damaged, PostgreSQL's programs are not there, or the file cannot be
        written.
    """
    store = store_of(Course(root).directory)
    if file.exists() and not force:
        raise CourseError(f"{file} is there: give another name, or --force to replace it")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    half = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, store.name)
            students = store.copy(copy)
            os.close(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            sums = {}
            with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as archive:
                sums[store.name] = _put(archive, store.name, copy)
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
    if not file.is_file():
        raise CourseError(f"expected a back-up at {file}, found none: give its name")
    store = store_of(Course(root).directory)
    present = [store.place] if store.is_there() else []
    present += [str(path) for path in _kept_beside(root)]
    if present and not force:
        raise CourseError(f"{present[0]} is there: --force replaces it, and keeps it aside")
    try:
        with tempfile.TemporaryDirectory(dir=root, prefix=".restore-") as folder, ExitStack() as stack:
            staged = Path(folder)
            about = _unpack(file, staged, store)
            grading = grading_folder(root)
            _hold(stack, store, grading, _labs(about["sha256"]))
            kept = _keep_aside(root, store) if present else None
            names = [Path(name).name for name in about["sha256"] if name not in GRADEBOOKS]
            store.put_back(staged / store.name)
            for name in names:
                (staged / FOLDER / name).replace(grading / name)
            for path in _kept_beside(root):
                if path.name not in names:
                    path.unlink()
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


def _unpack(file: Path, folder: Path, store: Store) -> dict[str, Any]:
    """Unpack a back-up into an empty folder, hold it to its sums and to sense, and return its manifest."""
    try:
        with zipfile.ZipFile(file) as archive:
            about: dict[str, Any] = json.loads(archive.read(MANIFEST))
            sums = about["sha256"]
            if {*sums, MANIFEST} != set(archive.namelist()) or not all(map(_NAME.fullmatch, sums)):
                raise ValueError("other files in it than it lists")
            if store.name not in sums:
                kind = next((GRADEBOOKS[name] for name in sums if name in GRADEBOOKS), "nothing")
                raise CourseError(f"expected the back-up of a gradebook in {store.kind}, got one in {kind}: {file}")
            (folder / FOLDER).mkdir(mode=0o700)
            for name, expected in sums.items():
                if _take(archive, name, folder / name) != expected:
                    raise ValueError(f"{name} is not as it was written")
            about["made"], about["students"] = str(about["made"]), store.check(folder / store.name)
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


def _hold(stack: ExitStack, store: Store, grading: Path, slugs: list[str]) -> None:
    """Keep other runs from journals and gradebook until the stack ends."""
    for path in sorted(grading.glob("*.jsonl")):
        journal = stack.enter_context(path.open("r+b"))  # some disks lend a lock to who may write only
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"{path.stem} is being graded: wait for its end, or end it") from None
    stack.enter_context(store.held(sorted({*slugs, *(path.stem for path in grading.glob("*.jsonl"))})))


def _keep_aside(root: Path, store: Store) -> Path:
    """Copy what is about to be replaced into a folder of its own."""
    folder = grading_folder(root) / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    folder.mkdir(mode=0o700)
    if store.is_there():
        store.keep(folder)
    for path in _kept_beside(root):
        shutil.copy2(path, folder)
    return folder
