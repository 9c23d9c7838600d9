"""Tubes of bone marrow in acute lymphoblastic leukaemia, simulated: a million events and more, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.cytometry import FULL_SCALE, N_SCATTER, detect
from medcourse.datasets.marrow_cells import (
    ANTIGENS,
    BLASTS,
    POPULATIONS,
    Clone,
    draw_antigens,
    draw_blast_fraction,
    draw_clone,
    draw_scatter,
    draw_shares,
)
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

MARKERS = ("FSC", "SSC", *ANTIGENS)
CHANNELS = (
    *("FSC-A", "SSC-A", "PacBlue-A", "OC515-A", "FITC-A", "PerCP-Cy5-5-A", "PE-A", "PE-Cy7-A", "APC-A", "APC-A750-A"),
)
# Row i: what dye i leaves in each detector. Neighbours in colour overlap; tandem dyes (PE-Cy7) leave light where their
# first half shines. Sizes are ours, of the order that instruments report.
SPILL = np.array(
    [
        # PacB  OC515  FITC   PerCP  PE     PECy7  APC    A750
        [1.000, 0.120, 0.002, 0.000, 0.000, 0.000, 0.000, 0.000],
        [0.030, 1.000, 0.025, 0.010, 0.010, 0.000, 0.000, 0.000],
        [0.000, 0.030, 1.000, 0.020, 0.150, 0.002, 0.000, 0.000],
        [0.000, 0.000, 0.000, 1.000, 0.006, 0.120, 0.030, 0.060],
        [0.000, 0.000, 0.012, 0.180, 1.000, 0.015, 0.000, 0.000],
        [0.000, 0.000, 0.003, 0.010, 0.030, 1.000, 0.002, 0.080],
        [0.000, 0.000, 0.000, 0.020, 0.000, 0.004, 1.000, 0.100],
        [0.000, 0.000, 0.000, 0.002, 0.000, 0.060, 0.030, 1.000],
    ]
)
BLOCK_EVENTS = 8192  # drawn at a time, each block from its own random numbers: chunks of any size hold the same events
DEBRIS = -1


@dataclass(frozen=True)
class _Tube:
    """All that the events of one tube are drawn from."""

    key: tuple[int, int, int]  # seed, patient, day
    clone: Clone
    shares: Floats  # (populations + 1,), debris last
    stain: Floats  # (antigens,), factor on each antibody's light
    gain: Floats  # (channels,), factor on each detector
    spill: Floats
    autofluorescence: float
    doublets: float
    machine: dict[str, float]

    def block(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Draw block `number`: events (B, 10), and labels (B,)."""
        cells, machine = (np.random.default_rng(s) for s in _seeds(self.key, 2, number).spawn(2))
        n, day = BLOCK_EVENTS, self.key[2]
        labels = cells.choice(len(self.shares), n, p=self.shares)
        rubbish = labels == len(POPULATIONS)
        kinds = np.where(rubbish, 0, labels)
        scatter, size = draw_scatter(cells, kinds, self.clone)
        # A bigger cell carries more of everything.
        dyes = draw_antigens(cells, kinds, self.clone, day) * size[:, None] * self.stain
        dyes += self.autofluorescence * (np.exp(cells.normal(0, 0.35, n)) * size)[:, None]
        scatter[rubbish] = cells.lognormal(np.log(9_000), 0.5, (n, N_SCATTER))[rubbish]
        dyes[rubbish] = cells.lognormal(np.log(max(self.autofluorescence, 1) / 2), 0.6, dyes.shape)[rubbish]
        double = (cells.random(n) < self.doublets) & ~rubbish
        partner = cells.permutation(n)
        scatter[double] += scatter[partner[double]]
        dyes[double] += dyes[partner[double]]
        light = detect(machine, dyes @ SPILL, **self.machine) * self.gain[N_SCATTER:]
        events = np.minimum(np.hstack([scatter * self.gain[:N_SCATTER], light]), FULL_SCALE - 1)
        return events.astype(np.float32), np.where(rubbish, DEBRIS, labels).astype(np.int8)


