"""Download what the catalogue lists, whole and checked or not at all."""

import os
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from sklearn.utils import Bunch

from medcourse.datasets.catalogue import CATALOGUE, Download
from medcourse.datasets.folders import read_cells
from medcourse.errors import CourseError

RECEIPT = "medcourse-sha256.txt"


def data_folder() -> Path:
    """Return where downloads are kept: `MEDCOURSE_DATA` if it is set, else the user's cache."""
    import pooch  # noqa: PLC0415

    chosen = os.environ.get("MEDCOURSE_DATA")
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("medcourse"))


def fetch(name: str, *, folder: str | Path | None = None, progress: bool = True) -> Path:
    """Return the folder of a data set of the catalogue, downloading it if it is not there yet.

    The archive goes to a hidden folder beside its place, where its SHA-256 is checked and it is unpacked; only then is
    it moved into place, in one step. Whatever interrupts a download, there is either all of the data set or nothing,
    and the next call starts again. Licence and citation are written to standard error before the download.

    Parameters
    ----------
    name
        A name of `medcourse.datasets.CATALOGUE`.
    folder
        Where to keep data sets; None for `data_folder()`.
    progress
        Show a progress bar.

    Returns
    -------
    The folder `folder / name`.

    Raises
    ------
    CourseError
        Unknown name; no address answers with the right file; the folder cannot be written or is full; something that
        was not downloaded by this function is in the way.
    """
    if name not in CATALOGUE:
        raise CourseError(f"no data set is called {name!r}; there are {', '.join(CATALOGUE)}")
    entry = CATALOGUE[name]
    home = data_folder() if folder is None else Path(folder)
    place = home / name
    if _is_complete(place, entry):
        return place
    print(
        f"{name}: {entry.size_mb} MB. Licence: {entry.licence}. Cite: {entry.citation}, https://doi.org/{entry.doi}",
        file=sys.stderr,
    )
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=f".{name}-") as scratch:
            archive = _download(entry, Path(scratch), progress=progress)
            root = _unpack(archive, Path(scratch) / "unpacked")
            (root / RECEIPT).write_text(entry.sha256 + "\n", encoding="ascii")
            _move(root, place, entry)
    except OSError as error:
        raise CourseError(
            f"cannot keep {name} in {home} ({error.strerror or error}): free some space or let MEDCOURSE_DATA name "
            "another folder"
        ) from error
    return place


def fetch_cell_tracking(
    name: str = "DIC-C2DH-HeLa", *, folder: str | Path | None = None, progress: bool = True
) -> Bunch:
    """Return a data set of the Cell Tracking Challenge, downloading it if it is not there yet.

    Parameters
    ----------
    name
        "DIC-C2DH-HeLa" or "PhC-C2DH-U373".
    folder, progress
        See `fetch`.

    Returns
    -------
    Bunch
        What `read_cells` returns (the annotated frames of both sequences, named "01/t002" and so on), and `licence`
        and `citation`.

    Raises
    ------
    CourseError
        See `fetch` and `read_cells`.
    """
    cells = read_cells(fetch(name, folder=folder, progress=progress))
    entry = CATALOGUE[name]
    return Bunch(**cells, licence=entry.licence, citation=f"{entry.citation}, https://doi.org/{entry.doi}")


def _is_complete(place: Path, entry: Download) -> bool:
    if not place.exists():
        return False
    receipt = place / RECEIPT
    if receipt.is_file() and receipt.read_text(encoding="ascii").strip() == entry.sha256:
        return True
    raise CourseError(f"{place} is not the {entry.name} that the catalogue lists: move it elsewhere and try again")


def _download(entry: Download, scratch: Path, *, progress: bool) -> Path:
    """Return the archive with the right hash from the first address that has it."""
    import pooch  # noqa: PLC0415
    import requests  # noqa: PLC0415

    download = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=30)
    archive = scratch / f"{entry.name}.zip"
    failures = []
    for url in entry.urls:
        try:
            download(url, str(archive), None)
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            failures.append(f"{url}: {f'status {status}' if status else type(error).__name__}")
            continue
        if pooch.file_hash(str(archive), alg="sha256") == entry.sha256:
            return archive
        failures.append(f"{url}: another file than the catalogue's, SHA-256 differs")
    raise CourseError(
        f"could not download {entry.name}, nothing was kept ({'; '.join(failures)}): is there a network? Else get the "
        "file elsewhere, unpack it and name its folder to the reader"
    )


def _unpack(archive: Path, target: Path) -> Path:
    """Unpack a zip and return the folder that holds the data, which is the archive's own if it has just one."""
    with zipfile.ZipFile(archive) as contents:
        for member in contents.namelist():
            path = PurePosixPath(member.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in member:
                raise CourseError(f"{archive.name} wants to write outside its folder ({member}): not unpacked")
        contents.extractall(target)
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _move(root: Path, place: Path, entry: Download) -> None:
    try:
        root.rename(place)
    except OSError:
        # Several people may share the folder, and someone else's download was done first.
        if not _is_complete(place, entry):
            raise
