"""Read TCIA's "CT Lymph Nodes": DICOM scans with enlarged nodes outlined in NIfTI masks.

The collection holds 90 mediastinal and 86 abdominal CT scans, doi 10.7937/K9/TCIA.2015.AQIIDCNM, CC BY 3.0. Scans and
masks are two downloads, which lie side by side:

    CT Lymph Nodes/MED_LYMPH_001/<study>/<series>/*.dcm
    MED_ABD_LYMPH_MASKS/MED_LYMPH_001/MED_LYMPH_001_mask.nii.gz

How deep the folders are nested does not matter. That of a scan is called as its case, and that of a mask, or the mask
itself, begins with it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.utils import Bunch

from medcourse.datasets.dicom import read_dicom_series
from medcourse.datasets.geometry import Geometry, geometry_of_affine
from medcourse.errors import CourseError

Region = Literal["mediastinal", "abdominal"]
CASE = re.compile(r"(?P<case>(?:MED|ABD)_LYMPH_\d+)", re.I)
PREFIX = {"mediastinal": "MED", "abdominal": "ABD"}
IDC_COLLECTION = "ct_lymph_nodes"
TERMS = (
    "CT Lymph Nodes, The Cancer Imaging Archive, CC BY 3.0; cite Roth et al. 2015, "
    "https://doi.org/10.7937/K9/TCIA.2015.AQIIDCNM"
)
_TOLERANCE_VOXELS = 0.1
_ANY_NEIGHBOUR = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class LymphCase:
    """Where one patient's scan and mask lie."""

    name: str
    scan: Path
    mask: Path


