"""Computed tomography in parallel beams: line integrals, photon counts, filtered back-projection, Hounsfield units."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets import phantoms
from medcourse.datasets.xray import MATERIALS, attenuation_per_mm
from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Window = Literal["ramp", "shepp-logan", "cosine", "hann"]
WINDOWS = ("ramp", "shepp-logan", "cosine", "hann")
# (level, width) in HU, customary values.
PRESETS = {"lung": (-600.0, 1500.0), "soft tissue": (40.0, 400.0), "bone": (500.0, 2000.0), "brain": (40.0, 80.0)}


def to_hu(mu_per_mm: NDArray[np.floating], *, energy_kev: float = 70.0) -> Floats:
    """Return Hounsfield units, 1000 (mu - mu_water) / (mu_water - mu_air): water is 0, air is -1000 at any energy.

    Examples
    --------
    >>> to_hu(np.array([attenuation_per_mm("water", 70), attenuation_per_mm("air", 70)])).round(9).tolist()
    [0.0, -1000.0]
    """
    water, air = attenuation_per_mm("water", energy_kev), attenuation_per_mm("air", energy_kev)
    return np.asarray(1000 * (np.asarray(mu_per_mm) - water) / (water - air))


def to_mu(hu: NDArray[np.floating], *, energy_kev: float = 70.0) -> Floats:
    """Return attenuation coefficients in 1 / mm, the inverse of `to_hu`.

    Examples
    --------
    >>> bool(np.isclose(to_mu(np.array(0.0)), attenuation_per_mm("water", 70)))
    True
    """
    water, air = attenuation_per_mm("water", energy_kev), attenuation_per_mm("air", energy_kev)
    return np.asarray(water + np.asarray(hu) * (water - air) / 1000)


def window_hu(hu: NDArray[np.floating], level: float, width: float) -> Floats:
    """Map Hounsfield units to grey in [0, 1]: what lies `width` / 2 below `level` or lower is black, above it white.

    Examples
    --------
    >>> window_hu(np.array([-200.0, -160.0, 40.0, 240.0, 999.0]), 40, 400).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    if not width > 0:
        raise CourseError(f"width of a window must be > 0 HU, got {width}")
    return np.clip((np.asarray(hu, float) - (level - width / 2)) / width, 0, 1)


def view_angles(n_views: int) -> Floats:
    """Return the angles of `n_views` parallel projections over half a turn, in degrees."""
    if n_views < 1:
        raise CourseError(f"n_views must be >= 1, got {n_views}")
    return np.arange(n_views) * 180.0 / n_views


def project(image: NDArray[np.floating], angles_deg: NDArray[np.floating], *, spacing_mm: float = 1.0) -> Floats:
    """Return line integrals through a square image (a sinogram), all rays of a view parallel.

    Parameters
    ----------
    image
        (N, N), attenuation per mm. Rays see the disc of diameter N pixels around the middle; the corners must be empty.
    angles_deg
        (V,); 0 looks along the columns, from above. Angles and axes are those of `skimage.transform.radon`.
    spacing_mm
        Width of a pixel, and of a detector.

    Returns
    -------
    (V, N), without unit.

    Examples
    --------
    >>> disc = np.hypot(*(np.indices((65, 65)) - 32)) <= 20
    >>> int(round(project(0.02 * disc, view_angles(2))[0, 32] / 0.02))
    41
    """
    image = np.asarray(image, float)
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise CourseError(f"image must be square (N, N), got {image.shape}")
    n = len(image)
    centre = n // 2
    sinogram = np.empty((len(angles_deg), n))
    for i, angle in enumerate(np.deg2rad(angles_deg)):
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        offset = centre - turn @ [centre, centre]
        sinogram[i] = ndi.affine_transform(image, turn, offset, order=1).sum(axis=0)
    return sinogram * spacing_mm


