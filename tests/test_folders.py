import numpy as np
import pytest
import tifffile
from PIL import Image

from medcourse.datasets import read_cells
from medcourse.errors import CourseError

SHAPE = (20, 30)


def picture(dtype=np.uint8, top=200):
    return np.linspace(0, top, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(dtype)


def two_cells():
    """Return a mask with a cell of 12 pixels and one of 20; the frame's outermost pixels are background."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:6, 4:8], mask[10:14, 20:25] = 1, 2
    return mask


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


def pairs(folder, *, image="images/{}.png", mask="masks/{}.png", pixels=None, labels=None, stems=("a", "b")):
    for stem in stems:
        save(folder / image.format(stem), picture() if pixels is None else pixels)
        save(folder / mask.format(stem), two_cells() if labels is None else labels)
    return folder


def test_tracking_challenge_takes_the_annotated_frames_of_all_sequences(tmp_path):
    for sequence, annotated in (("01", "002"), ("02", "000")):
        for frame in ("000", "001", "002"):
            save(tmp_path / sequence / f"t{frame}.tif", picture())
        save(tmp_path / f"{sequence}_GT/SEG/man_seg{annotated}.tif", two_cells().astype(np.uint16) * 7)
        save(tmp_path / f"{sequence}_GT/TRA/man_track000.tif", two_cells())
    cells = read_cells(tmp_path)
    assert cells.names == ["01/t002", "02/t000"]
    assert cells.layout == "Cell Tracking Challenge"
    for labels in cells.labels:
        np.testing.assert_array_equal(labels, two_cells().astype(int) * 7)
        assert labels.dtype == np.int32


def test_tracking_challenge_masks_are_labels_even_with_one_cell_in_two_pieces(tmp_path):
    save(tmp_path / "01/t000.tif", picture())
    save(tmp_path / "01_GT/SEG/man_seg000.tif", (two_cells() > 0).astype(np.uint16))
    assert read_cells(tmp_path).labels[0].max() == 1


@pytest.mark.parametrize(
    ("image", "mask", "layout"),
    [
        ("images/{}.png", "masks/{}.png", "two folders"),
        ("RawImages/{}.png", "GoldStandard/seg_{}.png", "two folders"),
        ("raw/{}.tif", "gt/{}_mask.tif", "two folders"),
        ("{}.png", "seg_{}.png", "one folder"),
        ("{}.tif", "{}_mask.png", "one folder"),
        ("{}.jpg", "{}_labels.png", "one folder"),
    ],
)
def test_pairs_in_the_usual_layouts(tmp_path, image, mask, layout):
    cells = read_cells(pairs(tmp_path, image=image, mask=mask, stems=("B01", "B02")))
    assert cells.names == ["B01", "B02"]
    assert cells.layout == layout
    assert not cells.inverted
    for pixels, labels in zip(cells.images, cells.labels, strict=True):
        assert pixels.shape == SHAPE
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(labels, two_cells())


def test_hidden_files_are_not_pictures(tmp_path):
    pairs(tmp_path)
    (tmp_path / "images/._a.png").write_bytes(b"resource fork")
    assert read_cells(tmp_path).names == ["a", "b"]


def test_images_of_different_shapes_are_kept(tmp_path):
    pairs(tmp_path, stems=("a",))
    pairs(tmp_path, stems=("b",), pixels=picture()[:, :25], labels=two_cells()[:, :25])
    assert [image.shape for image in read_cells(tmp_path).images] == [(20, 30), (20, 25)]


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 200), (np.uint16, 3000), (np.float32, 0.01)])
def test_brightness_becomes_zero_to_one_whatever_the_depth(tmp_path, dtype, top):
    image = read_cells(pairs(tmp_path, image="images/{}.tif", pixels=picture(dtype, top))).images[0]
    assert (image.min(), image.max()) == (0, 1)
    np.testing.assert_allclose(image, np.linspace(0, 1, image.size).reshape(SHAPE), atol=0.02)


def test_a_hot_pixel_does_not_darken_the_rest(tmp_path):
    hot = picture(np.uint16, 1000)
    hot[0, 0] = 65535
    assert np.median(read_cells(pairs(tmp_path, image="images/{}.tif", pixels=hot)).images[0]) == pytest.approx(
        0.5, abs=0.02
    )


def test_a_flat_image_is_black_rather_than_not_a_number(tmp_path):
    assert not read_cells(pairs(tmp_path, pixels=np.full(SHAPE, 9, np.uint8))).images[0].any()


def test_colour_becomes_luminance_and_opacity_nothing(tmp_path):
    rgba = np.zeros((*SHAPE, 4), np.uint8)
    rgba[:, :10, 0], rgba[:, 10:20, 1], rgba[:, 20:, 2] = 255, 255, 255
    rgba[..., 3] = np.arange(SHAPE[1])
    red, green, blue = read_cells(pairs(tmp_path, pixels=rgba)).images[0][5, [5, 15, 25]]
    assert (green, blue) == (1, 0)
    assert red == pytest.approx((0.2126 - 0.0722) / (0.7152 - 0.0722), abs=1e-3)


def test_a_palette_is_colours_in_an_image_and_numbers_in_a_mask(tmp_path):
    for name, pixels in (("images", picture(top=2)), ("masks", two_cells())):
        indexed = Image.fromarray(pixels, mode=None)
        indexed = indexed.convert("P")
        indexed.putdata(pixels.ravel().tolist())
        indexed.putpalette([0, 0, 0, 255, 255, 255, 90, 90, 90])
        (tmp_path / name).mkdir()
        indexed.save(tmp_path / name / "a.png")
    cells = read_cells(tmp_path)
    np.testing.assert_array_equal(cells.labels[0], two_cells())
    assert cells.images[0][10, 15] == 1  # index 1 is the brightest


def test_tiff_that_only_pillow_unpacks(tmp_path):
    pairs(tmp_path, image="images/{}.tif", mask="masks/{}.tif")
    Image.fromarray(two_cells()).save(tmp_path / "masks/a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_cells(tmp_path).labels[0], two_cells())


def test_binary_masks_become_pieces_without_crumbs(tmp_path):
    binary = (two_cells() > 0).astype(np.uint8) * 255
    binary[17, 3:6] = 255  # three pixels
    np.testing.assert_array_equal(read_cells(pairs(tmp_path, labels=binary)).labels[0], two_cells())


def test_label_numbers_are_kept_and_touching_cells_stay_two(tmp_path):
    labels = two_cells()
    labels[3:6, 8:12] = 40
    np.testing.assert_array_equal(read_cells(pairs(tmp_path, labels=labels)).labels[0], labels)


@pytest.mark.parametrize("mode", ["bool", "uint8"])
def test_inverted_masks_are_found_and_said(tmp_path, mode):
    inverted = (two_cells() == 0) if mode == "bool" else (two_cells() == 0).astype(np.uint8) * 255
    pairs(tmp_path, labels=inverted)
    with pytest.warns(
        UserWarning, match=r"100% of the masks' outermost pixels are set, so zeros are taken for the cells"
    ):
        cells = read_cells(tmp_path)
    assert cells.inverted
    assert "masks inverted" in cells.description
    np.testing.assert_array_equal(cells.labels[0], two_cells())


def test_saying_invert_is_silent_and_believed(tmp_path):
    pairs(tmp_path, labels=two_cells() == 0)
    np.testing.assert_array_equal(read_cells(tmp_path, invert=True).labels[0], two_cells())
    assert read_cells(tmp_path, invert=False).labels[0][0, 0] == 1


def test_one_mask_with_a_cell_at_the_frame_is_outvoted(tmp_path):
    full = np.ones(SHAPE, bool)
    full[8:12, 8:12] = False
    pairs(tmp_path, labels=two_cells() > 0, stems=("a", "b", "c"))
    save(tmp_path / "masks/c.png", full)
    assert not read_cells(tmp_path).inverted


def test_masks_that_could_be_either_are_refused(tmp_path):
    half = np.zeros(SHAPE, bool)
    half[:15] = True
    pairs(tmp_path, labels=half)
    with pytest.raises(CourseError, match=r"cannot tell cells from background.*invert=True.*invert=False"):
        read_cells(tmp_path)
    assert read_cells(tmp_path, invert=False).labels[0].max() == 1


def missing_folder(folder):
    folder.rmdir()


def unknown_layout(folder):
    save(folder / "cells/a.png", picture())


def only_images(folder):
    save(folder / "a.png", picture())


def truncated_image(folder):
    path = pairs(folder) / "images/a.png"
    path.write_bytes(path.read_bytes()[:60])


def truncated_tiff(folder):
    path = pairs(folder, image="images/{}.tif") / "images/a.tif"
    path.write_bytes(path.read_bytes()[:100])


def text_for_an_image(folder):
    (pairs(folder) / "images/a.png").write_text("not a picture")


def empty_file(folder):
    (pairs(folder, image="images/{}.tif") / "images/b.tif").write_bytes(b"")


def mask_of_another_shape(folder):
    save(pairs(folder) / "masks/a.png", two_cells()[:15])


def image_without_mask(folder):
    (pairs(folder) / "masks/b.png").unlink()


def mask_without_image(folder):
    (pairs(folder) / "images/b.png").unlink()


def two_masks_for_one_image(folder):
    save(pairs(folder) / "masks/seg_a.png", two_cells())


def one_name_twice(folder):
    save(pairs(folder) / "images/a.tif", picture())


def two_mask_folders(folder):
    pairs(folder, mask="labels/{}.png")
    pairs(folder)


def no_cells(folder):
    pairs(folder, labels=np.zeros(SHAPE, np.uint8))


def jpeg_mask(folder):
    pairs(folder, mask="masks/{}.jpg")


def coloured_mask(folder):
    pairs(folder, labels=np.stack([two_cells() * 100, two_cells() * 50, two_cells()], axis=-1))


def fractions_for_labels(folder):
    pairs(folder, mask="masks/{}.tif", labels=two_cells() / np.float32(3))


def a_stack(folder):
    pairs(folder, image="images/{}.tif", pixels=np.zeros((5, *SHAPE), np.uint8))


def empty_folders(folder):
    (folder / "images").mkdir()
    (folder / "masks").mkdir()


def frame_without_image(folder):
    save(folder / "01_GT/SEG/man_seg004.tif", two_cells())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing_folder, "expected a folder with cell images and masks, found none at .*data"),
        (unknown_layout, "no known layout; known are 01/t000.tif .*goldstandard.*seg_B01.png"),
        (only_images, "no known layout"),
        (truncated_image, r"images.a\.png: expected an image, could not read it"),
        (truncated_tiff, r"images.a\.tif: expected an image, could not read it"),
        (text_for_an_image, r"images.a\.png: expected an image, could not read it"),
        (empty_file, r"images.b\.tif: expected an image, could not read it"),
        (mask_of_another_shape, r"masks.a\.png: mask must match the shape \(20, 30\) of a\.png, got \(15, 30\)"),
        (image_without_mask, r"images.b\.png: expected a mask named b, seg_b or b_mask"),
        (mask_without_image, r"masks.b\.png: expected an image named b to this mask, found none"),
        (two_masks_for_one_image, r"seg_a\.png: expected one mask to the image a, got a\.png as well"),
        (one_name_twice, r"expected one file named a, got a\.png and a\.tif"),
        (two_mask_folders, "expected one of the folders labels, masks, not all"),
        (no_cells, "expected cells in the masks, got 2 masks of background only"),
        (jpeg_mask, r"masks.a\.jpg: expected a mask as PNG or TIFF"),
        (coloured_mask, r"masks.a\.png: expected a mask with one number a cell, got colours"),
        (fractions_for_labels, r"masks.a\.tif: expected labels that are whole numbers from 0"),
        (a_stack, r"images.a\.tif: expected a picture .*, got shape \(5, 20, 30\)"),
        (empty_folders, r"expected images \(\.png, .* in the image folder of .*data, found none"),
        (frame_without_image, r"man_seg004\.tif: expected its image .*t004\.tif, found none"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_folders_get_one_line_that_names_the_file(tmp_path, damage, message):
    folder = tmp_path / "data"
    folder.mkdir()
    damage(folder)
    with pytest.raises(CourseError, match=message) as caught:
        read_cells(folder)
    assert "\n" not in str(caught.value)


def test_labels_cannot_be_inverted(tmp_path):
    with pytest.raises(CourseError, match="only binary masks can be inverted"):
        read_cells(pairs(tmp_path), invert=True)
