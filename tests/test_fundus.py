import numpy as np
import pytest
from scipy import ndimage as ndi

from medcourse.datasets import make_fundi
from medcourse.datasets.arcades import FOVEA_FREE_MM, THINNEST_MM, daughters, grow_arcades
from medcourse.datasets.fundus import ARTERY_PER_MM, VEIN_PER_MM
from medcourse.errors import CourseError

PLAIN = {"diseased": 0.0, "uneven_light": 0.0, "pigment": 0.0, "electrons": np.inf}


@pytest.fixture(scope="module")
def eyes():
    """Four healthy eyes under an even lamp, without texture and noise."""
    return make_fundi(4, side_px=292, seed=3, **PLAIN)


def test_shapes_types_and_proportions_of_drive(eyes):
    assert eyes.images.shape == (4, 292, 282, 3)
    assert eyes.images.dtype == np.uint8
    for name in ("vessels", "arteries", "field_of_view", "lesions"):
        assert eyes[name].shape == (4, 292, 282)
    assert "SIMULATED" in eyes.DESCR
    full = make_fundi(1, side_px=584, seed=0)
    assert full.images.shape[1:3] == (584, 565)
    width_px = full.field_of_view[0].any(axis=0).sum()
    assert width_px == pytest.approx(540, abs=2)
    assert width_px * full.spacing_mm == pytest.approx(45 * 0.29, rel=0.01)


def test_outside_of_the_field_all_is_black_and_nothing_is_marked(eyes):
    outside = ~eyes.field_of_view
    assert eyes.images[outside].max() == 0
    assert not eyes.vessels[outside].any()
    assert eyes.images[eyes.field_of_view].min() > 0


@pytest.mark.parametrize("side_px", [160, 292])
def test_vessels_are_as_rare_as_in_drive(side_px):
    many = make_fundi(6, side_px=side_px, seed=1)
    assert 0.06 < many.vessels.mean() < 0.10  # of the whole frame: "about 9 %"
    assert 0.08 < many.vessels[many.field_of_view].mean() < 0.14


def test_seeds_repeat_and_images_do_not_depend_on_how_many_there_are():
    few, many = make_fundi(1, side_px=64, seed=5), make_fundi(2, side_px=64, seed=5)
    np.testing.assert_array_equal(few.images, many.images[:1])
    assert not np.array_equal(many.vessels[0], many.vessels[1])
    assert not np.array_equal(few.vessels, make_fundi(1, side_px=64, seed=6).vessels)


@pytest.mark.parametrize("knob", [{"uneven_light": 0.0}, {"pigment": 0.0}, {"electrons": 200.0}, {"diseased": 1.0}])
def test_the_same_seed_gives_the_same_vessels_however_they_are_photographed(knob):
    a, b = make_fundi(1, side_px=96, seed=4), make_fundi(1, side_px=96, seed=4, **knob)
    np.testing.assert_array_equal(a.vessels, b.vessels)
    assert not np.array_equal(a.images, b.images)


def test_daughters_obey_murrays_law():
    for share in (0.1, 0.5, 0.8):
        thick, thin = daughters(0.06, share)
        assert thick**3 + thin**3 == pytest.approx(0.06**3)
    assert daughters(0.06, 0.5)[0] == pytest.approx(0.06 / 2 ** (1 / 3))


def test_every_branching_keeps_the_flow_of_what_it_divides():
    tree = grow_arcades(np.random.default_rng(0))
    for is_artery in (True, False):
        kind = [vessel for vessel in tree if vessel.is_artery == is_artery]
        thickest = max(vessel.radii_mm.max() for vessel in kind)
        assert thickest == pytest.approx(0.0575 * (1.0 if is_artery else 1.35))
        assert min(vessel.radii_mm.min() for vessel in kind) >= 0.97 * THINNEST_MM
        # Where a vessel ends and others begin, none is thicker than what came.
        for vessel in kind:
            met = [v.radii_mm[0] for v in kind if np.allclose(v.points[0], vessel.points[-1])]
            assert sum(r**3 for r in met) <= vessel.radii_mm[-1] ** 3 * 1.001


def test_nothing_but_capillaries_comes_near_the_fovea():
    for seed in range(5):
        tree = grow_arcades(np.random.default_rng(seed))
        assert min(np.linalg.norm(v.points, axis=1).min() for v in tree) >= FOVEA_FREE_MM - 1e-9


