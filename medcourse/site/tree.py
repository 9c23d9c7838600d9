"""What Sphinx reads: hand-written pages, lessons with outputs, labs, tables, the reference and the first page."""

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from medcourse.executed import executed, latest, program_of
from medcourse.grading.notebooks import lesson_notebook, read_notebook, to_text
from medcourse.grading.records import EFFECTS
from medcourse.grading.release import release_path
from medcourse.paths import cache_folder
from medcourse.site.api import api_pages
from medcourse.site.assets import mathjax
from medcourse.site.figures import Shelf, Stored
from medcourse.site.front import counts, front_page, labs_page
from medcourse.site.guide import guide_pages
from medcourse.site.notebooks import lab_page, lesson_page
from medcourse.site.tables import table_pages
from medcourse.site.units import Notes, notes_of, read_costs, units_there
from medcourse.site.ways_out import add_ways, downloads
from medcourse.units import Unit
from medcourse.ways import read_ways

HAND_WRITTEN = Path("course", "site")
_PICTURES = Path("course", "site", "pictures.py")


def source_files(
    root: Path, *, is_draft: bool = False, progress: Callable[[Iterable[Unit]], Iterable[Unit]] = iter
) -> dict[str, bytes]:
    """Make all files that the site is built from.

    Parameters
    ----------
    root : Path
        Folder of the course.
    is_draft : bool
        Show lessons as they came out last, and run nothing.
    progress : callable
        Goes around the units as their lessons are run.

    Returns
    -------
    dict of str to bytes
        By name, with `/`. The same course makes the same bytes.

    Raises
    ------
    CourseError
        A lesson fails, or a record that pages quote is not there.
    """
    cache = cache_folder(root)
    files = _hand_written(root)
    shelf = Shelf(files, cache / "figures")

    def run(path: Path) -> Any:
        if is_draft:
            return latest(path, cache=cache / "executed")
        return executed(path, cache=cache / "executed").execution.notebook

    costs, units, ways = read_costs(root), units_there(root), read_ways(root)
    lessons, labs = [], []
    for unit in progress(units):
        notebook, lab = run(root / "course" / f"{unit.slug}.py"), read_notebook(release_path(root, unit.slug))
        lessons.append(notes_of(notebook, unit, key=f"course/{unit.slug}", costs=costs))
        labs.append(notes_of(lab, unit, key=f"solutions/{unit.slug}", costs=costs))
        files |= downloads(lesson_notebook(root / "course" / f"{unit.slug}.py"), "lessons", unit.slug)
        files |= downloads(lab, "labs", unit.slug)
        pages = {
            "lessons": lesson_page(notebook, lessons[-1], labs[-1], shelf),
            "labs": lab_page(lab, labs[-1], shelf),
        }
        for kind, page in pages.items():
            add_ways(page, ways, kind, unit.slug)
            files[f"{kind}/{unit.slug}.ipynb"] = to_text(page).encode()
    front = front_page(lessons, labs, _pictures(root, run, shelf), counts(_effects(root)))
    files["index.md"] = f"{front}\n\n{_contents(lessons)}\n".encode()
    files["labs/index.md"] = f"{labs_page(labs)}\n\n{_toctree([each.unit.slug for each in labs])}\n".encode()
    files |= {name: text.encode() for name, text in {**table_pages(root), **guide_pages(root)}.items()}
    files |= _reference(root)
    files |= {f"_static/mathjax/{name}": content for name, content in _read_all(mathjax(cache)).items()}
    return files


def _hand_written(root: Path) -> dict[str, bytes]:
    files = _read_all(root / HAND_WRITTEN)
    return {name: content for name, content in files.items() if name != _PICTURES.name}


def _read_all(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _effects(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((root / EFFECTS).read_text())["rows"]
    return rows


def _pictures(root: Path, run: Callable[[Path], Any], shelf: Shelf) -> list[tuple[Stored, str, Unit]]:
    """Make the first page's pictures: the outputs of a notebook whose cells name the units that they lead to."""
    from base64 import b64decode  # noqa: PLC0415

    units = {unit.slug: unit for unit in units_there(root)}
    found = []
    for cell in run(root / _PICTURES).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}) and cell.metadata.get("unit") in units:
                alt = output.metadata["image/png"]["alt"]
                stored = shelf.store(b64decode(output.data["image/png"]))
                found.append((stored, alt, units[cell.metadata["unit"]]))
    return found


def _contents(lessons: list[Notes]) -> str:
    """Write the tree of pages: what stands in the sidebar, and which page comes before and after which."""
    parts = [
        (part, [f"{each.unit.number}. {each.title} <lessons/{each.unit.slug}>" for each in notes])
        for part, notes in groupby(lessons, key=lambda each: each.unit.part)
    ]
    parts += [
        ("Do it yourself", ["labs/index"]),
        ("Results", ["reproduction", "costs"]),
        ("Study, teach, contribute", ["guide/study", "guide/index", "api/index"]),
    ]
    return "\n\n".join(_toctree(entries, caption) for caption, entries in parts)


def _toctree(entries: list[str], caption: str = "", options: str = ":hidden:\n") -> str:
    named = f":caption: {caption}\n" if caption else ""
    return "```{toctree}\n" + options + named + "\n" + "\n".join(entries) + "\n```"


def _reference(root: Path) -> dict[str, bytes]:
    texts = [*sorted(root.glob("course/[0-9]*.py")), *sorted(root.glob("assignments/*/*.ipynb"))]
    pages = api_pages(map(program_of, texts))
    listed = "\n".join(f"- {{doc}}`medcourse.{page.name} <{page.name}>`: {page.summary}" for page in pages)
    index = f"# The package\n\nWhat lessons and labs share, `import medcourse`.\n\n{listed}\n\n"
    index += _toctree([page.name for page in pages])
    return {"api/index.md": index.encode()} | {f"api/{page.name}.rst": page.text.encode() for page in pages}
