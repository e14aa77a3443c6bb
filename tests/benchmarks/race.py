"""A race to Dice 0.98 on real photos: recipes train in turns on one machine, each on its own clock.

``python -m tests.benchmarks.race --data carvana480`` trains `sprint` with three seeds beside the classic
U-Net, to the end of each recipe's schedule, or, where it has none, until it has reached the goal on
validation cars, or for two hours. A clock runs while its recipe trains and stands while others do, and
while validation photos are scored. A race that was stopped goes on. Whoever has finished is scored on
the test cars once, and all is kept as JSON. Where there is a GPU they race there, and scores should be
taken more often: ``--check 10``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unet_course import data, inference, losses, protocol, training
from unet_course.checkpoints import Checkpoint, load_state, replacing, save_state
from unet_course.devices import describe_device, find_device
from unet_course.model import count_parameters
from unet_course.pretrained import ResNetUNet
from unet_course.progress import progress

from . import machine
from .apart import ROOT
from .networks import CLASSIC, QUICK, autocast, build

GOAL = 0.98
RESULTS = ROOT / "outputs" / "race.json"
RMSPROP = partial(torch.optim.RMSprop, lr=1e-5, weight_decay=1e-8, momentum=0.999)


class Recipe(NamedTuple):
    """What a contestant trains, and how."""

    title: str
    network: Callable[[], nn.Module]
    size: tuple[int, int]
    batch: int
    loss: Callable[[Tensor, Tensor], Tensor]
    optimizer: Callable[..., torch.optim.Optimizer]
    photos: int | None  # over which the learning rate rises and falls; None: it stays, to the end
    check: float = 180  # seconds on the clock from score to score
    clip: float | None = None  # gradients longer than this are shortened to it
    precision: str = "fp32"


SPRINT = Recipe(
    "`outline` at 240x160, four passes", partial(build, QUICK), (240, 160), 4,
    losses.boundary_bce_dice, partial(torch.optim.AdamW, lr=4e-3), 4 * 1472, 60,
)  # fmt: skip
# milesial/Pytorch-UNet's train.py, but for its scheduler, which would lower the rate after five
# scores without progress; its photos are half as wide and high as Carvana's, not an eighth.
USUAL = Recipe(
    "classic U-Net, RMSprop 1e-5, batch 1", partial(build, CLASSIC), (240, 160), 1,
    losses.bce_dice, RMSPROP, None, clip=1.0,
)  # fmt: skip
RESNET = Recipe(
    "ResNet-34 encoder, random weights", ResNetUNet, (240, 160), 4,
    losses.boundary_bce_dice, partial(torch.optim.AdamW, lr=1e-3), 4 * 1472,
)  # fmt: skip
RECIPES = {
    "sprint": SPRINT,
    "sprint-bf16": SPRINT._replace(precision="bf16"),
    "classic": USUAL,
    "classic-bf16": USUAL._replace(precision="bf16"),
    "resnet34": RESNET,
    "resnet34-bf16": RESNET._replace(precision="bf16"),
    "resnet34-pretrained": RESNET._replace(
        title="ResNet-34 encoder, ImageNet weights",
        network=partial(ResNetUNet, pretrained=True),
    ),
}


class Contestant:
    """A recipe and a seed, with a clock of their own.

    Its state is kept after every score; a contestant that was stopped begins there again.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        samples: dict[str, list[data.Sample]],
        work: Path,
        limit: float,
        check: float | None = None,
    ) -> None:
        self.name, self.seed, self.samples, self.limit = name, seed, samples, limit
        self.recipe = recipe = RECIPES[name]
        self.pause, self.device = check or recipe.check, find_device()
        self.state = work / f"race-{name}-{seed}.pt"
        torch.manual_seed(seed)
        self.model = recipe.network().to(self.device, memory_format=torch.channels_last)
        self.optimizer = recipe.optimizer(self.model.parameters())
        self.steps = (recipe.photos or 10**9) // recipe.batch
        self.scheduler = None
        if recipe.photos:
            self.scheduler = training.one_cycle(self.optimizer, self.steps)
        augment = data.augmentation() if recipe.photos else None  # the usual recipe has none
        self.photos = data.CarDataset(samples["train"], size=recipe.size, augment=augment)
        self.seconds, self.step, self.curve = 0.0, 0, []
        self.info = dict(name=name, seed=seed, threads=torch.get_num_threads())
        if self.device.type != "cpu":
            self.info["device"] = describe_device(self.device)
        if self.state.exists():
            kept = load_state(self.state, self.info)
            self.model.load_state_dict(kept["model"])
            self.optimizer.load_state_dict(kept["optimizer"])
            if self.scheduler:
                self.scheduler.load_state_dict(kept["scheduler"])
            self.seconds, self.step, self.curve = kept["seconds"], kept["step"], kept["curve"]

    @property
    def reached(self) -> dict[str, Any] | None:
        """The first score that reached the goal."""
        return next((score for score in self.curve if score["dice"] >= GOAL), None)

    @property
    def finished(self) -> bool:
        """At the end of its schedule, or, without one, at the goal; or it has no time left."""
        ended = self.step >= self.steps if self.scheduler else self.reached is not None
        return ended or self.seconds >= self.limit

    def batches(self) -> Iterator[list[int]]:
        """Indices of the photos of each step from the present one on."""
        per_pass = len(self.photos) // self.recipe.batch
        while True:
            number, first = divmod(self.step, per_pass)
            order = torch.Generator().manual_seed(1000 * self.seed + number)
            parts = torch.randperm(len(self.photos), generator=order).split(self.recipe.batch)
            yield from (part.tolist() for part in parts[first:per_pass])

    def train(self) -> None:
        """Train until the next score is due, with the clock running."""
        due = min(self.seconds + self.pause, self.limit)
        torch.manual_seed(1000 * self.seed + self.step)  # of what augmentation draws
        self.model.train()
        started, before = time.perf_counter(), self.seconds
        with progress(desc=f"{self.name}:{self.seed}", unit="step", leave=False) as bar:
            for images, masks in self.photos.batches(self.batches(), device=self.device):
                self.learn(images.to(memory_format=torch.channels_last), masks)
                self.step += 1
                bar.update()
                self.seconds = before + time.perf_counter() - started
                if self.seconds >= due or self.step >= self.steps:
                    return

    def learn(self, images: Tensor, masks: Tensor) -> None:
        """One step of the optimizer."""
        with autocast(self.recipe.precision, self.device):
            loss = self.recipe.loss(self.model(images), masks)
        self.optimizer.zero_grad()
        loss.backward()
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        if self.scheduler:
            self.scheduler.step()
        loss.item()  # waits for a GPU, so that the clock sees the step

    def score(self, samples: Iterable[data.Sample]) -> dict[str, Any]:
        """Scores at the photos' own size."""
        photos = ((s.id, s.car, *data.read_pair(s)) for s in samples)
        self.model.eval()
        checkpoint = Checkpoint(self.model, self.recipe.size, data.MEAN, data.STD, {})
        return inference.evaluate(checkpoint, photos)

    def check(self) -> None:
        """Score on every fourth validation photo, four views of each car, and keep all."""
        dice = self.score(self.samples["val"][::4])["dice"]
        seen = self.step * self.recipe.batch
        self.curve.append({"minutes": self.seconds / 60, "photos": seen, "dice": dice})
        save_state(self.state, dict(
            model=self.model.state_dict(), optimizer=self.optimizer.state_dict(),
            scheduler=self.scheduler and self.scheduler.state_dict(), seconds=self.seconds,
            step=self.step, curve=self.curve, info=self.info,
        ))  # fmt: skip

    def row(self) -> dict[str, Any]:
        """What is kept of it, with the test cars' scores where it has finished."""
        row = {"name": self.name, "title": self.recipe.title, "seed": self.seed}
        row |= {key: getattr(self.recipe, key) for key in ("size", "batch", "precision")}
        row |= {"parameters": count_parameters(self.model), "goal": GOAL, "reached": self.reached}
        row |= {"minutes": self.seconds / 60, "photos": self.step * self.recipe.batch}
        row |= {"curve": self.curve}
        if self.finished:
            scores = self.score(self.samples["test"])
            kept = ("resolution", "n_cars", "n_images", "dice", "accuracy", "boundary_f1")
            row["test"] = {key: scores[key] for key in (*kept, "dice_ci95")}
        return row


