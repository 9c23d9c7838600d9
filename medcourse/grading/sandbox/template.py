"""The warm template that judges and students are forked from: `python -m medcourse.grading.sandbox.template FD JSON`.

It imports once what every submission needs, then forks on demand. It runs no operation of torch's and starts no thread,
for a fork has only one; it reads no test and no submission, for whatever it held each student's process would hold too.
"""

import contextlib
import functools
import importlib
import inspect
import json
import os
import random
import select
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing import synchronize
from pathlib import Path
from typing import Any, NoReturn

from medcourse.grading.plan import Cell, Limits
from medcourse.grading.sandbox import linux, student, tiers, walls, warden
from medcourse.grading.sandbox.channel import Channel
from medcourse.grading.shell import new_shell

_FRAME = 1 << 30  # bytes that the engine and a judge send each other; both are ours
JUDGE, STUDENT, LEARN = b"j", b"s", b"l"
"""What can be asked for, one byte each. The answer to the first two is the byte and the lines to what was forked; after
the third follows a frame with the names of modules to import."""


class Template:
    """Waits for orders of the engine and of the judge that works at the time.

    Parameters
    ----------
    engine
        The line to the engine: when it closes, everything ends.
    tier
        How students are confined.
    limits
        For students.
    folder
        For the files of students who get no file system of their own.
    """

    def __init__(self, engine: socket.socket, tier: str, limits: Limits, folder: str) -> None:
        self.engine, self.tier, self.limits, self.folder = engine, tier, limits, folder
        self.shell = new_shell()

    def serve(self) -> None:
        """Fork what is asked for until the engine hangs up."""
        judge: socket.socket | None = None
        while True:
            lines = [self.engine] if judge is None else [self.engine, judge]
            for line in select.select(lines, [], [])[0]:
                order = line.recv(1)
                if order == JUDGE:
                    judge = self._fork_judge()
                elif order == STUDENT:
                    self._fork_student(line)
                elif order == LEARN:
                    _preload(Channel(line, _FRAME).receive()[1])
                elif line is self.engine:
                    return
                else:  # this judge is done; another may have begun
                    line.close()
                    judge = None if line is judge else judge

    def _fork_judge(self) -> socket.socket:
        """Fork a judge; hand its line to the engine and keep one for its own orders."""
        if (threads := _threads()) > 1:
            raise SystemExit(f"{threads - 1} threads were started by importing what the lab needs: a fork lacks them")
        job, jobs_end = socket.socketpair()
        orders, orders_end = socket.socketpair()
        if self._fork(jobs_end, orders_end):
            _judge_main(jobs_end, orders_end, self.tier, self.limits)
        socket.send_fds(self.engine, [JUDGE], [job.fileno()])
        for each in (job, jobs_end, orders_end):
            each.close()
        return orders

    def _fork_student(self, judge: socket.socket) -> None:
        """Fork a warden, and it a student; hand the lines to both to the judge."""
        talk, talks_end = socket.socketpair()
        line, lines_end = socket.socketpair()
        if self._fork(talks_end, lines_end):
            _warden_main(self, talks_end, lines_end)
        socket.send_fds(judge, [STUDENT], [talk.fileno(), line.fileno()])
        for each in (talk, talks_end, line, lines_end):
            each.close()

    def _fork(self, *kept: socket.socket) -> bool:
        """Fork; in the child, which gets True, no other file is open than these, and it dies with the template."""
        if os.fork():
            return False
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        linux.die_with_parent()
        _close_all_but(*kept)
        return True


def _close_all_but(*kept: socket.socket) -> None:
    numbers = sorted(each.fileno() for each in kept)
    for first, last in zip([2, *numbers], [*numbers, 1 << 20], strict=True):
        os.closerange(first + 1, last)


def _judge_main(job: socket.socket, orders: socket.socket, tier: str, limits: Limits) -> NoReturn:
    from medcourse.grading.sandbox import judge  # noqa: PLC0415  (imported before: see `main`)
    from medcourse.grading.sandbox.proxies import Sandbox  # noqa: PLC0415

    def new_sandbox() -> Sandbox:
        orders.sendall(STUDENT)
        _, numbers, _, _ = socket.recv_fds(orders, 1, 2)
        talk, line = (socket.socket(fileno=number) for number in numbers)
        return Sandbox(Channel(talk, limits.reply_mib * 2**20), warden.Warden(line))

    channel = Channel(job, _FRAME)
    try:
        walls.confine_judge(tier, limits)
        _, cells, seed = channel.receive()
        os.environ["MEDCOURSE_SECRET_SEED"] = str(seed)
        work = judge.Judge([Cell(**cell) for cell in cells], limits, seed, new_sandbox, tier)
        try:
            channel.send(["run", work.run().as_json(), sorted(sys.modules)])
        except judge.SetupError as error:
            channel.send(["setup", str(error)])
    except BaseException as error:
        with contextlib.suppress(Exception):
            channel.send(["broken", f"{type(error).__name__}: {error}"])
    finally:
        os._exit(0)


