"""Evaluation as the number of photos grows: its time should grow with it, its memory should not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from unet_course import data, inference, lesson
from unet_course.checkpoints import load_checkpoint

from .apart import measure_apart
from .comparison import Row, compare
from .machine import cores
from .networks import label
from .pipeline import spread


def evaluation(*, folders: list[Path], fast: bool, **_: Any) -> list[Row]:
    """`inference.evaluate` on more and more photos: time per photo and peak memory."""
    numbers = (4, 8) if fast else (16, 64, 256)
    folder = folders[0]
    samples = data.find_samples(folder)
    numbers = sorted({min(number, len(samples)) for number in numbers})
    variants = {
        f"{n} photos": partial(measure, folder=str(folder), number=n, threads=cores())
        for n in numbers
    }
    height, width = data.read_image(samples[0].image).shape[-2:]
    case = f"photos of {label((width, height))}, {cores()} threads"
    return compare(case, variants, seconds=0, least=1 if fast else 2, warm_up=False)


def measure(folder: str, number: int, threads: int) -> dict[str, float]:
    found = measure_apart(
        "evaluation", "evaluate_photos", folder=folder, number=number, threads=threads
    )
    return {"ms per image": 1000 * found["seconds"] / number, "MiB": found["MiB"]}


def evaluate_photos(folder: str, number: int, threads: int) -> Callable[[], object]:
    """Evaluate the shipped weights on photos from all over a dataset, read one by one as the command does."""
    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(lesson.SHIPPED)
    samples = spread(data.find_samples(folder), number)
    photos = ((s.id, s.car, *data.read_pair(s)) for s in samples)
    return partial(inference.evaluate, checkpoint, photos)
