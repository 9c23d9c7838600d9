"""The layers of the retina as optical coherence tomography sees them, and what a slice through them is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """A layer of the retina.

    `reflectivity_db` is its backscattering against the brightest layer; `loss_db_per_100_um` what light loses in it on
    the way there and back; thickness in micrometres away from the fovea and in its middle.
    """

    name: str
    reflectivity_db: float
    thickness_um: float
    foveal_um: float
    loss_db_per_100_um: float = 1.0


# Thicknesses about 1.5 to 3 mm from the fovea and in its centre, rounded from macular averages of healthy adults
# (Loduca et al. 2010, Am J Ophthalmol 150:849; Bagci et al. 2008, ibid. 146:679); the order of brightness is that of
# Staurenghi et al. 2014, Ophthalmology 121:1572, who name the bands.
LAYERS = (
    Layer("vitreous", -42.0, 0.0, 0.0, 0.0),
    Layer("retinal nerve fibre layer", -3.0, 38.0, 3.0, 2.0),
    Layer("ganglion cell layer", -13.0, 42.0, 6.0),
    Layer("inner plexiform layer", -8.5, 36.0, 6.0),
    Layer("inner nuclear layer", -17.0, 36.0, 7.0),
    Layer("outer plexiform layer", -9.0, 28.0, 14.0),
    Layer("outer nuclear layer", -20.0, 66.0, 108.0, 0.5),
    Layer("external limiting membrane", -11.0, 4.0, 4.0),
    Layer("myoid zone", -16.0, 18.0, 22.0),
    Layer("ellipsoid zone", -1.5, 14.0, 16.0, 2.0),
    Layer("outer segments", -12.0, 22.0, 34.0),
    Layer("retinal pigment epithelium", 0.0, 22.0, 24.0, 8.0),
    Layer("choriocapillaris", -7.0, 16.0, 16.0, 4.0),
    Layer("choroid", -9.0, 240.0, 260.0, 3.2),
    Layer("sclera", -8.0, 0.0, 0.0, 3.0),  # down to the end of the picture
)
NAMES = tuple(layer.name for layer in LAYERS)


@dataclass(frozen=True)
class Eye:
    """What lies where in a slice, before light is sent in; grids are (H, W).

    Disease comes in twice (`oct_lesions`): it moves `boundaries_um` before an eye is painted, and changes its grids
    after.
    """

    boundaries_um: Floats  # (len(LAYERS) - 1, W) depth of the lower edge of each layer but the last
    layers: NDArray[np.int64]  # index into LAYERS
    reflectivity_db: Floats
    loss_db_per_um: Floats
    lesions: NDArray[np.int64]  # 0 healthy, else 1 + index into oct_lesions.KINDS
