"""Training: presets, a loop one can read, and a state from which it resumes exactly."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from unet_course import data, losses, parts
from unet_course.checkpoints import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_state,
    replacing,
    save_checkpoint,
    save_state,
)
from unet_course.devices import (
    choose_precision,
    describe_device,
    find_device,
    lost_connection,
    share,
)
from unet_course.model import UNet
from unet_course.progress import progress
from unet_course.validation import best_epoch, default_loss, validate

# `images` is how many photos training sees in all, repeats included, so that a preset takes the
# same time on a small dataset (many epochs) and on a large one (few). `half` is explained in `fit`;
# `hues` shuffles colours, as paints are learned by heart otherwise (lesson 06, section 13).
# Further settings that an experiment may name: `norm` and `up` of the network, `loss` (a function of
# `losses`), `optimizer` (of `OPTIMIZERS`), `schedule` (of `SCHEDULES`), `colours` and `hues` (of
# `data.augmentation`).
PRESETS: dict[str, dict[str, Any]] = {
    # 24 steps are too few for SGD
    "smoke": dict(
        size=(96, 64), width=8, depth=3, images=192, batch_size=8, lr=4e-3, optimizer="adamw"
    ),
    "quick": dict(
        size=(480, 320),
        width=16,
        depth=4,
        growth="linear",
        stem=2,
        images=11_800,
        half=0.75,
        batch_size=4,
        lr=0.5,
        hues=0.5,
    ),
}
# Twice the channels (measured on two CPU cores, a photo at half size takes 1.9 times as long, one at
# full size 2.4 times, not four) and five times the passes.
PRESETS["full"] = PRESETS["quick"] | dict(width=32, images=59_000)

TARGETS: dict[str, type[data.CarDataset]] = {"car": data.CarDataset, "parts": parts.PartDataset}

History = list[dict[str, float]]


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "adamw": partial(torch.optim.AdamW, weight_decay=1e-2),
}
_LRScheduler = torch.optim.lr_scheduler.LRScheduler


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> _LRScheduler:
    """The rate rises in the first fifth of the steps and falls to 0 (Smith and Topin 2018, section 3)."""
    peak = optimizer.param_groups[0]["lr"]
    # which cannot have 5 steps: it divides by 0
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, max(6, steps), pct_start=0.2)


def constant(optimizer: torch.optim.Optimizer, steps: int) -> _LRScheduler:
    """The rate stays what it is in all steps."""
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1, total_iters=steps)


SCHEDULES = {"one-cycle": one_cycle, "constant": constant}


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to do."""


def get_preset(name: str) -> dict[str, Any]:
    """The settings of a preset.

    Raises:
        ValueError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"preset {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def new_network(settings: dict[str, Any], *, out_channels: int = 1) -> UNet:
    """The network of a preset's settings, with weights drawn anew."""
    choices = ("width", "depth", "growth", "stem", "norm", "up")
    return UNet(out_channels=out_channels, **{k: settings[k] for k in choices if k in settings})


def epochs_for(preset: str, n_images: int) -> int:
    """How many passes over ``n_images`` photos stay within the preset's number of photos; at least 1."""
    return _epochs(get_preset(preset), n_images)


