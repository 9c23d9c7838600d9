"""Textures and shapes by formula: the categories of `make_fractals` that are no fractals.

Each function draws n pictures (n, side, side) in [0, 1] of its category; coordinates run from -1 to 1 across a picture.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float32]
Draw = Callable[[np.random.Generator, int, int], Floats]


def _grid(side: int) -> tuple[Floats, Floats]:
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    return axis[:, None], axis[None, :]


def _knob(rng: np.random.Generator, n: int, low: float, high: float) -> Floats:
    """Draw one number a picture, (n, 1, 1)."""
    return np.asarray(rng.uniform(low, high, (n, 1, 1)), np.float32)


def _turned(rng: np.random.Generator, n: int, side: int, shift: float) -> tuple[Floats, Floats]:
    """Return coordinates (n, side, side) of grids turned at random about a middle that lies up to `shift` off."""
    y, x = _grid(side)
    y, x = y - _knob(rng, n, -shift, shift), x - _knob(rng, n, -shift, shift)
    angle = _knob(rng, n, 0, 2 * np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _filled(depth: Floats, soft: float = 0.03) -> Floats:
    """Return ink where a depth is positive, with an edge about as wide as `soft`."""
    return np.asarray(special.expit(depth / soft), np.float32)


def _wave(phase: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.sin(phase), np.float32)


# Textures


def _grating(rng: np.random.Generator, n: int, side: int, waves: tuple[float, float]) -> Floats:
    u, _ = _turned(rng, n, side, 1.0)
    return _wave(np.pi * _knob(rng, n, *waves) * u)


def _plaid(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = _turned(rng, n, side, 1.0)
    waves = np.pi * _knob(rng, n, 4, 9)
    return np.asarray(0.5 + 0.5 * np.sin(waves * u) * np.sin(waves * v), np.float32)


def _rings(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = _turned(rng, n, side, 0.6)
    return _wave(np.pi * _knob(rng, n, 5, 11) * np.hypot(u, v) + _knob(rng, n, 0, 6))


def _noise(rng: np.random.Generator, n: int, side: int, scale: tuple[float, float], stretch: float = 1.0) -> Floats:
    """Draw smooth noise whose bumps are `scale` wide, `stretch` times as long as wide, in a random direction."""
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    angle, width = _knob(rng, n, 0, np.pi), _knob(rng, n, *scale) * side / 2
    along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    filtered = np.exp(-0.5 * (np.pi * width) ** 2 * ((stretch * along) ** 2 + across**2))
    white = np.fft.rfft2(rng.standard_normal((n, side, side)))
    field = np.fft.irfft2(white * filtered, s=(side, side))
    field /= field.std(axis=(1, 2), keepdims=True) + 1e-9
    return _filled(np.asarray(field, np.float32), soft=0.5)


def _octaves(rng: np.random.Generator, n: int, side: int) -> Floats:
    """Draw noise of all sizes, each half as wide and half as strong as the one before: clouds, as Perlin's."""
    octaves = [0.5**i * (_noise(rng, n, side, (0.6 * 0.5**i, 0.6 * 0.5**i + 0.01)) - 0.5) for i in range(4)]
    return np.asarray(np.clip(0.5 + sum(octaves), 0, 1), np.float32)


def _cells(rng: np.random.Generator, n: int, side: int, *, cracks: bool) -> Floats:
    """Draw the distance to the nearest of random points, or to the border between two of them: Worley's cells."""
    y, x = _grid(side)
    points = rng.uniform(-1.1, 1.1, (n, 24, 2, 1, 1)).astype(np.float32)
    near = np.full((n, side, side), 9, np.float32)
    second = near.copy()
    for i in range(points.shape[1]):
        distance = np.hypot(y - points[:, i, 0], x - points[:, i, 1])
        second = np.minimum(second, np.maximum(near, distance))
        near = np.minimum(near, distance)
    return _filled(0.06 - (second - near)) if cracks else np.clip(1 - 2.5 * near, 0, 1)


