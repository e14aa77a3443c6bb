"""Parts that stand off the body: handles, mirrors, roof rails, antennas, spoilers."""

from __future__ import annotations

import numpy as np
from mathutils.bvhtree import BVHTree

from equipment import TRUCKS
from fleet import Car
from materials import Kit
from meshes import box, cast, decal, make_object, rectangle, ring_faces, scaled, tube
from shapes import Shape


def handle(car: Car, lower: BVHTree, side: str, x: float, z: float, kit: Kit) -> None:
    """A door handle with its middle at `x`: a bar to pull, or a flap over a dark recess."""
    hit = cast(lower, side, x, z)
    if hit is None:
        return
    y, sign = hit[0].y, 1 if side == "+y" else -1
    of = kit["chrome"] if car.extras["chrome"] else kit["paint"]
    cup = [
        (x - 0.05, z - 0.028),
        (x - 0.05, z + 0.022),
        (x + 0.06, z + 0.022),
        (x + 0.06, z - 0.028),
    ]
    if car.extras["handles"] == "pull":
        decal("handle cup", lower, side, cup, kit["gap"], lift=0.0015, radius=0.03)
        box("handle", (x, y + sign * 0.022, z), (0.19, 0.022, 0.027), of, bevel=0.009)
        for end in (-0.08, 0.08):
            box(
                "handle foot", (x + end, y + sign * 0.008, z), (0.03, 0.034, 0.025), of, bevel=0.006
            )
    else:
        wide = [(x + 1.6 * (a - x), b + 0.008) for a, b in cup]
        decal("handle frame", lower, side, scaled(wide, 1.12), of, lift=0.003, radius=0.02)
        decal("handle cup", lower, side, wide, kit["gap"], lift=0.005, radius=0.02)
        flap = [(a, max(b, z)) for a, b in wide]
        decal("handle flap", lower, side, flap, of, lift=0.010, dome=0.004, radius=0.01)


def pebble(
    name: str, profile: np.ndarray, centre: tuple[float, float, float], size: tuple[float, float],
    of, *, part: str,
) -> None:  # fmt: skip
    """A rounded housing along x: rows of `profile` are (x, scale); `size` is its width and height."""
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    cos, sin = np.cos(turns), np.sin(turns)
    y, z = np.sign(cos) * abs(cos) ** 0.65, np.sign(sin) * abs(sin) ** 0.65
    rings = [(centre[0] + x, centre[1] + share * size[0] / 2 * a, centre[2] + share * size[1] / 2 * b)
             for x, share in profile for a, b in zip(y, z, strict=True)]  # fmt: skip
    faces: list[tuple[int, ...]] = list(ring_faces(len(profile), 24, closed=True))
    faces += [tuple(range(24)), tuple(range(len(rings) - 24, len(rings)))]
    make_object(name, rings, faces, [of], part=part)


