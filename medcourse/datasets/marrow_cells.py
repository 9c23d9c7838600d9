"""Who lives in a bone marrow: normal populations, B cells on their way to maturity, and a patient's own blasts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The panel: the first eight-colour tube that EuroFlow chose for residual B-ALL (Theunissen et al. 2017, Blood
# 129:347), with CD123 alone in its PE channel, and in FITC the CD58 of the AIEOP-BFM panel (Gaipa et al. 2005) instead
# of CD81. That mixture is ours. Dye by dye, in the order of the detectors.
ANTIGENS = ("CD20", "CD45", "CD58", "CD34", "CD123", "CD19", "CD10", "CD38")


@dataclass(frozen=True)
class Kind:
    """A population: its share of a recovering marrow, mean scatter, and mean light of each antigen's dye.

    `share` need not sum to 1. `spread` is the standard deviation of an antigen between its cells, in decades.
    """

    share: float
    forward: float
    side: float
    antigens: tuple[float, ...]
    spread: float = 0.18


# Patterns are textbook ones (van Lochem et al. 2004, Cytometry B 60:1, for the stages of B cells; van Dongen et al.
# 2012, Leukemia 26:1908, for the others); machine units mean nothing beyond their ratios, and shares are ours.
KINDS: Mapping[str, Kind] = {
    #                                FSC     SSC       CD20   CD45   CD58   CD34   CD123  CD19   CD10   CD38
    "T cells": Kind(0.30, 60_000, 16_000, (40.0, 30_000.0, 900.0, 0.0, 0.0, 0.0, 0.0, 700.0)),
    "NK cells": Kind(0.05, 63_000, 19_000, (0.0, 26_000.0, 1_300.0, 0.0, 0.0, 0.0, 0.0, 3_500.0)),
    "mature B cells": Kind(0.03, 61_000, 16_500, (15_000.0, 26_000.0, 900.0, 0.0, 30.0, 9_000.0, 30.0, 800.0)),
    "B precursors": Kind(0.03, 58_000, 15_000, (0.0,) * 8, 0.16),  # from their path, below
    "plasma cells": Kind(0.008, 76_000, 27_000, (0.0, 3_500.0, 6_000.0, 0.0, 0.0, 2_500.0, 0.0, 60_000.0), 0.25),
    "granulocytes": Kind(0.32, 125_000, 125_000, (0.0, 8_000.0, 2_500.0, 0.0, 250.0, 0.0, 2_500.0, 400.0)),
    "monocytes": Kind(0.06, 110_000, 48_000, (0.0, 18_000.0, 5_000.0, 0.0, 1_500.0, 0.0, 0.0, 5_000.0)),
    "basophils, pDC": Kind(0.006, 66_000, 20_000, (0.0, 8_000.0, 3_000.0, 0.0, 20_000.0, 0.0, 0.0, 4_000.0)),
    "myeloid precursors": Kind(
        0.01, 95_000, 36_000, (0.0, 5_000.0, 3_000.0, 7_000.0, 2_500.0, 0.0, 0.0, 4_500.0), 0.25
    ),
    "erythroid cells": Kind(0.18, 42_000, 12_000, (0.0, 150.0, 900.0, 0.0, 0.0, 0.0, 0.0, 2_000.0), 0.25),
}
BLASTS = "blasts"
POPULATIONS = (*KINDS, BLASTS)

# Knots of the path that a B cell takes to maturity, at times 0, 1, 2, 3: CD34 goes first, then CD10; CD20 and CD45
# come. In the textbook's words: stage I, II, III and mature. Precursors (haematogones) are met between 0 and LATEST.
PATH = np.log10(
    np.array(
        [
            # CD20   CD45     CD58    CD34    CD123  CD19    CD10      CD38
            [30.0, 2_500.0, 3_000.0, 7_000.0, 200.0, 3_000.0, 15_000.0, 12_000.0],
            [150.0, 6_000.0, 1_800.0, 100.0, 60.0, 6_000.0, 7_000.0, 14_000.0],
            [6_000.0, 14_000.0, 1_200.0, 10.0, 30.0, 8_000.0, 3_000.0, 9_000.0],
            [15_000.0, 26_000.0, 900.0, 10.0, 30.0, 9_000.0, 30.0, 800.0],
        ]
    )
)
LATEST = 2.7

# How the blasts of B-ALL differ from the precursors at whose stage they stopped, in decades: mean, and standard
# deviation between patients. The directions (CD38 and CD45 weak, CD58 and CD123 strong, CD10 and CD20 either way)
# are what the panels were made to see (Theunissen et al. 2017); the sizes are ours.
ABERRATION = np.array([0.3, -0.5, 0.45, 0.0, 0.8, 0.1, 0.2, -0.6])
ABERRATION_SD = np.array([0.6, 0.3, 0.2, 0.8, 0.5, 0.15, 0.45, 0.3])

# What treatment with steroids does to blasts that survive it: CD10 and CD34 fall, CD19 and CD20 rise, CD58 stays
# (Gaipa et al. 2005, Leukemia 19:49, doi 10.1038/sj.leu.2403559); CD45 changes as well, here upward (Dworzak et al.
# 2010, Cytometry B 78:147, doi 10.1002/cyto.b.20516). In decades when complete; sizes and pace are ours.
DRIFT = np.array([0.5, 0.2, 0.0, -0.5, 0.0, 0.15, -0.5, 0.0])
DRIFT_DAYS = 15.0


@dataclass(frozen=True)
class Clone:
    """The blasts of one patient: scatter, log10 of each antigen at day 0, spread in decades, and strength of drift."""

    forward: float
    side: float
    log_antigens: Floats
    spread: float
    drift: float

    def at(self, day: int) -> Floats:
        """Return the log10 of the mean light of each antigen's dye on a day of treatment, (8,)."""
        return np.asarray(self.log_antigens + self.drift * (1 - np.exp(-day / DRIFT_DAYS)) * DRIFT)


