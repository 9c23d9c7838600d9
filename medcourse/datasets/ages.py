"""Brains of newborns, young and ageing adults in T1-weighted MRI, with the part of the brain that each pixel shows."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets import mr
from medcourse.datasets.brains import RELAXATION as OF_TWO_AGES
from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.wholebrain import CODE, MATTER, Shape, Space, draw_brain
from medcourse.errors import CourseError

Age = Literal["newborn", "young", "ageing"]
Floats = NDArray[np.float32]

PARTS = (
    "not brain",
    "cortical grey matter",
    "white matter",
    "ventricles",
    "outer fluid",
    "basal ganglia and thalami",
    "brain stem",
    "cerebellum",
    "white matter lesions",
)
# (T1, T2) in ms at 3 T and proton density. Grey and white matter and fluid: as in `medcourse.datasets.brains`, with its
# sources. Round numbers of ours: stem and cerebellar cortex (between their neighbours), lesions (longer than white
# matter, for they hold more water), ageing white matter (T1 six percent longer), and a newborn's deep grey matter and
# stem, whose ways have myelin already.
_YOUNG = {
    **OF_TWO_AGES["adult"],
    "stem": (1230.0, 72.0, 0.72),
    "cerebellar_grey": (1700.0, 95.0, 0.81),
    "lesion": (1750.0, 140.0, 0.82),
}
_NEWBORN = OF_TWO_AGES["newborn"]
_TIMES: dict[str, dict[str, tuple[float, float, float]]] = {
    "young": _YOUNG,
    "ageing": {**_YOUNG, "white_matter": (1.06 * 1084.0, 72.0, 0.71)},
    "newborn": {
        **_NEWBORN,
        "deep_grey": (1850.0, 120.0, 0.88),
        "stem": (1650.0, 105.0, 0.85),
        "cerebellar_grey": (1950.0, 125.0, 0.89),
        "lesion": (2600.0, 234.0, 0.93),
    },
}
# A newborn's furrows are fewer and shallower; an ageing brain shrinks, so that furrows and ventricles widen.
_SHAPES = {
    "young": Shape(),
    "ageing": Shape(sulcus_mm=1.5, cortex_mm=2.8, ventricle=1.7, lesions=0.8),
    "newborn": Shape(fold_mm=16, fold_depth_mm=11, sulcus_mm=1.1, cortex_mm=3.6, ventricle=0.95),
}
# Newborn over adult length, in each direction.
SCALE = {"newborn": 0.66, "young": 1.0, "ageing": 1.0}
FIELD_MM = 182.0
_SLICE_MM, _N_SHEETS = 4.5, 5  # a slice's thickness, and the sheets that it is averaged over


def make_ages(
    n_subjects: int = 4,
    *,
    age: Age = "young",
    size: int = 96,
    place_mm: tuple[float, float] = (-32.0, -22.0),
    repetition_ms: float = 600.0,
    echo_ms: float = 10.0,
    subject_sd: float = 1.0,
    noise: float = 0.010,
    seed: int = 0,
) -> Bunch:
    """Simulate a coronal slice through each of several heads, where thalami, brain stem and cerebellum are all seen.

    A voxel's signal is that of a spin echo, rho (1 - exp(-TR / T1)) exp(-TE / T2), averaged over the matter in it. The
    field of view fits the head, so that all ages fill it.

    Parameters
    ----------
    n_subjects
        Number of people, >= 1.
    age
        "newborn" (about term), "young" or "ageing".
    size
        Height and width in pixels, in [32, 256]; 182 mm of an adult, 120 mm of a newborn.
    place_mm
        The slice lies somewhere between these, in mm of an adult in front of the anterior commissure; in [-90, 60].
    repetition_ms, echo_ms
        TR and TE. The default weighs by T1.
    subject_sd
        How much people differ besides their anatomy: 1 gives relaxation times that vary by 3 percent and a receiver
        whose gain varies by 15 percent and falls off smoothly; 0 none of it.
    noise
        Standard deviation of the noise in both channels, in units of the signal of all protons; in [0, 1].
    seed
        Same seed, same people.

    Returns
    -------
    Bunch
        images : (N, H, W) float32, >= 0, the whole head. labels : (N, H, W) int8 into PARTS; > 0 is the brain's mask,
        outer fluid included. spacing_mm : width of a pixel. age : str. names : PARTS. description : with SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> brains = make_ages(1, age="ageing", size=48)
    >>> brains.images.shape, int(brains.labels.max())
    ((1, 48, 48), 8)
    """
    _check(n_subjects, age, size, repetition_ms=repetition_ms, echo_ms=echo_ms, subject_sd=subject_sd, noise=noise)
    check_ranges([(f"place_mm[{i}]", place, -90, 60) for i, place in enumerate(place_mm)])
    step = FIELD_MM / size / 2
    images, labels = [], []
    for stream in np.random.SeedSequence(seed).spawn(n_subjects):
        anatomy, scanner = (np.random.default_rng(s) for s in stream.spawn(2))
        middle = scanner.uniform(min(place_mm), max(place_mm))
        sheets = middle + _SLICE_MM * ((np.arange(_N_SHEETS) + 0.5) / _N_SHEETS - 0.5)
        matter, part = _head(anatomy, age, sheets, 2 * size, step)
        signal = _signals(scanner, age, subject_sd, repetition_ms, echo_ms)[matter].mean(0, keepdims=True)
        image = signal.reshape(size, 2, size, 2).mean(axis=(1, 3))
        images.append(_scan(scanner, image[None], subject_sd, noise)[0])
        labels.append(_most(part[len(part) // 2][None], (1, 2, 2))[0])
    return Bunch(
        images=np.stack(images),
        labels=np.stack(labels),
        spacing_mm=FIELD_MM / size * SCALE[age],
        age=age,
        names=PARTS,
        description=f"SIMULATED coronal T1-weighted slices of {n_subjects} heads, {age}, seed {seed}",
    )


def make_age_volume(
    *,
    age: Age = "young",
    size: int = 64,
    repetition_ms: float = 600.0,
    echo_ms: float = 10.0,
    subject_sd: float = 1.0,
    noise: float = 0.010,
    seed: int = 0,
) -> Bunch:
    """Simulate a whole head: as `make_ages`, in space.

    Returns
    -------
    Bunch
        image : (Y, Z, X) float32; slices from back to front, rows from the top down, columns from left to right.
        labels : (Y, Z, X) int8 into PARTS. spacing_mm : edge of a voxel. age, names, description.
    """
    _check(1, age, size, repetition_ms=repetition_ms, echo_ms=echo_ms, subject_sd=subject_sd, noise=noise)
    step = FIELD_MM / size / 2
    anatomy, scanner = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    depth = 2 * int(np.ceil(105 / step / 2)) * 2
    places = -18 + (np.arange(depth) - (depth - 1) / 2) * step
    matter, part = _head(anatomy, age, places, 2 * size, step)
    signal = _signals(scanner, age, subject_sd, repetition_ms, echo_ms)[matter]
    image = signal.reshape(depth // 2, 2, size, 2, size, 2).mean(axis=(1, 3, 5))
    return Bunch(
        image=_scan(scanner, image, subject_sd, noise),
        labels=_most(part, (2, 2, 2)),
        spacing_mm=FIELD_MM / size * SCALE[age],
        age=age,
        names=PARTS,
        description=f"SIMULATED T1-weighted head, {age}, seed {seed}",
    )


def prepare_brain(image: NDArray[np.floating], mask: NDArray[np.bool_]) -> Floats:
    """Blacken what is not brain, and scale the brain's grey values from their 1st and 99th percentile to 0 and 1.

    Parameters
    ----------
    image, mask
        (..., H, W), and of the same shape.

    Examples
    --------
    >>> prepare_brain(np.array([[9.0, 2.0, 4.0]]), np.array([[False, True, True]])).round(2).tolist()
    [[0.0, 0.0, 1.0]]
    """
    if mask.shape != image.shape or not mask.any():
        raise CourseError(f"mask must hold a brain and match image shape {image.shape}, got {mask.shape}")
    low, high = np.percentile(image[mask], [1, 99])
    scaled = np.clip((image - low) / max(float(high - low), 1e-9), 0, 1)
    return np.where(mask, scaled, 0).astype(np.float32)


def _check(
    n_subjects: int, age: str, size: int, *, repetition_ms: float, echo_ms: float, subject_sd: float, noise: float
) -> None:
    if age not in _TIMES:
        raise CourseError(f"age must be one of {', '.join(SCALE)}, got {age!r}")
    check_ranges(
        [
            ("n_subjects", n_subjects, 1, np.inf),
            ("size", size, 32, 256),
            ("repetition_ms", repetition_ms, 1, np.inf),
            ("echo_ms", echo_ms, 0, np.inf),
            ("subject_sd", subject_sd, 0, 10),
            ("noise", noise, 0, 1),
        ]
    )


def _head(
    rng: np.random.Generator, age: Age, places: NDArray[np.floating], side: int, step: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw a person on a grid, (len(places), side, side); people differ in size by four percent in each direction."""
    across = (np.arange(side) - (side - 1) / 2) * step
    wide, long, high = 1 + 0.04 * np.clip(rng.normal(size=3), -2, 2)
    space = Space(across / wide, places / long, (3 - across) / high)
    sheet = float(places[1] - places[0])
    return draw_brain(space, rng, _SHAPES[age], (sheet, step, step))


