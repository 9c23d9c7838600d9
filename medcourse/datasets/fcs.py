"""Flow cytometry files (FCS 2.0, 3.0, 3.1): events, names of channels, spill-over matrix."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

Floats = NDArray[np.float64]

# FCS 3.1 calls the matrix $SPILLOVER; older machines wrote other names.
SPILL_KEYWORDS = ("spillover", "spill", "comp")
BYTES_AT_MOST_OFF = 1  # writers that count the last byte exclusively


def read_fcs(path: str | Path) -> Bunch:
    """Read one flow cytometry recording.

    Values come out on the linear scale of the detector: channels stored as logarithms (`$PnE`) are raised back, and
    the gain (`$PnG`) is divided out, as gates in Gating-ML expect. Compensation is not applied: multiply by the inverse
    of `spill` (`medcourse.datasets.compensate`).

    A file says twice where its data lie, in its header and in its TEXT segment. Where both disagree, the place is taken
    that holds the number of events that the file promises; a last byte that is off by one is put right. Both are told
    in a warning and in `notes`.

    Parameters
    ----------
    path
        A file of FCS 2.0, 3.0 or 3.1 in list mode, with one data set.

    Returns
    -------
    Bunch
        events : (N, C) float64, one row a cell (or what the machine took for one).
        channels : list of str, the detectors (`$PnN`), such as "FSC-A" or "PE-A".
        markers : list of str, what was stained (`$PnS`), the detector's name where nothing is said.
        spill : (F, F) float64 or None, the spill-over matrix: row i holds what dye i leaves in each detector.
        spill_channels : list of str, the detectors of its rows and columns; empty without a matrix.
        version : str. keywords : dict of str, the TEXT segment, keys in lower case.
        notes : list of str, what was put right. description : str.

    Raises
    ------
    CourseError
        No such file, not FCS, cut off, several data sets, or neither place holds the events promised.

    Warns
    -----
    UserWarning
        The places of the data disagree.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"expected an FCS file, found none at {path}")
    with path.open("rb") as file:
        magic = file.read(6)
    if magic not in (b"FCS2.0", b"FCS3.0", b"FCS3.1"):
        raise CourseError(
            f"{path}: expected a file that begins with FCS2.0, FCS3.0 or FCS3.1, got {magic!r}: is it FCS?"
        )
    notes: list[str] = []
    try:
        data = _open(path, notes)
        events = np.asarray(data.as_array(), np.float64)
    except CourseError:
        raise
    except Exception as error:  # flowio lets through whatever a broken number raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CourseError(f"{path}: could not read it ({reason}): is the file whole?") from error
    for note in notes:
        warnings.warn(f"{path}: {note}", stacklevel=2)
    channels = [name.strip() for name in data.pnn_labels]
    spill, spill_channels = _spill(path, data.text, channels)
    return Bunch(
        events=events,
        channels=channels,
        markers=[s.strip() or n for s, n in zip(data.pns_labels, channels, strict=True)],
        spill=spill,
        spill_channels=spill_channels,
        version=data.version,
        keywords=dict(data.text),
        notes=notes,
        description=f"{len(events)} events with {len(channels)} channels from {path.name}, FCS {data.version}",
    )


def _open(path: Path, notes: list[str]) -> Any:
    """Let flowio parse the file with the offsets that hold what the file promises."""
    import flowio  # noqa: PLC0415  (only who reads real files needs it)

    options: dict[str, bool] = {"ignore_offset_discrepancy": True}
    try:
        with path.open("rb") as file:  # flowio leaves files open that it cannot read
            head = flowio.FlowData(file, only_text=True, **options)
    except flowio.exceptions.MultipleDataSetsError as error:
        raise CourseError(f"{path}: expected one data set in the file, got several: export each by itself") from error
    bits = [int(head.text[f"p{i}b"]) for i in range(1, head.channel_count + 1)]
    promised = head.event_count * sum(bits) // 8
    places = _places(head)
    surplus = {source: last - first + 1 - promised for source, (first, last) in places.items()}
    fitting = [source for source, extra in surplus.items() if 0 <= extra <= BYTES_AT_MOST_OFF]
    if not fitting:
        said = ", ".join(f"{source} {first} to {last}" for source, (first, last) in places.items())
        raise CourseError(
            f"{path}: expected {promised} bytes of data ({head.event_count} events of {head.channel_count} channels), "
            f"got {said} in a file of {head.file_size} bytes: is it cut off?"
        )
    source, off = fitting[0], surplus[fitting[0]]
    if len(set(places.values())) > 1:
        notes.append(f"header and TEXT disagree on where the data lie ({places}); took those of the {source}")
        options["use_header_offsets"] = source == "header"
    if off:
        notes.append(f"the data end {off} byte earlier than the {source} says; put right")
        options["ignore_offset_error"] = True
    with warnings.catch_warnings():
        if off:
            warnings.filterwarnings("ignore", message=".*incorrect data offset")  # said in `notes`
        with path.open("rb") as file:
            return flowio.FlowData(file, **options)


def _places(head: Any) -> dict[str, tuple[int, int]]:
    """Return first and last byte of the data by who says so; TEXT first, which the standard prefers since 3.0."""
    header = (int(head.header["data_start"]), int(head.header["data_stop"]))
    if head.version == "2.0" or not str(head.text.get("begindata", "")).strip():
        return {"header": header}
    text = (int(head.text["begindata"]), int(head.text["enddata"]))
    # Data beyond byte 99,999,999 do not fit into the header, which then holds zeros.
    return {"TEXT": text} if header == (0, 0) else {"TEXT": text, "header": header}


def _spill(path: Path, text: dict[str, str], channels: list[str]) -> tuple[Floats | None, list[str]]:
    """Return the spill-over matrix and its channels: "n, names..., n * n numbers row by row"."""
    found = next((text[key] for key in SPILL_KEYWORDS if text.get(key, "").strip()), None)
    if found is None:
        return None, []
    items = [item.strip() for item in found.split(",")]
    try:
        n = int(items[0])
        names, numbers = items[1 : n + 1], np.array(items[n + 1 :], dtype=float)
        matrix = numbers.reshape(n, n)
    except ValueError as error:
        raise CourseError(
            f"{path}: expected a spill-over matrix as 'n, n names, n * n numbers', got {found[:40]!r}..."
        ) from error
    if unknown := [name for name in names if name not in channels]:
        raise CourseError(
            f"{path}: expected spill-over between channels of the file ({', '.join(channels)}), got {unknown}"
        )
    return matrix, names
