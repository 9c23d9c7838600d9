"""Collect as nbgrader does, with the time by the exchange's clock and not by what a submission says of itself.

`nbgrader submit` runs as the student, who owns what it writes: the name of the folder, `timestamp.txt` and the time of
last change of its files say what the student likes. When a file or a folder last changed at all (ctime) is written by
the system that keeps the exchange, and only to now.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect
from nbgrader.utils import parse_utc
from traitlets import Enum, Float

CLAIMED = "claimed_timestamp.txt"
"""Where a submission's own word is kept that the exchange's clock contradicts."""

FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"


class Collect(ExchangeCollect):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's collect, whose `timestamp.txt` in `submitted/` an instructor can rely on."""

    clock = Enum(
        ("exchange", "student"),
        default_value="exchange",
        help="Whose time counts. An exchange that was copied or restored has the time of that: then 'student'.",
    ).tag(config=True)
    tolerance_seconds = Float(
        120.0, min=0.0, help="By how much a submission's own time may be off and still counts"
    ).tag(config=True)

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy a submission, and put right when it came."""
        arrived = arrival(Path(src))
        super().do_copy(src, dest, log)
        if self.clock == "exchange":
            hold_to(Path(dest), arrived, self.tolerance_seconds)


def arrival(folder: Path) -> datetime:
    """Return when a folder, or a file in it, last changed in any way: UTC, without a zone."""
    latest = max(path.lstat().st_ctime for path in (folder, *folder.rglob("*")))
    return datetime.fromtimestamp(latest, UTC).replace(tzinfo=None)


def hold_to(folder: Path, arrived: datetime, tolerance_seconds: float) -> None:
    """Write when a collected submission came, unless what it says of that is about right."""
    path = folder / "timestamp.txt"
    _remove(folder / CLAIMED)
    claim = ""
    if path.is_file():
        claim = path.read_bytes()[:100].decode(errors="replace").strip()
        try:
            if abs((parse_utc(claim) - arrived).total_seconds()) <= tolerance_seconds:
                return
        except (ValueError, OverflowError, AttributeError, TypeError):
            pass  # no time at all
    _remove(path)
    path.write_text(arrived.strftime(FORMAT), encoding="ascii")
    if claim:
        (folder / CLAIMED).write_text(claim, encoding="utf-8")


def _remove(path: Path) -> None:
    """Remove whatever a student put under that name."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
