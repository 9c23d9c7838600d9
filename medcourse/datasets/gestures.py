"""The ten gestures of suturing with a robot: what they are, in which order they come, and where they take the hands.

Names and meanings are those of JIGSAWS (Gao et al. 2014). Order and paths follow from the task: a needle must be caught
before it is pushed, and pushed before its thread is pulled. Weights, durations and places are round numbers of ours.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GESTURES: Mapping[str, str] = {
    "G1": "reaching for the needle with the right hand",
    "G2": "positioning the needle",
    "G3": "pushing the needle through tissue",
    "G4": "transferring the needle from left to right",
    "G5": "moving to the centre with the needle in grip",
    "G6": "pulling the suture with the left hand",
    "G8": "orienting the needle",
    "G9": "using the right hand to help tighten the suture",
    "G10": "loosening more suture",
    "G11": "dropping the suture at the end and moving to the end points",
}
OPEN_RAD, CLOSED_RAD = 0.9, 0.05


class Stroke(NamedTuple):
    """A part of a gesture: its share of the time, where each hand goes and how far each gripper opens (None: stays)."""

    share: float
    right: str | None = None
    left: str | None = None
    right_rad: float | None = None
    left_rad: float | None = None


class Gesture(NamedTuple):
    """Mean duration at tempo 1, in seconds, and the strokes."""

    seconds: float
    strokes: tuple[Stroke, ...]


# Places in millimetres: x to the right, y away from the surgeon, z up. "entry", "exit" and "under" move on from stitch
# to stitch. The wound runs along y at x = 0.
PLACES: Mapping[str, tuple[float, float, float]] = {
    "needle": (32.0, -22.0, 2.0),
    "centre": (6.0, -4.0, 12.0),
    "beside": (-2.0, -4.0, 12.0),  # where the left hand takes hold of a needle at the centre
    "turned": (9.0, -2.0, 14.0),
    "above": (9.0, 0.0, 8.0),
    "entry": (6.0, 0.0, 2.0),
    "under": (1.0, 0.0, -3.0),
    "exit": (-5.0, 0.0, 2.0),
    "near exit": (-14.0, 2.0, 6.0),
    "out": (-52.0, -6.0, 28.0),
    "half out": (-30.0, -4.0, 16.0),
    "aside": (16.0, -6.0, 12.0),
    "thread": (-18.0, -4.0, 10.0),
    "right out": (34.0, -8.0, 22.0),
    "end right": (40.0, -34.0, 14.0),
    "end left": (-40.0, -34.0, 14.0),
}
STITCHED = frozenset({"above", "entry", "under", "exit", "near exit"})
STITCH_MM = 9.0  # from one stitch to the next
MOVES: Mapping[str, Gesture] = {
    "G1": Gesture(3.0, (Stroke(0.7, "needle", None, OPEN_RAD), Stroke(0.3, "needle", None, CLOSED_RAD))),
    "G2": Gesture(4.5, (Stroke(0.4, "above"), Stroke(0.3, "entry"), Stroke(0.3, "entry"))),
    "G3": Gesture(
        6.0,
        (
            Stroke(0.45, "under"),
            Stroke(0.3, "exit", "near exit", None, OPEN_RAD),
            Stroke(0.25, "exit", "exit", None, CLOSED_RAD),
        ),
    ),
    "G4": Gesture(
        4.5,
        (
            Stroke(0.5, "centre", "beside", OPEN_RAD, CLOSED_RAD),
            Stroke(0.25, "centre", "beside", CLOSED_RAD),
            Stroke(0.25, None, "beside", None, OPEN_RAD),
        ),
    ),
    "G5": Gesture(2.5, (Stroke(1.0, "centre"),)),
    "G6": Gesture(5.0, (Stroke(0.2, "aside", "exit", OPEN_RAD), Stroke(0.6, None, "out"), Stroke(0.2, None, "out"))),
    "G8": Gesture(
        4.0,
        (
            Stroke(0.35, "centre", "beside", None, OPEN_RAD),
            Stroke(0.35, "turned", "beside", None, CLOSED_RAD),
            Stroke(0.3, "centre", "beside", None, OPEN_RAD),
        ),
    ),
    "G9": Gesture(
        3.5,
        (
            Stroke(0.4, "thread", "half out", OPEN_RAD),
            Stroke(0.2, "thread", None, CLOSED_RAD),
            Stroke(0.4, "right out", "out"),
        ),
    ),
    "G10": Gesture(3.5, (Stroke(0.5, None, "half out"), Stroke(0.5, None, "out"))),
    "G11": Gesture(3.5, (Stroke(0.3, None, None, OPEN_RAD, OPEN_RAD), Stroke(0.7, "end right", "end left"))),
}
# What may follow, and with which weight, when nothing goes wrong. After G6, G9 and G10 of the last stitch comes G11.
GRAMMAR: Mapping[str, Mapping[str, float]] = {
    "start": {"G1": 0.9, "G5": 0.1},
    "G1": {"G5": 0.7, "G2": 0.15, "G8": 0.15},
    "G5": {"G8": 0.5, "G2": 0.5},
    "G8": {"G2": 1.0},
    "G2": {"G3": 1.0},
    "G3": {"G6": 1.0},
    "G6": {"G4": 0.84, "G9": 0.1, "G10": 0.06},
    "G9": {"G4": 1.0},
    "G10": {"G6": 0.5, "G4": 0.5},
    "G4": {"G2": 0.5, "G8": 0.4, "G5": 0.1},
}
# What follows a slip: the needle stands badly, does not come out, or falls.
SLIPS: Mapping[str, Mapping[str, float]] = {
    "G1": {"G1": 1.0},
    "G2": {"G8": 0.7, "G2": 0.3},
    "G3": {"G2": 0.6, "G3": 0.4},
    "G4": {"G1": 0.5, "G8": 0.5},
    "G8": {"G8": 1.0},
}


def walk(
    rng: np.random.Generator, *, slip: float, n_stitches: int = 4, habits: Mapping[str, Floats] | None = None
) -> list[str]:
    """Draw the gestures of one trial from the grammar.

    Parameters
    ----------
    rng
        Source of chance.
    slip
        Probability that a gesture that can fail does.
    n_stitches
        How often the needle comes out and the suture is pulled before the end.
    habits
        Factors of the weights of `GRAMMAR`, an array for each state.

    Returns
    -------
    list of str
        Such as ["G1", "G5", "G2", "G3", "G6", ..., "G11"].

    Examples
    --------
    >>> walk(np.random.default_rng(0), slip=0.0, n_stitches=1)
    ['G1', 'G5', 'G8', 'G2', 'G3', 'G6', 'G11']
    """
    done, state, said = 0, "start", []
    while state != "G11":
        slipped = state in SLIPS and rng.random() < slip
        follow = (SLIPS if slipped else GRAMMAR)[state]
        weights = np.array(list(follow.values()))
        if habits is not None and not slipped:
            weights = weights * habits[state]
        coming = str(rng.choice(list(follow), p=weights / weights.sum()))
        # A stitch is done when the suture is pulled after a push; the last one ends where the next would begin.
        done += state == "G3" and coming == "G6"
        if done == n_stitches and coming == "G4":
            coming = "G11"
        said.append(coming)
        state = coming
    return said
