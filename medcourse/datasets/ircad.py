"""Read CT scans with outlined livers and lesions: 3D-IRCADb-01 and LiTS, each in its own layout.

3D-IRCADb-01, 20 patients, from https://www.ircad.fr/research/data-sets/liver-segmentation-3d-ircadb-01/ (unpack also
the zip files within)::

    3Dircadb1.1/PATIENT_DICOM/image_0 ...
    3Dircadb1.1/MASKS_DICOM/liver/image_0 ...
    3Dircadb1.1/MASKS_DICOM/livertumor01/image_0 ...     none, one or several, merged here

LiTS, doi 10.1016/j.media.2022.102680: `volume-0.nii`, `segmentation-0.nii` (or .nii.gz), 1 for liver, 2 for lesion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.dicom import AIR_HU, PADDING_BELOW_HU, read_dicom_series
from medcourse.errors import CourseError

SCAN, MASKS = "PATIENT_DICOM", "MASKS_DICOM"
_VOLUME = re.compile(r"volume-(?P<case>\d+)\.nii(\.gz)?$")


def read_liver_scans(folder: str | Path) -> Iterator[Bunch]:
    """Read the scans of a folder in the layout of 3D-IRCADb-01 or of LiTS one by one, as the readers below do.

    Raises
    ------
    CourseError
        There is no folder, or nothing of either layout in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CourseError(f"expected a folder of 3D-IRCADb or LiTS, found none at {folder}")
    if patients := find_ircad(folder):
        return (read_ircad(patient) for patient in patients)
    if volumes := find_lits(folder):
        return (read_lits(volume) for volume in volumes)
    hint = ": unpack the zip files in it" if any(folder.rglob("*.zip")) else ""
    raise CourseError(f"expected folders with {SCAN} and {MASKS}, or volume-*.nii, in {folder}, found none{hint}")


def find_ircad(folder: Path) -> list[Path]:
    """Return the patients' folders, in the order of their numbers."""
    found = [path.parent for path in [folder / SCAN, *folder.rglob(SCAN)] if path.is_dir()]
    return sorted(set(found), key=_numbers)


def find_lits(folder: Path) -> list[Path]:
    """Return the volumes' files, in the order of their numbers."""
    return sorted((p for p in folder.rglob("volume-*.nii*") if _VOLUME.match(p.name)), key=_numbers)


def _numbers(path: Path) -> tuple[list[int], str]:
    return [int(n) for n in re.findall(r"\d+", path.name)], str(path)


def read_ircad(patient: str | Path) -> Bunch:
    """Read one patient of 3D-IRCADb-01.

    A mask's slice belongs to the scan's slice that lies at the same height in the patient, whatever both are called.

    Parameters
    ----------
    patient
        With PATIENT_DICOM and MASKS_DICOM in it.

    Returns
    -------
    Bunch
        name : str. volume : (Z, Y, X) float32, Hounsfield units; z grows to the head, y to the back, x to the patient's
        left. labels : (Z, Y, X) uint8, 0 background, 1 liver, 2 lesion. spacing_mm : (z, y, x).

    Raises
    ------
    CourseError
        There is no scan, or no mask of the liver, or a mask does not lie on the scan.
    """
    patient = Path(patient)
    for needed in (SCAN, MASKS):
        if not (patient / needed).is_dir():
            zipped = f": unpack {needed}.zip" if (patient / f"{needed}.zip").is_file() else ""
            raise CourseError(f"expected a folder {needed} in {patient}, found none{zipped}")
    scan = read_dicom_series(patient / SCAN)
    organs = {path.name.lower(): path for path in sorted((patient / MASKS).iterdir()) if path.is_dir()}
    if "liver" not in organs:
        raise CourseError(f"expected {MASKS}/liver in {patient}, found {', '.join(organs) or 'no mask'}")
    labels = _mask(organs["liver"], scan).astype(np.uint8)
    for name, path in organs.items():
        if name.startswith(("livertumor", "livertumour")):
            labels[_mask(path, scan)] = 2
    volume, labels = _to_lps(scan.volume, labels, scan.directions)
    return Bunch(name=patient.name, volume=volume, labels=labels, spacing_mm=scan.spacing_mm)


def _mask(folder: Path, scan: Bunch) -> NDArray[np.bool_]:
    """Return a mask on the scan's voxels."""
    mask = read_dicom_series(folder, air_padding=False)
    here = scan.directions @ (mask.origin_mm - scan.origin_mm)  # x, y, z from the scan's first voxel
    if not np.allclose(here[:2], 0, atol=0.5) or mask.volume.shape[1:] != scan.volume.shape[1:]:
        raise CourseError(f"{folder} must lie on its scan of {scan.volume.shape[1:]}, got {mask.volume.shape[1:]}")
    start = here[2] / scan.spacing_mm[0]
    first, last = round(start), round(start) + len(mask.volume)
    if abs(start - first) > 0.2 or first < 0 or last > len(scan.volume):
        raise CourseError(f"{folder} has slices where its scan has none: do they belong together?")
    if len(mask.volume) > 1 and abs(mask.spacing_mm[0] - scan.spacing_mm[0]) > 0.05:
        raise CourseError(
            f"slices of {folder} must be {scan.spacing_mm[0]:g} mm apart, got {mask.spacing_mm[0]:g}: is one missing?"
        )
    on_scan = np.zeros(scan.volume.shape, bool)
    on_scan[first:last] = mask.volume > _zero(folder / mask.files[0])
    return on_scan


