"""Rankings of a challenge from a table of cases and teams, and how much they owe to the cases that were drawn.

The ways to rank, and the advice to look at their stability, are those of Maier-Hein et al. 2018 [1]_ and of the toolkit
challengeR [2]_. A table has a row a case and a column a team; NaN is a result that a team did not hand in.

.. [1] Maier-Hein et al. Why rankings of biomedical image analysis competitions should be interpreted with care. Nature
   Communications 9:5217, 2018. https://doi.org/10.1038/s41467-018-07619-7
.. [2] Wiesenfarth et al. Methods and open-source toolkit for analyzing and visualizing challenge results. Scientific
   Reports 11:2369, 2021. https://doi.org/10.1038/s41598-021-82017-6
"""

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
How = Literal["mean", "median", "rank-then-mean"]
DIGITS = 10  # two means that differ by less differ by rounding


def fill_missing(scores: ArrayLike, worst: float) -> Floats:
    """Return the table with the worst possible score wherever a team handed in nothing.

    A challenge that leaves missing cases out rewards the team that is silent where it is hard.

    Parameters
    ----------
    scores
        (C, T), NaN where a team has no result.
    worst
        0 for a Dice; for a distance the length of the image's diagonal, say.

    Examples
    --------
    >>> fill_missing([[0.8, np.nan]], worst=0.0).tolist()
    [[0.8, 0.0]]
    """
    table = _table(scores)
    return np.where(np.isnan(table), float(worst), table)


def rank(values: ArrayLike, *, higher_is_better: bool = True) -> NDArray[np.int64]:
    """Return ranks along the last axis, 1 for the best; equals share the better rank, and the next one is left out.

    Values that differ by rounding are equals. NaN comes last.

    Examples
    --------
    >>> rank([0.7, 0.9, 0.9, 0.5]).tolist()
    [3, 1, 1, 4]
    """
    from scipy import stats  # noqa: PLC0415

    array = np.round(np.asarray(values, np.float64), DIGITS)
    badness = -array if higher_is_better else array
    badness = np.where(np.isnan(badness), np.inf, badness)
    return np.asarray(stats.rankdata(badness, method="min", axis=-1), np.int64)


def rank_teams(scores: ArrayLike, *, how: How = "mean", higher_is_better: bool = True) -> NDArray[np.int64]:
    """Return each team's rank.

    Parameters
    ----------
    scores
        (..., C, T), cases by teams; leading axes are tables of their own. NaN is left out of what is averaged: fill it
        first (see `fill_missing`) unless that is what you want to see.
    how
        "mean" or "median" aggregate over the cases and rank the result (mean, then rank); "rank-then-mean" ranks the
        teams in each case and ranks the mean of these ranks (rank, then mean).
    higher_is_better
        False for distances.

    Returns
    -------
    (..., T) int64
        1 is the winner. Equals share a rank.

    Raises
    ------
    CourseError
        Not a table, or an unknown way to rank.

    Examples
    --------
    >>> dice = [[0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.0, 0.8, 0.7]]
    >>> rank_teams(dice).tolist(), rank_teams(dice, how="median").tolist()
    ([3, 1, 2], [1, 2, 3])
    """
    table = _table(scores)
    if how not in get_args(How):
        raise CourseError(f"how must be one of {', '.join(get_args(How))}, got {how!r}")
    if how == "rank-then-mean":
        each = rank(table, higher_is_better=higher_is_better).astype(float)
        return rank(each.mean(-2), higher_is_better=False)
    return rank(aggregate(table, how), higher_is_better=higher_is_better)


def aggregate(scores: ArrayLike, how: Literal["mean", "median"] = "mean") -> Floats:
    """Return each team's mean or median over the cases that it handed in; NaN for a team with none.

    Examples
    --------
    >>> aggregate([[0.9, 0.5], [np.nan, 0.7]]).round(2).tolist()
    [0.9, 0.6]
    """
    table = _table(scores)
    empty = np.asarray(np.isnan(table).all(-2))  # (..., T)
    reduce = np.nanmean if how == "mean" else np.nanmedian
    # An empty column would warn; its value is thrown away below.
    value = reduce(np.where(empty[..., None, :], 0.0, table), axis=-2)
    return np.where(empty, np.nan, value)


