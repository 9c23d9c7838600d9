"""Where the parts of Python code stand in its text, so that one of them can be changed and the rest stays as it is."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple


class Change(NamedTuple):
    """Text to put between two bytes of the code, and of what kind that is."""

    start: int
    end: int
    kind: str
    text: str


class Code:
    """Python code with its tree.

    Examples
    --------
    >>> code = Code("x = '\u00e9' + y  # twice")
    >>> node = code.tree.body[0].value
    >>> code.text(node)
    "'\u00e9' + y"
    >>> place = code.find("+", code.span(node.left)[1], code.span(node.right)[0])
    >>> code.apply(Change(*place, "arithmetic", "-"))
    "x = '\u00e9' - y  # twice"
    """

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self._data = source.encode()
        self._starts = [0, *(match.end() for match in re.finditer(rb"\n", self._data))]  # of lines
        self._tokens = list(self._tokenize(source))

    def _tokenize(self, source: str) -> Iterator[tuple[int, int, str]]:
        """Yield first byte, last byte and text of each token."""
        lines = [*source.split("\n"), ""]
        starts = [*self._starts, len(self._data)]
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            row, column = token.start  # the column in characters, where that of a node is in bytes
            start = starts[row - 1] + len(lines[row - 1][:column].encode())
            yield start, start + len(token.string.encode()), token.string

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the bytes of a node; brackets around it are not its own."""
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def text(self, node: ast.AST) -> str:
        """Return the text of a node."""
        return self.between(*self.span(node))

    def between(self, start: int, end: int) -> str:
        """Return the text between two bytes."""
        return self._data[start:end].decode()

    def find(self, words: str, start: int, end: int) -> tuple[int, int]:
        """Return the bytes of an operator, such as `not in`, that stands between two others."""
        found = [(a, b) for a, b, string in self._tokens if start <= a and b <= end and string in words.split()]
        return found[0][0], found[words.count(" ")][1]

    def apply(self, change: Change) -> str:
        """Return the code with a change."""
        return self.between(0, change.start) + change.text + self.between(change.end, len(self._data))

    def lines_of(self, change: Change) -> tuple[int, str, str]:
        """Return the number of the first line that differs, and the lines without and with the change, no comments."""
        bare = bytearray(self._data)
        for start, end, string in self._tokens:
            if string.startswith("#"):
                bare[start:end] = b" " * (end - start)
        line = bare.count(b"\n", 0, change.start) + 1
        before = bare[self._starts[line - 1] : change.start]
        after = bare[change.end :].split(b"\n")[0]
        old, new = before + bare[change.start : change.end] + after, before + change.text.encode() + after
        return line, " ".join(old.decode().split()), " ".join(new.decode().split())
