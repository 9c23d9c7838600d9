"""The multi-view network of Setio et al. 2016 for candidates of lung nodules, and its three ways to fuse views.

A candidate is seen in several planes. One small stream of convolutions reads each of them, always the same one: its
weights are shared. Where the views meet is what the fusions differ in:

committee
    each view has its own opinion, and the mean of their probabilities counts;
late
    the views' features stand side by side, and one classifier reads all of them;
mixed
    a committee of late fusions, each of a third of the views.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError

FUSIONS = ("committee", "late", "mixed")


class Stream(nn.Sequential):
    """Read one plane: three unpadded convolutions with ReLU and pooling, then a dense layer.

    Parameters
    ----------
    side
        Pixels along a plane's side.
    maps
        Feature maps of the convolutions, whose kernels are 5, 3 and 3 pixels wide.
    features
        Numbers that a plane becomes.

    Examples
    --------
    >>> Stream(64)(torch.zeros(2, 1, 64, 64)).shape
    torch.Size([2, 16])
    """

    def __init__(self, side: int = 64, *, maps: Sequence[int] = (24, 32, 48), features: int = 16) -> None:
        left, layers = side, []
        for c_in, c_out, kernel in zip([1, *maps[:-1]], maps, (5, 3, 3), strict=True):
            layers += [nn.Conv2d(c_in, c_out, kernel), nn.ReLU(), nn.MaxPool2d(2)]
            left = (left - kernel + 1) // 2
        if left < 1:
            raise CourseError(f"side must be at least 24 pixels, so that something is left after pooling, got {side}")
        super().__init__(*layers, nn.Flatten(), nn.Linear(maps[-1] * left**2, features), nn.ReLU())
        self.features = features


class MultiViewNet(nn.Module):
    """Classify candidates by several planes through each.

    The defaults are the paper's sizes, as far as it gives them: 9 planes of 64 x 64 pixels, 24, 32 and 48 maps, 16
    features a plane, dropout of one half before the classifier. Unpadded convolutions are ours.

    Parameters
    ----------
    n_views
        Planes of a candidate.
    fusion
        "committee", "late" or "mixed".
    side, maps, features
        Of the streams.
    dropout
        Share of features left out in training.
    members
        Late fusions of a mixed one; each gets every `members`-th view.

    Examples
    --------
    >>> MultiViewNet()(torch.zeros(2, 9, 64, 64)).shape
    torch.Size([2, 1])
    >>> MultiViewNet(fusion="committee")(torch.zeros(2, 9, 64, 64)).shape
    torch.Size([2, 9])
    """

    def __init__(
        self,
        n_views: int = 9,
        *,
        fusion: str = "late",
        side: int = 64,
        maps: Sequence[int] = (24, 32, 48),
        features: int = 16,
        dropout: float = 0.5,
        members: int = 3,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS:
            raise CourseError(f"fusion must be one of {', '.join(FUSIONS)}, got {fusion!r}")
        n_members = {"committee": n_views, "late": 1, "mixed": members}[fusion]
        if n_views < 1 or n_views % n_members:
            raise CourseError(f"{n_views} views cannot be dealt out evenly to {n_members} members")
        self.n_views, self.fusion, self.n_members = n_views, fusion, n_members
        self.stream = Stream(side, maps=maps, features=features)
        self.dropout = nn.Dropout(dropout)
        # A committee's members see different planes through the same stream, and judge by the same classifier.
        n_classifiers = 1 if fusion == "committee" else n_members
        views_each = n_views // n_members
        self.classifiers = nn.ModuleList(nn.Linear(views_each * features, 1) for _ in range(n_classifiers))
        self.apply(_init_glorot)

    def forward(self, planes: Tensor) -> Tensor:
        """Map planes (B, P, n, n) to the raw logits (B, M) of the members, M = 1 for late fusion.

        Train with the mean of the members' losses (`member_loss`); `probability` is the network's answer.
        """
        batch, views = planes.shape[:2]
        if views != self.n_views:
            raise CourseError(f"planes must be (B, {self.n_views}, n, n), got {tuple(planes.shape)}")
        seen = self.stream(planes.flatten(0, 1)[:, None])  # (B * P, F)
        seen = self.dropout(seen).reshape(batch, views // self.n_members, self.n_members, -1)
        dealt = seen.transpose(1, 2).flatten(2)  # (B, M, P / M * F)
        if len(self.classifiers) == 1:
            return self.classifiers[0](dealt)[..., 0]  # type: ignore[no-any-return]
        return torch.cat([judge(dealt[:, m]) for m, judge in enumerate(self.classifiers)], dim=1)

    def probability(self, planes: Tensor) -> Tensor:
        """Map planes (B, P, n, n) to the probability of a nodule (B,): the mean of the members'."""
        return self(planes).float().sigmoid().mean(dim=1)  # type: ignore[no-any-return]


def member_loss(logits: Tensor, is_nodule: Tensor) -> Tensor:
    """Return the mean cross-entropy of all members' logits (B, M) against the truth (B,)."""
    target = is_nodule.to(logits.dtype)[:, None].expand_as(logits)
    return functional.binary_cross_entropy_with_logits(logits, target)


def _init_glorot(module: nn.Module) -> None:
    """Draw weights as Glorot and Bengio 2010, which the paper took."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
