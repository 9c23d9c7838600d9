"""Notebooks made from text, with the same bytes each time, and notebooks read from files that may be anything."""

import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.records import fill

# nbformat checks notebooks by jsonschema, which loads a grammar of international web addresses where one is installed.
# That takes longer than all the rest, and no notebook is checked for any.
_GRAMMAR = "rfc3987_syntax"
if _GRAMMAR in sys.modules or "jsonschema" in sys.modules:
    import nbformat
else:
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]
    import nbformat

    del sys.modules[_GRAMMAR]

_KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def lesson_notebook(path: Path) -> Any:
    """Make the notebook of a lesson or a lab from its text.

    Parameters
    ----------
    path
        A py:percent file, such as `course/10_unet.py`.

    Returns
    -------
    NotebookNode
        Without outputs; its cell ids follow from grade_ids, else from the cells' text, so that the same text makes the
        same notebook, and a change in one cell changes one cell.

    Raises
    ------
    CourseError
        There is no such file, or a cell's header cannot be read.
    """
    import jupytext  # noqa: PLC0415  (not where notebooks are only read)

    if not path.is_file():
        raise CourseError(f"expected a py:percent file, found none at {path}")
    notebook = jupytext.read(path, fmt="py:percent")
    for cell in notebook.cells:
        if "incorrectly_encoded_metadata" in cell.metadata:
            raise CourseError(
                f"{path.name}: expected a cell header as nbgrader={{...}} in JSON, "
                f"got `# %% {cell.metadata['incorrectly_encoded_metadata']}`"
            )
        cell.metadata.pop("lines_to_next_cell", None)  # a note of jupytext's to itself
    notebook.metadata = node(**_KERNEL)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    _name_cells(notebook)
    fill(notebook, path)
    return notebook


def lab_notebook(path: Path) -> Any:
    """Make nbgrader's source notebook of a lab: as `lesson_notebook`, and each exercise's heading states its points.

    A written question that marks no solution is one, but for its marking scheme. nbgrader would take the scheme for a
    part of the solution, too, and the person who grades would not see it.
    """
    notebook = lesson_notebook(path)
    _state_points(notebook)
    for cell in notebook.cells:
        if cells.is_written(cell) and cells.SOLUTION.begin not in cell.source:
            answer, scheme = cells.split_mark_scheme(cell.source)
            cell.source = f"### {cells.SOLUTION.begin}\n{answer.rstrip()}\n### {cells.SOLUTION.end}\n\n{scheme}"
    return notebook


def node(**fields: Any) -> Any:
    """Return a part of a notebook, a cell or an output, as nbformat has it: items are attributes too."""
    return nbformat.from_dict(fields)  # type: ignore[no-untyped-call]


def to_text(notebook: Any) -> str:
    """Return the notebook as it is written to a file."""
    return str(nbformat.writes(notebook)) + "\n"  # type: ignore[no-untyped-call]


def read_notebook(path: Path) -> Any:
    """Read a notebook that somebody handed in.

    Raises
    ------
    CourseError
        There is no such file, it is no notebook, or a notebook of another language.
    """
    if path.is_dir():
        raise CourseError(f"expected a notebook, got the folder {path}")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise CourseError(f"expected a notebook, found no file at {path}") from None
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}") from None
    try:
        return parse_notebook(raw)
    except CourseError as error:
        raise CourseError(f"{error}: {path}") from None


def parse_notebook(raw: bytes | str, *, outputs: bool = True) -> Any:
    """Make a notebook of nbformat 4 of what somebody handed in.

    Parameters
    ----------
    raw
        What stands in the file.
    outputs
        Whether to keep what cells put out, which can be larger than all the rest.

    Raises
    ------
    CourseError
        It is no notebook, or a notebook of another language.
    """
    try:
        found = json.loads(raw if isinstance(raw, str) else raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise CourseError("expected a notebook, got a file that is not JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise CourseError("expected a notebook, got JSON that is none")
    try:
        if not isinstance(found.get("metadata"), dict):
            found["metadata"] = {}  # nothing in it counts
        if not outputs:
            drop_outputs(found)
        version, minor = nbformat.reader.get_version(found)  # type: ignore[no-untyped-call]
        notebook = nbformat.convert(nbformat.versions[version].to_notebook_json(found, minor=minor), 4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises whatever its many readers meet
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CourseError(f"expected a notebook, got one that cannot be read: {reason}") from None
    if not isinstance(notebook.get("cells"), list) or not all(_is_cell(cell) for cell in notebook["cells"]):
        raise CourseError("expected a notebook, got one whose cells are none")
    if not (language := _language(notebook.get("metadata"))).lower().startswith(("python", "ipython")):
        raise CourseError(f"expected a notebook in Python, got one in {language[:40]}")
    return notebook


def drop_outputs(found: Any, *, pictures: bool = False) -> None:
    """Take out of a notebook's JSON what cells put out, and if asked the pictures in text, too; it may be anything."""
    if not isinstance(found, dict):
        return
    sheets = found.get("worksheets", [])  # as nbformat 3 had it
    for part in [found, *(sheets if isinstance(sheets, list) else [])]:
        cells_of_part = part.get("cells") if isinstance(part, dict) else None
        for cell in cells_of_part if isinstance(cells_of_part, list) else []:
            if isinstance(cell, dict) and "outputs" in cell:
                cell["outputs"] = []
            if isinstance(cell, dict) and pictures:
                cell.pop("attachments", None)


def _language(about: Any) -> str:
    """Return the language that a notebook's metadata names; Python where it names none."""
    about = about if isinstance(about, dict) else {}
    for part, entry in (("kernelspec", "language"), ("language_info", "name")):
        named = about[part].get(entry) if isinstance(about.get(part), dict) else None
        if isinstance(named, str) and named:
            return named
    return "python"


def _is_cell(cell: Any) -> bool:
    """Say whether a cell has what a splice needs; the rest may be as an editor left it."""
    return isinstance(cell, dict) and isinstance(cell.get("cell_type"), str) and isinstance(cell.get("source"), str)


def _name_cells(notebook: Any) -> None:
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        name = (
            cells.grade_id(cell)
            or "cell-" + hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        )
        seen[name] += 1
        cell.id = name[:64] if seen[name] == 1 else f"{name[:56]}-{seen[name]}"


def _state_points(notebook: Any) -> None:
    """Append to each `## ` heading the points of the graded cells between it and the next one."""
    heading = None  # the cell that holds the latest heading
    worth = 0.0
    for cell in [*notebook.cells, None]:
        is_heading = cell is not None and cell.cell_type == "markdown" and _HEADING.search(cell.source)
        if is_heading or cell is None:
            if heading is not None and worth:
                unit = "point" if worth == 1 else "points"
                last = list(_HEADING.finditer(heading.source))[-1].end()
                heading.source = f"{heading.source[:last]} ({worth:g} {unit}){heading.source[last:]}"
            heading, worth = cell, 0.0
        if cell is not None:
            worth += cells.points(cell)


_HEADING = re.compile(r"^## .*\S", re.MULTILINE)
