"""Put what a student wrote into the clean release, so that nothing else of a submission can matter.

What becomes of a submission is what "Restart and run all" would do to it in the student's own kernel, with the locked
cells as they were released:

- An answer is known by its grade_id, else by its cell id, and stands where the release has it. One that is missing
  leaves an empty cell and not the stub: the student may have answered in a cell of their own, and the stub would undo
  that.
- An answer that is there several times (copied, or one cell split in two): the first copy that says something takes its
  place, and each further one stays where it is as a cell that the student added. So the copies run in order and the
  later wins, as the student saw it. Untouched stubs among the copies are dropped; copies of a written answer are
  joined.
- Cells that the student added stay behind the cell that they stand behind. Those behind the last test cannot change a
  grade and may train for minutes, so they become experiments, as do those that the student tagged so.
- Locked cells, test cells, their order, their tags and all metadata come from the release; outputs are dropped.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medcourse.grading import cells
from medcourse.grading.notebooks import node

Cell = Mapping[str, Any]

_IMAGES = {"image/png", "image/jpeg", "image/gif"}  # what may come along in a written answer: SVG can carry scripts


def splice(release: Any, submission: Any) -> tuple[Any, list[str]]:
    """Return the clean notebook with the student's answers in it, and in words what had to be mended.

    Parameters
    ----------
    release
        The notebook that students were given, as `release.build` makes it.
    submission
        A notebook of nbformat 4 with anything in its cells' metadata.

    Returns
    -------
    clean : NotebookNode
        The arguments are left alone.
    findings : list of str
        One sentence for each cell that was missing, doubled or damaged, for the student to read.
    """
    clean = copy.deepcopy(release)
    originals: dict[str, Any] = {cells.grade_id(cell) or cell["id"]: cell for cell in clean["cells"]}
    names = _recognise(submission["cells"], originals)
    handed_in: dict[str, list[Cell]] = defaultdict(list)
    for name, cell in zip(names, submission["cells"], strict=True):
        if name is not None:
            handed_in[name].append(cell)

    findings = [
        finding for name, original in originals.items() for finding in _findings(name, original, handed_in[name])
    ]
    found = [name for name in dict.fromkeys(names) if name is not None and cells.metadata(originals[name])]
    if found != [name for name in originals if name in found]:
        findings.append("Cells stand in another order than in the lab: they were put back in order.")

    added: dict[str | None, list[Cell]] = defaultdict(list)  # the student's own cells, by the cell they stand behind
    anchor = None
    placed: set[str] = set()
    for name, cell in zip(names, submission["cells"], strict=True):
        if name is None:
            added[anchor].append(cell)
        elif not _is_editable(originals[name]):
            anchor = anchor if name in placed else name
            placed.add(name)
        elif cell is _first_said(handed_in[name], originals[name]):
            anchor = name
        elif originals[name]["cell_type"] == "code" and _is_said(cell, originals[name]):
            added[anchor].append(cell)

    for name, original in originals.items():
        if _is_editable(original):
            _fill(original, handed_in[name])
        if original["cell_type"] == "code":
            original["outputs"], original["execution_count"] = [], None
    clean["cells"] = _with_added(originals, added)
    return clean, findings


def _recognise(submitted: Sequence[Cell], originals: dict[str, Any]) -> list[str | None]:
    """Return for each submitted cell the cell of the release that it is, None for one that the student added."""
    names: list[str | None] = [
        next(
            (
                label
                for label in (cells.grade_id(cell), cell.get("id"))
                if isinstance(label, str) and label in originals
            ),
            None,
        )
        for cell in submitted
    ]
    # Editors that drop metadata and cell ids leave at least the text of what nobody was asked to change.
    lost = {
        (original["cell_type"], _text(original)): name
        for name, original in originals.items()
        if name not in names and not _is_editable(original)
    }
    return [
        lost.get((cell["cell_type"], _text(cell))) if name is None else name
        for name, cell in zip(names, submitted, strict=True)
    ]


def _findings(name: str, original: Cell, copies: Sequence[Cell]) -> Iterator[str]:
    if not cells.metadata(original):
        return  # text and experiments are the student's to do with as they like
    kind = "test" if cells.is_test(original) else "answer" if _is_editable(original) else "locked"
    if not copies:
        mended = "nothing stands in its place" if kind == "answer" else "it was put back"
        yield f"The {kind} cell `{name}` is missing: {mended}."
    if len(copies) > 1:
        mended = "what was written in them counts, from top to bottom" if kind == "answer" else "the lab's own was used"
        yield f"The {kind} cell `{name}` is there {len(copies)} times: {mended}."
    if kind != "answer" and any(_text(cell) != _text(original) for cell in copies):
        yield f"The {kind} cell `{name}` was changed: the lab's own was used."
    if any(cell["cell_type"] != original["cell_type"] for cell in copies):
        was = copies[0]["cell_type"] if len(copies) == 1 else "another kind"
        yield f"The {kind} cell `{name}` was turned from {original['cell_type']} into {was}: it was turned back."


def _is_editable(original: Cell) -> bool:
    return cells.is_answer(original) or cells.is_written(original)


def _is_said(cell: Cell, original: Cell) -> bool:
    """Say whether the student wrote something here."""
    return _text(cell) not in ("", _text(original))


def _first_said(copies: Sequence[Cell], original: Cell) -> Cell:
    return next((cell for cell in copies if _is_said(cell, original)), copies[0])


def _fill(original: Any, copies: Sequence[Cell]) -> None:
    """Write the student's answer into a cell of the clean notebook."""
    if not copies:
        original["source"] = ""
        return
    answer = _first_said(copies, original)
    if original["cell_type"] == "code":
        original["source"] = _source(answer)
        return
    said = [cell for cell in copies if _is_said(cell, original)]
    original["source"] = "\n\n".join(_source(cell) for cell in said or [answer])
    original.update(_attachments(said))


