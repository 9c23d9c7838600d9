"""Demos on a page without a kernel: what is drawn ahead, what the page holds, and that it plays in a browser."""

import io
import json
import re
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from medcourse import plots
from medcourse.plots.scenes import as_scene
from medcourse.plots.steps import FRAMES, STEPS, choose_steps, value_in_words
from medcourse.plots.twins import VARIABLE, WIDEST_PX, compress
from medcourse.plots.volume_twins import LONGEST_PX, SLICES, VIEWS, draw_slice, turn
from tests.browser import FLAGS, find_chromium

NASTY = "</script><img src=x onerror=alert(1)> & \"both\" 'quotes' <!--"


@pytest.fixture(autouse=True)
def full(monkeypatch):
    """As where the site is made."""
    monkeypatch.setenv(VARIABLE, "full")


def draw(sigma_px, kind="a", log=False):
    """A square whose grey is its setting."""
    figure, axes = plots.panels(width_inches=1, height_inches=1)
    figure.set_facecolor(str(sigma_px / 20))
    axes[0, 0].set_axis_off()
    return plots.describe(figure, f"Sigma {sigma_px}, {kind}, log {log}. {NASTY}")


def line(slope, log=False):
    return plots.plot_curve({"line": [1, 1 + slope]}, log=log, alt=f"Line of slope {slope}, log {log}.")


class Page(HTMLParser):
    """Elements of a page as (tag, attributes, text of scripts); fails where tags are not closed in their order."""

    EMPTY = frozenset({"img", "br", "input"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.scripts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def data(self):
        """Of every twin."""
        kinds = [attributes.get("type") for attributes in self.all("script")]
        return [json.loads(text) for kind, text in zip(kinds, self.scripts, strict=True) if kind]

    def frames(self):
        """All pictures of the first twin by place, as (source, description)."""
        hidden = {place: (frame["src"], frame["alt"]) for place, frame in self.data[0]["frames"].items()}
        places = [attributes["data-at"] for attributes in self.all("figure")]
        shown = [(attributes["src"], attributes["alt"]) for attributes in self.all("img")]
        return hidden | dict(zip(places, shown, strict=True))


def html(live):
    return live._repr_mimebundle_()[0]["text/html"]


def picture(source):
    kind, data = source.split(",")
    assert kind == "data:image/webp;base64"
    return np.array(Image.open(io.BytesIO(b64decode(data))).convert("RGB")).astype(int)


# Which settings are drawn


def steps(controls, stills=(), **options):
    starts = {n: c if isinstance(c, bool) else c[0] if isinstance(c, list) else c[2] for n, c in controls.items()}
    return choose_steps(controls, starts, [{**starts, **still} for still in stills or [{}]], **options)


def test_one_slider_runs_from_end_to_end_and_stops_at_the_stills():
    found = steps({"sigma_px": (0, 40, 7)}, [{"sigma_px": 13}])
    (places,) = found.values.values()
    assert {0, 7, 13, 40} <= set(places)
    assert places == sorted(places)
    assert len(places) == STEPS
    assert all(isinstance(place, int) for place in places)
    assert found.at == [(i,) for i in range(STEPS)]
    assert found.setting(found.start) == {"sigma_px": 7}


def test_a_short_slider_has_every_whole_number_once():
    assert steps({"depth": (1, 4, 2)}).values == {"depth": [1, 2, 3, 4]}


def test_two_controls_are_combined():
    controls = {"sigma_px": (1.0, 20.0, 5.0), "log": True}
    found = steps(controls, [{"sigma_px": 2.0}])
    assert len(found.at) == len(found.values["sigma_px"]) * 2 == FRAMES
    assert found.values["log"] == [False, True]
    assert found.setting(found.start) == {"sigma_px": 5.0, "log": True}


def test_what_is_too_much_combined_moves_alone_and_still_holds_all_stills():
    controls = {"a": (0, 9, 3), "kind": list("abcd"), "way": list("uvw"), "b": (0.0, 1.0, 0.5)}
    stills = [{"a": 9, "kind": "d"}, {"way": "w"}]
    found = steps(controls, stills)
    assert found.alone
    assert len(found.at) <= FRAMES
    assert len(set(found.at)) == len(found.at)
    moved = [sum(i != j for i, j in zip(at, found.start, strict=True)) for at in found.at]
    assert sorted(moved)[-2:] == [1, 2], "one setting moves two controls: the still that does"
    assert all(found.place({**found.setting(found.start), **still}) in found.at for still in stills)


def test_fewer_may_be_asked_for():
    assert len(steps({"a": (0, 9, 3), "b": (0, 9, 3)}, frames=9).at) == 9


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("counts", 400_000.0, "400,000"),
        ("energy_kev", 62.5, "62.5 keV"),
        ("share", 0.12345, "0.123"),
        ("kind", "a", "a"),
    ],
)
def test_values_are_said_with_their_units(name, value, said):
    assert value_in_words(name, value) == said


