"""Chest films for unit 16: as many as Bar and colleagues had, simulated or drawn from PneumoniaMNIST or ChestMNIST."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.frontal import make_frontal_chests
from medcourse.datasets.medmnist import SPLITS, read_medmnist
from medcourse.errors import CourseError

CARDIOMEGALY, EFFUSION = 1, 2
"""Columns of ChestMNIST's 14 labels: atelectasis, cardiomegaly, effusion, infiltration ..."""


def make_chest_films(n_films: int = 90, *, size: int = 64, seed: int = 0) -> Bunch:
    """Simulate chest films with three questions about them; see `make_frontal_chests`.

    Returns
    -------
    Bunch
        images : (N, size, size) float32 in [0, 1].
        tasks : dict of "effusion", "enlarged heart", "abnormal" to (N,) bool.
        patients : (N,) str; each has one film.
        fluid : (N, size, size) bool. ratios : (N,). spacing_mm, DESCR.

    Examples
    --------
    >>> sorted(make_chest_films(3, size=32).tasks)
    ['abnormal', 'effusion', 'enlarged heart']
    """
    made = make_frontal_chests(n_films, size=size, seed=seed)
    return Bunch(
        images=made.images,
        tasks={"effusion": made.effusion, "enlarged heart": made.enlarged, "abnormal": ~made.healthy},
        patients=np.array([f"patient {i}" for i in range(n_films)]),
        fluid=made.fluid,
        ratios=made.ratios,
        spacing_mm=made.spacing_mm,
        DESCR=made.description,
    )


def read_chest_films(path: str | Path, n_films: int = 90, *, seed: int = 0) -> Bunch:
    """Draw films from `chestmnist.npz` or `pneumoniamnist.npz`, of all three splits.

    Of ChestMNIST a third of the films has an effusion (of either side: the labels do not say which), a third
    cardiomegaly and no effusion, a third none of the 14 findings. Of PneumoniaMNIST half has pneumonia.

    Parameters
    ----------
    path
        The file, or a folder that holds one `.npz` file.
    n_films
        At most so many, fewer where a class has no more.
    seed
        Of the draw.

    Returns
    -------
    Bunch
        images : (N, H, W) float32 in [0, 1]. tasks : dict of name to (N,) bool, "abnormal" among them.
        patients : (N,) str; the data sets do not tell who is on a film, so each counts as a patient.
        fluid, ratios : None. DESCR.

    Raises
    ------
    CourseError
        The file is none of the two.
    """
    mnist = read_medmnist(path)
    images = np.concatenate([mnist[split].images for split in SPLITS])
    labels = np.concatenate([mnist[split].labels for split in SPLITS])
    if images.ndim != 3 or labels.shape[1] not in {1, 14}:
        raise CourseError(
            f"expected grey images with 14 labels (ChestMNIST) or one (PneumoniaMNIST), got images "
            f"{images.shape} and labels {labels.shape} in {mnist.name}"
        )
    rng = np.random.default_rng(seed)
    tasks: dict[str, NDArray[np.bool_]]
    if labels.shape[1] == 14:
        effusion, large = labels[:, EFFUSION] == 1, labels[:, CARDIOMEGALY] == 1
        abnormal = (labels == 1).any(axis=1)
        chosen = _draw(rng, [effusion, large & ~effusion, ~abnormal], n_films)
        tasks = {"effusion": effusion[chosen], "enlarged heart": large[chosen], "abnormal": abnormal[chosen]}
    else:
        abnormal = labels[:, 0] == 1
        chosen = _draw(rng, [abnormal, ~abnormal], n_films)
        tasks = {"abnormal": abnormal[chosen]}
    return Bunch(
        images=(images[chosen] / 255).astype(np.float32),
        tasks=tasks,
        patients=np.array([f"film {i}" for i in chosen]),
        fluid=None,
        ratios=None,
        DESCR=f"{len(chosen)} films of {mnist.name}. {mnist.DESCR}",
    )


def _draw(rng: np.random.Generator, classes: list[NDArray[np.bool_]], n_films: int) -> NDArray[np.int64]:
    """Return the indices of as many films of each class, without repetition."""
    share = n_films // len(classes)
    found = [np.flatnonzero(one) for one in classes]
    if min(map(len, found)) < 2:
        raise CourseError(f"expected films of each class, found {[len(one) for one in found]}: is this the whole file?")
    return np.sort(np.concatenate([rng.permutation(one)[:share] for one in found]))
