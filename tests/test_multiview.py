"""The multi-view network: its size, what it shares, and what its fusions mean."""

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.device import pick_device
from medcourse.errors import CourseError
from medcourse.models.multiview import FUSIONS, MultiViewNet, Stream, member_loss


def small(**changes):
    torch.manual_seed(0)
    return MultiViewNet(**{"n_views": 9, "side": 24, "maps": (2, 3, 4), "features": 5, **changes}).eval()


def test_the_paper_s_sizes_counted_by_hand():
    # 24 kernels 5 x 5; 32 of 24 x 3 x 3; 48 of 32 x 3 x 3; 64 -> 30 -> 14 -> 6, so 48 x 36 to 16; 9 x 16 to one logit.
    stream = 24 * 26 + 32 * (24 * 9 + 1) + 48 * (32 * 9 + 1) + 16 * (48 * 36 + 1)
    counts = {
        fusion: sum(p.numel() for p in MultiViewNet(fusion=fusion).parameters()) for fusion in ("late", "committee")
    }
    assert counts == {"late": stream + 9 * 16 + 1, "committee": stream + 16 + 1}


def test_all_views_go_through_one_stream():
    net = small(fusion="committee")
    assert sum(isinstance(module, Stream) for module in net.modules()) == 1
    plane = torch.rand(1, 1, 24, 24)
    logits = net(plane.repeat(1, 9, 1, 1))
    assert logits.detach() == pytest.approx(np.full((1, 9), logits[0, 0].item()), rel=1e-5)


def test_a_committee_is_the_mean_of_probabilities_of_single_views():
    net, planes = small(fusion="committee"), torch.rand(3, 9, 24, 24)
    alone = small(n_views=1)
    alone.load_state_dict(net.state_dict())
    with torch.no_grad():
        one_by_one = torch.stack([alone.probability(planes[:, [v]]) for v in range(9)], dim=1)
        assert net.probability(planes) == pytest.approx(one_by_one.mean(1))


def test_a_committee_does_not_care_which_view_is_which_and_late_fusion_does():
    planes, order = torch.rand(2, 9, 24, 24), torch.randperm(9, generator=torch.Generator().manual_seed(1))
    for fusion in FUSIONS:
        net = small(fusion=fusion)
        with torch.no_grad():
            change = (net.probability(planes) - net.probability(planes[:, order])).abs().max().item()
        assert (change < 1e-6) == (fusion == "committee")


def test_mixed_fusion_is_a_committee_of_late_ones():
    net, planes = small(fusion="mixed"), torch.rand(2, 9, 24, 24)
    late = small(n_views=3)
    late.stream.load_state_dict(net.stream.state_dict())
    with torch.no_grad():
        probabilities = []
        for member, judge in enumerate(net.classifiers):
            late.classifiers[0].load_state_dict(judge.state_dict())
            probabilities.append(late.probability(planes[:, member::3]))
        assert net.probability(planes) == pytest.approx(torch.stack(probabilities).mean(0))


def test_the_loss_is_the_mean_over_members():
    logits = torch.tensor([[0.0, 2.0], [-1.0, 0.0]])
    truth = torch.tensor([1, 0])
    each = [np.log1p(np.exp(0)), np.log1p(np.exp(-2)), np.log1p(np.exp(-1)), np.log1p(np.exp(0))]
    assert member_loss(logits, truth).item() == pytest.approx(np.mean(each))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_it_learns_to_tell_a_ball_from_a_tube(fusion):
    """In the first plane both are round; only the others know."""
    rng, n = np.random.default_rng(0), 96
    is_ball = torch.as_tensor(rng.integers(0, 2, n))
    rows, columns = torch.meshgrid(*[torch.arange(24) - 11.5] * 2, indexing="ij")
    disc, bar = (rows**2 + columns**2 < 16).float(), (columns.abs() < 4).float()
    planes = disc.repeat(n, 9, 1, 1)
    planes[is_ball == 0, 1:] = bar
    planes = planes + 0.3 * torch.as_tensor(rng.normal(size=planes.shape), dtype=torch.float32)
    net = small(fusion=fusion, features=8, dropout=0.0).to(pick_device())
    planes, is_ball = planes.to(pick_device()), is_ball.to(pick_device())
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        member_loss(net(planes), is_ball).backward()
        optimiser.step()
    right = ((net.probability(planes) > 0.5) == (is_ball == 1)).float().mean().item()
    assert right > 0.95


def test_glorot_s_initialisation():
    first = next(m for m in MultiViewNet().modules() if isinstance(m, nn.Conv2d))
    assert first.weight.std().item() == pytest.approx(np.sqrt(2 / (25 + 24 * 25)), rel=0.1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(CourseError, match="committee, late, mixed"):
        MultiViewNet(fusion="early")
    with pytest.raises(CourseError, match="8 views cannot be dealt out evenly to 3"):
        MultiViewNet(8, fusion="mixed")
    with pytest.raises(CourseError, match="at least 24 pixels"):
        MultiViewNet(side=16)
    with pytest.raises(CourseError, match=r"\(B, 9, n, n\), got \(2, 3, 24, 24\)"):
        small()(torch.zeros(2, 3, 24, 24))
