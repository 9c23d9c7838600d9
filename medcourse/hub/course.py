"""The course's server, for its instructors. JupyterHub starts it as the grader, and it ends with JupyterHub."""

import os
import signal
import threading
import time
from pathlib import Path

from medcourse.hub.person import LOG, log_to


def main() -> None:
    """Run the server of the course until the hub stops it or is no more."""
    hub = os.getppid()
    Path.home().mkdir(mode=0o700, exist_ok=True, parents=True)  # in a demonstration nobody else made it
    log_to(Path.home() / LOG)
    threading.Thread(target=_end_with, args=(hub,), daemon=True).start()
    from jupyterhub.singleuser import main as serve  # noqa: PLC0415

    serve()


def _end_with(parent: int) -> None:
    """Stop this server once the process that started it is gone: a hub that is started again starts a new one."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
