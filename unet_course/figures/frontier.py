"""Figures of lesson 06: ceilings, ladder, race and frontier. They take numbers and draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from unet_course.figures.style import GREY, IMAGE, INK, LIGHT, PREDICTION, TRUTH, WIDTH, close


class Rung(NamedTuple):
    """Mean Dice of one rung of the ladder, and the ends of its interval."""

    name: str
    dice: float
    low: float
    high: float


class Curve(NamedTuple):
    """How the Dice of a network in training rose with what it had cost; dashed is bf16."""

    name: str
    dashed: bool
    costs: Sequence[float]
    dice: Sequence[float]


class Point(NamedTuple):
    """What a network scores and costs; None where nobody has measured it."""

    name: str
    dice: float
    ours: bool
    costs: Sequence[float | None]


def ceilings(widths: Sequence[int], dice: Mapping[str, Sequence[float]], *, title: str) -> Figure:
    """The Dice that a perfect mask keeps at each working width, one line per way of keeping it.

    Args:
        dice: by the name of the way, the last one drawn as the better one.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, 3.4))
    for (name, values), color in zip(dice.items(), (GREY, TRUTH), strict=True):
        ax.plot(widths, values, "o-", color=color, linewidth=2, label=name)
        for x, y in zip(widths, values, strict=True):
            below = color == GREY
            ax.annotate(f"{y:.4f}", (x, y), (0, -14 if below else 7), textcoords="offset points",
                        ha="center", color=color)  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [f"{w}" for w in widths])
    ax.set(xlabel="width that the network works at, in pixels", ylabel="Dice at the full size")
    ax.set_title(title)
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    ax.legend(loc="lower right")
    return close(figure)


def ladder(panels: Mapping[str, Sequence[Rung]], names: Sequence[str]) -> Figure:
    """Rungs from the bottom up, with intervals, in a panel for each place where they were measured."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 0.42 * len(names) + 1.2), sharey=True, squeeze=False
    )
    for ax, (title, rungs) in zip(axes[0], panels.items(), strict=True):
        for rung in rungs:
            y = names.index(rung.name)
            ax.plot([rung.low, rung.high], [y, y], color=PREDICTION, linewidth=2.5, alpha=0.5)
            ax.plot(rung.dice, y, "o", color=PREDICTION)
            ax.annotate(f"{rung.dice:.4f}", (rung.dice, y), (0, 6), textcoords="offset points",
                        ha="center", color=INK, fontsize=8.5)  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.set_xlabel("Dice (mean, 95 % over cars)")
        ax.set_title(title)
        ax.grid(axis="y", color=LIGHT, linewidth=0.8)
        ax.set_axisbelow(True)
        ax.margins(x=0.08)
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].set_ylim(-0.6, len(names) - 0.3)
    return close(figure)


def race(panels: Mapping[str, Sequence[Curve]], *, ours: str, goal: float) -> Figure:
    """Curves on the way to a goal; a panel for each kind of cost, on a logarithmic axis.

    Args:
        panels: curves by the name of their cost. What is below 0.9 is cut off.
        ours: the name of our curves; rivals' have other colours.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 4), sharey=True, squeeze=False)
    rivals = iter((GREY, TRUTH, IMAGE))
    colors = {ours: PREDICTION}
    for ax, (label, curves) in zip(axes[0], panels.items(), strict=True):
        ax.axhline(goal, color=INK, linewidth=0.8)
        for curve in curves:
            if curve.name not in colors:
                colors[curve.name] = next(rivals)
            line = "--" if curve.dashed else "-"
            ax.plot(curve.costs, curve.dice, line, marker=".", color=colors[curve.name], lw=1.8)
        _costs(ax, label)
    first = axes[0, 0]
    first.set(ylim=(0.9, 0.99), ylabel="Dice on validation cars")
    first.annotate(f"goal: {goal}", (0.65, goal), (0, 3), xycoords=("axes fraction", "data"),
                   textcoords="offset points", ha="center", color=INK)  # fmt: skip
    keys = [
        Line2D([], [], color=color, linewidth=1.8, label=name) for name, color in colors.items()
    ]
    for line, label in (("-", "float32"), ("--", "bfloat16")):
        keys.append(Line2D([], [], color=INK, linestyle=line, linewidth=1.2, label=label))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
    return close(figure)


def frontier(points: Sequence[Point], axes_labels: Sequence[str], *, goal: float) -> Figure:
    """Dice against each cost, on a logarithmic axis: up and to the left is better.

    Args:
        goal: a Dice drawn as a dotted line.
    """
    columns = 2
    rows = -(-len(axes_labels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.9 * rows), sharey=True)
    for number, (ax, label) in enumerate(zip(np.ravel(axes), axes_labels, strict=True)):
        ax.axhline(goal, color=GREY, linewidth=0.8, linestyle=":")
        for point in points:
            cost = point.costs[number]
            if cost is None:
                continue
            color = PREDICTION if point.ours else GREY
            ax.plot(cost, point.dice, "o" if point.ours else "s", color=color, markersize=7)
            away = 7 if point.dice >= goal else -15  # from the line of the goal
            ax.annotate(point.name, (cost, point.dice), (0, away), textcoords="offset points",
                        ha="center", color=INK, fontsize=8.5)  # fmt: skip
        _costs(ax, label)
        ax.margins(x=0.25, y=0.2)
    for ax in np.atleast_2d(axes)[:, 0]:
        ax.set_ylabel("Dice on test cars")
    return close(figure)


def _costs(ax: Axes, label: str) -> None:
    """A logarithmic axis with its numbers written out."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(label)
