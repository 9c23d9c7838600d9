"""Chest radiographs, simulated: a lung with ribs, vessels and nodules, and where the nodules are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.film import Floats, expose, power_law
from medcourse.datasets.ranges import check_ranges

# Attenuation per millimetre near 80 keV, from the tables of Hubbell and Seltzer, NIST, doi 10.18434/T4D01F: soft
# tissue and cortical bone. Aerated lung weighs about a quarter of soft tissue.
MU_SOFT, MU_BONE, LUNG_DENSITY = 0.0184, 0.0428, 0.26
FIELD_MM = 180.0


def make_chest_radiographs(
    n_images: int = 8,
    *,
    size: int = 256,
    nodules: float = 1.0,
    diameter_mm: tuple[float, float] = (7.0, 18.0),
    contrast: float = 1.0,
    scatter_fraction: float = 0.3,
    grain_mm: float = 0.004,
    seed: int = 0,
) -> Bunch:
    """Simulate one lung of a frontal chest radiograph, 180 mm wide, with nodules behind and between the ribs.

    The path of each ray through soft tissue, lung, bone, vessels and nodules is added up (Beer and Lambert), then
    exposed on film. The spine is at the left border of the picture, the chest wall at its right.

    Parameters
    ----------
    n_images
        Number of radiographs, >= 1.
    size
        Side in pixels; a pixel is 180 mm / size wide.
    nodules
        Mean number of nodules a radiograph; each has 0, 1 or 2.
    diameter_mm
        Smallest and largest diameter of nodules.
    contrast
        Factor on what nodules attenuate; 0 hides them.
    scatter_fraction, grain_mm
        As in `medcourse.datasets.film.expose`.
    seed
        Same seed, same radiographs; radiograph i does not depend on `n_images`.

    Returns
    -------
    Bunch
        images : (N, size, size) float32 in [0, 1], bright where rays were stopped.
        nodules : list of N (K, 3) float64: row and column of the centre and radius, in pixels.
        lung : (N, size, size) bool, where a nodule may lie.
        spacing_mm, description.

    Raises
    ------
    CourseError
        A parameter is out of its range.
    """
    check_ranges(
        [
            ("n_images", n_images, 1, np.inf),
            ("size", size, 64, 1024),
            ("nodules", nodules, 0, 2),
            ("diameter_mm[0]", diameter_mm[0], 2, diameter_mm[1]),
            ("contrast", contrast, 0, 10),
            ("scatter_fraction", scatter_fraction, 0, 0.95),
            ("grain_mm", grain_mm, 0, 0.1),
        ]
    )
    spacing_mm = FIELD_MM / size
    y, x = (np.indices((size, size)) + 0.5) * spacing_mm
    images = np.empty((n_images, size, size), np.float32)
    lungs = np.empty((n_images, size, size), bool)
    places: list[Floats] = []
    for i, stream in enumerate(np.random.SeedSequence(seed).spawn(n_images)):
        body, tree, lesions, film = (np.random.default_rng(s) for s in stream.spawn(4))
        chest = _draw_chest(body)
        lung_mm, soft_mm = _thorax(chest, y, x)
        bone_mm = _ribs(body, chest, y, x)
        vessel_mm = _vessels(tree, y, x, spacing_mm) * (lung_mm > 5)
        lungs[i] = lung_mm > 60
        nodule_mm, found = _nodules(lesions, lungs[i], spacing_mm, nodules, diameter_mm)
        attenuation = MU_SOFT * (soft_mm + LUNG_DENSITY * lung_mm) + (MU_BONE - MU_SOFT) * bone_mm
        attenuation += MU_SOFT * (1 - LUNG_DENSITY) * (vessel_mm + contrast * nodule_mm)
        # Lung is no even gas: small vessels and septa below the resolution.
        attenuation += 0.012 * power_law(body, y.shape, spacing_mm=spacing_mm, exponent=2.6) * (lung_mm > 5)
        images[i] = expose(
            np.exp(-attenuation),
            film,
            spacing_mm=spacing_mm,
            middle=0.75,
            relative_exposure=1.35,
            scatter_fraction=scatter_fraction,
            blur_mm=0.35,
            gamma=3.2,
            grain_mm=grain_mm,
        )
        places.append(found)
    return Bunch(
        images=images,
        nodules=places,
        lung=lungs,
        spacing_mm=spacing_mm,
        description=(
            f"SIMULATED chest radiographs, one lung each: {n_images} of {size} x {size} pixels of {spacing_mm:.2f} mm, "
            f"seed {seed}."
        ),
    )


@dataclass(frozen=True)
class _Chest:
    """The outline of one lung; lengths in millimetres from the upper left corner of the field."""

    wall: float  # where the lung ends at the side
    dome: float  # top of the diaphragm
    apex: float
    waist: float  # how far the mediastinum reaches

    def side(self, y: Floats) -> Floats:
        """Return where the lung ends at the side, at the height y."""
        down = np.clip((y - self.apex) / 95, 0, 1)
        return np.asarray(30 + (self.wall - 30) * (1 - (1 - down) ** 2.4) ** 0.55)


def _draw_chest(rng: np.random.Generator) -> _Chest:
    return _Chest(
        wall=150 + rng.normal(0, 4), dome=152 + rng.normal(0, 5), apex=10 + rng.normal(0, 3), waist=rng.normal(26, 2)
    )


def _thorax(chest: _Chest, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return the paths through lung and through soft tissue, in millimetres."""
    middle = chest.waist + 16 * np.clip((y - 80) / 70, 0, 1) ** 1.5 + 5 * np.exp(-(((y - 88) / 20) ** 2))
    middle += 24 * np.exp(-np.clip(y - chest.apex, 0, None) / 13)
    away = (x - 80) / 75
    floor = chest.dome + np.where(away > 0, 30 * away**2 + 8 * np.clip(away, 0, None) ** 6, 9 * away**2)
    edges = np.stack([chest.side(y) - x, x - middle, 1.5 * (floor - y), 1.6 * (y - chest.apex)])
    edge = -3.5 * np.log(np.exp(-np.clip(edges, -200, 200) / 3.5).sum(axis=0))  # a minimum with rounded corners
    lung = 125 * np.sqrt(np.clip(1 - (1 - np.clip(edge / 45, 0, 1)) ** 2, 0, 1))
    lung = ndi.gaussian_filter(lung, 1.2 * len(y) / FIELD_MM)
    outside = np.clip(x - chest.wall - 10, 0, None)
    body = 215 - 0.7 * outside**1.3 - 55 * np.clip(1 - y / 60, 0, 1) ** 1.5
    body += 14 * np.clip((35 - x) / 30, 0, 1)  # heart and great vessels are as dense as muscle, but thick
    return lung, np.clip(body - lung, 1, None)


