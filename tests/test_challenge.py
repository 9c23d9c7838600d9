import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from medcourse import agreement, challenge, metrics
from medcourse.errors import CourseError

# Rows are cases, columns teams: A is best but crashed once, B is always good, C is B's equal, D is worst.
DICE = np.array([[0.90, 0.80, 0.80, 0.5], [0.92, 0.82, 0.82, 0.4], [np.nan, 0.84, 0.84, 0.6]])


def test_a_missing_case_costs_the_win_where_it_is_scored():
    assert challenge.rank_teams(DICE).tolist() == [1, 2, 2, 4]
    assert challenge.rank_teams(challenge.fill_missing(DICE, worst=0.0)).tolist() == [3, 1, 1, 4]
    assert np.isnan(DICE[2, 0]), "the table that was given is left as it is"


def test_equals_share_a_rank_whatever_the_rounding():
    assert challenge.rank([0.1 + 0.2, 0.3, 0.5]).tolist() == [2, 2, 1]
    assert challenge.rank([0.1 + 0.2, 0.3, 0.5], higher_is_better=False).tolist() == [1, 1, 3]
    assert challenge.rank([np.nan, 0.0]).tolist() == [2, 1]
    assert challenge.rank([np.nan, 9.0], higher_is_better=False).tolist() == [2, 1]


def test_the_three_ways_to_rank_can_disagree():
    # A is best in most cases by little, B never fails.
    table = np.array([[0.81, 0.80, 0.7], [0.82, 0.80, 0.7], [0.83, 0.80, 0.7], [0.1, 0.80, 0.85]])
    assert challenge.rank_teams(table, how="mean").tolist() == [3, 1, 2]
    assert challenge.rank_teams(table, how="median").tolist() == [1, 2, 3]
    assert challenge.rank_teams(table, how="rank-then-mean").tolist() == [1, 2, 3]
    assert challenge.rank_teams(-table, how="mean", higher_is_better=False).tolist() == [3, 1, 2]


def test_a_team_that_hands_in_nothing_is_last():
    table = np.array([[0.1, np.nan], [0.2, np.nan]])
    for how in ("mean", "median", "rank-then-mean"):
        assert challenge.rank_teams(table, how=how).tolist() == [1, 2]


def test_a_bootstrap_of_cases_keeps_teams_together():
    # B is A minus a hair in each case, however hard: no draw of cases can turn them around.
    a = np.random.default_rng(0).uniform(0, 1, 40)
    ranks = challenge.bootstrap_ranks(np.column_stack([a, a - 0.001]), n_resamples=200)
    assert ranks.shape == (200, 2)
    assert (ranks == [1, 2]).all()


def test_winner_share_of_two_equal_teams_is_a_half_and_tau_is_small():
    rng = np.random.default_rng(3)
    cases = rng.normal(0.8, 0.05, (400, 2))
    cases -= cases.mean(0)
    found = challenge.stability(cases, n_resamples=2000, seed=1)
    assert found.winner_share.sum() == pytest.approx(1)
    assert found.winner_share == pytest.approx([0.5, 0.5], abs=0.05)
    assert (found.rank_low.tolist(), found.rank_high.tolist()) == ([1, 1], [2, 2])
    clear = challenge.stability(cases + np.array([0.5, 0]), n_resamples=50)
    assert clear.winner_share.tolist() == [1, 0]
    assert (clear.tau == 1).all()


def test_a_shared_win_is_shared():
    assert challenge.winner_share([[1, 1, 3], [2, 1, 3]]).tolist() == [0.25, 0.75, 0]


@pytest.mark.parametrize("seed", range(5))
def test_kendall_tau_is_scipys(seed):
    a, b = np.random.default_rng(seed).integers(0, 4, (2, 7))
    assert challenge.kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)
    assert challenge.kendall_tau([1, 1], [1, 2]) == 0


def test_significance_is_one_sided_paired_and_corrected():
    hard = np.random.default_rng(0).uniform(0.2, 0.9, 15)
    table = np.column_stack([hard + 0.01 + np.linspace(0, 1e-3, 15), hard, hard])
    p = challenge.significance(table)
    raw = stats.wilcoxon(table[:, 0] - table[:, 1], alternative="greater").pvalue
    assert p[0, 1] == pytest.approx(6 * raw)  # a difference far below the spread of cases is found in pairs
    assert p[1, 0] == 1
    assert p[1, 2] == p[2, 1] == 1
    np.testing.assert_array_equal(challenge.significance(-table, higher_is_better=False), p)


