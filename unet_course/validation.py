"""Validation: what a network is worth after an epoch, and which epoch is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unet_course import losses, metrics
from unet_course.data import CarDataset
from unet_course.devices import collect, find_device, share


@torch.no_grad()
def validate(model: nn.Module, dataset: CarDataset, *, batch_size: int = 8) -> dict[str, float]:
    """Mean loss, Dice and accuracy per image at the network's own input size, where the network is.

    Where targets are classes (`parts.PartDataset`), the Dice is that of the car, which is wherever
    background has less than half of the probability, accuracy is the share of pixels whose class is
    right, and ``val_mean_iou``, pooled over all images, comes on top.

    Several processes take turns at whole batches and put their scores together, so that each
    image counts once and the result is that of one process.
    """
    model.eval()
    device = next((p.device for p in model.parameters()), find_device())
    indices = torch.arange(len(dataset)).split(batch_size)
    scores = []
    for images, targets in dataset.batches([i.tolist() for i in share(indices)], device=device):
        logits = model(images)
        pairs = zip(logits.split(1), targets.split(1), strict=True)
        loss = torch.stack([default_loss(*pair) for pair in pairs]).cpu()
        if targets.is_floating_point():
            truth, predicted = (targets[:, 0] > 0.5).cpu(), (logits[:, 0] > 0).cpu()
            accuracy, confusion = metrics.accuracy(predicted, truth), None
        else:
            counts = metrics.class_confusion(logits.argmax(1), targets, logits.shape[1]).cpu()
            accuracy = counts.diagonal(dim1=1, dim2=2).sum(1) / counts.sum((1, 2))
            truth, predicted = (targets > 0).cpu(), (logits.softmax(1)[:, 0] < 0.5).cpu()
            confusion = counts
        rows = (loss, metrics.dice(predicted, truth), accuracy)
        scores.append((torch.stack([row.float() for row in rows]), confusion))
    scores, confusions = zip(*collect(scores), strict=True)
    means = [column.mean().item() for column in torch.cat(scores, dim=1)]
    found = dict(zip(("val_loss", "val_dice", "val_accuracy"), means, strict=True))
    if confusions[0] is not None:
        found["val_mean_iou"] = metrics.mean_iou(torch.cat(confusions))
    return found


def default_loss(logits: Tensor, target: Tensor) -> Tensor:
    """`losses.boundary_bce_dice` for masks of 0 and 1, `losses.cross_entropy_dice` for classes."""
    if target.is_floating_point():
        return losses.boundary_bce_dice(logits, target)
    return losses.cross_entropy_dice(logits, target)


def best_epoch(history: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The epoch whose weights are kept: the one best in Dice of the car, for parts in mean IoU.

    A network tells car from background long before it has found the mirrors, so the car's Dice would
    stop asking too early. Epochs that were validated at half size (``small`` is 1) count only while
    there is no other: their scores are of another, easier or harder, task.
    """
    return max(
        history, key=lambda row: (row["small"] < 1, row.get("val_mean_iou", row["val_dice"]))
    )
