"""Random views of a candidate, and the network that reads them: Roth et al., TMI 35(5):1170-1181, 2016.

https://doi.org/10.1109/TMI.2015.2482920. A view is three planes at right angles through a candidate, seen as the red,
green and blue of one small picture ("2.5D"). It is drawn in millimetres at a random scale, shift and rotation; a
candidate's probability is the mean over its views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from medcourse.errors import CourseError
from medcourse.planes import ORTHOGONAL_PLANES, Spacing, sample_planes

Floats = NDArray[np.float64]
# As we remember the paper: about these.
SCALES_MM = (30.0, 35.0, 40.0, 45.0)
LARGEST_SHIFT_MM = 3.0


@dataclass(frozen=True, eq=False)
class Views:
    """How a candidate is looked at, V times.

    Attributes
    ----------
    sides_mm
        (V,) side of the three square planes.
    shifts_mm
        (V, 3) from the candidate to the planes' common centre, (z, y, x).
    rotations
        (V, 3, 3) matrices that turn the planes' directions (z, y, x).
    """

    sides_mm: Floats
    shifts_mm: Floats
    rotations: Floats

    def __len__(self) -> int:
        return len(self.sides_mm)


def fixed_view(side_mm: float = 35.0) -> Views:
    """Return the one view that is not random: the axial, coronal and sagittal plane through the candidate."""
    return Views(np.array([side_mm], dtype=np.float64), np.zeros((1, 3)), np.eye(3)[None])


def draw_views(
    rng: np.random.Generator,
    *,
    scales_mm: Sequence[float] = SCALES_MM,
    n_shifts: int = 5,
    n_rotations: int = 5,
    largest_shift_mm: float = LARGEST_SHIFT_MM,
) -> Views:
    """Draw the views of one candidate: every scale with every shift and every rotation, in random order.

    Shifts have any direction and up to `largest_shift_mm`, all lengths equally likely; rotations have any axis and any
    angle. The order is shuffled, so that the first n are a fair choice of n.

    Returns
    -------
    Views
        len(scales_mm) * n_shifts * n_rotations of them; by default 100, about as in the paper.

    Examples
    --------
    >>> views = draw_views(np.random.default_rng(0))
    >>> len(views), sorted(set(views.sides_mm.tolist()))
    (100, [30.0, 35.0, 40.0, 45.0])
    """
    if not scales_mm or min(scales_mm) <= 0 or n_shifts < 1 or n_rotations < 1 or largest_shift_mm < 0:
        raise CourseError(
            "expected scales above 0 mm, at least one shift and rotation, and no negative shift, got "
            f"{tuple(scales_mm)}, {n_shifts=}, {n_rotations=}, {largest_shift_mm=}"
        )
    directions = _units(rng.normal(size=(n_shifts, 3)))
    shifts = directions * rng.uniform(0, largest_shift_mm, (n_shifts, 1))
    rotations = rotate_about(rng.normal(size=(n_rotations, 3)), rng.uniform(0, 360, n_rotations))
    scale, shift, turn = (
        index.ravel() for index in np.indices((len(scales_mm), n_shifts, n_rotations))
    )  # each with each
    order = rng.permutation(len(scale))
    sides = np.asarray(scales_mm, dtype=np.float64)
    return Views(sides[scale[order]], shifts[shift[order]], rotations[turn[order]])


def rotate_about(axes: ArrayLike, angles_deg: ArrayLike) -> Floats:
    """Return the rotation matrices (N, 3, 3) about axes (N, 3) by angles (N,), by Rodrigues' formula.

    Axes need not be of length 1. The turn is the right-handed one of the coordinates in the order in which the axis is
    given.

    Examples
    --------
    >>> (rotate_about([[1, 0, 0]], [90])[0] @ [0, 1, 0]).round(9).tolist()
    [0.0, 0.0, 1.0]
    """
    a, b, c = _units(np.asarray(axes, dtype=np.float64)).T
    zero = np.zeros_like(a)
    cross = np.stack([zero, -c, b, c, zero, -a, -b, a, zero], axis=-1).reshape(-1, 3, 3)
    angle = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))[:, None, None]
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _units(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if vectors.ndim != 2 or vectors.shape[-1] != 3 or not (lengths > 0).all():
        raise CourseError(f"directions must be (N, 3) and none of them zero, got {vectors.shape}")
    return np.asarray(vectors / lengths)


def sample_views(
    volume: Any,
    spacing_mm: Spacing,
    centres_mm: ArrayLike,
    views: Views | Sequence[Views],
    *,
    n_px: int = 32,
    device: torch.device | None = None,
) -> NDArray[np.float32]:
    """Read the views of candidates out of a volume.

    Parameters
    ----------
    volume, spacing_mm
        (Z, Y, X) and the size of its voxels (z, y, x).
    centres_mm
        (C, 3) candidates (z, y, x), mm from the middle of the first voxel.
    views
        The same for all candidates, or as many as candidates, of one number V of views.
    n_px
        Pixels along the side of a plane.
    device
        Where to compute.

    Returns
    -------
    ndarray
        (C, V, 3, n_px, n_px) float32: the axial, the coronal and the sagittal plane, all three turned by the view.
    """
    centres = np.asarray(centres_mm, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[1] != 3:
        raise CourseError(f"centres_mm must be (C, 3), got {centres.shape}")
    each = [views] * len(centres) if isinstance(views, Views) else list(views)
    if len(each) != len(centres) or len({len(v) for v in each}) > 1:
        raise CourseError(f"expected as many sets of views as candidates, {len(centres)}, all of one length")
    if not len(centres):
        n_views = len(views) if isinstance(views, Views) else 0
        return np.empty((0, n_views, 3, n_px, n_px), np.float32)
    n_views = len(each[0])
    places = np.concatenate([centre + v.shifts_mm for centre, v in zip(centres, each, strict=True)])  # (C V, 3)
    # A rotation turns the direction in which rows and columns are counted.
    turned = np.concatenate([ORTHOGONAL_PLANES @ v.rotations[:, None].swapaxes(-1, -2) for v in each])  # (C V, 3, 2, 3)
    sides = np.concatenate([v.sides_mm for v in each])[:, None]  # (C V, 1)
    planes = sample_planes(volume, spacing_mm, places, turned, side_mm=sides, n_px=n_px, device=device)
    return planes.reshape(len(centres), n_views, 3, n_px, n_px)


class DropConnect(nn.Module):
    """A dense layer that loses a random part of its weights, not of its outputs, in every training step.

    Wan et al., Regularization of Neural Networks using DropConnect, ICML 2013 (PMLR 28(3):1058-1066). Here one draw of
    weights serves a whole batch, where the paper draws for each sample; in use the mean of the weights is taken, where
    the paper samples from a normal distribution.

    Parameters
    ----------
    inputs, outputs
        Features before and after.
    keep
        Probability of a weight to stay, in (0, 1].
    """

    def __init__(self, inputs: int, outputs: int, *, keep: float = 0.5) -> None:
        super().__init__()
        if not 0 < keep <= 1:
            raise CourseError(f"keep must lie in (0, 1], got {keep}")
        self.linear, self.keep = nn.Linear(inputs, outputs), keep

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs) to (B, outputs)."""
        weight = self.linear.weight
        if self.training and self.keep < 1:
            # Divided by its probability, so that the mean is the weight that is used later.
            weight = weight * (torch.rand_like(weight) < self.keep) / self.keep
        return functional.linear(x, weight, self.linear.bias)


