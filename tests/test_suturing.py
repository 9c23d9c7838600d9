import itertools

import numpy as np
import pytest
from scipy.signal import periodogram

from medcourse.datasets import make_suturing
from medcourse.datasets.gestures import GESTURES, GRAMMAR, MOVES, PLACES, SLIPS, walk
from medcourse.datasets.suturing import SIGNALS, SURGEONS, minimum_jerk
from medcourse.errors import CourseError
from medcourse.segments import segments


@pytest.fixture(scope="module")
def trials():
    return make_suturing(seed=0)


def said(labels):
    return [list(GESTURES)[segment.label] for segment in segments(labels)]


def test_it_has_the_size_and_the_signals_of_jigsaws(trials):
    assert len(trials.trials) == 39
    assert "H002" not in trials.trials
    assert sorted(set(trials.surgeons)) == list("BCDEFGHI")
    assert trials.gestures == ["G1", "G2", "G3", "G4", "G5", "G6", "G8", "G9", "G10", "G11"]
    assert len(trials.signals) == 14
    assert all(
        s.dtype == np.float32 and s.shape == (len(y), 14) for s, y in zip(trials.sequences, trials.labels, strict=True)
    )
    seconds = [len(y) / trials.rate_hz for y in trials.labels]
    assert 90 < np.mean(seconds) < 150
    assert {trial[0]: skill for trial, skill in zip(trials.trials, trials.skills, strict=True)} == dict(SURGEONS)
    assert "SIMULATED" in trials.description
    assert set(np.concatenate(trials.labels)) == set(range(10))


def test_the_same_seed_repeats_and_a_trial_does_not_depend_on_the_others(trials):
    alone = make_suturing("E", n_trials=2, seed=0)
    where = trials.trials.index("E002")
    np.testing.assert_array_equal(alone.sequences[1], trials.sequences[where])
    np.testing.assert_array_equal(alone.labels[1], trials.labels[where])
    other = make_suturing("E", n_trials=2, seed=1)
    assert (
        other.sequences[0].shape != alone.sequences[0].shape
        or np.abs(other.sequences[0] - alone.sequences[0]).max() > 1e-3
    )


def test_without_slips_a_needle_is_pushed_once_a_stitch_and_in_order():
    for seed in range(30):
        gestures = walk(np.random.default_rng(seed), slip=0.0, n_stitches=3)
        assert gestures.count("G3") == 3
        assert gestures[-1] == "G11"
        assert gestures.count("G11") == 1
        # A push follows positioning, and a pull follows a push.
        assert all(gestures[i - 1] == "G2" for i, g in enumerate(gestures) if g == "G3")
        assert all(gestures[i + 1] == "G6" for i, g in enumerate(gestures) if g == "G3")


def test_every_step_is_one_of_the_grammar(trials):
    allowed = {(a, b) for table in (GRAMMAR, SLIPS) for a, follow in table.items() for b in follow}
    allowed |= {(a, "G11") for a in ("G6", "G9", "G10")}
    for labels in trials.labels:
        gestures = said(labels)
        assert gestures[0] in GRAMMAR["start"]
        assert set(itertools.pairwise(gestures)) <= allowed


def test_slips_make_trials_longer():
    none, many = (make_suturing("BGHI", seed=2, slips=slips) for slips in (0.0, 3.0))
    assert np.mean([len(y) for y in many.labels]) > 1.1 * np.mean([len(y) for y in none.labels])
    count = [np.mean([said(y).count("G3") for y in made.labels]) for made in (none, many)]
    assert count[0] == 4
    assert count[1] > 4


def test_experts_are_faster_and_steadier():
    made = make_suturing(seed=3, rate_hz=30.0, slips=0.0)
    skills = np.array(made.skills)
    seconds = np.array([len(y) / 30 for y in made.labels])
    # Unsteadiness: what the left hand does while the right one reaches for the needle.
    reaching = made.gestures.index("G1")
    idle = [sequence[labels == reaching, 3:6] for sequence, labels in zip(made.sequences, made.labels, strict=True)]
    shake = np.array([velocity.std(axis=0).mean() if len(velocity) else np.nan for velocity in idle])
    for measure in (seconds, shake):
        means = [np.nanmean(measure[skills == skill]) for skill in ("expert", "intermediate", "novice")]
        assert means == sorted(means)


