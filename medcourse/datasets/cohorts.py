"""Simulated cohorts: patients who differ from each other, diseases with subtypes, tumours that are measured twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges

Floats = NDArray[np.float64]

LUNG_HU, VESSEL_HU, NODULE_HU, WALL_HU = -860.0, -150.0, 20.0, 40.0
REGIONS = ("hippocampus", "parietal cortex", "frontal cortex")


def make_patients(
    n_patients: int = 24,
    *,
    images_per_patient: int = 6,
    size: int = 48,
    spacing_mm: float = 0.7,
    malignant_share: float = 0.5,
    label_effect: float = 1.0,
    subject_sd: float = 1.0,
    diameter_mm: float = 12.0,
    noise_hu: float = 30.0,
    seed: int = 0,
) -> Bunch:
    """Simulate small CT images of lung nodules, several a patient, with everything that makes patients differ.

    A patient has a lung of his own (density, vessels, now and then the chest wall in view) and a nodule of his own
    (size, attenuation, outline). His images are neighbouring slices: the same anatomy, moved by a few pixels, at
    another level of the nodule, with new noise. A benign nodule has a smooth outline; a malignant one has, on average,
    more spicules. Both kinds overlap, as they do in the clinic.

    Each patient draws from a stream of his own: patient i does not depend on `n_patients`.

    Parameters
    ----------
    n_patients
        Number of patients, >= 2.
    images_per_patient
        Slices of each, >= 1.
    size
        Height and width in pixels, >= 24.
    spacing_mm
        Width of a pixel in millimetres.
    malignant_share
        Share of patients with a malignant nodule, in [0, 1]; rounded to whole patients.
    label_effect
        How much malignant nodules differ from benign ones: 0 not at all (labels are noise), 1 visibly.
    subject_sd
        How much patients differ from each other in what has nothing to do with the label: 0 not at all, 1 as patients
        do. The spicules, by which the label is seen, remain each patient's own.
    diameter_mm
        Median diameter of a nodule in millimetres.
    noise_hu
        Standard deviation of the scanner's noise in Hounsfield units.
    seed
        Same seed, same cohort.

    Returns
    -------
    Bunch
        images : (N, H, W) float32 in Hounsfield units, N = n_patients * images_per_patient.
        labels : (N,) int, 1 malignant, 0 benign; the same for all images of a patient.
        patients : (N,) int, 0 to n_patients - 1.
        masks : (N, H, W) bool, the nodule.
        spacing_mm : float. description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> cohort = make_patients(4, images_per_patient=3, seed=1)
    >>> cohort.images.shape, cohort.labels.tolist()[::3]
    ((12, 48, 48), [0, 1, 0, 1])
    """
    check_ranges(
        [
            ("n_patients", n_patients, 2, np.inf),
            ("images_per_patient", images_per_patient, 1, np.inf),
            ("size", size, 24, np.inf),
            ("spacing_mm", spacing_mm, 0.1, np.inf),
            ("malignant_share", malignant_share, 0, 1),
            ("label_effect", label_effect, 0, np.inf),
            ("subject_sd", subject_sd, 0, np.inf),
            ("diameter_mm", diameter_mm, 2, np.inf),
            ("noise_hu", noise_hu, 0, np.inf),
        ]
    )
    kinds, *streams = np.random.SeedSequence(seed).spawn(n_patients + 1)
    # Patients come in pairs of a random order, one malignant by the share, so that the first n are balanced too.
    rank = np.floor(np.arange(1, n_patients + 1) * malignant_share + 0.5)
    malignant = np.diff(rank, prepend=0).astype(int)
    order = np.random.default_rng(kinds)
    for start in range(0, n_patients - 1, 2):
        malignant[start : start + 2] = order.permutation(malignant[start : start + 2])
    images, masks = [], []
    for is_malignant, stream in zip(malignant, streams, strict=True):
        rng = np.random.default_rng(stream)
        anatomy = _draw_anatomy(rng, int(is_malignant) * label_effect, subject_sd, diameter_mm)
        for _ in range(images_per_patient):
            image, mask = _image(rng, anatomy, size, spacing_mm, noise_hu)
            images.append(image)
            masks.append(mask)
    return Bunch(
        images=np.asarray(images, np.float32),
        labels=np.repeat(malignant, images_per_patient),
        patients=np.repeat(np.arange(n_patients), images_per_patient),
        masks=np.asarray(masks),
        spacing_mm=spacing_mm,
        description=(
            f"SIMULATED CT of lung nodules: {n_patients} patients ({malignant.sum()} malignant) with "
            f"{images_per_patient} images each, seed {seed}. No patient was scanned."
        ),
    )


@dataclass(frozen=True)
class _Anatomy:
    """One patient; lengths in millimetres, angles in radians, attenuation in Hounsfield units."""

    lung_hu: float
    vessels: list[tuple[Floats, float, float]]  # (path (P, 2) round the nodule's centre, radius, where it is in plane)
    wall: tuple[float, float] | None  # angle at which the chest wall is seen, and its distance from the nodule
    haze: Floats  # (8, 8) coarse pattern of ventilation, in Hounsfield units
    radius: float
    nodule_hu: float
    bulges: Floats  # (orders, 2) amplitude and phase
    spicules: Floats  # (S, 3) angle, length over radius, width in radians


def _draw_anatomy(rng: np.random.Generator, malignancy: float, subject_sd: float, diameter_mm: float) -> _Anatomy:
    # With subject_sd = 0 all lungs are that of one patient; what is drawn for it comes from the same fixed stream.
    own = rng if subject_sd > 0 else np.random.default_rng(0)
    vessels = []
    for _ in range(int(own.integers(6, 11))):
        start, end = own.uniform(-20, 20, (2, 2))
        if own.random() < 0.4:  # runs through the slice: a dot
            end = start + own.normal(0, 1, 2)
        bend = (start + end) / 2 + own.normal(0, 5, 2)
        t = np.linspace(0, 1, 40)[:, None]
        vessels.append(
            (
                (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end,
                float(own.uniform(0.5, 1.3)),
                float(own.random()),
            )
        )
    wall = (float(own.uniform(0, 2 * np.pi)), float(own.uniform(9, 14))) if own.random() < 0.3 else None
    haze = own.normal(0, 25 * max(subject_sd, 0.2), (8, 8))
    lung = LUNG_HU + subject_sd * own.normal(0, 35)
    # What belongs to the nodule, and to nobody's label.
    radius = diameter_mm / 2 * np.exp(rng.normal(0, 0.25 * subject_sd))
    nodule_hu = NODULE_HU + subject_sd * rng.normal(0, 40)
    orders = np.arange(2, 6)
    bulges = np.stack([subject_sd * rng.normal(0, 0.16 / orders), rng.uniform(0, 2 * np.pi, len(orders))], axis=1)
    n_spicules = rng.poisson(2.0 + 6.0 * malignancy)
    spicules = np.stack(
        [
            rng.uniform(0, 2 * np.pi, n_spicules),
            rng.uniform(0.25, 0.8, n_spicules),
            rng.uniform(0.07, 0.14, n_spicules),
        ],
        axis=1,
    )
    return _Anatomy(lung, vessels, wall, haze, float(radius), float(nodule_hu), bulges, spicules)


def _image(
    rng: np.random.Generator, anatomy: _Anatomy, size: int, spacing_mm: float, noise_hu: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Cut one slice: the same patient, a few pixels and a level further."""
    shift = rng.normal(0, 0.8, 2)
    level = rng.uniform(0.75, 1.0)  # a slice off the centre shows a smaller disc
    grid = np.moveaxis(np.indices((size, size)), 0, -1) * spacing_mm
    from_centre = grid - (size - 1) / 2 * spacing_mm - shift  # (H, W, 2), (y, x)
    haze = ndi.zoom(anatomy.haze, size / 8, order=3, mode="nearest", grid_mode=True)[:size, :size]
    image = anatomy.lung_hu + haze
    for path, radius, in_plane in anatomy.vessels:
        places = path + rng.normal(0, 0.6, 2)  # vessels meet the next slice at another place
        squared = ((from_centre[:, :, None] - places) ** 2).sum(-1)  # (H, W, P)
        nearest = squared.argmin(-1)
        distance = np.sqrt(np.take_along_axis(squared, nearest[..., None], -1)[..., 0])
        # A vessel leaves the slice on its way, and is then seen in part and not at all.
        along = nearest / (len(path) - 1) - in_plane + rng.normal(0, 0.05)
        strength = (VESSEL_HU - LUNG_HU) * np.exp(-((along / 0.35) ** 2))
        image = np.maximum(image, anatomy.lung_hu + strength * _edge(radius - distance))
    if anatomy.wall is not None:
        angle, distance_mm = anatomy.wall
        beyond = from_centre @ np.array([np.sin(angle), np.cos(angle)]) - distance_mm
        curved = beyond - 0.012 * (from_centre @ np.array([np.cos(angle), -np.sin(angle)])) ** 2
        image = image + (WALL_HU - image) * _edge(curved)
    inside = _inside_nodule(from_centre, anatomy, level)
    cover = _edge(inside)
    image = image + (anatomy.nodule_hu - image) * cover
    # The scanner blurs what lies within about a pixel, and its noise is correlated over as much.
    image = ndi.gaussian_filter(image, 0.45 / spacing_mm)
    noise = ndi.gaussian_filter(rng.normal(size=(size, size)), 0.7)
    return image + noise_hu * noise / 0.40, cover > 0.5


