"""Checkpoints: they describe themselves, and are written whole or not at all."""

import errno
import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from unet_course import checkpoints
from unet_course.checkpoints import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    replacing,
    save_checkpoint,
)
from unet_course.data import CarDataset
from unet_course.model import UNet
from unet_course.parts import PARTS


def rewrite(path: Path, **metadata: str | None) -> None:
    """Change entries of a safetensors file's metadata; ``None`` removes one."""
    with checkpoints.safe_open(path, framework="pt") as file:
        changed = (file.metadata() or {}) | metadata
    save_file(load_file(path), path, {k: v for k, v in changed.items() if v is not None})


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path):
    model = UNet(1, 2, width=4, depth=2, norm="group", up="bilinear")
    info = {"data": "cars", "val_dice": 0.5, "recipe": {"size": [9, 7]}, "finished": True}
    saved = Checkpoint(model, (96, 64), (0.1,), (0.2,), info)
    save_checkpoint(tmp_path / "new" / "a.safetensors", saved)
    found = load_checkpoint(tmp_path / "new" / "a.safetensors")
    assert (found.size, found.mean, found.std, found.info) == ((96, 64), (0.1,), (0.2,), info)
    assert found.model.config == model.config
    for name, weight in model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], weight)


def test_a_loaded_network_is_ready_to_predict(checkpoint_file):
    model = load_checkpoint(checkpoint_file).model
    assert not model.training
    assert all(p.device.type == "cpu" for p in model.parameters())


def test_weights_in_channels_last_order_are_saved_too(tmp_path, checkpoint):
    expected = {k: v.clone() for k, v in checkpoint.model.state_dict().items()}
    checkpoint.model.to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    found = load_checkpoint(tmp_path / "a.safetensors").model.state_dict()
    assert all(torch.equal(found[k], expected[k]) for k in expected)


def test_a_checkpoint_describes_itself_to_other_programs(checkpoint_file):
    size = struct.unpack("<Q", checkpoint_file.read_bytes()[:8])[0]
    header = json.loads(checkpoint_file.read_bytes()[8 : 8 + size])
    metadata = header["__metadata__"]
    assert metadata["format"] == "unet-course-1"
    assert json.loads(metadata["architecture"])["width"] == 4
    assert json.loads(metadata["size"]) == [48, 32]
    assert json.loads(metadata["mean"]) == json.loads(metadata["std"]) == [0.5] * 3


def test_a_missing_checkpoint_is_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match=rf"{path}: no such file; train first"):
            load_checkpoint(path)


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.99])
def test_a_truncated_checkpoint_is_named(checkpoint_file, keep):
    whole = checkpoint_file.read_bytes()
    checkpoint_file.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(CheckpointError, match=r"saved\.safetensors: damaged"):
        load_checkpoint(checkpoint_file)


def test_a_pickle_is_refused_and_its_code_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    torch.save(Trap(), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="damaged, or no safetensors file"):
        load_checkpoint(tmp_path / "a.safetensors")
    assert not (tmp_path / "sprung").exists()


def test_a_safetensors_file_of_somebody_else_is_refused(tmp_path):
    save_file({"w": torch.zeros(3)}, tmp_path / "plain.safetensors")
    save_file({"w": torch.zeros(3)}, tmp_path / "other.safetensors", {"format": "pt"})
    for name, found in (("plain", "None"), ("other", "'pt'")):
        with pytest.raises(
            CheckpointError,
            match=rf"{name}\.safetensors: not a checkpoint of this course \(format {found}",
        ):
            load_checkpoint(tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("change", [{"width": 8}, {"depth": 3}, {"norm": "group"}, {"up": "other"}])
def test_weights_of_another_architecture_are_refused(checkpoint_file, checkpoint, change):
    rewrite(checkpoint_file, architecture=json.dumps(checkpoint.model.config | change))
    with pytest.raises(CheckpointError, match=r"saved\.safetensors: its weights do not fit") as e:
        load_checkpoint(checkpoint_file)
    assert "\n" not in str(e.value)


DESCRIPTION = ("architecture", "size", "mean", "std", "info")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (part, value)
        for part in DESCRIPTION
        for value in (None, "{", "7")
        if (part, value) != ("info", "7")
    ],
)
def test_a_description_that_lacks_or_garbles_a_part_is_refused(checkpoint_file, part, value):
    rewrite(checkpoint_file, **{part: value})
    with pytest.raises(CheckpointError, match=r"saved\.safetensors"):
        load_checkpoint(checkpoint_file)


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    for error in (OSError(errno.ENOSPC, "No space left on device"), KeyError("x"), SystemExit()):
        with pytest.raises(type(error)), replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise error
        assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
        assert path.read_text() == "old"


