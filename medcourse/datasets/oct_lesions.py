"""Lesions of the retina in optical coherence tomography: where they push the layers, and how they look.

Each lesion is a region between an upper and a lower edge, column by column. `displace` moves the layers out of its way
before they are painted; `fill` gives the region its brightness afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.oct_layers import NAMES, Eye
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

SUBRETINAL, INTRARETINAL, DRUSEN, FOCI = KINDS = (
    "subretinal fluid",
    "intraretinal fluid",
    "drusen",
    "hyperreflective foci",
)


@dataclass(frozen=True)
class Tissue:
    """How a lesion looks: its backscattering against the brightest layer, and what light loses in it."""

    reflectivity_db: float
    loss_db_per_um: float


# Fluid is nearly as dark as the vitreous, and light passes it freely. Drusen are of medium brightness, foci about as
# bright as the nerve fibre layer, and take light, so that they throw a faint shadow.
TISSUES = {
    SUBRETINAL: Tissue(-37.0, 0.0),
    INTRARETINAL: Tissue(-35.0, 0.0),
    DRUSEN: Tissue(-8.0, 0.012),
    FOCI: Tissue(-1.0, 0.06),
}


@dataclass(frozen=True)
class Region:
    """A lesion: its kind, and its upper and lower edge (W,) in micrometres; empty where these meet."""

    kind: str
    top_um: Floats
    bottom_um: Floats


def displace(
    rng: np.random.Generator, x_um: Floats, boundaries_um: Floats, kinds: Sequence[str]
) -> tuple[Floats, list[Region]]:
    """Place lesions along a slice and move the layers out of their way.

    Sizes are about those of the clinic: soft drusen measure 125 um or more across, foci 20 to 40 um; fluid detaches
    the retina by up to a few hundred micrometres, over about a millimetre.

    Parameters
    ----------
    rng
        Source of their places and sizes.
    x_um
        (W,) of the columns, evenly spaced.
    boundaries_um
        (L - 1, W) lower edge of each layer but the last, as `lay_out` makes it.
    kinds
        Of `KINDS`; of each several lesions, about as many a millimetre as in a diseased macula.

    Returns
    -------
    boundaries_um : (L - 1, W)
        Moved upwards where a lesion lies below; Bruch's membrane, the lower edge of the pigment epithelium before,
        stays: a druse lifts the epithelium off it.
    regions : list of Region

    Raises
    ------
    CourseError
        There is no such kind.
    """
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise CourseError(f"lesions must be of {', '.join(KINDS)}, got {', '.join(unknown)}")
    makers = {DRUSEN: _drusen, SUBRETINAL: _detachments, INTRARETINAL: _cysts, FOCI: _foci}
    regions: list[Region] = []
    # From the bottom up: what a lesion lifts lies above it, so that no region placed before has to move.
    for kind, make in makers.items():
        if kind in kinds:
            boundaries_um, made = make(rng, x_um, boundaries_um)
            regions += made
    return boundaries_um, regions


def fill(eye: Eye, regions: Sequence[Region], spacing_um: Floats) -> Eye:
    """Paint regions into an eye; `lesions` becomes 1 + the index in `KINDS` of what lies there."""
    reflectivity, loss, lesions = eye.reflectivity_db.copy(), eye.loss_db_per_um.copy(), eye.lesions.copy()
    depth = (np.arange(len(reflectivity))[:, None] + 0.5) * spacing_um[0]
    for region in regions:
        inside = (depth > region.top_um) & (depth < region.bottom_um)
        tissue = TISSUES[region.kind]
        reflectivity[inside] = tissue.reflectivity_db
        loss[inside] = tissue.loss_db_per_um
        lesions[inside] = 1 + KINDS.index(region.kind)
    return replace(eye, reflectivity_db=reflectivity, loss_db_per_um=loss, lesions=lesions)


def _edge(name: str) -> int:
    """Return the row of `boundaries_um` that is the lower edge of a layer."""
    return NAMES.index(name)


def _places(rng: np.random.Generator, x_um: Floats, per_mm: float) -> Floats:
    """Return random places along the slice, at least one."""
    length_mm = (x_um[-1] - x_um[0]) / 1000
    return np.asarray(rng.uniform(x_um[0], x_um[-1], max(1, rng.poisson(per_mm * length_mm))))


def _dome(u: Floats) -> Floats:
    """Return a bump of height 1 that ends at |u| = 1 with a steep rim, as a drop on a table."""
    return np.asarray(np.clip(1 - u**2, 0, None) ** 0.75)


def _in_order(boundaries: Floats, last: int) -> Floats:
    """Push boundaries above number `last` up where one below has reached them."""
    for i in range(last - 1, -1, -1):
        boundaries[i] = np.minimum(boundaries[i], boundaries[i + 1] - 1.0)
    return boundaries


def _drusen(rng: np.random.Generator, x_um: Floats, boundaries: Floats) -> tuple[Floats, list[Region]]:
    """Heap deposits on Bruch's membrane: the epithelium goes up, the outer nuclear layer gives way."""
    lift = np.zeros_like(x_um)
    for x in _places(rng, x_um, per_mm=1.6):
        half_width = rng.uniform(65, 190)
        height = rng.uniform(0.25, 0.5) * half_width + 12
        lift = np.maximum(lift, height * _dome((x_um - x) / half_width))
    moved = boundaries.copy()
    moved[: _edge("outer nuclear layer")] -= 0.35 * lift  # the inner retina bends less than what lies on the druse
    moved[_edge("outer nuclear layer") : _edge("retinal pigment epithelium") + 1] -= lift
    moved = _in_order(moved, _edge("outer nuclear layer"))
    epithelium = _edge("retinal pigment epithelium")
    return moved, [Region(DRUSEN, moved[epithelium], boundaries[epithelium])]


