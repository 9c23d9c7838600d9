"""Look for what students must not get in what they get."""

import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.grading import cells
from medcourse.grading.notebooks import lab_notebook

SHORTEST = 12
"""Characters: a shorter line, such as `return x`, says nothing and stands everywhere."""


@dataclass(frozen=True)
class Leak:
    """A secret line of a lab, found where it must not be."""

    place: str
    kind: str
    line: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.place}: {self.kind} of the lab: {self.line!r}"


def find_leaks(solution_path: Path, texts: Mapping[str, str], *, public: Iterable[str] = ()) -> list[Leak]:
    """Look for lines of solutions, hidden tests and marking schemes of a lab, and for their sha256.

    Parameters
    ----------
    solution_path
        `solutions/<slug>.py`.
    texts
        What to look through, by a name for the message: notebooks, pages, code, as they lie in files.
    public
        Texts that students have by right, such as lessons: a line that stands there is no secret, as is none that
        stands in the visible part of the lab.

    Returns
    -------
    list of Leak
        Blanks, quoting and mark-up between the words do not hide a line.
    """
    secrets = secret_lines(solution_path, public)
    found = []
    for place, text in texts.items():
        readings = "\n".join(_readings(text))
        for line, kind in secrets.items():
            if line in readings:
                found.append(Leak(place, kind, line))
            elif hashlib.sha256(line.encode()).hexdigest() in readings:
                found.append(Leak(place, f"hash of {kind}", line))
    return found


def secret_lines(solution_path: Path, public: Iterable[str] = ()) -> dict[str, str]:
    """Return the lines that students must not get, blanks normalised, with what each is."""
    secrets: dict[str, str] = {}
    for cell in lab_notebook(solution_path).cells:
        for marker, kind in zip(cells.MARKERS, ("solution", "hidden test", "marking scheme"), strict=True):
            for region in cells.regions(cell.source, marker):
                secrets |= {_plain(line): kind for line in region if len(_plain(line)) >= SHORTEST}
    everything_visible = "\n".join(_plain(text) for text in [visible_text(solution_path), *public])
    return {line: kind for line, kind in secrets.items() if line not in everything_visible}


def visible_text(solution_path: Path) -> str:
    """Return what students see of a lab: its cells without the marked regions."""
    shown = []
    for cell in lab_notebook(solution_path).cells:
        source = cell.source
        for marker in cells.MARKERS:
            source = cells.without_regions(source, marker)
        shown.append(_plain(source))
    return "\n".join(shown)


def _readings(text: str) -> Iterator[str]:
    """Yield a text as it stands, without mark-up, and with the strings in it unquoted."""
    yield _plain(text)
    yield _plain(html.unescape(re.sub(r"<[^>]*>", "", text)))
    try:
        strings = "\n".join(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        strings = text.replace("\\n", "\n").replace('\\"', '"')
    yield _plain(strings)


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in JSON; a list of them is one text, as the sources of cells are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)
        else:
            for item in value:
                yield from _strings(item)


def _plain(text: str) -> str:
    return " ".join(text.split())
