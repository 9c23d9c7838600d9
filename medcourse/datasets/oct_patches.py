"""Patches of the retina for anomaly detection: healthy ones to learn from, healthy and diseased ones to be judged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.oct import add_vessels, axial_resolution_um, lay_out, paint, scan, to_grey
from medcourse.datasets.oct_layers import LAYERS, NAMES
from medcourse.datasets.oct_lesions import KINDS, displace, fill
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

SIDE_PX = 64
SPACING_UM = (8.0, 16.0)  # along depth, and across
MEMBRANE_ROW = 52  # Bruch's membrane lies at the upper edge of this row, in each patch
_OVERSAMPLING = 2  # rows of the scan a row of the patch: what the eye has of layers is finer than a patch shows
_STRIP_PX = 384  # columns of the slice that the patches of an eye are cut from, 6.1 mm


def make_oct_patches(
    n_eyes: int = 32,
    *,
    patches_per_eye: int = 8,
    diseased: float = 0.0,
    kinds: Sequence[str] = KINDS,
    n_averages: int = 4,
    noise_db: float = -42.0,
    dynamic_range_db: float = 42.0,
    seed: int = 0,
) -> Bunch:
    """Simulate patches of B-scans whose retina has been flattened, some of them with lesions.

    An eye is one slice of the macula with its own thickness of each layer, curvature taken out: Bruch's membrane is a
    straight line. Eyes with a disease have lesions of one kind, all along the slice, so that most of their patches show
    one. The light, the speckle and the shadows of vessels are those of `make_oct`.

    Parameters
    ----------
    n_eyes
        Number of eyes, >= 1.
    patches_per_eye
        Cut at equal distances from a slice of 6.1 mm; more than 6 overlap.
    diseased
        Share of the eyes that have a disease, in [0, 1]; these come last, kind by kind in turn.
    kinds
        Of `oct_lesions.KINDS`.
    n_averages, noise_db, dynamic_range_db
        As in `make_oct`.
    seed
        Same seed, same patches.

    Returns
    -------
    Bunch
        images : (N, 64, 64) float32 in [0, 1], N = n_eyes * patches_per_eye.
        lesions : (N, 64, 64) int, 0 where healthy, else 1 + the index in `KINDS`.
        diseased : (N,) bool, whether a patch shows any lesion: an eye with a disease has patches without.
        kind : (N,) str, of the eye; "" if it is healthy.
        eyes : (N,) int, which eye: split by it.
        spacing_um : (2,) of rows and columns. membrane_row : int. description : str, with SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range, or there is no such kind.

    Notes
    -----
    Schlegl et al. (2017) cut patches of 64 x 64 pixels out of retinas that a segmentation had flattened. Here the
    membrane is known. The slice is made flat before the scan: the only difference to flattening the picture is the
    device's roll-off, a few decibels a millimetre.

    Examples
    --------
    >>> patches = make_oct_patches(2, patches_per_eye=3, diseased=0.5)
    >>> patches.images.shape, patches.eyes.tolist(), str(patches.kind[-1])
    ((6, 64, 64), [0, 0, 0, 1, 1, 1], 'subretinal fluid')
    """
    check_ranges(
        [
            ("n_eyes", n_eyes, 1, 100_000),
            ("patches_per_eye", patches_per_eye, 1, _STRIP_PX - SIDE_PX),
            ("diseased", diseased, 0, 1),
            ("n_averages", n_averages, 1, 1000),
            ("noise_db", noise_db, -np.inf, 100),
            ("dynamic_range_db", dynamic_range_db, 1, 200),
        ]
    )
    if not kinds:
        raise CourseError(f"kinds must name at least one of {', '.join(KINDS)}, got none")
    n_healthy = n_eyes - round(diseased * n_eyes)
    starts = np.linspace(0, _STRIP_PX - SIDE_PX, patches_per_eye).astype(int)
    images, lesions, kind_of = [], [], []
    for eye, child in enumerate(np.random.SeedSequence(seed).spawn(n_eyes)):
        kind = kinds[(eye - n_healthy) % len(kinds)] if eye >= n_healthy else ""
        power, regions = scan_slice(child, [kind] if kind else [], n_averages=n_averages, noise_db=noise_db)
        grey = to_grey(power, dynamic_range_db)
        images += [grey[:, start : start + SIDE_PX] for start in starts]
        lesions += [regions[:, start : start + SIDE_PX] for start in starts]
        kind_of += [kind] * patches_per_eye
    masks = np.stack(lesions)
    return Bunch(
        images=np.stack(images),
        lesions=masks,
        diseased=masks.any(axis=(1, 2)),
        kind=np.array(kind_of),
        eyes=np.repeat(np.arange(n_eyes), patches_per_eye),
        spacing_um=np.array(SPACING_UM),
        membrane_row=MEMBRANE_ROW,
        description=(
            f"SIMULATED optical coherence tomography: {len(masks)} patches of {n_eyes} eyes, {n_eyes - n_healthy} of "
            f"them with a disease, seed {seed}. Eyes and device are models; nobody was examined."
        ),
    )


def scan_slice(
    seed: np.random.SeedSequence,
    kinds: Sequence[str],
    *,
    n_averages: int,
    noise_db: float,
    width_px: int = _STRIP_PX,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return power and lesions, (64, width_px), of a flattened slice of one eye."""
    anatomy, speckle, disease = (np.random.default_rng(s) for s in seed.spawn(3))
    spacing = np.array([SPACING_UM[0] / _OVERSAMPLING, SPACING_UM[1]])
    # Left or right eye, and where along the slice its fovea lies.
    side, fovea_um = anatomy.choice([-1, 1]), anatomy.uniform(-2000, 2000)
    x_um = (np.arange(width_px) + 0.5 - width_px / 2) * spacing[1] - fovea_um
    # Eyes differ by about a tenth in each layer's thickness.
    factors = {layer.name: float(np.exp(0.1 * anatomy.normal())) for layer in LAYERS[1:-1]}
    boundaries = lay_out(anatomy, x_um, depth_um=1500.0, factors=factors)
    membrane = boundaries[NAMES.index("retinal pigment epithelium")]
    boundaries = boundaries - membrane + MEMBRANE_ROW * SPACING_UM[0]
    boundaries, regions = displace(disease, x_um, boundaries, kinds)
    eye = paint(anatomy, boundaries, height=SIDE_PX * _OVERSAMPLING, spacing_um=spacing)
    eye, _ = add_vessels(anatomy, fill(eye, regions, spacing), x_um, int(anatomy.integers(2, 10)), spacing)
    power = scan(
        speckle,
        eye,
        spacing_um=spacing,
        axial_um=axial_resolution_um(870.0, 50.0),
        spot_um=14.0,
        rolloff_db_per_mm=2.5,
        noise_db=noise_db,
        n_averages=n_averages,
    )
    rows = (SIDE_PX, _OVERSAMPLING, width_px)
    return power.reshape(rows).mean(axis=1)[:, ::side], eye.lesions.reshape(rows).max(axis=1)[:, ::side]
