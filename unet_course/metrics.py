"""Scores of a predicted mask against the true one, per image, so that every car counts the same.

All functions take boolean masks of shape ``(N, H, W)`` and return one value per image, ``(N,)``,
unless they say otherwise. The rule for empty masks, stated once: where neither the prediction nor
the truth has any foreground, Dice, IoU and boundary F1 are 1 (nothing was asked for and nothing
was claimed); where only one of them is empty, they are 0.
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
    if len(values) != len(cars):
        raise ValueError(f"{len(values)} values but {len(cars)} cars: give the car of each value")
    names, index = np.unique(np.asarray(cars), return_inverse=True)
    if len(names) < 2:
        return math.nan, math.nan
    sums = np.bincount(index, weights=np.asarray(values, dtype=float))
    counts = np.bincount(index)
    draws = np.random.default_rng(seed).integers(len(names), size=(repeats, len(names)))
    means = sums[draws].sum(1) / counts[draws].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide in float64; 0/0, the score of two empty masks, is 1 (see the module's rule)."""
    return torch.where(denominator == 0, 1.0, numerator.double() / denominator.double())
