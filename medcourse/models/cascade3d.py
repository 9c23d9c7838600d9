"""A cascade of two 3D networks: one screens the whole volume at once, the other judges what it found.

Q. Dou et al. Automatic Detection of Cerebral Microbleeds From MR Images via 3D Convolutional Neural Networks. IEEE
Transactions on Medical Imaging 35(5):1182-1195, 2016. https://doi.org/10.1109/TMI.2016.2528129

The paper gives sizes as x by y by z; here the axes are (Z, Y, X), so its 16 x 16 x 10 are 10 by 16 by 16.
The sizes of the screening network are given from memory of the paper.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from medcourse.errors import CourseError

Size = tuple[int, int, int]
SCREEN_WINDOW: Size = (10, 16, 16)
SCREEN_STRIDE = 2  # of the score map, in voxels along each axis: the pooling's
JUDGE_WINDOW: Size = (16, 20, 20)


class ScreenNet(nn.Module):
    """The first stage: windows of 10 x 16 x 16 voxels, or whole volumes, to the score of a microbleed.

    Three convolutions, one pooling, and two dense layers that are written as convolutions, so that one pass over a
    volume gives a score for every second voxel along each axis.

    Parameters
    ----------
    width
        Feature maps of the convolutions; the paper has 64.
    hidden
        Neurons of the dense layer; the paper has 150.
    dims
        3, or 2: the same network with kernels one voxel high, for windows of one slice.

    Examples
    --------
    >>> net = ScreenNet(width=4, hidden=8)
    >>> net(torch.zeros(1, 1, 10, 16, 16)).shape, net(torch.zeros(1, 1, 14, 20, 24)).shape
    (torch.Size([1, 2, 1, 1, 1]), torch.Size([1, 2, 3, 3, 5]))
    """

    def __init__(self, width: int = 64, hidden: int = 150, *, dims: Literal[2, 3] = 3) -> None:
        super().__init__()
        if dims not in (2, 3):
            raise CourseError(f"dims must be 2 or 3, got {dims}")
        deep = dims == 3
        self.features = nn.Sequential(
            nn.Conv3d(1, width, (3 if deep else 1, 5, 5)),
            nn.ReLU(),
            nn.MaxPool3d((2 if deep else 1, 2, 2)),
            nn.Conv3d(width, width, (3 if deep else 1, 3, 3)),
            nn.ReLU(),
            nn.Conv3d(width, width, (1, 3, 3)),
            nn.ReLU(),
        )
        self.dense = nn.Conv3d(width, hidden, (2 if deep else 1, 2, 2))
        self.to_logits = nn.Conv3d(hidden, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, D, H, W) to raw logits (B, 2, D', H', W'), with D' = (D - 2) // 2 - 3, H' = (H - 4) // 2 - 5."""
        maps = self.features(x)  # (B, width, 2, 2, 2) for a window
        logits: Tensor = self.to_logits(torch.relu(self.dense(maps)))
        return logits


class JudgeNet(nn.Module):
    """The second stage: windows of 16 x 20 x 20 voxels to two logits.

    Parameters
    ----------
    width
        Feature maps of the first convolution, and half of those of the second; the paper has 32.
    hidden
        Neurons of the two dense layers; the paper has 500 and 100.
    window
        Size of the input along (z, y, x).
    dropout
        Share of the dense layers' neurons that are switched off in training, in [0, 1).

    Examples
    --------
    >>> JudgeNet(width=4, hidden=(8, 4))(torch.zeros(3, 1, 16, 20, 20)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        width: int = 32,
        hidden: tuple[int, int] = (500, 100),
        *,
        window: Size = JUDGE_WINDOW,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(1, width, (5, 7, 7)),
            nn.ReLU(),
            nn.MaxPool3d(2),
            nn.Conv3d(width, 2 * width, (3, 5, 5)),
            nn.ReLU(),
        )
        left = [(n - k + 1) // 2 - m + 1 for n, k, m in zip(window, (5, 7, 7), (3, 5, 5), strict=True)]
        if min(left) < 1:
            raise CourseError(f"window must leave a voxel after both convolutions, (10, 16, 16) at least, got {window}")
        self.classify = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * width * left[0] * left[1] * left[2], hidden[0]),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden[0], hidden[1]),
            nn.ReLU(),
            nn.Linear(hidden[1], 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, D, H, W) to raw logits (B, 2); subtract the mean before, as the paper does."""
        logits: Tensor = self.classify(self.features(x))
        return logits


