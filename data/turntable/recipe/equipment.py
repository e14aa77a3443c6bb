"""How a car is equipped: the designs of its wheels, lamps, grille, trim and plates, drawn by chance."""

from __future__ import annotations

import random

RIM_DESIGNS = ("five", "ten", "twin", "multi", "mesh", "turbine", "star", "fork", "cover")
CALIPERS = ("#77797C", "#77797C", "#4A4B4D", "#A9ABAE", "#A3161B", "#C9A21B")
TRUCKS = ("pickup", "off-roader", "van")  # upright noses, plain lamps, tyres with high walls


def pick(rng: random.Random, shares: dict[str, float]) -> str:
    """One of the names, by its share."""
    return rng.choices(list(shares), weights=list(shares.values()))[0]


def draw(style: str, height: float, rng: random.Random) -> dict[str, object]:
    """One draw of everything that hangs on a body of this style and height (metres)."""
    truck, tall = style in TRUCKS, height > 1.6
    sporty = style in ("coupe", "convertible", "sports car")
    small = style in ("hatchback", "city car")
    hatch = style in ("hatchback", "city car", "suv", "estate", "minivan", "van", "off-roader")
    designs = dict.fromkeys(RIM_DESIGNS, 1.0) | {
        "cover": 1.6 if small or style == "van" else 0.0 if sporty else 0.4,
        "mesh": 1.4 if sporty else 0.5, "star": 1.6 if truck else 0.8,
    }  # fmt: skip
    design = pick(rng, designs)
    finishes = {"silver": 4.0, "polished": 1.2, "grey": 1.0, "black": 1.0, "two-tone": 1.0}
    boxy = {"block": 1.0, "stacked": 0.6, "round": 0.15}
    return {
        "rim_design": design,
        "rim": "silver" if design == "cover" else pick(rng, finishes),
        "tyre_wall": rng.uniform(0.30, 0.38) if truck else rng.uniform(0.24, 0.33) if tall
        else rng.uniform(0.22, 0.27) if sporty else rng.uniform(0.24, 0.32),
        "caliper": rng.choice(CALIPERS),
        "steer": rng.choice((0.0, 0.0, rng.gauss(0.0, 2.5))),
        "headlamp": pick(rng, boxy if truck else {"almond": 1.2, "slim": 1.0, "block": 0.25,
                                                  "stacked": 0.2, "round": 0.4 if small else 0.1}),
        "lamp_housing": rng.choice(("chrome", "chrome", "dark")),
        "led_strip": rng.random() < 0.45,
        "fog_lamps": pick(rng, {"round": 1.5, "strip": 0.6, "none": 0.6}),
        "grille": pick(rng, {"bars": 1.2, "mesh": 1.0, "vertical": 0.6, "split": 0.5, "wide": 0.8,
                             "crossbar": 1.6 if truck else 0.4, "none": 0.1 if truck else 0.4}),
        "badge": rng.choice(("oval", "round", "shield", "wings")),
        "tail_lamp": pick(rng, {"tall": 1.5, "block": 0.8, "round": 0.1} if truck or style == "minivan"
                          else {"wedge": 1.4, "block": 0.5, "bar": 0.5, "round": 0.3,
                                "tall": 0.8 if hatch else 0.1}),
        "window_line": pick(rng, {"none": 2.0, "foot": 0.7, "full": 0.2 if truck else 1.0}),
        "side_markers": rng.random() < 0.5,
        "towing_eye": rng.random() < 0.4,
        "exhaust": pick(rng, {"single": 1.0, "twin": 2.0 if sporty else 0.6, "hidden": 0.6}),
        "diffuser": rng.random() < (0.7 if sporty else 0.25),
        "handles": rng.choice(("pull", "pull", "flap")),
        "rear_wiper": hatch and rng.random() < 0.85,
        "side_steps": tall and style != "minivan" and rng.random() < (0.7 if truck else 0.2),
        "mud_flaps": rng.random() < (0.25 if tall else 0.0),
        "roof_bars": hatch and rng.random() < 0.10,
        "side_strip": pick(rng, {"none": 3.0, "paint": 0.6, "chrome": 0.5, "plastic": 0.5}),
        "front_plate": pick(rng, {"card": 2.0, "plate": 1.0, "none": 0.6}),
        "rear_plate": pick(rng, {"card": 2.0, "plate": 1.0}),
        "plate_frame": rng.choice(("none", "black", "chrome")),
        "card": f"U-NET {rng.randrange(1000):03d}",
        "nameplate": rng.choice(("ARCA", "LUMEN", "TORVA", "NIMBA", "OKTA", "VELO")) + " "
        + rng.choice(("1.6", "2.0", "3.0", "X", "GT", "LS")),
    }  # fmt: skip
