"""Watch over a student's process from outside its walls: end it with all that it started, and say what it died of.

The warden is the parent of the process. It ends it when the tests hang up, when all its processes together hold too
much memory, or its files too much space. It is a fork of the template and knows neither tests nor answers.
"""

import contextlib
import os
import select
import signal
import socket
from pathlib import Path
from typing import NoReturn

from medcourse.grading.plan import Limits
from medcourse.grading.sandbox.scratch import MOST_FILES, remove, space_in

_TICK_MS = 50
_MIB = 1024 * 1024


class Warden:
    """The tests' end of the line to a warden.

    Attributes
    ----------
    peak_mib
        The most memory that the student's process held; None until the end, or if nobody could tell.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._cause = ""
        self.peak_mib: float | None = None

    def end(self) -> str:
        """Have the student's process killed, wait until it is gone, and return what it had died of before."""
        if not self._cause:
            self._line.settimeout(10)
            said = b""
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)
                while piece := self._line.recv(4096):
                    said += piece
            self._line.close()
            cause, _, peak = said.decode("utf-8", "replace").partition("\n")
            self._cause = cause or "ended in a way that nobody saw"
            self.peak_mib = float(peak) / 1024 if peak else None
        return self._cause


def watch(student: int, line: socket.socket, limits: Limits, scratch: str) -> NoReturn:
    """Be the warden of a child process until it is gone, then end.

    Parameters
    ----------
    student
        Its number.
    line
        To the tests: when they hang up, the child is killed.
    limits
        Of memory and files.
    scratch
        The folder on disk that is removed afterwards; "" where the child has a file system of its own.
    """
    peak = 0
    handle = os.pidfd_open(student)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(line, select.POLLIN | select.POLLHUP)
    while True:
        events = poll.poll(_TICK_MS)
        peak = _kib(student, "VmHWM:") or peak
        over = _excess(student, limits, scratch)
        if events or over:
            # It may be dying by itself, and the line have closed first: then it still ends as it would have.
            os.kill(student, signal.SIGKILL)
            status = os.waitpid(student, 0)[1]
            cause = over or _cause(status)
            break
    if scratch:
        remove(scratch)
    with contextlib.suppress(OSError):
        line.sendall(f"{cause}\n{peak}".encode())
    os._exit(0)


def _cause(status: int) -> str:
    """Say what a process died of, as a student may read it."""
    if os.WIFEXITED(status):
        return f"ended Python (exit code {os.WEXITSTATUS(status)})"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        return "was ended"
    return f"crashed Python ({signal.Signals(number).name})"


def _excess(student: int, limits: Limits, scratch: str) -> str:
    """Say which limit the processes of a submission exceed together; "" if none."""
    processes = _family(student)
    most = limits.memory_mib * _MIB
    # A quick bound first: it counts what forks share once for each. The exact share takes the kernel longer.
    if sum(map(_own_bytes, processes)) > most and sum(map(_exact_bytes, processes)) > most:
        return f"took more memory than {limits.memory_mib} MiB"
    if scratch:
        files, space = space_in(scratch, student)
        if space > limits.scratch_mib * _MIB:
            return f"wrote more than {limits.scratch_mib} MiB of files"
        if files > MOST_FILES:
            return f"made more than {MOST_FILES} files"
    return ""


def _family(process: int) -> list[int]:
    """Return a process and all its descendants; orphans are children of the first, which is process 1 to them."""
    found = [process]
    for each in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                children = (thread / "children").read_text().split()
                found.extend(int(child) for child in children)
    return found


def _own_bytes(process: int) -> int:
    """Return what a process holds that is no file's; what it shares with others counts whole."""
    return 1024 * (_kib(process, "RssAnon:") + _kib(process, "RssShmem:"))


def _exact_bytes(process: int) -> int:
    """Return a process's share of memory that is no file's: what n processes share counts as 1/n for each."""
    kib = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                kib += int(line.split()[1])
    return kib * 1024


def _kib(process: int, name: str) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith(name)), 0)
