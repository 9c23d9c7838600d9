"""The claims of the papers, measured again: each an inequality, a value for each seed, an interval, a verdict.

A lab's experiment asks `seeds()` how often to repeat and `source()` what to run on, and hands `report()` its rows.
Run in a notebook, it uses the defaults; `medcourse effects` runs the same cells with other ones and keeps the rows.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from medcourse.errors import CourseError
from medcourse.paths import course_root

N_SEEDS = 5
SEEDS_VARIABLE = "MEDCOURSE_SEEDS"
"""Name of the environment variable that makes notebooks repeat their experiments as often as it says."""
CONFIDENCE = 0.95
SIMULATED = "simulated"
T = TypeVar("T")


@dataclass(frozen=True)
class Effect:
    """One row of the reproduction table.

    `ours`, `low` and `high` are the mean over seeds and its 95 % interval; all three and `holds` are None where the
    data cannot tell (say, no cells touch). `verdict` is `holds` in words, and keeps apart the two ways of not holding:
    the interval meets the bound, so that nothing is shown, or it lies beyond, so that the opposite is.
    """

    unit: str
    paper: str
    claim: str
    paper_figure: str
    ours: float | None
    low: float | None
    high: float | None
    seeds: int
    holds: bool | None
    verdict: str
    data: str

    @property
    def figure(self) -> str:
        """Our figure for people; empty where the data cannot tell."""
        return "" if self.ours is None else f"{self.ours:.3g}"

    @property
    def interval(self) -> str:
        """Its 95 % interval for people; empty where the data cannot tell."""
        return "" if self.low is None else f"{self.low:.3g} to {self.high:.3g}"


def seeds_of_notebooks() -> int:
    """Return how often a notebook repeats its experiment: `N_SEEDS`, unless the environment says otherwise.

    Tests that ask whether a notebook runs say 2, the fewest that have an interval: they would wait for nothing new.

    Raises
    ------
    CourseError
        The variable is no whole number of at least 2.
    """
    asked = os.environ.get(SEEDS_VARIABLE) or str(N_SEEDS)
    if not asked.isdecimal() or int(asked) < 2:
        raise CourseError(f"expected {SEEDS_VARIABLE} to be a whole number of at least 2, got {asked!r}")
    return int(asked)


@dataclass
class _Run:
    """What `medcourse effects` asks of a lab's experiment, and what it gets."""

    folder: Path | None = None
    n_seeds: int = field(default_factory=seeds_of_notebooks)
    thorough: bool = False
    rows: list[Effect] = field(default_factory=list)


_run = _Run()


def seeds() -> range:
    """Return the seeds to repeat an experiment over."""
    return range(_run.n_seeds)


def thorough() -> bool:
    """Return whether there is time to train until nothing more is gained: not where a person waits at a notebook."""
    return _run.thorough


def source(simulate: Callable[[], T], read: Callable[[Path], T]) -> T:
    """Return the simulated data, or those that `read` finds in the folder given to `medcourse effects --data`."""
    return simulate() if _run.folder is None else read(_run.folder)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of independent runs and the ends of its 95 % interval by Student's t.

    Examples
    --------
    >>> [round(x, 3) for x in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy import stats  # noqa: PLC0415  (half a second that the command line need not pay)

    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) < 2 or not np.isfinite(array).all():
        raise CourseError(f"an interval needs at least two finite values, got {values}")
    mean, half = float(array.mean()), 0.0
    if array.std() > 0:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return mean, mean - half, mean + half


def measure(
    unit: str,
    claim: str,
    values: Sequence[float] | None,
    *,
    paper: str,
    paper_figure: str,
    above: float = -np.inf,
    below: float = np.inf,
) -> Effect:
    """Test one claim: it holds if the interval of `values`, one a seed, lies above `above` and below `below`.

    Parameters
    ----------
    claim
        The inequality in words and units: "merged cells a picture, w0 = 10 minus w0 = 0: below 0".
    values
        One for each seed; for a comparison, the difference within the seed. None where the data cannot tell.
    paper_figure
        What the paper reports, or that it reports none.
    """
    data = SIMULATED if _run.folder is None else _run.folder.name
    if values is None:
        return Effect(unit, paper, claim, paper_figure, None, None, None, 0, None, "cannot be told", data)
    mean, low, high = interval(values)
    holds = above < low and high < below
    verdict = "holds" if holds else "opposite shown" if high < above or below < low else "not shown"
    return Effect(unit, paper, claim, paper_figure, mean, low, high, len(values), holds, verdict, data)


