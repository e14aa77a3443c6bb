"""The charts of lesson 06 show what was measured, and nothing that was not."""

import matplotlib.pyplot as plt
import pytest

from unet_course.figures import frontier
from unet_course.figures.frontier import Curve, Point, Rung


def texts(ax: plt.Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_ceilings_are_written_beside_their_points():
    dice = {"hard": [0.99, 0.995], "soft": [0.998, 0.9991]}
    (ax,) = frontier.ceilings([240, 480], dice, title="A ceiling").axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["240", "480"]
    assert texts(ax) == ["0.9900", "0.9950", "0.9980", "0.9991"]
    low, high = ax.get_ylim()
    assert low < 0.99 and high > 0.9991


def test_rungs_stand_in_order_with_their_intervals_in_every_panel():
    names = ["plain", "stem", "quick"]
    here = [Rung("plain", 0.9, 0.88, 0.91), Rung("quick", 0.95, 0.94, 0.96)]
    left, right = frontier.ladder({"here": here, "there": here[:1]}, names).axes
    assert [label.get_text() for label in left.get_yticklabels()] == names
    assert texts(left) == ["0.9000", "0.9500"] and texts(right) == ["0.9000"]
    spans = [tuple(line.get_xdata()) for line in left.lines if len(line.get_xdata()) == 2]
    assert spans == [(0.88, 0.91), (0.94, 0.96)]
    assert [line.get_ydata()[0] for line in left.lines if len(line.get_ydata()) == 2] == [0, 2]


def test_curves_of_a_race_differ_by_colour_and_their_precision_by_dashes():
    ours, theirs = Curve("sprint", True, [1, 2], [0.97, 0.98]), Curve("classic", False, [9], [0.95])
    figure = frontier.race(
        {"minutes": [ours, theirs], "photos": [theirs]}, ours="sprint", goal=0.98
    )
    left, right = figure.axes
    goal, first, second = left.lines
    assert set(goal.get_ydata()) == {0.98} and texts(left) == ["goal: 0.98"]
    assert (first.get_linestyle(), second.get_linestyle()) == ("--", "-")
    assert first.get_color() != second.get_color() == right.lines[1].get_color()
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["sprint", "classic", "float32", "bfloat16"]


@pytest.mark.parametrize("n_costs", [2, 4])
def test_what_nobody_measured_has_no_point(n_costs):
    points = [
        Point("quick", 0.98, True, [8.0] * n_costs),
        Point("classic", 0.97, False, [None] + [100.0] * (n_costs - 1)),
    ]
    labels = [f"cost {i}" for i in range(n_costs)]
    axes = frontier.frontier(points, labels, goal=0.98).axes
    assert [ax.get_xlabel() for ax in axes] == labels
    assert texts(axes[0]) == ["quick"] and texts(axes[1]) == ["quick", "classic"]
    assert all(ax.get_xscale() == "log" for ax in axes)
