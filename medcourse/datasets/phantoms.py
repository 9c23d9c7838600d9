"""Slices through simulated bodies: which tissue lies where, for any scanner to look at.

`thorax` and `head` draw anatomy with smooth irregular shapes; no person was scanned for them. A scanner
(`medcourse.datasets.ct`, `mr`, `pet`) gives each tissue the value that it measures.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.shapes import Canvas, Floats, curve, grow_tree
from medcourse.errors import CourseError

# The number of a tissue in a phantom is its place here.
TISSUES = (
    "air",
    "skin",
    "fat",
    "muscle",
    "cortical_bone",
    "marrow",
    "cartilage",
    "lung",
    "blood",
    "myocardium",
    "csf",
    "grey_matter",
    "white_matter",
    "deep_grey",
    "tumour",
)
CODE = {name: number for number, name in enumerate(TISSUES)}
Tissue = NDArray[np.uint8]
SHELL_MM = 1.4  # thickness of a bone's cortex


def lookup(values: dict[str, float], tissue: Tissue) -> Floats:
    """Return the value of each pixel's tissue.

    Parameters
    ----------
    values
        A number for each tissue's name; those that are missing count 0.
    tissue
        (H, W) numbers into `TISSUES`.

    Examples
    --------
    >>> lookup({"fat": -100.0}, np.array([[CODE["fat"], CODE["air"]]], np.uint8)).tolist()
    [[-100.0, 0.0]]
    """
    if unknown := set(values) - set(TISSUES):
        raise CourseError(f"expected names of tissues, {', '.join(TISSUES)}; got {sorted(unknown)}")
    return np.array([values.get(name, 0.0) for name in TISSUES])[tissue]


def coarsen(image: NDArray[np.floating], factor: int) -> Floats:
    """Return the mean of each square of `factor` x `factor` pixels: what a pixel sees that is as wide (partial volume).

    Examples
    --------
    >>> coarsen(np.array([[0.0, 1.0], [1.0, 2.0]]), 2).tolist()
    [[1.0]]
    """
    height, width = image.shape
    return np.asarray(image.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3)))


class _Drawing:
    """Tissues painted one over the other; what is painted last is seen."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.tissue: Tissue = np.zeros(shape, np.uint8)

    def paint(self, name: str, where: NDArray[np.bool_]) -> None:
        self.tissue[where] = CODE[name]

    def bone(self, depth: Floats, shell_mm: float = SHELL_MM) -> None:
        self.paint("cortical_bone", depth > 0)
        self.paint("marrow", depth > shell_mm)


def thorax(
    *, size: tuple[int, int] = (256, 384), spacing_mm: float = 1.0, nodule_mm: float = 0.0, seed: int = 0
) -> Bunch:
    """Draw a cross-section of a chest at the height of the heart, as seen from the feet: the patient's right is left.

    Parameters
    ----------
    size
        Height and width in pixels, even numbers; about 240 x 350 mm are needed.
    spacing_mm
        Width of a pixel.
    nodule_mm
        Diameter of a nodule in the lung on the picture's left; 0 for none.
    seed
        Same seed, same person.

    Returns
    -------
    Bunch
        tissue : (2 H, 2 W) uint8, numbers into `TISSUES`, at half the spacing, so that a scanner can average.
        density : (2 H, 2 W) float, factor on the tissue's density; varies in the lungs, where blood sinks.
        nodule : (2 H, 2 W) bool. spacing_mm : of `tissue`. description.
    """
    rng = np.random.default_rng(seed)
    flat = Canvas(2 * size[0], 2 * size[1], spacing_mm / 2)
    body = flat.bent(rng, by_mm=1.3, scale_mm=60)
    drawing = _Drawing(flat.shape)

    skin = body.ellipse(0, 0, 108, 164, power=2.35) - 7 * np.exp(-((body.x / 16) ** 2)) * (body.y > 0)
    fat_mm = 9 + 3 * flat.noise(rng, 70) + 5 * np.abs(body.x / 160) ** 3
    drawing.paint("skin", skin > 0)
    drawing.paint("fat", skin > 1.8)
    drawing.paint("muscle", skin > fat_mm)
    cage = body.ellipse(3, 0, 86, 139, power=2.3)  # its edge is the outside of the ribs
    planes = np.abs(flat.noise(rng, 26) + 0.06 * (skin - 20)) < 0.10  # fat between layers of muscle
    drawing.paint("fat", planes & (skin > fat_mm + 2) & (cage < -3))
    drawing.paint("fat", (np.abs(cage - 1) < 1.2) & (np.abs(body.x) > 30))
    drawing.paint("fat", (np.abs(cage - 11.5) < 0.9) & (flat.noise(rng, 18) > -0.2))

    inner = cage - 12.5  # depth inside of the pleura
    lungs = _mediastinum(drawing, body, flat, rng, inner)
    _wall_bones(drawing, body, flat, rng, cage)
    _spine(drawing, body)
    density = np.ones(flat.shape)
    ventral = (body.y + 90) / 180
    density[lungs] = (0.75 + 0.40 * ventral + 0.06 * flat.noise(rng, 7))[lungs]
    nodule = np.zeros(flat.shape, bool)
    if nodule_mm > 0:
        lobed = body.ellipse(18, -88, nodule_mm / 2, nodule_mm / 2) + 0.08 * nodule_mm * flat.noise(rng, nodule_mm / 3)
        nodule = (lobed > 0) & lungs
        drawing.paint("tumour", nodule)
    density[drawing.tissue != CODE["lung"]] = 1
    return Bunch(
        tissue=drawing.tissue,
        density=density,
        nodule=nodule,
        spacing_mm=spacing_mm / 2,
        description=f"SIMULATED cross-section of a chest, seed {seed}; drawn, not scanned.",
    )


