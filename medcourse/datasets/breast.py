"""Film mammograms, simulated: tissue, masses, clusters of microcalcifications, and where they are."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.film import Floats, expose, power_law
from medcourse.datasets.ranges import check_ranges

# Attenuation per millimetre near 20 keV, rounded from Johns and Yaffe 1987, Phys Med Biol 32:675-95,
# doi 10.1088/0031-9155/32/6/002.
MU_FAT, MU_GLAND, MU_CARCINOMA = 0.0456, 0.0802, 0.0844
# Of calcium salts in the loose packing of a microcalcification: our choice, about half that of a solid crystal.
MU_CALCIFICATION = 1.0
THICKNESS_MM = 45.0
# Half width in mm, height as a share of gland, and wavelength in mm of the curves that strands follow.
STRANDS = ((0.9, 0.10, 20.0), (0.45, 0.11, 18.0), (0.25, 0.10, 15.0), (0.2, 0.10, 12.0), (0.15, 0.08, 10.0))
DENSITIES = {"fatty": 0.22, "mixed": 0.40, "dense": 0.58}


def breast_tissue(
    rng: np.random.Generator, shape: tuple[int, int], *, spacing_mm: float, density: float = 0.4
) -> Floats:
    """Draw the share of glandular and fibrous tissue along each ray.

    Clouds of gland, a power law, are crossed by septa, ducts and vessels: curves along which a smoother field is zero,
    as wide as the knobs inside say in millimetres. Together their power falls about as 1 / f^3.

    Parameters
    ----------
    rng
        Source of the random numbers.
    shape
        Height and width in pixels.
    spacing_mm
        Width of a pixel.
    density
        Mean share, in [0, 1]; 0.22 is a fatty breast, 0.58 a dense one.

    Returns
    -------
    ndarray
        (H, W), in [0, 1].
    """
    cloud = power_law(rng, shape, spacing_mm=spacing_mm, exponent=3.4)
    share = 1 / (1 + np.exp(-0.75 * cloud - np.log(density / (1 - density))))
    for width_mm, height, outer_mm in STRANDS:
        share = share + height * _strands(rng, shape, spacing_mm, width_mm=width_mm, outer_mm=outer_mm)
    return np.asarray(np.clip(share, 0, 1))


def _strands(
    rng: np.random.Generator, shape: tuple[int, int], spacing_mm: float, *, width_mm: float, outer_mm: float
) -> Floats:
    """Draw fine curves of strength 0 to 1, (H, W), that come and go."""
    # Smooth fields are drawn on a coarse grid: nothing is finer than a third of their wavelength.
    step = max(1, int(outer_mm / spacing_mm / 24))
    coarse = (-(-shape[0] // step) + 2, -(-shape[1] // step) + 2)
    path = power_law(rng, coarse, spacing_mm=step * spacing_mm, exponent=7.0, outer_mm=outer_mm)
    strength = power_law(rng, coarse, spacing_mm=step * spacing_mm, exponent=5.0, outer_mm=outer_mm)
    down, across = np.gradient(path, step * spacing_mm)
    distance = path / (np.hypot(down, across) + 0.02)  # mm, near the curve
    distance, strength = (_refine(field, step, shape) for field in (distance, np.clip(0.4 + 0.6 * strength, 0, 1)))
    return np.asarray(strength * np.exp(-((distance / width_mm) ** 2)))


def _refine(field: Floats, step: int, shape: tuple[int, int]) -> Floats:
    """Interpolate a field linearly to a grid `step` times as fine, and cut it to `shape`."""
    for axis, n in enumerate(shape):
        whole, part = np.divmod(np.arange(n), step)
        weight = part / step if axis else (part / step)[:, None]
        field = field.take(whole, axis) * (1 - weight) + field.take(whole + 1, axis) * weight
    return field


def transmit_breast(share: Floats, extra: Floats | float = 0.0) -> Floats:
    """Return the share of rays that pass 45 mm of breast with this `share` of gland and this `extra` attenuation."""
    attenuation = (MU_FAT + (MU_GLAND - MU_FAT) * share) * THICKNESS_MM + extra
    return np.asarray(np.exp(-attenuation), dtype=np.float64)


def make_mass_rois(
    n_rois: int = 32,
    *,
    size: int = 256,
    spacing_mm: float = 0.1,
    diameter_mm: tuple[float, float] = (8.0, 16.0),
    contrast: float = 1.0,
    mass_share: float = 0.5,
    grain_mm: float = 0.002,
    seed: int = 0,
) -> Bunch:
    """Simulate regions of mammograms with a mass, or with normal tissue that looks like one.

    A mass is a lump of tumour with a bulging outline and spicules that pull at its surroundings. A normal region is cut
    out around the densest place of a larger field, as a radiologist, or a program, would point at it.

    Parameters
    ----------
    n_rois
        Number of regions, >= 1.
    size
        Side in pixels.
    spacing_mm
        Width of a pixel.
    diameter_mm
        Smallest and largest diameter of masses.
    contrast
        Factor on what the mass attenuates beyond the tissue that it displaces; 0 hides it.
    mass_share
        Share of regions with a mass, in [0, 1].
    grain_mm
        As in `medcourse.datasets.film.expose`.
    seed
        Same seed, same regions; region i does not depend on `n_rois`.

    Returns
    -------
    Bunch
        images : (N, size, size) float32 in [0, 1], bright where rays were stopped.
        labels : (N,) int64, 1 for a mass.
        masks : (N, size, size) bool, the body of the mass without its spicules.
        density : (N,) float64, the mean share of gland of each breast.
        spacing_mm, classes ("normal", "mass"), description.

    Raises
    ------
    CourseError
        A parameter is out of its range.
    """
    check_ranges(
        [
            ("n_rois", n_rois, 1, np.inf),
            ("size", size, 32, 2048),
            ("spacing_mm", spacing_mm, 0.02, 1),
            ("diameter_mm[0]", diameter_mm[0], 1, diameter_mm[1]),
            ("contrast", contrast, 0, 10),
            ("mass_share", mass_share, 0, 1),
            ("grain_mm", grain_mm, 0, 0.1),
        ]
    )
    images = np.empty((n_rois, size, size), np.float32)
    masks = np.zeros((n_rois, size, size), bool)
    densities = np.empty(n_rois)
    for i, stream in enumerate(np.random.SeedSequence(seed).spawn(n_rois)):
        kind, tissue, body, film = (np.random.default_rng(s) for s in stream.spawn(4))
        is_mass, densities[i] = kind.random() < mass_share, kind.choice(list(DENSITIES.values()))
        field = int(1.4 * size)
        share = breast_tissue(tissue, (field, field), spacing_mm=spacing_mm, density=densities[i])
        smooth = ndi.gaussian_filter(share, 3.0 / spacing_mm, truncate=2.5)
        room = field - size
        inner = smooth[size // 2 : size // 2 + room, size // 2 : size // 2 + room]
        top, left = np.unravel_index(int(inner.argmax()), inner.shape)
        if is_mass:  # it grows where it grows
            top, left = kind.integers(room, size=2)
        share = share[top : top + size, left : left + size]
        extra: Floats | float = 0.0
        if is_mass:
            thickness, masks[i] = _mass(body, size, spacing_mm, diameter_mm)
            displaced = MU_FAT + (MU_GLAND - MU_FAT) * share
            extra = contrast * thickness * (MU_CARCINOMA - displaced)
        transmission = transmit_breast(share, extra)
        images[i] = expose(transmission, film, spacing_mm=spacing_mm, grain_mm=grain_mm)
    return Bunch(
        images=images,
        labels=masks.any(axis=(1, 2)).astype(np.int64),
        masks=masks,
        density=densities,
        spacing_mm=spacing_mm,
        classes=("normal", "mass"),
        description=(
            f"SIMULATED regions of mammograms, masses and normal tissue: {n_rois} of {size} x {size} pixels of "
            f"{spacing_mm:g} mm, seed {seed}."
        ),
    )


def _mass(
    rng: np.random.Generator, size: int, spacing_mm: float, diameter_mm: tuple[float, float]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the thickness of a mass in millimetres and the mask of its body, both (size, size)."""
    radius = rng.uniform(*diameter_mm) / 2
    y, x = (np.indices((size, size)) - (size - 1) / 2) * spacing_mm + rng.normal(0, 0.5, (2, 1, 1))
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.75, 1.0)
    u, v = np.cos(turn) * x + np.sin(turn) * y, (np.cos(turn) * y - np.sin(turn) * x) / flat
    rho, angle = np.hypot(u, v), np.arctan2(v, u)
    edge = np.full(angle.shape, radius)
    for order in range(2, 9):  # lobes, the finer the smaller
        edge *= 1 + rng.normal(0, 0.13 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    # The margin is ragged, as tumour grows between strands.
    edge += 0.35 * power_law(rng, angle.shape, spacing_mm=spacing_mm, exponent=3.0, outer_mm=4.0)
    depth = 0.9 * np.sqrt(np.clip(1 - (rho / edge) ** 2, 0, None))
    thickness = 2 * radius * depth
    for _ in range(rng.integers(4, 18)):  # spicules
        towards, wide = rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 0.35)
        bent = angle - towards - rng.normal(0, 0.06) * np.clip(rho - radius, 0, None)
        across = np.sin(bent) * rho
        reach = rng.uniform(0.4, 1.0) * radius
        along = np.exp(-np.clip(rho - 0.8 * radius, 0, None) / reach) * (np.cos(bent) > 0)
        thickness += rng.uniform(1.5, 4.5) * along * np.exp(-((across / wide) ** 2)) * (rho > 0.5 * radius)
    return ndi.gaussian_filter(thickness, 0.25 / spacing_mm), rho < edge