TEXTURES: dict[str, Draw] = {
    "coarse grating": partial(_grating, waves=(2, 4)),
    "fine grating": partial(_grating, waves=(8, 16)),
    "plaid": _plaid,
    "rings": _rings,
    "coarse noise": partial(_noise, scale=(0.2, 0.35)),
    "fine noise": partial(_noise, scale=(0.04, 0.08)),
    "streaks": partial(_noise, scale=(0.05, 0.1), stretch=6.0),
    "clouds": _octaves,
    "cells": partial(_cells, cracks=False),
    "cracks": partial(_cells, cracks=True),
}


# Shapes: depths are positive inside, in half sides of the picture


def _disc(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = _turned(rng, n, side, 0.35)
    return _filled(_knob(rng, n, 0.25, 0.6) - np.hypot(u, v))


def _ellipse(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = _turned(rng, n, side, 0.35)
    long, ratio = _knob(rng, n, 0.4, 0.75), _knob(rng, n, 0.35, 0.6)
    return _filled(ratio * long * (1 - np.hypot(u / long, v / (ratio * long))))


def _ring(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = _turned(rng, n, side, 0.3)
    return _filled(_knob(rng, n, 0.05, 0.12) - np.abs(np.hypot(u, v) - _knob(rng, n, 0.3, 0.6)))


def _polygon(rng: np.random.Generator, n: int, side: int, corners: int) -> Floats:
    u, v = _turned(rng, n, side, 0.3)
    sector = 2 * np.pi / corners
    angle = (np.arctan2(v, u) + sector / 2) % sector - sector / 2
    return _filled(_knob(rng, n, 0.25, 0.5) - np.hypot(u, v) * np.cos(angle))


def _star(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = _turned(rng, n, side, 0.3)
    rays = rng.integers(5, 9, (n, 1, 1))
    radius = _knob(rng, n, 0.3, 0.5) * (1 + 0.45 * np.cos(rays * np.arctan2(v, u)))
    return _filled(np.asarray(radius - np.hypot(u, v), np.float32))


def _cross(rng: np.random.Generator, n: int, side: int) -> Floats:
    u, v = (np.abs(axis) for axis in _turned(rng, n, side, 0.3))
    arm, half = _knob(rng, n, 0.4, 0.7), _knob(rng, n, 0.08, 0.18)
    depth = np.maximum(np.minimum(arm - u, half - v), np.minimum(half - u, arm - v))
    return _filled(depth)


def _tube(rng: np.random.Generator, n: int, side: int) -> Floats:
    """Draw a tube that crosses the picture, straight or bent."""
    u, v = _turned(rng, n, side, 0.4)
    return _filled(_knob(rng, n, 0.06, 0.2) - np.abs(v + _knob(rng, n, -0.6, 0.6) * u**2))


def _fork(rng: np.random.Generator, n: int, side: int) -> Floats:
    """Draw a tube that divides in two."""
    u, v = _turned(rng, n, side, 0.2)
    width, spread = _knob(rng, n, 0.06, 0.14), _knob(rng, n, 0.4, 0.9)
    return _filled(width - np.abs(np.abs(v) - spread * np.maximum(u, 0)))


def _drops(rng: np.random.Generator, n: int, side: int) -> Floats:
    """Draw many small discs."""
    y, x = _grid(side)
    depth = np.full((n, side, side), -9, np.float32)
    for _ in range(10):
        distance = np.hypot(y - _knob(rng, n, -0.9, 0.9), x - _knob(rng, n, -0.9, 0.9))
        depth = np.maximum(depth, _knob(rng, n, 0.06, 0.16) - distance)
    return _filled(depth)


SHAPES: dict[str, Draw] = {
    "disc": _disc,
    "ellipse": _ellipse,
    "ring": _ring,
    "triangle": partial(_polygon, corners=3),
    "square": partial(_polygon, corners=4),
    "star": _star,
    "cross": _cross,
    "tube": _tube,
    "fork": _fork,
    "drops": _drops,
}
