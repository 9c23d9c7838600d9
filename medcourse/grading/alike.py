"""Answers that are the same up to blanks, comments and names. That is all that is said: people judge, not this."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

MIN_NODES = 40
"""Shorter code is alike by itself."""


@dataclass(frozen=True)
class Alike:
    """Students whose answers are alike, and to which exercises."""

    students: list[str]
    exercises: list[str]


def alike(answers: Mapping[str, Mapping[str, str]]) -> list[Alike]:
    """Find the students whose answers are the same up to blanks, comments and names.

    Parameters
    ----------
    answers
        By student, by grade_id: code.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for student, mine in sorted(answers.items()):
        for name, code in mine.items():
            if shape := shape_of(code):
                groups[name, shape].append(student)
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (name, _), students in groups.items():
        if len(students) > 1:
            together[tuple(students)].append(name)
    return [Alike(list(students), names) for students, names in sorted(together.items())]


def shape_of(code: str) -> str:
    """Return code with its names numbered as they come, without blanks, comments and docstrings; "" where it is short.

    Examples
    --------
    >>> shape_of("a = 1")
    ''
    """
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return ""
    nodes = list(ast.walk(tree))
    if len(nodes) < MIN_NODES:
        return ""
    numbers: dict[str, str] = {}
    for node in nodes:
        for attribute in ("id", "arg", "name"):
            word = getattr(node, attribute, None)
            if isinstance(word, str):
                setattr(node, attribute, numbers.setdefault(word, f"name{len(numbers)}"))
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            del body[0]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
