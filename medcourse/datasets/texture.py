"""Grey-level difference (GLDS) and spatial grey-level dependence (SGLD) statistics, and images made of them.

SGLD matrices are better known as co-occurrence matrices: Haralick, Shanmugam, Dinstein 1973, IEEE Trans SMC 3:610-21,
doi 10.1109/TSMC.1973.4309314. GLDS: Weszka, Dyer, Rosenfeld 1976, IEEE Trans SMC 6:269-85,
doi 10.1109/TSMC.1976.5408777.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Number = TypeVar("Number", bound=np.number[Any])
# Right, up to the right, up, up to the left: the four directions, as (rows, columns) for a distance of 1.
DIRECTIONS = ((0, 1), (-1, 1), (-1, 0), (-1, -1))


def quantise(image: NDArray[np.floating], levels: int = 32) -> NDArray[np.int64]:
    """Map an image in [0, 1] to whole grey levels 0 to levels - 1 of equal width.

    Examples
    --------
    >>> quantise(np.array([0.0, 0.49, 0.51, 1.0]), 2)
    array([0, 0, 1, 1])
    """
    if levels < 2:
        raise CourseError(f"levels must be at least 2, got {levels}")
    return np.clip((np.asarray(image) * levels).astype(np.int64), 0, levels - 1)


def pairs(region: NDArray[Number], offset: tuple[int, int]) -> tuple[NDArray[Number], NDArray[Number]]:
    """Return two views of `region`: pixels x, and pixels x + offset, where both lie in it.

    Examples
    --------
    >>> first, second = pairs(np.array([[1, 2, 3]]), (0, 2))
    >>> first, second
    (array([[1]]), array([[3]]))
    """
    down, across = offset
    height, width = region.shape
    if abs(down) >= height or abs(across) >= width:
        raise CourseError(f"offset must stay within the region of shape {region.shape}, got {offset}")
    first = region[max(-down, 0) : height - max(down, 0), max(-across, 0) : width - max(across, 0)]
    second = region[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)]
    return first, second


def glds(region: NDArray[np.integer], offset: tuple[int, int], *, levels: int = 32) -> Floats:
    """Return the distribution of |I(x) - I(x + offset)|, (levels,), which adds up to 1.

    Examples
    --------
    >>> glds(np.array([[0, 2, 2]]), (0, 1), levels=3)
    array([0.5, 0. , 0.5])
    """
    first, second = pairs(region, offset)
    counts = np.bincount(np.abs(first - second).ravel(), minlength=levels)
    return np.asarray(counts / first.size, dtype=np.float64)


def sgld(region: NDArray[np.integer], offset: tuple[int, int], *, levels: int = 32) -> Floats:
    """Return the symmetric co-occurrence matrix, (levels, levels), which adds up to 1.

    Examples
    --------
    >>> sgld(np.array([[0, 1, 1]]), (0, 1), levels=2)
    array([[0.  , 0.25],
           [0.25, 0.5 ]])
    """
    first, second = pairs(region, offset)
    counts = np.bincount((first * levels + second).ravel(), minlength=levels**2).reshape(levels, levels)
    return np.asarray((counts + counts.T) / (2 * first.size), dtype=np.float64)


def glds_features(distribution: Floats) -> dict[str, float]:
    """Return mean, contrast, energy and entropy (in nats) of a GLDS distribution."""
    p, i = np.asarray(distribution), np.arange(len(distribution))
    some = p[p > 0]
    return {
        "mean": float((i * p).sum()),
        "contrast": float((i**2 * p).sum()),
        "energy": float((p**2).sum()),
        "entropy": float(-(some * np.log(some)).sum()),
    }


def sgld_features(matrix: Floats) -> dict[str, float]:
    """Return correlation, energy, entropy (in nats), contrast and homogeneity of a symmetric SGLD matrix.

    The correlation of a region of one grey level is 1, as skimage has it.
    """
    p = np.asarray(matrix)
    i, j = np.indices(p.shape)
    mean = (i * p).sum()
    variance = ((i - mean) ** 2 * p).sum()
    some = p[p > 0]
    return {
        "correlation": float(((i - mean) * (j - mean) * p).sum() / variance) if variance > 1e-15 else 1.0,
        "energy": float((p**2).sum()),
        "entropy": float(-(some * np.log(some)).sum()),
        "contrast": float(((i - j) ** 2 * p).sum()),
        "homogeneity": float((p / (1 + (i - j) ** 2)).sum()),
    }


def texture_features(
    image: NDArray[np.floating], *, distances: Sequence[int] = (1, 2, 4, 8), levels: int = 32
) -> Floats:
    """Return GLDS and SGLD features of a whole image in [0, 1], for each distance, averaged over four directions.

    Returns
    -------
    ndarray
        (len(distances) * 9,).
    """
    grey, found = quantise(image, levels), []
    for d in distances:
        offsets = [(d * down, d * across) for down, across in DIRECTIONS]
        rows = [
            [
                *glds_features(glds(grey, offset, levels=levels)).values(),
                *sgld_features(sgld(grey, offset, levels=levels)).values(),
            ]
            for offset in offsets
        ]
        found.append(np.mean(rows, axis=0))
    return np.concatenate(found)


def texture_images(
    image: NDArray[np.floating], *, glds_px: int = 4, sgld_px: int = 16, window: int = 32, step: int = 16
) -> NDArray[np.float32]:
    """Return the GLDS mean and the SGLD correlation around each place of a coarse grid, averaged over directions.

    Both are moments of pairs of pixels within a square window, so box filters give all windows at once, without a
    histogram; grey levels need not be whole. The image is mirrored at its border.

    Parameters
    ----------
    image
        (H, W), any grey values.
    glds_px, sgld_px
        Distances of the pairs.
    window
        Side of the windows in pixels, above both distances.
    step
        From window to window; H and W must be multiples.

    Returns
    -------
    ndarray
        (2, H / step, W / step) float32: GLDS mean, SGLD correlation.
    """
    height, width = image.shape
    if window <= max(glds_px, sgld_px) or height % step or width % step or (window - step) % 2:
        raise CourseError(
            f"window must exceed both distances and differ from step by an even number, and step divide {image.shape}, "
            f"got window {window}, step {step}, distances {glds_px} and {sgld_px}"
        )
    padded = np.pad(np.asarray(image, dtype=np.float64), (window - step) // 2, mode="reflect")
    return np.stack(
        [_glds_mean(padded, glds_px, window, step), _sgld_correlation(padded, sgld_px, window, step)]
    ).astype(np.float32)


def _box_means(values: Floats, rows: int, columns: int, n: tuple[int, int], step: int) -> Floats:
    """Return the means of (rows, columns) boxes whose corners lie `step` apart, `n` of them along each axis."""
    table = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top, left = np.arange(n[0])[:, None] * step, np.arange(n[1]) * step
    total = table[top + rows, left + columns] - table[top, left + columns] - table[top + rows, left] + table[top, left]
    return np.asarray(total / (rows * columns))


def _windows(padded: Floats, window: int, step: int) -> tuple[int, int]:
    return (padded.shape[0] - window) // step + 1, (padded.shape[1] - window) // step + 1


def _glds_mean(padded: Floats, distance: int, window: int, step: int) -> Floats:
    n, maps = _windows(padded, window, step), []
    for down, across in DIRECTIONS:
        first, second = pairs(padded, (distance * down, distance * across))
        size = (window - distance * abs(down), window - distance * abs(across))
        maps.append(_box_means(np.abs(first - second), *size, n, step))
    return np.asarray(np.mean(maps, axis=0))


def _sgld_correlation(padded: Floats, distance: int, window: int, step: int) -> Floats:
    padded = padded - padded.mean()  # so that squares lose no digits
    n, maps = _windows(padded, window, step), []
    for down, across in DIRECTIONS:
        first, second = pairs(padded, (distance * down, distance * across))
        size = (window - distance * abs(down), window - distance * abs(across))
        # Of the symmetric matrix: both members of a pair count at both places.
        mean = _box_means((first + second) / 2, *size, n, step)
        variance = _box_means((first**2 + second**2) / 2, *size, n, step) - mean**2
        covariance = _box_means(first * second, *size, n, step) - mean**2
        flat = variance < 1e-12
        maps.append(np.where(flat, 1.0, covariance / np.where(flat, 1.0, variance)))
    return np.asarray(np.mean(maps, axis=0))


def remove_background(image: NDArray[np.floating], *, rim_px: int = 8) -> NDArray[np.float32]:
    """Subtract what the rim of a region says about the tissue around: each pixel's rim, weighed by 1 / distance.

    Parameters
    ----------
    image
        (H, W).
    rim_px
        Width of the rim whose mean along each side is taken.
    """
    height, width = image.shape
    pixels = np.asarray(image, dtype=np.float64)
    top, bottom = pixels[:rim_px].mean(0), pixels[-rim_px:].mean(0)
    left, right = pixels[:, :rim_px].mean(1)[:, None], pixels[:, -rim_px:].mean(1)[:, None]
    y, x = np.arange(height)[:, None] + 1.0, np.arange(width) + 1.0
    near = (1 / y, 1 / (height + 1 - y), 1 / x, 1 / (width + 1 - x))
    background = (near[0] * top + near[1] * bottom + near[2] * left + near[3] * right) / (
        near[0] + near[1] + near[2] + near[3]
    )
    return np.asarray(pixels - background, dtype=np.float32)


def average(image: NDArray[np.floating], side: int = 16) -> NDArray[np.float32]:
    """Shrink a square image to `side` x `side` by the means of blocks; its own side must be a multiple."""
    if image.ndim != 2 or image.shape[0] != image.shape[1] or image.shape[0] % side:
        raise CourseError(f"expected a square image with a side that is a multiple of {side}, got {image.shape}")
    step = image.shape[0] // side
    blocks = np.asarray(image, dtype=np.float32).reshape(side, step, side, step)
    return np.asarray(blocks.mean(axis=(1, 3)))
