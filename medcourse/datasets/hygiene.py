"""DICOM hygiene: whether a folder's slices make a volume, and whether its headers still name a person.

Both questions are put to headers that pydicom has read, and are answered as a table: a row a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.errors import CourseError

# What DICOM's Basic Application Level Confidentiality Profile (PS3.15, table E.1-1, of 2024b) does with the attributes
# that a scan most often carries. The table of the standard has hundreds of rows: this is a check, no cleaner.
# X remove, Z empty or dummy, D dummy, U another UID; of "X/Z/D" the first that the kind of object allows.
BASIC_PROFILE: dict[str, str] = {
    **dict.fromkeys(["PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName"], "Z"),
    **dict.fromkeys(["AccessionNumber", "StudyID", "StudyDate", "StudyTime"], "Z"),
    **dict.fromkeys(["PatientID", "ContentDate", "ContentTime"], "Z/D"),
    **dict.fromkeys(["AcquisitionDate", "AcquisitionTime"], "X/Z"),
    **dict.fromkeys(["SeriesDate", "SeriesTime", "AcquisitionDateTime", "ProtocolName"], "X/D"),
    **dict.fromkeys(["InstanceCreationDate", "InstanceCreationTime"], "X/D"),
    **dict.fromkeys(["InstitutionName", "OperatorsName", "StationName", "DeviceSerialNumber"], "X/Z/D"),
    **dict.fromkeys(["OtherPatientIDs", "OtherPatientNames", "PatientAddress", "PatientTelephoneNumbers"], "X"),
    **dict.fromkeys(["PatientAge", "PatientSize", "PatientWeight", "EthnicGroup", "Occupation"], "X"),
    **dict.fromkeys(["PatientComments", "AdditionalPatientHistory", "MedicalAlerts", "IssuerOfPatientID"], "X"),
    **dict.fromkeys(["InstitutionAddress", "InstitutionalDepartmentName", "PerformingPhysicianName"], "X"),
    **dict.fromkeys(["PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "RequestingPhysician"], "X"),
    **dict.fromkeys(["StudyDescription", "SeriesDescription", "ImageComments", "DerivationDescription"], "X"),
    **dict.fromkeys(["PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"], "X"),
    **dict.fromkeys(["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"], "U"),
    "ReferencedSOPInstanceUID": "U",
}
"""What DICOM's basic profile does with each attribute: X, Z, D or U, as the comment above says."""
IDENTITY_REMOVED, BURNED_IN = "PatientIdentityRemoved", "BurnedInAnnotation"
DUMMIES = {"", "anonymous", "anonymized", "anonymised", "removed", "none", "unknown", "0", "19000101", "000000"}
SAME_PLACE_MM = 0.05


def slice_positions(positions_mm: ArrayLike, orientations: ArrayLike) -> NDArray[np.float64]:
    """Return how far each slice lies along the normal of the slices, in millimetres.

    Parameters
    ----------
    positions_mm
        (N, 3) ImagePositionPatient: x, y, z of the middle of each slice's first pixel in the patient.
    orientations
        (N, 6) ImageOrientationPatient: the unit vector along a row, then the one along a column. All must be alike.

    Returns
    -------
    (N,) float64
        It grows along row x column, for axial slices of a person on their back towards the head.

    Examples
    --------
    >>> slice_positions([[0, 0, 4.5], [0, 0, 2.0]], [[1, 0, 0, 0, 1, 0]] * 2).tolist()
    [4.5, 2.0]
    """
    places, turns = np.asarray(positions_mm, float), np.asarray(orientations, float)
    if places.ndim != 2 or places.shape[1] != 3 or turns.shape != (len(places), 6):
        raise CourseError(f"expected positions (N, 3) and orientations (N, 6), got {places.shape} and {turns.shape}")
    if np.abs(turns - turns[0]).max() > 1e-3:
        raise CourseError("slices have different orientations: they are not slices of one volume")
    return np.asarray(places @ np.cross(turns[0, :3], turns[0, 3:]), np.float64)


def read_headers(folder: str | Path) -> list[tuple[str, Any]]:
    """Read the headers of all DICOM files of a folder, without their pixels, in the order of their names.

    Returns
    -------
    list of (name, pydicom.Dataset)
        Files that are no DICOM are passed over.

    Raises
    ------
    CourseError
        No folder, or no DICOM file in it.
    """
    import pydicom  # noqa: PLC0415
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415

    root = Path(folder)
    if not root.is_dir():
        raise CourseError(f"expected a folder of DICOM files, found none at {root}")
    found = []
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        try:
            found.append((path.relative_to(root).as_posix(), pydicom.dcmread(path, stop_before_pixels=True)))
        except InvalidDicomError:
            continue
    if not found:
        raise CourseError(f"expected DICOM files in {root}, found none")
    return found


