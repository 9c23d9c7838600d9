"""The networks of Maji et al. 2016 (arXiv 1603.04833), which say of a patch whether its middle is a vessel.

The sizes are those of the re-implementation by the same group. Twelve such networks run in one pass.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional

KERNEL = 4


class VesselNet(nn.Module):
    """Three 4x4 convolutions, two poolings, one hidden layer, two classes.

    Parameters
    ----------
    side_px
        Of the patch, at least 7, or 16 without padding. The paper has 31.
    maps
        Feature maps of each convolution. The paper has 64.
    hidden
        Neurons of the hidden layer. Its twelve networks have 128, 256 or 512.
    dropout
        Share of hidden neurons that are silent in training. The paper's lies between 0.1 and 0.5.
    padding
        `"same"` is the paper's: the second and third convolution keep the size, with zeros around the patch, one
        before and two after. `"valid"` never pads: then a whole picture is one pass (`dense`), and it says the same
        as patch by patch.

    Examples
    --------
    >>> VesselNet(maps=4)(torch.zeros(5, 3, 31, 31)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        *,
        side_px: int = 31,
        maps: int = 64,
        hidden: int = 256,
        dropout: float = 0.5,
        padding: Literal["same", "valid"] = "same",
    ) -> None:
        super().__init__()
        self.side_px, self.padding = side_px, padding
        self.conv1 = nn.Conv2d(3, maps, KERNEL)
        self.conv2 = nn.Conv2d(maps, maps, KERNEL)
        self.conv3 = nn.Conv2d(maps, maps, KERNEL)
        lost = 0 if padding == "same" else KERNEL - 1
        self.grid = ((side_px - KERNEL + 1 - lost) // 2 - lost) // 2
        if self.grid < 1:
            raise ValueError(f"side_px must leave something to look at after two poolings, got {side_px}")
        self.hidden = nn.Linear(maps * self.grid**2, hidden)
        self.to_logits = nn.Linear(hidden, 2)
        self.dropout = dropout
        for layer in (self.conv1, self.conv2, self.conv3, self.hidden, self.to_logits):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def _convolve(self, layer: nn.Conv2d, x: Tensor, dilation: int = 1) -> Tensor:
        if self.padding == "same":
            x = functional.pad(x, (1, 2, 1, 2))  # 4 x 4 has no middle: TensorFlow puts the odd zero behind
        return functional.conv2d(x, layer.weight, layer.bias, dilation=dilation).relu()

    def forward(self, x: Tensor) -> Tensor:
        """Map patches (B, 3, side, side) to raw logits (B, 2) of their middle pixels: background, vessel."""
        x = functional.conv2d(x, self.conv1.weight, self.conv1.bias).relu()  # (B, M, side - 3, side - 3)
        x = functional.max_pool2d(self._convolve(self.conv2, x), 2)
        x = functional.max_pool2d(self._convolve(self.conv3, x), 2)  # (B, M, grid, grid)
        x = self.hidden(x.flatten(1)).relu()
        x = functional.dropout(x, self.dropout, self.training)
        return self.to_logits(x)  # type: ignore[no-any-return]

    def dense(self, image: Tensor) -> Tensor:
        """Map (B, 3, H + side - 1, W + side - 1) to logits (B, 2, H, W): what each of its patches would give.

        Neighbouring patches share almost all of their work. Instead of pooling with a stride, the layers behind a
        pooling look at every second pixel, and behind the next at every fourth.
        """
        if self.padding != "valid":
            raise ValueError("only a network with padding='valid' can see a whole picture: zeros are around each patch")
        high, wide = (n - self.side_px + 1 for n in image.shape[-2:])
        x = functional.conv2d(image, self.conv1.weight, self.conv1.bias).relu()
        x = functional.max_pool2d(self._convolve(self.conv2, x), 2, stride=1)
        x = functional.max_pool2d(self._convolve(self.conv3, x, dilation=2), 2, stride=1, dilation=2)
        weight = self.hidden.weight.reshape(len(self.hidden.weight), -1, self.grid, self.grid)
        x = functional.conv2d(x, weight, self.hidden.bias, dilation=4).relu()[..., :high, :wide]
        return functional.conv2d(x, self.to_logits.weight[..., None, None], self.to_logits.bias)


Forward = Callable[[Tensor], Tensor]


class Together(nn.Module):
    """Networks of one kind that run and learn in one pass, each with its own weights.

    `torch.func` stacks their weights along a new first axis and maps the forward pass over it: PyTorch makes one
    grouped convolution of twelve. Dropout is drawn for each of them.

    Parameters
    ----------
    nets
        At least one, all of the same sizes; they are copied. `unstack` returns what they have become.

    Examples
    --------
    >>> twelve = Together([VesselNet(side_px=15, maps=2, hidden=4) for _ in range(12)])
    >>> twelve(torch.zeros(12, 5, 3, 15, 15)).shape
    torch.Size([12, 5, 2])
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        if not nets:
            raise ValueError("expected at least one network, got none")
        parameters, buffers = stack_module_state(list(nets))
        # Names of parameters of a module hold no dots.
        self.names = {name.replace(".", "__"): name for name in parameters}
        self.stacked = nn.ParameterDict(
            {key: nn.Parameter(parameters[name].detach()) for key, name in self.names.items()}
        )
        self.buffers_ = buffers
        self.n_nets = len(nets)
        self._skeleton = [deepcopy(nets[0])]  # in a list: its own weights are not ours

    def _state(self) -> dict[str, Tensor]:
        return {name: self.stacked[key] for key, name in self.names.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Map (n_nets, B, ...), a batch for each, to the stacked outputs (n_nets, B, ...)."""
        skeleton = self._skeleton[0].train(self.training)

        def one(state: dict[str, Tensor], batch: Tensor) -> Tensor:
            return functional_call(skeleton, state, (batch,))  # type: ignore[no-any-return]

        return vmap(one, randomness="different")(self._state(), x)

    def unstack(self) -> list[nn.Module]:
        """Return the networks one by one, on the processor, in evaluation mode."""
        nets = []
        for i in range(self.n_nets):
            net = deepcopy(self._skeleton[0])
            net.load_state_dict({name: self.stacked[key][i].detach().cpu() for key, name in self.names.items()})
            nets.append(net.eval())
        return nets


def each_mean_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the sum over networks of their mean cross-entropy: logits (N, B, K), target (N, B).

    A sum, so that each network's gradient is what it would be alone. Adam scales each weight by itself: so twelve in
    one optimiser learn as twelve with one each.
    """
    return functional.cross_entropy(logits.flatten(0, 1), target.flatten()) * len(logits)


@torch.no_grad()
def vessel_probability(nets: Sequence[VesselNet], image: Tensor, *, strip_px: int = 64) -> Tensor:
    """Return what each network says of each pixel of an image, strip by strip.

    Parameters
    ----------
    nets
        With `padding="valid"`.
    image
        (3, H, W), prepared as for training; mirrored at its border.
    strip_px
        Rows of pixels at a time: less memory, the same result.

    Returns
    -------
    Tensor
        (len(nets), H, W) probabilities of vessel, on the processor.
    """
    side = nets[0].side_px
    before, after = side // 2, side - 1 - side // 2
    padded = functional.pad(image[None], (before, after, before, after), mode="reflect")
    device = next(nets[0].parameters()).device
    maps = []
    for net in nets:
        strips = [
            net.eval().dense(padded[:, :, top : top + strip_px + side - 1].to(device)).softmax(1)[0, 1].cpu()
            for top in range(0, image.shape[1], strip_px)
        ]
        maps.append(torch.cat(strips))
    return torch.stack(maps)
