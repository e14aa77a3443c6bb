"""Model one car: a lower body, a greenhouse on top of it, and what lies on their surfaces.

The front of the car points along +x, its left side along +y; the ground is z = 0. Lengths are in
metres. `build` returns an empty object that carries all parts: turn it and the car turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

import details
import parts
from fleet import Car
from meshes import chaikin, make_object, material, ring_faces, smooth_profile, srgb, surface

TIP = 0.10  # over so many metres at either end the body is rounded off


@dataclass
class Shape:
    """The lengths that the parts share, worked out once from the drawn proportions."""

    front: float
    rear: float
    front_axle: float
    rear_axle: float
    width: float  # half the width of the body
    belt: float
    roof: float
    glass_front: tuple[float, float]  # x of the windscreen's foot and of its upper edge
    glass_rear: tuple[float, float]
    base_width: float  # half the width of the greenhouse at its foot
    wheel: float
    arch: float


def measure(car: Car) -> Shape:
    """Turn proportions into positions."""
    size = car.size
    half = size["length"] / 2
    front_axle = half - size["front_overhang"]
    rear_axle = front_axle - size["wheelbase_share"] * size["length"]
    foot = front_axle - size["windscreen_base"]
    if car.style in ("hatchback", "suv", "van"):
        back = -half + (0.05 if car.style == "van" else 0.09)
    else:
        back = rear_axle - size["rear_base"]
    return Shape(
        front=half, rear=-half, front_axle=front_axle, rear_axle=rear_axle,
        width=size["width"] / 2, belt=size["belt_share"] * size["height"], roof=size["height"],
        glass_front=(foot, foot - size["windscreen_run"]),
        glass_rear=(back, back + size["rear_run"]),
        base_width=size["width"] / 2 * (0.955 if car.style == "van" else 0.90),
        wheel=size["wheel"],
        arch=size["wheel"] + (0.065 if car.style in ("suv", "pickup") else 0.045),
    )  # fmt: skip


def paint_of(car: Car) -> bpy.types.Material:
    """Car paint: a base under a clear coat; metallic paint has a rough metal base, matte no coat."""
    base = srgb(car.paint_hex)
    if car.finish == "metallic":
        return material("paint", base, Metallic=0.75, Roughness=0.36, Coat_Weight=1.0,
                        Coat_Roughness=0.03)  # fmt: skip
    if car.finish == "matte":
        return material("paint", base, Metallic=0.25, Roughness=0.5, Coat_Weight=0.15,
                        Coat_Roughness=0.4)  # fmt: skip
    return material("paint", base, Roughness=0.5, Specular_IOR_Level=0.1, Coat_Weight=0.9,
                    Coat_Roughness=0.02)  # fmt: skip


def half_width(shape: Shape, x: np.ndarray, boxiness: float) -> np.ndarray:
    """Half the width of the body at `x`: the corners are drawn in, seen from above."""
    taper = 0.26 - 0.10 * boxiness
    front = np.clip(1 - (shape.front - x) / 0.95, 0, 1) ** 2.3
    rear = np.clip(1 - (x - shape.rear) / 0.70, 0, 1) ** 2.3
    return shape.width * (1 - taper * front - 0.65 * taper * rear)


def body(car: Car, shape: Shape, paint: bpy.types.Material, dark: bpy.types.Material):
    """The lower body: one smooth half section, drawn along the car and mirrored."""
    size, box = car.size, car.size["boxiness"]
    ends = np.array([0, 0.006, 0.018, 0.036, 0.06, 0.085])
    inner = np.linspace(shape.rear + 0.11, shape.front - 0.11, 96)
    x = np.concatenate([shape.rear + ends, inner, shape.front - ends[::-1]])
    nose, tail = size["nose_share"] * shape.belt, size["tail_share"] * shape.belt
    foot = shape.glass_front[0]
    top = smooth_profile(
        [(shape.front, nose), (shape.front - 0.28, nose + 0.35 * (shape.belt - nose)),
         (foot + 0.1, shape.belt - 0.025), (foot - 0.5, shape.belt),
         (shape.glass_rear[0] + 0.2, 0.4 * shape.belt + 0.6 * tail),
         (shape.rear + 0.3, tail), (shape.rear, tail - 0.02)], x, 0.10,
    )  # fmt: skip
    bottom = smooth_profile(
        [(shape.front, size["clearance"] + 0.05), (shape.front_axle, size["clearance"]),
         (shape.rear_axle, size["clearance"] + 0.01), (shape.rear, size["clearance"] + 0.10)], x, 0.1,
    )  # fmt: skip
    reach = np.minimum(shape.front - x, x - shape.rear)
    tip = 1 - np.sqrt(np.clip(1 - np.clip(1 - reach / TIP, 0, 1) ** 2, 0, 1))
    width = half_width(shape, x, box) * (1 - 0.07 * tip)
    top, bottom = top - 0.06 * tip * (top - bottom), bottom + 0.07 * tip * (top - bottom)
    crown = 0.02 + 0.02 * (1 - box)
    # Half section: (share of the half width, share of the height, height added at the top)
    section = np.array(
        [(0, 0, 0), (0.70, 0, 0), (0.87, 0.01, 0), (0.925, 0.07, 0), (0.935, 0.115, 0),
         (0.945, 0.13, 0), (0.97, 0.32, 0), (0.99, 0.52, 0), (1.0, 0.68, 0), (1.0, 0.74, 0),
         (0.982 + 0.012 * box, 0.80, 0), (0.965 + 0.02 * box, 0.88 + 0.03 * box, 0),
         (0.93 + 0.035 * box, 0.945 + 0.02 * box, 0), (0.83 + 0.06 * box, 0.985, 0.0),
         (0.6, 1, 0.4 * crown), (0.3, 1, 0.9 * crown), (0, 1, crown)]
    )  # fmt: skip
    section = chaikin(section, 2)
    y = width[:, None] * section[None, :, 0]
    z = bottom[:, None] + (top - bottom)[:, None] * section[None, :, 1] + section[None, :, 2]
    # The fascias bulge: furthest out at bumper height, leaning back above it and below it.
    share = (z - bottom[:, None]) / (top - bottom)[:, None]
    lean = 0.13 - 0.08 * box
    front = np.clip(1 - (shape.front - x) / 0.6, 0, 1)[:, None] ** 1.5
    rear = np.clip(1 - (x - shape.rear) / 0.6, 0, 1)[:, None] ** 1.5
    back = lean * np.where(
        share > 0.4, ((share - 0.4) / 0.6) ** 2, ((0.4 - share) / 0.4) ** 2 * 0.6
    )
    xs = x[:, None] - front * back + rear * back * 0.45
    half = np.stack([xs, y, z], axis=2)
    whole = np.concatenate([half, (half * (1, -1, 1))[:, -2:0:-1]], axis=1)
    stations, around = whole.shape[:2]
    faces: list[tuple[int, ...]] = list(ring_faces(stations, around, closed=True))
    sill = 0.10 if not car.extras["cladding"] else 0.27
    ring_share = np.concatenate([section[:, 1], section[-2:0:-1, 1]])
    low = [bool(max(ring_share[i], ring_share[(i + 1) % around]) <= sill) for i in range(around)]
    kinds = [int(low[i]) for _ in range(stations - 1) for i in range(around)]
    faces += [tuple(range(around)), tuple(range((stations - 1) * around, stations * around))]
    return make_object("body", whole.reshape(-1, 3), faces, [paint, dark],
                       face_materials=[*kinds, 0, 0])  # fmt: skip


def greenhouse(car: Car, shape: Shape, paint: bpy.types.Material) -> bpy.types.Object:
    """The cabin above the belt line: outlines seen from above, stacked from the belt to the roof."""
    size, tall = car.size, car.style in ("suv", "pickup", "van")
    edge, crown = 0.035, 0.03 if tall else 0.035
    top = shape.roof - edge - crown
    foot, head = shape.glass_front
    back, back_head = shape.glass_rear
    rings = []

    def outline(front: float, rear: float, width: float) -> np.ndarray:
        bow, bow_rear = (0.10, 0.05) if tall else (0.16, 0.09)
        middle = (front + rear) / 2
        half = np.array(
            [(front, 0), (front - 0.2 * bow, 0.45 * width), (front - 0.7 * bow, 0.84 * width),
             (front - bow - 0.03, 0.965 * width), (front - bow - 0.22, 0.995 * width),
             (middle, 1.012 * width), (rear + bow_rear + 0.20, 0.995 * width),
             (rear + bow_rear + 0.03, 0.965 * width), (rear + 0.7 * bow_rear, 0.84 * width),
             (rear + 0.2 * bow_rear, 0.45 * width), (rear, 0)]
        )  # fmt: skip
        half = chaikin(half, 2)
        return np.concatenate([half, (half * (1, -1))[-2:0:-1]])

    def drop(x: np.ndarray, share: float) -> np.ndarray:
        peak = head - 0.35
        return size["drop"] * share * np.clip((peak - x) / (peak - back), 0, 1) ** 2

    for share in (-0.16, *np.linspace(0, 1, 10)):
        bulge = 4 * share * (1 - share) * (0.02 if tall else 0.035) if share > 0 else 0
        flat = outline(foot + (head - foot) * share + bulge,
                       back + (back_head - back) * share - bulge,
                       shape.base_width * (1 - size["tumble"] * max(share, 0) ** 1.25))  # fmt: skip
        z = shape.belt + (top - shape.belt) * share - drop(flat[:, 0], share)
        rings.append(np.column_stack([flat, z]))
    rim = rings[-1]
    centre = np.array([(head + back_head) / 2, 0.0])
    for scale in (0.99, 0.97, 0.94, 0.9, 0.8, 0.65, 0.45, 0.2):
        flat = centre + scale * (rim[:, :2] - centre)
        lift = edge * (1 - (np.clip(scale - 0.9, 0, 0.1) / 0.1) ** 2) + crown * (1 - scale**2)
        rings.append(np.column_stack([flat, top + lift - drop(flat[:, 0], 1.0)]))
    around = len(rim)
    faces: list[tuple[int, ...]] = list(ring_faces(len(rings), around, closed=True))
    faces.append(tuple(range((len(rings) - 1) * around, len(rings) * around)))
    return make_object("greenhouse", np.concatenate(rings), faces, [paint])


def cut(car: Car, shape: Shape, whole: bpy.types.Object, well: bpy.types.Material) -> None:
    """Cut the wheel arches, and a pickup's bed, out of the lower body."""
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, ...]] = []
    for axle in (shape.front_axle, shape.rear_axle):
        for side in (-1, 1):
            first, steps = len(vertices), 56
            for depth in (shape.width - 0.34, shape.width + 0.3):
                for turn in np.linspace(0, 2 * np.pi, steps, endpoint=False):
                    vertices.append((axle + shape.arch * np.cos(turn), side * depth,
                                     shape.wheel + 0.015 + shape.arch * np.sin(turn)))  # fmt: skip
            faces += [(first + i, first + (i + 1) % steps, first + steps + (i + 1) % steps,
                       first + steps + i) for i in range(steps)]  # fmt: skip
            faces += [tuple(range(first, first + steps)),
                      tuple(range(first + steps, first + 2 * steps))]  # fmt: skip
    if car.style == "pickup":
        first = len(vertices)
        low, high = 0.62 * shape.belt, shape.belt + 0.4
        for x in (shape.rear + 0.12, shape.glass_rear[0] - 0.05):
            for y in (-shape.width + 0.15, shape.width - 0.15):
                vertices += [(x, y, low), (x, y, high)]
        block = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
        faces += [tuple(first + i for i in face) for face in block]
    cutter = make_object("cutter", vertices, faces, [well], smooth=False)
    modifier = whole.modifiers.new("cut", "BOOLEAN")
    modifier.operation, modifier.object, modifier.solver = "DIFFERENCE", cutter, "EXACT"
    modifier.material_mode = "TRANSFER"
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    result = bpy.data.meshes.new_from_object(whole.evaluated_get(graph), depsgraph=graph)
    whole.modifiers.clear()
    whole.data = result
    bpy.data.objects.remove(cutter)


def build(car: Car) -> bpy.types.Object:
    """Model the car and return the empty object that all its parts hang on."""
    before = set(bpy.data.objects)
    shape, paint = measure(car), paint_of(car)
    kit = parts.materials(car, paint)
    lower = body(car, shape, paint, kit["plastic"])
    upper = greenhouse(car, shape, paint)
    lower_surface: BVHTree = surface(lower)
    upper_surface: BVHTree = surface(upper)
    cut(car, shape, lower, kit["well"])
    details.windows(car, shape, upper_surface, kit)
    details.doors(car, shape, lower_surface, kit)
    details.face(car, shape, lower_surface, kit)
    details.tail(car, shape, lower_surface, kit)
    parts.wheels(car, shape, half_width, kit)
    parts.mirrors(car, shape, kit)
    parts.roof(car, shape, upper_surface, kit)
    root = bpy.data.objects.new("car", None)
    bpy.context.scene.collection.objects.link(root)
    for thing in set(bpy.data.objects) - before - {root}:
        if thing.parent is None:
            thing.parent = root
    return root
