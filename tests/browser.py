"""A real JupyterLab in a headless Chromium, for the tests of what only a browser can show."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
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
]

# What the page is asked about its notebook; `jupyterapp` is there because of --expose-app-in-browser.
_STATE = """() => {
    const panel = jupyterapp.shell.currentWidget;
    if (!panel?.sessionContext || !panel.content?.model) return null;
    const cells = panel.content.model.sharedModel.toJSON().cells.filter(cell => cell.cell_type === "code");
    const waiting = panel.content.widgets.filter(cell => cell.promptNode?.textContent.includes("*")).length;
    return {status: panel.sessionContext.session?.kernel?.status ?? "none", cells, waiting};
}"""


def find_chromium() -> str:
    """Return the path of a Chromium; skip the test where there is none, but fail in CI, where there must be one."""
    for name in CHROMIUMS:
        if path := shutil.which(name):
            return path
    reason = f"expected one of {', '.join(CHROMIUMS)} on PATH, found none: install Chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Lab:
    """A running JupyterLab and a browser that looks at it."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.scratch = scratch
        self.external: list[str] = []  # requests that left this machine

    def __enter__(self) -> "Lab":
        chromium = find_chromium()
        self._start_server()
        try:
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        except BaseException:
            self._stop_server()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._browser.close()
            self._playwright.stop()
        finally:
            self._stop_server()

    def open(self, notebook: str) -> Page:
        """Open a notebook, in a page of its own, and wait until its kernel is ready."""
        page = self._browser.new_page(viewport={"width": 1100, "height": 1400})
        page.on("request", self._note_external)
        page.goto(f"{self.url}/lab/workspaces/{secrets.token_hex(4)}/tree/{notebook}?token={self.token}")
        page.wait_for_function(f"() => {{ const state = ({_STATE})(); return state && state.status === 'idle'; }}")
        return page

    def run_all(self, page: Page) -> None:
        """Run all cells; do not wait for them."""
        page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def wait_idle(self, page: Page, timeout_s: float = 60) -> list[dict]:
        """Wait until no cell runs or waits, and return the code cells; fail if one shows an error."""
        end = time.monotonic() + timeout_s
        while True:
            page.wait_for_timeout(150)
            state = page.evaluate(_STATE)
            if state["status"] == "idle" and not state["waiting"]:
                break
            if time.monotonic() > end:
                pytest.fail(
                    f"notebook not done after {timeout_s} s: kernel {state['status']}, {state['waiting']} cells"
                )
        for cell in state["cells"]:
            for output in cell["outputs"]:
                if output["output_type"] == "error":
                    pytest.fail(f"cell failed with {output['ename']}: {output['evalue']}\n{''.join(cell['source'])}")
        return state["cells"]

    def _note_external(self, request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob", "about") and url.hostname not in ("127.0.0.1", "localhost"):
            self.external.append(request.url)

    def _start_server(self) -> None:
        config = self.scratch / "config"
        (config / "labconfig").mkdir(parents=True)
        (config / "labconfig/page_config.json").write_text(
            # It asks the internet for news at every start.
            json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}})
        )
        settings = self.scratch / "settings/@jupyterlab/notebook-extension"
        settings.mkdir(parents=True)
        # All cells in the page, not only those in view.
        (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
        self.token = secrets.token_hex(16)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = (self.scratch / "server.log").open("w+")
        self._server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--expose-app-in-browser",
                "--ip=127.0.0.1",
                f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={self.token}",
                f"--ServerApp.root_dir={self.folder}",
            ],
            env=os.environ
            | {
                "JUPYTER_CONFIG_DIR": str(config),
                "JUPYTER_DATA_DIR": str(self.scratch / "data"),
                "JUPYTER_RUNTIME_DIR": str(self.scratch / "runtime"),
                "JUPYTERLAB_SETTINGS_DIR": str(self.scratch / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(self.scratch / "workspaces"),
                "IPYTHONDIR": str(self.scratch / "ipython"),
                # Cells with PyTorch beside Chromium's software renderer: one thread each, or they slow each other.
                "OMP_NUM_THREADS": "1",
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the kernels can be ended with it
        )
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/api?token={self.token}", timeout=5).close()
            except (urllib.error.URLError, OSError) as error:
                if self._server.poll() is None and time.monotonic() < end:
                    time.sleep(0.1)
                    continue
                self._stop_server()
                pytest.fail(f"JupyterLab did not start ({error}):\n{(self.scratch / 'server.log').read_text()[-3000:]}")
            return

    def _stop_server(self) -> None:
        # Asked to stop it ends its kernels, which live in sessions of their own.
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGTERM)
            try:
                self._server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._server.pid, signal.SIGKILL)
                self._server.wait()
        self._log.close()


@contextmanager
def jupyterlab(folder: Path, scratch: Path) -> Iterator[Lab]:
    """Serve `folder` in JupyterLab, keeping everything else that it writes in `scratch`."""
    with Lab(folder, scratch) as lab:
        yield lab


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
