"""The networks of Schlegl et al. 2017: a DCGAN that knows healthy patches only, and the search for its nearest one.

Generator and discriminator have four layers of 5x5 kernels each, as in the paper, whose widths were about 512, 256,
128 and 64 (`FULL`). The course trains thinner ones (`SMALL`), because the search takes hundreds of passes a patch.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils import Bunch
from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError

FULL, SMALL = (512, 256, 128, 64), (64, 32, 16, 8)
SIDE_PX = 64
LATENT = 32
N_SHIPPED = 1
"""Trainings whose weights come with the course: seeds 0 to N_SHIPPED - 1 of `load_oct_networks`."""


class Generator(nn.Module):
    """From a point of the latent space to a picture: one projection, then four times twice the size.

    Parameters
    ----------
    latent
        Numbers in a latent code.
    widths
        Feature maps at 4, 8, 16 and 32 pixels.

    Examples
    --------
    >>> Generator(latent=16, widths=(8, 8, 8, 8))(torch.zeros(5, 16)).shape
    torch.Size([5, 1, 64, 64])
    """

    def __init__(self, *, latent: int = LATENT, widths: Sequence[int] = SMALL) -> None:
        super().__init__()
        _check_widths(widths)
        self.latent = latent
        self.project = nn.Linear(latent, widths[0] * 16, bias=False)
        self.start = nn.BatchNorm2d(widths[0])
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, output_padding=1, bias=False) for a, b in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.to_image = nn.ConvTranspose2d(widths[-1], 1, 5, stride=2, padding=2, output_padding=1)
        self.apply(_begin)

    def forward(self, z: Tensor) -> Tensor:
        """Map latent codes (B, latent) to pictures (B, 1, 64, 64) in [-1, 1]."""
        x = self.project(z).unflatten(1, (-1, 4, 4))  # (B, W0, 4, 4)
        x = self.start(x).relu()
        for layer, norm in zip(self.grow, self.norms, strict=True):
            x = norm(layer(x)).relu()  # (B, W1, 8, 8), (B, W2, 16, 16), (B, W3, 32, 32)
        image: Tensor = self.to_image(x).tanh()
        return image

    def draw(self, n: int, *, seed: int | None = None) -> Tensor:
        """Draw latent codes (n, latent), uniform in [-1, 1], on the generator's device."""
        chance = None if seed is None else torch.Generator().manual_seed(seed)
        z = 2 * torch.rand(n, self.latent, generator=chance) - 1
        return z.to(next(self.parameters()).device)


class Discriminator(nn.Module):
    """From a picture to one logit: real or generated; four times half the size.

    Parameters
    ----------
    widths
        As of the generator: feature maps at 4, 8, 16 and 32 pixels.
    """

    def __init__(self, *, widths: Sequence[int] = SMALL) -> None:
        super().__init__()
        _check_widths(widths)
        channels = [1, *reversed(widths)]
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 5, stride=2, padding=2) for a, b in pairwise(channels))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in channels[2:])
        self.to_logit = nn.Linear(widths[0] * 16, 1)
        self.apply(_begin)

    def features(self, x: Tensor) -> Tensor:
        """Map pictures (B, 1, 64, 64) to the features (B, W0 * 16) that the last layer decides by."""
        for number, layer in enumerate(self.shrink):
            x = layer(x)  # (B, W3, 32, 32), (B, W2, 16, 16), (B, W1, 8, 8), (B, W0, 4, 4)
            x = functional.leaky_relu(x if number == 0 else self.norms[number - 1](x), 0.2)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, 1, 64, 64) to logits (B,): positive for real."""
        logit: Tensor = self.to_logit(self.features(x))[:, 0]
        return logit


class PatchAutoEncoder(nn.Module):
    """An auto-encoder of the same size: the discriminator's layers down to a code, the generator's back up.

    The auto-encoder that the paper compares with also had an adversarial loss; this one has none of its own.

    Parameters
    ----------
    latent
        Numbers in a code.
    widths
        As of the generator.
    """

    def __init__(self, *, latent: int = LATENT, widths: Sequence[int] = SMALL) -> None:
        super().__init__()
        self.encoder = Discriminator(widths=widths)
        self.encoder.to_logit = nn.Linear(widths[0] * 16, latent)
        self.decoder = Generator(latent=latent, widths=widths)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, 1, 64, 64) to their reconstructions of the same shape."""
        code = self.encoder.to_logit(self.encoder.features(x))
        image: Tensor = self.decoder(code)
        return image


