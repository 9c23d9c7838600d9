"""Brains with a label map beside each: NIfTI files in a folder; the template with tissue maps that nilearn brings."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.ages import PARTS
from medcourse.errors import CourseError

# FreeSurfer's numbers of structures (its FreeSurferColorLUT), sorted into PARTS. Hippocampus and amygdala count as
# cortical grey matter, the ventral diencephalon as brain stem, the choroid plexus as ventricle; vessels, optic chiasm
# and holes that no label fits are left out.
FREESURFER: dict[int, int] = {
    **dict.fromkeys([0, 30, 62, 85], 0),
    **dict.fromkeys([3, 42, 17, 53, 18, 54], 1),
    **dict.fromkeys([2, 41, 251, 252, 253, 254, 255], 2),
    **dict.fromkeys([4, 43, 5, 44, 14, 15, 31, 63, 72], 3),
    24: 4,
    **dict.fromkeys([10, 49, 11, 50, 12, 51, 13, 52, 26, 58, 80], 5),
    **dict.fromkeys([16, 28, 60], 6),
    **dict.fromkeys([7, 8, 46, 47], 7),
    77: 8,
}
_IS_LABELS = re.compile(r"(^|[_\-.])(seg|dseg|aseg|labels?|mask|manual)($|[_\-.])", re.IGNORECASE)
_NO_NAME = re.compile(r"(^|[_\-.])(seg|dseg|aseg|labels?|mask|manual|vol|image|img|t1w?|norm|brain)(?=$|[_\-.])", re.I)
_ENDINGS = (".nii.gz", ".nii", ".npz")


def read_labelled_brains(folder: Path, *, mapping: Mapping[int, int] | None = None) -> Bunch:
    """Read every image of a folder that has a label map.

    A pair is `A.nii.gz` with `A_seg.nii.gz` (or `dseg`, `aseg`, `label`, `labels`, `manual`; words such as `vol`, `T1w`
    may stand in the image's name), or the same name in the folders `images` and `labels`. A label map may also be an
    .npz with one array on the image's grid (or one called `vol_data`). Both are turned so that the first axis runs to
    the right, the second to the front, the third up, as the header says.

    Parameters
    ----------
    folder
        Is searched with its subfolders.
    mapping
        From the files' numbers to PARTS; None takes 0 to 8 as they are and FreeSurfer's numbers by its own table.

    Returns
    -------
    Bunch
        images : list of (X, Y, Z) float32. labels : list of (X, Y, Z) int8 into PARTS. spacing_mm : list of three
        floats each. subjects : their names, sorted. names : PARTS. description : str.

    Raises
    ------
    CourseError
        There is no pair, two files do not fit each other, or a number has no meaning.
    """
    folder = Path(folder)
    images, labels, spacings, names = [], [], [], []
    for name, image, numbers, spacing in _each(folder):
        images.append(image)
        labels.append(map_labels(numbers, mapping, name))
        spacings.append(spacing)
        names.append(name)
    return Bunch(
        images=images,
        labels=labels,
        spacing_mm=spacings,
        subjects=names,
        names=PARTS,
        description=f"{len(images)} labelled brains of {folder.name}",
    )


def read_numbered_brains(folder: Path) -> Bunch:
    """Read the same folders as `read_labelled_brains`, and leave the files' numbers of structures as they are.

    Returns
    -------
    Bunch
        images : list of (X, Y, Z) float32. numbers : list of (X, Y, Z) int32. spacing_mm : list of three floats each.
        subjects : their names, sorted. description : str.

    Raises
    ------
    CourseError
        There is no pair, two files do not fit each other, or a number is not whole.
    """
    folder = Path(folder)
    brains = list(_each(folder))
    for name, _, numbers, _ in brains:
        _check_whole(numbers, name)
    return Bunch(
        images=[image for _, image, _, _ in brains],
        numbers=[numbers.astype(np.int32) for _, _, numbers, _ in brains],
        spacing_mm=[spacing for *_, spacing in brains],
        subjects=[name for name, *_ in brains],
        description=f"{len(brains)} labelled brains of {folder.name}",
    )


def map_labels(
    numbers: NDArray[Any], mapping: Mapping[int, int] | None = None, where: str = "labels"
) -> NDArray[np.int8]:
    """Return parts of the brain from a file's numbers.

    Examples
    --------
    >>> map_labels(np.array([0, 3, 42, 16]))  # FreeSurfer's left and right cortex, brain stem
    array([0, 1, 1, 6], dtype=int8)
    """
    _check_whole(numbers, where)
    found, places = np.unique(numbers, return_inverse=True)
    whole = [int(number) for number in found]
    table = mapping if mapping is not None else _guess(whole)
    if unknown := [number for number in whole if number not in table]:
        raise CourseError(f"{where}: no meaning is known for {unknown[:5]}; give mapping={{number: part}}")
    if bad := [part for part in table.values() if not 0 <= part < len(PARTS)]:
        raise CourseError(f"mapping must lead to 0 to {len(PARTS) - 1}, got {bad[0]}")
    return np.array([table[number] for number in whole], np.int8)[places].reshape(numbers.shape)


def coronal_slices(
    brains: Bunch, places: Iterable[float], *, size: int = 96, spacing_mm: float = 1.9
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int64]]:
    """Cut slices across the second axis, as `make_ages` gives them: the top of the head up, the right to the right.

    Parameters
    ----------
    brains
        From `read_labelled_brains`.
    places
        Shares of the brain's length, 0 at the back and 1 at the front.
    size, spacing_mm
        Of the slices in pixels and of a pixel; images are averaged over about a pixel, labels take the nearest.

    Returns
    -------
    images : (N, size, size) float32
    labels : (N, size, size) int8
    subject : (N,) int
    """
    from scipy import ndimage as ndi  # noqa: PLC0415

    places = list(places)
    cut: list[tuple[NDArray[np.float32], NDArray[np.int8], int]] = []
    for number, (image, labels, spacing) in enumerate(
        zip(brains.images, brains.labels, brains.spacing_mm, strict=True)
    ):
        box = np.argwhere(labels > 0)
        low, high = box.min(0), box.max(0)
        middle = (low + high) / 2
        across = (np.arange(size) - (size - 1) / 2) * spacing_mm
        wide, up = middle[0] + across / spacing[0], middle[2] - across / spacing[2]
        grid = np.stack(np.meshgrid(wide, up, indexing="xy"))
        blur = [max(0.0, 0.35 * (spacing_mm / s - 1)) for s in (spacing[0], spacing[2])]
        for place in places:
            y = round(float(low[1] + place * (high[1] - low[1])))
            smooth = ndi.gaussian_filter(image[:, y], blur)
            picture = ndi.map_coordinates(smooth, grid, order=1)
            nearest = ndi.map_coordinates(labels[:, y], grid, order=0)
            cut.append((picture.astype(np.float32), nearest.astype(np.int8), number))
    images, maps, subjects = zip(*cut, strict=True)
    return np.stack(images), np.stack(maps), np.array(subjects)


def load_mni152_tissues(*, resolution_mm: int = 2) -> Bunch:
    """Return the MNI152 template of nilearn with its tissues: the brain of 152 young adults, averaged.

    Parameters
    ----------
    resolution_mm
        1 or more.

    Returns
    -------
    Bunch
        image : (X, Y, Z) float32, T1-weighted. labels : (X, Y, Z) int8, the likeliest of 0 not brain, 1 grey, 2 white
        matter, 3 what else is in the brain's mask, mostly fluid. grey, white : (X, Y, Z) float32, shares in [0, 1].
        spacing_mm : float. names. description : with its source.
    """
    from nilearn import datasets as of_nilearn  # type: ignore[import-untyped]  # noqa: PLC0415  (slow)

    image, brain = (
        of_nilearn.load_mni152_template(resolution_mm),
        of_nilearn.load_mni152_brain_mask(resolution_mm),
    )
    grey, white = (
        np.asarray(load(resolution_mm).get_fdata(), np.float32)
        for load in (of_nilearn.load_mni152_gm_template, of_nilearn.load_mni152_wm_template)
    )
    mask = np.asarray(brain.get_fdata()) > 0
    shares = np.stack([grey, white, np.clip(1 - grey - white, 0, 1)])
    labels = np.where(mask, shares.argmax(0) + 1, 0).astype(np.int8)
    return Bunch(
        image=np.asarray(image.get_fdata(), np.float32),
        labels=labels,
        grey=grey,
        white=white,
        spacing_mm=float(resolution_mm),
        names=("not brain", "grey matter", "white matter", "fluid and the rest"),
        description="MNI152 template (ICBM 2009a, as nilearn brings it) with the tissue maps beside it",
    )


def _each(folder: Path) -> Iterator[tuple[str, NDArray[np.float32], NDArray[Any], tuple[float, float, float]]]:
    """Yield name, image, the files' numbers and spacing of each labelled brain."""
    for name, (image_path, label_path) in _pairs(folder).items():
        image, affine, spacing = _read(image_path)
        numbers = _read_labels(label_path, affine, image_path)
        if numbers.shape != image.shape:
            raise CourseError(f"{label_path.name}: expected the shape {image.shape} of its image, got {numbers.shape}")
        yield name, image.astype(np.float32), numbers, spacing


def _check_whole(numbers: NDArray[Any], where: str) -> None:
    if len(odd := numbers[numbers != np.round(numbers)]):
        raise CourseError(f"{where}: expected whole numbers, got {odd[0]}: is it an image?")


def _pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    if not folder.is_dir():
        raise CourseError(f"expected a folder of brains, found none at {folder}")
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name.lower().endswith(_ENDINGS)]
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    for path in files:
        stem = path.name[: -len(next(e for e in _ENDINGS if path.name.lower().endswith(e)))]
        of_labels = bool(_IS_LABELS.search(stem)) or path.parent.name.lower() in ("labels", "segmentations")
        if path.name.lower().endswith(".npz") and not of_labels:
            continue
        side = labels if of_labels else images
        name = _NO_NAME.sub("", stem).strip("_-.") or stem
        where = path.parent.parent if path.parent.name.lower() in ("images", "labels", "segmentations") else path.parent
        key = (where.relative_to(folder) / name).as_posix()
        if key in side:
            raise CourseError(f"expected one {'label map' if of_labels else 'image'} of {key}, got {path.name} as well")
        side[key] = path
    pairs = {key: (images[key], labels[key]) for key in sorted(images) if key in labels}
    if not pairs:
        raise CourseError(
            f"expected pairs such as A.nii.gz and A_seg.nii.gz in {folder.name}, got {len(images)} images and "
            f"{len(labels)} label maps that do not belong together"
        )
    return pairs


