"""Several processes, for real: the same steps and scores as one, and a death that is no disaster."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unet_course import cli, data, parts, training
from unet_course.model import UNet

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun was not tried there")

SIZES = (1, 5, 17)  # photos to validate on: fewer than processes, and shards of different size


def torchrun(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start two processes on the CPU, one thread each."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"UNET_COURSE_PROGRESS": os.devnull}
    return subprocess.Popen(
        [*command, *map(str, arguments)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def train_options(root: Path, output: Path) -> list[str]:
    return ["train", "--data", str(root), "--output", str(output), "--preset", "smoke"]


def fit(samples: list[data.Sample], folder: Path, **options):
    """Five, five and one photo per epoch, without what is drawn or counted per process."""
    dataset = data.CarDataset(samples[:11], size=(24, 16))
    torch.manual_seed(0)
    model = UNet(width=4, depth=2, norm="none")
    return training.fit(model, dataset, dataset, folder, epochs=2, batch_size=5, lr=1e-2, **options)


def validate(samples: list[data.Sample], n: int) -> dict[str, float]:
    torch.manual_seed(0)
    model = UNet(width=4, depth=2)
    return training.validate(model, data.CarDataset(samples[:n], size=(24, 16)), batch_size=4)


def validate_parts(root: Path, n: int) -> dict[str, float]:
    torch.manual_seed(0)
    model = UNet(out_channels=7, width=4, depth=2)
    dataset = parts.PartDataset(data.find_samples(root)[:n], size=(24, 16))
    return training.validate(model, dataset, batch_size=4)


def evaluate_parts(root: Path, checkpoint: Path, scores: Path) -> dict:
    options = ["--checkpoint", str(checkpoint), "--split", "all", "--json", str(scores)]
    assert cli.main(["evaluate", "--data", str(root), *options]) == 0
    return json.loads(scores.read_text()) if scores.exists() else {}


def main(root: Path, with_parts: Path, folder: Path) -> None:
    """What each of two processes does; it leaves its observations in ``folder``."""
    from unet_course import devices, losses

    rank = int(os.environ["RANK"])
    written = []

    def watch(event: str, details: tuple) -> None:
        paths = {"os.rename": details[1:2], "os.mkdir": details[:1], "os.remove": details[:1]}
        if event == "open" and isinstance(details[1], str) and set(details[1]) & set("wax+"):
            paths["open"] = details[:1]
        inside = (str(path) for path in paths.get(event, ()) if str(folder) in str(path))
        written.extend(path for path in inside if "observed" not in path)

    sys.addaudithook(watch)
    training.choose_precision = lambda _device: "no"
    samples = data.find_samples(root)
    scores = {n: validate(samples, n) for n in SIZES}
    _, history = fit(samples, folder / "fit")

    def broken_in_one(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return losses.bce_dice(logits, masks) * (float("nan") if rank else 1.0)

    stopped = ""
    try:
        fit(samples, folder / "nan", loss_function=broken_in_one)
    except training.TrainingError as error:
        stopped = str(error)
    training.choose_precision = devices.choose_precision
    assert cli.main(train_options(root, folder / "smoke")) == 0
    for name, split in (("all", "all"), ("one", "test")):
        checkpoint = str(folder / "fit" / "unet.safetensors")
        options = ["--checkpoint", checkpoint, "--split", split, "--json", str(folder / name)]
        assert cli.main(["evaluate", "--data", str(root), *options]) == 0
    photo = str(samples[0].image)
    assert cli.main(["predict", photo, "--checkpoint", checkpoint, "--output", str(folder)]) == 0
    part_scores = {n: validate_parts(with_parts, n) for n in SIZES}
    options = ["--target", "parts"]
    assert cli.main([*train_options(with_parts, folder / "parts"), *options]) == 0
    evaluate_parts(with_parts, folder / "parts" / "unet.safetensors", folder / "part_scores")
    observed = dict(scores=scores, history=history, stopped=stopped, written=written)
    observed["part_scores"] = part_scores
    observed["processes"] = devices.this_process().num_processes
    (folder / f"observed{rank}").write_text(json.dumps(observed))


@pytest.fixture(scope="module")
def part_data(tmp_path_factory, make_dataset, make_parts) -> Path:
    """A dataset with part masks. Read only."""
    return make_parts(make_dataset(tmp_path_factory.mktemp("parts") / "cars", cars=6, views=3))


@pytest.fixture(scope="module")
def two(finished_run, part_data, tmp_path_factory):
    """What two processes did, by rank, and the folder in which they did it."""
    folder = tmp_path_factory.mktemp("two")
    process = torchrun(__file__, finished_run.data, part_data, folder)
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    observed = [json.loads((folder / f"observed{rank}").read_text()) for rank in (0, 1)]
    assert [each["processes"] for each in observed] == [2, 2]
    return observed, folder, output


@pytest.mark.parametrize("n", SIZES)
def test_validation_counts_each_image_once_and_finds_what_one_process_finds(two, finished_run, n):
    alone = validate(data.find_samples(finished_run.data), n)
    assert [each["scores"][str(n)] for each in two[0]] == [alone, alone]


def test_a_step_of_two_processes_is_that_of_one(two, finished_run, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "choose_precision", lambda _device: "no")
    _, alone = fit(data.find_samples(finished_run.data), tmp_path)
    for rank in (0, 1):
        for row, expected in zip(two[0][rank]["history"], alone, strict=True):
            assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
    found, expected = (load_file(f / "last.safetensors") for f in (two[1] / "fit", tmp_path))
    torch.manual_seed(0)
    start = UNet(width=4, depth=2, norm="none").state_dict()
    for name, value in expected.items():
        assert not torch.equal(value, start[name])
        torch.testing.assert_close(found[name], value, rtol=0, atol=2e-5)


def test_a_loss_that_is_no_number_in_one_process_stops_both(two):
    for each in two[0]:
        assert "the loss is nan in epoch 1" in each["stopped"]


def test_only_the_first_process_writes_and_prints(two):
    (first, second), _, output = two
    assert second["written"] == []
    names = {Path(path).name for path in first["written"]}
    assert names >= {"unet.safetensors", "state.pt", "history.csv", "all", "car0_01_mask.png"}
    assert output.count("on the validation cars") == 2
    assert output.count('"n_images"') == 3  # three evaluations
    assert output.count("1 masks in") == 1


@pytest.mark.parametrize(("name", "split"), [("all", "all"), ("one", "test")])
def test_evaluation_counts_each_image_once_and_finds_what_one_process_finds(
    two, finished_run, tmp_path, name, split
):
    checkpoint = str(two[1] / "fit" / "unet.safetensors")
    options = ["--checkpoint", checkpoint, "--split", split, "--json", str(tmp_path / "alone")]
    assert cli.main(["evaluate", "--data", str(finished_run.data), *options]) == 0
    assert json.loads((two[1] / name).read_text()) == json.loads((tmp_path / "alone").read_text())


@pytest.mark.parametrize("n", SIZES)
def test_validation_of_parts_finds_what_one_process_finds(two, part_data, n):
    alone = validate_parts(part_data, n)
    assert [each["part_scores"][str(n)] for each in two[0]] == [alone, alone]


def test_parts_are_trained_by_two_and_evaluated_as_by_one(two, part_data, tmp_path):
    checkpoint = two[1] / "parts" / "unet.safetensors"
    assert "val_mean_iou" in (two[1] / "parts" / "history.csv").read_text()
    alone = evaluate_parts(part_data, checkpoint, tmp_path / "alone")
    assert json.loads((two[1] / "part_scores").read_text()) == alone
    assert len(alone["parts"]["iou"]) == 7


def test_training_with_batch_norm_ends_near_that_of_one_process(two, finished_run):
    rows = (two[1] / "smoke" / "history.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), map(float, rows[-1].split(",")), strict=True))
    alone = finished_run.history[-1]
    assert len(rows) - 1 == len(finished_run.history)
    for name, tolerance in (("val_dice", 0.02), ("val_accuracy", 0.02), ("train_loss", 0.1)):
        assert last[name] == pytest.approx(alone[name], abs=tolerance), name


def test_a_process_that_is_killed_ends_the_run_which_can_be_resumed(two, finished_run, tmp_path):
    folder = tmp_path / "killed"
    command = ["-m", "unet_course.cli", *train_options(finished_run.data, folder)]
    run = torchrun(*command)
    history = folder / "history.csv"
    while run.poll() is None and not (history.exists() and history.read_text().count("\n") > 3):
        time.sleep(0.01)
    psutil = pytest.importorskip("psutil")  # accelerate needs it
    for child in psutil.Process(run.pid).children():
        if child.environ().get("RANK") == "1":
            os.kill(child.pid, signal.SIGKILL)
    _, errors = run.communicate(timeout=60)  # not the half hour that gloo would wait
    assert run.returncode == 1, errors
    line = next(row for row in errors.splitlines() if row.startswith("unet-course train"))
    assert "[rank 0]" in line and "--resume" in line and str(folder) in line

    resumed = torchrun(*command, "--resume")
    _, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    for name in ("unet.safetensors", "last.safetensors"):
        ours, undisturbed = (load_file(f / name) for f in (folder, two[1] / "smoke"))
        assert all(torch.equal(ours[key], undisturbed[key]) for key in undisturbed)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