def _mediastinum(
    drawing: _Drawing, body: Canvas, flat: Canvas, rng: np.random.Generator, inner: Floats
) -> NDArray[np.bool_]:
    """Paint lungs with their vessels, heart and great vessels; return where the lungs are."""
    heart = np.maximum(body.ellipse(-14, 26, 41, 58, turn_deg=28), body.ellipse(-10, -20, 36, 30))
    heart = np.maximum(heart, body.ellipse(-46, 4, 18, 34))
    heart += 1.5 * flat.noise(rng, 25)
    column = np.maximum(
        body.ellipse(55, 0, 44, 21, power=2.6),
        np.maximum(body.ellipse(-64, 0, 26, 15 + 6 * (body.y < -60).max()), body.ellipse(24, 34, 15, 15)),
    )
    column = np.maximum(column, body.ellipse(15, 6, 24, 30))
    beside_spine = body.ellipse(78, 0, 15, 48)
    column = np.maximum(column, beside_spine)
    middle = np.maximum(heart + 3.5, column) + 0.8 * flat.noise(rng, 12)
    lungs: NDArray[np.bool_] = (inner > 0) & (middle < 0)
    drawing.paint("fat", (inner > 0) & (middle >= 0))
    drawing.paint("muscle", (inner > 0) & (beside_spine > 0.8))
    drawing.paint("lung", lungs)

    _lung_vessels(drawing, flat, rng, lungs, inner)
    drawing.paint("myocardium", heart > 0)
    drawing.paint("fat", (heart > 0) & (np.abs(body.tube([(-44, 2), (-20, -4), (6, -14)], [3.5, 3, 3])) < 2.2))
    left = body.ellipse(-16, 42, 25, 36, turn_deg=30)
    drawing.paint("myocardium", left > -10)
    drawing.paint("blood", left + 2.2 * flat.noise(rng, 9) > 0)  # trabeculae
    papillary = np.maximum(body.ellipse(-8, 60, 5, 7, turn_deg=40), body.ellipse(-30, 52, 5, 6, turn_deg=10))
    drawing.paint("myocardium", papillary > 0)
    right = body.ellipse(-34, -2, 15, 33, turn_deg=14) + 1.6 * flat.noise(rng, 10)
    drawing.paint("blood", (right > 0) & (left < -12))
    drawing.paint("blood", (body.ellipse(-8, -29, 25, 18) + flat.noise(rng, 14) > 0) & (left < -12))
    drawing.paint("blood", (body.ellipse(14, 6, 14, 27, turn_deg=8) > 0) & (left < -4))
    for side in (-1, 1):  # the lower pulmonary veins run into the left atrium
        drawing.paint("blood", body.tube(curve([(16, 6 + 18 * side), (22, 46 * side), (32, 58 * side)], 8), 6) > 0)
    aorta = body.ellipse(38, 27, 12, 12)
    drawing.paint("muscle", aorta > -1.4)
    drawing.paint("blood", aorta > 0)
    oesophagus = body.ellipse(31, 7, 5, 8)
    drawing.paint("muscle", oesophagus > 0)
    drawing.paint("air", body.ellipse(30, 8, 1.2, 2.5) > 0)
    drawing.paint("blood", body.ellipse(41, -10, 3.6, 3.6) > 0)  # azygos vein
    drawing.paint("blood", np.maximum(body.ellipse(-80, -17, 1.6, 1.6), body.ellipse(-80, 17, 1.6, 1.6)) > 0)
    return lungs


