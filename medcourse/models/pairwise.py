"""Registration of one pair by optimisation, as it was done before networks and still is: SimpleITK's.

All take two arrays on one grid and give a displacement as `medcourse.models.deformation` has it: (d, *S) in pixels,
components in the order of the axes, from the fixed to the moving image. They run on as many threads as PyTorch may.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medcourse.errors import CourseError

Floats = NDArray[np.floating]
Field = NDArray[np.float32]
_SEED = 1  # of the sample; 0 would be the clock


def register_affine(moving: Floats, fixed: Floats, *, iterations: int = 100) -> Field:
    """Return the best map of twelve numbers (six in 2D): shift, turn, scale and shear. Mean squares of the grey values.

    Examples
    --------
    >>> blob = np.exp(-((np.indices((24, 24)) - 11.5) ** 2).sum(0) / 18)
    >>> field = register_affine(np.roll(blob, 2, axis=0), blob)
    >>> [round(float(part[8:16, 8:16].mean())) for part in field]
    [2, 0]
    """
    itk, moved, still = _images(moving, fixed)
    start = itk.CenteredTransformInitializer(
        still, moved, itk.AffineTransform(moving.ndim), itk.CenteredTransformInitializerFilter.GEOMETRY
    )
    method = _method(itk, start, shrink=(4, 2, 1))
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, iterations)
    method.SetOptimizerScalesFromPhysicalShift()
    return _field(itk, method.Execute(still, moved), still)


def register_bspline(
    moving: Floats, fixed: Floats, *, knots: int = 10, iterations: int = 100, sampled: float = 1.0
) -> Field:
    """Return a displacement of cubic B-splines on a coarse grid of knots. Mean squares, L-BFGS-B.

    Parameters
    ----------
    moving, fixed
        (H, W) or (D, H, W) grey values on one grid.
    knots
        Cells of the grid of knots along each axis, >= 1.
    iterations
        At each of three resolutions.
    sampled
        Share of voxels that the error is computed at, drawn once a resolution; in (0, 1]. Less than 1 saves hours in
        volumes.
    """
    itk, moved, still = _images(moving, fixed)
    method = _method(itk, itk.BSplineTransformInitializer(still, [knots] * moving.ndim, 3), shrink=(4, 2, 1))
    if sampled < 1:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(sampled, _SEED)
    # A step of its line search may look more than once; without this bound, up to 2000 times.
    method.SetOptimizerAsLBFGSB(
        gradientConvergenceTolerance=1e-6,
        numberOfIterations=iterations,
        maximumNumberOfFunctionEvaluations=2 * iterations,
    )
    return _field(itk, method.Execute(still, moved), still)


def register_demons(moving: Floats, fixed: Floats, *, iterations: int = 100, sigma_px: float = 1.5) -> Field:
    """Return the displacement of diffeomorphic demons (Vercauteren et al. 2009), at three resolutions.

    Parameters
    ----------
    moving, fixed
        (H, W) or (D, H, W) grey values on one grid.
    iterations
        At each resolution.
    sigma_px
        Standard deviation of the Gaussian that smooths the displacement after each iteration, > 0.
    """
    itk, moved, still = _images(moving, fixed)
    demons = itk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfThreads(torch.get_num_threads())
    demons.SetNumberOfIterations(iterations)
    demons.SetStandardDeviations(sigma_px)
    field = None
    for shrink in (4, 2, 1):
        small_still, small_moved = (_shrink(itk, image, shrink) for image in (still, moved))
        if field is None:
            field = demons.Execute(small_still, small_moved)
        else:
            field = demons.Execute(small_still, small_moved, itk.Resample(field, small_still))
    return _as_array(itk, itk.Resample(field, still))


def _images(moving: Floats, fixed: Floats) -> tuple[Any, Any, Any]:
    import SimpleITK as itk  # noqa: N813, PLC0415  (slow)

    if moving.shape != fixed.shape or moving.ndim not in (2, 3):
        raise CourseError(f"moving must be (H, W) or (D, H, W) as fixed, {fixed.shape}, got {moving.shape}")
    moved, still = (itk.GetImageFromArray(np.asarray(image, np.float32)) for image in (moving, fixed))
    return itk, moved, still


def _method(itk: Any, start: Any, *, shrink: tuple[int, ...]) -> Any:
    method = itk.ImageRegistrationMethod()
    method.SetNumberOfThreads(torch.get_num_threads())
    method.SetMetricAsMeanSquares()
    method.SetInterpolator(itk.sitkLinear)
    method.SetShrinkFactorsPerLevel(list(shrink))
    method.SetSmoothingSigmasPerLevel([factor / 2 if factor > 1 else 0 for factor in shrink])
    method.SetInitialTransform(start, inPlace=True)
    return method


def _shrink(itk: Any, image: Any, factor: int) -> Any:
    if factor == 1:
        return image
    return itk.Shrink(itk.SmoothingRecursiveGaussian(image, factor / 2), [factor] * image.GetDimension())


def _field(itk: Any, transform: Any, like: Any) -> Field:
    sampled = itk.TransformToDisplacementField(
        transform, itk.sitkVectorFloat64, like.GetSize(), like.GetOrigin(), like.GetSpacing(), like.GetDirection()
    )
    return _as_array(itk, sampled)


def _as_array(itk: Any, field: Any) -> Field:
    """Return (d, *S): ITK's last axis holds x, y, z, while arrays count their axes the other way round."""
    vectors = itk.GetArrayFromImage(field)
    return np.ascontiguousarray(np.moveaxis(vectors, -1, 0)[::-1], np.float32)
