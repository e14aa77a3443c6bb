"""Prediction in tiles against that of the whole photo: agreement, seams, time, and memory as photos grow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unet_course import data, lesson
from unet_course.checkpoints import load_checkpoint
from unet_course.inference import predict_tiled, predict_tiles

from .apart import measure_apart
from .comparison import Row, compare
from .machine import cores
from .networks import CARVANA, SIZES, label

TILE = (960, 640)
# 2.5, 10, 39 and 101 megapixels
GROWING = (CARVANA, (3836, 2560), (7672, 5120), (12288, 8192))


def tiles(*, folders: list[Path], fast: bool, **_: Any) -> list[Row]:
    """The shipped network on all pixels of a photo, whole and in tiles: agreement, seams, time, memory."""
    threads = cores()
    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(lesson.SHIPPED)
    size, tile = (SIZES[0], (120, 80)) if fast else (CARVANA, TILE)
    photo = data.resize_image(data.read_image(data.find_samples(folders[-1])[0].image), size)
    whole = predict_tiled(checkpoint, photo, tile=size)

    def against_the_whole(halo: int) -> dict[str, float]:
        tiled = predict_tiled(checkpoint, photo, tile=tile, halo=halo)
        largest = (tiled - whole).abs().max().item()
        return {"largest difference": largest, "step at borders": step(tiled) / step(whole)}

    def step(probability: Tensor) -> float:
        """Mean absolute difference of the pixels on either side of the tiles' borders."""
        across = probability.diff(dim=1)[:, tile[0] - 1 :: tile[0]]
        down = probability.diff(dim=0)[tile[1] - 1 :: tile[1]]
        return torch.cat([across.flatten(), down.flatten()]).abs().mean().item()

    case = f"{label(size)}, tiles of {label(tile)}"
    variants = {
        f"halo {halo}": partial(against_the_whole, halo) for halo in (0, 64, checkpoint.model.reach)
    }
    rows = compare(case, variants, seconds=0, least=1, warm_up=False)
    growing = SIZES[:2] if fast else GROWING
    variants = {"whole": partial(measure, growing[0], growing[0])} | {
        f"in tiles, {label(size)}": partial(measure, size, tile) for size in growing
    }
    case = f"{label(growing[0])} and larger, {threads} threads"
    return rows + compare(case, variants, seconds=0, least=1 if fast else 2, warm_up=False)


def measure(size: tuple[int, int], tile: tuple[int, int]) -> dict[str, float]:
    found = measure_apart("tiles", "go_through", size=size, tile=tile, threads=cores())
    return {"MiB": found["MiB"], "s per photo": found["seconds"]}


def go_through(size: tuple[int, int], tile: tuple[int, int], threads: int) -> Callable[[], None]:
    """Predict a photo that takes no memory itself, and keep nothing of the answer."""
    torch.set_num_threads(threads)
    checkpoint = load_checkpoint(lesson.SHIPPED)
    photo = torch.full((3, 1, 1), 128, dtype=torch.uint8).expand(3, size[1], size[0])

    def run() -> None:
        for _ in predict_tiles(checkpoint, photo, tile=tuple(tile)):
            pass

    return run
