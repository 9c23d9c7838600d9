"""Ways from a page to a running notebook: this machine, the class's JupyterHub, Colab, Binder."""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from medcourse.errors import CourseError

SETTINGS = Path("course", "ways.toml")
"""Says which of them there are."""
COLAB = "colab"
"""Folder of the published tree with notebooks whose first cell installs the course."""

_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")


@dataclass(frozen=True)
class Ways:
    """Where notebooks can be run; what is empty is not offered.

    Attributes
    ----------
    repository, branch
        The published tree as a git repository.
    hub
        The class's JupyterHub.
    nbgitpuller
        Whether it fetches the repository; else it has laid the lessons.
    colab, binder
        Of those who run them.
    torch_index
        Index of PyTorch's builds for CPUs.
    """

    repository: str = ""
    branch: str = "main"
    hub: str = ""
    nbgitpuller: bool = False
    colab: str = ""
    binder: str = ""
    torch_index: str = ""

    @property
    def on_github(self) -> str:
        """OWNER/NAME of the repository, empty where it is elsewhere."""
        found = _GITHUB.fullmatch(self.repository)
        return found[1] if found else ""

    def one_line(self) -> str:
        """Return the line for a terminal that gets the course and opens it."""
        if not self.repository:
            return "make lab"
        return f"git clone --depth 1 --branch {self.branch} {self.repository} medcourse && make -C medcourse lab"

    def links(self, kind: str, slug: str) -> list[tuple[str, str]]:
        """Return name and address of each place that opens a notebook.

        Parameters
        ----------
        kind
            `lessons` or `labs`.
        slug
            The unit's.
        """
        found = []
        in_tree = f"lessons/{slug}.ipynb" if kind == "lessons" else f"assignments/{slug}/{slug}.ipynb"
        if self.hub and self.nbgitpuller:
            folder = self.repository.rstrip("/").removesuffix(".git").rpartition("/")[2]
            asked = {"repo": self.repository, "branch": self.branch, "urlpath": f"lab/tree/{folder}/{in_tree}"}
            found.append(("JupyterHub", f"{self.hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(asked)}"))
        elif self.hub:
            # A hub of `medcourse hub`: lessons are there, labs come by nbgrader's list of assignments.
            place = f"lab/tree/lessons/{slug}.ipynb" if kind == "lessons" else "lab"
            found.append(("JupyterHub", f"{self.hub.rstrip('/')}/hub/user-redirect/{place}"))
        at = f"{self.on_github}/blob/{quote(self.branch)}"
        if self.colab:
            found.append(("Colab", f"{self.colab.rstrip('/')}/github/{at}/{COLAB}/{kind}/{slug}.ipynb"))
        if self.binder:
            asked = {"urlpath": f"lab/tree/{in_tree}"}
            address = f"{self.binder.rstrip('/')}/v2/gh/{self.on_github}/{quote(self.branch, safe='')}"
            found.append(("Binder", f"{address}?{urlencode(asked)}"))
        return found

    def first_cell(self) -> str:
        """Return the cell that installs the course where it is not, as on Colab."""
        return (
            "# Where the course is not installed, as on Colab: fetch it, and install what it was tested with.\n"
            "# This takes minutes. If you are asked to restart the session then, do, and go on from here.\n"
            "import importlib.util\n\n"
            'if importlib.util.find_spec("medcourse") is None:\n'
            f"    !git clone --quiet --depth 1 --branch {self.branch} {self.repository} medcourse-course\n"
            "    %pip install --quiet --constraint medcourse-course/constraints.txt ./medcourse-course\n"
        )

    def binder_files(self) -> dict[str, str]:
        """Return what Binder makes its image from, by name in the published tree."""
        index = f"--extra-index-url {self.torch_index}\n" if self.torch_index else ""
        return {
            # Paths of constraints are relative to this file, those of packages to the folder that pip runs in.
            "binder/requirements.txt": f"{index}-c ../constraints.txt\n-e .\n",
            "binder/runtime.txt": "python-3.11\n",
        }


def read_ways(root: Path) -> Ways:
    """Read the settings of a course; without the file, nothing is offered but this machine.

    Raises
    ------
    CourseError
        The file cannot be read, holds what is no setting, or asks for what cannot work.
    """
    path = root / SETTINGS
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise CourseError(f"expected settings in {path}, got a file that cannot be read: {error}") from None
    known = {field.name: type(field.default) for field in fields(Ways)}
    for name, value in found.items():
        if name not in known or type(value) is not known[name]:
            expected = ", ".join(f"{each} ({kind.__name__})" for each, kind in known.items())
            raise CourseError(f"{SETTINGS}: expected {expected}, got {name} = {value!r}")
    return _sound(Ways(**found))


def _sound(ways: Ways) -> Ways:
    for name in ("repository", "hub", "colab", "binder", "torch_index"):
        value: Any = getattr(ways, name)
        if value and not _ADDRESS.fullmatch(value):
            raise CourseError(f"{SETTINGS}: expected {name} as an address https://..., got {value!r}")
    if not re.fullmatch(r"[\w./-]+", ways.branch):
        raise CourseError(f"{SETTINGS}: expected the name of a branch, got {ways.branch!r}")
    for name in ("colab", "binder"):
        if getattr(ways, name) and not ways.on_github:
            raise CourseError(
                f"{SETTINGS}: expected repository = https://github.com/OWNER/NAME, for {name} takes it from there, "
                f"got {ways.repository!r}"
            )
    if ways.nbgitpuller and not (ways.hub and ways.repository):
        raise CourseError(f"{SETTINGS}: expected hub and repository beside nbgitpuller, got one that is empty")
    return ways
