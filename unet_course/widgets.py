"""Explorers for notebooks: a slider or two around a plain function that draws one figure."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchvision import tv_tensors

from unet_course.figures import exploration, predictions


class Explorer(ipywidgets.VBox):
    """Controls above a picture; where no controls can be shown, the picture alone.

    The output carries both, and a front end without ipywidgets (GitHub, an editor without the
    extension) shows the PNG. On Colab it needs no custom widget manager: to a front end this is a
    plain VBox of ipywidgets.
    """

    _ipython_display_ = None  # ipywidgets 7 has one, and IPython would prefer it to the next

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        return {
            "text/plain": "controls above a picture",
            "image/png": base64.b64encode(self.children[-1].value).decode(),
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.model_id,
            },
        }


def explore(draw: Callable[..., Figure], **controls: ipywidgets.Widget) -> Explorer:
    """Show controls with the figure that ``draw`` returns for their values, redrawn on each change.

    Args:
        draw: takes the controls' values by name, returns a figure.
        controls: one ipywidgets control per argument of ``draw``, made with
            ``continuous_update=False`` so that a figure is drawn when a slider comes to rest.
    """
    # a picture, not an Output: papermill sometimes waits for ever on a cell that shows an Output
    # at its own size and at the left, as figures are; a box would stretch it over a wide window
    layout = {"max_width": "100%", "object_fit": "contain", "align_self": "flex-start"}
    picture = ipywidgets.Image(format="png", layout=layout | {"margin": "0"})

    def redraw(_change: object = None) -> None:
        picture.value = as_png(draw(**{name: c.value for name, c in controls.items()}))

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return Explorer([*controls.values(), picture])


def as_png(figure: Figure) -> bytes:
    """The bytes of a figure as PNG, with all its titles, as notebooks show it; closes the figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def browse_photos(
    images: Sequence[Tensor], masks: Sequence[Tensor], titles: Sequence[str]
) -> Explorer:
    """Lesson 01: page through photos, with their masks as opaque as one likes."""

    def draw(photo: int, opacity: float) -> Figure:
        return exploration.mask_over_photo(images[photo], masks[photo], opacity, titles[photo])

    return explore(
        draw,
        photo=_integers("photo", len(images) - 1),
        opacity=_shares("opacity"),
    )


def draw_augmented(
    image: Tensor, mask: Tensor, transform: Callable[..., tuple[Tensor, Tensor]], seed: int
) -> Figure:
    """A photo and its mask before and after one random draw of ``transform``, the same for a seed.

    Leaves the global random state as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed, follows = transform(tv_tensors.Image(image), tv_tensors.Mask(mask))
    titles = ("as loaded", f"one random draw, seed {seed}")
    return exploration.outlined([image, changed], [mask, follows], titles, columns=2)


def augment_photos(
    images: Sequence[Tensor],
    masks: Sequence[Tensor],
    make: Callable[[float], Callable[..., tuple[Tensor, Tensor]]],
) -> Explorer:
    """Lesson 01: watch random draws of the transform ``make(strength)``, photo and mask together."""

    def draw(photo: int, seed: int, strength: float) -> Figure:
        return draw_augmented(images[photo], masks[photo], make(strength), seed)

    return explore(
        draw,
        photo=_integers("photo", len(images) - 1),
        seed=_integers("seed", 30),
        strength=_shares("strength"),
    )


def threshold_explorer(image: Tensor, truth: Tensor, probability: Tensor) -> Explorer:
    """Lesson 04: move the threshold over one photo's probabilities ``(H, W)``; watch the errors change."""
    slider = ipywidgets.FloatSlider(
        value=0.5, min=0.01, max=0.99, step=0.01, description="threshold", continuous_update=False
    )
    return explore(partial(predictions.threshold_view, image, truth, probability), threshold=slider)


def _integers(name: str, last: int) -> ipywidgets.IntSlider:
    """A slider over 0 … ``last``."""
    return ipywidgets.IntSlider(value=0, min=0, max=last, description=name, continuous_update=False)


def _shares(name: str) -> ipywidgets.FloatSlider:
    """A slider over 0 … 1, at one half."""
    return ipywidgets.FloatSlider(
        value=0.5, min=0, max=1, step=0.1, description=name, continuous_update=False
    )
