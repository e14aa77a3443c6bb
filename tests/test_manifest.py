"""What made each committed figure, and when it has to be made again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from unet_course import manifest, notebooks

ROOT = Path(__file__).resolve().parents[1]


def test_no_committed_figure_is_stale() -> None:
    found = manifest.stale(ROOT / "outputs", ROOT)
    listed = "\n".join(f"{name}: {reason}" for name, reason in found.items())
    assert not found, f"run `make figures`, look at them and commit them:\n{listed}"


def test_the_manifest_lists_exactly_the_figures_that_are_there() -> None:
    names = set(manifest.read(ROOT / "outputs"))
    assert names == {path.name for path in (ROOT / "outputs").glob("*.png")} != set()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A notebook that imports one module, which imports another; one figure, written down."""
    package = tmp_path / "unet_course"
    (package / "figures").mkdir(parents=True)
    (package / "data.py").write_text("from unet_course.figures import style\n")
    (package / "figures" / "style.py").write_text("import torch\n")
    (package / "cli.py").write_text("import unet_course.data\n")
    cells = [
        new_markdown_cell("# Title"),
        new_code_cell("!git clone", metadata={"tags": ["setup"]}),
        new_code_cell("from unet_course import data, nothing\nimport os.path"),
    ]
    (tmp_path / "notebooks").mkdir()
    notebooks.write(tmp_path / "notebooks" / "01_x.ipynb", new_notebook(cells=cells))
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "a.png").write_bytes(b"a")
    write_down(tmp_path)
    return tmp_path


def write_down(root: Path) -> None:
    manifest.record(
        root / "outputs", [root / "outputs" / "a.png"], notebook=root / "notebooks" / "01_x.ipynb",
        root=root, parameters={"seed": 0}, versions={"torch": "2"},
    )  # fmt: skip


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_figure_is_fresh_when_its_code_is_as_it_was(project: Path) -> None:
    assert manifest.stale(project / "outputs", project) == {}


@pytest.mark.parametrize(
    "path, old, new",
    [
        ("notebooks/01_x.ipynb", "import os.path", "import os"),
        ("unet_course/data.py", "style\n", "style\nx = 1\n"),
        ("unet_course/figures/style.py", "torch", "numpy"),
    ],
)
def test_a_figure_is_stale_when_code_behind_it_changes(
    path: str, old: str, new: str, project: Path
) -> None:
    edit(project / path, old, new)
    found = manifest.stale(project / "outputs", project)
    assert re.search("01_x.ipynb or a module that it uses has changed", found["a.png"])
    write_down(project)
    assert manifest.stale(project / "outputs", project) == {}


@pytest.mark.parametrize(
    "path, old, new",
    [
        ("notebooks/01_x.ipynb", "# Title", "# Another"),
        ("notebooks/01_x.ipynb", "!git clone", "!git clone --quiet"),
        ("unet_course/cli.py", "data", "losses"),
    ],
)
def test_a_figure_stays_fresh_when_prose_setup_or_other_modules_change(
    path: str, old: str, new: str, project: Path
) -> None:
    edit(project / path, old, new)
    assert manifest.stale(project / "outputs", project) == {}


def test_line_ends_of_windows_change_nothing(project: Path) -> None:
    path = project / "unet_course" / "data.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert manifest.stale(project / "outputs", project) == {}


def test_figures_that_were_replaced_unrecorded_or_orphaned_are_found(project: Path) -> None:
    (project / "outputs" / "a.png").write_bytes(b"b")
    (project / "outputs" / "b.png").write_bytes(b"b")
    assert manifest.stale(project / "outputs", project) == {
        "a.png": "is not the file that the run wrote",
        "b.png": "not in figures.json",
    }
    (project / "notebooks" / "01_x.ipynb").unlink()
    assert "01_x.ipynb is gone" in manifest.stale(project / "outputs", project)["a.png"]


def test_a_figure_that_was_deleted_leaves_the_manifest(project: Path) -> None:
    (project / "outputs" / "a.png").rename(project / "outputs" / "b.png")
    manifest.record(
        project / "outputs", [project / "outputs" / "b.png"], root=project, parameters={},
        notebook=project / "notebooks" / "01_x.ipynb", versions={},
    )  # fmt: skip
    assert set(manifest.read(project / "outputs")) == {"b.png"}


def test_a_damaged_manifest_is_named(project: Path) -> None:
    (project / "outputs" / "figures.json").write_text("{")
    with pytest.raises(ValueError, match=r"figures\.json: damaged .*make figures"):
        manifest.read(project / "outputs")
