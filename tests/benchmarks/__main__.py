"""Run the benchmarks, print a table of each, and write all of it as JSON if asked."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from unet_course.checkpoints import replacing
from unet_course.data import DataError

from . import evaluation, machine, networks, pipeline, tiles
from .apart import ROOT
from .comparison import table

TURNTABLE = ROOT / "data" / "turntable"
BENCHMARKS = {
    "training": networks.training,
    "inference": networks.inference,
    "memory": networks.memory,
    "classic": networks.classic,
    "frontier": networks.frontier,
    "pipeline": pipeline.pipeline,
    "evaluation": evaluation.evaluation,
    "tiles": tiles.tiles,
}


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"all of them, or some: {', '.join(BENCHMARKS)}"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="photos for pipeline, evaluation and tiles, in Carvana's layout ($UNET_COURSE_CARVANA, else "
        "data/turntable and, for pipeline and tiles, data/turntable/1918x1280)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write the numbers to this file; other benchmarks' stay in it")  # fmt: skip
    parser.add_argument(
        "--fast", action="store_true", help="smallest sizes, few rounds: does everything work?"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if unknown := set(args.names) - BENCHMARKS.keys():
        parser.error(f"{min(unknown)!r}: expected some of {', '.join(BENCHMARKS)}")
    given = args.data or os.environ.get("UNET_COURSE_CARVANA")
    folders = [Path(given).resolve()] if given else [TURNTABLE, TURNTABLE / "1918x1280"]
    on = machine.describe()
    print(machine.line(on))
    if (on["load"] or 0) > machine.BUSY:
        print(
            f"warning: load average {on['load']}: this machine has other things to do; ratios may "
            "hold, times do not",
            file=sys.stderr,
        )
    try:
        for name in args.names or BENCHMARKS:
            run, started = BENCHMARKS[name], time.perf_counter()
            rows = run(folders=folders, fast=args.fast)
            torch.set_num_threads(machine.cores())
            seconds = time.perf_counter() - started
            what = (run.__doc__ or "").strip().splitlines()[0]
            print(f"\n{name} ({seconds:.0f} s): {what}\n{table(rows)}", flush=True)
            result = {"what": what, "machine": on, "fast": args.fast, "seconds": seconds}
            if args.json:
                keep(name, result | {"rows": [r.as_dict() for r in rows]}, args.json)
    except (DataError, OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


def keep(name: str, result: dict[str, Any], path: Path) -> None:
    """Put a benchmark's result into the file, in the place of an earlier one."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(kept | {name: result}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
