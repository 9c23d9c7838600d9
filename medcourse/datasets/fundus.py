"""Simulated colour photographs of the fundus, the back of the eye, with the truth about every vessel.

Light of a flash crosses the retina, is thrown back by what lies below it (pigment epithelium, choroid, sclera) and
crosses the retina again. Blood takes green and blue out of it, hardly any red: vessels are red on orange. So a picture
is a product: ground x pigment x blood x lamp, and noise of the camera on top.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.arcades import (
    DISC_MM,
    DISC_RADIUS_MM,
    MM_PER_DEGREE,
    Vessel,
    grow_arcades,
    mirrored,
)
from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.shapes import Canvas

Floats = NDArray[np.float64]

# DRIVE's pictures are 584 pixels high and 565 wide; their field of view is a disc about 540 pixels wide.
ASPECT, FIELD_SHARE = 565 / 584, 540 / 584
# How strongly blood absorbs red, green and blue light, 1 / mm of blood: about 1 : 12 : 13 for arteries. Haemoglobin
# absorbs about equally much at 450 and 545 nm and ten to a hundred times less beyond 600 nm, without oxygen several
# times more there than with it (S. Prahl's tables, https://omlc.org/spectra/hemoglobin/). Colours of a camera are
# broad bands, and blood scatters much light back before it is absorbed: the level itself is ours.
ARTERY_PER_MM = np.array([0.9, 10.5, 11.5])
VEIN_PER_MM = np.array([2.6, 12.5, 12.0])
UNTOUCHED = 0.42  # of the light comes from before or beside the blood and never crosses it
GROUND = np.array([0.84, 0.37, 0.20])  # red, green, blue that an average fundus throws back
SMALLEST_DRAWN_PX = 0.26  # experts mark no vessel whose radius is below, and none thinner than about a pixel
BLUR_MM = 0.012  # of the eye's optics, standard deviation
_REACH_MM = 11.0  # noise is defined on a square of twice this width


@dataclass(frozen=True)
class _Eye:
    """One eye on its grid: everything that light meets."""

    canvas: Canvas
    is_right: bool
    vessels: list[Vessel]

    @property
    def disc(self) -> tuple[float, float]:
        return float(DISC_MM[0]), float(DISC_MM[1] * (1 if self.is_right else -1))


def make_fundi(
    n_images: int = 4,
    *,
    side_px: int = 584,
    field_deg: float = 45.0,
    artery_width_mm: float = 0.115,
    diseased: float = 0.25,
    lesions_per_eye: float = 14.0,
    uneven_light: float = 1.0,
    pigment: float = 1.0,
    electrons: float = 3000.0,
    seed: int = 0,
) -> Bunch:
    """Simulate colour fundus photographs with their vessels known to the pixel.

    Parameters
    ----------
    n_images
        How many eyes, right and left at random, each of another person.
    side_px
        Height of a picture, in [48, 2000]; the width and the round field of view follow DRIVE's proportions.
    field_deg
        Angle that the field of view shows, in [20, 60]; the vessels keep their size in millimetres.
    artery_width_mm
        Of the largest arteries at the disc, in [0.05, 0.25]; veins are about a third wider.
    diseased
        Share of eyes with lesions of diabetic retinopathy, in [0, 1].
    lesions_per_eye
        How many microaneurysms, haemorrhages and clusters of exudates such an eye has on average, in [0, 60].
    uneven_light
        Strength of vignette and of light that falls from one side, in [0, 2]; 0 is an even lamp.
    pigment
        Strength of choroidal texture, macular pigment and the sheen of the nerve fibres, in [0, 2].
    electrons
        Of the camera at full white: fewer give more noise. At least 50; infinity is a camera without noise.
    seed
        Picture i depends on the seed and on i alone.

    Returns
    -------
    Bunch
        images : (N, H, W, 3) uint8, black outside of the field of view.
        vessels : (N, H, W) bool, what an expert would mark as vessel.
        arteries : (N, H, W) bool, those of these that are arteries (where both cross: the artery).
        field_of_view : (N, H, W) bool.
        lesions : (N, H, W) uint8: 0 none, 1 microaneurysm, 2 haemorrhage, 3 exudate.
        fovea_px, disc_px : (N, 2) float, row and column.
        diseased : (N,) bool.
        spacing_mm : float, width of a pixel on the retina.
        DESCR : str.

    Raises
    ------
    CourseError
        A knob is outside of its range.

    Examples
    --------
    >>> eyes = make_fundi(1, side_px=96)
    >>> eyes.images.shape, eyes.vessels.dtype
    ((1, 96, 93, 3), dtype('bool'))
    """
    check_ranges(
        [
            ("n_images", n_images, 1, 10_000),
            ("side_px", side_px, 48, 2000),
            ("field_deg", field_deg, 20, 60),
            ("artery_width_mm", artery_width_mm, 0.05, 0.25),
            ("diseased", diseased, 0, 1),
            ("lesions_per_eye", lesions_per_eye, 0, 60),
            ("uneven_light", uneven_light, 0, 2),
            ("pigment", pigment, 0, 2),
            ("electrons", electrons, 50, np.inf),
        ]
    )
    width_px = round(side_px * ASPECT)
    spacing = field_deg * MM_PER_DEGREE / (FIELD_SHARE * side_px)
    radius = field_deg * MM_PER_DEGREE / 2
    found: dict[str, list[NDArray[np.generic]]] = {}
    for i in range(n_images):
        shape, look, illness, camera = (np.random.default_rng([seed, i, part]) for part in range(4))
        canvas = Canvas(side_px, width_px, spacing)
        # The photographer does not meet the fovea exactly.
        off = shape.normal(0, 0.25, 2)
        field = np.hypot(canvas.y, canvas.x) < radius
        canvas.y, canvas.x = canvas.y + off[0], canvas.x + off[1]
        canvas.bend_mm = float(np.abs(off).max())
        is_right = bool(shape.random() < 0.5)
        vessels = grow_arcades(
            shape, artery_width_mm=artery_width_mm * shape.uniform(0.92, 1.08), reach_mm=radius + 0.6
        )
        eye = _Eye(canvas, is_right, vessels if is_right else mirrored(vessels))
        is_diseased = bool(shape.random() < diseased)
        taken, arteries, depth = _draw_vessels(eye)
        spots, lesions, factor = _draw_lesions(illness, eye, lesions_per_eye if is_diseased else 0.0, depth)
        light = _ground(look, eye, pigment) * factor
        light *= _blood(eye, spots)
        light = ndi.gaussian_filter(light, (BLUR_MM / spacing + 0.35,) * 2 + (0,), mode="nearest")
        light *= _lamp(look, canvas, radius, uneven_light)[..., None]
        if np.isfinite(electrons):
            light = camera.poisson(np.clip(light, 0, None) * electrons) / electrons
        middle = np.array([(side_px - 1) / 2, (width_px - 1) / 2]) - off / spacing
        for name, value in {
            "images": np.where(field[..., None], np.rint(255 * np.clip(light, 0, 1)), 0).astype(np.uint8),
            "vessels": taken & field,
            "arteries": arteries & field,
            "field_of_view": field,
            "lesions": np.where(field & ~taken, lesions, 0).astype(np.uint8),
            "fovea_px": middle,
            "disc_px": middle + np.array(eye.disc) / spacing,
            "diseased": np.asarray(is_diseased),
        }.items():
            found.setdefault(name, []).append(value)
    return Bunch(
        **{name: np.stack(values) for name, values in found.items()},
        spacing_mm=spacing,
        DESCR=(
            f"SIMULATED colour fundus photographs, {n_images} eyes, {side_px} x {width_px} px, "
            f"field {field_deg:g} deg, {1000 * spacing:.0f} um a pixel on the retina"
        ),
    )


def _draw_vessels(eye: _Eye) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Return what an expert marks as vessel, the arteries among it, and the depth in the nearest vessel in mm."""
    spacing = eye.canvas.spacing_mm
    depths = {True: np.full(eye.canvas.shape, -1000.0), False: np.full(eye.canvas.shape, -1000.0)}
    for vessel in eye.vessels:
        if vessel.radii_mm.min() < SMALLEST_DRAWN_PX * spacing:
            continue
        drawn = eye.canvas.tube(vessel.points, np.maximum(vessel.radii_mm, 0.55 * spacing))
        np.maximum(depths[vessel.is_artery], drawn, out=depths[vessel.is_artery])
    arteries = depths[True] > 0
    return arteries | (depths[False] > 0), arteries, np.maximum(depths[True], depths[False])


