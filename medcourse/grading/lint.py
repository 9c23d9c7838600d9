"""Hold the test cells of a lab to their contract: what they may name, ask of the student's objects, and end in.

A test cell also runs where the student's names are remote. So whatever works in one kernel only is a finding, and
whatever passes for an empty array, for NaN, or for an object with an `__eq__` of its own. `flow` says what comes from
the student.

Comparisons by order are allowed, element by element too: NaN fails them, and so does the mean of nothing. `==` and `!=`
are not; the share of pixels that changed is `np.mean(np.abs(got - before) > 0)`.
"""

import ast
import builtins
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from medcourse.grading import cells
from medcourse.grading.flow import (
    STUDENTS,
    Flow,
    bound_names,
    definitions,
    dotted_name,
    imports,
    last_name,
    names_from_elsewhere,
)

Finding = tuple[ast.AST, str]

PASS_WHEN_EMPTY = {
    *("all", "any", "allclose", "array_equal", "array_equiv", "equal", "assert_allclose", "assert_array_equal"),
    *("assert_array_almost_equal", "assert_almost_equal", "assert_array_less", "assert_equal", "assert_close"),
}
ZERO_WHEN_EMPTY = {"sum", "nansum", "norm", "count_nonzero"}
EQUALITIES = {ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"}
ASK_FOR_TYPE = {"isinstance", "issubclass", "type", "vars", "dir"}
LOOK_INSIDE = ("inspect.", "pickle.", "copy.")
CATCH_ALL = {"Exception", "BaseException"}
FORBIDDEN = {"input", "open", "eval", "exec", "globals", "locals", "__import__", "breakpoint", "get_ipython"}
RANDOM = ("numpy.random.", "random.")
SEEDED = {"default_rng", "Generator", "SeedSequence", "PCG64", "MT19937", "Philox", "SFC64", "Random"}


@dataclass
class _Scope:
    """The names that the cells so far bind, by the kind of cell."""

    locked: set[str] = field(default_factory=set)
    students: set[str] = field(default_factory=set)
    imported: dict[str, str] = field(default_factory=dict)  # by an answer cell: which
    tested: dict[str, str] = field(default_factory=dict)  # by a test cell: which
    modules: dict[str, str] = field(default_factory=dict)  # by imports in locked cells: np is numpy


class _Test:
    """One test cell as the rules read it."""

    def __init__(self, source: str, tree: ast.Module, scope: _Scope) -> None:
        self.source, self.tree, self.scope = source, tree, scope
        self.nodes = list(ast.walk(tree))
        self.calls = [(node, last_name(node.func)) for node in self.nodes if isinstance(node, ast.Call)]
        self.modules = scope.modules | imports(tree)
        self.flow = Flow(tree, scope.students)

    def quote(self, node: ast.AST) -> str:
        """Quote a piece of the cell in one line."""
        text = " ".join((ast.get_source_segment(self.source, node) or type(node).__name__).split())
        return f"`{text if len(text) <= 60 else text[:57] + '...'}`"

    def module_path(self, node: ast.AST) -> str:
        """Return `numpy.random.rand` for `np.random.rand`; "" for what no import stands behind."""
        root, dot, rest = dotted_name(node).partition(".")
        return self.modules[root] + dot + rest if root in self.modules else ""

    def comparisons(self) -> Iterator[tuple[ast.Compare, ast.expr, ast.cmpop, ast.expr]]:
        """Yield each comparison in pairs: a < b < c is two."""
        for node in self.nodes:
            if isinstance(node, ast.Compare):
                for left, sign, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                    yield node, left, sign, right


def lint_lab(notebook: Any) -> list[str]:
    r"""Return where the test cells of a lab break their contract, and where its answers take the names of locked cells.

    Parameters
    ----------
    notebook
        The source notebook with solutions and hidden tests, as `notebooks.lab_notebook` makes it.

    Returns
    -------
    list of str
        One line a finding, cell by cell: the cell, the line, what was expected, what was got, what to do.

    Examples
    --------
    >>> from medcourse.grading.notebooks import node
    >>> answer = {"grade_id": "half", "solution": True, "grade": False, "locked": False}
    >>> test = {"grade_id": "half_of_four", "solution": False, "grade": True, "locked": True, "points": 1}
    >>> sources = [(answer, "def half(x):\n    return x / 2"), (test, "assert half(4) == 2, 'half of 4 should be 2'")]
    >>> cells = [node(cell_type="code", metadata={"nbgrader": meta}, source=source) for meta, source in sources]
    >>> print(*lint_lab(node(cells=cells)))
    cell `half_of_four`, line 1: expected no `==` on what comes from the student, got `half(4) == 2`: use testing.close
    """
    scope = _Scope()
    found: list[str] = []
    for cell in notebook.cells:
        name = cells.grade_id(cell)
        if name is None or not cells.is_run(cell):
            continue
        try:
            source, tree = _parse(cell.source)
        except SyntaxError as error:
            found.append(f"cell `{name}`, line {error.lineno}: expected Python, got a syntax error: {error.msg}")
            continue
        bound = bound_names(tree)
        if cells.is_test(cell):
            test = _Test(source, tree, scope)
            found += _say(name, (finding for rule in RULES for finding in rule(test)))
            scope.tested |= dict.fromkeys(bound, name)
        elif cells.is_answer(cell):
            found += _say(name, _rebound(tree, scope.locked, "a locked cell binds"))
            scope.students |= definitions(tree.body)
            scope.imported |= dict.fromkeys(bound & set(imports(tree)), name)
        else:
            scope.locked |= bound
            scope.modules |= imports(tree)
    return found


def _parse(text: str) -> tuple[str, ast.Module]:
    """Return a cell as Python, in which a shell command is a call of get_ipython(), and its tree."""
    source = TransformerManager().transform_cell(text)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("error", SyntaxWarning)  # such as of `assert (x, "message")`, which always passes
        compile(source, "cell", "exec", dont_inherit=True)
        return source, ast.parse(source)


def _say(name: str, findings: Iterable[Finding]) -> list[str]:
    lines = sorted(((getattr(node, "lineno", 1), text) for node, text in findings), key=lambda each: each[0])
    return [f"cell `{name}`, line {line}: {text}" for line, text in lines]


def _names(test: _Test) -> Iterator[Finding]:
    """Read names that a locked cell, an answer or this cell binds, and bind others."""
    scope = test.scope
    known = scope.locked | scope.students | set(dir(builtins)) | {"__name__"} | FORBIDDEN
    for name in sorted(names_from_elsewhere(test.source, test.tree) - known):
        if name in scope.tested:
            why = f"which only the test `{scope.tested[name]}` binds: bind it here, too, for tests keep no state"
        elif name in scope.imported:
            why = f"which the answer `{scope.imported[name]}` imports: import it in a locked cell"
        else:
            why = "which no graded cell above binds: define it here or in the setup"
        node = _first(test.nodes, name)
        yield node, f"expected names of locked cells, of the answers and of this test, got `{name}`, {why}"
    yield from _rebound(test.tree, scope.locked | scope.students, "other cells read")


def _rebound(tree: ast.Module, taken: set[str], by: str) -> Iterator[Finding]:
    """Leave other cells' names alone."""
    for statement in tree.body:
        for name in sorted(bound_names(statement) & taken):
            yield statement, f"expected names of this cell's own, got `{name}`, which {by}: choose another"


def _messages(test: _Test) -> Iterator[Finding]:
    """Say something with each assert."""
    for node in test.nodes:
        if isinstance(node, ast.Assert) and (node.msg is None or _is_constant(node.msg, "")):
            yield node, "expected a message with the assert, got none: it is all that a student reads, so write one"


def _ending(test: _Test) -> Iterator[Finding]:
    """End in a value on purpose only, for it is the score; an award anywhere else is lost."""
    expected = "expected a test to end in a statement or in award(...), got"
    last = test.tree.body[-1] if test.tree.body else None
    value = last.value if isinstance(last, ast.Expr) else None
    if value is not None and not isinstance(value, ast.Call):
        yield value, f"{expected} the bare value {test.quote(value)}: it would be the score, assign or award it"
    elif isinstance(value, ast.Call) and last_name(value.func) not in {"award", "close"}:
        # A function that the lab itself defines is taken to check something and to return nothing.
        name = value.func.id if isinstance(value.func, ast.Name) else None
        if name is None or name in {*test.modules, *dir(builtins)} or test.flow.of(value.func):
            yield value, f"{expected} {test.quote(value)}: its value would be the score, assign or award it"
    for node, name in test.calls:
        if name == "award" and node is not value:
            yield (
                node,
                f"expected award(...) as the last expression, got {test.quote(node)} elsewhere: move it to the end",
            )
        elif name == "award" and test.flow.of(*node.args, *_named(node, "points")) == STUDENTS:
            yield node, f"expected points that comparisons earned, got {test.quote(node)} from the student: count them"


def _named(call: ast.Call, name: str) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords if keyword.arg == name]


