"""The command, end to end: what it writes, what it prints, and how it refuses."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unet_course import cli, data, parts, training
from unet_course.checkpoints import load_checkpoint, save_checkpoint

CONTRACT = {
    "split", "threshold", "boundary_tolerance",
    "n_images", "n_cars", "resolution", "accuracy", "dice", "iou", "dice_pooled", "dice_ci95",
    "boundary_f1", "worst",
}  # fmt: skip


def run(*arguments: object) -> int:
    return cli.main([str(a) for a in arguments])


def refused(capsys, *arguments: object) -> str:
    """Run a command that must fail: status 1 and one line on stderr, which is returned."""
    capsys.readouterr()
    assert run(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n")
    assert err.startswith(f"unet-course {arguments[0]}: ")
    return err


def test_prepare_copies_at_the_size_and_resumes(dataset, tmp_path, capsys):
    command = ("prepare", "--source", dataset, "--output", tmp_path / "copy", "--size", "30x20")
    assert run(*command) == 0
    assert "8 photos with masks" in capsys.readouterr().out
    (tmp_path / "copy" / "train" / "car0_01.jpg").unlink()
    assert run(*command) == 0
    for sample in data.find_samples(tmp_path / "copy"):
        image, mask = data.read_pair(sample)
        assert image.shape == (3, 20, 30)
        assert set(mask.unique().tolist()) == {0, 1}


def test_train_leaves_a_checkpoint_and_a_history_and_resumes(
    dataset, tmp_path, tiny_preset, capsys
):
    out = tmp_path / "out"
    command = ("train", "--data", dataset, "--output", out, "--preset", tiny_preset, "--seed", 3)
    assert run(*command) == 0
    said = capsys.readouterr().out
    info = load_checkpoint(out / "unet.safetensors").info
    assert (info["seed"], info["preset"], info["finished"]) == (3, "smoke", True)
    with (out / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    best = max(float(row["val_dice"]) for row in rows)
    assert f"Dice {best:.4f}" in said
    assert f"of {len(rows)}" in said
    before = (out / "last.safetensors").read_bytes()
    assert run(*command, "--resume") == 0
    assert (out / "last.safetensors").read_bytes() == before
    assert capsys.readouterr().out == said


def test_train_takes_a_split_file(dataset, tmp_path, tiny_preset):
    listed = tmp_path / "split.csv"
    listed.write_text("car,split\ncar0,test\ncar1,test\ncar2,val\ncar3,train\n")
    run(
        "train", "--data", dataset, "--output", tmp_path / "out", "--preset", tiny_preset,
        "--split-file", listed,
    )  # fmt: skip
    info = load_checkpoint(tmp_path / "out" / "unet.safetensors").info
    expected = data.fingerprint(data.load_split(dataset, split_file=listed))
    assert info["fingerprint"] == expected != data.fingerprint(data.load_split(dataset))


def test_stopping_a_training_says_how_to_go_on(dataset, tmp_path, tiny_preset, monkeypatch, capsys):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "validate", interrupted)
    out = tmp_path / "out"
    assert run("train", "--data", dataset, "--output", out, "--preset", tiny_preset) == 130
    assert "go on with --resume" in capsys.readouterr().err
    assert (out / "last.safetensors").exists()
    monkeypatch.undo()
    recipe = load_checkpoint(out / "last.safetensors").info["recipe"]
    monkeypatch.setitem(training.PRESETS, "smoke", recipe)
    assert run("train", "--data", dataset, "--output", out, "--preset", "smoke", "--resume") == 0
    assert load_checkpoint(out / "unet.safetensors").info["finished"]


@pytest.mark.parametrize("split", ["val", "test", "all"])
def test_evaluate_writes_exactly_what_is_promised(finished_run, tmp_path, capsys, split):
    path = tmp_path / "new" / "scores.json"
    assert run(
        "evaluate", "--data", finished_run.data, "--checkpoint", finished_run.checkpoint,
        "--split", split, "--json", path,
    ) == 0  # fmt: skip
    scores = json.loads(path.read_text())
    assert scores.keys() == CONTRACT
    assert scores == json.loads(capsys.readouterr().out)
    cars = 6 if split == "all" else 1
    assert (scores["split"], scores["n_cars"], scores["n_images"]) == (split, cars, 4 * cars)
    assert scores["resolution"] == "120x80"  # the photos' own, not the network's 96x64
    assert scores["dice"] > 0.9
    assert (scores["dice_ci95"] is None) == (cars == 1)


def test_evaluate_scores_the_test_cars_unless_told_otherwise(finished_run, capsys):
    run("evaluate", "--data", finished_run.data, "--checkpoint", finished_run.checkpoint)
    scores = json.loads(capsys.readouterr().out)
    assert scores["split"] == "test"
    tested = {s.id for s in data.load_split(finished_run.data)["test"]}
    assert set(scores["worst"]) == tested


def test_predict_writes_a_black_and_white_mask_of_each_photo_s_size(finished_run, tmp_path):
    odd = tmp_path / "odd_01.png"
    sample = data.load_split(finished_run.data)["test"][0]
    with Image.open(sample.image) as photo:
        photo.resize((131, 77)).save(odd)
    assert run(
        "predict", sample.image, odd, "--checkpoint", finished_run.checkpoint,
        "--output", tmp_path / "masks",
    ) == 0  # fmt: skip
    for stem, size in ((sample.id, (120, 80)), ("odd_01", (131, 77))):
        with Image.open(tmp_path / "masks" / f"{stem}_mask.png") as mask:
            assert (mask.size, mask.mode, mask.format) == (size, "L", "PNG")
            assert set(np.unique(np.asarray(mask))) == {0, 255}
    predicted = data.read_mask(tmp_path / "masks" / f"{sample.id}_mask.png")
    assert (predicted == data.read_mask(sample.mask)).float().mean() > 0.9


def test_parts_are_trained_evaluated_and_predicted_by_the_same_commands(
    part_dataset, tmp_path, tiny_preset, capsys
):
    out, photo = tmp_path / "out", part_dataset / "train" / "car0_01.jpg"
    command = ("train", "--data", part_dataset, "--output", out, "--preset", tiny_preset)
    assert run(*command, "--target", "parts") == 0
    with (out / "history.csv").open(newline="") as file:
        best = max(float(row["val_mean_iou"]) for row in csv.DictReader(file))
    assert f"mean IoU of parts {best:.4f}, Dice" in capsys.readouterr().out

    checkpoint = ("--checkpoint", out / "unet.safetensors")
    assert run("evaluate", "--data", part_dataset, *checkpoint, "--split", "all") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores.keys() == CONTRACT | {"parts"}
    assert scores["parts"].keys() == {
        "iou", "iou_ci95", "mean_iou", "mean_iou_ci95", "confusion",
    }  # fmt: skip
    assert run("predict", photo, *checkpoint, "--output", tmp_path / "masks") == 0
    assert [p.name for p in (tmp_path / "masks").iterdir()] == ["car0_01_parts.png"]
    predicted = parts.read_parts(tmp_path / "masks" / "car0_01_parts.png")
    assert predicted.shape == (40, 60)


def test_a_network_for_parts_is_scored_as_a_car_network_where_there_are_no_part_masks(
    dataset, tmp_path, capsys, part_checkpoint
):
    save_checkpoint(tmp_path / "parts.safetensors", part_checkpoint)
    command = ("evaluate", "--data", dataset, "--checkpoint", tmp_path / "parts.safetensors")
    assert run(*command) == 0
    assert json.loads(capsys.readouterr().out).keys() == CONTRACT


def test_several_splits_are_evaluated_together(finished_run, capsys):
    command = ("evaluate", "--data", finished_run.data, "--checkpoint", finished_run.checkpoint)
    assert run(*command, "--split", "train+test") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores.keys() == CONTRACT
    assert (scores["split"], scores["n_cars"], scores["n_images"]) == ("train+test", 5, 20)
    assert run(*command, "--split", "train") == 0
    assert json.loads(capsys.readouterr().out)["n_cars"] == 4


def test_training_starts_from_a_checkpoint_and_takes_some_of_the_cars(
    dataset, tmp_path, tiny_preset, checkpoint_file, capsys
):
    out = tmp_path / "out"
    command = ("train", "--data", dataset, "--output", out, "--preset", tiny_preset)
    assert run(*command, "--init", checkpoint_file, "--train-cars", 1) == 0
    recipe = load_checkpoint(out / "unet.safetensors").info["recipe"]
    assert (recipe["init"], recipe["cars"]) == ("saved.safetensors", 1)
    command = ("train", "--data", dataset, "--output", tmp_path / "new", "--preset", tiny_preset)
    assert "99 cars to train on" in refused(capsys, *command, "--train-cars", 99)
    assert "this dataset has no part masks" in refused(capsys, *command, "--target", "parts")


def test_predict_refuses_photos_whose_masks_would_overwrite_one_another(
    dataset, tmp_path, capsys, checkpoint_file
):
    photos = dataset / "train" / "car0_01.jpg", tmp_path / "car0_01.jpg"
    photos[1].write_bytes(photos[0].read_bytes())
    said = refused(
        capsys, "predict", *photos, "--checkpoint", checkpoint_file, "--output", tmp_path / "masks"
    )
    assert "would overwrite" in said
    assert not (tmp_path / "masks").exists()


def test_predict_names_the_photo_that_it_cannot_read(tmp_path, capsys, checkpoint_file):
    (tmp_path / "bad.jpg").write_text("no photo")
    capsys.readouterr()
    command = ("predict", tmp_path / "bad.jpg", "--checkpoint", checkpoint_file)
    assert run(*command, "--output", tmp_path / "masks") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "bad.jpg: cannot be read as a photo" in last


def test_errors_that_a_user_can_mend_are_one_line_that_names_the_file(
    dataset, tmp_path, capsys, checkpoint_file
):
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    train = ("train", "--output", out, "--preset", "smoke", "--data")
    evaluate = ("evaluate", "--data", dataset, "--checkpoint")
    assert "empty/train: no such folder" in refused(capsys, *train, empty)
    assert "none.csv: cannot be read" in refused(
        capsys, *train, dataset, "--split-file", tmp_path / "none.csv"
    )
    assert "none.safetensors: no such file" in refused(
        capsys, *evaluate, tmp_path / "none.safetensors"
    )
    assert "empty/train: no such folder" in refused(
        capsys, "evaluate", "--data", empty, "--checkpoint", checkpoint_file
    )
    whole = checkpoint_file.read_bytes()
    checkpoint_file.write_bytes(whole[:99])
    assert "saved.safetensors: damaged" in refused(capsys, *evaluate, checkpoint_file)
    checkpoint_file.write_bytes(whole)
    assert "is the source folder too" in refused(
        capsys, "prepare", "--source", dataset, "--output", dataset
    )
    (tmp_path / "file").write_text("precious")
    assert "file/state.pt: could not be written" in refused(
        capsys, "train", "--data", dataset, "--output", tmp_path / "file", "--preset", "smoke"
    )
    assert (tmp_path / "file").read_text() == "precious"
    assert not out.exists()


def test_a_damaged_state_or_one_of_another_run_is_one_line(dataset, tmp_path, capsys, tiny_preset):
    out = tmp_path / "out"
    command = ("train", "--data", dataset, "--output", out, "--preset", tiny_preset, "--resume")
    assert run(*command) == 0
    assert "belongs to a run with seed=0, not 1" in refused(capsys, *command, "--seed", 1)
    (out / "state.pt").write_bytes(b"garbage")
    assert "state.pt: damaged, cannot resume" in refused(capsys, *command)


def test_an_empty_split_is_one_line(dataset, tmp_path, capsys, checkpoint_file):
    (dataset / "split.csv").write_text("car,split\n" + "".join(f"car{i},val\n" for i in range(4)))
    run("evaluate", "--data", dataset, "--checkpoint", checkpoint_file)
    assert "no photos to evaluate" in capsys.readouterr().err.splitlines()[-1]
    assert "no photos to train on" in refused(
        capsys, "train", "--data", dataset, "--output", tmp_path / "out", "--preset", "smoke"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--data", "d", "--output", "o", "--preset", "huge"],
        ["prepare", "--source", "s", "--output", "o", "--size", "480"],
        ["prepare", "--source", "s", "--output", "o", "--size", "0x320"],
        ["prepare", "--source", "s", "--output", "o", "--size", "-480x320"],
        ["evaluate", "--data", "d"],
        ["evaluate", "--data", "d", "--checkpoint", "c", "--split", "train+trial"],
        ["evaluate", "--data", "d", "--checkpoint", "c", "--split", "test+test"],
        ["evaluate", "--data", "d", "--checkpoint", "c", "--split", "all+test"],
        ["train", "--data", "d", "--output", "o", "--target", "doors"],
        [],
    ],
)
def test_wrong_arguments_show_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: unet-course" in capsys.readouterr().err


def test_as_a_command_of_the_shell_an_error_is_one_line_without_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "unet_course.cli", "evaluate", "--data", tmp_path,
         "--checkpoint", tmp_path / "none.safetensors"],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"unet-course evaluate: {Path(tmp_path, 'none.safetensors')}: no such file; train first, "
        "or give the path of a checkpoint"
    ]
