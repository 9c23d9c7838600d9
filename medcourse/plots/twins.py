"""Twins: what works of a demo on a page without a kernel, as one block of HTML.

A twin is made of pictures that were drawn ahead. Without JavaScript (and where a page is cleaned of it, as on GitHub or
in a notebook that is not trusted) it is a few of them with their settings; with it, controls step through all of them.
The block asks no other file or host for anything, and any number of them stand on a page.

Drawing ahead takes time and room, so it is done only when asked for: the variable `MEDCOURSE_TWINS` is "full" where the
course's site is made.
"""

from __future__ import annotations

import html
import io
import json
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

VARIABLE = "MEDCOURSE_TWINS"
WIDEST_PX = 960
QUALITY = 75


def wanted() -> bool:
    """Tell whether twins are to be drawn: in the environment of the kernel, MEDCOURSE_TWINS is "full"."""
    return os.environ.get(VARIABLE) == "full"


Kind = Literal["range", "turn", "select", "checkbox"]


@dataclass(frozen=True)
class Knob:
    """A control of a twin.

    Attributes
    ----------
    label
        What it moves, in words.
    kind
        "range" is a slider, "turn" a slider that can run by itself.
    values
        Its places, in words, with units; a checkbox has two, off and on.
    start
        Number of the place at first.
    """

    label: str
    kind: Kind
    values: list[str]
    start: int


@dataclass(frozen=True)
class Frame:
    """A picture that was drawn ahead.

    Attributes
    ----------
    at
        Place of every knob.
    pixels : ndarray of uint8, shape (H, W, 3 or 4)
    alt
        What it shows, in words.
    title
        Its setting in words.
    still
        Whether it is shown where there is no JavaScript.
    """

    at: tuple[int, ...]
    pixels: np.ndarray
    alt: str
    title: str
    still: bool = False


def draw_twin(knobs: Sequence[Knob], frames: Sequence[Frame], *, name: str = "Demo", alone: bool = False) -> str:
    """Return a twin as HTML.

    Parameters
    ----------
    knobs
        In the order of `Frame.at`.
    frames
        One at least, among them the one where all knobs are at their start; at least one is a still.
    name
        What it is, to those who hear the page.
    alone
        Whether there are pictures only for one knob moved at a time.
    """
    return f"{group(knobs, frames, name=name, alone=alone)}{assets('twin')}"


def group(knobs: Sequence[Knob], frames: Sequence[Frame], *, name: str, alone: bool = False) -> str:
    """Return a twin without the script that moves it, of which a block needs one."""
    pictures = compress([frame.pixels for frame in frames])
    places = [",".join(map(str, frame.at)) for frame in frames]
    start = [knob.start for knob in knobs]
    data = {
        "knobs": [asdict(knob) for knob in knobs],
        # Stills are on the page already.
        "frames": {
            place: {"src": picture.uri, "alt": frame.alt}
            for place, picture, frame in zip(places, pictures, frames, strict=True)
            if not frame.still
        },
        "alone": alone,
        # Those that no single knob leads to from the start have a list of their own.
        "apart": {
            place: frame.title
            for place, frame in zip(places, frames, strict=True)
            if alone and sum(a != b for a, b in zip(frame.at, start, strict=True)) > 1
        },
    }
    shown = [_figure(*each) for each in zip(places, pictures, frames, strict=True) if each[2].still]
    return (
        f'<div class="medcourse-twin" role="group" aria-label="{html.escape(name)}">'
        f'<div class="medcourse-stills">{"".join(shown)}</div>{as_script(data)}</div>'
    )


def _figure(place: str, picture: Picture, frame: Frame) -> str:
    return (
        f'<figure data-at="{place}"><img src="{picture.uri}" alt="{html.escape(frame.alt)}" width="{picture.width}" '
        f'height="{picture.height}" loading="lazy"><figcaption>{html.escape(frame.title)}</figcaption></figure>'
    )


def draw_game(frames: Sequence[Frame], names: Sequence[str], *, question: str, variable: str) -> str:
    """Return a labelling game as HTML: pictures one after the other, a button for each class, the answers as a line.

    Parameters
    ----------
    frames
        All that are asked for, in order. Without JavaScript all of them are shown.
    names
        Of the classes.
    question
        Asked above every picture.
    variable
        What the line assigns to.
    """
    pictures = compress([frame.pixels for frame in frames])
    shown = [_figure(str(i), *each) for i, each in enumerate(zip(pictures, frames, strict=True))]
    said = html.escape(f"{question} {', '.join(f'{k}: {name}' for k, name in enumerate(names))}")
    return (
        f'<div class="medcourse-twin medcourse-game" role="group" aria-label="Labelling game"><p>{said}</p>'
        f'<div class="medcourse-stills">{"".join(shown)}</div>'
        f"{as_script({'names': list(names), 'question': question, 'variable': variable})}</div>{assets('game')}"
    )


def as_script(data: Any) -> str:
    """Return data as JSON in a script element that nothing in the data can end."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json">{text}</script>'


@cache
def assets(name: str) -> str:
    """Return the style of twins and the script of a kind of them, to stand in the page behind it."""
    style, script = (Path(__file__).with_name(file).read_text("utf-8") for file in ("twin.css", f"{name}.js"))
    return f"<style>\n{style}</style><script>\n{script}</script>"


@dataclass(frozen=True)
class Picture:
    """A compressed picture, as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


def compress(pictures: Sequence[np.ndarray]) -> list[Picture]:
    """Compress the pictures (H, W, 3 or 4) of one demo in the form that suits the first, all to one size.

    Lines and areas of few colours become lossless WebP of a palette, which leaves them sharp; photographs lossy WebP.
    Smaller ones get white at their right and lower end; those wider than `WIDEST_PX` shrink to it.
    """
    from PIL import Image  # noqa: PLC0415  (only twins need it)

    height, width = (max(pixels.shape[axis] for pixels in pictures) for axis in (0, 1))
    images = []
    for pixels in pictures:
        image = Image.new("RGB", (width, height), "white")
        drawn = Image.fromarray(np.ascontiguousarray(pixels))
        image.paste(drawn, mask=drawn if drawn.mode == "RGBA" else None)
        if width > WIDEST_PX:
            image = image.resize((WIDEST_PX, round(height * WIDEST_PX / width)), Image.Resampling.LANCZOS)
        images.append(image)
    encode = _lossless if len(_lossless(images[0])) < len(_lossy(images[0])) else _lossy
    return [
        Picture(f"data:image/webp;base64,{b64encode(encode(image)).decode()}", image.width, image.height)
        for image in images
    ]


def _lossless(image: Any) -> bytes:
    from PIL import Image  # noqa: PLC0415

    palette = image.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    return _webp(palette.convert("RGB"), lossless=True, method=1, quality=30)


def _lossy(image: Any) -> bytes:
    return _webp(image, quality=QUALITY, method=2)


def _webp(image: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format="webp", **options)
    return file.getvalue()
