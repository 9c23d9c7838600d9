"""Simulated pieces of chest CT: what is in them has the size, the density and the noise that it says."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from medcourse.datasets import make_nodules
from medcourse.datasets.lesions import BLOOD_HU
from medcourse.datasets.noise import ct_noise
from medcourse.datasets.tubes import MURRAY, Segment, filled, vessel_tree
from medcourse.errors import CourseError

CLEAN = {"noise_hu": 0.0, "vessels_per_volume": 0.0, "pleural_fraction": 0.0}


def grid(n, mm):
    return [(np.arange(n) - (n - 1) / 2) * mm] * 3


def test_a_tube_has_its_volume():
    tube = Segment(np.array([-60.0, 0, 0]), np.array([60.0, 0, 0]), 3.0, 3.0)
    share = filled([tube], grid(40, 0.5))
    assert share.sum() * 0.5**3 == pytest.approx(np.pi * 3**2 * 20, rel=0.02)


def test_a_ball_has_its_volume_whatever_the_voxels():
    ball = Segment(np.zeros(3), np.array([1e-6, 0, 0]), 4.0, 4.0)
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in ((12, 1.2), (24, 0.6), (24, 0.6))]
    assert filled([ball], axes).sum() * 1.2 * 0.6 * 0.6 == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.03)


def test_vessels_branch_by_murrays_law():
    tree = vessel_tree(np.random.default_rng(0), np.zeros(3), np.array([1.0, 0, 0]), radius_mm=2.0, smallest_mm=0.5)
    forks = 0
    for trunk in tree:
        children = [s for s in tree if np.array_equal(s.start, trunk.end) and s.start_radius_mm != trunk.end_radius_mm]
        if len(children) == 2:
            forks += 1
            assert sum(c.start_radius_mm**MURRAY for c in children) == pytest.approx(trunk.end_radius_mm**MURRAY)
    assert forks > 2


def test_seeds_repeat_and_a_volume_does_not_depend_on_how_many_there_are():
    few, many = make_nodules(2, size=16, seed=5), make_nodules(4, size=16, seed=5)
    np.testing.assert_array_equal(few.volumes, many.volumes[:2])
    assert not np.array_equal(few.volumes, make_nodules(2, size=16, seed=6).volumes)


def test_noise_does_not_move_the_anatomy_and_has_its_size():
    clean, noisy = (make_nodules(3, size=24, seed=1, noise_hu=hu) for hu in (0.0, 40.0))
    np.testing.assert_array_equal(clean.nodules, noisy.nodules)
    assert (noisy.volumes - clean.volumes).std() == pytest.approx(40, rel=0.08)


def test_noise_has_the_spectrum_of_back_projection():
    noise = ct_noise(np.random.default_rng(0), (32, 64, 64), (1.0, 0.7, 0.7))
    assert noise.std() == pytest.approx(1, rel=0.02)
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(64, 0.7), np.fft.fftfreq(64, 0.7)))
    low, middle, high = (power[(radius > a) & (radius < b)].mean() for a, b in ((0.01, 0.06), (0.2, 0.3), (0.6, 0.7)))
    # The ramp leaves little at low frequencies, the kernel takes away at high ones.
    assert low < 0.5 * middle
    width = 2 * np.pi * 0.9 / 2.355  # of the kernel, at the middle of both bands
    expected = 0.65 / 0.25 * np.exp(-((width * 0.65) ** 2) + (width * 0.25) ** 2)
    assert high / middle == pytest.approx(expected, rel=0.1)
    assert np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1] > 0.1


def test_nodules_have_their_diameter_place_and_density():
    made = make_nodules(12, size=40, spacing_mm=(0.6, 0.6, 0.6), nodule_fraction=1, subsolid_fraction=0, **CLEAN)
    assert made.labels.tolist() == [1] * 12
    for volume, mask, diameter, centre in zip(
        made.volumes, made.nodules, made.diameters_mm, made.centres_mm, strict=True
    ):
        assert (6 * mask.sum() * 0.6**3 / np.pi) ** (1 / 3) == pytest.approx(diameter, rel=0.12)
        assert np.linalg.norm(np.array(ndi.center_of_mass(mask)) * 0.6 - centre) < 0.12 * diameter
        assert -40 < np.median(volume[ndi.binary_erosion(mask, iterations=2)]) < 100
        assert np.median(volume[~ndi.binary_dilation(mask, iterations=12)]) == pytest.approx(-860, abs=25)


def test_the_same_nodule_has_the_same_volume_in_other_voxels():
    options = {"nodule_fraction": 1, "seed": 2, **CLEAN}
    fine = make_nodules(4, size=48, spacing_mm=(0.5, 0.5, 0.5), **options)
    coarse = make_nodules(4, size=(16, 24, 24), spacing_mm=(1.5, 1.0, 1.0), **options)
    mm3 = fine.nodules.sum((1, 2, 3)) * 0.5**3, coarse.nodules.sum((1, 2, 3)) * 1.5
    np.testing.assert_allclose(*mm3, rtol=0.15)


def test_ground_glass_lies_between_lung_and_solid():
    made = make_nodules(16, size=32, nodule_fraction=1, subsolid_fraction=1, **CLEAN)
    medians = [np.median(volume[mask]) for volume, mask in zip(made.volumes, made.nodules, strict=True)]
    assert set(made.kinds) == {"subsolid"}
    assert -750 < np.mean(medians) < -350


def test_a_mimic_is_round_in_the_axial_slice_and_goes_on_along_z():
    made = make_nodules(
        8, size=32, spacing_mm=(1.0, 1.0, 1.0), nodule_fraction=0, mimic_tilt_deg=0, off_centre_mm=0, **CLEAN
    )
    assert made.labels.sum() == 0
    assert not made.nodules.any()
    for vessels, diameter in zip(made.vessels, made.diameters_mm, strict=True):
        part = ndi.label(vessels[16])[0]
        disc = part == part[15, 15]
        assert 2 * np.sqrt(disc.sum() / np.pi) == pytest.approx(diameter, rel=0.2)
        assert vessels[:, 11:21, 11:21].any((1, 2)).all(), "it leaves the volume at both ends"


def test_a_single_slice_tells_less_than_the_volume():
    made = make_nodules(200, size=16, spacing_mm=(1.5, 1.5, 1.5), subsolid_fraction=0, seed=8)
    soft = made.volumes > -400
    area, extent = soft[:, 8, 5:11, 5:11].sum((1, 2)), soft[:, :, 5:11, 5:11].any((2, 3)).sum(1)
    solid, mimic = made.labels == 1, made.labels == 0
    spread = lambda x: abs(x[solid].mean() - x[mimic].mean()) / x.std()  # noqa: E731
    assert spread(area) < 0.6 < spread(extent)


def test_vessels_are_blood_and_the_chest_wall_is_bright():
    made = make_nodules(6, size=40, seed=3, noise_hu=0, nodule_fraction=0, pleural_fraction=0)
    assert np.median(made.volumes[ndi.binary_erosion(made.vessels, np.ones((1, 3, 3, 3)))]) == pytest.approx(
        BLOOD_HU, abs=20
    )
    walled = make_nodules(6, size=40, seed=3, noise_hu=0, nodule_fraction=0, pleural_fraction=1)
    assert (walled.volumes > -200).mean() > (made.volumes > -200).mean() + 0.05
    assert walled.volumes.max() > 300, "a rib"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_volumes": 0}, "n_volumes must be at least 1"),
        ({"size": 4}, "size must be at least 8"),
        ({"size": (16, 16)}, "size must be at least 8 voxels along z, y and x"),
        ({"spacing_mm": (1, 0, 1)}, "spacing_mm must be three positive"),
        ({"nodule_fraction": 1.2}, "fractions must lie"),
        ({"diameter_mm": (6, 4)}, "diameter_mm must be"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(CourseError, match=said):
        make_nodules(**{"n_volumes": 1, "size": 16, **options})
