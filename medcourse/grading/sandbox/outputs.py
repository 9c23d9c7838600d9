"""Turn what a student's process says its cells put out into outputs that harm nobody who looks at them."""

import base64
from typing import Any

_MOST_TEXT = 1 << 20
_PNG = b"\x89PNG\r\n\x1a\n"


def safe_outputs(claimed: list[Any]) -> list[dict[str, Any]]:
    """Return outputs in nbformat's form: text without control characters and PNG pictures, nothing else.

    Parameters
    ----------
    claimed
        As `student` sends them: ["stream", text], ["text", text], ["picture", bytes]; anything else is left out.
    """
    outputs: list[dict[str, Any]] = []
    for item in claimed:
        match item:
            case ["stream", str(text)]:
                outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(text)})
            case ["text", str(text)]:
                outputs.append(_data("text/plain", _lines(text)))
            case ["picture", bytes(data)] if data.startswith(_PNG):
                outputs.append(_data("image/png", base64.b64encode(data).decode()))
    return outputs


def _data(kind: str, content: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {kind: content}, "metadata": {}}


def _lines(text: str) -> str:
    # A progress bar returns to the start of its line: what it wrote last is what one saw.
    shown = (line.rstrip("\r").split("\r")[-1] for line in text[:_MOST_TEXT].split("\n"))
    return "\n".join("".join(c if c.isprintable() or c == "\t" else " " for c in line) for line in shown)
