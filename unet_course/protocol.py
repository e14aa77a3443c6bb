"""The protocol behind the course's results on real photos: runs, scores, and the tables made of them.

``python -m unet_course.protocol run quick --data carvana480`` trains the preset `quick` with three
seeds, scores each network on the validation cars, and keeps the scores in ``outputs/results.json``;
``--split test`` scores them on the test cars, ``--originals carvana`` on those of the test cars that are
in another folder, at that folder's size. A run that was stopped goes on, one that is finished is not
trained again. ``python -m unet_course.protocol paints full --data carvana480`` asks a network for cars
that have been repainted, and ``python -m unet_course.protocol tables`` writes all tables into
``outputs/README.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unet_course import data, inference, metrics, training
from unet_course.checkpoints import Checkpoint, load_checkpoint, replacing
from unet_course.model import count_parameters
from unet_course.progress import progress

RESULTS = Path("outputs") / "results.json"
REPORT = Path("outputs") / "README.md"

# Paints for `repaint`, as shares of red, green and blue; None leaves the car as it is.
TINTS: dict[str, tuple[float, float, float] | None] = {
    "as it is": None,
    "yellow": (1, 0.85, 0.25),
    "orange": (1, 0.55, 0.15),
    "green": (0.2, 0.7, 0.3),
    "cyan": (0.3, 0.85, 0.95),
    "pink": (1, 0.6, 0.8),
}


class Experiment(NamedTuple):
    """One recipe: a preset, what is changed in it, what a table calls it and compares it with.

    Where ``averaged`` is not 0, nothing is trained but the preset: so many networks of it, their seeds
    counting up from the run's, are each asked for the photo and for its mirror image, and the mean of
    their probabilities is scored. Such an experiment has no ``changes``.
    """

    preset: str
    title: str
    changes: dict[str, Any]
    against: str | None
    averaged: int = 0


# Up to `full` a ladder from lesson 02's network, on which each rung changes one thing more; the changes
# are told from `quick` down, each adding to that of the rung above it. Below the ladder, what `full` gives
# when it is asked more than once, what it was before, and what `outline`, `half` and `quick` might have done
# otherwise. The first four rungs see each photo three times, which takes a little longer than the five times
# of the next three, most of which are at half size.
_ADAMW = dict(optimizer="adamw", lr=4e-3)
_LONGER = dict(hues=0.0)
_SGD = _LONGER | dict(images=7400)
_OUTLINE = _SGD | _ADAMW
_HALF = _OUTLINE | dict(loss="bce_dice")
_BATCH = _HALF | dict(half=0.0, images=4500)
_LINEAR = _BATCH | dict(batch_size=8)
_STEM = _LINEAR | dict(growth="double")
_PLAIN = _STEM | dict(stem=1, size=(240, 160))
EXPERIMENTS = {
    "plain": Experiment("quick", "lesson 02's plain U-Net, photos at 240x160", _PLAIN, None),
    "stem": Experiment("quick", "photos at 480x320, through a stem of 2", _STEM, "plain"),
    "linear": Experiment("quick", "channels grow by steps, not by doubling", _LINEAR, "stem"),
    "batch-4": Experiment("quick", "batches of 4, not 8", _BATCH, "linear"),
    "half": Experiment(
        "quick", "5 passes, not 3, the first 75 % of steps at half the size", _HALF, "batch-4"
    ),
    "outline": Experiment("quick", "weights at the outline", _OUTLINE, "half"),
    "sgd": Experiment("quick", "SGD with momentum, not AdamW", _SGD, "outline"),
    "longer": Experiment("quick", "8 passes, not 5", _LONGER, "sgd"),
    "quick": Experiment("quick", "the preset: colours shuffled", {}, "longer"),
    "full": Experiment("full", "twice the channels, 40 passes", {}, "quick"),
    "mirrored": Experiment("full", "`full`, asked for the mirrored photo too", {}, "full", 1),
    "three": Experiment("full", "the mean of three networks so asked", {}, "mirrored", 3),
    "full-adamw": Experiment(
        "full", "`full` as it was: 25 passes, AdamW", _ADAMW | dict(images=38_000), "full"
    ),
    "unshuffled": Experiment(
        "full",
        "and before that: 27 passes, unshuffled",
        _ADAMW | dict(images=40_000, hues=0.0),
        "full-adamw",
    ),
    "stemless": Experiment(
        "quick", "no stem, photos at 240x160", _OUTLINE | dict(stem=1, size=(240, 160)), "outline"
    ),
    "colourless": Experiment(
        "quick", "no change of colours, flips only", _OUTLINE | dict(colours=0), "outline"
    ),
    "group": Experiment(
        "quick", "group norm for batch norm", _OUTLINE | dict(norm="group"), "outline"
    ),
    "bilinear": Experiment(
        "quick", "bilinear upsampling", _OUTLINE | dict(up="bilinear"), "outline"
    ),
    "constant": Experiment(
        "quick",
        "a constant learning rate, not one cycle",
        _OUTLINE | dict(schedule="constant"),
        "outline",
    ),
    "bce": Experiment("quick", "BCE alone", _HALF | dict(loss="bce"), "half"),
    "dice": Experiment("quick", "soft Dice alone", _HALF | dict(loss="soft_dice"), "half"),
    "shallow": Experiment("quick", "depth 3, not 4", dict(depth=3), "quick"),
    "wide": Experiment("quick", "twice the channels, but 8 passes", dict(width=32), "quick"),
}


def run(
    name: str,
    data_dir: Path,
    *,
    seed: int,
    split: str,
    work: Path,
    originals: Path | None = None,
    results: Path = RESULTS,
    timed: bool = True,
) -> dict[str, Any]:
    """Train an experiment with a seed unless that is done, score it, and keep the scores.

    Args:
        split: the cars to score on, ``"val"`` or ``"test"``.
        seed: of the network, or of the first of those that are averaged.
        work: where checkpoints go, one folder per seed and experiment (or preset, if it is averaged).
        originals: a folder with larger copies of the photos of some of the cars; these are then
            scored instead, and the row says ``"originals"`` for the split.
        results: the JSON file in which the row takes its place.
        timed: keep how long training took; not where the machine was busy with other things.

    Returns:
        The row: experiment, seed, data and split, scores per image at the photos' own size with the
        mean Dice of each car, and what training took. Of several networks it has their number, and of
        parameters and minutes the sum.

    Raises:
        DataError, TrainingError, CheckpointError, OSError: as `training.train`.
        ValueError: none of the cars is in ``originals``.
    """
    samples = data.load_split(data_dir)[split]
    if originals:
        cars = {s.car for s in samples}
        samples, split = [s for s in data.find_samples(originals) if s.car in cars], "originals"
        if not samples:
            raise ValueError(f"{originals}: none of the {len(cars)} cars to score is there")
    networks, predictor = trained(name, data_dir, seed=seed, work=work)
    photos = (
        (s.id, s.car, *data.read_pair(s)) for s in progress(samples, desc=f"scoring {name}-{seed}")
    )
    scores = inference.evaluate(networks[0], photos, predictor=predictor)
    cars = defaultdict(list)
    for image in scores["images"]:
        cars[image["car"]].append(image["dice"])
    info = networks[0].info
    minutes = sum(network.info["train_seconds"] for network in networks) / 60
    row = {"experiment": name, "seed": seed, "fingerprint": info["fingerprint"], "split": split}
    kept = ("resolution", "n_cars", "n_images", "dice", "accuracy", "iou", "boundary_f1")
    row |= {key: scores[key] for key in kept}
    row |= {
        "recipe": info["recipe"], "epochs": info["epochs"],
        "parameters": sum(count_parameters(network.model) for network in networks),
        "train_minutes": minutes if timed else None, "device": info["device"],
        "precision": info["precision"], "torch": torch.__version__.split("+")[0],
        "cars": {car: sum(values) / len(values) for car, values in sorted(cars.items())},
    }  # fmt: skip
    if len(networks) > 1:
        row["networks"] = len(networks)
    keep(row, results)
    return row


def trained(
    name: str, data_dir: Path, *, seed: int, work: Path
) -> tuple[list[Checkpoint], Callable[[Checkpoint, Tensor], Tensor]]:
    """The networks of an experiment, trained first unless that is done, and how they are asked.

    Returns:
        One network, or as many as are averaged, and a ``predictor`` for `inference.evaluate`, which
        asks all of them (its checkpoint is not looked at then).
    """
    preset, _, changes, _, averaged = EXPERIMENTS[name]
    networks = []
    for s in range(seed, seed + max(averaged, 1)):
        folder = work / f"{preset if averaged else name}-{s}"
        training.train(data_dir, folder, preset=preset, changes=changes, seed=s, resume=True)
        networks.append(load_checkpoint(folder / "unet.safetensors"))

    def mean(_: Checkpoint, photo: Tensor) -> Tensor:
        return torch.stack([inference.predict(n, photo, flip=True) for n in networks]).mean(0)

    return networks, mean if averaged else inference.predict


def repaint(photo: Tensor, mask: Tensor, tint: tuple[float, float, float] | None) -> Tensor:
    """A photo whose car has another paint: what is bright in it keeps its shading and takes a tint.

    Args:
        photo: ``(3, H, W)``, uint8.
        mask: ``(H, W)``, 0 outside the car.
        tint: shares of red, green and blue, 0…1; None leaves the photo as it is.

    Returns:
        ``(3, H, W)``, uint8. What is less than half as bright as the car's 60th percentile, such as
        tyres and most windows, is as it was.
    """
    if tint is None or not mask.any():
        return photo
    car, grey = mask > 0, photo.float().mean(0)
    bright = grey[car].quantile(0.6).clamp(min=1)
    paint = 225 * (grey / bright).clamp(max=1.3) * torch.tensor(tint).view(3, 1, 1)
    painted = torch.where(car & (grey > bright / 2), paint, photo.float())
    return painted.clamp(0, 255).round().to(torch.uint8)


def paints(
    name: str, data_dir: Path, *, seed: int, work: Path, results: Path = RESULTS
) -> dict[str, Any]:
    """Score an experiment on validation cars in each of `TINTS`, and keep the scores; as `run`.

    Returns:
        The row, with the mean Dice of every fifth photo for each paint.
    """
    networks, predictor = trained(name, data_dir, seed=seed, work=work)
    samples = data.load_split(data_dir)["val"][::5]
    photos = [(s.id, s.car, *data.read_pair(s)) for s in samples]
    row = {"experiment": name, "seed": seed, "split": "paints", "n_images": len(photos)}
    row["fingerprint"], row["paints"] = networks[0].info["fingerprint"], {}
    for paint, tint in progress(TINTS.items(), desc=f"repainting for {name}-{seed}"):
        painted = ((key, car, repaint(photo, mask, tint), mask) for key, car, photo, mask in photos)
        scores = inference.evaluate(networks[0], painted, predictor=predictor)
        row["paints"][paint] = scores["dice"]
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


def gain(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> tuple[float, float, float]:
    """By how much the mean Dice of ours is higher, and the 95 % interval over cars of the difference."""
    mine, other = mean_cars(ours), mean_cars(theirs)
    difference = {car: mine[car] - other[car] for car in mine}
    return sum(difference.values()) / len(difference), *interval(difference)


def by_name(rows: list[dict[str, Any]], split: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of one split by experiment, in the order of `EXPERIMENTS`, those without rows left out."""
    found = {
        name: [r for r in rows if (r["experiment"], r["split"]) == (name, split)]
        for name in EXPERIMENTS
    }
    return {name: mine for name, mine in found.items() if mine}


