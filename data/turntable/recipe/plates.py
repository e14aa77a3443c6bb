"""Number plates, the cards that dealers put in their place, and badges. All text is invented."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

from fleet import Car
from materials import Kit
from meshes import box, cast, decal, disc, make_object

WIDTH, HEIGHT = 0.310, 0.155  # metres


def resting(tree: BVHTree, end: int, z: float) -> Matrix:
    """The frame of a flat thing that leans on the front (`end` 1) or rear (-1): x points outwards."""
    side = "+x" if end > 0 else "-x"
    reach = [
        max(abs(hit[0].x) for y in (0.0, 0.5 * WIDTH) if (hit := cast(tree, side, y, z + dz)))
        for dz in (-0.4 * HEIGHT, 0.4 * HEIGHT)
    ]
    lean = float(np.clip(np.arctan2(reach[0] - reach[1], 0.8 * HEIGHT), -0.2, 0.5))
    where = Matrix.Translation(Vector((end * (sum(reach) / 2 + 0.010), 0.0, z)))
    turn = Matrix.Rotation(0.0 if end > 0 else np.pi, 4, "Z")
    return where @ turn @ Matrix.Rotation(-lean, 4, "Y")


def written(text: str, height: float, y: float, z: float, of: bpy.types.Material):
    """Flat text that faces +x."""
    curve = bpy.data.curves.new("plate text", "FONT")
    curve.body, curve.size, curve.resolution_u = text, height, 3
    curve.align_x, curve.align_y = "CENTER", "CENTER"
    curve.materials.append(of)
    made = bpy.data.objects.new("plate text", curve)
    made.matrix_world = Matrix.Translation((0.0075, y, z)) @ Matrix(
        ((0, 0, 1, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1))
    )
    bpy.context.scene.collection.objects.link(made)
    return made


def plate(car: Car, tree: BVHTree, end: int, z: float, kit: Kit) -> None:
    """A number plate, a pale card with a blue mark, or nothing."""
    kind = car.extras["front_plate" if end > 0 else "rear_plate"]
    if kind == "none":
        return
    frame, pieces = car.extras["plate_frame"], []
    if frame != "none":
        of = kit["chrome"] if frame == "chrome" else kit["gloss"]
        pieces.append(box("plate frame", (-0.002, 0, 0), (0.016, WIDTH + 0.024, HEIGHT + 0.024), of,
                          bevel=0.004))  # fmt: skip
    ground = kit["plate"] if kind == "plate" else kit["card"]
    pieces.append(box("plate", (-0.005, 0, 0), (0.024, WIDTH, HEIGHT), ground, bevel=0.003))
    if kind == "plate":
        pieces.append(written(str(car.extras["plate"]), 0.068, 0.0, 0.0, kit["ink"]))
    else:
        pieces.append(written(str(car.extras["card"]), 0.040, 0.03, 0.012, kit["blue"]))
        ring = [(0.0075, y, z) for y, z in disc(-0.112, 0.012, 0.026)]
        mark = make_object("card mark", ring, [tuple(range(len(ring)))], [kit["blue"]])
        band = box("card band", (0.0, 0, -0.062), (0.0150, WIDTH - 0.01, 0.020), kit["blue"])
        pieces += [mark, band]
    where = resting(tree, end, z)
    for piece in pieces:
        piece.matrix_world = where @ piece.matrix_world
        piece.pass_index = 5


def badge(car: Car, tree: BVHTree, end: int, z: float, kit: Kit, *, lift: float = 0.010) -> None:
    """A small chrome emblem."""
    shape = car.extras["badge"]
    side = "+x" if end > 0 else "-x"
    if shape == "wings":
        outline = [(-0.11, z + 0.02), (0, z + 0.03), (0.11, z + 0.02), (0.03, z - 0.02), (0, z - 0.03),
                   (-0.03, z - 0.02)]  # fmt: skip
    elif shape == "shield":
        outline = [(-0.04, z + 0.045), (0.04, z + 0.045), (0.04, z - 0.01), (0, z - 0.055),
                   (-0.04, z - 0.01)]  # fmt: skip
    else:
        wide = 1.7 if shape == "oval" else 1.0
        outline = [(wide * y, z + h) for y, h in disc(0.0, 0.0, 0.048)]
    decal("badge", tree, side, outline, kit["chrome"], lift=lift, dome=0.005, radius=0.01)
    if shape in ("oval", "round"):
        middle = [(0.8 * y, z + 0.75 * (h - z)) for y, h in outline]
        decal("badge field", tree, side, middle, kit["blue" if shape == "oval" else "gloss"],
              lift=lift + 0.004, dome=0.005, radius=0.01)  # fmt: skip
