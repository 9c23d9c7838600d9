"""Candidates: blobs of the size sought are found where they are, whatever the voxels; tubes and planes are not."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from medcourse.datasets import make_chest
from medcourse.models.candidates import (
    MASK_MM,
    find_node_candidates,
    find_nodule_candidates,
    lung_mask,
    mediastinum_mask,
    resample,
)

LUNG, SOFT, AIR, FAT = -850.0, 40.0, -1000.0, -100.0
MIDDLE = np.array([45.0, 100.0, 120.0])  # of a phantom's box, in millimetres
RIGHT = np.array([45.0, 100.0, 75.0])  # of its right lung


def box(spacing_mm, things=(), between=FAT):
    """Return a box with two lungs of 60 mm in a body of soft tissue; things are (kind, place, radius) in millimetres."""
    shape = [int(length / mm) for length, mm in zip((90, 200, 240), spacing_mm, strict=True)]
    z, y, x = np.meshgrid(
        *(np.arange(n) * mm for n, mm in zip(shape, spacing_mm, strict=True)), indexing="ij", sparse=True
    )
    hu = np.full(shape, AIR)
    scale = lambda ry, rx, cx: ((y - 100) / ry) ** 2 + ((x - cx) / rx) ** 2  # noqa: E731
    hu[np.broadcast_to(scale(80, 105, 120) < 1, shape)] = SOFT
    hu[np.broadcast_to(scale(50, 75, 120) < 1, shape)] = between
    for side in (75, 165):
        hu[np.broadcast_to(scale(55, 30, side) < 1, shape)] = LUNG
    for kind, place, radius in things:
        offset = [z - place[0], y - place[1], x - place[2]]
        axes = {"ball": (0, 1, 2), "tube": (1, 2), "tilted": (1, 2), "across": (0, 1)}[kind]
        if kind == "tilted":
            offset[1] = offset[1] - 0.6 * offset[0]
        width = float(np.prod(spacing_mm)) ** (1 / 3)
        share = np.clip(0.5 + (radius - np.sqrt(sum(offset[i] ** 2 for i in axes))) / width, 0, 1)
        hu = hu + share * (SOFT - hu)
    return ndi.gaussian_filter(hu, [0.5 / mm for mm in spacing_mm])


SPACINGS = [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (2.5, 1.0, 1.5), (2.0, 2.0, 2.0)]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("radius", [2.5, 4.0, 7.0])
def test_a_ball_is_found_where_it_is_with_its_radius(spacing, radius):
    place = RIGHT + np.array([0.4, 3.0, -2.0])
    found = find_nodule_candidates(box(spacing, [("ball", place, radius)]), spacing)
    best = found.centres_mm[0]
    assert np.linalg.norm(best - place) < 1.0
    assert 0.6 < found.radii_mm[0] / radius < 1.6, "the next of the radii that are looked for"
    # Of 890 HU the filter of the best radius answers 0.92; blur, thick slices and the next radius take some.
    assert 0.4 * 890 < found.scores[0] < 0.95 * 890


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", ["tube", "tilted"])
def test_a_straight_vessel_scores_far_less_than_a_ball(spacing, kind):
    ball = find_nodule_candidates(box(spacing, [("ball", RIGHT, 3.0)]), spacing)
    tube = find_nodule_candidates(box(spacing, [(kind, RIGHT, 3.0)]), spacing)
    near = (
        np.linalg.norm(tube.centres_mm[:, 1:] - RIGHT[1:], axis=1) < 12
        if kind == "tube"
        else np.ones(len(tube.scores), bool)
    )
    assert max(tube.scores[near], default=0.0) < 0.4 * ball.scores[0]


def test_where_vessels_cross_there_is_a_candidate():
    crossing = [("tube", RIGHT, 2.0), ("across", RIGHT, 2.0)]
    found = find_nodule_candidates(box((1.0, 1.0, 1.0), crossing), (1.0, 1.0, 1.0))
    assert np.linalg.norm(found.centres_mm - RIGHT, axis=1).min() < 4


def test_two_balls_are_two_unless_they_are_near():
    far = [("ball", RIGHT - [0, 12, 0], 3.0), ("ball", RIGHT - [0, -12, 0], 3.0)]
    near = [("ball", RIGHT - [0, 1, 0], 3.0), ("ball", RIGHT - [0, -1, 0], 3.0)]
    spacing = (1.0, 1.0, 1.0)
    for things, n in ((far, 2), (near, 1)):
        found = find_nodule_candidates(box(spacing, things), spacing, min_score_hu=200)
        assert len(found.scores) == n
        assert (np.diff(found.scores) <= 0).all()


def test_lungs_alone_hold_nothing():
    spacing = (1.5, 1.0, 1.0)
    found = find_nodule_candidates(box(spacing), spacing)
    assert found.centres_mm.shape == (0, 3)
    assert found.scores.shape == found.radii_mm.shape == (0,)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_node_in_fat_is_found_and_blood_with_contrast_agent_is_not(spacing):
    place = MIDDLE + np.array([0.5, -2.0, 1.0])
    hu = box(spacing, [("ball", place, 6.0)])
    found = find_node_candidates(hu, spacing)
    assert np.linalg.norm(found.centres_mm[0] - place) < 1.5
    bright = np.where(hu > 20, hu + 200, hu)
    inside = np.linalg.norm(find_node_candidates(bright, spacing).centres_mm - place, axis=1)
    assert min(inside, default=99.0) > 3


def test_masks_are_where_they_should_be():
    spacing = (1.5, 1.0, 1.0)
    hu = box(spacing, [("ball", RIGHT, 4.0), ("ball", RIGHT - [0, 0, 28], 5.0)])  # one inside, one at the chest wall
    lungs, between = lung_mask(hu, spacing), mediastinum_mask(hu, spacing)
    voxel = lambda place: tuple((np.asarray(place) / MASK_MM).round().astype(int))  # noqa: E731
    assert lungs[voxel(RIGHT)], "what the lung encloses is lung"
    assert lungs[voxel(RIGHT - [0, 0, 25])], "what juts into it, too"
    assert not lungs[voxel(MIDDLE)]
    assert between[voxel(MIDDLE)]
    assert not between[voxel(RIGHT - [0, -10, -5])]
    assert not (lungs | between)[:, 0].any()


def test_resampling_keeps_places_and_means():
    spacing = (2.0, 1.0, 0.5)
    z, y, x = np.meshgrid(np.arange(20) * 2.0, np.arange(30) * 1.0, np.arange(50) * 0.5, indexing="ij")
    made = resample((3 * z + 2 * y - x).astype(np.float32), spacing, 1.5)
    grid = np.meshgrid(*(np.arange(n) * 1.5 for n in made.shape), indexing="ij")
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(made[inner], (3 * grid[0] + 2 * grid[1] - grid[2])[inner], atol=0.05)
    assert made.shape == (26, 20, 17)


@pytest.fixture(scope="module")
def scans():
    options = {"height_mm": 110.0, "nodules_per_scan": 8, "nodes_per_scan": 5, "subsolid_fraction": 0, "seed": 12}
    return [
        [make_chest(i, spacing_mm=mm, contrast_fraction=1, **options) for mm in ((1.5, 1.2, 1.2), (2.0, 1.5, 1.2))]
        for i in range(2)
    ]


def found_share(centres_mm, places_mm, radii_mm):
    distance = np.linalg.norm(places_mm[:, None] - centres_mm[None], axis=2).min(1)
    return distance <= radii_mm


def test_nearly_all_solid_nodules_and_large_nodes_are_among_the_candidates(scans):
    nodules, nodes = [], []
    for pair in scans:
        for chest in pair:
            found = find_nodule_candidates(chest.volume, chest.spacing_mm)
            assert 30 < len(found.scores) < 600
            nodules += found_share(found.centres_mm, chest.nodules.centres_mm, chest.nodules.diameters_mm / 2).tolist()
            large = chest.nodes.diameters_mm >= 10
            other = find_node_candidates(chest.volume, chest.spacing_mm)
            assert 10 < len(other.scores) < 150
            nodes += found_share(
                other.centres_mm, chest.nodes.centres_mm[large], chest.nodes.diameters_mm[large] / 2
            ).tolist()
    assert len(nodules) >= 20
    assert len(nodes) >= 8
    assert np.mean(nodules) >= 0.9
    assert np.mean(nodes) >= 0.9


def test_false_candidates_are_vessels_and_not_noise(scans):
    chest = scans[0][0]
    found = find_nodule_candidates(chest.volume, chest.spacing_mm)
    places = (found.centres_mm / chest.spacing_mm).round().astype(int).clip(0, np.array(chest.labels.shape) - 1)
    near_vessel = ndi.binary_dilation(np.isin(chest.labels, [chest.classes.index(n) for n in ("vessel", "airway")]))
    false = ~found_share(chest.nodules.centres_mm, found.centres_mm, 6.0)
    assert near_vessel[tuple(places[false].T)].mean() > 0.5
    assert near_vessel.mean() < 0.1


def test_other_voxels_give_the_same_candidates(scans):
    for one, other in scans:
        a, b = (find_nodule_candidates(chest.volume, chest.spacing_mm, min_score_hu=200) for chest in (one, other))
        shift = one.nodules.centres_mm[0] - other.nodules.centres_mm[0]
        again = np.linalg.norm(a.centres_mm[:, None] - shift - b.centres_mm[None], axis=2).min(1) < 3
        assert again.mean() > 0.6, "strong candidates are found on other voxels, too"


@pytest.mark.parametrize("find", [find_nodule_candidates, find_node_candidates])
@pytest.mark.parametrize(
    ("shape", "spacing", "said"),
    [
        ((4, 4), (1, 1, 1), r"volume must be \(Z, Y, X\), got shape \(4, 4\)"),
        ((40, 40, 40), (1, 0, 1), "spacing_mm must be three positive numbers"),
        ((40, 40, 40), (1, 1), "spacing_mm must be three positive numbers"),
        ((40, 40, 40), (1, 1, 1), "expected a chest CT in Hounsfield units with 50 ml"),
    ],
)
def test_what_is_no_chest_is_refused(find, shape, spacing, said):
    from medcourse.errors import CourseError  # noqa: PLC0415

    with pytest.raises(CourseError, match=said):
        find(np.zeros(shape), spacing)
