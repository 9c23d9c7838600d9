"""What a crowd answered, and what it says together: the majority, and Dawid and Skene's expectation-maximisation.

An answer is three whole numbers: who (worker), about what (item), which class (label). Not every worker sees every
item, so answers are kept as a list and not as a square of workers and items.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Probabilities of 0 have no logarithm.
EPSILON = 1e-12


@dataclass(frozen=True, eq=False)
class Answers:
    """Who said what about what: `worker`, `item`, `label`, each (A,) int64 from 0; made by `collect_answers`."""

    worker: Ints
    item: Ints
    label: Ints
    n_workers: int
    n_items: int
    n_classes: int

    def __len__(self) -> int:
        return len(self.label)

    def where(self, keep: ArrayLike) -> "Answers":
        """Return some of the answers; workers, items and classes keep their numbers, even if nothing is left of them.

        Parameters
        ----------
        keep
            (A,) bool.

        Examples
        --------
        >>> answers = collect_answers([0, 1, 1], [0, 0, 1], [1, 1, 0])
        >>> answers.where(answers.worker == 1).label.tolist()
        [1, 0]
        """
        chosen = np.asarray(keep)
        if chosen.dtype != bool or chosen.shape != self.label.shape:
            raise CourseError(f"keep must hold one bool an answer, {len(self)}, got {chosen.dtype} of {chosen.shape}")
        return Answers(
            self.worker[chosen], self.item[chosen], self.label[chosen], self.n_workers, self.n_items, self.n_classes
        )


def collect_answers(
    worker: ArrayLike,
    item: ArrayLike,
    label: ArrayLike,
    *,
    n_workers: int | None = None,
    n_items: int | None = None,
    n_classes: int | None = None,
) -> Answers:
    """Check a table of answers, and count its workers, items and classes.

    Parameters
    ----------
    worker, item, label
        (A,) whole numbers from 0, one row an answer, in any order. A worker may answer an item twice: both count.
    n_workers, n_items, n_classes
        Where there are more than appear in the table (an item that nobody saw, a class that nobody named); by default
        one more than the largest number, and at least two classes.

    Raises
    ------
    CourseError
        Lengths differ, there is no answer, or a number is not whole, below 0 or too large.

    Examples
    --------
    >>> answers = collect_answers([0, 1, 2], [0, 0, 1], [1, 0, 1])
    >>> answers.n_workers, answers.n_items, answers.n_classes
    (3, 2, 2)
    """
    columns: dict[str, Ints] = {}
    sizes: dict[str, int] = {}
    given = {"worker": (worker, n_workers, 1), "item": (item, n_items, 1), "label": (label, n_classes, 2)}
    for name, (values, size, least) in given.items():
        array = np.asarray(values)
        if array.ndim != 1 or not array.size:
            raise CourseError(f"{name} must hold one number an answer, at least one, got shape {array.shape}")
        if array.dtype.kind not in "iub" or array.min() < 0:
            raise CourseError(f"{name} must hold whole numbers from 0, got {array.dtype} from {array.min()}")
        columns[name] = array.astype(np.int64)
        sizes[name] = max(int(array.max()) + 1, least) if size is None else size
        if array.max() >= sizes[name]:
            raise CourseError(f"{name} must stay below {size}, got {array.max()}: numbers begin at 0")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise CourseError(f"worker, item and label must have one row an answer, got {lengths}")
    return Answers(**columns, n_workers=sizes["worker"], n_items=sizes["item"], n_classes=sizes["label"])


def count_votes(answers: Answers) -> Ints:
    """Return how many workers named each class, (I, K).

    Examples
    --------
    >>> count_votes(collect_answers([0, 1, 2], [0, 0, 1], [1, 1, 0])).tolist()
    [[0, 2], [1, 0]]
    """
    cells = answers.item * answers.n_classes + answers.label
    return np.bincount(cells, minlength=answers.n_items * answers.n_classes).reshape(answers.n_items, -1)


def vote_shares(answers: Answers) -> Floats:
    """Return the share of each class among an item's answers, (I, K); 1 / K where nobody answered.

    Examples
    --------
    >>> vote_shares(collect_answers([0, 1, 2], [0, 0, 0], [1, 1, 0], n_items=2)).round(2).tolist()
    [[0.33, 0.67], [0.5, 0.5]]
    """
    votes = count_votes(answers)
    total = votes.sum(1, keepdims=True)
    return np.asarray(np.where(total > 0, votes / np.maximum(total, 1), 1 / answers.n_classes))


def majority_vote(answers: Answers) -> Floats:
    """Return who wins each item, (I, K): 1 for the class named most often, 1 / m each where m classes are tied.

    A tie is kept as a tie: to give it always to the lowest class would hide that nobody knows, and favour "nothing
    there". Where nobody answered, all classes are tied.

    Examples
    --------
    >>> majority_vote(collect_answers([0, 1, 2, 0, 1], [0, 0, 0, 1, 1], [1, 1, 0, 0, 1])).tolist()
    [[0.0, 1.0], [0.5, 0.5]]
    """
    votes = count_votes(answers)
    best = votes == votes.max(1, keepdims=True)
    return np.asarray(best / best.sum(1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Crowd:
    """What Dawid and Skene's method finds.

    Attributes
    ----------
    probability
        (I, K) of each class for each item.
    confusion
        (W, K, K): how often worker w says column l where row k is true; rows add up to 1.
    prior
        (K,) or (I, K): how often each class is true, before anybody answers.
    log_likelihood
        One a round; never falls. With smoothing, that of the answers and of the imaginary ones together.
    converged
        False if the rounds ran out first.
    """

    probability: Floats
    confusion: Floats
    prior: Floats
    log_likelihood: list[float]
    converged: bool

    @property
    def label(self) -> Ints:
        """The more probable class of each item, (I,); of equal ones the lower."""
        return np.asarray(self.probability.argmax(1), np.int64)

    @property
    def sensitivity(self) -> Floats:
        """How often each worker says 1 where 1 is true, (W,); for two classes. AggNet calls it alpha."""
        return self._of_two(1)

    @property
    def specificity(self) -> Floats:
        """How often each worker says 0 where 0 is true, (W,); for two classes. AggNet calls it beta."""
        return self._of_two(0)

    def _of_two(self, k: int) -> Floats:
        if self.confusion.shape[1] != 2:
            raise CourseError(f"sensitivity and specificity need 2 classes, got {self.confusion.shape[1]}")
        return self.confusion[:, k, k]


def dawid_skene(
    answers: Answers,
    *,
    prior: ArrayLike | None = None,
    smoothing: float = 1.0,
    n_rounds: int = 100,
    tolerance: float = 1e-6,
) -> Crowd:
    """Find the hidden truth and each worker's confusion matrix by expectation-maximisation.

    A. P. Dawid and A. M. Skene. Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm. Applied
    Statistics 28(1):20-28, 1979. https://doi.org/10.2307/2346806

    The start is the share of votes. So where most answers are wrong, the method finds the opposite of the truth: it
    can turn an adversary's answers round, but not a crowd's.

    With two classes, all workers on all items, no smoothing and the prior kept, this is STAPLE
    (`medcourse.agreement.staple`). With a prior for each item from a network, it is AggNet's aggregation.

    Parameters
    ----------
    prior
        (K,) or (I, K) to keep; None estimates how often each class is true.
    smoothing
        Imaginary answers of each worker in each cell of his table, >= 0. Without them, a worker with one answer is
        found to be perfect, or perfectly wrong.
    n_rounds
        Rounds of both steps at most, >= 1.
    tolerance
        Stop when no probability changes by more.

    Examples
    --------
    Two workers agree, a third says the opposite each time. He is an adversary, and as good a witness:

    >>> says = np.array([[1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]])
    >>> worker, item = np.indices(says.shape)
    >>> found = dawid_skene(collect_answers(worker.ravel(), item.ravel(), says.ravel()))
    >>> found.label.tolist(), bool(found.sensitivity[2] < 0.3)
    ([1, 0, 1, 0, 1, 0], True)
    """
    if smoothing < 0 or n_rounds < 1:
        raise CourseError(f"smoothing must be at least 0 and n_rounds at least 1, got {smoothing} and {n_rounds}")
    kept = None if prior is None else _check_prior(prior, answers)
    probability, history, converged = vote_shares(answers), [], False
    for _ in range(n_rounds):
        confusion = estimate_confusion(answers, probability, smoothing=smoothing)
        classes = probability.mean(0) if kept is None else kept
        before = probability
        probability, evidence = _weigh(answers, confusion, classes)
        history.append(evidence + smoothing * float(np.log(np.maximum(confusion, EPSILON)).sum()))
        if np.abs(probability - before).max() < tolerance:
            converged = True
            break
    return Crowd(probability, confusion, classes, history, converged)


def estimate_confusion(answers: Answers, probability: ArrayLike, *, smoothing: float = 0.0) -> Floats:
    """Return each worker's confusion matrix, (W, K, K), from how probable each item's classes are: the M-step.

    Parameters
    ----------
    probability
        (I, K) of each class for each item.
    smoothing
        Imaginary answers in each cell. Without any, a row with no answers at all is 1 / K.

    Examples
    --------
    >>> answers = collect_answers([0, 0, 0], [0, 1, 2], [1, 1, 0])
    >>> estimate_confusion(answers, [[0, 1], [1, 0], [1, 0]]).tolist()
    [[[0.5, 0.5], [0.0, 1.0]]]
    """
    beliefs = np.asarray(probability, float)
    k = answers.n_classes
    if beliefs.shape != (answers.n_items, k):
        raise CourseError(f"probability must be (items, classes) = {(answers.n_items, k)}, got {beliefs.shape}")
    table = np.empty((answers.n_workers, k, k))
    for true in range(k):
        cells = np.bincount(
            answers.worker * k + answers.label, beliefs[answers.item, true], minlength=answers.n_workers * k
        )
        table[:, true] = cells.reshape(-1, k) + smoothing
    total = table.sum(2, keepdims=True)
    tiny = np.finfo(float).tiny
    return np.where(total > tiny, table / np.maximum(total, tiny), 1 / k)


def weigh_answers(answers: Answers, confusion: ArrayLike, prior: ArrayLike) -> Floats:
    """Return the probability of each class for each item, (I, K), from workers that are known: the E-step.

    Parameters
    ----------
    confusion
        (W, K, K): how often worker w says column l where row k is true.
    prior
        (K,) for all items, or (I, K) for each, such as a network's output.

    Examples
    --------
    A prior of one half, and one worker who is right nine times of ten:

    >>> weigh_answers(collect_answers([0], [0], [1]), [[[0.9, 0.1], [0.1, 0.9]]], [0.5, 0.5]).round(6).tolist()
    [[0.1, 0.9]]
    """
    tables = np.asarray(confusion, float)
    expected = (answers.n_workers, answers.n_classes, answers.n_classes)
    if tables.shape != expected:
        raise CourseError(f"confusion must be (workers, classes, classes) = {expected}, got {tables.shape}")
    return _weigh(answers, tables, _check_prior(prior, answers))[0]


def confusion_of_two(sensitivity: ArrayLike, specificity: ArrayLike) -> Floats:
    """Return (W, 2, 2) confusion matrices of workers with these sensitivities and specificities, (W,) each.

    Examples
    --------
    >>> confusion_of_two([0.75], [0.5]).tolist()
    [[[0.5, 0.5], [0.25, 0.75]]]
    """
    yes, no = np.asarray(sensitivity, float), np.asarray(specificity, float)
    if yes.ndim != 1 or yes.shape != no.shape:
        raise CourseError(f"sensitivity and specificity must hold one number a worker, got {yes.shape} and {no.shape}")
    return np.stack([np.stack([no, 1 - no], -1), np.stack([1 - yes, yes], -1)], 1)


def _check_prior(prior: ArrayLike, answers: Answers) -> Floats:
    array = np.asarray(prior, float)
    shapes = ((answers.n_classes,), (answers.n_items, answers.n_classes))
    if array.shape not in shapes:
        raise CourseError(f"prior must have shape {shapes[0]} for all items or {shapes[1]} for each, got {array.shape}")
    if not (array >= 0).all() or not np.allclose(array.sum(-1), 1, atol=1e-4):
        raise CourseError(f"prior must hold probabilities that add up to 1, got sums from {array.sum(-1).min():g}")
    return array


def _weigh(answers: Answers, confusion: Floats, prior: Floats) -> tuple[Floats, float]:
    """Return the probabilities (I, K) and the logarithm of the evidence; sums of logarithms, for products vanish."""
    k = answers.n_classes
    logs = np.log(np.maximum(confusion, EPSILON))
    joint = np.empty((answers.n_items, k))
    for true in range(k):
        joint[:, true] = np.bincount(answers.item, logs[answers.worker, true, answers.label], answers.n_items)
    joint += np.log(np.maximum(prior, EPSILON))
    top = joint.max(1, keepdims=True)
    shares = np.exp(joint - top)
    total = shares.sum(1, keepdims=True)
    return shares / total, float((top + np.log(total)).sum())
