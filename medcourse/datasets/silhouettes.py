"""Bodies as X-rays see them: for each ray, how long its path in each material is. Drawn, not measured on a person."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from medcourse.datasets.shapes import Canvas, Floats, curve, grow_tree

Mask = NDArray[np.bool_]

# A left hand on the plate, fingers up; (y, x) in mm: base of the metacarpal, joints, tip.
_FINGERS = {
    "thumb": [(50, 24), (22, 45), (-6, 58), (-27, 65)],
    "index": [(42, 14), (-16, 25), (-56, 33), (-80, 36), (-97, 38)],
    "middle": [(40, 5), (-20, 7), (-66, 9), (-94, 10), (-112, 10)],
    "ring": [(43, -5), (-13, -11), (-54, -16), (-81, -18), (-99, -19)],
    "little": [(47, -14), (-2, -28), (-35, -38), (-54, -42), (-70, -45)],
}
_CARPALS = [
    (66, 14, 8.5, 6),
    (65, 1, 7, 7),
    (66, -11, 6, 6.5),
    (62, -17, 5, 4),
    (54, 22, 6.5, 7),
    (53, 13, 5.5, 5.5),
    (53, 3, 10, 7),
    (54, -9, 8, 7),
]
# Outlines, y above x in mm from the picture's middle.
_RIGHT_LUNG = [
    (-150, -138, -100, -40, 30, 84, 112, 86, 66, 62, 72, 40, -20, -80, -125),
    (-42, -66, -98, -124, -134, -136, -134, -112, -84, -55, -26, -20, -16, -16, -22),
]
_LEFT_LUNG = [
    (-150, -138, -100, -40, 30, 90, 120, 96, 80, 78, 84, 40, -20, -80, -125),
    (42, 66, 98, 124, 134, 137, 135, 112, 88, 60, 28, 20, 18, 18, 22),
]
_HEART = [
    (-118, -92, -50, -20, 10, 42, 72, 86, 88, 76, 52, 18, -12, -34, -50, -64, -84, -97, -118),
    (-16, -24, -22, -24, -40, -44, -34, 10, 60, 92, 90, 70, 48, 42, 34, 38, 38, 28, 18),
]
_BREAST = [
    (-130, -130, -95, -60, -25, 5, 14, 24, 50, 72, 84, 92),
    (-90, -18, -4, 14, 33, 41, 44, 40, 24, -6, -44, -90),
]


def hand(rng: np.random.Generator, *, spacing_mm: float) -> dict[str, Floats]:
    """Return path lengths through a hand with a golden ring: muscle, cortical bone, marrow, gold; (H, W) each."""
    canvas = Canvas(round(250 / spacing_mm), round(160 / spacing_mm), spacing_mm)
    soft = _hand_flesh(canvas)
    bone, core = np.zeros(canvas.shape), np.zeros(canvas.shape)
    for name, joints in _FINGERS.items():
        n_bones = len(joints) - 1
        for i in range(n_bones):
            shaft = [4.3, 4.0, 3.5, 2.8][i + (name == "thumb" and i > 0)] * (0.85 if name == "little" else 1.0)
            outer, inner = _long_bone(
                canvas, np.array(joints[i]), np.array(joints[i + 1]), shaft, last=i == n_bones - 1
            )
            bone, core = np.maximum(bone, outer), np.maximum(core, inner)
    for y, x, ry, rx in _CARPALS:
        depth = canvas.ellipse(y, x, ry, rx, turn_deg=rng.uniform(-25, 25), power=2.6) + 0.4 * canvas.noise(rng, 6)
        outer = 2 * np.sqrt(np.maximum(depth, 0) * 7)
        bone = np.maximum(bone, outer)
        core = np.maximum(core, 2 * np.sqrt(np.maximum(depth - 0.8, 0) * 7))
    for points, radii, flat in [
        ([(82, 10), (86, 12), (98, 14), (130, 16)], [11.5, 12, 9, 7.5], 0.6),
        ([(80, -15), (90, -15), (130, -12)], [6.5, 5.8, 5.4], 0.85),
    ]:
        bone = np.maximum(bone, canvas.chord(points, radii, flat))
        core = np.maximum(core, canvas.chord(points, np.array(radii) - 1.3, flat))
    spongy = np.clip(1 + 0.12 * canvas.noise(rng, 2.0), 0.5, 1.5)
    # What fills a bone's ends is a web of thin beams: a sixth of it counts as compact bone.
    compact = np.maximum(bone - core, 0) + 0.16 * core * spongy
    marrow = np.maximum(bone - compact, 0)
    gold = _ring(canvas, np.array(_FINGERS["ring"][1]), np.array(_FINGERS["ring"][2]))
    soft = np.maximum(soft, bone + 3 * (bone > 0))
    return {"muscle": np.maximum(soft - bone, 0), "cortical_bone": compact, "marrow": marrow, "gold": gold}


def _hand_flesh(canvas: Canvas) -> Floats:
    thick = np.zeros(canvas.shape)
    for name, joints in _FINGERS.items():
        widths = [13, 12, 10.2, 9.2, 7.6] if name != "thumb" else [16, 13, 10.5, 8.5]
        scale = 0.86 if name == "little" else 1.0
        places = curve(joints, 40)
        radii = np.interp(np.linspace(0, 1, 40), np.linspace(0, 1, len(joints)), np.array(widths) * scale)
        thick = np.maximum(thick, canvas.chord(places, radii))
    palm = canvas.outline(
        [(-14, 34), (-20, 8), (-12, -20), (0, -36), (30, -32), (60, -27), (78, 0), (66, 30), (30, 46), (8, 40)]
    )
    thick = np.maximum(thick, 26 * np.sqrt(np.clip(palm, 0, 12) / 12))
    thick = np.maximum(thick, canvas.chord([(60, 0), (88, 0), (150, 1)], [29, 27, 29], 0.8))
    inside = thick > 0.5
    # The arm goes on below the picture: closing must not take its lower edge for an end.
    margin = max(1, round(2.5 / canvas.spacing_mm))
    closed = ndi.binary_closing(np.pad(inside, margin, mode="edge"), iterations=margin)[margin:-margin, margin:-margin]
    smooth = ndi.gaussian_filter(thick, 2.2 / canvas.spacing_mm, mode="nearest")
    return np.where(closed, np.maximum(smooth, 1.0), 0.0)


def _long_bone(canvas: Canvas, start: Floats, end: Floats, shaft: float, *, last: bool) -> tuple[Floats, Floats]:
    """Return outer and inner path of a tube with thick, blunt ends; the last bone of a finger ends in a tuft."""
    along = (end - start) / np.linalg.norm(end - start)
    start, end = start + 1.0 * along, end - (3.6 if last else 1.0) * along  # cartilage, or the fingertip's flesh
    dy, dx = canvas.y - start[0], canvas.x - start[1]
    place, across = dy * along[0] + dx * along[1], dy * along[1] - dx * along[0]
    length = float(np.linalg.norm(end - start))
    t = np.clip(place / length, 0, 1)
    base, head = np.exp(-((t / 0.22) ** 2)), np.exp(-(((1 - t) / (0.16 if last else 0.2)) ** 2))
    radius = shaft * (0.97 + 0.55 * base + (0.12 if last else 0.42) * head)
    if last:  # it tapers, then widens a little under the nail
        radius *= 1 - 0.22 * np.clip((t - 0.15) / 0.4, 0, 1)
    from_end = np.clip(np.minimum(place / (0.7 * shaft), (length - place) / (1.15 * shaft)), 0, 1)
    radius *= np.sqrt(1 - (1 - from_end) ** 2.5)
    wall = np.maximum(shaft * (0.36 - 0.24 * base - 0.24 * head), 0.35)
    return _across_tube(radius, across), _across_tube(radius - wall, across)


def _across_tube(radius: Floats, across: Floats) -> Floats:
    """Return the path through a round tube of this radius, at this distance from its axis."""
    return np.where(radius > np.abs(across), 2 * np.sqrt(np.maximum(radius**2 - across**2, 0)), 0.0)


def _ring(canvas: Canvas, start: Floats, end: Floats) -> Floats:
    along = (end - start) / np.linalg.norm(end - start)
    middle = start + 0.52 * (end - start)
    dy, dx = canvas.y - middle[0], canvas.x - middle[1]
    height, across = dy * along[0] + dx * along[1], dy * along[1] - dx * along[0]
    tilted = np.abs(height + 0.0012 * across**2 * 8) < 2.1
    outer, inner = 10.6, 9.3
    chord = np.sqrt(np.maximum(outer**2 - across**2, 0)) - np.sqrt(np.maximum(inner**2 - across**2, 0))
    return np.where(tilted, 2 * chord, 0)


def chest(rng: np.random.Generator, *, spacing_mm: float, nodule_mm: float = 0.0) -> tuple[dict[str, Floats], Mask]:
    """Return path lengths through a chest from behind (muscle, lung, bone), and where a nodule is."""
    n = round(400 / spacing_mm)
    canvas = Canvas(n, n, spacing_mm)
    bent = canvas.bent(rng, by_mm=2.0, scale_mm=70)
    body = _torso(bent)
    lungs, heart = _lungs(bent, canvas), _heart(bent)
    lung = np.clip(lungs - heart, 0, None)
    lung *= np.clip(1 + 0.006 * canvas.noise(rng, 4) + 0.02 * canvas.noise(rng, 30), 0.7, 1.3)
    blood = np.zeros(canvas.shape)
    for side in (-1, 1):
        for y, x, dy, dx, radius in [
            (-22, 30, -1, 0.55, 5.5),
            (-18, 34, -0.25, 1, 4.5),
            (-8, 36, 0.45, 1, 5.5),
            (0, 34, 1, 0.6, 6.5),
            (4, 30, 1, 0.25, 5),
        ]:
            start = (y + rng.normal(0, 3), side * (x + rng.normal(0, 2)), rng.normal(0, 10))
            heading = (dy, side * dx, rng.normal(0, 0.35))
            for points, radii in grow_tree(
                rng, start, heading, radius_mm=radius, length_mm=34, thinnest_mm=0.95, spread=0.42
            ):
                blood = np.maximum(blood, canvas.chord(points[:, :2], radii))
    hila = np.maximum(canvas.ellipse(-8, -34, 26, 11, turn_deg=18), canvas.ellipse(-14, 36, 24, 11, turn_deg=-18))
    blood = np.maximum(blood, 26 * np.clip(hila / 9, 0, 1) ** 0.6)
    blood = np.minimum(blood, lung)
    trachea = canvas.chord(curve([(-210, 0), (-120, 1), (-66, 3)], 12), 8.5)
    for bronchus in ([(-66, 3), (-44, -14), (-22, -30)], [(-66, 3), (-46, 20), (-24, 42)]):
        trachea = np.maximum(trachea, canvas.chord(bronchus, [7.5, 6.5, 5.5]))
    gas = 45 * np.sqrt(np.clip(bent.ellipse(112, 72, 13, 30, turn_deg=-10) / 10, 0, 1))
    air = np.maximum(trachea, gas)
    nodule = np.zeros(canvas.shape, bool)
    if nodule_mm > 0:
        place = rng.choice([(-70, -75), (-30, -100), (20, -80), (-60, 85), (-10, 100)])
        depth = canvas.ellipse(place[0], place[1], nodule_mm / 2, nodule_mm / 2) + 0.05 * nodule_mm * canvas.noise(
            rng, nodule_mm / 3
        )
        nodule = depth > 0
        blood = np.where(nodule, np.minimum(lung, blood + 2 * np.sqrt(np.maximum(depth, 0) * nodule_mm / 2)), blood)
    bone = _chest_bones(canvas, rng)
    lung = np.maximum(lung - blood, 0)
    soft = np.maximum(body - lung - air - bone, 0)
    return {"muscle": soft, "lung": np.minimum(lung, body), "cortical_bone": bone}, nodule


def _torso(canvas: Canvas) -> Floats:
    """Return the body's thickness from front to back: a trunk, shoulders, a neck."""
    half = np.interp(canvas.y, [-200, -176, -150, -120, -90, 0, 120, 200], [60, 66, 165, 205, 190, 166, 158, 160])
    deep = np.interp(canvas.y, [-200, -170, -140, -100, -20, 80, 200], [120, 125, 150, 190, 220, 225, 220])
    across = np.clip(np.abs(canvas.x) / half, 0, 1)
    thick = deep * (1 - across**2.6) ** (1 / 2.2)
    arm = canvas.tube([(-130, 190), (-40, 215)], [45, 40])
    other = canvas.tube([(-130, -190), (-40, -215)], [45, 40])
    thick = np.maximum(thick, 90 * np.sqrt(np.clip(np.maximum(arm, other) / 40, 0, 1)))
    return np.asarray(ndi.gaussian_filter(thick, 3 / canvas.spacing_mm))


