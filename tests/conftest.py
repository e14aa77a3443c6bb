"""What all tests share: quiet threads, no windows, small datasets made on the spot."""

# ruff: noqa: E402 (the environment is set before what reads it is imported)
import os

# Before torch is imported: waiting threads sleep instead of slowing down everything beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MPLBACKEND"] = "Agg"
for variable in ("UNET_COURSE_PRESET", "UNET_COURSE_PROGRESS"):
    os.environ.pop(variable, None)

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw

from unet_course import lesson, notebooks, training
from unet_course.checkpoints import Checkpoint, save_checkpoint
from unet_course.figures.style import use_style
from unet_course.model import UNet
from unet_course.parts import PARTS

CARVANA_VARIABLE = "UNET_COURSE_CARVANA"

settings.register_profile("course", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("course")


@pytest.fixture(autouse=True)
def course_style() -> Iterator[None]:
    """Figures look as readers see them, and no test leaves its settings to the next."""
    with plt.rc_context():
        use_style()
        yield


def draw_car(car: int, view: int, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """A coloured ellipse on a noisy background, and its palette mask of raw values 0 and 1."""
    rng = np.random.default_rng(1000 * car + view)
    width, height = size
    noise = rng.integers(170, 220, (height, width, 1), dtype=np.uint8).repeat(3, axis=2)
    photo, mask = Image.fromarray(noise), Image.new("P", size, 0)
    mask.putpalette([0, 0, 0, 255, 255, 255])
    w, h = rng.uniform(0.25, 0.4) * width, rng.uniform(0.2, 0.35) * height
    x, y = width / 2 + rng.uniform(-0.1, 0.1) * width, height / 2
    box = [x - w, y - h, x + w, y + h]
    colour = tuple(int(v) for v in np.random.default_rng(car).integers(0, 140, 3))
    ImageDraw.Draw(photo).ellipse(box, fill=colour)
    ImageDraw.Draw(mask).ellipse(box, fill=1)
    return photo, mask


def build_dataset(
    root: Path, *, cars: int = 4, views: int = 2, size: tuple[int, int] = (60, 40)
) -> Path:
    """Write ``cars`` x ``views`` photos with masks below ``root`` in Kaggle's layout."""
    (root / "train").mkdir(parents=True)
    (root / "train_masks").mkdir()
    for car in range(cars):
        for view in range(1, views + 1):
            photo, mask = draw_car(car, view, size)
            photo.save(root / "train" / f"car{car}_{view:02}.jpg", quality=95)
            mask.save(root / "train_masks" / f"car{car}_{view:02}_mask.gif")
    return root


def build_parts(root: Path) -> Path:
    """Add part masks to a dataset, and paint the parts on its photos. Only first views show a plate."""
    (root / "train_parts").mkdir()
    paint = np.array([[0, 0, 0], [0, 0, 0], [150, 200, 250], [10, 10, 10], [250, 240, 60],
                      [250, 250, 250], [230, 40, 130]], dtype=np.uint8)  # fmt: skip
    for path in sorted((root / "train").iterdir()):
        with Image.open(root / "train_masks" / f"{path.stem}_mask.gif") as file:
            car = np.array(file.convert("L")) > 0
        rows, columns = np.nonzero(car)
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        y, x = np.mgrid[: car.shape[0], : car.shape[1]]
        y, x = (y - top) / (bottom - top), (x - left) / (right - left)  # 0 to 1 over the car
        ids = np.ones(car.shape, np.uint8)
        ids[y < 0.35] = 2
        ids[y > 0.75] = 3
        ids[(abs(y - 0.6) < 0.08) & (abs(x - 0.5) > 0.35)] = 4
        if path.stem.endswith("_01"):
            ids[(abs(y - 0.62) < 0.06) & (abs(x - 0.5) < 0.12)] = 5
        ids[(abs(y - 0.42) < 0.05) & (abs(x - 0.5) > 0.4)] = 6
        ids[~car] = 0
        with Image.open(path) as file:
            photo = np.array(file)
        photo[ids > 1] = paint[ids[ids > 1]]
        Image.fromarray(photo).save(path, quality=95)
        mask = Image.fromarray(ids).convert("P")
        mask.putpalette([40 * i for i in range(7) for _ in range(3)])
        mask.save(root / "train_parts" / f"{path.stem}_parts.png")
    return root


@pytest.fixture(scope="session")
def make_parts() -> Callable[[Path], Path]:
    """The function that adds part masks to a dataset: ``make_parts(folder)``."""
    return build_parts


@pytest.fixture
def part_dataset(dataset: Path) -> Path:
    """A fresh dataset of four cars with two views each and part masks, which a test may damage."""
    return build_parts(dataset)


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Path]:
    """The function that writes a small dataset: ``make_dataset(folder, cars=…, views=…, size=…)``."""
    return build_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A fresh dataset of four cars with two views each, which a test may damage."""
    return build_dataset(tmp_path / "dataset")


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch) -> str:
    """The preset ``smoke`` made smaller still: three epochs on the `dataset`, a second in all."""
    recipe = dict(size=(48, 32), width=4, depth=2, images=12, batch_size=2, lr=1e-2)
    monkeypatch.setitem(training.PRESETS, "smoke", recipe)
    return "smoke"


@dataclass(frozen=True)
class Run:
    """A finished training with preset ``smoke`` and seed 0. Read only: all tests share it."""

    data: Path
    output: Path
    history: training.History

    @property
    def checkpoint(self) -> Path:
        return self.output / "unet.safetensors"


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network trained once for all tests that only look at one."""
    folder = tmp_path_factory.mktemp("run")
    root = build_dataset(folder / "ellipses", cars=6, views=4, size=(120, 80))
    _, history = training.train(root, folder / "out", preset="smoke", seed=0)
    return Run(root, folder / "out", history)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes the course's folder with notebooks ``01_x``, ``02_x`` … of one code cell each."""
    root = tmp_path / "a course"
    (root / "notebooks").mkdir(parents=True)
    (root / "README.md").write_text("# Course\n")
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "x"\n[project.urls]\nRepository = "{notebooks.PLACEHOLDER}"\n'
    )
    monkeypatch.setattr(lesson, "ROOT", root)
    monkeypatch.setattr(lesson, "EMBEDDED", root / "data" / "turntable")
    monkeypatch.delenv("UNET_COURSE_PRESET", raising=False)

    parameters = "data_dir = None\noutput_dir = None\npreset = None\nseed = 0"

    def make(*sources: str) -> Path:
        for number, source in enumerate(sources, start=1):
            cells = [
                nbformat.v4.new_markdown_cell("# A lesson"),
                nbformat.v4.new_code_cell("", metadata={"tags": ["setup"]}),
                nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
                nbformat.v4.new_code_cell(source),
            ]
            notebooks.write(
                root / "notebooks" / f"0{number}_x.ipynb", nbformat.v4.new_notebook(cells=cells)
            )
        return root

    return make


