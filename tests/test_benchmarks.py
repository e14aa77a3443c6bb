"""What the benchmarks compute from what they measure. They themselves run by ``make bench``."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from benchmarks import __main__ as command
from benchmarks import gpu, race
from benchmarks.comparison import Spread, compare, number, table
from benchmarks.networks import CLASSIC, multiply_adds

from unet_course import data, losses, protocol
from unet_course.model import UNet, count_parameters


def test_variants_take_turns_and_the_first_round_does_not_count() -> None:
    turns = []
    values = {"a": iter([100, 1, 2, 4]), "b": iter([100, 3, 4, 12])}

    def measure(name: str) -> dict[str, float]:
        turns.append(name)
        return {"ms": next(values[name])}

    first, second = compare("case", {n: partial(measure, n) for n in values}, seconds=60, most=3)
    assert "".join(turns) == "abababab"
    assert (first.value.median, first.ratio) == (2, Spread(1, 1, 1))
    assert (second.value.median, second.rounds) == (4, 3)
    # of the ratios 3, 2 and 3; the ratio of the medians would be 2
    assert second.ratio == Spread(median=3, low=2.5, high=3)


def test_rounds_end_at_the_most_however_quick_they_are() -> None:
    rows = compare("case", {"a": lambda: {"ms": 1.0, "MiB": 2.0}}, seconds=60, least=1, most=4)
    assert [(row.unit, row.rounds) for row in rows] == [("ms", 4), ("MiB", 4)]


def test_where_rounds_are_slow_two_are_taken_and_the_first_counts() -> None:
    values = iter([8, 4, 100])
    (row,) = compare("case", {"a": lambda: {"s": next(values)}}, seconds=0)
    assert (row.value.median, row.rounds) == (6, 2)


def test_a_spread_is_median_and_quartiles() -> None:
    assert Spread.of([5, 1, 3, 2, 4]) == Spread(median=3, low=2, high=4)
    assert Spread.of([7]) == Spread(7, 7, 7)


@pytest.mark.parametrize(
    "value, text", [(0.01234, "0.012"), (1.2345, "1.23"), (98.76, "98.8"), (1806.3, "1806")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_table_shows_each_variant_once() -> None:
    rows = compare(
        "480x320", {"a": lambda: {"ms": 2.0}, "b": lambda: {"ms": 5.0}}, seconds=60, most=3
    )
    _, a, b = table(rows).splitlines()
    assert " ".join(a.split()) == "480x320 a 2.00 (2.00–2.00) ms 1.00 (1.00–1.00) 3"
    assert " ".join(b.split()) == "480x320 b 5.00 (5.00–5.00) ms 2.50 (2.50–2.50) 3"


def test_multiply_adds_are_those_counted_by_hand() -> None:
    down = 4 * 27 + 4 * 9  # two 3x3 convolutions on 2x2 positions, 3 to 1 to 1 channels
    bottom = 18 + 36  # on one position, 1 to 2 to 2
    up = 1 * 2 * 4 + 4 * 18 + 4 * 9 + 4  # transposed 2 to 1; 2 to 1 to 1; the head
    network = dict(width=1, depth=1, norm="none")
    assert multiply_adds(network, (2, 2)) == down + bottom + up
    assert multiply_adds(network, (4, 2)) == 2 * (down + bottom + up)


def test_the_classic_network_has_31_million_parameters() -> None:
    assert round(count_parameters(UNet(**CLASSIC)) / 1e6, 1) == 31.0


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["speed"])
    assert "'speed': expected some of training, inference" in capsys.readouterr().err


def test_a_benchmark_takes_the_place_of_its_last_run_and_of_nothing_else(tmp_path, monkeypatch):
    def rows(**_: object) -> list:
        """What it measures."""
        return compare("case", {"a": lambda: {"ms": 2.0}}, seconds=0, least=1)

    monkeypatch.setattr(command, "BENCHMARKS", {"one": rows, "two": rows})
    path = tmp_path / "bench.json"
    path.write_text('{"one": {"rows": []}, "two": {"rows": []}}', encoding="utf-8")
    assert command.main(["two", "--json", str(path)]) == 0
    kept = json.loads(path.read_text("utf-8"))
    assert kept["one"] == {"rows": []} and kept["two"]["what"] == "What it measures."
    assert kept["two"]["rows"][0]["value"]["median"] == 2 and "cores" in kept["two"]["machine"]


@pytest.fixture
def sprint(monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe of eight photos that is scored after every step, and never reaches the goal."""
    small = race.SPRINT._replace(
        network=lambda: UNet(width=2, depth=2), size=(24, 16), batch=2, photos=16, check=0,
        loss=losses.bce_dice,
    )  # fmt: skip
    monkeypatch.setitem(race.RECIPES, "sprint", small)
    monkeypatch.setattr(race, "GOAL", 2)
    return "sprint"


