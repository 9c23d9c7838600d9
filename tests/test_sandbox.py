"""The walls around a submission: what they let through, what they hold off, what is said where there are none."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medcourse.errors import CourseError
from medcourse.grading.plan import Cell, Limits
from medcourse.grading.sandbox import linux, scratch, walls
from medcourse.grading.sandbox.engine import Engine
from medcourse.grading.sandbox.walls import LANDLOCK, NAMESPACES
from tests.sandboxed import text_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these walls")

ROOT = Path(__file__).parents[1]
LIMITS = Limits(cell_seconds=8, total_seconds=30, memory_mib=500, processes=20, scratch_mib=32, output_kib=256)
SETUP = Cell("setup", "import json, os, sys\nfrom pathlib import Path", trusted=True)


@pytest.fixture(scope="module", params=[NAMESPACES, LANDLOCK])
def engine(request):
    made = Engine(tier=request.param)
    made.start(LIMITS)
    if reason := made.probe()[request.param]:
        made.close()
        pytest.skip(f"this machine has no {request.param}: {reason}")
    yield made
    made.close()


def run(engine, source):
    """Run one cell of a student's."""
    return engine.run([SETUP, Cell("mine", source)], limits=LIMITS, seed=0)


def printed(engine, source):
    """Return what a cell printed as JSON."""
    got = run(engine, source)
    assert got.failed == {}
    return json.loads(text_of(got, "mine"))


def alone(script, *arguments):
    """Run a script in a process of its own, which may lock itself in; return what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# What there is to see.


def test_of_the_file_system_only_libraries_are_there(engine):
    outside = [
        ROOT / "pyproject.toml",
        ROOT / "tests",
        "/etc/shadow",
        "/etc/hostname",
        "/var",
        "/root/.bashrc",
        "/home",
    ]
    seen = printed(
        engine,
        f"""
def can_read(path):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        return True
    except OSError:
        return False
print(json.dumps([path for path in {[str(path) for path in outside]} if can_read(path)]))""",
    )
    assert seen == []


def test_of_the_courses_folder_only_what_python_needs(engine):
    needed = {Path(folder) for folder in walls.libraries()}
    seen = printed(
        engine,
        f"""
try:
    print(json.dumps(sorted(os.listdir({str(ROOT)!r}))))
except PermissionError:
    print("[]")""",
    )
    assert all(any((ROOT / name) in (folder, *folder.parents) for folder in needed) for name in seen)


def test_libraries_may_lie_where_files_usually_go(engine, tmp_path):
    if engine.tier != NAMESPACES:
        pytest.skip("there is no jail to build")
    library, stage = tmp_path / "library", tmp_path / "stage"
    library.mkdir()
    stage.mkdir()
    (library / "here.txt").write_text("read me")
    script = """
import json, sys
from pathlib import Path
from medcourse.grading.sandbox import walls
installed = walls.libraries()
walls.libraries = lambda: [*installed, sys.argv[1]]
walls.enter_jail(sys.argv[2])
Path(walls.SCRATCH, "x").write_text("x")
print(json.dumps([Path(sys.argv[1], "here.txt").read_text(), sorted(path.name for path in Path("/tmp").rglob("*.txt"))]))
"""
    assert tmp_path.is_relative_to("/tmp"), "pytest's own folders usually lie there"
    assert alone(script, library, stage) == ["read me", ["here.txt"]]


def test_nothing_can_be_written_but_in_its_own_folders(engine):
    places = [*walls.libraries(), str(ROOT), "/", "/etc", "/usr", "/proc", "/dev", "/var/tmp"]
    written = printed(
        engine,
        f"""
written = []
for place in {places} + [".", os.environ["TMPDIR"]]:
    try:
        Path(place, "medcourse-attack").write_text("x")
        written.append(place)
    except OSError:
        pass
print(json.dumps(written))""",
    )
    assert written[0] == "."
    assert len(written) == 2
    assert not set(written) & set(places)


def test_only_its_own_processes_are_there(engine):
    seen = printed(
        engine,
        """
