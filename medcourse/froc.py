"""Free-response ROC by the rules of LUNA16: what a detector finds, against how often it cries wolf in a scan.

A detector draws any number of candidates, so there is no count of true negatives and no ROC curve. Rules of LUNA16
(Setio et al., Medical Image Analysis 42:1-13, 2017, https://doi.org/10.1016/j.media.2017.06.015):

- a candidate hits a nodule if it lies nearer to the nodule's centre than its radius;
- a nodule counts once, with the highest score among its hits;
- a candidate that hits a finding marked as irrelevant counts neither way;
- every other candidate is a false positive;
- the competition performance metric (CPM) is the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a
  scan, and its interval comes from 1000 bootstraps over scans.

`judge_scan` applies the first four rules to one scan; the others work on what it gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
CPM_RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_GRID = 2.0 ** np.linspace(-3, 3, 49)  # where a band is computed: eight points a doubling
_EVENTS_AT_ONCE = 20_000_000  # 160 MB


def judge_scan(
    candidates_mm: ArrayLike,
    scores: ArrayLike,
    nodules_mm: ArrayLike,
    diameters_mm: ArrayLike,
    *,
    irrelevant_mm: ArrayLike = (),
    irrelevant_diameters_mm: ArrayLike = (),
) -> Bunch:
    """Say what each candidate of one scan hits.

    Parameters
    ----------
    candidates_mm, scores
        (C, D) places and (C,) scores; a higher score is surer. D is 2 or 3.
    nodules_mm, diameters_mm
        (K, D) centres and (K,) diameters; one number does for all.
    irrelevant_mm, irrelevant_diameters_mm
        The same of findings for which a detector is neither praised nor blamed.

    Returns
    -------
    Bunch
        nodule_scores : (K,) float64, the highest score among the hits of each nodule, -inf if there is none.
        false_positive_scores : (F,) float64.
        outcome : (C,) of int64, the nodule that a candidate hits (the nearest, if several), -1 for a false positive,
        -2 for a candidate that counts neither way.

    Examples
    --------
    >>> scan = judge_scan([[0, 0, 3], [0, 0, 9]], [0.9, 0.4], [[0, 0, 0]], 8.0)
    >>> scan.nodule_scores.tolist(), scan.false_positive_scores.tolist()
    ([0.9], [0.4])
    """
    places, values = _places(candidates_mm, "candidates_mm"), np.asarray(scores, dtype=np.float64)
    if values.shape != (len(places),) or np.isnan(values).any():
        raise CourseError(f"scores must be a number for each of {len(places)} candidates, got shape {values.shape}")
    distance, inside = _hits(places, nodules_mm, diameters_mm, "nodules_mm")
    _, ignored = _hits(places, irrelevant_mm, irrelevant_diameters_mm, "irrelevant_mm")
    outcome = np.full(len(places), -1)
    outcome[ignored.any(axis=1)] = -2
    is_hit = inside.any(axis=1)
    if is_hit.any():
        outcome[is_hit] = np.where(inside, distance, np.inf)[is_hit].argmin(axis=1)
    best = np.where(inside, values[:, None], -np.inf).max(axis=0, initial=-np.inf)
    return Bunch(nodule_scores=best, false_positive_scores=values[outcome == -1], outcome=outcome)


def froc(scans: Sequence[Any]) -> Bunch:
    """Return the free-response curve of judged scans, over all thresholds.

    Parameters
    ----------
    scans
        What `judge_scan` gave; `nodule_scores` and `false_positive_scores` of each are used.

    Returns
    -------
    Bunch
        thresholds : (T,) float64, falling, +inf first; candidates of this score or a higher one are drawn.
        sensitivity : (T,) float64, share of all nodules that are hit.
        false_positives : (T,) float64, a scan.
        n_nodules, n_scans : int.

    Raises
    ------
    CourseError
        There is no scan, or no nodule in any.
    """
    events = _Events(scans)
    (found,), (false,), n_nodules = events.count(np.ones((1, len(scans))))
    if not n_nodules[0]:
        raise CourseError(f"sensitivity needs at least one nodule, got none in {len(scans)} scans")
    # Candidates with the same score are drawn together.
    last = np.append(np.flatnonzero(np.diff(events.scores)), len(events.scores) - 1)[: len(events.scores)]
    return Bunch(
        thresholds=np.concatenate([[np.inf], events.scores[last]]),
        sensitivity=np.concatenate([[0.0], found[last] / n_nodules[0]]),
        false_positives=np.concatenate([[0.0], false[last] / len(scans)]),
        n_nodules=int(n_nodules[0]),
        n_scans=len(scans),
    )


def sensitivity_at(curve: Bunch, false_positives: ArrayLike) -> Floats:
    """Return the sensitivity at these false positives a scan, between two thresholds on the straight line.

    Beyond the curve's end it stays what it is there: a detector that draws 3 false positives a scan at most is at 8 as
    good as at 3.
    """
    rates = np.asarray(false_positives, dtype=np.float64)
    return np.asarray(np.interp(rates, curve.false_positives, curve.sensitivity))


def cpm(curve: Bunch) -> float:
    """Return the competition performance metric of a curve: the mean sensitivity at `CPM_RATES`."""
    return float(sensitivity_at(curve, CPM_RATES).mean())


def false_positives_at(curve: Bunch, sensitivity: float) -> float:
    """Return the false positives a scan at the first threshold that reaches a sensitivity; infinity if none does."""
    reached = np.flatnonzero(curve.sensitivity >= sensitivity - 1e-9)
    return float(curve.false_positives[reached[0]]) if len(reached) else float("inf")


def bootstrap_froc(scans: Sequence[Any], *, n_bootstraps: int = 1000, confidence: float = 0.95, seed: int = 0) -> Bunch:
    """Return the curve with its band, by drawing scans with replacement.

    Scans are drawn and not candidates: those of one scan share a patient, a scanner and a reader. A draw without any
    nodule says nothing about sensitivity and is left out.

    Parameters
    ----------
    scans
        What `judge_scan` gave.
    n_bootstraps, confidence, seed
        LUNA16 draws 1000 times and reports the middle 95 %.

    Returns
    -------
    Bunch
        false_positives : (49,) float64, a scan, from 1/8 to 8 in even steps of the logarithm.
        sensitivity, low, high : (49,) float64.
        cpm, cpm_low, cpm_high : float.
        cpms : (n,) float64, of each draw.
    """
    if n_bootstraps < 1 or not 0 < confidence < 1:
        raise CourseError(f"n_bootstraps must be at least 1 and confidence in (0, 1), got {n_bootstraps}, {confidence}")
    curve = froc(scans)
    drawn = np.random.default_rng(seed).integers(len(scans), size=(n_bootstraps, len(scans)))
    times = np.stack([np.bincount(row, minlength=len(scans)) for row in drawn])  # (B, S)
    bands = _curves_at(_Events(scans), times, np.concatenate([_GRID, CPM_RATES]))
    cpms, share = bands[:, len(_GRID) :].mean(axis=1), [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(bands[:, : len(_GRID)], share, axis=0)
    cpm_low, cpm_high = np.quantile(cpms, share)
    return Bunch(
        false_positives=_GRID,
        sensitivity=sensitivity_at(curve, _GRID),
        low=low,
        high=high,
        cpm=cpm(curve),
        cpm_low=float(cpm_low),
        cpm_high=float(cpm_high),
        cpms=cpms,
    )


class _Events:
    """All nodules that were hit and all false positives of all scans, the surest first."""

    def __init__(self, scans: Sequence[Any]) -> None:
        if not len(scans):
            raise CourseError("a curve needs at least one judged scan, got none")
        scores, self.n_nodules = [], np.array([len(scan.nodule_scores) for scan in scans])
        for number, scan in enumerate(scans):
            for is_nodule, values in ((True, scan.nodule_scores), (False, scan.false_positive_scores)):
                seen = np.asarray(values, dtype=np.float64)
                # A nodule that nothing hit is found at no threshold; it only counts among all nodules.
                seen = seen[seen > -np.inf]
                scores.append(np.column_stack([seen, np.full(len(seen), number), np.full(len(seen), is_nodule)]))
        table = np.concatenate(scores)  # (E, 3)
        table = table[np.argsort(-table[:, 0], kind="stable")]
        self.scores = table[:, 0]
        self.scan, self.is_nodule = table[:, 1].astype(int), table[:, 2] > 0

    def count(self, times: Floats) -> tuple[Floats, Floats, Floats]:
        """Count nodules and false positives at or above each event, (B, E), and all nodules, (B,), in drawn scans."""
        weight = times[:, self.scan]  # (B, E)
        return (weight * self.is_nodule).cumsum(1), (weight * ~self.is_nodule).cumsum(1), times @ self.n_nodules


def _curves_at(events: _Events, times: NDArray[np.int64], rates: Floats) -> Floats:
    """Return the sensitivity at `rates`, (B', R), for each draw of scans (B, S) that holds a nodule."""
    ends = np.append(np.diff(events.scores) != 0, True)[: len(events.scores)]
    result, n_scans, step = [], times.shape[1], max(1, _EVENTS_AT_ONCE // max(len(ends), 1))
    for start in range(0, len(times), step):
        found, false, n_nodules = events.count(times[start : start + step].astype(np.float64))
        for each, wrong, n in zip(found[:, ends], false[:, ends], n_nodules, strict=True):
            if n:
                result.append(np.interp(rates, np.append(0.0, wrong / n_scans), np.append(0.0, each / n)))
    if not result:
        raise CourseError("no draw of scans held a nodule: draw more often")
    return np.array(result)


def _hits(
    places: Floats, centres_mm: ArrayLike, diameters_mm: ArrayLike, name: str
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return distances (C, K) and whether they are below the radius."""
    centres = _places(centres_mm, name)
    if len(centres) and len(places) and centres.shape[1] != places.shape[1]:
        raise CourseError(f"{name} must have {places.shape[1]} coordinates as the candidates, got {centres.shape[1]}")
    diameters = np.asarray(diameters_mm, dtype=np.float64)
    if diameters.shape not in ((), (len(centres),)):
        raise CourseError(f"expected a diameter for each of {len(centres)} {name}, got shape {diameters.shape}")
    if not len(centres) or not len(places):
        return np.zeros((len(places), len(centres))), np.zeros((len(places), len(centres)), bool)
    distance = np.linalg.norm(places[:, None] - centres[None], axis=-1)
    return distance, distance < np.broadcast_to(diameters, len(centres)) / 2


def _places(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 3))
    if array.ndim != 2:
        raise CourseError(f"{name} must be (N, D), got {array.shape}")
    return array
