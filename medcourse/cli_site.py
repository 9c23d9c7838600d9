"""The command line of the site."""

import argparse
import sys
from pathlib import Path
from typing import Any

from medcourse.cli_class import OK, PROBLEM
from medcourse.paths import course_root


def add_site_command(commands: Any) -> None:
    """Add `site` to the parser's commands."""
    site = commands.add_parser("site", help="the course as web pages, lessons with their outputs")
    site.add_argument("--out", type=Path, metavar="FOLDER", help="where to (default: build/site)")
    site.add_argument("--open", action="store_true", help="show it in a browser")
    how = site.add_mutually_exclusive_group()
    how.add_argument("--draft", action="store_true", help="run no lesson: show each as it came out last")
    how.add_argument("--check", action="store_true", help="write no page, fail if the site is not as the course is")
    site.set_defaults(command=_site)


def _site(options: argparse.Namespace) -> int:
    from tqdm import tqdm  # noqa: PLC0415

    from medcourse.site.build import build_site, is_due  # noqa: PLC0415

    root = course_root()
    if options.check:
        due = is_due(root, options.out)
        print("the site is not as the course is: run `medcourse site`" if due else "the site is as the course is")
        return PROBLEM if due else OK

    def progress(units: Any) -> Any:
        return tqdm(units, "lessons", disable=None)  # only where standard error is a terminal

    site = build_site(root, options.out, is_draft=options.draft, progress=progress)
    print(site)
    if options.open:
        import webbrowser  # noqa: PLC0415

        if not webbrowser.open((site.folder / "index.html").as_uri()):
            print("medcourse: found no browser to open it in", file=sys.stderr)
    return OK
