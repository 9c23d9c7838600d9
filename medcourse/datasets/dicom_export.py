"""A simulated export from a hospital's archive: DICOM files with the traps that people fall into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

UID_ROOT = "2.25."  # anyone may make UIDs below it, from random numbers (DICOM PS3.5, B.2)
TILT_MM = (
    0.35  # how far, along y, each slice lies from the one below: the table, or the gantry, is never quite straight
)


def make_dicom_export(
    volume: NDArray[np.floating[Any]] | None = None,
    *,
    n_slices: int = 12,
    spacing_mm: tuple[float, float, float] = (5.0, 4.0, 4.0),
    n_duplicates: int = 1,
    n_missing: int = 1,
    scout: bool = True,
    identified: bool = True,
    seed: int = 0,
) -> Bunch:
    """Simulate what an archive hands over when it is asked for a CT scan of the chest.

    File names follow no order, InstanceNumber counts from the head down while positions grow from the feet up, a slice
    may be there twice under two names, one may be missing, and the scan planner's image (another series) lies in
    between. The headers may hold a person's name and number, dates, a private element, a nested request with the
    number once more, and comments in free text. All of it is invented.

    Parameters
    ----------
    volume
        (Z, Y, X) Hounsfield units, z from the feet to the head; None draws an ellipse with two dark lungs that end at
        the top.
    n_slices
        Slices if no volume is given, in [3, 200].
    spacing_mm
        (z, y, x).
    n_duplicates, n_missing
        Slices that are there twice, and that are not there (never the first or the last, which nobody could miss).
    scout
        Whether the planner's image lies in the same folder.
    identified
        Whether the headers still name the person.
    seed
        Same seed, same export.

    Returns
    -------
    Bunch
        files : list of (name, pydicom.Dataset with pixels), sorted by name.
        order : names of the CT's files from the feet to the head, each place once (for a duplicate its first name).
        duplicates, missing : names of the additional copies; indices of the slices that are not there.
        volume : (Z, Y, X) int16, whole. spacing_mm : (z, y, x). series_uid : str, of the CT.
        identifying : set of paths of the attributes that name the person or the visit.
        description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A knob is outside of its range, or there are fewer slices than can be spared.

    Examples
    --------
    >>> export = make_dicom_export(n_slices=5, n_missing=0, scout=False)
    >>> len(export.files), len(export.order)
    (6, 5)
    """
    check_ranges(
        [("n_slices", n_slices, 3, 200), ("n_duplicates", n_duplicates, 0, 50), ("n_missing", n_missing, 0, 50)]
    )
    hu = _chest(n_slices, spacing_mm) if volume is None else np.asarray(volume)
    if hu.ndim != 3 or len(hu) < 3:
        raise CourseError(f"volume must be (Z, Y, X) with at least three slices, got {hu.shape}")
    if n_missing > len(hu) - 2 or n_duplicates > len(hu) - n_missing:
        raise CourseError(f"{len(hu)} slices cannot spare {n_missing} and repeat {n_duplicates}: ask for less")
    stored: NDArray[np.int16] = np.round(hu).astype(np.int16)
    rng = np.random.default_rng(seed)
    missing = sorted(int(i) + 1 for i in rng.permutation(len(hu) - 2)[:n_missing])
    kept = [i for i in range(len(hu)) if i not in missing]
    twice = sorted(int(i) for i in rng.permutation(kept)[:n_duplicates])
    codes = rng.permutation(9 * 16**3)[: len(kept) + len(twice) + 1] + 16**3  # four hexadecimal digits, as archives do
    names = [f"IM{code:04X}" for code in codes]
    numbers = rng.integers(1, 2**62, 5)
    uids = {part: f"{UID_ROOT}{n}" for part, n in zip(("study", "ct", "scout", "frame"), numbers, strict=False)}
    files: list[tuple[str, Any]] = []
    for name, i in zip(names, kept + twice, strict=False):
        number = len(hu) - i  # counted from the head
        position = (-0.5 * spacing_mm[2] * hu.shape[2], -0.5 * spacing_mm[1] * hu.shape[1] + TILT_MM * i)
        place = (*position, spacing_mm[0] * i - 120.0)
        files.append(
            (name, _slice(stored[i], place, spacing_mm, number, uids | {"slice": f"{UID_ROOT}{numbers[4] + number}"}))
        )
    if scout:
        files.append((names[-1], _scout(stored, spacing_mm, uids)))
    if identified:
        for _, header in files:
            _name(header)
    first = {i: name for name, i in zip(names, kept, strict=False)}
    again = {i: name for name, i in zip(names[len(kept) :], twice, strict=False)}
    return Bunch(
        files=sorted(files, key=lambda each: each[0]),
        order=[min(first[i], again.get(i, first[i])) for i in kept],
        duplicates=[max(first[i], again[i]) for i in twice],
        missing=missing,
        volume=stored,
        spacing_mm=spacing_mm,
        series_uid=uids["ct"],
        identifying=set(_IDENTITY) | {_PRIVATE, _NESTED} if identified else set(),
        description=f"SIMULATED DICOM export of {len(files)} files, invented person, seed {seed}",
    )


def write_dicom_export(export: Bunch, folder: str | Path) -> Path:
    """Write the files of an export into a folder, which is made; return the folder.

    Raises
    ------
    CourseError
        A file of that name is there.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    for name, header in export.files:
        if (root / name).exists():
            raise CourseError(f"{root / name} is there already: name an empty folder")
        header.save_as(root / name, enforce_file_format=True)
    return root


