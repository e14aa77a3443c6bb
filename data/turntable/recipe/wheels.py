"""Wheels: tyres with grooves and sidewalls, rims of nine designs, brakes behind the spokes."""

from __future__ import annotations

import bpy
import numpy as np

from fleet import Car
from materials import Kit
from meshes import box, chaikin, lathe, make_object, ring_faces
from shapes import Shape, half_width

Strand = tuple[tuple[float, float, float], ...]

# Design: how many spokes, how deep the hub lies behind the rim (metres), and the strands of one
# spoke: (share of the radius, half the width as a share of the radius, turn as a share of the
# angle between two spokes), from the hub outwards.
RIMS: dict[str, tuple[int, float, tuple[Strand, ...]]] = {
    "five": (5, 0.030, (((0.15, 0.18, 0), (0.45, 0.125, 0), (0.85, 0.115, 0), (1, 0.17, 0)),)),
    "ten": (10, 0.028, (((0.15, 0.07, 0), (0.6, 0.056, 0), (1, 0.075, 0)),)),
    "twin": (5, 0.026, (((0.15, 0.08, -0.1), (0.6, 0.060, -0.15), (1, 0.075, -0.19)),
                        ((0.15, 0.08, 0.1), (0.6, 0.060, 0.15), (1, 0.075, 0.19)))),
    "multi": (16, 0.022, (((0.15, 0.036, 0), (0.6, 0.035, 0), (1, 0.048, 0)),)),
    "mesh": (9, 0.024, (((0.15, 0.04, 0), (0.5, 0.034, -0.30), (1, 0.045, -0.5)),
                        ((0.15, 0.04, 0), (0.5, 0.034, 0.30), (1, 0.045, 0.5)))),
    "turbine": (9, 0.016, (((0.15, 0.09, 0), (0.45, 0.085, 0.12), (0.75, 0.08, 0.35),
                            (1, 0.09, 0.65)),)),
    "star": (6, 0.006, (((0.15, 0.17, 0), (0.45, 0.145, 0), (0.75, 0.10, 0), (1, 0.12, 0)),)),
    "fork": (5, 0.026, (((0.15, 0.12, 0), (0.40, 0.10, 0), (0.58, 0.09, 0)),
                        ((0.46, 0.06, -0.02), (0.75, 0.055, -0.13), (1, 0.07, -0.25)),
                        ((0.46, 0.06, 0.02), (0.75, 0.055, 0.13), (1, 0.07, 0.25)))),
    "cover": (8, -0.006, (((0.15, 0.10, 0), (0.50, 0.16, 0), (0.80, 0.22, 0), (1, 0.32, 0)),)),
}  # fmt: skip


def spokes(car: Car, radius: float, front: float, kit: Kit) -> None:
    """All spokes of a rim as one mesh; their faces are polished where the rim is two-tone."""
    count, dish, strands = RIMS[str(car.extras["rim_design"])]
    pitch, thick = 2 * np.pi / count, 0.012 if dish < 0 else 0.034
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, ...]] = []
    kinds: list[int] = []
    side = int(car.extras["rim"] == "two-tone")
    for turn in np.arange(count) * pitch + 0.31:
        for strand in strands:
            stations = chaikin(np.array(strand, float), 2)
            first = len(vertices)
            for share, half, lean in stations:
                angle, w = turn + lean * pitch, half * radius
                y = front - dish * (1 - share) ** 1.5
                for t, depth in ((-1, 0.008), (-0.6, 0), (0.6, 0), (1, 0.008), (0.9, thick),
                                 (-0.9, thick)):  # fmt: skip
                    along, aside = share * radius, t * w
                    vertices.append((along * np.cos(angle) - aside * np.sin(angle), y - depth,
                                     along * np.sin(angle) + aside * np.cos(angle)))  # fmt: skip
            ring = ring_faces(len(stations), 6, closed=True)
            faces += [tuple(first + i for i in face) for face in ring]
            kinds += [0, 0, 0, side, side, side] * (len(stations) - 1)
    make_object("spokes", vertices, faces, [kit["rim"], kit["rim dark"]], face_materials=kinds,
                smooth=False, part="wheels")  # fmt: skip


def blocks(
    name: str, angles: np.ndarray, span: np.ndarray, radii: tuple[float, float],
    depth: tuple[float, float], of: bpy.types.Material,
) -> None:  # fmt: skip
    """Blocks around the y axis, each `span` radians wide, as one mesh: lettering, lugs, calipers."""
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, ...]] = []
    for middle, width in zip(angles, span, strict=True):
        pieces = 2 + int(abs(width) / 0.12)
        first = len(vertices)
        for a in np.linspace(middle - width / 2, middle + width / 2, pieces):
            vertices += [(r * np.cos(a), y, r * np.sin(a))
                         for r, y in ((radii[0], depth[0]), (radii[1], depth[0]),
                                      (radii[1], depth[1]), (radii[0], depth[1]))]  # fmt: skip
        last = first + 4 * (pieces - 1)
        faces += [tuple(first + i for i in f) for f in ring_faces(pieces, 4, closed=True)]
        faces += [(first, first + 1, first + 2, first + 3), (last, last + 1, last + 2, last + 3)]
    make_object(name, vertices, faces, [of], smooth=False, part="wheels")