def check_series(headers: Sequence[tuple[str, Any]]) -> Any:
    """Say what keeps the files of a folder from being one volume each series.

    Parameters
    ----------
    headers
        (name, header) as `read_headers` returns.

    Returns
    -------
    DataFrame
        A row a series: series_uid, modality, n_files, n_places (different ones), step_mm (the median distance of
        neighbours, NaN for one slice), duplicates, gaps, orientations and sizes (how many different ones), number_order
        ("along", "against" or "other": how InstanceNumber runs along the normal), names_in_order (whether file names,
        sorted, are in the order of positions), files (in that order). Duplicates and gaps are lists of pairs of names.
    """
    import pandas as pd  # noqa: PLC0415

    groups: dict[str, list[tuple[str, Any]]] = {}
    for name, header in headers:
        groups.setdefault(str(header.get("SeriesInstanceUID", "")), []).append((name, header))
    return pd.DataFrame([_series_row(uid, group) for uid, group in groups.items()])


def _series_row(uid: str, group: list[tuple[str, Any]]) -> dict[str, Any]:
    placed = [(n, h) for n, h in group if "ImagePositionPatient" in h and "ImageOrientationPatient" in h]
    turns = {tuple(np.round(np.array(h.ImageOrientationPatient, float), 3)) for _, h in placed}
    row = {
        "series_uid": uid,
        "modality": str(group[0][1].get("Modality", "")),
        "n_files": len(group),
        "n_places": 0,
        "step_mm": np.nan,
        "duplicates": [],
        "gaps": [],
        "orientations": len(turns),
        "sizes": len({(h.get("Rows"), h.get("Columns")) for _, h in group}),
        "number_order": "other",
        "names_in_order": False,
        "files": [name for name, _ in group],
    }
    if len(turns) != 1:
        # A localiser's slices lie in different directions: there is no line along which to sort them.
        return row
    heights = slice_positions(
        [h.ImagePositionPatient for _, h in placed], [h.ImageOrientationPatient for _, h in placed]
    )
    order = np.argsort(heights, kind="stable")
    names, heights = [placed[i][0] for i in order], heights[order]
    steps = np.diff(heights)
    apart = steps[steps > SAME_PLACE_MM]
    step = float(np.median(apart)) if len(apart) else np.nan
    pairs = list(pairwise(names))
    return row | {
        "n_places": len(apart) + 1,
        "step_mm": step,
        "duplicates": [pair for pair, each in zip(pairs, steps, strict=True) if each <= SAME_PLACE_MM],
        "gaps": [pair for pair, each in zip(pairs, steps, strict=True) if each > 1.5 * step],
        "number_order": _direction([placed[i][1].get("InstanceNumber") for i in order]),
        "names_in_order": names == sorted(names),
        "files": names,
    }


def _direction(numbers: list[Any]) -> str:
    if any(number is None for number in numbers):
        return "other"
    steps = np.diff([int(number) for number in numbers])
    return "along" if (steps > 0).all() else "against" if (steps < 0).all() else "other"


def check_identity(headers: Sequence[tuple[str, Any]]) -> Any:
    """List what in the headers may still tell who was scanned, by the basic profile of DICOM's PS3.15.

    A row does not prove a leak (a date may have been shifted, an identifier replaced), it asks for a look. And no row
    proves nothing: free text, pixels and the shape of a face are not searched.

    Parameters
    ----------
    headers
        (name, header) as `read_headers` returns.

    Returns
    -------
    DataFrame
        A row an attribute: path (as in "RequestAttributesSequence[0].PatientID"), kind ("profile", "uid", "private",
        "date", "burned in" or "not declared"), action (the profile's), n_files, example (the first value, at most 40
        characters).
        Kind "uid" holds attributes that the profile replaces: whether they were cannot be seen. "date" is a date or
        time that is not in our part of the profile. "not declared" is a header that does not say that identity was
        removed.
    """
    import pandas as pd  # noqa: PLC0415

    found: dict[tuple[str, str], dict[str, Any]] = {}
    for _, header in headers:
        for path, kind, action, value in {each[:2]: each for each in _findings(header)}.values():
            row = found.setdefault(
                (path, kind), {"path": path, "kind": kind, "action": action, "n_files": 0, "example": value[:40]}
            )
            row["n_files"] += 1
    return pd.DataFrame(list(found.values()), columns=["path", "kind", "action", "n_files", "example"])


def _findings(header: Any) -> Iterator[tuple[str, str, str, str]]:
    yield from _elements(header, "")
    if str(header.get(BURNED_IN, "NO")).upper() == "YES":
        yield BURNED_IN, "burned in", "", "YES"
    if str(header.get(IDENTITY_REMOVED, "")).upper() != "YES":
        yield IDENTITY_REMOVED, "not declared", "", str(header.get(IDENTITY_REMOVED, "absent"))


def _elements(header: Any, before: str) -> Iterator[tuple[str, str, str, str]]:
    for element in header:
        path = before + (element.keyword or str(element.tag))
        if element.tag.element == 0:
            continue  # the length of a group, in old files
        if element.tag.is_private:
            if not element.tag.is_private_creator:
                yield path, "private", "X", str(element.value)
        elif element.VR == "SQ":
            for i, item in enumerate(element.value):
                yield from _elements(item, f"{path}[{i}].")
        elif str(element.value).strip().lower() not in DUMMIES:
            action = BASIC_PROFILE.get(element.keyword, "")
            if action:
                yield path, "uid" if action == "U" else "profile", action, str(element.value)
            elif element.VR in ("DA", "DT", "TM"):
                yield path, "date", "", str(element.value)
