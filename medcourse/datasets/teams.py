"""Simulated entries to a challenge: lesions in slices, outlined by teams that each have a fault of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.raters import signed_distance

Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Habits:
    """How a team errs; lengths in millimetres.

    Attributes
    ----------
    shift_mm
        Its borders lie so far outside (above 0) or inside of the true ones.
    wobble_mm
        Standard deviation of its borders around that, smooth along the border.
    blind_mm
        Lesions this thin are missed half of the time, those of half the width nearly always; 0 misses none.
    ghosts
        How often, on average, it marks a spot where there is nothing, in a case.
    crash
        Share of the hardest cases (those with most lesions) for which it hands in nothing.
    """

    shift_mm: float = 0.0
    wobble_mm: float = 0.7
    blind_mm: float = 0.0
    ghosts: float = 0.0
    crash: float = 0.0


TEAMS: dict[str, Habits] = {
    "Steady": Habits(),
    "Wide": Habits(shift_mm=0.7, wobble_mm=0.4),
    "Tight": Habits(shift_mm=-0.7, wobble_mm=0.4),
    "Ragged": Habits(wobble_mm=1.3),
    "Blind": Habits(wobble_mm=0.3, blind_mm=6.0),
    "Ghost": Habits(wobble_mm=0.4, ghosts=0.4),
    "Crash": Habits(wobble_mm=0.4, crash=0.1),
}
"""Seven teams to look at, each with one fault."""


def draw_teams(n_teams: int = 8, *, seed: int = 0) -> dict[str, Habits]:
    """Draw a field of teams at random, so that no ranking is ours: name to habits.

    Borders lie N(0, 0.5) mm off and wobble by a log-normal amount (median 0.6 mm, sigma 0.3). Half of the teams are
    blind to lesions of a width between 3 and 8 mm; ghosts are exponential, 0.15 a case on average; half of the teams
    crash in up to a tenth of the cases. These numbers were chosen before any ranking was looked at.

    Parameters
    ----------
    n_teams
        In [2, 26]; they are called A, B, C ...
    seed
        Same seed, same teams.

    Examples
    --------
    >>> list(draw_teams(3))
    ['A', 'B', 'C']
    """
    check_ranges([("n_teams", n_teams, 2, 26)])
    rng = np.random.default_rng(seed)
    return {
        chr(ord("A") + i): Habits(
            shift_mm=rng.normal(0, 0.5),
            wobble_mm=0.6 * float(np.exp(rng.normal(0, 0.3))),
            blind_mm=rng.uniform(3, 8) * float(rng.random() < 0.5),
            ghosts=rng.exponential(0.15),
            crash=rng.uniform(0, 0.1) * float(rng.random() < 0.5),
        )
        for i in range(n_teams)
    }


def make_challenge(
    n_cases: int = 30,
    *,
    teams: dict[str, Habits] | None = None,
    side_px: int = 96,
    spacing_mm: float = 1.0,
    lesions_per_case: float = 3.0,
    diameter_mm: float = 12.0,
    case_spread: float = 0.35,
    seed: int = 0,
) -> Bunch:
    """Simulate a segmentation challenge: the truth of each case, and what each team hands in.

    A case has a Poisson number of lobed lesions, at least one, of log-normal diameter. A team's outline is the true
    signed distance, moved by its habit and by a smooth random field. All teams find the same cases hard: the field of
    case i is scaled by exp(case_spread * z_i) for every team, z_i standard normal.

    Parameters
    ----------
    n_cases
        In [2, 2000].
    teams
        Name to habits; None for `TEAMS`.
    side_px, spacing_mm
        Of the square slice, in [48, 512] and in [0.2, 5].
    lesions_per_case
        Mean of the Poisson distribution, in [0.5, 10]. Lesions that meet are one.
    diameter_mm
        Median, in [4, 40]; the logarithm's standard deviation is 0.5.
    case_spread
        How differently hard cases are, in [0, 1.5].
    seed
        Same seed, same challenge. A team's entry depends on the seed and its name alone, not on the other teams.

    Returns
    -------
    Bunch
        truth : (N, H, W) bool.
        entries : dict of team to list of N, (H, W) bool, or None where it hands in nothing.
        n_lesions : (N,) int64. spacing_mm : (2,) tuple. DESCR : str, with the word SIMULATED.

    Examples
    --------
    >>> made = make_challenge(4)
    >>> made.truth.shape, sorted(made.entries)[0], len(made.entries["Wide"])
    ((4, 96, 96), 'Blind', 4)
    """
    check_ranges(
        [
            ("n_cases", n_cases, 2, 2000),
            ("side_px", side_px, 48, 512),
            ("spacing_mm", spacing_mm, 0.2, 5),
            ("lesions_per_case", lesions_per_case, 0.5, 10),
            ("diameter_mm", diameter_mm, 4, 40),
            ("case_spread", case_spread, 0, 1.5),
        ]
    )
    teams = TEAMS if teams is None else teams
    rng = np.random.default_rng(seed)
    truth = np.stack(
        [_lesions(rng, side_px, spacing_mm, lesions_per_case, diameter_mm) for _ in range(n_cases)]
    )  # (N, H, W)
    cases = [_Case.of(mask, spacing_mm) for mask in truth]
    n_lesions = np.array([len(case.widths_mm) for case in cases])
    hardness = np.exp(case_spread * rng.standard_normal(n_cases))
    hardest = np.argsort(-n_lesions, kind="stable")
    entries: dict[str, list[Masks | None]] = {}
    for name, habits in teams.items():
        own = np.random.default_rng([seed, *name.encode()])
        silent = set(hardest[: round(habits.crash * n_cases)].tolist())
        drawn = [_outline(own, case, habits, hard, spacing_mm) for case, hard in zip(cases, hardness, strict=True)]
        entries[name] = [None if i in silent else mask for i, mask in enumerate(drawn)]
    return Bunch(
        truth=truth,
        entries=entries,
        n_lesions=n_lesions,
        spacing_mm=(spacing_mm, spacing_mm),
        DESCR=f"SIMULATED challenge of {n_cases} cases and {len(entries)} teams, seed {seed}",
    )


def _lesions(
    rng: np.random.Generator, side_px: int, spacing_mm: float, lesions_per_case: float, diameter_mm: float
) -> Masks:
    y, x = np.indices((side_px, side_px)) * spacing_mm
    width = side_px * spacing_mm
    mask = np.zeros((side_px, side_px), bool)
    for _ in range(max(1, int(rng.poisson(lesions_per_case)))):
        radius = min(0.5 * diameter_mm * float(np.exp(0.5 * rng.standard_normal())), 0.2 * width)
        radius = max(radius, 1.5 * spacing_mm)
        low, high = radius + 2 * spacing_mm, width - radius - 2 * spacing_mm
        row, column = rng.uniform(low, high, 2)
        angle = np.arctan2(y - row, x - column)
        lobes = sum(
            rng.normal(0, 0.12) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4)
        )  # (H, W), share of the radius
        mask |= np.hypot(y - row, x - column) < radius * (1 + lobes)
    return mask


@dataclass(frozen=True)
class _Case:
    """What does not depend on a team: (H, W) numbered lesions, distance in pixels, and the lesions' widths."""

    labels: NDArray[np.int32]
    distance_px: NDArray[np.float64]
    widths_mm: NDArray[np.float64]

    @classmethod
    def of(cls, mask: Masks, spacing_mm: float) -> _Case:
        labels, n = ndi.label(mask)
        distance_px = signed_distance(mask)
        thickest = np.asarray(ndi.maximum(distance_px, labels, range(1, n + 1)), np.float64)
        return cls(labels, distance_px, 2 * (thickest + 0.5) * spacing_mm)


