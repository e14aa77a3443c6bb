"""The data pipeline against bare decoding of the same files, and against what a network consumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from unet_course import data

from .comparison import Measure, Row, compare, timed
from .machine import cores
from .networks import PRECISIONS, QUICK, label, training_step


def pipeline(*, folders: list[Path], fast: bool, **_: Any) -> list[Row]:
    """Photos per second on all cores: decoding alone, the pipeline of training, and its network."""
    threads, size, batch = cores(), QUICK["size"], QUICK["batch_size"]
    torch.set_num_threads(threads)
    sizes = [(size[0] // 2, size[1] // 2), size]  # quick begins at half size
    rows = []
    for folder, seen in product(folders, sizes[:1] if fast else sizes):
        samples = spread(data.find_samples(folder), 2 * batch if fast else 6 * batch)
        augment = data.augmentation(hues=QUICK["hues"])
        plain = data.CarDataset(samples, size=seen, cache=False)
        cold = data.CarDataset(samples, size=seen, cache=False, augment=augment)
        warm = data.CarDataset(samples, size=seen, augment=augment)
        for index in range(len(warm)):
            warm.load(index)
        n = len(samples)
        variants = {
            "decode photo and mask": per_second(decode(samples), n),
            "decode both to tensors": per_second(lambda s=samples: [*map(data.read_pair, s)], n),
            "load, nothing cached": per_second(lambda d=plain: [*map(d.load, range(len(d)))], n),
            "pipeline, nothing cached": per_second(batches(cold, batch), n),
            "pipeline, cached": per_second(batches(warm, batch), n),
        } | {
            f"network trains, {precision}": per_second(
                training_step(QUICK, seen, precision, threads, batch), batch
            )
            for precision in PRECISIONS
        }
        with Image.open(samples[0].image) as photo:
            case = f"{label(photo.size)} to {label(seen)}"
        rows += compare(case, variants, seconds=1 if fast else 25)
    return rows


def spread(samples: Sequence[data.Sample], number: int) -> list[data.Sample]:
    """``number`` samples from all over the dataset (all where there are fewer)."""
    return list(samples[:: max(1, len(samples) // number)][:number])


def decode(samples: Sequence[data.Sample]) -> Callable[[], None]:
    """Decode photos and masks with Pillow, one after the other, and do nothing with them."""
    paths = [path for s in samples for path in (s.image, s.mask)]

    def run() -> None:
        for path in paths:
            with Image.open(path) as file:
                file.load()

    return run


def batches(dataset: data.CarDataset, size: int) -> Callable[[], None]:
    """Go through the dataset in batches of ``size``, in random order, as `training.fit` does on a CPU."""

    def run() -> None:
        order = torch.randperm(len(dataset)).split(size)
        for _ in dataset.batches([part.tolist() for part in order]):
            pass

    return run


def per_second(run: Callable[[], object], images: int) -> Measure:
    return lambda: {"images/s": 1 / timed(run, images=images)}