def _with_added(originals: dict[str, Any], added: dict[str | None, list[Cell]]) -> list[Any]:
    """Return the cells of the clean notebook, each with what the student put behind it."""
    last_test = max((i for i, cell in enumerate(originals.values()) if cells.is_test(cell)), default=-1)
    result: list[Any] = []
    number = 0
    for position, name in enumerate([None, *originals], start=-1):
        if name is not None:
            result.append(originals[name])
        for cell in added[name]:
            number += 1
            result.append(_added_cell(cell, f"added-{number}", behind_tests=position >= last_test))
    return result


def _added_cell(cell: Cell, cell_id: str, *, behind_tests: bool) -> Any:
    fields: dict[str, Any] = {"id": cell_id, "cell_type": cell["cell_type"], "metadata": {}, "source": _source(cell)}
    if cell["cell_type"] == "code":
        metadata = cell.get("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if behind_tests or (isinstance(tags, list) and cells.EXPERIMENT in tags):
            fields["metadata"] = {"tags": [cells.EXPERIMENT]}
        fields |= {"outputs": [], "execution_count": None}
    elif cell["cell_type"] == "markdown":
        fields |= _attachments([cell])
    return node(**fields)


def _attachments(submitted: Sequence[Cell]) -> dict[str, Any]:
    """Return the pictures that were pasted into cells, as a part of a cell; empty where there is none."""
    kept = {}
    for cell in submitted:
        pasted = cell.get("attachments")
        for name, bundle in pasted.items() if isinstance(pasted, dict) else ():
            if isinstance(bundle, dict) and set(bundle) <= _IMAGES and all(isinstance(v, str) for v in bundle.values()):
                kept[name] = bundle
    return {"attachments": kept} if kept else {}


def _source(cell: Cell) -> str:
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    return source.encode("utf-8", "replace").decode()  # JSON admits half characters, files do not


def _text(cell: Cell) -> str:
    """Return the text of a cell but for blanks around it, which editors add and drop."""
    return _source(cell).strip()
