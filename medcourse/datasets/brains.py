"""Brains of adults and newborns in a spin echo: the same anatomy, but other relaxation times, so another contrast."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets import mr, phantoms
from medcourse.errors import CourseError

Age = Literal["adult", "newborn"]

# (T1, T2) in ms at 3 T and the density of protons. Adults: the table that all scanners of the course share.
# Newborns: Williams et al., Radiology 235, 2005 (frontal lobe, 3 T) measured R1 of grey matter to be 1.3 times, and R2
# 1.8 times that of white matter: there is hardly any myelin yet, and much water. The level (grey matter's T1 and T2)
# and the densities are round numbers of ours. What is no brain stays as it is in adults.
_ADULT = {name: (*times, mr.PROTON_DENSITY[name]) for name, times in mr.RELAXATION[3.0].items()}
_GREY, _WHITE = (2000.0, 130.0, 0.90), (1.3 * 2000.0, 1.8 * 130.0, 0.93)
RELAXATION = {
    "adult": _ADULT,
    "newborn": {**_ADULT, "white_matter": _WHITE, "grey_matter": _GREY, "deep_grey": _GREY},
}
# A newborn's head is about two thirds of an adult's in each direction.
SCALE = {"adult": 1.0, "newborn": 0.66}
CLASSES = ("not brain", "cerebrospinal fluid", "grey matter", "white matter")


def make_brains(
    n_subjects: int = 4,
    *,
    age: Age = "adult",
    size: tuple[int, int] = (128, 104),
    repetition_ms: float = 600.0,
    echo_ms: float = 10.0,
    subject_sd: float = 1.0,
    noise: float = 0.012,
    seed: int = 0,
) -> Bunch:
    """Simulate axial slices through the heads of adults or newborns in a spin echo, with the tissue of each pixel.

    A pixel's signal is rho (1 - exp(-TR / T1)) exp(-TE / T2), averaged over the tissues in it. The heads come from
    `medcourse.datasets.phantoms.head`; the field of view fits the head, so that both fill it. A real newborn's cortex
    is less folded than an adult's, and the ways that myelinate first are bright already; neither is simulated.

    Parameters
    ----------
    n_subjects
        Number of people, >= 1.
    age
        "adult" or "newborn" (about term).
    size
        Height and width in pixels, even numbers; 230 x 187 mm of an adult.
    repetition_ms, echo_ms
        TR and TE. The default weighs by T1; 4000 and 100 weigh by T2.
    subject_sd
        How much people differ: 1 gives relaxation times that vary by 3 percent and a receiver whose gain varies by
        15 percent and falls off smoothly; 0 gives all the same, but for their anatomy.
    noise
        Standard deviation of the noise in both channels, in units of the signal of all protons.
    seed
        Same seed, same people.

    Returns
    -------
    Bunch
        images : (N, H, W) float32, >= 0. tissue : (N, H, W) int8 into CLASSES: 0 not brain, 1 fluid, 2 grey, 3 white
        matter, what fills most of the pixel.
        spacing_mm : float. age : str. description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> for age in ("adult", "newborn"):
    ...     brain = make_brains(1, age=age, subject_sd=0, noise=0)
    ...     grey, white = (float(np.median(brain.images[brain.tissue == k])) for k in (2, 3))
    ...     print(age, "white brighter" if white > grey else "grey brighter")
    adult white brighter
    newborn grey brighter
    """
    if age not in RELAXATION:
        raise CourseError(f"age must be one of {', '.join(RELAXATION)}, got {age!r}")
    for name, value, low in [
        ("n_subjects", n_subjects, 1),
        ("repetition_ms", repetition_ms, 1),
        ("echo_ms", echo_ms, 0),
        ("subject_sd", subject_sd, 0),
        ("noise", noise, 0),
    ]:
        if not value >= low:
            raise CourseError(f"{name} must be at least {low}, got {value}")
    spacing_mm = 230.0 / size[0]
    images, tissues = [], []
    for stream in np.random.SeedSequence(seed).spawn(n_subjects):
        rng = np.random.default_rng(stream)
        head = phantoms.head(size=size, spacing_mm=spacing_mm, seed=int(rng.integers(2**31)))
        signal = {
            name: mr.spin_echo(
                density,
                t1 * np.exp(0.03 * subject_sd * rng.normal()),
                t2 * np.exp(0.03 * subject_sd * rng.normal()),
                repetition_ms=repetition_ms,
                echo_ms=echo_ms,
            )
            for name, (t1, t2, density) in RELAXATION[age].items()
        }
        image = phantoms.coarsen(phantoms.lookup(signal, head.tissue), 2)
        image = image * _receiver(rng, image.shape, subject_sd)
        # Noise is complex, and the picture is its magnitude.
        image = np.hypot(image + noise * rng.normal(size=image.shape), noise * rng.normal(size=image.shape))
        images.append(image.astype(np.float32))
        tissues.append(_classes(head.tissue))
    return Bunch(
        images=np.asarray(images),
        tissue=np.asarray(tissues),
        spacing_mm=spacing_mm * SCALE[age],
        age=age,
        description=(
            f"SIMULATED spin echo (TR {repetition_ms:g} ms, TE {echo_ms:g} ms, 3 T) of {n_subjects} heads, "
            f"{age}, seed {seed}"
        ),
    )


def _receiver(rng: np.random.Generator, shape: tuple[int, ...], subject_sd: float) -> NDArray[np.float64]:
    """Return (H, W) gain of the receiver: another for each person, and smooth over the head."""
    rows, columns = (np.linspace(-1, 1, n) for n in shape)
    slope = 0.08 * subject_sd * rng.normal(size=2)
    gain = np.exp(0.15 * subject_sd * rng.normal())
    return np.asarray(gain * np.exp(slope[0] * rows[:, None] + slope[1] * columns[None]), np.float64)


def _classes(tissue: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return (H, W) classes from (2 H, 2 W) tissues: what fills most of each square of four."""
    code = phantoms.CODE
    fine = np.zeros(tissue.shape, np.int8)
    for number, names in enumerate([("csf",), ("grey_matter", "deep_grey"), ("white_matter",)], start=1):
        fine[np.isin(tissue, [code[name] for name in names])] = number
    shares = np.stack([phantoms.coarsen((fine == k).astype(float), 2) for k in range(len(CLASSES))])
    return np.asarray(shares.argmax(0), np.int8)


def tissue_features(image: NDArray[np.floating], tissue: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return (pixels in the brain, 6) features: what a simple tissue classifier looks at.

    Brightness over the brain's median, its mean over two neighbourhoods, its local contrast, depth below the brain's
    surface over the largest depth, and height in the slice. The brain is taken as given (skull-stripped).
    """
    brain = tissue > 0
    relative = np.where(brain, image / np.median(image[brain]), 0)
    weight = [ndi.gaussian_filter(brain.astype(float), sigma) for sigma in (1, 3)]
    smooth = [ndi.gaussian_filter(relative, s) / np.maximum(w, 1e-6) for s, w in zip((1, 3), weight, strict=True)]
    depth = ndi.distance_transform_edt(brain)
    height = np.indices(brain.shape)[0] / brain.shape[0]
    maps = [relative, *smooth, smooth[0] - smooth[1], depth / depth.max(), height]
    return np.stack([each[brain] for each in maps], axis=1)
