"""Simulated raters who outline what they see: each with a hand, a habit and, some of them, no care."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Mask = NDArray[np.bool_]


def make_raters(
    truth: ArrayLike,
    *,
    n_raters: int = 7,
    habit_px: float = 1.0,
    hand_px: float = 1.0,
    smoothness_px: float = 5.0,
    careless_share: float = 0.0,
    careless_factor: float = 5.0,
    seed: int = 0,
) -> Bunch:
    """Simulate the outlines of several raters who all looked at the same images.

    Every rater has a habit, kept over all images: to draw outside of the border, or inside of it, by so many pixels.
    And every outline wobbles, as a hand does. The wobble is a smooth random field that is added to the signed distance
    from the true border, so that an outline stays a closed curve. A careless rater wobbles `careless_factor` times as
    much and over longer stretches: he cuts corners and takes in what does not belong.

    Errors of two raters are independent. Real raters see the same faint border, and err together: see the course.

    Parameters
    ----------
    truth
        (N, H, W) or (H, W) bool, the object.
    n_raters
        Number of raters, >= 1.
    habit_px
        Standard deviation, over raters, of the habit in pixels; 0 gives raters without one.
    hand_px
        Standard deviation of the wobble in pixels; 0 gives a hand that draws what it means.
    smoothness_px
        Over how many pixels the wobble is alike.
    careless_share
        Share of raters, in [0, 1], who do not care; rounded to whole raters.
    careless_factor
        How much more their outlines wobble, >= 1.
    seed
        Same seed, same raters.

    Returns
    -------
    Bunch
        outlines : (N, R, H, W) bool ((R, H, W) for one image).
        habits_px : (R,) float64, above 0 draws outside. careless : (R,) bool.
        description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range, or `truth` is not a stack of masks.

    Examples
    --------
    >>> disc = np.hypot(*np.indices((32, 32)) - 16) < 8
    >>> raters = make_raters(disc, n_raters=3, habit_px=0, hand_px=0)
    >>> bool((raters.outlines == disc).all())
    True
    """
    masks = np.asarray(truth)
    if masks.ndim not in (2, 3) or masks.dtype != bool or not masks.size:
        raise CourseError(f"truth must be a mask (H, W) or (N, H, W) of bool, got {masks.dtype} of shape {masks.shape}")
    check_ranges(
        [
            ("n_raters", n_raters, 1, np.inf),
            ("habit_px", habit_px, 0, np.inf),
            ("hand_px", hand_px, 0, np.inf),
            ("smoothness_px", smoothness_px, 0.5, np.inf),
            ("careless_share", careless_share, 0, 1),
            ("careless_factor", careless_factor, 1, np.inf),
        ]
    )
    people, *hands = np.random.SeedSequence(seed).spawn(n_raters + 1)
    group = np.random.default_rng(people)
    careless = group.permutation(np.arange(n_raters) < round(careless_share * n_raters))
    habits = group.normal(0, habit_px, n_raters) if habit_px > 0 else np.zeros(n_raters)
    stack = masks[None] if masks.ndim == 2 else masks
    outlines = np.empty((len(stack), n_raters, *stack.shape[1:]), bool)
    for rater, stream in enumerate(hands):
        rng = np.random.default_rng(stream)
        factor = careless_factor if careless[rater] else 1.0
        for i, mask in enumerate(stack):
            wobble = factor * hand_px * _smooth_field(rng, mask.shape, smoothness_px * np.sqrt(factor))
            outlines[i, rater] = signed_distance(mask) + habits[rater] + wobble > 0
    return Bunch(
        outlines=outlines[0] if masks.ndim == 2 else outlines,
        habits_px=habits,
        careless=careless,
        description=(
            f"SIMULATED outlines of {len(stack)} images by {n_raters} raters, {int(careless.sum())} of them careless, "
            f"seed {seed}"
        ),
    )


def make_votes(truth: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike, *, seed: int = 0) -> NDArray[np.bool_]:
    """Simulate raters who answer pixel by pixel, each error independent of all others: the world that STAPLE assumes.

    Parameters
    ----------
    truth
        Bool of any shape.
    sensitivity, specificity
        (R,) in [0, 1]: how often each rater says yes where the truth is yes, and no where it is no.
    seed
        Same seed, same votes.

    Returns
    -------
    (R, ...) bool

    Examples
    --------
    >>> make_votes([True, False], [1.0, 0.0], [1.0, 0.0]).tolist()
    [[True, False], [False, True]]
    """
    mask = np.asarray(truth)
    yes, no = np.asarray(sensitivity, float), np.asarray(specificity, float)
    if mask.dtype != bool:
        raise CourseError(f"truth must hold True and False, got {mask.dtype}")
    if yes.ndim != 1 or yes.shape != no.shape or not len(yes):
        raise CourseError(f"sensitivity and specificity must hold one number a rater, got {yes.shape} and {no.shape}")
    if not ((yes >= 0) & (yes <= 1) & (no >= 0) & (no <= 1)).all():
        raise CourseError(f"sensitivity and specificity must lie in [0, 1], got {yes.tolist()} and {no.tolist()}")
    each = (slice(None), *[None] * mask.ndim)
    says_yes = np.where(mask, yes[each], 1 - no[each])  # (R, ...)
    return np.asarray(np.random.default_rng(seed).random(says_yes.shape) < says_yes)


def signed_distance(mask: Mask) -> NDArray[np.float64]:
    """Return each pixel's distance to the border in pixels, above 0 inside; the border runs between two pixels."""
    if not mask.any():
        return np.full(mask.shape, -np.inf)  # nothing to outline, whatever the habit
    inside = ndi.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    outside = ndi.distance_transform_edt(~mask)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), np.float64)


def _smooth_field(rng: np.random.Generator, shape: tuple[int, ...], reach_px: float) -> NDArray[np.float64]:
    """Return (H, W) random numbers of variance 1 that are alike over `reach_px` pixels."""
    # Drawn on a grid that a pixel of which is half the reach, and drawn out: a filter of that reach would cost more.
    step = max(reach_px / 2, 1.0)
    coarse = rng.normal(size=[int(np.ceil(n / step)) + 4 for n in shape])
    coarse = ndi.gaussian_filter(coarse, 1.0, mode="wrap") * np.sqrt(4 * np.pi)
    rows, columns = np.indices(shape) / step + rng.uniform(0, 1, 2)[:, None, None] + 1
    return np.asarray(ndi.map_coordinates(coarse, [rows, columns], order=3, mode="nearest"), np.float64)