def report(effects: Sequence[Effect]) -> Any:
    """Keep the effects for the reproduction table and return them as a data frame to look at, with whole claims."""
    import pandas as pd  # noqa: PLC0415

    _run.rows.extend(effects)
    pd.set_option("display.max_colwidth", None)  # a claim is a sentence, and its bound stands at its end
    return as_table(effects)


def as_table(effects: Sequence[Effect]) -> Any:
    """Return effects as a data frame for people: claim, the paper's figure, ours with its interval, verdict."""
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame(
        [
            {
                "claim": e.claim,
                "paper": e.paper_figure,
                "ours": e.figure,
                "95 % interval": e.interval,
                "verdict": e.verdict,
            }
            for e in effects
        ]
    )


@contextmanager
def settings(*, folder: Path | None = None, n_seeds: int = N_SEEDS, thorough: bool = False) -> Iterator[list[Effect]]:
    """Let the experiments within run with these settings; yields the list that their rows go to."""
    global _run  # noqa: PLW0603  (a notebook's cells cannot be handed an argument)
    before, _run = _run, _Run(folder, n_seeds, thorough)
    try:
        yield _run.rows
    finally:
        _run = before


def run(lab: str, *, data: Path | None = None, n_seeds: int = N_SEEDS, quick: bool = False) -> list[Effect]:
    """Run the experiment of a lab, with its reference solution, and return its rows.

    Parameters
    ----------
    lab
        The unit's slug.
    data
        A folder in the real data set's own layout; None for simulated data.
    n_seeds
        How often to repeat, at least 2.
    quick
        Train as shortly as in the notebook.

    Raises
    ------
    CourseError
        There is no such lab here, the folder cannot be read, or there are fewer than two seeds.
    """
    if n_seeds < 2:
        raise CourseError(f"expected at least 2 seeds for an interval, got {n_seeds}")
    if data is not None and not data.is_dir():
        raise CourseError(f"expected a folder of data, found none at {data}")
    path = course_root() / "solutions" / f"{lab}.py"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("[0-9]*.py"))) or "none: this tree has no solutions"
        raise CourseError(f"no lab {lab!r} with a reference solution here; there are: {known}")
    with settings(folder=data, n_seeds=n_seeds, thorough=not quick) as rows:
        _execute(path)
    return rows


def _execute(path: Path) -> None:
    """Run the setup, the answers and the experiments of a lab, not its tests, without a kernel."""
    import jupytext  # noqa: PLC0415
    import matplotlib as mpl  # noqa: PLC0415
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.use("Agg")
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *_args, **_kwargs: None}
    transform = TransformerManager().transform_cell  # type: ignore[no-untyped-call]  # a cell may hold magics
    for cell in jupytext.read(path).cells:
        if cell.cell_type != "code" or cell.metadata.get("nbgrader", {}).get("grade"):
            continue
        exec(compile(transform(cell.source), f"{path.name}: {cell.source[:40]!r}", "exec"), namespace)  # noqa: S102
        plt.close("all")


def read_table(path: Path) -> list[Effect]:
    """Return the rows of the reproduction table at `path`, as `save` wrote them.

    Raises
    ------
    CourseError
        There is no table, or a row of it is none.
    """
    try:
        return [Effect(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    except FileNotFoundError:
        raise CourseError(f"expected a reproduction table at {path}, found none: run `medcourse effects`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"expected a reproduction table at {path}, got one that cannot be read: {error}") from None


def save(rows: Sequence[Effect], path: Path) -> None:
    """Put `rows` into the reproduction table at `path`, in place of older ones of the same unit and data."""
    kept: list[dict[str, Any]] = []
    if path.is_file():
        fresh = {(row.unit, row.data) for row in rows}
        kept = [row for row in json.loads(path.read_text())["rows"] if (row["unit"], row["data"]) not in fresh]
    table = {"rows": sorted([*kept, *map(asdict, rows)], key=lambda row: (row["unit"], row["data"]))}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(table, indent=1) + "\n")
    temporary.replace(path)  # a reader sees the old table or the new one, never half of one
