"""Audit a lab: whether its tests take the points from what is wrong, and leave them to what is right.

Everything is graded as a submission is, in the sandbox: the reference solution, the release as it is handed out, the
mistakes and alternatives of the lab's proof, answers that no test may ever take, and mutants of the reference answers.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.grading import proofs
from medcourse.grading.mutants import Mutant, mutants_of
from medcourse.grading.plan import Run, Variant
from medcourse.grading.proofs import Proof
from medcourse.grading.release import check_slug, lab_path, release_path

MUTANTS_KILLED = 0.95
"""The share of mutants, less those argued to be equivalent, that the tests of a lab must reject."""

_DUCK = """
class Duck:
    __array_priority__ = 1e9
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __float__(self): return 1.0
    def __getattr__(self, name): return self
    def __getitem__(self, key): return self
    def __call__(self, *_, **__): return self
    def __iter__(self): return iter([self])
    def __len__(self): return 1
    __lt__ = __gt__ = __le__ = __ge__ = __eq__
    __sub__ = __add__ = __mul__ = __call__
"""
_RESULTS = {
    "an empty array": "__import__('numpy').empty(0)",
    "an empty list": "[]",
    "nothing": "None",
    "zero": "0.0",
    "not a number": "float('nan')",
    "True": "True",
    "something equal to everything": "Duck()",
}
"""What an answer that was not thought about might give back."""


@dataclass(frozen=True)
class Audit:
    """What an audit of one lab found.

    Attributes
    ----------
    lab
        Its slug.
    solution, stub
        What the reference solution and the release got.
    mistakes
        Each mistake of the proof, and each answer that no test may take, with whether it lost points.
    alternatives
        Each alternative of the proof, with whether it got all points.
    n_mutants
        How many were made.
    equivalent
        Survivors that the proof argues to be no other program.
    survivors
        Mutants that got all points.
    """

    lab: str
    solution: Run
    stub: Run
    mistakes: list[tuple[Variant, bool]]
    alternatives: list[tuple[Variant, bool]]
    n_mutants: int
    equivalent: list[tuple[str, Mutant]]
    survivors: list[tuple[str, Mutant]]

    @property
    def n_killed(self) -> int:
        """Mutants that lost points."""
        return self.n_mutants - len(self.equivalent) - len(self.survivors)

    @property
    def false_accepts(self) -> int:
        """Mistakes that lost no point; and a release that earns some counts as one."""
        return sum(not rejected for _, rejected in self.mistakes) + (self.stub.score > 0)

    @property
    def false_rejects(self) -> int:
        """Alternatives that lost points; and a reference solution that does counts as one."""
        return sum(not accepted for _, accepted in self.alternatives) + (self.solution.score < self.solution.max)

    @property
    def only_not_implemented(self) -> bool:
        """Whether every test of the release ends in a NotImplementedError, as it should."""
        return all(exercise.error == "NotImplementedError" for exercise in self.stub.exercises)

    @property
    def passes(self) -> bool:
        """Whether the lab may be given to students."""
        told_apart = self.n_mutants - len(self.equivalent)
        enough = self.n_killed >= MUTANTS_KILLED * told_apart
        return not self.false_accepts and not self.false_rejects and self.only_not_implemented and enough

    def as_json(self) -> dict[str, Any]:
        """Return the shape that `medcourse audit --json` promises."""
        return {
            "lab": self.lab,
            "solution": {"score": self.solution.score, "max": self.solution.max},
            "stub": {"score": self.stub.score, "only_not_implemented": self.only_not_implemented},
            "mistakes": [{"exercise": v.answer, "name": v.name, "rejected": ok} for v, ok in self.mistakes],
            "alternatives": [{"exercise": v.answer, "name": v.name, "accepted": ok} for v, ok in self.alternatives],
            "mutants": {
                "made": self.n_mutants,
                "killed": self.n_killed,
                "equivalent": len(self.equivalent),
                "survivors": [
                    {"exercise": answer, "name": mutant.name, "kind": mutant.kind, "diff": mutant.diff}
                    for answer, mutant in self.survivors
                ],
            },
            "false_accepts": self.false_accepts,
            "false_rejects": self.false_rejects,
        }

    def __str__(self) -> str:
        """Say it in words, survivors as diffs."""
        lines = [
            f"{self.lab}",
            f"  solution      {self.solution.score:g} of {self.solution.max:g} points",
            f"  stub          {self.stub.score:g} points, "
            + (
                "only NotImplementedError" if self.only_not_implemented else "and errors other than NotImplementedError"
            ),
            f"  mistakes      {sum(ok for _, ok in self.mistakes)} of {len(self.mistakes)} rejected",
            f"  alternatives  {sum(ok for _, ok in self.alternatives)} of {len(self.alternatives)} accepted",
            f"  mutants       {self.n_killed} of {self.n_mutants} killed, {len(self.equivalent)} argued equivalent",
        ]
        lines += [f"  accepted, but wrong: {v.answer}: {v.name}" for v, rejected in self.mistakes if not rejected]
        lines += [f"  rejected, but right: {v.answer}: {v.name}" for v, accepted in self.alternatives if not accepted]
        for answer, mutant in self.survivors:
            lines += [f"  survives: {answer}: {mutant.name}", *(f"    {line}" for line in mutant.diff.splitlines())]
        return "\n".join(lines)


def audit(
    root: Path,
    slug: str,
    *,
    workers: int | None = None,
    every_mutant: int = 1,
    progress: Callable[..., Any] | None = None,
) -> Audit:
    """Grade everything that shows whether the tests of a lab are good.

    Parameters
    ----------
    root
        The course's folder, with `solutions/` and `tests/labs/`.
    slug
        The lab.
    workers
        How many submissions are graded at a time; by default as many as there are cores.
    every_mutant
        Try each so-many-th mutant of an answer only, where time is short: 1 tries all. The others are not counted.
    progress
        Wraps an iterable and takes `total`, as `tqdm` does.

    Raises
    ------
    CourseError
        No such lab, no proof of it, a proof that does not fit, or a lab that is not built or does not run.
    """
    check_slug(root, slug)
    lab = lab_path(root, slug)
    if not lab.is_file():
        raise CourseError(f"expected {lab}, found none: only an instructor's folder can be audited")
    proof = proofs.load_proof(root / "tests" / "labs" / f"{slug}.py")
    references = proofs.reference_answers(lab)
    mistakes = [*proofs.variants_of(lab, proof.mistakes), *known_bad(references)]
    alternatives = proofs.variants_of(lab, proof.alternatives)
    mutants = [(answer, mutant) for answer, source in references.items() for mutant in mutants_of(source)]
    _check_equivalent(lab, proof, mutants)
    mutants = mutants[::every_mutant]
    tried = [*mistakes, *alternatives, *(Variant(answer, mutant.name, mutant.source) for answer, mutant in mutants)]

    solution, stub = proofs.run_solution(lab), proofs.run_stub(lab, release_path(root, slug))
    runs: Iterable[Run] = proofs.run_variants(lab, tried, workers=workers)
    full = [run.score == run.max for run in (progress(runs, total=len(tried)) if progress else runs)]
    verdicts = iter(full)
    rejected = [(variant, not next(verdicts)) for variant in mistakes]
    accepted = [(variant, next(verdicts)) for variant in alternatives]
    alive = [each for each in mutants if next(verdicts)]
    argued = [each for each in alive if each[1].name in proof.equivalent.get(each[0], {})]
    survivors = [each for each in alive if each not in argued]
    return Audit(slug, solution, stub, rejected, accepted, len(mutants), argued, survivors)


def known_bad(references: dict[str, str]) -> Iterator[Variant]:
    """Yield for each answer what no test may ever take: functions and classes that give back the same for everything.

    Parameters
    ----------
    references
        The reference answers, by grade_id.
    """
    for answer, source in references.items():
        names = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        for result, expression in _RESULTS.items() if names else ():
            stand_ins = [
                f"def {node.name}(*_, **__): return {expression}"
                if isinstance(node, ast.FunctionDef)
                else f"class {node.name}(Duck):\n    def __init__(self, *_, **__): ...\n"
                f"    def __call__(self, *_, **__): return {expression}"
                for node in names
            ]
            yield Variant(answer, f"gives back {result}, whatever is asked", "\n".join([_DUCK, *stand_ins]))


def _check_equivalent(lab: Path, proof: Proof, mutants: Sequence[tuple[str, Mutant]]) -> None:
    made = {(answer, mutant.name) for answer, mutant in mutants}
    for answer, argued in proof.equivalent.items():
        for name, reason in argued.items():
            if (answer, name) not in made:
                raise CourseError(f"{lab.name}: EQUIVALENT names no mutant of {answer}: {name}")
            if len(reason.split()) < 3:
                raise CourseError(f"{lab.name}: expected why {name} of {answer} is equivalent, got {reason!r}")