def _ribs(rng: np.random.Generator, chest: _Chest, y: Floats, x: Floats) -> Floats:
    """Return the path through compact bone: ten ribs, each a flat tube bent around the chest, collarbone and spine."""
    bone = np.zeros(x.shape)
    step, tilt = rng.normal(20.0, 0.8), rng.normal(0, 2)
    for k in range(10):
        start = -16 + step * k + rng.normal(0, 0.8)
        drop = 30 + 3.5 * k + tilt + rng.normal(0, 1.5)  # from the spine to the side
        reach = float(chest.side(np.array(start + drop))) - 10
        u = np.clip((x - 12) / reach, 0, 1)
        turn = 1 - np.sqrt(1 - 0.985 * u**2)
        back = start - 10 * np.sin(np.pi * np.minimum(2.0 * u, 1)) * (1 - u) + drop * turn
        front = start + 2 * drop - drop * turn + 28 * (1 - u)
        for line, wide, strong in ((back, 5.0, 1.0), (front, 6.2, 0.5)):
            slope = np.gradient(line, axis=1) / (x[0, 1] - x[0, 0])
            across = (y - line) / np.sqrt(1 + slope**2)
            bone += (
                strong
                * _tube_wall(np.hypot(across, np.clip(x - 12 - reach, 0, None)), wide)
                * (
                    # The front ends in cartilage, which is no bone.
                    1 if strong == 1 else np.clip((u - 0.42) / 0.1, 0, 1)
                )
            )
    rise = rng.normal(0, 2)
    collarbone = 40 + rise - 0.16 * (x - 22) + 5 * np.sin((x - 22) / 22) - 0.0004 * (x - 22) ** 2
    bone += 0.9 * _tube_wall(y - collarbone, 5.5) * np.clip((x - 18) / 6, 0, 1)
    spine = np.clip((20 - x) / 4, 0, 1)
    return bone + 12 * spine * (0.8 + 0.2 * np.cos(2 * np.pi * y / 25))