def make_microcalcifications(
    n_images: int = 8,
    *,
    size: int = 320,
    spacing_mm: float = 0.1,
    clusters: float = 1.0,
    specks: tuple[int, int] = (5, 14),
    diameter_mm: tuple[float, float] = (0.18, 0.5),
    contrast: float = 1.0,
    dust_per_cm2: float = 2.0,
    grain_mm: float = 0.002,
    quanta_per_mm2: float = 1e5,
    seed: int = 0,
) -> Bunch:
    """Simulate pieces of mammograms with clusters of microcalcifications, grain, mottle and dust.

    Specks are small irregular grains of calcium within a few millimetres of each other. Dust lies on the film: it is
    as sharp as the digitiser shows it, while specks are blurred by the screen.

    Parameters
    ----------
    n_images
        Number of pieces, >= 1.
    size, spacing_mm, grain_mm
        As in `make_mass_rois`.
    clusters
        Mean number of clusters a piece; each piece has 0, 1 or 2.
    specks
        Fewest and most specks of a cluster.
    diameter_mm
        Smallest and largest diameter of a speck.
    contrast
        Factor on what specks attenuate; 0 hides them.
    dust_per_cm2
        Bright artefacts of the film on a square centimetre.
    quanta_per_mm2
        As in `medcourse.datasets.film.expose`: fewer, more mottle.
    seed
        Same seed, same pieces; piece i does not depend on `n_images`.

    Returns
    -------
    Bunch
        images : (N, size, size) float32 in [0, 1], bright where rays were stopped.
        specks : list of N (K, 2) float64, centres in pixels (row, column).
        clusters : list of N (C, 2) float64, centres in pixels of the clusters.
        spacing_mm, description.

    Raises
    ------
    CourseError
        A parameter is out of its range.
    """
    check_ranges(
        [
            ("n_images", n_images, 1, np.inf),
            ("size", size, 64, 4096),
            ("spacing_mm", spacing_mm, 0.02, 0.5),
            ("clusters", clusters, 0, 2),
            ("specks[0]", specks[0], 1, specks[1]),
            ("diameter_mm[0]", diameter_mm[0], 0.02, diameter_mm[1]),
            ("contrast", contrast, 0, 10),
            ("dust_per_cm2", dust_per_cm2, 0, 1000),
            ("grain_mm", grain_mm, 0, 0.1),
            ("quanta_per_mm2", quanta_per_mm2, 1, np.inf),
        ]
    )
    images = np.empty((n_images, size, size), np.float32)
    places: list[Floats] = []
    centres: list[Floats] = []
    for i, stream in enumerate(np.random.SeedSequence(seed).spawn(n_images)):
        tissue, body, film = (np.random.default_rng(s) for s in stream.spawn(3))
        density = tissue.choice(list(DENSITIES.values()))
        share = breast_tissue(tissue, (size, size), spacing_mm=spacing_mm, density=density)
        n_clusters = body.binomial(2, clusters / 2)
        margin = min(size / 3, 5.0 / spacing_mm)
        middle = body.uniform(margin, size - margin, (n_clusters, 2))
        around = [_cluster(body, c, specks, spacing_mm) for c in middle]
        points = np.concatenate([np.empty((0, 2)), *around])
        points = points[((points > 2) & (points < size - 3)).all(axis=1)]
        calcium = _specks(body, points, (size, size), spacing_mm, diameter_mm)
        transmission = transmit_breast(share, contrast * MU_CALCIFICATION * calcium)
        image = expose(transmission, film, spacing_mm=spacing_mm, grain_mm=grain_mm, quanta_per_mm2=quanta_per_mm2)
        images[i] = np.clip(image + _dust(film, (size, size), spacing_mm, dust_per_cm2), 0, 1)
        places.append(points)
        centres.append(np.array([a.mean(axis=0) for a in around]).reshape(-1, 2))
    return Bunch(
        images=images,
        specks=places,
        clusters=centres,
        spacing_mm=spacing_mm,
        description=(
            f"SIMULATED pieces of mammograms with microcalcifications: {n_images} of {size} x {size} pixels of "
            f"{spacing_mm:g} mm, seed {seed}."
        ),
    )