def _epochs(settings: dict[str, Any], n_images: int) -> int:
    return max(1, settings["images"] // max(1, n_images))


def fit(
    model: UNet,
    train_set: data.CarDataset,
    val_set: data.CarDataset,
    output_dir: str | Path,
    *,
    epochs: int,
    batch_size: int = 8,
    lr: float = 0.5,
    half: float = 0.0,
    seed: int = 0,
    loss_function: Callable[[Tensor, Tensor], Tensor] = default_loss,
    new_optimizer: Callable[..., torch.optim.Optimizer] = OPTIMIZERS["sgd"],
    new_schedule: Callable[[torch.optim.Optimizer, int], _LRScheduler] = one_cycle,
    resume: bool = False,
    info: dict[str, Any] | None = None,
    on_epoch: Callable[[History], None] | None = None,
) -> tuple[UNet, History]:
    """Train ``model`` and leave the best weights, the last ones, a history and a state on disk.

    Writes ``unet.safetensors`` (best on ``val_set`` by `best_epoch`), ``last.safetensors``,
    ``history.csv`` and ``state.pt`` in ``output_dir`` after every epoch, each written whole or not at
    all. Every random number of an epoch comes from ``seed`` and the epoch, so a run that was killed
    and resumed ends with the same weights as one that was not, on the same CPU.

    Several processes (``torchrun``) share every batch, and the first of them writes. Their step is
    that of one process, to rounding, but for what each draws or counts on its own: augmentation and
    batch norm's statistics. Two processes against one, measured on rendered and on real photos with
    the network of ``smoke``: training loss within 0.015; validation Dice within 0.005 after 120
    steps, and within 0.05 after 30, where two seeds differ as much.

    Args:
        train_set, val_set: photos with car masks, or both `parts.PartDataset`; ``model`` has one
            channel for the former and one per class for the latter.
        epochs: passes over ``train_set``.
        batch_size: photos per step, over all processes together.
        lr: the highest learning rate; for ``OPTIMIZERS["adamw"]`` about a hundredth of that for SGD.
        half: the share of the steps, from the first one on, that sees the photos at half their width
            and height. Such a step is about a third of the work, and most of what there is to learn
            about cars can be learned there; the outline cannot, so the last steps are at full size
            (compare Tan and Le 2021, "EfficientNetV2", section 4). An epoch that is all at half size
            is validated at half size.
        loss_function: takes logits and masks, returns the mean of a loss over the photos.
        new_optimizer: takes the network's parameters and ``lr``.
        new_schedule: takes the optimizer and the number of steps in all.
        resume: go on from ``state.pt`` where there is one.
        info: kept in the checkpoints, and compared when resuming.
        on_epoch: called with the history after every epoch, e.g. to draw curves.

    Returns:
        The model with the best weights, on the CPU, and the history: a dictionary per epoch, in which
        ``small`` is the share of its steps that were at half size.

    Raises:
        TrainingError: the loss is not a number, a split is empty, the network has another number of
            channels than there are classes, or another process died.
        ValueError: ``half`` is not between 0 and 1, or there is no size to halve.
        CheckpointError: the state belongs to another run.
        OSError: ``output_dir`` cannot be written to.
    """
    output_dir, info = Path(output_dir), dict(info or {})
    info |= dict(
        seed=seed, epochs=epochs, batch_size=batch_size, peak_lr=lr, half=half,
        architecture=model.config,
    )  # fmt: skip
    if not 0 <= half < 1 or (half and train_set.size is None):
        raise ValueError(f"half={half}: expected 0 to below 1, and a dataset with a size to halve")
    for name, dataset in (("train", train_set), ("val", val_set)):
        if len(dataset) == 0:
            raise TrainingError(f"no photos to {name} on; is there a car in that split?")
    channels = 1 if train_set.classes == data.CarDataset.classes else len(train_set.classes)
    if model.config["out_channels"] != channels or val_set.classes != train_set.classes:
        raise TrainingError(
            f"a network of {model.config['out_channels']} channels, photos to train on of "
            f"{len(train_set.classes)} classes and to validate on of {len(val_set.classes)}: car or "
            f"not car takes UNet(), parts take UNet(out_channels={len(parts.PARTS)}) and PartDataset"
        )
    state_path = output_dir / "state.pt"
    state = load_state(state_path, info) if resume and state_path.exists() else None

    device = find_device()
    precision = state["precision"] if state else choose_precision(device)
    AcceleratorState._reset_state()  # an earlier Accelerator of this process fixed its precision
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision=precision)
    # channels last is up to 1.6 times as fast on CPUs and on GPUs' tensor cores; not tried on MPS
    layout = torch.contiguous_format if device.type == "mps" else torch.channels_last
    model = model.to(device, memory_format=layout)
    steps = math.ceil(len(train_set) / batch_size)
    small_steps, small_set, small_val = int(half * epochs * steps), None, None
    if half:
        small = train_set.size[0] // 2, train_set.size[1] // 2
        small_set, small_val = train_set.resized(small), val_set.resized(small)
    optimizer = new_optimizer(model.parameters(), lr=lr)
    scheduler = new_schedule(optimizer, epochs * steps)
    history: History = []
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        history = state["history"]
        if accelerator.scaler is not None:  # fp16 only: the factor that keeps gradients above 0
            accelerator.scaler.load_state_dict(state["scaler"])
    network, optimizer = accelerator.prepare(model, optimizer)
    info |= {"precision": precision, "device": describe_device(device)}
    info |= {"processes": accelerator.num_processes}

    def save(name: str) -> None:
        if accelerator.is_main_process:
            record = info | {"finished": False} | (history[-1] if history else {})
            checkpoint = Checkpoint(
                model, train_set.size, data.MEAN, data.STD, record, train_set.classes
            )
            save_checkpoint(output_dir / name, checkpoint)

    def keep_state() -> None:
        if accelerator.is_main_process:
            content = dict(
                model=model.state_dict(), optimizer=optimizer.state_dict(),
                scheduler=scheduler.state_dict(), history=history, precision=precision, info=info,
            )  # fmt: skip
            if accelerator.scaler is not None:
                content["scaler"] = accelerator.scaler.state_dict()
            save_state(state_path, content)

    if not state:
        keep_state()  # so that there is something to resume from the first step on
    bar = progress(
        total=epochs * steps, initial=len(history) * steps, desc="training", unit="step",
        disable=not accelerator.is_main_process,
    )  # fmt: skip
    try:
        for epoch in range(len(history), epochs):
            started = time.perf_counter()
            order = torch.Generator().manual_seed(_epoch_seed(seed, epoch))
            torch.manual_seed(_epoch_seed(seed, epoch) + accelerator.process_index)
            batches = torch.randperm(len(train_set), generator=order).split(batch_size)
            shares = [share(batch.tolist()) for batch in batches]
            # with nothing to do in a short last batch, a process repeats a photo, at weight 0
            mine = [part or batch[:1].tolist() for part, batch in zip(shares, batches, strict=True)]
            n_small = min(max(small_steps - epoch * steps, 0), steps)
            loader = chain(
                (small_set or train_set).batches(mine[:n_small], device=device),
                train_set.batches(mine[n_small:], device=device),
            )
            network.train()
            total = 0.0
            for part, batch, (images, masks) in zip(shares, batches, loader, strict=True):
                images = images.to(memory_format=layout)
                # the mean over processes, of which backward makes the gradient, is that over photos
                weight = accelerator.num_processes * len(part) / len(batch)
                loss = weight * loss_function(network(images), masks)
                mean_loss = accelerator.reduce(loss.detach(), "mean").item()
                if not math.isfinite(mean_loss):  # so all processes stop, whoever has the photo
                    raise TrainingError(
                        f"the loss is {mean_loss} in epoch {epoch + 1}; the last good epoch is kept "
                        f"in {output_dir}. Lower the learning rate (now {lr:g}), and look at the photos "
                        "of the batch"
                    )
                optimizer.zero_grad()
                accelerator.backward(loss)
                optimizer.step()
                scheduler.step()
                total += mean_loss
                bar.update()
            if n_small < steps:
                small_set = small_val = None  # their caches are not needed again
            row = {"epoch": epoch + 1, "small": n_small / steps, "train_loss": total / steps}
            for statistic in model.buffers():  # batch norm's, which processes count on their own
                if statistic.is_floating_point():
                    statistic.copy_(accelerator.reduce(statistic, "mean"))
            row |= validate(model, small_val or val_set, batch_size=batch_size)
            row |= {"lr": scheduler.get_last_lr()[0], "seconds": time.perf_counter() - started}
            history.append(row)
            shown = [key for key in ("val_dice", "val_mean_iou") if key in row]
            bar.set_postfix({key: f"{row[key]:.4f}" for key in shown})
            save("last.safetensors")
            if best_epoch(history) is row:
                save("unet.safetensors")
            if accelerator.is_main_process:
                write_history(output_dir / "history.csv", history)
            keep_state()
            if on_epoch is not None and accelerator.is_main_process:
                on_epoch(history)
    except KeyboardInterrupt:
        save("last.safetensors")
        raise
    except RuntimeError as error:
        if not lost_connection(error):
            raise
        raise TrainingError(
            "another process of this run died (see its message, or torchrun's report); finished "
            f"epochs are kept in {output_dir}: go on with --resume"
        ) from error
    finally:
        bar.close()
    if accelerator.is_main_process:
        best = load_checkpoint(output_dir / "unet.safetensors")
        seconds = sum(row["seconds"] for row in history)
        best.info |= {"finished": True, "train_seconds": seconds}
        save_checkpoint(output_dir / "unet.safetensors", best)
    accelerator.wait_for_everyone()
    return load_checkpoint(output_dir / "unet.safetensors").model, history


