"""What holds for every page of the site: nothing broken, secret, heavy or mute, and nothing asked of anybody else."""

import csv
import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from medcourse.grading.leaks import find_leaks_of_course, secrets_of_course
from tests.browser import FLAGS, find_chromium
from tests.pages import Page, _Reader, is_elsewhere, read_pages, weight

ROOT = Path(__file__).resolve().parents[1]
AXE = Path(sys.prefix, "lib", "node_modules", "axe-core", "axe.min.js")
OWN_MB = 3.0
HEAVIER_MB = {"lessons/01_modalities.html": 4.0}
"""Pages whose pictures are worth more: seven ways to make a picture, with volumes to turn."""
SHARED_MB = 3.0
WRITTEN_BY_SPHINX = {"genindex.html", "search.html", "py-modindex.html"}
# Titles of papers are as their authors wrote them.
TITLES = ("denoising autoencoders", "color deconvolution", "in color images", "gray-scale and rotation")
SAMPLE = (
    "index",
    "lessons/12_cytometry_sae",
    "labs/08_vessel_ensemble",
    "reproduction",
    "costs",
    "guide/index",
    "api/metrics",
)
"""A page of each kind, and two with what gave findings: tables of results, formulas."""
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    "rules": {"heading-order": {"enabled": True}, "page-has-heading-one": {"enabled": True}},
    "resultTypes": ["violations"],
}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
# Formulas that are too wide scroll, and browsers let the keyboard into what scrolls by themselves.
CONTEXT = {"exclude": [["mjx-container"]]}


@pytest.fixture(scope="module")
def pages(site):
    found = read_pages(site.resolve())
    assert {"index.html", "reproduction.html", "costs.html"} <= set(found)
    assert sum(name.startswith(("lessons/", "labs/")) for name in found) >= 40
    return found


def read(text, tmp_path):
    (tmp_path / "page.html").write_text(text)
    page = Page("page.html", tmp_path / "page.html")
    _Reader(page).feed(page.source)
    return page


def broken(page, by_path):
    """Links that lead nowhere, and files that are not there."""
    lost = []
    for address in [*page.links, *page.loads]:
        if not is_elsewhere(address):
            file, anchor = page.target(address)
            file = file / "index.html" if file.is_dir() else file
            known = anchor in by_path[file].ids if anchor and file in by_path else True
            if not (file.is_file() and known):
                lost.append(address)
    return lost


def test_every_link_leads_somewhere_and_every_file_is_there(pages):
    by_path = {page.path: page for page in pages.values()}
    assert {name: lost for name, page in pages.items() if (lost := broken(page, by_path))} == {}


def test_no_anchor_is_there_twice(pages):
    twice = {name: [each for each, n in Counter(page.ids).items() if n > 1] for name, page in pages.items()}
    assert {name: ids for name, ids in twice.items() if ids} == {}


def test_every_picture_has_words(pages):
    # A logo beside its own name in words is decoration.
    mute = {
        name: [src for src, alt in page.pictures if not alt and not src.endswith("_static/logo.svg")]
        for name, page in pages.items()
    }
    assert {name: found for name, found in mute.items() if found} == {}
    assert sum(len(page.pictures) for page in pages.values()) > 200


def test_headings_are_in_order(pages):
    for name, page in pages.items():
        levels = [level for level, _ in page.headings]
        if name not in WRITTEN_BY_SPHINX:
            assert levels[:1] == [1], name
        steps = [
            text
            for (before, _), (after, text) in zip(page.headings, page.headings[1:], strict=False)
            if after > before + 1
        ]
        assert (levels.count(1) <= 1, steps) == (True, []), name


def test_nothing_is_loaded_from_elsewhere(pages, site):
    assert {
        name: [a for a in page.loads if is_elsewhere(a) and not a.startswith("data:")] for name, page in pages.items()
    } == {name: [] for name in pages}
    for style in site.rglob("*.css"):
        assert (
            re.findall(
                r"url\(\s*['\"]?(?:https?:)?//[^)]*|@import\s+['\"](?:https?:)?//", style.read_text(errors="replace")
            )
            == []
        ), style


def test_pages_are_light(pages):
    shared = weight(pages["search.html"])
    assert shared <= SHARED_MB * 1e6, f"what all pages share weighs {shared / 1e6:.1f} MB"
    own = {name: (weight(page) - shared) / 1e6 for name, page in pages.items()}
    heavy = {name: round(mb, 2) for name, mb in own.items() if mb > HEAVIER_MB.get(name, OWN_MB)}
    assert heavy == {}
    assert set(HEAVIER_MB) <= {name for name, mb in own.items() if mb > OWN_MB}, "an exception that none needs"