class RandomViewNet(nn.Module):
    """Five convolutions, then two dense layers with DropConnect: about the network of the paper.

    The paper's is said to have five convolutional layers, two dense ones with DropConnect and a softmax, on views of
    about 32 x 32 pixels and three channels. The widths are ours, in the manner of its time.

    Parameters
    ----------
    side_px
        Side of a view, a multiple of 8.
    maps
        Feature maps of the five convolutions; after the first, second and fifth the side is halved.
    hidden
        Features of the first dense layer.
    keep
        Probability of a dense weight to stay in a training step.

    Examples
    --------
    >>> RandomViewNet()(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        side_px: int = 32,
        *,
        maps: tuple[int, int, int, int, int] = (64, 64, 96, 96, 64),
        hidden: int = 512,
        keep: float = 0.5,
    ) -> None:
        super().__init__()
        if side_px < 8 or side_px % 8:
            raise CourseError(f"side_px must be a multiple of 8, got {side_px}")
        layers: list[nn.Module] = []
        for i, (before, after, kernel) in enumerate(zip((3, *maps[:-1]), maps, (5, 5, 3, 3, 3), strict=True)):
            layers += [nn.Conv2d(before, after, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)] if i in (0, 1, 4) else []
        self.features = nn.Sequential(*layers)
        self.hidden = DropConnect(maps[-1] * (side_px // 8) ** 2, hidden, keep=keep)
        self.to_logits = DropConnect(hidden, 2, keep=keep)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map views (B, 3, side, side) to raw logits (B, 2): another structure, or a finding."""
        maps = self.features(x)  # (B, M, side / 8, side / 8)
        logits: Tensor = self.to_logits(functional.relu(self.hidden(maps.flatten(1))))
        return logits


@torch.no_grad()
def view_probabilities(
    net: nn.Module, views: NDArray[np.float32], *, device: torch.device | None = None, batch: int = 4096
) -> NDArray[np.float32]:
    """Return the probability of a finding in every view.

    Parameters
    ----------
    net
        Maps (B, 3, H, W) to logits (B, 2); it is put into evaluation mode.
    views
        (C, V, 3, H, W), as the network was trained on.
    device
        Where to compute; where the network is, if not given.
    batch
        Views at a time.

    Returns
    -------
    ndarray
        (C, V) float32 in [0, 1]; the mean over the second axis is the candidate's probability.
    """
    place = device or next(net.parameters()).device
    net.to(place).eval()
    flat = torch.as_tensor(views).flatten(0, 1)
    parts = [net(part.to(place)).softmax(dim=1)[:, 1].float().cpu() for part in torch.split(flat, batch)]
    return np.asarray(torch.cat(parts).numpy().reshape(views.shape[:2]))