# What a page holds


def test_a_twin_is_well_formed_and_holds_a_described_picture_for_every_setting():
    page = Page(html(plots.demo(draw, sigma_px=(1, 20, 5), log=False, static=[{}, {"sigma_px": 20}])))
    frames = page.frames()
    sigma, log = (knob["values"] for knob in page.data[0]["knobs"])
    assert len(frames) == len(sigma) * len(log) <= FRAMES
    for place, (source, alt) in frames.items():
        i, j = map(int, place.split(","))
        value = int(sigma[i].removesuffix(" px"))
        assert alt == f"Sigma {value}, a, log {log[j] == 'yes'}. {NASTY}"
        assert abs(picture(source)[:10] - 255 * value / 20).max() <= 4, "the picture is that of its setting"
    assert [attributes["alt"].split(".")[0] for attributes in page.all("img")] == [
        "Sigma 5, a, log False",
        "Sigma 20, a, log False",
    ]


def test_texts_stay_texts():
    page = Page(html(plots.demo(draw, sigma_px=(1, 20, 5), kind=[NASTY, "b"])))
    assert {tag for tag, _ in page.elements} == {"div", "figure", "img", "figcaption", "script", "style"}
    assert [attributes.get("type") for attributes in page.all("script")] == ["application/json", None]
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.data[0]["knobs"][1]["values"] == [NASTY, "b"]


def test_nothing_on_a_page_can_collide_and_nothing_is_asked_of_others():
    demo, game = plots.demo(line, slope=(0, 10, 2)), plots.label_images([np.eye(8)] * 3, ["a", "b"])
    text = html(demo) + html(plots.view_volume(np.zeros((8, 8, 8)))) + html(game)
    page = Page(text)
    assert not [attributes for _, attributes in page.elements if "id" in attributes]
    assert not re.search(r"https?:|url\(|@import|fetch\(", text)


