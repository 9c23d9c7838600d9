"""Pages of the site as a careful reader sees them: what they link to, show, load and say. No browser."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_DATA = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_SILENT = {"script", "style", "pre", "code", "math", "svg", "template"}
"""What in these stands is no prose."""
_LOADS = {
    "img": "src",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}


@dataclass
class Page:
    """One page.

    Attributes
    ----------
    name
        Relative to the site, with `/`.
    links, loads
        Addresses that it links to, and that a browser fetches for it, as they stand there.
    ids
        Anchors, each as often as it is there.
    pictures
        For each its address and its words, None where it has none.
    headings
        Level and text, in order, of the page's own part.
    prose
        Its text without code and formulas, a string for each run.
    """

    name: str
    path: Path
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str | None]] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)

    @cached_property
    def source(self) -> str:
        """The page as it stands in its file, without pictures within."""
        return _DATA.sub("data:", self.path.read_text(encoding="utf-8"))

    def target(self, address: str) -> tuple[Path, str]:
        """The file and the anchor that an address leads to."""
        parts = urlsplit(address)
        file = self.path if not parts.path else (self.path.parent / unquote(parts.path)).resolve()
        return file, unquote(parts.fragment)


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.open: list[str] = []
        self.article_at: int | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        page = self.page
        page.ids += [found[name] for name in ("id", "name") if found.get(name) and (name == "id" or tag == "a")]
        if tag == "a" and "href" in found:
            page.links.append(found["href"])
        if tag in _LOADS and found.get(_LOADS[tag]):
            page.loads.append(found[_LOADS[tag]])
        if tag == "link" and "href" in found and {"stylesheet", "icon", "preload"} & set(found.get("rel", "").split()):
            page.loads.append(found["href"])
        elif tag == "link" and "href" in found:
            page.links.append(found["href"])
        if tag == "img":
            page.pictures.append((found.get("src", ""), found.get("alt")))
        if re.fullmatch("h[1-6]", tag) and self.article_at is not None:
            page.headings.append((int(tag[1]), ""))
        if tag == "article" and self.article_at is None:
            self.article_at = len(self.open)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        if self.article_at is not None and len(self.open) <= self.article_at:
            self.article_at = None

    def handle_data(self, data: str) -> None:
        if _SILENT & set(self.open) or not data.strip():
            return
        self.page.prose.append(data)
        if self.article_at is not None and self.open and re.fullmatch("h[1-6]", self.open[-1]):
            level, text = self.page.headings[-1]
            self.page.headings[-1] = (level, text + data)


def read_pages(site: Path) -> dict[str, Page]:
    """Read every page of a site, by name."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if not name.startswith(("_static/", "_downloads/")):
            page = pages[name] = Page(name, path.resolve())
            _Reader(page).feed(page.source)
    return pages


def is_elsewhere(address: str) -> bool:
    """Say whether an address leads beyond the site."""
    return bool(urlsplit(address).scheme) or address.startswith("//")


def weight(page: Page) -> int:
    """Bytes of a page with everything that it names: pictures that are fetched late, styles and scripts too."""
    files = {page.target(each)[0] for each in page.loads if not is_elsewhere(each)}
    return page.path.stat().st_size + sum(file.stat().st_size for file in files if file.is_file())
