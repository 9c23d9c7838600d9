"""Run a command as a container runtime runs the pods of deploy/kubernetes, on a machine without one.

    python tests/pods.py SETTINGS COMMAND...

SETTINGS is JSON: `package`, a folder to take for the course's; `files`, folders to show by the places where the pod finds
them; `scratch`, the place where it may write. The command sees Python, its libraries and the course's package, all
read-only, and a process tree of its own; it runs as nobody in particular, without capabilities, without a way to get
any, and behind what the default filters of Docker and containerd deny to those who have none.

It stays in the network that it was started in. It needs root.
"""

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import medcourse
from medcourse.grading.sandbox import linux
from medcourse.grading.sandbox.linux import CLONE_NEW_ANY, Filter

PACKAGE = Path(medcourse.__file__).parent
USER = 10001
STAGE = "/mnt"  # any folder that every machine has: what is mounted on it, only this process sees
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/sys")
DEVICES = ("null", "zero", "full", "random", "urandom")
# What the default filters deny without capabilities: docs.docker.com/engine/security/seccomp, and the newer calls
# that containerd's adds to it.
DENIED = """
acct add_key bpf clock_adjtime clock_settime create_module delete_module finit_module fsconfig fsmount fsopen fspick
get_kernel_syms get_mempolicy init_module io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp
kexec_file_load kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount move_pages nfsservctl
open_by_handle_at open_tree perf_event_open pivot_root query_module quotactl quotactl_fd reboot request_key
set_mempolicy setns settimeofday stime swapoff swapon sysfs _sysctl umount umount2 unshare uselib userfaultfd ustat
vhangup vm86 vm86old
"""


def may_confine():
    """Say whether this process may make the namespaces of pods and hosts: root may, where nothing forbids it."""
    asked = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "true"]
    return os.geteuid() == 0 and subprocess.run(asked, capture_output=True, check=False).returncode == 0


class DefaultFilter(Filter):
    """As the runtimes have it: what is not denied is allowed."""

    def __init__(self):
        self._lib = linux._libseccomp()
        self._filter = ctypes.c_void_p(self._lib.seccomp_init(ctypes.c_uint32(linux._ACT_ALLOW)))
        self.fail(DENIED, errno.EPERM)
        self.fail("clone3", errno.ENOSYS)  # its flags cannot be looked at
        for bit in (1 << number for number in range(32)):
            if bit & CLONE_NEW_ANY:
                self.fail("clone", errno.EPERM, linux.matches(0, bit, bit))


def command(argv, *, package=None, files=None, scratch="/tmp"):
    """Return the command line that runs `argv` as a pod, with a guard outside of it that ends when the pod does."""
    settings = {"package": str(package or PACKAGE), "files": files or {}, "scratch": scratch}
    return [sys.executable, str(Path(__file__).resolve()), json.dumps(settings), *argv]


def furnish(package, files, scratch):
    """Build the pod's file system on the stage, and enter it."""
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("tmpfs", STAGE, "tmpfs", 0, "size=4m,mode=0755")
    shown = {path: path for path in (*SYSTEM, sys.base_prefix, sys.prefix)}
    shown |= {str(PACKAGE): package} | files
    for place, source in shown.items():
        show(source, place)
    for name in ("proc", "dev/shm", scratch[1:]):
        Path(STAGE, name).mkdir(parents=True)
    for name in DEVICES:
        Path(STAGE, "dev", name).touch()
    linux.make_read_only(STAGE)
    for name in DEVICES:
        linux.mount(f"/dev/{name}", f"{STAGE}/dev/{name}", flags=linux.MS_BIND)
    secure = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("proc", f"{STAGE}/proc", "proc", secure)
    for place in (scratch, "/dev/shm"):
        linux.mount("tmpfs", STAGE + place, "tmpfs", secure, "size=512m,mode=1777")
    linux.enter_root(STAGE)


def show(source, place):
    """Bind a folder to a place on the stage, or make the same link."""
    target = Path(STAGE + place)
    if target.exists() or not os.path.lexists(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_symlink() and place in SYSTEM:
        target.symlink_to(Path(source).readlink())
        return
    target.mkdir(parents=True)
    linux.mount(source, str(target), flags=linux.MS_BIND | linux.MS_REC)


def enter(settings, argv):
    """Become the pod's first process."""
    os.umask(0o022)  # as an image's folders are: for everybody to pass
    furnish(settings["package"], settings["files"], settings["scratch"])
    socket.sethostname("pod")
    DefaultFilter().load()
    confined = [
        "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
        "--no-new-privs", "--pdeathsig=KILL", *argv,
    ]  # fmt: skip
    os.environ.update(HOME=settings["scratch"], TMPDIR=settings["scratch"])
    os.execvp(confined[0], confined)


def main():
    settings, argv = json.loads(sys.argv[1]), sys.argv[2:]
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    first = os.fork()
    if first == 0:
        enter(settings, argv)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGTERM))
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    sys.exit(code if code >= 0 else 128 - code)


def run(argv, **settings):
    """Run a command as a pod to its end."""
    return subprocess.run(command(argv, **settings), capture_output=True, text=True, check=False, timeout=120)


if __name__ == "__main__":
    main()
