"""Make what a student wrote, drew or printed safe to put on a page that others open.

Nothing here is trusted: text may hold mark-up, terminal codes and megabytes; Markdown may hold scripts, pictures that
call home, and addresses that run code; an output may be HTML or SVG.
"""

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import bleach
from IPython.core.latex_symbols import latex_symbols
from markupsafe import Markup, escape
from nbconvert.filters import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TEXT_LIMIT = 20_000
"""Characters of one output; of more, the beginning and the end are shown."""

SOURCE_LIMIT = 200_000
"""Characters of one cell; beyond them it is shown without colours and formatting, and cut."""

PICTURE_LIMIT = 4_000_000
"""Characters of one picture in base64."""

PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
}
"""The pictures that are shown, and how they begin. SVG is none of them: it can hold scripts."""

_TAGS = {
    "a", "blockquote", "br", "code", "del", "details", "em", "h4", "h5", "h6", "hr", "img", "kbd", "li", "ol", "p",
    "pre", "s", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_MATH = {"math", "math display"}
_TERMINAL_LINK = re.compile(r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)")  # strip_ansi leaves these, and titles of windows


def text(value: str, limit: int = TEXT_LIMIT) -> str:
    r"""Return printed text as a person saw it: no terminal codes, no overwritten lines, and of a flood both its ends.

    Examples
    --------
    >>> text("\x1b[31mred\x1b[0m\n 10 %\r100 %")
    'red\n100 %'
    >>> text("a" * 50, limit=20)
    'aaaaaaaaaa\n[... 30 characters left out ...]\naaaaaaaaaa'
    """
    if len(value) > 4 * limit:  # so that what follows does not work through megabytes
        left_out, value = len(value) - 4 * limit, value[: 2 * limit] + value[-2 * limit :]
    else:
        left_out = 0
    value = _TERMINAL_LINK.sub("", value.replace("\r\n", "\n"))
    value = strip_ansi(value)  # type: ignore[no-untyped-call]
    # A progress bar goes back to the start of its line and writes over it.
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in value.split("\n"))
    # Control and formatting characters: some make text read in another order than it has.
    value = "".join(c for c in "\n".join(lines) if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"})
    if len(value) <= limit and not left_out:
        return value
    half = limit // 2
    left_out += max(len(value) - 2 * half, 0)
    return f"{value[:half]}\n[... {left_out} characters left out ...]\n{value[-half:]}"


def python(source: str) -> Markup:
    """Return code as HTML, coloured; the page's style sheet knows the classes."""
    if len(source) > SOURCE_LIMIT:
        return escape(text(source, SOURCE_LIMIT))
    # Pygments escapes what it formats.
    return Markup(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True)))  # noqa: S704


def picture(bundle: Mapping[str, Any]) -> str | None:
    """Return the picture of an output or attachment as a `data:` address; None where it has none that is allowed."""
    for kind, beginning in PICTURES.items():
        encoded = bundle.get(kind)
        if isinstance(encoded, list):
            encoded = "".join(map(str, encoded))
        if not isinstance(encoded, str) or len(encoded) > PICTURE_LIMIT:
            continue
        try:
            content = base64.b64decode("".join(encoded.split()), validate=True)
        except (ValueError, binascii.Error):
            continue
        if content.startswith(beginning):
            return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return None


def markdown(source: str, attachments: Mapping[str, Any] | None = None) -> Markup:
    """Return Markdown as HTML with nothing in it that runs, loads, or passes for a part of the page.

    Pictures are shown if they are attached; those at an address are named and not loaded. Formulas stay TeX, with
    letters and signs put in for their names.

    Parameters
    ----------
    source
        The text of a cell.
    attachments
        Its pictures, `{name: {type: base64}}`.
    """
    if len(source) > SOURCE_LIMIT:
        return Markup("<pre>{}</pre>").format(text(source))
    found = attachments if isinstance(attachments, Mapping) else {}
    pictures = {str(name): picture(bundle) for name, bundle in found.items() if isinstance(bundle, Mapping)}
    try:
        html = MarkdownWithMath(renderer=_Renderer(pictures)).render(source)
        clean = bleach.clean(html, tags=_TAGS, attributes=_is_allowed, protocols={"http", "https", "mailto", "data"})
    except RecursionError:  # lists in lists in lists
        return Markup("<pre>{}</pre>").format(text(source))
    return Markup(clean)  # noqa: S704  (bleach's)


