"""Where the course lies on this machine."""

import os
from pathlib import Path

from medcourse.errors import CourseError


def course_root() -> Path:
    """Return the folder that holds `course/` and `assignments/`.

    It is `MEDCOURSE_ROOT` if that is set, else the nearest folder above the working folder that has both, else the
    checkout that this package was installed from.

    Raises
    ------
    CourseError
        None of these has a course in it.
    """
    candidates = [Path(os.environ["MEDCOURSE_ROOT"])] if "MEDCOURSE_ROOT" in os.environ else []
    if not candidates:
        here = Path.cwd()
        candidates = [here, *here.parents, Path(__file__).resolve().parents[1]]
    for folder in candidates:
        if (folder / "course").is_dir() and (folder / "assignments").is_dir():
            return folder.resolve()
    raise CourseError(
        f"expected a folder with course/ and assignments/, found none at or above {Path.cwd()}: "
        "run this in a checkout of the course or set MEDCOURSE_ROOT"
    )


def cache_folder(root: Path) -> Path:
    """Return the folder for what can be made again from a course: `MEDCOURSE_CACHE` if set, else `build` in it."""
    return Path(os.environ.get("MEDCOURSE_CACHE") or root / "build").absolute()
