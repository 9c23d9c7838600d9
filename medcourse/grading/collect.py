"""Collect as nbgrader does, but believe nothing that a submission says of itself.

`nbgrader submit` runs as the student, who owns what it writes: the folder's name, `timestamp.txt`, the time of last
change of its files and all that lies in it are as the student likes. The system that keeps the exchange writes whose it
is and when it last changed at all (ctime). `inbound` looks at it and copies it. What it does not take is set aside:
everybody else is collected, and what that student handed in before stays.
"""

import os
import shutil
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import parse_utc
from traitlets import Enum, Float, Integer
from traitlets.config import LoggingConfigurable

from medcourse.errors import CourseError
from medcourse.grading import inbound
from medcourse.grading.aside import Aside, keep_aside
from medcourse.grading.grades import printable
from medcourse.grading.inbound import Contents, Limits, NotTakenError

CLAIMED = "claimed_timestamp.txt"
"""Where a submission's own word is kept that the exchange's clock contradicts."""

FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"

NOT_TAKEN = ""
"""The student of a record that nbgrader may choose among its like, and nothing else."""


class HandIn(LoggingConfigurable):
    """What a submission may be, the same where it is handed in and where it is collected."""

    coursedir: Any  # nbgrader's

    max_files = Integer(1000, min=1, help="How many files and folders a submission may have").tag(config=True)
    max_depth = Integer(8, min=0, help="How deep folders may lie in folders").tag(config=True)

    def limits(self) -> Limits:
        """Return them, with nbgrader's own CourseDirectory.max_dir_size."""
        return Limits(1000 * self.coursedir.max_dir_size, self.max_files, self.max_depth)

    def is_ignored(self, name: str) -> bool:
        """Say whether nbgrader leaves such a name behind, by CourseDirectory.ignore."""
        return any(fnmatch(name, pattern) for pattern in self.coursedir.ignore)


