"""A fetus of about twelve weeks in its sac, cut in the middle: the body that the ultrasound scanner looks at.

Everything is drawn by distances to outlines, in millimetres, so that it can be asked for at any point.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, spatial

Floats = NDArray[np.float64]

TISSUES = ("fluid", "wall", "placenta", "abdominal wall", "soft tissue", "brain", "bone", "heart", "liver", "cord")
FETAL = ("soft tissue", "brain", "bone", "heart", "liver")
# How much a tissue scatters, in dB of amplitude against liver, and how much of the sound it takes, in dB/cm/MHz. The
# order follows Szabo, Diagnostic Ultrasound Imaging, 2nd ed. 2014, appendix B; the scattering is relative.
SCATTER_DB = np.array([-60.0, -4.0, 3.0, -2.0, -1.0, -14.0, 13.0, -13.0, -3.0, -2.0])
ATTENUATION_SHARE = np.array([0.01, 1.1, 1.0, 1.0, 0.8, 0.7, 6.0, 0.8, 1.0, 0.5])  # of the reference tissue's

# The outline of the body, lying on its back, crown to the left, face up; 1 is the crown-rump length. Drawn after the
# proportions of the first-trimester sagittal view: the head takes a good third.
OUTLINE = np.array(
    [
        *[(0.000, 0.110), (0.022, 0.215), (0.075, 0.300), (0.150, 0.350), (0.215, 0.345), (0.243, 0.322)],
        *[(0.262, 0.350), (0.282, 0.348), (0.288, 0.318), (0.308, 0.322), (0.318, 0.300), (0.338, 0.298)],
        *[(0.352, 0.262), (0.368, 0.218), (0.400, 0.205), (0.450, 0.250), (0.530, 0.292), (0.630, 0.318)],
        *[(0.720, 0.315), (0.800, 0.285), (0.870, 0.240), (0.930, 0.180), (0.980, 0.110), (1.000, 0.035)],
        *[(0.985, -0.040), (0.930, -0.085), (0.840, -0.092), (0.720, -0.075), (0.600, -0.060), (0.480, -0.050)],
        *[(0.400, -0.030), (0.345, -0.025), (0.290, -0.060), (0.200, -0.090), (0.110, -0.070), (0.035, 0.000)],
    ]
)
CROWN, RUMP = np.array([0.000, 0.110]), np.array([1.000, 0.035])


@dataclass(frozen=True)
class Body:
    """Tissues at points, and mirrors: how strongly an interface at the point throws sound straight back."""

    tissue: NDArray[np.int64]  # index into TISSUES
    mirror: Floats  # amplitude, before the angle of the beam is considered


@dataclass(frozen=True)
class Pose:
    """Where the fetus lies; lengths in millimetres, x to the right, z down from the probe."""

    crl_mm: float
    centre_z_mm: float
    tilt_deg: float

    def to_world(self, points: Floats) -> Floats:
        """Turn body coordinates (N, 2), 1 = crown-rump length, face up, into (N, 2) x and z in millimetres."""
        scale = self.crl_mm / np.hypot(*(RUMP - CROWN))
        angle = np.deg2rad(self.tilt_deg)
        u, v = (np.asarray(points, float) - (0.5, 0.1)).T * scale
        return np.stack(
            [
                u * np.cos(angle) + v * np.sin(angle),
                self.centre_z_mm + u * np.sin(angle) - v * np.cos(angle),
            ],
            axis=-1,
        )

    def to_body(self, x: Floats, z: Floats) -> tuple[Floats, Floats]:
        """Turn x and z in millimetres into body coordinates."""
        scale = self.crl_mm / np.hypot(*(RUMP - CROWN))
        angle = np.deg2rad(self.tilt_deg)
        dx, dz = x / scale, (z - self.centre_z_mm) / scale
        return dx * np.cos(angle) + dz * np.sin(angle) + 0.5, dx * np.sin(angle) - dz * np.cos(angle) + 0.1


def draw(x: Floats, z: Floats, pose: Pose, wobble: Floats) -> Body:
    """Return what lies at the points `x`, `z` (any shape, millimetres); `wobble` is smooth noise at the points."""
    u, v = pose.to_body(x, z)
    u, v = u + 0.004 * wobble, v + 0.004 * np.roll(wobble, 17, axis=-1)
    tissue = np.full(x.shape, TISSUES.index("wall"))
    mirror = np.zeros(x.shape)
    sac = _sac(u, v, wobble)
    tissue[(sac < 0.13) & (v > 0.22 - 0.3 * (u - 0.5))] = TISSUES.index("placenta")
    tissue[sac < 0] = TISSUES.index("fluid")
    mirror += 2.0 * _line(sac, 0.006)
    _abdominal_wall(tissue, mirror, z + 0.8 * wobble)
    _limbs(tissue, mirror, u, v)
    _trunk(tissue, mirror, u, v)
    return Body(tissue=tissue, mirror=mirror)


def _sac(u: Floats, v: Floats, wobble: Floats) -> Floats:
    """Signed distance to the sac's wall, about in crown-rump lengths, negative inside: a bent egg."""
    du, dv = (u - 0.52) / 0.68, (v - 0.235 + 0.10 * (u - 0.5) ** 2) / 0.365
    return np.asarray((np.sqrt(np.abs(du) ** 2.4 + np.abs(dv) ** 2.4) - 1) * 0.4 + 0.006 * wobble)


def _abdominal_wall(tissue: NDArray[np.int64], mirror: Floats, z: Floats) -> None:
    """Skin, fat with septa, fascia, muscle: layers of the mother's belly before the uterus."""
    tissue[z < 15] = TISSUES.index("abdominal wall")
    for depth, strength in ((1.2, 3.0), (4.0, 0.8), (6.5, 0.9), (9.0, 2.5), (12.0, 0.8), (14.5, 2.2)):
        mirror += strength * _line(z - depth, 0.25)


