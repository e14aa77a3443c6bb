"""The face of a car: grille, intakes, bumper, lamps, front plate."""

from __future__ import annotations

import numpy as np
from mathutils.bvhtree import BVHTree

from equipment import TRUCKS
from fleet import Car
from lamps import fog_lamps, headlamps
from materials import Kit
from meshes import decal, rectangle, ribbon, scaled
from plates import badge, plate
from shapes import Shape


def span(outline: np.ndarray, axis: int, value: float) -> tuple[float, float] | None:
    """Where a convex polygon starts and ends along a line on which coordinate `axis` is `value`."""
    found = []
    for first, second in zip(outline, np.roll(outline, -1, 0), strict=True):
        if (first[axis] - value) * (second[axis] - value) < 0:
            share = (value - first[axis]) / (second[axis] - first[axis])
            found.append(float(first[1 - axis] + share * (second[1 - axis] - first[1 - axis])))
    return (min(found), max(found)) if len(found) >= 2 else None


def bars(
    lower: BVHTree, outline: np.ndarray, count: int, thick: float, of, *, upright: bool
) -> None:
    """Parallel bars inside a convex polygon; `thick` in metres."""
    axis = 0 if upright else 1
    low, high = outline[:, axis].min(), outline[:, axis].max()
    for value in low + (high - low) * (np.arange(count) + 0.5) / count:
        ends = span(outline, axis, value)
        if ends is None or ends[1] - ends[0] < 0.04:
            continue
        a, b = ends[0] + 0.006, ends[1] - 0.006
        middle, length = (a + b) / 2, b - a
        corners = (
            rectangle(value, middle, thick, length)
            if upright
            else rectangle(middle, value, length, thick)
        )
        decal("bar", lower, "+x", corners, of, lift=0.010, dome=0.006, radius=0.003)


def grille(car: Car, lower: BVHTree, outline: np.ndarray, kit: Kit) -> None:
    """One opening: a frame, a dark ground, and the pattern of the car's design in it."""
    design, chrome = str(car.extras["grille"]), bool(car.extras["chrome"])
    decal("grille frame", lower, "+x", scaled(outline, (1.05, 1.13)),
          kit["chrome" if chrome else "gloss"], lift=0.004, dome=0.004, radius=0.05)  # fmt: skip
    netted = design in ("mesh", "wide")
    decal("grille", lower, "+x", outline, kit["net" if netted else "gap"], lift=0.009, radius=0.04)
    bright = kit["chrome"] if chrome else kit["satin"]
    tall = np.ptp(outline[:, 1])
    if design == "bars":
        bars(lower, outline, max(3, round(tall / 0.045)), 0.014, bright, upright=False)
    elif design == "crossbar":
        bars(lower, outline, 3, 0.16 * tall, bright, upright=False)
    elif design == "vertical" or design == "split":
        jeep = car.style == "off-roader"
        count = 7 if jeep else max(5, round(np.ptp(outline[:, 0]) / 0.055))
        bars(lower, outline, count, 0.045 if jeep else 0.012, kit["paint"] if jeep else bright,
             upright=True)  # fmt: skip


def openings(car: Car, half: float, base: float, rise: float) -> list[np.ndarray]:
    """The outlines (y, z) of the grille's openings."""
    form, truck = float(car.extras["grille_shape"]), car.style in TRUCKS
    top = base + rise * (0.87 + 0.03 * form)
    low = base + rise * (0.58 - 0.12 * form - (0.06 if truck else 0))
    wide = half * (0.34 + 0.14 * form) * (1.25 if truck else 1.0)
    foot = wide * (0.72 + 0.2 * form)
    design = car.extras["grille"]
    if design == "none":
        return []
    if design == "wide":
        waist, low = base + rise * 0.62, base + rise * 0.14
        return [np.array([(-0.8 * wide, top), (0.8 * wide, top), (wide, waist), (0.75 * wide, low),
                          (-0.75 * wide, low), (-wide, waist)])]  # fmt: skip
    if design == "split":
        kidney = np.array(
            [(0.02, top), (0.75 * wide, top - 0.02), (0.70 * wide, low), (0.02, low + 0.03)]
        )
        return [kidney, kidney[::-1] * (-1, 1)]
    return [np.array([(-wide, top), (wide, top), (foot, low), (-foot, low)])]


def bumper(car: Car, shape: Shape, lower: BVHTree, base: float, rise: float, kit: Kit) -> None:
    """Lower intakes, a lip, a skid plate, the cover of the towing eye."""
    half, tall = shape.width, car.size["height"] > 1.6
    form = float(car.extras["grille_shape"])
    if car.extras["grille"] != "wide":
        wide, high = half * (0.44 + 0.22 * form), base + rise * (0.25 + 0.05 * form)
        outline = [(-wide, high), (wide, high), (0.86 * wide, base + rise * 0.08),
                   (-0.86 * wide, base + rise * 0.08)]  # fmt: skip
        decal("intake frame", lower, "+x", scaled(outline, (1.02, 1.1)), kit["plastic"], lift=0.003)
        decal("intake", lower, "+x", outline, kit["net"], lift=0.006)
    if car.extras["grille"] == "none":
        slit = rectangle(0, base + rise * 0.80, 0.9 * half, 0.024)
        decal("slit", lower, "+x", slit, kit["gloss"], lift=0.005, radius=0.01)
    if tall:
        foot = [(-0.34 * half, base + rise * 0.10), (0.34 * half, base + rise * 0.10),
                (0.28 * half, base - 0.01), (-0.28 * half, base - 0.01)]  # fmt: skip
        decal("skid plate", lower, "+x", foot, kit["satin"], lift=0.009, dome=0.004, radius=0.02)
    if car.extras["towing_eye"]:
        square = rectangle(0.58 * half, base + rise * 0.44, 0.055, 0.055)
        ribbon("towing eye", lower, "+x", [*square, square[0]], 0.006, kit["gap"])


def face(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """All of it."""
    half, truck = shape.width, car.style in TRUCKS
    base = car.size["clearance"] + 0.05
    rise = car.size["nose_share"] * shape.belt - base
    lamp = float(car.extras["lamp_shape"])
    holes = openings(car, half, base, rise)
    for outline in holes:
        grille(car, lower, outline, kit)
    bumper(car, shape, lower, base, rise, kit)
    upper = max((float(outline[:, 1].max()) for outline in holes), default=base + rise * 0.88)
    edge = max((float(outline[:, 0].max()) for outline in holes), default=0.0)
    height = rise * (0.20 + 0.08 * lamp) * (1.35 if truck else 1.0)
    inner = max(edge * 1.06 + 0.02, half * 0.52)
    headlamps(car, lower, inner, upper - 0.92 * height, upper + 0.08 * height, kit)
    if car.extras["fog_lamps"] != "none":
        fog_lamps(car, shape, lower, base + rise * 0.24, kit)
    plate(car, lower, 1, base + rise * (0.34 if car.extras["grille"] == "wide" else 0.40), kit)
    middle = (upper + (holes[0][:, 1].min() if holes else upper)) / 2
    free = car.extras["grille"] in ("none", "split", "wide")
    badge(car, lower, 1, base + rise * 0.92 if free else middle, kit, lift=0.006 if free else 0.018)