def _lungs(bent: Canvas, canvas: Canvas) -> Floats:
    """Return the path in both lungs; they reach behind heart and diaphragm, where they get thin."""
    depth = np.maximum(bent.outline(np.transpose(_RIGHT_LUNG)), bent.outline(np.transpose(_LEFT_LUNG)))
    edge = np.clip(depth / 46, 0, 1)
    path = 150 * np.sqrt(1 - (1 - edge) ** 2)
    path *= np.interp(canvas.y, [-150, -90, 0, 110], [0.55, 0.85, 1.0, 0.95])
    recess = np.maximum(bent.ellipse(95, -78, 36, 56), bent.ellipse(104, 80, 32, 54))  # behind the domes
    return np.asarray(np.maximum(path, 30 * np.clip(recess / 25, 0, 1) * (np.abs(canvas.x) < 138)))


def _heart(canvas: Canvas) -> Floats:
    """Return how much lung heart and great vessels take the place of, along the ray."""
    depth = canvas.outline(np.transpose(_HEART))
    heart = 150 * np.sqrt(np.clip(depth / 40, 0, 1)) * np.interp(canvas.y, [-110, -60, 0, 60], [0.5, 0.7, 0.9, 1.0])
    aorta = canvas.chord(curve([(-70, 26), (-30, 27), (40, 22), (110, 14)], 20), 12)
    return np.asarray(np.maximum(heart, aorta))


