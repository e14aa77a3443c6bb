"""Where and how each car is photographed: three studios, the camera, and the development.

What can be measured on real studio photos was: the brightness of wall, floor and car, where the car
and the floor's edge stand in the frame, how strong the noise is. The ranges of the pale studio and of
the camera were moved until the rendered photos' values spread about as those do. The other two
studios, and the letters, are free inventions that keep a network from learning one room by heart.
"""

from __future__ import annotations

import random

# Which studio a car is in, by its number; each has cars to train on, to validate and to test.
STUDIOS = ("pale", "pale", "grey", "pale", "hall", "pale", "grey")

WORDS = ("TURNTABLE", "U-NET STUDIO", "ROTUNDA", "CAROUSEL", "SEGMENTA", "KINEMA", "CONTOUR",
         "NORDWAND", "MASKWORKS", "PANORAMA", "CARGO HALL", "OUTLINE", "WARENHAUS", "MAGNOLIA",
         "VULKAN", "ACADEMY", "HAVANNA")  # fmt: skip


def draw_studio(rng: random.Random, number: int) -> dict[str, object]:
    """The room, its lamps and the photo's development; greys are linear reflectances of 0…1."""
    kind = STUDIOS[number % len(STUDIOS)]
    pick = rng.uniform
    look: dict[str, object] = {
        "studio": kind,
        "wall_hue": "none",
        "lettering": WORDS[number % len(WORDS)],
        "lettering_turn": pick(-3.0, 3.0),
        "lettering_share": pick(0.72, 1.0),  # of the width of the frame
        "letters_grey": rng.choice((pick(0.02, 0.08), pick(0.08, 0.20), pick(0.12, 0.30))),
        "weights": rng.choice(("thin-bold", "thin-bold", "bold", "thin", "regular")),
        "wall_radius": pick(10.5, 14.5),
        "lamp_kelvin": round(pick(5000, 6700)),
        "softbox": pick(0.75, 1.25),
        "tyre_marks": rng.randrange(0, 7),
        "seams": rng.random() < 0.6,
        "stage_edge": rng.random() < 0.2,
        "exposure": pick(-0.10, 0.35),
        "contrast": pick(-0.10, 0.25),
        "noise": pick(0.2, 1.6),
        "vignette": pick(0.0, 0.10),
        "seed": rng.randrange(2**31),
    }
    tint = pick(-0.06, 0.05)  # of the outer floor: below 0 bluish, above beige
    ranges = {
        "pale": {"wall_grey": (0.80, 0.95), "floor_grey": (0.16, 0.62), "disc_share": (0.85, 1.25)},
        "grey": {"wall_grey": (0.55, 0.80), "floor_grey": (0.20, 0.50), "disc_share": (0.95, 1.15)},
        "hall": {"wall_grey": (0.10, 0.30), "floor_grey": (0.05, 0.20), "disc_share": (0.70, 1.60)},
    }[kind]
    look |= {key: pick(*limits) for key, limits in ranges.items()}
    look |= {"floor_tint": tint, "disc_tint": pick(0.0, 0.09)}
    if kind == "hall":
        look |= {"letters_grey": pick(0.4, 0.8), "lamp_kelvin": round(pick(3600, 5200)),
                 "exposure": pick(-0.1, 0.5), "wall_hue": rng.choice(("brick", "green", "blue")),
                 "noise": pick(0.8, 2.4)}  # fmt: skip
    return look


def draw_camera(rng: random.Random, length: float) -> dict[str, float]:
    """Where the camera stands: metres, millimetres of a 36 mm wide sensor, degrees."""
    return {
        "height": rng.uniform(1.85, 2.45),
        "distance": rng.uniform(9.3, 10.2) + max(0.0, length - 4.8),
        "focal_mm": rng.uniform(53.0, 59.0),
        "pan": rng.uniform(-0.15, 0.15),
        "tilt": rng.uniform(-0.1, 1.3),
        "roll": rng.uniform(-0.4, 0.4),
        "first_angle": rng.uniform(-5.0, 5.0),
    }