def _zero(file: Path) -> float:
    """Return what a stored 0 is after rescaling: masks carry the header of their scan, its rescaling included."""
    import pydicom  # noqa: PLC0415

    return float(pydicom.dcmread(file, stop_before_pixels=True).get("RescaleIntercept", 0))


def _to_lps(
    volume: NDArray[np.float32], labels: NDArray[np.uint8], directions: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Turn axes that run against left, back or head."""
    against = np.diag(directions)[::-1] < 0  # of z, y, x
    axes = tuple(np.flatnonzero(against).tolist())
    return np.ascontiguousarray(np.flip(volume, axes)), np.ascontiguousarray(np.flip(labels, axes))


def read_lits(volume: str | Path) -> Bunch:
    """Read one scan of LiTS with its segmentation.

    Scans are stored with their axes in several directions: each file is turned by its own header.

    Parameters
    ----------
    volume
        volume-N.nii or volume-N.nii.gz; segmentation-N of either kind lies beside it, or in a folder seg*
        beside its own.

    Returns
    -------
    Bunch
        As of `read_ircad`.

    Raises
    ------
    CourseError
        There is no segmentation, a file cannot be read, both do not lie on the same voxels, or labels are not 0, 1, 2.
    """
    path = Path(volume)
    match = _VOLUME.match(path.name)
    if match is None:
        raise CourseError(f"expected a file called volume-N.nii, got {path.name}")
    names = [f"segmentation-{match['case']}.nii{end}" for end in ("", ".gz")]
    beside = [path.parent / n for n in names] + [
        p for n in names for p in sorted(path.parent.parent.glob(f"[sS]eg*/{n}"))
    ]
    found = [p for p in beside if p.is_file()]
    if not found:
        raise CourseError(f"expected {names[0]} beside {path}, found none")
    hu, affine = _nifti(path)
    marks, other = _nifti(found[0])
    if hu.shape != marks.shape or not np.allclose(affine, other, atol=0.05):
        raise CourseError(f"{found[0].name} must lie on the voxels of {path.name}, {hu.shape}, got {marks.shape}")
    labels = np.rint(marks).astype(np.int64)
    if not set(np.unique(labels).tolist()) <= {0, 1, 2}:
        raise CourseError(f"{found[0].name} must hold 0, 1 and 2, got {np.unique(labels).tolist()}")
    hu[hu < PADDING_BELOW_HU] = AIR_HU
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return Bunch(name=f"LiTS {match['case']}", volume=hu, labels=labels.astype(np.uint8), spacing_mm=(z, y, x))


def _nifti(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return a NIfTI image as (Z, Y, X), to head, back and left, and the affine of its turned RAS voxels."""
    import nibabel  # noqa: PLC0415  (only readers need it)

    try:
        canonical: Any = nibabel.as_closest_canonical  # nibabel has types for some functions only
        image = canonical(nibabel.load(path))
        voxels = np.asarray(image.dataobj, np.float32)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise CourseError(f"{path} cannot be read as NIfTI ({error}): download it again") from error
    if voxels.ndim != 3:
        raise CourseError(f"{path} must have three axes, got {voxels.shape}")
    return np.ascontiguousarray(voxels[::-1, ::-1].T), np.asarray(image.affine)


def resample_scan(scan: Bunch, *, spacing_mm: tuple[float, float, float], shape_px: tuple[int, int]) -> Bunch:
    """Bring a scan to another spacing and its slices to one size, around the middle.

    Parameters
    ----------
    scan
        With volume, labels, spacing_mm.
    spacing_mm
        Wanted size of a voxel (z, y, x); a coarser one averages.
    shape_px
        Wanted (Y, X): what is larger is cropped, what is smaller is filled with air.

    Returns
    -------
    Bunch
        A copy with other volume, labels and spacing_mm. Of labels the nearest is taken.

    Examples
    --------
    >>> scan = Bunch(volume=np.zeros((4, 40, 40)), labels=np.zeros((4, 40, 40), np.uint8), spacing_mm=(2.5, 1, 1))
    >>> resample_scan(scan, spacing_mm=(5, 2, 2), shape_px=(16, 32)).volume.shape
    (2, 16, 32)
    """
    from scipy import ndimage  # noqa: PLC0415

    factor = np.array(scan.spacing_mm) / np.array(spacing_mm)
    sigma = np.maximum(0, (1 / factor - 1) / 2)
    shape = np.maximum(1, np.rint(np.array(scan.volume.shape) * factor)).astype(int)
    # New voxels' middles in old voxels; the first voxel's edge stays where it is.
    places = [(np.arange(n) + 0.5) / f - 0.5 for n, f in zip(shape, factor, strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    smooth = ndimage.gaussian_filter(np.asarray(scan.volume, np.float32), sigma, truncate=3)
    volume = ndimage.map_coordinates(smooth, grid, order=1, mode="nearest")
    labels = ndimage.map_coordinates(scan.labels, grid, order=0, mode="nearest")
    return Bunch(
        **{
            **scan,
            "volume": _fit(volume, shape_px, AIR_HU),
            "labels": _fit(labels, shape_px, 0),
            "spacing_mm": tuple(spacing_mm),
        }
    )


def _fit(volume: NDArray[Any], shape_px: tuple[int, int], fill: float) -> NDArray[Any]:
    out = np.full((len(volume), *shape_px), fill, volume.dtype)
    old, new = [slice(None)], [slice(None)]
    for have, want in zip(volume.shape[1:], shape_px, strict=True):
        n = min(have, want)
        old.append(slice((have - n) // 2, (have - n) // 2 + n))
        new.append(slice((want - n) // 2, (want - n) // 2 + n))
    out[tuple(new)] = volume[tuple(old)]
    return out
