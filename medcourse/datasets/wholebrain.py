"""A whole brain in space, as a function of place: so a slice costs a slice, and a volume is there for who needs one.

Places are millimetres of an adult: x to the right, y to the front, z up, 0 in the middle of the brain near the anterior
commissure. Every part is a map of depth (about how many millimetres inside, negative outside), as in
`medcourse.datasets.shapes`. Sizes and places of the parts are round numbers of ours, near those of an adult's atlas.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]
Triple = tuple[float, float, float]
Paint = Callable[[NDArray[np.bool_], str, int], None]

# What a voxel is made of: other than its name, which also says where it lies.
MATTER = (
    "air",
    "skin",
    "fat",
    "muscle",
    "cortical_bone",
    "csf",
    "grey_matter",
    "white_matter",
    "deep_grey",
    "stem",
    "cerebellar_grey",
    "lesion",
)
CODE = {name: number for number, name in enumerate(MATTER)}
REACH_MM = 130.0  # noise is defined on a cube of twice this width, whatever the grid that samples it
FISSURE_MM = 1.0


@dataclass(frozen=True)
class Shape:
    """How a brain of some age differs from a young adult's.

    Attributes
    ----------
    sulcus_mm
        Half the width of a furrow at the surface.
    fold_mm
        Distance of furrows.
    fold_depth_mm
        How deep furrows go on average.
    cortex_mm
        Thickness of the cortex.
    ventricle
        Factor on the ventricles' radii.
    lesions
        Amount of white matter lesions; 0 is none, 1 is many.
    """

    sulcus_mm: float = 0.9
    fold_mm: float = 13.0
    fold_depth_mm: float = 15.0
    cortex_mm: float = 3.2
    ventricle: float = 1.0
    lesions: float = 0.0


class Space:
    """Coordinates of a grid of voxels in millimetres, and smooth noise on it.

    Parameters
    ----------
    x, y, z
        Coordinates along each axis. Arrays on the grid have the shape (len(y), len(z), len(x)), y the slices; within a
        slice rows run from the top of the head down.
    """

    def __init__(self, x: NDArray[np.floating], y: NDArray[np.floating], z: NDArray[np.floating]) -> None:
        self.y, self.z, self.x = np.meshgrid(
            np.asarray(y, np.float32), np.asarray(z, np.float32), np.asarray(x, np.float32), indexing="ij"
        )
        self.shape = self.x.shape

    def noise(self, rng: np.random.Generator, scale_mm: float, at: Sequence[Floats] | None = None) -> Floats:
        """Return smooth noise of mean 0 and variance about 1 whose bumps are about `scale_mm` wide."""
        # Three nodes a bump, so that linear interpolation between them is smooth enough.
        step = scale_mm / 3
        n = int(2 * REACH_MM / step) + 3
        lattice = ndi.gaussian_filter(rng.standard_normal((n, n, n), dtype=np.float32), 1.3, mode="wrap")
        lattice /= lattice.std()
        places = [(axis + REACH_MM) / step for axis in (at or (self.y, self.z, self.x))]
        return np.asarray(ndi.map_coordinates(lattice, places, order=1, mode="nearest"), np.float32)

    def bent(self, rng: np.random.Generator, *, by_mm: float, scale_mm: float) -> "Space":
        """Return the same grid with displaced coordinates: what is drawn on it comes out bent."""
        other = object.__new__(Space)
        other.shape = self.shape
        other.y, other.z, other.x = (
            axis + np.float32(by_mm) * self.noise(rng, scale_mm) for axis in (self.y, self.z, self.x)
        )
        return other

    def ellipsoid(self, middle: Triple, half_axes: Triple, *, down: float = 0.0, power: float = 2.0) -> Floats:
        """Return the depth in an ellipsoid on both sides: |x| is measured, so x > 0 gives a pair.

        `down` is the half axis below the middle where it differs from that above.
        """
        (x, y, z), (rx, ry, rz) = middle, half_axes
        u, v, w = np.abs(self.x) - x if x else self.x, self.y - y, self.z - z
        below = w / np.where(w < 0, down or rz, rz)
        scale = (np.abs(u / rx) ** power + np.abs(v / ry) ** power + np.abs(below) ** power) ** (1 / power)
        radius = np.sqrt(u * u + v * v + w * w)
        return np.asarray(np.where(scale < 1e-4, min(rx, ry, rz), radius / np.maximum(scale, 1e-4) - radius))

    def tube(self, points: Sequence[Triple], radii: Sequence[float]) -> Floats:
        """Return the depth in a tube along points (x, y, z) of both sides, with a radius at each."""
        depth = np.full(self.shape, -1000.0, np.float32)
        side = np.abs(self.x)
        for i in range(len(points) - 1):
            start, along = np.array(points[i]), np.subtract(points[i + 1], points[i])
            u, v, w = side - start[0], self.y - start[1], self.z - start[2]
            t = np.clip((u * along[0] + v * along[1] + w * along[2]) / max(float(along @ along), 1e-9), 0, 1)
            distance = np.sqrt((u - t * along[0]) ** 2 + (v - t * along[1]) ** 2 + (w - t * along[2]) ** 2)
            np.maximum(depth, radii[i] + t * (radii[i + 1] - radii[i]) - distance, out=depth)
        return depth


def draw_brain(
    space: Space, rng: np.random.Generator, shape: Shape, voxel_mm: Sequence[float]
) -> tuple[Labels, Labels]:
    """Draw a head on a grid.

    Parameters
    ----------
    space
        Where the voxels lie.
    rng
        Same numbers, same person, whatever the grid.
    shape
        What the age does.
    voxel_mm
        Distance of voxels along (y, z, x).

    Returns
    -------
    matter : (Y, Z, X) uint8
        Numbers into `MATTER`.
    part : (Y, Z, X) uint8
        0 not brain, 1 cortical grey matter, 2 white matter, 3 ventricles, 4 outer fluid, 5 basal ganglia and
        thalami, 6 brain stem, 7 cerebellum, 8 white matter lesions.
    """
    body = space.bent(rng, by_mm=2.0, scale_mm=60)
    soft = body.bent(rng, by_mm=1.6, scale_mm=20)
    matter, part = np.zeros(space.shape, np.uint8), np.zeros(space.shape, np.uint8)

    def paint(where: NDArray[np.bool_], name: str, number: int) -> None:
        matter[where], part[where] = CODE[name], number

    cerebrum = np.maximum(
        body.ellipsoid((0, -18, 14), (67, 86, 60), down=38, power=2.3),
        body.ellipsoid((43, -14, -21), (24, 47, 25), power=2.2),
    )
    cerebellum = np.maximum(body.ellipsoid((24, -56, -38), (27, 36, 22)), body.ellipsoid((0, -60, -36), (14, 32, 20)))
    stem = body.tube([(0, -18, -4), (0, -23, -14), (0, -26, -30), (0, -34, -48), (0, -40, -90)], [13, 13, 17, 12, 8])
    _skull_and_scalp(body, space, rng, np.maximum(np.maximum(cerebrum, cerebellum), stem), paint)

    furrow = _furrows(space, body, soft, rng, shape=shape, cerebrum=cerebrum, voxel_mm=voxel_mm)
    # The cerebellum lies under a tent, the stem in a cistern: a rim of fluid parts them from the lobes above.
    below = np.maximum(cerebellum + 2.2, np.where(body.z < -10, stem + 2.5, -1000))
    lobes = (cerebrum > 0) & ~furrow & (below < 0)
    paint(lobes, "white_matter", 2)
    distance = ndi.distance_transform_edt(lobes, sampling=list(voxel_mm)).astype(np.float32)
    thickness = shape.cortex_mm * (1 + 0.12 * space.noise(rng, 16))
    # No cortex on the corpus callosum and where the stem enters.
    stalk = (np.abs(body.x) < 20) & (body.z < 26 + shape.ventricle) & (body.z > -16) & (body.y > -46)
    paint(lobes & (distance < thickness) & ~stalk, "grey_matter", 1)
    ventricles = _deep_parts(soft, space, rng, shape=shape, white=lobes & (part == 2), paint=paint)
    _behind(soft, rng, cerebellum, stem, paint)
    part[body.z < -62] = 0  # the spinal cord begins
    if shape.lesions > 0:
        near = 1.5 * np.exp(-np.maximum(-ventricles, 0) / 4.0)
        spots = space.noise(rng, 8) + near > 3.1 - 1.25 * shape.lesions
        paint(spots & (part == 2) & (distance > thickness + 1.5), "lesion", 8)
    return matter, part


def _skull_and_scalp(body: Space, space: Space, rng: np.random.Generator, brain: Floats, paint: Paint) -> None:
    """Paint the head around the brain: scalp, bone, and fluid that everything later is painted into."""
    inner = np.maximum(brain, body.ellipsoid((0, -20, 10), (66, 85, 60), down=52, power=2.3)) + 3.5
    bone = 6 + 1.2 * space.noise(rng, 45)
    outside = np.maximum(inner + bone, body.ellipsoid((0, -10, -30), (62, 80, 80), power=2.6) - 4)
    paint(outside + 5.5 > 0, "skin", 0)
    paint(outside + 4 > 0, "fat", 0)
    paint((outside > 0) & (inner + bone < 0), "muscle", 0)
    paint(inner + bone > 0, "cortical_bone", 0)
    paint((inner + bone > 2) & (inner + bone < bone - 1.6), "fat", 0)
    paint(inner > 0, "csf", 4)


def _furrows(
    space: Space,
    body: Space,
    soft: Space,
    rng: np.random.Generator,
    *,
    shape: Shape,
    cerebrum: Floats,
    voxel_mm: Sequence[float],
) -> NDArray[np.bool_]:
    """Return where furrows and fissures of the lobes hold fluid."""
    bent = soft.bent(rng, by_mm=1.2, scale_mm=12)
    radius = np.maximum(np.sqrt(bent.x**2 + (0.85 * (bent.y + 18)) ** 2 + (bent.z - 6) ** 2), 1.0)
    out = [np.asarray(axis * 58 / radius, np.float32) for axis in (0.85 * (bent.y + 18), bent.z - 6, bent.x)]
    furrow = np.zeros(space.shape, bool)
    for share in (1.0, 0.7):
        # Where a noise of direction passes through 0, a sheet runs inwards.
        sheet = space.noise(rng, share * shape.fold_mm, at=out) > 0
        reach = share * shape.fold_depth_mm * (1 + 0.35 * space.noise(rng, 20))
        width = shape.sulcus_mm * np.clip(1.35 - 0.6 * cerebrum / np.maximum(reach, 1), 0.7, 1.5)
        furrow |= (_distance_to_edge(sheet, voxel_mm) < width) & (cerebrum < reach)
    roof = 25 - 14 * ((body.y + 12) / 42) ** 2 + 3 * (shape.ventricle - 1)
    middle = (np.abs(soft.x) < FISSURE_MM + 0.6 * (shape.sulcus_mm - 0.9)) & (
        (body.z > roof) | (np.abs(body.y + 12) > 52)
    )
    furrow |= middle | ((np.abs(soft.x) < 3.5) & (body.z < -18))
    # Sylvius' fissure: inwards above the temporal lobe, then up and down behind the insula.
    side, lift = np.abs(soft.x), -0.22 * np.minimum(soft.y + 5, 25)
    gap = 0.4 + shape.sulcus_mm
    outer = (np.abs(soft.z - lift - 0.12 * (side - 40)) < gap) & (side > 38)
    insula = (np.abs(side - 38.5) < gap) & (np.abs(soft.z - lift - 3) < 13)
    furrow |= (outer | insula) & (soft.y > -42) & (soft.y < 28)
    return furrow


def _distance_to_edge(mask: NDArray[np.bool_], voxel_mm: Sequence[float]) -> Floats:
    """Return the distance of each voxel to the surface between inside and outside."""
    inner, outer = (ndi.distance_transform_edt(m, sampling=list(voxel_mm)) for m in (mask, ~mask))
    # Voxels on either side of the surface are half a voxel away from it.
    return np.asarray(np.abs(inner - outer) - 0.5 * min(voxel_mm), np.float32)


def _deep_parts(
    soft: Space, space: Space, rng: np.random.Generator, *, shape: Shape, white: NDArray[np.bool_], paint: Paint
) -> Floats:
    """Paint nuclei and ventricles; return the ventricles' depth."""
    rough = 0.6 * space.noise(rng, 7)
    wide = shape.ventricle
    moved = 2.5 * (wide - 1)  # wide ventricles push the nuclei outwards
    nuclei = soft.ellipsoid((12 + moved, -20, 5), (10, 20, 10.5))
    nuclei = np.maximum(nuclei, soft.ellipsoid((28 + moved, -6, 3), (6, 27, 12)))
    nuclei = np.maximum(nuclei, soft.ellipsoid((21 + moved, -4, 0), (5, 15, 7.5)))
    tail = [(13 + moved, 22, 6), (15 + moved, 8, 15), (19 + moved, -22, 21), (26 + moved, -38, 12)]
    nuclei = np.maximum(nuclei, soft.tube(tail, [7, 5, 2.6, 1.8]))
    paint((nuclei + rough > 0) & (white | (np.abs(soft.x) < 14)) & (soft.z > -9), "deep_grey", 5)
    horn = [(10, 32, 3), (9, 10, 16), (11, -20, 20), (22, -38, 13), (25, -48, 6), (22, -68, 2)]
    ventricles = soft.tube(horn, [2.5 * wide, 4.2 * wide, 4.4 * wide, 5.5 * wide, 5 * wide, 1.5 * wide])
    temporal = soft.tube([(25, -44, 6), (34, -26, -13), (31, -8, -20)], [4 * wide, 2.2 * wide, 1.5 * wide])
    ventricles = np.maximum(ventricles, temporal)
    third = soft.tube([(0, 4, -8), (0, -8, 2), (0, -26, 2)], [1.5 * wide, 1.3 * wide, 1.6 * wide])
    slab = 1.0 + 0.9 * wide - np.abs(soft.x)
    third = np.maximum(third, np.minimum(slab, np.minimum(9 - np.abs(soft.z + 1), 16 - np.abs(soft.y + 12))))
    ventricles = np.maximum(ventricles, third)
    septum = (np.abs(soft.x) < 0.8) & (soft.z > 8)
    paint((ventricles + 0.3 * rough > 0) & ~septum, "csf", 3)
    return np.asarray(ventricles, np.float32)


def _behind(soft: Space, rng: np.random.Generator, cerebellum: Floats, stem: Floats, paint: Paint) -> None:
    """Paint the brain stem, the cerebellum with its leaves and white tree, and the fourth ventricle."""
    # Leaves lie like pages around the stalk: thin clefts between them, a white core, white branches.
    page = soft.z + 38 - 0.12 * np.abs(soft.x) + 2.0 * soft.noise(rng, 18) + 0.05 * (soft.y + 56)
    wave = np.cos(2 * np.pi * page / 6.5)
    paint(cerebellum > 0, "cerebellar_grey", 7)
    paint((cerebellum > 9) | ((cerebellum > 2.2) & (wave < -0.62)), "white_matter", 7)
    paint((cerebellum > 0) & (cerebellum < 7) & (wave > 0.9), "csf", 4)
    paint((stem > 0) & (soft.z < -7), "stem", 6)
    arms = soft.tube([(6, -28, -30), (22, -44, -36)], [8, 7])
    paint((arms > 0) & (stem <= 0) & (cerebellum > -3), "white_matter", 7)
    paint(soft.ellipsoid((0, -43, -33), (7, 4, 8)) > 0, "csf", 3)
