"""Run the tests of one submission, with stand-ins for what the student wrote, and say what each is worth.

This is the trusted side: the code of the lab and of this package runs here, and nothing else. A test passes only by
running to its end while the sandbox is in order; its last line may be an `award`.

What a student reads must not carry what only hidden tests know. Everything that the student's code says after a hidden
test has talked to it could: so its texts are then left out, and where a student needs them (what their cells printed,
what their function raised in a line of a test that they can read) they come from a second run, in a fresh sandbox that
sees no hidden line.
"""

import ast
import builtins
import contextlib
import io
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from medcourse.grading import cells as kinds
from medcourse.grading.flow import names_from_elsewhere
from medcourse.grading.plan import Cell, Exercise, Limits, Run
from medcourse.grading.runner import earned, recorded
from medcourse.grading.sandbox.outputs import safe_outputs, size_of
from medcourse.grading.sandbox.proxies import ChannelError, OpaqueError, Sandbox, StudentError, in_seconds, printable
from medcourse.grading.shell import CellTimeoutError, time_limit

_MESSAGE = 500  # characters
_MOST_OUTPUT = 32 << 20  # characters of all outputs of a submission together; what is beyond is left out
_QUOTE_NO_VALUES = (TypeError, AttributeError, IndexError, ZeroDivisionError)
_GRACE = 2.0  # seconds: what hangs in a test itself is interrupted after the sandbox's own deadline


class SetupError(Exception):
    """What the lab itself says does not run here: nobody's answer is at fault."""


@dataclass
class Verdict:
    """What came of a test; whether a second look could say more; which cell's failure is the reason; its cases."""

    score: float = 0.0
    message: str = ""
    error: str = ""
    look_again: bool = False
    because: str = ""
    cases: dict[str, Any] = field(default_factory=dict)


