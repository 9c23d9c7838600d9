"""Planes and boxes in millimetres: by hand, against scipy and against SimpleITK."""

import numpy as np
import pytest
import SimpleITK
import torch
from scipy import ndimage

from medcourse import planes
from medcourse.device import pick_device
from medcourse.errors import CourseError
from medcourse.planes import ORTHOGONAL_PLANES, nine_planes, sample_boxes, sample_planes

SPACING = (2.5, 0.7, 0.9)


@pytest.fixture(scope="module")
def volume():
    return np.random.default_rng(0).normal(0, 300, (14, 40, 36)).astype(np.float32)


def by_itk(volume, spacing, centre, axes, *, side, n, fill):
    """One plane by ITK's resampling: an image of one slice whose direction is the plane's."""
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(spacing[::-1])
    rows, columns = np.asarray(axes)[:, ::-1]  # in x, y, z
    start = np.asarray(centre)[::-1] + (rows + columns) * (0.5 - n / 2) * side / n
    resample = SimpleITK.ResampleImageFilter()
    resample.SetSize((n, n, 1))
    resample.SetOutputOrigin(start.tolist())
    resample.SetOutputSpacing((side / n, side / n, 1.0))
    resample.SetOutputDirection(np.column_stack([columns, rows, np.cross(columns, rows)]).ravel().tolist())
    resample.SetInterpolator(SimpleITK.sitkLinear)
    resample.SetDefaultPixelValue(fill)
    return SimpleITK.GetArrayFromImage(resample.Execute(image))[0]


def test_the_nine_planes_are_those_of_a_cube():
    axes = nine_planes()
    normals = np.cross(axes[:, 0], axes[:, 1])
    assert axes.shape == (9, 2, 3)
    assert np.abs((axes[:, 0] * axes[:, 1]).sum(-1)).max() < 1e-12
    assert np.linalg.norm(axes, axis=-1) == pytest.approx(np.ones((9, 2)))
    # Each maps the cube's eight corners onto themselves: a plane of symmetry; and no two are the same.
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    for normal in normals:
        mirrored = corners - 2 * np.outer(corners @ normal, normal)
        assert {tuple(c) for c in mirrored.round(6).tolist()} == {tuple(c) for c in corners.astype(float).tolist()}
    assert (np.abs(normals @ normals.T) - np.eye(9)).max() < 0.99
    assert np.array_equal(axes[:3], ORTHOGONAL_PLANES)


def test_axial_coronal_and_sagittal_planes_are_slices():
    cube = np.random.default_rng(1).random((9, 9, 9)).astype(np.float32)
    axial, coronal, sagittal = sample_planes(cube, (1, 1, 1), (4, 4, 4), ORTHOGONAL_PLANES, side_mm=9, n_px=9)
    assert axial == pytest.approx(cube[4])
    assert coronal == pytest.approx(cube[::-1, 4], abs=1e-5)  # the head is up
    assert sagittal == pytest.approx(cube[::-1, :, 4], abs=1e-5)


def test_millimetres_not_voxels():
    """The same ball, in voxels of another size, gives the same picture of its true roundness."""
    pictures = []
    for spacing in [(1.0, 1.0, 1.0), (2.0, 0.5, 0.8)]:
        size = [int(60 / s) for s in spacing]
        z, y, x = (np.arange(n) * s for n, s in zip(size, spacing, strict=True))
        distance = np.sqrt((z[:, None, None] - 30) ** 2 + (y[:, None] - 28) ** 2 + (x - 31) ** 2)
        pictures.append(sample_planes(distance, spacing, (30, 28, 31), nine_planes(), side_mm=20, n_px=20))
    offsets = np.arange(20) - 9.5
    expected = np.hypot(offsets[:, None], offsets)
    for picture in pictures:
        assert np.abs(picture - expected).max() < 0.35  # linear interpolation of a cone, at most near its tip
        assert np.abs(picture - expected).mean() < 0.05


def test_it_agrees_with_scipy_inside(volume):
    rng, axes = np.random.default_rng(2), nine_planes()
    centres = rng.uniform((12, 10, 12), (20, 16, 20), (5, 3))
    ours = sample_planes(volume, SPACING, centres, axes, side_mm=9.0, n_px=12)
    t = (np.arange(12) - 5.5) * 9 / 12
    for centre, of_centre in zip(centres, ours, strict=True):
        for (rows, columns), plane in zip(axes, of_centre, strict=True):
            where = centre + rows * t[:, None, None] + columns * t[None, :, None]
            theirs = ndimage.map_coordinates(volume.astype(float), np.moveaxis(where / SPACING, -1, 0), order=1)
            assert plane == pytest.approx(theirs, abs=0.02)


def test_it_agrees_with_simpleitk_inside_and_outside(volume):
    for centre in [(15.0, 12.0, 14.0), (1.0, 2.0, 30.0), (33.0, 27.0, 3.0)]:
        ours = sample_planes(volume, SPACING, centre, nine_planes(), side_mm=21.0, n_px=16, fill=-1000)
        for axes, plane in zip(nine_planes(), ours, strict=True):
            theirs = by_itk(volume, SPACING, centre, axes, side=21.0, n=16, fill=-1000)
            # A pixel that lies on the border to rounding error may fall to either side.
            differs = np.abs(plane - theirs) > 0.05
            assert differs.mean() < 0.01
            assert (theirs == -1000).any() or centre[0] == 15