@pytest.fixture
def checkpoint() -> Checkpoint:
    """An untrained network for photos of 48x32, the same in every test."""
    torch.manual_seed(0)
    model = UNet(width=4, depth=2).eval()
    return Checkpoint(model, (48, 32), (0.5,) * 3, (0.5,) * 3, {"seed": 0})


@pytest.fixture
def part_checkpoint() -> Checkpoint:
    """An untrained network for the parts in photos of 48x32, the same in every test."""
    torch.manual_seed(0)
    model = UNet(out_channels=len(PARTS), width=4, depth=2).eval()
    return Checkpoint(model, (48, 32), (0.5,) * 3, (0.5,) * 3, {"seed": 0}, PARTS)


@pytest.fixture
def checkpoint_file(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    """`checkpoint` saved to a file."""
    path = tmp_path / "saved.safetensors"
    save_checkpoint(path, checkpoint)
    return path


@pytest.fixture
def files_limited_to() -> Callable[[int], AbstractContextManager[None]]:
    """``with files_limited_to(n):`` the system cuts every file short at n bytes, like a full disk."""
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture(scope="session")
def carvana() -> Path:
    """A folder of real Carvana photos."""
    folder = os.environ.get(CARVANA_VARIABLE)
    if not folder:
        pytest.skip(f"needs real photos: set {CARVANA_VARIABLE} to a folder in Carvana's layout")
    return Path(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs real photos, so that ``pytest -m carvana`` runs just those."""
    for item in items:
        if "carvana" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.carvana)
