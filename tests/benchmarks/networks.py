"""Networks: a training step, an inference, their memory and their multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unet_course.checkpoints import Checkpoint
from unet_course.data import MEAN, STD
from unet_course.inference import predict
from unet_course.model import count_parameters
from unet_course.pretrained import ResNetUNet
from unet_course.training import OPTIMIZERS, PRESETS, new_network
from unet_course.validation import default_loss

from .apart import measure_apart
from .comparison import Measure, Row, compare, timed
from .machine import cores

CPU = torch.device("cpu")
SIZES = ((240, 160), (480, 320), (960, 640), (1918, 1280))
PRECISIONS = ("fp32", "bf16")
CARVANA = SIZES[-1]
QUICK = PRESETS["quick"]
# The U-Net of 2015 for three colours and one class, with the batch norm that milesial/Pytorch-UNet
# gave it and that everybody trains it with since.
CLASSIC = dict(width=64, depth=4)
# What the frontier compares, each at the size that it is trained at; None: a ResNet-34 as encoder.
RIVALS: dict[str, tuple[dict[str, Any] | None, tuple[int, int]]] = {
    "quick": (QUICK, QUICK["size"]),
    "full": (PRESETS["full"], PRESETS["full"]["size"]),
    "sprint": (QUICK, SIZES[0]),
    "classic": (CLASSIC, SIZES[0]),
    "resnet34": (None, SIZES[0]),
}


def build(network: dict[str, Any] | None) -> nn.Module:
    """The U-Net of these settings, or for None the one with ResNet-34 as its encoder."""
    return ResNetUNet() if network is None else new_network(network)


def images_per_step(size: tuple[int, int]) -> int:
    """The preset's batch at the preset's size, and at others as many photos as have that many pixels."""
    (width, height), batch = QUICK["size"], QUICK["batch_size"]
    return max(1, min(batch, batch * width * height // (size[0] * size[1])))


def training_step(
    network: dict[str, Any] | None,
    size: tuple[int, int],
    precision: str,
    threads: int,
    images: int,
) -> Callable[[], None]:
    """A step as `training.fit` does it, on random photos: forward, loss, backward, optimizer."""
    torch.set_num_threads(threads)
    model, batch = prepare(network, size, images)
    masks = (batch[:, :1] > 0).float()
    optimizer = OPTIMIZERS["sgd"](model.parameters(), lr=1e-3)

    def step() -> None:
        torch.set_num_threads(threads)
        with autocast(precision):
            logits = model(batch)
        loss = default_loss(logits.float(), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def inference_step(
    network: dict[str, Any] | None,
    size: tuple[int, int],
    precision: str,
    threads: int,
    images: int = 1,
) -> Callable[[], None]:
    """Probabilities of a random photo at ``size``, which is what the network sees."""
    torch.set_num_threads(threads)
    model, batch = prepare(network, size, images)
    model.eval()

    @torch.no_grad()
    def step() -> None:
        torch.set_num_threads(threads)
        with autocast(precision):
            model(batch).float().sigmoid()

    return step


def predict_step(rival: str, size: tuple[int, int], threads: int) -> Callable[[], None]:
    """`inference.predict` of a photo of ``size``, which the network sees at the size it was trained at."""
    torch.set_num_threads(threads)
    network, seen = RIVALS[rival]
    checkpoint = Checkpoint(build(network).eval(), seen, MEAN, STD, {})
    photo = torch.randint(0, 256, (3, size[1], size[0]), dtype=torch.uint8)

    def step() -> None:
        torch.set_num_threads(threads)
        predict(checkpoint, photo)

    return step


def prepare(
    network: dict[str, Any] | None, size: tuple[int, int], images: int
) -> tuple[nn.Module, torch.Tensor]:
    """The network and a batch, with channels last as in training."""
    torch.manual_seed(0)
    model = build(network).to(memory_format=torch.channels_last)
    images = torch.randn(images, 3, size[1], size[0])
    return model, images.to(memory_format=torch.channels_last)


def autocast(precision: str, device: torch.device = CPU) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def multiply_adds(network: dict[str, Any] | None, size: tuple[int, int]) -> int:
    """Multiply-adds of all convolutions for one image. Computes shapes only, no values."""
    with torch.device("meta"):
        model, image = build(network), torch.empty(1, 3, size[1], size[0])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops() // 2  # it counts a multiplication and an addition as two


def training(*, fast: bool, **_: Any) -> list[Row]:
    """Training of quick's network, per image: fp32 and bf16, one thread and two."""
    return times(training_step, images_per_step, fast=fast, seconds=25)


def inference(*, fast: bool, **_: Any) -> list[Row]:
    """Inference of quick's network, per image: fp32 and bf16, one thread and two."""
    return times(inference_step, lambda _: 1, fast=fast, seconds=15)


