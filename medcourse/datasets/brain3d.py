"""A brain in three dimensions: folds, white matter, ventricles, nuclei with their iron, and veins.

Places are (z, y, x) in millimetres from the middle of the brain; z runs to the head, y to the back, x to the left.
Sizes and places of the parts are round numbers of ours, of about an adult's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from medcourse.datasets.tubes import Floats, Segment, bent_tube, filled, perpendicular, unit, vessel_tree

HALF_AXES_MM = np.array([62.0, 82.0, 65.0])
CORTEX_MM = 3.0
# Middle and half-axes of the nuclei of one side, (z, y, x) in millimetres.
NUCLEI: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "caudate": ((8, -22, 13), (10, 8, 4.5)),
    "putamen": ((2, -6, 26), (12, 16, 5.5)),
    "pallidum": ((0, -2, 18.5), (8, 10, 4.5)),
    "thalamus": ((6, 13, 11), (10, 13, 8)),
    "red_nucleus": ((-14, 10, 5), (4, 3.5, 3.5)),
    "substantia_nigra": ((-17, 3, 9), (4, 3, 6)),
}
# Axis and radii of a lateral ventricle: frontal horn, body, atrium, occipital horn; then the temporal horn.
_VENTRICLE = [(4, -36, 7), (13, -25, 8), (18, -5, 11), (16, 15, 14), (7, 30, 21), (2, 48, 19)]
_VENTRICLE_MM = [2.5, 4.5, 4.5, 4.5, 6.0, 2.0]
_TEMPORAL = [(7, 30, 21), (-8, 22, 29), (-20, 0, 31)]
_TEMPORAL_MM = [5.0, 2.5, 1.5]


@dataclass(frozen=True)
class Brain:
    """What fills each voxel.

    Attributes
    ----------
    axes_mm
        Positions of the voxels' centres along z, y and x.
    shares
        Of each voxel, (Z, Y, X) in [0, 1], by the name of the tissue; they add up to the brain's and its fluid's share.
    veins
        (Z, Y, X), share of the voxel that is a vein.
    depth_mm
        (Z, Y, X), distance from the brain's surface, positive inside.
    mimics
        Segments of the veins that run along z, one list a vein, and a place on each.
    """

    axes_mm: list[Floats]
    shares: dict[str, Floats]
    veins: Floats
    depth_mm: Floats
    mimics: list[tuple[Floats, float]]


def make_brain(
    rng: np.random.Generator, axes_mm: list[Floats], *, n_mimics: int, n_medullary: int, tilt_deg: float
) -> Brain:
    """Return a brain with its veins, of which `n_mimics` run within `tilt_deg` of the z axis."""
    place = _warped(rng, axes_mm)
    depth, fluid, from_fluid = _folds(rng, place, axes_mm)
    inside = np.clip(0.5 + depth, 0, 1)
    ventricles = filled(_ventricle_tubes(rng), axes_mm)
    grey = np.clip(0.5 - (from_fluid - CORTEX_MM), 0, 1)
    shares = {name: _nucleus(rng, name, place) for name in NUCLEI}
    # What is painted later covers what was there.
    shares["csf"] = np.maximum(np.maximum(fluid, ventricles) * inside, np.clip(1.5 + depth / 2, 0, 1) - inside)
    rest = inside * (1 - np.minimum(shares["csf"] / np.maximum(inside, 1e-6), 1))
    for name in NUCLEI:
        shares[name] = shares[name] * rest
        rest = rest - shares[name]
    shares["grey_matter"] = grey * rest
    shares["white_matter"] = (1 - grey) * rest

    allowed = (depth > 4) & (depth < 45) & (ventricles < 0.1)
    tubes, mimics = _mimics(rng, axes_mm, allowed, n_mimics, tilt_deg)
    veins = filled(tubes + _surface_veins(rng, axes_mm), axes_mm)
    thin = _medullary(rng, n_medullary)
    width = float(np.prod([axis[1] - axis[0] for axis in axes_mm]) ** (1 / 3))
    for radius in sorted({segment.start_radius_mm for segment in thin}):
        # A vein thinner than a voxel fills a part of it: drawn as wide as a voxel, weighed by its area.
        drawn = [Segment(s.start, s.end, width / 2, width / 2) for s in thin if s.start_radius_mm == radius]
        veins = np.maximum(veins, min((2 * radius / width) ** 2, 1) * filled(drawn, axes_mm))
    return Brain(axes_mm, shares, veins * inside, depth, mimics)


def _warped(rng: np.random.Generator, axes_mm: list[Floats], by_mm: float = 1.6, scale_mm: float = 8.0) -> list[Floats]:
    """Return the coordinates of each voxel, shifted by a smooth random field: nothing in a brain is quite straight."""
    places = [np.clip(axis / scale_mm + 16, 0, 31) for axis in axes_mm]
    corners = np.meshgrid(*places, indexing="ij")
    warped = []
    for grid in np.meshgrid(*axes_mm, indexing="ij"):
        field = ndi.gaussian_filter(rng.normal(size=(32, 32, 32)), 1.2)
        warped.append(grid + by_mm * ndi.map_coordinates(field / field.std(), corners, order=1))
    return warped


def _folds(rng: np.random.Generator, place: list[Floats], axes_mm: list[Floats]) -> tuple[Floats, Floats, Floats]:
    """Return depth below the surface (mm), share of fluid in the furrows, and distance from fluid (mm).

    Furrows are sheets that stand upright on the surface: where a smooth random field of the *direction* passes through
    zero. It bends a little with the depth.
    """
    z, y, x = place
    # Narrower in front than behind.
    scaled = [z / HALF_AXES_MM[0], y / HALF_AXES_MM[1], x / HALF_AXES_MM[2] / (1 + 0.1 * y / HALF_AXES_MM[1])]
    radius = np.sqrt(sum(s**2 for s in scaled)) + 1e-6
    depth = (1 - radius) * 70.0
    step = 2.2  # of the field's own grid, mm
    field = ndi.gaussian_filter(rng.normal(size=(64, 64, 64)), 2.0, mode="wrap")
    field /= field.std()
    # Radius to the power 0.3: the field changes along the surface, and little towards the middle.
    squeeze = 62.0 * radius**0.3 / radius / step
    where = np.stack([s * squeeze for s in scaled]) + 32.0
    sheet = ndi.map_coordinates(field, where, order=1, mode="wrap")
    slope = np.sqrt(sum(g**2 for g in np.gradient(sheet, *axes_mm))) + 1e-3
    deepest = 15 + 5 * ndi.map_coordinates(field, where[::-1] * 0.5, order=1, mode="wrap")
    furrow = np.maximum(np.abs(sheet) / slope - rng.uniform(0.4, 0.7), depth - deepest)
    # Between the hemispheres, but not through the corpus callosum.
    middle = np.sqrt(((z - 6) / 26) ** 2 + (y / 40) ** 2)
    fissure = np.maximum(np.abs(x) - 0.5, (1 - middle) * 30)
    # Between temporal lobe and the rest.
    sylvian = np.maximum(
        np.abs(y + 12 + 0.5 * (np.abs(x) - 45) - 0.8 * z) - 0.9, np.maximum(depth - 26, 25 - np.abs(x))
    )
    nearest = np.minimum(np.minimum(furrow, fissure), sylvian)
    return depth, np.clip(0.5 - nearest, 0, 1), np.minimum(nearest, depth)


def _ventricle_tubes(rng: np.random.Generator) -> list[Segment]:
    scale = rng.uniform(0.8, 1.35)  # they widen with age
    tubes = []
    for points, radii in ((_VENTRICLE, _VENTRICLE_MM), (_TEMPORAL, _TEMPORAL_MM)):
        for side in (-1, 1):
            places = [np.array([z, y, side * x], float) for z, y, x in points]
            sizes = [scale * r for r in radii]
            tubes += [Segment(*ends) for ends in zip(places, places[1:], sizes, sizes[1:], strict=False)]
    third = [Segment(np.array([z, -6.0, 0]), np.array([z, 12.0, 0]), 1.6 * scale, 1.6 * scale) for z in (-8, -4, 0, 4)]
    return tubes + third


def _nucleus(rng: np.random.Generator, name: str, place: list[Floats]) -> Floats:
    (cz, cy, cx), half = NUCLEI[name]
    share = np.zeros_like(place[0])
    for side in (-1, 1):
        z, y, x = (
            p - c - s for p, c, s in zip(place, (cz, cy, side * cx), rng.normal(0, 0.8, 3).tolist(), strict=True)
        )
        # Putamen and pallidum open to the front like a V.
        x = x - side * 0.25 * y if name in ("putamen", "pallidum", "caudate") else x
        size = np.sqrt((z / half[0]) ** 2 + (y / half[1]) ** 2 + (x / half[2]) ** 2)
        share = np.maximum(share, np.clip(0.5 + (1 - size) * min(half), 0, 1))
    return share


def _mimics(
    rng: np.random.Generator, axes_mm: list[Floats], allowed: NDArray[np.bool_], n: int, tilt_deg: float
) -> tuple[list[Segment], list[tuple[Floats, float]]]:
    """Return veins that run along z, as round as a bleed in an axial slice, and a place and radius of each."""
    tubes: list[Segment] = []
    found: list[tuple[Floats, float]] = []
    voxels = np.argwhere(allowed)
    for _ in range(n):
        place = np.array([axis[i] for axis, i in zip(axes_mm, voxels[rng.integers(len(voxels))], strict=True)])
        tilt, turn = np.deg2rad(rng.uniform(0, tilt_deg)), rng.uniform(0, 2 * np.pi)
        axis = np.array([np.cos(tilt), np.sin(tilt) * np.sin(turn), np.sin(tilt) * np.cos(turn)])
        radius = rng.uniform(0.7, 1.7)
        for sign in (1, -1):
            tubes += bent_tube(
                rng, place, sign * axis, length_mm=rng.uniform(14, 30), start_radius_mm=radius,
                end_radius_mm=radius * rng.uniform(0.6, 1.1), bend=0.12, n_pieces=5,
            )[0]  # fmt: skip
        found.append((place, radius))
    return tubes, found


def _surface_veins(rng: np.random.Generator, axes_mm: list[Floats]) -> list[Segment]:
    """Return cortical veins that run along the surface and branch, and the two internal cerebral veins."""
    tubes: list[Segment] = []
    for _ in range(26):
        outwards = unit(np.array([rng.uniform(-0.4, 0.4), rng.normal(), rng.normal()]))
        start = outwards * HALF_AXES_MM * rng.uniform(0.88, 0.97)
        along = unit(perpendicular(rng, outwards) - 0.15 * outwards)
        tubes += vessel_tree(rng, start, along, radius_mm=rng.uniform(0.6, 1.1), smallest_mm=0.4, reach_mm=75)
    for side in (-1, 1):
        front = np.array([9.0, -18.0, 2.5 * side])
        tubes += bent_tube(
            rng,
            front,
            unit(np.array([-0.1, 1, 0])),
            length_mm=45,
            start_radius_mm=0.8,
            end_radius_mm=1.1,
            bend=0.12,
            n_pieces=6,
        )[0]
        # The thalamostriate vein comes along the ventricle's wall.
        tubes += bent_tube(
            rng, front, unit(np.array([0.35, 0.6, side])), length_mm=22, start_radius_mm=0.8, end_radius_mm=0.5
        )[0]
    return tubes


def _medullary(rng: np.random.Generator, n: int) -> list[Segment]:
    """Return thin straight veins from the wall of the ventricles outwards through the white matter."""
    tubes: list[Segment] = []
    for _ in range(n):
        side, piece, share = rng.choice([-1, 1]), rng.integers(1, 4), rng.random()
        a, b = np.array(_VENTRICLE[piece]), np.array(_VENTRICLE[piece + 1])
        place = (a + share * (b - a)) * [1, 1, side]
        out = unit(np.array([rng.uniform(-0.1, 0.7), 0.25 * rng.normal(), side]))
        tubes += bent_tube(
            rng, place + 4.5 * out, out, length_mm=rng.uniform(14, 28), start_radius_mm=float(rng.choice([0.25, 0.35])),
            end_radius_mm=0.25, bend=0.05, n_pieces=4,
        )[0]  # fmt: skip
    radius = 0.3
    return [Segment(s.start, s.end, radius, radius) for s in tubes]


def random_places(
    rng: np.random.Generator, axes_mm: list[Floats], allowed: NDArray[np.bool_], n: int, *, apart_mm: float,
    taken: Sequence[Floats] = (),
) -> list[Floats]:  # fmt: skip
    """Return up to n places among the allowed voxels, each `apart_mm` from all others and from those taken."""
    candidates = np.argwhere(allowed)
    found: list[Floats] = []
    for index in rng.permutation(len(candidates))[: 60 * n]:
        place = np.array([axis[i] for axis, i in zip(axes_mm, candidates[index], strict=True)])
        place = place + [rng.uniform(-0.5, 0.5) * (axis[1] - axis[0]) for axis in axes_mm]
        if all(np.linalg.norm(place - other) >= apart_mm for other in [*found, *taken]):
            found.append(place)
        if len(found) == n:
            break
    return found
