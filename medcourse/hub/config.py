"""JupyterHub's settings for a class, from the state that `medcourse hub` left in the hub's private folder."""

import os
import sys
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.hub.environment import DATABASE, course_environment, person_environment
from medcourse.hub.layout import Layout
from medcourse.hub.proxy import find_proxy
from medcourse.hub.roster import GRADER
from medcourse.hub.state import State, load_state
from medcourse.server import free_port

SERVICE = "course"
START_SECONDS = 180
"""How long a server may take to start: a class that logs in at once shares the cores."""

FILE = "jupyterhub_config.py"
TEXT = '''"""JupyterHub's settings for this class: the course's own, then yours. This file is never overwritten."""

from medcourse.hub.config import configure

c = get_config()  # noqa: F821  (JupyterHub runs this file and provides it)
configure(c, __file__)
'''


def configure(c: Any, file: str) -> None:
    """Fill in JupyterHub's configuration.

    Parameters
    ----------
    c
        traitlets' configuration.
    file
        The settings file, in the hub's private folder.
    """
    layout = Layout(Path(file).resolve().parents[1])
    state = load_state(layout)
    if state is None:
        raise CourseError(f"expected a hub in {layout.folder}, found none: start it with `medcourse hub`")
    _hub(c, layout, state)
    _proxy(c, layout, state)
    _people(c, layout, state)
    _course(c, layout, state)


def _hub(c: Any, layout: Layout, state: State) -> None:
    c.JupyterHub.bind_url = state.url
    c.JupyterHub.hub_ip = "127.0.0.1"
    c.JupyterHub.hub_port = state.hub_port
    c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = state.cert, state.key
    c.JupyterHub.cookie_secret_file = str(layout.private / "cookie_secret")
    c.JupyterHub.db_url = os.environ.get(DATABASE) or f"sqlite:///{layout.private / 'hub.sqlite'}"
    c.JupyterHub.pid_file = str(layout.private / "hub.pid")
    file = {"class": "logging.FileHandler", "formatter": "console", "level": "INFO", "filename": layout.log}
    # Names and password of a demonstration stand in the terminal, and are to stay in view.
    quiet = {"console": {"level": "WARNING"}} if state.is_demo else {}
    c.JupyterHub.logging_config = {
        "handlers": {"file": file} | quiet,
        "loggers": {"JupyterHub": {"handlers": ["console", "file"]}},
    }
    c.JupyterHub.template_vars = {"announcement_login": _WARNING} if state.is_demo else {}
    c.JupyterHub.concurrent_spawn_limit = max(10, 4 * (os.cpu_count() or 1))


_WARNING = "A demonstration: everybody shares one account of this machine, and can read and change everything."


def _proxy(c: Any, layout: Layout, state: State) -> None:
    c.ConfigurableHTTPProxy.command = [find_proxy()]
    if state.is_demo:
        c.ConfigurableHTTPProxy.log_level = "error"
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{state.proxy_port}"
    c.ConfigurableHTTPProxy.auth_token = state.proxy_token
    c.ConfigurableHTTPProxy.pid_file = str(layout.private / "proxy.pid")


def _people(c: Any, layout: Layout, state: State) -> None:
    c.Authenticator.allowed_users = {each.name for each in state.people}
    c.Authenticator.delete_invalid_users = True
    c.Spawner.cmd = [sys.executable, "-m", "medcourse.hub.person"]
    c.Spawner.environment = person_environment(layout)
    c.Spawner.notebook_dir = "~"
    c.Spawner.default_url = "/lab"
    c.Spawner.start_timeout = c.Spawner.http_timeout = START_SECONDS
    if not state.is_demo:
        c.JupyterHub.authenticator_class = "medcourse.hub.people.AccountAuthenticator"
        c.JupyterHub.spawner_class = "medcourse.hub.people.AccountSpawner"
        return
    c.JupyterHub.authenticator_class = "medcourse.hub.people.DemoAuthenticator"
    c.SharedPasswordAuthenticator.user_password = state.password
    c.JupyterHub.spawner_class = "medcourse.hub.people.DemoSpawner"
    c.SimpleLocalProcessSpawner.home_dir_template = f"{layout.homes}/{{username}}"
    c.Spawner.args = _as_root()


def _as_root() -> list[str]:
    # The usual user inside a container; Jupyter would refuse to start.
    return ["--allow-root"] if os.geteuid() == 0 else []


def _course(c: Any, layout: Layout, state: State) -> None:
    """Open the course to its instructors: formgrader, a terminal, the grade button."""
    environment = course_environment(layout, os.environ)
    service: dict[str, Any] = {
        "name": SERVICE,
        "url": f"http://127.0.0.1:{free_port()}",
        "command": [sys.executable, "-m", "medcourse.hub.course"],
        "cwd": str(layout.course),
        "timeout": START_SECONDS,
        "oauth_no_confirm": True,
    }
    if state.is_demo:
        environment["HOME"] = str(layout.homes / GRADER)
        service["command"] = [*service["command"], *_as_root()]
    else:
        service["user"] = GRADER
    c.JupyterHub.services = [service | {"environment": environment}]
    c.JupyterHub.load_roles = [
        {
            "name": "instructor",
            "description": "Open the course, see who is there, start and stop servers",
            "scopes": [f"access:services!service={SERVICE}", "admin-ui", "list:users", "read:users", "servers"],
            "users": state.instructors,
        }
    ]
