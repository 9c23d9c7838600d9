"""LUNA16 in its own layout: CT scans as MetaImage, nodules and candidates as tables of world coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.dicom import AIR_HU, PADDING_BELOW_HU
from medcourse.datasets.geometry import Geometry, geometry_of_image
from medcourse.errors import CourseError

NODULES, CANDIDATES, IRRELEVANT = "annotations.csv", "candidates_V2.csv", "annotations_excluded.csv"
# Findings of the excluded list that nobody measured have the diameter -1: the organisers' program takes 10 mm.
UNMEASURED_MM = 10.0
_COORDINATES = ["coordX", "coordY", "coordZ"]


class LunaScans:
    """The scans of a folder, each read when it is asked for: one takes about a quarter of a gigabyte.

    Attributes
    ----------
    uids : list of str
        Of the scans whose files are there, sorted. `scans[0]` is the scan of the first, `scans.scan(uid)` of any.
    subsets : dict of str to str
        The folder of each, such as "subset0": LUNA16 is split into ten by patient for cross-validation.
    absent : list of str
        UIDs that the tables name and no file has: those of the subsets that were not downloaded.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise CourseError(f"expected a folder of LUNA16, found none at {self.folder}")
        self._files = _find_scans(self.folder)
        self._tables = {
            NODULES: _table(self.folder, NODULES, "diameter_mm", needed=True),
            CANDIDATES: _table(self.folder, CANDIDATES, "class", needed=False),
            IRRELEVANT: _table(self.folder, IRRELEVANT, "diameter_mm", needed=False),
        }
        self.uids = sorted(self._files)
        self.subsets = {uid: path.parent.name for uid, path in self._files.items()}
        named = {uid for table in self._tables.values() if table is not None for uid in table.index}
        self.absent = sorted(named - set(self.uids))
        if named and not named & set(self.uids):
            raise CourseError(
                f"none of the {len(named)} series of the tables in {self.folder} has a file (first: {self.absent[0]}), "
                f"and none of the {len(self.uids)} files is in a table: do they belong together?"
            )

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, number: int) -> Bunch:
        return self.scan(self.uids[number])

    def __iter__(self) -> Iterator[Bunch]:
        return map(self.scan, self.uids)

    def scan(self, uid: str) -> Bunch:
        """Read one scan.

        Returns
        -------
        Bunch
            volume : (Z, Y, X) float32, HU; z grows to the head, y to the back, x to the patient's left, whatever the
            file has. What lies outside of the scanner's circle is air.
            spacing_mm : (z, y, x). geometry : Geometry, which leads to the patient's millimetres and back.
            nodules : Bunch of centres_mm (K, 3), z, y, x from the first voxel's middle, and diameters_mm (K,).
            irrelevant : the same, of findings that count neither way; None without `annotations_excluded.csv`.
            candidates : Bunch of centres_mm (C, 3) and labels (C,) of int64, 1 for a nodule; None without
            `candidates_V2.csv`.
            uid, subset : str.

        Raises
        ------
        CourseError
            No scan has this UID, its files cannot be read, or a nodule lies outside of the volume.
        """
        if uid not in self._files:
            known = f"the tables name it, but its file is not in {self.folder}: is its subset still to be unpacked?"
            raise CourseError(
                f"no scan {uid}: " + (known if uid in self.absent else f"{len(self.uids)} others are in {self.folder}")
            )
        volume, geometry = _read_volume(self._files[uid])
        nodules = self._marks(NODULES, uid, geometry)
        assert nodules is not None, "annotations.csv is always there"
        _check_inside(nodules.centres_mm, volume.shape, geometry, uid)
        irrelevant = self._marks(IRRELEVANT, uid, geometry)
        candidates = self._marks(CANDIDATES, uid, geometry)
        if irrelevant is not None:
            sizes = irrelevant.pop("values")
            irrelevant.diameters_mm = np.where(sizes < 0, UNMEASURED_MM, sizes)
        if candidates is not None:
            candidates.labels = candidates.pop("values").astype(np.int64)
        nodules.diameters_mm = nodules.pop("values")
        return Bunch(
            volume=volume,
            spacing_mm=geometry.spacing_mm,
            geometry=geometry,
            nodules=nodules,
            irrelevant=irrelevant,
            candidates=candidates,
            uid=uid,
            subset=self.subsets[uid],
        )

    def _marks(self, name: str, uid: str, geometry: Geometry) -> Bunch | None:
        table = self._tables[name]
        if table is None:
            return None
        rows = table.loc[[uid]] if uid in table.index else table.iloc[:0]
        world = rows[_COORDINATES].to_numpy(np.float64)
        return Bunch(centres_mm=geometry.to_local(world), values=rows.iloc[:, -1].to_numpy(np.float64))


