"""Public data sets as a table, and which of them `medcourse data get` can download.

The facts stand once, in `catalogue.csv`, a row a data set:

- `name`, `title`: what it is called, and what it is.
- `modality`, `task`: one of `MODALITIES` and of `TASKS`; `target`: what is looked for.
- `units`: slugs of the units of this course that it belongs to, with spaces between.
- `cases`, `case`: about how many, of what; the newest release may have more. `size_gb`: about, in 10^9 bytes; empty if
  unknown.
- `licence`: its name, or the terms in words. `access`: one of `ACCESS`.
- `url`, `citation`, `doi`: where, and what to cite; a few have no DOI.
- `loader`: the function of `medcourse.datasets` that reads it; empty where there is none.
- `checked`, `evidence`: when the row was looked at, and on what it rests: one of `EVIDENCE`. No row was compared with
  the provider's live page, so read the terms there before a download.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError

TABLE = Path(__file__).with_name("catalogue.csv")
MODALITIES = (
    *("X-ray", "mammography", "CT", "MR", "PET/CT", "ultrasound", "OCT", "fundus photography", "histology"),
    *("microscopy", "electron microscopy", "flow cytometry", "endoscopy", "robot kinematics", "dermoscopy"),
    *("signals", "several"),
)
TASKS = (
    *("classification", "grading", "detection", "segmentation", "instance segmentation", "registration"),
    *("reconstruction", "archive"),
)
ACCESS = {
    "open": "anyone can download it",
    "register": "an account, a form or a challenge's registration",
    "agreement": "a signed or confirmed agreement, some with training in research ethics",
    "gone": "was public once",
}
EVIDENCE = {
    "public register of 2026-09-17": "licence, access and identifier from a stored register; numbers are about",
    "stored public text": "citation and DOI seen in stored text, some with licence; the rest is about",
    "source of this course": "read for a unit of this course",
    "from memory": "not looked up",
}
_WHOLE, _REAL = ("cases",), ("size_gb",)


@dataclass(frozen=True)
class Download:
    """One archive on the network and what a person must know before using it.

    Attributes
    ----------
    name, title, modality, task
        What it is. `name` is what `medcourse data get` takes, and the folder that it becomes.
    units
        Slugs of the units that use it.
    urls
        The zip file's addresses, tried in turn.
    sha256
        Of the zip file. A file with another one is never kept.
    size_mb
        Of the zip file, in 10^6 bytes, rounded.
    licence
        The terms, in words where there is no licence with a name.
    citation, doi
        What to cite.
    reader
        The function of `medcourse.datasets` that reads the folder.
    """

    name: str
    title: str
    modality: str
    task: str
    units: tuple[str, ...]
    urls: tuple[str, ...]
    sha256: str
    size_mb: int
    licence: str
    citation: str
    doi: str
    reader: str


# What can be downloaded with a hash to check it by; everything else about it stands in the table. Both hashes are those
# that torch_em publishes (github.com/constantinpape/torch-em, MIT licence,
# torch_em/data/datasets/light_microscopy/ctc.py). They were not checked against the files when this was written.
_SHA256 = {
    "DIC-C2DH-HeLa": "832fed2d05bb7488cf9c51a2994b75f8f3f53b3c3098856211f2d39023c34e1a",
    "PhC-C2DH-U373": "b18185c18fce54e8eeb93e4bbb9b201d757add9409bbf2283b8114185a11bc9e",
}


def _read_rows() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _tracking_challenge(row: dict[str, str]) -> Download:
    """Make a data set of the Cell Tracking Challenge a download."""
    address = f"data.celltrackingchallenge.net/training-datasets/{row['name']}.zip"
    return Download(
        **{key: row[key] for key in ("name", "title", "modality", "task", "licence", "citation", "doi")},
        units=tuple(row["units"].split()),
        # The same host without TLS for networks that break it open: the hash tells whether the file is the right one.
        urls=(f"https://{address}", f"http://{address}"),
        sha256=_SHA256[row["name"]],
        size_mb=round(1000 * float(row["size_gb"])),
        reader=row["loader"],
    )


CATALOGUE: dict[str, Download] = {
    row["name"]: _tracking_challenge(row) for row in _read_rows() if row["name"] in _SHA256
}
"""What `fetch` downloads, by name."""


def load_catalogue() -> Any:
    """Return the table of public data sets as this module describes it.

    Returns
    -------
    DataFrame
        A row a data set, columns as in the file; `units` a tuple, `cases` whole numbers, `size_gb` NaN where unknown,
        and `download` True where `medcourse data get` fetches it.

    Examples
    --------
    >>> table = load_catalogue()
    >>> table.set_index("name").loc["DRIVE", "loader"]
    'read_drive'
    """
    import pandas as pd  # noqa: PLC0415

    table = pd.DataFrame(_read_rows())
    table["units"] = [tuple(each.split()) for each in table["units"]]
    for column in _WHOLE:
        table[column] = table[column].astype(int)
    for column in _REAL:
        table[column] = pd.to_numeric(table[column].replace("", None)).astype(float)
    return table.assign(download=table["name"].isin(list(CATALOGUE)))


def find_datasets(
    *,
    modality: str | None = None,
    task: str | None = None,
    access: str | None = None,
    text: str | None = None,
    unit: str | None = None,
    largest_gb: float | None = None,
) -> Any:
    """Return the data sets of the catalogue that fit all that is asked for.

    Parameters
    ----------
    modality, task, access
        One of `MODALITIES`, `TASKS`, `ACCESS`, whatever the case.
    text
        Stands in the name, title, target or licence, whatever the case: "lymph", "CC BY".
    unit
        A unit's slug or its number, such as "08".
    largest_gb
        Leaves out what is larger, and what has no size here.

    Returns
    -------
    DataFrame
        As `load_catalogue`; empty if nothing fits.

    Raises
    ------
    CourseError
        No such modality, task or access.

    Examples
    --------
    >>> find_datasets(modality="fundus photography", access="open").name.tolist()
    ['STARE', 'CHASE_DB1', 'FIVES']
    """
    table = load_catalogue()
    for column, asked, known in (("modality", modality, MODALITIES), ("task", task, TASKS), ("access", access, ACCESS)):
        if asked is None:
            continue
        names = {name.lower(): name for name in known}
        if asked.lower() not in names:
            raise CourseError(f"no {column} is called {asked!r}; there are {', '.join(known)}")
        table = table[table[column] == names[asked.lower()]]
    if text is not None:
        words = table[["name", "title", "target", "licence"]].agg(" ".join, axis=1) if len(table) else table["name"]
        table = table[words.str.lower().str.contains(text.lower(), regex=False)]
    if unit is not None:
        table = table[[any(each == unit or each.split("_")[0] == unit for each in units) for units in table["units"]]]
    if largest_gb is not None:
        table = table[table["size_gb"] <= largest_gb]
    return table.reset_index(drop=True)
