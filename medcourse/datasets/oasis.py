"""neurite-OASIS: 414 brains in T1-weighted MRI, without skull, aligned to each other, with label maps.

Of https://github.com/adalca/medical-datasets; who uses it agrees to the OASIS data use agreement. A folder a person:
`OASIS_OAS1_0001_MR1/slice_norm.nii.gz` and `slice_seg24.nii.gz` (one coronal slice), `aligned_norm.nii.gz` and
`aligned_seg35.nii.gz`, `aligned_seg24.nii.gz` or `aligned_seg4.nii.gz` (the volume).
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

_NAMES = {2: ("slice_norm", ("slice_seg24", "slice_seg4")), 3: ("aligned_norm", ("aligned_seg35", "aligned_seg24"))}
_ENDINGS = (".nii.gz", ".nii")


def read_neurite_oasis(folder: Path, *, dims: Literal[2, 3] = 2, most: int | None = None) -> Bunch:
    """Read slices or volumes with their label maps.

    Parameters
    ----------
    folder
        Holds a folder for each person.
    dims
        2 for the slices, 3 for the volumes (27 MB each in memory).
    most
        Read the first so many people only.

    Returns
    -------
    Bunch
        images : (N, *S) float32, grey values in about [0, 1]. numbers : (N, *S) int16, the files' numbers of
        structures, 0 outside. subjects : names of the folders, sorted. spacing_mm : 1.0. description.

    Raises
    ------
    CourseError
        There is no such person, a label map is missing, or shapes differ.
    """
    folder = Path(folder)
    image_name, label_names = _NAMES[dims]
    people = sorted({p.parent for p in folder.glob(f"*/{image_name}.nii*")})[:most]
    if not people:
        expected = f"*/{image_name}.nii.gz"
        raise CourseError(f"expected neurite-OASIS's files {expected} in {folder.name}, got none")
    images: list[NDArray[np.float32]] = []
    numbers: list[NDArray[np.int16]] = []
    for person in people:
        image = _read(_find(person, (image_name,))).astype(np.float32)
        marks = _read(_find(person, label_names))
        expected_shape = images[0].shape if images else image.shape
        if image.shape != expected_shape or marks.shape != image.shape or image.ndim != dims:
            raise CourseError(
                f"{person.name}: expected image and labels of {expected_shape if images else f'{dims} axes'}, "
                f"got {image.shape} and {marks.shape}"
            )
        images.append(image)
        numbers.append(np.rint(marks).astype(np.int16))
    return Bunch(
        images=np.stack(images),
        numbers=np.stack(numbers),
        subjects=[person.name for person in people],
        spacing_mm=1.0,
        description=f"neurite-OASIS, {len(people)} people",
    )


def _find(person: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        for ending in _ENDINGS:
            if (path := person / f"{name}{ending}").is_file():
                return path
    raise CourseError(f"{person.name}: expected {' or '.join(f'{n}.nii.gz' for n in names)}, found none")


def _read(path: Path) -> NDArray[np.float32]:
    """Return the stored voxels; a slice has a third axis of length one in its file."""
    import nibabel  # noqa: PLC0415

    try:
        stored: Any = nibabel.load(path)
        voxels = np.asarray(stored.get_fdata(dtype=np.float32))
    except Exception as error:
        raise CourseError(f"{path.parent.name}/{path.name} cannot be read as NIfTI: {error}") from error
    return np.asarray(np.squeeze(voxels))
