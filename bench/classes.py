"""A class that hands in a lab: right, wrong, broken and slow submissions, the same for the same seed.

Of 60 students

| kind       | how many | what they hand in                                                                       |
|------------|----------|-----------------------------------------------------------------------------------------|
| right      | 26       | for each answer the reference or an alternative of `tests/labs/<lab>.py`                |
| wrong      | 18       | the same, with one to three of its named mistakes                                       |
| syntax     | 3        | an answer that does not parse                                                           |
| deleted    | 3        | a notebook without one of its answers and one of its tests                              |
| empty      | 2        | what they were given                                                                    |
| exits      | 2        | an answer that ends Python, when it is defined or when it is called                     |
| raises     | 2        | an answer that fails when it is defined                                                 |
| sleeps     | 3        | right answers, a cell of which sleeps two seconds                                       |
| endless    | 1        | right answers, a cell of which never ends                                               |

and in a class of another size the same shares. Kinds are spread evenly, so a part of the class is like the whole.
"""

import copy
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medcourse.grading import cells, proofs, release
from medcourse.grading.notebooks import read_notebook, to_text

ROOT = Path(__file__).resolve().parents[1]
MIX = {
    "right": 26,
    "wrong": 18,
    "syntax": 3,
    "deleted": 3,
    "empty": 2,
    "exits": 2,
    "raises": 2,
    "sleeps": 3,
    "endless": 1,
}
SLEEP_S = 2.0


@dataclass(frozen=True)
class Submission:
    """Who handed in what.

    Attributes
    ----------
    student
        Name of the folder in `submitted/`.
    kind
        A key of `MIX`.
    edits
        What was written for an answer, where that is not the reference: its grade_id, and the name of the variant.
    """

    student: str
    kind: str
    edits: dict[str, str]


def kinds(size: int) -> list[str]:
    """Return the kinds of a class, each spread evenly over it.

    Examples
    --------
    >>> kinds(60).count("right"), kinds(5)
    (26, ['right', 'wrong', 'right', 'wrong', 'sleeps'])
    """
    total = sum(MIX.values())
    places = [((i + 0.5) / count, kind) for kind, count in MIX.items() for i in range(count)]
    in_turn = [kind for _, kind in sorted(places, key=lambda place: place[0])]
    return [in_turn[i % total] for i in range(size)]


def make_class(
    root: Path, lab: str, size: int, seed: int = 0, *, source: Path = ROOT, proof: Path | None = None
) -> list[Submission]:
    """Make a course folder with a lab, a gradebook that knows it, and what a class handed in.

    Parameters
    ----------
    root
        An empty or absent folder: gets `solutions/`, `assignments/`, `submitted/`, `nbgrader_config.py` and
        `gradebook.db`.
    lab
        The lab's slug.
    size
        Number of students.
    seed
        Draws who uses which alternative and makes which mistake.
    source
        Where the lab comes from: a course folder with `solutions/<lab>.py`.
    proof
        Its mistakes and alternatives; `tests/labs/<lab>.py` of this repository unless given.

    Returns
    -------
    list of Submission
        In the order of the students' names.
    """
    prepare_course(root, lab, source=source)
    return hand_in(root, lab, size, seed, proof=proof)


def hand_in(root: Path, lab: str, size: int, seed: int = 0, *, proof: Path | None = None) -> list[Submission]:
    """Write the submissions of a class into a prepared course folder; as `make_class`."""
    clean = read_notebook(release.release_path(root, lab))
    lab_path = release.lab_path(root, lab)
    known = proofs.load_proof(proof or ROOT / "tests" / "labs" / f"{lab}.py")
    writer = _Writer(
        proofs.reference_answers(lab_path),
        _by_answer(proofs.variants_of(lab_path, known.alternatives)),
        _by_answer(proofs.variants_of(lab_path, known.mistakes)),
    )
    rng = np.random.default_rng(seed)
    submissions = []
    for number, kind in enumerate(kinds(size), start=1):
        student = f"student-{number:04d}"
        notebook, edits = writer.write(clean, kind, rng)
        path = root / "submitted" / student / lab / f"{lab}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(to_text(notebook), encoding="utf-8")
        submissions.append(Submission(student, kind, edits))
    return submissions


