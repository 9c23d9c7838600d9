"""FROC by LUNA16's rules: a case computed by hand, MONAI where its rules are the same, and the bootstrap's meaning."""

import numpy as np
import pytest
from monai.metrics import compute_froc_curve_data, compute_froc_score
from monai.metrics.froc import compute_fp_tp_probs_nd
from sklearn.utils import Bunch

from medcourse.errors import CourseError
from medcourse.froc import CPM_RATES, bootstrap_froc, cpm, false_positives_at, froc, judge_scan, sensitivity_at


def scan(nodule_scores=(), false_positive_scores=()):
    return Bunch(nodule_scores=np.array(nodule_scores), false_positive_scores=np.array(false_positive_scores))


def test_what_a_candidate_hits():
    judged = judge_scan(
        # Near the first nodule; near it too, surer; on its very radius; in the irrelevant finding; nowhere; on both.
        [[0, 0, 1], [0, 2, 0], [0, 0, 5], [40, 0, 0], [0, 90, 0], [41, 0, 0]],
        [0.3, 0.8, 0.7, 0.95, 0.2, 0.6],
        [[0, 0, 0], [0, 60, 0], [44, 0, 0]],
        [10.0, 8.0, 8.0],
        irrelevant_mm=[[40, 0, 0]],
        irrelevant_diameters_mm=[6.0],
    )
    assert judged.nodule_scores.tolist() == [0.8, -np.inf, 0.6]  # the highest; missed; a nodule goes before irrelevant
    assert judged.false_positive_scores.tolist() == [0.7, 0.2]  # at the radius is outside
    assert judged.outcome.tolist() == [0, 0, -1, -2, -1, 2]


def test_one_candidate_may_hit_two_nodules():
    judged = judge_scan([[0, 0, 0]], [0.5], [[0, 0, 2], [0, 0, -1]], 8.0)
    assert judged.nodule_scores.tolist() == [0.5, 0.5]
    assert judged.outcome.tolist() == [1]  # the nearer one


def test_nothing_found_and_nothing_to_find():
    assert judge_scan([], [], [[0, 0, 0]], [5.0]).nodule_scores.tolist() == [-np.inf]
    empty = judge_scan([[1, 2, 3]], [0.4], [], [])
    assert empty.nodule_scores.shape == (0,)
    assert empty.false_positive_scores.tolist() == [0.4]
    nothing = judge_scan([], [], [], [])
    assert (len(nothing.nodule_scores), len(nothing.false_positive_scores), len(nothing.outcome)) == (0, 0, 0)


def test_the_curve_and_cpm_by_hand():
    """Two scans, four nodules: 0.9 hit, 0.8 false, 0.7 hit and false (drawn together), 0.6 hit, 0.5 false; one missed."""
    curve = froc([scan([0.9, 0.7], [0.8]), scan([-np.inf, 0.6], [0.7, 0.5])])
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert curve.sensitivity.tolist() == [0, 0.25, 0.25, 0.5, 0.75, 0.75]
    assert curve.false_positives.tolist() == [0, 0, 0.5, 1, 1, 1.5]
    assert (curve.n_nodules, curve.n_scans) == (4, 2)
    # At 1/8, 1/4 and 1/2 the line is flat; at 1 the higher end of the step; from 1.5 on it stays.
    assert sensitivity_at(curve, CPM_RATES).tolist() == [0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75]
    assert cpm(curve) == pytest.approx((3 * 0.25 + 4 * 0.75) / 7)
    assert sensitivity_at(curve, 0.75) == pytest.approx(0.375)  # half way on the line from 0.25 to 0.5
    assert false_positives_at(curve, 0.5) == 1
    assert false_positives_at(curve, 0.76) == np.inf


def test_a_perfect_and_a_blind_detector():
    assert cpm(froc([scan([0.9, 0.8], [0.1])])) == 1
    assert cpm(froc([scan([-np.inf], [])])) == 0
    # A false positive that is surer than every hit costs at low rates only: with 8 scans it is 1/8 of one a scan.
    assert cpm(froc([scan([0.5], [0.9])] + [scan([0.5])] * 7)) == 1


def test_irrelevant_findings_and_double_hits_change_nothing():
    base = judge_scan([[0, 0, 0], [0, 0, 50]], [0.9, 0.5], [[0, 0, 0]], 8.0)
    more = judge_scan(
        [[0, 0, 0], [0, 0, 50], [0, 1, 0], [30, 0, 0]],
        [0.9, 0.5, 0.7, 0.99],
        [[0, 0, 0]],
        8.0,
        irrelevant_mm=[[30, 0, 0]],
        irrelevant_diameters_mm=5.0,
    )
    for key in ("sensitivity", "false_positives", "thresholds"):
        assert froc([base])[key].tolist() == froc([more])[key].tolist()


