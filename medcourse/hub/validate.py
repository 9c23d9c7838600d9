"""nbgrader's Validate without the wait: a Jupyter server extension that takes the place of nbgrader's own.

nbgrader runs the notebook in the thread that serves everything else. For as long as that takes, no kernel of the
student's answers, nothing is saved, and the hub's proxy gets no reply. Here it runs beside.
"""

import asyncio
import json
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
                found = await asyncio.to_thread(self.validate_notebook, path)
            await self.finish(json.dumps(found))

    handlers = dict(stock.default_handlers) | {"/assignments/validate": Validate}
    webapp = server.web_app
    webapp.settings["root_dir"] = server.root_dir
    webapp.add_handlers(
        ".*$", [(url_path_join(webapp.settings["base_url"], path), each) for path, each in handlers.items()]
    )
