"""What lies on the surface of the body: windows, doors, lamps, grille, bumpers, number plates."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from fleet import Car
from meshes import box, cast, decal
from parts import Kit, tube

if TYPE_CHECKING:
    from cars import Shape

SIDES = (("+y", 1), ("-y", -1))


def windows(car: Car, shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """Windscreen, side windows between painted and black pillars, rear window."""
    tall = car.style in ("suv", "pickup", "van")
    low = shape.belt + 0.035
    high = shape.roof - 0.105 - (0.02 if tall else 0)
    bow = 0.10 if tall else 0.16
    (foot, head), (back, back_head) = shape.glass_front, shape.glass_rear

    def front_at(share: float) -> float:
        return foot + (head - foot) * share - bow - 0.09

    def back_at(share: float) -> float:
        pillar = {"sedan": 0.22, "coupe": 0.24, "pickup": 0.12}.get(car.style, 0.17)
        return back + (back_head - back) * share + pillar

    front = [(front_at(0.02), low), (front_at(0.86) - 0.03, high)]
    dip = car.size["drop"] * 0.9
    if car.extras["cargo"]:  # a panel van has windows in its front doors only
        middle = front_at(0.5) - 1.05
        outline = [front[0], front[1], (middle, high), (middle, low)]
        posts = []
    else:
        outline = [front[0], front[1], (back_at(0.86) + 0.02, high - dip),
                   (back_at(0.12) + 0.01, low + 0.02)]  # fmt: skip
        span = outline[0][0] - outline[3][0]
        posts = {"coupe": [0.62], "sedan": [0.52], "pickup": [0.50]}.get(car.style, [0.44, 0.76])
        if car.extras["doors"] == 2:
            posts = [0.62]
        posts = [outline[0][0] - share * span for share in posts]
    for side, _ in SIDES:
        decal("frame", upper, side, outline, kit["gloss"], lift=0.003, radius=0.09)
        edges = [outline[0][0] + 1.0, *posts, outline[3][0] - 1.0]
        for start, stop in pairwise(edges):
            pane = clip(np.array(outline), stop + 0.028, start - 0.028)
            pane = pane.mean(0) + (pane - pane.mean(0)) * 0.965
            decal("side window", upper, side, pane, kit["glass"], lift=0.007, radius=0.07)
    width = shape.base_width
    narrow = 1 - car.size["tumble"]
    for side, bottom, spread in (
        ("+x", low + 0.01, 0.87),
        ("-x", low + (0.05 if tall else 0.03), 0.85),
    ):
        if side == "-x" and car.extras["cargo"]:
            spread *= 0.98
        top = high + (0.015 if side == "+x" else -0.03 - dip)
        corners = [(-spread * width, bottom), (-spread * width * narrow, top),
                   (spread * width * narrow, top), (spread * width, bottom)]  # fmt: skip
        decal("frame", upper, side, corners, kit["gap"], lift=0.003, radius=0.07)
        inner = np.array(corners)
        inner = inner.mean(0) + (inner - inner.mean(0)) * (0.975, 0.955)
        decal("windscreen", upper, side, inner, kit["glass"], lift=0.007, radius=0.06)
    if car.style == "van" and car.extras["cargo"]:
        decal("post", upper, "-x", [(-0.03, low), (-0.03, high - 0.02), (0.03, high - 0.02), (0.03, low)],
              kit["paint"], lift=0.009, radius=0.005)  # fmt: skip


def bar(half_width: float, z: float, half_height: float) -> list[tuple[float, float]]:
    """An upright rectangle in the middle of the car, as the corners of a decal."""
    return [(-half_width, z - half_height), (-half_width, z + half_height),
            (half_width, z + half_height), (half_width, z - half_height)]  # fmt: skip


def clip(outline: np.ndarray, low: float, high: float) -> np.ndarray:
    """The part of a convex polygon with x between `low` and `high`."""
    for bound, sign in ((low, 1), (high, -1)):
        kept = []
        for first, second in zip(outline, np.roll(outline, -1, 0), strict=True):
            inside = sign * (first[0] - bound) >= 0
            if inside:
                kept.append(first)
            if inside != (sign * (second[0] - bound) >= 0):
                kept.append(first + (second - first) * (bound - first[0]) / (second[0] - first[0]))
        outline = np.array(kept)
    return outline


def line(name: str, tree: BVHTree, side: str, path: list[tuple[float, float]], kit: Kit) -> None:
    """A shut line: thin dark strips along a path."""
    for (a0, b0), (a1, b1) in pairwise(path):
        along = np.array((a1 - a0, b1 - b0))
        across = 0.004 * np.array((-along[1], along[0])) / np.linalg.norm(along)
        first, second = np.array((a0, b0)), np.array((a1, b1))
        corners = [first - across, first + across, second + across, second - across]
        decal(name, tree, side, corners, kit["gap"], lift=0.002, radius=0.001)


def doors(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """Shut lines of doors and bonnet, door handles, fuel flap, cladding on the arches."""
    low, high = car.size["clearance"] + 0.13, shape.belt - 0.02
    start = shape.glass_front[0] - 0.18
    start = min(start, shape.front_axle - shape.arch - 0.10)
    stop = shape.rear_axle + shape.arch * 0.75
    if car.style == "pickup":
        stop = min(stop + 0.1, shape.glass_rear[0] + 0.12)
    cuts = (
        [start, stop + 0.12]
        if car.extras["doors"] == 2
        else [start, (start + stop) / 2 - 0.06, stop]
    )
    for side, sign in SIDES:
        for index, x in enumerate(cuts):
            path = [(x, high), (x - 0.02, (low + high) / 2), (x, low)]
            if index == len(cuts) - 1 and x < shape.rear_axle + shape.arch + 0.06:
                bend = shape.wheel + shape.arch * 0.8
                path = [(x, high), (x, bend), (shape.rear_axle + shape.arch + 0.06, low)]
            line("shut line", lower, side, path, kit)
        last = max(cuts[-1], shape.rear_axle + shape.arch + 0.06)
        line("sill line", lower, side, [(cuts[0], low), (last, low)], kit)
        for x in cuts[1:]:
            point, _ = cast(lower, side, x + 0.17, shape.belt - 0.105)
            of = kit["chrome"] if car.extras["chrome"] else kit["paint"]
            box(
                "handle",
                (x + 0.17, point.y + sign * 0.012, point.z),
                (0.17, 0.032, 0.03),
                of,
                bevel=0.01,
            )
        if car.extras["cladding"]:
            for axle in (shape.front_axle, shape.rear_axle):
                arch(axle, shape, lower, side, sign, kit)
    edge = 0.74 * shape.width
    nose = shape.front - 0.20
    for sign in (-1, 1) if car.style != "van" else ():
        line("bonnet line", lower, "+z", [(nose, 0.82 * edge * sign), (nose - 0.4, 0.95 * edge * sign),
                                          (shape.glass_front[0] - 0.02, edge * sign)], kit)  # fmt: skip
    foot = shape.glass_front[0]
    decal("cowl", lower, "+z", [(foot + 0.05, -0.3), (foot + 0.05, 0.3), (foot - 0.12, 0.72 * shape.width),
                                (foot - 0.2, 0.72 * shape.width), (foot - 0.2, -0.72 * shape.width),
                                (foot - 0.12, -0.72 * shape.width)], kit["plastic"])  # fmt: skip


def arch(axle: float, shape: Shape, lower: BVHTree, side: str, sign: int, kit: Kit) -> None:
    """A black plastic lip around a wheel arch."""
    turns = np.linspace(-0.12, np.pi + 0.12, 22)
    for first, second in pairwise(turns):
        corners = [(axle + r * np.cos(a), shape.wheel + 0.015 + r * np.sin(a))
                   for r, a in ((shape.arch - 0.002, first), (shape.arch + 0.055, first),
                                (shape.arch + 0.055, second + 0.01),
                                (shape.arch - 0.002, second + 0.01))]  # fmt: skip
        decal("arch", lower, side, corners, kit["plastic"], lift=0.008, radius=0.001)


def plate(car: Car, where, facing: int, kit: Kit) -> None:
    """A number plate with invented characters."""
    x, _, z = where
    box("plate", (x + facing * 0.012, 0, z), (0.02, 0.50, 0.115), kit["plate"], bevel=0.004)
    curve = bpy.data.curves.new("plate text", "FONT")
    curve.body, curve.size = str(car.extras["plate"]), 0.105
    curve.align_x, curve.align_y = "CENTER", "CENTER"
    curve.materials.append(kit["ink"])
    text = bpy.data.objects.new("plate text", curve)
    text.location = (x + facing * 0.024, 0, z)
    text.rotation_euler = (np.pi / 2, 0, facing * np.pi / 2)
    bpy.context.scene.collection.objects.link(text)


def face(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """Headlamps, grille, lower intake, fog lamps and the front plate."""
    size, half = car.size, shape.width
    nose, base = size["nose_share"] * shape.belt, size["clearance"] + 0.05
    rise = nose - base
    bulk = 0.74 + 0.10 * size["boxiness"]
    form, lamp = float(car.extras["grille_shape"]), float(car.extras["lamp_shape"])
    top = base + rise * (0.90 + 0.02 * form)
    low_edge = base + rise * (0.56 - 0.14 * form)
    wide = half * (0.30 + 0.16 * form) * (1.18 if car.style in ("suv", "pickup") else 1)
    outline = [(-wide, top), (wide, top), (wide * (0.78 + 0.15 * form), low_edge),
               (-wide * (0.78 + 0.15 * form), low_edge)]  # fmt: skip
    if car.extras["chrome"]:
        frame = np.array(outline)
        frame = frame.mean(0) + (frame - frame.mean(0)) * (1.05, 1.12)
        decal("grille frame", lower, "+x", frame, kit["chrome"], lift=0.004, radius=0.06)
    decal("grille", lower, "+x", outline, kit["gap"], lift=0.008, radius=0.05)
    for share in np.linspace(0.2, 0.8, 3 + int(3 * lamp)):
        z = low_edge + (top - low_edge) * share
        decal("bar", lower, "+x", bar(0.86 * wide, z, 0.006),
              kit["chrome"] if car.extras["chrome"] else kit["rim"], lift=0.012, radius=0.003)  # fmt: skip
    inner = max(wide + 0.05, half * 0.46)
    height = rise * (0.19 + 0.13 * lamp) * (1.25 if car.style in ("suv", "pickup", "van") else 1)
    upper = base + rise * 0.95
    for sign in (-1, 1):
        corners = [(sign * inner, upper - 0.035), (sign * half * (bulk + 0.05), upper + 0.01),
                   (sign * half * (bulk + 0.07), upper - 0.65 * height),
                   (sign * (inner + 0.04), upper - height - 0.02 * lamp)]  # fmt: skip
        decal("lamp frame", lower, "+x", corners, kit["gloss"], lift=0.005, radius=0.05)
        glass = np.array(corners)
        glass = glass.mean(0) + (glass - glass.mean(0)) * (0.93, 0.86)
        decal("headlamp", lower, "+x", glass, kit["lamp"], lift=0.008, radius=0.05)
        for share in (0.35, 0.62):
            y = sign * (inner + share * (half * (bulk + 0.05) - inner))
            z = upper - 0.5 * height - 0.012
            ring = [(y + 0.31 * height * np.cos(a), z + 0.31 * height * np.sin(a))
                    for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)]  # fmt: skip
            decal("bowl", lower, "+x", ring, kit["disc"], lift=0.010, radius=0.02)
            bulb = np.array(ring).mean(0) + 0.6 * (np.array(ring) - np.array(ring).mean(0))
            decal("bulb", lower, "+x", bulb, kit["beam"], lift=0.013, radius=0.02)
        spot = base + rise * 0.25
        corners = [(sign * half * 0.60, spot + 0.045), (sign * half * 0.80, spot + 0.06),
                   (sign * half * 0.78, spot - 0.035), (sign * half * 0.62, spot - 0.04)]  # fmt: skip
        decal("fog inset", lower, "+x", corners, kit["plastic"], lift=0.005, radius=0.03)
        disc = [(sign * half * 0.70 + 0.032 * np.cos(a), spot + 0.008 + 0.032 * np.sin(a))
                for a in np.linspace(0, 2 * np.pi, 10, endpoint=False)]  # fmt: skip
        decal("fog lamp", lower, "+x", disc, kit["lamp"], lift=0.009, radius=0.01)
    decal("intake", lower, "+x", [(-half * 0.5, base + rise * 0.27), (half * 0.5, base + rise * 0.27),
                                  (half * 0.44, base + rise * 0.10), (-half * 0.44, base + rise * 0.10)],
          kit["gap"], lift=0.006, radius=0.04)  # fmt: skip
    z = base + rise * 0.37
    plate(car, cast(lower, "+x", 0.0, z)[0], 1, kit)
    badge = (top + low_edge) / 2
    ring = [(0.05 * np.cos(a), badge + 0.05 * np.sin(a)) for a in np.linspace(0, 6.0, 12)]
    decal("badge", lower, "+x", ring, kit["chrome"], lift=0.018, radius=0.01)


def tail(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """Tail lamps, boot or tailgate lines, rear plate, dark lower bumper, exhaust."""
    half, form = shape.width, float(car.extras["tail_shape"])
    high = shape.belt * car.size["tail_share"] - 0.03
    base = car.size["clearance"] + 0.10
    rise = high - base
    upright = car.style in ("suv", "pickup", "van") or form > 0.7
    drop = rise * (0.42 if upright else 0.24)
    inner = half * (0.70 if upright else 0.44 + 0.2 * form)
    for sign in (-1, 1):
        corners = [(sign * inner, high - 0.07), (sign * half * 0.91, high - 0.05),
                   (sign * half * 0.93, high - 0.05 - drop * 0.9),
                   (sign * (inner + 0.04), high - 0.07 - drop)]  # fmt: skip
        decal("lamp frame", lower, "-x", corners, kit["gloss"], lift=0.004, radius=0.04)
        glass = np.array(corners)
        glass = glass.mean(0) + (glass - glass.mean(0)) * (0.95, 0.92)
        decal("tail lamp", lower, "-x", glass, kit["red"], lift=0.007, radius=0.04)
        small = glass.mean(0) + (glass - glass.mean(0)) * (
            (0.7, 0.2) if not upright else (0.8, 0.16)
        )
        decal("reversing lamp", lower, "-x", small, kit["lamp"], lift=0.010, radius=0.02)
    edge = half * 0.72
    sill = base + 0.30 * rise
    line("boot line", lower, "-x", [(-edge, high - 0.10 - drop), (-edge * 0.9, sill), (edge * 0.9, sill),
                                    (edge, high - 0.10 - drop)], kit)  # fmt: skip
    decal("valance", lower, "-x", [(-half * 0.62, base + 0.16 * rise), (half * 0.62, base + 0.16 * rise),
                                   (half * 0.56, base + 0.02), (-half * 0.56, base + 0.02)],
          kit["plastic"], lift=0.005, radius=0.04)  # fmt: skip
    z = base + rise * (0.60 if upright or form > 0.35 else 0.36)
    decal("plate inset", lower, "-x", bar(0.30, z, 0.08), kit["gap"], lift=0.003, radius=0.03)
    plate(car, cast(lower, "-x", 0.0, z)[0], -1, kit)
    if car.extras["chrome"]:
        z = base + rise * 0.76
        decal("trim", lower, "-x", bar(0.32, z, 0.012), kit["chrome"], lift=0.010, radius=0.008)
    ends = (shape.rear + 0.60, shape.rear + 0.06)
    path = np.array([(x, -0.5 * half, base - 0.02) for x in ends])
    tube("exhaust", path, 0.035, kit["chrome"])
