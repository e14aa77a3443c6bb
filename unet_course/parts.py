"""Part masks, a richer target than car or not car: find, check, load, resize and save them.

Layout: ``train_parts/<car>_<view>_parts.png`` beside ``train_masks``, palette PNGs whose raw values
are the places in `PARTS`. Everything but background together is the car of ``train_masks``, to the
pixel. A dataset need not have them: ``data/turntable`` does, Kaggle's Carvana does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageColor
from torch import Tensor
from torchvision import tv_tensors

from unet_course import data
from unet_course.checkpoints import replacing
from unet_course.data import DataError, Sample

PARTS = ("background", "body", "glass", "wheels", "lights", "plate", "mirrors")
_FOLDER = "train_parts"


def have_parts(root: str | Path) -> bool:
    """Whether the dataset below ``root`` has part masks."""
    return (Path(root) / _FOLDER).is_dir()


def find_parts(sample: Sample) -> Path:
    """The file of a photo's part mask.

    Raises:
        DataError: the dataset has no part masks, or lacks this one.
    """
    path = sample.mask.parent.parent / _FOLDER / f"{sample.id}_parts.png"
    if not path.parent.is_dir():
        raise DataError(
            f"{path.parent}: no such folder, so this dataset has no part masks. data/turntable has "
            "them; on this one train for the car alone (target car)"
        )
    if not path.is_file():
        raise DataError(f"{path}: no such file, though other photos have part masks; restore it")
    return path


def read_parts(path: str | Path) -> tv_tensors.Mask:
    """Decode a part mask to a uint8 tensor ``(H, W)`` of places in `PARTS`, 0 for background.

    Raises:
        DataError: the file is missing, truncated, no palette image, or has values beyond `PARTS`.
    """
    try:
        with Image.open(path) as file:
            mode, ids = file.mode, np.array(file)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as a part mask ({error}); restore this file"
        ) from error
    if mode != "P":
        raise DataError(
            f"{path}: has mode {mode}, expected a palette image (mode P) whose values are parts; "
            "colours cannot be turned back into parts"
        )
    if ids.max() >= len(PARTS):
        raise DataError(
            f"{path}: has the value {ids.max()}, expected 0 to {len(PARTS) - 1} ({', '.join(PARTS)})"
        )
    return tv_tensors.Mask(torch.from_numpy(ids))


def read_part_pair(
    sample: Sample, *, size: tuple[int, int] | None = None
) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Decode a photo and its part mask, and check them against each other and against the car mask.

    Args:
        size: as in `data.read_pair`.

    Returns:
        The photo, as `data.read_pair`, and its parts, uint8 ``(H, W)`` of places in `PARTS`, whole.

    Raises:
        DataError: as `data.read_pair`, `find_parts` and `read_parts`; or the sizes differ, or the
            parts together are not the car.
    """
    image, car = data.read_pair(sample, size=size)
    path = find_parts(sample)
    parts = read_parts(path)
    if parts.shape != car.shape:
        (h, w), (ph, pw) = car.shape, parts.shape
        raise DataError(f"{path}: the part mask is {pw}x{ph} but its photo is {w}x{h}")
    if wrong := int(((parts > 0) != (car > 0)).sum()):
        raise DataError(
            f"{path}: the parts together are not the car of {sample.mask.name}: {wrong} pixels "
            "differ; render or restore both"
        )
    return image, parts


def resize_parts(parts: Tensor, size: tuple[int, int]) -> tv_tensors.Mask:
    """Resize a part mask ``(H, W)`` to ``size`` (width, height): the part that covers most of a pixel.

    Numbers of parts are names: between body (1) and wheels (3) does not lie glass (2), so what is
    averaged is the share of each part. Of equal shares the later part in `PARTS` wins, so that small
    parts survive and half covered is car, as in `data.resize_mask`.
    """
    ids = torch.as_tensor(parts).as_subclass(Tensor).long()
    shares = torch.nn.functional.one_hot(ids, len(PARTS)).permute(2, 0, 1).float()[None]
    shares = torch.nn.functional.interpolate(shares, (size[1], size[0]), mode="area")[0]
    largest = len(PARTS) - 1 - shares.flip(0).argmax(0)  # argmax takes the first of equals
    return tv_tensors.Mask(largest.to(torch.uint8))


class PartDataset(data.CarDataset):
    """As `data.CarDataset`, but the target is the part of each pixel: int64 ``(H, W)``, 0 to 6."""

    classes = PARTS
    _read = staticmethod(read_part_pair)
    _resize = staticmethod(resize_parts)

    def _target(self, mask: tv_tensors.Mask) -> Tensor:
        return mask.as_subclass(Tensor).long()


def fingerprint(splits: dict[str, list[Sample]]) -> str:
    """As `data.fingerprint`, of the dataset with its part masks.

    Raises:
        DataError: as `find_parts`.
    """
    digest = hashlib.sha256(data.fingerprint(splits).encode())
    for name in sorted(splits):
        for sample in splits[name]:
            digest.update(f"{sample.id} {find_parts(sample).stat().st_size}\n".encode())
    return digest.hexdigest()[:12]


def save_parts(path: str | Path, parts: Tensor, colors: Mapping[str, str]) -> None:
    """Write a part mask ``(H, W)`` as a palette PNG, whole or not at all.

    Args:
        parts: integers, places in `PARTS`.
        colors: the colour in which a viewer shows each of `PARTS`, e.g. ``"#F0E442"``.
    """
    image = Image.fromarray(parts.numpy().astype(np.uint8)).convert("P")
    image.putpalette([v for name in PARTS for v in ImageColor.getrgb(colors[name])])
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")
