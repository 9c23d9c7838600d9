import html
import io
import re
from base64 import b64decode

import ipywidgets
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.colors import to_rgb
from PIL import Image

from medcourse import plots
from medcourse.errors import CourseError
from medcourse.plots.figures import bundle
from medcourse.plots.images import as_labels, label_colours, paint
from medcourse.plots.style import PALETTE


def scale_bar(ax):
    """Return width in pixels and text of the one scale bar of a panel."""
    (bar,) = [patch for patch in ax.patches if patch.get_gid() == "scale bar"]
    return bar.get_width(), ax.texts[-1].get_text()


@pytest.fixture
def notebook():
    """Show values as a notebook does, and return the outputs: run in an IPython that the test ends."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()

    def show(value):
        shell.user_ns["value"] = value
        with capture_output() as captured:
            assert shell.run_cell("display(value)").success
        return captured.outputs

    yield show
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


# Alt text


def test_figure_reaches_the_notebook_once_with_its_alt_text_in_both_forms(notebook):
    figure = plots.describe(plots.show_image(np.eye(8)), 'A "diagonal" <line>.')
    (output,) = notebook(figure)
    assert output.metadata["image/png"]["alt"] == 'A "diagonal" <line>.'
    (alt,) = re.findall(r'alt="([^"]*)"', output.data["text/html"])
    assert html.unescape(alt) == 'A "diagonal" <line>.'
    # Both forms are the same picture.
    assert output.data["image/png"] in output.data["text/html"]
    picture = Image.open(io.BytesIO(b64decode(output.data["image/png"])))
    assert picture.size == tuple(int(size * figure.dpi) for size in figure.get_size_inches())


def test_figure_of_pyplot_can_be_described_and_is_not_left_open():
    mpl.use("agg")
    figure, ax = plt.subplots()
    plots.show_map(np.eye(3), "Identity", ax=ax)
    assert plt.fignum_exists(figure.number)
    bundle(figure)
    assert not plt.get_fignums()


def test_panels_drawn_into_one_figure_are_all_described():
    figure, axes = plots.panels(1, 2)
    plots.show_image(np.eye(4), "Image", ax=axes[0, 0])
    assert plots.show_map(np.eye(4), "Weights", ax=axes[0, 1]) is figure
    assert re.match(r"Image: .* Weights: ", figure.get_label())


@pytest.mark.parametrize(
    "figure",
    [
        lambda alt: plots.show_image(np.eye(4), alt=alt),
        lambda alt: plots.show_images([np.eye(4), np.eye(4)], alt=alt),
        lambda alt: plots.overlay(np.eye(4), np.eye(4, dtype=int), alt=alt),
        lambda alt: plots.show_map(np.eye(4), alt=alt),
        lambda alt: plots.plot_curve({"loss": [2, 1]}, alt=alt),
        lambda alt: plots.plot_intervals({"effect": (1, 0, 2)}, xlabel="Dice", alt=alt),
        lambda alt: plots.show_kernels(np.ones((2, 1, 3, 3)), alt=alt),
        lambda alt: plots.show_slices(np.zeros((3, 4, 4)), alt=alt),
    ],
)
def test_every_visualiser_describes_itself_and_takes_a_better_description(figure):
    assert len(figure(None).get_label()) > 20
    assert figure("What is to be seen.").get_label() == "What is to be seen."


def test_an_empty_description_is_refused():
    with pytest.raises(CourseError, match="in words"):
        plots.describe(plots.show_image(np.eye(2)), "  ")


# Style


def test_importing_changes_no_default_and_use_style_does():
    with mpl.rc_context():
        mpl.rcdefaults()
        before = mpl.rcParams.copy()
        plots.show_image(np.eye(3))
        assert dict(mpl.rcParams) == dict(before)
        plots.use_style()
        assert mpl.rcParams["image.cmap"] == "gray"
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(PALETTE)


# Images


@pytest.mark.parametrize(
    ("width", "spacing", "pixels", "text"),
    [
        (200, {"spacing_um": 0.5}, 40, "20 µm"),  # a quarter of 100 um is 25: 20 is the longest round length below
        (512, {"spacing_mm": 0.7}, 50 / 0.7, "50 mm"),
        (100, {"spacing_um": 0.04}, 25, "1 µm"),  # exactly a quarter
        (64, {"spacing_mm": 0.01}, 10, "0.1 mm"),
    ],
)
def test_scale_bar_is_as_long_as_it_says(width, spacing, pixels, text):
    ax = plots.show_image(np.zeros((50, width)), **spacing).axes[0]
    length, said = scale_bar(ax)
    assert said == text
    assert length == pytest.approx(pixels)


def test_row_of_images_has_one_scale_bar_and_shared_limits():
    figure = plots.show_images([np.eye(8), 3 * np.eye(8)], ["a", "b"], spacing_um=1, limits=(0, 2))
    first, second = figure.axes
    assert scale_bar(first)[1] == "2 µm"
    assert not second.patches
    assert {ax.images[0].get_clim() for ax in (first, second)} == {(0, 2)}


def test_images_may_be_tensors_with_gradient_and_colour():
    image = torch.eye(4, requires_grad=True)
    np.testing.assert_array_equal(plots.show_image(image).axes[0].images[0].get_array(), np.eye(4))
    plots.show_image(np.zeros((4, 4, 3), dtype=np.uint8))


def test_outline_lies_on_the_pixels_of_an_object_that_meet_another_label():
    labels = np.zeros((5, 7), dtype=int)
    labels[1:4, 1:4] = 1
    labels[1:4, 4:6] = 2
    alpha = paint(labels, label_colours(labels), fill=0.25)[..., 3]
    expected = np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [0, 1, 1, 1, 1, 1, 0],
            [0, 1, 0.25, 1, 1, 1, 0],
            [0, 1, 1, 1, 1, 1, 0],
            [0, 0, 0, 0, 0, 0, 0],
        ]
    )
    np.testing.assert_array_equal(alpha, expected)


def test_object_at_the_edge_of_the_image_is_not_outlined_along_the_edge():
    labels = np.ones((4, 4), dtype=int)
    assert paint(labels, label_colours(labels), fill=0.5)[..., 3].max() == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_neighbours_differ_in_colour_even_across_a_gap(seed):
    # A dense dish: the cells of 60 random points, with background drawn between them.
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 96, (60, 2))
    grid = np.indices((96, 96)).reshape(2, -1).T
    labels = 1 + np.linalg.norm(grid[:, None] - points, axis=2).argmin(1).reshape(96, 96)
    gap = np.zeros(labels.shape, dtype=bool)
    gap[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    gap[:-1] |= labels[:-1] != labels[1:]
    labels[gap] = 0
    labels = as_labels(labels, labels.shape)
    colours = label_colours(labels)
    palette = {to_rgb(colour) for colour in PALETTE}
    assert {tuple(colour) for colour in colours[1:]} <= palette
    beside = (labels[:, 2:] != labels[:, :-2]) & (labels[:, 2:] > 0) & (labels[:, :-2] > 0)
    pairs = set(zip(labels[:, 2:][beside].tolist(), labels[:, :-2][beside].tolist(), strict=True))
    assert len(pairs) > 50
    assert not [pair for pair in pairs if tuple(colours[pair[0]]) == tuple(colours[pair[1]])]


def test_labels_with_gaps_in_their_numbers_are_drawn_as_they_are():
    figure = plots.overlay(np.zeros((2, 4)), np.array([[0, 7, 7, 1000], [0, 7, 7, 1000]]))
    assert "2 outlined objects" in figure.get_label()
    assert figure.axes[0].images[1].get_array()[..., 3].astype(bool).sum() == 6


def test_map_carries_its_unit_and_a_diverging_one_has_zero_in_the_middle():
    figure = plots.show_map(np.array([[-1.0, 4.0]]), unit="displacement (px)", diverging=True)
    assert figure.axes[1].get_ylabel() == "displacement (px)"
    assert figure.axes[0].images[0].get_clim() == (-4, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.show_image(np.zeros((1, 4, 4))), r"\(H, W\) or \(H, W, 3\), got \(1, 4, 4\)"),
        (lambda: plots.show_image(np.zeros((0, 4))), r"got \(0, 4\)"),
        (lambda: plots.show_image(np.zeros((4, 4), complex)), "real numbers, got complex128"),
        (lambda: plots.show_image(np.eye(4), spacing_um=1, spacing_mm=1), "got both"),
        (lambda: plots.show_image(np.eye(4), spacing_um=0), "positive width of a pixel in µm, got 0"),
        (lambda: plots.show_images([]), "at least one image"),
        (lambda: plots.show_images([np.eye(4)], ["a", "b"]), "as many as images, 1, got 2"),
        (lambda: plots.overlay(np.eye(4), np.eye(5, dtype=int)), r"image shape \(4, 4\), got \(5, 5\)"),
        (lambda: plots.overlay(np.eye(4), np.eye(4) / 2), "probability map"),
        (lambda: plots.overlay(np.eye(4), np.full((4, 4), np.nan)), "whole numbers"),
        (lambda: plots.overlay(np.eye(4), -np.eye(4, dtype=int)), "whole numbers from 0"),
        (lambda: plots.overlay(np.eye(4), np.eye(4, dtype=int), fill=2), "between 0 and 1, got 2"),
        (lambda: plots.show_map(np.zeros(4)), r"\(H, W\), got \(4,\)"),
        (lambda: plots.show_kernels(np.zeros((3, 3))), r"\(C_out, C_in, k, k\), got \(3, 3\)"),
        (lambda: plots.plot_curve({}), "at least one"),
        (lambda: plots.plot_curve({"loss": []}), "'loss'"),
        (lambda: plots.plot_curve({"loss": [1, 2]}, x=[1, 2, 3]), "each of 3 x, got 2"),
        (lambda: plots.plot_intervals({}, xlabel="Dice"), "at least one"),
        (lambda: plots.plot_intervals({"a": (1, 2, 3)}, xlabel="Dice"), "low <= mean <= high, got mean 1"),
    ],
)
def test_bad_input_is_answered_in_one_line(call, message):
    with pytest.raises(CourseError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# Curves, kernels


def test_curve_stands_where_its_x_says_and_counts_from_one_without():
    ax = plots.plot_curve({"training": [3, 2, 1], "validation": [3, 2]}, log=True, ylabel="loss").axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("step", "loss", "log")
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]
    np.testing.assert_array_equal(plots.plot_curve({"a": [1, 2]}, x=[0, 5]).axes[0].lines[0].get_xdata(), [0, 5])


def test_interval_that_leaves_out_no_effect_has_a_full_dot():
    ax = plots.plot_intervals({"clear": (0.3, 0.1, 0.5), "unclear": (0.1, -0.1, 0.3)}, xlabel="Dice").axes[0]
    clear_line, clear_dot, unclear_line, unclear_dot, null = ax.lines
    np.testing.assert_array_equal(clear_line.get_xdata(), [0.1, 0.5])
    np.testing.assert_array_equal(unclear_line.get_ydata(), [1, 1])
    assert clear_dot.get_markerfacecolor() != "white"
    assert unclear_dot.get_markerfacecolor() == "white"
    assert list(null.get_xdata()) == [0, 0]
    # The first effect is on top.
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["clear", "unclear"]


def test_kernels_keep_their_place_their_sign_and_one_scale():
    weight = torch.arange(-8.0, 10.0).reshape(2, 1, 3, 3)
    drawn = plots.show_kernels(weight).axes[0].images[0]
    mosaic = drawn.get_array()
    np.testing.assert_array_equal(mosaic[:, :3], weight[0, 0])
    np.testing.assert_array_equal(mosaic[:, 4:], weight[1, 0])
    assert np.ma.getmaskarray(mosaic)[:, 3].all()
    assert drawn.get_clim() == (-9, 9)


# Demos


def line(slope, log=False):
    return plots.plot_curve({"line": [1, 1 + slope]}, log=log, alt=f"Line of slope {slope}.")


def test_moving_a_slider_redraws_the_picture_and_its_alt_text():
    slope, log, picture = plots.demo(line, slope=(0, 10, 2), log=False).widget.children
    assert isinstance(slope, ipywidgets.IntSlider)
    assert isinstance(log, ipywidgets.Checkbox)
    assert "Line of slope 2." in picture.value
    before = picture.value
    slope.value = 7
    assert "Line of slope 7." in picture.value
    assert picture.value != before


def test_twin_shows_each_control_low_at_its_start_and_high():
    live = plots.demo(line, slope=(0.0, 10.0, 2.0), log=False)
    assert re.findall(r"slope = ([\d.]+), log = (\w+)", live.still.get_label()) == [
        ("0.0", "False"),
        ("2.0", "False"),
        ("10.0", "False"),
        ("2.0", "True"),
    ]


def test_twin_holds_the_very_pixels_of_its_stills():
    def square(grey):
        figure, axes = plots.panels(width_inches=1, height_inches=1)
        figure.set_facecolor(str(grey))
        axes[0, 0].set_axis_off()
        return plots.describe(figure, f"Grey {grey}.")

    live = plots.demo(square, grey=(0.0, 1.0, 0.5), static=[{"grey": 0.0}, {"grey": 0.5}])
    twin = np.array(Image.open(io.BytesIO(b64decode(bundle(live.still)[0]["image/png"]))))
    assert twin.shape == (124, 200, 4)
    assert (twin[24:, :100, 0] == 0).all()
    assert (twin[24:, 100:, 0] == 128).all()


def test_one_output_holds_the_widget_and_its_twin_with_alt_text(notebook):
    (output,) = notebook(plots.demo(line, slope=(0, 10, 2)))
    assert "application/vnd.jupyter.widget-view+json" in output.data
    assert output.metadata["image/png"]["alt"].startswith("Demo in 3 stills.")


def test_choice_and_units_of_a_control():
    def draw(kind, sigma_px):
        return plots.plot_curve({kind: [sigma_px]})

    kind, sigma, _ = plots.demo(draw, kind=["max", "mean"], sigma_px=(1, 20, 5)).widget.children
    assert (kind.options, kind.value) == (("max", "mean"), "max")
    assert sigma.description == "sigma (px)"


def test_error_while_playing_is_shown_to_the_reader():
    def draw(divisor):
        return plots.plot_curve({"inverse": [1 / divisor]})

    divisor, picture = plots.demo(draw, divisor=(0, 4, 2), static=[{}]).widget.children
    divisor.value = 0
    assert "ZeroDivisionError" in picture.value


def test_demo_leaves_no_figure_of_pyplot_open():
    mpl.use("agg")

    def draw(slope):
        figure, ax = plt.subplots()
        ax.plot([0, slope])
        return plots.describe(figure, "A line.")

    slope = plots.demo(draw, slope=(0, 10, 2)).widget.children[0]
    slope.value = 4
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.demo(line), "at least one control"),
        (lambda: plots.demo(line, slope=(0, 10)), r"slope must be \(low, high, start\)"),
        (lambda: plots.demo(line, slope=(0, 10, 11)), "low <= start <= high"),
        (lambda: plots.demo(line, slope=("a", "b", 1)), "low <= start <= high"),
        (lambda: plots.demo(line, slope=[]), "slope must be"),
        (lambda: plots.demo(line, slope=(0, 10, 2), static=[{"slop": 1}]), r"\['slope'\], got \['slop'\]"),
        (lambda: plots.demo(line, slope=(0, 10, 2), static=[]), "at least one setting"),
        (lambda: plots.demo(lambda slope: None, slope=(0, 10, 2)), "Figure with alt text, got NoneType"),
        (lambda: plots.demo(lambda slope: plots.panels()[0], slope=(0, 10, 2)), "alt text"),
    ],
)
def test_demo_says_what_it_expects(call, message):
    with pytest.raises(CourseError, match=message):
        call()
