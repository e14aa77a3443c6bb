"""What notebooks do first: their parameters, and the network that a lesson needs."""

import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch

from unet_course import data, lesson, training
from unet_course.checkpoints import load_checkpoint, save_checkpoint
from unet_course.data import DataError


@pytest.fixture(autouse=True)
def course(tmp_path, monkeypatch, make_dataset) -> Path:
    """A course of its own in a temporary folder, with a small embedded dataset and nothing shipped."""
    root = tmp_path / "course"
    monkeypatch.setattr(lesson, "ROOT", root)
    monkeypatch.setattr(lesson, "EMBEDDED", make_dataset(root / "data" / "turntable"))
    monkeypatch.setattr(lesson, "SHIPPED", root / "outputs" / "weights" / "turntable.safetensors")
    monkeypatch.delenv("UNET_COURSE_PRESET", raising=False)
    return root


# start


def test_without_parameters_a_lesson_uses_the_embedded_data_and_quick(course):
    started = lesson.start()
    assert started.data_dir == course / "data" / "turntable"
    assert started.output_dir == course / "outputs"
    assert (started.preset, started.seed) == ("quick", 0)
    assert started.settings == training.PRESETS["quick"]
    assert isinstance(started.device, torch.device)


def test_the_environment_sets_the_default_preset_and_a_parameter_comes_first(monkeypatch):
    monkeypatch.setenv("UNET_COURSE_PRESET", "smoke")
    assert lesson.start().preset == "smoke"
    assert lesson.start(preset="full").preset == "full"
    monkeypatch.setenv("UNET_COURSE_PRESET", "")
    assert lesson.start().preset == "quick"


def test_other_data_preset_or_seed_never_write_over_the_committed_outputs(course, dataset):
    outputs = course / "outputs"
    for options in (
        {"preset": "smoke"},
        {"seed": 1},
        {"data_dir": dataset},
        {"data_dir": dataset, "preset": "full"},
    ):
        folder = lesson.start(**options).output_dir
        assert folder.parent == outputs / "runs"
    assert lesson.start(dataset, preset="full").output_dir.name == "dataset-full"
    assert lesson.start(dataset, preset="smoke").output_dir.name == "dataset-smoke"


def test_naming_the_embedded_folder_is_the_same_as_the_default(course):
    assert lesson.start(course / "data" / "turntable").output_dir == course / "outputs"


def test_an_output_folder_that_is_given_is_taken_from_any_working_directory(
    tmp_path, dataset, monkeypatch
):
    monkeypatch.chdir(dataset.parent)
    started = lesson.start("dataset", "here", "smoke")
    assert started.data_dir == dataset
    assert started.output_dir == dataset.parent / "here"
    monkeypatch.chdir(dataset)
    assert started.output_dir == dataset.parent / "here"  # still


def test_a_split_without_cars_is_named(dataset):
    cars = {sample.car for sample in data.find_samples(dataset)}
    (dataset / "split.csv").write_text("car,split\n" + "".join(f"{c},test\n" for c in cars))
    with pytest.raises(DataError, match=r"split\.csv: no car for train and val, and"):
        lesson.start(dataset, preset="smoke")


def test_starting_writes_nothing(course):
    lesson.start()
    assert not (course / "outputs").exists()


def test_starting_says_what_it_uses_without_a_path(dataset, capsys):
    lesson.start(dataset, preset="smoke", seed=7)
    said = capsys.readouterr().out
    assert said == "data: dataset (cars: 2 train, 1 val, 1 test) · preset: smoke · seed: 7\n"


def test_starting_seeds_torch_and_sets_the_style_of_figures():
    plt.rcdefaults()
    lesson.start(seed=5)
    first = torch.rand(3)
    lesson.start(seed=5)
    assert torch.equal(torch.rand(3), first)
    assert plt.rcParams["figure.constrained_layout.use"]


def test_an_unknown_preset_or_a_folder_without_photos_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="preset 'huge': expected one of smoke, quick, full"):
        lesson.start(preset="huge")
    monkeypatch.setenv("UNET_COURSE_PRESET", "tiny")
    with pytest.raises(ValueError, match="preset 'tiny'"):
        lesson.start()
    with pytest.raises(DataError, match="no such folder"):
        lesson.start(tmp_path / "nowhere", preset="smoke")


# trained


