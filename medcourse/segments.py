"""How well a sequence is cut into segments: accuracy by frame, edit distance, F1 by overlap.

A classifier of frames may be right nine times in ten and still flicker: every short mistake is a segment that nobody
performed. The edit distance counts these and does not ask when a segment took place; F1 asks that it overlaps.

All measures are in per cent, as in the papers, but for the raw count of edits.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.errors import CourseError

OVERLAPS = (0.10, 0.25, 0.50)


class Segment(NamedTuple):
    """A run of frames with one label: from `start` to before `end`."""

    label: int
    start: int
    end: int


def segments(labels: ArrayLike) -> list[Segment]:
    """Return the runs of equal labels of a sequence (T,).

    Examples
    --------
    >>> segments([3, 3, 1, 3])
    [Segment(label=3, start=0, end=2), Segment(label=1, start=2, end=3), Segment(label=3, start=3, end=4)]
    """
    frames = _frames(labels)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(frames)) + 1])
    ends = np.append(starts[1:], len(frames))
    return [Segment(int(frames[a]), int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def accuracy(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the share of frames with the right label, in per cent.

    Examples
    --------
    >>> accuracy([1, 1, 2, 2], [1, 1, 1, 2])
    75.0
    """
    a, b = _pair(truth, predicted)
    return 100 * float(np.mean(a == b))


def edit_count(truth: ArrayLike, predicted: ArrayLike) -> int:
    """Return how many segments must be inserted, deleted or renamed to turn the prediction into the truth.

    Levenshtein's distance of the two lists of segments. It is what the code of DiPietro et al. 2016 returns.

    Examples
    --------
    >>> edit_count([1, 1, 2, 2, 3], [1, 2, 1, 2, 3])  # 1 2 3 against 1 2 1 2 3
    2
    """
    a, b = ([segment.label for segment in segments(frames)] for frames in _pair(truth, predicted))
    before = list(range(len(b) + 1))  # distances of nothing to the first j of b
    for i, label in enumerate(a, start=1):
        now = [i]
        for j, other in enumerate(b, start=1):
            now.append(min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (label != other)))
        before = now
    return before[-1]


def edit_distance(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Return the edits in per cent of the longer of the two lists of segments: 0 is perfect, 100 is worst.

    100 minus it is the edit score of Lea et al. 2017 (https://doi.org/10.1109/CVPR.2017.113).

    Examples
    --------
    >>> edit_distance([1, 1, 2, 2, 3], [1, 2, 1, 2, 3])
    40.0
    """
    a, b = _pair(truth, predicted)
    return 100 * edit_count(a, b) / max(len(segments(a)), len(segments(b)))


def segmental_f1(truth: ArrayLike, predicted: ArrayLike, overlap: float = 0.5) -> float:
    """Return F1@k of Lea et al. 2017, in per cent; k is `overlap` times 100.

    A predicted segment is a hit if its intersection over union with a true segment of its label is at least `overlap`
    and no earlier one hit the same. For each, only the true segment with the largest overlap is tried.

    Examples
    --------
    >>> round(segmental_f1([1, 1, 2, 2, 2, 2], [1, 1, 1, 2, 1, 2]), 1)  # one hit of 2 + 4
    33.3
    """
    a, b = _pair(truth, predicted)
    if not 0 < overlap <= 1:
        raise CourseError(f"overlap must lie in (0, 1], got {overlap}")
    true, said = segments(a), segments(b)
    used = [False] * len(true)
    for segment in said:
        ious = [_iou(segment, other) if other.label == segment.label else 0.0 for other in true]
        best = int(np.argmax(ious))
        if ious[best] >= overlap and not used[best]:
            used[best] = True
    # 2 TP / (2 TP + FP + FN), for every segment of either list is a hit or a mistake.
    return 100 * 2 * sum(used) / (len(true) + len(said))


def score_sequences(truths: Sequence[ArrayLike], predictions: Sequence[ArrayLike]) -> dict[str, float]:
    """Return the means over sequences of all measures: "accuracy", "edit", "edit count", "F1@10", "F1@25", "F1@50".

    Examples
    --------
    >>> score_sequences([[1, 2]], [[1, 2]])
    {'accuracy': 100.0, 'edit': 0.0, 'edit count': 0.0, 'F1@10': 100.0, 'F1@25': 100.0, 'F1@50': 100.0}
    """
    if len(truths) != len(predictions) or not len(truths):
        raise CourseError(
            f"expected a prediction for each of {len(truths)} sequences, at least one, got {len(predictions)}"
        )
    rows = [
        {
            "accuracy": accuracy(a, b),
            "edit": edit_distance(a, b),
            "edit count": float(edit_count(a, b)),
            **{f"F1@{round(100 * k)}": segmental_f1(a, b, k) for k in OVERLAPS},
        }
        for a, b in zip(truths, predictions, strict=True)
    ]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _iou(a: Segment, b: Segment) -> float:
    shared = min(a.end, b.end) - max(a.start, b.start)
    return max(shared, 0) / (a.end - a.start + b.end - b.start - max(shared, 0))


def _frames(labels: ArrayLike) -> NDArray[np.int64]:
    frames = np.asarray(labels)
    if frames.ndim != 1 or not len(frames) or frames.dtype.kind not in "iu":
        raise CourseError(
            f"labels must be (T,) whole numbers, at least one, got shape {frames.shape} of {frames.dtype}"
        )
    return frames.astype(np.int64)


def _pair(truth: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    a, b = _frames(truth), _frames(predicted)
    if a.shape != b.shape:
        raise CourseError(f"predicted must have a label for each of {len(a)} frames, got {len(b)}")
    return a, b
