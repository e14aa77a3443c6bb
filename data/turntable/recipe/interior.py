"""What one sees through the windows: dashboard, wheel, seats, shelf; and the materials of it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import bpy
import numpy as np

from body import Kit, cabin_bow
from fleet import Car
from glass import glazing, side_outline
from meshes import box, lathe, make_object, material, srgb
from shapes import Shape, plan, whole

# Lining, seats, roof lining (sRGB).
COLOURS = (("#1B1B1D", "#202022", "#8E8C86"), ("#1D1C1C", "#2A2A2C", "#B9B6AE"),
           ("#2A2724", "#B7A488", "#CFC7B8"), ("#2B2C2E", "#77787A", "#A9AAAA"),
           ("#161617", "#151516", "#1F1F20"))  # fmt: skip
FABRICS = ("#0B0B0C", "#4A3A2C", "#15151A", "#111214")


def materials(car: Car) -> Kit:
    """Glass, lining, upholstery and the soft top's fabric, by name."""
    rng = random.Random(f"turntable interior {car.name}")
    lining, seats, ceiling = rng.choice(COLOURS)
    return {
        "front glass": glazing("front glass", float(car.extras["front_tint"])),
        "rear glass": glazing("rear glass", float(car.extras["rear_tint"])),
        "lining": material("lining", srgb(lining), Roughness=0.8),
        "seat": material("seat", srgb(seats), Roughness=0.6),
        "ceiling": material("ceiling", srgb(ceiling), Roughness=0.9),
        "fabric": material("fabric", srgb(rng.choice(FABRICS)), Roughness=0.85),
    }


def block(name: str, where: Sequence[float], size: Sequence[float], of: bpy.types.Material,
          tilt: float = 0.0, bevel: float = 0.04) -> None:  # fmt: skip
    """A rounded box, tilted backwards by `tilt` radians."""
    made = box(name, (0, 0, 0), size, of, bevel=bevel)
    made.location, made.rotation_euler.y = where, -tilt


def seat(x: float, y: float, z: float, width: float, top: float, kit: Kit) -> None:
    """Cushion, backrest and headrest; `x` is the foot of the backrest, `top` the headrest's top."""
    tilt, height = 0.30, (top - 0.17 - z) / np.cos(0.30)
    block("cushion", (x + 0.24, y, z), (0.52, width, 0.16), kit["seat"], 0.06)
    block("backrest", (x - 0.5 * height * np.sin(tilt), y, z + 0.5 * height * np.cos(tilt)),
          (0.14, width, height), kit["seat"], tilt)  # fmt: skip
    rest = x - (top - 0.09 - z) * np.tan(tilt) * 0.9
    for offset in (0.0,) if width < 0.7 else (-0.31 * width, 0.31 * width):
        block("headrest", (rest, y + offset, top - 0.085), (0.10, 0.26, 0.17), kit["seat"], 0.2)


def interior(car: Car, shape: Shape, kit: Kit) -> None:
    """Fill the cabin."""
    sides = side_outline(car, shape)
    foot, half = shape.glass_front[0], shape.base_width
    belt, ceiling = shape.belt, shape.roof - 0.10
    bow = cabin_bow(car, shape)
    dash = whole(plan(foot - 0.05, foot - 0.55, half - 0.05, (bow[0], 0.02), 30))
    rings = [np.column_stack([dash, np.full(len(dash), z)]) for z in (belt - 0.25, belt - 0.005)]
    count = len(dash)
    faces = [(i, (i + 1) % count, count + (i + 1) % count, count + i) for i in range(count)]
    make_object("dashboard", np.concatenate(rings), [*faces, tuple(range(count, 2 * count))],
                [kit["lining"]], smooth=False)  # fmt: skip
    front = min(sides[0, 0] - 0.78, foot - 1.0)  # foot of the front backrests
    cushion = max(belt - 0.44, 0.36)
    top = min(ceiling - 0.08, belt + 0.30)
    y = 0.42 * half
    for side in (1, -1):
        seat(front, side * y, cushion, 0.50, top, kit)
    block("tunnel", (front + 0.2, 0, belt - 0.40), (1.0, 0.22, 0.20), kit["lining"])
    block("cluster", (foot - 0.42, y, belt + 0.02), (0.22, 0.36, 0.09), kit["lining"])
    wheel = lathe("steering wheel", [(0.175, -0.014), (0.19, 0.0), (0.175, 0.014), (0.16, 0.0)],
                  kit["lining"], steps=24)  # fmt: skip
    wheel.location = (foot - 0.66, y, belt + 0.0)
    wheel.rotation_euler = (0, 0, np.pi / 2)
    wheel.rotation_euler.rotate_axis("X", -0.45)
    rear = shape.glass_rear[0]
    if not car.extras["open"]:
        x, _ = shape.ends_at(0.80)
        block("rear-view mirror", (float(x) - 0.14, 0, shape.roof - 0.20), (0.03, 0.22, 0.07),
              kit["lining"], 0.0, 0.012)  # fmt: skip
    bench = max(front - 0.92, rear + 0.42)
    if car.extras["cargo"] or (car.style == "pickup" and car.extras["side_windows"] == 1):
        block("bulkhead", (front - 0.42, 0, belt), (0.03, 1.6 * half, 0.6), kit["lining"], 0, 0.01)
    elif car.style == "sports car" or (front - bench < 0.55):
        block("shelf", (rear + 0.35, 0, belt - 0.06), (0.9, 1.5 * half, 0.06), kit["lining"])
    else:
        # Headrests stay in front of the rear window; where it leaves them no room, they are low.
        high = min(ceiling - 0.16, belt + 0.20)
        slope = float(shape.ends_at((high - belt) / (shape.roof - belt))[1])
        if bench - 0.3 * (high - cushion) < slope + 0.16:
            high = belt + 0.06
        seat(bench, 0, cushion + 0.02, 1.45 * half, high, kit)
        if car.extras["side_windows"] == 3 and bench - rear > 1.35:
            seat(bench - 0.85, 0, cushion + 0.05, 1.35 * half, belt + 0.16, kit)
    deck = max(bench - 0.36, rear + 0.3) if not car.extras["cargo"] else rear + 0.4
    if deck - rear > 0.1 and not car.extras["open"]:
        block("parcel shelf", (0.5 * (deck + rear) + 0.02, 0, belt - 0.03),
              (deck - rear - 0.14, 1.38 * half, 0.03), kit["lining"], 0.0, 0.01)  # fmt: skip
    if car.extras["open"]:
        block("folded top", (rear + 0.22, 0, belt - 0.01), (0.50, 1.62 * half, 0.16), kit["fabric"])
