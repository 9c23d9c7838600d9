"""The U-Net of Ronneberger, Fischer and Brox (MICCAI 2015, arXiv 1505.04597), in two and three dimensions."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_UP_CONV = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


class UNet(nn.Module):
    """Contract to see context, expand to localise, and hand each resolution across by concatenation.

    Parameters
    ----------
    in_channels, n_classes
        Channels of the image and of the logits.
    base
        Feature maps of the first level; each pooling doubles them. The paper has 64.
    depth
        Number of poolings. The paper has 4.
    dims
        2 for images (B, C, H, W), 3 for volumes (B, C, D, H, W).
    padding
        `"valid"` is the paper's: an unpadded 3x3 convolution eats a pixel at each border, so that no output was
        computed from invented input. `"same"` pads with zeros and keeps the size.

    Examples
    --------
    >>> net = UNet(base=4, depth=2)
    >>> net(torch.zeros(1, 1, 44, 44)).shape
    torch.Size([1, 2, 4, 4])
    >>> UNet(base=4, depth=2, padding="same")(torch.zeros(1, 1, 44, 44)).shape
    torch.Size([1, 2, 44, 44])
    """

    def __init__(
        self,
        in_channels: int = 1,
        n_classes: int = 2,
        *,
        base: int = 64,
        depth: int = 4,
        dims: Literal[2, 3] = 2,
        padding: Literal["valid", "same"] = "valid",
    ) -> None:
        super().__init__()
        self.dims, self.padding = dims, padding
        maps = [base * 2**level for level in range(depth + 1)]
        conv, up_conv = _CONV[dims], _UP_CONV[dims]

        def double(c_in: int, c_out: int) -> nn.Sequential:
            return nn.Sequential(
                conv(c_in, c_out, 3, padding=padding), nn.ReLU(), conv(c_out, c_out, 3, padding=padding), nn.ReLU()
            )

        pairs = zip([in_channels, *maps[:-1]], maps, strict=True)
        self.contract = nn.ModuleList(double(c_in, c_out) for c_in, c_out in pairs)
        self.up = nn.ModuleList(up_conv(2 * c, c, 2, stride=2) for c in reversed(maps[:-1]))
        self.expand = nn.ModuleList(double(2 * c, c) for c in reversed(maps[:-1]))
        self.head = conv(base, n_classes, 1)
        self.apply(init_he)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to raw logits (B, K, H', W').

        With `padding="same"` H' is H, which must be divisible by 2**depth. With `padding="valid"` H' is smaller by
        twice the `margin`, and H must leave an even side before every pooling.
        """
        skips: list[Tensor] = []
        for level in self.contract[:-1]:
            x = level(x)
            skips.append(x)
            x = _MAX_POOL[self.dims](x, 2)
        x = self.contract[-1](x)
        for up, expand, skip in zip(self.up, self.expand, reversed(skips), strict=True):
            x = up(x)
            x = expand(torch.cat([crop_to(skip, x), x], dim=1))
        return self.head(x)  # type: ignore[no-any-return]

    @property
    def margin(self) -> int:
        """Pixels that the output is smaller by, at each side. The paper's network: 92."""
        if self.padding == "same":
            return 0
        depth: int = len(self.up)
        # Two 3x3 convolutions take 2 pixels a side; a pixel of level k is 2**k of the image's.
        return int(4 * (2**depth - 1) + 2 * 2**depth)


def crop_to(skip: Tensor, like: Tensor) -> Tensor:
    """Cut the centre of `skip` (B, C, ...) to the spatial shape of `like`."""
    for axis in range(2, skip.ndim):
        start = (skip.shape[axis] - like.shape[axis]) // 2
        skip = skip.narrow(axis, start, like.shape[axis])
    return skip


def init_he(module: nn.Module) -> None:
    """Draw weights with standard deviation sqrt(2 / fan-in), He et al. 2015, so that ReLUs keep the variance."""
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
