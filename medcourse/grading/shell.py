"""IPython in a process of ours, which is neither a terminal nor a kernel, and how long its code may take."""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class Shell(InteractiveShell):
    """A shell without a terminal, an event loop or a history."""

    system = InteractiveShell.system_raw  # for `!command`: the other way needs a terminal, which nobody has here

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: `%matplotlib inline` asks for it."""

    def _showtraceback(self, *_: Any) -> None:
        """Print nothing: what went wrong is told by other means."""


def new_shell() -> Any:
    """Return the shell of this process; it starts no thread, so that the process can be forked."""
    config = Config()
    config.HistoryManager.enabled = False
    return Shell.instance(config=config)


class CellTimeoutError(BaseException):
    """A cell took too long. Not an Exception, so that student code which catches those does not catch this."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds, where the system has timers (not on Windows: there `plain` kills)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise CellTimeoutError

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