def paired(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of both whose seeds both have, so that no seed flatters either."""
    both = seeds(ours) & seeds(theirs)
    ours, theirs = ([r for r in rows if seeds([r]) <= both] for rows in (ours, theirs))
    return (ours, theirs) if seeds(ours) == seeds(theirs) else paired(ours, theirs)


def seeds(rows: list[dict[str, Any]]) -> set[int]:
    """The seeds of all networks in the rows; a row of averaged ``networks`` has several."""
    return {r["seed"] + i for r in rows for i in range(r.get("networks", 1))}


def table(rows: list[dict[str, Any]], split: str) -> str:
    """Experiments on one split as Markdown, each with its `gain` on the one it is compared with.

    Where the two do not have the same seeds, the gain is of those that both have, and says so.
    """
    found = by_name(rows, split)
    lines = [
        "| name | recipe | seeds | Dice (95 % over cars) | accuracy | gain in Dice (95 % over cars) "
        "| minutes | parameters |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, mine in found.items():
        title, against = EXPERIMENTS[name].title, EXPERIMENTS[name].against
        dice, accuracy = (sum(r[key] for r in mine) / len(mine) for key in ("dice", "accuracy"))
        timed = [r for r in mine if r["train_minutes"] is not None]
        minutes = ""
        if timed:
            precision = "float32" if timed[0]["precision"] == "no" else timed[0]["precision"]
            minutes = f"{sum(r['train_minutes'] for r in timed) / len(timed):.1f} ({precision})"
        others = found.get(against, [])
        ours, theirs = paired(mine, others)
        gained = ""
        if ours:
            mean, low, high = (
                round(value, 4) + 0.0 for value in gain(ours, theirs)
            )  # no "-0.0000"
            gained = f"{mean:+.4f} ({low:+.4f} to {high:+.4f}) on `{against}`"
            if seeds(ours) < seeds(mine) | seeds(others):
                gained += f", seed {', '.join(map(str, sorted(seeds(ours))))}"
        low, high = interval(mean_cars(mine))
        lines.append(
            f"| `{name}` | {title} | {len(seeds(mine))} | {dice:.4f} ({low:.4f} to {high:.4f}) "
            f"| {accuracy:.4f} | {gained} | {minutes} | {mine[0]['parameters']:,} |"
        )
    return "\n".join(lines)


def car_table(rows: list[dict[str, Any]], split: str) -> str:
    """Mean Dice of each car as Markdown, a column for each experiment (the mean of its seeds).

    For so few cars that an interval would say nothing. The cars are those that all experiments have.
    """
    found = by_name(rows, split)
    columns = {name: mean_cars(mine) for name, mine in found.items()}
    header = [f"`{name}` (seeds: {len(seeds(mine))})" for name, mine in found.items()]
    lines = [f"| car | {' | '.join(header)} |", "| --- |" + " --- |" * len(header)]
    cars = [c for c in next(iter(columns.values())) if all(c in mine for mine in columns.values())]
    for car in cars:
        lines.append(f"| {car} | " + " | ".join(f"{c[car]:.4f}" for c in columns.values()) + " |")
    means = (sum(mine[car] for car in cars) / len(cars) for mine in columns.values())
    return "\n".join([*lines, "| mean | " + " | ".join(f"{m:.4f}" for m in means) + " |"])


def paint_table(rows: list[dict[str, Any]], split: str) -> str:
    """Mean Dice in each paint as Markdown, a line for each experiment (the mean of its seeds)."""
    lines = [f"| | {' | '.join(TINTS)} |", "| --- |" + " --- |" * len(TINTS)]
    for name, mine in by_name(rows, split).items():
        means = (sum(r["paints"][paint] for r in mine) / len(mine) for paint in TINTS)
        lines.append(
            f"| `{name}` (seeds: {len(seeds(mine))}) | {' | '.join(f'{m:.4f}' for m in means)} |"
        )
    return "\n".join(lines)


TABLES = {"val": table, "test": table, "originals": car_table, "paints": paint_table}


def fill(text: str, rows: list[dict[str, Any]]) -> str:
    """``text`` with each table between ``<!-- results: split -->`` and ``<!-- /results -->`` made anew."""
    pieces = text.split("<!-- results: ")
    for i, piece in enumerate(pieces[1:], start=1):
        split, _, rest = piece.partition(" -->")
        _, end, after = rest.partition("<!-- /results -->")
        if split not in TABLES or not end:
            raise ValueError(
                f"results: {split!r}: expected one of {', '.join(TABLES)}, and <!-- /results --> below"
            )
        pieces[i] = f"{split} -->\n{TABLES[split](rows, split)}\n{end}{after}"
    return "<!-- results: ".join(pieces)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="unet_course.protocol", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "names", nargs="+", choices=EXPERIMENTS, metavar="NAME", help=", ".join(EXPERIMENTS)
    )
    common.add_argument("--data", type=Path, required=True, help="real photos at 480x320")
    common.add_argument(
        "--seeds", type=int, nargs="+", help="0 1 2; of several networks averaged 0, the first"
    )
    common.add_argument(
        "--work", type=Path, default=Path("outputs") / "protocol", help="checkpoints"
    )
    common.add_argument("--results", type=Path, default=RESULTS)
    commands.add_parser(
        "paints", parents=[common], help="score experiments on repainted validation cars"
    )
    c = commands.add_parser(
        "run", parents=[common], help="train and score experiments, and keep the scores"
    )
    c.add_argument("--split", choices=("val", "test"), default="val", help="cars to score on (val)")
    c.add_argument("--originals", type=Path, help="score larger copies of these cars' photos")
    c.add_argument("--untimed", action="store_true", help="the machine is busy: keep no times")
    c = commands.add_parser("tables", help="write the tables into a Markdown file")
    c.add_argument("--results", type=Path, default=RESULTS)
    c.add_argument("--into", type=Path, default=REPORT)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; an error that a user can mend ends it with one line and status 1."""
    args = build_parser().parse_args(arguments)
    try:
        if args.command == "tables":
            text = fill(args.into.read_text(encoding="utf-8"), read(args.results))
            with replacing(args.into) as temporary:
                temporary.write_text(text, encoding="utf-8")
            return 0
        for seed in args.seeds or range(3):
            for name in args.names:
                if args.seeds is None and seed and EXPERIMENTS[name].averaged > 1:
                    continue
                if args.command == "paints":
                    row = paints(name, args.data, seed=seed, work=args.work, results=args.results)
                    dice = ", ".join(f"{key} {value:.4f}" for key, value in row["paints"].items())
                    print(f"{name}, seed {seed}: {dice}", flush=True)
                    continue
                row = run(name, args.data, seed=seed, split=args.split, work=args.work,
                          originals=args.originals, results=args.results,
                          timed=not args.untimed)  # fmt: skip
                print(f"{name}, seed {seed}, {row['split']}: Dice {row['dice']:.4f}", flush=True)
    except (ValueError, training.TrainingError, OSError) as error:
        print(f"protocol: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
