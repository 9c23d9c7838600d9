"""Touching cells under a light microscope, simulated, with the outline of each."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.microscopy import WAVELENGTH_UM, camera, differential_interference_contrast, phase_contrast
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Modality = Literal["dic", "phase_contrast"]
Floats = NDArray[np.float64]

# Water has refractive index 1.335, cytoplasm about 1.355: so many micrometres of optical path per micrometre of cell.
INDEX_DIFFERENCE = 0.02


def make_cells(
    n_images: int = 8,
    *,
    size: int | tuple[int, int] = 128,
    modality: Modality = "dic",
    cells_per_mm2: float = 1600.0,
    diameter_um: float = 24.0,
    contact: float = 0.9,
    contrast: float = 1.0,
    photons: float = 3000.0,
    read_noise_electrons: float = 5.0,
    uneven_light: float = 0.15,
    debris_per_mm2: float = 500.0,
    spacing_um: float = 0.75,
    seed: int = 0,
) -> Bunch:
    """Simulate a dish of living cells in DIC or phase contrast, with an instance label for each cell.

    Outlines are ellipses with smooth random bulges and a few processes, bent by a smooth random deformation; where two
    cells meet, they share a flattened border half way. Each cell has a thickness (thin lamella, body, nucleus with
    nucleoli, granules and vesicles; some are rounded up for division), and thickness times the difference of refractive
    index is the optical path that `medcourse.datasets.microscopy` turns into an image.

    Outlines, bodies and the camera draw from separate streams: the same seed gives the same cells in both modalities
    and at any contrast and noise, and image i does not depend on `n_images`.

    Parameters
    ----------
    n_images
        Number of images, >= 1.
    size
        Height and width in pixels, or one number for both, >= 16.
    modality
        "dic" (differential interference contrast) or "phase_contrast" (Zernike, positive).
    cells_per_mm2
        Seeded cells per square millimetre; the default gives about 15 in 128 x 128 pixels of 0.75 um.
    diameter_um
        Mean diameter of a spread cell that has room, in micrometres.
    contact
        Share of cells, in [0, 1], that grow until they touch a neighbour in reach; the others keep a gap of 2.5 um.
    contrast
        Factor on the optical path of the cells: 0 makes them invisible, 1 is a living cell.
    photons
        Photoelectrons in a pixel of brightness 1, > 0; `numpy.inf` for no noise at all.
    read_noise_electrons
        Standard deviation of the camera's read-out, in electrons.
    uneven_light
        Relative difference of brightness across the field; 0 is even light.
    debris_per_mm2
        Specks of dust and dead cells per square millimetre.
    spacing_um
        Width of a pixel in micrometres: 0.19 shows a few cells large, 0.75 a dish.
    seed
        Same seed, same images.

    Returns
    -------
    Bunch
        images : (N, H, W) float32 in [0, 1].
        labels : (N, H, W) int32, 0 background, 1 to K the cells of that image, each in one piece; cells that touch
        differ in label and have no background between them (`separate_cells` puts some there).
        spacing_um, modality : as given. description : what it is, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> dish = make_cells(2, size=64, seed=1)
    >>> dish.images.shape, dish.images.dtype, dish.labels.dtype
    ((2, 64, 64), dtype('float32'), dtype('int32'))
    """
    height, width = (size, size) if isinstance(size, int) else size
    if modality not in ("dic", "phase_contrast"):
        raise CourseError(f'modality must be "dic" or "phase_contrast", got {modality!r}')
    check_ranges(
        [
            ("n_images", n_images, 1, np.inf),
            ("height", height, 16, np.inf),
            ("width", width, 16, np.inf),
            ("cells_per_mm2", cells_per_mm2, 0, np.inf),
            ("diameter_um", diameter_um, 4, 200),
            ("contact", contact, 0, 1),
            ("contrast", contrast, 0, np.inf),
            ("read_noise_electrons", read_noise_electrons, 0, np.inf),
            ("uneven_light", uneven_light, 0, 1),
            ("debris_per_mm2", debris_per_mm2, 0, np.inf),
            ("spacing_um", spacing_um, 0.05, 5),
        ]
    )
    if not photons > 0:
        raise CourseError(f"photons must be > 0 (inf for no noise), got {photons}")

    images = np.empty((n_images, height, width), np.float32)
    labels = np.empty((n_images, height, width), np.int32)
    # Cells beyond the field are cut by its edge and cast their halo into it, so a margin is simulated too.
    margin = int(np.ceil(0.6 * diameter_um / spacing_um))
    shape = (fft.next_fast_len(height + 2 * margin), fft.next_fast_len(width + 2 * margin))
    window = np.s_[margin : margin + height, margin : margin + width]
    for i, stream in enumerate(np.random.SeedSequence(seed).spawn(n_images)):
        outlines, bodies, light = (np.random.default_rng(s) for s in stream.spawn(3))
        cells = _draw_cells(
            outlines,
            shape=shape,
            spacing_um=spacing_um,
            cells_per_mm2=cells_per_mm2,
            diameter_um=diameter_um,
            contact=contact,
        )
        layout = _lay_out(outlines, cells, shape, spacing_um)
        labels[i] = _label(layout.owner[window], min_pixels=0.02 * (diameter_um / spacing_um) ** 2)
        layout.owner[window][labels[i] == 0] = 0  # what is too small for a label is not drawn either
        path_um = contrast * INDEX_DIFFERENCE * _thickness(bodies, cells, layout, spacing_um)
        path_um += INDEX_DIFFERENCE * _debris(bodies, layout.owner, spacing_um, debris_per_mm2)
        phase = 2 * np.pi * path_um / WAVELENGTH_UM
        image = differential_interference_contrast if modality == "dic" else phase_contrast
        brightness = image(phase, spacing_um=spacing_um)[window] * _illumination(light, (height, width), uneven_light)
        images[i] = camera(brightness, photons=photons, read_noise_electrons=read_noise_electrons, rng=light)

    title = {"dic": "differential interference contrast (DIC)", "phase_contrast": "phase contrast"}[modality]
    return Bunch(
        images=images,
        labels=labels,
        spacing_um=spacing_um,
        modality=modality,
        description=(
            f"SIMULATED living cells in {title}: {n_images} images of {height} x {width} pixels of {spacing_um:g} um, "
            f"seed {seed}. Outlines, thickness, optics and camera are models; no cell was photographed."
        ),
    )


def separate_cells(labels: NDArray[np.integer], *, width_px: int = 2) -> NDArray[np.int32]:
    """Put background between cells that touch, as Ronneberger et al. did for the target of the U-Net.

    A pixel becomes background if a pixel of another cell lies in the square of `width_px + 1` pixels around it (for an
    odd `width_px`, of `width_px` + 2): the gap is at least `width_px` wide, half of it taken from either cell. Edges
    towards the background stay where they are. A cell no wider than the gap can vanish; labels keep their numbers.

    Parameters
    ----------
    labels
        (..., H, W) integers, 0 background, any other number a cell.
    width_px
        Width of the gap in pixels, >= 1; 2 takes one pixel from either cell, so 1 does too.

    Returns
    -------
    The same shape, int32.

    Raises
    ------
    CourseError
        `width_px` is below 1 or `labels` are no integers.

    Examples
    --------
    >>> import numpy as np
    >>> separate_cells(np.array([[0, 1, 1, 1, 2, 2, 2, 0]]))
    array([[0, 1, 1, 0, 0, 2, 2, 0]], dtype=int32)
    """
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise CourseError(f"labels must be integers, one number a cell, got {labels.dtype}")
    labels = labels.astype(np.int32)
    if width_px < 1:
        raise CourseError(f"width_px must be >= 1, got {width_px}")
    reach = 2 * ((width_px + 1) // 2) + 1
    window = (1,) * (labels.ndim - 2) + (reach, reach)
    # Background next to a cell is not another cell: below all of them for the maximum, above them for the minimum.
    highest = ndi.maximum_filter(labels, window, mode="nearest")
    lowest = ndi.minimum_filter(np.where(labels == 0, labels.max() + 1, labels), window, mode="nearest")
    return np.where((highest != labels) | (lowest < labels), 0, labels)


@dataclass(frozen=True)
class _Cell:
    """One cell, before it meets others; lengths in micrometres from the canvas' corner."""

    y: float
    x: float
    radius: Floats  # (360,) from the centre to the edge, one a degree
    height: float  # thickest place of the body
    rounded: bool  # for division: a ball rather than a fried egg
    firmness: float  # how far it gets against a neighbour of firmness 1
    solitary: bool


