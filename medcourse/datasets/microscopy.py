"""How a light microscope shows a transparent cell: phase contrast, differential interference contrast, camera.

A living cell absorbs next to nothing; it delays light. What an object does to light is therefore one map, the phase in
radians, `2 pi * optical path difference / wavelength`, and a microscope is a function from that map to brightness.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

WAVELENGTH_UM = 0.55  # green, where both techniques are used

# Sigma of a Gaussian as wide as the Airy disc of an objective of numerical aperture 0.6: 0.21 wavelength / NA.
RESOLUTION_UM = 0.2


def phase_contrast(
    phase: NDArray[np.floating],
    *,
    spacing_um: float,
    halo_um: float = 3.0,
    plate_transmission: float = 0.4,
    background: float = 0.4,
) -> NDArray[np.float64]:
    """Image a phase object with Zernike's positive phase contrast: dense is dark, and a bright halo surrounds it.

    The condenser's annulus is imaged onto a ring in the objective, which dims the direct light and advances it by a
    quarter of a wavelength, so that it interferes destructively with what the object diffracted. The ring has a width,
    so it also takes in what is diffracted by small angles: with D the direct part and u = exp(i phase) the light behind
    the object, the image is

        |u - D + t exp(-i pi/2) D|^2,   D = u * h,   t = sqrt(plate_transmission).

    Were D constant, brightness would follow phase. Since D is u blurred by h, it follows phase minus blurred phase:
    hence the halo and the shade-off, wide flat parts returning to the grey of the background. Here h has the transfer
    function 1 / (1 + (2 pi f halo_um)^2), smooth where that of a sharp ring has ripples, and equal to it in its peak
    at the centre and its long tails [1]_.

    Parameters
    ----------
    phase
        (H, W), radians; taken to repeat beyond its edges, so give it a margin.
    spacing_um
        Width of a pixel in micrometres.
    halo_um
        Reach of the halo in micrometres: the narrower the ring, the wider.
    plate_transmission
        Share of the direct light's intensity that the ring lets through, in (0, 1].
    background
        Brightness where there is nothing.

    Returns
    -------
    (H, W) brightness, >= 0; equal to `background` everywhere if `phase` is constant.

    References
    ----------
    .. [1] Yin, Kanade, Chen. Understanding the phase contrast optics to restore artifact-free microscopy images for
       segmentation. Medical Image Analysis 16(5):1047-1062, 2012. https://doi.org/10.1016/j.media.2011.12.006

    Examples
    --------
    >>> import numpy as np
    >>> cell = np.zeros((64, 64))
    >>> cell[24:40, 24:40] = 0.3
    >>> image = phase_contrast(cell, spacing_um=1)
    >>> bool(image[32, 26] < 0.4 < image[32, 22])  # dark inside, halo outside
    True
    """
    fy, fx = _frequencies(phase.shape, spacing_um)
    ring = 1 / (1 + (2 * np.pi * halo_um) ** 2 * (fy**2 + fx**2))
    light = np.exp(1j * fft.irfft2(_resolved(phase, spacing_um), s=phase.shape))
    direct = fft.ifft2(fft.fft2(light) * ring)
    transmission = np.sqrt(plate_transmission)
    amplitude = light - direct - 1j * transmission * direct
    return np.asarray(np.abs(amplitude) ** 2 * (background / plate_transmission))


def differential_interference_contrast(
    phase: NDArray[np.floating],
    *,
    spacing_um: float,
    shear_um: float = 0.6,
    shear_deg: float = 45.0,
    bias_deg: float = 45.0,
    background: float = 0.5,
) -> NDArray[np.float64]:
    """Image a phase object with Nomarski's differential interference contrast (DIC): cells as a relief lit from a side.

    A prism splits the light into two images a `shear_um` apart, and a second prism lets them interfere with a constant
    phase between them, the bias: the image is proportional to 1 - cos(bias + difference of phase). What rises along the
    shear is bright, what falls is dark, what is level has the grey of the background, inside a cell as outside; edges
    that run along the shear vanish [1]_.

    Parameters
    ----------
    phase
        (H, W), radians; taken to repeat beyond its edges, so give it a margin.
    spacing_um
        Width of a pixel in micrometres.
    shear_um
        Distance between the two images in micrometres, below the resolution.
    shear_deg
        Direction of the shear: 0 points to the right, 90 down.
    bias_deg
        Phase between the two images where the object is level, in (0, 90]: the smaller, the stronger the contrast.
    background
        Brightness where there is nothing.

    Returns
    -------
    (H, W) brightness, >= 0; equal to `background` everywhere if `phase` is constant.

    References
    ----------
    .. [1] Preza, Snyder, Conchello. Theoretical development and experimental evaluation of imaging models for
       differential-interference-contrast microscopy. JOSA A 16(9):2185-2199, 1999.
       https://doi.org/10.1364/JOSAA.16.002185

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.minimum(np.arange(64), np.arange(64)[::-1]) * np.ones((64, 1)) * 0.1  # rises, then falls
    >>> image = differential_interference_contrast(ramp, spacing_um=1, shear_deg=0)
    >>> bool(image[32, 16] > 0.5 > image[32, 48])
    True
    """
    down, right = np.sin(np.deg2rad(shear_deg)), np.cos(np.deg2rad(shear_deg))
    fy, fx = _frequencies(phase.shape, spacing_um)
    # Two copies half a shear to either side, subtracted: exact for any shear, also below a pixel.
    shift = 2j * np.sin(np.pi * shear_um * (down * fy + right * fx))[:, : phase.shape[1] // 2 + 1]
    difference = fft.irfft2(_resolved(phase, spacing_um) * shift, s=phase.shape)
    bias = np.deg2rad(bias_deg)
    return np.asarray(background * (1 - np.cos(bias + difference)) / (1 - np.cos(bias)))


def camera(
    brightness: NDArray[np.floating],
    *,
    photons: float,
    read_noise_electrons: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Record brightness with shot and read noise.

    Parameters
    ----------
    brightness
        Any shape; 1 is the camera's full scale.
    photons
        Photoelectrons in a pixel of brightness 1; `inf` is a camera without noise.
    read_noise_electrons
        Standard deviation of the read-out, in electrons.
    rng
        Source of the noise.

    Returns
    -------
    The same shape, clipped to [0, 1].
    """
    if np.isfinite(photons):
        electrons = rng.poisson(np.clip(brightness, 0, None) * photons)
        brightness = (electrons + rng.normal(0, read_noise_electrons, electrons.shape)) / photons
    return np.asarray(np.clip(brightness, 0, 1))


def _frequencies(shape: tuple[int, ...], spacing_um: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return spatial frequencies in cycles per micrometre, (H, 1) down and (1, W) to the right."""
    return fft.fftfreq(shape[0], spacing_um)[:, None], fft.fftfreq(shape[1], spacing_um)[None, :]


def _resolved(phase: NDArray[np.floating], spacing_um: float) -> NDArray[np.complex128]:
    """Return the (H, W // 2 + 1) spectrum of what objective and pixels resolve of a phase."""
    fy, fx = _frequencies(phase.shape, spacing_um)
    variance = RESOLUTION_UM**2 + (0.4 * spacing_um) ** 2  # a pixel is about as wide as a Gaussian of 0.4 of it
    transfer = np.exp(-2 * np.pi**2 * variance * (fy**2 + fx**2))
    return np.asarray(fft.rfft2(phase) * transfer[:, : phase.shape[1] // 2 + 1])