def _chest_bones(canvas: Canvas, rng: np.random.Generator) -> Floats:
    """Return the path in compact bone: ribs, spine, collar bones and shoulder blades."""
    bone = np.zeros(canvas.shape)
    widths = [62, 88, 108, 122, 131, 137, 140, 141, 140, 136]
    for side in (-1, 1):
        for i, width in enumerate(widths):
            bone += 1.9 * _rib(canvas, rng, i, width, side)
        collar = curve(np.array([(-112, 14), (-116, 45), (-128, 85), (-134, 120), (-144, 150)]) * [1, side], 20)
        bone += 0.85 * (canvas.chord(collar, 6.2) - 0.8 * canvas.chord(collar, 4.7))
        blade = canvas.outline(
            np.array([(-122, 112), (-60, 108), (12, 132), (-10, 146), (-70, 158), (-118, 172)]) * [1, side]
        )
        edge = 2.2 * np.exp(-((np.clip(depth_edge(blade), 0, None) / 3.0) ** 2))
        bone += np.where(blade > 0, 1.3 + edge, 0)
        spine_of_blade = canvas.chord(np.array([(-112, 116), (-128, 150), (-140, 178)]) * [1, side], [4, 5, 6])
        bone += 0.35 * spine_of_blade
        ball = canvas.ellipse(-118, 186 * side, 24, 22)
        bone += np.where(ball > 0, 3.0, 0) + np.where((ball > 0) & (ball < 2), 3.0, 0)
    y = -205.0
    for i in range(13):
        tall = 19 + 0.85 * i
        middle = y + tall / 2
        half = 13.5 + 0.55 * i
        body = canvas.ellipse(middle, 0, tall * 0.44, half, power=5) - 1.0 * np.exp(
            -(((canvas.y - middle) / (tall * 0.22)) ** 2)
        )
        bone += np.where(body > 0, 5.5, 0) + 2.4 * np.exp(-((depth_edge(body) / 1.3) ** 2)) * (body > 0)
        for side in (-1, 1):
            pedicle = canvas.ellipse(middle - 0.1 * tall, side * half * 0.72, 5.2, 3.6)
            bone += 2.6 * np.exp(-((pedicle / 1.0) ** 2))
            bone += np.where(
                canvas.tube([(middle - 3, half * 0.9 * side), (middle - 7, (half + 15) * side)], 4.4) > 0, 2.0, 0
            )
        process = canvas.ellipse(middle + 0.38 * tall, 0.5, 7.5, 3.0)
        bone += np.where(process > 0, 4.0, 0)
        y += tall
    bone += np.where(
        canvas.outline([(-104, -18), (-104, 18), (-70, 14), (-40, 16), (30, 15), (30, -15), (-40, -16), (-70, -14)])
        > 0,
        1.2,
        0,
    )
    return np.asarray(ndi.gaussian_filter(bone, 0.5 / canvas.spacing_mm))


