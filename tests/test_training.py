"""Training: what it leaves on disk, and that nothing which stops it changes how it ends."""

import csv
import errno
import itertools
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor

from unet_course import checkpoints, data, parts, training
from unet_course.checkpoints import CheckpointError, load_checkpoint
from unet_course.model import UNet
from unet_course.training import TrainingError

FILES = ["history.csv", "last.safetensors", "state.pt", "unet.safetensors"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory, make_dataset) -> SimpleNamespace:
    """A train and a val dataset, small enough to train on in a blink. Read only."""
    root = make_dataset(tmp_path_factory.mktemp("sets") / "ellipses", cars=4, views=3)
    samples = data.load_split(root)
    return SimpleNamespace(
        root=root,
        train=data.CarDataset(samples["train"], size=(24, 16), augment=data.augmentation()),
        val=data.CarDataset(samples["val"], size=(24, 16)),
    )


def fit(sets, folder: Path, *, seed: int = 0, width: int = 2, epochs: int = 3, **options):
    """Train a tiny network for three epochs of two steps."""
    torch.manual_seed(seed)
    model = UNet(width=width, depth=2)
    options = dict(batch_size=4, lr=1e-2, seed=seed) | options
    return training.fit(model, sets.train, sets.val, folder, epochs=epochs, **options)


def weights(path: Path) -> dict[str, Tensor]:
    return load_file(path)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two networks are equal to the last bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def results(history: training.History) -> list[dict[str, float]]:
    """A history without its times."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def read_history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(newline="") as file:
        return results(csv.DictReader(file))


@pytest.fixture(scope="module")
def undisturbed(sets, tmp_path_factory) -> SimpleNamespace:
    """How `fit` ends when nothing disturbs it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    model, history = fit(sets, folder)
    return SimpleNamespace(
        folder=folder, model=model, history=history,
        best=weights(folder / "unet.safetensors"), last=weights(folder / "last.safetensors"),
    )  # fmt: skip


def ends_like(undisturbed, folder: Path, history: training.History | None = None) -> bool:
    assert sorted(p.name for p in folder.iterdir()) == FILES
    return (
        same(weights(folder / "unet.safetensors"), undisturbed.best)
        and same(weights(folder / "last.safetensors"), undisturbed.last)
        and read_history(folder) == read_history(undisturbed.folder)
        and (history is None or results(history) == results(undisturbed.history))
        and load_checkpoint(folder / "unet.safetensors").info["finished"]
    )


# What a run leaves


def test_a_run_leaves_best_and_last_weights_a_history_and_a_state(undisturbed):
    assert sorted(p.name for p in undisturbed.folder.iterdir()) == FILES
    assert [row["epoch"] for row in undisturbed.history] == [1, 2, 3]
    rows = read_history(undisturbed.folder)
    assert [{k: float(v) for k, v in row.items()} for row in rows] == results(undisturbed.history)


def test_the_returned_network_is_the_saved_one_ready_to_predict(undisturbed):
    assert same(undisturbed.model.state_dict(), undisturbed.best)
    assert not undisturbed.model.training
    assert next(undisturbed.model.parameters()).device.type == "cpu"


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(sets, undisturbed, tmp_path):
    _, history = fit(sets, tmp_path / "again")
    assert ends_like(undisturbed, tmp_path / "again", history)
    fit(sets, tmp_path / "other", seed=1)
    assert not same(weights(tmp_path / "other" / "last.safetensors"), undisturbed.last)


def test_training_learns(finished_run):
    first, last = finished_run.history[0], finished_run.history[-1]
    assert last["train_loss"] < 0.6 * first["train_loss"]
    assert max(row["val_dice"] for row in finished_run.history) > 0.9


def test_the_checkpoint_says_what_it_was_trained_on_and_how(finished_run):
    found = load_checkpoint(finished_run.checkpoint)
    info = found.info
    assert (info["data"], info["preset"], info["seed"]) == ("ellipses", "smoke", 0)
    assert info["fingerprint"] == data.fingerprint(data.load_split(finished_run.data))
    assert info["precision"] == training.choose_precision(Accelerator().device)
    assert info["device"] == training.describe_device(Accelerator().device)
    assert info["epochs"] == len(finished_run.history)
    assert info["finished"] is True
    assert info["train_seconds"] == sum(row["seconds"] for row in finished_run.history)
    assert (found.size, found.mean, found.std) == ((96, 64), data.MEAN, data.STD)


