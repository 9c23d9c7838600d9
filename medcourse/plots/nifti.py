"""Volumes as NIfTI, for viewers that take files."""

from typing import Any

import numpy as np


def to_nifti(voxels: np.ndarray, spacing_mm: tuple[float, float, float]) -> Any:
    """Return a volume (Z, Y, X) as a nibabel image (X, Y, Z) whose affine leads to RAS+ millimetres.

    The first voxel is the origin. Whole numbers that fit are kept as int16, everything else becomes float32.

    Examples
    --------
    >>> import numpy as np
    >>> to_nifti(np.zeros((8, 4, 2), dtype="uint8"), (3, 1, 0.5)).affine.diagonal().tolist()
    [-0.5, -1.0, 3.0, 1.0]
    """
    import nibabel  # noqa: PLC0415  (only niivue needs it)

    whole = voxels.dtype.kind in "bui" and voxels.min() >= -(2**15) and voxels.max() < 2**15
    z, y, x = spacing_mm
    make: Any = nibabel.Nifti1Image  # untyped
    image = make(voxels.T.astype(np.int16 if whole else np.float32), np.diag([-x, -y, z, 1.0]))
    image.header.set_xyzt_units("mm")
    return image
