"""Scores of a predicted mask against the true one, per image, so that every car counts the same.

All functions take boolean masks of shape ``(N, H, W)`` and return one value per image, ``(N,)``,
unless they say otherwise. The rule for empty masks, stated once: where neither the prediction nor
the truth has any foreground, Dice, IoU and boundary F1 are 1 (nothing was asked for and nothing
was claimed); where only one of them is empty, they are 0.

Scores of several classes begin at `class_confusion`; they are pooled over images, and say why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import binary_erosion, distance_transform_edt
from torch import Tensor


def confusion(prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Count true positives, false positives, false negatives and true negatives of each image.

    Raises:
        ValueError: the shapes differ, or a mask is not boolean.
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)} but truth is {tuple(truth.shape)}: "
            "metrics compare masks of one size; resize the probabilities, then threshold"
        )
    if prediction.dtype != torch.bool or truth.dtype != torch.bool:
        raise ValueError(
            f"metrics take boolean masks, got {prediction.dtype} and {truth.dtype}: "
            "threshold first, e.g. probability > 0.5"
        )
    prediction, truth = prediction.flatten(1), truth.flatten(1)
    tp = (prediction & truth).sum(1)
    fp = (prediction & ~truth).sum(1)
    fn = (~prediction & truth).sum(1)
    return tp, fp, fn, prediction.shape[1] - tp - fp - fn


def dice(prediction: Tensor, truth: Tensor) -> Tensor:
    """Dice score, 2·TP / (2·TP + FP + FN), between 0 and 1 (Dice 1945; the F1 score of the pixels)."""
    tp, fp, fn, _ = confusion(prediction, truth)
    return _ratio(2 * tp, 2 * tp + fp + fn)


def iou(prediction: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union, TP / (TP + FP + FN), between 0 and 1 (Jaccard 1912)."""
    tp, fp, fn, _ = confusion(prediction, truth)
    return _ratio(tp, tp + fp + fn)


def accuracy(prediction: Tensor, truth: Tensor) -> Tensor:
    """Share of pixels that are right, (TP + TN) / all. Flatters: background is most of a photo."""
    tp, _, _, tn = confusion(prediction, truth)
    return (tp + tn).double() / prediction[0].numel()


def pooled_dice(tp: Tensor, fp: Tensor, fn: Tensor) -> float:
    """Dice of all pixels of all images thrown together; the ``(N,)`` counts come from `confusion`.

    Large cars weigh more than small ones, and an image that fails can hide. Given to compare with
    papers that report it; `dice` averaged over images is the number this course reports.
    """
    return _ratio(2 * tp.sum(), 2 * tp.sum() + fp.sum() + fn.sum()).item()


def boundary_tolerance(height: int, width: int) -> float:
    """The tolerance of `boundary_f1` in pixels: 0.2 % of the image diagonal, at least one pixel."""
    return max(1.0, 0.002 * math.hypot(height, width))


def boundary_f1(prediction: Tensor, truth: Tensor) -> Tensor:
    """F1 score of the outlines: how much of each outline lies close to the other.

    Precision is the share of predicted outline pixels within `boundary_tolerance` of the true
    outline, recall the share of true outline pixels within it of the predicted one (Csurka et al.
    2013, "What is a good evaluation measure for semantic segmentation?", section 3.2). The outline
    is the foreground pixels that touch background; the image border is not an outline.
    """
    confusion(prediction, truth)  # for its checks
    tolerance = boundary_tolerance(*truth.shape[-2:])
    scores = []
    for predicted, true in zip(prediction.cpu().numpy(), truth.cpu().numpy(), strict=True):
        a, b = (mask & ~binary_erosion(mask, border_value=1) for mask in (predicted, true))
        if not a.any() or not b.any():
            scores.append(float(np.array_equal(predicted, true)))
            continue
        precision = (distance_transform_edt(~b)[a] <= tolerance).mean()
        recall = (distance_transform_edt(~a)[b] <= tolerance).mean()
        total = precision + recall
        scores.append(2 * precision * recall / total if total else 0.0)
    return torch.tensor(scores, dtype=torch.float64)