def _inside_nodule(from_centre: Floats, anatomy: _Anatomy, level: float) -> Floats:
    """Return about how many millimetres each pixel lies inside the nodule's outline; negative outside."""
    distance = np.hypot(from_centre[..., 0], from_centre[..., 1])
    angle = np.arctan2(from_centre[..., 0], from_centre[..., 1])
    outline = np.ones_like(angle)
    for order, (amplitude, phase) in enumerate(anatomy.bulges, start=2):
        outline = outline + amplitude * np.cos(order * angle + phase)
    inside = anatomy.radius * level * outline - distance
    for direction, length, width in anatomy.spicules:
        away = np.angle(np.exp(1j * (angle - direction)))
        # A spicule gets thinner outwards: from a broad foot to nothing at its tip.
        reach = anatomy.radius * level * (1 + length) - distance
        half_width = width * anatomy.radius * np.clip(reach / (anatomy.radius * length), 0, 1.5) + 0.15
        across = half_width - np.abs(away) * distance
        inside = np.maximum(inside, np.where(np.abs(away) < 1, np.minimum(across, reach), -np.inf))
    return inside


def _edge(inside_mm: Floats, softness_mm: float = 0.3) -> Floats:
    """Return the share of a pixel that is filled, from 0 outside to 1 inside."""
    return np.asarray(1 / (1 + np.exp(-np.clip(inside_mm / softness_mm, -40, 40))))