def _outline(rng: np.random.Generator, case: _Case, habits: Habits, hard: float, spacing_mm: float) -> Masks:
    """Return what a team draws in one case; all random numbers are drawn whatever the habits, so that they compare."""
    shape = case.labels.shape
    chances, n_ghosts = rng.random(len(case.widths_mm)), int(rng.poisson(habits.ghosts))
    missed = chances > 1 / (1 + (habits.blind_mm / case.widths_mm) ** 6)
    distance_px = case.distance_px
    if missed.any():
        distance_px = signed_distance((case.labels > 0) & ~np.isin(case.labels, np.flatnonzero(missed) + 1))
    moved_mm = habits.shift_mm + hard * habits.wobble_mm * _smooth(rng, shape, 4 / spacing_mm)
    drawn = distance_px * spacing_mm + moved_mm > 0
    y, x = np.indices(shape) * spacing_mm
    for _ in range(n_ghosts):
        row, column = rng.uniform(0, np.array(shape) * spacing_mm)
        drawn |= np.hypot(y - row, x - column) < rng.uniform(2, 4)
    return np.asarray(drawn)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], reach_px: float) -> NDArray[np.float64]:
    """Return noise of standard deviation 1 that is alike over `reach_px` pixels."""
    # White noise under a Gaussian of width s keeps 1 / (4 pi s^2) of its variance in two dimensions.
    smooth = ndi.gaussian_filter(rng.standard_normal(shape), reach_px, mode="wrap", truncate=3.0)
    return np.asarray(smooth * reach_px * np.sqrt(4 * np.pi), np.float64)
