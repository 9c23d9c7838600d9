"""Flow cytometry, simulated: blood and marrow cells as points in the space of their scatter and markers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

Floats = NDArray[np.float64]

CHANNELS = ("FSC-A", "SSC-A", "FITC-A", "PE-A", "PerCP-A", "PE-Cy7-A", "APC-A", "Pacific Blue-A")
MARKERS = ("FSC", "SSC", "CD58", "CD10", "CD34", "CD19", "CD38", "CD45")
N_SCATTER = 2
FULL_SCALE = 262144.0  # 18 bit, as most digital machines have


@dataclass(frozen=True)
class Population:
    """What a kind of cell looks like to the machine.

    `forward` and `side` are mean scatter in machine units (size and granularity), `antigens` mean fluorescence above
    that of an unstained cell, in the order of `MARKERS` after the scatter, `spread` its standard deviation in decades.
    """

    forward: float
    side: float
    antigens: tuple[float, float, float, float, float, float]
    spread: float = 0.18


# Relative positions follow the textbook pattern of CD45 against side scatter (Stelzer et al. 1993, Ann N Y Acad Sci
# 677:265) and of B-cell precursors (van Lochem et al. 2004, Cytometry B 60:1): CD34 and CD10 fade, CD45 rises. Units
# are those of a machine, so they mean nothing beyond their ratios.
POPULATIONS: Mapping[str, Population] = {
    #                               FSC       SSC       CD58   CD10   CD34   CD19   CD38   CD45
    "lymphocytes": Population(60_000, 16_000, (900.0, 0.0, 0.0, 0.0, 600.0, 30_000.0)),
    "mature B cells": Population(62_000, 17_000, (900.0, 0.0, 0.0, 9_000.0, 500.0, 26_000.0)),
    "B precursors": Population(58_000, 15_000, (1_500.0, 6_000.0, 700.0, 6_000.0, 9_000.0, 6_000.0), 0.25),
    "monocytes": Population(110_000, 48_000, (5_000.0, 0.0, 0.0, 0.0, 5_000.0, 18_000.0)),
    "granulocytes": Population(125_000, 125_000, (2_500.0, 2_500.0, 0.0, 0.0, 400.0, 8_000.0)),
    "erythroid cells": Population(42_000, 12_000, (700.0, 0.0, 0.0, 0.0, 2_500.0, 150.0), 0.25),
    "blasts": Population(85_000, 22_000, (9_000.0, 22_000.0, 8_000.0, 8_000.0, 1_500.0, 1_800.0), 0.25),
}
MARROW: Mapping[str, float] = {
    "lymphocytes": 0.16,
    "mature B cells": 0.04,
    "B precursors": 0.05,
    "monocytes": 0.07,
    "granulocytes": 0.58,
    "erythroid cells": 0.10,
    "blasts": 0.0,
}
# Row i: what dye i leaves in each detector. Neighbours in colour overlap, most of all PE into PerCP's detector, and
# PE-Cy7, a tandem, into PE's.
SPILL = np.array(
    [
        # FITC  PE    PerCP  Cy7   APC   PB
        [1.000, 0.180, 0.030, 0.004, 0.000, 0.000],
        [0.015, 1.000, 0.240, 0.020, 0.000, 0.000],
        [0.000, 0.006, 1.000, 0.160, 0.040, 0.000],
        [0.003, 0.040, 0.010, 1.000, 0.010, 0.000],
        [0.000, 0.000, 0.060, 0.020, 1.000, 0.000],
        [0.004, 0.000, 0.000, 0.000, 0.000, 1.000],
    ]
)


def make_cytometry(
    n_events: int = 20_000,
    *,
    fractions: Mapping[str, float] | None = None,
    spill: NDArray[np.floating] | None = None,
    photoelectrons_per_unit: float = 0.2,
    autofluorescence: float = 120.0,
    noise_sd: float = 60.0,
    doublets: float = 0.02,
    debris: float = 0.04,
    shift_decades: float = 0.0,
    seed: int = 0,
) -> Bunch:
    """Simulate a tube of bone marrow in a flow cytometer.

    Each cell has scatter (log-normal, doublets have twice as much) and for each dye an amount of light (log-normal
    around its population's, plus the cell's autofluorescence). The optics mix dyes by the spill-over matrix; photons
    are counted (Poisson, by `photoelectrons_per_unit`), the electronics add noise, and the scale ends at 2^18. Because
    photons of a bright dye's spill are counted too, compensation puts the means right and leaves the spread: the
    "spreading error" that dim populations suffer.

    Amounts and machine draw from separate streams: the same seed gives the same cells at any noise and spill.

    Parameters
    ----------
    n_events
        Events, >= 1; a million takes about a second.
    fractions
        Share of each population of `POPULATIONS`, normalised to sum 1; the default, `MARROW`, is healthy marrow.
        `{**MARROW, "blasts": 1e-4}` is a residual disease of one cell in ten thousand.
    spill
        (6, 6), row i holds what dye i leaves in each detector, 1 on the diagonal; default `SPILL`, identity for none.
    photoelectrons_per_unit
        Photoelectrons counted per unit of the scale, > 0; inf for no counting noise.
    autofluorescence
        Mean light of an unstained cell in each detector.
    noise_sd
        Standard deviation of the electronics, in units of the scale.
    doublets, debris
        Shares of events in [0, 1) that are two cells at once, and that are no cells (label -1).
    shift_decades
        Standard deviation of a factor of each detector, in decades: another day, another machine setting.
    seed
        Same seed, same events.

    Returns
    -------
    Bunch
        events : (N, 8) float64, as the machine stores them: not compensated.
        dyes : (N, 6) float64, what a machine without spill-over and noise would show: the truth of compensation.
        labels : (N,) int64, index into `populations`; -1 is debris.
        doublet : (N,) bool.
        populations, channels, markers : lists of str. spill, spill_channels : as in `read_fcs`.
        description : what it is, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range, or a population is unknown.

    Examples
    --------
    >>> tube = make_cytometry(1000, seed=1)
    >>> tube.events.shape, sorted(set(tube.channels)) == sorted(CHANNELS)
    ((1000, 8), True)
    """
    fractions = MARROW if fractions is None else fractions
    matrix = np.asarray(SPILL if spill is None else spill, float)
    _check(fractions, matrix)
    if n_events < 1:
        raise CourseError(f"n_events must be at least 1, got {n_events}")
    if not photoelectrons_per_unit > 0:
        raise CourseError(f"photoelectrons_per_unit must be > 0 (inf for no noise), got {photoelectrons_per_unit}")
    for name, value in (("doublets", doublets), ("debris", debris)):
        if not 0 <= value < 1:
            raise CourseError(f"{name} must lie in [0, 1), got {value}")
    names = list(POPULATIONS)
    cells, machine = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    share = np.array([fractions.get(name, 0.0) for name in names])
    labels = cells.choice(len(names), n_events, p=share / share.sum())
    scatter, dyes = _draw_cells(cells, labels, autofluorescence)

    doublet = cells.random(n_events) < doublets
    partner = cells.integers(0, n_events, n_events)
    scatter[doublet] += scatter[partner[doublet]]
    dyes[doublet] += dyes[partner[doublet]]
    rubbish = cells.random(n_events) < debris
    scatter[rubbish] = cells.lognormal(np.log(9_000), 0.5, (rubbish.sum(), N_SCATTER))
    dyes[rubbish] = cells.lognormal(np.log(max(autofluorescence, 1) / 2), 0.6, (rubbish.sum(), dyes.shape[1]))
    labels[rubbish] = -1
    dyes *= 10 ** (shift_decades * cells.normal(size=dyes.shape[1]))

    light = dyes @ matrix  # (N, dyes) @ (dyes, detectors)
    light = detect(machine, light, photoelectrons_per_unit=photoelectrons_per_unit, noise_sd=noise_sd)
    events = np.minimum(np.hstack([scatter, light]), FULL_SCALE - 1)
    return Bunch(
        events=events,
        dyes=dyes,
        labels=labels,
        doublet=doublet & ~rubbish,
        populations=names,
        channels=list(CHANNELS),
        markers=list(MARKERS),
        spill=matrix,
        spill_channels=list(CHANNELS[N_SCATTER:]),
        description=(
            f"SIMULATED bone marrow in a flow cytometer: {n_events} events, {len(CHANNELS)} channels, seed {seed}. "
            "Populations, optics and electronics are models; no blood was taken."
        ),
    )


def _check(fractions: Mapping[str, float], matrix: Floats) -> None:
    if unknown := sorted(set(fractions) - set(POPULATIONS)):
        raise CourseError(f"fractions must name populations of {', '.join(POPULATIONS)}, got {', '.join(unknown)}")
    if min(fractions.values(), default=-1) < 0 or sum(fractions.values()) <= 0:
        raise CourseError(f"fractions must be at least 0 and not all 0, got {dict(fractions)}")
    n_dyes = len(CHANNELS) - N_SCATTER
    if matrix.shape != (n_dyes, n_dyes) or not np.isfinite(matrix).all() or (matrix < 0).any():
        raise CourseError(f"spill must be ({n_dyes}, {n_dyes}) numbers of at least 0, got shape {matrix.shape}")


def _draw_cells(rng: np.random.Generator, labels: NDArray[np.int64], autofluorescence: float) -> tuple[Floats, Floats]:
    """Return scatter (N, 2) and light of each dye (N, 6) of single cells."""
    kinds = list(POPULATIONS.values())
    n = len(labels)
    spread = np.array([kind.spread for kind in kinds])[labels][:, None]
    # Forward and side scatter of a cell go up together; granules add to the side scatter's spread.
    size = rng.normal(0, 0.10, n)
    scatter = np.array([(kind.forward, kind.side) for kind in kinds])[labels]
    scatter = scatter * np.exp(np.stack([size, size + rng.normal(0, 0.16, n)], axis=1))
    antigens = np.array([kind.antigens for kind in kinds])[labels]
    # A bigger cell carries more of everything; each antigen varies by itself, too.
    stained = antigens * 10 ** (spread * rng.normal(size=antigens.shape)) * np.exp(size)[:, None]
    own = autofluorescence * np.exp(rng.normal(0, 0.35, n) + size)[:, None]
    return scatter, stained + own


def detect(
    rng: np.random.Generator, light: Floats, *, photoelectrons_per_unit: float = 0.2, noise_sd: float = 60.0
) -> Floats:
    """Return what detectors show of the light (N, F) that reaches them: photons counted, and the electronics' noise.

    Parameters
    ----------
    rng
        Of the machine.
    light
        (N, F), in units of the scale.
    photoelectrons_per_unit, noise_sd
        As in `make_cytometry`.
    """
    if np.isfinite(photoelectrons_per_unit):
        light = rng.poisson(light * photoelectrons_per_unit) / photoelectrons_per_unit
    return light + rng.normal(0, noise_sd, light.shape)


def compensate(events: NDArray[np.floating], spill: NDArray[np.floating]) -> Floats:
    """Undo spill-over: solve dyes @ spill = detectors for each event.

    Parameters
    ----------
    events
        (N, F) detectors, in the order of the matrix.
    spill
        (F, F), row i holds what dye i leaves in each detector.

    Returns
    -------
    (N, F) float64; zero and negative values are right for cells that do not carry the dye.

    Raises
    ------
    CourseError
        Shapes do not match, or the matrix cannot be inverted.

    Examples
    --------
    >>> dyes = compensate(np.array([[100.0, 20.0]]), np.array([[1.0, 0.2], [0.0, 1.0]]))
    >>> np.abs(dyes - [100, 0]).max() < 1e-12
    np.True_
    """
    events, spill = np.asarray(events, float), np.asarray(spill, float)
    if events.ndim != 2 or spill.shape != (events.shape[1],) * 2:
        raise CourseError(
            f"spill must be square with a row for each of the events' columns {events.shape}, got {spill.shape}"
        )
    try:
        return np.asarray(np.linalg.solve(spill.T, events.T).T)
    except np.linalg.LinAlgError as error:
        raise CourseError("spill must be invertible, got two dyes that look the same to all detectors") from error


def arcsinh(values: NDArray[np.floating], *, cofactor: float = 150.0) -> Floats:
    """Compress fluorescence: linear around zero, logarithmic above the cofactor.

    Unlike a logarithm it takes the negative values that compensation leaves. 150 is usual for flow, 5 for mass
    cytometry.

    Examples
    --------
    >>> arcsinh(np.array([0.0])).item()
    0.0
    """
    if not cofactor > 0:
        raise CourseError(f"cofactor must be > 0, got {cofactor}")
    return np.asarray(np.arcsinh(np.asarray(values, float) / cofactor))


def logicle(
    values: NDArray[np.floating],
    *,
    top: float = FULL_SCALE,
    width: float = 0.5,
    decades: float = 4.5,
    extra: float = 0.0,
) -> Floats:
    """Compress fluorescence by the logicle scale, the usual axis of plots in cytometry.

    The scale s solves x = a e^(b s) - c e^(-d s) - f for x >= 0, with constants from Moore and Parks 2012, Cytometry A
    81:273 (in the notation of Gating-ML 2.0); negative values are the mirror image around zero, as in their code.

    Parameters
    ----------
    values
        Any shape.
    top, width, decades, extra
        T, W, M, A of Gating-ML: top of the scale; decades that are nearly linear; decades in all; added negative ones.

    Returns
    -------
    The same shape, float64; 1 at `top`. Zero is at (W + A) / (M + A).

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> logicle(np.array([0.0, FULL_SCALE])).round(6).tolist()
    [0.111111, 1.0]
    """
    if not (top > 0 and decades > 0 and 0 <= width <= decades / 2 and -width <= extra <= decades - 2 * width):
        raise CourseError(
            f"logicle needs T > 0, 0 <= W <= M/2, -W <= A <= M - 2 W, got T {top}, W {width}, M {decades}, A {extra}"
        )
    from scipy import optimize  # noqa: PLC0415

    total = decades + extra
    w, x2, b = width / total, extra / total, total * np.log(10)
    x1 = x2 + w
    d = optimize.brentq(lambda d: 2 * (np.log(d) - np.log(b)) + w * (d + b), 1e-12, b) if w > 0 else b
    x0 = x2 + 2 * w
    c_a = np.exp(x0 * (b + d))
    mf_a = np.exp(b * x1) - c_a / np.exp(d * x1)
    a = top / (np.exp(b) - mf_a - c_a / np.exp(d))
    c, f = c_a * a, mf_a * a
    # Monotone, so inverted by Newton's steps from a fine table, for all values at once.
    table = np.linspace(x1, 1.5, 5001)
    values = np.asarray(values, float)
    size = np.abs(values)
    s = np.interp(size, a * np.exp(b * table) - c * np.exp(-d * table) - f, table)
    for _ in range(4):
        error = a * np.exp(b * s) - c * np.exp(-d * s) - f - size
        s = s - error / (a * b * np.exp(b * s) + c * d * np.exp(-d * s))
    return np.asarray(np.where(values < 0, 2 * x1 - s, s))


def rectangle_gate(
    events: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return which events lie in low <= x < high in every dimension, as Gating-ML 2.0 defines a rectangle gate.

    Parameters
    ----------
    events
        (N, D).
    low, high
        (D,), -inf or inf where a side is open.

    Returns
    -------
    (N,) bool.

    Examples
    --------
    >>> rectangle_gate(np.array([[1.0], [2.0]]), np.array([1.0]), np.array([2.0])).tolist()
    [True, False]
    """
    events = np.asarray(events)
    return np.asarray(((events >= low) & (events < high)).all(axis=1))
