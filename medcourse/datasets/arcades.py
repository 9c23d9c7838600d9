"""The vessels of a retina in millimetres: four arcades of arteries and veins that bend around the macula.

The fovea is the origin, y points down and x to the side of the optic disc (to the right). What is drawn on the left is
the mirror image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.shapes import curve
from medcourse.datasets.tubes import MURRAY

Floats = NDArray[np.float64]

# The disc lies about 15 degrees to the nose of the fovea and a little above it; a degree is about 0.29 mm of retina.
MM_PER_DEGREE = 0.29
DISC_MM = np.array([-0.5, 15.5 * MM_PER_DEGREE])
DISC_RADIUS_MM = 0.88
FOVEA_FREE_MM = 0.35  # nothing but capillaries comes nearer to the fovea than this
THINNEST_MM = 0.013  # radius below which a vessel is left out
VEIN_TO_ARTERY = 1.35  # of widths: an artery is about two thirds to three quarters as wide as its vein
STEP_MM = 0.22
_CELL_MM = 0.11  # of the grid that says where vessels of a kind are already


@dataclass(frozen=True)
class Vessel:
    """A vessel between two branchings, or from a branching to its end.

    Attributes
    ----------
    points
        (n, 2) positions (y, x) in millimetres.
    radii_mm
        (n,).
    is_artery
        Else it is a vein.
    """

    points: Floats
    radii_mm: Floats
    is_artery: bool


@dataclass(frozen=True)
class _Tip:
    """Where a vessel may go on growing."""

    place: Floats
    heading: Floats
    radius: float
    inwards: bool  # to the fovea, else away from it
    left_mm: float  # how far it may still grow
    order: int  # branchings since the trunk


class _Ground:
    """Which places a kind of vessel has taken: branches of arteries do not cross arteries, nor those of veins veins."""

    def __init__(self, rng: np.random.Generator, *, is_artery: bool, reach_mm: float, tortuosity: float) -> None:
        self.rng, self.is_artery, self.reach_mm, self.tortuosity = rng, is_artery, reach_mm, tortuosity
        self.edge = reach_mm + 1
        n = int(2 * self.edge / _CELL_MM) + 3
        self.taken = np.zeros((n, n), int)

    def _index(self, place: Floats) -> tuple[int, int]:
        y, x = np.clip((place + self.edge) / _CELL_MM + 1, 0, len(self.taken) - 1).astype(int).tolist()
        return y, x

    def owner(self, place: Floats) -> int:
        """Return the number of the vessel that is nearby, 0 if there is none."""
        y, x = self._index(place)
        return int(self.taken[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max())

    def take(self, places: Floats, number: int) -> None:
        """Give the ground under a vessel to it."""
        for place in places:
            self.taken[self._index(place)] = number


def daughters(radius_mm: float, share: float) -> tuple[float, float]:
    """Return the radii of the two daughters of a vessel, of which the first takes `share` of the flow.

    Murray's law: the flow goes with the cube of the radius, and no flow is lost.

    Examples
    --------
    >>> a, b = daughters(0.1, 0.5)
    >>> round(a**3 + b**3, 6)
    0.001
    """
    return radius_mm * share ** (1 / MURRAY), radius_mm * (1 - share) ** (1 / MURRAY)


def grow_arcades(
    rng: np.random.Generator,
    *,
    artery_width_mm: float = 0.115,
    reach_mm: float = 6.6,
    tortuosity: float = 1.0,
) -> list[Vessel]:
    """Grow the arteries and veins of a right eye.

    From the disc go four pairs: one above and one below the macula, around which they bend, and two to the nose; and a
    few thin vessels straight to the macula. At each branching the radii obey Murray's law, so that the trunk thins
    with what it gives away. The thinner a vessel, the more it winds.

    Parameters
    ----------
    rng
        Source of the shape.
    artery_width_mm
        Of the arteries above and below the macula, at the disc; veins are about a third wider.
    reach_mm
        Nothing grows farther from the fovea than this.
    tortuosity
        How much vessels wind; 0 is smooth, 1 is usual.
    """
    vessels: list[Vessel] = []
    squeeze, tilt = rng.uniform(0.9, 1.1), rng.normal(0, 0.12)
    for is_artery in (True, False):
        ground = _Ground(rng, is_artery=is_artery, reach_mm=reach_mm, tortuosity=tortuosity)
        width = artery_width_mm * (1.0 if is_artery else VEIN_TO_ARTERY)
        tips: list[_Tip] = []
        for points, radius in _trunks(rng, is_artery=is_artery, radius_mm=width / 2, squeeze=squeeze):
            turned = DISC_MM + (points - DISC_MM) @ np.array([[1, tilt], [-tilt, 1]])
            tips += _grow_trunk(turned, radius, ground, vessels)
        for _ in range(3):  # straight to the macula
            angle = rng.uniform(-0.9, 0.9)
            heading = np.array([np.sin(angle), -np.cos(angle)])
            start = DISC_MM + 0.75 * DISC_RADIUS_MM * heading
            tips.append(_Tip(start, heading, 0.24 * width, inwards=True, left_mm=3.6, order=2))
        vessels += _grow_branches(tips, ground)
    return vessels


def _trunks(
    rng: np.random.Generator, *, is_artery: bool, radius_mm: float, squeeze: float
) -> Iterator[tuple[Floats, float]]:
    """Yield the way of each large vessel from the disc, and its radius there."""
    out = 0.0 if is_artery else 0.33  # veins run outside of their arteries here, and cross them as they go
    for sign in (-1.0, 1.0):
        height = sign * squeeze * (3.0 + rng.normal(0, 0.2) + out)
        knots = np.array(
            [
                [0.0, 0.0],
                [sign * 0.9, -0.12 - 0.2 * out],
                [0.66 * height, -0.6],
                [height, -2.3],
                [1.12 * height, -4.6],
                [0.9 * height, -7.6],
                [0.62 * height, -11.0],
            ]
        )
        knots[2:] += rng.normal(0, 0.16, knots[2:].shape)
        # The trunk starts at the cup, not all at one point.
        start = DISC_MM + np.array([sign * rng.uniform(0, 0.25), rng.normal(0.1 if is_artery else -0.1, 0.08)])
        yield start + knots, radius_mm
        down = sign * (1.5 + rng.normal(0, 0.25) + out)
        nasal = np.array([[0.0, 0.0], [sign * 0.6, 0.25], [down, 1.1], [1.9 * down, 2.0], [2.6 * down, 3.2]])
        nasal[2:] += rng.normal(0, 0.15, nasal[2:].shape)
        yield start + nasal, 0.78 * radius_mm


def _grow_trunk(knots: Floats, radius: float, ground: _Ground, vessels: list[Vessel]) -> list[_Tip]:
    """Draw a large vessel along its way, thinning it at each branching; return the branches that leave it."""
    rng = ground.rng
    length = float(np.linalg.norm(np.diff(knots, axis=0), axis=1).sum())
    path = curve(knots, max(int(length / STEP_MM), 8))
    path[3:] += 0.05 * ground.tortuosity * _winding(rng, len(path))[3:]
    path = path[np.linalg.norm(path, axis=1) < ground.reach_mm + 0.4]
    tips, first, until_next = [], 0, 5 + int(rng.integers(3))
    sign = 1
    for i in range(1, len(path)):
        last = i == len(path) - 1
        until_next -= 1
        if until_next > 0 and not last:
            continue
        piece = path[first : i + 1]
        vessels.append(Vessel(piece, np.full(len(piece), radius), ground.is_artery))
        ground.take(piece, len(vessels))
        if last:
            break
        share = rng.uniform(0.12, 0.28)
        branch, radius = daughters(radius, share)
        along = path[i + 1] - path[i]
        along /= np.linalg.norm(along)
        sign = -sign if rng.random() < 0.8 else sign
        side = sign * np.array([along[1], -along[0]])
        heading = _unit(np.cos(1.0) * along + np.sin(1.0) * side)
        inwards = bool(heading @ path[i] < 0)
        tips.append(_Tip(path[i], heading, branch, inwards, rng.uniform(3.5, 6.5), 1))
        first, until_next = i, 3 + int(rng.integers(4))
    return tips


def _winding(rng: np.random.Generator, n: int) -> Floats:
    """Return a smooth random walk around 0, (n, 2), of variance about 1."""
    noise = rng.normal(size=(n + 6, 2))
    kernel = np.hanning(8)[1:-1]
    return np.stack([np.convolve(c, kernel / np.linalg.norm(kernel), mode="same")[3 : n + 3] for c in noise.T], axis=1)


def _grow_branches(tips: list[_Tip], ground: _Ground) -> list[Vessel]:
    """Let branches grow and divide until they are too thin, meet another of their kind, or leave the picture."""
    rng = ground.rng
    grown: list[Vessel] = []
    number = int(ground.taken.max())
    tips = list(tips)
    while tips:
        tip = tips.pop(0)  # the thick ones first: they were there first
        number += 1
        points, heading, stopped = _walk(tip, ground, number)
        if len(points) < 3:
            continue
        grown.append(Vessel(points, np.linspace(tip.radius, 0.97 * tip.radius, len(points)), ground.is_artery))
        ground.take(points, number)
        left = tip.left_mm - STEP_MM * (len(points) - 1)
        if stopped or left < 2 * STEP_MM:
            continue
        share = rng.uniform(0.55, 0.85)
        side = np.array([heading[1], -heading[0]]) * rng.choice([-1, 1])
        for radius, turn in zip(daughters(0.97 * tip.radius, share), (0.25, -0.75), strict=True):
            if radius >= THINNEST_MM:
                away = _unit(heading + turn * side)
                tips.append(_Tip(points[-1], away, radius, tip.inwards, left * rng.uniform(0.8, 1.0), tip.order + 1))
    return grown


def _walk(tip: _Tip, ground: _Ground, number: int) -> tuple[Floats, Floats, bool]:
    """Grow one vessel to its next branching; return its points, where it heads, and whether it has to end there."""
    place, heading = tip.place, tip.heading
    points = [place]
    n_steps = int(min(ground.rng.uniform(4, 9), tip.left_mm / STEP_MM))
    drift = 0.0
    for step in range(n_steps):
        drift = 0.6 * drift + ground.rng.normal(0, 0.16 * ground.tortuosity)
        centre = _unit(-place if tip.inwards else place)
        heading = _unit(heading + 0.10 * centre + drift * np.array([heading[1], -heading[0]]))
        ahead = place + STEP_MM * heading
        far = float(np.linalg.norm(ahead))
        # The first steps are still on the ground of the vessel that it leaves.
        if far < FOVEA_FREE_MM or far > ground.reach_mm or (step > 1 and ground.owner(ahead) not in (0, number)):
            return np.array(points), heading, True
        place = ahead
        points.append(place)
    return np.array(points), heading, False


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def mirrored(vessels: list[Vessel]) -> list[Vessel]:
    """Return the vessels of the other eye."""
    return [replace(vessel, points=vessel.points * [1, -1]) for vessel in vessels]
