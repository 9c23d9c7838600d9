"""Real scans of the retina as patches to look for anomalies in: OCTMNIST's file, or a folder in Kermany's layout."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.kermany import cut_patches, flatten_retina, read_kermany
from medcourse.datasets.medmnist import read_medmnist
from medcourse.datasets.oct_patches import SIDE_PX
from medcourse.errors import CourseError

OCTMNIST_KINDS = ("CNV", "DME", "drusen", "")  # by label; the last one is normal


def read_oct_patches(folder: str | Path, *, most_per_class: int = 200, seed: int = 0) -> Bunch:
    """Read healthy patches to learn from, and healthy and diseased ones to judge.

    Parameters
    ----------
    folder
        With one `.npz` file, OCTMNIST's: whole scans, enlarged to 64 pixels a side, unflattened. Else in Kermany's
        layout: scans are flattened and cut into five patches each; all patches of a diseased scan count as diseased.
    most_per_class
        Scans to read of each class of the test part; of the training part, ten times as many, normal ones only.
    seed
        Which ones.

    Returns
    -------
    Bunch
        train : (N, 64, 64) float32 in [0, 1], healthy. images : (M, 64, 64) to judge. kind : (M,) str, "" if healthy.
        units : (M,) str, patient (Kermany's folder) or number of the image (OCTMNIST). DESCR : str.

    Raises
    ------
    CourseError
        The folder cannot be read, the file is not OCTMNIST's, or there are no normal scans to learn from.
    """
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    if not list(folder.glob("*.npz")):
        return _from_scans(folder, most_per_class, rng)
    mnist = read_medmnist(folder)
    labels = mnist.train.labels
    if mnist.dims != 2 or mnist.n_channels != 1 or labels.shape[1] != 1 or labels.max() >= len(OCTMNIST_KINDS):
        raise CourseError(f"expected OCTMNIST, grey images with labels 0 to 3, got {mnist.name}")
    kind = np.array(OCTMNIST_KINDS)[mnist.test.labels[:, 0]]
    normal = np.flatnonzero(labels[:, 0] == OCTMNIST_KINDS.index(""))
    _check_normal(len(normal), folder)
    chosen = _some_of_each(kind, most_per_class, rng)
    return Bunch(
        train=_enlarge(mnist.train.images[rng.permutation(normal)[: 10 * most_per_class]]),
        images=_enlarge(mnist.test.images[chosen]),
        kind=kind[chosen],
        units=chosen.astype(str),
        DESCR=mnist.DESCR,
    )


def _from_scans(folder: Path, most_per_class: int, rng: np.random.Generator) -> Bunch:
    scans = read_kermany(folder, most_per_class=10 * most_per_class, seed=int(rng.integers(2**31)))
    normal = [image for image, kind in zip(scans.train.images, scans.train.classes, strict=True) if kind == "NORMAL"]
    _check_normal(len(normal), folder)
    kind = np.array(["" if kind == "NORMAL" else kind for kind in scans.test.classes])
    chosen = _some_of_each(kind, most_per_class, rng)
    per_slice = 5
    return Bunch(
        train=cut_patches([flatten_retina(image) for image in normal], per_slice=per_slice),
        images=cut_patches([flatten_retina(scans.test.images[i]) for i in chosen], per_slice=per_slice),
        kind=np.repeat(kind[chosen], per_slice),
        units=np.repeat(np.array(scans.test.patients)[chosen], per_slice),
        DESCR=scans.DESCR,
    )


def _some_of_each(kind: NDArray[np.str_], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.concatenate([rng.permutation(np.flatnonzero(kind == each))[:most] for each in np.unique(kind)])


def _enlarge(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    from skimage.transform import resize  # noqa: PLC0415

    # Spline of order 1: a cubic one would make values beyond black and white.
    size = (SIDE_PX, SIDE_PX)
    grown = [resize(image / 255, size, order=1) for image in images]  # type: ignore[no-untyped-call]
    return np.asarray(grown, dtype=np.float32)


def _check_normal(n: int, folder: Path) -> None:
    if n == 0:
        raise CourseError(f"expected normal scans in the training part of {folder} to learn from, found none")
