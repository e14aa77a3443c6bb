"""Figures of lesson 04 that show scores: how they spread, and what moves them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_course.figures import style
from unet_course.figures.style import FALSE_NEGATIVE, FALSE_POSITIVE, PREDICTION, TRUTH, WIDTH


def dice_by_car_and_view(
    dice: Sequence[float], cars: Sequence[str], views: Sequence[str], *, most: int = 30
) -> Figure:
    """A dot per photo, grouped by car (worst first, at most ``most`` of them) and by view."""
    values = np.asarray(dice)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 3.2), sharey=True, width_ratios=(1.35, 1)
    )
    means = {car: values[np.asarray(cars) == car].mean() for car in sorted(set(cars))}
    per_view = {view: values[np.asarray(views) == view].mean() for view in sorted(set(views))}
    for ax, kind, group in ((left, "cars", means), (right, "views", per_view)):
        spread = max(group.values()) - min(group.values())
        ax.set_title(f"The means of the {kind} lie {spread:.4f} apart")
    _strips(left, values, cars, sorted(means, key=means.get)[:most])
    left.set(xlabel="car (first letters of its name), worst first", ylabel="Dice of a photo")
    _strips(right, values, views, list(per_view)[:most])
    right.set_xlabel("view")
    return style.close(figure)


def bootstrap_means(by_car: Sequence[float], by_image: Sequence[float]) -> Figure:
    """Histograms of the bootstrap means when cars and when photos are drawn, with 95 % intervals."""
    figure, ax = plt.subplots(figsize=(WIDTH, 2.6))
    bins = np.linspace(*np.percentile(np.concatenate([by_car, by_image]), [0, 100]), 60)
    widths, tallest = [], 0.0
    for i, (name, values, color) in enumerate(
        (("photos", by_image, style.GREY), ("cars", by_car, PREDICTION))
    ):
        low, high = np.percentile(values, [2.5, 97.5])
        widths.append(high - low)
        counts, *_ = ax.hist(values, bins, color=color, alpha=0.55, label=f"drawing {name}")
        tallest = max(tallest, counts.max())
        y = -tallest * (0.06 + 0.07 * i)
        ax.plot([low, high], [y, y], color=color, lw=4, solid_capstyle="butt")
    if min(widths) > 0:
        ratio = f"{widths[1] / widths[0]:.1f}"
        ax.set_title(f"The interval by car is {ratio} times as wide as the one by photo")
    else:
        ax.set_title("With a single car or photo the intervals cannot be compared")
    ax.set(xlabel="mean Dice of one bootstrap draw (bars below: the middle 95 %)", yticks=[])
    ax.spines["left"].set_visible(False)
    ax.legend()
    return style.close(figure)


def threshold_curve(
    thresholds: Sequence[float], dice: Sequence[float], chosen: float, *, floor: float = 0.01
) -> Figure:
    """Mean Dice for each threshold: its top, down to ``floor`` below the best, beside all of it."""
    dice = np.asarray(dice)
    at_half = float(np.interp(0.5, thresholds, dice))
    figure, (top, whole) = plt.subplots(1, 2, figsize=(WIDTH, 3), width_ratios=(1.7, 1))
    for ax in (top, whole):
        ax.plot(thresholds, dice, color=PREDICTION, lw=2)
        ax.plot(0.5, at_half, "o", color=style.GREY, label=f"0.50: {at_half:.4f}")
        ax.plot(chosen, dice.max(), "o", color=TRUTH, label=f"best, {chosen:.2f}: {dice.max():.4f}")
        ax.set(xlabel="threshold", xlim=(0, 1))
    top.set_ylim(min(dice.max() - floor, at_half - floor / 2), dice.max() + 0.1 * floor)
    top.set_ylabel("mean Dice, validation cars")
    top.set_title("the top of the curve", fontweight="normal")
    top.legend(loc="best")
    whole.axhspan(*top.get_ylim(), color=style.LIGHT, lw=0, zorder=0)
    whole.set_title("all of it (left: the grey band)", fontweight="normal")
    gain = f"gains {dice.max() - at_half:.4f} on the validation cars"
    title = f"Moving the threshold from 0.50 to {chosen:.2f} {gain}"
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=10.5)
    return style.close(figure)


def reliability(said: Sequence[float], found: Sequence[float], pixels: Sequence[float]) -> Figure:
    """How often pixels are car, by the probability that the network gives them.

    Args:
        said, found: for each bin the mean probability of its pixels, and the share that is car.
        pixels: how many there are in each bin.
    """
    said, found, pixels = (np.asarray(values, dtype=float) for values in (said, found, pixels))
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    left.plot([0, 1], [0, 1], color=style.GREY, lw=1, ls=":", label="said and found agree")
    left.plot(said, found, "o-", ms=4, color=PREDICTION)
    middle = pixels > 0
    middle[[0, -1]] = False  # the pixels of which the network is sure
    unsure = pixels[middle].sum()
    gap = (np.abs(found - said)[middle] * pixels[middle]).sum() / max(unsure, 1)
    left.set_title(f"Where unsure, it is off by {gap:.2f} on average")
    left.set(xlabel="probability that the network says", ylabel="share that is car")
    left.legend(loc="upper left")
    right.bar(np.arange(len(said)) + 0.5, 100 * pixels / pixels.sum(), 0.9, color=PREDICTION)
    right.set(yscale="log", xlabel="probability that the network says", ylabel="pixels (%)")
    ticks = np.linspace(0, len(said), 6)
    right.set_xticks(ticks, [f"{tick / len(said):.1f}" for tick in ticks])
    right.set_title(f"It is unsure of {100 * unsure / pixels.sum():.1f} % of the pixels")
    return style.close(figure)


def errors_by_part(names: Sequence[str], missed: object, claimed: object, size: object) -> Figure:
    """Wrong pixels by the part of the car that they belong to, or lie nearest to.

    Args:
        missed: for each part, its pixels that were taken for background.
        claimed: for each part, background pixels nearest to it that were taken for car.
        size: how many pixels the part has.
    """
    missed, claimed, size = (np.asarray(values, dtype=float) for values in (missed, claimed, size))
    total = max(missed.sum() + claimed.sum(), 1)
    rate = 100 * missed / np.maximum(size, 1)
    figure, ax = plt.subplots(figsize=(WIDTH, 2.9))
    for offset, wrong, color, label in (
        (-0.2, missed, FALSE_NEGATIVE, "its own pixels, taken for background"),
        (0.2, claimed, FALSE_POSITIVE, "background beside it, taken for car"),
    ):
        y = np.arange(len(names)) + offset
        ax.barh(y, 100 * wrong / total, 0.38, color=color, label=label)
    for y, (wrong, share) in enumerate(zip(missed, rate, strict=True)):
        ax.text(100 * wrong / total, y - 0.2, f" {share:.1f} % of it", va="center", fontsize=8.5)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.set_xlabel("share of all wrong pixels (%)")
    worst = names[int(rate.argmax())]
    many = worst.endswith("s") and not worst.endswith("ss")  # wheels and mirrors, but glass
    lose, their = ("lose", "their") if many else ("loses", "its")
    share = f"the largest share of {their} pixels: {rate.max():.1f} %"
    ax.set_title(f"{worst.capitalize()} {lose} {share}")
    ax.legend(loc="lower right")
    return style.close(figure)


def errors_by_distance(distance: Sequence[float], outside: object, inside: object) -> Figure:
    """Share of wrong pixels at each distance from the true outline, outside and inside the car.

    Args:
        distance: outer edge of each ring, in pixels, evenly spaced.
        outside, inside: counts of wrong and of all pixels per ring, and one more: all further away.
    """
    (wrong_out, all_out), (wrong_in, all_in) = np.asarray(outside), np.asarray(inside)
    total, near = (wrong_out[:k].sum() + wrong_in[:k].sum() for k in (None, 2))
    x, step = np.asarray(distance), distance[1] - distance[0]
    figure, ax = plt.subplots(figsize=(WIDTH, 2.8))
    for sign, wrong, count, color, name in (
        (-1, wrong_out, all_out, FALSE_POSITIVE, "outside the car, taken for car"),
        (1, wrong_in, all_in, FALSE_NEGATIVE, "inside the car, taken for background"),
    ):
        share = 100 * (wrong / np.maximum(count, 1))[: len(x)]
        ax.bar(sign * (x - step / 2), share, 0.9 * step, color=color, label=name)
    ax.axvline(0, color=TRUTH, lw=1.5)
    share = (
        f"{100 * near / total:.0f} % of all wrong pixels lie" if total else "No wrong pixel lies"
    )
    ax.set_title(f"{share} within {x[1]:g} pixels of the true outline")
    ax.set(
        xlabel="pixels from the true outline (green)", ylabel="share of the ring that is wrong (%)"
    )
    ax.legend()
    return style.close(figure)


def _strips(ax: Axes, values: np.ndarray, groups: Sequence[str], shown: Sequence[str]) -> None:
    for i, name in enumerate(shown):
        own = values[np.asarray(groups) == name]
        ax.scatter(np.full(len(own), i), own, s=14, color=PREDICTION, alpha=0.9, lw=0, zorder=3)
        ax.hlines(own.mean(), i - 0.4, i + 0.4, color=style.INK, lw=1.5)
    ax.set_xticks(range(len(shown)), [name[:6] for name in shown], rotation=90, fontsize=8)
