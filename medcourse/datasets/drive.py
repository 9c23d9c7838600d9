"""DRIVE in its own layout: fundus photographs, fields of view and vessels marked by hand, split by the authors."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

SPLITS = ("training", "test")
IMAGES, FIELDS, MANUAL = "images", "mask", "1st_manual"
SUFFIXES = (".tif", ".tiff", ".gif", ".png", ".ppm", ".jpg", ".jpeg")
_NUMBER = re.compile(r"^(\d+)(?:_|$)")


def read_drive(folder: str | Path) -> Bunch:
    """Read DRIVE: 20 photographs to train on, 20 to test on, each with its round field of view.

    The layout is `training/images/21_training.tif`, `training/mask/21_training_mask.gif`,
    `training/1st_manual/21_manual1.gif`, and the same under `test` with `01_test.tif` and so on. Files belong together
    by the number that their names begin with. Some copies come without `test/1st_manual`: their test vessels are None.

    Parameters
    ----------
    folder
        The one that holds `training` and `test`, or one above it.

    Returns
    -------
    Bunch
        training, test : Bunch of
            images : list of (H, W, 3) uint8, 584 x 565 in DRIVE.
            field_of_view : list of (H, W) bool.
            vessels : list of (H, W) bool, by the first observer; None if the folder is missing.
            names : list of str, such as "21".
        DESCR : str.

    Raises
    ------
    CourseError
        No such folder, a file is missing, cannot be read or has another shape than its photograph, a mask is empty.

    References
    ----------
    .. [1] Staal et al. Ridge-based vessel segmentation in color images of the retina. IEEE Transactions on Medical
       Imaging 23(4):501-509, 2004. https://doi.org/10.1109/TMI.2004.825627
    """
    root = _root(Path(folder))
    splits = {split: _read_split(root / split, must_have_vessels=split == "training") for split in SPLITS}
    counts = ", ".join(f"{len(splits[split].images)} {split}" for split in SPLITS)
    missing = "" if splits["test"].vessels is not None else "; no vessels for the test images in this copy"
    return Bunch(**splits, DESCR=f"DRIVE, {counts} images{missing}; https://doi.org/10.1109/TMI.2004.825627")


def _root(folder: Path) -> Path:
    if not folder.is_dir():
        raise CourseError(f"expected a folder of DRIVE with {' and '.join(SPLITS)} in it, found none at {folder}")
    for root in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if all((root / split / IMAGES).is_dir() for split in SPLITS):
            return root
    raise CourseError(
        f"expected {' and '.join(f'{split}/{IMAGES}' for split in SPLITS)} in {folder}, found none: is it unpacked?"
    )


def _read_split(folder: Path, *, must_have_vessels: bool) -> Bunch:
    photographs = _by_number(folder / IMAGES)
    if not photographs:
        raise CourseError(f"expected photographs such as 21_training.tif in {folder / IMAGES}, found none")
    images = [_picture(path, colour=True) for path in photographs.values()]
    fields = _masks(folder / FIELDS, photographs, images, "field of view")
    vessels = None
    if must_have_vessels or (folder / MANUAL).is_dir():
        vessels = _masks(folder / MANUAL, photographs, images, "vessels")
    return Bunch(images=images, field_of_view=fields, vessels=vessels, names=list(photographs))


def _by_number(folder: Path) -> dict[str, Path]:
    """Return the pictures of a folder by the number that their names begin with, sorted."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        number = _NUMBER.match(path.stem)
        if path.suffix.lower() not in SUFFIXES or number is None:
            continue
        if number[1] in files:
            raise CourseError(f"expected one picture {number[1]} in {folder}, got {files[number[1]].name}, {path.name}")
        files[number[1]] = path
    return files


def _masks(
    folder: Path, photographs: dict[str, Path], images: list[NDArray[np.uint8]], what: str
) -> list[NDArray[np.bool_]]:
    files, masks = _by_number(folder), []
    for (number, photograph), image in zip(photographs.items(), images, strict=True):
        if number not in files:
            raise CourseError(f"expected the {what} of {photograph.name} in {folder}, found no picture {number} there")
        values = _picture(files[number], colour=False)
        if values.shape != image.shape[:2]:
            raise CourseError(
                f"{files[number]}: expected the shape {image.shape[:2]} of {photograph.name}, got {values.shape}"
            )
        mask = values > values.max() / 2  # 0 and 255, or 0 and 1
        if not mask.any():
            raise CourseError(f"{files[number]}: expected the {what} marked above 0, got an empty picture")
        masks.append(mask)
    return masks


def _picture(path: Path, *, colour: bool) -> NDArray[Any]:
    """Return (H, W, 3) uint8, or (H, W) grey."""
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB" if colour else "L"))
    except Exception as error:  # each decoder has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CourseError(f"{path}: expected a picture, could not read it ({reason}): is the file damaged?") from None
