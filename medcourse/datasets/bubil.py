"""Read outlines of cells by a crowd, by experts and by their fusion, in the layout of Boston University's BU-BIL."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

Mask = NDArray[np.bool_]
LAYOUT = (
    "RawImages/B01.png, GoldStandard/seg_B01.png, CrowdsourcedAnnotations/WORKER/seg_B01.png and, if there are any, "
    "ExpertsAnnotations/PERSON/seg_B01.png"
)
# A crop's side differs from that of its rule by a few pixels in the published sets; by more, it is something else.
SLACK_PX = 12


def read_bubil(folder: str | Path) -> Bunch:
    """Read one set of BU-BIL: pictures of single cells, each outlined by several people.

    In these files zero is the cell and anything else is background. Workers saw a crop round the cell. Where the crop
    lay is not stored: it was the box of the gold standard, made twice as large about its centre and cut at the frame.
    That rule gives the published sizes within a few pixels, so a crop's place is known to about 2 pixels.

    Parameters
    ----------
    folder
        With `RawImages`, `GoldStandard`, `CrowdsourcedAnnotations` and, if there are any, `ExpertsAnnotations`.

    Returns
    -------
    Bunch
        names : list of str, one an image, sorted.
        images : list of (H, W) float32 in [0, 1], the crop that the crowd saw.
        gold : list of (H, W) bool, True in the cell.
        crowd : list of (R, H, W) bool, one outline a worker, in the order of `workers`.
        experts : list of (E, H, W) bool of those experts who outlined this image; E may be 0. An expert whose outline
        is the gold standard itself is left out, for agreement with oneself says nothing.
        workers : list of str. expert_names : list of lists of str, one a row of `experts`.
        copies_of_gold : sorted list of str, experts left out in one image or more.
        description : str.

    Raises
    ------
    CourseError
        No such folder or layout, a file that is missing or cannot be read, a crop larger than the frame or of another
        size than the rule gives, a gold standard without a cell.
    """
    folder = Path(folder)
    files = _find(folder)
    bunch = Bunch(names=[], images=[], gold=[], crowd=[], experts=[], expert_names=[])
    copies: set[str] = set()
    for name, raw in files.images.items():
        gold = _read_mask(files.gold / f"seg_{name}.png")
        crowd = np.stack([_read_mask(worker / f"seg_{name}.png") for worker in files.workers])
        window = _window_of_crop(gold, crowd.shape[1:], f"{folder.name}/{name}")
        image = _read(raw)
        if image.shape == gold.shape:
            image = image[window]
        if image.shape != crowd.shape[1:]:
            raise CourseError(
                f"{raw}: expected the frame {gold.shape} or the crop {crowd.shape[1:]} of the outlines, "
                f"got {image.shape}: is one of them resized?"
            )
        drawn = {}
        for person in files.experts:
            if (path := person / f"seg_{name}.png").is_file():
                outline = _read_mask(path)
                if outline.shape != gold.shape:
                    raise CourseError(
                        f"{path}: expected the frame {gold.shape} of the gold standard, got {outline.shape}"
                    )
                if (outline == gold).all():
                    copies.add(person.name)
                else:
                    drawn[person.name] = outline[window]
        low, high = np.percentile(image, [0.5, 99.5])
        bunch.names.append(name)
        bunch.images.append(np.asarray(np.clip((image - low) / max(high - low, 1e-12), 0, 1), np.float32))
        bunch.gold.append(gold[window])
        bunch.crowd.append(crowd)
        bunch.experts.append(np.stack(list(drawn.values())) if drawn else np.zeros((0, *crowd.shape[1:]), bool))
        bunch.expert_names.append(list(drawn))
    bunch.workers = [worker.name for worker in files.workers]
    bunch.copies_of_gold = sorted(copies)
    bunch.description = (
        f"{len(bunch.names)} images from {folder}, outlined by {len(bunch.workers)} workers and "
        f"{len(files.experts) - len(copies)} experts; equal to the gold standard and left out: "
        f"{', '.join(bunch.copies_of_gold) or 'none'}"
    )
    return bunch


class _Files(NamedTuple):
    images: dict[str, Path]
    gold: Path
    workers: list[Path]
    experts: list[Path]


def _find(folder: Path) -> _Files:
    if not folder.is_dir():
        raise CourseError(f"expected a folder in the layout of BU-BIL, found none at {folder}")
    raw, gold, crowd = (folder / name for name in ("RawImages", "GoldStandard", "CrowdsourcedAnnotations"))
    missing = [each.name for each in (raw, gold, crowd) if not each.is_dir()]
    if missing:
        raise CourseError(f"{folder}: expected {LAYOUT}; found no folder {', '.join(missing)}")
    images = {file.stem: file for file in sorted(raw.glob("*.png")) if not file.name.startswith(".")}
    workers = _people(crowd)
    if not images or len(workers) < 2:
        raise CourseError(f"{folder}: expected images and at least 2 workers, got {len(images)} and {len(workers)}")
    experts = folder / "ExpertsAnnotations"
    return _Files(images, gold, workers, _people(experts) if experts.is_dir() else [])


def _people(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _window_of_crop(gold: Mask, size: tuple[int, ...], what: str) -> tuple[slice, slice]:
    """Return where in the frame a crop of that size lay: the cell's box, twice as large, cut at the frame."""
    if not gold.any():
        raise CourseError(f"{what}: expected a cell (zeros) in the gold standard, found background only")
    window = []
    for axis in (0, 1):
        cell = np.flatnonzero(gold.any(axis=1 - axis))
        first, last = int(cell[0]), int(cell[-1]) + 1
        rim = -(-(last - first) // 2)
        low, high = max(0, first - rim), min(gold.shape[axis], last + rim)
        length = size[axis]
        if length > gold.shape[axis] or abs(high - low - length) > max(SLACK_PX, 0.2 * length):
            raise CourseError(
                f"{what}: expected outlines on a crop of about {high - low} pixels along axis {axis}, the cell's box "
                f"twice as large, got {length}: do the outlines belong to this gold standard?"
            )
        # What the size leaves open is shared by both ends.
        start = min(max(0, low + (high - low - length) // 2), gold.shape[axis] - length)
        window.append(slice(start, start + length))
    return window[0], window[1]


def _read_mask(path: Path) -> Mask:
    return np.asarray(_read(path) == 0)


def _read(path: Path) -> NDArray[np.float64]:
    """Return (H, W); of a picture with channels the first, for all of these are grey."""
    from PIL import Image  # noqa: PLC0415

    if not path.is_file():
        raise CourseError(f"expected an image at {path}, found none")
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
    except Exception as error:  # each decoder has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CourseError(f"{path}: expected an image, could not read it ({reason}): is the file damaged?") from error
    return np.asarray(pixels if pixels.ndim == 2 else pixels[..., 0], np.float64)
