"""The twin of a viewer of volumes: slices to scrub through in each plane, and the volume turning.

Drawn without matplotlib, which would take ten times as long for a hundred pictures.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from medcourse.plots.detections import LOOKS, Look, as_shells, cut_balls, in_words
from medcourse.plots.images import paint, round_length
from medcourse.plots.scenes import PLANES, Scene
from medcourse.plots.twins import Frame, Knob, assets, group

SLICES = {1: 20, 3: 14}
"""The most slices of a plane, by the number of planes."""
LONGEST_PX = {1: 400, 3: 280}
VIEWS = 24
_TURNED = 80  # voxels along the longest edge
_OPACITY = 0.7
_GAMMA = 1.4  # bone against flesh
_FARTHEST = 0.55  # brightness of what lies at the back, so that one sees which way it turns


def draw_volume_twin(scene: Scene, still_places: Sequence[int], alt: str) -> str:
    """Return a twin as HTML.

    Parameters
    ----------
    scene : Scene
        With a plane: only that one. Else all three, and the volume turning about its long axis.
    still_places
        Slices, of the scene's plane or the axial one, that are shown where there is no JavaScript.
    alt
        What there is to see.
    """
    planes = [scene.plane] if scene.plane else list(PLANES)
    columns = [
        _plane(replace(scene, plane=plane), still_places if i == 0 else [], len(planes))
        for i, plane in enumerate(planes)
    ]
    if scene.plane is None:
        columns.append(_turning(scene))
    name = html.escape(alt)
    return f'<div class="medcourse-volume" role="group" aria-label="{name}">{"".join(columns)}{assets("twin")}</div>'


def _plane(scene: Scene, stills: Sequence[int], n_planes: int) -> str:
    shown = {scene.opening, *map(int, stills)}
    places = sorted({*shown, *map(int, scene.places(SLICES[n_planes], None))})
    knob = Knob(str(scene.plane), "range", [scene.where(place) for place in places], places.index(scene.opening))
    frames = [
        Frame(
            (i,),
            draw_slice(scene, place, LONGEST_PX[n_planes]),
            f"{str(scene.plane).capitalize()} slice at {scene.where(place)}{_seen(scene, place)}.",
            f"{scene.plane}, {scene.where(place)}",
            still=place in shown,
        )
        for i, place in enumerate(places)
    ]
    return group([knob], frames, name=f"{scene.plane} slices")


def _seen(scene: Scene, place: int) -> str:
    """Say what is marked in a slice."""
    said = []
    if scene.marks is not None:
        n = len(np.unique(scene.marks.take(place, scene.axis)[scene.marks.take(place, scene.axis) > 0]))
        said.append(f"{n} {'object' if n == 1 else 'objects'} outlined" if n else "no object")
    if scene.detections:
        kinds = [kind for kind, *_ in _cuts(scene, place)]
        cut = {kind: balls[: kinds.count(kind)] for kind, balls in scene.detections.items() if kind in kinds}
        said.append(f"marked: {in_words(cut)}" if cut else "nothing marked")
    return ": " + ", ".join(said) if said else ""


def _cuts(scene: Scene, place: int) -> list[tuple[str, float, float, float]]:
    width_mm = scene.voxels.take(place, scene.axis).shape[1] * scene.pixel_mm[1]
    place_mm = place * scene.step_mm
    return list(
        cut_balls(scene.detections, axis=scene.axis, place_mm=place_mm, step_mm=scene.step_mm, width_mm=width_mm)
    )


def draw_slice(scene: Scene, place: int, longest_px: int) -> np.ndarray:
    """Draw a slice with its labels, marks and a scale bar as (H, W, 3) uint8.

    `longest_px` is the length of the volume's longest edge, so that all planes are drawn in one scale.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415

    pixels = np.repeat(_grey(scene.voxels.take(place, scene.axis), scene.limits)[..., None], 3, axis=2)
    if scene.marks is not None and scene.colours is not None:
        painted = paint(scene.marks.take(place, scene.axis), scene.colours, fill=0.25)
        opacity = painted[..., 3:]
        pixels = np.rint((1 - opacity) * pixels + opacity * 255 * painted[..., :3]).astype(np.uint8)
    up = scene.axis != PLANES["axial"]  # z grows towards the head
    scale = longest_px / max(n * mm for n, mm in zip(scene.voxels.shape, scene.spacing_mm, strict=True))  # px a mm
    size_px = [max(1, round(n * mm * scale)) for n, mm in zip(pixels.shape[:2], scene.pixel_mm, strict=True)]
    image = Image.fromarray(pixels[::-1] if up else pixels)
    # A voxel is a rectangle on the screen: smoothing would invent detail.
    image = image.resize((size_px[1], size_px[0]), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(image)
    for kind, down_mm, right_mm, radius_mm in _cuts(scene, place):
        # Places are counted from the middle of the first voxel, pixels from its edge.
        y, x = (scale * (at + mm / 2) for at, mm in zip((down_mm, right_mm), scene.pixel_mm, strict=True))
        _mark(pen, LOOKS[kind], x, size_px[0] - y if up else y, radius_mm * scale)
    _scale_bar(pen, image.size, scale)
    return np.array(image)


def _grey(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    shares = (np.nan_to_num(values.astype(np.float32), nan=low) - low) / (high - low)
    return np.asarray(np.rint(255 * np.clip(shares, 0, 1)), np.uint8)


def _mark(pen: Any, look: Look, x: float, y: float, radius: float) -> None:
    box = (x - radius, y - radius, x + radius, y + radius)
    colour: Any = tuple(round(255 * share) for share in to_rgb(look.colour))
    for ink, width in (("black", 4), (colour, 2)):
        if look.line == "--":
            for angle in range(0, 360, 45):
                pen.arc(box, angle, angle + 27, fill=ink, width=width)
        elif look.shape == "circle":
            pen.ellipse(box, outline=ink, width=width)
        elif look.shape == "square":
            pen.rectangle(box, outline=ink, width=width)
        else:
            corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y), (x, y - radius)]
            pen.line(corners, fill=ink, width=width, joint="curve")