def read_luna(folder: str | Path) -> LunaScans:
    """Read LUNA16, or a part of it, from a folder.

    Get it from https://zenodo.org/records/3723295 and https://zenodo.org/records/4121926, its two parts, CC BY 4.0. One
    of the ten subsets is enough to begin with. Unpack the zip files beside the tables [1]_.

    Parameters
    ----------
    folder
        With `annotations.csv`, the scans `<uid>.mhd` and `<uid>.raw` in it or in folders below (`subset0` ...), and, if
        they are there, `candidates_V2.csv` and `annotations_excluded.csv`, which comes with the evaluation script.

    Raises
    ------
    CourseError
        There is no folder, no scan or no annotations.csv; a table lacks a column; two files have one UID; or the tables
        belong to other scans.

    References
    ----------
    .. [1] Setio et al. Validation, comparison, and combination of algorithms for automatic detection of pulmonary
       nodules in computed tomography images: the LUNA16 challenge. Medical Image Analysis 42:1-13, 2017.
       https://doi.org/10.1016/j.media.2017.06.015
    """
    return LunaScans(folder)


def _find_scans(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.mhd")):
        if path.parent.name.startswith("seg-lungs"):  # masks of the lungs, which have the names of their scans
            continue
        if path.stem in files:
            raise CourseError(f"two files have the UID {path.stem}: {files[path.stem]} and {path}: remove one")
        files[path.stem] = path
    if not files:
        raise CourseError(f"expected scans such as subset0/<uid>.mhd in {folder}, found none")
    return files


def _table(folder: Path, name: str, last: str, *, needed: bool) -> Any:
    """Read a table, with the UIDs as index and the columns x, y, z and `last`; None if it is not there."""
    import pandas as pd  # noqa: PLC0415  (half a second that simulated data need not pay)

    found = sorted(folder.rglob(name), key=lambda path: len(path.parts))
    if not found:
        if needed:
            raise CourseError(f"expected {name} in {folder}, found none")
        return None
    table, columns = pd.read_csv(found[0], dtype={"seriesuid": str}), [*_COORDINATES, last]
    if missing := [column for column in ("seriesuid", *columns) if column not in table.columns]:
        raise CourseError(f"expected the columns seriesuid, {', '.join(columns)} in {found[0]}, missing: {missing}")
    for column in columns:
        table[column] = pd.to_numeric(table[column], errors="coerce")
    if (bad := table[columns].isna().any(axis=1)).any():
        raise CourseError(f"{found[0]}, line {int(np.flatnonzero(bad)[0]) + 2}: expected numbers in {columns}")
    return table.set_index("seriesuid")[columns]


def _read_volume(path: Path) -> tuple[NDArray[np.float32], Geometry]:
    import SimpleITK  # noqa: PLC0415  (only readers need it)

    raw = _data_file(path)
    if raw is not None and not raw.is_file():
        raise CourseError(f"{path.name} keeps its voxels in {raw.name}, which is not beside it: was it unpacked?")
    try:
        image = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
        # A scan may be stored from head to feet or from back to front: turn it as the course's pictures expect.
        image = SimpleITK.DICOMOrient(image, "LPS")  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise CourseError(f"could not read {path.name} as a MetaImage of three dimensions: {reason}") from None
    volume = SimpleITK.GetArrayFromImage(image)
    volume[volume < PADDING_BELOW_HU] = AIR_HU
    return volume, geometry_of_image(image)


def _data_file(path: Path) -> Path | None:
    """Return where a MetaImage header says that its voxels are; None if they are in the same file or in a list."""
    for line in path.read_text(encoding="latin-1").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "ElementDataFile":
            name = value.strip()
            return None if name.upper().split()[:1] in (["LOCAL"], ["LIST"]) or "%" in name else path.parent / name
    raise CourseError(f"expected a MetaImage header with ElementDataFile in {path}")


def _check_inside(centres_mm: NDArray[np.float64], shape: Any, geometry: Geometry, uid: str) -> None:
    places = centres_mm / np.asarray(geometry.spacing_mm)
    outside = ((places < -0.5) | (places > np.asarray(shape) - 0.5)).any(axis=1)
    if outside.any():
        place = tuple(places[outside][0].round(1).tolist())
        raise CourseError(
            f"a nodule of {uid} lies at voxel {place}, outside of its volume {tuple(shape)}: is it of another scan?"
        )