def test_a_notebook_of_a_reader_holds_the_still_only(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    drawn = []

    def counted(slope):
        drawn.append(slope)
        return line(slope)

    for live in (plots.demo(counted, slope=(0, 10, 2), static=[{"slope": 3}]), plots.view_volume(np.zeros((8, 8, 8)))):
        assert live.twin is None
        assert html(live).startswith('<img alt="')
    assert drawn == [2, 3], "once for the widget, once for the still"


def test_no_setting_is_drawn_twice_for_the_twin():
    drawn = []

    def counted(slope):
        drawn.append(slope)
        return line(slope)

    plots.demo(counted, slope=(0, 10, 2), static=[{"slope": 3}, {"slope": 2}])
    assert sorted(drawn[1:]) == [*range(11)], "the first is the widget's"


def test_pictures_are_as_light_as_they_may_be():
    noise = np.random.default_rng(0).normal(128, 30, (300, 400, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
    noise[:20] = 255
    lines = np.full((300, 400, 3), 255, np.uint8)
    lines[::40], lines[:, 150] = (0, 114, 178), 0
    photo, drawing = compress([noise])[0], compress([lines])[0]
    assert len(photo.uri) < noise.size / 6
    assert (picture(drawing.uri) == lines).all(), "lines stay sharp"
    assert len(drawing.uri) < 1200


def test_pictures_of_a_demo_are_of_one_size_and_none_is_wider_than_a_page():
    small, wide = np.zeros((40, 300, 4), np.uint8), np.zeros((100, 2 * WIDEST_PX, 4), np.uint8)
    wide[..., 3] = 255
    pictures = compress([small, wide])
    assert {(each.width, each.height) for each in pictures} == {(WIDEST_PX, 50)}
    assert picture(pictures[0].uri).min() > 250, "what is clear and what was added is white"
    assert picture(pictures[1].uri).max() < 5


# Volumes

SPACING = (3.0, 1.0, 2.0)


@pytest.fixture
def volume():
    """Feet dark, head bright, and one brighter voxel at the front, on the patient's left."""
    voxels = np.linspace(0, 100, 10)[:, None, None] * np.ones((10, 30, 20))
    voxels[8, 3, 16] = 255
    return voxels


def test_a_slice_is_drawn_in_its_true_proportions_with_the_head_up(volume):
    scene = as_scene(volume, None, SPACING, (0, 255), "coronal")
    pixels = draw_slice(scene, 3, 400)  # z by x: 30 by 40 mm
    assert pixels.shape == (300, 400, 3)
    assert pixels[45, 330].tolist() == [255, 255, 255], "near the head, on the patient's left"
    assert pixels[40, 20].mean() > pixels[200, 20].mean() + 40
    axial = draw_slice(as_scene(volume, None, SPACING, (0, 255), "axial"), 8, 400)  # y by x: 30 by 40 mm
    assert axial[35, 330].tolist() == [255, 255, 255], "at the front, which is up"


def test_labels_and_marks_are_drawn_where_they_are(volume):
    labels = np.zeros(volume.shape, int)
    labels[8, 10:20, 5:10] = 7
    detections = {"hit": [(24.0, 15.0, 30.0, 4.0)]}
    scene = as_scene(volume, labels, SPACING, (0, 255), "axial", detections=detections)
    plain = draw_slice(as_scene(volume, None, SPACING, (0, 255), "axial"), 8, 400)
    drawn = draw_slice(scene, 8, 400)
    changed = np.argwhere((drawn != plain).any(axis=2))
    outlined = changed[changed[:, 1] < 205]
    assert outlined.min(0).tolist() == [100, 100]
    assert outlined.max(0).tolist() == [199, 199]
    ring = changed[changed[:, 1] >= 205]
    assert ring.mean(0) == pytest.approx([155, 310], abs=3), "around the middle of its voxel"
    assert (draw_slice(scene, 3, 400) == draw_slice(as_scene(volume, None, SPACING, (0, 255), "axial"), 3, 400)).all()


def test_a_turning_volume_shows_each_side_as_one_would_see_it(volume):
    front, left, back, right = (
        view.mean(axis=2) for view in turn(as_scene(volume, None, (3.0, 1.0, 1.5), None, None), (0, 90, 180, 270))
    )
    places = {name: np.unravel_index(view.argmax(), view.shape) for name, view in locals().items() if name != "volume"}
    middle = front.shape[1] / 2
    assert places["front"][1] > middle + 20, "seen from the front, the patient's left is on the right"
    assert places["back"][1] < middle - 20
    assert places["left"][1] < middle - 20, "seen from the left, the front is on the left"
    assert places["right"][1] > middle + 20
    assert all(place[0] < front.shape[0] / 3 for place in places.values()), "the head is up"


def test_what_is_farther_away_is_darker():
    voxels = np.zeros((20, 20, 20))
    voxels[5:15, :2, 5:15] = 100  # a plate at the front
    front, back = turn(as_scene(voxels, None, (1.0, 1.0, 1.0), None, None), (0, 180))
    assert front.max() > 240
    assert 60 < back.max() < front.max() - 60


def test_a_volume_has_a_slider_for_each_plane_and_one_that_turns(volume):
    volume = np.concatenate([volume] * 4)
    detections = {"candidate": [(9.0, 15.0, 10.0, 2.0), (105.0, 15.0, 10.0, 2.0)]}
    page = Page(html(plots.view_volume(volume, spacing_mm=SPACING, detections=detections, alt="A bright head.")))
    knobs = [knob for data in page.data for knob in data["knobs"]]
    assert [(knob["label"], knob["kind"]) for knob in knobs] == [
        ("axial", "range"),
        ("coronal", "range"),
        ("sagittal", "range"),
        ("turn", "turn"),
    ]
    assert all(len(knob["values"]) <= SLICES[3] + 2 for knob in knobs[:3])
    assert len(knobs[3]["values"]) == VIEWS
    assert [knob["values"][knob["start"]] for knob in knobs[1:3]] == ["y = 15 mm", "x = 10 mm"], "through a detection"
    assert {"z = 9 mm", "z = 105 mm"} <= set(knobs[0]["values"]), "slices of the still are among them"
    stills = [attributes["alt"] for attributes in page.all("img")]
    assert stills[0] == "Axial slice at z = 9 mm: marked: 1 candidate (diamond)."
    assert "from the front" in stills[-1]
    assert [attributes["aria-label"] for attributes in page.all("div") if attributes.get("role") == "group"] == [
        "A bright head.",
        "axial slices",
        "coronal slices",
        "sagittal slices",
        "the volume, turning",
    ]


def test_a_volume_opens_where_its_object_is(volume):
    labels = np.zeros(volume.shape, int)
    labels[8, 10:20, 5:10] = 1
    labels[7, 12:14, 5:10] = 1
    page = Page(html(plots.view_volume(volume, labels, spacing_mm=SPACING)))
    knobs = [knob for data in page.data for knob in data["knobs"]]
    assert knobs[0]["values"][knobs[0]["start"]] == "z = 24 mm"
    assert knobs[2]["values"][knobs[2]["start"]] in {f"x = {2 * place} mm" for place in range(5, 10)}
    assert "Axial slice at z = 24 mm: 1 object outlined." in [each["alt"] for each in page.all("img")]


def test_one_plane_is_one_plane(volume):
    page = Page(html(plots.view_volume(volume, plane="sagittal")))
    assert [knob["label"] for data in page.data for knob in data["knobs"]] == ["sagittal"]
    assert picture(page.all("img")[0]["src"]).shape[1] == LONGEST_PX[1]


def test_a_volume_of_one_value_is_drawn():
    assert Page(html(plots.view_volume(np.full((4, 4, 4), 7)))).all("img")


def test_a_page_stays_light(volume):
    noisy = np.random.default_rng(1).normal(size=(60, 180, 220))
    assert len(html(plots.view_volume(noisy))) < 2_000_000, "noise is the worst there is"
    assert len(html(plots.demo(line, slope=(0, 10, 2)))) < 200_000


# In a browser


@pytest.fixture(scope="module")
def browser():
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS]) as browser,
    ):
        yield browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page with two demos, a volume and a game."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "full")
        kinds = list("abcdef")
        cells = [
            plots.demo(draw, sigma_px=(1, 20, 5), log=False, static=[{}, {"sigma_px": 20}]),
            plots.demo(draw, sigma_px=(1, 20, 5), kind=kinds, log=False, static=[{"sigma_px": 20, "kind": "c"}]),
            plots.view_volume(np.random.default_rng(0).random((12, 12, 12))),
            plots.label_images([np.eye(4), 1 - np.eye(4)], ["line", "rest"], question="What <is> it?"),
        ]
        text = "".join(f"<div>{html(cell)}</div>" for cell in cells)
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Twins</title><body>{text}')
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    """The page, and that nothing on it failed or asked for anything else."""
    said = []
    page = browser.new_page(viewport={"width": 360, "height": 700})
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url) if request.url[:5] not in {"file:", "data:"} else None)
    page.goto(address)
    yield page
    page.close()
    assert said == []