def _lung_vessels(
    drawing: _Drawing, flat: Canvas, rng: np.random.Generator, lungs: NDArray[np.bool_], inner: Floats
) -> None:
    for side in (-1, 1):  # fissures: two thin layers of pleura, seen as a faint line
        line = curve([(-30, 125 * side), (5, 100 * side), (40, 62 * side), (58, 40 * side)], 20)
        fissure = np.abs(flat.tube(line, 0.35)) < 0.35
        drawing.paint("cartilage", fissure & lungs & (flat.noise(rng, 5) > -0.3))
    depth = np.full(flat.shape, -1000.0)
    for side in (-1, 1):
        for angle in (-70, -45, -20, 0, 20, 40, 60, 85):
            for tilt in (-0.9, -0.35, 0.05, 0.5):
                turn = np.deg2rad(angle + rng.normal(0, 8))
                heading = (np.sin(turn), side * np.cos(turn), tilt)
                start = (12.0 + rng.normal(0, 5), side * (44.0 + rng.normal(0, 3)), rng.normal(0, 3) - 12 * tilt)
                radius = rng.uniform(1.8, 3.4)
                for points, radii in grow_tree(rng, start, heading, radius_mm=radius, length_mm=23, thinnest_mm=0.6):
                    # A slice is thin: only what crosses it is seen, a long piece as a line, a steep one as a dot.
                    inside = np.flatnonzero(np.abs(points[:, 2]) < radii + 0.5)
                    if len(inside):
                        part = slice(inside[0], inside[-1] + 2)
                        pair = points[part, :2] if len(points[part]) > 1 else np.repeat(points[part, :2], 2, axis=0)
                        np.maximum(depth, flat.tube(pair, np.resize(radii[part], len(pair))), out=depth)
    drawing.paint("blood", lungs & (depth > 0) & (inner > 2))
    for side in (-1, 1):  # a bronchus beside its artery: a ring with air in it
        for y, x, radius in [(2, 52, 4.2), (22, 60, 3.2), (-14, 62, 2.6), (34, 74, 2.0), (10, 80, 1.8)]:
            ring = flat.ellipse(y, x * side, radius, radius * 1.25, turn_deg=rng.uniform(0, 90))
            drawing.paint("muscle", (ring > -1.0) & lungs)
            drawing.paint("air", (ring > 0) & lungs)


def _wall_bones(drawing: _Drawing, body: Canvas, flat: Canvas, rng: np.random.Generator, cage: Floats) -> None:
    """Paint the ribs where they cross the slice, breastbone, cartilage and shoulder blades."""
    angle = np.rad2deg(np.arctan2(body.x / 139, -body.y / 86))  # 0 at the front, positive to the right
    for side in (-1, 1):
        for centre in (38, 66, 94, 119, 142):
            middle = centre + rng.normal(0, 2)
            half_deg = rng.uniform(6.5, 10) if centre < 130 else rng.uniform(5, 7)
            along = np.abs(side * angle - middle) / half_deg
            # A rib runs obliquely through the slice: one end lies deeper in the wall than the other.
            off = (cage - 6.3 + 1.3 * (side * angle - middle) / half_deg) / (4.2 * rng.uniform(0.85, 1.05))
            rib = (1 - (along**3.5 + np.abs(off) ** 2.4) ** (1 / 2.6)) * 4.4
            drawing.bone(rib, 1.2)
        cartilage = (np.abs(side * angle - 17) < 8.5) & (np.abs(cage - 6.5) < 3.8 - 0.9 * np.abs(side * angle - 17) / 9)
        drawing.paint("cartilage", cartilage)
        blade = curve([(70, 86 * side), (52, 121 * side), (26, 142 * side), (12, 149 * side)], 12)
        drawing.bone(flat.tube(blade, np.interp(np.linspace(0, 1, 12), [0, 0.2, 0.8, 1], [4, 2.4, 2.6, 4.5])), 1.3)
    drawing.bone(body.ellipse(-81, 0, 6, 19, power=2.6) + 0.5 * flat.noise(rng, 8), 1.3)


def _spine(drawing: _Drawing, body: Canvas) -> None:
    arch = body.ellipse(74, 0, 13, 14)
    drawing.bone(arch, 1.6)
    for side in (-1, 1):
        drawing.bone(body.tube([(56, 12 * side), (70, 13 * side)], [5.5, 5.5]))
        drawing.bone(body.tube(curve([(72, 14 * side), (78, 26 * side), (80, 38 * side)], 8), [3.6] * 6 + [3.4, 4.2]))
    drawing.bone(body.tube([(84, 0), (101, 1)], [4.5, 3.2]))
    vertebra = body.ellipse(51, 0, 15, 18, power=2.4)
    drawing.bone(vertebra, 1.5)
    drawing.paint("fat", body.ellipse(74, 0, 8.4, 9.4) > 0)
    drawing.paint("csf", body.ellipse(74, 0, 7.2, 7.8) > 0)
    drawing.paint("white_matter", body.ellipse(74, 0, 3.8, 5) > 0)


