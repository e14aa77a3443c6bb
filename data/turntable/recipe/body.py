"""The lower body: outlines seen from above, stacked from the sill to the shoulder, and a deck."""

from __future__ import annotations

import bpy
import numpy as np

from fleet import Car
from meshes import make_object, ring_faces, smooth_profile
from shapes import Shape, plan, whole
from styles import TAILGATE, TALL

Kit = dict[str, bpy.types.Material]

# Share of the height, share of the width, and how far front and rear lie back there (metres).
# The front is furthest out at the bumper, the rear has a ledge above it.
SECTION = np.array(
    [(0.00, 0.880, 0.150, 0.170), (0.02, 0.915, 0.095, 0.120), (0.06, 0.935, 0.060, 0.075),
     (0.10, 0.945, 0.045, 0.055), (0.13, 0.950, 0.037, 0.045), (0.145, 0.957, 0.028, 0.035),
     (0.20, 0.966, 0.014, 0.018), (0.28, 0.976, 0.005, 0.005), (0.36, 0.984, 0.000, 0.000),
     (0.44, 0.990, 0.000, 0.000), (0.50, 0.993, 0.006, 0.006), (0.515, 0.994, 0.020, 0.034),
     (0.57, 0.996, 0.026, 0.040), (0.64, 0.995, 0.034, 0.044), (0.71, 0.993, 0.044, 0.050),
     (0.78, 0.987, 0.055, 0.058),
     (0.84, 0.980, 0.066, 0.066), (0.89, 0.972, 0.082, 0.078), (0.93, 0.961, 0.102, 0.094),
     (0.96, 0.948, 0.125, 0.115), (0.98, 0.935, 0.150, 0.140), (0.993, 0.920, 0.180, 0.172),
     (1.00, 0.900, 0.220, 0.215)]
)  # fmt: skip
DECK = (0.965, 0.92, 0.86, 0.80, 0.76, 0.72, 0.62, 0.45, 0.25, 0.06)  # shares of the last width


def section(car: Car) -> list[tuple[float, float, float, float]]:
    """SECTION with a character line: the side swells up to it and steps back above it."""
    at, depth = float(car.extras["crease_height"]), float(car.extras["crease_depth"])
    near = at + np.array([-0.16, -0.10, -0.05, -0.02, -0.006, 0.0, 0.008, 0.020])
    shares = np.unique(np.concatenate([SECTION[:, 0], near]))
    wide, front, rear = (np.interp(shares, SECTION[:, 0], SECTION[:, i]) for i in (1, 2, 3))
    below = np.exp(-(((at - shares) / 0.11) ** 2)) * (shares <= at)
    above = np.clip(1 - (shares - at) / 0.020, 0, 1) * (shares > at)
    return list(zip(shares, wide + depth * (below + above), front, rear, strict=True))


