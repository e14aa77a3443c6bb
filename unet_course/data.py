"""Photos with masks in Kaggle's Carvana layout: find, check, split by car, load, resize, augment.

Layout: ``train/<car>_<view>.jpg`` with ``train_masks/<car>_<view>_mask.gif`` (or ``.png``), and
optionally ``split.csv``. Sizes are ``(width, height)`` as cameras and Pillow give them; tensors are
``(channels, height, width)`` as PyTorch wants them.
"""

from __future__ import annotations

import copy
import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

SPLITS = ("train", "val", "test")
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)  # colours of 0…1 become -1…1
_PHOTOS, _MASKS = (".jpg", ".jpeg", ".png"), (".gif", ".png")


class DataError(ValueError):
    """A dataset is not as it should be; the message names the file and what to do."""


@dataclass(frozen=True)
class Sample:
    """One photo and its mask. ``id`` is ``<car>_<view>``, the photo's name without its ending."""

    image: Path
    mask: Path

    @property
    def id(self) -> str:
        return self.image.stem

    @property
    def car(self) -> str:
        return self.id.rpartition("_")[0]

    @property
    def view(self) -> str:
        return self.id.rpartition("_")[2]


def find_samples(root: str | Path) -> list[Sample]:
    """List the photos below ``root`` with their masks, sorted by name. Opens no file.

    Raises:
        DataError: a folder is missing or empty, a photo has no mask or several, a mask has no
            photo or is a JPEG, or a name is not ``<car>_<view>``.
    """
    root = Path(root)
    images, masks = root / "train", root / "train_masks"
    for folder in (images, masks):
        if not folder.is_dir():
            raise DataError(
                f"{folder}: no such folder. A dataset has train/<car>_<view>.jpg and "
                "train_masks/<car>_<view>_mask.gif; check data_dir"
            )
    found: dict[str, list[Path]] = defaultdict(list)
    for path in masks.iterdir():
        if path.stem.endswith("_mask") and not path.name.startswith("."):
            if path.suffix.lower() not in _MASKS:
                raise DataError(
                    f"{path}: masks are .gif or .png; a lossy format blurs them. Save it as PNG"
                )
            found[path.stem.removesuffix("_mask")].append(path)
    samples, seen = [], {}
    for path in sorted(images.iterdir()):
        if path.suffix.lower() not in _PHOTOS or path.name.startswith("."):
            continue
        if "_" not in path.stem.strip("_"):
            raise DataError(f"{path}: expected a name like <car>_<view>.jpg")
        if path.stem in seen:
            raise DataError(f"{path}: {seen[path.stem].name} is the same view; keep one of them")
        pair = found.pop(path.stem, [])
        if len(pair) != 1:
            listed = ", ".join(sorted(p.name for p in pair)) or "none"
            raise DataError(
                f"{path}: expected one mask {path.stem}_mask.gif (or .png) in {masks}, found {listed}"
            )
        seen[path.stem] = path
        samples.append(Sample(path, pair[0]))
    if not samples:
        raise DataError(f"{images}: no photos (.jpg or .png) in this folder; check data_dir")
    if found:
        orphan = min(paths[0] for paths in found.values())
        raise DataError(f"{orphan}: no photo of this name in {images}; add it or remove the mask")
    return samples


def read_image(path: str | Path) -> tv_tensors.Image:
    """Decode a photo to a uint8 tensor ``(3, H, W)``, values 0 to 255, upright as its EXIF says.

    In memory the colours of a pixel lie side by side, as decoders give them: resizing is then several
    times faster. `resize_image`, `normalise` and `CarDataset` bring the channels apart.

    Raises:
        DataError: the file is missing, truncated or no image.
    """
    return _decode(path, None)[0]


