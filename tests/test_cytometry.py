import numpy as np
import pytest

from medcourse.datasets.cytometry import (
    MARROW,
    POPULATIONS,
    SPILL,
    arcsinh,
    compensate,
    logicle,
    make_cytometry,
    rectangle_gate,
)
from medcourse.errors import CourseError

QUIET = {"photoelectrons_per_unit": np.inf, "noise_sd": 0.0, "doublets": 0.0, "debris": 0.0}
B_CELLS = [list(POPULATIONS).index(name) for name in ("mature B cells", "B precursors")]


def test_shapes_types_and_description():
    tube = make_cytometry(500, seed=3)
    assert tube.events.shape == (500, 8)
    assert tube.dyes.shape == (500, 6)
    assert len(tube.channels) == len(tube.markers) == 8
    assert set(np.unique(tube.labels)) <= set(range(-1, len(tube.populations)))
    assert tube.events.max() < 2**18
    assert "SIMULATED" in tube.description


def test_seeds_repeat_and_the_machine_does_not_change_the_cells():
    tube = make_cytometry(300, seed=5)
    np.testing.assert_array_equal(tube.events, make_cytometry(300, seed=5).events)
    other = make_cytometry(300, seed=5, noise_sd=500, spill=np.eye(6), photoelectrons_per_unit=0.01)
    np.testing.assert_array_equal(tube.dyes, other.dyes)
    np.testing.assert_array_equal(tube.labels, other.labels)
    assert not np.array_equal(tube.labels, make_cytometry(300, seed=6).labels)


def test_compensation_undoes_spill_over_exactly_where_nothing_is_noisy():
    tube = make_cytometry(2000, **QUIET)
    inside = (tube.events < 2**18 - 1).all(axis=1)
    np.testing.assert_allclose(compensate(tube.events[inside, 2:], tube.spill), tube.dyes[inside], rtol=1e-9, atol=1e-6)


def test_without_spill_over_the_detectors_are_the_dyes():
    tube = make_cytometry(2000, spill=np.eye(6), **QUIET)
    inside = (tube.events < 2**18 - 1).all(axis=1)
    np.testing.assert_allclose(tube.events[inside, 2:], tube.dyes[inside])


def test_compensation_by_hand():
    # Dye 1 leaves a tenth in detector 2, dye 2 a fifth in detector 1.
    spill = np.array([[1.0, 0.1], [0.2, 1.0]])
    np.testing.assert_allclose(
        compensate(np.array([[100.0, 10.0], [20.0, 100.0]]), spill), [[100, 0], [0, 100]], atol=1e-9
    )


def test_photon_noise_has_the_variance_of_counts():
    knobs = {**QUIET, "photoelectrons_per_unit": 0.5}
    quiet, noisy = make_cytometry(20_000, seed=1, **QUIET), make_cytometry(20_000, seed=1, **knobs)
    low = quiet.events[:, 2:] < 1e5
    pull = (noisy.events - quiet.events)[:, 2:][low] / np.sqrt(quiet.events[:, 2:][low] / 0.5)
    assert pull.mean() == pytest.approx(0, abs=0.01)
    assert pull.std() == pytest.approx(1, abs=0.01)


def test_spreading_error_stays_after_compensation():
    # PE is bright on granulocytes' CD10-high neighbours: what spills into PerCP is noisy, so CD34 of CD34- cells spreads.
    only = {"doublets": 0.0, "debris": 0.0, "photoelectrons_per_unit": 0.05}
    spilled = make_cytometry(4000, fractions={"blasts": 1}, seed=2, **only)
    alone = make_cytometry(4000, fractions={"blasts": 1}, seed=2, spill=np.eye(6), **only)
    error = compensate(spilled.events[:, 2:], spilled.spill)[:, 2] - spilled.dyes[:, 2]
    reference = alone.events[:, 4] - alone.dyes[:, 2]
    assert abs(error.mean()) < 0.1 * error.std()
    assert error.std() > 1.1 * reference.std()


def test_populations_have_the_shares_asked_for():
    tube = make_cytometry(50_000, fractions={**MARROW, "blasts": 0.01}, debris=0.1)
    assert (tube.labels == -1).mean() == pytest.approx(0.1, abs=0.005)
    blasts = (tube.labels == tube.populations.index("blasts")).sum() / (tube.labels >= 0).sum()
    assert blasts == pytest.approx(0.01 / 1.01, abs=0.002)


