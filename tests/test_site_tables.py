"""The tables of claims and costs: as the records have them, whole without a script, and sorted and filtered with it."""

import html
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from medcourse import effects
from medcourse.errors import CourseError
from medcourse.grading.records import EFFECTS
from medcourse.site import tables
from tests.browser import FLAGS, find_chromium

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "course" / "site" / "_static"


def rows_of(page, name):
    """The rows of a table: for each column the text of its cell, and what it is sorted by."""
    body = re.search(rf'<table id="{name}">.*?<tbody>(.*?)</table>', page, re.DOTALL)[1]
    cell = re.compile(r'<t[hd] data-label="([^"]*)" data-sort="([^"]*)"[^>]*>(.*?)</t[hd]>', re.DOTALL)
    return [
        {head: (re.sub(r"<[^>]+>", "\n", text), html.unescape(key)) for head, key, text in cell.findall(row)}
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def said(cell):
    return [html.unescape(part) for part in cell[0].split("\n") if part]


@pytest.fixture(scope="module")
def pages():
    return tables.table_pages(ROOT)


def test_the_table_is_what_medcourse_effects_prints(pages):
    record = effects.read_table(ROOT / EFFECTS)
    printed = effects.as_table(record)
    shown = rows_of(pages["reproduction.md"], "claims")
    assert len(shown) == len(record) > 200
    for row, expected, cells in zip(record, printed.to_dict("records"), shown, strict=True):
        assert said(cells["Claim"]) == [expected["claim"], row.paper]
        assert said(cells["The paper"]) == [expected["paper"]]
        assert said(cells["Ours"]) == [expected["ours"], expected["95 % interval"], f"{row.seeds} seeds, {row.data}"]
        assert said(cells["Verdict"]) == [expected["verdict"]]
        assert float(cells["Ours"][1]) == row.ours


def test_verdicts_are_counted_on_top_and_by_unit(pages):
    page = pages["reproduction.md"]
    verdicts = [row["verdict"] for row in json.loads((ROOT / EFFECTS).read_text())["rows"]]
    top = dict(re.findall(r'<li data-verdict="([^"]+)"><strong>(\d+)</strong>', page))
    assert {verdict: int(number) for verdict, number in top.items()} == {
        each: verdicts.count(each) for each in set(verdicts)
    }
    by_unit = rows_of(page, "units")
    assert len(by_unit) == 20
    for verdict, number in top.items():
        assert sum(int(row[verdict.capitalize()][0]) for row in by_unit) == int(number)


def test_each_row_leads_to_its_lesson_and_to_the_experiment_in_its_lab(pages):
    page = pages["reproduction.md"]
    links = re.findall(
        r'<a href="lessons/(\w+)\.html" aria-label="lesson \d+">lesson</a> <a href="labs/(\w+)\.html#([\w-]+)"', page
    )
    record = effects.read_table(ROOT / EFFECTS)
    assert [lesson for lesson, _, _ in links] == [lab for _, lab, _ in links] == [row.unit for row in record]
    assert {lab: place for _, lab, place in links}["10_unet"] == "the-paper-s-claims-measured-again"


def test_costs_are_those_on_record(pages):
    costs = json.loads((ROOT / "bench" / "results" / "cost.json").read_text())
    shown = rows_of(pages["costs.md"], "costs")
    assert len(shown) == 20
    seconds = [float(row[head][1]) for head in ("Lesson", "Lab") for row in shown]
    assert sorted(seconds) == sorted(cost["seconds"] for cost in costs.values())
    gigabytes = [float(row[head][1]) for head in ("Its memory", "Memory of the lab") for row in shown]
    assert sorted(gigabytes) == sorted(cost["peak_gb"] for cost in costs.values())


def test_text_of_a_record_is_no_markup():
    row = effects.Effect(
        "10_unet", "A & B", '<b>a</b> < "b"', "none", None, None, None, 0, None, "cannot be told", "x<y"
    )
    unit = next(unit for unit in tables.units_there(ROOT) if unit.slug == "10_unet")
    cells = tables._claim(row, unit, "", 1.0)
    table = tables._table(["Unit", "Claim", "The paper", "Ours", "Verdict", "Cost"], [cells], "claims", "")
    (shown,) = rows_of(table, "claims")
    assert said(shown["Claim"]) == ['<b>a</b> < "b"', "A & B"]
    assert shown["Claim"][1] == '<b>a</b> < "b"'
    assert said(shown["Ours"]) == ["cannot be told", "0 seeds, x<y"]
    assert "<b>" not in table


def test_a_table_that_is_none_is_said_in_one_line(tmp_path):
    (tmp_path / "effects.json").write_text('{"rows": [{"unit": "10_unet"}]}')
    with pytest.raises(CourseError, match="got one that cannot be read"):
        effects.read_table(tmp_path / "effects.json")
    with pytest.raises(CourseError, match="found none: run `medcourse effects`"):
        effects.read_table(tmp_path / "nothing.json")


VISIBLE = "() => [...document.querySelectorAll('#claims tbody tr')].filter(row => row.offsetParent).map(row => row.cells[3].dataset.sort)"


def test_it_sorts_and_filters_by_keyboard_and_is_whole_without_a_script(pages, tmp_path):
    blocks = re.findall(r"^<(?:ul|div).*?^</(?:ul|div)>$", pages["reproduction.md"], re.DOTALL | re.MULTILINE)
    text = f"<meta charset=utf-8>{''.join(blocks)}<script>{(STATIC / tables.SCRIPT).read_text()}</script>"
    (tmp_path / "page.html").write_text(text)
    address = (tmp_path / "page.html").as_uri()
    record = effects.read_table(ROOT / EFFECTS)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS]) as browser,
    ):
        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto(address)
        assert plain.locator("#claims tbody tr").count() == len(record)
        assert plain.locator("button, input").count() == 0

        page = browser.new_page()
        page.goto(address)
        page.get_by_role("columnheader", name="Ours").get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert [float(each) for each in page.evaluate(VISIBLE)] == sorted(row.ours for row in record)
        assert page.locator("#claims th[aria-sort]").get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Space")
        assert [float(each) for each in page.evaluate(VISIBLE)] == sorted((row.ours for row in record), reverse=True)
        opposite = page.locator(".verdicts button", has_text="opposite shown")
        opposite.focus()
        page.keyboard.press("Enter")
        wanted = [row for row in record if row.verdict == "opposite shown"]
        assert len(page.evaluate(VISIBLE)) == len(wanted)
        assert opposite.get_attribute("aria-pressed") == "true"
        page.get_by_label("Find").fill("dice")
        both = [row for row in wanted if "dice" in f"{row.claim} {row.paper} {row.paper_figure} {row.data}".lower()]
        assert len(page.evaluate(VISIBLE)) == len(both) > 0
        assert page.get_by_role("status").inner_text() == f"{len(both)} of {len(record)}"
        opposite.click()
        page.get_by_label("Find").fill("")
        assert len(page.evaluate(VISIBLE)) == len(record)