def _scale_bar(pen: Any, size_px: tuple[int, int], scale: float) -> None:
    width, height = size_px
    length_mm = round_length(width / scale)
    right, bottom = 0.96 * width, height - 6
    left = right - length_mm * scale
    pen.rectangle((left, bottom - 3, right, bottom), fill="white", outline="black")
    text = {"fill": "white", "stroke_fill": "black", "stroke_width": 1, "anchor": "mb", "font_size": 11}
    pen.text(((left + right) / 2, bottom - 5), f"{length_mm:g} mm", **text)


def _turning(scene: Scene) -> str:
    degrees = [round(360 * i / VIEWS) for i in range(VIEWS)]
    knob = Knob("turn", "turn", [f"{angle}°" for angle in degrees], 0)
    what = "Brightest voxels along each line of sight" + (", objects and marks in colours" if _has_marks(scene) else "")
    frames = [
        Frame((i,), view, f"{what}, {_side(angle)}.", f"turned by {angle}°", still=i == 0)
        for i, (angle, view) in enumerate(zip(degrees, turn(scene, degrees), strict=True))
    ]
    return group([knob], frames, name="the volume, turning")


def _has_marks(scene: Scene) -> bool:
    return scene.marks is not None or bool(scene.detections)


def _side(degrees: int) -> str:
    sides = {0: "from the front", 90: "from the patient's left", 180: "from behind", 270: "from the patient's right"}
    return sides.get(degrees, f"turned by {degrees}° about the long axis")


