"""A brain and its mirror image: a pair to register that needs one labelled person only."""

import numpy as np
from numpy.typing import NDArray

from medcourse.errors import CourseError

# FreeSurfer's numbers of structures that come in pairs, left and right (its FreeSurferColorLUT).
LEFT_RIGHT = (
    (2, 41),  # cerebral white matter
    (3, 42),  # cerebral cortex
    (4, 43),  # lateral ventricle
    (5, 44),  # its temporal horn
    (7, 46),  # cerebellar white matter
    (8, 47),  # cerebellar cortex
    (10, 49),  # thalamus
    (11, 50),  # caudate
    (12, 51),  # putamen
    (13, 52),  # pallidum
    (17, 53),  # hippocampus
    (18, 54),  # amygdala
    (26, 58),  # accumbens
    (28, 60),  # ventral diencephalon
    (30, 62),  # vessel
    (31, 63),  # choroid plexus
)


def mirror_brain(
    image: NDArray[np.floating], numbers: NDArray[np.integer], *, axis: int = 0
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """Return the brain seen in a mirror, whose left structures bear the numbers of left structures again.

    Parameters
    ----------
    image, numbers
        (X, Y, Z) grey values, and FreeSurfer's number of the structure at each voxel.
    axis
        The axis that runs from one side of the head to the other.

    Returns
    -------
    image, numbers : of the same shape

    Examples
    --------
    >>> mirror_brain(np.array([1.0, 5.0, 9.0]), np.array([2, 16, 41]))[1]  # left, brain stem, right
    array([ 2, 16, 41])
    """
    if image.shape != numbers.shape:
        raise CourseError(f"numbers must match image shape {image.shape}, got {numbers.shape}")
    other = np.arange(int(numbers.max(initial=0)) + 1)
    for left, right in LEFT_RIGHT:
        for here, there in ((left, right), (right, left)):
            if here < len(other):
                other[here] = there
    return np.flip(image, axis), other[np.flip(numbers, axis)].astype(np.result_type(numbers.dtype, np.uint8))