def count(sinogram: Floats, *, dose_photons: float, electronic_noise: float = 0.0, rng: np.random.Generator) -> Floats:
    """Measure line integrals with photons: -log of the share that was counted.

    Parameters
    ----------
    sinogram
        True line integrals, any shape.
    dose_photons
        Photons sent along each ray, > 0; `inf` measures without noise.
    electronic_noise
        Standard deviation of what the electronics add, in photons.
    rng
        Source of the noise.

    Returns
    -------
    The same shape. Where less than one photon was counted, one is assumed, or the logarithm would not exist.
    """
    if not dose_photons > 0:
        raise CourseError(f"dose_photons must be > 0 (inf for no noise), got {dose_photons}")
    if not np.isfinite(dose_photons):
        return sinogram
    counts = rng.poisson(dose_photons * np.exp(-sinogram)) + rng.normal(0, electronic_noise, sinogram.shape)
    return np.asarray(-np.log(np.maximum(counts, 1.0) / dose_photons))


def ramp_filter(n: int, window: Window = "ramp") -> Floats:
    """Return the transfer function of the filter at the n frequencies of `fft.fftfreq`.

    It is the transform of the ramp cut off in space, h(0) = 1/4, h(k) = -1 / (pi k)^2 for odd k, 0 for even k (Kak and
    Slaney, Principles of Computerized Tomographic Imaging, 1988, chapter 3), times two: sampled |f| itself would get
    the mean of the picture wrong. A window lowers high frequencies, noise and detail alike.

    Examples
    --------
    >>> ramp_filter(64).round(3)[[0, 32]].tolist()
    [0.006, 0.994]
    """
    if window not in WINDOWS:
        raise CourseError(f"window must be one of {', '.join(WINDOWS)}; got {window!r}")
    k = np.fft.fftfreq(n, 1 / n)
    odd = np.abs(k) % 2 == 1
    kernel = np.zeros(n)
    kernel[odd] = -1 / (np.pi * k[odd]) ** 2
    kernel[0] = 0.25
    response = 2 * fft.fft(kernel).real
    f = np.abs(fft.fftfreq(n)) * 2  # 1 at the highest frequency
    if window == "shepp-logan":
        response *= np.sinc(f / 2)
    elif window == "cosine":
        response *= np.cos(np.pi * f / 2)
    elif window == "hann":
        response *= 0.5 * (1 + np.cos(np.pi * f))
    return np.asarray(response)


def back_project(sinogram: Floats, angles_deg: NDArray[np.floating]) -> Floats:
    """Smear each view back along its rays and add up: (V, N) to (N, N), in units of the sinogram times pi / (2 V)."""
    n_views, n = sinogram.shape
    centre = n // 2
    axis = np.arange(n) - centre
    total = np.zeros((n, n))
    for view, angle in zip(sinogram, np.deg2rad(angles_deg), strict=True):
        place = axis[None, :] * np.cos(angle) - axis[:, None] * np.sin(angle) + centre
        total += np.interp(place.ravel(), np.arange(n), view, left=0, right=0).reshape(n, n)
    return np.asarray(total * np.pi / (2 * n_views))


