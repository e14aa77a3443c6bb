"""Lines in the body: doors, bonnet, boot, fuel flap; sills, wheel-arch lips and a spare wheel."""

from __future__ import annotations

import numpy as np
from mathutils.bvhtree import BVHTree

from body import Kit
from fleet import Car
from glass import posts, side_outline
from meshes import cast, decal, lathe, make_object, ribbon
from parts import handle
from shapes import Shape

SEAM = 0.007  # width of a shut line, in metres


def doors(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """Shut lines of the doors, following the posts between the windows; and the fuel flap."""
    sides = side_outline(car, shape)
    low = car.size["clearance"] + 0.16 * (shape.belt - car.size["clearance"])
    start = min(sides[0, 0] + 0.10, shape.front_axle - shape.arch - 0.09)
    behind = shape.rear_axle + shape.arch + 0.03
    pillars = posts(car, sides)
    last = pillars[0] if pillars else sides[-1, 0] - 0.03
    ends = [last]
    if car.extras["doors"] == 4 and not car.extras["cargo"]:
        ends.append(pillars[1] if len(pillars) > 1 else sides[-1, 0] - 0.04)
    if car.extras["cargo"]:
        ends.append(last - 1.15)  # the sliding door
    for side in ("+y", "-y"):
        high = float(shape.belt_at(start))
        ribbon("seam", lower, side, [(start, high), (start + 0.03, 0.6 * high + 0.4 * low), (start, low)],
             SEAM, kit["gap"])  # fmt: skip
        for x in ends:
            grip = max(x + 0.17, shape.rear_axle + 0.10)
            handle(car, lower, side, grip, float(shape.belt_at(grip)) - 0.10, kit)
            high, round_arch = float(shape.belt_at(x)), shape.arch + 0.045
            path = [(x, high), (x - 0.01, low)]
            if x < shape.rear_axle + round_arch:  # follow the wheel arch down to the sill
                first = np.arccos(np.clip((x - shape.rear_axle) / round_arch, -0.5, 1))
                last = np.arcsin((low - shape.wheel) / round_arch)
                path = [(x, high), *[(shape.rear_axle + round_arch * np.cos(turn),
                                      shape.wheel + round_arch * np.sin(turn))
                                     for turn in np.linspace(first, last, 12)]]  # fmt: skip
            ribbon("seam", lower, side, path, SEAM, kit["gap"])
        ribbon("seam", lower, side, [(start, low), (max(min(ends), behind), low)], SEAM, kit["gap"])
        for axle in (shape.front_axle, shape.rear_axle):
            if car.extras["cladding"]:
                arch(axle, shape, lower, side, kit)
    x, z = shape.rear_axle - 0.08, 0.86 * shape.belt
    flap = [(x - 0.08, z - 0.07), (x - 0.08, z + 0.07), (x + 0.08, z + 0.07), (x + 0.08, z - 0.07)]
    # Most cars are filled up from the right.
    ribbon(
        "seam", lower, "-y" if int(car.name[-2:]) % 3 else "+y", [*flap, flap[0]], 0.005, kit["gap"]
    )


def lids(car: Car, shape: Shape, lower: BVHTree, kit: Kit) -> None:
    """The bonnet's outline, the black cowl under the windscreen, and the boot lid's sides."""
    foot, nose = shape.glass_front[0], shape.front - 0.16 - 0.10 * (1 - shape.boxiness)
    edge = 0.80 * shape.width
    corner = nose - 0.30 * shape.bow[0]
    for sign in (1, -1):
        ribbon("seam", lower, "+z", [(nose, 0), (corner, sign * 0.84 * edge), (nose - 0.5, sign * edge),
                           (foot - 0.08, sign * edge)], SEAM, kit["gap"])  # fmt: skip
    wide = 0.80 * shape.base_width
    decal("cowl", lower, "+z", [(foot + 0.05, -0.3), (foot + 0.05, 0.3), (foot - 0.10, wide),
                                (foot - 0.2, wide), (foot - 0.2, -wide), (foot - 0.10, -wide)],
          kit["plastic"])  # fmt: skip
    rear = shape.glass_rear[0]
    if rear - shape.rear > 0.45 and car.style != "pickup":
        for sign in (1, -1):
            ribbon("seam", lower, "+z", [(rear + 0.02, sign * 0.84 * edge), (rear - 0.15, sign * 0.9 * edge),
                               (shape.rear + 0.16, sign * 0.88 * edge)], SEAM, kit["gap"])  # fmt: skip


def arch(axle: float, shape: Shape, lower: BVHTree, side: str, kit: Kit) -> None:
    """A black plastic lip around a wheel arch."""
    rows = []
    for turn in np.linspace(-0.15, np.pi + 0.15, 40):
        row = []
        for radius in (shape.arch - 0.002, shape.arch + 0.03, shape.arch + 0.058):
            hit = cast(lower, side, axle + radius * np.cos(turn),
                       shape.wheel + 0.015 + radius * np.sin(turn))  # fmt: skip
            if hit:
                row.append(hit[0] + 0.008 * hit[1])
        if len(row) == 3:
            rows.append(row)
    vertices = [point for row in rows for point in row]
    faces = [(3 * i + j, 3 * i + j + 1, 3 * i + j + 4, 3 * i + j + 3)
             for i in range(len(rows) - 1) for j in (0, 1)]  # fmt: skip
    make_object("arch", vertices, faces, [kit["plastic"]])


def spare_wheel(car: Car, shape: Shape, kit: Kit) -> None:
    """A tyre under a hard cover on the tailgate of an off-roader."""
    radius, x = 0.92 * shape.wheel, shape.rear - 0.02
    tyre = lathe("spare tyre", [(0.5 * radius, -0.09), (0.9 * radius, -0.10), (radius, -0.06),
                                (radius, 0.06), (0.9 * radius, 0.10), (0.5 * radius, 0.09)],
                 kit["rubber"], part="wheels")  # fmt: skip
    cover = lathe("spare cover", [(0.001, 0.125), (0.6 * radius, 0.12), (0.88 * radius, 0.105),
                                  (0.9 * radius, 0.05)], kit["paint"], closed=False,
                  part="wheels")  # fmt: skip
    for thing in (tyre, cover):
        thing.location = (x, -0.05, 0.99 * shape.belt)
        thing.rotation_euler.z = np.pi / 2
