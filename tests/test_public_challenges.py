"""Simulated teams, retinopathy in Kaggle's layout, and questions to the Imaging Data Commons."""

import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medcourse import agreement, metrics
from medcourse.datasets import (
    check_submission,
    make_challenge,
    make_gradings,
    query_idc,
    read_photographs,
    read_retinopathy,
    teams,
)
from medcourse.errors import CourseError


def test_a_team_without_a_fault_repeats_the_truth():
    made = make_challenge(5, teams={"Perfect": teams.Habits(wobble_mm=0)}, seed=2)
    np.testing.assert_array_equal(np.stack(made.entries["Perfect"]), made.truth)
    assert made.truth.any((1, 2)).all()


def test_each_fault_does_what_it_says():
    faults = {
        "out": teams.Habits(shift_mm=2, wobble_mm=0),
        "in": teams.Habits(shift_mm=-2, wobble_mm=0),
        "blind": teams.Habits(wobble_mm=0, blind_mm=8),
        "ghost": teams.Habits(wobble_mm=0, ghosts=3),
        "crash": teams.Habits(wobble_mm=0, crash=0.25),
    }
    made = make_challenge(40, teams=faults, diameter_mm=10, seed=1)
    out, inside, blind, ghost = (np.stack(made.entries[name]) for name in ("out", "in", "blind", "ghost"))
    assert (out >= made.truth).all()
    assert (inside <= made.truth).all()
    assert (blind <= made.truth).all()
    assert (ghost >= made.truth).all()
    # The border of each lesion lies two millimetres further out.
    moved = [metrics.border_distances(t, o, (1.0, 1.0))[1] for t, o in zip(made.truth[:10], out[:10], strict=True)]
    assert np.concatenate(moved).mean() == pytest.approx(2, abs=0.3)  # pixels are a millimetre wide
    # What the blind team misses is missed whole, and is small.
    lost = [metrics.label_objects(t & ~b) for t, b in zip(made.truth, blind, strict=True)]
    widths = [2 * np.sqrt((each == k).sum() / np.pi) for each in lost for k in range(1, each.max() + 1)]
    assert 3 < len(widths) < made.n_lesions.sum() / 2
    assert np.median(widths) < 9
    silent = [i for i, entry in enumerate(made.entries["crash"]) if entry is None]
    assert len(silent) == 10
    assert made.n_lesions[silent].min() >= np.delete(made.n_lesions, silent).max()


def test_the_wobble_is_as_large_as_it_says_and_hard_cases_are_hard_for_all():
    two = {"a": teams.Habits(wobble_mm=1), "b": teams.Habits(wobble_mm=1)}
    made = make_challenge(30, teams=two, diameter_mm=24, lesions_per_case=1, case_spread=0.8, seed=5)
    off = np.array(
        [
            [
                np.mean(np.concatenate(metrics.border_distances(t, e, (1.0, 1.0))))
                for t, e in zip(made.truth, each, strict=True)
            ]
            for each in made.entries.values()
        ]
    )
    assert np.corrcoef(np.log1p(off))[0, 1] > 0.5
    alike = make_challenge(30, teams=two, diameter_mm=24, lesions_per_case=1, case_spread=0, seed=5)
    distances = np.concatenate(
        [metrics.border_distances(t, e, (1.0, 1.0))[0] for t, e in zip(alike.truth, alike.entries["a"], strict=True)]
    )
    # The mean of |z| is 0.80; the nearest border is nearer than the one straight ahead, and pixels are coarse.
    assert 0.4 < distances.mean() < 1.0


def test_entries_do_not_depend_on_who_else_takes_part():
    alone = make_challenge(3, teams={"Wide": teams.TEAMS["Wide"]}, seed=4)
    np.testing.assert_array_equal(alone.entries["Wide"], make_challenge(3, seed=4).entries["Wide"])
    assert "SIMULATED" in alone.DESCR
    with pytest.raises(CourseError, match="n_cases must lie in"):
        make_challenge(1)


def test_drawn_teams_are_a_field_of_their_own_for_each_seed():
    field = teams.draw_teams(20, seed=3)
    assert field == teams.draw_teams(20, seed=3)
    assert field != teams.draw_teams(20, seed=4)
    assert 4 <= sum(each.blind_mm > 0 for each in field.values()) <= 16
    assert all(each.crash <= 0.1 and each.wobble_mm > 0 for each in field.values())


def test_graders_without_noise_are_right_and_shares_are_as_asked():
    made = make_gradings(20_000, noise=[0.0, 0.5], shift=[0.0, 0.3], seed=1)
    np.testing.assert_array_equal(made.grades[0], made.truth)
    np.testing.assert_allclose(np.bincount(made.truth) / 20_000, [0.735, 0.07, 0.151, 0.025, 0.019], atol=0.01)
    assert made.grades[1].mean() > made.truth.mean()
    given = make_gradings(levels=[0, 4, 2], noise=0.0)
    assert given.grades.tolist() == [[0, 4, 2]]


