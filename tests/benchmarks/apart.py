"""One measurement in a process of its own: seconds and peak memory of a function.

A process keeps its peak for good, and the allocator keeps what was freed, so of two things measured in
one process the second is measured wrongly. Here each starts anew: imports first, then the peak so far
is noted, then the function runs, and what the peak has grown by is the function's, set-up included.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def measure_apart(module: str, function: str, **arguments: Any) -> dict[str, float]:
    """Call ``function(**arguments)`` of a module beside this one in a fresh process.

    The function sets up and returns what is to be timed, a call without arguments.

    Returns:
        ``seconds`` of that call, and ``MiB``, by which set-up and call raised the peak.
    """
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.apart",
        f"tests.benchmarks.{module}",
        function,
    ]
    run = subprocess.run(
        [*command, json.dumps(arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if run.returncode:
        raise RuntimeError(f"{function}({arguments}) failed with status {run.returncode}")
    return json.loads(run.stdout.splitlines()[-1])


def peak() -> float:
    """The most memory that this process has had resident, in MiB.

    Linux keeps it in ``/proc``. Its ``ru_maxrss`` is no use here: a process starts with the peak of
    the one that started it. macOS counts bytes.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for text in status.read_text("utf-8").splitlines():
            if text.startswith("VmHWM"):
                return int(text.split()[1]) / 2**10
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 2 ** (20 if sys.platform == "darwin" else 10)


def main(module: str, function: str, arguments: str) -> None:
    prepare = getattr(importlib.import_module(module), function)
    before = peak()
    call = prepare(**json.loads(arguments))
    started = time.perf_counter()
    call()
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "MiB": peak() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
