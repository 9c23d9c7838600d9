"""The folder in which a student works: filled from the course, and never written over."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading.notebooks import lesson_notebook, to_text
from medcourse.grading.release import known_labs, release_path
from medcourse.paths import course_root

# Beside the notebooks: what each was when it was laid, so that a copy which nobody touched may follow the course.
RECORD = ".medcourse.json"


@dataclass
class Filled:
    """What filling a workspace did; paths are relative to it, with `/`."""

    folder: Path
    laid: list[str] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notebooks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say in a few lines what was done, and how to get the course's copy of what was kept."""
        lines = [f"{self.folder}: {len(self.notebooks)} notebooks, {len(self.laid)} new"]
        if self.refreshed:
            lines.append(f"brought up to date: {', '.join(self.refreshed)}")
        if self.kept:
            how = "to get the course's own copy beside it, rename yours and run this again"
            lines.append(f"kept as you changed it: {', '.join(self.kept)} ({how})")
        return "\n".join(lines)


def default_workspace() -> Path:
    """Return the folder that `MEDCOURSE_WORKSPACE` names, else `workspace` in the working folder."""
    return Path(os.environ.get("MEDCOURSE_WORKSPACE") or "workspace").absolute()


def fill(workspace: Path, root: Path | None = None) -> Filled:
    """Put every lesson and lab of the course into a folder, and leave alone whatever was changed there.

    A notebook that is missing is laid; one that nobody touched since it was laid follows the course; any other is
    kept, whatever the course holds by now. The workspace's own record of what was laid tells them apart, and where
    that is lost every notebook that differs is kept.

    Parameters
    ----------
    workspace : Path
        Folder to fill with `lessons/<slug>.ipynb` and `labs/<slug>.ipynb`; made if it is not there.
    root : Path, optional
        Folder of the course; `course_root()` if not given.

    Raises
    ------
    CourseError
        The course has no units, or the workspace cannot be written.
    """
    root = root or course_root()
    fresh = _notebooks(root)
    if not fresh:
        raise CourseError(f"expected lessons in {root / 'course'} or labs in {root / 'assignments'}, found none")
    return lay(workspace, fresh)


def lay(workspace: Path, fresh: Mapping[str, bytes]) -> Filled:
    """Put notebooks into a folder, and leave alone whatever was changed there: see `fill`.

    Parameters
    ----------
    workspace : Path
        Folder to fill; made if it is not there.
    fresh : mapping of str to bytes
        Notebooks by their name in it, with `/`.

    Raises
    ------
    CourseError
        The workspace cannot be written.
    """
    filled = Filled(workspace, notebooks=list(fresh))
    record = _read_record(workspace)
    try:
        for name, content in fresh.items():
            target = workspace / name
            found = _digest(target.read_bytes()) if target.exists() else None
            if found == _digest(content):
                record[name] = found
                continue
            if found is not None and found != record.get(name):
                filled.kept.append(name)
                continue
            (filled.laid if found is None else filled.refreshed).append(name)
            _write(target, content)
            record[name] = _digest(content)
        _write(workspace / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise CourseError(
            f"expected a workspace that can be written, got {error.strerror} at {error.filename or workspace}: "
            "choose another folder with `medcourse lab FOLDER` or MEDCOURSE_WORKSPACE"
        ) from error
    return filled


def _notebooks(root: Path) -> dict[str, bytes]:
    """Return every notebook of the course by the name it gets in a workspace."""
    lessons = sorted((root / "course").glob("[0-9][0-9]_*.py"))
    labs = [release_path(root, slug) for slug in known_labs(root)]
    for path in labs:
        if not path.is_file():
            raise CourseError(f"expected a lab at {path}, found none: run `medcourse build {path.stem}`")
    return {f"lessons/{path.stem}.ipynb": to_text(lesson_notebook(path)).encode() for path in lessons} | {
        f"labs/{path.stem}.ipynb": path.read_bytes() for path in labs
    }


def _digest(content: bytes) -> str:
    """Return a digest of what a person reads and writes in a notebook: its cells and their outputs.

    JupyterLab notes the kernel in a notebook's metadata and saves it as soon as it is opened; that is nobody's work.
    """
    try:
        cells = json.loads(content)["cells"]
        # A source is one string, or a list of lines.
        work = [(cell["cell_type"], "".join(cell["source"]), cell.get("outputs", [])) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Not a notebook, so not the course's: as it stands.
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()


def _read_record(workspace: Path) -> dict[str, str]:
    try:
        record = json.loads((workspace / RECORD).read_text())
    except (OSError, ValueError):
        # No record, or one that broke: nothing counts as untouched, so nothing is refreshed and nothing is lost.
        return {}
    return record if isinstance(record, dict) else {}


def _write(target: Path, content: bytes) -> None:
    """Write all of a file or nothing of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    part.write_bytes(content)
    part.replace(target)
