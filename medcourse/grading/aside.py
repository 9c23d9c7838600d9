"""Submissions that were set aside when a class was collected, and why: `grading/aside/<lab>.json`.

Nobody's work is replaced by one of them, and they stay in the exchange. The list is there until somebody has seen to it
and removes the file, but for those that a later `collect` takes after all.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading.files import write_whole
from medcourse.grading.journal import FOLDER, grading_folder

MOST = 1000
"""As many are kept of a lab: who forges a million gains nothing."""


@dataclass(frozen=True)
class Aside:
    """A submission that was not collected.

    Attributes
    ----------
    folder
        Its name in the exchange's inbound folder.
    student
        Whose it says it is; empty where it says nothing that can be.
    owner
        The account that made it.
    reason
        Why, in words that follow the name.
    """

    folder: str
    student: str
    owner: str
    reason: str

    @property
    def whose(self) -> str:
        """Whom to ask about it: who made it, not whom it names."""
        return self.owner or self.student

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.folder} {self.reason}: not collected"


def read_aside(root: Path, slug: str) -> list[Aside]:
    """Return what was set aside of a lab.

    Raises
    ------
    CourseError
        The list cannot be read.
    """
    path = _path(root, slug)
    try:
        return [Aside(**each) for each in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise CourseError(f"cannot read {path}: {error}: mend it, or remove it") from None


def keep_aside(root: Path, slug: str, found: Collection[Aside], taken: Collection[str]) -> None:
    """Add to the list what was found, and drop those folders that were taken after all.

    Raises
    ------
    CourseError
        The list cannot be read or written.
    """
    before = read_aside(root, slug)
    kept = {each.folder: each for each in [*before, *found] if each.folder not in taken}
    after = list(kept.values())[:MOST]
    if after == before:
        return
    path = _path(root, slug)
    try:
        (grading_folder(root) / path.parent.name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CourseError(f"expected a folder {path.parent} that can be written: {error.strerror}") from None
    write_whole(path, json.dumps([asdict(each) for each in after], indent=1) + "\n", mode=0o600)


def _path(root: Path, slug: str) -> Path:
    return root / FOLDER / "aside" / f"{slug}.json"