def search_latent(
    generator: Generator,
    features: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    steps: int = 500,
    weight: float = 0.1,
    lr: float = 0.05,
    seed: int = 0,
    keep: Sequence[int] = (),
    progress: bool = False,
) -> Bunch:
    """Look for the generated picture that is closest to each image, all images at once.

    Adam moves the latent codes z, from a random start, down the loss of Schlegl et al. 2017::

        (1 - weight) * sum |x - G(z)| + weight * sum |f(x) - f(G(z))|

    Both networks must be in evaluation mode: then an image's search does not depend on the other images.

    Parameters
    ----------
    generator
        Of pictures.
    features
        `Discriminator.features`, f.
    images
        (N, 1, 64, 64) in [-1, 1].
    steps
        Of Adam; the paper takes 500.
    weight
        The paper's lambda, in [0, 1].
    lr
        Adam's learning rate, constant.
    seed
        Of the first codes.
    keep
        Numbers of steps, of 0 to `steps`, after which the score is kept.
    progress
        Show a progress bar.

    Returns
    -------
    Bunch
        z : (N, latent). nearest : (N, 1, 64, 64), G(z). residual, discrimination, score : (N,), the two sums and the
        loss, after the last step. scores : dict from each number in `keep` to the loss (N,) after as many steps.

    Raises
    ------
    CourseError
        A network is in training mode, or a number is out of its range.
    """
    if generator.training:
        raise CourseError("the generator must be in evaluation mode, or a patch's score depends on its batch: .eval()")
    if steps < 0 or not 0 <= weight <= 1 or any(not 0 <= k <= steps for k in keep):
        raise CourseError(f"expected steps >= 0, weight in [0, 1], keep in 0 to steps, got {steps}, {weight}, {keep}")
    with torch.no_grad():
        target = features(images)
    z = generator.draw(len(images), seed=seed).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=lr)
    frozen = [p for p in generator.parameters() if p.requires_grad]
    scores: dict[int, Tensor] = {}

    def losses() -> tuple[Tensor, Tensor, Tensor]:
        nearest = generator(z)
        residual = (images - nearest).abs().sum((1, 2, 3))
        if weight == 0 and torch.is_grad_enabled():
            return nearest, residual, torch.zeros_like(residual)  # spares the discriminator's passes
        return nearest, residual, (target - features(nearest)).abs().sum(1)

    for parameter in frozen:  # only z moves: gradients of weights would be work for nothing
        parameter.requires_grad_(False)
    try:
        for step in _range(steps, progress):
            _, residual, discrimination = losses()
            each = (1 - weight) * residual + weight * discrimination
            if step in keep:
                scores[step] = each.detach()
            (gradient,) = torch.autograd.grad(each.sum(), z)
            z.grad = gradient
            optimiser.step()
        with torch.no_grad():
            nearest, residual, discrimination = losses()
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    score = (1 - weight) * residual + weight * discrimination
    if steps in keep:
        scores[steps] = score
    return Bunch(
        z=z.detach(), nearest=nearest, residual=residual, discrimination=discrimination, score=score, scores=scores
    )


def _range(steps: int, progress: bool) -> Any:
    from tqdm.auto import trange  # noqa: PLC0415

    return trange(steps, desc="search", leave=False, disable=not progress)


def _begin(module: nn.Module) -> None:
    """Start weights as the DCGAN does: normal, standard deviation 0.02 (Radford et al. 2016, arXiv 1511.06434)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check_widths(widths: Sequence[int]) -> None:
    if len(widths) != 4 or min(widths) < 1:
        raise CourseError(f"widths must be 4 numbers of feature maps, at 4, 8, 16 and 32 pixels, got {tuple(widths)}")


def load_oct_networks(seed: int = 0) -> Bunch:
    """Load networks that were trained on healthy patches of `make_oct_patches`, and ship with the course.

    `bench/anogan.py` made them; `weights/anogan_oct.json` says how. Each seed is a training of its own, with other
    eyes, first weights and order.

    Parameters
    ----------
    seed
        0 to `N_SHIPPED` - 1.

    Returns
    -------
    Bunch
        generator, discriminator, auto_encoder, in evaluation mode; made_by : dict, the record of the training.

    Raises
    ------
    CourseError
        There are no weights of that seed, or the file is not the one that was recorded.
    """
    folder = Path(__file__).parent / "weights"
    record = json.loads((folder / "anogan_oct.json").read_text())
    if str(seed) not in record:
        raise CourseError(f"expected a seed of {', '.join(record)}, got {seed}")
    content = (folder / f"anogan_oct_{seed}.npz").read_bytes()
    made_by = record[str(seed)]
    if hashlib.sha256(content).hexdigest() != made_by["sha256"]:
        raise CourseError(f"anogan_oct_{seed}.npz is not the file that was recorded: install the course again")
    nets: dict[str, nn.Module] = {
        "generator": Generator(),
        "discriminator": Discriminator(),
        "auto_encoder": PatchAutoEncoder(),
    }
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for name, net in nets.items():
            prefix = f"{name}/"
            keys = [key for key in arrays.files if key.startswith(prefix)]
            net.load_state_dict({key.removeprefix(prefix): torch.as_tensor(arrays[key]) for key in keys})
            net.eval()
    return Bunch(**nets, made_by=made_by)
