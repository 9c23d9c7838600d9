"""What is run of a notebook, within which limits, and what came of it: the words that all of the grader shares."""

from dataclasses import asdict, dataclass, field
from typing import Any

from medcourse.grading import cells as kinds


@dataclass(frozen=True)
class Cell:
    """One cell to run.

    Attributes
    ----------
    id
        Its grade_id, else its cell id.
    source
        What is executed, as a person wrote it: magics included.
    points
        What it is worth; None unless it is a test.
    answer
        For a test the grade_id of the answer that it concerns.
    trusted
        Whether the lab says what stands here (setup, locked cells, tests) and not the student.
    """

    id: str
    source: str
    points: float | None = None
    answer: str | None = None
    trusted: bool = False


@dataclass(frozen=True)
class Variant:
    """Another source for an answer: a mistake that must lose points, or another way that must not."""

    answer: str
    name: str
    source: str


@dataclass(frozen=True)
class Limits:
    """What the code of one submission may use; beyond that its process is killed.

    Attributes
    ----------
    cell_seconds
        For one cell, of the student's or a test.
    total_seconds
        For all cells together.
    memory_mib
        For all processes of the submission together, beyond what the libraries take.
    processes
        Processes and threads at a time.
    scratch_mib
        Files in its own folder, all together; and once more in shared memory.
    output_kib
        Text that one cell prints; what is beyond is cut off.
    reply_mib
        One result that a test asks for.
    """

    cell_seconds: float = 60.0
    total_seconds: float = 300.0
    memory_mib: int = 2048
    processes: int = 64
    scratch_mib: int = 256
    output_kib: int = 64
    reply_mib: int = 256


@dataclass(frozen=True)
class Exercise:
    """The verdict on one test cell.

    Attributes
    ----------
    id
        The test cell's grade_id.
    points, score
        What it is worth and what was earned, 0 <= score <= points.
    message
        What a student reads; empty for full points.
    error
        Name of the exception that ended the test, empty if none did.
    case_scores, hidden_set
        What each hidden case was scored, by measure, and which cases these are: for `leaderboard`, not for students.
    """

    id: str
    points: float
    score: float
    message: str
    error: str = ""
    case_scores: dict[str, list[float]] = field(default_factory=dict)
    hidden_set: str = ""


@dataclass(frozen=True)
class Run:
    """What came of running a notebook.

    Attributes
    ----------
    exercises
        One verdict for each test cell, in order.
    failed
        The student's cells that did not run to their end, with the reason.
    outputs
        What the student's cells put out, by cell id, as outputs of nbformat.
    seconds, peak_mib
        What the cells took, imports included; 0 and None where the run was cut off or where it was not measured.
    tier
        How far the student's code was kept from the rest of the machine, see `sandbox.tiers`.
    """

    exercises: list[Exercise]
    failed: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mib: float | None = None
    tier: str = "plain"

    @property
    def score(self) -> float:
        """Points earned."""
        return sum(exercise.score for exercise in self.exercises)

    @property
    def max(self) -> float:
        """Points that there are."""
        return sum(exercise.points for exercise in self.exercises)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it; `run_of` is the way back."""
        return asdict(self)


def run_of(record: dict[str, Any]) -> Run:
    """Make a run of what `Run.as_json` gave."""
    return Run(**record | {"exercises": [Exercise(**each) for each in record["exercises"]]})


def graded_cells(notebook: Any) -> list[Cell]:
    """Return what is to be run of a clean notebook: its code without experiments, up to the last test."""
    chosen: list[Cell] = []
    answers: list[str] = []
    length = 0
    for cell in notebook.cells:
        if not kinds.is_run(cell):
            continue
        name = kinds.grade_id(cell) or cell.id
        if kinds.is_test(cell):
            chosen.append(Cell(name, cell.source, kinds.points(cell), kinds.answer_of(name, answers), trusted=True))
            length = len(chosen)
            continue
        if kinds.is_answer(cell):
            answers.append(name)
        chosen.append(Cell(name, cell.source, trusted=bool(kinds.metadata(cell).get("locked"))))
    return chosen[:length]
