"""The protocol: runs that are kept and not repeated, and tables that say what the scores say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from unet_course import data, inference, protocol, training

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The presets, and with them all experiments, small enough to run in a blink."""
    recipe = dict(
        size=(24, 16), width=2, depth=2, growth="linear", stem=2, images=39, half=0.5,
        batch_size=4, lr=1e-2, hues=0.5,
    )  # fmt: skip
    monkeypatch.setitem(training.PRESETS, "quick", recipe)
    monkeypatch.setitem(training.PRESETS, "full", recipe | dict(width=4, images=196))
    for name, experiment in protocol.EXPERIMENTS.items():
        if photos := experiment.changes.get("images"):  # in proportion
            less = experiment._replace(changes=experiment.changes | {"images": photos // 300})
            monkeypatch.setitem(protocol.EXPERIMENTS, name, less)


def row(experiment: str, seed: int, dice: dict[str, float], split: str = "val") -> dict:
    mean = sum(dice.values()) / len(dice)
    return dict(
        experiment=experiment, seed=seed, split=split, dice=mean, accuracy=mean / 2,
        train_minutes=1.25, precision="no", parameters=1234, cars=dice,
    )  # fmt: skip


def test_a_run_is_trained_once_scored_and_kept(small, dataset, tmp_path, monkeypatch):
    options = dict(work=tmp_path / "work", results=tmp_path / "results.json")
    first = protocol.run("half", dataset, seed=1, split="test", **options)
    assert (first["experiment"], first["seed"], first["split"]) == ("half", 1, "test")
    assert first["recipe"]["loss"] == "bce_dice"
    assert first["n_cars"] == len(first["cars"])
    assert first["dice"] == pytest.approx(sum(first["cars"].values()) / len(first["cars"]))
    assert 0 < first["train_minutes"] < 1
    untimed = protocol.run("half", dataset, seed=1, split="test", timed=False, **options)
    assert untimed == first | {"train_minutes": None}
    protocol.keep(first, options["results"])
    assert protocol.read(options["results"]) == [first]
    monkeypatch.setattr(training, "validate", None)  # what training cannot do without
    again = protocol.run("half", dataset, seed=1, split="val", **options)
    assert again["train_minutes"] == first["train_minutes"]
    assert protocol.read(options["results"]) == [first, again]


def test_networks_are_averaged_with_their_mirrored_answers_and_not_trained_twice(
    small, dataset, tmp_path, monkeypatch
):
    options = dict(work=tmp_path / "work", results=tmp_path / "results.json")
    full = [protocol.run("full", dataset, seed=s, split="test", **options) for s in (4, 5, 6)]
    monkeypatch.setattr(training, "validate", None)  # what training cannot do without
    one, three = (
        protocol.run(name, dataset, seed=4, split="test", **options)
        for name in ("mirrored", "three")
    )
    assert one["train_minutes"] == full[0]["train_minutes"]
    assert three["train_minutes"] == pytest.approx(sum(row["train_minutes"] for row in full))
    assert three["networks"] == 3
    assert three["parameters"] == 3 * one["parameters"] == 3 * full[0]["parameters"]
    assert len({row["dice"] for row in (full[0], one, three)}) == 3
    work = tmp_path / "work"
    assert sorted(work.iterdir()) == [work / f"full-{s}" for s in (4, 5, 6)]

    photo, _ = data.read_pair(data.load_split(dataset)["test"][0])
    networks, predictor = protocol.trained("three", dataset, seed=4, work=work)
    answers = [inference.predict(n, p) for n in networks for p in (photo, photo.flip(-1))]
    expected = sum(a.flip(-1) if i % 2 else a for i, a in enumerate(answers)) / 6
    torch.testing.assert_close(predictor(networks[0], photo), expected)


def test_without_seeds_given_there_is_one_average_and_three_of_all_else(small, dataset, tmp_path):
    results = tmp_path / "results.json"
    arguments = ["run", "mirrored", "three", "--data", str(dataset), "--work", str(tmp_path)]
    assert protocol.main([*arguments, "--results", str(results)]) == 0
    found = [(row["experiment"], row["seed"]) for row in protocol.read(results)]
    assert found == [("mirrored", 0), ("mirrored", 1), ("mirrored", 2), ("three", 0)]
    assert not (tmp_path / "full-3").exists()


@pytest.fixture
def started(small, dataset, tmp_path, monkeypatch) -> Callable[[str], dict]:
    """What an experiment trains with, flat, without training."""
    found = {}

    def fit(model, train_set, *_, **options):
        del options["info"]
        options |= {"size": train_set.size, "augmentations": len(train_set.augment.transforms)}
        found.update(model.config | options)

    def start(name: str) -> dict:
        found.clear()
        preset, _, changes, *_ = protocol.EXPERIMENTS[name]
        training.train(dataset, tmp_path, preset=preset, changes=changes)
        return dict(found)

    monkeypatch.setattr(training, "fit", fit)
    return start


# What a rung changes beside what it is named after: where a photo takes another time, their number.
EXPECTED = {
    "stem": {"stem", "size"},
    "linear": {"growth"},
    "batch-4": {"batch_size"},
    "half": {"half", "epochs"},
    "outline": {"loss_function"},
    "sgd": {"new_optimizer", "lr"},
    "longer": {"epochs"},
    "quick": {"augmentations"},
    "full": {"width", "epochs"},
    "mirrored": set(),
    "three": set(),
    "full-adamw": {"new_optimizer", "lr", "epochs"},
    "unshuffled": {"augmentations", "epochs"},
    "stemless": {"stem", "size"},
    "colourless": {"augmentations"},
    "group": {"norm"},
    "bilinear": {"up"},
    "constant": {"new_schedule"},
    "bce": {"loss_function"},
    "dice": {"loss_function"},
    "shallow": {"depth"},
    "wide": {"width"},
}


@pytest.mark.parametrize("name", protocol.EXPERIMENTS)
def test_an_experiment_differs_in_one_thing_from_what_it_is_compared_with(name, started):
    against = protocol.EXPERIMENTS[name].against
    if against is None:
        return
    ours, theirs = started(name), started(against)
    assert {key for key in ours if ours[key] != theirs[key]} == EXPECTED[name]


def test_full_is_quick_with_more_channels_and_photos():
    quick, full = training.PRESETS["quick"], training.PRESETS["full"]
    assert {key for key in full if full[key] != quick.get(key)} == {"width", "images"}


def test_a_row_takes_the_place_of_its_predecessor(tmp_path):
    results = tmp_path / "new" / "results.json"
    rows = [
        row("quick", 0, {"a": 0.5}),
        row("quick", 1, {"a": 0.6}),
        row("full", 0, {"a": 0.4}),
    ]
    for each in reversed(rows):
        protocol.keep(each, results)
    assert protocol.read(results) == rows
    better = row("quick", 1, {"a": 0.9})
    protocol.keep(better, results)
    assert protocol.read(results) == [rows[0], better, rows[2]]


def test_a_table_compares_by_seed_and_by_car():
    rows = [
        row("half", 0, {"a": 0.97, "b": 0.98}),  # without seed 1, which would flatter outline
        row("outline", 0, {"a": 0.98, "b": 0.99}),
        row("outline", 1, {"a": 0.96, "b": 0.97}),
        row("full", 2, {"a": 0.5, "b": 0.5}) | {"train_minutes": None},
        row("group", 0, {"a": 0.5, "b": 0.5}, split="test"),
    ]
    lines = protocol.table(rows, "val").splitlines()
    assert len(lines) == 5
    assert lines[2] == (
        "| `half` | 5 passes, not 3, the first 75 % of steps at half the size | 1 "
        "| 0.9750 (0.9700 to 0.9800) | 0.4875 |  | 1.2 (float32) | 1,234 |"
    )
    assert lines[3] == (
        "| `outline` | weights at the outline | 2 | 0.9750 (0.9700 to 0.9800) "
        "| 0.4875 | +0.0100 (+0.0100 to +0.0100) on `half`, seed 0 | 1.2 (float32) | 1,234 |"
    )
    assert lines[4] == (
        "| `full` | twice the channels, 40 passes | 1 | 0.5000 (0.5000 to 0.5000) "
        "| 0.2500 |  |  | 1,234 |"
    )


def test_averaged_networks_are_compared_with_the_mean_of_all_of_them():
    rows = [row("mirrored", s, {"a": 0.9 + s / 100, "b": 0.8 + s / 100}) for s in range(4)]
    rows.append(row("three", 0, {"a": 0.95, "b": 0.85}) | {"networks": 3})
    line = protocol.table(rows, "val").splitlines()[-1]
    assert "| 3 | 0.9000 (" in line
    assert "| +0.0400 (+0.0400 to +0.0400) on `mirrored`, seed 0, 1, 2 |" in line
    rows.append(row("three", 3, {"a": 0.1, "b": 0.1}) | {"networks": 3})  # needs seed 5
    assert protocol.paired(rows[4:], rows[:4]) == (rows[4:5], rows[:3])
    assert protocol.paired(rows[4:5], rows[:2]) == ([], [])
    complete = protocol.table([rows[0], rows[1], rows[2], rows[4]], "val").splitlines()[-1]
    assert "| +0.0400 (+0.0400 to +0.0400) on `mirrored` |" in complete


def test_tables_are_written_between_their_marks_and_nothing_else_changes(tmp_path):
    rows = [row("quick", 0, {"a": 0.98, "b": 0.99})]
    results, text = tmp_path / "results.json", tmp_path / "text.md"
    results.write_text(json.dumps(rows))
    text.write_text("before\n<!-- results: val -->\nold\n<!-- /results -->\nafter\n")
    arguments = ["tables", "--results", str(results), "--into", str(text)]
    assert protocol.main(arguments) == 0
    table = protocol.table(rows, "val")
    expected = f"before\n<!-- results: val -->\n{table}\n<!-- /results -->\nafter\n"
    assert text.read_text() == expected
    assert protocol.main(arguments) == 0 and text.read_text() == expected


@pytest.mark.parametrize(
    "text", ["<!-- results: nobody -->\n<!-- /results -->", "<!-- results: val -->\nwithout an end"]
)
def test_marks_that_make_no_sense_are_refused(text, tmp_path, capsys):
    (tmp_path / "text.md").write_text(text)
    arguments = ["tables", "--results", "none.json", "--into", str(tmp_path / "text.md")]
    assert protocol.main(arguments) == 1
    assert "expected one of val, test, originals, paints" in capsys.readouterr().err
    assert (tmp_path / "text.md").read_text() == text


def test_test_cars_are_scored_at_another_size_too(small, dataset, tmp_path):
    cars = {s.car for s in data.load_split(dataset)["test"]}
    large = tmp_path / "large"
    for sample in data.find_samples(dataset):  # all cars, of which only those of the split count
        for path, resampling in ((sample.image, 2), (sample.mask, 0)):
            copy = large / path.parent.name / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as picture:
                picture.resize((4 * picture.width, 4 * picture.height), resampling).save(copy)
    options = dict(work=tmp_path / "work", results=tmp_path / "results.json", seed=0, split="test")
    at_size = protocol.run("quick", dataset, **options)
    larger = protocol.run("quick", dataset, originals=large, **options)
    assert larger["split"] == "originals" and {*larger["cars"]} == cars
    assert larger["n_images"] == at_size["n_images"]
    width, height = at_size["resolution"].split("x")
    assert larger["resolution"] == f"{4 * int(width)}x{4 * int(height)}"
    assert protocol.read(options["results"]) == [larger, at_size]
    for sample in data.find_samples(large):
        if sample.car in cars:
            sample.image.unlink()
            sample.mask.unlink()
    with pytest.raises(ValueError, match="none of the"):
        protocol.run("quick", dataset, originals=large, **options)


def test_a_table_by_car_has_a_column_for_each_experiment_and_the_cars_that_all_have():
    rows = [
        row("quick", 0, {"a": 0.98, "b": 0.99}, split="originals"),
        row("quick", 1, {"a": 0.96, "b": 0.97}, split="originals"),
        row("full", 0, {"a": 0.99, "b": 0.995, "c": 0.1}, split="originals"),
        row("full", 0, {"a": 0.1, "b": 0.1}),
    ]
    assert protocol.car_table(rows, "originals").splitlines() == [
        "| car | `quick` (seeds: 2) | `full` (seeds: 1) |",
        "| --- | --- | --- |",
        "| a | 0.9700 | 0.9900 |",
        "| b | 0.9800 | 0.9950 |",
        "| mean | 0.9750 | 0.9925 |",
    ]


def test_repainting_changes_bright_pixels_of_the_car_and_nothing_else():
    photo = torch.full((3, 4, 6), 90, dtype=torch.uint8)
    mask = torch.zeros(4, 6, dtype=torch.uint8)
    mask[1:3, 1:5] = 1
    photo[:, 1:3, 1:3], photo[:, 1, 4] = 200, 20  # bright paint, dim paint, and a tyre
    painted = protocol.repaint(photo, mask, (1, 0.5, 0))
    outside = mask == 0
    assert torch.equal(painted[:, outside], photo[:, outside])
    assert painted[:, 1, 4].tolist() == [20, 20, 20]
    red, green, blue = painted[:, 1, 1].tolist()
    assert (green, blue) == (round(red / 2), 0) and red > painted[0, 2, 3] > 0
    assert protocol.repaint(photo, mask, None) is photo
    assert torch.equal(protocol.repaint(photo, torch.zeros_like(mask), (1, 1, 1)), photo)


def test_repainted_cars_are_scored_kept_and_told(small, dataset, tmp_path):
    results, work = tmp_path / "results.json", tmp_path / "work"
    arguments = ["paints", "quick", "--data", str(dataset), "--seeds", "0", "--work", str(work)]
    assert protocol.main([*arguments, "--results", str(results)]) == 0
    (kept,) = protocol.read(results)
    assert kept["paints"].keys() == protocol.TINTS.keys() and len({*kept["paints"].values()}) > 1
    lines = protocol.paint_table([kept], "paints").splitlines()
    assert lines[0] == "| | as it is | yellow | orange | green | cyan | pink |"
    assert lines[2].startswith(f"| `quick` (seeds: 1) | {kept['paints']['as it is']:.4f} | ")


def test_a_missing_folder_ends_the_command_with_one_line(tmp_path, capsys):
    arguments = ["run", "quick", "--data", str(tmp_path / "none"), "--work", str(tmp_path)]
    assert protocol.main(arguments) == 1
    assert capsys.readouterr().err.startswith("protocol: ")


def test_the_report_has_the_tables_of_the_committed_results():
    text = (ROOT / protocol.REPORT).read_text(encoding="utf-8")
    rows = protocol.read(ROOT / protocol.RESULTS)
    assert rows and "<!-- results: " in text
    assert protocol.fill(text, rows) == text
