"""Pictures of a size that a laptop can learn from."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch


def shrink(data: Bunch, *, longest_px: int) -> Bunch:
    """Scale images and labels down until no side is longer than `longest_px`; smaller ones stay as they are.

    Parameters
    ----------
    data
        With `images`, (H, W) each, and `labels`, integers of the same shape; other entries are kept.
    longest_px
        In pixels of the result, at least 16.

    Returns
    -------
    Bunch
        A copy with `images` and `labels` as lists. Images are smoothed before they are sampled; of labels the nearest
        is taken, so that no new one appears, but a part thinner than a new pixel may break or vanish.

    Examples
    --------
    >>> cells = Bunch(images=[np.zeros((40, 80))], labels=[np.ones((40, 80), int)])
    >>> shrink(cells, longest_px=40).images[0].shape
    (20, 40)
    """
    from skimage.transform import resize  # noqa: PLC0415  (only where there is something to scale)

    rescale: Any = resize  # scikit-image has types for some functions only

    if longest_px < 16:
        raise ValueError(f"longest_px must be at least 16, got {longest_px}")
    images, labels = [], []
    for image, label in zip(data.images, data.labels, strict=True):
        factor = min(1.0, longest_px / max(image.shape))
        if factor < 1:
            shape = tuple(max(1, round(factor * side)) for side in image.shape)
            image = rescale(image, shape, anti_aliasing=True).astype(image.dtype)  # noqa: PLW2901
            label = rescale(label, shape, order=0, anti_aliasing=False, preserve_range=True)  # noqa: PLW2901
        images.append(image)
        labels.append(label.astype(np.int32))
    return Bunch(**{**data, "images": images, "labels": labels})
