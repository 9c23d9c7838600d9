import numpy as np
import pytest

from medcourse.datasets.cytometry import compensate
from medcourse.datasets.marrow import BLOCK_EVENTS, MARKERS, SPILL, make_marrow, make_marrow_chunks
from medcourse.datasets.marrow_cells import ANTIGENS, LATEST, PATH, POPULATIONS, draw_blast_fraction, path_at
from medcourse.errors import CourseError

QUIET = {"photoelectrons_per_unit": np.inf, "noise_sd": 0.0, "doublets": 0.0, "debris": 0.0, "autofluorescence": 0.0}
SAME_MACHINE = {"stain_decades": 0.0, "gain_decades": 0.0}


def light(tube):
    """Compensated light by antigen."""
    return dict(zip(ANTIGENS, compensate(tube.events[:, 2:], tube.spill).T, strict=True))


def medians(tube, population):
    chosen = tube.labels == POPULATIONS.index(population)
    return {name: np.median(values[chosen]) for name, values in light(tube).items()}


def test_shapes_types_and_description():
    tube = make_marrow(500, patient=2, day=33, seed=1)
    assert (tube.events.shape, tube.events.dtype) == ((500, 10), np.float32)
    assert tube.markers == ["FSC", "SSC", *ANTIGENS]
    assert len(tube.channels) == len(set(tube.channels)) == 10
    assert tube.spill_channels == tube.channels[2:]
    assert set(np.unique(tube.labels)) <= set(range(-1, len(tube.populations)))
    np.testing.assert_array_equal(tube.is_blast, tube.labels == tube.populations.index("blasts"))
    assert (tube.patient, tube.day) == (2, 33)
    assert tube.events.max() < 2**18
    assert "SIMULATED" in tube.description


@pytest.mark.parametrize("chunk_events", [1, 700, BLOCK_EVENTS, 3 * BLOCK_EVENTS + 5])
def test_pieces_of_any_size_hold_the_same_events(chunk_events):
    n = 1500 if chunk_events == 1 else 2 * BLOCK_EVENTS + 77
    whole = make_marrow(n, patient=4, day=15)
    pieces = list(make_marrow_chunks(n, chunk_events=chunk_events, patient=4, day=15))
    assert [len(piece.events) for piece in pieces[:-1]] == [chunk_events] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate([piece.events for piece in pieces]), whole.events)
    np.testing.assert_array_equal(np.concatenate([piece.labels for piece in pieces]), whole.labels)


def test_a_shorter_tube_is_the_beginning_of_a_longer_one():
    np.testing.assert_array_equal(make_marrow(300).events, make_marrow(BLOCK_EVENTS + 300).events[:300])


def test_events_repeat_with_their_seed_and_with_no_other():
    base = make_marrow(200, patient=1, day=15, seed=3)
    np.testing.assert_array_equal(base.events, make_marrow(200, patient=1, day=15, seed=3).events)
    for other in ({"patient": 2}, {"day": 0}, {"day": 16}, {"seed": 4}):
        changed = make_marrow(200, **{"patient": 1, "day": 15, "seed": 3, **other})
        assert np.mean(changed.events == base.events) < 0.01, other


def test_events_within_a_tube_do_not_repeat_from_block_to_block():
    tube = make_marrow(2 * BLOCK_EVENTS)
    assert np.mean(tube.events[:BLOCK_EVENTS] == tube.events[BLOCK_EVENTS:]) < 0.01


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.1, 1.0])
def test_blasts_have_the_share_asked_for_among_all_events(fraction):
    tube = make_marrow(100_000, blast_fraction=fraction)
    deviation = np.sqrt(fraction * (1 - fraction) / 100_000)
    assert tube.is_blast.mean() == pytest.approx(fraction, abs=4 * deviation + 1e-12)
    assert tube.blast_fraction == fraction


def test_blasts_are_most_cells_at_diagnosis_and_few_under_treatment():
    rng = np.random.default_rng(0)
    drawn = {day: [draw_blast_fraction(rng, day) for _ in range(60)] for day in (0, 15, 33)}
    assert min(drawn[0]) >= 0.5
    for day in (15, 33):
        assert 1e-4 <= min(drawn[day]) < 1e-3
        assert 1e-2 < max(drawn[day]) <= 0.1


