"""Small pieces of a chest CT, simulated: a lung nodule in the middle, or a vessel that looks like one in a slice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.lesions import BLOOD_HU, LUNG_HU, SOLID_HU, draw_nodule, draw_spicules
from medcourse.datasets.noise import FWHM, ct_noise
from medcourse.datasets.tubes import (
    Floats,
    Segment,
    bent_tube,
    filled,
    perpendicular,
    random_direction,
    unit,
    vessel_tree,
    voxel_mm,
)
from medcourse.errors import CourseError

MUSCLE_HU, FAT_HU, BONE_HU, MARROW_HU = 50.0, -100.0, 700.0, 250.0
KINDS = ("solid", "subsolid", "vessel")


def make_nodules(
    n_volumes: int = 32,
    *,
    size: int | tuple[int, int, int] = 48,
    spacing_mm: tuple[float, float, float] = (1.0, 0.7, 0.7),
    nodule_fraction: float = 0.5,
    subsolid_fraction: float = 0.35,
    spiculated_fraction: float = 0.3,
    pleural_fraction: float = 0.2,
    diameter_mm: tuple[float, float] = (4.0, 9.0),
    mimic_tilt_deg: float = 35.0,
    vessels_per_volume: float = 4.0,
    off_centre_mm: float = 1.5,
    resolution_mm: float = 0.9,
    noise_hu: float = 25.0,
    seed: int = 0,
) -> Bunch:
    """Simulate candidates for lung nodules in CT, each in a volume of its own, half of them false.

    A volume holds aerated lung, trees of vessels that branch by Murray's law, in some the chest wall with a rib, and
    in its middle a nodule (solid, or subsolid with or without a solid core; lobed, some with spicules) or a mimic, a
    vessel as thick as a nodule that runs within `mimic_tilt_deg` of the z axis. In the axial slice through its middle
    the mimic is as round as a nodule; along z it goes on, and a nodule ends.

    The parts are blurred by the scanner's resolution in the slice and by the slice's thickness across it. The noise has
    the spectrum of filtered back-projection: noise power rises with the frequency, as the ramp filter does, up to
    where the reconstruction kernel cuts it off, and neighbouring slices share some of it [1]_.

    Volume i depends on its number and the seed, not on `n_volumes`; anatomy and noise draw from separate streams.

    Parameters
    ----------
    n_volumes
        Number of volumes, >= 1.
    size
        Voxels along (z, y, x), or one number for all three, >= 8.
    spacing_mm
        Size of a voxel along (z, y, x) in millimetres.
    nodule_fraction
        Share of volumes with a nodule, in [0, 1]; the others hold a mimic.
    subsolid_fraction, spiculated_fraction
        Share of nodules that are subsolid; of solid ones that have spicules.
    pleural_fraction
        Share of volumes with the chest wall in one corner.
    diameter_mm
        Smallest and largest diameter of nodules and of mimics, in millimetres, all between equally likely.
    mimic_tilt_deg
        Largest angle between a mimic and the z axis; 0 makes a single axial slice useless, 90 is any direction.
    vessels_per_volume
        Mean number of trees that cross a volume, besides the mimic.
    off_centre_mm
        Standard deviation of the place of nodule or mimic around the middle, along each axis.
    resolution_mm
        Width at half height of the point spread function in the slice.
    noise_hu
        Standard deviation of the noise; 0 is none.
    seed
        Same seed, same volumes.

    Returns
    -------
    Bunch
        volumes : (N, Z, Y, X) float32, Hounsfield units in [-1024, 3071].
        labels : (N,) int64, 1 for a nodule, 0 for a mimic.
        kinds : list of str, "solid", "subsolid" or "vessel".
        nodules : (N, Z, Y, X) bool, voxels whose greater part is nodule.
        vessels : (N, Z, Y, X) bool, voxels whose greater part is vessel; the mimic is one.
        centres_mm : (N, 3) float64, middle of nodule or mimic from the centre of the first voxel, (z, y, x):
        divide by `spacing_mm` to get voxels.
        diameters_mm : (N,) float64.
        spacing_mm : as given.
        DESCR : str.

    Raises
    ------
    CourseError
        A parameter is outside its range.

    References
    ----------
    .. [1] Riederer, Pelc, Chesler. The noise power spectrum in computed X-ray tomography. Physics in Medicine and
       Biology 23(3):446-454, 1978. https://doi.org/10.1088/0031-9155/23/3/008

    Examples
    --------
    >>> cubes = make_nodules(2, size=16, seed=3)
    >>> cubes.volumes.shape, cubes.kinds
    ((2, 16, 16, 16), ['subsolid', 'solid'])
    """
    shape = (size, size, size) if isinstance(size, int) else tuple(size)
    shares = (nodule_fraction, subsolid_fraction, spiculated_fraction, pleural_fraction)
    _check(n_volumes, shape, spacing_mm, shares, diameter_mm)
    axes: list[Floats] = [
        (np.arange(n, dtype=np.float64) - (n - 1) / 2) * mm for n, mm in zip(shape, spacing_mm, strict=True)
    ]
    blur = np.array([spacing_mm[0], resolution_mm, resolution_mm]) / FWHM / spacing_mm
    volumes, nodules, vessels, scenes = [], [], [], []
    for i in range(n_volumes):
        rng = np.random.default_rng([seed, i, 0])
        scene = _Scene(
            is_nodule=rng.random() < nodule_fraction,
            is_subsolid=rng.random() < subsolid_fraction,
            is_spiculated=rng.random() < spiculated_fraction,
            at_pleura=rng.random() < pleural_fraction,
            diameter_mm=rng.uniform(*diameter_mm),
            centre=rng.normal(0, 1, 3) * off_centre_mm,
        )
        clean, is_nodule, is_vessel = _draw(rng, scene, axes, mimic_tilt_deg, vessels_per_volume)
        noise = ct_noise(np.random.default_rng([seed, i, 1]), shape, spacing_mm, resolution_mm=resolution_mm)
        volume = ndi.gaussian_filter(clean, blur, mode="nearest") + noise_hu * noise
        volumes.append(np.clip(volume, -1024, 3071).astype(np.float32))
        nodules.append(is_nodule)
        vessels.append(is_vessel)
        scenes.append(scene)
    first = np.array([axis[0] for axis in axes])
    return Bunch(
        volumes=np.stack(volumes),
        labels=np.array([scene.is_nodule for scene in scenes], dtype=np.int64),
        kinds=[scene.kind for scene in scenes],
        nodules=np.stack(nodules),
        vessels=np.stack(vessels),
        centres_mm=np.stack([scene.centre - first for scene in scenes]),
        diameters_mm=np.array([scene.diameter_mm for scene in scenes]),
        spacing_mm=spacing_mm,
        DESCR="Simulated pieces of chest CT with a nodule or a vessel that looks like one; see make_nodules.",
    )


@dataclass
class _Scene:
    """What a volume holds in its middle; places are in millimetres from the middle of the volume."""

    is_nodule: bool
    is_subsolid: bool
    is_spiculated: bool
    at_pleura: bool
    diameter_mm: float
    centre: Floats

    @property
    def kind(self) -> str:
        return KINDS[2] if not self.is_nodule else KINDS[self.is_subsolid]


def _draw(
    rng: np.random.Generator, scene: _Scene, axes: list[Floats], tilt_deg: float, n_trees: float
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the volume without blur and noise, in HU, and where nodule and vessels are."""
    hu = _lung(rng, axes)
    tubes = _trees(rng, axes, n_trees, keep_clear=scene)
    if not scene.is_nodule:
        tubes += _mimic(rng, scene, axes, tilt_deg)
    vessel = filled(tubes, axes)
    hu += vessel * (BLOOD_HU - hu)
    nodule = np.zeros_like(hu)
    if scene.is_nodule:
        nodule, density, _ = draw_nodule(
            rng, axes, scene.centre, diameter_mm=scene.diameter_mm, subsolid=scene.is_subsolid
        )
        hu += nodule * (np.maximum(density, hu) - hu)  # through ground glass one still sees the vessels
        if scene.is_spiculated and not scene.is_subsolid:
            strands = draw_spicules(rng, scene.centre, diameter_mm=scene.diameter_mm)
            hu += 0.8 * filled(strands, axes) * (SOLID_HU - np.minimum(hu, SOLID_HU))
    if scene.at_pleura:
        hu = _chest_wall(rng, scene, axes, hu)
    return hu, nodule > 0.5, vessel > 0.5


