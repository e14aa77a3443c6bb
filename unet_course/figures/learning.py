"""Figures of lesson 03: losses, learning rates, curves and memory. They take numbers and draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from unet_course.figures.style import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    GREY,
    IMAGE,
    INK,
    LIGHT,
    PREDICTION,
    TRUTH,
    WIDTH,
)
from unet_course.validation import best_epoch

MIB, GIB = 2**20, 2**30


def small_grids(truth: object, probability: object, *, threshold: float = 0.5) -> Figure:
    """A tiny mask, a network's probabilities and the decisions they lead to, with every number shown.

    The third panel has the colours of `style.error_map`, and each square its name: TP, FP, FN, TN.
    """
    truth, probability = np.asarray(truth) > 0.5, np.asarray(probability, dtype=float)
    decision = probability > threshold
    names = np.where(decision, np.where(truth, "TP", "FP"), np.where(truth, "FN", "TN"))
    colors = {"TP": TRUTH, "FP": FALSE_POSITIVE, "FN": FALSE_NEGATIVE, "TN": "white"}
    tint = np.array([[to_rgb(colors[name]) for name in row] for row in names])
    orange = 1 - probability[..., None] * (1 - np.array(to_rgb(PREDICTION)))
    green = np.where(truth[..., None], np.array(to_rgb(TRUTH)), 1.0)
    counts = ", ".join(f"{(names == name).sum()} {name}" for name in ("TP", "FP", "FN", "TN"))
    panels = (
        (green, truth.astype(int).astype(str), f"Truth: {truth.sum()} of {truth.size} are car"),
        (orange, np.vectorize("{:.2f}".format)(probability), "What the network says"),
        (tint, names, f"Above {threshold:g}: {counts}"),
    )
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.1))
    for ax, (colours, text, title) in zip(axes, panels, strict=True):
        ax.imshow(colours, extent=(0, truth.shape[1], truth.shape[0], 0))
        for (row, column), value in np.ndenumerate(text):
            ax.text(column + 0.5, row + 0.5, value, ha="center", va="center", color=INK)
        ax.set_xticks(range(truth.shape[1] + 1), labels=[])
        ax.set_yticks(range(truth.shape[0] + 1), labels=[])
        ax.grid(color=GREY, linewidth=0.8)
        ax.spines[:].set_visible(True)
        ax.tick_params(length=0)
        ax.set_title(title)
    plt.close(figure)
    return figure


def two_losses(
    logit: Sequence[float],
    loss: Mapping[str, Sequence[float]],
    pull: Mapping[str, Sequence[float]],
    share: Sequence[float],
    nothing: Mapping[str, Sequence[float]],
) -> Figure:
    """Two losses beside one another; each mapping has one curve per loss, in the same order.

    Args:
        logit: of one car pixel, the x axis of the first two panels.
        loss: the whole image's loss at each logit.
        pull: minus the derivative by that logit.
        share: of the image that is car, the x axis of the third panel.
        nothing: the loss of a prediction without any car at each share.
    """
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2))
    panels = (
        (logit, loss, "logit of one car pixel", "loss", "Both fall as the pixel is found"),
        (logit, pull, "logit of one car pixel", "pull on the logit", "Wrong and sure: BCE pulls"),
        (share, nothing, "share of the photo that is car", "loss", "Small car: BCE hardly minds"),
    )
    for ax, (x, curves, xlabel, ylabel, title) in zip(axes, panels, strict=True):
        for (name, y), color, dash in zip(curves.items(), (INK, GREY), ("-", "--"), strict=False):
            ax.plot(x, y, color=color, linestyle=dash, linewidth=2, label=name)
        ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
        ax.set_title(title)
    axes[2].set_xscale("log")
    axes[0].legend()
    plt.close(figure)
    return figure


def weight_map(mask: object, weights: object) -> Figure:
    """A mask beside the weights of its pixels in the loss, with their scale."""
    mask, weights = np.asarray(mask), np.asarray(weights)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.1))
    left.imshow(np.where(mask[..., None] > 0.5, to_rgb(TRUTH), 1.0))
    left.set_title("The mask")
    drawn = right.imshow(weights, cmap="cividis", vmin=0)
    right.set_title(f"The weights: {weights.min():.3g} to {weights.max():.3g}")
    figure.colorbar(drawn, ax=right, label="weight of a pixel", shrink=0.85)
    for ax in (left, right):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    plt.close(figure)
    return figure


def range_test(
    rates: Sequence[float], losses: Sequence[float], chosen: float, *, keep: float = 0.7
) -> Figure:
    """The loss while the learning rate rises step by step, and where the chosen rate lies.

    The line is a running mean that keeps the share ``keep`` of what came before. Its bottom is
    where it turns for the first time: past it, it may fall again by luck between two jumps.
    """
    smooth, mean = [], 0.0
    for step, loss in enumerate(losses, start=1):
        mean = keep * mean + (1 - keep) * loss
        smooth.append(mean / (1 - keep**step))  # undo the start from 0
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    ax.plot(rates, losses, ".", color=GREY, alpha=0.6, label="loss of one batch")
    ax.plot(rates, smooth, color=IMAGE, linewidth=2, label="running mean")
    lowest = rates[_first_minimum(smooth)]
    ax.axvline(chosen, color=PREDICTION, linewidth=2, label=f"the preset's {chosen:g}")
    ax.axvline(lowest, color=GREY, linestyle=":", label=f"first bottom, at {lowest:.1g}")
    ax.set(xscale="log", xlabel="learning rate of the step", ylabel="training loss")
    ax.set_ylim(0, 1.3 * max(losses[: max(1, len(losses) // 3)]))
    ax.set_title(f"The loss falls until the rate is about {lowest:.1g}, then no further")
    ax.legend()
    plt.close(figure)
    return figure


def schedule(rates: Sequence[float], momenta: Sequence[float], *, names: Sequence[str]) -> Figure:
    """Learning rate and momentum at every step of training; ``names`` label the two axes."""
    peak = int(np.argmax(rates))
    figure, (top, bottom) = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    top.plot(rates, color=IMAGE, linewidth=2)
    top.set_title(f"Up to {max(rates):g} in {(peak + 1) / len(rates):.0%} of the steps, then to 0")
    bottom.plot(momenta, color=GREY, linewidth=2)
    bottom.set_title("Momentum gives way while steps are large")
    for ax, name in zip((top, bottom), names, strict=True):
        ax.set(xlabel="step", ylabel=name)
    top.set_ylim(0, None)
    plt.close(figure)
    return figure


def curves(history: Sequence[Mapping[str, float]], *, epochs: int | None = None) -> Figure:
    """Loss and validation score over the epochs; ``epochs`` fixes the axis.

    The score is Dice, and of a training for parts the mean IoU, by which its best epoch is chosen.
    Works from the first epoch on (and before it), so that a running training can redraw it. Where
    training began with photos at half size, those epochs are shaded, and the best is of one size.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    epoch = [row["epoch"] for row in history]
    key, name, unit = "val_dice", "Dice", "mean Dice per image"
    if history and "val_mean_iou" in history[0]:
        key, name, unit = "val_mean_iou", "Mean IoU of parts", "mean IoU, pooled over images"
    score = [row[key] for row in history]
    small = sum(row.get("small", 0) for row in history)
    left.plot(epoch, [r["train_loss"] for r in history], "o-", ms=3, color=IMAGE, label="training")
    left.plot(
        epoch, [r["val_loss"] for r in history], "o-", ms=3, color=PREDICTION, label="validation"
    )
    left.legend()
    left.set_title("Loss: " + (_gap(history[-1]) if history else "waiting for the first epoch"))
    right.plot(epoch, score, "o-", ms=3, color=PREDICTION)
    right.set_title(f"{name} on cars not trained on")
    if history:
        kept = best_epoch(history)
        best, where = history.index(kept), "on cars not trained on"
        if small:  # the scores of the two sizes do not compare
            where = "at half size" if kept["small"] == 1 else "at full size"
        right.plot(epoch[best], score[best], "o", ms=9, mfc="none", color=INK)
        found = f"best {score[best]:.4f}, epoch {epoch[best]}"
        right.set_title(f"{name} {where}: {found}")
        right.set_ylim(max(0.0, min(score) - 0.02), 1)
        _log_axis(left, [row[key] for row in history for key in ("train_loss", "val_loss")])
    for ax, label, free in ((left, "loss", 0.93), (right, unit, 0.03)):  # where no curve runs
        ax.set(xlabel="epoch", ylabel=label, xlim=(0.5, max([epochs or 1, *epoch]) + 0.5))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if small:
            ax.axvspan(0.5, small + 0.5, color=LIGHT, alpha=0.4, linewidth=0, zorder=0)
            ax.axvline(small + 0.5, color=GREY, linewidth=1, linestyle=":")
            place = dict(transform=ax.get_xaxis_transform(), color=INK)
            ax.text(0.5 + small / 2, free, "half size", ha="center", **place)
    plt.close(figure)
    return figure