def _decode(
    path: str | Path, size: tuple[int, int] | None
) -> tuple[tv_tensors.Image, tuple[int, int]]:
    """As `read_image`, and the whole photo's ``(H, W)``.

    A JPEG of more than a megapixel that will be resized to ``size`` anyway is decoded at a half, a
    quarter or an eighth, if that divides its sides and leaves one and a half times that size.
    """
    try:
        with Image.open(path) as file:
            on_its_side = file.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
            whole = file.size if on_its_side else file.size[::-1]
            if size and file.width * file.height > 1_000_000:
                sides = [*zip(whole, size[::-1], strict=True)]
                fits = [
                    k for k in (2, 4, 8) if all(a % k == 0 and a >= 1.5 * k * b for a, b in sides)
                ]
                if fits:
                    file.draft("RGB", (file.width // fits[-1], file.height // fits[-1]))
            ImageOps.exif_transpose(file, in_place=True)
            image = np.array(file if file.mode == "RGB" else file.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as a photo ({error}); restore this file"
        ) from error
    return tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1)), whole


def read_mask(path: str | Path) -> tv_tensors.Mask:
    """Decode a mask to a uint8 tensor ``(H, W)``, 1 for car and 0 for background.

    Kaggle's masks are palette GIFs with raw values 0 and 1 that stand for black and white; other
    tools write 0 and 255. Both come out as 0 and 1.

    Raises:
        DataError: the file is missing, truncated, no image, or has other values than those two.
    """
    try:
        with Image.open(path) as file:
            grey = np.array(file)
            palette = file.getpalette() or []
            if file.mode != "P" or palette[:6] != [0, 0, 0, 255, 255, 255] or grey.max() > 1:
                grey = np.array(file.convert("L"))  # not Kaggle's: the grey that is meant
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a mask ({error}); restore this file") from error
    high = grey.max()
    if high > 1 and not (high == 255 and ((grey == 0) | (grey == 255)).all()):
        raise DataError(
            f"{path}: {len(np.unique(grey))} grey values, expected two (0 and 255, or 0 and 1). Was it "
            "saved as JPEG or resized? Threshold the original at half grey and save it as PNG"
        )
    mask = torch.from_numpy(grey)
    return tv_tensors.Mask(mask.clamp_(max=1) if high > 1 else mask)