def test_compensation_by_the_days_own_matrix_undoes_spill_over_where_nothing_is_noisy():
    knobs = {**QUIET, "blast_fraction": 0.0, "stain_decades": 0.0, "gain_decades": 0.2}
    tube, still = make_marrow(4000, **knobs), make_marrow(4000, **{**knobs, "gain_decades": 0.0})
    assert not np.allclose(tube.spill, SPILL)
    np.testing.assert_allclose(np.diag(tube.spill), 1)
    inside = (tube.events < 2**18 - 2).all(axis=1) & (still.events < 2**18 - 2).all(axis=1)
    factor = compensate(tube.events[inside, 2:], tube.spill) / compensate(still.events[inside, 2:], still.spill)
    # The same dyes, each detector by its own factor; single precision, so only where there is light.
    bright = compensate(still.events[inside, 2:], still.spill) > 500
    spread = [np.ptp(column[on]) / column[on].mean() for column, on in zip(factor.T, bright.T, strict=True) if on.any()]
    assert len(spread) >= 6
    assert max(spread) < 0.02


def test_the_wrong_days_matrix_leaves_spill_over():
    knobs = {**QUIET, "blast_fraction": 0.0, "gain_decades": 0.2}
    tube = make_marrow(20_000, **knobs)
    plasma = tube.labels == POPULATIONS.index("plasma cells")  # CD38 shines, CD19 shines less, CD34 not at all
    dyes = ANTIGENS.index("CD34"), ANTIGENS.index("CD19")
    right, wrong = (compensate(tube.events[plasma, 2:], m)[:, dyes] for m in (tube.spill, SPILL))
    assert np.abs(np.median(right[:, 0])) < 5
    assert np.abs(np.median(wrong[:, 0])) > 20


def test_without_drift_and_individuality_and_machines_patients_and_days_are_alike():
    knobs = {"drift": 0.0, "individuality": 0.0, "blast_fraction": 0.5, **SAME_MACHINE}
    # The stage at which a clone stopped still differs: CD34 may be there or not. CD58 hardly depends on it.
    values = [medians(make_marrow(6000, patient=p, day=d, **knobs), "blasts")["CD58"] for p in (0, 1) for d in (0, 33)]
    assert values[0] == pytest.approx(values[1], rel=0.05)
    assert values[0] == pytest.approx(values[2], rel=0.5)


def test_treatment_dims_cd10_and_cd34_brightens_cd19_and_cd20_and_leaves_cd58():
    # Gaipa et al. 2005. Over patients, for one may hardly drift.
    knobs = {"blast_fraction": 0.5, **SAME_MACHINE, **QUIET}
    change = {name: [] for name in ANTIGENS}
    for patient in range(12):
        before, after = (medians(make_marrow(3000, patient=patient, day=day, **knobs), "blasts") for day in (0, 33))
        for name in ANTIGENS:
            change[name].append(np.log10(after[name] / before[name]))
    mean = {name: np.mean(values) for name, values in change.items()}
    assert mean["CD10"] < -0.2
    assert mean["CD34"] < -0.2
    assert mean["CD20"] > 0.2
    assert mean["CD19"] > 0.05
    assert abs(mean["CD58"]) < 0.02


def test_drift_grows_from_day_to_day():
    knobs = {"blast_fraction": 0.5, "patient": 3, **SAME_MACHINE, **QUIET}
    cd10 = [medians(make_marrow(4000, day=day, **knobs), "blasts")["CD10"] for day in (0, 15, 33)]
    assert cd10[0] > cd10[1] > cd10[2]


def test_patients_differ_in_their_blasts_more_than_in_their_t_cells():
    tubes = [make_marrow(4000, patient=p, day=15, blast_fraction=0.3, **SAME_MACHINE) for p in range(8)]
    spread = {
        kind: np.std([np.log10(medians(tube, kind)[name]) for tube in tubes])
        for kind, name in (("blasts", "CD10"), ("T cells", "CD45"))
    }
    assert spread["blasts"] > 5 * spread["T cells"]