def _catches(test: _Test) -> Iterator[Finding]:
    """Expect no exception that a typing error would raise, too."""
    advice = "name the class that the task asks for"
    for node in test.nodes:
        if isinstance(node, ast.ExceptHandler) and (node.type is None or _all_names(node.type) & CATCH_ALL):
            yield node, f"expected a certain exception, got an `except` that catches everything: {advice}"
    for call, name in test.calls:
        if name in {"raises", "suppress"} and _all_names(call) & CATCH_ALL:
            yield call, f"expected a certain exception, got {test.quote(call)}: {advice}"


def _introspects(test: _Test) -> Iterator[Finding]:
    """Build the student's objects, call them, ask for attributes, iterate, and nothing else."""
    expected, advice = "expected no look at what the student's objects are made of, got", "test what they compute"
    for call, name in test.calls:
        inside = test.module_path(call.func).startswith(LOOK_INSIDE)
        dunder = name == "getattr" and any(_is_dunder(arg.value) for arg in call.args if isinstance(arg, ast.Constant))
        by_type = name in ASK_FOR_TYPE and isinstance(call.func, ast.Name)
        if (inside or dunder or by_type) and test.flow.of_arguments(call):
            yield call, f"{expected} {test.quote(call)}: {advice}"
    for node in test.nodes:
        if isinstance(node, ast.Attribute) and _is_dunder(node.attr) and test.flow.of(node.value):
            yield node, f"{expected} {test.quote(node)}: {advice}"
        elif isinstance(node, ast.ClassDef) and test.flow.of(*node.bases):
            yield node, f"{expected} the subclass `{node.name}`: {advice}"