def lines(car: Car, shape: Shape, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights of the lower edge and of the shoulder at `x`."""
    size, foot = car.size, shape.glass_front[0]
    nose, tail = size["nose_share"] * shape.belt, size["tail_share"] * shape.belt
    back = max(shape.glass_rear[0], shape.rear + 0.3)
    high = float(shape.belt_at(back))
    tail = min(tail, high + 0.04) if car.style in TAILGATE else tail
    top = smooth_profile(
        [(shape.front, nose - 0.02), (shape.front - 0.22, nose + 0.26 * (shape.belt - nose)),
         (shape.front - 0.60, nose + 0.60 * (shape.belt - nose)),
         (foot + 0.35, shape.belt - 0.05), (foot, shape.belt - 0.01),
         (foot - 0.4, float(shape.belt_at(foot - 0.4))), (back, 0.7 * high + 0.3 * tail),
         (shape.rear + 0.15, tail), (shape.rear, tail - 0.02)], x, 0.09,
    )  # fmt: skip
    for axle in (shape.front_axle, shape.rear_axle):  # fenders reach over the wheels
        fender = shape.wheel + shape.arch + 0.075 - 0.4 * ((x - axle) / 0.8) ** 2
        top = 0.5 * (top + fender + np.sqrt((top - fender) ** 2 + 0.0016))
    low = size["clearance"]
    bottom = smooth_profile(
        [(shape.front, low + 0.06), (shape.front_axle + shape.arch, low + 0.02),
         (shape.front_axle - shape.arch, low), (shape.rear_axle + shape.arch, low + 0.01),
         (shape.rear_axle - shape.arch, low + 0.05), (shape.rear, low + 0.11)], x, 0.06,
    )  # fmt: skip
    return bottom, top


def flank(car: Car, shape: Shape, points: np.ndarray) -> np.ndarray:
    """How far the side stands out beyond its plain section: wheel arches and haunches."""
    x, z = points[:, 0], points[:, 2]
    out = np.zeros(len(points))
    lip = 0.018 if car.style in TALL else 0.012
    muscle = {"sports car": 0.035, "coupe": 0.020, "off-roader": 0.0}.get(car.style, 0.012)
    for axle, haunch in ((shape.front_axle, 0.6 * muscle), (shape.rear_axle, muscle)):
        away = np.hypot(x - axle, z - shape.wheel) - shape.arch
        out += lip * np.exp(-((np.clip(away, 0, None) / 0.05) ** 2)) * (z < shape.belt)
        out += haunch * np.exp(-(((x - axle) / 0.42) ** 2) - ((z - 0.78 * shape.belt) / 0.16) ** 2)
    # Doors are drawn in above the sill, which catches the light from below.
    middle = (shape.front_axle + shape.rear_axle) / 2
    reach = 0.5 * (shape.front_axle - shape.rear_axle) - shape.arch
    doors = 1 / (1 + np.exp((np.abs(x - middle) - reach) / 0.05))
    low = car.size["clearance"] + 0.24 * (shape.belt - car.size["clearance"])
    return out - 0.016 * doors * np.exp(-(((z - low) / 0.07) ** 2))


def deck(shape: Shape, x: np.ndarray, across: np.ndarray, crown: float) -> np.ndarray:
    """Height of bonnet and boot above the shoulder; `across` runs from 0 to 1 at the edge."""
    over_bonnet = 1 / (1 + np.exp((shape.glass_front[0] - 0.1 - x) / 0.05))
    dome = np.clip((0.74 - across) / 0.10, 0, 1)
    dome = dome * dome * (3 - 2 * dome) * (0.014 + 0.010 * shape.boxiness)
    return crown * (1 - across**2) + over_bonnet * dome


def body(car: Car, shape: Shape, kit: Kit) -> bpy.types.Object:
    """The closed lower body, its wheel arches not yet cut."""
    box = shape.boxiness
    lean = (0.95 - 0.60 * box, (0.80 if car.style not in TAILGATE else 0.62) - 0.50 * box)
    rings, shares = [], []
    for share, wide, front, rear in section(car):
        wide = 1 - (1 - wide) * (1 - 0.35 * box)
        flat = plan(shape.front - front * lean[0], shape.rear + rear * lean[1], wide * shape.width,
                    shape.bow)  # fmt: skip
        bottom, top = lines(car, shape, flat[:, 0])
        ring = np.column_stack([flat, bottom + share * (top - bottom)])
        on_side = np.clip(ring[:, 1] / (0.85 * shape.width), 0, 1) ** 8
        ring[:, 1] += flank(car, shape, ring) * on_side
        rings.append(ring)
        shares.append(share)
    rim = rings[-1]
    crown = 0.035 + 0.02 * (1 - box)
    centre = np.array([np.clip(rim[:, 0], shape.rear + 0.75, shape.front - 0.75), 0 * rim[:, 0]]).T
    for scale in DECK:
        flat = centre + scale * (rim[:, :2] - centre)
        _, top = lines(car, shape, flat[:, 0])
        height = top + deck(shape, flat[:, 0], np.full(len(flat), scale), crown)
        rings.append(np.column_stack([flat, height]))
        shares.append(1.0)
    rings = [whole(ring) for ring in rings]
    around = len(rings[0])
    faces: list[tuple[int, ...]] = list(ring_faces(len(rings), around, closed=True))
    vertices = np.concatenate(rings)
    bumper = {"paint": 0, "plastic": 1, "chrome": 2}[str(car.extras["bumper"])]
    sill = 0.29 if car.extras["cladding"] else 0.12
    kinds = []
    for face in faces:
        share, x = shares[face[2] // around], float(np.mean(vertices[list(face), 0]))
        ends = x > shape.front_axle + shape.arch or x < shape.rear_axle - shape.arch
        on_bumper = bumper and ends and share <= 0.42
        kinds.append(bumper if on_bumper else int(share <= sill))
    # Two long faces close the bottom and the slit that is left along the middle of the deck.
    faces += [tuple(range(around)), tuple(range((len(rings) - 1) * around, len(rings) * around))]
    kinds += [1, 0]
    return make_object("body", vertices, faces, [kit["paint"], kit["plastic"], kit["chrome"]],
                       face_materials=kinds)  # fmt: skip


def prism(outline: np.ndarray, axis: str, low: float, high: float):
    """Vertices and faces of a polygon drawn out along an axis, to cut with."""
    count = len(outline)
    order = {"x": (2, 0, 1), "y": (0, 2, 1), "z": (0, 1, 2)}[axis]
    ends = [np.column_stack([outline, np.full(count, at)])[:, order] for at in (low, high)]
    faces = ring_faces(2, count, closed=True)
    return np.concatenate(ends), [*faces, tuple(range(count)), tuple(range(count, 2 * count))]


def subtract(whole_body: bpy.types.Object, cutters: list, of: bpy.types.Material) -> None:
    """Cut prisms out of a closed mesh; the cut faces take the material `of`."""
    vertices, faces = [], []
    for points, sides in cutters:
        faces += [tuple(len(vertices) + i for i in face) for face in sides]
        vertices += list(points)
    cutter = make_object("cutter", vertices, faces, [of], smooth=False)
    modifier = whole_body.modifiers.new("cut", "BOOLEAN")
    modifier.operation, modifier.object, modifier.solver = "DIFFERENCE", cutter, "MANIFOLD"
    modifier.material_mode = "TRANSFER"
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    result = bpy.data.meshes.new_from_object(whole_body.evaluated_get(graph), depsgraph=graph)
    whole_body.modifiers.clear()
    whole_body.data = result
    bpy.data.objects.remove(cutter)


def cut_arches(car: Car, shape: Shape, lower: bpy.types.Object, well: bpy.types.Material) -> None:
    """Cut the wheel arches, and a pickup's bed, out of the lower body."""
    turns = np.linspace(0, 2 * np.pi, 56, endpoint=False)
    cutters = []
    for axle in (shape.front_axle, shape.rear_axle):
        circle = np.column_stack([axle + shape.arch * np.cos(turns),
                                  shape.wheel + 0.015 + shape.arch * np.sin(turns)])  # fmt: skip
        for side in (-1, 1):
            ends = sorted((side * (shape.width - 0.34), side * (shape.width + 0.3)))
            cutters.append(prism(circle, "y", *ends))
    if car.style == "pickup":
        wide, front, rear = shape.width - 0.13, shape.glass_rear[0] - 0.06, shape.rear + 0.13
        bed = np.array([(front, -wide), (front, wide), (rear, wide), (rear, -wide)])
        cutters.append(prism(bed, "z", 2 * shape.wheel + 0.10, shape.belt + 0.6))
    subtract(lower, cutters, well)


def cut_cabin(car: Car, shape: Shape, lower: bpy.types.Object, lining: bpy.types.Material) -> None:
    """Hollow the lower body out under the greenhouse: wide above the wheel arches, then narrow."""
    front, rear = shape.glass_front[0] - 0.03, shape.glass_rear[0] + 0.035
    floor = 2 * shape.wheel + 0.10
    wide = whole(plan(front, rear, shape.base_width - 0.035, cabin_bow(car, shape), 40))
    deep = shape.width - 0.37
    ends = front - 0.55, max(rear + 0.35, shape.rear_axle + 0.1)
    well = np.array([(ends[0], -deep), (ends[0], deep), (ends[1], deep), (ends[1], -deep)])
    subtract(lower, [prism(wide, "z", floor, shape.belt + 0.6)], lining)
    subtract(lower, [prism(well, "z", 0.36, floor + 0.1)], lining)


def cabin_bow(car: Car, shape: Shape) -> tuple[float, float]:
    """How far windscreen and rear window are bowed in metres, seen from above."""
    front = 0.24 - 0.16 * shape.boxiness
    return (front, 0.8 * shape.bow[1] if car.style in TAILGATE else 0.5 * front)
