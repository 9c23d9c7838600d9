"""CT of the abdomen in the portal venous phase, simulated: a liver with lesions among organs that look like them.

`medcourse.datasets.organs` shapes a person; here lesions grow and the person is scanned: the scanner blurs, and its
noise is that of filtered back-projection (`medcourse.datasets.noise`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.lesions import lobed_ball
from medcourse.datasets.noise import FWHM, fast_ct_noise, noise_sd
from medcourse.datasets.organs import CODE, ORGANS, Belly, draw_belly, liver_mask
from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.tubes import Floats, random_direction
from medcourse.errors import CourseError

Spacing = tuple[float, float, float]
LABELS = ("background", "liver", "lesion")
_COARSE_MM = 6.0  # the noise's strength varies smoothly: it is computed on pixels of this width


def make_abdomens(
    n_scans: int = 1,
    *,
    spacing_mm: Spacing = (5.0, 3.0, 3.0),
    height_mm: float = 70.0,
    field_mm: tuple[float, float] = (288.0, 384.0),
    lesions_per_scan: float = 7.0,
    diameter_mm: tuple[float, float] = (9.0, 45.0),
    hyperdense_fraction: float = 0.12,
    near_border_fraction: float = 0.3,
    contrast_hu: tuple[float, float] = (28.0, 62.0),
    dose_photons: float = 1.5e8,
    resolution_mm: float = 1.6,
    seed: int = 0,
) -> Bunch:
    """Simulate CT scans of the upper abdomen with a liver and its lesions.

    Axes are (z, y, x): from the feet to the head, from the front to the back, from the patient's right to the left.

    Parameters
    ----------
    n_scans
        Number of scans, each of another person, >= 1; scan i does not depend on their number.
    spacing_mm
        Size of a voxel along (z, y, x), each in [0.6, 10].
    height_mm
        Extent along z, in [10, 120], around the middle of the liver.
    field_mm
        Extent along (y, x), each in [200, 420].
    lesions_per_scan
        Mean number of lesions, in [0, 20]; their number is Poisson's.
    diameter_mm
        Smallest and largest diameter of lesions, within [4, 80]; small ones are more frequent, as 1 / diameter.
    hyperdense_fraction
        Share of lesions brighter than the liver, in [0, 1]; the others are darker, some with a darker middle.
    near_border_fraction
        Share of lesions that grow at the liver's surface, in [0, 1].
    contrast_hu
        Smallest and largest difference of a lesion from the liver, within [0, 150]; 0 makes lesions invisible.
    dose_photons
        Photons sent through each square millimetre of detector, in all views together, > 0; `inf` for no noise.
    resolution_mm
        Width at half height of the point spread function in the slice, in [0.4, 6].
    seed
        Same seed, same scans. Persons and lesions do not depend on dose, resolution and contrast.

    Returns
    -------
    Bunch
        scans : list of Bunch, each with volume : (Z, Y, X) float32, Hounsfield units in [-1024, 3071];
        labels : (Z, Y, X) uint8, 0 background, 1 liver (with its vessels), 2 lesion; organs : (Z, Y, X) uint8 into
        `organ_names`; lesions : Bunch(centres_mm (K, 3) z, y, x from the centre of the first voxel,
        diameters_mm (K,), hyperdense (K,)); spacing_mm; name : str.
        spacing_mm, label_names, organ_names. DESCR : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is outside its range.

    Examples
    --------
    >>> abdomens = make_abdomens(1, spacing_mm=(10, 6, 6), seed=1)
    >>> abdomens.scans[0].volume.shape, abdomens.label_names[2]
    ((7, 48, 64), 'lesion')
    """
    _check(spacing_mm, field_mm, diameter_mm, contrast_hu, dose_photons)
    check_ranges(
        [
            ("n_scans", n_scans, 1, np.inf),
            ("height_mm", height_mm, 10, 120),
            ("lesions_per_scan", lesions_per_scan, 0, 20),
            ("hyperdense_fraction", hyperdense_fraction, 0, 1),
            ("near_border_fraction", near_border_fraction, 0, 1),
            ("resolution_mm", resolution_mm, 0.4, 6),
        ]
    )
    extent = (height_mm, *field_mm)
    shape = [max(2, round(e / mm)) for e, mm in zip(extent, spacing_mm, strict=True)]
    axes: list[Floats] = [
        np.asarray((np.arange(n) - (n - 1) / 2) * mm + middle, np.float64)
        for n, mm, middle in zip(shape, spacing_mm, (-4.0, 5.0, 0.0), strict=True)
    ]
    scans = []
    for i in range(n_scans):
        streams = [np.random.default_rng([seed, i, stream]) for stream in range(3)]
        belly, habits = draw_belly(streams[0], axes)
        lesions = _lesions(
            streams[1],
            belly,
            habits["liver"],
            mean=lesions_per_scan,
            diameter_mm=diameter_mm,
            shares=(hyperdense_fraction, near_border_fraction),
            contrast_hu=contrast_hu,
        )
        _expose(streams[2], belly, dose_photons=dose_photons, resolution_mm=resolution_mm)
        scans.append(_bunch(belly, lesions, spacing_mm, f"simulated patient {i}, seed {seed}"))
    return Bunch(
        scans=scans,
        spacing_mm=spacing_mm,
        label_names=LABELS,
        organ_names=ORGANS,
        DESCR=(
            f"SIMULATED CT of the abdomen, portal venous phase: {n_scans} scans, seed {seed}. Organs, lesions and "
            "noise are models; no person was scanned."
        ),
    )


def _lesions(
    rng: np.random.Generator,
    belly: Belly,
    liver_hu: float,
    *,
    mean: float,
    diameter_mm: tuple[float, float],
    shares: tuple[float, float],
    contrast_hu: tuple[float, float],
) -> list[dict[str, Any]]:
    """Let lesions grow in the liver, apart from each other; returns those that fill a voxel or more."""
    first, step = np.array([a[0] for a in belly.axes]), np.array([a[1] - a[0] for a in belly.axes])
    low, high = diameter_mm
    lesions: list[dict[str, Any]] = []
    for _ in range(rng.poisson(mean)):
        diameter = low * (high / low) ** rng.random()
        at_border, bright = rng.random() < shares[1], bool(rng.random() < shares[0])
        away, soft, core = rng.random(), rng.uniform(2, 5), rng.random() < 0.4
        lobes = [(random_direction(rng), rng.normal(0, 0.07)) for _ in range(4)]
        depth = 0.25 * diameter if at_border else 0.5 * diameter + 2
        near = np.abs(belly.liver - depth) < 2.5 if at_border else belly.liver > min(depth, 0.8 * belly.liver.max())
        inside = np.argwhere(near & (belly.liver > 0))
        pick = rng.random()
        if not len(inside):
            continue
        centre = inside[int(pick * len(inside))] * step + first
        if any(np.linalg.norm(centre - o["centre"]) < 0.55 * (diameter + o["diameter"]) for o in lesions):
            continue  # two lesions at one place would be one
        share = lobed_ball(belly.axes, centre, diameter / 2, lobes, soft_mm=soft) * np.clip(belly.liver / 2 + 0.5, 0, 1)
        share = share * np.isin(belly.organs, [CODE["liver"], CODE["liver vessel"], CODE["lesion"]])
        difference = (contrast_hu[0] + away * (contrast_hu[1] - contrast_hu[0])) * (1 if bright else -1)
        belly.hu += (share * (liver_hu + difference - belly.hu) * (contrast_hu[1] > 0)).astype(np.float32)
        if core and not bright and diameter > 20 and contrast_hu[1] > 0:  # dead tissue in the middle is darker still
            inner = lobed_ball(belly.axes, centre, 0.22 * diameter, lobes, soft_mm=soft)
            belly.hu += (inner * share * (30.0 - belly.hu)).astype(np.float32)
        if not (share > 0.5).any():
            continue
        belly.organs[share > 0.5] = CODE["lesion"]
        lesions.append({"centre": centre, "diameter": diameter, "bright": bright})
    return lesions


def _expose(rng: np.random.Generator, belly: Belly, *, dose_photons: float, resolution_mm: float) -> None:
    """Blur as the scanner does and add its noise, strongest where long rays cross."""
    mm = tuple(float(a[1] - a[0]) for a in belly.axes)
    sd = _noise_map(belly.hu, mm, dose_photons=dose_photons, resolution_mm=resolution_mm)
    blur = np.array([0.6 * mm[0], resolution_mm, resolution_mm]) / FWHM / mm
    belly.hu = ndi.gaussian_filter(belly.hu, blur, mode="nearest", truncate=3.0)
    if np.isfinite(dose_photons):
        shape = (belly.hu.shape[0], belly.hu.shape[1], belly.hu.shape[2])
        belly.hu += fast_ct_noise(rng, shape, (mm[0], mm[1], mm[2]), resolution_mm=resolution_mm) * sd
    np.clip(belly.hu, -1024, 3071, out=belly.hu)


def _noise_map(
    hu: NDArray[np.float32], mm: tuple[float, ...], *, dose_photons: float, resolution_mm: float
) -> NDArray[np.float32]:
    """Return (1, Y, X): the noise's standard deviation, HU, of the slice in the middle, which stands for all."""
    if not np.isfinite(dose_photons):
        return np.zeros((1, *hu.shape[1:]), np.float32)
    middle = hu[len(hu) // 2].astype(float)
    coarse = ndi.zoom(middle, np.array(mm[1:]) / _COARSE_MM, order=1)
    n = int(np.ceil(np.hypot(*coarse.shape))) | 1
    square = np.full((n, n), -1000.0)
    top, left = ((n - size) // 2 for size in coarse.shape)
    here = (slice(top, top + coarse.shape[0]), slice(left, left + coarse.shape[1]))
    square[here] = coarse
    sd = noise_sd(
        square, spacing_mm=_COARSE_MM, dose_photons=dose_photons, thickness_mm=mm[0], resolution_mm=resolution_mm
    )[here]
    fine = ndi.zoom(sd, np.array(middle.shape) / np.array(sd.shape), order=1)
    return np.asarray(fine[None], np.float32)


def _bunch(belly: Belly, lesions: list[dict[str, Any]], spacing_mm: Spacing, name: str) -> Bunch:
    first: Floats = np.array([a[0] for a in belly.axes])
    mask = liver_mask(belly)
    labels = mask.astype(np.uint8)
    labels[belly.organs == CODE["lesion"]] = 2
    return Bunch(
        volume=belly.hu,
        labels=labels,
        organs=belly.organs,
        lesions=Bunch(
            centres_mm=np.array([x["centre"] for x in lesions]).reshape(-1, 3) - first,
            diameters_mm=np.array([x["diameter"] for x in lesions]),
            hyperdense=np.array([x["bright"] for x in lesions], bool),
        ),
        spacing_mm=spacing_mm,
        name=name,
    )


def _check(
    spacing_mm: Spacing,
    field_mm: tuple[float, float],
    diameter_mm: tuple[float, float],
    contrast_hu: tuple[float, float],
    dose_photons: float,
) -> None:
    if len(spacing_mm) != 3 or not all(0.6 <= mm <= 10 for mm in spacing_mm):
        raise CourseError(f"spacing_mm must be three numbers (z, y, x), each in [0.6, 10], got {spacing_mm}")
    if len(field_mm) != 2 or not all(200 <= mm <= 420 for mm in field_mm):
        raise CourseError(f"field_mm must be two numbers (y, x), each in [200, 420], got {field_mm}")
    if not 4 <= diameter_mm[0] <= diameter_mm[1] <= 80:
        raise CourseError(f"diameter_mm must be (smallest, largest) within [4, 80], got {diameter_mm}")
    if not 0 <= contrast_hu[0] <= contrast_hu[1] <= 150:
        raise CourseError(f"contrast_hu must be (smallest, largest) within [0, 150], got {contrast_hu}")
    if not dose_photons > 0:
        raise CourseError(f"dose_photons must be > 0 (inf for no noise), got {dose_photons}")