def test_a_race_that_was_stopped_ends_as_one_that_was_not(sprint, dataset, tmp_path) -> None:
    samples = data.load_split(dataset)

    def start(work: str) -> race.Contestant:
        (tmp_path / work).mkdir(exist_ok=True)
        return race.Contestant(sprint, 0, samples, tmp_path / work, 60)

    whole, stopped = start("whole"), start("stopped")
    for turn in range(8):
        if turn in (3, 5):
            stopped = start("stopped")
        for contestant in (whole, stopped):
            contestant.train()
            contestant.check()
    assert whole.finished and stopped.finished and not whole.reached
    assert whole.step == 8 and stopped.curve[-1]["photos"] == 16
    assert [c["dice"] for c in whole.curve] == [c["dice"] for c in stopped.curve]
    for ours, theirs in zip(whole.model.parameters(), stopped.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_race_keeps_the_test_cars_scores_when_it_is_over(sprint, dataset, tmp_path) -> None:
    results = tmp_path / "race.json"
    options = ["--data", str(dataset), "--work", str(tmp_path), "--results", str(results)]
    assert race.main(["sprint:1", "sprint", *options]) == 0
    rows = protocol.read(results)
    assert [(row["name"], row["seed"], row["photos"]) for row in rows] == [
        ("sprint", 0, 16),
        ("sprint", 1, 16),
    ]
    for row in rows:
        assert not row["reached"] and len(row["curve"]) == 8
        assert 0 <= row["test"]["dice"] <= 1 and row["minutes"] > 0
    before = results.read_text("utf-8")
    assert race.main(["sprint", *options]) == 0  # nothing is left to do
    assert results.read_text("utf-8") == before


@pytest.mark.parametrize("photos", [16, None], ids=["schedule", "no schedule"])
def test_the_goal_ends_a_race_only_without_a_schedule(
    photos, sprint, dataset, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(race, "GOAL", 0)
    monkeypatch.setitem(race.RECIPES, sprint, race.RECIPES[sprint]._replace(photos=photos))
    contestant = race.Contestant(sprint, 0, data.load_split(dataset), tmp_path, 60)
    assert not contestant.finished
    contestant.train()
    contestant.check()
    assert contestant.reached == contestant.curve[0] and contestant.step == 1
    assert contestant.finished == (photos is None)


def test_time_runs_out(sprint, dataset, tmp_path) -> None:
    contestant = race.Contestant(sprint, 0, data.load_split(dataset), tmp_path, 1e-6)
    contestant.train()
    assert contestant.finished and contestant.step == 1


def test_an_unknown_racer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        race.main(["hare:1", "--data", "none"])
    assert "'hare': expected some of sprint" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sprint", "classic", "resnet34"])
def test_every_contestant_can_be_scored(name, dataset, tmp_path) -> None:
    samples = data.load_split(dataset)
    contestant = race.Contestant(name, 0, samples, tmp_path, 60)
    assert 0 <= contestant.score(samples["test"][:1])["dice"] <= 1


def test_epochs_of_mixed_sizes_and_the_first_one_say_nothing_about_speed() -> None:
    history = [
        {"small": 1, "seconds": 100},  # which decodes the files
        {"small": 1, "seconds": 2},
        {"small": 1, "seconds": 3},
        {"small": 0.5, "seconds": 100},
        {"small": 0, "seconds": 10},
    ]
    assert gpu.rates(history, photos=50) == {"half size": 20, "full size": 5}
    assert gpu.rates(history[:1], photos=50) == {}


def test_without_a_gpu_there_is_nothing_to_measure(monkeypatch, capsys) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--data", "none"]) == 1
    assert "torch finds no CUDA GPU" in capsys.readouterr().err


def test_an_unknown_experiment_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        gpu.main(["smoke", "--data", "none"])
    assert "'smoke': expected some of plain" in capsys.readouterr().err
