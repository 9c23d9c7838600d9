"""MedMNIST in its own layout: small images and volumes in one `.npz` file a data set, split into three."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.errors import CourseError

SPLITS = ("train", "val", "test")


def read_medmnist(path: str | Path) -> Bunch:
    """Read a file of MedMNIST, such as `pneumoniamnist.npz` or `nodulemnist3d.npz`.

    The data sets are 12 of images and 6 of volumes, 28 pixels or voxels wide or more, with the authors' split into
    training, validation and test set [1]_. Get them from https://zenodo.org/records/10519652 (CC BY 4.0, but for
    DermaMNIST, which is CC BY-NC 4.0): `medcourse data get` does not fetch them, for it checks downloads by SHA-256 and
    the authors publish MD5 only.

    Parameters
    ----------
    path
        The file, or a folder that holds one `.npz` file.

    Returns
    -------
    Bunch
        train, val, test : Bunch of
            images : uint8, (N, H, W) grey, (N, H, W, 3) colour, or (N, Z, Y, X) volumes.
            labels : int64, (N, K); K is 1 unless one image may have several findings.
        dims : 2 or 3.
        n_channels : 1 or 3.
        name : str, of the file without its ending.
        DESCR : str.

    Raises
    ------
    CourseError
        There is no such file, or not exactly one in the folder; it is no `.npz`; or its arrays are other ones.

    References
    ----------
    .. [1] Yang et al. MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D biomedical image classification.
       Scientific Data 10:41, 2023. https://doi.org/10.1038/s41597-022-01721-8
    """
    file = _find(Path(path))
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (BadZipFile, ValueError, OSError, EOFError, AttributeError) as error:
        raise CourseError(f"expected a .npz file of arrays at {file}, could not read it: {error}") from None
    wanted = [f"{split}_{part}" for split in SPLITS for part in ("images", "labels")]
    if missing := [name for name in wanted if name not in found]:
        raise CourseError(f"expected the arrays {', '.join(wanted)} in {file}, missing: {', '.join(missing)}")
    splits = {
        split: Bunch(
            images=_images(found[f"{split}_images"], f"{split}_images", file),
            labels=_labels(found[f"{split}_labels"], len(found[f"{split}_images"]), f"{split}_labels", file),
        )
        for split in SPLITS
    }
    shapes = {splits[split].images.shape[1:] for split in SPLITS}
    if len(shapes) > 1:
        raise CourseError(f"expected images of one shape in {file}, got {sorted(shapes)}")
    shape = shapes.pop()
    is_colour = len(shape) == 3 and shape[-1] == 3
    return Bunch(
        **splits,
        dims=2 if is_colour else len(shape),
        n_channels=3 if is_colour else 1,
        name=file.stem,
        DESCR="MedMNIST, CC BY 4.0 (DermaMNIST: CC BY-NC 4.0), https://doi.org/10.1038/s41597-022-01721-8",
    )


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise CourseError(f"expected a .npz file of MedMNIST or a folder with one, found none at {path}")
    files = sorted(path.glob("*.npz"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise CourseError(f"expected one .npz file in {path}, got {names}: name the file")
    return files[0]


def _images(images: NDArray[np.generic], name: str, file: Path) -> NDArray[np.uint8]:
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
        raise CourseError(
            f"expected {name} of {file} as uint8 (N, H, W), (N, H, W, 3) or (N, Z, Y, X), "
            f"got {images.dtype} {images.shape}"
        )
    return images.astype(np.uint8, copy=False)


def _labels(labels: NDArray[np.generic], n_images: int, name: str, file: Path) -> NDArray[np.int64]:
    if labels.dtype.kind not in "iu" or labels.ndim != 2 or len(labels) != n_images or labels.shape[1] < 1:
        raise CourseError(
            f"expected {name} of {file} as whole numbers ({n_images}, K), got {labels.dtype} {labels.shape}"
        )
    return labels.astype(np.int64)