def prepare_course(root: Path, lab: str, *, source: Path = ROOT) -> None:
    """Make a course folder with one lab, built, and known to the gradebook."""
    (root / "solutions").mkdir(parents=True)
    (root / "course").mkdir()  # by which `medcourse` knows a course
    shutil.copy(release.lab_path(source, lab), root / "solutions")
    for folder in (Path("solutions", "pictures"), Path("bench", "results")):  # what the text of a lab quotes
        if (source / folder).is_dir():
            shutil.copytree(source / folder, root / folder)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release.build(root, [lab])
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", lab, "--force"],
        cwd=root, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"expected nbgrader to make a gradebook for {lab}, but it said: {done.stderr}")


def environment(**variables: str) -> dict[str, str]:
    """Return the environment for commands: that of this process, without settings of the course but `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDCOURSE_", "JUPYTER"))}
    # nbgrader calls alembic, which it looks for on the PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path} | variables


@dataclass(frozen=True)
class _Writer:
    """Writes submissions of one lab: sources by answer, and for variants by their name."""

    reference: dict[str, str]
    alternatives: dict[str, dict[str, str]]
    mistakes: dict[str, dict[str, str]]

    def write(self, clean: Any, kind: str, rng: np.random.Generator) -> tuple[Any, dict[str, str]]:
        """Return a notebook of a kind, and what was written in it."""
        notebook = copy.deepcopy(clean)
        if kind == "empty":
            return notebook, {}
        sources, edits = dict(self.reference), {}
        for answer, alternatives in self.alternatives.items():
            if rng.random() < 0.5:
                edits[answer] = str(rng.choice(sorted(alternatives)))
                sources[answer] = alternatives[edits[answer]]
        victim = str(rng.choice(sorted(self.reference)))
        if kind == "wrong":
            for answer in rng.choice(sorted(self.mistakes), size=rng.integers(1, 4), replace=False).tolist():
                edits[answer] = str(rng.choice(sorted(self.mistakes[answer])))
                sources[answer] = self.mistakes[answer][edits[answer]]
        if kind in {"syntax", "exits", "raises", "sleeps", "endless"}:
            edits[victim], sources[victim] = _break(kind, victim, sources[victim], rng)
        for cell in notebook.cells:
            cell.source = sources.get(str(cells.grade_id(cell)), cell.source)
            if cells.is_written(cell):
                cell.source = "It depends on what is counted, and on how many cells touch."
        if kind == "deleted":
            tests = [str(cells.grade_id(cell)) for cell in notebook.cells if cells.is_test(cell)]
            gone = {victim, str(rng.choice(tests))}
            notebook.cells = [cell for cell in notebook.cells if cells.grade_id(cell) not in gone]
            edits |= dict.fromkeys(gone, "deleted")
        return notebook, edits


def _break(kind: str, answer: str, source: str, rng: np.random.Generator) -> tuple[str, str]:
    """Return how an answer is broken, in words, and its source."""
    if kind == "syntax":
        return "a bracket is not closed", f"{source}\nprint((1, 2)"
    if kind == "raises":
        return "fails when it is defined", f"raise RuntimeError('I gave up here')\n{source}"
    if kind == "sleeps":
        return f"sleeps {SLEEP_S:g} s", f"import time\n\ntime.sleep({SLEEP_S})\n{source}"
    if kind == "endless":
        return "never ends", f"{source}\nwhile True:\n    pass"
    if rng.random() < 0.5:
        return "ends Python when it is defined", f"import os\n\nos._exit(0)\n{source}"
    return "ends Python when it is called", f"def {answer}(*args, **kwargs):\n    import os\n\n    os._exit(0)"


def _by_answer(variants: list[Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for variant in variants:
        found.setdefault(variant.answer, {})[variant.name] = variant.source
    return found
