"""Robotic suturing, simulated: what the two instruments of a da Vinci do while a surgeon places four stitches.

Ten gestures follow each other by a grammar, with detours, repeats and slips; each is a few strokes of two hands from
place to place (minimum-jerk, Flash & Hogan 1985); surgeons differ in tempo, set-up, habits and steadiness. Vocabulary,
signals, units and size are those of JIGSAWS (Gao et al. 2014). Its frequencies, durations and paths are not: ours are
round numbers, chosen so that a trial takes about two minutes, and from what the task demands of the hands.

Some gestures cannot be told apart in a single frame, because the fourteen signals do not hold what differs:

- Orienting (G8) and positioning (G2) the needle: a right hand that holds a needle and moves slowly over the wound. What
  differs is the wrist's rotation, which is not recorded, and the purpose.
- Transferring (G4) and orienting (G8): both hands at the needle in the middle, and one of them opens and closes.
- Pulling (G6), tightening (G9) and loosening (G10): a left hand that holds the thread somewhere at the left.
- Between two strokes both hands stand still, whichever gesture has just ended.

What came before and what comes after tells them apart, for a needle that was just caught is not pushed yet.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.gestures import CLOSED_RAD, GESTURES, GRAMMAR, MOVES, PLACES, STITCH_MM, STITCHED, walk
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

ROBOT_HZ = 30.0
SIGNALS = tuple(
    f"{hand} {signal}"
    for hand in ("left", "right")
    for signal in ("x (m)", "y (m)", "z (m)", "vx (m/s)", "vy (m/s)", "vz (m/s)", "gripper (rad)")
)
SURGEONS: Mapping[str, str] = {
    "B": "novice",
    "C": "intermediate",
    "D": "expert",
    "E": "expert",
    "F": "intermediate",
    "G": "novice",
    "H": "novice",
    "I": "novice",
}


class Skill(NamedTuple):
    """What hours at the console change.

    `tempo` is the factor of all durations, `corrections` the mean number of corrective strokes a stroke, `slips` the
    chance that a gesture fails, `wander_mm` the unsteadiness of a hand.
    """

    tempo: float
    corrections: float
    slips: float
    wander_mm: float


SKILLS: Mapping[str, Skill] = {
    "novice": Skill(1.35, 0.8, 0.15, 1.2),
    "intermediate": Skill(1.1, 0.4, 0.08, 0.9),
    "expert": Skill(0.9, 0.15, 0.03, 0.6),
}


def make_suturing(
    surgeons: Sequence[str] = tuple(SURGEONS),
    *,
    n_trials: int = 5,
    missing: Sequence[str] = ("H002",),
    n_stitches: int = 4,
    rate_hz: float = 5.0,
    slips: float = 1.0,
    tremor_mm: float = 0.05,
    seed: int = 0,
) -> Bunch:
    r"""Simulate trials of suturing with a surgical robot.

    A trial is a walk through the grammar; each gesture moves the hands from where they are to its places, along

    .. math:: x(t) = x_0 + (x_1 - x_0) (10 \tau^3 - 15 \tau^4 + 6 \tau^5), \quad \tau = t / T,

    which starts and ends at rest. A surgeon has a set-up (where the phantom lies and how it is turned), a reach, a
    grip, a tempo and habits (weights of the grammar) of their own; by skill come tempo, corrective strokes, slips and
    unsteadiness. Tremor of 9 Hz lies on top. Velocities are those of the robot's 30 Hz, and then every sixth frame is
    kept, as DiPietro et al. 2016 do.

    Parameters
    ----------
    surgeons
        Of "B" to "I", as in JIGSAWS; by name, their skill is that of `SURGEONS`.
    n_trials
        Of each, 1 to 999.
    missing
        Trials left out, such as "H002", which JIGSAWS has no transcription of: 39 remain of 40.
    n_stitches
        Needle passes a trial, >= 1.
    rate_hz
        Frames a second; 30 / rate_hz must be whole.
    slips
        Factor of every skill's chance to slip, in [0, 5]; 0 for a grammar without accidents.
    tremor_mm
        Amplitude of the tremor that is left at the instruments' tips, >= 0: the robot filters most of it.
    seed
        Same seed, same trials. A trial does not depend on which others are made.

    Returns
    -------
    Bunch
        sequences : list of (T, 14) float32, by `signals`: of the left, then of the right hand position (m), velocity
        (m/s) and gripper angle (rad).
        labels : list of (T,) int64, index into `gestures`.
        surgeons, trials, skills : lists of str, such as "B", "B001", "novice".
        gestures, meanings, signals : lists of str. rate_hz : float.
        description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    References
    ----------
    .. [1] Gao et al. JHU-ISI Gesture and Skill Assessment Working Set (JIGSAWS): a surgical activity dataset for human
       motion modeling. MICCAI Workshop M2CAI, 2014.
    .. [2] Flash, Hogan. The coordination of arm movements: an experimentally confirmed mathematical model. Journal of
       Neuroscience 5(7):1688-1703, 1985. https://doi.org/10.1523/JNEUROSCI.05-07-01688.1985

    Examples
    --------
    >>> trials = make_suturing("BD", n_trials=2, seed=1)
    >>> trials.trials, trials.sequences[0].shape[1]
    (['B001', 'B002', 'D001', 'D002'], 14)
    """
    _check(surgeons, n_trials, n_stitches, rate_hz)
    if not 0 <= slips <= 5:
        raise CourseError(f"slips must lie in [0, 5], got {slips}")
    if not tremor_mm >= 0:
        raise CourseError(f"tremor_mm must be at least 0, got {tremor_mm}")
    names = [f"{s}{i:03d}" for s in surgeons for i in range(1, n_trials + 1)]
    names = [name for name in names if name not in missing]
    step = round(ROBOT_HZ / rate_hz)
    sequences, labels = [], []
    for name in names:
        signals, gestures = _make_trial(name, n_stitches, slips, tremor_mm, seed)
        sequences.append(signals[::step].astype(np.float32))
        labels.append(gestures[::step])
    return Bunch(
        sequences=sequences,
        labels=labels,
        surgeons=[name[0] for name in names],
        trials=names,
        skills=[SURGEONS[name[0]] for name in names],
        gestures=list(GESTURES),
        meanings=list(GESTURES.values()),
        signals=list(SIGNALS),
        rate_hz=float(rate_hz),
        description=(
            f"SIMULATED suturing with a surgical robot: {len(names)} trials of {len(surgeons)} surgeons at "
            f"{rate_hz:g} Hz, seed {seed}. Hands, habits and slips are models; no surgeon was recorded."
        ),
    )


def _check(surgeons: Sequence[str], n_trials: int, n_stitches: int, rate_hz: float) -> None:
    if not surgeons or set(surgeons) - set(SURGEONS):
        raise CourseError(f"surgeons must be some of {', '.join(SURGEONS)}, got {', '.join(surgeons) or 'none'}")
    if not 1 <= n_trials <= 999:
        raise CourseError(f"n_trials must lie in 1 to 999, got {n_trials}")
    if n_stitches < 1:
        raise CourseError(f"n_stitches must be at least 1, got {n_stitches}")
    if not (0 < rate_hz <= ROBOT_HZ and (ROBOT_HZ / rate_hz).is_integer()):
        raise CourseError(f"rate_hz must divide the robot's {ROBOT_HZ:g} Hz, such as 5 or 30, got {rate_hz}")


class _Style(NamedTuple):
    """What is a surgeon's own, besides skill."""

    tempo: float
    reach: float
    grip: float
    habits: Mapping[str, Floats]
    offset_mm: Floats
    turn_rad: float


