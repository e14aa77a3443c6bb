"""A smaller copy of a Carvana folder."""

import numpy as np
import pytest
from PIL import Image

from unet_course import data
from unet_course.data import DataError
from unet_course.prepare import prepare


def tree(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_copy_has_every_photo_and_mask_at_the_size(dataset, tmp_path):
    assert prepare(dataset, tmp_path / "copy", size=(30, 20)) == 8
    samples = data.find_samples(tmp_path / "copy")
    assert [s.id for s in samples] == [s.id for s in data.find_samples(dataset)]
    for sample in samples:
        image, mask = data.read_pair(sample)
        assert image.shape == (3, 20, 30)
        assert set(mask.unique().tolist()) == {0, 1}
        with Image.open(sample.mask) as file:
            assert set(np.unique(np.asarray(file))) == {0, 1}  # raw values, as Kaggle's


def test_pixels_of_the_copy_are_car_where_at_least_half_is_car(dataset, tmp_path):
    prepare(dataset, tmp_path / "copy", size=(30, 20))
    originals = data.find_samples(dataset)
    for original, copy in zip(originals, data.find_samples(tmp_path / "copy"), strict=True):
        whole, small = data.read_mask(original.mask), data.read_mask(copy.mask)
        covered = whole.reshape(20, 2, 30, 2).float().mean((1, 3))
        assert np.array_equal(small, covered >= 0.5)


def test_photos_of_the_copy_look_like_the_originals(dataset, tmp_path):
    prepare(dataset, tmp_path / "copy", size=(30, 20))
    for original in data.find_samples(dataset):
        expected = data.resize_image(data.read_image(original.image), (30, 20)).float()
        found = data.read_image(tmp_path / "copy" / "train" / f"{original.id}.jpg").float()
        assert (found - expected).abs().mean() < 8


def test_the_same_source_gives_the_same_copy_byte_for_byte(dataset, tmp_path):
    for name in ("a", "b"):
        prepare(dataset, tmp_path / name, size=(30, 20))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_source_is_left_as_it_was(dataset, tmp_path):
    before = tree(dataset)
    prepare(dataset, tmp_path / "copy", size=(30, 20))
    assert tree(dataset) == before


def test_an_unfinished_copy_is_completed_without_doing_the_rest_again(dataset, tmp_path):
    copy = tmp_path / "copy"
    prepare(dataset, copy, size=(30, 20))
    whole = tree(copy)
    (copy / "train" / "car0_01.jpg").unlink()
    (copy / "train_masks" / "car1_02_mask.gif").unlink()
    kept = copy / "train" / "car2_01.jpg"
    stamp = kept.stat().st_mtime_ns
    assert prepare(dataset, copy, size=(30, 20)) == 8
    assert tree(copy) == whole
    assert kept.stat().st_mtime_ns == stamp


def test_a_copy_of_another_size_is_not_mixed_in(dataset, tmp_path):
    prepare(dataset, tmp_path / "copy", size=(30, 20))
    before = tree(tmp_path / "copy")
    with pytest.raises(DataError, match=r"car0_01\.jpg: is 30x20 already, not 15x10"):
        prepare(dataset, tmp_path / "copy", size=(15, 10))
    assert tree(tmp_path / "copy") == before


def test_photos_taken_with_a_turned_camera_are_copied_upright(dataset, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = dataset / "train" / "car0_01.jpg"
    with Image.open(path) as photo:
        upright = photo.copy()
        upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    prepare(dataset, tmp_path / "copy", size=(30, 20))
    found = data.read_image(tmp_path / "copy" / "train" / "car0_01.jpg").float()
    expected = np.asarray(upright.resize((30, 20)), dtype=float).transpose(2, 0, 1)
    assert np.abs(found.numpy() - expected).mean() < 8


SPLIT = "car,split\ncar0,test\ncar1,val\ncar2,train\n"


def test_a_split_file_chooses_the_cars_and_goes_along(dataset, tmp_path):
    listed = tmp_path / "chosen.csv"
    listed.write_text(SPLIT)
    assert prepare(dataset, tmp_path / "copy", size=(30, 20), split_file=listed) == 6
    splits = data.load_split(tmp_path / "copy")
    assert {name: {s.car for s in samples} for name, samples in splits.items()} == {
        "train": {"car2"}, "val": {"car1"}, "test": {"car0"},
    }  # fmt: skip


def test_the_source_s_own_split_goes_along(dataset, tmp_path):
    (dataset / "split.csv").write_text(SPLIT + "car3,train\n")
    assert prepare(dataset, tmp_path / "copy", size=(30, 20)) == 8
    assert (tmp_path / "copy" / "split.csv").read_text() == SPLIT + "car3,train\n"


def test_a_listed_car_without_photos_is_named_and_nothing_copied(dataset, tmp_path):
    listed = tmp_path / "chosen.csv"
    listed.write_text(SPLIT + "car9,train\n")
    with pytest.raises(DataError, match=r"has no photos of car car9 \(1 cars of .*chosen\.csv"):
        prepare(dataset, tmp_path / "copy", split_file=listed)
    assert not (tmp_path / "copy").exists()


def test_copying_onto_the_source_is_refused(dataset):
    before = tree(dataset)
    with pytest.raises(DataError, match="is the source folder too"):
        prepare(dataset, dataset / "train" / "..")
    assert tree(dataset) == before


def test_a_truncated_photo_is_named_and_the_copy_goes_on_once_it_is_restored(dataset, tmp_path):
    path = dataset / "train" / "car1_01.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"car1_01\.jpg: cannot be read as a photo"):
        prepare(dataset, tmp_path / "copy", size=(30, 20))
    path.write_bytes(whole)
    assert prepare(dataset, tmp_path / "copy", size=(30, 20)) == 8
    assert len(data.find_samples(tmp_path / "copy")) == 8


def test_a_disk_that_fills_is_reported_and_leaves_no_half_photo(
    dataset, tmp_path, files_limited_to
):
    with (
        files_limited_to(500),
        pytest.raises(OSError, match=r"could not be written.*free space"),
    ):
        prepare(dataset, tmp_path / "copy", size=(60, 40))
    for path in (tmp_path / "copy").rglob("*.*"):
        assert path.suffix == ".gif"  # masks are small enough
    assert prepare(dataset, tmp_path / "copy", size=(60, 40)) == 8


def test_an_output_that_is_a_file_is_named(dataset, tmp_path):
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(OSError, match=r"copy/.*could not be written"):
        prepare(dataset, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


def test_real_originals_become_the_subset_of_the_published_numbers(carvana, tmp_path):
    originals = carvana.parent / "1918x1280"
    if not originals.is_dir():
        pytest.skip(f"no originals in {originals}")
    car = data.find_samples(originals)[0].car
    one = tmp_path / "one.csv"
    one.write_text(f"car,split\n{car},test\n", encoding="utf-8")
    assert prepare(originals, tmp_path / "copy", split_file=one) == 16
    for sample in data.find_samples(tmp_path / "copy"):
        image, mask = data.read_pair(sample)
        published = data.read_image(carvana / "train" / sample.image.name)
        assert (mask == data.read_mask(carvana / "train_masks" / sample.mask.name)).all()
        # another version of libjpeg may round differently
        assert (image.float() - published.float()).abs().mean() < 0.5