def _limbs(tissue: NDArray[np.int64], mirror: Floats, u: Floats, v: Floats) -> None:
    soft, bone = TISSUES.index("soft tissue"), TISSUES.index("bone")
    for (a, b), radius, has_bone in [
        (((0.85, 0.19), (0.755, 0.405)), 0.050, True),  # thigh
        (((0.755, 0.405), (0.885, 0.435)), 0.034, True),  # leg
        (((0.885, 0.435), (0.915, 0.485)), 0.024, False),  # foot
        (((0.43, 0.20), (0.475, 0.365)), 0.034, True),  # upper arm
        (((0.475, 0.365), (0.385, 0.425)), 0.026, True),  # forearm
        (((0.385, 0.425), (0.350, 0.450)), 0.022, False),  # hand
    ]:
        distance = _to_segment(u, v, np.array(a), np.array(b))
        tissue[distance < radius] = soft
        mirror += 1.2 * _line(distance - radius, 0.005) * (tissue != TISSUES.index("wall"))
        if has_bone:
            tissue[distance < 0.22 * radius] = bone
    # The cord winds from the navel to the placenta.
    cord = np.abs(u - (0.66 - 0.05 * np.sin(20 * (v - 0.32)) + 0.25 * (v - 0.32)))
    cord_here = (cord < 0.022) & (v > 0.30) & (v < 0.62) & (tissue == TISSUES.index("fluid"))
    tissue[cord_here & (cord > 0.007)] = TISSUES.index("cord")


def _trunk(tissue: NDArray[np.int64], mirror: Floats, u: Floats, v: Floats) -> None:
    depth = _depth(u, v)
    inside = depth > 0
    tissue[inside] = TISSUES.index("soft tissue")
    mirror += 1.6 * _line(depth, 0.005)
    # The skull closes over the brain; the face has bones of its own.
    skull = np.hypot((u - 0.165) / 0.152, (v - 0.125) / 0.198)
    brain = skull < 0.93
    tissue[inside & brain] = TISSUES.index("brain")
    tissue[inside & (skull >= 0.93) & (skull < 1.0)] = TISSUES.index("bone")
    plexus = np.hypot((u - 0.150) / 0.060, (v - 0.120) / 0.030)
    tissue[plexus < 1] = TISSUES.index("placenta")  # the choroid plexus is as bright
    mirror[brain] += 0.9 * _line(v - 0.055 - 0.4 * (u - 0.165), 0.005)[brain]
    for place, radius in (((0.262, 0.315), 0.012), ((0.300, 0.275), 0.014), ((0.325, 0.265), 0.012)):
        tissue[inside & (np.hypot(u - place[0], v - place[1]) < radius)] = TISSUES.index("bone")
    _spine(tissue, u, v, inside)
    tissue[inside & (np.hypot((u - 0.655) / 0.085, (v - 0.195) / 0.085) < 1)] = TISSUES.index("liver")
    for place, radii, organ in [
        ((0.520, 0.190), (0.048, 0.048), "heart"),
        ((0.640, 0.085), (0.026, 0.020), "fluid"),  # stomach
        ((0.880, 0.120), (0.030, 0.028), "fluid"),  # bladder
    ]:
        here = np.hypot((u - place[0]) / radii[0], (v - place[1]) / radii[1]) < 1
        tissue[inside & here] = TISSUES.index(organ)


def _spine(tissue: NDArray[np.int64], u: Floats, v: Floats, inside: NDArray[np.bool_]) -> None:
    """Vertebrae along the back: two rows of bright dots with the canal between them."""
    bend = interpolate.CubicSpline([0.30, 0.40, 0.60, 0.80, 0.92], [0.03, 0.045, 0.02, -0.005, 0.015])
    here = inside & (u > 0.33) & (u < 0.92)
    centre = bend(np.clip(u, 0.3, 0.92))
    gap = 1.0 * (np.abs((u / 0.0235) % 1 - 0.5) < 0.34)
    for offset in (-0.016, 0.016):
        tissue[here & (gap > 0) & (np.abs(v - centre - offset) < 0.006)] = TISSUES.index("bone")
    tissue[here & (np.abs(v - centre) < 0.009)] = TISSUES.index("brain")


def _depth(u: Floats, v: Floats) -> Floats:
    """Return how deep a point lies in the body, in crown-rump lengths; negative outside."""
    from matplotlib.path import Path  # noqa: PLC0415  (the quickest test of polygons among the dependencies)

    closed = np.vstack([OUTLINE, OUTLINE[:1]])
    spline = interpolate.CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    smooth = spline(np.linspace(0, len(OUTLINE), 1200))
    points = np.stack([u.ravel(), v.ravel()], axis=-1)
    distance = spatial.cKDTree(smooth).query(points, distance_upper_bound=0.3)[0]
    distance = np.minimum(distance, 0.3)
    inside = Path(smooth).contains_points(points)
    return np.asarray(np.where(inside, distance, -distance).reshape(u.shape))


def _to_segment(u: Floats, v: Floats, a: Floats, b: Floats) -> Floats:
    along = np.clip(((u - a[0]) * (b - a)[0] + (v - a[1]) * (b - a)[1]) / ((b - a) ** 2).sum(), 0, 1)
    return np.asarray(np.hypot(u - a[0] - along * (b - a)[0], v - a[1] - along * (b - a)[1]))


def _line(distance: Floats, width: float) -> Floats:
    """Return a ridge of height 1 where the distance is 0."""
    return np.asarray(np.exp(-((distance / width) ** 2)))
