"""Positron emission tomography beside CT: decays along lines, attenuated, counted, and turned back into activity."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy import sparse
from sklearn.utils import Bunch

from medcourse.datasets import phantoms
from medcourse.datasets.ct import attenuation_of, to_hu
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Point = tuple[float, float]

# Standardised uptake values of FDG an hour after injection, of the size that atlases show; round numbers of ours.
UPTAKE = {
    "skin": 0.5,
    "fat": 0.3,
    "muscle": 0.7,
    "cortical_bone": 0.4,
    "marrow": 1.4,
    "cartilage": 0.5,
    "lung": 0.5,
    "blood": 1.7,
    "myocardium": 5.5,
    "csf": 0.6,
    "white_matter": 1.8,
    "tumour": 9.0,
}


def standardised_uptake(activity_kbq_ml: NDArray[np.floating], *, injected_mbq: float, weight_kg: float) -> Floats:
    """Return standardised uptake values: activity over what it were if the injection spread evenly through the body.

    Body weight stands for volume, 1 g for 1 ml; both activities must be of the same moment.

    Examples
    --------
    >>> standardised_uptake(np.array([5.0]), injected_mbq=350, weight_kg=70).tolist()
    [1.0]
    """
    if not (injected_mbq > 0 and weight_kg > 0):
        raise CourseError(f"injected_mbq and weight_kg must be > 0, got {injected_mbq} and {weight_kg}")
    return np.asarray(np.asarray(activity_kbq_ml) * weight_kg / injected_mbq)


@lru_cache(maxsize=4)
def system_matrix(n: int, n_views: int) -> sparse.csr_matrix:
    """Return the share of each pixel's decays that each line of response sees, (n_views * n, n * n), columns sum to 1.

    A pixel is four points; each falls between two lines and is shared by distance.
    """
    sub = (np.arange(2 * n) + 0.5) / 2 - 0.5 - (n - 1) / 2
    y, x = np.meshgrid(sub, sub, indexing="ij")
    pixel = (np.arange(2 * n) // 2)[:, None] * n + (np.arange(2 * n) // 2)[None, :]
    rows, columns, values = [], [], []
    for view in range(n_views):
        angle = np.pi * view / n_views
        place = (x * np.cos(angle) - y * np.sin(angle) + (n - 1) / 2).ravel()
        low = np.floor(place).astype(int)
        for line, weight in ((low, 1 - (place - low)), (low + 1, place - low)):
            seen = (line >= 0) & (line < n)
            rows.append(view * n + line[seen])
            columns.append(pixel.ravel()[seen])
            values.append(weight[seen] / (4 * n_views))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_matrix(entries, shape=(n_views * n, n * n)).tocsr()


def maximum_likelihood(
    counts: Floats,
    matrix: sparse.csr_matrix,
    factors: Floats,
    background: Floats | float,
    *,
    iterations: int = 4,
    subsets: int = 8,
    n_views: int = 96,
) -> Floats:
    """Reconstruct by ordered-subsets expectation maximisation (OSEM; one subset is MLEM).

    Each step compares counts with those that the present image predicts, and multiplies the image by the back-projected
    ratio: it stays positive, and the likelihood of Poisson counts grows (with one subset: never falls).

    Parameters
    ----------
    counts
        (V * n,) counted events.
    matrix
        Of `system_matrix`.
    factors
        (V * n,) share of the photons that survive the way through the body.
    background
        Expected scattered and random events.
    iterations, subsets, n_views
        Passes through all data; groups of views, whose number must divide `n_views`.

    Returns
    -------
    (n * n,) decays in each pixel.
    """
    if n_views % subsets:
        raise CourseError(f"subsets must divide the number of views, {n_views}, got {subsets}")
    n = matrix.shape[0] // n_views
    view_of_line = np.repeat(np.arange(n_views), n)
    groups = [np.flatnonzero(view_of_line % subsets == k) for k in range(subsets)]
    parts = [(matrix[lines], factors[lines], lines) for lines in groups]
    image = np.ones(matrix.shape[1])
    extra = np.broadcast_to(np.asarray(background, float), counts.shape)
    for _ in range(iterations):
        for part, survive, lines in parts:
            expected = np.maximum(survive * (part @ image) + extra[lines], 1e-9)
            sensitivity = np.maximum(part.T @ survive, 1e-12)
            image = image * (part.T @ (survive * counts[lines] / expected)) / sensitivity
    return np.asarray(image)


def resample(
    image: NDArray[np.floating],
    *,
    spacing_mm: Point,
    origin_mm: Point,
    onto_shape: tuple[int, int],
    onto_spacing_mm: Point,
    onto_origin_mm: Point,
    order: int = 1,
) -> Floats:
    """Put an image on another grid by physical coordinates: the only way to lay one scan over another.

    The middle of pixel (i, j) lies at origin + (i, j) * spacing, in mm, for either grid. Outside of the image is 0.

    Examples
    --------
    >>> coarse = np.array([[0.0, 4.0]])
    >>> resample(coarse, spacing_mm=(4, 4), origin_mm=(0, 0), onto_shape=(1, 3), onto_spacing_mm=(1, 2),
    ...          onto_origin_mm=(0, 0)).tolist()
    [[0.0, 2.0, 4.0]]
    """
    axes = [
        (o + np.arange(n) * s - origin) / spacing
        for n, s, o, spacing, origin in zip(
            onto_shape, onto_spacing_mm, onto_origin_mm, spacing_mm, origin_mm, strict=True
        )
    ]
    return np.asarray(ndi.map_coordinates(image, np.meshgrid(*axes, indexing="ij"), order=order))


def make_pet_ct(
    *,
    counts: float = 400_000.0,
    lesion_mm: float = 16.0,
    correct_attenuation: bool = True,
    background_fraction: float = 0.3,
    resolution_mm: float = 5.0,
    iterations: int = 3,
    subsets: int = 8,
    pet_spacing_mm: float = 4.0,
    pet_field_mm: float = 480.0,
    pet_middle_mm: Point = (18.0, -26.0),
    ct_spacing_mm: float = 1.2,
    injected_mbq: float = 350.0,
    weight_kg: float = 70.0,
    seed: int = 0,
) -> Bunch:
    """Simulate a slice of PET/CT of a chest with FDG, and a lesion in the lung that takes up sugar.

    PET and CT have their own grids, as on a real scanner: the CT is reconstructed in a field of 384 mm around the body,
    the PET in a wider one around the middle of its ring, where the patient rarely lies. So spacing, size and origin
    differ, and only millimetres say what belongs together.

    Parameters
    ----------
    counts
        True coincidences in this slice, > 0; `inf` for no noise.
    lesion_mm
        Diameter of the lesion; 0 for none.
    correct_attenuation
        Whether the reconstruction knows what the CT says about attenuation at 511 keV.
    background_fraction
        Scattered and random events among all, in [0, 1); their mean is known to the reconstruction.
    resolution_mm
        Full width at half maximum of the scanner's blur.
    iterations, subsets
        Of OSEM.
    pet_spacing_mm, ct_spacing_mm
        Width of a pixel in either.
    pet_field_mm
        Width of the PET's field of view, in [384, 800].
    pet_middle_mm
        Where its middle lies, (y, x) from the middle of the body and of the CT; each in [-40, 40].
    injected_mbq, weight_kg
        For standardised uptake values.
    seed
        Same seed, same person and same noise.

    Returns
    -------
    Bunch
        pet : (P, P) float32, standardised uptake values. pet_spacing_mm, pet_origin_mm : (y, x) pairs.
        ct : (C, C) float32, HU. ct_spacing_mm, ct_origin_mm : (y, x) pairs.
        The middle of pixel (i, j) is at origin + (i, j) * spacing, in mm.
        truth : (C, C), uptake on the CT's grid. lesion : (C, C) bool. counts : (V, P), the sinogram.
        activity_kbq_ml : (P, P). description : with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.
    """
    if not counts > 0:
        raise CourseError(f"counts must be > 0 (inf for no noise), got {counts}")
    if not 0 <= background_fraction < 1:
        raise CourseError(f"background_fraction must lie in [0, 1), got {background_fraction}")
    check_ranges(
        [
            ("pet_field_mm", pet_field_mm, 384, 800),
            ("pet_middle_mm[0]", pet_middle_mm[0], -40, 40),
            ("pet_middle_mm[1]", pet_middle_mm[1], -40, 40),
        ]
    )
    n_views = 96
    grids = _grids(ct_spacing_mm, pet_spacing_mm, pet_field_mm, pet_middle_mm)
    scene = _scene(lesion_mm, resolution_mm, grids, seed)
    n, matrix, survive = grids.pet_size, system_matrix(grids.pet_size, n_views), scene["survive"]
    trues = survive * (matrix @ scene["activity"].ravel())
    scale = (counts if np.isfinite(counts) else 1e9) / trues.sum()
    smooth = ndi.gaussian_filter(trues.reshape(n_views, n), (6, 12)).ravel()
    background = scale * smooth * background_fraction / (1 - background_fraction)
    expected = scale * trues + background
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    events = rng.poisson(expected).astype(float) if np.isfinite(counts) else expected
    factors = survive if correct_attenuation else np.full_like(survive, survive[trues > 0].mean())
    image = maximum_likelihood(
        events, matrix, factors, background, iterations=iterations, subsets=subsets, n_views=n_views
    )
    uptake = (image / scale).reshape(n, n)
    return Bunch(
        pet=uptake.astype(np.float32),
        pet_spacing_mm=grids.pet_spacing_mm,
        pet_origin_mm=grids.pet_origin_mm,
        ct=scene["ct"].copy(),
        ct_spacing_mm=grids.ct_spacing_mm,
        ct_origin_mm=grids.ct_origin_mm,
        truth=scene["truth"].copy(),
        lesion=scene["lesion"].copy(),
        counts=events.reshape(n_views, n),
        activity_kbq_ml=uptake * injected_mbq / weight_kg,
        injected_mbq=injected_mbq,
        weight_kg=weight_kg,
        description=f"SIMULATED PET/CT slice of a chest with FDG, {counts:g} coincidences, seed {seed}.",
    )


@dataclass(frozen=True)
class Grids:
    """Size, spacing and origin of both grids; the body's middle is at (0, 0) mm."""

    ct_size: int
    ct_spacing_mm: Point
    ct_origin_mm: Point
    pet_size: int
    pet_spacing_mm: Point
    pet_origin_mm: Point


