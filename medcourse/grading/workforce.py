"""The processes that grade: Dask's own on this machine, or a cluster that is there already.

What runs on a worker stands here too: it imports this module and gets plain data.
"""

import contextlib
import hashlib
import logging
import multiprocessing
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future as Promise
from functools import lru_cache

import dask
import distributed.utils
from distributed import Client, Future, LocalCluster, Worker, WorkerPlugin
from distributed.comm.registry import backends
from distributed.security import Security

from medcourse.errors import CourseError
from medcourse.grading.engines import close_engine, engine_of_this_process
from medcourse.grading.submission import (
    Graded,
    Lab,
    LabError,
    Settings,
    calibrate,
    grade_submission,
    grader_version,
    preload,
)

IN_FLIGHT = 4
"""Submissions that a worker has at a time, the one that runs included; so the memory of a class is that of these."""

CONNECT_SECONDS = 10

_LOGGERS = {"distributed", "tornado", "asyncio"}

_CONFIGURATION = {
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a submission may hold pictures
    "distributed.scheduler.allowed-failures": 3,
    "distributed.worker.multiprocessing-method": "forkserver",
}


class ClusterError(CourseError):
    """The cluster is gone or cannot be had."""


class WarmEngine(WorkerPlugin):
    """Start each worker's engine as soon as the worker is there, those that replace a dead one included."""

    def __init__(self, lab: Lab, settings: Settings, preload: tuple[str, ...]) -> None:
        self.lab, self.settings, self.preload = lab, settings, preload
        self.version = grader_version()
        self.name = f"medcourse-{secrets.token_hex(4)}"  # others may grade on the same cluster

    async def setup(self, worker: Worker) -> None:
        """Keep the lab, which need not come along with each submission, and start the engine in the background."""
        if self.version != grader_version():  # as while a cluster is updated: it gets none of the work
            return
        _labs[_digest(self.lab)] = self.lab
        engine_of_this_process(self.settings.minimum_tier, self.preload).start(self.settings.limits)
        await worker.set_resources(**_fitness(self.version))

    def teardown(self, worker: Worker) -> None:
        """End it, where the worker lives on."""
        close_engine()


class Workforce:
    """A Dask client and what belongs to it, which starts in the background while its owner does other things.

    Parameters
    ----------
    workers
        How many processes to start on this machine.
    address
        Of the scheduler of another cluster, which is used instead.
    """

    def __init__(self, workers: int, address: str | None = None) -> None:
        self.size = workers
        self.address = address
        self._stack = contextlib.ExitStack()
        self._client: Promise[Client] = Promise()
        threading.Thread(target=self._start, name="workforce", daemon=True).start()

    def __enter__(self) -> "Workforce":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def client(self) -> Client:
        """The client, once it is there.

        Raises
        ------
        ClusterError
            It cannot be had.
        """
        return self._client.result()

    def warm_up(self, lab: Lab, settings: Settings) -> None:
        """Let each worker start its engine, after a look whether it would grade as this machine does.

        Raises
        ------
        ClusterError
            A worker cannot grade, or runs another version of the course.
        """
        client = self.client
        if self.address:
            try:
                client.wait_for_workers(1, timeout=CONNECT_SECONDS)
                versions = client.run(grader_version)
            except Exception as error:
                raise ClusterError(f"the workers at {self.address} cannot grade: {_line(error)}") from None
            if others := sorted(worker for worker, version in versions.items() if version != grader_version()):
                raise ClusterError(
                    f"expected this version of medcourse at {self.address}, another is on {len(others)} of "
                    f"{len(versions)} workers ({', '.join(others[:3])}): install this one"
                )
            self.size = len(versions)
        plugin = WarmEngine(lab, settings, preload(lab))
        client.register_plugin(plugin)
        if self.address:
            self._stack.callback(self._unregister, plugin.name)

    def calibrate(self, lab: Lab, settings: Settings) -> "Future[str]":
        """Let a worker grade the reference solution and say in one line what is wrong with it, if anything is."""
        return self.client.submit(
            _calibrate_here, lab, settings, pure=False, priority=10, retries=3, resources=self._needs()
        )

    def grade(self, lab: Lab, submission: bytes, settings: Settings) -> "Future[Graded]":
        """Let a worker grade a submission; a worker that dies meanwhile costs a retry."""
        return self.client.submit(
            _grade_here, _digest(lab), submission, settings, pure=False, retries=3, resources=self._needs()
        )

    def is_lost(self) -> bool:
        """Say whether nobody is there who could do the work."""
        client = self.client
        if client.status not in {"running", "connecting"}:
            return True
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        return not any(worker["resources"].keys() >= self._needs().keys() for worker in workers)

    def _needs(self) -> dict[str, float]:
        """Return what a worker must have to be given work; on this machine each has the same code."""
        return dict.fromkeys(_fitness(grader_version()), 1) if self.address else {}

    def close(self) -> None:
        """End what was started."""
        with contextlib.suppress(Exception):  # a cluster that is gone cannot be closed
            self.client  # noqa: B018  (what still starts is waited for)
        with contextlib.suppress(Exception):
            self._stack.close()

    def _start(self) -> None:
        try:
            self._stack.enter_context(_silence())
            self._stack.enter_context(dask.config.set(_CONFIGURATION))
            self._client.set_result(self._connect() if self.address else self._employ())
        except BaseException as error:  # whoever asks for the client gets it
            self._client.set_exception(error)

    def _connect(self) -> Client:
        address = re.fullmatch(r"(?:(\w+)://)?[^/\s]+:\d+", self.address or "")
        if not address or address[1] not in {None, *backends}:
            raise ClusterError(f"expected the address of a Dask scheduler as in tcp://host:8786, got {self.address!r}")
        if address[1] == "tls":
            _check_certificates()
        try:
            client = Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
        except Exception as error:  # sockets, addresses, versions: Dask has a kind for each
            raise ClusterError(
                f"expected a Dask scheduler at {self.address}, reached none in {CONNECT_SECONDS} s: {_line(error)}"
            ) from None
        self._stack.callback(client.close, timeout=5)
        return client

    def _employ(self) -> Client:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="medcourse-", ignore_cleanup_errors=True))
        _import_once()
        for tries_left in (2, 1, 0):  # one of its processes may die before the cluster stands
            try:
                cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=self.size,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # Dask serves a page in any case; on this machine and any port
                    scheduler_kwargs={"dashboard": False},
                    memory_limit=0,  # the sandbox has its own limit, and Dask would stop a worker for what others hold
                    silence_logs=logging.CRITICAL,
                    local_directory=folder,
                )
                break
            except Exception as error:
                if not tries_left:
                    raise ClusterError(f"cannot start {self.size} workers on this machine: {_line(error)}") from None
        self._stack.callback(cluster.close, timeout=10)
        client = Client(cluster, set_as_default=False)  # type: ignore[no-untyped-call]
        self._stack.callback(client.close, timeout=5)
        return client

    def _unregister(self, name: str) -> None:
        with contextlib.suppress(Exception):
            self.client.unregister_worker_plugin(name)  # type: ignore[no-untyped-call]