def test_more_noise_agrees_less():
    made = make_gradings(5000, noise=[0.2, 0.5, 1.0])
    kappas = [agreement.quadratic_kappa(made.truth, each) for each in made.grades]
    assert kappas[0] > kappas[1] > kappas[2] > 0
    with pytest.raises(CourseError, match="sum to 1"):
        make_gradings(shares=[0.5, 0.2])
    with pytest.raises(CourseError, match="whole numbers from 0 to 4"):
        make_gradings(levels=[0, 5])


@pytest.fixture
def kaggle(tmp_path):
    (tmp_path / "train").mkdir()
    for k, name in enumerate(("10_left", "10_right", "13_left")):
        Image.fromarray(np.full((40, 60, 3), 60 * k, np.uint8)).save(tmp_path / "train" / f"{name}.jpeg")
    (tmp_path / "trainLabels.csv").write_text("image,level\n10_left,0\n10_right,2\n13_left,4\n")
    return tmp_path


def test_kaggles_layout_is_read(kaggle):
    data = read_retinopathy(kaggle)
    assert data.names == ["10_left", "10_right", "13_left"]
    assert data.patients == ["10", "10", "13"]
    assert data.levels.tolist() == [0, 2, 4]
    pictures = list(read_photographs(data.paths, side_px=16))
    assert [picture.shape for picture in pictures] == [(16, 16, 3)] * 3
    assert pictures[2].mean() == pytest.approx(120, abs=3)
    (kaggle / "train" / "13_left.jpeg").unlink()
    assert read_retinopathy(kaggle, must_have_images=False).paths is None
    with pytest.raises(CourseError, match="1 are missing, first 13_left"):
        read_retinopathy(kaggle)
    data.paths[0].write_bytes(b"no picture")
    with pytest.raises(CourseError, match="could not read it"):
        next(read_photographs(data.paths))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,grade\na,0\n", "missing: level"),
        ("image,level\na,5\n", "level of 0, 1, 2, 3 or 4 for a, got '5'"),
        ("image,level\na,1\na,1\n", "expected a once"),
        ("image,level\n", "at least one label"),
    ],
)
def test_bad_labels_are_said(tmp_path, text, message):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(CourseError, match=message):
        read_retinopathy(tmp_path, must_have_images=False)


def test_labels_that_are_not_there_are_said(tmp_path):
    with pytest.raises(CourseError, match="got none"):
        read_retinopathy(tmp_path)
    with pytest.raises(CourseError, match="found none at"):
        read_retinopathy(tmp_path / "none")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("image,level\n")
    with pytest.raises(CourseError, match=r"got a\.csv, b\.csv"):
        read_retinopathy(tmp_path)


def test_a_submission_is_checked_line_by_line(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("image,level\na,0\nb,4\n")
    assert check_submission(file, ["b", "a"]) == []
    file.write_text("image,level\na,0\na,1\nc,2.5\nd,\n")
    assert check_submission(file, ["a", "b", "c"]) == [
        "c: expected a level of 0, 1, 2, 3 or 4, got '2.5'",
        "d: expected a level of 0, 1, 2, 3 or 4, got ''",
        "a: expected one line, got 2",
        "b: expected a line, got none",
        "d: is no image of the test set",
    ]
    assert (
        "missing: level"
        in check_submission((tmp_path / "x.csv", file.write_text("image\n"))[0].parent / "mine.csv", [])[0]
    )
    assert "found none" in check_submission(tmp_path / "none.csv", [])[0]


@pytest.fixture
def idc(monkeypatch):
    table = pd.DataFrame(
        {
            "collection_id": ["ct_lymph_nodes", "ct_lymph_nodes", "nlst"],
            "Modality": ["CT", "SEG", "CT"],
            "BodyPartExamined": ["CHEST", None, "CHEST"],
            "series_size_MB": [300.0, 2.0, 90.0],
            "SeriesInstanceUID": ["1", "2", "3"],
            "aws_bucket": ["x", "x", "x"],
        }
    )
    module = ModuleType("idc_index")
    module.IDCClient = type("IDCClient", (), {"index": table})
    monkeypatch.setitem(sys.modules, "idc_index", module)


@pytest.mark.usefixtures("idc")
def test_the_archive_is_asked_by_any_of_several_terms():
    assert query_idc(collection="CT_Lymph_Nodes").SeriesInstanceUID.tolist() == ["1", "2"]
    assert query_idc(modality=["ct", "mr"], largest_mb=100).SeriesInstanceUID.tolist() == ["3"]
    assert "aws_bucket" not in query_idc(body_part="chest")
    with pytest.raises(CourseError, match="no series has Modality us; there are CT, SEG"):
        query_idc(modality="US")
    with pytest.raises(CourseError, match="fits all filters"):
        query_idc(modality="CT", largest_mb=1)
    with pytest.raises(CourseError, match="no column license_short_name"):
        query_idc(licence="CC BY 4.0")


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "idc_index", None)
    with pytest.raises(CourseError, match="pip install idc-index"):
        query_idc(modality="CT")
