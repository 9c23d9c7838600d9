"""The instructor's guide: sections of README.md as pages, so that what is said there is said once."""

import re
from pathlib import Path

from medcourse.errors import CourseError

PAGES = {
    "grading": "How it is graded",
    "day": "An instructor's day",
    "hub": "A class on JupyterHub",
    "browser": "A lab, in the browser",
}
"""Page below `guide/` to heading of README.md. A section ends where one of its level begins or one that is a page."""

_HEADING = re.compile(r"^(#{2,}) (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK_TO_FILE = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")


def guide_pages(root: Path) -> dict[str, str]:
    """Write the pages of the guide that README.md holds, as MyST text by name.

    Raises
    ------
    CourseError
        README.md lacks a section that the guide shows.
    """
    text = (root / "README.md").read_text(encoding="utf-8")
    return {f"guide/{page}.md": _page(text, heading) for page, heading in PAGES.items()}


def _page(text: str, wanted: str) -> str:
    blocks = [block.span() for block in _FENCE.finditer(text)]  # a comment in a shell's lines is no heading
    headings = [
        found for found in _HEADING.finditer(text) if not any(low <= found.start() < high for low, high in blocks)
    ]
    at = next((number for number, found in enumerate(headings) if found[2] == wanted), None)
    if at is None:
        raise CourseError(
            f"expected a section {wanted!r} in README.md, found none: name the new one in the site's guide"
        )
    level = len(headings[at][1])
    lines = [f"# {wanted}"]
    for number, found in enumerate(headings[at:], start=at):
        if number > at and (len(found[1]) <= level or found[2] in PAGES.values()):
            break
        end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
        lines += [f"{'#' * (len(found[1]) - level + 1)} {found[2]}"] if number > at else []
        # Files of the course are no pages of the site.
        lines.append(_LINK_TO_FILE.sub(r"\1 (`\2`)", text[found.end() : end].strip()))
    return "\n\n".join(lines) + "\n"
