"""The notebooks as on Colab: opened alone, with the versions of its image. See `make test-colab`.

Stood in for are the module ``google.colab`` and what lies at the address: a clone of the last commit.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell

from unet_course import __version__, notebooks

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-colab" / "bin" / "python"
NOTEBOOKS = [path.name for path in notebooks.find_notebooks(ROOT)]
ADDRESS = "https://github.com/someone/course"
TAG = f"v{__version__}"
WIDGET = "application/vnd.jupyter.widget-view+json"
# What the course finds, in the kernel and in programs that a reader starts from a cell.
ASK = """
import sys, subprocess, unet_course.lesson
print(unet_course.lesson.ROOT)
print(course.data_dir)
code = "import unet_course; print(unet_course.__version__)"
print(subprocess.check_output([sys.executable, "-c", code], cwd="/", text=True).strip())
command = sys.executable.removesuffix("python") + "unet-course"
print(subprocess.check_output([command, "--help"], text=True).split()[1])
"""

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="run `make test-colab`")


def pip(*words: str) -> str:
    done = subprocess.run([PYTHON, "-m", "pip", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def git(folder: Path, *words: str) -> None:
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "-C", folder, *author, *words], check=True)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last commit as if it were public: it has an address, and a tag for its version."""
    folder = tmp_path_factory.mktemp("public") / "course"
    git(ROOT, "clone", "--quiet", ROOT, folder)
    project = folder / "pyproject.toml"
    text = re.sub(r'(Repository = )".*"', rf'\1"{ADDRESS}"', project.read_text("utf-8"))
    project.write_text(text, "utf-8")
    notebooks.write_address(folder)
    git(folder, "commit", "--quiet", "--all", "--message", "Set the address")
    git(folder, "tag", "--force", TAG)
    return folder


@pytest.fixture(autouse=True)
def stand_in(
    published: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel "colab" in which ``google.colab`` was imported before the first cell.

    What git fetches from ``ADDRESS`` it fetches from ``published``.
    """
    folder = tmp_path_factory.mktemp("stand_in")
    files = {
        "path/google/colab/__init__.py": "",
        "ipython/profile_default/startup/colab.py": "import google.colab",
        "jupyter/kernels/colab/kernel.json": json.dumps(
            {
                "argv": [
                    str(PYTHON),
                    "-Xfrozen_modules=off",
                    "-m",
                    "ipykernel_launcher",
                    "-f",
                    "{connection_file}",
                ],
                "display_name": "Colab",
                "language": "python",
                "env": {
                    "PYTHONPATH": str(folder / "path"),
                    "IPYTHONDIR": str(folder / "ipython"),
                    "UNET_COURSE_PRESET": "smoke",
                },
            }
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(folder / "jupyter"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{published.as_uri()}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", ADDRESS)


@pytest.fixture
def colab() -> Iterator[list[str]]:
    """What is installed, and nothing of it is the course, neither before the test nor after it."""
    pip("uninstall", "--quiet", "--yes", "unet-course")
    yield installed()
    pip("uninstall", "--quiet", "--yes", "unet-course")


def installed() -> list[str]:
    """Every package with its version, but the course."""
    return pip("freeze", "--all", "--exclude", "unet-course").splitlines()


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook from ``folder``, in the kernel that looks like Colab's."""
    client = NotebookClient(notebook, kernel_name="colab", timeout=600)
    client.execute(cwd=str(folder))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_alone(name: str, published: Path, colab: list[str], tmp_path: Path) -> None:
    content = tmp_path / "content"  # where a notebook lives on Colab, with nothing of the course
    content.mkdir()
    shutil.copy(published / "notebooks" / name, content)
    notebook = notebooks.read(content / name)
    [setup] = filter(notebooks.is_setup, notebook.cells)
    notebook.cells += [copy.deepcopy(setup), new_code_cell(ASK)]  # the set-up also runs twice
    run(notebook, content)

    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert [o.text for o in outputs if o.get("name") == "stderr"] == []
    assert setup.outputs == []
    course = content / f"unet-course-{__version__}"
    answers = [str(course), str(course / "data" / "turntable"), __version__, "unet-course"]
    said = "".join(o.text for o in notebook.cells[-1].outputs)
    assert said.splitlines() == answers

    explorers = [o.data for o in outputs if WIDGET in o.get("data", {}) and "image/png" in o.data]
    assert explorers, "no explorer whose output can be shown without widgets"
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    modules = {state["model_module"] for state in widgets.values()}
    assert all(m.startswith("@jupyter-widgets/") for m in modules), "needs a widget manager"

    assert installed() == colab
    assert pip("check") == "No broken requirements found.\n"
    assert "unet-course" in pip("list")


def run_setup(source: str, folder: Path) -> str:
    """The message of the error that a setup cell raises, or else what it prints."""
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell(source)])
    try:
        run(notebook, folder)
    except CellExecutionError:
        [error] = [o for o in notebook.cells[0].outputs if o.output_type == "error"]
        return f"{error.ename}: {error.evalue}"
    return "".join(o.text for o in notebook.cells[0].outputs)


def test_a_dependency_that_colab_lacks_is_named(
    published: Path, colab: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanding = tmp_path / "demanding"
    shutil.copytree(published, demanding)
    project = demanding / "pyproject.toml"
    text = project.read_text("utf-8").replace("accelerate>=", "accelerate>=9")
    project.write_text(text, "utf-8")
    git(demanding, "commit", "--quiet", "--all", "--message", "Need more than Colab has")
    git(demanding, "tag", "--force", TAG)
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{demanding.as_uri()}.insteadOf")
    said = run_setup(notebooks.setup_source(ADDRESS), tmp_path)
    assert said.startswith("RuntimeError: The course could not be installed: ")
    assert f"unet-course {__version__} has requirement accelerate>=9" in said
    assert "1.13.0" in said and "\n" not in said


def test_a_tag_that_does_not_exist_is_named(tmp_path: Path) -> None:
    said = run_setup(notebooks.setup_source(ADDRESS).replace(TAG, "v9.9"), tmp_path)
    assert said.startswith("RuntimeError: The course could not be installed: ")
    assert "Remote branch v9.9 not found" in said and "\n" not in said


def test_without_an_address_the_cell_says_in_one_line_what_to_set(tmp_path: Path) -> None:
    said = run_setup(notebooks.setup_source(None), tmp_path)
    assert said.count("\n") == 1 and "set Repository in pyproject.toml" in said
