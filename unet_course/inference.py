"""Prediction at a photo's own size, and evaluation of a checkpoint on many photos."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as tvf

from unet_course import metrics
from unet_course.checkpoints import Checkpoint, replacing
from unet_course.devices import collect

Window: TypeAlias = tuple[EllipsisType, slice, slice]  # rows and columns of a photo


def prepare_image(image: Tensor, checkpoint: Checkpoint) -> Tensor:
    """Normalise a uint8 photo ``(3, H, W)`` as the checkpoint says: float32 ``(1, 3, H, W)``."""
    image = tvf.to_dtype(image.as_subclass(Tensor).contiguous(), torch.float32, scale=True)
    return tvf.normalize(image, checkpoint.mean, checkpoint.std)[None]


@torch.no_grad()
def predict(checkpoint: Checkpoint, image: Tensor, *, flip: bool = False) -> Tensor:
    """Probability of every pixel of a photo, at the photo's own size: of car, or of each class.

    The photo is resized to the size that the network was trained at; the probabilities, not the
    decisions, are then upsampled to the photo's size, which keeps the outline between pixels.

    Args:
        image: uint8 ``(3, H, W)``, any size.
        flip: average with the prediction of the mirrored photo (twice the time).

    Returns:
        float32 in 0…1. ``(H, W)`` for car or not car: compare with a threshold to get a mask.
        ``(C, H, W)`` for several classes, adding up to 1: take ``argmax(0)`` to get the class of
        each pixel, or `car_probability`.
    """
    width, height = checkpoint.size
    device = next(checkpoint.model.parameters()).device
    resized = tvf.resize(image.as_subclass(Tensor), [height, width], antialias=True)
    batch = prepare_image(resized, checkpoint).to(device)
    probability = _probability(checkpoint.model, batch, flip).cpu()
    full = F.interpolate(probability, image.shape[-2:], mode="bilinear", antialias=True)
    return full[0, 0 if checkpoint.binary else slice(None)].clamp(0, 1)


@torch.no_grad()
def predict_tiles(
    checkpoint: Checkpoint,
    image: Tensor,
    *,
    tile: tuple[int, int] = (960, 640),
    halo: int | None = None,
    flip: bool = False,
) -> Iterator[tuple[Window, Tensor]]:
    """Predict a photo at its own size, tile by tile, as if the network saw all of it at once.

    The network sees each tile with a halo, the pixels around it that can change its answer; what it
    says of the halo itself is dropped (the paper's overlap-tile strategy, figure 2, for a network
    that pads). What it sees begins at a multiple of ``stem * 2**depth``, so that it pools the same
    squares as in the whole photo. Hence the tiles fit without blending, and only rounding sets them
    apart from the whole: on a CPU less than 1e-4, up to the photo's borders. Two exceptions: a halo
    smaller than `UNet.reach`, and ``norm="group"``, whose statistics are those of all that the
    network sees at once, here of the tile.

    The photo is not resized: use a network trained at this scale of car. Memory depends on the tile
    and not on the photo, of which only the pixels of a tile are read at a time. So a photo may lie on
    disk, and no array of floats of its size is needed to get its mask::

        photo = torch.from_numpy(np.load("photo.npy", mmap_mode="c"))  # uint8 (3, H, W)
        mask = torch.zeros(photo.shape[-2:], dtype=torch.bool)
        for window, probability in predict_tiles(checkpoint, photo):
            mask[window] = probability > 0.5

    Args:
        image: uint8 ``(3, H, W)``, any size.
        tile: ``(width, height)`` of what is kept of a tile, in pixels. Up to the halo and a square
            of the grid more on every side goes through the network. A smaller photo is one tile.
        halo: pixels around a tile that the network sees at least; None: `UNet.reach`.
        flip: average with the prediction of the mirrored photo (twice the time).

    Yields:
        The window of a tile, to index the last two dimensions of an array by, and its probabilities,
        float32 in 0…1 on the CPU: ``(h, w)`` or ``(C, h, w)`` as `predict`. Row by row, every pixel once.

    Raises:
        ValueError: the tile is empty, the halo negative, or the network made with
            ``padding="valid"``; with the first tile.
    """
    config = checkpoint.model.config
    if min(tile) < 1 or (halo is not None and halo < 0):
        raise ValueError(f"tile {tile}, halo {halo}: must be at least 1x1 pixel, and at least 0")
    if config["padding"] == "valid":
        raise ValueError('tiles need a network of padding="same", which answers for every pixel')
    halo = checkpoint.model.reach if halo is None else halo
    height, width = image.shape[-2:]
    for top in range(0, height, tile[1]):
        for left in range(0, width, tile[0]):
            rows = slice(top, min(top + tile[1], height))
            columns = slice(left, min(left + tile[0], width))
            probability = _predict_window(checkpoint, image, rows, columns, halo)
            if flip:
                mirrored = _predict_window(checkpoint, image, rows, columns, halo, mirrored=True)
                probability = (probability + mirrored) / 2
            yield (..., rows, columns), probability[0 if checkpoint.binary else slice(None)].cpu()


def predict_tiled(
    checkpoint: Checkpoint,
    image: Tensor,
    *,
    tile: tuple[int, int] = (960, 640),
    halo: int | None = None,
    flip: bool = False,
) -> Tensor:
    """As `predict`, but at the photo's own size: the tiles of `predict_tiles`, put together.

    Args:
        image, tile, halo, flip: as `predict_tiles`.

    Returns:
        float32 in 0…1, ``(H, W)`` or ``(C, H, W)`` as `predict`: 4·C bytes per pixel of the photo, the
        only memory that grows with it.

    Raises:
        ValueError: as `predict_tiles`.
    """
    classes = () if checkpoint.binary else (len(checkpoint.classes),)
    answer = torch.empty(*classes, *image.shape[-2:])
    for window, probability in predict_tiles(checkpoint, image, tile=tile, halo=halo, flip=flip):
        answer[window] = probability
    return answer


def car_probability(probability: Tensor) -> Tensor:
    """Probability of car ``(H, W)`` from what `predict` gives: of car itself, or of all but background.

    Where this is above one half, the largest probability of a class may still be background's: of 0.4
    background, 0.3 body and 0.3 glass, `argmax` makes background.
    """
    return probability if probability.ndim == 2 else 1 - probability[0]


def evaluate(
    checkpoint: Checkpoint,
    photos: Iterable[tuple[str, str, Tensor, Tensor]],
    *,
    threshold: float = 0.5,
    predictor: Callable[[Checkpoint, Tensor], Tensor] = predict,
    parts: bool = False,
) -> dict[str, Any]:
    """Score a checkpoint on photos, each at its own resolution.

    Args:
        photos: id, car, uint8 photo ``(3, H, W)`` and 0/1 mask ``(H, W)`` of each image. Of several
            processes each gives its `devices.share`, and all get the scores of the whole.
        threshold: a pixel is car where its `car_probability` is above this.
        predictor: maps checkpoint and photo to probabilities, e.g. `predict`.
        parts: masks hold the class of each pixel, in the order of the checkpoint's ``classes``, which
            are scored besides the car (any class but the first).

    Returns:
        ``n_images``, ``n_cars``, ``resolution``, ``threshold``; ``accuracy``, ``dice``, ``iou`` and
        ``boundary_f1`` (means over images), ``boundary_tolerance`` (pixels), ``dice_pooled``,
        ``dice_ci95`` (bootstrap over cars; null with one car), ``worst`` (ids of the five lowest
        Dice scores) and ``images`` (one row of scores per image). With ``parts`` also ``parts``, as
        `summarise_parts` says.

    Raises:
        ValueError: there are no photos, or parts are asked of a network of car or not car.
    """
    classes = checkpoint.classes
    if parts and checkpoint.binary:
        raise ValueError(
            f"a network for {', '.join(classes)} has no parts to score; give car masks"
        )
    rows: list[dict[str, Any]] = []
    for name, car, image, mask in photos:
        probability, mask = predictor(checkpoint, image), mask.as_subclass(Tensor)[None]
        predicted, truth = (car_probability(probability) > threshold)[None], mask > 0
        tp, fp, fn, _ = metrics.confusion(predicted, truth)
        rows.append({
            "id": name, "car": car, "resolution": f"{image.shape[-1]}x{image.shape[-2]}",
            "dice": metrics.dice(predicted, truth).item(),
            "iou": metrics.iou(predicted, truth).item(),
            "accuracy": metrics.accuracy(predicted, truth).item(),
            "boundary_f1": metrics.boundary_f1(predicted, truth).item(),
            "tp": tp.item(), "fp": fp.item(), "fn": fn.item(),
        })  # fmt: skip
        if parts:
            counts = metrics.class_confusion(probability.argmax(0)[None], mask, len(classes))
            rows[-1]["confusion"] = counts[0].tolist()
    rows = collect(rows)
    scores = summarise(rows, threshold=threshold)
    return scores | {"parts": summarise_parts(rows, classes)} if parts else scores


def summarise(rows: list[dict[str, Any]], *, threshold: float) -> dict[str, Any]:
    """Turn the rows of single images into the dictionary that `evaluate` returns."""
    if not rows:
        raise ValueError("no photos to evaluate; is there a car in this split?")

    def mean(key: str) -> float:
        return float(np.mean([row[key] for row in rows]))

    cars = [row["car"] for row in rows]
    resolutions = sorted({row["resolution"] for row in rows})
    tolerances = {
        metrics.boundary_tolerance(*map(int, reversed(r.split("x")))) for r in resolutions
    }
    interval = metrics.bootstrap_interval([row["dice"] for row in rows], cars)
    tp, fp, fn = (torch.tensor([row[key] for row in rows]) for key in ("tp", "fp", "fn"))
    return {
        "n_images": len(rows),
        "n_cars": len(set(cars)),
        "resolution": ", ".join(resolutions),
        "threshold": threshold,
        "accuracy": mean("accuracy"),
        "dice": mean("dice"),
        "iou": mean("iou"),
        "dice_pooled": metrics.pooled_dice(tp, fp, fn),
        "dice_ci95": None if np.isnan(interval[0]) else list(interval),
        "boundary_f1": mean("boundary_f1"),
        "boundary_tolerance": round(max(tolerances), 3),
        "worst": [row["id"] for row in sorted(rows, key=lambda row: row["dice"])[:5]],
        "images": rows,
    }


def summarise_parts(rows: list[dict[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """The scores of the classes, pooled over the images whose ``confusion`` the rows hold.

    Returns:
        ``iou`` and ``iou_ci95`` (bootstrap over cars) by class, ``mean_iou`` and ``mean_iou_ci95``
        (background included), and ``confusion``: by true class the shares of its pixels that were
        taken for each class. None (null) for a class that does not occur, and for an interval with
        one car.
    """
    confusion = torch.tensor([row["confusion"] for row in rows])
    intervals, of_mean = metrics.class_iou_intervals(confusion, [row["car"] for row in rows])
    pooled = confusion.sum(0)
    shares = pooled.double() / pooled.sum(1, keepdim=True)
    return {
        "iou": dict(zip(classes, _known(metrics.class_iou(confusion)), strict=True)),
        "iou_ci95": {name: _interval(ends) for name, ends in zip(classes, intervals, strict=True)},
        "mean_iou": metrics.mean_iou(confusion),
        "mean_iou_ci95": _interval(of_mean),
        "confusion": {name: _known(row) for name, row in zip(classes, shares, strict=True)},
    }


def save_mask(path: str | Path, mask: Tensor) -> None:
    """Write a boolean mask ``(H, W)`` as a black and white PNG, whole or not at all.

    Raises:
        ValueError: it is something else, such as the probabilities or the classes of a parts network.
    """
    if mask.dtype != torch.bool or mask.ndim != 2:
        raise ValueError(
            f"{path}: expected a boolean mask (H, W), got {mask.dtype} {tuple(mask.shape)}. Of a "
            "network for parts take car_probability(…) > 0.5, or argmax(0) and parts.save_parts"
        )
    with replacing(path) as temporary:
        Image.fromarray((mask.numpy() * 255).astype(np.uint8)).save(temporary, format="PNG")


def _probability(model: torch.nn.Module, batch: Tensor, flip: bool) -> Tensor:
    probability = _activate(model(batch))
    if flip:
        probability = (probability + _activate(model(batch.flip(-1))).flip(-1)) / 2
    return probability


def _predict_window(
    checkpoint: Checkpoint, image: Tensor, rows: slice, columns: slice, halo: int, *,
    mirrored: bool = False,
) -> Tensor:  # fmt: skip
    """Probabilities ``(C, h, w)`` of a window, seen with its halo, as part of the (mirrored) photo."""
    height, width = image.shape[-2:]
    grid = checkpoint.model.config["stem"] * 2 ** checkpoint.model.config["depth"]
    if mirrored:  # the mirrored photo has a grid of its own, which begins at the right border
        columns = _mirror(columns, width)
    y, x = _seen(rows, height, halo, grid), _seen(columns, width, halo, grid)
    pixels = image[:, y, _mirror(x, width)].flip(-1) if mirrored else image[:, y, x]
    device = next(checkpoint.model.parameters()).device
    probability = _activate(checkpoint.model(prepare_image(pixels, checkpoint).to(device)))[0]
    probability = probability[
        :,
        rows.start - y.start : rows.stop - y.start,
        columns.start - x.start : columns.stop - x.start,
    ]
    return probability.flip(-1) if mirrored else probability


def _seen(part: slice, length: int, halo: int, grid: int) -> slice:
    """A part of a side of the photo, widened by the halo and back to a multiple of the grid."""
    return slice(max(part.start - halo, 0) // grid * grid, min(part.stop + halo, length))


def _mirror(part: slice, length: int) -> slice:
    """Where a part of a side lies when the side is read backwards."""
    return slice(length - part.stop, length - part.start)


def _activate(logits: Tensor) -> Tensor:
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)


def _known(values: Tensor) -> list[float | None]:
    """Numbers for JSON, which has no NaN."""
    return [None if value.isnan() else value.item() for value in values]


def _interval(ends: Tensor) -> list[float] | None:
    return None if ends.isnan().any() else ends.tolist()
