"""Explorers for notebooks: a slider or two around a plain function that draws one figure."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure


def explore(draw: Callable[..., Figure], **controls: ipywidgets.Widget) -> ipywidgets.Widget:
    """Show controls with the figure that ``draw`` returns for their values, redrawn on each change.

    Args:
        draw: takes the controls' values by name, returns a figure.
        controls: one ipywidgets control per argument of ``draw``, made with
            ``continuous_update=False`` so that a figure is drawn when a slider comes to rest.
    """
    output = ipywidgets.Output()

    def redraw(_change: object = None) -> None:
        figure = draw(**{name: control.value for name, control in controls.items()})
        with output:
            output.clear_output(wait=True)
            display(figure)
        plt.close(figure)

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), output])
