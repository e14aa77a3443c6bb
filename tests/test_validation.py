"""Validation: every image counts once, and the best epoch is the best in what was asked for."""

import pytest
import torch
from torch import Tensor, nn

from unet_course import data, losses, metrics, parts, validation
from unet_course.model import UNet


@pytest.fixture(scope="module")
def samples(tmp_path_factory, make_dataset, make_parts) -> list[data.Sample]:
    """Six photos with car and part masks. Read only."""
    root = make_parts(make_dataset(tmp_path_factory.mktemp("photos") / "cars", cars=3, views=2))
    return data.find_samples(root)


class Darker(nn.Module):
    """A network that calls dark pixels car, and says whether it was asked in evaluation mode."""

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        return -10 * images.mean(1, keepdim=True)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 5, 8])
def test_validation_counts_each_image_once(samples, batch_size):
    images = data.CarDataset(samples[:5], size=(24, 16))
    found = validation.validate(Darker(), images, batch_size=batch_size)

    model, alone = Darker().eval(), []
    for image, mask in images:
        logits, truth = model(image[None]), mask[None]
        predicted = logits[:, 0] > 0
        alone.append((
            losses.boundary_bce_dice(logits, truth).item(),
            metrics.dice(predicted, truth[:, 0] > 0.5).item(),
            metrics.accuracy(predicted, truth[:, 0] > 0.5).item(),
        ))  # fmt: skip
    expected = [sum(column) / 5 for column in zip(*alone, strict=True)]
    assert list(found.values()) == pytest.approx(expected, rel=1e-5)
    assert list(found) == ["val_loss", "val_dice", "val_accuracy"]


def test_validation_leaves_the_network_as_it_was(samples):
    model = UNet(width=2, depth=2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    validation.validate(model, data.CarDataset(samples[:3], size=(24, 16)))
    assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_validation_of_parts_counts_each_image_once(samples, batch_size):
    images = parts.PartDataset(samples[:5], size=(24, 16))
    torch.manual_seed(0)
    model = UNet(out_channels=7, width=2, depth=2)
    nn.init.normal_(model.head.weight, std=3.0)
    found = validation.validate(model, images, batch_size=batch_size)
    alone, counts = [], []
    for image, target in images:
        with torch.no_grad():
            logits = model(image[None])
        predicted, car = logits.argmax(1), 1 - logits.softmax(1)[:, 0] > 0.5
        alone.append((
            losses.cross_entropy_dice(logits, target[None]).item(),
            metrics.dice(car, target[None] > 0).item(),
            (predicted == target).float().mean().item(),
        ))  # fmt: skip
        counts.append(metrics.class_confusion(predicted, target[None], 7))
    expected = [sum(column) / 5 for column in zip(*alone, strict=True)]
    expected.append(metrics.mean_iou(torch.cat(counts)))
    assert list(found.values()) == pytest.approx(expected, rel=1e-4)
    assert list(found) == ["val_loss", "val_dice", "val_accuracy", "val_mean_iou"]


def test_the_loss_follows_from_the_kind_of_target():
    mask, classes = torch.ones(1, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.int64)
    one, several = torch.randn(1, 1, 4, 4), torch.randn(1, 7, 4, 4)
    assert validation.default_loss(one, mask) == losses.boundary_bce_dice(one, mask)
    assert validation.default_loss(several, classes) == losses.cross_entropy_dice(several, classes)


def test_the_best_epoch_has_the_best_dice_and_for_parts_the_best_mean_iou():
    scores = [(0.8, 0.5), (0.9, 0.4), (0.9, 0.3)]
    cars = [{"small": 0, "val_dice": dice} for dice, _ in scores]
    with_parts = [{"small": 0, "val_dice": dice, "val_mean_iou": iou} for dice, iou in scores]
    assert validation.best_epoch(cars) is cars[1]  # the first of equals
    assert validation.best_epoch(with_parts) is with_parts[0]


def test_an_epoch_at_half_size_is_the_best_only_while_there_is_no_other():
    rows = [
        {"small": small, "val_dice": dice} for small, dice in ((1, 0.9), (1, 0.98), (0.5, 0.97))
    ]
    assert validation.best_epoch(rows[:2]) is rows[1]
    assert validation.best_epoch(rows) is rows[2]
