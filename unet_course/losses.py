"""Losses for binary segmentation. They take logits, and compute in float32 even under autocast."""

from __future__ import annotations

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
