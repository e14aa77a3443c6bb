"""What a committed notebook has to be like, and the functions that make it so."""

from __future__ import annotations

import ast
import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from unet_course import __version__, notebooks

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = ["data_dir", "output_dir", "preset", "seed"]
MAX_BYTES = 1_500_000
# A cell should fit beside its prose: 15 lines, blank ones and comments included. Up to 18 are let
# pass where cutting a loop or a class in two would harm it; half the cells have 8 lines or fewer.
MAX_LINES, MAX_MEDIAN = 18, 8
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(home|root|Users|work|tmp|private|var|mnt)/|\b[A-Z]:\\\w")
TOKEN = re.compile(r"\{\{[A-Z_0-9]+\}\}")
WIDGET = "application/vnd.jupyter.widget-view+json"


def problems(notebook: NotebookNode, n_bytes: int = 0) -> list[str]:
    """What is wrong with a committed notebook, one line for each; empty when it is good."""
    cells, found = notebook.cells, []
    code = [c for c in cells if c.cell_type == "code" and c.source.strip()]

    def check(good: object, problem: str) -> None:
        if not good:
            found.append(problem)

    check(n_bytes <= MAX_BYTES, f"{n_bytes / 1e6:.1f} MB, at most {MAX_BYTES / 1e6}")
    check("widgets" not in notebook.metadata, "widget state in the metadata")
    check("papermill" not in notebook.metadata, "papermill's metadata")
    check(notebook.metadata.get("kernelspec", {}).get("name") == "python3", "kernel is not python3")
    check(
        cells and cells[0].cell_type == "markdown" and cells[0].source.startswith("# "),
        "the first cell is not a title",
    )
    for tag in ("parameters", "setup"):
        n = sum(tag in c.metadata.get("tags", []) for c in cells)
        check(n == 1, f"{n} cells tagged {tag}, expected one")
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "parameters" in tags:
            check(_assigned(cell.source) == PARAMETERS, f"parameters are not {PARAMETERS}")
        check("injected-parameters" not in tags, "papermill's injected parameters")
    counts = [c.execution_count for c in code]
    check(counts == [*range(1, len(code) + 1)], f"execution counts are {counts}")
    check(any(c.outputs for c in code), "no outputs")
    lengths = [len(c.source.splitlines()) for c in code]
    check(
        not lengths or median(lengths) <= MAX_MEDIAN,
        f"median of lines per cell {median(lengths or [0])}",
    )
    for number in range(1, len(cells) + 1):
        found += [f"cell {number}: {problem}" for problem in _cell_problems(cells, number - 1)]
    return found


def _cell_problems(cells: list[NotebookNode], index: int) -> list[str]:
    cell, found = cells[index], []
    texts = [cell.source]
    if cell.cell_type == "code":
        n = len(cell.source.splitlines())
        if n > MAX_LINES:
            found.append(f"{n} lines of code, at most {MAX_LINES}")
        front = {"setup", "parameters"} & {*cell.metadata.get("tags", [])}
        if not front and not _introduced(cells, index):
            found.append("no prose before this code")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"an error: {output.ename}")
            if output.get("name") == "stderr":
                found.append(f"on stderr: {output.text.strip()[:80]}")
            if WIDGET in output.get("data", {}):
                found.append("a widget's view, without state")
            texts += [output.get("text", ""), *map(str, output.get("data", {}).values())]
            if re.search(r"\w+Warning: ", "".join(texts[1:])):
                found.append("a warning")
    if "papermill" in cell.metadata or "execution" in cell.metadata:
        found.append("metadata of a run")
    for text in texts:
        if match := ABSOLUTE_PATH.search(text):
            found.append(f"a path of some machine: {text[match.start() :][:40]!r}")
        if match := TOKEN.search(text):
            found.append(f"{match[0]} was never filled in")
    return found


def _introduced(cells: list[NotebookNode], index: int) -> bool:
    """Whether prose stands before a code cell; the cells of the front (setup …) do not part them."""
    before = index - 1
    while before >= 0 and {"setup", "parameters"} & {*cells[before].metadata.get("tags", [])}:
        before -= 1
    return before >= 0 and cells[before].cell_type == "markdown" and bool(cells[before].source)