def tyre(car: Car, radius: float, hole: float, half: float, kit: Kit) -> None:
    """A tyre with a bead, a bulging sidewall with raised letters, a shoulder and a grooved tread."""
    wall = radius - hole
    outside = [(hole - 0.004, 0.80), (hole + 0.012, 0.90), (hole + 0.30 * wall, 0.985),
               (hole + 0.36 * wall, 1.005), (hole + 0.50 * wall, 1.02), (hole + 0.70 * wall, 1.00),
               (hole + 0.74 * wall, 1.012), (radius - 0.024, 0.93), (radius - 0.008, 0.84),
               (radius, 0.72)]  # fmt: skip
    tread: list[tuple[float, float]] = []
    for groove in (-0.40, 0.0, 0.40):
        tread += [(radius, groove - 0.055), (radius - 0.008, groove - 0.04),
                  (radius - 0.008, groove + 0.04), (radius, groove + 0.055)]  # fmt: skip
    profile = [(r, -y) for r, y in outside] + tread + outside[::-1]
    lathe("tyre", [(r, y * half) for r, y in profile], kit["rubber"], steps=72, part="wheels")
    letters = np.concatenate([start + np.arange(9) * 0.075 for start in (0.4, 0.4 + np.pi)])
    blocks("letters", letters, 0.03 + 0.025 * (np.arange(18) * 7 % 3) / 2,
           (hole + 0.46 * wall, hole + 0.62 * wall), (half, 1.03 * half), kit["ribs"])  # fmt: skip
    if wall / radius > 0.335:  # tyres with high walls belong to cars that leave the road
        turns = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        for sign in (-1, 1):
            blocks("lugs", turns, np.full(36, 0.09), (radius - 0.030, radius + 0.001),
                   (sign * 0.55 * half, sign * 1.0 * half), kit["rubber"])  # fmt: skip


def wheel(car: Car, radius: float, half: float, kit: Kit) -> bpy.types.Object:
    """One wheel around the y axis, outer side at +y: tyre, open rim, spokes, hub, brake."""
    before = set(bpy.data.objects)
    hole = radius * (1 - float(car.extras["tyre_wall"]))
    face = half * 0.84
    _, dish, _ = RIMS[str(car.extras["rim_design"])]
    hub = face - max(dish, 0.0)
    tyre(car, radius, hole, half, kit)
    # The rim is an open tube: where no spoke or disc is in the way, one sees through the wheel.
    lathe("barrel", [(hole, -face), (hole - 0.008, -face), (hole - 0.026, 0.3 * face),
                     (hole - 0.016, face - 0.012), (hole, face - 0.012)], kit["barrel"],
          part="wheels")  # fmt: skip
    lathe("lip", [(hole - 0.014, face - 0.014), (hole - 0.011, face + 0.001), (hole - 0.003, face + 0.006),
                  (hole + 0.009, face + 0.006), (hole + 0.008, face - 0.006)],
          kit["rim"], part="wheels")  # fmt: skip
    spokes(car, hole - 0.010, face, kit)
    plate = 0.30 * hole
    lathe("hub", [(0.001, hub + 0.001), (0.9 * plate, hub + 0.001), (plate, hub - 0.006),
                  (0.8 * plate, -0.02), (0.001, -0.02)], kit["rim"], closed=False,
          part="wheels")  # fmt: skip
    lathe("cap", [(0.001, hub + 0.010), (0.022, hub + 0.009), (0.030, hub + 0.001)],
          kit["rim dark"], steps=20, closed=False, part="wheels")  # fmt: skip
    lathe("cap ring", [(0.030, hub + 0.001), (0.032, hub + 0.007), (0.036, hub + 0.001)],
          kit["chrome"], steps=20, closed=False, part="wheels")  # fmt: skip
    if car.extras["rim_design"] != "cover":
        count = 6 if radius > 0.37 else 5
        nuts = np.arange(count) * 2 * np.pi / count + 0.31 + np.pi / count
        blocks("nut seats", nuts, np.full(count, 0.50), (0.56 * plate, 0.88 * plate),
               (hub, hub + 0.002), kit["rim dark"])  # fmt: skip
        blocks("nuts", nuts, np.full(count, 0.22), (0.64 * plate, 0.80 * plate),
               (hub, hub + 0.009), kit["chrome"])  # fmt: skip
    brake = 0.70 * hole
    lathe("disc", [(0.001, 0.020), (0.45 * brake, 0.020), (0.47 * brake, 0.006), (brake, 0.006),
                   (brake, -0.018), (0.001, -0.018)], kit["disc"], closed=False,
          part="wheels")  # fmt: skip
    blocks("caliper", np.array([2.6]), np.array([0.95]), (0.66 * brake, 1.06 * brake),
           (-0.045, min(0.036, hub - 0.036)), kit["caliper"])  # fmt: skip
    lathe("dust shield", [(0.001, -0.05), (0.88 * hole, -0.05)], kit["well"], closed=False,
          part="wheels")  # fmt: skip
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


def wheels(car: Car, shape: Shape, kit: Kit) -> None:
    """Four wheels, standing on the ground, just inside the fenders; and dark axles between them."""
    half = 0.29 * shape.wheel + (0.012 if car.size["height"] > 1.6 else 0.008)
    left = wheel(car, shape.wheel, half, kit)
    for axle, steer in ((shape.front_axle, float(car.extras["steer"])), (shape.rear_axle, 0.0)):
        local = half_width(shape, axle)
        for side in (1, -1):
            made = copy_tree(left)
            made.location = (axle, side * (0.975 * local - 0.008 - half), shape.wheel)
            made.scale.y = side  # the right-hand wheels mirror the left-hand ones
            made.rotation_euler.z = np.radians(np.clip(steer, -5, 5))
        box("axle", (axle, 0, shape.wheel + 0.02), (0.08, 1.6 * local, 0.08), kit["well"])
    for thing in (*left.children, left):
        bpy.data.objects.remove(thing)
