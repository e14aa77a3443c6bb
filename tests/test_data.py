"""Finding, checking, splitting, loading and resizing photos with masks."""

import hashlib
import itertools
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from unet_course import data, metrics
from unet_course.data import DataError


def photo_path(dataset: Path, name: str = "car0_01") -> Path:
    return dataset / "train" / f"{name}.jpg"


def mask_path(dataset: Path, name: str = "car0_01", ending: str = ".gif") -> Path:
    return dataset / "train_masks" / f"{name}_mask{ending}"


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# Finding


def test_every_photo_is_found_with_its_mask_sorted_by_name(dataset):
    samples = data.find_samples(dataset)
    assert [s.id for s in samples] == [f"car{c}_{v:02}" for c in range(4) for v in (1, 2)]
    assert all(s.mask.name == f"{s.id}_mask.gif" for s in samples)


def test_the_last_underscore_divides_car_from_view():
    sample = data.Sample(Path("train/red_racer_07.jpg"), Path("m.gif"))
    assert (sample.id, sample.car, sample.view) == ("red_racer_07", "red_racer", "07")


def test_png_masks_and_photos_and_upper_case_endings_are_found(dataset):
    with Image.open(mask_path(dataset)) as mask:
        mask.convert("L").save(mask_path(dataset, ending=".PNG"))
    mask_path(dataset).unlink()
    with Image.open(photo_path(dataset)) as photo:
        photo.save(photo_path(dataset).with_suffix(".PNG"))
    photo_path(dataset).unlink()
    samples = data.find_samples(dataset)
    assert len(samples) == 8
    assert samples[0].mask.suffix == samples[0].image.suffix == ".PNG"


def test_files_that_are_neither_photo_nor_mask_are_passed_over(dataset):
    for name in ("train/.car0_01.jpg", "train/Thumbs.db", "train_masks/readme.txt"):
        (dataset / name).write_text("not a picture")
    (dataset / "train_masks" / ".car0_01_mask.gif").write_text("left by a file manager")
    assert len(data.find_samples(dataset)) == 8