def test_the_best_checkpoint_is_the_best_of_the_history(finished_run):
    best = max(finished_run.history, key=lambda row: row["val_dice"])
    info = load_checkpoint(finished_run.checkpoint).info
    assert (info["epoch"], info["val_dice"]) == (best["epoch"], best["val_dice"])


def test_the_best_epoch_is_kept_when_later_ones_are_worse(sets, tmp_path, monkeypatch):
    scores = iter([0.5, 0.9, 0.7, 0.9])
    monkeypatch.setattr(training, "validate", lambda *_, **__: {"val_dice": next(scores)})
    model, _ = fit(sets, tmp_path, epochs=4)
    best, last = (load_checkpoint(tmp_path / f"{n}.safetensors") for n in ("unet", "last"))
    assert (best.info["epoch"], best.info["val_dice"]) == (2, 0.9)
    assert (last.info["epoch"], last.info["finished"]) == (4, False)
    assert same(model.state_dict(), best.model.state_dict())
    assert not same(model.state_dict(), last.model.state_dict())


def test_every_epoch_is_reported_as_it_ends(sets, tmp_path):
    lengths = []
    fit(sets, tmp_path, on_epoch=lambda history: lengths.append(len(history)))
    assert lengths == [1, 2, 3]


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(sets, tmp_path):
    _, history = fit(sets, tmp_path, epochs=10, lr=0.02)
    rates = [row["lr"] for row in history]
    peak = rates.index(max(rates))
    assert rates[peak] == pytest.approx(0.02, rel=0.1)
    assert 0 < peak < 4
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.02 * 0.02


def test_a_rate_can_stay_what_it_is(sets, tmp_path):
    _, history = fit(sets, tmp_path, lr=0.02, new_schedule=training.constant)
    assert [row["lr"] for row in history] == 3 * [pytest.approx(0.02)]


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [*itertools.product(training.OPTIMIZERS, training.SCHEDULES)]
)
def test_every_optimizer_and_schedule_is_stopped_and_resumed_as_if_it_were_not(
    sets, tmp_path, optimizer, schedule
):
    def stop(history):
        raise KeyboardInterrupt

    options = dict(
        new_optimizer=training.OPTIMIZERS[optimizer], new_schedule=training.SCHEDULES[schedule]
    )
    _, history = fit(sets, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path / "stopped", on_epoch=stop, **options)
    _, resumed = fit(sets, tmp_path / "stopped", resume=True, **options)
    assert results(resumed) == results(history)
    assert same(*(weights(tmp_path / n / "last.safetensors") for n in ("whole", "stopped")))


def test_the_first_steps_can_see_photos_at_half_the_size(sets, tmp_path):
    torch.manual_seed(0)
    model, seen = UNet(width=2, depth=2), []
    hook = model.register_forward_pre_hook(lambda _, x: seen.append((model.training, *x[0].shape)))
    _, history = training.fit(
        model, sets.train, sets.val, tmp_path, epochs=2, batch_size=2, half=0.7
    )
    trained_on = [(h, w) for training_mode, *_, h, w in seen if training_mode]
    steps = len(trained_on) // 2
    small = int(0.7 * 2 * steps)
    assert 0 < small - steps < steps  # so the second epoch has steps of both sizes
    assert trained_on == [(8, 12)] * small + [(16, 24)] * (2 * steps - small)
    assert [row["small"] for row in history] == [1, (small - steps) / steps]
    validated_on = [(h, w) for training_mode, *_, h, w in seen if not training_mode]
    assert list(dict.fromkeys(validated_on)) == [(8, 12), (16, 24)]
    assert load_checkpoint(tmp_path / "unet.safetensors").size == sets.train.size == (24, 16)
    seen.clear()  # the last step is at full size, even if it is the only one
    training.fit(model, sets.train, sets.val, tmp_path, epochs=1, batch_size=8, half=0.9)
    assert [(h, w) for training_mode, *_, h, w in seen if training_mode] == [(16, 24)]
    hook.remove()