@pytest.mark.browser
def test_a_slider_moved_by_the_keyboard_changes_picture_and_description(page):
    twin = page.get_by_role("group", name="Demo").first
    slider, image = twin.get_by_role("slider", name="sigma"), twin.locator("img")
    expect(image).to_have_count(1)
    assert image.get_attribute("alt").startswith("Sigma 5, a, log False.")
    assert slider.get_attribute("aria-valuetext") == "5 px"
    said = twin.locator("[aria-live=polite]")
    expect(said).to_have_text("")
    before = image.get_attribute("src")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    expect(image).to_have_attribute("alt", f"Sigma 20, a, log False. {NASTY}")
    assert image.get_attribute("src") != before
    expect(said).to_have_text(f"Sigma 20, a, log False. {NASTY}")
    assert slider.get_attribute("aria-valuetext") == "20 px"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(image).to_have_attribute("alt", f"Sigma 20, a, log True. {NASTY}")
    others = page.get_by_role("group", name="Demo").nth(1).locator("img")
    assert others.get_attribute("alt").startswith("Sigma 5, a, log False."), "each twin has its own controls"


@pytest.mark.browser
def test_controls_that_move_alone_go_back_and_what_stands_apart_can_be_chosen(page):
    twin = page.get_by_role("group", name="Demo").nth(1)
    slider, image = twin.get_by_role("slider", name="sigma"), twin.locator("img")
    slider.press("Home")
    assert image.get_attribute("alt").startswith("Sigma 1, a,")
    twin.get_by_role("combobox", name="kind").select_option("c")
    assert image.get_attribute("alt").startswith("Sigma 5, c,")
    assert slider.get_attribute("aria-valuetext") == "5 px"
    twin.get_by_role("combobox", name="together").select_option("sigma: 20 px, kind: c, log: no")
    assert image.get_attribute("alt").startswith("Sigma 20, c,")
    assert slider.get_attribute("aria-valuetext") == "20 px"
    expect(twin.get_by_text("One control at a time")).to_be_visible()


