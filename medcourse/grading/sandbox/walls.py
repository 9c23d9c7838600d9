"""Build the walls around the code of a submission. Read this file from top to bottom: it is the sandbox.

Three processes are behind walls, each a fork of the one before:

    template   `enter_jail`: sees the libraries, read-only, and nothing else of the file system; no network. It has
               imported what the lab needs, and knows neither tests nor submissions.
    judge      `confine_judge`: holds the tests. It writes no file and opens no socket.
    student    `start_student` in its parent, then `confine_student`: runs a submission.

The parent of `student` stays outside as its warden, see `warden`. In the tier `landlock`, where the machine gives no
namespaces (most containers), there is no jail, and Landlock alone says which files there are.
"""

import os
import resource
import site
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from medcourse.grading.plan import Limits
from medcourse.grading.sandbox import calls, linux
from medcourse.grading.sandbox.linux import READ, WRITE
from medcourse.grading.sandbox.scratch import MOST_FILES

NAMESPACES, LANDLOCK, PLAIN = "namespaces", "landlock", "plain"
TIERS = (PLAIN, LANDLOCK, NAMESPACES)
"""From no walls at all to the best."""

SCRATCH = "/scratch"
"""Where files go in a jail; /tmp is another name for it, unless the libraries lie there."""

_MIB = 1024 * 1024
_STUDENT = 1000  # user and group inside a sandbox; outside it is whoever runs the grader, or nobody
_NOBODY = 65534
_DEVICES = ("null", "zero", "full", "random", "urandom")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
# How libraries are found, the time zone, fonts, and what Debian calls by another name.
_SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "fonts", "alternatives", "nsswitch.conf")
_MACHINE = "/sys/devices/system/cpu"  # how many cores there are
_USERS = (
    f"root:x:0:0::/:/bin/false\nstudent:x:{_STUDENT}:{_STUDENT}::{SCRATCH}:/bin/sh\nnobody:x:{_NOBODY}:{_NOBODY}::/:\n"
)


def libraries() -> list[str]:
    """Return the folders that Python and the course are installed in: what a submission may read.

    The course's folder is not among them, though the package may lie in it: solutions and tests lie there, too.
    """
    package = str(Path(__file__).resolve().parents[2])
    installed = [sys.prefix, sys.base_prefix, package]
    if site.ENABLE_USER_SITE:
        installed.append(site.getusersitepackages())
    return [folder for folder in installed if Path(folder).is_dir()]


# The template.


def enter_jail(stage: str) -> None:
    """Keep of the file system nothing but libraries to read, and of the network nothing.

    Parameters
    ----------
    stage
        An empty folder in which the jail is built; outside nothing is seen of it, and whoever made it removes it.

    Raises
    ------
    OSError
        The machine has no user namespaces, or forbids them. Part of it may be done: the process should end.
    """
    uid, gid = os.geteuid(), os.getegid()
    # An ordinary user may do this only in a user namespace; root may do it so, and must not keep its name in there.
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWUTS | (linux.CLONE_NEWUSER if uid else 0))
    if uid:
        linux.map_user(_STUDENT, _STUDENT, uid, gid)
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", stage, "tmpfs", linux.MS_NOSUID, "size=4m,mode=0755")
    _furnish(stage)
    linux.enter_root(stage)
    if not uid:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        linux.be_dumpable()


def _furnish(stage: str) -> None:
    """Fill a folder with what the jail shows."""
    for path in [*_SYSTEM, *libraries(), *(f"/etc/{name}" for name in _SETTINGS), _MACHINE]:
        _show(path, stage)
    for name in ("proc", "dev/shm", SCRATCH[1:]):
        Path(stage, name).mkdir(parents=True)
    if not Path(stage, "tmp").exists():
        Path(stage, "tmp").symlink_to(SCRATCH)
    for name in _DEVICES:
        Path(stage, "dev", name).touch()
    Path(stage, "etc/passwd").write_text(_USERS)
    linux.make_read_only(stage)
    for name in _DEVICES:
        linux.mount(f"/dev/{name}", f"{stage}/dev/{name}", flags=linux.MS_BIND)
    # The host's, for the warden; a sandbox has its own, where nobody else is.
    linux.mount("/proc", f"{stage}/proc", flags=linux.MS_BIND | linux.MS_REC)
    linux.mount("tmpfs", stage + SCRATCH, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=64m,mode=1777")


def _show(path: str, stage: str) -> None:
    """Bind a folder or a file of the machine to the same place in the jail, or make the same link."""
    place = Path(stage + path)
    if place.exists() or not os.path.lexists(path):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if Path(path).is_symlink() and path in _SYSTEM:
        place.symlink_to(Path(path).readlink())
        return
    if stat.S_ISDIR(Path(path).stat().st_mode):
        place.mkdir(parents=True)
    else:
        place.touch()
    linux.mount(path, str(place), flags=linux.MS_BIND | linux.MS_REC)


# A student.


def start_student(tier: str) -> int:
    """Fork the process that will run a submission; returns as `os.fork` does."""
    if tier == NAMESPACES:
        # A user namespace of its own counts its processes apart from those of other submissions. The child will be
        # process 1 of its own: when that ends, the kernel ends all the others in there.
        uid, gid = os.geteuid(), os.getegid()
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWPID | linux.CLONE_NEWIPC)
        linux.map_user(_STUDENT, _STUDENT, uid, gid)
    return os.fork()


