"""What the figures of lesson 02 show, read back from the figures' own marks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon

from unet_course.figures import architecture, style

SMALL = [  # a U-Net of depth 1: 8x6 pixels, 4 channels
    ("input", 3, 6, 8), ("conv", 4, 6, 8), ("conv", 4, 6, 8),
    ("pool", 4, 3, 4), ("conv", 8, 3, 4), ("conv", 8, 3, 4),
    ("up", 4, 6, 8), ("skip", 4, 6, 8), ("conv", 4, 6, 8), ("conv", 4, 6, 8), ("point", 1, 6, 8),
]  # fmt: skip


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def fronts(figure: Figure) -> list[tuple[float, float, float, float]]:
    """Left, bottom, thickness and height of each box's front, in drawing order."""
    boxes = [p.get_xy() for p in figure.axes[0].patches if isinstance(p, Polygon)][2::3]
    return [(*xy.min(0), *(xy.max(0) - xy.min(0))) for xy in boxes]


def test_unet_labels_every_map_with_its_channels() -> None:
    shown = texts(architecture.draw_unet(SMALL, [(2, 7)], title="A small U"))
    for number in {"3", "4", "8", "1"}:
        assert shown.count(number) == sum(str(m[1]) == number for m in SMALL)
    assert "A small U" in shown


def test_unet_states_each_level_on_both_sides() -> None:
    shown = texts(architecture.draw_unet(SMALL, [(2, 7)]))
    assert shown.count("8×6") == 2  # the input's side and the output's
    assert shown.count("4×3") == 1


def test_unet_without_padding_states_the_size_of_every_map() -> None:
    valid = [
        ("input", 1, 20, 20), ("conv", 4, 18, 18), ("conv", 4, 16, 16),
        ("pool", 4, 8, 8), ("conv", 8, 6, 6), ("conv", 8, 4, 4),
        ("up", 4, 8, 8), ("skip", 4, 8, 8), ("conv", 4, 6, 6), ("conv", 4, 4, 4), ("point", 2, 4, 4),
    ]  # fmt: skip
    shown = texts(architecture.draw_unet(valid, [(2, 7)]))
    assert [s for s in shown if "×" in s and s[0].isdigit()][:6] == [
        "20×20", "18×18", "16×16", "8×8", "6×6", "4×4",
    ]  # fmt: skip


def test_unet_boxes_are_as_tall_as_their_maps_and_thicker_with_channels() -> None:
    boxes = fronts(architecture.draw_unet(SMALL, [(2, 7)]))
    assert len(boxes) == len(SMALL)
    heights = [box[3] / boxes[0][3] for box in boxes]
    assert heights == pytest.approx([m[2] / 6 for m in SMALL])
    assert boxes[4][2] == pytest.approx(boxes[1][2] * 2**0.5)  # 8 channels against 4


def test_unet_goes_down_at_a_pooling_and_back_up_to_the_same_row() -> None:
    boxes = fronts(architecture.draw_unet(SMALL, [(2, 7)]))
    middle = [bottom + height / 2 for _, bottom, _, height in boxes]
    assert middle[3] < middle[2]
    assert middle[6] == pytest.approx(middle[0])
    left = [box[0] for box in boxes]
    assert left[7] + boxes[7][2] == pytest.approx(left[6])  # the copy touches what came up


def test_unet_draws_one_dashed_arrow_per_skip_between_its_two_maps() -> None:
    figure = architecture.draw_unet(SMALL, [(2, 7)])
    arrows = [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]
    dashed = [a for a in arrows if a.get_linestyle() not in ("-", "solid")]
    assert len(dashed) == 2  # the skip and its entry in the legend
    (start, _), (end, _) = dashed[0]._posA_posB
    boxes = fronts(figure)
    assert start > boxes[2][0] and end == pytest.approx(boxes[7][0])
    bare = architecture.draw_unet(SMALL, [])
    assert (
        len([p for p in bare.axes[0].patches if isinstance(p, FancyArrowPatch)]) == len(arrows) - 1
    )


