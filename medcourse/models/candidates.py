"""The first tier of computer-aided detection in chest CT: places that a nodule or a lymph node may be at.

It looks for bright blobs over a few sizes, in millimetres: a ball answers the Laplacian of a Gaussian most where the
Gaussian's sigma is its radius over the square root of 3, and its second derivatives are alike in all directions, where
those of a vessel vanish along it. It wants to miss nothing, so most of what it finds is something else: vessels that
cross, bend or branch, bumps of the pleura. A second tier tells them apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.spatial import cKDTree
from sklearn.utils import Bunch

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Voxels = NDArray[np.float32]
Spacing = tuple[float, float, float]
MASK_MM = 3.0  # masks need no finer grid

NODULE_RADII_MM = (1.9, 2.7, 3.8, 5.4, 7.6, 10.8)
NODE_RADII_MM = (4.2, 5.5, 7.2, 9.5, 12.5)


def find_nodule_candidates(
    volume: NDArray[np.floating],
    spacing_mm: Spacing,
    *,
    radii_mm: Sequence[float] = NODULE_RADII_MM,
    min_score_hu: float = 85.0,
    merge_mm: float = 4.0,
) -> Bunch:
    """Find places in the lungs that may be nodules.

    Parameters
    ----------
    volume
        (Z, Y, X) CT in Hounsfield units; the body does not touch the border along y and x all around, or lungs and
        the air outside cannot be told apart.
    spacing_mm
        Size of a voxel along (z, y, x).
    radii_mm
        Radii that are looked for.
    min_score_hu
        Score below which a place is dropped. A score is the filter's answer, for a ball of the best radius 0.92 of its
        contrast, times its roundness: the smallest over the largest second derivative, 1 for a ball, 0 for a tube.
    merge_mm
        Of two candidates that are nearer than this, or than the radius of the stronger one, the weaker is dropped.

    Returns
    -------
    Bunch
        centres_mm : (N, 3) float64, (z, y, x) from the centre of the first voxel. scores : (N,) float64, > 0, from high
        to low. radii_mm : (N,) float64.

    Raises
    ------
    CourseError
        The volume has not three axes, a spacing is not positive, or there is no lung in it.
    """
    _check(volume, spacing_mm)
    lung, grid_mm = lung_mask(volume, spacing_mm), min(radii_mm) / 1.27
    found = []
    for step, radii in _grids(grid_mm, radii_mm):
        # At -200 a voxel is soft tissue for the greater part: a dense vessel shall not outshine a faint nodule.
        image = resample(np.clip(volume, -950, -200).astype(np.float32, copy=False), spacing_mm, step)
        inside = _enlarge(lung, step, image.shape)
        # A wall of soft tissue that the mask's edge cuts is no blob: only what juts out farther counts.
        image[~inside | (~_enlarge(lung, step, image.shape, 0.95) & (image > -600))] = -850
        found.append(_blobs(image, inside, step, radii, min_score_hu))
        # Ground glass with vessels in it is no ball until vessels are no brighter than it is.
        hazy = _blobs(np.minimum(image, -550), inside, step, radii, min_score_hu / 2)
        hazy[:, 3] *= 2
        found.append(hazy[hazy[:, 4] > 2.5])
    return _merge(found, merge_mm)


def find_node_candidates(
    volume: NDArray[np.floating],
    spacing_mm: Spacing,
    *,
    radii_mm: Sequence[float] = NODE_RADII_MM,
    min_score_hu: float = 25.0,
    merge_mm: float = 6.0,
) -> Bunch:
    """Find places between the lungs that may be lymph nodes: blobs of soft tissue in fat.

    Blood with contrast agent, brighter than a node ever is, counts as dark; without it vessels look as nodes do.
    Parameters, results and errors are those of `find_nodule_candidates`.
    """
    _check(volume, spacing_mm)
    between = mediastinum_mask(volume, spacing_mm)
    found = []
    for step, radii in _grids(2.0, radii_mm):
        image = _as_soft_tissue(resample(volume, spacing_mm, step))
        inside = _enlarge(between, step, image.shape)
        found.append(_blobs(image, inside, step, radii, min_score_hu))
    return _merge(found, merge_mm)


def lung_mask(volume: NDArray[np.floating], spacing_mm: Spacing, *, close_mm: float = 10.0) -> NDArray[np.bool_]:
    """Return where the lungs are, with all that they enclose or that juts into them by up to about `close_mm`.

    Returns
    -------
    (Z', Y', X') on a grid of `MASK_MM` from the first voxel's centre on.
    """
    return _close(_aerated(volume, spacing_mm), close_mm)


def mediastinum_mask(volume: NDArray[np.floating], spacing_mm: Spacing) -> NDArray[np.bool_]:
    """Return what lies between the lungs: in a slice's convex hull of both of them, and neither aerated nor outside.

    The grid is that of `lung_mask`.
    """
    from skimage import morphology  # noqa: PLC0415  (slow to import)

    convex_hull_image: Any = morphology.convex_hull_image  # scikit-image has types for some functions only

    lung = _aerated(volume, spacing_mm)
    hull = np.zeros_like(lung)
    for k in np.flatnonzero(lung.any((1, 2))):
        hull[k] = convex_hull_image(lung[k])
    return np.asarray(hull & ~ndi.binary_erosion(lung, np.ones((3, 3, 3))))


def resample(volume: NDArray[np.floating], spacing_mm: Spacing, step_mm: float) -> Voxels:
    """Return a volume on cubes of `step_mm` from the first voxel's centre on; what is finer is averaged."""
    out = np.asarray(volume, np.float32)
    for mm in spacing_mm:  # each pass works on the first axis and puts it last
        n = out.shape[0]
        place = np.arange(int((n - 1) * mm / step_mm + 1e-6) + 1) * step_mm
        weight = np.clip(1 - np.abs(place[:, None] - np.arange(n)[None, :] * mm) / max(mm, step_mm), 0, None)
        weight /= weight.sum(1, keepdims=True)
        rows = weight.astype(np.float32) @ out.reshape(n, -1)
        out = np.ascontiguousarray(np.moveaxis(rows.reshape(len(place), *out.shape[1:]), 0, -1))
    return out


def _as_soft_tissue(volume: Voxels) -> Voxels:
    """Return Hounsfield units between fat and a node; blood with contrast agent, and the edge around it, is as fat."""
    bright = ndi.binary_dilation(volume > 140, np.ones((3, 3, 3)))
    return np.asarray(np.where(bright, -110, np.clip(volume, -110, 90)), np.float32)


def _aerated(volume: NDArray[np.floating], spacing_mm: Spacing) -> NDArray[np.bool_]:
    """Return the air inside of the body, on a grid of `MASK_MM`, in pieces of 50 ml and more."""
    air = resample(np.asarray(volume, np.float32), spacing_mm, MASK_MM) < -450
    pieces, n = ndi.label(air)
    border = np.unique(np.concatenate([pieces[:, [0, -1]].ravel(), pieces[:, :, [0, -1]].ravel()]))
    size = np.bincount(pieces.ravel(), minlength=n + 1) * MASK_MM**3 / 1000
    keep = size >= 50
    keep[0] = False
    keep[border] = False
    if not keep.any():
        raise CourseError(
            "expected a chest CT in Hounsfield units with 50 ml of air or more inside of the body, found none: is the "
            "volume rescaled, and is there a margin around the body?"
        )
    return np.asarray(keep[pieces])


def _close(mask: NDArray[np.bool_], radius_mm: float) -> NDArray[np.bool_]:
    """Close a mask with a ball; the border counts as more of the same, for lungs go on beyond it."""
    pad = int(np.ceil(radius_mm / MASK_MM)) + 1
    padded = np.pad(mask, pad, mode="edge")
    grown = ndi.distance_transform_edt(~padded) * MASK_MM <= radius_mm
    shrunk = ndi.distance_transform_edt(grown) * MASK_MM > radius_mm
    inner = (slice(pad, -pad),) * 3
    return np.asarray(shrunk[inner] | mask)


def _enlarge(mask: NDArray[np.bool_], step_mm: float, shape: tuple[int, ...], level: float = 0.5) -> NDArray[np.bool_]:
    """Return a mask of `MASK_MM` on a finer grid from the same place on, smooth; a higher level makes it smaller."""
    share = mask.astype(np.float32)
    for n in shape:
        place = np.clip(np.arange(n) * step_mm / MASK_MM, 0, share.shape[0] - 1)
        weight = np.clip(1 - np.abs(place[:, None] - np.arange(share.shape[0])[None, :]), 0, 1).astype(np.float32)
        rows = (weight @ share.reshape(share.shape[0], -1)).reshape(n, *share.shape[1:])
        share = np.ascontiguousarray(np.moveaxis(rows, 0, -1))
    return np.asarray(share > level)


def _grids(fine_mm: float, radii_mm: Sequence[float]) -> list[tuple[float, list[float]]]:
    """Return grids with the radii that are looked for on them: large ones need no fine one."""
    small = [r for r in radii_mm if r < 3 * fine_mm]
    large = [r for r in radii_mm if r >= 3 * fine_mm]
    return [(step, radii) for step, radii in ((fine_mm, small), (2 * fine_mm, large)) if radii]


def _blobs(
    image: Voxels,
    inside: NDArray[np.bool_],
    step_mm: float,
    radii_mm: Sequence[float],
    min_score: float,
) -> Floats:
    """Return (N, 5): place in millimetres, score and radius of blobs on a grid of cubes."""
    box = ndi.find_objects(inside.astype(np.uint8))
    if not box:
        return np.zeros((0, 5))
    margin = [slice(max(s.start - 8, 0), s.stop + 8) for s in box[0]]
    part = (margin[0], margin[1], margin[2])
    image, inside = image[part], inside[part]
    first = np.array([s.start for s in part])
    rows = []
    for radius in radii_mm:
        sigma = radius / np.sqrt(3) / step_mm
        smooth = ndi.gaussian_filter(image, sigma, mode="nearest", truncate=3.0)
        answer = np.zeros_like(smooth)
        answer[1:-1, 1:-1, 1:-1] = -(sigma**2) * (
            smooth[2:, 1:-1, 1:-1] + smooth[:-2, 1:-1, 1:-1] + smooth[1:-1, 2:, 1:-1] + smooth[1:-1, :-2, 1:-1]
            + smooth[1:-1, 1:-1, 2:] + smooth[1:-1, 1:-1, :-2] - 6 * smooth[1:-1, 1:-1, 1:-1]
        )  # fmt: skip
        peaks = (answer > min_score) & inside
        peaks[[0, -1]] = peaks[:, [0, -1]] = peaks[:, :, [0, -1]] = False
        places = np.argwhere(peaks)
        places = places[_is_highest(answer, places)]
        score = answer[tuple(places.T)] * _roundness(smooth, places)
        places, score = places[score > min_score], score[score > min_score]
        where = (places + _offset(answer, places) + first) * step_mm
        rows.append(np.column_stack([where, score, np.full(len(where), radius)]))
    return np.concatenate(rows)


_NEIGHBOURS = np.array(
    [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) if (a, b, c) != (0, 0, 0)]
)


