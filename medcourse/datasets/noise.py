"""Noise of computed tomography: its spectrum, and how strong it is where, from the photons that get through the body.

Filtered back-projection is linear, so the variance of a pixel is a sum over the rays through it: a ray of line integral
p, measured with n exp(-p) photons, adds in proportion to exp(p) / n. Noise is strongest where long rays cross.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medcourse.datasets.ct import back_project, project, to_mu, view_angles
from medcourse.datasets.xray import attenuation_per_mm

Floats = NDArray[np.float64]
FWHM = 2 * np.sqrt(2 * np.log(2))  # width of a Gaussian at half its height, over its sigma


def ct_noise(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    *,
    resolution_mm: float = 0.9,
) -> Floats:
    """Return noise of standard deviation 1 with the correlation of a CT slice reconstructed by back-projection.

    In the slice, noise power is f exp(-(f / f0)^2): the ramp filter leaves power proportional to the frequency f, and
    the kernel, whose transfer function is a Gaussian of the resolution, takes away what it blurs.

    Parameters
    ----------
    rng
        Source of the noise.
    shape, spacing_mm
        Of the volume, (z, y, x).
    resolution_mm
        Width at half height of the point spread function in the slice.

    Returns
    -------
    (Z, Y, X) array.
    """
    fz, fy, fx = np.meshgrid(
        *(fft.fftfreq(n, mm) for n, mm in zip(shape, spacing_mm, strict=True)), indexing="ij", sparse=True
    )
    across = np.sqrt(fy**2 + fx**2)
    sigma, sigma_z = resolution_mm / FWHM, spacing_mm[0] / FWHM
    power = across * np.exp(-((2 * np.pi * sigma * across) ** 2)) * np.exp(-((2 * np.pi * sigma_z * fz) ** 2))
    noise = fft.ifftn(fft.fftn(rng.normal(size=shape)) * np.sqrt(power)).real
    return np.asarray(noise / np.sqrt(power.mean()))


def fast_ct_noise(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    *,
    resolution_mm: float = 0.9,
) -> NDArray[np.float32]:
    """Return noise as `ct_noise` does, for whole scans: slice by slice, in single precision, other random numbers."""
    n_z, n_y, n_x = shape
    # Slices of one white volume, then mixed along z by the square root of the spectrum; a matrix, for Z is small.
    white = rng.standard_normal(shape, dtype=np.float32)
    response = np.exp(-0.5 * (2 * np.pi * spacing_mm[0] / FWHM * fft.fftfreq(n_z, spacing_mm[0])) ** 2)
    kernel = fft.ifft(response).real / np.sqrt((response**2).mean())
    rows = np.arange(n_z)
    mix = kernel[(rows[:, None] - rows[None, :]) % n_z].astype(np.float32)
    white = (mix @ white.reshape(n_z, -1)).reshape(shape)
    y, x = fft.next_fast_len(n_y, real=True), fft.next_fast_len(n_x, real=True)
    across = np.hypot(fft.fftfreq(y, spacing_mm[1])[:, None], fft.fftfreq(x, spacing_mm[2])[None, :])
    power = across * np.exp(-((2 * np.pi * resolution_mm / FWHM * across) ** 2))
    gain = np.sqrt(power / power.mean())[:, : x // 2 + 1].astype(np.float32)
    for k in range(n_z):
        white[k] = fft.irfft2(fft.rfft2(white[k], (y, x)) * gain, (y, x))[:n_y, :n_x]
    if (y, x) != (n_y, n_x):  # the padding took its share of the power
        white *= np.float32(np.sqrt(y * x / (n_y * n_x)))
    return np.asarray(white)


def noise_sd(
    hu: NDArray[np.floating],
    *,
    spacing_mm: float,
    dose_photons: float,
    thickness_mm: float,
    resolution_mm: float,
    n_views: int = 30,
    energy_kev: float = 70.0,
) -> Floats:
    """Return the standard deviation of the noise of filtered back-projection in each pixel of a slice.

    With q photons sent per mm of detector and view, V views and a kernel whose transfer function is a Gaussian of
    standard deviation s in space, the attenuation's variance at a point is::

        (pi^2 / V) / q * mean over views of exp(p) * sqrt(pi) / (2 (2 pi s)^3)

    for the filtered view has variance exp(p) / q * integral of f^2 exp(-(2 pi s f)^2) [1]_.
    To interpolate between detectors of width d is a further blur, of variance d^2 / 6, which this leaves out.

    Parameters
    ----------
    hu
        (N, N) slice, coarse or fine, HU; the body lies within the disc of diameter N pixels.
    spacing_mm
        Width of a pixel.
    dose_photons
        Photons in all views together for each square millimetre of detector, V q / thickness; `inf` for no noise.
    thickness_mm
        Of the slice: a thicker one collects more photons.
    resolution_mm
        Width at half height of the kernel.
    n_views
        Views that the mean is taken over here; few are enough, for it varies smoothly.
    energy_kev
        Effective energy.

    Returns
    -------
    (N, N), HU.

    References
    ----------
    .. [1] Riederer, Pelc, Chesler. The noise power spectrum in computed X-ray tomography. Physics in Medicine and
       Biology 23(3):446-454, 1978. https://doi.org/10.1088/0031-9155/23/3/008
    """
    angles = view_angles(n_views)
    lines = project(to_mu(np.asarray(hu), energy_kev=energy_kev), angles, spacing_mm=spacing_mm)
    crossing = back_project(np.exp(lines), angles) * 2 / np.pi  # mean over views of exp(p)
    filtered = np.sqrt(np.pi) / (2 * (2 * np.pi * resolution_mm / FWHM) ** 3)
    variance = np.pi**2 * crossing * filtered / (dose_photons * thickness_mm)
    per_hu = (attenuation_per_mm("water", energy_kev) - attenuation_per_mm("air", energy_kev)) / 1000
    return np.asarray(np.sqrt(variance) / per_hu)