def _cluster(rng: np.random.Generator, centre: Floats, specks: tuple[int, int], spacing_mm: float) -> Floats:
    """Scatter specks about a centre, along a duct rather than in a disc."""
    n = int(rng.integers(specks[0], specks[1] + 1))
    turn = rng.uniform(0, np.pi)
    along, across = rng.normal(0, 2.0, n), rng.normal(0, 1.1, n)  # mm
    offsets = np.stack([np.sin(turn) * along + np.cos(turn) * across, np.cos(turn) * along - np.sin(turn) * across], 1)
    return np.asarray(centre + np.clip(offsets, -4.0, 4.0) / spacing_mm)


def _specks(
    rng: np.random.Generator,
    points: Floats,
    shape: tuple[int, int],
    spacing_mm: float,
    diameter_mm: tuple[float, float],
) -> Floats:
    """Return the thickness of calcium in millimetres, drawn on a grid four times as fine around each speck."""
    thickness, fine, reach = np.zeros(shape), 4, int(np.ceil(diameter_mm[1] / spacing_mm)) + 1
    offsets = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - 0.5 - reach  # pixels about the middle one
    for point in points:
        row, column = np.rint(point).astype(int)
        radius = np.exp(rng.uniform(*np.log(diameter_mm))) / 2
        y, x = ((offsets - shift) * spacing_mm for shift in point - (row, column))
        turn, flat = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
        u = np.cos(turn) * x + np.sin(turn) * y[:, None]
        v = (np.cos(turn) * y[:, None] - np.sin(turn) * x) / flat
        edge = radius * (1 + 0.2 * np.cos(3 * np.arctan2(v, u) + rng.uniform(0, 2 * np.pi)))
        body = 2 * radius * np.sqrt(np.clip(1 - (u**2 + v**2) / edge**2, 0, None))
        side = 2 * reach + 1
        coarse = body.reshape(side, fine, side, fine).mean(axis=(1, 3))
        _add(thickness, coarse, row - reach, column - reach)
    return thickness


def _dust(rng: np.random.Generator, shape: tuple[int, int], spacing_mm: float, per_cm2: float) -> Floats:
    """Return the brightness that dust adds: points, and now and then a short hair."""
    added = np.zeros(shape)
    for _ in range(rng.poisson(per_cm2 * shape[0] * shape[1] * spacing_mm**2 / 100)):
        row, column = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        bright, steps = rng.uniform(0.08, 0.25), 1 if rng.random() < 0.7 else int(rng.integers(3, 9))
        turn = rng.uniform(0, 2 * np.pi)
        for step in range(steps):
            r, c = int(row + step * np.sin(turn)), int(column + step * np.cos(turn))
            if 0 <= r < shape[0] and 0 <= c < shape[1]:
                added[r, c] = bright
            turn += rng.normal(0, 0.2)
    return added


def _add(canvas: Floats, patch: Floats, top: int, left: int) -> None:
    """Add a patch to a canvas in place, cut at the canvas' edge."""
    rows = slice(max(top, 0), min(top + patch.shape[0], canvas.shape[0]))
    columns = slice(max(left, 0), min(left + patch.shape[1], canvas.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        canvas[rows, columns] += patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