def depth_edge(depth: Floats) -> Floats:
    """Return the distance to an edge from within; far from it outside."""
    return np.where(depth > 0, depth, 1e3)


def _rib(canvas: Canvas, rng: np.random.Generator, i: int, width: float, side: int) -> Floats:
    """Return the path in a rib: a hollow tube from the spine outward, round the side and down to the front."""
    turn = np.deg2rad(np.linspace(4, 150 - 0.5 * i, 40))
    x = side * (10 + (width - 10) * np.sin(turn) ** 0.85)
    fall = [26, 46, 62, 74, 84, 90, 94, 96, 92, 86][i]
    top = -146 + 22.5 * i + rng.normal(0, 1)
    y = top - 7 * np.sin(turn) ** 2 * (turn < np.pi / 2) + fall * (1 - np.cos(turn)) / 2 + 4 * np.sin(2 * turn)
    z = -0.8 * width * np.cos(turn)
    flat = np.hypot(np.gradient(y), np.gradient(x))
    steep = np.clip(np.sqrt(flat**2 + np.gradient(z) ** 2) / flat, 1, 3.0)
    points = np.stack([y, x], axis=1)
    path = np.zeros(canvas.shape)
    for part in (slice(0, 22), slice(21, 40)):  # behind and in front: seen one over the other
        outer = canvas.chord(points[part], 5.8, 0.75 * steep[part])
        inner = canvas.chord(points[part], 4.7, 0.75 * steep[part])
        path += (0.9 if part.start == 0 else 0.6) * (outer - 0.9 * inner)
    return path


