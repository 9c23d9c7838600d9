r"""A fully connected conditional random field in three dimensions, solved by mean field.

Every voxel talks to every other one. Two voxels that are close, or that are grey alike and not too far away, would
rather have the same label. The energy of a labelling x, with the network's probabilities p and Potts' penalty [1]_:

.. math:: E(x) = -\sum_i \log p_i(x_i) + \sum_{i<j} [x_i \ne x_j] \left(
    w_1 \exp\left(-\frac{|s_i - s_j|^2}{2 \theta_1^2}\right) +
    w_2 \exp\left(-\frac{|s_i - s_j|^2}{2 \theta_2^2} - \frac{(g_i - g_j)^2}{2 \theta_3^2}\right)\right)

with s the voxel's place and g its grey value. Christ et al. (MICCAI 2016, arXiv 1610.02177) take
w1 = 3, theta1 = 3, w2 = 10, theta2 = 60, theta3 = 20.

References
----------
.. [1] Krähenbühl, Koltun. Efficient inference in fully connected CRFs with Gaussian edge potentials. NeurIPS 2011.
   https://doi.org/10.48550/arXiv.1210.5644
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from medcourse.errors import CourseError

Spacing = tuple[float, float, float]
Filter = Callable[[Tensor], Tensor]
_REACH = 4.0  # a Gaussian is cut at so many standard deviations, where it is 0.0003
_PAIRS = 2**24  # pairs of voxels that the exact filter works on at a time
_CELLS_A_SIGMA = 3.0  # of the bilateral grid
_MOST_CELLS = 2**25


@dataclass(frozen=True)
class CRF:
    """A dense CRF with Christ's kernels.

    Attributes
    ----------
    smooth_weight, smooth_sigma
        Of the smoothness kernel, which sees the place alone.
    appearance_weight, appearance_sigma, grey_sigma
        Of the appearance kernel: place, and grey value (in the image's unit, Hounsfield units for CT).
    spacing
        Size of a voxel along (z, y, x) in the unit of `smooth_sigma` and `appearance_sigma`: (1, 1, 1) reads them in
        voxels, a spacing in millimetres reads them in millimetres. With thick slices these are not the same.
    iterations
        Steps of mean field, >= 0; 0 returns the input.
    method
        "exact" visits all pairs, for up to about 20 000 voxels; "grid" filters on coarse grids and scales linearly.
    normalise
        Divide each kernel by the square roots of its sums at both voxels, as the authors of dense CRFs do in their
        program, so that a weight means the same in small and in large volumes. Without, the sum is the formula's, and
        grows with the number of voxels.
    """

    smooth_weight: float = 3.0
    smooth_sigma: float = 3.0
    appearance_weight: float = 10.0
    appearance_sigma: float = 60.0
    grey_sigma: float = 20.0
    spacing: Spacing = (1.0, 1.0, 1.0)
    iterations: int = 5
    method: Literal["exact", "grid"] = "grid"
    normalise: bool = True

    def __call__(self, probability: Tensor, image: Tensor) -> Tensor:
        """Map probabilities (K, Z, Y, X) and grey values (Z, Y, X) to refined probabilities (K, Z, Y, X)."""
        if probability.ndim != 4 or probability.shape[1:] != image.shape:
            raise CourseError(
                f"probability must be (K, {', '.join(map(str, image.shape))}) for this image, "
                f"got {tuple(probability.shape)}"
            )
        if self.method not in ("exact", "grid"):
            raise CourseError(f'method must be "exact" or "grid", got {self.method!r}')
        log_p = probability.float().clamp(min=1e-6).log()
        kernels = [(w, self._normalised(f, image)) for w, f in self._filters(image.float()) if w > 0]
        q = log_p.softmax(0)
        for _ in range(self.iterations):
            q = mean_field_step(q, log_p, kernels)
        return q

    def _filters(self, image: Tensor) -> list[tuple[float, Filter]]:
        if self.method == "exact":
            near = _exact_filter(image, self.spacing, self.smooth_sigma, None)
            alike = _exact_filter(image, self.spacing, self.appearance_sigma, self.grey_sigma)
        else:
            near = _gaussian_filter(self.spacing, self.smooth_sigma)
            alike = _grid_filter(image, self.spacing, self.appearance_sigma, self.grey_sigma)
        return [(self.smooth_weight, near), (self.appearance_weight, alike)]

    def _normalised(self, filter_all: Filter, image: Tensor) -> Filter:
        """Return the filter without the voxel itself, and with unit sums if that is wanted."""
        if not self.normalise:
            return lambda q: filter_all(q) - q
        ones = torch.ones_like(image, dtype=torch.float32)[None]
        root = (filter_all(ones).clamp(min=1e-12)) ** -0.5  # (1, Z, Y, X)
        return lambda q: root * (filter_all(q * root) - q * root)


def mean_field_step(q: Tensor, log_p: Tensor, kernels: list[tuple[float, Filter]]) -> Tensor:
    """Return the beliefs (K, Z, Y, X) after one round in which every voxel hears all others.

    Parameters
    ----------
    q
        (K, Z, Y, X), sums to 1 over K.
    log_p
        (K, Z, Y, X), logarithm of what the network says.
    kernels
        (weight, filter) each; a filter maps (K, Z, Y, X) to the sum over all *other* voxels of kernel times belief.
    """
    heard = sum((w * f(q) for w, f in kernels), torch.zeros_like(q))  # (K, Z, Y, X)
    # Potts: what speaks against label k is what the others believe of all labels but k.
    against = heard.sum(0, keepdim=True) - heard
    return (log_p - against).softmax(0)


def _exact_filter(image: Tensor, spacing: Spacing, sigma: float, grey_sigma: float | None) -> Filter:
    axes = [torch.arange(n, device=image.device) * (mm / sigma) for n, mm in zip(image.shape, spacing, strict=True)]
    features = [place.flatten() for place in torch.meshgrid(*axes, indexing="ij")]
    features += [image.flatten() / grey_sigma] if grey_sigma else []
    f = torch.stack(features, 1).float()  # (N, 3) or (N, 4)
    rows = max(1, _PAIRS // len(f))

    def apply(q: Tensor) -> Tensor:
        flat = q.reshape(len(q), -1)  # (K, N)
        parts = [
            flat @ torch.exp(-0.5 * torch.cdist(f, part, compute_mode="donot_use_mm_for_euclid_dist") ** 2)
            for part in torch.split(f, rows)
        ]
        return torch.cat(parts, 1).reshape(q.shape)

    return apply


def _gaussian_filter(spacing: Spacing, sigma: float) -> Filter:
    """Return the filter of the smoothness kernel: one axis after the other, exact but for the cut tails."""

    def apply(q: Tensor) -> Tensor:
        for axis, mm in enumerate(spacing, start=1):
            q = _blur(q, axis, sigma / mm)
        return q

    return apply


def _blur(values: Tensor, axis: int, sigma: float, scale: float = 1.0) -> Tensor:
    """Multiply by exp(-d^2 / (2 sigma^2)) and sum along an axis; the kernel's middle is `scale`, not normalised."""
    n = values.shape[axis]
    reach = min(int(_REACH * sigma), n - 1)
    offset = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    kernel = scale * torch.exp(-0.5 * (offset / sigma) ** 2)
    moved = values.movedim(axis, -1)
    out = functional.conv1d(moved.reshape(-1, 1, n), kernel[None, None], padding=reach)
    return out.reshape(moved.shape).movedim(-1, axis)


def _grid_filter(image: Tensor, spacing: Spacing, sigma: float, grey_sigma: float) -> Filter:
    """Return the filter of the appearance kernel on a coarse grid of place and grey value, a bilateral grid.

    Voxels are spread linearly over the 16 nodes around them, the grid is blurred along its four axes, and voxels read
    it linearly. Chen, Paris, Durand. Real-time edge-aware image processing with the bilateral grid. ACM Transactions on
    Graphics 26(3), 2007. https://doi.org/10.1145/1276377.1276506
    """
    # A node's distance in standard deviations; in space no finer than the voxels, which then lie on nodes themselves.
    cells = [max(1 / _CELLS_A_SIGMA, mm / sigma) for mm in spacing] + [1 / _CELLS_A_SIGMA]
    on_nodes = [cell > 1 / _CELLS_A_SIGMA for cell in cells]
    places = [
        torch.arange(n, device=image.device) * (mm / sigma / cell)
        for n, mm, cell in zip(image.shape, spacing, cells, strict=False)
    ]
    features = [place.flatten().float() for place in torch.meshgrid(*places, indexing="ij")]
    features.append(((image - image.min()) / grey_sigma / cells[-1]).flatten())
    sizes = [int(f.max()) + 2 for f in features]
    if torch.tensor(sizes).prod() > _MOST_CELLS:
        raise CourseError(
            f"the grid would have {sizes} cells: clip the grey values (to [-100, 400] HU, say), or widen the sigmas"
        )
    low = [f.floor().clamp(max=n - 2).long() for f, n in zip(features, sizes, strict=True)]
    part = [f - lo for f, lo in zip(features, low, strict=True)]
    nodes, weights = [], []
    for corner in itertools.product((0, 1), repeat=4):
        # Whole numbers: float32 cannot count as many nodes as there may be.
        node, weight = torch.zeros_like(low[0]), torch.ones_like(part[0])
        for c, lo, p, n in zip(corner, low, part, sizes, strict=True):
            node, weight = node * n + lo + c, weight * (p if c else 1 - p)
        nodes.append(node)
        weights.append(weight)
    # Spreading and reading are blurs themselves, each of variance cell^2 / 6: that much less is left to do.
    narrower = [1.0 if on else (1 - cell**2 / 3) ** 0.5 for cell, on in zip(cells, on_nodes, strict=True)]

    def apply(q: Tensor) -> Tensor:
        flat = q.reshape(len(q), -1)  # (K, N)
        grid = flat.new_zeros(len(q), int(torch.tensor(sizes).prod()))
        for node, weight in zip(nodes, weights, strict=True):
            grid.index_add_(1, node, flat * weight)
        grid = grid.reshape(len(q), *sizes)
        for axis, (cell, left) in enumerate(zip(cells, narrower, strict=True), start=1):
            grid = _blur(grid, axis, left / cell, 1 / left)
        grid = grid.reshape(len(q), -1)
        out = sum((grid[:, node] * weight for node, weight in zip(nodes, weights, strict=True)), torch.zeros_like(flat))
        return out.reshape(q.shape)

    return apply