def make_marrow(n_events: int = 100_000, **knobs: Any) -> Bunch:
    """Simulate a tube of bone marrow of a child with B-cell precursor acute lymphoblastic leukaemia (B-ALL).

    Eleven populations: T, NK, mature B and plasma cells, granulocytes, monocytes, basophils and plasmacytoid dendritic
    cells, myeloid precursors, erythroid cells; B precursors (haematogones), which lie along a path of maturation; and
    blasts, which stopped on that path and differ from it by a pattern of the patient's own. Debris and doublets too.
    Blasts change under treatment; every tube is stained and every day the machine is set a little differently.

    Parameters
    ----------
    n_events
        At least 1. A shorter tube is the beginning of a longer one.
    patient : int, default 0
        At least 0. Decides the blasts' phenotype.
    day : int, default 15
        Of treatment, at least 0; usual are 0 (diagnosis), 15 and 33.
    blast_fraction : float, optional
        Share of blasts among all events, in [0, 1]. By default half to nine tenths at day 0, else drawn from 0.01 to
        10 %, each decade alike.
    individuality : float, default 1
        How much blasts of patients differ, 0 for not at all.
    drift : float, default 1
        How much blasts change under treatment, 0 for not at all.
    stain_decades, gain_decades : float, default 0.08 and 0.05
        Standard deviation between tubes of a factor on each antibody's light, and on each detector.
    doublets, debris : float, default 0.02 and 0.04
        Shares of events in [0, 1) that are two cells at once, and of those beside blasts that are no cells.
    autofluorescence, photoelectrons_per_unit, noise_sd : float, default 120, 0.2 and 60
        As in `make_cytometry`.
    seed : int, default 0
        Same seed, patient and day: same events. Another seed: other patients.

    Returns
    -------
    Bunch
        events : (N, 10) float32, as the machine stores them: not compensated. Columns as in `markers`.
        labels : (N,) int8, index into `populations`; -1 is debris. A doublet has its first cell's label.
        is_blast : (N,) bool.
        patient, day : int. blast_fraction : float, the share that blasts were drawn with.
        populations : list of str. channels, markers, spill_channels : lists of str, as in `read_fcs`.
        spill : (8, 8) float64, as this machine mixes dyes on this day.
        description : what it is, with the word SIMULATED.

    Raises
    ------
    CourseError
        A knob is unknown or out of its range.

    Examples
    --------
    >>> tube = make_marrow(1000, patient=3, day=15, blast_fraction=0.1)
    >>> tube.events.shape, tube.markers[:3]
    ((1000, 10), ['FSC', 'SSC', 'CD20'])
    """
    chunks = list(make_marrow_chunks(n_events, chunk_events=n_events, **knobs))
    return chunks[0]


