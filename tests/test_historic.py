import numpy as np
import pytest
import torch

from medcourse.errors import CourseError
from medcourse.models import detectors, historic


def test_weights_are_counted_by_the_formula():
    net = historic.HistoricCNN(16, in_channels=3, maps=(6, 4), kernels=(5, 3))
    expected = 6 * (3 * 25 + 1) + 4 * (6 * 9 + 1) + 4 * 10**2 + 1
    assert sum(parameter.numel() for parameter in net.parameters()) == expected
    assert net(torch.zeros(2, 3, 16, 16)).shape == (2,)


def test_all_three_networks_take_their_blocks():
    for net, shape in (
        (historic.lo_1993(), (1, 32, 32)),
        (historic.chan_1995(), (1, 16, 16)),
        (historic.sahiner_1996(), (3, 16, 16)),
    ):
        assert torch.isfinite(net(torch.randn(4, *shape))).all()


@pytest.mark.parametrize(("maps", "kernels"), [((2,), (5, 5)), ((), ()), ((2, 2), (9, 9))])
def test_networks_that_cannot_be_are_refused(maps, kernels):
    with pytest.raises(CourseError, match="kernels"):
        historic.HistoricCNN(16, maps=maps, kernels=kernels)


def test_the_eight_views_are_the_symmetries_of_the_square():
    picture = torch.arange(9.0).reshape(3, 3)
    views = historic.eight_views(picture)
    assert len({tuple(view.flatten().tolist()) for view in views}) == 8
    turned = historic.eight_views(torch.rot90(picture))
    assert {tuple(v.flatten().tolist()) for v in views} == {tuple(v.flatten().tolist()) for v in turned}
    with pytest.raises(CourseError, match="square"):
        historic.eight_views(torch.zeros(2, 3))


def test_a_sphere_is_matched_best_at_its_centre_whatever_brightness_and_slope():
    y, x = np.indices((60, 60))
    ball = np.sqrt(np.clip(1 - ((y - 25) ** 2 + (x - 33) ** 2) / 36, 0, None))
    for image in (ball, 0.3 * ball + 5, ball + 0.01 * y):
        score = detectors.match_spheres(image, (6.0,))
        assert np.unravel_index(score.argmax(), score.shape) == (25, 33)
        assert score.max() > 0.85
        assert score.max() <= 1 + 1e-9


def test_a_speck_stands_out_of_a_slope_and_a_slope_does_not():
    image = np.add.outer(np.arange(80.0), np.arange(80.0)) / 10
    image += np.random.default_rng(0).normal(0, 0.01, image.shape)
    image[40, 30] += 1
    signal = detectors.enhance_specks(image)
    (peak,) = detectors.find_peaks(signal, radius_px=3, threshold=5, margin_px=5)
    assert np.abs(peak - (40, 30)).max() <= 1  # a box of three pixels answers alike on all nine


def test_blocks_are_cut_around_their_places_and_standardised():
    image = np.zeros((20, 20))
    image[7, 9] = 1
    (block,) = detectors.cut_blocks(image, np.array([[7, 9]]), 8)
    assert np.unravel_index(block.argmax(), block.shape) == (4, 4)
    assert block.mean() == pytest.approx(0, abs=1e-6)
    assert block.std() == pytest.approx(1, abs=1e-5)


def test_three_signals_make_a_cluster_whose_score_is_the_third():
    places = np.array([[10, 10], [12, 10], [10, 13], [80, 80], [81, 81]])
    found = detectors.find_clusters(places, np.array([5.0, 9.0, 4.0, 20.0, 20.0]), radius_px=8)
    assert found.scores.tolist() == [4.0]
    np.testing.assert_allclose(found.centres, [[32 / 3, 11]])
    nothing = detectors.find_clusters(np.zeros((0, 2)), np.zeros(0), radius_px=8)
    assert nothing.centres.shape == (0, 2)
