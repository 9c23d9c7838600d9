"""Measured numbers and rendered pictures, put into the text of lessons and labs where it asks for them.

No number of a measurement is written by hand: `{{cost}}`, `{{effects}}`, `{{speed}}` and `{{stream}}` stand for what
`bench/cost.py`, `medcourse effects`, `bench/speed.py` and `bench/stream.py` left in `bench/results`, and
`attachment:NAME.png` for what `bench/pictures.py` rendered. A text that looks back quotes one row as
`{{effect: UNIT: CLAIM}}` and the claims that came out the other way round as `{{opposites}}`; `{{tally}}`, which may
stand in code, too, counts the verdicts.
"""

import json
import re
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError

COST = Path("bench", "results", "cost.json")
EFFECTS = Path("bench", "results", "effects.json")
SPEED = Path("bench", "results", "speed.json")
STREAM = Path("bench", "results", "stream.json")
PICTURES = Path("solutions", "pictures")

VERDICTS = ("holds", "not shown", "opposite shown", "cannot be told")

_ONE_EFFECT = re.compile(r"\{\{effect: (\w+): ([^}]+)\}\}")
_ATTACHMENT = re.compile(r"\(attachment:([\w-]+\.png)\)")


def fill(notebook: Any, path: Path) -> None:
    """Replace the marks in the cells of a notebook: all of them in text, the tally in code, too.

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
        if "{{tally}}" in cell.source:
            cell.source = cell.source.replace("{{tally}}", tally(root))
        if cell.cell_type != "markdown":
            continue
        if "{{opposites}}" in cell.source:
            cell.source = cell.source.replace("{{opposites}}", opposites_table(root))
        cell.source = _ONE_EFFECT.sub(lambda mark: one_effect(root, *mark.groups()), cell.source)
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
    rows = [row for row in _simulated(root) if row["unit"] == slug]
    if not rows:
        raise CourseError(f"expected effects of {slug} in {EFFECTS}, found none: run `medcourse effects {slug}`")
    lines = ["| claim | the paper | ours (95 % interval) | verdict |", "|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {_in_cell(row, 'claim')} | {_in_cell(row, 'paper_figure')} | {_ours(row)} | {row['verdict']} |"
        )
    return "\n".join(lines)


def one_effect(root: Path, unit: str, claim: str) -> str:
    """Return the simulated row of `unit` whose claim begins with `claim`: ours, its interval and the verdict."""
    rows = [row for row in _simulated(root) if row["unit"] == unit and row["claim"].startswith(claim)]
    if len(rows) != 1:
        raise CourseError(f"expected one effect of {unit} that begins with {claim!r} in {EFFECTS}, found {len(rows)}")
    return f"{_ours(rows[0]) or 'no figure'}, {rows[0]['verdict']}"


def opposites_table(root: Path) -> str:
    """Return the simulated rows of all units that came out the other way round, as markdown that links to lessons."""
    lines = ["| unit | claim | the paper | ours (95 % interval) |", "|---|---|---|---|"]
    for row in _simulated(root):
        if row["verdict"] == "opposite shown":
            link = f"[{int(row['unit'][:2])}]({row['unit']}.ipynb)"
            lines.append(f"| {link} | {_in_cell(row, 'claim')} | {_in_cell(row, 'paper_figure')} | {_ours(row)} |")
    return "\n".join(lines)


def tally(root: Path) -> str:
    """Return how many simulated claims of each unit came out how, as lines of comma-separated values with a header."""
    rows = _simulated(root)
    lines = [",".join(["unit", *VERDICTS])]
    for unit in sorted({row["unit"] for row in rows}):
        found = Counter(row["verdict"] for row in rows if row["unit"] == unit)
        if unknown := set(found) - set(VERDICTS):
            raise CourseError(f"expected verdicts of {', '.join(VERDICTS)}, got {sorted(unknown)} of {unit}")
        lines.append(",".join([unit, *(str(found[verdict]) for verdict in VERDICTS)]))
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


def _simulated(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _read(root / EFFECTS, "medcourse effects")["rows"]
    return [row for row in rows if row["data"] == "simulated"]


def _ours(row: dict[str, Any]) -> str:
    if row["ours"] is None:
        return ""
    return f"{_short(row['ours'])} ({_short(row['low'])} to {_short(row['high'])})"


def _short(number: float) -> str:
    # Two digits; from 100 on they would be written as 1e+02.
    return f"{number:.2g}" if abs(number) < 99.5 else f"{number:,.0f}"


def _in_cell(row: dict[str, Any], name: str) -> str:
    return str(row[name]).replace("|", "\\|")  # a bar ends a cell


def _read(path: Path, command: str) -> dict[str, Any]:
    if not path.is_file():
        raise CourseError(f"expected a record at {path}, found none: run `{command}`")
    record: dict[str, Any] = json.loads(path.read_text())
    return record