class Collect(HandIn, ExchangeCollect):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's collect, whose `submitted/` an instructor can rely on.

    `check_owner`, which in nbgrader warns, here decides: a submission must belong to the account of the student whom it
    names, or to the account that collects. Where all people share one account that says nothing, which is said; where
    they share one that is not the collector's, it is to be switched off.
    """

    clock = Enum(
        ("exchange", "student"),
        default_value="exchange",
        help="Whose time counts. An exchange that was copied or restored has the time of that: then 'student'.",
    ).tag(config=True)
    tolerance_seconds = Float(
        120.0, min=0.0, help="By how much a submission's own time may be off and still counts"
    ).tag(config=True)

    def init_src(self) -> None:
        """Find what can be collected, and of each student the submission that counts."""
        self.aside: list[Aside] = []
        self.found: dict[str, Contents] = {}
        super().init_src()
        self.src_records[:] = [each for each in self.src_records if each["username"] != NOT_TAKEN]

    def _path_to_record(self, path: str) -> dict[str, Any]:
        """Return what nbgrader chooses by: the student, and a time that can be relied on."""
        folder = os.path.basename(path)  # noqa: PTH119  (nbgrader's paths are text)
        student, owner = "", ""
        try:
            name = inbound.parse_name(folder, self.coursedir.assignment_id)
            student = name.student
            contents = self.found[folder] = self._owned(folder, student)
        except NotTakenError as error:
            owner = owner or _owner_of(path)
            self.aside.append(Aside(printable(folder), student, owner, str(error)))
            return {"username": NOT_TAKEN, "filename": folder, "timestamp": datetime.min}
        if self.clock == "student":
            counts = _read_time(name.time) or contents.arrival
        else:
            counts, _ = time_that_counts(contents.claim, contents.arrival, self.tolerance_seconds)
        return {"username": student, "filename": folder, "timestamp": counts}

    def _owned(self, folder: str, student: str) -> Contents:
        """Look at a submission, at its owner first: what is somebody else's need not be looked through."""
        place = Path(self.inbound_path)
        try:
            uid = (place / folder).lstat().st_uid
        except OSError as error:
            raise NotTakenError(f"cannot be read: {error.strerror}") from None
        if self.check_owner and uid != os.geteuid() and inbound.account(uid) != student:
            raise NotTakenError(f"says that it is {printable(student)}'s, but is {inbound.account(uid)}'s")
        contents = inbound.examine(place, folder, self.limits(), self.is_ignored)
        if contents.uid != uid:
            raise NotTakenError("changed while it was looked at")
        return contents

    def copy_files(self) -> None:
        """Copy what counts, say what was set aside, and fail if the disk does not take it."""
        slug = self.coursedir.assignment_id
        if not self.src_records:
            self.log.warning("No submissions of '%s' for course '%s' to collect", slug, self.coursedir.course_id)
        failed = []
        for record in self.src_records:
            try:
                self._collect(record)
            except NotTakenError as error:
                owner = _owner_of(os.path.join(self.inbound_path, record["filename"]))  # noqa: PTH118
                self.aside.append(Aside(printable(record["filename"]), record["username"], owner, str(error)))
            except OSError as error:
                failed.append(f"{printable(record['username'])} ({error.strerror})")
        self._tell()
        if failed:
            self.fail(f"{slug}: could not copy what these handed in: {', '.join(failed)}: mend that and collect again")

    def _collect(self, record: dict[str, Any]) -> None:
        """Copy one submission beside what stands there and put it in its place, unless that is as new."""
        student, slug = record["username"], self.coursedir.assignment_id
        place = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, slug))
        shown = printable(student)
        if place.is_dir():
            before = _read_time_of(place)
            is_newer = self.update and (before is None or record["timestamp"] > before)
            if not is_newer and not (self.before_duedate and before != record["timestamp"]):
                why = "No newer submission to collect" if self.update else "Submission already exists, use --update"
                self.log.info("%s: %s %s", why, shown, slug)
                return
            self.log.info("Updating submission: %s %s", shown, slug)
        else:
            self.log.info("Collecting submission: %s %s", shown, slug)
        self._copy_to(place, record["filename"])

    def _copy_to(self, place: Path, folder: str) -> None:
        coming, old = (place.with_name(f".{place.name}.{word}") for word in ("coming", "old"))
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            for left in (coming, old):
                _remove(left)
            contents = inbound.take(Path(self.inbound_path), folder, coming, self.limits(), self.is_ignored)
            if contents.uid != self.found[folder].uid:
                raise NotTakenError("changed while it was copied")
            if self.clock == "exchange":
                hold_to(coming, contents.arrival, self.tolerance_seconds)
            self._share(coming)
            if place.exists():
                place.rename(old)
            coming.rename(place)
        finally:
            for left in (coming, old):
                _remove(left)

    def _share(self, folder: Path) -> None:
        """Let other instructors write it where CourseDirectory.groupshared says so."""
        if self.coursedir.groupshared:
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o2775 if path.is_dir() else 0o664)

    def _tell(self) -> None:
        """Tell the instructor what was set aside, and what was not looked at."""
        slug = self.coursedir.assignment_id
        for each in self.aside:
            self.log.warning("SET ASIDE: %s", each)
        unchecked = sum(self._is_unchecked(record) for record in self.src_records)
        if unchecked:
            self.log.warning(
                "'%s': %d from an account that is not the student's (one account for all?), "
                "so whether somebody handed in under another's name was not checked", slug, unchecked,
            )  # fmt: skip
        try:
            taken = {printable(name) for name in self.found} - {each.folder for each in self.aside}
            keep_aside(Path(self.coursedir.root), slug, self.aside, taken)
        except CourseError as error:
            self.log.error("%s", error)

    def _is_unchecked(self, record: dict[str, Any]) -> bool:
        return bool(inbound.account(self.found[record["filename"]].uid) != record["username"])


def time_that_counts(claim: str, arrived: datetime, tolerance_seconds: float) -> tuple[datetime, bool]:
    """Return when a submission came, UTC without a zone, and whether that is what it says itself."""
    said = _read_time(claim)
    if said is not None and abs((said - arrived).total_seconds()) <= tolerance_seconds:
        return said, True
    return arrived, False


def hold_to(folder: Path, arrived: datetime, tolerance_seconds: float) -> None:
    """Write when a collected submission came, unless what it says of that is about right."""
    path = folder / inbound.TIME
    _remove(folder / CLAIMED)
    claim = ""
    if path.is_file():
        with path.open("rb") as file:
            claim = file.read(inbound.CLAIM_LENGTH).decode(errors="replace").strip()
    _, is_believed = time_that_counts(claim, arrived, tolerance_seconds)
    _remove(path)
    path.write_text(claim if is_believed else arrived.strftime(FORMAT), encoding="utf-8")
    if claim and not is_believed:
        (folder / CLAIMED).write_text(claim, encoding="utf-8")


def _read_time(text: str) -> datetime | None:
    """Return a time as nbgrader reads it, None where that is none."""
    try:
        found: datetime | None = parse_utc(text) if text else None
    except (ValueError, OverflowError, AttributeError, TypeError):
        return None
    return found


def _read_time_of(folder: Path) -> datetime | None:
    try:
        return _read_time((folder / inbound.TIME).read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return None


def _owner_of(path: str) -> str:
    try:
        return inbound.account(os.lstat(path).st_uid)
    except OSError:
        return ""


def _remove(path: Path) -> None:
    """Remove whatever stands under that name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
