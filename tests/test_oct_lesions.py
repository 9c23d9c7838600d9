"""Lesions of the retina: where they lie, what they push, and how they look."""

import numpy as np
import pytest

from medcourse.datasets import make_oct, make_oct_patches
from medcourse.datasets.oct_layers import LAYERS, NAMES
from medcourse.datasets.oct_lesions import DRUSEN, FOCI, INTRARETINAL, KINDS, SUBRETINAL, displace
from medcourse.errors import CourseError

X_UM = np.linspace(-3000, 3000, 400)
QUIET = {"noise_db": -np.inf, "rolloff_db_per_mm": 0.0, "n_vessels": 0, "n_averages": 20}


def layered():
    """A retina of constant thickness, Bruch's membrane at 500 um."""
    edges = np.cumsum([0.0, *(layer.thickness_um for layer in LAYERS[1:-1])])
    membrane = edges[NAMES.index("retinal pigment epithelium")]
    return np.repeat((edges + 500 - membrane)[:, None], len(X_UM), axis=1)


def placed(kind, seed=0):
    return displace(np.random.default_rng(seed), X_UM, layered(), [kind])


def edge(boundaries, name):
    return boundaries[NAMES.index(name)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_layers_stay_in_order_and_the_choroid_stays_where_it_is(kind, seed):
    moved, regions = placed(kind, seed)
    assert regions
    before = layered()
    below = NAMES.index("choriocapillaris")
    np.testing.assert_array_equal(moved[below:], before[below:])
    assert (np.diff(moved[: below + 1], axis=0) > -1e-9).all()
    assert (moved <= before + 1e-9).all(), "lesions push towards the vitreous"
    for region in regions:
        assert (region.top_um <= region.bottom_um + 1e-9).all()


def test_no_disease_moves_nothing():
    moved, regions = displace(np.random.default_rng(0), X_UM, layered(), [])
    np.testing.assert_array_equal(moved, layered())
    assert regions == []


def test_a_druse_lifts_the_epithelium_off_the_membrane():
    moved, (region,) = placed(DRUSEN)
    lift = edge(layered(), "retinal pigment epithelium") - edge(moved, "retinal pigment epithelium")
    np.testing.assert_allclose(region.bottom_um - region.top_um, lift)
    assert 25 < lift.max() < 120  # um
    thickness = np.diff(moved, axis=0)[NAMES.index("retinal pigment epithelium") - 1]
    np.testing.assert_allclose(thickness, 22.0)
    nuclear = edge(moved, "outer nuclear layer") - edge(moved, "outer plexiform layer")
    assert nuclear[lift.argmax()] < nuclear[lift.argmin()], "the outer nuclear layer gives way"


def test_subretinal_fluid_lies_on_the_epithelium_and_lifts_the_whole_retina():
    moved, (region,) = placed(SUBRETINAL)
    np.testing.assert_allclose(region.bottom_um, edge(layered(), "outer segments"))
    lift = region.bottom_um - region.top_um
    for name in ("vitreous", "inner nuclear layer", "ellipsoid zone"):
        np.testing.assert_allclose(edge(layered(), name) - edge(moved, name), lift)


def test_cysts_lie_within_the_retina_and_do_not_meet():
    moved, regions = placed(INTRARETINAL, seed=3)
    assert len(regions) > 2
    heights = np.stack([region.bottom_um - region.top_um for region in regions])
    assert ((heights > 0).sum(axis=0) <= 1).all()
    for region in regions:
        here = region.bottom_um > region.top_um
        assert (region.top_um > edge(moved, "vitreous"))[here].all()
        assert (region.bottom_um < edge(moved, "ellipsoid zone"))[here].all()


def test_foci_are_as_small_as_in_the_clinic_and_push_nothing():
    moved, regions = placed(FOCI)
    np.testing.assert_array_equal(moved, layered())
    heights = [np.max(region.bottom_um - region.top_um) for region in regions]
    assert max(heights) <= 44
    assert len(regions) > 10


def test_disease_changes_neither_anatomy_nor_speckle_elsewhere():
    healthy, sick = (make_oct(height=128, width=128, lesions=kinds, seed=3) for kinds in ((), ("drusen",)))
    assert not healthy.lesions.any()
    assert set(np.unique(sick.lesions)) == {0, 1 + KINDS.index("drusen")}
    below = healthy.layers >= NAMES.index("choroid")
    np.testing.assert_array_equal(below, sick.layers >= NAMES.index("choroid"))


@pytest.mark.parametrize(("kind", "dark"), [(SUBRETINAL, True), (INTRARETINAL, True), (FOCI, False)])
def test_fluid_is_dark_and_foci_are_bright(kind, dark):
    eye = make_oct(lesions=[kind], seed=2, height=256, width=256, depth_um=1200, **QUIET)
    # Medians: the rim of fluid is lit by the bright layers beside it, as the beam has a width.
    lesion = np.median(eye.power[eye.lesions > 0])
    nuclear = np.median(eye.power[(eye.layers == NAMES.index("outer nuclear layer")) & (eye.lesions == 0)])
    assert lesion < 0.1 * nuclear if dark else lesion > 5 * nuclear


def test_light_passes_fluid_and_is_lost_in_foci():
    # What lies below fluid is as bright as beside it; a focus casts a shadow on the epithelium.
    for kind, least, most in ((SUBRETINAL, 0.9, 1.6), (FOCI, 0.3, 0.97)):
        eye = make_oct(lesions=[kind], seed=2, height=256, width=256, depth_um=1200, **QUIET)
        epithelium = np.where(eye.layers == NAMES.index("retinal pigment epithelium"), eye.power, np.nan)
        column = np.nanmean(np.where(eye.lesions > 0, np.nan, epithelium), axis=0)
        under = (eye.lesions > 0).sum(axis=0) >= 4
        assert least < np.nanmean(column[under]) / np.nanmean(column[~eye.lesions.any(axis=0)]) < most


def test_an_unknown_lesion_is_refused():
    with pytest.raises(CourseError, match="got naevus"):
        make_oct(height=64, width=64, lesions=["naevus"])


# Patches


def test_patches_are_of_whole_eyes_and_say_what_they_show():
    patches = make_oct_patches(6, patches_per_eye=5, diseased=0.5, seed=1)
    assert patches.images.shape == patches.lesions.shape == (30, 64, 64)
    assert patches.images.dtype == np.float32
    assert 0 <= patches.images.min() <= patches.images.max() <= 1
    assert "SIMULATED" in patches.description
    np.testing.assert_array_equal(patches.diseased, patches.lesions.any(axis=(1, 2)))
    np.testing.assert_array_equal(np.bincount(patches.eyes), 5)
    sick = patches.kind != ""
    assert not patches.diseased[~sick].any()
    assert patches.diseased[sick].mean() > 0.5
    np.testing.assert_array_equal(np.unique(patches.eyes[sick]), [3, 4, 5])
    for kind in set(patches.kind[sick]):
        found = np.unique(patches.lesions[patches.kind == kind])
        assert set(found) <= {0, 1 + KINDS.index(kind)}


def test_seeds_repeat_and_more_eyes_keep_those_there_were():
    few, many = make_oct_patches(2, seed=4), make_oct_patches(3, seed=4)
    np.testing.assert_array_equal(few.images, many.images[: len(few.images)])
    assert not np.array_equal(few.images, make_oct_patches(2, seed=5).images)


def test_the_membrane_lies_in_the_row_that_is_promised():
    patches = make_oct_patches(8, n_averages=16, seed=2)
    profile = patches.images.mean(axis=(0, 2))  # of depth
    row = patches.membrane_row
    assert row - 3 <= profile[row - 8 : row + 4].argmax() + row - 8 <= row - 1, "the bright epithelium lies on it"
    assert profile[:6].mean() < 0.3, "above is dark vitreous"


def test_neighbours_overlap_and_distant_patches_do_not():
    patches = make_oct_patches(1, patches_per_eye=6, seed=0).images
    assert np.abs(patches[0] - patches[1]).mean() > 0.02
    shifted = make_oct_patches(1, patches_per_eye=11, seed=0).images  # 32 px apart
    np.testing.assert_array_equal(shifted[0][:, 32:], shifted[1][:, :32])


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"n_eyes": 0}, "n_eyes"),
        ({"diseased": 2}, "diseased"),
        ({"kinds": ()}, "kinds"),
        ({"n_averages": 0}, "n_averages"),
    ],
)
def test_wrong_knobs_are_refused(knobs, said):
    with pytest.raises(CourseError, match=said):
        make_oct_patches(**{"n_eyes": 1, **knobs})