def keep(row: dict[str, Any], path: Path) -> None:
    """Put ``row`` in the place of the one of the same name and seed."""
    others = [
        r for r in protocol.read(path) if (r["name"], r["seed"]) != (row["name"], row["seed"])
    ]
    order = [*RECIPES]
    rows = sorted([*others, row], key=lambda r: (order.index(r["name"]), r["seed"]))
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.race", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME[:SEED]", help=", ".join(RECIPES),
        default=["sprint:0", "sprint:1", "sprint:2", "classic:0"],
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="real photos at 480x320")
    parser.add_argument("--minutes", type=float, default=120, help="limit of each clock (120)")
    parser.add_argument("--check", type=float, metavar="SECONDS",
                        help="from score to score (60 for sprint, 180 for the others)")  # fmt: skip
    parser.add_argument("--work", type=Path, default=ROOT / "outputs" / "race", help="states")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    names = [name.partition(":") for name in args.names]
    if unknown := {name for name, _, _ in names} - RECIPES.keys():
        parser.error(f"{min(unknown)!r}: expected some of {', '.join(RECIPES)}")
    try:
        samples = data.load_split(args.data)
        args.work.mkdir(parents=True, exist_ok=True)
        runners = [
            Contestant(name, int(seed or 0), samples, args.work, 60 * args.minutes, args.check)
            for name, _, seed in names
        ]
        on = machine.line(machine.describe())
        print(on)
        while waiting := [runner for runner in runners if not runner.finished]:
            for runner in waiting:
                runner.train()
                runner.check()
                print(f"{runner.name}:{runner.seed} {runner.curve[-1]}", flush=True)
                keep(runner.row() | {"machine": on}, args.results)
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
