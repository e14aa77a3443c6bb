"""Figures of a network that tells the parts of a car: what it sees, how well, and what it mixes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from unet_course.figures import style
from unet_course.figures.style import PART_COLORS, WIDTH

PHOTO_DPI = 64  # of figures full of photos: PNG stores photos badly, and notebooks stay small


class Example(NamedTuple):
    """One photo ``(3, H, W)`` with its true and its predicted parts ``(H, W)``, as `results` shows it."""

    label: str
    image: object
    truth: object
    prediction: object


def results(examples: Sequence[Example], *, title: str) -> Figure:
    """A row per example: photo, true parts, predicted parts; the colours are explained below."""
    shape = np.asarray(examples[0].image).shape
    height = (WIDTH - 0.35) / 3 * shape[-2] / shape[-1] + 0.05
    figure, axes = plt.subplots(
        len(examples), 3, figsize=(WIDTH, len(examples) * height + 0.85), squeeze=False,
        layout="constrained", dpi=PHOTO_DPI,
    )  # fmt: skip
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for row, example in zip(axes, examples, strict=True):
        _show(row[0], style.to_display(example.image))
        _show(row[1], paint_parts(example.image, example.truth))
        _show(row[2], paint_parts(example.image, example.prediction))
        row[0].set_ylabel(example.label, color=style.INK)
    for ax, name in zip(axes[0], ("photo", "true parts", "predicted parts"), strict=True):
        ax.set_title(name, loc="center", fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
    shown = [name for name in PART_COLORS if name != "background"]
    handles = [Patch(color=PART_COLORS[name], label=name) for name in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(shown))
    return style.close(figure)


def composition(image: object, parts: object, shares: Mapping[str, float]) -> Figure:
    """A photo, its parts with their names, and a bar per part: its share of all pixels, 0…1, in percent."""
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.3), width_ratios=(1, 1, 0.75), dpi=80)
    _show(axes[0], style.to_display(image))
    _show(axes[1], paint_parts(image, parts))
    names = list(shares)[::-1]
    percent = [100 * shares[name] for name in names]
    colors = [PART_COLORS[name] for name in names]
    axes[2].barh(names, percent, color=colors, edgecolor=style.GREY, lw=0.6)
    for i, value in enumerate(percent):
        axes[2].annotate(f"{value:.2f} %", (value, i), (4, -4), textcoords="offset points")
    # on a plain scale most bars would be too short to see
    axes[2].set(xscale="log", xlim=(0.01, 1000), xlabel="share of pixels (%), log scale")
    axes[2].set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes[2].minorticks_off()
    axes[2].tick_params(axis="y", length=0, labelcolor=style.INK)
    rarest = min((name for name in shares if shares[name]), key=shares.get)
    axes[2].set_title(f"{rarest}: 1 pixel in {1 / shares[rarest]:,.0f}", loc="right")
    return style.close(figure)


def iou_bars(
    iou: Mapping[str, float | None], intervals: Mapping[str, Sequence[float] | None]
) -> Figure:
    """A bar per class with its 95 % interval; a class that does not occur (None) has neither."""
    known = {name: value for name, value in iou.items() if value is not None}
    figure, ax = plt.subplots(figsize=(WIDTH, 2.9))
    for i, (name, value) in enumerate(iou.items()):
        if value is None:
            ax.annotate("does not occur", (i, 0.02), ha="center", color=style.GREY)
            continue
        ax.bar(i, value, 0.6, color=PART_COLORS[name], edgecolor=style.GREY, lw=0.6)
        ends = intervals[name] or (value, value)
        ax.plot([i, i], ends, color=style.GREY, lw=5, solid_capstyle="butt")
        ax.plot([i, i], ends, color="white", lw=3, solid_capstyle="butt")
        ax.annotate(f"{value:.3f}", (i, max(ends)), (0, 4), textcoords="offset points", ha="center")
    parts = {name: value for name, value in known.items() if name != "background"} or known
    best, worst = max(parts, key=parts.get), min(parts, key=parts.get)
    ax.set_title(
        f"Found best: {best}, IoU {parts[best]:.3f}; worst: {worst}, {parts[worst]:.3f}", pad=14
    )
    ax.set(ylabel="IoU (white: 95 % interval)", ylim=(0, 1), xlim=(-0.6, len(iou) - 0.4))
    ax.set_xticks(range(len(iou)), list(iou))
    return style.close(figure)


def confusion_matrix(shares: Mapping[str, Sequence[float | None]]) -> Figure:
    """Of the pixels of each true class (row) the percentage that was taken for each class (column)."""
    names = list(shares)
    values = np.array([[np.nan if v is None else v for v in row] for row in shares.values()])
    figure, ax = plt.subplots(figsize=(WIDTH * 0.72, 4.3))
    ax.imshow(values, cmap="Greys", vmin=0, vmax=1.25, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        digits = 1 if 0 < value < 0.0995 else 0  # whole percents would hide a rare mix-up
        text = "–" if np.isnan(value) else f"{100 * value:.{digits}f}"
        ax.text(
            j, i, text, ha="center", va="center", color="white" if value > 0.6 else style.INK,
            fontweight="bold" if i == j else "normal",
        )  # fmt: skip
    wrong = np.nan_to_num(values * ~np.eye(len(names), dtype=bool))
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    found = f"{100 * wrong[i, j]:.1f} % of {names[i]} is taken for {names[j]}"
    ax.set_title(f"Largest mix-up: {found}" if wrong.any() else "Nothing is mixed up")
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="taken for", ylabel="true class (rows add up to 100 %)")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return style.close(figure)


def paint_parts(image: object, parts: object) -> np.ndarray:
    """Every part in its colour, with the photo's light and shade, on flat pale grey: ``(H, W, 3)``."""
    parts = np.asarray(parts)
    colors = np.array([to_rgb(color) for color in PART_COLORS.values()])[parts]
    light = 0.55 + 0.45 * style.to_display(image).mean(-1, keepdims=True)
    return np.where(parts[..., None] > 0, colors * light, colors)


def _show(ax: Axes, array: np.ndarray) -> None:
    ax.imshow(array, interpolation="auto")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
