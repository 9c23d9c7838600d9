"""The stacked denoising auto-encoder: layers that learn without labels to undo noise, then a classifier on top.

Licandro et al. 2016 (doi 10.1109/CBMI.2016.7500237) put one on the features of single cells. Its sizes are not known to
us: 10-20-10-5 is ours, and so are tanh and the share of spoiled inputs. The layers follow Vincent et al. 2010, Journal
of Machine Learning Research 11:3371.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from medcourse.errors import CourseError

WIDTHS = (10, 20, 10, 5)


def corrupt(x: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Return a copy of `x` in which a `share` of the numbers, at random, is 0: the mean of standardised features.

    Examples
    --------
    >>> corrupt(torch.ones(2, 3), 0.0)
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    if not 0 <= share < 1:
        raise CourseError(f"share must lie in [0, 1), got {share}")
    kept = torch.rand(x.shape, generator=generator, device=x.device) >= share
    return x * kept


def random_layers(widths: Sequence[int] = WIDTHS, *, seed: int = 0) -> list[dict[str, Tensor]]:
    """Return the starting values of a stack as plain tensors, for those who write the layers themselves.

    Weights are drawn uniformly between -sqrt(6 / (a + b)) and its opposite for a inputs and b outputs (Glorot and
    Bengio 2010); biases are 0.

    Returns
    -------
    list of dict
        From the features up: "W" (codes, inputs), "b" (codes,), "V" (inputs, codes), "c" (inputs,), float32.

    Examples
    --------
    >>> [tuple(layer["W"].shape) for layer in random_layers()]
    [(20, 10), (10, 20), (5, 10)]
    """
    generator = torch.Generator().manual_seed(seed)

    def weights(outputs: int, inputs: int) -> Tensor:
        bound: float = (6 / (inputs + outputs)) ** 0.5
        return bound * (2 * torch.rand(outputs, inputs, generator=generator) - 1)

    return [
        {"W": weights(b, a), "b": torch.zeros(b), "V": weights(a, b), "c": torch.zeros(a)} for a, b in pairwise(widths)
    ]


class DenoisingLayer(nn.Module):
    """One layer of the stack: tanh of a linear map, and a linear map back.

    Parameters
    ----------
    inputs, codes
        Numbers that come in, and that are made of them.
    corruption
        Share of the inputs that are set to 0 in training mode, in [0, 1).

    Examples
    --------
    >>> layer = DenoisingLayer(10, 20).eval()
    >>> layer(torch.zeros(3, 10)).shape, layer.encode(torch.zeros(3, 10)).shape
    (torch.Size([3, 10]), torch.Size([3, 20]))
    """

    def __init__(self, inputs: int, codes: int, *, corruption: float = 0.2) -> None:
        super().__init__()
        if not 0 <= corruption < 1:
            raise CourseError(f"corruption must lie in [0, 1), got {corruption}")
        self.corruption = corruption
        self.encoder = nn.Linear(inputs, codes)
        self.decoder = nn.Linear(codes, inputs)

    def encode(self, x: Tensor) -> Tensor:
        """Map clean inputs (B, inputs) to codes (B, codes) in (-1, 1)."""
        return torch.tanh(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (B, inputs) to their reconstruction, through spoiled inputs in training mode."""
        spoiled = corrupt(x, self.corruption) if self.training else x
        reconstruction: Tensor = self.decoder(self.encode(spoiled))
        return reconstruction


class StackedClassifier(nn.Module):
    """Encoders of a stack of denoising layers, and a logistic regression on the last codes.

    Parameters
    ----------
    widths
        Features, then the codes of each layer; at least two numbers.
    corruption
        Of each layer, while it is pre-trained.

    Attributes
    ----------
    layers : ModuleList of DenoisingLayer
        For `medcourse.training.fit_greedily`.

    Examples
    --------
    >>> StackedClassifier()(torch.zeros(4, 10)).shape
    torch.Size([4])
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, *, corruption: float = 0.2) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise CourseError(f"widths must be at least two numbers of at least 1, got {tuple(widths)}")
        self.layers = nn.ModuleList([DenoisingLayer(a, b, corruption=corruption) for a, b in pairwise(widths)])
        self.to_logit = nn.Linear(widths[-1], 1)

    def encode(self, x: Tensor) -> Tensor:
        """Map clean features (B, widths[0]) to the last codes (B, widths[-1])."""
        for layer in self.layers:
            x = layer.encode(x)  # type: ignore[operator]
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Map clean features (B, widths[0]) to raw logits (B,) of being a blast; the decoders play no part."""
        logits: Tensor = self.to_logit(self.encode(x))  # (B, 1)
        return logits.squeeze(1)
