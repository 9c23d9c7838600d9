"""Which walls this machine can build, and why it cannot build better ones."""

import os
import sys
from collections.abc import Callable
from functools import partial

from medcourse.grading.plan import Limits
from medcourse.grading.sandbox.walls import LANDLOCK, NAMESPACES, PLAIN, TIERS


def probe(folder: str) -> dict[str, str]:
    """Return for each tier why this machine cannot have it, "" where it can.

    Each is tried out to the end, in processes of its own. Call it in a process with one thread.

    Parameters
    ----------
    folder
        An empty folder to build in.
    """
    if sys.platform != "linux":
        reason = f"{sys.platform} has neither namespaces nor Landlock"
        return {NAMESPACES: reason, LANDLOCK: reason, PLAIN: ""}
    return {
        NAMESPACES: _reason(partial(_try, NAMESPACES, folder)),
        LANDLOCK: _reason(partial(_try, LANDLOCK, folder)),
        PLAIN: "",
    }


def enter_best(tier: str | None, folder: str) -> tuple[str, dict[str, str]]:
    """Put this process, the template, into the best tier that the machine has, or into the one that is named.

    Returns
    -------
    tier : str
        Where it is.
    reasons : dict
        As `probe` gives them.
    """
    from medcourse.grading.sandbox import walls  # noqa: PLC0415

    reasons = probe(folder)
    best = tier or next(each for each in reversed(TIERS) if not reasons[each])
    if best == NAMESPACES:
        walls.enter_jail(folder)
    return best, reasons


def _try(tier: str, folder: str) -> None:
    """Build all walls of a tier around this process and its child."""
    from medcourse.grading.sandbox import linux, walls  # noqa: PLC0415

    if tier == LANDLOCK and linux.landlock_version() < 1:
        raise OSError("the kernel has no Landlock")
    if tier == NAMESPACES:
        walls.enter_jail(folder)

    def student() -> None:
        walls.confine_student(tier, Limits(), folder)

    child = walls.start_student(tier)
    if child == 0:
        _exit_with(student)
    if os.waitpid(child, 0)[1]:
        raise OSError("a process could not be confined in it")


def _reason(attempt: Callable[[], None]) -> str:
    """Return why an attempt failed in a process of its own, "" if it did not."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            attempt()
        except BaseException as error:
            os.write(writing, str(error).encode()[:500])
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    failed = os.waitpid(child, 0)[1] != 0
    return (said or "it ended without a word") if failed else ""


def _exit_with(attempt: Callable[[], None]) -> None:
    try:
        attempt()
    except BaseException:
        os._exit(1)
    os._exit(0)
