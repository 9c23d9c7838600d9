"""Which items are hard: the workers' ability and the items' ease, found together (GLAD).

J. Whitehill et al. Whose Vote Should Count More: Optimal Integration of Labels from Labelers of Unknown Expertise.
Advances in Neural Information Processing Systems 22, 2009.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from medcourse.crowds import Answers, vote_shares

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Difficulty:
    """What GLAD finds: `probability` (I, K), the workers' `ability` (W,), the items' `ease` (I,) > 0, `converged`.

    A worker is right with probability 1 / (1 + exp(-ability * ease)): ability 0 guesses, below 0 is an adversary; an
    ease near 0 makes everybody guess.
    """

    probability: Floats
    ability: Floats
    ease: Floats
    converged: bool


def glad(answers: Answers, *, n_rounds: int = 30, tolerance: float = 1e-4) -> Difficulty:
    """Find the truth, how able each worker and how easy each item is, by expectation-maximisation.

    A wrong answer is taken for any of the other classes alike. All classes are equally probable beforehand. Ability has
    a normal prior with mean 1, the logarithm of ease one with mean 0, both with standard deviation 1: without them,
    an item on which all agree would be infinitely easy.

    Parameters
    ----------
    n_rounds
        Rounds of both steps at most, >= 1.
    tolerance
        Stop when no probability changes by more.

    Examples
    --------
    Three say the same about item 0, and differ about item 1:

    >>> from medcourse.crowds import collect_answers
    >>> found = glad(collect_answers([0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 0, 1]))
    >>> bool(found.ease[0] > found.ease[1])
    True
    """
    probability, converged = vote_shares(answers), False
    start = np.concatenate([np.ones(answers.n_workers), np.zeros(answers.n_items)])
    for _ in range(n_rounds):
        right = probability[answers.item, answers.label]  # how probable it is that each answer is right, (A,)
        found = minimize(_loss, start, (answers, right), jac=True, method="L-BFGS-B", options={"maxiter": 20})
        start, before = found.x, probability
        probability = _weigh(answers, start)
        if np.abs(probability - before).max() < tolerance:
            converged = True
            break
    ability, ease = start[: answers.n_workers], np.exp(start[answers.n_workers :])
    return Difficulty(probability, ability, ease, converged)


def _loss(parameters: Floats, answers: Answers, right: Floats) -> tuple[float, Floats]:
    """Return minus the expected log-likelihood with the priors, and its gradient."""
    ability, log_ease = parameters[: answers.n_workers], parameters[answers.n_workers :]
    ease = np.exp(np.clip(log_ease, -20, 20))
    score = ability[answers.worker] * ease[answers.item]
    value = -(right * log_expit(score) + (1 - right) * log_expit(-score)).sum()
    value += ((ability - 1) ** 2).sum() / 2 + (log_ease**2).sum() / 2
    slope = expit(score) - right  # of the loss by the score
    by_ability = np.bincount(answers.worker, slope * ease[answers.item], answers.n_workers) + ability - 1
    by_ease = np.bincount(answers.item, slope * score, answers.n_items) + log_ease
    return float(value), np.concatenate([by_ability, by_ease])


def _weigh(answers: Answers, parameters: Floats) -> Floats:
    ability, ease = parameters[: answers.n_workers], np.exp(parameters[answers.n_workers :])
    score = ability[answers.worker] * ease[answers.item]
    # What an answer says for its class beyond what it says for each of the others.
    gain = log_expit(score) - log_expit(-score) + np.log(answers.n_classes - 1)
    cells = answers.item * answers.n_classes + answers.label
    joint = np.bincount(cells, gain, answers.n_items * answers.n_classes).reshape(answers.n_items, -1)
    shares = np.exp(joint - joint.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))