def make_disease(
    n_per_group: int = 40,
    *,
    n_subtypes: int = 3,
    atrophy_sd: float = 1.2,
    correlation: float = 0.3,
    seed: int = 0,
) -> Bunch:
    """Simulate a study of volumes in patients and controls, where the disease is several diseases.

    Volumes are corrected for age and head size and given in standard deviations of healthy people (z-scores), as
    studies of dementia do. Subtype k of the disease costs `atrophy_sd` standard deviations in region k alone; each
    patient has one subtype, all equally often. That is the plainest form of what Murray et al. (2011,
    doi:10.1016/S1474-4422(11)70156-9) saw: Alzheimer's disease that spares the hippocampus, or hits mainly it.

    Parameters
    ----------
    n_per_group
        Number of patients, and of controls, >= 2.
    n_subtypes
        Number of subtypes, 1 to 3, one a region.
    atrophy_sd
        Loss in the subtype's region, in standard deviations of healthy people, >= 0.
    correlation
        Correlation of the regions within a person, in [0, 1).
    seed
        Same seed, same study.

    Returns
    -------
    Bunch
        volumes : (2 * n_per_group, 3) float64, z-scores; regions as in `regions`.
        is_patient : (2 * n_per_group,) bool. subtypes : (2 * n_per_group,) int, -1 for controls, else 0 to K - 1.
        regions : tuple of str. description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.
    """
    check_ranges(
        [
            ("n_per_group", n_per_group, 2, np.inf),
            ("n_subtypes", n_subtypes, 1, len(REGIONS)),
            ("atrophy_sd", atrophy_sd, 0, np.inf),
            ("correlation", correlation, 0, 0.99),
        ]
    )
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(2 * n_per_group, 1))
    volumes = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.normal(size=(2 * n_per_group, 3))
    subtypes = np.concatenate([rng.permutation(np.arange(n_per_group) % n_subtypes), np.full(n_per_group, -1)])
    for subtype in range(n_subtypes):
        volumes[subtypes == subtype, subtype] -= atrophy_sd
    return Bunch(
        volumes=volumes,
        is_patient=subtypes >= 0,
        subtypes=subtypes,
        regions=REGIONS,
        description=(
            f"SIMULATED volumes of {n_per_group} patients with {n_subtypes} subtypes and {n_per_group} controls, "
            f"in standard deviations of healthy people, seed {seed}"
        ),
    )


