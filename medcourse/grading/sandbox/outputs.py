"""Turn what a student's process says its cells put out into outputs that harm nobody who looks at them."""

import base64
from typing import Any

_MOST_TEXT = 1 << 20
_MOST_OUTPUTS = 32  # of one cell
_PNG = b"\x89PNG\r\n\x1a\n"


def safe_outputs(claimed: list[Any], room: int = 32 * _MOST_TEXT) -> list[dict[str, Any]]:
    """Return outputs in nbformat's form: text without control characters and PNG pictures, nothing else.

    Parameters
    ----------
    claimed
        As `student` sends them: ["stream", text], ["text", text], ["picture", bytes]; anything else is left out.
    room
        How many characters they may have; from the first that is too long on, all are left out.
    """
    outputs: list[dict[str, Any]] = []
    for item in claimed[:_MOST_OUTPUTS]:
        match item:
            case ["stream", str(text)]:
                outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(text)})
            case ["text", str(text)]:
                outputs.append(_data("text/plain", _lines(text)))
            case ["picture", bytes(data)] if data.startswith(_PNG):
                outputs.append(_data("image/png", base64.b64encode(data).decode()))
        if size_of(outputs) > room:
            return outputs[:-1]
    return outputs


def size_of(outputs: list[dict[str, Any]]) -> int:
    """Return how many characters outputs have, names of fields aside."""
    return sum(len(text) for each in outputs for text in [each.get("text", ""), *each.get("data", {}).values()])


def _data(kind: str, content: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {kind: content}, "metadata": {}}


def _lines(text: str) -> str:
    # A progress bar returns to the start of its line: what it wrote last is what one saw.
    shown = (line.rstrip("\r").split("\r")[-1] for line in text[:_MOST_TEXT].split("\n"))
    return "\n".join("".join(c if c.isprintable() or c == "\t" else " " for c in line) for line in shown)
