"""Where nodules and lymph nodes lie in a simulated chest, and their painting into a scan."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.lesions import draw_node, draw_nodule, draw_spicules
from medcourse.datasets.lungtree import pieces
from medcourse.datasets.scanning import CODE, Scan
from medcourse.datasets.torso import COARSE_MM, GRID, Field, Torso, raise_tubes
from medcourse.datasets.tubes import Floats, Segment, filled, perpendicular, unit

FINDING_MM = 10.0  # lymph nodes with a short axis of this and more are findings
# Stations of lymph nodes: middle (z, y, x) in the torso's millimetres, how far around it they lie, their frequency.
# Names as in Rusch et al., Journal of Thoracic Oncology 4(5):568-577, 2009. doi:10.1097/JTO.0b013e3181a0d82e
STATIONS: dict[str, tuple[tuple[float, float, float], float, float]] = {
    "2R": ((58, 8, -18), 16, 1.0),
    "4R": ((14, 8, -20), 18, 3.0),
    "4L": ((4, 18, 16), 14, 1.5),
    "5": ((10, 6, 30), 16, 2.0),
    "6": ((14, -24, 14), 20, 1.5),
    "7": ((-18, 26, 4), 18, 2.5),
    "8": ((-70, 30, 8), 22, 1.0),
    "10R": ((-16, 16, -40), 18, 1.5),
    "10L": ((-16, 22, 44), 18, 1.5),
    "3A": ((20, -38, -4), 22, 0.8),
}


@dataclass
class Node:
    """A lymph node: an ellipsoid in the torso's millimetres; `short_mm` is its shortest diameter."""

    centre: Floats
    half_axes: Floats
    turn: Floats
    station: str

    @property
    def short_mm(self) -> float:
        """Short axis in millimetres."""
        return float(2 * self.half_axes.min())


@dataclass
class Nodule:
    """A lung nodule, in the person's millimetres."""

    centre: Floats
    diameter_mm: float
    site: str
    is_subsolid: bool
    has_spicules: bool
    kind: str = ""


def place_nodes(
    rng: np.random.Generator,
    fields: dict[str, Field],
    scale: Floats,
    counts: tuple[int, int],
    heights_mm: tuple[float, float],
) -> list[Node]:
    """Put lymph nodes into the fat of the stations within these heights, and raise the mediastinum around them.

    `counts` are those of enlarged and of normal nodes; where there is no room for one it is left out.
    """
    low, high = heights_mm[0] / scale[0] + 4, heights_mm[1] / scale[0] - 4
    names = [name for name, (middle, _, _) in STATIONS.items() if low < middle[0] < high]
    if not names:
        return []
    weights = np.array([STATIONS[name][2] for name in names])
    occupied = fields["organs"]
    nodes: list[Node] = []
    for i in range(sum(counts)):
        enlarged = i < counts[0]  # the large ones first, while there is room
        short = float(min(rng.gamma(2.0, 3.2) + 10, 30) if enlarged else rng.uniform(3, 9))
        station = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        ratio = np.sort(rng.uniform(1.0, 1.7, 2))
        half = short / 2 * np.array([1.0, *ratio])
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        centre = _room(rng, fields["middle"], occupied, STATIONS[station], half=half, heights=(low, high))
        if centre is None:
            continue
        nodes.append(Node(centre, half, turn, station))
        middle_axis, long_axis = turn[2] * (half[2] - half[0]), half.mean()
        ball = [Segment(centre - middle_axis, centre + middle_axis + 1e-6, half[0], half[0])]
        raise_tubes(occupied, ball, margin_mm=float(long_axis - half[0]) / 2 + 0.5)
        raise_tubes(fields["middle"], ball, margin_mm=1.5)
    return nodes


def _room(
    rng: np.random.Generator,
    middle: Field,
    occupied: Field,
    station: tuple[tuple[float, float, float], float, float],
    *,
    half: Floats,
    heights: tuple[float, float],
) -> Floats | None:
    """Return a place near a station's middle where an ellipsoid has room, None if there is none."""
    place, spread, _ = station
    spread = spread + 0.5 * half[0]
    part = tuple(
        slice(*np.searchsorted(axis, [p - spread, p + spread]).tolist()) for axis, p in zip(GRID, place, strict=True)
    )
    free, inside = -occupied[part], middle[part]
    axes = [axis[one] for axis, one in zip(GRID, part, strict=True)]
    fits = (free > half[:2].mean()) & (inside > -0.35 * half[0])
    reach = half.max() if half[0] * 2 >= FINDING_MM else half[0]
    fits &= ((axes[0] > heights[0] + reach) & (axes[0] < heights[1] - reach))[:, None, None]
    spots = np.argwhere(fits)
    if not len(spots):
        return None
    spot = spots[rng.integers(len(spots))] + rng.uniform(-0.3, 0.3, 3)
    return np.array([axis[0] + s * COARSE_MM for axis, s in zip(axes, spot, strict=True)])


def place_nodules(
    rng: np.random.Generator,
    torso: Torso,
    n: int,
    *,
    diameter_mm: tuple[float, float],
    shares: tuple[float, float],
    heights: tuple[float, float],
) -> list[Nodule]:
    """Put nodules into the lungs, free, at the chest wall or at a vessel, none near another."""
    cut = [pieces(tree) for tree in torso.arteries + torso.veins]
    start, end, radius = (np.concatenate([c[i] for c in cut]) for i in range(3))
    vessels = ((start + end) / 2 * torso.scale, radius, end - start)
    nodules: list[Nodule] = []
    for _ in range(n):
        log = rng.uniform(*np.log(diameter_mm))
        nodule = Nodule(
            centre=np.zeros(3),
            diameter_mm=float(np.exp(log)),
            site=str(rng.choice(["free", "pleural", "vessel"], p=[0.5, 0.25, 0.25])),
            is_subsolid=bool(rng.random() < shares[0]),
            has_spicules=bool(rng.random() < shares[1]),
        )
        reach = nodule.diameter_mm / 2 + 2
        spots = _spots(torso, nodule, vessels, (heights[0] + reach, heights[1] - reach))
        for _ in range(40 if len(spots) else 0):
            centre = _candidate(rng, torso, nodule, vessels, spots[rng.integers(len(spots))])
            if centre is not None and _is_apart(centre, nodule, nodules, heights):
                nodules.append(nodule)
                nodule.centre = centre
                break
    return nodules


