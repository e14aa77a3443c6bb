"""Execute one notebook through papermill, with its progress on one line."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from unet_course.progress import LOG_VARIABLE


class CourseError(RuntimeError):
    """A notebook failed; the message names it, the cell and the error, in one line."""


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

    The kernel named ``python3`` is this Python, whatever kernels are installed on the machine.
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
