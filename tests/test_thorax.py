"""A simulated chest CT: its tissues, its trees, its findings and its noise are what they are said to be."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from medcourse.datasets import make_chest, make_chests
from medcourse.datasets.ct import count, project, reconstruct, to_hu, to_mu, view_angles
from medcourse.datasets.findings import place_nodules
from medcourse.datasets.lesions import BLOOD_HU, LUNG_HU, draw_node
from medcourse.datasets.lungtree import beside, draw_tubes, grow_into, pieces
from medcourse.datasets.noise import FWHM, ct_noise, fast_ct_noise, noise_sd
from medcourse.datasets.scanning import CLASSES, CODE
from medcourse.datasets.torso import GRID, draw_torso
from medcourse.errors import CourseError

SMALL = {"spacing_mm": (2.0, 2.0, 2.0), "height_mm": 110.0}
CLEAN = {"dose_photons": np.inf, "resolution_mm": 0.4}


@pytest.fixture(scope="module")
def plain():
    """Two scans without noise and contrast agent, with many nodules."""
    return [make_chest(i, **SMALL, **CLEAN, contrast_fraction=0, nodules_per_scan=10, seed=4) for i in range(2)]


@pytest.fixture(scope="module")
def torso():
    return draw_torso(np.random.default_rng(2), lambda fields, scale: None)


def inside(chest, name, depth=2):
    return ndi.binary_erosion(chest.labels == CODE[name], iterations=depth)


# --- tissues --------------------------------------------------------------------------------------------------------


def test_tissues_have_their_hounsfield_units(plain):
    for chest in plain:
        median = {name: np.median(chest.volume[inside(chest, name)]) for name in ("lung", "vessel", "heart", "bone")}
        assert median["lung"] == pytest.approx(LUNG_HU, abs=60)
        assert median["vessel"] == pytest.approx(BLOOD_HU, abs=10)
        assert 30 < median["heart"] < 60
        assert median["bone"] > 90
        assert np.median(chest.volume[inside(chest, "airway", 1)]) < -900
        mediastinum = chest.volume[chest.labels == CODE["mediastinum"]]
        assert -115 < np.median(mediastinum) < -70, "most of what is between the organs is fat"
    assert plain[0].classes == CLASSES


def test_contrast_agent_brightens_blood_and_nothing_in_the_lung():
    options = {**SMALL, **CLEAN, "nodules_per_scan": 0, "seed": 1}
    without, with_ = (make_chest(0, **options, contrast_fraction=share) for share in (0.0, 1.0))
    assert not without.enhanced
    assert with_.enhanced
    np.testing.assert_array_equal(without.labels, with_.labels)
    blood = inside(with_, "vessel")
    assert np.median(with_.volume[blood] - without.volume[blood]) > 100
    assert np.median(with_.volume[inside(with_, "heart")]) > np.median(without.volume[inside(without, "heart")]) + 40
    air = inside(with_, "lung", 3)
    assert np.median(np.abs(with_.volume[air] - without.volume[air])) < 0.01


def test_the_dependent_lung_is_denser(plain):
    lung = inside(plain[0], "lung")
    rows = np.broadcast_to(np.arange(lung.shape[1])[None, :, None], lung.shape)
    front, back = lung & (rows < 60), lung & (rows > 90)
    assert plain[0].volume[back].mean() - plain[0].volume[front].mean() > 15


def test_lungs_are_of_an_adults_size_and_fill_none_of_each_other(torso):
    litres = [(torso.fields["lung"] > 0)[:, :, half].sum() * 27e-6 for half in (GRID[2] < 0, GRID[2] > 0)]
    assert all(1.2 < volume < 3.5 for volume in litres), litres
    assert litres[0] > 0.9 * litres[1], "the heart takes its room from the left lung"
    both, n = ndi.label(torso.fields["lung"] > 0)
    assert (np.bincount(both.ravel())[1:] > 2e4).sum() == 2, f"two lungs, got {n} pieces"


def test_nothing_but_the_table_is_outside_of_the_body(plain):
    for chest in plain:
        body = chest.labels > 0
        assert body.mean() > 0.3
        whole = np.stack([ndi.binary_fill_holes(layer) for layer in body])
        air = ~ndi.binary_dilation(whole, iterations=2)
        assert np.median(chest.volume[air]) == pytest.approx(-1000, abs=1)
        assert (chest.volume[air] > -150).mean() < 0.001


def test_between_ribs_there_is_no_bone(plain):
    chest = plain[0]
    bone = chest.labels == CODE["bone"]
    columns = np.flatnonzero(bone[:, 40:100].any((0, 1)))
    side = bone[:, 60:90, columns[0] : columns[0] + 12].any((1, 2))
    assert 0.2 < side.mean() < 0.95, "bone in some slices and none in others"


# --- trees ----------------------------------------------------------------------------------------------------------


def cloud(n=400, seed=0):
    return np.random.default_rng(seed).uniform(-40, 40, (n, 3)) + np.array([0, 60, 0])


def test_a_tree_keeps_murrays_law_and_ends_once_for_each_point():
    tree = grow_into(np.random.default_rng(1), np.zeros(3), cloud(), radius_mm=5.0)
    daughters = np.bincount(tree.parent[1:], tree.radius_mm[1:] ** 3, minlength=len(tree.parent))
    n = np.bincount(tree.parent[1:], minlength=len(tree.parent))
    np.testing.assert_allclose(daughters[n > 0], tree.radius_mm[n > 0] ** 3)
    assert set(n.tolist()) == {0, 2}
    assert (n == 0).sum() == 400
    assert tree.radius_mm[0] == 5.0
    np.testing.assert_allclose(tree.radius_mm.min(), 5.0 / 400 ** (1 / 3))
    np.testing.assert_array_equal(tree.start[1:], tree.end[tree.parent[1:]])


def test_a_tree_reaches_all_of_its_lung():
    points = cloud(800)
    tree = grow_into(np.random.default_rng(1), np.zeros(3), points, radius_mm=5.0)
    far = np.linalg.norm(points[:, None] - tree.end[None], axis=2).min(1)
    assert np.percentile(far, 95) < 10


def test_a_single_point_gets_a_single_branch():
    tree = grow_into(np.random.default_rng(0), np.zeros(3), np.array([[0.0, 0, 10]]), radius_mm=1.0)
    np.testing.assert_allclose(tree.end, [[0, 0, 9]])
    np.testing.assert_array_equal(tree.parent, [-1])


def test_what_runs_beside_keeps_its_distance():
    tree = grow_into(np.random.default_rng(1), np.zeros(3), cloud(), radius_mm=5.0)
    other = beside(tree, np.full(len(tree.parent), 4.0), (0, 0, 1))
    np.testing.assert_allclose(np.linalg.norm(other.end - tree.end, axis=1), 4.0, atol=1e-6)
    np.testing.assert_array_equal(other.start[1:], other.end[other.parent[1:]])


@pytest.mark.parametrize("radius", [0.3, 0.7, 1.5, 3.0])
def test_a_tube_of_any_radius_fills_its_volume(radius):
    axes = [np.arange(40) * mm - 20 * mm for mm in (1.5, 1.0, 1.0)]
    share = np.zeros((40, 40, 40), np.float32)
    start = np.array([[-40 + 5.0 * i, 0.3, 0.2] for i in range(16)])
    draw_tubes(share, axes, start, start + np.array([5.0, 0, 0]), np.full(16, radius))
    per_mm = share[10:30].sum() * 1.5 / (20 * 1.5)
    assert per_mm == pytest.approx(np.pi * radius**2, rel=0.06)
    assert share.max() <= 1


def test_tubes_may_hang_over_the_border_or_lie_outside():
    axes = [np.arange(12) - 6.0] * 3
    whole, part = np.zeros((12, 12, 12), np.float32), np.zeros((6, 12, 12), np.float32)
    start, end = np.array([[-8.0, -7, 1], [50, 0, 0]]), np.array([[-3.0, -5, 3], [53, 0, 0]])
    draw_tubes(whole, axes, start, end, np.array([1.5, 1]))
    draw_tubes(part, [axes[0][:6], axes[1], axes[2]], start, end, np.array([1.5, 1]))
    assert whole.sum() > 5
    np.testing.assert_allclose(part, whole[:6], atol=1e-6)


def test_arteries_run_beside_airways_and_vessels_stay_in_the_lung(torso):
    for airway, artery in zip(torso.bronchi, torso.arteries, strict=True):
        gap = np.linalg.norm(airway.end - artery.end, axis=1)
        assert (gap >= airway.radius_mm + artery.radius_mm).all()
        assert gap.max() < 15
    ends = np.concatenate([tree.end[tree.radius_mm < 1] for tree in torso.veins])
    voxels = tuple(((ends[:, i] - GRID[i][0]) / 3).round().astype(int) for i in range(3))
    assert (torso.fields["cage"][voxels] > -1).mean() > 0.99


def test_branches_are_cut_into_short_joined_pieces():
    tree = grow_into(np.random.default_rng(1), np.zeros(3), cloud(60), radius_mm=5.0)
    start, end, radius = pieces(tree, longest_mm=5)
    assert np.linalg.norm(end - start, axis=1).max() < 8
    assert len(start) == len(end) == len(radius) > len(tree.parent)
    assert np.isclose(tree.end[:, None], end[None]).all(2).any(1).all(), "each branch's end is a piece's"


# --- findings -------------------------------------------------------------------------------------------------------


def test_nodules_are_as_large_as_asked(plain):
    measured, asked = [], []
    for chest in plain:
        index = np.stack(np.indices(chest.labels.shape), -1) * chest.spacing_mm
        for centre, diameter, site in zip(
            chest.nodules.centres_mm, chest.nodules.diameters_mm, chest.nodules.sites, strict=True
        ):
            near = np.linalg.norm(index - centre, axis=-1) < 0.75 * diameter + 1
            volume = ((chest.labels == CODE["nodule"]) & near).sum() * np.prod(chest.spacing_mm)
            if site != "pleural":  # the chest wall covers a part of these
                measured.append((6 * volume / np.pi) ** (1 / 3))
                asked.append(diameter)
    measured, asked = np.array(measured), np.array(asked)
    assert len(asked) >= 6
    large = asked > 6
    np.testing.assert_allclose(measured[large], asked[large], rtol=0.15)
    assert np.abs(measured / asked - 1).mean() < 0.12


def test_nodules_lie_where_their_site_says_and_whole(plain):
    for chest in plain:
        size = np.array(chest.labels.shape) * chest.spacing_mm
        reach = chest.nodules.diameters_mm[:, None] / 2
        assert (chest.nodules.centres_mm > reach - 1).all()
        assert (chest.nodules.centres_mm < size - reach).all()
        for centre, diameter, site in zip(
            chest.nodules.centres_mm, chest.nodules.diameters_mm, chest.nodules.sites, strict=True
        ):
            index = np.stack(np.indices(chest.labels.shape), -1) * chest.spacing_mm
            shell = np.linalg.norm(index - centre, axis=-1) < diameter / 2 + 3
            touches_wall = np.isin(chest.labels[shell], [CODE["wall"], CODE["bone"]]).any()
            assert touches_wall or site != "pleural"


def test_solid_nodules_are_denser_than_ground_glass():
    options = {**SMALL, **CLEAN, "nodules_per_scan": 8, "diameter_mm": (9, 14), "seed": 6}
    for share, low, high in ((0.0, -40, 80), (1.0, -720, -100)):
        chest = make_chest(0, **options, subsolid_fraction=share)
        core = inside(chest, "nodule", 1)
        assert core.sum() > 50
        assert low < np.median(chest.volume[core]) < high
        assert set(chest.nodules.kinds) <= ({"part-solid", "ground-glass"} if share else {"solid"})


def test_small_nodules_are_more_frequent(torso):
    made = place_nodules(
        np.random.default_rng(0), torso, 60, diameter_mm=(4, 20), shares=(0.3, 0.3), heights=(-150, 80)
    )
    sizes = np.array([nodule.diameter_mm for nodule in made])
    assert len(sizes) > 40
    assert sizes.min() >= 4
    assert sizes.max() <= 20
    assert np.median(sizes) == pytest.approx(np.sqrt(4 * 20), rel=0.2), "the logarithm is uniform"
    gaps = np.linalg.norm(np.array([a.centre for a in made])[:, None] - [b.centre for b in made], axis=2)
    assert gaps[~np.eye(len(made), dtype=bool)].min() > 12


def test_an_ellipsoid_has_its_volume_and_its_axes():
    axes = [np.arange(-15, 15.1, 0.5)] * 3
    half, turn = np.array([4.0, 6.0, 9.0]), np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    share = draw_node(axes, np.array([0.2, 0.1, -0.3]), half, turn)
    assert share.sum() / 8 == pytest.approx(4 / 3 * np.pi * half.prod(), rel=0.03)
    places = np.argwhere(share > 0.5) * 0.5
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(places.T)) * 5)  # of a filled ellipsoid: half axis^2 / 5
    np.testing.assert_allclose(spread, half, rtol=0.03)


def test_nodes_lie_between_the_lungs_with_their_volume():
    seen, small = 0, 0
    for i in range(3):
        chest = make_chest(i, **SMALL, **CLEAN, nodes_per_scan=6, nodules_per_scan=0, seed=2)
        index = np.stack(np.indices(chest.labels.shape), -1) * chest.spacing_mm
        small += (chest.nodes.diameters_mm < 10).sum()
        for centre, short in zip(chest.nodes.centres_mm, chest.nodes.diameters_mm, strict=True):
            if short < 10:
                continue
            seen += 1
            near = np.linalg.norm(index - centre, axis=-1) < short / 2
            assert (chest.labels[near] == CODE["node"]).mean() > 0.6, "most of the inscribed ball is node"
    assert seen >= 6
    assert small > seen, "most nodes are normal"


def test_none_asked_for_is_none_made():
    chest = make_chest(0, **SMALL, nodules_per_scan=0, nodes_per_scan=0, small_nodes_per_scan=0)
    assert chest.nodules.centres_mm.shape == chest.nodes.centres_mm.shape == (0, 3)
    assert not np.isin(chest.labels, [CODE["nodule"], CODE["node"]]).any()


# --- the scanner ----------------------------------------------------------------------------------------------------


def test_noise_falls_with_the_square_root_of_dose_and_thickness():
    hu = np.full((41, 41), -1000.0)
    hu[10:31, 10:31] = 0
    options = {"spacing_mm": 6.0, "dose_photons": 5e7, "thickness_mm": 1.5, "resolution_mm": 1.2}
    base = noise_sd(hu, **options)[20, 20]
    assert noise_sd(hu, **options | {"dose_photons": 2e8})[20, 20] == pytest.approx(base / 2)
    assert noise_sd(hu, **options | {"thickness_mm": 6.0})[20, 20] == pytest.approx(base / 2)
    assert noise_sd(hu, **options | {"resolution_mm": 2.4})[20, 20] == pytest.approx(base / 2**1.5)
    assert noise_sd(hu, **options | {"dose_photons": np.inf})[20, 20] == 0


def test_noise_is_strongest_where_long_rays_cross():
    y, x = np.indices((61, 61)) - 30
    hu = np.where((x / 26) ** 2 + (y / 16) ** 2 < 1, 0.0, -1000.0)
    sd = noise_sd(hu, spacing_mm=6.0, dose_photons=5e7, thickness_mm=1.5, resolution_mm=1.2)
    assert sd[30, 30] > 1.5 * sd[18, 30], "the middle of a body above its front"
    chest = make_chest(0, **SMALL)
    assert chest.noise_sd_hu[:, 20:28, 25:32].mean() > 1.2 * chest.noise_sd_hu[:, 10:14, 25:32].mean()


@pytest.fixture(scope="module")
def chain():
    """Noise of projecting, counting and reconstructing a simulated slice at 2 mm, 40 times, and what is predicted."""
    chest = make_chest(0, spacing_mm=(2, 2, 2), height_mm=20, field_mm=(300, 380), **CLEAN, nodules_per_scan=0, seed=5)
    n, n_views, photons, resolution = 251, 180, 2e5, 4.0
    hu = np.full((n, n), -1000.0)
    top, left = (n - chest.volume.shape[1]) // 2, (n - chest.volume.shape[2]) // 2
    hu[top : top + chest.volume.shape[1], left : left + chest.volume.shape[2]] = chest.volume[5]
    angles, rng = view_angles(n_views), np.random.default_rng(0)
    lines = project(to_mu(hu), angles, spacing_mm=2.0)
    made = []
    for _ in range(40):
        image = to_hu(reconstruct(count(lines, dose_photons=photons, rng=rng), angles, spacing_mm=2.0))
        made.append(ndi.gaussian_filter(image, resolution / FWHM / 2.0))
    # To interpolate in straight lines between rays is one more blur, of variance (2 mm)^2 / 6.
    resolution = np.hypot(resolution, FWHM * 2.0 / np.sqrt(6))
    # A ray is 2 mm wide and the slice 2 mm thick: photons a square millimetre, in all views.
    dose = photons * n_views / (2.0 * 2.0)
    said = noise_sd(hu, spacing_mm=2.0, dose_photons=dose, thickness_mm=2.0, resolution_mm=resolution)
    return np.array(made) - np.mean(made, axis=0), said, hu


def test_noise_agrees_with_projecting_counting_and_reconstructing(chain):
    noise, said, hu = chain
    found = np.sqrt(ndi.uniform_filter((noise**2).sum(0) / (len(noise) - 1), 9).clip(0))
    body = ndi.binary_erosion(ndi.binary_fill_holes(hu > -500), iterations=8)
    ratio = found[body] / said[body]
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.percentile(ratio, 5) > 0.8
    assert np.percentile(ratio, 95) < 1.2
    assert np.corrcoef(found[body], said[body])[0, 1] > 0.9


def test_noise_has_the_spectrum_of_the_chain(chain):
    noise = chain[0][:, 93:157, 93:157]
    power = (np.abs(np.fft.fft2(noise - noise.mean((1, 2), keepdims=True))) ** 2).mean(0)
    made = ct_noise(np.random.default_rng(0), (40, 64, 64), (2.0, 2.0, 2.0), resolution_mm=4.44)
    other = (np.abs(np.fft.fft2(made - made.mean((1, 2), keepdims=True))) ** 2).mean(0)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(64, 2.0), np.fft.fftfreq(64, 2.0)))
    bands = np.digitize(f, [0.03, 0.07, 0.11, 0.15, 0.2])
    profile = [np.array([p[bands == b].sum() for b in range(1, 5)]) / p.sum() for p in (power, other)]
    np.testing.assert_allclose(profile[0], profile[1], atol=0.06)


def test_fast_noise_has_deviation_one_and_the_spectrum_of_the_slow():
    shape, mm = (24, 60, 70), (1.5, 1.0, 1.2)
    fast = fast_ct_noise(np.random.default_rng(0), shape, mm, resolution_mm=1.2)
    slow = ct_noise(np.random.default_rng(1), shape, mm, resolution_mm=1.2)
    assert fast.dtype == np.float32
    assert fast.std() == pytest.approx(1, abs=0.03)
    for step in ((1, 0, 0), (0, 1, 0), (0, 2, 0), (0, 0, 1)):
        ours, theirs = ((a * np.roll(a, step, (0, 1, 2))).mean() for a in (fast, slow))
        assert ours == pytest.approx(theirs, abs=0.04)


def test_a_scan_holds_the_noise_it_says():
    clean, noisy = (make_chest(0, **SMALL, seed=3, dose_photons=dose) for dose in (np.inf, 5e7))
    difference = (noisy.volume - clean.volume)[:, 40:100, 40:130]
    said = noisy.noise_sd_hu
    said = said[:, said.shape[1] // 3 : -said.shape[1] // 3, said.shape[2] // 4 : -said.shape[2] // 4]
    assert difference.std() == pytest.approx(said.mean(), rel=0.15)
    half = make_chest(0, **SMALL, seed=3, dose_photons=2e8)
    assert (half.volume - clean.volume)[:, 40:100, 40:130].std() == pytest.approx(difference.std() / 2, rel=0.03)


# --- persons and seeds ----------------------------------------------------------------------------------------------


def test_a_scan_depends_on_its_number_and_the_seed_alone():
    two = make_chests(2, spacing_mm=(5, 4, 4), height_mm=60, seed=9)
    one = make_chest(1, spacing_mm=(5, 4, 4), height_mm=60, seed=9)
    np.testing.assert_array_equal(two.scans[1].volume, one.volume)
    np.testing.assert_array_equal(two.scans[1].labels, one.labels)
    assert not np.array_equal(two.scans[0].labels, one.labels)
    assert not np.array_equal(make_chest(1, spacing_mm=(5, 4, 4), height_mm=60, seed=8).labels, one.labels)
    assert "SIMULATED" in one.DESCR
    assert "SIMULATED" in two.DESCR


def test_the_person_does_not_depend_on_voxels_dose_and_resolution():
    a = make_chest(0, spacing_mm=(2, 2, 2), height_mm=96, seed=7, nodules_per_scan=6)
    b = make_chest(
        0, spacing_mm=(3, 1.5, 2), height_mm=96, seed=7, nodules_per_scan=6, dose_photons=1e7, resolution_mm=2
    )
    for name in ("nodules", "nodes"):
        n = len(a[name].diameters_mm)
        assert n >= 3
        np.testing.assert_array_equal(a[name].diameters_mm, b[name].diameters_mm)
        # Their first voxels lie (-47, -139, -169) and (-46.5, -139.5, -169) mm from the middle.
        np.testing.assert_allclose(a[name].centres_mm - b[name].centres_mm, [[0.5, -0.5, 0.0]] * n, atol=1e-9)
    assert a.nodules.kinds == b.nodules.kinds
    share = [(chest.labels == CODE["lung"]).mean() for chest in (a, b)]
    assert share[0] == pytest.approx(share[1], rel=0.02)


def test_volumes_are_as_said():
    chest = make_chest(0, spacing_mm=(4, 3, 5), height_mm=80, field_mm=(270, 330))
    assert chest.volume.shape == chest.labels.shape == (20, 90, 66)
    assert chest.volume.dtype == np.float32
    assert chest.labels.dtype == np.uint8
    assert chest.spacing_mm == (4, 3, 5)
    assert chest.volume.min() >= -1024
    assert chest.volume.max() <= 3071


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"index": -1}, "index must be at least 0, got -1"),
        ({"spacing_mm": (1, 1)}, "spacing_mm must be three numbers"),
        ({"spacing_mm": (1, 0, 1)}, "spacing_mm must be three numbers"),
        ({"field_mm": (90, 300)}, "field_mm must be two numbers"),
        ({"height_mm": 5}, r"height_mm must lie in \[20, 300\], got 5"),
        ({"diameter_mm": (9, 4)}, "diameter_mm must be"),
        ({"diameter_mm": (1, 4)}, "diameter_mm must be"),
        ({"dose_photons": 0}, "dose_photons must be > 0"),
        ({"nodules_per_scan": -1}, "nodules_per_scan must lie"),
        ({"nodes_per_scan": 40}, "nodes_per_scan must lie"),
        ({"subsolid_fraction": 1.5}, "subsolid_fraction must lie"),
        ({"contrast_fraction": -0.5}, "contrast_fraction must lie"),
        ({"resolution_mm": 0.1}, "resolution_mm must lie"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(CourseError, match=said):
        make_chest(**options)


def test_no_scans_are_refused():
    with pytest.raises(CourseError, match="n_scans must be at least 1, got 0"):
        make_chests(0)
