"""Build what students get, one way: solutions/<slug>.py -> build/source/<slug>/ -> assignments/<slug>/<slug>.ipynb.

Between the arrows stands nbgrader's source notebook. The second arrow is nbgrader's own GenerateAssignment, so that
`nbgrader generate_assignment` makes the same bytes.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from traitlets.config import Config

from medcourse.errors import CourseError
from medcourse.grading.anatomy import validate_lab
from medcourse.grading.notebooks import lab_notebook, to_text

SOURCE = Path("build", "source")
"""Where nbgrader finds the source notebooks: with solutions, so never committed and never published."""

RELEASE = Path("assignments")
"""Where the students' notebooks lie."""


def lab_path(root: Path, slug: str) -> Path:
    """Return the text of a lab with its solutions, which only an instructor's folder has."""
    return root / "solutions" / f"{slug}.py"


def release_path(root: Path, slug: str) -> Path:
    """Return the notebook that students get."""
    return root / RELEASE / slug / f"{slug}.ipynb"


def known_labs(root: Path) -> list[str]:
    """Return the slugs of all labs of a course folder, with or without solutions in it."""
    with_solutions = {path.stem for path in (root / "solutions").glob("*.py")}
    released = {path.stem for path in (root / RELEASE).glob("*/*.ipynb") if path.stem == path.parent.name}
    return sorted(with_solutions | released)


def check_slug(root: Path, slug: str) -> None:
    """Raise CourseError unless the course has such a lab; name those that it has."""
    labs = known_labs(root)
    if slug not in labs:
        raise CourseError(f"unknown lab {slug!r}, expected one of: {', '.join(labs) or '(this course has none)'}")


def build(root: Path, slugs: Sequence[str] | None = None) -> list[Path]:
    """Write the notebooks of labs.

    Parameters
    ----------
    root
        The course's folder, with `solutions/`.
    slugs
        Which labs; all of them unless given, and then notebooks of labs that are gone are removed.

    Returns
    -------
    list of Path
        What changed in `assignments/`, relative to `root`.

    Raises
    ------
    CourseError
        No such lab, no solutions here, or a lab that does not have the form of one.
    """
    changed = []
    for slug, (source, release) in _make(root, slugs).items():
        _write(root / SOURCE / slug / f"{slug}.ipynb", source)
        target = release_path(root, slug)
        if _text(target) != release:
            _write(target, release)
            changed.append(target.relative_to(root))
    if slugs is None:
        for path in _superfluous(root):
            if re.fullmatch(r"(.+)/\1\.ipynb", path.relative_to(root / RELEASE).as_posix()):
                path.unlink()
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()
                changed.append(path.relative_to(root))
    return changed


def check(root: Path) -> None:
    """Raise unless `assignments/` is exactly what `build` would write.

    Raises
    ------
    CourseError
        Lists what is stale, missing or superfluous.
    """
    states: dict[str, list[str]] = {"stale": [], "missing": [], "superfluous": []}
    for slug, (_, release) in _make(root, None).items():
        found = _text(release_path(root, slug))
        if found is None:
            states["missing"].append(str(release_path(root, slug).relative_to(root)))
        elif found != release:
            states["stale"].append(str(release_path(root, slug).relative_to(root)))
    states["superfluous"] = [str(path.relative_to(root)) for path in _superfluous(root)]
    wrong = [f"{state}: {', '.join(paths)}" for state, paths in states.items() if paths]
    if wrong:
        raise CourseError(
            f"expected assignments/ as built from solutions/, got {'; '.join(wrong)}: run `medcourse build`"
        )


def _make(root: Path, slugs: Iterable[str] | None) -> dict[str, tuple[str, str]]:
    """Return for each lab the text of nbgrader's source notebook and of the students' notebook."""
    available = sorted(path.stem for path in (root / "solutions").glob("*.py"))
    if not available:
        raise CourseError(
            f"expected solutions/<lab>.py in {root}, found none: only an instructor's folder is built from"
        )
    chosen = available if slugs is None else list(slugs)
    sources = {}
    for slug in chosen:
        if slug not in available:
            raise CourseError(f"unknown lab {slug!r}, expected one of: {', '.join(available)}")
        notebook = lab_notebook(lab_path(root, slug))
        validate_lab(notebook, f"solutions/{slug}.py")
        sources[slug] = to_text(notebook)
    releases = _generate(sources)
    return {slug: (sources[slug], releases[slug]) for slug in sources}


def _generate(sources: dict[str, str]) -> dict[str, str]:
    """Let nbgrader clear solutions, hidden tests and marking schemes, in this process and without a database."""
    from nbgrader.converters import GenerateAssignment  # noqa: PLC0415  (a second and a half, and only here)
    from nbgrader.converters.base import NbGraderException  # noqa: PLC0415
    from nbgrader.coursedir import CourseDirectory  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        for slug, text in sources.items():
            _write(Path(folder, "source", slug, f"{slug}.ipynb"), text)
        config = Config()
        config.SaveCells.enabled = False
        config.ClearMarkScheme.enforce_metadata = False  # ours stand in written questions: see nbgrader_config.py
        course = CourseDirectory(root=os.path.realpath(folder), assignment_id="*")
        try:
            GenerateAssignment(coursedir=course, config=config, no_database=True).start()
        except NbGraderException as error:
            raise CourseError(
                f"nbgrader could not make the students' notebooks of {', '.join(sources)}: {error}"
            ) from None
        return {slug: Path(folder, "release", slug, f"{slug}.ipynb").read_text(encoding="utf-8") for slug in sources}


def _superfluous(root: Path) -> list[Path]:
    """Return the files in `assignments/` that no lab of `solutions/` stands behind."""
    expected = {release_path(root, path.stem) for path in (root / "solutions").glob("*.py")}
    inside = (path for path in (root / RELEASE).rglob("*") if path.is_file())
    return sorted(
        p for p in inside if p not in expected and not any(part.startswith(".") for part in p.relative_to(root).parts)
    )


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(path: Path, text: str) -> None:
    """Write a file all at once, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.write_text(text, encoding="utf-8", newline="\n")
    half.replace(path)
