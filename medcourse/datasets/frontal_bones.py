"""The bones of a frontal chest radiograph: ribs as tilted rings around the chest, collarbones, blades, spine, arms."""

import numpy as np

from medcourse.datasets.shapes import Canvas, Floats
from medcourse.datasets.strokes import Balls, draw_tubes, tube

N_RIBS, RIB_PITCH_MM = 11, 20.5
# What a ray meets in the middle of a rib: two compact walls and the web between them, as compact bone.
RIB_BONE_MM = 5.0


def draw_bones(canvas: Canvas, rng: np.random.Generator, *, half_width: float, apex: float, turn: float) -> Floats:
    """Return the path through compact bone, in millimetres, (H, W).

    Parameters
    ----------
    canvas
        Regular grid; y from the carina down, x from the middle to the patient's left, millimetres.
    rng
        Source of small differences between ribs and between persons.
    half_width
        Of the space within the ribs at its widest.
    apex
        y of the top of the lungs.
    turn
        Shift of the front of the chest against its back.
    """
    pitch, drop = RIB_PITCH_MM + rng.normal(0, 0.6), rng.normal(74, 5)
    balls: list[Balls] = []
    for k in range(N_RIBS):
        y = apex + 3 + pitch * k + rng.normal(0, 0.8)
        balls.extend(_rib(k, side, y, half_width=half_width, drop=drop, turn=turn) for side in (-1, 1))
    ribs = draw_tubes(canvas, balls, add=True)
    return ribs + _shoulders(canvas, rng, apex, turn) + _spine(canvas)


def _rib(k: int, side: int, y: float, *, half_width: float, drop: float, turn: float) -> Balls:
    """Return points, radii and paths of a rib: a ring that is tilted forwards, its back half and its front half.

    Seen from behind, the ring x = W sin(t), y = y0 + S (1 - cos(t)) / 2 runs flat near the spine and steep at the side,
    and comes back in front lower by S. Where it runs along the ray, the ray stays in it for longer.
    """
    down = min((k + 1) / 7, 1.0)
    wide = (half_width + 2) * (1 - (1 - down) ** 2.2) ** 0.5
    fall, deep = drop * (0.62 + 0.42 * down), 85 * (0.5 + 0.5 * down)
    angle = np.linspace(0.12, np.pi * (0.70 if k < 8 else 0.58), 110)
    in_plane = np.hypot(wide * np.cos(angle), fall / 2 * np.sin(angle))
    longer = np.minimum(np.hypot(1, deep * np.sin(angle) / np.maximum(in_plane, 1)), 1.7)
    share = (1 - np.cos(angle)) / 2  # of the way from back to front
    points = np.stack([y + fall * share, side * wide * np.sin(angle) + turn * share], axis=1)
    radius = np.interp(share, [0, 0.1, 1], [4.2, 5.4, 6.6])
    thick = RIB_BONE_MM * np.interp(share, [0, 0.5, 0.8], [1, 1, 0.7])  # the front is broader and thinner
    return points, radius, thick * longer


def _shoulders(canvas: Canvas, rng: np.random.Generator, apex: float, turn: float) -> Floats:
    """Return the path through collarbones, shoulder blades (turned out of the lungs) and upper arms."""
    raised = rng.normal(0, 4)
    y0 = apex + raised
    tubes, arms = [], np.zeros(canvas.shape)
    for side in (-1, 1):
        middle = turn * side
        line = [(34, 14 + middle), (30, 42 + middle), (16, 84), (8, 122), (10, 150)]
        tubes.append(tube([(y0 + y, side * x) for y, x in line], 6.0, 0.5))
        rim = np.array([(y0 + 12, side * 124), (y0 + 60, side * 134), (y0 + 128, side * 150)])
        plate = np.array([16.0, 14, 5])
        middles, radii, _ = tube(rim + np.stack([0 * plate, side * plate], axis=1), plate)
        tubes.append((middles, radii, np.full(len(radii), 2.2)))  # thin as paper, whatever its width
        tubes.append(tube(rim, 3.5, 0.22))
        ball = canvas.ellipse(y0 + 20, side * 178, 22, 21)
        arms += 6.0 * np.clip(ball / 3, 0, 1) * np.exp(-np.clip(ball, 0, None) / 30)
        shaft = [(y0 + 34, side * 182), (y0 + 130, side * 205), (y0 + 260, side * 225)]
        arms += 0.7 * (canvas.chord(shaft, [13, 11, 10.5]) - canvas.chord(shaft, [9, 6, 5.5]))
    return arms + draw_tubes(canvas, tubes, add=True)


def _spine(canvas: Canvas) -> Floats:
    """Return the path through the vertebrae: bodies, discs between them, and pedicles, which look like two eyes."""
    tops = -262 + np.concatenate([[0], np.cumsum(17.5 + 0.6 * np.arange(20))])
    level = np.interp(canvas.y, tops, np.arange(len(tops)))
    tall, place = 17.5 + 0.6 * np.floor(level), level % 1 - 0.5  # -0.5 at the upper disc, 0.5 at the lower
    half = 13 + 0.4 * level
    from_side, from_disc = half - np.abs(canvas.x), (0.43 - np.abs(place)) * tall
    body = np.clip(np.minimum(from_side, from_disc) / 2 + 0.5, 0, 1)
    eye = np.hypot((np.abs(canvas.x) - 0.68 * half) / 3.4, (place + 0.08) * tall / 4.6)
    transverse = np.clip((half + 12 - np.abs(canvas.x)) / 4, 0, 1) * np.exp(-(((place + 0.1) * tall / 4) ** 2))
    return np.asarray(4.0 * body + 3.0 * np.exp(-(((eye - 1) / 0.4) ** 2)) + 1.8 * transverse)
