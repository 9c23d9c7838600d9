import numpy as np
import pytest
from PIL import Image

from medcourse.datasets import make_fundi, read_drive
from medcourse.datasets.drive import _by_number
from medcourse.errors import CourseError


@pytest.fixture
def folder(tmp_path):
    """A small copy of DRIVE's layout: two photographs a split."""
    eyes = make_fundi(4, side_px=64, seed=0)
    names = [("training", "21"), ("training", "22"), ("test", "01"), ("test", "02")]
    for (split, number), image, field, vessels in zip(
        names, eyes.images, eyes.field_of_view, eyes.vessels, strict=True
    ):
        for part in ("images", "mask", "1st_manual"):
            (tmp_path / split / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / split / "images" / f"{number}_{split}.tif")
        Image.fromarray(field.astype(np.uint8) * 255).save(tmp_path / split / "mask" / f"{number}_{split}_mask.gif")
        Image.fromarray(vessels.astype(np.uint8) * 255).save(tmp_path / split / "1st_manual" / f"{number}_manual1.gif")
    return tmp_path


def test_what_was_written_is_read_in_the_official_split(folder):
    eyes, data = make_fundi(4, side_px=64, seed=0), read_drive(folder)
    assert data.training.names == ["21", "22"]
    assert data.test.names == ["01", "02"]
    got = data.training.images + data.test.images
    np.testing.assert_array_equal(got, eyes.images)
    np.testing.assert_array_equal(data.training.vessels + data.test.vessels, eyes.vessels)
    np.testing.assert_array_equal(data.training.field_of_view + data.test.field_of_view, eyes.field_of_view)
    assert "2 training, 2 test" in data.DESCR


def test_a_copy_without_test_vessels_says_so(folder):
    for file in (folder / "test" / "1st_manual").iterdir():
        file.unlink()
    (folder / "test" / "1st_manual").rmdir()
    data = read_drive(folder)
    assert data.test.vessels is None
    assert len(data.test.images) == 2
    assert "no vessels for the test images" in data.DESCR


def test_the_folder_above_will_do_and_other_files_do_not_matter(folder, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    (folder / "training" / "images" / "Thumbs.db").write_text("")
    (folder / "training" / "images" / "._21_training.tif").write_text("")
    folder.rename(above / "DRIVE")
    assert read_drive(above).training.names == ["21", "22"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "training/mask/21_training_mask.gif").unlink(), "field of view of 21_training.tif"),
        (lambda f: (f / "training/1st_manual/22_manual1.gif").unlink(), "vessels of 22_training.tif"),
        (lambda f: (f / "test/1st_manual/01_manual1.gif").unlink(), "vessels of 01_test.tif"),
        (lambda f: (f / "test/images/01_test.tif").write_bytes(b"II*"), "could not read it"),
        (
            lambda f: Image.new("L", (9, 9), 255).save(f / "test/mask/02_test_mask.gif"),
            r"expected the shape \(64, 62\)",
        ),
        (lambda f: Image.new("L", (62, 64)).save(f / "test/mask/02_test_mask.gif"), "got an empty picture"),
        (lambda f: [p.unlink() for p in (f / "test/images").iterdir()], "found none"),
        (lambda f: Image.new("L", (62, 64), 255).save(f / "test/mask/02_b.gif"), "expected one picture 02"),
    ],
)
def test_bad_input_costs_one_clear_line(folder, spoil, says):
    spoil(folder)
    with pytest.raises(CourseError, match=says) as caught:
        read_drive(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_drive_is_refused(tmp_path):
    with pytest.raises(CourseError, match="is it unpacked"):
        read_drive(tmp_path)
    with pytest.raises(CourseError, match="found none at"):
        read_drive(tmp_path / "nowhere")


def test_numbers_are_those_that_names_begin_with(tmp_path):
    for name in ("21_manual1.gif", "3.png", "readme.txt", "mask_4.gif"):
        (tmp_path / name).write_text("")
    assert list(_by_number(tmp_path)) == ["21", "3"]
