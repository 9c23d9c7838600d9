"""Frontal chest radiographs of a whole chest, simulated: right pleural effusion, enlarged heart, or neither.

A person is a few numbers (`_Person`); from them follows, for each ray, how long its path is in soft tissue, lung, bone
and air. Millimetres, y down from the carina, x to the right of the picture, which is the patient's left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.film import Floats, expose, power_law
from medcourse.datasets.frontal_bones import draw_bones
from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.shapes import Canvas
from medcourse.datasets.strokes import draw_strokes, draw_tubes, grow_bushes, tube
from medcourse.datasets.xray import transmit

FIELD_MM = 380.0
ENLARGED_RATIO = 0.5
"""Above this cardiothoracic ratio a heart counts as enlarged on a posteroanterior film (Danzer 1919)."""
ENERGY_KEV = 60.0
_TRUNKS = ((-1, 0.35), (-0.6, 0.8), (0.05, 1), (0.6, 0.8), (1, 0.42))  # directions of vessels out of a hilum
MARGIN = 0.12  # drawn around the field, so that a tilted picture has no empty corner


def make_frontal_chests(
    n_images: int = 90,
    *,
    size: int = 128,
    effusion_fraction: float = 0.4,
    enlarged_fraction: float = 0.35,
    fluid_height_mm: tuple[float, float] = (15.0, 100.0),
    tilt_sd_deg: float = 2.0,
    shift_sd_mm: float = 7.0,
    scatter_fraction: float = 0.3,
    grain_mm: float = 0.006,
    seed: int = 0,
) -> Bunch:
    """Simulate frontal chest radiographs, 380 mm wide, of persons who stand with the chest at the plate.

    Rays run from back to front. What they cross is added up (Beer and Lambert) and exposed on film. Persons differ in
    size, width, fat, breasts, how deeply they breathed in, how they turned and tilted and the shape of the heart, films
    in exposure. Fluid in the right pleural space fills the angle between diaphragm and chest wall first; its upper
    border is a meniscus, highest at the side.

    Parameters
    ----------
    n_images
        Number of persons, one film each, >= 1.
    size
        Side in pixels; a pixel is 380 mm / size wide.
    effusion_fraction
        Chance of a right pleural effusion.
    enlarged_fraction
        Chance of an enlarged heart, of each person by itself. Its cardiothoracic ratio is even between 0.5 and 0.62,
        that of others between 0.38 and 0.5: some lie near the border.
    fluid_height_mm
        Least and greatest height of the fluid at the side, over the lowest point of the pleural space.
    tilt_sd_deg, shift_sd_mm
        Standard deviation of how the picture is turned and shifted, the latter along each axis.
    scatter_fraction, grain_mm
        As in `medcourse.datasets.film.expose`.
    seed
        Same seed, same films; film i does not depend on `n_images`.

    Returns
    -------
    Bunch
        images : (N, size, size) float32 in [0, 1], bright where rays were stopped.
        effusion, enlarged, healthy : (N,) bool; healthy is neither of the two.
        ratios : (N,) float64, cardiothoracic ratio: greatest width of the heart over that of the space within the ribs.
        fluid_mm : (N,) float64, height of the fluid, 0 without.
        fluid, heart : (N, size, size) bool, where they lie.
        spacing_mm, description.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> films = make_frontal_chests(2, size=64)
    >>> films.images.shape, bool((films.healthy == ~(films.effusion | films.enlarged)).all())
    ((2, 64, 64), True)
    """
    check_ranges(
        [
            ("n_images", n_images, 1, np.inf),
            ("size", size, 32, 512),
            ("effusion_fraction", effusion_fraction, 0, 1),
            ("enlarged_fraction", enlarged_fraction, 0, 1),
            ("fluid_height_mm[0]", fluid_height_mm[0], 5, fluid_height_mm[1]),
            ("fluid_height_mm[1]", fluid_height_mm[1], 5, 150),
            ("tilt_sd_deg", tilt_sd_deg, 0, 10),
            ("shift_sd_mm", shift_sd_mm, 0, 20),
            ("scatter_fraction", scatter_fraction, 0, 0.95),
            ("grain_mm", grain_mm, 0, 0.1),
        ]
    )
    spacing_mm = FIELD_MM / size
    images = np.empty((n_images, size, size), np.float32)
    fluid, heart = np.empty(images.shape, bool), np.empty(images.shape, bool)
    ratios, heights = np.empty(n_images), np.empty(n_images)
    for i, stream in enumerate(np.random.SeedSequence(seed).spawn(n_images)):
        findings, body, anatomy, pose, film = (np.random.default_rng(s) for s in stream.spawn(5))
        large, wet = findings.random(2) < (enlarged_fraction, effusion_fraction)
        low, high = (ENLARGED_RATIO, 0.62) if large else (0.38, ENLARGED_RATIO)
        ratios[i] = findings.uniform(low, high)
        drawn = findings.uniform(*fluid_height_mm)
        heights[i] = drawn if wet else 0.0
        person = _draw_person(body, float(ratios[i]), float(heights[i]))
        attenuation, heart_mm, wet_mm = _shadows(anatomy, person, size, spacing_mm)
        turn = _Turn(pose, size, tilt_deg=tilt_sd_deg, shift_px=shift_sd_mm / spacing_mm)
        fluid[i], heart[i] = turn(wet_mm) > 10, turn(heart_mm) > 10
        images[i] = expose(
            np.exp(-turn(attenuation)),
            film,
            spacing_mm=spacing_mm,
            middle=0.5,
            relative_exposure=float(np.exp(film.normal(0.45, 0.15))),
            scatter_fraction=scatter_fraction,
            blur_mm=0.4,
            gamma=2.1,
            grain_mm=grain_mm,
        )
    effusion, enlarged = heights > 0, ratios > ENLARGED_RATIO
    return Bunch(
        images=images,
        effusion=effusion,
        enlarged=enlarged,
        healthy=~(effusion | enlarged),
        ratios=ratios,
        fluid_mm=heights,
        fluid=fluid,
        heart=heart,
        spacing_mm=spacing_mm,
        description=(
            f"SIMULATED frontal chest radiographs of {n_images} persons, {size} x {size} px of {spacing_mm:.2f} mm: "
            f"{effusion.sum()} with right pleural effusion, {enlarged.sum()} with an enlarged heart, "
            f"{(~(effusion | enlarged)).sum()} with neither; seed {seed}. No one was exposed."
        ),
    )


@dataclass(frozen=True)
class _Person:
    """What makes a person and how deeply they breathed in; lengths in millimetres."""

    scale: float  # this person's millimetres for one of an adult of middle size
    half_width: float  # of the space within the ribs, at its widest
    apex: float  # y of the top of the lungs
    domes: tuple[float, float]  # y of the top of the diaphragm, right and left
    turn: float  # how far the front is shifted against the spine, for the person turned
    ratio: float  # cardiothoracic
    slope: float  # how steeply the heart hangs
    heart_left: float  # share of the heart's width that lies left of the middle
    fat: float
    breast: float
    gas: float  # thickness of the stomach's gas
    fluid: float  # height of the effusion


def _draw_person(rng: np.random.Generator, ratio: float, fluid: float) -> _Person:
    breath = rng.normal(0, 1)
    right = 88 + 8 * breath + rng.normal(0, 3)
    return _Person(
        scale=float(np.clip(rng.normal(1, 0.06), 0.86, 1.14)),
        half_width=132 + 1.5 * breath + rng.normal(0, 4),
        apex=-118 + rng.normal(0, 4),
        domes=(right, right + rng.uniform(6, 18)),
        turn=rng.normal(0, 5),
        ratio=ratio,
        # With a shallow breath the heart lies flat on a high diaphragm, with a deep one it hangs upright.
        slope=float(np.clip(0.30 + 0.08 * breath + rng.normal(0, 0.04), 0.1, 0.5)),
        heart_left=rng.uniform(0.62, 0.74),
        fat=rng.uniform(6, 26),
        breast=float(rng.choice([0.0, rng.uniform(15, 45)])),
        gas=float(max(0.0, rng.normal(20, 18))),
        fluid=fluid,
    )


def _shadows(rng: np.random.Generator, person: _Person, size: int, spacing_mm: float) -> tuple[Floats, Floats, Floats]:
    """Return attenuation, and the paths through heart and fluid, on a grid a little larger than the picture."""
    n = round(size * (1 + 2 * MARGIN))
    canvas = Canvas(n, n, spacing_mm / person.scale)
    canvas.y = canvas.y - 12  # the middle of the film lies below the carina
    bent = canvas.bent(rng, by_mm=1.8, scale_mm=60)
    inside = _cage_edge(bent, person)
    heart, solid = _heart(bent, person)
    lung, fluid = _lungs(bent, person, inside, solid)
    vessels = np.minimum(_vessels(canvas, rng, person), lung)
    air = _airways(canvas, person) + _stomach_gas(bent, person)
    bone = draw_bones(canvas, rng, half_width=person.half_width, apex=person.apex, turn=person.turn)
    thick, fat = _trunk(bent, person)
    lung = np.minimum(np.maximum(lung - vessels, 0), np.maximum(thick - 30, 0))
    soft = np.maximum(thick - lung - bone - air, 0)
    lengths = {"muscle": soft, "fat": fat, "lung": lung, "cortical_bone": bone}
    attenuation = -np.log(transmit({k: person.scale * v for k, v in lengths.items()}, energy_kev=ENERGY_KEV))
    # Lung is no even gas, nor muscle one even mass: septa, small vessels and fibres below the resolution.
    grain = power_law(rng, bent.shape, spacing_mm=spacing_mm, exponent=2.6, outer_mm=60)
    return attenuation + 0.035 * grain * (thick > 20), heart, fluid


def _smooth_min(edges: list[Floats], round_mm: float) -> Floats:
    """Return the least of some depths, with rounded corners."""
    least = np.min(edges, axis=0)
    far = sum(np.exp(-np.clip((edge - least) / round_mm, 0, 60)) for edge in edges)
    return np.asarray(least - round_mm * np.log(far))


def _cage_edge(canvas: Canvas, person: _Person) -> Floats:
    """Return the depth within the ribs, seen from the front: narrow above, widest near the diaphragm."""
    down = np.clip((canvas.y - person.apex) / (75 - person.apex), 0, 1.2)
    side = person.half_width * np.clip(1 - np.abs(1 - np.minimum(down, 1)) ** 2.5, 0, None) ** 0.55
    return np.asarray(side - np.abs(canvas.x) - 6 * np.clip(down - 1, 0, None))


def _heart(canvas: Canvas, person: _Person) -> tuple[Floats, Floats]:
    """Return the path through the heart, and through heart and great vessels."""
    wide = 2 * person.ratio * person.half_width
    left, right = person.heart_left * wide, (1 - person.heart_left) * wide
    tall = 0.36 * wide + 10
    # The heart rests on the diaphragm and sinks into it a little.
    middle = person.domes[1] + 8 - tall
    x = canvas.x - person.turn
    u = np.where(x > 0, x / left, -x / right)
    v = (canvas.y - middle - person.slope * (x - 0.2 * left)) / tall  # its tip hangs lower than its base
    upper = np.where(x > 0, 1.75, 2.1)  # the border from the lung's artery to the tip is nearly straight
    scale = (u ** np.where(v < 0, upper, 2.4) + np.abs(v) ** 2.1) ** 0.5
    heart = 135 * _rise(1.25 * np.clip(1 - scale, 0, 1)) ** 1.15
    x0 = person.turn
    vessels = [
        tube([(person.apex - 40, x0), (-70, x0), (-20, x0 + 3), (middle, x0 + 4)], [17, 20, 25, 30], 1.6),
        tube([(-42, x0 + 17), (-38, x0 + 18)], 18, 1.3),  # the arch of the aorta, seen end on
        tube([(-42, x0 + 20), (0, x0 + 21), (60, x0 + 17), (130, x0 + 10)], 12.5),
        tube([(-14, x0 + 20), (12, x0 + 30)], [17, 18], 1.2),  # the trunk of the lung's artery
        tube([(-80, x0 - 15), (middle, x0 - 21)], [10, 13], 1.3),  # the upper hollow vein
    ]
    together = np.maximum(heart, draw_tubes(canvas, vessels, add=False))
    # They beat while the film is exposed.
    return heart, np.asarray(ndi.gaussian_filter(together, 1.2 / canvas.spacing_mm))


def _lungs(canvas: Canvas, person: _Person, inside: Floats, solid: Floats) -> tuple[Floats, Floats]:
    """Return the path through both lungs, and that through fluid in the right pleural space."""
    lung, fluid = np.zeros(canvas.shape), np.zeros(canvas.shape)
    for sign, dome in ((-1, person.domes[0]), (1, person.domes[1])):
        u = sign * canvas.x  # millimetres from the middle to the side
        away = (u - 62) / 70
        floor = dome + np.where(away > 0, 46 * np.abs(away) ** 2, 30 * away**2)
        middle = u - 10 - 12 * np.clip((canvas.y - 30) / 60, 0, 1)
        above = 1.5 * (canvas.y - person.apex - 4 - 0.12 * np.abs(u - 55))
        front = _smooth_min([inside, middle, 1.2 * (floor - canvas.y), above], 4.0)
        # Behind the dome a thin wedge of lung reaches farther down.
        wedge = _smooth_min([inside, middle - 8, 0.8 * (floor + 40 - canvas.y), above], 4.0)
        deep = np.interp(canvas.y, [-120, -60, 20, 110], [90, 135, 150, 140])
        path = deep * _rise(front / 42) + 32 * _rise(wedge / 30) * (canvas.y > floor - 40)
        path = np.minimum(path, deep)
        path = np.where(u > 0, path, 0)
        if sign < 0 and person.fluid > 0:
            share = _fluid_share(canvas, person, u, dome)
            # Above the meniscus fluid thins out; it takes the place of lung in the same space.
            fluid = path * share
            path = path - fluid
        lung += path
    return np.maximum(lung - 0.92 * solid, 0), np.where(fluid > 0, np.maximum(fluid - 0.5 * solid, 0), 0)


def _rise(edge: Floats) -> Floats:
    """Return 0 outside and a quarter of a circle that reaches 1 at depth 1."""
    return np.sqrt(np.clip(1 - (1 - np.clip(edge, 0, 1)) ** 2, 0, 1))


def _fluid_share(canvas: Canvas, person: _Person, u: Floats, dome: float) -> Floats:
    """Return which share of the pleural space along a ray holds fluid: all below the meniscus, none well above it."""
    lowest = dome + 46
    side = np.clip(u / person.half_width, 0, 1.1)
    # At the side the lung leans away from the wall, and fluid climbs; in the middle it climbs a little along the heart.
    climb = 0.6 * side**3.5 + 0.1 * np.clip(1 - u / 45, 0, 1) ** 2
    surface = lowest - person.fluid * (0.4 + climb)
    step = np.clip((canvas.y - surface) / (10 + 0.25 * person.fluid) + 0.5, 0, 1)
    return np.asarray(step * step * (3 - 2 * step))


def _vessels(canvas: Canvas, rng: np.random.Generator, person: _Person) -> Floats:
    """Return the path through vessels: trees out of both hila, which are denser themselves."""
    hila, starts, headings = np.zeros(canvas.shape), [], []
    for side in (-1, 1):
        x0 = person.turn + side * (36 if side < 0 else 42)
        y0 = 2 if side < 0 else -8  # the left hilum stands higher
        hilum = canvas.ellipse(y0, x0 - 4 * side, 24, 11, turn_deg=-14.0 * side)
        hila = np.maximum(hila, 24 * np.clip(hilum / 9, 0, 1) ** 0.7)
        for dy, dx in _TRUNKS:
            starts.append((y0 + 14 * dy + rng.normal(0, 3), x0 + rng.normal(0, 2), 0.0))
            headings.append((dy + rng.normal(0, 0.1), side * dx, rng.normal(0, 0.3)))
    radii = np.tile([4.2, 4.0, 4.2, 5.0, 5.6], 2)
    points, sizes = grow_bushes(rng, np.array(starts), np.array(headings), radii, length_mm=36, thinnest_mm=1.5)
    return np.maximum(hila, draw_strokes(canvas, points, sizes, 2 * sizes))


def _airways(canvas: Canvas, person: _Person) -> Floats:
    """Return the path through trachea and main bronchi."""
    x0 = 0.6 * person.turn
    tubes = [
        tube([(-230, x0), (-120, x0 + 1), (-6, x0 + 3)], 8.5),
        tube([(-8, x0 + 3), (14, x0 - 16), (26, x0 - 30)], [7.5, 6.5, 5.0]),
        tube([(-8, x0 + 3), (16, x0 + 24), (24, x0 + 42)], [7.5, 6.5, 5.0]),
    ]
    return draw_tubes(canvas, tubes, add=False)


def _stomach_gas(canvas: Canvas, person: _Person) -> Floats:
    depth = canvas.ellipse(person.domes[1] + 22, 72, 11, 30, turn_deg=8)
    return person.gas * np.sqrt(np.clip(depth / 9, 0, 1))


def _trunk(canvas: Canvas, person: _Person) -> tuple[Floats, Floats]:
    """Return the paths through the trunk without its fat, from back to front, and through fat with the breasts."""
    y, x = canvas.y, np.abs(canvas.x)
    wide = person.half_width / 132
    half = np.interp(y, [-250, -165, -140, -112, -80, 0, 130, 260], [58, 62, 140, 195, 178, 158, 156, 160]) * wide
    half = ndi.gaussian_filter(half, 5 / canvas.spacing_mm)
    deep = np.interp(y, [-250, -160, -125, -80, 0, 90, 260], [105, 115, 140, 185, 210, 222, 222])
    thick = deep * (1 - np.clip(x / half, 0, 1) ** 2.8) ** (1 / 2.2)
    arm = np.maximum(
        canvas.tube([(-95, 178 * wide), (120, 235 * wide)], [40, 36]),
        canvas.tube([(-95, -178 * wide), (120, -235 * wide)], [40, 36]),
    )
    thick = np.maximum(thick, 78 * np.sqrt(np.clip(arm / 38, 0, 1)))
    skin = np.clip((half + person.fat - x) / person.fat, 0, 1)
    fat = 2 * person.fat * np.sqrt(skin) * np.clip((y + 185) / 40, 0.5, 1)
    bust = 1 - (np.abs(x - 78) / 62) ** 2 - np.where(y > 55, (y - 55) / 34, (y - 55) / 85) ** 2
    return thick, fat + person.breast * np.clip(bust, 0, None) ** 0.5


class _Turn:
    """Tilt and shift a map and cut the picture out of it, as the person stands before the plate.

    Parameters
    ----------
    rng
        Source of tilt and shift.
    size
        Side of the picture in pixels.
    tilt_deg, shift_px
        Standard deviations.
    """

    def __init__(self, rng: np.random.Generator, size: int, *, tilt_deg: float, shift_px: float) -> None:
        turn = np.deg2rad(np.clip(rng.normal(0, 1), -2, 2) * tilt_deg)
        self.shift = np.clip(rng.normal(0, 1, 2), -2, 2) * shift_px
        self.size = size
        self.matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    def __call__(self, values: NDArray[np.floating]) -> Floats:
        """Map (n, n) to (size, size)."""
        middle, target = (np.array(values.shape) - 1) / 2, (self.size - 1) / 2
        offset = middle + self.shift - self.matrix @ np.array([target, target])
        turned = ndi.affine_transform(
            values, self.matrix, offset, output_shape=(self.size, self.size), order=1, mode="nearest"
        )
        return np.asarray(turned)