def _is_apart(centre: Floats, nodule: Nodule, others: list[Nodule], heights: tuple[float, float]) -> bool:
    """Say whether a nodule lies wholly within the heights, and 12 mm from any other one."""
    reach = nodule.diameter_mm / 2 + 2
    gaps = [float(np.linalg.norm(centre - o.centre)) - (o.diameter_mm + nodule.diameter_mm) / 2 for o in others]
    return bool(heights[0] + reach < centre[0] < heights[1] - reach) and min(gaps, default=99.0) > 12


def _spots(
    torso: Torso, nodule: Nodule, vessels: tuple[Floats, Floats, Floats], heights: tuple[float, float]
) -> NDArray[np.int64]:
    """Return where a nodule of this site may be: numbers of vessels' pieces, or voxels of the torso's grid."""
    r = nodule.diameter_mm / 2
    if nodule.site == "vessel":
        places, radii, _ = vessels
        fits = (radii > 0.8) & (radii < 2.4) & (places[:, 0] > heights[0]) & (places[:, 0] < heights[1])
        return np.flatnonzero(fits)
    rows = np.searchsorted(GRID[0] * torso.scale[0], heights)
    cage, lung = (torso.fields[name][rows[0] : rows[1]] for name in ("cage", "lung"))
    fits = (lung > cage - 0.1) & (np.abs(cage - 0.8 * r) < 1.2) if nodule.site == "pleural" else lung > r + 2
    return np.asarray(np.argwhere(fits) + np.array([rows[0], 0, 0]))


def _candidate(
    rng: np.random.Generator,
    torso: Torso,
    nodule: Nodule,
    vessels: tuple[Floats, Floats, Floats],
    spot: NDArray[np.int64],
) -> Floats | None:
    """Return a place for a nodule at one of its spots, None if it will not do."""
    r = nodule.diameter_mm / 2
    places, radii, ways = vessels
    if nodule.site == "vessel":
        i = int(spot)
        place = np.asarray(places[i] + (0.75 * r + radii[i]) * perpendicular(rng, unit(ways[i] + 1e-9)))
        voxel = tuple(
            int(np.clip(round((p / s - axis[0]) / COARSE_MM), 0, len(axis) - 1))
            for p, s, axis in zip(place, torso.scale, GRID, strict=True)
        )
        return place if torso.fields["lung"][voxel] > r + 2 else None
    grid = np.array([axis[0] for axis in GRID]) + COARSE_MM * (spot + rng.uniform(-0.3, 0.3, 3))
    place = np.asarray(grid * torso.scale)
    near = np.linalg.norm(places - place, axis=1) - radii
    return None if nodule.site == "free" and near[radii > 0.9].min() < r + 0.5 else place


def paint_nodules(rng: np.random.Generator, scan: Scan, nodules: list[Nodule]) -> None:
    """Paint nodules into the lung of a scan, and name their kinds."""
    for nodule in nodules:
        r = nodule.diameter_mm / 2
        part = scan.box(nodule.centre, 1.6 * r + 4)
        axes = [axis[one] for axis, one in zip(scan.axes, part, strict=True)]
        share, density, has_core = draw_nodule(
            rng,
            axes,
            nodule.centre,
            diameter_mm=nodule.diameter_mm,
            subsolid=nodule.is_subsolid,
            texture_rng=np.random.default_rng(round(1000 * nodule.diameter_mm)),
        )
        strands = draw_spicules(rng, nodule.centre, diameter_mm=nodule.diameter_mm)
        nodule.kind = "solid" if not nodule.is_subsolid else "part-solid" if has_core else "ground-glass"
        labels = scan.labels[part]
        in_lung = (labels == CODE["lung"]) | (labels == CODE["vessel"]) | (labels == CODE["airway"])
        if nodule.has_spicules and not nodule.is_subsolid:
            spikes = 0.8 * filled(strands, axes) * in_lung
            scan.hu[part] += (spikes * np.maximum(density - scan.hu[part], 0)).astype(np.float32)
        hu = np.maximum(density, scan.hu[part])  # through ground glass one still sees the vessels
        scan.put(part, share * in_lung, np.asarray(hu, np.float32), "nodule")


def paint_nodes(rng: np.random.Generator, scan: Scan, nodes: list[Node], *, enhanced: bool) -> None:
    """Paint lymph nodes into the mediastinum of a scan; what is there already, vessel or airway, stays."""
    for node in nodes:
        centre = scan.to_mm(node.centre)
        part = scan.box(centre, float(node.half_axes.max()) * 1.1 + 3)
        axes = [axis[one] for axis, one in zip(scan.axes, part, strict=True)]
        hu = rng.normal(85, 12) if enhanced else rng.normal(38, 8)
        if min(len(axis) for axis in axes) < 2:
            continue
        share = draw_node(axes, centre, node.half_axes, node.turn)
        labels = scan.labels[part]
        free: NDArray[np.bool_] = (labels == CODE["mediastinum"]) | (labels == CODE["lung"]) | (labels == CODE["node"])
        scan.put(part, share * free, float(hu), "node")
