"""Where in a picture a network's answer comes from, and whether the map that says so can be believed.

Each function takes a network that maps pictures (B, C, H, W) to scores (B, K), one picture (C, H, W), and which score.
"""

from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError

Floats = NDArray[np.float64]


def gradient_map(net: nn.Module, image: Tensor, k: int) -> Floats:
    """Return by how much score k changes with each pixel: the largest absolute derivative over channels, (H, W).

    Simonyan, Vedaldi, Zisserman 2014, arXiv 1312.6034.
    """
    return np.asarray(np.abs(_gradient(net, image, k)).max(axis=0))


def gradient_times_input(net: nn.Module, image: Tensor, k: int) -> Floats:
    """Return the derivative of score k times the pixel, summed over channels, (H, W); signed.

    Shrikumar et al. 2017, arXiv 1605.01713.
    """
    return np.asarray((_gradient(net, image, k) * image.numpy()).sum(axis=0))


def _gradient(net: nn.Module, image: Tensor, k: int) -> Floats:
    x = image.detach().clone()[None].requires_grad_()
    was_training = net.training
    score = net.eval()(x)[0, k]
    net.train(was_training)
    (gradient,) = torch.autograd.grad(score, x)
    return np.asarray(gradient[0].numpy(), dtype=np.float64)


@torch.no_grad()
def occlusion_map(
    net: nn.Module, image: Tensor, k: int, *, side: int = 8, stride: int = 4, fill: float = 0.5
) -> Floats:
    """Return by how much score k falls when a square hides a part of the picture, (H, W).

    Each pixel gets the mean of the squares that hide it. Zeiler, Fergus 2014, doi 10.1007/978-3-319-10590-1_53.

    Parameters
    ----------
    net, image, k
        As said above.
    side, stride
        Of the square and from one square to the next, in pixels; the last squares end at the border.
    fill
        Grey value of the square.

    Raises
    ------
    CourseError
        The square does not fit.
    """
    height, width = image.shape[-2:]
    if not 1 <= side <= min(height, width) or stride < 1:
        raise CourseError(f"side must be 1 to {min(height, width)} and stride at least 1, got {side} and {stride}")
    rows, columns = (sorted({*range(0, n - side + 1, stride), n - side}) for n in (height, width))
    corners = [(top, left) for top in rows for left in columns]
    hidden = image.repeat(len(corners), 1, 1, 1)
    for picture, (top, left) in zip(hidden, corners, strict=True):
        picture[:, top : top + side, left : left + side] = fill
    was_training = net.training
    net.eval()
    before = float(net(image[None])[0, k])
    after = torch.cat([net(part)[:, k] for part in torch.split(hidden, 64)])
    net.train(was_training)
    total, times = np.zeros((height, width)), np.zeros((height, width))
    for (top, left), value in zip(corners, after.tolist(), strict=True):
        total[top : top + side, left : left + side] += before - value
        times[top : top + side, left : left + side] += 1
    return total / times


def grad_cam(net: nn.Module, image: Tensor, k: int, *, layer: str) -> Floats:
    """Return Grad-CAM, (H, W): the maps of a layer, weighted by their mean derivative, where their sum raises score k.

    Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74.

    Parameters
    ----------
    net, image, k
        As said above.
    layer
        Name of a convolution in the network.
    """
    x = image.detach()[None].requires_grad_()  # so that there are gradients although the weights may be frozen
    kept: list[Tensor] = []
    hook = net.get_submodule(layer).register_forward_hook(lambda _layer, _given, output: kept.append(output))
    was_training = net.training
    try:
        score = net.eval()(x)[0, k]
    finally:
        hook.remove()
        net.train(was_training)
    (slope,) = torch.autograd.grad(score, kept[0])
    cam = (slope.mean(dim=(2, 3), keepdim=True) * kept[0].detach()).sum(dim=1, keepdim=True).relu()  # (1, 1, h, w)
    grown = functional.interpolate(cam, image.shape[-2:], mode="bilinear", align_corners=False)
    return np.asarray(grown[0, 0].numpy(), dtype=np.float64)


def randomised(net: nn.Module, names: list[str], seed: int) -> nn.Module:
    """Return a copy whose named layers have weights drawn anew, of the same mean and spread: all they learned is gone.

    The check of Adebayo et al. 2018, arXiv 1810.03292: a map that stays the same does not show what was learned.
    """
    copy = deepcopy(net)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in names:
            for weight in copy.get_submodule(name).parameters():
                drawn = torch.randn(weight.shape, generator=chance)
                spread = weight.std() if weight.numel() > 1 else torch.zeros(())
                weight.copy_(weight.mean() + spread * drawn)
    return copy


def similarity(one: Floats, other: Floats) -> float:
    """Return the rank correlation of the absolute values of two maps, -1 to 1."""
    from scipy.stats import spearmanr  # noqa: PLC0415

    return float(spearmanr(np.abs(one).ravel(), np.abs(other).ravel()).statistic)
