"""Registration by a network, as in Dalca, Balakrishnan, Guttag and Sabuncu, MICCAI 2018 (arXiv 1805.04605).

Pairs are tensors (B, 2, *S): the moving image, then the fixed one; *S is (H, W) or (D, H, W). Fields are those of
`medcourse.models.deformation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError
from medcourse.models.deformation import SQUARINGS, check_field, to_displacement, warp

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}


class RegistrationNet(nn.Module):
    """A U-Net that looks at a moving and a fixed image and says how to deform the one into the other.

    Parameters
    ----------
    dims
        2 for images (B, 2, H, W), 3 for volumes (B, 2, D, H, W): moving first, then fixed.
    diffeomorphic
        True is Dalca's: mean and logarithm of the variance of a velocity, at half the resolution. False is the
        displacement itself, at the images' own, as in VoxelMorph before it (Balakrishnan et al., CVPR 2018).
    encoder
        Maps of the convolutions on the way down, each with a stride of 2. The paper's.
    decoder
        Maps on the way up, one a level, then those of convolutions at the final resolution. The paper's.

    Examples
    --------
    >>> net = RegistrationNet(encoder=(4, 4), decoder=(4, 4, 4))
    >>> net(torch.zeros(1, 2, 16, 20)).shape
    torch.Size([1, 4, 8, 10])
    >>> net.displacement(torch.zeros(1, 2, 16, 20)).shape
    torch.Size([1, 2, 16, 20])
    """

    def __init__(
        self,
        *,
        dims: Literal[2, 3] = 2,
        diffeomorphic: bool = True,
        encoder: Sequence[int] = (16, 32, 32, 32),
        decoder: Sequence[int] = (32, 32, 32, 32, 32, 16, 16),
    ) -> None:
        super().__init__()
        n_levels = len(encoder)
        if len(decoder) < n_levels + 1:
            raise CourseError(f"decoder must have more than the {n_levels} maps of the encoder, got {len(decoder)}")
        self.dims, self.diffeomorphic = dims, diffeomorphic
        conv = _CONV[dims]
        going_down = [2, *encoder]
        self.down = nn.ModuleList(conv(a, b, 3, stride=2, padding=1) for a, b in zip(going_down, encoder, strict=False))
        skips = list(reversed(going_down[:-1]))[: n_levels - diffeomorphic]  # maps that come across, deepest first
        self.up = nn.ModuleList()
        maps = encoder[-1]
        for n, across in zip(decoder, skips, strict=False):
            self.up.append(conv(maps, n, 3, padding=1))
            maps = n + across
        self.last = nn.ModuleList()
        for n in decoder[len(skips) :]:
            self.last.append(conv(maps, n, 3, padding=1))
            maps = n
        self.head = conv(maps, dims, 3, padding=1)
        # Start near no motion, and, if it doubts, sure of it. (The authors' code starts with 1e-5 instead, which takes
        # a short training long to leave.)
        nn.init.normal_(self.head.weight, std=0.03)
        nn.init.zeros_(_bias(self.head))
        self.doubt = conv(maps, dims, 3, padding=1) if diffeomorphic else None
        if self.doubt is not None:
            nn.init.normal_(self.doubt.weight, std=1e-10)
            nn.init.constant_(_bias(self.doubt), -10.0)

    def forward(self, pair: Tensor) -> Tensor:
        """Map pairs (B, 2, *S) to what is learned.

        Diffeomorphic: (B, 2 d, *S/2), the velocity's mean, then the logarithm of its variance, in pixels of the half
        grid. Else: the displacement (B, d, *S) in pixels. Sides must be divisible by 2**(levels); `displacement` pads.
        """
        self._check(pair)
        x, skips = pair, [pair]
        for layer in self.down:
            x = functional.leaky_relu(layer(x), 0.2)
            skips.append(x)
        across = reversed(skips[:-1])
        for layer, skip in zip(self.up, across, strict=False):
            x = functional.leaky_relu(layer(x), 0.2)
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = torch.cat([x, skip], dim=1)
        for layer in self.last:
            x = functional.leaky_relu(layer(x), 0.2)
        outputs = [self.head(x)] if self.doubt is None else [self.head(x), self.doubt(x)]
        return torch.cat(outputs, dim=1)

    @torch.no_grad()
    def velocity(self, pair: Tensor) -> Tensor:
        """Return the mean velocity (B, d, *S/2) of pairs (B, 2, *S), in pixels of the half grid."""
        if not self.diffeomorphic:
            raise CourseError("only a diffeomorphic network has a velocity; this one gives a displacement")
        mean: Tensor = self(pair)[:, : self.dims]
        return mean

    @torch.no_grad()
    def displacement(self, pair: Tensor, *, squarings: int = SQUARINGS) -> Tensor:
        """Return the displacement (B, d, *S) in pixels for pairs (B, 2, *S) of any size, from the mean velocity."""
        step = 2 ** len(self.down)
        shape = pair.shape[2:]
        after = [(-n) % step for n in shape]
        padded = functional.pad(pair, [x for n in reversed(after) for x in (0, n)], mode="replicate")
        found: Tensor = self(padded)
        if self.diffeomorphic:
            found = to_displacement(found[:, : self.dims], padded.shape[2:], squarings=squarings)
        return found[(slice(None), slice(None), *(slice(n) for n in shape))]

    def _check(self, pair: Tensor) -> None:
        step = 2 ** len(self.down)
        if pair.ndim != self.dims + 2 or pair.shape[1] != 2 or any(n % step for n in pair.shape[2:]):
            raise CourseError(
                f"expected pairs (B, 2, {', '.join('DHW'[3 - self.dims :])}) with sides divisible by {step}, "
                f"got {tuple(pair.shape)}: pad them, or call `displacement`"
            )


def lattice_degree(shape: Sequence[int], *, like: Tensor | None = None) -> Tensor:
    """Return how many neighbours each point of a grid has along its axes, (*shape).

    Examples
    --------
    >>> lattice_degree((3, 3)).tolist()
    [[2.0, 3.0, 2.0], [3.0, 4.0, 3.0], [2.0, 3.0, 2.0]]
    """
    degree = torch.zeros(tuple(shape)) if like is None else like.new_zeros(tuple(shape))
    for axis, n in enumerate(shape):
        if n > 1:
            degree.narrow(axis, 0, n - 1).add_(1)
            degree.narrow(axis, 1, n - 1).add_(1)
    return degree


def roughness(field: Tensor) -> Tensor:
    """Return the sum over all pairs of neighbours of their squared difference, per grid point and component: a scalar.

    This is mu^T L mu / (B d n) with L the Laplacian of the grid: degree matrix minus adjacency matrix.
    """
    dims = check_field(field)
    total = sum((field.diff(dim=axis) ** 2).sum() for axis in range(2, 2 + dims))
    return total / field.numel()  # type: ignore[return-value]


def kl_divergence(mean: Tensor, log_variance: Tensor, *, prior_lambda: float) -> Tensor:
    r"""Return the KL divergence of the network's velocity from the smooth prior, per grid point, up to a constant.

    .. math:: \frac12 \, d \, \text{mean}\left(\lambda D e^{\log\sigma^2} - \log\sigma^2
              + \lambda \, \text{prec}(\mu)\right)

    The prior is a Gaussian whose precision is lambda times the grid's Laplacian. D is a point's number of neighbours,
    prec(mu) half the sum of its squared differences to them, so that each pair of neighbours counts once; the mean is
    over grid points and components.

    Parameters
    ----------
    mean, log_variance
        (B, d, *S), the velocity in pixels and the logarithm of its variance.
    prior_lambda
        Strength of the prior, per squared pixel.
    """
    if mean.shape != log_variance.shape:
        raise CourseError(f"log_variance must match mean {tuple(mean.shape)}, got {tuple(log_variance.shape)}")
    dims = check_field(mean)
    degree = lattice_degree(mean.shape[2:], like=mean)
    doubt = (prior_lambda * degree * log_variance.exp() - log_variance).mean()
    return 0.5 * dims * (doubt + prior_lambda * roughness(mean))


def probabilistic_loss(
    output: Tensor,
    pair: Tensor,
    *,
    image_sigma: float = 0.02,
    prior_lambda: float = 10.0,
    squarings: int = SQUARINGS,
) -> Tensor:
    """Return Dalca's loss of one sample: mean squared error over the image noise's variance, plus the KL divergence.

    Parameters
    ----------
    output
        (B, 2 d, *S/2) of a diffeomorphic `RegistrationNet`.
    pair
        (B, 2, *S), moving and fixed.
    image_sigma
        Standard deviation of what the images may differ by after registration, in their unit.
    prior_lambda, squarings
        As in `kl_divergence` and `integrate`.
    """
    dims = pair.ndim - 2
    mean, log_variance = output[:, :dims], output[:, dims:]
    velocity = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    displacement = to_displacement(velocity, pair.shape[2:], squarings=squarings)
    moved = warp(pair[:, :1], displacement)
    error = functional.mse_loss(moved, pair[:, 1:]) / image_sigma**2
    return error + kl_divergence(mean, log_variance, prior_lambda=prior_lambda)


def displacement_loss(displacement: Tensor, pair: Tensor, *, smoothness: float = 0.02) -> Tensor:
    """Return the loss of VoxelMorph without velocities: mean squared error, plus `smoothness` times the roughness.

    Parameters
    ----------
    displacement
        (B, d, *S) in pixels.
    pair
        (B, 2, *S), moving and fixed.
    smoothness
        Weight of `roughness`, per squared pixel.
    """
    dims = pair.ndim - 2
    moved = warp(pair[:, :1], displacement)
    return functional.mse_loss(moved, pair[:, 1:]) + smoothness * dims * roughness(displacement)


def random_pairs(
    images: Tensor, *, batch: int, seed: int, atlas: Tensor | None = None
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """Return what `training.fit` asks for its batches: pairs of people, drawn at random.

    Parameters
    ----------
    images
        (N, *S), a person each; N >= 2 without an atlas.
    batch
        Pairs a step.
    seed
        Same seed, same pairs, step by step.
    atlas
        (*S), the fixed image of every pair, as in the paper; if not given, another person is.

    Returns
    -------
    callable
        `batch(step)` returns the pairs (B, 2, *S) twice: for the network, and for the loss, which needs no labels.
    """
    if len(images) < 2 and atlas is None:
        raise CourseError(f"pairs need at least two people, got {len(images)}")

    def draw(step: int) -> tuple[Tensor, Tensor]:
        chance = torch.Generator().manual_seed(1_000_003 * seed + step)
        first = torch.randint(len(images), (batch,), generator=chance)
        if atlas is None:
            shift = torch.randint(1, len(images), (batch,), generator=chance)  # never the same person
            fixed = images[(first + shift) % len(images)]
        else:
            fixed = atlas.expand(batch, *atlas.shape)
        pairs = torch.stack([images[first], fixed], dim=1)  # (B, 2, *S)
        return pairs, pairs

    return draw


def optimise_pair(
    pair: Tensor,
    *,
    start: Tensor | None = None,
    steps: int = 100,
    lr: float = 0.1,
    image_sigma: float = 0.02,
    prior_lambda: float = 10.0,
    squarings: int = SQUARINGS,
) -> Tensor:
    """Register one pair by gradient descent on its velocity, without a network or from where one left off.

    The loss is `probabilistic_loss` without doubt: the most probable velocity is sought.

    Parameters
    ----------
    pair
        (1, 2, *S), moving and fixed.
    start
        (1, d, *S') velocity in pixels of its grid, such as `RegistrationNet.velocity`; none at half resolution if not
        given.
    steps, lr
        Of Adam.
    image_sigma, prior_lambda, squarings
        As in `probabilistic_loss`.

    Returns
    -------
    Tensor
        Velocity (1, d, *S'). `to_displacement` makes a displacement of it.
    """
    dims, shape = pair.ndim - 2, pair.shape[2:]
    if start is None:
        start = pair.new_zeros(len(pair), dims, *(-(-n // 2) for n in shape))
    velocity = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([velocity], lr=lr)
    for _ in range(steps):
        moved = warp(pair[:, :1], to_displacement(velocity, shape, squarings=squarings))
        error = functional.mse_loss(moved, pair[:, 1:]) / image_sigma**2
        loss = error + 0.5 * dims * prior_lambda * roughness(velocity)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return velocity.detach()


def _bias(layer: nn.Module) -> nn.Parameter:
    bias = layer.bias
    assert isinstance(bias, nn.Parameter)
    return bias
