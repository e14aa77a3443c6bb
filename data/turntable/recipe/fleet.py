"""Which cars exist: body style, proportions, paint and camera of each, all drawn from one seed."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path

import equipment
from stages import draw_camera, draw_studio
from styles import PROPORTIONS, STYLES, TALL, style_extras

EDITION_SEED = 2
VIEWS = 16
SPLIT = {
    **dict.fromkeys(("car01", "car14", "car27", "car40", "car05", "car18", "car31", "car44",
                     "car09", "car22", "car35", "car48"), "test"),
    **dict.fromkeys(("car13", "car28", "car41", "car06", "car11", "car36"), "val"),
}  # fmt: skip

# Name, colour (sRGB) and finish, in the order of the cars. Chosen by hand rather than drawn, in
# about the mix seen on the road, so that the hard paints (white, black, silver) are in every split.
PAINTS = (
    ("white", "#F1F1EE", "solid"), ("silver", "#B9BCC0", "metallic"), ("red", "#B3161B", "solid"),
    ("black", "#0B0B0D", "metallic"), ("black", "#070707", "solid"), ("white", "#F4F4F2", "solid"),
    ("graphite", "#33363A", "metallic"), ("pearl white", "#E9E7E1", "metallic"),
    ("grey", "#7C8087", "metallic"), ("yellow", "#E8B50C", "solid"),
    ("white", "#ECECE8", "solid"), ("dark green", "#1E3A2B", "solid"),

    ("black", "#0A0B0E", "metallic"), ("white", "#F2F3F3", "solid"),
    ("silver", "#C6C8CA", "metallic"), ("navy", "#14213F", "metallic"),
    ("white", "#F0F0EC", "solid"), ("silver", "#BFC2C5", "metallic"),
    ("dark grey", "#4A4D52", "metallic"), ("blue", "#123E8C", "metallic"),
    ("champagne", "#B5A68E", "metallic"), ("black", "#060607", "solid"),
    ("red", "#A3121A", "metallic"), ("white", "#F3F2EE", "solid"),

    ("dark grey", "#3C3F44", "metallic"), ("black", "#08080A", "metallic"),
    ("silver", "#B4B8BC", "metallic"), ("white", "#F4F4F4", "solid"),
    ("brown", "#4B3527", "metallic"), ("white", "#F1F0EA", "solid"),
    ("grey", "#8B8F94", "metallic"), ("black", "#0A0A0A", "solid"),
    ("burgundy", "#561019", "metallic"), ("silver", "#C2C5C8", "metallic"),
    ("pearl white", "#ECEAE4", "metallic"), ("sand", "#A89878", "solid"),

    ("blue", "#27508A", "metallic"), ("grey", "#6E7278", "metallic"),
    ("black", "#0B0B0C", "metallic"), ("silver", "#AEB2B7", "metallic"),
    ("black", "#09090B", "metallic"), ("white", "#F2F2F0", "solid"),
    ("black", "#0C0D11", "metallic"), ("silver", "#BDC0C2", "metallic"),
    ("white", "#F0F1F1", "solid"), ("graphite", "#26272A", "matte"),
    ("teal", "#3E7F86", "solid"), ("black", "#101214", "solid"),
)  # fmt: skip


@dataclass(frozen=True)
class Car:
    """Everything that the recipe needs to know about one car and the photos taken of it."""

    name: str
    style: str
    split: str
    paint: str
    paint_hex: str
    finish: str
    size: dict[str, float]  # one value of each row of PROPORTIONS
    extras: dict[str, object] = field(default_factory=dict)  # wheels, roof rails, antenna, plate …
    camera: dict[str, float] = field(default_factory=dict)  # height, distance, focal_mm …
    studio: dict[str, object] = field(default_factory=dict)  # lettering, lamps, greys …


def draw_car(number: int, seed: int = EDITION_SEED) -> Car:
    """Draw car `number` (1 to 48); the other cars have no influence on it."""
    name = f"car{number:02d}"
    rng = random.Random(f"turntable {seed} {name}")
    style = STYLES[(number - 1) % len(STYLES)]
    quarter = (number - 1) // len(STYLES)  # four cars of a style: spread them over each range
    size = {}
    for key, (low, high) in PROPORTIONS[style].items():
        order = random.Random(f"turntable {seed} {style} {key}").sample(range(4), 4)
        size[key] = low + (high - low) * (order[quarter] + rng.random()) / 4
    tall = style in TALL
    extras: dict[str, object] = {
        **style_extras(style, quarter),
        "roof_rails": (style in ("suv", "estate") and quarter != 1)
        or (style in ("van", "minivan") and quarter in (2, 3)),
        "antenna": rng.choice(("fin", "whip", "none") if not tall else ("fin", "whip", "whip")),
        "cladding": (style in ("suv", "off-roader") and quarter != 1)
        or (style in ("pickup", "estate") and quarter == 2),
        "spoiler": (style == "coupe" and quarter in (0, 2))
        or (style in ("hatchback", "suv", "minivan", "city car", "estate") and quarter > 0),
        "chrome": rng.random() < 0.5,
        "mirrors": rng.choice(("body colour", "body colour", "black")),
        "lamp_shape": rng.random(),
        "grille_shape": rng.random(),
        "tail_shape": rng.random(),
        "plate": "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3))
        + "-" + "".join(rng.choices("0123456789", k=3)),
    }  # fmt: skip
    extras |= equipment.draw(style, size["height"], random.Random(f"turntable {seed} {name} kit"))
    camera = draw_camera(rng, size["length"])
    studio = draw_studio(random.Random(f"turntable {seed} {name} studio"), number)
    paint, paint_hex, finish = PAINTS[number - 1]
    split = SPLIT.get(name, "train")
    return Car(name, style, split, paint, paint_hex, finish, size, extras, camera, studio)


def fleet(seed: int = EDITION_SEED) -> list[Car]:
    """All cars of the edition, in the order in which they are rendered."""
    return [draw_car(number, seed) for number in range(1, len(PAINTS) + 1)]


def write_tables(folder: Path, cars: list[Car]) -> None:
    """Write `metadata.csv` and `split.csv` of these cars into `folder`."""
    rows = []
    for car in cars:
        drawn = {k: v for k, v in car.extras.items() if not k.endswith("_shape")}
        drawn |= {**car.size, **{f"camera_{k}": v for k, v in car.camera.items()}, **car.studio}
        rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in drawn.items()}
        rows.append(
            {"car": car.name, "split": car.split, "body_style": car.style, "paint": car.paint,
             "paint_hex": car.paint_hex, "finish": car.finish, **rounded}
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "metadata.csv", "w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    with open(folder / "split.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ["car", "split"], extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
