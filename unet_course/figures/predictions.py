"""Figures of lesson 04 that show pictures: predictions, their errors, and the maps inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import uniform_filter

from unet_course.figures import style
from unet_course.figures.style import PREDICTION, TRUTH, WIDTH

PHOTO_DPI = 72  # of figures full of photos: PNG stores photos badly, and notebooks stay small


class Example(NamedTuple):
    """One photo ``(3, H, W)`` with its true and its predicted mask ``(H, W)``, as `results` shows it."""

    label: str
    image: object
    truth: object
    prediction: object
    dice: float


def prediction_steps(
    image: object, resized: object, logits: object, probability: object, mask: object
) -> Figure:
    """From photo to mask: photo, network input, logits, probabilities, a piece of them, decision."""
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 4.4), dpi=PHOTO_DPI)
    axes = axes.flat
    small, big = (np.asarray(a).shape[-2:] for a in (resized, image))
    probability = np.asarray(probability)
    _show(axes[0], style.to_display(image), f"photo {big[1]}x{big[0]}")
    _show(axes[1], style.to_display(resized), f"resized {small[1]}x{small[0]}")
    limit = np.abs(np.asarray(logits)).max()
    _show(axes[2], np.asarray(logits), "logits", cmap="PuOr_r", vmin=-limit, vmax=limit)
    _scale(axes[2])
    _show(axes[3], probability, "probability", cmap="gray", vmin=0, vmax=1)
    left, top, w, h = worst_spot((probability > 0.1) & (probability < 0.9))
    axes[3].add_patch(Rectangle((left, top), w, h, fill=False, color=PREDICTION, lw=1))
    piece = probability[top : top + h, left : left + w]
    _show(axes[4], piece, "the framed piece", cmap="gray", vmin=0, vmax=1)
    _scale(axes[4])
    _show(axes[5], _paint(image, mask, PREDICTION), f"mask {big[1]}x{big[0]}")
    return style.close(figure)


def results(examples: Sequence[Example], *, title: str) -> Figure:
    """A row per example: photo, truth, prediction, errors with an edge of the worst spot enlarged."""
    shape = np.asarray(examples[0].image).shape
    height = (WIDTH - 1.3) / 4 * shape[-2] / shape[-1] + 0.05  # 1.3 inches for the labels
    figure, axes = plt.subplots(
        len(examples), 4, figsize=(WIDTH, len(examples) * height + 0.8), squeeze=False,
        layout="constrained", dpi=PHOTO_DPI,
    )  # fmt: skip
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for row, example in zip(axes, examples, strict=True):
        _show(row[0], style.to_display(example.image))
        _show(row[1], _paint(example.image, example.truth, TRUTH))
        _show(row[2], _paint(example.image, example.prediction, PREDICTION))
        _show(row[3], style.error_map(example.image, example.prediction, example.truth))
        _enlarge_worst_spot(row[3], example)
        label = f"{example.label}\nDice {example.dice:.4f}"
        row[0].set_ylabel(label, color=style.INK, rotation=0, ha="right", va="center")
    for ax, name in zip(axes[0], ("photo", "true mask", "prediction", "errors"), strict=True):
        ax.set_title(name, loc="center", fontweight="normal")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
    style.error_legend(figure)
    return style.close(figure)


def feature_maps(levels: Sequence[tuple[str, Sequence[object], Sequence[object]]]) -> Figure:
    """A row per level: a few channels of the encoder on the left, of the decoder on the right.

    Black is the 2nd percentile of a map and white the 98th, so that a few bright pixels leave the rest
    visible. A level without a decoder is the bottleneck, and called so.
    """
    n = max(len(encoder) for _, encoder, _ in levels)
    shape = np.asarray(levels[0][1][0]).shape
    height = 0.95 * WIDTH / (2 * n + 0.5) * shape[0] / shape[1] + 0.05
    figure, axes = plt.subplots(
        len(levels), 2 * n + 1, figsize=(WIDTH, len(levels) * height + 0.3), squeeze=False,
        width_ratios=[*[1] * n, 0.1, *[1] * n], layout="none", dpi=PHOTO_DPI,
    )  # fmt: skip
    figure.subplots_adjust(
        left=0.055,
        right=1,
        bottom=0,
        top=1 - 0.25 / figure.get_figheight(),
        wspace=0.04,
        hspace=0.06,
    )
    for row, (label, encoder, decoder) in zip(axes, levels, strict=True):
        for ax in row:
            ax.set_axis_off()
        for ax, channel in [*zip(row, encoder), *zip(row[n + 1 :], decoder)]:  # noqa: B905
            ax.set_axis_on()
            channel = np.asarray(channel)
            low, high = np.percentile(channel, [2, 98])
            high = high if high > low else channel.max()  # bright in fewer pixels than that
            _show(ax, channel, cmap="gray", vmin=low, vmax=high)
        row[0].set_ylabel(label, color=style.INK, fontsize=10)
        if len(decoder) == 0:
            note = "← the bottleneck: no skip leaves from here,\n    the decoder starts here"
            row[n + 1].text(0, 0.5, note, va="center", transform=row[n + 1].transAxes)
    axes[0, 0].set_title("encoder: what the skips carry", color=style.IMAGE)
    axes[0, n + 1].set_title("decoder: after the skips came in", color=style.INK)
    return style.close(figure)


def skip_ablation(
    image: object, truth: object, cases: Mapping[str, tuple[object, float]]
) -> Figure:
    """One photo's errors with each skip silenced, above the mean Dice of many: name: (mask, Dice).

    Enlarged is the spot where most pixels differ from the first case (there: from the truth).
    """
    figure = plt.figure(figsize=(WIDTH, 5.2), dpi=PHOTO_DPI)
    grid = figure.add_gridspec(3, len(cases), height_ratios=(1, 1, 1.3))
    bars = figure.add_subplot(grid[2, :])
    names, scores = list(cases), np.array([score for _, score in cases.values()])
    lost = scores[0] - scores
    for i, (mask, _) in enumerate(cases.values()):
        errors = style.error_map(image, mask, truth)
        usual = truth if i == 0 else cases[names[0]][0]
        changed = (np.asarray(mask) > 0) != (np.asarray(usual) > 0)
        left, top, w, h = worst_spot(changed, share=0.3)
        ax = figure.add_subplot(grid[0, i])
        _show(ax, errors)
        ax.add_patch(Rectangle((left, top), w, h, fill=False, color=style.INK, lw=0.8))
        _show(figure.add_subplot(grid[1, i]), errors[top : top + h, left : left + w])
    bars.bar(names, lost, 0.5, color=PREDICTION)
    for i, value in enumerate(lost):
        bars.annotate(
            f"{value:.4f}",
            (i, max(0, value)),
            (0, 3),
            textcoords="offset points",
            ha="center",
        )
    top = max(lost.max(), 0.001)
    bars.set(
        ylabel="mean Dice lost", xlim=(-0.5, len(cases) - 0.5), ylim=(min(0, *lost), 1.25 * top)
    )
    costs = f"costs {lost[1:].min():.4f} to {lost[1:].max():.4f}"
    figure.suptitle(
        f"Mean Dice {scores[0]:.4f} with {names[0]}; silencing one of them {costs}",
        x=0.01, ha="left", fontweight="bold", fontsize=10.5,
    )  # fmt: skip
    style.error_legend(figure)
    return style.close(figure)


def tiles(whole: object, tiled: object, lines: tuple[Sequence[int], Sequence[int]]) -> Figure:
    """Probabilities of a photo seen whole and in tiles, and where they differ; tile edges dotted."""
    whole, tiled = np.asarray(whole), np.asarray(tiled)
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.3))
    _show(axes[0], whole, "seen whole", cmap="gray", vmin=0, vmax=1)
    _show(axes[1], tiled, "seen in tiles", cmap="gray", vmin=0, vmax=1)
    _show(axes[2], np.abs(whole - tiled), "difference", cmap="magma", vmin=0, vmax=1)
    _scale(axes[2])
    for ax in axes[1:]:
        for x in lines[0]:
            ax.axvline(x - 0.5, color=PREDICTION, lw=0.8, ls=":")
        for y in lines[1]:
            ax.axhline(y - 0.5, color=PREDICTION, lw=0.8, ls=":")
    return style.close(figure)


def threshold_view(image: object, truth: object, probability: object, threshold: float) -> Figure:
    """One photo at one threshold: the probabilities with their contour, and the errors that follow."""
    probability, truth = np.asarray(probability), np.asarray(truth) > 0
    predicted = probability > threshold
    both = predicted.sum() + truth.sum()
    dice = 2 * (predicted & truth).sum() / both if both else 1.0
    wrong_in, wrong_out = (truth & ~predicted).sum(), (predicted & ~truth).sum()
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.5), dpi=PHOTO_DPI)
    _show(axes[0], probability, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(f"probability, cut at {threshold:.2f}", fontweight="normal", fontsize=12)
    if predicted.any() and not predicted.all():
        axes[0].contour(probability, levels=[threshold], colors=[PREDICTION], linewidths=1.5)
    _show(axes[1], style.error_map(image, predicted, truth))
    title = f"Dice {dice:.4f}: {wrong_out} pixels too many, {wrong_in} too few"
    axes[1].set_title(title, fontweight="normal", fontsize=12)
    style.error_legend(figure)
    return style.close(figure)


def worst_spot(
    errors: np.ndarray, *, share: float = 0.16, edge: bool = False
) -> tuple[int, int, int, int]:
    """The window (left, top, width, height), ``share`` of each side, that holds most errors.

    With ``edge``, windows full of errors rank below those that errors fill by half: of a patch one
    then sees its edge, and not its inside, where there is nothing to see.
    """
    height, width = errors.shape
    h, w = max(1, round(share * height)), max(1, round(share * width))
    density = uniform_filter(errors.astype(float), (h, w), mode="constant")
    density = density[h // 2 :, w // 2 :][: height - h + 1, : width - w + 1]  # windows in the image
    if edge:
        density = density * (1 - density)
    top, left = np.unravel_index(density.argmax(), density.shape)
    return int(left), int(top), w, h


def _enlarge_worst_spot(ax: Axes, example: Example) -> None:
    predicted, truth = np.asarray(example.prediction) > 0, np.asarray(example.truth) > 0
    wrong = predicted != truth
    if not wrong.any():
        return
    left, top, w, h = worst_spot(wrong, edge=True)
    busy = predicted | truth
    busy[top : top + h, left : left + w] = True
    size = 0.38  # of the panel's sides; in the corner that hides least of the car
    rows, columns = (round(size * n) for n in busy.shape)
    hidden = {
        (0, 1 - size): busy[:rows, :columns], (1 - size, 1 - size): busy[:rows, -columns:],
        (0, 0): busy[-rows:, :columns], (1 - size, 0): busy[-rows:, -columns:],
    }  # fmt: skip
    corner = min(hidden, key=lambda place: hidden[place].sum())
    inset = ax.inset_axes((*corner, size, size))
    shown = style.error_map(example.image, predicted, truth)
    _show(inset, shown[top : top + h, left : left + w])
    for side in inset.spines.values():
        side.set(visible=True, color=style.INK)
    ax.add_patch(Rectangle((left, top), w, h, fill=False, color=style.INK, lw=0.8))


def _paint(image: object, mask: object, color: str) -> np.ndarray:
    """The foreground of ``mask`` in ``color``, with the photo's light and shade, on flat pale grey."""
    inside = np.asarray(mask) > 0
    light = 0.55 + 0.45 * style.to_display(image).mean(-1, keepdims=True)
    return np.where(inside[..., None], np.array(to_rgb(color)) * light, 0.93)


def _show(ax: Axes, array: np.ndarray, title: str = "", **options: object) -> None:
    """An image without ticks; smoothed where it is shrunk, so that thin errors do not vanish."""
    ax.imshow(array, interpolation="auto", **options)
    ax.set_title(title, fontsize=9, fontweight="normal")
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)


def _scale(ax: Axes) -> None:
    """A colour bar beside a panel, which keeps its size."""
    bar = ax.figure.colorbar(ax.images[0], cax=ax.inset_axes((1.02, 0, 0.03, 1)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
