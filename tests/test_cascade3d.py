"""The two networks of Dou 2016, at the paper's sizes, and their map against the sliding window."""

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.errors import CourseError
from medcourse.models.cascade3d import (
    JUDGE_WINDOW,
    SCREEN_WINDOW,
    JudgeNet,
    ScreenNet,
    cut_windows,
    map_places_mm,
    score_map,
)


def test_the_screening_network_has_the_papers_layers():
    net = ScreenNet()
    convs = [module for module in net.modules() if isinstance(module, nn.Conv3d)]
    assert [(c.out_channels, c.kernel_size) for c in convs] == [
        (64, (3, 5, 5)),
        (64, (3, 3, 3)),
        (64, (1, 3, 3)),
        (150, (2, 2, 2)),
        (2, (1, 1, 1)),
    ]
    assert net(torch.zeros(1, 1, *SCREEN_WINDOW)).shape == (1, 2, 1, 1, 1)


def test_the_judge_has_the_papers_layers():
    net = JudgeNet()
    convs = [module for module in net.modules() if isinstance(module, nn.Conv3d)]
    dense = [module for module in net.modules() if isinstance(module, nn.Linear)]
    assert [(c.out_channels, c.kernel_size) for c in convs] == [(32, (5, 7, 7)), (64, (3, 5, 5))]
    assert [layer.out_features for layer in dense] == [500, 100, 2]
    assert net(torch.zeros(2, 1, *JUDGE_WINDOW)).shape == (2, 2)


def test_the_map_is_the_sliding_window():
    torch.manual_seed(0)
    net, volume = ScreenNet(width=6, hidden=8), torch.randn(18, 26, 22)
    got = score_map(net, volume)
    assert got.shape == (5, 6, 4)
    for k, j, i in [(0, 0, 0), (4, 5, 3), (2, 1, 3), (1, 4, 0)]:
        window = volume[2 * k : 2 * k + 10, 2 * j : 2 * j + 16, 2 * i : 2 * i + 16]
        with torch.no_grad():
            expected = net(window[None, None]).flatten(1).softmax(1)[0, 1]
        assert got[k, j, i] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("slab", [1, 2, 5])
def test_slabs_have_no_seam(slab):
    torch.manual_seed(0)
    net, volume = ScreenNet(width=4, hidden=4), torch.randn(23, 20, 18)
    torch.testing.assert_close(score_map(net, volume, slab=slab), score_map(net, volume), atol=1e-6, rtol=0)


def test_a_flat_network_sees_one_slice():
    assert ScreenNet(4, 8, dims=2)(torch.zeros(3, 1, 1, 16, 16)).shape == (3, 2, 1, 1, 1)


def test_places_are_the_middles_of_the_windows():
    places = map_places_mm((2, 1, 3), (2.0, 1.0, 0.5))
    assert places.shape == (2, 1, 3, 3)
    assert places[1, 0, 2].tolist() == [(2 + 4.5) * 2.0, 7.5, (4 + 7.5) * 0.5]


def test_what_does_not_fit_is_refused():
    with pytest.raises(CourseError, match="dims must be 2 or 3"):
        ScreenNet(dims=4)
    with pytest.raises(CourseError, match=r"got \(8, 20, 20\)"):
        JudgeNet(window=(8, 20, 20))
    with pytest.raises(CourseError, match="at least"):
        score_map(ScreenNet(2, 2), torch.zeros(8, 20, 20))


def test_a_window_holds_the_voxel_that_it_was_asked_for():
    volume = np.arange(20.0 * 24 * 28).reshape(20, 24, 28)
    centre = np.array([9, 11, 13]) * (2.0, 1.0, 0.5)
    (window,) = cut_windows(volume, (2.0, 1.0, 0.5), [centre], (5, 7, 3))
    np.testing.assert_array_equal(window[0], volume[7:12, 8:15, 12:15])
    assert cut_windows(volume, (2, 1, 1), np.empty((0, 3)), (5, 7, 3)).shape == (0, 1, 5, 7, 3)


def test_a_cell_of_the_map_is_the_window_around_its_place():
    torch.manual_seed(0)
    net, volume = ScreenNet(width=4, hidden=4), torch.randn(14, 20, 22)
    places = map_places_mm((3, 3, 4), (2.0, 1.0, 1.0)).reshape(-1, 3)
    windows = torch.as_tensor(cut_windows(volume.numpy(), (2.0, 1.0, 1.0), places, SCREEN_WINDOW))
    with torch.no_grad():
        expected = net(windows).softmax(1)[:, 1].flatten()
    torch.testing.assert_close(score_map(net, volume).flatten(), expected, atol=1e-6, rtol=1e-5)
