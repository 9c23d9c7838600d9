"""What screen and film make of X-rays, and the noise of which tissue is made: shared by radiographs and mammograms."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import ndimage as ndi

Floats = NDArray[np.float64]

# Optical density of clear and of fully blackened film; typical values, rounded.
CLEAR_OD, BLACK_OD = 0.2, 3.5


def power_law(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    spacing_mm: float,
    exponent: float = 3.0,
    outer_mm: float = 40.0,
) -> Floats:
    """Draw a random field whose power falls as 1 / f^exponent, with mean 0 and standard deviation about 1.

    Mammograms have exponents near 3 (Burgess, Jacobson, Judy 2001, Med Phys 28:419-37, doi 10.1118/1.1355308).

    Parameters
    ----------
    rng
        Source of the random numbers.
    shape
        Height and width in pixels.
    spacing_mm
        Width of a pixel.
    exponent
        0 is white noise; the larger, the smoother.
    outer_mm
        Above this wavelength the power stays even, so that the variance is finite.

    Returns
    -------
    ndarray
        (H, W); its borders do not fit together, as those of tissue do not.
    """
    height, width = (fft.next_fast_len(n + n // 4, real=True) for n in shape)
    frequency = np.hypot(fft.fftfreq(height, spacing_mm)[:, None], fft.rfftfreq(width, spacing_mm))  # 1 / mm
    amplitude = (frequency**2 + outer_mm**-2) ** (-exponent / 4)
    amplitude[0, 0] = 0
    amplitude /= np.sqrt((amplitude**2).sum() * 2 / (height * width))
    field = fft.irfft2(fft.rfft2(rng.standard_normal((height, width))) * amplitude, s=(height, width))
    return np.asarray(field[: shape[0], : shape[1]])


def expose(
    transmission: Floats,
    rng: np.random.Generator,
    *,
    spacing_mm: float,
    quanta_per_mm2: float = 1e5,
    middle: float = 0.5,
    relative_exposure: float = 1.0,
    scatter_fraction: float = 0.0,
    blur_mm: float = 0.08,
    gamma: float = 3.0,
    grain_mm: float = 0.002,
) -> NDArray[np.float32]:
    """Turn the share of X-rays that pass the body into the brightness of a film on a light box.

    Quanta are counted, the screen spreads their light, and film darkens with the logarithm of the exposure along an
    S-shaped curve (Hurter and Driffield), on whose steep middle lies exposure 1. Grain adds a standard
    deviation of optical density that falls with the square root of the area (Selwyn's law).

    Parameters
    ----------
    transmission
        (H, W), in (0, 1].
    rng
        Source of quanta and grain.
    spacing_mm
        Width of a pixel.
    quanta_per_mm2
        Quanta that the screen absorbs at exposure 1; `numpy.inf` for no mottle.
    middle
        The quantile of `transmission` that the automatic exposure looks at.
    relative_exposure
        The exposure that it gives there: above 1, that place is darker than the middle of the film's curve.
    scatter_fraction
        Share of scattered rays in the exposure, in [0, 1): the mean of 40 mm around each place, a veil.
    blur_mm
        Standard deviation of the light's spread in the screen.
    gamma
        Slope of the film's curve at its middle, optical density per decade.
    grain_mm
        Standard deviation of density times the root of the area it is measured over.

    Returns
    -------
    ndarray
        (H, W) float32: 0 is black film, 1 is clear film, so what stops rays is bright.
    """
    exposure = transmission * relative_exposure / np.quantile(transmission, middle)
    if scatter_fraction > 0:
        veil = ndi.uniform_filter(exposure, int(40 / spacing_mm), mode="nearest")
        exposure = (1 - scatter_fraction) * exposure + scatter_fraction * veil
    if np.isfinite(quanta_per_mm2):
        quanta = quanta_per_mm2 * spacing_mm**2
        # The normal law: pixels get hundreds of quanta, where Poisson's is no different and slower.
        exposure = exposure + np.sqrt(exposure / quanta) * rng.standard_normal(exposure.shape)
    if blur_mm > 0:
        exposure = ndi.gaussian_filter(exposure, blur_mm / spacing_mm, mode="nearest")
    decades = np.log10(np.maximum(exposure, 1e-3))
    steepness = 4 * gamma / (BLACK_OD - CLEAR_OD)
    blackening = 1 / (1 + np.exp(-steepness * decades))  # 0 clear, 1 black
    if grain_mm > 0:
        grain = grain_mm / spacing_mm / (BLACK_OD - CLEAR_OD)
        blackening = blackening + grain * rng.standard_normal(exposure.shape)
    return np.asarray(np.clip(1 - blackening, 0, 1), dtype=np.float32)