@pytest.fixture
def trainings(monkeypatch, tiny_preset) -> list[bool]:
    """The trainings that happened, each as whether it was asked to resume."""
    happened: list[bool] = []
    train = training.train

    def noted(*arguments, resume=False, **options):
        happened.append(resume)
        return train(*arguments, resume=resume, **options)

    monkeypatch.setattr(training, "train", noted)
    return happened


def start(dataset: Path, **options) -> lesson.Lesson:
    return lesson.start(dataset, preset="smoke", **options)


def test_the_first_lesson_that_needs_a_network_trains_one_and_says_so(dataset, trainings, capsys):
    started = start(dataset)
    capsys.readouterr()
    checkpoint = lesson.trained(started)
    assert len(trainings) == 1
    assert checkpoint.info["finished"]
    assert "training a network on dataset (smoke, seed 0)" in capsys.readouterr().out
    assert (started.output_dir / "training" / "unet.safetensors").exists()


def test_the_next_lesson_uses_the_network_that_is_there_and_says_so(dataset, trainings, capsys):
    first = lesson.trained(start(dataset))
    second = lesson.trained(start(dataset))
    assert len(trainings) == 1
    assert "using unet.safetensors: data, preset and seed" in capsys.readouterr().out
    for name, weight in first.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], weight)


def test_a_shipped_network_that_fits_is_used_without_training(dataset, trainings, capsys):
    started = start(dataset)
    lesson.trained(started)
    lesson.SHIPPED.parent.mkdir(parents=True)
    (started.output_dir / "training" / "unet.safetensors").rename(lesson.SHIPPED)
    shutil.rmtree(started.output_dir / "training")
    lesson.trained(started)
    assert len(trainings) == 1
    assert "using turntable.safetensors" in capsys.readouterr().out
    assert not (started.output_dir / "training").exists()


def test_a_network_of_another_seed_is_not_used(dataset, trainings, capsys):
    lesson.trained(start(dataset))
    checkpoint = lesson.trained(start(dataset, seed=1))
    assert checkpoint.info["seed"] == 1
    assert checkpoint.info["finished"]
    said = capsys.readouterr().out
    assert "belongs to a run with seed=0, not 1" in said
    assert "training a network on dataset (smoke, seed 1) from the beginning" in said


def test_a_shipped_network_of_another_run_is_not_used(dataset, trainings, monkeypatch):
    class Trained(Exception):
        pass

    def train(*_arguments, **_options):
        raise Trained

    started = start(dataset)
    checkpoint = lesson.trained(started)
    shutil.rmtree(started.output_dir)
    monkeypatch.setattr(training, "train", train)
    own = dict(checkpoint.info)
    for key in ("data", "fingerprint", "preset", "recipe", "seed"):
        checkpoint.info = own | {key: "other"}
        save_checkpoint(lesson.SHIPPED, checkpoint)
        with pytest.raises(Trained):
            lesson.trained(started)


def test_a_network_of_photos_that_changed_since_is_not_used(dataset, trainings):
    lesson.trained(start(dataset))
    for part in dataset.rglob("car3_*"):
        part.unlink()
    lesson.trained(start(dataset))
    assert len(trainings) > 1


def test_an_unfinished_training_is_resumed_and_said_so(dataset, trainings, capsys):
    started = start(dataset)
    whole = lesson.trained(started)
    shutil.rmtree(started.output_dir)

    def stop(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    folder = started.output_dir / "training"
    with pytest.raises(KeyboardInterrupt):
        training.train(dataset, folder, preset="smoke", on_epoch=stop)
    assert load_checkpoint(folder / "unet.safetensors").info["finished"] is False
    capsys.readouterr()
    resumed = lesson.trained(started)
    assert "going on training a network on dataset" in capsys.readouterr().out
    assert trainings[-1] is True
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], weight)


@pytest.mark.parametrize("name", ["unet.safetensors", "state.pt"])
def test_a_damaged_file_is_named_and_the_network_trained_again(dataset, trainings, capsys, name):
    started = start(dataset)
    first = lesson.trained(started)
    folder = started.output_dir / "training"
    (folder / "unet.safetensors").write_bytes(b"half")
    (folder / name).write_bytes(b"half")
    again = lesson.trained(started)
    assert f"{folder / name}: damaged" in capsys.readouterr().out
    assert again.info["val_dice"] == first.info["val_dice"]


def test_versions_are_those_of_the_installed_packages():
    found = lesson.versions()
    assert (
        found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    )
    assert json.loads(json.dumps(found)) == found
    assert {"python", "torchvision", "numpy", "pillow", "accelerate"} <= found.keys()