def test_no_page_holds_a_secret_of_a_lab(pages, site):
    secrets = secrets_of_course(ROOT)
    texts = {name: page.source for name, page in pages.items()}
    texts |= {path.name: path.read_text() for path in site.rglob("_downloads/**/*.*")}
    texts["searchindex.js"] = (site / "searchindex.js").read_text()
    assert find_leaks_of_course(ROOT, texts, secrets) == []
    line = next(line for line, kind in secrets.items() if kind == "hidden test" and "(" in line)
    planted = {"page": f"<pre><span>{line.replace('(', '</span><span>(')}</span></pre>"}
    assert [leak.line for leak in find_leaks_of_course(ROOT, planted, secrets)] == [line]


FORMS = [
    (re.compile(rf"(?<![\w./_-])(?:{row['wrong']})(?![\w/_]|\.\w)"), row["right"])
    for row in csv.DictReader((ROOT / "tests" / "data" / "wrong_forms.csv").read_text().splitlines())
]


def misspelt(page):
    found = []
    for text in page.prose:
        for form, right in FORMS:
            for match in form.finditer(text):
                around = " ".join(text[max(0, match.start() - 30) : match.end() + 30].split())
                if not any(title in around for title in TITLES):
                    found.append(f"{around!r}: {right}")
    return found


def test_terms_of_the_field_are_spelt_as_in_the_field(pages):
    # The reference is docstrings, where names of arguments stand between words.
    said = {name: page for name, page in pages.items() if not name.startswith("api/") and name not in WRITTEN_BY_SPHINX}
    assert {name: found for name, page in said.items() if (found := misspelt(page))} == {}


def test_gates_see_what_they_look_for(tmp_path):
    text = """<article><h1>A</h1><h3 id="a">B</h3><p id="a">The UNet read a Dicom file with <code>unet</code>.</p>
    <a href="nowhere.html">x</a><a href="#nothing">y</a><a href="#a">z</a><img src="data:image/png;base64,AAAA">
    <script src="https://example.org/x.js"></script></article>"""
    page = read(text, tmp_path)
    assert broken(page, {page.path: page}) == ["nowhere.html", "#nothing"]
    assert page.headings == [(1, "A"), (3, "B")]
    assert page.pictures == [("data:", None)]
    assert [each for each in page.loads if is_elsewhere(each)] == ["data:", "https://example.org/x.js"]
    assert Counter(page.ids)["a"] == 2
    assert [each.partition(": ")[2] for each in misspelt(page)] == ["U-Net", "DICOM"]


@pytest.fixture(scope="module")
def browser():
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS]) as launched,
    ):
        yield launched


@pytest.mark.browser
def test_a_browser_asks_nobody_else_and_reports_no_error(pages, site, browser):
    asked, errors = [], []
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append((page.url, str(error))))
    for name in pages:
        page.goto((site / name).as_uri(), wait_until="domcontentloaded")
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len(asked) > len(pages)
    assert errors == []


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "rules"), [("light", RULES), ("dark", CONTRAST)])
def test_axe_finds_nothing(scheme, rules, site, browser):
    assert AXE.is_file(), "expected axe-core in .venv: run `make .venv/axe.stamp`"
    # Colours that fade in for 0.15 s after loading would be measured on their way.
    view = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
    context = browser.new_context(color_scheme=scheme, **view)
    page = context.new_page()
    found = {}
    for name in SAMPLE:
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate(AXE.read_text())
        # Colours of code are the same few on every page: one block shows them, thousands of words take seconds.
        page.evaluate("document.querySelectorAll('.highlight').forEach((each, i) => { if (i > 3) each.remove(); })")
        result = page.evaluate("([context, rules]) => axe.run(context, rules)", [CONTEXT, rules])
        found[name] = [(each["id"], each["nodes"][0]["html"][:120]) for each in result["violations"]]
    context.close()
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.browser
def test_axe_would_find_something(browser):
    page = browser.new_page()
    page.set_content(
        "<html lang=en><title>x</title><h1 style='color:#ccc'>pale</h1><h3>skip</h3><img src='data:,'></html>"
    )
    page.evaluate(AXE.read_text())
    result = page.evaluate("rules => axe.run(document, rules)", RULES)
    page.close()
    assert {each["id"] for each in result["violations"]} >= {"color-contrast", "heading-order", "image-alt"}


@pytest.mark.browser
def test_a_page_can_be_walked_through_by_keyboard(site, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((site / "reproduction.html").as_uri())
    page.keyboard.press("Tab")
    assert "skip" in page.evaluate("document.activeElement.outerHTML").lower(), (
        "the first stop skips to the page's own part"
    )
    page.keyboard.press("Enter")
    stops = []
    for _ in range(30):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("() => document.activeElement.textContent.trim().slice(0, 30)"))
    assert any("opposite shown" in stop for stop in stops), stops
    assert len(set(stops)) > 15, "no stop holds the keyboard"
    page.goto((site / "lessons/10_unet.html").as_uri())
    summary = page.locator("article details > summary").first
    summary.focus()
    assert not summary.evaluate("each => each.parentElement.open")
    page.keyboard.press("Enter")
    assert summary.evaluate("each => each.parentElement.open")
    page.close()