def breast(
    rng: np.random.Generator,
    *,
    spacing_mm: float,
    thickness_mm: float,
    glandular: float,
    mass_mm: float = 0.0,
    n_calcifications: int = 0,
) -> tuple[dict[str, Floats], Mask, Mask]:
    """Return path lengths through a compressed breast (fat, gland, muscle ...), and where mass and specks are."""
    canvas = Canvas(round(210 / spacing_mm), round(140 / spacing_mm), spacing_mm)
    bent = canvas.bent(rng, by_mm=1.2, scale_mm=45)
    edge = bent.outline(np.transpose(_BREAST))
    nipple = np.array([14.0, 42.0])
    bump = canvas.ellipse(14, 42, 5.5, 7)
    edge = np.maximum(edge, 3 * bump)
    round_mm = 0.45 * thickness_mm  # the plates press the middle flat, the rim stays round
    path = thickness_mm * np.sqrt(np.clip(1 - (1 - np.clip(edge / round_mm, 0, 1)) ** 2, 0, 1))
    skin = np.minimum(path, 3.0 + 4.0 * np.exp(-((np.clip(edge, 0, None) / 1.6) ** 2))) * (edge > 0)
    share = _gland_share(canvas, rng, edge, nipple, glandular)
    strands = np.zeros(canvas.shape)
    for scale in (20, 14, 10):  # ligaments: thin curved sheets that the plates fold into lines
        line = np.exp(-((canvas.noise(rng, scale) / (0.7 / scale)) ** 2))
        strands = np.maximum(strands, 0.16 * line * np.clip(canvas.noise(rng, 20) - 0.2, 0, 1))
    share = np.clip(share + strands * np.clip(edge / 12, 0, 1), 0, 1)
    inner = np.maximum(path - skin, 0)
    gland = share * inner
    gland = np.maximum(gland, np.minimum(_veins(canvas, rng, edge), inner))
    gland = np.where(bump > 0, inner, gland)
    mass, specks, calcium = np.zeros(canvas.shape, bool), np.zeros(canvas.shape, bool), np.zeros(canvas.shape)
    place = np.array([-8.0 + rng.normal(0, 6), -8.0 + rng.normal(0, 6)])
    if mass_mm > 0:
        core = canvas.ellipse(place[0], place[1], mass_mm / 2, mass_mm / 2 * 0.85) + 0.12 * mass_mm * canvas.noise(
            rng, mass_mm / 3
        )
        spikes = np.full(canvas.shape, -1000.0)
        for turn in rng.uniform(0, 2 * np.pi, 16):
            tip = place + mass_mm * rng.uniform(0.7, 1.15) * np.array([np.sin(turn), np.cos(turn)])
            spikes = np.maximum(spikes, canvas.tube([place, tip], [0.08 * mass_mm, 0.2]))
        mass = core > 0
        gland = np.minimum(
            inner, gland + 2.2 * np.sqrt(np.maximum(core, 0) * mass_mm / 2) + 3.0 * np.clip(spikes, 0, 1)
        )
    for _ in range(n_calcifications):
        y, x = place + rng.normal(0, 4.5, 2)
        speck = canvas.chord([(y, x), (y + rng.normal(0, 0.25), x + rng.normal(0, 0.25))], rng.uniform(0.12, 0.28))
        calcium = np.maximum(calcium, speck)
    specks = calcium > 0
    muscle_edge = bent.outline([(-140, -100), (-140, -32), (-100, -38), (-50, -52), (10, -74), (30, -90)])
    muscle = np.clip(muscle_edge / 7, 0, 1) ** 0.7 * inner * (0.55 + 0.04 * canvas.noise(rng, 5))
    muscle = np.clip(muscle, 0, inner)
    gland = np.minimum(gland * (1 - 0.8 * np.clip(muscle_edge / 5, 0, 1)), inner - muscle)
    lengths = {"fat": np.maximum(inner - gland - muscle, 0), "gland": gland, "muscle": muscle}
    return {**lengths, "skin": skin, "cortical_bone": calcium}, mass, specks


