"""Notebooks as they are committed: cleaned of what a run leaves behind, with the course's address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from unet_course import __version__
from unet_course.checkpoints import replacing

PLACEHOLDER = "https://github.com/OWNER/REPOSITORY"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_COLAB = "https://colab.research.google.com"
_BADGE = re.compile(r"^\[!\[Open in Colab\]\([^\n]*\n+", re.MULTILINE)
_README = re.compile(r"<!-- badges -->\n.*?<!-- /badges -->", re.DOTALL)


def find_notebooks(root: Path, names: list[str] | None = None) -> list[Path]:
    """The numbered notebooks in order; with ``names`` those that begin so (``01``, ``02_build``).

    Raises:
        ValueError: there are none, or none of a name.
    """
    found = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    for name in names or []:
        if not any(path.name.startswith(name) for path in found):
            listed = ", ".join(path.stem for path in found)
            raise ValueError(f"no notebook begins with {name!r}; there are: {listed or 'none'}")
    if not found:
        raise ValueError(f"{root / 'notebooks'}: no notebooks named like 01_title.ipynb")
    return [p for p in found if not names or any(p.name.startswith(name) for name in names)]


def read(path: Path) -> NotebookNode:
    """Read a notebook.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises its own and several of json's
        raise ValueError(f"{path}: not a notebook ({error}); restore this file") from error


def write(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook, whole or not at all."""
    nbformat.validate(notebook)
    with replacing(path) as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def is_setup(cell: NotebookNode) -> bool:
    """Whether this is the cell that fetches the course on Colab."""
    return "setup" in cell.metadata.get("tags", [])


def clean(notebook: NotebookNode, root: Path) -> list[str]:
    """Take out of an executed notebook, in place, what does not belong into the repository.

    That is: papermill's metadata and injected parameters, times, widget state together with the
    outputs that need it (whole: the PNG in an explorer's output repeats the static figure beside
    it), messages on stderr, and the folder ``root`` in printed paths. Execution counts become 1…n.

    Returns:
        What was written to stderr, so that nothing is lost unseen.
    """
    removed: list[str] = []
    notebook.metadata = NotebookNode(
        kernelspec={
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        language_info={"name": "python"},
    )
    notebook.cells = [
        c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])
    ]
    count = 0
    for cell in notebook.cells:
        for key in ("papermill", "execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type != "code":
            continue
        removed += [o.text for o in cell.outputs if o.get("name") == "stderr"]
        cell.outputs = [
            output
            for output in cell.outputs
            if output.get("name") != "stderr" and _WIDGET not in output.get("data", {})
        ]
        count += bool(cell.source.strip())
        cell.execution_count = count if cell.source.strip() else None
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = cell.execution_count
            if "text" in output:
                output.text = _relative(output.text, root)
            for kind, value in output.get("data", {}).items():
                if isinstance(value, str) and kind.startswith("text/"):
                    output.data[kind] = _relative(value, root)
    return removed


def _relative(text: str, root: Path) -> str:
    for folder in {str(root), root.as_posix()}:
        text = text.replace(f"{folder}/", "").replace(f"{folder}\\", "").replace(folder, ".")
    return text


def read_address(root: Path) -> str | None:
    """The public address of the repository from ``pyproject.toml``; None while it is the placeholder."""
    project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    address = project["urls"]["Repository"].removesuffix("/").removesuffix(".git")
    return None if address == PLACEHOLDER else address


def setup_source(address: str | None) -> str:
    """The source of every notebook's setup cell.

    On Colab it clones the tag of this version into the current folder, once, and installs the
    clone without dependencies, so that nothing of Colab's changes; it raises RuntimeError with the
    words of git or pip when that fails, or when Colab lacks something that the course needs. The
    last line is for the running kernel, which does not see an editable installation.
    """
    if address is None:
        return """# The course has no address yet, so on Colab this cell only says so.
import sys

if "google.colab" in sys.modules:
    print("To use this on Colab, set Repository in pyproject.toml and run `make address`.")"""
    folder = f"unet-course-{__version__}"
    return f'''# On Colab this cell fetches and installs the course; anywhere else it does nothing.
import os
import subprocess
import sys

if "google.colab" in sys.modules:
    steps = f"""set -e
    [ -d {folder} ] || git -c advice.detachedHead=false clone --quiet --depth 1 \\
        --branch v{__version__} {address} {folder}
    "{{sys.executable}}" -m pip install -qq --no-deps --editable {folder}
    ! "{{sys.executable}}" -m pip check | grep ^unet-course"""
    failed, output = subprocess.getstatusoutput(steps)
    if failed:
        raise RuntimeError("The course could not be installed: " + " ".join(output.split()))
    sys.path.insert(0, os.path.abspath("{folder}"))'''


def set_address(notebook: NotebookNode, name: str, address: str | None) -> None:
    """Write the setup cell and the Colab badge (none while there is no address), in place."""
    for cell in filter(is_setup, notebook.cells):
        cell.source = setup_source(address)
    first = notebook.cells[0]
    first.source = _BADGE.sub("", first.source)
    if address is not None:
        title, _, rest = first.source.partition("\n")
        first.source = f"{title}\n\n{_colab_badge(address, name)}\n\n{rest.lstrip()}".rstrip()


def set_readme_address(text: str, address: str | None) -> str:
    """README with its badges, between the two comments that mark their place."""
    badges = ""
    if address is not None:
        tests = f"{address}/actions/workflows/ci.yml"
        badges = f"[![Tests]({tests}/badge.svg)]({tests})\n"
        badges += _colab_badge(address, "01_explore_the_data.ipynb") + "\n"
    return _README.sub(lambda _: f"<!-- badges -->\n{badges}<!-- /badges -->", text)


def write_address(root: Path) -> list[Path]:
    """Write the address of ``pyproject.toml`` into README and every notebook.

    Returns:
        The files that changed; none the second time.
    """
    address, changed = read_address(root), []
    for path in find_notebooks(root):
        notebook = read(path)
        before = nbformat.writes(notebook)
        set_address(notebook, path.name, address)
        if nbformat.writes(notebook) != before:
            write(path, notebook)
            changed.append(path)
    readme = root / "README.md"
    before = readme.read_text("utf-8")
    after = set_readme_address(before, address)
    if after != before:
        with replacing(readme) as temporary:
            temporary.write_text(after, encoding="utf-8", newline="\n")
        changed.append(readme)
    return changed


def _colab_badge(address: str, name: str) -> str:
    repository = address.removeprefix("https://github.com/")
    link = f"{_COLAB}/github/{repository}/blob/v{__version__}/notebooks/{name}"
    return f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({link})"
