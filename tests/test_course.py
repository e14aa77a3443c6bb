"""The runner: on small notebooks, in a folder of their own."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from unet_course import course, lesson, notebooks
from unet_course.progress import LOG_VARIABLE

PARAMETERS = "data_dir = None\noutput_dir = None\npreset = None\nseed = 0"
SHOW = "print(data_dir, output_dir, preset, seed)"

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Makes the course's folder with notebooks ``01_x``, ``02_x`` … of one code cell each."""
    root = tmp_path / "a course"
    (root / "notebooks").mkdir(parents=True)
    (root / "README.md").write_text("# Course\n")
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "x"\n[project.urls]\nRepository = "{notebooks.PLACEHOLDER}"\n'
    )
    monkeypatch.setattr(lesson, "ROOT", root)
    monkeypatch.setattr(lesson, "EMBEDDED", root / "data" / "turntable")
    monkeypatch.delenv("UNET_COURSE_PRESET", raising=False)

    def make(*sources: str) -> Path:
        for number, source in enumerate(sources, start=1):
            cells = [
                new_markdown_cell("# A lesson"),
                new_code_cell("", metadata={"tags": ["setup"]}),
                new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
                new_code_cell(source),
            ]
            notebooks.write(root / "notebooks" / f"0{number}_x.ipynb", new_notebook(cells=cells))
        return root

    return make


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