@dataclass
class Judge:
    """Grades one submission.

    Attributes
    ----------
    cells
        Of the clean notebook, in order.
    limits
        For the student's code.
    seed
        The class's secret.
    new_sandbox
        Forks a fresh one.
    tier
        How it is kept from the rest of the machine.
    """

    cells: Sequence[Cell]
    limits: Limits
    seed: int
    new_sandbox: Callable[[], Sandbox]
    tier: str
    trusted: dict[str, Any] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    seconds: float = 0.0
    _room: int = _MOST_OUTPUT
    _killers: set[str] = field(default_factory=set)
    _late: set[str] = field(default_factory=set)  # cells that ran after hidden inputs were seen

    def run(self) -> Run:
        """Grade it.

        Raises
        ------
        SetupError
            A cell of the lab itself fails.
        """
        self._end = in_seconds(self.limits.total_seconds)
        self.trusted = {"__name__": "__main__", "__builtins__": builtins}
        self.sandbox = self.new_sandbox()
        hidden_seen = False
        for position, cell in enumerate(self.cells):
            started = time.perf_counter()
            if cell.points is not None:
                hidden_seen = hidden_seen or bool(_hidden_lines(cell))
                self.verdicts[cell.id] = self._judge(cell, position, tell=not hidden_seen)
            elif cell.trusted:
                self._run_ours(cell, position)
            else:
                self._run_theirs(cell, position, tell=not hidden_seen)
            self.seconds += time.perf_counter() - started
        self.sandbox.end()
        if self._late or any(verdict.look_again for verdict in self.verdicts.values()):
            self._look_again()
        exercises = [self._exercise(cell) for cell in self.cells if cell.points is not None]
        return Run(exercises, self.failed, self.outputs, self.seconds, self.sandbox.peak_mib, self.tier)

    def _exercise(self, cell: Cell) -> Exercise:
        verdict = self.verdicts[cell.id]
        message = self.failed.get(verdict.because, verdict.message)
        error = "NotImplementedError" if message == kinds.NOT_ANSWERED else verdict.error
        return Exercise(cell.id, cell.points or 0.0, verdict.score, message, error, **verdict.cases)

    # Cells that are no tests.

    def _run_ours(self, cell: Cell, position: int) -> None:
        """Run a cell of the lab on both sides."""
        try:
            with _quiet(), time_limit(self.limits.cell_seconds):
                exec(compile(cell.source, f"<cell `{cell.id}`>", "exec"), self.trusted)  # noqa: S102
        except BaseException as error:
            raise SetupError(f"the cell `{cell.id}` fails: {type(error).__name__}: {printable(str(error))}") from None
        try:
            self._revive(position)
            failure, _ = self._ask_to_run(cell)
            reason = "" if failure is None else _explain(failure, tell=False).message
        except ChannelError as end:
            self._killers.add(cell.id)
            reason = str(end)
        if reason and all(above.trusted for above in self.cells[:position]):
            raise SetupError(f"the cell `{cell.id}` fails in the sandbox: {reason}")
        if reason:  # something above spoilt what it needs
            self.failed[cell.id] = reason

    def _run_theirs(self, cell: Cell, position: int, *, tell: bool) -> None:
        """Run a cell of the student's, and keep what it put out where that can hold no secret."""
        try:
            self._revive(position)
            error, outputs = self._ask_to_run(cell)
        except ChannelError as end:
            self._killers.add(cell.id)
            self.failed[cell.id] = f"did not run to its end: {end}"
            return
        if tell:
            self._keep(cell, outputs)
        elif outputs or error is not None:
            self._late.add(cell.id)
        if error is not None:
            self.failed[cell.id] = _explain(error, tell=tell).message

    def _keep(self, cell: Cell, claimed: list[Any]) -> None:
        shown = safe_outputs(claimed, self._room)
        self._room -= size_of(shown)
        self.outputs[cell.id] = shown

    def _ask_to_run(self, cell: Cell) -> tuple[BaseException | None, list[Any]]:
        self.sandbox.begin(self._deadline())
        return self.sandbox.run(cell.id, cell.source)

    def _revive(self, position: int) -> None:
        """If the sandbox died, run what stands above in a new one, but for the cells that it died in."""
        while self.sandbox.broken:
            if self.sandbox.deadline >= self._end:
                raise ChannelError("took longer than all cells together may")
            self.sandbox = self.new_sandbox()
            for cell in self.cells[:position]:
                if cell.points is None and cell.id not in self._killers:
                    try:
                        self._ask_to_run(cell)
                    except ChannelError:
                        self._killers.add(cell.id)
                        break

    def _deadline(self) -> float:
        return min(in_seconds(self.limits.cell_seconds), self._end)

    # Tests.

    def _judge(self, cell: Cell, position: int, *, tell: bool) -> Verdict:
        """Run a test and say what it is worth."""
        try:
            self._revive(position)
            value = self._execute(cell, cell.source)
        except BaseException as error:
            if isinstance(error, _UndefinedError):
                return self._undefined(cell, error.name)
            return _explain(error, tell=tell, line=_line_in(cell, error), hidden=_hidden_lines(cell))
        return Verdict(*earned(value, cell.points or 0.0), cases=recorded(value))

    def _execute(self, cell: Cell, source: str) -> Any:
        """Run a test's code in names of its own; return the value of its last line."""
        name = f"<test `{cell.id}`>"
        tree = ast.parse(source, name)
        *body, last = tree.body or [ast.Pass()]
        if not isinstance(last, ast.Expr):
            body, last = [*body, last], ast.Expr(ast.Constant(None))
        names = dict(self.trusted)
        self.sandbox.begin(self._deadline())
        with _quiet(), time_limit(max(self.sandbox.deadline - time.monotonic(), 0.0) + _GRACE):
            for theirs in names_from_elsewhere(source, tree) - names.keys() - vars(builtins).keys():
                names[theirs] = self._get(theirs)
            _seed_randomness(f"{self.seed} {cell.id}")
            exec(compile(ast.fix_missing_locations(ast.Module(body, [])), name, "exec"), names)  # noqa: S102
            value = eval(compile(ast.fix_missing_locations(ast.Expression(last.value)), name, "eval"), names)  # noqa: S307
        if self.sandbox.broken:  # whatever the test caught
            raise ChannelError(self.sandbox.broken)
        return value

    def _get(self, name: str) -> Any:
        try:
            return self.sandbox.get(name)
        except LookupError:
            raise _UndefinedError(name) from None

    def _undefined(self, cell: Cell, name: str) -> Verdict:
        """Say why a name is not there: most likely its cell failed."""
        because = cell.answer if cell.answer in self.failed else None
        message = f"`{name}` is not defined: is it spelt as in the task?"
        return Verdict(message=message, error="NameError", because=because or "")

    # What a student may read, from a run that saw no hidden line.

    def _look_again(self) -> None:
        self.sandbox = self.new_sandbox()
        with contextlib.suppress(ChannelError):
            for cell in self.cells:
                if cell.points is None:
                    self._retell(cell)
                elif self.verdicts[cell.id].look_again:
                    self._retry(cell)
        self.sandbox.end()

    def _retell(self, cell: Cell) -> None:
        if cell.id in self._killers:
            return
        error, outputs = self._ask_to_run(cell)
        if cell.id in self._late:
            self._keep(cell, outputs)
            if error is not None and cell.id in self.failed:
                self.failed[cell.id] = _explain(error, tell=True).message

    def _retry(self, cell: Cell) -> None:
        """Run the visible lines of a test that failed in one of them."""
        hidden = _hidden_lines(cell)
        lines = ["" if number in hidden else line for number, line in enumerate(cell.source.split("\n"), start=1)]
        try:
            self._execute(cell, "\n".join(lines))
        except ChannelError:
            raise
        except BaseException as error:
            verdict = _explain(error, tell=True)
            if verdict.error == self.verdicts[cell.id].error:
                self.verdicts[cell.id].message = verdict.message