def _assigned(source: str) -> list[str]:
    statements = ast.parse(source).body
    return [s.targets[0].id for s in statements if isinstance(s, ast.Assign)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_notebook_is_good(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert problems(notebook, path.stat().st_size) == []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_notebook_is_as_clean_writes_it(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    cleaned = copy.deepcopy(notebook)
    assert notebooks.clean(cleaned, ROOT) == []
    assert cleaned == notebook


def test_the_six_lessons_are_there() -> None:
    lessons = [path.name[:2] for path in notebooks.find_notebooks(ROOT)]
    assert lessons[:6] == ["01", "02", "03", "04", "05", "06"]


@pytest.fixture
def good() -> NotebookNode:
    """A small notebook without a fault."""
    printed = new_output("stream", name="stdout", text="4\n")
    parameters = "data_dir = None\noutput_dir = None\npreset = None\nseed = 0"
    cells = [
        new_markdown_cell("# A lesson\n\nWhat it is about."),
        new_code_cell("# nothing", metadata={"tags": ["setup"]}, execution_count=1),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}, execution_count=2),
        new_markdown_cell("Two and two:"),
        new_code_cell("print(2 + 2)", execution_count=3, outputs=[printed]),
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def _output(**data: object) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        notebook.cells[4].outputs.append(new_output("display_data", data))

    return spoil


def _stream(name: str, text: str) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        notebook.cells[4].outputs.append(new_output("stream", name=name, text=text))

    return spoil


def _set(cell: int, **changes: object) -> Callable[[NotebookNode], None]:
    def spoil(notebook: NotebookNode) -> None:
        notebook.cells[cell].update(changes)

    return spoil


def _error(notebook: NotebookNode) -> None:
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    notebook.cells[4].outputs.append(error)


def test_a_good_notebook_has_no_problems(good: NotebookNode) -> None:
    nbformat.validate(good)
    assert problems(good) == []


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (_set(0, source="A lesson"), "not a title"),
        (_set(0, source="# A lesson\n\n{{MINUTES}} minutes"), "{{MINUTES}}"),
        (_set(2, source="data_dir = None\nseed = 0"), "parameters are not"),
        (_set(2, metadata={}), "0 cells tagged parameters"),
        (_set(1, metadata={}), "0 cells tagged setup"),
        (_set(4, execution_count=7), "execution counts"),
        (_set(4, execution_count=None), "execution counts"),
        (_set(4, outputs=[]), "no outputs"),
        (_set(4, source="x = 1\n" * 19), "19 lines"),
        (_set(4, source="x = 1\n" * 18), "on average"),
        (_set(3, cell_type="raw"), "no prose"),
        (_set(4, source='open("/home/me/a.csv")'), "a path"),
        (_set(4, metadata={"execution": {}}), "metadata of a run"),
        (_stream("stdout", r"C:\Users\me\a.png"), "a path"),
        (_stream("stdout", "/root/course/a.png"), "a path"),
        (_stream("stdout", "UserWarning: old"), "a warning"),
        (_stream("stderr", "hm"), "on stderr"),
        (_output(**{WIDGET: {"model_id": "1"}, "text/plain": "VBox()"}), "widget's view"),
        (_error, "ValueError"),
        (lambda n: n.metadata.update(widgets={}), "widget state"),
        (lambda n: n.metadata.update(papermill={}), "papermill"),
        (lambda n: n.metadata.update(kernelspec={"name": "mine"}), "python3"),
    ],
)
def test_a_fault_is_found(
    spoil: Callable[[NotebookNode], None], problem: str, good: NotebookNode
) -> None:
    if problem == "on average":  # one long cell among short ones passes; many do not
        good.cells = [good.cells[0], *good.cells[1:3], good.cells[3]] + [good.cells[4]] * 4
        problem = "median"
    spoil(good)
    assert any(problem in found for found in problems(good)), problems(good)


def test_a_heavy_notebook_is_found(good: NotebookNode) -> None:
    assert problems(good, 1_600_000) == ["1.6 MB, at most 1.5"]


def test_pictures_and_addresses_are_no_paths(good: NotebookNode) -> None:
    _output(**{"image/png": "iVBOR/home/me/root/tmp/9A=="})(good)
    good.cells[3].source = "See https://example.org/home/page or data/turntable/train."
    assert problems(good) == []


def test_clean_makes_an_executed_notebook_good(good: NotebookNode, tmp_path: Path) -> None:
    run = copy.deepcopy(good)
    run.metadata.update(papermill={"start_time": "today"}, widgets={"state": {}}, jupytext={})
    run.metadata.language_info.version = "3.11.7"
    run.cells.insert(3, new_code_cell("seed = 1", metadata={"tags": ["injected-parameters"]}))
    for cell in run.cells:
        cell.metadata.papermill = {"duration": 1.0}
        cell.metadata.setdefault("tags", [])
        if cell.cell_type == "code":
            cell.execution_count = 9
    run.cells[5].outputs[0].text = f"{tmp_path / 'outputs' / 'a.png'}\n"
    run.cells[5].outputs += [
        new_output("stream", name="stderr", text="UserWarning: old"),
        new_output("display_data", {WIDGET: {"model_id": "1"}, "image/png": "iVBOR"}),
        new_output("execute_result", {"text/plain": repr(str(tmp_path))}, execution_count=9),
    ]
    removed = notebooks.clean(run, tmp_path)
    assert removed == ["UserWarning: old"]
    assert problems(run) == []
    text, result = run.cells[4].outputs
    assert text.text.replace("\\", "/") == "outputs/a.png\n"
    assert result.data["text/plain"] == "'.'" and result.execution_count == 3
    nbformat.validate(run)
    again = copy.deepcopy(run)
    assert notebooks.clean(again, tmp_path) == [] and again == run