def _equals(test: _Test) -> Iterator[Finding]:
    """Ask for equality by close, which looks at kind and shape first."""
    for node, left, sign, right in test.comparisons():
        # `key in student's` asks the student's value for nothing but its keys; the other way round is an equality.
        sides = [left] if isinstance(sign, ast.In | ast.NotIn) else [left, right]
        if type(sign) in EQUALITIES and test.flow.of(*sides):
            word = EQUALITIES[type(sign)]
            yield (
                node,
                f"expected no `{word}` on what comes from the student, got {test.quote(node)}: use testing.close",
            )
    for call, name in test.calls:
        if name in {"eq", "ne", "not_equal"} and test.flow.of_call(call):
            yield (
                call,
                f"expected no equality on what comes from the student, got {test.quote(call)}: use testing.close",
            )
    for each in test.nodes:
        if isinstance(each, ast.Match) and test.flow.of(each.subject):
            subject = test.quote(each.subject)
            yield each, f"expected no `match` on what comes from the student, got {subject}: use testing.close"


def _passes_when_empty(test: _Test) -> Iterator[Finding]:
    """Let an empty array fail."""
    expected = "expected a check that an empty array fails, got"
    for call, name in test.calls:
        if name in PASS_WHEN_EMPTY and test.flow.of_call(call):
            yield call, f"{expected} {test.quote(call)}: use testing.close"
    for node, left, sign, right in test.comparisons():
        small = {ast.Lt: left, ast.LtE: left, ast.Gt: right, ast.GtE: right}.get(type(sign))
        inside = [each for each in ast.walk(small) if isinstance(each, ast.Call)] if small else []
        if any(last_name(call.func) in ZERO_WHEN_EMPTY and test.flow.of_call(call) for call in inside):
            yield node, f"{expected} {test.quote(node)}, which is 0 for nothing: use testing.close"


