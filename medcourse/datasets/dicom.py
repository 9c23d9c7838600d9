"""DICOM series as volumes: slices in the order of their positions, values in Hounsfield units, distances in mm."""

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from medcourse.errors import CourseError

PADDING_BELOW_HU = -1024.0  # a CT's scale starts here: what is lower was never measured
AIR_HU = -1000.0
TOLERANCE_MM = 0.05


def read_dicom_series(folder: str | Path, *, series_uid: str | None = None, air_padding: bool = True) -> Bunch:
    """Read one series of slices from a folder.

    Slices are ordered by where they lie in the patient, ImagePositionPatient along the normal of the slices, and never
    by file name or instance number: names are chosen by whoever exports. The distance of slices is that of positions:
    SliceThickness says how thick a slice is, not how far the next one is. Stored numbers become Hounsfield units (or
    what the scanner means) by RescaleSlope and RescaleIntercept.

    Parameters
    ----------
    folder
        Files of any name; those that are no DICOM image (DICOMDIR, notes) are passed over.
    series_uid
        Which series; needed only where the folder holds several.
    air_padding
        Whether values of a CT that mean "outside of the field of view" (PixelPaddingValue, or anything below -1024 HU,
        such as -3024) become -1000 HU, the value of air.

    Returns
    -------
    Bunch
        volume : (Z, Y, X) float32; z grows along the normal of the slices, for axial ones towards the head.
        spacing_mm : (z, y, x). origin_mm : (3,), x, y, z of the first voxel's middle in the patient.
        directions : (3, 3), rows are the unit steps along x, y and z of the volume in the patient.
        modality, series_uid : str. window : (level, width) as stored, or None. n_padded : number of voxels set to air.
        files : names in the order of slices. description.

    Raises
    ------
    CourseError
        There is no folder or no image; several series and none named; slices differ in size, direction or pixel
        spacing; two lie at the same place; or one is missing.
    """
    slices = _pick(_read(Path(folder)), series_uid, folder)
    first = slices[0][1]
    for name, header in slices:
        for field in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"):
            if field not in header:
                raise CourseError(f"{name} has no {field}: it cannot be placed in a volume")
            same = field == "ImagePositionPatient" or np.allclose(header[field].value, first[field].value, atol=1e-3)
            if not same:
                raise CourseError(f"{name} and {slices[0][0]} differ in {field}: they are not slices of one volume")
    along_x, along_y = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(along_x, along_y)
    heights = np.array([np.array(header.ImagePositionPatient, float) @ normal for _, header in slices])
    order = np.argsort(heights, kind="stable")
    slices, heights = [slices[i] for i in order], heights[order]
    step = _step(heights, [name for name, _ in slices], first)
    stack, n_padded = _values(slices, air_padding=air_padding)
    row_mm, column_mm = (float(value) for value in first.PixelSpacing)  # between rows is y, between columns is x
    return Bunch(
        volume=stack,
        spacing_mm=(step, row_mm, column_mm),
        origin_mm=np.array(slices[0][1].ImagePositionPatient, float),
        directions=np.stack([along_x, along_y, normal]),
        modality=str(first.get("Modality", "")),
        series_uid=str(first.SeriesInstanceUID),
        window=_window(first),
        n_padded=n_padded,
        files=[name for name, _ in slices],
        description=f"{first.get('Modality', 'unknown')} series of {' x '.join(map(str, stack.shape))} voxels.",
    )


def _read(folder: Path) -> list[tuple[str, Any]]:
    import pydicom  # noqa: PLC0415  (only readers need it)
    from pydicom.errors import InvalidDicomError  # noqa: PLC0415

    if not folder.is_dir():
        raise CourseError(f"expected a folder of DICOM files, found none at {folder}")
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = pydicom.dcmread(path)
        except InvalidDicomError:
            continue
        if "PixelData" in header and "SeriesInstanceUID" in header and int(header.get("NumberOfFrames", 1)) == 1:
            found.append((path.relative_to(folder).as_posix(), header))
    if not found:
        raise CourseError(f"expected DICOM images in {folder}, found none")
    return found


def _pick(found: list[tuple[str, Any]], series_uid: str | None, folder: str | Path) -> list[tuple[str, Any]]:
    series: dict[str, list[tuple[str, Any]]] = {}
    for name, header in found:
        series.setdefault(str(header.SeriesInstanceUID), []).append((name, header))
    listed = "; ".join(
        f"{uid} ({len(each)} of {each[0][1].get('Modality', '?')})" for uid, each in sorted(series.items())
    )
    if series_uid is None and len(series) > 1:
        raise CourseError(f"{folder} holds {len(series)} series, name one as series_uid: {listed}")
    if series_uid is not None and series_uid not in series:
        raise CourseError(f"expected series {series_uid} in {folder}, found {listed}")
    return series[series_uid] if series_uid is not None else next(iter(series.values()))


def _step(heights: Any, names: list[str], first: Any) -> float:
    """Return the distance of slices; all must be alike."""
    if len(heights) == 1:
        return float(first.get("SpacingBetweenSlices", first.get("SliceThickness", 1.0)) or 1.0)
    gaps = np.diff(heights)
    if (gaps < TOLERANCE_MM).any():
        i = int(np.argmin(gaps))
        raise CourseError(
            f"{names[i]} and {names[i + 1]} lie at the same place: is one of them a copy, or a time point?"
        )
    step = float(np.median(gaps))
    # The median is fooled where every second slice is missing, and then the distance is truly twice as large.
    wide = np.flatnonzero(np.abs(gaps - gaps.min()) > max(TOLERANCE_MM, 0.02 * step))
    if len(wide):
        i = int(wide[0])
        raise CourseError(
            f"slices are not evenly spaced: {names[i]} and {names[i + 1]} are {gaps[i]:.2f} mm apart, others "
            f"{gaps.min():.2f} mm: is a slice missing?"
        )
    return step


def _values(slices: list[tuple[str, Any]], *, air_padding: bool) -> tuple[Any, int]:
    stack = np.empty((len(slices), slices[0][1].Rows, slices[0][1].Columns), np.float32)
    n_padded = 0
    for plane, (_, header) in zip(stack, slices, strict=True):
        stored = header.pixel_array
        plane[:] = stored * float(header.get("RescaleSlope", 1)) + float(header.get("RescaleIntercept", 0))
        if air_padding and header.get("Modality") == "CT":
            outside = plane < PADDING_BELOW_HU
            if "PixelPaddingValue" in header:
                outside |= stored == header.PixelPaddingValue
            plane[outside] = AIR_HU
            n_padded += int(outside.sum())
    return stack, n_padded


def _window(header: Any) -> tuple[float, float] | None:
    if "WindowCenter" not in header or "WindowWidth" not in header:
        return None
    # Several windows may be stored; the first is the one to open with.
    level, width = (np.atleast_1d(np.array(header[field].value, float))[0] for field in ("WindowCenter", "WindowWidth"))
    return float(level), float(width)
