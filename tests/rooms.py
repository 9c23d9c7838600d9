"""A room of this machine: processes with accounts, homes and temporary files of their own, gone when it is closed.

In it /etc is a copy, so that accounts made there are no accounts of the machine; /home, /tmp and the like are empty; and
of closed folders (such as /root) and of the checkout only what is named can be seen. Needs root.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

EMPTY = {
    "/home": "0755",
    "/srv": "0755",
    "/tmp": "1777",
    "/var/tmp": "1777",
    "/dev/shm": "1777",
    "/var/mail": "0755",
    "/var/log": "0755",
}
STAGE = Path("/mnt")


class Room:
    """A running room.

    Parameters
    ----------
    keep
        What is to be seen although it lies in a closed folder, in one of `EMPTY` or in `hide`.
    hide
        Folders of which nothing else is to be seen.
    sized
        Folders that are to be file systems of their own, by how many MB they take.
    """

    def __init__(self, keep: Iterable[Path], hide: Iterable[Path] = (), sized: dict[Path, int] | None = None):
        kept = sorted({path.resolve() for path in keep})
        covers = _covers(kept, [path.resolve() for path in hide])
        plan = {
            "keep": [str(path) for path in kept if any(path.is_relative_to(cover) for cover in covers)],
            "covers": covers,
            "sized": {str(path): mb for path, mb in (sized or {}).items()},
        }
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, __file__]
        self._outer = subprocess.Popen([*command, json.dumps(plan)], stdout=subprocess.PIPE, text=True)
        said = self._outer.stdout.readline().strip()
        if said != "ready":
            self.close()
            raise RuntimeError(f"expected a room, got {said or 'nothing'}: does this machine let root unshare?")
        (self.pid,) = children(self._outer.pid)

    def enter(self, command: list[str]) -> list[str]:
        """Return the command that runs a command in the room."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--", *command]

    def see(self, path: Path) -> Path:
        """Return where a path of the room is found from outside."""
        return Path(f"/proc/{self.pid}/root{path}")

    def close(self):
        """End everything that runs in the room."""
        # `--kill-child` ends the room's first process with it, and that one all others.
        self._outer.kill()
        self._outer.wait()
        self._outer.stdout.close()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that are still there."""
    import psutil  # noqa: PLC0415

    with suppress(psutil.NoSuchProcess):
        return [each.pid for each in psutil.Process(pid).children()]
    return []


def _covers(kept: list[Path], hide: list[Path]) -> dict[str, str]:
    """Return which folders are to be empty but for what is kept, each with its permissions; none inside another."""
    found = dict(EMPTY)
    for path in kept:
        closed = next((each for each in reversed(path.parents) if not each.stat().st_mode & 1), None)
        if closed:
            found[str(closed)] = "0755"
    found |= {str(path): "0755" for path in hide}
    return {each: mode for each, mode in found.items() if not any(str(above) in found for above in Path(each).parents)}


def _mount(*arguments: str):
    subprocess.run(["mount", *arguments], check=True)


def _furnish(plan: dict):
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(STAGE))
    for index, name in enumerate(plan["keep"]):
        place = STAGE / str(index)
        place.mkdir() if Path(name).is_dir() else place.touch()
        _mount("--bind", name, str(place))
    shutil.copytree("/etc", STAGE / "etc", symlinks=True)
    for path in [Path("/etc"), *Path("/etc").rglob("*")]:  # copytree keeps modes, and not whose a file is
        found = path.lstat()
        os.lchown(STAGE / path.relative_to("/"), found.st_uid, found.st_gid)
        if not path.is_symlink():
            (STAGE / path.relative_to("/")).chmod(found.st_mode & 0o7777)
    _mount("--bind", str(STAGE / "etc"), "/etc")
    for name, mode in plan["covers"].items():
        if Path(name).is_dir():
            _mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", name)
    for index, name in enumerate(plan["keep"]):
        place, source = Path(name), STAGE / str(index)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(exist_ok=True) if source.is_dir() else place.touch()
        _mount("--bind", str(source), name)
    for name, mb in plan["sized"].items():
        Path(name).mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"mode=0755,size={mb}m", "tmpfs", name)


def _main():
    _furnish(json.loads(sys.argv[1]))
    print("ready", flush=True)
    while True:  # the first process of a room inherits those whose parents have gone
        try:
            os.wait()
        except ChildProcessError:
            os.sched_yield()
            import time  # noqa: PLC0415

            time.sleep(0.2)


if __name__ == "__main__":
    _main()
