"""Measured numbers and rendered pictures, put into the text of lessons and labs where it asks for them.

No number of a measurement is written by hand: `{{cost}}`, `{{effects}}`, `{{speed}}` and `{{stream}}` stand for what
`bench/cost.py`, `medcourse effects`, `bench/speed.py` and `bench/stream.py` left in `bench/results`, and
`attachment:NAME.png` for what `bench/pictures.py` rendered.
"""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError

COST = Path("bench", "results", "cost.json")
EFFECTS = Path("bench", "results", "effects.json")
SPEED = Path("bench", "results", "speed.json")
STREAM = Path("bench", "results", "stream.json")
PICTURES = Path("solutions", "pictures")

_ATTACHMENT = re.compile(r"\(attachment:([\w-]+\.png)\)")


def fill(notebook: Any, path: Path) -> None:
    """Replace the marks in the markdown cells of a notebook.

    Parameters
    ----------
    notebook
        Made from `path`; changed in place.
    path
        `course/<slug>.py` or `solutions/<slug>.py`; the records lie beside that folder.

    Raises
    ------
    CourseError
        A record or a picture is not there; says what makes it.
    """
    root = path.resolve().parents[1]
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        if "{{cost}}" in cell.source:
            cell.source = cell.source.replace("{{cost}}", cost_line(root, path))
        if "{{effects}}" in cell.source:
            cell.source = cell.source.replace("{{effects}}", effects_table(root, path.stem))
        if "{{speed}}" in cell.source:
            cell.source = cell.source.replace("{{speed}}", speed_table(root))
        if "{{stream}}" in cell.source:
            cell.source = cell.source.replace("{{stream}}", stream_table(root))
        for name in _ATTACHMENT.findall(cell.source):
            picture = root / PICTURES / path.stem / name
            if not picture.is_file():
                raise CourseError(f"expected a picture at {picture}, found none: run `python bench/pictures.py`")
            cell.setdefault("attachments", {})[name] = {"image/png": b64encode(picture.read_bytes()).decode()}


def cost_line(root: Path, path: Path) -> str:
    """Say what running the notebook took when it was last measured."""
    key = f"{path.parent.name}/{path.stem}"
    costs = _read(root / COST, "python bench/cost.py")
    if key not in costs:
        raise CourseError(f"expected the cost of {key} in {COST}, found none: run `python bench/cost.py`")
    cost = costs[key]
    return f"running all cells takes {cost['seconds']:.0f} s and {cost['peak_gb']:.1f} GB of memory on {cost['on']}."


def effects_table(root: Path, slug: str) -> str:
    """Return the simulated rows of a unit in the reproduction table, as markdown."""
    rows = [row for row in _read(root / EFFECTS, "medcourse effects")["rows"] if row["unit"] == slug]
    rows = [row for row in rows if row["data"] == "simulated"]
    if not rows:
        raise CourseError(f"expected effects of {slug} in {EFFECTS}, found none: run `medcourse effects {slug}`")
    lines = ["| claim | the paper | ours (95 % interval) | verdict |", "|---|---|---|---|"]
    for row in rows:
        ours = "" if row["ours"] is None else f"{row['ours']:.2g} ({row['low']:.2g} to {row['high']:.2g})"
        claim, figure = (row[name].replace("|", "\\|") for name in ("claim", "paper_figure"))  # a bar ends a cell
        lines.append(f"| {claim} | {figure} | {ours} | {row['verdict']} |")
    return "\n".join(lines)


def speed_table(root: Path) -> str:
    """Return what a step of training took in 2D, 2.5D and 3D on each device that was measured, as markdown."""
    rows = _read(root / SPEED, "python bench/speed.py")["rows"]
    if not rows:
        raise CourseError(f"expected measurements in {SPEED}, found none: run `python bench/speed.py`")
    lines = [
        "| device | input | voxels, samples | parameters | MFLOPs a sample | memory counted, measured | time of a step "
        "| time, FLOPs over 2D's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    flat = {row["device"]: row for row in rows if row["input"] == "2D"}
    for row in rows:
        axes, first = 3 if row["input"] == "3D" else 2, flat[row["device"]]
        lines.append(
            f"| {row['device']} | {row['input']} | {' x '.join([str(row['side'])] * axes)}, {row['batch']} "
            f"| {row['parameters']:,} | {row['mflops']:.2f} | {row['training_mb']:.1f}, {row['measured_mb']:.1f} MB "
            f"| {row['ms_per_step']:.1f} ms | {row['ms_per_step'] / first['ms_per_step']:.1f}, "
            f"{row['mflops'] / first['mflops']:.1f} |"
        )
    return "\n".join(lines)


def stream_table(root: Path) -> str:
    """Return what a pass of training over a patient's cells took, in a stream and all at once, as markdown."""
    rows = _read(root / STREAM, "python bench/stream.py")["rows"]
    if not rows:
        raise CourseError(f"expected measurements in {STREAM}, found none: run `python bench/stream.py`")
    lines = ["| events | how | time | memory added at most | the raw events alone |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['events']:,} | {row['how']} | {row['seconds']:.1f} s | {row['added_mb']:.0f} MB "
            f"| {row['raw_mb']:.0f} MB |"
        )
    return "\n".join([*lines, "", f"On {rows[0]['on']}."])


def _read(path: Path, command: str) -> dict[str, Any]:
    if not path.is_file():
        raise CourseError(f"expected a record at {path}, found none: run `{command}`")
    record: dict[str, Any] = json.loads(path.read_text())
    return record
