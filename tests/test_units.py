"""The course's own map: twenty units, named and placed as in the rest of the project."""

import re
from collections import Counter
from pathlib import Path

import pytest

from medcourse import plots
from medcourse.plots.figures import rgba
from medcourse.units import ANSWERS, GROUPS, INPUTS, UNITS

ROOT = Path(__file__).resolve().parents[1]


def test_units_are_those_of_the_readme_in_their_order():
    named = re.findall(r"^\|[^|]*\| `(\d\d_\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [unit.slug for unit in UNITS] == named
    assert [unit.number for unit in UNITS] == list(range(1, 21))


def test_every_unit_has_one_place_and_known_answers():
    order = [list(GROUPS).index(unit.group) for unit in UNITS]
    assert order == sorted(order), "the map follows the slides"
    assert set(order) == set(range(len(GROUPS)))
    for unit in UNITS:
        assert set(unit.answers) <= set(ANSWERS)
        assert set(unit.inputs) <= set(INPUTS)
        assert bool(unit.answers) == bool(unit.inputs) != unit.serves_all
        assert (unit.labelled is None) == (unit.counted == "")
    assert {answer for unit in UNITS for answer in unit.answers} == set(ANSWERS), "each answer is taught somewhere"


def test_what_a_unit_answers_agrees_with_its_group():
    for unit in UNITS:
        if unit.group == "Detection":
            assert unit.answers == ("a place",)
        if unit.group == "Segmentation":
            assert unit.answers == ("an outline",)
    assert Counter(unit.part for unit in UNITS)["Medical applications"] == 11


@pytest.mark.parametrize("chosen", [None, {"10_unet": "#E69F00"}])
def test_the_map_names_every_unit_and_its_text_stays_in_its_box(chosen):
    figure = plots.draw_course_map(colours=chosen, notes={"10_unet": "30 images"})
    ax = figure.axes[0]
    rgba(figure)  # lays the text out
    texts = {text.get_text().replace("\n", " "): text for text in ax.texts}
    boxes = [patch.get_window_extent() for patch in ax.patches]
    for unit in UNITS:
        assert f"{unit.number} {unit.title}" in figure.get_label()
        words = texts[f"{unit.number} {unit.title}"].get_window_extent()
        assert (
            sum(box.x0 < words.x0 and words.x1 < box.x1 and box.y0 < words.y0 < words.y1 < box.y1 for box in boxes) == 1
        )
    faces = Counter(patch.get_facecolor() for patch in ax.patches)
    assert (max(faces.values()) == 20) == (chosen is None), "a chosen unit stands out"


def test_links_between_lessons_lead_to_units():
    """A workspace holds lessons/ and labs/: a link to a lesson names a file beside, one to a lab goes through labs/."""
    slugs = {unit.slug for unit in UNITS}
    linked = {}
    for path in (ROOT / "course").glob("[0-9]*.py"):
        linked[path.stem] = re.findall(r"\]\((?:\.\./labs/)?([^)/]+)\.ipynb\)", path.read_text())
        assert path.read_text().count(".ipynb)") == len(linked[path.stem]), f"{path.stem} links to another place"
    assert {slug for links in linked.values() for slug in links} <= slugs
    assert set(linked["20_summary"]) == slugs, "the last lesson leads back to each unit"
