"""Dark blobs without a network: the Laplacian of a Gaussian at several scales, and the shape of the darkness there.

T. Lindeberg. Feature Detection with Automatic Scale Selection. International Journal of Computer Vision 30(2):79-116,
1998. https://doi.org/10.1023/A:1008045108935
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

Floats = NDArray[np.float64]
SIGMAS_MM = (1.0, 1.5, 2.2, 3.2)
_SHAPE_AT = (1, 2)  # the scales at which the shape is looked at


def find_dark_blobs(
    volume: NDArray[np.floating],
    spacing_mm: Sequence[float],
    inside: NDArray[np.bool_],
    *,
    at_least: float = 0.05,
    n_most: int = 200,
) -> Bunch:
    """Find places that are darker than what is around them, and describe each in eleven numbers.

    A place's score is the largest of sigma^2 times the Laplacian over the scales, which is above 0 in a dark blob and
    largest where sigma fits its radius. The Laplacian does not tell a ball from a tube; the eigenvalues of the Hessian
    do: a ball has three large ones, a tube two.

    Parameters
    ----------
    volume
        (D, H, W), brightness of ordinary tissue about constant.
    spacing_mm
        Of the volume, (z, y, x).
    inside
        (D, H, W), where to look.
    at_least
        Smallest score.
    n_most
        Keep so many, the surest first.

    Returns
    -------
    Bunch
        centres_mm : (N, 3) float64, (z, y, x) from the middle of the first voxel. scores : (N,), falling.
        features : (N, 11): the Laplacian at four scales, brightness, and the Hessian's eigenvalues at two scales.
    """
    smooth = [ndi.gaussian_filter(volume, [s / mm for mm in spacing_mm]).astype(np.float32) for s in SIGMAS_MM]
    laplacians = []
    for g, sigma in zip(smooth, SIGMAS_MM, strict=True):
        laplacians.append(sigma**2 * np.sum([_second(g, axis, mm) for axis, mm in enumerate(spacing_mm)], axis=0))
    best = np.max(np.stack(laplacians), axis=0)
    # The neighbourhood in which a place must be the best: about 4 mm.
    reach = [2 * max(1, round(2.0 / mm)) + 1 for mm in spacing_mm]
    index = np.argwhere((ndi.maximum_filter(best, reach) == best) & (best > at_least) & inside)
    scores = best[tuple(index.T)]
    order = np.argsort(-scores, kind="stable")[:n_most]
    index, scores = index[order], scores[order]
    features = [np.stack([each[tuple(index.T)] for each in [*laplacians, smooth[0]]], axis=1)]
    features += [_eigenvalues(smooth[k], index, spacing_mm) * SIGMAS_MM[k] ** 2 for k in _SHAPE_AT]
    return Bunch(
        centres_mm=index * np.asarray(spacing_mm, dtype=np.float64),
        scores=scores.astype(np.float64),
        features=np.concatenate(features, axis=1).astype(np.float64),
    )


def _second(values: NDArray[np.floating], axis: int, mm: float) -> NDArray[np.floating]:
    """Return the second derivative along an axis, in units a square millimetre."""
    return np.asarray(ndi.correlate1d(values, [1.0, -2.0, 1.0], axis=axis, mode="nearest") / mm**2)


def _eigenvalues(values: NDArray[np.floating], index: NDArray[np.integer], spacing_mm: Sequence[float]) -> Floats:
    """Return the eigenvalues of the Hessian, rising, at some voxels, (N, 3)."""
    last = np.array(values.shape) - 1

    def at(*shifts: tuple[int, int]) -> Floats:
        moved = index.copy()
        for axis, step in shifts:
            moved[:, axis] += step
        return np.asarray(values[tuple(np.clip(moved, 0, last).T)], dtype=np.float64)

    hessian = np.empty((len(index), 3, 3))
    for a in range(3):
        hessian[:, a, a] = (at((a, 1)) - 2 * at() + at((a, -1))) / spacing_mm[a] ** 2
        for b in range(a):
            mixed = at((a, 1), (b, 1)) + at((a, -1), (b, -1)) - at((a, 1), (b, -1)) - at((a, -1), (b, 1))
            hessian[:, a, b] = hessian[:, b, a] = mixed / (4 * spacing_mm[a] * spacing_mm[b])
    return np.asarray(np.linalg.eigvalsh(hessian))
