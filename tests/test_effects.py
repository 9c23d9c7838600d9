import json

import numpy as np
import pytest
from scipy import stats

from medcourse import effects
from medcourse.errors import CourseError

WORDS = {"paper": "Nobody 2000", "paper_figure": "none"}


def test_interval_is_students():
    values = np.random.default_rng(0).normal(3, 2, 7)
    mean, low, high = effects.interval(values)
    expected = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert (low, high) == pytest.approx(expected)
    assert mean == pytest.approx(values.mean())
    assert effects.interval([2.0, 2.0]) == (2.0, 2.0, 2.0)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = [low <= 0 <= high for _, low, high in (effects.interval(rng.normal(size=5)) for _ in range(2000))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_interval_of_too_little_is_refused(values):
    with pytest.raises(CourseError, match="at least two finite values"):
        effects.interval(values)


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"above": 0.0}, "holds"),
        ({"below": 2.0}, "holds"),
        ({"above": 0.8}, "not shown"),
        ({"above": 0.0, "below": 1.2}, "not shown"),
        ({"above": 1.2}, "not shown"),
        ({"above": 1.3}, "opposite shown"),
        ({"above": 0.0, "below": 0.7}, "opposite shown"),
    ],
)
def test_a_claim_holds_if_the_whole_interval_lies_within_its_bounds(bounds, verdict):
    effect = effects.measure("unit", "claim", [0.9, 1.0, 1.1], **WORDS, **bounds)  # 1 plus or minus 0.25
    assert (effect.holds, effect.verdict) == (verdict == "holds", verdict)
    assert effect.seeds == 3


def test_what_the_data_cannot_tell_is_neither_true_nor_false():
    effect = effects.measure("unit", "claim", None, **WORDS, above=0.0)
    assert (effect.ours, effect.low, effect.holds, effect.seeds) == (None, None, None, 0)
    assert effects.report([effect])["verdict"].tolist() == ["cannot be told"]


def test_settings_reach_the_experiment_and_end_with_it(tmp_path):
    assert len(effects.seeds()) == 5
    assert not effects.thorough()
    with effects.settings(folder=tmp_path, n_seeds=3, thorough=True) as rows:
        assert list(effects.seeds()) == [0, 1, 2]
        assert effects.thorough()
        assert effects.source(lambda: "simulated", lambda folder: folder) == tmp_path
        effects.report([effects.measure("unit", "claim", [1.0, 2.0], **WORDS)])
    assert [row.data for row in rows] == [tmp_path.name]
    assert effects.source(lambda: "simulated", lambda folder: folder) == "simulated"


LAB = """
# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
from medcourse import effects

# %%
value = 2.0

# %% nbgrader={"grade": true, "grade_id": "t", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
raise AssertionError("tests are not run")

# %% tags=["experiment"]
base = effects.source(lambda: value, lambda folder: float((folder / "value.txt").read_text()))
effects.report([effects.measure("99_x", "above 1", [base + s for s in effects.seeds()], paper="p", paper_figure="f", above=1)])
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    for folder in ("course", "assignments", "solutions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "solutions" / "99_x.py").write_text(LAB)
    monkeypatch.setenv("MEDCOURSE_ROOT", str(tmp_path))
    return tmp_path


def test_the_environment_says_how_often_a_notebook_repeats(monkeypatch):
    monkeypatch.delenv("MEDCOURSE_SEEDS", raising=False)
    assert effects.seeds_of_notebooks() == effects.N_SEEDS
    monkeypatch.setenv("MEDCOURSE_SEEDS", "2")
    assert effects.seeds_of_notebooks() == 2
    for wrong in ("1", "two", "-3"):
        monkeypatch.setenv("MEDCOURSE_SEEDS", wrong)
        with pytest.raises(CourseError, match="a whole number of at least 2"):
            effects.seeds_of_notebooks()


def test_a_labs_experiment_runs_on_simulated_and_on_real_data(course, tmp_path):
    (row,) = effects.run("99_x", n_seeds=3)
    assert (row.ours, row.data, row.seeds) == (3.0, "simulated", 3)
    real = tmp_path / "real"
    real.mkdir()
    (real / "value.txt").write_text("10")
    (row,) = effects.run("99_x", data=real)
    assert (row.ours, row.data, row.holds) == (12.0, "real", True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lab": "98_y"}, "'98_y'.*there are: 99_x"),
        ({"lab": "99_x", "n_seeds": 1}, "at least 2 seeds"),
        ({"lab": "99_x", "data": "nowhere"}, "found none at"),
    ],
)
def test_bad_input_is_one_line(course, tmp_path, arguments, said):
    if "data" in arguments:
        arguments = {**arguments, "data": tmp_path / "nowhere"}
    with pytest.raises(CourseError, match=said):
        effects.run(**arguments)


def test_the_table_keeps_other_units_and_other_data(tmp_path):
    path = tmp_path / "effects.json"

    def row(unit, data, ours):
        return effects.Effect(unit, "p", "c", "f", ours, ours, ours, 2, True, "holds", data)

    effects.save([row("02", "simulated", 1.0), row("02", "real", 2.0)], path)
    effects.save([row("01", "simulated", 3.0)], path)
    effects.save([row("02", "simulated", 4.0)], path)
    table = json.loads(path.read_text())["rows"]
    assert [(r["unit"], r["data"], r["ours"]) for r in table] == [
        ("01", "simulated", 3.0),
        ("02", "real", 2.0),
        ("02", "simulated", 4.0),
    ]
    assert list(tmp_path.iterdir()) == [path]
