"""What only a browser can show: viewers, sliders, the lesson and the lab in a real JupyterLab."""

import io
import time
from importlib.util import find_spec

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image
from playwright.sync_api import expect

from medcourse.workspace import fill
from tests.browser import IMJOY, jupyterlab

pytestmark = pytest.mark.browser

# A bright ball in a dark block, with one label: small, because software WebGL is slow.
SETUP = """
import numpy as np
from medcourse import plots

plots.use_style()
z, y, x = np.mgrid[-1:1:12j, -1:1:16j, -1:1:16j]
ball = x**2 + y**2 + z**2 < 0.5
volume = 20 + 200 * ball
"""
VIEW = "plots.view_volume(volume, ball, spacing_mm=(2, 1, 1), limits=(0, 255), plane='axial', backend={backend!r})"
OFFLINE = {
    "setup": SETUP,
    "niivue": VIEW.format(backend="niivue"),
    "slider": VIEW.format(backend="slider"),
    "figure": "plots.describe(plots.show_slices(volume), 'A ball in a block.')",
    "demo": """
def draw(slope, log):
    return plots.plot_curve({"line": [1, 1 + slope]}, log=log, alt=f"A line of slope {slope}, log {log}.")

plots.demo(draw, slope=(0, 10, 2), log=False)
""",
}
ITK = {
    "setup": SETUP,
    "hide": "from medcourse.plots import volumes\nfind, volumes.find_spec = volumes.find_spec, lambda name: None",
    "missing": f"try:\n    {VIEW.format(backend='itkwidgets')}\nexcept Exception as error:\n    print(error)",
    "found": "volumes.find_spec = find\nvolumes.WATCHDOG_S = 2",
    "itkwidgets": VIEW.format(backend="itkwidgets"),
    "later": "print('later cells run')",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for name, cells in {"offline": OFFLINE, "itk": ITK}.items():
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells.values()])
        notebook.metadata["kernelspec"] = kernel
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(folder, tmp_path_factory):
    with jupyterlab(folder, tmp_path_factory.mktemp("scratch")) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab):
    """The notebook `OFFLINE`, run."""
    page = lab.open("offline.ipynb")
    lab.run_all(page)
    lab.wait_idle(page)
    return page


@pytest.fixture(scope="module")
def course(lab, folder):
    """The same JupyterLab, with the course laid beside the notebooks as `medcourse lab` does it."""
    fill(folder)
    return lab


def output(page, cells, name):
    """Return the output of the cell of this name."""
    return page.locator(".jp-CodeCell").nth([*cells].index(name)).locator(".jp-Cell-outputArea")


def colours(canvas, *places):
    """Return the colours (R, G, B) at places (y, x) of a picture, as shares of its height and width."""
    canvas.scroll_into_view_if_needed()
    pixels = np.array(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    # The slice is as high as the picture, and square.
    return [pixels[int(y * height), int(width / 2 + (x - 0.5) * height)] for y, x in places]


def test_niivue_shows_volume_and_labels(page):
    canvas = output(page, OFFLINE, "niivue").locator("canvas")
    end = time.monotonic() + 15
    while True:
        ball, block = colours(canvas, (0.4, 0.4), (0.1, 0.1))
        if ball.any() or time.monotonic() > end:
            break
        page.wait_for_timeout(200)
    assert ball[2] > ball[0] + 20, f"the ball should be bright under its blue label, got {ball}"
    assert 5 < block.max() < 60, f"the block around the ball should be dark grey, got {block}"
    assert np.ptp(block) < 10, f"the block around the ball should have no label's colour, got {block}"


def test_slider_moved_by_the_keyboard_shows_another_slice(page):
    shown = output(page, OFFLINE, "slider")
    picture = shown.locator("img")
    assert "z = 12 mm" in picture.get_attribute("alt")
    before = picture.get_attribute("src")
    shown.locator(".noUi-handle").press("ArrowRight")
    shown.locator("img[alt*='z = 14 mm']").wait_for(timeout=10_000)
    assert picture.get_attribute("src") != before


def test_figure_is_shown_once_with_its_alt_text(page):
    pictures = output(page, OFFLINE, "figure").locator("img")
    assert [picture.get_attribute("alt") for picture in pictures.all()] == ["A ball in a block."]


def test_demo_follows_its_controls(page):
    shown = output(page, OFFLINE, "demo")
    assert shown.locator("img").get_attribute("alt") == "A line of slope 2, log False."
    shown.locator(".noUi-handle").press("End")
    shown.locator("img[alt='A line of slope 10, log False.']").wait_for(timeout=10_000)
    shown.locator("input[type=checkbox]").check()
    shown.locator("img[alt='A line of slope 10, log True.']").wait_for(timeout=10_000)


def test_none_of_these_asks_another_host(page, lab):
    assert not [url for url in lab.external if not url.startswith(IMJOY)]


@pytest.mark.skipif(not find_spec("imjoy_jupyterlab_extension"), reason="medcourse[itk] is not installed")
def test_itkwidgets_missing_or_cut_off_holds_up_no_later_cell(lab):
    page = lab.open("itk.ipynb")
    lab.run_all(page)
    cells = dict(zip(ITK, lab.wait_idle(page), strict=True))
    assert 'pip install "medcourse[itk]"' in cells["missing"]["outputs"][0]["text"]
    # itkwidgets' CellWatcher has the kernel say "idle" before a cell that it held back has run, so JupyterLab takes the
    # cell as done when its reply comes, which may be before its output does.
    expect(output(page, ITK, "later")).to_have_text("later cells run\n", timeout=10_000)
    shown = output(page, ITK, "itkwidgets")
    shown.get_by_text("itkwidgets could not load its viewer from the internet").wait_for(timeout=10_000)
    shown.locator("canvas").wait_for(timeout=10_000)
    # That it did try to load is what makes this a test.
    assert [url for url in lab.external if url.startswith(IMJOY)]


def test_lesson_runs_shows_its_progress_and_plays(course):
    page = course.open("lessons/10_unet.ipynb")
    course.run_all(page)
    page.locator(".jp-OutputArea-output .widget-hprogress").first.wait_for(timeout=90_000)
    course.wait_idle(page, timeout_s=180)
    handle = page.locator(".jp-OutputArea-output .noUi-handle").first
    picture = page.locator(".jp-OutputArea-output", has=page.locator(".noUi-handle")).first.locator("img")
    before = picture.get_attribute("alt")
    handle.press("ArrowRight")
    expect(picture).not_to_have_attribute("alt", before, timeout=10_000)
    assert not [url for url in course.external if not url.startswith(IMJOY)]


def test_lab_opens_with_its_exercises_to_be_done(course):
    page = course.open("labs/10_unet.ipynb")
    page.get_by_text("NotImplementedError").first.wait_for(timeout=10_000)