def reconstruct(
    sinogram: Floats,
    angles_deg: NDArray[np.floating],
    *,
    spacing_mm: float = 1.0,
    window: Window | None = "ramp",
) -> Floats:
    """Reconstruct an image by filtered back-projection.

    Parameters
    ----------
    sinogram
        (V, N) line integrals.
    angles_deg
        (V,), as given to `project`.
    spacing_mm
        Width of a detector.
    window
        "ramp", "shepp-logan", "cosine" or "hann", from sharp to smooth; None does not filter, to see why one must.

    Returns
    -------
    (N, N), per mm; 0 outside of the disc that all views see.

    Raises
    ------
    CourseError
        The number of angles is not that of views, or the window is unknown.
    """
    n_views, n = sinogram.shape
    if len(angles_deg) != n_views:
        raise CourseError(f"angles_deg must be as many as views, {n_views}, got {len(angles_deg)}")
    if window is not None:
        padded = max(64, int(2 ** np.ceil(np.log2(2 * n))))  # zeros between one end and the other: no wrap-around
        spectrum = fft.fft(sinogram, padded, axis=1) * ramp_filter(padded, window)
        sinogram = fft.ifft(spectrum, axis=1).real[:, :n]
    image = back_project(sinogram, angles_deg) / spacing_mm
    axis = np.arange(n) - n // 2
    image[axis[:, None] ** 2 + axis[None, :] ** 2 > (n // 2) ** 2] = 0
    return image


def make_ct_slice(
    *,
    size: int = 256,
    spacing_mm: float = 1.4,
    n_views: int = 360,
    dose_photons: float = 2e5,
    electronic_noise: float = 10.0,
    window: Window | None = "hann",
    contrast_agent_hu: float = 150.0,
    nodule_mm: float = 0.0,
    energy_kev: float = 70.0,
    seed: int = 0,
) -> Bunch:
    """Simulate a CT slice of a chest: attenuation, parallel line integrals, photon counts, filtered back-projection.

    One energy stands for the tube's spectrum, so there is no beam hardening; there is no scatter, and nobody breathes.

    Parameters
    ----------
    size
        Height and width in pixels, even; `size` times `spacing_mm` must be 340 mm or more.
    spacing_mm
        Width of a pixel and of a detector.
    n_views
        Number of projections over half a turn.
    dose_photons
        Photons along each ray, > 0; `inf` for no noise.
    electronic_noise
        Standard deviation of the detector's read-out, in photons.
    window
        Filter's window, see `reconstruct`.
    contrast_agent_hu
        By how much iodine brightens the blood.
    nodule_mm
        Diameter of a nodule in the lung; 0 for none.
    energy_kev
        Effective energy.
    seed
        Same seed, same person and same noise.

    Returns
    -------
    Bunch
        image : (H, W) float32, HU; outside of the field of view -1000. truth_hu : (H, W), what is really there.
        sinogram : (V, W), measured line integrals. angles_deg : (V,). nodule : (H, W) bool.
        tissue : (H, W) uint8 into `phantoms.TISSUES`, at the middle of each pixel.
        spacing_mm, dose_photons : as given. description : with the word SIMULATED.

    Examples
    --------
    >>> slice_ = make_ct_slice(size=64, spacing_mm=5.6, n_views=60)
    >>> slice_.image.shape, slice_.sinogram.shape
    ((64, 64), (60, 64))
    """
    if size % 2 or not size * spacing_mm >= 340:
        raise CourseError(f"size must be even and size * spacing_mm at least 340 mm, got {size} * {spacing_mm}")
    body = phantoms.thorax(size=(size, size), spacing_mm=spacing_mm, nodule_mm=nodule_mm, seed=seed)
    mu = attenuation_of(body, energy_kev=energy_kev, contrast_agent_hu=contrast_agent_hu)
    angles = view_angles(n_views)
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    sinogram = count(
        project(mu, angles, spacing_mm=spacing_mm),
        dose_photons=dose_photons,
        electronic_noise=electronic_noise,
        rng=rng,
    )
    image = to_hu(reconstruct(sinogram, angles, spacing_mm=spacing_mm, window=window), energy_kev=energy_kev)
    return Bunch(
        image=np.maximum(image, -1024).astype(np.float32),
        truth_hu=to_hu(mu, energy_kev=energy_kev),
        sinogram=sinogram,
        angles_deg=angles,
        nodule=body.nodule[1::2, 1::2],
        tissue=body.tissue[1::2, 1::2],
        spacing_mm=spacing_mm,
        dose_photons=dose_photons,
        description=f"SIMULATED CT slice of a chest, {n_views} views of {dose_photons:g} photons a ray, seed {seed}.",
    )


def attenuation_of(body: Bunch, *, energy_kev: float = 70.0, contrast_agent_hu: float = 0.0) -> Floats:
    """Return the attenuation per mm of a phantom's slice, averaged in pixels of twice the phantom's spacing."""
    values = {name: attenuation_per_mm(name, energy_kev) for name in phantoms.TISSUES if name in MATERIALS}
    per_hu = (attenuation_per_mm("water", energy_kev) - attenuation_per_mm("air", energy_kev)) / 1000
    values["blood"] += contrast_agent_hu * per_hu
    values["myocardium"] += 0.35 * contrast_agent_hu * per_hu
    density = body.get("density", 1.0)
    return phantoms.coarsen(phantoms.lookup(values, body.tissue) * density, 2)
