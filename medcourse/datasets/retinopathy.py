"""Grades of diabetic retinopathy: Kaggle's layout of 2015, simulated graders, and the check of a submission."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

GRADES = ("none", "mild", "moderate", "severe", "proliferative")
SUFFIXES = (".jpeg", ".jpg", ".png")
# About the shares of the five grades among the 35 126 training images of the competition, from memory.
SHARES = (0.735, 0.070, 0.151, 0.025, 0.019)
_SIDE = re.compile(r"^(?P<patient>.+)_(left|right)$")


def read_retinopathy(folder: str | Path, *, must_have_images: bool = True) -> Bunch:
    """Read labels and the places of the photographs of Kaggle's "Diabetic Retinopathy Detection", or a copy of it.

    The layout is `trainLabels.csv` with the columns `image` and `level` (0 to 4), and photographs such as
    `train/10_left.jpeg`, at any depth. Of a person there are as a rule two eyes: split by `patients`.

    Parameters
    ----------
    folder
        The one that holds the CSV. Any single CSV with these two columns is taken.
    must_have_images
        Whether a label without its photograph is an error; the agreement of graders needs no photographs.

    Returns
    -------
    Bunch
        names, patients : list of str. levels : (N,) int64. paths : list of Path, or None without photographs.
        DESCR : str.

    Raises
    ------
    CourseError
        No CSV, or several; no such column; a level that is not 0, 1, 2, 3 or 4; an image twice; a photograph that
        is missing.
    """
    root = Path(folder)
    rows = _rows(_csv_of(root))
    names = [name for name, _ in rows]
    places = {path.stem: path for path in sorted(root.rglob("*")) if path.suffix.lower() in SUFFIXES}
    if must_have_images and (missing := [name for name in names if name not in places]):
        raise CourseError(
            f"expected a photograph for each of {len(names)} labels in {root}, {len(missing)} are missing, first "
            f"{missing[0]}: were all parts unpacked?"
        )
    return Bunch(
        names=names,
        patients=[match["patient"] if (match := _SIDE.match(name)) else name for name in names],
        levels=np.array([level for _, level in rows], np.int64),
        paths=[places[name] for name in names] if must_have_images else None,
        DESCR=f"Diabetic Retinopathy Detection (Kaggle, 2015), {len(names)} graded photographs",
    )


def read_photographs(paths: Sequence[Path], *, side_px: int = 64) -> Iterator[NDArray[np.uint8]]:
    """Read photographs one by one, shrunk so that a collection of 80 GB needs no memory.

    Yields
    ------
    (side_px, side_px, 3) uint8
        The middle square of the photograph.

    Raises
    ------
    CourseError
        A file cannot be read as a picture.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415

    for path in paths:
        try:
            with Image.open(path) as file:
                file.draft("RGB", (2 * side_px, 2 * side_px))  # a JPEG is decoded at a fraction of its size
                yield np.asarray(ImageOps.fit(file.convert("RGB"), (side_px, side_px)))
        except Exception as error:  # each decoder has its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CourseError(f"{path}: expected a photograph, could not read it ({reason})") from None


def check_submission(path: str | Path, names: Sequence[str]) -> list[str]:
    """Return what is wrong with a submission, one line each; an empty list is a valid one.

    Parameters
    ----------
    path
        A CSV with the columns `image` and `level`.
    names
        The images of the test set: each must be there once, in any order.

    Returns
    -------
    list of str
    """
    try:
        rows = _rows(Path(path), check=False)
    except CourseError as error:
        return [str(error)]
    said = [name for name, _ in rows]
    problems = [
        f"{name}: expected a level of 0, 1, 2, 3 or 4, got {text!r}" for name, text in rows if not _is_level(text)
    ]
    problems += [
        f"{name}: expected one line, got {said.count(name)}" for name in sorted({n for n in said if said.count(n) > 1})
    ]
    problems += [f"{name}: expected a line, got none" for name in names if name not in set(said)]
    problems += [f"{name}: is no image of the test set" for name in sorted(set(said) - set(names))]
    return problems


