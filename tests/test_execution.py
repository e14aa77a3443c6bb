"""One notebook through papermill: its kernel, its progress, its death."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from unet_course import course, execution, notebooks
from unet_course.progress import LOG_VARIABLE

Project = Callable[..., Path]  # the fixture that makes notebooks


def printed(path: Path) -> str:
    return "".join(
        o.get("text", "") for c in notebooks.read(path).cells for o in c.get("outputs", [])
    )


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


def test_a_kernel_that_dies_is_said_in_one_line(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project("import os; os._exit(9)")
    assert course.main(["run"]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "01_x.ipynb" in last and "memory" in last
    assert list((root / "outputs" / "notebooks").iterdir()) == []


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
    status = execution.Status("01_x", log, io.StringIO())
    status.write("\rcell 2 of 4")
    assert status.line() == "01_x  0:00  cell 2 of 4"
    log.write_text("training: 10%\rtraining: 20%\r\n")
    assert status.line() == "01_x  0:00  cell 2 of 4  training: 20%"
    os.utime(log, (time.time() - 60,) * 2)
    assert status.line() == "01_x  0:00  cell 2 of 4"


def test_kernels_do_not_inherit_the_progress_file_of_another_run() -> None:
    with execution._kernel_environment() as log:
        assert os.environ[LOG_VARIABLE] == str(log)
    assert LOG_VARIABLE not in os.environ and not log.parent.exists()
