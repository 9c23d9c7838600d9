"""What a test holds of a student's code: stand-ins that ask the sandbox, and the errors that come of it.

Whatever the sandbox says is a claim: plain data to compare, or the number of an object to ask more about. A test that
gets something else, or no answer, fails, whatever it catches: these errors are no `Exception`.
"""

import builtins
import pickle
import re
import sys
import time
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any, NoReturn

from medcourse.grading.sandbox import wire
from medcourse.grading.sandbox.channel import Channel, ChannelClosedError
from medcourse.grading.sandbox.warden import Warden
from medcourse.remote import Remote

_ANSWERS = {
    "run": {"ran"},
    "get": {"value", "raised", "missing"},
    "next": {"value", "raised", "stop"},
}
_USUAL = {"value", "raised"}
_NESTED = 20  # calls from tests to student to tests ...
_REMEMBERED = 100  # errors of the tests' own functions
_MOST_TEXT = 2000  # characters of an error
_MOST_OF_RUN = 16 << 20  # bytes of a cell's outputs
# A loop takes the first two for its own end; the others cannot be made without what they consist of.
_STOPS = {"StopIteration", "StopAsyncIteration", "GeneratorExit"}
_GROUPS = {"ExceptionGroup", "BaseExceptionGroup"}
# Names of types that a message may show besides those that stand in the student's own cells.
_KINDS = {
    *("function", "method", "builtin_function_or_method", "generator", "module", "partial", "NoneType", "_Iterator"),
    *("Tensor", "Parameter", "Module", "Sequential", "ndarray", "DataFrame", "Series", "Figure", "Axes", "Generator"),
    *(name for name in vars(builtins) if not name.startswith("_")),
}
_LIBRARIES = {"medcourse", "torch", "numpy", "scipy", "pandas", "skimage", "sklearn", "monai", "builtins", "functools"}


class ChannelError(BaseException):
    """The sandbox gave no answer that counts: it died, took too long, or said something that is none."""


class OpaqueError(BaseException):
    """A test got an object of the student's own where it needed numbers, text or arrays."""


class StudentError(BaseException):
    """The student's code raised something; `student_error` makes it an exception of its own class, too.

    Attributes
    ----------
    text, line, cell
        What it said, and where in the student's cells; claims, all of them.
    kind
        The name of its class, or of the nearest builtin one.
    """

    text: str = ""
    kind: str = "Exception"
    line: int | None = None
    cell: str | None = None

    def __str__(self) -> str:
        return self.text


def student_error(description: Any) -> BaseException:
    """Return what the sandbox says was raised, so that a test can expect it by its class.

    Raises
    ------
    wire.WireError
        It is no description of an error.
    """
    try:
        classes, text, line, cell, _ = description
        whole = isinstance(classes, list) and all(isinstance(name, str) for name in classes) and isinstance(text, str)
        whole = whole and isinstance(line, int | None) and isinstance(cell, str | None)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise wire.WireError("expected the description of an error")
    kind = next((name for name in classes if _is_error(name)), "BaseException")
    base = "Exception" if kind in _STOPS | _GROUPS else kind
    bases = (StudentError, getattr(builtins, base)) if base != "BaseException" else (StudentError,)
    made: Any = type(kind, bases, {"__init__": lambda self: None, "__str__": StudentError.__str__})
    error: BaseException = made()
    vars(error).update(kind=kind, text=printable(text[:_MOST_TEXT]), line=line, cell=cell)
    return error


def _is_error(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException) and name != "BaseException"


