"""The figures of lesson 05 show domains and recipes, and their titles say what the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from unet_course.figures import domains
from unet_course.figures.domains import Score
from unet_course.figures.style import FALSE_POSITIVE, IMAGE, error_map

PHOTOS = [torch.full((3, 20, 30), value, dtype=torch.uint8) for value in (0, 128, 255)]
PLAIN = (Score(0.95, (0.94, 0.96), [0.94, 0.96]), Score(0.6, (0.5, 0.7), [0.5, 0.7]))
GUESTS = (Score(0.94, (0.93, 0.95), [0.93, 0.95]), Score(0.9, None, [0.9]))


def draw_recipes() -> plt.Figure:
    return domains.recipes(
        {"plain": PLAIN, "guests": GUESTS}, names=("known", "unseen"), baseline=0.8,
        baseline_name="mean mask",
    )  # fmt: skip


def test_photos_stand_in_named_rows():
    figure = domains.photo_rows({"pale": PHOTOS, "hall": PHOTOS[::-1]}, title="Two studios")
    assert len(figure.axes) == 6 and figure.get_suptitle() == "Two studios"
    assert [ax.get_ylabel() for ax in figure.axes] == ["pale", "", "", "hall", "", ""]
    shown = [ax.images[0].get_array().mean() for ax in figure.axes]
    np.testing.assert_allclose(shown, [0, 128 / 255, 1, 1, 128 / 255, 0])


def test_brightness_is_a_share_of_its_own_pixels_and_the_title_gives_the_medians():
    edges = np.linspace(0, 1, 5)
    counts = {"pale": ([0, 0, 10, 90], [3, 1, 0, 0]), "hall": ([90, 10, 0, 0], [3, 1, 0, 0])}
    figure = domains.brightness(edges, counts)
    cars = [ax.lines[0].get_ydata() for ax in figure.axes]
    np.testing.assert_allclose(cars, [[75, 25, 0, 0]] * 2)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["pale", "hall"]
    assert figure.get_suptitle() == "Half of the background is darker than: pale 0.88, hall 0.12"


def test_a_recipe_has_its_mean_interval_and_cars_for_both_groups():
    ax = draw_recipes().axes[0]
    means = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in means] == [0.95, 0.6, 0.94, 0.9]
    assert [line.get_color() for line in means] == [IMAGE, FALSE_POSITIVE] * 2
    intervals = [tuple(line.get_xdata()) for line in ax.lines if line.get_marker() == "None"]
    assert intervals == [(0.94, 0.96), (0.5, 0.7), (0.93, 0.95), (0.9, 0.9), (0.8, 0.8)]
    dots = [sorted(dots.get_offsets()[:, 0]) for dots in ax.collections]
    assert dots == [[0.94, 0.96], [0.5, 0.7], [0.93, 0.95], [0.9]]
    assert {to_hex(dots.get_facecolor()[0]) for dots in ax.collections} == {
        IMAGE.lower(), FALSE_POSITIVE.lower(),
    }  # fmt: skip


def test_the_title_compares_the_first_recipe_with_the_best_on_the_unseen():
    ax = draw_recipes().axes[0]
    assert ax.get_title(loc="left") == "Unseen: 0.600 with “plain”, 0.900 with “guests”"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["plain", "guests"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["known", "unseen"]
    assert [text.get_text() for text in ax.texts] == ["mean mask"]


def test_wall_curve_draws_each_network_and_the_title_gives_the_darkest_wall():
    dice = {"plain": [0.9, 0.7, 0.4], "repaint": [0.89, 0.88, 0.87]}
    ax = domains.wall_curve([1, 0.5, 0.1], dice).axes[0]
    assert [list(line.get_ydata()) for line in ax.lines] == list(dice.values())
    title = "At 10% of its light: 0.40 with “plain”, 0.87 with “repaint”"
    assert ax.get_title(loc="left") == title


def test_wall_view_shows_the_errors_of_every_network_and_its_dice():
    truth = torch.zeros(20, 30, dtype=torch.uint8)
    truth[5:15, 5:25] = 1
    half = truth.clone()
    half[10:] = 0
    figure = domains.wall_view(PHOTOS[1], truth, {"plain": half, "repaint": truth})
    titles = [ax.get_title(loc="left") for ax in figure.axes[1:]]
    assert titles == ["plain: Dice 0.667", "repaint: Dice 1.000"]
    drawn = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(drawn, error_map(PHOTOS[1], half, truth))


@pytest.mark.parametrize("draw", [
    lambda: domains.photo_rows({"pale": PHOTOS}, title="One"),
    lambda: domains.brightness([0, 0.5, 1], {"pale": ([1, 1], [0, 0])}),
    draw_recipes,
    lambda: domains.wall_curve([1, 0.1], {"plain": [1, 0]}),
    lambda: domains.wall_view(PHOTOS[0], PHOTOS[0][0], {"plain": PHOTOS[0][0]}),
])  # fmt: skip
def test_figures_are_closed_and_as_wide_as_the_course(draw):
    figure = draw()
    assert figure.get_figwidth() == 9 and not plt.get_fignums()