def _tube_wall(distance: Floats, radius: float) -> Floats:
    """Return the path through a flat bone: a compact shell of 1.2 mm around marrow that is a fifth bone."""
    inner = radius - 1.2
    return radius * _chord(distance, radius) - 0.8 * inner * _chord(distance, inner)


def _chord(distance: Floats, radius: float) -> Floats:
    """Return the path through a tube of this radius, in radii from 0 to 2."""
    return np.asarray(2 * np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, None)), dtype=np.float64)


def _vessels(rng: np.random.Generator, y: Floats, x: Floats, spacing_mm: float) -> Floats:
    """Return the path through vessels: a tree out of the hilum, and some that run along the ray."""
    path = np.zeros(x.shape)
    stack = [
        (np.array([92 + rng.normal(0, 6), 34.0]), angle + rng.normal(0, 0.12), rng.uniform(4.0, 6.5))
        for angle in (-1.15, -0.75, -0.35, 0.05, 0.4, 0.75, 1.1, 1.4)
    ]
    while stack:
        place, angle, radius = stack.pop()
        length = radius * rng.uniform(4.5, 8.0) + 4
        for _ in range(3):  # a bend in three pieces
            angle += rng.normal(0, 0.14)
            end = place + length / 3 * np.array([np.sin(angle), np.cos(angle)])
            _tube(path, place, end, radius, spacing_mm)
            place, radius = end, radius * 0.95
        if radius > 0.5 and 0 < place[0] < FIELD_MM and 20 < place[1] < FIELD_MM:
            for turn in (rng.uniform(0.2, 0.5), -rng.uniform(0.2, 0.5)):
                stack.append((place, angle + turn, radius * rng.uniform(0.7, 0.88)))
    for _ in range(rng.poisson(4)):  # end on: a round dot, the classic mimic
        place, radius = np.array([rng.normal(92, 24), 34 + np.abs(rng.normal(0, 30))]), rng.uniform(1.2, 2.8)
        dot = np.clip(1.2 - np.hypot(y - place[0], x - place[1]) / radius, 0, 0.4) / 0.4
        path = np.maximum(path, rng.uniform(4, 9) * dot)
    return np.asarray(ndi.gaussian_filter(path, 0.5))


def _tube(path: Floats, start: Floats, end: Floats, radius: float, spacing_mm: float) -> None:
    """Draw a piece of a vessel into `path`, in place, where it is thicker than what is there."""
    low = np.floor((np.minimum(start, end) - radius) / spacing_mm).astype(int)
    high = np.ceil((np.maximum(start, end) + radius) / spacing_mm).astype(int) + 1
    (top, left), (bottom, right) = np.clip(low, 0, None), np.minimum(high, path.shape)
    if top >= bottom or left >= right:
        return
    rows, columns = np.ogrid[top:bottom, left:right]
    dy, dx = (rows + 0.5) * spacing_mm - start[0], (columns + 0.5) * spacing_mm - start[1]
    way = end - start
    share = np.clip((dy * way[0] + dx * way[1]) / (way @ way), 0, 1)
    distance = np.hypot(dy - share * way[0], dx - share * way[1])
    box = path[top:bottom, left:right]
    np.maximum(box, radius * _chord(distance, radius), out=box)


def _nodules(
    rng: np.random.Generator,
    lung: NDArray[np.bool_],
    spacing_mm: float,
    mean: float,
    diameter_mm: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Return the path through nodules in millimetres, and (K, 3) row, column and radius in pixels."""
    path, found = np.zeros(lung.shape), []
    y, x = np.indices(lung.shape)
    inner = ndi.binary_erosion(lung, iterations=int(6 / spacing_mm))
    candidates = np.argwhere(inner)
    for _ in range(rng.binomial(2, mean / 2) if len(candidates) else 0):
        row, column = candidates[rng.integers(len(candidates))] + rng.uniform(-0.5, 0.5, 2)
        radius = rng.uniform(*diameter_mm) / 2 / spacing_mm
        angle, turn = np.arctan2(y - row, x - column), rng.uniform(0, np.pi)
        edge = radius * (1 + rng.uniform(0, 0.12) * np.cos(2 * (angle - turn)))
        for order in range(3, 7):
            edge *= 1 + rng.normal(0, 0.12 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
        ball = radius * spacing_mm * _chord(np.hypot(y - row, x - column) / edge, 1.0)
        path += ndi.gaussian_filter(ball, 0.6 / spacing_mm)
        found.append((row, column, radius))
    return path, np.array(found).reshape(-1, 3)