def _is_highest(answer: Voxels, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say for each place, none at the border, whether no neighbour is higher."""
    here = answer[tuple(places.T)]
    highest = np.ones(len(places), bool)
    for step in _NEIGHBOURS:
        highest &= answer[tuple((places + step).T)] <= here
    return highest


def _roundness(smooth: Voxels, places: NDArray[np.int64]) -> Floats:
    """Return the smallest over the largest curvature at each place; 0 where one of them is not that of a peak."""

    def at(*step: int) -> Floats:
        return np.asarray(smooth[tuple((places + step).T)], np.float64)

    unit = np.eye(3, dtype=int)
    hessian = np.empty((len(places), 3, 3))
    for i in range(3):
        hessian[:, i, i] = at(*unit[i]) + at(*-unit[i]) - 2 * at(0, 0, 0)
        for j in range(i):
            both, other = unit[i] + unit[j], unit[i] - unit[j]
            mixed = (at(*both) + at(*-both) - at(*other) - at(*-other)) / 4
            hessian[:, i, j] = hessian[:, j, i] = mixed
    curvature = -np.linalg.eigvalsh(hessian)  # from the largest to the smallest, positive at a peak
    return np.asarray(np.clip(curvature[:, 2], 0, None) / np.maximum(curvature[:, 0], 1e-9))


def _offset(answer: Voxels, places: NDArray[np.int64]) -> Floats:
    """Return where, within half a voxel of each place, a parabola along each axis has its top."""
    offset = np.zeros((len(places), 3))
    here = answer[tuple(places.T)].astype(np.float64)
    for i, step in enumerate(np.eye(3, dtype=int)):
        before, after = answer[tuple((places - step).T)], answer[tuple((places + step).T)]
        bend = np.minimum(before + after - 2 * here, -1e-6)
        offset[:, i] = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return offset


def _merge(found: Sequence[Floats], merge_mm: float) -> Bunch:
    """Keep the strongest of candidates that are near each other."""
    rows = np.concatenate(found)
    rows = rows[np.argsort(-rows[:, 3], kind="stable")]
    alive = np.ones(len(rows), bool)
    if len(rows):
        tree = cKDTree(rows[:, :3])
        for i in range(len(rows)):
            if alive[i]:
                near = np.array(tree.query_ball_point(rows[i, :3], max(merge_mm, rows[i, 4])))
                alive[near[near > i]] = False
    rows = rows[alive]
    return Bunch(centres_mm=rows[:, :3], scores=rows[:, 3], radii_mm=rows[:, 4])


def _check(volume: NDArray[np.floating], spacing_mm: Spacing) -> None:
    if np.ndim(volume) != 3:
        raise CourseError(f"volume must be (Z, Y, X), got shape {np.shape(volume)}")
    if len(spacing_mm) != 3 or min(spacing_mm) <= 0:
        raise CourseError(f"spacing_mm must be three positive numbers (z, y, x), got {spacing_mm}")
