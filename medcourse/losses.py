"""What a network is trained to make small."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional


def border_weights(labels: NDArray[np.integer], *, w0: float = 10.0, sigma_px: float = 5.0) -> NDArray[np.float32]:
    r"""Weigh each pixel by the rarity of its class and by its closeness to two cells at once.

    .. math:: w(x) = w_c(x) + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2\sigma^2}\right)

    with d1 and d2 the distances to the nearest and to the second nearest cell (0 inside a cell), from Ronneberger
    et al. 2015, equation 2. The paper leaves w_c open; here it is N / (2 N_c), whose mean over the image is 1.

    Parameters
    ----------
    labels
        (H, W), 0 for background, 1..K for cells.
    w0
        Height of the ridge between two cells; 0 leaves the class weights alone.
    sigma_px
        Its width in pixels.

    Returns
    -------
    ndarray
        (H, W) float32, > 0.
    """
    cell = labels > 0
    n_cell = int(cell.sum())
    n_background = labels.size - n_cell
    weights = np.where(cell, labels.size / max(2 * n_cell, 1), labels.size / max(2 * n_background, 1))
    ids = np.unique(labels[cell])
    if w0 and len(ids) > 1:
        distances = np.stack([distance_transform_edt(labels != k) for k in ids])  # (K, H, W)
        d1, d2 = np.partition(distances, 1, axis=0)[:2]
        weights = weights + w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma_px**2))
    return weights.astype(np.float32)


def weighted_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return the mean over all pixels of weight times cross-entropy.

    Parameters
    ----------
    logits
        (B, K, H, W), raw.
    target
        (B, H, W) integers in 0..K-1.
    weights
        (B, H, W). The sum is divided by the number of pixels, not by the sum of weights: a heavy pixel stays heavy.

    Examples
    --------
    >>> import torch
    >>> logits, target = torch.zeros(1, 2, 1, 2), torch.zeros(1, 1, 2, dtype=torch.long)
    >>> round(weighted_cross_entropy(logits, target, torch.tensor([[[1.0, 3.0]]])).item(), 4)  # 2 log 2
    1.3863
    """
    return (weights * functional.cross_entropy(logits, target, reduction="none")).mean()


def soft_dice_loss(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Return 1 - Dice of the softmax probabilities, averaged over the classes but the first (background).

    `logits` is (B, K, ...), `target` (B, ...) integers; `smooth` guards a class that neither holds.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[[0, 1]]])
    >>> sure = 50.0 * functional.one_hot(target, 2).movedim(-1, 1)
    >>> round(soft_dice_loss(sure, target).item(), 4)
    0.0
    """
    probability = logits.softmax(dim=1)
    one_hot = functional.one_hot(target, logits.shape[1]).movedim(-1, 1).to(probability.dtype)  # (B, K, ...)
    space = tuple(range(2, logits.ndim))
    overlap = (probability * one_hot).sum(space)  # (B, K)
    total = probability.sum(space) + one_hot.sum(space)
    dice = (2 * overlap + smooth) / (total + smooth)
    return 1 - dice[:, 1:].mean()
