"""Ask the Imaging Data Commons what it has: the public archive of cancer imaging, DICOM, no login."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medcourse.errors import CourseError

COLUMNS = (
    *("collection_id", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "BodyPartExamined"),
    *("SeriesDescription", "instanceCount", "series_size_MB", "license_short_name", "source_DOI"),
)


def query_idc(
    *,
    collection: str | Sequence[str] | None = None,
    modality: str | Sequence[str] | None = None,
    body_part: str | Sequence[str] | None = None,
    licence: str | Sequence[str] | None = None,
    largest_mb: float | None = None,
) -> Any:
    """Return the series of the Imaging Data Commons that fit, from the table that the package idc-index brings along.

    The table is a snapshot of the archive, as old as the package; nothing is downloaded. Terms are compared without
    regard to case; several are alternatives.

    Parameters
    ----------
    collection
        Such as "ct_lymph_nodes"; also a list.
    modality
        DICOM's own, such as "CT", "MR", "SM" for slides.
    body_part
        BodyPartExamined as it stands in the headers, such as "CHEST". Many headers leave it out.
    licence
        Such as "CC BY 4.0".
    largest_mb
        Leave out series that are larger, in 10^6 bytes.

    Returns
    -------
    DataFrame
        A row a series, with those of `COLUMNS` that the installed table has. Hand SeriesInstanceUID to
        `IDCClient.download_from_selection`.

    Raises
    ------
    CourseError
        idc-index is not installed, its table lacks a column that is asked for, or nothing fits.

    References
    ----------
    .. [1] Fedorov et al. National Cancer Institute Imaging Data Commons: toward transparency, reproducibility, and
       scalability in imaging artificial intelligence. RadioGraphics 43(12), 2023. https://doi.org/10.1148/rg.230180
    """
    table = _table()
    asked = {
        "collection_id": collection,
        "Modality": modality,
        "BodyPartExamined": body_part,
        "license_short_name": licence,
    }
    for column, terms in asked.items():
        if terms is None:
            continue
        if column not in table:
            raise CourseError(f"the installed idc-index has no column {column}: update it, or leave this filter out")
        wanted = {each.lower() for each in ([terms] if isinstance(terms, str) else terms)}
        fits = table[column].astype(str).str.lower().isin(wanted)
        if not fits.any():
            known = ", ".join(sorted(table[column].astype(str).unique())[:12])
            raise CourseError(f"no series has {column} {' or '.join(sorted(wanted))}; there are {known} ...")
        table = table[fits]
    if largest_mb is not None:
        table = table[table["series_size_MB"].astype(float) <= largest_mb]
    if not len(table):
        raise CourseError("no series fits all filters together: leave one out")
    return table[[name for name in COLUMNS if name in table]].reset_index(drop=True)


def _table() -> Any:
    try:
        from idc_index import IDCClient  # noqa: PLC0415  (optional, and it loads a table of all of IDC)
    except ImportError:
        raise CourseError("asking the Imaging Data Commons needs idc-index: pip install idc-index") from None
    return IDCClient().index
