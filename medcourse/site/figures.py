"""Pictures of notebooks as files beside the pages: read when they come into view, kept by the browser, half the size.

A notebook carries its pictures in its text. A page that did the same would have to be read whole before it is shown.
"""

import hashlib
import html
import io
import os
import re
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

FOLDER = "_static/figures"
_IMG = re.compile(r'<img alt="([^"]*)" style="max-width:100%" src="data:image/png;base64,([A-Za-z0-9+/=]+)">')
"""As `medcourse.plots.figures.bundle` writes it."""
_WEBP = re.compile(r"data:image/webp;base64,([A-Za-z0-9+/=]+)")
"""A picture of a twin, as `medcourse.plots.twins` writes it, in an `<img>` or in the data of its script."""


@dataclass(frozen=True)
class Stored:
    """A picture on the shelf: its file's name, width and height in pixels."""

    name: str
    width: int
    height: int

    def tag(self, alt: str, *, up: str = "../") -> str:
        """Return an `<img>` that is read when it comes into view and leaves its room free until then.

        `up` leads from the page to the site's top.
        """
        return (
            f'<img class="figure" alt="{html.escape(alt)}" src="{up}{FOLDER}/{self.name}" '
            f'width="{self.width}" height="{self.height}" loading="lazy">'
        )


class Shelf:
    """Puts pictures into the files of a site, as lossless WebP, which no reader can tell from the PNG.

    Parameters
    ----------
    files : dict of str to bytes
        The site's files by name; pictures are added.
    kept : Path
        Folder of pictures that were converted before: that takes longest.
    """

    def __init__(self, files: dict[str, bytes], kept: Path) -> None:
        self._files, self._kept = files, kept

    def store(self, png: bytes) -> Stored:
        """Add a picture, once."""
        from PIL import Image  # noqa: PLC0415

        name = f"{hashlib.sha256(png).hexdigest()[:16]}.webp"
        ours = self._kept / name
        with Image.open(io.BytesIO(png)) as picture:
            width, height = picture.size
            if not ours.is_file():
                whole = io.BytesIO()
                picture.convert("RGB").save(whole, "WEBP", lossless=True, method=1, quality=20)
                self._kept.mkdir(parents=True, exist_ok=True)
                part = ours.with_suffix(f".{os.getpid()}.part")
                part.write_bytes(whole.getvalue())
                part.replace(ours)
        self._files[f"{FOLDER}/{name}"] = ours.read_bytes()
        return Stored(name, width, height)

    def without_data(self, text: str) -> str:
        """Replace the pictures in the HTML of an output by links to files."""

        def replace(found: re.Match[str]) -> str:
            alt, data = found.groups()
            return self.store(b64decode(data)).tag(html.unescape(alt))

        return _WEBP.sub(self._link, _IMG.sub(replace, text))

    def _link(self, found: re.Match[str]) -> str:
        webp = b64decode(found[1])
        name = f"{FOLDER}/{hashlib.sha256(webp).hexdigest()[:16]}.webp"
        self._files[name] = webp
        return f"../{name}"
