"""The command ``unet-course``: its subcommands and their arguments. Holds no logic."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unet_course import data, devices, inference, kaggle, parts, prepare, training
from unet_course.checkpoints import load_checkpoint, replacing
from unet_course.figures.style import PART_COLORS
from unet_course.progress import progress


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = map(int, text.lower().split("x"))
    except ValueError:
        width = height = 0
    if min(width, height) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT, e.g. 480x320")
    return width, height


def _split(text: str) -> str:
    names = text.split("+")
    if text != "all" and (not set(names) <= set(data.SPLITS) or len(set(names)) < len(names)):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected all, {', '.join(data.SPLITS)}, or several such as train+test"
        )
    return text


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="unet-course", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    c = commands.add_parser(
        "download", help="bring Kaggle's Carvana photos; needs a Kaggle account"
    )
    c.add_argument("--output", type=Path, required=True, help="a new folder, e.g. carvana")

    c = commands.add_parser("prepare", help="make a smaller copy of a Carvana folder")
    c.add_argument(
        "--source", type=Path, required=True, help="Kaggle's folder: train/, train_masks/"
    )
    c.add_argument("--output", type=Path, required=True)
    c.add_argument("--size", type=_size, default=(480, 320), help="WIDTHxHEIGHT (480x320)")
    c.add_argument("--split-file", type=Path, help="CSV of car,split: only these cars are copied")

    c = commands.add_parser("train", help="train a U-Net")
    c.add_argument("--data", type=Path, required=True)
    c.add_argument("--output", type=Path, required=True)
    c.add_argument("--preset", choices=training.PRESETS, default="quick")
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--target", choices=training.TARGETS, default="car", help="what to find (car)")
    c.add_argument(
        "--init",
        type=Path,
        metavar="FILE",
        help="a checkpoint to start from, at a tenth of the learning rate",
    )
    c.add_argument("--train-cars", type=int, metavar="N", help="use N train cars, drawn by --seed")
    c.add_argument("--split-file", type=Path)
    c.add_argument("--resume", action="store_true", help="go on where the run in --output stopped")

    c = commands.add_parser("evaluate", help="score a checkpoint at the photos' own resolution")
    c.add_argument("--data", type=Path, required=True)
    c.add_argument("--checkpoint", type=Path, required=True)
    c.add_argument("--split", type=_split, default="test", help="e.g. val, train+val, all (test)")
    c.add_argument("--split-file", type=Path)
    c.add_argument("--json", type=Path, help="write the scores to this file")

    c = commands.add_parser(
        "predict", help="write one PNG per photo, at its own size: its mask or parts"
    )
    c.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    c.add_argument("--checkpoint", type=Path, required=True)
    c.add_argument("--output", type=Path, required=True)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; errors that a user can mend end it with one line and status 1.

    Several processes of ``torchrun`` share the work of train and evaluate, and the first of them
    prints and writes; a line of an error says which process it is from.
    """
    args = build_parser().parse_args(arguments)
    name = f"unet-course {args.command}"
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        # as torchrun counts them; on a line of its own, as the progress bar is another process's
        name = f"\n{name} [rank {os.environ['RANK']}]"
        if args.command in ("download", "prepare", "predict") and os.environ["RANK"] != "0":
            return 0
    try:
        {
            "download": _download, "prepare": _prepare, "train": _train, "evaluate": _evaluate,
            "predict": _predict,
        }[args.command](args)  # fmt: skip
    except (ValueError, training.TrainingError, OSError) as error:
        print(f"{name}: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if not devices.lost_connection(error):
            raise
        print(
            f"{name}: another process of this command died (see its message, or torchrun's report); "
            "run it again",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt as error:
        print("; ".join([f"{name}: stopped", *error.args]), file=sys.stderr)
        return 130
    return 0


def _download(args: argparse.Namespace) -> None:
    try:
        folder = kaggle.download_carvana(args.output)
    except KeyboardInterrupt:
        print("run again: it goes on where it was", file=sys.stderr)
        raise
    print(f"{folder}: complete and checked, and the archives are removed; use it as data_dir")


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which torchrun sends when another process died, stop a run as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt("by SIGTERM")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _prepare(args: argparse.Namespace) -> None:
    n = prepare.prepare(args.source, args.output, size=args.size, split_file=args.split_file)
    print(f"{n} photos with masks in {args.output}")


def _train(args: argparse.Namespace) -> None:
    try:
        with _stopped_by_sigterm():
            _, history = training.train(
                args.data, args.output, preset=args.preset, seed=args.seed, target=args.target,
                init=args.init, cars=args.train_cars, split_file=args.split_file,
                resume=args.resume,
            )  # fmt: skip
    except KeyboardInterrupt as error:
        advice = f"go on with --resume; finished epochs are kept in {args.output}"
        raise KeyboardInterrupt(*error.args, advice) from None
    if not devices.this_process().is_main_process:
        return
    best = training.best_epoch(history)
    of_parts = f"mean IoU of parts {best['val_mean_iou']:.4f}, " if args.target == "parts" else ""
    print(
        f"{args.output / 'unet.safetensors'}: {of_parts}Dice {best['val_dice']:.4f} on the "
        f"validation cars, at the training size, after epoch {best['epoch']} of {len(history)}"
    )


def _evaluate(args: argparse.Namespace) -> None:
    checkpoint = load_checkpoint(args.checkpoint)
    if args.split == "all":
        samples = data.find_samples(args.data)
    else:
        splits = data.load_split(args.data, split_file=args.split_file)
        samples = [s for name in args.split.split("+") for s in splits[name]]
    main = devices.this_process().is_main_process
    mine = progress(devices.share(samples), desc="evaluating", disable=not main)
    with_parts = checkpoint.classes == parts.PARTS and parts.have_parts(args.data)
    read = parts.read_part_pair if with_parts else data.read_pair
    photos = ((s.id, s.car, *read(s)) for s in mine)
    scores = inference.evaluate(checkpoint, photos, parts=with_parts)
    if not main:
        return
    del scores["images"]
    scores = {"split": args.split} | scores
    text = json.dumps(scores, indent=2)
    print(text)
    if args.json:
        with replacing(args.json) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _predict(args: argparse.Namespace) -> None:
    checkpoint = load_checkpoint(args.checkpoint)
    kind = "parts" if checkpoint.classes == parts.PARTS else "mask"
    sources: dict[Path, Path] = {}
    for path in args.images:
        target = args.output / f"{path.stem}_{kind}.png"
        if sources.setdefault(target, path) != path:
            raise ValueError(
                f"{path}: its mask would overwrite that of {sources[target]}; give another --output"
            )
    for target, path in progress(sources.items(), desc="predicting"):
        probability = inference.predict(checkpoint, data.read_image(path))
        if kind == "parts":
            parts.save_parts(target, probability.argmax(0), PART_COLORS)
        else:
            inference.save_mask(target, inference.car_probability(probability) > 0.5)
    print(f"{len(sources)} masks in {args.output}")


if __name__ == "__main__":
    sys.exit(main())