def bootstrap_interval(
    values: Sequence[float], cars: Sequence[str], *, repeats: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the mean of ``values``, by a bootstrap that draws whole cars, not images.

    The views of a car are near-duplicates: drawing images one by one would pretend to far more
    independent evidence than there is, and give an interval that is too narrow.

    Args:
        values: one score per image.
        cars: the car of each image.

    Returns:
        The 2.5th and 97.5th percentile of the mean over images. With one car they say nothing
        about other cars: both are NaN.
    """
    per_car, draws = _draw_cars(len(values), cars, repeats, seed)
    if draws is None:
        return math.nan, math.nan
    sums = np.bincount(per_car, weights=np.asarray(values, dtype=float))
    counts = np.bincount(per_car)
    means = sums[draws].sum(1) / counts[draws].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def class_confusion(prediction: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Count the pixels of each image by true and by predicted class.

    Args:
        prediction, truth: integers ``(N, H, W)``, 0 to ``classes`` - 1.

    Returns:
        int64 ``(N, C, C)``: how many pixels of class ``row`` were taken for class ``column``.

    Raises:
        ValueError: the shapes differ, or a mask is not of integers of that range.
    """
    if prediction.shape != truth.shape or prediction.ndim != 3:
        raise ValueError(
            f"prediction is {tuple(prediction.shape)} and truth {tuple(truth.shape)}: expected two "
            "masks of classes (N, H, W); take the argmax of probabilities over their classes first"
        )
    for name, mask in (("prediction", prediction), ("truth", truth)):
        if mask.is_floating_point() or mask.min() < 0 or mask.max() >= classes:
            raise ValueError(
                f"{name} is {mask.dtype}, {mask.min()} to {mask.max()}: expected integers from 0 to "
                f"{classes - 1}"
            )
    cell = truth.long() * classes + prediction.long()  # row-major place in an image's matrix
    cell += classes**2 * torch.arange(len(truth), device=cell.device)[:, None, None]
    counts = torch.bincount(cell.flatten(), minlength=len(truth) * classes**2)
    return counts.reshape(len(truth), classes, classes)


def class_iou(confusion: Tensor) -> Tensor:
    """Intersection over union of each class, of the pixels of all images thrown together.

    Pooled, as PASCAL VOC does (Everingham et al. 2010, "The PASCAL visual object classes (VOC)
    challenge", on segmentation), and not a mean over images: a part may be absent from an image,
    or a few pixels large, and a score of nothing or of five pixels would weigh as much as any other.

    Args:
        confusion: ``(N, C, C)`` from `class_confusion`.

    Returns:
        float64 ``(C,)``. A class that occurs in neither truth nor prediction has no score: NaN.
    """
    return _class_iou(confusion.sum(0))


def mean_iou(confusion: Tensor) -> float:
    """The mean of `class_iou` over the classes that have a score, background included."""
    return class_iou(confusion).nanmean().item()


def class_iou_intervals(
    confusion: Tensor, cars: Sequence[str], *, repeats: int = 2000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """95 % intervals of `class_iou` and of `mean_iou`, by a bootstrap over cars.

    As in `bootstrap_interval`, whole cars are drawn. Draws in which a class does not occur say nothing
    about it, and are left out of its interval.

    Args:
        confusion: ``(N, C, C)`` from `class_confusion`.
        cars: the car of each image.

    Returns:
        Lower and upper ends: ``(C, 2)`` of the classes and ``(2,)`` of their mean. NaN for a class
        that never occurs; all are NaN with one car.
    """
    classes = confusion.shape[-1]
    per_car, draws = _draw_cars(len(confusion), cars, repeats, seed)
    if draws is None:
        return torch.full((classes, 2), math.nan), torch.full((2,), math.nan)
    sums = torch.zeros(draws.shape[1], classes, classes, dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(per_car), confusion.double().cpu())
    times = torch.stack([torch.bincount(d, minlength=len(sums)) for d in torch.from_numpy(draws)])
    drawn = _class_iou(torch.einsum("dk,kij->dij", times.double(), sums))  # (repeats, C)
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    return drawn.nanquantile(ends, dim=0).T, drawn.nanmean(1).nanquantile(ends)


def _class_iou(confusion: Tensor) -> Tensor:
    """IoU of each class from summed matrices ``(…, C, C)``; 0/0 is NaN."""
    hits = confusion.diagonal(dim1=-2, dim2=-1).double()
    return hits / (confusion.sum(-1) + confusion.sum(-2) - hits)


def _draw_cars(
    n: int, cars: Sequence[str], repeats: int, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """The number of each value's car, and the cars of each bootstrap draw (none for one car)."""
    if n != len(cars):
        raise ValueError(f"{n} values but {len(cars)} cars: give the car of each value")
    names, per_car = np.unique(np.asarray(cars), return_inverse=True)
    if len(names) < 2:
        return per_car, None
    return per_car, np.random.default_rng(seed).integers(len(names), size=(repeats, len(names)))


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide in float64; 0/0, the score of two empty masks, is 1 (see the module's rule)."""
    return torch.where(denominator == 0, 1.0, numerator.double() / denominator.double())