def crossings(tree, kinds):
    """Count where a piece of one vessel crosses a piece of another that it does not begin or end with."""
    pieces = [
        [(v.points[i], v.points[i + 1]) for v in tree if v.is_artery == kind for i in range(1, len(v.points) - 2)]
        for kind in kinds
    ]
    a, b = (np.array(p) for p in pieces)  # (n, 2 ends, 2 axes)

    def side(p, q, r):
        return np.sign(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    a, b = a[:, None], b[None]
    apart = side(a[..., 0, :], a[..., 1, :], b[..., 0, :]) * side(a[..., 0, :], a[..., 1, :], b[..., 1, :])
    other = side(b[..., 0, :], b[..., 1, :], a[..., 0, :]) * side(b[..., 0, :], b[..., 1, :], a[..., 1, :])
    return int(((apart < 0) & (other < 0)).sum())


def test_vessels_cross_those_of_the_other_kind_and_hardly_their_own():
    trees = [grow_arcades(np.random.default_rng(seed)) for seed in range(4)]
    mixed = sum(crossings(tree, (True, False)) for tree in trees)
    own = sum(crossings(tree, (kind, kind)) / 2 for tree in trees for kind in (True, False))
    assert mixed > 40
    assert own < 0.2 * mixed


def test_blood_takes_green_and_blue_and_hardly_red_and_veins_are_darker(eyes):
    assert ARTERY_PER_MM[1] > 8 * ARTERY_PER_MM[0]
    assert VEIN_PER_MM[0] > 2 * ARTERY_PER_MM[0]  # the red that oxygen leaves alone
    for i in range(4):
        deep = ndi.distance_transform_edt(eyes.vessels[i]) >= 2
        y, x = np.indices(deep.shape)
        far = np.hypot(y - eyes.disc_px[i, 0], x - eyes.disc_px[i, 1]) * eyes.spacing_mm > 1.3
        near = ndi.binary_dilation(deep, iterations=6) & ~ndi.binary_dilation(eyes.vessels[i], iterations=2) & far
        veins, arteries = deep & far & ~eyes.arteries[i], deep & far & eyes.arteries[i]
        image = eyes.images[i].astype(float)
        by_vein, by_artery = (1 - image[kind].mean(0) / image[near].mean(0) for kind in (veins, arteries))
        assert by_vein[1] > 2 * by_vein[0] > 0
        assert by_artery[1] > 4 * by_artery[0] > 0
        assert by_vein[0] > 1.1 * by_artery[0]


def test_the_disc_is_the_brightest_and_the_fovea_dark():
    eyes = make_fundi(4, side_px=146, seed=2, diseased=0, uneven_light=0, electrons=np.inf)
    for image, disc, fovea, field in zip(eyes.images, eyes.disc_px, eyes.fovea_px, eyes.field_of_view, strict=True):
        green = ndi.uniform_filter(image[..., 1].astype(float), 3)
        at_disc, at_fovea = (green[tuple(np.rint(place).astype(int))] for place in (disc, fovea))
        assert at_disc > np.percentile(green[field], 95)
        assert at_fovea < np.percentile(green[field], 15)
        assert abs(disc[1] - fovea[1]) * eyes.spacing_mm == pytest.approx(15.5 * 0.29)


def test_lesions_are_marked_are_no_vessels_and_look_as_they_should():
    sick = make_fundi(6, side_px=292, seed=7, **PLAIN | {"diseased": 1.0, "lesions_per_eye": 30})
    well = make_fundi(6, side_px=292, seed=7, **PLAIN)
    assert sick.diseased.all()
    assert not well.lesions.any()
    assert not (sick.vessels & (sick.lesions > 0)).any()
    change = sick.images[..., 1].astype(float) / np.maximum(well.images[..., 1], 1)
    inner = np.stack([ndi.binary_erosion(kind > 0) for kind in sick.lesions])
    assert np.median(change[(sick.lesions == 2) & inner]) < 0.85  # blood
    assert np.median(change[(sick.lesions == 3) & inner]) > 1.2  # fat
    far = ~np.stack([ndi.binary_dilation(kind > 0, iterations=6) for kind in sick.lesions]) & sick.field_of_view
    np.testing.assert_array_equal(sick.images[far], well.images[far])


def test_noise_is_the_cameras():
    knobs = {"side_px": 146, "seed": 9, "diseased": 0.0}
    clean = make_fundi(1, **knobs, electrons=np.inf)
    noisy = make_fundi(1, **knobs, electrons=1000.0)
    inside = ndi.binary_erosion(clean.field_of_view[0], iterations=2)
    level = clean.images[0][inside, 1].astype(float)
    rough = noisy.images[0][inside, 1] - level
    ordinary = (level > 60) & (level < 120)
    # Poisson: the variance is the mean, in electrons; of rounding to whole numbers comes 1/12 a picture.
    expected = (level[ordinary] * 255 / 1000 + 2 / 12).mean()
    assert rough[ordinary].var() == pytest.approx(expected, rel=0.1)


def test_even_lamp_is_even():
    even = make_fundi(1, side_px=146, seed=1, **PLAIN)
    ground = even.field_of_view[0] & ~ndi.binary_dilation(even.vessels[0], iterations=3)
    y, x = np.indices(ground.shape)
    ground &= np.hypot(y - even.disc_px[0, 0], x - even.disc_px[0, 1]) * even.spacing_mm > 2.5
    assert even.images[0][ground, 1].std() < 3
    uneven = make_fundi(1, side_px=146, seed=1, **PLAIN | {"uneven_light": 1.0})
    assert uneven.images[0][ground, 1].std() > 8


@pytest.mark.parametrize("knob", [{"side_px": 10}, {"diseased": 2}, {"electrons": 0}, {"field_deg": 90}])
def test_what_it_cannot_do_is_refused(knob):
    with pytest.raises(CourseError, match=f"{next(iter(knob))} must lie in"):
        make_fundi(1, **knob)
