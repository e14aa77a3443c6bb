"""Part masks: finding, checking, loading, resizing and saving them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from unet_course import data, parts
from unet_course.data import DataError
from unet_course.figures.style import PART_COLORS

MASKS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)),
                   elements=st.integers(0, 6))  # fmt: skip


def part_path(dataset: Path, name: str = "car0_01") -> Path:
    return dataset / "train_parts" / f"{name}_parts.png"


def change(path: Path, edit) -> None:
    """Rewrite a part mask with what ``edit`` makes of its numbers."""
    with Image.open(path) as file:
        ids = np.array(file)
    parts.save_parts(path, torch.from_numpy(edit(ids)), PART_COLORS)


def ids(text: str) -> Tensor:
    """A part mask from rows of digits."""
    return torch.tensor([[int(c) for c in row] for row in text.split()], dtype=torch.uint8)


# Finding and reading


def test_a_part_mask_holds_places_in_the_list_of_parts(part_dataset):
    mask = parts.read_parts(part_path(part_dataset))
    assert isinstance(mask, tv_tensors.Mask)
    assert (mask.shape, mask.dtype) == ((40, 60), torch.uint8)
    assert set(mask.unique().tolist()) == set(range(len(parts.PARTS)))


def test_the_parts_together_are_the_car(part_dataset):
    assert parts.have_parts(part_dataset)
    for sample in data.find_samples(part_dataset):
        image, mask = parts.read_part_pair(sample)
        assert torch.equal(image, data.read_image(sample.image))
        assert torch.equal(mask > 0, data.read_mask(sample.mask) > 0)


def test_a_dataset_without_part_masks_says_so_and_who_has_them(dataset):
    assert not parts.have_parts(dataset)
    with pytest.raises(DataError, match=r"train_parts: no such folder.*data/turntable has them"):
        parts.read_part_pair(data.find_samples(dataset)[0])


def test_a_part_mask_that_is_missing_among_others_is_named(part_dataset):
    part_path(part_dataset).unlink()
    with pytest.raises(DataError, match=r"car0_01_parts\.png: no such file, though other"):
        parts.read_part_pair(data.find_samples(part_dataset)[0])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_part_mask_that_is_no_palette_image_is_refused(part_dataset, mode):
    path = part_path(part_dataset)
    with Image.open(path) as file:
        file.convert(mode).save(path)
    with pytest.raises(
        DataError, match=rf"car0_01_parts\.png: has mode {mode}, expected a palette"
    ):
        parts.read_parts(path)


def test_a_number_that_is_no_part_is_refused(part_dataset):
    change(part_path(part_dataset), lambda ids: np.where(ids == 2, 7, ids))
    with pytest.raises(DataError, match=r"has the value 7, expected 0 to 6 \(background, body"):
        parts.read_parts(part_path(part_dataset))


def test_a_damaged_part_mask_is_named(part_dataset):
    path = part_path(part_dataset)
    for content in (b"", b"no image", path.read_bytes()[:60]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"car0_01_parts\.png: cannot be read as a part mask"):
            parts.read_parts(path)


def test_a_part_mask_of_another_size_is_refused(part_dataset):
    change(part_path(part_dataset), lambda ids: ids[:-2])
    with pytest.raises(DataError, match="the part mask is 60x38 but its photo is 60x40"):
        parts.read_part_pair(data.find_samples(part_dataset)[0])


def test_parts_that_are_not_the_car_together_are_refused(part_dataset):
    def enlarge(ids: np.ndarray) -> np.ndarray:
        ids[0, :3] = 6  # three pixels of mirror in the sky
        return ids

    change(part_path(part_dataset), enlarge)
    with pytest.raises(DataError, match=r"not the car of car0_01_mask\.gif: 3 pixels differ"):
        parts.read_part_pair(data.find_samples(part_dataset)[0])


def test_the_fingerprint_changes_with_the_part_masks(part_dataset):
    splits = data.load_split(part_dataset)
    before = parts.fingerprint(splits)
    assert before == parts.fingerprint(splits) != data.fingerprint(splits)
    change(part_path(part_dataset), lambda ids: np.where(ids == 4, 1, ids))
    assert parts.fingerprint(splits) != before


# Resizing


def test_the_part_that_covers_most_of_a_pixel_gives_it_its_name():
    mask = ids("0012 0112 3344 3354")
    assert parts.resize_parts(mask, (2, 2)).tolist() == [[0, 2], [3, 4]]


def test_of_equal_shares_the_later_part_wins():
    assert parts.resize_parts(ids("00 11"), (1, 1)).tolist() == [[1]]  # half covered is car
    assert parts.resize_parts(ids("11 66"), (1, 1)).tolist() == [[6]]
    assert parts.resize_parts(ids("01 36"), (1, 1)).tolist() == [[6]]


@given(MASKS, st.integers(1, 15), st.integers(1, 15))
def test_resizing_invents_no_part(array, width, height):
    resized = parts.resize_parts(torch.from_numpy(array), (width, height))
    assert (resized.shape, resized.dtype) == ((height, width), torch.uint8)
    assert set(resized.unique().tolist()) <= set(np.unique(array).tolist())


@given(MASKS)
def test_resizing_to_the_same_size_changes_nothing_and_enlarging_copies(array):
    mask = torch.from_numpy(array)
    height, width = mask.shape
    assert torch.equal(parts.resize_parts(mask, (width, height)).as_subclass(Tensor), mask)
    doubled = parts.resize_parts(mask, (2 * width, 2 * height)).as_subclass(Tensor)
    assert torch.equal(doubled, mask.repeat_interleave(2, 0).repeat_interleave(2, 1))


@given(MASKS, st.integers(1, 15), st.integers(1, 15))
def test_with_one_part_resizing_is_that_of_the_car_mask(array, width, height):
    car = torch.from_numpy((array > 0).astype(np.uint8))
    ours, theirs = (f(car, (width, height)) for f in (parts.resize_parts, data.resize_mask))
    assert torch.equal(ours.as_subclass(Tensor), theirs.as_subclass(Tensor))


# As a dataset


def test_a_part_dataset_gives_the_part_of_each_pixel_as_an_integer(part_dataset):
    samples = data.find_samples(part_dataset)
    dataset = parts.PartDataset(samples, size=(30, 20))
    image, target = dataset[0]
    assert dataset.classes == parts.PARTS
    assert (target.shape, target.dtype, type(target)) == ((20, 30), torch.int64, Tensor)
    assert torch.equal(image, data.CarDataset(samples, size=(30, 20))[0][0])
    expected = parts.resize_parts(parts.read_parts(part_path(part_dataset)), (30, 20))
    assert torch.equal(target, expected.as_subclass(Tensor).long())


def test_a_large_photo_is_decoded_smaller_but_its_parts_are_not(part_dataset):
    sample = data.find_samples(part_dataset)[0]
    for path in (sample.image, sample.mask, parts.find_parts(sample)):
        with Image.open(path) as file:
            large = file.resize((1920, 1280), Image.Resampling.NEAREST)
        large.save(path)
    image, whole = parts.read_part_pair(sample, size=(120, 80))
    assert (image.shape, whole.shape) == ((3, 160, 240), (1280, 1920))
    target = parts.PartDataset([sample], size=(120, 80))[0][1]
    expected = parts.resize_parts(parts.read_parts(parts.find_parts(sample)), (120, 80))
    assert torch.equal(target, expected.as_subclass(Tensor).long())


def test_augmentation_flips_photo_and_parts_together_and_keeps_the_parts(part_dataset):
    samples = data.find_samples(part_dataset)
    flip = v2.RandomHorizontalFlip(p=1)
    plain, flipped = (parts.PartDataset(samples, augment=a)[0] for a in (None, flip))
    for before, after in zip(plain, flipped, strict=True):
        assert torch.equal(after, before.flip(-1))
    augmented = parts.PartDataset(samples, augment=data.augmentation())
    target = plain[1]
    for _ in range(5):
        found = augmented[0][1]
        assert torch.equal(found, target) or torch.equal(found, target.flip(-1))


def test_parts_and_cars_are_augmented_by_the_same_draws(part_dataset):
    samples = data.find_samples(part_dataset)
    found = []
    for kind in (data.CarDataset, parts.PartDataset):
        torch.manual_seed(5)
        found.append([kind(samples, augment=data.augmentation())[i] for i in range(4)])
    for (photo, car), (same, target) in zip(*found, strict=True):
        assert torch.equal(photo, same)
        assert torch.equal(car[0] > 0, target > 0)


# Saving


@given(MASKS)
def test_saved_parts_come_back(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("saved") / "new" / "a_parts.png"
    parts.save_parts(path, torch.from_numpy(array).long(), PART_COLORS)
    assert np.array_equal(parts.read_parts(path).numpy(), array)


def test_saved_parts_show_the_course_s_colours(tmp_path):
    parts.save_parts(tmp_path / "a.png", torch.arange(7)[None], PART_COLORS)
    with Image.open(tmp_path / "a.png") as file:
        assert (file.mode, file.format, file.size) == ("P", "PNG", (7, 1))
        shown = np.array(file.convert("RGB"))[0]
    assert [f"#{r:02X}{g:02X}{b:02X}" for r, g, b in shown] == list(PART_COLORS.values())
