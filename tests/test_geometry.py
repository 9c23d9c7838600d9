"""Where volumes lie: against SimpleITK and nibabel, by hand, and back again."""

import nibabel
import numpy as np
import pytest
import SimpleITK

from medcourse.datasets.geometry import Geometry, geometry_of_affine, geometry_of_image
from medcourse.errors import CourseError

QUARTER_TURN = ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0))  # rows: where the volume's x, y, z lead


def oblique():
    """Three unit steps at right angles that are along no axis of the patient."""
    return np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]


def test_by_hand_with_a_quarter_turn():
    scan = Geometry((2.5, 0.5, 0.7), origin_mm=(-100, -80, 40), directions=QUARTER_TURN)
    # 4 slices up is 10 mm; 10 rows of 0.5 mm lead to -x; 10 columns of 0.7 mm lead to +y.
    assert scan.to_world([4, 10, 0]) == pytest.approx([-105, -80, 50])
    assert scan.to_world([0, 0, 10]) == pytest.approx([-100, -73, 40])
    assert scan.to_voxel([-105, -73, 50]) == pytest.approx([4, 10, 10])
    assert scan.to_local([-105, -73, 50]) == pytest.approx([10, 5, 7])


@pytest.mark.parametrize("directions", [np.eye(3), np.diag([-1.0, -1, 1]), QUARTER_TURN, oblique()])
def test_it_agrees_with_simpleitk(directions):
    image = SimpleITK.Image(7, 9, 11, SimpleITK.sitkInt16)  # x, y, z
    image.SetSpacing((0.6, 0.8, 2.5))
    image.SetOrigin((-171.3, 22.0, -310.5))
    image.SetDirection(np.transpose(directions).ravel().tolist())
    scan = geometry_of_image(image)
    assert scan.spacing_mm == (2.5, 0.8, 0.6)
    for z, y, x in [(0, 0, 0), (10, 8, 6), (1, 2, 3)]:
        world = image.TransformIndexToPhysicalPoint((x, y, z))
        assert scan.to_world([z, y, x]) == pytest.approx(world)
        assert scan.to_voxel(world) == pytest.approx([z, y, x], abs=1e-9)
    continuous = image.TransformPhysicalPointToContinuousIndex((-170.0, 23.0, -300.0))
    assert scan.to_voxel((-170.0, 23.0, -300.0)) == pytest.approx(continuous[::-1])


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_it_agrees_with_nibabel(signs):
    affine = np.eye(4)
    affine[:3, :3] = oblique() * np.array([0.6, 0.8, 2.5]) * signs
    affine[:3, 3] = (12, -7, 100)
    scan = geometry_of_affine(nibabel.Nifti1Image(np.zeros((7, 9, 11), np.int16), affine).affine)
    assert scan.spacing_mm == pytest.approx((2.5, 0.8, 0.6))
    ras = nibabel.affines.apply_affine(affine, (3, 2, 1))
    assert scan.to_world([1, 2, 3]) == pytest.approx(ras * (-1, -1, 1))


def test_simpleitk_and_nibabel_lead_to_the_same_place(tmp_path):
    image = SimpleITK.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    image.SetSpacing((0.7, 0.9, 2.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    SimpleITK.WriteImage(image, str(tmp_path / "scan.nii.gz"))
    written = nibabel.load(tmp_path / "scan.nii.gz")
    ours, theirs = geometry_of_image(image), geometry_of_affine(written.affine)
    places = np.random.default_rng(0).uniform(-3, 9, (20, 3))
    assert theirs.to_world(places) == pytest.approx(ours.to_world(places), abs=1e-4)
    assert np.array_equal(np.asarray(written.dataobj).T, SimpleITK.GetArrayFromImage(image))


def test_there_and_back_again():
    scan = Geometry((2.5, 0.5, 0.7), (-100, -80, 40), oblique())
    places = np.random.default_rng(0).normal(0, 50, (2, 5, 3))
    assert scan.to_voxel(scan.to_world(places)) == pytest.approx(places)
    assert scan.to_local(scan.from_local(places)) == pytest.approx(places)
    assert scan.from_local([0, 0, 0]) == pytest.approx([-100, -80, 40])


def test_a_negative_spacing_is_a_flipped_direction():
    flipped = Geometry((-2.0, 1.0, 1.0), (0, 0, 50))
    same = Geometry((2.0, 1.0, 1.0), (0, 0, 50), np.diag([1.0, 1, -1]))
    assert flipped.spacing_mm == (2, 1, 1)
    for scan in (flipped, same):
        assert scan.to_world([5, 0, 3]) == pytest.approx([3, 0, 40])


def test_directions_as_read_dicom_series_gives_them():
    """Rows are the steps along x, y, z: those of a coronal series lead to the left, down and to the front."""
    coronal = Geometry((3, 1, 1), (0, 0, 0), [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    assert coronal.to_world([2, 5, 7]) == pytest.approx([7, 6, -5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing_mm": (1, 1)}, "spacing_mm must be three numbers"),
        ({"spacing_mm": (0, 1, 1)}, "must not be 0"),
        ({"spacing_mm": ("a", 1, 1)}, "three numbers"),
        ({"origin_mm": (0, 0, np.nan)}, "origin_mm must be three numbers"),
        ({"directions": [[1, 0, 0], [0.2, 1, 0], [0, 0, 1]]}, "sheared"),
        ({"directions": np.zeros((3, 3))}, "right angles"),
    ],
)
def test_what_is_no_geometry_is_refused(change, message):
    with pytest.raises(CourseError, match=message):
        Geometry(**{"spacing_mm": (1, 1, 1), **change})


def test_other_dimensions_are_refused():
    with pytest.raises(CourseError, match="three dimensions, got 2"):
        geometry_of_image(SimpleITK.Image(4, 4, SimpleITK.sitkInt16))
    with pytest.raises(CourseError, match="somewhere along each axis"):
        geometry_of_affine(np.diag([1.0, 1, 0, 1]))
    with pytest.raises(CourseError, match=r"places must be \(\.\.\., 3\), got \(2,\)"):
        Geometry((1, 1, 1)).to_world([1, 2])