def _is_allowed(tag: str, name: str, value: str) -> bool:
    """Say whether an attribute may stay; bleach has looked at the scheme of addresses."""
    if name == "src":
        return tag == "img" and value.startswith(tuple(f"data:{kind};base64," for kind in PICTURES))
    if name == "href":
        return tag == "a" and value.lower().startswith(("http:", "https:", "mailto:"))
    if name == "class":  # no others: a student's text must not look like the page's own verdicts
        return tag == "span" and value in _MATH
    return (tag, name) in {("img", "alt"), ("ol", "start"), ("th", "colspan"), ("td", "colspan"), ("details", "open")}


class _Renderer(IPythonRenderer):
    """nbconvert's renderer of notebooks' Markdown; what it returns goes through bleach."""

    def __init__(self, pictures: Mapping[str, str | None]) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.pictures = pictures

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Show a picture that is attached, and name any other."""
        alt = Markup(text).striptags()  # noqa: S704  (for its tags to be taken out)
        address = self.pictures.get(url.removeprefix("attachment:")) if url.startswith("attachment:") else None
        if address is None:
            return f"<em>[picture that is not shown: {escape(alt) or 'without a description'}]</em>"
        return f'<img src="{address}" alt="{escape(alt)}">'

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """Keep headings below those of the page."""
        level = min(level + 3, 6)
        return f"<h{level}>{text}</h{level}>\n"

    def block_code(self, code: str, info: str | None = None) -> str:
        """Show code as it is; a language such as mermaid would be drawn."""
        return f"<pre><code>{escape(code)}</code></pre>\n"

    def inline_math(self, body: str) -> str:
        """Write a formula in a line."""
        return f'<span class="math">{escape(readable_tex(body))}</span>'

    def block_math(self, body: str) -> str:
        """Write a formula on a line of its own."""
        return f'<span class="math display">{escape(readable_tex(body))}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        """Write an environment as a formula on a line of its own."""
        return self.block_math(body)


_SIGNS = {
    "approx": "≈", "cdot": "·", "cdots": "⋯", "colon": ":", "cup": "∪", "cap": "∩", "dots": "…", "exists": "∃",
    "forall": "∀", "ge": "≥", "geq": "≥", "in": "∈", "infty": "∞", "int": "∫", "langle": "⟨", "ldots": "…", "le": "≤",
    "leftarrow": "←", "leq": "≤", "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|", "mapsto": "↦", "mid": "|",
    "nabla": "∇", "ne": "≠", "neq": "≠", "partial": "∂", "pm": "±", "prod": "∏", "propto": "∝", "rangle": "⟩",
    "rightarrow": "→", "sim": "∼", "subset": "⊂", "sum": "∑", "times": "×", "to": "→", "Rightarrow": "⇒",
    "log": "log", "exp": "exp", "max": "max", "min": "min", "sin": "sin", "cos": "cos", "arg": "arg", "ln": "ln",
    "left": "", "right": "", "big": "", "Big": "", "bigl": "", "bigr": "", "quad": "  ", "qquad": "   ",
}  # fmt: skip


def readable_tex(tex: str) -> str:
    r"""Return TeX with letters and signs in place of their names; what has structure stays as it is.

    Examples
    --------
    >>> readable_tex(r"n \to \frac{\sigma^2}{2} \, \le 1")
    'n → \\frac{σ^2}{2}   ≤ 1'
    """

    def sign(match: re.Match[str]) -> str:
        return _SIGNS.get(match[1], latex_symbols.get(match[0], match[0]))

    return re.sub(r"\\([A-Za-z]+)", sign, re.sub(r"\\[,;: ]", " ", tex.replace(r"\!", "")))
