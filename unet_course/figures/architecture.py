"""Figures of lesson 02: the U drawn from recorded shapes, and what its parts see, cost and do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from unet_course.figures import style

ARROWS = {  # how a map was made: the arrow's colour and what the legend calls it
    "conv": (style.GREY, "3×3 convolution, ReLU"),
    "pool": (style.IMAGE, "2×2 max pooling"),
    "up": (style.PREDICTION, "up-convolution ×2"),
    "skip": (style.IMAGE, "skip: copy, concatenate"),
    "point": (style.INK, "1×1 convolution"),
}


class FeatureMap(NamedTuple):
    """One map of a network: ``kind`` is ``"input"`` or a key of `ARROWS`; sizes as in tensors."""

    kind: str
    channels: int
    height: int
    width: int


def draw_unet(
    maps: Sequence[FeatureMap], skips: Sequence[tuple[int, int]], *, title: str = ""
) -> Figure:
    """Draw a U-Net's maps as boxes: as tall and deep as their size, as thick as √channels.

    Args:
        maps: in the order in which the network makes them. ``"pool"`` goes down a level, ``"up"``
            goes up one; ``"skip"`` is what is concatenated with the ``"up"`` before it.
        skips: pairs of indices into ``maps``: the encoder's map and the copy of it.
    """
    maps = [FeatureMap(*m) for m in maps]
    tallest = max(m.height for m in maps)
    unit = 1.35 / tallest  # inches per pixel
    tall = [unit * max(m.height, 0.1 * tallest) for m in maps]
    thick = [0.36 * (m.channels / max(n.channels for n in maps)) ** 0.5 for m in maps]
    tilt = [0.13 * unit * m.width for m in maps]  # the boxes' depth, drawn obliquely
    left, level, levels = [0.0], 0, [0]
    for i, m in enumerate(maps[1:], start=1):
        if m.kind in ("pool", "up"):  # straight below or above the map it is made of
            level += 1 if m.kind == "pool" else -1
            left.append(left[-1] + (thick[i - 1] - thick[i]) / 2)
        elif m.kind == "skip":  # beside the map it is concatenated with
            left.append(left[i - 1] - thick[i])
        else:
            before = i - 2 if maps[i - 1].kind == "skip" else i - 1
            left.append(left[before] + thick[before] + tilt[before] + 0.25)
        levels.append(level)
    varied = any(a.height != b.height for a, b in pairwise(maps)
                 if b.kind == "conv")  # fmt: skip
    rows = [max(h for h, at in zip(tall, levels, strict=True) if at == row)
            for row in range(max(levels) + 1)]  # fmt: skip
    gap = 0.85 if varied else 0.62
    middle = -np.cumsum([0.0] + [(a + b) / 2 + gap for a, b in pairwise(rows)])

    right = max(x + t + o for x, t, o in zip(left, thick, tilt, strict=True))
    top, bottom = rows[0] / 2 + 0.5, middle[-1] - rows[-1] / 2 - gap + 0.2
    scale = min(style.WIDTH / (right + 1.95), 1.25)
    # not layout="none": saving such a figure hands it back to the style's automatic layout
    fixed = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=False)
    figure = plt.figure(
        figsize=(style.WIDTH, scale * (top - bottom)), layout=fixed, facecolor="white"
    )
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    centre, half = right / 2, style.WIDTH / scale / 2
    ax.set(xlim=(centre - half, centre + half), ylim=(bottom, top), aspect="equal")

    for source, target in skips:
        y = middle[levels[source]] - 0.22 * tall[target]
        _arrow(
            ax, "skip", (left[source] + thick[source] + 0.8 * tilt[source], y), (left[target], y)
        )
    first_up = next((i for i, m in enumerate(maps) if m.kind == "up"), len(maps))
    for i, m in enumerate(maps):
        x, y, joined = left[i], middle[levels[i]], i + 1 < len(maps) and maps[i + 1].kind == "skip"
        before = i - 2 if maps[i - 1].kind == "skip" else i - 1
        roof = y + tall[i] / 2 + 0.6 * tilt[i]
        if m.kind == "pool":
            start = middle[levels[i - 1]] - tall[i - 1] / 2
            _arrow(ax, m.kind, (x + thick[i] / 2, start), (x + thick[i] / 2, roof + 0.2))
        elif m.kind == "up":
            start = middle[levels[i - 1]] + tall[i - 1] / 2 + 0.6 * tilt[i - 1] + 0.22
            _arrow(ax, m.kind, (x + thick[i] / 2, start), (x + thick[i] / 2, y - tall[i] / 2))
        elif m.kind in ("conv", "point"):
            _arrow(ax, m.kind, (left[before] + thick[before] + 0.45 * tilt[before], y), (x, y))
        color = style.IMAGE if i < first_up or m.kind == "skip" else style.PREDICTION
        faded = {"pool": 0.55, "up": 0.55, "skip": 0.8}.get(m.kind, 0.0)
        _box(ax, (x, y, thick[i], tall[i], tilt[i]), color, faded, 2 if m.kind == "skip" else 3)
        aside = 0.08 * joined - 0.08 * (m.kind == "skip")
        ax.text(x + (thick[i] + tilt[i]) / 2 + aside, roof + 0.03, str(m.channels), ha="center",
                va="bottom", fontsize=8, color=style.INK)  # fmt: skip
        size, last = f"{m.width}×{m.height}", i + 1 == len(maps) or maps[i + 1].kind == "up"
        if varied and m.kind != "skip":
            ax.text(x + thick[i] + 0.01, y - tall[i] / 2 - 0.05, size, rotation=90, ha="left",
                    va="top", fontsize=7, color=style.GREY)  # fmt: skip
        elif not varied and m.kind in ("pool", "input"):
            ax.text(x - 0.07, y, size, ha="right", va="center", fontsize=8.5, color=style.GREY)
        elif not varied and last and i > first_up:
            ax.text(x + thick[i] + tilt[i] + 0.07, y, size, va="center", fontsize=8.5,
                    color=style.GREY)  # fmt: skip
    _legend(ax, {m.kind for m in maps}, centre - half + 0.2, bottom + 0.2)
    source, target = max(skips, key=lambda pair: pair[1], default=(0, -1))
    ax.text(
        (left[source] + left[target]) / 2,
        top - 0.12,
        title,
        ha="center",
        va="top",
        fontsize=10.5,
        weight="bold",
    )
    plt.close(figure)
    return figure


def _arrow(ax: Axes, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    wide, color = kind in ("pool", "up"), ARROWS[kind][0]
    ax.add_patch(FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=11 if wide else 8, shrinkA=0, shrinkB=0,
        color=color, linewidth=2.2 if wide else 1.1, linestyle=(0, (4, 2)) if kind == "skip" else "-",
        zorder=1,
    ))  # fmt: skip


def _box(
    ax: Axes, place: tuple[float, float, float, float, float], color: str, faded: float, zorder: int
) -> None:
    x, y, thick, tall, tilt = place
    base = np.array(to_rgb(color)) * (1 - faded) + faded
    low, high, rise, right = y - tall / 2, y + tall / 2, 0.6 * tilt, x + thick
    front = [(x, low), (right, low), (right, high), (x, high)]
    side = [(right, low), (right + tilt, low + rise), (right + tilt, high + rise), (right, high)]
    roof = [(x, high), (right, high), (right + tilt, high + rise), (x + tilt, high + rise)]
    for corners, shade in ((side, 0.72), (roof, 1.12), (front, 1.0)):
        ax.add_patch(Polygon(corners, facecolor=np.clip(base * shade, 0, 1), edgecolor="white",
                             linewidth=0.5, zorder=zorder))  # fmt: skip


def _legend(ax: Axes, kinds: set[str], x: float, y: float) -> None:
    for kind in reversed([kind for kind in ARROWS if kind in kinds]):
        label = ARROWS[kind][1]
        if kind in ("pool", "up"):
            ends = ((x + 0.16, y + 0.09), (x + 0.16, y - 0.09))
            _arrow(ax, kind, *(ends if kind == "pool" else ends[::-1]))
        else:
            _arrow(ax, kind, (x, y), (x + 0.34, y))
        ax.text(x + 0.45, y, label, va="center", fontsize=8.5, color=style.INK)
        y += 0.24


def draw_context_and_detail(photo: object, window: tuple[int, int, int], context: object) -> Figure:
    """A photo ``(3, H, W)``, a square ``window`` (top, left, side) of it, and a coarse copy."""
    top, left, side = window
    figure, axes = plt.subplots(1, 3, figsize=(style.WIDTH, 2.5), width_ratios=(1.5, 1, 1.5))
    style.show_image(axes[0], photo, "A photo")
    axes[0].add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False,
                                edgecolor=style.FALSE_POSITIVE, linewidth=2))  # fmt: skip
    detail = np.asarray(photo)[:, top : top + side, left : left + side]
    style.show_image(axes[1], detail, "Detail: edge of what?")
    style.show_image(axes[2], context, "Context: where does it end?")
    plt.close(figure)
    return figure


def draw_grids(grids: Mapping[str, object], *, title: str = "") -> Figure:
    """Small tables of numbers side by side, each value written on its shade of blue."""
    figure, axes = plt.subplots(1, len(grids), figsize=(style.WIDTH, 2.5))
    top = max(float(np.max(np.asarray(grid))) for grid in grids.values())
    for ax, (name, grid) in zip(np.atleast_1d(axes), grids.items(), strict=True):
        values = np.asarray(grid)
        ax.imshow(values, cmap="Blues", vmin=0, vmax=1.6 * top)
        for (row, column), value in np.ndenumerate(values):
            ax.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=9)
        ax.set_title(name, fontweight="normal")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    plt.close(figure)
    return figure


def draw_costs(levels: Sequence[str], costs: Mapping[str, Sequence[float]]) -> Figure:
    """One panel per cost: its share in percent at each level, the finest level on top."""
    figure, axes = plt.subplots(1, len(costs), figsize=(style.WIDTH, 2.9), sharey=True)
    for ax, (name, values) in zip(axes, costs.items(), strict=True):
        shares = 100 * np.asarray(values, dtype=float) / np.sum(values)
        bars = ax.barh(levels, shares, color=style.IMAGE, height=0.7)
        ax.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=9, color=style.INK)
        ax.set(title=name, xlim=(0, 1.25 * shares.max()), xticks=[])
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(length=0)
    axes[0].invert_yaxis()
    plt.close(figure)
    return figure


def draw_receptive_fields(
    image: object, boxes: Mapping[str, tuple[int, int, int, int]], *, title: str = ""
) -> Figure:
    """Boxes ``(top, left, bottom, right)``, last row and column included, over a photo ``(3, H, W)``.

    What a box has outside the photo is shown too: it is padding, not picture.
    """
    figure, ax = plt.subplots(figsize=(style.WIDTH, 5.2))
    style.show_image(ax, image, title)
    height, width = np.asarray(image).shape[-2:]
    reach = [(0, 0, height, width), *boxes.values()]
    for (name, (top, left, bottom, right)), shade in zip(
        boxes.items(), np.linspace(0.6, 1, len(boxes)), strict=True
    ):
        color = 1 - shade * (1 - np.array(to_rgb(style.FALSE_POSITIVE)))
        ax.add_patch(Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1,
                               fill=False, edgecolor=color, linewidth=2.2))  # fmt: skip
        ax.text((left + right) / 2, top - 1.5, name, fontsize=9, ha="center", va="bottom",
                color=style.INK, bbox={"facecolor": color, "edgecolor": "none", "pad": 1.5})  # fmt: skip
    low, high = np.min([b[:2] for b in reach], axis=0), np.max([b[2:] for b in reach], axis=0)
    ax.set(xlim=(low[1] - 3, high[1] + 3), ylim=(high[0] + 3, low[0] - 12))
    plt.close(figure)
    return figure


def draw_reach(gradients: Mapping[str, object]) -> Figure:
    """How much each pixel matters to one output, on a log scale; white where not at all.

    Args:
        gradients: title and magnitudes ``(H, W)`` of each panel.
    """
    figure, axes = plt.subplots(1, len(gradients), figsize=(style.WIDTH, 3.1))
    for ax, (name, values) in zip(np.atleast_1d(axes), gradients.items(), strict=True):
        values = np.asarray(values)
        values = values / values.max()
        shown = ax.imshow(np.ma.masked_equal(values, 0), cmap="cividis", norm=LogNorm(1e-6, 1))
        ax.set(title=name, xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
    figure.colorbar(shown, ax=axes, label="gradient, share of the largest", shrink=0.8)
    plt.close(figure)
    return figure


def draw_overfitting(
    losses: Sequence[float],
    photo: object,
    mask: object,
    snapshots: Mapping[int, object],
    *,
    title: str = "",
) -> Figure:
    """A loss curve above a photo, probabilities ``(H, W)`` after some steps, and its mask."""
    figure = plt.figure(figsize=(style.WIDTH, 4.4))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.3, 1))
    ax = upper.subplots()
    ax.plot(np.arange(1, len(losses) + 1), losses, color=style.IMAGE)
    ax.set(ylim=(0, None), xlabel="step", ylabel="loss on the batch", title=title)
    axes = lower.subplots(1, 2 + len(snapshots))
    steps = {f"step {n}": p for n, p in snapshots.items()}
    pictures = {"one of its photos": photo} | steps | {"its mask": mask}
    for ax, (name, picture) in zip(axes, pictures.items(), strict=True):
        style.show_image(ax, picture)
        ax.set_title(name, fontweight="normal")
    plt.close(figure)
    return figure


def draw_comparison(
    photos: Sequence[object], truths: Sequence[object], predictions: Mapping[str, Sequence[object]]
) -> Figure:
    """Photos above a row of error maps for each set of predicted masks ``(H, W)``."""
    rows, columns = 1 + len(predictions), len(photos)
    height = rows * 0.75 * style.WIDTH / max(columns, 4)
    figure, axes = plt.subplots(rows, columns, figsize=(style.WIDTH, height), squeeze=False)
    for column, (photo, truth) in enumerate(zip(photos, truths, strict=True)):
        style.show_image(axes[0, column], photo, "" if column else "photos never trained on")
        for row, (name, masks) in enumerate(predictions.items(), start=1):
            wrong = style.error_map(photo, masks[column], truth)
            axes[row, column].imshow(wrong)
            axes[row, column].set_title("" if column else name)
            axes[row, column].set_axis_off()
    style.error_legend(figure)
    plt.close(figure)
    return figure
