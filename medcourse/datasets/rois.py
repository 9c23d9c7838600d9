"""Read regions of interest from a folder of your own, a folder a class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")


def read_rois(folder: str | Path, *, size: int | None = None) -> Bunch:
    """Read regions sorted into folders by class: `normal/P012_1.png`, `mass/P007_2.png`.

    Cut-outs of JSRT (nodules) or CBIS-DDSM (masses, calcifications) can be laid out so. Each image becomes grey and is
    scaled so that its 0.5th percentile is 0 and its 99.5th is 1, clipped. What stands before the first underscore of a
    file's name is the patient, so that a split can keep a patient on one side.

    Parameters
    ----------
    folder
        Holds two folders with images: the first in the alphabet is class 0, or the one named `normal`.
    size
        Side in pixels that all images are brought to; None keeps them, and they must be of one size.

    Returns
    -------
    Bunch
        images : (N, H, W) float32 in [0, 1]. labels : (N,) int64. classes : tuple of two names.
        patients : list of str. names : list of str. description : str.

    Raises
    ------
    CourseError
        No such folder, not two classes, an empty class, a file that cannot be read, sizes that differ.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise CourseError(f"expected a folder with a folder a class, found none at {folder}")
    classes = sorted(child.name for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    if len(classes) != 2:
        raise CourseError(f"{folder}: expected two folders, one a class, such as normal and mass, got {classes}")
    classes.sort(key=lambda name: (name.lower() != "normal", name))
    images: list[NDArray[np.float32]] = []
    labels, files = [], []
    for label, name in enumerate(classes):
        found = [file for file in sorted((folder / name).iterdir()) if file.suffix.lower() in SUFFIXES]
        if not found:
            raise CourseError(f"{folder / name}: expected images ({', '.join(SUFFIXES)}), found none")
        for file in found:
            images.append(_read(file, size))
            labels.append(label)
            files.append(file)
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise CourseError(f"{folder}: expected regions of one size, got {sorted(shapes)}: say size=256 to resize them")
    return Bunch(
        images=np.stack(images),
        labels=np.array(labels),
        classes=tuple(classes),
        patients=[file.stem.split("_")[0] for file in files],
        names=[f"{file.parent.name}/{file.name}" for file in files],
        description=f"{len(files)} regions from {folder}: {classes[0]} and {classes[1]}",
    )


def _read(path: Path, size: int | None) -> NDArray[np.float32]:
    from skimage import io, transform  # noqa: PLC0415

    try:
        pixels = np.asarray(io.imread(path), dtype=np.float64)
    except Exception as error:  # each decoder has its own
        raise CourseError(f"{path}: expected an image, could not read it: is the file damaged?") from error
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        pixels = pixels[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    if pixels.ndim != 2:
        raise CourseError(f"{path}: expected a picture (H, W) or (H, W, 3), got shape {pixels.shape}")
    if size is not None and pixels.shape != (size, size):
        pixels = transform.resize(pixels, (size, size), anti_aliasing=True)  # type: ignore[no-untyped-call]
    low, high = np.percentile(pixels, [0.5, 99.5])
    return np.asarray(np.clip((pixels - low) / max(high - low, 1e-12), 0, 1), dtype=np.float32)
