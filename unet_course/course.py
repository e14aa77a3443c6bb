"""Run the course: every numbered notebook through papermill, with live progress.

``python -m unet_course.course run`` executes the notebooks and writes copies; ``save`` executes them
and writes the outputs back to ``notebooks/``; ``figure`` makes one figure again, at any size and in
any format; ``address`` writes the repository's public address into notebooks and README. `make
course`, `make notebooks`, `make figure` and `make address` call these.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

from unet_course import lesson, manifest, notebooks, training
from unet_course.checkpoints import replacing
from unet_course.execution import CourseError, execute
from unet_course.figures import style


def output_folder(data_dir: Path | None, preset: str, seed: int) -> Path:
    """Where a run writes: ``outputs/`` as the course is committed, else ``outputs/runs/<data>/``."""
    outputs, folder = lesson.ROOT / "outputs", data_dir or lesson.EMBEDDED
    default = (folder, preset, seed) == (lesson.EMBEDDED, "quick", 0)
    return outputs if default else outputs / "runs" / folder.name


def run(
    paths: list[Path], output_dir: Path, parameters: dict[str, Any], *, stream: TextIO | None = None
) -> dict[str, float]:
    """Run notebooks in order; copies go to ``output_dir/notebooks``.

    What made the figures that they write is kept in ``output_dir/figures.json``.

    Returns:
        The seconds that each took, by name.

    Raises:
        CourseError: as `execute`; the notebooks after it are not run.
    """
    stream, seconds = stream or sys.stderr, {}
    for path in paths:
        before, started = _figure_times(output_dir), time.monotonic()
        execute(path, output_dir / "notebooks" / path.name, parameters, stream)
        seconds[path.stem] = time.monotonic() - started
        drawn = [
            figure for figure, t in _figure_times(output_dir).items() if t != before.get(figure)
        ]
        if drawn:
            manifest.record(
                output_dir, drawn, notebook=path, root=lesson.ROOT,
                parameters=_resolved(parameters), versions=lesson.versions(),
            )  # fmt: skip
        print(f"{path.stem}: {seconds[path.stem] / 60:.1f} min", file=stream, flush=True)
    return seconds


def _figure_times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def _resolved(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that say what a notebook computed, its defaults included; no folder of this machine."""
    data_dir = Path(parameters.get("data_dir") or lesson.EMBEDDED)
    preset = parameters.get("preset") or os.environ.get("UNET_COURSE_PRESET") or "quick"
    return {"data": data_dir.name, "preset": preset, "seed": parameters.get("seed", 0)}


def draw(
    name: str,
    output_dir: Path,
    *,
    data_dir: Path | None = None,
    preset: str = "quick",
    seed: int = 0,
    format: str = "png",
    width: int | None = None,
    stream: TextIO | None = None,
) -> Path:
    """Make one figure again, by running the notebook that made it, and nothing else.

    The network is the one that the course trained on this data with this preset and seed; where
    there is none, the notebook trains it.

    Args:
        name: of the figure, e.g. ``inference``; those in ``outputs/figures.json``.
        output_dir: where ``<name>.<format>`` goes.
        format: what matplotlib can write, e.g. ``"png"``, ``"pdf"`` or ``"svg"``.
        width: pixels; in a PDF or SVG it sets how fine the photos inside are. None: 130 per inch.

    Returns:
        The figure's path.

    Raises:
        CourseError: as `execute`.
        ValueError: there is no such figure.
    """
    known = {
        Path(key).stem: e["notebook"] for key, e in manifest.read(lesson.ROOT / "outputs").items()
    }
    if name not in known:
        raise ValueError(f"no figure {name!r}; there are: {', '.join(sorted(known)) or 'none'}")
    notebook = lesson.ROOT / known[name]
    trained = output_folder(data_dir, preset, seed) / "training" / "unet.safetensors"
    parameters = {"data_dir": data_dir and str(data_dir), "preset": preset, "seed": seed}
    target = output_dir / f"{name}.{format}"
    with tempfile.TemporaryDirectory() as folder, style.figure_files(format, width):
        if trained.is_file():
            (Path(folder) / "training").mkdir()
            shutil.copy(trained, Path(folder) / "training")
        parameters["output_dir"] = folder
        execute(notebook, Path(folder) / notebook.name, parameters, stream or sys.stderr)
        with replacing(target) as temporary:
            shutil.copyfile(Path(folder) / target.name, temporary)
    return target


def save(paths: list[Path], *, stream: TextIO | None = None) -> None:
    """Run notebooks as they are committed, and write them back with outputs, cleaned.

    A notebook is written only when it ran to its end.

    Raises:
        CourseError: as `execute`.
    """
    os.environ.pop("UNET_COURSE_PRESET", None)
    stream, outputs = stream or sys.stderr, lesson.ROOT / "outputs"
    for path in paths:
        run([path], outputs, {}, stream=stream)
        notebook = notebooks.read(outputs / "notebooks" / path.name)
        for text in notebooks.clean(notebook, lesson.ROOT):
            print(f"{path.stem}: left out of the outputs: {text.strip()}", file=stream)
        notebooks.write(path, notebook)


