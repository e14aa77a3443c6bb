"""Parts that stand off the body: wheels, mirrors, roof rails, antennas; and the shared materials."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from fleet import Car
from meshes import box, cast, lathe, make_object, material, ring_faces

if TYPE_CHECKING:
    from cars import Shape

Kit = dict[str, bpy.types.Material]


def materials(car: Car, paint: bpy.types.Material) -> Kit:
    """The materials of a car, by name."""
    rim = {"silver": (0.62, 0.63, 0.65), "grey": (0.22, 0.23, 0.24), "black": (0.02, 0.02, 0.022)}
    colour = rim[str(car.extras["rim"])]
    kit = {
        "paint": paint,
        "plastic": material("plastic", (0.022, 0.022, 0.024), Roughness=0.55),
        "well": material("well", (0.008, 0.008, 0.008), Roughness=0.9),
        "glass": material("glass", (0.012, 0.016, 0.017), Roughness=0.06,
                          Specular_IOR_Level=0.28),
        "gap": material("gap", (0.006, 0.006, 0.006), Roughness=0.8),
        "gloss": material("gloss black", (0.008, 0.008, 0.009), Roughness=0.12),
        "rubber": material("rubber", (0.018, 0.018, 0.018), Roughness=0.75),
        "rim": material("rim", colour, Metallic=0.75, Roughness=0.28, Coat_Weight=0.5),
        "disc": material("brake disc", (0.3, 0.3, 0.3), Metallic=0.9, Roughness=0.4),
        "chrome": material("chrome", (0.75, 0.76, 0.78), Metallic=1.0, Roughness=0.12),
        "lamp": material("lamp", (0.82, 0.84, 0.86), Metallic=0.35, Roughness=0.12, Coat_Weight=1.0),
        "beam": material("beam", (1, 1, 1), Roughness=0.1, Emission_Color=(1, 0.98, 0.95, 1),
                         Emission_Strength=0.7),
        "red": material("tail lamp", (0.42, 0.006, 0.01), Roughness=0.1, Coat_Weight=1.0,
                        Emission_Color=(0.5, 0.005, 0.008, 1), Emission_Strength=0.15),
        "amber": material("amber", (0.75, 0.22, 0.02), Roughness=0.15, Coat_Weight=1.0),
        "plate": material("plate", (0.8, 0.8, 0.78), Roughness=0.4),
        "ink": material("ink", (0.02, 0.03, 0.10), Roughness=0.5),
    }  # fmt: skip
    for entry in (kit["beam"], kit["red"]):  # they glow, but light nothing up: quicker to render
        entry.cycles.emission_sampling = "NONE"
    return kit


def spoke(inner: float, outer: float, width: float, face: float, of: bpy.types.Material):
    """One spoke along +x: narrower towards the rim and dished towards the hub."""
    half, thick = width / 2, 0.035
    vertices = [
        (x, y, z)
        for x, y0, w in ((inner, face - 0.030, half), (outer, face - 0.012, 0.72 * half))
        for y, z in ((y0, -w), (y0, w), (y0 - thick, -1.1 * w), (y0 - thick, 1.1 * w))
    ]
    faces = [(0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5), (0, 2, 3, 1), (4, 5, 7, 6)]
    return make_object("spoke", vertices, faces, [of], smooth=False)


def wheel(car: Car, radius: float, kit: Kit) -> bpy.types.Object:
    """One wheel around the y axis, outer side at +y: tyre, open rim, spokes, brake disc."""
    before = set(bpy.data.objects)
    tall = car.style in ("suv", "pickup", "van")
    hole = radius * (0.665 if tall else 0.70)
    half = 0.115 if tall else 0.108
    wall = radius - hole
    tyre = [(hole, -half * 0.8), (hole + 0.35 * wall, -half), (radius - 0.35 * wall, -half * 1.02),
            (radius - 0.02, -half * 0.88), (radius, -half * 0.68), (radius, half * 0.68),
            (radius - 0.02, half * 0.88), (radius - 0.35 * wall, half * 1.02),
            (hole + 0.35 * wall, half), (hole, half * 0.8)]  # fmt: skip
    lathe("tyre", tyre, kit["rubber"])
    face = half * 0.80
    # The rim is an open tube: where no spoke or disc is in the way, one sees through the wheel.
    lathe("barrel", [(hole, -face), (hole - 0.008, -face), (hole - 0.022, 0.2 * face),
                     (hole - 0.014, face), (hole + 0.006, face + 0.008), (hole + 0.002, face)],
          kit["rim"])  # fmt: skip
    lathe("hub", [(0.001, face - 0.012), (0.05, face - 0.014), (0.07, face - 0.03),
                  (0.07, -0.02), (0.001, -0.02)], kit["rim"], closed=False)  # fmt: skip
    lathe("disc", [(0.001, 0.0), (0.64 * hole, 0.0), (0.64 * hole, -0.022), (0.001, -0.022)],
          kit["disc"], closed=False)  # fmt: skip
    box(
        "caliper", (-0.55 * hole, -0.01, 0.1 * hole), (0.06, 0.07, 0.16), kit["plastic"], bevel=0.01
    )
    count = int(car.extras["spokes"])
    width = hole * min(0.40, 1.35 / count) * 0.95
    pairs = (-0.16, 0.16) if car.extras["twin_spokes"] and count <= 7 else (0.0,)
    for index in range(count):
        for offset in pairs:
            made = spoke(0.05, hole - 0.012, width / (1.7 if len(pairs) == 2 else 1), face,
                         kit["rim"])  # fmt: skip
            made.rotation_euler.y = 2 * np.pi * (index / count) + offset + 0.31
    root = bpy.data.objects.new("wheel", None)
    bpy.context.scene.collection.objects.link(root)
    for thing in set(bpy.data.objects) - before - {root}:
        thing.parent = root
    return root


def copy_tree(root: bpy.types.Object) -> bpy.types.Object:
    """A copy of an empty and its children that shares their meshes."""
    made = root.copy()
    bpy.context.scene.collection.objects.link(made)
    for child in root.children:
        twin = child.copy()
        bpy.context.scene.collection.objects.link(twin)
        twin.parent = made
    return made


def wheels(car: Car, shape: Shape, half_width: Callable, kit: Kit) -> None:
    """Four wheels, standing on the ground, just inside the fenders; and dark axles between them."""
    first = wheel(car, shape.wheel, kit)
    tyre = 0.115 if car.style in ("suv", "pickup", "van") else 0.108
    made = first
    for axle in (shape.front_axle, shape.rear_axle):
        local = float(half_width(shape, np.array(axle), car.size["boxiness"]))
        for side in (1, -1):
            if made is None:
                made = copy_tree(first)
            made.location = (axle, side * (0.965 * local - 0.01 - tyre), shape.wheel)
            made.rotation_euler.z = 0 if side > 0 else np.pi
            made = None
        box("axle", (axle, 0, shape.wheel + 0.02), (0.08, 1.7 * local, 0.08), kit["well"])


def mirrors(car: Car, shape: Shape, kit: Kit) -> None:
    """Wing mirrors: a pebble with a dark glass, on an arm that reaches into the door."""
    tall = car.style in ("suv", "pickup", "van")
    shell = kit["paint"] if car.extras["mirrors"] == "body colour" else kit["plastic"]
    height = 0.19 if tall else 0.145
    x, z = shape.glass_front[0] - (0.30 if tall else 0.38), shape.belt + 0.02 + height / 2
    for side in (1, -1):
        y = side * (shape.width + 0.075)
        box("mirror", (x, y, z), (0.16, 0.27, height * 1.35), shell, rounded=True)
        box(
            "mirror glass",
            (x - 0.058, y, z),
            (0.02, 0.16, height * 0.72),
            kit["glass"],
            bevel=0.009,
        )
        box("mirror arm", (x, side * (shape.width - 0.03), z - 0.30 * height),
            (0.075, 0.34, 0.05), kit["plastic"], bevel=0.012)  # fmt: skip


def tube(name: str, path: np.ndarray, radius: float, of: bpy.types.Material) -> bpy.types.Object:
    """A round bar along a path in a plane of constant y."""
    turns = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.array([0.0, 1.0, 0.0])
    up = np.cross(along, side)
    rings = [
        p + radius * (np.cos(a) * side + np.sin(a) * u)
        for p, u in zip(path, up, strict=True)
        for a in turns
    ]
    faces: list[tuple[int, ...]] = list(ring_faces(len(path), len(turns), closed=True))
    faces += [tuple(range(len(turns))), tuple(range(len(rings) - len(turns), len(rings)))]
    return make_object(name, rings, faces, [of])


def roof(car: Car, shape: Shape, upper: BVHTree, kit: Kit) -> None:
    """Roof rails, an antenna and a spoiler, where the car has them."""
    head, back = shape.glass_front[1], shape.glass_rear[1]
    roof_width = shape.base_width * (1 - car.size["tumble"])
    if car.extras["roof_rails"]:
        of = kit["chrome"] if car.extras["chrome"] else kit["plastic"]
        for side in (1, -1):
            y = side * roof_width * 0.83
            path = []
            for x in np.linspace(head - 0.22, back + 0.12, 24):
                point, _ = cast(upper, "+z", float(x), y)
                path.append((x, y, point.z + 0.062))
            path = np.array([path[0] - np.array((-0.07, 0, 0.085)), *path,
                             path[-1] - np.array((0.07, 0, 0.085))])  # fmt: skip
            tube("rail", path, 0.019, of)
            for index in (8, 17):
                x, _, z = path[index]
                box("foot", (x, y, z - 0.04), (0.10, 0.03, 0.09), of, bevel=0.006)
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
        path = start + np.linspace(0, 1, 6)[:, None] * np.array((-0.20, 0, 0.44))
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
        box("lip", (back - 0.04, 0, point.z - 0.022), (0.26, 1.62 * roof_width, 0.035),
            kit["paint"], bevel=0.015)  # fmt: skip
