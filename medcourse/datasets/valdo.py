"""Read cerebral microbleeds in the layout of the VALDO challenge, Task 2: NIfTI images with masks, a folder a case."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
# Endings of file names after the case's own name; the first that is there is taken. The first of each list is VALDO's
# (sub-101/sub-101_space-T2S_desc-masked_T2S.nii.gz), the others serve those who lay out data of their own.
IMAGES = ("_space-T2S_desc-masked_T2S", "_T2S", "_SWI", "_swi")
MASKS = ("_space-T2S_CMB", "_CMB", "_mask")
SUFFIXES = (".nii.gz", ".nii")


def read_valdo(folder: str | Path, *, max_cases: int | None = None) -> Bunch:
    """Read gradient-echo images with masks of microbleeds.

    Each case is a folder: `sub-101/sub-101_space-T2S_desc-masked_T2S.nii.gz` beside
    `sub-101/sub-101_space-T2S_CMB.nii.gz`, as in VALDO's Task 2; the folder given may be `Task2` or its parent. For
    data of your own, the image may also end in `_T2S` or `_SWI` and the mask in `_CMB` or `_mask`. Other files (VALDO's
    T1 and T2) are left alone.

    Axes are turned and flipped to (z, y, x) that grow to the head, the back and the patient's left, as everywhere in
    the course, whatever the file's affine says. Each piece of the mask (voxels that share a side, an edge or a corner)
    is a microbleed. VALDO's images are masked: what is 0 or no number is taken to be outside of the brain.

    Parameters
    ----------
    folder
        Where the cases lie.
    max_cases
        Read the first ones only, in the order of their names.

    Returns
    -------
    Bunch
        scans : list of Bunch with volume (Z, Y, X) float32, over the median of the brain; brain (Z, Y, X) bool; labels
        (Z, Y, X) uint8, 1 in microbleeds; microbleeds, a Bunch of centres_mm (M, 3), (z, y, x) from the middle of the
        first voxel, and diameters_mm (M,), of the ball with the volume of the piece; mimics, a Bunch as that of
        `make_swi_brains`, empty, for nobody has marked them; spacing_mm; name.
        description : str.

    Raises
    ------
    CourseError
        There is no case, a mask is missing or has another shape or place than its image, a file cannot be read, or it
        is no volume.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CourseError(f"expected a folder with cases, found none at {folder}")
    cases = _cases(folder)
    if not cases:
        raise CourseError(
            f"{folder}: expected folders such as sub-101 with sub-101{IMAGES[0]}.nii.gz and sub-101{MASKS[0]}.nii.gz, "
            "found none"
        )
    scans = [_read_case(name, image, mask) for name, image, mask in cases[:max_cases]]
    n = sum(len(scan.microbleeds.diameters_mm) for scan in scans)
    return Bunch(
        scans=scans, description=f"{len(scans)} cases with {n} microbleeds from {folder}, layout: VALDO Task 2"
    )


def _cases(folder: Path) -> list[tuple[str, Path, Path]]:
    """Return name, image and mask of each case, below the folder or below a folder in it."""
    found = []
    for place in sorted(path for path in [*folder.glob("*"), *folder.glob("*/*")] if path.is_dir()):
        image = _first(place, IMAGES)
        if image is None:
            continue
        mask = _first(place, MASKS)
        if mask is None:
            raise CourseError(
                f"{place}: expected a mask {place.name}{MASKS[0]}.nii.gz beside {image.name}, found none: a case "
                "without microbleeds has a mask of zeros"
            )
        found.append((place.name, image, mask))
    return found


def _first(place: Path, endings: tuple[str, ...]) -> Path | None:
    for ending in endings:
        for suffix in SUFFIXES:
            path = place / f"{place.name}{ending}{suffix}"
            if path.is_file():
                return path
    return None


def _read_case(name: str, image_path: Path, mask_path: Path) -> Bunch:
    image, spacing, affine = _read(image_path)
    mask, _, mask_affine = _read(mask_path)
    if mask.shape != image.shape:
        raise CourseError(f"{mask_path}: mask must match the shape {image.shape} of its image, got {mask.shape}")
    # A tenth of a millimetre over the whole volume: headers are rounded.
    if not np.allclose(mask_affine, affine, rtol=0, atol=0.1 / max(image.shape)) and not np.allclose(
        mask_affine, affine, rtol=0, atol=1e-3
    ):
        raise CourseError(f"{mask_path}: mask must lie where its image lies, but its affine differs: resample it")
    image = np.nan_to_num(image)
    brain = ndi.binary_fill_holes(image > 0)
    if brain.mean() > 0.95:
        raise CourseError(f"{image_path}: expected an image whose outside of the brain is 0: cut the brain out first")
    pieces, n = ndi.label(np.nan_to_num(mask) > 0.5, np.ones((3, 3, 3)))
    numbers = range(1, n + 1)
    centres = np.array(ndi.center_of_mass(pieces > 0, pieces, numbers)).reshape(-1, 3) * spacing
    volumes = np.bincount(pieces.ravel(), minlength=n + 1)[1:] * float(np.prod(spacing))
    return Bunch(
        volume=(image / np.median(image[image > 0])).astype(np.float32),
        brain=brain,
        labels=(pieces > 0).astype(np.uint8),
        microbleeds=Bunch(centres_mm=centres, diameters_mm=np.cbrt(6 * volumes / np.pi)),
        mimics=Bunch(centres_mm=np.empty((0, 3)), diameters_mm=np.empty(0), kinds=[]),
        spacing_mm=spacing,
        name=name,
    )


def _read(path: Path) -> tuple[Floats, tuple[float, float, float], Floats]:
    """Return a volume (Z, Y, X) that grows to head, back and left, its spacing (z, y, x), and its affine."""
    import nibabel  # noqa: PLC0415

    library: Any = nibabel  # untyped
    orientations = library.orientations
    try:
        image = library.load(path)
        values = np.asarray(image.dataobj, dtype=np.float64)
    except Exception as error:  # each damage has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CourseError(f"{path}: expected a NIfTI file, could not read it ({reason}): is it damaged?") from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != 3:
        raise CourseError(f"{path}: expected one volume, got shape {values.shape}")
    now = orientations.io_orientation(image.affine)
    turn = orientations.ornt_transform(now, orientations.axcodes2ornt(("L", "P", "S")))
    turned = orientations.apply_orientation(values, turn)  # (X, Y, Z)
    affine = image.affine @ orientations.inv_ornt_aff(turn, values.shape)
    z, y, x = np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist()
    return turned.T, (z, y, x), affine
