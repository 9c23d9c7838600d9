"""Deformations of images: warp, compose, follow a velocity, look for folds.

A displacement u says where each pixel x of the fixed image finds its partner in the moving one: at x + u(x). Fields are
tensors (B, d, *S) in pixels, d = 2 or 3, whose components are ordered as the axes of S: rows first, then columns. Two
and three dimensions share all code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from medcourse.errors import CourseError

SQUARINGS = 7
_LINEAR = {2: "bilinear", 3: "trilinear"}


def warp(image: Tensor, displacement: Tensor, *, mode: Literal["bilinear", "nearest"] = "bilinear") -> Tensor:
    """Read an image at x + u(x): the spatial transformer.

    Parameters
    ----------
    image
        (B, C, *S).
    displacement
        (B, d, *S) in pixels, components in the order of the axes.
    mode
        `"bilinear"` interpolates linearly between the 4 or 8 pixels around (in 3D as well, the name is PyTorch's);
        `"nearest"` is for labels, whose numbers must not be averaged.

    Returns
    -------
    Tensor
        (B, C, *S). Outside of the image its border is repeated.

    Examples
    --------
    >>> row = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> step_right = torch.stack([torch.zeros(1, 1, 4), torch.full((1, 1, 4), 0.5)], dim=1)
    >>> warp(row, step_right).flatten().round(decimals=3).tolist()
    [0.5, 1.5, 2.5, 3.0]
    """
    check_field(displacement)
    if image.shape[2:] != displacement.shape[2:] or image.ndim != displacement.ndim:
        raise CourseError(
            f"image must lie on the field's grid {tuple(displacement.shape[2:])}, got {tuple(image.shape)}"
        )
    shape = displacement.shape[2:]
    places = identity(shape, like=displacement) + displacement  # (B, d, *S)
    last = torch.tensor([max(n - 1, 1) for n in shape], device=places.device, dtype=places.dtype)
    unit = places.movedim(1, -1) * (2 / last) - 1  # grid_sample counts from -1 to 1 between the middles of end pixels
    grid = unit.flip(-1)  # and names columns before rows
    return functional.grid_sample(image, grid, mode, padding_mode="border", align_corners=True)


def identity(shape: Sequence[int], *, like: Tensor | None = None) -> Tensor:
    """Return the coordinates of each pixel, (1, d, *shape).

    Examples
    --------
    >>> identity((2, 3))[0, 1].tolist()
    [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    """
    device, dtype = (None, torch.float32) if like is None else (like.device, like.dtype)
    axes = [torch.arange(n, device=device, dtype=dtype) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Return the displacement of x -> first(second(x)), where both maps are x + u(x).

    Examples
    --------
    >>> one = torch.ones(1, 2, 4, 4)
    >>> compose(one, one).unique().tolist()
    [2.0]
    """
    moved: Tensor = second + warp(first, second)
    return moved


def integrate(velocity: Tensor, *, squarings: int = SQUARINGS) -> Tensor:
    """Follow a velocity field for one unit of time by scaling and squaring.

    The field divided by 2**squarings is nearly the step of that short time; each composition with itself doubles it.

    Parameters
    ----------
    velocity
        (B, d, *S) in pixels per unit of time.
    squarings
        >= 0; 0 takes the velocity for the displacement. The paper has 7.

    Returns
    -------
    Tensor
        Displacement (B, d, *S) in pixels. The inverse map is that of `-velocity`.

    Examples
    --------
    >>> torch.allclose(integrate(torch.full((1, 2, 5, 5), 0.25)), torch.tensor(0.25))
    True
    """
    if squarings < 0:
        raise CourseError(f"squarings must be at least 0, got {squarings}")
    displacement: Tensor = velocity / 2**squarings
    for _ in range(squarings):
        displacement = compose(displacement, displacement)
    return displacement


def inverse_error(velocity: Tensor, *, squarings: int = SQUARINGS) -> Tensor:
    """Return by how many pixels each point misses itself after going there and back, (B, *S).

    There is the map of `velocity`, back that of `-velocity`; in exact arithmetic on a continuous field, both undo each
    other.
    """
    there, back = integrate(velocity, squarings=squarings), integrate(-velocity, squarings=squarings)
    missed: Tensor = torch.linalg.vector_norm(compose(there, back), dim=1)
    return missed


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """Return how much the map x + u(x) locally enlarges area or volume, (B, *S).

    1 keeps it, 0.5 halves it; 0 and below mean that the map folds: space is turned inside out. Derivatives are central
    differences, one-sided at the border.

    Examples
    --------
    >>> stretched = 0.5 * identity((4, 4))  # x -> 1.5 x
    >>> jacobian_determinant(stretched).unique().tolist()
    [2.25]
    """
    dims = check_field(displacement)
    rows = [
        torch.stack(torch.gradient(displacement[:, i], dim=list(range(1, dims + 1))), dim=-1)  # (B, *S, d)
        for i in range(dims)
    ]
    matrix = torch.stack(rows, dim=-2) + torch.eye(dims, device=displacement.device, dtype=displacement.dtype)
    determinant: Tensor = torch.linalg.det(matrix)
    return determinant


def fold_share(displacement: Tensor, mask: Tensor | None = None) -> float:
    """Return the share of pixels whose Jacobian determinant is 0 or below, in [0, 1].

    Parameters
    ----------
    displacement
        (B, d, *S) in pixels.
    mask
        (B, *S) bool; only these pixels count.
    """
    folded = jacobian_determinant(displacement) <= 0
    return float((folded if mask is None else folded[mask]).double().mean())


def resize_field(field: Tensor, shape: Sequence[int]) -> Tensor:
    """Put a displacement or velocity onto another grid over the same space.

    Corners meet corners, and lengths are counted in the new grid's pixels.

    Examples
    --------
    >>> resize_field(torch.ones(1, 2, 3, 3), (5, 9))[0, :, 0, 0].tolist()
    [2.0, 4.0]
    """
    dims = check_field(field)
    larger = functional.interpolate(field, size=tuple(shape), mode=_LINEAR[dims], align_corners=True)
    factor = [(new - 1) / max(old - 1, 1) for new, old in zip(shape, field.shape[2:], strict=True)]
    return larger * torch.tensor(factor, device=field.device, dtype=field.dtype).reshape(1, dims, *[1] * dims)


def to_displacement(velocity: Tensor, shape: Sequence[int], *, squarings: int = SQUARINGS) -> Tensor:
    """Integrate a velocity on its own grid and put the displacement onto the grid `shape`."""
    return resize_field(integrate(velocity, squarings=squarings), shape)


def check_field(field: Tensor) -> int:
    """Return the number of dimensions of a field (B, d, *S)."""
    dims = field.ndim - 2
    if dims not in _LINEAR or field.shape[1] != dims:
        raise CourseError(f"a field must be (B, 2, H, W) or (B, 3, D, H, W), got {tuple(field.shape)}")
    return dims
