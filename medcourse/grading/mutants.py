"""Small changes of a reference answer, each of which its tests should notice: a `<` to `<=`, an axis, a sign, a line.

Mutation tools such as mutmut and cosmic-ray change files under test suites; an answer is a part of a notebook's cell.
"""

import ast
import difflib
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from medcourse.errors import CourseError
from medcourse.grading.cells import SOLUTION
from medcourse.grading.flow import dotted_name, last_name
from medcourse.grading.segments import Change, Code


@dataclass(frozen=True)
class Mutant:
    """An answer with one change.

    Attributes
    ----------
    kind
        One of comparison, arithmetic, boolean, constant, axis, sign, order, removal.
    line
        Where the change begins in the answer's cell, from 1.
    old, new
        The lines that differ, blanks normalised.
    source
        The whole cell.
    name
        `old` -> `new`, with a number where one answer has several of the same: stays when other lines change.
    original
        The cell without the change.
    """

    kind: str
    line: int
    old: str
    new: str
    source: str
    name: str
    original: str = field(repr=False)

    @property
    def diff(self) -> str:
        """The change as a unified diff with two lines around it."""
        before, after = self.original.splitlines(), self.source.splitlines()
        return "\n".join(difflib.unified_diff(before, after, "solution", "mutant", n=2, lineterm=""))


SIGNS: dict[type[ast.AST], str] = {
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="},
    **{ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not", ast.And: "and", ast.Or: "or"},
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**"},
    **{ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"},
}
OTHERS: dict[str, tuple[str, ...]] = {
    **{"<": ("<=", ">"), "<=": ("<", ">="), ">": (">=", "<"), ">=": (">", "<="), "==": ("!=",), "!=": ("==",)},
    **{"in": ("not in",), "not in": ("in",), "is": ("is not",), "is not": ("is",), "and": ("or",), "or": ("and",)},
    **{"+": ("-", "*"), "-": ("+",), "*": ("/", "+"), "/": ("*", "//"), "//": ("*", "/"), "%": ("//",)},
    **{"**": ("*",), "@": ("*",), "&": ("|",), "|": ("&",), "^": ("&",)},
}
AXIS_KEYWORDS = {"axis", "axes", "dim", "dims"}
MODULES = {"np", "numpy", "torch", "functional", "F"}
"""Their functions take an array first and its axis second; a method takes the axis first."""
TAKE_AXIS = {
    *("all", "amax", "amin", "any", "argmax", "argmin", "argsort", "cat", "concat", "concatenate", "cumsum", "flip"),
    *("expand_dims", "gather", "index_select", "log_softmax", "logsumexp", "max", "mean", "median", "min", "narrow"),
    *("prod", "select", "size", "softmax", "sort", "squeeze", "stack", "std", "sum", "unsqueeze", "var"),
}
TAKE_TWO_AXES = {"swapaxes", "transpose"}
COMMUTE = {"max", "min", "maximum", "minimum"}
EXITS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
UNSIGNED = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.JoinedStr)
ATOMS = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.ListComp, ast.Dict, ast.Set)


