"""Where a volume lies in the patient: from voxels to millimetres and back, whatever wrote the file.

A volume is an array (Z, Y, X). The patient's coordinates are x, y, z in millimetres, growing to the left, to the back
and to the head (LPS), as in DICOM and ITK; NIfTI's grow to the right, to the front and to the head (RAS). Between the
two stands a third, which most of the course uses: millimetres z, y, x from the middle of the volume's first voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Geometry:
    """Spacing, origin and direction of a volume.

    Parameters
    ----------
    spacing_mm
        Size of a voxel along (z, y, x). A negative one, as some programs write, is read as a flipped direction: each
        voxel stays where it was.
    origin_mm
        The patient's (x, y, z) of the first voxel's middle.
    directions
        (3, 3); rows are the unit steps of the volume's x, y and z in the patient's (x, y, z), as `read_dicom_series`
        gives them. ITK keeps the same numbers in columns.

    Raises
    ------
    CourseError
        A number is missing or no number, a spacing is zero, or the directions are not at right angles to each other.

    Examples
    --------
    >>> scan = Geometry(spacing_mm=(2.5, 0.5, 0.5), origin_mm=(-100, -80, 40))
    >>> scan.to_world([4, 0, 10]).tolist()
    [-95.0, -80.0, 50.0]
    >>> scan.to_voxel([-95, -80, 50]).tolist()
    [4.0, 0.0, 10.0]
    """

    spacing_mm: tuple[float, float, float]
    origin_mm: ArrayLike = (0.0, 0.0, 0.0)
    directions: ArrayLike = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def __post_init__(self) -> None:
        spacing = _numbers(self.spacing_mm, (3,), "spacing_mm must be three numbers (z, y, x)")
        origin = _numbers(self.origin_mm, (3,), "origin_mm must be three numbers (x, y, z)")
        directions = _numbers(self.directions, (3, 3), "directions must be three unit steps (3, 3)")
        if (spacing == 0).any():
            raise CourseError(f"spacing_mm must not be 0, got {tuple(spacing.tolist())}")
        if not np.allclose(directions @ directions.T, np.eye(3), atol=1e-3):
            raise CourseError(
                f"directions must be unit steps at right angles, got {directions.round(4).tolist()}: is it sheared?"
            )
        flipped = np.sign(spacing)[::-1, None]  # (3, 1) in the order x, y, z of the rows
        object.__setattr__(self, "spacing_mm", tuple(np.abs(spacing).tolist()))
        object.__setattr__(self, "origin_mm", origin)
        object.__setattr__(self, "directions", directions * flipped)

    @property
    def _steps(self) -> Floats:
        """(3, 3): rows are how far one voxel along z, y, x leads in the patient's x, y, z."""
        return np.asarray(np.asarray(self.directions)[::-1] * np.asarray(self.spacing_mm)[:, None])

    def to_world(self, voxels: ArrayLike) -> Floats:
        """Return the patient's (x, y, z) in mm, (..., 3), of places (z, y, x) in voxels, (..., 3)."""
        return np.asarray(_points(voxels) @ self._steps + np.asarray(self.origin_mm))

    def to_voxel(self, world_mm: ArrayLike) -> Floats:
        """Return places (z, y, x) in voxels, (..., 3), of the patient's (x, y, z) in mm, (..., 3); fractions remain."""
        return np.asarray((_points(world_mm) - np.asarray(self.origin_mm)) @ np.linalg.inv(self._steps))

    def to_local(self, world_mm: ArrayLike) -> Floats:
        """Return (z, y, x) in mm from the first voxel's middle, (..., 3), of the patient's (x, y, z), (..., 3)."""
        return np.asarray(self.to_voxel(world_mm) * np.asarray(self.spacing_mm))

    def from_local(self, local_mm: ArrayLike) -> Floats:
        """Return the patient's (x, y, z) in mm, (..., 3), of (z, y, x) from the first voxel's middle, (..., 3)."""
        return self.to_world(_points(local_mm) / np.asarray(self.spacing_mm))


def geometry_of_image(image: Any) -> Geometry:
    """Return where a three-dimensional SimpleITK image lies; its array is `GetArrayFromImage(image)`, (Z, Y, X)."""
    if image.GetDimension() != 3:
        raise CourseError(f"image must have three dimensions, got {image.GetDimension()}")
    return Geometry(
        spacing_mm=image.GetSpacing()[::-1],
        origin_mm=image.GetOrigin(),
        directions=np.reshape(image.GetDirection(), (3, 3)).T,
    )


def geometry_of_affine(affine: ArrayLike) -> Geometry:
    """Return where the transposed array of a NIfTI image lies.

    Parameters
    ----------
    affine
        (4, 4), from voxels (i, j, k) to RAS millimetres, as nibabel's `image.affine`. nibabel's array is (I, J, K),
        that is (X, Y, Z): the volume of the course is `array.T`.

    Examples
    --------
    >>> import numpy as np
    >>> geometry_of_affine(np.diag([-0.7, -0.7, 2.5, 1])).spacing_mm
    (2.5, 0.7, 0.7)
    """
    matrix = _numbers(affine, (4, 4), "affine must be (4, 4)")
    steps = _RAS_TO_LPS @ matrix[:3, :3]  # columns: one voxel along i, j, k
    lengths = np.linalg.norm(steps, axis=0)
    if (lengths == 0).any():
        raise CourseError(f"affine must lead somewhere along each axis, got steps of {lengths.tolist()} mm")
    return Geometry(
        spacing_mm=tuple(lengths[::-1].tolist()),
        origin_mm=_RAS_TO_LPS @ matrix[:3, 3],
        directions=(steps / lengths).T,
    )


def _numbers(values: Any, shape: tuple[int, ...], wanted: str) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise CourseError(f"{wanted}, got {values}") from None
    if array.shape != shape or not np.isfinite(array).all():
        raise CourseError(f"{wanted}, got {values}")
    return array


def _points(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 1 or array.shape[-1] != 3:
        raise CourseError(f"places must be (..., 3), got {array.shape}")
    return array
