"""What is measured on: the machine in one line, and whether it has other things to do."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import PIL
import torch
import torchvision

from unet_course.devices import choose_precision, describe_device, find_device

BUSY = 0.5


def describe() -> dict[str, Any]:
    """The processor, its cores and capability, and the versions that a number depends on."""
    units = choose_precision(torch.device("cpu")) == "bf16"
    return {
        "processor": processor(),
        "cores": cores(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "bf16_units": units,
        "gpu": None if find_device().type == "cpu" else describe_device(find_device()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "pillow": PIL.__version__,
        "load": load(),
    }


def line(machine: dict[str, Any]) -> str:
    """`describe` in one line."""
    units = "bf16 units" if machine["bf16_units"] else "no bf16 units, so bf16 is emulated"
    gpu = f"{machine['gpu']} beside " if machine["gpu"] else ""
    return (
        f"{gpu}{machine['processor']}, {machine['cores']} cores, {machine['capability']} ({units}); "
        f"Python {machine['python']}, torch {machine['torch']}, torchvision "
        f"{machine['torchvision']}, Pillow {machine['pillow']}"
    )


def processor() -> str:
    """The processor's name as the system has it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for text in cpuinfo.read_text("utf-8").splitlines():
            if text.startswith("model name"):
                return text.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """How many processes wanted a core during the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
