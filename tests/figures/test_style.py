"""The palette and the drawings that every lesson shares."""

import errno

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from unet_course.figures import style


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


PHOTO = torch.full((3, 4, 6), 128, dtype=torch.uint8)


def test_colours_of_different_meaning_differ():
    meanings = (
        style.IMAGE, style.TRUTH, style.PREDICTION, style.FALSE_POSITIVE, style.FALSE_NEGATIVE,
    )  # fmt: skip
    rgb = np.array([to_rgb(colour) for colour in meanings])
    distances = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1)
    assert distances[~np.eye(5, dtype=bool)].min() > 0.2


def test_colours_of_parts_differ_from_one_another_and_from_what_colours_mean_elsewhere():
    rgb = [to_rgb(colour) for colour in style.PART_COLORS.values()]
    taken = (
        style.IMAGE, style.TRUTH, style.PREDICTION, style.FALSE_POSITIVE, style.FALSE_NEGATIVE,
    )  # fmt: skip
    # as red-blind and green-blind eyes see light (Viénot et al. 1999): red and green as one
    for eye in (np.eye(3), np.array([[0.11, 0.89, 0], [0.11, 0.89, 0], [0, 0, 1]]),
                np.array([[0.29, 0.71, 0], [0.29, 0.71, 0], [-0.02, 0.02, 1]])):  # fmt: skip
        seen = (np.array([*rgb, *map(to_rgb, taken)]) ** 2.2 @ eye.T).clip(0, 1) ** (1 / 2.2)
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
        distances[len(rgb) :, len(rgb) :] = 1
        assert distances[~np.eye(len(seen), dtype=bool)].min() > 0.2


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_photos_of_bytes_and_of_floats_look_the_same(dtype):
    photo = PHOTO if dtype == torch.uint8 else PHOTO / 255
    shown = style.to_display(photo)
    assert shown.shape == (4, 6, 3)
    assert np.allclose(shown, 128 / 255)


def test_values_beyond_black_and_white_are_clipped():
    assert style.to_display(np.full((3, 1, 1), 1.5)).max() == 1
    assert style.to_display(np.full((3, 1, 1), -0.5)).min() == 0


def test_an_overlay_tints_the_mask_and_nothing_else():
    mask = torch.zeros(4, 6, dtype=torch.uint8)
    mask[1, 2] = 1
    shown = style.overlay(PHOTO, mask, style.PREDICTION, alpha=0.25)
    expected = 0.75 * 128 / 255 + 0.25 * np.array(to_rgb(style.PREDICTION))
    assert np.allclose(shown[1, 2], expected)
    outside = np.ones((4, 6), dtype=bool)
    outside[1, 2] = False
    assert np.allclose(shown[outside], 128 / 255)


def test_an_error_map_gives_planted_errors_their_colours():
    truth, prediction = torch.zeros(2, 4, 6, dtype=torch.bool)
    truth[0, :2], prediction[0, 1:3] = True, True  # one missed, one right, one too many
    shown = style.error_map(PHOTO, prediction, truth)
    assert np.allclose(shown[0, 0], to_rgb(style.FALSE_NEGATIVE))
    assert np.allclose(shown[0, 2], to_rgb(style.FALSE_POSITIVE))
    right, background = shown[0, 1], shown[0, 3]
    assert right[1] > right[0] and right[1] > right[2]  # greenish
    assert background[0] == background[1] == background[2]  # grey


def test_a_perfect_prediction_has_no_error_colours():
    truth = torch.eye(4, 6) > 0
    shown = style.error_map(PHOTO, truth, truth)
    for colour in (style.FALSE_POSITIVE, style.FALSE_NEGATIVE):
        assert not np.isclose(shown, to_rgb(colour)).all(-1).any()


def test_the_photo_and_the_masks_are_left_as_they_were():
    photo, mask = PHOTO.clone(), torch.eye(4, 6) > 0
    style.overlay(photo, mask)
    style.error_map(photo, mask, ~mask)
    assert torch.equal(photo, PHOTO)
    assert torch.equal(mask, torch.eye(4, 6) > 0)


def test_photos_and_grey_maps_are_shown_without_axes():
    figure, (left, right) = plt.subplots(1, 2)
    style.show_image(left, PHOTO, "a photo")
    style.show_image(right, torch.rand(4, 6))
    assert left.get_title(loc="left") == "a photo" or left.get_title() == "a photo"
    assert not left.axison and not right.axison
    assert left.images[0].get_array().shape == (4, 6, 3)
    assert right.images[0].get_clim() == (0, 1)  # a half stays grey whatever stands beside it
    assert figure.axes == [left, right]


def test_the_legend_of_an_error_map_names_its_three_colours():
    figure = Figure(layout="constrained")
    style.error_legend(figure)
    (legend,) = figure.legends
    right, *wrong = [patch.get_facecolor()[:3] for patch in legend.get_patches()]
    names = (style.FALSE_POSITIVE, style.FALSE_NEGATIVE)
    assert np.allclose(wrong, [to_rgb(colour) for colour in names])
    photo, car = torch.full((3, 1, 1), 128, dtype=torch.uint8), torch.ones(1, 1)
    assert np.allclose(right, style.error_map(photo, car, car)[0, 0])
    said = [text.get_text() for text in legend.get_texts()]
    assert said[0] == "right"
    assert said[1].startswith("false positive") and said[2].startswith("false negative")


def test_the_style_holds_for_figures_drawn_after_it():
    plt.rcdefaults()
    style.use_style()
    for key, value in style.RC.items():
        assert plt.rcParams[key] == value


def figure() -> Figure:
    drawn, ax = plt.subplots(figsize=(2, 1))
    ax.plot([0, 1])
    return drawn


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_saved_figure_is_the_same_file_each_time(tmp_path, ending):
    style.use_style()
    for name in ("a", "b"):
        style.save_figure(figure(), tmp_path / "new" / f"{name}.{ending}")
    saved = [(tmp_path / "new" / f"{name}.{ending}").read_bytes() for name in ("a", "b")]
    assert saved[0] == saved[1]
    if ending == "png":
        with Image.open(tmp_path / "new" / "a.png") as image:
            assert image.size[0] > image.size[1]
            assert "Software" not in image.info


def test_a_figure_that_cannot_be_saved_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "f.png"
    path.write_bytes(b"old")
    drawn = figure()

    def full(target, **_options):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(drawn, "savefig", full)
    with pytest.raises(OSError, match=r"f\.png: could not be written"):
        style.save_figure(drawn, path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]
