"""The course as a site: every unit is there with what its lesson showed, and a reader finds the way."""

import html
import json
import re
import zlib
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import sync_playwright

from medcourse.executed import executed
from medcourse.site.build import build_site, is_due
from medcourse.sources import PACKAGE, lazy_names
from medcourse.units import UNITS
from tests import anatomy
from tests.browser import FLAGS, find_chromium

ROOT = Path(__file__).resolve().parents[1]
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.slug)


def page(site, name):
    return (site / f"{name}.html").read_text()


def article(text):
    """The page's own part, without sidebars and footers."""
    return re.search(r"<article\b.*?</article>", text, re.DOTALL)[0]


@each_unit
def test_a_lesson_is_there_with_its_figures_and_its_neighbours(unit, site):
    text = page(site, f"lessons/{unit.slug}")
    lesson = executed(ROOT / "course" / f"{unit.slug}.py").execution.notebook
    figures = [
        output.metadata["image/png"]["alt"]
        for cell in lesson.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {}) and "application/vnd.jupyter.widget-view+json" not in output.data
    ]
    shown = re.findall(r'<img class="figure" alt="([^"]*)" src="([^"]*)"', article(text))
    assert [alt for alt in figures if html.escape(alt) not in {alt for alt, _ in shown}] == []
    assert [src for _, src in shown if not (site / "lessons" / src).is_file()] == []
    assert f'href="../labs/{unit.slug}.html"' in article(text)
    for relation, other in (("prev", unit.number - 1), ("next", unit.number + 1)):
        if 1 <= other <= len(UNITS):
            link = re.search(
                rf'<a class="{"left" if relation == "prev" else "right"}-{relation}"\s+href="([^"]+)"', text
            )
            assert link[1] == f"{UNITS[other - 1].slug}.html"


@each_unit
def test_a_lab_is_there_as_students_get_it(unit, site):
    text = article(page(site, f"labs/{unit.slug}"))
    lab = json.loads((ROOT / "assignments" / unit.slug / f"{unit.slug}.ipynb").read_text())
    headings = anatomy.headings("\n".join("".join(c["source"]) for c in lab["cells"] if c["cell_type"] == "markdown"))
    shown = [html.unescape(re.sub(r"<[^>]+>", "", each)) for each in re.findall(r"<h2>(.*?)<a class", text)]
    assert len(shown) == len(headings) >= 5
    assert "NotImplementedError" in text
    # Expected pictures, which the notebook holds as attachments.
    attached = sum(len(cell.get("attachments", {})) for cell in lab["cells"])
    assert text.count("<img") == attached >= 1
    assert f'href="../lessons/{unit.slug}.html"' in text


def test_the_first_page_says_what_this_is(site):
    text = article(page(site, "index"))
    boxes = re.search(r'<ol class="course-map">.*?</ol>', text, re.DOTALL)[0]
    assert re.findall(r'href="lessons/(\w+)\.html"', boxes) == [unit.slug for unit in UNITS]
    parts = re.findall(r"<strong>(.*?)</strong>", boxes)
    assert parts == list(dict.fromkeys(unit.part for unit in UNITS))
    pictures = re.search(r'<ul class="strip">.*?</ul>', text, re.DOTALL)[0]
    assert len(re.findall(r'<img class="figure" alt="\w[^"]{20,}"', pictures)) >= 6
    for door in ("lessons/01_modalities.html", "guide/study.html", "guide/index.html", "reproduction.html"):
        assert f'href="{door}"' in text
    minutes = sum(int(re.search(r"about (\d+) minutes", path.read_text())[1]) for path in ROOT.glob("course/[0-9]*.py"))
    assert f"about {round(minutes / 60)} hours to read" in text


