"""The tail of a car: lamps, boot lines, bumper, diffuser, exhaust, rear plate and lettering."""

from __future__ import annotations

import numpy as np
from mathutils.bvhtree import BVHTree

from fleet import Car
from lamps import tail_lamps
from materials import Kit
from meshes import box, cast, decal, label, lathe, rectangle, ribbon, tube
from plates import badge, plate
from shapes import Shape


def exhaust(car: Car, shape: Shape, z: float, kit: Kit) -> None:
    """One tail pipe, one on either side, or none to be seen."""
    sides = {"single": (-1,), "twin": (-1, 1), "hidden": ()}[str(car.extras["exhaust"])]
    for side in sides:
        y = side * 0.56 * shape.width
        path = [(shape.rear + x, y, z) for x in (0.60, 0.30, 0.075)]
        tube("exhaust", path, 0.036, kit["chrome"], flat=0.8, steps=16)
        end = lathe("pipe", [(0.001, 0), (0.030, 0)], kit["gap"], steps=16, closed=False)
        end.location, end.rotation_euler.z = (shape.rear + 0.073, y, z), np.pi / 2
        end.scale.z = 0.8


def valance(car: Car, shape: Shape, lower: BVHTree, base: float, rise: float, kit: Kit) -> None:
    """The foot of the rear bumper, with the fins of a diffuser where the car has one."""
    half = shape.width
    foot = [(-half * 0.66, base + 0.17 * rise), (half * 0.66, base + 0.17 * rise),
            (half * 0.58, base + 0.015), (-half * 0.58, base + 0.015)]  # fmt: skip
    decal("valance", lower, "-x", foot, kit["plastic"], lift=0.005)
    if car.extras["diffuser"]:
        for y in np.linspace(-0.34, 0.34, 5) * half:
            hit = cast(lower, "-x", y, base + 0.10 * rise)
            if hit:
                box("fin", (hit[0].x + 0.01, y, base + 0.07 * rise), (0.06, 0.014, 0.13 * rise),
                    kit["gloss"], bevel=0.004)  # fmt: skip
    for sign in (-1, 1):
        strip = rectangle(sign * half * 0.66, base + 0.24 * rise, 0.15, 0.028)
        decal("reflector", lower, "-x", strip, kit["red"], lift=0.006, radius=0.01, part="lights")


def tail(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """All of it."""
    half, style = shape.width, str(car.extras["tail_lamp"])
    high = shape.belt * car.size["tail_share"] - 0.05
    base = car.size["clearance"] + 0.10
    rise = high - base
    tall_lamp = style == "tall"
    height = min(0.17, rise * 0.26) * (1.1 if tall_lamp else 1.0)
    inner = half * {"tall": 0.72, "round": 0.56, "block": 0.62, "bar": 0.34}.get(style, 0.50)
    low = high - 0.03 - height * (1.95 if tall_lamp else 1.1)
    tail_lamps(car, lower, inner, low, low + height, kit)
    if style == "bar":
        z = low + 0.72 * height
        for name, width, high, of, lift in (
            ("lamp bar", 2.04 * inner, 0.044, "gloss", 0.003),
            ("light bar", 2 * inner, 0.020, "red bright", 0.008),
        ):
            decal(name, lower, "-x", rectangle(0, z, width, high), kit[of], lift=lift, radius=0.005,
                  part="lights")  # fmt: skip
    edge, sill = half * 0.72, base + 0.32 * rise
    opening = [(-edge, low - 0.02), (-edge * 0.9, sill), (edge * 0.9, sill), (edge, low - 0.02)]
    ribbon("boot line", lower, "-x", opening, 0.007, kit["gap"])
    valance(car, shape, lower, base, rise, kit)
    exhaust(car, shape, base, kit)
    in_bumper = float(car.extras["tail_shape"]) < 0.3 and car.size["height"] < 1.6
    z = base + rise * (0.38 if in_bumper else 0.60)
    if not in_bumper and not car.extras["spare_wheel"]:
        inset = rectangle(0, z, 0.40, 0.20)
        decal("plate inset", lower, "-x", inset, kit["gap"], lift=0.002, radius=0.03)
    if car.extras["spare_wheel"]:
        z = base + 0.14 * rise
    plate(car, lower, -1, z, kit)
    if car.extras["chrome"] and style != "bar" and not car.extras["spare_wheel"]:
        decal("trim", lower, "-x", rectangle(0, z + 0.115, 0.52, 0.026), kit["chrome"], lift=0.006,
              dome=0.006, radius=0.008)  # fmt: skip
    if not car.extras["spare_wheel"]:
        badge(car, lower, -1, base + rise * (0.86 if in_bumper else 0.90), kit, lift=0.004)
    name, engine = str(car.extras["nameplate"]).split()
    at = base + rise * (0.62 if in_bumper else 0.48)
    label(name, lower, "-x", 0.44 * half, at, 0.05, kit["chrome"])
    label(engine, lower, "-x", -0.48 * half, at, 0.05, kit["chrome"])
