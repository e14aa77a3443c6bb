"""Saving and loading networks: safetensors files that describe themselves, written whole or not at all."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from unet_course.model import UNet

FORMAT = "unet-course-1"


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file and what to do."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; when the block succeeds it takes the place of ``path``.

    A crash, a full disk or an exception inside leaves the old file as it was.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; the message names ``path``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:  # safetensors has a full-disk error of its own
        raise OSError(
            f"{path}: could not be written ({error}); check the folder's permissions and free space"
        ) from error
    finally:
        with suppress(OSError):  # where the folder is a plain file, say
            temporary.unlink(missing_ok=True)


@dataclass
class Checkpoint:
    """A network with what is needed to use it on a photo.

    Attributes:
        model: in evaluation mode, on the CPU.
        size: the ``(width, height)`` that photos are resized to before the network sees them.
        mean, std: subtracted from and divided into colours of 0…1, per channel.
        info: everything else that was recorded: data, preset, seed, precision, scores, …
        classes: what a pixel can be. A network of one channel tells the second from the first.
    """

    model: UNet
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    info: dict[str, Any]
    classes: tuple[str, ...] = ("background", "car")

    @property
    def binary(self) -> bool:
        """Whether the network only tells car from background, by one logit per pixel."""
        return self.model.config["out_channels"] == 1


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Write weights and description to one safetensors file.

    Raises:
        OSError: the file cannot be written; an older file of that name is left as it was.
    """
    described = dict(
        architecture=checkpoint.model.config, size=checkpoint.size,
        mean=checkpoint.mean, std=checkpoint.std, info=checkpoint.info, classes=checkpoint.classes,
    )  # fmt: skip
    metadata = {"format": FORMAT} | {key: json.dumps(value) for key, value in described.items()}
    weights = {k: v.detach().cpu().contiguous() for k, v in checkpoint.model.state_dict().items()}
    with replacing(path) as temporary:
        save_file(weights, temporary, metadata=metadata)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a file written by `save_checkpoint`. Runs no code from the file.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of this course's.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; train first, or give the path of a checkpoint"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: damaged, or no safetensors file ({error}); train again or fetch it again"
        ) from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: not a checkpoint of this course (format {metadata.get('format')!r}, expected "
            f"{FORMAT!r}); make one with `unet-course train`"
        )
    try:
        described = {k: json.loads(v) for k, v in metadata.items() if k != "format"}
        model = UNet(**described["architecture"])
        model.load_state_dict(weights)
        size, mean, std = (tuple(described[key]) for key in ("size", "mean", "std"))
        checkpoint = Checkpoint(model.eval(), size, mean, std, described["info"])
        if "classes" in described:  # files of before there were parts are all car or not car
            checkpoint.classes = tuple(described["classes"])
        if len(checkpoint.classes) != max(2, model.config["out_channels"]):
            raise ValueError(f"names of {len(checkpoint.classes)} classes")
        return checkpoint
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: its weights do not fit the architecture that it describes "
            f"({type(error).__name__}: {str(error).splitlines()[0]}); train again"
        ) from error


def save_state(path: str | Path, state: dict[str, Any]) -> None:
    """Write what a training run resumes from, whole or not at all.

    Raises:
        OSError: the file cannot be written; an older file of that name is left as it was.
    """
    buffer = io.BytesIO()  # torch.save's own writing hides a full disk in a RuntimeError
    torch.save(state, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load_state(path: str | Path, info: dict[str, Any]) -> dict[str, Any]:
    """Read a file written by `save_state`, of a run whose ``info`` agrees. Runs no code from the file.

    Raises:
        CheckpointError: the file is damaged, or belongs to another run.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["info"]
    except Exception as error:  # torch.load raises many types for a damaged file
        raise CheckpointError(
            f"{path}: damaged, cannot resume ({type(error).__name__}); delete it to start anew"
        ) from error
    for key, value in info.items():
        if found.get(key) != value:
            raise CheckpointError(
                f"{path}: belongs to a run with {key}={found.get(key)!r}, not {value!r}; train in "
                "another folder, or delete it to start anew"
            )
    return state
