"""The cabin above the belt line: a hollow shell with real openings for the windows."""

from __future__ import annotations

import bpy
import numpy as np

from body import Kit, cabin_bow
from fleet import Car
from meshes import make_object, ring_faces
from shapes import EDGE, Shape, plan, whole

WALL = 0.03  # thickness of pillars and roof


def greenhouse(car: Car, shape: Shape, kit: Kit) -> bpy.types.Object:
    """The outer skin, open below: outlines seen from above, stacked from the belt to the roof."""
    bow = cabin_bow(car, shape)
    rings = []
    for share in (-0.22, -0.1, *np.linspace(0, 1, 12)):
        up = max(share, 0.0)
        front, rear = shape.ends_at(share)
        flat = plan(front, rear, shape.base_width * (1 - shape.tumble * up**1.25), bow, 90)
        across = flat[:, 1] / flat[:, 1].max()
        belt = shape.belt_at(flat[:, 0])
        z = belt + share * (shape.rim_at(flat[:, 0], across) - belt)
        rings.append(np.column_stack([flat, z]))
    rim, edge_across = rings[-1], rings[-1][:, 1] / rings[-1][:, 1].max()
    centre = np.array([rim[:, 0].mean(), 0.0])
    for scale in (0.995, 0.98, 0.955, 0.92, 0.88, 0.78, 0.62, 0.42, 0.2):
        flat = centre + scale * (rim[:, :2] - centre)
        lift = EDGE * np.sqrt(1 - (np.clip(scale - 0.88, 0, 0.12) / 0.12) ** 2)
        rings.append(np.column_stack([flat, shape.rim_at(flat[:, 0], scale * edge_across) + lift]))
    rings = [whole(ring) for ring in rings]
    around = len(rings[0])
    faces: list[tuple[int, ...]] = list(ring_faces(len(rings), around, closed=True))
    faces.append(tuple(range((len(rings) - 1) * around, len(rings) * around)))
    vertices = np.concatenate(rings)
    # A soft top begins behind the windscreen's frame, a straight line parallel to the glass.
    (foot, head), high = shape.glass_front, shape.roof - shape.belt
    cloth = []
    for face in faces:
        x, _, z = vertices[list(face)].mean(axis=0)
        line = foot + (head - foot) * (z - shape.belt) / high - bow[0] - 0.10
        cloth.append(bool(car.extras["soft_top"]) and x < line)
    return make_object("greenhouse", vertices, faces, [kit["paint"], kit["ceiling"], kit["fabric"]],
                       face_materials=[2 * c for c in cloth])  # fmt: skip


def thicken(shell: bpy.types.Object) -> None:
    """Give the skin an inner side, which takes the second material."""
    modifier = shell.modifiers.new("wall", "SOLIDIFY")
    modifier.thickness, modifier.offset = WALL, -1
    modifier.material_offset = modifier.material_offset_rim = 1
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    result = bpy.data.meshes.new_from_object(shell.evaluated_get(graph), depsgraph=graph)
    shell.modifiers.clear()
    shell.data = result