def test_a_successful_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"  # readers never see half a file
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "new"


def test_a_disk_that_fills_while_saving_leaves_the_old_checkpoint(
    checkpoint_file, checkpoint, monkeypatch
):
    before = checkpoint_file.read_bytes()

    def full(weights, path, metadata):
        Path(path).write_bytes(b"the first few blocks")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match=r"saved\.safetensors: could not be written.*No space left"):
        save_checkpoint(checkpoint_file, checkpoint)
    assert checkpoint_file.read_bytes() == before
    assert [p.name for p in checkpoint_file.parent.iterdir()] == [checkpoint_file.name]


def test_a_write_that_the_system_cuts_short_leaves_the_old_checkpoint(
    checkpoint_file, checkpoint, files_limited_to
):
    before = checkpoint_file.read_bytes()
    with (
        files_limited_to(len(before) // 2),
        pytest.raises(OSError, match=r"saved\.safetensors: could not be written.*free space"),
    ):
        save_checkpoint(checkpoint_file, checkpoint)
    assert checkpoint_file.read_bytes() == before
    assert [p.name for p in checkpoint_file.parent.iterdir()] == [checkpoint_file.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as on Linux")
def test_writing_to_a_full_device_is_an_error_that_names_the_target(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with (
        pytest.raises(OSError, match=r"file\.bin: could not be written.*No space left"),
        replacing(path) as temporary,
    ):
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"x" * 100_000)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_a_file_where_the_folder_should_be_is_named(tmp_path, checkpoint):
    (tmp_path / "out").write_text("precious")
    with pytest.raises(OSError, match=r"out/a\.safetensors: could not be written.*permissions"):
        save_checkpoint(tmp_path / "out" / "a.safetensors", checkpoint)
    assert (tmp_path / "out").read_text() == "precious"


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_to_write_is_named(checkpoint_file, checkpoint):
    before = checkpoint_file.read_bytes()
    checkpoint_file.parent.chmod(0o555)
    try:
        with pytest.raises(OSError, match=r"saved\.safetensors: could not be written.*permissions"):
            save_checkpoint(checkpoint_file, checkpoint)
    finally:
        checkpoint_file.parent.chmod(0o755)
    assert checkpoint_file.read_bytes() == before


# Classes


def test_a_checkpoint_says_what_its_classes_are(tmp_path, part_checkpoint):
    path = tmp_path / "parts.safetensors"
    save_checkpoint(path, part_checkpoint)
    with checkpoints.safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["classes"]) == list(PARTS)
    found = load_checkpoint(path)
    assert found.classes == PARTS and not found.binary


def test_a_checkpoint_of_before_there_were_classes_is_car_or_not_car(checkpoint_file):
    with_classes = load_checkpoint(checkpoint_file)
    rewrite(checkpoint_file, classes=None)
    found = load_checkpoint(checkpoint_file)
    assert found.classes == with_classes.classes == CarDataset.classes == ("background", "car")
    assert found.binary
    for name, weight in with_classes.model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], weight)


@pytest.mark.parametrize("classes", ['["car"]', "[]", "7", json.dumps(PARTS)])
def test_names_that_do_not_fit_the_channels_are_refused(checkpoint_file, classes):
    rewrite(checkpoint_file, classes=classes)
    with pytest.raises(CheckpointError, match=r"saved\.safetensors: its weights do not fit"):
        load_checkpoint(checkpoint_file)
