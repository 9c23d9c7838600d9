"""Read a folder of cell images with label masks, in the layouts that people have them in."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

IMAGE_FOLDERS = ("images", "image", "imgs", "rawimages", "raw")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "goldstandard", "gold", "gt")
# What stands before or after the stem of an image in the name of its mask: seg_B01, B01_mask.
MASK_AFFIX = re.compile(r"^(?:seg|mask|label|gt)[_-](?P<after>.+)$|^(?P<before>.+)[_-](?:seg|masks?|labels?|gt)$", re.I)
SMALLEST_CELL_PX = 4
SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")

TRACKING_CHALLENGE = "Cell Tracking Challenge"
LAYOUTS = (
    "01/t000.tif with 01_GT/SEG/man_seg000.tif (Cell Tracking Challenge); "
    f"an image folder ({', '.join(IMAGE_FOLDERS)}) beside a mask folder ({', '.join(MASK_FOLDERS)}), same file names; "
    "or one folder with pairs such as B01.png and seg_B01.png or B01_mask.png"
)


def read_cells(folder: str | Path, *, invert: bool | None = None) -> Bunch:
    """Read images and instance labels of cells from a folder of your own.

    Three layouts are known (upper and lower case do not matter, nor whether files are PNG, TIFF, BMP or, for images,
    JPEG):

    - Cell Tracking Challenge: `01/t000.tif` with `01_GT/SEG/man_seg000.tif`, one sequence or several. Frames without
      such a mask are skipped, since the challenge annotates only some.
    - An image folder (`images`, `RawImages`, `raw` ...) beside a mask folder (`masks`, `labels`, `GoldStandard`,
      `gt` ...), with the same file names or with names such as `seg_B01` or `B01_mask` for the mask of `B01`.
    - One folder with such pairs in it.

    Each image becomes grey (colour by its luminance) and is scaled so that its 0.5th percentile is 0 and its 99.5th
    is 1, clipped: 8 and 16 bit look alike, and a hot pixel does not darken the rest.

    Masks of the Cell Tracking Challenge, and all masks if any has three or more values, are label images, and their
    numbers are kept. Otherwise they are binary, and each piece (pixels that share a side or a corner, at least 4 of
    them) becomes a cell: cells that touch become one.

    Parameters
    ----------
    folder
        Where the data lies.
    invert
        Binary masks only: True if the cells are the zeros. None decides from all masks together by the outermost pixels
        of the frames, where background is to be expected: it warns if it inverts and raises if it cannot tell.

    Returns
    -------
    Bunch
        images : list of (H, W) float32 in [0, 1].
        labels : list of (H, W) int32, 0 background, each other number a cell.
        names : list of str, such as "B01" or "01/t000"; sorted.
        inverted : bool, whether zeros of the masks were taken for cells.
        layout, description : str.

    Raises
    ------
    CourseError
        No such folder, no known layout, a file that cannot be read, an image without mask or a mask without image, a
        mask of another shape than its image, no cell in any mask.

    Warns
    -----
    UserWarning
        With `invert=None`, masks were taken to be inverted.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CourseError(f"expected a folder with cell images and masks, found none at {folder}")
    layout, pairs = _find_pairs(folder)
    if not pairs:
        raise CourseError(f"expected images ({', '.join(SUFFIXES)}) in the image folder of {folder}, found none")
    images, masks = [], []
    for pair in pairs:
        image, mask = _read_image(pair.image), _read_mask(pair.mask)
        if mask.shape != image.shape:
            raise CourseError(
                f"{pair.mask}: mask must match the shape {image.shape} of {pair.image.name}, got {mask.shape}: "
                "is one of them cropped or resized?"
            )
        images.append(image)
        masks.append(mask)

    inverted = False
    if layout == TRACKING_CHALLENGE or any(len(np.unique(mask)) > 2 for mask in masks):
        if invert:
            raise CourseError(f"{folder}: only binary masks can be inverted, and these hold labels: leave invert out")
        labels = [mask.astype(np.int32) for mask in masks]
    else:
        inverted = _is_inverted(folder, masks) if invert is None else invert
        labels = [_pieces((mask == 0) if inverted else (mask != 0)) for mask in masks]
    if not any(mask.any() for mask in labels):
        raise CourseError(f"{folder}: expected cells in the masks, got {len(masks)} masks of background only")

    n_cells = sum(len(np.unique(mask[mask > 0])) for mask in labels)
    description = f"{len(images)} images with {n_cells} labelled cells from {folder}, layout: {layout}"
    return Bunch(
        images=images,
        labels=labels,
        names=[pair.name for pair in pairs],
        inverted=inverted,
        layout=layout,
        description=description + ("; masks inverted" if inverted else ""),
    )


class _Pair(NamedTuple):
    name: str
    image: Path
    mask: Path


def _find_pairs(folder: Path) -> tuple[str, list[_Pair]]:
    """Return the name of the layout and its pairs; files are not opened."""
    if pairs := list(_tracking_challenge(folder)):
        return TRACKING_CHALLENGE, pairs
    children = sorted(child for child in folder.iterdir() if child.is_dir())
    image_folders = [child for child in children if child.name.lower() in IMAGE_FOLDERS]
    mask_folders = [child for child in children if child.name.lower() in MASK_FOLDERS]
    if image_folders and mask_folders:
        for found in (image_folders, mask_folders):
            if len(found) > 1:
                raise CourseError(f"{folder}: expected one of the folders {', '.join(f.name for f in found)}, not all")
        return "two folders", _match(_by_stem(image_folders[0]), _by_stem(mask_folders[0]))
    files = _by_stem(folder)
    masks = {stem: file for stem, file in files.items() if MASK_AFFIX.match(stem)}
    if masks:
        return "one folder", _match({stem: file for stem, file in files.items() if stem not in masks}, masks)
    raise CourseError(f"{folder}: no known layout; known are {LAYOUTS}")