def _fitness(version: str) -> dict[str, float]:
    """Return the resource, as Dask calls it, of workers that grade as this version does."""
    return {f"medcourse-{version}": IN_FLIGHT}


def _check_certificates() -> None:
    """See whether Dask's configuration names usable certificates, as an address tls:// needs them.

    Raises
    ------
    ClusterError
        They cannot: which, and what to do.
    """
    names = "ca-file", "client.cert", "client.key"
    wanted = {name: dask.config.get(f"distributed.comm.tls.{name}") for name in names}
    for name, file in wanted.items():
        if not file or not os.access(file, os.R_OK):
            found = f"{file}, which cannot be read" if file else "none"
            setting = "DASK_DISTRIBUTED__COMM__TLS__" + name.upper().replace(".", "__").replace("-", "_")
            raise ClusterError(f"expected a certificate for tls:// in {setting} (Dask's configuration), got {found}")
    try:
        Security().get_connection_args("client")  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ClusterError(
            f"the certificates in Dask's configuration, {', '.join(wanted.values())}, cannot be used: {_line(error)}"
        ) from None


def _calibrate_here(lab: Lab, settings: Settings) -> str:
    """Grade the reference solution on a worker; what it says is no error of the worker's, and not tried again."""
    try:
        calibrate(lab, settings)
    except LabError as error:
        return str(error)
    return ""


_labs: dict[str, Lab] = {}  # on a worker: what `WarmEngine` brought


@lru_cache(maxsize=4)
def _digest(lab: Lab) -> str:
    return hashlib.sha256(f"{lab.slug}\0{lab.release}\0{lab.tests}".encode()).hexdigest()


def _grade_here(lab: str, submission: bytes, settings: Settings) -> Graded:
    """Grade a submission on a worker."""
    return grade_submission(_labs[lab], submission, settings)


def _import_once() -> None:
    """Let the process that workers are forked from import what they need, and not all that Dask can work with."""
    distributed.utils._forkserver_preload_set = True
    multiprocessing.set_forkserver_preload([f"{__package__}.forked"])


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what Dask logs of a lost connection from the terminal: it is said in one line."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOGGERS]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()  # Dask's may hold a whole traceback
    return lines[-1][:200] if lines else type(error).__name__
