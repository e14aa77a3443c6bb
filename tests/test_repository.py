"""The repository as a whole: what it ships, what it says, and what a run of the course leaves."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from unet_course import data, lesson, protocol, training
from unet_course.checkpoints import load_checkpoint

ROOT = Path(__file__).resolve().parents[1]
TURNTABLE = ROOT / "data" / "turntable"
MANIFEST = ROOT / "data" / "carvana_split.csv"
MACHINE = re.compile(r"/wor[k]/\w|/roo[t]/\.|/home/(?!me/)\w+/|\.\./share[d]\b")
MAX_FILE, MAX_WEIGHTS = 9_000_000, 8_000_000
MAX_TURNTABLE, MAX_LARGE = 26_000_000, 8_000_000


@cache
def tracked() -> list[Path]:
    """The files that git tracks."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True)
    if listed.returncode:
        pytest.skip(f"not a git repository: {listed.stderr.decode().strip()}")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def scores() -> dict[str, Any]:
    return json.loads((ROOT / "outputs" / "metrics.json").read_text("utf-8"))


def test_no_file_is_too_large_to_clone_gladly() -> None:
    assert [p for p in tracked() if p.stat().st_size > MAX_FILE] == []
    sizes = {p: p.stat().st_size for p in tracked() if p.is_relative_to(TURNTABLE)}
    large = sum(size for p, size in sizes.items() if p.is_relative_to(TURNTABLE / "1918x1280"))
    assert sum(sizes.values()) - large <= MAX_TURNTABLE
    assert large <= MAX_LARGE


def machine_paths(name: str, text: str) -> list[str]:
    """Places of somebody's machine in a text; only ``.ci/run`` may look beside the repository."""
    found = [match[0] for match in MACHINE.finditer(text)]
    return [] if name == ".ci/run" and set(found) <= {"../share" + "d"} else found


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            name = path.relative_to(ROOT).as_posix()
            found[name] = machine_paths(name, content.decode("utf-8", errors="replace"))
    assert {name: places for name, places in found.items() if places} == {}


@pytest.mark.parametrize(
    "place", ["/wor" + "k/x", "/roo" + "t/.venv", "/ho" + "me/ann/x", "../share" + "d/a"]
)
def test_a_place_on_somebodys_machine_is_found(place: str) -> None:
    assert machine_paths("README.md", f"see {place}") != []


def test_turntable_is_a_complete_dataset() -> None:
    samples = data.find_samples(TURNTABLE)  # every photo has one mask and the reverse
    views = Counter(sample.car for sample in samples)
    assert len(views) == 48 and set(views.values()) == {16}
    for sample in samples:
        image, _ = data.read_pair(sample)  # equal sizes; two values in the mask
        assert image.shape == (3, 320, 480), sample.id


def test_turntable_is_split_by_car() -> None:
    split = [(row["car"], row["split"]) for row in rows(TURNTABLE / "split.csv")]
    cars = [car for car, _ in split]
    assert len(cars) == len(set(cars))
    assert set(cars) == {sample.car for sample in data.find_samples(TURNTABLE)}
    assert set(cars) == {row["car"] for row in rows(TURNTABLE / "metadata.csv")}
    assert {name for _, name in split} == set(data.SPLITS)


def test_turntable_masks_look_like_kaggles() -> None:
    with Image.open(data.find_samples(TURNTABLE)[0].mask) as mask:
        assert mask.format == "GIF" and mask.mode == "P"


def test_the_manifest_has_the_cars_behind_the_published_numbers() -> None:
    split = rows(MANIFEST)
    assert Counter(row["split"] for row in split) == {"train": 92, "val": 16, "test": 20}
    assert len({row["car"] for row in split}) == 128
    assert set(split[0]) == {"car", "split"}


def test_the_manifest_is_the_split_of_the_real_photos(carvana: Path) -> None:
    if (carvana / "split.csv").exists():
        assert data.read_split(carvana / "split.csv") == data.read_split(MANIFEST)


def test_shipped_weights_belong_to_the_shipped_data() -> None:
    assert lesson.SHIPPED.stat().st_size <= MAX_WEIGHTS
    wanted = training.run_info(TURNTABLE, data.load_split(TURNTABLE), "quick", 0)
    info = load_checkpoint(lesson.SHIPPED).info
    assert {key: info.get(key) for key in wanted} == wanted and info["finished"]


def test_results_of_the_course_are_there_and_good_enough() -> None:
    found = scores()
    assert (found["data"], found["preset"], found["seed"]) == ("turntable", "quick", 0)
    assert found["dice"] >= 0.97
    for key in ("accuracy", "iou", "dice_pooled", "boundary_f1"):
        assert 0.5 < found[key] <= 1, key
    for figure in re.findall(r"\((outputs/[\w.]+\.png)\)", (ROOT / "README.md").read_text("utf-8")):
        with Image.open(ROOT / figure) as image:
            assert image.width >= 600, figure