def make_treatment(
    n_patients: int = 60,
    *,
    n_baseline: int = 2,
    responder_share: float = 0.5,
    response_percent: float = -25.0,
    response_sd_percent: float = 0.0,
    error_percent: float = 9.0,
    median_ml: float = 4.0,
    seed: int = 0,
) -> Bunch:
    """Simulate volumes of tumours before and after a treatment, as measured: with an error at each scan.

    The true volume of those who respond changes by `response_percent`, that of the others not at all. A measurement is
    the true volume times exp(error), with a normal error of standard deviation `error_percent` / 100, new at each scan:
    errors of volumetry grow with the volume. Two scans before the treatment show how large they are. An error of 9
    percent makes two scans of the same tumour differ by up to 25 percent in 95 of 100 cases, about what Marchianò
    et al. (2009) report for small lung nodules (27 percent).

    Parameters
    ----------
    n_patients
        Number of patients, >= 2, each with one tumour.
    n_baseline
        Scans before the treatment, >= 1.
    responder_share
        Share of patients, in [0, 1], whose tumour responds; rounded to whole patients.
    response_percent, response_sd_percent
        Mean and standard deviation of a responder's true change, in percent of the volume, > -100: -25 is a quarter.
    error_percent
        Standard deviation of one measurement, in percent, >= 0.
    median_ml
        Median volume before treatment, in millilitres.
    seed
        Same seed, same trial.

    Returns
    -------
    Bunch
        before : (N, n_baseline) float64, millilitres, as measured. after : (N,) float64, as measured.
        true_before, true_after : (N,) float64. responds : (N,) bool.
        description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.
    """
    check_ranges(
        [
            ("n_patients", n_patients, 2, np.inf),
            ("n_baseline", n_baseline, 1, np.inf),
            ("responder_share", responder_share, 0, 1),
            ("response_percent", response_percent, -99, np.inf),
            ("response_sd_percent", response_sd_percent, 0, np.inf),
            ("error_percent", error_percent, 0, np.inf),
            ("median_ml", median_ml, 1e-6, np.inf),
        ]
    )
    rng = np.random.default_rng(seed)
    true_before = median_ml * np.exp(rng.normal(0, 0.7, n_patients))
    responds = rng.permutation(np.arange(n_patients) < round(responder_share * n_patients))
    change = np.maximum(response_percent + response_sd_percent * rng.normal(size=n_patients), -99) / 100
    true_after = true_before * np.where(responds, 1 + change, 1.0)
    errors = np.exp(error_percent / 100 * rng.normal(size=(n_patients, n_baseline + 1)))
    return Bunch(
        before=true_before[:, None] * errors[:, :-1],
        after=true_after * errors[:, -1],
        true_before=true_before,
        true_after=true_after,
        responds=responds,
        description=(
            f"SIMULATED volumes of {n_patients} tumours, {n_baseline} scans before and one after treatment, measured "
            f"with an error of {error_percent:g} %, seed {seed}"
        ),
    )


def nodule_pair(
    change_percent: float, *, diameter_mm: float = 12.0, size: int = 64, spacing_mm: float = 0.5, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two simulated slices of one patient, (H, W) HU: before, and after the nodule's volume has changed.

    A volume goes with the cube of the diameter: a quarter less of volume is nine percent less of diameter.
    """
    check_ranges(
        [
            ("change_percent", change_percent, -99, np.inf),
        ]
    )
    anatomy = _draw_anatomy(np.random.default_rng(seed), 0.5, 0.0, diameter_mm)
    after = _Anatomy(**{**vars(anatomy), "radius": anatomy.radius * (1 + change_percent / 100) ** (1 / 3)})
    slices: Sequence[Floats] = [
        _image(np.random.default_rng([seed, 1]), each, size, spacing_mm, 20.0)[0] for each in (anatomy, after)
    ]
    return slices[0].astype(np.float32), slices[1].astype(np.float32)
