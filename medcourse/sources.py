"""Which files of this package a program depends on, found by reading it: nothing is imported.

A program that says `datasets.make_cells` depends on the one module of `medcourse.datasets` that makes cells, and on
what that module imports in turn. Where a package is used in any other way (handed on, or asked by `getattr`), it
depends on all of it: too much is safe, too little is not.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def files_used(program: str, *, package: Path = PACKAGE) -> list[Path]:
    """List the files of the package that a program depends on, directly or not.

    Parameters
    ----------
    program : str
        Python, without IPython's magics.
    package : Path
        The folder of `medcourse`.

    Returns
    -------
    list of Path
        Sorted: modules, and the data files that lie in the folders of these modules.

    Examples
    --------
    >>> used = files_used("from medcourse import datasets; datasets.make_cells(1)")
    >>> [path.name for path in used if path.parent.name == "datasets" and path.suffix == ".py"]
    ['__init__.py', 'cells.py', 'microscopy.py', 'ranges.py']
    """
    found: set[Path] = set()
    todo = _modules(ast.parse(program), package, ())
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo |= _modules_of_file(path, package, path.stat().st_mtime_ns)
    return sorted(found | {data for folder in {path.parent for path in found} for data in _data(folder, package)})


def modules_named(program: str, *, package: Path = PACKAGE) -> set[Path]:
    """Return the modules of the package that a program names, and the packages that they lie in."""
    return _modules(ast.parse(program), package, ())


def _data(folder: Path, package: Path) -> Iterator[Path]:
    """Yield the files beside a module that are no code: tables, weights; of the package's own folder only its own."""
    for path in folder.glob("*" if folder == package else "**/*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            yield path


@cache
def _modules_of_file(path: Path, package: Path, _mtime_ns: int) -> set[Path]:
    inside = path.relative_to(package).with_suffix("").parts
    return _modules(ast.parse(path.read_text()), package, inside[:-1])


def _modules(tree: ast.Module, package: Path, inside: tuple[str, ...]) -> set[Path]:
    """Return the modules that a program names; `inside` is the subpackage that it belongs to, for relative imports."""
    reader = _Reader(package, inside)
    for node in ast.walk(tree):
        reader.read_import(node)
    for node in ast.walk(tree):
        reader.read_use(node)
    return reader.found


class _Reader:
    """Follows the names that a program binds to modules of the package."""

    def __init__(self, package: Path, inside: tuple[str, ...]) -> None:
        self.found: set[Path] = set()
        self._package, self._inside = package, inside
        self._bound: dict[str, tuple[str, ...]] = {}  # name in the program: module below the package
        self._seen: set[int] = set()  # names that are part of a chain which was followed

    def read_import(self, node: ast.AST) -> None:
        """Take note of what an import binds."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *rest = alias.name.split(".")
                if first == "medcourse":
                    self._add(tuple(rest))
                    self._bound[alias.asname or first] = tuple(rest) if alias.asname else ()
        elif isinstance(node, ast.ImportFrom):
            base = self._base(node)
            for alias in node.names if base is not None else []:
                assert base is not None
                if alias.name == "*":
                    self._add_all(base)
                elif (module := self._below(base, alias.name)) is not None:
                    self._add(module)
                    if module == (*base, alias.name):  # else it is a name of that module
                        self._bound[alias.asname or alias.name] = module
                else:
                    self._add(base)

    def read_use(self, node: ast.AST) -> None:
        """Follow a chain such as `medcourse.datasets.make_cells`, or a module's name in a string."""
        if isinstance(node, ast.Attribute):
            names: list[str] = []
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute):
                names.insert(0, inner.attr)
                inner = inner.value
            # The outermost attribute comes first, and says it all.
            if isinstance(inner, ast.Name) and inner.id in self._bound and id(inner) not in self._seen:
                self._seen.add(id(inner))
                self._follow(self._bound[inner.id], names)
        elif isinstance(node, ast.Name) and node.id in self._bound and id(node) not in self._seen:
            if isinstance(node.ctx, ast.Load):
                self._add_all(self._bound[node.id])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("medcourse."):
            names = node.value.split(".")[1:]
            if self._path(tuple(names)) is not None:
                self._add_all(tuple(names))

    def _base(self, node: ast.ImportFrom) -> tuple[str, ...] | None:
        named = tuple(node.module.split(".")) if node.module else ()
        if node.level:
            return self._inside[: len(self._inside) + 1 - node.level] + named
        return named[1:] if named[:1] == ("medcourse",) else None

    def _follow(self, module: tuple[str, ...], names: list[str]) -> None:
        for name in names:
            below = self._below(module, name)
            if below is None:
                return
            self._add(below)
            module = below

    def _below(self, module: tuple[str, ...], name: str) -> tuple[str, ...] | None:
        """Return the submodule of that name, or the one from which a lazy package takes that name."""
        if self._path((*module, name)) is not None:
            return (*module, name)
        path = self._path(module)
        owner = lazy_names(path).get(name) if path is not None else None
        return (*module, owner) if owner else None

    def _path(self, module: tuple[str, ...]) -> Path | None:
        plain = self._package.joinpath(*module)
        for path in (plain / "__init__.py", plain.with_name(f"{plain.name}.py")):
            if path.is_file() and (module or path.name == "__init__.py"):
                return path
        return None

    def _add(self, module: tuple[str, ...]) -> None:
        """Add a module and the packages that it lies in, which Python imports first."""
        paths = (self._path(module[:depth]) for depth in range(len(module) + 1))
        self.found |= {path for path in paths if path is not None}

    def _add_all(self, module: tuple[str, ...]) -> None:
        """Add a module with all that lies below it, but for the whole course only what it names by itself."""
        self._add(module)
        path = self._path(module)
        if path is not None and path.name == "__init__.py":
            self.found |= set(path.parent.rglob("*.py"))


def lazy_names(init: Path) -> Mapping[str, str]:
    """Read off a package's `lazy_loader.attach` which module each public name is from; a public module is its own."""
    return _read_lazy_names(init, init.stat().st_mtime_ns)


@cache
def _read_lazy_names(init: Path, _mtime_ns: int) -> Mapping[str, str]:
    for node in ast.walk(ast.parse(init.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "attach":
            said = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
            names = {name: module for module, names in said.get("submod_attrs", {}).items() for name in names}
            return {**{module: module for module in said.get("submodules", [])}, **names}
    return {}
