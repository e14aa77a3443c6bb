"""Explorers redraw when a control moves, and draw what the controls say."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torchvision.transforms import v2

from unet_course import widgets

# Lesson 01


@pytest.fixture
def striped() -> tuple[torch.Tensor, torch.Tensor]:
    """A photo whose left half is dark, and a mask of that half."""
    image = torch.full((3, 20, 30), 200, dtype=torch.uint8)
    image[..., :15] = 50
    mask = torch.zeros(20, 30, dtype=torch.uint8)
    mask[:, :15] = 1
    return image, mask


def title(ax: Axes) -> str:
    return ax.get_title("left") + ax.get_title("center")  # where the style puts it


def both_panels(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes]


def test_an_explorer_shows_another_picture_when_its_slider_moves(striped):
    image, mask = striped
    box = widgets.browse_photos([image, image.flip(-1)], [mask, mask.flip(-1)], ["a_01", "a_02"])
    *controls, picture = box.children
    before = bytes(picture.value)
    assert before.startswith(b"\x89PNG")
    controls[0].value = 1
    assert bytes(picture.value).startswith(b"\x89PNG") and bytes(picture.value) != before


def test_an_explorer_is_a_picture_where_no_controls_can_be_shown(striped):
    image, mask = striped
    box = widgets.browse_photos([image], [mask], ["a_01"])
    data, _ = DisplayFormatter().format(box)
    assert base64.b64decode(data["image/png"]) == bytes(box.children[-1].value)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == box.model_id


def test_the_picture_of_a_figure_cuts_no_title_off():
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.set_title("a title that is wider than its figure", loc="left")
    with Image.open(io.BytesIO(widgets.as_png(figure))) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.shape[1] > 200
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def test_browse_photos_draws_the_chosen_photo_at_the_chosen_opacity(monkeypatch, striped):
    image, mask = striped
    drawn = []
    monkeypatch.setattr(widgets, "as_png", lambda figure: drawn.append(figure) or b"")
    box = widgets.browse_photos([image, image.flip(-1)], [mask, mask.flip(-1)], ["a_01", "a_02"])
    photo, opacity, _ = box.children
    photo.value, opacity.value = 1, 0.0
    assert len(drawn) == 3  # at the start, and once per change
    assert title(drawn[-1].axes[0]) == "a_02"
    left, right = both_panels(drawn[-1])
    np.testing.assert_allclose(left, right)  # at opacity 0 no tint is left
    assert not np.allclose(*both_panels(drawn[1]))  # at one half there is


def test_a_random_draw_moves_photo_and_mask_together(striped):
    figure = widgets.draw_augmented(*striped, v2.RandomHorizontalFlip(p=1), seed=0)
    before, after = both_panels(figure)
    np.testing.assert_allclose(after, before[:, ::-1])
    outlines = [ax.collections[0].get_paths()[0].vertices[:, 0] for ax in figure.axes]
    assert set(outlines[0]) == {14.5}  # the dark half's edge, seen from the left …
    assert set(outlines[1]) == {14.5}
    moved = v2.RandomAffine(degrees=0, translate=(0.3, 0))
    figure = widgets.draw_augmented(*striped, moved, seed=3)
    edge = figure.axes[1].collections[0].get_paths()[0].vertices[:, 0].max()
    row = both_panels(figure)[1][10, :, 0]
    assert edge != 14.5 and row[int(edge)] < row[int(edge) + 2]  # … and where it is moved to


def test_a_random_draw_is_the_same_for_a_seed_and_leaves_the_global_state_alone(striped):
    jitter = v2.ColorJitter(brightness=0.9)
    state = torch.get_rng_state()
    first, again, other = (
        both_panels(widgets.draw_augmented(*striped, jitter, seed=seed))[1] for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_augment_photos_makes_a_transform_of_the_chosen_strength(monkeypatch, striped):
    image, mask = striped
    made, drawn = [], []
    monkeypatch.setattr(widgets, "as_png", lambda figure: drawn.append(figure) or b"")

    def make(strength: float) -> v2.Transform:
        made.append(strength)
        return v2.ColorJitter(brightness=(1 - strength, 1 - strength))

    _, _, strength, _ = widgets.augment_photos([image], [mask], make).children
    strength.value = 1.0
    assert made == [0.5, 1.0]
    assert both_panels(drawn[0])[1].max() > 0.3 and both_panels(drawn[1])[1].max() == 0


# Lesson 04


def test_threshold_explorer_draws_at_one_half_and_again_where_the_slider_stops(
    monkeypatch, striped
):
    image, mask = striped
    drawn = []
    monkeypatch.setattr(widgets, "as_png", lambda figure: drawn.append(figure) or b"")
    slider, _ = widgets.threshold_explorer(image, mask, 0.6 * mask.float()).children
    assert not slider.continuous_update
    slider.value = 0.7
    before, after = (title(figure.axes[1]) for figure in drawn)
    assert before.startswith("Dice 1.0000") and after.startswith("Dice 0.0000")
