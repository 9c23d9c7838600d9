"""What the environment of a person's own server and of the course's server says."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from medcourse.hub.guard import Reader, can_read
from medcourse.hub.layout import Layout

# By environment, so that no command line shows it to whoever lists processes.
GRADEBOOK, DATABASE = "MEDCOURSE_GRADEBOOK", "MEDCOURSE_DATABASE"
_JUPYTER = Path(__file__).with_name("jupyter")


def person_environment(layout: Layout) -> dict[str, str]:
    """Return what everybody's own server is told: nothing that is secret."""
    return {
        "PATH": _path(),
        "MEDCOURSE_ROOT": str(layout.public),
        "MEDCOURSE_EXCHANGE": str(layout.exchange),
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(layout.settings), str(_JUPYTER / "person")]),
    }


def course_environment(layout: Layout, given: Mapping[str, str]) -> dict[str, str]:
    """Return what the course's server is told, with the gradebook's address if `given`, an environment, has one."""
    told = {
        "PATH": _path(),
        "MEDCOURSE_ROOT": str(layout.course),
        "MEDCOURSE_EXCHANGE": str(layout.exchange),
        "JUPYTER_CONFIG_PATH": str(_JUPYTER / "course"),
        "JUPYTERHUB_ROOT_DIR": str(layout.course),
        "JUPYTERHUB_DEFAULT_URL": "/lab",
    }
    return told | {name: given[name] for name in (GRADEBOOK,) if given.get(name)}


def command_path() -> str:
    """Return where this process looks for commands, but beside this Python first, as nbgrader does for alembic."""
    here = str(Path(sys.executable).parent)
    places = [each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if each and each != here]
    return os.pathsep.join([here, *places])


def _path() -> str:
    """Return where everybody looks for commands: of this process's places those that everybody may enter."""
    anybody = Reader("anybody")
    first, *places = command_path().split(os.pathsep)
    return os.pathsep.join([first, *(each for each in places if can_read(Path(each), anybody))])