def test_it_agrees_with_monai():
    """MONAI takes a label mask in place of radii, and interpolates the same curve; the second nodule is irrelevant.

    It leaves the lowest of all scores out, which is the 0 of nodules that nothing hit, if there is one; and its scores
    of nodules are float32, so that ours are eighths.
    """
    rng, scans, false, true, targets = np.random.default_rng(0), [], [], [], 0
    for _ in range(6):
        mask = np.zeros((20, 20, 20), int)
        nodules = np.array([[5, 5, 5], [14, 14, 6], [6, 12, 15]])
        for number, centre in enumerate(nodules, 1):
            places = np.indices(mask.shape).reshape(3, -1).T
            mask.reshape(-1)[np.linalg.norm(places - centre, axis=1) < 3.5] = number
        found = np.concatenate([rng.integers(0, 20, (40, 3)), nodules + rng.integers(-1, 2, (3, 3)), nodules[:1]])
        found = found[rng.random(len(found)) < 0.6]
        probs = rng.integers(1, 9, len(found)) / 8  # ties, too
        keep = [0, 2]
        scans.append(
            judge_scan(found, probs, nodules[keep], 7.0, irrelevant_mm=nodules[1:2], irrelevant_diameters_mm=7)
        )
        fp, tp, n = compute_fp_tp_probs_nd(probs, found, mask, labels_to_exclude=[2])
        false, true, targets = [*false, *fp], [*true, *tp[keep]], targets + n
    assert 0 in true
    rate, sensitivity = compute_froc_curve_data(np.array(false), np.array(true), targets, len(scans))
    theirs = compute_froc_score(rate, sensitivity, eval_thresholds=CPM_RATES)
    assert 0.1 < theirs < 0.95
    assert cpm(froc(scans)) == pytest.approx(theirs)


def test_the_band_holds_the_curve_and_narrows_with_scans():
    rng = np.random.default_rng(1)

    def scans(n):
        return [scan(rng.normal(1.5, 1, rng.integers(0, 4)), rng.normal(0, 1, 9)) for _ in range(n)]

    few, many = (bootstrap_froc(scans(n), n_bootstraps=500, seed=2) for n in (40, 640))
    for band in (few, many):
        assert (band.low <= band.sensitivity + 1e-9).all()
        assert (band.sensitivity <= band.high + 1e-9).all()
        assert band.cpm_low < band.cpm < band.cpm_high
        assert (np.diff(band.sensitivity) >= 0).all()
    ratio = (few.cpm_high - few.cpm_low) / (many.cpm_high - many.cpm_low)
    assert 2.8 < ratio < 5.6  # sixteen times the scans, a quarter of the width


def test_the_bootstrap_draws_scans_and_repeats():
    # All scans alike: whatever is drawn is the same curve. Drawing candidates would scatter.
    alike = bootstrap_froc([scan([0.9, 0.4], [0.6, 0.3])] * 5, n_bootstraps=50)
    assert alike.cpm_low == pytest.approx(alike.cpm_high)
    assert alike.low == pytest.approx(alike.high)
    # One scan all found, one all missed: a draw of two has 0, 1 or 2 of the good one.
    two = bootstrap_froc([scan([0.9]), scan([-np.inf])], n_bootstraps=400, seed=0)
    assert sorted(set(two.cpms.round(6).tolist())) == [0, 0.5, 1]
    assert np.mean(two.cpms == 0.5) == pytest.approx(0.5, abs=0.08)
    again = bootstrap_froc([scan([0.9]), scan([-np.inf])], n_bootstraps=400, seed=0)
    assert np.array_equal(two.cpms, again.cpms)


def test_draws_without_a_nodule_are_left_out():
    band = bootstrap_froc([scan([0.9]), scan([], [0.2])], n_bootstraps=200)
    assert len(band.cpms) < 200
    assert (band.cpms == 1).all()


def test_what_is_no_detection_is_refused():
    with pytest.raises(CourseError, match="at least one nodule, got none in 2 scans"):
        froc([scan([], [0.5]), scan()])
    with pytest.raises(CourseError, match="at least one judged scan"):
        froc([])
    with pytest.raises(CourseError, match="a number for each of 1 candidates"):
        judge_scan([[0, 0, 0]], [0.5, 0.4], [], [])
    with pytest.raises(CourseError, match="a number for each of 1 candidates"):
        judge_scan([[0, 0, 0]], [np.nan], [], [])
    with pytest.raises(CourseError, match="a diameter for each of 2 nodules_mm"):
        judge_scan([[0, 0, 0]], [0.5], [[0, 0, 0], [1, 1, 1]], [3.0])
    with pytest.raises(CourseError, match="3 coordinates as the candidates, got 2"):
        judge_scan([[0, 0, 0]], [0.5], [[0, 0]], [3.0])
    with pytest.raises(CourseError, match=r"candidates_mm must be \(N, D\)"):
        judge_scan([0.0, 1.0], [0.5], [], [])
    with pytest.raises(CourseError, match="n_bootstraps must be at least 1"):
        bootstrap_froc([scan([0.5])], n_bootstraps=0)
