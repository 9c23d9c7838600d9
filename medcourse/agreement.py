"""How far raters agree, what they say together, and how sure a mean over patients is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.errors import CourseError

# Sensitivities of 0 and 1 have no logarithm of their opposite.
EPSILON = 1e-12


def kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return Cohen's kappa of two raters: agreement beyond chance, 1 perfect, 0 as by chance, below 0 worse.

    Parameters
    ----------
    first, second
        The categories that both gave to the same items, in the same shape.

    Returns
    -------
    float
        (p_o - p_e) / (1 - p_e) with the observed agreement p_o and p_e expected of raters who give each category as
        often as these do, but at random. 1 if both gave one and the same category to everything.

    Examples
    --------
    >>> kappa([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
    """
    a, b = _same_items(first, second)
    observed = float(np.mean(a == b))
    expected = float(sum(np.mean(a == k) * np.mean(b == k) for k in np.union1d(a, b)))
    if expected >= 1:
        # One category only: they agree, so 1 rather than 0/0.
        return 1.0
    return (observed - expected) / (1 - expected)


def quadratic_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return the quadratic weighted kappa of two raters who give ordered grades.

    A grade that is two steps off weighs four times as much as one that is one off: 1 minus the mean squared difference
    over the one expected of raters who give each grade as often as these do, but at random (Cohen, Psychological
    Bulletin 70:213-220, 1968, doi:10.1037/h0026256).

    Parameters
    ----------
    first, second
        Grades as whole numbers, in the same shape.

    Returns
    -------
    float
        At most 1. 1 if both gave one and the same grade to everything.

    Examples
    --------
    >>> quadratic_kappa([0, 1, 2, 3], [0, 1, 2, 3]), quadratic_kappa([0, 4], [4, 0])
    (1.0, -1.0)
    """
    a, b = (grades.astype(float) for grades in _same_items(first, second))
    # The mean over all pairs of (a_i - b_j)^2, without the pairs.
    expected = float(a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    if expected == 0:
        # One grade only: they agree, so 1 rather than 0/0.
        return 1.0
    return 1 - float(np.mean((a - b) ** 2)) / expected


def _same_items(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    a, b = np.asarray(first).ravel(), np.asarray(second).ravel()
    if a.shape != b.shape or not a.size:
        raise CourseError(f"both raters must judge the same items, at least one, got {a.size} and {b.size}")
    return a, b


@dataclass(frozen=True)
class Consensus:
    """What raters say together: `probability` (...) of the object, and (R,) how reliable each was found."""

    probability: NDArray[np.float64]
    sensitivity: NDArray[np.float64]
    specificity: NDArray[np.float64]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where the object is more probable than not."""
        return np.asarray(self.probability > 0.5)


def staple(votes: ArrayLike, *, n_rounds: int = 50, tolerance: float = 1e-7) -> Consensus:
    """Estimate the hidden truth and the raters' reliabilities by expectation-maximisation (STAPLE).

    After Warfield, Zou and Wells, IEEE Transactions on Medical Imaging 23(7), 2004, doi:10.1109/TMI.2004.828354. The
    start is the share of votes, the prior its mean, as in ITK's STAPLEImageFilter, with which it agrees.

    Parameters
    ----------
    votes
        (R, ...) bool or 0 and 1, one outline a rater.
    n_rounds
        Rounds of both steps, >= 1.
    tolerance
        Stop when no probability changes by more.

    Examples
    --------
    >>> staple([[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]]).mask.tolist()
    [True, True, False, False]
    """
    array = np.asarray(votes)
    if array.ndim < 2 or not array.size:
        raise CourseError(f"votes must have shape (raters, pixels ...), got {array.shape}")
    says = array.reshape(len(array), -1).astype(bool)
    if not np.isin(array, (0, 1)).all():
        raise CourseError("votes must be 0 and 1, or False and True: use a mask a rater")
    # Pixels with the same votes have the same probability: there are few such patterns, and many pixels.
    patterns, place, count = np.unique(says, axis=1, return_inverse=True, return_counts=True)
    probability = patterns.mean(0)
    prior = float(np.clip(np.average(probability, weights=count), EPSILON, 1 - EPSILON))
    for _ in range(n_rounds):
        before = probability
        sensitivity = (patterns * probability * count).sum(1) / max((probability * count).sum(), EPSILON)
        specificity = (~patterns * (1 - probability) * count).sum(1) / max(((1 - probability) * count).sum(), EPSILON)
        probability = _posterior(patterns, sensitivity, specificity, prior)
        if np.abs(probability - before).max() < tolerance:
            break
    return Consensus(probability[place.ravel()].reshape(array.shape[1:]), sensitivity, specificity)


def _posterior(
    votes: NDArray[np.bool_], sensitivity: NDArray[np.float64], specificity: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Return the probability of the object for each column of votes, by sums of logarithms: products vanish."""
    p = np.clip(sensitivity, EPSILON, 1 - EPSILON)[:, None]
    q = np.clip(specificity, EPSILON, 1 - EPSILON)[:, None]
    yes = np.log(prior) + np.where(votes, np.log(p), np.log(1 - p)).sum(0)
    no = np.log(1 - prior) + np.where(votes, np.log(1 - q), np.log(q)).sum(0)
    return np.asarray(1 / (1 + np.exp(np.clip(no - yes, -700, 700))))


def bootstrap_by_patient(
    values: ArrayLike, patients: ArrayLike, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of a mean over images, with whole patients drawn again and again.

    Images of a patient are alike, so they are no independent witnesses. Give each image a patient of its own to see
    what the usual bootstrap by image would claim.

    Parameters
    ----------
    values
        (N,) one number an image, such as 1 for a hit and 0 for a miss, or a Dice.
    patients
        (N,) whose image it is.

    Examples
    --------
    >>> bootstrap_by_patient([1, 1, 0, 0], ["a", "a", "b", "b"])
    (0.0, 1.0)
    """
    array, (_, owner) = np.asarray(values, float), np.unique(np.asarray(patients), return_inverse=True)
    if array.ndim != 1 or array.shape != owner.shape or not array.size:
        raise CourseError(f"expected one value and one patient an image, got {array.shape} and {owner.shape}")
    totals, counts = np.bincount(owner, array), np.bincount(owner)
    draws = np.random.default_rng(seed).integers(len(counts), size=(n_resamples, len(counts)))
    means = totals[draws].sum(1) / counts[draws].sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