def find_lymph_cases(folder: str | Path, *, region: Region | None = None) -> list[LymphCase]:
    """Return the cases of a folder that have a scan and a mask, by name.

    Raises
    ------
    CourseError
        There is no folder; a scan has no mask or a mask no scan; a case has two masks; the region has no case.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CourseError(f"expected a folder with CT Lymph Nodes, found none at {folder}")
    if region is not None and region not in PREFIX:
        raise CourseError(f"region must be one of {', '.join(PREFIX)}, got {region!r}")
    masks: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*_mask.nii*") if path.is_file()):
        if match := CASE.match(path.name):
            case = match["case"].upper()
            if case in masks:
                raise CourseError(f"expected one mask of {case}, found {masks[case]} and {path}")
            masks[case] = path
    scans = {
        path.name.upper(): path
        for path in sorted(folder.rglob("*"))
        if path.is_dir() and CASE.fullmatch(path.name) and _holds_a_scan(path)
    }
    wanted = PREFIX.get(region or "", "")
    names = sorted(name for name in masks.keys() | scans.keys() if name.startswith(wanted))
    for name in names:
        if name not in masks:
            raise CourseError(f"{scans[name]} has no mask: expected {name}_mask.nii.gz somewhere in {folder}")
        if name not in scans:
            raise CourseError(f"{masks[name]} has no scan: expected a folder {name} with DICOM files in {folder}")
    if not names:
        raise CourseError(
            f"expected folders such as MED_LYMPH_001 with DICOM files, and MED_LYMPH_001_mask.nii.gz, in {folder}, "
            f"found no case{f' of the {region} region' if region else ''}"
        )
    return [LymphCase(name, scans[name], masks[name]) for name in names]


def _holds_a_scan(folder: Path) -> bool:
    """Tell a folder of slices from that of a mask, which has the same name."""
    return any(path.is_file() and ".nii" not in path.suffixes for path in folder.rglob("*"))


def read_lymph_nodes(
    folder: str | Path, *, region: Region | None = None, ignore_origin: bool = False
) -> Iterator[Bunch]:
    """Read the scans of a folder one by one, each with its nodes: a whole collection does not fit into memory.

    Parameters
    ----------
    folder
        With scans and masks, as this module says. Which cases there are is checked at once, files are read on the way.
    region
        Only "mediastinal" or only "abdominal" cases.
    ignore_origin
        Lay a mask of the right shape and directions on its scan even if its header says that it lies elsewhere.

    Yields
    ------
    Bunch
        As of `read_lymph_case`.

    Raises
    ------
    CourseError
        As `find_lymph_cases` and `read_lymph_case` do.
    """
    cases = find_lymph_cases(folder, region=region)
    return (read_lymph_case(case, ignore_origin=ignore_origin) for case in cases)


def read_lymph_case(case: LymphCase, *, ignore_origin: bool = False) -> Bunch:
    """Read one scan, and put its mask onto the scan's voxels by where both say that they lie in the patient.

    Returns
    -------
    Bunch
        name : str. volume : (Z, Y, X) float32, Hounsfield units. spacing_mm : (z, y, x). geometry : Geometry.
        labels : (Z, Y, X) int32, 0 or the number of a node.
        nodes : Bunch of centres_mm (K, 3), z, y, x from the middle of the first voxel, and diameters_mm (K,), short
        axes. Those who outlined marked enlarged nodes only, so that every node is a finding.

    Raises
    ------
    CourseError
        The scan cannot be read (see `read_dicom_series`) or is another patient's; the mask cannot be read, has another
        shape, or lies on another grid.
    """
    series = read_dicom_series(case.scan)
    _check_patient(case, series.files[0])
    scan = Geometry(series.spacing_mm, series.origin_mm, series.directions)
    marks = _read_mask(case, scan, series.volume.shape, ignore_origin=ignore_origin)
    labels, nodes = find_nodes(marks, series.spacing_mm)
    return Bunch(
        name=case.name,
        volume=series.volume,
        spacing_mm=series.spacing_mm,
        geometry=scan,
        labels=labels,
        nodes=nodes,
        description=f"CT Lymph Nodes, {case.name}: {len(nodes.diameters_mm)} nodes.",
    )


def _check_patient(case: LymphCase, file: str) -> None:
    import pydicom  # noqa: PLC0415  (only readers need it)

    patient = str(pydicom.dcmread(case.scan / file, stop_before_pixels=True).get("PatientID", ""))
    # A PatientID of another form was given when somebody made the data anonymous once more.
    if CASE.fullmatch(patient) and patient.upper() != case.name:
        raise CourseError(f"{case.scan} holds a scan of {patient}: was a folder renamed?")


def _read_mask(
    case: LymphCase, scan: Geometry, shape: tuple[int, ...], *, ignore_origin: bool
) -> NDArray[np.integer[Any]]:
    import nibabel  # noqa: PLC0415

    try:
        image: Any = nibabel.load(case.mask)
        numbers = np.asarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise CourseError(f"{case.mask} cannot be read as NIfTI ({error}): download it again") from error
    if numbers.ndim != 3:
        raise CourseError(f"{case.mask} must have three axes, got {numbers.shape}")
    marks = np.rint(numbers.T).astype(np.int32)  # (Z, Y, X) of the mask's own grid
    mask = geometry_of_affine(image.affine)
    corner = scan.to_voxel(mask.to_world([0, 0, 0]))
    steps = scan.to_voxel(mask.to_world(np.eye(3))) - corner  # row i: one voxel of the mask's axis i, in scan voxels
    whole = np.rint(steps)
    if not np.allclose(steps, whole, atol=0.02) or not np.array_equal(np.abs(whole) @ np.ones(3), np.ones(3)):
        raise CourseError(
            f"{case.mask} lies on another grid than its scan, of which one of its voxels is {np.abs(steps).max():.3f} "
            "long: resample it, or look for the right one"
        )
    order = np.abs(whole).argmax(axis=0)  # of the mask's axes, for the scan's z, y, x
    turned = np.transpose(marks, order)
    if turned.shape != tuple(shape):
        raise CourseError(
            f"{case.mask} must have the shape {tuple(shape)} (z, y, x) of its scan, got {turned.shape}: is a slice "
            "missing, or is it another patient's?"
        )
    sign = whole[order, range(3)]
    start = corner + (np.minimum(sign, 0) * (np.array(shape) - 1))
    if not ignore_origin and np.abs(start).max() > _TOLERANCE_VOXELS + 0.02:
        away = np.abs(start * np.asarray(scan.spacing_mm)).max()
        raise CourseError(
            f"{case.mask} lies {away:.1f} mm away from its scan: if its header is wrong and the voxels are right, read "
            "it with ignore_origin=True"
        )
    return np.ascontiguousarray(np.flip(turned, tuple(np.flatnonzero(sign < 0))))


def find_nodes(
    marks: NDArray[np.integer[Any]], spacing_mm: tuple[float, float, float]
) -> tuple[NDArray[np.int32], Bunch]:
    """Return the nodes of a mask, numbered and measured.

    A node is a connected part of one number of the mask: two nodes that touch stay two if they have two numbers.

    Parameters
    ----------
    marks
        (Z, Y, X), 0 is background.
    spacing_mm
        (z, y, x).

    Returns
    -------
    labels : ndarray
        (Z, Y, X) int32, 1 ... K.
    nodes : Bunch
        centres_mm (K, 3) float64, mean of the voxels' middles, z, y, x from that of the first voxel;
        diameters_mm (K,) float64, short axes: see `short_axis_mm`.

    Examples
    --------
    >>> marks = np.zeros((3, 8, 8), int)
    >>> marks[1, 2:6, 1:7] = 1
    >>> labels, nodes = find_nodes(marks, (5.0, 2.0, 2.0))
    >>> nodes.centres_mm.tolist(), nodes.diameters_mm.tolist()
    ([[5.0, 7.0, 7.0]], [8.0])
    """
    labels = np.zeros(marks.shape, np.int32)
    centres, short = [], []
    for number, box in enumerate(ndimage.find_objects(marks), start=1):
        if box is None:
            continue
        parts, n_parts = ndimage.label(marks[box] == number, _ANY_NEIGHBOUR)
        for part in range(1, n_parts + 1):
            inside = parts == part
            centres.append((np.argwhere(inside).mean(axis=0) + [s.start for s in box]) * np.asarray(spacing_mm))
            short.append(short_axis_mm(inside, spacing_mm))
            labels[box][inside] = len(centres)
    return labels, Bunch(
        centres_mm=np.array(centres, dtype=np.float64).reshape(-1, 3), diameters_mm=np.array(short, dtype=np.float64)
    )


def short_axis_mm(inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Return a node's short axis: the smallest width of its largest axial section, in millimetres.

    RECIST 1.1 (https://doi.org/10.1016/j.ejca.2008.10.026) takes the diameter at right angles to the longest one, by
    eye. The smallest distance of two parallel lines that hold the section between them is the same for an ellipse.
    A staircase of voxels is up to a voxel wider than what it stands for.
    """
    plane = inside[int(inside.sum(axis=(1, 2)).argmax())]
    points = np.argwhere(plane) * np.asarray(spacing_mm[1:])  # (M, 2)
    angles = np.deg2rad(np.arange(0, 180, 2))
    directions = np.stack([np.cos(angles), np.sin(angles)])  # (2, A)
    along = points @ directions  # (M, A)
    voxel = np.abs(directions).T @ np.asarray(spacing_mm[1:])  # how wide one voxel is in each direction
    return float((np.ptp(along, axis=0) + voxel).min())


