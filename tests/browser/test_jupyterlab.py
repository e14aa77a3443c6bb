"""Every notebook in a real JupyterLab: it runs, its sliders move its figures, and nothing is cut off.

Screenshots are kept in ``outputs/browser/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

if TYPE_CHECKING:
    from conftest import Lab
    from playwright.sync_api import Browser, Locator, Page

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
WIDTHS = (1280, 1920)  # pixels of the window
HEIGHT = 1600  # of the window, so of a piece of the screenshot
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SECONDS = 300  # more than any notebook takes at the preset smoke on a busy machine

OUTPUT_OF = "xpath=ancestor::div[contains(@class, 'jp-OutputArea-output')]"

KERNEL_IS_READY = """() => {
  const notebook = window.jupyterapp?.shell.currentWidget;
  return notebook?.context?.isReady && notebook.sessionContext?.session?.kernel?.status == 'idle';
}"""
RUN_ALL = """async (seconds) => {
  const late = new Promise((_, no) => setTimeout(() => no(Error('still running')), 1000 * seconds));
  await Promise.race([jupyterapp.commands.execute('notebook:run-all-cells'), late]);
}"""
CELLS = "() => jupyterapp.shell.currentWidget.content.model.toJSON().cells"
# Folded solutions are laid out as well; the hidden text that MathJax adds for screen readers is not.
UNFOLD = "() => document.querySelectorAll('.jp-Notebook details').forEach(node => node.open = true)"
HIDDEN_MATHS = "mjx-assistive-mml { display: none !important }"
SET_THEME = "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})"
# Views of widgets are drawn and pictures loaded.
IS_DRAWN = """() => [...document.querySelectorAll('.jp-Notebook img')].every(
  image => image.complete && image.naturalWidth) &&
  !/Loading widget/.test(document.querySelector('.jp-Notebook').textContent)"""
# What does not fit: boxes whose content is wider, and printed lines that had to be broken.
MISFITS = """() => {
  const found = [], notebook = document.querySelector('.jp-Notebook');
  const tell = (node, what) => {
    const cells = [...notebook.querySelectorAll('.jp-Cell')];
    const cell = cells.indexOf(node.closest('.jp-Cell')) + 1;
    const text = (node.textContent || node.tagName).trim().replace(/\\s+/g, ' ').slice(0, 60);
    found.push(`cell ${cell}: ${what}: ${node.className || node.tagName}: ${text}`);
  };
  for (const node of notebook.querySelectorAll('.jp-Cell *')) {
    if (node.closest('.noUi-base, mjx-container > *, svg')) continue;  // handles overhang by design
    const style = getComputedStyle(node);
    if (style.display.startsWith('inline') && style.display != 'inline-block') continue;
    if (!node.clientWidth || style.visibility == 'hidden') continue;
    const wider = node.scrollWidth - node.clientWidth;
    if (wider > 1) tell(node, `${wider} px too wide`);
  }
  for (const image of notebook.querySelectorAll('.jp-Cell img')) {
    const room = image.closest('.jp-OutputArea-output, .jp-MarkdownOutput');
    const over = image.getBoundingClientRect().right - room.getBoundingClientRect().right;
    if (over > 1) tell(image, `${Math.round(over)} px too wide`);
    const blown = image.width - image.naturalWidth;
    if (blown > 1) tell(image, `enlarged by ${blown} px, so blurred`);
  }
  for (const text of notebook.querySelectorAll('.jp-OutputArea-output > pre')) {
    const lines = text.textContent.replace(/\\n$/, '').split('\\n').length;
    const shown = text.getBoundingClientRect().height / parseFloat(getComputedStyle(text).lineHeight);
    if (Math.round(shown) > lines) tell(text, `${lines} lines of text shown as ${Math.round(shown)}`);
  }
  return found;
}"""


@pytest.fixture
def complaints() -> list[str]:
    """What the page wrote to its console as an error, and whom it asked beside JupyterLab."""
    return []


@pytest.fixture
def page(browser: Browser, lab: Lab, complaints: list[str]) -> Iterator[Page]:
    """A fresh window."""
    context = browser.new_context(viewport={"width": WIDTHS[0], "height": HEIGHT})

    def abroad(route: Any) -> None:
        complaints.append(f"asked for {route.request.url}")
        route.abort()

    context.route(lambda url: not url.startswith((lab.url, "blob:", "data:")), abroad)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    yield page
    context.close()
    lab.stop_kernels()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_works_in_jupyterlab(
    notebook: Path, page: Page, lab: Lab, complaints: list[str], screenshots: Path
) -> None:
    run(page, lab.address(notebook.name))
    assert faults(page) == []

    sliders = page.locator(".jp-OutputArea-output [role=slider]").all()
    assert sliders, "a lesson without sliders"
    still = [number for number, slider in enumerate(sliders, 1) if not move(page, slider)]
    assert still == [], "these sliders changed no figure"
    assert faults(page) == []

    page.add_style_tag(content=HIDDEN_MATHS)
    page.evaluate(UNFOLD)
    misfits = []
    for theme, name in THEMES.items():
        page.evaluate(SET_THEME, name)
        page.wait_for_selector(f"body[data-jp-theme-name='{name}']", state="attached")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.wait_for_timeout(500)  # until JupyterLab has arranged its panels
            misfits += [f"{theme}, {width}: {misfit}" for misfit in page.evaluate(MISFITS)]
            take_screenshots(page, screenshots, f"{notebook.stem}-{theme}-{width}")
    assert misfits == []
    assert complaints == []


def test_faults_of_a_notebook_are_found(page: Page, lab: Lab) -> None:
    cells = (
        "import sys, ipywidgets\nprint('hm', file=sys.stderr)",
        "from IPython.display import HTML\nHTML('<div style=\"width: 3000px\">wide</div>')",
        "print('broken ' * 100)",
        "ipywidgets.VBox([ipywidgets.IntSlider(), ipywidgets.Label('nothing moves')])",
        "ipywidgets.IntSlider(description='a name that is cut off')",
        "1 / 0",
        "print('never run')",
    )
    bad = new_notebook(cells=[new_code_cell(source) for source in cells])
    bad.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    nbformat.write(bad, lab.notebooks / "bad.ipynb")
    run(page, lab.address("bad.ipynb"))
    found = "\n".join(faults(page) + page.evaluate(MISFITS))
    for fault in (
        "[1] on stderr: hm",
        "[6]: ZeroDivisionError",
        "[7] has the number None",
        "cell 2: ",
        "1 lines of text shown as",
        "a name that is cut off",
    ):
        assert fault in found, found
    assert not move(page, page.locator("[role=slider]").first, seconds=2)


def run(page: Page, address: str) -> None:
    """Open a notebook, run all its cells, and wait until everything is drawn."""
    page.goto(address)
    page.wait_for_function(KERNEL_IS_READY, timeout=120_000)
    page.evaluate(RUN_ALL, SECONDS)
    page.wait_for_function(IS_DRAWN)


def faults(page: Page) -> list[str]:
    """Cells that did not run in order to their end, errors, text on stderr, missing widgets."""
    cells = [c for c in page.evaluate(CELLS) if c["cell_type"] == "code" and c["source"].strip()]
    found = []
    for number, cell in enumerate(cells, 1):
        if cell["execution_count"] != number:
            found.append(f"cell [{number}] has the number {cell['execution_count']}")
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                found.append(f"cell [{number}]: {output['ename']}: {output['evalue']}")
            elif output.get("name") == "stderr":
                found.append(f"cell [{number}] on stderr: {output['text']}")
            elif "<Figure" in str(data := output.get("data", {})) and "image/png" not in data:
                found.append(f"cell [{number}]: a figure is named, not shown")
    shown = page.locator(".jp-Notebook").inner_text()
    found += [
        line for line in shown.splitlines() if "Error displaying widget" in line or "[*]" in line
    ]
    return found


def move(page: Page, slider: Locator, *, seconds: int = 60) -> bool:
    """Move a slider one step with the keyboard; whether the figure below it becomes another one."""
    pictures = slider.locator(OUTPUT_OF).locator("img")
    before = _addresses(pictures)
    at_its_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
    slider.focus()
    slider.press("ArrowLeft" if at_its_end else "ArrowRight")
    for _ in range(5 * seconds):
        if _addresses(pictures) != before:
            return True
        page.wait_for_timeout(200)
    return False


def _addresses(pictures: Locator) -> list[str]:
    return pictures.evaluate_all("pictures => pictures.map(picture => picture.src)")


def take_screenshots(page: Page, folder: Path, name: str) -> None:
    """The whole notebook, in as many pieces as it takes."""
    scroller = page.locator(".jp-Notebook .jp-WindowedPanel-outer")
    total, step = scroller.evaluate("node => [node.scrollHeight, node.clientHeight]")
    for number, top in enumerate(range(0, total, step), 1):
        scroller.evaluate("(node, top) => node.scrollTo({top, behavior: 'instant'})", top)
        page.screenshot(path=folder / f"{name}-{number:02}.jpg", type="jpeg", quality=75)
