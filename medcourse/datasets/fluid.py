"""Slices of the retina with fluid and with what is taken for it: the data of the course's own challenge."""

from collections.abc import Sequence

import numpy as np
from sklearn.utils import Bunch

from medcourse.datasets.oct import to_grey
from medcourse.datasets.oct_lesions import DRUSEN, FOCI, INTRARETINAL, KINDS, SUBRETINAL
from medcourse.datasets.oct_patches import MEMBRANE_ROW, SIDE_PX, SPACING_UM, scan_slice
from medcourse.datasets.ranges import check_ranges

FLUIDS = (SUBRETINAL, INTRARETINAL)
ILLNESSES: tuple[tuple[str, ...], ...] = (
    (),
    (SUBRETINAL,),
    (DRUSEN, FOCI),
    (INTRARETINAL,),
    (SUBRETINAL, DRUSEN),
    (INTRARETINAL, FOCI),
)
"""What the eyes of a set have in turn: a third has no fluid, and half of those have something else."""


def make_fluid_bscans(
    n_eyes: int = 24,
    *,
    width_px: int = 192,
    n_averages: Sequence[int] = (4,),
    noise_db: float = -42.0,
    seed: int = 0,
) -> Bunch:
    """Simulate OCT slices (B-scans) of the macula, one an eye, with the fluid in and under the retina marked.

    The slices are flattened: Bruch's membrane lies at the upper edge of `membrane_row`. Eyes have the `ILLNESSES` in
    turn. Eye and device are those of `make_oct_patches`.

    Parameters
    ----------
    n_eyes
        Number of eyes, each of another person, >= 1.
    width_px
        Columns of a slice, in [64, 768]; each is 16 um.
    n_averages
        Frames that are averaged, a number for each device in [1, 1000]. The first device scans the first six eyes, the
        second the next six, and so on in turn: fewer frames leave more speckle.
    noise_db, seed
        As in `make_oct_patches`.

    Returns
    -------
    Bunch
        images : (N, 64, width_px) float32 in [0, 1].
        fluid : (N, 64, width_px) bool.
        illness : (N,) str, what the eye has, with commas between; "" if it is healthy. An eye with fluid may have none
        in its slice only where fluid lies beyond its edges.
        device : (N,) int, which of `n_averages`.
        spacing_um : (2,) of rows and columns. membrane_row : int. description : str, with SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> eyes = make_fluid_bscans(6, width_px=96)
    >>> eyes.images.shape, eyes.fluid.dtype, str(eyes.illness[4])
    ((6, 64, 96), dtype('bool'), 'subretinal fluid, drusen')
    """
    check_ranges(
        [
            ("n_eyes", n_eyes, 1, 100_000),
            ("width_px", width_px, SIDE_PX, 768),
            ("number of devices in n_averages", len(n_averages), 1, 100),
            *(("n_averages", frames, 1, 1000) for frames in n_averages),
            ("noise_db", noise_db, -np.inf, 100),
        ]
    )
    wet = [1 + KINDS.index(kind) for kind in FLUIDS]
    images, fluid, illness, device = [], [], [], []
    for eye, child in enumerate(np.random.SeedSequence(seed).spawn(n_eyes)):
        kinds = ILLNESSES[eye % len(ILLNESSES)]
        device.append(eye // len(ILLNESSES) % len(n_averages))
        power, lesions = scan_slice(
            child, kinds, n_averages=n_averages[device[-1]], noise_db=noise_db, width_px=width_px
        )
        images.append(to_grey(power, 42.0))
        fluid.append(np.isin(lesions, wet))
        illness.append(", ".join(kinds))
    return Bunch(
        images=np.stack(images),
        fluid=np.stack(fluid),
        illness=np.array(illness),
        device=np.array(device),
        spacing_um=np.array(SPACING_UM),
        membrane_row=MEMBRANE_ROW,
        description=(
            f"SIMULATED optical coherence tomography: {n_eyes} B-scans of {n_eyes} eyes, {len(n_averages)} device(s), "
            f"seed {seed}. Eyes and devices are models; nobody was examined."
        ),
    )
