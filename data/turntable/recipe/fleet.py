"""Which cars exist: body style, proportions, paint and camera of each, all drawn from one seed."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from pathlib import Path

EDITION_SEED = 1
VIEWS = 16
STYLES = ("sedan", "hatchback", "coupe", "suv", "pickup", "van")
SPLIT = {
    "car02": "test", "car07": "test", "car12": "test", "car17": "test", "car21": "test",
    "car22": "test", "car04": "val", "car13": "val", "car20": "val",
}  # fmt: skip

# Ranges in metres, unless the name says otherwise; one value of each is drawn per car.
# "windscreen" and "rear_window" are (base behind the axle, run): how far behind the front axle
# (or the rear axle) the glass starts, and how far it leans back (or forward) up to the roof.
PROPORTIONS: dict[str, dict[str, tuple[float, float]]] = {
    "sedan": dict(length=(4.55, 4.98), width=(1.79, 1.88), height=(1.40, 1.48),
                  wheelbase_share=(0.575, 0.605), front_overhang=(0.82, 0.92),
                  clearance=(0.15, 0.18), wheel=(0.325, 0.352), belt_share=(0.615, 0.645),
                  nose_share=(0.74, 0.80), windscreen_base=(0.26, 0.42), windscreen_run=(0.58, 0.74),
                  rear_base=(0.16, 0.34), rear_run=(0.46, 0.66), tail_share=(0.98, 1.03),
                  tumble=(0.17, 0.22), drop=(0.02, 0.06), boxiness=(0.1, 0.5)),
    "hatchback": dict(length=(3.70, 4.15), width=(1.70, 1.80), height=(1.46, 1.55),
                      wheelbase_share=(0.63, 0.655), front_overhang=(0.70, 0.80),
                      clearance=(0.15, 0.18), wheel=(0.305, 0.335), belt_share=(0.60, 0.64),
                      nose_share=(0.76, 0.82), windscreen_base=(0.02, 0.22),
                      windscreen_run=(0.58, 0.80), rear_base=(0.0, 0.0), rear_run=(0.22, 0.48),
                      tail_share=(1.0, 1.03), tumble=(0.14, 0.20), drop=(0.02, 0.08),
                      boxiness=(0.1, 0.6)),
    "coupe": dict(length=(4.35, 4.75), width=(1.82, 1.91), height=(1.28, 1.36),
                  wheelbase_share=(0.565, 0.60), front_overhang=(0.82, 0.94),
                  clearance=(0.14, 0.17), wheel=(0.33, 0.355), belt_share=(0.63, 0.67),
                  nose_share=(0.76, 0.81), windscreen_base=(0.46, 0.64), windscreen_run=(0.60, 0.74),
                  rear_base=(0.26, 0.44), rear_run=(0.70, 0.95), tail_share=(0.99, 1.05),
                  tumble=(0.22, 0.27), drop=(0.06, 0.12), boxiness=(0.0, 0.25)),
    "suv": dict(length=(4.45, 4.92), width=(1.84, 1.96), height=(1.66, 1.80),
                wheelbase_share=(0.60, 0.63), front_overhang=(0.80, 0.90),
                clearance=(0.22, 0.27), wheel=(0.365, 0.40), belt_share=(0.60, 0.635),
                nose_share=(0.84, 0.90), windscreen_base=(0.14, 0.32), windscreen_run=(0.45, 0.68),
                rear_base=(0.0, 0.0), rear_run=(0.12, 0.42), tail_share=(1.0, 1.02),
                tumble=(0.11, 0.17), drop=(0.02, 0.07), boxiness=(0.35, 1.0)),
    "pickup": dict(length=(5.10, 5.40), width=(1.86, 1.98), height=(1.76, 1.88),
                   wheelbase_share=(0.595, 0.625), front_overhang=(0.84, 0.94),
                   clearance=(0.27, 0.32), wheel=(0.375, 0.41), belt_share=(0.62, 0.65),
                   nose_share=(0.87, 0.93), windscreen_base=(0.20, 0.34), windscreen_run=(0.42, 0.60),
                   rear_base=(-0.92, -0.55), rear_run=(0.06, 0.18), tail_share=(0.96, 1.02),
                   tumble=(0.13, 0.18), drop=(0.0, 0.03), boxiness=(0.6, 1.0)),
    "van": dict(length=(4.70, 5.20), width=(1.86, 1.98), height=(1.88, 2.12),
                wheelbase_share=(0.60, 0.635), front_overhang=(0.84, 0.94),
                clearance=(0.19, 0.23), wheel=(0.32, 0.35), belt_share=(0.52, 0.57),
                nose_share=(0.82, 0.90), windscreen_base=(-0.12, 0.10), windscreen_run=(0.62, 0.92),
                rear_base=(0.0, 0.0), rear_run=(0.04, 0.14), tail_share=(1.0, 1.01),
                tumble=(0.07, 0.11), drop=(0.0, 0.02), boxiness=(0.6, 1.0)),
}  # fmt: skip

# Name, colour (sRGB) and finish, in the order of the cars. Chosen by hand rather than drawn, so
# that the hard paints (white, black, silver) are in the training and the test cars alike.
PAINTS = (
    ("white", "#F1F1EE", "solid"), ("silver", "#B9BCC0", "metallic"), ("red", "#B3161B", "solid"),
    ("black", "#0B0B0D", "metallic"), ("black", "#070707", "solid"), ("white", "#F4F4F2", "solid"),
    ("black", "#0A0B0E", "metallic"), ("yellow", "#E8B50C", "solid"),
    ("silver", "#C6C8CA", "metallic"), ("dark green", "#12392C", "metallic"),
    ("white", "#ECECE8", "solid"), ("white", "#F2F3F3", "solid"), ("blue", "#123E8C", "metallic"),
    ("orange", "#D4551A", "metallic"), ("graphite", "#26272A", "matte"),
    ("pearl white", "#E9E7E1", "metallic"), ("burgundy", "#561019", "metallic"),
    ("dark grey", "#4A4D52", "metallic"), ("champagne", "#B5A68E", "metallic"),
    ("teal", "#0F7C82", "solid"), ("bright blue", "#0D5BD1", "solid"),
    ("grey green", "#6C7566", "matte"), ("silver", "#AEB2B7", "metallic"),
    ("navy", "#14213F", "solid"),
)  # fmt: skip

LETTERINGS = ("TURNTABLE", "U-NET STUDIO")


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
    """Draw car `number` (1 to 24); the other cars have no influence on it."""
    name = f"car{number:02d}"
    rng = random.Random(f"turntable {seed} {name}")
    style = STYLES[(number - 1) % len(STYLES)]
    quarter = (number - 1) // len(STYLES)  # four cars of a style: spread them over each range
    size = {}
    for key, (low, high) in PROPORTIONS[style].items():
        order = random.Random(f"turntable {seed} {style} {key}").sample(range(4), 4)
        size[key] = low + (high - low) * (order[quarter] + rng.random()) / 4
    tall = style in ("suv", "pickup", "van")
    extras: dict[str, object] = {
        "doors": 2 if style == "coupe" or (style == "hatchback" and quarter == 1) else 4,
        "cargo": style == "van" and quarter % 2 == 0,
        "spokes": rng.choice((5, 6, 7, 8, 10)),
        "twin_spokes": rng.random() < 0.3,
        "rim": rng.choice(("silver", "silver", "silver", "black", "grey")),
        "roof_rails": style in ("suv", "van") and quarter in (0, 2, 3),
        "antenna": rng.choice(("fin", "whip", "none") if not tall else ("fin", "whip", "whip")),
        "cladding": (style == "suv" and quarter != 1) or (style == "pickup" and quarter == 2),
        "spoiler": (style == "coupe" and quarter in (0, 2)) or (style == "hatchback" and quarter > 0),
        "chrome": rng.random() < 0.5,
        "mirrors": rng.choice(("body colour", "body colour", "black")),
        "lamp_shape": rng.random(),
        "grille_shape": rng.random(),
        "tail_shape": rng.random(),
        "plate": "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=3))
        + "-" + "".join(rng.choices("0123456789", k=3)),
    }  # fmt: skip
    camera = {
        "height": rng.uniform(1.75, 2.25),
        "distance": rng.uniform(9.3, 9.9) + max(0.0, size["length"] - 4.8),
        "focal_mm": rng.uniform(54.0, 58.0),
        "pan": rng.uniform(-0.08, 0.08),
        "first_angle": rng.uniform(-4.0, 4.0),
    }
    studio: dict[str, object] = {
        "lettering": LETTERINGS[number % 2],
        "lettering_turn": rng.uniform(-3.0, 3.0),
        "exposure": rng.uniform(-0.18, 0.22),
        "lamp_kelvin": round(rng.uniform(4800, 6800)),
        "floor_grey": rng.uniform(0.30, 0.46),
        "wall_grey": rng.uniform(0.74, 0.86),
        "softbox": rng.uniform(0.75, 1.25),
        "seed": rng.randrange(2**31),
    }
    paint, paint_hex, finish = PAINTS[number - 1]
    split = SPLIT.get(name, "train")
    return Car(name, style, split, paint, paint_hex, finish, size, extras, camera, studio)


def fleet(seed: int = EDITION_SEED) -> list[Car]:
    """All cars of the edition, in the order in which they are rendered."""
    return [draw_car(number, seed) for number in range(1, len(PAINTS) + 1)]


def write_tables(folder: Path, seed: int = EDITION_SEED) -> None:
    """Write `metadata.csv` and `split.csv` into `folder`."""
    rows = []
    for car in fleet(seed):
        shown = {k: v for k, v in car.extras.items() if not k.endswith("_shape")}
        numbers = {**car.size, **{f"camera_{k}": v for k, v in car.camera.items()}, **car.studio}
        rounded = {k: round(v, 3) if isinstance(v, float) else v for k, v in numbers.items()}
        rows.append(
            {"car": car.name, "split": car.split, "body_style": car.style, "paint": car.paint,
             "paint_hex": car.paint_hex, "finish": car.finish, **shown, **rounded}
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
