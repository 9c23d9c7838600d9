"""The three-branch network: the paper's sizes, and a dense prediction that equals the one patch by patch."""

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.errors import CourseError
from medcourse.models import multiscale
from medcourse.models.multiscale import PAPER, FromLargest, MultiScaleNet, Scale

SMALL = (Scale(11, (3, 3, 2), (True, False, False)), Scale(19, (5, 3, 2), (True, True, False)))


def weights(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("scale", "left"), [(PAPER[0], 2), (PAPER[1], 3), (PAPER[2], 4)])
def test_what_is_left_of_each_patch_before_the_full_connection_is_computed_by_hand(scale, left):
    # 25: 21, 10, 8, 4, 2. 51: 45, 22, 18, 9, 7, 3. 75: 67, 33, 27, 13, 9, 4.
    linear = next(m for m in multiscale.branch(scale) if isinstance(m, nn.Linear))
    assert linear.in_features == 48 * left**2
    assert linear.out_features == 256


def test_weights_of_the_smallest_branch_are_those_counted_by_hand():
    by_hand = 24 * 26 + 32 * (24 * 9 + 1) + 48 * (32 * 9 + 1) + 256 * (48 * 4 + 1)
    assert weights(multiscale.branch(PAPER[0])) == by_hand


@pytest.mark.parametrize("scales", [PAPER, SMALL, (Scale(13, (4, 3, 2), (True, False, False)),)])
def test_dense_prediction_equals_patch_by_patch(scales):
    torch.manual_seed(0)
    net = MultiScaleNet(4, scales=scales, maps=(3, 4, 5), features=8).eval()
    image = np.random.default_rng(1).random((41, 46)).astype(np.float32)
    slow = multiscale.patchwise_logits(net, net.sides, image)
    dense = multiscale.dense_logits(net, net.sides, image)
    assert slow.shape == (4, 41, 46)
    assert float(slow.std()) > 1e-3, "logits that do not vary would be equal for no reason"
    torch.testing.assert_close(dense, slow, rtol=1e-4, atol=1e-5)


def test_a_delta_is_seen_as_far_as_half_the_patch_and_no_further():
    torch.manual_seed(0)
    net = MultiScaleNet(2, scales=SMALL[:1], maps=(8, 8, 8), features=16).eval()
    image = np.zeros((31, 31), np.float32)
    flat = multiscale.dense_logits(net, net.sides, image)
    image[15, 15] = 5
    changed = (multiscale.dense_logits(net, net.sides, image) - flat).abs().amax(0).numpy() > 0
    rows, columns = np.nonzero(changed)
    # Half a patch of 11 is 5; the last row and column are lost where pooling halves an odd side of 9.
    assert rows.min() >= 10
    assert rows.max() <= 20
    assert columns.min() >= 10
    assert columns.max() <= 20
    assert changed[15, 15]


def test_the_largest_patch_holds_the_others_in_its_middle():
    torch.manual_seed(0)
    net = MultiScaleNet(3, scales=SMALL, maps=(2, 2, 2), features=4).eval()
    image = np.random.default_rng(2).random((30, 30)).astype(np.float32)
    rows, columns = np.array([0, 12, 29]), np.array([3, 29, 14])
    patches = [torch.as_tensor(multiscale.patches_at(image, rows, columns, side))[:, None] for side in net.sides]
    torch.testing.assert_close(FromLargest(net, net.sides)(patches[-1]), net(patches))


def test_a_patch_is_mirrored_and_has_its_pixel_in_the_middle():
    image = np.arange(30.0).reshape(5, 6)
    patch = multiscale.patches_at(image, np.array([0, 4]), np.array([0, 5]), 5)
    assert patch[:, 2, 2].tolist() == [0, 29]
    assert patch[0, 0].tolist() == [14, 13, 12, 13, 14]


def test_segment_falls_back_to_patches_and_keeps_to_the_mask():
    class Middle(nn.Module):
        """Class 1 where the middle pixel is bright."""

        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, patches):
            bright = self.gain * patches[0][:, 0, 2, 2]
            return torch.stack([0.5 - bright, bright - 0.5], dim=1)

    image = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    mask = np.array([[True, True, False], [True, True, True], [True, True, True]])
    assert multiscale.segment(Middle(), (5,), image, mask).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


def test_wrong_sizes_are_refused():
    with pytest.raises(CourseError, match="odd"):
        multiscale.branch(Scale(24, (5, 3, 3), (True, True, False)))
    with pytest.raises(CourseError, match="large enough"):
        multiscale.branch(Scale(9, (5, 5, 5), (True, True, False)))
    with pytest.raises(CourseError, match="at least one"):
        MultiScaleNet(2, scales=())
    with pytest.raises(CourseError, match="each of 2"):
        MultiScaleNet(2, scales=SMALL)([torch.zeros(1, 1, 11, 11)])
    with pytest.raises(CourseError, match="odd and below"):
        multiscale.patches_at(np.zeros((4, 4)), np.array([0]), np.array([0]), 9)
    net = MultiScaleNet(2, scales=SMALL[:1], maps=(1, 1, 1), features=2)
    net.branches[0].append(nn.Tanh())
    with pytest.raises(CourseError, match="Tanh"):
        multiscale.dense_logits(net, net.sides, np.zeros((12, 12), np.float32))
    with pytest.raises(CourseError, match="branches"):
        multiscale.dense_logits(nn.Linear(1, 1), (11,), np.zeros((12, 12), np.float32))
