"""A contact sheet of finished images, the outline of each mask drawn in red."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

THUMBNAIL = (240, 160)


def outlined(photo: Path, mask: Path) -> Image.Image:
    """The photo with the outer outline of its mask."""
    image = np.asarray(Image.open(photo).convert("RGB")).copy()
    inside = np.pad(np.asarray(Image.open(mask).convert("L")) > 127, 1)
    near = inside[:-2, 1:-1] | inside[2:, 1:-1] | inside[1:-1, :-2] | inside[1:-1, 2:]
    image[near & ~inside[1:-1, 1:-1]] = (255, 0, 60)
    return Image.fromarray(image)


def draw(folder: Path, cars: list[str], views: list[int], file: Path) -> None:
    """One row per car, one column per view; what is not rendered yet stays grey."""
    width, height = THUMBNAIL
    page = Image.new("RGB", (width * len(views), height * len(cars)), (128, 128, 128))
    for row, car in enumerate(cars):
        for column, view in enumerate(views):
            photo = folder / "train" / f"{car}_{view:02d}.jpg"
            mask = folder / "train_masks" / f"{car}_{view:02d}_mask.gif"
            if photo.exists() and mask.exists():
                small = outlined(photo, mask).resize(THUMBNAIL, Image.Resampling.LANCZOS)
                page.paste(small, (column * width, row * height))
    file.parent.mkdir(parents=True, exist_ok=True)
    page.save(file)
    print(f"{file}: {len(cars)} cars x {len(views)} views")
