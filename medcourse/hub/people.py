"""Who may log in, and whose server runs as whom: JupyterHub's own classes, held to the class file."""

from typing import Any

from jupyterhub.auth import PAMAuthenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from jupyterhub.spawner import SimpleLocalProcessSpawner


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


class DemoSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]
    """Give everybody a folder for a home, and tell nbgrader whose it is."""

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what an account would say."""
        told: dict[str, str] = super().user_env(env)
        return told | {"MEDCOURSE_STUDENT": self.user.name}
