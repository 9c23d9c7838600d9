"""nbgrader's Validate without the wait: a Jupyter server extension that takes the place of nbgrader's own.

nbgrader runs the notebook in the thread that serves everything else. For as long as that takes, no kernel of the
student's answers, nothing is saved, and the hub's proxy gets no reply. Here it runs in a process of its own, and not in
a thread, for nbgrader changes folder and environment while it validates.
"""

import asyncio
import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

_ONE_AT_A_TIME = asyncio.Lock()
"""A second click waits for the first: two kernels that train at once would take twice the memory."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "medcourse.hub.validate"}]


def _load_jupyter_server_extension(server: Any) -> None:
    from jupyter_server.utils import url_path_join  # noqa: PLC0415
    from nbgrader.server_extensions.validate_assignment import handlers as stock  # noqa: PLC0415
    from tornado import web  # noqa: PLC0415

    class Validate(stock.ValidateAssignmentHandler):  # type: ignore[misc]  # nbgrader has no types
        @web.authenticated
        async def post(self) -> None:
            path = self.get_argument("path", None) or (self.get_json_body() or {}).get("path")
            if not path:
                raise web.HTTPError(400, "expected the path of a notebook, got none")
            async with _ONE_AT_A_TIME:
                found = await _in_own_process(self.root_dir, path)
            if "refused" in found:
                raise web.HTTPError(found["refused"])
            await self.finish(json.dumps(found))

    handlers = dict(stock.default_handlers) | {"/assignments/validate": Validate}
    webapp = server.web_app
    webapp.settings["root_dir"] = server.root_dir
    webapp.add_handlers(
        ".*$", [(url_path_join(webapp.settings["base_url"], path), each) for path, each in handlers.items()]
    )


async def _in_own_process(root: str, path: str) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "medcourse.hub.validate", root, path]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    try:
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (IndexError, ValueError):
        return {"success": False, "value": f"validating ended with exit code {process.returncode}: try again"}
    return found


def main(root: str, path: str) -> None:
    """Validate as nbgrader's handler does, and print what it would answer, or which refusal, as a line of JSON."""
    from nbgrader.server_extensions.validate_assignment.handlers import ValidateAssignmentHandler  # noqa: PLC0415
    from tornado import web  # noqa: PLC0415

    # All that its method asks of a handler.
    handler = SimpleNamespace(
        root_dir=root,
        log=logging.getLogger(__name__),
        load_config=lambda: ValidateAssignmentHandler.load_config(None),
    )
    try:
        found = ValidateAssignmentHandler.validate_notebook(handler, path)
    except web.HTTPError as error:
        found = {"refused": error.status_code}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
