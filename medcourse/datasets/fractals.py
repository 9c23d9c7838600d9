"""Pictures from formulas, to train a network before it sees a patient: fractals, textures and shapes.

That a network may learn to see from fractals, a system of affine maps for each category, is the idea of Kataoka et al.,
Pre-training without Natural Images, ACCV 2020, https://doi.org/10.1007/978-3-030-69544-6_35. Textures and shapes stand
beside the fractals here, so that blobs, tubes, edges and grain are seen, too. No photograph is used, and no patient.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special
from sklearn.utils import Bunch

from medcourse.datasets.formulas import SHAPES, TEXTURES, Draw
from medcourse.errors import CourseError

Floats = NDArray[np.float32]
FILLED = (0.2, 0.7)
"""Share of the pixels of its frame that a fractal must hit to become a category. Kataoka et al. ask for 0.2 or more."""
_CHUNK = 256  # pictures at a time
_WALKERS, _STEPS, _FORGET = 128, 40, 10


def make_fractals(
    n_per_class: int = 8,
    *,
    n_fractals: int = 30,
    with_textures: bool = True,
    with_shapes: bool = True,
    side_px: int = 64,
    category_seed: int = 0,
    seed: int = 0,
) -> Bunch:
    """Simulate colour pictures of categories that formulas define.

    A fractal category is a system of two to four random affine maps that contract, kept if its points fill a fair share
    of their frame; a picture of it has maps that differ by up to a tenth. A texture or a shape category is a formula,
    and a picture of it has other numbers in the formula. All are laid in a random colour on a background of another.

    Parameters
    ----------
    n_per_class
        Pictures of each category.
    n_fractals
        Fractal categories, at least 0.
    with_textures, with_shapes
        Add the ten categories of each kind.
    side_px
        Side of a picture, in pixels, at least 16.
    category_seed
        Which fractals the categories are. Sets that belong together, for training and for test, share it.
    seed
        Of the pictures.

    Returns
    -------
    Bunch
        images : (N, 3, side_px, side_px) uint8, 0 to 255, one category after the other.
        labels : (N,) int64 numbers of categories.
        names : list of str, a name a category.

    Raises
    ------
    CourseError
        There is no category, no picture, or too small a picture.

    Examples
    --------
    >>> pictures = make_fractals(2, n_fractals=3, with_textures=False)
    >>> pictures.images.shape, pictures.labels.tolist(), pictures.names[0]
    ((26, 3, 64, 64), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12], 'fractal 0')
    """
    if n_per_class < 1 or n_fractals < 0 or side_px < 16:
        raise CourseError(
            "expected at least one picture a class, no negative number of fractals and at least 16 pixels, got "
            f"{n_per_class=}, {n_fractals=}, {side_px=}"
        )
    ink: dict[str, Draw] = {}
    systems = draw_systems(np.random.default_rng([category_seed, 1]), n_fractals)
    for number, (maps, chances) in enumerate(systems):
        ink[f"fractal {number}"] = partial(_draw_fractals, maps=maps, chances=chances)
    ink |= TEXTURES if with_textures else {}
    ink |= SHAPES if with_shapes else {}
    if not ink:
        raise CourseError("no category is left: ask for fractals, textures or shapes")
    images = np.empty((len(ink) * n_per_class, 3, side_px, side_px), np.uint8)
    for number, draw in enumerate(ink.values()):
        rng = np.random.default_rng([seed, category_seed, number])
        for start in range(0, n_per_class, _CHUNK):
            n = min(_CHUNK, n_per_class - start)
            first = number * n_per_class + start
            images[first : first + n] = colour(rng, draw(rng, n, side_px))
    return Bunch(images=images, labels=np.repeat(np.arange(len(ink)), n_per_class), names=list(ink))


def draw_systems(rng: np.random.Generator, n: int) -> list[tuple[Floats, Floats]]:
    """Draw systems of affine maps whose attractors fill between a fifth and seven tenths of their frame.

    Returns
    -------
    list of tuple
        n times maps (K, 2, 3), the matrix and the shift of each of K, and chances (K,), the probability of each.
    """
    found: list[tuple[Floats, Floats]] = []
    while len(found) < n:
        k = int(rng.integers(2, 5))
        maps = rng.uniform(-1, 1, (k, 2, 3)).astype(np.float32)
        if np.linalg.norm(maps[:, :, :2], ord=2, axis=(1, 2)).max() > 0.95:
            continue  # a map that does not contract: its points may run away
        # In proportion to the area that a map keeps, as for the fern of Barnsley: points come out evenly spread.
        area = np.abs(np.linalg.det(maps[:, :, :2])) + 0.02
        chances = (area / area.sum()).astype(np.float32)
        points = play_chaos_game(rng, maps[None], chances, walkers=256)
        share = float((_count(points, 48) > 0).mean())
        if FILLED[0] <= share <= FILLED[1]:
            found.append((maps, chances))
    return found


def play_chaos_game(rng: np.random.Generator, maps: Floats, chances: Floats, *, walkers: int = _WALKERS) -> Floats:
    """Let points jump by one of the maps at a time, drawn by chance; where they land is the fractal.

    Parameters
    ----------
    rng
        Source of the jumps.
    maps
        (N, K, 2, 3) systems of K affine maps, that contract.
    chances
        (K,) probability of each map, for all systems.
    walkers
        Points of a system that jump at the same time.

    Returns
    -------
    ndarray
        (N, P, 2) places after each jump; the first jumps, on the way to the fractal, are left out.
    """
    n = len(maps)
    place = np.zeros((n, walkers, 2), np.float32)
    system = np.arange(n)[:, None]
    visited = []
    for step in range(_STEPS):
        which = rng.choice(len(chances), size=(n, walkers), p=chances / chances.sum(dtype=np.float64))
        chosen = maps[system, which]  # (N, W, 2, 3)
        place = (chosen[..., :2] * place[..., None, :]).sum(-1) + chosen[..., 2]
        if step >= _FORGET:
            visited.append(place)
    return np.concatenate(visited, axis=1)


def _draw_fractals(rng: np.random.Generator, n: int, side: int, *, maps: Floats, chances: Floats) -> Floats:
    """Return (n, side, side) pictures of one system in [0, 1]: each with slightly other maps, turned and mirrored."""
    near = maps * rng.uniform(0.9, 1.1, (n, *maps.shape)).astype(np.float32)
    stretch = np.linalg.norm(near[..., :2], ord=2, axis=(2, 3), keepdims=True)
    near[..., :2] *= np.minimum(1, 0.97 / stretch)
    points = play_chaos_game(rng, near, chances)
    turn = np.deg2rad(rng.uniform(-20, 20, n)).astype(np.float32)
    turned = np.stack([np.stack([np.cos(turn), -np.sin(turn)], -1), np.stack([np.sin(turn), np.cos(turn)], -1)], 1)
    turned *= rng.choice([-1, 1], (n, 1, 2))
    count = _count(points @ turned, side, fill=rng.uniform(0.6, 1.0, n))
    shade = np.log1p(count)
    shade /= shade.max(axis=(1, 2), keepdims=True)
    return np.asarray(shade, np.float32)


def _count(points: Floats, side: int, fill: NDArray[np.float64] | float = 1.0) -> Floats:
    """Count (N, P, 2) points in (N, side, side) pixels, after they were fitted into `fill` of the frame, centred."""
    low, high = points.min(1, keepdims=True), points.max(1, keepdims=True)
    scale = (np.asarray(fill).reshape(-1, 1, 1) / np.maximum(high - low, 1e-6)).astype(np.float32)
    pixel = ((0.5 + (points - (low + high) / 2) * scale) * (side - 1)).round().astype(np.int64)  # (N, P, 2)
    index = (np.arange(len(points))[:, None] * side + pixel[..., 0]) * side + pixel[..., 1]
    counts = np.bincount(index.ravel(), minlength=len(points) * side * side)
    return counts.reshape(len(points), side, side).astype(np.float32)


def colour(rng: np.random.Generator, ink: Floats) -> NDArray[np.uint8]:
    """Lay ink (N, H, W) in [0, 1] in a random colour on a background of another; return (N, 3, H, W) uint8.

    Half of the pictures are nearly grey; the background changes slowly from place to place; there is some blur and
    some noise. Ink may be brighter or darker than its ground.
    """
    n, height, width = ink.shape
    shades = rng.uniform(0, 1, (n, 3, 3)).astype(np.float32)  # ink, ground at one end, ground at the other; colours
    grey = rng.random((n, 1, 1)) < 0.5
    shades = np.where(grey, shades.mean(2, keepdims=True) + 0.1 * (shades - 0.5), shades).astype(np.float32)
    shades[:, 2] = shades[:, 1] + 0.3 * (shades[:, 2] - shades[:, 1])
    near = np.abs(shades[:, 0] - shades[:, 1]).max(1) < 0.25
    shades[near, 0] = np.where(shades[near, 1] > 0.5, shades[near, 1] - 0.4, shades[near, 1] + 0.4)
    slope = rng.uniform(-1, 1, (2, n, 1, 1)).astype(np.float32)
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    ramp = special.expit(3 * (slope[0] * y + slope[1] * x))[:, None]  # (N, 1, H, W)
    blur = rng.uniform(0.3, 1.2)
    cover = np.clip(ndimage.gaussian_filter(ink, (0, blur, blur)), 0, 1)[:, None]
    ground = shades[:, 1, :, None, None] * (1 - ramp) + shades[:, 2, :, None, None] * ramp
    image = ground * (1 - cover) + shades[:, 0, :, None, None] * cover
    grain = rng.uniform(0, 0.08, (n, 1, 1, 1)).astype(np.float32)
    image += grain * rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.clip(255 * image, 0, 255).round(), np.uint8)