def draw_clone(rng: np.random.Generator, *, individuality: float, drift: float) -> Clone:
    """Draw a patient's leukaemia: a stage at which its cells stopped, and what is wrong with them beside that."""
    stage = path_at(rng.uniform(0, 1.2, 1))[0]
    odd = ABERRATION + individuality * ABERRATION_SD * rng.normal(size=len(ANTIGENS))
    return Clone(
        forward=70_000 * 10 ** (0.05 * individuality * rng.normal()),
        side=19_000 * 10 ** (0.06 * individuality * rng.normal()),
        log_antigens=stage + odd,
        spread=rng.uniform(0.18, 0.28),
        drift=drift * max(0.0, rng.normal(1.0, 0.4)),
    )


def draw_shares(rng: np.random.Generator, day: int) -> Floats:
    """Draw the shares of the normal populations in one marrow, in the order of `KINDS`, sum 1.

    Every population varies by a quarter of a decade. Normal B precursors are crowded out at diagnosis, thinned by
    steroids, and come back: a tenth of their share at day 0, about half at day 15, most at day 33. Numbers are ours.
    """
    shares = np.array([kind.share for kind in KINDS.values()]) * 10 ** (0.25 * rng.normal(size=len(KINDS)))
    shares[list(KINDS).index("B precursors")] *= 0.1 + 0.9 * (1 - np.exp(-day / 25.0))
    return np.asarray(shares / shares.sum())


def draw_blast_fraction(rng: np.random.Generator, day: int) -> float:
    """Draw the share of blasts: half or more at diagnosis, 0.01 to 10 % under treatment, each decade alike."""
    at_diagnosis, treated = rng.uniform(0.5, 0.9), 10 ** rng.uniform(-4, -1)
    return float(at_diagnosis if day == 0 else treated)


def path_at(time: Floats) -> Floats:
    """Return the log10 of the mean light of each dye at times (N,) of a B cell's way, (N, 8)."""
    knots = np.arange(len(PATH))
    return np.stack([np.interp(time, knots, column) for column in PATH.T], axis=1)


def draw_antigens(rng: np.random.Generator, labels: NDArray[np.integer], clone: Clone, day: int) -> Floats:
    """Draw the light of each antigen's dye on cells of the populations `labels` (N,), without their own: (N, 8)."""
    with np.errstate(divide="ignore"):
        table = np.log10(np.array([*(kind.antigens for kind in KINDS.values()), (0.0,) * len(ANTIGENS)]))
    table[POPULATIONS.index(BLASTS)] = clone.at(day)
    spread = np.array([*(kind.spread for kind in KINDS.values()), clone.spread])
    log_light = table[labels]
    young = labels == POPULATIONS.index("B precursors")
    log_light[young] = path_at(LATEST * rng.beta(2, 2, len(labels)))[young]
    return np.asarray(10 ** (log_light + spread[labels][:, None] * rng.normal(size=log_light.shape)))


def draw_scatter(rng: np.random.Generator, labels: NDArray[np.integer], clone: Clone) -> tuple[Floats, Floats]:
    """Draw forward and side scatter (N, 2), and how much larger than its kind each cell is (N,)."""
    means = np.array([*((kind.forward, kind.side) for kind in KINDS.values()), (clone.forward, clone.side)])
    size = rng.normal(0, 0.10, len(labels))
    return means[labels] * np.exp(np.stack([size, size + rng.normal(0, 0.16, len(labels))], axis=1)), np.exp(size)
