"""A person's own server: lays the lessons into the home, then is JupyterLab. JupyterHub starts it as that person."""

import os
from pathlib import Path

from medcourse.errors import CourseError

LOG = ".medcourse-server.log"
"""In the home: what the server said since it was last started."""


def main() -> None:
    """Run the server of whoever's process this is."""
    log_to(Path.home() / LOG)
    lay_lessons(Path.home())
    from jupyterhub.singleuser import main as serve  # noqa: PLC0415

    serve()


def log_to(path: Path) -> None:
    """Let this process write to a file of its own from here on, so that no other's log tells about it."""
    try:
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    except OSError:
        # A full disk must not keep a person out.
        log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def lay_lessons(home: Path) -> None:
    """Put the published lessons into a home, and leave alone whatever was changed there."""
    from medcourse.paths import course_root  # noqa: PLC0415
    from medcourse.publish import LESSONS  # noqa: PLC0415
    from medcourse.workspace import lay  # noqa: PLC0415

    try:
        published = sorted((course_root() / LESSONS).glob("*.ipynb"))
        print(lay(home, {f"{LESSONS}/{path.name}": path.read_bytes() for path in published}))
    except (CourseError, OSError) as error:
        print(f"lessons were not laid: {error}")


if __name__ == "__main__":
    main()
