"""Planes and boxes cut out of a volume in millimetres, in any direction, for many places at once.

Everything is in the volume's own millimetres: z, y, x from the middle of the first voxel (`datasets.geometry` leads
there from the patient's coordinates). A plane of n pixels and a side of s mm has square pixels of s / n mm; pixel i has
its middle at (i - (n - 1) / 2) s / n from the plane's centre. So the same millimetres are seen whatever the spacing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from medcourse.errors import CourseError

Spacing = tuple[float, float, float]
_POINTS_AT_ONCE = 4_000_000  # 48 MB of coordinates

_Z, _Y, _X = np.eye(3)
# Rows go down the picture, columns to its right: towards the back, the feet, and the patient's left.
ORTHOGONAL_PLANES: NDArray[np.float64] = np.array([[_Y, _X], [-_Z, _X], [-_Z, _Y]]) + 0.0  # no -0
ORTHOGONAL_PLANES.flags.writeable = False


def nine_planes() -> NDArray[np.float64]:
    """Return the nine planes of symmetry of a cube, the views of Setio et al. 2016.

    Returns
    -------
    ndarray
        (9, 2, 3) unit vectors (z, y, x): for each plane the direction of its rows, then that of its columns. First the
        axial, coronal and sagittal plane, then the six that cut two faces of the cube along their diagonals: about the
        x axis, the y axis and the z axis, two each.

    Examples
    --------
    >>> planes = nine_planes()
    >>> planes.shape, float(abs((planes[:, 0] * planes[:, 1]).sum(-1)).max())
    ((9, 2, 3), 0.0)
    """
    half = np.sqrt(0.5)
    diagonal = [
        [rows, columns]
        for sign in (1, -1)
        for rows, columns in (
            (half * (-_Z + sign * _Y), _X),
            (half * (-_Z + sign * _X), _Y),
            (-_Z, half * (_Y + sign * _X)),
        )
    ]
    # By axis, and within it by sign.
    by_axis = np.array(diagonal).reshape(2, 3, 2, 3).swapaxes(0, 1).reshape(6, 2, 3)
    return np.concatenate([ORTHOGONAL_PLANES, by_axis + 0.0])


def sample_planes(
    volume: Any,
    spacing_mm: Spacing,
    centres_mm: ArrayLike,
    axes: ArrayLike,
    *,
    side_mm: ArrayLike,
    n_px: int,
    fill: float | None = None,
    device: torch.device | None = None,
) -> NDArray[np.float32]:
    """Read planes of any direction out of a volume, interpolated linearly between the eight voxels around.

    Parameters
    ----------
    volume
        (Z, Y, X) array or tensor.
    spacing_mm
        Size of a voxel along (z, y, x).
    centres_mm
        (3,) or (N, 3), the planes' centres (z, y, x), mm from the first voxel's middle.
    axes
        (P, 2, 3), or (N, P, 2, 3) where each centre has planes of its own: for each plane the unit vectors (z, y, x)
        along which its rows and its columns are counted. See `nine_planes`.
    side_mm
        Side of a plane; one number, or one for each plane, (P,) or (N, P).
    n_px
        Pixels along a side.
    fill
        Value more than half a voxel outside of the volume; the nearest voxel is repeated if not given.
    device
        Where to compute; the volume's own, or the processor, if not given.

    Returns
    -------
    ndarray
        (P, n_px, n_px) for one centre, (N, P, n_px, n_px) for several, float32.

    Notes
    -----
    Nothing is smoothed: pixels much wider than voxels skip some. SimpleITK's ResampleImageFilter gives the same values.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(5.0)[:, None, None] * np.ones((1, 5, 5))  # the value is the slice's number
    >>> axial_and_coronal = ORTHOGONAL_PLANES[:2]
    >>> sample_planes(ramp, (3, 1, 1), (6, 2, 2), axial_and_coronal, side_mm=6, n_px=2)[1].tolist()
    [[2.5, 2.5], [1.5, 1.5]]
    """
    directions = np.asarray(axes, dtype=np.float64)
    if directions.ndim not in (3, 4) or directions.shape[-2:] != (2, 3):
        raise CourseError(f"axes must be (P, 2, 3) or (N, P, 2, 3), got {directions.shape}")
    _check_units(directions)
    centres, one = _centres(centres_mm)
    directions = np.broadcast_to(directions, (len(centres), *directions.shape[-3:]))  # (N, P, 2, 3)
    n_planes = directions.shape[1]
    sides = np.broadcast_to(np.asarray(side_mm, dtype=np.float64), (len(centres), n_planes))
    offsets = _offsets(n_px)
    steps = directions * sides[..., None, None]  # (N, P, 2, 3)

    def places(chunk: slice) -> NDArray[np.float64]:
        rows = steps[chunk, :, 0, None, None] * offsets[:, None, None]  # (N, P, n, 1, 3)
        columns = steps[chunk, :, 1, None, None] * offsets[None, :, None]  # (N, P, 1, n, 3)
        return centres[chunk, None, None, None] + rows + columns

    sampled = _sample(volume, spacing_mm, places, len(centres), n_planes * n_px**2, fill=fill, device=device)
    planes = sampled.reshape(len(centres), n_planes, n_px, n_px)
    return planes[0] if one else planes


def sample_boxes(
    volume: Any,
    spacing_mm: Spacing,
    centres_mm: ArrayLike,
    *,
    side_mm: float | Sequence[float],
    n_vox: int | Sequence[int],
    axes: ArrayLike | None = None,
    fill: float | None = None,
    device: torch.device | None = None,
) -> NDArray[np.float32]:
    """Read boxes out of a volume, interpolated linearly; the three-dimensional twin of `sample_planes`.

    Parameters
    ----------
    volume, spacing_mm, centres_mm, fill, device
        As for `sample_planes`.
    side_mm, n_vox
        Of a box along its three axes, or one number for all.
    axes
        (3, 3) or (N, 3, 3), unit vectors (z, y, x) along which the box's three axes are counted; the volume's own if
        not given.

    Returns
    -------
    ndarray
        (n_z, n_y, n_x) for one centre, (N, n_z, n_y, n_x) for several, float32.

    Examples
    --------
    >>> import numpy as np
    >>> volume = np.arange(27.0).reshape(3, 3, 3)
    >>> bool((sample_boxes(volume, (2, 1, 1), (2, 1, 1), side_mm=(6, 3, 3), n_vox=3) == volume).all())
    True
    """
    directions = np.eye(3) if axes is None else np.asarray(axes, dtype=np.float64)
    if directions.ndim not in (2, 3) or directions.shape[-2:] != (3, 3):
        raise CourseError(f"axes must be (3, 3) or (N, 3, 3), got {directions.shape}")
    _check_units(directions)
    centres, one = _centres(centres_mm)
    directions = np.broadcast_to(directions, (len(centres), 3, 3))
    sides, sizes = np.broadcast_to(side_mm, 3), np.broadcast_to(n_vox, 3)
    offsets = [_offsets(int(n)) * side for n, side in zip(sizes, sides, strict=True)]

    def places(chunk: slice) -> NDArray[np.float64]:
        where = centres[chunk, None, None, None]
        for axis, offset in enumerate(offsets):
            along = np.expand_dims(offset, tuple({0, 1, 2, 3} - {axis}))  # (n, 1, 1, 1), (1, n, 1, 1) or (1, 1, n, 1)
            where = where + directions[chunk, axis, None, None, None] * along
        return np.asarray(where)  # (N, n_z, n_y, n_x, 3)

    sampled = _sample(volume, spacing_mm, places, len(centres), int(np.prod(sizes)), fill=fill, device=device)
    boxes = sampled.reshape(len(centres), *(int(n) for n in sizes))
    return boxes[0] if one else boxes


def _sample(
    volume: Any,
    spacing_mm: Spacing,
    places: Any,
    n_centres: int,
    points_each: int,
    *,
    fill: float | None,
    device: torch.device | None,
) -> NDArray[np.float32]:
    """Read the volume at `places(slice of centres)`, (n, ..., 3) in mm, in chunks that fit into memory."""
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (3,) or not (spacing > 0).all() or not np.isfinite(spacing).all():
        raise CourseError(f"spacing_mm must be three positive numbers (z, y, x), got {spacing_mm}")
    voxels = torch.as_tensor(volume)
    if voxels.ndim != 3 or not voxels.numel():
        raise CourseError(f"volume must have shape (Z, Y, X), got {tuple(voxels.shape)}")
    voxels = voxels.to(device=device or voxels.device, dtype=torch.float32)
    result = np.empty((n_centres, points_each), np.float32)
    step = max(1, _POINTS_AT_ONCE // points_each)
    for start in range(0, n_centres, step):
        chunk = slice(start, start + step)
        where = torch.as_tensor((places(chunk) / spacing).reshape(-1, 3).astype(np.float32), device=voxels.device)
        result[chunk] = _read(voxels, where, fill).reshape(-1, points_each).cpu().numpy()
    return result


def _read(voxels: Tensor, where: Tensor, fill: float | None) -> Tensor:
    """Return the value at each place (M, 3), in voxels z, y, x."""
    last = torch.tensor(voxels.shape, device=where.device, dtype=where.dtype) - 1
    # From voxels to grid_sample's -1 ... 1; an axis of one voxel has no length, so everything lies at its 0.
    unit = torch.where(last > 0, 2 * where / last.clamp(min=1) - 1, 0.0)
    grid = unit.flip(-1)[None, :, None, None]  # (1, M, 1, 1, 3), in the order x, y, z
    values = functional.grid_sample(voxels[None, None], grid, "bilinear", "border", align_corners=True).reshape(-1)
    if fill is None:
        return values
    outside = ((where < -0.5) | (where > last + 0.5)).any(-1)
    return values.masked_fill(outside, fill)


def _offsets(n: int) -> NDArray[np.float64]:
    """Return the middles of n equal parts of a side of length 1, from its centre."""
    if n < 1:
        raise CourseError(f"a plane or box needs at least 1 pixel along each side, got {n}")
    return (np.arange(n) - (n - 1) / 2) / n


def _centres(centres_mm: ArrayLike) -> tuple[NDArray[np.float64], bool]:
    centres = np.asarray(centres_mm, dtype=np.float64)
    if centres.ndim not in (1, 2) or centres.shape[-1] != 3:
        raise CourseError(f"centres_mm must be (3,) or (N, 3), got {centres.shape}")
    return np.atleast_2d(centres), centres.ndim == 1


def _check_units(directions: NDArray[np.float64]) -> None:
    products = directions @ np.swapaxes(directions, -1, -2)
    if not np.allclose(products, np.eye(directions.shape[-2]), atol=1e-3):
        raise CourseError("axes must be unit vectors at right angles to each other: divide each by its length")
