"""The one engine that a process keeps, whoever asks for it: to start one takes seconds."""

import atexit
import threading
from collections.abc import Sequence

from medcourse.grading.sandbox.engine import Engine

_lock = threading.Lock()
_kept: dict[tuple[str, tuple[str, ...]], Engine] = {}


def engine_of_this_process(minimum_tier: str, preload: Sequence[str]) -> Engine:
    """Return this process's engine, which starts with its first run, or by its `start`.

    Parameters
    ----------
    minimum_tier, preload
        As for `Engine`; asked with others, the engine is ended and another made.
    """
    wanted = (minimum_tier, tuple(preload))
    with _lock:
        if wanted not in _kept:
            _end()
            _kept[wanted] = Engine(minimum_tier=minimum_tier, preload=preload)
        return _kept[wanted]


def close_engine() -> None:
    """End the engine of this process, if there is one."""
    with _lock:
        _end()


def _end() -> None:
    for engine in _kept.values():
        engine.close()
    _kept.clear()


atexit.register(close_engine)