def _blood(eye: _Eye, spots: Floats) -> Floats:
    """Return the share of red, green and blue light that blood lets back, (H, W, 3).

    Beer and Lambert's law over the length of the ray inside of the vessel. The middle of a vessel's front throws a
    stripe of the flash back, the central light reflex, which arteries show most.

    Parameters
    ----------
    spots : (H, W)
        Millimetres of blood that lies outside of vessels.
    """
    canvas, spacing = eye.canvas, eye.canvas.spacing_mm
    lengths = {True: np.zeros(canvas.shape), False: np.zeros(canvas.shape)}
    reflex = np.zeros(canvas.shape)
    for vessel in eye.vessels:
        # Thinner than a pixel, a vessel fills only a part of it: the chord is spread over a pixel's width.
        radii = np.maximum(vessel.radii_mm, 0.6 * spacing)
        share = (vessel.radii_mm / radii) ** 2
        drawn = canvas.chord(vessel.points, radii, share)
        np.maximum(lengths[vessel.is_artery], drawn, out=lengths[vessel.is_artery])
        if vessel.radii_mm.max() > 1.1 * spacing:
            stripe = canvas.tube(vessel.points, 0.3 * vessel.radii_mm) / (0.3 * vessel.radii_mm.max())
            np.maximum(reflex, (0.34 if vessel.is_artery else 0.14) * np.clip(stripe, 0, 1), out=reflex)
    # Where the optic nerve's white is behind, or another vessel, blood adds up.
    optical = lengths[True][..., None] * ARTERY_PER_MM + (lengths[False] + spots)[..., None] * VEIN_PER_MM
    let_back = UNTOUCHED * np.array([1.35, 1.0, 0.85]) + (1 - UNTOUCHED * np.array([1.35, 1.0, 0.85])) * np.exp(
        -optical
    )
    return np.asarray(let_back + reflex[..., None] * (1 - let_back) * np.array([1.0, 0.9, 0.8]))


