"""What a terminal can show: colours, bars, and that something is going on."""

import os
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_CODES = {"green": "32", "yellow": "33", "red": "31", "dim": "2", "bold": "1"}
_BLOCKS, _ASCII = ("\u2588", "\u2591"), ("#", "-")
_TICKS = {True: ("\u2713", "\u25d0", "\u2717"), False: ("+", "~", "x")}
_PATIENCE_S = 1.0


class Ink:
    """Colours and signs for one stream: colours for a terminal only, and not where `NO_COLOR` is set.

    Parameters
    ----------
    stream
        Where the text goes; standard output unless given.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = stream or sys.stdout
        self.colours = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.signs = _can_show(stream, "".join([*_BLOCKS, *_TICKS[True]]))

    def __call__(self, text: str, *styles: str) -> str:
        """Return the text in the styles `green`, `yellow`, `red`, `dim`, `bold`, if this stream has them."""
        if not (self.colours and styles and text):
            return text
        return f"\033[{';'.join(_CODES[style] for style in styles)}m{text}\033[0m"

    def bar(self, score: float, best: float, width: int = 20) -> str:
        """Return a bar that is full for `score == best` alone, and empty for none alone."""
        share = score / best if best else 0.0
        filled = min(max(round(width * share), share > 0), width - (share < 1))
        full, empty = _BLOCKS if self.signs else _ASCII
        return self(full * filled, shade(score, best)) + self(empty * (width - filled), "dim")

    def tick(self, score: float, best: float) -> str:
        """Return a sign for all of the points, some of them, or none."""
        all_of_it, some, none = _TICKS[self.signs]
        sign = all_of_it if score == best else some if score > 0 else none
        return self(sign, shade(score, best))


def shade(score: float, best: float) -> str:
    """Return the style for all of the points, some of them, or none."""
    return "green" if score == best else "yellow" if score > 0 else "red"


def wrapped(text: str, indent: str, width: int = 100) -> str:
    """Return paragraphs that fit the width, indented; lists and formulas keep their lines."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        kept = any(line.lstrip().startswith(("- ", "* ", "$$", "|", "1. ")) for line in lines)
        body = lines if kept else textwrap.wrap(" ".join(lines), width - len(indent), break_long_words=False)
        paragraphs.append("\n".join(indent + line for line in body))
    return "\n".join(paragraphs)


@contextmanager
def busy(what: str, stream: TextIO | None = None) -> Iterator[None]:
    """Say on a terminal, after a second, that something is going on, and for how long; nothing of it stays there."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield
        return
    from tqdm import tqdm  # noqa: PLC0415

    done = threading.Event()

    def show() -> None:
        if done.wait(_PATIENCE_S):
            return
        with tqdm(desc=what, bar_format="{desc} {elapsed}", file=stream, leave=False) as line:
            while not done.wait(_PATIENCE_S / 2):
                line.refresh()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _can_show(stream: TextIO, signs: str) -> bool:
    try:
        signs.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