def times(
    make: Callable[..., Callable[[], None]],
    batch: Callable[[tuple[int, int]], int],
    *,
    fast: bool,
    seconds: float,
) -> list[Row]:
    rows = []
    for size in SIZES[:1] if fast else SIZES:
        images = batch(size)
        variants = {
            f"{precision}, {threads} thread{'s' * (threads > 1)}": per_image(
                make(QUICK, size, precision, threads, images), images
            )
            for precision in PRECISIONS
            for threads in (1, 2)
            if threads <= cores()
        }
        case = f"{label(size)}, batch {images}"
        rows += compare(case, variants, seconds=1 if fast else seconds, least=1 if fast else 3)
    return rows


def memory(*, fast: bool, **_: Any) -> list[Row]:
    """Peak memory of quick's network: inference and training, each in a process of its own."""
    rows = []
    for size in SIZES[:1] if fast else SIZES:
        images = images_per_step(size)
        variants = {
            f"{name}, {precision}": partial(
                peak, function, network=QUICK, size=size, precision=precision, images=n
            )
            for name, function, n in (
                ("inference of 1", "inference_step", 1),
                (f"training on {images}", "training_step", images),
            )
            for precision in PRECISIONS[: 1 if fast else None]
        }
        # the same to a few percent from run to run, so few rounds will do
        rows += compare(label(size), variants, seconds=0, least=1 if fast else 2, warm_up=False)
    return rows


def classic(*, fast: bool, **_: Any) -> list[Row]:
    """Networks of the course against the classic one of 31 million parameters: inference, fp32.

    On all pixels of a large photo, and by `inference.predict`, which shrinks it first.
    """
    size = SIZES[0] if fast else CARVANA
    networks = {"quick": QUICK, "classic": CLASSIC}
    case = f"{label(size)}, {cores()} threads"
    common = dict(size=size, precision="fp32")
    variants = {
        name: per_image(inference_step(network, threads=cores(), **common), 1)
        for name, network in networks.items()
    }
    shrunk = {f"predict with {name}": name for name in ("quick", "full", "classic")}
    variants |= {
        title: per_image(predict_step(name, size, cores()), 1) for title, name in shrunk.items()
    }
    rows = compare(case, variants, seconds=1 if fast else 60)
    if not fast:  # `memory` has shown by then that peaks can be measured
        variants = {
            name: partial(peak, "inference_step", network=network, **common)
            for name, network in networks.items()
        }
        variants |= {
            title: partial(peak, "predict_step", rival=name, size=size)
            for title, name in shrunk.items()
        }
        rows += compare(case, variants, seconds=0, least=2, warm_up=False)
    counts = {name: multiply_adds(network, size) for name, network in networks.items()}
    # predict shows the network its own size, whatever the photo's
    counts |= {title: multiply_adds(*RIVALS[name]) for title, name in shrunk.items()}
    exact = {name: partial(dict, GMAC=count / 1e9) for name, count in counts.items()}
    return rows + compare(case, exact, seconds=0, least=1, warm_up=False)


def frontier(*, fast: bool, **_: Any) -> list[Row]:
    """What each network costs per photo at the size it is trained at: time, memory, multiply-adds."""
    case = f"{cores()} threads, fp32"
    common = dict(precision="fp32")
    variants = {
        name: per_image(inference_step(network, size, threads=cores(), **common), 1)
        for name, (network, size) in RIVALS.items()
    }
    rows = compare(f"inference, {case}", variants, seconds=1 if fast else 20)
    variants = {
        name: per_image(training_step(network, size, threads=cores(), images=1, **common), 1)
        for name, (network, size) in RIVALS.items()
    }
    rows += compare(f"a step on 1 photo, {case}", variants, seconds=1 if fast else 40)
    for what, function in (("inference", "inference_step"), ("a step on 1 photo", "training_step")):
        variants = {
            name: partial(peak, function, network=network, size=size, images=1, **common)
            for name, (network, size) in RIVALS.items()
        }
        rows += compare(f"{what}, {case}", variants, seconds=0, least=1, warm_up=False)
    exact = {
        name: partial(
            dict,
            GMAC=multiply_adds(network, size) / 1e9,
            Mparam=count_parameters(build(network)) / 1e6,
        )
        for name, (network, size) in RIVALS.items()
    }
    return rows + compare("1 photo", exact, seconds=0, least=1, warm_up=False)


def per_image(step: Callable[[], None], images: int) -> Measure:
    return lambda: {"ms per image": 1000 * timed(step, images=images)}


def peak(function: str, **arguments: Any) -> dict[str, float]:
    return {"MiB": measure_apart("networks", function, threads=cores(), **arguments)["MiB"]}


def label(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
