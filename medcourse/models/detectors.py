"""What stood before the networks: filters that point at candidates, and clusters of what they find."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy import signal
from sklearn.utils import Bunch

Floats = NDArray[np.float64]


def sphere_template(radius_px: float) -> Floats:
    """Return the profile of a projected sphere minus its mean, with norm 1, in a square 2.5 radii wide each way."""
    reach = int(np.ceil(1.7 * radius_px))
    y, x = np.indices((2 * reach + 1, 2 * reach + 1)) - reach
    profile = np.sqrt(np.clip(1 - (y**2 + x**2) / radius_px**2, 0, None))
    profile -= profile.mean()
    return np.asarray(profile / np.linalg.norm(profile))


def match_spheres(image: NDArray[np.floating], radii_px: Sequence[float] = (5.0, 8.0)) -> Floats:
    """Return at each pixel the best correlation, -1 to 1, of the image with spheres of these radii.

    Around each pixel mean and contrast are removed, so that a sphere in a bright and in a dark lung score alike.
    """
    pixels, best = np.asarray(image, dtype=np.float64), np.full(image.shape, -1.0)
    for radius in radii_px:
        template = sphere_template(radius)
        side = template.shape[0]
        found = signal.fftconvolve(np.pad(pixels, side // 2, mode="reflect"), template, mode="valid")
        mean = ndi.uniform_filter(pixels, side, mode="mirror")
        spread = ndi.uniform_filter((pixels - pixels.mean()) ** 2, side, mode="mirror") - (mean - pixels.mean()) ** 2
        # Below this contrast all is noise, and noise is not to be blown up.
        best = np.maximum(best, found / np.sqrt(side**2 * np.clip(spread, 1e-4, None)))
    return best


def enhance_specks(image: NDArray[np.floating], *, small_px: int = 3, large_px: int = 9) -> Floats:
    """Return the signal of small bright specks in units of the local noise: a small mean minus a large one.

    A box of `small_px` minus a box of `large_px`, divided by the standard deviation of this difference around.
    """
    pixels = np.asarray(image, dtype=np.float64)
    signal_ = ndi.uniform_filter(pixels, small_px) - ndi.uniform_filter(pixels, large_px)
    noise = np.sqrt(ndi.uniform_filter(signal_**2, 51, mode="mirror"))
    return np.asarray(signal_ / np.maximum(noise, 1e-6))


def find_peaks(score: Floats, *, radius_px: int, threshold: float, margin_px: int = 0) -> NDArray[np.int64]:
    """Return (K, 2) places that are the highest within `radius_px` and above `threshold`, the highest first."""
    top = (score == ndi.maximum_filter(score, 2 * radius_px + 1)) & (score > threshold)
    if margin_px:
        inner = np.zeros_like(top)
        inner[margin_px:-margin_px, margin_px:-margin_px] = True
        top &= inner
    places = np.argwhere(top)
    return np.asarray(places[np.argsort(-score[tuple(places.T)], kind="stable")])


def cut_blocks(image: NDArray[np.floating], places: NDArray[np.integer], side: int) -> NDArray[np.float32]:
    """Return a block (K, side, side) around each place, mirrored at the border, each with mean 0 and deviation 1."""
    padded = np.pad(np.asarray(image, dtype=np.float32), side, mode="reflect")
    blocks = np.empty((len(places), side, side), np.float32)
    for k, (row, column) in enumerate(places):
        top, left = row + side - side // 2, column + side - side // 2
        blocks[k] = padded[top : top + side, left : left + side]
    blocks -= blocks.mean(axis=(1, 2), keepdims=True)
    blocks /= np.maximum(blocks.std(axis=(1, 2), keepdims=True), 1e-6)
    return blocks


def find_clusters(
    places: NDArray[np.generic], scores: NDArray[np.floating], *, radius_px: float, at_least: int = 3
) -> Bunch:
    """Group signals into clusters, the surest first.

    A cluster's score is the highest threshold at which it still has `at_least` signals within `radius_px` of one of
    them: at that threshold, and at any below, a program would draw it. Signals of a drawn cluster belong to no other.

    Returns
    -------
    Bunch
        centres : (C, 2) float64, pixels. scores : (C,) float64, from high to low.
    """
    points, scores = np.asarray(places, dtype=np.float64).reshape(-1, 2), np.asarray(scores, dtype=np.float64)
    free, centres, found = np.ones(len(points), bool), [], []
    near = np.linalg.norm(points[:, None] - points[None], axis=-1) <= radius_px
    while free.sum() >= at_least:
        group = np.where(near & free & free[:, None], scores, -np.inf)
        if group.shape[0] < at_least:
            break
        nth = np.sort(group, axis=1)[:, -at_least]
        best = int(nth.argmax())
        if not np.isfinite(nth[best]):
            break
        members = near[best] & free
        strong = members & (scores >= nth[best])
        centres.append(points[strong].mean(axis=0))
        found.append(nth[best])
        free &= ~(np.linalg.norm(points - centres[-1], axis=1) <= 1.5 * radius_px)
        free[best] = False
    return Bunch(centres=np.array(centres).reshape(-1, 2), scores=np.array(found))
