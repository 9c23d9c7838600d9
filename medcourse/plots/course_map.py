"""The map of the course: twenty units along the slides' agenda."""

from collections.abc import Mapping
from itertools import groupby
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch, Polygon

from medcourse.plots.figures import finish, start
from medcourse.units import GROUPS, UNITS, Unit

_INK, _ASIDE, _PAPER = "#222222", "#767676", "#F2F2F2"
_WIDE, _TALL = 0.92, 0.8  # of a cell of the grid


def draw_course_map(
    *,
    colours: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
    legend: Mapping[str, str] | None = None,
    title: str = "",
    ax: Axes | None = None,
    alt: str | None = None,
) -> Figure:
    """Draw the twenty units under the parts of the slides' agenda.

    Parameters
    ----------
    colours : mapping of slug to colour, optional
        Of the boxes, light ones, for the ink is dark. Units that are not named stay pale when others are.
    notes : mapping of slug to str, optional
        A line of at most 20 letters below a unit's title.
    legend : mapping of label to colour, optional
    title : str
    ax : Axes, optional
    alt : str, optional
        Description; the units by part if not given.

    Returns
    -------
    Figure

    Examples
    --------
    >>> draw_course_map(colours={"10_unet": "#E69F00"}).get_label()[:58]
    'Map of the course. Medical data acquisition: 1 How picture'
    """
    ax = start(ax, width_inches=11.0, proportion=0.4)
    _draw_agenda(ax)
    parts = list(GROUPS.values())
    for column, group in enumerate(GROUPS):
        if parts.count(GROUPS[group]) > 1:  # else the arrow above says it
            ax.text(column + 0.5, 0.1, group, ha="center", va="center", fontsize=9, color="0.35", style="italic")
        for row, unit in enumerate((each for each in UNITS if each.group == group), start=1):
            aside = colours is not None and unit.slug not in colours
            face = (colours or {}).get(unit.slug, "white" if aside else _PAPER)
            note = (notes or {}).get(unit.slug, "")
            _draw_unit(ax, unit, (column + 0.5, row - 0.1), face=face, ink=_ASIDE if aside else _INK, note=note)
    ax.set(xlim=(0, len(GROUPS)), ylim=(4.5, -1.0))
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    if legend:
        handles = [Patch(facecolor=colour, edgecolor=_ASIDE, label=label) for label, colour in legend.items()]
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=len(handles), fontsize=9)
    said = ". ".join(
        f"{part}: " + ", ".join(f"{unit.number} {unit.title}" for unit in UNITS if unit.part == part)
        for part in dict.fromkeys(GROUPS.values())
    )
    return finish(ax, alt or f"{title or 'Map of the course'}. {said}.")


def _draw_agenda(ax: Axes) -> None:
    """Draw each part of the agenda as an arrow over its columns."""
    parts = list(GROUPS.values())
    for number, (part, run) in enumerate(groupby(range(len(parts)), key=lambda column: parts[column]), start=1):
        over = list(run)
        left, right = over[0] + 0.02, over[-1] + 1 - 0.02
        middle, tip = -0.55, 0.12
        corners = [(left, -0.9), (right - tip, -0.9), (right, middle), (right - tip, -0.2), (left, -0.2)]
        ax.add_patch(Polygon(corners, facecolor="#0072B2", edgecolor="none"))
        text = fill(f"{number} {part}", 15 * len(over))
        look: Any = {"ha": "center", "va": "center", "fontsize": 9, "fontweight": "bold", "color": "white"}
        ax.text((left + right - tip) / 2, middle, text, **look)


def _draw_unit(ax: Axes, unit: Unit, at: tuple[float, float], *, face: str, ink: str, note: str) -> None:
    across, down = at
    corner = (across - _WIDE / 2, down - _TALL / 2)
    look: Any = {"boxstyle": "round,pad=0,rounding_size=0.06", "facecolor": face, "edgecolor": ink}
    ax.add_patch(FancyBboxPatch(corner, _WIDE, _TALL, linewidth=0.8, **look))
    words: Any = {"ha": "center", "va": "center", "color": ink}
    title = fill(f"{unit.number} {unit.title}", 17)
    ax.text(across, down - (0.1 if note else 0), title, fontsize=8.5, linespacing=1.1, **words)
    ax.text(across, down + 0.27, note, fontsize=7.5, **words)
