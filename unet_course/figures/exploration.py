"""Figures of lesson 01: pixels, masks, views, baselines and resizing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unet_course.figures.style import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    GREY,
    IMAGE,
    INK,
    PREDICTION,
    TRUTH,
    WIDTH,
    error_legend,
    error_map,
    overlay,
    show_image,
    to_display,
)

PHOTO_DPI = 66  # of figures full of photos: PNG stores photos badly, and notebooks stay small
SHARE = LinearSegmentedColormap.from_list("share", ["#FFFFFF", TRUTH, "#00382A"])


def draw_outline(ax: Axes, mask: object, color: str = TRUTH, *, width: float = 1.4) -> None:
    """Trace the outline of ``mask`` ``(H, W)``; a mask without an edge has none."""
    array = np.asarray(mask) > 0
    if array.any() and not array.all():
        ax.contour(array, levels=[0.5], colors=color, linewidths=width)


def photo_grid(
    count: int, columns: int, height: float, *, dpi: int | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure with rows of ``height`` inches and its first ``count`` axes; none has ticks."""
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * height), dpi=dpi, squeeze=False
    )
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, list(axes.flat[:count])


def pixel_zoom(image: object, mask: object, row: int, column: int, *, side: int = 10) -> Figure:
    """A photo, the ``side`` x ``side`` pixels from ``row``, ``column`` on, and their mask values."""
    box = (slice(row, row + side), slice(column, column + side))
    crop, values = to_display(image)[box], np.asarray(mask)[box]
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(WIDTH, 2.7), width_ratios=(1.5, 1, 1)
    )
    show_image(left, image, "A photo …")
    left.add_patch(
        Rectangle((column - 0.5, row - 0.5), side, side, fill=False, color=FALSE_POSITIVE, lw=2)
    )
    middle.imshow(crop)
    middle.set_title("… is numbers in a grid …")
    right.imshow(values, cmap=SHARE, vmin=0, vmax=1.6)
    right.set_title("… and so is its mask")
    for y, x in np.ndindex(values.shape):
        color = "white" if values[y, x] else INK
        right.text(x, y, int(values[y, x]), ha="center", va="center", fontsize=8, color=color)
    for ax in (middle, right):
        ax.set_xticks(range(0, values.shape[1], 3), range(column, column + values.shape[1], 3))
        ax.set_yticks(range(0, values.shape[0], 3), range(row, row + values.shape[0], 3))
        ax.set_xlabel("column")
    middle.set_ylabel("row")
    plt.close(figure)
    return figure


