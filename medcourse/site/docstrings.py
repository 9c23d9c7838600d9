"""Docstrings for Sphinx: written to be read in a terminal, shown on a page without a change to their text.

What is no markup there (`2 |A and B|`, `B*`) is none here; fields of a `Bunch` become a list, attributes that share a
text stand one by one; references are numbered.
"""

import re
import zlib
from pathlib import Path
from typing import Any

_NAME_OF_ARGUMENT = re.compile(r"\s*\*{1,2}\w+(\s*:.*)?$")
_QUOTED = re.compile(r"(`[^`]*`)")
_REFERENCE = re.compile(r"^\.\. \[(\d+)\] ")
_FIELD = re.compile(r"( {4,})(\w+(?:, \w+)*) : ")
_LISTED = ("Returns", "Yields")
_NEXT_FIELD = re.compile(r"(?<=\.) (?=\w+(?:, \w+)* : )")
_NAMES = re.compile(r"\w+(?:, \w+)+")


def as_markup(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Turn a docstring, given as lines, into what docutils and napoleon read; in place."""
    lines[:] = _list_fields(_field_a_line(_name_each(_escape(lines))))


def _escape(lines: list[str]) -> list[str]:
    """Escape asterisks and bars outside of code, and name references by plain numbers."""
    found = []
    in_example = False
    block: int | None = None  # indentation of the line that begins a literal block, or formula
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if in_example or block is not None or _NAME_OF_ARGUMENT.match(line):
            found.append(line)
            continue
        parts = _QUOTED.split(_REFERENCE.sub(r"\1. ", line))
        parts[::2] = [re.sub(r"\[(\d+)\]_", r"[\1]", re.sub(r"([*|])", r"\\\1", part)) for part in parts[::2]]
        found.append("".join(parts))
        block = indent if line.rstrip().endswith("::") else block
    return found


def _sections(lines: list[str]) -> list[str]:
    """Return for each line the section that it stands in, or heads; empty before the first."""
    found = []
    section = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        section = line.strip() if below.startswith("---") else section
        found.append(section)
    return found


def _name_each(lines: list[str]) -> list[str]:
    """Give attributes that share a text an entry each, as napoleon does for parameters: of these it would lose some."""
    found: list[str] = []
    for number, (section, line) in enumerate(zip(_sections(lines), lines, strict=True)):
        names, colon, kind = line.partition(" : ")
        if section == "Attributes" and _NAMES.fullmatch(names):
            end = number + 1
            while end < len(lines) and (lines[end].startswith(" ") or not lines[end]):
                end += 1
            *others, last = names.split(", ")
            for name in others:
                found += [f"{name}{colon}{kind}", *lines[number + 1 : end]]
            found.append(f"{last}{colon}{kind}")
        else:
            found.append(line)
    return found


def _field_a_line(lines: list[str]) -> list[str]:
    """Begin a line with each field of what is returned, also where a sentence ended before it on its line."""
    found: list[str] = []
    margin = ""
    for section, line in zip(_sections(lines), lines, strict=True):
        field = _FIELD.match(line) if section in _LISTED else None
        if field or section not in _LISTED:
            margin = field[1] if field else ""
        first, *others = _NEXT_FIELD.split(line) if margin else [line]
        found += [first, *(margin + other for other in others)]
    return found


def _list_fields(lines: list[str]) -> list[str]:
    """Make `name : kind` inside of what is returned an item of a list; each on a line was one for the eye already."""
    found: list[str] = []
    before = ""
    items: list[int] = []  # indentation of the items that are open, the innermost last
    for section, line in zip(_sections(lines), lines, strict=True):
        before, items = section, items if section == before else []
        field = _FIELD.match(line) if section in _LISTED else None
        indent = len(line) - len(line.lstrip())
        if field:
            items = [*(each for each in items if each < indent), indent]
            found += ["", f"{field[1]}- `{field[2]}` : {line[field.end() :]}"]
        elif items and line.strip():
            if indent < items[-1]:
                items = [each for each in items if each <= indent]
                found.append("")
            found.append(" " * (items[-1] + 2) + line.lstrip() if items else line)
        else:
            found.append(line)
    return found


def skip_alias(_app: Any, _what: str, _name: str, member: Any, _skip: bool, _options: Any) -> bool | None:
    """Leave out what Python itself says of a named tuple's fields: "Alias for field number 0"."""
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Any) -> dict[str, Any]:
    """Connect to Sphinx, before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", as_markup, priority=400)
    app.connect("autodoc-skip-member", skip_alias)
    # Pages that this file read otherwise, for an earlier build, are read again.
    version = zlib.crc32(Path(__file__).read_bytes())
    return {"env_version": version, "parallel_read_safe": True, "parallel_write_safe": True}
