"""Devices and processes: where to compute, in which precision, and which share of the work is whose.

Several processes are started by ``torchrun`` or `accelerate.notebook_launcher`; without either,
the one process is alone, has the whole share, and nothing here costs it anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object

Item = TypeVar("Item")
PRECISIONS = ("no", "bf16", "fp16")


def this_process() -> PartialState:
    """This process's place among its fellows: ``process_index``, ``num_processes``, ``device``."""
    cpu = not torch.accelerator.is_available()
    if PartialState(cpu=cpu).num_processes != int(os.environ.get("WORLD_SIZE", 1)):
        # notebook_launcher's children are copies of a process that was alone, and would stay alone
        AcceleratorState._reset_state(reset_partial_state=True)
    return PartialState(cpu=cpu)


def find_device() -> torch.device:
    """The device that accelerate finds: a GPU, else the CPU, which several processes can share."""
    return this_process().device


def choose_precision(device: torch.device) -> str:
    """``"bf16"``, ``"fp16"`` or ``"no"`` (float32), by what the device has units for.

    By capability, never by a timing: a timing changes when the machine is busy, and with it the
    result. (``torch.cuda.is_bf16_supported`` counts emulation, so it is no use here.) Where the
    environment variable ``UNET_COURSE_PRECISION`` names one of the three, it is that one.

    Raises:
        ValueError: it names something else.
    """
    if asked := os.environ.get("UNET_COURSE_PRECISION"):
        if asked not in PRECISIONS:
            raise ValueError(
                f"UNET_COURSE_PRECISION={asked!r}: expected one of {', '.join(PRECISIONS)}"
            )
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp16"
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"):
            return "bf16"
    return "no"


def describe_device(device: torch.device) -> str:
    """A device in a few words: the GPU's name, or ``cpu`` with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This process's part of ``items``: every n-th of them where there are n processes."""
    process = this_process()
    return items[process.process_index :: process.num_processes]


def collect(results: Sequence[Any]) -> list[Any]:
    """Every process's results for its `share`, in the order of the whole. All processes call it.

    Raises:
        RuntimeError: another process died; see `lost_connection`.
    """
    parts = gather_object([list(results)])
    missing = object()
    in_turn = (row for rows in zip_longest(*parts, fillvalue=missing) for row in rows)
    return [row for row in in_turn if row is not missing]


def lost_connection(error: RuntimeError) -> bool:
    """Whether ``error`` is what the survivors see when another process died."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()