try:
    print(json.dumps([int(name) for name in os.listdir("/proc") if name.isdigit()]))
except PermissionError:
    print("[]")""",
    )
    assert seen == ([1] if engine.tier == NAMESPACES else [])


def test_there_is_no_network(engine):
    seen = printed(
        engine,
        """
import socket
try:
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
except OSError:
    lines = []
refused = []
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
    try:
        socket.socket(family, socket.SOCK_DGRAM)
    except OSError:
        refused.append(int(family))
print(json.dumps([[line.split(":")[0].strip() for line in lines], len(refused)]))""",
    )
    assert seen == [["lo"] if engine.tier == NAMESPACES else [], 4]


def test_the_environment_says_nothing_of_the_graders(engine):
    seen = printed(engine, "print(json.dumps(dict(os.environ)))")
    usual = {
        *("PATH", "LANG", "HOME", "TMPDIR", "MPLBACKEND", "MPLCONFIGDIR", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"),
        *(
            "JOBLIB_MULTIPROCESSING",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
        ),
        *("LC_CTYPE", "PAGER", "GIT_PAGER", "CLICOLOR", "FORCE_COLOR", "TERM", "OPENBLAS_CORETYPE"),
    }
    assert {name for name in seen if not name.startswith(("KMP_", "OMP_", "TORCH", "OPENBLAS_"))} <= usual


def test_the_process_has_no_rights_and_cannot_get_any(engine):
    """Seen from outside, for in one tier it may not even read about itself."""
    waiting = threading.Thread(target=run, args=(engine, "import time\ntime.sleep(1.5)"))
    waiting.start()
    end = time.monotonic() + 5
    found = []
    while not found and time.monotonic() < end:
        found = [facts for facts in map(_facts, _descendants(engine._process.pid)) if facts.get("Seccomp") == "2"]
        found = found if len(found) == 2 else []  # the judge and the student
        time.sleep(0.05)
    waiting.join()
    assert len(found) == 2
    for facts in found:
        assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert facts["NoNewPrivs"] == "1"
        assert facts["Threads"] == "1"


def _descendants(process):
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == process:
                yield int(path.parent.name)
                yield from _descendants(int(path.parent.name))


def _facts(process):
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_it_holds_one_line_and_nothing_else(engine):
    seen = printed(
        engine,
        """
import stat
kinds = []
for number in range(512):
    try:
        kinds.append(stat.filemode(os.fstat(number).st_mode)[0])
    except OSError:
        pass
print(json.dumps(sorted(kinds)))""",
    )
    assert seen.count("s") == 1
    assert set(seen) == {"c", "s"}  # /dev/null, and the line


# Limits.


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("os._exit(3)", "ended Python (exit code 3)"),
        ("import ctypes\nctypes.string_at(0)", "crashed Python (SIGSEGV)"),
        ("while True: pass", "took too long"),
    ],
    ids=["exit", "crash", "time"],
)  # fmt: skip
def test_what_a_process_died_of_is_said(engine, source, said):
    limits = LIMITS if "while" not in source else Limits(**{**LIMITS.__dict__, "cell_seconds": 1.0})
    got = engine.run([SETUP, Cell("mine", source)], limits=limits, seed=0)
    assert said in got.failed["mine"]


def test_memory_of_one_process_is_bounded(engine):
    got = run(engine, "x = bytearray(900 << 20)")
    assert got.failed["mine"].startswith("MemoryError")


@pytest.mark.parametrize("share", [True, False], ids=["shared", "of each"])
def test_memory_of_several_processes_is_bounded(engine, share):
    if engine.tier != NAMESPACES:
        pytest.skip("there is one process only")
    # 300 MiB each: no process exceeds what one may have.
    got = run(
        engine,
        f"""
import mmap, time
def take():
    kept = mmap.mmap(-1, 300 << 20, mmap.MAP_SHARED if {share} else mmap.MAP_PRIVATE)
    for at in range(0, len(kept), 4096):
        kept[at] = 1
    return kept