def _tracking_challenge(folder: Path) -> Iterator[_Pair]:
    for mask in sorted(folder.glob("[0-9][0-9]_GT/SEG/man_seg*.tif")):
        sequence, frame = mask.parts[-3].removesuffix("_GT"), mask.stem.removeprefix("man_seg")
        image = folder / sequence / f"t{frame}.tif"
        if not image.is_file():
            raise CourseError(f"{mask}: expected its image {image}, found none")
        yield _Pair(f"{sequence}/{image.stem}", image, mask)


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by name without suffix."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        # Names that begin with a dot are the file manager's, not pictures.
        if file.suffix.lower() in SUFFIXES and not file.name.startswith("."):
            if file.stem in files:
                raise CourseError(
                    f"{folder}: expected one file named {file.stem}, got {files[file.stem].name} and {file.name}"
                )
            files[file.stem] = file
    return files


def _match(images: dict[str, Path], masks: dict[str, Path]) -> list[_Pair]:
    """Pair images with masks; whoever stays alone is an error, so that no annotation is lost in silence."""
    of_image: dict[str, Path] = {}
    for stem, file in masks.items():
        affix = MASK_AFFIX.match(stem)
        target = stem if stem in images or affix is None else affix["after"] or affix["before"]
        if target not in images:
            raise CourseError(f"{file}: expected an image named {target} to this mask, found none")
        if target in of_image:
            raise CourseError(f"{file}: expected one mask to the image {target}, got {of_image[target].name} as well")
        of_image[target] = file
    for stem, file in images.items():
        if stem not in of_image:
            raise CourseError(
                f"{file}: expected a mask named {stem}, seg_{stem} or {stem}_mask to this image, found none"
            )
    return [_Pair(stem, file, of_image[stem]) for stem, file in images.items()]


def _read_image(path: Path) -> NDArray[np.float32]:
    """Return (H, W) float32 in [0, 1]."""
    pixels = _pixels(path, colour=True)
    if pixels.ndim == 3:
        # Luminance as in Rec. 709, from (H, W, 3) or with opacity (H, W, 4), which says nothing about brightness.
        pixels = pixels[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    low, high = np.percentile(pixels, [0.5, 99.5])
    return np.asarray(np.clip((pixels - low) / max(high - low, 1e-12), 0, 1), np.float32)


def _read_mask(path: Path) -> NDArray[np.int64]:
    """Return (H, W) integers."""
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise CourseError(f"{path}: expected a mask as PNG or TIFF, since JPEG changes the numbers of labels")
    pixels = _pixels(path, colour=False)
    if pixels.ndim == 3:
        if (pixels[..., :3] != pixels[..., :1]).any():
            raise CourseError(f"{path}: expected a mask with one number a cell, got colours")
        pixels = pixels[..., 0]
    labels = pixels.astype(np.int64)
    if (labels != pixels).any() or labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise CourseError(
            f"{path}: expected labels that are whole numbers from 0, got {pixels.min()} to {pixels.max()}"
        )
    return labels


def _pixels(path: Path, *, colour: bool) -> NDArray[Any]:
    """Return (H, W) or (H, W, 3 or 4) of the file's own type; without `colour`, a palette gives its indices."""
    import tifffile  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    try:
        pixels = None
        if path.suffix.lower() in (".tif", ".tiff"):
            try:
                pixels = tifffile.imread(path)  # all depths and sizes of numbers
            except ValueError:
                pixels = None  # LZW and other packings that Pillow knows
        if pixels is None:
            with Image.open(path) as image:
                if (n_frames := getattr(image, "n_frames", 1)) > 1:
                    raise CourseError(f"{path}: expected one picture in the file, got {n_frames}")
                pixels = np.asarray(image.convert("RGB") if colour and image.mode == "P" else image)
    except CourseError:
        raise
    except Exception as error:  # each decoder has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CourseError(f"{path}: expected an image, could not read it ({reason}): is the file damaged?") from error
    if pixels.size == 0 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))):
        raise CourseError(f"{path}: expected a picture (H, W) or (H, W, 3), got shape {pixels.shape}")
    return pixels


def _is_inverted(folder: Path, masks: list[NDArray[np.int64]]) -> bool:
    """Decide by the frames' outermost pixels whether zeros are cells; say so, or refuse."""
    frames = np.concatenate([np.concatenate([m[0], m[-1], m[1:-1, 0], m[1:-1, -1]]) != 0 for m in masks])
    share = frames.mean()
    if share < 0.6:  # a crowded dish has cells on about half of its frame
        return False
    if share < 0.9:
        raise CourseError(
            f"{folder}: cannot tell cells from background, {share:.0%} of the masks' outermost pixels are set: "
            "say invert=True if the zeros are the cells, else invert=False"
        )
    warnings.warn(
        f"{folder}: {share:.0%} of the masks' outermost pixels are set, so zeros are taken for the cells; "
        "say invert=False if that is wrong, invert=True to silence this",
        stacklevel=3,
    )
    return True


def _pieces(cells: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give the pieces of a mask numbers from 1, and drop the crumbs that drawing tools leave beside an outline."""
    from scipy import ndimage as ndi  # noqa: PLC0415

    pieces, _ = ndi.label(cells, np.ones((3, 3)))
    kept = np.bincount(pieces.ravel()) >= SMALLEST_CELL_PX
    kept[0] = False
    return np.asarray(np.where(kept, kept.cumsum(), 0)[pieces], np.int32)
