"""What a grading run has found so far, on disk before anything is done with it: `grading/<lab>.jsonl`.

One line of JSON for each thing that happened, appended and forced to the disk, never changed. A run that was killed at
any moment goes on from these lines. The kinds of `event`:

calibrated  the reference solution earned every point; `key`, `time`
result      a submission was graded; `student`, `key`, `submission` (SHA-256), `time`, `tier`, `run` or null, `problem`,
            `findings`
recorded    nbgrader's gradebook has that result; `student`, `key`, `time`
look        a submission could not be graded this time, but might another time; `student`, `key`, `time`, `problem`

The folder is the instructor's alone: hidden tests draw their inputs from the seed in it.
"""

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from medcourse.errors import CourseError
from medcourse.grading.plan import run_of
from medcourse.grading.submission import Graded

FOLDER = "grading"
SEED_VARIABLE = "MEDCOURSE_SECRET_SEED"


@dataclass(frozen=True)
class Latest:
    """The last that is known of a student: where their result stands in the file, or why there is none."""

    key: str
    at: int | None
    problem: str


class Journal:
    """The journal of one lab, open for one run.

    Parameters
    ----------
    root
        The course's folder.
    slug
        The lab.
    writes
        Whether to hold it for writing, which one run can at a time; the others may read.

    Raises
    ------
    CourseError
        Another run writes it, it cannot be opened, or a line in it is damaged.
    """

    def __init__(self, root: Path, slug: str, *, writes: bool = True) -> None:
        self.path = (grading_folder(root) if writes else root / FOLDER) / f"{slug}.jsonl"
        self.calibrated: set[str] = set()
        self.latest: dict[str, Latest] = {}
        self._results: dict[tuple[str, str], int] = {}  # where in the file, for outputs of a class fill the memory
        self._last: dict[str, str] = {}  # the key of the last result of a student
        self._submissions: dict[str, str] = {}  # the digest of what that was found of
        self._recorded: dict[str, str] = {}  # the key of what the gradebook has of a student
        self._file = self._open(writes)
        try:
            if writes:
                self._lock(slug)
            self._size = self._read()
            if writes:
                self._file.truncate(self._size)
                self._file.seek(self._size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another run have it."""
        self._file.close()

    def has_result(self, student: str, key: str) -> bool:
        """Say whether this submission was graded."""
        return (student, key) in self._results

    def is_recorded(self, student: str, key: str) -> bool:
        """Say whether the gradebook is said to have the result; False where it was replaced since."""
        return self._recorded.get(student) == key

    def result(self, student: str, key: str) -> Graded:
        """Return what was found of a submission."""
        entry = self._entry(self._results[student, key])
        run = None if entry["run"] is None else run_of(entry["run"])
        return Graded(run, entry["findings"], entry["problem"])

    def last_result(self, student: str) -> Graded | None:
        """Return the last that was found of a student's submissions, None where nothing was."""
        return self.result(student, self._last[student]) if student in self._last else None

    def is_of(self, student: str, submission: bytes) -> bool:
        """Say whether `last_result` was found of this very file."""
        return self._submissions.get(student) == hashlib.sha256(submission).hexdigest()

    def results(self) -> Iterator[tuple[str, Graded]]:
        """Return the latest that is known of each student, by name."""
        for student in sorted(self.latest):
            latest = self.latest[student]
            yield student, Graded(None, [], latest.problem) if latest.at is None else self.result(student, latest.key)

    def add_calibrated(self, key: str) -> None:
        """Keep that the reference solution earned all points."""
        self._append({"event": "calibrated", "key": key})

    def add_result(self, student: str, key: str, graded: Graded, submission: bytes = b"") -> None:
        """Keep what was found of a submission."""
        self._append({
            "event": "result",
            "student": student,
            "key": key,
            "submission": hashlib.sha256(submission).hexdigest(),
            "tier": graded.run.tier if graded.run else None,
            "run": graded.run.as_json() if graded.run else None,
            "problem": graded.problem,
            "findings": graded.findings,
        })  # fmt: skip

    def add_recorded(self, student: str, key: str) -> None:
        """Keep that the gradebook has the result."""
        self._append({"event": "recorded", "student": student, "key": key})

    def add_look(self, student: str, key: str, problem: str) -> None:
        """Keep why a submission was not graded this time."""
        self._append({"event": "look", "student": student, "key": key, "problem": problem})

    def _open(self, writes: bool) -> BinaryIO:
        try:
            if not writes:
                return self.path.open("rb")
            return os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0)
        except FileNotFoundError:
            raise CourseError(f"nothing of {self.path.stem} was graded yet: run `medcourse grade`") from None
        except OSError as error:
            raise CourseError(f"cannot open {self.path}: {error.strerror}") from None

    def _lock(self, slug: str) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CourseError(f"{slug} is being graded by another run: wait for its end, or end it") from None

    def _read(self) -> int:
        """Take in all entries and return where they end; a last line that was cut off by a kill is not counted."""
        at = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    if not line.endswith(b"\n"):
                        break
                    self._take_in(json.loads(line), at)
                except (ValueError, KeyError, TypeError):
                    if lines.read(1):  # a kill or a power cut can spoil the last line only
                        raise CourseError(f"line {number} of {self.path} is damaged: remove it by hand") from None
                    break
                at += len(line)
        return at

    def _take_in(self, entry: dict[str, Any], at: int) -> None:
        event, key = entry["event"], entry["key"]
        if event == "calibrated":
            self.calibrated.add(key)
            return
        student = entry["student"]
        if event == "result":
            self._results[student, key] = at
            self._last[student] = key
            self._submissions[student] = entry.get("submission", "")  # which older journals lack
            self._recorded.pop(student, None)
            self.latest[student] = Latest(key, at, entry["problem"])
        elif event == "recorded":
            self._recorded[student] = key
        elif event == "look":
            self.latest[student] = Latest(key, None, entry["problem"])

    def _append(self, entry: dict[str, Any]) -> None:
        """Write one entry and wait until the disk has it."""
        entry["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(entry).encode() + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file.fileno(), line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # half a line must not stand before the next one
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise CourseError(f"cannot write {self.path}: {error.strerror}: mend that and run again") from None
        self._take_in(entry, self._size)
        self._size += len(line)

    def _entry(self, at: int) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(at)
            entry: dict[str, Any] = json.loads(file.readline())
        return entry


def grading_folder(root: Path) -> Path:
    """Return the folder of journals and of the seed, which is made where there is none."""
    folder = root / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CourseError(f"expected a folder {folder} that can be written: {error.strerror}") from None
    return folder


def secret_seed(root: Path) -> int:
    """Return the class's seed: of the environment, else of `grading/secret_seed`, which is made once.

    Raises
    ------
    CourseError
        It is no whole number, or cannot be kept.
    """
    path = grading_folder(root) / "secret_seed"
    text, source = os.environ.get(SEED_VARIABLE), SEED_VARIABLE
    if text is None:
        source = str(path)
        try:
            if not path.exists():
                _create(path, str(secrets.randbits(63)))
            text = path.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise CourseError(f"cannot keep the class's seed in {path}: {error}") from None
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if seed < 0:
        raise CourseError(f"expected a whole number from 0 in {source}, got {text.strip()[:40]!r}")
    return seed


def _create(path: Path, text: str) -> None:
    """Write a small file all at once, unless another run was faster."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(half, path)
    finally:
        os.close(descriptor)
        half.unlink()