if os.fork() == 0:
    kept = take()
    time.sleep(9)
    os._exit(0)
kept = take()
time.sleep(3)""",
    )
    assert "took more memory than 500 MiB" in got.failed["mine"]


def test_processes_and_threads_are_bounded(engine):
    threads = printed(
        engine,
        """
import threading
stop, started = threading.Event(), []
try:
    for _ in range(200):
        thread = threading.Thread(target=stop.wait)
        thread.start()
        started.append(thread)
except RuntimeError:
    pass
stop.set()
print(json.dumps(len(started)))""",
    )
    assert 4 <= threads <= (LIMITS.processes if engine.tier == NAMESPACES else 200)


def test_children_only_where_they_are_its_own(engine):
    can = printed(
        engine,
        """
import subprocess
try:
    done = subprocess.run(["/bin/sh", "-c", "exit 7"])
    print(json.dumps(done.returncode))
except OSError:
    print(-1)""",
    )
    assert can == (7 if engine.tier == NAMESPACES else -1)


def test_files_are_bounded_each_and_together(engine):
    got = run(
        engine,
        """
for number in range(8):
    with open(f"file{number}", "wb") as file:
        for _ in range(10):
            file.write(bytes(1 << 20))
import time
time.sleep(0.5)""",
    )
    assert "No space left" in got.failed["mine"] or "wrote more than 32 MiB of files" in got.failed["mine"]
    got = run(engine, "open('file', 'wb').truncate(1 << 40)")
    assert got.failed["mine"].startswith("OSError")


def test_too_many_files_end_it(engine):
    got = run(
        engine, f"for i in range({2 * scratch.MOST_FILES}): open(f'f{{i}}', 'w').close()\nimport time\ntime.sleep(1)"
    )
    assert "No space left" in got.failed["mine"] or f"more than {scratch.MOST_FILES} files" in got.failed["mine"]


# The calls that are let through.

_CALLS = """
import ctypes, json, os, sys
from medcourse.grading.sandbox import calls, linux
tier, names = sys.argv[1], sys.argv[2:]
numbers = {name: linux._number(name) for name in names}
libc = ctypes.CDLL(None, use_errno=True)
linux.drop_capabilities()
(calls.judge_filter() if tier == "judge" else calls.student_filter(tier)).load()
got = {}
for name, number in numbers.items():
    ctypes.set_errno(0)
    libc.syscall(number, -1, 0, 0, 0, 0, 0)
    got[name] = ctypes.get_errno()
print(json.dumps(got))
"""
_NEVER = """
ptrace process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal kcmp io_uring_setup bpf keyctl
add_key request_key userfaultfd perf_event_open memfd_create memfd_secret shmget msgget semget mq_open mount umount2
pivot_root chroot unshare setns setuid setgid setresuid setgroups init_module finit_module kexec_load reboot swapon
sethostname settimeofday clock_settime name_to_handle_at open_by_handle_at fanotify_init inotify_init1 mknodat
process_madvise set_mempolicy move_pages acct quotactl syslog personality rt_sigqueueinfo rt_tgsigqueueinfo clone3
landlock_create_ruleset seccomp splice vmsplice tee
"""
_ENOSYS = 38


@pytest.mark.parametrize("tier", [NAMESPACES, LANDLOCK, "judge"])
def test_dangerous_calls_do_nothing(tier):
    names = [name for name in _NEVER.split() if linux._number(name) >= 0]
    assert len(names) > 40
    got = alone(_CALLS, tier, *names)
    assert {name for name, error in got.items() if error != _ENOSYS} == set()


def test_the_weaker_tier_and_the_judge_get_no_processes_sockets_or_others_files():
    names = (
        "fork",
        "vfork",
        "execve",
        "bind",
        "connect",
        "sendmsg",
        "openat2",
        "truncate",
        "chmod",
        "utimensat",
        "tkill",
    )
    names = [name for name in names if linux._number(name) >= 0]
    for tier in (LANDLOCK, "judge"):
        got = alone(_CALLS, tier, *names)
        # 1: forbidden; 0: said to be done. An allowed call would complain of its arguments.
        assert set(got.values()) <= {_ENOSYS, 1, 0}


_ASKED = """
import fcntl, json, os, signal, socket, sys
from medcourse.grading.sandbox import calls, linux
linux.drop_capabilities()
parent, (a, b) = os.getppid(), socket.socketpair()
open("here", "w").write("x")
calls.student_filter(sys.argv[1]).load()
def does(do):
    try:
        do()
        return True
    except OSError:
        return False