def bootstrap_ranks(
    scores: ArrayLike, *, how: How = "mean", higher_is_better: bool = True, n_resamples: int = 1000, seed: int = 0
) -> NDArray[np.int64]:
    """Return the ranks that other draws of cases would have given.

    As many cases as there are, drawn with replacement, and the same for all teams: a case that is hard is hard for all.

    Parameters
    ----------
    scores, how, higher_is_better
        As for `rank_teams`; one table.
    n_resamples
        Number of draws B, >= 1.

    Returns
    -------
    (B, T) int64

    Examples
    --------
    >>> bootstrap_ranks([[0.9, 0.1], [0.8, 0.2]], n_resamples=3).tolist()
    [[1, 2], [1, 2], [1, 2]]
    """
    table = _table(scores)
    if table.ndim != 2:
        raise CourseError(f"scores must be one table (cases, teams), got {table.shape}")
    if n_resamples < 1:
        raise CourseError(f"n_resamples must be at least 1, got {n_resamples}")
    draws = np.random.default_rng(seed).integers(len(table), size=(n_resamples, len(table)))
    parts = [
        rank_teams(table[part], how=how, higher_is_better=higher_is_better)  # (b, C, T) at a time
        for part in np.array_split(draws, -(-draws.size * table.shape[1] // 2_000_000))
    ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Stability:
    """What a bootstrap says of a ranking.

    `winner_share` (T,): the share of draws that each team wins, a draw with m winners counted 1/m for each.
    `rank_low`, `rank_high` (T,): ends of the 95 % interval of each team's rank. `tau` (B,): Kendall's tau between the
    ranking on all cases and that of each draw.
    """

    ranks: NDArray[np.int64]
    winner_share: Floats
    rank_low: Floats
    rank_high: Floats
    tau: Floats


def stability(
    scores: ArrayLike, *, how: How = "mean", higher_is_better: bool = True, n_resamples: int = 1000, seed: int = 0
) -> Stability:
    """Return how a ranking changes when other cases are drawn.

    Parameters
    ----------
    scores, how, higher_is_better, n_resamples, seed
        As for `bootstrap_ranks`.

    Examples
    --------
    >>> stability([[0.9, 0.1], [0.8, 0.2]], n_resamples=10).winner_share.tolist()
    [1.0, 0.0]
    """
    original = rank_teams(scores, how=how, higher_is_better=higher_is_better)
    ranks = bootstrap_ranks(scores, how=how, higher_is_better=higher_is_better, n_resamples=n_resamples, seed=seed)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0, method="inverted_cdf").astype(float)
    tau = np.array([kendall_tau(original, each) for each in ranks])
    return Stability(original, winner_share(ranks), low, high, tau)


def winner_share(ranks: ArrayLike) -> Floats:
    """Return the share of rankings (B, T) that each team wins; m teams that share rank 1 get 1/m each.

    Examples
    --------
    >>> winner_share([[1, 2], [1, 1]]).tolist()
    [0.75, 0.25]
    """
    first = np.asarray(ranks) == 1
    return np.asarray((first / first.sum(-1, keepdims=True)).mean(0), np.float64)


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Return Kendall's tau b of two rankings: 1 the same, 0 unrelated, -1 reversed; ties are taken into account.

    0 where one of them ties all teams, for it orders nothing.

    Examples
    --------
    >>> round(kendall_tau([1, 2, 3], [1, 3, 2]), 3)
    0.333
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise CourseError(f"two rankings of the same teams, at least two, are needed, got {a.shape} and {b.shape}")
    i, j = np.triu_indices(len(a), 1)
    s, t = np.sign(a[i] - a[j]), np.sign(b[i] - b[j])
    untied = float((s != 0).sum()) * float((t != 0).sum())
    return float((s * t).sum() / np.sqrt(untied)) if untied else 0.0


def significance(scores: ArrayLike, *, higher_is_better: bool = True) -> Floats:
    """Return p values (T, T): entry [i, j] tests whether team i is better than team j on the same cases.

    One-sided Wilcoxon signed-rank tests, Holm's correction over all of them, as challengeR does. Missing results must
    have been filled. The diagonal is 1.

    Examples
    --------
    >>> p = significance(np.column_stack([np.linspace(0.8, 0.9, 20), np.linspace(0.5, 0.7, 20)]))
    >>> bool(p[0, 1] < 0.01), float(p[1, 0])
    (True, 1.0)
    """
    from scipy import stats  # noqa: PLC0415

    table = _table(scores)
    if np.isnan(table).any():
        raise CourseError("scores must hold no NaN for a test, got some: see fill_missing")
    pairs = list(permutations(range(table.shape[1]), 2))
    raw = []
    for i, j in pairs:
        difference = table[:, i] - table[:, j]
        # All equal: there is nothing to rank, and nothing to show.
        side = "greater" if higher_is_better else "less"
        raw.append(float(stats.wilcoxon(difference, alternative=side).pvalue) if np.any(difference) else 1.0)
    p = np.ones((table.shape[1], table.shape[1]))
    order, highest = np.argsort(raw, kind="stable"), 0.0
    for k, place in enumerate(order):
        highest = max(highest, min(1.0, (len(raw) - k) * raw[place]))
        p[pairs[place]] = highest
    return p


def read_scores(path: str | Path, metric: str) -> Any:
    """Read the results of a challenge: a CSV with the columns case, team, and one for each metric.

    Parameters
    ----------
    path
        The file, or a folder with `scores.csv`. An empty cell, or a line that is not there, is a result not handed in.
    metric
        The column to take.

    Returns
    -------
    DataFrame
        A row a case, a column a team, NaN where there is no result; both in the order of the file.

    Raises
    ------
    CourseError
        No such file or column, a team has two results for a case, or a value is no number.
    """
    import pandas as pd  # noqa: PLC0415

    file = Path(path) / "scores.csv" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise CourseError(f"expected a CSV of scores at {file}, found none")
    rows = pd.read_csv(file, dtype={"case": str, "team": str})
    if missing := [name for name in ("case", "team", metric) if name not in rows]:
        raise CourseError(f"{file.name}: expected the columns case, team and {metric}, missing: {', '.join(missing)}")
    if (again := rows.duplicated(["case", "team"])).any():
        case, team = rows.loc[again, ["case", "team"]].iloc[0]
        raise CourseError(f"{file.name}: expected one result a case and team, got two for {case} of {team}")
    values = pd.to_numeric(rows[metric], errors="coerce")
    if (bad := values.isna() & rows[metric].notna()).any():
        raise CourseError(f"{file.name}: expected numbers in {metric}, got {rows.loc[bad, metric].iloc[0]!r}")
    table = rows.assign(**{metric: values}).pivot_table(
        index="case", columns="team", values=metric, dropna=False, sort=False
    )
    return table.reindex(index=rows["case"].unique(), columns=rows["team"].unique())


def _table(scores: ArrayLike) -> Floats:
    table = np.asarray(scores, np.float64)
    if table.ndim < 2 or not table.size:
        raise CourseError(f"scores must be a table (cases, teams) with at least one of both, got shape {table.shape}")
    return table