@dataclass(frozen=True)
class _Layout:
    """Who owns which pixel, and how far from the edges it lies; all (H, W)."""

    owner: NDArray[np.int32]  # index of the cell + 1, 0 is background
    depth: Floats  # about micrometres inward from the free edge (times firmness), negative outside
    cleft: Floats  # about micrometres from the border with the next cell


def _draw_cells(
    rng: np.random.Generator,
    *,
    shape: tuple[int, int],
    spacing_um: float,
    cells_per_mm2: float,
    diameter_um: float,
    contact: float,
) -> list[_Cell]:
    """Seed cells over the canvas, not evenly and not in heaps, and give each an outline of its own."""
    extent = np.array(shape) * spacing_um
    n_cells = rng.poisson(cells_per_mm2 * extent.prod() / 1e6)
    centres = np.empty((0, 2))
    for _ in range(n_cells):
        # Of a few random places the one farthest from the others: cells keep their distance, yet are no lattice.
        places = rng.uniform(0, extent, (6, 2))
        gaps = np.linalg.norm(places[:, None] - centres[None], axis=-1).min(axis=1, initial=np.inf)
        centres = np.vstack([centres, places[gaps.argmax()]])
    return [_draw_cell(rng, y, x, diameter_um, contact) for y, x in centres]