def _warden_main(template: Template, talk: socket.socket, line: socket.socket) -> NoReturn:
    scratch = ""
    try:
        if template.tier != walls.NAMESPACES:
            scratch = tempfile.mkdtemp(prefix="work-", dir=template.folder)
        process = walls.start_student(template.tier)
        if process == 0:
            line.close()
            _student_main(template, talk, scratch)
        talk.close()
    except BaseException as error:
        line.sendall(f"could not be confined: {error}\n".encode())
        os._exit(1)
    warden.watch(process, line, template.limits, scratch)


def _student_main(template: Template, talk: socket.socket, scratch: str) -> NoReturn:
    channel = Channel(talk, template.limits.reply_mib * 2**20)
    try:
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")  # if the machine runs out of memory, this goes first
        folder = walls.confine_student(template.tier, template.limits, scratch)
        os.chdir(folder)
        os.environ.update(HOME=folder, TMPDIR=folder)
        tempfile.tempdir = folder
        sys.path.insert(0, "")  # as in a kernel: modules beside the notebook are found, if the student writes one
        random.seed()
        sys.modules["numpy"].random.seed()
        if template.tier != walls.NAMESPACES:
            _work_in_process()
    except BaseException as error:
        sys.stderr.write(f"a student's process could not be confined: {error}\n")
        os._exit(1)
    student.main(channel, template.shell, template.limits.output_kib)


def _work_in_process() -> None:
    """Let a DataLoader with workers load by itself where a submission may have no second process.

    There the locks of multiprocessing, which live in memory that processes share, may be those of threads: a ThreadPool
    takes one.
    """
    for kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Event"):
        setattr(synchronize, kind, _of_threads(getattr(threading, kind)))
    torch = sys.modules.get("torch")
    if torch is None:
        return
    loader: Any = torch.utils.data.DataLoader
    original: Callable[..., None] = loader.__init__
    alone = {
        "num_workers": 0, "persistent_workers": False, "prefetch_factor": None, "timeout": 0,
        "multiprocessing_context": None,
    }  # fmt: skip

    @functools.wraps(original)
    def init(*args: Any, **options: Any) -> None:
        given = inspect.signature(original).bind(*args, **options).arguments
        original(**given | {name: value for name, value in alone.items() if name in given})

    loader.__init__ = init


def _of_threads(kind: Callable[..., Any]) -> Callable[..., Any]:
    def make(*args: Any, ctx: Any = None) -> Any:
        return kind(*args)

    return make


def _settle(home: str, fonts: dict[str, bytes]) -> None:
    """Say where files go, and put matplotlib's list of fonts there, else it looks through all of them again."""
    cache = Path(home, "matplotlib")
    cache.mkdir(exist_ok=True)
    for name, content in fonts.items():
        (cache / name).write_bytes(content)
    os.environ.update(HOME=home, TMPDIR=home, MPLCONFIGDIR=str(cache))
    tempfile.tempdir = home


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def _preload(names: list[str]) -> None:
    """Import what can be imported; what cannot is tried again by whoever asks for it, and fails there."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def main(engine_number: str, settings_text: str) -> None:
    """Get warm and serve the engine.

    Parameters
    ----------
    engine_number
        File descriptor of the line to the engine.
    settings_text
        JSON: {tier or null, folder, preload, limits, fonts}.
    """
    engine = socket.socket(fileno=int(engine_number))
    channel = Channel(engine, _FRAME)
    settings: dict[str, Any] = json.loads(settings_text)
    fonts = {path.name: path.read_bytes() for path in Path(settings["fonts"]).glob("fontlist-*.json")}
    tier, reasons = tiers.enter_best(settings["tier"], settings["folder"])
    _settle(walls.SCRATCH if tier == walls.NAMESPACES else settings["folder"], fonts)
    limits = Limits(**settings["limits"])
    template = Template(engine, tier, limits, settings["folder"])
    _preload(
        ["numpy", "torch.utils.data", "medcourse.testing", "medcourse.grading.sandbox.judge", *settings["preload"]]
    )
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens and judges need nobody to wait for them
    channel.send(["ready", tier, reasons, asdict(limits)])
    template.serve()
    os._exit(0)  # not by the way of all that was imported


if __name__ == "__main__":
    main(*sys.argv[1:])