def mirrors(car: Car, shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """Wing mirrors: a housing with a glass at its back, an indicator, an arm that meets the door."""
    tall = car.size["height"] > 1.6
    shell = kit["paint"] if car.extras["mirrors"] == "body colour" else kit["plastic"]
    wide, high = (0.22, 0.20 if car.style not in TRUCKS else 0.27) if tall else (0.22, 0.145)
    x, z = shape.glass_front[0] - (0.30 if tall else 0.36), shape.belt + 0.045 + high / 2
    nose = np.array([(-0.050, 0.93), (-0.044, 0.99), (0.0, 1.0), (0.045, 0.93), (0.08, 0.76),
                     (0.10, 0.52), (0.108, 0.25)])  # fmt: skip
    for side, sign in (("+y", 1), ("-y", -1)):
        door = cast(upper, side, x, shape.belt + 0.05)
        foot = abs(door[0].y) if door else 0.88 * shape.width
        y = sign * (max(foot + 0.035, shape.width - 0.11) + wide / 2)
        pebble("mirror", nose, (x, y, z), (wide, high), shell, part="mirrors")
        rim = np.array([(-0.052, 0.93), (-0.046, 0.95)])
        pebble("mirror rim", rim, (x, y, z), (wide, high), kit["gloss"], part="mirrors")
        glass = np.array([(-0.0535, 0.85), (-0.050, 0.85)])
        pebble("mirror glass", glass, (x, y, z), (wide, high), kit["mirror"], part="mirrors")
        if car.extras["led_strip"]:
            box("mirror indicator", (x + 0.060, y + sign * 0.18 * wide, z), (0.05, 0.5 * wide, 0.016),
                kit["amber"], bevel=0.006, part="mirrors")  # fmt: skip
        inner, outer = sign * (foot - 0.03), y - sign * 0.30 * wide
        low = z - 0.42 * high
        path = [
            (x, inner, low - 0.035),
            (x + 0.01, (inner + outer) / 2, low - 0.02),
            (x + 0.01, outer, low),
        ]
        tube("mirror arm", path, 0.036, kit["plastic"], flat=0.5, part="mirrors")
        sail = [(x - 0.08, low - 0.05), (x + 0.12, low - 0.05), (x + 0.02, low + 0.07)]
        if door:
            decal("mirror foot", upper, side, sail, kit["plastic"], lift=0.010, radius=0.02,
                  part="mirrors")  # fmt: skip


def rails(car: Car, shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """Bars along the roof on feet; and, on a few cars, two bars across it."""
    head, back = shape.glass_front[1], shape.glass_rear[1]
    half = shape.base_width * (1 - car.size["tumble"]) * 0.83
    of = kit["chrome"] if car.extras["chrome"] else kit["plastic"]
    if car.extras["roof_rails"]:
        for side in (1, -1):
            path = []
            for x in np.linspace(head - 0.22, back + 0.12, 24):
                hit = cast(upper, "+z", float(x), side * half)
                path.append((x, side * half, (hit[0].z if hit else path[-1][2] - 0.05) + 0.05))
            ends = [np.array(path[0]) - (-0.07, 0, 0.075), np.array(path[-1]) - (0.07, 0, 0.075)]
            tube("rail", [ends[0], *path, ends[1]], 0.019, of)
            for index in (8, 17):
                x, y, z = path[index]
                box("foot", (x, y, z - 0.035), (0.10, 0.03, 0.08), of, bevel=0.006)
    if car.extras["roof_bars"]:
        for share in (0.22, 0.72):
            x = head + (back - head) * share
            path = []
            for y in np.linspace(-half, half, 9):
                hit = cast(upper, "+z", x, float(y))
                path.append((x, y, (hit[0].z if hit else shape.roof - 0.05) + 0.07))
            path = np.array(path)
            path[:, 2] = path[:, 2].max()
            tube("roof bar", path, 0.026, kit["plastic"], flat=0.5)
            for y in (-half, half):
                hit = cast(upper, "+z", x, float(y))
                low = hit[0].z if hit else shape.roof - 0.08
                box("bar foot", (x, y, (low + path[0, 2]) / 2), (0.07, 0.05, path[0, 2] - low + 0.02),
                    kit["plastic"], bevel=0.008)  # fmt: skip


def brake_lamp(shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """The third brake lamp, high up at the rear."""
    for depth in np.arange(0.05, 0.16, 0.01):  # the first place below the roof that faces backwards
        hit = cast(upper, "-x", 0.0, shape.roof - float(depth))
        if hit and hit[1].x < -0.30:
            z = shape.roof - float(depth) - 0.012
            decal("brake lamp", upper, "-x", rectangle(0, z, 0.32, 0.024), kit["red"], lift=0.009,
                  dome=0.004, radius=0.01, part="lights")  # fmt: skip
            return


def roof(car: Car, shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """Roof rails, an antenna, a spoiler and a high brake lamp, where the car has them."""
    rails(car, shape, upper, kit)
    brake_lamp(shape, upper, kit)
    head, back = shape.glass_front[1], shape.glass_rear[1]
    roof_width = shape.base_width * (1 - car.size["tumble"])
    if car.style == "convertible":  # nothing grows on a soft top
        return
    if car.extras["antenna"] == "fin":
        point, _ = cast(upper, "+z", back + 0.16, 0.0)
        fin = [(-0.09, 0.0), (0.11, 0.0), (0.04, 0.035), (-0.06, 0.075), (-0.085, 0.07)]
        vertices = [(back + 0.16 + x, y * (1.2 - 12 * z), point.z - 0.012 + z)
                    for y in (-0.03, 0.03) for x, z in fin]  # fmt: skip
        faces = [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), *ring_faces(2, 5, closed=True)]
        make_object("fin", vertices, faces, [kit["paint"]], smooth=False)
    elif car.extras["antenna"] == "whip":
        point, _ = cast(upper, "+z", head - 0.12, 0.35 * roof_width)
        start = np.array(point) - (0, 0, 0.02)
        length = 0.42 if car.size["height"] > 1.6 else 0.26
        path = start + np.linspace(0, 1, 6)[:, None] * np.array((-0.45, 0, 1.0)) * length
        tube("antenna", path, 0.008, kit["plastic"])
    if car.extras["spoiler"] and car.style == "coupe":
        y, x, z = shape.width * 0.74, shape.rear + 0.16, shape.belt * car.size["tail_share"]
        box("wing", (x - 0.02, 0, z + 0.15), (0.21, 2 * y, 0.035), kit["paint"], bevel=0.015)
        for side in (1, -1):
            box(
                "strut",
                (x, side * y * 0.72, z + 0.05),
                (0.12, 0.03, 0.22),
                kit["paint"],
                bevel=0.01,
            )
    elif car.extras["spoiler"]:
        point, _ = cast(upper, "+z", back + 0.05, 0.0)
        box("lip", (back + 0.04, 0, point.z - 0.018), (0.22, 1.62 * roof_width, 0.035),
            kit["paint"], bevel=0.015)  # fmt: skip
