"""From a few large annotated images to many small training samples, and back to the whole image."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, zoom
from torch import Tensor

from medcourse.errors import CourseError


def elastic_grid(rng: np.random.Generator, *, sigma_px: float = 10.0, points: int = 3) -> NDArray[np.float64]:
    """Draw the displacements of a coarse grid, (2, points, points), normal with standard deviation `sigma_px`.

    Ronneberger et al. 2015 take 3 x 3 points and 10 pixels on images of 512 x 512.
    """
    return rng.normal(0.0, sigma_px, (2, points, points))


def elastic_deform(
    image: NDArray[np.floating], labels: NDArray[np.integer], coarse: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """Bend an image and its labels by a smooth random field.

    The output's pixel x is read at x + u(x), where u is the bicubic interpolation of `coarse` (2, P, P), whose first
    and last points lie on the image's first and last pixels. What lies outside the image is mirrored.

    Parameters
    ----------
    image
        (H, W); interpolated linearly.
    labels
        (H, W) integers; the nearest one is taken, so that no new label appears.
    coarse
        (2, P, P) displacements along rows and columns, in pixels.
    """
    if image.shape != labels.shape:
        raise CourseError(f"labels must match the image's shape {image.shape}, got {labels.shape}")
    factors = np.array(image.shape) / coarse.shape[1:]
    field = np.stack([zoom(component, factors, order=3, mode="nearest") for component in coarse])  # (2, H, W)
    where = np.indices(image.shape) + field
    bent = map_coordinates(image, where, order=1, mode="mirror")
    return bent, map_coordinates(labels, where, order=0, mode="mirror")


def random_crop(
    rng: np.random.Generator, *arrays: NDArray[np.generic], side: int, margin: int = 0
) -> list[NDArray[np.generic]]:
    """Cut the same random window of `side` x `side` pixels out of each array (..., H, W).

    The first array is the image and gets `margin` more pixels at each side, mirrored where the window meets the
    image's border: the input of an unpadded network is larger than its output.

    Returns
    -------
    list of ndarray
        The first (..., side + 2 margin, side + 2 margin), the others (..., side, side).
    """
    height, width = arrays[0].shape[-2:]
    if side > min(height, width):
        raise CourseError(f"side must be at most the image's shorter side {min(height, width)}, got {side}")
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    image = mirror(arrays[0], margin)[..., top : top + side + 2 * margin, left : left + side + 2 * margin]
    return [image, *(array[..., top : top + side, left : left + side] for array in arrays[1:])]


def mirror(image: NDArray[np.generic], margin: int) -> NDArray[np.generic]:
    """Extend the last two axes by `margin` mirrored pixels at each side, the border pixel itself not repeated."""
    return np.pad(image, [(0, 0)] * (image.ndim - 2) + [(margin, margin)] * 2, mode="reflect")


@torch.no_grad()
def predict_tiled(
    predict: Callable[[Tensor], Tensor], image: NDArray[np.floating], *, side: int, margin: int
) -> NDArray[np.float32]:
    """Predict an image of any size tile by tile, the paper's overlap-tile strategy.

    Parameters
    ----------
    predict
        Maps (1, 1, side + 2 margin, side + 2 margin) to (1, K, side, side), for example an unpadded U-Net.
    image
        (H, W).
    side
        Side of the output of `predict`, in pixels.
    margin
        Pixels that `predict` takes away at each side.

    Returns
    -------
    ndarray
        (K, H, W) float32.
    """
    height, width = image.shape
    # Whole tiles may reach past the image: mirror that much more at the far sides, and cut it off at the end.
    rows, columns = -(-height // side), -(-width // side)
    far = [(margin, margin + rows * side - height), (margin, margin + columns * side - width)]
    padded = torch.as_tensor(np.pad(image, far, mode="reflect"), dtype=torch.float32)
    strips = []
    for top in range(0, rows * side, side):
        tiles = [
            predict(padded[None, None, top : top + side + 2 * margin, left : left + side + 2 * margin])[0]
            for left in range(0, columns * side, side)
        ]
        strips.append(torch.cat(tiles, dim=-1))  # (K, side, columns * side)
    whole = torch.cat(strips, dim=-2)[:, :height, :width]
    return whole.cpu().numpy().astype(np.float32)