def test_a_run_resumed_after_its_small_steps_ends_like_an_undisturbed_one(sets, tmp_path):
    def stop(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    _, history = fit(sets, tmp_path / "whole", half=0.5, epochs=4)
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path / "stopped", half=0.5, epochs=4, on_epoch=stop)
    with pytest.raises(CheckpointError, match=r"half=0\.5, not 0\.25"):
        fit(sets, tmp_path / "stopped", half=0.25, epochs=4, resume=True)
    _, resumed = fit(sets, tmp_path / "stopped", half=0.5, epochs=4, resume=True)
    assert results(resumed) == results(history)
    assert same(*(weights(tmp_path / n / "last.safetensors") for n in ("whole", "stopped")))


def test_a_share_of_small_steps_that_cannot_be_is_refused(sets, tmp_path):
    for half in (-0.1, 1.0):
        with pytest.raises(ValueError, match=f"half={half}: expected 0 to below 1"):
            fit(sets, tmp_path, half=half)
    own_size = data.CarDataset(sets.train.samples)
    with pytest.raises(ValueError, match="a dataset with a size to halve"):
        training.fit(UNet(width=2, depth=2), own_size, sets.val, tmp_path, epochs=1, half=0.5)


# Presets


def test_presets_see_about_the_same_number_of_photos_on_any_dataset():
    for preset, settings in training.PRESETS.items():
        for n in (10, 64, 500, 1472):
            seen = n * training.epochs_for(preset, n)
            assert seen <= max(n, settings["images"])
            assert seen == n or seen > settings["images"] / 2
    assert training.epochs_for("smoke", 10**6) == 1


def test_a_preset_shorter_than_the_dataset_takes_part_of_it(dataset, tmp_path, monkeypatch):
    recipe = dict(size=(24, 16), width=2, depth=2, images=2, batch_size=2, lr=1e-2)
    monkeypatch.setitem(training.PRESETS, "smoke", recipe)
    drawn = []
    monkeypatch.setattr(
        training, "fit", lambda model, train_set, *_, **__: drawn.extend(train_set.samples)
    )
    training.train(dataset, tmp_path / "out", preset="smoke")
    assert len(drawn) == 2
    assert len({s.car for s in drawn}) == 2


def test_a_preset_can_have_another_network_and_small_steps(dataset, tmp_path, monkeypatch):
    recipe = dict(size=(24, 16), width=2, depth=1, images=12, batch_size=2, lr=1e-2)
    monkeypatch.setitem(training.PRESETS, "smoke", recipe | dict(growth="linear", stem=2, half=0.5))
    started = []
    monkeypatch.setattr(
        training, "fit", lambda model, *_, half, info, **__: started.append((model, half, info))
    )
    training.train(dataset, tmp_path / "out", preset="smoke")
    model, half, info = started[0]
    expected = UNet(width=2, depth=1, growth="linear", stem=2).config
    assert (model.config, half) == (expected, 0.5)
    assert info["recipe"]["half"] == 0.5 and info["recipe"]["stem"] == 2


