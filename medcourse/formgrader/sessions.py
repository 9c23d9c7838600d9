"""A gradebook that formgrader lets go of after each page.

nbgrader's keeps one session for as long as the server lives, and in PostgreSQL one transaction for as long as nothing
is written. So a gradebook that was away for a moment, or locked once, would be an error on every page from then on; one
that was put back from a back-up would not be seen; and what is to replace a table would wait for formgrader.
"""

import contextlib
from typing import Any

from nbgrader.server_extensions.formgrader.base import BaseHandler
from sqlalchemy.exc import SQLAlchemyError


def close_gradebook_with_page() -> None:
    """Let each of formgrader's pages end with its connection closed, for as long as this process lives."""
    if getattr(BaseHandler.on_finish, "closes_gradebook", False):
        return
    finish = BaseHandler.on_finish

    def on_finish(self: Any) -> None:
        finish(self)
        gradebook = self.settings.get("nbgrader_gradebook")
        if gradebook is not None:
            with contextlib.suppress(SQLAlchemyError):  # the server is gone, and the connection with it
                gradebook.close()  # which the next page opens again

    on_finish.closes_gradebook = True  # type: ignore[attr-defined]
    BaseHandler.on_finish = on_finish
