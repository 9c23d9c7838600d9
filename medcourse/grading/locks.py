"""What keeps runs apart that write one gradebook in PostgreSQL, perhaps from several machines.

Two locks, of PostgreSQL itself, so that they end with the connection however a run ends:

- of a lab, for as long as a run over it lasts (an advisory lock): the journal's lock holds on one machine only. Each
  connection that a run writes by takes it first, so that whoever can write holds it, even after the server restarted.
- of the tables that a grade is written into, for one transaction: as SQLite does, which locks all of its file. Two runs
  over two labs, nbgrader's own autograde and points given in formgrader come one after the other, and none overwrites
  what it has not read.

A pooler between us and PostgreSQL must keep a connection for a session (PgBouncer's `session` mode).
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from medcourse.grading.trouble import HeldError

HELD_SECONDS = 5.0
"""How long a lab may still be held by a run that was just killed, whose end the server has yet to see."""

WAIT_SECONDS = 30
"""How long to wait for a server, for another program's transaction."""

TABLES = ("student", "submitted_assignment", "submitted_notebook", "grade", "comment")
"""What recording a grade writes; in the order in which nbgrader writes them, so that nobody waits for each other."""

SETTINGS = {
    "lock_timeout": f"{WAIT_SECONDS}s",
    # A machine that was cut off lets go of its locks in a minute, and not after the two hours of the system.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "5s",
}


def server_engine(url: URL, **more: Any) -> Engine:
    """Return an engine of one connection whose waits are bounded.

    Parameters
    ----------
    url
        Of a database in PostgreSQL.
    more
        For SQLAlchemy's `create_engine`.
    """
    # A connection that was lost is replaced at the next transaction.
    engine = create_engine(bounded(url), pool_size=1, max_overflow=0, pool_pre_ping=True, **more)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        for name, value in SETTINGS.items():  # servers differ in what they know
            connection.execute("select set_config(name, %s, false) from pg_settings where name = %s", [value, name])
        connection.commit()

    return engine


def bounded(url: URL) -> URL:
    """Return an address that does not wait for ever for a server that does not answer."""
    return url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": "10"})


def hold_lab(engine: Engine, course_id: str, slug: str) -> None:
    """Let each connection of an engine hold a lab, from its first to its last moment.

    A connection that cannot have it raises `HeldError`.
    """

    @event.listens_for(engine, "connect")
    def _hold(connection: Any, _: Any) -> None:
        deadline = time.monotonic() + HELD_SECONDS
        while not connection.execute("select pg_try_advisory_lock(%s)", [_key(course_id, slug)]).fetchone()[0]:
            connection.rollback()
            if time.monotonic() > deadline:
                connection.close()
                raise HeldError(f"{slug} is being graded by another run on this gradebook: wait for its end, or end it")
            time.sleep(0.1)
        connection.commit()


@contextmanager
def labs_held(url: URL, course_id: str, slugs: list[str]) -> Iterator[None]:
    """Hold several labs until the end of the block."""
    engine = server_engine(url)
    for slug in sorted(slugs):
        hold_lab(engine, course_id, slug)
    try:
        with engine.connect():
            yield
    finally:
        engine.dispose()


def lock_tables(connection: Connection) -> None:
    """Let nobody else write grades until the transaction ends; everybody may read."""
    connection.execute(text(f"lock table {', '.join(TABLES)} in share row exclusive mode"))


def _key(course_id: str, slug: str) -> int:
    """Return the number by which PostgreSQL knows a lab of a course."""
    digest = hashlib.sha256(f"medcourse grading\0{course_id}\0{slug}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