print(json.dumps({
    "signal itself": does(lambda: os.kill(os.getpid(), 0)),
    "signal its parent": does(lambda: os.kill(parent, 0)),
    "own a file for its parent": does(lambda: fcntl.fcntl(a, fcntl.F_SETOWN, parent)),
    "choose a signal for a file": does(lambda: fcntl.fcntl(a, 10, signal.SIGURG)),
    "lease a file": does(lambda: fcntl.fcntl(os.open("here", os.O_RDONLY), 1024, fcntl.F_RDLCK)),
    "lock a file": does(lambda: fcntl.lockf(os.open("here", os.O_RDWR), fcntl.LOCK_EX)),
    "duplicate": does(lambda: fcntl.fcntl(a, fcntl.F_DUPFD_CLOEXEC, 9)),
    "pair of streams": does(lambda: socket.socketpair()),
    "pair of datagrams": does(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)),
    "write": does(lambda: open("here", "w").close()),
    "empty by reading": does(lambda: os.open("here", os.O_RDONLY | os.O_TRUNC)),
    "limits of its parent": does(lambda: __import__("resource").prlimit(parent, 7)),
    "clone into a namespace": does(lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else os.stat("/no")),
}))
"""


@pytest.mark.parametrize("tier", [NAMESPACES, LANDLOCK])
def test_calls_are_told_apart_by_what_they_ask_for(tier, tmp_path):
    got = alone(f"import os\nos.chdir({str(tmp_path)!r})\n{_ASKED}", tier)
    always = {"signal itself", "lock a file", "duplicate", "pair of streams", "write"}
    # Where it is alone in its namespaces, it may name any process: there is none but its own.
    if_alone = {"signal its parent", "pair of datagrams", "empty by reading", "limits of its parent"}
    assert {name for name, done in got.items() if done} == always | (if_alone if tier == NAMESPACES else set())


# Landlock as older kernels have it.

_OLDER = """
import json, os, sys
from pathlib import Path
from medcourse.grading.plan import Limits
from medcourse.grading.sandbox import walls
version, base = int(sys.argv[1]), Path(sys.argv[2])
library, secret, work = base / "library", base / "secret", base / "work"
walls.libraries = lambda: [str(library)]
walls.confine_student(walls.LANDLOCK, Limits(), str(work), version)
os.chdir(work)
def does(do):
    try:
        do()
        return True
    except OSError:
        return False