def _detachments(rng: np.random.Generator, x_um: Floats, boundaries: Floats) -> tuple[Floats, list[Region]]:
    """Let fluid collect between photoreceptors and epithelium: the whole retina floats up."""
    lift = np.zeros_like(x_um)
    for x in _places(rng, x_um, per_mm=0.3):
        half_width = rng.uniform(350, 1100)
        lift = np.maximum(lift, rng.uniform(0.08, 0.2) * half_width * _dome((x_um - x) / half_width) ** 1.5)
    moved = boundaries.copy()
    edge = _edge("outer segments")
    moved[: edge + 1] -= lift
    # The outer segments end where fluid begins; what lies below the fluid is the epithelium's old upper edge.
    return moved, [Region(SUBRETINAL, moved[edge], boundaries[edge])]


def _cysts(rng: np.random.Generator, x_um: Floats, boundaries: Floats) -> tuple[Floats, list[Region]]:
    """Let fluid collect within the inner and outer nuclear layer, in cysts that do not meet."""
    moved, regions = boundaries.copy(), []
    taken: list[tuple[float, float]] = []
    for x in _places(rng, x_um, per_mm=1.6):
        half_width, half_height = rng.uniform(60, 230), rng.uniform(18, 65)
        name = ("inner nuclear layer", "outer nuclear layer")[int(rng.integers(2))]
        if any(abs(x - other) < half_width + width for other, width in taken):
            continue
        taken.append((float(x), half_width))
        u = (x_um - x) / half_width
        chord = half_height * np.sqrt(np.clip(1 - u**2, 0, None))
        lower = _edge(name)
        middle = (moved[lower - 1] + moved[lower]) / 2
        # It grows upwards for the most part: the retina swells towards the vitreous.
        regions.append(Region(INTRARETINAL, middle - 1.6 * chord, middle + 0.4 * chord))
        # A Gaussian lies above the ellipse everywhere; further up, the swelling is lower and wider.
        moved[lower - 1] -= 1.6 * half_height * np.exp(-0.5 * u**2)
        moved[: lower - 1] -= 1.0 * half_height * np.exp(-0.5 * (u / 1.7) ** 2)
        moved = _in_order(moved, lower - 1)
    return moved, regions


def _foci(rng: np.random.Generator, x_um: Floats, boundaries: Floats) -> tuple[Floats, list[Region]]:
    """Scatter bright dots from the inner nuclear to the outer nuclear layer; they push nothing aside."""
    top, bottom = boundaries[_edge("inner plexiform layer")], boundaries[_edge("outer nuclear layer")]
    regions = []
    for x in _places(rng, x_um, per_mm=4.0):
        radius = rng.uniform(12, 22)
        share = rng.uniform(0.05, 0.95)
        middle = (1 - share) * top + share * bottom
        chord = np.sqrt(np.clip(radius**2 - (x_um - x) ** 2, 0, None))
        regions.append(Region(FOCI, middle - chord, middle + chord))
    return boundaries, regions