@pytest.mark.browser
def test_slices_are_scrubbed_and_the_volume_turns_until_it_is_stopped(page):
    coronal = page.get_by_role("group", name="coronal slices")
    coronal.get_by_role("slider", name="coronal").press("Home")
    expect(coronal.locator("img")).to_have_attribute("alt", "Coronal slice at y = 0 mm.")
    volume = page.get_by_role("group", name="the volume, turning")
    volume.get_by_role("button", name="turn").press("Enter")
    expect(volume.get_by_role("slider")).not_to_have_value("0")
    volume.get_by_role("button", name="stop").press("Enter")
    angle = volume.get_by_role("slider").input_value()
    page.wait_for_timeout(400)
    assert volume.get_by_role("slider").input_value() == angle
    expect(volume.locator("[aria-live=polite]")).to_have_text("")


@pytest.mark.browser
def test_the_game_is_played_and_ends_in_the_line_of_the_lab(page):
    game = page.get_by_role("group", name="Labelling game")
    expect(game.get_by_text("What <is> it?")).to_be_visible()
    game.get_by_role("button", name="rest").press("Enter")
    game.get_by_role("button", name="line").press("Enter")
    answers = game.get_by_label("Your answers")
    assert re.fullmatch(
        r"my_answers = \{0: 1, 1: 0\}  # 2 of 2 answered, \d+\.\d s each \(median\)", answers.input_value()
    )
    expect(game.locator("img")).to_have_count(0)
    expect(game.get_by_role("button", name="undo")).to_be_focused()
    game.get_by_role("button", name="undo").press("Enter")
    expect(game.locator("img")).to_have_attribute("alt", "Image 1, to be labelled.")
    assert answers.input_value().startswith("my_answers = {0: 1}  # 1 of 2")


@pytest.mark.browser
def test_it_fits_a_phone(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.browser
def test_without_javascript_the_stills_are_there_and_no_dead_control(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    twin = page.get_by_role("group", name="Demo").first
    assert twin.locator("figcaption").all_inner_texts() == ["sigma: 5 px, log: no", "sigma: 20 px, log: no"]
    assert all(image.bounding_box()["width"] > 50 for image in twin.locator("img").all())
    assert page.locator("input, button, select, textarea").count() == 0
    assert page.get_by_role("group", name="Labelling game").locator("img").count() == 2
    context.close()
