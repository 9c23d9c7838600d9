"""Reading the outlines of a crowd: where the crop lay, what is cell, who is a copy of the gold standard."""

import numpy as np
import pytest
from PIL import Image

from medcourse.datasets.bubil import read_bubil
from medcourse.errors import CourseError

FRAME = (60, 90)
CELL = np.zeros(FRAME, bool)
CELL[20:30, 40:60] = True  # 10 x 20, so the crop is rows 15 to 34 and columns 30 to 69
CROP = np.s_[15:35, 30:70]


def write(path, mask, *, channels=0, scale=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.where(mask, 0, scale).astype(np.uint8)
    if channels:
        pixels = np.repeat(pixels[..., None], channels, axis=-1)
        pixels[..., 3:] = 255
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    ramp = np.arange(60 * 90).reshape(FRAME) % 251
    for name in ("B01", "B02"):
        (tmp_path / "RawImages").mkdir(exist_ok=True)
        Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "RawImages" / f"{name}.png")
        (tmp_path / "GoldStandard").mkdir(exist_ok=True)
        Image.fromarray(~CELL).save(tmp_path / "GoldStandard" / f"seg_{name}.png")
        for worker in range(3):
            drawn = np.roll(CELL, worker, axis=1)[CROP]
            write(tmp_path / "CrowdsourcedAnnotations" / f"worker-{worker}" / f"seg_{name}.png", drawn, channels=4)
        write(tmp_path / "ExpertsAnnotations" / "Ada" / f"seg_{name}.png", np.roll(CELL, 1, axis=0), channels=3)
        write(tmp_path / "ExpertsAnnotations" / "Copy" / f"seg_{name}.png", CELL)
    write(tmp_path / "ExpertsAnnotations" / "Once" / "seg_B02.png", np.roll(CELL, 2, axis=0), scale=1)
    return tmp_path


def test_zeros_are_the_cell_and_the_crop_is_the_box_twice_as_large(folder):
    cells = read_bubil(folder)
    assert cells.names == ["B01", "B02"]
    assert cells.workers == ["worker-0", "worker-1", "worker-2"]
    np.testing.assert_array_equal(cells.gold[0], CELL[CROP])
    np.testing.assert_array_equal(cells.crowd[0][0], cells.gold[0])
    np.testing.assert_array_equal(cells.crowd[1][2], np.roll(CELL, 2, axis=1)[CROP])


def test_images_are_cropped_like_the_outlines_and_scaled(folder):
    image = read_bubil(folder).images[0]
    assert image.shape == (20, 40)
    assert image.dtype == np.float32
    assert (image.min(), image.max()) == (0, 1)
    # The ramp of the frame grows by one a column, up to where it starts again.
    assert np.median(np.diff(image, axis=1)) > 0


def test_images_that_are_crops_already_stay_as_they_are(folder):
    for name in ("B01", "B02"):
        Image.fromarray(np.full((20, 40), 7, np.uint8)).save(folder / "RawImages" / f"{name}.png")
    assert [image.shape for image in read_bubil(folder).images] == [(20, 40), (20, 40)]


def test_experts_are_cropped_named_and_left_out_where_they_are_the_gold_standard(folder):
    cells = read_bubil(folder)
    assert cells.expert_names == [["Ada"], ["Ada", "Once"]]
    assert cells.copies_of_gold == ["Copy"]
    np.testing.assert_array_equal(cells.experts[1][1], np.roll(CELL, 2, axis=0)[CROP])
    assert "Copy" in cells.description


def test_a_set_without_experts_has_none(folder):
    for file in sorted((folder / "ExpertsAnnotations").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    (folder / "ExpertsAnnotations").rmdir()
    assert [experts.shape for experts in read_bubil(folder).experts] == [(0, 20, 40)] * 2


def test_a_crop_at_the_edge_is_cut_by_the_frame(folder):
    at_edge = np.roll(CELL, -18, axis=0)  # rows 2 to 11: the rim of 5 is cut to 2
    for name in ("B01", "B02"):
        Image.fromarray(~at_edge).save(folder / "GoldStandard" / f"seg_{name}.png")
        for worker in range(3):
            file = folder / "CrowdsourcedAnnotations" / f"worker-{worker}" / f"seg_{name}.png"
            write(file, at_edge[0:17, 30:70], channels=4)
    cells = read_bubil(folder)
    np.testing.assert_array_equal(cells.gold[0], at_edge[0:17, 30:70])
    np.testing.assert_array_equal(cells.gold[0], cells.crowd[0][0])


def test_says_in_one_line_what_is_wrong(folder, tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_bubil(tmp_path / "nowhere")
    with pytest.raises(CourseError, match="found no folder RawImages, GoldStandard, CrowdsourcedAnnotations"):
        read_bubil(folder / "GoldStandard")
    worker = folder / "CrowdsourcedAnnotations" / "worker-1" / "seg_B02.png"
    worker.write_bytes(b"no picture")
    with pytest.raises(CourseError, match=r"seg_B02.png: expected an image, could not read it"):
        read_bubil(folder)
    worker.unlink()
    with pytest.raises(CourseError, match=r"expected an image at .*worker-1.*found none"):
        read_bubil(folder)
    for index in range(3):
        write(folder / "CrowdsourcedAnnotations" / f"worker-{index}" / "seg_B01.png", np.ones((55, 85), bool))
    with pytest.raises(CourseError, match="do the outlines belong to this gold standard"):
        read_bubil(folder)
    Image.fromarray(np.ones(FRAME, bool)).save(folder / "GoldStandard" / "seg_B01.png")
    with pytest.raises(CourseError, match="expected a cell"):
        read_bubil(folder)