def test_an_experiment_can_have_another_optimizer_and_schedule(dataset, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(
        training, "fit",
        lambda *_, new_optimizer, new_schedule, **__: started.append((new_optimizer, new_schedule)),
    )  # fmt: skip
    for changes in ({}, {"optimizer": "adamw", "schedule": "constant"}):
        training.train(dataset, tmp_path, preset="quick", changes=changes)
    named, made = training.OPTIMIZERS, [new([torch.zeros(1)], lr=0.5) for new, _ in started]
    assert started == [(named["sgd"], training.one_cycle), (named["adamw"], training.constant)]
    assert [type(optimizer) for optimizer in made] == [torch.optim.SGD, torch.optim.AdamW]


def test_an_unknown_preset_is_refused_with_the_choices(dataset, tmp_path):
    with pytest.raises(ValueError, match="preset 'huge': expected one of smoke, quick, full"):
        training.train(dataset, tmp_path / "out", preset="huge")
    assert not (tmp_path / "out").exists()


def test_a_split_without_cars_is_refused(dataset, tmp_path):
    for lacking, name in (("train", "train"), ("val", "val")):
        others = {"train", "val", "test"} - {lacking}
        rows = [f"car{i},{name}" for i, name in enumerate([*sorted(others), "test", "test"])]
        (dataset / "split.csv").write_text("car,split\n" + "\n".join(rows))
        with pytest.raises(TrainingError, match=f"no photos to {name} on"):
            training.train(dataset, tmp_path / "out", preset="smoke")
    assert not (tmp_path / "out").exists()


# Precision


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_training_on_a_cpu_works_with_and_without_bf16(sets, tmp_path, monkeypatch, precision):
    monkeypatch.setattr(training, "choose_precision", lambda _device: precision)
    model, history = fit(sets, tmp_path)
    assert load_checkpoint(tmp_path / "unet.safetensors").info["precision"] == precision
    assert all(math.isfinite(v) for row in history for v in row.values())
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_a_resumed_run_keeps_the_precision_it_began_with(sets, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "choose_precision", lambda _device: "no")
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, on_epoch=interrupt_after(1))
    monkeypatch.setattr(training, "choose_precision", lambda _device: "bf16")
    fit(sets, tmp_path, resume=True)
    assert load_checkpoint(tmp_path / "unet.safetensors").info["precision"] == "no"


def test_an_accelerator_made_before_does_not_decide_the_precision(sets, tmp_path, monkeypatch):
    Accelerator(mixed_precision="no")
    monkeypatch.setattr(training, "choose_precision", lambda _device: "bf16")
    fit(sets, tmp_path, epochs=1)
    assert load_checkpoint(tmp_path / "unet.safetensors").info["precision"] == "bf16"


# Stopped and resumed


def interrupt_after(epochs: int) -> Callable[[training.History], None]:
    def stop(history: training.History) -> None:
        if len(history) == epochs:
            raise KeyboardInterrupt

    return stop