def test_all_notebooks_run_and_leave_copies(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(SHOW, "import sys, os; print(sys.executable, os.environ['OMP_WAIT_POLICY'])")
    before = dict(os.environ)
    assert course.main(["run"]) == 0
    outputs = root / "outputs" / "notebooks"
    assert printed(outputs / "01_x.ipynb") == "None None None 0\n"
    assert printed(outputs / "02_x.ipynb").startswith(sys.executable)
    assert sorted(p.name for p in outputs.iterdir()) == ["01_x.ipynb", "02_x.ipynb"]
    assert nbformat.read(outputs / "01_x.ipynb", 4).cells[-1].execution_count
    assert not any(c.get("outputs") for c in notebooks.read(root / "notebooks/01_x.ipynb").cells)
    out, err = capsys.readouterr()
    assert "notebooks/01_x.ipynb" in out and "2 notebooks in" in out
    assert "02_x: 0." in err
    assert dict(os.environ) == before


def test_the_kernel_is_this_python_whatever_is_installed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    wrong = {"argv": ["/no/such/python", "{connection_file}"], "display_name": "x"}
    (spec / "kernel.json").write_text(json.dumps(wrong | {"language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    root = project("import sys; print(sys.executable)")
    assert course.main(["run"]) == 0
    assert printed(root / "outputs/notebooks/01_x.ipynb").strip() == sys.executable


def test_parameters_that_are_given_reach_the_notebook_with_absolute_paths(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(f"{SHOW}\nassert preset == 'full'", "1 / 0")
    (tmp_path / "my cars").mkdir()
    monkeypatch.chdir(tmp_path)
    assert course.main(["run", "01", "--data", "my cars", "--preset", "full", "--seed", "3"]) == 0
    output = root / "outputs" / "runs" / "my cars"
    text = printed(output / "notebooks" / "01_x.ipynb")
    assert text == f"{tmp_path / 'my cars'} {output} full 3\n"


def test_only_a_run_as_committed_writes_to_outputs(project: Project) -> None:
    root = project(SHOW)
    embedded, runs = root / "data" / "turntable", root / "outputs" / "runs"
    assert course.output_folder(None, "quick", 0) == root / "outputs"
    assert course.output_folder(embedded, "quick", 0) == root / "outputs"
    assert course.output_folder(None, "full", 0) == runs / "turntable"
    assert course.output_folder(None, "quick", 1) == runs / "turntable"
    assert course.output_folder(Path("/data/cars"), "quick", 0) == runs / "cars"


def test_a_failing_notebook_ends_with_one_line_and_keeps_the_older_copy(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project("# why\nraise ValueError('no cars\\nin it')", SHOW)
    older = root / "outputs" / "notebooks" / "01_x.ipynb"
    older.parent.mkdir(parents=True)
    older.write_text("older")
    assert course.main(["run"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("course: 01_x.ipynb, cell [2] (raise ValueError(")
    assert "ValueError: no cars in it (traceback: " in last
    assert older.read_text() == "older"
    assert sorted(p.name for p in older.parent.iterdir()) == ["01_x.failed.ipynb", "01_x.ipynb"]


def test_a_kernel_that_dies_is_said_in_one_line(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project("import os; os._exit(9)")
    assert course.main(["run"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "01_x.ipynb" in last and "memory" in last
    assert list((root / "outputs" / "notebooks").iterdir()) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["run", "07"], "no notebook begins with '07'; there are: 01_x"),
        (["run", "--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_arguments_give_one_line(
    arguments: list[str],
    message: str,
    project: Project,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = project(SHOW)
    assert course.main(arguments) == 1
    assert message in capsys.readouterr().err
    assert not (root / "outputs").exists()


def test_a_folder_without_notebooks_gives_one_line(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project()
    assert course.main(["run"]) == 1
    assert "no notebooks named like" in capsys.readouterr().err


def test_only_notebooks_that_save_figures_run_for_the_figures(project: Project) -> None:
    root = project(SHOW, "def save_figure(): pass\nsave_figure()")
    assert course.main(["run", "--figures"]) == 0
    assert [p.name for p in (root / "outputs" / "notebooks").iterdir()] == ["02_x.ipynb"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_in_the_terminal_shows_cells_and_the_kernels_progress_bar(
    project: Project, tmp_path: Path
) -> None:
    root = project(
        "import time\nfrom unet_course.progress import progress\n"
        "for _ in progress(range(30), desc='training', mininterval=0): time.sleep(0.05)"
    )
    terminal = Terminal()
    course.run([root / "notebooks" / "01_x.ipynb"], tmp_path / "out", {}, stream=terminal)
    lines = terminal.getvalue().split("\r\x1b[K")
    assert any("01_x" in line and "of 4" in line and "training:" in line for line in lines)
    assert printed(tmp_path / "out" / "notebooks" / "01_x.ipynb") == ""


def test_an_old_progress_bar_is_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    status = course.Status("01_x", log, io.StringIO())
    status.write("\rcell 2 of 4")
    assert status.line() == "01_x  0:00  cell 2 of 4"
    log.write_text("training: 10%\rtraining: 20%\r\n")
    assert status.line() == "01_x  0:00  cell 2 of 4  training: 20%"
    os.utime(log, (time.time() - 60,) * 2)
    assert status.line() == "01_x  0:00  cell 2 of 4"


def test_save_writes_clean_outputs_back_and_tells_what_it_left_out(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNET_COURSE_PRESET", "smoke")
    root = project(
        "import os, sys\nprint(os.environ.get('UNET_COURSE_PRESET'), os.getcwd())\n"
        "print('a warning', file=sys.stderr)"
    )
    assert course.main(["save"]) == 0
    path = root / "notebooks" / "01_x.ipynb"
    assert printed(path) == "None notebooks\n"
    assert "left out of the outputs: a warning" in capsys.readouterr().err
    notebook = notebooks.read(path)
    setup, parameters, code = notebook.cells[1:]
    assert (setup.execution_count, parameters.execution_count, code.execution_count) == (1, 2, 3)
    assert "papermill" not in notebook.metadata and code.metadata == {}
    assert "set Repository" in setup.source


def test_save_leaves_a_notebook_that_fails_as_it_was(project: Project) -> None:
    root = project("1 / 0")
    notebooks.write_address(root)
    before = (root / "notebooks" / "01_x.ipynb").read_text("utf-8")
    assert course.main(["save"]) == 1
    assert (root / "notebooks" / "01_x.ipynb").read_text("utf-8") == before


def test_the_report_names_what_is_new_and_the_main_scores(tmp_path: Path) -> None:
    (tmp_path / "old.png").touch()
    os.utime(tmp_path / "old.png", (0, 0))
    scores = dict(
        dice=0.98765, dice_ci95=[0.98, 0.99], accuracy=0.995, n_images=64, n_cars=4, resolution="480x320"
    )  # fmt: skip
    (tmp_path / "metrics.json").write_text(json.dumps(scores))
    text = course.report(tmp_path, time.time() - 60)
    assert "metrics.json" in text and "old.png" not in text
    assert "Dice 0.9877, 95 % interval 0.9800 to 0.9900, accuracy 0.9950" in text
    (tmp_path / "metrics.json").write_text(json.dumps(scores | {"dice_ci95": None}))
    assert "Dice 0.9877, accuracy 0.9950 on 64 photos of 4 cars at 480x320" in course.report(
        tmp_path, time.time() - 60
    )


def test_being_stopped_is_no_error_message(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    project(SHOW)
    monkeypatch.setattr(course, "execute", stop)
    assert course.main(["run"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_kernels_do_not_inherit_the_progress_file_of_another_run() -> None:
    with course._kernel_environment() as log:
        assert os.environ[LOG_VARIABLE] == str(log)
    assert LOG_VARIABLE not in os.environ and not log.parent.exists()