def mutants_of(source: str) -> list[Mutant]:
    r"""Return the mutants of what stands between the solution marks of an answer's cell.

    Parameters
    ----------
    source
        The cell with its reference solution. What stands outside of the marks is given to students and stays.

    Returns
    -------
    list of Mutant
        In the order of the text. Each compiles, and no two of them, nor any and the original, are the same program.

    Raises
    ------
    CourseError
        The cell is no Python.

    Examples
    --------
    >>> for mutant in mutants_of("### BEGIN SOLUTION\nhalf = whole // 2\n### END SOLUTION"):
    ...     print(mutant.kind, mutant.name)
    order `half = whole // 2` -> `half = 2 // whole`
    arithmetic `half = whole // 2` -> `half = whole * 2`
    arithmetic `half = whole // 2` -> `half = whole / 2`
    constant `half = whole // 2` -> `half = whole // 3`
    constant `half = whole // 2` -> `half = whole // 1`
    constant `half = whole // 2` -> `half = whole // -2`
    """
    program = _program(source)
    if program is None:
        raise CourseError("expected Python in a reference answer, got a cell that does not compile: mend it")
    answer = _Answer(source)
    seen = {program}
    mutants = []
    names: Counter[str] = Counter()
    changes = (change for node in answer.nodes for make in MAKERS for change in make(answer, node))
    for change in sorted(changes, key=lambda each: (each.start, -each.end)):
        mutated = answer.apply(change)
        program = _program(mutated)
        if program is None or program in seen:
            continue
        seen.add(program)
        line, old, new = answer.lines_of(change)
        name = f"`{old}` -> `{new}`"
        names[name] += 1
        name += f" ({names[name]})" if names[name] > 1 else ""
        mutants.append(Mutant(change.kind, line, old, new, mutated, name, source))
    return mutants


def _program(source: str) -> str | None:
    """Return what the source says, whatever its layout; None if it does not compile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mutant may well look odd
        try:
            compile(source, "answer", "exec", dont_inherit=True)
            return ast.dump(ast.parse(source))
        except SyntaxError:
            return None


class _Answer(Code):
    """A cell and its nodes between the solution marks."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        inside = _lines_inside(source)
        every = list(_walk(self.tree))
        self.nodes = [node for node in every if _lines(node) and inside.issuperset(_lines(node))]
        self.parents = {child: node for node in every for child in ast.iter_child_nodes(node)}
        self.axes = {axis for node in every for axis in _axes(node)}

    def operand(self, node: ast.AST, *, also: tuple[type[ast.AST], ...] = ()) -> str:
        """Return the text of a node, in brackets unless it binds closer than any operator or is one of `also`."""
        return self.text(node) if isinstance(node, (*ATOMS, *also)) else f"({self.text(node)})"

    def replace(self, node: ast.AST, kind: str, text: str) -> Change:
        """Return the change that puts a text in a node's place."""
        return Change(*self.span(node), kind, text)

    def swap(self, first: ast.AST, second: ast.AST) -> Change:
        """Return the change that puts two nodes in each other's place."""
        (start, end), (begin, stop) = self.span(first), self.span(second)
        return Change(start, stop, "order", self.text(second) + self.between(end, begin) + self.text(first))

    def known(self, node: ast.AST) -> set[str]:
        """Return what the function around a statement binds above it: names, and attributes of names."""
        scope, start = node, self.span(node)[0]
        while scope in self.parents and (scope is node or not isinstance(scope, ast.FunctionDef)):
            scope = self.parents[scope]
        above = [each for each in ast.walk(scope) if _lines(each) and self.span(each)[1] <= start]
        bound = {dotted_name(each) for each in above if isinstance(getattr(each, "ctx", None), ast.Store)}
        return bound | {each.arg for each in above if isinstance(each, ast.arg)}


def _lines(node: ast.AST) -> range:
    """Return the numbers of a node's lines, none if it has no place of its own."""
    return range(getattr(node, "lineno", 1), getattr(node, "end_lineno", 0) + 1)


def _lines_inside(source: str) -> set[int]:
    """Return the numbers of the lines between solution marks."""
    inside, found = False, set()
    for number, line in enumerate(source.split("\n"), start=1):
        if SOLUTION.begin in line or SOLUTION.end in line:
            inside = SOLUTION.begin in line
        elif inside:
            found.add(number)
    return found


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all nodes in it but annotations and f-strings, which are messages."""
    yield node
    for name, value in ast.iter_fields(node):
        if name not in {"annotation", "returns"} and not isinstance(node, ast.JoinedStr):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _walk(child)


def _axes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the numbers in a call or an index that name an axis."""
    found: list[ast.AST] = []
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in AXIS_KEYWORDS:
                found += keyword.value.elts if isinstance(keyword.value, ast.Tuple | ast.List) else [keyword.value]
        if isinstance(node.func, ast.Attribute):
            root = node.func.value
            while isinstance(root, ast.Attribute):
                root = root.value
            first = 1 if isinstance(root, ast.Name) and root.id in MODULES else 0
            count = {True: 1}.get(node.func.attr in TAKE_AXIS, 2 if node.func.attr in TAKE_TWO_AXES else 0)
            found += node.args[first : first + count]
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
        found.append(node.slice)
    yield from (each for each in found if _integer(each) is not None)


