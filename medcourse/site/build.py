"""Build the site: write what Sphinx reads, let it build beside what stands there, and swap both when all went well."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.paths import cache_folder
from medcourse.site.tree import source_files
from medcourse.sources import PACKAGE
from medcourse.units import Unit

STAMP = ".medcourse-site.json"
_MADE_WITH = (
    "sphinx",
    "myst-nb",
    "myst-parser",
    "sphinx-book-theme",
    "pydata-sphinx-theme",
    "sphinx-design",
    "docutils",
)
_INSTALL = 'pip install -c constraints.txt -e ".[site]"'


@dataclass(frozen=True)
class Site:
    """A site that was built, or that stood there as it would have been built again."""

    folder: Path
    pages: int
    is_new: bool

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.folder / 'index.html'}: {self.pages} pages, {'built' if self.is_new else 'as they were'}"


def default_out(root: Path) -> Path:
    """Return where the site goes unless somebody says otherwise."""
    return cache_folder(root) / "site"


def build_site(
    root: Path,
    out: Path | None = None,
    *,
    is_draft: bool = False,
    progress: Callable[[Iterable[Unit]], Iterable[Unit]] = iter,
) -> Site:
    """Build the course's site, or nothing where it would come out the same.

    Parameters
    ----------
    root : Path
        Folder of the course.
    out : Path, optional
        Where to; new, empty, or a site that stood there before. `site` in the cache folder if not given.
    is_draft : bool
        Show lessons as they came out last, and run nothing.
    progress : callable
        Goes around the units as their lessons are run.

    Raises
    ------
    CourseError
        A lesson fails, Sphinx is not there or warns, or `out` holds something else. Nothing in `out` was changed then.
    """
    from filelock import FileLock  # noqa: PLC0415

    out = (out or default_out(root)).absolute()
    _check_place(out)
    work = cache_folder(root) / "site-pages"
    work.mkdir(parents=True, exist_ok=True)
    files = source_files(root, is_draft=is_draft, progress=progress)
    with FileLock(work / "lock"):
        digest = _digest(files)
        if (stood := _stamp(out)).get("digest") == digest:
            return Site(out, int(stood["pages"]), is_new=False)
        _write(work / "source", files)
        shutil.rmtree(work / "html", ignore_errors=True)
        _run_sphinx(work)
        for leftover in (work / "html" / "_static").glob("*webpack-macros.html"):
            leftover.unlink()  # templates of the themes, no pages
        pages = len(list((work / "html").rglob("*.html")))
        (work / "html" / STAMP).write_text(json.dumps({"digest": digest, "pages": pages}) + "\n")
        _put(work / "html", out)
    return Site(out, pages, is_new=True)


def is_due(root: Path, out: Path | None = None) -> bool:
    """Say whether building the site would change it. Lessons that changed are run for that."""
    digest = _digest(source_files(root))
    return _stamp((out or default_out(root)).absolute()).get("digest") != digest


def _check_place(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not _stamp(out):
        raise CourseError(f"expected an empty folder or a site at {out}, got something else: name another one by --out")
    if out.exists() and not out.is_dir():
        raise CourseError(f"expected a folder at {out}, got a file: name another one by --out")


def _stamp(out: Path) -> dict[str, Any]:
    try:
        found = json.loads((out / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(files: dict[str, bytes]) -> str:
    """Return what a site is known by: its source, docstrings and signatures of the package, what it is made with."""
    digest = hashlib.sha256()
    try:
        versions = [f"{name}=={importlib.metadata.version(name)}" for name in _MADE_WITH]
    except importlib.metadata.PackageNotFoundError as error:
        raise CourseError(f"expected {error.name} to build the site, found none: run `{_INSTALL}`") from None
    digest.update("\n".join(versions).encode())
    code = {path.relative_to(PACKAGE).as_posix(): path.read_bytes() for path in sorted(PACKAGE.rglob("*.py"))}
    for name, content in [*sorted(files.items()), *code.items()]:
        digest.update(f"{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold these files; those that are so already keep their time: Sphinx reads them no second time."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        place = folder / name
        if not (place.is_file() and place.read_bytes() == content):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def _run_sphinx(work: Path) -> None:
    """Write all pages, for each shows the names of others; read only those that changed."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "--write-all", "--fail-on-warning", "--quiet"]
    command += ["--doctree-dir", str(work / "doctrees"), str(work / "source"), str(work / "html")]
    run = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"}, check=False
    )
    if run.returncode:
        said = [line.replace(f"{work / 'source'}/", "") for line in run.stderr.splitlines() if line.strip()]
        # A page that warned is not read again by itself, and the next build would pass.
        shutil.rmtree(work / "doctrees", ignore_errors=True)
        raise CourseError("expected a site without warnings, got:\n" + "\n".join(said))


def _put(new: Path, out: Path) -> None:
    """Put a site in the place of another, which may be on another disk: a reader finds one of them there, whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part, old = out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.old")
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.move(new, part)
    if out.exists():
        out.replace(old)
    part.replace(out)
    shutil.rmtree(old, ignore_errors=True)