def test_unet_stays_within_the_figure_at_every_depth() -> None:
    for depth in (1, 3, 5):
        down, up = [("input", 3, 160, 240)], []
        for level in range(depth):
            size = (160 >> level, 240 >> level)
            down += [("conv", 8 << level, *size)] * 2
            down.append(("pool", 8 << level, 160 >> (level + 1), 240 >> (level + 1)))
            up = [("up", 8 << level, *size), ("conv", 8 << level, *size), *up]
        figure = architecture.draw_unet([*down, ("conv", 8 << depth, 5, 7), *up], [])
        figure.canvas.draw()
        width, height = figure.canvas.get_width_height()
        for text in figure.axes[0].texts:
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height, text


def test_grids_write_every_value() -> None:
    figure = architecture.draw_grids({"a": torch.tensor([[1.0, 0.25]]), "b": [[3.0]]}, title="Both")
    assert texts(figure) == ["1", "0.25", "3"]
    assert [ax.get_title("left") for ax in figure.axes] == ["a", "b"]


def test_costs_are_shares_with_the_finest_level_on_top() -> None:
    figure = architecture.draw_costs(["fine", "coarse"], {"work": [1, 3], "memory": [9, 1]})
    assert [t for t in texts(figure) if t] == ["25 %", "75 %", "90 %", "10 %"]
    figure.canvas.draw()
    ax = figure.axes[0]
    fine, coarse = (ax.transData.transform((0, y))[1] for y in (0, 1))
    assert fine > coarse


def test_receptive_fields_show_what_lies_outside_the_photo() -> None:
    photo = torch.full((3, 40, 60), 128, dtype=torch.uint8)
    boxes = {"small": (10, 10, 20, 20), "large": (-30, -5, 70, 65)}
    figure = architecture.draw_receptive_fields(photo, boxes)
    ax = figure.axes[0]
    assert ax.get_xlim()[0] < -5 and ax.get_xlim()[1] > 65
    assert ax.get_ylim()[1] < -30 and ax.get_ylim()[0] > 70
    assert [p.get_width() for p in ax.patches] == [11, 71]  # last column included
    assert texts(figure) == ["small", "large"]


def test_reach_leaves_pixels_that_do_not_matter_blank() -> None:
    gradient = torch.zeros(5, 7)
    gradient[2, 3] = 4.0
    shown = architecture.draw_reach({"a": gradient, "b": gradient}).axes[0].images[0].get_array()
    assert shown.mask.sum() == 34 and shown[2, 3] == 1.0


def test_overfitting_shows_the_curve_and_a_picture_per_moment() -> None:
    picture = torch.rand(3, 8, 12)
    moments = {1: torch.zeros(8, 12), 9: torch.ones(8, 12)}
    figure = architecture.draw_overfitting(
        [1.0, 0.5, 0.1], picture, torch.ones(8, 12), moments, title="It learns"
    )
    curve = figure.axes[0].lines[0]
    assert curve.get_xdata().tolist() == [1, 2, 3] and list(curve.get_ydata()) == [1.0, 0.5, 0.1]
    titles = [ax.get_title("left") for ax in figure.axes[1:]]
    assert titles == ["one of its photos", "step 1", "step 9", "its mask"]


def test_comparison_paints_errors_of_each_prediction_in_the_palette() -> None:
    photo, truth = torch.rand(3, 8, 12), torch.zeros(8, 12, dtype=torch.bool)
    truth[2:6, 2:6] = True
    more, less = truth.clone(), truth.clone()
    more[0, 0], less[3, 3] = True, False
    figure = architecture.draw_comparison([photo], [truth], {"more": [more], "less": [less]})
    _, first, second = (ax.images[0].get_array() for ax in figure.axes)
    assert np.allclose(first[0, 0], to_rgb(style.FALSE_POSITIVE))
    assert np.allclose(second[3, 3], to_rgb(style.FALSE_NEGATIVE))


def test_context_and_detail_show_the_photo_its_window_and_the_coarse_copy() -> None:
    photo = torch.randint(0, 255, (3, 24, 48), dtype=torch.uint8)
    figure = architecture.draw_context_and_detail(photo, (4, 10, 8), photo[:, ::8, ::8])
    whole, detail, coarse = (ax.images[0].get_array() for ax in figure.axes)
    assert whole.shape == (24, 48, 3) and coarse.shape == (3, 6, 3)
    np.testing.assert_array_equal(detail, whole[4:12, 10:18])
    assert figure.axes[0].patches[0].get_bbox().extents.tolist() == [9.5, 3.5, 17.5, 11.5]
