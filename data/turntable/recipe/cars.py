"""Model one car: a lower body, a greenhouse on top of it, and what lies on their surfaces.

The front of the car points along +x, its left side along +y; the ground is z = 0. Lengths are in
metres. `build` returns an empty object that carries all parts: turn it and the car turns.
"""

from __future__ import annotations

import bpy
from mathutils.bvhtree import BVHTree

import parts
from body import body, cut_arches, cut_cabin
from doors import doors, lids, spare_wheel
from fleet import Car
from front import face
from glass import windows
from greenhouse import greenhouse, thicken
from interior import interior
from interior import materials as cabin_materials
from materials import materials, paint_of
from meshes import surface
from rear import tail
from shapes import measure
from trim import flank, window_line, wipers
from wheels import wheels


def build(car: Car) -> bpy.types.Object:
    """Model the car and return the empty object that all its parts hang on."""
    before = set(bpy.data.objects)
    shape, paint = measure(car), paint_of(car)
    kit = materials(car, paint) | cabin_materials(car)
    lower, upper = body(car, shape, kit), greenhouse(car, shape, kit)
    # Parts are laid on the uncut surfaces: an opening would let their rays through.
    lower_surface: BVHTree = surface(lower)
    upper_surface: BVHTree = surface(upper)
    cut_arches(car, shape, lower, kit["well"])
    cut_cabin(car, shape, lower, kit["lining"])
    thicken(upper)
    windows(car, shape, upper, upper_surface, lower_surface, kit)
    interior(car, shape, kit)
    doors(car, shape, lower_surface, kit)
    lids(car, shape, lower_surface, kit)
    if car.extras["spare_wheel"]:
        spare_wheel(car, shape, kit)
    face(car, shape, lower_surface, kit)
    tail(car, shape, lower_surface, kit)
    wheels(car, shape, kit)
    window_line(car, shape, upper_surface, kit)
    flank(car, shape, lower_surface, kit)
    wipers(car, shape, lower_surface, upper_surface, kit)
    parts.mirrors(car, shape, upper_surface, kit)
    if not car.extras["open"]:
        parts.roof(car, shape, upper_surface, kit)
    root = bpy.data.objects.new("car", None)
    bpy.context.scene.collection.objects.link(root)
    for thing in set(bpy.data.objects) - before - {root}:
        if thing.parent is None:
            thing.parent = root
    return root
