"""The network of Moeskops et al. 2016: patches of three sizes, a branch for each, one softmax; and its fast use.

A patch is classified by its middle pixel. Asked for every pixel, neighbouring patches share most of their work:
`dense_logits` does it once, and gives the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError


@dataclass(frozen=True)
class Scale:
    """A branch's patch and its three convolutions.

    Attributes
    ----------
    side
        Of the patch in pixels, odd.
    kernels
        Sides of the kernels.
    pooled
        Whether maximum pooling by 2 follows each.
    """

    side: int
    kernels: tuple[int, ...]
    pooled: tuple[bool, ...]


PAPER = (
    Scale(25, (5, 3, 3), (True, True, False)),
    Scale(51, (7, 5, 3), (True, True, True)),
    Scale(75, (9, 7, 5), (True, True, True)),
)


def branch(
    scale: Scale, *, maps: Sequence[int] = (24, 32, 48), features: int = 256, dropout: float = 0.5
) -> nn.Sequential:
    """Return the branch of a scale: (B, 1, side, side) to (B, features).

    Examples
    --------
    >>> branch(PAPER[2])(torch.zeros(2, 1, 75, 75)).shape
    torch.Size([2, 256])
    """
    if scale.side % 2 == 0:
        raise CourseError(f"side must be odd, so that a patch has a middle pixel, got {scale.side}")
    layers: list[nn.Module] = []
    before, side = 1, scale.side
    for kernel, pooled, after in zip(scale.kernels, scale.pooled, maps, strict=True):
        layers += [nn.Conv2d(before, after, kernel), nn.ReLU()]
        side -= kernel - 1
        if pooled:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        if side < 1:
            raise CourseError(f"expected a patch large enough for kernels {scale.kernels}, got side {scale.side}")
        before = after
    layers += [nn.Flatten(), nn.Linear(before * side**2, features), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


class MultiScaleNet(nn.Module):
    """Three branches that share nothing but the last layer.

    Parameters
    ----------
    n_classes
        Classes of the one softmax.
    scales
        One or more branches.
    maps, features, dropout
        Feature maps of the convolutions, and size and dropout of a branch's fully connected layer.
    """

    def __init__(
        self,
        n_classes: int = 9,
        *,
        scales: Sequence[Scale] = PAPER,
        maps: Sequence[int] = (24, 32, 48),
        features: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not scales:
            raise CourseError("scales must hold at least one scale, got none")
        self.branches = nn.ModuleList(branch(scale, maps=maps, features=features, dropout=dropout) for scale in scales)
        self.to_logits = nn.Linear(features * len(scales), n_classes)
        self.sides = tuple(scale.side for scale in scales)

    def forward(self, patches: Sequence[Tensor]) -> Tensor:
        """Map patches, one (B, 1, side, side) a branch, to raw logits (B, K)."""
        if len(patches) != len(self.branches):
            raise CourseError(f"expected a patch for each of {len(self.branches)} branches, got {len(patches)}")
        # (B, features) a branch
        answers = [module(patch) for module, patch in zip(self.branches, patches, strict=True)]
        return torch.as_tensor(self.to_logits(torch.cat(answers, dim=1)))  # (B, K)


class FromLargest(nn.Module):
    """The same network, fed with the largest patch alone: the others are its middle.

    Parameters
    ----------
    net
        Called with a list of patches.
    sides
        Of the patches that `net` takes.
    """

    def __init__(self, net: nn.Module, sides: Sequence[int]) -> None:
        super().__init__()
        self.net, self.sides = net, tuple(sides)

    def forward(self, largest: Tensor) -> Tensor:
        """Map (B, 1, S, S) with S the largest side to raw logits (B, K)."""
        rims = [(largest.shape[-1] - side) // 2 for side in self.sides]
        patches = [
            largest[..., rim : rim + side, rim : rim + side].contiguous()
            for rim, side in zip(rims, self.sides, strict=True)
        ]
        return torch.as_tensor(self.net(patches))


def patches_at(
    image: NDArray[np.floating], rows: NDArray[np.integer], columns: NDArray[np.integer], side: int
) -> NDArray[np.floating]:
    """Return the patches around some pixels, (N, side, side); beyond the border the image is mirrored.

    Examples
    --------
    >>> patches_at(np.arange(9.0).reshape(3, 3), np.array([0]), np.array([0]), 3)[0].tolist()
    [[4.0, 3.0, 4.0], [1.0, 0.0, 1.0], [4.0, 3.0, 4.0]]
    """
    windows = np.lib.stride_tricks.sliding_window_view(_mirrored(image, side), (side, side))
    return np.asarray(windows[rows, columns])


@torch.no_grad()
def patchwise_logits(net: nn.Module, sides: Sequence[int], image: NDArray[np.floating], *, batch: int = 256) -> Tensor:
    """Return (K, H, W) logits, each pixel's by its own patches: slow, and right for any network of patches."""
    device = next(net.parameters()).device
    rows, columns = (each.ravel() for each in np.indices(image.shape))
    answers = []
    for start in range(0, len(rows), batch):
        some = slice(start, start + batch)
        patches = [
            torch.as_tensor(patches_at(image, rows[some], columns[some], side), dtype=torch.float32)[:, None]
            for side in sides
        ]
        answers.append(net([patch.to(device) for patch in patches]))  # (N, K)
    return torch.cat(answers).T.reshape(-1, *image.shape).cpu()