_IDENTITY = {
    "PatientName": "Muster^Erika",
    "PatientID": "4711-0815",
    "PatientBirthDate": "19610304",
    "AccessionNumber": "A20031777",
    "InstitutionName": "Kreiskrankenhaus Musterstadt",
    "ReferringPhysicianName": "Beispiel^Hans",
    "StudyDate": "20260316",
    "StudyTime": "104607",
    "StudyDescription": "CT chest, Mrs Muster, follow-up of 2024",
    "DeviceSerialNumber": "SN-99-1234",
}
_NESTED = "RequestAttributesSequence[0].AccessionNumber"
_PRIVATE = "(0009,1010)"


def _name(header: Any) -> None:
    """Put an invented person into a header, also where nobody looks."""
    from pydicom.dataset import Dataset  # noqa: PLC0415

    for keyword, value in _IDENTITY.items():
        setattr(header, keyword, value)
    request = Dataset()
    request.AccessionNumber = _IDENTITY["AccessionNumber"]
    header.RequestAttributesSequence = [request]
    block = header.private_block(0x0009, "SIMULATED VENDOR", create=True)
    block.add_new(0x10, "LO", f"COPY {_IDENTITY['PatientID']}")


def _chest(n_slices: int, spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Draw an ellipse of soft tissue with two lungs that grow smaller towards the head, and a spine."""
    n_y, n_x = round(260 / spacing_mm[1]), round(360 / spacing_mm[2])
    y, x = np.indices((n_y, n_x)) * np.array(spacing_mm[1:])[:, None, None] - np.array([130.0, 180.0])[:, None, None]
    slices = []
    for share in np.linspace(0, 1, n_slices):
        hu = np.where((x / 165) ** 2 + (y / 115) ** 2 < 1, 40.0, -1000.0)
        width, height = 55 - 35 * share**2, 80 - 45 * share**2
        for side in (-75.0, 75.0):
            hu[((x - side * (1 - 0.25 * share)) / width) ** 2 + (y / height) ** 2 < 1] = -850.0
        hu[np.hypot(x, y - 85) < 18] = 500.0
        slices.append(hu)
    return np.stack(slices)


def _slice(
    hu: NDArray[np.int16],
    place: tuple[float, ...],
    spacing_mm: tuple[float, float, float],
    number: int,
    uids: dict[str, str],
) -> Any:
    header = _image(hu, uids["slice"], uids)
    header.SeriesInstanceUID, header.SeriesNumber, header.InstanceNumber = uids["ct"], 2, number
    header.ImagePositionPatient = [round(float(each), 3) for each in place]
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.PixelSpacing = list(spacing_mm[1:])
    header.SliceThickness = 2 * spacing_mm[0]  # slices overlap: what it says is not how far the next one is
    return header


def _scout(hu: NDArray[np.int16], spacing_mm: tuple[float, float, float], uids: dict[str, str]) -> Any:
    """Return the planner's image: the sum along y, seen from the front, head up."""
    header = _image(hu.mean(1)[::-1].astype(np.int16), uids["scout"] + "1", uids)
    header.SeriesInstanceUID, header.SeriesNumber, header.InstanceNumber = uids["scout"], 1, 1
    header.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    header.ImagePositionPatient = [-0.5 * spacing_mm[2] * hu.shape[2], 0.0, spacing_mm[0] * (len(hu) - 1) - 120.0]
    header.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    header.PixelSpacing = [spacing_mm[0], spacing_mm[2]]
    return header


def _image(hu: NDArray[np.int16], uid: str, uids: dict[str, str]) -> Any:
    from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: PLC0415
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian  # noqa: PLC0415

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header: Any = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    header.SOPClassUID, header.SOPInstanceUID, header.StudyInstanceUID = CTImageStorage, uid, uids["study"]
    header.FrameOfReferenceUID, header.Modality = uids["frame"], "CT"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.BurnedInAnnotation = "NO"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    header.RescaleSlope, header.RescaleIntercept = 1, -1024
    header.Rows, header.Columns = hu.shape
    header.PixelData = (hu + 1024).astype(np.int16).tobytes()
    return header