def test_an_empty_folder_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"train: no such folder.*data_dir"):
        data.find_samples(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train_masks").mkdir()
    with pytest.raises(DataError, match=r"train: no photos"):
        data.find_samples(tmp_path)


def test_a_missing_mask_is_named(dataset):
    mask_path(dataset).unlink()
    with pytest.raises(DataError, match=r"car0_01\.jpg: expected one mask car0_01_mask.*none"):
        data.find_samples(dataset)


def test_two_masks_for_one_photo_are_both_named(dataset):
    shutil.copy(mask_path(dataset), mask_path(dataset, ending=".png"))
    with pytest.raises(DataError, match=r"found car0_01_mask\.gif, car0_01_mask\.png"):
        data.find_samples(dataset)


def test_two_photos_of_one_name_are_both_named(dataset):
    shutil.copy(photo_path(dataset), photo_path(dataset).with_suffix(".png"))
    with pytest.raises(DataError, match=r"car0_01\.png: car0_01\.jpg is the same view"):
        data.find_samples(dataset)


def test_an_orphan_mask_is_named(dataset):
    photo_path(dataset).unlink()
    with pytest.raises(DataError, match=r"car0_01_mask\.gif: no photo of this name"):
        data.find_samples(dataset)


def test_a_jpeg_mask_is_refused_by_its_ending(dataset):
    with Image.open(mask_path(dataset)) as mask:
        mask.convert("L").save(mask_path(dataset, ending=".jpg"))
    mask_path(dataset).unlink()
    with pytest.raises(DataError, match=r"car0_01_mask\.jpg: masks are \.gif or \.png; a lossy"):
        data.find_samples(dataset)


@pytest.mark.parametrize("name", ["car", "_car", "car_"])
def test_a_name_without_car_and_view_is_refused(dataset, name):
    photo_path(dataset).rename(photo_path(dataset, name))
    with pytest.raises(DataError, match=rf"{name}\.jpg: expected a name like <car>_<view>"):
        data.find_samples(dataset)


def test_refusing_a_dataset_leaves_its_files_as_they_were(dataset):
    mask_path(dataset).unlink()
    before = files_of(dataset)
    with pytest.raises(DataError):
        data.load_split(dataset)
    assert files_of(dataset) == before


# Reading


def test_a_photo_is_read_as_bytes_with_channels_first(dataset):
    image = data.read_image(photo_path(dataset))
    assert (image.shape, image.dtype) == ((3, 40, 60), torch.uint8)
    with Image.open(photo_path(dataset)) as file:
        assert np.array_equal(image.permute(1, 2, 0), np.asarray(file))


def test_a_photo_is_turned_upright_as_its_exif_says(tmp_path):
    photo = Image.new("RGB", (60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    photo.save(tmp_path / "photo.jpg", exif=exif)
    assert data.read_image(tmp_path / "photo.jpg").shape == (3, 60, 40)


def test_a_large_photo_that_will_be_resized_is_decoded_smaller_but_not_too_small(tmp_path):
    rows, columns = np.mgrid[:1280, :1918]
    smooth = [127 + 100 * np.sin(rows / 60 + columns / (40 + 10 * k)) for k in range(3)]
    photo = Image.fromarray(np.stack(smooth, 2).astype(np.uint8))
    mask = Image.fromarray((np.hypot(rows - 600, columns - 900) < 300).astype(np.uint8) * 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    for name in ("train", "train_masks"):
        (tmp_path / name).mkdir()
    photo.save(tmp_path / "train" / "a_01.jpg", quality=95)
    photo.save(tmp_path / "train" / "b_01.jpg", quality=95, exif=exif)
    photo.resize((960, 640)).save(tmp_path / "train" / "c_01.jpg", quality=95)
    photo.save(tmp_path / "train" / "d_01.png")
    photo.resize((1920, 1280)).save(tmp_path / "train" / "e_01.jpg", quality=95)
    wide = mask.resize((1920, 1280), 0)
    masks = (mask, mask.rotate(-90, expand=True), mask.resize((960, 640), 0), mask, wide)
    for car, each in zip("abcde", masks, strict=True):
        each.save(tmp_path / "train_masks" / f"{car}_01_mask.png")
    a, b, c, d, e = data.find_samples(tmp_path)

    def shape(sample: data.Sample, size: tuple[int, int] | None) -> tuple[int, ...]:
        image, truth = data.read_pair(sample, size=size)
        assert truth.shape == data.read_mask(sample.mask).shape
        return tuple(image.shape[-2:])

    assert shape(a, None) == (1280, 1918) and shape(a, (960, 640)) == (1280, 1918)
    assert shape(a, (480, 320)) == (640, 959) and shape(b, (320, 480)) == (959, 640)
    assert shape(a, (240, 160)) == (640, 959)  # 4 does not divide 1918
    assert shape(a, (480, 440)) == (1280, 1918)  # too small
    assert shape(c, (120, 80)) == (640, 960)  # small enough as it is
    assert shape(d, (120, 80)) == (1280, 1918)  # no JPEG
    assert shape(e, (480, 320)) == (640, 960)
    assert shape(e, (240, 160)) == (320, 480) and shape(e, (120, 80)) == (160, 240)

    for sample, size in ((a, (480, 320)), (b, (160, 240)), (e, (240, 160)), (e, (120, 80))):
        seen, cut = data.CarDataset([sample], size=size).load(0)
        whole, truth = data.read_pair(sample)
        assert torch.equal(cut, data.resize_mask(truth, size))
        smaller, _ = data.read_pair(sample, size=size)
        assert torch.equal(seen, data.resize_image(smaller, size))
        difference = (seen.float() - data.resize_image(whole, size).float()).abs()
        assert difference.mean() < 0.5 and difference.max() <= 3  # half a pixel to the side: 0.65
    mask.resize((959, 640), 0).save(a.mask)
    with pytest.raises(DataError, match="the mask is 959x640 but its photo is 1918x1280"):
        data.read_pair(a, size=(480, 320))


def test_photos_reach_the_network_with_their_channels_apart(dataset):
    """However a decoder lays them out: a network computes other last digits on another layout."""
    image = data.read_image(photo_path(dataset))
    loaded = data.CarDataset(data.find_samples(dataset)).load(0)[0]
    for tensor in (data.resize_image(image, (30, 20)), data.normalise(image), loaded):
        assert tensor.is_contiguous()


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "1"])
def test_photos_of_other_colour_modes_become_rgb(tmp_path, mode):
    path = tmp_path / ("photo.jpg" if mode == "CMYK" else "photo.png")
    Image.new(mode, (6, 4)).save(path)
    assert data.read_image(path).shape == (3, 4, 6)


def test_raw_zeros_and_ones_of_a_palette_gif_are_background_and_car(dataset):
    with Image.open(mask_path(dataset)) as file:
        raw = np.asarray(file)
    assert set(np.unique(raw)) == {0, 1}
    mask = data.read_mask(mask_path(dataset))
    assert mask.dtype == torch.uint8
    assert np.array_equal(mask, raw)


@pytest.mark.parametrize("high", [1, 255])
def test_masks_of_other_tools_come_out_as_zeros_and_ones(tmp_path, high):
    truth = np.eye(5, dtype=np.uint8)
    Image.fromarray(truth * high).save(tmp_path / "m.png")
    assert np.array_equal(data.read_mask(tmp_path / "m.png"), truth)


@pytest.mark.parametrize(
    "palette", [[255, 255, 255, 0, 0, 0], [0, 0, 0, 1, 1, 1], [9, 9, 9, 0, 0, 0, 255, 255, 255]]
)
def test_a_palette_says_what_the_values_of_a_mask_mean(tmp_path, palette):
    raw = np.eye(5, dtype=np.uint8) + (len(palette) > 6)  # of the last palette only values 1 and 2
    mask = Image.fromarray(raw).convert("P")
    mask.putdata(raw.ravel().tolist())
    mask.putpalette(palette)
    mask.save(tmp_path / "m.png")
    white = np.array(palette[::3])[raw] > 0
    assert np.array_equal(data.read_mask(tmp_path / "m.png"), white)


def test_a_third_colour_of_a_palette_is_refused_unless_it_is_black_or_white(tmp_path):
    mask = Image.new("P", (3, 1))
    mask.putdata([0, 1, 2])
    for third, fine in ((0, True), (255, True), (128, False)):
        mask.putpalette([0, 0, 0, 255, 255, 255, third, third, third])
        mask.save(tmp_path / "m.png")
        if fine:
            assert data.read_mask(tmp_path / "m.png").tolist() == [[0, 1, third // 255]]
        else:
            with pytest.raises(DataError, match="3 grey values"):
                data.read_mask(tmp_path / "m.png")


@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_mask_of_one_value_is_all_background_or_all_car(tmp_path, value):
    Image.new("L", (5, 4), value).save(tmp_path / "m.png")
    assert data.read_mask(tmp_path / "m.png").sum() == (20 if value else 0)


def test_a_mask_with_the_grey_values_of_a_jpeg_is_refused(dataset, tmp_path):
    with Image.open(mask_path(dataset)) as mask:
        mask.convert("L").save(tmp_path / "lossy.jpg", quality=75)
    with Image.open(tmp_path / "lossy.jpg") as lossy:
        lossy.save(tmp_path / "lossy_mask.png")
    with pytest.raises(DataError, match=r"lossy_mask\.png: \d+ grey values.*JPEG"):
        data.read_mask(tmp_path / "lossy_mask.png")


def test_a_jpeg_that_is_only_called_png_is_refused_as_a_mask(dataset, tmp_path):
    with Image.open(mask_path(dataset)) as mask:
        mask.convert("L").save(tmp_path / "car0_01_mask.png", format="JPEG")
    with pytest.raises(DataError, match="grey values"):
        data.read_mask(tmp_path / "car0_01_mask.png")


def test_a_truncated_photo_is_named(dataset):
    whole = photo_path(dataset).read_bytes()
    photo_path(dataset).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"car0_01\.jpg: cannot be read as a photo"):
        data.read_image(photo_path(dataset))


def test_a_photo_that_is_missing_or_no_image_is_named(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>sign in to download</html>")
    for name in ("page.jpg", "missing.jpg"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read as a photo"):
            data.read_image(tmp_path / name)
        with pytest.raises(DataError, match=rf"{name}: cannot be read as a mask"):
            data.read_mask(tmp_path / name)


def test_damage_anywhere_in_a_file_gives_a_data_error_or_an_image(dataset, tmp_path):
    rng = random.Random(0)
    for source, read in ((photo_path, data.read_image), (mask_path, data.read_mask)):
        whole = source(dataset).read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            damaged[rng.randrange(min(len(whole), 400))] = rng.randrange(256)
            if rng.random() < 0.5:
                del damaged[rng.randrange(len(damaged)) :]
            path = tmp_path / "damaged"
            path.write_bytes(damaged)
            try:
                assert read(path).dtype == torch.uint8
            except DataError as error:
                assert str(path) in str(error)


def test_a_mask_of_another_size_is_named_with_both_sizes(dataset):
    with Image.open(mask_path(dataset)) as mask:
        mask.resize((30, 20)).save(mask_path(dataset))
    sample = data.find_samples(dataset)[0]
    with pytest.raises(
        DataError, match=r"car0_01_mask\.gif: the mask is 30x20 but its photo is 60x40"
    ):
        data.read_pair(sample)


# Resizing


def test_sizes_are_width_then_height():
    assert data.resize_image(torch.zeros(3, 40, 60, dtype=torch.uint8), (30, 20)).shape[-2:] == (
        20,
        30,
    )
    assert data.resize_mask(torch.zeros(40, 60, dtype=torch.uint8), (30, 20)).shape == (20, 30)


def test_half_covered_pixels_of_a_resized_mask_are_foreground():
    mask = torch.tensor([[1, 0, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]])
    small = data.resize_mask(mask, (2, 2))  # shares covered: 2/4, 1/4; 4/4, 0
    assert small.tolist() == [[1, 0], [1, 0]]


def test_resizing_does_not_shift_the_mask():
    mask = torch.zeros(96, 144, dtype=torch.uint8)
    mask[24:72, 36:108] = 1
    small = data.resize_mask(mask, (36, 24))
    rows, columns = small.nonzero(as_tuple=True)
    assert rows.float().mean() == pytest.approx(11.5)  # the centre of 24 rows
    assert columns.float().mean() == pytest.approx(17.5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_a_resized_mask_is_binary_and_has_the_size(height, width, new_width, new_height):
    mask = (torch.arange(height * width) % 3 == 0).reshape(height, width).to(torch.uint8)
    small = data.resize_mask(mask, (new_width, new_height))
    assert small.shape == (new_height, new_width)
    assert set(small.unique().tolist()) <= {0, 1}
    assert small.dtype == torch.uint8


# Splitting by car

CARS = st.sets(st.text("abc0123456789_", min_size=1, max_size=8), min_size=3, max_size=60)


@given(CARS)
def test_a_hash_split_puts_each_car_in_one_split_and_at_least_one_car_in_each(cars):
    split = data.hash_split(cars)
    assert split.keys() == cars
    assert set(split.values()) == set(data.SPLITS)


@given(CARS, st.randoms())
def test_a_hash_split_does_not_depend_on_order_or_repeats(cars, rng):
    shuffled = [*cars, *cars]
    rng.shuffle(shuffled)
    assert data.hash_split(shuffled) == data.hash_split(sorted(cars))


def test_a_hash_split_is_the_same_on_every_machine():
    split = data.hash_split(f"car{i}" for i in range(5))
    assert [c for c in split if split[c] == "test"] == ["car0"]
    assert [c for c in split if split[c] == "val"] == ["car3"]


def test_a_hash_split_of_many_cars_is_70_15_15():
    names = list(data.hash_split(f"car{i}" for i in range(200)).values())
    assert [names.count(name) for name in data.SPLITS] == [140, 30, 30]


def test_fewer_than_three_cars_are_refused(tmp_path, make_dataset):
    root = make_dataset(tmp_path / "two", cars=2)
    with pytest.raises(DataError, match=r"2 car\(s\): a split by car needs three or more"):
        data.load_split(root)


def test_a_split_keeps_the_views_of_a_car_together_and_loses_no_photo(dataset):
    splits = data.load_split(dataset)
    cars = {name: {s.car for s in samples} for name, samples in splits.items()}
    assert not (cars["train"] & cars["val"] | cars["train"] & cars["test"])
    assert not cars["val"] & cars["test"]
    assert sorted(s.id for samples in splits.values() for s in samples) == [
        s.id for s in data.find_samples(dataset)
    ]
    assert data.load_split(dataset) == splits


SPLIT = "car,split\ncar0,test\ncar1,val\ncar2,train\ncar3,train\n"


def test_split_csv_in_the_folder_decides(dataset):
    (dataset / "split.csv").write_text(SPLIT)
    splits = data.load_split(dataset)
    assert {s.car for s in splits["test"]} == {"car0"}
    assert {s.car for s in splits["val"]} == {"car1"}


def test_a_split_file_that_is_given_comes_before_split_csv(dataset, tmp_path):
    (dataset / "split.csv").write_text(SPLIT)
    other = tmp_path / "other.csv"
    other.write_text(SPLIT.replace("car0,test", "car0,val").replace("car1,val", "car1,test"))
    splits = data.load_split(dataset, split_file=other)
    assert {s.car for s in splits["test"]} == {"car1"}


def test_a_split_file_saved_by_excel_is_read(dataset):
    (dataset / "split.csv").write_text(SPLIT.replace("\n", "\r\n"), encoding="utf-8-sig")
    assert {s.car for s in data.load_split(dataset)["test"]} == {"car0"}


def test_a_split_file_may_list_cars_that_have_no_photos(dataset):
    (dataset / "split.csv").write_text(SPLIT + "car9,train\n")
    assert sum(map(len, data.load_split(dataset).values())) == 8


def test_a_car_in_two_splits_is_refused(dataset):
    (dataset / "split.csv").write_text(SPLIT + "car0,train\n")
    with pytest.raises(DataError, match=r"split\.csv: car car0 is in test and in train"):
        data.load_split(dataset)


def test_a_car_that_split_csv_lacks_is_named(dataset):
    (dataset / "split.csv").write_text(SPLIT.replace("car2,train\n", ""))
    with pytest.raises(DataError, match=r"split\.csv: no split for car car2 \(1 cars missing\)"):
        data.load_split(dataset)


@pytest.mark.parametrize(
    "text", ["car,split\ncar0,training\n", "car0,test\ncar1,val\n", "car,split\ncar0\n"]
)
def test_a_malformed_row_is_shown_with_what_was_expected(tmp_path, text):
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"split\.csv: row .* one of train, val, test"):
        data.read_split(path)


def test_a_split_file_that_cannot_be_read_is_named(dataset, tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00car")
    for name in ("missing.csv", "binary.csv"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read"):
            data.load_split(dataset, split_file=tmp_path / name)


def test_the_fingerprint_changes_with_any_change_of_files_or_split(dataset):
    seen = {data.fingerprint(data.load_split(dataset))}
    assert data.fingerprint(data.load_split(dataset)) in seen

    def changed() -> bool:
        digest = data.fingerprint(data.load_split(dataset))
        new = digest not in seen
        seen.add(digest)
        return new

    (dataset / "split.csv").write_text(SPLIT)
    assert changed()
    with Image.open(photo_path(dataset)) as photo:
        photo.rotate(10).save(photo_path(dataset), quality=60)
    assert changed()
    photo_path(dataset).unlink()
    mask_path(dataset).unlink()
    assert changed()


def test_the_fingerprint_does_not_depend_on_where_the_folder_lies(dataset, tmp_path):
    moved = shutil.copytree(dataset, tmp_path / "elsewhere")
    assert data.fingerprint(data.load_split(moved)) == data.fingerprint(data.load_split(dataset))


# Part of the cars


def test_drawn_cars_keep_all_their_photos_in_order(dataset):
    samples = data.find_samples(dataset)
    drawn = data.draw_cars(samples, 2, seed=0)
    cars = {s.car for s in drawn}
    assert len(cars) == 2
    assert drawn == [s for s in samples if s.car in cars]
    assert data.draw_cars(samples, 4, seed=0) == samples


def test_fewer_cars_of_a_seed_are_among_its_more_and_other_seeds_draw_others(dataset):
    samples = data.find_samples(dataset)

    def cars(n: int, seed: int) -> set[str]:
        return {s.car for s in data.draw_cars(samples, n, seed=seed)}

    for seed in range(5):
        assert cars(1, seed) < cars(2, seed) < cars(3, seed)
        assert cars(2, seed) == cars(2, seed)
    assert len({frozenset(cars(2, seed)) for seed in range(9)}) > 3


def test_the_draw_of_cars_is_the_same_on_every_machine():
    samples = [
        data.Sample(Path(f"car{c}_{v}.jpg"), Path("m.gif")) for c in range(9) for v in (1, 2)
    ]
    expected = sorted(range(9), key=lambda c: hashlib.sha256(f"7 car{c}".encode()).hexdigest())
    drawn = data.draw_cars(samples, 3, seed=7)
    assert {s.car for s in drawn} == {f"car{c}" for c in expected[:3]}


@pytest.mark.parametrize("cars", [-1, 0, 5])
def test_more_cars_than_there_are_or_none_are_refused(dataset, cars):
    with pytest.raises(DataError, match=f"{cars} cars to train on: expected 1 to 4"):
        data.draw_cars(data.find_samples(dataset), cars, seed=0)


# Loading


def test_a_dataset_gives_normalised_photos_and_binary_masks_of_the_size(dataset):
    cars = data.CarDataset(data.find_samples(dataset), size=(30, 20))
    image, mask = cars[0]
    assert len(cars) == 8
    assert (image.shape, image.dtype) == ((3, 20, 30), torch.float32)
    assert (mask.shape, mask.dtype) == ((1, 20, 30), torch.float32)
    assert -1 <= image.min() < image.max() <= 1
    assert set(mask.unique().tolist()) == {0, 1}
    assert type(image) is type(mask) is Tensor


def test_without_a_size_each_photo_keeps_its_own(dataset):
    image, mask = data.CarDataset(data.find_samples(dataset))[0]
    assert (image.shape, mask.shape) == ((3, 40, 60), (1, 40, 60))


def test_a_cached_photo_is_decoded_once(dataset):
    for cache, survives in ((True, True), (False, False)):
        cars = data.CarDataset(data.find_samples(dataset), cache=cache)
        first = cars[0][0]
        hidden = photo_path(dataset).rename(dataset / "hidden.jpg")
        try:
            if survives:
                assert torch.equal(cars[0][0], first)
            else:
                with pytest.raises(DataError):
                    cars[0]
        finally:
            hidden.rename(photo_path(dataset))


def test_augmentation_flips_photo_and_mask_together_and_keeps_the_mask_binary(dataset):
    samples = data.find_samples(dataset)
    flip = v2.RandomHorizontalFlip(p=1)
    plain, flipped = data.CarDataset(samples)[0], data.CarDataset(samples, augment=flip)[0]
    for before, after in zip(plain, flipped, strict=True):
        assert torch.equal(after, before.flip(-1))

    mask = data.CarDataset(samples).load(0)[1]
    image = tv_tensors.Image(mask[None].repeat(3, 1, 1) * 100 + 50)  # a photo that shows its mask
    torch.manual_seed(0)
    seen_flips = set()
    for _ in range(20):
        changed, follows = data.augmentation()(image, mask)
        assert set(follows.unique().tolist()) == {0, 1}
        brightest = changed.float().mean(0)
        assert brightest[follows == 1].min() > brightest[follows == 0].max()
        seen_flips.add(torch.equal(follows, mask))
    assert seen_flips == {True, False}


def test_hues_shuffle_the_colours_of_some_photos_and_leave_masks_alone():
    image = tv_tensors.Image(torch.arange(3, dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 6))
    mask = tv_tensors.Mask(torch.ones(4, 6, dtype=torch.uint8))
    augment = data.augmentation(colours=0, hues=0.5)
    torch.manual_seed(0)
    seen = []
    for _ in range(200):
        changed, follows = augment(image, mask)
        assert torch.equal(follows, mask)
        seen.append(tuple(changed[:, 0, 0].tolist()))
    assert set(seen) == set(itertools.permutations(range(3)))
    # half of the photos as they were, and of the others one in six
    assert 0.48 < seen.count((0, 1, 2)) / 200 < 0.69


def test_photos_at_another_size_have_a_cache_of_their_own(dataset):
    cars = data.CarDataset(data.find_samples(dataset), size=(24, 16))
    image, _ = cars[0]
    smaller = cars.resized((12, 8))
    assert smaller[0][0].shape == (3, 8, 12) and smaller[0][1].shape == (1, 8, 12)
    assert torch.equal(cars[0][0], image) and cars.size == (24, 16)
    assert type(smaller) is data.CarDataset and smaller.samples == cars.samples


def test_batches_are_the_photos_of_the_dataset_in_the_order_asked_for(dataset):
    cars = data.CarDataset(data.find_samples(dataset), size=(30, 20), augment=data.augmentation())
    order = [[3, 0], [5]]
    torch.manual_seed(0)
    loader = iter(cars.batches(order))
    images, masks = zip(*loader, strict=True)
    torch.manual_seed(0)
    iter(DataLoader(range(1)))  # draws as many numbers as any loader
    expected = [cars[i] for part in order for i in part]
    assert [len(batch) for batch in images] == [2, 1]
    for found, wanted in zip((images, masks), zip(*expected, strict=True), strict=True):
        assert torch.equal(torch.cat(found), torch.stack(wanted))


def test_photos_go_to_the_device_as_bytes_and_are_augmented_there(dataset):
    seen = []

    def look(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        seen.extend((t.device.type, t.dtype, type(t)) for t in (image, mask))
        return data.augmentation(hues=1.0)(image, mask)

    cars = data.CarDataset(data.find_samples(dataset), augment=look)
    ((images, masks),) = cars.batches([[0, 1]], device="meta")  # holds no values, refuses others'
    assert {t.device.type for t in (images, masks)} == {"meta"}
    assert (images.shape, masks.shape) == ((2, 3, 40, 60), (2, 1, 40, 60))
    assert seen == 2 * [
        ("meta", torch.uint8, tv_tensors.Image), ("meta", torch.uint8, tv_tensors.Mask)
    ]  # fmt: skip


def test_augmentation_does_not_change_what_is_cached(dataset):
    cars = data.CarDataset(data.find_samples(dataset), augment=data.augmentation())
    before = [t.clone() for t in cars.load(0)]
    for _ in range(5):
        cars[0]
    assert all(torch.equal(a, b) for a, b in zip(cars.load(0), before, strict=True))


def test_normalising_maps_black_to_minus_one_and_white_to_one_and_back():
    image = torch.tensor([0, 255], dtype=torch.uint8).expand(3, 1, 2)
    assert data.normalise(image)[0].tolist() == [[-1, 1]]
    photo = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(data.denormalise(data.normalise(photo)), photo / 255)


# Real photos


def test_real_photos_all_have_masks_and_sixteen_views_per_car(carvana):
    samples = data.find_samples(carvana)
    views: dict[str, set[str]] = {}
    for sample in samples:
        views.setdefault(sample.car, set()).add(sample.view)
    assert set(map(len, views.values())) == {16}
    listed = carvana / "split.csv"
    assert len(views) == (len(data.read_split(listed)) if listed.exists() else 318)


def test_real_photos_have_no_car_in_two_splits(carvana):
    splits = data.load_split(carvana)
    cars = [car for samples in splits.values() for car in {s.car for s in samples}]
    assert len(cars) == len(set(cars))


def test_real_masks_are_binary_and_cover_a_twentieth_to_not_quite_half(carvana):
    for sample in data.find_samples(carvana)[::97]:
        _, mask = data.read_pair(sample)
        assert set(mask.unique().tolist()) == {0, 1}
        assert 0.05 < mask.float().mean() < 0.45


def test_the_mean_real_mask_of_a_view_scores_a_dice_near_080(carvana):
    splits = data.load_split(carvana)

    def masks_of(name: str, view: str) -> Tensor:
        paths = [s.mask for s in splits[name] if s.view == view]
        return torch.stack([data.resize_mask(data.read_mask(p), (240, 160)) for p in paths])

    scores = []
    for view in ("01", "05", "09", "13"):
        prediction = masks_of("train", view).float().mean(0) > 0.5
        truth = masks_of("test", view).as_subclass(Tensor) > 0
        scores.append(metrics.dice(prediction.as_subclass(Tensor).expand_as(truth), truth))
    assert 0.7 < torch.cat(scores).mean() < 0.88
