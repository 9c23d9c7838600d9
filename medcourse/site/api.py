"""Pages of the public names, from what packages say of themselves; nothing is imported to write them."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medcourse.sources import PACKAGE, lazy_names, modules_named


@dataclass(frozen=True)
class Page:
    """A page of the reference: its module below `medcourse`, one line on it, and reStructuredText."""

    name: str
    summary: str
    text: str


def api_pages(programs: Iterable[str], package: Path = PACKAGE) -> list[Page]:
    """Write a page for each subpackage with public names, and for each module beside them that is used.

    Parameters
    ----------
    programs : iterable of str
        Lessons and labs as Python: what they name is what readers look up.
    package : Path
        The folder of `medcourse`.
    """
    used = {path for program in programs for path in modules_named(program, package=package)}
    pages = [_package_page(path.parent) for path in sorted(package.glob("*/__init__.py")) if lazy_names(path)]
    pages += [_module_page(path) for path in package.glob("[!_]*.py") if path in used]
    return sorted((page for page in pages if page.text), key=lambda page: page.name)


def _package_page(folder: Path) -> Page:
    """Write a package's page, its modules one after another: each public name as users say it."""
    package = f"medcourse.{folder.name}"
    owners = lazy_names(folder / "__init__.py")
    parts = [_title(package), _intro(folder / "__init__.py")]
    for path in sorted(folder.glob("[!_]*.py")):
        offered = {name for name, owner in owners.items() if owner == path.stem}
        is_public = path.stem in offered
        entries = [
            _entry(f"{package}.{name}" if kind != "data" and name in offered else f"{package}.{path.stem}.{name}", kind)
            for name, kind in _kinds(path).items()
            if name in offered or (is_public and kind != "data" and name[0] != "_")
        ]
        if entries:
            parts += [_title(_first_line(path).rstrip("."), "-"), *entries]
    return Page(folder.name, _first_line(folder / "__init__.py"), "\n\n".join(parts) + "\n")


def _module_page(path: Path) -> Page:
    module = f"medcourse.{path.stem}"
    kinds = {name: kind for name, kind in _kinds(path).items() if name[0] != "_" and kind != "data"}
    parts = [_title(module), _intro(path), *(_entry(f"{module}.{name}", kind) for name, kind in kinds.items())]
    return Page(path.stem, _first_line(path), "\n\n".join(parts) + "\n" if kinds else "")


def _entry(name: str, kind: str) -> str:
    options = {"class": "\n   :members:", "data": "\n   :no-value:"}
    return f".. auto{kind}:: {name}{options.get(kind, '')}"


def _kinds(path: Path) -> dict[str, str]:
    """Return what a module defines, by name: functions, classes, data."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = "function"
        elif isinstance(node, ast.ClassDef):
            found[node.name] = "exception" if node.name.endswith("Error") else "class"
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: "data" for target in targets if isinstance(target, ast.Name)}
    return found


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}"


def _intro(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def _first_line(path: Path) -> str:
    return _intro(path).partition("\n")[0]