def _integer(node: ast.AST) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _integer(node.operand)
        return None if inner is None else -inner
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


# One function a kind: the changes that begin at a node.


def _operators(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Compare otherwise, compute otherwise, take `or` for `and`."""
    pairs: list[tuple[ast.AST, ast.AST, ast.AST]] = []
    kind, more = "arithmetic", ""
    if isinstance(node, ast.Compare):
        pairs, kind = list(zip([node.left, *node.comparators], node.ops, node.comparators, strict=False)), "comparison"
    elif isinstance(node, ast.BoolOp):
        pairs, kind = [(a, node.op, b) for a, b in pairwise(node.values)], "boolean"
    elif isinstance(node, ast.BinOp) and not _is_text(node.left):
        pairs = [(node.left, node.op, node.right)]
    elif isinstance(node, ast.AugAssign):
        pairs, more = [(node.target, node.op, node.value)], "="
    for left, op, right in pairs:
        if (sign := SIGNS.get(type(op))) is not None:
            place = answer.find(sign + more, answer.span(left)[1], answer.span(right)[0])
            for other in OTHERS[sign]:
                yield Change(*place, "boolean" if sign in {"&", "|", "^"} else kind, other + more)


def _boolean(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Drop a part of a condition, or negate it."""
    if isinstance(node, ast.BoolOp):
        for left_out in node.values:
            closer = (ast.Compare, ast.BinOp, ast.UnaryOp)
            rest = [answer.operand(value, also=closer) for value in node.values if value is not left_out]
            yield answer.replace(node, "boolean", f" {SIGNS[type(node.op)]} ".join(rest))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield answer.replace(node, "boolean", answer.operand(node.operand))
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield answer.replace(node.test, "boolean", f"not {answer.operand(node.test)}")
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for condition in (each for generator in node.generators for each in generator.ifs):
            yield answer.replace(condition, "boolean", "True")


def _constant(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Take another number, or the other truth."""
    parent = answer.parents.get(node)
    if not isinstance(node, ast.Constant) or {node, parent} & answer.axes:
        return
    value = node.value
    if isinstance(value, bool):
        yield answer.replace(node, "constant", repr(not value))
    elif isinstance(value, int | float):
        others = [value + 1, value - 1]
        # What stands behind a minus loses it by its sign.
        others += [] if isinstance(parent, ast.UnaryOp) or value == 0 else [-value]
        yield from (answer.replace(node, "constant", repr(other)) for other in others)


def _axis(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Take another axis: of a pair the other one, else the next one inwards."""
    if node in answer.axes:
        axis = _integer(node) or 0
        other = {0: 1, 1: 0, -1: -2}.get(axis, axis - 1 if axis > 0 else axis + 1)
        yield answer.replace(node, "axis", repr(other))


def _sign(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Lose a minus, or add one to a result or to the first part of a sum."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and node not in answer.axes:
        yield answer.replace(node, "sign", answer.operand(node.operand))
    signed = node.value if isinstance(node, ast.Return) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        signed = node.left
    if signed is not None and not isinstance(signed, UNSIGNED):
        yield answer.replace(signed, "sign", f"-{answer.operand(signed)}")


def _order(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Put arguments, pairs and operands the other way round."""
    if isinstance(node, ast.Call) and last_name(node.func) not in COMMUTE:
        yield from (answer.swap(a, b) for a, b in pairwise(node.args) if not _starred(a, b))
    elif isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 2 and not answer.axes & {*node.elts}:
        if not _starred(*node.elts) and not isinstance(answer.parents.get(node), ast.Compare):
            yield answer.swap(*node.elts)
    elif isinstance(node, ast.BinOp) and SIGNS.get(type(node.op)) in {"-", "/", "//", "%", "**", "@"}:
        left, right = answer.operand(node.left), answer.operand(node.right)
        if not _is_text(node.left):
            yield answer.replace(node, "order", f"{right} {SIGNS[type(node.op)]} {left}")


def _slices(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Shift one bound of a slice; those that are numbers change as numbers do."""
    if not isinstance(node, ast.Slice) or node.step or not (node.lower or node.upper):
        return
    for bound in (node.lower, node.upper):
        if bound is not None and _integer(bound) is None:
            yield answer.replace(bound, "order", f"{answer.operand(bound, also=(ast.BinOp,))} + 1")
    start, end = answer.span(node)
    if node.lower is None:
        yield Change(start, start, "order", "1")
    elif node.upper is None:
        yield Change(end, end, "order", "-1")


def _statements(answer: _Answer, node: ast.AST) -> Iterator[Change]:
    """Exchange two neighbours that touch the same names, or leave a statement out."""
    if not isinstance(node, ast.stmt):
        return
    if _can_go(answer, node):
        yield answer.replace(node, "removal", "pass")
    for body in (getattr(answer.parents[node], name, []) for name in ("body", "orelse", "finalbody")):
        place = body.index(node) + 1 if isinstance(body, list) and node in body else 0
        after = body[place] if 0 < place < len(body) else None
        if after in answer.nodes and _depend(answer, node, after):
            yield answer.swap(node, after)


def _can_go(answer: _Answer, node: ast.stmt) -> bool:
    """Say whether something may still run without a statement: it is no name's first assignment."""
    parent = answer.parents[node]
    if isinstance(node, ast.If):
        return not node.orelse and isinstance(node.body[-1], EXITS)
    if isinstance(node, EXITS):
        # An early exit goes with its condition, which says the same.
        return not (
            isinstance(parent, ast.If) and len(parent.body) == 1 and not parent.orelse and parent in answer.nodes
        )
    if isinstance(node, ast.Assign):
        return all(
            isinstance(target, ast.Subscript) or _targets(target) <= answer.known(node) for target in node.targets
        )
    return isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))


def _depend(answer: _Answer, first: ast.stmt, second: ast.stmt) -> bool:
    """Say whether the order of two neighbours matters, and more than by a name that would not be there yet."""
    simple = (ast.Assign, ast.AugAssign, ast.Expr)
    if not isinstance(first, simple) or not isinstance(second, simple):
        return False
    if (_changed(first) - answer.known(first)) & _names(second):
        return False
    return bool(_changed(first) & _names(second) or _names(first) & _changed(second))


def _changed(node: ast.AST) -> set[str]:
    """Return the names, and attributes of names, that a simple statement binds or may change."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        return _targets(node.value.func.value)
    if isinstance(node, ast.Assign):
        return set().union(*map(_targets, node.targets))
    return _targets(node.target) if isinstance(node, ast.AugAssign) else set()


def _targets(node: ast.AST) -> set[str]:
    """Return `a.x` and `b` of the targets `a.x[i], b`."""
    if isinstance(node, ast.Tuple | ast.List):
        return set().union(*map(_targets, node.elts))
    while isinstance(node, ast.Subscript | ast.Starred):
        node = node.value
    return {dotted_name(node)} - {""}


def _names(node: ast.AST) -> set[str]:
    return {dotted_name(each) for each in ast.walk(node)} - {""}


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _starred(*nodes: ast.AST) -> bool:
    return any(isinstance(node, ast.Starred) for node in nodes)


MAKERS = (_operators, _boolean, _constant, _axis, _sign, _order, _slices, _statements)