def memory_by_level(encoder: Mapping[str, float], decoder: Mapping[str, float]) -> Figure:
    """Bytes kept for the backward pass at each resolution, on the way down and on the way up."""
    total = sum(encoder.values()) + sum(decoder.values())
    names = list(encoder)
    down = np.array([encoder[name] for name in names]) / MIB
    up = np.array([decoder.get(name, 0) for name in names]) / MIB
    figure, ax = plt.subplots(figsize=(WIDTH, 3.0))
    ax.barh(names, down, color=IMAGE, label="way down (encoder)")
    ax.barh(names, up, left=down, color=PREDICTION, label="way up (decoder)")
    for y, value in enumerate(down + up):
        ax.text(value, y, f" {value:.1f} MiB", va="center", color=INK)
    ax.invert_yaxis()
    ax.set(xlabel="MiB kept for the backward pass, one photo", ylabel="resolution of the level")
    share = (down[0] + up[0]) * MIB / total
    ax.set_title(f"The finest level alone holds {share:.0%} of {total / MIB:.0f} MiB")
    ax.legend(loc="lower right")
    plt.close(figure)
    return figure


def memory_table(
    sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    gib: Sequence[Sequence[float]],
    *,
    limits: Mapping[str, float],
) -> Figure:
    """GiB for each image size (rows) and batch size (columns), coloured by which limit they meet.

    Args:
        limits: name and GiB of two memories, the smaller one first.
    """
    gib, names, steps = np.asarray(gib), list(limits), list(limits.values())
    level = (gib > steps[0]).astype(int) + (gib > steps[1])
    shades = (TRUTH, PREDICTION, FALSE_POSITIVE)
    figure, ax = plt.subplots(figsize=(WIDTH, 3.3))
    ax.imshow(level, cmap=ListedColormap(shades), vmin=0, vmax=2, alpha=0.55, aspect="auto")
    for (row, column), value in np.ndenumerate(gib):
        ax.text(column, row, f"{value:.2g} GiB" if value < 10 else f"{value:.0f} GiB",
                ha="center", va="center", color=INK)  # fmt: skip
    ax.set_xticks(range(len(batches)), labels=[str(n) for n in batches])
    ax.set_yticks(range(len(sizes)), labels=[f"{w}x{h}" for w, h in sizes])
    ax.set(xlabel="photos per batch", ylabel="size of a photo")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_title("Twice the width and height cost as much as four times the batch")
    labels = (f"fits {names[0]}", f"fits {names[1]}", "fits neither")
    handles = [Patch(color=c, alpha=0.55, label=t) for c, t in zip(shades, labels, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    plt.close(figure)
    return figure


def _first_minimum(values: Sequence[float]) -> int:
    """Where ``values`` are lowest before they first climb back a tenth of their whole fall."""
    best, climb = 0, 0.1 * (values[0] - min(values))
    for i, value in enumerate(values):
        if value < values[best]:
            best = i
        elif value - values[best] > climb:
            break
    return best


def _gap(row: Mapping[str, float]) -> str:
    return f"{row['train_loss']:.3f} in training, {row['val_loss']:.3f} on other cars"


def _log_axis(ax: Axes, values: Sequence[float]) -> None:
    """A logarithmic y axis with plain numbers, where the values span enough to need one."""
    if min(values) > 0 and max(values) > 3 * min(values):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