def test_the_report_states_the_committed_times() -> None:
    bench = json.loads((ROOT / "outputs" / "bench.json").read_text("utf-8"))
    report = (ROOT / protocol.REPORT).read_text("utf-8")
    costs = {}
    for variant in (
        "predict with quick", "predict with full", "predict with classic", "quick", "classic"
    ):  # fmt: skip
        rows = [r for r in bench["classic"]["rows"] if r["variant"] == variant]
        ms, mib = (
            next(r["value"]["median"] for r in rows if r["unit"] == unit)
            for unit in ("ms per image", "MiB")
        )
        assert f"| {ms:.0f} ms | {mib:.0f} MiB |" in report, variant
        costs[variant] = f"{ms / 1000:.2g} seconds and {mib:.0f} MiB"
    short = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert (
        f"takes {costs['predict with quick']} on two cores, `full` {costs['predict with full']}"
        in short
    )
    assert f"classic U-Net, shown 240x160, {costs['predict with classic']}" in short
    tiles = {(r["variant"], r["unit"]): r["value"]["median"] for r in bench["tiles"]["rows"]}
    for variant, unit in tiles:
        if unit == "MiB":
            title = "1918x1280, whole" if variant == "whole" else variant.removeprefix("in tiles, ")
            numbers = tiles[variant, "MiB"], tiles[variant, "s per photo"]
            assert "| {} | {:.0f} MiB | {:.1f} s |".format(title, *numbers) in report
    assert tiles["halo 215", "largest difference"] < 1e-4  # the reach of the shipped network
    for size in ("240x160", "480x320", "960x640", "1918x1280"):
        found = {
            (section, r["variant"]): f"{r['value']['median']:.3g}"
            for section in ("training", "inference")
            for r in bench[section]["rows"]
            if r["case"].startswith(f"{size},")
        }
        both = [(s, f"{p}, 2 threads") for s in ("training", "inference") for p in ("fp32", "bf16")]
        assert f"| {size} | {' | '.join(found[key] for key in both)} |" in report
    rates = {(r["case"], r["variant"]): r["value"]["median"] for r in bench["pipeline"]["rows"]}
    columns = (
        "decode photo and mask", "decode both to tensors", "load, nothing cached",
        "pipeline, nothing cached", "pipeline, cached", "network trains, fp32",
        "network trains, bf16",
    )  # fmt: skip
    for case in {case for case, _ in rates}:
        numbers = [f"{rates[case, name]:.0f}" for name in columns]
        assert f"| {case.replace(' to ', ' | ')} | {' | '.join(numbers)} |" in report
    for row in json.loads((ROOT / "outputs" / "gpu.json").read_text("utf-8")):
        if row["split"] == "test" and row["train_minutes"]:
            gpu = row["gpu"]
            assert (
                f"| `{row['experiment']}` | {row['train_minutes']:.1f} minutes "
                f"| {gpu['photos_per_second']['all']:.0f} | {gpu['tensors_MiB']:.0f} MiB "
                f"| {100 * gpu['utilisation']:.0f} % | {row['dice']:.4f} |"
            ) in report
    for row in json.loads((ROOT / "outputs" / "race.json").read_text("utf-8")):
        dice = (row.get("test") or row["curve"][-1])["dice"]
        reached = f"{row['reached']['minutes']:.1f} minutes" if row["reached"] else "not reached"
        assert (
            f"| {row['title']}, seed {row['seed']} | {row['precision'].replace('fp', 'float')} "
            f"| {reached} | {row['minutes']:.1f} minutes, "
            f"{row['photos']:,} photos | {dice:.4f} |"
        ) in report


def test_readme_states_the_committed_results_on_real_photos() -> None:
    rows = protocol.read(ROOT / protocol.RESULTS)
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in ("quick", "full"):
        mine = protocol.by_name(rows, "test")[name]
        low, high = protocol.interval(protocol.mean_cars(mine))
        accuracy, dice, iou, f1 = (
            f"{sum(row[key] for row in mine) / len(mine):.4f}"
            for key in ("accuracy", "dice", "iou", "boundary_f1")
        )
        assert (
            f"| {len(mine)} | 20 (320) | {accuracy} | {dice} | {low:.4f} to {high:.4f} | {iou} | {f1} |"
        ) in readme.replace("| same |", "| 20 (320) |"), name
        originals = protocol.mean_cars(protocol.by_name(rows, "originals")[name])
        small = {car: protocol.mean_cars(mine)[car] for car in originals}
        for cars in (originals, small):
            assert f"{sum(cars.values()) / len(cars):.4f}" in readme, name
    short = " ".join(readme.split())
    for name, phrase in {
        "mirrored": "have {} at 480x320 and {} at",
        "three": "has {} and {},",
    }.items():
        found = (protocol.by_name(rows, split)[name] for split in ("test", "originals"))
        means = [f"{sum(row['dice'] for row in mine) / len(mine):.4f}" for mine in found]
        assert phrase.format(*means) in short, name


def readme_states(readme: str, found: dict[str, Any]) -> bool:
    """Whether the row of the embedded dataset in README's table of results has these scores."""
    row = next((line for line in readme.splitlines() if line.startswith("| `data/turntable`")), "")
    return all(f"{found[key]:.4f}" in row for key in ("accuracy", "dice", "iou", "boundary_f1"))


def test_readme_states_the_committed_scores() -> None:
    """The scores that were committed: a run on another machine differs in the last digits."""
    git = ["git", "-C", str(ROOT), "show", "HEAD:outputs/metrics.json"]
    committed = subprocess.run(git, capture_output=True)
    found = [scores()] + ([json.loads(committed.stdout)] if committed.returncode == 0 else [])
    readme = (ROOT / "README.md").read_text("utf-8")
    assert any(readme_states(readme, one) for one in found), "README has other scores"


def test_a_wrong_number_in_readme_is_found() -> None:
    found = dict(accuracy=0.99123, dice=0.98, iou=0.97, boundary_f1=0.9)
    assert readme_states("| `data/turntable` | 0.9912 | 0.9800 | 0.9700 | 0.9000 |", found)
    assert not readme_states("| `data/turntable` | 0.9921 | 0.9800 | 0.9700 | 0.9000 |", found)
    assert not readme_states("no table", found)


def test_readme_is_finished_and_its_links_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "outputs/README.md"):
        text = (ROOT / name).read_text("utf-8")
        assert re.findall(r"\{\{\w+\}\}", text) == [], name
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        folder = (ROOT / name).parent
        assert [link for link in links if not (folder / link).exists()] == [], name
