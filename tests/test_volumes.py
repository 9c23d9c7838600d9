import importlib.util

import ipyniivue
import nibabel
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from medcourse import plots
from medcourse.errors import CourseError
from medcourse.plots import volumes
from medcourse.plots.detections import as_detections, as_shells
from medcourse.plots.volumes import to_nifti

# Every voxel knows where it is: 100 z + 10 y + x.
Z, Y, X = np.indices((6, 5, 4))
VOLUME = 100 * Z + 10 * Y + X
SPACING = (3.0, 0.5, 1.0)


def without(monkeypatch, *packages):
    """Let these packages look as if they were not installed."""
    monkeypatch.setattr(volumes, "find_spec", lambda name: None if name in packages else importlib.util.find_spec(name))


# NIfTI


def test_nifti_puts_every_voxel_where_it_lies_in_the_patient(tmp_path):
    path = tmp_path / "volume.nii"
    path.write_bytes(to_nifti(VOLUME, SPACING).to_bytes())
    image = nibabel.load(path)
    assert image.shape == (4, 5, 6)
    assert image.header.get_zooms() == (1.0, 0.5, 3.0)
    assert image.header.get_xyzt_units()[0] == "mm"
    # x runs to the patient's left, y to the back, z to the head.
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    z, y, x = 4, 3, 2
    assert np.asarray(image.dataobj)[x, y, z] == VOLUME[z, y, x]
    # NIfTI's millimetres grow to the right, the front, the head.
    np.testing.assert_allclose(nibabel.affines.apply_affine(image.affine, (x, y, z)), (-2, -1.5, 12))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([-1000, 3000], np.int64), np.int16),
        (np.array([0, 40000], np.uint16), np.float32),
        (np.array([0, 1], bool), np.int16),
        (np.array([0.25, 1.5], np.float64), np.float32),
    ],
)
def test_nifti_keeps_values_in_a_kind_that_viewers_know(values, kind):
    image = nibabel.Nifti1Image.from_bytes(to_nifti(values.reshape(1, 1, 2), (1, 1, 1)).to_bytes())
    assert image.get_data_dtype() == kind
    np.testing.assert_array_equal(np.asarray(image.dataobj)[:, 0, 0], values)


# Slices


@pytest.mark.parametrize(
    ("plane", "slices", "titles", "aspect"),
    [
        ("axial", VOLUME[[1, 4]], ["z = 3 mm", "z = 12 mm"], 0.5),
        ("coronal", VOLUME[:, [1, 3]].swapaxes(0, 1), ["y = 0.5 mm", "y = 1.5 mm"], 3.0),
        ("sagittal", np.moveaxis(VOLUME[:, :, [1, 3]], 2, 0), ["x = 1 mm", "x = 3 mm"], 6.0),
    ],
)
def test_slices_of_each_plane_in_true_proportions_and_on_one_scale(plane, slices, titles, aspect):
    figure = plots.show_slices(VOLUME, spacing_mm=SPACING, n=2, plane=plane)
    assert [ax.get_title(loc="left") for ax in figure.axes] == titles
    for ax, expected in zip(figure.axes, slices, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), expected)
        assert ax.get_aspect() == aspect
        assert ax.images[0].get_clim() == (0, 543)
        # The head is up in coronal and sagittal slices, the front in axial ones.
        assert ax.yaxis_inverted() == (plane == "axial")


def test_scale_bar_of_slices_counts_the_millimetres_across():
    ax = plots.show_slices(np.zeros((3, 40, 40)), spacing_mm=(5, 0.5, 0.5)).axes[0]
    (bar,) = [patch for patch in ax.patches if patch.get_gid() == "scale bar"]
    assert ax.texts[0].get_text() == "5 mm"
    assert bar.get_width() == pytest.approx(10)


def test_thin_volume_shows_each_slice_once():
    assert len(plots.show_slices(np.zeros((2, 4, 4)), n=8).axes) == 2


def test_object_keeps_its_colour_from_slice_to_slice():
    labels = np.zeros((4, 8, 8), int)
    labels[:, 4:] = 2
    labels[2:, :4] = 1
    figure = plots.show_slices(np.zeros(labels.shape), labels, n=4)
    colours = {to_hex(ax.images[1].get_array()[6, 3, :3]) for ax in figure.axes}
    assert len(colours) == 1
    assert to_hex(figure.axes[3].images[1].get_array()[1, 3, :3]) not in colours
    assert "2 objects outlined" in figure.get_label()


# Detections

# A ball of 3 mm around voxel (z, y, x) = (3, 10, 20), in voxels of 2 x 1 x 0.5 mm.
DETECTIONS = {
    "hit": [(6.0, 10.0, 10.0, 3.0)],
    "false positive": [(6.0, 20.0, 5.0, 2.0)],
    "missed": [(2.0, 5.0, 5.0, 1.0)],
}
FLAT = np.zeros((8, 30, 40))
FLAT_SPACING = (2.0, 1.0, 0.5)


