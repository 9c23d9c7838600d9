"""What the theme leaves without words for those who do not see a page: mended in the pages that were written."""

from pathlib import Path
from typing import Any

_MENDED = (
    # What unfolds a part of the sidebar is an arrow and nothing else.
    ('<summary><span class="toctree-toggle"', '<summary aria-label="Pages within"><span class="toctree-toggle"'),
    # The button says more than its label, and people who speak to their computer say what they see.
    (
        'class="btn search-button-field search-button__button pst-js-only" title="Search" aria-label="Search"',
        'class="btn search-button-field search-button__button pst-js-only" title="Search"',
    ),
    # A wide table scrolls, also by the keyboard.
    ('<table border="1" class="dataframe">', '<table border="1" class="dataframe" tabindex="0">'),
)


def mend(app: Any, error: Exception | None) -> None:
    """Mend all pages of a build that went well."""
    for path in [] if error else sorted(Path(app.outdir).rglob("*.html")):
        page = text = path.read_text(encoding="utf-8")
        for old, new in _MENDED:
            text = text.replace(old, new)
        if text != page:
            path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