def test_every_public_name_is_in_the_reference(site):
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    known = {line.split()[0] for line in zlib.decompress(packed).decode().splitlines() if " py:" in line}
    for package in ("datasets", "models", "plots"):
        owners = lazy_names(PACKAGE / package / "__init__.py")
        names = {name for name, module in owners.items() if name != module}
        missing = {
            name
            for name in names
            if not {f"medcourse.{package}.{name}", f"medcourse.{package}.{owners[name]}.{name}"} & known
        }
        assert missing == set()
    assert {"medcourse.training.fit", "medcourse.metrics.dice", "medcourse.testing.close"} <= known


def test_pages_tell_nothing_of_the_machine_that_built_them(site):
    places = {str(ROOT), str(Path.home()), "/tmp/", "site-packages"}
    found = []
    for path in site.rglob("*"):
        if path.suffix in {".html", ".js", ".json", ".ipynb", ".txt"} and "mathjax" not in path.parts:
            text = path.read_text()
            found += [(path.relative_to(site).as_posix(), place) for place in places if place in text]
    assert found == []


def test_a_site_that_is_as_the_course_is_is_not_built_again(site):
    assert not is_due(ROOT)
    assert not build_site(ROOT).is_new


@pytest.fixture(scope="module")
def browser():
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS]) as launched,
    ):
        yield launched


@pytest.mark.browser
@pytest.mark.parametrize(
    ("words", "found"), [("U-Net", "lessons/10_unet.html"), ("make_swi_brains", "api/datasets.html")]
)
def test_search_finds(words, found, site, browser):
    reader = browser.new_page()
    reader.goto(f"{(site / 'search.html').as_uri()}?q={quote(words)}")
    reader.wait_for_selector("#search-results ul.search li a")
    links = [link.get_attribute("href") for link in reader.locator("#search-results ul.search li a").all()]
    assert any(link.partition("#")[0].partition("?")[0].endswith(found) for link in links[:10]), links[:10]
    reader.close()


@pytest.mark.browser
def test_search_for_what_is_not_there_finds_nothing(site, browser):
    reader = browser.new_page()
    reader.goto(f"{(site / 'search.html').as_uri()}?q=zzyzxqq")
    reader.wait_for_selector("#search-results .search-summary")
    assert reader.locator("#search-results ul.search li").count() == 0
    reader.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_lesson_can_be_read_on_a_phone_and_in_the_dark(scheme, site, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    reader = context.new_page()
    for name in ("index", "lessons/10_unet", "labs/10_unet", "api/datasets", "guide/grading"):
        reader.goto((site / f"{name}.html").as_uri())
        assert reader.evaluate("document.documentElement.scrollWidth") <= 390, f"{name} is wider than the phone"
        assert reader.evaluate("document.documentElement.dataset.theme") == scheme
    reader.goto((site / "lessons/10_unet.html").as_uri())
    reader.wait_for_selector("mjx-container")  # formulas, with fonts of our own
    background = reader.locator("article img.figure").first.evaluate("image => getComputedStyle(image).backgroundColor")
    assert background == "rgb(255, 255, 255)", "figures are drawn on white, and stay so"
    context.close()


@pytest.mark.browser
def test_a_phones_list_of_sections_closes_when_one_is_chosen(site, browser):
    reader = browser.new_page(viewport={"width": 390, "height": 800})
    reader.goto((site / "labs/10_unet.html").as_uri())
    reader.locator(".secondary-toggle:visible").click()
    reader.locator("dialog[open] a").nth(2).click()
    reader.wait_for_function("!document.querySelector('dialog[open]') && scrollY > 1000")
    reader.close()


@pytest.mark.browser
def test_on_paper_answers_are_unfolded_and_no_sidebar_is_there(site, browser):
    reader = browser.new_page()
    reader.goto((site / "lessons/10_unet.html").as_uri())
    folded = reader.locator("article details:not([open]) > :not(summary)").first
    assert not folded.evaluate("answer => answer.checkVisibility()")
    reader.emulate_media(media="print")
    assert folded.evaluate("answer => answer.checkVisibility()")
    assert folded.bounding_box()["height"] > 5
    assert not reader.locator("#pst-primary-sidebar").is_visible()
    reader.close()
