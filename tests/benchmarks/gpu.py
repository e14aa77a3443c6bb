"""Experiments trained whole on a CUDA GPU: minutes, photos per second, memory, utilisation and scores.

``python -m tests.benchmarks.gpu quick full --data carvana480`` trains each, in the precision that the
course chooses there, scores it on validation and test cars, and keeps all as JSON. The GPU should have
nothing else to do. A run that was stopped goes on, but its utilisation is then that of the rest.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from unet_course import data, protocol, training

from . import machine
from .apart import ROOT

RESULTS = ROOT / "outputs" / "gpu.json"
QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]


@contextmanager
def watch(found: dict[str, float]) -> Iterator[None]:
    """Ask ``nvidia-smi`` twice a second how busy the GPU is; ``found`` gets means and peaks.

    ``utilisation`` is the share of time in which the GPU computed anything, however little; ``used_MiB``
    counts CUDA itself, ``tensors_MiB`` only what torch had given to tensors.
    """
    torch.cuda.reset_peak_memory_stats()
    with subprocess.Popen([*QUERY, "-lms", "500"], stdout=subprocess.PIPE, text=True) as smi:
        try:
            yield
        finally:
            smi.terminate()
            lines = smi.stdout.read().splitlines()
    samples = [[float(x) for x in line.split(",")] for line in lines if line.count(",") == 1]
    found["utilisation"] = sum(busy for busy, _ in samples) / len(samples) / 100
    found["used_MiB"] = max(used for _, used in samples)
    found["tensors_MiB"] = torch.cuda.max_memory_allocated() / 2**20


def rates(history: list[dict[str, float]], photos: int) -> dict[str, float]:
    """Photos per second of epochs that were all at half size, and all at full size.

    Validation is part of an epoch. The first one is left out, because it decodes the files.
    """
    found = {}
    for name, small in (("half size", 1), ("full size", 0)):
        seconds = [row["seconds"] for row in history[1:] if row["small"] == small]
        if seconds:
            found[name] = photos * len(seconds) / sum(seconds)
    return found


def measure(name: str, data_dir: Path, *, seed: int, work: Path, results: Path) -> dict[str, Any]:
    """Train and score one experiment; returns the row on the test cars, with what the GPU did."""
    gpu: dict[str, Any] = {"machine": machine.line(machine.describe())}
    with watch(gpu):
        protocol.trained(name, data_dir, seed=seed, work=work)
    with (work / f"{name}-{seed}" / "history.csv").open(encoding="utf-8") as file:
        history = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
    photos = len(data.load_split(data_dir)["train"])
    seconds = sum(row["seconds"] for row in history)
    gpu["photos_per_second"] = {"all": photos * len(history) / seconds} | rates(history, photos)
    for split in ("val", "test"):
        row = protocol.run(name, data_dir, seed=seed, split=split, work=work, results=results)
        row["gpu"] = gpu
        protocol.keep(row, results)
    return row


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    known = [name for name, experiment in protocol.EXPERIMENTS.items() if not experiment.averaged]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", default=["quick", "full"],
                        help=f"quick and full, or some of {', '.join(known)}")  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="real photos at 480x320")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work", type=Path, default=ROOT / "outputs" / "gpu", help="checkpoints")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    if unknown := {*args.names} - {*known}:
        parser.error(f"{min(unknown)!r}: expected some of {', '.join(known)}")
    if not torch.cuda.is_available():
        print(f"{parser.prog}: torch finds no CUDA GPU on this machine", file=sys.stderr)
        return 1
    try:
        for seed in args.seeds:
            for name in args.names:
                row = measure(name, args.data, seed=seed, work=args.work, results=args.results)
                print(f"{name}, seed {seed}: {row['train_minutes']:.2f} minutes, {row['gpu']}, "
                      f"Dice on the test cars {row['dice']:.4f}", flush=True)  # fmt: skip
    except (ValueError, training.TrainingError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