def test_cd19_gate_finds_b_cells_and_side_scatter_parts_granulocytes_from_lymphocytes():
    tube = make_cytometry(20_000)
    cd19 = compensate(tube.events[:, 2:], tube.spill)[:, 3]
    gate = rectangle_gate(cd19[:, None], np.array([2000.0]), np.array([np.inf]))
    is_b = np.isin(tube.labels, B_CELLS)
    assert gate[is_b].mean() > 0.97
    assert gate[~is_b].mean() < 0.03
    side = {name: np.median(tube.events[tube.labels == i, 1]) for i, name in enumerate(tube.populations[:5])}
    assert side["granulocytes"] > 2 * side["monocytes"] > 4 * side["lymphocytes"]


def test_doublets_have_twice_the_scatter():
    tube = make_cytometry(20_000, fractions={"lymphocytes": 1}, doublets=0.2, debris=0)
    assert tube.doublet.mean() == pytest.approx(0.2, abs=0.02)
    ratio = np.median(tube.events[tube.doublet, 0]) / np.median(tube.events[~tube.doublet, 0])
    assert ratio == pytest.approx(2, abs=0.05)


def test_a_million_events_fit_a_laptop():
    assert make_cytometry(10**6).events.shape == (10**6, 8)


def test_another_day_moves_whole_detectors():
    base, moved = make_cytometry(2000, seed=4), make_cytometry(2000, seed=4, shift_decades=0.1)
    factor = moved.dyes / base.dyes
    np.testing.assert_allclose(factor, factor[:1].repeat(2000, axis=0))
    assert factor[0].std() > 0.01


def test_arcsinh_is_linear_near_zero_and_logarithmic_above():
    assert arcsinh(np.array([1.5])).item() == pytest.approx(0.01, rel=1e-4)
    steps = np.diff(arcsinh(np.array([1e4, 1e5, 1e6])))
    np.testing.assert_allclose(steps, np.log(10), rtol=1e-3)
    np.testing.assert_allclose(arcsinh(np.array([-70.0])), -arcsinh(np.array([70.0])))


@pytest.mark.parametrize(("width", "extra"), [(0.5, 0.0), (1.0, 0.0), (0.0, 0.0), (0.5, 1.0)])
def test_logicle_has_its_defining_points(width, extra):
    # Zero at (W + A) / (M + A), top at 1, odd symmetry around zero: logicle(x) + logicle(-x) = 2 zero.
    knobs = {"top": 1000.0, "width": width, "decades": 4.0, "extra": extra}
    zero = (width + extra) / (4.0 + extra)
    x = np.array([0.0, 1000.0, 3.0, -3.0])
    s = logicle(x, **knobs)
    np.testing.assert_allclose(s[:2], [zero, 1.0], atol=1e-9)
    assert s[2] + s[3] == pytest.approx(2 * zero, abs=1e-9)
    assert (np.diff(logicle(np.linspace(-5, 1000, 500), **knobs)) > 0).all()


def test_logicle_without_a_linear_part_is_the_arcsinh():
    # W = A = 0 makes both exponentials alike: x = 2 a sinh(b s) with b = M ln 10.
    x, b = np.array([0.0, 3.0, 50.0, 1000.0]), 4 * np.log(10)
    np.testing.assert_allclose(
        logicle(x, top=1000.0, width=0.0, decades=4.0), np.arcsinh(x / 1000 * np.sinh(b)) / b, atol=1e-9
    )


def test_gate_takes_its_lower_edge_and_leaves_its_upper():
    gate = rectangle_gate(
        np.array([[1.0, 5.0], [2.0, 5.0], [1.5, 9.0]]), np.array([1.0, -np.inf]), np.array([2.0, 9.0])
    )
    assert gate.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"n_events": 0}, "n_events"),
        ({"fractions": {"unicorns": 1}}, "unicorns"),
        ({"fractions": {"blasts": 0}}, "not all 0"),
        ({"fractions": {}}, "not all 0"),
        ({"spill": np.eye(5)}, r"spill must be \(6, 6\)"),
        ({"photoelectrons_per_unit": 0}, "photoelectrons_per_unit"),
        ({"doublets": 1}, "doublets"),
        ({"debris": -0.1}, "debris"),
    ],
)
def test_wrong_knobs_are_refused(knobs, said):
    with pytest.raises(CourseError, match=said):
        make_cytometry(**{"n_events": 10, **knobs})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: compensate(np.ones((3, 2)), np.eye(3)), "square"),
        (lambda: compensate(np.ones((3, 2)), np.ones((2, 2))), "invertible"),
        (lambda: arcsinh(np.ones(2), cofactor=0), "cofactor"),
        (lambda: logicle(np.ones(2), width=9), "logicle needs"),
    ],
)
def test_wrong_input_of_transforms_is_refused(call, said):
    with pytest.raises(CourseError, match=said):
        call()


def test_spill_over_is_largest_between_neighbours_in_colour():
    assert (np.diag(SPILL) == 1).all()
    assert SPILL[1, 2] == (SPILL - np.eye(6)).max()
