import numpy as np
import pytest
from sklearn.utils import Bunch

from medcourse.errors import CourseError
from medcourse.models import node_patches
from medcourse.models.node_patches import cut_node_patches, gather_node_patches, load_node_patches

MARKS = np.array([[20.0, 40, 40], [20.0, 80, 40], [20.0, 40, 80], [20.0, 80, 80]])


@pytest.fixture
def scan(monkeypatch):
    """A scan whose grey value is its row in millimetres; the first tier marks four places, with falling score."""
    volume = np.broadcast_to(2.0 * np.arange(60)[None, :, None], (20, 60, 60)).astype(np.float32)
    monkeypatch.setattr(node_patches, "find_node_candidates", lambda *_: Bunch(centres_mm=MARKS))
    # An enlarged node of 12 mm at 5 mm from the first mark, a normal one of 8 mm at 3 mm from the second.
    nodes = Bunch(centres_mm=np.array([[20.0, 45, 40], [20.0, 80, 43]]), diameters_mm=np.array([12.0, 8.0]))
    return Bunch(volume=volume, spacing_mm=(2.0, 2.0, 2.0), nodes=nodes)


def test_marks_on_enlarged_nodes_are_right_and_those_on_normal_nodes_left_out(scan):
    cut = cut_node_patches(scan)
    assert cut.labels.tolist() == [1, 0, 0]
    # Every outlined node counts where only enlarged ones were outlined.
    assert cut_node_patches(scan, enlarged_mm=0).labels.tolist() == [1, 1, 0, 0]


def test_a_mark_farther_than_half_the_short_axis_is_wrong(scan):
    scan.nodes.centres_mm[0, 1] = 46.0
    assert cut_node_patches(scan).labels.tolist() == [0, 0, 0]


def test_only_the_strongest_wrong_marks_are_kept(scan):
    cut = cut_node_patches(scan, most_false=1)
    assert cut.labels.tolist() == [1, 0]
    assert cut.hu[1].mean() == pytest.approx(40, abs=1)  # the third mark, at row 40 mm


def test_patches_are_axial_and_48_mm_wide(scan):
    patch = cut_node_patches(scan).hu[0]
    assert patch.shape == (32, 32)
    rows = 40 + (np.arange(32) - 15.5) * 1.5
    np.testing.assert_allclose(patch, np.broadcast_to(rows[:, None], (32, 32)), atol=1e-3)


def test_scans_are_gathered_patient_by_patient(scan):
    gathered = gather_node_patches(iter([scan, scan]))
    assert gathered.patients.tolist() == [0, 0, 0, 1, 1, 1]
    assert gathered.labels.tolist() == [1, 0, 0] * 2
    np.testing.assert_array_equal(gathered.hu[:3], gathered.hu[3:])


def test_no_mark_at_all_is_an_error(scan, monkeypatch):
    monkeypatch.setattr(node_patches, "find_node_candidates", lambda *_: Bunch(centres_mm=np.zeros((0, 3))))
    with pytest.raises(CourseError, match="found no mark in 2"):
        gather_node_patches([scan, scan])


def test_the_bundled_patches_are_of_chests():
    patches = load_node_patches()
    assert patches.hu.shape == (len(patches.labels), 32, 32)
    assert "SIMULATED" in patches.DESCR
    assert patches.spacing_mm == 1.5
    assert -1000 <= patches.hu.min() < -900  # air
    # The middle of a node is soft tissue, with or without contrast agent.
    middle = patches.hu[patches.labels == 1][:, 14:18, 14:18].mean((1, 2))
    assert 10 < np.median(middle) < 110
    # Both kinds in most patients, or a division by patient would not do.
    both = [set(patches.labels[patches.patients == p]) == {0, 1} for p in range(60)]
    assert np.mean(both) > 0.9
    counts = np.bincount(patches.patients[patches.labels == 0])
    assert counts.max() <= node_patches.MOST_FALSE
