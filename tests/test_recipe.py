"""The recipe of the rendered photos, as far as it runs without Blender: which cars there are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

RECIPE = Path(__file__).resolve().parents[1] / "data" / "turntable" / "recipe"


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
