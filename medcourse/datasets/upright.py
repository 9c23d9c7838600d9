"""Turn a labelled brain so that its axes run to the right, front and up, by where its parts lie."""

import numpy as np
from sklearn.utils import Bunch

from medcourse.datasets.ages import PARTS

_DEEP, _STEM, _CEREBELLUM = (PARTS.index(name) for name in ("basal ganglia and thalami", "brain stem", "cerebellum"))


def stand_upright(brains: Bunch) -> Bunch:
    """Turn each brain so that its first axis runs from side to side, its second to the front, its third up.

    A header ought to say how a volume lies, and `read_labelled_brains` believes it. Some files have the identity there
    whatever they hold, so "coronal" slices come out axial. Anatomy tells: the brain is symmetric from side to side, so
    the axis along which deep nuclei and cerebellum differ least is that one; the stem is below the nuclei, and the
    cerebellum behind the stem. Left and right are alike in this, and stay as they are. A brain without these parts
    stays as it is.

    Parameters
    ----------
    brains
        From `read_labelled_brains`.

    Returns
    -------
    Bunch
        The same with images, labels and spacing_mm turned; the volumes are views of the old ones.
    """
    images, labels, spacings = [], [], []
    for image, parts, spacing in zip(brains.images, brains.labels, brains.spacing_mm, strict=True):
        axes, flips = _lie(parts, spacing)
        images.append(np.flip(image.transpose(axes), flips))
        labels.append(np.flip(parts.transpose(axes), flips))
        spacings.append(tuple(spacing[axis] for axis in axes))
    return Bunch(**{**brains, "images": images, "labels": labels, "spacing_mm": spacings})


def _lie(parts: np.ndarray, spacing: tuple[float, float, float]) -> tuple[tuple[int, int, int], tuple[int, ...]]:
    """Return the axes that run across, to the front and up, and which of these to flip, by their new numbers."""
    where = [np.argwhere(parts == part) for part in (_DEEP, _STEM, _CEREBELLUM)]
    if not all(len(each) for each in where):
        return (0, 1, 2), ()
    deep, stem, cerebellum = (each.mean(axis=0) * spacing for each in where)
    across = int(np.abs(deep - cerebellum).argmin())
    front, up = (axis for axis in range(3) if axis != across)
    if abs(deep - stem)[front] > abs(deep - stem)[up]:
        front, up = up, front
    flips = [1] if stem[front] < cerebellum[front] else []
    flips += [2] if deep[up] < stem[up] else []
    return (across, front, up), tuple(flips)
