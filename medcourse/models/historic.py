"""The convolutional networks of 1993 to 1996: two layers, a sigmoid after each, no pooling, a handful of maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medcourse.errors import CourseError


class HistoricCNN(nn.Module):
    """Convolutions with sigmoids, then one output neuron that sees every place of every map.

    Parameters
    ----------
    side
        Side of the input in pixels.
    in_channels
        Images shown at once: 1, or the spatial image and its texture images.
    maps
        Feature maps of each convolutional layer.
    kernels
        Sides of their kernels, as many; convolutions are not padded.
    """

    def __init__(
        self, side: int, *, in_channels: int = 1, maps: Sequence[int] = (10, 10), kernels: Sequence[int] = (5, 5)
    ) -> None:
        super().__init__()
        if len(maps) != len(kernels) or not maps:
            raise CourseError(f"maps and kernels must be as many, and at least one, got {maps} and {kernels}")
        left = side - sum(k - 1 for k in kernels)
        if left < 1:
            raise CourseError(f"kernels {tuple(kernels)} leave no pixel of a side of {side}: take smaller ones")
        layers: list[nn.Module] = []
        for before, after, kernel in zip([in_channels, *maps], maps, kernels, strict=False):
            layers += [nn.Conv2d(before, after, kernel), nn.Sigmoid()]
        self.features = nn.Sequential(*layers)
        self.output = nn.Linear(maps[-1] * left * left, 1)
        self.apply(init_steep)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, side, side) to raw logits (B,): above 0 for a lesion."""
        maps: Tensor = self.features(x)  # (B, M, left, left)
        logits: Tensor = self.output(maps.flatten(1))[:, 0]  # (B,)
        return logits


def init_steep(module: nn.Module) -> None:
    """Start where sigmoids are steep, and see the maps about their middle of a half."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=2.0 / module.weight[0].numel() ** 0.5)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=1.0 / module.weight.numel() ** 0.5)
        with torch.no_grad():
            module.bias.copy_(-0.5 * module.weight.sum(1))


def lo_1993(side: int = 32) -> HistoricCNN:
    """Return a network like that of Lo et al. for nodules: about 5 x 5 kernels, two layers of about 10 maps."""
    return HistoricCNN(side, maps=(10, 10), kernels=(5, 5))


def chan_1995(*, maps: Sequence[int] = (8, 6), kernels: Sequence[int] = (5, 3)) -> HistoricCNN:
    """Return a network like that of Chan et al. for microcalcifications: 16 x 16 pixels, two convolutional layers."""
    return HistoricCNN(16, maps=maps, kernels=kernels)


def sahiner_1996(in_channels: int = 3) -> HistoricCNN:
    """Return a network like that of Sahiner et al.: the spatial image and texture images of 16 x 16, two layers."""
    return HistoricCNN(16, in_channels=in_channels, maps=(6, 6), kernels=(5, 5))


def eight_views(batch: Tensor) -> Tensor:
    """Return all quarter turns of (..., H, W) and of its mirror image, (8, ..., H, W); H must equal W."""
    if batch.shape[-1] != batch.shape[-2]:
        raise CourseError(f"expected square images to turn, got {tuple(batch.shape[-2:])}")
    return torch.stack([torch.rot90(image, turns, (-2, -1)) for image in (batch, batch.flip(-1)) for turns in range(4)])