def test_without_a_fill_the_border_is_repeated(volume):
    plane = sample_planes(volume, SPACING, (0, 0, 0), ORTHOGONAL_PLANES[:1], side_mm=9, n_px=12)
    assert plane[0, :6, :6] == pytest.approx(np.full((6, 6), volume[0, 0, 0]))


def test_many_centres_each_with_its_own_planes_and_sides(volume):
    rng = np.random.default_rng(4)
    centres = rng.uniform(5, 25, (3, 3))
    axes = np.stack([nine_planes()[rng.permutation(9)[:2]] for _ in range(3)])  # (3, 2, 2, 3)
    sides = rng.uniform(6, 12, (3, 2))
    together = sample_planes(volume, SPACING, centres, axes, side_mm=sides, n_px=8)
    for n in range(3):
        for p in range(2):
            alone = sample_planes(volume, SPACING, centres[n], axes[n, p : p + 1], side_mm=sides[n, p], n_px=8)
            assert together[n, p] == pytest.approx(alone[0], abs=1e-3)


def test_chunks_change_nothing(volume, monkeypatch):
    centres = np.random.default_rng(5).uniform(5, 25, (7, 3))
    whole = sample_planes(volume, SPACING, centres, nine_planes(), side_mm=20, n_px=8, fill=0)
    monkeypatch.setattr(planes, "_POINTS_AT_ONCE", 9 * 64 * 2)
    assert np.array_equal(sample_planes(volume, SPACING, centres, nine_planes(), side_mm=20, n_px=8, fill=0), whole)


def test_no_centres_give_no_planes(volume):
    none = sample_planes(volume, SPACING, np.zeros((0, 3)), nine_planes(), side_mm=20, n_px=8)
    assert none.shape == (0, 9, 8, 8)


def test_boxes_are_the_volume_where_grids_meet(volume):
    centre = (np.array([5, 11, 9]) + 0.5) * SPACING  # between voxels 5 and 6, ...
    side = np.array([4, 8, 6]) * SPACING
    box = sample_boxes(volume, SPACING, centre, side_mm=side.tolist(), n_vox=(4, 8, 6))
    assert box == pytest.approx(volume[4:8, 8:16, 7:13], abs=0.02)


def test_a_box_turned_by_a_quarter_is_the_box_turned():
    cube = np.random.default_rng(6).random((9, 9, 9))
    turned = sample_boxes(
        cube, (1, 1, 1), [[4, 4, 4]] * 2, side_mm=5, n_vox=5, axes=[np.eye(3), [[1, 0, 0], [0, 0, 1], [0, -1, 0]]]
    )
    assert turned[0] == pytest.approx(cube[2:7, 2:7, 2:7])
    # The box's y runs along the volume's x, its x against the volume's y.
    assert turned[1] == pytest.approx(np.swapaxes(turned[0], 1, 2)[:, :, ::-1], abs=1e-6)


def test_a_box_s_middle_slice_is_its_axial_plane(volume):
    box = sample_boxes(volume, SPACING, (15, 13, 14), side_mm=11, n_vox=11, fill=-7)
    plane = sample_planes(volume, SPACING, (15, 13, 14), ORTHOGONAL_PLANES[:1], side_mm=11, n_px=11, fill=-7)
    assert box[5] == pytest.approx(plane[0], abs=1e-3)


def test_tensors_on_the_device_there_is(volume):
    device = pick_device()
    if device.type == "mps":
        device = torch.device("cpu")  # torch has no three-dimensional grid_sample there
    on_device = torch.as_tensor(volume, device=device)
    ours = sample_planes(on_device, SPACING, (15, 13, 14), nine_planes(), side_mm=11, n_px=8, device=device)
    assert ours == pytest.approx(
        sample_planes(volume, SPACING, (15, 13, 14), nine_planes(), side_mm=11, n_px=8), abs=0.05
    )


def test_whole_numbers_are_read_too():
    planes = sample_planes(np.full((3, 3, 3), 7), (1, 1, 1), (1, 1, 1), nine_planes(), side_mm=2, n_px=2)
    assert planes == pytest.approx(np.full((9, 2, 2), 7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"volume": np.zeros((4, 4))}, r"shape \(Z, Y, X\), got \(4, 4\)"),
        ({"spacing_mm": (1, 0, 1)}, "three positive numbers"),
        ({"spacing_mm": (1, 1)}, "three positive numbers"),
        ({"centres_mm": (1, 1)}, r"centres_mm must be \(3,\) or \(N, 3\)"),
        ({"axes": np.zeros((2, 3))}, "axes must be"),
        ({"axes": 2 * nine_planes()}, "divide each by its length"),
        ({"axes": [[[0, 1, 0], [0, 0.8, 0.6]]]}, "right angles"),
        ({"n_px": 0}, "at least 1 pixel"),
    ],
)
def test_what_is_no_plane_is_refused(change, message):
    given = {
        "volume": np.zeros((4, 4, 4)),
        "spacing_mm": (1, 1, 1),
        "centres_mm": (1, 1, 1),
        "axes": nine_planes(),
        "side_mm": 4,
        "n_px": 4,
    }
    with pytest.raises(CourseError, match=message):
        sample_planes(**{**given, **change})


def test_boxes_refuse_axes_of_planes():
    with pytest.raises(CourseError, match=r"axes must be \(3, 3\)"):
        sample_boxes(np.zeros((4, 4, 4)), (1, 1, 1), (1, 1, 1), side_mm=2, n_vox=2, axes=nine_planes())
