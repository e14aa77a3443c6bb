"""Small things all around a car: wipers, washers, side strips, steps, mud flaps, markers."""

from __future__ import annotations

import numpy as np
from mathutils.bvhtree import BVHTree

from fleet import Car
from glass import side_outline
from materials import Kit
from meshes import box, cast, decal, rectangle, ribbon, rounded_outline, scaled, tube
from shapes import Shape

SIDES = (("+y", 1), ("-y", -1))


def wiper(
    upper: BVHTree, side: str, pivot: tuple[float, float], blade: np.ndarray, kit: Kit
) -> None:
    """A blade along points (y, z) on the glass, and an arm from its pivot to the blade's middle."""
    middle = blade.mean(axis=0)
    arm = np.linspace(pivot, middle, 4)
    for name, path, lift, radius in (
        ("wiper", blade, 0.014, 0.009),
        ("wiper arm", arm, 0.026, 0.008),
    ):
        hits = [cast(upper, side, *point) for point in path]
        if all(hits):
            tube(name, [hit[0] + lift * hit[1] for hit in hits], radius, kit["plastic"], steps=6)


def wipers(car: Car, shape: Shape, lower: BVHTree, upper: BVHTree, kit: Kit) -> None:
    """Two wipers at rest on the windscreen, one on the rear window, and the nozzles in front."""
    wide, foot = shape.base_width, shape.belt + 0.05
    for start, stop in ((0.66, 0.04), (0.0, -0.60)):
        blade = np.column_stack([np.linspace(start, stop, 7) * wide,
                                 np.linspace(foot + 0.005, foot + 0.055, 7)])  # fmt: skip
        wiper(upper, "+x", (start * wide, foot - 0.03), blade, kit)
    if car.extras["rear_wiper"]:
        blade = np.column_stack(
            [np.linspace(0.06, -0.52, 6) * wide, np.linspace(foot + 0.10, foot + 0.07, 6)]
        )
        wiper(upper, "-x", (0.0, foot + 0.02), blade, kit)
    for y in (-0.3, 0.3):
        hit = cast(lower, "+z", shape.glass_front[0] + 0.16, y)
        if hit:
            box("nozzle", hit[0], (0.03, 0.025, 0.014), kit["plastic"], bevel=0.005)


def window_line(car: Car, shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """Bright trim along the foot of the side windows, or all around them."""
    kind = car.extras["window_line"]
    if kind == "none" or car.extras["open"]:
        return
    outline = scaled(side_outline(car, shape), (1.012, 1.06))
    if kind == "full":
        path = rounded_outline(outline, 0.06)
        path = np.concatenate([path, path[:1]])
    else:
        path = outline[[0, -1]]
    for side in ("+y", "-y"):
        ribbon("window line", upper, side, path, 0.016, kit["chrome"], lift=0.0065)


def flank(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """What hangs on the sides below the windows."""
    low = car.size["clearance"]
    start, stop = shape.front_axle - shape.arch - 0.08, shape.rear_axle + shape.arch + 0.08
    middle, length = (start + stop) / 2, start - stop
    for side, sign in SIDES:
        if car.extras["side_strip"] != "none":
            z = low + 0.42 * (shape.belt - low)
            band = [(start - 0.06, z - 0.02), (start - 0.06, z + 0.02), (stop + 0.04, z + 0.025),
                    (stop + 0.04, z - 0.015)]  # fmt: skip
            decal("side strip", lower, side, band, kit[str(car.extras["side_strip"])], lift=0.003,
                  dome=0.007, radius=0.008)  # fmt: skip
        if car.extras["side_steps"]:
            y = sign * 0.93 * shape.width
            box("side step", (middle, y, low + 0.005), (length - 0.06, 0.17, 0.05), kit["plastic"],
                bevel=0.02)  # fmt: skip
            box("step edge", (middle, y + sign * 0.086, low + 0.012), (length - 0.16, 0.006, 0.014),
                kit["satin"], bevel=0.003)  # fmt: skip
        if car.extras["mud_flaps"]:
            for axle in (shape.front_axle, shape.rear_axle):
                box("mud flap", (axle - shape.arch - 0.015, sign * (shape.width - 0.16), low + 0.02),
                    (0.012, 0.20, 0.20), kit["rubber"], bevel=0.004)  # fmt: skip
        for x, of in ((shape.front_axle + shape.arch + 0.20, "amber"),
                      (shape.rear_axle - shape.arch - 0.22, "red")):  # fmt: skip
            z = low + (0.56 if of == "amber" else 0.42) * (shape.belt - low)
            if car.extras["side_markers"] and cast(lower, side, x, z):
                marker = rectangle(x, z, 0.10, 0.028)
                decal("side marker", lower, side, marker, kit[of], lift=0.004, dome=0.003, radius=0.01,
                      part="lights")  # fmt: skip