def test_b_cells_lose_cd34_then_cd10_and_gain_cd20_and_cd45_on_their_way():
    way = dict(zip(ANTIGENS, path_at(np.linspace(0, 3, 31)).T, strict=True))
    assert (np.diff(way["CD45"]) > 0).all()
    assert (np.diff(way["CD20"]) > 0).all()
    assert (np.diff(way["CD34"]) <= 0).all()
    assert (np.diff(way["CD10"]) < 0).all()
    # By the end of the first stage CD34 has gone and CD10 has not.
    assert way["CD34"][10] - way["CD34"][0] < -1.5
    assert way["CD10"][10] - way["CD10"][0] > -0.5
    assert len(PATH) - 1 > LATEST


def test_blasts_are_dimmer_in_cd38_and_cd45_and_brighter_in_cd58_and_cd123_than_young_precursors():
    tubes = [make_marrow(8000, patient=p, day=33, blast_fraction=0.3, **SAME_MACHINE) for p in range(12)]
    rows = [(medians(tube, "blasts"), medians(tube, "B precursors")) for tube in tubes]
    decades = {n: np.mean([np.log10(b[n] / p[n]) for b, p in rows]) for n in ("CD38", "CD45", "CD58", "CD123")}
    assert decades["CD38"] < -0.2
    assert decades["CD45"] < -0.2
    assert decades["CD58"] > 0.2
    assert decades["CD123"] > 0.2


def test_one_marker_does_not_part_blasts_from_haematogones():
    # Both carry CD19 and CD10: that is why they are confused.
    tube = make_marrow(40_000, patient=0, day=33, blast_fraction=0.02)
    cd19 = light(tube)["CD19"] > 2000
    for kind in ("blasts", "B precursors", "mature B cells"):
        assert cd19[tube.labels == POPULATIONS.index(kind)].mean() > 0.85
    for kind in ("T cells", "granulocytes", "monocytes", "erythroid cells"):
        assert cd19[tube.labels == POPULATIONS.index(kind)].mean() < 0.05


def test_granulocytes_scatter_most_and_debris_least():
    tube = make_marrow(30_000)
    side = tube.events[:, MARKERS.index("SSC")]
    forward = tube.events[:, MARKERS.index("FSC")]
    by_kind = [np.median(side[tube.labels == i]) for i in range(len(POPULATIONS))]
    assert POPULATIONS[int(np.argmax(by_kind))] == "granulocytes"
    assert np.median(forward[tube.labels == -1]) < 0.3 * np.median(forward[tube.labels >= 0])


def test_doublets_have_twice_the_scatter():
    one, two = (make_marrow(20_000, blast_fraction=1.0, doublets=d, debris=0, **SAME_MACHINE) for d in (0.0, 0.3))
    ratio = two.events[:, 0] / one.events[:, 0]
    changed = ratio != 1
    assert changed.mean() == pytest.approx(0.3, abs=0.02)
    assert np.median(ratio[changed]) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"n_events": 0}, "n_events"),
        ({"n_events": 1.5}, "n_events"),
        ({"patient": -1}, "patient"),
        ({"day": -1}, "day"),
        ({"seed": -1}, "seed"),
        ({"blast_fraction": 1.5}, "in percent"),
        ({"drift": -1}, "drift"),
        ({"individuality": np.nan}, "individuality"),
        ({"gain_decades": np.inf}, "gain_decades"),
        ({"debris": 1}, "debris"),
        ({"doublets": -0.1}, "doublets"),
        ({"photoelectrons_per_unit": 0}, "photoelectrons_per_unit"),
    ],
)
def test_wrong_knobs_are_refused(knobs, said):
    with pytest.raises(CourseError, match=said):
        make_marrow(**{"n_events": 10, **knobs})


def test_a_stream_says_at_once_what_is_wrong():
    with pytest.raises(CourseError, match="chunk_events"):
        make_marrow_chunks(10, chunk_events=0)