def loss_that(act: Callable[[], Tensor | None], *, at: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The usual loss, but the ``at``-th call does ``act`` (and returns what it returns, if anything)."""
    calls = 0

    def loss(logits: Tensor, masks: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        replaced = act() if calls == at else None
        return training.default_loss(logits, masks) if replaced is None else replaced

    return loss


class Killed(BaseException):
    """What stands for a kill inside this process."""


def test_killed_between_any_two_writes_a_resumed_run_ends_like_an_undisturbed_one(
    sets, undisturbed, tmp_path, monkeypatch
):
    replace, writes = os.replace, []

    def run(folder: Path, *, die_at: int | None, resume: bool = False) -> None:
        writes.clear()

        def dying_replace(source, target):
            if die_at == len(writes):
                raise Killed
            replace(source, target)
            writes.append(Path(target).name)

        monkeypatch.setattr(os, "replace", dying_replace)
        fit(sets, folder, resume=resume)

    run(tmp_path / "whole", die_at=None)
    n = len(writes)
    assert set(writes) == set(FILES)
    for die_at in range(n):
        folder = tmp_path / str(die_at)
        with pytest.raises(Killed):
            run(folder, die_at=die_at)
        run(folder, die_at=None, resume=True)
        assert ends_like(undisturbed, folder), f"killed at write {die_at} of {n}"


def test_killed_again_while_resuming_a_run_still_ends_like_an_undisturbed_one(
    sets, undisturbed, tmp_path
):
    def die() -> None:
        raise Killed

    for step in (1, 2, 3):  # of two steps per epoch: in the first, at its end, in the second
        with pytest.raises(Killed):
            fit(sets, tmp_path, resume=True, loss_function=loss_that(die, at=step))
    _, history = fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path, history)


def test_resuming_a_finished_run_changes_nothing(sets, undisturbed, tmp_path):
    fit(sets, tmp_path)
    before = load_checkpoint(tmp_path / "unet.safetensors").info
    kept = {
        name: (tmp_path / name).read_bytes()
        for name in ("history.csv", "last.safetensors", "state.pt")
    }
    model, history = fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path, history)
    assert same(model.state_dict(), undisturbed.best)
    assert load_checkpoint(tmp_path / "unet.safetensors").info == before
    assert all((tmp_path / name).read_bytes() == content for name, content in kept.items())


def test_without_resume_a_run_begins_anew(sets, undisturbed, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, seed=1, on_epoch=interrupt_after(2))
    _, history = fit(sets, tmp_path)
    assert ends_like(undisturbed, tmp_path, history)


def test_resuming_where_nothing_began_begins(sets, undisturbed, tmp_path):
    _, history = fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path, history)


def test_an_interrupted_run_leaves_its_last_weights_and_can_be_resumed(sets, undisturbed, tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, loss_function=loss_that(interrupt, at=4))  # epoch 2, step 2
    last = load_checkpoint(tmp_path / "last.safetensors")
    assert (last.info["epoch"], last.info["finished"]) == (1, False)
    best = load_checkpoint(tmp_path / "unet.safetensors")
    assert not same(last.model.state_dict(), best.model.state_dict())  # one step further
    _, history = fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path, history)


def test_a_run_interrupted_in_its_first_epoch_leaves_its_weights_too(sets, tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, loss_function=loss_that(interrupt, at=2))
    assert load_checkpoint(tmp_path / "last.safetensors").info["finished"] is False


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_advice_and_keeps_the_last_good_epoch(
    sets, undisturbed, tmp_path, bad
):
    poisoned = loss_that(lambda: torch.tensor(bad, requires_grad=True), at=3)
    with pytest.raises(TrainingError, match=rf"the loss is {bad} in epoch 2.*Lower the learning"):
        fit(sets, tmp_path, loss_function=poisoned)
    kept = load_checkpoint(tmp_path / "unet.safetensors")
    assert kept.info["epoch"] == 1
    assert all(v.isfinite().all() for v in kept.model.state_dict().values())
    _, history = fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path, history)


def test_a_disk_that_fills_stops_a_run_which_resumes_when_there_is_space_again(
    sets, undisturbed, tmp_path, monkeypatch
):
    save_file, saves = checkpoints.save_file, 0

    def full(tensors, path, metadata):
        nonlocal saves
        saves += 1
        if saves > 2:  # epoch 1 is safe; epoch 2 finds no space
            Path(path).write_bytes(b"the first few blocks")
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, path, metadata)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match=r"safetensors: could not be written.*No space left"):
        fit(sets, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert load_checkpoint(tmp_path / "unet.safetensors").info["epoch"] == 1
    monkeypatch.undo()
    _, history = fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path, history)


def test_a_state_that_the_system_cuts_short_leaves_the_old_state(
    sets, undisturbed, tmp_path, files_limited_to
):
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, on_epoch=interrupt_after(1))
    state = (tmp_path / "state.pt").read_bytes()
    limit = len(state) - 100  # checkpoints are smaller and fit
    with (
        files_limited_to(limit),
        pytest.raises(OSError, match=r"state\.pt: could not be written.*free space"),
    ):
        fit(sets, tmp_path, resume=True)
    assert (tmp_path / "state.pt").read_bytes() == state
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    fit(sets, tmp_path, resume=True)
    assert ends_like(undisturbed, tmp_path)


def test_an_output_folder_that_is_a_file_is_named_before_any_training(sets, tmp_path):
    (tmp_path / "out").write_text("precious")

    def never(*_: Tensor) -> Tensor:
        raise AssertionError("training began although nothing can be saved")

    with pytest.raises(OSError, match=r"out/state\.pt: could not be written"):
        fit(sets, tmp_path / "out", loss_function=never)
    assert (tmp_path / "out").read_text() == "precious"


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission_is_named(sets, tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OSError, match=r"state\.pt: could not be written.*permissions"):
            fit(sets, tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed=0, not 1"),
        ({"epochs": 4}, "epochs=3, not 4"),
        ({"batch_size": 3}, "batch_size=4, not 3"),
        ({"lr": 0.5}, "peak_lr=0.01, not 0.5"),
        ({"width": 4}, "architecture="),
        ({"info": {"data": "other"}}, "data='mine', not 'other'"),
    ],
)
def test_the_state_of_another_run_is_refused_and_kept(sets, tmp_path, change, named):
    options = {"info": {"data": "mine"}}
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, on_epoch=interrupt_after(1), **options)
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(CheckpointError, match=r"state\.pt: belongs to a run with") as error:
        fit(sets, tmp_path, resume=True, **options | change)
    assert named in str(error.value)
    assert (tmp_path / "state.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "other"])
def test_a_damaged_state_is_named_and_kept(sets, tmp_path, damage):
    path = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tmp_path, on_epoch=interrupt_after(1))
    whole = path.read_bytes()
    if damage == "other":
        torch.save({"some": "pickle"}, path)
    else:
        path.write_bytes({"cut": whole[:-500], "empty": b"", "garbage": b"garbage" * 99}[damage])
    damaged = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"state\.pt: damaged, cannot resume.*start anew"):
        fit(sets, tmp_path, resume=True)
    assert path.read_bytes() == damaged


def test_a_state_runs_no_code(sets, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    torch.save({"info": Trap()}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="damaged"):
        fit(sets, tmp_path, resume=True)
    assert not (tmp_path / "sprung").exists()


# Parts


@pytest.fixture(scope="module")
def part_sets(tmp_path_factory, make_dataset, make_parts) -> SimpleNamespace:
    """As `sets`, with part masks. Read only."""
    root = make_parts(make_dataset(tmp_path_factory.mktemp("parts") / "ellipses", cars=4, views=3))
    samples = data.load_split(root)
    return SimpleNamespace(
        root=root,
        train=parts.PartDataset(samples["train"], size=(24, 16), augment=data.augmentation()),
        val=parts.PartDataset(samples["val"], size=(24, 16)),
    )


def fit_parts(part_sets, folder: Path, *, width: int = 2, **options):
    torch.manual_seed(0)
    model = UNet(out_channels=7, width=width, depth=2)
    options = dict(epochs=3, batch_size=4, lr=1e-2, seed=0) | options
    return training.fit(model, part_sets.train, part_sets.val, folder, **options)


def test_training_for_parts_leaves_what_training_for_cars_leaves(part_sets, tmp_path):
    model, history = fit_parts(part_sets, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert list(history[0]) == [
        "epoch", "small", "train_loss", "val_loss", "val_dice", "val_accuracy", "val_mean_iou", "lr",
        "seconds",
    ]  # fmt: skip
    rows = read_history(tmp_path)
    assert [{k: float(v) for k, v in row.items()} for row in rows] == results(history)
    found = load_checkpoint(tmp_path / "unet.safetensors")
    assert found.classes == parts.PARTS
    assert same(model.state_dict(), found.model.state_dict())


def test_training_for_parts_learns_them(part_sets, tmp_path):
    _, history = fit_parts(part_sets, tmp_path, width=8, epochs=20, lr=0.1)
    first, best = history[0], training.best_epoch(history)
    assert history[-1]["train_loss"] < 0.5 * first["train_loss"]
    assert best["val_mean_iou"] > first["val_mean_iou"] + 0.3
    assert best["val_dice"] > 0.8


def test_the_best_epoch_of_parts_is_the_one_with_the_best_mean_iou(
    part_sets, tmp_path, monkeypatch
):
    scores = iter([(0.9, 0.2), (0.7, 0.6), (0.95, 0.4)])
    monkeypatch.setattr(
        training,
        "validate",
        lambda *_, **__: dict(zip(("val_dice", "val_mean_iou"), next(scores), strict=True)),
    )
    fit_parts(part_sets, tmp_path)
    assert load_checkpoint(tmp_path / "unet.safetensors").info["epoch"] == 2


def test_a_resumed_training_for_parts_ends_with_the_same_weights(part_sets, tmp_path):
    _, history = fit_parts(part_sets, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit_parts(part_sets, tmp_path / "stopped", on_epoch=interrupt_after(1))
    _, resumed = fit_parts(part_sets, tmp_path / "stopped", resume=True)
    assert results(resumed) == results(history)
    for name in ("unet.safetensors", "last.safetensors"):
        assert same(*(weights(tmp_path / folder / name) for folder in ("whole", "stopped")))


def test_a_network_that_does_not_fit_the_target_is_refused(sets, part_sets, tmp_path):
    for train_set, val_set, channels in (
        (part_sets.train, part_sets.val, 1),
        (sets.train, sets.val, 7),
        (part_sets.train, sets.val, 7),
    ):
        with pytest.raises(TrainingError, match=rf"a network of {channels} channels.*PartDataset"):
            training.fit(UNet(3, channels, width=2), train_set, val_set, tmp_path, epochs=1)
    assert not list(tmp_path.iterdir())


# Options of a run


def test_a_run_for_parts_says_so_and_is_not_taken_for_one_for_cars(
    part_dataset, tmp_path, tiny_preset
):
    model, _ = training.train(part_dataset, tmp_path, preset=tiny_preset, target="parts")
    assert model.config["out_channels"] == 7
    found = load_checkpoint(tmp_path / "unet.safetensors")
    assert (found.classes, found.info["recipe"]["target"]) == (parts.PARTS, "parts")
    splits = data.load_split(part_dataset)
    wanted = training.run_info(part_dataset, splits, tiny_preset, 0)
    assert any(found.info[key] != value for key, value in wanted.items())
    wanted = training.run_info(part_dataset, splits, tiny_preset, 0, target="parts")
    assert all(found.info[key] == value for key, value in wanted.items())


def test_a_usual_run_is_recorded_as_ever(dataset):
    info = training.run_info(dataset, data.load_split(dataset), "quick", 0)
    assert set(info["recipe"]) == set(training.PRESETS["quick"])
    assert info["fingerprint"] == data.fingerprint(data.load_split(dataset))


def test_parts_of_a_dataset_without_them_are_refused_before_training(dataset, tmp_path):
    with pytest.raises(data.DataError, match="this dataset has no part masks"):
        training.train(dataset, tmp_path / "out", preset="smoke", target="parts")
    with pytest.raises(ValueError, match="target 'doors': expected one of car, parts"):
        training.train(dataset, tmp_path / "out", preset="smoke", target="doors")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def started(monkeypatch) -> list[tuple[UNet, list[data.Sample], dict]]:
    """What `training.train` would begin with: network, samples, info. Nothing is trained."""
    seen = []
    monkeypatch.setattr(
        training,
        "fit",
        lambda model, train_set, *_, info, **__: seen.append((model, train_set.samples, info)),
    )
    return seen


def test_training_starts_from_the_weights_of_a_checkpoint(
    finished_run, tmp_path, started, monkeypatch
):
    options = dict(preset="smoke", seed=5, init=finished_run.checkpoint)
    training.train(finished_run.data, tmp_path / "out", **options)
    model, _, info = started[0]
    assert same(model.state_dict(), weights(finished_run.checkpoint))
    assert info["recipe"]["init"] == "unet.safetensors"
    assert str(finished_run.output) not in str(info)
    monkeypatch.undo()
    _, history = training.train(finished_run.data, tmp_path / "out", **options)
    assert history[0]["train_loss"] < 0.5 * finished_run.history[0]["train_loss"]
    assert max(row["lr"] for row in history) <= training.PRESETS["smoke"]["lr"] / 10


def test_a_checkpoint_of_another_architecture_or_target_is_no_start(
    part_dataset, finished_run, tmp_path, tiny_preset, part_checkpoint
):
    checkpoints.save_checkpoint(tmp_path / "parts.safetensors", part_checkpoint)
    for name, target, said in (
        (finished_run.checkpoint, "car", r"unet\.safetensors: has another architecture \(width=8"),
        (finished_run.checkpoint, "parts", "is a network for background, car, and this training"),
        (tmp_path / "parts.safetensors", "car", "is a network for background, body"),
        (tmp_path / "none.safetensors", "car", r"none\.safetensors: no such file"),
    ):
        with pytest.raises(CheckpointError, match=said):
            training.train(part_dataset, tmp_path / "out", preset="smoke", target=target, init=name)
    assert not (tmp_path / "out").exists()


def test_training_on_some_cars_takes_those_that_the_seed_draws(finished_run, tmp_path, started):
    everything = data.load_split(finished_run.data)["train"]
    for seed in (0, 1):
        options = dict(preset="smoke", seed=seed, cars=2)
        training.train(finished_run.data, tmp_path / "out", **options)
        _, samples, info = started[-1]
        assert samples == data.draw_cars(everything, 2, seed=seed)
        assert info["recipe"]["cars"] == 2
    with pytest.raises(data.DataError, match="9 cars to train on: expected 1 to 4"):
        training.train(finished_run.data, tmp_path / "out", preset="smoke", cars=9)


@pytest.mark.parametrize("change", [{"cars": 1}, {"target": "parts"}, {"init": "first"}])
def test_a_run_is_not_resumed_with_other_options(
    part_dataset, tmp_path, tiny_preset, checkpoint_file, change
):
    if "init" in change:
        change = {"init": checkpoint_file}
    runs = {"usual": {}, "other": change}
    for name, options in runs.items():
        training.train(part_dataset, tmp_path / name, preset=tiny_preset, **options)
    for name, options in (("usual", change), ("other", {})):
        with pytest.raises(CheckpointError, match="belongs to a run with recipe="):
            training.train(
                part_dataset, tmp_path / name, preset=tiny_preset, resume=True, **options
            )
    training.train(part_dataset, tmp_path / "other", preset=tiny_preset, resume=True, **change)


# Killed for real

LAST_WRITE = """
import csv, os, signal, sys
from pathlib import Path
from unet_course import cli, training
replace = os.replace
def deadly(source, target):
    target = Path(target)
    if target.name == "unet.safetensors" and (target.parent / "history.csv").exists():
        rows = len((target.parent / "history.csv").read_text().splitlines()) - 1
        if rows == 12:  # every epoch is done: this write says that the run is finished
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = deadly
cli.main(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_killed_at_any_moment_and_resumed_training_ends_with_the_same_weights(
    finished_run, tmp_path
):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

    def start(folder: str, *options: str, driver: tuple[str, ...] = ("-m", "unet_course.cli")):
        command = [
            sys.executable, *driver, "train", "--data", str(finished_run.data),
            "--output", str(tmp_path / folder), "--preset", "smoke", *options,
        ]  # fmt: skip
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def epochs_done() -> int:
        try:
            return len((tmp_path / "killed" / "history.csv").read_text().splitlines()) - 1
        except FileNotFoundError:
            return 0

    def kill_when(process: subprocess.Popen, reached: Callable[[], bool], delay: float) -> None:
        while not reached() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(delay)
        process.kill()
        process.communicate()
        # 0 where a busy machine let the run end before the kill: then it must be as good
        assert process.returncode in (0, -signal.SIGKILL)

    rng = random.Random(0)
    undisturbed = start("undisturbed")
    kill_when(start("killed"), (tmp_path / "killed" / "state.pt").exists, 0)
    for epoch in (1, 4):
        kill_when(
            start("killed", "--resume"), lambda e=epoch: epochs_done() >= e, rng.uniform(0, 0.04)
        )
    finishing = start("killed", "--resume", driver=("-c", LAST_WRITE))
    finishing.communicate()
    assert finishing.returncode == -signal.SIGKILL
    resumed = start("killed", "--resume")
    for process in (resumed, undisturbed):
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr.decode()

    folders = tmp_path / "killed", tmp_path / "undisturbed"
    for name in ("unet.safetensors", "last.safetensors"):
        assert same(*(weights(folder / name) for folder in folders))
    assert read_history(folders[0]) == read_history(folders[1])
    infos = [load_checkpoint(folder / "unet.safetensors").info for folder in folders]
    assert all(info.pop("train_seconds") > 0 and info.pop("seconds") > 0 for info in infos)
    assert infos[0] == infos[1]
    assert infos[0]["finished"] is True
