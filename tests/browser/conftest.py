"""JupyterLab on copies of the notebooks, and a browser that looks at it. Nothing is skipped here."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, Request, build_opener

import nbformat
import pytest
from find_browser import INSTALL, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
# JupyterLab asks nobody on the internet, and keeps every cell in the page.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, which ends with a slash, its token, and what it shows."""

    url: str
    token: str
    notebooks: Path

    def address(self, notebook: str) -> str:
        return f"{self.url}lab/tree/{notebook}?token={self.token}&reset"

    def request(self, path: str, method: str = "GET") -> bytes:
        headers = {"Authorization": f"token {self.token}"}
        request = Request(self.url + path, method=method, headers=headers)
        return build_opener(ProxyHandler({})).open(request, timeout=30).read()

    def stop_kernels(self) -> None:
        for kernel in json.loads(self.request("api/kernels")):
            self.request(f"api/kernels/{kernel['id']}", "DELETE")


def copy_notebooks(target: Path, output_dir: Path) -> None:
    """Copies without outputs, which write what they make to ``output_dir``."""
    target.mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            if "parameters" in cell.metadata.get("tags", []):
                cell.source += f"\noutput_dir = {str(output_dir)!r}"
        nbformat.write(notebook, target / path.name)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as ``make lab`` starts it, on copies, with nobody's settings; stopped at the end."""
    home = tmp_path_factory.mktemp("lab")
    copy_notebooks(home / "notebooks", home / "outputs")
    for name, settings in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(settings))
    token = secrets.token_hex(24)
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    environment = {**os.environ} | {name: str(home / folder) for name, folder in folders.items()}
    environment.pop("MPLBACKEND", None)  # tests/conftest.py sets it; here Jupyter shows the figures
    environment |= {"JUPYTER_TOKEN": token, "UNET_COURSE_PRESET": "smoke"}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
    command += ["--ServerApp.port_retries=200", "--LabApp.expose_app_in_browser=True"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, str(home / "notebooks")],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    running = None
    try:
        running = _wait_until_started(server, home, token)
        yield running
    finally:
        if running and server.poll() is None:
            running.request("api/shutdown", "POST")  # takes its kernels with it
        _stop(server)


def _wait_until_started(server: subprocess.Popen, home: Path, token: str) -> Lab:
    for _ in range(240):
        with suppress(OSError, ValueError):  # the file is there before the server answers
            [path] = (home / "runtime").glob("jpserver-*.json")
            lab = Lab(json.loads(path.read_text())["url"], token, home / "notebooks")
            lab.request("api/status")
            return lab
        if server.poll() is not None:
            break
        time.sleep(0.5)
    log = (home / "log").read_text(errors="replace")
    pytest.fail(f"JupyterLab did not start; its last words:\n{log[-2000:]}", pytrace=False)


def _stop(server: subprocess.Popen) -> None:
    for end in (lambda: None, server.terminate, server.kill):
        end()
        try:
            server.wait(timeout=20)
            return
        except subprocess.TimeoutExpired:
            continue


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    path, problem = None, f"no browser: {INSTALL}"
    try:
        from playwright.sync_api import sync_playwright

        path = find_browser()
    except ModuleNotFoundError:
        problem = "no playwright: run `make test-browser`, or pip install playwright"
    except FileNotFoundError as error:
        problem = str(error)
    if path is None:
        pytest.fail(problem, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*SWITCHES])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where the screenshots are kept; emptied at the start."""
    folder = ROOT / "outputs" / "browser"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
