"""Proofs that a lab's tests tell right from wrong: named mistakes and alternatives, run by the dozen.

`tests/labs/<slug>.py` holds plain data: `MISTAKES` and `ALTERNATIVES`, each `{answer grade_id: {name: edit}}`. An edit
is a whole source for the answer's cell, or a list of (old, new) replacements on the reference answer.
"""

import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading import cells, plain
from medcourse.grading.check import put_in_hidden_tests
from medcourse.grading.notebooks import lab_notebook, read_notebook
from medcourse.grading.plan import Run, Variant

Edit = str | Sequence[tuple[str, str]]
Edits = Mapping[str, Mapping[str, Edit]]


@dataclass(frozen=True)
class Proof:
    """What must lose points and what must not, by answer and name."""

    mistakes: Edits
    alternatives: Edits


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
    return Proof(found["MISTAKES"], found["ALTERNATIVES"])


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


def run_variants(lab_path: Path, variants: Sequence[Variant], **limits: float) -> list[Run]:
    """Run each variant with the tests that concern its answer, everything else as in the reference solution.

    Parameters
    ----------
    lab_path
        The lab with its solutions, `solutions/<slug>.py`.
    variants
        In any number: they share one process, and what stands above an answer runs once.
    **limits
        `cell_seconds` and `wall_seconds`, see `plain.run_notebook`.

    Returns
    -------
    list of Run
        One for each variant, with the verdicts on its answer's tests.
    """
    return plain.run_variants(lab_notebook(lab_path), variants, folder=lab_path.resolve().parent, **limits)


def run_solution(lab_path: Path, **limits: float) -> Run:
    """Run the reference solution of a lab with all its tests; every one should earn its points."""
    return plain.run_notebook(lab_notebook(lab_path), folder=lab_path.resolve().parent, **limits)


def run_stub(lab_path: Path, release: Path, **limits: float) -> Run:
    """Run a lab as students get it with all its tests; every one should end in a NotImplementedError.

    Parameters
    ----------
    lab_path, release
        `solutions/<slug>.py` and what was built from it.
    **limits
        As for `run_variants`.
    """
    stub = read_notebook(release)
    put_in_hidden_tests(stub, lab_notebook(lab_path))
    return plain.run_notebook(stub, folder=lab_path.resolve().parent, **limits)
