"""What is shown on a terminal, and what where there is none."""

import contextlib
import io
import os
import pty
import time

import pytest

from medcourse.terminal import Ink, busy, wrapped


class Screen(io.StringIO):
    """A terminal that remembers."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colours_are_for_terminals_alone(monkeypatch):
    assert Ink(Screen())("right", "green", "bold") == "\033[32;1mright\033[0m"
    assert Ink(Screen())("", "green") == ""
    assert Ink(io.StringIO())("right", "green") == "right"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Ink(Screen())("right", "green") == "right"
    monkeypatch.setenv("NO_COLOR", "")  # as if it were not there: https://no-color.org
    assert Ink(Screen())("right", "green") != "right"
    monkeypatch.setenv("TERM", "dumb")
    assert Ink(Screen())("right", "green") == "right"


@pytest.mark.parametrize(
    ("score", "best", "shown"),
    [
        (0, 20, "----------"),
        (0.1, 20, "#---------"),
        (10, 20, "#####-----"),
        (19.9, 20, "#########-"),
        (20, 20, "##########"),
        (0, 0, "----------"),
    ],
)
def test_a_bar_is_full_for_everything_alone_and_empty_for_nothing_alone(score, best, shown):
    class Plain(io.StringIO):
        encoding = "ascii"

    assert Ink(Plain()).bar(score, best, 10) == shown


def test_a_sign_says_what_the_colour_says():
    ink = Ink(io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert len({ink.tick(0, 2), ink.tick(1, 2), ink.tick(2, 2)}) == 3


def test_paragraphs_fit_and_lists_stay():
    text = "one two three four five\nsix\n\n- first\n- second"
    assert wrapped(text, "  ", width=12) == "  one two\n  three four\n  five six\n  - first\n  - second"


def test_something_going_on_is_said_on_a_terminal_and_wiped_away():
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as stream, busy("grading", stream):
        time.sleep(1.8)
    said = b""
    with contextlib.suppress(OSError):  # which ends it, once the other side is closed
        while part := os.read(parent, 4096):
            said += part
    os.close(parent)
    assert b"grading 00:0" in said
    *_, before, after = said.split(b"\r")
    assert (before.strip(), after) == (b"", b"")
    quiet = io.StringIO()
    with busy("grading", quiet):
        pass
    assert quiet.getvalue() == ""
