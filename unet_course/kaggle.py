"""Kaggle's Carvana photos: fetched with kagglehub, unpacked, checked; a complete folder or none.

Everything happens in a hidden folder beside the wanted one, `.<name>.partial`, which holds the archives
and what is unpacked so far. A run that was stopped goes on there, and the last step renames it.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import zipfile
import zlib
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from PIL import Image

from unet_course.checkpoints import replacing
from unet_course.data import DataError, Sample, find_samples, read_mask
from unet_course.progress import progress

COMPETITION = "carvana-image-masking-challenge"
RULES = f"https://www.kaggle.com/c/{COMPETITION}/rules"
PAIRS, CARS, SIZE = 5088, 318, (1918, 1280)
ROOM = 1_500_000_000  # bytes: the archives and what is in them, for a moment side by side
# The archives, and what a file in them may be called: nothing else is unpacked.
ARCHIVES = {
    "train.zip": re.compile(r"train/[A-Za-z0-9]+_[0-9]+\.jpg"),
    "train_masks.zip": re.compile(r"train_masks/[A-Za-z0-9]+_[0-9]+_mask\.gif"),
}
_NO_CREDENTIALS = (
    "no Kaggle credentials: make a token at https://www.kaggle.com/settings/api and put it into the "
    "environment variable KAGGLE_API_TOKEN, into the file ~/.kaggle/access_token, or on Colab into a "
    "secret KAGGLE_API_TOKEN that this notebook may read (KAGGLE_USERNAME with KAGGLE_KEY, and "
    "~/.kaggle/kaggle.json, work too)"
)
_ANSWERS = {
    401: "Kaggle refuses your credentials (401): make a new token at "
    "https://www.kaggle.com/settings/api and put it where the old one is",
    403: f"Kaggle refuses the download (403): log in, open {RULES}, accept the competition's rules, "
    "and run again (Kaggle may ask for a verified phone number first)",
}


class KaggleError(ValueError):
    """The photos could not be brought; the message says why and what to do."""


def download_carvana(
    output: str | Path,
    *,
    pairs: int = PAIRS,
    cars: int = CARS,
    size: tuple[int, int] = SIZE,
) -> Path:
    """Bring Kaggle's Carvana photos and masks into the folder ``output``, in the course's layout.

    A folder that is complete is returned at once. A run that was stopped goes on where it was. The
    archives are removed at the end, so that the disk holds one copy.

    Args:
        output: a folder that does not exist yet, or that an earlier call completed.
        pairs, cars: how many photos with masks, and of how many cars, a complete folder has.
        size: ``(width, height)`` of every photo and mask.

    Returns:
        ``output``, to be used as ``data_dir``.

    Raises:
        KaggleError: Kaggle refuses, the connection breaks, the disk is full, an archive is damaged
            or not what it should be, or ``output`` is something else. ``output`` is then as it was.
    """
    output = Path(output)
    whole = output.resolve()
    partial = whole.with_name(f".{whole.name}.partial")
    if output.exists():
        try:
            _count(output, pairs, cars)
        except DataError as error:
            raise KaggleError(
                f"{output}: exists, but is not the complete data ({error}); give another output, or "
                "move it away"
            ) from error
        shutil.rmtree(partial, ignore_errors=True)  # of a run stopped in its very last step
        return output
    try:
        there = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        _need_room(partial, ROOM - there)
        archives = [_fetch(name, partial / "download") for name in ARCHIVES]
        for archive in archives:
            _unpack(archive, partial / "data")
        try:
            _check(partial / "data", pairs, cars, size)
        except DataError as error:
            raise KaggleError(f"{error}; to start afresh, remove the folder {partial}") from error
        os.rename(partial / "data", output)
    except OSError as error:
        raise KaggleError(
            f"{output}: not finished ({error}); make room or check the folder, and run again: it "
            "goes on where it was"
        ) from error
    shutil.rmtree(partial, ignore_errors=True)
    return output


def _need_room(folder: Path, needed: int) -> None:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise KaggleError(
            f"{folder.resolve()}: {free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB needed; make room "
            "there, or give an output on another disk"
        )


def _fetch(name: str, cache: Path) -> Path:
    """Download one archive, or go on with it; kagglehub resumes only in its cache, hence ``cache``."""
    _copy_colab_secrets()
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(cache.resolve())
    try:
        # Imported late: it takes seconds, and everything else in the course does without.
        import kagglehub
        import requests
        from kagglehub.exceptions import DataCorruptionError, UnauthenticatedError

        try:
            return Path(kagglehub.competition_download(COMPETITION, path=name))
        except UnauthenticatedError:
            raise KaggleError(_NO_CREDENTIALS) from None
        except DataCorruptionError:  # kagglehub has removed the file
            raise KaggleError(f"{name}: damaged on the way and removed; run again") from None
        except requests.RequestException as error:  # its text may hold a signed address: not shown
            code = error.response.status_code if error.response is not None else None
            raise KaggleError(
                _ANSWERS.get(code)
                or f"{name}: the connection to Kaggle broke ({code or type(error).__name__}); run "
                "again: it goes on where it was"
            ) from None
        except ValueError as error:  # kaggle.json is malformed; the message names the file
            raise KaggleError(f"{error}; download it anew from Kaggle's settings") from None
    finally:
        if before is None:
            del os.environ["KAGGLEHUB_CACHE"]
        else:
            os.environ["KAGGLEHUB_CACHE"] = before


def _copy_colab_secrets() -> None:
    """Put Colab's secrets into the environment: kagglehub finds only the new kind by itself."""
    if "google.colab" not in sys.modules:  # there, every notebook has it; a command cannot ask
        return
    userdata = import_module("google.colab.userdata")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        with suppress(Exception):  # no such secret, or this notebook may not read it
            os.environ.setdefault(name, userdata.get(name).strip())


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what is not there yet. All names are looked at before the first file is written."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = [m for m in file.infolist() if not m.is_dir() and _is_wanted(m, archive.name)]
            missing = []
            for member in members:
                there = folder / member.filename
                if not there.is_file() or there.stat().st_size != member.file_size:
                    missing.append(member)
            _need_room(folder, sum(m.file_size for m in missing))
            for member in progress(missing, desc=f"unpacking {archive.name}", unit="file"):
                with (
                    file.open(member) as packed,
                    replacing(folder / member.filename) as temporary,
                    temporary.open("wb") as target,
                ):
                    shutil.copyfileobj(packed, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        with suppress(OSError):
            archive.unlink()
        raise KaggleError(
            f"{archive.name}: damaged or cut short ({error}), and removed; run again to fetch it anew"
        ) from error
    for leftover in (folder / archive.stem).glob(".*.tmp"):  # of a run that was killed
        leftover.unlink()


def _is_wanted(member: zipfile.ZipInfo, archive: str) -> bool:
    if member.filename.startswith("__MACOSX/"):  # what a Mac adds to its archives
        return False
    if stat.S_ISLNK(member.external_attr >> 16) or not ARCHIVES[archive].fullmatch(member.filename):
        raise KaggleError(
            f"{archive}: holds {member.filename!r}, which is none of Carvana's files, so nothing of "
            "it was unpacked; do not trust where it came from"
        )
    return True


def _count(folder: Path, pairs: int, cars: int) -> list[Sample]:
    samples = find_samples(folder)
    found = len(samples), len({s.car for s in samples})
    if found != (pairs, cars):
        raise DataError(
            f"{folder}: {found[0]} photos of {found[1]} cars, expected {pairs} of {cars}"
        )
    return samples


def _check(folder: Path, pairs: int, cars: int, size: tuple[int, int]) -> None:
    """Read the size of every photo, and every mask whole."""
    for sample in progress(_count(folder, pairs, cars), desc="checking", unit="photo"):
        height, width = read_mask(sample.mask).shape
        try:
            with Image.open(sample.image) as photo:
                found = {photo.size, (width, height)}
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{sample.image}: cannot be read as a photo ({error})") from error
        if found != {size}:
            listed = " and ".join(f"{w}x{h}" for w, h in sorted(found))
            raise DataError(
                f"{sample.image}: it and its mask are {listed}, not {size[0]}x{size[1]}"
            )
