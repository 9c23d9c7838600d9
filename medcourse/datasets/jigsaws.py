"""JIGSAWS' suturing in its own layout: robot kinematics at 30 Hz, and transcriptions that say who did what when."""

import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.gestures import GESTURES
from medcourse.datasets.suturing import ROBOT_HZ, SIGNALS
from medcourse.errors import CourseError

TASK = "Suturing"
KINEMATICS, TRANSCRIPTIONS, META = "kinematics/AllGestures", "transcriptions", "meta_file_Suturing.txt"
N_COLUMNS = 76
# Counted from 1, as in JIGSAWS' readme: of the left, then of the right patient-side instrument, position, velocity,
# gripper angle.
COLUMNS = (39, 40, 41, 51, 52, 53, 57, 58, 59, 60, 70, 71, 72, 76)
SKILLS = {"N": "novice", "I": "intermediate", "E": "expert"}
_TRIAL = re.compile(rf"^{TASK}_([A-Z])(\d{{3}})$")
_SEGMENT = re.compile(r"^\s*(\d+)\s+(\d+)\s+(G\d+)\s*$")
UNLABELLED = -1


def read_jigsaws(folder: str | Path, *, rate_hz: float = 5.0) -> Bunch:
    """Read the suturing trials of JIGSAWS.

    The layout is `Suturing/kinematics/AllGestures/Suturing_B001.txt` (76 numbers a line, 30 lines a second) and
    `Suturing/transcriptions/Suturing_B001.txt` ("start end G1" a line, frames counted from 1, both ends included).
    Frames without a label, before the first gesture, after the last and between two, are left out, and then every sixth
    frame of the rest is kept, as the code of DiPietro et al. 2016 does. Where two segments overlap, the later line
    counts, and what reaches beyond the last frame is cut.

    Parameters
    ----------
    folder
        `Suturing`, the folder that holds it, or one above that.
    rate_hz
        Frames a second; 30 / rate_hz must be whole.

    Returns
    -------
    Bunch
        As of `make_suturing`. skills: "novice", "intermediate" or "expert" as the surgeons called themselves, by
        `meta_file_Suturing.txt`; None where that does not say.

    Raises
    ------
    CourseError
        No such folder, no whole trial in it, a file that cannot be read or has other columns, a line of a transcription
        that says no segment, a gesture that suturing does not have, no labelled frame.

    Warns
    -----
    UserWarning
        Trials with kinematics and no transcription (H002 in JIGSAWS), or the other way round, were left out; told once.

    References
    ----------
    .. [1] Gao et al. JHU-ISI Gesture and Skill Assessment Working Set (JIGSAWS): a surgical activity dataset for human
       motion modeling. MICCAI Workshop M2CAI, 2014.
    """
    if not (0 < rate_hz <= ROBOT_HZ and (ROBOT_HZ / rate_hz).is_integer()):
        raise CourseError(f"rate_hz must divide the robot's {ROBOT_HZ:g} Hz, such as 5 or 30, got {rate_hz}")
    root = _root(Path(folder))
    names = _whole_trials(root)
    skills = _skills(root / META)
    step = round(ROBOT_HZ / rate_hz)
    sequences, labels = [], []
    for name in names:
        signals = _kinematics(root / KINEMATICS / f"{name}.txt")
        gestures = _transcription(root / TRANSCRIPTIONS / f"{name}.txt", n_frames=len(signals))
        known = gestures != UNLABELLED
        sequences.append(signals[known][::step].astype(np.float32))
        labels.append(gestures[known][::step])
    trials = [name.removeprefix(f"{TASK}_") for name in names]
    surgeons = [trial[0] for trial in trials]
    return Bunch(
        sequences=sequences,
        labels=labels,
        surgeons=surgeons,
        trials=trials,
        skills=[skills.get(name) for name in names],
        gestures=list(GESTURES),
        meanings=list(GESTURES.values()),
        signals=list(SIGNALS),
        rate_hz=float(rate_hz),
        description=f"JIGSAWS, suturing: {len(trials)} trials of {len(set(surgeons))} surgeons at {rate_hz:g} Hz",
    )


def _root(folder: Path) -> Path:
    """Return the folder `Suturing`, which is `folder` or lies at most two below."""
    if not folder.is_dir():
        raise CourseError(f"expected a folder of JIGSAWS, found none at {folder}")
    for root in (folder, *sorted(folder.glob(TASK)), *sorted(folder.glob(f"*/{TASK}"))):
        if (root / KINEMATICS).is_dir():
            return root
    raise CourseError(f"expected {TASK}/{KINEMATICS} in {folder}, found none: is it unpacked?")


def _whole_trials(root: Path) -> list[str]:
    """Return the names of the trials that have both files; warn once of those that have one."""
    if not (root / TRANSCRIPTIONS).is_dir():
        raise CourseError(f"expected a folder {TRANSCRIPTIONS} in {root}, found none: is it unpacked?")
    moved, transcribed = (
        {path.stem for path in (root / part).glob("*.txt") if _TRIAL.match(path.stem)}
        for part in (KINEMATICS, TRANSCRIPTIONS)
    )
    if not moved & transcribed:
        raise CourseError(
            f"expected files such as {TASK}_B001.txt in {KINEMATICS} and {TRANSCRIPTIONS} of {root}, found no pair"
        )
    lacking = [
        f"{', '.join(sorted(names))} (no {what})"
        for names, what in ((moved - transcribed, "transcription"), (transcribed - moved, "kinematics"))
        if names
    ]
    if lacking:
        warnings.warn(f"left out of {root.name}: {'; '.join(lacking)}", stacklevel=3)
    return sorted(moved & transcribed)


def _kinematics(path: Path) -> NDArray[np.float64]:
    """Return the signals (T, 14) of a trial."""
    try:
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise CourseError(f"{path}: expected a table of numbers, could not read it ({error})") from None
    if table.shape[1] != N_COLUMNS or not len(table):
        raise CourseError(f"{path}: expected {N_COLUMNS} columns, got a table of {table.shape[0]} x {table.shape[1]}")
    signals = table[:, np.array(COLUMNS) - 1]
    if not np.isfinite(signals).all():
        raise CourseError(f"{path}: expected finite numbers, got some that are not: is the file damaged?")
    return np.asarray(signals)


def _transcription(path: Path, *, n_frames: int) -> NDArray[np.int64]:
    """Return the gesture of each frame (T,), `UNLABELLED` where nobody gave one."""
    labels, gestures = np.full(n_frames, UNLABELLED), list(GESTURES)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        segment = _SEGMENT.match(line)
        if segment is None:
            raise CourseError(f'{path}, line {number}: expected "start end G1", got {line.strip()[:40]!r}')
        start, end, gesture = int(segment[1]), int(segment[2]), segment[3]
        if gesture not in GESTURES:
            raise CourseError(f"{path}, line {number}: expected a gesture of {', '.join(GESTURES)}, got {gesture}")
        if not 1 <= start <= end:
            raise CourseError(f"{path}, line {number}: expected frames 1 <= start <= end, got {start} and {end}")
        labels[start - 1 : end] = gestures.index(gesture)
    if (labels == UNLABELLED).all():
        raise CourseError(f"{path}: expected segments within the {n_frames} frames of the trial, found none")
    return labels


def _skills(path: Path) -> dict[str, str]:
    """Return the skill of each trial by the meta file's second column: N, I or E."""
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text().splitlines()]
    return {row[0]: SKILLS[row[1]] for row in rows if len(row) > 1 and row[1] in SKILLS}
