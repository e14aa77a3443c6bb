"""The rendered photos as they are committed, and their recipe as far as it runs without Blender."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from unet_course import data, parts

DATASET = Path(__file__).resolve().parents[1] / "data" / "turntable"
RECIPE = DATASET / "recipe"
KINDS = ("train", "train_masks", "train_parts")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that draws the cars."""
    monkeypatch.syspath_prepend(RECIPE)
    import fleet

    return fleet


def test_every_body_style_has_four_cars_and_one_of_them_is_a_test_car(recipe: ModuleType) -> None:
    cars = recipe.fleet()
    assert Counter(car.split for car in cars) == {"train": 30, "val": 6, "test": 12}
    assert set(Counter(car.style for car in cars).values()) == {4}
    assert len({car.style for car in cars if car.split == "test"}) == 12


def test_every_studio_has_cars_of_every_split(recipe: ModuleType) -> None:
    pairs = {(car.studio["studio"], car.split) for car in recipe.fleet()}
    assert len(pairs) == 3 * 3


def test_a_car_is_drawn_from_the_seed_and_its_number_alone(recipe: ModuleType) -> None:
    assert recipe.draw_car(17) == recipe.fleet()[16]
    assert recipe.draw_car(17, seed=3) != recipe.draw_car(17)


def test_tables_name_every_car_once(recipe: ModuleType, tmp_path: Path) -> None:
    cars = recipe.fleet()
    recipe.write_tables(tmp_path, cars)
    lines = (tmp_path / "split.csv").read_text().splitlines()
    assert lines == ["car,split", *(f"{car.name},{car.split}" for car in cars)]
    assert len((tmp_path / "metadata.csv").read_text().splitlines()) == len(cars) + 1


@pytest.mark.parametrize("folder", [DATASET, DATASET / "1918x1280"], ids=lambda path: path.name)
def test_every_committed_file_is_the_one_that_was_rendered(
    recipe: ModuleType, folder: Path, tmp_path: Path
) -> None:
    lines = (folder / "checksums.sha256").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    names = {
        file.relative_to(folder).as_posix() for kind in KINDS for file in folder.glob(f"{kind}/*")
    }
    assert sums.keys() == names
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    there = {name.split("/")[1][:5] for name in names}
    assert len(names) == len(there) * len(KINDS) * recipe.VIEWS
    recipe.write_tables(tmp_path, [car for car in recipe.fleet() if car.name in there])
    for table in ("split.csv", "metadata.csv"):
        assert (folder / table).read_text() == (tmp_path / table).read_text()


def test_the_parts_together_are_the_car() -> None:
    samples = [sample for split in data.load_split(DATASET).values() for sample in split]
    for sample in samples[::7]:
        parts.read_part_pair(sample)  # raises where they are not
