"""The figures of a network for parts state what the numbers say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba

from unet_course.figures import parts
from unet_course.figures.style import PART_COLORS
from unet_course.parts import PARTS

PHOTO = torch.full((3, 20, 30), 255, dtype=torch.uint8)


def example(label: str = "car1_01") -> parts.Example:
    truth = torch.zeros(20, 30, dtype=torch.uint8)
    truth[5:15, 5:25] = 1
    prediction = truth.long()
    prediction[5:8, 5:25] = 2
    return parts.Example(label, PHOTO, truth, prediction)


def texts(ax: plt.Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_every_part_has_its_colour_and_white_photos_show_it_pure():
    mask = np.arange(7)[None]
    painted = parts.paint_parts(torch.full((3, 1, 7), 255, dtype=torch.uint8), mask)
    np.testing.assert_allclose(painted[0], [to_rgb(PART_COLORS[name]) for name in PARTS])


def test_light_and_shade_stay_on_the_car_and_not_on_the_background():
    mask = np.array([[0, 1]])
    painted = parts.paint_parts(np.zeros((3, 1, 2), np.uint8), mask)
    np.testing.assert_allclose(painted[0, 0], to_rgb(PART_COLORS["background"]))
    np.testing.assert_allclose(painted[0, 1], 0.55 * np.array(to_rgb(PART_COLORS["body"])))


def test_results_have_a_row_per_example_and_explain_the_parts():
    figure = parts.results([example("a"), example("b")], title="Glass is found everywhere")
    assert len(figure.axes) == 6
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["a", "b"]
    assert [ax.get_title(loc="center") for ax in figure.axes[:3]] == [
        "photo", "true parts", "predicted parts",
    ]  # fmt: skip
    assert figure.get_suptitle() == "Glass is found everywhere"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == list(PARTS[1:])
    assert np.array_equal(
        figure.axes[2].images[0].get_array(), parts.paint_parts(PHOTO, example().prediction)
    )


def test_composition_shows_the_share_of_every_part_and_names_the_rarest():
    shares = dict(zip(PARTS, (0.79, 0.1, 0.05, 0.04, 0.015, 0.001, 0.004), strict=True))
    figure = parts.composition(PHOTO, example().truth, shares)
    assert np.array_equal(figure.axes[1].images[0].get_array(), parts.paint_parts(
        PHOTO, example().truth))  # fmt: skip
    bars = figure.axes[2]
    np.testing.assert_allclose([b.get_width() for b in bars.patches][::-1], [
        79, 10, 5, 4, 1.5, 0.1, 0.4])  # fmt: skip
    assert "0.40 %" in texts(bars) and bars.get_title(loc="right") == "plate: 1 pixel in 1,000"


IOU = dict(zip(PARTS, (0.99, 0.9, 0.8, 0.7, 0.6, None, 0.4), strict=True))
INTERVALS = {name: value and (value - 0.1, value + 0.05) for name, value in IOU.items()}


def test_bars_have_the_heights_and_colours_and_the_title_names_best_and_worst():
    ax = parts.iou_bars(IOU, INTERVALS).axes[0]
    known = [name for name in PARTS if IOU[name] is not None]
    assert [bar.get_height() for bar in ax.patches] == [IOU[name] for name in known]
    assert [bar.get_facecolor() for bar in ax.patches] == [to_rgba(PART_COLORS[n]) for n in known]
    assert ax.get_title(loc="left") == "Found best: body, IoU 0.900; worst: mirrors, 0.400"
    assert [label.get_text() for label in ax.get_xticklabels()] == list(PARTS)
    assert "0.700" in texts(ax) and "does not occur" in texts(ax)
    drawn = {tuple(np.round(line.get_ydata(), 6)) for line in ax.lines}
    assert (0.6, 0.75) in drawn and len(drawn) == 6


def test_bars_of_a_single_car_have_no_interval():
    ax = parts.iou_bars(IOU, dict.fromkeys(PARTS)).axes[0]
    assert all(line.get_ydata()[0] == line.get_ydata()[1] for line in ax.lines)


def test_the_confusion_matrix_says_its_numbers_and_the_largest_mix_up():
    shares = {"body": [0.75, 0.2, 0.05], "glass": [0.001, 0.999, 0.0], "plate": [None] * 3}
    ax = parts.confusion_matrix(shares).axes[0]
    assert texts(ax) == ["75", "20", "5.0", "0.1", "100", "0", "–", "–", "–"]
    assert ax.get_title(loc="left") == "Largest mix-up: 20.0 % of body is taken for glass"
    assert [label.get_text() for label in ax.get_yticklabels()] == list(shares)


def test_a_perfect_confusion_matrix_mixes_nothing_up():
    shares = {"body": [1.0, 0.0], "glass": [0.0, 1.0]}
    title = parts.confusion_matrix(shares).axes[0].get_title(loc="left")
    assert title == "Nothing is mixed up"


@pytest.mark.parametrize("draw", [
    lambda: parts.results([example()], title="One"),
    lambda: parts.composition(PHOTO, example().truth, dict.fromkeys(PARTS, 0.1)),
    lambda: parts.iou_bars(IOU, INTERVALS),
    lambda: parts.confusion_matrix({"body": [1.0]}),
])  # fmt: skip
def test_figures_are_closed(draw):
    assert draw().get_figwidth() <= 9 and not plt.get_fignums()
