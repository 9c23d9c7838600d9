"""The first page: what this is, at a glance."""

import html
from itertools import groupby
from typing import Any

from medcourse.site.figures import Stored
from medcourse.site.units import Notes
from medcourse.units import GROUPS, Unit

_PITCH = (
    "Twenty lessons and labs, from how the pictures are made to what a crowd of annotators knows. Every system of the "
    "lecture is rebuilt small enough for a laptop, every claim of its paper is measured again, every answer is graded."
)


def front_page(lessons: list[Notes], labs: list[Notes], pictures: list[tuple[Stored, str, Unit]], tally: str) -> str:
    """Write the first page.

    Parameters
    ----------
    lessons, labs : list of Notes
        In the agenda's order.
    pictures : list of (Stored, str, Unit)
        Made by the course: the file, its description, and the unit that it leads to.
    tally : str
        A sentence on how the papers' claims came out.

    Returns
    -------
    str
        MyST text.
    """
    return "\n\n".join(
        [
            "---\nhtml_theme.sidebar_secondary.remove: true\n---",  # the map wants the room
            "# Deep Learning in Medical Imaging",
            f":::{{div}} pitch\n{_PITCH}\n:::",
            _strip(pictures),
            _doors(lessons, labs),
            "## Twenty units along the lecture's agenda",
            f"A box leads to its lesson. {_times(lessons, labs)}",
            _map(lessons),
            "## What you need",
            _needs(lessons, labs),
            "## Does it hold?",
            f"{tally} [All of them, with intervals](reproduction.md).",
        ]
    )


def _strip(pictures: list[tuple[Stored, str, Unit]]) -> str:
    items = [
        f'<li><a href="lessons/{unit.slug}.html">{stored.tag(alt, up="")}'
        f"<span>{unit.number}. {html.escape(unit.title)}</span></a></li>"
        for stored, alt, unit in pictures
    ]
    # No blank line in it: that would end the piece of HTML.
    return "\n".join(['<ul class="strip">', *items, "</ul>", '<p class="aside">All simulated by the course.</p>'])


def _doors(lessons: list[Notes], labs: list[Notes]) -> str:
    first = lessons[0].unit.slug
    return f"""::::{{grid}} 1 1 3 3
:gutter: 3

:::{{grid-item-card}} Learn
:link: lessons/{first}
:link-type: doc
Read here, play with the demos, and install nothing. Begin with lesson 1.
:::

:::{{grid-item-card}} Study in a class
:link: guide/study
:link-type: doc
Run the notebooks, solve {len(labs)} labs, and see which property of an answer failed and why.
:::

:::{{grid-item-card}} Teach
:link: guide/index
:link-type: doc
Release, collect and grade the labs of a class, in a sandbox and in parallel.
:::
::::"""


def _times(lessons: list[Notes], labs: list[Notes]) -> str:
    read, solve = (round(sum(each.minutes for each in notes) / 60) for notes in (lessons, labs))
    return f"The lessons take about {read} hours to read, the labs about {solve} to solve."


def _map(lessons: list[Notes]) -> str:
    """Write the units as a list of parts, which a wide page shows as columns."""
    lines = ['<ol class="course-map">']
    parts = groupby(GROUPS, key=lambda group: GROUPS[group])
    for part, groups in parts:
        columns = [(group, [each for each in lessons if each.unit.group == group]) for group in groups]
        lines.append(f'<li class="part" style="--columns:{len(columns)}"><strong>{html.escape(part)}</strong>')
        lines.append('<div class="groups">')
        for group, notes in columns:
            lines.append('<div class="group">')
            if len(columns) > 1:  # else the part's name says it
                lines.append(f"<em>{html.escape(group)}</em>")
            lines += ["<ul>", *map(_box, notes), "</ul>", "</div>"]
        lines += ["</div>", "</li>"]
    return "\n".join([*lines, "</ol>"])


def _box(notes: Notes) -> str:
    unit = notes.unit
    return (
        f'<li><a href="lessons/{unit.slug}.html"><span class="number">{unit.number}</span> '
        f'{html.escape(unit.title)}<span class="minutes">{notes.minutes} min</span></a></li>'
    )


def _needs(lessons: list[Notes], labs: list[Notes]) -> str:
    slowest = max(lessons + labs, key=lambda each: each.seconds)
    largest = max(lessons + labs, key=lambda each: each.peak_gb)
    return f"""- To read: a browser. Nothing is loaded from elsewhere.
- To follow: Python and NumPy, and to have seen a convolutional network before.
- To run: Python 3.11 or newer and {largest.peak_gb:.1f} GB of memory; no graphics card. The longest notebook, of unit
  {slowest.unit.number}, took {slowest.seconds:.0f} seconds on two cores.
- No data: every unit simulates its own, and reads real data where you have them. Nothing here is a patient's."""


def labs_page(labs: list[Notes]) -> str:
    """Write the list of labs, as MyST text."""
    lines = ["| lab | minutes | points |", "|---|---|---|"]
    for each in labs:
        lines.append(f"| [{each.title}]({each.unit.slug}.ipynb) | {each.minutes} | {each.points:g} |")
    about = (
        "Each lab belongs to the lesson of the same number. Here they can be read; solve them in JupyterLab, where "
        "`medcourse check` grades them on your own machine ([how](../guide/study.md))."
    )
    return "\n\n".join(["# Labs", about, "\n".join(lines)])


def counts(rows: list[dict[str, Any]]) -> str:
    """Say how many claims of the record came out how."""
    found = [row["verdict"] for row in rows if row["data"] == "simulated"]
    holds, opposite = found.count("holds"), found.count("opposite shown")
    return (
        f"Of {len(found)} claims that were measured again on simulated data, {holds} hold; {len(found) - holds} do "
        f"not, {opposite} of them came out the other way round."
    )