def patches(ax, kind):
    return [patch for patch in ax.patches if patch.get_gid() == kind]


def test_detections_are_drawn_in_the_slices_that_they_reach_and_nowhere_else():
    figure = plots.show_slices(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS, at_mm=range(0, 16, 2))
    reached = {kind: [len(patches(ax, kind)) for ax in figure.axes] for kind in DETECTIONS}
    assert reached["hit"] == [0, 0, 1, 1, 1, 0, 0, 0]
    assert reached["false positive"] == [0, 0, 1, 1, 1, 0, 0, 0]
    assert reached["missed"] == [0, 1, 0, 0, 0, 0, 0, 0]
    assert figure.get_label().endswith("1 hit (circle), 1 false positive (square), 1 missed (dashed circle).")


def test_a_detection_stands_where_it_lies_and_is_round_in_millimetres():
    ax = plots.show_slices(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS, at_mm=[6]).axes[0]
    (hit,) = patches(ax, "hit")
    assert hit.center == (20, 10)  # x = 10 mm and y = 10 mm in voxels
    assert hit.width * 0.5 == pytest.approx(hit.height * 1.0)
    assert 6 <= hit.height * 1.0 < 7  # around the finding, not on it
    cut = patches(plots.show_slices(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS, at_mm=[8]).axes[0], "hit")[0]
    assert cut.height < hit.height


def test_kinds_differ_in_shape_and_colour():
    ax = plots.show_slices(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS, at_mm=[6]).axes[0]
    (hit,), (false,) = patches(ax, "hit"), patches(ax, "false positive")
    assert type(hit) is not type(false)
    assert to_hex(hit.get_edgecolor()) != to_hex(false.get_edgecolor())
    assert false.get_x() + false.get_width() / 2 == pytest.approx(10)


@pytest.mark.parametrize(("plane", "centre"), [("coronal", (20, 3)), ("sagittal", (10, 3))])
def test_detections_turn_with_the_plane(plane, centre):
    ax = plots.show_slices(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS, plane=plane, at_mm=[10]).axes[0]
    assert patches(ax, "hit")[0].center == centre


def test_a_small_detection_between_two_slices_is_drawn_in_the_nearer_one():
    small = {"candidate": [(6.9, 10, 10, 0.1)]}
    figure = plots.show_slices(FLAT, spacing_mm=FLAT_SPACING, detections=small, at_mm=[4, 6, 8])
    assert [len(patches(ax, "candidate")) for ax in figure.axes] == [0, 1, 0]


def test_shells_surround_the_finding_and_leave_it_to_be_seen():
    shells, colours = as_shells(as_detections({"hit": [(20, 20, 20, 6.0)]}), (41, 41, 41), (1, 1, 1))
    distance = np.linalg.norm(np.indices(shells.shape) - 20, axis=0)
    assert set(np.unique(shells)) == {0, 1}
    assert distance[shells > 0].min() > 6
    assert distance[shells > 0].max() < 6 + 1.8  # the diagonal of a voxel
    assert (shells[(distance > 6) & (distance < 6.5)] > 0).all(), "no holes"
    assert len(colours) == 5


def test_viewers_get_detections_as_a_layer_and_the_still_shows_them():
    live = plots.view_volume(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS)
    (viewer,) = live.widget.children
    assert [volume.name for volume in viewer.volumes] == ["volume.nii", "detections.nii"]
    drawn = np.asarray(nibabel.Nifti1Image.from_bytes(viewer.volumes[1].data).dataobj).T
    assert set(np.unique(drawn)) == {0, 1, 2, 3}
    assert [ax.get_title(loc="left") for ax in live.still.axes] == ["z = 2 mm", "z = 6 mm"]
    slider = plots.view_volume(FLAT, spacing_mm=FLAT_SPACING, detections=DETECTIONS, backend="slider").widget
    assert slider.children[0].max == 7


# Viewers


def test_slider_moves_the_slice_and_says_where_it_is():
    live = plots.view_volume(VOLUME, spacing_mm=SPACING, backend="slider")
    slider, picture = live.widget.children
    assert (slider.min, slider.value, slider.max) == (0, 3, 5)
    assert "z = 9 mm" in picture.value
    middle = picture.value
    slider.value = 5
    assert "z = 15 mm" in picture.value
    assert "values 500 to 543" in picture.value
    slider.value = 3
    assert picture.value == middle


def test_slider_opens_on_the_slice_with_most_of_the_object():
    labels = np.zeros(VOLUME.shape, int)
    labels[5, 0, 0] = labels[1, 0, 0] = labels[1, 1, 1] = 1
    assert plots.view_volume(VOLUME, labels, backend="slider").widget.children[0].value == 1


