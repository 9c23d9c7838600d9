"""The command line of a class on JupyterHub."""

import argparse
import os
import platform
from functools import partial
from pathlib import Path
from typing import Any

from medcourse.errors import CourseError
from medcourse.paths import course_root


def add_hub_command(commands: Any) -> None:
    """Add the command that serves a class to the parser's."""
    hub = commands.add_parser("hub", help="serve a class by JupyterHub (needs solutions/)")
    hub.add_argument("class_file", nargs="?", type=Path, metavar="CLASS.csv", help="columns name, role (see README)")
    hub.add_argument("--demo", action="store_true", help="without accounts, here only, for a look; makes up a class")
    hub.add_argument("--folder", type=Path, default=Path("hub"), metavar="DIR", help="what it keeps (default: ./hub)")
    hub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    hub.add_argument("--port", type=int, default=8000, metavar="N", help="port to listen on (default: 8000)")
    hub.add_argument("--gradebook", default="", metavar="URL", help="or MEDCOURSE_GRADEBOOK (default: SQLite, in DIR)")
    hub.add_argument("--database", default="", metavar="URL", help="the hub's own, or MEDCOURSE_DATABASE (as above)")
    hub.add_argument("--cert", type=Path, metavar="FILE", help="TLS certificate, in PEM; with --key")
    hub.add_argument("--key", type=Path, metavar="FILE", help="its key")
    hub.add_argument("--check", action="store_true", help="start, ask for its health, stop")
    hub.set_defaults(command=_hub)


def _hub(options: argparse.Namespace) -> int:
    if os.name != "posix":
        raise CourseError(f"expected Linux or macOS, which JupyterHub runs on, got {platform.system()}")
    from medcourse.hub import run  # noqa: PLC0415

    wanted = run.Wanted(
        class_file=options.class_file,
        folder=options.folder,
        is_demo=options.demo,
        host=options.host,
        port=options.port,
        gradebook=options.gradebook,
        database=options.database,
        cert=options.cert,
        key=options.key,
    )
    tell = partial(print, flush=True)
    ready = run.prepare(wanted, course_root(), tell)
    tell(str(ready))
    if options.check:
        print("\n".join(run.check(ready)))
        return 0
    tell("starting; Ctrl-C stops it")
    run.start(ready)
    return 0
