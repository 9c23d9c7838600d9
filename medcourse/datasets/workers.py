"""Simulated workers of a crowd: experts, honest and sloppy people, spammers and adversaries, who answer for pay."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

KINDS = ("expert", "honest", "sloppy", "constant spammer", "random spammer", "adversary")
# How often a kind is right about an ordinary item of each class: mean and standard deviation over workers. Spammers
# do not look, so they have none. An adversary looks well and answers the opposite.
SKILL = {"expert": (0.95, 0.01), "honest": (0.80, 0.06), "sloppy": (0.62, 0.05), "adversary": (0.20, 0.05)}
# Median seconds an answer, ours: who looks takes longer than who does not.
SECONDS = {
    **{"expert": 6.0, "honest": 9.0, "sloppy": 4.0},
    **{"constant spammer": 1.0, "random spammer": 1.2, "adversary": 5.0},
}
# About 60 % who try, others who do not: see make_crowd.
MIXED: dict[str, float] = {
    **{"honest": 0.5, "sloppy": 0.2},
    **{"constant spammer": 0.1, "random spammer": 0.1, "adversary": 0.1},
}


def make_crowd(
    truth: ArrayLike,
    *,
    n_workers: int = 20,
    kinds: Mapping[str, float] | None = None,
    answers_per_item: int | None = None,
    ease: ArrayLike | None = None,
    n_classes: int = 2,
    pay_cents: float = 5.0,
    expert_pay_cents: float = 100.0,
    seed: int = 0,
) -> Bunch:
    r"""Simulate what the workers of a crowd say about items whose truth is known here, and to nobody there.

    A worker who looks is right about an item with probability

    .. math:: \frac{1}{1 + \exp(-a e)}

    where a is the worker's ability for the item's class, and e the item's ease (Whitehill et al. 2009): ease 1 is
    ordinary, 0 makes everybody guess, and below 0 the item misleads, the able ones most. A wrong answer is any of the
    other classes. A constant spammer always gives the same class, a random one any.

    The kinds are about those of Vuurens, de Vries and Eickhoff (2011, How Much Spam Can You Take?): people who try,
    sloppy ones, and spammers who repeat one answer or draw one. How many of each there are, what each can do, how long
    it takes and what it costs differs from task to task; the defaults are ours.

    Parameters
    ----------
    truth
        (I,) whole numbers in [0, n_classes).
    n_workers
        How many workers, >= 1.
    kinds
        The share of each kind, of `KINDS`; they add up to 1, and counts are rounded so that they add up to `n_workers`.
        By default half are honest, a fifth sloppy, and a tenth each constant spammers, random ones and adversaries.
    answers_per_item
        How many different workers see each item, drawn for each item anew; None for all.
    ease
        (I,) or one number for all; None for 1.
    n_classes
        How many classes there are, >= 2.
    pay_cents, expert_pay_cents
        Pay for an answer, of an expert and of everybody else.
    seed
        Same seed, same crowd. Workers, assignment and answers draw from streams of their own.

    Returns
    -------
    Bunch
        worker, item, label : (A,) int64, the table of answers, in the order of items.
        seconds : (A,) float64, how long each took. cents : (A,) float64, what each was paid.
        kind : (W,) list of str.
        skill : (W, K) float64, how often each worker is right about items of each class of this simulation: of spammers
        as often as their answers hit. With two classes skill[:, 1] is the sensitivity and skill[:, 0] the specificity,
        on items of ease 1.
        truth : (I,) int64. ease : (I,) float64. n_classes : int.
        description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range, a kind is unknown, or shares do not add up to 1.

    Examples
    --------
    >>> crowd = make_crowd([0, 1, 1], n_workers=2, kinds={"expert": 1.0}, ease=100)
    >>> crowd.label.tolist()
    [0, 0, 1, 1, 1, 1]
    """
    true, easy = _check_items(truth, ease, n_classes)
    shares = MIXED if kinds is None else dict(kinds)
    if unknown := [kind for kind in shares if kind not in KINDS]:
        raise CourseError(f"kinds are {', '.join(KINDS)}, got {', '.join(map(repr, unknown))}")
    each = n_workers if answers_per_item is None else answers_per_item
    check_ranges(
        [
            ("n_workers", n_workers, 1, np.inf),
            ("answers_per_item", each, 1, n_workers),
            ("pay_cents", pay_cents, 0, np.inf),
            ("expert_pay_cents", expert_pay_cents, 0, np.inf),
            *((f"share of {kind}", share, 0, 1) for kind, share in shares.items()),
        ]
    )
    if not np.isclose(sum(shares.values()), 1):
        raise CourseError(f"shares of kinds must add up to 1, got {sum(shares.values()):g}")
    people, assigned, spoken = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    kind = _hire(people, shares, n_workers)
    skill, habit = _skills(people, kind, n_classes)
    # Who sees what: the same number of different workers for each item.
    order = np.argsort(assigned.random((len(true), n_workers)), axis=1)[:, :each]
    worker, item = np.sort(order, axis=1).ravel(), np.repeat(np.arange(len(true)), each)
    label = _answer(spoken, true[item], skill=skill[worker], habit=habit[worker], ease=easy[item])
    medians = np.array([SECONDS[k] for k in kind])[worker]
    pay = np.where(np.array(kind) == "expert", expert_pay_cents, pay_cents)
    team = ", ".join(f"{kind.count(name)} {name}" for name in KINDS if name in kind)
    return Bunch(
        worker=worker,
        item=item,
        label=label,
        seconds=medians * np.exp(spoken.normal(0, 0.4, len(worker))),
        cents=pay[worker],
        kind=kind,
        skill=np.where(np.isnan(skill), habit, skill),
        truth=true,
        ease=easy,
        n_classes=n_classes,
        description=(
            f"SIMULATED answers of {n_workers} workers ({team}) to {len(true)} items, {each} an item, seed {seed}. "
            "Nobody was asked, nobody was paid."
        ),
    )


def _check_items(
    truth: ArrayLike, ease: ArrayLike | None, n_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    true = np.asarray(truth)
    check_ranges([("n_classes", n_classes, 2, np.inf)])
    if true.ndim != 1 or not true.size or true.dtype.kind not in "iub":
        raise CourseError(f"truth must hold one whole number an item, got {true.dtype} of shape {true.shape}")
    if true.min() < 0 or true.max() >= n_classes:
        raise CourseError(f"truth must lie in [0, {n_classes}), got {true.min()} to {true.max()}: is n_classes given?")
    easy = np.asarray(1.0 if ease is None else ease, float)
    if easy.shape not in ((), true.shape) or not np.isfinite(easy).all():
        raise CourseError(f"ease must hold one finite number an item, {true.shape}, got shape {easy.shape}")
    return true.astype(np.int64), np.broadcast_to(easy, true.shape).copy()


def _hire(rng: np.random.Generator, shares: Mapping[str, float], n_workers: int) -> list[str]:
    """Return the kind of each worker: whole people, those with the largest remainders rounded up."""
    wanted = np.array([shares[kind] * n_workers for kind in shares])
    counts = np.floor(wanted + 1e-9).astype(int)
    counts[np.argsort(counts - wanted, kind="stable")[: n_workers - counts.sum()]] += 1
    team = [kind for kind, count in zip(shares, counts, strict=True) for _ in range(count)]
    return [team[i] for i in rng.permutation(n_workers)]


def _skills(
    rng: np.random.Generator, kind: list[str], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (W, K) how often each looking worker is right, NaN for others, and (W, K) how often spammers say what."""
    skill = np.full((len(kind), n_classes), np.nan)
    habit = np.full((len(kind), n_classes), 1 / n_classes)
    for w, name in enumerate(kind):
        if name in SKILL:
            skill[w] = np.clip(rng.normal(*SKILL[name], n_classes), 0.02, 0.98)
        elif name == "constant spammer":
            habit[w] = np.eye(n_classes)[rng.integers(n_classes)]
    return skill, habit


def _answer(
    rng: np.random.Generator,
    right: NDArray[np.int64],
    *,
    skill: NDArray[np.float64],
    habit: NDArray[np.float64],
    ease: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the label of each answer, (A,), from the right one (A,) and the worker's skill and habit, (A, K)."""
    n, k = skill.shape
    ability = np.asarray(logit(skill[np.arange(n), right]))
    p = expit(np.clip(ability * ease, -700, 700))  # NaN for who does not look
    looked = np.where(rng.random(n) < p, right, (right + rng.integers(1, k, n)) % k)
    spam = (rng.random((n, 1)) > habit.cumsum(1)).sum(1).clip(max=k - 1)
    return np.where(np.isnan(p), spam, looked).astype(np.int64)
