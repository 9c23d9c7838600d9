"""JupyterLab as `medcourse lab` starts it, seen through a headless Chromium."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from medcourse.server import Server, serve

# JupyterLab's half of medcourse[itk] asks for this when a page opens, whatever is on the page.
IMJOY = "https://cdn.jsdelivr.net/npm/vue@"

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # WebGL on machines without a graphics card.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)

# `jupyterapp` is on the page because of --expose-app-in-browser.
_KERNEL_IS_READY = (
    "() => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
)
_RUN_ALL = """() => {
    globalThis.ran = false;
    jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { globalThis.ran = true; });
}"""
_CELLS = "() => jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells"


class Lab:
    """A running JupyterLab and a browser to look at it with.

    Attributes
    ----------
    external
        Addresses beyond this machine that pages have asked for so far.
    """

    def __init__(self, server: Server, browser: Browser) -> None:
        self.external: list[str] = []
        self._server = server
        self._browser = browser

    def open(self, notebook: str) -> Page:
        """Open a notebook (path in the served folder) in a page of its own, and wait until its kernel is ready."""
        page = self._browser.new_page(viewport={"width": 1100, "height": 1400})
        page.on("request", self._note)
        # A workspace of its own, or JupyterLab would bring back the notebook that was open last.
        workspace = secrets.token_hex(4)
        page.goto(f"{self._server.url}/lab/workspaces/{workspace}/tree/{notebook}?token={self._server.token}")
        page.wait_for_function(_KERNEL_IS_READY, timeout=60_000)
        return page

    def run_all(self, page: Page) -> None:
        """Start to run all cells."""
        page.evaluate(_RUN_ALL)

    def wait_idle(self, page: Page, timeout_s: float = 60) -> list[dict]:
        """Wait until all cells have run, and return them as in the notebook's file; fail if one shows an error."""
        page.wait_for_function("() => globalThis.ran", timeout=1000 * timeout_s)
        cells = page.evaluate(_CELLS)
        for cell in cells:
            for output in cell.get("outputs", []):
                if output["output_type"] == "error":
                    pytest.fail(f"a cell ended in {output['ename']}: {output['evalue']}\n{''.join(cell['source'])}")
        return cells

    def _note(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname != "127.0.0.1":
            self.external.append(request.url)


def find_chromium() -> str:
    """Return where Chromium is; skip the test where there is none, but fail in CI, where there has to be one."""
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if chromium is None:
        reason = f"expected one of {', '.join(CHROMIUMS)} on PATH, found none: install Chromium"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return chromium


@contextmanager
def jupyterlab(folder: Path, scratch: Path) -> Iterator[Lab]:
    """Serve `folder` in a JupyterLab that keeps everything else it writes in the empty folder `scratch`."""
    chromium = find_chromium()
    settings = scratch / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    # All cells on the page, not only those in view.
    settings.write_text(json.dumps({"windowingMode": "none"}))
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = {name: str(scratch / place) for name, place in folders.items()}
    with (
        serve(folder, arguments=["--expose-app-in-browser"], environment=environment) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=[*FLAGS]) as browser,
    ):
        yield Lab(server, browser)
