"""What every notebook does first: resolve its parameters, set the style and the seed."""

from __future__ import annotations

import os
import platform
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from unet_course import data, training
from unet_course.checkpoints import Checkpoint, CheckpointError, load_checkpoint
from unet_course.figures.style import use_style

ROOT = Path(__file__).resolve().parents[1]
EMBEDDED = ROOT / "data" / "turntable"
SHIPPED = ROOT / "outputs" / "weights" / "turntable.safetensors"


@dataclass(frozen=True)
class Lesson:
    """The resolved parameters of a notebook.

    Attributes:
        data_dir: the dataset's folder.
        output_dir: where figures, metrics and checkpoints go.
        preset: ``"smoke"``, ``"quick"`` or ``"full"``; its settings are ``settings``.
        seed: of every random choice.
        splits: the samples of ``train``, ``val`` and ``test``, by car.
    """

    data_dir: Path
    output_dir: Path
    preset: str
    seed: int
    splits: dict[str, list[data.Sample]]

    @property
    def settings(self) -> dict:
        return training.get_preset(self.preset)

    @property
    def device(self) -> torch.device:
        return training.find_device()


def start(
    data_dir: str | Path | None = None,
    output_dir: str | Path | None = None,
    preset: str | None = None,
    seed: int = 0,
) -> Lesson:
    """Resolve a notebook's parameters, set the figures' style and the random seed, and say so.

    ``None`` stands for the default: the embedded dataset; ``outputs/`` of the course (or
    ``outputs/runs/…`` where data, preset or seed is not the default); the environment variable
    ``UNET_COURSE_PRESET``, else ``"quick"``.

    Raises:
        DataError: as `data.load_split`, or one of the splits has no car.
        ValueError: there is no such preset.
    """
    preset = preset or os.environ.get("UNET_COURSE_PRESET") or "quick"
    training.get_preset(preset)
    folder = Path(data_dir).resolve() if data_dir else EMBEDDED
    if output_dir is None:
        output_dir = ROOT / "outputs"
        if (folder, preset, seed) != (EMBEDDED, "quick", 0):
            output_dir = output_dir / "runs" / f"{folder.name}-{preset}"
    splits = data.load_split(folder)
    if empty := [name for name, samples in splits.items() if not samples]:
        raise data.DataError(
            f"{folder / 'split.csv'}: no car for {' and '.join(empty)}, and the lessons need all three "
            "splits; name some, or remove this file, and the cars are split for you"
        )
    use_style()
    warnings.filterwarnings("ignore", module=r"(accelerate|torch\.optim\.lr_scheduler)\b")
    torch.manual_seed(seed)
    lesson = Lesson(folder, Path(output_dir).resolve(), preset, seed, splits)
    counts = ", ".join(
        f"{len({s.car for s in samples})} {name}" for name, samples in lesson.splits.items()
    )
    print(f"data: {folder.name} (cars: {counts}) · preset: {preset} · seed: {seed}")
    return lesson


def trained(lesson: Lesson) -> Checkpoint:
    """The checkpoint for a lesson: the one trained here, the shipped one, or a new one.

    One of the first two is taken only when its data, preset and seed are the lesson's and its
    training came to its end; otherwise the network is trained now, from where such a training
    stopped if it did. Says what it did.
    """
    folder = lesson.output_dir / "training"
    wanted = training.run_info(lesson.data_dir, lesson.splits, lesson.preset, lesson.seed)
    for path in (folder / "unet.safetensors", SHIPPED):
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            if path.exists():
                print(error)
            continue
        info = checkpoint.info
        if all(info.get(key) == value for key, value in wanted.items()) and info["finished"]:
            print(f"using {path.name}: data, preset and seed are the ones asked for")
            return checkpoint
    asked = f"a network on {lesson.data_dir.name} ({lesson.preset}, seed {lesson.seed})"
    run = dict(preset=lesson.preset, seed=lesson.seed)
    try:
        begun = (folder / "state.pt").exists()
        print(f"{'going on training' if begun else 'training'} {asked}, as lesson 03 does")
        training.train(lesson.data_dir, folder, resume=True, **run)
    except CheckpointError as error:
        print(f"{error}\ntraining {asked} from the beginning")
        training.train(lesson.data_dir, folder, **run)
    return load_checkpoint(folder / "unet.safetensors")


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    packages = ("torch", "torchvision", "numpy", "pillow", "matplotlib", "accelerate")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
