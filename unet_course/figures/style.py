"""The one style of all figures: palette, sizes, and the few drawings that every lesson shares.

The palette is colour-blind safe (Okabe and Ito, "Color Universal Design", 2008), and each meaning
keeps its colour in every figure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from unet_course.checkpoints import replacing

INK, GREY, LIGHT = "#222222", "#767676", "#D9D9D9"
IMAGE = "#0072B2"  # blue: the photo, the encoder, training
TRUTH = "#009E73"  # green: the true mask, right pixels
PREDICTION = "#E69F00"  # orange: what the network says, the decoder, validation
FALSE_POSITIVE = "#D55E00"  # vermilion: background taken for car
FALSE_NEGATIVE = "#CC79A7"  # pink: car taken for background
# Parts of a car, unlike one another and unlike the meanings above for the colour-blind too, by their
# lightness: dark wheels, middling body, pale glass on paler background.
PART_COLORS = {
    "background": "#EDEDED",
    "body": "#7B68EE",  # violet
    "glass": "#88CCEE",  # pale blue
    "wheels": "#222222",  # ink
    "lights": "#F0E442",  # yellow
    "plate": "#7B3F00",  # brown
    "mirrors": "#AD1457",  # crimson
}
_FORMAT_VARIABLE, _WIDTH_VARIABLE = "UNET_COURSE_FIGURE_FORMAT", "UNET_COURSE_FIGURE_WIDTH"
WIDTH = 9.0  # inches; a figure this wide is legible in a README

RC = {
    "figure.dpi": 100,
    "savefig.dpi": 130,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    "svg.hashsalt": "unet-course",
}


def use_style() -> None:
    """Apply the course's style to all figures drawn from here on."""
    plt.rcParams.update(RC)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG (or as its ending says), whole or not at all, without a time stamp.

    `figure_files` sets another format or width for all figures.
    """
    path, width = Path(path), os.environ.get(_WIDTH_VARIABLE)
    path = path.with_suffix(f".{os.environ.get(_FORMAT_VARIABLE) or path.suffix[1:]}")
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    kind = path.suffix.removeprefix(".")
    dpi = int(width) / figure.get_figwidth() if width else plt.rcParams["savefig.dpi"]
    with replacing(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata.get(kind))


@contextmanager
def figure_files(format: str, width: int | None = None) -> Iterator[None]:
    """While this lasts, `save_figure` writes this format at this width in pixels, in kernels too.

    Raises:
        ValueError: matplotlib cannot write this format, or the width is below 1.
    """
    formats = FigureCanvasBase.get_supported_filetypes()
    if format not in formats or (width is not None and width < 1):
        raise ValueError(
            f"format {format!r}, width {width}: expected one of {', '.join(sorted(formats))}, and a "
            "width in pixels of 1 or more"
        )
    before = dict(os.environ)
    os.environ |= {_FORMAT_VARIABLE: format, _WIDTH_VARIABLE: str(width or "")}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def close(figure: Figure) -> Figure:
    """The figure, closed, so that a notebook shows it once: as the value of its cell."""
    plt.close(figure)
    return figure


def to_display(image: object) -> np.ndarray:
    """A photo as matplotlib wants it, ``(H, W, 3)`` in 0…1, from uint8 or float ``(3, H, W)``."""
    array = np.asarray(image)
    if array.dtype == np.uint8:
        array = array / 255.0
    return np.clip(array.transpose(1, 2, 0), 0, 1)


def show_image(ax: Axes, image: object, title: str = "") -> None:
    """Show a photo ``(3, H, W)`` or a grey map ``(H, W)`` in 0…1 without axes."""
    array = np.asarray(image)
    if array.ndim == 3:
        ax.imshow(to_display(array))
    else:
        ax.imshow(array, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title)
    ax.set_axis_off()


def overlay(image: object, mask: object, color: str = TRUTH, *, alpha: float = 0.5) -> np.ndarray:
    """Tint the foreground of ``mask`` ``(H, W)`` on a photo ``(3, H, W)``: ``(H, W, 3)`` in 0…1."""
    shown = to_display(image)
    inside = np.asarray(mask)[..., None] > 0
    return np.where(inside, (1 - alpha) * shown + alpha * np.array(to_rgb(color)), shown)


def error_map(image: object, prediction: object, truth: object) -> np.ndarray:
    """The photo in pale grey with false positives and false negatives in their colours: ``(H, W, 3)``."""
    grey = 0.6 + 0.4 * to_display(image).mean(-1, keepdims=True).repeat(3, axis=-1)
    prediction, truth = np.asarray(prediction) > 0, np.asarray(truth) > 0
    grey[prediction & truth] = 0.55 * grey[prediction & truth] + 0.45 * np.array(to_rgb(TRUTH))
    grey[prediction & ~truth] = to_rgb(FALSE_POSITIVE)
    grey[~prediction & truth] = to_rgb(FALSE_NEGATIVE)
    return grey


def error_legend(figure: Figure) -> None:
    """A legend below the figure for `error_map`'s colours, with "right" as on a mid grey photo."""
    grey, car = np.full((3, 1, 1), 128, dtype=np.uint8), np.ones((1, 1))
    entries = (
        (error_map(grey, car, car)[0, 0], "right"),
        (FALSE_POSITIVE, "false positive: background taken for car"),
        (FALSE_NEGATIVE, "false negative: car taken for background"),
    )
    handles = [Patch(color=color, label=label) for color, label in entries]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