def _bare_truth(test: _Test) -> Iterator[Finding]:
    """Take the truth of comparisons, not of what the student made."""
    for node in _truths(test.nodes):
        covered = isinstance(node, ast.BoolOp) or _is_not(node)  # what stands in it is looked at itself
        if test.flow.of(node) == STUDENTS and not covered:
            yield node, f"expected a comparison, got the bare truth of {test.quote(node)}: use testing.close"
    for each in test.nodes:
        if _is_not(each) and test.flow.of(each):
            yield each, f"expected a comparison that NaN fails, got {test.quote(each)}: turn it round"


def _truths(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """Yield the expressions of which Python takes the truth."""
    for node in nodes:
        if isinstance(node, ast.Assert | ast.If | ast.While | ast.IfExp):
            yield node.test
        elif isinstance(node, ast.comprehension):
            yield from node.ifs
        elif isinstance(node, ast.BoolOp):
            yield from node.values
        elif isinstance(node, ast.Call) and last_name(node.func) == "bool":
            yield from node.args


def _forbidden(test: _Test) -> Iterator[Finding]:
    """Run nothing but Python, and read nothing but what cells hand over."""
    for node in test.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in FORBIDDEN:
            got = "a magic or a shell command" if node.id == "get_ipython" else f"`{node.id}`"
            yield node, f"expected plain Python without files, input and code in strings, got {got}: do without"


def _random(test: _Test) -> Iterator[Finding]:
    """Draw the same inputs each time. Before each cell the grader seeds what torch draws."""
    advice = "draw from testing.hidden_rng(name) or np.random.default_rng(seed)"
    for node in test.nodes:
        path = test.module_path(node)
        if path.startswith(RANDOM) and path.rpartition(".")[2] not in SEEDED:
            yield node, f"expected random numbers with a seed, got {test.quote(node)}: {advice}"
    for call, name in test.calls:
        seeds = [*call.args, *(keyword.value for keyword in call.keywords)]
        if (
            name in SEEDED
            and test.module_path(call.func).startswith(RANDOM)
            and all(_is_constant(s, None) for s in seeds)
        ):
            yield call, f"expected random numbers with a seed, got {test.quote(call)}: {advice}"


def _writes(test: _Test) -> Iterator[Finding]:
    """Write nothing into what the student made: where that is remote, the write is lost."""
    expected, advice = "expected no write into what the student made, got", "use testing.set_weights or testing.inout"
    for node in test.nodes:
        into = isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
        if into and test.flow.of(node.value) == STUDENTS:  # type: ignore[attr-defined]
            yield node, f"{expected} {test.quote(node)}: {advice}"
    for call, name in test.calls:
        if name in {"setattr", "delattr"}:
            target = call.args[:1]
        else:  # torch changes in place by methods that end in one underscore
            in_place = isinstance(call.func, ast.Attribute) and name.endswith("_") and not _is_dunder(name)
            target = [call.func] if in_place else []
        if test.flow.of(*target) == STUDENTS:
            yield call, f"{expected} {test.quote(call)}: {advice}"


RULES = (
    *(_names, _messages, _ending, _catches, _introspects, _equals),
    *(_passes_when_empty, _bare_truth, _forbidden, _random, _writes),
)


def _first(nodes: Iterable[ast.AST], name: str) -> ast.AST:
    places = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    return min(places, key=lambda node: (node.lineno, node.col_offset))


def _all_names(node: ast.AST) -> set[str]:
    return {last_name(each) for each in ast.walk(node)}


def _is_constant(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == value and type(node.value) is type(value)


def _is_not(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_dunder(name: object) -> bool:
    return isinstance(name, str) and name.startswith("__") and name.endswith("__")
