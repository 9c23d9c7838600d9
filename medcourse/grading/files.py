"""Files of a person that are written whole or not at all."""

import os
from pathlib import Path

from medcourse.errors import CourseError


def write_whole(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Put a file in place all at once, so that a full disk or a kill leaves what stood there.

    Parameters
    ----------
    path
        Where; its folder must be there.
    content
        Bytes, or text that is written as UTF-8 with its own line ends.
    mode
        Who may read and write it.

    Raises
    ------
    CourseError
        It cannot be written.
    """
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise CourseError(f"cannot write {path}: {error.strerror}") from None