@torch.no_grad()
def dense_logits(net: nn.Module, sides: Sequence[int], image: NDArray[np.floating]) -> Tensor:
    """Return the same as `patchwise_logits`, with each convolution done once for the image and not once a patch.

    Pooling by 2 would skip every other patch. So it moves by one pixel instead, and all that follows reads every
    second, fourth, ... pixel (dilation). A fully connected layer becomes a convolution as wide as what it flattened.

    Parameters
    ----------
    net
        Has `branches`, each an nn.Sequential of convolutions, ReLU, pooling, nn.Flatten, linear layers and dropout, and
        the linear layer `to_logits`.
    sides
        Of the branches' patches, odd.
    image
        (H, W), larger than half the largest side.

    Raises
    ------
    CourseError
        The network is built otherwise, or the image is too small to be mirrored.
    """
    branches, last = getattr(net, "branches", None), getattr(net, "to_logits", None)
    if not isinstance(branches, nn.ModuleList) or not isinstance(last, nn.Linear) or len(branches) != len(sides):
        raise CourseError("expected a network with a ModuleList `branches`, one a side, and a linear layer `to_logits`")
    device = last.weight.device
    answers = []
    for module, side in zip(branches, sides, strict=True):
        x = torch.as_tensor(_mirrored(image, side), dtype=torch.float32, device=device)[None, None]
        # Pooling drops the last row of an odd side, so a little too much comes out, at the end.
        answers.append(_dense_branch(module, x)[..., : image.shape[0], : image.shape[1]])
    return functional.conv2d(torch.cat(answers, dim=1), last.weight[..., None, None], last.bias)[0].cpu()  # (K, H, W)


def _dense_branch(module: nn.Module, x: Tensor) -> Tensor:
    if not isinstance(module, nn.Sequential):
        raise CourseError(f"expected branches that are nn.Sequential, got {type(module).__name__}")
    step = 1
    for layer in module:
        if isinstance(layer, nn.Conv2d):
            x = functional.conv2d(x, layer.weight, layer.bias, dilation=step)
        elif isinstance(layer, nn.MaxPool2d):
            x = functional.max_pool2d(x, 2, stride=1, dilation=step)
            step *= 2
        elif isinstance(layer, nn.Linear):
            kernel = round((layer.in_features / x.shape[1]) ** 0.5)
            weight = layer.weight.reshape(-1, x.shape[1], kernel, kernel)
            x = functional.conv2d(x, weight, layer.bias, dilation=step)
        elif isinstance(layer, nn.ReLU):
            x = x.relu()
        elif not isinstance(layer, nn.Flatten | nn.Dropout):
            raise CourseError(f"expected layers that a patch can share, got {type(layer).__name__}")
    return x


def segment(
    net: nn.Module, sides: Sequence[int], image: NDArray[np.floating], mask: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return (H, W) classes: the largest logit within the mask, 0 outside. Dense where the network allows it.

    The network is put into evaluation mode.
    """
    net.eval()
    try:
        logits = dense_logits(net, sides, image)
    except CourseError:
        logits = patchwise_logits(net, sides, image)
    return np.where(mask, logits.argmax(0).numpy(), 0)


def _mirrored(image: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    half = side // 2
    if side % 2 == 0 or half >= min(image.shape):
        raise CourseError(f"side must be odd and below twice the image's {image.shape}, got {side}")
    return np.pad(image, half, mode="reflect")