def _style(surgeon: str, seed: int) -> _Style:
    rng = np.random.default_rng([seed, ord(surgeon)])
    return _Style(
        tempo=float(rng.lognormal(0, 0.1)),
        reach=float(rng.lognormal(0, 0.08)),
        grip=float(rng.lognormal(0, 0.15)),
        habits={state: rng.lognormal(0, 0.4, len(follow)) for state, follow in GRAMMAR.items()},
        offset_mm=rng.normal(0, 5.0, 3),
        turn_rad=float(rng.normal(0, np.deg2rad(8))),
    )


def minimum_jerk(tau: NDArray[np.floating]) -> Floats:
    """Return how much of a stroke is done at time `tau` in [0, 1]: the path with the least jerk between two rests.

    Examples
    --------
    >>> minimum_jerk(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    tau = np.asarray(tau, float)
    return np.asarray(tau**3 * (10 - 15 * tau + 6 * tau**2))


def _make_trial(
    name: str, n_stitches: int, slips: float, tremor_mm: float, seed: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the signals (T, 14) and gestures (T,) of one trial at 30 Hz."""
    surgeon = name[0]
    skill, style = SKILLS[SURGEONS[surgeon]], _style(surgeon, seed)
    rng = np.random.default_rng([seed, ord(surgeon), int(name[1:])])
    said = walk(rng, slip=min(slips * skill.slips, 1.0), n_stitches=n_stitches, habits=style.habits)
    scene = _Scene(rng, style)
    hands = _Hands(rng, skill, np.stack([scene.place("end left"), scene.place("end right")]))
    labels, stitch = [], 0
    for i, gesture in enumerate(said):
        stitch += i > 1 and said[i - 1] == "G6" and said[i - 2] == "G3"
        move = MOVES[gesture]
        seconds = move.seconds * skill.tempo * style.tempo * rng.lognormal(0, 0.25)
        before = hands.n_frames
        for stroke in move.strokes:
            targets = [None if place is None else scene.place(place, stitch) for place in (stroke.left, stroke.right)]
            grips = [None if rad is None else rad * style.grip for rad in (stroke.left_rad, stroke.right_rad)]
            hands.stroke(seconds * stroke.share, targets, grips)
        labels += [list(GESTURES).index(gesture)] * (hands.n_frames - before)
    return hands.signals(tremor_mm), np.array(labels)