def test_slider_runs_across_the_plane_that_was_asked_for():
    assert plots.view_volume(VOLUME, backend="slider", plane="sagittal").widget.children[0].max == 3


def test_niivue_gets_volume_labels_and_window():
    labels = np.zeros(VOLUME.shape, int)
    labels[2:4, 2:4] = 5
    live = plots.view_volume(VOLUME, labels, spacing_mm=SPACING, limits=(100, 300), plane="coronal")
    (viewer,) = live.widget.children
    assert isinstance(viewer, ipyniivue.NiiVue)
    assert viewer.opts.slice_type is ipyniivue.SliceType.CORONAL
    volume, overlay = viewer.volumes
    assert (volume.cal_min, volume.cal_max) == (100, 300)
    np.testing.assert_array_equal(np.asarray(nibabel.Nifti1Image.from_bytes(volume.data).dataobj).T, VOLUME)
    # Objects are numbered anew, in the order of their numbers.
    np.testing.assert_array_equal(np.asarray(nibabel.Nifti1Image.from_bytes(overlay.data).dataobj).T, labels // 5)
    assert list(overlay.colormap_label.lut[3::4]) == [0, 255]


def test_static_is_slices_and_no_widget():
    live = plots.view_volume(torch.as_tensor(VOLUME), backend="static")
    assert live.widget is None
    assert "application/vnd.jupyter.widget-view+json" not in live._repr_mimebundle_()[0]


@pytest.mark.parametrize("backend", ["auto", "niivue", "slider"])
def test_every_viewer_has_slices_beside_it_for_readers_without_a_kernel(backend):
    data, metadata = plots.view_volume(VOLUME, backend=backend)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert metadata["image/png"]["alt"].startswith("4 axial slices")


def test_auto_is_the_slider_where_niivue_is_not_installed(monkeypatch):
    without(monkeypatch, "ipyniivue")
    assert plots.view_volume(VOLUME).widget.children[0].description == "slice"


def test_itkwidgets_without_a_browser_gives_way_and_says_so(monkeypatch):
    # As if installed: what matters is that it is not imported, which would replace the kernel's handlers.
    monkeypatch.setattr(volumes, "find_spec", lambda name: True)
    said, viewer = plots.view_volume(VOLUME, backend="itkwidgets").widget.children
    assert "needs a browser" in said.value
    assert isinstance(viewer.children[0], ipyniivue.NiiVue)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.view_volume(VOLUME, backend="vtk"), "auto, niivue, slider, static, itkwidgets, got 'vtk'"),
        (lambda: plots.view_volume(VOLUME[0]), r"\(Z, Y, X\), got \(5, 4\)"),
        (lambda: plots.view_volume(VOLUME[:0]), r"got \(0, 5, 4\)"),
        (lambda: plots.view_volume(VOLUME * 1j), "real numbers, got complex128"),
        (lambda: plots.view_volume(VOLUME, VOLUME[1:]), r"shape \(6, 5, 4\), got \(5, 5, 4\)"),
        (lambda: plots.view_volume(VOLUME, spacing_mm=1.0), r"three positive numbers \(z, y, x\), got 1.0"),
        (lambda: plots.view_volume(VOLUME, spacing_mm=(1, 0, 1)), r"got \(1, 0, 1\)"),
        (lambda: plots.view_volume(VOLUME, plane="frontal"), "axial, coronal, sagittal, got 'frontal'"),
        (lambda: plots.show_slices(VOLUME, n=0), "at least 1 slice, got 0"),
        (lambda: plots.show_slices(VOLUME, at_mm=[6]), r"from 0 to 5 mm, got \[6\]"),
        (lambda: plots.show_slices(VOLUME, detections={"true": [(0, 0, 0, 1)]}), "of the kinds hit, missed"),
        (
            lambda: plots.show_slices(VOLUME, detections={"hit": [(0, 0, 0)]}),
            r"\(z, y, x, radius\) in mm, got \(1, 3\)",
        ),
        (lambda: plots.show_slices(VOLUME, detections={"hit": [(0, 0, 0, -1)]}), "radius above 0 mm"),
    ],
)
def test_bad_input_is_answered_in_one_line(call, message):
    with pytest.raises(CourseError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("backend", "package", "command"),
    [
        ("niivue", "ipyniivue", "pip install ipyniivue"),
        ("itkwidgets", "itkwidgets", r'pip install "medcourse\[itk\]"'),
        ("itkwidgets", "imjoy_jupyterlab_extension", r'pip install "medcourse\[itk\]"'),
    ],
)
def test_missing_viewer_is_named_with_the_command_that_installs_it(monkeypatch, backend, package, command):
    without(monkeypatch, package)
    with pytest.raises(CourseError, match=f"{package}.*{command}"):
        plots.view_volume(VOLUME, backend=backend)