def _lung(rng: np.random.Generator, axes: list[Floats]) -> Floats:
    """Return aerated lung: denser towards the back, where a lying patient's blood collects, and finely uneven."""
    shape = [len(axis) for axis in axes]
    fine = ndi.gaussian_filter(rng.normal(size=shape), [1.2 / (axis[1] - axis[0]) for axis in axes], mode="wrap")
    gravity = np.broadcast_to(axes[1][None, :, None] * 1.0, shape)  # 1 HU a millimetre
    return np.asarray(LUNG_HU + gravity + 22 * fine / max(float(fine.std()), 1e-9))


def _trees(rng: np.random.Generator, axes: list[Floats], mean_number: float, *, keep_clear: _Scene) -> list[Segment]:
    """Return vessels that come from one side, as from the hilum, and spread; none runs through the middle's object."""
    half = max(float(axis[-1]) for axis in axes)
    hilum = random_direction(rng)
    clear_mm = keep_clear.diameter_mm / 2 + 0.5
    tubes: list[Segment] = []
    for _ in range(rng.poisson(mean_number)):
        sideways = perpendicular(rng, hilum) * rng.uniform(0, 1.1 * half)
        towards = unit(-hilum + 0.35 * rng.normal(size=3))
        radius = rng.uniform(0.7, 1.8)
        tree = vessel_tree(rng, hilum * 1.3 * half + sideways, towards, radius_mm=radius, reach_mm=1.8 * half)
        tubes += [segment for segment in tree if _gap(segment, keep_clear.centre) > clear_mm]
    return tubes


