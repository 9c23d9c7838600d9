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

# The head of a call over several lines says no more than the name of what is called.
_OPENING = re.compile(r"[\w.]+[(\[{]")
# A picture in a page, which is most of it.
_PICTURE = re.compile(r"[A-Za-z0-9+/=]{400,}")
_WORD = re.compile(r"\w+")


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
    return _look(secret_lines(solution_path, public), texts)


def find_leaks_of_course(root: Path, texts: Mapping[str, str], secrets: Mapping[str, str] | None = None) -> list[Leak]:
    """Look for the secrets of every lab of a course in what students or the public get.

    What stands in the package or in the visible part of any lab is no secret: labs share turns of phrase. A lesson may
    write out a line that a lab asks for, so what lessons hold is no secret solution; a hidden test or a marking scheme
    stays one, in a lesson too.

    Parameters
    ----------
    root
        The course's folder, with `solutions/`.
    texts
        As for `find_leaks`.
    secrets
        What `secrets_of_course` returned, where it is asked more than once.
    """
    return _look(secrets_of_course(root) if secrets is None else secrets, texts)


def secrets_of_course(root: Path) -> dict[str, str]:
    """Return the lines that students must not get of any lab, blanks normalised, with what each is."""
    notebooks = [lab_notebook(path) for path in sorted((root / "solutions").glob("*.py"))]
    package = Path(__file__).resolve().parents[1]
    known = [_Reading(text) for text in [*map(_visible, notebooks), *_plain_files(package)]]
    taught = [_Reading(text) for text in _plain_files(root / "course")]
    secrets = {}
    for notebook in notebooks:
        for line, kind in _secrets(notebook).items():
            public = [*known, *taught] if kind == "solution" else known
            words = set(_WORD.findall(line))
            if not any(text.holds(line, words) for text in public):
                secrets[line] = kind
    return secrets


class _Reading:
    """A text to look for many lines in: a line can only stand where all its words do."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = set(_WORD.findall(text))

    def holds(self, line: str, words: set[str]) -> bool:
        return words <= self.words and line in self.text


def _look(secrets: Mapping[str, str], texts: Mapping[str, str]) -> list[Leak]:
    words = {line: set(_WORD.findall(line)) for line in secrets}
    hashes = {hashlib.sha256(line.encode()).hexdigest(): line for line in secrets}
    found = []
    for place, text in texts.items():
        reading = _Reading("\n".join(_readings(text)))
        whole = {line for line in secrets if reading.holds(line, words[line])}
        hashed = {hashes[each] for each in reading.words & hashes.keys()} - whole
        found += [Leak(place, kind, line) for line, kind in secrets.items() if line in whole]
        found += [Leak(place, f"hash of {kind}", line) for line, kind in secrets.items() if line in hashed]
    return found


def secret_lines(solution_path: Path, public: Iterable[str] = ()) -> dict[str, str]:
    """Return the lines that students must not get, blanks normalised, with what each is."""
    notebook = lab_notebook(solution_path)
    everything_visible = "\n".join([_visible(notebook), *map(_plain, public)])
    return {line: kind for line, kind in _secrets(notebook).items() if line not in everything_visible}


def _secrets(notebook: Any) -> dict[str, str]:
    """Return the lines in the marked regions of a lab, with what each is."""
    secrets: dict[str, str] = {}
    for cell in notebook.cells:
        for marker, kind in zip(cells.MARKERS, ("solution", "hidden test", "marking scheme"), strict=True):
            for region in cells.regions(cell.source, marker):
                lines = (_plain(line) for line in region)
                secrets |= {line: kind for line in lines if len(line) >= SHORTEST and not _OPENING.fullmatch(line)}
    return secrets


def _plain_files(folder: Path) -> list[str]:
    return [_plain(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))]


def visible_text(solution_path: Path) -> str:
    """Return what students see of a lab: its cells without the marked regions."""
    return _visible(lab_notebook(solution_path))


def _visible(notebook: Any) -> str:
    shown = []
    for cell in notebook.cells:
        source = cell.source
        for marker in cells.MARKERS:
            source = cells.without_regions(source, marker)
        shown.append(_plain(source))
    return "\n".join(shown)


def _readings(text: str) -> Iterator[str]:
    """Yield a text as it stands, without mark-up, and with the strings in it unquoted."""
    text = _PICTURE.sub(" ", text)
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
