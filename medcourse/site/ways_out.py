"""What a page offers to those who want to run its notebook: files to take away, a line for the terminal, links."""

import html
from typing import Any

import jupytext

from medcourse.grading.notebooks import to_text
from medcourse.ways import Ways

FOLDER = "notebooks"
"""Where the files lie in Sphinx's source; it copies those that pages link to."""


def downloads(notebook: Any, kind: str, slug: str) -> dict[str, bytes]:
    """Make the files to take away, by name: the notebook without outputs, and as Python in py:percent.

    Parameters
    ----------
    notebook
        As the course has it, before it was run.
    kind
        `lessons` or `labs`.
    slug
        The unit's.
    """
    name = f"{FOLDER}/{kind}/{slug}"
    return {
        f"{name}.ipynb": to_text(notebook).encode(),
        f"{name}.py": jupytext.writes(notebook, fmt="py:percent").encode(),
    }


def add_ways(notebook: Any, ways: Ways, kind: str, slug: str) -> None:
    """Put the lines into a page's notebook, below its line of facts."""
    head, mark, rest = notebook.cells[0].source.partition("\n:::\n")
    notebook.cells[0].source = f"{head}{mark}\n:::{{div}} ways\n{ways_text(ways, kind, slug)}\n:::\n{rest}"


def ways_text(ways: Ways, kind: str, slug: str) -> str:
    """Write the lines below a page's title, as MyST."""
    files = [f"{{download}}`{label} <../{FOLDER}/{kind}/{slug}.{end}>`" for label, end in _FILES]
    lines = [f"Take it away: {', '.join(files)}."]
    where = "" if ways.repository else " in the course's folder"
    lines.append(f"Run it here: <code>{html.escape(ways.one_line())}</code>{where}, then `{kind}/{slug}.ipynb`.")
    if links := ways.links(kind, slug):
        lines.append(f"Open it in {', '.join(f'[{name}]({address})' for name, address in links)}.")
    return "\n\n".join(lines)


_FILES = (("notebook", "ipynb"), ("Python", "py"))