def make_gradings(
    n_eyes: int = 500,
    *,
    noise: ArrayLike = (0.3, 0.6),
    shift: ArrayLike = 0.0,
    shares: ArrayLike = SHARES,
    levels: ArrayLike | None = None,
    seed: int = 0,
) -> Bunch:
    """Simulate graders of diabetic retinopathy who see a severity, each through his own noise.

    The severity of an eye is a number, standard normal over all eyes; cuts at its quantiles give the true grades their
    shares. A grader sees severity + shift + noise * z with his own z and cuts at the same places.

    Parameters
    ----------
    n_eyes
        In [2, 10^6].
    noise, shift
        Of each grader, in standard deviations of severity; noise >= 0; a shift above 0 sees more disease.
    shares
        Of the grades, above 0, summing to 1.
    levels
        (N,) true grades, such as real ones; `n_eyes` and the shares in the truth are then theirs.
    seed
        Same seed, same eyes and graders.

    Returns
    -------
    Bunch
        truth : (N,) int64. grades : (R, N) int64, a row a grader. DESCR : str, with the word SIMULATED.

    Examples
    --------
    >>> made = make_gradings(100, noise=[0.0, 1.0])
    >>> bool((made.grades[0] == made.truth).all()), made.grades.shape
    (True, (2, 100))
    """
    from scipy import stats  # noqa: PLC0415

    share = np.asarray(shares, float)
    spread, bias = np.broadcast_arrays(np.atleast_1d(np.asarray(noise, float)), np.atleast_1d(np.asarray(shift, float)))
    check_ranges([("n_eyes", n_eyes, 2, 10**6), ("noise", float(spread.min()), 0, np.inf)])
    if share.ndim != 1 or not (share > 0).all() or abs(share.sum() - 1) > 1e-6:
        raise CourseError(f"shares must be above 0 and sum to 1, got {share.tolist()}")
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0.0], np.cumsum(share)])
    edges[-1] = 1.0  # rounding must not leave an eye without a grade
    truth = rng.choice(len(share), n_eyes, p=share) if levels is None else np.asarray(levels, np.int64)
    if truth.ndim != 1 or not len(truth) or truth.min() < 0 or truth.max() >= len(share):
        raise CourseError(f"levels must be whole numbers from 0 to {len(share) - 1}, got {np.unique(truth).tolist()}")
    # Within its grade an eye's severity is drawn from that part of the normal distribution.
    severity = stats.norm.ppf(edges[truth] + rng.random(len(truth)) * (edges[truth + 1] - edges[truth]))
    seen = severity + bias[:, None] + spread[:, None] * rng.standard_normal((len(spread), len(truth)))  # (R, N)
    return Bunch(
        truth=truth.astype(np.int64),
        grades=np.searchsorted(stats.norm.ppf(edges[1:-1]), seen).astype(np.int64),
        DESCR=f"SIMULATED gradings of {len(truth)} eyes by {len(spread)} graders, seed {seed}",
    )


def _csv_of(root: Path) -> Path:
    if not root.is_dir():
        raise CourseError(f"expected a folder with trainLabels.csv and photographs, found none at {root}")
    if (usual := root / "trainLabels.csv").is_file():
        return usual
    files = sorted(root.glob("*.csv"))
    if len(files) != 1:
        names = ", ".join(each.name for each in files) or "none"
        raise CourseError(f"expected trainLabels.csv, or one CSV of labels, in {root}, got {names}")
    return files[0]


def _rows(file: Path, *, check: bool = True) -> list[tuple[str, Any]]:
    import csv  # noqa: PLC0415

    if not file.is_file():
        raise CourseError(f"expected a CSV with the columns image and level at {file}, found none")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        table = csv.DictReader(lines)
        if missing := [name for name in ("image", "level") if name not in (table.fieldnames or [])]:
            raise CourseError(f"{file.name}: expected the columns image and level, missing: {', '.join(missing)}")
        rows = [(str(line["image"]).strip(), str(line["level"]).strip()) for line in table]
    if not check:
        return rows
    seen: set[str] = set()
    for name, text in rows:
        if not _is_level(text):
            raise CourseError(f"{file.name}: expected a level of 0, 1, 2, 3 or 4 for {name}, got {text!r}")
        if name in seen:
            raise CourseError(f"{file.name}: expected {name} once, got it twice")
        seen.add(name)
    if not rows:
        raise CourseError(f"{file.name}: expected at least one label, got none")
    return [(name, int(text)) for name, text in rows]


def _is_level(text: str) -> bool:
    return text in {str(level) for level in range(len(GRADES))}