def map_places_mm(
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    *,
    window: Sequence[int] = SCREEN_WINDOW,
    stride: int | Sequence[int] = SCREEN_STRIDE,
) -> Tensor:
    """Return where each cell of a score map looks: the middle of its window, in mm from the first voxel's middle.

    Parameters
    ----------
    shape
        Of the map, (D', H', W').
    spacing_mm
        Of the volume, (z, y, x).
    window, stride
        Of the network, in voxels.

    Returns
    -------
    (D', H', W', 3) float64 tensor.

    Examples
    --------
    >>> map_places_mm((1, 1, 2), (2, 1, 1))[0, 0].tolist()
    [[9.0, 7.5, 7.5], [9.0, 7.5, 9.5]]
    """
    strides = [stride] * 3 if isinstance(stride, int) else list(stride)
    axes = [
        (torch.arange(n, dtype=torch.float64) * step + (size - 1) / 2) * mm
        for n, step, size, mm in zip(shape, strides, window, spacing_mm, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


@torch.no_grad()
def score_map(net: nn.Module, volume: Tensor, *, slab: int = 64) -> Tensor:
    """Return the probability of class 1 at every place of a screening network's map, piece by piece along z.

    Parameters
    ----------
    net
        Maps (1, 1, D, H, W) to logits (1, 2, D', H', W') with stride 2 and a window of 10 voxels along z.
    volume
        (D, H, W), on any device; it is moved to the network's.
    slab
        Cells along z that are computed at a time: a volume at full resolution would fill a graphics card.

    Returns
    -------
    (D', H', W') tensor on the processor, in the network's precision but float32 at least. In float32 many sure scores
    are exactly 1 and cannot be ranked; a network in float64 keeps them apart.
    """
    parameter = next(net.parameters())
    depth, pieces = (volume.shape[0] - 2) // 2 - 3, []
    if depth < 1:
        raise CourseError(f"volume must be at least {SCREEN_WINDOW} voxels, got {tuple(volume.shape)}")
    for first in range(0, depth, slab):
        last = min(first + slab, depth)
        piece = volume[SCREEN_STRIDE * first : SCREEN_STRIDE * (last - 1) + SCREEN_WINDOW[0]]
        logits = net(piece.to(parameter.device, parameter.dtype)[None, None])
        wide = torch.promote_types(logits.dtype, torch.float32)
        pieces.append(logits.to(wide).softmax(1)[0, 1].cpu())
    return torch.cat(pieces)


def cut_windows(
    volume: NDArray[np.floating], spacing_mm: Sequence[float], centres_mm: ArrayLike, window: Size
) -> NDArray[np.float32]:
    """Cut a window of whole voxels around each place; outside of the volume its outermost voxels are repeated.

    Parameters
    ----------
    volume
        (D, H, W).
    spacing_mm
        Of the volume, (z, y, x).
    centres_mm
        (N, 3), (z, y, x) from the middle of the first voxel; each is met to half a voxel.
    window
        Voxels along (z, y, x).

    Returns
    -------
    (N, 1, *window) float32.

    Examples
    --------
    >>> volume = np.arange(5.0).reshape(1, 1, 5)
    >>> cut_windows(volume, (1, 1, 2), [[0, 0, 4.0], [0, 0, 0]], (1, 1, 3))[:, 0, 0, 0].tolist()
    [[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    """
    centres = np.asarray(centres_mm, dtype=np.float64).reshape(-1, 3)
    size = np.array(window)
    first = np.rint(centres / np.asarray(spacing_mm) - (size - 1) / 2).astype(int)  # (N, 3)
    out = np.empty((len(centres), 1, *window), np.float32)
    for i, corner in enumerate(first):
        places = [np.clip(np.arange(c, c + n), 0, m - 1) for c, n, m in zip(corner, size, volume.shape, strict=True)]
        out[i, 0] = volume[np.ix_(*places)]
    return out
