"""The program in front of the hub: where it is, and whether it can run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from medcourse.errors import CourseError

PROXY = "configurable-http-proxy"
NODE = 20
"""The oldest node that it runs on."""


def find_proxy() -> str:
    """Return where configurable-http-proxy is: beside this Python, else on PATH.

    Raises
    ------
    CourseError
        It is not installed, or there is no node that it runs on.
    """
    found = shutil.which(PROXY, path=str(Path(sys.executable).parent)) or shutil.which(PROXY)
    if found is None:
        raise CourseError(f"expected {PROXY}, found none: run `make hub`, or `npm install --global {PROXY}`")
    node = shutil.which("node")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout if node else ""  # noqa: S603
    version = re.match(r"v(\d+)", said)
    if version is None or int(version[1]) < NODE:
        raise CourseError(f"expected node {NODE} or newer on PATH, got {said.strip() or 'none'}: {PROXY} runs on it")
    return found
