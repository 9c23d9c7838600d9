"""What grows in a chest and is looked for in CT: lung nodules, and lymph nodes; drawn into a grid of voxels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from medcourse.datasets.tubes import Floats, Segment, random_direction, voxel_mm

# Hounsfield units, typical of a chest CT without contrast agent at full inspiration.
LUNG_HU, BLOOD_HU, SOLID_HU = -860.0, 40.0, 30.0
GROUND_GLASS_HU = (-650.0, -450.0)  # hazy, so that vessels are still seen through it
Lobes = Sequence[tuple[NDArray[np.float64], float]]


def draw_nodule(
    rng: np.random.Generator,
    axes_mm: Sequence[Floats],
    centre: Floats,
    *,
    diameter_mm: float,
    subsolid: bool,
    texture_rng: np.random.Generator | None = None,
) -> tuple[Floats, Floats, bool]:
    """Draw a lung nodule: solid, or of ground glass, every second of these with a solid core.

    Parameters
    ----------
    rng
        Source of its shape and its density.
    axes_mm
        Positions of the voxels' centres along z, y and x, evenly spaced.
    centre
        (3,), in millimetres.
    diameter_mm
        Of the ball with about the same volume.
    subsolid
        Ground glass, or solid.
    texture_rng
        Source of the unevenness of ground glass, a number a voxel; apart from `rng`, the shape is the same on any grid.

    Returns
    -------
    (Z, Y, X) share of each voxel that is nodule, (Z, Y, X) density in HU, and whether there is a core.
    """
    unevenness = rng.uniform(0.02, 0.1)
    lobes = [(random_direction(rng), rng.normal(0, unevenness)) for _ in range(4)]
    radius = diameter_mm / 2
    share = lobed_ball(axes_mm, centre, radius, lobes, soft_mm=1.2 if subsolid else 0.0)
    if not subsolid:
        return share, np.full_like(share, rng.normal(SOLID_HU, 12)), False
    voxels = (rng if texture_rng is None else texture_rng).normal(size=share.shape)
    hazy = ndi.gaussian_filter(voxels, [1.0 / (axis[1] - axis[0]) for axis in axes_mm])
    density = rng.uniform(*GROUND_GLASS_HU) + 40 * hazy / max(float(hazy.std()), 1e-9)
    has_core = bool(rng.random() < 0.5)
    if has_core:  # part-solid: a core that the ground glass surrounds
        place = centre + 0.3 * radius * random_direction(rng)
        core = lobed_ball(axes_mm, place, radius * rng.uniform(0.25, 0.5), lobes, soft_mm=0.3)
        density = density + core * (SOLID_HU - density)
    return share, density, has_core


def lobed_ball(
    axes_mm: Sequence[Floats], centre: Floats, radius_mm: float, lobes: Lobes, *, soft_mm: float = 0.0
) -> Floats:
    """Return how much of each voxel lies in a ball whose radius varies with the direction; its edge may be soft."""
    grid = np.meshgrid(*(axis - c for axis, c in zip(axes_mm, centre, strict=True)), indexing="ij", sparse=True)
    distance = np.sqrt(sum(g**2 for g in grid)) + 1e-9
    bulge = np.ones_like(distance)
    for direction, height in lobes:
        cosine = sum(g * d for g, d in zip(grid, direction, strict=True)) / distance
        bulge += height * (2.5 * cosine**3 - 1.5 * cosine + 1.5 * cosine**2 - 0.5)  # Legendre 2 and 3: mean 0
    return np.asarray(np.clip(0.5 - (distance - radius_mm * bulge) / (voxel_mm(axes_mm) + soft_mm), 0, 1))


def draw_spicules(rng: np.random.Generator, centre: Floats, *, diameter_mm: float) -> list[Segment]:
    """Return thin strands that leave a nodule's surface and end in the lung."""
    radius = diameter_mm / 2
    strands = []
    for _ in range(rng.integers(6, 12)):
        direction = random_direction(rng)
        end = centre + direction * (radius + rng.uniform(0.4, 1.1) * radius)
        strands.append(Segment(centre + direction * 0.8 * radius, end, 0.5, 0.15))
    return strands


def draw_node(axes_mm: Sequence[Floats], centre: Floats, half_axes: Floats, turn: NDArray[np.float64]) -> Floats:
    """Return how much of each voxel lies in an ellipsoid, as a lymph node is.

    Parameters
    ----------
    axes_mm
        Positions of the voxels' centres along z, y and x, evenly spaced.
    centre, half_axes
        (3,) each, in millimetres.
    turn
        (3, 3), its rows the directions of the half axes.
    """
    grid = np.stack(
        np.broadcast_arrays(
            *np.meshgrid(*(axis - c for axis, c in zip(axes_mm, centre, strict=True)), indexing="ij", sparse=True)
        )
    )
    along = np.tensordot(turn, grid, 1)  # (3, Z, Y, X), coordinates along the half axes
    scaled = along / half_axes[:, None, None, None]
    scale = np.sqrt((scaled**2).sum(0)) + 1e-9
    # Distance to the surface, to first order: (scale - 1) over the length of its gradient.
    steepness = np.sqrt(((scaled / half_axes[:, None, None, None]) ** 2).sum(0)) / scale + 1e-9
    return np.asarray(np.clip(0.5 - (scale - 1) / steepness / voxel_mm(axes_mm), 0, 1))