class _Scene:
    """Where the places of a trial lie: the phantom is put down a little differently each time."""

    def __init__(self, rng: np.random.Generator, style: _Style) -> None:
        self._rng, self._reach = rng, style.reach
        self._offset = style.offset_mm + rng.normal(0, 2.0, 3)
        turn = style.turn_rad + rng.normal(0, np.deg2rad(3))
        self._turn = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])

    def place(self, name: str, stitch: int = 0) -> Floats:
        """Return a place (3,) in millimetres, missed by as much as people miss."""
        place = np.array(PLACES[name]) * self._reach
        if name in STITCHED:
            place[1] += STITCH_MM * (stitch - 1.5)
        return np.asarray(self._turn @ place + self._offset + self._rng.normal(0, 1.5, 3))


class _Hands:
    """Two hands that move stroke by stroke; index 0 is left, 1 right."""

    def __init__(self, rng: np.random.Generator, skill: Skill, at_mm: Floats) -> None:
        self._rng, self._skill = rng, skill
        self._at, self._grip = at_mm, np.array([CLOSED_RAD, CLOSED_RAD])
        self._paths: list[Floats] = []  # (n, 2, 4): x, y, z, gripper
        self.n_frames = 0

    def stroke(self, seconds: float, targets: Sequence[Floats | None], grips: Sequence[float | None]) -> None:
        """Move to the targets, by one stroke or, after a miss, by several."""
        goal = np.stack([self._at[i] if t is None else t for i, t in enumerate(targets)])
        grip = np.array([self._grip[i] if g is None else g for i, g in enumerate(grips)])
        n_parts = 1 + int(self._rng.poisson(self._skill.corrections))
        for part in range(n_parts):
            last = part == n_parts - 1
            # A first stroke that is to be corrected goes most of the way, or a little too far.
            reached = 1.0 if last else self._rng.normal(0.9, 0.12)
            # Corrections are short.
            share = 0.6 if part == 0 and not last else (1.0 if n_parts == 1 else 0.4 / (n_parts - 1))
            self._glide(seconds * share, self._at + (goal - self._at) * reached, grip)

    def _glide(self, seconds: float, goal: Floats, grip: Floats) -> None:
        n = max(2, round(seconds * ROBOT_HZ))
        done = minimum_jerk(np.arange(1, n + 1) / n)[:, None, None]
        start = np.concatenate([self._at, self._grip[:, None]], axis=1)
        end = np.concatenate([goal, grip[:, None]], axis=1)
        self._paths.append(start + done * (end - start))
        self._at, self._grip = goal, grip
        self.n_frames += n

    def signals(self, tremor_mm: float) -> Floats:
        """Return (T, 14) in metres, metres a second and radians."""
        path = np.concatenate(self._paths)  # (T, 2, 4)
        n = len(path)
        seconds = np.arange(n) / ROBOT_HZ
        position = path[..., :3] + _wander(self._rng, n, self._skill.wander_mm)
        phase = self._rng.uniform(0, 2 * np.pi, (1, 2, 3))
        position = (position + tremor_mm * np.sin(2 * np.pi * 9.0 * seconds[:, None, None] + phase)) / 1000
        velocity = np.gradient(position, 1 / ROBOT_HZ, axis=0)
        grip = path[..., 3:] + self._rng.normal(0, 0.02, (n, 2, 1))
        return np.concatenate([position, velocity, grip], axis=2).reshape(n, len(SIGNALS))


def _wander(rng: np.random.Generator, n: int, sd_mm: float) -> Floats:
    """Return slow unsteadiness (n, 2, 3) with this standard deviation, forgotten after about a second."""
    from scipy.signal import lfilter  # noqa: PLC0415

    keep = np.exp(-1 / ROBOT_HZ)
    shocks = rng.normal(0, 1, (n, 2, 3))
    noise = lfilter([np.sqrt(1 - keep**2)], [1, -keep], shocks, axis=0)
    # Hands have mass: a second filter takes the jumps out of the first one's velocity.
    return np.asarray(sd_mm * lfilter([1 - 0.8], [1, -0.8], noise, axis=0))