def test_bad_tables_are_refused():
    with pytest.raises(CourseError, match=r"table \(cases, teams\)"):
        challenge.rank_teams([0.5, 0.6])
    with pytest.raises(CourseError, match="one of mean, median, rank-then-mean, got 'best'"):
        challenge.rank_teams(DICE, how="best")
    with pytest.raises(CourseError, match="no NaN"):
        challenge.significance(DICE)
    with pytest.raises(CourseError, match="n_resamples must be at least 1"):
        challenge.bootstrap_ranks(DICE, n_resamples=0)
    with pytest.raises(CourseError, match="the same teams"):
        challenge.kendall_tau([1, 2], [1, 2, 3])


def test_scores_are_read_with_what_is_missing(tmp_path):
    (tmp_path / "scores.csv").write_text("case,team,dice,hd95\n07,b,0.5,3\n07,a,0.6,2\n08,a,,9\n")
    table = challenge.read_scores(tmp_path, "dice")
    assert table.index.tolist() == ["07", "08"]
    assert table.columns.tolist() == ["b", "a"]
    np.testing.assert_array_equal(table, [[0.5, 0.6], [np.nan, np.nan]])
    np.testing.assert_array_equal(challenge.read_scores(tmp_path / "scores.csv", "hd95"), [[3, 2], [np.nan, 9]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,dice\n1,0.5\n", "missing: team"),
        ("case,team,dice\n1,a,0.5\n1,a,0.6\n", "got two for 1 of a"),
        ("case,team,dice\n1,a,good\n", "expected numbers in dice, got 'good'"),
    ],
)
def test_scores_that_cannot_be_read_are_said(tmp_path, text, message):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(CourseError, match=message):
        challenge.read_scores(tmp_path, "dice")
    with pytest.raises(CourseError, match="found none"):
        challenge.read_scores(tmp_path / "none.csv", "dice")


@pytest.mark.parametrize("seed", range(4))
def test_quadratic_kappa_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    a = rng.choice(5, 60, p=[0.6, 0.1, 0.2, 0.05, 0.05])
    b = np.clip(a + rng.integers(-1, 2, 60), 0, 4)
    assert agreement.quadratic_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"))
    assert agreement.kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))


def test_quadratic_kappa_of_constants():
    assert agreement.quadratic_kappa([2, 2], [2, 2]) == 1
    # No better than chance, however often right.
    assert agreement.quadratic_kappa([0, 0, 0, 4], [0, 0, 0, 0]) == pytest.approx(0, abs=1e-12)
    with pytest.raises(CourseError, match="the same items"):
        agreement.quadratic_kappa([0, 1], [0])


def test_hd95_of_shifted_squares_in_unequal_pixels():
    truth = np.zeros((40, 40), bool)
    truth[10:20, 10:20] = True
    down, right = np.roll(truth, 3, 0), np.roll(truth, 3, 1)
    assert metrics.hd95(truth, down, (2.0, 1.0)) == pytest.approx(6)
    assert metrics.hd95(truth, right, (2.0, 1.0)) == pytest.approx(3)
    assert metrics.hd95(down, truth, (2.0, 1.0)) == metrics.hd95(truth, down, (2.0, 1.0))


def test_hd95_forgives_a_twentieth_of_the_border_and_the_hausdorff_distance_does_not():
    truth = np.zeros((60, 60), bool)
    truth[10:40, 10:40] = True  # 116 border pixels
    speck = truth.copy()
    speck[55, 55] = True
    assert metrics.hd95(truth, speck, (1.0, 1.0)) == 0
    assert max(each.max() for each in metrics.border_distances(truth, speck, (1.0, 1.0))) > 20
    speck[50:56, 50:56] = True  # 20 border pixels
    assert metrics.hd95(truth, speck, (1.0, 1.0)) > 15


def test_hd95_is_the_brute_force_one():
    rng = np.random.default_rng(5)
    truth, predicted = rng.random((2, 5, 6, 7)) < 0.3
    spacing = np.array([3.0, 1.0, 0.5])

    def border(mask):
        padded = np.pad(mask, 1)
        inside = np.all([np.roll(padded, s, k) for s in (1, -1) for k in range(3)], axis=0)[1:-1, 1:-1, 1:-1]
        return np.argwhere(mask & ~inside) * spacing

    a, b = border(truth), border(predicted)
    apart = np.linalg.norm(a[:, None] - b, axis=-1)
    expected = max(np.percentile(apart.min(1), 95), np.percentile(apart.min(0), 95))
    assert metrics.hd95(truth, predicted, tuple(spacing)) == pytest.approx(expected)


def test_borders_that_are_not_there_have_no_distance():
    nothing = np.zeros((3, 3), bool)
    assert metrics.hd95(nothing, nothing, (1.0, 1.0)) == 0
    assert metrics.hd95(~nothing, nothing, (1.0, 1.0)) == np.inf
    with pytest.raises(CourseError, match="at least one pixel"):
        metrics.border_distances(nothing, ~nothing, (1.0, 1.0))
    with pytest.raises(CourseError, match="each of 2 axes"):
        metrics.border_distances(~nothing, ~nothing, (1.0,))
