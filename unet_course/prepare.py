"""A smaller copy of a Carvana folder: the subset and the size that the published numbers use."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from unet_course.checkpoints import replacing
from unet_course.data import DataError, Sample, find_samples, read_pair, read_split
from unet_course.progress import progress


def prepare(
    source: str | Path,
    output: str | Path,
    *,
    size: tuple[int, int] = (480, 320),
    split_file: str | Path | None = None,
) -> int:
    """Copy a dataset at another size; photos that are there already are skipped, so it resumes.

    Photos are resized with Lanczos and saved at JPEG quality 88; masks are box-filtered, and half
    covered is car.

    Args:
        size: ``(width, height)`` of the copy.
        split_file: a ``car,split`` CSV, copied to ``split.csv``; only its cars are taken. Without
            one all cars are taken, with ``split.csv`` of the source if there is one.

    Returns:
        The number of photos in the copy.

    Raises:
        DataError: as `data.find_samples` and `data.read_pair`, a car of ``split_file`` is missing, or
            ``output`` holds photos of another size.
        OSError: ``output`` cannot be written to.
    """
    source, output = Path(source), Path(output)
    if source.resolve() == output.resolve():
        raise DataError(f"{output}: is the source folder too; give another --output")
    samples = find_samples(source)
    if split_file is None and (source / "split.csv").exists():
        split_file = source / "split.csv"
    if split_file is not None:
        wanted = read_split(split_file)
        if missing := sorted(wanted.keys() - {s.car for s in samples}):
            raise DataError(
                f"{source}: has no photos of car {missing[0]} ({len(missing)} cars of {split_file} "
                "missing); is the download complete?"
            )
        samples = [s for s in samples if s.car in wanted]
        with replacing(output / "split.csv") as temporary:
            shutil.copyfile(split_file, temporary)
    for sample in progress(samples, desc="preparing", unit="photo"):
        _copy(sample, output, size)
    return len(samples)


def _copy(sample: Sample, output: Path, size: tuple[int, int]) -> None:
    image_path = output / "train" / f"{sample.id}.jpg"
    mask_path = output / "train_masks" / f"{sample.id}_mask.gif"
    if image_path.exists() and mask_path.exists():
        with Image.open(image_path) as there:
            if there.size != size:
                raise DataError(
                    f"{image_path}: is {there.width}x{there.height} already, not {size[0]}x{size[1]}; "
                    "give another --output"
                )
        return
    _, mask = read_pair(sample)  # checks both
    cover = Image.fromarray(mask.numpy() * 255).resize(size, Image.Resampling.BOX)
    small = Image.fromarray((np.asarray(cover) >= 128).astype(np.uint8)).convert("P")
    small.putpalette([0, 0, 0, 255, 255, 255])
    with replacing(mask_path) as temporary:
        small.save(temporary, format="GIF")
    with Image.open(sample.image) as file:
        photo = ImageOps.exif_transpose(file).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    encoded = io.BytesIO()  # straight to a file, Pillow cuts a JPEG short when the disk fills
    photo.save(encoded, format="JPEG", quality=88, optimize=True)
    with replacing(image_path) as temporary:
        temporary.write_bytes(encoded.getvalue())
