"""What described pictures before networks did: energies of Gabor filters over a grid, histograms of local patterns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medcourse.errors import CourseError

Floats = NDArray[np.float64]


def gist(
    images: NDArray[np.floating],
    *,
    grid: int = 4,
    n_orientations: int = 8,
    wavelengths_px: Sequence[float] = (4.0, 8.0, 16.0),
) -> Floats:
    """Describe the layout of pictures: how much of each scale and orientation there is in each part of a grid.

    In the manner of Oliva and Torralba [1]_: contrast is made even first, then come Gabor filters (a Gaussian in the
    frequency domain, one octave wide), and the mean of their magnitude over each cell of the grid. The authors' own
    code differs in details.

    Parameters
    ----------
    images
        (N, H, W), any range; H and W at least `grid` and at least twice the longest wavelength.
    grid
        Cells along each axis.
    n_orientations
        Filters for each wavelength, evenly over 180 degrees.
    wavelengths_px
        Of the filters, in pixels, each at least 2.

    Returns
    -------
    ndarray
        (N, len(wavelengths_px) * n_orientations * grid * grid), in this order.

    Raises
    ------
    CourseError
        The images are not (N, H, W) or too small.

    References
    ----------
    .. [1] Oliva, Torralba. Modeling the shape of the scene. International Journal of Computer Vision 42:145-175, 2001.
       https://doi.org/10.1023/A:1011139631724

    Examples
    --------
    >>> gist(np.random.default_rng(0).random((2, 64, 64))).shape
    (2, 384)
    """
    pixels = _checked(images, least=max(grid, int(2 * max(wavelengths_px))))
    height, width = pixels.shape[1:]
    margin = int(max(wavelengths_px))
    # Mirrored, so that the border of the picture is no edge.
    padded = np.pad(
        _even_contrast(pixels, fade_px=margin), ((0, 0), (margin, margin), (margin, margin)), mode="reflect"
    )
    spectrum = fft.fft2(padded)
    fy, fx = np.meshgrid(*(fft.fftfreq(n) for n in padded.shape[1:]), indexing="ij")
    blocks = []
    for wavelength in wavelengths_px:
        for k in range(n_orientations):
            response = np.abs(
                fft.ifft2(spectrum * _gabor(fy, fx, wavelength, np.pi * k / n_orientations, n_orientations))
            )
            blocks.append(_cell_means(response[:, margin : margin + height, margin : margin + width], grid))
    return np.concatenate(blocks, axis=1)


def local_patterns(images: NDArray[np.floating], *, grid: int = 4, radii_px: Sequence[int] = (1, 2)) -> Floats:
    """Describe the texture of pictures: histograms of local binary patterns over a grid.

    Each pixel is compared with eight neighbours on a circle; brighter or not makes a pattern of eight bits. Patterns
    with at most two changes around the circle are told apart by their count of bright neighbours, the rest share a bin
    [1]_. The pattern knows no brightness and no contrast.

    Parameters
    ----------
    images
        (N, H, W), any range.
    grid
        Cells along each axis.
    radii_px
        Radii of the circle.

    Returns
    -------
    ndarray
        (N, len(radii_px) * grid * grid * 10); each histogram sums to 1.

    Raises
    ------
    CourseError
        The images are not (N, H, W) or too small.

    References
    ----------
    .. [1] Ojala, Pietikainen, Maenpaa. IEEE Transactions on Pattern Analysis and Machine Intelligence 24:971-987, 2002.
       https://doi.org/10.1109/TPAMI.2002.1017623

    Examples
    --------
    >>> local_patterns(np.random.default_rng(0).random((2, 32, 32))).shape
    (2, 320)
    """
    from skimage import feature  # noqa: PLC0415  (slow to import)

    local_binary_pattern: Any = feature.local_binary_pattern  # scikit-image has types for some functions only

    pixels = _checked(images, least=2 * grid)
    # Whole numbers: equal neighbours compare equal, which interpolated floats do not.
    low, high = pixels.min(axis=(1, 2), keepdims=True), pixels.max(axis=(1, 2), keepdims=True)
    levels = np.rint(4095 * (pixels - low) / np.maximum(high - low, 1e-12)).astype(np.int32)
    described = []
    for image in levels:
        codes = [local_binary_pattern(image, 8, radius, method="uniform") for radius in radii_px]
        shares = [
            _cell_means(np.stack([code == pattern for pattern in range(10)]).astype(float), grid) for code in codes
        ]
        described.append(np.concatenate([share.T.ravel() for share in shares]))  # cell by cell, ten bins each
    return np.stack(described)


def _checked(images: NDArray[np.floating], *, least: int) -> Floats:
    pixels = np.asarray(images, dtype=np.float64)
    if pixels.ndim != 3 or not len(pixels):
        raise CourseError(f"images must be (N, H, W), got {pixels.shape}")
    if min(pixels.shape[1:]) < least:
        raise CourseError(f"images must be at least {least} pixels high and wide, got {pixels.shape[1:]}")
    return pixels


def _even_contrast(pixels: Floats, *, fade_px: float) -> Floats:
    """Remove the mean around each pixel and divide by the contrast around it."""
    from scipy import ndimage as ndi  # noqa: PLC0415

    sigma = (0, fade_px, fade_px)
    # Contrast is relative to the picture's own: else a dim film would look flat.
    scaled = pixels / np.maximum(pixels.std(axis=(1, 2), keepdims=True), 1e-12)
    centred = scaled - ndi.gaussian_filter(scaled, sigma, mode="reflect")
    spread = np.sqrt(ndi.gaussian_filter(centred**2, sigma, mode="reflect"))
    return np.asarray(centred / (0.2 + spread))


def _gabor(fy: Floats, fx: Floats, wavelength: float, angle: float, n_orientations: int) -> Floats:
    """Return a filter of one wavelength and orientation: a Gaussian on one side of the frequency plane."""
    radius, turn = np.hypot(fy, fx), np.arctan2(fy, fx) - angle
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    octaves = np.log2(np.maximum(radius, 1e-9) * wavelength)
    across = np.exp(-0.5 * (octaves / 0.5) ** 2)
    return np.asarray(across * np.exp(-0.5 * (turn * n_orientations / np.pi) ** 2))


def _cell_means(maps: Floats, grid: int) -> Floats:
    """Return the means (N, grid * grid) over the cells of a grid of (N, H, W); cells may differ by a pixel."""
    rows, columns = (np.array_split(np.arange(n), grid) for n in maps.shape[1:])
    means = [maps[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean(axis=(1, 2)) for r in rows for c in columns]
    return np.stack(means, axis=1)
