"""The figures of lesson 01 draw what they are given, and say what it shows."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure

from unet_course.figures import exploration
from unet_course.figures.style import FALSE_NEGATIVE, FALSE_POSITIVE, TRUTH


@pytest.fixture
def photo() -> torch.Tensor:
    return torch.full((3, 20, 30), 200, dtype=torch.uint8)


@pytest.fixture
def mask() -> torch.Tensor:
    mask = torch.zeros(20, 30, dtype=torch.uint8)
    mask[5:15, 10:20] = 1
    return mask


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center")]


def outline_box(ax: plt.Axes) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the one outline in ``ax``."""
    (outline,) = ax.collections
    points = np.concatenate([path.vertices for path in outline.get_paths()])
    return *points.min(0).tolist(), *points.max(0).tolist()


def test_pixel_zoom_prints_the_mask_value_of_every_pixel_of_the_crop(photo, mask):
    figure = exploration.pixel_zoom(photo, mask, 4, 9, side=3)
    printed = [text.get_text() for text in figure.axes[2].texts]
    assert printed == [str(v) for v in mask[4:7, 9:12].flatten().tolist()]
    white = [text.get_color() == "white" for text in figure.axes[2].texts]
    assert white == mask[4:7, 9:12].flatten().bool().tolist()  # legible on the car's colour


def test_pixel_zoom_labels_rows_and_columns_of_the_whole_photo(photo, mask):
    middle = exploration.pixel_zoom(photo, mask, 4, 9, side=4).axes[1]
    assert [label.get_text() for label in middle.get_xticklabels()] == ["9", "12"]
    assert [label.get_text() for label in middle.get_yticklabels()] == ["4", "7"]


def test_pixel_zoom_at_the_border_shows_the_pixels_that_exist(photo, mask):
    figure = exploration.pixel_zoom(photo, mask, 15, 25, side=10)
    assert len(figure.axes[2].texts) == 5 * 5


def test_mask_over_photo_tints_the_foreground_only_and_states_its_share(photo, mask):
    figure = exploration.mask_over_photo(photo, mask, 1.0, "a car")
    tinted = np.asarray(figure.axes[1].images[0].get_array())
    np.testing.assert_allclose(tinted[10, 15], to_rgb(TRUTH))
    np.testing.assert_allclose(tinted[0, 0], 200 / 255)
    assert "16.7% of its pixels are car" in titles(figure)  # 100 of 600


def test_outlined_traces_each_mask_where_it_steps(photo, mask):
    moved = torch.roll(mask, 3, dims=-1)
    figure = exploration.outlined([photo, photo], [mask, moved], ["a", "b"], columns=2)
    assert outline_box(figure.axes[0]) == (9.5, 4.5, 19.5, 14.5)
    assert outline_box(figure.axes[1]) == (12.5, 4.5, 22.5, 14.5)


def test_outlined_takes_one_colour_per_photo(photo, mask):
    colors = [TRUTH, FALSE_POSITIVE]
    figure = exploration.outlined([photo] * 2, [mask] * 2, ["a", "b"], columns=2, colors=colors)
    drawn = [ax.collections[0].get_edgecolor()[0] for ax in figure.axes]
    np.testing.assert_allclose(drawn, [to_rgba(color) for color in colors])


@pytest.mark.parametrize("value", [0, 1])
def test_outlined_shows_a_mask_without_an_edge_without_a_warning(photo, value):
    figure = exploration.outlined([photo], [torch.full((20, 30), value)], ["a"])
    assert not figure.axes[0].collections


def test_outlined_leaves_the_places_after_the_last_photo_empty(photo, mask):
    figure = exploration.outlined([photo] * 5, [mask] * 5, list("abcde"), columns=4)
    assert [bool(ax.images) for ax in figure.axes] == [True] * 5 + [False] * 3


def test_foreground_shares_names_the_views_with_most_and_least_car():
    figure = exploration.foreground_shares([0.4, 0.1, 0.2], ["01", "02", "03"])
    assert "View 01 shows most car, view 02 least" in titles(figure)
    figure = exploration.foreground_shares([0.1, 0.3, 0.1, 0.4], ["01", "02", "01", "03"])
    assert "View 03 shows most car, view 01 least" in titles(figure)
    assert "On average 22% of a photo is car" in titles(figure)
    lines = figure.axes[1].collections[1].get_segments()
    np.testing.assert_allclose([line[0][1] for line in lines], [0.1, 0.3, 0.4])  # means of views


def test_foreground_shares_shows_photos_that_are_all_car():
    left = exploration.foreground_shares([1.0, 0.9], ["01", "01"]).axes[0]
    assert sum(bar.get_height() for bar in left.patches) == 2


def test_mean_masks_shows_each_view_on_one_scale_and_cuts_at_the_threshold(mask):
    means = {"01": mask * 0.4, "02": mask * 0.8}
    figure = exploration.mean_masks(means, threshold=0.5, columns=2)
    first, second = figure.axes[:2]
    assert first.images[0].get_clim() == second.images[0].get_clim() == (0, 1)
    assert not first.collections  # nothing above one half
    assert outline_box(second) == (9.5, 4.5, 19.5, 14.5)


def test_baseline_scores_prints_both_scores_of_every_baseline():
    figure = exploration.baseline_scores({"nothing": (0.79, 0.0), "average": (0.93, 0.805)})
    ax = figure.axes[0]
    assert {t.get_text() for t in ax.texts} == {"0.790", "0.000", "0.930", "0.805"}
    assert "“nothing” is right about 79% of the pixels, and its Dice is 0.00" in titles(figure)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["nothing", "average"]


def test_prediction_errors_colours_planted_errors(photo, mask):
    prediction = mask.clone()
    prediction[0, 0], prediction[10, 15] = 1, 0
    figure = exploration.prediction_errors([photo], [prediction], [mask], ["planted"])
    shown = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(shown[0, 0], to_rgb(FALSE_POSITIVE))
    np.testing.assert_allclose(shown[10, 15], to_rgb(FALSE_NEGATIVE))


@pytest.mark.parametrize(("leaky", "gain"), [([0.9, 1.0], "+0.150"), ([0.6, 0.8], "-0.100")])
def test_leak_states_what_the_leak_is_worth_also_when_it_is_worth_nothing(leaky, gain):
    figure = exploration.leak(torch.tensor([0.7, 0.9]).double(), torch.tensor(leaky).double())
    assert any(gain in title for title in titles(figure))


def test_resized_masks_lays_the_true_outline_over_small_pixels_in_full_size_coordinates(mask):
    small = {"half": mask[::2, ::2]}
    ax = exploration.resized_masks(small, mask).axes[0]
    assert ax.images[0].get_extent() == [0, 30, 20, 0]
    assert outline_box(ax) == (10, 5, 20, 15)


def test_figures_are_closed_so_that_a_notebook_shows_them_once(photo, mask):
    before = plt.get_fignums()
    exploration.pixel_zoom(photo, mask, 0, 0)
    exploration.mask_over_photo(photo, mask)
    exploration.outlined([photo], [mask], ["a"])
    exploration.foreground_shares([0.1, 0.2], ["01", "02"])
    exploration.mean_masks({"01": mask})
    exploration.baseline_scores({"nothing": (0.79, 0.0)})
    exploration.prediction_errors([photo], [mask], [mask], ["a"])
    exploration.leak([0.7, 0.8], [0.8, 0.9])
    exploration.resized_masks({"same": mask}, mask)
    assert plt.get_fignums() == before
