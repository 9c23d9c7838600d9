"""nbgrader's formgrader with a page that grades a class: a Jupyter server extension for instructors.

It takes the place of nbgrader's own; both may not be on at once:

    c.ServerApp.jpserver_extensions = {"medcourse.formgrader": True, "nbgrader.server_extensions.formgrader": False}

It stands beside `medcourse/grading`, which knows nothing of servers, and outside of the hub's package, because a
Jupyter server on an instructor's own machine is all that it needs. As with nbgrader's own, whoever may use the server
may grade: a student's server must not have it.
"""

from typing import Any

__all__ = ["STOCK"]

STOCK = "nbgrader.server_extensions.formgrader"
"""The extension that this one takes the place of."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "medcourse.formgrader"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from medcourse.formgrader.extension import load  # noqa: PLC0415  (nbgrader takes a second and a half)

    load(server)
