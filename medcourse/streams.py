"""Training from more events than memory holds: pieces come in, shuffled batches go out, little is kept."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcourse.errors import CourseError


def shuffled_batches(
    chunks: Iterable[NDArray[Any]], *, batch: int, buffer_events: int = 65_536, seed: int = 0
) -> Iterator[NDArray[Any]]:
    """Shuffle a stream of events through a buffer, and yield it batch by batch.

    The buffer fills; from then on each batch is drawn from it at random and makes room for the next events. Every event
    comes exactly once. How far an event may move depends on the buffer: cells that come in a row (a clot, the next
    patient) stay near each other if the buffer is small, and batches are then less alike than those of a full shuffle.

    Parameters
    ----------
    chunks
        Arrays (n, ...) of any lengths, alike in the other axes and in type. One is held at a time.
    batch
        Events of each batch but the last, at least 1.
    buffer_events
        Events that are kept to draw from, at least `batch`.
    seed
        Same seed, same order.

    Yields
    ------
    (batch, ...) array, a copy.

    Raises
    ------
    CourseError
        A number is out of its range, or the pieces differ in shape.

    Examples
    --------
    >>> batches = list(shuffled_batches([np.arange(5), np.arange(5, 8)], batch=3, buffer_events=4))
    >>> [len(b) for b in batches], sorted(np.concatenate(batches).tolist())
    ([3, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7])
    """
    if not 1 <= batch <= buffer_events:
        raise CourseError(f"expected 1 <= batch <= buffer_events, got batch {batch}, buffer_events {buffer_events}")
    return _batches(chunks, batch, buffer_events, np.random.default_rng(seed))


def _batches(
    chunks: Iterable[NDArray[Any]], batch: int, capacity: int, rng: np.random.Generator
) -> Iterator[NDArray[Any]]:
    buffer: NDArray[Any] | None = None
    filled = 0
    for chunk in chunks:
        if buffer is None:
            buffer = np.empty((capacity, *chunk.shape[1:]), chunk.dtype)
        if buffer.shape[1:] != chunk.shape[1:]:
            raise CourseError(f"expected every piece to be (n, *{buffer.shape[1:]}), got {chunk.shape}")
        start = 0
        while start < len(chunk):
            taken = min(capacity - filled, len(chunk) - start)
            buffer[filled : filled + taken] = chunk[start : start + taken]
            start, filled = start + taken, filled + taken
            if filled == capacity:
                where = rng.choice(capacity, batch, replace=False)
                drawn = buffer[where]
                filled -= batch
                # The rows behind the new end that stay move into the holes before it.
                stay = np.setdiff1d(np.arange(filled, capacity), where, assume_unique=True)
                buffer[where[where < filled]] = buffer[stay]
                yield drawn
    if buffer is None:
        return
    order = rng.permutation(filled)
    for first in range(0, filled, batch):
        yield buffer[order[first : first + batch]]


def interleave(streams: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Yield one item of each stream in turn, until all are used up: so patients mix before any one is through.

    Examples
    --------
    >>> list(interleave(["ab", "1", "xyz"]))
    ['a', '1', 'x', 'b', 'y', 'z']
    """
    running = [iter(stream) for stream in streams]
    while running:
        for stream in list(running):
            try:
                yield next(stream)
            except StopIteration:
                running.remove(stream)
