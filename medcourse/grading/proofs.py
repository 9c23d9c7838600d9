"""Proofs that a lab's tests tell right from wrong: named mistakes and alternatives, run by the dozen.

`tests/labs/<slug>.py` holds plain data: `MISTAKES` and `ALTERNATIVES`, each `{answer grade_id: {name: edit}}`. An edit
is a whole source for the answer's cell, or a list of (old, new) replacements on the reference answer. `EQUIVALENT`, if
there, is `{answer grade_id: {name of a mutant: why no test could tell it from the answer}}`, see `audit`.
"""

import os
import runpy
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.check import own_seed, put_in_hidden_tests
from medcourse.grading.notebooks import lab_notebook, read_notebook
from medcourse.grading.plan import Cell, Limits, Run, Variant, graded_cells
from medcourse.grading.sandbox.engine import Engine, imports_of
from medcourse.grading.sandbox.walls import PLAIN

LIMITS = Limits(cell_seconds=10.0, total_seconds=60.0)
"""What one variant may use: mutants of loops do not end."""

Edit = str | Sequence[tuple[str, str]]
Edits = Mapping[str, Mapping[str, Edit]]


@dataclass(frozen=True)
class Proof:
    """What must lose points and what must not, by answer and name; and which mutants are no other program."""

    mistakes: Edits
    alternatives: Edits
    equivalent: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def load_proof(path: Path) -> Proof:
    """Read the proof of a lab.

    Raises
    ------
    CourseError
        There is no such file, or it lacks a name that it must define.
    """
    if not path.is_file():
        raise CourseError(f"expected the proof of a lab, found none at {path}")
    found = runpy.run_path(str(path))
    for name in ("MISTAKES", "ALTERNATIVES"):
        if not isinstance(found.get(name), dict):
            raise CourseError(f"{path.name}: expected a dictionary {name}, got {type(found.get(name)).__name__}")
    return Proof(found["MISTAKES"], found["ALTERNATIVES"], found.get("EQUIVALENT", {}))


def apply_edit(reference: str, edit: Edit) -> str:
    """Return the source that an edit makes of a reference answer.

    Raises
    ------
    CourseError
        What is to be replaced does not stand there exactly once.

    Examples
    --------
    >>> apply_edit("return 2 * overlap / total", [("2 * ", "")])
    'return overlap / total'
    """
    if isinstance(edit, str):
        return edit
    for old, new in edit:
        if (count := reference.count(old)) != 1:
            raise CourseError(f"expected {old!r} exactly once in the reference answer, found it {count} times")
        reference = reference.replace(old, new)
    return reference


def variants_of(lab_path: Path, edits: Edits) -> list[Variant]:
    """Return the variants that edits make of a lab's answers.

    Raises
    ------
    CourseError
        An edit names no answer of the lab, or does not fit its reference.
    """
    references = reference_answers(lab_path)
    variants = []
    for answer, named in edits.items():
        if answer not in references:
            raise CourseError(f"unknown answer {answer!r} of {lab_path.name}, expected one of: {', '.join(references)}")
        for name, edit in named.items():
            try:
                variants.append(Variant(answer, name, apply_edit(references[answer], edit)))
            except CourseError as error:
                raise CourseError(f"{lab_path.name}, {answer}, {name!r}: {error}") from None
    return variants


def reference_answers(lab_path: Path) -> dict[str, str]:
    """Return the source of each answer cell of a lab, markers included, by grade_id."""
    return {str(cells.grade_id(cell)): cell.source for cell in lab_notebook(lab_path).cells if cells.is_answer(cell)}


def run_variants(
    lab_path: Path, variants: Sequence[Variant], *, limits: Limits = LIMITS, workers: int | None = None
) -> Iterator[Run]:
    """Run each variant with the tests that concern its answer, everything else as in the reference solution.

    Parameters
    ----------
    lab_path
        The lab with its solutions, `solutions/<slug>.py`.
    variants
        In any number.
    limits
        For each.
    workers
        How many run at a time; by default as many as there are cores.

    Yields
    ------
    Run
        One for each variant, in order, with the verdicts on its answer's tests.
    """
    todo = graded_cells(lab_notebook(lab_path))
    yield from run_many([_with_variant(todo, variant) for variant in variants], limits=limits, workers=workers)


def run_solution(lab_path: Path, *, limits: Limits = LIMITS) -> Run:
    """Run the reference solution of a lab with all its tests; every one should earn its points."""
    return next(run_many([graded_cells(lab_notebook(lab_path))], limits=limits, workers=1))


def run_stub(lab_path: Path, release: Path, *, limits: Limits = LIMITS) -> Run:
    """Run a lab as students get it with all its tests; every one should end in a NotImplementedError.

    Parameters
    ----------
    lab_path, release
        `solutions/<slug>.py` and what was built from it.
    limits
        As for `run_variants`.
    """
    stub = read_notebook(release)
    put_in_hidden_tests(stub, lab_notebook(lab_path))
    return next(run_many([graded_cells(stub)], limits=limits, workers=1))


def run_many(
    submissions: Sequence[Sequence[Cell]], *, limits: Limits = LIMITS, workers: int | None = None
) -> Iterator[Run]:
    """Run many submissions to one lab, each in a sandbox of its own, some at a time; yield what came of each in order.

    Parameters
    ----------
    submissions
        The cells of each, as `graded_cells` gives them.
    limits
        For each.
    workers
        How many run at a time; by default as many as there are cores.
    """
    if not submissions:
        return
    here = threading.local()
    engines: list[Engine] = []
    preload = imports_of(submissions[0])

    def start() -> None:
        here.engine = Engine(minimum_tier=PLAIN, preload=preload)
        here.engine.start(limits)
        engines.append(here.engine)

    def run(cells_of_one: Sequence[Cell]) -> Run:
        engine: Engine = here.engine
        return engine.run(cells_of_one, limits=limits, seed=own_seed())

    n_workers = min(workers or os.cpu_count() or 1, len(submissions))
    try:
        with ThreadPoolExecutor(n_workers, initializer=start) as pool:
            yield from pool.map(run, submissions)
    finally:
        for engine in engines:
            engine.close()


def _with_variant(todo: Sequence[Cell], variant: Variant) -> list[Cell]:
    """Return the cells up to the last test of the variant's answer, with no tests but those of that answer."""
    chosen = [
        replace(cell, source=variant.source) if cell.id == variant.answer else cell
        for cell in todo
        if cell.points is None or cell.answer == variant.answer
    ]
    last = max(i for i, cell in enumerate(chosen) if cell.points is not None)
    return chosen[: last + 1]