def _ground(rng: np.random.Generator, eye: _Eye, pigment: float) -> Floats:
    """Return the light that comes back from below the retina, (H, W, 3): disc, macula, choroid, nerve fibres."""
    canvas = eye.canvas
    to_fovea = np.hypot(canvas.y, canvas.x)
    colour = GROUND * np.exp(rng.normal(0, [0.03, 0.12, 0.16]))
    ground = np.ones((*canvas.shape, 1)) * colour
    # Large vessels of the choroid shine through in red and green, worm-like; pigment cells are grains.
    worms = np.abs(_noise(rng, canvas, 0.9)) + 0.5 * np.abs(_noise(rng, canvas, 0.5))
    grains = _noise(rng, canvas, 0.09)
    blotches = _noise(rng, canvas, 2.4)
    texture = 0.05 * (1.1 - worms) + 0.022 * grains + 0.035 * blotches
    ground *= np.exp(pigment * texture[..., None] * np.array([0.45, 1.0, 0.9]))
    # Yellow pigment and tall pigment cells darken the macula; the foveola is its darkest point.
    dark = 0.28 * np.exp(-((to_fovea / 1.3) ** 2)) + 0.38 * np.exp(-((to_fovea / 0.42) ** 2))
    ground *= np.exp(-pigment * dark[..., None] * np.array([0.6, 1.0, 1.1]))
    ground += pigment * _fibres(rng, eye)[..., None] * np.array([0.03, 0.075, 0.055])
    return _disc(rng, eye, ground)


def _noise(rng: np.random.Generator, canvas: Canvas, scale_mm: float) -> Floats:
    """Return smooth noise of mean 0 and variance about 1, the same at any resolution, whose bumps are this wide.

    As `Canvas.noise`, over an eye's ground instead of a body's: a hundredth of the work.
    """
    n = int(2 * _REACH_MM / scale_mm) + 4
    lattice = 1.6 * rng.normal(size=(n, n))  # cubic interpolation between nodes loses variance
    places = [(axis + _REACH_MM) / scale_mm + 1 for axis in (canvas.y, canvas.x)]
    return np.asarray(ndi.map_coordinates(lattice, places, order=3, mode="reflect"))


def _fibres(rng: np.random.Generator, eye: _Eye) -> Floats:
    """Return the sheen of the nerve fibres, 0 to about 1: fine stripes that leave the disc above and below."""
    canvas, (y, x) = eye.canvas, eye.disc
    away = np.hypot(canvas.y - y, canvas.x - x)
    angle = np.arctan2(canvas.y - y, np.abs(canvas.x - x) + 0.3)
    stripes = np.interp(angle, np.linspace(-1.6, 1.6, 160), ndi.gaussian_filter1d(rng.normal(size=160), 0.8))
    thick = np.exp(-(((away - 1.5) / 1.6) ** 2)) * np.sin(angle) ** 2
    return np.asarray(thick * (0.75 + 0.35 * stripes))