class _UndefinedError(BaseException):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _explain(
    error: BaseException, *, tell: bool, line: int | None = None, hidden: range | set[int] = range(0)
) -> Verdict:
    """Say what went wrong, and where in the student's cells: never where in a test.

    Parameters
    ----------
    error
        What ended a cell or a test.
    tell
        Whether the student's own words can hold no secret.
    line, hidden
        The line of the test, and those that students do not see.
    """
    if isinstance(error, StudentError):
        return _explain_theirs(error, tell=tell, in_sight=line is not None and line not in hidden)
    name = type(error).__name__
    text = _text_of(error)
    if isinstance(error, CellTimeoutError):
        return Verdict(message="took too long: is there a loop that does not end?", error=name)
    if isinstance(error, ChannelError | OpaqueError):
        return Verdict(message=f"your code {text}" if isinstance(error, ChannelError) else text, error=name)
    if isinstance(error, AssertionError):
        return Verdict(message=text or "a check failed", error=name)
    if not tell and not isinstance(error, _QUOTE_NO_VALUES):
        text = ""  # a KeyError says which key, and the student's code chose it
    return Verdict(message=f"{name}: {text}" if text else name, error=name)


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # of a value that has no text
        return ""
    return printable(text[: 4 * _MESSAGE])[:_MESSAGE]


def _explain_theirs(error: StudentError, *, tell: bool, in_sight: bool) -> Verdict:
    if error.kind == "NotImplementedError":
        return Verdict(message=kinds.NOT_ANSWERED, error=error.kind)
    place = ""
    if error.line is not None:
        place = f" (line {error.line} of cell `{printable(error.cell or '')[:64]}`)"
    text = error.text[:_MESSAGE] if tell else ""
    # A failed assertion says what it has to say by itself, be it the student's or a helper's of `testing`.
    said = text if text and error.kind == "AssertionError" else f"{error.kind}: {text}" if text else error.kind
    return Verdict(message=f"{said}{place}", error=error.kind, look_again=not tell and in_sight)


def _hidden_lines(cell: Cell) -> set[int]:
    """Return the numbers of the lines of a test that students do not see, markers included."""
    hidden, inside = set(), False
    for number, line in enumerate(cell.source.split("\n"), start=1):
        if kinds.HIDDEN_TESTS.begin in line:
            inside = True
        if inside:
            hidden.add(number)
        if kinds.HIDDEN_TESTS.end in line:
            inside = False
    return hidden


def _line_in(cell: Cell, error: BaseException) -> int | None:
    """Return the line of a test that an error came through."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == f"<test `{cell.id}`>" and trace.tb_frame.f_code.co_name == "<module>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _seed_randomness(seed: str) -> None:
    """Let each test draw numbers of its own, the same for every submission and known to none."""
    random.seed(seed)
    number = random.getrandbits(32)
    sys.modules["numpy"].random.seed(number)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(number)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what tests print."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
