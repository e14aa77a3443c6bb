"""The runner: on small notebooks, in a folder of their own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from unet_course import course, manifest, notebooks

SHOW = "print(data_dir, output_dir, preset, seed)"

Project = Callable[..., Path]  # the fixture that makes notebooks


def printed(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


def test_all_notebooks_run_and_leave_copies(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(SHOW, "import sys; print(sys.executable)")
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


DRAW = """
from pathlib import Path
import matplotlib.pyplot as plt
from unet_course.figures.style import save_figure, use_style
use_style()
plt.plot([0, seed])
save_figure(plt.gcf(), Path(output_dir or "../outputs") / "line.png")
"""


def test_a_run_writes_down_what_made_its_figures(project: Project) -> None:
    root = project(SHOW, DRAW)
    assert course.main(["run"]) == 0
    manifest_file = root / "outputs" / "figures.json"
    (entry,) = json.loads(manifest_file.read_text("utf-8")).values()
    assert entry["notebook"] == "notebooks/02_x.ipynb"
    assert entry["parameters"] == {"data": "turntable", "preset": "quick", "seed": 0}
    assert entry["versions"]["matplotlib"]
    first = manifest_file.read_bytes(), (root / "outputs" / "line.png").read_bytes()
    assert course.main(["run", "--figures"]) == 0
    assert first == (manifest_file.read_bytes(), (root / "outputs" / "line.png").read_bytes())


@pytest.mark.parametrize(
    "format, magic", [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_one_figure_is_made_again_in_another_format_and_nothing_else_changes(
    format: str, magic: bytes, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(DRAW)
    assert course.main(["run"]) == 0
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    capsys.readouterr()
    target = tmp_path / "slides" / f"line.{format}"
    arguments = ["figure", "line", "--format", format, "--output", str(target.parent)]
    assert course.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(target)
    once = target.read_bytes()
    assert once.startswith(magic)
    assert course.main(arguments) == 0
    assert target.read_bytes() == once
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_one_figure_is_made_as_wide_as_asked_and_as_the_seed_says(project: Project) -> None:
    root = project(DRAW)
    assert course.main(["run"]) == 0
    assert course.main(["figure", "line", "--width", "1234", "--seed", "2"]) == 0
    with Image.open(root / "outputs" / "figures" / "line.png") as image:
        assert image.width == 1234


def test_one_figure_takes_the_network_that_was_trained(project: Project) -> None:
    root = project(DRAW + "print(open(f'{output_dir}/training/unet.safetensors').read())")
    (root / "outputs" / "training").mkdir(parents=True)
    (root / "outputs" / "training" / "unet.safetensors").write_text("trained")
    figure = root / "outputs" / "line.png"
    figure.touch()
    manifest.record(
        figure.parent, [figure], notebook=root / "notebooks" / "01_x.ipynb", root=root,
        parameters={}, versions={},
    )  # fmt: skip
    assert course.main(["figure", "line"]) == 0
    assert course.main(["figure", "line", "--preset", "smoke"]) == 1  # nothing trained so


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["curve"], "no figure 'curve'; there are: line"),
        (["line", "--format", "docx"], "format 'docx', width None: expected one of"),
        (["line", "--width", "0"], "a width in pixels of 1 or more"),
    ],
)
def test_a_figure_that_cannot_be_made_gives_one_line(
    arguments: list[str], message: str, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project(DRAW)
    assert course.main(["run"]) == 0
    capsys.readouterr()
    assert course.main(["figure", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