def _signals(rng: np.random.Generator, age: Age, subject_sd: float, repetition_ms: float, echo_ms: float) -> Floats:
    """Return the signal of each of MATTER in one person."""
    values = np.zeros(len(MATTER), np.float32)
    for name in MATTER[1:]:
        t1, t2, density = _TIMES[age][name]
        longer = np.exp(0.03 * subject_sd * rng.normal(size=2))
        values[CODE[name]] = mr.spin_echo(
            density, t1 * longer[0], t2 * longer[1], repetition_ms=repetition_ms, echo_ms=echo_ms
        )
    return values


def _scan(rng: np.random.Generator, image: NDArray[np.floating], subject_sd: float, noise: float) -> Floats:
    """Return the magnitude that a receiver measures, whose gain differs and falls off smoothly."""
    gain = np.exp(0.15 * subject_sd * rng.normal())
    for axis, n in enumerate(image.shape):
        slope = 0.08 * subject_sd * rng.normal()
        shape = [1, 1, 1]
        shape[axis] = n
        if n > 1:
            gain = gain * np.exp(slope * np.linspace(-1, 1, n)).reshape(shape)
    image = image * gain
    in_phase = image + noise * rng.normal(size=image.shape)
    return np.asarray(np.hypot(in_phase, noise * rng.normal(size=image.shape)), np.float32)


def _most(part: NDArray[np.uint8], block: tuple[int, int, int]) -> NDArray[np.int8]:
    """Return the label that fills most of each block."""
    shares = [
        ndi.uniform_filter((part == k).astype(np.float32), block, origin=[-(b // 2) if b > 1 else 0 for b in block])
        for k in range(len(PARTS))
    ]
    return np.asarray(np.argmax([s[:: block[0], :: block[1], :: block[2]] for s in shares], axis=0), np.int8)
