"""The protocol: runs that are kept and not repeated, and tables that say what the scores say."""

import json
from pathlib import Path

import pytest

from unet_course import protocol, training

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The preset quick, and with it all experiments, small enough to run in a blink."""
    recipe = dict(
        size=(24, 16), width=2, depth=2, growth="linear", stem=2, images=24, half=0.5,
        batch_size=4, lr=1e-2,
    )  # fmt: skip
    monkeypatch.setitem(training.PRESETS, "quick", recipe)


def row(experiment: str, seed: int, dice: dict[str, float], split: str = "val") -> dict:
    mean = sum(dice.values()) / len(dice)
    return dict(
        experiment=experiment, seed=seed, split=split, dice=mean, accuracy=mean / 2,
        train_minutes=1.25, parameters=1234, cars=dice,
    )  # fmt: skip


def test_a_run_is_trained_once_scored_and_kept(small, dataset, tmp_path, monkeypatch):
    options = dict(work=tmp_path / "work", results=tmp_path / "results.json")
    first = protocol.run("unweighted", dataset, seed=1, split="test", **options)
    assert (first["experiment"], first["seed"], first["split"]) == ("unweighted", 1, "test")
    assert first["recipe"]["loss"] == "bce_dice"
    assert first["n_cars"] == len(first["cars"])
    assert first["dice"] == pytest.approx(sum(first["cars"].values()) / len(first["cars"]))
    assert 0 < first["train_minutes"] < 1
    untimed = protocol.run("unweighted", dataset, seed=1, split="test", timed=False, **options)
    assert untimed == first | {"train_minutes": None}
    protocol.keep(first, options["results"])
    assert protocol.read(options["results"]) == [first]
    monkeypatch.setattr(training, "validate", None)  # what training cannot do without
    again = protocol.run("unweighted", dataset, seed=1, split="val", **options)
    assert again["train_minutes"] == first["train_minutes"]
    assert protocol.read(options["results"]) == [first, again]


@pytest.mark.parametrize("name", protocol.EXPERIMENTS)
def test_every_experiment_changes_what_its_training_uses(
    name, small, dataset, tmp_path, monkeypatch
):
    started = []

    def fit(model, train_set, *_, **options):
        started.append((model.config, train_set.size, len(train_set.augment.transforms), options))

    monkeypatch.setattr(training, "fit", fit)
    for experiment in ("quick", name):
        preset, _, changes = protocol.EXPERIMENTS[experiment]
        training.train(dataset, tmp_path, preset=preset, changes=changes)
    base, changed = started
    for _, _, _, options in started:
        del options["info"]
    assert (base != changed) == (name != "quick")


def test_a_row_takes_the_place_of_its_predecessor(tmp_path):
    results = tmp_path / "new" / "results.json"
    rows = [
        row("quick", 0, {"a": 0.5}),
        row("quick", 1, {"a": 0.6}),
        row("unweighted", 0, {"a": 0.4}),
    ]
    for each in reversed(rows):
        protocol.keep(each, results)
    assert protocol.read(results) == rows
    better = row("quick", 1, {"a": 0.9})
    protocol.keep(better, results)
    assert protocol.read(results) == [rows[0], better, rows[2]]


def test_a_table_compares_by_seed_and_by_car():
    rows = [
        row("quick", 0, {"a": 0.98, "b": 0.99}),
        row("quick", 1, {"a": 0.96, "b": 0.97}),
        row("unweighted", 0, {"a": 0.97, "b": 0.98}),  # without seed 1, which would flatter it
        row("batch-8", 2, {"a": 0.5, "b": 0.5}) | {"train_minutes": None},
        row("group", 0, {"a": 0.5, "b": 0.5}, split="test"),
    ]
    lines = protocol.table(rows, "val").splitlines()
    assert len(lines) == 5
    assert lines[2] == (
        "| `quick` | 2 | 0.9750 (0.9650 to 0.9850) | 0.4875 | (0.9700 to 0.9800) | 1.2 | 1,234 |"
    )
    assert lines[3] == (
        "| BCE without boundary weights | 1 | 0.9750 (0.9750 to 0.9750) | 0.4875 "
        "| -0.0100 (-0.0100 to -0.0100) | 1.2 | 1,234 |"
    )
    assert lines[4] == (
        "| batches of 8 | 1 | 0.5000 (0.5000 to 0.5000) | 0.2500 |  | not timed | 1,234 |"
    )


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
    assert "expected val or test" in capsys.readouterr().err
    assert (tmp_path / "text.md").read_text() == text


def test_a_missing_folder_ends_the_command_with_one_line(tmp_path, capsys):
    arguments = ["run", "quick", "--data", str(tmp_path / "none"), "--work", str(tmp_path)]
    assert protocol.main(arguments) == 1
    assert capsys.readouterr().err.startswith("protocol: ")


def test_the_readme_has_the_tables_of_the_committed_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = protocol.read(ROOT / protocol.RESULTS)
    assert rows and "<!-- results: " in text
    assert protocol.fill(text, rows) == text
