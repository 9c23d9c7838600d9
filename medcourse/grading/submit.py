"""Submit as nbgrader does, but all at once: what is handed in stands in the exchange whole, or not at all.

A student whose disk is full, who has too many files or whose server is killed keeps what was handed in before. What
`collect` would not take is refused here, where the student reads why.
"""

import re
import shutil
import stat
from pathlib import Path

from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeSubmit

from medcourse.grading import inbound
from medcourse.grading.collect import HandIn
from medcourse.grading.inbound import NotTakenError

NOTHING = "nothing was handed in, and what you handed in before stays"


class Submit(HandIn, ExchangeSubmit):  # type: ignore[misc]  # nbgrader has no types
    """nbgrader's submit, which leaves no half of a submission."""

    assignment_filename: str

    def copy_files(self) -> None:
        """Copy the student's folder to the exchange and to the cache under names that nobody looks for, then rename."""
        name = self.assignment_filename
        self.assignment_filename = f".{name}"  # which nbgrader's patterns do not match
        kept = name.rsplit("+", 1)[0] if self.add_random_string else name
        half, half_kept = Path(self.inbound_path, f".{name}"), Path(self.cache_path, f".{kept}")
        try:
            super().copy_files()
            inbound.examine(half.parent, half.name, self.limits(), self.is_ignored)
            _close_to_others(half)
            half_kept.rename(half_kept.with_name(kept))
            half.rename(half.with_name(name))
        except NotTakenError as error:
            self.fail(f"{self.coursedir.assignment_id} {error}: {NOTHING}")
        except ExchangeError:
            raise
        except (OSError, RuntimeError) as error:  # nbgrader raises the latter where it is too large
            self.fail(f"{self.coursedir.assignment_id} could not be copied ({_why(error)}): {NOTHING}")
        finally:
            for left in (half, half_kept):
                shutil.rmtree(left, ignore_errors=True)


def _close_to_others(folder: Path) -> None:
    """Keep a submission to the student and to the group of the exchange, where that has a group of its own.

    nbgrader lets everybody read who guesses the name. It gives the exchange's folder the instructors' group and the
    set-group-ID bit, so they can read what nobody else can.
    """
    parent = folder.parent.stat()
    if parent.st_mode & stat.S_ISGID and folder.stat().st_gid == parent.st_gid:
        folder.chmod(0o770)


def _why(error: OSError | RuntimeError) -> str:
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        said = str(error.args[0][0][-1])  # of a list of (from, to, why)
        return re.sub(r"^\[Errno \d+\] ([^:]*).*", r"\1", said, flags=re.DOTALL)
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
