"""Lamps with depth: a housing, what stands in it, and a clear or red cover over all of it.

A lamp is drawn in coordinates of its own: `t` runs from 0 at its inner end, on the face of the
car, to 1 at its outer end, round the corner on the flank; `h` from 0 at its foot to 1 at its top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from fleet import Car
from materials import Kit
from meshes import across, cast, decal, disc, make_object, ribbon, ring_faces, scaled
from shapes import Shape

Points = Sequence[tuple[float, float]]

HEADLAMP_OUTLINES: dict[str, Points] = {
    "almond": [(0, 0.40), (0.12, 0.62), (0.55, 0.95), (1, 1.0), (0.97, 0.72), (0.75, 0.25),
               (0.35, 0.0), (0.06, 0.08)],
    "slim": [(0, 0.62), (0.5, 0.82), (1, 1.0), (0.97, 0.80), (0.6, 0.36), (0.04, 0.30)],
    "block": [(0, 0.95), (0.6, 1.0), (1, 0.95), (1, 0.25), (0.6, 0.05), (0.02, 0.05)],
    "stacked": [(0, 1.25), (0.6, 1.3), (0.97, 1.2), (1, -0.1), (0.6, -0.35), (0.06, -0.3)],
    "round": [(0.5 + 0.5 * np.cos(a), 0.5 + 0.55 * np.sin(a)) for a in np.linspace(0, 6.0, 16)],
}  # fmt: skip
TAIL_LAMP_OUTLINES: dict[str, Points] = {
    "wedge": [(0, 0.60), (0.1, 0.92), (0.6, 1.0), (1, 0.90), (0.98, 0.72), (0.75, 0.22), (0.4, 0.05),
              (0.05, 0.22)],
    "tall": [(0.1, 1.9), (0.5, 1.95), (0.8, 1.85), (1, 0.75), (0.9, 0.0), (0.5, -0.1), (0.12, -0.05),
             (0, 0.6)],
    "bar": [(0, 0.95), (0.6, 0.98), (1, 0.90), (1, 0.60), (0.6, 0.45), (0, 0.48)],
    "block": [(0.05, 1.05), (0.6, 1.1), (0.98, 1.0), (1, 0.1), (0.6, -0.05), (0.05, 0.0)],
    "round": [(0.5 + 0.5 * np.cos(a), 0.5 + 0.6 * np.sin(a)) for a in np.linspace(0, 6.0, 16)],
}  # fmt: skip


@dataclass(frozen=True)
class Corner:
    """Where a lamp sits: the body, the yaw (degrees) it is drawn from, and its frame in metres."""

    tree: BVHTree
    yaw: float
    inner: float
    outer: float
    low: float
    high: float

    def at(self, points: Points) -> np.ndarray:
        """Points (t, h) as corners of a decal."""
        t, h = np.array(points, float).T
        return np.column_stack([self.inner + t * (self.outer - self.inner),
                                self.low + h * (self.high - self.low)])  # fmt: skip


def corner(
    tree: BVHTree, end: int, sign: int, inner: float, wrap: float, low: float, high: float
) -> Corner:
    """The frame of a lamp at the front (`end` 1) or rear (-1) corner of the side `sign`.

    It starts `inner` metres from the middle and reaches `wrap` metres back along the flank.
    """
    middle = (low + high) / 2
    yaw = sign * 32.0 if end > 0 else 180.0 - sign * 32.0
    face = "+x" if end > 0 else "-x"
    first, _ = cast(tree, face, sign * inner, middle)
    flank = cast(tree, "+y" if sign > 0 else "-y", first.x - end * wrap, middle)
    last = flank[0] if flank else first + Vector((0.0, sign * 0.3, 0.0))
    axis = across(yaw)
    return Corner(tree, yaw, first.dot(axis), last.dot(axis), low, high)


def bowl(
    where: Corner, t: float, h: float, radius: float, of: bpy.types.Material, *, hollow: bool = True
) -> None:  # fmt: skip
    """A reflector: a shallow dish with the normals of a deep one; or, not `hollow`, a round lens."""
    (a, b), turns = where.at([(t, h)])[0], np.linspace(0, 2 * np.pi, 20, endpoint=False)
    hit = cast(where.tree, where.yaw, a, b)
    if hit is None:
        return
    place, out = np.array(hit[0]), np.array(hit[1])
    right = np.cross((0, 0, 1), out)
    right /= np.linalg.norm(right)
    up = np.cross(out, right)
    rings, normals = [], []
    for share, depth in ((1, 0.013), (0.85, 0.009), (0.6, 0.006), (0.3, 0.0045), (0.02, 0.004)):
        lean = 0.9 * share if hollow else -1.1 * share
        depth = depth if hollow else 0.016 - 0.004 * share
        for turn in turns:
            away = np.cos(turn) * right + np.sin(turn) * up
            rings.append(place + depth * out + radius * share * away)
            normals.append(np.cos(lean) * out - np.sin(lean) * away)
    made = make_object("bowl", rings, ring_faces(5, len(turns), closed=True), [of], part="lights")
    made.data.normals_split_custom_set_from_vertices(normals)


def strip(where: Corner, path: Points, width: float, of: bpy.types.Material, lift=0.012) -> None:
    """A band of light along a path; `width` in metres."""
    ribbon("strip", where.tree, where.yaw, where.at(path), width, of, lift=lift, part="lights")


def patch(
    where: Corner, outline: Points, of: bpy.types.Material, lift: float, *, share: float = 1.0,
    dome: float = 0.0, name: str = "lamp",
) -> None:  # fmt: skip
    """A piece of a lamp that follows the body."""
    decal(name, where.tree, where.yaw, scaled(where.at(outline), share), of, lift=lift, radius=0.02,
          dome=dome, part="lights")  # fmt: skip


def headlamps(car: Car, lower: BVHTree, inner: float, low: float, high: float, kit: Kit) -> None:
    """Both headlamps: bowls or projectors, an indicator, a band of LEDs, a clear cover."""
    style, dark = str(car.extras["headlamp"]), car.extras["lamp_housing"] == "dark"
    height = high - low
    wrap = {"round": 0.06, "block": 0.16, "stacked": 0.12}.get(style, 0.34)
    outline = HEADLAMP_OUTLINES[style]
    for sign in (-1, 1):
        where = corner(lower, 1, sign, inner, wrap, low, high)
        patch(where, outline, kit["gloss"], 0.003, share=1.03, name="lamp frame")
        patch(where, outline, kit["housing"], 0.005, share=0.98)
        radius = height * {"almond": 0.24, "slim": 0.17, "block": 0.30}.get(style, 0.32)
        lens = kit["lens"] if dark or style == "slim" else kit["beam"]
        if style == "round":
            bowl(where, 0.5, 0.5, 0.50 * height, kit["lamp"])
            bowl(where, 0.5, 0.5, 0.16 * height, kit["beam"], hollow=False)
        elif style == "stacked":
            for h in (0.05, 0.75):
                bowl(where, 0.36, h, 0.9 * radius, kit["lamp"])
                bowl(where, 0.36, h, 0.35 * radius, kit["beam"], hollow=False)
        else:
            for t, h in {"almond": ((0.26, 0.38), (0.56, 0.58)), "slim": ((0.25, 0.54), (0.5, 0.62)),
                         "block": ((0.22, 0.52), (0.56, 0.52))}[style]:  # fmt: skip
                bowl(where, t, h, radius, kit["lamp"])
                bowl(where, t, h, 0.55 * radius, lens, hollow=False)
        if style in ("almond", "block", "stacked"):
            zone = {"almond": [(0.74, 0.90), (0.95, 0.96), (0.92, 0.72), (0.74, 0.42)],
                    "block": [(0.80, 0.90), (0.97, 0.88), (0.97, 0.32), (0.80, 0.18)],
                    "stacked": [(0.72, 1.1), (0.93, 1.05), (0.95, 0.0), (0.72, -0.2)]}[style]  # fmt: skip
            patch(where, zone, kit["amber"], 0.009, name="indicator")
        if car.extras["led_strip"] and style in ("almond", "slim"):
            foot = [(0.06, 0.22), (0.35, 0.10), (0.6, 0.22), (0.8, 0.48), (0.93, 0.78)]
            brow = [(0.12, 0.58), (0.3, 0.66), (0.6, 0.80), (0.93, 0.92)]
            strip(where, foot if style == "almond" else brow, 0.014, kit["beam"])
        patch(where, outline, kit["clear"], 0.009, dome=0.012, share=0.99, name="cover")


def tail_lamps(car: Car, lower: BVHTree, inner: float, low: float, high: float, kit: Kit) -> None:
    """Both tail lamps: red chambers, a reversing lamp, a band of light, a red cover."""
    style = str(car.extras["tail_lamp"])
    height = high - low
    outline = TAIL_LAMP_OUTLINES[style]
    wrap = {"tall": 0.20, "round": 0.06, "block": 0.16}.get(style, 0.30)
    for sign in (-1, 1):
        where = corner(lower, -1, sign, inner, wrap, low, high)
        patch(where, outline, kit["gloss"], 0.003, share=1.02, name="lamp frame")
        patch(where, outline, kit["red dark"], 0.005, share=0.97)
        if style == "tall":
            for h in (1.45, 0.95):
                bowl(where, 0.45, h, 0.36 * height, kit["red"])
                bowl(where, 0.45, h, 0.16 * height, kit["red bright"], hollow=False)
            white = [(0.22, 0.48), (0.82, 0.52), (0.80, 0.22), (0.22, 0.20)]
            strip(where, [(0.90, 1.5), (0.94, 0.9), (0.90, 0.3)], 0.014, kit["red bright"])
        elif style == "round":
            bowl(where, 0.5, 0.5, 0.48 * height, kit["red"])
            bowl(where, 0.5, 0.5, 0.2 * height, kit["red bright"], hollow=False)
            white = None
        elif style == "bar":
            strip(where, [(0.03, 0.82), (0.5, 0.84), (0.94, 0.78)], 0.018, kit["red bright"])
            white = [(0.08, 0.66), (0.36, 0.67), (0.36, 0.54), (0.08, 0.54)]
        else:
            bowl(where, 0.66, 0.58, 0.24 * height, kit["red"])
            bowl(where, 0.66, 0.58, 0.12 * height, kit["red bright"], hollow=False)
            ridge = [(0.10, 0.80), (0.4, 0.86), (0.7, 0.90), (0.92, 0.84)]
            strip(where, ridge, 0.014, kit["red bright"])
            white = [(0.14, 0.66), (0.42, 0.70), (0.42, 0.34), (0.14, 0.36)]
        cover = kit["red cover"]
        patch(where, outline, cover, 0.009, dome=0.012, share=0.99, name="cover")
        if white:
            patch(where, white, kit["lamp"], 0.021, name="reversing lamp")
        marker = [(0.86, 0.35), (0.96, 0.42), (0.97, 0.22), (0.88, 0.16)]
        if style in ("block", "tall") and not car.extras["led_strip"]:
            patch(where, marker, kit["amber"], 0.021, name="indicator")


def fog_lamps(car: Car, shape: Shape, lower: BVHTree, z: float, kit: Kit) -> None:
    """Insets in the corners of the front bumper, with or without a lamp in them."""
    half, kind = shape.width, car.extras["fog_lamps"]
    for sign in (-1, 1):
        where = corner(lower, 1, sign, half * 0.62, 0.10, z - 0.05, z + 0.05)
        outline = [(0, 0.5), (0.2, 1.0), (0.9, 1.15), (0.8, -0.1), (0.25, -0.1)]
        decal(
            "fog inset",
            lower,
            where.yaw,
            where.at(outline),
            kit["plastic"],
            lift=0.004,
            radius=0.03,
        )
        if kind == "round":
            bowl(where, 0.46, 0.48, 0.040, kit["lamp"])
            bowl(where, 0.46, 0.48, 0.020, kit["beam"], hollow=False)
            decal("fog cover", lower, where.yaw, disc(*where.at([(0.46, 0.48)])[0], 0.042),
                  kit["clear"], lift=0.016, radius=0.01, part="lights")  # fmt: skip
        elif kind == "strip":
            strip(where, [(0.2, 0.45), (0.5, 0.48), (0.75, 0.55)], 0.022, kit["lamp"], lift=0.007)
