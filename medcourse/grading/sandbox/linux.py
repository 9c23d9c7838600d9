"""The calls to Linux that Python's standard library lacks: namespaces, mounts, Landlock, seccomp, capabilities.

Nothing here decides anything; `walls` does. Every function raises OSError with the call's name when the kernel refuses.

Sources: man pages unshare(2), mount(2), pivot_root(2), prctl(2), capset(2), landlock(7), seccomp_rule_add(3).
"""

import ctypes
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

# unshare(2)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEW_ANY = 0x7E020080  # all of them, with the control groups' and the clock's: what no student's clone may ask for

# mount(2)
MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2

# prctl(2)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522


def _check(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name, for new ones."""
    _check(_libc.unshare(flags), "unshare")


def map_user(uid: int, gid: int, outside_uid: int, outside_gid: int) -> None:
    """Say who this process is inside its new user namespace: `uid`, which is `outside_uid` to the rest."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outside_gid} 1")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or bind one that is there."""
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*arguments), f"mount {target}")


def enter_root(folder: str) -> None:
    """Make a mounted folder the root of the file system, and let go of the old one."""
    os.chdir(folder)
    # With "." twice the old root lies over the new one, and is taken off: see pivot_root(2), NOTES.
    _check(_libc.syscall(_number("pivot_root"), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount")
    os.chdir("/")


def die_with_parent() -> None:
    """Be killed when the process that started this one ends. A change of user undoes it: call it after that."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0), "prctl(PDEATHSIG)")


def be_dumpable() -> None:
    """Own the files in /proc/self again, which a change of user takes away."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(DUMPABLE)")


def drop_capabilities() -> None:
    """Give up every capability, for good: none can come back by executing a file."""
    # A process without CAP_SETPCAP cannot drop what bounds it, nor needs to: no file gives it anything from here on.
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")


# Landlock. What a rule can allow, by the version of the interface that knows it: linux/landlock.h.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILES_BY_ABI = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15  # the others are about folders
READ = _EXECUTE | _READ_FILE | _READ_DIR
"""Read and execute what lies below."""
WRITE = (1 << 15) - 1
"""Do anything with files and folders below, but talk to devices."""
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract Unix sockets, signals: none beyond this process and its children


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def landlock_version() -> int:
    """Return the version of the kernel's Landlock interface, 0 if it has none."""
    return max(int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))), 0)


def landlock(rules: Iterable[tuple[str, int]], version: int | None = None) -> None:
    """Deny this process and its children every file but what the rules allow, and TCP and signals to others.

    Parameters
    ----------
    rules
        A path (skipped where there is none), and READ or WRITE for what lies below.
    version
        Use no more of the interface than this version of it has.
    """
    has = landlock_version() if version is None else version
    files = sum(rights for since, rights in _FILES_BY_ABI.items() if since <= has)
    ruleset = _Ruleset(files, _TCP if has >= 4 else 0, _SCOPES if has >= 6 else 0)
    size = 24 if has >= 6 else 16 if has >= 4 else 8  # an older kernel refuses fields that it does not know
    handle = _check(_libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0), "landlock")
    try:
        for path, rights in rules:
            _allow(handle, path, rights & files)
        _check(_libc.syscall(_RESTRICT_SELF, handle, 0), "landlock_restrict_self")
    finally:
        os.close(handle)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not Path(path).is_dir():
            rights &= _OF_A_FILE
        rule = _PathRule(rights, folder)
        _check(_libc.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0), f"landlock_add_rule {path}")
    finally:
        os.close(folder)


# seccomp, by libseccomp: it knows the numbers of calls on every architecture.
_ACT_ALLOW, _ACT_ERRNO = 0x7FFF0000, 0x00050000
_EQUAL, _MASKED_EQUAL = 4, 7


class Match(ctypes.Structure):
    """A condition on an argument of a system call; see `is_equal` and `matches`."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def is_equal(argument: int, value: int) -> Match:
    """Hold where the argument is this value."""
    return Match(argument, _EQUAL, value, 0)


def matches(argument: int, mask: int, value: int) -> Match:
    """Hold where those bits of the argument that the mask names are as in the value."""
    return Match(argument, _MASKED_EQUAL, mask, value)


def has_none_of(argument: int, bits: int) -> Match:
    """Hold where the argument has none of these bits."""
    return matches(argument, bits, 0)


class Filter:
    """Which system calls are let through; every other one fails with `default` and does nothing."""

    def __init__(self, default: int) -> None:
        self._lib = _libseccomp()
        self._filter = ctypes.c_void_p(self._lib.seccomp_init(ctypes.c_uint32(_ACT_ERRNO | default)))

    def allow(self, names: str, *conditions: Match) -> None:
        """Let calls through, named between blanks, where all conditions hold; unknown names are left out."""
        self._add(_ACT_ALLOW, names, conditions)

    def fail(self, names: str, error: int, *conditions: Match) -> None:
        """Let calls fail with this error; 0 tells the caller that it was done, and does nothing."""
        self._add(_ACT_ERRNO | error, names, conditions)

    def _add(self, action: int, names: str, conditions: Sequence[Match]) -> None:
        array = (Match * len(conditions))(*conditions)
        for name in names.split():
            number = self._lib.seccomp_syscall_resolve_name(name.encode())
            if number >= 0:  # below: another architecture's call, or one that is newer than the library
                done = self._lib.seccomp_rule_add_array(
                    self._filter, ctypes.c_uint32(action), number, len(conditions), array
                )
                if done < 0:
                    raise OSError(-done, f"seccomp {name}: {os.strerror(-done)}")

    def load(self) -> None:
        """Put this process and all that it starts behind the filter, for good."""
        done = self._lib.seccomp_load(self._filter)
        if done < 0:
            raise OSError(-done, f"seccomp: {os.strerror(-done)}")


def _libseccomp() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise OSError(2, "libseccomp.so.2 is not installed (Debian: libseccomp2)") from None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


# mount_setattr(2)
_AT_RECURSIVE, _AT_FDCWD = 0x8000, -100


def make_read_only(folder: str) -> None:
    """Let nobody write below a mounted folder, use a device there, or become another user by executing a file."""
    attributes = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)  # the same bits as mount(2) has
    arguments = (_AT_FDCWD, folder.encode(), _AT_RECURSIVE, ctypes.byref(attributes), ctypes.c_size_t(32))
    _check(_libc.syscall(_number("mount_setattr"), *arguments), f"mount_setattr {folder}")


def _number(call: str) -> int:
    return int(_libseccomp().seccomp_syscall_resolve_name(call.encode()))