def _grids(ct_spacing_mm: float, pet_spacing_mm: float, pet_field_mm: float, pet_middle_mm: Point) -> Grids:
    side, n = 2 * round(192 / ct_spacing_mm), round(pet_field_mm / pet_spacing_mm)
    ct_origin, pet_corner = -(side - 1) / 2 * ct_spacing_mm, -(n - 1) / 2 * pet_spacing_mm
    return Grids(
        ct_size=side,
        ct_spacing_mm=(ct_spacing_mm, ct_spacing_mm),
        ct_origin_mm=(ct_origin, ct_origin),
        pet_size=n,
        pet_spacing_mm=(pet_spacing_mm, pet_spacing_mm),
        pet_origin_mm=(pet_middle_mm[0] + pet_corner, pet_middle_mm[1] + pet_corner),
    )


@lru_cache(maxsize=4)  # a demo that moves counts and corrections looks at one body
def _scene(lesion_mm: float, resolution_mm: float, grids: Grids, seed: int) -> dict[str, Any]:
    """Return the body as both scanners see it without noise; its arrays are shared, so copy what is handed out."""
    n, n_views = grids.pet_size, 96
    ct_mm, pet_mm = grids.ct_spacing_mm[0], grids.pet_spacing_mm[0]
    body = phantoms.thorax(size=(grids.ct_size,) * 2, spacing_mm=ct_mm, nodule_mm=lesion_mm, seed=seed)
    truth = phantoms.coarsen(phantoms.lookup(UPTAKE, body.tissue), 2)
    onto: dict[str, Any] = {
        "spacing_mm": grids.ct_spacing_mm,
        "origin_mm": grids.ct_origin_mm,
        "onto_shape": (n, n),
        "onto_spacing_mm": grids.pet_spacing_mm,
        "onto_origin_mm": grids.pet_origin_mm,
    }
    # A PET pixel holds the mean of what lies in it, so the fine picture is smoothed by as much before it is sampled.
    sigma = 0.29 * pet_mm / ct_mm
    blur = resolution_mm / 2.355 / ct_mm
    mu = resample(ndi.gaussian_filter(attenuation_of(body, energy_kev=511), sigma), **onto)
    return {
        "truth": truth,
        "lesion": body.nodule[1::2, 1::2],
        "ct": to_hu(attenuation_of(body)).astype(np.float32),
        "activity": resample(ndi.gaussian_filter(truth, np.hypot(sigma, blur)), **onto),
        "survive": np.exp(-(system_matrix(n, n_views) @ mu.ravel()) * n_views * pet_mm),
    }