def head(*, size: tuple[int, int] = (256, 208), spacing_mm: float = 0.9, seed: int = 0) -> Bunch:
    """Draw a cross-section of a head at the height of the lateral ventricles; the front is up.

    Parameters
    ----------
    size
        Height and width in pixels, even numbers; about 200 x 160 mm are needed.
    spacing_mm
        Width of a pixel.
    seed
        Same seed, same person.

    Returns
    -------
    Bunch
        tissue : (2 H, 2 W) uint8, numbers into `TISSUES`, at half the spacing. spacing_mm : of `tissue`. description.
    """
    rng = np.random.default_rng(seed)
    flat = Canvas(2 * size[0], 2 * size[1], spacing_mm / 2)
    skull_canvas = flat.bent(rng, by_mm=1.2, scale_mm=60)
    soft = skull_canvas.bent(rng, by_mm=1.8, scale_mm=18)
    drawing = _Drawing(flat.shape)

    # Wider behind than in front.
    egg = Canvas(*flat.shape, flat.spacing_mm)
    egg.y, egg.x = skull_canvas.y, skull_canvas.x * (1 - 0.0009 * skull_canvas.y)
    outside = egg.ellipse(0, 0, 95, 76, power=2.15)
    temple = np.exp(-(((egg.y + 30) / 30) ** 4)) * (np.abs(egg.x) > 40)
    scalp_mm = 6 + 0.8 * flat.noise(rng, 40) + 5 * temple
    skull_mm = 6.5 + 1.0 * flat.noise(rng, 45) + 2.5 * np.exp(-(((egg.y - 85) / 25) ** 2)) - 2.0 * temple
    drawing.paint("skin", outside > 0)
    drawing.paint("fat", outside > 1.8)
    drawing.paint("muscle", (outside > scalp_mm - 6.5 * temple) & (temple > 0.05))
    table = outside - scalp_mm
    drawing.bone(table, 1.8)
    drawing.paint("cortical_bone", table > skull_mm - 2.0)
    within = table - skull_mm
    drawing.paint("csf", within > 0)

    brain = within > 2.2 + 0.5 * flat.noise(rng, 14)
    fluid = _furrows(soft, rng, brain, within)
    _deep_structures(drawing, soft, flat, rng, brain=brain, fluid=fluid)
    return Bunch(
        tissue=drawing.tissue,
        spacing_mm=spacing_mm / 2,
        description=f"SIMULATED cross-section of a head, seed {seed}; drawn, not scanned.",
    )


def _furrows(soft: Canvas, rng: np.random.Generator, brain: NDArray[np.bool_], within: Floats) -> NDArray[np.bool_]:
    """Return where fluid lies between the folds: the fissures, and sulci that start at the surface and wander in."""
    fluid = np.full(brain.shape, -1000.0)

    def cut(points: Floats, radii: Floats) -> None:
        np.maximum(fluid, soft.tube(points, radii), out=fluid)

    cut(curve([(-96, 0), (-70, 1), (-41, 0)], 12), np.interp(np.linspace(0, 1, 12), [0, 1], [1.5, 0.7]))
    cut(curve([(96, 0), (70, -1), (40, 0)], 12), np.interp(np.linspace(0, 1, 12), [0, 1], [1.8, 0.8]))
    for side in (-1, 1):
        cut(curve(np.array([(-16, 68), (-14, 52), (-12, 42)]) * [1, side], 10), np.linspace(2.4, 1.4, 10))
        cut(curve(np.array([(-26, 38), (-8, 41.5), (14, 39), (22, 36)]) * [1, side], 12), np.full(12, 1.3))
        angle = np.deg2rad(8.0)
        while angle < np.deg2rad(172):
            far = _ray_end(soft, within, angle, side)
            inward = np.array([np.cos(angle), -side * np.sin(angle)])  # towards the middle; angle 0 is the front
            lateral = np.array([-inward[1], inward[0]])
            depth = rng.choice([8, 13, 19, 25], p=[0.15, 0.3, 0.35, 0.2]) * rng.uniform(0.85, 1.1)
            if np.deg2rad(60) < angle < np.deg2rad(115):
                depth = min(depth, 15)  # the insula lies behind
            n = 9
            wander = np.cumsum(rng.normal(0, 1.1, n)) + rng.normal(0, 0.25) * np.linspace(0, depth, n)
            points = far + inward * np.linspace(-4, depth, n)[:, None] + lateral * wander[:, None]
            cut(points, np.interp(np.linspace(0, 1, n), [0, 0.25, 1], [2.1, 0.95, 0.75]))
            if depth > 12 and rng.random() < 0.8:  # a side branch
                turn = lateral * rng.choice([-1, 1]) * rng.uniform(5, 9) + inward * rng.uniform(-2, 5)
                start = points[rng.integers(4, n)]
                cut(np.stack([start, start + 0.6 * turn, start + turn + inward]), np.array([0.8, 0.8, 0.6]))
            angle += rng.uniform(7.5, 12.5) / np.linalg.norm(far)
        for y in (-80, -68, -56, 52, 63, 75, 85):  # furrows of the inner faces
            depth = rng.uniform(7, 13)
            points = np.array([(y, 0), (y + rng.normal(0, 2), 0.5 * depth), (y + rng.normal(0, 3), depth)]) * [1, side]
            cut(curve(points, 6), np.full(6, 0.75))
    return np.asarray((fluid > 0) | ~brain)


