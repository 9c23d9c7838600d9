"""Susceptibility-weighted MR of a brain with microbleeds, and with veins and calcifications that look like them.

Iron bends the field around it. A gradient echo sees that twice: its phase turns, and where the field changes within a
voxel its magnitude fades. So iron looks larger than it is ("blooming"), and the more so the later the echo.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.brain3d import Brain, make_brain, random_places
from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.susceptibility import (
    BLEED_PPM,
    CALCIUM_PPM,
    TISSUE_PPM,
    VEIN_PPM,
    VEIN_T2_STAR_MS,
    Echo,
    dipole_field_hz,
)
from medcourse.datasets.tubes import Floats
from medcourse.errors import CourseError

KINDS = ("vein", "calcification")
LABELS = ("background", "microbleed", "vein", "calcification")
SEEN = 0.8  # a voxel belongs to what is seen of a bleed if the bleed leaves less than this share of its signal


def make_swi_brains(
    n_scans: int = 4,
    *,
    size: tuple[int, int, int] = (28, 192, 152),
    spacing_mm: tuple[float, float, float] = (2.0, 0.9, 0.9),
    microbleeds_per_scan: float = 5.0,
    deposit_mm: tuple[float, float] = (1.0, 3.6),
    veins_per_scan: int = 8,
    vein_tilt_deg: float = 35.0,
    medullary_veins: int = 40,
    calcifications_per_scan: float = 2.0,
    echo_time_ms: float = 20.0,
    repetition_ms: float = 28.0,
    flip_deg: float = 15.0,
    field_t: float = 3.0,
    high_pass_mm: float = 6.0,
    mask_power: int = 4,
    noise: float = 0.04,
    seed: int = 0,
) -> Bunch:
    r"""Simulate slabs of brains in susceptibility-weighted imaging (SWI), with the truth about each dark spot.

    A map of susceptibilities gives the field by convolution with a dipole, in the Fourier domain
    :math:`(1/3 - k_z^2 / k^2)\,\chi` [1]_ [2]_; the field turns the phase of a spoiled gradient echo, and its change
    within a voxel fades the magnitude. As in SWI [3]_, the slow part of the phase is taken off, the rest becomes a
    mask that falls from 1 at phase 0 to 0 at -pi, and the magnitude is multiplied by the mask `mask_power` times.

    The brain is cut out of the head, as programs do first. There is no air beside it, so none of its shadows; nothing
    moves and the echo has no flow. A scan depends on its number and the seed, not on `n_scans`; anatomy and noise draw
    from separate streams, so that the physics can be changed and the patient stays.

    Parameters
    ----------
    n_scans
        Number of scans, >= 1.
    size
        Voxels along (z, y, x), each >= 8. The middle of the slab lies 4 mm above the middle of the brain.
    spacing_mm
        Size of a voxel along (z, y, x) in millimetres.
    microbleeds_per_scan
        Mean number, Poisson.
    deposit_mm
        Smallest and largest diameter of the iron, all between equally likely in the logarithm; what is seen is larger.
    veins_per_scan, vein_tilt_deg
        Number of veins that run within this angle of the z axis: in an axial slice as round as a bleed.
    medullary_veins
        Number of thin veins from the ventricles through the white matter.
    calcifications_per_scan
        Mean number, Poisson: as dark as a bleed, and turning the phase the other way.
    echo_time_ms, repetition_ms, flip_deg
        Of the gradient echo.
    field_t
        1.5 or 3 tesla.
    high_pass_mm
        Standard deviation of the Gaussian whose phase is taken off.
    mask_power
        How often the magnitude is multiplied by the phase mask; 0 leaves the magnitude.
    noise
        Standard deviation of both parts of the complex noise, as a share of white matter's signal.
    seed
        Same seed, same scans.

    Returns
    -------
    Bunch
        scans : list of Bunch, each with

        volume : (Z, Y, X) float32, >= 0; about 1 in white matter, 0 outside of the brain.
        magnitude, phase : (Z, Y, X) float32, without mask and high pass; radians in (-pi, pi].
        brain : (Z, Y, X) bool.
        labels : (Z, Y, X) uint8 into `LABELS`: what is seen of a bleed, and veins and calcifications.
        microbleeds : Bunch of centres_mm (M, 3), (z, y, x) from the middle of the first voxel; diameters_mm (M,), of
        the ball with the volume that is seen; deposits_mm (M,), of the iron.
        mimics : Bunch of centres_mm (K, 3), diameters_mm (K,) and kinds, list of "vein" or "calcification". Of a vein,
        the centre is a place in its course.
        spacing_mm, name.

        spacing_mm : as given. description : with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is outside its range.

    References
    ----------
    .. [1] Salomir, de Senneville, Moonen. A fast calculation method for magnetic field inhomogeneity due to an
       arbitrary distribution of bulk susceptibility. Concepts in Magnetic Resonance 19B(1):26-34, 2003.
       https://doi.org/10.1002/cmr.b.10083
    .. [2] Marques, Bowtell. Application of a Fourier-based method for rapid calculation of field inhomogeneity due to
       spatial variation of magnetic susceptibility. Concepts in Magnetic Resonance 25B(1):65-78, 2005.
       https://doi.org/10.1002/cmr.b.20034
    .. [3] Haacke, Xu, Cheng, Reichenbach. Susceptibility weighted imaging (SWI). Magnetic Resonance in Medicine
       52(3):612-618, 2004. https://doi.org/10.1002/mrm.20198

    Examples
    --------
    >>> scan = make_swi_brains(1, size=(12, 48, 40), spacing_mm=(4, 3.6, 3.6), seed=2).scans[0]
    >>> scan.volume.shape, set(scan.mimics.kinds) <= set(KINDS)
    ((12, 48, 40), True)
    """
    if n_scans < 1:
        raise CourseError(f"n_scans must be at least 1, got {n_scans}")
    if len(size) != 3 or min(size) < 8:
        raise CourseError(f"size must be three numbers (z, y, x) of at least 8 voxels, got {size}")
    if len(spacing_mm) != 3 or not min(spacing_mm) > 0:
        raise CourseError(f"spacing_mm must be three positive numbers (z, y, x), got {spacing_mm}")
    if not 0 < deposit_mm[0] <= deposit_mm[1] <= 15:
        raise CourseError(f"deposit_mm must be (smallest, largest) in (0, 15], got {deposit_mm}")
    if field_t not in VEIN_T2_STAR_MS:
        raise CourseError(f"field_t must be one of {sorted(VEIN_T2_STAR_MS)}, got {field_t}")
    if not 0 < echo_time_ms < repetition_ms:
        raise CourseError(f"echo_time_ms must lie in (0, repetition_ms = {repetition_ms:g}), got {echo_time_ms}")
    check_ranges(
        [
            ("microbleeds_per_scan", microbleeds_per_scan, 0, 100),
            ("veins_per_scan", veins_per_scan, 0, 100),
            ("vein_tilt_deg", vein_tilt_deg, 0, 90),
            ("medullary_veins", medullary_veins, 0, 500),
            ("calcifications_per_scan", calcifications_per_scan, 0, 100),
            ("flip_deg", flip_deg, 1, 90),
            ("high_pass_mm", high_pass_mm, 1, 100),
            ("mask_power", mask_power, 0, 10),
            ("noise", noise, 0, 1),
        ]
    )
    echo = Echo(spacing_mm, field_t, echo_time_ms, repetition_ms, flip_deg, high_pass_mm, mask_power)
    axes: list[Floats] = [
        (np.arange(n, dtype=np.float64) - (n - 1) / 2) * mm for n, mm in zip(size, spacing_mm, strict=True)
    ]
    axes[0] = axes[0] + 4.0
    scans = []
    for number in range(n_scans):
        rng = np.random.default_rng([seed, number, 0])
        brain = make_brain(rng, axes, n_mimics=veins_per_scan, n_medullary=medullary_veins, tilt_deg=vein_tilt_deg)
        spots = _spots(rng, brain, microbleeds_per_scan, calcifications_per_scan, deposit_mm)
        scan = _scan(brain, spots, echo, noise, np.random.default_rng([seed, number, 1]))
        scans.append(Bunch(**scan, spacing_mm=spacing_mm, name=f"simulated {seed}-{number}"))
    return Bunch(
        scans=scans,
        spacing_mm=spacing_mm,
        description=(
            f"SIMULATED susceptibility-weighted scans of {n_scans} brains at {field_t:g} T, TE {echo_time_ms:g} ms, "
            f"seed {seed}."
        ),
    )


@dataclass(frozen=True)
class _Spots:
    """Bleeds and calcifications: how much of each voxel they fill, and where they are."""

    iron: Floats
    calcium: Floats
    bleeds: list[tuple[Floats, float]]  # place (mm from the middle of the brain), diameter of the deposit
    calcifications: list[tuple[Floats, float]]


def _spots(
    rng: np.random.Generator, brain: Brain, n_bleeds: float, n_calcifications: float, deposit_mm: tuple[float, float]
) -> _Spots:
    axes, tissue = brain.axes_mm, brain.depth_mm > 3
    edge = np.abs(axes[0] - axes[0].mean()) < (axes[0][-1] - axes[0][0]) / 2 - 3  # seen as a whole
    tissue = tissue & (brain.shares["csf"] < 0.2) & (brain.veins < 0.1) & edge[:, None, None]
    mimics = [place for place, _ in brain.mimics]
    places = random_places(rng, axes, tissue, rng.poisson(n_bleeds), apart_mm=9.0, taken=mimics)
    low, high = np.log(deposit_mm)
    bleeds = [(place, float(np.exp(rng.uniform(low, high)))) for place in places]
    calcifications: list[tuple[Floats, float]] = []
    for _ in range(rng.poisson(n_calcifications)):
        # The pallidum, the choroid plexus in the ventricles' atria, the pineal gland, or anywhere.
        side = rng.choice([-1.0, 1.0])
        usual = [(0, -2, 18.5 * side), (7, 30, 21 * side), (3, 26, 0.0)]
        place = np.array(usual[rng.integers(3)], float) + rng.normal(0, 1.5, 3)
        if rng.random() < 0.4:
            place = (random_places(rng, axes, tissue, 1, apart_mm=9.0, taken=places) or [place])[0]
        near = [np.linalg.norm(place - other) for other in [*places, *mimics, *(p for p, _ in calcifications)]]
        if min(near, default=np.inf) > 9.0 and axes[0][1] < place[0] < axes[0][-2]:
            calcifications.append((place, float(rng.uniform(1.5, 4.0))))
    return _Spots(_balls(rng, axes, bleeds), _balls(rng, axes, calcifications), bleeds, calcifications)


def _balls(rng: np.random.Generator, axes_mm: list[Floats], balls: list[tuple[Floats, float]], fine: int = 4) -> Floats:
    """Return the share of each voxel inside slightly uneven balls, by `fine` points along each of its axes."""
    share = np.zeros([len(axis) for axis in axes_mm])
    for place, diameter in balls:
        stretch = np.exp(rng.normal(0, 0.08, 3))
        stretch /= np.prod(stretch) ** (1 / 3)
        parts, points = [], []
        for axis, centre in zip(axes_mm, place, strict=True):
            step = axis[1] - axis[0]
            low = max(int((centre - diameter - axis[0]) / step), 0)
            high = min(int((centre + diameter - axis[0]) / step) + 2, len(axis))
            parts.append(slice(low, high))
            inner = (np.arange(fine) + 0.5) / fine - 0.5
            points.append((axis[low:high, None] + step * inner).ravel() - centre)
        z, y, x = np.meshgrid(*points, indexing="ij", sparse=True)
        inside = (z / stretch[0]) ** 2 + (y / stretch[1]) ** 2 + (x / stretch[2]) ** 2 <= (diameter / 2) ** 2
        shape = [v for part in parts for v in (part.stop - part.start, fine)]
        box = tuple(parts)
        share[box] = np.maximum(share[box], inside.reshape(shape).mean(axis=(1, 3, 5)))
    return share


def _scan(brain: Brain, spots: _Spots, echo: Echo, noise: float, rng: np.random.Generator) -> dict[str, Any]:
    signals, shape = echo.signals(), brain.depth_mm.shape
    signal: Floats = sum((share * signals[name] for name, share in brain.shares.items()), np.zeros(shape))
    chi: Floats = sum((share * TISSUE_PPM[name] for name, share in brain.shares.items()), np.zeros(shape))
    inside = sum(brain.shares.values(), np.zeros(shape))
    signal = signal + brain.veins * (signals["vein"] - signal)
    chi = chi + brain.veins * (VEIN_PPM - chi)
    signal = signal * (1 - spots.calcium)  # solid: its water is bound, and gone before the echo
    chi = chi + spots.calcium * (CALCIUM_PPM - chi)
    field = dipole_field_hz(chi, echo.spacing_mm, field_t=echo.field_t)
    bleeding = dipole_field_hz(spots.iron * BLEED_PPM, echo.spacing_mm, field_t=echo.field_t)
    gain = _coil(rng, shape)
    clean = gain * echo.complex_image(signal, field)
    image = gain * echo.complex_image(signal * (1 - spots.iron), field + bleeding)
    seen = (echo.weighted(image) < SEEN * echo.weighted(clean)) & (inside > 0.5)
    image = image + noise * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    mask = inside > 0.5
    first = np.array([axis[0] for axis in brain.axes_mm])
    bleeds, marks = _seen_bleeds(spots, seen, brain.axes_mm, first)
    labels = np.zeros(shape, np.uint8)
    labels[brain.veins > 0.4] = LABELS.index("vein")
    labels[spots.calcium > 0.4] = LABELS.index("calcification")
    labels[marks] = LABELS.index("microbleed")
    veins = [(place, 2 * radius, "vein") for place, radius in brain.mimics]
    mimics = veins + [(place, size, "calcification") for place, size in spots.calcifications]
    return {
        "volume": (echo.weighted(image) * mask).astype(np.float32),
        "magnitude": (np.abs(image) * mask).astype(np.float32),
        "phase": (np.angle(image) * mask).astype(np.float32),
        "brain": mask,
        "labels": labels,
        "microbleeds": bleeds,
        "mimics": Bunch(
            centres_mm=np.array([place - first for place, *_ in mimics]).reshape(-1, 3),
            diameters_mm=np.array([size for _, size, _ in mimics]),
            kinds=[kind for *_, kind in mimics],
        ),
    }


def _seen_bleeds(
    spots: _Spots, seen: NDArray[np.bool_], axes_mm: list[Floats], first: Floats
) -> tuple[Bunch, NDArray[np.bool_]]:
    """Return the bleeds with the size that is seen, and where they are seen: in one piece with the deposit."""
    marks, sizes = np.zeros(seen.shape, bool), []
    voxel = float(np.prod([axis[1] - axis[0] for axis in axes_mm]))
    for place, deposit in spots.bleeds:
        reach = 1.5 * deposit + 2.5
        box = tuple(
            slice(max(int((c - reach - a[0]) / (a[1] - a[0])), 0), int((c + reach - a[0]) / (a[1] - a[0])) + 2)
            for c, a in zip(place, axes_mm, strict=True)
        )
        grid = np.meshgrid(*(a[part] - c for a, part, c in zip(axes_mm, box, place, strict=True)), indexing="ij")
        near = np.sqrt(sum(g**2 for g in grid)) < reach
        pieces, _ = ndi.label((seen[box] & near) | (spots.iron[box] > 0.5))
        middle = tuple(int(np.abs(a[part] - c).argmin()) for a, part, c in zip(axes_mm, box, place, strict=True))
        piece = (pieces == pieces[middle]) & (pieces > 0)
        marks[box] |= piece
        sizes.append(max(float(np.cbrt(6 * piece.sum() * voxel / np.pi)), deposit))
    return (
        Bunch(
            centres_mm=np.array([place - first for place, _ in spots.bleeds]).reshape(-1, 3),
            diameters_mm=np.array(sizes),
            deposits_mm=np.array([deposit for _, deposit in spots.bleeds]),
        ),
        marks,
    )


def _coil(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return the coil's sensitivity: brighter towards the rim, and uneven from side to side."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    tilt = rng.normal(0, 0.05, 3)
    return np.asarray(0.92 + 0.15 * (y**2 + x**2) + tilt[0] * z + tilt[1] * y + tilt[2] * x)
