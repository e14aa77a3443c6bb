"""Run the course: every numbered notebook through papermill, with live progress.

``python -m unet_course.course run`` executes the notebooks and writes copies; ``save`` executes them
and writes the outputs back to ``notebooks/``; ``address`` writes the repository's public address
into notebooks and README. `make course`, `make notebooks` and `make address` call these.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from unet_course import lesson, notebooks, training
from unet_course.progress import LOG_VARIABLE


class CourseError(RuntimeError):
    """A notebook failed; the message names it, the cell and the error, in one line."""


def output_folder(data_dir: Path | None, preset: str, seed: int) -> Path:
    """Where a run writes: ``outputs/`` as the course is committed, else ``outputs/runs/<data>/``."""
    outputs, folder = lesson.ROOT / "outputs", data_dir or lesson.EMBEDDED
    default = (folder, preset, seed) == (lesson.EMBEDDED, "quick", 0)
    return outputs if default else outputs / "runs" / folder.name


class Status:
    """Shows how far a notebook is: its cells, and the progress bar of the cell that runs.

    In a terminal it is one line that stays in place; in a log it is a line twice a minute. papermill
    writes its bar to this object; the kernel writes its bars to the file ``log``.
    """

    def __init__(self, name: str, log: Path, stream: TextIO) -> None:
        self.name, self.log, self.stream = name, log, stream
        self.cells = ""
        self.started = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def write(self, text: str) -> None:
        self.cells = text.strip() or self.cells

    def flush(self) -> None:
        pass

    def line(self) -> str:
        """The notebook, its minutes, its cells, and the last state of the kernel's progress bar."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        line = f"{self.name}  {minutes}:{seconds:02d}  {self.cells}"
        try:
            recent = time.time() - self.log.stat().st_mtime < 30
            bars = re.split(r"[\r\n]+", self.log.read_text("utf-8", errors="replace")[-1000:])
        except OSError:
            return line
        bars = [bar.strip() for bar in bars if bar.strip()]
        return f"{line}  {bars[-1]}" if recent and bars else line

    def _watch(self) -> None:
        terminal = self.stream.isatty()
        while not self._done.wait(0.5 if terminal else 30):
            if terminal:
                columns = shutil.get_terminal_size().columns
                self.stream.write(f"\r\x1b[K{self.line()[: columns - 1]}")
            else:
                self.stream.write(f"{self.line()}\n")
            self.stream.flush()

    def __enter__(self) -> Status:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self.stream.isatty():
            self.stream.write("\r\x1b[K")


@contextmanager
def _kernel_environment() -> Iterator[Path]:
    """Prepare what kernels inherit; gives the file that their progress bars go to.

    The kernel named ``python3`` is this Python, whatever kernels are installed on the machine; and
    idle threads sleep, because threads that spin slow each other down when anything else runs.
    """
    from ipykernel.kernelspec import write_kernel_spec

    with tempfile.TemporaryDirectory() as folder:
        quiet = [
            "--IPKernelApp.log_level=ERROR"
        ]  # each kernel would warn that loopback is in clear
        write_kernel_spec(Path(folder) / "kernels" / "python3", extra_arguments=quiet)
        log = Path(folder) / "progress"
        before = dict(os.environ)
        os.environ[LOG_VARIABLE] = str(log)
        os.environ["JUPYTER_PATH"] = folder
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            yield log
        finally:
            os.environ.clear()
            os.environ.update(before)


def execute(path: Path, output: Path, parameters: dict[str, Any], stream: TextIO) -> None:
    """Run one notebook and write the executed copy to ``output``, whole or not at all.

    Raises:
        CourseError: a cell failed or the kernel died; the copy with the traceback is kept as
            ``<name>.failed.ipynb`` beside ``output``, which stays as it was.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    partial = output.with_name(f".{output.stem}.partial.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    with _kernel_environment() as log, Status(path.stem, log, stream) as status:
        bar = {"file": status, "bar_format": "cell {n_fmt} of {total_fmt}", "mininterval": 0}
        try:
            papermill.execute_notebook(
                path,
                partial,
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=bar,
                cwd=path.parent,
            )
        except PapermillExecutionError as error:
            os.replace(partial, failed)
            lines = (line.strip() for line in error.source.splitlines())
            first = next((line for line in lines if line and not line.startswith("#")), "")
            message = " ".join(error.evalue.split())
            raise CourseError(
                f"{path.name}, cell [{error.exec_count}] ({first}): {error.ename}: {message} "
                f"(traceback: {failed})"
            ) from error
        except DeadKernelError as error:
            partial.unlink(missing_ok=True)
            raise CourseError(
                f"{path.name}: its Python process ended before the notebook did; was the memory used up?"
            ) from error
    os.replace(partial, output)
    failed.unlink(missing_ok=True)


def run(
    paths: list[Path], output_dir: Path, parameters: dict[str, Any], *, stream: TextIO | None = None
) -> dict[str, float]:
    """Run notebooks in order; copies go to ``output_dir/notebooks``.

    Returns:
        The seconds that each took, by name.

    Raises:
        CourseError: as `execute`; the notebooks after it are not run.
    """
    stream, seconds = stream or sys.stderr, {}
    for path in paths:
        started = time.monotonic()
        execute(path, output_dir / "notebooks" / path.name, parameters, stream)
        seconds[path.stem] = time.monotonic() - started
        print(f"{path.stem}: {seconds[path.stem] / 60:.1f} min", file=stream, flush=True)
    return seconds


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

    c = commands.add_parser("save", help="execute the notebooks and write their outputs back")
    c.add_argument("notebooks", nargs="*", help="how their names begin (all)")

    commands.add_parser("address", help="write the repository's address into notebooks and README")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what a user can mend ends it with one line and status 1."""
    args = build_parser().parse_args(arguments)
    try:
        {"run": _run, "save": _save, "address": _address}[args.command](args)
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
    data_dir = args.data.resolve() if args.data else None
    if data_dir and not data_dir.is_dir():
        raise ValueError(f"{data_dir}: no such folder; DATA is one with train/ and train_masks/")
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


def _save(args: argparse.Namespace) -> None:
    _address(args)
    save(notebooks.find_notebooks(lesson.ROOT, args.notebooks))


def _address(_: argparse.Namespace) -> None:
    for path in notebooks.write_address(lesson.ROOT):
        print(f"address written to {path.relative_to(lesson.ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
