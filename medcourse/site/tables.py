"""Pages of tables, made from records: how the papers' claims came out, and what notebooks cost."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from medcourse.effects import Effect, read_table
from medcourse.grading.notebooks import read_notebook
from medcourse.grading.records import EFFECTS, VERDICTS, speed_table, stream_table
from medcourse.grading.release import release_path
from medcourse.site.units import read_costs, units_there
from medcourse.units import Unit

SCRIPT = "tables.js"
"""In `_static`: sorts and filters; tables are whole without it."""

_INTRODUCTION = """# The papers' claims, measured again

Each claim is an inequality. The experiment of its lab was run with several seeds, on simulated data unless a row says
otherwise. Ours is the mean over seeds, with its 95\u00a0% interval; the cost is that of running the lab.

- **holds**: the whole interval lies within the claim's bounds.
- **not shown**: the interval meets a bound, so that nothing is shown either way.
- **opposite shown**: the whole interval lies beyond.

What does not hold here may hold in the paper: the networks, the data and the time to train are smaller. Each lesson
says what we think. `medcourse effects UNIT` measures a unit again, `--data FOLDER` does it on your own pictures."""

_COSTS = """# What it takes to run

Time and memory of running all cells of a notebook, measured on {on}. No notebook needs a graphics card. To read a
lesson or to solve a lab takes longer: each says how long."""


def table_pages(root: Path) -> dict[str, str]:
    """Write the pages `reproduction.md` and `costs.md`.

    Raises
    ------
    CourseError
        A record is not there.
    """
    return {"reproduction.md": _reproduction(root), "costs.md": _costs(root)}


def _reproduction(root: Path) -> str:
    rows = read_table(root / EFFECTS)
    units = {unit.slug: unit for unit in units_there(root)}
    rows = [row for row in rows if row.unit in units]
    parts = [_INTRODUCTION, _verdicts(rows), "## By unit", _by_unit(rows, units.values()), "## Claim by claim"]
    parts += [_claims(root, rows, units), _script()]
    return "\n\n".join(parts) + "\n"


def _verdicts(rows: Sequence[Effect]) -> str:
    found = Counter(row.verdict for row in rows)
    items = [
        f'<li data-verdict="{verdict}"><strong>{found[verdict]}</strong> {verdict}</li>'
        for verdict in VERDICTS
        if found[verdict]
    ]
    return "\n".join([f'<ul class="verdicts" aria-label="{len(rows)} claims by verdict">', *items, "</ul>"])


def _by_unit(rows: Sequence[Effect], units: Iterable[Unit]) -> str:
    shown = [verdict for verdict in VERDICTS if any(row.verdict == verdict for row in rows)]
    body = []
    for unit in units:
        found = Counter(row.verdict for row in rows if row.unit == unit.slug)
        link = f'<a href="lessons/{unit.slug}.html">{unit.number}. {html.escape(unit.title)}</a>'
        body.append([(link, unit.number), *((str(found[verdict]), found[verdict]) for verdict in shown)])
    return _table(["Unit", *(verdict.capitalize() for verdict in shown)], body, "units", "Verdicts of each unit")


def _claims(root: Path, rows: Sequence[Effect], units: dict[str, Unit]) -> str:
    costs = read_costs(root)
    places = {slug: experiment_of(root, slug) for slug in units}
    body = [_claim(row, units[row.unit], places[row.unit], costs[f"solutions/{row.unit}"]["seconds"]) for row in rows]
    heads = ["Unit", "Claim", "The paper", "Ours", "Verdict", "Cost"]
    return _table(heads, body, "claims", "Claims, the papers' figures and ours", "Find")


def _claim(row: Effect, unit: Unit, place: str, seconds: float) -> list[tuple[str, object]]:
    """Return a row: for each cell its HTML and what it is sorted by."""
    lesson, code = f"lessons/{unit.slug}.html", f"labs/{unit.slug}.html{place}"
    links = (
        f'{unit.number} <a href="{lesson}" aria-label="lesson {unit.number}">lesson</a> '
        f'<a href="{code}" aria-label="code of unit {unit.number}">code</a>'
    )
    ours = row.figure or "cannot be told"
    if row.interval:
        ours += f'<span class="interval">{row.interval}</span>'
    ours += f'<span class="data">{row.seeds} seeds, {html.escape(row.data)}</span>'
    return [
        (links, unit.number),
        (f'{html.escape(row.claim)}<span class="paper">{html.escape(row.paper)}</span>', row.claim),
        (html.escape(row.paper_figure), row.paper_figure),
        (ours, "" if row.ours is None else row.ours),
        (f'<span class="verdict" data-verdict="{row.verdict}">{row.verdict}</span>', VERDICTS.index(row.verdict)),
        (_seconds(seconds), seconds),
    ]


def experiment_of(root: Path, slug: str) -> str:
    """Return the anchor, in the page of a unit's lab, of the section whose cells measure the paper's claims."""
    from docutils.nodes import make_id  # noqa: PLC0415

    heading = ""
    for cell in read_notebook(release_path(root, slug)).cells:
        if cell.cell_type == "markdown":
            for title in re.findall(r"^## (.+)$", cell.source, re.MULTILINE):
                heading = title
        elif "effects.report(" in cell.source:
            return f"#{make_id(re.sub(r'[*`$]', '', heading))}"
    return ""


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[tuple[str, object]]], name: str, caption: str, search: str = ""
) -> str:
    """Write a table that can be sorted: what a cell is sorted by stands beside it, and its column's name for phones."""
    lines = [f'<div class="sortable" data-search="{search}">', f'<table id="{name}">', f"<caption>{caption}</caption>"]
    lines += ["<thead><tr>", *(f'<th scope="col">{head}</th>' for head in heads), "</tr></thead>", "<tbody>"]
    for row in rows:
        cells = [
            f'<{kind} data-label="{head}" data-sort="{html.escape(str(key))}"{scope}>{text}</{kind}>'
            for head, (text, key) in zip(heads, row, strict=True)
            for kind, scope in [("th", ' scope="row"') if head == heads[0] else ("td", "")]
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody></table>", "</div>"])


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}&nbsp;s"


def _script() -> str:
    return f'<script src="_static/{SCRIPT}" defer></script>'


def _costs(root: Path) -> str:
    costs = read_costs(root)
    on = " and ".join(sorted({cost["on"] for cost in costs.values()}))
    body, totals = [], [0.0, 0.0]
    for unit in units_there(root):
        row: list[tuple[str, object]] = [(f"{unit.number}. {html.escape(unit.title)}", unit.number)]
        for place, (folder, page) in enumerate((("course", "lessons"), ("solutions", "labs"))):
            cost = costs[f"{folder}/{unit.slug}"]
            totals[place] += cost["seconds"]
            link = f'<a href="{page}/{unit.slug}.html">{_seconds(cost["seconds"])}</a>'
            row += [(link, cost["seconds"]), (f"{cost['peak_gb']:.1f}&nbsp;GB", cost["peak_gb"])]
        body.append(row)
    heads = ["Unit", "Lesson", "Its memory", "Lab", "Memory of the lab"]
    lessons, labs = (f"{seconds / 60:.0f} minutes" for seconds in totals)
    parts = [
        _COSTS.format(on=on),
        f"All lessons together take {lessons}, all labs {labs}, one after another.",
        _table(heads, body, "costs", "Time and memory of each notebook"),
        "## A step of training in 2D, 2.5D and 3D",
        speed_table(root),
        "## A pass over a patient's cells",
        stream_table(root),
        _script(),
    ]
    return "\n\n".join(parts) + "\n"