def report(output_dir: Path, since: float) -> str:
    """What a run wrote in ``output_dir`` after the time ``since``, and the main scores."""
    kept = [
        path.relative_to(output_dir)
        for path in sorted(output_dir.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.stat().st_mtime >= since
    ]
    lines = [f"written to {output_dir}:"]
    lines += [f"  {path.as_posix()}" for path in kept if path.parts[0] != "runs"]
    metrics = output_dir / "metrics.json"
    if metrics.exists() and metrics.stat().st_mtime >= since:
        m = json.loads(metrics.read_text("utf-8"))
        interval = m["dice_ci95"]  # None with one car
        spread = f", 95 % interval {interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
        lines.append(
            f"Dice {m['dice']:.4f}{spread}, accuracy {m['accuracy']:.4f} "
            f"on {m['n_images']} photos of {m['n_cars']} cars at {m['resolution']}"
        )
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m unet_course.course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    c = commands.add_parser("run", help="execute the notebooks, write copies, figures and metrics")
    c.add_argument("notebooks", nargs="*", help="how their names begin, e.g. 01 04 (all)")
    c.add_argument("--data", type=Path, help="a folder in Carvana's layout (data/turntable)")
    c.add_argument("--preset", choices=training.PRESETS, help="size of the training run (quick)")
    c.add_argument("--seed", type=int, help="of every random choice (0)")
    c.add_argument("--output", type=Path, help="outputs/, or outputs/runs/<data>/")
    c.add_argument("--figures", action="store_true", help="only notebooks that save a figure")

    c = commands.add_parser("figure", help="make one figure again, for a slide or a paper")
    c.add_argument("name", help="as in outputs/figures.json, without ending, e.g. inference")
    c.add_argument("--format", default="png", help="png, pdf, svg, … (png)")
    c.add_argument("--width", type=int, help="pixels; in pdf and svg of the photos inside")
    c.add_argument("--data", type=Path, help="a folder in Carvana's layout (data/turntable)")
    c.add_argument("--preset", choices=training.PRESETS, default="quick")
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--output", type=Path, help="a folder (outputs/figures)")

    c = commands.add_parser("save", help="execute the notebooks and write their outputs back")
    c.add_argument("notebooks", nargs="*", help="how their names begin (all)")

    commands.add_parser("address", help="write the repository's address into notebooks and README")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what a user can mend ends it with one line and status 1."""
    args = build_parser().parse_args(arguments)
    try:
        {"run": _run, "figure": _figure, "save": _save, "address": _address}[args.command](args)
    except (CourseError, ValueError, OSError) as error:
        print(f"course: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("course: stopped; a training run goes on where it was next time", file=sys.stderr)
        return 130
    return 0


def _run(args: argparse.Namespace) -> None:
    paths = notebooks.find_notebooks(lesson.ROOT, args.notebooks)
    if args.figures:
        paths = [path for path in paths if "save_figure(" in path.read_text("utf-8")]
    data_dir = _data_folder(args)
    preset = args.preset or os.environ.get("UNET_COURSE_PRESET") or "quick"
    default = output_folder(data_dir, preset, args.seed or 0)
    output_dir = args.output.resolve() if args.output else default
    parameters = {"data_dir": data_dir and str(data_dir), "preset": args.preset, "seed": args.seed}
    if output_dir != lesson.ROOT / "outputs":
        parameters["output_dir"] = str(output_dir)
    parameters = {name: value for name, value in parameters.items() if value is not None}
    since = time.time()
    seconds = run(paths, output_dir, parameters)
    print(report(output_dir, since))
    print(f"{len(seconds)} notebooks in {sum(seconds.values()) / 60:.1f} min")


def _data_folder(args: argparse.Namespace) -> Path | None:
    data_dir = args.data.resolve() if args.data else None
    if data_dir and not data_dir.is_dir():
        raise ValueError(f"{data_dir}: no such folder; DATA is one with train/ and train_masks/")
    return data_dir


def _figure(args: argparse.Namespace) -> None:
    output_dir = args.output or lesson.ROOT / "outputs" / "figures"
    path = draw(
        args.name, output_dir.resolve(), data_dir=_data_folder(args), preset=args.preset,
        seed=args.seed, format=args.format, width=args.width,
    )  # fmt: skip
    print(path)


def _save(args: argparse.Namespace) -> None:
    _address(args)
    save(notebooks.find_notebooks(lesson.ROOT, args.notebooks))


def _address(_: argparse.Namespace) -> None:
    for path in notebooks.write_address(lesson.ROOT):
        print(f"address written to {path.relative_to(lesson.ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
