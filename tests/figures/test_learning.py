"""Figures of lesson 03 show the numbers that they are given, and their titles say what these mean."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from unet_course.figures import learning
from unet_course.figures.style import FALSE_NEGATIVE, FALSE_POSITIVE, IMAGE, PREDICTION, TRUTH

HISTORY = [
    {"epoch": 1, "small": 0.0, "train_loss": 0.9, "val_loss": 0.8, "val_dice": 0.70, "lr": 4e-3},
    {"epoch": 2, "small": 0.0, "train_loss": 0.2, "val_loss": 0.3, "val_dice": 0.95, "lr": 2e-3},
    {"epoch": 3, "small": 0.0, "train_loss": 0.1, "val_loss": 0.4, "val_dice": 0.90, "lr": 0.0},
]


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    assert plt.get_fignums() == [], "a figure left open is shown twice in a notebook"


def texts(ax):
    return [text.get_text() for text in ax.texts]


def line(ax, color):
    return next(found for found in ax.lines if found.get_color() == color)


def test_small_grids_names_and_colours_each_pixel():
    truth = np.array([[1, 1], [0, 0]])
    probability = np.array([[0.9, 0.2], [0.8, 0.1]])
    *_, ax = learning.small_grids(truth, probability).axes
    assert texts(ax) == ["TP", "FN", "FP", "TN"]
    colours = ax.images[0].get_array()
    expected = [[to_rgb(TRUTH), to_rgb(FALSE_NEGATIVE)], [to_rgb(FALSE_POSITIVE), (1, 1, 1)]]
    np.testing.assert_allclose(colours, expected)
    assert ax.get_title(loc="left") == "Above 0.5: 1 TP, 1 FP, 1 FN, 1 TN"


def test_small_grids_follow_the_threshold():
    truth, probability = np.array([[1, 0]]), np.array([[0.4, 0.1]])
    strict = learning.small_grids(truth, probability).axes[2]
    lenient = learning.small_grids(truth, probability, threshold=0.3).axes[2]
    assert (texts(strict), texts(lenient)) == (["FN", "TN"], ["TP", "TN"])


def test_two_losses_draw_each_curve_in_its_panel():
    x = [0.0, 1.0]
    loss, pull = {"a": [3, 1], "b": [2, 1]}, {"a": [5, 4], "b": [0, 1]}
    axes = learning.two_losses(x, loss, pull, [0.1, 1.0], {"a": [0, 1], "b": [1, 0]}).axes
    drawn = [[list(found.get_ydata()) for found in ax.lines] for ax in axes]
    assert drawn == [[[3, 1], [2, 1]], [[5, 4], [0, 1]], [[0, 1], [1, 0]]]
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["a", "b"]


def test_range_test_title_states_the_bottom_and_a_line_the_chosen_rate():
    rates, losses = [1e-4, 1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.5, 0.1, 3.0]
    (ax,) = learning.range_test(rates, losses, 1e-3, keep=0.0).axes
    assert "until the rate is about 0.1" in ax.get_title(loc="left")
    assert set(line(ax, PREDICTION).get_xdata()) == {1e-3}


def test_range_test_bottom_comes_before_the_first_jump():
    rates = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    losses = [1.0, 0.99, 1.01, 0.5, 1.2, 0.4, 3.0]  # a wobble, a fall, a jump, luck
    (ax,) = learning.range_test(rates, losses, 1e-4, keep=0.0).axes
    assert "about 0.001," in ax.get_title(loc="left")


def test_running_mean_of_a_constant_loss_is_that_constant():
    (ax,) = learning.range_test([0.1, 1, 10], [2.0, 2.0, 2.0], 0.1).axes
    np.testing.assert_allclose(line(ax, IMAGE).get_ydata(), 2.0)


def test_schedule_title_states_peak_and_warm_up():
    rates = [1, 2, 1.5, 1, 0.5, 0.4, 0.3, 0.2, 0.1, 0]
    left, right = learning.schedule(rates, [0.9] * 10, names=("rate", "momentum")).axes
    assert left.get_title(loc="left") == "Up to 2 in 20% of the steps, then to 0"
    assert (left.get_ylabel(), right.get_ylabel()) == ("rate", "momentum")


def test_curves_ring_the_best_epoch_and_keep_the_axis_of_the_whole_run():
    left, right = learning.curves(HISTORY, epochs=10).axes
    assert right.get_title(loc="left").endswith("best 0.9500, epoch 2")
    assert [right.lines[-1].get_xdata()[0], right.lines[-1].get_ydata()[0]] == [2, 0.95]
    assert left.get_xlim() == right.get_xlim() == (0.5, 10.5)
    assert list(line(left, IMAGE).get_ydata()) == [0.9, 0.2, 0.1]
    assert list(line(left, PREDICTION).get_ydata()) == [0.8, 0.3, 0.4]
    assert "0.100 in training, 0.400 on other cars" in left.get_title(loc="left")


def test_curves_of_parts_show_the_mean_iou_that_chooses_the_epoch():
    history = [row | {"val_mean_iou": 0.1 * row["epoch"]} for row in HISTORY]
    right = learning.curves(history).axes[1]
    best = history[-1]["epoch"]
    expected = f"Mean IoU of parts on cars not trained on: best {0.1 * best:.4f}, epoch {best}"
    assert right.get_title(loc="left") == expected
    assert right.lines[0].get_ydata().tolist() == [row["val_mean_iou"] for row in history]


def test_curves_say_until_when_the_photos_were_small():
    history = [row | {"small": small} for row, small in zip(HISTORY, (1, 0.5, 0), strict=True)]
    for ax in learning.curves(history).axes:
        assert ax.lines[-1].get_xdata()[0] == 2.0  # the middle of the second epoch
        assert texts(ax) == ["half size"]
        (shade,) = ax.patches
        assert shade.get_x() + shade.get_width() == 2.0
    assert all(texts(ax) == [] for ax in learning.curves(HISTORY).axes)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((1, 1, 1), "Dice at half size: best 0.9500, epoch 2"),
        ((1, 1, 0), "Dice at full size: best 0.9000, epoch 3"),  # though epoch 2 has more
        ((0, 0, 0), "Dice on cars not trained on: best 0.9500, epoch 2"),
    ],
)
def test_curves_say_of_which_size_the_best_epoch_is(sizes, said):
    history = [row | {"small": small} for row, small in zip(HISTORY, sizes, strict=True)]
    assert learning.curves(history).axes[1].get_title(loc="left") == said


def test_weight_map_shows_mask_and_weights_with_their_range():
    mask = np.eye(4)
    left, right, scale = learning.weight_map(mask, 1 + 4 * mask).axes
    assert right.get_title(loc="left") == "The weights: 1 to 5"
    np.testing.assert_array_equal(right.images[0].get_array(), 1 + 4 * mask)
    np.testing.assert_allclose(left.images[0].get_array()[0, 0], to_rgb(TRUTH))
    assert scale.get_ylabel() == "weight of a pixel"


@pytest.mark.parametrize("n", [0, 1])
def test_curves_can_be_drawn_from_the_start_of_a_run(n):
    left, _ = learning.curves(HISTORY[:n]).axes
    assert len(line(left, IMAGE).get_xdata()) == n
    left.figure.canvas.draw()


def test_memory_by_level_adds_up_both_ways():
    mib = 2**20
    (ax,) = learning.memory_by_level({"8x8": mib, "4x4": mib}, {"8x8": 2 * mib}).axes
    assert ax.get_title(loc="left") == "The finest level alone holds 75% of 4 MiB"
    assert texts(ax) == [" 3.0 MiB", " 1.0 MiB"]


def test_memory_table_colours_by_the_limits():
    limits = {"small": 4, "large": 15}
    figure = learning.memory_table([(2, 2), (4, 4)], [1, 4], [[1, 4.5], [4, 16]], limits=limits)
    (ax,) = figure.axes
    assert np.asarray(ax.images[0].get_array()).tolist() == [[0, 1], [0, 2]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "fits small",
        "fits large",
        "fits neither",
    ]
