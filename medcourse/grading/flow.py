"""Names and values in one cell of a lab: what it binds, what it reads from elsewhere, what comes from the student."""

import ast
import symtable
from collections import ChainMap
from collections.abc import Iterable, MutableMapping

CLEAN, DERIVED, STUDENTS = 0, 1, 2
"""What a value is: the test's own; a comparison or a container of something of the student's; the student's itself."""

VERDICTS = {"all", "any", "allclose", "array_equal", "bool", "equal", "hasattr", "isinstance", "issubclass"}
"""Calls whose result is a verdict on the student's value and no longer that value."""

KEEPS = {"append", "extend", "insert", "add", "update", "setdefault"}
"""Methods that put something into a container."""

Levels = MutableMapping[str, int]
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_Loop = ast.For | ast.AsyncFor


def last_name(node: ast.AST) -> str:
    """Return `c` of `a.b.c` and of `c`, "" for what is neither.

    Examples
    --------
    >>> last_name(ast.parse("np.random.rand", mode="eval").body)
    'rand'
    """
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def dotted_name(node: ast.AST) -> str:
    """Return `a.b.c` for an attribute of a name, `a` for a name, "" for what is neither.

    Examples
    --------
    >>> dotted_name(ast.parse("np.random.rand", mode="eval").body)
    'np.random.rand'
    >>> dotted_name(ast.parse("dice(a, b).real", mode="eval").body)
    ''
    """
    if isinstance(node, ast.Name):
        return node.id
    base = dotted_name(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{base}.{last_name(node)}" if base else ""


def bound_names(node: ast.AST) -> set[str]:
    """Return the names that a piece of code binds in the scope that it stands in.

    Examples
    --------
    >>> sorted(bound_names(ast.parse("import numpy as np; a, b = [x for x in y]; c += 1; d[0] = 2")))
    ['a', 'b', 'c', 'np']
    """
    if isinstance(node, _Function | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.Lambda | _Comprehension):
        return {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}
    own = {node.name} if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name else set()
    return own.union(*map(bound_names, ast.iter_child_nodes(node)))


def definitions(body: list[ast.stmt]) -> set[str]:
    r"""Return what is defined or assigned at the top of a cell: no imports, no variables of loops.

    Examples
    --------
    >>> sorted(definitions(ast.parse("import os; x = 1\nfor i in y: z = i\ndef f(): w = 2").body))
    ['f', 'x', 'z']
    """
    found: set[str] = set()
    for node in body:
        if isinstance(node, _Function | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.AugAssign):
            found |= bound_names(node)
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(node, _Function | ast.ClassDef):
                found |= definitions(getattr(node, field, []))
    return found


def imports(tree: ast.Module) -> dict[str, str]:
    """Return the names that imports bind, with what stands behind them.

    Examples
    --------
    >>> imports(ast.parse("import numpy as np, os.path; from copy import deepcopy as dc"))
    {'np': 'numpy', 'os': 'os', 'dc': 'copy.deepcopy'}
    """
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def names_from_elsewhere(source: str, tree: ast.Module) -> set[str]:
    """Return the names that a cell reads and does not bind, or reads before it binds them.

    Examples
    --------
    >>> code = "count += 1; y = [x for x in z]; f = lambda a: a + b"
    >>> sorted(names_from_elsewhere(code, ast.parse(code)))
    ['b', 'count', 'z']
    """
    return (_read_anywhere(symtable.symtable(source, "cell", "exec")) - bound_names(tree)) | _read_too_early(tree)


def _read_anywhere(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that a scope and the scopes in it read."""
    here = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}
    return here.union(*map(_read_anywhere, table.get_children()))


def _read_too_early(tree: ast.Module) -> set[str]:
    """Return names that a cell binds, but below a statement that has read them: they were somebody else's."""
    early: set[str] = set()
    bound: set[str] = set()
    for statement in tree.body:
        own = set() if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) else _plainly_bound(statement)
        early |= _reads(statement) - own - bound
        bound |= bound_names(statement)
    return early & bound


def _plainly_bound(node: ast.AST) -> set[str]:
    """Return the names that a compound statement binds by more than `x += 1`, which needs an `x`."""
    added = [n.target for n in ast.walk(node) if isinstance(n, ast.AugAssign)]
    stores = [n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n not in added]
    return bound_names(node) - ({last_name(name) for name in added} - {name.id for name in stores})


def _reads(node: ast.AST) -> set[str]:
    """Return the names that are read when a piece of code is reached; bodies of functions run later."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, _Function | ast.Lambda):
        return set().union(*map(_reads, [*node.args.defaults, *getattr(node, "decorator_list", [])]))
    found = set[str]().union(*map(_reads, ast.iter_child_nodes(node)))
    if isinstance(node, _Comprehension):
        return found - set().union(*(bound_names(generator.target) for generator in node.generators))
    if isinstance(node, ast.ClassDef):
        return found - set().union(*map(bound_names, node.body))
    return found | ({last_name(node.target)} - {""} if isinstance(node, ast.AugAssign) else set())


class Flow:
    r"""A level for each expression of a cell: whether it comes from the student.

    Names are followed through assignments, loops, comprehensions and results of functions, without regard to the order
    of lines: what anywhere holds something of the student's counts as such everywhere. Parameters are not followed.

    Examples
    --------
    >>> tree = ast.parse("got = dice(a, b)\nok = got > 0.5")
    >>> flow = Flow(tree, {"dice"})
    >>> flow.of(tree.body[0].value) == STUDENTS, flow.of(tree.body[1].value) == DERIVED
    (True, True)
    """

    def __init__(self, tree: ast.Module, students: set[str]) -> None:
        self._levels: dict[ast.AST, int] = {}
        names: Levels = dict.fromkeys(students, STUDENTS)
        before: Levels = {}
        while before != names:  # levels only rise, so this ends
            before = dict(names)
            self._visit_all(tree.body, names)

    def of(self, *nodes: ast.AST) -> int:
        """Return the highest level of some expressions."""
        return max((self._levels.get(node, CLEAN) for node in nodes), default=CLEAN)

    def of_arguments(self, call: ast.Call) -> int:
        """Return the highest level of what a call is given."""
        return self.of(*call.args, *(keyword.value for keyword in call.keywords))

    def of_call(self, call: ast.Call) -> int:
        """Return the highest level of what a call is given and of what it is a method of."""
        return max(self.of(call.func), self.of_arguments(call))

    def _visit_all(self, nodes: Iterable[ast.AST], names: Levels) -> int:
        return max([self._visit(node, names) for node in nodes], default=CLEAN)

    def _visit(self, node: ast.AST, names: Levels) -> int:
        """Visit a statement or an expression and all in it; return and note its level."""
        level = self._bind(node, names) if isinstance(node, ast.stmt | ast.withitem) else self._value(node, names)
        self._levels[node] = max(level, self.of(node))
        return level

    def _value(self, node: ast.AST, names: Levels) -> int:
        if isinstance(node, ast.Name):
            return names.get(node.id, CLEAN)
        if isinstance(node, ast.Lambda):
            return self._visit(node.body, _hidden(node.args, names))
        if isinstance(node, _Comprehension):
            return self._comprehension(node, names)
        level = self._visit_all(ast.iter_child_nodes(node), names)
        if isinstance(node, ast.NamedExpr):
            self._store(node.target, level, names)
        if isinstance(node, ast.Call) and last_name(node.func) == "range":
            return CLEAN  # numbers that the test itself counts
        is_verdict = isinstance(node, ast.Compare) or (isinstance(node, ast.Call) and last_name(node.func) in VERDICTS)
        return min(level, DERIVED) if is_verdict else level

    def _comprehension(self, node: _Comprehension, names: Levels) -> int:
        inner: Levels = ChainMap({}, names)
        chosen = CLEAN
        for generator in node.generators:
            inner.update(dict.fromkeys(bound_names(generator.target), CLEAN))  # other names than those around it
            self._each(generator.target, generator.iter, inner)
            chosen = max(chosen, self.of(generator.iter), self._visit_all(generator.ifs, inner))
        items = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return max(self._visit_all(items, inner), min(chosen, DERIVED))

    def _bind(self, node: ast.AST, names: Levels) -> int:
        """Visit a statement, and note what it binds; only a function has a level, that of its results."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, names)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            self._assign(node.target, node.value or node.target, names)
        elif isinstance(node, _Loop):
            self._each(node.target, node.iter, names)
            self._visit_all([*node.body, *node.orelse], names)
        elif isinstance(node, ast.withitem):
            level = self._visit(node.context_expr, names)
            if node.optional_vars is not None:
                self._store(node.optional_vars, level, names)
        elif isinstance(node, _Function):
            self._function(node, names)
        elif isinstance(node, ast.ClassDef):
            self._visit_all([*node.decorator_list, *node.body], ChainMap({}, names))
            names[node.name] = max(self._visit_all(node.bases, names), names.get(node.name, CLEAN))
        else:
            self._visit_all(ast.iter_child_nodes(node), names)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and last_name(node.value.func) in KEEPS:
                self._keep(node.value.func, self.of_arguments(node.value), names)
        return CLEAN

    def _function(self, node: _Function, names: Levels) -> None:
        inner = _hidden(node.args, names)
        for _ in range(2):  # what a loop in it binds last, it may read first
            self._visit_all([*node.args.defaults, *node.body], inner)
        results = [each.value for each in ast.walk(node) if isinstance(each, ast.Return | ast.Yield) and each.value]
        names[node.name] = max(self.of(*results), names.get(node.name, CLEAN))

    def _assign(self, target: ast.expr, value: ast.expr, names: Levels) -> None:
        level = self._visit(value, names)
        pairs = (ast.Tuple, ast.List)
        if isinstance(target, pairs) and isinstance(value, pairs) and len(target.elts) == len(value.elts):
            for each, item in zip(target.elts, value.elts, strict=True):
                self._assign(each, item, names)
        else:
            self._store(target, level, names)

    def _each(self, target: ast.expr, items: ast.expr, names: Levels) -> None:
        """Bind what a loop binds, each of several names to what it gets of `zip` and `enumerate`."""
        level = self._visit(items, names)
        parts: list[ast.expr] = []
        if isinstance(items, ast.Call) and last_name(items.func) == "zip":
            parts = items.args
        elif isinstance(items, ast.Call) and last_name(items.func) == "enumerate":
            parts = [ast.Constant(0), *items.args[:1]]
        if isinstance(target, ast.Tuple) and len(target.elts) == len(parts):
            for each, part in zip(target.elts, parts, strict=True):
                self._each(each, part, names)
        else:
            self._store(target, level, names)

    def _store(self, target: ast.expr, level: int, names: Levels) -> None:
        for name in bound_names(target):
            names[name] = max(level, names.get(name, CLEAN))
        for node in ast.walk(target):
            if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
                self._visit(node, names)
                self._keep(node, level, names)

    def _keep(self, place: ast.expr, level: int, names: Levels) -> None:
        """Note what is put into a container of the test's own; that does not make it the student's."""
        while isinstance(place, ast.Subscript | ast.Attribute):
            place = place.value
        if isinstance(place, ast.Name):
            names[place.id] = max(min(level, DERIVED), names.get(place.id, CLEAN))


def _hidden(arguments: ast.arguments, names: Levels) -> Levels:
    """Return the names as a function sees them: its parameters are others, and what it binds stays in it."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return ChainMap({each.arg: CLEAN for each in every if each}, names)
