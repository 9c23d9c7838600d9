"""Flow cytometry by patient: a folder of FCS files whose blasts an expert marked, and features made of raw events."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.cytometry import FULL_SCALE, arcsinh, compensate
from medcourse.datasets.fcs import read_fcs
from medcourse.errors import CourseError

LAYOUT = "<folder>/<patient>/<any name, such as day15>.fcs with <the same name>.csv beside it"
LABEL = "blast"
SCATTER = ("FSC", "SSC")
_ANTIGEN = re.compile(r"(?<![A-Z])CD\s?-?(\d+[A-Z]*)", re.IGNORECASE)
_DAY = re.compile(r"(?:^|[^a-z])d(?:ay)?[ _-]?(\d+)", re.IGNORECASE)


def read_tubes(
    folder: str | Path, *, markers: Sequence[str] | None = None, most_events: int | None = None, seed: int = 0
) -> Bunch:
    """Read recordings of marrow, patient by patient, with the cells that experts called blasts.

    The layout is ours, and the simplest that keeps patients apart: `<folder>/<patient>/<name>.fcs`, and beside each
    file `<name>.csv` with a header and a column `blast`: 0 or 1 for each event, in the order of the file. Programs for
    gating export such columns. The day of treatment is read from names such as `day15`, `d15`, `tube_day_33`.

    Parameters
    ----------
    folder
        With a folder for each patient in it.
    markers
        Those that every file must have, such as ("FSC", "SSC", "CD10", "CD19"). By default those that all files share.
    most_events
        At random, of each tube, if it has more.
    seed
        Of that choice.

    Returns
    -------
    Bunch
        tubes : list of Bunch, sorted by patient and name, each with
            events : (N, C) float32, not compensated; channels, spill, spill_channels as in `read_fcs`;
            markers : list of str, as `name_markers` calls them; is_blast : (N,) bool;
            patient : str; day : int, or None where the name does not tell; name : str.
        markers : list of str, for `tube_features`: asked for, or shared by all.
        DESCR : str.

    Raises
    ------
    CourseError
        No such folder, no FCS file in it, a file cannot be read, a marker or the marks of a tube are missing or do not
        fit.
    """
    root = Path(folder)
    if not root.is_dir():
        raise CourseError(f"expected a folder of FCS files, {LAYOUT}, found none at {root}")
    paths = sorted(path for path in root.glob("*/*") if path.suffix.lower() == ".fcs")
    if not paths:
        loose = " (those that lie in the folder itself belong to no patient)" if list(root.glob("*.fcs")) else ""
        raise CourseError(f"expected {LAYOUT}, found no FCS file one folder down in {root}{loose}")
    tubes = [_read_tube(path, most_events, seed + i) for i, path in enumerate(paths)]
    if markers is None:
        first = tubes[0].markers
        shared = [m for m in first if all(m in tube.markers for tube in tubes) and _is_feature(m, tubes[0].channels)]
        if len(set(shared) - set(SCATTER)) < 2:
            raise CourseError(f"{root}: expected two antigens or more that all tubes share, got {shared}")
        markers = [*(m for m in SCATTER if m in shared), *sorted(set(shared) - set(SCATTER))]
    for tube in tubes:
        _columns(tube, markers)
    patients = sorted({tube.patient for tube in tubes})
    return Bunch(
        tubes=tubes,
        markers=list(markers),
        DESCR=f"{len(tubes)} tubes of {len(patients)} patients from {root.name}, features {', '.join(markers)}",
    )


def _read_tube(path: Path, most_events: int | None, seed: int) -> Bunch:
    tube = read_fcs(path)
    blast = _read_marks(path.with_suffix(".csv"), path, len(tube.events))
    events = tube.events.astype(np.float32)
    if most_events is not None and len(events) > most_events:
        chosen = np.sort(np.random.default_rng(seed).choice(len(events), most_events, replace=False))
        events, blast = events[chosen], blast[chosen]
    day = _DAY.search(path.stem)
    return Bunch(
        events=events,
        is_blast=blast,
        channels=tube.channels,
        markers=name_markers(tube.channels, tube.markers),
        spill=tube.spill,
        spill_channels=tube.spill_channels,
        patient=path.parent.name,
        day=int(day[1]) if day else None,
        name=f"{path.parent.name}/{path.name}",
    )


def _read_marks(path: Path, tube: Path, n_events: int) -> NDArray[np.bool_]:
    if not path.is_file():
        raise CourseError(f"{tube}: expected its blasts in {path.name} beside it, found none")
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise CourseError(f"{path}: expected a table with a column {LABEL!r}, could not read it ({reason})") from None
    names = {str(name).strip().lower(): name for name in table.columns}
    if LABEL not in names:
        raise CourseError(
            f"{path}: expected a column {LABEL!r} in its header, got {', '.join(map(str, table.columns))}"
        )
    marks = pd.to_numeric(table[names[LABEL]], errors="coerce").to_numpy(float)
    if len(marks) != n_events:
        raise CourseError(f"{path}: expected a row for each of the {n_events} events of {tube.name}, got {len(marks)}")
    if not np.isin(marks, (0, 1)).all():
        odd = table[names[LABEL]][~np.isin(marks, (0, 1))].iloc[0]
        raise CourseError(f"{path}: expected 0 or 1 in column {LABEL!r}, got {odd!r}")
    return np.asarray(marks == 1)


def name_markers(channels: Sequence[str], markers: Sequence[str]) -> list[str]:
    """Call each channel by its antigen (CD10) or scatter (FSC, SSC), whatever the laboratory wrote; else as it was.

    Of several measures of the same scatter, the area (FSC-A) takes the name, else the height (FSC-H). What names two
    antigens at once keeps its name, for it is neither.

    Examples
    --------
    >>> name_markers(["FSC-A", "FSC-H", "PE-A", "V450-A"], ["FSC-A", "FSC-H", "cd 10 PE", "CD66c+CD123"])
    ['FSC', 'FSC-H', 'CD10', 'CD66c+CD123']
    """
    named = []
    for marker in markers:
        antigens = _ANTIGEN.findall(marker)
        named.append(f"CD{antigens[0].lower()}" if len(antigens) == 1 else marker)
    upper = [channel.upper() for channel in channels]
    for scatter in SCATTER:
        best = next((c for c in (f"{scatter}-A", f"{scatter}-H", scatter) if c in upper), None)
        if best is not None and scatter not in named:
            named[upper.index(best)] = scatter
    return named


def tube_features(tube: Any, markers: Sequence[str], *, cofactor: float = 150.0) -> NDArray[np.float32]:
    """Make features of a tube's raw events: undo spill-over, then compress light and scale scatter.

    Parameters
    ----------
    tube
        Of `make_marrow`, `read_tubes` or `read_fcs`: events (N, C), channels, markers, spill, spill_channels. A tube
        without a matrix is taken as it is.
    markers
        Features in this order. FSC and SSC are divided by 2^18, all others go through arcsinh(x / cofactor).
    cofactor
        Where light turns from linear to logarithmic, in units of the scale.

    Returns
    -------
    (N, len(markers)) float32.

    Raises
    ------
    CourseError
        The tube lacks a marker or has it twice.

    Examples
    --------
    >>> tube = Bunch(events=np.array([[131072.0, 150.0]]), channels=["FSC-A", "PE-A"], markers=["FSC", "CD10"],
    ...     spill=None, spill_channels=[])
    >>> tube_features(tube, ["CD10", "FSC"]).round(3).tolist()
    [[0.8809999823570251, 0.5]]
    """
    columns = _columns(tube, markers)
    events = np.asarray(tube.events, float)
    if tube.spill is not None:
        # The matrix has an order of its own.
        dyes = [tube.channels.index(name) for name in tube.spill_channels]
        events = events.copy()
        events[:, dyes] = compensate(events[:, dyes], tube.spill)
    light = np.array([marker not in SCATTER for marker in markers])
    values = events[:, columns]
    return np.where(light, arcsinh(values, cofactor=cofactor), values / FULL_SCALE).astype(np.float32)


def _is_feature(marker: str, channels: Sequence[str]) -> bool:
    """Return whether something was stained or scattered there; the clock and detectors without a name are none."""
    return marker in SCATTER or (marker not in channels and not marker.lower().startswith("time"))


def _columns(tube: Any, markers: Sequence[str]) -> list[int]:
    have = list(tube.markers)
    where = f"{tube.name}: " if "name" in tube else ""
    for marker in markers:
        if have.count(marker) != 1:
            found = "none" if marker not in have else f"{have.count(marker)}"
            raise CourseError(f"{where}expected one channel of {marker}, got {found}; there are {', '.join(have)}")
    return [have.index(marker) for marker in markers]
