"""Which system calls the code of a submission may make, and why: everything else answers ENOSYS and does nothing.

ENOSYS is what an older kernel says, so libraries fall back to something older. `namespaces` and `landlock` are the
tiers of `tiers`. In the first, a process sees no process, socket or file but its own, so it may have children and Unix
sockets. In the second it shares the machine's names with everybody, so it gets threads instead of processes and no
sockets, and may name no process but itself.
"""

import errno
import os

from medcourse.grading.sandbox.linux import CLONE_NEW_ANY, Filter, has_none_of, is_equal, matches

_FILES = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 creat close close_range
lseek _llseek stat fstat lstat stat64 fstat64 lstat64 newfstatat fstatat64 statx statfs fstatfs statfs64 fstatfs64
access faccessat faccessat2 getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat
renameat2 link linkat symlink symlinkat readlink readlinkat ftruncate ftruncate64 fallocate fsync
fdatasync fadvise64 fadvise64_64 readahead flock dup dup2 dup3 pipe pipe2 umask sendfile sendfile64
copy_file_range getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
"""
_MEMORY = "mmap mmap2 munmap mremap mprotect madvise brk msync mincore membarrier pkey_alloc pkey_free pkey_mprotect"
_SIGNALS = """
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause restart_syscall
"""
_TIME = """
nanosleep clock_nanosleep clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres gettimeofday time times
alarm setitimer getitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete timerfd_create
timerfd_settime timerfd_gettime
"""
_ABOUT_ITSELF = """
getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid getrlimit
ugetrlimit setrlimit getrusage sysinfo uname getpriority sched_yield sched_getaffinity sched_getparam
sched_getscheduler sched_get_priority_max sched_get_priority_min getcpu arch_prctl rseq set_robust_list
get_robust_list set_tid_address futex futex_time64 futex_waitv exit exit_group wait4 waitid capget getrandom
"""
_WAITING = """
poll ppoll select _newselect pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd
eventfd2
"""
# On sockets that are there already, or that this process made.
_TALKING = "sendto recvfrom recvmsg shutdown getsockname getpeername getsockopt setsockopt"

# Asking a terminal or a pipe about itself; not TIOCSTI, which types for the person at the terminal.
_IOCTL_QUESTIONS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIO(N)CLEX
# Duplicates, flags, locks, sizes of pipes, seals. Not SETOWN and SETSIG, which have the kernel send any signal to any
# process of the same user, and not SETLEASE, which holds up others that open the file.
_FCNTL_HARMLESS = (0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 36, 37, 38, 1030, 1031, 1032, 1033, 1034)
# Naming a thread and a piece of memory. Not DUMPABLE, not SECCOMP.
_PRCTL_HARMLESS = (15, 16, 0x53564D41)
_PR_SET_PDEATHSIG = 1
_CLONE_THREAD = 0x00010000
_AF_UNIX, _SOCK_STREAM, _SOCK_KIND = 1, 1, 0xF
_OPENING = {"open": 1, "openat": 2}  # where their flags stand

_PROCESSES = "fork vfork execve execveat"
_GROUPS = "kill tkill tgkill setsid"
_LOCAL_SOCKETS = "bind connect listen accept accept4 socketpair sendmsg"
_ANY_FILE = "open openat openat2 truncate truncate64"
# Landlock does not cover them, so that files of the same user could be spoilt that way.
_FILE_ATTRIBUTES = """
chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat setxattr lsetxattr
fsetxattr
"""
_OF_ANOTHER = "prlimit64 sched_setaffinity setpgid"  # by its number, which is 0 for oneself


def student_filter(tier: str) -> Filter:
    """Return the filter for the code of a submission; to be loaded in its own process, whose number it may hold."""
    allowed = _common()
    if tier == "namespaces":
        for group in (_PROCESSES, _GROUPS, _LOCAL_SOCKETS, _ANY_FILE, _FILE_ATTRIBUTES, _OF_ANOTHER):
            allowed.allow(group)
        allowed.allow("clone", has_none_of(0, CLONE_NEW_ANY))
        allowed.allow("socket", is_equal(0, _AF_UNIX))
    else:
        _alone(allowed)
        allowed.fail("socket", errno.EACCES)
        allowed.fail(_PROCESSES, errno.EPERM)
        allowed.fail(_FILE_ATTRIBUTES, 0)  # shutil.copy is not to fail because it may not copy a mode
    return allowed


def judge_filter() -> Filter:
    """Return the filter for the tests: they need no process and no socket but those that they were given."""
    allowed = _common()
    _alone(allowed)
    return allowed


def _common() -> Filter:
    allowed = Filter(errno.ENOSYS)
    for group in (_FILES, _MEMORY, _SIGNALS, _TIME, _ABOUT_ITSELF, _WAITING, _TALKING):
        allowed.allow(group)
    for question in _IOCTL_QUESTIONS:
        allowed.allow("ioctl", is_equal(1, question))
    for command in _FCNTL_HARMLESS:
        allowed.allow("fcntl fcntl64", is_equal(1, command))
    for request in _PRCTL_HARMLESS:
        allowed.allow("prctl", is_equal(0, request))
    allowed.fail("prctl", 0, is_equal(0, _PR_SET_PDEATHSIG))  # it dies with its parent, whatever it asks for
    return allowed


def _alone(allowed: Filter) -> None:
    """Let a process have threads but no children, and name no other process."""
    allowed.allow("clone", matches(0, _CLONE_THREAD | CLONE_NEW_ANY, _CLONE_THREAD))
    allowed.fail("clone", errno.EPERM, has_none_of(0, _CLONE_THREAD))  # a fork: not permitted, rather than not there
    allowed.allow("kill tgkill", is_equal(0, os.getpid()))
    allowed.allow(_OF_ANOTHER, is_equal(0, 0))
    # A datagram names who it is for: it would reach any socket of the machine. Nor may a file wait in a message, where
    # nobody counts it.
    allowed.allow("socketpair", is_equal(0, _AF_UNIX), matches(1, _SOCK_KIND, _SOCK_STREAM))
    # Landlock before version 3 lets a file be emptied that may only be read.
    for call, flags in _OPENING.items():
        allowed.allow(call, matches(flags, os.O_ACCMODE, os.O_WRONLY))
        allowed.allow(call, matches(flags, os.O_ACCMODE, os.O_RDWR))
        allowed.allow(call, matches(flags, os.O_ACCMODE | os.O_TRUNC, os.O_RDONLY))