def _draw_cell(rng: np.random.Generator, y: float, x: float, diameter_um: float, contact: float) -> _Cell:
    angle = np.deg2rad(np.arange(360))
    mean_radius = diameter_um / 2 * np.clip(rng.normal(1, 0.12), 0.7, 1.4)
    rounded = bool(rng.random() < 0.05)
    aspect = 1 + rng.gamma(2, 0.2)  # mostly round, now and then a spindle
    turned = angle - rng.uniform(0, 2 * np.pi)
    radius = 1 / np.hypot(np.cos(turned) / np.sqrt(aspect), np.sin(turned) * np.sqrt(aspect))
    for order in range(2, 8):  # bulges, the finer the smaller
        radius *= 1 + rng.normal(0, 0.18 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    for _ in range(rng.integers(0, 4)):  # processes
        radius *= 1 + rng.uniform(0.1, 0.45) * np.clip(np.cos(angle - rng.uniform(0, 2 * np.pi)), 0, 1) ** 24
    if rounded:
        mean_radius, radius = 0.55 * mean_radius, radius**0.15
    return _Cell(
        y=y,
        x=x,
        radius=mean_radius * radius,
        height=2.0 * mean_radius if rounded else rng.uniform(2.5, 4),
        rounded=rounded,
        firmness=4.0 if rounded else 1.0,
        solitary=bool(rng.random() >= contact),
    )


def _lay_out(rng: np.random.Generator, cells: list[_Cell], shape: tuple[int, int], spacing_um: float) -> _Layout:
    """Let all cells grow at once: a pixel belongs to the cell in which it lies deepest, so borders run half way."""
    # Straight borders and perfect ellipses are for diagrams: the whole dish is bent a little, on two scales.
    y, x = (np.indices(shape) + 0.5) * spacing_um
    y, x = (axis + _smooth_noise(rng, shape, 3.0 / spacing_um) * 0.9 for axis in (y, x))
    best, second = np.full((2, *shape), -1e3)
    owner, other = np.zeros((2, *shape), np.int32)
    for number, cell in enumerate(cells, start=1):
        # Twice as far as the cell reaches: beyond that it is no neighbour, even of the middle of another cell.
        box = _box(cell.y, cell.x, 2 * cell.radius.max() + 3, shape, spacing_um)
        dy, dx = y[box] - cell.y, x[box] - cell.x
        radius = np.interp(np.degrees(np.arctan2(dy, dx)), np.arange(360), cell.radius, period=360)
        depth = (1 - np.hypot(dy, dx) / radius) * cell.radius.mean() * cell.firmness
        wins, places = depth > best[box], depth > second[box]
        second[box] = np.where(wins, best[box], np.where(places, depth, second[box]))
        other[box] = np.where(wins, owner[box], np.where(places, number, other[box]))
        best[box] = np.where(wins, depth, best[box])
        owner[box] = np.where(wins, number, owner[box])
    solitary = np.array([False, *(cell.solitary for cell in cells)])
    firmness = np.array([1.0, *(cell.firmness for cell in cells)])
    apart = solitary[owner] | solitary[other]
    cleft = (best - second) / (firmness[owner] + firmness[other])
    gap_um = max(2.5, 3 * spacing_um)  # so that the gap can be seen at any magnification
    depth = np.where(apart, np.minimum(best, (cleft - gap_um / 2) * firmness[owner]), best)
    return _Layout(owner=np.where(depth > 0, owner, 0), depth=depth, cleft=np.where(apart, np.inf, cleft))


def _label(owner: NDArray[np.int32], min_pixels: float) -> NDArray[np.int32]:
    """Give the pieces of cells in the field numbers from 1 to K; slivers that nobody could outline are background."""
    from skimage.measure import label  # noqa: PLC0415

    pieces = label(owner, background=0, connectivity=1)  # type: ignore[no-untyped-call]
    kept = np.bincount(pieces.ravel()) >= min_pixels
    kept[0] = False
    return np.asarray(np.where(kept, kept.cumsum(), 0)[pieces], dtype=np.int32)


def _thickness(rng: np.random.Generator, cells: list[_Cell], layout: _Layout, spacing_um: float) -> Floats:
    """Return (H, W) micrometres of cytoplasm that delay light as much as what the cells are made of."""
    shape, owner = layout.owner.shape, layout.owner
    inside = owner > 0
    height = np.array([0.0, *(cell.height for cell in cells)])[owner]
    deepest = np.array([1.0, *(cell.radius.mean() * cell.firmness for cell in cells)])[owner]
    rounded = np.array([False, *(cell.rounded for cell in cells)])[owner]
    depth = np.where(inside, np.maximum(layout.depth, 0), 0)
    relative = np.minimum(depth / deepest, 1)

    lamella = 0.6 * (1 - np.exp(-depth / 0.5))
    spread = lamella + height * _step(relative / 0.9)
    spread *= 1 + 0.15 * _smooth_noise(rng, shape, 2.0 / spacing_um)
    thickness = np.where(rounded, height * np.sqrt(1 - (1 - relative) ** 2), spread)
    # Where two cells meet, each slopes down to the border: the faint line between them.
    thickness *= 1 - 0.5 * np.exp(-((layout.cleft / 1.0) ** 2))

    rows, columns = np.indices(shape) * spacing_um
    nucleus = np.zeros(shape)
    nucleoli = np.zeros(shape)
    interior = np.where(inside, np.minimum(depth, layout.cleft), 0)
    middles = ndi.maximum_position(interior, owner, np.arange(1, len(cells) + 1)) if cells else []
    for number, (cell, middle) in enumerate(zip(cells, middles, strict=True), start=1):
        size = min(0.42 * cell.radius.mean(), 0.75 * interior[middle])
        if cell.rounded or size < 1:  # a dividing cell has no nucleus to see
            continue
        box = _box(middle[0] * spacing_um, middle[1] * spacing_um, 1.5 * size, shape, spacing_um)
        y, x = rows[box] - middle[0] * spacing_um, columns[box] - middle[1] * spacing_um
        turn, aspect = rng.uniform(0, np.pi), rng.uniform(1, 1.35)
        along, across = y * np.sin(turn) + x * np.cos(turn), y * np.cos(turn) - x * np.sin(turn)
        away = np.hypot(along / aspect, across * aspect) / size
        own = owner[box] == number
        nucleus[box] += own * _step((1.1 - away) / 0.25)
        for _ in range(rng.integers(1, 5)):
            at, towards = rng.uniform(0, 0.65) * size, rng.uniform(0, 2 * np.pi)
            from_it = (y - at * np.sin(towards)) ** 2 + (x - at * np.cos(towards)) ** 2
            nucleoli[box] += own * rng.uniform(0.8, 1.6) * np.exp(-from_it / (2 * rng.uniform(0.6, 1.1) ** 2))

    # Mitochondria and other granules fill the thick part of the cytoplasm; vesicles are fewer and stand out.
    granules = _smooth_noise(rng, shape, 0.4 / spacing_um)
    cytoplasm = inside * (1 - 0.8 * nucleus) * np.minimum(thickness / 3, 1)
    vesicles = _specks(rng, shape, spacing_um, per_mm2=25_000, sigma_um=0.5) * np.where(rng.random(shape) < 0.7, 1, -1)
    thickness += cytoplasm * (0.5 * granules + 1.5 * vesicles)
    return np.asarray(thickness + 0.7 * nucleus + nucleoli)


def _debris(rng: np.random.Generator, owner: NDArray[np.int32], spacing_um: float, per_mm2: float) -> Floats:
    """Return (H, W) micrometres of dust and remains on the glass."""
    dust = _specks(rng, owner.shape, spacing_um, per_mm2=per_mm2, sigma_um=0.8)
    return np.asarray(2.0 * dust * (owner == 0))


def _illumination(rng: np.random.Generator, shape: tuple[int, int], uneven_light: float) -> Floats:
    """Return (H, W) relative brightness of mean 1: a slope in some direction and darker corners."""
    y, x = (np.linspace(-1, 1, n) for n in shape)
    towards = rng.uniform(0, 2 * np.pi)
    slope = (np.sin(towards) * y[:, None] + np.cos(towards) * x) / np.sqrt(2)
    corners = (y[:, None] ** 2 + x**2) / 2
    light = 1 + uneven_light / 2 * (slope - corners)
    return np.asarray(light / light.mean())


def _specks(
    rng: np.random.Generator, shape: tuple[int, int], spacing_um: float, *, per_mm2: float, sigma_um: float
) -> Floats:
    """Return Gaussian spots of height 0.5 to 1 at random places."""
    sigma = max(sigma_um / spacing_um, 0.4)
    there = rng.random(shape) < per_mm2 * spacing_um**2 / 1e6
    return np.asarray(
        ndi.gaussian_filter(there * rng.uniform(0.5, 1, shape), sigma, mode="wrap") * 2 * np.pi * sigma**2
    )


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma_px: float) -> Floats:
    """Return Gaussian noise of standard deviation 1 that is smooth over `sigma_px`."""
    noise = ndi.gaussian_filter(rng.standard_normal(shape), sigma_px, mode="wrap")
    return np.asarray(noise / noise.std())


def _step(x: Floats) -> Floats:
    """Rise smoothly from 0 at x <= 0 to 1 at x >= 1."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def _box(y: float, x: float, reach: float, shape: tuple[int, int], spacing_um: float) -> tuple[slice, slice]:
    """Return the pixels within `reach` of a place; all lengths in micrometres."""
    low = [max(int((at - reach) / spacing_um), 0) for at in (y, x)]
    high = [min(int((at + reach) / spacing_um) + 1, n) for at, n in zip((y, x), shape, strict=True)]
    return slice(low[0], max(high[0], low[0])), slice(low[1], max(high[1], low[1]))
