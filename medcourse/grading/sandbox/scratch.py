"""Measure and remove a folder that the code of a submission wrote to, whatever it made there.

A student's process may nest folders deeper than a path can be long, forbid their own files to their owner, and keep
open what it has deleted.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path

MOST_FILES = 16384
"""Files and folders that a submission may have at a time."""


def space_in(folder: str, process: int) -> tuple[int, int]:
    """Return how many files and folders there are and what they take in bytes, deleted ones that are open included.

    Parameters
    ----------
    folder
        Where the process may write.
    process
        Its number.

    Notes
    -----
    It ends at MOST_FILES, and what cannot be looked at counts as more than that.
    """
    number, blocks = 0, 0
    waiting = [folder]
    while waiting and number <= MOST_FILES:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    number += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    with contextlib.suppress(FileNotFoundError):
                        blocks += entry.stat(follow_symlinks=False).st_blocks
        except FileNotFoundError:  # gone since
            continue
        except OSError:  # too deep, or closed to us
            number = MOST_FILES + 1
    return number, 512 * (blocks + _deleted_blocks(process))


def _deleted_blocks(process: int) -> int:
    found = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                status = line.stat()
                if stat.S_ISREG(status.st_mode) and not status.st_nlink:
                    found[status.st_dev, status.st_ino] = status.st_blocks
    return sum(found.values())


def remove(folder: str) -> None:
    """Remove a folder with all that is in it, once nobody writes there any more; what resists stays."""
    prefix = secrets.token_hex(8)
    number = 0
    waiting = [folder]
    with contextlib.suppress(OSError):
        while waiting:
            place = waiting.pop()
            for entry in list(os.scandir(place)):
                if entry.is_dir(follow_symlinks=False):
                    # To the top with it, so that no path grows long.
                    number += 1
                    Path(entry.path).chmod(0o700)
                    waiting.append(f"{folder}/{prefix}-{number}")
                    Path(entry.path).rename(waiting[-1])
                else:
                    Path(entry.path).unlink()
            if place != folder:
                Path(place).rmdir()
        Path(folder).rmdir()