def test_tremor_is_at_nine_hertz_with_the_amplitude_asked_for():
    still, shaking = (
        make_suturing("D", n_trials=1, rate_hz=30.0, tremor_mm=a, seed=4).sequences[0] for a in (0.0, 0.4)
    )
    difference = 1000 * (shaking - still)[:, 0]
    frequency, power = periodogram(difference, fs=30)
    assert frequency[power.argmax()] == pytest.approx(9.0, abs=0.05)
    assert difference.std() * np.sqrt(2) == pytest.approx(0.4, rel=0.01)


def test_velocity_is_the_derivative_of_position_before_frames_are_dropped():
    fast, slow = (make_suturing("C", n_trials=1, rate_hz=rate, seed=5) for rate in (30.0, 5.0))
    sequence = fast.sequences[0].astype(float)
    for position, velocity in ((slice(0, 3), slice(3, 6)), (slice(7, 10), slice(10, 13))):
        expected = np.gradient(sequence[:, position], 1 / 30, axis=0)
        np.testing.assert_allclose(sequence[:, velocity], expected, atol=2e-5)
    np.testing.assert_array_equal(slow.sequences[0], fast.sequences[0][::6])
    np.testing.assert_array_equal(slow.labels[0], fast.labels[0][::6])


def test_a_stroke_starts_and_ends_at_rest_and_peaks_in_the_middle():
    tau = np.linspace(0, 1, 1001)
    speed, push = np.gradient(minimum_jerk(tau), tau), np.gradient(np.gradient(minimum_jerk(tau), tau), tau)
    assert speed[[0, -1]] == pytest.approx([0, 0], abs=1e-4)
    assert push[[0, -1]] == pytest.approx([0, 0], abs=0.1)
    assert speed.max() == pytest.approx(15 / 8, rel=1e-4)  # Flash & Hogan: 1.875 times the mean speed
    assert tau[speed.argmax()] == pytest.approx(0.5, abs=1e-3)


def test_hands_do_what_the_gestures_say():
    made = make_suturing("DE", seed=6)
    column = SIGNALS.index
    pulled, reached = [], []
    for sequence, labels in zip(made.sequences, made.labels, strict=True):
        for segment in segments(labels):
            part = sequence[segment.start : segment.end]
            if segment.label == made.gestures.index("G6"):
                pulled.append(part[-1, column("left x (m)")] - part[0, column("left x (m)")])
            if segment.label == made.gestures.index("G1"):
                reached.append(part[-1, column("right gripper (rad)")])
    assert np.median(pulled) < -0.03  # the thread goes to the left by centimetres
    assert np.max(reached) < 0.4  # a needle that was reached is held


def pose(*gestures, right="centre", left="beside", right_open=False, left_open=False):
    """Where the hands are meant to be, and which grippers are open, after these gestures."""
    for gesture in gestures:
        for stroke in MOVES[gesture].strokes:
            right, left = stroke.right or right, stroke.left or left
            right_open = right_open if stroke.right_rad is None else stroke.right_rad > 0.4
            left_open = left_open if stroke.left_rad is None else stroke.left_rad > 0.4
    return right, left, right_open, left_open


def test_some_gestures_end_in_one_pose_so_that_only_what_came_before_tells_them_apart():
    assert pose("G3", "G6", "G4") == pose("G3", "G6", "G4", "G8")  # transferred, or oriented after a transfer
    assert pose("G3", "G6") == pose("G3", "G6", "G10")  # pulled, or loosened and pulled again
    assert pose("G8", "G2") == pose("G8", "G2", "G2")  # positioned once, or again
    assert pose("G3", "G6") != pose("G3", "G6", "G9")  # but the hand that helps to tighten is at the right


def test_tables_fit_together():
    assert set(MOVES) == set(GESTURES)
    states = {g for table in (GRAMMAR, SLIPS) for follow in table.values() for g in follow} | {"G11"}
    assert states == set(GESTURES)
    for gesture in MOVES.values():
        assert sum(stroke.share for stroke in gesture.strokes) == pytest.approx(1)
        assert {p for stroke in gesture.strokes for p in (stroke.left, stroke.right) if p} <= set(PLACES)


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"surgeons": "BX"}, "surgeons must be some of B, C"),
        ({"surgeons": ""}, "got none"),
        ({"n_trials": 0}, "n_trials must lie in 1 to 999"),
        ({"n_stitches": 0}, "n_stitches must be at least 1"),
        ({"rate_hz": 7.0}, "must divide the robot's 30 Hz"),
        ({"slips": -0.1}, r"slips must lie in \[0, 5\]"),
        ({"tremor_mm": -1}, "tremor_mm must be at least 0"),
    ],
)
def test_bad_knobs_cost_one_clear_line(knobs, says):
    with pytest.raises(CourseError, match=says):
        make_suturing(**knobs)