def _seen_from(canvas: Canvas, place: Floats) -> tuple[Floats, Floats]:
    dy, dx = canvas.y - place[0], canvas.x - place[1]
    return np.hypot(dy, dx), np.arctan2(dy, -dx)


def _gland_share(canvas: Canvas, rng: np.random.Generator, edge: Floats, nipple: Floats, glandular: float) -> Floats:
    """Return how much of the path is gland: lobes that converge on the nipple, cloudy at all scales."""
    far, angle = _seen_from(canvas, nipple)
    lobes = Canvas(*canvas.shape, canvas.spacing_mm)
    lobes.y, lobes.x = 75 * angle, 0.42 * far  # stretched along rays from the nipple
    streaks = 0.65 * lobes.noise(rng, 17) + 0.45 * lobes.noise(rng, 7) + 0.25 * lobes.noise(rng, 3)
    clouds = 0.6 * canvas.noise(rng, 22) + 0.4 * canvas.noise(rng, 9) + 0.28 * canvas.noise(rng, 4)
    clouds += 0.2 * canvas.noise(rng, 1.8)
    region = np.exp(-(((angle + 0.18) / 0.75) ** 4)) * np.exp(-(((far - 34) / 42) ** 4))
    region *= np.clip((edge - 5) / 10, 0, 1)
    wanted = np.clip(0.55 * streaks + 0.5 * clouds + 5.5 * (glandular - 0.33), -3, 3)
    return np.asarray(region * 0.85 / (1 + np.exp(-2.4 * wanted)))


def _veins(canvas: Canvas, rng: np.random.Generator, edge: Floats) -> Floats:
    path = np.zeros(canvas.shape)
    for y, x, dy, dx in [(-78, -46, 0.75, 0.8), (-40, -66, 0.4, 1), (64, -60, -0.55, 0.9)]:
        for points, radii in grow_tree(
            rng, (y, x), (dy, dx), radius_mm=1.5, length_mm=32, thinnest_mm=0.85, spread=0.25
        ):
            wavy = curve(points + rng.normal(0, 0.8, points.shape), 16)
            path = np.maximum(path, canvas.chord(wavy, np.interp(np.linspace(0, 1, 16), np.linspace(0, 1, 5), radii)))
    return np.asarray(path * 1.6 * (edge > 3))
