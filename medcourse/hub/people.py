"""Who may log in, and whose server runs as whom: JupyterHub's own classes, held to the class file."""

from pathlib import Path
from typing import Any

from jupyterhub.auth import PAMAuthenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from jupyterhub.spawner import LocalProcessSpawner, SimpleLocalProcessSpawner


class _ClassOnly:
    """Whoever is not in the class file any more is forgotten when the hub starts, with all sessions and tokens."""

    allowed_users: set[str]

    def add_user(self, user: Any) -> Any:
        """Take somebody in, or raise."""
        if user.name not in self.allowed_users:
            raise KeyError(f"{user.name} is not in the class")
        return super().add_user(user)  # type: ignore[misc]


class AccountAuthenticator(_ClassOnly, PAMAuthenticator):  # type: ignore[misc]
    """Ask the operating system for the password of an account."""


class DemoAuthenticator(_ClassOnly, SharedPasswordAuthenticator):  # type: ignore[misc]
    """Ask for the demonstration's one password."""


class _SameProcess:
    """Know a server again after the hub was started anew; after a restart of the machine its number is another's."""

    pid: int

    def get_state(self) -> dict[str, Any]:
        """Return what is kept of a running server."""
        kept: dict[str, Any] = super().get_state()  # type: ignore[misc]
        return kept | ({"identity": identity(self.pid)} if self.pid else {})

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up a server that runs, if it is the one that was kept."""
        super().load_state(state)  # type: ignore[misc]
        if self.pid and state.get("identity") != identity(self.pid):
            self.pid = 0


def identity(pid: int) -> str:
    """Return what tells a process from a later one of the same number; nothing where the system does not say it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of a program is in brackets, and may hold blanks and brackets itself.
        started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{boot} {started}"


class AccountSpawner(_SameProcess, LocalProcessSpawner):  # type: ignore[misc]
    """Run a person's server by the person's account."""


class DemoSpawner(_SameProcess, SimpleLocalProcessSpawner):  # type: ignore[misc]
    """Give everybody a folder for a home, and tell nbgrader whose it is."""

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what an account would say."""
        told: dict[str, str] = super().user_env(env)
        return told | {"MEDCOURSE_STUDENT": self.user.name}
