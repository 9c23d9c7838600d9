"""Simulated candidates for mitosis: what stain, shape and light must be, and that the same cells appear on any grid."""

import numpy as np
import pytest

from medcourse.datasets import make_mitoses, separate_stains, stain_vectors
from medcourse.datasets.mitoses import EASE, MITOTIC, OTHERS
from medcourse.errors import CourseError

CELLS = make_mitoses(240, defocus_um=0, photons=np.inf, seed=1)
KIND = np.array(CELLS.kind)
# Haematoxylin in the middle 8 micrometres, where the candidate lies.
AXIS = np.abs((np.arange(32) - 15.5) * CELLS.spacing_um)
MIDDLE = np.hypot(AXIS[:, None], AXIS) < 4


def test_counts_and_truth():
    assert CELLS.truth.sum() == 96
    assert set(KIND[CELLS.truth == 1]) == set(MITOTIC)
    assert set(KIND[CELLS.truth == 0]) == set(OTHERS)
    assert make_mitoses(5, mitotic=0).truth.sum() == 0
    assert "SIMULATED" in CELLS.description
    assert CELLS.names[:2] == ["cell-000", "cell-001"]


def test_the_camera_sees_what_the_stains_absorb():
    vectors = stain_vectors(["haematoxylin", "eosin"])
    weak = CELLS.amounts.max(-1) < 0.7  # above, 8 bits have few steps left
    found = separate_stains(CELLS.images, vectors)
    np.testing.assert_allclose(found[weak], CELLS.amounts[weak], atol=0.02)


def test_chromatin_of_a_mitosis_is_dense_and_that_of_interphase_is_not():
    dense = CELLS.amounts[:, MIDDLE, 0].max(1)
    assert np.median(dense[KIND == "metaphase"]) > 1.4 * np.median(dense[KIND == "interphase"])
    # The nucleus of interphase is larger.
    area = (CELLS.amounts[..., 0] > 0.3)[:, MIDDLE].sum(1)
    assert np.median(area[KIND == "interphase"]) > 1.5 * np.median(area[KIND == "metaphase"])


def test_a_dying_cell_is_pink_and_a_dividing_one_pale():
    ring = (np.hypot(AXIS[:, None], AXIS) > 2.8) & (np.hypot(AXIS[:, None], AXIS) < 4.2)
    free = CELLS.amounts[..., 0] < 0.25  # no chromatin
    pink = np.array(
        [a[ring & f, 1].mean() if (ring & f).any() else np.nan for a, f in zip(CELLS.amounts, free, strict=True)]
    )
    assert np.nanmedian(pink[KIND == "pyknotic"]) > 1.3 * np.nanmedian(pink[CELLS.truth == 1])


def test_a_plate_is_longer_than_wide():
    def elongation(amount):
        y, x = np.nonzero((amount > 0.5) & MIDDLE)
        low, high = np.linalg.eigvalsh(np.cov(np.stack([y, x])) + 0.05 * np.eye(2))
        return high / low

    plates = [elongation(a) for a in CELLS.amounts[KIND == "metaphase", ..., 0]]
    round_ones = [elongation(a) for a in CELLS.amounts[KIND == "lymphocyte", ..., 0]]
    assert np.median(plates) > 3
    assert np.median(round_ones) < 1.5


def test_the_same_cells_appear_on_any_grid():
    fine = make_mitoses(8, size=96, spacing_um=0.625 / 3, defocus_um=0, seed=4).amounts[..., 0]
    coarse = make_mitoses(8, defocus_um=0, seed=4).amounts[..., 0]
    blocks = fine.reshape(8, 32, 3, 32, 3).mean((2, 4))
    for a, b in zip(blocks, coarse, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98


def test_blur_hides_detail_and_makes_it_harder():
    sharp, soft = (make_mitoses(30, defocus_um=um, photons=np.inf, seed=5) for um in (0, 1.5))
    for a, b in zip(sharp.images.astype(float), soft.images.astype(float), strict=True):
        assert a[..., 0].std() > b[..., 0].std()
        assert a.mean() == pytest.approx(b.mean(), abs=6)  # the light is all still there
    assert (soft.ease < sharp.ease).all()
    assert (sharp.ease == np.clip([2 * EASE[kind] for kind in sharp.kind], 0.1, 2.5)).all()


def test_photons_are_counted():
    bright, dim = (make_mitoses(6, photons=photons, seed=6).images.astype(float) for photons in (1e5, 200))
    clean = make_mitoses(6, photons=np.inf, seed=6).images.astype(float)
    light = clean / 255
    np.testing.assert_allclose(np.std((dim - clean) / 255 / np.sqrt(light / 200)), 1, atol=0.05)
    assert np.std(bright - clean) < 2


def test_the_seed_decides():
    np.testing.assert_array_equal(make_mitoses(4, seed=2).images, make_mitoses(4, seed=2).images)
    assert (make_mitoses(4, seed=2).images != make_mitoses(4, seed=3).images).any()


def test_says_what_is_wrong():
    with pytest.raises(CourseError, match="mitotic"):
        make_mitoses(4, mitotic=1.5)
    with pytest.raises(CourseError, match="photons"):
        make_mitoses(4, photons=0)