def printable(text: str) -> str:
    """Return text in one line without what a terminal or a page would act on."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class Sandbox:
    """The tests' side of a connection to a student's process.

    Attributes
    ----------
    deadline
        When the question must have been answered, in seconds of `time.monotonic`.
    broken
        Why there will be no more answers; empty while all is well.
    """

    def __init__(self, channel: Channel, warden: Warden) -> None:
        self.channel, self.warden = channel, warden
        self.deadline = 0.0
        self.broken = ""
        self._functions: dict[int, Callable[..., Any]] = {}  # of this test, that the student may call
        self._raised: list[BaseException] = []  # by them
        self._handed_over = 0
        self._depth = 0
        self._lines: dict[str, int] = {}  # of cells that ran
        self._words: set[str] = set()  # in them

    def begin(self, deadline: float) -> None:
        """Begin with another cell or test: what earlier tests let the student call is gone."""
        self.deadline = deadline
        self._functions.clear()
        self._raised.clear()

    def end(self) -> None:
        """Kill the student's process and all that it started, and wait until they are gone."""
        self.warden.end()
        self.channel.close()

    @property
    def peak_mib(self) -> float | None:
        """The most memory that the student's process held, libraries included; known at the end."""
        return self.warden.peak_mib

    def run(self, cell: str, source: str) -> tuple[BaseException | None, list[Any]]:
        """Run a student's cell; return what it raised, and its outputs as it tells them."""
        self._lines[cell] = source.count("\n") + 1
        self._words.update(re.findall(r"\w+", source))
        _, error, outputs = self._ask(["run", cell, source], length=3, most=_MOST_OF_RUN)
        if not isinstance(outputs, list):
            self._break("said something that is no answer")
        return None if error is None else self._error(error), outputs

    def get(self, name: str) -> Any:
        """Return what the student calls by this name; raises LookupError if nothing is."""
        answer = self._ask(["get", name])
        if answer[0] == "missing":
            raise LookupError(name)
        return self._value(answer)

    def call(self, number: int, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call one of the student's objects."""
        return self._value(self._ask(["call", number, self._encoded(args), self._pairs(options)]))

    def help(self, helper: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Run a helper of `medcourse.testing` where the student's objects are."""
        return self._value(self._ask(["help", helper, self._encoded(args), self._pairs(options)]))

    def about(self, question: str, *arguments: Any) -> Any:
        """Ask for an attribute, an item, a length or an iterator."""
        return self._value(self._ask([question, *arguments]))

    def items(self, number: int) -> Iterator[Any]:
        """Iterate over one of the student's objects, one question an item."""
        iterator = self.about("iterate", number)
        if not isinstance(iterator, Proxy):
            self._break("gave no iterator")
        while (answer := self._ask(["next", iterator._number_]))[0] != "stop":
            yield self._value(answer)

    # Questions and answers.

    def _ask(self, question: list[Any], length: int = 2, most: int | None = None) -> list[Any]:
        if self.broken:
            raise ChannelError(self.broken)
        try:
            self.channel.send(question, self.deadline)
            while (answer := self.channel.receive(self.deadline, most))[0] == "callback":
                self._call_back(answer)
        except TimeoutError:
            self._break("took too long: is there a loop that does not end?")
        except ChannelClosedError:
            self._break(self.warden.end())
        except wire.WireError as error:
            self._break(f"gave back something that a test cannot take: {error}")
        except MemoryError:
            self._break("gave back something that a test cannot take: too much")
        expected = _ANSWERS.get(question[0], _USUAL)
        if answer[0] not in expected or len(answer) != (1 if answer[0] in {"stop", "missing"} else length):
            self._break("said something that is no answer")
        return answer

    def _break(self, why: str) -> NoReturn:
        """End it: what cannot be trusted to keep in step with its answers is not asked again."""
        self.broken = self.broken or why
        self.end()
        raise ChannelError(self.broken)

    def _call_back(self, frame: list[Any]) -> None:
        """Call a function of the tests for the student."""
        self._depth += 1
        try:
            if self._depth > _NESTED:
                self._break("called back too deeply")
            try:
                _, number, args, options = frame
                function = self._functions[number]
                plain = [self._decoded(arg) for arg in args]
                named = {str(key): self._decoded(value) for key, value in options}
            except (TypeError, ValueError, LookupError, RecursionError):
                raise wire.WireError("a call of a function that is none") from None
            try:
                answer = ["value", self._encoded((function(*plain, **named),))[0]]
            except Exception as error:
                if len(self._raised) >= _REMEMBERED:
                    self._break("kept calling back in vain")
                self._raised.append(error)
                # Its text stays here: it may hold what only tests know. It comes back by its number.
                answer = ["raised", "a function of the tests raised an error", len(self._raised) - 1]
            self.channel.send(answer, self.deadline)
        finally:
            self._depth -= 1

    def _value(self, answer: list[Any]) -> Any:
        if answer[0] == "raised":
            raise self._error(answer[1])
        try:
            return self._decoded(answer[1])
        except wire.WireError as error:
            self._break(f"gave back something that a test cannot take: {error}")

    def _error(self, description: Any) -> BaseException:
        try:
            error = student_error(description)
        except wire.WireError:
            self._break("said something that is no answer")
        number = description[4]
        if isinstance(number, int) and 0 <= number < len(self._raised):
            return self._raised[number]
        if isinstance(error, StudentError) and not 1 <= (error.line or 0) <= self._lines.get(error.cell or "", 0):
            error.line = error.cell = None  # there is no such place: it could be a message
        return error

    # Values.

    def _decoded(self, form: Any) -> Any:
        return wire.decode(form, self._proxy)

    def _proxy(self, form: list[Any]) -> "Proxy":
        match form:
            case ["h", int(number), str(kind), bool(is_callable)] if not isinstance(number, bool):
                # A name that was made up as the code ran could be a message.
                shown = kind if kind in _KINDS or kind in self._words else "object"
                return (CallableProxy if is_callable else Proxy)(self, number, shown)
        raise wire.WireError("expected the number of an object")

    def _encoded(self, values: tuple[Any, ...]) -> list[Any]:
        return [wire.encode(value, self._handle) for value in values]

    def _pairs(self, options: dict[str, Any]) -> list[Any]:
        return [[key, self._encoded((value,))[0]] for key, value in options.items()]

    def _handle(self, value: Any) -> list[Any]:
        """Write down what is no plain data, for the student."""
        if isinstance(value, Proxy):
            return ["h", value._number_]
        if _is_of_a_library(value):
            return ["o", pickle.dumps(value)]
        if isinstance(value, FunctionType | MethodType) or (callable(value) and not isinstance(value, type)):
            self._handed_over += 1  # and no number twice: what a student kept of an earlier test is dead
            self._functions[self._handed_over] = value
            return ["f", self._handed_over, str(getattr(value, "__name__", "function"))]
        raise wire.WireError(f"a test handed over a {type(value).__name__}: expected plain data or medcourse's objects")


def _is_of_a_library(value: Any) -> bool:
    """Say whether the student's process can make the same object, of code that it has, too."""
    named = isinstance(value, type | FunctionType) or type(value).__name__ == "builtin_function_or_method"
    module = getattr(value if named else type(value), "__module__", None) or ""
    if module.split(".")[0] not in _LIBRARIES or module not in sys.modules:
        return False
    # A function or class is found by its name over there; one made inside another has no such name.
    return not named or "<" not in getattr(value, "__qualname__", "<")


class Proxy(Remote):
    """An object of a student's. What a test may do with it is below; anything else fails the test."""

    __slots__ = ("_kind_", "_number_", "_sandbox_")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, sandbox: Sandbox, number: int, kind: str) -> None:
        object.__setattr__(self, "_sandbox_", sandbox)
        object.__setattr__(self, "_number_", number)
        object.__setattr__(self, "_kind_", kind)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # numpy, copy and others ask for protocols that are not kept
        return self._sandbox_.about("attribute", self._number_, name)

    def __getitem__(self, key: Any) -> Any:
        return self._sandbox_.about("item", self._number_, *self._sandbox_._encoded((key,)))

    def __len__(self) -> int:
        length = self._sandbox_.about("length", self._number_)
        return length if isinstance(length, int) else self._refuse()

    def __iter__(self) -> Iterator[Any]:
        yield from self._sandbox_.items(self._number_)

    def _help_(self, helper: str, *args: Any, **options: Any) -> Any:
        return self._sandbox_.help(helper, (self, *args), options)

    def _refuse(self, *_: Any) -> NoReturn:
        raise OpaqueError(f"got a `{self._kind_}`, expected numbers, text or arrays")

    def __repr__(self) -> str:
        return f"<a `{self._kind_}`>"

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __float__ = __int__ = __index__ = __array__ = __abs__ = __neg__ = _refuse
    __copy__ = __deepcopy__ = __reduce_ex__ = _refuse


class CallableProxy(Proxy):
    """A function or a class of a student's, or an object that can be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call it, over there."""
        return self._sandbox_.call(self._number_, args, options)


def in_seconds(seconds: float) -> float:
    """Return the time on the clock of deadlines that many seconds from now."""
    return time.monotonic() + seconds