def _gap(segment: Segment, point: Floats) -> float:
    """Return the distance in millimetres between a segment's wall and a point."""
    along = segment.end - segment.start
    nearest = segment.start + along * np.clip((point - segment.start) @ along / (along @ along), 0, 1)
    return float(np.linalg.norm(point - nearest) - segment.start_radius_mm)


def _mimic(rng: np.random.Generator, scene: _Scene, axes: list[Floats], tilt_deg: float) -> list[Segment]:
    """Return a vessel through the scene's centre, near the z axis, that leaves the volume at both ends and branches."""
    tilt, turn = np.deg2rad(rng.uniform(0, tilt_deg)), rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(tilt), np.sin(tilt) * np.sin(turn), np.sin(tilt) * np.cos(turn)])
    length = 1.8 * max(float(a[-1]) for a in axes) + 10
    radius = scene.diameter_mm / 2
    tubes: list[Segment] = []
    for sign, end in ((1, 1.1), (-1, 0.75)):  # it tapers in the direction of its flow
        tubes += bent_tube(
            rng,
            scene.centre,
            sign * axis,
            length_mm=length,
            start_radius_mm=radius,
            end_radius_mm=end * radius,
            bend=0.05,
            n_pieces=4,
        )[0]
    fork = scene.centre - axis * rng.uniform(1.5, 3) * scene.diameter_mm
    away = unit(-axis + 1.2 * perpendicular(rng, axis))
    return tubes + vessel_tree(rng, fork, away, radius_mm=0.55 * radius, reach_mm=length)


def _chest_wall(rng: np.random.Generator, scene: _Scene, axes: list[Floats], hu: Floats) -> Floats:
    """Put pleura, muscle, a rib and fat behind a curved border, beyond the object in the middle."""
    half = min(float(axis[-1]) for axis in axes)
    turn = rng.uniform(0, 2 * np.pi)
    outwards = np.array([0.0, np.sin(turn), np.cos(turn)])
    start_mm = max(0.62 * half, float(scene.centre @ outwards) + scene.diameter_mm / 2 + 1)
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    across = outwards[1] * y + outwards[2] * x
    along = outwards[2] * y - outwards[1] * x
    depth = across - start_mm + along**2 / 140 + z**2 / 300  # millimetres behind the pleura; the lung bulges outwards
    share = np.clip(0.5 + depth / voxel_mm(axes), 0, 1)
    wall = np.where(depth < 11, MUSCLE_HU, FAT_HU) + np.where((depth > 1.0) & (depth < 2.2), FAT_HU - MUSCLE_HU, 0)
    rib = np.sqrt((depth - 6.5) ** 2 + (0.8 * (z - 0.5 * along - rng.uniform(-6, 6))) ** 2)
    wall = np.where(rib < 3.6, np.where(rib < 2.4, MARROW_HU, BONE_HU), wall)
    return np.asarray(hu + share * (wall - hu))


def _check(
    n_volumes: int,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
    shares: tuple[float, ...],
    diameter_mm: tuple[float, float],
) -> None:
    if n_volumes < 1:
        raise CourseError(f"n_volumes must be at least 1, got {n_volumes}")
    if len(shape) != 3 or min(shape) < 8:
        raise CourseError(f"size must be at least 8 voxels along z, y and x, got {shape}")
    if len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise CourseError(f"spacing_mm must be three positive numbers (z, y, x), got {spacing_mm}")
    if any(not 0 <= share <= 1 for share in shares):
        raise CourseError(f"fractions must lie between 0 and 1, got {shares}")
    if not 0 < diameter_mm[0] <= diameter_mm[1]:
        raise CourseError(f"diameter_mm must be (smallest, largest) with 0 < smallest <= largest, got {diameter_mm}")