def _disc(rng: np.random.Generator, eye: _Eye, ground: Floats) -> Floats:
    """Put the optic disc into the ground: a pinkish rim around a pale cup, and a thin dark crescent beside it."""
    canvas, (y, x) = eye.canvas, eye.disc
    size = DISC_RADIUS_MM * rng.uniform(0.93, 1.07)
    edge = canvas.ellipse(y, x, 1.05 * size, 0.95 * size) + 0.03 * _noise(rng, canvas, 0.4)
    cup = canvas.ellipse(y, x, *(size * rng.uniform(0.35, 0.55) * np.array([1.0, 0.95])))
    soft = max(0.5 * canvas.spacing_mm, 0.022)
    inside = 1 / (1 + np.exp(-edge / soft))[..., None]
    deep = 1 / (1 + np.exp(-cup / 0.09))[..., None]
    nerve = np.array([0.97, 0.62, 0.38]) * (1 - deep) + np.array([1.0, 0.86, 0.62]) * deep
    halo = 0.10 * np.exp(-np.clip(-edge, 0, None) / 0.35) * (edge < 0)
    return np.asarray((ground + halo[..., None] * np.array([0.4, 0.5, 0.35])) * (1 - inside) + nerve * inside)


def _lamp(rng: np.random.Generator, canvas: Canvas, radius_mm: float, strength: float) -> Floats:
    """Return the light that falls on each pixel, about 1 in the middle."""
    from_centre = np.hypot(canvas.y, canvas.x) / radius_mm
    angle, level = rng.uniform(0, 2 * np.pi), rng.uniform(0.88, 1.05)
    slope = (np.cos(angle) * canvas.y + np.sin(angle) * canvas.x) / radius_mm
    dark = 0.30 * from_centre**2 + 0.14 * slope + 0.12 * _noise(rng, canvas, 6.0)
    return np.asarray(level ** min(strength, 1.0) * np.exp(-strength * dark))


def _draw_lesions(
    rng: np.random.Generator, eye: _Eye, expected: float, depth: Floats
) -> tuple[Floats, NDArray[np.uint8], Floats]:
    """Return the blood outside of vessels in mm, the kind of lesion of each pixel, and what exudates do to light."""
    canvas = eye.canvas
    spots, kinds = np.zeros(canvas.shape), np.zeros(canvas.shape, np.uint8)
    bright = np.zeros(canvas.shape)
    for _ in range(int(rng.poisson(expected)) if expected else 0):
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 5.2)
        y, x = far * np.sin(angle), far * np.cos(angle)
        if np.hypot(y - eye.disc[0], x - eye.disc[1]) < 1.3:
            continue
        kind = rng.choice([1, 1, 1, 2, 2, 3])
        if kind == 1:  # a bulge of a capillary
            depths = canvas.ellipse(y, x, *([rng.uniform(0.025, 0.055)] * 2))
        elif kind == 2:  # blood that has leaked
            size = rng.uniform(0.08, 0.24)
            depths = canvas.ellipse(y, x, size, size * rng.uniform(0.55, 1.0), turn_deg=rng.uniform(0, 180))
            depths = depths + 0.25 * size * _noise(rng, canvas, 0.15)
        else:  # fat that has leaked: a cluster of waxy crumbs
            depths = np.full(canvas.shape, -1000.0)
            for dy, dx in rng.normal(0, 0.22, (rng.integers(4, 11), 2)):
                crumb = canvas.ellipse(y + dy, x + dx, *(rng.uniform(0.03, 0.1, 2)))
                depths = np.maximum(depths, crumb + 0.02 * _noise(rng, canvas, 0.1))
        inside = (depths > -0.5 * canvas.spacing_mm) & (depth < 0.5 * canvas.spacing_mm)
        kinds[inside] = kind
        soft = np.clip(depths / max(canvas.spacing_mm, 0.02) + 0.5, 0, 1) * (depth < 0)  # vessels lie in front
        if kind == 3:
            bright = np.maximum(bright, soft)
        else:
            spots = np.maximum(spots, soft * (0.07 if kind == 1 else 0.10))
    return spots, kinds, 1 + bright[..., None] * np.array([0.12, 0.75, 1.05])