def turn(scene: Scene, degrees: Sequence[float]) -> list[np.ndarray]:
    """Look at a volume from all around: pictures (H, W, 3) uint8, the brightest voxel along each line of sight.

    0 degrees is from the front, 90 from the patient's left; what lies at the back is darker. Labels and detections are
    laid over it in their colours, the nearest first.
    """
    light, marks, colours = _small(scene)
    n_rows, n_columns = light.shape[:2]
    side = int(np.ceil(np.hypot(n_rows, n_columns)))
    away, across = np.indices((side, side), dtype=np.float32) - (side - 1) / 2
    fade = np.linspace(1, _FARTHEST, side, dtype=np.float32)[:, None, None]
    brightest, nearest = [], []
    for angle in np.deg2rad(degrees).astype(np.float32):
        row = np.cos(angle) * away + np.sin(angle) * across + np.float32((n_rows - 1) / 2)
        column = np.cos(angle) * across - np.sin(angle) * away + np.float32((n_columns - 1) / 2)
        brightest.append((_between(light, row, column) * fade).max(axis=0))  # (side, Z)
        seen = _at(marks, np.rint(row), np.rint(column))  # (side, side, Z)
        nearest.append(np.take_along_axis(seen, (seen > 0).argmax(axis=0)[None], axis=0)[0])
    low, high = _window(np.stack(brightest))
    views = []
    for view, seen in zip(brightest, nearest, strict=True):
        grey = (np.clip((view - low) / (high - low), 0, 1) ** _GAMMA)[..., None]
        opacity = _OPACITY * (seen > 0)[..., None]
        pixels = 255 * ((1 - opacity) * grey + opacity * colours[seen])
        # The head is up.
        views.append(_enlarge(np.rint(pixels).astype(np.uint8).transpose(1, 0, 2)[::-1], LONGEST_PX[3]))
    return views


def _window(light: np.ndarray) -> tuple[float, float]:
    """Return what is shown black and white: almost all that is not empty."""
    full = light[light > 0]
    low, high = np.percentile(full, (5, 99.8)) if full.size else (0.0, 1.0)
    return float(low), float(high) if high > low else float(low) + 1.0


def _small(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the volume in cubic voxels, (Y, X, Z) with a rim of zeros: its light from 0, its marks, their colours."""
    from scipy.ndimage import zoom  # noqa: PLC0415  (half a second)

    extent_mm = np.array(scene.voxels.shape) * scene.spacing_mm
    step_mm = float(extent_mm.max()) / _TURNED
    shares = np.maximum(np.rint(extent_mm / step_mm), 1) / scene.voxels.shape
    low = np.nanmin(scene.voxels)
    light = zoom(np.nan_to_num(scene.voxels.astype(np.float32), nan=float(low)) - np.float32(low), shares, order=1)
    marks = np.zeros(light.shape, int)
    colours = np.zeros((1, 3))
    if scene.marks is not None and scene.colours is not None:
        marks, colours = zoom(scene.marks, shares, order=0).astype(int), scene.colours
    shells, more = as_shells(scene.detections, marks.shape, (step_mm, step_mm, step_mm))
    marks = np.where(shells > 0, shells.astype(int) + len(colours) - 1, marks)
    rim = ((1, 1), (1, 1), (0, 0))
    return (
        np.pad(light.transpose(1, 2, 0), rim),
        np.pad(marks.transpose(1, 2, 0).astype(np.uint16), rim),
        np.vstack([colours, more[1:]]),
    )


def _at(values: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return values (Y, X, Z), which have a rim of zeros, at whole rows and columns; those outside are in the rim."""
    n_rows, n_columns, _ = values.shape
    place = np.clip(row, 0, n_rows - 1).astype(int) * n_columns + np.clip(column, 0, n_columns - 1).astype(int)
    return np.asarray(values.reshape(n_rows * n_columns, -1)[place])


def _between(values: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return values (Y, X, Z) at rows and columns, between four of them in proportion."""
    top, left = np.floor(row), np.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]
    upper = (1 - right) * _at(values, top, left) + right * _at(values, top, left + 1)
    lower = (1 - right) * _at(values, top + 1, left) + right * _at(values, top + 1, left + 1)
    return np.asarray((1 - down) * upper + down * lower)


def _enlarge(pixels: np.ndarray, longest_px: int) -> np.ndarray:
    from PIL import Image  # noqa: PLC0415

    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = longest_px / _TURNED
    return np.asarray(
        image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    )
