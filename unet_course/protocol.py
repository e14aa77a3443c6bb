"""The protocol behind the course's results on real photos: runs, scores, and the tables made of them.

``python -m unet_course.protocol run quick --data carvana480`` trains the preset `quick` with three
seeds, scores each network on the validation cars, and keeps the scores in ``outputs/results.json``;
``--split test`` scores them on the test cars. A run that was stopped goes on, one that is finished is
not trained again. ``python -m unet_course.protocol tables`` writes the tables into README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from unet_course import data, inference, metrics, training
from unet_course.checkpoints import load_checkpoint, replacing
from unet_course.model import count_parameters
from unet_course.progress import progress

RESULTS = Path("outputs") / "results.json"


class Experiment(NamedTuple):
    """One recipe: a preset, what is changed in it, and what a table calls it."""

    preset: str
    title: str
    changes: dict[str, Any]


# The first is what the others are compared with. Each of them but the last changes one thing; where
# that thing changes how long a photo takes, `images` is changed too, so that the run takes about as long.
EXPERIMENTS = {
    "quick": Experiment("quick", "`quick`", {}),
    "unweighted": Experiment("quick", "BCE without boundary weights", dict(loss="bce_dice")),
    "one-size": Experiment("quick", "full size in all steps", dict(half=0.0, images=4500)),
    "no-stem": Experiment(
        "quick", "no stem, photos at 240x160", dict(stem=1, size=(240, 160), half=0.0, images=4500)
    ),
    "double": Experiment("quick", "channels double at each level", dict(growth="double")),
    "batch-8": Experiment("quick", "batches of 8", dict(batch_size=8)),
    "colourless": Experiment("quick", "no change of colours, flips only", dict(colours=0.0)),
    "group": Experiment("quick", "group norm", dict(norm="group")),
    "bilinear": Experiment("quick", "bilinear upsampling", dict(up="bilinear")),
    "plain": Experiment(
        "quick",
        "none of it: lesson 02's plain U-Net at 240x160",
        dict(
            stem=1,
            growth="double",
            size=(240, 160),
            half=0.0,
            images=4500,
            batch_size=8,
            loss="bce_dice",
        ),
    ),
}


def run(
    name: str,
    data_dir: Path,
    *,
    seed: int,
    split: str,
    work: Path,
    results: Path = RESULTS,
    timed: bool = True,
) -> dict[str, Any]:
    """Train an experiment with a seed unless that is done, score it, and keep the scores.

    Args:
        split: the cars to score on, ``"val"`` or ``"test"``.
        work: where checkpoints go, one folder per experiment and seed.
        results: the JSON file in which the row takes its place.
        timed: keep how long training took; not where the machine was busy with other things.

    Returns:
        The row: experiment, seed, data and split, scores per image at the photos' own size with the
        mean Dice of each car, and what training took.

    Raises:
        DataError, TrainingError, CheckpointError, OSError: as `training.train`.
    """
    experiment = EXPERIMENTS[name]
    folder = work / f"{name}-{seed}"
    training.train(
        data_dir,
        folder,
        preset=experiment.preset,
        changes=experiment.changes,
        seed=seed,
        resume=True,
    )
    checkpoint = load_checkpoint(folder / "unet.safetensors")
    samples = data.load_split(data_dir)[split]
    photos = (
        (s.id, s.car, *data.read_pair(s)) for s in progress(samples, desc=f"scoring {name}-{seed}")
    )
    scores = inference.evaluate(checkpoint, photos)
    cars = defaultdict(list)
    for image in scores["images"]:
        cars[image["car"]].append(image["dice"])
    info = checkpoint.info
    row = {"experiment": name, "seed": seed, "fingerprint": info["fingerprint"], "split": split}
    kept = ("resolution", "n_cars", "n_images", "dice", "accuracy", "iou", "boundary_f1")
    row |= {key: scores[key] for key in kept}
    row |= {
        "recipe": info["recipe"], "epochs": info["epochs"],
        "parameters": count_parameters(checkpoint.model),
        "train_minutes": info["train_seconds"] / 60 if timed else None, "device": info["device"],
        "precision": info["precision"], "torch": torch.__version__.split("+")[0],
        "cars": {car: sum(values) / len(values) for car, values in sorted(cars.items())},
    }  # fmt: skip
    keep(row, results)
    return row


def read(path: Path = RESULTS) -> list[dict[str, Any]]:
    """The rows kept so far."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def keep(row: dict[str, Any], path: Path) -> None:
    """Put ``row`` in the place of the one of the same experiment, seed and split."""
    mine = ("experiment", "seed", "split")
    others = [r for r in read(path) if any(r[key] != row[key] for key in mine)]
    rows = sorted(
        [*others, row], key=lambda r: (r["split"], [*EXPERIMENTS].index(r["experiment"]), r["seed"])
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def interval(values: dict[str, float]) -> tuple[float, float]:
    """The 95 % interval of the mean over cars, all with the same number of photos, by the bootstrap."""
    return metrics.bootstrap_interval([*values.values()], [*values])


def mean_cars(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Mean Dice of each car over the seeds of one experiment."""
    return {car: sum(r["cars"][car] for r in rows) / len(rows) for car in rows[0]["cars"]}


def difference(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str:
    """By how much the mean Dice differs, with the interval over cars of the difference."""
    mine, other = mean_cars(ours), mean_cars(theirs)
    gain = {car: mine[car] - other[car] for car in mine}
    low, high = interval(gain)
    return f"{sum(gain.values()) / len(gain):+.4f} ({low:+.4f} to {high:+.4f})"


def table(rows: list[dict[str, Any]], split: str) -> str:
    """Experiments on one split as Markdown; from the second line on with the difference to the first.

    The difference is paired, by seed and by car: only seeds that both have are compared.
    """
    found = {
        name: {r["seed"]: r for r in rows if (r["experiment"], r["split"]) == (name, split)}
        for name in EXPERIMENTS
    }
    base_name, base = next((name, seeds) for name, seeds in found.items() if seeds)
    lines = [
        "| recipe | seeds | Dice (of the seeds) | accuracy | 95 % interval, or difference from `quick` "
        "| minutes | parameters |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, seeds in found.items():
        if not seeds:
            continue
        mine = [*seeds.values()]
        dice, accuracy = (sum(r[key] for r in mine) / len(mine) for key in ("dice", "accuracy"))
        times = [r["train_minutes"] for r in mine if r["train_minutes"] is not None]
        minutes = f"{sum(times) / len(times):.1f}" if times else "not timed"
        if name == base_name:
            low, high = interval(mean_cars(mine))
            against = f"({low:.4f} to {high:.4f})"
        else:
            both = sorted(seeds.keys() & base.keys())
            against = difference([seeds[n] for n in both], [base[n] for n in both]) if both else ""
        each = [r["dice"] for r in mine]
        lines.append(
            f"| {EXPERIMENTS[name].title} | {len(seeds)} | {dice:.4f} ({min(each):.4f} to {max(each):.4f}) "
            f"| {accuracy:.4f} | {against} "
            f"| {minutes} | {mine[0]['parameters']:,} |"
        )
    return "\n".join(lines)


def fill(text: str, rows: list[dict[str, Any]]) -> str:
    """``text`` with each table between ``<!-- results: split -->`` and ``<!-- /results -->`` made anew."""
    pieces = text.split("<!-- results: ")
    for i, piece in enumerate(pieces[1:], start=1):
        split, _, rest = piece.partition(" -->")
        _, end, after = rest.partition("<!-- /results -->")
        if split not in data.SPLITS or not end:
            raise ValueError(
                f"results: {split!r}: expected val or test, and <!-- /results --> below"
            )
        pieces[i] = f"{split} -->\n{table(rows, split)}\n{end}{after}"
    return "<!-- results: ".join(pieces)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; an error that a user can mend ends it with one line and status 1."""
    parser = argparse.ArgumentParser(prog="unet_course.protocol", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("run", help="train and score experiments, and keep the scores")
    c.add_argument(
        "names", nargs="+", choices=EXPERIMENTS, metavar="NAME", help=", ".join(EXPERIMENTS)
    )
    c.add_argument("--data", type=Path, required=True, help="real photos at 480x320")
    c.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    c.add_argument("--split", choices=("val", "test"), default="val", help="cars to score on (val)")
    c.add_argument("--work", type=Path, default=Path("outputs") / "protocol", help="checkpoints")
    c.add_argument("--results", type=Path, default=RESULTS)
    c.add_argument("--untimed", action="store_true", help="the machine is busy: keep no times")
    c = commands.add_parser("tables", help="write the tables into a Markdown file")
    c.add_argument("--results", type=Path, default=RESULTS)
    c.add_argument("--into", type=Path, default=Path("README.md"))
    args = parser.parse_args(arguments)
    try:
        if args.command == "tables":
            text = fill(args.into.read_text(encoding="utf-8"), read(args.results))
            with replacing(args.into) as temporary:
                temporary.write_text(text, encoding="utf-8")
            return 0
        for seed in args.seeds:
            for name in args.names:
                row = run(name, args.data, seed=seed, split=args.split, work=args.work,
                          results=args.results, timed=not args.untimed)  # fmt: skip
                print(f"{name}, seed {seed}, {args.split} cars: Dice {row['dice']:.4f}", flush=True)
    except (ValueError, training.TrainingError, OSError) as error:
        print(f"protocol: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
