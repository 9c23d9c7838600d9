"""Run a submission's cells and answer what tests ask of them: the side that nobody trusts.

It serves one frame after another. The tests ask, it answers; values are written as `wire` says:

    ["run", cell, source]              ["ran", error or null, outputs]
    ["get", name]                      ["value", v] | ["missing"]
    ["call", number, args, options]    ["value", v] | ["raised", error]
    ["attribute", number, name]        ["value", v] | ["raised", error]
    ["item", number, key]              ["value", v] | ["raised", error]
    ["length", number]                 ["value", v] | ["raised", error]
    ["iterate", number]                ["value", v] | ["raised", error]
    ["next", number]                   ["value", v] | ["raised", error] | ["stop"]
    ["help", helper, args, options]    ["value", v] | ["raised", error]

Each question may be answered by ["callback", number, args, options] first: the student's code calls a function of the
tests. It is answered by ["value", v] or ["raised", error], or by further questions before that. An error is

    [names of the exception's classes, text, line or null, cell or null, number of the tests' own exception or null]

What the student's code prints goes into `outputs` of the cell that ran, and during tests nowhere: it could hold what
only tests know.
"""

import base64
import contextlib
import io
import linecache
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher

from medcourse.grading.sandbox import wire
from medcourse.grading.sandbox.channel import Channel

_HELPERS = ("value_and_grad", "inout", "set_weights")  # of medcourse.testing
_PICTURES = 8  # of one cell; what is beyond is left out
_PICTURE_BYTES = 1 << 20
_TEXT_OF_ERROR = 1000  # characters: numpy can print a page where a line says it


class _Values(CapturingDisplayHook):
    """Keeps the values of last lines, the newest as `_`; says that it is at work, else IPython copies all prints."""

    is_active = True

    def __init__(self, shell: Any) -> None:
        super().__init__(shell, [])  # type: ignore[no-untyped-call]
        self._newest: Any = ""  # as IPython begins

    def __call__(self, result: Any = None) -> None:
        super().__call__(result)  # type: ignore[no-untyped-call]
        names = self.shell.user_ns
        if result is not None and names.get("_", "") is self._newest:
            names["_"] = self._newest = result


def capture_displays(shell: Any) -> None:
    """Keep what a shell's cells display, instead of printing it."""
    shell.display_trap.hook = shell.displayhook = _Values(shell)
    shell.display_pub = CapturingDisplayPublisher(parent=shell)  # type: ignore[no-untyped-call]


class _Text(io.StringIO):
    """Text up to a length; what is beyond is counted and dropped.

    One serves all cells, for a logger keeps the stream that it found when it was made.
    """

    encoding = "UTF-8"  # libraries ask whether they may print more than ASCII
    left = dropped = 0

    def begin(self, most: int) -> None:
        """Forget what was written, and take so many characters."""
        self.seek(0)
        self.truncate()
        self.left, self.dropped = most, 0

    def close(self) -> None:
        """Stay open: there are more cells."""

    def write(self, text: str) -> int:
        kept = text[: self.left]
        self.left -= len(kept)
        self.dropped += len(text) - len(kept)
        super().write(kept)
        return len(text)

    def text(self) -> str:
        """Return what was written, and how much more there was."""
        return self.getvalue() + (f"\n... {self.dropped} more characters" if self.dropped else "")


