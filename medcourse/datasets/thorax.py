"""CT of the chest, simulated: lungs with their airways and vessels, mediastinum, chest wall; nodules and lymph nodes.

`medcourse.datasets.torso` shapes a person; here it is scanned: tissues get Hounsfield units, the scanner blurs them,
and the noise is that of filtered back-projection (`medcourse.datasets.noise`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.findings import Node, Nodule, paint_nodes, paint_nodules, place_nodes, place_nodules
from medcourse.datasets.lesions import BLOOD_HU
from medcourse.datasets.lungtree import draw_tubes, pieces
from medcourse.datasets.noise import FWHM, fast_ct_noise, noise_sd
from medcourse.datasets.ranges import check_ranges
from medcourse.datasets.scanning import CLASSES, CODE, Scan
from medcourse.datasets.torso import Field, draw_torso
from medcourse.datasets.tubes import Floats, Segment, filled
from medcourse.datasets.wall import paint_slice
from medcourse.errors import CourseError

Spacing = tuple[float, float, float]


def make_chests(n_scans: int = 1, *, seed: int = 0, **knobs: Any) -> Bunch:
    """Simulate CT scans of the chest, as `make_chest` does, all at once.

    Parameters
    ----------
    n_scans
        Number of scans, >= 1; scan i is `make_chest(i, seed=seed, ...)`, whatever their number. A scan takes tens of
        megabytes: for many, make them one at a time.
    seed
        Same seed, same scans.
    **knobs
        As of `make_chest`.

    Returns
    -------
    Bunch
        scans : list of what `make_chest` returns. DESCR : str.

    Examples
    --------
    >>> chests = make_chests(1, spacing_mm=(5, 4, 4), height_mm=100)
    >>> chests.scans[0].volume.shape
    (20, 70, 85)
    """
    if n_scans < 1:
        raise CourseError(f"n_scans must be at least 1, got {n_scans}")
    scans = [make_chest(i, seed=seed, **knobs) for i in range(n_scans)]
    return Bunch(scans=scans, DESCR=f"{n_scans} SIMULATED CT scans of the chest; see make_chest.")


def make_chest(
    index: int = 0,
    *,
    spacing_mm: Spacing = (1.5, 1.0, 1.0),
    height_mm: float = 135.0,
    field_mm: tuple[float, float] = (280.0, 340.0),
    nodules_per_scan: float = 3.0,
    diameter_mm: tuple[float, float] = (4.0, 20.0),
    subsolid_fraction: float = 0.25,
    spiculated_fraction: float = 0.25,
    nodes_per_scan: float = 4.0,
    small_nodes_per_scan: float = 14.0,
    contrast_fraction: float = 0.5,
    dose_photons: float = 5e7,
    resolution_mm: float = 1.2,
    seed: int = 0,
) -> Bunch:
    """Simulate one CT scan of a chest.

    Axes are (z, y, x): from the feet to the head, from the front to the back, from the patient's right to the left.

    Parameters
    ----------
    index
        Number of the scan, >= 0: with the seed it makes the person.
    spacing_mm
        Size of a voxel along (z, y, x), each in [0.4, 10]; a slice is as thick as its spacing.
    height_mm
        Extent along z, in [20, 300]. 135 reaches from above the arch of the aorta to the ventricles of the heart, 280
        from the tips of the lungs to below the diaphragm.
    field_mm
        Extent along (y, x), each in [100, 400].
    nodules_per_scan
        Mean number of lung nodules, in [0, 30]; their number is Poisson's, less those that find no room.
    diameter_mm
        Smallest and largest diameter of nodules, within [3, 40]; small ones are more frequent, as 1 / diameter.
    subsolid_fraction, spiculated_fraction
        Share of nodules that are subsolid; of solid ones that have spicules.
    nodes_per_scan, small_nodes_per_scan
        Mean number of lymph nodes with a short axis of 10 to 30 mm, which are findings, in [0, 12], and of normal ones
        of 3 to 9 mm, in [0, 60]. A node that finds no room between the organs of its station is left out: at the
        default height, of the large ones about four in ten.
    contrast_fraction
        Share of scans with a contrast agent in the blood.
    dose_photons
        Photons sent through each square millimetre of detector, in all views together, > 0; `inf` for no noise.
    resolution_mm
        Width at half height of the point spread function in the slice, in [0.4, 4].
    seed
        Same seed and index, same scan. The person does not depend on spacing, dose and resolution.

    Returns
    -------
    Bunch
        volume : (Z, Y, X) float32, Hounsfield units in [-1024, 3071]. labels : (Z, Y, X) uint8 into `classes`.
        spacing_mm : as given. classes : tuple of str.
        nodules : Bunch(centres_mm (K, 3), diameters_mm (K,), kinds, sites): kinds are "solid", "part-solid" and
        "ground-glass", sites "free", "pleural" and "vessel". nodes : Bunch(centres_mm (K, 3), diameters_mm (K,) of
        the short axis, stations). centres_mm are (z, y, x) from the centre of the first voxel.
        enhanced : bool, contrast agent. noise_sd_hu : (Z', Y', X') coarse map of the noise. DESCR : str.

    Raises
    ------
    CourseError
        A parameter is outside its range.

    Examples
    --------
    >>> chest = make_chest(0, spacing_mm=(5, 4, 4), height_mm=100)
    >>> chest.volume.shape, chest.classes[int(chest.labels[10, 35, 15])]
    ((20, 70, 85), 'lung')
    """
    _check(
        index,
        spacing_mm=spacing_mm,
        height_mm=height_mm,
        field_mm=field_mm,
        diameter_mm=diameter_mm,
        dose_photons=dose_photons,
    )
    check_ranges(
        [
            ("nodules_per_scan", nodules_per_scan, 0, 30),
            ("nodes_per_scan", nodes_per_scan, 0, 12),
            ("small_nodes_per_scan", small_nodes_per_scan, 0, 60),
            ("subsolid_fraction", subsolid_fraction, 0, 1),
            ("spiculated_fraction", spiculated_fraction, 0, 1),
            ("contrast_fraction", contrast_fraction, 0, 1),
            ("resolution_mm", resolution_mm, 0.4, 4),
        ]
    )
    streams = [np.random.default_rng([seed, index, stream]) for stream in range(6)]
    bottom = -77.5 - 0.65 * (height_mm - 135)
    nodes: list[Node] = []

    def grow_nodes(fields: dict[str, Field], scale: Floats) -> None:
        counts = (streams[1].poisson(nodes_per_scan), streams[1].poisson(small_nodes_per_scan))
        nodes.extend(place_nodes(streams[1], fields, scale, counts, (bottom, bottom + height_mm)))

    torso = draw_torso(streams[0], grow_nodes)
    scan = Scan.empty(torso, spacing_mm, height_mm, field_mm, bottom)
    blood_hu = _blood(streams[2], contrast_fraction)
    _paint(scan, blood_hu, streams[4])
    paint_nodes(streams[1], scan, nodes, enhanced=blood_hu["enhanced"] > 0)
    nodules = place_nodules(
        streams[3],
        torso,
        streams[3].poisson(nodules_per_scan),
        diameter_mm=diameter_mm,
        shares=(subsolid_fraction, spiculated_fraction),
        heights=(bottom, bottom + height_mm),
    )
    paint_nodules(streams[3], scan, nodules)
    sd = _expose(scan, streams[5], dose_photons=dose_photons, resolution_mm=resolution_mm)
    return _bunch(scan, nodules, nodes, sd, enhanced=blood_hu["enhanced"] > 0, name=f"seed {seed}, scan {index}")


def _blood(rng: np.random.Generator, contrast_fraction: float) -> dict[str, float]:
    """Return Hounsfield units of blood in each circulation and of what it brightens, after an injection or not."""
    enhanced = float(rng.random() < contrast_fraction)
    lungs, arteries, veins = rng.uniform(150, 280), rng.uniform(140, 260), rng.uniform(150, 320)
    muscle = 0.28 * arteries
    return {
        "enhanced": enhanced,
        "lungs": BLOOD_HU + enhanced * lungs,
        "arteries": BLOOD_HU + enhanced * arteries,
        "veins": BLOOD_HU + enhanced * veins,
        "heart": BLOOD_HU + enhanced * 0.5 * (lungs + arteries),
        "muscle": 48 + enhanced * muscle,
        "abdomen": 58 + enhanced * 25,
    }


def _paint(scan: Scan, blood_hu: dict[str, float], rng: np.random.Generator) -> None:
    """Paint the person into the scan: slices, then tubes."""
    sampler = scan.sampler()
    for k in range(len(scan.hu)):
        paint_slice(scan, sampler, k, blood_hu)
    torso = scan.torso
    inside = _is(scan, "mediastinum", "lung")
    for name, tubes in torso.vessels.items():
        _tubes(scan, tubes, blood_hu[name], "vessel", inside=inside | _is(scan, "heart"))
    _trees(scan, blood_hu["lungs"], inside)
    _tubes(scan, torso.oesophagus, 42.0, "oesophagus", inside=_is(scan, "mediastinum", "lung"))
    _bronchi(scan)


def _is(scan: Scan, *names: str) -> NDArray[np.bool_]:
    found = np.zeros(len(CLASSES), bool)
    found[[CODE[name] for name in names]] = True
    return np.asarray(found[scan.labels])


def _tubes(
    scan: Scan, tubes: Sequence[Segment], hu: float, name: str, *, inside: NDArray[np.bool_], wall_mm: float = 0.0
) -> None:
    """Paint tubes, thickened by a wall, where `inside`."""
    mm = [
        Segment(scan.to_mm(t.start), scan.to_mm(t.end), t.start_radius_mm + wall_mm, t.end_radius_mm + wall_mm)
        for t in tubes
    ]
    low = np.min([np.minimum(t.start, t.end) - t.start_radius_mm for t in mm], axis=0) - 3
    high = np.max([np.maximum(t.start, t.end) + t.start_radius_mm for t in mm], axis=0) + 3
    z, y, x = (slice(*np.searchsorted(a, ends).tolist()) for a, *ends in zip(scan.axes, low, high, strict=True))
    axes = [axis[part] for axis, part in zip(scan.axes, (z, y, x), strict=True)]
    if min(len(axis) for axis in axes) >= 2:
        scan.put((z, y, x), filled(mm, axes) * inside[z, y, x], hu, name)


def _trees(scan: Scan, hu: float, inside: NDArray[np.bool_]) -> None:
    """Paint arteries and veins of the lungs."""
    share = np.zeros(scan.hu.shape, np.float32)
    for tree in scan.torso.arteries + scan.torso.veins:
        start, end, radius = pieces(tree)
        draw_tubes(share, scan.axes, scan.to_mm(start), scan.to_mm(end), radius)
    _blend(scan, share * inside, hu, "vessel")


def _bronchi(scan: Scan) -> None:
    """Paint airways: first their walls, then the air in them, down to a lumen of 2 mm."""
    wall = np.zeros(scan.hu.shape, np.float32)
    lumen = np.zeros(scan.hu.shape, np.float32)
    for tree in scan.torso.bronchi:
        start, end, radius = pieces(tree)
        seen = radius > 1.0
        start, end, radius = scan.to_mm(start[seen]), scan.to_mm(end[seen]), radius[seen]
        draw_tubes(wall, scan.axes, start, end, radius * 1.12 + 0.3)
        draw_tubes(lumen, scan.axes, start, end, radius)
    inside = _is(scan, "mediastinum", "lung", "vessel", "oesophagus")
    _tubes(scan, scan.torso.airways, 30.0, "airway", inside=inside, wall_mm=1.3)
    _blend(scan, wall * inside, 30.0, "airway")
    _tubes(scan, scan.torso.airways, -1000.0, "airway", inside=inside)
    _blend(scan, lumen * inside, -990.0, "airway")


def _blend(scan: Scan, share: NDArray[np.float32], hu: float, name: str) -> None:
    """Fill a share of voxels; most are empty, so only the others are touched."""
    index = np.flatnonzero(share)
    part, flat = share.reshape(-1)[index], scan.hu.reshape(-1)
    flat[index] += part * (np.float32(hu) - flat[index])
    scan.labels.reshape(-1)[index[part > 0.5]] = CODE[name]


def _expose(scan: Scan, rng: np.random.Generator, *, dose_photons: float, resolution_mm: float) -> Field:
    """Blur as the scanner does and add its noise; return the coarse map of the noise's standard deviation."""
    mm = tuple(float(axis[1] - axis[0]) for axis in scan.axes)
    blur = np.array([mm[0], resolution_mm, resolution_mm]) / FWHM / mm
    sd, spread = _noise_map(scan, mm, dose_photons=dose_photons, resolution_mm=resolution_mm)
    scan.hu = ndi.gaussian_filter(scan.hu, blur, mode="nearest", truncate=3.0)
    if np.isfinite(dose_photons):
        noise = fast_ct_noise(rng, scan.hu.shape, (mm[0], mm[1], mm[2]), resolution_mm=resolution_mm)
        z, y, x = spread
        for k in range(len(noise)):
            scan.hu[k] += noise[k] * (y @ np.tensordot(z[k], sd, 1) @ x.T)
    np.clip(scan.hu, -1024, 3071, out=scan.hu)
    return sd


def _noise_map(
    scan: Scan, mm: tuple[float, ...], *, dose_photons: float, resolution_mm: float
) -> tuple[Field, list[Field]]:
    """Return the standard deviation of the noise on a coarse grid, and matrices that interpolate it to voxels."""
    means, spread = zip(
        *(_bins(n, step, want) for n, step, want in zip(scan.hu.shape, mm, (12, 6, 6), strict=True)), strict=True
    )
    coarse = np.stack([means[1] @ np.tensordot(row, scan.hu, 1) @ means[2].T for row in means[0]])
    cell = 6.0
    n = int(np.ceil(np.hypot(*coarse.shape[1:]))) | 1
    top, left = ((n - size) // 2 for size in coarse.shape[1:])
    sd = np.empty(coarse.shape, np.float32)
    for k, hu in enumerate(coarse):
        square = np.full((n, n), -1000.0)
        here = (slice(top, top + hu.shape[0]), slice(left, left + hu.shape[1]))
        square[here] = hu
        sd[k] = noise_sd(
            square, spacing_mm=cell, dose_photons=dose_photons, thickness_mm=mm[0], resolution_mm=resolution_mm
        )[here]
    return sd, list(spread)


def _bins(n: int, step_mm: float, cell_mm: float) -> tuple[Field, Field]:
    """Return the matrix that averages n voxels in cells of about this size, and the one that interpolates back."""
    place = (np.arange(n) + 0.5) * step_mm / cell_mm - 0.5  # in cells
    m = max(1, int(np.ceil(n * step_mm / cell_mm)))
    hat = np.clip(1 - np.abs(np.clip(place, 0, m - 1)[:, None] - np.arange(m)[None, :]), 0, 1).astype(np.float32)
    return np.asarray((hat / np.maximum(hat.sum(0), 1e-6)).T, np.float32), hat


def _bunch(scan: Scan, nodules: list[Nodule], nodes: list[Node], sd: Field, *, enhanced: bool, name: str) -> Bunch:
    """Return the scan with its truth, places from the centre of the first voxel."""
    first = np.array([axis[0] for axis in scan.axes])
    spacing = tuple(round(float(axis[1] - axis[0]), 9) for axis in scan.axes)
    return Bunch(
        volume=scan.hu,
        labels=scan.labels,
        spacing_mm=spacing,
        classes=CLASSES,
        nodules=Bunch(
            centres_mm=np.array([n.centre for n in nodules]).reshape(-1, 3) - first,
            diameters_mm=np.array([n.diameter_mm for n in nodules]),
            kinds=[n.kind for n in nodules],
            sites=[n.site for n in nodules],
        ),
        nodes=Bunch(
            centres_mm=np.array([scan.to_mm(n.centre) for n in nodes]).reshape(-1, 3) - first,
            diameters_mm=np.array([n.short_mm for n in nodes]),
            stations=[n.station for n in nodes],
        ),
        enhanced=enhanced,
        noise_sd_hu=sd,
        DESCR=f"SIMULATED CT of a chest, {name}; drawn, not scanned. See make_chest.",
    )


def _check(
    index: int,
    *,
    spacing_mm: Spacing,
    height_mm: float,
    field_mm: tuple[float, float],
    diameter_mm: tuple[float, float],
    dose_photons: float,
) -> None:
    if index < 0:
        raise CourseError(f"index must be at least 0, got {index}")
    if len(spacing_mm) != 3 or not all(0.4 <= mm <= 10 for mm in spacing_mm):
        raise CourseError(f"spacing_mm must be three numbers (z, y, x), each in [0.4, 10], got {spacing_mm}")
    if len(field_mm) != 2 or not all(100 <= mm <= 400 for mm in field_mm):
        raise CourseError(f"field_mm must be two numbers (y, x), each in [100, 400], got {field_mm}")
    if not 3 <= diameter_mm[0] <= diameter_mm[1] <= 40:
        raise CourseError(f"diameter_mm must be (smallest, largest) within [3, 40], got {diameter_mm}")
    if not dose_photons > 0:
        raise CourseError(f"dose_photons must be > 0 (inf for no noise), got {dose_photons}")
    check_ranges([("height_mm", height_mm, 20, 300)])
