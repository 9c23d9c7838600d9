"""Pairs of brains to register: one person bent by a known map, or two people of whom only the labels are known.

A map is the flow of a smooth velocity field, so it is smooth, can be undone, and folds nowhere.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.ages import PARTS, Age, make_age_volume, make_ages, prepare_brain
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float32]

PLACE_MM = -27.0  # of the coronal slice: thalami, brain stem and cerebellum are all in it
_SQUARINGS = 8
_TAPER = 8  # velocities fall to 0 over the outer 1/8 of the picture, so that the map keeps the picture's frame


def make_brain_pairs(
    n_pairs: int = 4,
    *,
    kind: Literal["warped", "people"] = "warped",
    dims: Literal[2, 3] = 2,
    age: Age = "young",
    size: int = 96,
    warp_mm: float = 4.0,
    smooth_mm: float = 12.0,
    noise: float = 0.02,
    seed: int = 0,
) -> Bunch:
    """Simulate pairs of T1-weighted brains without skull, a moving and a fixed image each.

    Parameters
    ----------
    n_pairs
        >= 1. No person is in two pairs.
    kind
        "warped": the fixed image is the moving one bent by a known map. "people": two people, in the same position.
    dims
        2 for coronal slices, 3 for volumes.
    age
        "newborn", "young" or "ageing".
    size
        Pixels along an edge of a slice, in [32, 256].
    warp_mm, smooth_mm, noise
        As in `warp_brains`; the first two are without meaning for "people".
    seed
        Same seed, same pairs.

    Returns
    -------
    Bunch
        moving, fixed : (N, *S) float32, grey values in [0, 1], 0 outside of the brain; *S is (H, W), or (Y, Z, X) from
        back to front, from the top down, from left to right. moving_labels, fixed_labels : (N, *S) int8 into PARTS.
        displacement_px : (N, d, *S) float32, see `warp_brains`, or None for "people": which point of one brain belongs
        to which of another, nobody knows. spacing_mm : width of a pixel. names : PARTS. description : with SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> pairs = make_brain_pairs(1, size=48)
    >>> pairs.fixed.shape, pairs.displacement_px.shape
    ((1, 48, 48), (1, 2, 48, 48))
    """
    if kind not in ("warped", "people"):
        raise CourseError(f"kind must be warped or people, got {kind!r}")
    if dims not in (2, 3):
        raise CourseError(f"dims must be 2 or 3, got {dims}")
    check_ranges([("n_pairs", n_pairs, 1, np.inf), ("noise", noise, 0, 1)])
    n_people = n_pairs if kind == "warped" else 2 * n_pairs
    heads = _heads(n_people, dims=dims, age=age, size=size, seed=seed)
    brains = np.stack([prepare_brain(i, m > 0) for i, m in zip(heads.images, heads.labels, strict=True)])
    about = f"of the age {age!r}, seed {seed}"
    if kind == "warped":
        pairs = warp_brains(
            brains,
            heads.labels,
            spacing_mm=heads.spacing_mm,
            warp_mm=warp_mm,
            smooth_mm=smooth_mm,
            noise=noise,
            seed=seed,
        )
        pairs.update(names=PARTS, description=f"SIMULATED brains and the same bent, {n_pairs} pairs {about}")
        return pairs
    rng = np.random.default_rng(seed)
    seen = np.stack([_noisy(rng, brain, labels > 0, noise) for brain, labels in zip(brains, heads.labels, strict=True)])
    return Bunch(
        moving=seen[::2],
        fixed=seen[1::2],
        moving_labels=heads.labels[::2],
        fixed_labels=heads.labels[1::2],
        displacement_px=None,
        spacing_mm=heads.spacing_mm,
        names=PARTS,
        description=f"SIMULATED brains of two people each, {n_pairs} pairs {about}",
    )


def warp_brains(
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    spacing_mm: float,
    warp_mm: float = 4.0,
    smooth_mm: float = 12.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Bunch:
    """Bend each brain by a known map.

    Parameters
    ----------
    images
        (N, *S) grey values in about [0, 1], of two or three axes each: the moving images, without skull.
    labels
        (N, *S), 0 outside of the brain.
    spacing_mm
        Width of a pixel, the same along all axes.
    warp_mm, smooth_mm
        As in `make_velocity`.
    noise
        Standard deviation of the noise in both channels of the receiver that is added to either image, drawn anew for
        each, within the brain; in [0, 1]. What noise an image has already is bent along with it.
    seed
        Same seed, same maps.

    Returns
    -------
    Bunch
        moving, fixed : (N, *S) float32. moving_labels, fixed_labels : (N, *S). displacement_px : (N, d, *S) float32,
        components in the order of the axes: what lies at x in the fixed image lies at x + u(x) in the moving one.
        inverse_px : the same for the map back, which registers the fixed image onto the moving one. velocity_px :
        (N, d, *S) float32, whose flow the map is. spacing_mm. description.

    Raises
    ------
    CourseError
        The shapes differ or have no two or three axes, or a parameter is out of its range.
    """
    if images.shape != labels.shape or images.ndim not in (3, 4):
        raise CourseError(f"labels must match images (N, H, W) or (N, D, H, W), {images.shape}, got {labels.shape}")
    check_ranges([("noise", noise, 0, 1)])
    parts: dict[str, list[NDArray[np.generic]]] = {
        key: []
        for key in ("moving", "fixed", "moving_labels", "fixed_labels", "displacement_px", "inverse_px", "velocity_px")
    }
    for number, (image, marks) in enumerate(zip(images, labels, strict=True)):
        velocity = make_velocity(
            image.shape,
            spacing_mm=spacing_mm,
            warp_mm=warp_mm,
            smooth_mm=smooth_mm,
            seed=1000 * seed + number,
        )
        displacement = follow(velocity)
        places = _identity(image.shape) + displacement
        bent_marks = ndi.map_coordinates(marks, places, order=0, mode="nearest")
        bent = ndi.map_coordinates(image.astype(np.float32), places, order=3, mode="nearest")
        rng = np.random.default_rng([seed, number])
        parts["moving"].append(_noisy(rng, image.astype(np.float32), marks > 0, noise))
        parts["fixed"].append(_noisy(rng, np.where(bent_marks > 0, np.clip(bent, 0, 1), 0), bent_marks > 0, noise))
        parts["moving_labels"].append(marks)
        parts["fixed_labels"].append(bent_marks)
        parts["displacement_px"].append(displacement)
        parts["inverse_px"].append(follow(-velocity))
        parts["velocity_px"].append(velocity)
    return Bunch(
        **{key: np.stack(values) for key, values in parts.items()},
        spacing_mm=spacing_mm,
        description=f"{len(images)} brains and the same bent by SIMULATED maps, seed {seed}",
    )


def make_velocity(
    shape: tuple[int, ...],
    *,
    spacing_mm: float = 1.0,
    warp_mm: float = 4.0,
    smooth_mm: float = 12.0,
    seed: int = 0,
) -> Floats:
    """Draw a smooth velocity field: white noise, smoothed by a Gaussian, that falls to 0 at the picture's frame.

    Parameters
    ----------
    shape
        (H, W) or (D, H, W).
    spacing_mm
        Width of a pixel.
    warp_mm
        Root mean square of each component of the smoothed noise, in mm per unit of time; in [0, 100].
    smooth_mm
        Standard deviation of the Gaussian; in [2, 200]. The larger, the broader the bends.
    seed
        Same seed, same field.

    Returns
    -------
    ndarray
        (d, *shape) float32 in pixels per unit of time.

    Examples
    --------
    >>> make_velocity((40, 50), warp_mm=0).any()
    np.False_
    """
    if len(shape) not in (2, 3):
        raise CourseError(f"shape must be (H, W) or (D, H, W), got {shape}")
    check_ranges(
        [("spacing_mm", spacing_mm, 1e-3, 1e3), ("warp_mm", warp_mm, 0, 100), ("smooth_mm", smooth_mm, 2, 200)]
    )
    rng = np.random.default_rng(seed)
    sigma = smooth_mm / spacing_mm
    # Drawn on a larger grid, so that smoothing has no border within the picture.
    margin = [min(int(np.ceil(3 * sigma)), 3 * n) for n in shape]
    inside = tuple(slice(m, m + n) for m, n in zip(margin, shape, strict=True))
    large = [n + 2 * m for m, n in zip(margin, shape, strict=True)]
    # The standard deviation of smoothed white noise, so that a field is not stretched to its own.
    expected = (2 * np.sqrt(np.pi) * sigma) ** (-len(shape) / 2)
    field = np.stack(
        [
            ndi.gaussian_filter(rng.standard_normal(large, dtype=np.float32), sigma, mode="wrap")[inside]
            for _ in range(len(shape))
        ]
    )
    for axis, n in enumerate(shape):
        to_frame = np.minimum(np.arange(n), np.arange(n)[::-1]) / max(n / _TAPER, 1)
        window = np.sin(0.5 * np.pi * np.clip(to_frame, 0, 1)) ** 2
        field *= np.expand_dims(window, [a for a in range(len(shape) + 1) if a != axis + 1]).astype(np.float32)
    return np.asarray(field / expected * (warp_mm / spacing_mm), np.float32)


def follow(velocity: NDArray[np.floating], *, squarings: int = _SQUARINGS) -> Floats:
    """Return the displacement (d, *S) in pixels of what follows a velocity (d, *S) for one unit of time.

    By scaling and squaring, with cubic interpolation in two dimensions and linear in three.
    """
    shape = velocity.shape[1:]
    order = 3 if len(shape) == 2 else 1
    grid = _identity(shape)
    displacement = np.asarray(velocity, np.float32) / 2**squarings
    for _ in range(squarings):
        places = grid + displacement
        further = [ndi.map_coordinates(part, places, order=order, mode="nearest") for part in displacement]
        displacement = displacement + np.stack(further)
    return np.asarray(displacement, np.float32)


def _identity(shape: tuple[int, ...]) -> Floats:
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))


def _heads(n_people: int, *, dims: int, age: Age, size: int, seed: int) -> Bunch:
    """Return images and labels of whole heads that differ by their anatomy alone, without noise."""
    if dims == 2:
        return make_ages(n_people, age=age, size=size, place_mm=(PLACE_MM, PLACE_MM), subject_sd=0, noise=0, seed=seed)
    heads = [
        make_age_volume(age=age, size=size, subject_sd=0, noise=0, seed=10_000 * seed + i) for i in range(n_people)
    ]
    return Bunch(
        images=np.stack([head.image for head in heads]),
        labels=np.stack([head.labels for head in heads]),
        spacing_mm=heads[0].spacing_mm,
    )


def _noisy(rng: np.random.Generator, image: Floats, brain: NDArray[np.bool_], noise: float) -> Floats:
    """Return the magnitude of a complex signal with noise in both channels, within the brain."""
    in_phase = image + noise * rng.normal(size=image.shape)
    seen = np.hypot(in_phase, noise * rng.normal(size=image.shape))
    return np.where(brain, seen, 0).astype(np.float32)
