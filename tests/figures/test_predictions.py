"""The pictures of lesson 04 show the errors that are there, in their colours, and where."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from unet_course.figures import predictions
from unet_course.figures.style import FALSE_NEGATIVE, FALSE_POSITIVE, PREDICTION, TRUTH


@pytest.fixture
def photo() -> torch.Tensor:
    return torch.full((3, 40, 60), 200, dtype=torch.uint8)


@pytest.fixture
def truth() -> torch.Tensor:
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[20:35, 20:45] = True
    return mask


def picture(ax: plt.Axes) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


def title(ax: plt.Axes) -> str:
    return "".join(ax.get_title(loc) for loc in ("left", "center"))


def test_results_shows_truth_and_prediction_and_a_planted_error_in_their_colours(photo, truth):
    wrong = truth.clone()
    wrong[2:6, 3:9] = True
    example = predictions.Example("worst", photo, truth, wrong, 0.9)
    axes = predictions.results([example], title="x").axes
    shade = 0.55 + 0.45 * 200 / 255
    np.testing.assert_allclose(picture(axes[1])[30, 30], np.array(to_rgb(TRUTH)) * shade)
    np.testing.assert_allclose(picture(axes[2])[3, 4], np.array(to_rgb(PREDICTION)) * shade)
    np.testing.assert_allclose(picture(axes[1])[3, 4], 0.93)  # truth has nothing there
    np.testing.assert_allclose(picture(axes[3])[3, 4], to_rgb(FALSE_POSITIVE))
    assert axes[0].get_ylabel() == "worst\nDice 0.9000"


def test_results_enlarges_the_spot_of_the_error(photo, truth):
    wrong = truth.clone()
    wrong[2:6, 3:9] = True
    example = predictions.Example("", photo, truth, wrong, 0.9)
    errors = predictions.results([example], title="").axes[3]
    (inset,) = errors.child_axes
    np.testing.assert_allclose(picture(inset).min((0, 1)), to_rgb(FALSE_POSITIVE), atol=0.4)
    (frame,) = errors.patches
    assert frame.get_x() <= 3 and frame.get_x() + frame.get_width() >= 9


def test_results_enlarges_the_edge_of_a_patch_and_not_its_inside(photo, truth):
    wrong = truth.clone()
    wrong[:, :15] = True  # a patch far larger than the enlarged spot
    example = predictions.Example("", photo, truth, wrong, 0.9)
    (inset,) = predictions.results([example], title="").axes[3].child_axes
    shown = (picture(inset) == to_rgb(FALSE_POSITIVE)).all(-1).mean()
    assert 0.3 < shown < 0.7


def test_the_legend_is_as_pale_as_what_is_right_in_the_picture(photo, truth):
    photo[:] = 128
    figure = predictions.threshold_view(photo, truth, truth.float(), 0.5)
    right = figure.legends[0].get_patches()[0].get_facecolor()[:3]
    np.testing.assert_allclose(picture(figure.axes[1])[30, 30], right)


def test_results_of_a_perfect_prediction_enlarges_nothing(photo, truth):
    example = predictions.Example("", photo, truth, truth, 1.0)
    assert predictions.results([example], title="").axes[3].child_axes == []


def test_the_enlarged_spot_does_not_hide_the_car(photo):
    truth = torch.zeros(40, 60, dtype=torch.bool)
    truth[:20, 30:] = True  # a car in the upper right corner
    wrong = truth.clone()
    wrong[10, 30] = False
    errors = predictions.results(
        [predictions.Example("", photo, truth, wrong, 0.9)], title=""
    ).axes[3]
    place = errors.child_axes[0].get_position().bounds
    own = errors.get_position().bounds
    assert place[0] < own[0] + own[2] / 2 or place[1] < own[1] + own[3] / 2


def test_worst_spot_is_a_window_inside_the_image_around_the_densest_errors():
    errors = np.zeros((100, 200), dtype=bool)
    errors[0, ::10] = True
    errors[90:, 195:] = True
    left, top, width, height = predictions.worst_spot(errors, share=0.1)
    assert (width, height) == (20, 10)
    assert left == 180 and top == 90
    errors[:, :30] = True  # a patch at the border of the image
    left, top, width, height = predictions.worst_spot(errors, share=0.1, edge=True)
    assert left == 20 and errors[top : top + height, left : left + width].mean() == 0.5


def test_threshold_view_at_another_threshold_gives_another_picture(photo, truth):
    probability = 0.8 * truth.float() + 0.1  # 0.9 inside, 0.1 outside
    exact = predictions.threshold_view(photo, truth, probability, 0.5)
    assert title(exact.axes[1]) == "Dice 1.0000: 0 pixels too many, 0 too few"
    low = predictions.threshold_view(photo, truth, probability, 0.05)
    assert f"{40 * 60 - 15 * 25} pixels too many, 0 too few" in title(low.axes[1])
    np.testing.assert_allclose(picture(low.axes[1])[0, 0], to_rgb(FALSE_POSITIVE))
    high = predictions.threshold_view(photo, truth, probability, 0.95)
    assert title(high.axes[1]) == f"Dice 0.0000: 0 pixels too many, {15 * 25} too few"
    np.testing.assert_allclose(picture(high.axes[1])[30, 30], to_rgb(FALSE_NEGATIVE))


def test_threshold_view_of_two_empty_masks_is_a_match(photo):
    nothing = torch.zeros(40, 60)
    assert "Dice 1.0000" in title(predictions.threshold_view(photo, nothing, nothing, 0.5).axes[1])


def test_prediction_steps_names_the_sizes_as_width_by_height(photo, truth):
    small = torch.zeros(10, 15)
    figure = predictions.prediction_steps(photo, photo[:, ::4, ::4], small, small, truth)
    assert [title(ax) for ax in figure.axes][:2] == ["photo 60x40", "resized 15x10"]
    assert "mask 60x40" in title(figure.axes[5])


def test_prediction_steps_enlarges_a_piece_of_the_unsure_line(photo, truth):
    probability = truth.float()
    probability[10, 50] = 0.5
    figure = predictions.prediction_steps(photo, photo, probability, probability, truth)
    (frame,) = figure.axes[3].patches
    assert frame.get_x() <= 50 < frame.get_x() + frame.get_width()
    assert 0.5 in picture(figure.axes[4])


def test_feature_maps_shows_each_channel_and_nothing_beside_the_bottleneck():
    top, bottom = torch.rand(3, 8, 12), torch.rand(2, 4, 6)
    figure = predictions.feature_maps([("level 0", top, top), ("level 1", bottom, [])])
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 3 + 3 + 2
    np.testing.assert_allclose(picture(shown[1]), top[1])
    assert figure.axes[0].get_ylabel() == "level 0"
    (note,) = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "bottleneck" in note


def test_feature_maps_stretch_the_contrast_of_each_map():
    few, fewer = torch.zeros(2, 1, 10, 10)
    few[0, 0, :5], few[0, 1, 0] = 1, 100  # a line of ones and one bright pixel
    fewer[0, 0, 0] = 3  # all of it in less than two percent of the map
    figure = predictions.feature_maps([("level 0", few, fewer)])
    clims = [ax.images[0].get_clim() for ax in figure.axes if ax.images]
    assert clims == [(0, 1), (0, 3)]


def test_skip_ablation_says_what_each_silence_costs(photo, truth):
    cases = {
        "all skips": (truth, 0.98),
        "without skip 0": (~truth, 0.90),
        "without skip 1": (truth, 0.97),
    }
    figure = predictions.skip_ablation(photo, truth, cases)
    said = "Mean Dice 0.9800 with all skips; silencing one of them costs 0.0100 to 0.0800"
    assert figure.get_suptitle() == said
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.0000", "0.0800", "0.0100"]
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(heights, [0, 0.08, 0.01])


def test_skip_ablation_enlarges_the_spot_of_the_errors(photo, truth):
    wrong = truth.clone()
    wrong[2:6, 3:9] = True
    figure = predictions.skip_ablation(photo, truth, {"all skips": (truth, 1.0), "x": (wrong, 0.9)})
    whole, spot = figure.axes[3:]
    (frame,) = whole.patches
    assert frame.get_x() <= 3 and frame.get_x() + frame.get_width() >= 9
    assert (picture(spot) == to_rgb(FALSE_POSITIVE)).all(-1).sum() == 24


def test_tiles_draws_the_difference_and_the_edges_of_the_tiles():
    whole, tiled = torch.zeros(20, 30), torch.zeros(20, 30)
    tiled[4, 5] = 0.25
    figure = predictions.tiles(whole, tiled, ([12, 18], [8]))
    difference = figure.axes[2]
    assert picture(difference)[4, 5] == 0.25 and picture(difference).sum() == 0.25
    assert len(difference.lines) == 3
    assert not plt.get_fignums()
