"""The tree that students and the public get: the course without solutions, hidden tests and whatever else is secret.

What goes in is listed, so that a file nobody thought of stays out. All of it is looked through for secrets before it
is moved into place, and what stands there is replaced only if it is as this module left it.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading.leaks import find_leaks_of_course
from medcourse.grading.notebooks import lesson_notebook, node, parse_notebook, to_text
from medcourse.grading.release import known_labs
from medcourse.ways import COLAB, read_ways

RECORD = ".medcourse-published.json"
"""In the published folder: the sha256 of each file that was put there."""

LESSONS = "lessons"
"""Folder of the lessons as notebooks; as text they lie in `course/`, as in the course's own folder."""

TOP = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "LICENSE-TEXT",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "environment.yml",
)
CODE = frozenset(
    {".py", ".csv", ".json", ".typed", ".j2", ".tpl", ".css", ".js", ".html", ".md", ".toml", ".yml", ".txt"}
)
PICTURES = frozenset({".svg", ".png", ".jpg", ".webp", ".ico"})
FOLDERS = {
    "assignments": frozenset({".ipynb"}),
    "course": CODE | PICTURES,
    "medcourse": CODE | PICTURES | {".npz", ".safetensors"},
    "bench/results": frozenset({".json"}),
}
"""What is taken from which folder of the course, by the ends of its names."""

KEPT = (".git",)
"""What may lie in the published folder besides: it stays when the rest is replaced."""
_UNREAD = PICTURES - {".svg"} | {".npz", ".safetensors"}
_SHOWN = 3


@dataclass(frozen=True)
class Published:
    """What publishing did.

    Attributes
    ----------
    folder
        Where the tree lies.
    files
        Everything in it, relative to it, with `/`.
    changed
        What is new, different or gone since the tree that stood there.
    """

    folder: Path
    files: tuple[str, ...]
    changed: tuple[str, ...]

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.folder}: {len(self.files)} files, {len(self.changed)} changed"


def publish(root: Path, folder: Path) -> Published:
    """Write the tree that students and the public get, all of it or nothing.

    Parameters
    ----------
    root
        An instructor's folder of the course, with `solutions/`, against which the tree is checked.
    folder
        Where to; new, empty, or as this function left it. A `.git` in it stays. Everybody may read what is written.

    Raises
    ------
    CourseError
        `root` is no instructor's folder, what is to be published holds a secret or a link, or `folder` holds what was
        not published there. Then nothing was changed.
    """
    root, folder = root.resolve(), folder.absolute()
    if not list((root / "solutions").glob("*.py")):
        raise CourseError(f"expected solutions/ in {root}, against which to check what is published, found none")
    _refuse_place(root, folder.resolve())
    try:
        before = _mend(folder)
        tree = _tree(root)
        _refuse_secrets(root, tree)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(tree.items())}
        if digests != before:
            _put(folder, tree, digests)
    except OSError as error:
        raise CourseError(f"cannot publish to {folder}: {error.strerror} at {error.filename}") from error
    changed = {name for name in {*digests, *before} if digests.get(name) != before.get(name)}
    return Published(folder, tuple(digests), tuple(sorted(changed)))


def _refuse_place(root: Path, folder: Path) -> None:
    """Raise if the published tree would hold the course, or become a part of it."""
    taken = [root / name for name in (*FOLDERS, "solutions", "tests", "bench", "build/source", ".git")]
    if root.is_relative_to(folder) or any(folder.is_relative_to(part) for part in taken):
        raise CourseError(f"expected a folder apart from the course's own, got {folder}: choose another")


def _tree(root: Path) -> dict[str, bytes]:
    """Return every file of the published tree by its name in it."""
    wanted = [root / name for name in TOP]
    for part, ends in FOLDERS.items():
        found = (path for path in sorted((root / part).rglob("*")) if path.suffix in ends or path.is_symlink())
        wanted += [path for path in found if not any(each.startswith((".", "__")) for each in _places(path, root))]
    tree = {}
    for path in wanted:
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            raise CourseError(f"expected a file to publish, got a link at {path}: what it names may be secret")
        if path.is_file():
            tree[name] = path.read_bytes()
    for path in sorted((root / "course").glob("[0-9][0-9]_*.py")):
        tree[f"{LESSONS}/{path.stem}.ipynb"] = to_text(lesson_notebook(path)).encode()
    tree |= _elsewhere(root, tree)
    released = {name.split("/")[1] for name in tree if name.startswith("assignments/")}
    if missing := set(known_labs(root)) - released:
        raise CourseError(f"expected every lab in assignments/, got none of {', '.join(sorted(missing))}: build them")
    return tree