book = library / "book"
print(json.dumps({
    "write and read": does(lambda: (Path("a").write_text("x"), Path("a").read_text(), Path("a").unlink())),
    "make, move and remove folders": does(lambda: (os.mkdir("d"), os.rename("d", "e"), os.rmdir("e"))),
    "read a library": does(lambda: book.read_text()),
    "list a library": does(lambda: os.listdir(library)),
    "write a library": does(lambda: book.write_text("")),
    "empty a library": does(lambda: os.open(book, os.O_RDONLY | os.O_TRUNC)),
    "cut a library": does(lambda: os.truncate(book, 0)),
    "move a library": does(lambda: os.rename(book, library / "other")),
    "link a library": does(lambda: os.link(book, "book")),
    "remove a library": does(lambda: os.unlink(book)),
    "read a secret": does(lambda: (secret / "tests").read_text()),
    "list secrets": does(lambda: os.listdir(secret)),
    "read through a link": does(lambda: (os.symlink(secret / "tests", "way"), Path("way").read_text())),
    "read about processes": does(lambda: os.listdir("/proc/self")),
}))
"""


@pytest.mark.parametrize("version", range(1, 8))
def test_landlock_holds_in_each_of_its_versions(version, tmp_path):
    if linux.landlock_version() < version:
        pytest.skip("this kernel's Landlock is older")
    for name in ("library", "secret", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "library" / "book").write_text("text")
    (tmp_path / "secret" / "tests").write_text("text")
    got = alone(_OLDER, version, tmp_path)
    expected = {"write and read", "make, move and remove folders", "read a library", "list a library"}
    assert {name for name, done in got.items() if done} == expected
    assert (tmp_path / "library" / "book").read_text() == "text"


# The folder on disk.


def test_what_was_deleted_and_is_open_counts(tmp_path):
    (tmp_path / "kept").write_bytes(bytes(1 << 20))
    with (tmp_path / "gone").open("wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        (tmp_path / "gone").unlink()
        number, space = scratch.space_in(str(tmp_path), os.getpid())
        assert number == 1
        assert 2 << 20 <= space < 4 << 20
    assert scratch.space_in(str(tmp_path), os.getpid())[1] < 2 << 20


def test_a_sparse_file_counts_as_what_it_takes(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert scratch.space_in(str(tmp_path), os.getpid())[1] < 1 << 20


def test_what_cannot_be_looked_at_is_too_much_and_is_removed(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    here = Path.cwd()
    os.chdir(folder)
    try:
        for _ in range(1200):  # beyond Python's recursion and the length of a path
            Path("deep").mkdir()
            os.chdir("deep")
        Path("file").write_text("x")
    finally:
        os.chdir(here)
    (folder / "link").symlink_to(tmp_path)
    (folder / "closed").mkdir(mode=0)
    assert scratch.space_in(str(folder), os.getpid())[0] > scratch.MOST_FILES
    (tmp_path / "stays").write_text("x")
    scratch.remove(str(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["stays"]


def test_a_folder_that_is_gone_is_empty(tmp_path):
    assert scratch.space_in(str(tmp_path / "none"), os.getpid()) == (0, 0)
    scratch.remove(str(tmp_path / "none"))


# Which walls there are.

_PROBE = """
import json, sys
from medcourse.grading.sandbox import linux, tiers, walls
exec(sys.argv[2])
print(json.dumps(tiers.probe(sys.argv[1])))
"""


def test_what_is_missing_is_said(tmp_path):
    reasons = alone(_PROBE, tmp_path, "pass")
    assert set(reasons) == {"namespaces", "landlock", "plain"}
    assert reasons["plain"] == ""
    refuse = "def refuse(*a): raise OSError(1, 'unshare: Operation not permitted')\nlinux.unshare = refuse"
    assert "unshare: Operation not permitted" in alone(_PROBE, tmp_path, refuse)["namespaces"]
    assert alone(_PROBE, tmp_path, refuse)["landlock"] == reasons["landlock"]
    assert alone(_PROBE, tmp_path, "linux.landlock_version = lambda: 0")["landlock"] == "the kernel has no Landlock"
    broken = "def broken(*a): raise OSError(2, 'libseccomp.so.2 is not installed')\nlinux._libseccomp = broken"
    reasons = alone(_PROBE, tmp_path, broken)
    assert reasons["namespaces"]
    assert reasons["landlock"]
    assert list(tmp_path.iterdir()) == []


def test_a_tier_below_the_one_that_is_asked_for_is_refused_in_a_line():
    engine = Engine(minimum_tier=NAMESPACES, tier=LANDLOCK)
    with pytest.raises(CourseError) as caught:
        engine.run([SETUP], limits=LIMITS, seed=0)
    engine.close()
    said = str(caught.value)
    assert "\n" not in said
    assert "tier namespaces or better" in said
    assert "medcourse doctor" in said


def test_an_unknown_tier_is_refused():
    with pytest.raises(CourseError, match="unknown tier 'moat'"):
        Engine(minimum_tier="moat")