def fetch_lymph_nodes(folder: str | Path, *, cases: Sequence[str] = ("MED_LYMPH_001",)) -> Path:
    """Download scans of CT Lymph Nodes from the Imaging Data Commons; about a third of a gigabyte each.

    The masks are another download, by hand: MED_ABD_LYMPH_MASKS.zip from the collection's page at the archive,
    https://doi.org/10.7937/K9/TCIA.2015.AQIIDCNM, unpacked into the same folder.

    Parameters
    ----------
    folder
        Where to put them; made if it is not there.
    cases
        Such as "MED_LYMPH_001" to "MED_LYMPH_090" and "ABD_LYMPH_001" to "ABD_LYMPH_086".

    Raises
    ------
    CourseError
        A case is called otherwise, or the package idc-index is not installed.
    """
    if wrong := [case for case in cases if not CASE.fullmatch(case)]:
        raise CourseError(f"cases must be such as MED_LYMPH_001 or ABD_LYMPH_001, got {wrong[0]!r}")
    try:
        from idc_index import index  # noqa: PLC0415  (optional, and it loads a table of all of IDC)
    except ImportError:
        raise CourseError("downloading from the Imaging Data Commons needs idc-index: pip install idc-index") from None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    print(TERMS, file=sys.stderr)
    index.IDCClient().download_from_selection(
        collection_id=IDC_COLLECTION, patientId=[case.upper() for case in cases], downloadDir=str(folder)
    )
    return folder