def confine_student(tier: str, limits: Limits, scratch: str, landlock_version: int | None = None) -> str:
    """Put this process behind all its walls, for good, and return its working folder.

    Parameters
    ----------
    tier
        NAMESPACES or LANDLOCK.
    limits
        Memory, processes, files.
    scratch
        An empty folder for LANDLOCK; in NAMESPACES the submission gets a file system of its own in memory.
    landlock_version
        Use no more of Landlock than this; for tests of what older kernels give.
    """
    linux.die_with_parent()
    if tier == NAMESPACES:
        scratch = _own_file_systems(limits)
    for number, limit in _resource_limits(tier, limits).items():
        resource.setrlimit(number, (limit, limit))
    linux.drop_capabilities()
    linux.landlock(_student_files(tier, scratch), landlock_version)
    calls.student_filter(tier).load()
    return scratch


def _own_file_systems(limits: Limits) -> str:
    """Give this process its own /proc, scratch and /dev/shm, the last two in memory and of limited size."""
    linux.unshare(linux.CLONE_NEWNS)
    secure = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("proc", "/proc", "proc", secure)
    for place in (SCRATCH, "/dev/shm"):  # noqa: S108  (its own)
        linux.mount("tmpfs", place, "tmpfs", secure, f"size={limits.scratch_mib}m,nr_inodes={MOST_FILES},mode=0700")
    work = f"{SCRATCH}/work"
    Path(work).mkdir()
    return work


def _resource_limits(tier: str, limits: Limits) -> dict[int, int]:
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    bounds = {
        resource.RLIMIT_AS: in_use + limits.memory_mib * _MIB,  # of each process; the warden watches the sum
        resource.RLIMIT_FSIZE: limits.scratch_mib * _MIB,
        resource.RLIMIT_NOFILE: 512,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_CPU: int(2 * limits.total_seconds) + 1,
    }
    if tier == NAMESPACES:  # elsewhere it would count all that the user runs, and a submission has one process anyway
        bounds[resource.RLIMIT_NPROC] = limits.processes
    return bounds


def _student_files(tier: str, scratch: str) -> Iterator[tuple[str, int]]:
    if tier == NAMESPACES:  # what is left of the file system is all for reading
        yield from [("/", READ), (SCRATCH, READ | WRITE), ("/dev/shm", READ | WRITE)]  # noqa: S108
    else:
        yield from ((path, READ) for path in readable())
        yield scratch, READ | WRITE
    yield from ((f"/dev/{name}", READ | WRITE) for name in ("null", "zero", "full"))


# The judge.


def confine_judge(tier: str, limits: Limits) -> None:
    """Put the process that holds the tests behind its walls: it reads libraries and writes nothing."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = in_use + 2 * limits.memory_mib * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    linux.drop_capabilities()
    paths = ["/"] if tier == NAMESPACES else readable()
    linux.landlock([*((path, READ) for path in paths), ("/dev/null", READ | WRITE)])
    calls.judge_filter().load()


def readable() -> list[str]:
    """Return what may be read in the tier LANDLOCK."""
    settings = [f"/etc/{name}" for name in (*_SETTINGS, "passwd")]  # who runs this: libraries ask
    devices = [f"/dev/{name}" for name in _DEVICES]
    return [*_SYSTEM, *libraries(), *settings, *devices, _MACHINE, "/proc/cpuinfo", "/proc/meminfo"]
