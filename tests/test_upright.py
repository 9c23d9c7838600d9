"""Anatomy tells how a labelled brain lies, where its header does not."""

import itertools

import numpy as np
import pytest
from sklearn.utils import Bunch

from medcourse.datasets import stand_upright

DEEP, STEM, CEREBELLUM = 5, 6, 7


def brain():
    """Blocks in (right, front, up): nuclei on top, the stem below, the cerebellum behind the stem and lower."""
    labels = np.zeros((20, 24, 18), np.int8)
    labels[6:14, 11:15, 11:14] = DEEP
    labels[8:12, 9:12, 3:10] = STEM
    labels[5:15, 3:8, 2:6] = CEREBELLUM
    image = labels + np.arange(20.0)[:, None, None] / 100
    return Bunch(images=[image.astype(np.float32)], labels=[labels], spacing_mm=[(1.0, 1.1, 1.2)], names=("a", "b"))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_a_brain_stands_however_it_lay(axes, flips):
    upright = brain()
    lying = Bunch(
        images=[np.flip(upright.images[0].transpose(axes), flips)],
        labels=[np.flip(upright.labels[0].transpose(axes), flips)],
        spacing_mm=[tuple(upright.spacing_mm[0][axis] for axis in axes)],
        names=upright.names,
    )
    turned = stand_upright(lying)
    assert turned.spacing_mm == upright.spacing_mm
    assert turned.names == upright.names
    # The blocks are symmetric from side to side: left and right cannot be told, and need not be.
    np.testing.assert_array_equal(turned.labels[0], upright.labels[0])
    across = turned.images[0] - turned.labels[0]
    mirrored = axes.index(0) in flips
    np.testing.assert_allclose(across[::-1] if mirrored else across, upright.images[0] - upright.labels[0], atol=1e-6)


def test_a_brain_whose_header_is_right_stays_as_it_is():
    upright = brain()
    np.testing.assert_array_equal(stand_upright(upright).images[0], upright.images[0])


def test_without_the_parts_that_tell_nothing_is_turned():
    plain = brain()
    plain.labels[0] = np.where(plain.labels[0] == STEM, 0, plain.labels[0])
    lying = Bunch(
        **{**plain, "labels": [plain.labels[0].transpose(2, 0, 1)], "images": [plain.images[0].transpose(2, 0, 1)]}
    )
    np.testing.assert_array_equal(stand_upright(lying).labels[0], lying.labels[0])
