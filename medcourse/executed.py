"""Lessons with their outputs, run once and kept until what they are made of changes.

The tests run every lesson and the site shows every lesson: whoever comes first runs it, the other reads it. An
execution is known by the lesson's code, by the modules of this package that the code depends on with their data files,
and by the versions of Python and of the libraries. Text between the cells is not run, so a better sentence costs no
execution.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import sys
import tempfile
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcourse import sources
from medcourse.execute import Execution, execute
from medcourse.paths import cache_folder

_RUNNER = Path(__file__).resolve().with_name("execute.py")
"""What runs a lesson is part of how it comes out."""
SETTINGS = {"MEDCOURSE_TWINS": "full"}
"""Set for the kernel: demos leave all that a page without a kernel needs."""


@dataclass(frozen=True)
class Executed:
    """An execution, and whether it was read from the cache.

    Attributes
    ----------
    execution : Execution
        The lesson's notebook with outputs; seconds and peak memory are those of the run, whenever that was.
    files : tuple of str
        What the lesson left in its working folder.
    unforeseen : tuple of str
        Modules of this package that the kernel had loaded and that are no part of what the execution is known by: a
        change of theirs would go unnoticed.
    is_cached : bool
    """

    execution: Execution
    files: tuple[str, ...]
    unforeseen: tuple[str, ...]
    is_cached: bool


def executed(path: Path, *, cache: Path | None = None, package: Path = sources.PACKAGE) -> Executed:
    """Return a lesson with its outputs, and run it only where nobody has before.

    Parameters
    ----------
    path : Path
        A py:percent file, such as `course/10_unet.py`.
    cache : Path, optional
        Where executions are kept; `executed` in the course's cache folder if not given. Processes that want the same
        lesson at the same time wait for the one that runs it.
    package : Path
        The folder of `medcourse` that the lesson depends on.

    Returns
    -------
    Executed

    Raises
    ------
    CourseError
        A cell failed. Nothing is kept then.
    """
    from filelock import FileLock  # noqa: PLC0415

    from medcourse.grading.notebooks import lesson_notebook  # noqa: PLC0415

    folder = cache or cache_folder(path.resolve().parents[1]) / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    notebook = lesson_notebook(path)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    foreseen = sources.files_used(_plain(code), package=package)
    entry = folder / f"{path.stem}-{_key(code, foreseen)}.json"
    with FileLock(folder / f"{path.stem}.lock"):
        is_cached = entry.is_file()
        if not is_cached:
            with tempfile.TemporaryDirectory() as working:
                done = execute(deepcopy(notebook), folder=Path(working), settings=SETTINGS)
                files = tuple(sorted(each.name for each in Path(working).iterdir()))
            unforeseen = tuple(sorted(set(done.modules) - set(map(str, foreseen))))
            _keep(entry, done, files, unforeseen)
    # Read back in either case: a run and a reading give the same.
    return _read(entry, notebook, is_cached=is_cached)


def latest(path: Path, *, cache: Path | None = None) -> Any:
    """Return a lesson's notebook with the outputs of its latest run, if it has as many cells of code as then.

    Nothing is run: for a draft, that may be stale. A lesson that never ran has no outputs.
    """
    from medcourse.grading.notebooks import lesson_notebook  # noqa: PLC0415

    folder = cache or cache_folder(path.resolve().parents[1]) / "executed"
    for entry in folder.glob(f"{path.stem}-*.json"):
        with contextlib.suppress(ValueError):  # another number of cells
            return _read(entry, lesson_notebook(path), is_cached=True).execution.notebook
    return lesson_notebook(path)


def _key(code: list[str], foreseen: list[Path]) -> str:
    digest = hashlib.sha256()
    for part in [*_versions(), *(f"{name}={value}" for name, value in SETTINGS.items()), *code]:
        digest.update(f"{len(part)}:{part}".encode())
    for path in [_RUNNER, *foreseen]:
        content = path.read_bytes()
        digest.update(f"{path.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:20]


def program_of(path: Path) -> str:
    """Return the code of a lesson or a notebook as one program, without magics."""
    from medcourse.grading.notebooks import lesson_notebook, read_notebook  # noqa: PLC0415

    notebook = read_notebook(path) if path.suffix == ".ipynb" else lesson_notebook(path)
    return _plain([cell.source for cell in notebook.cells if cell.cell_type == "code"])


def _plain(code: list[str]) -> str:
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415

    transform = TransformerManager().transform_cell  # type: ignore[no-untyped-call]
    return "\n".join(transform(source) for source in code)


def _versions() -> list[str]:
    """Return the versions of Python and of all libraries that the course needs, none of its extras."""
    wanted = [text for text in importlib.metadata.requires("medcourse") or [] if "extra ==" not in text]
    names = sorted(re.split(r"[^\w.-]", text)[0] for text in wanted)
    return [sys.version, *(f"{name}=={importlib.metadata.version(name)}" for name in names)]


def _keep(entry: Path, done: Execution, files: tuple[str, ...], unforeseen: tuple[str, ...]) -> None:
    """Write all of an entry or nothing of it; a lesson has one, that of its latest run."""
    outputs = [cell.outputs for cell in done.notebook.cells if cell.cell_type == "code"]
    record = {"seconds": done.seconds, "peak_gb": done.peak_gb, "files": files, "unforeseen": unforeseen}
    part = entry.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({**record, "outputs": outputs}))
    for old in entry.parent.glob(f"{entry.stem.rpartition('-')[0]}-*.json"):
        old.unlink()
    part.replace(entry)


def _read(entry: Path, notebook: Any, *, is_cached: bool) -> Executed:
    from nbformat import from_dict  # noqa: PLC0415

    record = json.loads(entry.read_text())
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, (cell, outputs) in enumerate(zip(code, record["outputs"], strict=True), start=1):
        cell.outputs, cell.execution_count = from_dict(outputs), number  # type: ignore[no-untyped-call]
    done = Execution(notebook, record["seconds"], record["peak_gb"])
    return Executed(done, tuple(record["files"]), tuple(record["unforeseen"]), is_cached=is_cached)