def _read(path: Path) -> tuple[NDArray[Any], Any, tuple[float, float, float]]:
    """Return voxels turned to right, front, up; the affine as it was; the spacing in mm."""
    import nibabel  # noqa: PLC0415

    try:
        stored: Any = nibabel.load(path)
        turned: Any = nibabel.as_closest_canonical(stored)  # type: ignore[no-untyped-call]
        voxels = np.asarray(turned.get_fdata(dtype=np.float32))
    except Exception as error:
        raise CourseError(f"{path.name} cannot be read as NIfTI: {error}") from error
    if voxels.ndim != 3:
        raise CourseError(f"{path.name}: expected a volume with three axes, got {voxels.shape}")
    x, y, z = (float(s) for s in turned.header.get_zooms()[:3])
    return voxels, stored.affine, (x, y, z)


def _read_labels(path: Path, affine: Any, image_path: Path) -> NDArray[Any]:
    import nibabel  # noqa: PLC0415

    if path.suffix != ".npz":
        numbers, other, _ = _read(path)
        # A tenth of a millimetre: headers are rounded.
        if not np.allclose(affine, other, atol=0.1):
            raise CourseError(f"{path.name} and {image_path.name} lie at different places in space: resample one first")
        return numbers
    with np.load(path) as arrays:
        key = "vol_data" if "vol_data" in arrays.files else arrays.files[0]
        numbers = np.asarray(arrays[key])
    # Bare voxels lie as those of the image, so they are turned along with it.
    image: Any = nibabel.Nifti1Image(numbers.astype(np.float32), affine)  # type: ignore[no-untyped-call]
    return np.asarray(nibabel.as_closest_canonical(image).get_fdata(dtype=np.float32))  # type: ignore[no-untyped-call]


def _guess(numbers: list[int]) -> Mapping[int, int]:
    if max(numbers) < len(PARTS):
        return {number: number for number in range(len(PARTS))}
    return FREESURFER
