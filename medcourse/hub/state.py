"""What a hub has to remember so that the same command goes on after a stop, a kill or a restart of the machine."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from medcourse.errors import CourseError
from medcourse.grading.files import write_whole
from medcourse.hub.layout import Layout
from medcourse.hub.roster import Person
from medcourse.server import free_port

FILE = "hub.json"
DEMO, REAL = MODES = ("demo", "real")


@dataclass(frozen=True)
class State:
    """A hub as it was last started, kept where only its owner reads.

    Attributes
    ----------
    mode
        Of `MODES`.
    people
        The class.
    host, port
        Where browsers find it.
    hub_port, proxy_port
        Where its parts find each other; running servers know them, so they stay.
    proxy_token
        What the proxy asks for before it changes its routes.
    password
        In a demonstration everybody's.
    cert, key
        Certificate and key, as files; empty without.
    """

    mode: str
    people: tuple[Person, ...]
    host: str
    port: int
    hub_port: int
    proxy_port: int
    proxy_token: str
    password: str
    cert: str = ""
    key: str = ""

    @property
    def is_demo(self) -> bool:
        """Whether everybody shares one account."""
        return self.mode == DEMO

    @property
    def url(self) -> str:
        """Address of the first page."""
        host = f"[{self.host}]" if ":" in self.host else self.host  # of IPv6
        return f"{'https' if self.cert else 'http'}://{host}:{self.port}"

    @property
    def instructors(self) -> list[str]:
        """Names of those who may open the course."""
        return [each.name for each in self.people if each.is_instructor]


def fresh_state(
    mode: str,
    people: tuple[Person, ...],
    *,
    host: str,
    port: int,
    cert: Path | None,
    key: Path | None,
    before: State | None,
) -> State:
    """Return the state of a hub that is to be started, with what running servers know as it was before.

    Raises
    ------
    CourseError
        The folder's hub is of the other mode, or a port is taken.
    """
    if before and before.mode != mode:
        raise CourseError(
            f"expected the mode in which the folder was made, {before.mode}, got {mode}: give another --folder"
        )
    hub_port = before.hub_port if before else free_port()
    proxy_port = before.proxy_port if before else next(each for each in iter(free_port, 0) if each != hub_port)
    return State(
        mode=mode,
        people=people,
        host=host,
        port=port,
        hub_port=hub_port,
        proxy_port=proxy_port,
        proxy_token=before.proxy_token if before else secrets.token_hex(32),
        password=before.password if before else secrets.token_urlsafe(9),
        cert=str(cert.resolve()) if cert else "",
        key=str(key.resolve()) if key else "",
    )


def load_state(layout: Layout) -> State | None:
    """Return the state that a hub left, or none where there was no hub."""
    path = layout.private / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return State(**found | {"people": tuple(Person(**each) for each in found["people"])})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}: whose hub is it?") from None
    except (ValueError, TypeError, KeyError):
        raise CourseError(
            f"expected the hub's own record in {path}, got something else: give another --folder"
        ) from None


def save_state(layout: Layout, state: State) -> None:
    """Keep a state for the next start, where only the hub's owner reads."""
    write_whole(layout.private / FILE, json.dumps(asdict(state), indent=1) + "\n", mode=0o600)
