"""X-rays: how much each material absorbs, and pictures of what gets through.

The law is Beer and Lambert's: of N0 photons, N0 exp(-sum of mu times length) come out at the other side.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets import silhouettes
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

ENERGIES_KEV = (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 500.0)
# Density in g / cm^3, then mass attenuation coefficients in cm^2 / g at these energies, of materials as ICRU report 44
# composes them: Hubbell and Seltzer, Tables of X-Ray Mass Attenuation Coefficients, NISTIR 5632, doi:10.18434/T4D01F.
# The densities of bone marrow (here muscle of 1.12), cartilage and inflated lung are round numbers of ours.
_WATER = (0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505, 0.0969)
_FAT = (0.5677, 0.3063, 0.2396, 0.2123, 0.1974, 0.1800, 0.1688, 0.1500, 0.0970)
_MUSCLE = (0.8205, 0.3783, 0.2685, 0.2262, 0.2048, 0.1823, 0.1693, 0.1492, 0.0960)
_BLOOD = (0.8428, 0.3852, 0.2715, 0.2278, 0.2057, 0.1827, 0.1695, 0.1492, 0.0960)
_LUNG = (0.8316, 0.3815, 0.2699, 0.2270, 0.2053, 0.1826, 0.1695, 0.1493, 0.0961)
_BRAIN = (0.8281, 0.3811, 0.2702, 0.2275, 0.2058, 0.1831, 0.1701, 0.1498, 0.0964)
_BONE = (4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480, 0.0902)
MATERIALS: dict[str, tuple[float, tuple[float, ...]]] = {
    "air": (0.001205, (0.7779, 0.3538, 0.2485, 0.2080, 0.1875, 0.1662, 0.1541, 0.1356, 0.0871)),
    "water": (1.0, _WATER),
    "fat": (0.95, _FAT),
    "skin": (1.09, _MUSCLE),
    "muscle": (1.05, _MUSCLE),
    "myocardium": (1.05, _MUSCLE),
    "cartilage": (1.10, _MUSCLE),
    "blood": (1.06, _BLOOD),
    "lung": (0.26, _LUNG),
    "gland": (1.04, _MUSCLE),
    "csf": (1.007, _WATER),
    "grey_matter": (1.04, _BRAIN),
    "white_matter": (1.03, _BRAIN),
    "deep_grey": (1.04, _BRAIN),
    "tumour": (1.05, _MUSCLE),
    "marrow": (1.12, _MUSCLE),
    "cortical_bone": (1.92, _BONE),
    "gold": (19.32, (78.83, 27.52, 12.98, 7.256, 4.528, 2.185, 5.158, 1.860, 0.153)),
}

View = Literal["chest", "hand"]


def attenuation_per_mm(material: str, energy_kev: float) -> float:
    """Return the linear attenuation coefficient of a material in 1 / mm, interpolated between tabulated energies.

    Parameters
    ----------
    material
        A name in `MATERIALS`.
    energy_kev
        Photon energy in [20, 511]. Gold's edge at 80.7 keV is smoothed over.

    Examples
    --------
    >>> round(attenuation_per_mm("water", 60), 5)
    0.02059
    """
    if material not in MATERIALS:
        raise CourseError(f"material must be one of {', '.join(MATERIALS)}; got {material!r}")
    if not 20 <= energy_kev <= 511:
        raise CourseError(f"energy_kev must lie in [20, 511], got {energy_kev}")
    density, mass = MATERIALS[material]
    # Straight lines between logarithms, as the tables recommend; the last one is drawn on to 511 keV.
    energies, values = np.log(ENERGIES_KEV), np.log(mass)
    at = np.log(energy_kev)
    if at > energies[-1]:
        log_mass = values[-1] + (at - energies[-1]) * (values[-1] - values[-2]) / (energies[-1] - energies[-2])
    else:
        log_mass = np.interp(at, energies, values)
    return float(density * np.exp(log_mass) / 10)


def transmit(lengths_mm: dict[str, Floats], *, energy_kev: float) -> Floats:
    """Return the share of photons that pass, exp(-sum of mu times length), by Beer and Lambert's law.

    Parameters
    ----------
    lengths_mm
        For each material in `MATERIALS`, the length of the ray inside of it, any shape.
    energy_kev
        Photon energy; a real tube sends a whole spectrum.

    Examples
    --------
    >>> share = transmit({"water": np.array([0.0, 100.0])}, energy_kev=60)
    >>> share.round(4).tolist()
    [1.0, 0.1276]
    """
    if not lengths_mm:
        raise CourseError("lengths_mm must name at least one material, got none")
    return np.exp(-sum(attenuation_per_mm(name, energy_kev) * length for name, length in lengths_mm.items()))


def count_photons(
    transmission: Floats, *, photons: float, scatter_fraction: float, rng: np.random.Generator, spacing_mm: float
) -> Floats:
    """Return the photons that each pixel counts.

    Parameters
    ----------
    transmission
        (H, W) share that passes straight.
    photons
        Photons that would reach a pixel without a patient; `inf` counts without noise, in shares of 1.
    scatter_fraction
        Share of scattered photons among those that arrive, in [0, 1): a veil, the picture blurred by 40 mm.
    rng, spacing_mm
        Source of the noise; width of a pixel.
    """
    from scipy import ndimage as ndi  # noqa: PLC0415

    if scatter_fraction > 0:
        veil = ndi.gaussian_filter(transmission, 40 / spacing_mm, mode="nearest")
        transmission = transmission + veil * scatter_fraction / (1 - scatter_fraction)
    if not np.isfinite(photons):
        return transmission
    return rng.poisson(transmission * photons).astype(float)


def film(
    exposure: Floats, *, speed: float = 1.0, contrast: float = 3.0, fog: float = 0.2, black: float = 3.2
) -> Floats:
    """Return the optical density of developed film: an S-shaped curve over the logarithm of exposure.

    Parameters
    ----------
    exposure
        Photons in shares of those that reach the film without a patient, >= 0.
    speed
        The film is half black at an exposure of 1 / `speed`.
    contrast
        Slope of the curve in the middle: change of density for ten times the exposure.
    fog, black
        Densities of unexposed and of fully exposed film.

    Examples
    --------
    >>> film(np.array([0.0, 1.0]), fog=0.2, black=3.2).round(2).tolist()
    [0.2, 1.7]
    """
    steepness = 4 * contrast / (black - fog)
    shifted = np.log10(np.maximum(exposure * speed, 1e-9))
    return np.asarray(fog + (black - fog) / (1 + np.exp(-steepness * shifted)))


def even_out(image: Floats, *, spacing_mm: float, strength: float = 0.6, scale_mm: float = 20.0) -> Floats:
    """Take away a share of what is smooth, as digital radiography does for the screen: a wide range, seen at once.

    Parameters
    ----------
    image
        (H, W), -log of the share of photons.
    spacing_mm
        Width of a pixel.
    strength
        Share of the smooth part that is taken away; 0 leaves the image as it is.
    scale_mm
        Standard deviation of the smoothing.

    Examples
    --------
    >>> even_out(np.full((8, 8), 2.0), spacing_mm=1, strength=0.5)[0, 0].item()
    1.0
    """
    from scipy import ndimage as ndi  # noqa: PLC0415

    return np.asarray(image - strength * ndi.gaussian_filter(image, scale_mm / spacing_mm, mode="nearest"))


def make_radiograph(
    view: View = "chest",
    *,
    energy_kev: float | None = None,
    photons: float = 20_000.0,
    scatter_fraction: float | None = None,
    spacing_mm: float | None = None,
    nodule_mm: float = 0.0,
    seed: int = 0,
) -> Bunch:
    """Simulate a radiograph: a chest from behind, or a hand with a ring, as on Roentgen's first picture of his wife's.

    Parameters
    ----------
    view
        "chest" (field of 400 x 400 mm, the patient's right is left) or "hand" (250 x 160 mm).
    energy_kev
        Photon energy in [20, 150]; 60 for a chest (about 120 kV at the tube), 30 for a hand if not given.
    photons
        Photons that reach a pixel without a patient, > 0; `inf` for no noise.
    scatter_fraction
        Scattered among all arriving photons, in [0, 1); 0.3 (behind a grid) for a chest, 0 for a hand if not given.
    spacing_mm
        Width of a pixel at the patient; 0.8 for a chest, 0.4 for a hand if not given.
    nodule_mm
        Diameter of a round nodule in a lung; chest only.
    seed
        Same seed, same person and same noise.

    Returns
    -------
    Bunch
        image : (H, W) float64, -log of the share of photons counted: bone is bright, as radiologists view it.
        counts : (H, W). lengths_mm : dict of (H, W), the truth: path in each material.
        nodule : (H, W) bool. spacing_mm, energy_kev : as used. description : with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> hand = make_radiograph("hand", photons=np.inf, spacing_mm=1)
    >>> hand.image.shape
    (250, 160)
    """
    if view not in ("chest", "hand"):
        raise CourseError(f'view must be "chest" or "hand", got {view!r}')
    chest = view == "chest"
    energy = energy_kev if energy_kev is not None else (60.0 if chest else 30.0)
    scatter = scatter_fraction if scatter_fraction is not None else (0.3 if chest else 0.0)
    spacing = spacing_mm if spacing_mm is not None else (0.8 if chest else 0.4)
    _check(photons, scatter, spacing, nodule_mm)
    anatomy, noise = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    if chest:
        lengths, nodule = silhouettes.chest(anatomy, spacing_mm=spacing, nodule_mm=nodule_mm)
    else:
        lengths = silhouettes.hand(anatomy, spacing_mm=spacing)
        nodule = np.zeros(lengths["muscle"].shape, bool)
    picture = _record(
        lengths, energy_kev=energy, photons=photons, scatter_fraction=scatter, rng=noise, spacing_mm=spacing
    )
    return Bunch(
        **picture,
        nodule=nodule,
        description=f"SIMULATED radiograph of a {view}, {energy:g} keV, seed {seed}; no one was exposed.",
    )


def make_mammogram(
    *,
    energy_kev: float = 20.0,
    photons: float = 5_000.0,
    thickness_mm: float = 50.0,
    glandular: float = 0.35,
    mass_mm: float = 0.0,
    n_calcifications: int = 0,
    scatter_fraction: float = 0.1,
    spacing_mm: float = 0.3,
    seed: int = 0,
) -> Bunch:
    """Simulate a mammogram in mediolateral oblique view: a compressed breast, the pectoral muscle in the upper corner.

    Parameters
    ----------
    energy_kev
        Photon energy; mammography stays near 20, where fat and gland differ most.
    photons
        Photons that reach a pixel without a breast, > 0; `inf` for no noise.
    thickness_mm
        Of the compressed breast, in [20, 100].
    glandular
        Share of fibroglandular tissue in the breast's middle, in [0, 1].
    mass_mm
        Diameter of a spiculated mass; 0 for none.
    n_calcifications
        Specks of 0.2 to 0.5 mm in a cluster.
    scatter_fraction
        Scattered among all arriving photons, in [0, 1).
    spacing_mm
        Width of a pixel; real detectors have 0.05 to 0.1.
    seed
        Same seed, same breast and same noise.

    Returns
    -------
    Bunch
        image : (H, W) float64, -log of the share of photons counted; tissue is bright.
        counts : (H, W). lengths_mm : dict of (H, W). mass, calcifications : (H, W) bool.
        spacing_mm, energy_kev : as given. description : with the word SIMULATED.

    Examples
    --------
    >>> make_mammogram(spacing_mm=1.0).image.shape
    (210, 140)
    """
    _check(photons, scatter_fraction, spacing_mm, mass_mm)
    check_ranges([("glandular", glandular, 0, 1), ("thickness_mm", thickness_mm, 20, 100)])
    anatomy, noise = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    lengths, mass, calcifications = silhouettes.breast(
        anatomy,
        spacing_mm=spacing_mm,
        thickness_mm=thickness_mm,
        glandular=glandular,
        mass_mm=mass_mm,
        n_calcifications=n_calcifications,
    )
    return Bunch(
        **_record(
            lengths,
            energy_kev=energy_kev,
            photons=photons,
            scatter_fraction=scatter_fraction,
            rng=noise,
            spacing_mm=spacing_mm,
        ),
        mass=mass,
        calcifications=calcifications,
        description=f"SIMULATED mammogram, {energy_kev:g} keV, seed {seed}; no one was exposed.",
    )


def _record(
    lengths: dict[str, Floats],
    *,
    energy_kev: float,
    photons: float,
    scatter_fraction: float,
    rng: np.random.Generator,
    spacing_mm: float,
) -> dict[str, Any]:
    through = transmit(lengths, energy_kev=energy_kev)
    counts = count_photons(through, photons=photons, scatter_fraction=scatter_fraction, rng=rng, spacing_mm=spacing_mm)
    full, least = (photons, 0.5) if np.isfinite(photons) else (1.0, 1e-12)
    image = -np.log(np.maximum(counts, least) / full)  # half a photon where none came: the logarithm must be finite
    return {
        "image": image,
        "counts": counts,
        "lengths_mm": lengths,
        "spacing_mm": spacing_mm,
        "energy_kev": energy_kev,
    }


def _check(photons: float, scatter_fraction: float, spacing_mm: float, size_mm: float) -> None:
    if not photons > 0:
        raise CourseError(f"photons must be > 0 (inf for no noise), got {photons}")
    if not 0 <= scatter_fraction < 1:
        raise CourseError(f"scatter_fraction must lie in [0, 1), got {scatter_fraction}")
    if not 0.05 <= spacing_mm <= 5:
        raise CourseError(f"spacing_mm must lie in [0.05, 5], got {spacing_mm}")
    if not 0 <= size_mm <= 60:
        raise CourseError(f"a nodule or mass must measure 0 to 60 mm, got {size_mm}")