def make_marrow_chunks(
    n_events: int = 1_000_000,
    *,
    chunk_events: int = 65_536,
    patient: int = 0,
    day: int = 15,
    blast_fraction: float | None = None,
    individuality: float = 1.0,
    drift: float = 1.0,
    stain_decades: float = 0.08,
    gain_decades: float = 0.05,
    doublets: float = 0.02,
    debris: float = 0.04,
    autofluorescence: float = 120.0,
    photoelectrons_per_unit: float = 0.2,
    noise_sd: float = 60.0,
    seed: int = 0,
) -> Iterator[Bunch]:
    """Simulate a tube in pieces, so that memory holds one piece at a time however many events there are.

    The events are those of `make_marrow` with the same knobs, whatever the size of the pieces.

    Parameters
    ----------
    n_events
        In all, at least 1.
    chunk_events
        In each piece but the last, at least 1.
    patient, day, blast_fraction, individuality, drift, stain_decades, gain_decades, doublets, debris
        As in `make_marrow`.
    autofluorescence, photoelectrons_per_unit, noise_sd, seed
        As in `make_marrow`.

    Yields
    ------
    Bunch
        As `make_marrow` returns it, with the events of this piece.

    Raises
    ------
    CourseError
        A knob is out of its range; said at once, not when the first piece is asked for.

    Examples
    --------
    >>> [len(piece.events) for piece in make_marrow_chunks(2500, chunk_events=1000)]
    [1000, 1000, 500]
    """
    for name, least, value in (
        ("n_events", 1, n_events),
        ("chunk_events", 1, chunk_events),
        ("patient", 0, patient),
        ("day", 0, day),
        ("seed", 0, seed),
    ):
        if value < least or value != int(value):
            raise CourseError(f"{name} must be a whole number of at least {least}, got {value}")
    for name, amount in (
        ("individuality", individuality),
        ("drift", drift),
        ("stain_decades", stain_decades),
        ("gain_decades", gain_decades),
        ("autofluorescence", autofluorescence),
        ("noise_sd", noise_sd),
    ):
        if not (0 <= amount < np.inf):
            raise CourseError(f"{name} must be a number of at least 0, got {amount}")
    for name, share in (("doublets", doublets), ("debris", debris)):
        if not 0 <= share < 1:
            raise CourseError(f"{name} must lie in [0, 1), got {share}")
    if blast_fraction is not None and not 0 <= blast_fraction <= 1:
        raise CourseError(f"blast_fraction must lie in [0, 1], got {blast_fraction}: is it in percent?")
    if not photoelectrons_per_unit > 0:
        raise CourseError(f"photoelectrons_per_unit must be > 0 (inf for no noise), got {photoelectrons_per_unit}")
    key = (int(seed), int(patient), int(day))
    person, setting = np.random.default_rng(_seeds(key[:2], 0)), np.random.default_rng(_seeds(key, 1))
    clone = draw_clone(person, individuality=individuality, drift=drift)
    drawn = draw_blast_fraction(setting, key[2])
    fraction = drawn if blast_fraction is None else float(blast_fraction)
    normal = draw_shares(setting, key[2]) * (1 - debris)
    gain = 10 ** (gain_decades * setting.normal(size=len(CHANNELS)))
    tube = _Tube(
        key=key,
        clone=clone,
        shares=np.array([*((1 - fraction) * normal), fraction, (1 - fraction) * debris]),
        stain=10 ** (stain_decades * setting.normal(size=len(ANTIGENS))),
        gain=gain,
        # A detector that is turned up shows more of all dyes, its own too: the day's matrix has 1 on its diagonal.
        spill=SPILL * gain[N_SCATTER:] / gain[N_SCATTER:, None],
        autofluorescence=autofluorescence,
        doublets=doublets,
        machine={"photoelectrons_per_unit": photoelectrons_per_unit, "noise_sd": noise_sd},
    )
    return _pieces(tube, n_events, chunk_events, fraction)


def _seeds(key: tuple[int, ...], purpose: int, number: int = 0) -> np.random.SeedSequence:
    return np.random.SeedSequence(key, spawn_key=(purpose, number))


def _pieces(tube: _Tube, n_events: int, chunk_events: int, fraction: float) -> Iterator[Bunch]:
    said = {
        "patient": tube.key[1],
        "day": tube.key[2],
        "blast_fraction": fraction,
        "populations": list(POPULATIONS),
        "channels": list(CHANNELS),
        "markers": list(MARKERS),
        "spill": tube.spill,
        "spill_channels": list(CHANNELS[N_SCATTER:]),
        "description": (
            f"SIMULATED bone marrow of patient {tube.key[1]} on day {tube.key[2]}: {n_events} events, "
            f"{len(CHANNELS)} channels, seed {tube.key[0]}. No marrow was taken."
        ),
    }
    for events, labels in _rechunk(map(tube.block, count()), n_events, chunk_events):
        yield Bunch(events=events, labels=labels, is_blast=labels == POPULATIONS.index(BLASTS), **said)


def _rechunk(
    blocks: Iterator[tuple[NDArray[np.float32], NDArray[np.int8]]], n_events: int, chunk_events: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int8]]]:
    """Cut a stream of blocks into pieces of `chunk_events`, the last one shorter, `n_events` in all."""
    events, labels = next(blocks)
    for start in range(0, n_events, chunk_events):
        wanted = min(chunk_events, n_events - start)
        piece, marks = np.empty((wanted, len(CHANNELS)), np.float32), np.empty(wanted, np.int8)
        filled = 0
        while filled < wanted:
            if len(labels) == 0:
                events, labels = next(blocks)
            taken = min(wanted - filled, len(labels))
            piece[filled : filled + taken], marks[filled : filled + taken] = events[:taken], labels[:taken]
            events, labels = events[taken:], labels[taken:]
            filled += taken
        yield piece, marks