def train(
    data_dir: str | Path,
    output_dir: str | Path,
    *,
    preset: str = "quick",
    seed: int = 0,
    target: Literal["car", "parts"] = "car",
    init: str | Path | None = None,
    cars: int | None = None,
    split_file: str | Path | None = None,
    changes: dict[str, Any] | None = None,
    resume: bool = False,
    on_epoch: Callable[[History], None] | None = None,
) -> tuple[UNet, History]:
    """Train a U-Net on the train cars of a dataset as a preset says, validated on its val cars.

    Args:
        target: ``"car"``, or ``"parts"`` where the dataset has part masks.
        init: a checkpoint whose weights training starts from, of the same target and architecture;
            the learning rate is then a tenth of the preset's.
        cars: how many of the train cars to use, drawn by ``seed`` as `data.draw_cars` says. The
            number of photos seen stays the preset's: fewer cars are seen more often.
        changes: settings that take the place of the preset's, for an experiment.

    Raises:
        DataError, TrainingError, CheckpointError, OSError: as `data.load_split`, `data.draw_cars`,
            `parts.read_part_pair` and `fit`; or ``init`` does not fit.
        ValueError: there is no such preset or target.
    """
    p = get_preset(preset) | (changes or {})
    if target not in TARGETS:
        raise ValueError(f"target {target!r}: expected one of {', '.join(TARGETS)}")
    splits = data.load_split(data_dir, split_file=split_file)
    info = run_info(data_dir, splits, preset, seed, target=target, init=init, cars=cars)
    info["recipe"] |= json.loads(json.dumps(changes or {}))
    samples = splits["train"]
    if cars is not None:
        samples = data.draw_cars(samples, cars, seed=seed)
    # a short preset takes part of a large dataset
    every = max(1, len(samples) // p["images"])
    dataset = TARGETS[target]
    augment = data.augmentation(**{k: p[k] for k in ("colours", "hues") if k in p})
    train_set = dataset(samples[::every], size=p["size"], augment=augment)
    val_set = dataset(splits["val"], size=p["size"])
    torch.manual_seed(seed)
    channels = 1 if target == "car" else len(dataset.classes)
    model = new_network(p, out_channels=channels)
    lr = p["lr"]
    if init is not None:
        start_from(model, init, classes=dataset.classes)
        lr /= 10  # at the full rate the first passes would undo what the weights know
    return fit(
        model, train_set, val_set, output_dir,
        epochs=_epochs(p, len(train_set)), batch_size=p["batch_size"], lr=lr,
        half=p.get("half", 0.0), seed=seed, resume=resume, on_epoch=on_epoch, info=info,
        loss_function=getattr(losses, p["loss"]) if "loss" in p else default_loss,
        new_optimizer=OPTIMIZERS[p.get("optimizer", "sgd")],
        new_schedule=SCHEDULES[p.get("schedule", "one-cycle")],
    )  # fmt: skip


def start_from(model: UNet, path: str | Path, *, classes: tuple[str, ...]) -> None:
    """Give ``model`` the weights of a checkpoint, which must be of its classes and architecture.

    Raises:
        CheckpointError: it is not, or as `load_checkpoint`.
    """
    found = load_checkpoint(path)
    if found.classes != classes:
        raise CheckpointError(
            f"{path}: is a network for {', '.join(found.classes)}, and this training is for "
            f"{', '.join(classes)}; give a checkpoint of the same target"
        )
    theirs = found.model.config
    if different := [key for key, value in model.config.items() if theirs[key] != value]:
        listed = ", ".join(f"{k}={theirs[k]!r}, not {model.config[k]!r}" for k in different)
        raise CheckpointError(
            f"{path}: has another architecture ({listed}); give a checkpoint of the same preset"
        )
    model.load_state_dict(found.model.state_dict())


def run_info(
    data_dir: str | Path,
    splits: dict[str, list[data.Sample]],
    preset: str,
    seed: int,
    *,
    target: str = "car",
    init: str | Path | None = None,
    cars: int | None = None,
) -> dict[str, Any]:
    """What makes a training run this one: checkpoints carry it, and are reused only when it is equal.

    ``recipe`` holds the preset's settings and, where they are not the usual ones, ``target``, ``init``
    (the file's name) and ``cars``.

    Raises:
        DataError: as `parts.fingerprint`, for parts.
    """
    options = {"target": None if target == "car" else target, "cars": cars}
    options["init"] = Path(init).name if init is not None else None
    unusual = {name: value for name, value in options.items() if value is not None}
    return {
        "data": Path(data_dir).resolve().name,
        "recipe": json.loads(json.dumps(get_preset(preset) | unusual)),
        "fingerprint": (parts if target == "parts" else data).fingerprint(splits),
        "preset": preset,
        "seed": seed,
    }


def write_history(path: str | Path, history: History) -> None:
    """Write one line per epoch as CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, history[0].keys())
        writer.writeheader()
        writer.writerows(history)


def _epoch_seed(seed: int, epoch: int) -> int:
    return (1_000_003 * seed + 1009 * epoch) % 2**63
