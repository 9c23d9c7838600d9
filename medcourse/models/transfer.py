"""A small network with the layers of AlexNet, trained on pictures from formulas, from which units 16 and 17 transfer.

It has five convolutions and three fully connected layers, called conv1 to conv5 and fc6 to fc8 as in the papers of both
units. `bench/source_network.py` trained it; `weights/source_fractals.json` says how. It has seen no photograph and no
patient.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
"""The layers with weights, from the picture to the answer."""
MAPS = (24, 48, 64, 64, 48)
HIDDEN = (384, 192)
GRID = 4
"""Side of the last maps, which fc6 reads."""


class SourceNet(nn.Module):
    """Five convolutions, two hidden fully connected layers and the answer.

    Parameters
    ----------
    n_classes
        Outputs of fc8.
    in_channels
        Channels of the input.
    side_px
        Side of the input.
    stride
        Of conv1.
    pools
        The convolutions after which the side is halved. `stride`, `pools` and `side_px` must leave maps of 4 x 4.
    dropout
        Share of the neurons of fc6 and of fc7 that is silenced in training.

    Raises
    ------
    CourseError
        Maps of another size than 4 x 4 are left.

    Examples
    --------
    >>> import torch
    >>> SourceNet(2)(torch.zeros(5, 3, 64, 64)).shape
    torch.Size([5, 2])
    >>> SourceNet(2, side_px=32, pools=("conv1", "conv2"))(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        n_classes: int = 50,
        *,
        in_channels: int = 3,
        side_px: int = 64,
        stride: int = 2,
        pools: Sequence[str] = ("conv1", "conv2", "conv5"),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.pools, self.dropout = tuple(pools), dropout
        self.made_by: dict[str, Any] = {}
        self.classes: tuple[str, ...] = ()
        unknown = set(pools) - set(LAYERS[:5])
        left = -(-side_px // stride)
        for _ in self.pools:
            left = -(-left // 2)
        if unknown or left != GRID:
            raise CourseError(
                f"pools must be of {', '.join(LAYERS[:5])} and leave maps of {GRID} x {GRID}; side_px={side_px}, "
                f"stride={stride} and pools={self.pools} leave {left} x {left}: change the stride or the pools"
            )
        a, b, c, d, e = MAPS
        self.conv1 = nn.Conv2d(in_channels, a, 7, stride, padding=3)
        self.conv2 = nn.Conv2d(a, b, 5, padding=2)
        self.conv3 = nn.Conv2d(b, c, 3, padding=1)
        self.conv4 = nn.Conv2d(c, d, 3, padding=1)
        self.conv5 = nn.Conv2d(d, e, 3, padding=1)
        self.fc6 = nn.Linear(e * GRID**2, HIDDEN[0])
        self.fc7 = nn.Linear(HIDDEN[0], HIDDEN[1])
        self.fc8 = nn.Linear(HIDDEN[1], n_classes)
        for name in LAYERS:
            layer = getattr(self, name)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu" if name != "fc8" else "linear")
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, C, side, side) in [0, 1] to raw logits (B, n_classes)."""
        return self.run(x)

    def run(self, x: Tensor, first: str = "conv1", last: str = "fc8") -> Tensor:
        """Run the layers from `first` to `last`, both included, with what follows each: ReLU, pooling, dropout.

        Parameters
        ----------
        x
            What `first` reads: pictures in [0, 1] for conv1, else the output of the layer before.
        first, last
            Names of layers.

        Returns
        -------
        Tensor
            Maps (B, M, h, w) if the last is a convolution, else features (B, F); the logits for fc8.

        Examples
        --------
        >>> import torch
        >>> net = SourceNet(2)
        >>> maps = net.run(torch.zeros(1, 3, 64, 64), last="conv3")
        >>> maps.shape, net.run(maps, first="conv4").shape
        (torch.Size([1, 64, 8, 8]), torch.Size([1, 2]))
        """
        if first == "conv1":
            x = 4 * (x - 0.5)  # pictures come in [0, 1], layers like numbers about 0 and 1
        for name in LAYERS[LAYERS.index(first) : LAYERS.index(last) + 1]:
            if name == "fc6":
                x = x.flatten(1)
            x = getattr(self, name)(x)
            if name != "fc8":
                x = x.relu()
            if name in self.pools:
                x = functional.max_pool2d(x, 3, stride=2, padding=1)
            if name in ("fc6", "fc7"):
                x = functional.dropout(x, self.dropout, self.training)
        return x


def load_source(**kwargs: Any) -> SourceNet:
    """Load the network that was trained on `make_fractals` and ships with the course, in evaluation mode.

    Parameters
    ----------
    **kwargs
        Of `SourceNet`, where they change no weight: `side_px`, `stride`, `pools`, `dropout`.

    Returns
    -------
    SourceNet
        Its attribute `made_by` is the record of its training, `classes` are the names of its categories.

    Raises
    ------
    CourseError
        The file of weights is not the one that was recorded.
    """
    from safetensors.torch import load  # noqa: PLC0415

    folder = Path(__file__).parent / "weights"
    record = json.loads((folder / "source_fractals.json").read_text())
    content = (folder / "source_fractals.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise CourseError("source_fractals.safetensors is not the file that was recorded: install the course again")
    net = SourceNet(len(record["classes"]), **kwargs)
    net.load_state_dict({name: value.float() for name, value in load(content).items()})
    net.made_by, net.classes = record, tuple(record["classes"])
    return net.eval()
