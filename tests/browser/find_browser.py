"""Finds a Chromium-like browser, or installs one: ``python tests/browser/find_browser.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "UNET_COURSE_BROWSER"
INSTALL = "install Chromium or Google Chrome, or let `make test-browser` do it"
NAMES = (
    "chromium",
    "google-chrome",
    "google-chrome-stable",
    "chromium-browser",
    "msedge",
    "chrome",
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


def find_browser() -> str | None:
    """The browser that ``UNET_COURSE_BROWSER`` names, else one of the system's, else playwright's.

    Raises:
        FileNotFoundError: the variable names a file that is not there.
    """
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(named):
            return found
        raise FileNotFoundError(f"{VARIABLE}={named}: there is no such program; {INSTALL}")
    candidates = [shutil.which(name) for name in NAMES]
    candidates += [place for place in PLACES if Path(place).exists()]
    return next(filter(None, candidates), None) or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install_browser() -> None:
    """Debian's chromium where apt may be used, else the one that playwright downloads."""
    if shutil.which("apt-get"):
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        sudo = [] if root else ["sudo", "-n"]
        install = ["install", "-y", "-qq", "--no-install-recommends", "chromium"]
        if root or (shutil.which("sudo") and _works("sudo", "-n", "true")):
            apt = [*sudo, "apt-get"]
            if _works(*apt, "update", "-qq") and _works(*apt, *install) and find_browser():
                return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def _works(*command: str) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    try:
        if not find_browser():
            print("Installing a browser", flush=True)
            install_browser()
        print("browser:", find_browser())
    except FileNotFoundError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError:
        sys.exit("could not install a browser; install Chromium or Google Chrome")