def read_pair(
    sample: Sample, *, size: tuple[int, int] | None = None
) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """Decode a photo and its mask, and check that they have one size.

    Args:
        size: ``(width, height)`` in pixels to which both will be resized. A JPEG of more than a
            megapixel may then come at a half, a quarter or an eighth of its sides, though at no less
            than one and a half times ``size``, which saves time. None: it comes whole.

    Returns:
        The photo, uint8 ``(3, H, W)``, and its mask, uint8 ``(H, W)`` of 0 and 1, which is always whole.

    Raises:
        DataError: as `read_image` and `read_mask`, or the files' sizes differ.
    """
    (image, (h, w)), mask = _decode(sample.image, size), read_mask(sample.mask)
    if mask.shape != (h, w):
        mh, mw = mask.shape
        raise DataError(f"{sample.mask}: the mask is {mw}x{mh} but its photo is {w}x{h}")
    return image, mask


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``(…, C, H, W)`` to ``size`` (width, height), bilinear and antialiased."""
    return tvf.resize(image, [size[1], size[0]], antialias=True).contiguous()


def resize_mask(mask: Tensor, size: tuple[int, int]) -> tv_tensors.Mask:
    """Resize a 0/1 mask ``(H, W)`` to ``size`` (width, height) by area: half covered is foreground.

    The library's default for masks picks single pixels, off-centre, and so shifts the outline.
    """
    cover = torch.as_tensor(mask).float()[None, None]  # (1, 1, H, W)
    cover = torch.nn.functional.interpolate(cover, (size[1], size[0]), mode="area")[0, 0]
    return tv_tensors.Mask((cover >= 0.5).to(torch.uint8))


def read_split(path: str | Path) -> dict[str, str]:
    """Read a ``car,split`` file into a dictionary from car to ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        DataError: the file is missing or malformed, or a car stands in two splits.
    """
    path = Path(path)
    split: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    for row in rows:
        car, name = row.get("car"), row.get("split")
        if not car or name not in SPLITS:
            raise DataError(f"{path}: row {row} needs car and split, one of {', '.join(SPLITS)}")
        if split.setdefault(car, name) != name:
            raise DataError(f"{path}: car {car} is in {split[car]} and in {name}; keep it in one")
    return split


def hash_split(cars: Iterable[str]) -> dict[str, str]:
    """Split cars 70/15/15 into train, val and test by the rank of a hash of their names.

    The same on every machine. From three cars up, each split has at least one car.

    Raises:
        DataError: there are fewer than three cars.
    """
    ranked = sorted(set(cars), key=lambda car: hashlib.sha256(car.encode()).hexdigest())
    if len(ranked) < 3:
        raise DataError(
            f"{len(ranked)} car(s): a split by car needs three or more (train, val and test). "
            "Photos are named <car>_<view>.jpg; is the part before the last _ the car?"
        )
    held_out = max(1, round(0.15 * len(ranked)))
    names = ["test"] * held_out + ["val"] * held_out
    return {car: (names[i] if i < len(names) else "train") for i, car in enumerate(ranked)}


def load_split(
    root: str | Path, *, split_file: str | Path | None = None
) -> dict[str, list[Sample]]:
    """Find the samples below ``root`` and group them into ``train``, ``val`` and ``test`` by car.

    The split comes from ``split_file``, else from ``split.csv`` in ``root``, else from `hash_split`.

    Raises:
        DataError: as `find_samples`, `read_split` and `hash_split`; or the file lacks a car.
    """
    samples = find_samples(root)
    cars = {sample.car for sample in samples}
    path = Path(split_file) if split_file else Path(root) / "split.csv"
    split = read_split(path) if split_file or path.exists() else hash_split(cars)
    if missing := sorted(cars - split.keys()):
        raise DataError(
            f"{path}: no split for car {missing[0]} ({len(missing)} cars missing); add a line "
            f"{missing[0]},train (or val, test)"
        )
    return {name: [s for s in samples if split[s.car] == name] for name in SPLITS}


def draw_cars(samples: Sequence[Sample], cars: int, *, seed: int) -> list[Sample]:
    """The samples of ``cars`` cars, drawn by ``seed``; the samples keep their order.

    The rule: cars are ranked by a hash of seed and name, and the first ones are taken. So it is the
    same on every machine, other seeds draw other cars, and with one seed ten cars contain the five.

    Raises:
        DataError: there are fewer cars than that, or ``cars`` is below 1.
    """
    names = {sample.car for sample in samples}
    if not 1 <= cars <= len(names):
        raise DataError(f"{cars} cars to train on: expected 1 to {len(names)}, the cars there are")

    def rank(car: str) -> str:
        return hashlib.sha256(f"{seed} {car}".encode()).hexdigest()

    drawn = set(sorted(names, key=rank)[:cars])
    return [sample for sample in samples if sample.car in drawn]


def fingerprint(splits: dict[str, list[Sample]]) -> str:
    """Twelve hexadecimal digits that change when a file is added, removed, edited or moves split."""
    digest = hashlib.sha256()
    for name, samples in sorted(splits.items()):
        for s in samples:
            sizes = s.image.stat().st_size, s.mask.stat().st_size
            digest.update(f"{name} {s.id} {sizes}\n".encode())
    return digest.hexdigest()[:12]


def augmentation(*, colours: float = 0.2, hues: float = 0.0) -> v2.Transform:
    """Random flips and colours, applied to photo and mask together (the mask only flips).

    Args:
        colours: the largest change of brightness, contrast and saturation, as a share.
        hues: the share of photos whose red, green and blue are shuffled, so that a network sees paints
            that no car has.
    """
    jitter = v2.ColorJitter(brightness=colours, contrast=colours, saturation=colours)
    shuffle = v2.RandomApply([v2.RandomChannelPermutation()], p=hues)
    changes = [jitter] * (colours > 0) + [shuffle] * (hues > 0)
    return v2.Compose([v2.RandomHorizontalFlip(), *changes])


class CarDataset(Dataset[tuple[Tensor, Tensor]]):
    """Photos and masks as float tensors: ``(3, H, W)`` normalised to -1…1, and ``(1, H, W)`` of 0 and 1.

    Args:
        samples: what to load, from `load_split`.
        size: ``(width, height)`` to resize to, by way of `read_pair`; ``None`` keeps each photo's own.
        augment: applied to photo and mask together, e.g. `augmentation`; ``None`` for evaluation. In
            `batches` it is handed them on the device of the batch.
        cache: keep decoded, resized photos in memory (as bytes), so that each file is decoded once.

    ``classes`` names what a pixel can be. `parts.PartDataset` is the same for part masks.
    """

    classes: tuple[str, ...] = ("background", "car")
    _read = staticmethod(read_pair)
    _resize = staticmethod(resize_mask)

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        size: tuple[int, int] | None = None,
        augment: v2.Transform | None = None,
        cache: bool = True,
    ) -> None:
        self.samples, self.size, self.augment = list(samples), size, augment
        self._cache: dict[int, tuple[Tensor, Tensor]] | None = {} if cache else None

    def resized(self, size: tuple[int, int] | None) -> Self:
        """The same photos at another size, kept in a cache of their own."""
        other = copy.copy(self)
        other.size, other._cache = size, None if self._cache is None else {}
        return other

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        """The photo ``(3, H, W)`` and mask ``(H, W)`` as uint8, resized but not augmented."""
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        image, mask = self._read(self.samples[index], size=self.size)
        if self.size not in (None, (image.shape[-1], image.shape[-2])):
            image, mask = resize_image(image, self.size), self._resize(mask, self.size)
        image = tv_tensors.Image(image.contiguous())  # colours change a third faster on such
        if self._cache is not None:
            self._cache[index] = image, mask
        return image, mask

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._prepare(*self.load(index))

    def batches(
        self, order: Iterable[Sequence[int]], *, device: torch.device | str = "cpu"
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        """A loader of the batches of indices that ``order`` gives, stacked and on ``device``.

        Photos go there as bytes, a quarter of the floats, and are augmented and normalised there. What
        chance decides is drawn on the CPU, and so the same on every device.
        """

        def stacked(indices: Sequence[int]) -> list[Tensor]:
            pairs = [[tensor.to(device) for tensor in self.load(index)] for index in indices]
            prepared = [self._prepare(*pair) for pair in pairs]
            return [torch.stack(tensors) for tensors in zip(*prepared, strict=True)]

        return DataLoader(range(len(self)), batch_sampler=order, collate_fn=stacked)

    def _prepare(self, image: tv_tensors.Image, mask: tv_tensors.Mask) -> tuple[Tensor, Tensor]:
        if self.augment is not None:
            image, mask = self.augment(image, mask)
        return normalise(image), self._target(mask)

    def _target(self, mask: tv_tensors.Mask) -> Tensor:
        return mask.as_subclass(Tensor).float()[None]


def normalise(image: Tensor) -> Tensor:
    """Turn uint8 ``(…, 3, H, W)`` into float32 of mean about 0, by ``MEAN`` and ``STD``."""
    image = tvf.to_dtype(image.as_subclass(Tensor).contiguous(), torch.float32, scale=True)
    return tvf.normalize(image, MEAN, STD)


def denormalise(image: Tensor) -> Tensor:
    """Undo `normalise` for display: float ``(…, 3, H, W)`` with values in 0…1."""
    mean, std = (torch.tensor(v, device=image.device).view(3, 1, 1) for v in (MEAN, STD))
    return (image * std + mean).clamp(0, 1)
