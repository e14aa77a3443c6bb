"""What made each figure: ``figures.json`` beside the figures names notebook, parameters and versions.

A figure is stale when the code behind it is no longer the code that made it: the cells of its
notebook, or a module of this package that the notebook imports, directly or through another.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unet_course import notebooks
from unet_course.checkpoints import replacing

NAME = "figures.json"


def imported_modules(source: str, root: Path) -> set[Path]:
    """The files of this package below ``root`` that Python source imports by name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = (
        root.joinpath(*name.split(".")).with_suffix(".py")
        for name in names
        if name.startswith("unet_course.")
    )
    return {file for file in files if file.is_file()}


def code_behind(notebook: Path, root: Path) -> str:
    """Twelve hexadecimal digits that change with the notebook's code or a module that it uses."""
    cells = notebooks.read(notebook).cells
    code = [c.source for c in cells if c.cell_type == "code" and not notebooks.is_setup(c)]
    texts, todo = {}, [notebook]
    while todo:
        path = todo.pop()
        if path not in texts:
            # read_text turns Windows' line ends into "\n", so that the digits are the same there
            texts[path] = "\n\n".join(code) if path == notebook else path.read_text("utf-8")
            todo += imported_modules(texts[path], root)
    digest = hashlib.sha256()
    for path in sorted(texts):
        digest.update(f"{path.relative_to(root).as_posix()}\n{texts[path]}\n".encode())
    return digest.hexdigest()[:12]


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifest of a folder of figures, by file name; empty where there is none.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged ({error}); delete it and run `make figures`") from error


def record(
    folder: Path,
    figures: Iterable[Path],
    *,
    notebook: Path,
    root: Path,
    parameters: dict[str, Any],
    versions: dict[str, str],
) -> None:
    """Write into the manifest of ``folder`` what made some figures in it."""
    entries = read(folder)
    for figure in figures:
        entries[figure.name] = {
            "notebook": notebook.relative_to(root).as_posix(),
            "parameters": parameters,
            "versions": versions,
            "code": code_behind(notebook, root),
            "sha256": hashlib.sha256(figure.read_bytes()).hexdigest(),
        }
    entries = {name: entry for name, entry in entries.items() if (folder / name).exists()}
    with replacing(folder / NAME) as temporary:
        text = json.dumps(entries, indent=2, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


def stale(folder: Path, root: Path) -> dict[str, str]:
    """The figures in ``folder`` that have to be made again, each with the reason."""
    entries, found = read(folder), {}
    for figure in sorted(folder.glob("*.png")):
        entry = entries.get(figure.name)
        if entry is None:
            found[figure.name] = f"not in {NAME}"
        elif not (notebook := root / entry["notebook"]).is_file():
            found[figure.name] = f"{entry['notebook']} is gone"
        elif code_behind(notebook, root) != entry["code"]:
            found[figure.name] = f"{entry['notebook']} or a module that it uses has changed"
        elif hashlib.sha256(figure.read_bytes()).hexdigest() != entry["sha256"]:
            found[figure.name] = "is not the file that the run wrote"
    return found
