"""Notebooks as pages: executed lessons and the labs that students get."""

import re
from base64 import b64decode
from typing import Any

from medcourse.site.figures import FOLDER, Shelf
from medcourse.site.units import Notes

_ATTACHMENT = re.compile(r"\(attachment:([\w-]+\.png)\)")
_TO_NOTEBOOK = re.compile(r"""(href="[\w./-]+)\.ipynb(["#])""")
"""A link to another notebook in an output of HTML, which Sphinx leaves as it is."""
_WIDGET = "application/vnd.jupyter.widget-view+json"
# What a page takes from an output, the best first: pictures have both HTML, with words for it, and PNG.
_KINDS = ("text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "text/plain")


def lesson_page(notebook: Any, lesson: Notes, lab: Notes | None, shelf: Shelf) -> Any:
    """Turn an executed lesson into its page's notebook.

    Parameters
    ----------
    notebook
        With outputs; changed in place.
    lesson, lab : Notes
    shelf : Shelf
        Where its pictures go.
    """
    notebook.metadata.pop("widgets", None)  # the state of demos in the kernel: pages have their twins
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_shown(output, shelf) for output in cell.outputs if not _is_progress(output)]
    unit = lesson.unit
    facts = [f"Unit {unit.number}", unit.part, f"{lesson.minutes} minutes", f"runs in {lesson.seconds:.0f} s"]
    link = (f"Lab {unit.number}", f"../labs/{unit.slug}.ipynb") if lab else None
    _add_facts(notebook, facts, link)
    if lab:
        _add_text(notebook, _next_step(f"Do it yourself: lab {unit.number}", _lab_in_words(lab), *link))  # type: ignore[misc]
    return notebook


def lab_page(notebook: Any, lab: Notes, shelf: Shelf) -> Any:
    """Turn a lab as students get it into its page's notebook: tests that they may read, no outputs, pictures as files.

    Parameters are those of `lesson_page`.
    """
    unit = lab.unit
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
        # Of nbgrader's metadata a page shows nothing.
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
        _unpack_pictures(cell, shelf)
    facts = [f"Lab {unit.number}", f"{lab.minutes} minutes", f"{lab.points:g} points", f"runs in {lab.seconds:.0f} s"]
    _add_facts(notebook, facts, (f"Lesson {unit.number}", f"../lessons/{unit.slug}.ipynb"))
    return notebook


def _is_progress(output: Any) -> bool:
    """Say whether an output is a progress bar: a widget of the kernel that says nothing without it."""
    data = output.get("data", {})
    return _WIDGET in data and "text/html" not in data


def _shown(output: Any, shelf: Shelf) -> Any:
    """Keep the one form of an output that the page shows."""
    data = output.get("data")
    if not data:
        return output
    kind = next((kind for kind in _KINDS if kind in data), None)
    output.data = {kind: data[kind]} if kind else {}
    output.metadata = {}
    if kind == "text/html":
        output.data[kind] = _TO_NOTEBOOK.sub(r"\1.html\2", shelf.without_data(data[kind]))
    return output


def _unpack_pictures(cell: Any, shelf: Shelf) -> None:
    attachments = cell.pop("attachments", {})

    def replace(found: re.Match[str]) -> str:
        png = b64decode(attachments[found[1]]["image/png"])
        return f"(../{FOLDER}/{shelf.store(png).name})"

    cell.source = _ATTACHMENT.sub(replace, cell.source)


def _add_facts(notebook: Any, facts: list[str], link: tuple[str, str] | None) -> None:
    """Put a line of facts below the title."""
    shown = [*facts, *([f"[{link[0]}]({link[1]})"] if link else [])]
    title, _, rest = notebook.cells[0].source.partition("\n")
    line = " · ".join(shown)
    notebook.cells[0].source = f"{title}\n\n:::{{div}} facts\n{line}\n:::\n{rest}"


def _add_text(notebook: Any, text: str) -> None:
    from nbformat.v4 import new_markdown_cell  # noqa: PLC0415

    # Cells are named by what they hold, so that the same course makes the same pages.
    notebook.cells.append(new_markdown_cell(text, id="next-step"))  # type: ignore[no-untyped-call]


def _next_step(title: str, words: str, label: str, address: str) -> str:
    return f":::{{admonition}} {title}\n:class: tip\n{words} [{label}]({address})\n:::"


def _lab_in_words(lab: Notes) -> str:
    title = lab.title if lab.title.endswith("?") else f"{lab.title}."
    return f"{title} About {lab.minutes} minutes, {lab.points:g} points, graded on your own machine or in a class."
