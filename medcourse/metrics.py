"""What a result is measured by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medcourse.errors import CourseError


def dice(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """Return 2 |A and B| / (|A| + |B|), in [0, 1].

    Examples
    --------
    >>> dice(np.array([1, 1, 0]) > 0, np.array([0, 1, 1]) > 0)
    0.5
    >>> dice(np.zeros(3, bool), np.zeros(3, bool))
    1.0
    """
    _same_shape(truth, predicted)
    total = int(truth.sum()) + int(predicted.sum())
    if total == 0:
        # Both masks empty: they agree, so 1 rather than 0/0.
        return 1.0
    return 2 * int((truth & predicted).sum()) / total


def iou(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """Return |A and B| / |A or B|, in [0, 1]; 1 for two empty masks.

    Examples
    --------
    >>> iou(np.array([1, 1, 0, 0]) > 0, np.array([0, 1, 1, 1]) > 0)
    0.25
    """
    _same_shape(truth, predicted)
    union = int((truth | predicted).sum())
    return int((truth & predicted).sum()) / union if union else 1.0


def border_distances(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each border pixel of one mask lies from the border of the other, in millimetres.

    A border pixel belongs to the mask and has a neighbour, along an axis, that does not; what lies beyond the image
    counts as outside.

    Parameters
    ----------
    truth, predicted
        Masks of the same shape, in 2D or 3D, neither of them empty.
    spacing_mm
        Of pixels along each axis, in the order of the axes.

    Returns
    -------
    from_truth, from_predicted
        One distance a border pixel of `truth` to the border of `predicted`, and the other way round.

    Examples
    --------
    >>> line = np.zeros((1, 8), bool)
    >>> here, there = line.copy(), line.copy()
    >>> here[0, 1], there[0, 4] = True, True
    >>> border_distances(here, there, (1.0, 2.0))
    (array([6.]), array([6.]))
    """
    _same_shape(truth, predicted)
    if len(spacing_mm) != truth.ndim:
        raise CourseError(f"spacing_mm must hold a number for each of {truth.ndim} axes, got {spacing_mm}")
    if not truth.any() or not predicted.any():
        raise CourseError("both masks must hold at least one pixel, for a border that is not there has no distance")
    borders = [mask & ~ndimage.binary_erosion(mask) for mask in (truth, predicted)]
    away = [ndimage.distance_transform_edt(~border, sampling=spacing_mm) for border in borders]
    return away[1][borders[0]], away[0][borders[1]]


def hd95(truth: NDArray[np.bool_], predicted: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> float:
    """Return the 95 % Hausdorff distance in millimetres: all but the worst twentieth of both borders is nearer.

    The larger one of the 95th percentiles of both directions, as in MONAI. 0 for two empty masks; infinite where only
    one of them is empty.

    Examples
    --------
    >>> hd95(np.eye(3) > 0, np.eye(3) > 0, (1.0, 1.0))
    0.0
    >>> hd95(np.eye(3) > 0, np.zeros((3, 3), bool), (1.0, 1.0))
    inf
    """
    _same_shape(truth, predicted)
    if not truth.any() or not predicted.any():
        return float("inf") if truth.any() or predicted.any() else 0.0
    return float(max(np.percentile(each, 95) for each in border_distances(truth, predicted, spacing_mm)))


@dataclass(frozen=True)
class ObjectMatch:
    """Cells found, invented and missed, and cells lost because two were drawn as one."""

    n_true: int
    n_predicted: int
    found: int
    merges: int

    @property
    def f1(self) -> float:
        """Harmonic mean of the share of true cells found and of drawn objects that are cells; 1 if there are none."""
        total = self.n_true + self.n_predicted
        return 2 * self.found / total if total else 1.0


def match_objects(truth: NDArray[np.integer], predicted: NDArray[np.integer], *, min_iou: float = 0.5) -> ObjectMatch:
    """Match drawn objects to true cells.

    A cell is found if one object overlaps it with an IoU above `min_iou` (from 0.5 on, at most one object can). An
    object that covers more than half of each of m cells merges them and counts m - 1 merges.

    Parameters
    ----------
    truth, predicted
        (H, W) label images: 0 is background, every other number an object.

    Examples
    --------
    >>> truth = np.array([[1, 1, 2, 2, 0, 3]])
    >>> match_objects(truth, np.array([[1, 1, 1, 1, 0, 2]]))
    ObjectMatch(n_true=3, n_predicted=2, found=1, merges=1)
    """
    _same_shape(truth, predicted)
    if min_iou < 0.5:
        raise CourseError(f"min_iou must be at least 0.5 for a match to be unique, got {min_iou}")
    _, true_ids = np.unique(np.append(truth.ravel(), 0), return_inverse=True)
    _, drawn_ids = np.unique(np.append(predicted.ravel(), 0), return_inverse=True)
    n_true, n_drawn = int(true_ids.max()), int(drawn_ids.max())
    # The 0 appended above makes sure that background has index 0 even where an image has none.
    table = np.zeros((n_true + 1, n_drawn + 1), dtype=np.int64)
    np.add.at(table, (true_ids[:-1], drawn_ids[:-1]), 1)
    overlap = table[1:, 1:]  # (true cells, drawn objects)
    area_true, area_drawn = table[1:].sum(1, keepdims=True), table[:, 1:].sum(0, keepdims=True)
    ratio = overlap / np.maximum(area_true + area_drawn - overlap, 1)
    covered = (2 * overlap > area_true).sum(0)  # cells that each object mostly covers
    return ObjectMatch(
        n_true=n_true,
        n_predicted=n_drawn,
        found=int((ratio > min_iou).sum()),
        merges=int(np.maximum(covered - 1, 0).sum()),
    )


def label_objects(mask: NDArray[np.bool_], *, min_size_px: int = 0) -> NDArray[np.int32]:
    """Give each 4-connected part of `mask` (H, W) a number from 1; parts below `min_size_px` become background.

    4-connected, because a one-pixel diagonal border between two cells must be enough to keep them apart.
    """
    labels, n = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)
    keep = sizes >= min_size_px
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0)
    return np.asarray(numbers[labels], dtype=np.int32)


def _same_shape(truth: NDArray[np.generic], predicted: NDArray[np.generic]) -> None:
    if truth.shape != predicted.shape:
        raise CourseError(f"prediction must match the truth's shape {truth.shape}, got {predicted.shape}")