class _TestsError(Exception):
    """What a function of the tests raised, on its way through the student's code, back to the tests."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


class Student:
    """A namespace in which the cells of a submission run as in a kernel, and the objects that tests know by number."""

    def __init__(self, channel: Channel, shell: Any, output_kib: int) -> None:
        self.channel, self.shell, self.most_output = channel, shell, output_kib * 1024
        self.process = os.getpid()
        self.out = _Text()
        self.objects: list[Any] = []
        self.cells: dict[str, str] = {}  # the name that a cell's code is compiled under: the cell
        self.questions: dict[str, Callable[..., list[Any]]] = {
            "run": self.run,
            "get": self.get,
            "call": lambda number, args, options: self.answer(self.call, number, args, options),
            "attribute": lambda number, name: self.answer(getattr, self.objects[number], name),
            "item": lambda number, key: self.answer(lambda: self.objects[number][self.decode(key)]),
            "length": lambda number: self.answer(len, self.objects[number]),
            "iterate": lambda number: self.answer(lambda: _Iterator(iter(self.objects[number]))),
            "next": self.next,
            "help": lambda helper, args, options: self.answer(self.help, helper, args, options),
        }

    def serve(self) -> None:
        """Answer until the tests have no more questions."""
        while True:
            self.answer_one(self.channel.receive())

    def answer_one(self, frame: list[Any]) -> None:
        """Answer one question."""
        kind, *arguments = frame
        answer = self.questions[kind](*arguments)
        if os.getpid() != self.process:  # a fork that a cell made and forgot: one answer is enough
            os._exit(0)
        self.channel.send(answer)

    # Cells.

    def run(self, cell: str, source: str) -> list[Any]:
        """Run a cell and tell what it ended in and what it put out."""
        self.out.begin(self.most_output)
        self.shell.displayhook.outputs.clear()
        self.shell.display_pub.outputs.clear()
        standard = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self.out
        try:
            result = self.shell.run_cell(self._named(cell, source), store_history=False)
        finally:
            sys.stdout, sys.stderr = standard
        error = result.error_before_exec or result.error_in_exec
        outputs = self._outputs()
        self.out.begin(0)
        return ["ran", None if error is None else self.describe(error), outputs]

    def _named(self, cell: str, source: str) -> str:
        """Have a cell's code compiled under a name that tells it in tracebacks."""
        name = f"<cell `{cell}`>"
        self.cells[name] = cell

        def named(code: str, *_: Any, **__: Any) -> str:
            linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # for inspect.getsource
            return name

        self.shell.compile.cache = named
        return source

    def _outputs(self) -> list[Any]:
        outputs: list[Any] = []
        if text := self.out.text():
            outputs.append(["stream", text])
        shown = [output["data"] for output in self.shell.display_pub.outputs]
        shown += [output["data"] for output in self.shell.displayhook.outputs]
        for data in shown[:_PICTURES]:
            if (picture := _picture(data.get("image/png"))) and len(picture) <= _PICTURE_BYTES:
                outputs.append(["picture", picture])
            elif isinstance(data.get("text/plain"), str):
                outputs.append(["text", data["text/plain"][: self.most_output]])
        return outputs

    # Questions about what the cells made.

    def get(self, name: str) -> list[Any]:
        """Return what the student calls by this name."""
        if name not in self.shell.user_ns:
            return ["missing"]
        return self.answer(lambda: self.shell.user_ns[name])

    def call(self, number: int, args: list[Any], options: list[Any]) -> Any:
        """Call an object."""
        return self.objects[number](*self.decode(["l", *args]), **self.decode(["d", *options]))

    def next(self, number: int) -> list[Any]:
        """Return the next item of an iterator."""
        try:
            item = next(self.objects[number].iterator)
        except StopIteration:
            return ["stop"]
        except BaseException as error:
            return ["raised", self.describe(error)]
        return self.answer(lambda: item)

    def help(self, helper: str, args: list[Any], options: list[Any]) -> Any:
        """Run one of the functions for tests where the student's object is."""
        from medcourse import testing  # noqa: PLC0415

        if helper not in _HELPERS:
            raise LookupError(helper)
        return getattr(testing, helper)(*self.decode(["l", *args]), **self.decode(["d", *options]))

    def answer(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Return a function's result, or what it raised, as a frame. What is printed meanwhile is dropped."""
        standard, left = (sys.stdout, sys.stderr), self.out.left
        sys.stdout = sys.stderr = self.out
        self.out.left = 0
        try:
            frame = ["value", self.encode(function(*args))]
            wire.pack(frame, self.channel.most)
        except BaseException as error:  # student code may raise anything, SystemExit and KeyboardInterrupt included
            frame = ["raised", self.describe(error)]
        finally:
            sys.stdout, sys.stderr = standard
            self.out.left = left
        return frame

    # Values.

    def encode(self, value: Any) -> Any:
        """Write a value down; what is no plain data gets a number."""
        return wire.encode(value, self._number)

    def _number(self, value: Any) -> list[Any]:
        self.objects.append(value)
        return ["h", len(self.objects) - 1, type(value).__name__[:80], callable(value)]

    def decode(self, form: Any) -> Any:
        """Read a value that the tests sent."""
        return wire.decode(form, self._object)

    def _object(self, form: list[Any]) -> Any:
        if form[0] == "h":
            return self.objects[form[1]]
        if form[0] == "f":
            return self._function_of_tests(*form[1:])
        return pickle.loads(form[1])  # noqa: S301  (from the tests, which are trusted)

    def _function_of_tests(self, number: int, name: str) -> Callable[..., Any]:
        def call_back(*args: Any, **options: Any) -> Any:
            written = [[self.encode(key), self.encode(value)] for key, value in options.items()]
            self.channel.send(["callback", number, [self.encode(arg) for arg in args], written])
            while (frame := self.channel.receive())[0] in self.questions:
                self.answer_one(frame)
            if frame[0] == "raised":
                raise _TestsError(*frame[1:])
            return self.decode(frame[1])

        call_back.__name__ = call_back.__qualname__ = name
        return call_back

    # Errors.

    def describe(self, error: BaseException) -> list[Any]:
        """Write an exception down: its classes, its text, and where in the student's cells it came from."""
        number = error.number if isinstance(error, _TestsError) else None
        classes = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        if isinstance(error, SyntaxError):
            text, line, place = str(error.msg), error.lineno, self.cells.get(str(error.filename))
        else:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in self.cells]
            text = _text_of(error)
            line, place = (frames[-1].lineno, self.cells[frames[-1].filename]) if frames else (None, None)
        return [classes, " ".join(text.split())[:_TEXT_OF_ERROR], line, place, number]


def _picture(shown: Any) -> bytes:
    """Return a picture's bytes, which matplotlib writes down in base64; none where it is no picture."""
    with contextlib.suppress(ValueError):
        return base64.b64decode(shown) if isinstance(shown, str) else shown if isinstance(shown, bytes) else b""
    return b""


class _Iterator:
    """An iterator that stays here: a generator of a thousand layers need not be run to its end."""

    def __init__(self, iterator: Any) -> None:
        self.iterator = iterator


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:
        return ""
    if isinstance(error, wire.WireError):
        return f"gave back something that a test cannot take: {text}"
    name = type(error).__name__
    return text if type(error).__module__ == "builtins" else f"{name}: {text}" if text else name


def main(channel: Channel, shell: Any, output_kib: int) -> NoReturn:
    """Serve until the tests hang up; never returns."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    capture_displays(shell)
    try:
        Student(channel, shell, output_kib).serve()
    finally:
        os._exit(0)
