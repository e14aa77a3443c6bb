"""Figures of lesson 05: domains beside one another, what tells them apart, and what closes the gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unet_course import metrics
from unet_course.figures import style
from unet_course.figures.style import FALSE_POSITIVE, IMAGE, TRUTH, WIDTH

PHOTO_DPI = 60  # of figures full of photos: PNG stores photos badly, and notebooks stay small


class Score(NamedTuple):
    """Mean Dice on some cars, its 95 % interval (None with one car), and the mean of each car."""

    mean: float
    interval: Sequence[float] | None
    cars: Sequence[float]


def photo_rows(rows: Mapping[str, Sequence[object]], *, title: str) -> Figure:
    """A row of photos ``(3, H, W)`` per name, all rows of one length."""
    photos = next(iter(rows.values()))
    shape = np.asarray(photos[0]).shape
    height = (WIDTH - 0.35) / len(photos) * shape[-2] / shape[-1] + 0.05
    figure, axes = plt.subplots(
        len(rows), len(photos), figsize=(WIDTH, len(rows) * height + 0.35), squeeze=False,
        layout="constrained", dpi=PHOTO_DPI,
    )  # fmt: skip
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for row, (name, shown) in zip(axes, rows.items(), strict=True):
        for ax, photo in zip(row, shown, strict=True):
            ax.imshow(style.to_display(photo), interpolation="auto")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(name, color=style.INK, fontsize=13)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=14)
    return style.close(figure)


def brightness(
    edges: Sequence[float], counts: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> Figure:
    """Per domain the histograms of brightness of background and of car, each as shares of its own.

    Args:
        edges: of the bins, from 0 (black) to 1 (white).
        counts: per domain the pixels of background and of car in each bin.
    """
    figure, axes = plt.subplots(
        1, len(counts), figsize=(WIDTH, 2.7), sharey=True, squeeze=False, dpi=80
    )
    centres, medians = (np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2, {}
    for ax, (name, pair) in zip(axes[0], counts.items(), strict=True):
        background, car = (np.asarray(n) / max(1, np.sum(n)) for n in pair)
        medians[name] = centres[np.searchsorted(background.cumsum(), 0.5)]
        ax.fill_between(centres, 100 * background, color=style.LIGHT, label="background")
        ax.plot(centres, 100 * car, color=TRUTH, lw=1.8, label="car")
        ax.set_title(name, fontweight="normal")
        ax.set(xlabel="brightness (0 black, 1 white)", xlim=(0, 1))
    axes[0, 0].set(ylabel="share of the pixels (%)", ylim=(0, None))
    axes[0, -1].legend(loc="upper right")
    listed = ", ".join(f"{name} {value:.2f}" for name, value in medians.items())
    figure.suptitle(
        f"Half of the background is darker than: {listed}", x=0.01, ha="left", fontweight="bold",
        fontsize=10.5,
    )  # fmt: skip
    return style.close(figure)


def recipes(
    scores: Mapping[str, tuple[Score, Score]],
    *,
    names: tuple[str, str],
    baseline: float,
    baseline_name: str,
) -> Figure:
    """Per recipe the Dice on two groups of cars: a dot per car, the mean, its interval.

    Args:
        scores: per recipe the scores on the known and on the unseen domain.
        names: of the two groups.
        baseline: Dice on the unseen domain of something that needs no training, drawn as a line.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 0.95 + 0.62 * len(scores)))
    for i, pair in enumerate(scores.values()):
        looks = zip(pair, names, (IMAGE, FALSE_POSITIVE), (-0.22, 0.14), strict=True)
        for score, name, color, shift in looks:
            _score(ax, score, i + shift, color, name if i == 0 else None)
    ax.axvline(baseline, color=style.GREY, lw=1, ls="--")
    ax.annotate(
        baseline_name, (baseline, len(scores) - 0.45), (4, 0), textcoords="offset points",
        color=style.GREY, fontsize=8,
    )  # fmt: skip
    unseen = {name: pair[1].mean for name, pair in scores.items()}
    first, best = next(iter(unseen)), max(unseen, key=unseen.get)
    ax.set_title(f"Unseen: {unseen[first]:.3f} with “{first}”, {unseen[best]:.3f} with “{best}”")
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set(
        ylim=(len(scores) - 0.4, -0.6),
        xlabel="Dice (line: 95 % interval; small dots: single cars)",
    )
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return style.close(figure)


def wall_curve(light: Sequence[float], dice: Mapping[str, Sequence[float]]) -> Figure:
    """Mean Dice of each network while the background of the same photos is turned down.

    Args:
        light: factors on the background's brightness, 1 for the photos as they are.
        dice: per network its score at each factor.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 2.8))
    colors = (FALSE_POSITIVE, IMAGE, TRUTH, style.INK)
    for (name, values), color in zip(dice.items(), colors, strict=False):
        ax.plot(light, values, "o-", ms=4, color=color, label=name)
    darkest = int(np.argmin(light))
    at_end = {name: values[darkest] for name, values in dice.items()}
    worst, best = min(at_end, key=at_end.get), max(at_end, key=at_end.get)
    ax.set_title(
        f"At {light[darkest]:.0%} of its light: {at_end[worst]:.2f} with “{worst}”, "
        f"{at_end[best]:.2f} with “{best}”"
    )
    ax.set(xlabel="light on the background (1: as photographed)", ylabel="mean Dice")
    ax.invert_xaxis()
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return style.close(figure)


def wall_view(image: object, truth: object, found: Mapping[str, object]) -> Figure:
    """A photo ``(3, H, W)`` and the errors of each network's mask ``(H, W)`` on it, with its Dice."""
    truth = torch.as_tensor(truth) > 0
    figure, axes = plt.subplots(1, 1 + len(found), figsize=(WIDTH, 2.6), dpi=PHOTO_DPI)
    style.show_image(axes[0], image)
    for ax, (name, mask) in zip(axes[1:], found.items(), strict=True):
        mask = torch.as_tensor(mask) > 0
        ax.imshow(style.error_map(image, mask, truth), interpolation="auto")
        dice = metrics.dice(mask[None], truth[None]).item()
        ax.set_title(f"{name}: Dice {dice:.3f}", fontweight="normal", fontsize=13)
        ax.set_axis_off()
    style.error_legend(figure)
    return style.close(figure)


def _score(ax: Axes, score: Score, y: float, color: str, label: str | None) -> None:
    low, high = score.interval or (score.mean, score.mean)
    ax.plot([low, high], [y, y], color=color, lw=1.5)
    ax.plot(score.mean, y, "o", ms=7, color=color, label=label)
    ax.scatter(score.cars, [y + 0.12] * len(score.cars), s=14, color=color, alpha=0.5, lw=0)