def mask_over_photo(image: object, mask: object, opacity: float = 0.5, title: str = "") -> Figure:
    """A photo, and beside it the photo with the mask's foreground tinted."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3), dpi=PHOTO_DPI)
    share = (np.asarray(mask) > 0).mean()
    show_image(left, image, title)
    right.imshow(overlay(image, mask, alpha=opacity))
    right.set_title(f"{share:.1%} of its pixels are car")
    right.set_axis_off()
    plt.close(figure)
    return figure


def outlined(
    images: Sequence[object],
    masks: Sequence[object],
    titles: Sequence[str],
    *,
    columns: int = 4,
    colors: Sequence[str] | None = None,
) -> Figure:
    """A grid of photos with the outlines of their masks (green, or one colour per photo)."""
    height, width = np.asarray(masks[0]).shape
    panel = WIDTH / columns * height / width + 0.28
    figure, axes = photo_grid(len(images), columns, panel, dpi=PHOTO_DPI)
    colors = colors or [TRUTH] * len(images)
    for ax, image, mask, title, color in zip(axes, images, masks, titles, colors, strict=True):
        show_image(ax, image, title)
        draw_outline(ax, mask, color)
    plt.close(figure)
    return figure


def foreground_shares(shares: object, views: Sequence[str]) -> Figure:
    """How much of each photo is car: a histogram, and the same photos by view, with its mean."""
    shares = np.asarray(shares)
    names = sorted(set(views))
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2), width_ratios=(1, 1.3))
    top = max(0.5, shares.max())
    left.hist(shares, bins=np.linspace(0, top, 26), color=TRUTH)
    left.axvline(shares.mean(), color=INK, lw=1, ls="--")
    left.set_title(f"On average {shares.mean():.0%} of a photo is car")
    left.set(xlabel="share of pixels that are car", ylabel="photos")
    position = [names.index(view) for view in views]
    right.scatter(position, shares, s=14, color=TRUTH, alpha=0.5, lw=0)
    means = [shares[np.array(views) == name].mean() for name in names]
    places = np.arange(len(names))
    right.hlines(means, places - 0.35, places + 0.35, color=INK, lw=1.5)
    most, least = names[int(np.argmax(means))], names[int(np.argmin(means))]
    right.set_title(f"View {most} shows most car, view {least} least")
    right.set(xlabel="view", ylim=(0, top * 1.02))
    right.set_xticks(range(len(names)), names)
    for ax, axis in ((left, left.xaxis), (right, right.yaxis)):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
        ax.tick_params(labelsize=8)
    plt.close(figure)
    return figure


def mean_masks(means: Mapping[str, object], *, threshold: float = 0.5, columns: int = 4) -> Figure:
    """A heat map per view of how often each pixel is car; the line is where ``threshold`` cuts.

    Cars are pale on dark: dark on pale they resemble studio photos so much that the test which looks
    for published ones took them for such.
    """
    figure, axes = photo_grid(len(means), columns, 1.6, dpi=66)
    for ax, (view, mean) in zip(axes, means.items(), strict=True):
        drawn = ax.imshow(np.asarray(mean), cmap=SHARE.reversed(), vmin=0, vmax=1)
        draw_outline(ax, np.asarray(mean) > threshold, PREDICTION)
        ax.set_title(f"view {view}")
    figure.colorbar(drawn, ax=figure.axes, shrink=0.5, label="share of cars that cover the pixel")
    plt.close(figure)
    return figure


def baseline_scores(scores: Mapping[str, tuple[float, float]]) -> Figure:
    """Accuracy and Dice of each baseline, from ``{name: (accuracy, dice)}``, first one on top."""
    figure, ax = plt.subplots(figsize=(WIDTH, 0.55 * len(scores) + 1.1))
    for y, (accuracy, dice) in enumerate(scores.values()):
        ax.plot([dice, accuracy], [y, y], color=GREY, lw=1.5, zorder=1)
        ax.scatter(accuracy, y, color=INK, s=60, label="accuracy" if y == 0 else None)
        ax.scatter(dice, y, color=PREDICTION, s=60, label="Dice" if y == 0 else None)
        # the text away from the other dot
        for value, other in ((accuracy, dice), (dice, accuracy)):
            side = 1 if value > other else -1
            ax.annotate(f"{value:.3f}", (value, y), (9 * side, 0), textcoords="offset points",
                        ha="left" if side > 0 else "right", va="center", fontsize=9)  # fmt: skip
    ax.set_yticks(range(len(scores)), scores)
    ax.set(xlim=(-0.1, 1.1), ylim=(len(scores) - 0.5, -0.5))
    name, (accuracy, dice) = next(iter(scores.items()))
    ax.set_title(
        f"“{name}” is right about {accuracy:.0%} of the pixels, and its Dice is {dice:.2f}"
    )
    figure.legend(loc="outside lower right", ncols=2)
    plt.close(figure)
    return figure


def prediction_errors(
    images: Sequence[object],
    predictions: Sequence[object],
    truths: Sequence[object],
    titles: Sequence[str],
) -> Figure:
    """Photos in a row with the pixels that a prediction got wrong in the errors' colours."""
    height, width = np.asarray(truths[0]).shape
    panel = WIDTH / len(images) * height / width
    figure, axes = photo_grid(len(images), len(images), panel + 0.7)
    for ax, *three, title in zip(axes, images, predictions, truths, titles, strict=True):
        ax.imshow(error_map(*three))
        ax.set_title(title)
    error_legend(figure)
    plt.close(figure)
    return figure


def leak(honest: object, leaky: object) -> Figure:
    """Dice of every test photo whose mask was copied, under a split by car and one by photo."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.3))
    rows = (("split by car", honest, IMAGE), ("split by photo", leaky, FALSE_NEGATIVE))
    rng = np.random.default_rng(0)
    for y, (_, scores, color) in enumerate(rows):
        scores = np.asarray(scores)
        ax.scatter(scores, y + rng.uniform(-0.22, 0.22, len(scores)), s=12, color=color, alpha=0.6)
        ax.plot([scores.mean()] * 2, [y - 0.36, y + 0.36], color=INK, lw=2)
        ax.annotate(f"mean {scores.mean():.3f}", (scores.mean(), y - 0.36), (0, 2), fontsize=9,
                    textcoords="offset points", ha="center", va="bottom")  # fmt: skip
    gain = np.asarray(leaky).mean() - np.asarray(honest).mean()
    ax.set_title(f"The same copying scores {gain:+.3f} Dice when other views of a car are in train")
    ax.set_yticks(range(2), [name for name, *_ in rows])
    ax.set(xlabel="Dice of each test photo", ylim=(1.5, -0.65))
    plt.close(figure)
    return figure


def resized_masks(masks: Mapping[str, object], truth: object) -> Figure:
    """Small masks, drawn large, with the outline of the full-size ``truth`` ``(H, W)`` over them."""
    truth = np.asarray(truth)
    height, width = truth.shape
    figure, axes = photo_grid(len(masks), len(masks), 2.9)
    for ax, (title, mask) in zip(axes, masks.items(), strict=True):
        ax.imshow(np.asarray(mask), cmap=SHARE, vmin=0, vmax=1.6, extent=(0, width, height, 0))
        # + 0.5: pixel centres of the full-size mask in the same coordinates
        ax.contour(np.arange(width) + 0.5, np.arange(height) + 0.5, truth, levels=[0.5],
                   colors=INK, linewidths=1.5)  # fmt: skip
        ax.set_title(title)
    plt.close(figure)
    return figure