def _elsewhere(root: Path, tree: dict[str, bytes]) -> dict[str, bytes]:
    """Return what other places need to run the notebooks of a tree: Binder its recipe, Colab a first cell."""
    ways = read_ways(root)
    found = {name: text.encode() for name, text in ways.binder_files().items()}
    if ways.colab:
        install = node(
            cell_type="code", id="install", metadata={}, source=ways.first_cell(), outputs=[], execution_count=None
        )
        for name, content in tree.items():
            if name.startswith((f"{LESSONS}/", "assignments/")) and name.endswith(".ipynb"):
                notebook = parse_notebook(content)
                notebook.cells.insert(0, install)
                kind = "lessons" if name.startswith(LESSONS) else "labs"
                found[f"{COLAB}/{kind}/{Path(name).name}"] = to_text(notebook).encode()
    return found


def _places(path: Path, root: Path) -> tuple[str, ...]:
    """Return the folders of a file, and its own name where that starts with a dot."""
    parts = path.relative_to(root).parts
    return parts if parts[-1].startswith(".") else parts[:-1]


def _refuse_secrets(root: Path, tree: dict[str, bytes]) -> None:
    texts = {
        name: content.decode("utf-8", errors="replace")
        for name, content in tree.items()
        if Path(name).suffix not in _UNREAD and not name.startswith("medcourse/")
    }
    if leaks := find_leaks_of_course(root, texts):
        shown = "; ".join(map(str, leaks[:_SHOWN]))
        raise CourseError(f"expected no secrets in what is published, got {len(leaks)}: {shown}; nothing was published")


def _mend(folder: Path) -> dict[str, str]:
    """Finish or undo what a run that was cut off left, and return the record of what stands in the folder.

    Raises
    ------
    CourseError
        Something stands there that was not published.
    """
    aside = _aside(folder)
    if (aside / RECORD).is_file():
        _drop(folder, aside)
    if not folder.exists():
        return {}
    if not folder.is_dir():
        raise CourseError(f"expected a folder to publish to, got the file {folder}")
    there = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if not path.is_dir() and path.relative_to(folder).parts[0] not in KEPT and "__pycache__" not in path.parts
    }
    record = _read_record(there.pop(RECORD, None))
    own = [name for name, path in sorted(there.items()) if record.get(name) != _digest(path)]
    if own:
        what = f"{', '.join(own[:_SHOWN])}{' ...' if len(own) > _SHOWN else ''}"
        raise CourseError(
            f"expected {folder} empty or as `medcourse publish` left it, got changes of yours: {what}: move them away"
        )
    return {name: digest for name, digest in record.items() if name in there}


def _read_record(path: Path | None) -> dict[str, str]:
    """Return what was published; nothing where there is no record or one that broke, so that all counts as changed."""
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _digest(path: Path) -> str:
    return "a link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()


def _put(folder: Path, tree: dict[str, bytes], digests: dict[str, str]) -> None:
    """Write the tree beside the folder and let the two change places."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        fresh = Path(scratch) / folder.name
        for name, content in tree.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_bytes(content)
        (fresh / RECORD).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
        for path in [fresh, *fresh.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        if not folder.exists():
            fresh.rename(folder)
            return
        aside = folder.rename(_aside(folder))
        try:
            fresh.rename(folder)
        finally:
            _drop(folder, aside)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.before")


def _drop(folder: Path, aside: Path) -> None:
    """Let what was put aside go, but for what is to stay; without a successor it comes back."""
    if not folder.exists():
        aside.rename(folder)
        return
    for name in KEPT:
        if (aside / name).exists() and not (folder / name).exists():
            (aside / name).rename(folder / name)
    shutil.rmtree(aside)