def _ray_end(soft: Canvas, within: Floats, angle: float, side: int) -> Floats:
    """Return the point of the brain's surface in a direction from the middle; 0 is the front, pi the back."""
    direction = np.array([-np.cos(angle), side * np.sin(angle)])
    reach = np.linspace(30, 100, 141)
    middle = (np.array(soft.shape) - 1) / 2
    places = (middle + reach[:, None] * direction / soft.spacing_mm).round().astype(int)
    places = np.clip(places, 0, np.array(soft.shape) - 1)
    inside = within[places[:, 0], places[:, 1]] > 2.2
    return np.asarray(direction * reach[np.flatnonzero(inside)[-1]])


def _deep_structures(
    drawing: _Drawing,
    soft: Canvas,
    flat: Canvas,
    rng: np.random.Generator,
    *,
    brain: NDArray[np.bool_],
    fluid: NDArray[np.bool_],
) -> None:
    """Paint cortex along all fluid, white matter, the deep nuclei and the ventricles."""
    depth = flat.depth_of(~fluid)
    cortex_mm = 3.1 + 0.35 * flat.noise(rng, 12)
    drawing.paint("white_matter", brain & ~fluid)
    drawing.paint("grey_matter", brain & ~fluid & (depth < cortex_mm))
    # White matter crosses the middle in the corpus callosum only, in front of and behind the ventricles.
    for side in (-1, 1):
        for y, x, ry, rx, turn, tissue in [
            (-21, 15, 10, 5, -18, "deep_grey"),  # head of the caudate nucleus
            (-3, 29, 17, 5.5, 14, "deep_grey"),  # putamen
            (0, 22.5, 9, 4, 16, "deep_grey"),  # pallidum
            (15, 11, 14, 8.5, -24, "deep_grey"),  # thalamus
        ]:
            nucleus = soft.ellipse(y, x * side, ry, rx, turn_deg=turn * -side)
            drawing.paint(tissue, nucleus + 0.5 * flat.noise(rng, 5) > 0)
        drawing.paint("white_matter", np.abs(soft.tube([(-12, 22 * side), (9, 27 * side)], 0.6)) < 0.5)
        front = curve(np.array([(-35, 11), (-28, 8), (-17, 5.5), (-6, 3)]) * [1, side], 10)
        horn = soft.tube(front, [3, 3.6, 4, 4, 4, 3.6, 3.2, 2.8, 2, 1.4])
        back = curve(np.array([(29, 17), (38, 22), (48, 24), (58, 20)]) * [1, side], 10)
        trigone = soft.tube(back, [3, 4, 5, 5.5, 5.5, 5, 4, 3, 2.2, 1.4])
        drawing.paint("csf", (horn > 0) | (trigone > 0))
        drawing.paint("deep_grey", soft.tube(np.array([(38, 22), (44, 24)]) * [1, side], 1.8) > 0)  # choroid plexus
    drawing.paint("csf", soft.tube([(0, 0), (22, 0)], [1.2, 1.6]) > 0)  # third ventricle
    drawing.paint("white_matter", (np.abs(soft.x) < 0.7) & (soft.y > -33) & (soft.y < -5) & brain)  # septum
    falx = (np.abs(soft.x) < 0.4) & (np.abs(soft.y) > 48)
    drawing.paint("muscle", falx & (drawing.tissue == CODE["csf"]))
