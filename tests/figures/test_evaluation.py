"""The charts of lesson 04 state what the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from unet_course.figures import evaluation
from unet_course.figures.style import FALSE_NEGATIVE, FALSE_POSITIVE


def title(ax: plt.Axes) -> str:
    return "".join(ax.get_title(loc) for loc in ("left", "center"))


def labels(ax: plt.Axes) -> list[str]:
    return [label.get_text() for label in ax.get_xticklabels()]


def test_cars_stand_from_worst_to_best_and_views_in_their_order():
    dice, cars, views = [0.9, 0.8, 0.5, 0.5], ["a", "a", "b", "b"], ["01", "02", "01", "02"]
    left, right = evaluation.dice_by_car_and_view(dice, cars, views).axes
    assert labels(left) == ["b", "a"] and labels(right) == ["01", "02"]
    assert title(left) == "The means of the cars lie 0.3500 apart"  # 0.85 and 0.5
    assert title(right) == "The means of the views lie 0.0500 apart"  # 0.7 and 0.65


def test_of_many_cars_only_the_worst_are_shown():
    cars = [f"car{i}" for i in range(9)]
    figure = evaluation.dice_by_car_and_view(np.linspace(0.1, 0.9, 9), cars, ["1"] * 9, most=4)
    assert labels(figure.axes[0]) == ["car0", "car1", "car2", "car3"]


def test_bootstrap_title_compares_the_two_widths():
    narrow = np.linspace(0.45, 0.55, 1001)
    wide = np.linspace(0.35, 0.65, 1001)
    figure = evaluation.bootstrap_means(by_car=wide, by_image=narrow)
    assert "3.0 times as wide" in title(figure.axes[0])


def test_bootstrap_of_a_single_car_has_no_width_and_draws_all_the_same():
    figure = evaluation.bootstrap_means(by_car=[0.5] * 10, by_image=[0.5] * 10)
    assert "cannot be compared" in title(figure.axes[0])


def test_threshold_curve_states_the_gain_over_one_half():
    thresholds = np.arange(1, 100) / 100
    dice = 0.9 - (thresholds - 0.7) ** 2
    figure = evaluation.threshold_curve(thresholds, dice, 0.7)
    said = "Moving the threshold from 0.50 to 0.70 gains 0.0400 on the validation cars"
    assert figure.get_suptitle() == said
    top, whole = figure.axes
    assert top.get_ylim()[0] < 0.86 < 0.9 < top.get_ylim()[1]  # both points are in view
    assert dice.min() < top.get_ylim()[0]  # which cuts off the ends; the other panel shows them
    assert whole.get_ylim()[0] < dice.min() < dice.max() < whole.get_ylim()[1]


def test_errors_by_distance_draws_the_shares_of_each_side_in_its_colour():
    outside = [[10, 5, 1, 4], [100, 100, 100, 100]]  # the last ring is everything further away
    inside = [[20, 0, 0, 0], [80, 80, 80, 80]]
    ax = evaluation.errors_by_distance([1, 2, 3], outside, inside).axes[0]
    bars = {color: [] for color in (FALSE_POSITIVE, FALSE_NEGATIVE)}
    for bar in ax.patches:
        color = next(c for c in bars if to_rgba(c) == bar.get_facecolor())
        bars[color].append((bar.get_x() + bar.get_width() / 2, bar.get_height()))
    np.testing.assert_allclose(bars[FALSE_POSITIVE], [(-0.5, 10), (-1.5, 5), (-2.5, 1)])
    np.testing.assert_allclose(bars[FALSE_NEGATIVE], [(0.5, 25), (1.5, 0), (2.5, 0)])
    assert "88 % of all wrong pixels lie within 2 pixels" in title(ax)  # 35 of 40


def test_reliability_measures_the_gap_where_the_network_is_unsure():
    said, found, pixels = [0.0, 0.3, np.nan, 1.0], [0.0, 0.5, np.nan, 1.0], [700, 100, 0, 200]
    left, right = evaluation.reliability(said, found, pixels).axes
    assert title(left) == "Where unsure, it is off by 0.20 on average"
    assert title(right) == "It is unsure of 10.0 % of the pixels"
    assert [bar.get_height() for bar in right.patches] == [70, 10, 0, 20]
    sure = evaluation.reliability([0.0, np.nan, 1.0], [0.0, np.nan, 1.0], [5, 0, 5])
    assert title(sure.axes[0]) == "Where unsure, it is off by 0.00 on average"


def test_errors_by_part_gives_shares_of_all_errors_and_the_loss_of_each_part():
    figure = evaluation.errors_by_part(["body", "mirrors"], [6, 1], [3, 0], [600, 10])
    (ax,) = figure.axes
    assert title(ax) == "Mirrors lose the largest share of their pixels: 10.0 %"
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([60, 10, 30, 0])
    assert [text.get_text() for text in ax.texts] == [" 1.0 % of it", " 10.0 % of it"]
    nothing = evaluation.errors_by_part(["glass"], [0], [0], [5])  # and nothing divided by 0
    assert title(nothing.axes[0]) == "Glass loses the largest share of its pixels: 0.0 %"


def test_errors_by_distance_of_a_perfect_prediction():
    none = [[0, 0, 0], [9, 9, 9]]
    assert (
        "no wrong pixel" in title(evaluation.errors_by_distance([1, 2], none, none).axes[0]).lower()
    )


@pytest.mark.parametrize("draw", [
    lambda: evaluation.dice_by_car_and_view([0.5], ["a"], ["1"]),
    lambda: evaluation.threshold_curve([0.4, 0.5, 0.6], [0.1, 0.1, 0.1], 0.4),
])  # fmt: skip
def test_figures_are_closed_and_as_wide_as_the_course(draw):
    figure = draw()
    assert figure.get_figwidth() == 9 and not plt.get_fignums()