def test_a_damaged_notebook_is_named(tmp_path: Path) -> None:
    (tmp_path / "01_bad.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"01_bad\.ipynb: not a notebook"):
        notebooks.read(tmp_path / "01_bad.ipynb")


@pytest.fixture
def project(good: NotebookNode, tmp_path: Path) -> Path:
    """A folder with a notebook, a README and the placeholder as its address."""
    (tmp_path / "notebooks").mkdir()
    notebooks.write(tmp_path / "notebooks" / "01_lesson.ipynb", good)
    (tmp_path / "README.md").write_text("# Course\n\n<!-- badges -->\n<!-- /badges -->\n\nText.\n")
    _set_address(tmp_path, notebooks.PLACEHOLDER)
    return tmp_path


def _set_address(root: Path, address: str) -> None:
    text = f'[project]\nname = "x"\n[project.urls]\nRepository = "{address}"\n'
    (root / "pyproject.toml").write_text(text)


def test_there_is_no_badge_while_the_address_is_the_placeholder(project: Path) -> None:
    notebooks.write_address(project)
    notebook = notebooks.read(project / "notebooks" / "01_lesson.ipynb")
    assert notebooks.read_address(project) is None
    assert "badge.svg" not in nbformat.writes(notebook)
    assert "badge.svg" not in (project / "README.md").read_text()
    [setup] = filter(notebooks.is_setup, notebook.cells)
    assert "set Repository in pyproject.toml" in setup.source


def test_the_address_is_written_everywhere_once_and_taken_back(project: Path) -> None:
    notebooks.write_address(project)
    path, readme = project / "notebooks" / "01_lesson.ipynb", project / "README.md"
    before = path.read_text("utf-8"), readme.read_text("utf-8")

    _set_address(project, "https://github.com/someone/course.git")
    assert set(notebooks.write_address(project)) == {path, readme}
    assert notebooks.write_address(project) == []
    notebook = notebooks.read(path)
    title = notebook.cells[0].source
    assert title.startswith("# A lesson\n\n[![Open in Colab](") and "What it is about." in title
    assert "/github/someone/course/blob/v" in title and title.count("badge.svg") == 1
    [setup] = filter(notebooks.is_setup, notebook.cells)
    assert "https://github.com/someone/course unet-course" in setup.source
    assert readme.read_text().count("badge.svg") == 2

    _set_address(project, notebooks.PLACEHOLDER)
    notebooks.write_address(project)
    assert (path.read_text("utf-8"), readme.read_text("utf-8")) == before


ADDRESSES = [None, "https://github.com/someone/course"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_setup_cell_does_nothing_outside_colab(
    address: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "getstatusoutput", lambda steps: pytest.fail(steps))
    before = [*sys.path]
    exec(notebooks.setup_source(address), {})
    assert sys.path == before and capfd.readouterr() == ("", "")


@pytest.fixture
def colab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What a cell can see of Colab: its module, and an empty folder to work in."""
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_setup_cell_fetches_this_version_and_installs_it_alone(
    colab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(subprocess, "getstatusoutput", lambda steps: ran.append(steps) or (0, ""))
    exec(notebooks.setup_source("https://github.com/someone/course"), {})
    words = ran[0].split()
    folder = f"unet-course-{__version__}"
    at = words.index("clone")
    assert words[at + 4 : at + 8] == [
        "--branch",
        f"v{__version__}",
        "https://github.com/someone/course",
        folder,
    ]
    assert "--no-deps" in words and sys.path[0] == str(colab / folder)


@pytest.mark.skipif(os.name == "nt", reason="Colab is Linux")
def test_the_setup_cell_says_in_one_line_that_the_course_cannot_be_fetched(colab: Path) -> None:
    nowhere = (colab / "nowhere").as_uri()
    before = [*sys.path]
    with pytest.raises(RuntimeError, match=r"could not be installed: fatal: .*nowhere") as error:
        exec(notebooks.setup_source(nowhere), {})
    assert "\n" not in str(error.value)
    assert sys.path == before and list(colab.iterdir()) == []


def test_without_an_address_the_setup_cell_says_on_colab_what_to_set(
    colab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(notebooks.setup_source(None), {})
    said = capsys.readouterr().out
    assert "set Repository in pyproject.toml" in said and said.count("\n") == 1


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_setup_cell_is_short(address: str | None) -> None:
    assert len(notebooks.setup_source(address).splitlines()) <= 15


def test_notebooks_and_readme_agree_with_the_address() -> None:
    address = notebooks.read_address(ROOT)
    for path in notebooks.find_notebooks(ROOT):
        notebook = notebooks.read(path)
        expected = copy.deepcopy(notebook)
        notebooks.set_address(expected, path.name, address)
        assert notebook == expected, f"{path.name}: run `make address`"
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme == notebooks.set_readme_address(readme, address), "run `make address`"
    assert "<!-- badges -->" in readme
