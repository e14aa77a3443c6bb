"""Losses for segmentation. They take logits, and compute in float32 even under autocast.

The first five are for car or not car (one logit per pixel), the last three for several classes (one
logit per class and pixel).
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor


def bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, averaged over all pixels.

    Args:
        logits: ``(N, 1, H, W)``, any real value.
        target: ``(N, 1, H, W)``, 0 for background and 1 for foreground.

    Returns:
        A scalar, 0 for a perfect prediction, 0.693 (log 2) when every logit is 0.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return F.binary_cross_entropy_with_logits(logits.float(), target.float())


def soft_dice(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """One minus the Dice score of the probabilities, per image, averaged over the images.

    Dice with probabilities in place of decisions, so that it has a gradient (compare Milletari et
    al. 2016, "V-Net", section 3, which squares the terms of the denominator; we do not).
    ``smooth`` pixels are added above and below the fraction, so that an image without foreground
    has a gradient too.

    Args:
        logits: ``(N, 1, H, W)``, any real value.
        target: ``(N, 1, H, W)``, 0 for background and 1 for foreground.

    Returns:
        A scalar between 0 (perfect) and 1.
    """
    with torch.autocast(logits.device.type, enabled=False):
        probability = torch.sigmoid(logits.float()).flatten(1)  # (N, pixels)
        target = target.float().flatten(1)
        overlap = (probability * target).sum(1)
        total = probability.sum(1) + target.sum(1)
        return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def bce_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice: one judges each pixel, the other the shape as a whole."""
    return bce(logits, target) + soft_dice(logits, target)


def boundary_weights(target: Tensor, *, window: int = 7, factor: float = 12.0) -> Tensor:
    """How much each pixel should count: more, the more its neighbourhood is of both kinds.

    With ``s`` the share of foreground in a square of ``window`` pixels around it, a pixel weighs
    ``1 + factor * 4 s (1 - s)``, so from 1 (all alike) to ``1 + factor`` (half and half); the weights
    of each photo are then divided by their mean. A cheap relative of the paper's weight map, which
    lifts the gaps between touching cells by their distance (Ronneberger et al. 2015, section 3,
    equation 2).

    Args:
        target: ``(N, 1, H, W)``, 0 for background and 1 for foreground.
        window: an odd number of pixels. What lies outside the image does not count.

    Returns:
        ``(N, 1, H, W)``, above 0, of mean 1 in each photo.
    """
    # along rows, then along columns: the average over the square, a little faster than at once
    average = partial(F.avg_pool2d, stride=1, count_include_pad=False)
    share = average(target.float(), (1, window), padding=(0, window // 2))
    share = average(share, (window, 1), padding=(window // 2, 0))
    weights = 1 + factor * 4 * share * (1 - share)
    return weights / weights.mean((1, 2, 3), keepdim=True)


def boundary_bce_dice(logits: Tensor, target: Tensor) -> Tensor:
    """`bce` with `boundary_weights`, plus `soft_dice`: what this course trains car or not car with.

    Without the weights most of `bce` comes from pixels that were settled long ago; the neighbourhood of
    the outline, where a good network still errs, is about three pixels in a hundred.

    Args:
        logits: ``(N, 1, H, W)``, any real value.
        target: ``(N, 1, H, W)``, 0 for background and 1 for foreground.

    Returns:
        A scalar, 0 for a perfect prediction.
    """
    with torch.autocast(logits.device.type, enabled=False):
        weights = boundary_weights(target)
        weighted = F.binary_cross_entropy_with_logits(logits.float(), target.float(), weights)
    return weighted + soft_dice(logits, target)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the softmax over classes, averaged over all pixels.

    The paper's loss without its weights per pixel (Ronneberger et al. 2015, section 3). For two
    classes it is `bce` of the difference of their logits.

    Args:
        logits: ``(N, C, H, W)``, any real value.
        target: int64 ``(N, H, W)``, the class of each pixel, 0 to C - 1.

    Returns:
        A scalar, 0 for a perfect prediction, log C when all logits of a pixel are equal.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return F.cross_entropy(logits.float(), target)


def class_dice(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the Dice score of the probabilities, averaged over the classes of each image.

    Every class counts the same, a number plate of 50 pixels as much as the background: the average
    over classes of Isensee et al. 2018, "nnU-Net" (https://arxiv.org/abs/1809.10486). A class that is
    absent from an image is left out of that image's average: its Dice would be 0 however little is
    claimed, and `cross_entropy` judges what is claimed of it. So no 0/0 arises and nothing has to be
    smoothed.

    Args:
        logits: ``(N, C, H, W)``, any real value.
        target: int64 ``(N, H, W)``, the class of each pixel, 0 to C - 1.

    Returns:
        A scalar between 0 (perfect) and 1.
    """
    with torch.autocast(logits.device.type, enabled=False):
        probability = torch.softmax(logits.float(), dim=1).flatten(2)  # (N, C, pixels)
        truth = F.one_hot(target.flatten(1), logits.shape[1]).transpose(1, 2)  # (N, C, pixels)
        overlap = (probability * truth).sum(2)
        total = probability.sum(2) + truth.sum(2)
        present = truth.any(2)
        loss = torch.where(present, 1 - 2 * overlap / total, 0)
        return (loss.sum(1) / present.sum(1)).mean()


def cross_entropy_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus `class_dice`: one judges each pixel, the other each part as a whole."""
    return cross_entropy(logits, target) + class_dice(logits, target)
